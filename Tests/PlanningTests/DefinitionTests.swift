// DefinitionTests.swift — ALTER TABLE, views, indexes, schemas and DROP: what the statements become, and their refusals; joins whose other
// side is sent along with a fragment.
import Model
import SQL
import Testing

@testable import Planning

/// A catalog that definitions change as the leading coordinator would.
private struct Definitions {
  var catalog: CatalogSnapshot
  private var next: UInt64 = 100

  init() throws {
    catalog = try SampleCatalog.make()
    catalog.groups.append(ColocationGroup(id: GroupID(3), keyType: .bigint, shards: [ShardID(6)]))
    catalog.shards.append(
      ShardRecord(id: ShardID(6), group: GroupID(3), lower: 0, upper: .max, epoch: Epoch(1), version: 1, primary: NodeID(1))
    )
  }
  mutating func run(_ text: String) throws {
    switch try SampleCatalog.statement(text, catalog) {
    case .createTable(let plan):
      var table = plan.table
      table.id = number()
      catalog.tables.append(table)
    case .define(let plan): for step in plan.steps { apply(step) }
    case .dropTable(let ids, _): catalog.tables.removeAll { ids.contains($0.id) }
    case .referenceTable(let id):
      if let at = catalog.tables.firstIndex(where: { $0.id == id }) {
        catalog.tables[at].distribution = .single(group: GroupID(3), isReference: true)
      }
    default: Issue.record("\(text) is no definition")
    }
  }
  private mutating func number() -> TableID {
    next += 1
    return TableID(next)
  }
  private mutating func apply(_ views: [ViewRecord]) {
    for view in views {
      guard let at = catalog.views.firstIndex(where: { $0.id == view.id }) else { continue }
      catalog.views[at] = view
    }
  }
  private mutating func apply(_ step: DefinitionPlan.Step) {
    switch step {
    case .createTable(var table):
      table.id = number()
      catalog.tables.append(table)
    case .alterTable(let from, let to, let views):
      guard let at = catalog.tables.firstIndex(of: from) else {
        Issue.record("another table is altered")
        return
      }
      catalog.tables[at] = to
      apply(views)
    case .alterViews(let views): apply(views)
    case .createView(var view, _):
      if let at = catalog.views.firstIndex(where: { $0.name == view.name && $0.schemaName == view.schemaName }) {
        catalog.views[at] = view
      } else {
        view.id = number()
        catalog.views.append(view)
      }
    case .dropTable(let id): catalog.tables.removeAll { $0.id == id }
    case .dropView(let id): catalog.views.removeAll { $0.id == id }
    case .dropRollup(let id): catalog.rollups.removeAll { $0.id == id }
    case .createSchema(let name): catalog.schemas.append(name)
    case .dropSchema(let name): catalog.schemas.removeAll { $0 == name }
    case .require, .fill, .refresh, .truncate: break
    }
  }
  func failure(_ text: String) -> String {
    do {
      _ = try SampleCatalog.statement(text, catalog)
      return "none"
    } catch let error as TallyError {
      return "\(error.sqlState) \(error.message)"
    } catch { return "\(error)" }
  }
  func columns(_ text: String) throws -> [String] {
    guard case .select(let plan) = try SampleCatalog.statement(text, catalog) else { return [] }
    return plan.output.map { "\($0.name) \($0.type.name)" }
  }
  func explain(_ text: String) throws -> String {
    guard case .select(let plan) = try SampleCatalog.statement(text, catalog) else { return "not a query" }
    return Explain.lines(plan, catalog: catalog).joined(separator: "\n")
  }
  func table(_ name: String) -> TableSchema? { catalog.table(named: name) }
}

