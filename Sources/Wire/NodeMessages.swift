// NodeMessages.swift — what workers and coordinators tell each other about nodes, shards and the catalog.

public import Bytes
public import Model

/// Most shards that one message names.
let shardListMax = 64 * Limits.shardsMax
/// Longest `host:port`.
let addressBytesMax = 300

/// Where a shard's log stands on a worker.
///
/// Bytes: shard · replica · epoch · last position.
public struct ShardPosition: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// Which of its copies; 0 = an older version made it.
  public var replica: ReplicaID
  /// Of its last EpochStart.
  public var epoch: Epoch
  /// Of its last entry.
  public var last: LogPosition
  /// Makes a position.
  public init(shard: ShardID, replica: ReplicaID = ReplicaID(0), epoch: Epoch, last: LogPosition) {
    self.shard = shard
    self.replica = replica
    self.epoch = epoch
    self.last = last
  }
  func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(replica)
    out.id(epoch)
    out.id(last)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> ShardPosition {
    ShardPosition(shard: try reader.id(), replica: try reader.id(), epoch: try reader.id(), last: try reader.id())
  }
  static func decodeList(_ reader: inout ByteReader) throws(DecodingFailure) -> [ShardPosition] {
    try reader.list(max: shardListMax, "shards") { reader throws(DecodingFailure) in try decode(&reader) }
  }
}

