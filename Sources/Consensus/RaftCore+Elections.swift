// RaftCore+Elections.swift — pre-votes, votes, and the beginning of a term (Raft §5.2, §5.4.1; thesis §4.2.3, §9.6).
//
// Only voters of the candidate's own list are asked and counted. Who is asked answers whatever its own list says: it may be older than the
// candidate's (thesis §4.1).
import Model
import Wire

extension RaftCore {
  /// Asks whether an election would be won.
  mutating func preCampaign() {
    role = .preCandidate
    leader = nil
    votes = [id]
    for member in log.members.voters where member.id != id {
      send(member.id, .preVote(term: hard.term + 1, lastIndex: log.last, lastTerm: log.lastTerm))
    }
  }
  /// Stands for election. The requests go out, and the vote for itself counts, once that vote is durable.
  mutating func campaign(isHandedOver: Bool) {
    if role == .leader { return }
    role = .candidate
    leader = nil
    hard = HardState(term: hard.term + 1, vote: id)
    votes = []
    resetElection()
    for member in log.members.voters where member.id != id {
      say(member.id, .vote(term: hard.term, lastIndex: log.last, lastTerm: log.lastTerm, isHandedOver: isHandedOver))
    }
  }
  /// Whether a log that ends so holds all that may be committed here (Raft §5.4.1).
  private func isUpToDate(_ lastIndex: UInt64, _ lastTerm: UInt64) -> Bool { (lastTerm, lastIndex) >= (log.lastTerm, log.last) }

  mutating func hearPreVote(_ from: MemberID, _ term: UInt64, _ lastIndex: UInt64, _ lastTerm: UInt64) {
    let isFree = term > hard.term || (term == hard.term && (hard.vote == nil || hard.vote == from))
    guard isFree, !holdsToLeader, isUpToDate(lastIndex, lastTerm) else {
      return say(from, .preVoteReply(term: hard.term, isGranted: false))
    }
    say(from, .preVoteReply(term: term, isGranted: true))
  }
  mutating func hearPreVoteReply(_ from: MemberID, _ term: UInt64, _ isGranted: Bool) {
    if !isGranted {
      if term > hard.term { follow(term, nil) }
      return
    }
    guard role == .preCandidate, term == hard.term + 1 else { return }
    votes.insert(from)
    if log.members.isQuorum(votes) { campaign(isHandedOver: false) }
  }
  mutating func hearVote(_ from: MemberID, _ term: UInt64, _ lastIndex: UInt64, _ lastTerm: UInt64, _ isHandedOver: Bool) {
    if term > hard.term {
      if holdsToLeader && !isHandedOver { return }
      follow(term, nil)
    }
    guard term == hard.term, role == .follower || role == .preCandidate, hard.vote == nil || hard.vote == from,
      isUpToDate(lastIndex, lastTerm)
    else {
      return say(from, .voteReply(term: hard.term, isGranted: false))
    }
    hard.vote = from
    role = .follower
    resetElection()
    say(from, .voteReply(term: term, isGranted: true))
  }
  mutating func hearVoteReply(_ from: MemberID, _ term: UInt64, _ isGranted: Bool) {
    if term > hard.term { return follow(term, nil) }
    if isGranted, role == .candidate, term == hard.term { count(vote: from) }
  }
  mutating func count(vote from: MemberID) {
    votes.insert(from)
    if log.members.isQuorum(votes) { lead() }
  }
  /// Begins to lead: with an entry of its own term, so that what earlier terms left can be committed (Raft §5.4.2, §8).
  private mutating func lead() {
    role = .leader
    leader = id
    (readings, waitingReads, handOverUntil, round) = ([], [], 0, 0)
    peers = [:]
    termStart = log.last + 1
    meetMembers()
    append(CommandRecord(index: termStart, term: hard.term, kind: .nothing, body: []))
    heartbeatAt = now
    beat()
  }
}
