// InvariantWitnessTests.swift — the judge of replication notices each law that is broken, and says nothing while none is.
import Bytes
import Model
import Testing
import WorkerNode

@testable import Simulation

/// Two copies of one shard and what they do.
private struct Court {
  let ledger = Ledger([])
  let witness: InvariantWitness
  let a = ReplicaID(1)
  let b = ReplicaID(2)

  init(keepsDisks: Bool = true) { witness = InvariantWitness(ledger, keepsDisks: keepsDisks) }
  func mark(_ position: UInt64, _ epoch: UInt64, chain: UInt64? = nil) -> LogMark {
    LogMark(position: LogPosition(position), epoch: Epoch(epoch), chain: Hash128(high: epoch, low: chain ?? position))
  }
  func hear(_ replica: ReplicaID, _ events: ShardEvent...) {
    for event in events { witness.saw(event, shard: ShardID(7), replica: replica) }
  }
  /// Both have a log of one entry of epoch 1, which is committed.
  func begin() {
    hear(a, .log([mark(0, 0)]), .made(mark(1, 1)))
    hear(b, .log([mark(0, 0)]), .took(mark(1, 1)))
    hear(a, .committed(mark(1, 1), isDurable: true, inSync: [a, b]), .serves(Epoch(1)))
    hear(b, .committed(mark(1, 1), isDurable: true, inSync: []))
  }
}

@Suite struct InvariantWitnessTests {
  @Test func aHealthyLifeIsSilent() {
    let court = Court()
    court.begin()
    // The first primary makes an entry that nobody takes over; the second has another in its place, and the first cuts its own.
    court.hear(court.a, .made(court.mark(2, 1)))
    court.hear(court.b, .made(court.mark(2, 2)), .made(court.mark(3, 2)))
    court.hear(court.a, .cut(from: LogPosition(2)), .took(court.mark(2, 2)), .took(court.mark(3, 2)))
    court.hear(court.b, .committed(court.mark(2, 2), isDurable: true, inSync: [court.a, court.b]), .serves(Epoch(2)))
    // A copy starts again with what it had applied.
    court.hear(court.a, .log([court.mark(2, 2), court.mark(3, 2)]), .committed(court.mark(3, 2), isDurable: true, inSync: []))
    #expect(court.ledger.violations == [])
    #expect(court.witness.commits == 4)
  }
  @Test func aCommitThatACopyInSyncLacks() {
    let court = Court()
    court.begin()
    court.hear(court.a, .made(court.mark(2, 1)), .committed(court.mark(2, 1), isDurable: true, inSync: [court.a, court.b]))
    #expect(court.ledger.violations == ["I1, shard 7: copy 1 commits entry 2, which copy 2 of its in-sync set does not have"])
    // Where disks may be put back, what a copy said does not hold.
    let other = Court(keepsDisks: false)
    other.begin()
    other.hear(other.a, .made(other.mark(2, 1)), .committed(other.mark(2, 1), isDurable: true, inSync: [other.a, other.b]))
    #expect(other.ledger.violations == [])
  }
  @Test func aPrimaryThatLacksACommittedEntry() {
    let court = Court()
    court.begin()
    court.hear(court.b, .log([court.mark(0, 0)]), .made(court.mark(1, 2)), .serves(Epoch(2)))
    #expect(court.ledger.violations == ["I2, shard 7: copy 2 serves in epoch 2 without entry 1, which is committed"])
  }
  @Test func twoEntriesCommittedInOnePlace() {
    let court = Court()
    court.begin()
    court.hear(court.b, .committed(court.mark(1, 1, chain: 9), isDurable: true, inSync: []))
    #expect(court.ledger.violations == ["I3, shard 7: copy 2 has another entry 1 than was committed"])
  }
  @Test func aCommittedEntryThatIsCut() {
    let court = Court()
    court.begin()
    court.hear(court.b, .cut(from: LogPosition(1)))
    #expect(court.ledger.violations == ["I3, shard 7: copy 2 cuts entry 1, which is committed"])
  }
  @Test func twoCopiesThatMakeEntriesInOneEpoch() {
    let court = Court()
    court.begin()
    court.hear(court.b, .made(court.mark(2, 1)))
    // Once a law and shard.
    court.hear(court.b, .made(court.mark(3, 1)))
    #expect(court.ledger.violations == ["I5, shard 7: copies 1 and 2 made entries in epoch 1"])
  }
  @Test func aCopyThatLostItsNumberIsTheSameCopy() {
    let court = Court()
    court.begin()
    let c = ReplicaID(3)
    court.hear(c, .renamed(from: court.a), .made(court.mark(2, 1)))
    court.hear(c, .committed(court.mark(1, 1), isDurable: true, inSync: [c, court.b]))
    #expect(court.ledger.violations == [])
    court.hear(court.b, .made(court.mark(2, 1)))
    #expect(court.ledger.violations == ["I5, shard 7: copies 3 and 2 made entries in epoch 1"])
  }
  @Test func anEntryAppliedBeforeItIsOnDisk() {
    let court = Court()
    court.begin()
    court.hear(court.b, .took(court.mark(2, 1)), .committed(court.mark(2, 1), isDurable: false, inSync: []))
    #expect(court.ledger.violations == ["I6, shard 7: copy 2 applies entry 2, which is not on its disk"])
  }
}
