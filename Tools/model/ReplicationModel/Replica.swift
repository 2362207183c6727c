// Replica.swift — what one replica holds, in two words: its log, and the facts beside it.
//
//   bits of `facts`: 0 alive, 1 gone (its disk was wiped: never back under this identity), 2 acts as primary, 3 knows the newest record,
//   4…7 promised epoch, 8…11 commit position, 12…15 confirmed in-sync set, 16…19 addition in flight, 20…23 proposed in-sync set,
//   24…27 in-sync set in its proposal under way to the coordinators, 28…31 commit position it has heard (for the mutant K),
//   32…47 what it acknowledged as durable in epochs 1…4, four bits each
//
// The facts of a primary (commit position, sets) are zero in a replica that is none. An acknowledgement may be used late and in any
// order, so it is a fact of its own. A proposal under way outlives a crash of its sender.

/// A set of replicas, one bit each.
public struct ReplicaSet: Equatable, Sendable {
  /// Replica r is in the set when bit r is set.
  public var bits: UInt8
  /// Makes a set of its bits.
  public init(bits: UInt8) { self.bits = bits }
  /// The set of one replica.
  init(_ replica: Int) { bits = 1 &<< UInt8(replica) }
  /// The empty set.
  static var none: ReplicaSet { ReplicaSet(bits: 0) }

  /// Number of members.
  public var count: Int { bits.nonzeroBitCount }
  /// True when nobody is in it.
  public var isEmpty: Bool { bits == 0 }
  /// True when a replica is in it.
  public func contains(_ replica: Int) -> Bool { bits &>> UInt8(replica) & 1 != 0 }
  func union(_ other: ReplicaSet) -> ReplicaSet { ReplicaSet(bits: bits | other.bits) }
  func intersection(_ other: ReplicaSet) -> ReplicaSet { ReplicaSet(bits: bits & other.bits) }
  func subtracting(_ other: ReplicaSet) -> ReplicaSet { ReplicaSet(bits: bits & ~other.bits) }
}

/// One replica of the shard.
public struct Replica: Equatable, Sendable {
  /// Durable entries.
  public internal(set) var log = EntryLog()
  /// Everything else, as the head of the file draws it.
  public internal(set) var facts: UInt64 = 0

  /// An empty replica that is down.
  public init() {}

  /// Runs and can be reached.
  public internal(set) var isAlive: Bool {
    get { flag(0) }
    set { setFlag(0, newValue) }
  }
  /// Its disk was wiped; this identity never comes back.
  public internal(set) var isGone: Bool {
    get { flag(1) }
    set { setFlag(1, newValue) }
  }
  /// Acts as primary of its promised epoch.
  public internal(set) var isPrimary: Bool {
    get { flag(2) }
    set { setFlag(2, newValue) }
  }
  /// As primary: has learned the coordinators' newest record.
  public internal(set) var knowsRecord: Bool {
    get { flag(3) }
    set { setFlag(3, newValue) }
  }
  /// Highest epoch it answered (R1).
  public internal(set) var promised: Int {
    get { Int(nibble(4)) }
    set { setNibble(4, UInt64(newValue)) }
  }
  /// As primary: its commit position.
  public internal(set) var commit: Int {
    get { Int(nibble(8)) }
    set { setNibble(8, UInt64(newValue)) }
  }
  /// As primary: the in-sync set the coordinators confirmed to it.
  public internal(set) var inSync: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(12))) }
    set { setNibble(12, UInt64(newValue.bits)) }
  }
  /// As primary: the member whose addition is in flight; it counts already (R4).
  public internal(set) var addition: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(16))) }
    set { setNibble(16, UInt64(newValue.bits)) }
  }
  /// As primary: the in-sync set it proposed and has no answer to yet.
  public internal(set) var proposed: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(20))) }
    set { setNibble(20, UInt64(newValue.bits)) }
  }
  /// Its proposal under way to the coordinators.
  public internal(set) var underWay: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(24))) }
    set { setNibble(24, UInt64(newValue.bits)) }
  }
  /// The commit position it heard from a primary; kept only when rule K is dropped.
  var heardCommit: Int {
    get { Int(nibble(28)) }
    set { setNibble(28, UInt64(newValue)) }
  }
  /// Highest position it acknowledged as durable in an epoch.
  public func acknowledged(in epoch: Int) -> Int { Int(nibble(acknowledgementShift(epoch))) }
  mutating func acknowledge(_ position: Int, in epoch: Int) {
    if acknowledged(in: epoch) < position { setNibble(acknowledgementShift(epoch), UInt64(position)) }
  }
  /// Position of the EpochStart of the epoch it is primary of.
  var startOfEpoch: Int { log.positionOfStart(of: promised) }
  /// True once its EpochStart is committed (R3).
  public var isEstablished: Bool { commit >= startOfEpoch }

  /// Ceases to be primary, as a crash or a higher epoch makes it.
  mutating func leaveOffice() { facts &= ~0x00FF_FF04 }
  /// The sets it holds, which renaming replicas changes: bits 12 to 27.
  static var sets: UInt64 { 0x0FFF_F000 }
  /// The acknowledgements: bits 32 to 47.
  static var acknowledgements: UInt64 { 0xFFFF_0000_0000 }

  private func acknowledgementShift(_ epoch: Int) -> UInt64 { 32 &+ UInt64(epoch &- 1) &* 4 }
  private func flag(_ bit: UInt64) -> Bool { facts &>> bit & 1 != 0 }
  private mutating func setFlag(_ bit: UInt64, _ value: Bool) { facts = facts & ~(1 &<< bit) | (value ? 1 : 0) &<< bit }
  private func nibble(_ bit: UInt64) -> UInt64 { facts &>> bit & 15 }
  private mutating func setNibble(_ bit: UInt64, _ value: UInt64) { facts = facts & ~(15 &<< bit) | value &<< bit }
}
