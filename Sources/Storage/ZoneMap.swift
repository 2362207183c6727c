// ZoneMap.swift — the bounds of a column within a block, and the questions a scan asks them.
//
// Zones are advice: a block they do not exclude may still hold no matching row, and callers filter exactly.
public import Model

/// Bounds of the values of one column in one block; NULLs apart.
public struct Zone: Sendable {
  /// Bounds of the values that are not NULL.
  public enum Bounds: Sendable {
    /// No bounds are kept for the type.
    case unknown
    /// Every row is NULL.
    case none
    /// Layout fixed: both reached.
    case fixed(Int64, Int64)
    /// Layout double in PostgreSQL's order (NaN greatest): both reached.
    case double(Double, Double)
    /// Layout numeric: both reached.
    case numeric(Numeric, Numeric)
    /// Layout text: the first 16 bytes of the least and the greatest text.
    case text([UInt8], [UInt8])
  }
  /// True when a row is NULL.
  public var hasNulls: Bool
  /// Bounds.
  public var bounds: Bounds
  /// Makes a zone.
  public init(hasNulls: Bool, bounds: Bounds) {
    self.hasNulls = hasNulls
    self.bounds = bounds
  }
}

/// A condition on one column that lets a scan skip blocks.
public struct ZonePredicate: Sendable {
  /// Conditions; none of the ranges matches NULL. A nil bound is open.
  public enum Test: Sendable {
    /// low ≤ value ≤ high, layout fixed.
    case fixed(low: Int64?, high: Int64?)
    /// value is one of these, rising; layout fixed.
    case fixedAny([Int64])
    /// low ≤ value ≤ high, layout double.
    case double(low: Double?, high: Double?)
    /// low ≤ value ≤ high, layout numeric.
    case numeric(low: Numeric?, high: Numeric?)
    /// low ≤ value ≤ high by bytes, layout text.
    case text(low: [UInt8]?, high: [UInt8]?)
    /// value is one of these, rising by bytes; layout text.
    case textAny([[UInt8]])
    /// value IS NULL.
    case isNull
    /// value IS NOT NULL.
    case isNotNull
  }
  /// Column number in the relation.
  public var column: Int
  /// The condition.
  public var test: Test
  /// Makes a predicate.
  public init(column: Int, _ test: Test) {
    self.column = column
    self.test = test
  }
  /// value = `value`, layout fixed.
  public static func equal(_ column: Int, _ value: Int64) -> ZonePredicate {
    ZonePredicate(column: column, .fixed(low: value, high: value))
  }
  /// value = `text` by bytes.
  public static func equal(_ column: Int, text: [UInt8]) -> ZonePredicate {
    ZonePredicate(column: column, .text(low: text, high: text))
  }
}
