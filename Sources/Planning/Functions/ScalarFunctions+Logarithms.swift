// ScalarFunctions+Logarithms.swift — exp, ln, log and powers of numeric, with as many places as PostgreSQL gives.
//
// PostgreSQL wants sixteen significant digits and not fewer places than the arguments have; it estimates a result's size from the leading
// digits of base 10,000, and so do these. A result that would need more than 38 digits is refused (22003).
import Glibc
import Model

extension ScalarFunctions {
  private static var overflow: TallyError { .sql("22003", "value overflows numeric format") }
  private static let logOfE = 0.434294481903252

  static func exponential(_ x: Numeric) throws(TallyError) -> Numeric {
    let estimate = x.double * logOfE
    guard estimate.magnitude < 40 else { throw overflow }
    return try rounded(WideDecimal(x).exponential, places: max(16 - Int(estimate), Int(x.scale), 0))
  }
  static func naturalLogarithm(_ x: Numeric) throws(TallyError) -> Numeric {
    try checkLogarithm(x)
    return try rounded(WideDecimal.logarithm(x), places: max(16 - (try logarithmWeight(x)), Int(x.scale), 0))
  }
  /// The logarithm of x to a base.
  static func logarithm(_ x: Numeric, base: Numeric) throws(TallyError) -> Numeric {
    try checkLogarithm(base)
    try checkLogarithm(x)
    let divisor = WideDecimal.logarithm(base)
    if divisor.isZero { throw .sql("22012", "division by zero") }
    let weight = try logarithmWeight(x) - logarithmWeight(base)
    return try rounded(WideDecimal.logarithm(x) / divisor, places: max(16 - weight, Int(base.scale), Int(x.scale), 0))
  }
  /// x to a power that is no whole number.
  static func fractionalPower(_ x: Numeric, _ y: Numeric) throws(TallyError) -> Numeric {
    if x.coefficient == 0 { return Numeric(coefficient: 0, scale: 16) }
    let exponent = WideDecimal(y) * WideDecimal.logarithm(x)
    let estimate = exponent.double * logOfE
    guard estimate.magnitude < 40 else { throw overflow }
    return try rounded(exponent.exponential, places: max(16 - Int(estimate), Int(x.scale), Int(y.scale), 0))
  }

  private static func rounded(_ value: WideDecimal, places: Int) throws(TallyError) -> Numeric {
    guard let result = value.numeric(places: places) else { throw overflow }
    return result
  }
  private static func checkLogarithm(_ x: Numeric) throws(TallyError) {
    if x.coefficient == 0 { throw .sql("2201E", "cannot take logarithm of zero") }
    if x.coefficient < 0 { throw .sql("2201E", "cannot take logarithm of a negative number") }
  }
  /// Digits before the point of a number's logarithm, by PostgreSQL's estimate.
  private static func logarithmWeight(_ x: Numeric) throws(TallyError) -> Int {
    if !(x < Numeric(coefficient: 9, scale: 1)), !(Numeric(coefficient: 11, scale: 1) < x) {
      // Near one the logarithm is about x - 1.
      let (groups, weight) = groups(try Numeric.subtract(x, Numeric(1)))
      return groups.isEmpty ? 0 : weight * 4 + Int(Glibc.log10(Double(groups[0])))
    }
    let (groups, weight) = groups(x)
    guard var leading = groups.first else { return 0 }
    var places = weight * 4
    if groups.count > 1 {
      leading = leading * 10_000 + groups[1]
      places -= 4
    }
    return Int(Glibc.log10(abs(Glibc.log(Double(leading)) + Double(places) * 2.302585092994046)))
  }
  /// A number's digits of base 10,000, without zeros at either end, and the power of the first.
  private static func groups(_ x: Numeric) -> (digits: [Int], weight: Int) {
    var places = Int(x.scale)
    var digits = Array(String(x.coefficient.magnitude).utf8.map { Int($0 - 0x30) })
    while places % 4 != 0 {
      digits.append(0)
      places += 1
    }
    digits = [Int](repeating: 0, count: (4 - digits.count % 4) % 4) + digits
    var groups = stride(from: 0, to: digits.count, by: 4).map { at in digits[at..<(at + 4)].reduce(0) { $0 * 10 + $1 } }
    var weight = groups.count - places / 4 - 1
    while groups.first == 0 {
      groups.removeFirst()
      weight -= 1
    }
    while groups.last == 0 { groups.removeLast() }
    return (groups, weight)
  }
}
