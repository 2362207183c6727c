// StaleReader.swift — reads with level `stale`, and judges what they show by the age they state.
//
// Laws: the age is at most the one asked for, and every row that anybody was told is stored longer ago than the age is there. Of the rows
// told since then any may be missing, but batches are there whole or not at all, as in every read.
import Capabilities
import ClientCore
import Model

/// A reader that takes what copies have.
struct StaleReader {
  let workload: Workload
  let ledger: Ledger
  let random: SeededGenerator
  /// Reads of a long run, about.
  private static let reads = 150

  /// Asks and judges while `isReading`.
  func read(_ client: ClusterClient, while isReading: () -> Bool) async throws {
    while isReading() {
      try await client.near.clock.sleep(for: workload.pause(random, 5...250, steps: Self.reads))
      let now = client.near.clock.now
      let tenant = random.chance(percent: 40) ? nil : Int64(random.next(below: UInt64(workload.tenants)))
      let max = Duration.milliseconds([500, 1000, 2000, 8000][Int(random.next(below: 4))])
      let what = "stale read of \(tenant.map { "tenant \($0)" } ?? "all"), \(max)"
      do {
        let sql = "SELECT id FROM events" + (tenant.map { " WHERE tenant = \($0)" } ?? "")
        let (ids, age) = try await client.integers(sql, .stale(max: max))
        guard let age, .microseconds(Int64(age)) <= max + .microseconds(1) else {
          ledger.violated("\(what): its age is \(age.map { "\($0) µs" } ?? "not told")")
          continue
        }
        // The age is told of a moment after the question.
        let known = ledger.known(at: Instant(nanoseconds: now.nanoseconds - min(now.nanoseconds, age * 1000)))
        ledger.check(ids: ids, tenant: tenant, since: known, what + ", age \(age) µs")
        ledger.answered()
      } catch let error as TallyError {
        if error.isRetryable { ledger.refused() } else { ledger.violated("\(what) failed: \(error)") }
      }
    }
  }
}
