// HashAggregation.swift — GROUP BY: groups numbered by a GroupTable, one accumulator of Aggregates a call.
//
// Partial, merging and complete aggregation are the same operator: a plan's merge phase calls the merging functions. Groups come
// out in order of first appearance. Calls that need the rows of their groups are GatheredAggregation's.
// Counting rows by one dictionary-coded key is done by counting codes.
import Aggregates
import Bytes
import Columns
import Model
import Planning

final class HashAggregation {
  private let node: AggregateNode
  private let context: ExecutionContext
  private let table: GroupTable
  /// How a call is evaluated.
  private enum Evaluation {
    case accumulated(any Accumulator)
    case gathered(GatheredAggregation)
  }
  private let evaluations: [Evaluation]
  private var held = 0
  private var zeros: [UInt32] = []
  private let countsRowsOnly: Bool

  init(_ node: AggregateNode, _ context: ExecutionContext) throws {
    self.node = node
    self.context = context
    table = GroupTable(node.groups.map(\.type))
    for group in node.groups { try EqualityTypes.check(group.type) }
    evaluations = try node.calls.map { call in
      GatheredAggregation.suits(call)
        ? .gathered(try GatheredAggregation(call, context)) : .accumulated(try Self.accumulator(call))
    }
    countsRowsOnly =
      node.groups.count == 1
      && node.calls.allSatisfy { $0.function == .countStar && $0.filter == nil && !GatheredAggregation.suits($0) }
  }
  static func accumulator(_ call: AggregateCall) throws -> any Accumulator {
    let types = call.arguments.map(\.type)
    switch (call.function, call.type) {
    case (.countStar, _), (.count, _): return try Accumulators.make(.count, argumentTypes: types)
    // Merges of counts and of bigint sums stay bigint: the accumulator of narrower integers adds in 64 bits.
    case (.countMerge, _), (.sum, .bigint):
      return try Accumulators.make(.sum, argumentTypes: [.integer])
    case (.sum, _): return try Accumulators.make(.sum, argumentTypes: types)
    case (.min, _): return try Accumulators.make(.min, argumentTypes: types)
    case (.max, _): return try Accumulators.make(.max, argumentTypes: types)
    case (.boolAnd, _): return try Accumulators.make(.boolAnd, argumentTypes: types)
    case (.boolOr, _): return try Accumulators.make(.boolOr, argumentTypes: types)
    case (.bitAnd, _): return try Accumulators.make(.bitAnd, argumentTypes: types)
    case (.bitOr, _): return try Accumulators.make(.bitOr, argumentTypes: types)
    case (.hllAdd, .hll(let parameters)):
      return try Accumulators.make(.hllAdd(parameters), argumentTypes: types)
    case (.hllUnion, _): return try Accumulators.make(.hllUnion, argumentTypes: types)
    case (.topnAdd, .topn(let parameters)):
      return try Accumulators.make(.topnAdd(parameters), argumentTypes: types)
    case (.topnUnion, _): return try Accumulators.make(.topnUnion, argumentTypes: types)
    default:
      throw TallyError(.protocolViolation, "aggregate \(call.function) of type \(call.type.name)")
    }
  }

  /// Groups so far; one always when there are no keys.
  private var groupCount: Int { node.groups.isEmpty ? 1 : table.count }

