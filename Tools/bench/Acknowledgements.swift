// Acknowledgements.swift — how long a batch of 1,000 rows takes until every in-sync copy has it on disk: one batch after the other.
//
// The rows are search events as they come, of many tenants, so a batch goes to nearly every shard; the second figure sends each batch
// to one tenant. What was acknowledged is counted afterwards.
import Foundation
import Synchronization
import TallyClient

struct Acknowledgements {
  let run: ClusterRun
  let events: SearchEvents
  private static let batchRows = 1000
  private static let batches = 300
  private static let tenantBatches = 300

  func measure() async throws -> [Measurement] {
    try await TallyClient.with(run.url) { client in
      try await client.execute("CREATE TABLE acks (app_id bigint, ts timestamp, user_id bigint, query text, hits integer)")
      try await client.execute("SELECT create_distributed_table('acks', 'app_id')")
      let mixed = try await send(client, "batch of 1,000 rows, all tenants", Self.batches, from: 0, of: nil)
      let single = try await send(client, "batch of 1,000 rows, one tenant", Self.tenantBatches, from: Self.batches, of: events.appIDs[0])
      let count = try await client.text("SELECT count(*) FROM acks").first?.first ?? nil
      let sent = (Self.batches + Self.tenantBatches) * Self.batchRows
      guard count == "\(sent)" else { throw BenchFailure("\(count ?? "nothing") of \(sent) acknowledged rows are there") }
      return [mixed, single]
    }
  }

  private func send(_ client: TallyClient, _ step: String, _ count: Int, from first: Int, of tenant: Int64?) async throws -> Measurement {
    let acknowledged = Mutex((batch: -1, at: ContinuousClock.now))
    let (latencies, span) = try await run.meter.measure {
      var latencies = Latencies()
      let summary = try await client.ingest(
        into: "acks",
        batchRows: Self.batchRows,
        acknowledged: { batch in acknowledged.withLock { $0 = (batch, .now) } }
      ) { sink in
        for batch in 0..<count {
          for at in 0..<Self.batchRows - 1 { try await sink.append(row: row(((first + batch) * Self.batchRows + at) % events.rows, tenant)) }
          // With the last row the batch goes off.
          let sent = ContinuousClock.now
          try await sink.append(row: row(((first + batch) * Self.batchRows + Self.batchRows - 1) % events.rows, tenant))
          while acknowledged.withLock({ $0.batch }) < batch {
            guard ProcessorTime.seconds(since: sent) < 30 else { throw BenchFailure("batch \(batch) was not acknowledged within 30 s") }
            try await Task.sleep(for: .microseconds(50))
          }
          latencies.add((acknowledged.withLock { $0.at } - sent) / .milliseconds(1))
        }
      }
      guard summary.rowsDurable == UInt64(count * Self.batchRows) else { throw BenchFailure("\(summary) for \(count) batches") }
      return latencies
    }
    return .latency(step, "tally", latencies, span, note: "from the last row appended until it is on disk on every in-sync copy")
  }
  private func row(_ at: Int, _ tenant: Int64?) -> [any TallyEncodable] {
    [
      tenant ?? events.appIDs[Int(events.tenant[at])], TallyTimestamp(microseconds: Int64(SearchEvents.start + Int(events.second[at])) * 1_000_000), Int64(events.user[at]),
      events.phrases[Int(events.query[at])], Int32(events.hits[at]),
    ]
  }
}
