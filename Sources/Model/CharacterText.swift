// CharacterText.swift — the catalog's short texts: `name` (at most 63 bytes) and `"char"` (at most one byte).

/// Texts of bounded bytes.
public enum CharacterText {
  /// A text as a `name` keeps it: cut at 63 bytes, at a character's border.
  public static func name(_ text: String) -> String {
    guard text.utf8.count > Limits.nameBytesMax else { return text }
    var result = ""
    var count = 0
    for scalar in text.unicodeScalars {
      count += UTF8.width(scalar)
      if count > Limits.nameBytesMax { break }
      result.unicodeScalars.append(scalar)
    }
    return result
  }
  /// A text as a `"char"` keeps it: its first byte; a byte that is not ASCII is no text, so that is dropped.
  public static func char(_ text: String) -> String {
    guard let first = text.unicodeScalars.first, first.isASCII else { return "" }
    return String(first)
  }
}
