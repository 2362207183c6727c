// RecordText.swift — reads the facts that stand in sources as text: a record a line, indented lines go on with the one before.

enum RecordText {
  /// The records, each in one line.
  static func lines(_ text: String) -> [String] {
    var out: [String] = []
    for line in text.split(separator: "\n") {
      let words = line.drop { $0 == " " }
      if line.first == " ", let last = out.indices.last { out[last] += " " + words } else { out.append(String(words)) }
    }
    return out
  }
  /// The parts between separators.
  static func parts(_ text: String, _ separator: String) -> [String] {
    var out: [String] = []
    var rest = text[...]
    while let found = rest.firstRange(of: separator) {
      out.append(String(rest[..<found.lowerBound]))
      rest = rest[found.upperBound...]
    }
    out.append(String(rest))
    return out
  }
}
