// ReplicationMessages.swift — what copies of a shard say to each other, and a primary to the coordinators (protocol.md §2.3).
public import Bytes
public import Model

/// Primary to copy: entries behind a place of the log, and how far the log is committed. Without entries it asks how far the copy is.
///
/// Bytes: shard · epoch · replica · u64 previous position · u64 its epoch · its chain · commit · bool needsCheckpoint
/// · bool, [FreshnessEcho] · body = entries (Storage.EntryStream).
public struct Append: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// The primary's epoch.
  public var epoch: Epoch
  /// The copy this is meant for.
  public var replica: ReplicaID
  /// The entry before the first one sent; 0 = none.
  public var previous: LogPosition
  /// Its epoch.
  public var previousEpoch: Epoch
  /// Its chain hash.
  public var previousChain: Hash128
  /// Entries up to here are committed.
  public var commit: LogPosition
  /// The primary has no entries any more that follow the copy's: the copy begins again from a checkpoint.
  public var needsCheckpoint: Bool
  /// From when on `commit` may be too low; nil while the primary does not know.
  public var freshness: FreshnessEcho?
  /// Entries, as Storage encodes them.
  public var entries: [UInt8]
  /// Makes the message.
  public init(
    shard: ShardID,
    epoch: Epoch,
    replica: ReplicaID,
    previous: LogPosition,
    previousEpoch: Epoch,
    previousChain: Hash128,
    commit: LogPosition,
    needsCheckpoint: Bool = false,
    freshness: FreshnessEcho? = nil,
    entries: [UInt8]
  ) {
    self.needsCheckpoint = needsCheckpoint
    self.freshness = freshness
    self.shard = shard
    self.epoch = epoch
    self.replica = replica
    self.previous = previous
    self.previousEpoch = previousEpoch
    self.previousChain = previousChain
    self.commit = commit
    self.entries = entries
  }
  /// The entries.
  public var body: [UInt8] { entries }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(replica)
    out.id(previous)
    out.id(previousEpoch)
    out.hash(previousChain)
    out.id(commit)
    out.u8(needsCheckpoint ? 1 : 0)
    out.bool(freshness != nil)
    guard let freshness else { return }
    out.id(freshness.incarnation)
    out.varint(freshness.stamp)
    out.varint(freshness.lag)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> Append {
    Append(
      shard: try reader.id(),
      epoch: try reader.id(),
      replica: try reader.id(),
      previous: try reader.id(),
      previousEpoch: try reader.id(),
      previousChain: try reader.hash(),
      commit: try reader.id(),
      needsCheckpoint: try reader.bool(),
      freshness: try reader.bool()
        ? FreshnessEcho(incarnation: try reader.id(), stamp: try reader.varint(), lag: try reader.varint()) : nil,
      entries: body
    )
  }
}

/// When an append's commit position was all there was, on the copy's own clock: so delays on the way cannot make data seem newer than
/// they are, and no two clocks are compared.
///
/// Bytes: incarnation · stamp · lag.
public struct FreshnessEcho: Sendable, Equatable {
  /// The life of the copy's node that made the stamp.
  public var incarnation: Incarnation
  /// The stamp of the copy's last answer that the primary had when it wrote the append; nanoseconds.
  public var stamp: UInt64
  /// For so long another copy may have led without the primary's knowledge; nanoseconds.
  public var lag: UInt64
  /// Makes an echo.
  public init(incarnation: Incarnation, stamp: UInt64, lag: UInt64) {
    self.incarnation = incarnation
    self.stamp = stamp
    self.lag = lag
  }
}

/// Copy to primary.
///
/// Bytes: u8 outcome · epoch promised · replica · incarnation · applied · durable · stamp.
public struct Appended: MessageContent {
  /// What became of an `Append`.
  public enum Outcome: UInt8, Sendable {
    /// Everything up to `durable` equals the primary's log and is on disk.
    case matches = 1
    /// The previous entry is not there: begin again behind `applied`.
    case mismatch = 2
    /// A later epoch was promised: the sender is not the primary any more.
    case rejected = 3
    /// The copy is not there, is damaged, or begins again from a checkpoint: it takes no entries.
    case empty = 4
  }
  /// Outcome.
  public var outcome: Outcome
  /// The highest epoch heard of.
  public var promised: Epoch
  /// The copy.
  public var replica: ReplicaID
  /// Its node's incarnation.
  public var incarnation: Incarnation
  /// Entries up to here are applied, so they equal every other copy's.
  public var applied: LogPosition
  /// When it matches, the copy's log is on disk and equal up to here; when it does not, its log ends here.
  public var durable: LogPosition
  /// The copy's clock when it answered, nanoseconds: it comes back as `FreshnessEcho`.
  public var stamp: UInt64
  /// Makes the message.
  public init(
    outcome: Outcome,
    promised: Epoch,
    replica: ReplicaID,
    incarnation: Incarnation,
    applied: LogPosition,
    durable: LogPosition,
    stamp: UInt64
  ) {
    self.stamp = stamp
    self.outcome = outcome
    self.promised = promised
    self.replica = replica
    self.incarnation = incarnation
    self.applied = applied
    self.durable = durable
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.u8(outcome.rawValue)
    out.id(promised)
    out.id(replica)
    out.id(incarnation)
    out.id(applied)
    out.id(durable)
    out.varint(stamp)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> Appended {
    guard let outcome = Outcome(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "outcome of an append")
    }
    return Appended(
      outcome: outcome,
      promised: try reader.id(),
      replica: try reader.id(),
      incarnation: try reader.id(),
      applied: try reader.id(),
      durable: try reader.id(),
      stamp: try reader.varint()
    )
  }
}

