// InvariantWitnessTests.swift — the judge of replication notices each law that is broken, and says nothing while none is.
import Bytes
import Model
import Storage
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
  /// The first copy applies entries from 1 on, the second the same.
  func apply(_ work: [AppliedWork]...) {
    for replica in [a, b] {
      for (at, step) in work.enumerated() { hear(replica, .applies(LogPosition(UInt64(at) + 1), step)) }
    }
  }
  /// A record with so many copies in sync, eligible and learning.
  func record(_ version: UInt64, inSync: [UInt64], eligible: [UInt64] = [], learners: [UInt64] = []) -> ShardRecord {
    func copies(_ numbers: [UInt64]) -> [ReplicaRecord] { numbers.map { ReplicaRecord(id: ReplicaID($0), node: NodeID($0 % 10)) } }
    return ShardRecord(
      id: ShardID(7),
      group: GroupID(1),
      lower: 0,
      upper: .max,
      epoch: Epoch(version),
      version: version,
      primary: NodeID(1),
      inSync: copies(inSync),
      eligible: copies(eligible),
      learners: copies(learners)
    )
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

  // MARK: I4

  private func judge(_ before: ShardRecord, _ after: ShardRecord, in court: Court, isForced: Bool = false) {
    court.witness.saw(before, became: after, leastInSync: 2, isForced: isForced)
  }
  @Test func recordsThatKeepWhoMayHaveWhatIsCommitted() {
    let court = Court()
    // One of three leaves and only learns; the next stays eligible; it comes back; a lost disk has a copy under another number.
    let lives = [
      court.record(1, inSync: [1, 2, 3]), court.record(2, inSync: [1, 2], learners: [3]),
      court.record(3, inSync: [1], eligible: [2], learners: [3]), court.record(4, inSync: [1, 2], learners: [3]),
      court.record(5, inSync: [1], eligible: [2], learners: [3]), court.record(6, inSync: [1], learners: [3, 12]),
    ]
    for (before, after) in zip(lives, lives.dropFirst()) { judge(before, after, in: court) }
    // The other coordinators apply the same.
    for (before, after) in zip(lives, lives.dropFirst()) { judge(before, after, in: court) }
    // An operator may give up what counts.
    judge(lives[5], court.record(7, inSync: [3]), in: court, isForced: true)
    #expect(court.ledger.violations == [])
    #expect(court.witness.changes == 6)
  }
  @Test func aCopyThatIsForgottenWhileTooFewAreInSync() {
    let court = Court()
    judge(court.record(1, inSync: [1, 2]), court.record(2, inSync: [1], learners: [2]), in: court)
    #expect(court.ledger.violations == ["I4, shard 7: copy 2 does not count any more, with 1 of 2 in sync"])
  }
  @Test func aRecordInWhichNoCopyCounts() {
    let court = Court()
    judge(court.record(1, inSync: [1]), court.record(2, inSync: [], learners: [11]), in: court)
    #expect(court.ledger.violations == ["I4, shard 7: no copy counts in version 2 of its record"])
  }
  @Test func coordinatorsThatDisagree() {
    let court = Court()
    judge(court.record(1, inSync: [1, 2]), court.record(2, inSync: [1, 2], learners: [3]), in: court)
    judge(court.record(1, inSync: [1, 2]), court.record(2, inSync: [1, 2], learners: [4]), in: court)
    #expect(court.ledger.violations == ["I4, shard 7: coordinators have two records of version 2"])
  }

  // MARK: I7, I8

  private let table = TableID(10)
  private let rollup = TableID(20)
  private func roll(_ from: UInt64, _ to: UInt64, _ rows: Int) -> [AppliedWork] {
    [.rolls(rollup, from: LogPosition(from), to: LogPosition(to), rows: rows)]
  }

  @Test func deltasThatTakeInEveryRowOnce() {
    let court = Court()
    court.apply(
      [.defines([rollup: table])],
      [.brings(table, rows: 5)],
      [.brings(TableID(11), rows: 9)],
      [.brings(table, rows: 2), .removes(TableID(11), through: LogPosition(3))],
      roll(1, 2, 5),
      roll(2, 5, 2),
      [.removes(table, through: LogPosition(5))],
      [.brings(table, rows: 4)],
      [.erases],
      // A deleted tenant had one of them.
      roll(5, 8, 3),
      [.expires(table, through: LogPosition(8))]
    )
    #expect(court.ledger.violations == [])
    #expect(court.witness.deltas == 3)
  }
  @Test func aDeltaThatDoesNotBeginWhereTheLastOneEnded() {
    let court = Court()
    court.apply([.defines([rollup: table])], [.brings(table, rows: 5)], roll(1, 2, 5), roll(1, 2, 5))
    #expect(court.ledger.violations == ["I7, shard 7: entry 4 brings rollup 20 from 1 to 2, which is at 2"])
  }
  @Test func aDeltaThatLacksARow() {
    let court = Court()
    court.apply([.defines([rollup: table])], [.brings(table, rows: 5)], [.brings(table, rows: 1)], roll(1, 3, 5))
    #expect(court.ledger.violations == ["I7, shard 7: entry 4 takes 5 of the 6 rows from 1 to 3 into rollup 20"])
  }
  @Test func rowsThatGoBeforeTheRollupTookThemIn() {
    for (isExpiry, how) in [(false, "deletes"), (true, "lets expire")] {
      let court = Court()
      court.apply(
        [.defines([rollup: table])],
        [.brings(table, rows: 5)],
        [isExpiry ? .expires(table, through: LogPosition(2)) : .removes(table, through: LogPosition(2))]
      )
      #expect(court.ledger.violations == ["I8, shard 7: entry 3 \(how) rows up to 2, of which rollup 20 has those up to 1"])
    }
  }
  @Test func rowsThatExpireWhileARollupIsBackfilled() {
    let court = Court()
    court.apply([.brings(table, rows: 5)], [.defines([rollup: table])], [.expires(table, through: LogPosition(1))])
    #expect(court.ledger.violations == ["I8, shard 7: entry 3 lets rows of table 10 expire while rollup 20 is backfilled"])
    let other = Court()
    other.apply(
      [.brings(table, rows: 5)],
      [.defines([rollup: table])],
      [.backfills(rollup, from: 7)],
      [.backfills(rollup, from: .min)],
      [.expires(table, through: LogPosition(1))]
    )
    #expect(other.ledger.violations == [])
  }
}
