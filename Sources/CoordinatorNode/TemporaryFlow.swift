// TemporaryFlow.swift — temporary tables come and go: with transactions, at the end of their session, and when nobody is left to end it.
//
// A definition of temporary objects takes effect at once also in a transaction, as nobody else can see it. Undoing the transaction drops
// what it made; what it dropped has another name until COMMIT. What the end of a transaction asks for is a statement that the session owes:
// it is tried at once, and if it cannot be carried out then (no coordinator leads) before the session's next statement.
//
// At the end of a session its coordinator drops the schema. One that starts again drops those of its earlier life; the coordinator that
// leads drops those of coordinators that have left the group or were silent for `deadAfter`.
import Capabilities
import Consensus
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  // MARK: Sessions

  /// Names the schema of a new session's temporary objects; nothing is made before there is one.
  public func openTemporary() async -> TemporaryObjects {
    // What an earlier life of this coordinator left is looked for now, at the latest.
    temporaryBell.notify()
    return TemporaryObjects(schema: temporarySchemas.open(member: await log.standing.member.rawValue))
  }
  /// The session has ended.
  public nonisolated func closeTemporary(_ objects: TemporaryObjects) {
    temporarySchemas.close(objects.schema)
    temporaryBell.notify()
  }
  /// DISCARD TEMP.
  public func discardTemporary(_ objects: TemporaryObjects) async throws {
    objects.forget()
    try await dropTemporary(objects.schema)
  }
  private func dropTemporary(_ schema: String) async throws {
    try await freshenToRead(until: surroundings.clock.now + Self.leaderPatience)
    guard await log.catalog.snapshot.schemas.contains(schema) else { return }
    try await carryOutOwn("DROP SCHEMA IF EXISTS \(SystemName.quoted(schema)) CASCADE", schema)
  }
  /// Carries a statement of the coordinator's own out, which sees a session's temporary objects.
  private func carryOutOwn(_ text: String, _ schema: String) async throws {
    guard let statement = try parse(text).first else { throw TallyError(.internalError, "no statement: \(text)") }
    var request = StatementRequest(statement, now: surroundings.clock.wallMicroseconds)
    request.facts.temporarySchema = schema
    request.deadline = surroundings.clock.now + Self.temporaryPatience
    _ = try await carryOut(request)
  }
  /// How long such a statement may take.
  private static let temporaryPatience = Duration.seconds(30)

  /// Drops the schemas of sessions that are gone, when the bell rings, until cancelled.
  func keepTemporary() async throws {
    while true {
      await temporaryBell.wait()
      try Task.checkCancellation()
      let standing = await log.standing
      for schema in await log.catalog.snapshot.schemas where isAbandoned(schema, standing) {
        do {
          try await dropTemporary(schema)
          surroundings.log.info("temporary-schema-dropped", ("schema", schema))
        } catch {
          try Task.checkCancellation()
          surroundings.log.warning("temporary-schema-not-dropped", ("schema", schema), ("reason", "\(error)"))
          try await surroundings.clock.sleep(for: .seconds(1))
          temporaryBell.notify()
        }
      }
    }
  }
  /// Rings the bell when there are temporary schemas to look after; the coordinator that leads does so every second.
  func tendTemporary(_ snapshot: CatalogSnapshot) {
    if snapshot.schemas.contains(where: TemporarySchema.isOne) { temporaryBell.notify() } else { temporarySilence = [:] }
  }
  /// Whether a schema is that of a session that nobody serves any more, as far as it is this coordinator's to say.
  private func isAbandoned(_ schema: String, _ standing: CatalogLog.Standing) -> Bool {
    guard let name = TemporarySchema(schema) else { return false }
    if name.member == standing.member.rawValue { return !temporarySchemas.isLive(schema) }
    guard standing.isLeader else { return false }
    let member = MemberID(name.member)
    guard standing.members.member(member) != nil else { return true }
    let now = surroundings.clock.now
    if standing.heard.contains(member) {
      temporarySilence[member] = nil
    } else if let since = temporarySilence[member] {
      return now - since >= settings.deadAfter
    } else {
      temporarySilence[member] = now
    }
    return false
  }

  // MARK: Statements

  /// Makes the schema that a table or view shall be in, if it is a temporary one that does not exist yet.
  func needTemporary(_ schema: String) async throws {
    guard TemporarySchema.isOne(schema), await !log.catalog.snapshot.schemas.contains(schema) else { return }
    do { _ = try await log.propose(.createSchema(schema)) } catch let error as TallyError where error.sqlState == "42P06" {
      // A try before this one came so far.
    }
  }
  /// How a definition inside of a transaction is carried out.
  enum TemporaryTurn {
    /// As outside of one.
    case atOnce
    case done(StatementReply)
    /// It is none of temporary objects alone.
    case other
  }
  /// Takes a definition in a transaction that concerns the session's temporary objects alone.
  func defineTemporary(
    _ bound: BoundStatement,
    _ request: StatementRequest,
    in transaction: OpenTransaction
  ) async throws -> TemporaryTurn {
    guard let objects = request.facts.temporary else { return .other }
    let snapshot = await log.catalog.snapshot
    if let made = bound.temporaryMade {
      if !snapshot.isRelation(made.name, in: objects.schema) { transaction.note(.made(name: made.name, isView: made.isView)) }
      return .atOnce
    }
    if let (from, to) = bound.temporaryAltered {
      if from.name != to.name, from.renamed(to.name) == to {
        transaction.note(.renamed(name: from.name, to: to.name))
        return .atOnce
      }
      // Its end undoes the whole table; a savepoint would undo the change alone.
      return from.name == to.name && transaction.made(from.name) && !transaction.hasSavepoints ? .atOnce : .other
    }
    guard let (dropped, notices) = bound.temporaryDropped(snapshot), !dropped.isEmpty else { return .other }
    for table in dropped {
      let change = TemporaryChange.hidden(name: table.name, as: "dropped \(table.id)")
      try await carryOutOwn(
        "ALTER TABLE \(TemporaryChange.quoted(table.name)) RENAME TO \(SystemName.quoted("dropped \(table.id)"))",
        objects.schema
      )
      transaction.note(change)
    }
    return .done(StatementReply(tag: "DROP TABLE", notices: notices.map { Notice(message: $0) }))
  }
  /// Notes ON COMMIT of a temporary table that was made.
  func noteTemporary(_ bound: BoundStatement, _ request: StatementRequest) async throws {
    guard let objects = request.facts.temporary, let made = bound.temporaryMade, made.onCommit != .preserveRows else { return }
    try await freshenToRead(until: request.deadline)
    guard let table = await log.catalog.snapshot.table(named: made.name, in: objects.schema) else { return }
    objects.note(table.id, made.onCommit)
  }
  /// CREATE TEMPORARY TABLE AS on a coordinator that does not lead: the leader makes the table, its rows are those that this session sees.
  func makeAndFill(_ plan: DefinitionPlan, _ request: StatementRequest) async throws -> StatementReply? {
    guard case .createTable(let table)? = plan.steps.first, table.isTemporary, plan.steps.count == 2,
      case .fill(_, _, let select) = plan.steps[1]
    else { return nil }
    let columns = table.columns.map { "\(SystemName.quoted($0.name)) \($0.type.name)" }.joined(separator: ", ")
    try await carryOutOwn("CREATE TABLE \(TemporaryChange.quoted(table.name)) (\(columns))", table.schemaName)
    let rows = try await fill(table.name, table.schemaName, select, request)
    return StatementReply(tag: "SELECT \(rows)", rows: rows)
  }

  // MARK: Ends of transactions

  /// A transaction has been committed: completes what it did to temporary objects, and does what these ask for at its end.
  func endTemporary(_ objects: TemporaryObjects?, _ changes: [TemporaryChange], changed: Set<TableID>?) async {
    guard let objects else { return }
    var texts = changes.compactMap(\.completion)
    let rules = objects.onCommit
    if !rules.isEmpty {
      let snapshot = await log.catalog.snapshot
      for (id, action) in rules.sorted(by: { $0.key < $1.key }) {
        guard let table = snapshot.table(id) else {
          objects.note(id, .preserveRows)
          continue
        }
        switch action {
        case .drop: texts.append("DROP TABLE IF EXISTS \(TemporaryChange.quoted(table.name)) CASCADE")
        case .deleteRows:
          if changed?.contains(id) ?? true, table.distribution.group != nil {
            texts.append("TRUNCATE \(TemporaryChange.quoted(table.name))")
          }
        case .preserveRows: break
        }
      }
    }
    await settleTemporary(objects, texts)
  }
  /// A transaction has been undone.
  func undoTemporary(_ objects: TemporaryObjects?, _ changes: ArraySlice<TemporaryChange>) async {
    guard let objects else { return }
    await settleTemporary(objects, changes.reversed().map(\.undo))
  }
  private func settleTemporary(_ objects: TemporaryObjects, _ texts: [String]) async {
    objects.owe(texts)
    do { try await settleTemporary(objects) } catch {
      surroundings.log.warning("temporary-objects-not-settled", ("schema", objects.schema), ("reason", "\(error)"))
    }
  }
  /// Carries out what a session owes. Throws what may succeed later; what cannot is logged and given up.
  func settleTemporary(_ objects: TemporaryObjects) async throws {
    while let text = objects.owed {
      do { try await carryOutOwn(text, objects.schema) } catch let error as TallyError
        where !error.isRetryable && error.status != .cancelled
      {
        surroundings.log.warning(
          "temporary-objects-not-settled",
          ("schema", objects.schema),
          ("statement", text),
          ("reason", error.message)
        )
      }
      objects.settled()
    }
  }
}

