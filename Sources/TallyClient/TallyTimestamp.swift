// TallyTimestamp.swift — a point in time or a day, as the library's users hold it.
public import Model

/// A `timestamp`, `timestamptz` or `date`: microseconds since 1970-01-01 00:00 (UTC for timestamptz).
public struct TallyTimestamp: Hashable, Comparable, Sendable, CustomStringConvertible {
  /// Microseconds since 1970; `Int64.max` and `Int64.min` are the infinities.
  public var microseconds: Int64
  /// Makes a point in time.
  public init(microseconds: Int64) { self.microseconds = microseconds }
  /// Makes a point in time from whole seconds since 1970.
  public init(seconds: Int64) { self.init(microseconds: seconds * 1_000_000) }
  /// Reads PostgreSQL's text, for example `2013-01-01 05:00`.
  public init(_ text: String) throws(TallyError) {
    guard case .fixed(let value) = try ValueText.parse(text, as: .timestamp) else {
      throw .sql("22007", "invalid input syntax for type timestamp: \"\(text)\"")
    }
    self.init(microseconds: value)
  }
  /// Text as of a `timestamp`, `2013-01-01 05:00:00`.
  public var description: String { ValueText.print(.fixed(microseconds), as: .timestamp) ?? "" }
  /// Earlier is less.
  public static func < (a: TallyTimestamp, b: TallyTimestamp) -> Bool {
    a.microseconds < b.microseconds
  }
  static let dayMicroseconds: Int64 = 86_400_000_000
}

extension TallyTimestamp: TallyDecodable {
  /// From timestamp, timestamptz and date (its midnight).
  public static func decode(_ cell: Cell) throws(TallyError) -> TallyTimestamp {
    guard case .fixed(let value) = cell.content, cell.type.isTime else {
      throw cell.mismatch(Self.self)
    }
    guard cell.type == .date, value != TimeLimits.infinity, value != TimeLimits.minusInfinity else {
      return TallyTimestamp(microseconds: value)
    }
    let (product, overflow) = value.multipliedReportingOverflow(by: dayMicroseconds)
    guard !overflow else { throw cell.outOfRange(Self.self) }
    return TallyTimestamp(microseconds: product)
  }
}

extension TallyTimestamp: TallyEncodable {
  /// For timestamp, timestamptz and date (the day it lies on).
  public func value(as type: DataType) throws(TallyError) -> Value {
    switch type {
    case .timestamp, .timestamptz: return .fixed(microseconds)
    case .date:
      if microseconds == TimeLimits.infinity || microseconds == TimeLimits.minusInfinity {
        return .fixed(microseconds)
      }
      let day = microseconds / Self.dayMicroseconds
      return .fixed(microseconds % Self.dayMicroseconds < 0 ? day - 1 : day)
    default: throw mismatch(type)
    }
  }
}
