// ModifyMessages.swift — rows of a shard that a statement changes by what is there: upserts, UPDATE, DELETE, INSERT … SELECT on the shard
// (DESIGN §6).
//
// The primary evaluates the program against the head of its log, checks keys, and stages what comes of it. How the statement ends:
// StatementMessages.swift.

public import Bytes
public import Model

/// 57: a change of one table's rows on one shard, as a program that its primary evaluates. Answered by `modified`.
///
/// Bytes: shard · epoch · catalog version · statement · done below · deciding shard · ordinal · bool alone · bool waits · byte string
/// program (Planning's ModifyFormat); body: the rows that the program works on (BatchFormat), or nothing.
public struct ModifyRows: MessageContent {
  /// The shard.
  public var shard: ShardID
  /// The primary's epoch as the sender knows it.
  public var epoch: Epoch
  /// The catalog by which the program was planned.
  public var version: CatalogVersion
  /// The statement.
  public var statement: StatementID
  /// All statements of its session with lower numbers have ended.
  public var doneBelow: UInt64
  /// The shard that decides.
  public var decider: ShardID
  /// Place among the statement's parts of this shard.
  public var ordinal: Int
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
    shard: ShardID,
    epoch: Epoch,
    version: CatalogVersion,
    statement: StatementID,
    doneBelow: UInt64,
    decider: ShardID,
    ordinal: Int,
    isAlone: Bool,
    waits: Bool,
    program: [UInt8],
    rows: [UInt8]
  ) {
    self.shard = shard
    self.epoch = epoch
    self.version = version
    self.statement = statement
    self.doneBelow = doneBelow
    self.decider = decider
    self.ordinal = ordinal
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
    out.id(shard)
    out.id(epoch)
    out.id(version)
    out.statement(statement)
    out.varint(doneBelow)
    out.id(decider)
    out.count(ordinal)
    out.bool(isAlone)
    out.bool(waits)
    out.prefixedBytes(program)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ModifyRows {
    ModifyRows(
      shard: try reader.id(),
      epoch: try reader.id(),
      version: try reader.id(),
      statement: try reader.statement(),
      doneBelow: try reader.varint(),
      decider: try reader.id(),
      ordinal: try reader.count(max: Limits.stageOrdinalMax, "ordinal of a stage"),
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
/// asks for
/// them.
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
