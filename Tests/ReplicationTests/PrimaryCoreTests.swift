// PrimaryCoreTests.swift — when entries are committed, rule by rule (protocol.md §2.5).
import Bytes
import Model
import Testing

@testable import Replication

private let a = ReplicaRecord(id: ReplicaID(1), node: NodeID(1))
private let b = ReplicaRecord(id: ReplicaID(2), node: NodeID(2))
private let c = ReplicaRecord(id: ReplicaID(3), node: NodeID(3))
private let life = Incarnation(7)

private func record(
  _ inSync: [ReplicaRecord],
  learners: [ReplicaRecord] = [],
  epoch: UInt64 = 3,
  version: UInt64 = 1
) -> ShardRecord {
  ShardRecord(
    id: ShardID(1),
    group: GroupID(1),
    lower: 0,
    upper: .max,
    epoch: Epoch(epoch),
    version: version,
    primary: a.node,
    inSync: inSync,
    learners: learners
  )
}
private func core(_ record: ShardRecord, start: UInt64 = 10, least: Int = 1) -> PrimaryCore {
  PrimaryCore(record, me: a.id, start: LogPosition(start), committed: LogPosition(start - 2), leastInSync: least)
}
private func at(_ position: UInt64) -> LogPosition { LogPosition(position) }

@Test func aloneItCommitsWhatIsDurable() {
  var primary = core(record([a]))
  primary.noteDurable(at(9))
  #expect(primary.committed == at(8), "nothing before the epoch's first entry (R3)")
  primary.noteDurable(at(12))
  #expect(primary.committed == at(12) && primary.isEstablished)
}

@Test func everyInSyncCopyMustHaveAnEntry() {
  var primary = core(record([a, b]))
  primary.noteDurable(at(12))
  #expect(primary.committed == at(8))
  primary.noteMatch(b.id, life, at(11), askedAt: 0)
  #expect(primary.committed == at(11))
  primary.noteMatch(b.id, life, at(10), askedAt: 0)
  #expect(primary.committed == at(11), "what was committed stays so")
}

@Test func aLearnerDoesNotCountAndARemovalCountsOnceItIsConfirmed() {
  var primary = core(record([a, b], learners: [c]))
  primary.noteMatch(b.id, life, at(10), askedAt: 0)
  primary.noteDurable(at(12))
  #expect(primary.committed == at(10))
  let removal = primary.removal(of: b.id)
  #expect(removal == InSyncProposal(version: 1, inSync: [a.id], added: nil))
  #expect(primary.committed == at(10), "asked for is not confirmed (R5)")
  primary.learn(record([a], learners: [b, c], version: 2), leastInSync: 1)
  #expect(primary.committed == at(12))
}

@Test func anAdditionCountsFromTheMomentItIsAskedFor() {
  var primary = core(record([a], learners: [b]))
  primary.noteDurable(at(12))
  primary.noteMatch(b.id, life, at(11), askedAt: 0)
  #expect(primary.addition(of: b.id) == nil, "it lacks a committed entry (R6)")
  primary.noteMatch(b.id, life, at(12), askedAt: 0)
  let addition = primary.addition(of: b.id)
  #expect(addition?.inSync == [a.id, b.id] && addition?.added?.incarnation == life)
  primary.noteDurable(at(15))
  #expect(primary.committed == at(12), "the maximal in-sync set counts (R4)")
  primary.forgetAddition()
  #expect(primary.committed == at(15))
}

/// The answer to an addition was lost, and so was the copy: the set as it was, in a newer version, lets commits go on.
@Test func anAdditionInDoubtIsWithdrawn() {
  var primary = core(record([a], learners: [b]))
  primary.noteDurable(at(12))
  primary.noteMatch(b.id, life, at(12), askedAt: 0)
  #expect(primary.withdrawal == nil)
  #expect(primary.addition(of: b.id) != nil)
  primary.noteDurable(at(15))
  #expect(primary.committed == at(12))
  #expect(primary.withdrawal == InSyncProposal(version: 1, inSync: [a.id], added: nil))
  primary.learn(record([a], learners: [b], version: 2), leastInSync: 1)
  #expect(primary.committed == at(15) && primary.withdrawal == nil)
}

@Test func belowTheLeastNumberNothingCommits() {
  var primary = core(record([a]), least: 2)
  primary.noteDurable(at(12))
  #expect(primary.committed == at(8) && !primary.isEstablished)
  primary.learn(record([a, b], version: 2), leastInSync: 2)
  primary.noteMatch(b.id, life, at(12), askedAt: 0)
  #expect(primary.committed == at(12))
}

