// StateBuild.swift — raw rows to state rows: the work of every rollup delta.
//
// Groups are found once; count, sum, min, max and booleans go through their accumulators; HLL and TopN states are made group by
// group from rows listed by group. Output rows are sorted by keys and are the same whatever the layout of the input's texts.
public import Columns
public import Model

/// What one measure is computed from.
public struct MeasureInput: Sendable {
  /// The measure.
  public var measure: RollupMeasure
  /// Its argument; nil only for count(*).
  ///
  /// HLL: hashes (`hllHashval`); TopN: text.
  public var argument: ColumnVector?
  /// TopN: weight of each row (bigint); nil = 1.
  public var weight: ColumnVector?
  /// Rows whose bit is clear do not exist for this measure.
  public var filter: Bitmap?
  /// Describes a measure's input.
  public init(
    measure: RollupMeasure,
    argument: ColumnVector? = nil,
    weight: ColumnVector? = nil,
    filter: Bitmap? = nil
  ) {
    self.measure = measure
    self.argument = argument
    self.weight = weight
    self.filter = filter
  }
}

/// Makes state rows.
public enum StateBuild {
  /// Groups rows by all keys and computes the measures: columns are the keys, then the measures.
  ///
  /// Every column has `rows` rows. TopN states longer than `topNPruneMultiple` · counters are pruned to that. Throws 22003 when a
  /// sum overflows. TopN items and weights that are NULL and negative weights are skipped; `skipped` counts negative weights.
  public static func build(
    rows: Int,
    keys: [ColumnVector],
    measures: [MeasureInput],
    topNPruneMultiple: Int = 3,
    skipped: inout Int
  ) throws(TallyError) -> Batch {
    let groups = RowGroups(keys: keys, rows: rows)
    var columns = keys.map { $0.gather(groups.firstRows).compacted() }
    var listing: (starts: [UInt32], rows: [UInt32])?
    for input in measures {
      switch input.measure.kind {
      case .hll:
        let list = listing ?? groups.listed()
        listing = list
        columns.append(hllStates(input, list.starts, list.rows))
      case .topn:
        let list = listing ?? groups.listed()
        listing = list
        columns.append(topNStates(input, list.starts, list.rows, topNPruneMultiple, &skipped))
      default:
        let accumulator = try accumulator(for: input.measure, over: input.argument?.type)
        try groups.withGroupOf { ids throws(TallyError) in
          try accumulator.update(
            ids,
            groupCount: groups.count,
            arguments: input.argument.map { [$0] } ?? [],
            filter: input.filter
          )
        }
        var column = try accumulator.finish(groupCount: groups.count)
        column.type = input.measure.type
        columns.append(column)
      }
    }
    return Batch(count: groups.count, columns: columns)
  }
  /// As above, for callers that do not count skipped weights; the first key tells the number of rows.
  public static func build(
    keys: [ColumnVector],
    measures: [MeasureInput],
    topNPruneMultiple: Int = 3
  ) throws(TallyError) -> Batch {
    var skipped = 0
    let rows =
      keys.first?.count ?? measures.lazy.compactMap { $0.argument?.count ?? $0.filter?.count }.first
      ?? 0
    return try build(
      rows: rows,
      keys: keys,
      measures: measures,
      topNPruneMultiple: topNPruneMultiple,
      skipped: &skipped
    )
  }

  /// The accumulator of a scalar measure over arguments of a type, or over the measure's own states.
  static func accumulator(
    for measure: RollupMeasure,
    over argument: DataType?
  ) throws(TallyError) -> any Accumulator {
    switch measure.kind {
    case .count: return CountAccumulator()
    case .sum:
      // The measure's type decides: a bigint sum is of narrow integers, a numeric one of bigint or numeric.
      switch measure.type {
      case .bigint: return IntegerSumAccumulator(saturates: true)
      case .numeric: return NumericAccumulator(isAverage: false, saturates: true)
      case .double: return DoubleAccumulator(isAverage: false, saturates: true)
      default: return try Accumulators.make(.sum, argumentTypes: [argument ?? measure.type])
      }
    case .min: return try Accumulators.make(.min, argumentTypes: [argument ?? measure.type])
    case .max: return try Accumulators.make(.max, argumentTypes: [argument ?? measure.type])
    case .boolAnd: return try Accumulators.make(.boolAnd, argumentTypes: [.boolean])
    case .boolOr: return try Accumulators.make(.boolOr, argumentTypes: [.boolean])
    case .hll, .topn: fatalError("\(measure.kind) is not a scalar measure")
    }
  }

