// Ingest of rows: routing to shards, keys that make a repeated run harmless, checks of values, failures.
import Model
import Synchronization
import TallyClient
import Testing

struct IngestTests {
  private func load(
    _ client: TallyClient,
    rows: Int = 2500,
    producer: String? = "p",
    batchRows: Int = 1000
  ) async throws -> IngestSummary {
    try await client.ingest(into: "events", producer: producer, batchRows: batchRows) { sink in
      for n in 0..<rows {
        try await sink.append(
          "tenant \(n % 101)",
          n,
          TallyTimestamp(seconds: 1_357_020_300 + Int64(n)),
          n % 3 == 0 ? nil : Double(n) / 8,
          n % 2 == 0
        )
      }
    }
  }

  @Test func aNamedProducerStoresItsRowsOnce() async throws {
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        let first = try await load(client)
        #expect(first == summary(durable: 2500, batches: 3))
      }
      try await TallyClient.with(url) { client in
        let second = try await load(client)
        #expect(second == summary(duplicate: 2500, batches: 3))
      }
      #expect(fake.state.withLock { $0.rowsOfShard.count } == 4)
    }
  }
  private func summary(durable: UInt64 = 0, duplicate: UInt64 = 0, batches: Int) -> IngestSummary {
    var summary = IngestSummary()
    (summary.rowsDurable, summary.rowsDuplicate, summary.batches) = (durable, duplicate, batches)
    return summary
  }

  @Test func otherRowsUnderTheSameNameAreRefused() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        _ = try await load(client, rows: 100)
        await #expect { _ = try await load(client, rows: 101) } throws: {
          ($0 as? TallyError)?.status == .keyConflict
        }
      }
    }
  }
  @Test func withoutANameEveryRunStoresItsRows() async throws {
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        _ = try await load(client, rows: 100, producer: nil)
        let second = try await load(client, rows: 100, producer: nil)
        #expect(second.rowsDurable == 100 && fake.rows == 200)
      }
    }
  }
  @Test func aValueThatDoesNotFitIsRefusedAndTheSinkGoesOn() async throws {
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        let done = try await client.ingest(into: "events", columns: ["tenant", "n"]) { sink in
          let wrong: [(String, [any TallyEncodable])] = [
            ("42804", ["t", true]), ("22P02", ["t", "seven"]), ("23502", [String?.none, 1]),
            ("22P04", ["t"]),
            ("22P04", ["t", 1, 2]), ("22021", ["t\u{0}", 1]),
          ]
          for (state, row) in wrong {
            await #expect(throws: TallyError.self) { try await sink.append(row: row) }
            do { try await sink.append(row: row) } catch let error as TallyError {
              #expect(error.sqlState == state)
            }
          }
          try await sink.append("t", 1)
        }
        #expect(done.rowsDurable == 1 && fake.rows == 1)
      }
    }
  }
  @Test func theErrorOfTheProgramEndsTheIngest() async throws {
    struct Stop: Error {}
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        await #expect(throws: Stop.self) {
          try await client.ingest(into: "events", columns: ["tenant"]) { sink in
            try await sink.append("t")
            throw Stop()
          }
        }
        #expect(fake.rows == 0)
      }
    }
  }
  @Test func wrongTablesAndColumnsAreNamed() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        func state(_ table: String, _ columns: [String]?) async -> String {
          do { _ = try await client.ingest(into: table, columns: columns) { _ in } } catch let error
            as TallyError
          {
            return error.sqlState
          } catch { return "\(error)" }
          return "none"
        }
        #expect(await state("nope", nil) == "42P01")
        #expect(await state("events", ["tenant", "nope"]) == "42703")
        #expect(await state("events", ["n"]) == "23502")
        #expect(await state("events", ["tenant"]) == "none")
      }
    }
  }
}