/// 1: a worker that starts asks to be let in.
///
/// Bytes: string name · string address · u64, u64 cluster · node · previous incarnation · list of ShardPosition · list of ReplicaLoss.
public struct Register: MessageContent {
  /// `worker-1`.
  public var nodeName: String
  /// `host:port` of its RPC listener.
  public var address: String
  /// Of its data directory; `.none` for an empty one.
  public var cluster: ClusterID
  /// Of its data directory; 0 for an empty one.
  public var node: NodeID
  /// The last it was given; 0 for an empty directory.
  public var previous: Incarnation
  /// The shards it holds.
  public var shards: [ShardPosition]
  /// What operators gave up there, ever.
  public var losses: [ReplicaLoss]
  /// Makes the message.
  public init(
    nodeName: String,
    address: String,
    cluster: ClusterID,
    node: NodeID,
    previous: Incarnation,
    shards: [ShardPosition],
    losses: [ReplicaLoss] = []
  ) {
    self.losses = losses
    self.nodeName = nodeName
    self.address = address
    self.cluster = cluster
    self.node = node
    self.previous = previous
    self.shards = shards
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.string(nodeName)
    out.string(address)
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.id(node)
    out.id(previous)
    out.count(shards.count)
    for shard in shards { shard.encode(into: &out) }
    out.count(losses.count)
    for loss in losses { loss.encode(into: &out) }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Register {
    Register(
      nodeName: try reader.name(),
      address: try reader.string(max: addressBytesMax),
      cluster: ClusterID(high: try reader.u64(), low: try reader.u64()),
      node: try reader.id(),
      previous: try reader.id(),
      shards: try ShardPosition.decodeList(&reader),
      losses: try reader.list(max: ReplicaLoss.listMax, "losses") { reader throws(DecodingFailure) in try ReplicaLoss.decode(&reader) }
    )
  }
}

/// 2: the worker is let in.
///
/// Bytes: u64, u64 cluster · node · incarnation · catalog version; body: CatalogFormat.
public struct Registered: MessageContent {
  /// The cluster it now belongs to.
  public var cluster: ClusterID
  /// Its number.
  public var node: NodeID
  /// To be written to disk before it serves.
  public var incarnation: Incarnation
  /// Version of the catalog that follows.
  public var version: CatalogVersion
  /// The catalog.
  public var catalog: [UInt8]
  /// Makes the message.
  public init(
    cluster: ClusterID,
    node: NodeID,
    incarnation: Incarnation,
    version: CatalogVersion,
    catalog: [UInt8]
  ) {
    self.cluster = cluster
    self.node = node
    self.incarnation = incarnation
    self.version = version
    self.catalog = catalog
  }
  /// The catalog.
  public var body: [UInt8] { catalog }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.id(node)
    out.id(incarnation)
    out.id(version)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Registered {
    Registered(
      cluster: ClusterID(high: try reader.u64(), low: try reader.u64()),
      node: try reader.id(),
      incarnation: try reader.id(),
      version: try reader.id(),
      catalog: body
    )
  }
}

/// What a node has and uses.
///
/// Bytes: disk used · disk free · journal bytes · memory used · memory limit · room on the disk.
public struct NodeLoad: Sendable, Equatable {
  /// Bytes in the data directory.
  public var diskUsed: UInt64
  /// Bytes that may still be written.
  public var diskFree: UInt64
  /// Bytes of the journal.
  public var journalBytes: UInt64
  /// Bytes of budgeted memory in use.
  public var memoryUsed: UInt64
  /// The memory budget.
  public var memoryLimit: UInt64
  /// Room on the disk: 0 enough, 1 no rows are taken, 2 no merges either, 3 nothing can be written.
  public var space: UInt8
  /// Makes a load.
  public init(
    diskUsed: UInt64 = 0,
    diskFree: UInt64 = 0,
    journalBytes: UInt64 = 0,
    memoryUsed: UInt64 = 0,
    memoryLimit: UInt64 = 0,
    space: UInt8 = 0
  ) {
    self.diskUsed = diskUsed
    self.diskFree = diskFree
    self.journalBytes = journalBytes
    self.memoryUsed = memoryUsed
    self.memoryLimit = memoryLimit
    self.space = space
  }
  func encode(into out: inout ByteWriter) {
    for field in [diskUsed, diskFree, journalBytes, memoryUsed, memoryLimit] { out.varint(field) }
    out.u8(space)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> NodeLoad {
    NodeLoad(
      diskUsed: try reader.varint(),
      diskFree: try reader.varint(),
      journalBytes: try reader.varint(),
      memoryUsed: try reader.varint(),
      memoryLimit: try reader.varint(),
      space: try reader.u8()
    )
  }
}

/// 3: a worker lives.
///
/// Bytes: node · incarnation · catalog version · u8 (1 leaving, 2 awaits comparison, 4 young) · NodeLoad · list of ShardReport.
public struct Heartbeat: MessageContent {
  /// The worker.
  public var node: NodeID
  /// Its incarnation; an older one is refused with `wrongCluster`, and the worker ends.
  public var incarnation: Incarnation
  /// The catalog it has.
  public var version: CatalogVersion
  /// It is about to end: others shall lead its shards.
  public var isLeaving: Bool
  /// It came back to shards that it led, and waits for their logs to be compared.
  public var awaitsComparison: Bool
  /// It has just started: logs that it had may be shorter than what it acknowledged.
  public var isYoung: Bool
  /// What it has and uses.
  public var load: NodeLoad
  /// Its shards.
  public var shards: [ShardReport]
  /// Makes the message.
  public init(
    node: NodeID,
    incarnation: Incarnation,
    version: CatalogVersion,
    isLeaving: Bool = false,
    awaitsComparison: Bool = false,
    isYoung: Bool = false,
    load: NodeLoad,
    shards: [ShardReport]
  ) {
    self.isLeaving = isLeaving
    self.awaitsComparison = awaitsComparison
    self.isYoung = isYoung
    self.node = node
    self.incarnation = incarnation
    self.version = version
    self.load = load
    self.shards = shards
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(node)
    out.id(incarnation)
    out.id(version)
    out.u8((isLeaving ? 1 : 0) | (awaitsComparison ? 2 : 0) | (isYoung ? 4 : 0))
    load.encode(into: &out)
    ShardReport.encode(shards, into: &out)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Heartbeat {
    let (node, incarnation, version) = (NodeID(try reader.varint()), Incarnation(try reader.varint()), CatalogVersion(try reader.varint()))
    let flags = try reader.u8()
    guard flags <= 7 else { throw DecodingFailure(.unknown, at: reader.position - 1, "heartbeat flags \(flags)") }
    return Heartbeat(
      node: node,
      incarnation: incarnation,
      version: version,
      isLeaving: flags & 1 != 0,
      awaitsComparison: flags & 2 != 0,
      isYoung: flags & 4 != 0,
      load: try NodeLoad.decode(&reader),
      shards: try ShardReport.decode(&reader)
    )
  }
}

/// 4: the catalog's version.
///
/// Bytes: version · string leader.
public struct HeartbeatReply: MessageContent {
  /// The newest; a worker with an older one fetches it.
  public var version: CatalogVersion
  /// Where the coordinator listens that answered by itself: asked first the next time, so that none has to pass the heartbeat on.
  public var leader: String
  /// Makes the message.
  public init(version: CatalogVersion, leader: String) { (self.version, self.leader) = (version, leader) }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(version)
    out.string(leader)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> HeartbeatReply {
    HeartbeatReply(version: try reader.id(), leader: try reader.string(max: addressBytesMax))
  }
}

/// 5: asks for the catalog.
///
/// Bytes: version known · milliseconds to wait.
public struct FetchCatalog: MessageContent {
  /// Longest wait that is asked for; more is refused.
  public static let waitMax: UInt64 = 10_000
  /// The version the asker has; 0 for none.
  public var known: CatalogVersion
  /// The answer may come so many milliseconds later, when only then there is a newer catalog; 0: at once.
  public var waitMilliseconds: UInt64
  /// Makes the message.
  public init(known: CatalogVersion, waitMilliseconds: UInt64 = 0) {
    self.known = known
    self.waitMilliseconds = waitMilliseconds
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(known)
    out.varint(waitMilliseconds)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> FetchCatalog {
    let request = FetchCatalog(known: try reader.id(), waitMilliseconds: try reader.varint())
    guard request.waitMilliseconds <= waitMax else {
      throw DecodingFailure(.malformed, at: reader.position, "a wait of \(request.waitMilliseconds) ms for a catalog")
    }
    return request
  }
}

/// 6: the catalog.
///
/// Bytes: version; body: CatalogFormat, or nothing when the asker has this version.
public struct CatalogReply: MessageContent {
  /// The newest version.
  public var version: CatalogVersion
  /// The catalog; empty when unchanged.
  public var catalog: [UInt8]
  /// Makes the message.
  public init(version: CatalogVersion, catalog: [UInt8]) {
    self.version = version
    self.catalog = catalog
  }
  /// The catalog.
  public var body: [UInt8] { catalog }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.id(version) }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> CatalogReply {
    CatalogReply(version: try reader.id(), catalog: body)
  }
}

/// 15: it is done.
///
/// Bytes: catalog version.
public struct Done: MessageContent {
  /// The catalog version that the answering node has applied.
  public var version: CatalogVersion
  /// Makes the message.
  public init(version: CatalogVersion) { self.version = version }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.id(version) }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Done {
    Done(version: try reader.id())
  }
}

/// 20: a new catalog, from a coordinator to a worker.
///
/// Bytes: version; body: CatalogFormat. Older ones are ignored.
public struct CatalogChanged: MessageContent {
  /// Its version.
  public var version: CatalogVersion
  /// The answer waits until every shard led by the worker serves under it.
  public var waits: Bool
  /// The catalog.
  public var catalog: [UInt8]
  /// Makes the message.
  public init(version: CatalogVersion, waits: Bool, catalog: [UInt8]) {
    self.version = version
    self.waits = waits
    self.catalog = catalog
  }
  /// The catalog.
  public var body: [UInt8] { catalog }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(version)
    out.u8(waits ? 1 : 0)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> CatalogChanged {
    CatalogChanged(version: try reader.id(), waits: try reader.bool(), catalog: body)
  }
}

/// 22: asks a worker how its shards are.
///
/// Bytes: list of shards; none means all it holds.
public struct DescribeShards: MessageContent {
  /// The shards; empty for all.
  public var shards: [ShardID]
  /// Makes the message.
  public init(shards: [ShardID] = []) { self.shards = shards }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(shards.count)
    for shard in shards { out.id(shard) }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> DescribeShards {
    DescribeShards(
      shards: try reader.list(max: shardListMax, "shards") { reader throws(DecodingFailure) in
        try reader.id()
      }
    )
  }
}

/// 23: how a worker and its shards are.
///
/// Bytes: NodeLoad · list of ShardReport.
public struct ShardReports: MessageContent {
  /// What the node has and uses.
  public var load: NodeLoad
  /// The shards asked for that it holds.
  public var shards: [ShardReport]
  /// Makes the message.
  public init(load: NodeLoad, shards: [ShardReport]) {
    self.load = load
    self.shards = shards
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    load.encode(into: &out)
    ShardReport.encode(shards, into: &out)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ShardReports {
    ShardReports(load: try NodeLoad.decode(&reader), shards: try ShardReport.decode(&reader))
  }
}
