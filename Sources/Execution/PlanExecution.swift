// PlanExecution.swift — runs a plan by pushing batches from its scans up through its operators.
//
// One thread, one call. An operator hands each batch to the sink of the operator above it; sorts, aggregates, windows and the right sides
// of joins gather first.
// Between batches the cancel flag is checked; what is gathered counts against the context's byte budget. LIMIT ends the run of
// its input by throwing `Enough` through it.
import Aggregates
import Columns
import Model
import Planning

/// Where a plan's scans get their rows.
///
/// Row filters of the scan node are applied by the plan's execution.
protocol RelationSource {
  /// Delivers batches of `node.storedColumns` of the relation's rows; rows the node's filter refuses may be among them.
  func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws
  /// Delivers the rows a fragment returned.
  func fragmentRows(
    _ node: FragmentInputNode,
    _ context: ExecutionContext,
    _ body: (Batch) throws -> Void
  ) throws
  /// Delivers `node.storedColumns` of a relation that the coordinator makes.
  func systemRows(_ node: SystemScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws
}

extension RelationSource {
  func systemRows(_ node: SystemScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    throw TallyError(.internalError, "relation \(node.relation) is the coordinator's and is not at hand here")
  }
}

/// Ends the run of a limit's input.
private struct Enough: Error {
  let limit: Int
}

struct PlanExecution {
  let source: any RelationSource
  let context: ExecutionContext
  private let limits = LimitNumbers()
  /// Rows of shared plans and of recursions under way.
  private let shared: SharedRows

  /// Numbers the limits of a plan, so that each catches its own signal.
  private final class LimitNumbers {
    var last = 0
  }

  init(source: any RelationSource, context: ExecutionContext) {
    self.source = source
    self.context = context
    shared = SharedRows(context)
  }

