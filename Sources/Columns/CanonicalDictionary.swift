// CanonicalDictionary.swift — dictionaries whose texts rise by (MurmurHash3 first half, bytes): order and merge.
//
// TopN states list their items by such dictionaries, so that states of two columns merge in one pass and every replica
// writes the same bytes. Hash order instead of byte order: comparing is one integer compare, and merging needs no text.
import Bytes

extension TextDictionary {
  /// The same texts in canonical order, without duplicates, and the new code of each old one.
  public func canonical() -> (dictionary: TextDictionary, remap: [UInt32]) {
    let hashes = self.hashes()
    var order = (0..<UInt32(count)).map { $0 }
    order.sort { a, b in
      let (x, y) = (hashes[Int(a)], hashes[Int(b)])
      return x == y ? precedes(a, b) : x < y
    }
    var remap = [UInt32](repeating: 0, count: count)
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(count + 1)
    var out: [UInt8] = []
    out.reserveCapacity(bytes.count)
    var last: UInt32?
    for code in order {
      if let last, hashes[Int(last)] == hashes[Int(code)], !precedes(last, code) {
        remap[Int(code)] = remap[Int(last)]
        continue
      }
      remap[Int(code)] = UInt32(offsets.count - 1)
      out.append(contentsOf: bytes[Int(self.offsets[Int(code)])..<Int(self.offsets[Int(code) + 1])])
      offsets.append(UInt32(out.count))
      last = code
    }
    return (TextDictionary(offsets: offsets, bytes: out), remap)
  }
  private func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
    withText(a) { x in withText(b) { y in compareBytes(x, y) < 0 } }
  }

  /// Merges canonical dictionaries; a remap is nil where codes stay as they are.
  public static func mergeCanonical(_ parts: [TextDictionary]) -> (TextDictionary, [[UInt32]?]) {
    guard let first = parts.first else { return (.empty, []) }
    if parts.allSatisfy({ $0 === first || $0.count == 0 }) { return (first, parts.map { _ in nil }) }
    let largest = parts.max { $0.count < $1.count } ?? first
    if parts.allSatisfy({ $0 === largest || $0.count == 0 }) { return (largest, parts.map { _ in nil }) }
    var offsets: [UInt32] = []
    var all: [UInt8] = []
    var bases: [Int] = []
    offsets.append(0)
    for part in parts {
      bases.append(offsets.count - 1)
      let base = UInt32(all.count)
      for offset in part.offsets.dropFirst() { offsets.append(base + offset) }
      all.append(contentsOf: part.bytes)
    }
    let (merged, remap) = TextDictionary(offsets: offsets, bytes: all).canonical()
    return (merged, zip(parts, bases).map { Array(remap[$1..<$1 + $0.count]) })
  }
}

/// Byte order: negative, zero or positive as `a` sorts before, with or after `b`.
public func compareBytes(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
  let shared = min(a.count, b.count)
  var i = 0
  while i + 8 <= shared {
    let x = a.loadUnaligned(fromByteOffset: i, as: UInt64.self)
    let y = b.loadUnaligned(fromByteOffset: i, as: UInt64.self)
    if x != y { return x.bigEndian < y.bigEndian ? -1 : 1 }
    i += 8
  }
  while i < shared {
    if a[i] != b[i] { return a[i] < b[i] ? -1 : 1 }
    i += 1
  }
  return a.count - b.count
}
