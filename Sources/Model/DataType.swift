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
  /// `real`: lies as a double that is exactly a 32-bit float.
  case real
  case double
  /// `numeric` or `numeric(precision, scale)`.
  case numeric(precision: UInt8?, scale: UInt8?)
  case text
  /// `varchar(n)`: text of at most n characters.
  case varchar(UInt32)
  /// `character(n)`: text padded with blanks to n characters; 0 is `bpchar` without a length. Trailing blanks do not compare.
  case bpchar(UInt32)
  /// `"char"`: at most one byte of text.
  case char
  /// Text of at most 63 bytes: names of the catalog.
  case name
  /// Bytes.
  case bytea
  /// 16 bytes.
  case uuid
  /// An address of IPv4 or IPv6 with its network's length, in the bytes of `InetValue`.
  case inet
  /// JSON as it was written.
  case json
  /// JSON in its canonical text (`JSONText`).
  case jsonb
  /// An object's number, and the types that show such numbers by name.
  case oid
  case regclass
  case regtype
  case regproc
  case regnamespace
  case regrole
  case date
  /// Microseconds since midnight, up to and with 24:00.
  case time
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
  /// What a function without a result returns. Never the type of a column.
  case void
  /// One-dimensional array, in the bytes of `ArrayValue`.
  case array(ElementType)

  /// `numeric` without limits.
  public static let plainNumeric = DataType.numeric(precision: nil, scale: nil)

  /// How values of the type lie in a vector.
  public var layout: VectorLayout {
    switch self {
    case .boolean, .smallint, .integer, .bigint, .date, .time, .timestamp, .timestamptz, .hllHashval, .oid, .regclass, .regtype,
      .regproc, .regnamespace, .regrole:
      .fixed
    case .double, .real: .double
    case .numeric: .numeric
    case .text, .varchar, .bpchar, .char, .name, .bytea, .uuid, .inet, .json, .jsonb, .unknown, .void, .array: .text
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
    return isInteger || isFloat
  }
  /// real or double precision.
  public var isFloat: Bool { self == .double || self == .real }
  /// oid, or a type that shows one by name.
  public var isObjectNumber: Bool {
    switch self {
    case .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole: true
    default: false
    }
  }
  /// Whether values of layout `.text` are bytes (`Value.bytes`) and not UTF-8 text (`Value.text`).
  public var isBinary: Bool {
    switch self {
    case .bytea, .uuid, .inet, .array: true
    default: false
    }
  }
  /// Whether values of layout `.text` are equal and sort as their bytes do.
  public var ordersByBytes: Bool {
    switch self {
    case .jsonb, .array, .bpchar: false
    default: true
    }
  }
  /// The type of an array's elements; nil for other types.
  public var element: DataType? {
    if case .array(let element) = self { return element.type }
    return nil
  }
  /// The array of this type; nil where there is none.
  public var arrayType: DataType? { ElementType(self).map { .array($0) } }
  /// A topn, or the JSON object that postgresql-topn has for one.
  public var isTopNOrJSON: Bool {
    if case .topn = self { return true }
    return self == .jsonb
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
    case .real: "real"
    case .double: "double precision"
    case .numeric(let precision?, let scale): "numeric(\(precision),\(scale ?? 0))"
    case .numeric: "numeric"
    case .text: "text"
    case .varchar(let limit): limit == 0 ? "character varying" : "character varying(\(limit))"
    case .bpchar(let limit): limit == 0 ? "bpchar" : "character(\(limit))"
    case .char: "\"char\""
    case .name: "name"
    case .bytea: "bytea"
    case .uuid: "uuid"
    case .inet: "inet"
    case .json: "json"
    case .jsonb: "jsonb"
    case .oid: "oid"
    case .regclass: "regclass"
    case .regtype: "regtype"
    case .regproc: "regproc"
    case .regnamespace: "regnamespace"
    case .regrole: "regrole"
    case .date: "date"
    case .time: "time without time zone"
    case .timestamp: "timestamp without time zone"
    case .timestamptz: "timestamp with time zone"
    case .interval: "interval"
    case .hll: "hll"
    case .topn: "topn"
    case .hllHashval: "hll_hashval"
    case .unknown: "unknown"
    case .topnRecord: "topn_record"
    case .void: "void"
    case .array(let element): element.type.name + "[]"
    }
  }
}

/// How values lie in memory; kernels switch on this, once a block.
public enum VectorLayout: UInt8, Sendable {
  /// Int64: booleans (0, 1), integers, dates (days since 1970-01-01), times (microseconds since 1970-01-01 UTC, or since midnight),
  /// hashes, numbers of objects.
  case fixed = 0
  /// Double.
  case double = 1
  /// `Numeric`.
  case numeric = 2
  /// UTF-8 bytes with offsets, or dictionary codes; bytes of any kind for types that are binary (`DataType.isBinary`).
  case text = 3
  /// `Interval`.
  case interval = 4
  /// Exploded HyperLogLog states.
  case hll = 5
  /// Exploded TopN states.
  case topn = 6
}
