// CanonicalDictionary.swift — dictionaries whose texts rise by (MurmurHash3 first half, bytes): order and merge.
//
// TopN states list their items by such dictionaries, so that states of two columns merge in one pass and every replica
// writes the same bytes. Hash order instead of byte order: comparing is one integer compare, and merging needs no text.
import Bytes

extension TextDictionary {
  /// The same texts in canonical order, without duplicates, and the new code of each old one.
  ///
  /// With `used`, only texts whose flag is set are kept (others have no meaningful new code); with `cutAt`, longer texts are cut
  /// to at most so many bytes at a character boundary, and those that become equal share a code.
  public func canonical(
    used: [Bool]? = nil, cutAt limit: Int = .max
  ) -> (dictionary: TextDictionary, remap: [UInt32]) {
    var ends = offsets.dropFirst().map { $0 }
    var isCut = false
    for code in ends.indices where Int(ends[code] - offsets[code]) > limit {
      isCut = true
      var end = Int(offsets[code]) + limit
      while end > Int(offsets[code]) && bytes[end] & 0xc0 == 0x80 { end -= 1 }
      ends[code] = UInt32(end)
    }
    let order = canonicalOrder(used: used, ends: ends)
    if order.isRising && order.codes.count == count && !isCut { return (self, (0..<UInt32(count)).map { $0 }) }
    var remap = [UInt32](repeating: 0, count: count)
    let starts = RawOffsets(capacity: order.codes.count + 1)
    var total = 0
    for code in order.codes { total += Int(ends[Int(code)] - offsets[Int(code)]) }
    var kept = 0
    let out = [UInt8](unsafeUninitializedCapacity: total) { target, written in
      bytes.withUnsafeBytes { source in
        offsets.withUnsafeBufferPointer { offsets in
          ends.withUnsafeBufferPointer { ends in
            remap.withUnsafeMutableBufferPointer { remap in
              starts.base[0] = 0
              var at = 0
              for (i, code) in order.codes.enumerated() {
                let c = Int(code)
                if order.repeats[i] {
                  remap[c] = UInt32(kept - 1)
                  continue
                }
                let length = Int(ends[c] - offsets[c])
                if length > 0 {
                  (UnsafeMutableRawPointer(target.baseAddress!) + at).copyMemory(
                    from: source.baseAddress! + Int(offsets[c]), byteCount: length)
                }
                at += length
                remap[c] = UInt32(kept)
                kept += 1
                starts.base[kept] = UInt32(at)
              }
              written = at
            }
          }
        }
      }
    }
    return (TextDictionary(offsets: Array(UnsafeBufferPointer(start: starts.base, count: kept + 1)), bytes: out), remap)
  }

