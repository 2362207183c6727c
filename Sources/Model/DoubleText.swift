// DoubleText.swift — doubles as PostgreSQL 15 reads and prints them: the shortest digits that round-trip, `1e+20`, `1e-05`.
public import Bytes

/// Text of `double precision`.
public enum DoubleText {
  /// Appends the shortest text that reads back as the same double.
  public static func write(_ value: Double, into writer: inout ByteWriter) {
    if value.isNaN { return writer.ascii("NaN") }
    if value.sign == .minus { writer.u8(0x2d) }
    if value.isInfinite { return writer.ascii("Infinity") }
    write(shortestDigits(value), plainBelow: 15, into: &writer)
  }
  /// Appends the shortest text that reads back as the same 32-bit float.
  public static func write(real value: Double, into writer: inout ByteWriter) {
    if value.isNaN { return writer.ascii("NaN") }
    if value.sign == .minus { writer.u8(0x2d) }
    if value.isInfinite { return writer.ascii("Infinity") }
    write(digits(of: Float(value).magnitude.description), plainBelow: 6, into: &writer)
  }
  /// Appends the text with at most so many significant digits, as PostgreSQL prints floats under an extra_float_digits below 1.
  public static func write(_ value: Double, significantDigits: Int, into writer: inout ByteWriter) {
    if value.isFinite { return writer.double(value, significantDigits: significantDigits) }
    write(value, into: &writer)
  }
  private static func write(
    _ shortest: (digits: UInt64, exponent: Int),
    plainBelow: Int,
    into writer: inout ByteWriter
  ) {
    let (digits, exponent) = shortest
    if digits == 0 { return writer.u8(0x30) }
    withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { buffer in
      var rest = digits
      var start = 20
      repeat {
        start -= 1
        buffer[start] = 0x30 + UInt8(rest % 10)
        rest /= 10
      } while rest != 0
      let count = 20 - start
      let text = UnsafeRawBufferPointer(rebasing: buffer[start..<20])
      write(text, count: count, scientific: exponent + count - 1, plainBelow: plainBelow, into: &writer)
    }
  }
  /// Lays out digits d.ddd · 10^scientific; from 10^plainBelow up and below 10^-4 with an exponent.
  private static func write(
    _ digits: UnsafeRawBufferPointer,
    count: Int,
    scientific: Int,
    plainBelow: Int,
    into writer: inout ByteWriter
  ) {
    if scientific < -4 || scientific >= plainBelow {
      writer.u8(digits[0])
      if count > 1 {
        writer.u8(0x2e)
        writer.bytes(UnsafeRawBufferPointer(rebasing: digits[1...]))
      }
      writer.u8(0x65)
      writer.u8(scientific < 0 ? 0x2d : 0x2b)
      writer.decimal(Int64(abs(scientific)), width: 2)
    } else if scientific < 0 {
      writer.ascii("0.")
      for _ in 0..<(-scientific - 1) { writer.u8(0x30) }
      writer.bytes(digits)
    } else {
      for place in 0...max(scientific, count - 1) {
        if place == scientific + 1 { writer.u8(0x2e) }
        writer.u8(place < count ? digits[place] : 0x30)
      }
    }
  }
  /// The fewest digits that identify |value|: digits · 10^exponent, no trailing zeros.
  static func shortestDigits(_ value: Double) -> (digits: UInt64, exponent: Int) {
    digits(of: value.magnitude.description)
  }
  private static func digits(of description: String) -> (digits: UInt64, exponent: Int) {
    // The standard library prints the shortest round-trip digits; only its layout differs from PostgreSQL's.
    var digits: UInt64 = 0
    var exponent = 0
    var isFraction = false
    var isExponent = false
    var given = 0
    var isNegativeExponent = false
    var text = description
    text.withUTF8 { utf8 in
      for byte in utf8 {
        switch byte {
        case 0x2e: isFraction = true
        case 0x65: isExponent = true
        case 0x2d: isNegativeExponent = true
        case 0x2b: break
        default:
          if isExponent {
            given = given * 10 + Int(byte &- 0x30)
          } else {
            digits = digits &* 10 &+ UInt64(byte &- 0x30)
            if isFraction { exponent -= 1 }
          }
        }
      }
    }
    exponent += isNegativeExponent ? -given : given
    while digits != 0 && digits % 10 == 0 {
      digits /= 10
      exponent += 1
    }
    return (digits, digits == 0 ? 0 : exponent)
  }
  /// |value|, whose shortest digits are given, rounded to 15 significant digits (half to even on the exact binary value).
  static func roundedTo15(
    _ value: Double,
    digits: UInt64,
    exponent: Int
  ) -> (digits: UInt64, exponent: Int) {
    var power: UInt64 = 1
    var dropped = 0
    while digits / power >= 1_000_000_000_000_000 {
      power *= 10
      dropped += 1
    }
    let (quotient, rest) = digits.quotientAndRemainder(dividingBy: power)
    var isUp = rest > power / 2
    if rest == power / 2 {
      // The shortest digits lie exactly between two candidates; the double itself mostly does not.
      let order = BigNatural.compare(value.magnitude, digits: digits, exponent: exponent)
      isUp = order > 0 || (order == 0 && quotient % 2 == 1)
    }
    return (quotient + (isUp ? 1 : 0), exponent + dropped)
  }

