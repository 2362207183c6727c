// SystemName.swift — names of objects inside of texts ('public."T"'::regclass): read by PostgreSQL's rules for identifiers, and quoted.
import Model

/// A name with up to three parts.
struct SystemName: Sendable {
  /// All parts, as they are looked up.
  var parts: [String]
  var name: String { parts.last ?? "" }
  /// The part before the name.
  var schema: String? { parts.count > 1 ? parts[parts.count - 2] : nil }
  /// As messages show it.
  var text: String { parts.joined(separator: ".") }

  /// Parses identifiers between points; those without quotes fold to lower case. 42602 for anything else.
  init(_ text: String) throws(TallyError) {
    let malformed = TallyError.sql("42602", "invalid name syntax")
    var parts: [String] = []
    var rest = text[...]
    func skipBlanks() { while let first = rest.first, first.isWhitespace { rest.removeFirst() } }
    while true {
      skipBlanks()
      var part = ""
      if rest.first == "\"" {
        rest.removeFirst()
        while true {
          guard let next = rest.popFirst() else { throw malformed }
          if next == "\"" {
            guard rest.first == "\"" else { break }
            rest.removeFirst()
          }
          part.append(next)
        }
      } else {
        while let next = rest.first, next != ".", !next.isWhitespace {
          part.append(next)
          rest.removeFirst()
        }
        part = part.lowercased()
      }
      guard !part.isEmpty else { throw malformed }
      parts.append(part)
      skipBlanks()
      if rest.isEmpty { break }
      guard rest.popFirst() == "." else { throw malformed }
    }
    self.parts = parts
  }

  /// The parts of a qualified name, as parse_ident gives them; unless it is strict, what follows the last one does not matter.
  static func identifiers(_ text: String, isStrict: Bool) throws(TallyError) -> ArrayValue {
    func malformed(_ detail: String?) -> TallyError {
      .sql("22023", "string is not a valid identifier: \"\(text)\"", detail: detail)
    }
    var result = ArrayValue(.text, [])
    var rest = text.unicodeScalars[...]
    func skipBlanks() { while let first = rest.first, first.properties.isWhitespace { rest.removeFirst() } }
    var isAfterPoint = false
    skipBlanks()
    while true {
      var part = String.UnicodeScalarView()
      if rest.first == "\"" {
        rest.removeFirst()
        while true {
          guard let next = rest.popFirst() else { throw malformed("String has unclosed double quotes.") }
          if next == "\"" {
            guard rest.first == "\"" else { break }
            rest.removeFirst()
          }
          part.append(next)
        }
        if part.isEmpty { throw malformed("Quoted identifier must not be empty.") }
        result.elements.append(.text(String(part)))
      } else {
        while let next = rest.first, isIdentifier(next, isFirst: part.isEmpty) {
          part.append(next)
          rest.removeFirst()
        }
        if part.isEmpty {
          throw malformed(
            isAfterPoint && rest.first != "."
              ? "No valid identifier after \".\"." : rest.first == "." ? "No valid identifier before \".\"." : nil
          )
        }
        result.elements.append(.text(String(part).lowercased()))
      }
      skipBlanks()
      guard rest.first == "." else { break }
      rest.removeFirst()
      isAfterPoint = true
      skipBlanks()
    }
    guard rest.isEmpty || !isStrict else { throw malformed(nil) }
    return result
  }
  private static func isIdentifier(_ scalar: Unicode.Scalar, isFirst: Bool) -> Bool {
    switch scalar {
    case "a"..."z", "A"..."Z", "_": true
    case "0"..."9", "$": !isFirst
    default: scalar.value >= 128
    }
  }

  /// A name as quote_ident writes it; `reserved` words are quoted too.
  static func quoted(_ name: String) -> String {
    let bytes = name.utf8
    let isPlain =
      bytes.first.map { ($0 >= 0x61 && $0 <= 0x7a) || $0 == 0x5f } ?? false
      && bytes.allSatisfy { ($0 >= 0x61 && $0 <= 0x7a) || ($0 >= 0x30 && $0 <= 0x39) || $0 == 0x5f }
    if isPlain && !Keyword.needQuotes.contains(name) { return name }
    return "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}
