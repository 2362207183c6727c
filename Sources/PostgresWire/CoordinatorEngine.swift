// CoordinatorEngine.swift — a coordinator as the engine behind PostgreSQL's protocol: who may log in, and what texts mean.
//
// Texts that were taken apart are kept, for clients that send the same ones again and again. What statements do: CoordinatorSession.swift.

internal import Capabilities
internal import Columns
public import CoordinatorNode
internal import Model
internal import Planning
internal import SQL
internal import Synchronization

/// Who may log in.
public protocol LoginRules: Sendable {
  /// How a user may log in, from a peer as `Connection.peer` tells it.
  func rule(user: String, peer: String) async -> LoginRule
}

/// Everybody on this machine is trusted, nobody else is known.
public struct TrustedLogins: LoginRules {
  /// Makes the rules.
  public init() {}
  /// Trust, which holds for peers on this machine only.
  public func rule(user: String, peer: String) async -> LoginRule { .trust }
}

/// A coordinator's SQL.
public final class CoordinatorEngine: SQLEngine {
  let coordinator: Coordinator
  private let database: String
  private let logins: any LoginRules
  let texts = ParsedTexts()
  let sessions = OpenSessions()
  let results: HeldResults

  /// Makes the engine of a coordinator, whose cluster has one database; `resultBytesMax` bounds the rows that wait for their clients.
  public init(_ coordinator: Coordinator, database: String, logins: any LoginRules, resultBytesMax: Int = 1 << 30) {
    results = HeldResults(limit: resultBytesMax)
    self.coordinator = coordinator
    self.database = database
    self.logins = logins
  }
  /// How a user may log in.
  public func loginRule(user: String, database: String, peer: String) async -> LoginRule {
    await logins.rule(user: user, peer: peer)
  }
  /// Begins a session.
  public func openSession(_ client: ClientIdentity) async throws -> any SQLSession {
    guard client.isEncrypted || NetworkAddress(client.peer)?.isLoopback ?? false else {
      throw TallyError(
        .invalid,
        "connections from other machines must be encrypted",
        sqlState: "28000",
        hint: "Connect with sslmode=require, or verify-full."
      )
    }
    guard client.database == database else {
      throw TallyError.sql(
        "3D000",
        "database \"\(client.database)\" does not exist",
        hint: "A cluster has one database: \(database)."
      )
    }
    return CoordinatorSession(self, client, await coordinator.openTemporary())
  }
}

/// What the engine keeps of a statement.
enum EngineContent: Sendable {
  /// Needs the catalog; characters before its own text.
  case planned(ParsedStatement, offset: Int)
  /// The arguments of an EXECUTE.
  case arguments([ExpressionSyntax])
  /// VACUUM or ANALYZE.
  case maintenance(isVacuum: Bool)
  case refused(TallyError)
  /// All that the session needs stands in the kind.
  case none
}

/// Texts that were taken apart lately.
final class ParsedTexts: Sendable {
  private struct State {
    var known: [String: (statements: [EngineStatement], used: UInt64)] = [:]
    var uses: UInt64 = 0
  }
  /// Texts kept.
  private static let count = 512
  /// Bytes of the longest that is kept.
  private static let bytesMax = 4096
  private let state = Mutex(State())

  func find(_ text: String) -> [EngineStatement]? {
    guard text.utf8.count <= Self.bytesMax else { return nil }
    return state.withLock { state in
      state.uses += 1
      let now = state.uses
      guard let at = state.known.index(forKey: text) else { return nil }
      state.known.values[at].used = now
      return state.known.values[at].statements
    }
  }
  func keep(_ text: String, _ statements: [EngineStatement]) {
    guard text.utf8.count <= Self.bytesMax else { return }
    state.withLock { state in
      if state.known.count >= Self.count {
        // The older half goes: seldom, and in one pass.
        let uses = state.known.values.map(\.used).sorted()
        let middle = uses[uses.count / 2]
        state.known = state.known.filter { $0.value.used > middle }
      }
      state.uses += 1
      state.known[text] = (statements, state.uses)
    }
  }
}

