// RollupScan.swift — a rollup or one of its levels as a relation at one position: stored runs, levels by floors, and the fresh tail.
//
// The relation: buckets of the first level from its floor on, below it the next level's down to its floor, and so on; merged with
// the raw rows above the watermark and those of uncovered backfill slices. NULL and infinite buckets are read from the first level
// only. Runs are delivered as they lie unless the plan needs one row a key.
import Bytes
import Columns
import Model
import Planning
import Storage

struct RollupScan {
  private let rollup: RollupView
  private let node: ScanNode
  private let context: ExecutionContext
  private let ranges: BucketRanges
  private let keyCount: Int
  /// Stored columns read: the output's, and what merging needs.
  private let columns: [Int]

  init(_ rollup: RollupView, _ node: ScanNode, _ use: LevelUse, _ context: ExecutionContext) {
    self.rollup = rollup
    self.node = node
    self.context = context
    ranges = BucketRanges(rollup.definition, floors: rollup.floors, use: use)
    keyCount = rollup.definition.keys.count
    var wanted = Set(node.storedColumns)
    if node.needsMergedGroups { wanted.formUnion(0..<keyCount) }
    columns = wanted.sorted()
  }
  private var types: [DataType] { rollup.definition.storedColumns.map(\.type) }

  func run(_ body: (Batch) throws -> Void) throws {
    let tail = try freshTail()
    let output = node.storedColumns.map { wanted in columns.firstIndex(of: wanted) ?? 0 }
    let isPlain = output == Array(columns.indices)
    func deliver(_ batch: Batch) throws { try body(isPlain ? batch : batch.select(output)) }

    let runs = ranges.ranges.reduce(0) {
      $0 + rollup.levels[$1.level].chunks.count + rollup.levels[$1.level].sections.count
    }
    guard node.needsMergedGroups && runs + (tail.count > 0 ? 1 : 0) > 1 else {
      try stored(deliver)
      if tail.count > 0 { try inPieces(tail, deliver) }
      return
    }
    let merge = try HashAggregation(mergeNode, context)
    try stored { try merge.add($0) }
    if tail.count > 0 { try merge.add(tail) }
    try inPieces(try merge.finish(prunesTopN: false), deliver)
    merge.release()
  }
  private func inPieces(_ batch: Batch, _ body: (Batch) throws -> Void) throws {
    if batch.count <= Limits.batchRowsMax { return try body(batch) }
    for start in stride(from: 0, to: batch.count, by: Limits.batchRowsMax) {
      try body(batch.slice(start..<min(batch.count, start + Limits.batchRowsMax)))
    }
  }
  /// One row a key; over `columns`, all keys first.
  private var mergeNode: AggregateNode {
    let types = self.types
    let measures = columns.dropFirst(keyCount).enumerated().map { at, stored in
      rollup.definition.measures[stored - keyCount].kind.merging(
        column: keyCount + at,
        types[stored]
      )
    }
    return AggregateNode(
      input: .values(ValuesNode(output: [], rows: [])),
      groups: (0..<keyCount).map { .column($0, types[$0]) },
      calls: measures,
      names: .init(repeating: "", count: columns.count)
    )
  }

  /// What a run decodes: of the levels, and of raw rows that are not in them. It stops counting above `rowsMax` rows.
  func estimate(rowsMax: Int) -> ScanEstimate {
    var whole = ScanEstimate()
    var high: Int64?
    for range in ranges.ranges where whole.rows <= rowsMax {
      let predicates = levelPredicates(range, below: high)
      whole += rollup.levels[range.level].estimate(columns: columns, where: predicates, rowsMax: rowsMax)
      high = range.low
    }
    let raw = rawPredicates()
    // Of raw rows every column may be read.
    let all = Array(rollup.raw.layout.columns.indices)
    if rollup.raw.position > rollup.watermark {
      whole += rollup.raw.estimate(columns: all, after: rollup.watermark, where: raw, rowsMax: rowsMax)
    }
    if hasUncovered { whole += rollup.raw.estimate(columns: all, through: rollup.cut, where: raw, rowsMax: rowsMax) }
    return whole
  }
  private var hasUncovered: Bool { rollup.coveredFrom != .min && rollup.cut > LogPosition(0) }
  private func levelPredicates(_ range: BucketRanges.Range, below high: Int64?) -> [ZonePredicate] {
    var predicates = node.zoneConditions.compactMap(\.predicate)
    // NULL and infinite buckets come from the first level, so only later levels may skip by bucket.
    if let high { predicates.append(ZonePredicate(column: 1, .fixed(low: range.low, high: high))) }
    return predicates
  }

  /// Runs of the levels, cut to the range each level stands for.
  private func stored(_ body: (Batch) throws -> Void) throws {
    var high: Int64?
    for range in ranges.ranges {
      let isFirst = high == nil
      let predicates = levelPredicates(range, below: high)
      let checksBucket = range.low != .min || !isFirst
      let needsBucket = checksBucket && !columns.contains(1)
      let read = needsBucket ? columns + [1] : columns
      let bucketAt = read.firstIndex(of: 1)
      let counts = try rollup.levels[range.level].scan(
        columns: read,
        where: predicates,
        morselRows: ShardSource.morselRows
      ) { batch in
        try context.cancel.check()
        guard checksBucket, let bucketAt, case .fixed(let buckets) = batch.columns[bucketAt].values
        else {
          return try body(batch)
        }
        let column = batch.columns[bucketAt]
        let kept = (0..<UInt32(batch.count)).filter { row in
          let bucket = buckets[Int(row)]
          let isSpecial = column.isNull(Int(row)) || TimeArithmetic.isInfinite(bucket)
          if let high { return !isSpecial && bucket >= range.low && (bucket < high || isPlanted(.floorReadTwice) && bucket == high) }
          return isSpecial || bucket >= range.low
        }
        if kept.isEmpty { return }
        let all = kept.count == batch.count ? batch : batch.gather(kept)
        try body(needsBucket ? all.select(Array(columns.indices)) : all)
      }
      context.counts.add(counts)
      high = range.low
    }
  }

