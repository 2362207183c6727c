// Ledger.swift — what was sent and what was acknowledged, and the judge of every answer a simulated cluster gives.
//
// Laws: an acknowledged row is there exactly once from its acknowledgement on; a row that was sent is there at most once; no other
// row ever is. A batch of one shard is there whole or not at all. What one reader saw, it sees again. A rollup counts what the
// table holds, at every level, at every moment.
//
// Acknowledgements are numbered: what was known at a moment is their count, and no copy of anything. A check costs what it looks at: the
// rows of its tenant and those found.
import Capabilities
import Model
internal import Synchronization

/// The memory of a run.
final class Ledger: Sendable {
  /// What is known of rows at one moment.
  struct Known: Sendable {
    /// Acknowledgements so far.
    fileprivate var moment: Int
    /// Rows acknowledged.
    var acknowledged: Int
    /// Rows sent.
    var sent: Int
    /// What is known before anything was sent.
    static let nothing = Known(moment: 0, acknowledged: 0, sent: 0)
  }
  /// Rows that travel together.
  private struct Batch {
    /// Those of deleted tenants excepted.
    var rows: Int
    /// Rows of each tenant.
    var ofTenant: [Int64: Int]
    var first: Int64
  }
  private struct State {
    /// Number of the batch a row travels in; -1 before it was sent.
    var batch: [Int]
    /// Number of the acknowledgement of a row; `Int.max` before.
    var acknowledgement: [Int]
    var batches: [Batch] = []
    var batchNumbers: [String: Int] = [:]
    var known = Known.nothing
    /// What was known when, by rising time.
    var history: [(at: Instant, known: Known)] = []
    var violations: [String] = []
    var answers = 0
    var refusals = 0
    var hasRollup = false
    var deleted: Set<Int64> = []
    var erased: Set<Int64> = []
  }
  /// All rows of the workload by number, from 1.
  let rows: [EventRow]
  private let ofTenant: [Int64: [Int64]]
  private let all: [Int64]
  private let state: Mutex<State>

