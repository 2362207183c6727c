// ScalarFunctions+Binary.swift — functions of bytea, and its text encodings.
import Bytes
import Model

extension ScalarFunctions {
  static func binary(_ function: Function, _ a: FunctionArguments) throws(TallyError) -> Value {
    switch function {
    case .bytesLength: return .fixed(Int64(a.bytes(0).count))
    case .bytesSubstring: return .bytes(Array(try part(a.bytes(0), from: a.integer(1), count: a.count > 2 ? a.integer(2) : nil)))
    case .concatenateBytes: return .bytes(a.bytes(0) + a.bytes(1))
    case .bytesPosition: return .fixed(Int64((find(a.bytes(1), in: a.bytes(0), from: 0) ?? -1) + 1))
    case .getByte:
      let bytes = a.bytes(0)
      guard let at = Int(exactly: a.integer(1)), bytes.indices.contains(at) else {
        throw .sql("2202E", "index \(a.integer(1)) out of valid range, 0..\(bytes.count - 1)")
      }
      return .fixed(Int64(bytes[at]))
    case .convertFrom:
      try expectUTF8(a.text(1))
      guard let text = String(validating: a.bytes(0), as: UTF8.self), !a.bytes(0).contains(0) else {
        throw .sql("22021", "invalid byte sequence for encoding \"UTF8\"")
      }
      return .text(text)
    case .convertTo:
      try expectUTF8(a.text(1))
      return .bytes(Array(a.text(0).utf8))
    case .encode: return .text(try encoded(a.bytes(0), a.text(1)))
    default: return .bytes(try decoded(a.text(0), a.text(1)))
    }
  }
  private static func expectUTF8(_ name: String) throws(TallyError) {
    guard ["utf8", "utf-8", "unicode"].contains(lowered(name)) else {
      throw .sql("0A000", "encoding \"\(name)\" is not supported", hint: "Use UTF8.")
    }
  }
  private static func unknown(_ name: String) -> TallyError { .sql("22023", "unrecognized encoding: \"\(name)\"") }

  private static let digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  private static func encoded(_ bytes: [UInt8], _ name: String) throws(TallyError) -> String {
    var out: [UInt8] = []
    switch lowered(name) {
    case "hex":
      for byte in bytes {
        for digit in [byte >> 4, byte & 15] { out.append(digit < 10 ? 0x30 + digit : 0x57 + digit) }
      }
    case "base64":
      var line = 0
      for start in stride(from: 0, to: bytes.count, by: 3) {
        if line >= 76 {
          out.append(0x0a)
          line = 0
        }
        let group = (0..<3).map { start + $0 < bytes.count ? UInt32(bytes[start + $0]) : 0 }
        let word = group[0] << 16 | group[1] << 8 | group[2]
        let count = min(3, bytes.count - start)
        for place in 0..<4 {
          out.append(place <= count ? digits[Int(word >> UInt32(18 - 6 * place) & 63)] : 0x3d)
        }
        line += 4
      }
    case "escape":
      for byte in bytes {
        if byte == 0x5c {
          out += [0x5c, 0x5c]
        } else if byte == 0 || byte >= 0x80 {
          out += [0x5c, 0x30 + byte >> 6, 0x30 + byte >> 3 & 7, 0x30 + byte & 7]
        } else {
          out.append(byte)
        }
      }
    default: throw unknown(name)
    }
    return String(decoding: out, as: UTF8.self)
  }
  private static func decoded(_ text: String, _ name: String) throws(TallyError) -> [UInt8] {
    switch lowered(name) {
    case "hex":
      return try bytea("\\x" + text)
    case "escape":
      return try bytea(text)
    case "base64":
      var out: [UInt8] = []
      var word: UInt32 = 0
      var (count, ends) = (0, 0)
      for byte in text.utf8 {
        if byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { continue }
        if byte == 0x3d {
          guard count == 2 || count == 3 else { throw .sql("22023", "unexpected \"=\" while decoding base64 sequence") }
          ends += 1
          word <<= 6
        } else {
          guard let digit = digits.firstIndex(of: byte), ends == 0 else {
            throw .sql("22023", "invalid symbol \"\(Unicode.Scalar(byte))\" found while decoding base64 sequence")
          }
          word = word << 6 | UInt32(digit)
        }
        count += 1
        if count == 4 {
          out.append(UInt8(truncatingIfNeeded: word >> 16))
          if ends < 2 { out.append(UInt8(truncatingIfNeeded: word >> 8)) }
          if ends < 1 { out.append(UInt8(truncatingIfNeeded: word)) }
          (word, count) = (0, 0)
        }
      }
      guard count == 0 else {
        throw .sql("22023", "invalid base64 end sequence", hint: "Input data is missing padding, is truncated, or is otherwise corrupted.")
      }
      return out
    default: throw unknown(name)
    }
  }
  private static func bytea(_ text: String) throws(TallyError) -> [UInt8] {
    if case .bytes(let bytes) = try ValueText.parse(text, as: .bytea) { return bytes }
    return []
  }
}
