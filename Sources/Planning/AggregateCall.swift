// AggregateCall.swift — the aggregates a plan can compute, with their wire numbers.
//
// Only mergeable ones exist: the merge of an aggregate's results over disjoint rows is another aggregate (`merge`), so a
// two-phase plan is two ordinary aggregate nodes and nothing has a hidden partial form. The binder rewrites the others:
// avg(x) is sum(x) / count(x), count(DISTINCT x) is a count over a node grouped by x too.
public import Model

/// An aggregate function.
public enum AggregateFunction: UInt16, Sendable, CaseIterable {
  /// Rows: () → bigint, 0 for none.
  case countStar = 1
  /// Rows where the argument is not NULL: (any) → bigint, 0 for none.
  case count = 2
  /// Sum; NULL for none. (smallint, integer) → bigint; (bigint) → numeric, or bigint where `type` says so (a merge of sums);
  /// (numeric) → numeric; (double) → double; (interval) → interval. 22003 when it leaves the result's type.
  case sum = 3
  /// Least and greatest; NULL for none. (any number, date, time, text, interval) → the same.
  case min = 4
  case max = 5
  /// (boolean) → boolean; NULL for none.
  case boolAnd = 6
  case boolOr = 7
  /// (hll_hashval) → hll with `type`'s parameters; NULLs are skipped; EMPTY when all were NULL; NULL for no rows.
  case hllAdd = 8
  /// (hll) → hll; NULLs are skipped; NULL when there was nothing else.
  case hllUnion = 9
  /// (text) or (text, bigint weight) → topn with `type`'s parameters; NULL items, NULL and negative weights are skipped; empty for none.
  case topnAdd = 10
  /// (topn) → topn; NULLs are skipped; empty for none.
  case topnUnion = 11
  /// Sum of counts: (bigint) → bigint; NULLs are skipped; 0 for none.
  case countMerge = 12

  /// The aggregate that merges its results.
  public var merge: AggregateFunction {
    switch self {
    case .countStar, .count, .countMerge: .countMerge
    case .sum, .min, .max, .boolAnd, .boolOr: self
    case .hllAdd, .hllUnion: .hllUnion
    case .topnAdd, .topnUnion: .topnUnion
    }
  }
}

/// One aggregate of an aggregate node.
public struct AggregateCall: Sendable {
  /// What to compute.
  public var function: AggregateFunction
  /// Over the node's input.
  public var arguments: [Expression]
  /// FILTER (WHERE …): only rows where it is TRUE count.
  public var filter: Expression?
  /// Type of the result.
  public var type: DataType
  /// Makes a call.
  public init(_ function: AggregateFunction, _ arguments: [Expression], filter: Expression? = nil, type: DataType) {
    self.function = function
    self.arguments = arguments
    self.filter = filter
    self.type = type
  }
  /// The call that merges this one's results, found in `column` of the new input.
  public func merging(column: Int) -> AggregateCall {
    AggregateCall(function.merge, [.column(column, type)], type: type)
  }
}
