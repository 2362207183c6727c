// SharedRows.swift — rows of plans that are read in several places (WITH), and of the rounds of recursions.
import Bytes
import Columns
import Model
import Planning

/// What one execution keeps by number. One thread.
final class SharedRows {
  private let context: ExecutionContext
  private var gathered: [Int: HeldBatches] = [:]
  private var working: [Int: [Batch]] = [:]

  init(_ context: ExecutionContext) { self.context = context }

  /// The rows of a shared plan; `gather` runs it when they are first asked for.
  func rows(of id: Int, gather: ((Batch) throws -> Void) throws -> Void) throws -> [Batch] {
    if let known = gathered[id] { return known.batches }
    let rows = HeldBatches(context)
    try gather { try rows.add($0) }
    gathered[id] = rows
    return rows.batches
  }
  /// The rows of the last round of a recursion.
  func workingRows(_ id: Int) throws -> [Batch] {
    guard let rows = working[id] else { throw TallyError(.internalError, "recursion \(id) is not running") }
    return rows
  }
  /// Begins a round; plans that read the rows of the round before are forgotten.
  func begin(_ id: Int, _ rows: [Batch], forgetting plans: [Int]) {
    working[id] = rows
    forget(plans)
  }
  func end(_ id: Int, forgetting plans: [Int]) {
    working[id] = nil
    forget(plans)
  }
  private func forget(_ plans: [Int]) {
    for plan in plans {
      gathered[plan]?.release()
      gathered[plan] = nil
    }
  }
}

/// Batches with their account.
final class HeldBatches {
  private let context: ExecutionContext
  private(set) var batches: [Batch] = []
  private var held = 0

  init(_ context: ExecutionContext) { self.context = context }
  deinit { context.release(held) }
  func add(_ batch: Batch) throws {
    let bytes = batch.memoryBytes
    held += bytes
    try context.hold(bytes)
    batches.append(batch)
  }
  /// Lets the rows go.
  func release() {
    context.release(held)
    held = 0
    batches = []
  }
}

/// Rows that were not there before: UNION in a recursion.
final class DistinctRows {
  private let table: GroupTable
  private let context: ExecutionContext
  private let hasColumns: Bool
  private var known = 0
  private var held = 0

  init(_ types: [DataType], _ context: ExecutionContext) throws {
    for type in types { try EqualityTypes.check(type) }
    table = GroupTable(types)
    hasColumns = !types.isEmpty
    self.context = context
  }
  deinit { context.release(held) }

  func newRows(_ batch: Batch) throws -> [UInt32] {
    guard hasColumns else {
      defer { known = 1 }
      return known == 0 ? [0] : []
    }
    var rows: [UInt32] = []
    // New groups get the next numbers, so a row is new when it has the next.
    for (row, group) in table.groups(of: batch.columns, count: batch.count).enumerated() where Int(group) == known {
      known += 1
      rows.append(UInt32(row))
    }
    let now = table.bytes
    if now > held {
      try context.hold(now - held)
      held = now
    }
    return rows
  }
}

extension PlanNode {
  /// Shared plans within that read the rows of a recursion's round.
  func sharedPlans(reading id: Int) -> [Int] {
    var found: [Int] = []
    collectShared(reading: id, into: &found)
    return found
  }
  @discardableResult private func collectShared(reading id: Int, into found: inout [Int]) -> Bool {
    if case .workingRows(let node) = self { return node.id == id }
    var reads = false
    for input in inputs where input.collectShared(reading: id, into: &found) { reads = true }
    if reads, case .shared(let node) = self { found.append(node.id) }
    return reads
  }
}
