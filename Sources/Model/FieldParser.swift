// FieldParser.swift — the fast readers of the ingest path: plain forms straight from bytes, no String, no error values.
//
// Each returns nil for whatever is not in its plain form: blanks around, odd spellings, values out of range, or no value at
// all. The caller then asks ValueText.parse, which knows every form PostgreSQL takes and words the error. A value returned
// here is always the one ValueText.parse would return.

/// Readers of plain field bytes; nil means "not plain", not "wrong".
public enum FieldParser {
  /// An optional sign and 1 … 18 digits.
  @inlinable @inline(__always) public static func parseInt64(
    _ bytes: UnsafeRawBufferPointer
  ) -> Int64? {
    var at = 0
    let count = bytes.count
    guard count > 0 else { return nil }
    let isNegative = bytes[0] == 0x2d
    if isNegative || bytes[0] == 0x2b { at = 1 }
    guard count > at, count - at <= 18 else { return nil }
    var value: Int64 = 0
    while at < count {
      let digit = bytes[at] &- 0x30
      guard digit < 10 else { return nil }
      value = value &* 10 &+ Int64(digit)
      at &+= 1
    }
    return isNegative ? 0 &- value : value
  }
  /// Digits with a point and a small exponent, where one exact multiplication or division gives the nearest double.
  @inlinable public static func parseDouble(_ bytes: UnsafeRawBufferPointer) -> Double? {
    let count = bytes.count
    var at = 0
    guard count > 0, count <= 24 else { return nil }
    let isNegative = bytes[0] == 0x2d
    if isNegative || bytes[0] == 0x2b { at = 1 }
    var mantissa: UInt64 = 0
    var places = 0
    var digits = 0
    var isFraction = false
    var exponent = 0
    while at < count {
      let byte = bytes[at]
      let digit = byte &- 0x30
      if digit < 10 {
        mantissa = mantissa &* 10 &+ UInt64(digit)
        digits &+= 1
        if isFraction { places &+= 1 }
      } else if byte == 0x2e && !isFraction {
        isFraction = true
      } else {
        break
      }
      at &+= 1
    }
    guard digits > 0, digits <= 18 else { return nil }
    if at < count {
      guard bytes[at] | 0x20 == 0x65,
        let given = parseInt64(UnsafeRawBufferPointer(rebasing: bytes[(at + 1)...])),
        given.magnitude <= 400
      else { return nil }
      exponent = Int(given)
    }
    exponent -= places
    guard mantissa <= 1 << 53, exponent >= -22, exponent <= 22 else { return nil }
    let whole = Double(mantissa)
    let power = powersOfTen(exponent.magnitude)
    let value = exponent < 0 ? whole / power : whole * power
    return isNegative ? -value : value
  }
  @usableFromInline static func powersOfTen(_ n: UInt) -> Double { DecimalPower.doubles[Int(n)] }

