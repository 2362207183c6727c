// WindowExecution.swift — window functions: gathers its input, sorts it by partitions and keys once, and computes each call's column.
//
// What a row's frame holds is WindowFrames', functions of places WindowRanking's, aggregates WindowAggregates'. Nothing leaves before the
// last input row has come.
import Bytes
import Columns
import Model
import Planning

/// Where partitions and peers lie among the sorted rows.
struct WindowLayout {
  /// Rows.
  let count: Int
  /// First row of each partition, then `count`.
  var partitions: [Int] = []
  /// Peer group of each row, numbered through all partitions.
  var groupOf: [UInt32] = []
  /// First row of each peer group, then `count`.
  var groups: [UInt32] = []

  func firstPeer(_ row: Int) -> Int { Int(groups[Int(groupOf[row])]) }
  func endOfPeers(_ row: Int) -> Int { Int(groups[Int(groupOf[row]) + 1]) }
  /// Calls `body` with each partition's rows.
  func forEachPartition(_ body: (Range<Int>) throws -> Void) rethrows {
    for at in 0..<max(0, partitions.count - 1) { try body(partitions[at]..<partitions[at + 1]) }
  }
}

final class WindowExecution {
  private let node: WindowNode
  private let needed: Set<Int>?
  private let context: ExecutionContext
  private let inputWidth: Int
  private let store: RowStore
  /// Input columns that must be there.
  let inputColumns: Set<Int>?

  init(_ node: WindowNode, needed: Set<Int>?, _ context: ExecutionContext) throws {
    self.node = node
    self.needed = needed
    self.context = context
    let types = node.input.columns.map(\.type)
    inputWidth = types.count
    for column in node.partitions + node.keys.map(\.column) { try EqualityTypes.check(types[column]) }
    var read = needed?.filter { [inputWidth] in $0 < inputWidth }
    if read != nil {
      for column in node.partitions + node.keys.map(\.column) { read?.insert(column) }
      for call in node.calls {
        for argument in call.arguments { read?.formUnion(argument.columnsRead) }
        if let filter = call.filter { read?.formUnion(filter.columnsRead) }
      }
    }
    inputColumns = read
    store = RowStore(types, needed: read, context)
  }
  func add(_ batch: Batch) throws { try store.add(batch) }

  func finish(_ sink: (Batch) throws -> Void) throws {
    let rows = try store.finish()
    if rows.count == 0 { return }
    let keys = sortKeys(rows)
    // Order, places and ranks.
    try store.hold(rows.count * (12 + keys.count * 8))
    let order = RowOrder.order(keys, count: rows.count)
    try context.cancel.check()
    let layout = layout(keys, order)
    let block = RowBlock(rows.columns, order)
    var results: [ColumnVector?] = []
    for (at, call) in node.calls.enumerated() {
      try context.cancel.check()
      guard needed?.contains(inputWidth + at) ?? true else {
        results.append(nil)
        continue
      }
      let frames = WindowFrames(call.frame, layout, key: rangeKey(rows, order), context)
      let result = try column(call, block, layout, frames).retyped(call.type)
      try store.hold(result.memoryBytes)
      results.append(result)
    }
    for start in stride(from: 0, to: rows.count, by: Limits.batchRowsMax) {
      try context.cancel.check()
      let range = start..<min(rows.count, start + Limits.batchRowsMax)
      let input = rows.gather(Array(order[range]), needed: needed)
      let calls = zip(results, node.calls).map { $0?.slice(range) ?? .nulls($1.type, count: range.count) }
      try sink(Batch(count: range.count, columns: input + calls))
    }
  }
  private func sortKeys(_ rows: StoredRows) -> [RowOrderKey] {
    node.partitions.map { RowOrderKey(column: rows.columns[$0], isDescending: false, nullsFirst: false) }
      + node.keys.map {
        RowOrderKey(column: rows.columns[$0.column], isDescending: !$0.isAscending, nullsFirst: $0.nullsFirst)
      }
  }
  private func layout(_ keys: [RowOrderKey], _ order: [UInt32]) -> WindowLayout {
    var layout = WindowLayout(count: order.count)
    // 0: like the row before; 1: begins a peer group; 2: begins a partition.
    var begins = [UInt8](repeating: 0, count: order.count)
    for (at, key) in keys.enumerated() {
      let (ranks, validity) = (RowOrder.ranks(key.column), key.column.validity)
      let mark: UInt8 = at < node.partitions.count ? 2 : 1
      for row in 1..<max(1, order.count) where begins[row] < mark {
        let (a, b) = (Int(order[row - 1]), Int(order[row]))
        let (isA, isB) = (validity?[a] ?? true, validity?[b] ?? true)
        if isA != isB || (isA && ranks[a] != ranks[b]) { begins[row] = mark }
      }
    }
    layout.groupOf.reserveCapacity(order.count)
    for row in order.indices {
      if row == 0 || begins[row] == 2 { layout.partitions.append(row) }
      if row == 0 || begins[row] > 0 { layout.groups.append(UInt32(row)) }
      layout.groupOf.append(UInt32(layout.groups.count - 1))
    }
    layout.partitions.append(order.count)
    layout.groups.append(UInt32(order.count))
    return layout
  }
  /// The one key that offsets of RANGE move along.
  private func rangeKey(_ rows: StoredRows, _ order: [UInt32]) -> RowOrderKey? {
    guard node.keys.count == 1, let key = node.keys.first else { return nil }
    return RowOrderKey(
      column: rows.columns[key.column].gather(order),
      isDescending: !key.isAscending,
      nullsFirst: key.nullsFirst
    )
  }
  private func column(
    _ call: WindowCall,
    _ block: RowBlock,
    _ layout: WindowLayout,
    _ frames: @autoclosure () -> WindowFrames
  ) throws -> ColumnVector {
    func argument(_ at: Int) throws -> ColumnVector {
      try ExpressionEvaluation.evaluate(call.arguments[at], block).expanded(layout.count)
    }
    switch call.function {
    case .rowNumber, .rank, .denseRank, .percentRank, .cumeDist: return WindowRanking.places(call.function, layout)
    case .ntile: return try WindowRanking.tiles(try argument(0), layout)
    case .lag: return WindowRanking.shifted(try argument(0), try argument(1), try argument(2), by: -1, layout)
    case .lead: return WindowRanking.shifted(try argument(0), try argument(1), try argument(2), by: 1, layout)
    case .firstValue, .lastValue:
      return WindowRanking.edge(try argument(0), isLast: call.function == .lastValue, layout, try frames().bounds())
    case .nthValue: return try WindowRanking.nth(try argument(0), try argument(1), layout, try frames().bounds())
    case .aggregate(let function):
      return try WindowAggregates(function, call, block, layout, try frames().bounds(), context).column()
    }
  }
}
