// GatheredAggregation.swift — an aggregate that needs the rows of its groups: DISTINCT, ORDER BY, and those that do not merge.
//
// Arguments and keys are gathered with the number of each row's group; of DISTINCT only the first of equal rows is kept. At the end the
// rows are put in order once, by group, then as the call says, and `RowSetAggregates` evaluates each group's rows.
import Aggregates
import Bytes
import Columns
import Model
import Planning

final class GatheredAggregation {
  private let call: AggregateCall
  private let context: ExecutionContext
  private let inputs: [Expression]
  private let argumentCount: Int
  private let store: RowStore
  private var groups: [UInt32] = []
  private let distinct: DistinctRows?
  private var held = 0

  /// Whether a call must be evaluated this way.
  static func suits(_ call: AggregateCall) -> Bool {
    switch call.function {
    // Neither order nor repetition changes these.
    case .min, .max, .boolAnd, .boolOr, .bitAnd, .bitOr, .hllAdd, .hllUnion: false
    default: call.isDistinct || !call.order.isEmpty || !call.function.isMergeable
    }
  }

  init(_ call: AggregateCall, _ context: ExecutionContext) throws {
    try RowSetAggregates.check(call)
    self.call = call
    self.context = context
    // The fraction of a percentile is a constant, not a row's value.
    let arguments = call.function.takesKeyOnly ? [] : call.arguments
    argumentCount = arguments.count
    inputs = arguments + call.order.map(\.expression)
    store = RowStore(inputs.map(\.type), needed: nil, context)
    distinct = call.isDistinct ? try DistinctRows([.bigint] + arguments.map(\.type), context) : nil
  }
  deinit { context.release(held) }

  /// Takes rows that the filter let pass, with their groups.
  func add(_ block: RowBlock, _ rowGroups: [UInt32]) throws {
    var own = rowGroups.count == block.count ? rowGroups : Array(rowGroups[..<block.count])
    var batch = Batch(
      count: block.count,
      columns: try inputs.map { try ExpressionEvaluation.evaluate($0, block).expanded(block.count) }
    )
    func keep(_ rows: [UInt32]) {
      if rows.count == batch.count { return }
      batch = batch.gather(rows)
      own = rows.map { own[Int($0)] }
    }
    if call.function.takesKeyOnly, let validity = batch.columns[0].validity {
      keep((0..<UInt32(batch.count)).filter { validity[Int($0)] })
    }
    if let distinct {
      let group = ColumnVector(.bigint, .fixed(own.map { Int64($0) }))
      keep(try distinct.newRows(Batch(count: batch.count, columns: [group] + batch.columns.prefix(argumentCount))))
    }
    if batch.count == 0 { return }
    try context.hold(batch.count * 4)
    held += batch.count * 4
    groups.append(contentsOf: own)
    try store.add(batch)
  }

  /// The results of groups 0 ..< groupCount.
  func finish(groupCount: Int) throws -> ColumnVector {
    let rows = try store.finish()
    var keys = call.order.enumerated().map { at, key in
      RowOrderKey(column: rows.columns[argumentCount + at], isDescending: !key.isAscending, nullsFirst: key.nullsFirst)
    }
    if call.isDistinct {
      keys += rows.columns.prefix(argumentCount).map { RowOrderKey(column: $0, isDescending: false, nullsFirst: false) }
    }
    // Ranks, numbers and gathered copies live beside the rows.
    let beside = rows.count * 8 * (keys.count + 2)
    try context.hold(beside)
    defer { context.release(beside) }
    var starts = [Int](repeating: 0, count: groupCount + 1)
    for group in groups { starts[Int(group) + 1] += 1 }
    for group in 0..<groupCount { starts[group + 1] += starts[group] }
    let order: [UInt32]
    if keys.isEmpty {
      var next = starts
      order = [UInt32](unsafeUninitializedCapacity: groups.count) { out, written in
        for (row, group) in groups.enumerated() {
          out[next[Int(group)]] = UInt32(row)
          next[Int(group)] += 1
        }
        written = groups.count
      }
    } else {
      if groupCount > 1 {
        let group = ColumnVector(.bigint, .fixed(groups.map { Int64($0) }))
        keys.insert(RowOrderKey(column: group, isDescending: false, nullsFirst: false), at: 0)
      }
      order = RowOrder.order(keys, count: rows.count)
    }
    try context.cancel.check()
    return try RowSetAggregates.evaluate(
      call,
      arguments: Array(rows.columns.prefix(argumentCount)),
      key: call.order.isEmpty ? nil : rows.columns[argumentCount],
      RowSets(rows: order, starts: starts),
      context
    )
  }
}

extension AggregateFunction {
  /// Whether it looks at the one key of its order, and never at a NULL there.
  var takesKeyOnly: Bool { self == .percentileCont || self == .percentileDisc || self == .mode }
}