  func add(_ batch: Batch) throws {
    let block = RowBlock(batch)
    let keys = try node.groups.map {
      try ExpressionEvaluation.evaluate($0, block).expanded(batch.count)
    }
    if countsRowsOnly, try countByCode(keys[0]) { return try account() }
    let groups: [UInt32]
    if keys.isEmpty {
      if zeros.count < batch.count { zeros = [UInt32](repeating: 0, count: batch.count) }
      groups = zeros
    } else {
      groups = table.groups(of: keys, count: batch.count)
    }
    for (call, evaluation) in zip(node.calls, evaluations) {
      let accumulator: any Accumulator
      switch evaluation {
      case .accumulated(let own): accumulator = own
      case .gathered(let gathered):
        try gather(call, gathered, block, groups, batch.count)
        continue
      }
      var filter: Bitmap?
      if let condition = call.filter {
        filter = Truth(try ExpressionEvaluation.evaluate(condition, block), count: batch.count)
          .bitmap()
        // The argument of a row that the filter refuses is not evaluated: it might fail.
        if call.arguments.contains(where: \.canFail) {
          try addFiltered(call, accumulator, block, groups, batch.count)
          continue
        }
      }
      let arguments = try call.arguments.map {
        try ExpressionEvaluation.evaluate($0, block).expanded(batch.count)
      }
      try update(accumulator, groups, batch.count, arguments, filter)
    }
    try account()
  }
  private func update(
    _ accumulator: any Accumulator,
    _ groups: [UInt32],
    _ count: Int,
    _ arguments: [ColumnVector],
    _ filter: Bitmap?
  ) throws {
    try groups.withUnsafeBufferPointer {
      try accumulator.update(
        UnsafeBufferPointer(rebasing: $0[..<count]),
        groupCount: groupCount,
        arguments: arguments,
        filter: filter
      )
    }
  }
  private func addFiltered(
    _ call: AggregateCall,
    _ accumulator: any Accumulator,
    _ block: RowBlock,
    _ groups: [UInt32],
    _ count: Int
  ) throws {
    guard let condition = call.filter else { return }
    let truth = Truth(try ExpressionEvaluation.evaluate(condition, block), count: count)
    let rows = truth.rows { $0 == Truth.yes } ?? (0..<UInt32(count)).map { $0 }
    let chosen = block.narrowed(to: rows)
    let arguments = try call.arguments.map {
      try ExpressionEvaluation.evaluate($0, chosen).expanded(rows.count)
    }
    try update(accumulator, rows.map { groups[Int($0)] }, rows.count, arguments, nil)
  }
  private func gather(
    _ call: AggregateCall,
    _ gathered: GatheredAggregation,
    _ block: RowBlock,
    _ groups: [UInt32],
    _ count: Int
  ) throws {
    guard let condition = call.filter,
      let rows = Truth(try ExpressionEvaluation.evaluate(condition, block), count: count).rows({ $0 == Truth.yes })
    else { return try gathered.add(block, groups) }
    if !rows.isEmpty { try gathered.add(block.narrowed(to: rows), rows.map { groups[Int($0)] }) }
  }
  /// Counts the rows of each code, then adds the counts by group; false when the column does not suit.
  private func countByCode(_ key: ColumnVector) throws -> Bool {
    guard case .codes(let codes, let dictionary) = key.values, key.validity == nil,
      dictionary.count > 0, dictionary.count <= 1024, codes.count >= dictionary.count * 4
    else { return false }
    let size = dictionary.count
    // Four tables: equal neighbours do not wait for each other's store.
    var counts = [UInt32](repeating: 0, count: size * 4)
    counts.withUnsafeMutableBufferPointer { counts in
      codes.withUnsafeBufferPointer { codes in
        guard let a = counts.baseAddress else { return }
        let (b, c, d) = (a + size, a + 2 * size, a + 3 * size)
        var row = 0
        while row &+ 4 <= codes.count {
          a[Int(codes[row])] &+= 1
          b[Int(codes[row &+ 1])] &+= 1
          c[Int(codes[row &+ 2])] &+= 1
          d[Int(codes[row &+ 3])] &+= 1
          row &+= 4
        }
        while row < codes.count {
          a[Int(codes[row])] &+= 1
          row &+= 1
        }
      }
    }
    var seen: [UInt32] = []
    var totals: [Int64] = []
    for code in 0..<size {
      let total =
        counts[code] &+ counts[size + code] &+ counts[2 * size + code] &+ counts[3 * size + code]
      if total > 0 {
        seen.append(UInt32(code))
        totals.append(Int64(total))
      }
    }
    let groups = table.groups(
      of: [ColumnVector(key.type, .codes(seen, dictionary))],
      count: seen.count
    )
    let partial = ColumnVector(.bigint, .fixed(totals))
    for case .accumulated(let accumulator) in evaluations {
      try groups.withUnsafeBufferPointer {
        try accumulator.merge($0, groupCount: groupCount, partials: [partial])
      }
    }
    return true
  }
  private func account() throws {
    let now =
      table.bytes
      + evaluations.reduce(0) {
        if case .accumulated(let accumulator) = $1 { $0 + accumulator.memoryBytes } else { $0 }
      }
    let grown = now - held
    held = now
    if grown > 0 { try context.hold(grown) } else { context.release(-grown) }
  }

  /// The groups' keys and results.
  ///
  /// `prunesTopN` false: TopN states keep all their items, as states that are merged later must.
  func finish(prunesTopN: Bool) throws -> Batch {
    var columns = node.groups.isEmpty ? [] : table.keyColumns()
    for (call, evaluation) in zip(node.calls, evaluations) {
      let accumulator: any Accumulator
      switch evaluation {
      case .accumulated(let own): accumulator = own
      case .gathered(let gathered):
        columns.append(try gathered.finish(groupCount: groupCount).retyped(call.type))
        continue
      }
      var result: ColumnVector
      if !prunesTopN, case .topn = call.type {
        result = try accumulator.finishPartial(groupCount: groupCount)[0]
      } else {
        result = try accumulator.finish(groupCount: groupCount)
      }
      if call.function == .countMerge { result = ColumnVector(.bigint, result.values) }
      columns.append(result.retyped(call.type))
    }
    return Batch(count: groupCount, columns: columns)
  }
  /// Gives the held memory back.
  func release() {
    context.release(held)
    held = 0
  }
}

extension Truth {
  /// Bits of the rows that are TRUE.
  func bitmap() -> Bitmap {
    guard let rows = rows({ $0 == Truth.yes }) else { return Bitmap(repeating: true, count: count) }
    var words = [UInt64](repeating: 0, count: (count + 63) / 64)
    for row in rows { words[Int(row >> 6)] |= 1 << UInt64(row & 63) }
    return Bitmap(words: words, count: count)
  }
}
