// WriterMessages.swift — between coordinators: no row of a table with a number given before now is to come any more (LOCK TABLE).
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
