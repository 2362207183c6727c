// NumericText.swift — numerics as PostgreSQL reads and prints them: plain decimal, as many places as the scale says.
public import Bytes

/// Text of `numeric`.
public enum NumericText {
  /// Appends the number; 1.50 prints as `1.50`.
  public static func write(_ value: Numeric, into writer: inout ByteWriter) {
    if value.coefficient < 0 { writer.u8(0x2d) }
    let scale = Int(value.scale)
    withUnsafeTemporaryAllocation(byteCount: 40, alignment: 1) { digits in
      var rest = value.coefficient.magnitude
      var at = 40
      while rest > UInt128(UInt64.max) {
        at -= 1
        digits[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      }
      var narrow = UInt64(rest)
      while narrow != 0 || 40 - at <= scale {
        at -= 1
        digits[at] = 0x30 + UInt8(truncatingIfNeeded: narrow % 10)
        narrow /= 10
      }
      writer.bytes(UnsafeRawBufferPointer(rebasing: digits[at..<(40 - scale)]))
      if scale > 0 {
        writer.u8(0x2e)
        writer.bytes(UnsafeRawBufferPointer(rebasing: digits[(40 - scale)..<40]))
      }
    }
  }
  /// The number in decimal.
  public static func text(_ value: Numeric) -> String {
    var writer = ByteWriter(capacity: 48)
    write(value, into: &writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
  /// Reads a number with any scale up to 38, then fits it to `type` when that has a precision.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer,
    as type: DataType = .plainNumeric
  ) throws(TallyError) -> Numeric {
    if let value = FieldParser.parseNumeric(bytes) { return try value.fitted(to: type) }
    var scan = TextScanner(trimming: bytes)
    let isNegative = scan.sign() == -1
    if scan.takeRest("nan") || scan.takeRest("inf") || scan.takeRest("infinity") {
      throw .sql(
        "0A000",
        "numeric \"\(String(decoding: bytes, as: UTF8.self))\" is not supported",
        hint: "Use double precision for NaN and infinities."
      )
    }
    var magnitude: UInt128 = 0
    var scale = 0
    var count = 0
    var isWide = false
    var isFraction = false
    while !scan.isAtEnd {
      let byte = scan.peek
      if TextScanner.isDigit(byte) {
        // Digits past the 38th matter only while they are zeros of a number that is zero so far.
        if magnitude >= Numeric.bound / 10 {
          isWide = true
        } else {
          magnitude = magnitude * 10 + UInt128(byte &- 0x30)
        }
        if isFraction { scale += 1 }
        count += 1
      } else if byte == 0x2e && !isFraction {
        isFraction = true
      } else {
        break
      }
      scan.at += 1
    }
    guard count > 0 else { throw .syntax("numeric", bytes) }
    var exponent: Int64 = 0
    if scan.take(0x65) || scan.take(0x45) {
      let sign = scan.sign() ?? 1
      let given = scan.digits()
      guard given.count > 0 else { throw .syntax("numeric", bytes) }
      exponent = Int64(sign) * min(given.value, 1_000_000)
    }
    guard scan.isAtEnd else { throw .syntax("numeric", bytes) }
    if isWide {
      // More than 38 digits: still fine when a numeric(p,s) rounds them away.
      guard exponent == 0, let cut = try wide(bytes, type) else { throw Numeric.overflow() }
      return cut
    }
    scale -= Int(exponent)
    if scale < 0 {
      if magnitude != 0 {
        guard -scale <= 38 else { throw Numeric.overflow() }
        let product = magnitude.multipliedReportingOverflow(by: DecimalPower.of(-scale))
        guard !product.overflow else { throw Numeric.overflow() }
        magnitude = product.partialValue
      }
      scale = 0
    }
    return try Numeric(negative: isNegative, magnitude: magnitude, scale: scale).fitted(to: type)
  }
  /// Reads plain digits of any length for a type with a declared scale, dropping what cannot decide the rounding.
  private static func wide(
    _ bytes: UnsafeRawBufferPointer,
    _ type: DataType
  ) throws(TallyError) -> Numeric? {
    guard case .numeric(_?, let scale) = type else { return nil }
    var scan = TextScanner(trimming: bytes)
    let isNegative = scan.sign() == -1
    var magnitude: UInt128 = 0
    var places = -1
    // One place more than the declared scale decides a rounding half away from zero.
    while !scan.isAtEnd && places <= Int(scale ?? 0) {
      if scan.take(0x2e) {
        places = 0
        continue
      }
      guard magnitude < Numeric.bound / 10 else { return nil }
      magnitude = magnitude * 10 + UInt128(scan.peek &- 0x30)
      if places >= 0 { places += 1 }
      scan.at += 1
    }
    return try Numeric(negative: isNegative, magnitude: magnitude, scale: max(places, 0)).fitted(
      to: type
    )
  }
}
