// DefinitionFlow.swift — a definition's steps, one after the other; workers have the catalog before the statement is answered.
//
// A change that stored rows might not meet (NOT NULL, CHECK, keys) is asked about before, made, and asked about again: writers that began
// before may have added rows meanwhile, and from then on every shard refuses what the change forbids. When such rows are found the table is
// changed back.
import Capabilities
import Columns
import Execution
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  /// Carries a definition out.
  func define(_ plan: DefinitionPlan, _ request: StatementRequest) async throws -> StatementReply {
    var reply = StatementReply(tag: plan.tag, notices: plan.notices.map { Notice(sqlState: $0.sqlState, message: $0.message) })
    var checks: [RowCheck] = []
    for step in plan.steps {
      switch step {
      case .require(let check):
        try await require(check, request)
        checks.append(check)
      case .alterTable(let from, let to, let views):
        let command: CatalogCommand = views.isEmpty ? .alterTable(from: from, to: to) : .alterTableAndViews(from: from, to: to, views)
        _ = try await propose(command, in: request.transaction)
        try await broadcast()
        do {
          for check in checks { try await require(check, request) }
        } catch {
          await takeBack(.alterTable(from: to, to: from), request)
          throw error
        }
        checks = []
      case .createTable(let table):
        try await needTemporary(table.schemaName)
        _ = try await propose(.createTable(table), in: request.transaction)
      case .createView(let view, let replaces):
        try await needTemporary(view.schemaName)
        _ = try await propose(.createView(view, replaces: replaces), in: request.transaction)
      case .alterViews(let views): _ = try await propose(.alterViews(views), in: request.transaction)
      case .dropTable(let table):
        _ = try await propose(.dropTable(table), in: request.transaction)
        try await broadcast()
      case .dropView(let view): _ = try await propose(.dropView(view), in: request.transaction)
      case .dropRollup(let rollup):
        _ = try await propose(.dropRollup(rollup), in: request.transaction)
        try await broadcast()
      case .createSchema(let name): _ = try await propose(.createSchema(name), in: request.transaction)
      case .dropSchema(let name): _ = try await propose(.dropSchema(name), in: request.transaction)
      case .fill(let table, let schema, let select):
        let rows = try await fill(table, schema, select, request)
        reply.rows = rows
        reply.tag = "SELECT \(rows)"
      case .refresh(let table, let select, let delete): try await refresh(table, select, delete, request)
      case .truncate(let delete): _ = try await self.delete(delete, deadline: request.deadline)
      }
    }
    return reply
  }

  /// Changes a table back. A move that has begun meanwhile holds that up, until it ends or fails by the rows that are in the way. What
  /// keeps it from being changed back is for the log: the client hears why it had to be.
  private func takeBack(_ command: CatalogCommand, _ request: StatementRequest) async {
    let limit = surroundings.clock.now + Self.takeBackPatience
    while true {
      do {
        _ = try await propose(command, in: request.transaction)
        break
      } catch let error as TallyError where (error.sqlState == "55006" || error.isRetryable) && surroundings.clock.now < limit {
        // Its client may have cancelled the statement, and then a sleep would end at once.
        let turn = Promise<Void>()
        let alarm = surroundings.clock.alarm(at: surroundings.clock.now + .milliseconds(50)) { turn.fulfil(()) }
        do { try await turn.value } catch { return surroundings.log.warning("table-not-changed-back", ("reason", "\(error)")) }
        alarm.cancel()
      } catch {
        return surroundings.log.warning("table-not-changed-back", ("reason", "\(error)"))
      }
    }
    do { try await broadcast() } catch { surroundings.log.warning("table-change-not-told", ("reason", "\(error)")) }
  }
  private static let takeBackPatience = Duration.seconds(30)

  /// Throws when there is a row that must not be there.
  private func require(_ check: RowCheck, _ request: StatementRequest) async throws {
    var latest = request
    latest.read = .latest
    let asked = latest
    let answer = try await untilServed(request.deadline) { snapshot in try await self.select(check.select, snapshot, asked) }
    guard let first = answer.batches.first(where: { $0.count > 0 }) else { return }
    var error = check.error
    if !check.keyColumns.isEmpty {
      let values = try first.columns.map { column in ValueText.print(try column.value(0), as: column.type) ?? "null" }
      error.detail = "Key (\(check.keyColumns.joined(separator: ", ")))=(\(values.joined(separator: ", "))) \(check.verdict)."
    }
    throw error
  }

  /// Inserts a query's rows into a table; gives their number.
  private func insert(into table: String, _ schema: String, _ select: String, _ request: StatementRequest) async throws -> UInt64 {
    let target = "\(SystemName.quoted(schema)).\(SystemName.quoted(table))"
    guard let insert = try parse("INSERT INTO \(target) \(select)").first else {
      throw TallyError(.internalError, "the query of CREATE TABLE AS is none")
    }
    var own = request
    own.statement = insert
    own.isFilling = true
    return try await carryOut(own).rows
  }
  /// Puts a materialized view's rows in the place of those that it has, in one transaction: readers see the old ones or the new ones.
  private func refresh(_ table: TableSchema, _ select: String, _ delete: DeletePlan, _ request: StatementRequest) async throws {
    let transaction = request.transaction ?? beginTransaction(now: request.now)
    var own = request
    own.transaction = transaction
    // Variables of a block that refreshes the view are none of its query's.
    own.variables = NamedValues()
    own.facts.searchPath = ViewRecord(materialized: table).searchPath
    do {
      _ = try await self.delete(delete, in: transaction)
      _ = try await insert(into: table.name, table.schemaName, select, own)
      if request.transaction == nil { _ = try await transaction.commit() }
    } catch {
      if request.transaction == nil { await transaction.rollBack() }
      throw error
    }
  }

  /// Inserts a query's rows into the table that CREATE TABLE AS has made; without them the table goes.
  func fill(_ table: String, _ schema: String, _ select: String, _ request: StatementRequest) async throws -> UInt64 {
    do {
      var own = request
      // Outside of a block a definition takes effect at once, and so do its rows; those of a temporary table belong to the transaction.
      if request.transaction?.draft == nil, !TemporarySchema.isOne(schema) { own.transaction = nil }
      return try await insert(into: table, schema, select, own)
    } catch {
      if await !decides { throw error }  // A temporary table of a follower's: its session drops it.
      if let made = await log.catalog.snapshot.table(named: table, in: schema) {
        _ = try await propose(.dropTable(made.id), in: request.transaction)
        try await broadcast()
      }
      throw error
    }
  }
}
