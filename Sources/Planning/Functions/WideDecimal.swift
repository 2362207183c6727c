// WideDecimal.swift — decimal numbers of ninety places, for logarithms and powers of numeric: as many digits as a result of 38 may need,
// and as many again for what the steps lose.
//
// A sign and limbs of nine digits, least first; the first `fraction` limbs stand behind the point. Products and quotients are cut off.
import Glibc
import Model

struct WideDecimal {
  static let fraction = 10
  private static let base: UInt64 = 1_000_000_000
  private var isNegative = false
  private var limbs: [UInt32] = []

  init(_ value: Int64) { self.init(Numeric(value)) }
  init(_ number: Numeric) {
    isNegative = number.coefficient < 0
    var rest = number.coefficient.magnitude
    while rest > 0 {
      limbs.append(UInt32(rest % UInt128(Self.base)))
      rest /= UInt128(Self.base)
    }
    // · 10^(90 - scale)
    let power = Self.fraction * 9 - Int(number.scale)
    limbs = [UInt32](repeating: 0, count: power / 9) + limbs
    for _ in 0..<(power % 9) { limbs = Self.product(limbs, 10) }
    trim()
  }
  private init(_ isNegative: Bool, _ limbs: [UInt32]) {
    (self.isNegative, self.limbs) = (isNegative, limbs)
    trim()
  }
  private mutating func trim() {
    while limbs.last == 0 { limbs.removeLast() }
    if limbs.isEmpty { isNegative = false }
  }
  var isZero: Bool { limbs.isEmpty }

  /// Rounded to places, half away from zero; nil when it has more than 38 digits then.
  func numeric(places: Int) -> Numeric? {
    guard (0...Numeric.digitsMax).contains(places) else { return nil }
    var rest = limbs
    let dropped = Self.fraction * 9 - places
    // One digit more than wanted decides.
    if dropped / 9 > 0 { rest.removeFirst(min(rest.count, (dropped - 1) / 9)) }
    let digits = dropped - (dropped - 1) / 9 * 9
    for _ in 0..<(digits - 1) { rest = Self.quotient(rest, 10) }
    var value: UInt128 = 0
    for limb in rest.reversed() {
      guard value < UInt128(1) << 96 else { return nil }
      value = value * UInt128(Self.base) + UInt128(limb)
    }
    value = (value + 5) / 10
    guard value < 100_000_000_000_000_000_000_000_000_000_000_000_000 else { return nil }
    return Numeric(coefficient: isNegative ? -Int128(value) : Int128(value), scale: UInt8(places))
  }
  /// About the value; for estimates.
  var double: Double {
    var result = 0.0
    for (at, limb) in limbs.enumerated().suffix(4) { result += Double(limb) * Glibc.pow(1e9, Double(at - Self.fraction)) }
    return isNegative ? -result : result
  }

  // MARK: Arithmetic

  static prefix func - (a: WideDecimal) -> WideDecimal { WideDecimal(!a.isNegative, a.limbs) }
  static func + (a: WideDecimal, b: WideDecimal) -> WideDecimal {
    if a.isNegative == b.isNegative { return WideDecimal(a.isNegative, sum(a.limbs, b.limbs)) }
    if isLess(a.limbs, b.limbs) { return WideDecimal(b.isNegative, difference(b.limbs, a.limbs)) }
    return WideDecimal(a.isNegative, difference(a.limbs, b.limbs))
  }
  static func - (a: WideDecimal, b: WideDecimal) -> WideDecimal { a + -b }
  static func * (a: WideDecimal, b: WideDecimal) -> WideDecimal {
    WideDecimal(a.isNegative != b.isNegative, Array(product(a.limbs, b.limbs).dropFirst(fraction)))
  }
  /// The divisor is not zero.
  static func / (a: WideDecimal, b: WideDecimal) -> WideDecimal {
    WideDecimal(a.isNegative != b.isNegative, quotient([UInt32](repeating: 0, count: fraction) + a.limbs, b.limbs))
  }
  private func divided(by small: UInt32) -> WideDecimal { WideDecimal(isNegative, Self.quotient(limbs, small)) }

