// IngestMessages.swift — producers, batches on their way to a shard, and catching rollups up.

public import Bytes
public import Model

/// 11: asks a coordinator for a producer's session.
///
/// Bytes: string table (≤ 63) · string name (≤ 4096) · chunk bytes · u64, u64 fingerprint · bool again.
public struct OpenProducer: MessageContent {
  /// Longest name of a producer.
  public static let nameBytesMax = 4096
  /// The table it will write.
  public var table: String
  /// Of the source; the same name gives the same session for seven days.
  public var name: String
  /// Bytes of a chunk of the source; a resumed session answers the first load's.
  public var chunkBytes: UInt64
  /// Of everything else that decides how the source is cut and read (format, columns, null text).
  public var fingerprint: Hash128
  /// Load anew although the name is known.
  public var again: Bool
  /// Makes the message.
  public init(table: String, name: String, chunkBytes: UInt64, fingerprint: Hash128, again: Bool) {
    self.table = table
    self.name = name
    self.chunkBytes = chunkBytes
    self.fingerprint = fingerprint
    self.again = again
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.string(table)
    out.string(name)
    out.varint(chunkBytes)
    out.hash(fingerprint)
    out.bool(again)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> OpenProducer {
    OpenProducer(
      table: try reader.name(),
      name: try reader.string(max: nameBytesMax),
      chunkBytes: try reader.varint(),
      fingerprint: try reader.hash(),
      again: try reader.bool()
    )
  }
}

/// 12: a producer's session.
///
/// Bytes: session · i64 issued at · chunk bytes · bool new · string first load (≤ 1000).
public struct ProducerSession: MessageContent {
  /// The session.
  public var session: SessionID
  /// Wall time of its issue, microseconds since 1970.
  public var issuedAt: Int64
  /// Bytes of a chunk, as its first load had it.
  public var chunkBytes: UInt64
  /// False when an earlier load of that name goes on.
  public var isNew: Bool
  /// For people: when and by whom it was first loaded; empty when new.
  public var firstLoad: String
  /// Makes the message.
  public init(
    session: SessionID,
    issuedAt: Int64,
    chunkBytes: UInt64,
    isNew: Bool,
    firstLoad: String
  ) {
    self.session = session
    self.issuedAt = issuedAt
    self.chunkBytes = chunkBytes
    self.isNew = isNew
    self.firstLoad = firstLoad
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(session)
    out.i64(issuedAt)
    out.varint(chunkBytes)
    out.bool(isNew)
    out.string(firstLoad)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ProducerSession {
    ProducerSession(
      session: try reader.id(),
      issuedAt: try reader.i64(),
      chunkBytes: try reader.varint(),
      isNew: try reader.bool(),
      firstLoad: try reader.string(max: 1000)
    )
  }
}

/// 16: a batch for one shard, to its primary.
///
/// Bytes: shard · epoch · catalog version · table · BatchKey · u64, u64 content hash; body: BatchFormat.
/// BatchKey := u8 0 none | 1 session · sequence · done below | 2 id: u64 high · u64 low.
public struct Ingest: MessageContent {
  /// The shard all its rows belong to.
  public var shard: ShardID
  /// The primary's epoch as the sender knows it; another is answered `notPrimary`.
  public var epoch: Epoch
  /// The catalog by which the batch was made.
  public var version: CatalogVersion
  /// The table.
  public var table: TableID
  /// Without a key the batch is stored at least once; with one, exactly once.
  public var key: BatchKey?
  /// Of the client's whole batch as sent, before splitting.
  public var contentHash: Hash128
  /// The rows, in the table's columns.
  public var batch: [UInt8]
  /// Makes the message.
  public init(
    shard: ShardID,
    epoch: Epoch,
    version: CatalogVersion,
    table: TableID,
    key: BatchKey?,
    contentHash: Hash128,
    batch: [UInt8]
  ) {
    self.shard = shard
    self.epoch = epoch
    self.version = version
    self.table = table
    self.key = key
    self.contentHash = contentHash
    self.batch = batch
  }
  /// The rows.
  public var body: [UInt8] { batch }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(version)
    out.id(table)
    out.key(key)
    out.hash(contentHash)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Ingest {
    Ingest(
      shard: try reader.id(),
      epoch: try reader.id(),
      version: try reader.id(),
      table: try reader.id(),
      key: try reader.key(),
      contentHash: try reader.hash(),
      batch: body
    )
  }
}

/// 17: a batch is durable and committed.
///
/// Bytes: epoch · position · u8 copies · bool duplicate · rows.
public struct Ingested: MessageContent {
  /// A place from which on the shard's log holds it: its entry's, or for a duplicate one behind it.
  public var point: LogPoint
  /// How many disks have it.
  public var copies: UInt8
  /// True when it was there already; nothing was changed then.
  public var isDuplicate: Bool
  /// Its rows.
  public var rows: UInt64
  /// Makes the message.
  public init(point: LogPoint, copies: UInt8, isDuplicate: Bool, rows: UInt64) {
    self.point = point
    self.copies = copies
    self.isDuplicate = isDuplicate
    self.rows = rows
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.point(point)
    out.u8(copies)
    out.bool(isDuplicate)
    out.varint(rows)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Ingested {
    Ingested(
      point: try reader.point(),
      copies: try reader.u8(),
      isDuplicate: try reader.bool(),
      rows: try reader.varint()
    )
  }
}

/// 14: asks a coordinator to bring a rollup up to every row acknowledged before; answered by `done`.
///
/// Bytes: string name.
public struct RefreshRollup: MessageContent {
  /// The rollup.
  public var name: String
  /// Makes the message.
  public init(name: String) { self.name = name }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.string(name) }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> RefreshRollup {
    RefreshRollup(name: try reader.name())
  }
}

/// 21: the same, from a coordinator to a worker, for some of its shards.
///
/// Bytes: rollup · list of shards.
public struct RefreshShards: MessageContent {
  /// The rollup.
  public var rollup: TableID
  /// The shards.
  public var shards: [ShardID]
  /// Makes the message.
  public init(rollup: TableID, shards: [ShardID]) {
    self.rollup = rollup
    self.shards = shards
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(rollup)
    out.count(shards.count)
    for shard in shards { out.id(shard) }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> RefreshShards {
    RefreshShards(
      rollup: try reader.id(),
      shards: try reader.list(max: shardListMax, "shards") { reader throws(DecodingFailure) in
        try reader.id()
      }
    )
  }
}

extension ByteWriter {
  mutating func key(_ key: BatchKey?) {
    switch key {
    case nil: u8(0)
    case .sequence(let key):
      u8(1)
      id(key.session)
      varint(key.sequence)
      varint(key.doneBelow)
    case .id(let id):
      u8(2)
      u64(id.high)
      u64(id.low)
    }
  }
}

extension ByteReader {
  mutating func key() throws(DecodingFailure) -> BatchKey? {
    let form = try u8()
    switch form {
    case 0: return nil
    case 1: return BatchKey(session: try id(), sequence: try varint(), doneBelow: try varint())
    case 2: return .id(try batchID())
    default: throw DecodingFailure(.unknown, at: position - 1, "key of a batch of form \(form)")
    }
  }
  mutating func batchID() throws(DecodingFailure) -> BatchID {
    guard let id = BatchID(high: try u64(), low: try u64()) else {
      throw DecodingFailure(.malformed, at: position - 16, "an id that is no UUIDv7")
    }
    return id
  }
}
