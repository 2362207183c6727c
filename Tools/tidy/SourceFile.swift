// SourceFile.swift — a file as tidy sees it: lines, and the same lines without comments and string contents.

/// A source file.
struct SourceFile {
  /// Path from the package's root.
  var path: String
  /// Lines as they are.
  var lines: [String]
  /// Lines with comments and the insides of string literals blanked.
  var code: [String]

  init(path: String, text: String) {
    self.path = path
    lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
    if lines.last == "" { lines.removeLast() }
    code = SourceFile.blank(lines)
  }
  /// The module (or program) the file belongs to: the second part of its path.
  var module: String {
    let parts = path.split(separator: "/")
    return parts.count > 1 ? String(parts[1]) : ""
  }
  /// Last part of the path.
  var name: String { String(path.split(separator: "/").last ?? "") }
  /// `Sources`, `Tests`, `Tools` or `Cluster`.
  var top: String { String(path.split(separator: "/").first ?? "") }

  private static func blank(_ lines: [String]) -> [String] {
    var isMultiline = false
    var commentDepth = 0
    return lines.map { line in
      var out = ""
      var isInString = false
      var characters = Array(line)
      characters.append("\n")
      var i = 0
      while i < characters.count - 1 {
        let c = characters[i]
        let next = characters[i + 1]
        if commentDepth > 0 {
          if c == "*" && next == "/" {
            commentDepth -= 1
            i += 1
          } else if c == "/" && next == "*" {
            commentDepth += 1
            i += 1
          }
        } else if isMultiline {
          if c == "\"" && next == "\"" && i + 2 < characters.count && characters[i + 2] == "\"" {
            isMultiline = false
            i += 2
          }
        } else if isInString {
          if c == "\\" { i += 1 } else if c == "\"" { isInString = false }
        } else if c == "/" && next == "/" {
          break
        } else if c == "/" && next == "*" {
          commentDepth += 1
          i += 1
        } else if c == "\"" {
          if next == "\"" && i + 2 < characters.count && characters[i + 2] == "\"" {
            isMultiline = true
            i += 2
          } else {
            isInString = true
          }
        } else {
          out.append(c)
        }
        i += 1
      }
      return out
    }
  }
}
