// QueryMessages.swift — SQL to a coordinator, and what comes back. Fragments to workers: FragmentMessages.swift.

public import Bytes
public import Model

/// 7: SQL text, one or several statements, to a coordinator.
///
/// Bytes: string sql (≤ 65,536) · bool, [i64 statement time] · list (≤ 64) of string name, string value · bool,
/// [string batch key] · read level · session token (both: ReadFormat).
public struct QueryRequest: MessageContent {
  /// The text.
  public var sql: String
  /// What `now()` answers, in microseconds since 1970; nil: the coordinator's clock.
  public var statementTime: Int64?
  /// Settings for this request, in the given order.
  public var settings: [QuerySetting]
  /// Key of an INSERT that must count once however often it is sent: a UUIDv7 in text.
  public var batchKey: String?
  /// How new what its reads show must be.
  public var read: ReadLevel
  /// With level `session`: what the session has seen. Else empty.
  public var seen: SessionToken
  /// Makes the message.
  public init(
    sql: String,
    statementTime: Int64? = nil,
    settings: [QuerySetting] = [],
    batchKey: String? = nil,
    read: ReadLevel = .latest,
    seen: SessionToken = SessionToken()
  ) {
    self.read = read
    self.seen = seen
    self.sql = sql
    self.statementTime = statementTime
    self.settings = settings
    self.batchKey = batchKey
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.string(sql)
    out.bool(statementTime != nil)
    if let statementTime { out.i64(statementTime) }
    out.count(settings.count)
    for setting in settings {
      out.string(setting.name)
      out.string(setting.value)
    }
    out.optional(batchKey)
    out.level(read)
    out.token(seen)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> QueryRequest {
    QueryRequest(
      sql: try reader.string(max: Limits.sqlBytesMax),
      statementTime: try reader.bool() ? try reader.i64() : nil,
      settings: try reader.list(max: 64, "settings") { reader throws(DecodingFailure) in
        QuerySetting(name: try reader.name(), value: try reader.string(max: 4096))
      },
      batchKey: try reader.optional(max: Limits.nameBytesMax),
      read: try reader.level(),
      seen: try reader.token()
    )
  }
}

/// A setting of one request.
public struct QuerySetting: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Its value as text.
  public var value: String
  /// Makes a setting.
  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}

/// A column of a result.
///
/// Bytes: string name (≤ 1 MiB: an alias may be long) · type (ValueFormat).
public struct ResultColumn: Sendable, Equatable {
  /// Its name.
  public var name: String
  /// Its type.
  public var type: DataType
  /// Makes a column.
  public init(name: String, type: DataType) {
    self.name = name
    self.type = type
  }
}

/// 8: a statement's rows follow.
///
/// Bytes: list of ResultColumn.
public struct ResultHeader: MessageContent {
  /// The columns.
  public var columns: [ResultColumn]
  /// Makes the message.
  public init(columns: [ResultColumn]) { self.columns = columns }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.count(columns.count)
    for column in columns {
      out.string(column.name)
      ValueFormat.encode(column.type, into: &out)
    }
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ResultHeader {
    ResultHeader(
      columns: try reader.list(max: Limits.columnsMax, "columns of a result") {
        reader throws(DecodingFailure) in
        ResultColumn(
          name: try reader.string(max: Limits.textBytesMax),
          type: try ValueFormat.decodeType(from: &reader)
        )
      }
    )
  }
}

/// 9: rows of a result, or partials of a fragment.
///
/// No fields; body: BatchFormat.
public struct ResultBatch: MessageContent {
  /// The rows; types are the header's, or the fragment's.
  public var batch: [UInt8]
  /// Makes the message.
  public init(batch: [UInt8]) { self.batch = batch }
  /// The rows.
  public var body: [UInt8] { batch }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {}
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ResultBatch {
    ResultBatch(batch: body)
  }
}

/// Something to tell the user beside the result.
///
/// Bytes: 5 bytes SQLSTATE · string message · bool, [string hint].
public struct Notice: Sendable, Equatable {
  /// Five characters.
  public var sqlState: String
  /// One sentence.
  public var message: String
  /// What to do.
  public var hint: String?
  /// Makes a notice.
  public init(sqlState: String = "00000", message: String, hint: String? = nil) {
    self.sqlState = sqlState
    self.message = message
    self.hint = hint
  }
}

