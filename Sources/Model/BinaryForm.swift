// BinaryForm.swift — types whose values are bytes: which bytes they may be, and their texts (`\x…`, uuid; inet's are InetValue's).
public import Bytes

/// Bytes of bytea, uuid, inet and array values.
public enum BinaryForm {
  /// Whether bytes are a value of the binary type.
  public static func isValid(_ bytes: UnsafeRawBufferPointer, _ type: DataType) -> Bool {
    switch type {
    case .bytea: return bytes.count <= Limits.textBytesMax
    case .uuid: return bytes.count == 16
    case .inet: return InetValue(bytes) != nil
    case .array(let element):
      do throws(DecodingFailure) {
        _ = try ArrayValue(bytes, element.type)
        return true
      } catch {
        return false
      }
    default: return false
    }
  }
  /// The value that bytes of a column of layout `.text` stand for.
  public static func value(_ bytes: UnsafeRawBufferPointer, _ type: DataType) -> Value {
    type.isBinary ? .bytes(Array(bytes)) : .text(String(decoding: bytes, as: UTF8.self))
  }
  /// Appends the text of a binary value; bytes that are none print as hexadecimal.
  public static func write(_ bytes: UnsafeRawBufferPointer, as type: DataType, into writer: inout ByteWriter) {
    switch type {
    case .uuid where bytes.count == 16:
      for (index, byte) in bytes.enumerated() {
        if index == 4 || index == 6 || index == 8 || index == 10 { writer.u8(0x2d) }
        writeHexadecimal(byte, into: &writer)
      }
    case .inet:
      if let value = InetValue(bytes) { value.write(into: &writer) } else { writeHexadecimal(bytes, into: &writer) }
    case .array(let element):
      do throws(DecodingFailure) { try ArrayValue(bytes, element.type).write(into: &writer, isVector: element.isVector) } catch {
        writeHexadecimal(bytes, into: &writer)
      }
    default: writeHexadecimal(bytes, into: &writer)
    }
  }
  private static func writeHexadecimal(_ bytes: UnsafeRawBufferPointer, into writer: inout ByteWriter) {
    writer.ascii("\\x")
    for byte in bytes { writeHexadecimal(byte, into: &writer) }
  }
  private static func writeHexadecimal(_ byte: UInt8, into writer: inout ByteWriter) {
    writer.u8(digit(byte >> 4))
    writer.u8(digit(byte & 15))
  }
  private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
  static func hexadecimal(_ byte: UInt8) -> UInt8? {
    switch byte {
    case 0x30...0x39: byte - 0x30
    case 0x61...0x66: byte - 0x57
    case 0x41...0x46: byte - 0x37
    default: nil
    }
  }

  /// Reads `\x…` or the escape form of a bytea.
  public static func parseBytea(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> [UInt8] {
    var result: [UInt8] = []
    if bytes.count >= 2, bytes[0] == 0x5c, bytes[1] == 0x78 {
      result.reserveCapacity(bytes.count / 2)
      var at = 2
      while at < bytes.count {
        if TextScanner.isBlank(bytes[at]) {
          at += 1
          continue
        }
        guard let high = hexadecimal(bytes[at]) else { throw badDigit(bytes, at) }
        guard at + 1 < bytes.count else { throw .sql("22023", "invalid hexadecimal data: odd number of digits") }
        guard let low = hexadecimal(bytes[at + 1]) else { throw badDigit(bytes, at + 1) }
        result.append(high << 4 | low)
        at += 2
      }
      return result
    }
    var at = 0
    while at < bytes.count {
      if bytes[at] != 0x5c {
        result.append(bytes[at])
        at += 1
      } else if at + 1 < bytes.count, bytes[at + 1] == 0x5c {
        result.append(0x5c)
        at += 2
      } else if at + 3 < bytes.count, (0x30...0x33).contains(bytes[at + 1]), (0x30...0x37).contains(bytes[at + 2]),
        (0x30...0x37).contains(bytes[at + 3])
      {
        result.append((bytes[at + 1] - 0x30) << 6 | (bytes[at + 2] - 0x30) << 3 | (bytes[at + 3] - 0x30))
        at += 4
      } else {
        throw .sql("22P02", "invalid input syntax for type bytea")
      }
    }
    return result
  }
  private static func badDigit(_ bytes: UnsafeRawBufferPointer, _ at: Int) -> TallyError {
    let rest = String(decoding: bytes[at...], as: UTF8.self)
    return .sql("22023", "invalid hexadecimal digit: \"\(rest.unicodeScalars.first.map { String($0) } ?? "")\"")
  }

  /// Reads a uuid: 32 hexadecimal digits, in braces or not, with hyphens after any four digits.
  public static func parseUUID(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> [UInt8] {
    var result: [UInt8] = []
    var at = 0
    let hasBraces = bytes.first == 0x7b
    if hasBraces { at = 1 }
    while result.count < 16 {
      guard at + 1 < bytes.count, let high = hexadecimal(bytes[at]), let low = hexadecimal(bytes[at + 1]) else {
        throw .syntax("uuid", bytes)
      }
      result.append(high << 4 | low)
      at += 2
      if at < bytes.count, bytes[at] == 0x2d, result.count % 2 == 0, result.count < 16 { at += 1 }
    }
    if hasBraces {
      guard at < bytes.count, bytes[at] == 0x7d else { throw .syntax("uuid", bytes) }
      at += 1
    }
    guard at == bytes.count else { throw .syntax("uuid", bytes) }
    return result
  }
}
