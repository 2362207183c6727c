// ScalarFunctions+Numbers.swift — powers, logarithms, trigonometry, whole numbers and bits, with PostgreSQL's errors.
//
// numeric has exact roots and whole powers here; its exp, ln, log and other powers stand in ScalarFunctions+Logarithms.
internal import Glibc
import Model

extension ScalarFunctions {
  static func number(_ function: Function, _ a: FunctionArguments, _ result: DataType) throws(TallyError) -> Value {
    switch function {
    case .bitAnd: return .fixed(a.integer(0) & a.integer(1))
    case .bitOr: return .fixed(a.integer(0) | a.integer(1))
    case .bitXor: return .fixed(a.integer(0) ^ a.integer(1))
    case .bitNot: return .fixed(~a.integer(0))
    case .shiftLeft, .shiftRight: return .fixed(shift(a.integer(0), a.integer(1), isLeft: function == .shiftLeft, result))
    case .greatestCommonDivisor: return .fixed(try integer(divisor(a.integer(0), a.integer(1)), result))
    case .leastCommonMultiple:
      if a.integer(0) == 0 || a.integer(1) == 0 { return .fixed(0) }
      let whole = (a.integer(0).magnitude / divisor(a.integer(0), a.integer(1))).multipliedReportingOverflow(by: a.integer(1).magnitude)
      guard !whole.overflow else { throw IntegerRange.failure(result) }
      return .fixed(try integer(whole.partialValue, result))
    case .factorial:
      let n = a.integer(0)
      guard n >= 0 else { throw .sql("22003", "factorial of a negative number is undefined") }
      var product = Numeric(1)
      if n > 1 { for factor in 2...min(n, 200) { product = try Numeric.multiply(product, Numeric(factor)) } }
      return .numeric(product)
    case .scale: return .fixed(Int64(a.numeric(0).scale))
    case .minScale: return .fixed(Int64(trimmed(a.numeric(0)).scale))
    case .trimScale: return .numeric(trimmed(a.numeric(0)))
    case .sizePretty: return .text(sizePretty(a.integer(0)))
    case .widthBucket: return .fixed(try widthBucket(a))
    case .divideWhole:
      let (x, y) = (a.numeric(0), a.numeric(1))
      let rest = try Numeric.modulo(x, y)
      return .numeric(try Numeric.divide(try Numeric.subtract(x, rest), y).rounded(toScale: 0))
    default:
      if case .numeric = a.values[0] { return .numeric(try numeric(function, a)) }
      return .double(try double(function, a))
    }
  }
  /// As machines shift: by the count's low bits.
  private static func shift(_ value: Int64, _ count: Int64, isLeft: Bool, _ type: DataType) -> Int64 {
    switch type {
    case .bigint:
      let by = count & 63
      return isLeft ? value << by : value >> by
    case .integer:
      let (narrow, by) = (Int32(truncatingIfNeeded: value), Int32(truncatingIfNeeded: count & 31))
      return Int64(isLeft ? narrow << by : narrow >> by)
    default:
      let wide = Int32(truncatingIfNeeded: value)
      let by = Int32(truncatingIfNeeded: count & 31)
      return Int64(Int16(truncatingIfNeeded: isLeft ? wide << by : wide >> by))
    }
  }
  private static func divisor(_ a: Int64, _ b: Int64) -> UInt64 {
    var (x, y) = (a.magnitude, b.magnitude)
    while y != 0 { (x, y) = (y, x % y) }
    return x
  }
  private static func integer(_ magnitude: UInt64, _ type: DataType) throws(TallyError) -> Int64 {
    guard let value = Int64(exactly: magnitude), IntegerRange.of(type).contains(value) else { throw IntegerRange.failure(type) }
    return value
  }
  private static func trimmed(_ number: Numeric) -> Numeric {
    var result = number
    while result.scale > 0, result.coefficient % 10 == 0 {
      result.coefficient /= 10
      result.scale -= 1
    }
    return result
  }
  private static func sizePretty(_ size: Int64) -> String {
    let units = ["bytes", "kB", "MB", "GB", "TB", "PB"]
    var value = size
    var unit = 0
    // Halves are kept one bit longer, and rounded away from zero at the end.
    var isHalved = false
    while unit < units.count - 1 {
      let limit: UInt64 = isHalved ? 20 * 1024 - 1 : 10 * 1024
      if value.magnitude < limit { break }
      value /= unit == 0 ? 512 : 1024
      isHalved = true
      unit += 1
    }
    if isHalved { value = value > 0 ? (value + 1) / 2 : (value - 1) / 2 }
    return "\(value) \(units[unit])"
  }
  private static func widthBucket(_ a: FunctionArguments) throws(TallyError) -> Int64 {
    let count = a.integer(3)
    guard count > 0 else { throw .sql("2201G", "count must be greater than zero") }
    let sum: Int64
    if case .numeric = a.values[0] {
      let (x, low, high) = (a.numeric(0), a.numeric(1), a.numeric(2))
      guard low != high else { throw .sql("2201G", "lower bound cannot equal upper bound") }
      let isRising = low < high
      if isRising ? x < low : low < x { return 0 }
      if isRising ? !(x < high) : !(high < x) {
        sum = count + 1
      } else {
        let part = try Numeric.multiply(try Numeric.subtract(x, low), Numeric(count))
        let whole = try Numeric.divide(part, try Numeric.subtract(high, low)).rounded(toScale: 0, .towardZero)
        sum = try whole.integer() + 1
      }
    } else {
      let (x, low, high) = (a.double(0), a.double(1), a.double(2))
      guard !x.isNaN, !low.isNaN, !high.isNaN else { throw .sql("2201G", "operand, lower bound, and upper bound cannot be NaN") }
      guard low.isFinite, high.isFinite else { throw .sql("2201G", "lower and upper bounds must be finite") }
      guard low != high else { throw .sql("2201G", "lower bound cannot equal upper bound") }
      let isRising = low < high
      if isRising ? x < low : x > low { return 0 }
      if isRising ? x >= high : x <= high {
        sum = count + 1
      } else {
        // Bounds may lie further apart than any double.
        let part = (high - low).isFinite ? (x - low) / (high - low) : (x / 2 - low / 2) / (high / 2 - low / 2)
        sum = min(count, Int64((Double(count) * part).rounded(.down))) + 1
      }
    }
    guard sum <= Int64(Int32.max) else { throw IntegerRange.failure(.integer) }
    return sum
  }