extension EngineStatement {
  /// A statement as the session takes it.
  init(_ parsed: SessionStatement) {
    let text = parsed.text
    switch parsed.content {
    case .refused(let error): self.init(.engine(readsOnly: false), text: text, content: EngineContent.refused(error))
    case .planned(let statement):
      self.init(
        .engine(readsOnly: statement.statement.isQuery),
        text: text,
        content: EngineContent.planned(statement, offset: parsed.offset)
      )
    case .session(let own): self = Self.own(own, text)
    }
  }
  private static func own(_ syntax: SessionSyntax, _ text: String) -> EngineStatement {
    func plain(_ kind: StatementKind) -> EngineStatement { EngineStatement(kind, text: text, content: EngineContent.none) }
    func inner(_ statement: ParsedStatement) -> EngineStatement {
      EngineStatement(
        .engine(readsOnly: statement.statement.isQuery),
        text: statement.text,
        content: EngineContent.planned(statement, offset: 0)
      )
    }
    switch syntax {
    case .begin(let modes, let isStart): return plain(.begin(TransactionModes(modes), isStart: isStart))
    case .commit(let chain): return plain(.commit(chain: chain))
    case .rollback(let chain): return plain(.rollback(chain: chain))
    case .savepoint(let name): return plain(.savepoint(name))
    case .release(let name): return plain(.release(name))
    case .rollBackTo(let name): return plain(.rollBackTo(name))
    case .setTransaction(let modes): return plain(.setTransaction(TransactionModes(modes)))
    case .setCharacteristics(let modes): return plain(.setCharacteristics(TransactionModes(modes)))
    case .set(let name, let values, let isLocal): return plain(.set(name, values, isLocal: isLocal))
    case .reset(let name): return plain(.reset(name))
    case .resetAll: return plain(.resetAll)
    case .show(let name): return plain(.show(name))
    case .showAll: return plain(.showAll)
    case .discard(let target): return plain(.discard(DiscardTarget(target)))
    case .prepare(let name, let types, let statement):
      do throws(TallyError) {
        let types = try types.map { type throws(TallyError) in try type.parameterType() }
        return plain(.prepare(name, types: types, inner(statement)))
      } catch { return EngineStatement(.engine(readsOnly: true), text: text, content: EngineContent.refused(error)) }
    case .execute(let name, let arguments):
      return EngineStatement(.execute(name, argumentCount: arguments.count), text: text, content: EngineContent.arguments(arguments))
    case .deallocate(let name): return plain(.deallocate(name))
    case .declare(let name, let isScroll, let isHeld, let isBinary, let query):
      return plain(.declare(name, CursorOptions(isScroll: isScroll, isHeld: isHeld, isBinary: isBinary), inner(query)))
    case .fetch(let name, let direction, let isMove):
      let direction = FetchDirection(direction)
      return plain(isMove ? .move(name, direction) : .fetch(name, direction))
    case .closeCursor(let name): return plain(.closeCursor(name))
    case .listen(let name): return plain(.listen(name))
    case .notify(let name): return plain(.notify(name))
    case .unlisten(let name): return plain(.unlisten(name))
    case .maintain(let isVacuum):
      return EngineStatement(.engine(readsOnly: true), text: text, content: EngineContent.maintenance(isVacuum: isVacuum))
    }
  }
}

extension TransactionModes {
  fileprivate init(_ syntax: TransactionModesSyntax) {
    self.init(isolation: syntax.isolation, isReadOnly: syntax.isReadOnly, isDeferrable: syntax.isDeferrable)
  }
}

extension DiscardTarget {
  fileprivate init(_ syntax: DiscardSyntax) {
    switch syntax {
    case .all: self = .all
    case .plans: self = .plans
    case .sequences: self = .sequences
    case .temporary: self = .temporary
    }
  }
}

extension FetchDirection {
  fileprivate init(_ syntax: FetchSyntax) {
    switch syntax {
    case .forward(let count):
      if let count, count < 0 { self = .backward } else { self = .forward(count) }
    case .backward: self = .backward
    case .absolute(let row): self = row > 0 ? .absolute(row) : .backward
    case .relative(let rows): self = rows > 0 ? .relative(rows) : .backward
    }
  }
}
