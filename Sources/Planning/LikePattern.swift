// LikePattern.swift — a LIKE pattern taken apart once, and matching by bytes.
//
// `%` matches any text, `_` one character, `\` makes the next character plain. Patterns without `_` are runs of plain bytes between
// `%`s, which covers what people write; matching is greedy from the left and linear in practice.
public import Model

/// A compiled LIKE pattern.
public struct LikePattern: Sendable {
  /// What stands between two `%`.
  private enum Piece: Sendable {
    case byte(UInt8)
    case anyCharacter
  }
  private var segments: [[Piece]] = [[]]

  /// Compiles; a pattern that ends in a lone `\` is 22025.
  public init(_ pattern: String) throws(TallyError) {
    var isEscaped = false
    for byte in pattern.utf8 {
      if isEscaped {
        segments[segments.count - 1].append(.byte(byte))
        isEscaped = false
        continue
      }
      switch byte {
      case UInt8(ascii: "\\"): isEscaped = true
      case UInt8(ascii: "%"): segments.append([])
      case UInt8(ascii: "_"): segments[segments.count - 1].append(.anyCharacter)
      default: segments[segments.count - 1].append(.byte(byte))
      }
    }
    guard !isEscaped else { throw .sql("22025", "LIKE pattern must not end with escape character") }
  }

  /// Whether the whole text matches.
  public func matches(_ text: [UInt8]) -> Bool { text.withUnsafeBufferPointer { matches($0) } }
  /// Whether the whole text matches.
  public func matches(_ text: UnsafeBufferPointer<UInt8>) -> Bool {
    guard var at = end(of: segments[0], in: text, from: 0) else { return false }
    if segments.count == 1 { return at == text.count }
    for segment in segments.dropFirst().dropLast() where !segment.isEmpty {
      guard let next = find(segment, in: text, from: at) else { return false }
      at = next
    }
    let last = segments[segments.count - 1]
    if last.isEmpty { return true }
    var start = at
    while start <= text.count {
      if end(of: last, in: text, from: start) == text.count { return true }
      start += 1
    }
    return false
  }
  private func find(_ segment: [Piece], in text: UnsafeBufferPointer<UInt8>, from: Int) -> Int? {
    var start = from
    while start <= text.count {
      if let end = end(of: segment, in: text, from: start) { return end }
      start += 1
    }
    return nil
  }
  /// Where the segment ends if it matches at `from`.
  private func end(of segment: [Piece], in text: UnsafeBufferPointer<UInt8>, from: Int) -> Int? {
    var at = from
    for piece in segment {
      guard at < text.count else { return nil }
      switch piece {
      case .byte(let byte):
        if text[at] != byte { return nil }
        at += 1
      case .anyCharacter:
        if text[at] & 0xc0 == 0x80 { return nil }
        at += 1
        while at < text.count, text[at] & 0xc0 == 0x80 { at += 1 }
      }
    }
    return at
  }
}
