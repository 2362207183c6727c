// RollupDefinition.swift — a rollup as the catalog, the shard logs and the storage know it.
//
// A rollup's relation at each level has the columns: keys (tenant first, then bucket, then the other dimensions, in SELECT
// order of the dimensions), then measures. `program` holds the bound expressions that turn raw rows into keys and measure
// arguments, in the bytes of Planning.RollupProgramFormat; Model and Storage carry them without looking inside.

/// What a measure computes; all are mergeable states.
public enum MeasureKind: UInt8, Sendable, CaseIterable {
  /// count(*) or count(x): bigint.
  case count = 1
  /// sum(x): integer sums as numeric when x is bigint, bigint for narrower, double for double, numeric for numeric.
  case sum = 2
  case min = 3
  case max = 4
  case boolAnd = 5
  case boolOr = 6
  /// hll_add_agg(hash).
  case hll = 7
  /// topn_add_agg(item [, weight]).
  case topn = 8
}

/// The calendar unit or fixed width of a level's buckets.
public enum BucketWidth: Hashable, Sendable {
  /// Fixed microseconds (a divisor or multiple of a day), aligned to 1970-01-01 00:00 in the rollup's time zone (weeks: Monday).
  case microseconds(Int64)
  /// Calendar months (12 = year).
  case months(Int32)
}

/// One level of a rollup.
public struct RollupLevel: Hashable, Sendable {
  /// Bucket width.
  public var width: BucketWidth
  /// Suffix of the level's relation: `5min`, `15min`, `1hour`, `1day`, `1week`, `1month`, …
  public var suffix: String
  /// Retention; nil = forever.
  public var keep: Interval?
  /// Makes a level.
  public init(width: BucketWidth, suffix: String, keep: Interval? = nil) {
    self.width = width
    self.suffix = suffix
    self.keep = keep
  }
}

/// A measure column.
public struct RollupMeasure: Equatable, Sendable {
  /// Column name.
  public var name: String
  /// What it computes.
  public var kind: MeasureKind
  /// Type of the state as stored and read (count: bigint; hll: hll(…); …).
  public var type: DataType
  /// Makes a measure.
  public init(name: String, kind: MeasureKind, type: DataType) {
    self.name = name
    self.kind = kind
    self.type = type
  }
}

/// A rollup.
public struct RollupDefinition: Equatable, Sendable {
  /// Never reused; from the number space of tables. Level i is stored under `levelTable(i)`.
  public var id: TableID
  /// Schema name.
  public var schemaName: String
  /// Name of the rollup.
  public var name: String
  /// The raw table.
  public var source: TableID
  /// Key columns: [0] tenant, [1] bucket (same type as the time column), then dimensions.
  public var keys: [Column]
  /// Measures, in order.
  public var measures: [RollupMeasure]
  /// Finest first; each nests in the next.
  public var levels: [RollupLevel]
  /// IANA name; buckets are cut in this zone. Only `UTC` in this version.
  public var timeZone: String
  /// The SELECT as written.
  public var sql: String
  /// Bound expressions: Planning.RollupProgramFormat.
  public var program: [UInt8]
  /// Order of the relation's columns as the SELECT lists them: indexes into keys followed by measures.
  public var outputOrder: [Int]
  /// Makes a definition.
  public init(
    id: TableID,
    schemaName: String = "public",
    name: String,
    source: TableID,
    keys: [Column],
    measures: [RollupMeasure],
    levels: [RollupLevel],
    timeZone: String = "UTC",
    sql: String,
    program: [UInt8],
    outputOrder: [Int]
  ) {
    self.id = id
    self.schemaName = schemaName
    self.name = name
    self.source = source
    self.keys = keys
    self.measures = measures
    self.levels = levels
    self.timeZone = timeZone
    self.sql = sql
    self.program = program
    self.outputOrder = outputOrder
  }
  /// The number under which a level's runs are stored: the catalog reserves `id + 1 … id + levels.count`.
  public func levelTable(_ level: Int) -> TableID { TableID(id.rawValue + 1 + UInt64(level)) }
  /// Columns of every level's relation as stored: keys, then measures.
  public var storedColumns: [Column] {
    keys + measures.map { Column(name: $0.name, type: $0.type) }
  }
}
