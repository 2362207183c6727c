// TextDictionary.swift — distinct texts with codes 0 … n-1, shared by the columns of a batch, and the table that builds it.
//
// A dictionary is immutable and may be in any order unless its user says otherwise. Offsets are 32 bits: at most 4 GiB of text.
import Bytes

/// Texts by code.
public final class TextDictionary: Sendable {
  /// Start of text i is `offsets[i]`, its end `offsets[i + 1]`; one more than there are texts.
  public let offsets: [UInt32]
  /// All texts, one after the other, UTF-8.
  public let bytes: [UInt8]
  /// Takes over offsets (rising, first 0, last `bytes.count`) and bytes.
  public init(offsets: [UInt32], bytes: [UInt8]) {
    invariant(offsets.first == 0 && Int(offsets.last ?? 0) == bytes.count, "dictionary offsets do not fit its bytes")
    self.offsets = offsets
    self.bytes = bytes
  }
  /// No texts.
  public static let empty = TextDictionary(offsets: [0], bytes: [])
  /// Number of texts.
  public var count: Int { offsets.count - 1 }
  /// Lends the UTF-8 bytes of one text.
  @inlinable public func withText<R>(_ code: UInt32, _ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
    try bytes.withUnsafeBytes {
      try body(UnsafeRawBufferPointer(rebasing: $0[Int(offsets[Int(code)])..<Int(offsets[Int(code) + 1])]))
    }
  }
  /// One text as a string.
  public func string(_ code: UInt32) -> String { withText(code) { String(decoding: $0, as: UTF8.self) } }
  /// MurmurHash3 (first half, seed 0) of every text, by code.
  public func hashes() -> [UInt64] {
    bytes.withUnsafeBytes { raw in
      offsets.withUnsafeBufferPointer { starts in
        [UInt64](unsafeUninitializedCapacity: count) { out, written in
          written = starts.count - 1
          for i in 0..<written {
            out[i] = Murmur3.hash(UnsafeRawBufferPointer(rebasing: raw[Int(starts[i])..<Int(starts[i + 1])])).high
          }
        }
      }
    }
  }
}

/// Gives each distinct text a code, in order of first appearance. Owns raw memory; not for sharing.
public struct TextInterner: ~Copyable {
  // Open addressing, linear probing, at most half full. A slot is 0 (free) or code + 1 in the low half and 32 hash bits above.
  private var slots: UnsafeMutablePointer<UInt64>
  private var mask: Int
  private var offsets: UnsafeMutablePointer<UInt32>
  private var offsetCapacity: Int
  private var bytes: UnsafeMutableRawPointer
  private var byteCapacity: Int
  private var byteCount = 0
  /// Distinct texts so far.
  public private(set) var count = 0