  /// One HLL state a group: NULL without rows, EMPTY when all hashes are NULL.
  private static func hllStates(
    _ input: MeasureInput,
    _ starts: [UInt32],
    _ rows: [UInt32]
  ) -> ColumnVector {
    guard case .hll(let parameters) = input.measure.type, let argument = input.argument,
      case .fixed(let hashes) = argument.values
    else { fatalError("hll measure \(input.measure.name) without hashes") }
    var gathering = HLLGathering(parameters)
    var out = HLLColumnBuilder(parameters, expected: starts.count)
    let (filter, validity) = (input.filter, argument.validity)
    hashes.withUnsafeBufferPointer { hashes in
      rows.withUnsafeBufferPointer { rows in
        starts.withUnsafeBufferPointer { starts in
          for group in 0..<starts.count - 1 {
            let range = Int(starts[group])..<Int(starts[group + 1])
            if filter == nil && validity == nil {
              for at in range { gathering.add(hashes[Int(rows[at])]) }
            } else {
              var seen = 0
              for at in range {
                let row = Int(rows[at])
                if let filter, !filter[row] { continue }
                seen += 1
                if let validity, !validity[row] { continue }
                gathering.add(hashes[row])
              }
              if seen == 0 {
                out.appendNull()
                continue
              }
            }
            gathering.finish(into: &out)
          }
        }
      }
    }
    return out.finish()
  }

  /// One TopN state a group, counted exactly, then pruned.
  private static func topNStates(
    _ input: MeasureInput,
    _ starts: [UInt32],
    _ rows: [UInt32],
    _ multiple: Int,
    _ skipped: inout Int
  ) -> ColumnVector {
    guard case .topn(let parameters) = input.measure.type, let argument = input.argument else {
      fatalError("topn measure \(input.measure.name) without items")
    }
    var mask = rowMask(argument.validity, input.filter)
    var weights: [Int64]?
    if let weight = input.weight {
      guard case .fixed(let values) = weight.values else {
        fatalError("a topn weight is not bigint")
      }
      weights = values
      mask = rowMask(weight.validity, mask)
      var usable = mask ?? Bitmap(repeating: true, count: values.count)
      for row in values.indices where values[row] < 0 && usable[row] {
        usable[row] = false
        skipped += 1
      }
      mask = usable
    }
    let (codes, dictionary) = canonicalCodes(argument, mask, parameters)
    var gathering = TopNGathering(dictionaryCount: dictionary.count)
    var out = TopNColumnBuilder(parameters, dictionary, expected: starts.count)
    let limit = Int(parameters.counters) * multiple
    codes.withUnsafeBufferPointer { codes in
      rows.withUnsafeBufferPointer { rows in
        starts.withUnsafeBufferPointer { starts in
          for group in 0..<starts.count - 1 {
            for at in Int(starts[group])..<Int(starts[group + 1]) {
              let row = Int(rows[at])
              if let mask, !mask[row] { continue }
              gathering.add(code: codes[row], weight: weights?[row] ?? 1)
            }
            gathering.finish(into: &out, limit: limit)
          }
        }
      }
    }
    return out.finish()
  }
  /// Each row's code in a canonical dictionary of the (cut) texts that rows of the mask use.
  private static func canonicalCodes(
    _ column: ColumnVector,
    _ mask: Bitmap?,
    _ parameters: TopNParameters
  ) -> (codes: [UInt32], TextDictionary) {
    let codes: [UInt32]
    let dictionary: TextDictionary
    switch column.values {
    case .codes(let own, let texts): (codes, dictionary) = (own, texts)
    case .text(let texts):
      var interner = TextInterner(expected: 1024)
      codes = texts.bytes.withUnsafeBytes { raw in
        texts.offsets.withUnsafeBufferPointer { offsets in
          [UInt32](unsafeUninitializedCapacity: texts.count) { out, written in
            written = offsets.count - 1
            for i in 0..<written {
              out[i] = interner.intern(
                UnsafeRawBufferPointer(rebasing: raw[Int(offsets[i])..<Int(offsets[i + 1])])
              )
            }
          }
        }
      }
      dictionary = interner.dictionary()
    default: fatalError("topn items of type \(column.type.name)")
    }
    if dictionary.count == 0 { return (codes, dictionary) }
    var used = [Bool](repeating: false, count: dictionary.count)
    used.withUnsafeMutableBufferPointer { used in
      codes.withUnsafeBufferPointer { codes in
        forEachRow(codes.count, mask) { used[Int(codes[$0])] = true }
      }
    }
    let (canonical, remap) = dictionary.canonical(used: used, cutAt: Int(parameters.keyBytesMax))
    return (remap.withUnsafeBufferPointer { remap in codes.map { remap[Int($0)] } }, canonical)
  }
}

extension RowGroups {
  /// Lends the group of each row.
  func withGroupOf<R>(
    _ body: (UnsafeBufferPointer<UInt32>) throws(TallyError) -> R
  ) throws(TallyError) -> R {
    try groupOf.withUnsafeBufferPointer(body)
  }
}
