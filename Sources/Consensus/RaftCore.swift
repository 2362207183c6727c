// RaftCore.swift — one member of the coordinators' Raft group, a value: state, the step, and the rule that nothing is said before it is
// durable.
//
// After Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm" (Raft §…), and Ongaro's thesis (thesis §…).
// `handle` takes an event, the time and some chance, and gives effects; there is no clock, randomness, disk or network here.
// Elections, leading, following, changes of members and reads: RaftCore+….
//
// Invariants: applied ≤ commit and applied ≤ durable ≤ log.last · an entry at or below commit is never cut · a letter that says something
// about this member's vote or log goes out only after every write that was asked for before it · a vote of its own, and its own copy of an
// entry, count only once they are durable · an entry is committed by counting copies only if it is of the leader's own term (Raft §5.4.2).
import Bytes
public import Model
import Wire

/// A member of the group.
public struct RaftCore: Sendable {
  /// What a member does in its term.
  public enum Role: Sendable {
    case follower
    /// Asks whether it would be voted for (thesis §9.6), so that a member that was cut off does not unseat a leader.
    case preCandidate
    case candidate
    case leader
  }
  /// What a leader knows of another member.
  struct Peer: Sendable {
    var next: UInt64
    var match: UInt64 = 0
    /// Until an append was accepted one at a time is on its way.
    var isProbing = true
    var isWaiting = false
    /// Bytes of the snapshot that it has, while it gets one.
    var snapshotOffset: Int?
    var heardAt: UInt64
    var round: UInt64 = 0
  }
  /// A write that was asked for.
  struct Pending: Sendable {
    var number: UInt64
    /// Last entry that is durable with it.
    var last: UInt64
    /// From here on it voids what earlier writes made durable.
    var cut: UInt64?
    /// The term in which this member's own vote becomes durable with it.
    var ownVote: UInt64?
  }
  /// A snapshot on its way to this member.
  struct Arriving: Sendable {
    var index: UInt64
    var term: UInt64
    var bytes: [UInt8] = []
  }
  /// A question for the newest index.
  struct Reading: Sendable {
    var ticket: UInt64
    var index: UInt64
    var round: UInt64
  }

  /// This member.
  public let id: MemberID
  let settings: RaftSettings
  /// Term and vote.
  public internal(set) var hard: HardState
  /// The entries.
  public internal(set) var log: RaftLog
  /// Up to here entries are committed, as far as is known.
  public internal(set) var commit: UInt64
  /// Up to here they were given to be applied.
  public internal(set) var applied: UInt64
  /// Up to here they are on this member's disk.
  public internal(set) var durable: UInt64
  /// Its part.
  public internal(set) var role = Role.follower
  /// The leader of the term, if known.
  public internal(set) var leader: MemberID?
  var heardLeaderAt: UInt64?
  var electionAt: UInt64 = .max
  var votes: Set<MemberID> = []
  var arriving: Arriving?
  // A leader's.
  var peers: [MemberID: Peer] = [:]
  var heartbeatAt: UInt64 = .max
  /// Index of the first entry of its term.
  var termStart: UInt64 = 0
  var round: UInt64 = 0
  var readings: [Reading] = []
  var waitingReads: [UInt64] = []
  /// Until then it takes no commands, so that another can take over.
  var handOverUntil: UInt64 = 0
  // Writes.
  private var lastWrite: UInt64 = 0
  private var doneWrite: UInt64 = 0
  private var pending: [Pending] = []
  private var deferred: [(write: UInt64, to: MemberID, message: RaftMessage)] = []
  // Of the step under way.
  var now: UInt64 = 0
  var chance: UInt64 = 0
  var effects: [RaftEffect] = []
  private var sayings: [(to: MemberID, message: RaftMessage)] = []
  private var savedHard: HardState
  /// First entry to be written in this step.
  private var unwritten: UInt64?
  private var cut: UInt64?
  private var isRewritten = false

  /// A member with what its disk holds: the state machine must stand at the log's snapshot.
  public init(id: MemberID, settings: RaftSettings, hard: HardState, log: RaftLog) {
    invariant(hard.term >= log.lastTerm, "term \(hard.term) is behind the log's \(log.lastTerm)")
    self.id = id
    self.settings = settings
    self.hard = hard
    self.log = log
    savedHard = hard
    (commit, applied, durable) = (log.snapshot.index, log.snapshot.index, log.last)
  }
  /// When `tick` is due.
  public var wakeAt: UInt64 { role == .leader ? heartbeatAt : electionAt }
  /// Whether it leads and everything committed before its term is applied here: from then on its state machine is the newest.
  public var isEstablished: Bool { role == .leader && applied >= termStart }
  /// Up to where another member's log is known to equal this leader's.
  public func match(_ member: MemberID) -> UInt64? { member == id ? durable : peers[member]?.match }

