// SessionReader.swift — reads with level `session` in a producer's own client, and judges them.
//
// Laws: a session read shows every row that its client was told is stored, and every row that an earlier read of the session showed,
// from the table and from the rollup; whatever copy answers, and whether or not the coordinators have a majority. A client that crashed
// begins another session.
import Capabilities
import ClientCore
import Model
internal import Synchronization

/// One client's session.
final class SessionReader: Sendable {
  private let client: ClusterClient
  private let workload: Workload
  private let ledger: Ledger
  private let random: SeededGenerator
  /// Numbers of the rows that its reads must show.
  private let owed = Mutex<Set<Int64>>([])

  private init(_ client: ClusterClient, _ workload: Workload, _ ledger: Ledger, _ random: SeededGenerator) {
    self.client = client
    self.workload = workload
    self.ledger = ledger
    self.random = random
  }
  /// Reads while `body` runs, which tells what the client was told.
  static func beside(
    _ client: ClusterClient,
    _ workload: Workload,
    _ ledger: Ledger,
    _ random: SeededGenerator,
    _ body: @escaping @Sendable (SessionReader) async throws -> Void
  ) async throws {
    let reader = SessionReader(client, workload, ledger, random)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await reader.keepReading() }
      group.addTask { try await body(reader) }
      defer { group.cancelAll() }
      // The reader never ends by itself.
      try await group.next()
    }
  }
  /// The client was told that these rows are stored.
  func acknowledged(_ rows: [EventRow]) { owed.withLock { $0.formUnion(rows.map(\.id)) } }

  /// Reads of a long run, about, all sessions together.
  private static let reads = 150

  private func keepReading() async throws {
    while true {
      try await client.near.clock.sleep(for: workload.pause(random, 5...300, steps: Self.reads / workload.sources.count))
      let tenant = random.chance(percent: 40) ? nil : Int64(random.next(below: UInt64(workload.tenants)))
      let level = Workload.levels[Int(random.next(below: 3))].suffix
      do {
        if random.chance(percent: 60) || !ledger.hasRollup {
          try await readRows(tenant)
        } else {
          try await readRollup("activity_\(level)", tenant)
        }
        ledger.answered()
      } catch let error as TallyError {
        if error.isRetryable { ledger.refused() } else { ledger.violated("a session read failed: \(error)") }
      }
    }
  }
  private func filter(_ tenant: Int64?) -> String { tenant.map { " WHERE tenant = \($0)" } ?? "" }
  private func readRows(_ tenant: Int64?) async throws {
    let before = owed.withLock { $0 }
    let ids = try await client.integers("SELECT id FROM events" + filter(tenant), .session).values
    ledger.check(ids: ids, tenant: tenant, owing: before.contains, "session read of \(tenant.map { "tenant \($0)" } ?? "all")")
    owed.withLock { $0.formUnion(ids) }
  }
  private func readRollup(_ relation: String, _ tenant: Int64?) async throws {
    let before = owed.withLock { $0 }
    let sql = "SELECT sum(n) FROM \(relation)" + filter(tenant)
    let cell = try await client.read(sql, .session).rows.first?.first ?? .null
    let count = cell == .null ? 0 : Int(cell.integer ?? -1)
    let bounds = ledger.bounds(tenant, owing: before.contains)
    if !bounds.contains(count) { ledger.violated("session read, \(sql): \(count) of \(bounds)") }
  }
}