/// What a statement cost.
///
/// Bytes: the fields in order, the last as ReadFormat has an age.
public struct QueryStatistics: Sendable, Equatable {
  /// Parsing, binding and planning.
  public var planMicroseconds: UInt64 = 0
  /// From the request to the last row.
  public var totalMicroseconds: UInt64 = 0
  /// Merging partials on the coordinator.
  public var mergeMicroseconds: UInt64 = 0
  /// Shards asked.
  public var shards: UInt64 = 0
  /// Rows read on them.
  public var rowsRead: UInt64 = 0
  /// Blocks read on them.
  public var blocks: UInt64 = 0
  /// Of those rows, the ones no rollup had yet.
  public var freshRows: UInt64 = 0
  /// Microseconds: nothing acknowledged longer ago is missing, on any shard read. Nil: not known, or nothing was read.
  public var age: UInt64?
  /// All zero.
  public init() {}
}

/// 10: a statement is done.
///
/// Bytes: string tag (≤ 63) · rows · list (≤ 64) of Notice · QueryStatistics · session token (ReadFormat).
public struct ResultEnd: MessageContent {
  /// The command tag as PostgreSQL has it: `SELECT 3`, `CREATE TABLE`.
  public var tag: String
  /// Rows returned or stored.
  public var rows: UInt64
  /// Notices.
  public var notices: [Notice]
  /// What it cost.
  public var statistics: QueryStatistics
  /// Places of the shards that it read or wrote: a session has seen them.
  public var seen: SessionToken
  /// Makes the message.
  public init(
    tag: String,
    rows: UInt64,
    notices: [Notice] = [],
    statistics: QueryStatistics = QueryStatistics(),
    seen: SessionToken = SessionToken()
  ) {
    self.seen = seen
    self.tag = tag
    self.rows = rows
    self.notices = notices
    self.statistics = statistics
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.string(tag)
    out.varint(rows)
    out.count(notices.count)
    for notice in notices {
      let state = Array(notice.sqlState.utf8)
      out.bytes(state.count == 5 ? state : Array("00000".utf8))
      out.string(ErrorFormat.cut(notice.message, 4096))
      out.optional(notice.hint.map { ErrorFormat.cut($0, 4096) })
    }
    let s = statistics
    for field in [
      s.planMicroseconds, s.totalMicroseconds, s.mergeMicroseconds, s.shards, s.rowsRead, s.blocks,
      s.freshRows,
    ] { out.varint(field) }
    out.age(s.age)
    out.token(seen)
  }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ResultEnd {
    var end = ResultEnd(
      tag: try reader.name(),
      rows: try reader.varint(),
      notices: try reader.list(max: 64, "notices") { reader throws(DecodingFailure) in
        Notice(
          sqlState: String(decoding: try reader.slice(5), as: UTF8.self),
          message: try reader.string(max: 4096),
          hint: try reader.optional(max: 4096)
        )
      }
    )
    end.statistics.planMicroseconds = try reader.varint()
    end.statistics.totalMicroseconds = try reader.varint()
    end.statistics.mergeMicroseconds = try reader.varint()
    end.statistics.shards = try reader.varint()
    end.statistics.rowsRead = try reader.varint()
    end.statistics.blocks = try reader.varint()
    end.statistics.freshRows = try reader.varint()
    end.statistics.age = try reader.age()
    end.seen = try reader.token()
    return end
  }
}

/// 13: asks a coordinator for one of its lists; answered as a query is.
///
/// Bytes: u8 kind.
public struct ListRequest: MessageContent {
  /// What can be listed.
  public enum Kind: UInt8, Sendable, CaseIterable {
    case nodes = 1
    case shards = 2
    case tables = 3
    case rollups = 4
    case status = 5
    case statements = 6
    case losses = 7
  }
  /// Which list.
  public var kind: Kind
  /// Makes the message.
  public init(_ kind: Kind) { self.kind = kind }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.u8(kind.rawValue) }
  /// Reads the fields.
  public static func decode(
    _ reader: inout ByteReader,
    body: [UInt8]
  ) throws(DecodingFailure) -> ListRequest {
    guard let kind = Kind(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "kind of list")
    }
    return ListRequest(kind)
  }
}
