// Transcripts of one member: what it does, event by event.
import Bytes
import Consensus
import Model
import Testing
import Wire

/// A member among voters 1, 2, 3 whose effects are written down as words.
private struct Script {
  var core: RaftCore
  var now: UInt64 = 0
  init(voters: [UInt64] = [1, 2, 3], hard: HardState = HardState(term: 1)) {
    var log = RaftLog(.empty(Members()))
    let members = Members(voters.map { Member(id: MemberID($0), name: "c\($0)", address: "h:\($0)", isVoter: true) })
    log.restore(CommandRecord(index: 1, term: 1, kind: .members, body: members.encoded()))
    core = RaftCore(
      id: MemberID(1),
      settings: RaftSettings(heartbeat: 50, electionMin: 300, electionSpread: 100),
      hard: hard,
      log: log
    )
  }
  mutating func on(_ event: RaftEvent, at time: UInt64? = nil) -> [String] {
    if let time { now = time }
    return core.handle(event, now: now, chance: 40).map(Self.words)
  }
  static func words(_ effect: RaftEffect) -> String {
    switch effect {
    case .persist(let write):
      var text = "persist \(write.number)"
      if let hard = write.hardState { text += " term \(hard.term) vote \(hard.vote?.description ?? "-")" }
      if let snapshot = write.snapshot { text += " snapshot \(snapshot.index)" }
      if !write.records.isEmpty { text += " entries " + write.records.map { "\($0.index)/\($0.term)" }.joined(separator: " ") }
      return text
    case .send(let to, let message):
      switch message {
      case .append(let append):
        let entries = append.entries.map { "\($0.term)" }.joined(separator: ",")
        return
          "to \(to) append after \(append.previousIndex)/\(append.previousTerm) [\(entries)] commit \(append.commit) round \(append.round)"
      case .appendReply(let reply):
        return "to \(to) \(reply.isAccepted ? "has" : "lacks") \(reply.index) hint \(reply.hintIndex)/\(reply.hintTerm)"
      case .preVote(let term, let index, let last): return "to \(to) preVote \(term) \(index)/\(last)"
      case .vote(let term, let index, let last, let isHandedOver):
        return "to \(to) vote \(term) \(index)/\(last)\(isHandedOver ? " handed over" : "")"
      case .preVoteReply(let term, let isGranted): return "to \(to) preVote \(isGranted ? "granted" : "refused") \(term)"
      case .voteReply(let term, let isGranted): return "to \(to) vote \(isGranted ? "granted" : "refused") \(term)"
      case .snapshot(let piece): return "to \(to) snapshot \(piece.index) from \(piece.offset)"
      case .snapshotReply(_, let index, let offset): return "to \(to) snapshot \(index) up to \(offset)"
      case .takeOver(let term): return "to \(to) take over \(term)"
      }
    case .apply(let records): return "apply " + records.map { "\($0.index)" }.joined(separator: " ")
    case .restore(let snapshot): return "restore \(snapshot.index)"
    case .accepted(let ticket, let first, let term): return "ticket \(ticket) is entry \(first)/\(term)"
    case .readable(let ticket, let index): return "ticket \(ticket) may read at \(index)"
    case .refused(let ticket, let reason): return "ticket \(ticket) refused: \(reason)"
    case .standing: return "standing"
    }
  }
  func append(_ term: UInt64, after index: UInt64, _ previousTerm: UInt64, _ terms: [UInt64], commit: UInt64 = 0) -> RaftMessage {
    .append(
      RaftAppend(
        term: term,
        previousIndex: index,
        previousTerm: previousTerm,
        previousChain: core.log.chain(at: index) ?? .zero,
        commit: commit,
        round: 0,
        entries: terms.map { RaftEntry(term: $0, kind: 2, body: [UInt8($0)]) }
      )
    )
  }
  func has(_ index: UInt64, term: UInt64, round: UInt64 = 0) -> RaftMessage {
    .appendReply(RaftAppendReply(term: term, isAccepted: true, index: index, round: round))
  }
  /// Elected in term 2, its first entry committed.
  static func leading() -> Script {
    var script = Script()
    _ = script.on(.start, at: 0)
    _ = script.on(.tick, at: 340)
    _ = script.on(.receive(from: MemberID(2), .preVoteReply(term: 2, isGranted: true)))
    _ = script.on(.persisted(1))
    _ = script.on(.receive(from: MemberID(2), .voteReply(term: 2, isGranted: true)))
    _ = script.on(.persisted(2))
    _ = script.on(.receive(from: MemberID(2), script.has(2, term: 2)))
    return script
  }
}

