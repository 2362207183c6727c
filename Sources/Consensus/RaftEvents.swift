// RaftEvents.swift — what happens to a member of the group and what it wants done: the seam between RaftCore and the flow that runs it.
//
// Time is a monotonic count of nanoseconds; chance is given with every event. The flow carries out the effects in order: it writes what is
// to be persisted (in the order of the numbers) and says so, sends letters when it is told to, applies committed entries.
public import Bytes
public import Model
public import Wire

/// Times of a group, in nanoseconds.
public struct RaftSettings: Sendable {
  /// A leader is heard from at least this often.
  public var heartbeat: UInt64
  /// A member stands for election when it heard of no leader for this long …
  public var electionMin: UInt64
  /// … and up to this much longer, by chance.
  public var electionSpread: UInt64
  /// Entries that may be on the way to a member beyond what it confirmed.
  public var inFlightMax: UInt64 = 4096
  /// Makes settings.
  public init(heartbeat: UInt64, electionMin: UInt64, electionSpread: UInt64) {
    self.heartbeat = heartbeat
    self.electionMin = electionMin
    self.electionSpread = electionSpread
  }
}

/// A change of the group, one member at a time (thesis §4).
public enum MemberChange: Equatable, Sendable {
  /// Takes a learner in, or gives a member another name or address.
  case set(Member)
  /// A learner that has caught up begins to count.
  case promote(MemberID)
  /// It counts no more.
  case remove(MemberID)
}

/// What happens to a member.
public enum RaftEvent: Sendable {
  /// It runs; the first event of all.
  case start
  /// `wakeAt` has come.
  case tick
  /// A letter from another.
  case receive(from: MemberID, RaftMessage)
  /// A write is durable, and so are all with lower numbers.
  case persisted(UInt64)
  /// Commands to be logged; answered by `accepted` or `refused`.
  case propose(ticket: UInt64, [[UInt8]])
  /// A change of the members; answered likewise.
  case change(ticket: UInt64, MemberChange)
  /// Asks for an index that is as new as this moment; answered by `readable` or `refused`.
  case read(ticket: UInt64)
  /// The state machine as of what was applied: entries up to there are not needed any more.
  case compact(state: [UInt8])
  /// It is about to stop: another should lead.
  case handOver
}

/// What is to be made durable, in this order: the hard state, then the log.
public struct RaftWrite: Sendable {
  /// To be confirmed by `persisted`.
  public var number: UInt64
  /// Term and vote, when they changed.
  public var hardState: HardState?
  /// When given, the log is this snapshot and `records` and nothing else: it is written anew.
  public var snapshot: RaftSnapshot?
  /// Entries, the first of which may be at an index that is there already: then it voids what is there from it on.
  public var records: [CommandRecord]
  /// Their chains.
  public var chains: [Hash128]
  /// Makes a write.
  public init(number: UInt64, hardState: HardState?, snapshot: RaftSnapshot?, records: [CommandRecord], chains: [Hash128]) {
    self.number = number
    self.hardState = hardState
    self.snapshot = snapshot
    self.records = records
    self.chains = chains
  }
}

/// What a member wants done.
public enum RaftEffect: Sendable {
  /// Make durable; meanwhile events may come.
  case persist(RaftWrite)
  /// Send; what it says is durable.
  case send(to: MemberID, RaftMessage)
  /// Apply these committed, durable entries.
  case apply([CommandRecord])
  /// Replace the state machine by this one; entries behind it follow by `apply`.
  case restore(RaftSnapshot)
  /// The proposal became the entries from `first` on, of the given term; it takes effect if and when those are applied.
  case accepted(ticket: UInt64, first: UInt64, term: UInt64)
  /// Whoever has applied up to `index` knows everything that was answered before the question.
  case readable(ticket: UInt64, index: UInt64)
  /// Not done, for the reason.
  case refused(ticket: UInt64, RaftRefusal)
  /// Term, leader, members or one's own part in them changed.
  case standing
}

/// Why nothing was done.
public enum RaftRefusal: Equatable, Sendable {
  /// This member does not lead, or not any more; perhaps the other one does.
  case notLeader(MemberID?)
  /// A change of the members is still under way, or the leader has not committed an entry of its term yet: soon.
  case notYet
  /// It makes no sense, for the reason.
  case invalid(String)
}
