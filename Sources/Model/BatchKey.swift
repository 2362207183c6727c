// BatchKey.swift — by what a shard knows a batch again: a number in a producer's session, or an id that a client made.
//
// Their bytes are the matter of the formats that carry them: IngestMessages (Wire), LogEntryFormat (Storage).

/// The key of a batch.
public enum BatchKey: Hashable, Sendable {
  /// A number in a producer's session.
  case sequence(SequenceKey)
  /// A client's own id.
  case id(BatchID)

  /// A number in a session.
  public init(session: SessionID, sequence: UInt64, doneBelow: UInt64 = 0) {
    self = .sequence(SequenceKey(session: session, sequence: sequence, doneBelow: doneBelow))
  }
}

extension BatchKey: CustomStringConvertible {
  /// For messages.
  public var description: String {
    switch self {
    case .sequence(let key): "batch \(key.sequence) of session \(key.session)"
    case .id(let id): "batch key \(id)"
    }
  }
}

/// Which batch of which producer.
public struct SequenceKey: Hashable, Sendable {
  /// The producer's session; the coordinators issue rising numbers.
  public var session: SessionID
  /// Number of the batch within the session.
  public var sequence: UInt64
  /// All lower sequence numbers are acknowledged by all shards.
  public var doneBelow: UInt64
  /// Makes a key.
  public init(session: SessionID, sequence: UInt64, doneBelow: UInt64) {
    self.session = session
    self.sequence = sequence
    self.doneBelow = doneBelow
  }
}

/// A UUIDv7: 48 bits of milliseconds since 1970, version 7, 74 random bits.
public struct BatchID: Hashable, Sendable {
  /// First eight bytes.
  public let high: UInt64
  /// Last eight bytes.
  public let low: UInt64

  /// From two halves; nil when they are no UUIDv7.
  public init?(high: UInt64, low: UInt64) {
    guard high >> 12 & 0xf == 7, low >> 62 == 2 else { return nil }
    (self.high, self.low) = (high, low)
  }
  /// Makes one of a time and random bits.
  public init(microseconds: Int64, random: (UInt64, UInt64)) {
    let milliseconds = UInt64(clamping: microseconds / 1000) & 0xffff_ffff_ffff
    high = milliseconds << 16 | 0x7000 | random.0 & 0xfff
    low = 1 << 63 | random.1 >> 2
  }
  /// From its text: 32 hexadecimal digits in groups of 8, 4, 4, 4 and 12. Throws 22023 with what is wrong.
  public init(_ text: String) throws(TallyError) {
    let groups = text.utf8.split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
    var halves: (UInt64, UInt64) = (0, 0)
    var digits = 0
    for byte in groups.joined() {
      guard let digit = Self.digit(byte), digits < 32 else {
        digits = 0
        break
      }
      if digits < 16 { halves.0 = halves.0 << 4 | digit } else { halves.1 = halves.1 << 4 | digit }
      digits += 1
    }
    guard digits == 32, groups.map(\.count) == [8, 4, 4, 4, 12] else {
      throw .sql("22023", "\"\(text)\" is not a UUID", hint: Self.advice)
    }
    guard let id = BatchID(high: halves.0, low: halves.1) else {
      throw .sql("22023", "\"\(text)\" is not a UUID of version 7", hint: Self.advice)
    }
    self = id
  }
  private static let advice = "A batch key is a UUIDv7: its first 48 bits are the milliseconds since 1970 at which it was made."
  private static func digit(_ byte: UInt8) -> UInt64? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt64(byte - UInt8(ascii: "0"))
    case UInt8(ascii: "a")...UInt8(ascii: "f"): UInt64(byte - UInt8(ascii: "a")) + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): UInt64(byte - UInt8(ascii: "A")) + 10
    default: nil
    }
  }
  /// When it was made, in microseconds since 1970.
  public var microseconds: Int64 { Int64(high >> 16) * 1000 }
}

extension BatchID: Comparable {
  /// By time, then by the random bits.
  public static func < (a: BatchID, b: BatchID) -> Bool { a.high != b.high ? a.high < b.high : a.low < b.low }
}

extension BatchID: CustomStringConvertible {
  /// Its text.
  public var description: String {
    var text = ""
    for (at, half) in [high, low].enumerated() {
      let digits = String(half, radix: 16)
      let full = Array(String(repeating: "0", count: 16 - digits.count) + digits)
      text +=
        at == 0
        ? String(full[0..<8]) + "-" + String(full[8..<12]) + "-" + String(full[12..<16]) + "-"
        : String(full[0..<4]) + "-" + String(full[4..<16])
    }
    return text
  }
}
