// QueryAnswerTests.swift — whole queries, planned and run over 1, 3 and 7 shards, against what PostgreSQL 15 answers.
//
// Fixtures/rows.sql holds the rows of three tables: t and u in one colocation group by their tenant, s in another by its id.
// Fixtures/postgresql15-answers.txt holds statements and the rows that PostgreSQL 15 gave for them: joins, subqueries, WITH, set
// operations, windows, aggregates, and a hundred and sixty that a generator made. After `====` the order of rows counts, after `----`
// it does not. Every fragment goes through its bytes; a worker's rows come in batches of seven.
import Columns
import Foundation
import Model
import SQL
import Testing

@testable import Execution
@testable import Planning

/// One worker's rows of all tables.
private struct TableRows: RelationSource {
  var rows: [TableID: [[Value]]]
  var types: [TableID: [DataType]]

  func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    guard case .table(let id) = node.source, let rows = rows[id], let types = types[id] else { return }
    for start in stride(from: 0, to: rows.count, by: 7) {
      let batch = try TestRows.batch(Array(rows[start..<min(rows.count, start + 7)]), types: types)
      try body(batch.select(node.storedColumns))
    }
  }
  func fragmentRows(_ node: FragmentInputNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    throw TallyError(.internalError, "a worker has no fragment's rows")
  }
}

private struct SampleTables {
  var catalog = CatalogSnapshot(cluster: .none)
  var rows: [TableID: [[Value]]] = [:]
  private let single: Set<String>

  /// `single`: tables that lie on one shard, as reference tables do.
  init(single: Set<String> = []) throws {
    self.single = single
    for (number, type) in [(1, DataType.text), (2, .bigint), (3, .bigint)] as [(UInt64, DataType)] {
      catalog.groups.append(ColocationGroup(id: GroupID(number), keyType: type, shards: [ShardID(number)]))
      catalog.shards.append(
        ShardRecord(
          id: ShardID(number),
          group: GroupID(number),
          lower: 0,
          upper: .max,
          epoch: Epoch(1),
          version: 1,
          primary: NodeID(1)
        )
      )
    }
    try add("create table t (tenant text not null, k int, v bigint, d text, n numeric, f double precision, ts timestamp)", 10, group: 1)
    try add("create table u (tenant text not null, k int, w bigint, e text)", 11, group: 1)
    try add("create table s (id bigint not null, k int, name text)", 12, group: 2)
    for line in try Self.fixture("rows.sql").split(separator: "\n") {
      guard case .insert(let plan) = try Self.plan(String(line), catalog) else { continue }
      rows[plan.table.id, default: []] += plan.rows
    }
  }
  private mutating func add(_ text: String, _ id: UInt64, group: UInt64) throws {
    guard case .createTable(let plan) = try Self.plan(text, catalog) else { return }
    var table = plan.table
    table.id = TableID(id)
    table.distribution =
      single.contains(table.name) ? .single(group: GroupID(3), isReference: true) : .distributed(key: 0, group: GroupID(group))
    catalog.tables.append(table)
  }
  static func plan(_ text: String, _ catalog: CatalogSnapshot) throws -> BoundStatement {
    try Planning.plan(try parse(text)[0], catalog: catalog, context: PlanningContext(now: 0))
  }
  static func fixture(_ name: String) throws -> String {
    let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
    return try String(contentsOf: file, encoding: .utf8)
  }

  /// The answer's rows as text; an error is one row.
  func answer(_ sql: String, shards: Int) throws -> [String] {
    do throws(TallyError) { return try typed { try run(sql, shards) } } catch {
      guard error.status != .internalError else { throw error }
      return ["ERROR \(error.sqlState) \(error.message)"]
    }
  }
  private func run(_ sql: String, _ shards: Int) throws -> [String] {
    guard case .select(let plan) = try Self.plan(sql, catalog) else { return ["not a query"] }
    let answer = try run(plan, shards)
    // What has rows sent along can be had without: the same rows, where their order does not matter.
    for gathered in plan.gathered {
      let other = try run(gathered, shards)
      guard other.sorted() == answer.sorted() || sql.contains("limit") else { return ["\(answer)", "without sent rows", "\(other)"] }
    }
    return answer
  }
  private func run(_ plan: DistributedPlan, _ shards: Int) throws -> [String] {
    let types = Dictionary(uniqueKeysWithValues: catalog.tables.map { ($0.id, $0.columns.map(\.type)) })
    var results: [FragmentResult] = []
    for fragment in plan.fragments {
      if fragment.shards == .coordinator {
        results.append(try MergeExecution.executeCoordinator(fragment.plan, fragments: results))
        continue
      }
      guard let supplied = fragment.supplied(results.map(\.batches)) else { throw TallyError(.internalError, "too many rows to send") }
      let sent = try FragmentFormat.decode(FragmentFormat.encode(supplied.plan))
      var batches: [Batch] = []
      for shard in 0..<shards {
        func isHere(_ hash: UInt64?) -> Bool { hash.map { Int($0 % UInt64(shards)) == shard } ?? false }
        // The group of tables on one shard has one, whatever the others have.
        if fragment.group == GroupID(3) {
          guard shard == 0 else { continue }
        } else if case .one(let hash) = fragment.shards, !isHere(hash) {
          continue
        }
        var own: [TableID: [[Value]]] = [:]
        for table in catalog.tables {
          guard table.distribution.group == fragment.group else { continue }
          let isWhole = table.distribution.tenantKey == nil
          own[table.id] = (rows[table.id] ?? []).filter { isWhole || isHere(TenantHash.hash($0[0])) }
        }
        let source = TableRows(rows: own, types: types)
        batches += try FragmentExecution.run(sent, source, ExecutionLimits(), isPartial: true).batches
      }
      results.append(FragmentResult(batches: batches))
    }
    let answer = try MergeExecution.executeCoordinator(plan.coordinatorPlan, fragments: results)
    return try answer.batches.flatMap { batch in
      try (0..<batch.count).map { row in
        try batch.columns.map { TestRows.text(try $0.value(row), $0.type) }.joined(separator: "|")
      }
    }
  }
}

@Test(arguments: [1, 3, 7]) func answersArePostgreSQLs(_ shards: Int) throws {
  try checkAnswers(try SampleTables(), shards)
}
/// The same with tables that lie on one shard: reference and local tables among distributed ones, and alone.
@Test(arguments: [["s"], ["u"], ["t", "s"], ["t", "u", "s"]]) func answersOfReferenceTablesArePostgreSQLs(_ single: [String]) throws {
  try checkAnswers(try SampleTables(single: Set(single)), 3)
}
private func checkAnswers(_ tables: SampleTables, _ shards: Int) throws {
  var sql = ""
  var isOrdered = false
  var expected: [String] = []
  func check() throws {
    guard !sql.isEmpty else { return }
    let found = try tables.answer(sql, shards: shards)
    #expect(isOrdered ? found == expected : found.sorted() == expected.sorted(), "\(sql)")
  }
  for line in try SampleTables.fixture("postgresql15-answers.txt").split(separator: "\n", omittingEmptySubsequences: true) {
    if line.hasPrefix("---- ") || line.hasPrefix("==== ") {
      try check()
      sql = String(line.dropFirst(5))
      isOrdered = line.hasPrefix("====")
      expected = []
    } else {
      expected.append(String(line))
    }
  }
  try check()
}
