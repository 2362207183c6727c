// StateMerge.swift — state rows of many runs to state rows of fewer: coarser levels, compaction, fan-in of partials.
//
// Rows with equal keys (one of which may be cut to coarser buckets first) become one row; rows come out sorted by keys with
// unique keys. The outcome does not depend on how rows are spread over runs, except for the order in which doubles are added.
// Runs need not be sorted; sorted ones are grouped without hashing when one follows the other.
public import Columns
public import Model

/// When TopN states are shortened.
public enum TopNPruning: Equatable, Sendable {
  /// Never: queries.
  case none
  /// To that multiple of the counters.
  case to(multiple: Int)
  /// To the counters where the bucket ended at or before `settledBefore` (microseconds), to `youngMultiple` times the counters
  /// elsewhere; the bucket's start is key `bucketKey` (after truncation). NULL and infinite buckets never settle.
  case byAge(settledBefore: Int64, bucketKey: Int, width: BucketWidth, youngMultiple: Int = 3)
}

/// Merges state rows.
public enum StateMerge {
  /// Merges runs whose columns are `keyCount` keys and then the measures, all runs of the same types.
  ///
  /// Throws 22003 when a count or sum overflows. No rows give no rows.
  public static func merge(
    _ runs: [Batch],
    keyCount: Int,
    measures: [RollupMeasure],
    truncating: (key: Int, width: BucketWidth)? = nil,
    pruning: TopNPruning = .none
  ) throws(TallyError) -> Batch {
    guard let types = runs.first?.types else {
      return Batch(emptyOf: measures.map(\.type))
    }
    let runs = runs.filter { $0.count > 0 }
    if runs.isEmpty { return Batch(emptyOf: types) }
    var keys = (0..<keyCount).map { at in
      ColumnVector.concatenate(runs.map { $0.columns[at] }, type: types[at])
    }
    if let truncating {
      keys[truncating.key] = truncated(keys[truncating.key], to: truncating.width)
    }
    let rows = runs.reduce(0) { $0 + $1.count }
    let groups = RowGroups(keys: keys, rows: rows)
    var columns = keys.map { $0.gather(groups.firstRows).compacted() }
    var sources: StateSources?
    for (at, measure) in measures.enumerated() {
      let parts = runs.map { $0.columns[keyCount + at] }
      switch measure.kind {
      case .hll:
        let listed = sources ?? StateSources(groups, runs)
        sources = listed
        columns.append(listed.mergeHLL(parts, measure.type))
      case .topn:
        let listed = sources ?? StateSources(groups, runs)
        sources = listed
        columns.append(
          listed.mergeTopN(
            parts,
            measure.type,
            limits: limits(pruning, measure.type, columns, groups.count)
          )
        )
      default:
        let accumulator = try StateBuild.accumulator(for: measure, over: measure.type)
        var first = 0
        for (run, part) in zip(runs, parts) {
          let range = first..<first + run.count
          first += run.count
          try groups.withGroupOf { ids throws(TallyError) in
            try accumulator.merge(
              UnsafeBufferPointer(rebasing: ids[range]),
              groupCount: groups.count,
              partials: [part]
            )
          }
        }
        var column = try accumulator.finish(groupCount: groups.count)
        column.type = measure.type
        columns.append(column)
      }
    }
    return Batch(count: groups.count, columns: columns)
  }

