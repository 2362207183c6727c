// LZ4Block.swift — one LZ4 block (no LZ4 frame): the caller stores the sizes.
internal import CLZ4

/// LZ4 block compression.
public enum LZ4Block {
  /// Compresses; nil when the result would not be smaller than `saving` of the input (0.9 = must save 10 %).
  public static func compress(_ source: UnsafeRawBufferPointer, unlessOver saving: Double = 0.9) -> [UInt8]? {
    guard source.count > 32, source.count < Int(Int32.max), let start = source.baseAddress else { return nil }
    let limit = Int(Double(source.count) * saving)
    let result = [UInt8](unsafeUninitializedCapacity: limit) { out, written in
      written = Int(
        LZ4_compress_default(
          start.assumingMemoryBound(to: CChar.self),
          UnsafeMutableRawPointer(out.baseAddress!).assumingMemoryBound(to: CChar.self),
          Int32(source.count),
          Int32(limit)
        )
      )
    }
    return result.isEmpty ? nil : result
  }
  /// Decompresses into exactly `size` bytes, which the caller has checked against its limit.
  public static func decompress(_ source: UnsafeRawBufferPointer, size: Int) throws(DecodingFailure) -> [UInt8] {
    guard size >= 0, size < Int(Int32.max), source.count < Int(Int32.max) else {
      throw DecodingFailure(.tooLarge, at: 0, "LZ4 block of \(size) bytes")
    }
    // LZ4 expands at most 255 times; anything else is a lie about the size.
    guard size <= source.count &* 255 &+ 64 else {
      throw DecodingFailure(.malformed, at: 0, "LZ4 block cannot expand \(source.count) bytes to \(size)")
    }
    guard size > 0, let start = source.baseAddress else {
      if size == 0 { return [] }
      throw DecodingFailure(.truncated, at: 0, "LZ4 block is empty")
    }
    var produced: Int32 = 0
    let result = [UInt8](unsafeUninitializedCapacity: size) { out, written in
      produced = LZ4_decompress_safe(
        start.assumingMemoryBound(to: CChar.self),
        UnsafeMutableRawPointer(out.baseAddress!).assumingMemoryBound(to: CChar.self),
        Int32(source.count),
        Int32(size)
      )
      written = Swift.max(0, Int(produced))
    }
    guard produced == Int32(size) else {
      throw DecodingFailure(.malformed, at: 0, "LZ4 block is damaged (\(produced) of \(size) bytes)")
    }
    return result
  }
}