  /// Whether a leader heard from another member within the longest election time.
  public func hears(_ member: MemberID, now: UInt64) -> Bool {
    member == id || now < (peers[member]?.heardAt ?? 0) + settings.electionMin + settings.electionSpread
  }

  /// Takes an event in.
  public mutating func handle(_ event: RaftEvent, now: UInt64, chance: UInt64) -> [RaftEffect] {
    (self.now, self.chance) = (now, chance)
    (effects, sayings, unwritten, cut, isRewritten) = ([], [], nil, nil, false)
    let (before, members) = ((hard.term, leader, role, isEstablished), log.members)
    switch event {
    case .start:
      resetElection()
      if isSoleVoter { campaign(isHandedOver: false) }
    case .tick: tick()
    case .receive(let from, let message): receive(from, message)
    case .persisted(let number): persisted(number)
    case .propose(let ticket, let bodies): propose(ticket, bodies)
    case .change(let ticket, let change): self.change(ticket, change)
    case .read(let ticket): read(ticket)
    case .compact(let state): compact(state)
    case .handOver: handOver()
    }
    write()
    advanceApplied()
    if before != (hard.term, leader, role, isEstablished) || members != log.members { effects.append(.standing) }
    return effects
  }

  private mutating func receive(_ from: MemberID, _ message: RaftMessage) {
    switch message {
    case .preVote(let term, let lastIndex, let lastTerm): hearPreVote(from, term, lastIndex, lastTerm)
    case .preVoteReply(let term, let isGranted): hearPreVoteReply(from, term, isGranted)
    case .vote(let term, let lastIndex, let lastTerm, let isHandedOver): hearVote(from, term, lastIndex, lastTerm, isHandedOver)
    case .voteReply(let term, let isGranted): hearVoteReply(from, term, isGranted)
    case .append(let append): if followsLeader(from, append.term, round: append.round) { hear(from, append) }
    case .snapshot(let piece): if followsLeader(from, piece.term, round: 0) { hear(from, piece) }
    case .appendReply(let reply): if leads(reply.term) { hearReply(from, reply) }
    case .snapshotReply(let term, let index, let offset): if leads(term) { hearSnapshotReply(from, index, offset) }
    case .takeOver(let term): if term == hard.term, from == leader, mayStand { campaign(isHandedOver: true) }
    }
  }
  private mutating func tick() {
    if role == .leader {
      if now >= heartbeatAt { beat() }
    } else if now >= electionAt {
      resetElection()
      if mayStand { if isSoleVoter { campaign(isHandedOver: false) } else { preCampaign() } }
    }
  }
  /// Learners never stand. A member whose own list leaves it out stands as long as it does not know that list to be committed: it may be
  /// the only one that holds it (thesis §4.2.2). Its own vote does not count.
  private var mayStand: Bool {
    if log.members.isVoter(id) { return true }
    return log.lastChange > commit && log.members(asOf: log.lastChange - 1).isVoter(id)
  }
  var isSoleVoter: Bool { log.members.isVoter(id) && log.members.voters.count == 1 }
  mutating func resetElection() {
    electionAt = now + settings.electionMin + chance % max(1, settings.electionSpread)
  }

  // MARK: Terms

  /// Enters a later term, or gives up its part in this one (Raft §5.1).
  mutating func follow(_ term: UInt64, _ leader: MemberID?) {
    invariant(term >= hard.term, "term \(term) after \(hard.term)")
    if term > hard.term { hard = HardState(term: term) }
    if role == .leader {
      for reading in readings { effects.append(.refused(ticket: reading.ticket, .notLeader(leader))) }
      for ticket in waitingReads { effects.append(.refused(ticket: ticket, .notLeader(leader))) }
      (readings, waitingReads, peers, handOverUntil) = ([], [], [:], 0)
      heartbeatAt = .max
    }
    if role != .follower { resetElection() }
    role = .follower
    self.leader = leader
    votes = []
  }
  /// Whether a leader's letter is of this term or later; then its sender leads.
  private mutating func followsLeader(_ from: MemberID, _ term: UInt64, round: UInt64) -> Bool {
    if term < hard.term {
      // It learns the term, and so does not go on believing that it leads (it may hear no votes, which pre-vote keeps away).
      say(from, .appendReply(RaftAppendReply(term: hard.term, isAccepted: false, index: 0, round: 0)))
      return false
    }
    invariant(!(role == .leader && term == hard.term), "two leaders in term \(term): \(id) and \(from)")
    if term > hard.term || role != .follower || leader != from { follow(term, from) }
    heardLeaderAt = now
    resetElection()
    return true
  }
  /// Whether a follower's answer is to this leader's term.
  private mutating func leads(_ term: UInt64) -> Bool {
    if term > hard.term { follow(term, nil) }
    return role == .leader && term == hard.term
  }
  /// A member that hears its leader, or is it, holds to it (thesis §4.2.3).
  var holdsToLeader: Bool {
    if role == .leader { return true }
    guard let heardLeaderAt, leader != nil else { return false }
    return now < heardLeaderAt + settings.electionMin
  }

