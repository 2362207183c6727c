// Three coordinators, two workers, rows coming in: the leading coordinator is killed with SIGKILL again and again. DDL and queries go on
// within two seconds, ingest does not notice, and nothing is lost or doubled.
//
// TALLY_LEADER_KILLS sets the number of kills (default 10).
import Foundation
import Launcher
import Synchronization
import TallyClient
import Testing

@Suite(.serialized) struct LeaderLossTests {
  /// What the ingest saw.
  private final class Stream: Sendable {
    struct State {
      var rows = 0
      var longest = 0.0
      var longestBefore = 0.0
      var isDone = false
    }
    let state = Mutex(State())
  }
  /// Lets other processes and tasks go on for a while: here time passing is the point.
  private func pause(milliseconds: Int) {
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    nanosleep(&time, nil)
  }
  private func seconds(since start: ContinuousClock.Instant) -> Double { (ContinuousClock.now - start) / .seconds(1) }
  /// Repeats a request until it is answered; how long that took.
  private func time(_ client: TallyClient, _ sql: String) async throws -> Double {
    let start = ContinuousClock.now
    while true {
      do {
        _ = try await client.run(sql, deadline: .seconds(3))
        return seconds(since: start)
      } catch {
        guard seconds(since: start) < 15 else { throw error }
        pause(milliseconds: 5)
      }
    }
  }
  /// Name of the leader, once all coordinators are up.
  private func leader(_ client: TallyClient) async throws -> String {
    let start = ContinuousClock.now
    while true {
      do {
        let nodes = try await client.list(.nodes, deadline: .seconds(3)).textRows()
        let coordinators = nodes.filter { $0[1] == "coordinator" && $0[2] == "up" }
        if coordinators.count == 3, let leader = coordinators.first(where: { $0[11] == "leader" }) { return leader[0] ?? "" }
      } catch { if seconds(since: start) > 30 { throw error } }
      guard seconds(since: start) < 30 else { throw LaunchFailure("not all coordinators are up after 30 s") }
      pause(milliseconds: 20)
    }
  }

  @Test(.timeLimit(.minutes(10))) func aKilledLeaderIsReplacedWithinTwoSeconds() async throws {
    let kills = Int(ProcessInfo.processInfo.environment["TALLY_LEADER_KILLS"] ?? "") ?? 10
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE events (tenant bigint, value bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 4)")
    let stream = Stream()
    let (changes, queries) = try await TallyClient.with(cluster.url) { client in
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          _ = try await client.ingest(into: "events", batchRows: 100) { sink in
            var last = ContinuousClock.now
            while !stream.state.withLock({ $0.isDone }) {
              for row in 0..<100 { try await sink.append(Int64(row % 17), Int64(1)) }
              let stopped = self.seconds(since: last)
              stream.state.withLock { state in
                state.rows += 100
                state.longest = max(state.longest, stopped)
              }
              last = ContinuousClock.now
              self.pause(milliseconds: 5)
            }
          }
        }
        var (changes, queries): ([Double], [Double]) = ([], [])
        // How steady the ingest is without any fault, to compare with.
        self.pause(milliseconds: 3000)
        stream.state.withLock { ($0.longestBefore, $0.longest) = ($0.longest, 0) }
        for number in 0..<kills {
          let name = try await self.leader(client)
          try processes.kill(name)
          async let change = self.time(client, "CREATE TABLE IF NOT EXISTS probe_\(number) (a bigint)")
          async let query = self.time(client, "SELECT count(*) FROM events")
          changes.append(try await change)
          queries.append(try await query)
          try processes.start(name)
        }
        stream.state.withLock { $0.isDone = true }
        try await group.waitForAll()
        return (changes, queries)
      }
    }
    let (rows, longest, before) = stream.state.withLock { ($0.rows, $0.longest, $0.longestBefore) }
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["\(rows)", "\(rows)"]])
    let tables = try cluster.run(["table", "list", "--url", cluster.url, "--format", "csv"])
    for number in 0..<kills { #expect(tables.contains("probe_\(number),")) }
    func list(_ times: [Double]) -> String { times.sorted().map { String(format: "%.2f", $0) }.joined(separator: " ") }
    print("leader loss: \(kills) kills; DDL after \(list(changes)) s; query after \(list(queries)) s")
    print("ingest: \(rows) rows, longest stop \(String(format: "%.3f", longest)) s (\(String(format: "%.3f", before)) s before any kill)")
    #expect((changes + queries).allSatisfy { $0 <= 2 }, "leader loss took \(list(changes)) and \(list(queries)) s")
    #expect(longest < 1, "ingest stopped for \(longest) s")
  }
}
