// WriterMessages.swift — waiting for writers: between coordinators until no row of a table with a number given before now is to come any
// more (LOCK TABLE), at a primary until nothing changes a fenced table any more (its rows are going to be moved).
public import Bytes
public import Model

/// 46: forget the numbers at hand of these tables' sequences, then wait for the statements and transactions that may have some. Answered by
/// `done`, once those have ended.
///
/// Bytes: list of table ids, rising.
public struct AwaitWriters: MessageContent {
  /// The tables.
  public var tables: [TableID]
  /// Makes the message.
  public init(tables: [TableID]) { self.tables = tables.sorted() }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(tables.count)
    for table in tables { out.id(table) }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> AwaitWriters {
    AwaitWriters(tables: try reader.list(max: 10_000, "tables") { reader throws(DecodingFailure) in try reader.id() })
  }
}

/// 66: wait until no open statement changes a fenced table on this shard and what its log has is committed. Answered by `done`; by
/// `staleCatalog` while the table is not fenced there.
///
/// Bytes: shard · epoch · table.
public struct AwaitRest: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// Epoch of its primary.
  public var epoch: Epoch
  /// The table.
  public var table: TableID
  /// Makes the message.
  public init(shard: ShardID, epoch: Epoch, table: TableID) { (self.shard, self.epoch, self.table) = (shard, epoch, table) }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(table)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> AwaitRest {
    AwaitRest(shard: try reader.id(), epoch: try reader.id(), table: try reader.id())
  }
}
