// CRC32C.swift — the Castagnoli checksum of frames and headers (RFC 3720 appendix B.4).
internal import CShims

/// CRC-32C over bytes.
public enum CRC32C {
  /// Checksum of `bytes`, continuing from `seed` (0 to begin).
  public static func checksum(_ bytes: UnsafeRawBufferPointer, seed: UInt32 = 0) -> UInt32 {
    guard let start = bytes.baseAddress else { return seed }
    return tally_crc32c(seed, start, bytes.count)
  }
  /// Checksum of an array's bytes.
  public static func checksum(_ bytes: [UInt8], seed: UInt32 = 0) -> UInt32 {
    bytes.withUnsafeBytes { checksum($0, seed: seed) }
  }
}