  /// A time column cut to buckets; dates are days, other times microseconds.
  static func truncated(_ column: ColumnVector, to width: BucketWidth) -> ColumnVector {
    guard case .fixed(var values) = column.values, column.type.isTime else {
      fatalError("buckets of type \(column.type.name)")
    }
    let unit: Int64 = column.type == .date ? 86_400_000_000 : 1
    // Times mostly repeat: the last answer is tried first.
    var (lastTime, lastBucket) = (Int64(0), Calendar.truncateToBucket(0, width) / unit)
    values.withUnsafeMutableBufferPointer { values in
      for row in 0..<values.count
      where values[row] != TimeLimits.infinity && values[row] != TimeLimits.minusInfinity {
        if values[row] != lastTime {
          lastTime = values[row]
          lastBucket = Calendar.truncateToBucket(lastTime &* unit, width) / unit
        }
        values[row] = lastBucket
      }
    }
    if let validity = column.validity {
      for row in values.indices where !validity[row] { values[row] = 0 }
    }
    return ColumnVector(column.type, .fixed(values), validity: column.validity)
  }
  /// How many items each group's TopN state may keep.
  private static func limits(
    _ pruning: TopNPruning,
    _ type: DataType,
    _ columns: [ColumnVector],
    _ count: Int
  ) -> [Int] {
    guard case .topn(let parameters) = type else { fatalError("topn measure of type \(type.name)") }
    let counters = Int(parameters.counters)
    switch pruning {
    case .none: return [Int](repeating: .max, count: count)
    case .to(let multiple): return [Int](repeating: counters * multiple, count: count)
    case .byAge(let settledBefore, let key, let width, let youngMultiple):
      guard case .fixed(let starts) = columns[key].values else {
        fatalError("a bucket key is not a time")
      }
      let unit: Int64 = columns[key].type == .date ? 86_400_000_000 : 1
      return (0..<count).map { row in
        let start = starts[row]
        if columns[key].isNull(row) || start == TimeLimits.infinity
          || start == TimeLimits.minusInfinity
        {
          return counters * youngMultiple
        }
        return Calendar.endOfBucket(start &* unit, width) <= settledBefore
          ? counters : counters * youngMultiple
      }
    }
  }
}

/// Which rows of which runs make up each group.
struct StateSources {
  let groupCount: Int
  private let starts: [UInt32]
  private let rows: [UInt32]
  /// First row of each run among all rows, and the end.
  private let bases: [Int]

  init(_ groups: RowGroups, _ runs: [Batch]) {
    groupCount = groups.count
    (starts, rows) = groups.listed()
    var bases = [0]
    for run in runs { bases.append(bases[bases.count - 1] + run.count) }
    self.bases = bases
  }
  /// Calls `body` with run and row of every source of a group, in order.
  @inline(__always) private func forEachSource(of group: Int, _ body: (Int, Int) -> Void) {
    var run = 0
    rows.withUnsafeBufferPointer { rows in
      bases.withUnsafeBufferPointer { bases in
        for at in Int(starts[group])..<Int(starts[group + 1]) {
          let row = Int(rows[at])
          while row >= bases[run + 1] { run += 1 }
          body(run, row - bases[run])
        }
      }
    }
  }
  /// United HLL states; NULL where every source is.
  func mergeHLL(_ parts: [ColumnVector], _ type: DataType) -> ColumnVector {
    guard case .hll(let parameters) = type else { fatalError("hll measure of type \(type.name)") }
    let columns = parts.map { part -> HLLColumn in
      guard case .hll(let column) = part.values else {
        fatalError("hll states of type \(part.type.name)")
      }
      return column
    }
    var gathering = HLLGathering(parameters)
    var out = HLLColumnBuilder(parameters, expected: groupCount)
    // The views stay valid while their arrays live, which no one changes.
    let views = zip(columns, parts).map { HLLView($0, $1.validity) }
    withExtendedLifetime((columns, parts)) {
      views.withUnsafeBufferPointer { views in
        for group in 0..<groupCount {
          let isAlone = starts[group + 1] - starts[group] == 1
          var states = 0
          forEachSource(of: group) { run, row in
            if views[run].validity.isNull(row) { return }
            states += 1
            if isAlone {
              out.append(form: views[run].forms[row], words: views[run].words(row))
            } else {
              gathering.add(form: views[run].forms[row], words: views[run].words(row))
            }
          }
          if states == 0 { out.appendNull() } else if !isAlone { gathering.finish(into: &out) }
        }
      }
    }
    return out.finish()
  }
  /// Merged TopN states, pruned to each group's limit.
  func mergeTopN(_ parts: [ColumnVector], _ type: DataType, limits: [Int]) -> ColumnVector {
    guard case .topn(let parameters) = type else { fatalError("topn measure of type \(type.name)") }
    let columns = parts.map { part -> TopNColumn in
      guard case .topn(let column) = part.values else {
        fatalError("topn states of type \(part.type.name)")
      }
      return column
    }
    let (dictionary, remaps) = TextDictionary.mergeCanonical(columns.map(\.dictionary))
    var gathering = TopNGathering(dictionaryCount: dictionary.count)
    var out = TopNColumnBuilder(parameters, dictionary, expected: groupCount)
    // The views stay valid while their arrays live, which no one changes.
    let views = columns.indices.map { TopNView(columns[$0], parts[$0].validity, remap: remaps[$0]) }
    withExtendedLifetime((columns, parts, remaps)) {
      views.withUnsafeBufferPointer { views in
        for group in 0..<groupCount {
          forEachSource(of: group) { run, row in
            if views[run].validity.isNull(row) { return }
            let items = views[run].items(row)
            gathering.add(
              codes: UnsafeBufferPointer(rebasing: views[run].codes[items]),
              uppers: UnsafeBufferPointer(rebasing: views[run].uppers[items]),
              errors: UnsafeBufferPointer(rebasing: views[run].errors[items]),
              absent: views[run].absent[row],
              total: views[run].totals[row],
              remap: views[run].remap
            )
          }
          gathering.finish(into: &out, limit: limits[group])
        }
      }
    }
    return out.finish()
  }
}