  // MARK: - Fresh tail

  /// Raw rows that are not in the levels, as states of `columns`.
  private func freshTail() throws -> Batch {
    let types = self.types
    let none = Batch(emptyOf: columns.map { types[$0] })
    if !hasUncovered && rollup.raw.position <= rollup.watermark { return none }
    var rows = RollupRows(
      rollup.program,
      ranges,
      keys: columns.filter { $0 < keyCount },
      measures: columns.filter { $0 >= keyCount }.map { $0 - keyCount },
      extraCondition: rawCondition()
    )
    let aggregation = try HashAggregation(rows.aggregate, context)
    let predicates = rawPredicates()
    var prepared = 0
    func add(_ batch: Batch, isWanted: ((Int64?) -> Bool)?) throws {
      try context.cancel.check()
      let ready = try rows.prepare(batch, isWanted: isWanted)
      prepared += ready.count
      if ready.count > 0 { try aggregation.add(ready) }
    }
    if rollup.raw.position > rollup.watermark {
      let counts = try rollup.raw.scan(
        columns: rows.columnsRead,
        after: isPlanted(.tailBeginsEarly) ? LogPosition(max(1, rollup.watermark.rawValue) - 1) : rollup.watermark,
        where: predicates,
        morselRows: ShardSource.morselRows
      ) { try add($0, isWanted: nil) }
      context.counts.add(counts)
    }
    if hasUncovered {
      let counts = try rollup.raw.scan(
        columns: rows.columnsRead,
        through: rollup.cut,
        where: predicates,
        morselRows: ShardSource.morselRows
      ) { try add($0) { !RollupDelta.covers(time: $0, from: rollup.coveredFrom) } }
      context.counts.add(counts)
    }
    context.counts.tailRows += prepared
    context.counts.poisonedRows += rows.poisonedRows
    // Without keys an aggregation always gives a row; without raw rows there is none to give.
    let result = prepared == 0 ? none : try aggregation.finish(prunesTopN: false)
    aggregation.release()
    return result
  }
  /// Parts of the scan's filter that speak of keys other than the bucket, over raw columns.
  private func rawCondition() -> Expression? {
    guard let filter = node.filter else { return nil }
    let keys = rollup.program.keys
    var parts: [Expression] = []
    for part in filter.conjuncts {
      let stored = part.columnsRead.map { node.storedColumns[$0] }
      guard !stored.isEmpty, stored.allSatisfy({ $0 < keyCount && $0 != 1 && !keys[$0].canFail }),
        !part.canFail
      else {
        continue
      }
      parts.append(part.substituting(node.storedColumns.map { $0 < keyCount ? keys[$0] : keys[0] }))
    }
    return Expression.conjunction(parts)
  }
  /// Zone conditions on keys as conditions on the raw columns they are made of.
  private func rawPredicates() -> [ZonePredicate] {
    node.zoneConditions.compactMap { condition -> ZonePredicate? in
      guard condition.storedColumn < keyCount,
        let raw = rollup.program.keys[condition.storedColumn].columnIndex
      else { return nil }
      guard condition.storedColumn == 1 else { return condition.predicate(on: raw) }
      guard case .fixed(let bound) = condition.value else { return nil }
      // A time is at or above its bucket's start and below the end of the widest bucket that starts at or below the bound.
      let isLow =
        condition.comparison == .equal || condition.comparison == .greater
        || condition.comparison == .greaterOrEqual
      let isHigh =
        condition.comparison == .equal || condition.comparison == .less
        || condition.comparison == .lessOrEqual
      let high = isHigh ? end(ofBucketsAt: bound) : nil
      if !isLow && high == nil { return nil }
      return ZonePredicate(column: raw, .fixed(low: isLow ? bound : nil, high: high))
    }
  }
  private func end(ofBucketsAt bound: Int64) -> Int64? {
    guard let widest = ranges.ranges.last?.width else { return nil }
    let isDate = ranges.type == .date
    let day = Calendar.microsecondsPerDay
    let limit: Int64 = 200_000_000_000_000_000
    let micros = bound.multipliedReportingOverflow(by: isDate ? day : 1)
    // Far from any real time: no bound rather than one that wraps.
    guard !micros.overflow, micros.partialValue > -limit, micros.partialValue < limit else {
      return nil
    }
    let end = Calendar.endOfBucket(Calendar.truncateToBucket(micros.partialValue, widest), widest)
    return isDate ? Calendar.floorDivide(end, day) + 1 : end
  }
}

extension MeasureKind {
  /// The aggregate that merges states of the kind.
  func merging(column: Int, _ type: DataType) -> AggregateCall {
    let function: AggregateFunction =
      switch self {
      case .count: .countMerge
      case .sum: .sum
      case .min: .min
      case .max: .max
      case .boolAnd: .boolAnd
      case .boolOr: .boolOr
      case .hll: .hllUnion
      case .topn: .topnUnion
      }
    return AggregateCall(function, [.column(column, type)], type: type)
  }
}
