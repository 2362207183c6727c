// ErrorFormat.swift — the head of an error frame.
//
//   u16 status (StatusCode) · 5 bytes SQLSTATE · string message (≤ 2000 bytes) · u8 which of the following are there
//   (1 detail, 2 hint, 4 position, 8 node) · string detail (≤ 1000) · string hint (≤ 500) · varint position · string node (≤ 63)
// Texts that are longer are cut at a character border, so that an error always fits the frame before the hello.
// A status this build does not know is read as internalError.
public import Bytes
public import Model

/// Encodes and decodes errors that travel.
public enum ErrorFormat {
  /// The head of an error frame.
  public static func encode(_ error: TallyError) -> [UInt8] {
    var out = ByteWriter(capacity: 128)
    out.u16(error.status.rawValue)
    let state = Array(error.sqlState.utf8)
    out.bytes(state.count == 5 ? state : Array("XX000".utf8))
    out.string(cut(error.message, 2000))
    let position = error.position.flatMap { UInt64(exactly: $0) }
    out.u8(
      (error.detail != nil ? 1 : 0) | (error.hint != nil ? 2 : 0) | (position != nil ? 4 : 0) | (error.node != nil ? 8 : 0))
    if let detail = error.detail { out.string(cut(detail, 1000)) }
    if let hint = error.hint { out.string(cut(hint, 500)) }
    if let position { out.varint(position) }
    if let node = error.node { out.string(cut(node, Limits.nameBytesMax)) }
    return out.finish()
  }
  /// Reads an error.
  public static func decode(_ head: [UInt8]) throws(DecodingFailure) -> TallyError {
    try head.withReader { reader throws(DecodingFailure) in
      let status = StatusCode(rawValue: try reader.u16()) ?? .internalError
      let state = try reader.bytes(5)
      guard state.allSatisfy({ ($0 >= 48 && $0 <= 57) || ($0 >= 65 && $0 <= 90) }) else {
        throw DecodingFailure(.malformed, at: reader.position - 5, "not a SQLSTATE")
      }
      var error = TallyError(
        status, try reader.string(max: 2000), sqlState: String(decoding: state, as: UTF8.self))
      let parts = try reader.u8()
      guard parts < 16 else { throw DecodingFailure(.unknown, at: reader.position - 1, "parts of an error: \(parts)") }
      if parts & 1 != 0 { error.detail = try reader.string(max: 1000) }
      if parts & 2 != 0 { error.hint = try reader.string(max: 500) }
      if parts & 4 != 0 { error.position = Int(clamping: try reader.varint()) }
      if parts & 8 != 0 { error.node = try reader.string(max: Limits.nameBytesMax) }
      try reader.expectEnd()
      return error
    }
  }
  static func cut(_ text: String, _ limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit)
    while end > text.startIndex && end.samePosition(in: text.unicodeScalars) == nil { end = text.utf8.index(before: end) }
    return String(text[..<end])
  }
}