@Test func aCopyIsTakenInBeforeTheEpochIsEstablishedOnceItHasItsFirstEntry() {
  var primary = core(record([a], learners: [b]), least: 2)
  primary.noteDurable(at(10))
  primary.noteMatch(b.id, life, at(9), askedAt: 0)
  #expect(primary.addition(of: b.id) == nil, "what it lacks may be committed")
  primary.noteMatch(b.id, life, at(10), askedAt: 0)
  #expect(primary.addition(of: b.id)?.inSync == [a.id, b.id] && !primary.isEstablished)
  primary.learn(record([a, b], version: 2), leastInSync: 2)
  #expect(primary.isEstablished)
}

@Test func olderRecordsAndOtherEpochsChangeNothing() {
  var primary = core(record([a, b], version: 4))
  primary.learn(record([a], version: 3), leastInSync: 1)
  primary.learn(record([a], epoch: 4, version: 5), leastInSync: 1)
  #expect(primary.inSync == [a.id, b.id])
}

@Test func aLaterLifeOfANodeCountsFromWhatItSays() {
  var primary = core(record([a, b]))
  primary.noteDurable(at(20))
  primary.noteMatch(b.id, life, at(15), askedAt: 0)
  primary.noteMatch(b.id, Incarnation(8), at(12), askedAt: 0)
  #expect(primary.match(b.id) == at(12))
  primary.noteMatch(b.id, life, at(20), askedAt: 0)
  #expect(primary.match(b.id) == at(12), "words of an earlier life come late")
  #expect(primary.committed == at(15))
}

@Test func aCopyJudgesByPromiseAndPlace() {
  var copy = CopyCore(promised: Epoch(3))
  let place = LogPlace(position: at(10), epoch: Epoch(3), chain: Hash128(high: 1, low: 2))
  let other = LogPlace(position: at(10), epoch: Epoch(2), chain: Hash128(high: 1, low: 3))
  #expect(copy.judge(epoch: Epoch(2), previous: place, applied: at(5), known: place) == .reject)
  #expect(copy.judge(epoch: Epoch(3), previous: place, applied: at(5), known: place) == .accept)
  #expect(copy.judge(epoch: Epoch(3), previous: place, applied: at(5), known: other) == .mismatch)
  #expect(copy.judge(epoch: Epoch(3), previous: place, applied: at(5), known: nil) == .mismatch)
  #expect(copy.judge(epoch: Epoch(3), previous: .applied(at(4)), applied: at(5), known: nil) == .accept)
  #expect(copy.hear(Epoch(4)) && !copy.hear(Epoch(3)) && copy.promised == Epoch(4))
}

@Test func aPrimaryKnowsUntilWhenItHadNoRival() {
  var primary = core(record([a, b], learners: [c]))
  primary.noteDurable(at(12))
  #expect(primary.unrivalled(now: 100) == nil, "not established")
  primary.noteMatch(b.id, life, at(12), askedAt: 40)
  #expect(primary.unrivalled(now: 100) == 40, "later the other may have been asked to lead")
  primary.noteMatch(c.id, life, at(12), askedAt: 90)
  #expect(primary.unrivalled(now: 100) == 40, "a learner cannot lead")
  #expect(primary.unrivalled(now: 100, asking: b.id) == 100, "who is asked knows what it promised")
  primary.noteMatch(b.id, life, at(12), askedAt: 70)
  primary.noteMatch(b.id, life, at(12), askedAt: 60)
  #expect(primary.unrivalled(now: 100) == 70)
  // A copy that is being taken in may lead from then on.
  #expect(primary.addition(of: c.id) != nil)
  #expect(primary.unrivalled(now: 100) == 70)
  var alone = core(record([a]))
  alone.noteDurable(at(12))
  #expect(alone.unrivalled(now: 100) == 100)
}

@Test func anEligibleCopyMayBeARival() {
  var record = record([a, b])
  record.eligible = [c]
  var primary = core(record)
  primary.noteDurable(at(12))
  primary.noteMatch(b.id, life, at(12), askedAt: 50)
  #expect(primary.unrivalled(now: 100) == nil)
  primary.noteMatch(c.id, life, at(12), askedAt: 30)
  #expect(primary.unrivalled(now: 100) == 30)
}
