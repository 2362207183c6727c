// PlanCacheTests.swift — what is kept of statements: by text, types, settings and version, and not without bound.
import Model
import Planning
import SQL
import Testing

@testable import CoordinatorNode

@Suite struct PlanCacheTests {
  private static let catalog = CatalogSnapshot(
    cluster: ClusterID(high: 1, low: 2),
    version: CatalogVersion(1),
    nodes: [],
    groups: [],
    shards: [],
    tables: []
  )
  private static func key(_ text: String, _ types: [DataType] = [], zone: ClockZone = .utc, path: [String] = ["public"]) -> PlanCache.Key {
    PlanCache.Key(text: text, types: types, zone: zone, searchPath: path, choosesLevels: true)
  }
  private static func isCustom(_ kept: PlanCache.Kept?) -> Bool { if case .custom? = kept { true } else { false } }
  private static func isNothing(_ kept: PlanCache.Kept?) -> Bool { if case .nothing? = kept { true } else { false } }

  @Test func aPlanIsFoundByAllThatBindingRead() throws {
    let plans = PlanCache()
    let (old, new) = (CatalogVersion(7), CatalogVersion(8))
    let berlin = try #require(ClockZone.named("Europe/Berlin"))
    plans.keep(.custom, Self.key("select 1", [.integer]), old)
    #expect(Self.isCustom(plans.find(Self.key("select 1", [.integer]), old)))
    for other in [
      Self.key("select 2", [.integer]), Self.key("select 1", [.bigint]), Self.key("select 1", [.integer], zone: berlin),
      Self.key("select 1", [.integer], path: ["other", "public"]),
    ] { #expect(plans.find(other, old) == nil) }
    // Under another version it was seen and nothing of it is kept.
    #expect(Self.isNothing(plans.find(Self.key("select 1", [.integer]), new)))
    plans.keep(StatementDescription(parameters: [.integer]), Self.key("select 1", [.integer]), new)
    #expect(plans.description(Self.key("select 1", [.integer]), old) == nil)
    #expect(plans.description(Self.key("select 1", [.integer]), new)?.parameters == [.integer])
  }
  @Test func whatWasUsedLongAgoGoes() {
    let plans = PlanCache()
    let version = CatalogVersion(1)
    for number in 0..<(4 * PlanCache.countMax) {
      plans.keep(.custom, Self.key("select \(number)"), version)
      #expect(plans.find(Self.key("select 0"), version) != nil, "used all the time")
    }
    #expect(plans.all.count <= PlanCache.countMax)
    #expect(plans.find(Self.key("select 1"), version) == nil)
  }
  /// One text means other tables once the session has temporary ones, and other top lists under another setting.
  @Test func sessionsShareAPlanUntilTheirNamesOrSettingsDiffer() throws {
    var (first, second) = (StatementRequest(try parse("select 1")[0], now: 0), StatementRequest(try parse("select 1")[0], now: 0))
    (first.facts.temporarySchema, second.facts.temporarySchema) = ("pg_temp_1_1_1", "pg_temp_1_1_2")
    func keys(_ catalog: CatalogSnapshot) throws -> (PlanCache.Key, PlanCache.Key) {
      (
        try #require(PlanCache.Key(first, under: catalog, types: [])),
        try #require(PlanCache.Key(second, under: catalog, types: []))
      )
    }
    var (one, other) = try keys(Self.catalog)
    #expect(one == other)
    var catalog = Self.catalog
    catalog.schemas.append("pg_temp_1_1_2")
    (one, other) = try keys(catalog)
    #expect(one != other)
    second = first
    second.facts.setting = { $0 == "topn.number_of_counters" ? "10" : nil }
    (one, other) = try keys(Self.catalog)
    #expect(one != other)
  }
  @Test func whatStandsForMoreThanItsTextHasNoKey() throws {
    var request = StatementRequest(try parse("select 1")[0], now: 0)
    #expect(PlanCache.Key(request, under: Self.catalog, types: []) != nil)
    request.isResolved = true
    #expect(PlanCache.Key(request, under: Self.catalog, types: []) == nil)
    request.isResolved = false
    request.variables[["v"]] = .value(TypedValue(.integer, .fixed(1)))
    #expect(PlanCache.Key(request, under: Self.catalog, types: []) == nil)
    let long = "select '\(String(repeating: "x", count: PlanCache.bytesMax))'"
    #expect(PlanCache.Key(StatementRequest(try parse(long)[0], now: 0), under: Self.catalog, types: []) == nil)
    #expect(PlanCache.Key(StatementRequest(try parse("create table t (a int)")[0], now: 0), under: Self.catalog, types: []) == nil)
  }
}
