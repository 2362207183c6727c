// TextScanner.swift — a cursor over the bytes of one textual value, and decimal digits into a writer.
import Bytes

/// Steps through borrowed ASCII; never reads past the end (a missing byte reads as 0).
struct TextScanner {
  let bytes: UnsafeRawBufferPointer
  var at: Int
  var end: Int

  /// Scans `bytes` without the blanks around them.
  init(trimming bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    at = 0
    end = bytes.count
    skipBlanks()
    while end > at, Self.isBlank(bytes[end - 1]) { end -= 1 }
  }
  static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || (byte >= 0x09 && byte <= 0x0d) }
  static func isDigit(_ byte: UInt8) -> Bool { byte &- 0x30 < 10 }
  static func isLetter(_ byte: UInt8) -> Bool { (byte | 0x20) &- 0x61 < 26 }
  var isAtEnd: Bool { at >= end }
  var peek: UInt8 { at < end ? bytes[at] : 0 }
  func peek(_ ahead: Int) -> UInt8 { at + ahead < end ? bytes[at + ahead] : 0 }
  mutating func skipBlanks() { while at < end, Self.isBlank(bytes[at]) { at += 1 } }
  /// Takes one byte if it is next.
  mutating func take(_ byte: UInt8) -> Bool {
    guard at < end, bytes[at] == byte else { return false }
    at += 1
    return true
  }
  /// Takes `+` or `-`; nil when neither is next.
  mutating func sign() -> Int? {
    if take(0x2d) { return -1 }
    if take(0x2b) { return 1 }
    return nil
  }
  /// Takes all digits that follow; the value saturates at Int64.max.
  mutating func digits() -> (value: Int64, count: Int) {
    let start = at
    var value: Int64 = 0
    while at < end, Self.isDigit(bytes[at]) {
      let next = value.multipliedReportingOverflow(by: 10)
      let sum = next.partialValue.addingReportingOverflow(Int64(bytes[at] &- 0x30))
      value = next.overflow || sum.overflow ? .max : sum.partialValue
      at += 1
    }
    return (value, at - start)
  }
  /// Takes letters, lower-cased.
  mutating func word() -> String {
    let start = at
    while at < end, Self.isLetter(bytes[at]) { at += 1 }
    return String(decoding: bytes[start..<at].lazy.map { $0 | 0x20 }, as: UTF8.self)
  }
  /// Takes the digits after a point as a fraction of one, rounded once.
  mutating func fraction() -> (value: Double, count: Int) {
    let start = at
    var digits: Int64 = 0
    var used = 0
    while at < end, Self.isDigit(bytes[at]) {
      if used < 15 {
        digits = digits * 10 + Int64(bytes[at] &- 0x30)
        used += 1
      }
      at += 1
    }
    return (Double(digits) / DecimalPower.doubles[used], at - start)
  }
  /// Whether the rest equals an ASCII word in any case; takes it if so.
  mutating func takeRest(_ word: StaticString) -> Bool {
    guard end - at == word.utf8CodeUnitCount else { return false }
    for i in 0..<word.utf8CodeUnitCount where (bytes[at + i] | 0x20) != (word.utf8Start[i] | 0x20) {
      return false
    }
    at = end
    return true
  }
}

/// Lends the UTF-8 bytes of a text.
func withBytes<R>(
  of text: String,
  _ body: (UnsafeRawBufferPointer) throws(TallyError) -> R
) throws(TallyError) -> R {
  var text = text
  let result = text.withUTF8 { utf8 -> Result<R, TallyError> in
    do throws(TallyError) { return .success(try body(UnsafeRawBufferPointer(utf8))) } catch {
      return .failure(error)
    }
  }
  return try result.get()
}

extension ByteWriter {
  /// Appends a number in decimal, with zeros to the left up to `width` digits.
  mutating func decimal(_ value: Int64, width: Int = 1) {
    if value < 0 { u8(0x2d) }
    var rest = value.magnitude
    withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
      var at = 20
      repeat {
        at -= 1
        digits[at] = 0x30 + UInt8(truncatingIfNeeded: rest % 10)
        rest /= 10
      } while rest != 0 || 20 - at < width
      bytes(UnsafeRawBufferPointer(rebasing: digits[at..<20]))
    }
  }
  /// Appends ASCII.
  mutating func ascii(_ text: StaticString) {
    bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
  /// Appends the UTF-8 bytes of a text, without a count.
  mutating func text(_ text: String) {
    var text = text
    text.withUTF8 { bytes(UnsafeRawBufferPointer($0)) }
  }
  /// Appends `.` and the fraction of a second without trailing zeros; nothing when it is zero.
  mutating func fractionOfSecond(_ microseconds: Int64) {
    guard microseconds != 0 else { return }
    var digits = microseconds
    var width = 6
    while digits % 10 == 0 {
      digits /= 10
      width -= 1
    }
    u8(0x2e)
    decimal(digits, width: width)
  }
}

extension TallyError {
  /// 22P02: `invalid input syntax for type integer: "abc"`.
  static func syntax(
    _ type: String,
    _ bytes: UnsafeRawBufferPointer,
    _ sqlState: String = "22P02"
  ) -> TallyError {
    .sql(
      sqlState,
      "invalid input syntax for type \(type): \"\(String(decoding: bytes, as: UTF8.self))\""
    )
  }
}
