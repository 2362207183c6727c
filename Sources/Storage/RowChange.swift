// RowChange.swift — what a change of rows comes to on one shard: rows that are gone, by name, and rows that come (DESIGN §6).
//
//   RowChange := Deletion (Deletion.swift) · varint count, parts of the statement by rising ordinal: varint ordinal, RowSet · varint rows
//   affected ·
//   varint count, batches: varint rows, varint length, BatchFormat
//
// UPDATE, upserts and DELETE of keyed tables are evaluated by the primary, once; this is what the log has of them. Rows that the
// statement itself staged before have no place in files or memory yet: they are named by the ordinal of their part and their number in
// it, so that they never appear. A change that is empty only holds its table's lock (ShardStore+Locks).
import Bytes
public import Columns
public import Model

/// Rows of one table that are gone, and rows that are there instead.
public struct RowChange: Equatable, Sendable {
  /// Rows that come, as a batch.
  public struct Rows: Equatable, Sendable {
    /// Rows of the batch.
    public var count: Int
    /// BatchFormat.
    public var encoded: [UInt8]
    /// Makes a batch of rows.
    public init(count: Int, encoded: [UInt8]) { (self.count, self.encoded) = (count, encoded) }
    /// Encodes rows, cut into batches that may be staged.
    public static func batches(of rows: Batch) -> [Rows] {
      stride(from: 0, to: rows.count, by: Limits.batchRowsMax).map { start in
        let end = min(start + Limits.batchRowsMax, rows.count)
        return Rows(count: end - start, encoded: BatchFormat.encode(end - start == rows.count ? rows : rows.slice(start..<end)))
      }
    }
  }
  /// Rows of one earlier part of the same statement.
  public struct OwnRows: Equatable, Sendable {
    /// Of the part.
    public var ordinal: Int
    /// Numbers of rows in it.
    public var rows: RowSet
  }
  /// Committed rows that are gone; it says which table.
  public var deletion: Deletion
  /// Rows of the statement's own earlier parts that are gone, by rising ordinal.
  public internal(set) var own: [OwnRows]
  /// Rows that come, in order.
  public var rows: [Rows]
  /// Rows that the statement's answer counts.
  public var affected: Int

  /// Makes a change without named rows (`NamedRows` makes the others).
  public init(table: TableID, through: LogPosition) {
    deletion = Deletion(table: table, through: through)
    own = []
    rows = []
    affected = 0
  }
  /// The table.
  public var table: TableID { deletion.table }
  /// Rows that come.
  public var added: Int { rows.reduce(0) { $0 + $1.count } }
  /// Rows that are gone.
  public var removed: Int { own.reduce(deletion.count) { $0 + $1.rows.count } }
  /// About what it keeps in memory.
  public var bytes: Int {
    rows.reduce(deletion.bytes) { $0 + $1.encoded.count } + own.reduce(0) { $0 + $1.rows.ranges.count * 16 }
  }

  func encode(into out: inout ByteWriter) {
    deletion.encode(into: &out)
    out.count(own.count)
    for part in own {
      out.count(part.ordinal)
      part.rows.encode(into: &out)
    }
    out.count(affected)
    out.count(rows.count)
    for batch in rows {
      out.count(batch.count)
      out.prefixedBytes(batch.encoded)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> RowChange {
    let deletion = try Deletion.decode(&reader)
    var change = RowChange(table: deletion.table, through: deletion.through)
    change.deletion = deletion
    for _ in 0..<(try reader.count(max: LogEntryFormat.stagesMax, "parts with deleted rows")) {
      let ordinal = try reader.count(max: LogEntryFormat.stagesMax, "ordinal of a stage")
      guard change.own.last.map({ $0.ordinal < ordinal }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "parts with deleted rows out of order")
      }
      change.own.append(OwnRows(ordinal: ordinal, rows: try RowSet.decode(&reader)))
    }
    change.affected = try reader.count(max: RowSet.rowsMax, "rows of a change")
    for _ in 0..<(try reader.count(max: LogEntryFormat.stagesMax, "batches of a change")) {
      change.rows.append(
        Rows(
          count: try reader.count(max: Limits.batchRowsMax, "rows of a batch"),
          encoded: try reader.prefixedBytes(max: Limits.batchBytesMax)
        )
      )
    }
    return change
  }
}

extension RowChange.OwnRows {
  init(_ ordinal: Int, _ rows: RowSet) { (self.ordinal, self.rows) = (ordinal, rows) }
}
