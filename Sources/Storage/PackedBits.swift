// PackedBits.swift — kernels that pack unsigned integers of one bit width side by side, and unpack them.
//
// Value i occupies bits i·width … (i+1)·width - 1 of the little-endian bit string; widths are 0 … 56 and 64, so that one
// unaligned 8-byte load holds any value. No bounds are checked here: callers have compared `byteCount` with what is there.
import Bytes

enum PackedBits {
  /// Bytes of `count` values.
  static func byteCount(_ count: Int, width: Int) -> Int { (count &* width &+ 7) >> 3 }
  /// The next width that can be stored.
  static func storable(_ bits: Int) -> Int { bits > 56 ? 64 : bits }

  /// Appends the low `width` bits of every value.
  static func pack(_ values: UnsafeBufferPointer<UInt64>, width: Int, into out: inout ByteWriter) {
    let bytes = byteCount(values.count, width: width)
    guard bytes > 0 else { return }
    withUnsafeTemporaryAllocation(byteCount: bytes + 8, alignment: 8) { memory in
      let mask: UInt64 = width == 64 ? .max : (1 &<< UInt64(width)) &- 1
      var pending: UInt64 = 0
      var filled = 0
      var at = 0
      for i in 0..<values.count {
        let value = values[i] & mask
        pending |= value &<< UInt64(filled)
        filled &+= width
        if filled >= 64 {
          memory.storeBytes(of: pending.littleEndian, toByteOffset: at, as: UInt64.self)
          at &+= 8
          filled &-= 64
          pending = filled == 0 ? 0 : value &>> UInt64(width &- filled)
        }
      }
      memory.storeBytes(of: pending.littleEndian, toByteOffset: at, as: UInt64.self)
      out.bytes(UnsafeRawBufferPointer(rebasing: memory[0..<bytes]))
    }
  }

  /// out[i] = add + step · value i, wrapping. `readable` bytes may be touched from `source` on, at least `byteCount`.
  @inline(__always)
  static func unpack<T: FixedWidthInteger>(
    _ source: UnsafeRawPointer,
    readable: Int,
    width: Int,
    count: Int,
    add: UInt64,
    step: UInt64,
    into out: UnsafeMutablePointer<T>
  ) {
    if width == 0 {
      out.initialize(repeating: T(truncatingIfNeeded: add), count: count)
      return
    }
    if width == 64 {
      for i in 0..<count {
        let value = source.loadUnaligned(fromByteOffset: i &* 8, as: UInt64.self)
        out[i] = T(truncatingIfNeeded: add &+ step &* UInt64(littleEndian: value))
      }
      return
    }
    let mask: UInt64 = (1 &<< UInt64(width)) &- 1
    // The last values whose 8-byte load would pass the end are assembled byte by byte.
    let fast = readable < 8 ? 0 : min(count, ((readable &- 8) &* 8 &+ 7) / width &+ 1)
    var bit = 0
    if step == 1 {
      for i in 0..<fast {
        let word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
        out[i] = T(truncatingIfNeeded: add &+ (word &>> UInt64(bit & 7)) & mask)
        bit &+= width
      }
    } else {
      for i in 0..<fast {
        let word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: bit &>> 3, as: UInt64.self))
        out[i] = T(truncatingIfNeeded: add &+ step &* ((word &>> UInt64(bit & 7)) & mask))
        bit &+= width
      }
    }
    for i in fast..<max(fast, count) {
      var word: UInt64 = 0
      var shift: UInt64 = 0
      var at = bit &>> 3
      while at < readable && shift < 64 {
        word |= UInt64(source.load(fromByteOffset: at, as: UInt8.self)) &<< shift
        shift &+= 8
        at &+= 1
      }
      out[i] = T(truncatingIfNeeded: add &+ step &* ((word &>> UInt64(bit & 7)) & mask))
      bit &+= width
    }
  }
}
