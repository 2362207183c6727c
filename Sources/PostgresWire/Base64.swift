// Base64.swift — RFC 4648's base64 with padding, as SCRAM writes its binary values. Reading is strict.

enum Base64 {
  private static let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  static func encode(_ bytes: [UInt8]) -> String {
    var out: [UInt8] = []
    out.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var bits: UInt32 = 0
      for at in 0..<3 { bits = bits << 8 | UInt32(start + at < bytes.count ? bytes[start + at] : 0) }
      for place in 0..<4 {
        out.append(place <= group.count ? alphabet[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "="))
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
  /// Nil for anything that `encode` would not have written.
  static func decode(_ text: some StringProtocol) -> [UInt8]? {
    let utf8 = Array(text.utf8)
    guard utf8.count % 4 == 0 else { return nil }
    let padding = utf8.suffix(2).reversed().prefix { $0 == UInt8(ascii: "=") }.count
    var out: [UInt8] = []
    out.reserveCapacity(utf8.count / 4 * 3)
    var bits: UInt32 = 0
    for (at, byte) in utf8.enumerated() {
      var value: UInt32 = 0
      if at < utf8.count - padding {
        guard let digit = digit(byte) else { return nil }
        value = digit
      }
      bits = bits << 6 | value
      if at % 4 == 3 {
        out.append(UInt8(truncatingIfNeeded: bits >> 16))
        out.append(UInt8(truncatingIfNeeded: bits >> 8))
        out.append(UInt8(truncatingIfNeeded: bits))
        bits = 0
      }
    }
    let spare = out.suffix(padding)
    guard spare.allSatisfy({ $0 == 0 }) else { return nil }
    out.removeLast(padding)
    return out
  }
  private static func digit(_ byte: UInt8) -> UInt32? {
    switch byte {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - 0x41)
    case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - 0x61 + 26)
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - 0x30 + 52)
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
