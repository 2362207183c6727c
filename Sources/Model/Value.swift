// Value.swift — one SQL value outside a vector: literals, constants, catalog entries, results at the edge.

/// One value. Its SQL type stands beside it (`TypedValue`, a column, an expression); this is only the content.
public enum Value: Sendable {
  case null
  /// Layout `.fixed`: see `VectorLayout`.
  case fixed(Int64)
  case double(Double)
  case numeric(Numeric)
  case text(String)
  /// A bytea, a uuid, an inet or an array (`DataType.isBinary`); layout `.text` as well.
  case bytes([UInt8])
  case interval(Interval)
  /// Packed postgresql-hll bytes (version 1).
  case hll([UInt8])
  /// A packed TopN state, as `Aggregates.TopNFormat` defines it.
  case topn([UInt8])

  /// True for NULL.
  public var isNull: Bool {
    if case .null = self { return true }
    return false
  }
}

/// A value with its type.
public struct TypedValue: Sendable {
  /// The SQL type.
  public var type: DataType
  /// The content; its case matches `type.layout` or is `.null`.
  public var value: Value
  /// Pairs a type and a content.
  public init(_ type: DataType, _ value: Value) {
    self.type = type
    self.value = value
  }
}
