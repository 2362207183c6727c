// CopyFailure.swift — what is wrong with COPY's data, and where, in PostgreSQL's words.
//
//   COPY t, line 3, column a: "x"            a value that its type does not take
//   COPY t, line 3, column a: null input     the same of a NULL
//   COPY t, line 3: "1,x"                    a line that is wrong as a whole
//   COPY t, line 3                           a line that could not be read to its end, or any of binary data
public import Model

/// An error with the place in the data.
public struct CopyFailure: Error, Sendable {
  /// What is wrong.
  public var error: TallyError
  /// Where, as an error's CONTEXT tells it.
  public var context: String?
}

/// A wrong place before the number of its line is known: lines count from the piece it is in.
struct CopyFault: Error {
  /// What the context tells beside the line.
  enum Place {
    case line
    /// Before the first line.
    case start
    case text([UInt8])
    case value(column: String, [UInt8])
    case null(column: String)
    /// Binary: without the value.
    case column(String)
  }
  var error: TallyError
  var line: Int
  var place: Place

  /// Bytes of a line or value that are shown.
  static let shownBytes = 100

  func failure(_ table: TableSchema, linesBefore: Int) -> CopyFailure {
    let start = "COPY \(table.name), line \(linesBefore + line)"
    let context: String? =
      switch place {
      case .start: nil
      case .line: start
      case .text(let bytes): "\(start): \"\(Self.shown(bytes, Self.shownBytes))\""
      case .value(let column, let bytes): "\(start), column \(column): \"\(Self.shown(bytes, Self.shownBytes))\""
      case .null(let column): "\(start), column \(column): null input"
      case .column(let column): "\(start), column \(column)"
      }
    return CopyFailure(error: error, context: context)
  }
  /// A text of at most so many bytes, cut between characters.
  static func shown(_ bytes: [UInt8], _ limit: Int) -> String {
    if bytes.count <= limit { return String(decoding: bytes, as: UTF8.self) }
    var end = limit
    while end > 0, bytes[end] & 0xc0 == 0x80 { end -= 1 }
    return String(decoding: bytes[..<end], as: UTF8.self) + "..."
  }
}
