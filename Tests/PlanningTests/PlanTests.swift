// PlanTests.swift — plans of many queries against Fixtures/plans.txt, errors against what PostgreSQL 15 said
// (Fixtures/postgresql15-errors.tsv), and our own refusals.
import Foundation
import Model
import SQL
import Testing

@testable import Planning

private func fixture(_ name: String) throws -> String {
  let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/\(name)")
  return try String(contentsOf: file, encoding: .utf8)
}

@Test func plansAreAsReviewed() throws {
  for block in try fixture("plans.txt").components(separatedBy: "---- ").dropFirst() {
    let lines = block.split(separator: "\n", omittingEmptySubsequences: true)
    let expected = lines.dropFirst().joined(separator: "\n")
    let found = try SampleCatalog.explain(String(lines[0]))
    #expect(found == expected, "\(lines[0])\n\(found)")
  }
}

/// Joins, subqueries, WITH, set operations and windows.
@Test func plansOfSeveralRelationsAreAsReviewed() throws {
  for block in try fixture("query-plans.txt").components(separatedBy: "---- ").dropFirst() {
    let lines = block.split(separator: "\n", omittingEmptySubsequences: true)
    let expected = lines.dropFirst().joined(separator: "\n")
    let found = try SampleCatalog.explain(String(lines[0]))
    #expect(found == expected, "\(lines[0])\n\(found)")
  }
}

@Test func errorsAreAsPostgresWritesThem() throws {
  for line in try fixture("postgresql15-errors.tsv").split(separator: "\n") {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let error = try SampleCatalog.failure(fields[0])
    #expect(error?.sqlState == fields[1] && error?.message == fields[2], "\(fields[0]): \(String(describing: error))")
    #expect(error?.position ?? 0 == Int(fields[3]), "\(fields[0])")
    #expect(error?.hint ?? "" == fields[4], "\(fields[0])")
  }
}

@Test func withoutLevelChoiceEveryScanReadsTheFinestLevel() throws {
  for block in try fixture("plans.txt").components(separatedBy: "---- ").dropFirst() {
    let sql = String(block.prefix { $0 != "\n" })
    guard sql.contains("from searches "), !block.contains("ERROR") else { continue }
    let plan = try SampleCatalog.explain(sql, choosesLevels: false)
    #expect(plan.contains("level 5min") && !plan.contains("level 1day ("), "\(plan)")
  }
}

@Test(arguments: [
  ("select topn(top_queries, 3) from searches", "0A000", "a row of topn as one value is not supported"),
  (
    "select (topn(top_queries, 3)).item, (topn(top_queries, 4)).item from searches", "0A000",
    "several different topn() calls in one select list are not supported"
  ),
  (
    "select (topn(top_queries, 3000)).* from searches", "22023",
    "desired number of items (3000) is greater than the number of counters (1000)"
  ),
  ("select users from searches order by 1", "42883", "could not identify an ordering operator for type hll"),
  ("select distinct users from searches", "42883", "could not identify an equality operator for type hll"),
  ("select avg(users) from searches", "42883", "function avg(hll) does not exist"),
  ("select hll_add_agg(user_id) from queries", "42883", "function hll_add_agg(bigint) does not exist"),
  ("select hll_hash_integer(user_id) from queries", "42883", "function hll_hash_integer(bigint) does not exist"),
  ("select time_bucket(ts) from queries", "42883", "function time_bucket(timestamp with time zone) does not exist"),
  ("select time_bucket('1 month 2 days', ts) from queries", "22023", "invalid bucket width 1 mon 2 days"),
  ("select 2 ### 3", "42883", "operator does not exist: integer ### integer"),
  ("select 'aa' ~ '(a)\\1'", "0A000", "back references in regular expressions are not supported"),
  ("select now() at time zone 'Europe/Nowhere'", "22023", "time zone \"Europe/Nowhere\" not recognized"),
  ("select array[[1], [2]]", "0A000", "arrays of more than one dimension are not supported"),
  ("select setseed(0.5)", "0A000", "function setseed is not supported"),
  ("create table t (a cidr)", "0A000", "type cidr is not supported"),
  ("create table t (a xml)", "0A000", "type xml is not supported"),
  ("create table t (a int) with (nope = 1)", "22023", "unrecognized parameter \"nope\""),
  ("create table t (a int) with (keep = '3 days')", "22023", "option \"keep\" needs a column of type date, timestamp or timestamptz"),
  ("create table t (a int, b date) with (time = a)", "42804", "time column \"a\" must be of type date, timestamp or timestamptz"),
  ("drop table queries", "2BP01", "cannot drop table queries because other objects depend on it"),
  ("insert into searches values ('a')", "42809", "cannot insert into rollup \"searches\""),
  ("insert into queries (app_id, hits) select 'a', 'x'", "22P02", "invalid input syntax for type integer: \"x\""),
  ("insert into queries (app_id) select latency_ms, ts from queries", "42601", "INSERT has more expressions than target columns"),
  ("insert into queries (app_id, ts) select app_id from queries", "42601", "INSERT has more target columns than expressions"),
  (
    "insert into queries (app_id, hits) select app_id, query from queries", "42804",
    "column \"hits\" is of type integer but expression is of type text"
  ),
  ("insert into queries (app_id) values (hll_hash_any('x'::text)::bigint)", "42846", "cannot cast type hll_hashval to bigint"),
  ("select create_distributed_table('queries', 'app_id')", "42P16", "table \"queries\" is already distributed"),
  ("select create_distributed_table('loose', 'b')", "42703", "column \"b\" of relation \"loose\" does not exist"),
  ("select create_distributed_table('loose', 'a', shard_count => 0)", "22023", "shard_count must be between 1 and 1024"),
  ("select create_distributed_table('loose', 'a', colocate_with => 'queries')", "22023", "cannot colocate with table \"queries\""),
  ("select create_distributed_table('loose', 'a', nope => 1)", "42883", "create_distributed_table has no further argument \"nope\""),
  ("select q from queries q", "0A000", "a reference to the whole row of \"q\" is not supported"),
  ("select 1 from queries q where exists (select q.* from flights)", "0A000", "q.* of an outer query is not supported"),
  (
    "select 1 from queries a left join flights f on f.carrier in (select hits from queries)", "0A000",
    "a subquery in the condition of an outer join is not supported"
  ),
  ("select * from queries limit (select 1)", "0A000", "a subquery in LIMIT is not supported"),
  ("select rank(3) within group (order by hits) from queries", "0A000", "hypothetical-set aggregate rank is not supported"),
  ("select 1 from queries where query like any (select dest from flights)", "0A000", "operator ~~ with ANY of a subquery is not supported"),
  (
    "with recursive a as (select * from b), b as (select 1) select * from a", "0A000",
    "a reference to WITH query \"b\" before it is written is not supported"
  ),
  ("select 1 from (queries a full join queries b using (app_id)) as j", "0A000", "an alias of a full join with USING is not supported"),
  (
    "create materialized view r with (rollup, levels = '1 day') as select app_id, time_bucket(ts) b, count(*) c from queries join flights on true group by 1, 2",
    "0A000", "a join in a rollup is not supported"
  ),
  ("select information_schema._pg_expandarray(array[1])", "0A000", "a row of _pg_expandarray as a value is not supported here"),
  (
    "select lower(regexp_split_to_table(query, ' ')) from queries group by 1", "0A000",
    "an expression of a set-returning function in GROUP BY is not supported"
  ),
  (
    "select regexp_split_to_table(query, ' ') a, generate_series(1, 2) from queries group by a", "0A000",
    "a set-returning function beside one in GROUP BY is not supported"
  ),
])
func refusalsAreNamed(_ text: String, _ state: String, _ message: String) throws {
  let error = try SampleCatalog.failure(text)
  #expect(error?.sqlState == state, "\(text): \(String(describing: error))")
  #expect(error?.message == message, "\(text)")
  #expect(error?.status != .internalError)
}

