// BlockTokens.swift — cuts a PL/pgSQL body into tokens: words, literals, operators; comments and blanks are left out.
//
// Only what decides where statements and expressions end is told apart: what stands in between is given to PostgreSQL's grammar as text.
import Model

struct BlockToken: Equatable {
  enum Kind: Equatable {
    /// A name or keyword, in lower case.
    case word
    /// A name in double quotes.
    case quotedName
    /// A literal, without its quotes and escapes.
    case string
    case number
    /// `$n`.
    case parameter
    /// `;`, `:=`, `..`, `<<`, `(` …
    case symbol
    case end
  }
  var kind: Kind
  var text: String
  /// Bytes in the body.
  var start: Int
  var end: Int
  var line: Int

  func isWord(_ word: String) -> Bool { kind == .word && text == word }
  func isSymbol(_ symbol: String) -> Bool { kind == .symbol && text == symbol }
  /// A name: quoted or not.
  var isName: Bool { kind == .word || kind == .quotedName }
}

enum BlockTokens {
  /// Cuts the text; the last token is `.end`.
  static func cut(_ text: String) throws(TallyError) -> [BlockToken] {
    var cutter = Cutter(bytes: Array(text.utf8))
    return try cutter.all()
  }

  private struct Cutter {
    let bytes: [UInt8]
    var at = 0
    var line = 1

    private func byte(_ offset: Int = 0) -> UInt8 { at + offset < bytes.count ? bytes[at + offset] : 0 }
    private mutating func advance() {
      if bytes[at] == 0x0a { line += 1 }
      at += 1
    }
    private func string(_ start: Int, _ end: Int) -> String { String(decoding: bytes[start..<end], as: UTF8.self) }

    mutating func all() throws(TallyError) -> [BlockToken] {
      var tokens: [BlockToken] = []
      while true {
        try skipBlanks()
        guard at < bytes.count else { break }
        let (start, first) = (at, line)
        let (kind, text) = try next()
        tokens.append(BlockToken(kind: kind, text: text, start: start, end: at, line: first))
      }
      tokens.append(BlockToken(kind: .end, text: "", start: bytes.count, end: bytes.count, line: line))
      return tokens
    }
    private mutating func skipBlanks() throws(TallyError) {
      while at < bytes.count {
        if byte() <= 0x20 {
          advance()
        } else if byte() == UInt8(ascii: "-"), byte(1) == UInt8(ascii: "-") {
          while at < bytes.count, byte() != 0x0a { at += 1 }
        } else if byte() == UInt8(ascii: "/"), byte(1) == UInt8(ascii: "*") {
          var depth = 0
          repeat {
            guard at < bytes.count else { throw .sql("42601", "unterminated /* comment") }
            if byte() == UInt8(ascii: "/"), byte(1) == UInt8(ascii: "*") {
              depth += 1
              at += 2
            } else if byte() == UInt8(ascii: "*"), byte(1) == UInt8(ascii: "/") {
              depth -= 1
              at += 2
            } else {
              advance()
            }
          } while depth > 0
        } else {
          return
        }
      }
    }
    private static func isWordStart(_ byte: UInt8) -> Bool {
      switch byte {
      case 0x41...0x5a, 0x61...0x7a, 0x5f, 0x80...: true
      default: false
      }
    }
    private static func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }

    private mutating func next() throws(TallyError) -> (BlockToken.Kind, String) {
      let first = byte()
      if first == UInt8(ascii: "'") { return (.string, try quoted(first, escapes: false)) }
      if first | 0x20 == UInt8(ascii: "e"), byte(1) == UInt8(ascii: "'") {
        at += 1
        return (.string, try quoted(UInt8(ascii: "'"), escapes: true))
      }
      if first == UInt8(ascii: "\"") { return (.quotedName, try quoted(first, escapes: false)) }
      if Self.isWordStart(first) {
        let start = at
        while Self.isWordStart(byte()) || Self.isDigit(byte()) || byte() == UInt8(ascii: "$") { at += 1 }
        return (.word, String(decoding: bytes[start..<at].map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self))
      }
      if Self.isDigit(first) || first == UInt8(ascii: ".") && Self.isDigit(byte(1)) { return (.number, number()) }
      if first == UInt8(ascii: "$") {
        if Self.isDigit(byte(1)) {
          let start = at
          at += 1
          while Self.isDigit(byte()) { at += 1 }
          return (.parameter, string(start, at))
        }
        if let text = try dollarQuoted() { return (.string, text) }
      }
      for symbol in [":=", "..", "<<", ">>", "=>", "::", "<=", ">=", "<>", "!="] {
        let pair = Array(symbol.utf8)
        if first == pair[0], byte(1) == pair[1] {
          at += 2
          return (.symbol, symbol)
        }
      }
      advance()
      return (.symbol, String(UnicodeScalar(first)))
    }
    private mutating func number() -> String {
      let start = at
      while Self.isDigit(byte()) { at += 1 }
      // `1..3` is two numbers.
      if byte() == UInt8(ascii: "."), byte(1) != UInt8(ascii: ".") {
        at += 1
        while Self.isDigit(byte()) { at += 1 }
      }
      if byte() | 0x20 == UInt8(ascii: "e") {
        let sign = byte(1) == UInt8(ascii: "+") || byte(1) == UInt8(ascii: "-") ? 1 : 0
        if Self.isDigit(byte(1 + sign)) {
          at += 1 + sign
          while Self.isDigit(byte()) { at += 1 }
        }
      }
      return string(start, at)
    }
    private mutating func quoted(_ quote: UInt8, escapes: Bool) throws(TallyError) -> String {
      advance()
      var content: [UInt8] = []
      while true {
        guard at < bytes.count else {
          throw .sql("42601", quote == UInt8(ascii: "'") ? "unterminated quoted string" : "unterminated quoted identifier")
        }
        if byte() == quote {
          guard byte(1) == quote else { break }
          content.append(quote)
          at += 2
        } else if escapes, byte() == UInt8(ascii: "\\"), at + 1 < bytes.count {
          switch byte(1) {
          case UInt8(ascii: "n"): content.append(0x0a)
          case UInt8(ascii: "t"): content.append(0x09)
          case UInt8(ascii: "r"): content.append(0x0d)
          case let other: content.append(other)
          }
          advance()
          advance()
        } else {
          content.append(byte())
          advance()
        }
      }
      at += 1
      return String(decoding: content, as: UTF8.self)
    }
    private mutating func dollarQuoted() throws(TallyError) -> String? {
      var end = at + 1
      while end < bytes.count, Self.isWordStart(bytes[end]) || Self.isDigit(bytes[end]) { end += 1 }
      guard end < bytes.count, bytes[end] == UInt8(ascii: "$") else { return nil }
      let tag = Array(bytes[at...end])
      at = end + 1
      let start = at
      while at + tag.count <= bytes.count {
        if bytes[at] == tag[0], Array(bytes[at..<(at + tag.count)]) == tag {
          let content = string(start, at)
          at += tag.count
          return content
        }
        advance()
      }
      throw .sql("42601", "unterminated dollar-quoted string")
    }
  }
}
