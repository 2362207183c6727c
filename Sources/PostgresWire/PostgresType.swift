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
    case .double: (oid, length) = (701, 8)
    case .numeric(let precision, let scale):
      (oid, length) = (1700, -1)
      if let precision { modifier = (Int32(precision) << 16 | Int32(scale ?? 0)) + 4 }
    case .text, .unknown: (oid, length) = (25, -1)
    case .varchar(let limit):
      (oid, length) = (1043, -1)
      if limit > 0 { modifier = Int32(clamping: Int64(limit) + 4) }
    case .date: (oid, length) = (1082, 4)
    case .timestamp: (oid, length) = (1114, 8)
    case .timestamptz: (oid, length) = (1184, 8)
    case .interval: (oid, length) = (1186, 16)
    case .hll: (oid, length) = (17, -1)
    case .topn: (oid, length) = (3802, -1)
    case .topnRecord: (oid, length) = (2249, -1)
    }
  }
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
  /// A parameter whose type its client named; nil leaves the type to the engine.
  ///
  /// Throws 0A000 for types that do not exist here.
  public init?(oid: UInt32) throws(TallyError) {
    self.oid = oid
    switch oid {
    case 16: type = .boolean
    case 21: type = .smallint
    case 23: type = .integer
    case 20, 26: type = .bigint
    case 700, 701: type = .double
    case 1700: type = .plainNumeric
    case 1043: type = .varchar(0)
    case 25, 18, 19, 1042, 2950, 114: type = .text
    case 1082: type = .date
    case 1114: type = .timestamp
    case 1184: type = .timestamptz
    case 1186: type = .interval
    // No type, `unknown`, and what sketches show as: the context decides.
    case 0, 705, 17, 3802: return nil
    default:
      throw .sql(
        "0A000",
        "parameters of the type with OID \(oid) are not supported",
        hint: "Pass the value as text and cast it in the statement."
      )
    }
  }
}
