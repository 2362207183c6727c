// DefinitionFlow.swift — a definition's steps, one after the other; workers have the catalog before the statement is answered.
//
// A change that stored rows might not meet (NOT NULL, CHECK, keys) is asked about before, made, and asked about again: writers that began
// before may have added rows meanwhile, and from then on every shard refuses what the change forbids. When such rows are found the table is
// changed back.
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
        _ = try await log.propose(views.isEmpty ? .alterTable(from: from, to: to) : .alterTableAndViews(from: from, to: to, views))
        try await broadcast()
        do {
          for check in checks { try await require(check, request) }
        } catch {
          _ = try await log.propose(.alterTable(from: to, to: from))
          try await broadcast()
          throw error
        }
        checks = []
      case .createTable(let table):
        try await needTemporary(table.schemaName)
        _ = try await log.propose(.createTable(table))
      case .createView(let view, let replaces):
        try await needTemporary(view.schemaName)
        _ = try await log.propose(.createView(view, replaces: replaces))
      case .alterViews(let views): _ = try await log.propose(.alterViews(views))
      case .dropTable(let table):
        _ = try await log.propose(.dropTable(table))
        try await broadcast()
      case .dropView(let view): _ = try await log.propose(.dropView(view))
      case .dropRollup(let rollup):
        _ = try await log.propose(.dropRollup(rollup))
        try await broadcast()
      case .createSchema(let name): _ = try await log.propose(.createSchema(name))
      case .dropSchema(let name): _ = try await log.propose(.dropSchema(name))
      case .fill(let table, let schema, let select):
        let rows = try await fill(table, schema, select, request)
        reply.rows = rows
        reply.tag = "SELECT \(rows)"
      case .truncate(let delete): _ = try await self.delete(delete, deadline: request.deadline)
      }
    }
    return reply
  }

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
      error.detail = "Key (\(check.keyColumns.joined(separator: ", ")))=(\(values.joined(separator: ", "))) is duplicated."
    }
    throw error
  }

  /// Inserts a query's rows into the table that CREATE TABLE AS has made; without them the table goes.
  func fill(_ table: String, _ schema: String, _ select: String, _ request: StatementRequest) async throws -> UInt64 {
    let target = "\(SystemName.quoted(schema)).\(SystemName.quoted(table))"
    do {
      guard let insert = try parse("INSERT INTO \(target) \(select)").first else {
        throw TallyError(.internalError, "the query of CREATE TABLE AS is none")
      }
      var own = request
      own.statement = insert
      // A definition takes effect at once, and so do its rows; those of a temporary table belong to the transaction.
      if !TemporarySchema.isOne(schema) { own.transaction = nil }
      return try await carryOut(own).rows
    } catch {
      if await !decides { throw error }  // A temporary table of a follower's: its session drops it.
      if let made = await log.catalog.snapshot.table(named: table, in: schema) {
        _ = try await log.propose(.dropTable(made.id))
        try await broadcast()
      }
      throw error
    }
  }
}
