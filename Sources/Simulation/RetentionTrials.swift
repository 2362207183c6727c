// RetentionTrials.swift — a table whose rows expire behind its rollup, through the faults, and the judge of what must be left.
//
// Rows of six days come in batches with keys of their own; the table keeps two days, the rollup's hours three, its days all. Laws: the
// rollup counts every row whose batch was answered once, whether the row is still there or not; no row is there twice; a row without a
// time stays. While no wall clock is made to jump, log time is known: a row younger than `keep` stays, and when all is healed those older
// than it by a day are gone within a minute, on every copy.
import Capabilities
import ClientCore
import Model
internal import Synchronization
import Wire

/// What is known of the expiring rows.
final class RetentionTrials: Sendable {
  private struct Reading {
    var tenant: Int64
    var time: Int64?
    var value: Int64
  }
  private struct State {
    /// By number from 1.
    var rows: [Reading] = []
    var sent: Set<Int64> = []
    var answered: Set<Int64> = []
    var isReady = false
  }
  private static let tenants: Int64 = 4
  /// Rows from here on stay: log time is the run's time, give or take an hour.
  private static let young = WallClock.epoch - 2 * Workload.day
  /// Rows before this go.
  private static let old = WallClock.epoch - 3 * Workload.day
  private static let expiryMax = Duration.seconds(60)
  private let workload: Workload
  private let ledger: Ledger
  private let state = Mutex(State())

  init(_ workload: Workload, _ ledger: Ledger) {
    self.workload = workload
    self.ledger = ledger
  }
  /// Whether log time is what the run's time says, but for clocks that differ by an hour.
  private var knowsLogTime: Bool { !workload.faultClasses.contains(.clocks) }

  /// Makes the table and its rollup, and writes and reads until `isOver`.
  func run(_ client: ClusterClient, _ random: SeededGenerator, until isOver: @Sendable () -> Bool) async throws {
    let columns = "(tenant bigint, ts timestamp, id bigint, value bigint) WITH (keep = '2 days')"
    try await client.makeTable("readings", columns, shards: workload.shards, copies: workload.copies)
    try await client.persist("CREATE MATERIALIZED VIEW hours") {
      _ = try await client.query(
        """
        CREATE MATERIALIZED VIEW IF NOT EXISTS hours WITH (rollup, levels = '1 hour, 1 day', keep = '3 days, forever') AS
        SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(value) AS total FROM readings GROUP BY tenant, bucket
        """
      )
    }
    state.withLock { $0.isReady = true }
    let batches = Int(random.next(in: 10...60))
    for number in 0..<batches where !isOver() {
      try await insert(client, number, rows: Int(random.next(in: 1...12)), random)
      if random.chance(percent: 30) { try await read(client, Int64(random.next(below: UInt64(Self.tenants)))) }
      try await client.near.clock.sleep(for: workload.pause(random, 1...500, steps: batches))
    }
  }
  private func insert(_ client: ClusterClient, _ number: Int, rows: Int, _ random: SeededGenerator) async throws {
    let made = (0..<rows).map { _ in
      Reading(
        tenant: Int64(random.next(below: UInt64(Self.tenants))),
        time: random.chance(percent: 3) ? nil : WallClock.epoch - Int64(random.next(below: UInt64(6 * Workload.day))),
        value: Int64(random.next(below: 1000))
      )
    }
    let ids = state.withLock { state in
      state.rows += made
      return (state.rows.count - rows + 1...state.rows.count).map { Int64($0) }
    }
    let values = zip(ids, made).map { id, row in
      let time = row.time.flatMap { ValueText.print(.fixed($0), as: .timestamp) }.map { "'\($0)'" } ?? "NULL"
      return "(\(row.tenant), \(time), \(id), \(row.value))"
    }
    state.withLock { $0.sent.formUnion(ids) }
    let sql = "INSERT INTO readings VALUES " + values.joined(separator: ", ")
    let key = KeyedWriter.id(number, of: "readings")
    if try await client.insert(sql, key: key, rows: rows, ledger) { state.withLock { $0.answered.formUnion(ids) } }
  }

  /// Reads a tenant's rows, and what the rollup says of it. Retryable failures count as refusals.
  private func read(_ client: ClusterClient, _ tenant: Int64) async throws {
    do {
      try await check(client, tenant, "read of readings")
      ledger.answered()
    } catch let error as TallyError {
      if error.isRetryable { ledger.refused() } else { ledger.violated("a query of readings failed: \(error)") }
    }
  }
  /// Judges all tenants; what has expired must be gone, or go.
  func judge(_ client: ClusterClient, _ what: String) async throws {
    guard state.withLock({ $0.isReady }) else { return }
    try await client.persist("refresh of hours, \(what)") {
      try await client.map.refreshRollup("hours", deadline: client.near.clock.now + .seconds(60))
    }
    for tenant in 0..<Self.tenants {
      try await client.persist("readings, \(what)") { try await check(client, tenant, what) }
    }
    if knowsLogTime { try await client.persist("expiry, \(what)") { try await untilExpired(client, what) } }
  }
  private func check(_ client: ClusterClient, _ tenant: Int64, _ what: String) async throws {
    let owed = state.withLock { $0.answered }
    func violated(_ law: String) { ledger.violated("\(what): tenant \(tenant): \(law)") }
    let ids = try await client.integers("SELECT id FROM readings WHERE tenant = \(tenant)", .latest, timeout: .seconds(30)).values
    let (rows, sent) = state.withLock { ($0.rows, $0.sent) }
    let found = Set(ids)
    if found.count != ids.count { violated("rows are there twice") }
    if let row = found.first(where: { !sent.contains($0) || rows[Int($0) - 1].tenant != tenant }) { violated("row \(row) was never made") }
    let own = owed.filter { rows[Int($0) - 1].tenant == tenant }
    let lost = own.subtracting(found).filter { id in
      guard let time = rows[Int(id) - 1].time else { return true }
      return knowsLogTime && time >= Self.young
    }
    if let row = lost.min() { violated("row \(row) is not there, and \(lost.count - 1) others that are not old enough to expire") }
    for relation in ["hours", "hours_1day"] {
      let sums = try await client.query("SELECT sum(n), sum(total) FROM \(relation) WHERE tenant = \(tenant)", timeout: .seconds(30))
      let (n, total) = (Int(sums.first?[0].integer ?? 0), sums.first?[1].integer ?? 0)
      let most = state.withLock { state in state.sent.count { state.rows[Int($0) - 1].tenant == tenant } }
      if n < own.count || n > most { violated("\(relation) counts \(n) rows, not \(own.count)…\(most)") }
      let expected = own.reduce(0) { $0 + rows[Int($1) - 1].value }
      if n == own.count, most == own.count, total != expected { violated("\(relation) has a total of \(total), not \(expected)") }
    }
  }
  private func untilExpired(_ client: ClusterClient, _ what: String) async throws {
    let clock = client.near.clock
    let limit = clock.now + Self.expiryMax
    let border = ValueText.print(.fixed(Self.old), as: .timestamp) ?? ""
    while true {
      let left = try await client.query("SELECT count(*) FROM readings WHERE ts < '\(border)'").first?[0].integer ?? -1
      if left == 0 { return }
      guard clock.now < limit else { return ledger.violated("\(what): \(left) rows that have expired are still there") }
      try await clock.sleep(for: .milliseconds(500))
    }
  }
}
