// Rules.swift — the rules of the protocol that can be dropped, the bounds of a search, and the invariants that must hold.

/// A rule of protocol §2.5; a search that drops one must find a violation.
public enum Rule: Character, CaseIterable, Sendable {
  /// R4: a commit waits for the member whose addition is still in flight.
  case additionInFlightCounts = "B"
  /// R5: a removal counts only after the coordinators confirmed it.
  case removalIsConfirmed = "C"
  /// R1: a replica never accepts a lower epoch than it promised.
  case promise = "D"
  /// R3: a new primary commits and reads nothing before its EpochStart is on the whole in-sync set.
  case establishFirst = "E"
  /// R2: only members of the in-sync or eligible set are elected.
  case electEligible = "F"
  /// R8: a wiped disk comes back under a new identity.
  case newIdentityAfterWipe = "G"
  /// R10: a restarted primary needs a new epoch.
  case newEpochAfterRestart = "H"
  /// R4, R12: nothing commits below the minimum, and who left below it stays eligible.
  case strictMinimum = "I"
  /// R13: a strong read compares its epoch with the coordinators'.
  case readFence = "J"
  /// R7: a follower cuts above the last common entry, never to its own commit position.
  case cutAboveCommon = "K"
  /// R11: nothing is acknowledged before it is synced.
  case syncBeforeAcknowledging = "L"
  /// R9: a proposal is compare-and-set on epoch and version of the record.
  case compareAndSet = "N"
  /// R6: only a learner that has everything committed is admitted.
  case admitCaughtUp = "P"
  /// R12: members that leave below the minimum stay eligible.
  case keepEligible = "Q"
}

/// How far a search goes; names as the command line has them.
public struct Bounds: Equatable, Sendable {
  /// RF: copies, at most 3.
  public var copies = 3
  /// MIN: fewest in-sync copies a commit needs.
  public var minimum = 2
  /// E: elections, each possible at any time whoever is really dead; at most 3.
  public var elections = 3
  /// V: values the client writes.
  public var values = 2
  /// W: disks wiped.
  public var wipes = 1
  /// CR: crashes.
  public var crashes = 2
  /// PR: changes of the in-sync set that primaries propose.
  public var proposals = 2

  /// The bounds the reference searches.
  public init() {}
  /// Bounds of one's own.
  public init(copies: Int, minimum: Int, elections: Int, values: Int = 2, wipes: Int = 1, crashes: Int = 2, proposals: Int = 2) {
    self.copies = copies
    self.minimum = minimum
    self.elections = elections
    self.values = values
    self.wipes = wipes
    self.crashes = crashes
    self.proposals = proposals
  }
  /// What is wrong with them; nil when a state can hold them.
  public var complaint: String? {
    if !(1...3).contains(copies) { return "RF must be 1 to 3" }
    if !(1...copies).contains(minimum) { return "MIN must be 1 to RF" }
    if !(0..<ShardState.highestEpoch).contains(elections) { return "E must be 0 to \(ShardState.highestEpoch - 1)" }
    if !(0...6).contains(values) { return "V must be 0 to 6" }
    // The model has one fresh identity to give out.
    if !(0...1).contains(wipes) { return "W must be 0 or 1" }
    if !(0...15).contains(crashes) { return "CR must be 0 to 15" }
    if !(0...15).contains(proposals) { return "PR must be 0 to 15" }
    return nil
  }
}

/// An invariant of protocol §2.5 that a state breaks.
public enum BrokenInvariant: String, Sendable {
  /// I2: an established primary at the coordinators' epoch has every value somebody was told of.
  case readMissesValue = "a strong read misses a value that was acknowledged or read before"
  /// I1: every member of the in-sync and eligible sets has them in its log.
  case memberLacksValue = "a member of the in-sync or eligible set lacks a value that was acknowledged or read before"
  /// I4: with fewer wipes than the minimum somebody can be elected without loss.
  case nobodyEligible = "nobody is left who may be elected without loss"
  /// I3: committed prefixes are equal.
  case prefixesDiffer = "two primaries' committed prefixes differ"
}

/// The protocol with its bounds, whole or with one rule dropped.
public struct Rules: Sendable {
  /// How far it goes.
  public let bounds: Bounds
  /// The rule left out.
  public let dropped: Rule?
  /// True for the reference's addition rule: a primary takes nobody in before its epoch is established. Ours is wider: it does, once the
  /// copy has the epoch's first entry.
  public let asReference: Bool

  /// Rules within bounds that a state can hold.
  public init(_ bounds: Bounds, dropping dropped: Rule? = nil, asReference: Bool = false) {
    precondition(bounds.complaint == nil)
    self.bounds = bounds
    self.dropped = dropped
    self.asReference = asReference
  }

  func drops(_ rule: Rule) -> Bool { dropped == rule }

  /// The invariant a state breaks, if any.
  public func brokenInvariant(in state: ShardState) -> BrokenInvariant? {
    for i in 0..<ShardState.identities where state.replicas[i].isPrimary && state.replicas[i].isAlive {
      guard let read = strongRead(at: i, in: state, fenced: !drops(.readFence)) else { continue }
      if state.told & ~read != 0 { return .readMissesValue }
    }
    let candidates = state.inSync.union(state.eligible)
    for i in 0..<ShardState.identities where candidates.contains(i) {
      let log = state.replicas[i].log
      if state.told & ~log.values(upTo: log.count) != 0 { return .memberLacksValue }
    }
    if state.wipes < bounds.minimum && candidates.isEmpty { return .nobodyEligible }
    for i in 1..<ShardState.identities where state.replicas[i].isPrimary {
      for j in 0..<i where state.replicas[j].isPrimary {
        let committed = min(state.replicas[i].commit, state.replicas[j].commit)
        if state.replicas[i].log.commonPrefix(with: state.replicas[j].log) < committed { return .prefixesDiffer }
      }
    }
    return nil
  }

  /// What a strong read at a primary returns (R13); nil where it is refused.
  func strongRead(at replica: Int, in state: ShardState, fenced: Bool) -> UInt8? {
    let primary = state.replicas[replica]
    if fenced && primary.promised != state.epoch { return nil }
    if drops(.establishFirst) { return primary.log.values(upTo: primary.log.count) }
    return primary.isEstablished ? primary.log.values(upTo: primary.commit) : nil
  }
}
