// PrimaryCore.swift — what the primary of a shard knows of its copies in one epoch, and when entries are committed.
//
// A value without IO: the worker's flows tell it what happened and do what it says. Rules of protocol.md §2.5: an entry commits when every
// copy of the confirmed in-sync set, and one whose addition is under way, has it on disk (R4); not before the epoch's first entry is
// there (R3); never with fewer copies than the least number. A removal counts only once the coordinators confirmed it (R5), an
// addition from the moment it is asked for (R6).
import Bytes
public import Model

/// A change of the in-sync set that a primary wants.
public struct InSyncProposal: Equatable, Sendable {
  /// Version of the record it was decided upon.
  public var version: UInt64
  /// The wanted set, by id.
  public var inSync: [ReplicaID]
  /// Node and incarnation of a copy that comes in.
  public var added: (node: NodeID, incarnation: Incarnation)?
  /// Equal in all parts.
  public static func == (a: InSyncProposal, b: InSyncProposal) -> Bool {
    a.version == b.version && a.inSync == b.inSync && a.added?.node == b.added?.node && a.added?.incarnation == b.added?.incarnation
  }
}

/// A primary in one epoch.
public struct PrimaryCore: Sendable {
  /// What is known of another copy.
  struct Copy: Sendable {
    var record: ReplicaRecord
    var incarnation = Incarnation(0)
    /// Its log equals ours up to here, on its disk.
    var match = LogPosition(0)
    /// When it was asked what it answered last so: then it had promised no later epoch.
    var heldAt: UInt64?
  }
  /// The epoch.
  public let epoch: Epoch
  /// This copy.
  public let me: ReplicaID
  /// Position of the epoch's first entry.
  public let start: LogPosition
  /// Copies that must be in sync for anything to commit.
  public private(set) var leastInSync: Int
  /// The confirmed in-sync set, this copy included.
  public private(set) var inSync: Set<ReplicaID>
  /// Copies that are not in it, but may lead.
  private var eligible: Set<ReplicaID> = []
  /// A copy whose addition was asked for: it counts already.
  public private(set) var adding: ReplicaID?
  /// Version of the record known.
  public private(set) var version: UInt64
  /// Entries up to here are committed.
  public private(set) var committed: LogPosition
  private var durable: LogPosition
  private var copies: [ReplicaID: Copy] = [:]

  /// Begins an epoch as the record appoints it; `start` is the position of its EpochStart.
  public init(_ record: ShardRecord, me: ReplicaID, start: LogPosition, committed: LogPosition, leastInSync: Int) {
    epoch = record.epoch
    self.me = me
    self.start = start
    self.leastInSync = leastInSync
    self.committed = committed
    inSync = []
    version = 0
    durable = LogPosition(0)
    learn(record, leastInSync: leastInSync)
  }
  /// Copies to send entries to.
  public var others: [ReplicaRecord] { copies.values.map(\.record).sorted { $0.id < $1.id } }
  /// Number of copies that have every committed entry.
  public var copyCount: Int { inSync.count }
  /// Whether the epoch's first entry is committed: from then on it serves.
  public var isEstablished: Bool { committed >= start }
  /// Up to where a copy's log is known to equal this one's.
  public func match(_ replica: ReplicaID) -> LogPosition { copies[replica]?.match ?? LogPosition(0) }

  /// Takes in a newer record of the same epoch; older ones change nothing.
  public mutating func learn(_ record: ShardRecord, leastInSync: Int) {
    guard record.epoch == epoch, record.version > version else { return }
    version = record.version
    self.leastInSync = leastInSync
    inSync = Set(record.inSync.map(\.id))
    eligible = Set(record.eligible.map(\.id))
    adding = nil
    var kept: [ReplicaID: Copy] = [:]
    for replica in record.replicas where replica.id != me { kept[replica.id] = copies[replica.id] ?? Copy(record: replica) }
    copies = kept
    advance()
  }
  /// This copy's log is on disk up to a position.
  public mutating func noteDurable(_ position: LogPosition) {
    durable = max(durable, position)
    advance()
  }
  /// A copy answered that its log equals this one's up to a position, on its disk; it was asked at `askedAt`, nanoseconds of this node's
  /// clock. A later life of its node counts from what it says then.
  public mutating func noteMatch(_ replica: ReplicaID, _ incarnation: Incarnation, _ position: LogPosition, askedAt: UInt64) {
    guard var copy = copies[replica] else { return }
    if incarnation >= copy.incarnation { copy.heldAt = max(copy.heldAt ?? 0, askedAt) }
    if incarnation > copy.incarnation, !isPlanted(.oldIncarnationCounts) {
      (copy.incarnation, copy.match) = (incarnation, position)
    } else if incarnation == copy.incarnation || isPlanted(.oldIncarnationCounts) {
      copy.incarnation = max(copy.incarnation, incarnation)
      copy.match = max(copy.match, position)
    }
    copies[replica] = copy
    advance()
  }
  private mutating func advance() {
    guard inSync.contains(me), inSync.count >= leastInSync else { return }
    var point = durable
    for replica in inSync.union(adding.map { [$0] } ?? []) where replica != me { point = min(point, match(replica)) }
    if isPlanted(.commitsAlone) { point = durable }
    if isPlanted(.commitsByMajority) { point = inSync.map { $0 == me ? durable : match($0) }.sorted(by: >)[inSync.count / 2] }
    if point >= start || isPlanted(.epochStartNotCounted), point > committed { committed = point }
  }

  /// Until when nothing can have been acknowledged that is not in this log, nanoseconds of this node's clock: another primary would need a
  /// copy that may lead, and until then each of those had promised no later epoch. `asked` is a copy that is being asked now, so that it
  /// judges for itself. Nil while that is not known.
  public func unrivalled(now: UInt64, asking asked: ReplicaID? = nil) -> UInt64? {
    guard isEstablished else { return nil }
    var until = now
    for replica in inSync.union(eligible).union(adding.map { [$0] } ?? []) where replica != me && replica != asked {
      guard let held = copies[replica]?.heldAt else { return nil }
      until = min(until, held)
    }
    return until
  }

  /// The proposal that takes a copy out of the in-sync set, nil when it is not in it. Nothing changes here before it is confirmed.
  public func removal(of replica: ReplicaID) -> InSyncProposal? {
    guard replica != me, inSync.contains(replica), adding == nil else { return nil }
    return InSyncProposal(version: version, inSync: inSync.subtracting([replica]).sorted(), added: nil)
  }
  /// The proposal that takes a copy into the in-sync set, once it has every committed entry; it counts from now on. Before this epoch is
  /// established nobody knows exactly what is committed, but nothing of it lies above the epoch's first entry.
  public mutating func addition(of replica: ReplicaID) -> InSyncProposal? {
    guard let copy = copies[replica], !inSync.contains(replica), adding == nil || adding == replica,
      copy.match >= max(committed, start) || isPlanted(.learnerAdmittedEarly), copy.incarnation.rawValue > 0
    else { return nil }
    adding = replica
    return InSyncProposal(
      version: version,
      inSync: inSync.union([replica]).sorted(),
      added: (copy.record.node, copy.incarnation)
    )
  }
  /// The proposal that voids an addition of which nobody knows whether it was made: the set as it was, in a newer version. If the addition
  /// was made after all the version is refused, and the record that says so leads to a removal.
  public var withdrawal: InSyncProposal? {
    adding == nil ? nil : InSyncProposal(version: version, inSync: inSync.sorted(), added: nil)
  }
  /// The coordinators refused an addition: it was not made.
  public mutating func forgetAddition() {
    adding = nil
    advance()
  }
}
