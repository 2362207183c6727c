// AggregateCall.swift — the aggregates a plan can compute, with their wire numbers.
//
// Most are mergeable: the merge of an aggregate's results over disjoint rows is another aggregate (`merge`), so a two-phase plan is
// two ordinary aggregate nodes and nothing has a hidden partial form. The binder rewrites what it can into these: avg(x) is
// sum(x) / count(x), count(DISTINCT x) is a count over a node grouped by x too. The rest need all rows of a group in one place.
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
  /// (integer) → the same; NULLs are skipped; NULL for none.
  case bitAnd = 13
  case bitOr = 14

  // Not mergeable. They take the call's `order`; NULL for no rows.
  /// (text, text separator) → text; NULL texts are skipped.
  case stringAgg = 32
  /// (T) → T[]; NULLs are kept.
  case arrayAgg = 33
  /// (jsonb) → jsonb; (text key, jsonb) → jsonb.
  case jsonbAgg = 34
  case jsonbObjectAgg = 35
  /// (constant double fraction); `order` holds the one key: double or interval (cont), any type (disc). NULL keys are skipped.
  case percentileCont = 36
  case percentileDisc = 37
  /// (); `order` holds the one key: its most frequent value, of several the first.
  case mode = 38

  /// Whether `merge` exists.
  public var isMergeable: Bool { rawValue < AggregateFunction.stringAgg.rawValue }
  /// The aggregate that merges its results, if it is mergeable.
  public var merge: AggregateFunction {
    switch self {
    case .countStar, .count, .countMerge: .countMerge
    case .sum, .min, .max, .boolAnd, .boolOr, .bitAnd, .bitOr: self
    case .hllAdd, .hllUnion: .hllUnion
    case .topnAdd, .topnUnion: .topnUnion
    case .stringAgg, .arrayAgg, .jsonbAgg, .jsonbObjectAgg, .percentileCont, .percentileDisc, .mode: self
    }
  }
}

/// One aggregate of an aggregate node.
public struct AggregateCall: Sendable {
  /// A key of ORDER BY inside a call.
  public struct Order: Sendable {
    /// Over the node's input.
    public var expression: Expression
    /// ASC.
    public var isAscending: Bool
    /// NULLs before everything.
    public var nullsFirst: Bool
    /// Makes a key.
    public init(_ expression: Expression, isAscending: Bool = true, nullsFirst: Bool = false) {
      self.expression = expression
      self.isAscending = isAscending
      self.nullsFirst = nullsFirst
    }
  }
  /// What to compute.
  public var function: AggregateFunction
  /// Over the node's input.
  public var arguments: [Expression]
  /// FILTER (WHERE …): only rows where it is TRUE count.
  public var filter: Expression?
  /// DISTINCT: each tuple of arguments counts once. Not mergeable then.
  public var isDistinct: Bool
  /// ORDER BY, or WITHIN GROUP.
  public var order: [Order]
  /// Type of the result.
  public var type: DataType
  /// Makes a call.
  public init(
    _ function: AggregateFunction,
    _ arguments: [Expression],
    filter: Expression? = nil,
    isDistinct: Bool = false,
    order: [Order] = [],
    type: DataType
  ) {
    self.function = function
    self.arguments = arguments
    self.filter = filter
    self.isDistinct = isDistinct
    self.order = order
    self.type = type
  }
  /// Whether results over disjoint rows can be merged.
  public var isMergeable: Bool { function.isMergeable && !isDistinct }
  /// The call that merges this one's results, found in `column` of the new input.
  public func merging(column: Int) -> AggregateCall {
    AggregateCall(function.merge, [.column(column, type)], type: type)
  }
}
