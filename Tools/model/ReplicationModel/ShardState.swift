// ShardState.swift — one state of the model: the coordinators' record of the shard, what was used up of the bounds, and the replicas.
//
// Replicas 0, 1 and 2 are the copies there may be; replica 3 is the fresh identity under which the first wiped disk comes back. The
// coordinators' own Raft is taken as atomic: the record is one value.
//
//   bits of `record`: 0…3 epoch, 4…7 primary, 8…11 in-sync set, 12…15 eligible set, 16…19 wipes, 20…23 crashes,
//   24…27 next client value, 28…31 proposals made, 32…39 values somebody was told of (one bit a value)

/// A state of the shard and of everything under way.
public struct ShardState: Equatable, Sendable {
  /// Number of replica identities.
  public static let identities = 4
  /// The identity a wiped disk comes back with.
  public static let freshIdentity = 3
  /// Highest epoch a state holds.
  public static let highestEpoch = 4

  /// The replicas by identity.
  public internal(set) var replicas: InlineArray<4, Replica>
  /// The coordinators' record and the counters, as the head of the file draws them.
  public internal(set) var record: UInt64 = 0

  /// The first state: epoch 1 established on `copies` replicas, replica 0 its primary.
  public init(copies: Int) {
    replicas = InlineArray(repeating: Replica())
    epoch = 1
    inSync = ReplicaSet(bits: UInt8(1 << copies - 1))
    nextValue = 1
    for replica in 0..<copies {
      replicas[replica].isAlive = true
      replicas[replica].promised = 1
      replicas[replica].log.append(epoch: 1, value: 0)
      replicas[replica].acknowledge(1, in: 1)
      replicas[replica].heardCommit = 1
    }
    replicas[0].isPrimary = true
    replicas[0].commit = 1
    replicas[0].inSync = inSync
    replicas[0].knowsRecord = true
  }

  /// The record's epoch.
  public internal(set) var epoch: Int {
    get { Int(nibble(0)) }
    set { setNibble(0, UInt64(newValue)) }
  }
  /// The replica the record names as primary.
  public internal(set) var primary: Int {
    get { Int(nibble(4)) }
    set { setNibble(4, UInt64(newValue)) }
  }
  /// The record's in-sync set.
  public internal(set) var inSync: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(8))) }
    set { setNibble(8, UInt64(newValue.bits)) }
  }
  /// The record's eligible set: members that left while nothing could commit without them (R12).
  public internal(set) var eligible: ReplicaSet {
    get { ReplicaSet(bits: UInt8(nibble(12))) }
    set { setNibble(12, UInt64(newValue.bits)) }
  }
  /// Disks wiped so far.
  public internal(set) var wipes: Int {
    get { Int(nibble(16)) }
    set { setNibble(16, UInt64(newValue)) }
  }
  /// Crashes so far.
  var crashes: Int {
    get { Int(nibble(20)) }
    set { setNibble(20, UInt64(newValue)) }
  }
  /// The client's next value.
  var nextValue: Int {
    get { Int(nibble(24)) }
    set { setNibble(24, UInt64(newValue)) }
  }
  /// Proposals made so far.
  var proposals: Int {
    get { Int(nibble(28)) }
    set { setNibble(28, UInt64(newValue)) }
  }
  /// Values a client was told of, by an acknowledgement or a read; none may ever disappear.
  public internal(set) var told: UInt8 {
    get { UInt8(truncatingIfNeeded: record &>> 32) }
    set { record = record & ~0xFF_0000_0000 | UInt64(newValue) &<< 32 }
  }

  /// After any change of the record nobody knows it, and proposals made against the old one are void (R9).
  mutating func recordChanged() {
    for replica in 0..<Self.identities {
      replicas[replica].knowsRecord = false
      replicas[replica].underWay = .none
    }
  }

  private func nibble(_ bit: UInt64) -> UInt64 { record &>> bit & 15 }
  private mutating func setNibble(_ bit: UInt64, _ value: UInt64) { record = record & ~(15 &<< bit) | value &<< bit }

  /// Equal in every word.
  @inline(__always) public static func == (a: ShardState, b: ShardState) -> Bool {
    a.record == b.record && a.replicas[0] == b.replicas[0] && a.replicas[1] == b.replicas[1]
      && a.replicas[2] == b.replicas[2] && a.replicas[3] == b.replicas[3]
  }
}
