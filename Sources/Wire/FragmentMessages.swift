// FragmentMessages.swift — a part of a query to the workers that hold its shards, and what reading each of them was like.

public import Bytes
public import Model

/// 18: a fragment for some of a worker's shards.
///
/// Its deadline is the request's. Bytes: list of (shard · epoch · position) · catalog version · memory limit in bytes · read level
/// (ReadFormat) · bool · [statement]; body: Planning's fragment bytes.
public struct Execute: MessageContent {
  /// The shards to read. With `latest` the epoch is that in which the worker must lead the shard; else the copy must have applied the
  /// place.
  public var shards: [ShardPoint]
  /// The catalog by which it was planned.
  public var version: CatalogVersion
  /// Bytes of working memory it may take.
  public var memoryLimit: UInt64
  /// Who may answer, and from when on.
  public var read: ReadLevel
  /// The open statement whose own parts are seen as well: a read inside of a transaction block. Only primaries answer it.
  public var statement: StatementID?
  /// What to do.
  public var fragment: [UInt8]
  /// Makes the message.
  public init(
    shards: [ShardPoint],
    version: CatalogVersion,
    memoryLimit: UInt64,
    read: ReadLevel = .latest,
    statement: StatementID? = nil,
    fragment: [UInt8]
  ) {
    self.read = read
    self.statement = statement
    self.shards = shards
    self.version = version
    self.memoryLimit = memoryLimit
    self.fragment = fragment
  }
  /// The fragment.
  public var body: [UInt8] { fragment }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(shards.count)
    for shard in shards {
      out.id(shard.shard)
      out.point(shard.point)
    }
    out.id(version)
    out.varint(memoryLimit)
    out.level(read)
    out.bool(statement != nil)
    if let statement { out.statement(statement) }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> Execute {
    Execute(
      shards: try reader.list(max: shardListMax, "shards") { reader throws(DecodingFailure) in
        ShardPoint(shard: try reader.id(), point: try reader.point())
      },
      version: try reader.id(),
      memoryLimit: try reader.varint(),
      read: try reader.level(),
      statement: try reader.bool() ? try reader.statement() : nil,
      fragment: body
    )
  }
}

/// What reading one shard was like.
///
/// Bytes: shard · epoch · position · rows read · blocks · watermark · fresh rows · microseconds · age (ReadFormat).
public struct ShardOutcome: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// The one place all of it was read at.
  public var point: LogPoint
  /// Rows read, of all relations.
  public var rowsRead: UInt64
  /// Blocks read.
  public var blocks: UInt64
  /// The rollup's watermark, when one was read.
  public var watermark: LogPosition
  /// Rows above the watermark.
  public var freshRows: UInt64
  /// Time spent.
  public var microseconds: UInt64
  /// Microseconds: nothing acknowledged longer ago is missing; nil when the copy does not know.
  public var age: UInt64?
  /// Makes an outcome.
  public init(
    shard: ShardID,
    point: LogPoint,
    rowsRead: UInt64 = 0,
    blocks: UInt64 = 0,
    watermark: LogPosition = LogPosition(0),
    freshRows: UInt64 = 0,
    microseconds: UInt64 = 0,
    age: UInt64? = nil
  ) {
    self.age = age
    self.shard = shard
    self.point = point
    self.rowsRead = rowsRead
    self.blocks = blocks
    self.watermark = watermark
    self.freshRows = freshRows
    self.microseconds = microseconds
  }
}

/// A shard that a copy did not read: another copy may.
///
/// Bytes: shard · TallyErrorFormat, texts cut as ErrorFormat does.
public struct ShardRefusal: Sendable, Equatable {
  /// The shard.
  public var shard: ShardID
  /// Why.
  public var error: TallyError
  /// Makes a refusal.
  public init(shard: ShardID, error: TallyError) {
    self.shard = shard
    self.error = error
  }
}

/// 19: a fragment is done.
///
/// Bytes: list of ShardOutcome · list of ShardRefusal.
public struct ExecuteEnd: MessageContent {
  /// One for each shard that was read.
  public var shards: [ShardOutcome]
  /// With other read levels than `latest`: the shards that were not.
  public var refused: [ShardRefusal]
  /// Makes the message.
  public init(shards: [ShardOutcome], refused: [ShardRefusal] = []) {
    self.shards = shards
    self.refused = refused
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(shards.count)
    for shard in shards {
      out.id(shard.shard)
      out.point(shard.point)
      out.varint(shard.rowsRead)
      out.varint(shard.blocks)
      out.id(shard.watermark)
      out.varint(shard.freshRows)
      out.varint(shard.microseconds)
      out.age(shard.age)
    }
    out.count(refused.count)
    for refusal in refused {
      out.id(refusal.shard)
      TallyErrorFormat.encode(ErrorFormat.cut(refusal.error), into: &out)
    }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ExecuteEnd {
    ExecuteEnd(
      shards: try reader.list(max: shardListMax, "shards") { reader throws(DecodingFailure) in
        ShardOutcome(
          shard: try reader.id(),
          point: try reader.point(),
          rowsRead: try reader.varint(),
          blocks: try reader.varint(),
          watermark: try reader.id(),
          freshRows: try reader.varint(),
          microseconds: try reader.varint(),
          age: try reader.age()
        )
      },
      refused: try reader.list(max: shardListMax, "refused shards") { reader throws(DecodingFailure) in
        ShardRefusal(shard: try reader.id(), error: try TallyErrorFormat.decode(from: &reader))
      }
    )
  }
}
