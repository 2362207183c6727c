// TallyErrorFormat.swift — bytes of a TallyError, version 1; used inside other formats, which carry the version.
//
//   u16 status, 5 bytes SQLSTATE, string message, u8 flags (1 detail, 2 hint, 4 position, 8 node, 16 subject), then those that
//   are given in that order: string detail, string hint, varint position, string node, five strings of the subject: schema, table, column,
//   type, constraint, empty for none. Texts longer than 64 KiB are cut on encoding.
//   A status this build does not know decodes as `internalError`: the error must reach its reader even from a newer node.
public import Bytes

/// Bytes of `TallyError`.
public enum TallyErrorFormat {
  static let textBytesMax = 65536

  /// Appends an error.
  public static func encode(_ error: TallyError, into writer: inout ByteWriter) {
    writer.u16(error.status.rawValue)
    let state = Array(error.sqlState.utf8)
    writer.bytes(state.count == 5 ? state : Array(error.status.defaultSQLState.utf8))
    writer.string(cut(error.message))
    writer.u8(
      (error.detail == nil ? 0 : 1) | (error.hint == nil ? 0 : 2) | (error.position == nil ? 0 : 4)
        | (error.node == nil ? 0 : 8) | (error.subject == nil ? 0 : 16)
    )
    if let detail = error.detail { writer.string(cut(detail)) }
    if let hint = error.hint { writer.string(cut(hint)) }
    if let position = error.position { writer.varint(UInt64(max(position, 0))) }
    if let node = error.node { writer.string(cut(node)) }
    if let subject = error.subject {
      for part in ErrorSubject.Part.allCases { writer.string(cut(subject[part] ?? "")) }
    }
  }
  /// Reads an error.
  public static func decode(from reader: inout ByteReader) throws(DecodingFailure) -> TallyError {
    let status = StatusCode(rawValue: try reader.u16()) ?? .internalError
    let start = reader.position
    let state = try reader.slice(5)
    guard state.allSatisfy({ ($0 >= 0x30 && $0 <= 0x39) || ($0 >= 0x41 && $0 <= 0x5a) }) else {
      throw DecodingFailure(.malformed, at: start, "SQLSTATE is not five digits or capitals")
    }
    var error = TallyError(status, "", sqlState: String(decoding: state, as: UTF8.self))
    error.message = try reader.string(max: textBytesMax)
    let flagsAt = reader.position
    let flags = try reader.u8()
    guard flags < 32 else {
      throw DecodingFailure(.unknown, at: flagsAt, "flags \(flags) of an error")
    }
    if flags & 1 != 0 { error.detail = try reader.string(max: textBytesMax) }
    if flags & 2 != 0 { error.hint = try reader.string(max: textBytesMax) }
    if flags & 4 != 0 { error.position = try reader.count(max: Int(Int32.max), "position") }
    if flags & 8 != 0 { error.node = try reader.string(max: textBytesMax) }
    if flags & 16 != 0 {
      var subject = ErrorSubject()
      for part in ErrorSubject.Part.allCases {
        let name = try reader.string(max: textBytesMax)
        if !name.isEmpty { subject[part] = name }
      }
      error.subject = subject
    }
    return error
  }
  private static func cut(_ text: String) -> String {
    if text.utf8.count <= textBytesMax { return text }
    // Decoding repairs a character that the cut splits; the replacement needs up to three bytes.
    return String(decoding: text.utf8.prefix(textBytesMax - 3), as: UTF8.self)
  }
}
