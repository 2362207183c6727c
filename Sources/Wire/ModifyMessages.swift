// ModifyMessages.swift — rows of a shard that a statement changes by what is there: upserts, UPDATE, DELETE, INSERT … SELECT on the shard
// (DESIGN §6).
//
// The primary evaluates the program against the head of its log, checks keys, and stages what comes of it. How the statement ends:
// StatementMessages.swift.

public import Bytes
public import Model

/// 57: a change of one table's rows on one shard, as a program that its primary evaluates. Answered by `modified`.
///
/// Bytes: StatementPart · bool alone · bool waits · byte string
/// program (Planning's ModifyFormat); body: the rows that the program works on (BatchFormat), or nothing.
public struct ModifyRows: PartMessage {
  /// Whose, where, and which of its parts.
  public var part: StatementPart
  /// The statement has no other part: it is decided and committed in the same step.
  public var isAlone: Bool
  /// Whether it may wait for rows that another statement holds; else it is refused with 40001 at once.
  public var waits: Bool
  /// What to do.
  public var program: [UInt8]
  /// The rows that it works on; empty for none.
  public var rows: [UInt8]
  /// Makes the message.
  public init(
    part: StatementPart,
    isAlone: Bool,
    waits: Bool,
    program: [UInt8],
    rows: [UInt8]
  ) {
    self.part = part
    self.isAlone = isAlone
    self.waits = waits
    self.program = program
    self.rows = rows
  }
  static let programBytesMax = 8 << 20
  /// The rows.
  public var body: [UInt8] { rows }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    part.encode(into: &out)
    out.bool(isAlone)
    out.bool(waits)
    out.prefixedBytes(program)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ModifyRows {
    ModifyRows(
      part: try StatementPart.decode(&reader),
      isAlone: try reader.bool(),
      waits: try reader.bool(),
      program: try reader.prefixedBytes(max: programBytesMax),
      rows: body
    )
  }
}

/// 58: a change is durable.
///
/// Bytes: rows · place (ReadFormat); body: the rows that it made or took away, in the table's columns (BatchFormat), when the program
/// asks for them.
public struct Modified: MessageContent {
  /// Rows inserted, updated or deleted.
  public var rows: UInt64
  /// Where the shard's log stood then.
  public var point: LogPoint
  /// The rows as they are now (of DELETE: as they were); empty when nobody asked for them or there are none.
  public var returned: [UInt8]
  /// Makes the message.
  public init(rows: UInt64, point: LogPoint, returned: [UInt8]) {
    self.rows = rows
    self.point = point
    self.returned = returned
  }
  /// The rows.
  public var body: [UInt8] { returned }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.varint(rows)
    out.point(point)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> Modified {
    Modified(rows: try reader.varint(), point: try reader.point(), returned: body)
  }
}