/// Validity bits as a pointer; nil = no NULLs.
private struct ValidityView {
  private let words: UnsafePointer<UInt64>?
  init(_ validity: Bitmap?) {
    words = validity.flatMap { $0.words.withUnsafeBufferPointer { $0.baseAddress } }
  }
  @inline(__always) func isNull(_ row: Int) -> Bool {
    guard let words else { return false }
    return words[row >> 6] >> UInt64(row & 63) & 1 == 0
  }
}

/// An HLL column as pointers, for loops over states of many columns; its owner keeps the column alive.
private struct HLLView {
  let validity: ValidityView
  let forms: UnsafeBufferPointer<UInt8>
  private let offsets: UnsafeBufferPointer<UInt32>
  private let all: UnsafeBufferPointer<UInt32>
  init(_ column: HLLColumn, _ validity: Bitmap?) {
    self.validity = ValidityView(validity)
    forms = column.forms.withUnsafeBufferPointer { $0 }
    offsets = column.offsets.withUnsafeBufferPointer { $0 }
    all = column.words.withUnsafeBufferPointer { $0 }
  }
  @inline(__always) func words(_ row: Int) -> UnsafeBufferPointer<UInt32> {
    UnsafeBufferPointer(rebasing: all[Int(offsets[row])..<Int(offsets[row + 1])])
  }
}

/// A TopN column as pointers, likewise.
private struct TopNView {
  let validity: ValidityView
  private let offsets: UnsafeBufferPointer<UInt32>
  let codes: UnsafeBufferPointer<UInt32>
  let uppers: UnsafeBufferPointer<Int64>
  let errors: UnsafeBufferPointer<Int64>
  let absent: UnsafeBufferPointer<Int64>
  let totals: UnsafeBufferPointer<Int64>
  let remap: UnsafePointer<UInt32>?
  init(_ column: TopNColumn, _ validity: Bitmap?, remap: [UInt32]?) {
    self.validity = ValidityView(validity)
    offsets = column.offsets.withUnsafeBufferPointer { $0 }
    codes = column.codes.withUnsafeBufferPointer { $0 }
    uppers = column.uppers.withUnsafeBufferPointer { $0 }
    errors = column.errors.withUnsafeBufferPointer { $0 }
    absent = column.absent.withUnsafeBufferPointer { $0 }
    totals = column.totals.withUnsafeBufferPointer { $0 }
    self.remap = remap?.withUnsafeBufferPointer { $0.baseAddress }
  }
  @inline(__always) func items(_ row: Int) -> Range<Int> {
    Int(offsets[row])..<Int(offsets[row + 1])
  }
}
