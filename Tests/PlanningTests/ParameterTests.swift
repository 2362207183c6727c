// ParameterTests.swift — the types that parameters take, as PostgreSQL 15 tells them, and plans with values.
import Model
import SQL
import Testing

@testable import Planning

@Suite struct ParameterTests {
  private static func plan(_ sql: String, _ parameters: StatementParameters?) throws -> BoundStatement {
    var context = SampleCatalog.context
    context.parameters = parameters
    return try Planning.plan(try parse(sql)[0], catalog: try SampleCatalog.make(), context: context)
  }
  private static func types(_ sql: String, declared: [DataType?] = []) throws -> [String] {
    let parameters = StatementParameters(declared: declared)
    _ = try plan(sql, parameters)
    return try parameters.found().map(\.name)
  }

  @Test(arguments: [
    ("select query from queries where app_id = $1", ["text"]),
    ("select query from queries where device = $1", ["text"]),
    ("select query from queries where price > $1 and price < $2", ["numeric", "numeric"]),
    ("select query from queries where hits > $1 and latency_ms + $2 < 5", ["integer", "integer"]),
    ("select query from queries where small = $1 and user_id = $2", ["smallint", "bigint"]),
    ("select query from queries where score between $1 and $2", ["double precision", "double precision"]),
    ("select query from queries where ok = $1 or day = $2 or span = $3", ["boolean", "date", "interval"]),
    (
      "select query from queries where ts >= $1 and ts < $1 + interval '1 day' and at < $2",
      ["timestamp with time zone", "timestamp without time zone"]
    ),
    ("select query from queries where app_id in ($1, $2, 'x')", ["text", "text"]),
    ("select query from queries where app_id = $2 limit $1 offset $3", ["bigint", "text", "bigint"]),
    ("select ts + $1, $2 from queries where app_id like $3", ["interval", "text", "text"]),
    ("select $1::int, cast($2 as varchar), coalesce($3, hits) from queries", ["integer", "character varying", "integer"]),
    ("select case when hits = 1 then $1 else price end from queries", ["numeric"]),
    ("select $1 is null, not $2 from queries", ["text", "boolean"]),
    ("select sum(hits) filter (where device = $1) from queries group by app_id having count(*) > $2", ["text", "bigint"]),
    (
      "insert into queries (app_id, ts, price, device) values ($1, $2, $3, $4), ($1, now(), 1, $5)",
      ["text", "timestamp with time zone", "numeric", "character varying", "character varying"]
    ),
    ("insert into queries (app_id, hits, device) select $1, $2, $3", ["text", "integer", "character varying"]),
    ("select app_id from queries union all select $1", ["text"]),
    ("select 1 from queries where device in (select device from queries where user_id = $1)", ["bigint"]),
    ("select $1 = (select max(hits) from queries), $2 in (select device from queries)", ["integer", "text"]),
    (
      "select 1 from queries a join flights f on a.user_id = f.delay + $1 where (a.hits, a.small) = ($2, $3)",
      ["bigint", "integer", "smallint"]
    ),
    ("select * from (values ($1, 2), (3, $2)) v", ["integer", "integer"]),
    ("select lag(hits, $1, $2) over (order by ts rows $3 preceding) from queries", ["integer", "integer", "bigint"]),
    ("select hits from queries union select $1", ["integer"]),
    ("delete from queries where app_id = $1 and ts < $2", ["text", "timestamp with time zone"]),
  ])
  func typesAreThoseOfTheirFirstUse(_ sql: String, _ expected: [String]) throws { #expect(try Self.types(sql) == expected, "\(sql)") }

  @Test func declaredTypesStay() throws {
    #expect(try Self.types("select query from queries where hits = $1", declared: [.bigint]) == ["bigint"])
    #expect(
      try Self.types("select query from queries where hits = $1 and user_id = $2", declared: [nil, .smallint]) == ["integer", "smallint"]
    )
  }
  @Test func whatCannotBeKnownIsRefused() throws {
    #expect(throws: TallyError.self) { try Self.types("select query from queries where app_id = $2") }
    for (sql, parameters) in [
      ("select $1", nil), ("select $0", StatementParameters()), ("select $2::int", StatementParameters(values: [.null])),
      ("create table t (a int default $1)", StatementParameters()),
    ] {
      let error = #expect(throws: TallyError.self) { try Self.plan(sql, parameters) }
      #expect(error?.sqlState == "42P02", "\(sql): \(String(describing: error))")
    }
  }
  /// With values a statement is what it is with literals.
  @Test(arguments: [
    (
      "select query, hits + $3 from queries where app_id = $1 and ts >= $2 order by 1 limit $4",
      "select query, hits + 7 from queries where app_id = 'a' and ts >= '2023-11-01 00:00:00+00' order by 1 limit 5",
      [Value.text("a"), .fixed(1_698_796_800_000_000), .fixed(7), .fixed(5)]
    ),
    (
      "select sum(searches) from searches where app_id = $1 and bucket >= $2",
      "select sum(searches) from searches where app_id = 'b' and bucket >= '2023-11-01 00:00:00+00'",
      [Value.text("b"), .fixed(1_698_796_800_000_000)]
    ),
    (
      "select query from queries where price = $1", "select query from queries where price = '1.005'",
      [Value.numeric(Numeric(coefficient: 1005, scale: 3))]
    ),
  ])
  func valuesStandWhereLiteralsWould(_ sql: String, _ literal: String, _ values: [Value]) throws {
    let catalog = try SampleCatalog.make()
    func lines(_ bound: BoundStatement) throws -> [String] {
      guard case .select(let plan) = bound else { throw TallyError(.internalError, "not a query") }
      return Explain.lines(plan, catalog: catalog)
    }
    #expect(try lines(Self.plan(sql, StatementParameters(values: values))) == lines(Self.plan(literal, nil)))
  }
  @Test func insertedValuesAreChecked() throws {
    let sql = "insert into queries (app_id, device) values ($1, $2)"
    _ = try Self.plan(sql, StatementParameters())
    for (values, state) in [([Value.null, .null], "23502"), ([.text("a"), .text("longer than ten")], "22001")] {
      let error = #expect(throws: TallyError.self) { try Self.plan(sql, StatementParameters(values: values)) }
      #expect(error?.sqlState == state)
    }
    guard case .insert(let plan) = try Self.plan(sql, StatementParameters(values: [.text("a"), .text("phone")])) else { return }
    guard case .text("a") = plan.rows[0][0], case .text("phone") = plan.rows[0][6] else {
      Issue.record("\(plan.rows)")
      return
    }
  }
}
