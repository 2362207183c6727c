// TopNAccumulator.swift — topn_add_agg and topn_union_agg over groups.
//
// Nothing is pruned while adding or in partials: bounds stay what the inputs allow. `finish` prunes to the type's counters, which
// is what a user sees; a partial longer than Limits.topNItemsMax is pruned to that. Items have codes of an own interner; group 0
// has a dense table by code, so that a query without GROUP BY runs without hashing; other groups share one hash table.
import Bytes
import Columns
import Model

/// TopN over groups; adds items and unites states, as its update's argument type says.
final class TopNAccumulator: Accumulator {
  private let parameters: TopNParameters
  private var groups: TopNGroups
  let resultType: DataType
  var partialTypes: [DataType] { [resultType] }
  var memoryBytes: Int { groups.memoryBytes }

  init(_ parameters: TopNParameters) {
    self.parameters = parameters
    groups = TopNGroups(parameters)
    resultType = .topn(parameters)
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    groups.grow(groupCount)
    if case .topn(let states) = arguments[0].values {
      guard states.parameters == parameters else {
        throw TopN.mismatch(states.parameters, parameters)
      }
      return groups.unite(groupIDs, states, rowMask(arguments[0].validity, filter))
    }
    var mask = rowMask(arguments[0].validity, filter)
    var weights: [Int64]?
    if arguments.count > 1 {
      guard case .fixed(let values) = arguments[1].values else {
        fatalError("a topn weight is not bigint")
      }
      mask = rowMask(arguments[1].validity, mask)
      weights = values
    }
    groups.add(groupIDs, arguments[0], weights, mask)
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    try update(groupIDs, groupCount: groupCount, arguments: partials, filter: nil)
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] {
    [groups.states(groupCount, limit: Limits.topNItemsMax)]
  }
  func finish(groupCount: Int) -> ColumnVector {
    groups.states(groupCount, limit: Int(parameters.counters))
  }
}

/// The items of all groups.
///
/// A struct of its own, so that its loops do not check for exclusive access at every row.
private struct TopNGroups: ~Copyable {
  private let parameters: TopNParameters
  private var interner = TextInterner(expected: 1024)
  // Group 0, by item code; `isDense` tells which codes it has.
  private var dense = RawArray<SIMD2<Int64>>()
  private var isDense = RawArray<Bool>()
  // Other groups: place of (group, item) and its bounds.
  private var places = CodeTable(expected: 1024)
  private var bounds = RawArray<SIMD2<Int64>>()
  private var absents = RawArray<Int64>()
  private var totals = RawArray<Int64>()
  // New codes of the last dictionary's texts, UInt32.max where not met yet; the dictionary is held so that it stays itself.
  private var lastDictionary = TextDictionary.empty
  private var remap = RawArray<UInt32>()
  private var internedBytes = 0
  var memoryBytes: Int {
    dense.bytes + isDense.bytes + places.bytes + bounds.bytes + absents.bytes + totals.bytes
      + remap.bytes
      + internedBytes + interner.count * 28
  }