  /// Makes an empty table for about `expected` distinct texts.
  public init(expected: Int = 64) {
    var size = 128
    while size < expected * 2 { size *= 2 }
    mask = size - 1
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    offsetCapacity = size / 2 + 1
    offsets = .allocate(capacity: offsetCapacity)
    offsets[0] = 0
    byteCapacity = size * 8
    bytes = .allocate(byteCount: byteCapacity, alignment: 8)
  }
  deinit {
    slots.deallocate()
    offsets.deallocate()
    bytes.deallocate()
  }
  /// A quick hash of short texts for probing only; never stored.
  @inline(__always) private static func probeHash(_ text: UnsafeRawBufferPointer) -> UInt64 {
    var h = UInt64(truncatingIfNeeded: text.count) &* 0x9e37_79b9_7f4a_7c15
    var at = 0
    let n = text.count
    while at + 8 <= n {
      h = (h ^ text.loadUnaligned(fromByteOffset: at, as: UInt64.self)) &* 0xff51_afd7_ed55_8ccd
      h ^= h >> 32
      at += 8
    }
    if at < n {
      var tail: UInt64 = 0
      if n >= 8 {
        tail = text.loadUnaligned(fromByteOffset: n - 8, as: UInt64.self)
      } else {
        var shift: UInt64 = 0
        while at < n {
          tail |= UInt64(text[at]) << shift
          shift += 8
          at += 1
        }
      }
      h = (h ^ tail) &* 0xc4ce_b9fe_1a85_ec53
      h ^= h >> 29
    }
    h = h &* 0x9e37_79b9_7f4a_7c15
    return h ^ (h >> 32)
  }
  /// The code of a text; a new one when it was not seen before.
  public mutating func intern(_ text: UnsafeRawBufferPointer) -> UInt32 {
    let hash = Self.probeHash(text)
    let tag = hash & 0xffff_ffff_0000_0000
    var at = Int(truncatingIfNeeded: hash) & mask
    while true {
      let slot = slots[at]
      if slot == 0 { break }
      if slot & 0xffff_ffff_0000_0000 == tag {
        let code = Int(UInt32(truncatingIfNeeded: slot)) - 1
        let start = Int(offsets[code])
        if Int(offsets[code + 1]) - start == text.count && equal(bytes + start, text) { return UInt32(code) }
      }
      at = (at + 1) & mask
    }
    let code = append(text)
    slots[at] = tag | UInt64(code + 1)
    if count * 2 > mask { rehash() }
    return code
  }
  /// The code of a text that was seen before.
  public borrowing func find(_ text: UnsafeRawBufferPointer) -> UInt32? {
    let hash = Self.probeHash(text)
    let tag = hash & 0xffff_ffff_0000_0000
    var at = Int(truncatingIfNeeded: hash) & mask
    while slots[at] != 0 {
      if slots[at] & 0xffff_ffff_0000_0000 == tag {
        let code = Int(UInt32(truncatingIfNeeded: slots[at])) - 1
        let start = Int(offsets[code])
        if Int(offsets[code + 1]) - start == text.count && equal(bytes + start, text) { return UInt32(code) }
      }
      at = (at + 1) & mask
    }
    return nil
  }
  @inline(__always) private func equal(_ a: UnsafeMutableRawPointer, _ b: UnsafeRawBufferPointer) -> Bool {
    var i = 0
    while i + 8 <= b.count {
      if a.loadUnaligned(fromByteOffset: i, as: UInt64.self) != b.loadUnaligned(fromByteOffset: i, as: UInt64.self) {
        return false
      }
      i += 8
    }
    while i < b.count {
      if a.load(fromByteOffset: i, as: UInt8.self) != b[i] { return false }
      i += 1
    }
    return true
  }
  private mutating func append(_ text: UnsafeRawBufferPointer) -> UInt32 {
    invariant(byteCount + text.count <= Int(UInt32.max), "dictionary over 4 GiB")
    if byteCount + text.count > byteCapacity {
      let wider = max(byteCapacity * 2, byteCount + text.count)
      let fresh = UnsafeMutableRawPointer.allocate(byteCount: wider, alignment: 8)
      fresh.copyMemory(from: bytes, byteCount: byteCount)
      bytes.deallocate()
      (bytes, byteCapacity) = (fresh, wider)
    }
    if let start = text.baseAddress { (bytes + byteCount).copyMemory(from: start, byteCount: text.count) }
    byteCount += text.count
    if count + 2 > offsetCapacity {
      let fresh = UnsafeMutablePointer<UInt32>.allocate(capacity: offsetCapacity * 2)
      fresh.update(from: offsets, count: count + 1)
      offsets.deallocate()
      (offsets, offsetCapacity) = (fresh, offsetCapacity * 2)
    }
    count += 1
    offsets[count] = UInt32(byteCount)
    return UInt32(count - 1)
  }
  private mutating func rehash() {
    let size = (mask + 1) * 4
    slots.deallocate()
    slots = .allocate(capacity: size)
    slots.initialize(repeating: 0, count: size)
    mask = size - 1
    for code in 0..<count {
      let start = Int(offsets[code])
      let hash = Self.probeHash(
        UnsafeRawBufferPointer(start: bytes + start, count: Int(offsets[code + 1]) - start)
      )
      var at = Int(truncatingIfNeeded: hash) & mask
      while slots[at] != 0 { at = (at + 1) & mask }
      slots[at] = hash & 0xffff_ffff_0000_0000 | UInt64(code + 1)
    }
  }
  /// The texts so far as an immutable dictionary.
  public borrowing func dictionary() -> TextDictionary {
    TextDictionary(
      offsets: [UInt32](UnsafeBufferPointer(start: offsets, count: count + 1)),
      bytes: [UInt8](UnsafeRawBufferPointer(start: bytes, count: byteCount))
    )
  }
}
