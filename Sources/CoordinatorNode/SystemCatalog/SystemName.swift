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
