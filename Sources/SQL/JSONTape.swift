// JSONTape.swift — reads libpg_query's JSON into a flat array of nodes, without recursion and without copying.
//
// A node is a kind, a byte range and the index after its last descendant ("next"). An object's children alternate key,
// value. The tape borrows the JSON bytes: it lives inside `ParseThread.withParseTree`. The writer of this JSON is trusted
// to be well-formed in the large, yet every bound is checked: anything unexpected is an internal error, never a trap.
import Model

struct JSONTape {
  enum Kind: UInt8 {
    case object
    case array
    case string
    case number
    case literal
  }
  struct Node {
    var kind: Kind
    /// Of a string: without the quotes.
    var start: Int32
    var end: Int32
    var next: Int32
  }
  let bytes: UnsafeBufferPointer<UInt8>
  private(set) var nodes: [Node] = []

  /// JSON levels are at most three to a syntax level; deeper than this no statement within `Limits.depthMax` goes.
  static let depthMax = Limits.depthMax * 8

  init(_ bytes: UnsafeBufferPointer<UInt8>) throws(TallyError) {
    self.bytes = bytes
    nodes.reserveCapacity(bytes.count / 12)
    var open: [Int] = []
    var at = 0
    while at < bytes.count {
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "{"), UInt8(ascii: "["):
        guard open.count < Self.depthMax else { throw SyntaxFailure.tooDeep }
        open.append(nodes.count)
        nodes.append(Node(kind: byte == UInt8(ascii: "{") ? .object : .array, start: Int32(at), end: 0, next: 0))
        at += 1
      case UInt8(ascii: "}"), UInt8(ascii: "]"):
        guard let opener = open.popLast() else { throw Self.damaged(at) }
        at += 1
        nodes[opener].end = Int32(at)
        nodes[opener].next = Int32(nodes.count)
      case UInt8(ascii: "\""):
        let start = at + 1
        at = start
        while at < bytes.count && bytes[at] != UInt8(ascii: "\"") {
          at += bytes[at] == UInt8(ascii: "\\") ? 2 : 1
        }
        guard at < bytes.count else { throw Self.damaged(start) }
        append(.string, start, at)
        at += 1
      case UInt8(ascii: ","), UInt8(ascii: ":"), 0x20, 0x09...0x0d:
        at += 1
      default:
        let start = at
        while at < bytes.count, !Self.endsToken(bytes[at]) { at += 1 }
        guard at > start else { throw Self.damaged(start) }
        append(bytes[start] >= 0x61 ? .literal : .number, start, at)
      }
    }
    guard open.isEmpty, !nodes.isEmpty else { throw Self.damaged(bytes.count) }
  }
  private mutating func append(_ kind: Kind, _ start: Int, _ end: Int) {
    nodes.append(Node(kind: kind, start: Int32(start), end: Int32(end), next: Int32(nodes.count + 1)))
  }
  private static func endsToken(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"), UInt8(ascii: ":"), 0x20, 0x09...0x0d: true
    default: false
    }
  }
  static func damaged(_ at: Int) -> TallyError {
    TallyError(.internalError, "the SQL parser's tree is not as expected (byte \(at))")
  }

  /// The value of a field, if the object has it.
  func field(_ object: Int, _ name: StaticString) -> Int? {
    guard nodes[object].kind == .object else { return nil }
    var child = object + 1
    let end = Int(nodes[object].next)
    while child + 1 < end {
      if matches(child, name) { return child + 1 }
      child = Int(nodes[child + 1].next)
    }
    return nil
  }
  /// Whether a string or key is exactly `name`.
  func matches(_ node: Int, _ name: StaticString) -> Bool {
    let entry = nodes[node]
    let count = Int(entry.end - entry.start)
    guard count == name.utf8CodeUnitCount, let start = bytes.baseAddress else { return false }
    for i in 0..<count where start[Int(entry.start) + i] != name.utf8Start[i] { return false }
    return true
  }
  /// The elements of an array; none when the node is absent.
  func elements(_ array: Int?) -> [Int] {
    guard let array, nodes[array].kind == .array else { return [] }
    var result: [Int] = []
    var child = array + 1
    let end = Int(nodes[array].next)
    while child < end {
      result.append(child)
      child = Int(nodes[child].next)
    }
    return result
  }
  /// The only field of an object such as `{"ColumnRef": {…}}`: its key's and value's nodes.
  func tagged(_ object: Int) -> (tag: Int, body: Int)? {
    guard nodes[object].kind == .object, Int(nodes[object].next) >= object + 3 else { return nil }
    return (object + 1, object + 2)
  }
  /// Text of a string or key, unescaped.
  func string(_ node: Int) -> String {
    let entry = nodes[node]
    let raw = bytes[Int(entry.start)..<Int(entry.end)]
    guard raw.contains(UInt8(ascii: "\\")) else { return String(decoding: raw, as: UTF8.self) }
    var out: [UInt8] = []
    var at = raw.startIndex
    while at < raw.endIndex {
      guard raw[at] == UInt8(ascii: "\\"), at + 1 < raw.endIndex else {
        out.append(raw[at])
        at += 1
        continue
      }
      let escape = raw[at + 1]
      at += 2
      switch escape {
      case UInt8(ascii: "n"): out.append(0x0a)
      case UInt8(ascii: "t"): out.append(0x09)
      case UInt8(ascii: "r"): out.append(0x0d)
      case UInt8(ascii: "b"): out.append(0x08)
      case UInt8(ascii: "f"): out.append(0x0c)
      case UInt8(ascii: "u"):
        let digits = raw[at..<min(at + 4, raw.endIndex)]
        let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0xfffd
        out.append(contentsOf: String(Unicode.Scalar(code) ?? "\u{fffd}").utf8)
        at = digits.endIndex
      default: out.append(escape)
      }
    }
    return String(decoding: out, as: UTF8.self)
  }
  /// An integer.
  func integer(_ node: Int) -> Int? {
    let entry = nodes[node]
    guard entry.kind == .number else { return nil }
    return Int(String(decoding: bytes[Int(entry.start)..<Int(entry.end)], as: UTF8.self))
  }
  /// A boolean; false for anything but `true`.
  func isTrue(_ node: Int?) -> Bool {
    guard let node else { return false }
    return nodes[node].kind == .literal && matches(node, "true")
  }
}
