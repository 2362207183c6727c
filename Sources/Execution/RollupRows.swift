// RollupRows.swift — raw rows as a rollup's program sees them: key values and measure arguments, row by row, not aggregated yet.
//
// Roller and fresh tail share it. An expression that fails for a row gives NULL there, and the row is counted as poisoned; so one
// bad row stops neither. Prepared columns: the keys asked for (the bucket already cut), then for each measure its arguments and,
// if it has one, its filter.
import Bytes
import Columns
import Model
import Planning

/// How the time of a row becomes its bucket, in levels that hold only part of all time.
struct BucketRanges {
  /// Buckets of one level from `low` on; rows below go to the next range.
  struct Range {
    var level: Int
    var width: BucketWidth
    var low: Int64
  }
  /// From the first on each takes the rows below the one before.
  let ranges: [Range]
  let type: DataType

  /// The levels that a use of the rollup reads.
  init(_ definition: RollupDefinition, floors: [Int64], use: LevelUse) {
    type = definition.keys[1].type
    switch use {
    case .only(let level):
      ranges = [Range(level: level, width: definition.levels[level].width, low: floors[level])]
    case .chain(let first):
      var ranges = [Range(level: first, width: definition.levels[first].width, low: floors[first])]
      for level in definition.levels.indices.dropFirst(first + 1) {
        guard let last = ranges.last, floors[level] < last.low else { continue }
        ranges.append(
          Range(level: level, width: definition.levels[level].width, low: floors[level])
        )
      }
      self.ranges = ranges
    }
  }
  /// The finest level whole: what a delta holds.
  ///
  /// Floors are the business of who applies it.
  init(deltaOf definition: RollupDefinition) {
    self.init(definition, floors: definition.levels.map { _ in .min }, use: .only(0))
  }
  /// The buckets of times, and the rows that some range holds (nil = all).
  ///
  /// NULL and infinite times belong to the first.
  func cut(_ times: ColumnVector) throws -> (ColumnVector, [UInt32]?) {
    var column = try Self.truncate(times, ranges[0].width)
    var below = Self.below(ranges[0].low, column)
    if below.isEmpty { return (column, nil) }
    guard case .fixed(var buckets) = column.values else {
      fatalError("buckets of type \(times.type.name)")
    }
    for range in ranges.dropFirst() {
      let coarse = try Self.truncate(times.gather(below), range.width)
      guard case .fixed(let values) = coarse.values else { break }
      var left: [UInt32] = []
      for (at, row) in below.enumerated() {
        if values[at] >= range.low { buckets[Int(row)] = values[at] } else { left.append(row) }
      }
      below = left
    }
    column = ColumnVector(column.type, .fixed(buckets), validity: column.validity)
    if below.isEmpty { return (column, nil) }
    let dropped = Set(below)
    return (column, (0..<UInt32(times.count)).filter { !dropped.contains($0) })
  }
  /// Rows with a finite bucket below a floor.
  static func below(_ floor: Int64, _ buckets: ColumnVector) -> [UInt32] {
    if floor == .min { return [] }
    guard case .fixed(let values) = buckets.values else { return [] }
    var rows: [UInt32] = []
    for row in 0..<values.count
    where values[row] < floor && values[row] != TimeLimits.minusInfinity && !buckets.isNull(row) {
      rows.append(UInt32(row))
    }
    return rows
  }
  /// Starts of the buckets that hold the times.
  static func truncate(_ times: ColumnVector, _ width: BucketWidth) throws -> ColumnVector {
    guard case .fixed(let values) = times.values else {
      fatalError("times of type \(times.type.name)")
    }
    let isDate = times.type == .date
    let input = isDate ? try values.map { try TimeArithmetic.timestamp(ofDate: $0) } : values
    var output = [Int64](unsafeUninitializedCapacity: input.count) { out, written in
      if let out = out.baseAddress {
        input.withUnsafeBufferPointer { Calendar.truncateToBuckets($0, width, into: out) }
      }
      written = input.count
    }
    if isDate {
      for row in output.indices { output[row] = TimeArithmetic.date(ofTimestamp: output[row]) }
    }
    if let validity = times.validity {
      for row in output.indices where !validity[row] { output[row] = 0 }
    }
    return ColumnVector(times.type, .fixed(output), validity: times.validity)
  }
}

struct RollupRows {
  private let program: RollupProgram
  private let ranges: BucketRanges
  private let keys: [Int]
  private let measures: [Int]
  /// Source columns that a scan must deliver, in this order.
  let columnsRead: [Int]
  private let extraCondition: Expression?
  /// Aggregation of prepared batches into states, in the order of the keys and measures asked for.
  let aggregate: AggregateNode
  /// Rows for which an expression failed.
  private(set) var poisonedRows = 0

