// PlanCacheTests.swift — what is kept of statements: by text, types, settings and version, and not without bound.
import Model
import Planning
import SQL
import Testing

@testable import CoordinatorNode

@Suite struct PlanCacheTests {
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
  @Test func whatStandsForMoreThanItsTextHasNoKey() throws {
    var request = StatementRequest(try parse("select 1")[0], now: 0)
    #expect(PlanCache.Key(request, types: []) != nil)
    request.isResolved = true
    #expect(PlanCache.Key(request, types: []) == nil)
    request.isResolved = false
    request.variables[["v"]] = .value(TypedValue(.integer, .fixed(1)))
    #expect(PlanCache.Key(request, types: []) == nil)
    let long = "select '\(String(repeating: "x", count: PlanCache.bytesMax))'"
    #expect(PlanCache.Key(StatementRequest(try parse(long)[0], now: 0), types: []) == nil)
    #expect(PlanCache.Key(StatementRequest(try parse("create table t (a int)")[0], now: 0), types: []) == nil)
  }
}