extension TableSchema {
  fileprivate func renamed(_ name: String) -> TableSchema {
    var renamed = self
    renamed.name = name
    return renamed
  }
}

extension BoundStatement {
  /// The temporary table or view that it makes.
  var temporaryMade: (name: String, isView: Bool, onCommit: OnCommit)? {
    switch self {
    case .createTable(let plan): return plan.table.isTemporary ? (plan.table.name, false, plan.onCommit) : nil
    case .define(let plan):
      switch plan.steps.first {
      case .createTable(let table)?: return table.isTemporary ? (table.name, false, plan.onCommit) : nil
      case .createView(let view, _)?: return TemporarySchema.isOne(view.schemaName) ? (view.name, true, .preserveRows) : nil
      default: return nil
      }
    default: return nil
    }
  }
  /// The temporary table that it changes, if it does nothing else.
  fileprivate var temporaryAltered: (from: TableSchema, to: TableSchema)? {
    guard case .define(let plan) = self else { return nil }
    var change: (from: TableSchema, to: TableSchema)?
    for step in plan.steps {
      switch step {
      case .require: continue
      case .alterTable(let from, let to, let views):
        guard views.isEmpty, from.isTemporary, change == nil else { return nil }
        change = (from, to)
      default: return nil
      }
    }
    return change
  }
  /// The temporary tables that it drops, if it does nothing else.
  fileprivate func temporaryDropped(_ catalog: CatalogSnapshot) -> (tables: [TableSchema], notices: [String])? {
    var dropped: [TableID] = []
    let told: [String]
    switch self {
    case .dropTable(let tables, let notices): (dropped, told) = (tables, notices)
    case .define(let plan):
      for step in plan.steps {
        guard case .dropTable(let table) = step else { return nil }
        dropped.append(table)
      }
      told = plan.notices.map(\.message)
    default: return nil
    }
    let tables = dropped.compactMap { catalog.table($0) }
    return tables.count == dropped.count && tables.allSatisfy(\.isTemporary) ? (tables, told) : nil
  }
}
