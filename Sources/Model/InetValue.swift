// InetValue.swift — an address of IPv4 or IPv6 with the length of its network: PostgreSQL's `inet`.
//
// Bytes of a value: u8 family (4 or 6) · the network's address, host bits zero (4 or 16 bytes) · u8 length of the network in bits · the
// whole address (4 or 16 bytes), left out when the length is the address's. So one value has one form, and bytes sort as PostgreSQL
// sorts: family, then the bits that both networks have, then the length, then the address. Texts are PostgreSQL's: the length is left
// out where it is the whole address; `full` always has it, as its cast to text does.
public import Bytes

/// One address with its network.
public struct InetValue: Equatable, Sendable {
  /// 4 or 16 bytes.
  public var address: [UInt8]
  /// Bits of the network: at most eight for each byte of the address.
  public var length: Int

  /// An address whose parts fit.
  public init(address: [UInt8], length: Int) {
    self.address = address
    self.length = length
  }
  /// Whether it is of IPv4.
  public var isShort: Bool { address.count == 4 }
  /// Bits of the address.
  public var width: Int { address.count * 8 }
  /// The address with the bits behind the network's replaced.
  public func filled(with bit: Bool) -> [UInt8] {
    var result = address
    for at in length..<width {
      let mask = UInt8(0x80) >> UInt8(at & 7)
      if bit { result[at >> 3] |= mask } else { result[at >> 3] &= ~mask }
    }
    return result
  }

  // MARK: Bytes

  /// A value from its bytes; nil when they are none.
  public init?(_ bytes: UnsafeRawBufferPointer) {
    guard let family = bytes.first, family == 4 || family == 6 else { return nil }
    let size = family == 4 ? 4 : 16
    guard bytes.count == size + 2 || bytes.count == 2 * size + 2 else { return nil }
    let length = Int(bytes[size + 1])
    guard length <= size * 8, (length == size * 8) == (bytes.count == size + 2) else { return nil }
    self.init(address: Array(length == size * 8 ? bytes[1...size] : bytes[(size + 2)...]), length: length)
    guard filled(with: false).elementsEqual(bytes[1...size]) else { return nil }
  }
  /// Its bytes.
  public var bytes: [UInt8] {
    [isShort ? 4 : 6] + filled(with: false) + [UInt8(length)] + (length == width ? [] : address)
  }
  /// PostgreSQL's binary form: family (2 or 3), length, not cidr, bytes of the address, the address.
  public var binary: [UInt8] { [isShort ? 2 : 3, UInt8(length), 0, UInt8(address.count)] + address }
  /// A value from PostgreSQL's binary form; 22P03 when it is none.
  public init(binary bytes: some Collection<UInt8>) throws(TallyError) {
    let parts = Array(bytes)
    guard parts.count >= 4, parts[0] == 2 || parts[0] == 3 else { throw .sql("22P03", "invalid address family in external \"inet\" value") }
    let size = parts[0] == 2 ? 4 : 16
    guard parts[1] <= size * 8 else { throw .sql("22P03", "invalid bits in external \"inet\" value") }
    guard parts[3] == size, parts.count == 4 + size else { throw .sql("22P03", "invalid length in external \"inet\" value") }
    self.init(address: Array(parts[4...]), length: Int(parts[1]))
  }
  /// What postgresql-hll hashes of a value: its stored form.
  public var hashed: [UInt8] { [isShort ? 2 : 3, UInt8(length)] + address }

  // MARK: Texts

