// StageMessages.swift — parts of a statement over several shards, brought to a shard's primary (DESIGN §7): rows, rows to delete, its key.
//
// How a statement ends: StatementMessages.swift, where what both have in common is said.

public import Bytes
public import Model

/// What every part of a statement over several shards says of itself, at the head of its message.
///
/// Bytes: shard · epoch · catalog version · statement · done below · deciding shard · ordinal.
public struct StatementPart: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// The primary's epoch as the sender knows it.
  public var epoch: Epoch
  /// The catalog by which it was planned.
  public var version: CatalogVersion
  /// The statement.
  public var statement: StatementID
  /// All statements of its session with lower numbers have ended.
  public var doneBelow: UInt64
  /// The shard that decides.
  public var decider: ShardID
  /// Place among the statement's parts of this shard.
  public var ordinal: Int
  /// Makes a part.
  public init(
    shard: ShardID,
    epoch: Epoch,
    version: CatalogVersion,
    statement: StatementID,
    doneBelow: UInt64,
    decider: ShardID,
    ordinal: Int
  ) {
    self.shard = shard
    self.epoch = epoch
    self.version = version
    self.statement = statement
    self.doneBelow = doneBelow
    self.decider = decider
    self.ordinal = ordinal
  }
  func encode(into out: inout ByteWriter) {
    out.id(shard)
    out.id(epoch)
    out.id(version)
    out.statement(statement)
    out.varint(doneBelow)
    out.id(decider)
    out.count(ordinal)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> StatementPart {
    StatementPart(
      shard: try reader.id(),
      epoch: try reader.id(),
      version: try reader.id(),
      statement: try reader.statement(),
      doneBelow: try reader.varint(),
      decider: try reader.id(),
      ordinal: try reader.count(max: Limits.stageOrdinalMax, "ordinal of a stage")
    )
  }
}

/// A message that brings a part of a statement to a shard's primary.
public protocol PartMessage: MessageContent {
  /// Whose, where, and which of its parts.
  var part: StatementPart { get }
}

extension PartMessage {
  /// The shard.
  public var shard: ShardID { part.shard }
  /// The primary's epoch as the sender knows it.
  public var epoch: Epoch { part.epoch }
  /// The catalog by which it was planned.
  public var version: CatalogVersion { part.version }
  /// The statement.
  public var statement: StatementID { part.statement }
  /// All statements of its session with lower numbers have ended.
  public var doneBelow: UInt64 { part.doneBelow }
  /// The shard that decides.
  public var decider: ShardID { part.decider }
  /// Place among the statement's parts of this shard.
  public var ordinal: Int { part.ordinal }
}

/// 48: a part of a statement; invisible until the statement is committed. Answered by `staged`.
///
/// Bytes: StatementPart · u8 content: 0 nothing | 1 table ·
/// BatchKey · u64, u64 content hash | 2 u64 high · u64 low · u64, u64 content hash · rows | 3 ordinal; body: BatchFormat when there are
/// rows.
public struct StageRows: PartMessage {
  /// What is staged.
  public enum Content: Sendable, Equatable {
    /// It only opens the statement there.
    case nothing
    /// Rows.
    case rows(Rows)
    /// The whole statement's key: it counts once under this id; with the hash of what the client sent, and its rows on all shards.
    case key(BatchID, contentHash: Hash128, rows: UInt64)
    /// Takes back the statement's parts of this shard from an ordinal on (ROLLBACK TO SAVEPOINT).
    case undo(from: Int)
  }
  /// Rows to be staged.
  public struct Rows: Sendable, Equatable {
    /// The table.
    public var table: TableID
    /// It takes effect when the statement does.
    public var key: BatchKey?
    /// Of the client's whole batch as sent, before splitting.
    public var contentHash: Hash128
    /// The rows, in the table's columns.
    public var batch: [UInt8]
    /// Makes rows.
    public init(table: TableID, key: BatchKey?, contentHash: Hash128, batch: [UInt8]) {
      self.table = table
      self.key = key
      self.contentHash = contentHash
      self.batch = batch
    }
  }
  /// Whose, where, and which of its parts.
  public var part: StatementPart
  /// What is staged.
  public var content: Content
  /// Makes the message.
  public init(
    part: StatementPart,
    content: Content
  ) {
    self.part = part
    self.content = content
  }
  /// The rows.
  public var body: [UInt8] { if case .rows(let rows) = content { rows.batch } else { [] } }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    part.encode(into: &out)
    switch content {
    case .nothing: out.u8(0)
    case .rows(let rows):
      out.u8(1)
      out.id(rows.table)
      out.key(rows.key)
      out.hash(rows.contentHash)
    case .key(let id, let hash, let rows):
      out.u8(2)
      out.u64(id.high)
      out.u64(id.low)
      out.hash(hash)
      out.varint(rows)
    case .undo(let first):
      out.u8(3)
      out.count(first)
    }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> StageRows {
    var message = StageRows(
      part: try StatementPart.decode(&reader),
      content: .nothing
    )
    let form = try reader.u8()
    switch form {
    case 0: break
    case 1:
      message.content = .rows(
        Rows(table: try reader.id(), key: try reader.key(), contentHash: try reader.hash(), batch: body)
      )
    case 2: message.content = .key(try reader.batchID(), contentHash: try reader.hash(), rows: try reader.varint())
    case 3: message.content = .undo(from: try reader.count(max: Limits.stageOrdinalMax, "ordinal of a stage"))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "content \(form) of a stage")
    }
    return message
  }
}

/// 54: rows that the statement deletes: the primary names them, once, and stages that. Answered by `staged`.
///
/// It first brings the table's rollups up to the rows there are.
///
/// Bytes: StatementPart · table · u8 0; body: FragmentFormat of a
/// scan. (A 1 was: alone on its shard, without a statement; repeated after a lost answer it counted too few rows.)
public struct DeleteRows: PartMessage {
  /// Whose, where, and which of its parts.
  public var part: StatementPart
  /// The table.
  public var table: TableID
  /// A scan of the table: the rows it delivers.
  public var fragment: [UInt8]
  /// Makes the message.
  public init(
    part: StatementPart,
    table: TableID,
    fragment: [UInt8]
  ) {
    self.part = part
    self.table = table
    self.fragment = fragment
  }
  /// The scan.
  public var body: [UInt8] { fragment }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    part.encode(into: &out)
    out.id(table)
    out.u8(0)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> DeleteRows {
    let message = DeleteRows(
      part: try StatementPart.decode(&reader),
      table: try reader.id(),
      fragment: body
    )
    let form = try reader.u8()
    guard form == 0 else { throw DecodingFailure(.unknown, at: reader.position - 1, "deletion of form \(form)") }
    return message
  }
}

/// 49: a part is durable, or its rows are in effect already.
///
/// Bytes: rows · bool duplicate · place (ReadFormat).
public struct Staged: MessageContent {
  /// Rows of the part.
  public var rows: UInt64
  /// True when its key took effect before: nothing was staged.
  public var isDuplicate: Bool
  /// Where the shard's log stood then: what took effect at once is at or below it.
  public var point: LogPoint
  /// Makes the message.
  public init(rows: UInt64, isDuplicate: Bool, point: LogPoint) {
    self.rows = rows
    self.isDuplicate = isDuplicate
    self.point = point
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.varint(rows)
    out.bool(isDuplicate)
    out.point(point)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> Staged {
    Staged(rows: try reader.varint(), isDuplicate: try reader.bool(), point: try reader.point())
  }
}
