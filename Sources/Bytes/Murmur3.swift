// Murmur3.swift — MurmurHash3 x64 128-bit (Austin Appleby, public domain): content hashes and HyperLogLog hashes.
//
// Not cryptographic. `sketches.md` of the design and postgresql-hll fix the use of the first half as an HLL hash; both
// halves are the content hash of journal bodies, segment blocks and files. Endianness: blocks are read little-endian.

/// A 128-bit hash value.
@frozen public struct Hash128: Hashable, Sendable, CustomStringConvertible {
  /// First 64 bits (MurmurHash3's h1).
  public var high: UInt64
  /// Second 64 bits (MurmurHash3's h2).
  public var low: UInt64
  /// Makes a hash from its halves.
  @inlinable public init(high: UInt64, low: UInt64) {
    self.high = high
    self.low = low
  }
  /// All bits zero; the chain's start.
  public static let zero = Hash128(high: 0, low: 0)
  /// 32 lower-case hexadecimal digits.
  public var description: String { hexadecimal(high) + hexadecimal(low) }
}

func hexadecimal(_ value: UInt64) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 16 - digits.count) + digits
}

@inlinable @inline(__always) func rotate(_ x: UInt64, _ r: UInt64) -> UInt64 { (x << r) | (x >> (64 - r)) }
@inlinable @inline(__always) func finalMix(_ value: UInt64) -> UInt64 {
  var k = value
  k ^= k >> 33
  k = k &* 0xff51_afd7_ed55_8ccd
  k ^= k >> 33
  k = k &* 0xc4ce_b9fe_1a85_ec53
  k ^= k >> 33
  return k
}

/// MurmurHash3 x64 128-bit.
public enum Murmur3 {
  @usableFromInline static let c1: UInt64 = 0x87c3_7b91_1142_53d5
  @usableFromInline static let c2: UInt64 = 0x4cf5_ad43_2745_937f

  /// Hashes bytes; the 32-bit seed is zero-extended into both lanes.
  @inlinable public static func hash(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> Hash128 {
    var h1 = UInt64(seed)
    var h2 = UInt64(seed)
    let count = bytes.count
    var at = 0
    while at + 16 <= count {
      let k1 = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self))
      let k2 = UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self))
      h1 ^= rotate(k1 &* c1, 31) &* c2
      h1 = (rotate(h1, 27) &+ h2) &* 5 &+ 0x52dc_e729
      h2 ^= rotate(k2 &* c2, 33) &* c1
      h2 = (rotate(h2, 31) &+ h1) &* 5 &+ 0x3849_5ab5
      at += 16
    }
    var k1: UInt64 = 0
    var k2: UInt64 = 0
    var shift: UInt64 = 0
    var i = at
    while i < count && i < at + 8 {
      k1 |= UInt64(bytes[i]) << shift
      shift += 8
      i += 1
    }
    shift = 0
    while i < count {
      k2 |= UInt64(bytes[i]) << shift
      shift += 8
      i += 1
    }
    if count - at > 8 { h2 ^= rotate(k2 &* c2, 33) &* c1 }
    if count > at { h1 ^= rotate(k1 &* c1, 31) &* c2 }
    return finish(h1, h2, UInt64(count))
  }
  @inlinable @inline(__always) static func finish(_ a: UInt64, _ b: UInt64, _ count: UInt64) -> Hash128 {
    var h1 = a ^ count
    var h2 = b ^ count
    h1 = h1 &+ h2
    h2 = h2 &+ h1
    h1 = finalMix(h1)
    h2 = finalMix(h2)
    h1 = h1 &+ h2
    h2 = h2 &+ h1
    return Hash128(high: h1, low: h2)
  }
  /// Hashes the `width` low bytes (1, 2, 4 or 8) of an integer: the same as hashing those bytes little-endian.
  @inlinable @inline(__always) public static func hashInteger(
    _ value: Int64,
    width: Int,
    seed: UInt32 = 0
  ) -> UInt64 {
    let mask: UInt64 = width == 8 ? .max : (1 << UInt64(width * 8)) - 1
    let k1 = UInt64(bitPattern: value) & mask
    let h1 = UInt64(seed) ^ (rotate(k1 &* c1, 31) &* c2)
    return finish(h1, UInt64(seed), UInt64(width)).high
  }
  /// Hashes an array's bytes.
  public static func hash(_ bytes: [UInt8], seed: UInt32 = 0) -> Hash128 {
    bytes.withUnsafeBytes { hash($0, seed: seed) }
  }
}
