// SampleCatalog.swift — a small catalog made by the planner's own statements: search events, flights, rollups.
import Model
import SQL

@testable import Planning

enum SampleCatalog {
  static let context = PlanningContext(now: 1_700_000_000_000_000)  // 2023-11-14 22:13:20 UTC

  static let queries = """
    create table queries (app_id text not null, ts timestamptz, query text, user_id bigint, latency_ms int, hits int,
      device varchar(10), price numeric(10,2), score double precision, ok boolean, day date, span interval, at timestamp, small smallint)
    """
  static let flights = "create table flights (carrier int, time_hour timestamp, dest text, tailnum text, delay bigint)"
  static let searches = """
    create materialized view searches with (rollup, levels = '5 minutes, 1 day, 1 month', keep = '2 days, 400 days, forever') as
    select app_id, time_bucket(ts) as bucket, device, count(*) as searches, sum(latency_ms) as latency_sum, min(latency_ms) as fastest,
      hll_add_agg(hll_hash_bigint(user_id)) as users, topn_add_agg(query) as top_queries,
      topn_add_agg(query) filter (where hits = 0) as top_without_results
    from queries group by app_id, bucket, device
    """

  static func make() throws -> CatalogSnapshot {
    var catalog = CatalogSnapshot(cluster: .none)
    catalog.groups = [
      ColocationGroup(id: GroupID(1), keyType: .text, shards: (1...4).map { ShardID($0) }),
      ColocationGroup(id: GroupID(2), keyType: .bigint, shards: [ShardID(5)]),
    ]
    let quarter = UInt64.max / 4 + 1
    for i in 0..<4 {
      let lower = UInt64(i) &* quarter
      catalog.shards.append(
        ShardRecord(
          id: ShardID(UInt64(i + 1)),
          group: GroupID(1),
          lower: lower,
          upper: lower &+ (quarter - 1),
          epoch: Epoch(1),
          version: 1,
          primary: NodeID(1)
        )
      )
    }
    catalog.shards.append(
      ShardRecord(
        id: ShardID(5),
        group: GroupID(2),
        lower: 0,
        upper: .max,
        epoch: Epoch(1),
        version: 1,
        primary: NodeID(1)
      )
    )
    try add(queries, id: 10, key: 0, group: 1, to: &catalog)
    try add(flights, id: 11, key: 0, group: 2, to: &catalog)
    try add("create table loose (a int)", id: 12, key: nil, group: 0, to: &catalog)
    guard case .createRollup(let rollup) = try plan(try parse(searches)[0], catalog: catalog, context: context) else {
      fatalError("not a rollup")
    }
    var definition = rollup.definition
    definition.id = TableID(20)
    catalog.rollups.append(definition)
    return catalog
  }
  private static func add(_ text: String, id: UInt64, key: Int?, group: UInt64, to catalog: inout CatalogSnapshot) throws {
    guard case .createTable(let plan) = try plan(try parse(text)[0], catalog: catalog, context: context) else {
      fatalError("not a table")
    }
    var table = plan.table
    table.id = TableID(id)
    if let key { table.distribution = .distributed(key: key, group: GroupID(group)) }
    catalog.tables.append(table)
  }

  static func statement(_ text: String, _ catalog: CatalogSnapshot, context: PlanningContext = context) throws -> BoundStatement {
    try plan(try parse(text)[0], catalog: catalog, context: context)
  }
  /// EXPLAIN's lines of a query; with `isSent` every fragment has gone through its bytes.
  static func explain(_ text: String, choosesLevels: Bool = true, isSent: Bool = true, zone: ClockZone = .utc) throws -> String {
    let catalog = try make()
    let context = PlanningContext(now: context.now, choosesLevels: choosesLevels, zone: zone)
    guard case .select(var plan) = try statement(text, catalog, context: context) else { return "not a query" }
    for i in plan.fragments.indices where isSent && plan.fragments[i].shards != .coordinator {
      plan.fragments[i].plan = try FragmentFormat.decode(FragmentFormat.encode(plan.fragments[i].plan))
    }
    // What is shared or reads itself never travels.
    let staysHere = plan.coordinatorPlan.contains {
      switch $0 {
      case .shared, .recursive, .workingRows, .systemScan: true
      default: false
      }
    }
    if isSent, !staysHere { plan.coordinatorPlan = try FragmentFormat.decode(FragmentFormat.encode(plan.coordinatorPlan)) }
    return Explain.lines(plan, catalog: catalog).joined(separator: "\n")
  }
  static func failure(_ text: String) throws -> TallyError? {
    let catalog = try make()
    do throws(TallyError) {
      _ = try plan(try parse(text)[0], catalog: catalog, context: context)
      return nil
    } catch { return error }
  }
}
