// HLLFormat.swift — one HLL state as postgresql-hll's bytes, schema version 1, byte for byte.
//
//   byte 0   high nibble 1 (version), low nibble type: 0 undefined, 1 empty, 2 explicit, 3 sparse, 4 full
//   byte 1   top 3 bits regwidth - 1, low 5 bits log2m
//   byte 2   0, sparseon, 6 bits expthresh: 63 = -1, 0 = 0, else log2 + 1
//   explicit 8-byte big-endian signed hashes, strictly rising
//   sparse   words of log2m + regwidth bits (index, value), rising index, most significant bit first, zero-padded
//   full     all registers, regwidth bits each, most significant bit first, zero-padded
// Nothing else than the header for undefined and empty. More than 2^17 registers are refused.
public import Bytes
import Model

/// Encodes and decodes postgresql-hll's bytes.
public enum HLLFormat {
  /// When packed registers become sparse.
  public enum SparseRule: Equatable, Sendable {
    /// When that is shorter: what SQL results use.
    case automatic
    /// While at most so many registers are filled: `hll_set_max_sparse`.
    case filledAtMost(Int)
  }

  /// Packs a state.
  public static func encode(_ state: HyperLogLog, sparse rule: SparseRule = .automatic) -> [UInt8] {
    let p = state.parameters
    switch state.content {
    case .undefined: return header(p, .undefined)
    case .empty: return header(p, .empty)
    case .explicit(let hashes):
      var out = header(p, .explicit)
      out.reserveCapacity(3 + hashes.count * 8)
      for hash in hashes { withUnsafeBytes(of: hash.bigEndian) { out.append(contentsOf: $0) } }
      return out
    case .registers(let registers):
      let (index, width) = (Int(p.log2m), Int(p.regwidth))
      let filled = registers.reduce(0) { $0 + ($1 == 0 ? 0 : 1) }
      let fits: Bool =
        switch rule {
        case .automatic: filled * (index + width) < registers.count * width
        case .filledAtMost(let limit): filled <= limit
        }
      let isSparse = p.sparseon && fits
      var bits = BitPacker(header(p, isSparse ? .sparse : .full))
      for (at, value) in registers.enumerated() {
        if !isSparse {
          bits.append(UInt32(value), width: width)
        } else if value != 0 {
          bits.append(UInt32(at) << UInt32(width) | UInt32(value), width: index + width)
        }
      }
      return bits.finish()
    }
  }
  private enum Kind: UInt8 {
    case undefined = 0
    case empty = 1
    case explicit = 2
    case sparse = 3
    case full = 4
  }
  private static func header(_ p: HLLParameters, _ kind: Kind) -> [UInt8] {
    let code: UInt8 =
      switch p.expthresh {
      case -1: 63
      case 0: 0
      default: UInt8(truncatingIfNeeded: p.expthresh.trailingZeroBitCount + 1)
      }
    return [0x10 | kind.rawValue, (p.regwidth &- 1) << 5 | p.log2m, (p.sparseon ? 0x40 : 0) | code]
  }

