// ReadRoutingTests.swift — which workers are asked for which shards.
import Model
import Testing

@testable import CoordinatorNode

private let nodes = (1...3).map {
  NodeRecord(id: NodeID($0), name: "worker-\($0)", role: .worker, address: "w\($0):1", incarnation: Incarnation(1))
}
/// A shard led by the first of `copies`.
private func shard(_ id: UInt64, _ copies: [UInt64], eligible: [UInt64] = [], learners: [UInt64] = []) -> ShardRecord {
  func replicas(_ nodes: [UInt64]) -> [ReplicaRecord] { nodes.map { ReplicaRecord(id: ReplicaID(id * 10 + $0), node: NodeID($0)) } }
  return ShardRecord(
    id: ShardID(id),
    group: GroupID(1),
    lower: 0,
    upper: .max,
    epoch: Epoch(4),
    version: 1,
    primary: NodeID(copies[0]),
    inSync: replicas(copies),
    eligible: replicas(eligible),
    learners: replicas(learners)
  )
}
private let catalog = CatalogSnapshot(cluster: ClusterID(high: 1, low: 1), version: CatalogVersion(5), nodes: nodes)
private func assign(
  _ shards: [ShardRecord],
  _ level: ReadLevel,
  seen: SessionToken = SessionToken(),
  turn: Int = 0,
  failed: Set<FailedCopy> = [],
  down: Set<UInt64> = []
) throws -> [UInt64: [UInt64]] {
  let read = ReadContext(level: level, seen: seen, turn: turn)
  let reads = try ReadRouting.assign(shards, catalog, read, failed: failed) { down.contains($0.rawValue) }
  return Dictionary(uniqueKeysWithValues: reads.map { ($0.node.id.rawValue, $0.shards.map(\.shard.rawValue)) })
}

@Test func latestAsksPrimariesInTheirEpoch() throws {
  let shards = [shard(1, [1, 2]), shard(2, [2, 1]), shard(3, [1, 3])]
  #expect(try assign(shards, .latest) == [1: [1, 3], 2: [2]])
  let reads = try ReadRouting.assign(shards, catalog, .latest) { _ in false }
  #expect(reads[0].shards[0].point == LogPoint(epoch: Epoch(4), position: LogPosition(0)))
  let error = #expect(throws: TallyError.self) { try assign(shards, .latest, down: [2]) }
  #expect(error?.status == .unavailable && error?.message.contains("worker-2") == true)
}

@Test func copiesAreAskedInTurnAndFewAtOnce() throws {
  let shards = [shard(1, [1, 2]), shard(2, [2, 1]), shard(3, [1, 2])]
  #expect(try assign(shards, .session, turn: 0) == [1: [1, 2, 3]])
  #expect(try assign(shards, .session, turn: 1) == [2: [1, 2, 3]])
  // What the session has seen goes along.
  let point = LogPoint(epoch: Epoch(3), position: LogPosition(77))
  let read = ReadContext(level: .session, seen: SessionToken([ShardPoint(shard: ShardID(2), point: point)]))
  let reads = try ReadRouting.assign(shards, catalog, read) { _ in false }
  #expect(reads[0].shards.map(\.point) == [.start, point, .start])
}

@Test func whoFailedOrIsDownIsNotAskedAndLearnersLast() throws {
  let shards = [shard(1, [1], eligible: [2], learners: [3])]
  #expect(try assign(shards, .session, down: [1]) == [2: [1]])
  let failed: Set<FailedCopy> = [FailedCopy(shard: ShardID(1), node: NodeID(2))]
  #expect(try assign(shards, .stale(max: .seconds(1)), failed: failed, down: [1]) == [3: [1]])
  let error = #expect(throws: TallyError.self) { try assign(shards, .session, failed: failed, down: [1]) }
  #expect(error?.isRetryable == true)
}
