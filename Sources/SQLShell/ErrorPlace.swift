// ErrorPlace.swift — the line of a text that an error points into, and a caret below it, as psql shows them.

/// Where an error stands.
public enum ErrorPlace {
  /// Most characters of the line that are shown.
  private static let widthMax = 60

  /// `LINE 2: select nope` and the caret's line; nil when the position, a character from 1, is not in the text.
  public static func shown(_ position: Int, in text: String) -> String? {
    let characters = Array(text.unicodeScalars)
    guard position >= 1, position <= characters.count + 1 else { return nil }
    let at = position - 1
    let start = characters[..<at].lastIndex(of: "\n").map { $0 + 1 } ?? 0
    let end = characters[at...].firstIndex(of: "\n") ?? characters.count
    let number = characters[..<start].count { $0 == "\n" } + 1
    var (from, to) = (start, end)
    if to - from > widthMax {
      from = max(start, min(at - widthMax / 2, end - widthMax))
      to = min(end, from + widthMax)
    }
    let (before, after) = (from > start ? "..." : "", to < end ? "..." : "")
    func plain(_ range: Range<Int>) -> String {
      var view = String.UnicodeScalarView()
      for scalar in characters[range] { view.append(scalar == "\t" || scalar == "\r" ? " " : scalar) }
      return String(view)
    }
    let head = "LINE \(number): \(before)"
    return head + plain(from..<to) + after + "\n" + String(repeating: " ", count: head.count + plain(from..<at).count) + "^"
  }
}
