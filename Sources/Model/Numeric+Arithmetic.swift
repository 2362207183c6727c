// Numeric+Arithmetic.swift — exact decimal arithmetic with PostgreSQL's result scales.
//
// Differences from PostgreSQL follow from the 38 digits of a coefficient: what would need more is an error (22003), except
// that trailing zeros beyond them are dropped, which changes no value. Rounding is half away from zero everywhere.

/// Powers of ten and the bound of a coefficient.
enum DecimalPower {
  /// 10^0 … 10^38.
  static let table: [UInt128] = {
    var powers: [UInt128] = [1]
    for _ in 1...38 { powers.append(powers[powers.count - 1] * 10) }
    return powers
  }()
  /// 10^n, n in 0 … 38.
  @inline(__always) static func of(_ n: Int) -> UInt128 { table[n] }
  /// Decimal digits of a value; 1 for 0.
  static func digits(_ value: UInt128) -> Int {
    if value < 10 { return 1 }
    // log10(2) ≈ 1233/4096, then one correction.
    let guess = ((128 - value.leadingZeroBitCount) * 1233) >> 12
    return guess > 38 || value >= table[guess] ? guess + 1 : guess
  }
}

extension Numeric {
  /// Digits a coefficient may have.
  public static let digitsMax = 38
  /// 10^38: the first magnitude a coefficient may not have.
  static let bound = DecimalPower.of(38)
  /// 22003: more than 38 digits.
  static func overflow() -> TallyError {
    .sql(
      "22003",
      "value overflows numeric format",
      detail: "Numbers have at most 38 decimal digits."
    )
  }
  /// 0 with scale 0.
  public static let zero = Numeric(0)
  /// -1, 0 or 1.
  public var sign: Int { coefficient < 0 ? -1 : coefficient > 0 ? 1 : 0 }

  /// Makes a number from sign, magnitude and scale; exact trailing zeros are dropped only where they would not fit.
  init(negative: Bool, magnitude: UInt128, scale: Int) throws(TallyError) {
    var magnitude = magnitude
    var scale = scale
    if magnitude == 0 { scale = min(scale, Self.digitsMax) }
    while scale > Self.digitsMax || (magnitude >= Self.bound && scale > 0) {
      let (quotient, rest) = magnitude.quotientAndRemainder(dividingBy: 10)
      guard rest == 0 else { throw Self.overflow() }
      magnitude = quotient
      scale -= 1
    }
    guard magnitude < Self.bound else { throw Self.overflow() }
    self.init(coefficient: negative ? -Int128(magnitude) : Int128(magnitude), scale: UInt8(scale))
  }
  /// Both coefficients at the larger of the two scales.
  private static func aligned(
    _ a: Numeric,
    _ b: Numeric
  ) throws(TallyError) -> (Int128, Int128, UInt8) {
    if a.scale == b.scale { return (a.coefficient, b.coefficient, a.scale) }
    let scale = Swift.max(a.scale, b.scale)
    let left = a.coefficient.multipliedReportingOverflow(
      by: Int128(DecimalPower.of(Int(scale - a.scale)))
    )
    let right = b.coefficient.multipliedReportingOverflow(
      by: Int128(DecimalPower.of(Int(scale - b.scale)))
    )
    guard !left.overflow, !right.overflow else { throw overflow() }
    return (left.partialValue, right.partialValue, scale)
  }
  private static func checked(
    _ coefficient: Int128,
    _ overflowed: Bool,
    _ scale: UInt8
  ) throws(TallyError) -> Numeric {
    guard !overflowed else { throw overflow() }
    if coefficient.magnitude >= bound {
      return try Numeric(
        negative: coefficient < 0,
        magnitude: coefficient.magnitude,
        scale: Int(scale)
      )
    }
    return Numeric(coefficient: coefficient, scale: scale)
  }

