// Bitmap.swift — one bit a row, used for validity (1 = not NULL).
import Bytes

/// A fixed-length sequence of bits.
public struct Bitmap: Equatable, Sendable {
  /// Bits 64 i … 64 i + 63, lowest first; bits past `count` are zero.
  public internal(set) var words: [UInt64]
  /// Number of bits.
  public internal(set) var count: Int

  /// `count` bits, all set or all clear.
  public init(repeating bit: Bool, count: Int) {
    self.count = count
    words = [UInt64](repeating: bit ? .max : 0, count: (count + 63) / 64)
    clearTail()
  }
  /// Takes over words; bits past `count` are cleared.
  public init(words: [UInt64], count: Int) {
    invariant(words.count == (count + 63) / 64, "\(words.count) words for \(count) bits")
    self.words = words
    self.count = count
    clearTail()
  }
  private mutating func clearTail() {
    if count % 64 != 0, let last = words.indices.last { words[last] &= (1 << UInt64(count % 64)) - 1 }
  }
  /// The bit at `index`.
  @inlinable public subscript(index: Int) -> Bool {
    get { words[index >> 6] >> UInt64(index & 63) & 1 == 1 }
    set {
      let mask: UInt64 = 1 << UInt64(index & 63)
      if newValue { storage(index >> 6, set: mask) } else { storage(index >> 6, clear: mask) }
    }
  }
  @usableFromInline mutating func storage(_ word: Int, set mask: UInt64) { words[word] |= mask }
  @usableFromInline mutating func storage(_ word: Int, clear mask: UInt64) { words[word] &= ~mask }
  /// Appends a bit.
  public mutating func append(_ bit: Bool) {
    if count % 64 == 0 { words.append(0) }
    if bit { words[count >> 6] |= 1 << UInt64(count & 63) }
    count += 1
  }
  /// Number of set bits.
  public var setCount: Int { words.reduce(0) { $0 + $1.nonzeroBitCount } }
  /// True when every bit is set.
  public var isAllSet: Bool { setCount == count }
  /// The bits at the given places, in that order.
  public func gather(_ indices: UnsafeBufferPointer<UInt32>) -> Bitmap {
    var out = [UInt64](repeating: 0, count: (indices.count + 63) / 64)
    words.withUnsafeBufferPointer { source in
      out.withUnsafeMutableBufferPointer { target in
        for i in 0..<indices.count {
          let at = Int(indices[i])
          target[i >> 6] |= (source[at >> 6] >> UInt64(at & 63) & 1) << UInt64(i & 63)
        }
      }
    }
    return Bitmap(words: out, count: indices.count)
  }
  /// Bits of a half-open range.
  public func slice(_ range: Range<Int>) -> Bitmap {
    let shift = UInt64(range.lowerBound & 63)
    let first = range.lowerBound >> 6
    let wordCount = (range.count + 63) / 64
    var out = [UInt64](repeating: 0, count: wordCount)
    for i in 0..<wordCount {
      var word = words[first + i] >> shift
      if shift != 0 && first + i + 1 < words.count { word |= words[first + i + 1] << (64 - shift) }
      out[i] = word
    }
    return Bitmap(words: out, count: range.count)
  }
}
