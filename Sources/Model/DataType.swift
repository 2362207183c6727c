// DataType.swift — the SQL types a column can have, and the parameters that are part of a type.

/// Parameters of an `hll` type (postgresql-hll's four); part of a sketch's identity.
public struct HLLParameters: Hashable, Sendable {
  /// log2 of the register count: 4 … 17.
  public var log2m: UInt8
  /// Bits a register: 1 … 8.
  public var regwidth: UInt8
  /// Explicit-set limit: -1 automatic, 0 none, else a power of two up to 8192.
  public var expthresh: Int32
  /// Whether packing may choose the sparse form.
  public var sparseon: Bool
  /// postgresql-hll's defaults: 11, 5, -1, on.
  public init(log2m: UInt8 = 11, regwidth: UInt8 = 5, expthresh: Int32 = -1, sparseon: Bool = true) {
    self.log2m = log2m
    self.regwidth = regwidth
    self.expthresh = expthresh
    self.sparseon = sparseon
  }
  /// Number of registers, m.
  public var registerCount: Int { 1 << Int(log2m) }
  /// How many hashes the explicit form may hold: min(⌊⌈regwidth·m/8⌉/8⌋, 16383) when automatic.
  public var explicitLimit: Int {
    expthresh >= 0 ? Int(expthresh) : min((Int(regwidth) * registerCount + 7) / 8 / 8, 16383)
  }
}

/// Parameters of a `topn` type.
public struct TopNParameters: Hashable, Sendable {
  /// Counters kept after pruning, N.
  public var counters: UInt32
  /// Longest key in bytes; longer texts are cut at a character boundary.
  public var keyBytesMax: UInt32
  /// postgresql-topn's defaults: 1000 counters, 255 bytes.
  public init(counters: UInt32 = 1000, keyBytesMax: UInt32 = 255) {
    self.counters = counters
    self.keyBytesMax = keyBytesMax
  }
}

/// A SQL type.
public enum DataType: Hashable, Sendable {
  case boolean
  case smallint
  case integer
  case bigint
  case double
  /// `numeric` or `numeric(precision, scale)`.
  case numeric(precision: UInt8?, scale: UInt8?)
  case text
  /// `varchar(n)`: text of at most n characters.
  case varchar(UInt32)
  case date
  case timestamp
  case timestamptz
  case interval
  case hll(HLLParameters)
  case topn(TopNParameters)
  /// A hash made for an `hll` (signed 64-bit).
  case hllHashval
  /// An untyped literal or NULL before the binder gives it a type. Never the type of a column.
  case unknown
  /// The row `(item text, frequency bigint)` of `topn()`, before it is expanded. Never the type of a column.
  case topnRecord

  /// `numeric` without limits.
  public static let plainNumeric = DataType.numeric(precision: nil, scale: nil)

  /// How values of the type lie in a vector.
  public var layout: VectorLayout {
    switch self {
    case .boolean, .smallint, .integer, .bigint, .date, .timestamp, .timestamptz, .hllHashval: .fixed
    case .double: .double
    case .numeric: .numeric
    case .text, .varchar, .unknown: .text
    case .interval: .interval
    case .hll: .hll
    case .topn: .topn
    case .topnRecord: .topn
    }
  }
  /// smallint, integer or bigint.
  public var isInteger: Bool { self == .smallint || self == .integer || self == .bigint }
  /// Any type that sums and averages.
  public var isNumber: Bool {
    if case .numeric = self { return true }
    return isInteger || self == .double
  }
  /// date, timestamp or timestamptz.
  public var isTime: Bool { self == .date || self == .timestamp || self == .timestamptz }
  /// text or varchar.
  public var isText: Bool {
    if case .varchar = self { return true }
    return self == .text
  }
  /// PostgreSQL's name, as `format_type` prints it.
  public var name: String {
    switch self {
    case .boolean: "boolean"
    case .smallint: "smallint"
    case .integer: "integer"
    case .bigint: "bigint"
    case .double: "double precision"
    case .numeric(let precision?, let scale): "numeric(\(precision),\(scale ?? 0))"
    case .numeric: "numeric"
    case .text: "text"
    case .varchar(let limit): limit == 0 ? "character varying" : "character varying(\(limit))"
    case .date: "date"
    case .timestamp: "timestamp without time zone"
    case .timestamptz: "timestamp with time zone"
    case .interval: "interval"
    case .hll: "hll"
    case .topn: "topn"
    case .hllHashval: "hll_hashval"
    case .unknown: "unknown"
    case .topnRecord: "topn_record"
    }
  }
}

/// How values lie in memory; kernels switch on this, once a block.
public enum VectorLayout: UInt8, Sendable {
  /// Int64: booleans (0, 1), integers, dates (days since 1970-01-01), times (microseconds since 1970-01-01 UTC), hashes.
  case fixed = 0
  /// Double.
  case double = 1
  /// `Numeric`.
  case numeric = 2
  /// UTF-8 bytes with offsets, or dictionary codes.
  case text = 3
  /// `Interval`.
  case interval = 4
  /// Exploded HyperLogLog states.
  case hll = 5
  /// Exploded TopN states.
  case topn = 6
}
