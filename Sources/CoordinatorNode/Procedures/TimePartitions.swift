// TimePartitions.swift — Citus's routines for tables that are partitioned by time.
//
// Tables have no partitions here: storage slices every one by the day of its time column. So nothing has to be created ahead, and nothing
// made columnar; dropping what is old deletes rows, in the caller's transaction, and rollups keep them.
import Model
import Planning
import SQL

extension Coordinator {
  /// create_time_partitions: nothing was created.
  func createTimePartitions(_ arguments: [TypedValue], _ request: StatementRequest) async throws -> Bool {
    let (table, _) = try await slicedTable(arguments, request)
    await tell("table \"\(table.name)\" is sliced by day by itself: nothing was created", request)
    return false
  }
  /// alter_old_partitions_set_access_method: storage is columnar.
  func alterOldPartitions(_ arguments: [TypedValue], _ request: StatementRequest) async throws {
    let (table, _) = try await slicedTable(arguments, request)
    await tell("table \"\(table.name)\" is stored by columns anyway: nothing was changed", request)
  }
  /// drop_old_time_partitions: rows from before a time go.
  func dropOldTimePartitions(_ arguments: [TypedValue], _ request: StatementRequest) async throws {
    let (table, column) = try await slicedTable(arguments, request)
    guard let end = arguments.last, !end.value.isNull, let text = ValueText.print(end.value, as: end.type) else {
      throw TallyError.sql("22004", "older_than cannot be NULL")
    }
    let name = "\(SystemName.quoted(table.schemaName)).\(SystemName.quoted(table.name))"
    guard let delete = try parse("DELETE FROM \(name) WHERE \(SystemName.quoted(column.name)) < '\(text)'::timestamptz").first else {
      throw TallyError(.internalError, "a DELETE of old rows is none")
    }
    var inner = request
    inner.statement = delete
    inner.arguments = nil
    inner.variables = NamedValues()
    inner.calls = StatementCalls()
    inner.batchKey = nil
    _ = try await run(inner)
  }

  private func slicedTable(_ arguments: [TypedValue], _ request: StatementRequest) async throws -> (TableSchema, Column) {
    guard case .text(let name)? = arguments.first?.value else { throw TallyError.sql("22004", "table_name cannot be NULL") }
    try await freshenToRead(until: request.deadline)
    var catalog = await log.catalog.snapshot
    catalog.searchPath = request.facts.searchPath
    guard let table = catalog.table(named: name) else { throw TallyError.sql("42P01", "relation \"\(name)\" does not exist") }
    guard let column = table.timeColumn else {
      throw TallyError.sql(
        "42809",
        "table \"\(name)\" is not partitioned by time",
        hint: "It has no column of type date, timestamp or timestamptz."
      )
    }
    return (table, table.columns[column])
  }
  private func tell(_ message: String, _ request: StatementRequest) async {
    await request.notify?(RaisedNotice(severity: .notice, report: TallyError(.invalid, message, sqlState: "00000")))
  }
}