  /// The address alone.
  public var host: String {
    var writer = ByteWriter(capacity: 48)
    writeHost(into: &writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
  /// The address and the length.
  public var full: String { host + "/\(length)" }
  /// Appends the text.
  public func write(into writer: inout ByteWriter) {
    writeHost(into: &writer)
    if length == width { return }
    writer.u8(0x2f)
    writer.decimal(Int64(length))
  }
  private func writeHost(into writer: inout ByteWriter) {
    if isShort { return Self.writeShort(address[...], into: &writer) }
    let words = (0..<8).map { UInt16(address[2 * $0]) << 8 | UInt16(address[2 * $0 + 1]) }
    // The first longest run of two zeros or more becomes "::".
    var run = 0..<0
    var at = 0
    while at < 8 {
      var end = at
      while end < 8, words[end] == 0 { end += 1 }
      if end - at >= 2, end - at > run.count { run = at..<end }
      at = max(end, at + 1)
    }
    for (place, word) in words.enumerated() {
      if run.contains(place) {
        if place == run.lowerBound { writer.u8(0x3a) }
        continue
      }
      if place != 0 { writer.u8(0x3a) }
      if place == 6, run.lowerBound == 0, run.count == 6 || run.count == 5 && words[5] == 0xffff {
        return Self.writeShort(address[12...], into: &writer)
      }
      writer.text(String(word, radix: 16))
    }
    if run.upperBound == 8 { writer.u8(0x3a) }
  }
  private static func writeShort(_ bytes: ArraySlice<UInt8>, into writer: inout ByteWriter) {
    for (place, byte) in bytes.enumerated() {
      if place > 0 { writer.u8(0x2e) }
      writer.decimal(Int64(byte))
    }
  }

  /// Reads a text; 22P02 when it is no address.
  public static func parse(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> InetValue {
    let text = Array(bytes)
    guard let value = text.contains(0x3a) ? long(text) : short(text) else { throw .syntax("inet", bytes) }
    return value
  }
  /// One to four numbers; fewer than four need a length that they cover.
  private static func short(_ text: [UInt8]) -> InetValue? {
    let parts = text.split(separator: 0x2f, maxSplits: 1, omittingEmptySubsequences: false)
    guard var address = numbers(parts[0]) else { return nil }
    guard parts.count == 2 else { return address.count == 4 ? InetValue(address: address, length: 32) : nil }
    guard let length = self.length(parts[1], most: 32), length / 8 <= address.count else { return nil }
    address += [UInt8](repeating: 0, count: 4 - address.count)
    return InetValue(address: address, length: length)
  }
  private static func numbers(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    let parts = text.split(separator: 0x2e, omittingEmptySubsequences: false)
    guard parts.count <= 4 else { return nil }
    var result: [UInt8] = []
    for part in parts {
      guard !part.isEmpty, part.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
      var value = 0
      for digit in part {
        value = value * 10 + Int(digit - 0x30)
        guard value <= 255 else { return nil }
      }
      result.append(UInt8(value))
    }
    return result
  }
  private static func length(_ text: ArraySlice<UInt8>, most: Int) -> Int? {
    guard !text.isEmpty, text.allSatisfy({ $0 &- 0x30 < 10 }) else { return nil }
    var value = 0
    for digit in text {
      value = value * 10 + Int(digit - 0x30)
      guard value <= most else { return nil }
    }
    return value
  }
  private static func long(_ text: [UInt8]) -> InetValue? {
    let parts = text.split(separator: 0x2f, maxSplits: 1, omittingEmptySubsequences: false)
    var length = 128
    if parts.count == 2 {
      // No zeros in front of a length of IPv6.
      guard parts[1].first != 0x30 || parts[1].count == 1, let given = self.length(parts[1], most: 128) else { return nil }
      length = given
    }
    var rest = parts[0]
    var address: [UInt8] = []
    var gap: Int?
    if rest.first == 0x3a {
      guard rest.dropFirst().first == 0x3a else { return nil }
      rest = rest.dropFirst()
    }
    // Each turn takes ":" when it stands for a gap, or a group with the ":" behind it.
    while let next = rest.first {
      if next == 0x3a {
        guard gap == nil else { return nil }
        gap = address.count
        rest = rest.dropFirst()
        continue
      }
      let group = rest.prefix { $0 != 0x3a }
      let isLast = group.endIndex == rest.endIndex
      if isLast, group.contains(0x2e) {
        guard let tail = numbers(group), tail.count == 4 else { return nil }
        address += tail
        rest = []
        continue
      }
      guard (1...4).contains(group.count), let word = UInt16(String(decoding: group, as: UTF8.self), radix: 16), group.first != 0x2b
      else { return nil }
      address += [UInt8(word >> 8), UInt8(word & 255)]
      guard address.count <= 16 else { return nil }
      rest = rest[group.endIndex...]
      if isLast { continue }
      rest = rest.dropFirst()
      // A single ":" at the end belongs to nothing.
      if rest.isEmpty { return nil }
    }
    if let gap {
      guard address.count < 16 else { return nil }
      address.insert(contentsOf: [UInt8](repeating: 0, count: 16 - address.count), at: gap)
    }
    return address.count == 16 ? InetValue(address: address, length: length) : nil
  }
}

extension InetValue {
  /// As a value of type inet.
  public var value: Value { .bytes(bytes) }
  /// From a value of type inet.
  public init?(_ value: Value) {
    guard case .bytes(let bytes) = value else { return nil }
    guard let own = bytes.withUnsafeBytes({ InetValue($0) }) else { return nil }
    self = own
  }
}
