// The last copy that counts is lost with its disk; the one that was left behind leads by order of an operator, and what is gone is said.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct ForcePrimaryTests {
  private func shard(_ cluster: RunningCluster) throws -> [String: String] {
    let rows = parseCSV(try cluster.run(["--url", cluster.url, "shard", "list", "--format", "csv"]))
    return Dictionary(zip(rows[0], rows[1])) { first, _ in first }
  }

  @Test(.timeLimit(.minutes(3))) func anOldCopyLeadsByOrderOnly() throws {
    let cluster = try RunningCluster(workers: 2)
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE events (tenant bigint, value bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 1)")
    try cluster.execute("INSERT INTO events VALUES (1, 1), (1, 2)")
    #expect(try eventually(seconds: 20) { try shard(cluster)["in_sync"] == "2" })
    let force = ["--url", cluster.url, "shard", "force-primary", "1", "--node"]
    #expect(try CommandLineTool.run("tally", force + ["worker-1", "--yes", "--reason", "x"]).error.contains("nothing has to be lost"))
    #expect(try CommandLineTool.run("tally", force + ["worker-9"]).error.contains("has no copy of shard 1"))
    // The first is left behind: the second takes a row alone.
    try processes.kill("worker-1")
    #expect(try eventually(seconds: 20) { try shard(cluster)["in_sync"] == "1" })
    try cluster.execute("INSERT INTO events VALUES (1, 3)")
    try processes.kill("worker-2")
    try processes.wipe("worker-2")
    try processes.start("worker-1")
    #expect(try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", "SELECT count(*) FROM events"]).status != 0)
    let asked = try CommandLineTool.run("tally", force + ["worker-1"])
    #expect(asked.status != 0 && asked.error.contains("55000") && asked.error.contains("loses entries") && asked.error.contains("--yes"))
    #expect(try CommandLineTool.run("tally", force + ["worker-1", "--yes"]).error.contains("a reason"))
    try cluster.run(force + ["worker-1", "--yes", "--reason", "the disk of worker-2 burnt"])
    #expect(try eventually(seconds: 20) { try shard(cluster)["primary"] == "worker-1" && shard(cluster)["state"] == "serving" })
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["2", "3"]])
    #expect(try cluster.run(["--url", cluster.url, "shard", "losses"]).contains("the disk of worker-2 burnt"))
    #expect(try CommandLineTool.run("tally", ["--url", cluster.url, "status"]).output.contains("loss in shard 1"))
    // The other joins with its empty disk, and gets the rows.
    try processes.start("worker-2")
    #expect(try eventually(seconds: 30) { try shard(cluster)["in_sync"] == "2" })
    try cluster.execute("INSERT INTO events VALUES (1, 4)")
    try processes.kill("worker-1")
    #expect(try eventually(seconds: 20) { try shard(cluster)["primary"] == "worker-2" })
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["3", "7"]])
  }

  /// The node that was given up comes back with its disk, whose files hold more than the log that leads now: nothing of it counts.
  @Test(.timeLimit(.minutes(3))) func whatWasGivenUpDoesNotComeBack() throws {
    let cluster = try RunningCluster(workers: 2)
    let processes = try cluster.processes
    try cluster.execute("CREATE TABLE events (tenant bigint, value bigint, note text)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 1)")
    try cluster.execute("INSERT INTO events VALUES (1, 1, ''), (1, 2, '')")
    #expect(try eventually(seconds: 20) { try shard(cluster)["in_sync"] == "2" })
    try processes.kill("worker-1")
    #expect(try eventually(seconds: 20) { try shard(cluster)["in_sync"] == "1" })
    // Many entries, in files: a start applies none of them again.
    for _ in 0..<30 { try cluster.execute("INSERT INTO events SELECT 1, 1000, md5(i::text) FROM generate_series(1, 5000) AS i") }
    let files = cluster.directory + "/worker-2/shards/1"
    #expect(
      try eventually(seconds: 30) { try FileManager.default.contentsOfDirectory(atPath: files).contains { $0.hasSuffix(".seg") } }
    )
    try processes.kill("worker-2")
    try processes.start("worker-1")
    try cluster.run(
      ["--url", cluster.url, "shard", "force-primary", "1", "--node", "worker-1", "--yes", "--reason", "worker-2 is not found"]
    )
    #expect(try eventually(seconds: 20) { try shard(cluster)["primary"] == "worker-1" && shard(cluster)["state"] == "serving" })
    try processes.start("worker-2")
    #expect(try eventually(seconds: 30) { try shard(cluster)["in_sync"] == "2" })
    for value in 4...9 { try cluster.execute("INSERT INTO events VALUES (1, \(value), '')") }
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["8", "42"]])
    try processes.kill("worker-1")
    #expect(try eventually(seconds: 20) { try shard(cluster)["primary"] == "worker-2" && shard(cluster)["state"] == "serving" })
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["8", "42"]])
  }
}
