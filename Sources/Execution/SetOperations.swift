// SetOperations.swift — INTERSECT, EXCEPT and DISTINCT ON. Rows are equal as grouping has it: NULLs are equal.
import Bytes
import Columns
import Model
import Planning

/// INTERSECT and EXCEPT: the right side is counted by row, the left side streams by. What stays comes as the left has it, in its order.
final class SetOperation {
  private let node: SetOperationNode
  private let context: ExecutionContext
  private let table: GroupTable
  /// By row number: how many of the right side are left to pair.
  private var counts: [Int64] = []
  /// By row number: whether it came out.
  private var isShown: [Bool] = []
  private var held = 0
  private let hasColumns: Bool

  init(_ node: SetOperationNode, _ context: ExecutionContext) throws {
    self.node = node
    self.context = context
    let types = node.left.columns.map(\.type)
    for type in types { try EqualityTypes.check(type) }
    hasColumns = !types.isEmpty
    table = GroupTable(types)
  }
  deinit { context.release(held) }

  private func groups(_ batch: Batch) throws -> [UInt32] {
    let groups = hasColumns ? table.groups(of: batch.columns, count: batch.count) : [UInt32](repeating: 0, count: batch.count)
    let total = hasColumns ? table.count : 1
    if total > counts.count {
      counts.append(contentsOf: repeatElement(0, count: total - counts.count))
      isShown.append(contentsOf: repeatElement(false, count: total - isShown.count))
    }
    let now = table.bytes + counts.count * 9
    if now > held {
      try context.hold(now - held)
      held = now
    }
    return groups
  }
  func addRight(_ batch: Batch) throws {
    try context.cancel.check()
    for group in try groups(batch) { counts[Int(group)] += 1 }
  }
  func addLeft(_ batch: Batch, _ sink: (Batch) throws -> Void) throws {
    try context.cancel.check()
    var rows: [UInt32] = []
    for (row, number) in try groups(batch).enumerated() {
      let group = Int(number)
      let isPaired = counts[group] > 0
      if isPaired && node.isAll { counts[group] -= 1 }
      if isPaired != (node.kind == .intersect) { continue }
      if !node.isAll {
        if isShown[group] { continue }
        isShown[group] = true
      }
      rows.append(UInt32(row))
    }
    if rows.count == batch.count { return try sink(batch) }
    if !rows.isEmpty { try sink(batch.gather(rows)) }
  }
}

/// DISTINCT ON over sorted rows: the first row of each run of equal keys.
final class DistinctRuns {
  private let columns: [Int]
  private let keys: [GroupKeyWords]
  private let context: ExecutionContext
  private var last: (words: [Int64], nulls: [Bool])?
  private var held = 0

  init(_ node: DistinctOnNode, _ context: ExecutionContext) throws {
    let types = node.input.columns.map(\.type)
    for column in node.columns { try EqualityTypes.check(types[column]) }
    columns = node.columns
    keys = node.columns.map { GroupKeyWords(types[$0]) }
    self.context = context
  }
  deinit { context.release(held) }

  /// Rows of the batch that begin a run.
  func firstRows(_ batch: Batch) throws -> [UInt32] {
    try context.cancel.check()
    let own = columns.map { batch.columns[$0] }
    let words = zip(keys, own).map { $0.words($1) }
    let now = keys.reduce(0) { $0 + $1.internedCount * 40 }
    try context.hold(now - held)
    held = now
    let validities = own.map(\.validity)
    var rows: [UInt32] = []
    for row in 0..<batch.count {
      var isSame = true
      for key in words.indices {
        let isNull = validities[key].map { !$0[row] } ?? false
        if row > 0 {
          isSame = isSame && words[key][row] == words[key][row - 1] && isNull == (validities[key].map { !$0[row - 1] } ?? false)
        } else if let last {
          isSame = isSame && words[key][row] == last.words[key] && isNull == last.nulls[key]
        } else {
          isSame = false
        }
      }
      if row == 0 && last == nil { isSame = false }
      if !isSame { rows.append(UInt32(row)) }
    }
    if batch.count > 0 {
      last = (words.map { $0[batch.count - 1] }, validities.map { $0.map { !$0[batch.count - 1] } ?? false })
    }
    return rows
  }
}