  // MARK: Durability

  /// Sends now: it says nothing that this member could forget.
  mutating func send(_ to: MemberID, _ message: RaftMessage) { effects.append(.send(to: to, message)) }
  /// Sends once everything asked to be written up to the end of this step is durable.
  mutating func say(_ to: MemberID, _ message: RaftMessage) { sayings.append((to, message)) }
  /// Notes an entry to be written.
  mutating func append(_ record: CommandRecord) {
    log.append(record)
    unwritten = min(unwritten ?? .max, record.index)
  }
  /// Voids the entries from an index on.
  mutating func cut(from index: UInt64) {
    invariant(index > commit, "entry \(index) is committed (\(commit)) and would be cut: the group's history is broken")
    log.cut(from: index)
    durable = min(durable, index - 1)
    cut = min(cut ?? .max, index)
    if let first = unwritten, first > index { unwritten = index }
  }
  /// Puts a snapshot in place of what it covers; the log is written anew.
  mutating func begin(with snapshot: RaftSnapshot) {
    let chain = log.chain(at: snapshot.index)
    log.begin(with: snapshot)
    if chain != snapshot.chain {
      // Nothing of the old log stays: what was durable of it does not count any more.
      durable = min(durable, applied)
      cut = applied + 1
    }
    isRewritten = true
  }
  private mutating func write() {
    if hard != savedHard || unwritten != nil || isRewritten || cut != nil {
      lastWrite += 1
      let kept = isPlanted(.voteNotPersisted) ? HardState(term: hard.term) : hard
      var write = RaftWrite(number: lastWrite, hardState: hard == savedHard ? nil : kept, snapshot: nil, records: [], chains: [])
      if isRewritten {
        write.snapshot = log.snapshot
        write.records = log.records
      } else if let first = unwritten {
        write.records = log.slice(from: first, bytes: .max, count: .max)
      }
      write.chains = write.records.compactMap { log.chain(at: $0.index) }
      pending.append(
        Pending(number: lastWrite, last: log.last, cut: cut, ownVote: hard.vote == id && hard != savedHard ? hard.term : nil)
      )
      savedHard = hard
      effects.append(.persist(write))
    }
    for (to, message) in sayings {
      if lastWrite > doneWrite { deferred.append((lastWrite, to, message)) } else { send(to, message) }
    }
  }
  private mutating func persisted(_ number: UInt64) {
    invariant(number > doneWrite && number <= lastWrite, "write \(number) is done twice or was never asked for")
    doneWrite = number
    let done = pending.prefix { $0.number <= number }
    pending.removeFirst(done.count)
    if let last = done.last?.last {
      durable = max(durable, pending.reduce(last) { min($0, $1.cut.map { $0 - 1 } ?? .max) })
    }
    for (write, to, message) in deferred where write <= number { send(to, message) }
    deferred.removeAll { $0.write <= number }
    if role == .candidate, done.contains(where: { $0.ownVote == hard.term }) { count(vote: id) }
    if role == .leader { advanceCommit() }
  }

  // MARK: Applying

  private mutating func advanceApplied() {
    let upTo = min(commit, durable)
    if applied < log.snapshot.index {
      guard upTo >= log.snapshot.index else { return }
      applied = log.snapshot.index
      effects.append(.restore(log.snapshot))
    }
    guard upTo > applied else { return }
    effects.append(.apply(log.slice(from: applied + 1, bytes: .max, count: Int(upTo - applied))))
    applied = upTo
  }
  /// Replaces everything applied by the state machine (Raft §7).
  private mutating func compact(_ state: [UInt8]) {
    let index = isPlanted(.snapshotIndexOffByOne) ? applied - 1 : applied
    guard index > log.snapshot.index, let term = log.term(at: index), let chain = log.chain(at: index) else { return }
    begin(with: RaftSnapshot(index: index, term: term, chain: chain, members: log.members(asOf: index), state: state))
  }
}
