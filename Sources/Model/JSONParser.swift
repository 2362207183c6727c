// JSONParser.swift — reads JSON text as PostgreSQL's parser does: RFC 8259, errors with its details.
import Bytes

/// One document's parser.
struct JSONParser {
  /// Arrays and objects inside each other.
  static let depthMax = Limits.depthMax

  private let bytes: UnsafeRawBufferPointer
  private var at = 0
  private var depth = 0

  init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

  mutating func document() throws(TallyError) -> JSONValue {
    let result = try value()
    skipBlanks()
    guard at == bytes.count else { throw expected("end of input") }
    return result
  }

  private mutating func skipBlanks() {
    while at < bytes.count, bytes[at] == 0x20 || bytes[at] == 0x09 || bytes[at] == 0x0a || bytes[at] == 0x0d { at += 1 }
  }
  private mutating func take(_ byte: UInt8) -> Bool {
    skipBlanks()
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }
  private mutating func value() throws(TallyError) -> JSONValue {
    skipBlanks()
    guard at < bytes.count else { throw ended }
    switch bytes[at] {
    case 0x7b: return try object()
    case 0x5b: return try array()
    case 0x22: return .string(try string())
    case 0x2d, 0x30...0x39: return try number()
    default:
      if takeWord("true") { return .boolean(true) }
      if takeWord("false") { return .boolean(false) }
      if takeWord("null") { return .null }
      let token = self.token
      throw isWord(token) ? invalid("Token \"\(token)\" is invalid.") : expected("JSON value")
    }
  }
  private mutating func enter() throws(TallyError) {
    depth += 1
    guard depth <= Self.depthMax else {
      throw .sql("54001", "stack depth limit exceeded", hint: "JSON nests deeper than \(Self.depthMax).")
    }
    at += 1
  }
  private mutating func array() throws(TallyError) -> JSONValue {
    try enter()
    defer { depth -= 1 }
    var items: [JSONValue] = []
    if take(0x5d) { return .array(items) }
    while true {
      items.append(try value())
      if take(0x2c) { continue }
      if take(0x5d) { return .array(items) }
      throw expected("\",\" or \"]\"")
    }
  }
  private mutating func object() throws(TallyError) -> JSONValue {
    try enter()
    defer { depth -= 1 }
    var members: [(key: String, value: JSONValue)] = []
    if take(0x7d) { return .object(members) }
    while true {
      skipBlanks()
      guard at < bytes.count else { throw ended }
      guard bytes[at] == 0x22 else { throw expected(members.isEmpty ? "string or \"}\"" : "string") }
      let key = try string()
      guard take(0x3a) else { throw expected("\":\"") }
      members.append((key, try value()))
      if take(0x2c) { continue }
      if take(0x7d) { return .object(unordered: members) }
      throw expected("\",\" or \"}\"")
    }
  }
  private mutating func takeWord(_ word: StaticString) -> Bool {
    let count = word.utf8CodeUnitCount
    guard bytes.count - at >= count else { return false }
    for i in 0..<count where bytes[at + i] != word.utf8Start[i] { return false }
    guard at + count == bytes.count || !Self.isWordByte(bytes[at + count]) else { return false }
    at += count
    return true
  }
  private static func isWordByte(_ byte: UInt8) -> Bool {
    TextScanner.isLetter(byte) || TextScanner.isDigit(byte) || byte == 0x5f || byte >= 0x80
  }
  private mutating func number() throws(TallyError) -> JSONValue {
    let start = at
    if bytes[at] == 0x2d { at += 1 }
    let whole = at
    while at < bytes.count, TextScanner.isDigit(bytes[at]) { at += 1 }
    var isGood = at > whole && (at == whole + 1 || bytes[whole] != 0x30)
    if at < bytes.count, bytes[at] == 0x2e {
      at += 1
      let fraction = at
      while at < bytes.count, TextScanner.isDigit(bytes[at]) { at += 1 }
      isGood = isGood && at > fraction
    }
    if at < bytes.count, bytes[at] | 0x20 == 0x65 {
      at += 1
      if at < bytes.count, bytes[at] == 0x2b || bytes[at] == 0x2d { at += 1 }
      let exponent = at
      while at < bytes.count, TextScanner.isDigit(bytes[at]) { at += 1 }
      isGood = isGood && at > exponent
    }
    if at < bytes.count, Self.isWordByte(bytes[at]) { isGood = false }
    guard isGood else {
      at = start
      throw invalid("Token \"\(token)\" is invalid.")
    }
    return .number(try NumericText.parse(UnsafeRawBufferPointer(rebasing: bytes[start..<at]), as: .plainNumeric))
  }
  private mutating func string() throws(TallyError) -> String {
    at += 1
    var out: [UInt8] = []
    while true {
      let start = at
      while at < bytes.count, bytes[at] != 0x22, bytes[at] != 0x5c, bytes[at] >= 0x20 { at += 1 }
      out.append(contentsOf: bytes[start..<at])
      guard at < bytes.count else { throw invalid("The input string ended unexpectedly.") }
      switch bytes[at] {
      case 0x22:
        at += 1
        return String(decoding: out, as: UTF8.self)
      case 0x5c: try escape(&out)
      default: throw invalid("Character with value 0x\(hexadecimal(bytes[at])) must be escaped.")
      }
    }
  }
  private func hexadecimal(_ byte: UInt8) -> String { (byte < 16 ? "0" : "") + String(byte, radix: 16) }
  private mutating func escape(_ out: inout [UInt8]) throws(TallyError) {
    at += 1
    guard at < bytes.count else { throw invalid("The input string ended unexpectedly.") }
    let byte = bytes[at]
    at += 1
    switch byte {
    case 0x22, 0x5c, 0x2f: out.append(byte)
    case 0x62: out.append(0x08)
    case 0x66: out.append(0x0c)
    case 0x6e: out.append(0x0a)
    case 0x72: out.append(0x0d)
    case 0x74: out.append(0x09)
    case 0x75:
      var code = try codeUnit()
      guard code != 0 else {
        throw .sql("22P05", "unsupported Unicode escape sequence", detail: "\\u0000 cannot be converted to text.")
      }
      if (0xd800..<0xdc00).contains(code) {
        guard at + 1 < bytes.count, bytes[at] == 0x5c, bytes[at + 1] == 0x75 else {
          throw invalid("Unicode low surrogate must follow a high surrogate.")
        }
        at += 2
        let low = try codeUnit()
        guard (0xdc00..<0xe000).contains(low) else { throw invalid("Unicode low surrogate must follow a high surrogate.") }
        code = 0x10000 + (code - 0xd800) << 10 + (low - 0xdc00)
      }
      guard let scalar = Unicode.Scalar(code) else { throw invalid("Unicode low surrogate must follow a high surrogate.") }
      out.append(contentsOf: String(scalar).utf8)
    default:
      let rest = String(decoding: bytes[(at - 1)...], as: UTF8.self).unicodeScalars.first.map { String($0) } ?? ""
      throw invalid("Escape sequence \"\\\(rest)\" is invalid.")
    }
  }
  private mutating func codeUnit() throws(TallyError) -> UInt32 {
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard at < bytes.count, let digit = BinaryForm.hexadecimal(bytes[at]) else {
        throw invalid("\"\\u\" must be followed by four hexadecimal digits.")
      }
      code = code << 4 | UInt32(digit)
      at += 1
    }
    return code
  }

  // MARK: Errors

  /// The token that begins at the cursor.
  private var token: String {
    var end = at
    while end < bytes.count, Self.isWordByte(bytes[end]) || (end > at && (bytes[end] == 0x2e || bytes[end] == 0x2b || bytes[end] == 0x2d)) {
      end += 1
    }
    if end == at, at < bytes.count { end = at + 1 }
    return String(decoding: bytes[at..<end], as: UTF8.self)
  }
  private func isWord(_ token: String) -> Bool { token.utf8.first.map(Self.isWordByte) ?? false }
  private var ended: TallyError { invalid("The input string ended unexpectedly.") }
  private mutating func expected(_ what: String) -> TallyError {
    skipBlanks()
    if at >= bytes.count { return ended }
    if bytes[at] == 0x22 {
      let start = at
      do throws(TallyError) {
        _ = try string()
        let shown = String(decoding: bytes[start..<at], as: UTF8.self)
        return invalid("Expected \(what), but found \"\(shown)\".")
      } catch {
        // A string that does not end is told by its beginning.
        at = start
      }
    }
    return invalid("Expected \(what), but found \"\(token)\".")
  }
  private func invalid(_ detail: String) -> TallyError {
    .sql("22P02", "invalid input syntax for type json", detail: detail)
  }
}
