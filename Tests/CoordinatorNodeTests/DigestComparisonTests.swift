// DigestComparisonTests.swift — what the coordinator makes of the copies' digests: equal, a minority that differs, nobody right.
import Bytes
import Capabilities
import Model
import Testing
import Wire

@testable import CoordinatorNode

private func digest(_ at: UInt64, _ rows: UInt64) -> StateDigest {
  StateDigest(position: LogPosition(at), state: Hash128(high: 1, low: 1), files: .zero, rows: Hash128(high: 0, low: rows))
}

@Suite struct DigestComparisonTests {
  private let copies = (1...3).map { ReplicaRecord(id: ReplicaID(UInt64($0)), node: NodeID(UInt64($0))) }
  private func shard(_ count: Int) -> ShardRecord {
    ShardRecord(
      id: ShardID(1),
      group: GroupID(1),
      lower: 0,
      upper: .max,
      epoch: Epoch(1),
      version: 1,
      primary: NodeID(1),
      inSync: Array(copies.prefix(count)),
      learners: Array(copies.dropFirst(count))
    )
  }
  private func fleet(_ digests: [StateDigest?]) -> Fleet {
    var fleet = Fleet()
    for (at, digest) in digests.enumerated() {
      var report = ShardReport(shard: ShardID(1), epoch: Epoch(1))
      report.digest = digest
      let beat = Heartbeat(
        node: copies[at].node,
        incarnation: Incarnation(1),
        version: CatalogVersion(1),
        load: NodeLoad(),
        shards: [report]
      )
      fleet.hear(beat, at: Instant(nanoseconds: 0))
    }
    return fleet
  }

  @Test func nothingIsSaidBeforeAllInSyncCopiesAreThere() {
    #expect(DigestComparison(shard(3), fleet([digest(5, 1), digest(5, 1)])) == .incomplete)
    #expect(DigestComparison(shard(3), fleet([digest(5, 1), digest(5, 2), nil])) == .incomplete)
    #expect(DigestComparison(shard(2), fleet([digest(5, 1), digest(6, 2)])) == .incomplete)
    #expect(DigestComparison(shard(1), fleet([digest(5, 1)])) == .incomplete)
  }
  @Test func equalCopiesAreEqual() {
    #expect(DigestComparison(shard(3), fleet([digest(5, 1), digest(5, 1), digest(5, 1)])) == .equal(LogPosition(5)))
    // A copy that is not in sync is no witness.
    #expect(DigestComparison(shard(2), fleet([digest(5, 1), digest(5, 1), digest(5, 9)])) == .equal(LogPosition(5)))
  }
  @Test func oneAgainstTwoIsWrong() {
    for wrong in 0..<3 {
      let digests = (0..<3).map { digest(5, $0 == wrong ? 8 : 1) }
      #expect(DigestComparison(shard(3), fleet(digests)) == .minority([copies[wrong]], LogPosition(5), "rows in memory"))
    }
  }
  @Test func oneAgainstOneIsUndecided() {
    #expect(DigestComparison(shard(2), fleet([digest(5, 1), digest(5, 2)])) == .undecided(LogPosition(5), "rows in memory"))
    #expect(
      DigestComparison(shard(3), fleet([digest(5, 1), digest(5, 2), digest(5, 3)])) == .undecided(LogPosition(5), "rows in memory")
    )
  }
}
