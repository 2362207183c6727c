// JSONValue.swift — JSON as a value, and jsonb's canonical text: keys by length then bytes, the last of equal keys, numbers as
// numeric prints them, one blank after `:` and `,`. A jsonb is stored as that text, so it is read again by the functions on it.
//
// Numbers have numeric's 38 digits (22003 beyond). Nesting is bounded (54001). `\u0000` is refused, as PostgreSQL does.
public import Bytes

/// A JSON value.
public indirect enum JSONValue: Sendable {
  case null
  case boolean(Bool)
  case number(Numeric)
  case string(String)
  case array([JSONValue])
  /// Members in jsonb's order, without duplicates.
  case object([(key: String, value: JSONValue)])

  /// Members in jsonb's order; the last of equal keys stays.
  public static func object(unordered members: [(key: String, value: JSONValue)]) -> JSONValue {
    let sorted = members.enumerated().sorted { a, b in
      let order = compareKeys(a.element.key, b.element.key)
      return order == 0 ? a.offset < b.offset : order < 0
    }
    var result: [(key: String, value: JSONValue)] = []
    for (_, member) in sorted {
      if let last = result.last, last.key.utf8.elementsEqual(member.key.utf8) {
        result[result.count - 1] = member
      } else {
        result.append(member)
      }
    }
    return .object(result)
  }
  static func compareKeys(_ a: String, _ b: String) -> Int {
    if a.utf8.count != b.utf8.count { return a.utf8.count < b.utf8.count ? -1 : 1 }
    if a.utf8.elementsEqual(b.utf8) { return 0 }
    return a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
  }
  /// The member of an object; nil where there is none.
  public subscript(key: String) -> JSONValue? {
    guard case .object(let members) = self else { return nil }
    var (low, high) = (0, members.count)
    while low < high {
      let middle = (low + high) / 2
      let order = Self.compareKeys(members[middle].key, key)
      if order == 0 { return members[middle].value }
      if order < 0 { low = middle + 1 } else { high = middle }
    }
    return nil
  }

  // MARK: Reading

  /// Reads JSON; 22P02 with PostgreSQL's details.
  public init(parsing bytes: UnsafeRawBufferPointer) throws(TallyError) {
    var parser = JSONParser(bytes)
    self = try parser.document()
  }
  /// Reads JSON.
  public init(parsing text: String) throws(TallyError) {
    self = try withBytes(of: text) { bytes throws(TallyError) in try JSONValue(parsing: bytes) }
  }

  // MARK: Writing

  /// The canonical text.
  public var text: String {
    var writer = ByteWriter(capacity: 64)
    write(into: &writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
  /// Appends the canonical text.
  public func write(into writer: inout ByteWriter) {
    switch self {
    case .null: writer.ascii("null")
    case .boolean(let flag): flag ? writer.ascii("true") : writer.ascii("false")
    case .number(let number): NumericText.write(number, into: &writer)
    case .string(let text): Self.write(string: text, into: &writer)
    case .array(let items):
      writer.u8(0x5b)
      for (index, item) in items.enumerated() {
        if index > 0 { writer.ascii(", ") }
        item.write(into: &writer)
      }
      writer.u8(0x5d)
    case .object(let members):
      writer.u8(0x7b)
      for (index, member) in members.enumerated() {
        if index > 0 { writer.ascii(", ") }
        Self.write(string: member.key, into: &writer)
        writer.ascii(": ")
        member.value.write(into: &writer)
      }
      writer.u8(0x7d)
    }
  }
  /// Appends a text as a JSON string.
  public static func write(string text: String, into writer: inout ByteWriter) {
    writer.u8(0x22)
    for byte in text.utf8 {
      switch byte {
      case 0x08: writer.ascii("\\b")
      case 0x0c: writer.ascii("\\f")
      case 0x0a: writer.ascii("\\n")
      case 0x0d: writer.ascii("\\r")
      case 0x09: writer.ascii("\\t")
      case 0x22: writer.ascii("\\\"")
      case 0x5c: writer.ascii("\\\\")
      case 0..<0x20:
        writer.ascii("\\u00")
        writer.u8(0x30 + byte >> 4)
        writer.u8(byte & 15 < 10 ? 0x30 + byte & 15 : 0x57 + byte & 15)
      default: writer.u8(byte)
      }
    }
    writer.u8(0x22)
  }

  // MARK: Order

  /// Order of two canonical texts, as jsonb's B-tree has it; equal numbers may differ in scale.
  public static func compare(jsonb a: String, _ b: String) -> Int {
    if a.utf8.elementsEqual(b.utf8) { return 0 }
    do throws(TallyError) { return compare(try JSONValue(parsing: a), try JSONValue(parsing: b)) } catch {
      return a.utf8.lexicographicallyPrecedes(b.utf8) ? -1 : 1
    }
  }
  /// object > array > boolean > number > string > null; then sizes, then pairs. (An empty array is least of all.)
  public static func compare(_ a: JSONValue, _ b: JSONValue) -> Int { compare(a, b, isTop: true) }
  private static func compare(_ a: JSONValue, _ b: JSONValue, isTop: Bool) -> Int {
    switch (a, b) {
    case (.null, .null): return 0
    case (.boolean(let x), .boolean(let y)): return x == y ? 0 : x ? 1 : -1
    case (.number(let x), .number(let y)): return Numeric.compare(x, y)
    case (.string(let x), .string(let y)):
      if x.utf8.elementsEqual(y.utf8) { return 0 }
      return x.utf8.lexicographicallyPrecedes(y.utf8) ? -1 : 1
    case (.array(let x), .array(let y)):
      if x.count != y.count { return isTop && x.isEmpty ? -1 : isTop && y.isEmpty ? 1 : x.count < y.count ? -1 : 1 }
      for (p, q) in zip(x, y) {
        let order = compare(p, q, isTop: false)
        if order != 0 { return order }
      }
      return 0
    case (.object(let x), .object(let y)):
      if x.count != y.count { return x.count < y.count ? -1 : 1 }
      for (p, q) in zip(x, y) {
        if !p.key.utf8.elementsEqual(q.key.utf8) {
          return compareKeys(p.key, q.key)
        }
        let order = compare(p.value, q.value, isTop: false)
        if order != 0 { return order }
      }
      return 0
    default:
      if isTop, case .array(let items) = a, items.isEmpty { return -1 }
      if isTop, case .array(let items) = b, items.isEmpty { return 1 }
      return a.rank < b.rank ? -1 : 1
    }
  }
  private var rank: Int {
    switch self {
    case .null: 0
    case .string: 1
    case .number: 2
    case .boolean: 3
    case .array: 4
    case .object: 5
    }
  }
}