  private static func isLess(_ a: [UInt32], _ b: [UInt32]) -> Bool {
    if a.count != b.count { return a.count < b.count }
    for at in a.indices.reversed() where a[at] != b[at] { return a[at] < b[at] }
    return false
  }
  private static func sum(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
    var result: [UInt32] = []
    var carry: UInt64 = 0
    for at in 0..<max(a.count, b.count) {
      let total = carry + UInt64(at < a.count ? a[at] : 0) + UInt64(at < b.count ? b[at] : 0)
      result.append(UInt32(total % base))
      carry = total / base
    }
    return carry > 0 ? result + [UInt32(carry)] : result
  }
  /// a - b, where b is not the larger one.
  private static func difference(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
    var result = a
    var borrow: Int64 = 0
    for at in a.indices {
      var rest = Int64(a[at]) - borrow - Int64(at < b.count ? b[at] : 0)
      borrow = rest < 0 ? 1 : 0
      if rest < 0 { rest += Int64(base) }
      result[at] = UInt32(rest)
    }
    return result
  }
  private static func product(_ a: [UInt32], _ small: UInt32) -> [UInt32] {
    var result: [UInt32] = []
    var carry: UInt64 = 0
    for limb in a {
      let total = UInt64(limb) * UInt64(small) + carry
      result.append(UInt32(total % base))
      carry = total / base
    }
    return carry > 0 ? result + [UInt32(carry)] : result
  }
  private static func product(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
    var result = [UInt32](repeating: 0, count: a.count + b.count)
    for (i, x) in a.enumerated() {
      var carry: UInt64 = 0
      for (j, y) in b.enumerated() {
        let total = UInt64(x) * UInt64(y) + UInt64(result[i + j]) + carry
        result[i + j] = UInt32(total % base)
        carry = total / base
      }
      result[i + b.count] = UInt32(carry)
    }
    return result
  }
  private static func quotient(_ a: [UInt32], _ small: UInt32) -> [UInt32] {
    var result = a
    var rest: UInt64 = 0
    for at in a.indices.reversed() {
      let part = rest * base + UInt64(a[at])
      result[at] = UInt32(part / UInt64(small))
      rest = part % UInt64(small)
    }
    while result.last == 0 { result.removeLast() }
    return result
  }
  /// Long division: each limb of the quotient is guessed from the leading limbs and put right at most twice.
  private static func quotient(_ a: [UInt32], _ b: [UInt32]) -> [UInt32] {
    if b.count == 1 { return quotient(a, b[0]) }
    if isLess(a, b) { return [] }
    let scale = UInt32(base / (UInt64(b[b.count - 1]) + 1))
    let divisor = product(b, scale)
    var rest = product(a, scale)
    if rest.count == a.count { rest.append(0) }
    let count = divisor.count
    let lead = UInt64(divisor[count - 1])
    let second = UInt64(divisor[count - 2])
    var result = [UInt32](repeating: 0, count: rest.count - count)
    for at in result.indices.reversed() {
      let top = UInt64(rest[at + count]) * base + UInt64(rest[at + count - 1])
      var guess = min(top / lead, base - 1)
      var left = top - guess * lead
      while left < base, guess * second > left * base + UInt64(rest[at + count - 2]) {
        guess -= 1
        left += lead
      }
      var borrow: Int64 = 0
      var carry: UInt64 = 0
      for i in 0..<count {
        let total = guess * UInt64(divisor[i]) + carry
        carry = total / base
        var part = Int64(rest[at + i]) - Int64(total % base) - borrow
        borrow = part < 0 ? 1 : 0
        if part < 0 { part += Int64(base) }
        rest[at + i] = UInt32(part)
      }
      var part = Int64(rest[at + count]) - Int64(carry) - borrow
      let isOver = part < 0
      if isOver { part += Int64(base) }
      rest[at + count] = UInt32(part)
      if isOver {
        guess -= 1
        var carry: UInt64 = 0
        for i in 0..<count {
          let total = UInt64(rest[at + i]) + UInt64(divisor[i]) + carry
          rest[at + i] = UInt32(total % base)
          carry = total / base
        }
        rest[at + count] = UInt32((UInt64(rest[at + count]) + carry) % base)
      }
      result[at] = UInt32(guess)
    }
    while result.last == 0 { result.removeLast() }
    return result
  }

  // MARK: Powers and logarithms

  /// e to the power; for results below 10^40 all digits that a numeric has are right.
  var exponential: WideDecimal {
    // The series runs over a small part, which is squared again as often as it was halved.
    var part = self
    var halvings = 0
    while part.double.magnitude > 0.001 {
      part = part.divided(by: 2)
      halvings += 1
    }
    var (sum, term) = (WideDecimal(1), WideDecimal(1))
    var number: UInt32 = 1
    while !term.isZero {
      term = (term * part).divided(by: number)
      sum = sum + term
      number += 1
    }
    for _ in 0..<halvings { sum = sum * sum }
    return sum
  }
  /// The natural logarithm of a positive number.
  static func logarithm(_ x: Numeric) -> WideDecimal {
    var (digits, rest) = (0, x.coefficient.magnitude)
    while rest > 0 {
      rest /= 10
      digits += 1
    }
    // x = m · 10^n with m from 0.1 on, below 1.
    let part = unit(Numeric(coefficient: x.coefficient, scale: UInt8(digits)))
    return part + WideDecimal(Int64(digits - Int(x.scale))) * ten
  }
  /// ln 10.
  static let ten = -unit(Numeric(coefficient: 1, scale: 1))
  /// The logarithm of a number of [0.1, 1): from the double's by Halley's steps, each of which triples the digits.
  private static func unit(_ m: Numeric) -> WideDecimal {
    let wide = WideDecimal(m)
    var result = WideDecimal(Numeric(coefficient: Int128(Glibc.log(m.double) * 1e15), scale: 15))
    for _ in 0..<3 {
      let power = result.exponential
      result = result + WideDecimal(2) * (wide - power) / (wide + power)
    }
    return result
  }
}
