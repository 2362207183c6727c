// TopNColumnBuilder.swift — writes columns of TopN states over one canonical dictionary, pruning states that are too long.
//
// Items of a state are appended in rising code order; `finish` drops texts that no state lists any more.
import Columns
import Model

/// Appends states to a column.
struct TopNColumnBuilder: ~Copyable {
  let parameters: TopNParameters
  let dictionary: TextDictionary
  private var offsets: RawArray<UInt32>
  private var codes: RawArray<UInt32>
  private var uppers: RawArray<Int64>
  private var errors: RawArray<Int64>
  private var absents: RawArray<Int64>
  private var totals: RawArray<Int64>
  private var start = 0

  init(_ parameters: TopNParameters, _ dictionary: TextDictionary, expected: Int = 16) {
    self.parameters = parameters
    self.dictionary = dictionary
    offsets = RawArray(capacity: expected + 1)
    codes = RawArray(capacity: expected * 4)
    uppers = RawArray(capacity: expected * 4)
    errors = RawArray(capacity: expected * 4)
    absents = RawArray(capacity: expected)
    totals = RawArray(capacity: expected)
    offsets.append(0)
  }
  /// Makes room for items, so that `append` need not check.
  @inline(__always) mutating func reserve(_ items: Int) {
    codes.reserve(items)
    uppers.reserve(items)
    errors.reserve(items)
  }
  /// Appends an item of the state under construction; there is room for it.
  @inline(__always) mutating func append(code: UInt32, upper: Int64, error: Int64) {
    let at = codes.count
    codes.base[at] = code
    uppers.base[at] = upper
    errors.base[at] = error
    codes.advance(1)
    uppers.advance(1)
    errors.advance(1)
  }
  /// Ends a state, keeping at most `limit` items.
  mutating func end(absent: Int64, total: Int64, limit: Int) {
    var absent = absent
    if codes.count - start > limit { absent = max(absent, prune(to: limit)) }
    start = codes.count
    offsets.append(UInt32(start))
    absents.append(absent)
    totals.append(total)
  }
  /// Keeps the `limit` items largest by (upper descending, text bytes rising); returns the largest upper bound dropped.
  private mutating func prune(to limit: Int) -> Int64 {
    let count = codes.count - start
    let (codes, uppers, errors) = (
      self.codes.base + start, self.uppers.base + start, self.errors.base + start
    )
    let order = RawArray<UInt32>(repeating: 0, count: count)
    for i in 0..<count { order[i] = UInt32(i) }
    let dictionary = dictionary
    func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
      let (x, y) = (uppers[Int(a)], uppers[Int(b)])
      if x != y { return x > y }
      if a == b { return false }
      return dictionary.withText(codes[Int(a)]) { s in
        dictionary.withText(codes[Int(b)]) { compareBytes(s, $0) < 0 }
      }
    }
    selectFirst(limit, of: order.base, count: count, precedes)
    var keeps = [Bool](repeating: false, count: count)
    for i in 0..<limit { keeps[Int(order[i])] = true }
    var dropped: Int64 = 0
    for i in limit..<count { dropped = max(dropped, uppers[Int(order[i])]) }
    var kept = 0
    for i in 0..<count where keeps[i] {
      codes[kept] = codes[i]
      uppers[kept] = uppers[i]
      errors[kept] = errors[i]
      kept += 1
    }
    self.codes.removeLast(to: start + kept)
    self.uppers.removeLast(to: start + kept)
    self.errors.removeLast(to: start + kept)
    return dropped
  }
  consuming func finish() -> ColumnVector {
    var codes = codes.array()
    let used = compactDictionary(&codes)
    return ColumnVector(
      .topn(parameters),
      .topn(
        TopNColumn(
          parameters: parameters,
          offsets: offsets.array(),
          codes: codes,
          uppers: uppers.array(),
          errors: errors.array(),
          absent: absents.array(),
          totals: totals.array(),
          dictionary: used
        )
      )
    )
  }
  /// The dictionary without unused texts; order stays canonical.
  private func compactDictionary(_ codes: inout [UInt32]) -> TextDictionary {
    var fresh = [UInt32](repeating: 0, count: dictionary.count)
    var kept: UInt32 = 0
    fresh.withUnsafeMutableBufferPointer { fresh in
      codes.withUnsafeBufferPointer { for code in $0 { fresh[Int(code)] = 1 } }
      for code in 0..<fresh.count {
        let isUsed = fresh[code] == 1
        fresh[code] = kept
        kept += isUsed ? 1 : 0
      }
    }
    if Int(kept) == dictionary.count { return dictionary }
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(Int(kept) + 1)
    var bytes: [UInt8] = []
    for code in 0..<fresh.count {
      let next = code + 1 < fresh.count ? fresh[code + 1] : kept
      if next == fresh[code] { continue }
      bytes.append(
        contentsOf: dictionary.bytes[
          Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])
        ]
      )
      offsets.append(UInt32(bytes.count))
    }
    codes.withUnsafeMutableBufferPointer { codes in
      fresh.withUnsafeBufferPointer { fresh in
        for i in 0..<codes.count { codes[i] = fresh[Int(codes[i])] }
      }
    }
    return TextDictionary(offsets: offsets, bytes: bytes)
  }
}

/// Rearranges so that the first `limit` elements are those that precede all others, in any order among themselves.
func selectFirst(
  _ limit: Int,
  of list: UnsafeMutablePointer<UInt32>,
  count: Int,
  _ precedes: (UInt32, UInt32) -> Bool
) {
  var (low, high) = (0, count)
  // A fixed pseudo-random choice of pivots: the same on every replica, yet no input is made to be slow by accident.
  var random: UInt64 = 0x9e37_79b9_7f4a_7c15
  while high - low > 1 && limit > low && limit < high {
    random = random &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    let pivot = list[low + Int(random >> 33) % (high - low)]
    var (i, j) = (low, high - 1)
    while i <= j {
      while precedes(list[i], pivot) { i += 1 }
      while precedes(pivot, list[j]) { j -= 1 }
      if i <= j {
        (list[i], list[j]) = (list[j], list[i])
        i += 1
        j -= 1
      }
    }
    if limit <= j + 1 { high = j + 1 } else if limit >= i { low = i } else { return }
  }
}