/// Primary to coordinator: another in-sync set, decided upon a version of the record.
///
/// Bytes: shard · epoch · version · incarnation · list of replicas · list of (node, incarnation) of those added.
public struct AlterInSync: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// The primary's epoch.
  public var epoch: Epoch
  /// Version of the record this was decided upon.
  public var version: UInt64
  /// The primary's incarnation.
  public var incarnation: Incarnation
  /// The wanted set.
  public var inSync: [ReplicaID]
  /// Incarnations of the nodes whose copies were not in it.
  public var added: [NodeIncarnation]
  /// Makes the message.
  public init(
    shard: ShardID,
    epoch: Epoch,
    version: UInt64,
    incarnation: Incarnation,
    inSync: [ReplicaID],
    added: [NodeIncarnation]
  ) {
    self.shard = shard
    self.epoch = epoch
    self.version = version
    self.incarnation = incarnation
    self.inSync = inSync
    self.added = added
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.varint(version)
    out.id(incarnation)
    out.count(inSync.count)
    for replica in inSync { out.id(replica) }
    out.count(added.count)
    for member in added {
      out.id(member.node)
      out.id(member.incarnation)
    }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> AlterInSync {
    AlterInSync(
      shard: try reader.id(),
      epoch: try reader.id(),
      version: try reader.varint(),
      incarnation: try reader.id(),
      inSync: try reader.list(max: replicaListMax, "copies in sync") { r throws(DecodingFailure) in try r.id() },
      added: try reader.list(max: replicaListMax, "added copies") { r throws(DecodingFailure) in
        NodeIncarnation(node: try r.id(), incarnation: try r.id())
      }
    )
  }
}

/// A node in one of its lives.
public struct NodeIncarnation: Sendable, Equatable {
  /// The node.
  public var node: NodeID
  /// Which life.
  public var incarnation: Incarnation
  /// Names a life.
  public init(node: NodeID, incarnation: Incarnation) {
    self.node = node
    self.incarnation = incarnation
  }
}

/// Learner to primary: the shard's checkpoint, to begin from.
///
/// Bytes: shard · epoch · replica.
public struct FetchReplica: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// The epoch the learner knows.
  public var epoch: Epoch
  /// The learner.
  public var replica: ReplicaID
  /// Makes the message.
  public init(shard: ShardID, epoch: Epoch, replica: ReplicaID) {
    self.shard = shard
    self.epoch = epoch
    self.replica = replica
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(replica)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> FetchReplica {
    FetchReplica(shard: try reader.id(), epoch: try reader.id(), replica: try reader.id())
  }
}

/// Primary to learner: a checkpoint's manifest; its files are fetched one by one.
///
/// Bytes: position · body = manifest (Storage.ManifestFormat).
public struct ReplicaManifest: MessageContent {
  /// Position of the checkpoint.
  public var position: LogPosition
  /// The manifest.
  public var manifest: [UInt8]
  /// Makes the message.
  public init(position: LogPosition, manifest: [UInt8]) {
    self.position = position
    self.manifest = manifest
  }
  /// The manifest.
  public var body: [UInt8] { manifest }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.id(position) }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ReplicaManifest {
    ReplicaManifest(position: try reader.id(), manifest: body)
  }
}

/// Learner or copy to primary: a piece of a segment file.
///
/// Bytes: shard · varint file · hash · varint offset.
public struct FetchFile: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// Number of the file.
  public var file: UInt64
  /// Its content hash.
  public var hash: Hash128
  /// Where the piece begins.
  public var offset: UInt64
  /// Makes the message.
  public init(shard: ShardID, file: UInt64, hash: Hash128, offset: UInt64) {
    self.shard = shard
    self.file = file
    self.hash = hash
    self.offset = offset
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.varint(file)
    out.hash(hash)
    out.varint(offset)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> FetchFile {
    FetchFile(shard: try reader.id(), file: try reader.varint(), hash: try reader.hash(), offset: try reader.varint())
  }
}

/// A piece of a file; at most 1 MiB.
///
/// Bytes: varint bytes of the whole file · body = the piece.
public struct FilePiece: MessageContent {
  /// Bytes of the whole file.
  public var size: UInt64
  /// The piece.
  public var bytes: [UInt8]
  /// Makes the message.
  public init(size: UInt64, bytes: [UInt8]) {
    self.size = size
    self.bytes = bytes
  }
  /// The piece.
  public var body: [UInt8] { bytes }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.varint(size) }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> FilePiece {
    FilePiece(size: try reader.varint(), bytes: body)
  }
}

/// Copies that one message may name.
let replicaListMax = 64
