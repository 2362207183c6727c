// HuffmanCode.swift — bytes by canonical Huffman codes of at most 12 bits: for texts, whose letters LZ4 finds little in.
//
//   256 code lengths, two to a byte, the even byte value's in the low half (0 = does not occur) · the codes, least bit first
// Canonical: codes rise by (length, byte value); a code's first bit is its most significant and comes first. The number of bytes
// and of stored bytes stand outside. Lengths are from the counts alone, so that equal bytes give equal codes everywhere.
import Bytes

enum HuffmanCode {
  static let lengthMax = 12
  static let tableBytes = 128

  /// Code lengths for the counts of the 256 byte values.
  static func lengths(_ counts: [Int]) -> [Int] {
    var lengths = [Int](repeating: 0, count: 256)
    let leaves = (0..<256).filter { counts[$0] > 0 }.sorted { (counts[$0], $0) < (counts[$1], $1) }
    guard leaves.count > 1 else {
      for leaf in leaves { lengths[leaf] = 1 }
      return lengths
    }
    // Two queues: leaves by rising count, inner nodes in the order they are made (their weights rise too).
    var weights = leaves.map { counts[$0] }
    var parents = [Int](repeating: 0, count: leaves.count * 2 - 1)
    var (leaf, inner) = (0, leaves.count)
    while weights.count < leaves.count * 2 - 1 {
      var sum = 0
      for _ in 0..<2 {
        let node: Int
        if leaf < leaves.count && (inner == weights.count || weights[leaf] <= weights[inner]) {
          node = leaf
          leaf += 1
        } else {
          node = inner
          inner += 1
        }
        parents[node] = weights.count
        sum += weights[node]
      }
      weights.append(sum)
    }
    var depths = [Int](repeating: 0, count: weights.count)
    for node in stride(from: weights.count - 2, through: 0, by: -1) { depths[node] = depths[parents[node]] + 1 }
    // Cut codes that are too long and lengthen the rarest others until all fit the code space again.
    var space = 0
    for (at, symbol) in leaves.enumerated() {
      lengths[symbol] = min(depths[at], lengthMax)
      space += 1 << (lengthMax - lengths[symbol])
    }
    while space > 1 << lengthMax {
      guard let symbol = leaves.filter({ lengths[$0] < lengthMax }).max(by: { lengths[$0] < lengths[$1] }) else { break }
      lengths[symbol] += 1
      space -= 1 << (lengthMax - lengths[symbol])
    }
    return lengths
  }
  /// How often each byte value occurs.
  static func counts(_ bytes: UnsafeRawBufferPointer) -> [Int] {
    var counts = [Int](repeating: 0, count: 256)
    counts.withUnsafeMutableBufferPointer { counts in for byte in bytes { counts[Int(byte)] &+= 1 } }
    return counts
  }
  /// Bytes of table and codes.
  static func byteCount(_ counts: [Int], _ lengths: [Int]) -> Int {
    var bits = 0
    for i in 0..<256 { bits += counts[i] * lengths[i] }
    return tableBytes + (bits + 7) / 8
  }
  /// The code of every byte value, its bits reversed.
  private static func codes(_ lengths: [Int]) -> [UInt64] {
    var codes = [UInt64](repeating: 0, count: 256)
    var code: UInt64 = 0
    for length in 1...lengthMax {
      for symbol in 0..<256 where lengths[symbol] == length {
        var (rest, reversed) = (code, UInt64(0))
        for _ in 0..<length {
          reversed = reversed << 1 | rest & 1
          rest >>= 1
        }
        codes[symbol] = reversed
        code += 1
      }
      code <<= 1
    }
    return codes
  }
  /// Appends table and codes, `byteCount` bytes.
  static func encode(_ bytes: UnsafeRawBufferPointer, _ lengths: [Int], into out: inout ByteWriter) {
    for pair in 0..<128 { out.u8(UInt8(lengths[pair * 2] | lengths[pair * 2 + 1] << 4)) }
    let codes = codes(lengths)
    codes.withUnsafeBufferPointer { codes in
      lengths.withUnsafeBufferPointer { lengths in
        var pending: UInt64 = 0
        var filled = 0
        for byte in bytes {
          pending |= codes[Int(byte)] &<< UInt64(filled)
          filled &+= lengths[Int(byte)]
          if filled >= 32 {
            out.u32(UInt32(truncatingIfNeeded: pending))
            pending >>= 32
            filled &-= 32
          }
        }
        while filled > 0 {
          out.u8(UInt8(truncatingIfNeeded: pending))
          pending >>= 8
          filled -= 8
        }
      }
    }
  }
  /// Reads `count` bytes from a table and codes that fill `source`.
  static func decode(_ source: UnsafeRawBufferPointer, count: Int, at place: Int) throws(DecodingFailure) -> [UInt8] {
    func malformed(_ what: String) -> DecodingFailure { DecodingFailure(.malformed, at: place, "Huffman codes: \(what)") }
    guard source.count >= tableBytes else { throw malformed("no table") }
    var lengths = [Int](repeating: 0, count: 256)
    for pair in 0..<128 {
      lengths[pair * 2] = Int(source[pair] & 15)
      lengths[pair * 2 + 1] = Int(source[pair] >> 4)
    }
    var space = 0
    for length in lengths where length > 0 {
      guard length <= lengthMax else { throw malformed("a code of \(length) bits") }
      space += 1 << (lengthMax - length)
    }
    let bits = (source.count - tableBytes) * 8
    guard space <= 1 << lengthMax, count <= bits else { throw malformed("\(count) bytes in \(bits) bits") }
    // Length in the high byte, value in the low; entries that no code reaches have length 0.
    var table = [UInt16](repeating: 0, count: 1 << lengthMax)
    let codes = codes(lengths)
    for symbol in 0..<256 where lengths[symbol] > 0 {
      var entry = Int(codes[symbol])
      while entry < 1 << lengthMax {
        table[entry] = UInt16(lengths[symbol]) << 8 | UInt16(symbol)
        entry += 1 << lengths[symbol]
      }
    }
    var used = 0
    var gap = false
    let result = [UInt8](unsafeUninitializedCapacity: count) { out, written in
      table.withUnsafeBufferPointer { table in
        let mask = UInt64(1 << lengthMax) - 1
        let base = tableBytes
        var bit = 0
        var i = 0
        var shortest: UInt16 = .max
        // Four codes of up to 12 bits fit what one load leaves after up to 7 bits of shift.
        while i + 4 <= count && base + (bit >> 3) + 8 <= source.count {
          var word = UInt64(littleEndian: source.loadUnaligned(fromByteOffset: base &+ (bit &>> 3), as: UInt64.self))
          word &>>= UInt64(bit & 7)
          for _ in 0..<4 {
            let entry = table[Int(truncatingIfNeeded: word & mask)]
            let length = entry &>> 8
            shortest = min(shortest, length)
            out[i] = UInt8(truncatingIfNeeded: entry)
            word &>>= UInt64(length)
            bit &+= Int(length)
            i &+= 1
          }
        }
        while i < count {
          var word: UInt64 = 0
          for k in 0..<3 where base + (bit >> 3) + k < source.count {
            word |= UInt64(source[base + (bit >> 3) + k]) << UInt64(8 * k)
          }
          let entry = table[Int(truncatingIfNeeded: (word >> UInt64(bit & 7)) & mask)]
          shortest = min(shortest, entry >> 8)
          out[i] = UInt8(truncatingIfNeeded: entry)
          bit += Int(entry >> 8)
          i += 1
        }
        used = bit
        gap = count > 0 && shortest == 0
      }
      written = count
    }
    guard !gap, used <= bits, bits - used < 8 else { throw malformed("\(used) of \(bits) bits used") }
    return result
  }
}
