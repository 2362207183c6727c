// RollupDelta.swift — the states that a stretch of raw rows adds to a rollup: what the roller and backfill log.
//
// The result is rows of the finest level, sorted by keys, one row a key; coarser levels are derived from it by StateMerge.
import Aggregates
import Bytes
public import Columns
public import Model
import Planning
import Storage

/// Builds deltas.
public enum RollupDelta {
  /// Which raw rows a delta takes in.
  public enum Rows: Sendable, Equatable {
    /// Positions in (after, through].
    case positions(after: LogPosition, through: LogPosition)
    /// Positions up to the cut whose time lies in from ..< to: a slice of backfill. NULL times and those from `Int64.max` on go with
    /// the newest slice (`to` = `Int64.max`), everything earlier than any time with the oldest (`from` = `Int64.min`).
    case slice(through: LogPosition, from: Int64, to: Int64)
  }
  /// A delta.
  public struct Result: Sendable {
    /// Rows of the finest level: keys, then measures; sorted by keys.
    public var states: Batch
    /// Raw rows looked at.
    public var rowsConsumed: Int
    /// Rows for which an expression failed and gave NULL.
    public var poisonedRows: Int
    /// What the scan read.
    public var counts: ExecutionCounts
  }
  /// Whether backfill that has come down to `coveredFrom` has taken in a row at or below the cut; NULL times are nil.
  public static func covers(time: Int64?, from coveredFrom: Int64) -> Bool {
    if coveredFrom == .max { return false }
    guard let time else { return true }
    return time >= coveredFrom
  }

  /// Builds the delta of some raw rows.
  ///
  /// CPU work: run it through Compute.
  public static func build(
    _ rollup: RollupView,
    _ rows: Rows,
    limits: ExecutionLimits = ExecutionLimits()
  ) throws(TallyError) -> Result {
    try typed { try build(rollup, rows, ExecutionContext(limits)) }
  }
  private static func build(
    _ rollup: RollupView,
    _ which: Rows,
    _ context: ExecutionContext
  ) throws -> Result {
    let definition = rollup.definition
    var rows = RollupRows(
      rollup.program,
      BucketRanges(deltaOf: definition),
      keys: Array(definition.keys.indices),
      measures: Array(definition.measures.indices)
    )
    var prepared: [Batch] = []
    var held = 0
    var consumed = 0
    func add(_ batch: Batch, _ isWanted: ((Int64?) -> Bool)?) throws {
      try context.cancel.check()
      let ready = try rows.prepare(batch, isWanted: isWanted)
      consumed += isWanted == nil ? batch.count : ready.count
      if ready.count == 0 { return }
      // Held twice: as gathered here and joined below.
      let bytes = ready.memoryBytes * 2
      try context.hold(bytes)
      held += bytes
      prepared.append(ready)
    }
    var newest = Int64.min
    func isFresh(_ time: Int64?) -> Bool {
      newest = max(newest, time ?? .min)
      return time.map { $0 >= newest - 86_400_000_000 } ?? true
    }
    switch which {
    case .positions(let after, let through):
      context.counts.add(
        try rollup.raw.scan(
          columns: rows.columnsRead,
          after: after,
          through: through,
          morselRows: Limits.batchRowsMax
        ) {
          try add($0, isPlanted(.nullBucketDropped) ? { $0 != nil } : isPlanted(.lateRowsDropped) ? isFresh : nil)
        }
      )
    case .slice(let through, let from, let to):
      var predicates: [ZonePredicate] = []
      // The newest slice takes NULL times too, which zones cannot ask for together with a range.
      if to != .max, let column = rollup.program.keys[1].columnIndex {
        predicates = [ZonePredicate(column: column, .fixed(low: from, high: to))]
      }
      context.counts.add(
        try rollup.raw.scan(
          columns: rows.columnsRead,
          through: through,
          where: predicates,
          morselRows: Limits.batchRowsMax
        ) {
          try add($0) { covers(time: $0, from: from) && !covers(time: $0, from: to) }
        }
      )
    }
    let states = try aggregate(prepared, rows.aggregate, definition)
    context.release(held)
    return Result(
      states: states,
      rowsConsumed: consumed,
      poisonedRows: rows.poisonedRows,
      counts: context.counts
    )
  }
  private static func aggregate(
    _ prepared: [Batch],
    _ node: AggregateNode,
    _ definition: RollupDefinition
  ) throws -> Batch {
    let stored = definition.storedColumns.map(\.type)
    guard let types = prepared.first?.types else { return Batch(emptyOf: stored) }
    let all = Batch.concatenate(prepared, types: types)
    let keyCount = definition.keys.count
    func column(_ expression: Expression) -> ColumnVector? {
      expression.columnIndex.map { all.columns[$0] }
    }
    let measures = zip(definition.measures, node.calls).map { measure, call in
      MeasureInput(
        measure: measure,
        argument: call.arguments.first.flatMap(column),
        weight: call.arguments.count > 1 ? column(call.arguments[1]) : nil,
        filter: call.filter.flatMap(column).map { Truth(Operand($0), count: all.count).bitmap() }
      )
    }
    return try StateBuild.build(keys: Array(all.columns[..<keyCount]), measures: measures)
  }
}
