// TopNText.swift — a TopN state as JSON text, `{"key": count, …}`: what a client sees, as from postgresql-topn.
//
// Counts are lower bounds, highest first, ties by key bytes. Reading takes any flat JSON object of numbers: integer parts count,
// values that are no numbers are ignored, the counts become exact (error 0), keys longer than allowed are refused, as the
// reference does. Depth is fixed at one, so nothing recurses.
public import Model

/// Prints and parses TopN states.
public enum TopNText {
  /// The JSON text.
  public static func print(_ state: TopN) -> String {
    var out: [UInt8] = [0x7b]
    for (at, item) in state.ranked().enumerated() {
      if at > 0 { out.append(contentsOf: [0x2c, 0x20]) }
      quote(item.key, into: &out)
      out.append(contentsOf: [0x3a, 0x20])
      out.append(contentsOf: String(item.lower).utf8)
    }
    out.append(0x7d)
    return String(decoding: out, as: UTF8.self)
  }
  private static func quote(_ key: [UInt8], into out: inout [UInt8]) {
    out.append(0x22)
    for byte in key {
      switch byte {
      case 0x22, 0x5c: out.append(contentsOf: [0x5c, byte])
      case 0x08: out.append(contentsOf: [0x5c, 0x62])
      case 0x09: out.append(contentsOf: [0x5c, 0x74])
      case 0x0a: out.append(contentsOf: [0x5c, 0x6e])
      case 0x0c: out.append(contentsOf: [0x5c, 0x66])
      case 0x0d: out.append(contentsOf: [0x5c, 0x72])
      case 0..<0x20:
        let digits = String(byte, radix: 16)
        out.append(
          contentsOf: ("\\u" + String(repeating: "0", count: 4 - digits.utf8.count) + digits).utf8
        )
      default: out.append(byte)
      }
    }
    out.append(0x22)
  }
  /// A state from JSON text; 22P02 when it is not an object of numbers.
  public static func parse(
    _ text: String,
    _ parameters: TopNParameters = TopNParameters()
  ) throws(TallyError) -> TopN {
    var parser = TopNParser(Array(text.utf8))
    var state = TopN(
      TopNParameters(counters: parameters.counters, keyBytesMax: UInt32(Limits.textBytesMax))
    )
    for (key, weight) in try parser.object() {
      guard key.count <= Int(parameters.keyBytesMax) else {
        throw .sql(
          "22001",
          "topn key of \(key.count) bytes is longer than \(parameters.keyBytesMax) bytes"
        )
      }
      guard weight >= 0 else { throw .sql("22023", "a topn count cannot be negative") }
      state.add(key, weight: weight)
    }
    return TopN(parameters, items: state.items, absent: 0, total: state.total)
  }
}

/// Reads one flat JSON object.
private struct TopNParser {
  private let bytes: [UInt8]
  private var at = 0
  init(_ bytes: [UInt8]) { self.bytes = bytes }

  private func failure(_ detail: String) -> TallyError {
    .sql("22P02", "invalid input syntax for type topn", detail: "\(detail) at byte \(at + 1).")
  }
  private mutating func skipSpace() {
    while at < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
  }
  private mutating func take(_ byte: UInt8) -> Bool {
    skipSpace()
    guard at < bytes.count, bytes[at] == byte else { return false }
    at += 1
    return true
  }
  /// Pairs of keys and whole counts, in order of appearance.
  mutating func object() throws(TallyError) -> [([UInt8], Int64)] {
    guard take(0x7b) else { throw failure("Expected an object") }
    var pairs: [([UInt8], Int64)] = []
    if !take(0x7d) {
      repeat {
        guard take(0x22) else { throw failure("Expected a key") }
        let key = try string()
        guard take(0x3a) else { throw failure("Expected \":\"") }
        if let count = try value() { pairs.append((key, count)) }
      } while take(0x2c)
      guard take(0x7d) else { throw failure("Expected \",\" or \"}\"") }
    }
    skipSpace()
    guard at == bytes.count else { throw failure("Text after the object") }
    return pairs
  }
  /// A number's integer part; nil for other scalars.
  private mutating func value() throws(TallyError) -> Int64? {
    if take(0x22) {
      _ = try string()
      return nil
    }
    let start = at
    while at < bytes.count, ![0x2c, 0x7d, 0x20, 0x09, 0x0a, 0x0d].contains(bytes[at]) { at += 1 }
    let word = String(decoding: bytes[start..<at], as: UTF8.self)
    if word == "null" || word == "true" || word == "false" { return nil }
    if let whole = Int64(word) { return whole }
    guard let number = Double(word), number.isFinite,
      word.utf8.allSatisfy({ "0123456789+-.eE".utf8.contains($0) })
    else {
      at = start
      throw failure("Expected a number")
    }
    let cut = number.rounded(.towardZero)
    return Int64(exactly: cut) ?? (cut < 0 ? .min : .max)
  }
  private mutating func string() throws(TallyError) -> [UInt8] {
    var out: [UInt8] = []
    while at < bytes.count {
      let byte = bytes[at]
      at += 1
      switch byte {
      case 0x22: return out
      case 0..<0x20: throw failure("Control character in a key")
      case 0x5c: try escape(into: &out)
      default: out.append(byte)
      }
    }
    throw failure("Unfinished key")
  }
  private mutating func escape(into out: inout [UInt8]) throws(TallyError) {
    guard at < bytes.count else { throw failure("Unfinished key") }
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
      var unit = try hexadecimal()
      if unit & 0xfc00 == 0xd800 {
        guard at + 1 < bytes.count, bytes[at] == 0x5c, bytes[at + 1] == 0x75 else {
          throw failure("Half a surrogate pair")
        }
        at += 2
        let low = try hexadecimal()
        guard low & 0xfc00 == 0xdc00 else { throw failure("Half a surrogate pair") }
        unit = 0x10000 + (unit & 0x3ff) << 10 | low & 0x3ff
      }
      guard let scalar = Unicode.Scalar(unit), unit != 0 else { throw failure("Not a character") }
      out.append(contentsOf: Array(String(Character(scalar)).utf8))
    default: throw failure("Unknown escape")
    }
  }
  private mutating func hexadecimal() throws(TallyError) -> UInt32 {
    guard at + 4 <= bytes.count,
      let unit = UInt32(String(decoding: bytes[at..<at + 4], as: UTF8.self), radix: 16)
    else {
      throw failure("Expected four hexadecimal digits")
    }
    at += 4
    return unit
  }
}
