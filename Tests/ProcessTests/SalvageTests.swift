// A worker whose journal rotted, and its only copy with it: an operator sees what that costs, gives it up, and the shard serves again.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct SalvageTests {
  /// Flips a bit in the journal of a worker where a text stands; whether it was found.
  private func rot(_ directory: String, at text: String) throws -> Bool {
    for name in try FileManager.default.contentsOfDirectory(atPath: directory + "/wal").sorted() {
      let path = directory + "/wal/" + name
      var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      guard let place = bytes.range(of: Data(text.utf8)) else { continue }
      bytes[place.lowerBound] ^= 1
      try bytes.write(to: URL(fileURLWithPath: path))
      return true
    }
    return false
  }

  @Test(.timeLimit(.minutes(3))) func whatCannotBeReadIsGivenUpByOrderOnly() throws {
    let cluster = try RunningCluster(workers: 1)
    let processes = try cluster.processes
    let directory = cluster.directory + "/worker-1"
    try cluster.execute("CREATE TABLE events (tenant bigint, ts timestamptz, label text)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 1)")
    try cluster.execute("INSERT INTO events VALUES (1, '2026-01-01', 'first'), (2, '2026-01-02', 'second')")
    try cluster.execute("INSERT INTO events VALUES (3, '2026-01-03', 'the zebra that rots')")
    try cluster.execute("INSERT INTO events VALUES (4, '2026-01-04', 'last')")
    #expect(try CommandLineTool.run("tally", ["salvage", directory]).status == 78)
    try processes.kill("worker-1")
    #expect(try cluster.run(["salvage", directory]).contains("sound, nothing to give up"))
    #expect(try rot(directory, at: "the zebra that rots"))
    try processes.start("worker-1")
    let refused = try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", "SELECT count(*) FROM events"])
    #expect(refused.status != 0 && refused.error.contains("tally salvage"))
    try processes.kill("worker-1")
    let cost = try cluster.run(["salvage", directory], expect: 1)
    #expect(cost.contains("of events: 1 rows, times 2026-01-04 00:00:00+00 to 2026-01-04 00:00:00+00, tenants 4"))
    #expect(cost.contains("lost, cannot be read: entry") && cost.contains("nothing was changed"))
    #expect(try CommandLineTool.run("tally", ["salvage", directory, "--shard", "9"]).error.contains("42704"))
    #expect(try CommandLineTool.run("tally", ["salvage", directory, "--shard", "1", "--accept-loss"]).status == 64)
    #expect(try CommandLineTool.run("tally", ["salvage", cluster.directory + "/coordinator-1"]).status == 78)
    let done = try cluster.run(["salvage", directory, "--shard", "1", "--accept-loss", "--reason", "the disk rots"])
    #expect(done.contains("given up: log entries"))
    try processes.start("worker-1")
    #expect(try cluster.rows("SELECT tenant, label FROM events ORDER BY 1") == [["1", "first"], ["2", "second"]])
    try cluster.execute("INSERT INTO events VALUES (5, '2026-01-05', 'goes on')")
    try processes.restart("worker-1")
    #expect(try cluster.rows("SELECT count(*) FROM events") == [["3"]])
    let losses = try cluster.run(["--url", cluster.url, "shard", "losses", "--format", "csv"])
    #expect(parseCSV(losses).count == 2 && losses.contains("the disk rots") && losses.contains("1 rows of events in batch entries"))
    #expect(try CommandLineTool.run("tally", ["--url", cluster.url, "status"]).output.contains("loss in shard 1"))
    #expect(try cluster.rows("SELECT shard, reason FROM tally_losses") == [["1", "the disk rots"]])
  }
}
