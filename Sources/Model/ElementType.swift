// ElementType.swift — the scalar type of an array's elements: a plain value of eight bytes, so that DataType stays cheap to copy.
//
// Every scalar type that a column can have is one, but not sketches. `ElementType(type)?.type` is the type itself.

/// A type that an array can have as elements.
public struct ElementType: Hashable, Sendable {
  private enum Kind: UInt8 {
    case boolean, smallint, integer, bigint, real, double, numeric, text, varchar, bpchar, char, name, bytea, uuid, json, jsonb, oid,
      regclass, regtype, regproc, regnamespace, regrole, date, time, timestamp, timestamptz, interval, inet
  }
  private var kind: Kind
  /// varchar's and bpchar's limit; numeric's precision and scale, each plus one (0 is none), in bytes; of smallint and oid 1 where the
  /// array is an int2vector or oidvector.
  private var parameter: UInt32

  private init(kind: Kind, _ parameter: UInt32 = 0) {
    self.kind = kind
    self.parameter = parameter
  }
  /// The type as an element; nil for types that have no arrays.
  public init?(_ type: DataType) {
    switch type {
    case .boolean: self.init(kind: .boolean)
    case .smallint: self.init(kind: .smallint)
    case .integer: self.init(kind: .integer)
    case .bigint: self.init(kind: .bigint)
    case .real: self.init(kind: .real)
    case .double: self.init(kind: .double)
    case .numeric(let precision, let scale):
      self.init(kind: .numeric, (precision.map { UInt32($0) + 1 } ?? 0) << 8 | (scale.map { UInt32($0) + 1 } ?? 0))
    case .text: self.init(kind: .text)
    case .varchar(let limit): self.init(kind: .varchar, limit)
    case .bpchar(let limit): self.init(kind: .bpchar, limit)
    case .char: self.init(kind: .char)
    case .name: self.init(kind: .name)
    case .bytea: self.init(kind: .bytea)
    case .uuid: self.init(kind: .uuid)
    case .inet: self.init(kind: .inet)
    case .json: self.init(kind: .json)
    case .jsonb: self.init(kind: .jsonb)
    case .oid: self.init(kind: .oid)
    case .regclass: self.init(kind: .regclass)
    case .regtype: self.init(kind: .regtype)
    case .regproc: self.init(kind: .regproc)
    case .regnamespace: self.init(kind: .regnamespace)
    case .regrole: self.init(kind: .regrole)
    case .date: self.init(kind: .date)
    case .time: self.init(kind: .time)
    case .timestamp: self.init(kind: .timestamp)
    case .timestamptz: self.init(kind: .timestamptz)
    case .interval: self.init(kind: .interval)
    case .hll, .topn, .hllHashval, .unknown, .topnRecord, .void, .array: return nil
    }
  }
  /// The type.
  public var type: DataType {
    switch kind {
    case .boolean: .boolean
    case .smallint: .smallint
    case .integer: .integer
    case .bigint: .bigint
    case .real: .real
    case .double: .double
    case .numeric:
      .numeric(
        precision: parameter >> 8 == 0 ? nil : UInt8(parameter >> 8 - 1),
        scale: parameter & 255 == 0 ? nil : UInt8(parameter & 255 - 1)
      )
    case .text: .text
    case .varchar: .varchar(parameter)
    case .bpchar: .bpchar(parameter)
    case .char: .char
    case .name: .name
    case .bytea: .bytea
    case .uuid: .uuid
    case .inet: .inet
    case .json: .json
    case .jsonb: .jsonb
    case .oid: .oid
    case .regclass: .regclass
    case .regtype: .regtype
    case .regproc: .regproc
    case .regnamespace: .regnamespace
    case .regrole: .regrole
    case .date: .date
    case .time: .time
    case .timestamp: .timestamp
    case .timestamptz: .timestamptz
    case .interval: .interval
    }
  }

  /// Whether the array is one of the system catalogs' vectors, `int2vector` or `oidvector`: arrays with a text and a number of their own.
  /// Nothing but a column's definition says so: bytes of plans do not keep it.
  public var isVector: Bool { parameter == 1 && (kind == .smallint || kind == .oid) }
  /// As an element of `int2vector`.
  public static let smallintVector = ElementType(kind: .smallint, 1)
  /// As an element of `oidvector`.
  public static let oidVector = ElementType(kind: .oid, 1)
  /// As an element.
  public static let boolean = ElementType(kind: .boolean)
  /// As an element.
  public static let smallint = ElementType(kind: .smallint)
  /// As an element.
  public static let integer = ElementType(kind: .integer)
  /// As an element.
  public static let bigint = ElementType(kind: .bigint)
  /// As an element.
  public static let double = ElementType(kind: .double)
  /// As an element.
  public static let text = ElementType(kind: .text)
  /// As an element.
  public static let char = ElementType(kind: .char)
  /// As an element.
  public static let name = ElementType(kind: .name)
  /// As an element.
  public static let oid = ElementType(kind: .oid)
  /// As an element.
  public static let regtype = ElementType(kind: .regtype)
}