  init(_ parameters: TopNParameters) { self.parameters = parameters }
  mutating func grow(_ groupCount: Int) {
    absents.grow(to: groupCount, with: 0)
    totals.grow(to: groupCount, with: 0)
  }
  mutating func add(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ items: ColumnVector,
    _ weights: [Int64]?,
    _ mask: Bitmap?
  ) {
    switch items.values {
    case .codes(let codes, let dictionary):
      adopt(dictionary)
      dictionary.bytes.withUnsafeBytes { raw in
        dictionary.offsets.withUnsafeBufferPointer { offsets in
          for row in 0..<groupIDs.count where mask?[row] ?? true {
            let old = Int(codes[row])
            if remap[old] == .max {
              let code = intern(
                UnsafeRawBufferPointer(rebasing: raw[Int(offsets[old])..<Int(offsets[old + 1])])
              )
              remap[old] = code
            }
            add(Int(groupIDs[row]), remap[old], weights?[row] ?? 1)
          }
        }
      }
    case .text(let texts):
      texts.bytes.withUnsafeBytes { raw in
        for row in 0..<groupIDs.count where mask?[row] ?? true {
          let code = intern(
            UnsafeRawBufferPointer(
              rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]
            )
          )
          add(Int(groupIDs[row]), code, weights?[row] ?? 1)
        }
      }
    default: fatalError("topn items of type \(items.type.name)")
    }
  }
  private mutating func add(_ group: Int, _ code: UInt32, _ weight: Int64) {
    if weight < 0 { return }
    totals[group] = saturatingSum(totals[group], weight)
    put(group, code, SIMD2(weight, 0))
  }
  @inline(__always) private mutating func put(_ group: Int, _ code: UInt32, _ one: SIMD2<Int64>) {
    if group == 0 {
      if Int(code) >= dense.count {
        dense.grow(to: max(interner.count, Int(code) + 1), with: .zero)
        isDense.grow(to: dense.count, with: false)
      }
      dense[Int(code)] = saturatingSum(dense[Int(code)], one)
      isDense[Int(code)] = true
      return
    }
    let place = Int(places.place(UInt64(group) << 32 | UInt64(code)))
    if place == bounds.count {
      bounds.append(one)
    } else {
      bounds[place] = saturatingSum(bounds[place], one)
    }
  }
  private mutating func adopt(_ dictionary: TextDictionary) {
    if dictionary === lastDictionary { return }
    lastDictionary = dictionary
    remap.removeAll()
    remap.grow(to: max(1, dictionary.count), with: .max)
  }
  /// Code of a text, cut to the key length.
  private mutating func intern(_ text: UnsafeRawBufferPointer) -> UInt32 {
    let length = TopN.cutLength(text, to: Int(parameters.keyBytesMax))
    let before = interner.count
    let code = interner.intern(UnsafeRawBufferPointer(rebasing: text[0..<length]))
    if interner.count > before { internedBytes += length }
    return code
  }
  mutating func unite(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ states: TopNColumn,
    _ mask: Bitmap?
  ) {
    adopt(states.dictionary)
    internItems(of: states, groupIDs.count, mask)
    dense.grow(to: interner.count, with: .zero)
    isDense.grow(to: interner.count, with: false)
    let (dense, isDense, remap) = (self.dense.base, self.isDense.base, self.remap.base)
    states.codes.withUnsafeBufferPointer { codes in
      states.uppers.withUnsafeBufferPointer { uppers in
        states.errors.withUnsafeBufferPointer { errors in
          states.offsets.withUnsafeBufferPointer { offsets in
            for row in 0..<groupIDs.count where mask?[row] ?? true {
              let group = Int(groupIDs[row])
              let absent = states.absent[row]
              absents[group] = saturatingSum(absents[group], absent)
              totals[group] = saturatingSum(totals[group], states.totals[row])
              let base = SIMD2(absent, absent)
              let items = Int(offsets[row])..<Int(offsets[row + 1])
              if group == 0 {
                for at in items {
                  let code = Int(remap[Int(codes[at])])
                  dense[code] = saturatingSum(dense[code], SIMD2(uppers[at], errors[at]) &- base)
                  isDense[code] = true
                }
              } else {
                for at in items {
                  put(group, remap[Int(codes[at])], SIMD2(uppers[at], errors[at]) &- base)
                }
              }
            }
          }
        }
      }
    }
  }
  /// Gives every item of the rows a code, so that the loop that adds need not ask.
  private mutating func internItems(of states: TopNColumn, _ rows: Int, _ mask: Bitmap?) {
    let dictionary = states.dictionary
    dictionary.bytes.withUnsafeBytes { raw in
      dictionary.offsets.withUnsafeBufferPointer { offsets in
        states.codes.withUnsafeBufferPointer { codes in
          states.offsets.withUnsafeBufferPointer { starts in
            for row in 0..<rows where mask?[row] ?? true {
              for at in Int(starts[row])..<Int(starts[row + 1]) where remap[Int(codes[at])] == .max {
                let old = Int(codes[at])
                let code = intern(
                  UnsafeRawBufferPointer(rebasing: raw[Int(offsets[old])..<Int(offsets[old + 1])])
                )
                remap[old] = code
              }
            }
          }
        }
      }
    }
  }

  mutating func states(_ groupCount: Int, limit: Int) -> ColumnVector {
    grow(groupCount)
    let (dictionary, canonical) = interner.dictionary().canonical()
    var out = TopNColumnBuilder(parameters, dictionary, expected: groupCount)
    // Group 0: the dense table in canonical order.
    if groupCount > 0 {
      let old = RawArray<UInt32>(repeating: .max, count: max(1, dictionary.count))
      for code in 0..<dense.count where isDense[code] { old[Int(canonical[code])] = UInt32(code) }
      let base = SIMD2(absents[0], absents[0])
      out.reserve(dense.count)
      for code in 0..<dictionary.count where old[code] != .max {
        let sum = saturatingSum(dense[Int(old[code])], base)
        out.append(code: UInt32(code), upper: sum.x, error: sum.y)
      }
      out.end(absent: absents[0], total: totals[0], limit: limit)
    }
    // The others: entries sorted by (group, canonical code).
    let keys = RawArray<UInt64>(repeating: 0, count: max(1, places.count))
    var order = RawArray<UInt32>(capacity: max(1, places.count))
    for place in 0..<places.count {
      let code = places.codes[place]
      keys[place] =
        code & 0xffff_ffff_0000_0000 | UInt64(canonical[Int(UInt32(truncatingIfNeeded: code))])
      order.append(UInt32(place))
    }
    if order.count > 0 { radixSort(&order, by: keys.base) }
    var at = 0
    for group in stride(from: 1, to: groupCount, by: 1) {
      let base = SIMD2(absents[group], absents[group])
      while at < order.count && Int(keys[Int(order[at])] >> 32) == group {
        let sum = saturatingSum(bounds[Int(order[at])], base)
        out.reserve(1)
        out.append(
          code: UInt32(truncatingIfNeeded: keys[Int(order[at])]),
          upper: sum.x,
          error: sum.y
        )
        at += 1
      }
      out.end(absent: absents[group], total: totals[group], limit: limit)
    }
    return out.finish()
  }
}
