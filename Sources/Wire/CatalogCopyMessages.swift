// CatalogCopyMessages.swift — the coordinators' whole state on its way to workers, which keep it for the day no coordinator is left, and
// back from there (protocol.md §2.15). The state's bytes are opaque here.
public import Bytes
public import Model

/// Asks a worker to keep the coordinators' state. Answered by `done`; refused when it has one of a later generation or index.
///
/// Head: generation · index · term. Body: the state.
public struct StoreCatalogCopy: MessageContent {
  /// What to keep.
  public var record: CatalogCopyRecord
  /// Makes the message.
  public init(_ record: CatalogCopyRecord) { self.record = record }
  /// The state.
  public var body: [UInt8] { record.state }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.varint(record.generation)
    out.varint(record.index)
    out.varint(record.term)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> StoreCatalogCopy {
    StoreCatalogCopy(
      CatalogCopyRecord(generation: try reader.varint(), index: try reader.varint(), term: try reader.varint(), state: body)
    )
  }
}

/// Asks a worker what it keeps of the catalog, and how far its shards are; answered also by one that waits for a coordinator.
///
/// Head: nothing.
public struct FetchCatalogCopy: MessageContent {
  /// Makes the message.
  public init() {}
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {}
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> FetchCatalogCopy {
    FetchCatalogCopy()
  }
}

/// What a worker knows that a catalog can be made of.
///
/// Head: string name · u64, u64 cluster · node · incarnation · generation · index · term · list of ShardPosition · bytes of the catalog.
/// Body: the catalog as the worker uses it (CatalogFormat; none when it waits for a coordinator), then the state (none: none is kept).
public struct CatalogCopy: MessageContent {
  /// `worker-1`.
  public var nodeName: String
  /// Its cluster.
  public var cluster: ClusterID
  /// Its number.
  public var node: NodeID
  /// The last it was given.
  public var incarnation: Incarnation
  /// Of the state.
  public var generation: UInt64
  /// Of the state.
  public var index: UInt64
  /// Of the state.
  public var term: UInt64
  /// Its copies of shards that can be read.
  public var shards: [ShardPosition]
  /// The catalog it uses.
  public var catalog: [UInt8]
  /// The state it keeps.
  public var state: [UInt8]
  /// Makes the message.
  public init(
    nodeName: String,
    cluster: ClusterID,
    node: NodeID,
    incarnation: Incarnation,
    generation: UInt64,
    index: UInt64,
    term: UInt64,
    shards: [ShardPosition],
    catalog: [UInt8],
    state: [UInt8]
  ) {
    self.nodeName = nodeName
    self.cluster = cluster
    self.node = node
    self.incarnation = incarnation
    self.generation = generation
    self.index = index
    self.term = term
    self.shards = shards
    self.catalog = catalog
    self.state = state
  }
  /// Catalog and state.
  public var body: [UInt8] { catalog + state }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.string(nodeName)
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.id(node)
    out.id(incarnation)
    out.varint(generation)
    out.varint(index)
    out.varint(term)
    out.count(shards.count)
    for shard in shards { shard.encode(into: &out) }
    out.count(catalog.count)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> CatalogCopy {
    var copy = CatalogCopy(
      nodeName: try reader.name(),
      cluster: ClusterID(high: try reader.u64(), low: try reader.u64()),
      node: try reader.id(),
      incarnation: try reader.id(),
      generation: try reader.varint(),
      index: try reader.varint(),
      term: try reader.varint(),
      shards: try ShardPosition.decodeList(&reader),
      catalog: [],
      state: []
    )
    let count = try reader.count(max: body.count, "bytes of a catalog")
    copy.catalog = Array(body[..<count])
    copy.state = Array(body[count...])
    return copy
  }
}
