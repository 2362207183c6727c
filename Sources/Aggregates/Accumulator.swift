// Accumulator.swift — one aggregate over many groups at once: what a hash aggregation calls a block at a time.
//
// Group numbers are dense from 0; `groupCount` says how many exist so far and never falls. A partial is the mergeable state as
// columns (BatchFormat carries it); partials of the same accumulator kind and argument types merge in any order. Groups that no
// row reached finish as the aggregate over no rows: count 0, topn {}, all others NULL. Not Sendable: one task owns it.
public import Columns
public import Model

/// What an accumulator computes.
public enum AggregateKind: Hashable, Sendable {
  /// count(*) without an argument, count(x) with one: bigint.
  case count
  /// sum(x): smallint and integer to bigint, bigint and numeric to numeric, double, interval.
  case sum
  /// avg(x): integers and numeric to numeric, double, interval.
  case average
  case min
  case max
  case boolAnd
  case boolOr
  /// bit_and(x) and bit_or(x) of integers, of the same type.
  case bitAnd
  case bitOr
  /// hll_add_agg(hash) into states with these parameters.
  case hllAdd(HLLParameters)
  /// hll_union_agg(state).
  case hllUnion
  /// topn_add_agg(item [, weight]) into states with these parameters.
  case topnAdd(TopNParameters)
  /// topn_union_agg(state).
  case topnUnion
}

/// One aggregate over many groups.
public protocol Accumulator: AnyObject {
  /// Types of the columns of a partial.
  var partialTypes: [DataType] { get }
  /// Type of the result.
  var resultType: DataType { get }
  /// Memory held, for budgets.
  var memoryBytes: Int { get }
  /// Adds rows: row i belongs to group `groupIDs[i]`; rows whose filter bit is clear do not exist.
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError)
  /// Adds partials: row i of the columns belongs to group `groupIDs[i]`.
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError)
  /// The states of groups 0 ..< groupCount, one row each.
  func finishPartial(groupCount: Int) throws(TallyError) -> [ColumnVector]
  /// The results of groups 0 ..< groupCount, one row each.
  func finish(groupCount: Int) throws(TallyError) -> ColumnVector
}

/// Makes accumulators.
public enum Accumulators {
  /// An accumulator for arguments of the given types; 0A000 or 42883 where there is no such aggregate.
  public static func make(
    _ kind: AggregateKind,
    argumentTypes: [DataType]
  ) throws(TallyError) -> any Accumulator {
    let first = argumentTypes.first
    switch (kind, first?.layout) {
    case (.count, _): return CountAccumulator()
    case (.sum, _), (.average, _):
      guard let first else { break }
      let isAverage = kind == .average
      switch first {
      case .smallint, .integer:
        return isAverage ? NumericAccumulator(isAverage: true) : IntegerSumAccumulator()
      case .bigint, .numeric: return NumericAccumulator(isAverage: isAverage)
      case .double: return DoubleAccumulator(isAverage: isAverage)
      case .interval: return IntervalAccumulator(isAverage: isAverage)
      default: break
      }
    case (.min, let layout?), (.max, let layout?):
      guard let first, let made = extreme(layout, isMax: kind == .max, first) else { break }
      return made
    case (.boolAnd, .fixed), (.boolOr, .fixed):
      if first == .boolean {
        return ExtremeAccumulator<FixedOrder>(isMax: kind == .boolOr, .boolean)
      }
    case (.bitAnd, .fixed), (.bitOr, .fixed):
      if let first, first.isInteger { return BitAccumulator(isOr: kind == .bitOr, first) }
    case (.hllAdd(let parameters), .fixed):
      if first == .hllHashval { return HLLAccumulator(parameters) }
    case (.hllUnion, .hll):
      if case .hll(let parameters) = first { return HLLAccumulator(parameters) }
    case (.topnAdd(let parameters), .text): return TopNAccumulator(parameters)
    case (.topnUnion, .topn):
      if case .topn(let parameters) = first { return TopNAccumulator(parameters) }
    default: break
    }
    let list = argumentTypes.map(\.name).joined(separator: ", ")
    throw .sql("42883", "function \(kind.sqlName)(\(list)) does not exist")
  }
  private static func extreme(
    _ layout: VectorLayout,
    isMax: Bool,
    _ type: DataType
  ) -> (any Accumulator)? {
    switch layout {
    case .fixed: type == .hllHashval ? nil : ExtremeAccumulator<FixedOrder>(isMax: isMax, type)
    case .double: ExtremeAccumulator<DoubleOrder>(isMax: isMax, type)
    case .numeric: ExtremeAccumulator<NumericOrder>(isMax: isMax, type)
    case .interval: ExtremeAccumulator<IntervalOrder>(isMax: isMax, type)
    case .text: TextExtremeAccumulator(isMax: isMax, type)
    case .hll, .topn: nil
    }
  }
}

extension AggregateKind {
  /// Name of the SQL function.
  public var sqlName: String {
    switch self {
    case .count: "count"
    case .sum: "sum"
    case .average: "avg"
    case .min: "min"
    case .max: "max"
    case .boolAnd: "bool_and"
    case .boolOr: "bool_or"
    case .bitAnd: "bit_and"
    case .bitOr: "bit_or"
    case .hllAdd: "hll_add_agg"
    case .hllUnion: "hll_union_agg"
    case .topnAdd: "topn_add_agg"
    case .topnUnion: "topn_union_agg"
    }
  }
}

/// Which rows take part: those whose bits are set in both; nil = all.
func rowMask(_ validity: Bitmap?, _ filter: Bitmap?) -> Bitmap? {
  guard let validity else { return filter }
  guard let filter else { return validity }
  return Bitmap(words: zip(validity.words, filter.words).map { $0 & $1 }, count: validity.count)
}

/// Calls `body` for every row that takes part, in order.
@inline(__always) func forEachRow(_ count: Int, _ mask: Bitmap?, _ body: (Int) -> Void) {
  guard let mask else {
    for row in 0..<count { body(row) }
    return
  }
  mask.words.withUnsafeBufferPointer { words in
    for at in 0..<words.count {
      var word = words[at]
      while word != 0 {
        body(at &* 64 &+ word.trailingZeroBitCount)
        word &= word &- 1
      }
    }
  }
}

/// Validity bits from one flag a group; nil when all are set.
func validity(_ flags: borrowing RawArray<Bool>, count: Int) -> Bitmap? {
  var words = [UInt64](repeating: 0, count: (count + 63) / 64)
  var isAll = true
  for i in 0..<count {
    if flags[i] { words[i >> 6] |= 1 << UInt64(i & 63) } else { isAll = false }
  }
  return isAll ? nil : Bitmap(words: words, count: count)
}