  // MARK: double precision

  private static var overflow: TallyError { .sql("22003", "value out of range: overflow") }
  private static var underflow: TallyError { .sql("22003", "value out of range: underflow") }
  private static var outOfRange: TallyError { .sql("22003", "input is out of range") }

  private static func double(_ function: Function, _ a: FunctionArguments) throws(TallyError) -> Double {
    let x = a.double(0)
    switch function {
    case .power: return try power(x, a.double(1))
    case .squareRoot:
      guard !(x < 0) else { throw .sql("2201F", "cannot take square root of a negative number") }
      return x.squareRoot()
    case .cubeRoot: return Glibc.cbrt(x)
    case .exponential:
      let value = Glibc.exp(x)
      if value.isInfinite, x.isFinite { throw overflow }
      if value == 0, x.isFinite { throw underflow }
      return value
    case .naturalLogarithm, .logarithm:
      if x == 0 { throw .sql("2201E", "cannot take logarithm of zero") }
      if x < 0 { throw .sql("2201E", "cannot take logarithm of a negative number") }
      return function == .logarithm ? Glibc.log10(x) : Glibc.log(x)
    case .sign: return x > 0 ? 1 : x < 0 ? -1 : 0
    case .sine, .cosine, .tangent, .cotangent:
      if x.isNaN { return x }
      guard x.isFinite else { throw outOfRange }
      switch function {
      case .sine: return Glibc.sin(x)
      case .cosine: return Glibc.cos(x)
      case .tangent: return Glibc.tan(x)
      default: return 1 / Glibc.tan(x)
      }
    case .arcSine, .arcCosine:
      if x.isNaN { return x }
      guard x >= -1, x <= 1 else { throw outOfRange }
      return function == .arcSine ? Glibc.asin(x) : Glibc.acos(x)
    case .arcTangent: return Glibc.atan(x)
    case .arcTangent2: return Glibc.atan2(x, a.double(1))
    case .hyperbolicSine: return Glibc.sinh(x)
    case .hyperbolicCosine: return Glibc.cosh(x)
    case .hyperbolicTangent: return Glibc.tanh(x)
    case .degrees:
      let value = x / (.pi / 180)
      if value.isInfinite, x.isFinite { throw overflow }
      return value
    default: return x * (.pi / 180)
    }
  }
  private static func power(_ x: Double, _ y: Double) throws(TallyError) -> Double {
    if x.isNaN { return y == 0 ? 1 : x }
    if y.isNaN { return x == 1 ? 1 : y }
    if x == 0, y < 0 { throw .sql("2201F", "zero raised to a negative power is undefined") }
    if x < 0, y.isFinite, y.rounded(.down) != y {
      throw .sql("2201F", "a negative number raised to a non-integer power yields a complex result")
    }
    let value = Glibc.pow(x, y)
    if value.isInfinite, x.isFinite, y.isFinite { throw overflow }
    if value == 0, x.isFinite, x != 0, y.isFinite { throw underflow }
    return value
  }

  // MARK: numeric