  /// An optional sign, up to 18 digits and at most one point between or after them.
  @inlinable public static func parseNumeric(_ bytes: UnsafeRawBufferPointer) -> Numeric? {
    let count = bytes.count
    var at = 0
    guard count > 0, count <= 20 else { return nil }
    let isNegative = bytes[0] == 0x2d
    if isNegative || bytes[0] == 0x2b { at = 1 }
    var value: Int64 = 0
    var digits = 0
    var point = -1
    while at < count {
      let digit = bytes[at] &- 0x30
      if digit < 10 {
        value = value &* 10 &+ Int64(digit)
        digits &+= 1
      } else if bytes[at] == 0x2e && point < 0 {
        point = digits
      } else {
        return nil
      }
      at &+= 1
    }
    guard digits > 0, digits <= 18 else { return nil }
    return Numeric(
      coefficient: Int128(isNegative ? -value : value),
      scale: point < 0 ? 0 : UInt8(truncatingIfNeeded: digits - point)
    )
  }
  /// `t`, `f`, `true`, `false`, `1`, `0` in lower case.
  @inlinable public static func parseBoolean(_ bytes: UnsafeRawBufferPointer) -> Bool? {
    switch bytes.count {
    case 1:
      switch bytes[0] {
      case 0x74, 0x31: return true
      case 0x66, 0x30: return false
      default: return nil
      }
    case 4: return bytes.loadUnaligned(as: UInt32.self) == 0x6575_7274 ? true : nil
    case 5:
      return bytes.loadUnaligned(as: UInt32.self) == 0x736c_6166 && bytes[4] == 0x65 ? false : nil
    default: return nil
    }
  }
  @inlinable @inline(__always) static func two(
    _ bytes: UnsafeRawBufferPointer,
    _ at: Int,
    _ bad: inout UInt8
  ) -> Int {
    let tens = bytes[at] &- 0x30
    let ones = bytes[at &+ 1] &- 0x30
    // Any value over 9 sets a bit above the low four, or is 10…15 and does so once 6 is added.
    bad |= (tens | ones | (tens &+ 6) | (ones &+ 6)) & 0xf0
    return Int(tens) &* 10 &+ Int(ones)
  }
  /// `YYYY-MM-DD` as days since 1970-01-01.
  @inlinable public static func parseDate(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    guard bytes.count == 10 else { return nil }
    return day(bytes)
  }
  @inlinable @inline(__always) static func day(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    var bad: UInt8 = (bytes[4] ^ 0x2d) | (bytes[7] ^ 0x2d)
    let year = two(bytes, 0, &bad) &* 100 &+ two(bytes, 2, &bad)
    let month = two(bytes, 5, &bad)
    let day = two(bytes, 8, &bad)
    guard bad == 0, year > 0, month >= 1, month <= 12, day >= 1,
      day <= 28 || day <= Calendar.daysInMonth(year: Int64(year), month: month)
    else { return nil }
    return Calendar.days(year: Int64(year), month: month, day: day)
  }
  /// The day that the texts of many timestamps share, so that it is worked out once.
  @frozen public struct DayMemory {
    @usableFromInline var text: (UInt64, UInt16) = (0, 0)
    @usableFromInline var day: Int64 = 0
    /// Remembers nothing.
    @inlinable public init() {}
  }
  /// As `parseTimestamp(_:)`, remembering the day for the next text.
  @inlinable public static func parseTimestamp(
    _ bytes: UnsafeRawBufferPointer,
    _ memory: inout DayMemory
  ) -> Int64? {
    guard bytes.count == 19, bytes[10] == 0x20 || bytes[10] == 0x54 else {
      return parseTimestamp(bytes)
    }
    let text = (
      bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)
    )
    if text != memory.text {
      guard let day = day(bytes) else { return nil }
      memory.text = text
      memory.day = day
    }
    var bad: UInt8 = (bytes[13] ^ 0x3a) | (bytes[16] ^ 0x3a)
    let hour = two(bytes, 11, &bad)
    let minute = two(bytes, 14, &bad)
    let second = two(bytes, 17, &bad)
    guard bad == 0, hour < 24, minute < 60, second < 60 else { return nil }
    return (memory.day &* 86_400 &+ Int64(hour &* 3600 &+ minute &* 60 &+ second)) &* 1_000_000
  }
  /// `YYYY-MM-DD[ T]HH:MM:SS[.f…]` with 1 … 6 places and an optional `Z`, as microseconds since 1970-01-01 UTC.
  @inlinable public static func parseTimestamp(_ bytes: UnsafeRawBufferPointer) -> Int64? {
    var count = bytes.count
    guard count >= 19 else { return nil }
    if bytes[count - 1] == 0x5a { count -= 1 }
    guard count >= 19, count <= 26, bytes[10] == 0x20 || bytes[10] == 0x54, let day = day(bytes)
    else { return nil }
    var bad: UInt8 = (bytes[13] ^ 0x3a) | (bytes[16] ^ 0x3a)
    let hour = two(bytes, 11, &bad)
    let minute = two(bytes, 14, &bad)
    let second = two(bytes, 17, &bad)
    guard bad == 0, hour < 24, minute < 60, second < 60 else { return nil }
    var micros: Int64 = 0
    if count > 19 {
      guard bytes[19] == 0x2e, count > 20 else { return nil }
      var unit: Int64 = 100_000
      for at in 20..<count {
        let digit = bytes[at] &- 0x30
        guard digit < 10 else { return nil }
        micros &+= Int64(digit) &* unit
        unit /= 10
      }
    }
    let seconds = day &* 86_400 &+ Int64(hour &* 3600 &+ minute &* 60 &+ second)
    return seconds &* 1_000_000 &+ micros
  }
}
