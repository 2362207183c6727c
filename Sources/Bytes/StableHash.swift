// StableHash.swift — the hash that places tenants on shards; part of the stored format, never changed.
//
// Integers of any width hash by their 64-bit value, so that joining tables may differ in width; text by its UTF-8 bytes.

/// The placement hash.
public enum StableHash {
  /// Hashes an integer tenant key (splitmix64's finaliser, Steele et al. 2014, over a fixed offset).
  @inlinable @inline(__always) public static func hash(_ value: Int64) -> UInt64 {
    var z = UInt64(bitPattern: value) &+ 0x9e37_79b9_7f4a_7c15
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  /// Hashes a text tenant key by its UTF-8 bytes.
  @inlinable public static func hash(_ bytes: UnsafeRawBufferPointer) -> UInt64 {
    Murmur3.hash(bytes, seed: 0x7461_6c6c).high
  }
}