@Test func distributingATableReadsNamedArguments() throws {
  let catalog = try SampleCatalog.make()
  guard
    case .distributeTable(let plan) = try SampleCatalog.statement(
      "select create_distributed_table('loose', 'a', colocate_with => 'none', shard_count := 8)",
      catalog
    )
  else {
    Issue.record("not a distribution")
    return
  }
  #expect(plan.table == TableID(12) && plan.key == 0 && plan.colocation == .none && plan.shardCount == 8)
}

@Test func insertFillsDefaultsAndHashesTheTenant() throws {
  var catalog = try SampleCatalog.make()
  catalog.tables[0].columns[1].defaultSQL = "now()"
  catalog.tables[0].columns[4].defaultSQL = "- 3 * 2"
  guard
    case .insert(let plan) = try SampleCatalog.statement(
      "insert into queries (app_id, price, latency_ms) values ('a', '12.345', default), ('a', 7, null)",
      catalog
    )
  else {
    Issue.record("not an insert")
    return
  }
  #expect(plan.rows.count == 2)
  func shown(_ row: Int, _ column: Int) -> String? {
    ValueText.print(plan.rows[row][column], as: plan.table.columns[column].type)
  }
  #expect(shown(0, 1) == "2023-11-14 22:13:20+00")
  #expect(shown(0, 4) == "-6" && shown(1, 4) == nil)
  #expect(shown(0, 7) == "12.35" && shown(1, 7) == "7.00")
}

@Test func explainKeepsTheNamesThatClientsSee() throws {
  let catalog = try SampleCatalog.make()
  guard
    case .explain(let plan, let analyze) = try SampleCatalog.statement(
      "explain analyze select app_id, count(*), sum(hits) total, app_id::int from queries group by 1",
      catalog
    )
  else {
    Issue.record("not an explain")
    return
  }
  #expect(analyze)
  #expect(plan.output.map(\.name) == ["app_id", "count", "total", "app_id"])
  #expect(plan.output.map(\.type) == [.text, .bigint, .bigint, .integer])
}

@Test func insertSelectCastsAndFillsUp() throws {
  var catalog = try SampleCatalog.make()
  catalog.tables[0].columns[4].defaultSQL = "- 3 * 2"
  guard
    case .insertSelect(let plan) = try SampleCatalog.statement(
      "insert into queries (ts, app_id, price) select '2026-01-02', app_id, latency_ms from queries where app_id = 'a'",
      catalog
    )
  else {
    Issue.record("not an insert of a query")
    return
  }
  #expect(plan.select.coordinatorPlan.columns.map(\.type) == plan.table.columns.map(\.type))
  #expect(plan.select.planClass == .router && plan.select.fragments.count == 1)
  guard case .explainChange = try SampleCatalog.statement("explain insert into queries select * from queries", catalog) else {
    Issue.record("not an explanation")
    return
  }
}
