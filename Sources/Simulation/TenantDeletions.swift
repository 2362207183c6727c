// TenantDeletions.swift — tenants that are filled and deleted under faults, and the judge of what is left of them.
//
// They have a table and a rollup of their own in the group of the events, and keys that no event has. Laws: a row that was answered before
// a deletion was asked for is gone from the deletion's answer on, for good, on every copy, from table and rollup; one that was answered
// after it is there once; one whose answer was lost is there once or not at all. The rollup counts what the table has.
import Capabilities
import ClientCore
import Model
internal import Synchronization
import Wire

/// What is known of the tenants' rows.
final class TenantDeletions: Sendable {
  private struct Tenant {
    /// Answered since the last deletion was answered.
    var there: Set<Int64> = []
    /// Answered before a deletion, and never to be seen again.
    var gone: Set<Int64> = []
    /// Whose answer was lost: now or ever.
    var unknown: Set<Int64> = []
    var deletions = 0
  }
  private struct State {
    var tenants: [Int64: Tenant] = [:]
    var nextRow: Int64 = 1
    var isReady = false
  }
  private static let first: Int64 = 10_000
  private static let count = 3
  private let workload: Workload
  private let ledger: Ledger
  private let state = Mutex(State())

  init(_ workload: Workload, _ ledger: Ledger) {
    self.workload = workload
    self.ledger = ledger
  }

  /// Fills and deletes, some rounds or until `isOver`.
  func run(_ client: ClusterClient, _ random: SeededGenerator, until isOver: @Sendable () -> Bool) async throws {
    let columns = "(tenant bigint, ts timestamp, id bigint)"
    try await client.makeTable("visits", columns, shards: workload.shards, copies: workload.copies)
    try await client.persist("CREATE MATERIALIZED VIEW visitors") {
      _ = try await client.query(
        """
        CREATE MATERIALIZED VIEW IF NOT EXISTS visitors WITH (rollup, levels = '5 minutes, 1 day') AS
        SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(id) AS total FROM visits GROUP BY tenant, bucket
        """
      )
    }
    state.withLock { $0.isReady = true }
    // A few, spread over the run: on a day's seed faults meet them as they meet the loads, and the rest of the work goes on meanwhile.
    let rounds = Int(random.next(in: 3...10))
    for _ in 0..<rounds where !isOver() {
      let tenant = Self.first + Int64(random.next(below: UInt64(Self.count)))
      for _ in 0..<random.next(in: 1...4) { try await insert(client, tenant, rows: Int(random.next(in: 1...40))) }
      if random.chance(percent: 70) { try await delete(client, tenant) }
      try await client.near.clock.sleep(for: workload.pause(random, 1...400, steps: 40))
    }
  }
  private func insert(_ client: ClusterClient, _ tenant: Int64, rows: Int) async throws {
    let ids = state.withLock { state in
      defer { state.nextRow += Int64(rows) }
      return (0..<Int64(rows)).map { state.nextRow + $0 }
    }
    let values = ids.map { "(\(tenant), '2026-05-0\(1 + $0 % 5) 0\($0 % 10):00:00', \($0))" }.joined(separator: ", ")
    // Until its answer it may or may not be there.
    state.withLock { $0.tenants[tenant, default: Tenant()].unknown.formUnion(ids) }
    do {
      _ = try await client.query("INSERT INTO visits VALUES \(values)", timeout: .seconds(8))
      state.withLock { state in
        state.tenants[tenant]?.unknown.subtract(ids)
        state.tenants[tenant]?.there.formUnion(ids)
      }
    } catch let error as TallyError where error.isRetryable || error.status == .timedOut || error.status == .unknownOutcome {
      try await client.near.clock.sleep(for: .milliseconds(300))
    }
  }
  private func delete(_ client: ClusterClient, _ tenant: Int64) async throws {
    var receipt: [[Cell]] = []
    let request = TenantRequest(deletes: true, relation: "visits", tenant: "\(tenant)")
    var tries = 0
    while true {
      do {
        receipt = try await client.tenant(request, timeout: .seconds(40))
        if receipt.contains(where: { $0[0] == .text("tenant") && $0[2] == .text("deleted") }) { break }
      } catch let error as TallyError where error.isRetryable || error.status == .timedOut || error.status == .unknownOutcome {}
      tries += 1
      if tries > 1000 { return ledger.violated("tenant \(tenant) was not deleted: \(receipt)") }
      try await client.near.clock.sleep(for: .milliseconds(200))
    }
    state.withLock { state in
      guard var known = state.tenants[tenant] else { return }
      known.gone.formUnion(known.there)
      known.there = []
      known.deletions += 1
      state.tenants[tenant] = known
    }
    try await client.persist("visits after a deletion") { try await check(client, tenant, "after deletion", rollup: false) }
  }

  /// Judges all tenants, and whether table and rollup agree.
  func judge(_ client: ClusterClient, _ what: String) async throws {
    guard state.withLock({ $0.isReady }) else { return }
    try await client.persist("refresh of visitors, \(what)") {
      try await client.map.refreshRollup("visitors", deadline: client.near.clock.now + .seconds(60))
    }
    for tenant in state.withLock({ $0.tenants.keys.sorted() }) {
      try await client.persist("visits, \(what)") { try await check(client, tenant, what, rollup: true) }
    }
  }
  private func check(_ client: ClusterClient, _ tenant: Int64, _ what: String, rollup: Bool) async throws {
    let rows = try await client.integers("SELECT id FROM visits WHERE tenant = \(tenant)", .latest, timeout: .seconds(30)).values
    guard let known = state.withLock({ $0.tenants[tenant] }) else { return }
    let found = Set(rows)
    func violated(_ law: String) { ledger.violated("\(what): tenant \(tenant) (\(known.deletions) deletions): \(law)") }
    if found.count != rows.count { violated("rows are there twice") }
    if let row = found.intersection(known.gone).min() { violated("row \(row) is there again") }
    if let row = known.there.subtracting(found).min() { violated("row \(row) is not there") }
    if let row = found.subtracting(known.there).subtracting(known.unknown).min() { violated("row \(row) was never made") }
    guard rollup else { return }
    for relation in ["visitors", "visitors_5min", "visitors_1day"] {
      let sums = try await client.query("SELECT sum(n), sum(total) FROM \(relation) WHERE tenant = \(tenant)", timeout: .seconds(30))
      let (n, total) = (sums.first?[0].integer ?? 0, sums.first?[1].integer ?? 0)
      if n != Int64(rows.count) || total != rows.reduce(0, +) { violated("\(relation) counts \(n) rows, the table has \(rows.count)") }
    }
  }
}