  private static func numeric(_ function: Function, _ a: FunctionArguments) throws(TallyError) -> Numeric {
    let x = a.numeric(0)
    switch function {
    case .sign: return Numeric(x.coefficient > 0 ? 1 : x.coefficient < 0 ? -1 : 0)
    case .squareRoot: return try squareRoot(x)
    case .power: return try power(x, a.numeric(1))
    case .exponential: return try exponential(x)
    case .naturalLogarithm: return try naturalLogarithm(x)
    case .logarithm: return try logarithm(x, base: Numeric(10))
    default: return try logarithm(a.numeric(1), base: x)
    }
  }
  /// Digits before the point; negative for leading zeros after it.
  private static func weight(_ number: Numeric) -> Int {
    var digits = 0
    var rest = number.coefficient.magnitude
    while rest > 0 {
      rest /= 10
      digits += 1
    }
    return digits - Int(number.scale)
  }
  /// PostgreSQL's scale of sqrt: 16 significant digits at least, not fewer places than the argument's.
  private static func squareRoot(_ x: Numeric) throws(TallyError) -> Numeric {
    guard x.coefficient >= 0 else { throw .sql("2201F", "cannot take square root of a negative number") }
    // PostgreSQL counts by groups of four digits.
    let group = x.coefficient == 0 ? 0 : Int((Double(weight(x) - 1) / 4).rounded(.down))
    let sweight = (group + 1) * 2 - 1
    let places = min(37, max(16 - sweight, Int(x.scale), 0))
    if x.coefficient == 0 { return Numeric(coefficient: 0, scale: UInt8(places)) }
    // root(c · 10^-s) to `places` and one more: the whole root of c · 10^(2 · (places + 1) - s), by digits.
    let scaled = WideNatural(x.coefficient.magnitude).timesTen(2 * (places + 1) - Int(x.scale))
    guard let root = scaled.squareRoot() else { throw .sql("22003", "value overflows numeric format") }
    return try Numeric(coefficient: root, scale: UInt8(places + 1)).rounded(toScale: places)
  }
  private static func power(_ x: Numeric, _ y: Numeric) throws(TallyError) -> Numeric {
    let whole = trimmed(y)
    if x.coefficient == 0, y.coefficient < 0 { throw .sql("2201F", "zero raised to a negative power is undefined") }
    guard whole.scale == 0 else {
      if x.coefficient < 0 { throw .sql("2201F", "a negative number raised to a non-integer power yields a complex result") }
      return try fractionalPower(x, y)
    }
    let base = trimmed(x)
    // Powers of these are small, whatever the exponent.
    let isUnit = base.scale == 0 && base.coefficient.magnitude <= 1
    let exponent = isUnit ? whole.coefficient.signum() * (whole.coefficient % 2 == 0 ? 2 : 1) : whole.coefficient
    guard let count = Int64(exactly: exponent), count.magnitude <= 10_000 else {
      throw .sql("22003", "value overflows numeric format")
    }
    var result = Numeric(1)
    var step = base
    var left = count.magnitude
    while left > 0 {
      if left & 1 == 1 { result = try Numeric.multiply(result, step) }
      left >>= 1
      if left > 0 { step = try Numeric.multiply(step, step) }
    }
    if count < 0 { result = try Numeric.divide(Numeric(1), result) }
    // 16 places at least, as far as there are digits.
    let places = max(Int(x.scale), Int(y.scale), 16)
    return try result.rounded(toScale: min(places, max(0, 37 - max(0, weight(result)))))
  }
}

/// A natural number of many digits, least first, as far as a square root needs.
private struct WideNatural {
  private var words: [UInt32] = []

  init(_ value: UInt128) {
    var rest = value
    while rest > 0 {
      words.append(UInt32(truncatingIfNeeded: rest))
      rest >>= 32
    }
  }
  func timesTen(_ power: Int) -> WideNatural {
    var result = self
    for _ in 0..<max(0, power) {
      var carry: UInt64 = 0
      for at in result.words.indices {
        let product = UInt64(result.words[at]) * 10 + carry
        result.words[at] = UInt32(truncatingIfNeeded: product)
        carry = product >> 32
      }
      if carry > 0 { result.words.append(UInt32(carry)) }
    }
    for _ in 0..<max(0, -power) {
      var rest: UInt64 = 0
      for at in result.words.indices.reversed() {
        let part = rest << 32 | UInt64(result.words[at])
        result.words[at] = UInt32(part / 10)
        rest = part % 10
      }
    }
    return result
  }
  private func bit(_ at: Int) -> Int { at / 32 < words.count ? Int(words[at / 32] >> UInt32(at % 32) & 1) : 0 }
  /// The whole square root, digit by binary digit; nil when it has more than 126 bits.
  func squareRoot() -> Int128? {
    var root: UInt128 = 0
    var rest: UInt128 = 0
    let pairs = (words.count * 32 + 1) / 2
    for pair in stride(from: pairs - 1, through: 0, by: -1) {
      guard root < 1 << 125 else { return nil }
      rest = rest << 2 | UInt128(bit(pair * 2 + 1) << 1 | bit(pair * 2))
      let trial = root << 2 | 1
      root <<= 1
      if rest >= trial {
        rest -= trial
        root |= 1
      }
    }
    return Int128(root)
  }
}
