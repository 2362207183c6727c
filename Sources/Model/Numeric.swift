// Numeric.swift — exact decimal numbers: a 128-bit coefficient and a decimal scale. Arithmetic: Numeric+Arithmetic.swift.
//
// No NaN and no infinities; what does not fit 38 digits is an error (22003), never rounded silently.

/// coefficient · 10^-scale. Equal numbers may differ in scale, as in PostgreSQL (1.0 = 1.00, printed differently).
@frozen public struct Numeric: Sendable {
  /// The digits, signed; |coefficient| < 10^38.
  public var coefficient: Int128
  /// Digits after the point: 0 … 38.
  public var scale: UInt8
  /// Makes a number from its parts.
  @inlinable public init(coefficient: Int128, scale: UInt8) {
    self.coefficient = coefficient
    self.scale = scale
  }
  /// A whole number.
  @inlinable public init(_ value: Int64) { self.init(coefficient: Int128(value), scale: 0) }
}

/// A span of time as PostgreSQL keeps it; months, days and time do not convert into each other except for ordering.
@frozen public struct Interval: Hashable, Sendable {
  /// Months (years are twelve).
  public var months: Int32
  /// Days.
  public var days: Int32
  /// Microseconds.
  public var microseconds: Int64
  /// Makes an interval from its parts.
  @inlinable public init(months: Int32 = 0, days: Int32 = 0, microseconds: Int64 = 0) {
    self.months = months
    self.days = days
    self.microseconds = microseconds
  }
}

/// Reserved values of times: PostgreSQL's `infinity` and `-infinity` for dates and timestamps.
public enum TimeLimits {
  /// `infinity`.
  public static let infinity = Int64.max
  /// `-infinity`.
  public static let minusInfinity = Int64.min
}
