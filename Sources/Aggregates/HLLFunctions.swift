// HLLFunctions.swift — postgresql-hll's scalar functions over states, for the expression engine; NULL handling is the caller's
// (all are strict).
import Bytes
public import Model

/// Scalar functions of type `hll`.
public enum HLLFunctions {
  /// `hll_empty(log2m, regwidth, expthresh, sparseon)`; the extension's errors for values out of range.
  public static func parameters(
    log2m: Int64 = 11,
    regwidth: Int64 = 5,
    expthresh: Int64 = -1,
    sparseon: Int64 = 1
  ) throws(TallyError) -> HLLParameters {
    guard (0...17).contains(log2m) else {
      throw .sql("22023", "log2m modifier must be between 0 and 17")
    }
    // The extension takes 0 … 7, though its header cannot hold 0; widths up to 8 work here.
    guard (1...8).contains(regwidth) else {
      throw .sql("22023", "regwidth modifier must be between 1 and 8")
    }
    guard (-1...16383).contains(expthresh) else {
      throw .sql("22023", "expthresh modifier must be between -1 and 16383")
    }
    guard expthresh <= 0 || expthresh & (expthresh - 1) == 0 else {
      throw .sql("22023", "expthresh modifier must be power of 2")
    }
    guard sparseon == 0 || sparseon == 1 else {
      throw .sql("22023", "sparseon modifier must be 0 or 1")
    }
    return HLLParameters(
      log2m: UInt8(log2m),
      regwidth: UInt8(regwidth),
      expthresh: Int32(expthresh),
      sparseon: sparseon == 1
    )
  }
  /// The text form of packed bytes: `\x` and hexadecimal digits.
  public static func text(_ state: HyperLogLog) -> String {
    var out = "\\x"
    for byte in HLLFormat.encode(state) {
      out += String(byte >> 4, radix: 16)
      out += String(byte & 15, radix: 16)
    }
    return out
  }
  /// A state from its text form; 22P02 or the decoder's reason as 22000.
  public static func parse(_ text: String) throws(TallyError) -> HyperLogLog {
    let digits = Array(text.utf8)
    guard digits.count >= 2, digits[0] == 0x5c, digits[1] == 0x78, digits.count % 2 == 0 else {
      throw .sql(
        "22P02",
        "invalid input syntax for type hll",
        detail: "Expected \\x and pairs of hexadecimal digits."
      )
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 2 - 1)
    for at in stride(from: 2, to: digits.count, by: 2) {
      guard let high = nibble(digits[at]), let low = nibble(digits[at + 1]) else {
        throw .sql(
          "22P02",
          "invalid input syntax for type hll",
          detail: "Expected \\x and pairs of hexadecimal digits."
        )
      }
      bytes.append(high << 4 | low)
    }
    return try unpack(bytes)
  }
  private static func nibble(_ digit: UInt8) -> UInt8? {
    switch digit {
    case 0x30...0x39: digit - 0x30
    case 0x41...0x46: digit - 0x37
    case 0x61...0x66: digit - 0x57
    default: nil
    }
  }
  /// A state from packed bytes, with a decoding failure as SQL error 22000.
  public static func unpack(_ bytes: [UInt8]) throws(TallyError) -> HyperLogLog {
    do throws(DecodingFailure) { return try HLLFormat.decode(bytes) } catch {
      throw .sql("22000", "invalid hll", detail: error.description)
    }
  }
  /// `hll_cardinality`, `#`; nil (NULL) when undefined.
  public static func cardinality(_ state: HyperLogLog) throws(TallyError) -> Double? {
    try HLLEstimate.cardinality(state)
  }
  /// `hll_union`: both states' values; the second is the source in error messages.
  public static func union(_ a: HyperLogLog, _ b: HyperLogLog) throws(TallyError) -> HyperLogLog {
    var result = a
    try result.union(b)
    return result
  }
  /// `hll_add`.
  public static func add(_ state: HyperLogLog, _ hash: Int64) -> HyperLogLog {
    var result = state
    result.add(hash)
    return result
  }
  /// `hll_eq`: whether the packed bytes are equal.
  public static func equal(_ a: HyperLogLog, _ b: HyperLogLog) -> Bool {
    HLLFormat.encode(a) == HLLFormat.encode(b)
  }
  /// `hll_type`: 0 undefined, 1 empty, 2 explicit, 3 sparse, 4 full, as packed.
  public static func type(_ state: HyperLogLog) -> Int64 { Int64(HLLFormat.encode(state)[0] & 15) }
  /// `hll_expthresh`: as given, and in effect.
  public static func expthresh(_ state: HyperLogLog) -> (specified: Int64, effective: Int64) {
    (Int64(state.parameters.expthresh), Int64(state.parameters.explicitLimit))
  }
  /// `hll_is_exact`: whether the cardinality is an exact count.
  public static func isExact(_ state: HyperLogLog) -> Bool {
    switch state.content {
    case .empty, .explicit: true
    case .undefined, .registers: false
    }
  }
  /// `hll_print`: the extension's text dump.
  public static func print(_ state: HyperLogLog) -> String {
    let p = state.parameters
    let limit = p.expthresh == -1 ? "-1(\(p.explicitLimit))" : "\(p.expthresh)"
    let tail =
      "nregs=\(p.registerCount), nbits=\(p.regwidth), expthresh=\(limit), sparseon=\(p.sparseon ? 1 : 0)"
    switch state.content {
    case .undefined: return "UNDEFINED \(tail)"
    case .empty: return "EMPTY, \(tail)"
    case .explicit(let hashes):
      var out = "EXPLICIT, \(hashes.count) elements, \(tail):"
      for (at, hash) in hashes.enumerated() { out += "\n\(at): \(padded(String(hash), 20)) " }
      return out
    case .registers(let registers):
      var out = "COMPRESSED, \(registers.filter { $0 != 0 }.count) filled \(tail):"
      for start in stride(from: 0, to: registers.count, by: 32) {
        out += "\n\(padded(String(start), 4)): "
        for value in registers[start..<min(start + 32, registers.count)] {
          out += padded(String(value), 2) + " "
        }
      }
      return out
    }
  }
  private static func padded(_ text: String, _ width: Int) -> String {
    String(repeating: " ", count: max(0, width - text.utf8.count)) + text
  }
}