struct DefinitionTests {
  @Test func viewsAreKeptAsTheyMeant() throws {
    var all = try Definitions()
    try all.run("create table a (x int, \"Y z\" text)")
    try all.run("create view v as select *, /* * */ count(*) over () from a /* é */ -- end")
    func text(_ name: String) -> String? { all.catalog.views.first { $0.name == name }?.sql }
    #expect(text("v") == "select a.x, a.\"Y z\", /* * */ count(*) over () from a /* é */ -- end")
    // What USING names has no place of its own; nothing is half renamed.
    try all.run("create view u as select b.* from a as b join a as c using (x)")
    #expect(text("u") == "select b.x, b.\"Y z\" from a as b join a as c using (x)")
    #expect(all.failure("alter table a rename x to w") == "0A000 renaming what view \"u\" names is not supported")
    #expect(all.failure("create view d as select * from (select 1 as n, 2 as n) as q").hasPrefix("0A000 * of columns"))
    try all.run("drop view u")
    // An outer query's column of the new name would be caught by the inner one.
    try all.run("create view c as select x from a where exists (select 1 from (select 1 as w) as o, lateral (select w from a) as i)")
    #expect(all.failure("alter table a rename x to w") == "0A000 renaming what view \"c\" names is not supported")
    try all.run("drop view c")
    try all.run("alter table a rename x to w")
    #expect(text("v") == "select a.w AS x, a.\"Y z\", /* * */ count(*) over () from a /* é */ -- end")
    #expect(try all.columns("select * from v") == ["x integer", "Y z text", "count bigint"])
  }
  @Test func operandsAndViewsThatDoubleAreBounded() throws {
    var all = try Definitions()
    try all.run("create table a (x int)")
    func nested(_ open: String, _ close: String) -> String {
      "select " + String(repeating: open, count: 40) + "x" + String(repeating: close, count: 40) + " from a"
    }
    for (open, close) in [
      ("nullif(", ", 1)"), ("case ", " when 1 then 1 when 2 then 3 end"), ("(", " between 1 and 2)::int"), ("(", " in (x, 2))::int"),
    ] {
      #expect(all.failure(nested(open, close)) == "54001 expression is too complex", "\(open)")
    }
    try all.run("create view v0 as select x from a")
    for depth in 1...2 {
      let branches = [String](repeating: "select x from v\(depth - 1)", count: 9).joined(separator: " union all ")
      try all.run("create view v\(depth) as \(branches)")
    }
    let branches = [String](repeating: "select x from v2", count: 9).joined(separator: " union all ")
    #expect(all.failure("create view v3 as \(branches)") == "54001 more than 1024 relations in one statement are not supported")
    #expect(all.failure("select 1" + String(repeating: ", 1", count: 1600)) == "54011 target lists can have at most 1600 entries")
  }
  @Test func columnsComeAndGo() throws {
    var all = try Definitions()
    try all.run("create table a (x int, y text)")
    try all.run("alter table a add column z bigint default 7, add column if not exists y text, drop column y")
    let table = try #require(all.table("a"))
    #expect(table.columns.count == 3 && table.columns[1].isDropped && table.columns[2].missing == "7")
    #expect(try all.columns("select * from a") == ["x integer", "z bigint"])
    #expect(all.failure("select y from a") == "42703 column \"y\" does not exist")
    guard case .insert(let plan) = try SampleCatalog.statement("insert into a values (1, 2)", all.catalog) else {
      Issue.record("not an insert")
      return
    }
    #expect(plan.rows.map { zip($0, plan.table.columns).map { ValueText.print($0, as: $1.type) } } == [["1", nil, "2"]])
    // The name is free again, for another column.
    try all.run("alter table a add column y int")
    #expect(try all.columns("select * from a") == ["x integer", "z bigint", "y integer"])
    try all.run("alter table a rename column z to w")
    try all.run("alter table a rename to b")
    #expect(try all.columns("select w from b") == ["w bigint"])
    #expect(all.failure("alter table b drop column nope") == "42703 column \"nope\" of relation \"b\" does not exist")
    #expect(all.failure("alter table b add column w int") == "42701 column \"w\" of relation \"b\" already exists")
    #expect(all.failure("alter table nope add column w int") == "42P01 relation \"nope\" does not exist")
    #expect(all.failure("alter table b alter column w type text").hasPrefix("0A000"))
    #expect(all.failure("alter table queries drop column app_id").hasPrefix("0A000"))
    #expect(all.failure("alter table queries drop column hits").hasPrefix("2BP01"))
    #expect(all.failure("alter table queries drop column price") == "none")
  }
  @Test func whatRowsMustMeetIsAskedFirst() throws {
    var all = try Definitions()
    try all.run("create table a (x int, y text)")
    guard
      case .define(let plan) = try SampleCatalog.statement(
        "alter table a alter column x set not null, add constraint c check (x > 0), add primary key (x)",
        all.catalog
      )
    else {
      Issue.record("not a definition")
      return
    }
    var errors: [String] = []
    for case .require(let check) in plan.steps { errors.append("\(check.error.sqlState) \(check.error.message)") }
    #expect(
      errors == [
        "23502 column \"x\" of relation \"a\" contains null values", "23505 could not create unique index \"a_pkey\"",
        "23514 check constraint \"c\" of relation \"a\" is violated by some row",
      ]
    )
    #expect(all.failure("alter table queries add primary key (user_id)").hasPrefix("0A000"))
  }
  @Test func viewsAreQueriesWithNames() throws {
    var all = try Definitions()
    try all.run("create view v (tenant) as select app_id, count(*) as n from queries where hits > 0 group by 1")
    #expect(try all.columns("select * from v") == ["tenant text", "n bigint"])
    try all.run("create view w as with x as (select n from v) select n + 1 as m from x")
    #expect(try all.columns("select m from w") == ["m bigint"])
    #expect(all.failure("drop view v") == "2BP01 cannot drop view v because other objects depend on it")
    #expect(all.failure("create or replace view v as select * from w").hasPrefix("42P16"))
    #expect(all.failure("create or replace view v (tenant, n) as select 'a', m from w").hasPrefix("42P1"))
    #expect(all.failure("create view v as select 1") == "42P07 relation \"v\" already exists")
    #expect(all.failure("insert into v values (1)").hasPrefix("55000"))
    try all.run("drop view v cascade")
    #expect(all.catalog.views.isEmpty)
    try all.run("create table a (x int, y text)")
    try all.run("create view v as select x from a")
    #expect(all.failure("alter table a drop column x").hasPrefix("2BP01"))
    #expect(all.failure("alter table a drop column y") == "none")
    #expect(all.failure("drop table a") == "2BP01 cannot drop table a because other objects depend on it")
    try all.run("drop table a cascade")
    #expect(all.catalog.views.isEmpty && all.table("a") == nil)
  }
  @Test func schemasHoldNames() throws {
    var all = try Definitions()
    #expect(all.failure("create table s.a (x int)") == "3F000 schema \"s\" does not exist")
    try all.run("create schema s")
    try all.run("create table s.a (x int)")
    try all.run("create table a (y text)")
    #expect(try all.columns("select * from s.a") == ["x integer"])
    #expect(try all.columns("select * from a") == ["y text"])
    all.catalog.searchPath = ["s", "public"]
    #expect(try all.columns("select * from a") == ["x integer"])
    #expect(try all.columns("select * from public.a") == ["y text"])
    #expect(all.failure("drop schema s") == "2BP01 cannot drop schema s because other objects depend on it")
    try all.run("drop schema s cascade")
    #expect(try all.columns("select * from a") == ["y text"])
    #expect(all.failure("select * from s.a") == "42P01 relation \"s.a\" does not exist")
  }
  @Test func indexesAreListedOrKeys() throws {
    var all = try Definitions()
    try all.run("create table a (x int, y text)")
    try all.run("create index on a (x desc, lower(y))")
    try all.run("create index i on a using brin (x)")
    try all.run("create unique index u on a (x)")
    let table = try #require(all.table("a"))
    #expect(table.indexes.map(\.name) == ["a_x_expr_idx", "i"])
    #expect(table.indexes.map(\.sql) == ["USING btree (x desc, lower(y))", "USING brin (x)"])
    #expect(table.keys == [TableKey(name: "u", columns: [0], isPrimary: false, isIndex: true)])
    #expect(all.failure("create index i on a (x)") == "42P07 relation \"i\" already exists")
    try all.run("drop index i")
    #expect(all.table("a")?.indexes.count == 1)
    #expect(all.failure("drop index i") == "42704 index \"i\" does not exist")
  }
  @Test func tablesAreMadeOfQueries() throws {
    var all = try Definitions()
    try all.run("create table c as select app_id, count(*) as n, 'x' as word from queries group by app_id with no data")
    #expect(all.table("c")?.columns.map { "\($0.name) \($0.type.name)" } == ["app_id text", "n bigint", "word text"])
  }
  @Test func extensionsAreThere() throws {
    let all = try Definitions()
    #expect(all.failure("create extension if not exists hll") == "none")
    #expect(all.failure("create extension postgis") == "0A000 extension \"postgis\" is not supported")
  }

  // MARK: Sent rows

  @Test func aReferenceTableIsSentToTheShards() throws {
    var all = try Definitions()
    try all.run("create table names (id bigint, name text)")
    try all.run("select create_reference_table('names')")
    let plan = try all.explain("select app_id, name, count(*) from queries join names on user_id = id group by 1, 2")
    #expect(plan.contains("Plan: push-down") && plan.contains("Fragment 2: 4 of 4 shards, sent the rows of fragment 1"), "\(plan)")
    // Preserved rows of the reference table would come from every shard.
    let outer = try all.explain("select name from names left join queries on user_id = id")
    #expect(!outer.contains("sent the rows"), "\(outer)")
    let one = try all.explain("select name from names where id = 1")
    #expect(one.contains("Plan: router"), "\(one)")
    #expect(all.failure("select create_distributed_table('names', 'id')") == "42P16 table \"names\" is already distributed")
  }
  @Test func aSubquerysResultIsSentToTheShards() throws {
    let all = try Definitions()
    let plan = try all.explain("select count(*) from queries where latency_ms > (select avg(latency_ms) from queries)")
    #expect(plan.contains("Fragment 2: on the coordinator") && plan.contains("Plan: two-phase"), "\(plan)")
  }
  @Test func aTableWithoutAPlaceIsEmpty() throws {
    let all = try Definitions()
    let plan = try all.explain("select * from loose")
    #expect(plan.contains("Plan: coordinator") && plan.contains("Values: 0 rows"), "\(plan)")
  }
}
