import Columns
import Model
import Planning
import Storage
import Testing

@testable import Execution

@Suite struct FragmentCostTests {
  /// A shard with a rollup of 600 raw rows of 4 tenants, and `fresh` rows above its watermark.
  private static func shard(fresh: Int) throws -> ShardReadView {
    var fixture = RollupFixture()
    var random = Seeded(11)
    for _ in 0..<60 { try fixture.append(RollupFixture.randomRows(10, &random)) }
    _ = try fixture.roll(to: fixture.position)
    for _ in 0..<fresh / 100 { try fixture.append(RollupFixture.randomRows(100, &random)) }
    return fixture.shard
  }
  private static func tenant(_ columns: [Int], filter: Expression? = nil) -> ScanNode {
    let zones = [ZoneCondition(storedColumn: 0, .equal, .fixed(2))]
    return RollupFixture.scan(.chain(first: 0), merged: false, columns: columns, filter: filter, zones: zones)
  }
  private static let raw = ScanNode(
    source: .table(RollupFixture.table.id),
    storedColumns: [0, 2],
    output: [OutputColumn("app_id", .bigint), OutputColumn("query", .text)]
  )

  @Test func aTenantOfASmallRollupIsBrief() throws {
    let shard = try Self.shard(fresh: 0)
    let scan = PlanNode.scan(Self.tenant([0, 3]))
    #expect(FragmentExecution.isBrief(scan, [shard]))
    let sum = AggregateNode(
      input: scan,
      groups: [.column(0, .bigint)],
      calls: [AggregateCall(.sum, [.column(1, .bigint)], type: .bigint)],
      names: ["a", "b"]
    )
    #expect(FragmentExecution.isBrief(.limit(LimitNode(input: .aggregate(sum), count: 3)), [shard]))
    #expect(FragmentExecution.isBrief(scan, [shard, shard]))
  }
  @Test func rowsAboveTheWatermarkCount() throws {
    #expect(!FragmentExecution.isBrief(.scan(Self.tenant([0, 3])), [try Self.shard(fresh: 5000)]))
    // Of all shards of a worker together.
    let shard = try Self.shard(fresh: 500)
    #expect(FragmentExecution.isBrief(.scan(Self.tenant([0])), [shard]))
    #expect(!FragmentExecution.isBrief(.scan(Self.tenant([0])), [shard, shard, shard]))
  }
  @Test func aWholeTableIsNot() throws {
    #expect(!FragmentExecution.isBrief(.scan(Self.raw), [try Self.shard(fresh: 5000)]))
  }
  @Test func functionsWithoutABoundAreNot() throws {
    let shard = try Self.shard(fresh: 0)
    let scan = PlanNode.scan(Self.raw)
    let long = call(.text, .padLeft, .column(1, .text), int(10_000_000, .integer))
    let short = call(.text, .lower, .column(1, .text))
    #expect(!FragmentExecution.isBrief(.project(ProjectNode(input: scan, expressions: [long], names: ["x"])), [shard]))
    #expect(FragmentExecution.isBrief(.project(ProjectNode(input: scan, expressions: [short], names: ["x"])), [shard]))
    let filtered = FilterNode(
      input: scan,
      condition: call(.boolean, .equal, call(.text, .padLeft, short, int(9, .integer)), .column(1, .text))
    )
    #expect(!FragmentExecution.isBrief(.filter(filtered), [shard]))
    #expect(!FragmentExecution.isBrief(.scan(Self.tenant([0], filter: call(.boolean, .equal, long, .column(1, .text)))), [shard]))
  }
  @Test func joinsAreNot() throws {
    let shard = try Self.shard(fresh: 0)
    let join = JoinNode(.inner, left: .scan(Self.raw), right: .scan(Self.raw), keys: [])
    #expect(!FragmentExecution.isBrief(.join(join), [shard]))
  }
}
