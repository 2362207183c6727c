// TemporaryObjects.swift — what a session has of its temporary tables beside the catalog: ON COMMIT, and what is still to be done.
//
// The tables themselves are tables of the catalog, in a schema of the session's own (Model/TemporarySchema), with all that tables have.
// How they come and go with transactions: TemporaryFlow.
import Model
import Synchronization

/// A session's temporary objects. One statement at a time uses them.
public final class TemporaryObjects: Sendable {
  private struct State {
    /// Tables that are emptied or dropped at the end of a transaction.
    var onCommit: [TableID: OnCommit] = [:]
    /// Statements that must be carried out before the session's next.
    var owed: [String] = []
  }
  /// The schema they are in, once there are some.
  public let schema: String
  private let state = Mutex(State())

  init(schema: String) { self.schema = schema }

  /// Notes what becomes of a table at the end of a transaction.
  func note(_ table: TableID, _ action: OnCommit) {
    state.withLock { $0.onCommit[table] = action == .preserveRows ? nil : action }
  }
  /// Tables of which something becomes at the end of a transaction.
  var onCommit: [TableID: OnCommit] { state.withLock { $0.onCommit } }
  /// Has statements carried out, in order, before the session's next.
  func owe(_ texts: [String]) { state.withLock { $0.owed += texts } }
  /// The first of them.
  var owed: String? { state.withLock { $0.owed.first } }
  /// The first has been carried out.
  func settled() { state.withLock { _ = $0.owed.removeFirst() } }
  /// All are gone.
  func forget() { state.withLock { ($0.onCommit, $0.owed) = ([:], []) } }
}

/// What a transaction did to its session's temporary objects: at once, so it must be undone when the transaction is.
enum TemporaryChange: Sendable {
  /// A table or view was made.
  case made(name: String, isView: Bool)
  /// A table was dropped: until COMMIT it has another name.
  case hidden(name: String, as: String)
  case renamed(name: String, to: String)

  /// The statement that undoes it.
  var undo: String {
    switch self {
    case .made(let name, let isView): "DROP \(isView ? "VIEW" : "TABLE") IF EXISTS \(Self.quoted(name)) CASCADE"
    case .hidden(let name, let other), .renamed(let name, let other):
      "ALTER TABLE \(Self.quoted(other)) RENAME TO \(SystemName.quoted(name))"
    }
  }
  /// The statement that completes it at COMMIT.
  var completion: String? {
    switch self {
    case .made, .renamed: nil
    case .hidden(_, let hidden): "DROP TABLE IF EXISTS \(Self.quoted(hidden)) CASCADE"
    }
  }
  static func quoted(_ name: String) -> String { TemporarySchema.alias + "." + SystemName.quoted(name) }
}

/// The temporary schemas of the sessions that a coordinator serves.
final class TemporarySchemas: Sendable {
  private struct State {
    var live: Set<String> = []
    var opened: UInt64 = 0
  }
  private let start: Int64
  private let state = Mutex(State())

  init(start: Int64) { self.start = start }
  /// A name for a new session's.
  func open(member: UInt64) -> String {
    state.withLock { state in
      state.opened += 1
      let name = TemporarySchema(member: member, start: start, number: state.opened).name
      state.live.insert(name)
      return name
    }
  }
  func close(_ name: String) { state.withLock { _ = $0.live.remove(name) } }
  func isLive(_ name: String) -> Bool { state.withLock { $0.live.contains(name) } }
}