  /// `keys` and `measures`: which to compute.
  ///
  /// `extraCondition`: over source columns, cannot fail; only rows where it is TRUE matter.
  init(
    _ program: RollupProgram,
    _ ranges: BucketRanges,
    keys: [Int],
    measures: [Int],
    extraCondition: Expression? = nil
  ) {
    // The time is always evaluated: it decides which range holds a row, and what backfill has covered.
    var wanted = RollupProgram(
      keys: program.keys,
      measures: measures.map { program.measures[$0] },
      condition: program.condition
    )
    var read: Set<Int> = program.keys[1].columnsRead
    for key in keys { program.keys[key].collectColumns(into: &read) }
    for measure in wanted.measures {
      for argument in measure.arguments { argument.collectColumns(into: &read) }
      measure.filter?.collectColumns(into: &read)
    }
    program.condition?.collectColumns(into: &read)
    extraCondition?.collectColumns(into: &read)
    let columnsRead = read.sorted()
    func place(_ column: Int) -> Int { columnsRead.firstIndex(of: column) ?? 0 }
    wanted.keys = program.keys.map { $0.columnsRead.isSubset(of: read) ? $0.renumbered(place) : $0 }
    wanted.condition = program.condition?.renumbered(place)
    for at in wanted.measures.indices {
      wanted.measures[at].arguments = wanted.measures[at].arguments.map { $0.renumbered(place) }
      wanted.measures[at].filter = wanted.measures[at].filter?.renumbered(place)
    }
    self.program = wanted
    self.ranges = ranges
    self.keys = keys
    self.measures = measures
    self.columnsRead = columnsRead
    self.extraCondition = extraCondition?.renumbered(place)

    var next = keys.count
    let calls = wanted.measures.map { measure in
      var call = measure.call
      call.arguments = measure.arguments.map { argument in
        next += 1
        return .column(next - 1, argument.type)
      }
      if measure.filter != nil {
        call.filter = .column(next, .boolean)
        next += 1
      }
      return call
    }
    let groups = keys.enumerated().map { Expression.column($0, program.keys[$1].type) }
    aggregate = AggregateNode(
      input: .values(ValuesNode(output: [], rows: [])),
      groups: groups,
      calls: calls,
      names: .init(repeating: "", count: groups.count + calls.count)
    )
  }

  /// Prepares a batch of `columnsRead`; `isWanted` decides by time which rows take part (nil = all; NULL times come as nil).
  mutating func prepare(_ raw: Batch, isWanted: ((Int64?) -> Bool)? = nil) throws -> Batch {
    var batch = raw
    if let extraCondition, let rows = try ExpressionEvaluation.matching(extraCondition, batch) {
      batch = batch.gather(rows)
    }
    var failed: Set<UInt32> = []
    if let condition = program.condition {
      let truth = Truth(Operand(try Self.orNull(condition, batch, &failed)), count: batch.count)
      poisonedRows += failed.count
      failed = []
      if let rows = truth.rows({ $0 == Truth.yes }) { batch = batch.gather(rows) }
    }
    var times = try Self.orNull(program.keys[1], batch, &failed)
    if let isWanted, case .fixed(let values) = times.values {
      let rows = (0..<UInt32(batch.count)).filter {
        isWanted(times.isNull(Int($0)) ? nil : values[Int($0)])
      }
      if rows.count < batch.count {
        failed =
          failed.isEmpty
          ? [] : Set(rows.enumerated().filter { failed.contains($1) }.map { UInt32($0.offset) })
        (batch, times) = (batch.gather(rows), times.gather(rows))
      }
    }
    var (buckets, held) = try ranges.cut(times)
    if let rows = held {
      failed =
        failed.isEmpty
        ? [] : Set(rows.enumerated().filter { failed.contains($1) }.map { UInt32($0.offset) })
      (batch, buckets) = (batch.gather(rows), buckets.gather(rows))
      held = nil
    }
    var columns: [ColumnVector] = []
    for key in keys {
      columns.append(key == 1 ? buckets : try Self.orNull(program.keys[key], batch, &failed))
    }
    for measure in program.measures {
      let filter = try measure.filter.map { try Self.orNull($0, batch, &failed) }
      for argument in measure.arguments {
        if let filter, argument.canFail {
          // Evaluated only where the filter is TRUE.
          let guarded = Expression(
            argument.type,
            .caseWhen(
              [CaseBranch(condition: .column(batch.columns.count, .boolean), result: argument)],
              otherwise: nil
            )
          )
          let widened = Batch(count: batch.count, columns: batch.columns + [filter])
          columns.append(try Self.orNull(guarded, widened, &failed))
        } else {
          columns.append(try Self.orNull(argument, batch, &failed))
        }
      }
      if let filter { columns.append(filter) }
    }
    poisonedRows += failed.count
    return Batch(count: batch.count, columns: columns)
  }

  /// The expression's column, NULL in rows for which it fails.
  static func orNull(
    _ expression: Expression,
    _ batch: Batch,
    _ failed: inout Set<UInt32>
  ) throws -> ColumnVector {
    if batch.count == 0 { return .nulls(expression.type, count: 0) }
    if !expression.canFail { return try ExpressionEvaluation.column(expression, batch) }
    let block = RowBlock(batch)
    return try orNull(expression, block, 0..<batch.count, isWhole: true, &failed)
  }
  private static func orNull(
    _ expression: Expression,
    _ block: RowBlock,
    _ rows: Range<Int>,
    isWhole: Bool,
    _ failed: inout Set<UInt32>
  ) throws -> ColumnVector {
    do {
      let part = isWhole ? block : block.narrowed(to: rows.map { UInt32($0) })
      return try ExpressionEvaluation.evaluate(expression, part).expanded(rows.count)
    } catch let error as TallyError where error.status == .invalid || error.status == .unsupported {
      if rows.count == 1 {
        failed.insert(UInt32(rows.lowerBound))
        return .nulls(expression.type, count: 1)
      }
      // Halving finds f bad rows of n in about f log n evaluations.
      let middle = rows.lowerBound + rows.count / 2
      let left = try orNull(expression, block, rows.lowerBound..<middle, isWhole: false, &failed)
      let right = try orNull(expression, block, middle..<rows.upperBound, isWhole: false, &failed)
      return ColumnVector.concatenate([left, right], type: expression.type)
    }
  }
}
