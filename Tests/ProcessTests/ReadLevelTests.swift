// ReadLevelTests.swift — `tally sql --read` on real processes: what each level answers while most of the coordinators are down.
import Foundation
import Launcher
import TallyClient
import Testing

@Suite(.serialized) struct ReadLevelTests {
  private func ask(_ cluster: RunningCluster, _ level: String, _ statements: [String]) throws -> CommandLineTool.Outcome {
    let texts = statements.flatMap { ["-c", $0] }
    return try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "--format", "csv", "--read", level] + texts)
  }
  /// The lines of an answer; nil when it failed.
  private func lines(_ cluster: RunningCluster, _ level: String, _ statements: [String]) throws -> [String]? {
    let outcome = try ask(cluster, level, statements)
    return outcome.status == 0 ? outcome.output.split(separator: "\n").map(String.init) : nil
  }

  @Test(.timeLimit(.minutes(3))) func copiesAnswerWhileMostCoordinatorsAreDown() async throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE events (tenant bigint, value bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 4)")
    let count = "SELECT count(*) FROM events"
    let insert = "INSERT INTO events VALUES " + (1...50).map { "(\($0), 1)" }.joined(separator: ", ")
    // One client is one session: it sees what it wrote, from whatever copy.
    #expect(try lines(cluster, "session", [insert, count]) == ["count", "50"])
    #expect(try eventually(seconds: 10) { try lines(cluster, "stale 5s", [count]) == ["count", "50"] })
    let stale = try ask(cluster, "stale(5 s)", [count])
    #expect(stale.error.contains("Age: at most "), "\(stale.error)")
    let plan = try ask(cluster, "stale 5s", ["EXPLAIN ANALYZE " + count]).output
    #expect(plan.contains("Read Level: stale 5s") && plan.contains("Age: at most "), "\(plan)")
    let wrong = try ask(cluster, "newest", [count])
    #expect(wrong.status == 1 && wrong.error.contains("\"newest\" is not a read level"), "\(wrong.error)")
    #expect(wrong.error.contains("stale 5s"), "the hint shows how: \(wrong.error)")

    for name in ["coordinator-2", "coordinator-3"] { try processes.kill(name) }
    #expect(try eventually(seconds: 10) { try lines(cluster, "session", [count]) == ["count", "50"] })
    #expect(try lines(cluster, "stale 1min", [count]) == ["count", "50"])
    let latest = try ask(cluster, "latest", [count])
    #expect(latest.status == 1 && latest.error.contains("most of the coordinators"), "\(latest.error)")
    #expect(latest.error.contains("--read session"), "\(latest.error)")
    // The library: rows that it ingests go to workers directly, and its session shows them. No worker is replaced meanwhile, though.
    for name in ["coordinator-2", "coordinator-3"] { try processes.start(name) }
    #expect(try eventually(seconds: 20) { try lines(cluster, "latest", [count]) == ["count", "50"] })
    let seen = try await TallyClient.with(cluster.url) { client in
      _ = try await client.ingest(into: "events", batchRows: 10) { sink in
        for row in 0..<50 { try await sink.append(Int64(row), Int64(2)) }
      }
      let rows = try await client.run(count, read: .session)
      return try rows[0].decode(Int64.self)
    }
    #expect(seen == [100])
  }
}