struct TranscriptTests {
  @Test func aGroupOfOneLeadsAtOnce() {
    var script = Script(voters: [1])
    #expect(script.on(.start) == ["persist 1 term 2 vote 1", "standing"])
    #expect(script.on(.persisted(1)) == ["persist 2 entries 2/2", "standing"])
    #expect(script.on(.persisted(2)) == ["apply 1 2", "standing"])
    #expect(script.core.isEstablished && script.core.wakeAt == .max)
    #expect(script.on(.propose(ticket: 5, [[9]])) == ["ticket 5 is entry 3/2", "persist 3 entries 3/2"])
    #expect(script.on(.persisted(3)) == ["apply 3"])
    #expect(script.on(.read(ticket: 6)) == ["ticket 6 may read at 3"])
  }
  @Test func anElection() {
    var script = Script()
    #expect(script.on(.start, at: 0) == [])
    #expect(script.on(.tick, at: 339) == [])
    #expect(script.on(.tick, at: 340) == ["to 2 preVote 2 1/1", "to 3 preVote 2 1/1", "standing"])
    #expect(script.on(.receive(from: MemberID(2), .preVoteReply(term: 1, isGranted: false))) == [])
    // Its own vote is durable before anybody hears of it.
    #expect(script.on(.receive(from: MemberID(3), .preVoteReply(term: 2, isGranted: true))) == ["persist 1 term 2 vote 1", "standing"])
    #expect(script.on(.persisted(1)) == ["to 2 vote 2 1/1", "to 3 vote 2 1/1"])
    #expect(
      script.on(.receive(from: MemberID(2), .voteReply(term: 2, isGranted: true)))
        == [
          "to 2 append after 1/1 [] commit 0 round 0", "to 3 append after 1/1 [] commit 0 round 0", "persist 2 entries 2/2", "standing",
        ].map { $0.replacing("[]", with: "[2]") }
    )
    // A quorum without its own disk: committed, and applied once it is durable here too.
    #expect(script.on(.receive(from: MemberID(2), script.has(2, term: 2))) == [])
    #expect(
      script.on(.persisted(2)) == ["to 2 append after 2/2 [] commit 2 round 0", "apply 1 2", "standing"]
    )
    #expect(script.core.isEstablished)
  }
  @Test func aVoteIsGivenOnceInATermAndAfterItIsDurable() {
    var script = Script()
    _ = script.on(.start, at: 0)
    let vote = RaftMessage.vote(term: 2, lastIndex: 1, lastTerm: 1, isHandedOver: false)
    #expect(script.on(.receive(from: MemberID(2), vote)) == ["persist 1 term 2 vote 2", "standing"])
    #expect(script.on(.persisted(1)) == ["to 2 vote granted 2"])
    #expect(script.on(.receive(from: MemberID(3), vote)) == ["to 3 vote refused 2"])
    #expect(script.on(.receive(from: MemberID(2), vote)) == ["to 2 vote granted 2"])
    let behind = RaftMessage.vote(term: 3, lastIndex: 0, lastTerm: 0, isHandedOver: false)
    #expect(script.on(.receive(from: MemberID(3), behind)) == ["persist 2 term 3 vote -", "standing"])
    #expect(script.on(.persisted(2)) == ["to 3 vote refused 3"])
  }
  @Test func whoHearsALeaderHoldsToIt() {
    var script = Script()
    _ = script.on(.start, at: 0)
    #expect(script.on(.receive(from: MemberID(2), script.append(1, after: 1, 1, [])), at: 100) == ["to 2 has 1 hint 0/0", "standing"])
    #expect(
      script.on(.receive(from: MemberID(3), .preVote(term: 9, lastIndex: 5, lastTerm: 5)), at: 399) == ["to 3 preVote refused 1"]
    )
    #expect(script.on(.receive(from: MemberID(3), .vote(term: 9, lastIndex: 5, lastTerm: 5, isHandedOver: false)), at: 399) == [])
    #expect(
      script.on(.receive(from: MemberID(3), .preVote(term: 9, lastIndex: 5, lastTerm: 5)), at: 400) == ["to 3 preVote granted 9"]
    )
    // The leader itself may ask for an election.
    #expect(script.on(.receive(from: MemberID(2), script.append(1, after: 1, 1, [])), at: 401) == ["to 2 has 1 hint 0/0"])
    #expect(
      script.on(.receive(from: MemberID(3), .vote(term: 2, lastIndex: 1, lastTerm: 1, isHandedOver: true)), at: 402)
        == ["persist 1 term 2 vote 3", "standing"]
    )
  }
  @Test func aConflictingTailIsReplacedAndOnlyThenAcknowledged() {
    var script = Script()
    _ = script.on(.start, at: 0)
    #expect(
      script.on(.receive(from: MemberID(2), script.append(2, after: 1, 1, [2, 2]))) == [
        "persist 1 term 2 vote - entries 2/2 3/2", "standing",
      ]
    )
    #expect(script.on(.persisted(1)) == ["to 2 has 3 hint 0/0"])
    #expect(
      script.on(.receive(from: MemberID(3), script.append(3, after: 1, 1, [3], commit: 2))) == [
        "persist 2 term 3 vote - entries 2/3", "apply 1", "standing",
      ]
    )
    #expect(script.core.log.last == 2 && script.core.durable == 1)
    #expect(script.on(.persisted(2)) == ["to 3 has 2 hint 0/0", "apply 2"])
    #expect(script.on(.receive(from: MemberID(3), script.append(3, after: 7, 3, [3]))) == ["to 3 lacks 7 hint 2/3"])
    // A leader of an earlier term learns the present one.
    #expect(script.on(.receive(from: MemberID(2), script.append(2, after: 2, 2, []))) == ["to 2 lacks 0 hint 0/0"])
  }
  @Test func entriesOfEarlierTermsAreCommittedOnlyWithOneOfTheLeadersOwn() {
    // Raft figure 8: entry 2 of term 2 is on a quorum, but the leader is of term 4.
    var script = Script(hard: HardState(term: 3))
    _ = script.on(.start, at: 0)
    _ = script.on(.receive(from: MemberID(2), script.append(3, after: 1, 1, [2])))
    _ = script.on(.persisted(1))
    _ = script.on(.tick, at: 1000)
    _ = script.on(.receive(from: MemberID(3), .preVoteReply(term: 4, isGranted: true)))
    _ = script.on(.persisted(2))
    _ = script.on(.receive(from: MemberID(3), .voteReply(term: 4, isGranted: true)))
    _ = script.on(.persisted(3))
    _ = script.on(.receive(from: MemberID(3), script.has(2, term: 4)))
    #expect(script.core.commit == 0)
    _ = script.on(.receive(from: MemberID(3), script.has(3, term: 4)))
    #expect(script.core.commit == 3 && script.core.applied == 3)
  }
  @Test func aReadWaitsForAQuorumThatAnsweredAfterIt() {
    var script = Script.leading()
    #expect(
      script.on(.read(ticket: 7)) == ["to 2 append after 2/2 [] commit 2 round 1"]
    )
    #expect(script.on(.read(ticket: 8)) == [])
    #expect(script.on(.receive(from: MemberID(2), script.has(2, term: 2, round: 0))) == [])
    #expect(
      script.on(.receive(from: MemberID(2), script.has(2, term: 2, round: 1)))
        == ["ticket 7 may read at 2", "to 2 append after 2/2 [] commit 2 round 2"]
    )
    #expect(script.on(.receive(from: MemberID(2), script.has(2, term: 2, round: 2))) == ["ticket 8 may read at 2"])
  }
  @Test func aLeaderThatNobodyAnswersGivesUp() {
    var script = Script.leading()
    #expect(script.on(.read(ticket: 7)).count == 1)
    var words: [String] = []
    for time in stride(from: UInt64(390), through: 800, by: 50) { words += script.on(.tick, at: time) }
    #expect(words.contains("ticket 7 refused: notLeader(nil)") && script.core.role == .follower)
    #expect(script.on(.propose(ticket: 9, [[1]])) == ["ticket 9 refused: notLeader(nil)"])
  }
  @Test func membersChangeOneAtATimeAndLearnersDoNotCount() {
    var script = Script.leading()
    let four = Member(id: MemberID(4), name: "c4", address: "h:4", isVoter: true)
    let words = script.on(.change(ticket: 1, .set(four)))
    #expect(words.first == "ticket 1 is entry 3/2" && script.core.log.members.member(MemberID(4))?.isVoter == false)
    #expect(script.on(.change(ticket: 2, .remove(MemberID(3)))) == ["ticket 2 refused: notYet"])
    _ = script.on(.persisted(3))
    // The learner's copy does not commit anything.
    _ = script.on(.receive(from: MemberID(4), script.has(3, term: 2)))
    #expect(script.core.commit == 2)
    _ = script.on(.receive(from: MemberID(3), script.has(3, term: 2)))
    #expect(script.core.commit == 3)
    #expect(script.on(.change(ticket: 3, .promote(MemberID(9)))) == ["ticket 3 refused: invalid(\"9 is not a member\")"])
    #expect(script.on(.change(ticket: 4, .promote(MemberID(4)))).first == "ticket 4 is entry 4/2")
    #expect(script.core.log.members.voters.count == 4)
  }
  @Test func noChangeOfMembersBeforeAnEntryOfTheOwnTermIsCommitted() {
    // Single-server changes are safe only so (Ongaro, raft-dev, July 2015).
    var script = Script()
    _ = script.on(.start, at: 0)
    _ = script.on(.receive(from: MemberID(2), script.append(1, after: 1, 1, [], commit: 1)), at: 0)
    _ = script.on(.tick, at: 340)
    _ = script.on(.receive(from: MemberID(2), .preVoteReply(term: 2, isGranted: true)))
    _ = script.on(.persisted(1))
    _ = script.on(.receive(from: MemberID(2), .voteReply(term: 2, isGranted: true)))
    _ = script.on(.persisted(2))
    // The list of members itself is committed already.
    #expect(script.core.role == .leader && script.core.commit == 1)
    #expect(script.on(.change(ticket: 1, .remove(MemberID(3)))) == ["ticket 1 refused: notYet"])
    _ = script.on(.receive(from: MemberID(2), script.has(2, term: 2)))
    #expect(script.on(.change(ticket: 2, .remove(MemberID(3)))).first == "ticket 2 is entry 3/2")
  }
  @Test func whatIsBehindTheComparedPlaceIsNotCommittedByAHeartbeat() {
    var script = Script()
    _ = script.on(.start, at: 0)
    _ = script.on(.receive(from: MemberID(2), script.append(2, after: 1, 1, [2, 2])))
    _ = script.on(.persisted(1))
    // Another leader has committed three entries, of which only the first was compared with this log.
    _ = script.on(.receive(from: MemberID(3), script.append(3, after: 1, 1, [], commit: 3)))
    #expect(script.core.commit == 1 && script.core.log.last == 3)
  }
  @Test func leadershipIsHandedOver() {
    var script = Script.leading()
    #expect(script.on(.handOver) == ["to 2 take over 2"])
    #expect(script.on(.propose(ticket: 3, [[1]])) == ["ticket 3 refused: notLeader(nil)"])
    var other = Script()
    _ = other.on(.start, at: 0)
    _ = other.on(.receive(from: MemberID(2), other.append(1, after: 1, 1, [])), at: 10)
    #expect(other.on(.receive(from: MemberID(3), .takeOver(term: 1))) == [])
    #expect(other.on(.receive(from: MemberID(2), .takeOver(term: 1))) == ["persist 1 term 2 vote 1", "standing"])
    #expect(other.on(.persisted(1)) == ["to 2 vote 2 1/1 handed over", "to 3 vote 2 1/1 handed over"])
  }
  @Test func aMemberFarBehindGetsASnapshot() {
    var script = Script.leading()
    _ = script.on(.propose(ticket: 1, [[1], [2]]))
    _ = script.on(.persisted(3))
    _ = script.on(.receive(from: MemberID(2), script.has(4, term: 2)))
    #expect(script.on(.compact(state: [7, 7])) == ["persist 4 snapshot 4"])
    _ = script.on(.persisted(4))
    let lacks = RaftMessage.appendReply(RaftAppendReply(term: 2, isAccepted: false, index: 1, hintIndex: 0, hintTerm: 0, round: 0))
    #expect(script.on(.receive(from: MemberID(3), lacks)) == ["to 3 snapshot 4 from 0"])
    // The other end of it.
    var other = Script()
    _ = other.on(.start, at: 0)
    let bytes = SnapshotFormat.encode(script.core.log.snapshot)
    func piece(_ range: Range<Int>) -> RaftMessage {
      .snapshot(
        RaftPiece(
          term: 2,
          index: 4,
          snapshotTerm: 2,
          chain: script.core.log.snapshot.chain,
          hash: Murmur3.hash(bytes),
          size: bytes.count,
          offset: range.lowerBound,
          bytes: Array(bytes[range])
        )
      )
    }
    #expect(other.on(.receive(from: MemberID(2), piece(0..<10))) == ["to 2 snapshot 4 up to 10", "persist 1 term 2 vote -", "standing"])
    #expect(other.on(.receive(from: MemberID(2), piece(20..<bytes.count))) == ["to 2 snapshot 4 up to 10"])
    #expect(other.on(.receive(from: MemberID(2), piece(10..<bytes.count))) == ["persist 2 snapshot 4"])
    #expect(other.on(.persisted(2)) == ["to 2 has 4 hint 0/0", "restore 4"])
    #expect(other.core.log.snapshot.state == [7, 7] && other.core.log.members.voters.count == 3)
  }
}