  /// Runs the plan; batches have between 1 and `Limits.batchRowsMax` rows.
  ///
  /// `needed`: output columns that are looked at, nil for all. `isPartial`: the rows of a topmost aggregate are merged elsewhere.
  func run(
    _ plan: PlanNode,
    needed: Set<Int>? = nil,
    isPartial: Bool = false,
    _ sink: (Batch) throws -> Void
  ) throws {
    switch plan {
    case .scan(let node):
      try source.scan(node, context) { batch in
        try context.cancel.check()
        try deliver(batch, where: node.filter, needed, sink)
      }
    case .values(let node): try values(node, sink)
    case .filter(let node):
      let below = needed.map { $0.union(node.condition.columnsRead) }
      try run(node.input, needed: below) { try deliver($0, where: node.condition, needed, sink) }
    case .project(let node):
      var read: Set<Int> = []
      for expression in node.expressions { expression.collectColumns(into: &read) }
      try run(node.input, needed: read) { batch in
        try sink(
          Batch(
            count: batch.count,
            columns: try node.expressions.map { try ExpressionEvaluation.column($0, batch) }
          )
        )
      }
    case .aggregate(let node):
      let aggregation = try HashAggregation(node, context)
      defer { aggregation.release() }
      var read: Set<Int> = []
      for group in node.groups { group.collectColumns(into: &read) }
      for call in node.calls {
        for argument in call.arguments { argument.collectColumns(into: &read) }
        call.filter?.collectColumns(into: &read)
        for key in call.order { key.expression.collectColumns(into: &read) }
      }
      try run(node.input, needed: read) { batch in
        try context.cancel.check()
        try aggregation.add(batch)
      }
      try emit(try aggregation.finish(prunesTopN: !isPartial), sink)
    case .sort(let node): try sort(node, needed, sink)
    case .limit(let node): try limit(node, needed, sink)
    case .unionAll(let inputs):
      for input in inputs { try run(input, needed: needed, sink) }
    case .expandTopN(let node):
      let below = needed.map { $0.filter { $0 < node.input.columns.count }.union([node.column]) }
      try run(node.input, needed: below) { batch in
        try emit(TopNExpansion.expand(batch, node, needed), sink)
      }
    case .join(let node):
      let join = try HashJoin(node, needed: needed, context)
      try run(node.right, needed: join.rightColumns) { try join.addRight($0) }
      try join.finishRight()
      if !join.needsNoLeft { try run(node.left, needed: join.leftColumns) { try join.addLeft($0, sink) } }
      try join.finish(sink)
    case .window(let node):
      let window = try WindowExecution(node, needed: needed, context)
      try run(node.input, needed: window.inputColumns) { try window.add($0) }
      try window.finish(sink)
    case .setOperation(let node):
      let operation = try SetOperation(node, context)
      try run(node.right) { try operation.addRight($0) }
      try run(node.left) { try operation.addLeft($0, sink) }
    case .distinctOn(let node):
      let runs = try DistinctRuns(node, context)
      try run(node.input, needed: needed.map { $0.union(node.columns) }) { batch in
        let rows = try runs.firstRows(batch)
        if rows.count == batch.count { return try sink(batch) }
        if !rows.isEmpty { try sink(batch.gather(rows)) }
      }
    case .tableFunction(let node):
      let expansion = try TableFunctionExecution(node, needed: needed, context)
      try run(node.input, needed: expansion.inputColumns) { try expansion.add($0, sink) }
    case .shared(let node):
      for batch in try shared.rows(of: node.id, gather: { body in try run(node.input, body) }) { try sink(batch) }
    case .recursive(let node): try recur(node, sink)
    case .workingRows(let node):
      for batch in try shared.workingRows(node.id) { try sink(batch) }
    case .systemScan(let node):
      try source.systemRows(node, context) { batch in
        try context.cancel.check()
        try emit(batch, sink)
      }
    case .fragmentInput(let node):
      if let rows = node.rows {
        for batch in rows where batch.count > 0 { try sink(batch) }
        return
      }
      try source.fragmentRows(node, context) { batch in
        try context.cancel.check()
        if batch.count > 0 { try sink(batch) }
      }
    }
  }
  private func deliver(
    _ batch: Batch,
    where condition: Expression?,
    _ needed: Set<Int>?,
    _ sink: (Batch) throws -> Void
  ) throws {
    guard batch.count > 0 else { return }
    guard let condition, let rows = try ExpressionEvaluation.matching(condition, batch) else {
      return try sink(batch)
    }
    if rows.isEmpty { return }
    guard let needed, needed.count < batch.columns.count else {
      return try sink(batch.gather(rows))
    }
    // Columns that only the condition looked at are not copied.
    let columns = batch.columns.enumerated().map { at, column in
      needed.contains(at) ? column.gather(rows) : ColumnVector.nulls(column.type, count: rows.count)
    }
    try sink(Batch(count: rows.count, columns: columns))
  }
  /// Hands on a batch of any length in lawful pieces.
  private func emit(_ batch: Batch, _ sink: (Batch) throws -> Void) throws {
    if batch.count == 0 { return }
    if batch.count <= Limits.batchRowsMax { return try sink(batch) }
    for start in stride(from: 0, to: batch.count, by: Limits.batchRowsMax) {
      try context.cancel.check()
      try sink(batch.slice(start..<min(batch.count, start + Limits.batchRowsMax)))
    }
  }
  private func values(_ node: ValuesNode, _ sink: (Batch) throws -> Void) throws {
    let columns = try node.output.indices.map { at in
      let type = node.output[at].type
      return ColumnVector.concatenate(
        try node.rows.map { try ColumnVector.repeating(type, $0[at], count: 1) },
        type: type
      )
    }
    try emit(Batch(count: node.rows.count, columns: node.rows.isEmpty ? [] : columns), sink)
  }
  private func sort(_ node: SortNode, _ needed: Set<Int>?, _ sink: (Batch) throws -> Void) throws {
    let types = node.input.columns.map(\.type)
    let first = node.first.map { Int(clamping: max(0, $0)) }
    var gathered: [Batch] = []
    var rows = 0
    var bytes = 0
    func sorted() -> Batch {
      let all = Batch.concatenate(gathered, types: types)
      let keys = node.keys.map {
        RowOrderKey(
          column: all.columns[$0.column],
          isDescending: !$0.isAscending,
          nullsFirst: $0.nullsFirst
        )
      }
      return all.gather(
        RowOrder.order(keys, count: all.count, limit: first.map { min($0, all.count) })
      )
    }
    // Of more rows than this only those that are sorted first are kept. A limit may be any number.
    let most = first.map { $0 > Int.max / 4 ? Int.max : max($0 * 4, 1 << 14) }
    try run(node.input, needed: needed.map { $0.union(node.keys.map(\.column)) }) { batch in
      try context.cancel.check()
      gathered.append(batch)
      rows += batch.count
      let own = batch.memoryBytes
      try context.hold(own)
      bytes += own
      if let most, rows > most {
        // What is sorted first stays before later rows that tie with it.
        gathered = [sorted()]
        rows = gathered[0].count
        context.release(bytes)
        bytes = gathered[0].memoryBytes
        try context.hold(bytes)
      }
    }
    if rows > 0 {
      // The sorted copy lives beside the gathered rows for a moment.
      try context.hold(bytes)
      let result = sorted()
      gathered = []
      context.release(bytes)
      try emit(result, sink)
    }
    context.release(bytes)
  }
  private func recur(_ node: RecursiveNode, _ sink: (Batch) throws -> Void) throws {
    let distinct = node.isDistinct ? try DistinctRows(node.base.columns.map(\.type), context) : nil
    let inner = node.step.sharedPlans(reading: node.id)
    // Within one round a plan is evaluated once; the next round has other rows.
    var working = HeldBatches(context)
    func take(_ batch: Batch, into next: HeldBatches) throws {
      try context.cancel.check()
      guard let rows = try distinct.map({ try $0.newRows(batch) }) else { return try next.add(batch) }
      if !rows.isEmpty { try next.add(rows.count == batch.count ? batch : batch.gather(rows)) }
    }
    try run(node.base) { try take($0, into: working) }
    while !working.batches.isEmpty {
      for batch in working.batches { try sink(batch) }
      let next = HeldBatches(context)
      shared.begin(node.id, working.batches, forgetting: inner)
      try run(node.step) { try take($0, into: next) }
      working = next
    }
    shared.end(node.id, forgetting: inner)
  }
  private func limit(_ node: LimitNode, _ needed: Set<Int>?, _ sink: (Batch) throws -> Void) throws {
    limits.last += 1
    let number = limits.last
    var toSkip = Int(clamping: max(0, node.offset))
    var left = node.count.map { Int(clamping: max(0, $0)) } ?? Int.max
    if left == 0 { return }
    do {
      try run(node.input, needed: needed) { batch in
        let skipped = min(toSkip, batch.count)
        toSkip -= skipped
        let taken = min(left, batch.count - skipped)
        left -= taken
        if taken > 0 { try sink(batch.slice(skipped..<skipped + taken)) }
        if left == 0 { throw Enough(limit: number) }
      }
    } catch let enough as Enough where enough.limit == number {
      return
    }
  }
}

/// The greatest items of TopN states as rows.
enum TopNExpansion {
  static func expand(_ batch: Batch, _ node: ExpandTopNNode, _ needed: Set<Int>?) -> Batch {
    let column = batch.columns[node.column]
    guard case .topn(let states) = column.values else { fatalError("not a topn: \(column.type)") }
    var rows: [UInt32] = []
    var items: [UInt32] = []
    let limit = Int(clamping: max(0, node.count))
    for row in 0..<batch.count where !column.isNull(row) {
      let range = Int(states.offsets[row])..<Int(states.offsets[row + 1])
      for item in greatest(limit, range, states) {
        rows.append(UInt32(row))
        items.append(UInt32(item))
      }
    }
    var columns: [ColumnVector] = []
    for (at, column) in batch.columns.enumerated() {
      // States nobody looks at are not copied once for every item.
      let isUnused = needed.map { !$0.contains(at) } ?? false
      columns.append(isUnused ? .nulls(column.type, count: rows.count) : column.gather(rows))
    }
    for field in node.fields {
      let values: ColumnVector.Values =
        switch field {
        case .item: .codes(items.map { states.codes[Int($0)] }, states.dictionary)
        case .frequency: .fixed(items.map { states.uppers[Int($0)] - states.errors[Int($0)] })
        case .upper: .fixed(items.map { states.uppers[Int($0)] })
        case .isExact: .fixed(items.map { states.errors[Int($0)] == 0 ? 1 : 0 })
        }
      columns.append(ColumnVector(field.type, values))
    }
    return Batch(count: rows.count, columns: columns)
  }
  /// Places of the items with the greatest lower bounds, ties by bytes.
  private static func greatest(_ limit: Int, _ range: Range<Int>, _ states: TopNColumn) -> [Int] {
    func lower(_ at: Int) -> Int64 { states.uppers[at] - states.errors[at] }
    func precedes(_ a: Int, _ b: Int) -> Bool {
      let (x, y) = (lower(a), lower(b))
      if x != y { return x > y }
      return states.dictionary.withText(states.codes[a]) { x in
        states.dictionary.withText(states.codes[b]) { y in compareBytes(x, y) < 0 }
      }
    }
    if limit == 0 { return [] }
    if range.count <= limit * 2 { return Array(range.sorted(by: precedes).prefix(limit)) }
    // A threshold from a first pass over the bounds keeps the texts out of all but a few comparisons.
    var best: [Int64] = []
    for at in range {
      let bound = lower(at)
      if best.count == limit {
        if bound <= best[limit - 1] { continue }
        best.removeLast()
      }
      var place = best.count
      while place > 0 && best[place - 1] < bound { place -= 1 }
      best.insert(bound, at: place)
    }
    let least = best[limit - 1]
    return Array(range.filter { lower($0) >= least }.sorted(by: precedes).prefix(limit))
  }
}
