// Every node of a cluster under load is told to end (SIGTERM) and started again, one after the other, with 192 shards of two copies on
// three workers: each hands over what it leads, within three seconds for 64 shards, and no batch is lost or doubled.
import Foundation
import Launcher
import Synchronization
import TallyClient
import Testing

@Suite(.serialized) struct RollingRestartTests {
  /// What the load did.
  private final class Stream: Sendable {
    struct State {
      var rows = 0
      var longest = 0.0
      var isDone = false
    }
    let state = Mutex(State())
  }
  private static let shards = 192
  /// Lets other processes and tasks go on for a while.
  private func pause(milliseconds: Int) {
    var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
    nanosleep(&time, nil)
  }
  private func seconds(since start: ContinuousClock.Instant) -> Double { (ContinuousClock.now - start) / .seconds(1) }
  /// The shards' primaries, with how many copies each has in sync; nil while no coordinator tells.
  private func primaries(_ client: TallyClient) async throws -> [(primary: String, inSync: Int)]? {
    do {
      let rows = try await client.list(.shards, deadline: .seconds(3))
      return try rows.map { (try $0.get(String.self, "primary"), try $0.get(Int.self, "in_sync")) }
    } catch let error as TallyError where error.isRetryable { return nil }
  }
  private func until(
    _ what: String,
    _ client: TallyClient,
    _ holds: ([(primary: String, inSync: Int)]) -> Bool
  ) async throws {
    let start = ContinuousClock.now
    while true {
      if let found = try await primaries(client), holds(found) { return }
      guard seconds(since: start) < 60 else { throw LaunchFailure("\(what): not within a minute") }
      pause(milliseconds: 20)
    }
  }

  @Test(.timeLimit(.minutes(10))) func aRollingRestartLosesNothing() async throws {
    let cluster = try RunningCluster(workers: 3, coordinators: 3, memory: "256MiB")
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE events (tenant bigint, value bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => \(Self.shards))")
    let stream = Stream()
    let (ends, led) = try await TallyClient.with(cluster.url) { client in
      try await self.until("two copies of each shard", client) { $0.count == Self.shards && $0.allSatisfy { $0.inSync == 2 } }
      return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask {
          _ = try await client.ingest(into: "events", batchRows: 500) { sink in
            var last = ContinuousClock.now
            var row: Int64 = 0
            while !stream.state.withLock({ $0.isDone }) {
              for _ in 0..<500 {
                try await sink.append(row % 257, Int64(1))
                row += 1
              }
              let stopped = self.seconds(since: last)
              stream.state.withLock { state in
                state.rows += 500
                state.longest = max(state.longest, stopped)
              }
              last = ContinuousClock.now
              self.pause(milliseconds: 5)
            }
          }
        }
        var (ends, led): ([Double], [Int]) = ([], [])
        for name in (1...3).map({ "worker-\($0)" }) + (1...3).map({ "coordinator-\($0)" }) {
          let mine = try await self.primaries(client)?.count { $0.primary == name } ?? 0
          let start = ContinuousClock.now
          try processes.stop(name)
          if name.hasPrefix("worker") {
            ends.append(self.seconds(since: start))
            led.append(mine)
            // It is gone: whatever it led is led by others already.
            if let now = try await self.primaries(client) { #expect(now.allSatisfy { $0.primary != name }) }
          }
          try processes.start(name)
          try await self.until("all copies after \(name)", client) { $0.allSatisfy { $0.inSync == 2 } }
        }
        stream.state.withLock { $0.isDone = true }
        try await group.waitForAll()
        return (ends, led)
      }
    }
    let (rows, longest) = stream.state.withLock { ($0.rows, $0.longest) }
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["\(rows)", "\(rows)"]])
    func list(_ times: [Double]) -> String { times.map { String(format: "%.2f", $0) }.joined(separator: " ") }
    print("rolling restart: workers that led \(led) shards ended after \(list(ends)) s; \(rows) rows, longest stop \(list([longest])) s")
    for (end, count) in zip(ends, led) {
      #expect(end <= 3 * max(1, Double(count) / 64), "ending took \(list(ends)) s with \(led) shards")
    }
    #expect(longest < 3, "ingest stopped for \(longest) s")
  }
}