  init(_ rows: [EventRow]) {
    self.rows = rows
    all = rows.map(\.id)
    ofTenant = Dictionary(grouping: rows, by: \.tenant).mapValues { $0.map(\.id) }
    state = Mutex(
      State(
        batch: [Int](repeating: -1, count: rows.count + 1),
        acknowledgement: [Int](repeating: .max, count: rows.count + 1)
      )
    )
  }
  var known: Known { state.withLock { $0.known } }
  /// What was known at a time.
  func known(at time: Instant) -> Known {
    state.withLock { state in
      var (low, high) = (0, state.history.count)
      while low < high {
        let middle = (low + high) / 2
        if state.history[middle].at <= time { low = middle + 1 } else { high = middle }
      }
      return low == 0 ? .nothing : state.history[low - 1].known
    }
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
      guard let first = rows.first, state.batchNumbers[name] == nil else { return }
      let number = state.batches.count
      state.batchNumbers[name] = number
      var batch = Batch(rows: rows.count, ofTenant: [:], first: first.id)
      state.known.sent += rows.count
      for row in rows {
        state.batch[Int(row.id)] = number
        batch.ofTenant[row.tenant, default: 0] += 1
      }
      state.batches.append(batch)
    }
  }
  /// All rows of a chunk were acknowledged.
  func acknowledged(_ rows: [EventRow], at now: Instant) {
    state.withLock { state in
      state.known.moment += 1
      for row in rows where state.acknowledgement[Int(row.id)] == .max {
        state.acknowledgement[Int(row.id)] = state.known.moment
        state.known.acknowledged += 1
      }
      state.history.append((now, state.known))
    }
  }
  /// Whether all rows of a chunk are acknowledged.
  func isAcknowledged(_ rows: [EventRow]) -> Bool {
    state.withLock { state in rows.allSatisfy { state.acknowledgement[Int($0.id)] != .max } }
  }
  /// Rows that a DELETE took, once it was answered.
  var deleted: Set<Int64> { state.withLock { $0.deleted } }
  func noteDeleted(_ rows: [EventRow]) { state.withLock { $0.deleted.formUnion(rows.map(\.id)) } }
  /// The tenant was deleted: the rows acknowledged by now are gone from table and rollups.
  func noteErased(tenant: Int64) {
    state.withLock { state in
      let gone = numbers(tenant).filter { state.acknowledgement[Int($0)] != .max && !state.erased.contains($0) }
      state.deleted.formUnion(gone)
      state.erased.formUnion(gone)
      for id in gone {
        let batch = state.batch[Int(id)]
        state.batches[batch].rows -= 1
        state.batches[batch].ofTenant[tenant, default: 1] -= 1
      }
    }
  }
  func answered() { state.withLock { $0.answers += 1 } }
  func refused() { state.withLock { $0.refusals += 1 } }
  /// Notes that a law was broken.
  func violated(_ what: String) {
    state.withLock { state in if state.violations.count < 20 { state.violations.append(what) } }
  }

  // MARK: Judging

  private func numbers(_ tenant: Int64?) -> [Int64] { tenant.map { ofTenant[$0] ?? [] } ?? all }
  /// Rows of a tenant (nil: of all) that a read must and may have found when it began at `before` and ended now.
  func bounds(_ tenant: Int64?, since before: Known) -> ClosedRange<Int> {
    bounds(tenant) { _, acknowledgement in acknowledgement <= before.moment }
  }
  /// The same for a read that must show these rows.
  func bounds(_ tenant: Int64?, owing isOwed: (Int64) -> Bool) -> ClosedRange<Int> { bounds(tenant) { id, _ in isOwed(id) } }
  private func bounds(_ tenant: Int64?, _ isOwed: (Int64, Int) -> Bool) -> ClosedRange<Int> {
    state.withLock { state in
      var (low, high) = (0, 0)
      for id in numbers(tenant) where !state.erased.contains(id) {
        if isOwed(id, state.acknowledgement[Int(id)]) { low += 1 }
        if state.batch[Int(id)] >= 0 { high += 1 }
      }
      return low...max(low, high)
    }
  }
  /// Judges the numbers of the rows that a read found.
  func check(ids: [Int64], tenant: Int64?, since before: Known, _ what: String) {
    let wrong = state.withLock { state in
      difference(ids, tenant, state) { _, acknowledgement in acknowledgement <= before.moment }
    }
    if let wrong { violated("\(what): \(wrong)") }
  }
  /// The same for a read that must show these rows.
  func check(ids: [Int64], tenant: Int64?, owing isOwed: (Int64) -> Bool, _ what: String) {
    let wrong = state.withLock { state in difference(ids, tenant, state) { id, _ in isOwed(id) } }
    if let wrong { violated("\(what): \(wrong)") }
  }
  /// What is wrong with an answer; nil when nothing is.
  private func difference(_ ids: [Int64], _ tenant: Int64?, _ state: State, _ isOwed: (Int64, Int) -> Bool) -> String? {
    var found = [Bool](repeating: false, count: rows.count + 1)
    // By number of the batch; a batch that is not there is not looked at.
    var present = [Int](repeating: 0, count: state.batches.count)
    for id in ids {
      guard id >= 1, id <= rows.count else { return "row \(id) was never made" }
      let batch = state.batch[Int(id)]
      if batch < 0 { return "row \(id) was never sent" }
      if state.deleted.contains(id) { return "row \(id) was deleted and is there" }
      if found[Int(id)] { return "row \(id) is there \(ids.count { $0 == id }) times" }
      if let tenant, rows[Int(id) - 1].tenant != tenant { return "row \(id) belongs to another tenant" }
      found[Int(id)] = true
      present[batch] += 1
    }
    func isLost(_ id: Int64) -> Bool {
      !found[Int(id)] && isOwed(id, state.acknowledgement[Int(id)]) && !state.deleted.contains(id)
    }
    if let lost = numbers(tenant).first(where: isLost) {
      let count = numbers(tenant).count(where: isLost)
      return "acknowledged row \(lost) of tenant \(rows[Int(lost) - 1].tenant) is not there (\(count) such rows)"
    }
    for (number, count) in present.enumerated() where count > 0 {
      let batch = state.batches[number]
      let own = tenant.map { batch.ofTenant[$0] ?? 0 } ?? batch.rows
      if count < own { return "\(count) of \(own) rows of one batch are there (its first row: \(batch.first))" }
    }
    return nil
  }
}
