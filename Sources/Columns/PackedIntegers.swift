// PackedIntegers.swift — the INTS(n) of BatchFormat: integers as byte-wide distances from their minimum.
//
// Quick both ways (a memory copy or one widening loop); the tight bit-packing of segments is in Storage.
public import Bytes
import Model

/// Encodes and decodes runs of integers.
public enum PackedIntegers {
  /// Appends the integers.
  public static func encode(_ values: [Int64], into out: inout ByteWriter) {
    values.withUnsafeBufferPointer { v in
      var low = Int64.max
      var high = Int64.min
      for x in v {
        low = min(low, x)
        high = max(high, x)
      }
      if v.isEmpty { (low, high) = (0, 0) }
      let base = low
      let spread = UInt64(bitPattern: high &- low)
      header(spread, base, v.count, &out)
      switch width(spread) {
      case 0: break
      case 1: pack(v, out: &out) { UInt8(truncatingIfNeeded: $0 &- base) }
      case 2: pack(v, out: &out) { UInt16(truncatingIfNeeded: $0 &- base) }
      case 4: pack(v, out: &out) { UInt32(truncatingIfNeeded: $0 &- base) }
      default: pack(v, out: &out) { UInt64(bitPattern: $0 &- base) }
      }
    }
  }
  /// Appends unsigned integers.
  public static func encode(_ values: [UInt32], into out: inout ByteWriter) {
    values.withUnsafeBufferPointer { v in
      var low = UInt32.max
      var high: UInt32 = 0
      for x in v {
        low = min(low, x)
        high = max(high, x)
      }
      if v.isEmpty { low = 0 }
      let base = low
      let spread = UInt64(high &- low)
      header(spread, Int64(base), v.count, &out)
      switch width(spread) {
      case 0: break
      case 1: pack(v, out: &out) { UInt8(truncatingIfNeeded: $0 &- base) }
      case 2: pack(v, out: &out) { UInt16(truncatingIfNeeded: $0 &- base) }
      default: pack(v, out: &out) { $0 &- base }
      }
    }
  }
  /// Appends the differences of rising offsets (one fewer than there are offsets).
  public static func encodeLengths(_ offsets: [UInt32], into out: inout ByteWriter) {
    let lengths = offsets.withUnsafeBufferPointer { o in
      [UInt32](unsafeUninitializedCapacity: o.count - 1) { out, written in
        written = o.count - 1
        for i in 0..<written { out[i] = o[i + 1] &- o[i] }
      }
    }
    encode(lengths, into: &out)
  }
  private static func width(_ spread: UInt64) -> Int {
    spread == 0 ? 0 : spread <= 0xff ? 1 : spread <= 0xffff ? 2 : spread <= 0xffff_ffff ? 4 : 8
  }
  private static func header(_ spread: UInt64, _ base: Int64, _ count: Int, _ out: inout ByteWriter) {
    out.u8(UInt8(width(spread)))
    out.i64(base)
    out.reserve(count * width(spread))
  }
  @inline(__always) private static func pack<S, T: FixedWidthInteger>(
    _ values: UnsafeBufferPointer<S>,
    out: inout ByteWriter,
    _ narrow: (S) -> T
  ) {
    let packed = [T](unsafeUninitializedCapacity: values.count) { target, written in
      for i in 0..<values.count { target[i] = narrow(values[i]) }
      written = values.count
    }
    out.array(packed)
  }

  /// Reads `count` integers.
  public static func decode(_ reader: inout ByteReader, count: Int) throws(DecodingFailure) -> [Int64] {
    let start = reader.position
    let width = Int(try reader.u8())
    let base = try reader.i64()
    switch width {
    case 0: return [Int64](repeating: base, count: count)
    case 1: return try widen(&reader, count, UInt8.self) { base &+ Int64($0) }
    case 2: return try widen(&reader, count, UInt16.self) { base &+ Int64($0) }
    case 4: return try widen(&reader, count, UInt32.self) { base &+ Int64($0) }
    case 8: return try widen(&reader, count, UInt64.self) { base &+ Int64(bitPattern: $0) }
    default: throw DecodingFailure(.unknown, at: start, "integer width \(width)")
    }
  }
  /// Reads `count` integers that must all be below `bound` and not negative.
  public static func decodeUnsigned(
    _ reader: inout ByteReader,
    count: Int,
    below bound: Int
  ) throws(DecodingFailure) -> [UInt32] {
    let start = reader.position
    let width = Int(try reader.u8())
    let base = try reader.i64()
    guard base >= 0, base <= Int64(UInt32.max) else {
      throw DecodingFailure(.malformed, at: start, "integer base \(base) is not a code or length")
    }
    let low = UInt32(base)
    let values: [UInt32]
    switch width {
    case 0: values = [UInt32](repeating: low, count: count)
    case 1: values = try widen(&reader, count, UInt8.self) { low &+ UInt32($0) }
    case 2: values = try widen(&reader, count, UInt16.self) { low &+ UInt32($0) }
    case 4: values = try widen(&reader, count, UInt32.self) { low &+ $0 }
    default: throw DecodingFailure(.unknown, at: start, "integer width \(width)")
    }
    let highest = values.withUnsafeBufferPointer { v in
      var high: UInt32 = 0
      for x in v { high = max(high, x) }
      return high
    }
    // A wrapped sum would be below `low`; the maximum check then needs the minimum too.
    let wrapped = values.withUnsafeBufferPointer { v in
      var least = UInt32.max
      for x in v { least = min(least, x) }
      return !v.isEmpty && least < low
    }
    guard !wrapped, values.isEmpty || Int(highest) < bound else {
      throw DecodingFailure(.malformed, at: start, "value \(highest) is not below \(bound)")
    }
    return values
  }
  /// Reads `count` lengths as offsets whose last is at most `limit`.
  public static func decodeLengths(
    _ reader: inout ByteReader,
    count: Int,
    max limit: Int
  ) throws(DecodingFailure) -> [UInt32] {
    let start = reader.position
    let lengths = try decodeUnsigned(&reader, count: count, below: limit + 1)
    var total = 0
    let offsets = [UInt32](unsafeUninitializedCapacity: count + 1) { out, written in
      out[0] = 0
      for i in 0..<count {
        total += Int(lengths[i])
        out[i + 1] = UInt32(truncatingIfNeeded: total)
      }
      written = count + 1
    }
    guard total <= limit else { throw DecodingFailure(.tooLarge, at: start, "lengths add up to \(total)") }
    return offsets
  }
  @inline(__always) private static func widen<S: FixedWidthInteger, T>(
    _ reader: inout ByteReader,
    _ count: Int,
    _ type: S.Type,
    _ wide: (S) -> T
  ) throws(DecodingFailure) -> [T] {
    guard count <= reader.remaining / MemoryLayout<S>.size else {
      throw DecodingFailure(.truncated, at: reader.position, "\(count) integers of \(MemoryLayout<S>.size) bytes")
    }
    let raw = try reader.slice(count * MemoryLayout<S>.size)
    return [T](unsafeUninitializedCapacity: count) { out, written in
      for i in 0..<count {
        (out.baseAddress! + i).initialize(
          to: wide(raw.loadUnaligned(fromByteOffset: i &* MemoryLayout<S>.size, as: S.self))
        )
      }
      written = count
    }
  }
}