  /// Negative, zero or positive as a is less than, equal to or greater than b.
  public static func compare(_ a: Numeric, _ b: Numeric) -> Int {
    if a.scale == b.scale {
      return a.coefficient < b.coefficient ? -1 : a.coefficient > b.coefficient ? 1 : 0
    }
    if a.sign != b.sign { return a.sign < b.sign ? -1 : 1 }
    if a.scale > b.scale { return -compare(b, a) }
    let wide = a.coefficient.multipliedReportingOverflow(
      by: Int128(DecimalPower.of(Int(b.scale - a.scale)))
    )
    // Past 2^127 it is larger in magnitude than any coefficient.
    if wide.overflow { return a.sign }
    return wide.partialValue < b.coefficient ? -1 : wide.partialValue > b.coefficient ? 1 : 0
  }
  /// The same number at its smallest scale: equal numbers become identical, so that they hash and encode alike.
  public var normalized: Numeric {
    if scale == 0 { return self }
    if coefficient == 0 { return Numeric(coefficient: 0, scale: 0) }
    var scale = scale
    if let narrow = Int64(exactly: coefficient) {
      var value = narrow
      while scale > 0 && value % 10 == 0 {
        value /= 10
        scale -= 1
      }
      return Numeric(coefficient: Int128(value), scale: scale)
    }
    var value = coefficient
    while scale > 0 && value % 10 == 0 {
      value /= 10
      scale -= 1
    }
    return Numeric(coefficient: value, scale: scale)
  }
  /// a + b at the larger scale.
  public static func add(_ a: Numeric, _ b: Numeric) throws(TallyError) -> Numeric {
    let (left, right, scale) = try aligned(a, b)
    let sum = left.addingReportingOverflow(right)
    return try checked(sum.partialValue, sum.overflow, scale)
  }
  /// a - b at the larger scale.
  public static func subtract(_ a: Numeric, _ b: Numeric) throws(TallyError) -> Numeric {
    let (left, right, scale) = try aligned(a, b)
    let difference = left.subtractingReportingOverflow(right)
    return try checked(difference.partialValue, difference.overflow, scale)
  }
  /// a · b at the sum of the scales.
  public static func multiply(_ a: Numeric, _ b: Numeric) throws(TallyError) -> Numeric {
    let scale = Int(a.scale) + Int(b.scale)
    let product = a.coefficient.multipliedReportingOverflow(by: b.coefficient)
    if !product.overflow && scale <= digitsMax {
      return try checked(product.partialValue, false, UInt8(scale))
    }
    // Only trailing zeros can save it now.
    let (left, right) = (a.normalized, b.normalized)
    let again = left.coefficient.multipliedReportingOverflow(by: right.coefficient)
    guard !again.overflow else { throw overflow() }
    var exact = try Numeric(
      negative: again.partialValue < 0,
      magnitude: again.partialValue.magnitude,
      scale: Int(left.scale) + Int(right.scale)
    )
    // Give back as many of the dropped zeros as fit.
    while Int(exact.scale) < Swift.min(scale, digitsMax), exact.coefficient.magnitude < bound / 10 {
      exact = Numeric(coefficient: exact.coefficient * 10, scale: exact.scale + 1)
    }
    return exact
  }
  /// -a.
  public static func negate(_ a: Numeric) -> Numeric {
    Numeric(coefficient: -a.coefficient, scale: a.scale)
  }
  /// |a|.
  public static func absolute(_ a: Numeric) -> Numeric { a.coefficient < 0 ? negate(a) : a }

