// StatementSplitter.swift — a stream of lines → statements, each with its semicolon: what `psql` takes for the end of one.
//
// A semicolon ends a statement outside of quotes, identifiers, dollar quotes, comments and parentheses. What the words mean is the server's
// to say. Comments that only separate statements belong to the next one.

/// Gathers lines until they hold a statement.
public struct StatementSplitter: Sendable {
  /// What the text gathered so far is in the middle of.
  public enum Inside: Equatable, Sendable {
    case nothing
    case string(isEscaped: Bool)
    case identifier
    case dollars(String)
    case comment(depth: Int)
  }
  private var text = ""
  private var scanned: String.Index
  /// What the gathered text is inside of.
  public private(set) var inside = Inside.nothing
  private var parentheses = 0

  /// Nothing gathered.
  public init() { scanned = text.startIndex }

  /// Whether nothing but blanks and comments was gathered.
  public var isEmpty: Bool { inside == .nothing && Self.isBlank(text) }
  /// The text gathered since the last statement.
  public var pending: String { text }
  /// The character before `>` of psql's prompt: = at the start, - within a statement, what is open otherwise.
  public var prompt: Character {
    switch inside {
    case .string: "'"
    case .identifier: "\""
    case .dollars: "$"
    case .comment: "*"
    case .nothing: parentheses > 0 ? "(" : Self.isBlank(text) ? "=" : "-"
    }
  }
  /// Forgets what was gathered.
  public mutating func clear() { self = StatementSplitter() }
  /// Takes what was gathered as a statement although it has no semicolon (`\g`, the end of a file).
  public mutating func take() -> String? {
    defer { clear() }
    return isEmpty ? nil : text
  }
  /// Takes a line, without its newline; gives the statements that it ends.
  public mutating func append(_ line: String) -> [String] {
    let offset = text.utf8.count
    text += (text.isEmpty ? "" : "\n") + line
    scanned = text.utf8.index(text.startIndex, offsetBy: offset)
    var statements: [String] = []
    while let end = scan() {
      let statement = String(text[..<end])
      text = String(text[end...].drop { $0.isWhitespace })
      scanned = text.startIndex
      if !Self.isBlank(String(statement.dropLast())) { statements.append(statement) }
    }
    return statements
  }

  /// The index behind the next semicolon that ends a statement; nil when there is none yet.
  private mutating func scan() -> String.Index? {
    let view = text.unicodeScalars
    var at = scanned
    defer { scanned = view.endIndex }
    func next(_ index: String.Index) -> Unicode.Scalar? {
      let after = view.index(after: index)
      return after < view.endIndex ? view[after] : nil
    }
    while at < view.endIndex {
      let scalar = view[at]
      let start = at
      at = view.index(after: at)
      switch inside {
      case .string(let isEscaped):
        if scalar == "\\", isEscaped, at < view.endIndex { at = view.index(after: at) }
        // A doubled quote closes and opens again.
        if scalar == "'" { inside = .nothing }
      case .identifier: if scalar == "\"" { inside = .nothing }
      case .dollars(let tag):
        if scalar == "$", text[start...].hasPrefix(tag) {
          at = text.index(start, offsetBy: tag.count)
          inside = .nothing
        }
      case .comment(let depth):
        if scalar == "*", next(start) == "/" {
          inside = depth == 1 ? .nothing : .comment(depth: depth - 1)
          at = view.index(after: at)
        } else if scalar == "/", next(start) == "*" {
          inside = .comment(depth: depth + 1)
          at = view.index(after: at)
        }
      case .nothing:
        switch scalar {
        case "'": inside = .string(isEscaped: isEscapePrefix(view, start))
        case "\"": inside = .identifier
        case "-" where next(start) == "-": while at < view.endIndex, view[at] != "\n" { at = view.index(after: at) }
        case "/" where next(start) == "*":
          inside = .comment(depth: 1)
          at = view.index(after: at)
        case "$":
          if let tag = Self.dollarTag(text[start...], behind: start > view.startIndex ? view[view.index(before: start)] : nil) {
            inside = .dollars(tag)
            at = text.index(start, offsetBy: tag.count)
          }
        case "(": parentheses += 1
        case ")": parentheses = max(0, parentheses - 1)
        case ";" where parentheses == 0: return at
        default: break
        }
      }
    }
    return nil
  }
  /// Whether the quote at an index begins a string with backslash escapes: E'…'.
  private func isEscapePrefix(_ view: String.UnicodeScalarView, _ quote: String.Index) -> Bool {
    guard quote > view.startIndex else { return false }
    let letter = view.index(before: quote)
    guard view[letter] == "E" || view[letter] == "e" else { return false }
    return letter == view.startIndex || !Self.isWord(view[view.index(before: letter)])
  }
  private static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "_" || scalar == "$" || scalar.value >= 0x80 || scalar.properties.isAlphabetic || ("0"..."9").contains(scalar)
  }
  /// The tag of a dollar quote that a text begins with: `$$`, `$body$`.
  private static func dollarTag(_ text: Substring, behind: Unicode.Scalar?) -> String? {
    if let behind, isWord(behind) { return nil }
    var tag = "$"
    for character in text.dropFirst() {
      tag.append(character)
      if character == "$" { return tag }
      guard let scalar = character.unicodeScalars.first, isWord(scalar), tag.count > 2 || !character.isNumber else { return nil }
    }
    return nil
  }
  private static func isBlank(_ text: String) -> Bool {
    var rest = text[...].drop { $0.isWhitespace }
    while true {
      if rest.hasPrefix("--") {
        rest = rest.drop { !$0.isNewline }
      } else if rest.hasPrefix("/*"), let end = rest.firstRange(of: "*/") {
        rest = rest[end.upperBound...]
      } else {
        return rest.isEmpty
      }
      rest = rest.drop { $0.isWhitespace }
    }
  }
}
