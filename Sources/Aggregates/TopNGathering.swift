// TopNGathering.swift — collects weights and states of one group into one TopN state, again and again in the same memory.
//
// Few items are a list that is sorted at the end; more go to a table with one entry a code and a two-level bitmap of entries in
// use, so that emptying it costs what was put in. A state with bound U that lacks an item counts as (U, U) for it; so entries
// sum (upper - U, error - U) of the states that have the item, and the sum of all U is added at the end. Sums saturate.
import Columns
import Model

/// Work space for one group at a time; codes are of one dictionary.
struct TopNGathering: ~Copyable {
  /// Upper and error, less the bounds of their states.
  typealias Bounds = SIMD2<Int64>
  private static let listMax = 64
  private let dictionaryCount: Int
  private var listCodes: RawArray<UInt32>
  private var listBounds: RawArray<Bounds>
  private var table: RawArray<Bounds>
  private var words: RawArray<UInt64>
  private var summary: RawArray<UInt64>
  private var isTable = false
  private var absent: Int64 = 0
  private var total: Int64 = 0

  init(dictionaryCount: Int) {
    self.dictionaryCount = dictionaryCount
    listCodes = RawArray(capacity: Self.listMax)
    listBounds = RawArray(capacity: Self.listMax)
    table = RawArray(capacity: 1)
    words = RawArray(capacity: 1)
    summary = RawArray(capacity: 1)
  }
  /// Adds a weight to an item.
  @inline(__always) mutating func add(code: UInt32, weight: Int64) {
    total = saturatingSum(total, weight)
    put(code, Bounds(weight, 0))
  }
  @inline(__always) private mutating func put(_ code: UInt32, _ bounds: Bounds) {
    if isTable { return putInTable(Int(code), bounds) }
    if listCodes.count == Self.listMax {
      toTable()
      return putInTable(Int(code), bounds)
    }
    listCodes.append(code)
    listBounds.append(bounds)
  }
  @inline(__always) private func putInTable(_ code: Int, _ bounds: Bounds) {
    words[code >> 6] |= 1 << UInt64(code & 63)
    summary[code >> 12] |= 1 << UInt64((code >> 6) & 63)
    let old = table[code]
    table[code] = saturatingSum(old, bounds)
  }
  @inline(never) private mutating func toTable() {
    table.grow(to: dictionaryCount, with: .zero)
    words.grow(to: (dictionaryCount + 63) / 64, with: 0)
    summary.grow(to: (dictionaryCount + 4095) / 4096, with: 0)
    isTable = true
    for i in 0..<listCodes.count { putInTable(Int(listCodes[i]), listBounds[i]) }
    listCodes.removeAll()
    listBounds.removeAll()
  }
  /// Adds a state as it lies in a column; `remap` gives the new codes.
  mutating func add(
    codes: UnsafeBufferPointer<UInt32>,
    uppers: UnsafeBufferPointer<Int64>,
    errors: UnsafeBufferPointer<Int64>,
    absent: Int64,
    total: Int64,
    remap: UnsafePointer<UInt32>?
  ) {
    self.absent = saturatingSum(self.absent, absent)
    self.total = saturatingSum(self.total, total)
    if !isTable && listCodes.count + codes.count > Self.listMax { toTable() }
    let base = Bounds(absent, absent)
    if isTable {
      if let remap {
        for i in 0..<codes.count {
          putInTable(Int(remap[Int(codes[i])]), Bounds(uppers[i], errors[i]) &- base)
        }
      } else {
        for i in 0..<codes.count { putInTable(Int(codes[i]), Bounds(uppers[i], errors[i]) &- base) }
      }
    } else {
      for i in 0..<codes.count {
        listCodes.append(remap?[Int(codes[i])] ?? codes[i])
        listBounds.append(Bounds(uppers[i], errors[i]) &- base)
      }
    }
  }
  /// Appends the state of what was gathered, pruned to `limit` items, and starts over.
  mutating func finish(into out: inout TopNColumnBuilder, limit: Int) {
    if isTable { finishTable(&out) } else { finishList(&out) }
    out.end(absent: absent, total: total, limit: limit)
    isTable = false
    absent = 0
    total = 0
  }
  private mutating func finishTable(_ out: inout TopNColumnBuilder) {
    let base = Bounds(absent, absent)
    for s in 0..<summary.count where summary[s] != 0 {
      var groups = summary[s]
      summary[s] = 0
      while groups != 0 {
        let w = s * 64 + groups.trailingZeroBitCount
        groups &= groups &- 1
        var bits = words[w]
        words[w] = 0
        out.reserve(64)
        while bits != 0 {
          let code = w * 64 + bits.trailingZeroBitCount
          bits &= bits &- 1
          let bounds = saturatingSum(table[code], base)
          table[code] = .zero
          out.append(code: UInt32(truncatingIfNeeded: code), upper: bounds.x, error: bounds.y)
        }
      }
    }
  }
  private mutating func finishList(_ out: inout TopNColumnBuilder) {
    let (codes, bounds) = (listCodes.base, listBounds.base)
    var kept = 0
    for i in 0..<listCodes.count {
      let (code, one) = (codes[i], bounds[i])
      var at = kept
      while at > 0 && codes[at - 1] > code { at -= 1 }
      if at > 0 && codes[at - 1] == code {
        bounds[at - 1] = saturatingSum(bounds[at - 1], one)
        continue
      }
      var j = kept
      while j > at {
        codes[j] = codes[j - 1]
        bounds[j] = bounds[j - 1]
        j -= 1
      }
      codes[at] = code
      bounds[at] = one
      kept += 1
    }
    let base = Bounds(absent, absent)
    out.reserve(kept)
    for i in 0..<kept {
      let sum = saturatingSum(bounds[i], base)
      out.append(code: codes[i], upper: sum.x, error: sum.y)
    }
    listCodes.removeAll()
    listBounds.removeAll()
  }
}

/// a + b, or the nearest end of the range.
@inline(__always) func saturatingSum(_ a: Int64, _ b: Int64) -> Int64 {
  let sum = a.addingReportingOverflow(b)
  return sum.overflow ? (a < 0 ? .min : .max) : sum.partialValue
}
/// Element-wise `saturatingSum`.
@inline(__always) func saturatingSum(_ a: SIMD2<Int64>, _ b: SIMD2<Int64>) -> SIMD2<Int64> {
  SIMD2(saturatingSum(a.x, b.x), saturatingSum(a.y, b.y))
}
