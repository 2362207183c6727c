// ErrorFormat.swift — the head of an error frame: Model's TallyErrorFormat, with texts cut so that it fits the
// frame before the hello.
//
// Message at most 2000 bytes, detail 1000, hint 500, node and names of the subject 63; longer ones are cut at a character border.

public import Bytes
public import Model

/// Encodes and decodes errors that travel.
public enum ErrorFormat {
  /// The head of an error frame.
  public static func encode(_ error: TallyError) -> [UInt8] {
    var out = ByteWriter(capacity: 128)
    TallyErrorFormat.encode(cut(error), into: &out)
    return out.finish()
  }
  /// The error with texts that readers take.
  static func cut(_ error: TallyError) -> TallyError {
    var error = error
    error.message = cut(error.message, 2000)
    error.detail = error.detail.map { cut($0, 1000) }
    error.hint = error.hint.map { cut($0, 500) }
    error.node = error.node.map { cut($0, Limits.nameBytesMax) }
    for part in ErrorSubject.Part.allCases {
      if let name = error.subject?[part] { error.subject?[part] = cut(name, Limits.nameBytesMax) }
    }
    return error
  }
  /// Reads an error.
  public static func decode(_ head: [UInt8]) throws(DecodingFailure) -> TallyError {
    try head.withReader { reader throws(DecodingFailure) in
      let error = try TallyErrorFormat.decode(from: &reader)
      try reader.expectEnd()
      return error
    }
  }
  static func cut(_ text: String, _ limit: Int) -> String {
    guard text.utf8.count > limit else { return text }
    var end = text.utf8.index(text.startIndex, offsetBy: limit)
    while end > text.startIndex && end.samePosition(in: text.unicodeScalars) == nil {
      end = text.utf8.index(before: end)
    }
    return String(text[..<end])
  }
}
