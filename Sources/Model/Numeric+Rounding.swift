// Numeric+Rounding.swift — rounding, numeric(p,s), and conversion between numerics, integers and doubles.

extension Numeric {
  /// How digits that are dropped affect those that stay.
  public enum Rounding: Sendable {
    /// Half away from zero: PostgreSQL's `round` and casts.
    case nearest
    /// Towards zero: `trunc`.
    case towardZero
    /// Towards minus infinity: `floor`.
    case down
    /// Towards infinity: `ceil`.
    case up
  }

  /// The number with exactly `places` digits after the point; negative places round left of the point.
  public func rounded(
    toScale places: Int,
    _ rounding: Rounding = .nearest
  ) throws(TallyError) -> Numeric {
    let wanted = Swift.max(0, Swift.min(places, Self.digitsMax))
    if wanted >= Int(scale) && places >= 0 {
      let wide = coefficient.magnitude.multipliedReportingOverflow(
        by: DecimalPower.of(wanted - Int(scale))
      )
      guard !wide.overflow else { throw Self.overflow() }
      return try Numeric(negative: coefficient < 0, magnitude: wide.partialValue, scale: wanted)
    }
    let dropped = Int(scale) - places
    let magnitude = coefficient.magnitude
    var quotient: UInt128 = 0
    var rest = magnitude
    var isHalf = false
    if dropped <= 38 {
      let power = DecimalPower.of(dropped)
      (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: power)
      isHalf = rest >= power - rest
    }
    let isUp: Bool
    switch rounding {
    case .nearest: isUp = isHalf
    case .towardZero: isUp = false
    case .down: isUp = coefficient < 0 && rest != 0
    case .up: isUp = coefficient > 0 && rest != 0
    }
    if isUp { quotient += 1 }
    if places < 0 && quotient != 0 {
      guard -places <= 38 else { throw Self.overflow() }
      let wide = quotient.multipliedReportingOverflow(by: DecimalPower.of(-places))
      guard !wide.overflow else { throw Self.overflow() }
      quotient = wide.partialValue
    }
    return try Numeric(negative: coefficient < 0, magnitude: quotient, scale: wanted)
  }
  /// The number as a `numeric(precision, scale)` keeps it, or 22003.
  public func fitted(precision: UInt8, scale: UInt8) throws(TallyError) -> Numeric {
    let whole = Int(precision) - Int(scale)
    let limit = whole > 0 ? "10^\(whole)" : "1"
    let failure = TallyError.sql(
      "22003",
      "numeric field overflow",
      detail:
        "A field with precision \(precision), scale \(scale) must round to an absolute value less than \(limit)."
    )
    // What does not fit 38 digits does not fit a declared precision either, so overflow is reported in its words.
    let result: Numeric
    do throws(TallyError) { result = try rounded(toScale: Int(scale)) } catch { throw failure }
    guard
      precision >= Self.digitsMax || result.coefficient.magnitude < DecimalPower.of(Int(precision))
    else {
      throw failure
    }
    return result
  }
  /// The number as a column of the given type keeps it; other types leave it as it is.
  public func fitted(to type: DataType) throws(TallyError) -> Numeric {
    guard case .numeric(let precision?, let scale) = type else { return self }
    return try fitted(precision: precision, scale: scale ?? 0)
  }
  /// The nearest whole number as an integer of the given type; 22003 outside its range.
  public func integer(as type: DataType = .bigint) throws(TallyError) -> Int64 {
    let power = DecimalPower.of(Int(scale))
    var (quotient, rest) = coefficient.magnitude.quotientAndRemainder(dividingBy: power)
    if scale > 0 && rest >= power - rest { quotient += 1 }
    let whole = coefficient < 0 ? -Int128(quotient) : Int128(quotient)
    guard let value = Int64(exactly: whole), IntegerRange.of(type).contains(value) else {
      throw IntegerRange.failure(type)
    }
    return value
  }
  /// The nearest double.
  public var double: Double {
    if let narrow = Int64(exactly: coefficient), narrow.magnitude < 1 << 53, scale <= 22 {
      return Double(narrow) / DecimalPower.doubles[Int(scale)]
    }
    if scale == 0 { return Double(coefficient) }
    return Double(String(coefficient) + "e-" + String(scale)) ?? .nan
  }
  /// The number a double prints as at 15 significant digits, as PostgreSQL casts; NaN and infinities are refused.
  public init(double value: Double) throws(TallyError) {
    guard value.isFinite else {
      throw .sql("22003", "cannot convert \(value.isNaN ? "NaN" : "infinity") to numeric")
    }
    var (digits, exponent) = DoubleText.shortestDigits(value)
    if DecimalPower.digits(UInt128(digits)) > 15 {
      (digits, exponent) = DoubleText.roundedTo15(value, digits: digits, exponent: exponent)
    }
    while digits != 0 && digits % 10 == 0 {
      digits /= 10
      exponent += 1
    }
    if digits == 0 { exponent = 0 }
    var magnitude = UInt128(digits)
    if exponent > 0 {
      guard exponent <= 38 else { throw Self.overflow() }
      let wide = magnitude.multipliedReportingOverflow(by: DecimalPower.of(exponent))
      guard !wide.overflow else { throw Self.overflow() }
      magnitude = wide.partialValue
      exponent = 0
    }
    try self.init(negative: value < 0, magnitude: magnitude, scale: -exponent)
  }
}

extension DecimalPower {
  /// 10^0 … 10^22, the powers a double holds exactly.
  static let doubles: [Double] = (0...22).map { Double(table[$0]) }
}

/// Ranges of the integer types.
public enum IntegerRange {
  /// Values of smallint, integer or (for every other type) bigint.
  @inlinable public static func of(_ type: DataType) -> ClosedRange<Int64> {
    switch type {
    case .smallint: Int64(Int16.min)...Int64(Int16.max)
    case .integer: Int64(Int32.min)...Int64(Int32.max)
    default: Int64.min...Int64.max
    }
  }
  /// `integer out of range` (22003).
  public static func failure(_ type: DataType) -> TallyError {
    .sql("22003", "\(type.name) out of range")
  }
  /// A double as PostgreSQL casts it to an integer type: to the nearest, ties to even.
  public static func integer(
    _ value: Double,
    as type: DataType = .bigint
  ) throws(TallyError) -> Int64 {
    let rounded = value.rounded(.toNearestOrEven)
    guard let whole = Int64(exactly: rounded), of(type).contains(whole) else { throw failure(type) }
    return whole
  }
}
