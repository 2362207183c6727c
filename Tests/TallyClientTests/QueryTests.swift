// Queries against a scripted coordinator on a real socket: typed rows, several statements, errors, deadlines, cancellation.
import Model
import Synchronization
import TallyClient
import Testing

struct QueryTests {
  @Test func rowsDecodeIntoTypedTuples() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        let rows = try await client.query("typed")
        #expect(rows.columns.map(\.name) == ["name", "n", "day", "at", "price", "ok", "x", "span"])
        var seen: [String] = []
        for try await (name, n, day, at, price, ok, x, span) in rows.decode(
          (String?, Int64, TallyTimestamp?, TallyTimestamp?, Numeric?, Bool, Double?, Interval?)
            .self
        ) {
          seen.append(
            "\(name ?? "-") \(n) \(day?.description ?? "-") \(at?.description ?? "-") \(price.map(NumericText.text) ?? "-") \(ok) "
              + "\(x ?? -1) \(span?.days ?? 0)"
          )
        }
        #expect(
          seen == [
            "one 7 2013-01-01 00:00:00 2013-01-01 06:05:00 12.50 true 0.5 2",
            "- -1 - - - false -1.0 0",
          ]
        )
        #expect(rows.end?.tag == "SELECT 2")
      }
    }
  }
  @Test func cellsAreReadByPlaceAndName() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        let rows = try await client.run("typed")
        #expect(rows.count == 1 && rows[0].count == 2)
        #expect(
          rows[0].textRows() == [
            ["one", "7", "2013-01-01", "2013-01-01 06:05:00", "12.50", "t", "0.5", "2 days"],
            [nil, "-1", nil, nil, nil, "f", nil, nil],
          ]
        )
        let first = try #require(rows[0].first { _ in true })
        #expect(first[1].text == "7")
        #expect(try first["price"].decode(Double.self) == 12.5)
        #expect(try first.get(Int.self, "n") == 7)
        #expect(try first.get(String.self, 4) == "12.50")
        #expect(sqlState { _ = try first.get(Int.self, "nope") } == "42703")
        #expect(sqlState { _ = try first.get(Int.self, "name") } == "42804")
        #expect(sqlState { _ = try first.get(Int.self, "price") } == "22003")
        #expect(sqlState { _ = try first.decode((Int, Int).self) } == "42804")
        let second = try #require(rows[0].dropFirst().first { _ in true })
        #expect(sqlState { _ = try second.get(String.self, "name") } == "22004")
      }
    }
  }
  private func sqlState(_ body: () throws -> Void) -> String {
    do { try body() } catch let error as TallyError { return error.sqlState } catch {
      return "\(error)"
    }
    return "none"
  }

  @Test func runGivesOneResultForEachStatementAndQueryTakesOne() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        let results = try await client.run("two")
        #expect(results.map { $0.textRows() } == [[["1"]], [["2"]]])
        #expect(try await client.execute("create") == "CREATE TABLE")
        #expect(
          try await client.run("create").first?.notices.first?.message == "it is there already"
        )
        #expect(try await client.list(.nodes).textRows() == [["worker-1", "up"]])
        await #expect {
          let rows = try await client.query("two")
          for try await _ in rows {}
        } throws: { ($0 as? TallyError)?.sqlState == "42601" }
      }
    }
  }
  @Test func aLongResultStreamsAndMayBeLeftEarly() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        var sum: Int64 = 0
        for try await n in try await client.query("many").decode(Int64.self) { sum += n }
        #expect(sum == 100_000 * 99_999 / 2)
        for try await _ in try await client.query("many") { break }
        let results = try await client.run("two")
        #expect(results.count == 2)
      }
    }
  }
  @Test func errorsComeWithAllTheirParts() async throws {
    try await withFakeCoordinator { _, url in
      try await TallyClient.with(url) { client in
        _ = await #expect(
          throws: TallyError.sql(
            "42P01",
            "relation \"x\" does not exist",
            hint: "Create it.",
            position: 15
          )
        ) {
          _ = try await client.run("wrong")
        }
      }
    }
  }
  @Test func aDeadlineEndsAStatementHereAndOnTheServer() async throws {
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        await #expect { _ = try await client.run("never", deadline: .milliseconds(100)) } throws: {
          ($0 as? TallyError)?.status == .timedOut
        }
        let results = try await client.run("two")
        #expect(results.count == 2)
        while fake.state.withLock({ $0.cancelled }) == 0 { await Task.yield() }
      }
    }
  }
  @Test func cancellationReachesTheServer() async throws {
    try await withFakeCoordinator { fake, url in
      try await TallyClient.with(url) { client in
        await withTaskGroup(of: Bool.self) { group in
          group.addTask {
            do {
              _ = try await client.run("never")
              return false
            } catch { return true }
          }
          while fake.state.withLock({ $0.unfinished }) == 0 { await Task.yield() }
          group.cancelAll()
          #expect(await group.next() == true)
        }
        while fake.state.withLock({ $0.cancelled }) == 0 { await Task.yield() }
      }
    }
  }
  @Test func nobodyAtTheAddressIsToldAtOnce() async throws {
    await #expect {
      try await TallyClient.with("tally://127.0.0.1:1,127.0.0.1:2/tally") { _ in }
    } throws: {
      let error = $0 as? TallyError
      return error?.sqlState == "08001" && error?.status == .unavailable
        && error?.isRetryable == true
    }
  }
  @Test func aDeadCoordinatorIsPassedOver() async throws {
    try await withFakeCoordinator { _, url in
      let both = "tally://127.0.0.1:1," + url.dropFirst("tally://".count)
      try await TallyClient.with(both) { client in
        let results = try await client.run("two")
        #expect(results.count == 2)
      }
    }
  }
  @Test func aClientThatOutlivedItsScopeSaysSo() async throws {
    try await withFakeCoordinator { _, url in
      let client = try await TallyClient.with(url) { $0 }
      await #expect { _ = try await client.run("two") } throws: {
        ($0 as? TallyError)?.sqlState == "08003"
      }
    }
  }
}