  /// Reads a double; 22P02 for bad syntax, 22003 for overflow and underflow.
  public static func parse(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Double {
    if let value = FieldParser.parseDouble(bytes) { return value }
    let (number, text, isZero) = try read(bytes, "double precision")
    guard let value = number.isInfinite || number.isNaN ? number : Double(text) else { throw .syntax("double precision", bytes) }
    guard isZero == nil || value.isFinite && (value != 0 || isZero == true) else {
      throw .sql("22003", "\"\(text)\" is out of range for type double precision")
    }
    return value
  }
  /// Reads a `real`, rounded once from the decimal; 22P02 for bad syntax, 22003 for overflow and underflow.
  public static func parseReal(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Double {
    let (number, text, isZero) = try read(bytes, "real")
    if isZero == nil { return number }
    guard let value = Float(text) else { throw .syntax("real", bytes) }
    guard value.isFinite, value != 0 || isZero == true else {
      throw .sql("22003", "\"\(text)\" is out of range for type real")
    }
    return Double(value)
  }
  /// Checks a number's syntax; `isZero` is nil for NaN and infinities, which are `number`.
  private static func read(
    _ bytes: UnsafeRawBufferPointer,
    _ type: String
  ) throws(TallyError) -> (number: Double, text: String, isZero: Bool?) {
    var scan = TextScanner(trimming: bytes)
    let start = scan.at
    let sign = scan.sign() ?? 1
    if scan.takeRest("nan") { return (.nan, "", nil) }
    if scan.takeRest("inf") || scan.takeRest("infinity") {
      return (sign < 0 ? -.infinity : .infinity, "", nil)
    }
    var count = scan.digits().count
    if scan.take(0x2e) { count += scan.digits().count }
    guard count > 0 else { throw .syntax(type, bytes) }
    if scan.take(0x65) || scan.take(0x45) {
      _ = scan.sign()
      guard scan.digits().count > 0 else { throw .syntax(type, bytes) }
    }
    guard scan.isAtEnd else { throw .syntax(type, bytes) }
    let text = String(decoding: bytes[start..<scan.end], as: UTF8.self)
    let isZero = !bytes[start..<scan.end].prefix { ($0 | 0x20) != 0x65 }.contains {
      $0 >= 0x31 && $0 <= 0x39
    }
    return (0, text, isZero)
  }
}

/// Just enough of large whole numbers to compare a double with a decimal exactly.
private struct BigNatural {
  /// Least significant first, no zeros at the top.
  var words: [UInt32]
  init(_ value: UInt64) {
    words = [UInt32(truncatingIfNeeded: value), UInt32(value >> 32)]
    while words.last == 0 { words.removeLast() }
  }
  mutating func multiply(by factor: UInt32, times: Int) {
    for _ in 0..<max(times, 0) {
      var carry: UInt64 = 0
      for i in words.indices {
        let product = UInt64(words[i]) * UInt64(factor) + carry
        words[i] = UInt32(truncatingIfNeeded: product)
        carry = product >> 32
      }
      if carry != 0 { words.append(UInt32(carry)) }
    }
  }
  /// The order of a double and digits · 10^exponent.
  static func compare(_ value: Double, digits: UInt64, exponent: Int) -> Int {
    let binary = Int(value.exponent) - 52
    var left = BigNatural(UInt64(value.significand * 0x1p52))
    var right = BigNatural(digits)
    // Both sides times 2^… and 10^… until neither has a negative exponent.
    left.multiply(by: 2, times: binary)
    right.multiply(by: 2, times: -binary)
    right.multiply(by: 10, times: exponent)
    left.multiply(by: 10, times: -exponent)
    if left.words.count != right.words.count {
      return left.words.count < right.words.count ? -1 : 1
    }
    for i in left.words.indices.reversed() where left.words[i] != right.words[i] {
      return left.words[i] < right.words[i] ? -1 : 1
    }
    return 0
  }
}
