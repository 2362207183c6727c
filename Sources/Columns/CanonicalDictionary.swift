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
    used: [Bool]? = nil,
    cutAt limit: Int = .max
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
    if order.isRising && order.codes.count == count && !isCut {
      return (self, (0..<UInt32(count)).map { $0 })
    }
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
                    from: source.baseAddress! + Int(offsets[c]),
                    byteCount: length
                  )
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
    return (
      TextDictionary(
        offsets: Array(UnsafeBufferPointer(start: starts.base, count: kept + 1)),
        bytes: out
      ), remap
    )
  }

  /// Used codes in canonical order; `repeats[i]` tells that text i equals the one before it.
  private func canonicalOrder(
    used: [Bool]?,
    ends: [UInt32]
  ) -> (codes: [UInt32], repeats: [Bool], isRising: Bool) {
    bytes.withUnsafeBytes { raw in
      offsets.withUnsafeBufferPointer { starts in
        ends.withUnsafeBufferPointer { ends in
          func text(_ code: UInt32) -> UnsafeRawBufferPointer {
            UnsafeRawBufferPointer(rebasing: raw[Int(starts[Int(code)])..<Int(ends[Int(code)])])
          }
          var list = [HashedCode](unsafeUninitializedCapacity: ends.count) { out, written in
            for code in 0..<ends.count where used?[code] ?? true {
              (out.baseAddress! + written).initialize(
                to: HashedCode(hash: Murmur3.hash(text(UInt32(code))).high, code: UInt32(code))
              )
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
    if parts.allSatisfy({ $0 === first || $0.count == 0 }) {
      return (first, parts.map { _ in nil })
    }
    let largest = parts.max { $0.count < $1.count } ?? first
    if parts.allSatisfy({ $0 === largest || $0.count == 0 }) {
      return (largest, parts.map { _ in nil })
    }
    // The same dictionary under several columns counts once.
    var bases: [ObjectIdentifier: Int] = [:]
    var distinct: [TextDictionary] = []
    var total = 0
    for part in parts where bases[ObjectIdentifier(part)] == nil {
      bases[ObjectIdentifier(part)] = total
      total += part.count
      distinct.append(part)
    }
    let all = joined(distinct)
    let (merged, remap) = all.mergedRuns(distinct.map(\.count)) ?? all.canonical()
    return (
      merged,
      parts.map { part in
        let base = bases[ObjectIdentifier(part)] ?? 0
        return Array(remap[base..<base + part.count])
      }
    )
  }
  /// All texts of the parts, one part after the other.
  private static func joined(_ parts: [TextDictionary]) -> TextDictionary {
    let count = parts.reduce(0) { $0 + $1.count }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(parts.reduce(0) { $0 + $1.bytes.count })
    let offsets = [UInt32](unsafeUninitializedCapacity: count + 1) { out, written in
      out[0] = 0
      written = 1
      for part in parts {
        let base = UInt32(bytes.count)
        part.offsets.withUnsafeBufferPointer { own in
          for i in 1..<own.count { out[written + i - 1] = base + own[i] }
        }
        written += part.count
        bytes.append(contentsOf: part.bytes)
      }
    }
    return TextDictionary(offsets: offsets, bytes: bytes)
  }
  /// Canonical order of texts that lie in runs, each in canonical order; nil when one is not.
  ///
  /// Runs merge in pairs, and texts met twice are dropped at once, so that many similar dictionaries cost little more than one.
  private func mergedRuns(_ counts: [Int]) -> (dictionary: TextDictionary, remap: [UInt32])? {
    let hashes = self.hashes()
    // A dropped text points at its equal, which comes before or is dropped itself.
    var remap = (0..<UInt32(count)).map { $0 }
    var list = (0..<count).map { HashedCode(hash: hashes[$0], code: UInt32($0)) }
    var spare = list
    var runs: [Range<Int>] = []
    for length in counts {
      runs.append((runs.last?.upperBound ?? 0)..<(runs.last?.upperBound ?? 0) + length)
    }
    let isFine = bytes.withUnsafeBytes { raw in
      offsets.withUnsafeBufferPointer { starts in
        func order(_ a: UInt32, _ b: UInt32) -> Int {
          compareBytes(
            UnsafeRawBufferPointer(rebasing: raw[Int(starts[Int(a)])..<Int(starts[Int(a) + 1])]),
            UnsafeRawBufferPointer(rebasing: raw[Int(starts[Int(b)])..<Int(starts[Int(b) + 1])])
          )
        }
        for run in runs {
          for i in run.dropFirst() where hashes[i - 1] >= hashes[i] {
            if hashes[i - 1] > hashes[i] || order(UInt32(i - 1), UInt32(i)) >= 0 { return false }
          }
        }
        while runs.count > 1 {
          var merged: [Range<Int>] = []
          list.withUnsafeBufferPointer { list in
            spare.withUnsafeMutableBufferPointer { out in
              remap.withUnsafeMutableBufferPointer { remap in
                var at = 0
                for pair in stride(from: 0, to: runs.count, by: 2) {
                  let first = at
                  var (i, end) = (runs[pair].lowerBound, runs[pair].upperBound)
                  var (j, last) =
                    pair + 1 < runs.count
                    ? (runs[pair + 1].lowerBound, runs[pair + 1].upperBound) : (0, 0)
                  while i < end && j < last {
                    let (a, b) = (list[i], list[j])
                    var takesFirst = a.hash < b.hash
                    if a.hash == b.hash {
                      let compared = order(a.code, b.code)
                      if compared == 0 {
                        remap[Int(b.code)] = a.code
                        j += 1
                      }
                      takesFirst = compared <= 0
                    }
                    out[at] = takesFirst ? a : b
                    at += 1
                    i += takesFirst ? 1 : 0
                    j += takesFirst ? 0 : 1
                  }
                  if j < last { (i, end, j, last) = (j, last, 0, 0) }
                  while i < end {
                    out[at] = list[i]
                    at += 1
                    i += 1
                  }
                  merged.append(first..<at)
                }
              }
            }
          }
          swap(&list, &spare)
          runs = merged
        }
        return true
      }
    }
    guard isFine, let whole = runs.first else { return nil }
    // Dropped texts first, while `remap` still holds codes: their equals' places are not known yet.
    var places = [UInt32](repeating: .max, count: count)
    var fresh: [UInt32] = [0]
    fresh.reserveCapacity(whole.count + 1)
    var total = 0
    for one in list[whole] { total += Int(offsets[Int(one.code) + 1] - offsets[Int(one.code)]) }
    let out = [UInt8](unsafeUninitializedCapacity: total) { target, written in
      bytes.withUnsafeBytes { source in
        for (place, one) in list[whole].enumerated() {
          let (start, end) = (Int(offsets[Int(one.code)]), Int(offsets[Int(one.code) + 1]))
          if end > start {
            (UnsafeMutableRawPointer(target.baseAddress!) + written).copyMemory(
              from: source.baseAddress! + start,
              byteCount: end - start
            )
          }
          written += end - start
          fresh.append(UInt32(written))
          places[Int(one.code)] = UInt32(place)
        }
      }
    }
    for code in remap.indices {
      var root = code
      while places[root] == .max { root = Int(remap[root]) }
      places[code] = places[root]
    }
    return (TextDictionary(offsets: fresh, bytes: out), places)
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
