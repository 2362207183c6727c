// PostgresType.swift — which PostgreSQL type a client sees for each of ours, and which of ours a client's type means.
//
// Sketches show as types that every driver decodes: an hll is bytea (its packed bytes), a topn is jsonb, a hash is bigint.
// Type modifiers are PostgreSQL's: varchar(n) is n + 4, numeric(p,s) is (p << 16 | s) + 4, none is -1.

public import Model

/// A type as RowDescription names it.
public struct PostgresType: Equatable, Sendable {
  /// Its number in pg_type.
  public var oid: UInt32
  /// Bytes of a value; -1 varies.
  public var length: Int16
  /// Its parameters.
  public var modifier: Int32

  /// The type a client sees.
  public init(_ type: DataType) {
    modifier = -1
    switch type {
    case .boolean: (oid, length) = (16, 1)
    case .smallint: (oid, length) = (21, 2)
    case .integer: (oid, length) = (23, 4)
    case .bigint, .hllHashval: (oid, length) = (20, 8)
    case .real: (oid, length) = (700, 4)
    case .double: (oid, length) = (701, 8)
    case .numeric(let precision, let scale):
      (oid, length) = (1700, -1)
      if let precision { modifier = (Int32(precision) << 16 | Int32(scale ?? 0)) + 4 }
    case .text, .unknown: (oid, length) = (25, -1)
    case .varchar(let limit):
      (oid, length) = (1043, -1)
      if limit > 0 { modifier = Int32(clamping: Int64(limit) + 4) }
    case .bpchar(let limit):
      (oid, length) = (1042, -1)
      if limit > 0 { modifier = Int32(clamping: Int64(limit) + 4) }
    case .char: (oid, length) = (18, 1)
    case .name: (oid, length) = (19, 64)
    case .bytea: (oid, length) = (17, -1)
    case .uuid: (oid, length) = (2950, 16)
    case .inet: (oid, length) = (869, -1)
    case .json: (oid, length) = (114, -1)
    case .jsonb: (oid, length) = (3802, -1)
    case .oid: (oid, length) = (26, 4)
    case .regproc: (oid, length) = (24, 4)
    case .regclass: (oid, length) = (2205, 4)
    case .regtype: (oid, length) = (2206, 4)
    case .regnamespace: (oid, length) = (4089, 4)
    case .regrole: (oid, length) = (4096, 4)
    case .void: (oid, length) = (2278, 4)
    case .array(let element) where element.isVector: (oid, length) = (element == .oidVector ? 30 : 22, -1)
    case .array(let element):
      let inner = PostgresType(element.type)
      (oid, length) = (Self.arrayOID(inner.oid), -1)
      modifier = inner.modifier
    case .date: (oid, length) = (1082, 4)
    case .time: (oid, length) = (1083, 8)
    case .timestamp: (oid, length) = (1114, 8)
    case .timestamptz: (oid, length) = (1184, 8)
    case .interval: (oid, length) = (1186, 16)
    case .hll: (oid, length) = (17, -1)
    case .topn: (oid, length) = (3802, -1)
    case .topnRecord: (oid, length) = (2249, -1)
    }
  }
}

extension PostgresType {
  /// Element and array types, as pg_type numbers them.
  private static let arrays: [(element: UInt32, array: UInt32)] = [
    (16, 1000), (17, 1001), (18, 1002), (19, 1003), (20, 1016), (21, 1005), (23, 1007), (24, 1008), (25, 1009), (26, 1028), (114, 199),
    (700, 1021), (701, 1022), (869, 1041), (1042, 1014), (1043, 1015), (1082, 1182), (1083, 1183), (1114, 1115), (1184, 1185), (1186, 1187),
    (1700, 1231), (2205, 2210), (2206, 2211), (2950, 2951), (3802, 3807), (4089, 4090), (4096, 4097),
  ]
  static func arrayOID(_ element: UInt32) -> UInt32 { arrays.first { $0.element == element }?.array ?? 0 }
  static func elementOID(_ array: UInt32) -> UInt32? { arrays.first { $0.array == array }?.element }
}

/// A statement's parameter: the number its client knows it by, and our type.
public struct ParameterType: Equatable, Sendable {
  /// As ParameterDescription tells it.
  public var oid: UInt32
  /// As the engine takes it.
  public var type: DataType

  /// A parameter whose type the engine found.
  public init(_ type: DataType) {
    self.type = type
    oid = PostgresType(type).oid
  }
  /// Whether a sketch may be meant: to its client an hll is a bytea and a topn a jsonb.
  var mayBeSketch: Bool { type == .bytea || type == .jsonb }
  /// A parameter whose type its client named; nil leaves the type to the engine.
  ///
  /// Throws 0A000 for types that do not exist here.
  public init?(oid: UInt32) throws(TallyError) {
    self.oid = oid
    switch oid {
    case 16: type = .boolean
    case 21: type = .smallint
    case 23: type = .integer
    case 20: type = .bigint
    case 26: type = .oid
    case 24: type = .regproc
    case 2205: type = .regclass
    case 2206: type = .regtype
    case 4089: type = .regnamespace
    case 4096: type = .regrole
    case 700: type = .real
    case 701: type = .double
    case 1700: type = .plainNumeric
    case 1043: type = .varchar(0)
    case 25: type = .text
    case 18: type = .char
    case 19: type = .name
    case 1042: type = .bpchar(0)
    case 2950: type = .uuid
    case 869: type = .inet
    case 114: type = .json
    case 1082: type = .date
    case 1083: type = .time
    case 1114: type = .timestamp
    case 1184: type = .timestamptz
    case 1186: type = .interval
    case 17: type = .bytea
    case 3802: type = .jsonb
    // No type, and `unknown`: the context decides.
    case 0, 705: return nil
    default:
      if let element = PostgresType.elementOID(oid), let array = try ParameterType(oid: element)?.type.arrayType {
        type = array
        return
      }
      throw .sql(
        "0A000",
        "parameters of the type with OID \(oid) are not supported",
        hint: "Pass the value as text and cast it in the statement."
      )
    }
  }
}