  /// Unpacks a state, checking everything a writer guarantees.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> HyperLogLog {
    guard bytes.count >= 3 else {
      throw DecodingFailure(.truncated, at: bytes.count, "hll of \(bytes.count) bytes")
    }
    guard bytes[0] >> 4 == 1 else {
      throw DecodingFailure(.unknown, at: 0, "hll schema version \(bytes[0] >> 4)")
    }
    guard let kind = Kind(rawValue: bytes[0] & 15) else {
      throw DecodingFailure(.unknown, at: 0, "hll type \(bytes[0] & 15)")
    }
    let p = try parameters(bytes)
    let content: HyperLogLog.Content
    switch kind {
    case .undefined, .empty:
      guard bytes.count == 3 else {
        throw DecodingFailure(.malformed, at: 3, "bytes after an hll without data")
      }
      content = kind == .empty ? .empty : .undefined
    case .explicit: content = .explicit(try explicit(bytes))
    case .sparse: content = .registers(try sparse(bytes, p))
    case .full: content = .registers(try full(bytes, p))
    }
    return HyperLogLog(p, content)
  }
  private static func parameters(_ bytes: [UInt8]) throws(DecodingFailure) -> HLLParameters {
    let log2m = bytes[1] & 31
    guard 1 << Int(log2m) <= Limits.hllRegistersMax else {
      throw DecodingFailure(.tooLarge, at: 1, "hll of 2^\(log2m) registers")
    }
    guard bytes[2] & 0x80 == 0 else {
      throw DecodingFailure(.malformed, at: 2, "hll header bit that must be zero")
    }
    let code = bytes[2] & 63
    // 2^31 does not fit the parameter and no writer ever wrote it.
    guard code <= 31 || code == 63 else {
      throw DecodingFailure(.malformed, at: 2, "hll explicit threshold code \(code)")
    }
    return HLLParameters(
      log2m: log2m,
      regwidth: bytes[1] >> 5 + 1,
      expthresh: code == 63 ? -1 : code == 0 ? 0 : 1 << Int32(code - 1),
      sparseon: bytes[2] & 0x40 != 0
    )
  }
  private static func explicit(_ bytes: [UInt8]) throws(DecodingFailure) -> [Int64] {
    guard (bytes.count - 3) % 8 == 0 else {
      throw DecodingFailure(
        .malformed,
        at: bytes.count,
        "explicit hll of \(bytes.count - 3) data bytes"
      )
    }
    guard (bytes.count - 3) / 8 <= Limits.hllRegistersMax else {
      throw DecodingFailure(.tooLarge, at: 3, "explicit hll of \((bytes.count - 3) / 8) elements")
    }
    var hashes: [Int64] = []
    hashes.reserveCapacity((bytes.count - 3) / 8)
    for at in stride(from: 3, to: bytes.count, by: 8) {
      var hash: UInt64 = 0
      for byte in bytes[at..<at + 8] { hash = hash << 8 | UInt64(byte) }
      let value = Int64(bitPattern: hash)
      if let last = hashes.last, last >= value {
        throw DecodingFailure(.malformed, at: at, "explicit hll elements do not rise")
      }
      hashes.append(value)
    }
    return hashes
  }
  private static func sparse(
    _ bytes: [UInt8],
    _ p: HLLParameters
  ) throws(DecodingFailure) -> [UInt8] {
    let width = Int(p.log2m) + Int(p.regwidth)
    let words = (bytes.count - 3) * 8 / width
    guard (bytes.count - 3) * 8 - words * width < 8 else {
      throw DecodingFailure(.malformed, at: bytes.count, "sparse hll with a partial word")
    }
    guard words <= p.registerCount else {
      throw DecodingFailure(.tooLarge, at: 3, "sparse hll of \(words) words")
    }
    var registers = [UInt8](repeating: 0, count: p.registerCount)
    var bits = BitUnpacker(bytes, from: 3)
    var next = 0
    for _ in 0..<words {
      let start = bits.position
      let word = bits.read(width: width)
      let (index, value) = (
        Int(word >> UInt32(p.regwidth)),
        UInt8(truncatingIfNeeded: word & ((1 << UInt32(p.regwidth)) - 1))
      )
      guard index >= next else {
        throw DecodingFailure(.malformed, at: start / 8, "sparse hll registers do not rise")
      }
      next = index + 1
      registers[index] = value
    }
    guard bits.restIsZero else {
      throw DecodingFailure(.malformed, at: bytes.count - 1, "padding of an hll is not zero")
    }
    return registers
  }
  private static func full(_ bytes: [UInt8], _ p: HLLParameters) throws(DecodingFailure) -> [UInt8] {
    let expected = (Int(p.regwidth) * p.registerCount + 7) / 8
    guard bytes.count - 3 == expected else {
      throw DecodingFailure(
        .malformed,
        at: bytes.count,
        "full hll of \(bytes.count - 3) data bytes, not \(expected)"
      )
    }
    var registers = [UInt8](repeating: 0, count: p.registerCount)
    var bits = BitUnpacker(bytes, from: 3)
    for at in registers.indices {
      registers[at] = UInt8(truncatingIfNeeded: bits.read(width: Int(p.regwidth)))
    }
    guard bits.restIsZero else {
      throw DecodingFailure(.malformed, at: bytes.count - 1, "padding of an hll is not zero")
    }
    return registers
  }
}

/// Appends bit fields, most significant bit first.
private struct BitPacker {
  private var out: [UInt8]
  private var pending: UInt64 = 0
  private var count = 0
  init(_ header: [UInt8]) { out = header }
  mutating func append(_ value: UInt32, width: Int) {
    pending = pending << UInt64(width) | UInt64(value)
    count += width
    while count >= 8 {
      count -= 8
      out.append(UInt8(truncatingIfNeeded: pending >> UInt64(count)))
    }
  }
  consuming func finish() -> [UInt8] {
    if count > 0 { out.append(UInt8(truncatingIfNeeded: pending << UInt64(8 - count))) }
    return out
  }
}

/// Reads bit fields, most significant bit first; the caller knows that enough bits are left.
private struct BitUnpacker {
  private let bytes: [UInt8]
  private(set) var position: Int
  init(_ bytes: [UInt8], from start: Int) {
    self.bytes = bytes
    position = start * 8
  }
  mutating func read(width: Int) -> UInt32 {
    var value: UInt32 = 0
    var left = width
    while left > 0 {
      let free = 8 - position & 7
      let take = min(free, left)
      let part = UInt32(bytes[position >> 3]) >> UInt32(free - take) & ((1 << UInt32(take)) - 1)
      value = value << UInt32(take) | part
      position += take
      left -= take
    }
    return value
  }
  var restIsZero: Bool {
    position & 7 == 0 || bytes[position >> 3] & (0xff >> UInt8(position & 7)) == 0
  }
}