  /// The scale PostgreSQL chooses for a quotient: at least 16 significant digits, counted in its base-10000 digits, and not
  /// less than either operand's.
  static func divisionScale(_ a: Numeric, _ b: Numeric) -> Int {
    let (weightA, digitA) = a.leadingDigit
    let (weightB, digitB) = b.leadingDigit
    let weight = weightA - weightB - (digitA <= digitB ? 1 : 0)
    return Swift.max(16 - weight * 4, Int(a.scale), Int(b.scale), 0)
  }
  /// First base-10000 digit that is not zero and its exponent; (0, 0) for zero.
  private var leadingDigit: (weight: Int, digit: UInt128) {
    let magnitude = coefficient.magnitude
    if magnitude == 0 { return (0, 0) }
    let exponent = DecimalPower.digits(magnitude) - Int(scale) - 1
    let weight = exponent >= 0 ? exponent / 4 : -((3 - exponent) / 4)
    let shift = Int(scale) + weight * 4
    return (
      weight, shift >= 0 ? magnitude / DecimalPower.of(shift) : magnitude * DecimalPower.of(-shift)
    )
  }
  /// a / b, rounded at `divisionScale`; 22012 when b is zero.
  public static func divide(_ a: Numeric, _ b: Numeric) throws(TallyError) -> Numeric {
    guard b.coefficient != 0 else { throw .sql("22012", "division by zero") }
    let wanted = divisionScale(a, b)
    let scale = Swift.min(wanted, digitsMax)
    // |a| · 10^shift / |b|; never negative, as the scale is at least a's.
    let shift = scale + Int(b.scale) - Int(a.scale)
    let negative = (a.coefficient < 0) != (b.coefficient < 0)
    let divisor = b.coefficient.magnitude
    var (quotient, rest) = a.coefficient.magnitude.quotientAndRemainder(dividingBy: divisor)
    var left = shift
    while left > 0 {
      let step = Swift.min(left, digitsMax)
      let power = DecimalPower.of(step)
      let shifted = quotient.multipliedReportingOverflow(by: power)
      guard !shifted.overflow else { throw overflow() }
      // rest < divisor, so the high word of the product is below the divisor and the division cannot overflow.
      let (high, low) = rest.multipliedFullWidth(by: power)
      let part =
        high == 0
        ? low.quotientAndRemainder(dividingBy: divisor) : divisor.dividingFullWidth((high, low))
      let sum = shifted.partialValue.addingReportingOverflow(part.quotient)
      guard !sum.overflow else { throw overflow() }
      (quotient, rest) = (sum.partialValue, part.remainder)
      left -= step
    }
    if scale < wanted && rest != 0 { throw overflow() }
    if rest >= divisor - rest { quotient += 1 }
    return try Numeric(negative: negative && quotient != 0, magnitude: quotient, scale: scale)
  }
  /// The remainder of the truncated quotient: it has the sign of a; 22012 when b is zero.
  public static func modulo(_ a: Numeric, _ b: Numeric) throws(TallyError) -> Numeric {
    guard b.coefficient != 0 else { throw .sql("22012", "division by zero") }
    var divisor = b.coefficient.magnitude
    var rest = a.coefficient.magnitude
    if a.scale >= b.scale {
      let wide = divisor.multipliedReportingOverflow(by: DecimalPower.of(Int(a.scale - b.scale)))
      // A divisor past 2^128 is larger than any coefficient.
      if wide.overflow { return a }
      divisor = wide.partialValue
      rest %= divisor
    } else {
      let (high, low) = (rest % divisor).multipliedFullWidth(
        by: DecimalPower.of(Int(b.scale - a.scale))
      )
      rest = high == 0 ? low % divisor : divisor.dividingFullWidth((high, low)).remainder
    }
    return try Numeric(
      negative: a.coefficient < 0,
      magnitude: rest,
      scale: Int(Swift.max(a.scale, b.scale))
    )
  }
}

extension Numeric: Hashable, Comparable {
  /// By value: 1.0 == 1.00.
  public static func == (a: Numeric, b: Numeric) -> Bool { compare(a, b) == 0 }
  /// By value.
  public static func < (a: Numeric, b: Numeric) -> Bool { compare(a, b) < 0 }
  /// By value.
  public func hash(into hasher: inout Hasher) {
    let same = normalized
    hasher.combine(same.coefficient)
    hasher.combine(same.scale)
  }
}
