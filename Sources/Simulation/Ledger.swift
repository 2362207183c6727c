// Ledger.swift — what was sent and what was acknowledged, and the judge of every answer a simulated cluster gives.
//
// Laws: an acknowledged row is there exactly once from its acknowledgement on; a row that was sent is there at most once; no other
// row ever is. A batch of one shard is there whole or not at all. What one reader saw, it sees again. A rollup counts what the
// table holds, at every level, at every moment.

import Model
internal import Synchronization

/// The memory of a run.
final class Ledger: Sendable {
  /// What is known of rows at one moment.
  struct Known: Sendable {
    var isSent: [Bool]
    var isAcknowledged: [Bool]
    /// Number of the batch a row travels in; -1 before it was sent.
    var batch: [Int]
    /// Rows of each batch.
    var batches: [[Int64]] = []
    var acknowledged = 0
    var sent = 0
  }
  private struct State {
    var known: Known
    var batchNumbers: [String: Int] = [:]
    var violations: [String] = []
    var answers = 0
    var refusals = 0
    var hasRollup = false
    var deleted: Set<Int64> = []
  }
  /// All rows of the workload by number, from 1.
  let rows: [EventRow]
  private let state: Mutex<State>

  init(_ rows: [EventRow]) {
    self.rows = rows
    state = Mutex(State(known: Self.none(rows.count)))
  }
  var known: Known { state.withLock { $0.known } }
  /// What is known before anything was sent.
  var none: Known { Self.none(rows.count) }
  private static func none(_ rows: Int) -> Known {
    let none = [Bool](repeating: false, count: rows + 1)
    return Known(isSent: none, isAcknowledged: none, batch: [Int](repeating: -1, count: rows + 1))
  }
  var violations: [String] { state.withLock { $0.violations } }
  var answers: Int { state.withLock { $0.answers } }
  var refusals: Int { state.withLock { $0.refusals } }
  /// True once the rollup's creation was acknowledged.
  var hasRollup: Bool {
    get { state.withLock { $0.hasRollup } }
    set { state.withLock { $0.hasRollup = newValue } }
  }

  /// A batch is about to be sent, for the first time or again.
  func sending(_ name: String, _ rows: [EventRow]) {
    state.withLock { state in
      if state.batchNumbers[name] != nil { return }
      let number = state.known.batches.count
      state.batchNumbers[name] = number
      state.known.batches.append(rows.map(\.id))
      state.known.sent += rows.count
      for row in rows {
        state.known.isSent[Int(row.id)] = true
        state.known.batch[Int(row.id)] = number
      }
    }
  }
  /// All rows of a chunk were acknowledged.
  func acknowledged(_ rows: [EventRow]) {
    state.withLock { state in
      for row in rows where !state.known.isAcknowledged[Int(row.id)] {
        state.known.isAcknowledged[Int(row.id)] = true
        state.known.acknowledged += 1
      }
    }
  }
  /// Rows that a DELETE took, once it was answered.
  var deleted: Set<Int64> { state.withLock { $0.deleted } }
  func noteDeleted(_ rows: [EventRow]) { state.withLock { $0.deleted.formUnion(rows.map(\.id)) } }
  func answered() { state.withLock { $0.answers += 1 } }
  func refused() { state.withLock { $0.refusals += 1 } }
  /// Notes that a law was broken.
  func violated(_ what: String) {
    state.withLock { state in if state.violations.count < 20 { state.violations.append(what) } }
  }

  // MARK: Judging

  /// Rows of a tenant (nil: of all) that a read must and may have found when it began at `before` and ended now.
  func bounds(_ tenant: Int64?, since before: Known) -> ClosedRange<Int> {
    let now = known
    var (low, high) = (0, 0)
    for row in rows where tenant == nil || row.tenant == tenant {
      if before.isAcknowledged[Int(row.id)] { low += 1 }
      if now.isSent[Int(row.id)] { high += 1 }
    }
    return low...high
  }
  /// Judges the numbers of the rows that a read found.
  func check(ids: [Int64], tenant: Int64?, since before: Known, _ what: String) {
    let (now, deleted) = (known, deleted)
    var found = [Int](repeating: 0, count: rows.count + 1)
    for id in ids {
      guard id >= 1, id <= rows.count else { return violated("\(what): row \(id) was never made") }
      found[Int(id)] += 1
      if !now.isSent[Int(id)] { return violated("\(what): row \(id) was never sent") }
      if deleted.contains(id) { return violated("\(what): row \(id) was deleted and is there") }
      if found[Int(id)] > 1 { return violated("\(what): row \(id) is there \(found[Int(id)]) times") }
      if let tenant, rows[Int(id) - 1].tenant != tenant { return violated("\(what): row \(id) belongs to another tenant") }
    }
    for row in rows where before.isAcknowledged[Int(row.id)] && (tenant == nil || row.tenant == tenant) {
      if found[Int(row.id)] == 0, !deleted.contains(row.id) {
        let lost = rows.count { before.isAcknowledged[Int($0.id)] && found[Int($0.id)] == 0 && (tenant == nil || $0.tenant == tenant) }
        return violated("\(what): acknowledged row \(row.id) of tenant \(row.tenant) is not there (\(lost) such rows)")
      }
    }
    for batch in now.batches {
      let own = tenant == nil ? batch : batch.filter { rows[Int($0) - 1].tenant == tenant }
      let present = own.count { found[Int($0)] > 0 }
      if present > 0 && present < own.count {
        return violated("\(what): \(present) of \(own.count) rows of one batch are there (row \(own[0]))")
      }
    }
  }
}
