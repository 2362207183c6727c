// TextChange.swift — parts of a statement's text exchanged: names, stars and literals at the places that syntax nodes tell.
//
// It knows tokens only; what the change means is for who asks to make sure, by parsing and binding the result.
public import Model

/// A text of which parts are exchanged.
public struct TextChange {
  private let bytes: [UInt8]
  private let tokens: [BlockToken]
  /// Number of the token that begins at a byte.
  private var starts: [Int: Int] = [:]
  /// First byte of each character.
  private var characters: [Int] = []
  private var edits: [(range: Range<Int>, text: String)] = []

  /// A change of a text that PostgreSQL's grammar has taken.
  public init(_ text: String) throws(TallyError) {
    bytes = Array(text.utf8)
    tokens = try BlockTokens.cut(text)
    for (number, token) in tokens.enumerated() { starts[token.start] = number }
    for (at, byte) in bytes.enumerated() where byte & 0xc0 != 0x80 { characters.append(at) }
  }
  /// The token at a place, in characters from 1.
  private func token(at position: Int) -> Int? {
    guard characters.indices.contains(position - 1) else { return nil }
    return starts[characters[position - 1]]
  }
  /// The last token of the name that begins with a token: `a`, `a.b`, `a.b.c`.
  private func end(ofName first: Int) -> Int? {
    guard tokens[first].isName else { return nil }
    var last = first
    while last + 2 < tokens.count, tokens[last + 1].isSymbol("."), tokens[last + 2].isName { last += 2 }
    return last
  }
  private mutating func replace(_ tokens: ClosedRange<Int>, by text: String) -> Bool {
    edits.append((self.tokens[tokens.lowerBound].start..<self.tokens[tokens.upperBound].end, text))
    return true
  }

  /// Exchanges a name with all its parts; false where there is none.
  public mutating func replaceName(at position: Int, by text: String) -> Bool {
    guard let first = token(at: position), let last = end(ofName: first) else { return false }
    return replace(first...last, by: text)
  }
  /// Exchanges the last part of a name; false where there is none.
  public mutating func replaceLastPart(at position: Int, by text: String) -> Bool {
    guard let first = token(at: position), let last = end(ofName: first) else { return false }
    return replace(last...last, by: text)
  }
  /// Exchanges `*` or `a.*`; false where there is none.
  public mutating func replaceStar(at position: Int, by text: String) -> Bool {
    guard let first = token(at: position) else { return false }
    if tokens[first].isSymbol("*") { return replace(first...first, by: text) }
    guard let last = end(ofName: first), last + 2 < tokens.count, tokens[last + 1].isSymbol("."), tokens[last + 2].isSymbol("*") else {
      return false
    }
    return replace(first...(last + 2), by: text)
  }
  /// Exchanges a string literal; false where there is none.
  public mutating func replaceString(at position: Int, by text: String) -> Bool {
    guard let first = token(at: position), tokens[first].kind == .string else { return false }
    return replace(first...first, by: text)
  }

  /// The text with all changes.
  public var text: String {
    var (out, at): ([UInt8], Int) = ([], 0)
    for edit in edits.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) where edit.range.lowerBound >= at {
      out += bytes[at..<edit.range.lowerBound]
      out += edit.text.utf8
      at = edit.range.upperBound
    }
    return String(decoding: out + bytes[at...], as: UTF8.self)
  }
}
