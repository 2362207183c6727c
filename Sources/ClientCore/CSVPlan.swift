// CSVPlan.swift — how the fields of a file become the columns of a table, and which shard a row belongs to.

public import Columns
public import Model

/// Everything about a load that is the same for all of its chunks.
public struct CSVPlan: Sendable {
  /// The table.
  public let table: TableSchema
  /// Number of the tenant key's column; nil of a table whose rows lie on one shard.
  public let key: Int?
  /// For each column of the table the number of its field; nil = not in the file.
  public let fields: [Int?]
  /// Fields of every record.
  public let fieldCount: Int
  /// For each column that is not in the file its value in every row.
  public let constants: [Value]
  /// How the file is written.
  public let format: CSVFormat
  /// True: wrong rows are left out and reported; false: the first one ends the load.
  public let rejectsRows: Bool
  /// Number of shards.
  public let shardCount: Int
  /// Highest hash of each shard.
  private let uppers: [UInt64]
  /// By the upper 12 bits of a hash, the first shard that can hold it.
  private let firstShard: [UInt16]

  /// Plans a load of `columns` (names in the order of the file's fields; nil = all of the table's) into a table that has its place.
  ///
  /// `shards` are those of the table's colocation group by rising range; parts name them by place. `constants` are the
  /// evaluated defaults by column number; other columns that are not in the file are NULL.
  public init(
    table: TableSchema,
    shards: [ShardRecord],
    columns: [String]? = nil,
    format: CSVFormat = CSVFormat(),
    constants: [Int: Value] = [:],
    rejectsRows: Bool = false
  ) throws(TallyError) {
    let key = table.distribution.tenantKey
    guard format.delimiter != format.quote || format.hasEscapes, format.delimiter != 0x0a, format.delimiter != 0x0d,
      format.delimiter < 0x80
    else {
      throw .sql(
        "22023",
        "COPY delimiter must be a single one-byte character other than quote or newline"
      )
    }
    var fields = [Int?](repeating: nil, count: table.columns.count)
    for (field, name) in (columns ?? table.liveColumns.map { table.columns[$0].name }).enumerated() {
      guard let column = table.columnIndex(name) else {
        throw .sql("42703", "column \"\(name)\" of relation \"\(table.name)\" does not exist")
      }
      guard fields[column] == nil else {
        throw .sql("42701", "column \"\(name)\" specified more than once")
      }
      switch table.columns[column].type {
      case .topn, .topnRecord, .unknown, .void:
        throw .sql(
          "0A000",
          "column \"\(name)\" of type \(table.columns[column].type.name) cannot be loaded from CSV"
        )
      case .hll:
        throw .sql(
          "0A000",
          "column \"\(name)\" of type hll cannot be loaded from CSV",
          hint: "Load the hashed values."
        )
      default: fields[column] = field
      }
    }
    if let key, fields[key] == nil {
      throw .sql(
        "23502",
        "the file has no field for the distribution column \"\(table.columns[key].name)\""
      )
    }
    var values = [Value](repeating: .null, count: table.columns.count)
    for column in table.columns.indices where fields[column] == nil {
      values[column] = constants[column] ?? .null
      if table.columns[column].isNotNull && values[column].isNull {
        throw Self.nullFailure(table, column)
      }
    }
    self.table = table
    self.key = key
    self.fields = fields
    self.fieldCount = columns?.count ?? table.liveColumns.count
    self.constants = values
    self.format = format
    self.rejectsRows = rejectsRows
    let uppers = shards.map(\.upper)
    guard shards.count <= Limits.shardsMax, uppers.last == .max, shards.first?.lower == 0 else {
      throw TallyError(
        .staleCatalog,
        "the shards of table \"\(table.name)\" do not cover all hashes"
      )
    }
    self.uppers = uppers
    shardCount = shards.count
    firstShard = (0..<4096).map { top in
      UInt16(uppers.firstIndex { $0 >= UInt64(top) << 52 } ?? uppers.count - 1)
    }
  }
  /// Place of the shard that holds a hash.
  @inline(__always) public func shard(ofHash hash: UInt64) -> Int {
    var shard = Int(firstShard[Int(truncatingIfNeeded: hash >> 52)])
    while hash > uppers[shard] { shard += 1 }
    return shard
  }
  /// 23502 in PostgreSQL's words.
  static func nullFailure(_ table: TableSchema, _ column: Int) -> TallyError {
    .sql(
      "23502",
      "null value in column \"\(table.columns[column].name)\" of relation \"\(table.name)\" violates not-null constraint",
      subject: ErrorSubject(table, column: table.columns[column].name)
    )
  }
}

/// A row that was left out.
public struct CSVReject: Equatable, Sendable {
  /// Line on which the record begins, from 1.
  public var line: Int
  /// Column, when one is at fault.
  public var column: String?
  /// What is wrong, in PostgreSQL's words; `detail` names line and column.
  public var error: TallyError
  /// The record as written, without its newline.
  public var record: [UInt8]
}

/// Rows for one shard.
public struct CSVPart: Sendable {
  /// Place of the shard in the plan.
  public var shard: Int
  /// At most `Limits.batchRowsMax` rows in the file's order, with all columns of the table.
  public var batch: Batch
}

/// What became of a chunk.
public struct CSVBuilt: Sendable {
  /// By rising shard; several for one shard when it has more rows than a batch holds.
  public var parts: [CSVPart]
  /// Rows in the parts.
  public var rows: Int
  /// Rows left out, in the file's order.
  public var rejects: [CSVReject]
}
