// JSONText.swift — parts of a `json` as they are written: type json keeps its text, so that -> gives a piece of it, blanks and all.
//
// The text was checked when it became a json; what is malformed nevertheless has no parts.
import Model

/// A json's text.
struct JSONText {
  private let bytes: [UInt8]
  private let whole: Range<Int>

  init(_ text: String) { self.init(Array(text.utf8)) }
  private init(_ bytes: [UInt8]) {
    self.bytes = bytes
    var (start, end) = (0, bytes.count)
    while start < end, Self.isBlank(bytes[start]) { start += 1 }
    while end > start, Self.isBlank(bytes[end - 1]) { end -= 1 }
    whole = start..<end
  }
  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 || byte == 0x0a || byte == 0x0d }

  /// The value as written.
  var text: String { String(decoding: bytes[whole], as: UTF8.self) }
  /// A string's content, any other value as written; nil for JSON's null.
  func plain() throws(TallyError) -> String? {
    switch bytes[whole].first {
    case UInt8(ascii: "\""): if case .string(let content) = try JSONValue(parsing: text) { content } else { nil }
    case UInt8(ascii: "n"): nil
    default: text
    }
  }
  /// The member of an object; of several of that name the last.
  func member(_ name: String) throws(TallyError) -> JSONText? {
    guard bytes[whole].first == UInt8(ascii: "{") else { return nil }
    var found: Range<Int>?
    var at = skipped(whole.lowerBound + 1)
    while at < whole.upperBound, bytes[at] == UInt8(ascii: "\"") {
      let key = at..<end(of: at)
      at = skipped(key.upperBound)
      guard at < whole.upperBound, bytes[at] == UInt8(ascii: ":") else { return nil }
      at = skipped(at + 1)
      let value = at..<end(of: at)
      if try isName(name, key) { found = value }
      at = skipped(value.upperBound)
      guard at < whole.upperBound, bytes[at] == UInt8(ascii: ",") else { break }
      at = skipped(at + 1)
    }
    return found.map { JSONText(Array(bytes[$0])) }
  }
  /// The element of an array, from its end when the index is negative.
  func element(_ index: Int64) -> JSONText? {
    guard bytes[whole].first == UInt8(ascii: "[") else { return nil }
    var items: [Range<Int>] = []
    var at = skipped(whole.lowerBound + 1)
    while at < whole.upperBound, bytes[at] != UInt8(ascii: "]") {
      items.append(at..<end(of: at))
      at = skipped(items[items.count - 1].upperBound)
      guard at < whole.upperBound, bytes[at] == UInt8(ascii: ",") else { break }
      at = skipped(at + 1)
    }
    let place = index < 0 ? index + Int64(items.count) : index
    return items.indices.contains(Int(clamping: place)) ? JSONText(Array(bytes[items[Int(place)]])) : nil
  }
  /// Where a path leads.
  func follow(_ path: [String]) throws(TallyError) -> JSONText? {
    var at = self
    for step in path {
      var next = try at.member(step)
      if next == nil, let index = Int64(step) { next = at.element(index) }
      guard let next else { return nil }
      at = next
    }
    return at
  }

  private func isName(_ name: String, _ key: Range<Int>) throws(TallyError) -> Bool {
    let inner = bytes[key].dropFirst().dropLast()
    guard inner.contains(0x5c) else { return inner.elementsEqual(name.utf8) }
    if case .string(let written) = try JSONValue(parsing: String(decoding: bytes[key], as: UTF8.self)) { return written == name }
    return false
  }
  private func skipped(_ start: Int) -> Int {
    var at = start
    while at < whole.upperBound, Self.isBlank(bytes[at]) { at += 1 }
    return at
  }
  /// The index behind the value that begins at an index.
  private func end(of start: Int) -> Int {
    var at = start
    var depth = 0
    while at < whole.upperBound {
      switch bytes[at] {
      case UInt8(ascii: "\""):
        at += 1
        while at < whole.upperBound, bytes[at] != UInt8(ascii: "\"") { at += bytes[at] == 0x5c ? 2 : 1 }
        if depth == 0 { return min(at + 1, whole.upperBound) }
      case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        if depth == 0 { return at }
        depth -= 1
        if depth == 0 { return at + 1 }
      case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09, 0x0a, 0x0d: if depth == 0 { return at }
      default: break
      }
      at += 1
    }
    return whole.upperBound
  }
}