  /// Used codes in canonical order; `repeats[i]` tells that text i equals the one before it.
  private func canonicalOrder(used: [Bool]?, ends: [UInt32]) -> (codes: [UInt32], repeats: [Bool], isRising: Bool) {
    bytes.withUnsafeBytes { raw in
      offsets.withUnsafeBufferPointer { starts in
        ends.withUnsafeBufferPointer { ends in
          func text(_ code: UInt32) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: raw[Int(starts[Int(code)])..<Int(ends[Int(code)])])
          }
          var list = [HashedCode](unsafeUninitializedCapacity: ends.count) { out, written in
            for code in 0..<ends.count where used?[code] ?? true {
              (out.baseAddress! + written).initialize(
                to: HashedCode(hash: Murmur3.hash(text(UInt32(code))).high, code: UInt32(code)))
              written += 1
            }
          }
          func precedes(_ a: HashedCode, _ b: HashedCode) -> Bool {
            a.hash != b.hash ? a.hash < b.hash : compareBytes(text(a.code), text(b.code)) < 0
          }
          var isRising = true
          list.withUnsafeBufferPointer { list in
            for i in 1..<max(1, list.count) where !precedes(list[i - 1], list[i]) {
              isRising = false
              return
            }
          }
          if !isRising { sortByHash(&list, precedes) }
          var repeats = [Bool](repeating: false, count: list.count)
          if !isRising {
            for i in 1..<max(1, list.count) where list[i - 1].hash == list[i].hash {
              repeats[i] = compareBytes(text(list[i - 1].code), text(list[i].code)) == 0
            }
          }
          return (list.map(\.code), repeats, isRising)
        }
      }
    }
  }

  /// Merges canonical dictionaries; a remap is nil where codes stay as they are.
  public static func mergeCanonical(_ parts: [TextDictionary]) -> (TextDictionary, [[UInt32]?]) {
    guard let first = parts.first else { return (.empty, []) }
    if parts.allSatisfy({ $0 === first || $0.count == 0 }) { return (first, parts.map { _ in nil }) }
    let largest = parts.max { $0.count < $1.count } ?? first
    if parts.allSatisfy({ $0 === largest || $0.count == 0 }) { return (largest, parts.map { _ in nil }) }
    var offsets: [UInt32] = []
    var all: [UInt8] = []
    offsets.reserveCapacity(parts.reduce(1) { $0 + $1.count })
    all.reserveCapacity(parts.reduce(0) { $0 + $1.bytes.count })
    offsets.append(0)
    // The same dictionary under several columns counts once.
    var bases: [ObjectIdentifier: Int] = [:]
    for part in parts where bases[ObjectIdentifier(part)] == nil {
      bases[ObjectIdentifier(part)] = offsets.count - 1
      let base = UInt32(all.count)
      for offset in part.offsets.dropFirst() { offsets.append(base + offset) }
      all.append(contentsOf: part.bytes)
    }
    let (merged, remap) = TextDictionary(offsets: offsets, bytes: all).canonical()
    return (
      merged,
      parts.map { part in
        let base = bases[ObjectIdentifier(part)] ?? 0
        return Array(remap[base..<base + part.count])
      }
    )
  }
}

/// A text's hash and code.
private struct HashedCode {
  var hash: UInt64
  var code: UInt32
}

/// Memory for offsets of a dictionary under construction.
private final class RawOffsets {
  let base: UnsafeMutablePointer<UInt32>
  init(capacity: Int) { base = .allocate(capacity: capacity) }
  deinit { base.deallocate() }
}

/// Sorts by hash, then text: one distribution by the top bits leaves about one element a bucket, as hashes are spread evenly.
private func sortByHash(_ list: inout [HashedCode], _ precedes: (HashedCode, HashedCode) -> Bool) {
  if list.count < 64 { return list.sort(by: precedes) }
  let bits = min(20, 64 - UInt64(list.count).leadingZeroBitCount)
  let shift = UInt64(64 - bits)
  var starts = [UInt32](repeating: 0, count: 1 << bits + 1)
  let source = list
  starts.withUnsafeMutableBufferPointer { starts in
    list.withUnsafeMutableBufferPointer { out in
      source.withUnsafeBufferPointer { source in
        for one in source { starts[Int(one.hash >> shift) + 1] &+= 1 }
        for b in 0..<1 << bits { starts[b + 1] &+= starts[b] }
        for one in source {
          let bucket = Int(one.hash >> shift)
          out[Int(starts[bucket])] = one
          starts[bucket] &+= 1
        }
      }
      // starts[b] is now the end of bucket b.
      var first = 0
      for b in 0..<1 << bits {
        let end = Int(starts[b])
        defer { first = end }
        // Texts made to collide must not make this quadratic.
        if end - first > 32 {
          var bucket = UnsafeMutableBufferPointer(rebasing: out[first..<end])
          bucket.sort(by: precedes)
          continue
        }
        var i = first + 1
        while i < end {
          let one = out[i]
          var at = i
          while at > first && precedes(one, out[at - 1]) {
            out[at] = out[at - 1]
            at -= 1
          }
          out[at] = one
          i += 1
        }
      }
    }
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
