// Statements over several shards on real processes: INSERT of many tenants, INSERT … SELECT, DELETE, TRUNCATE and loads that are stored
// whole or not at all, also when the loading tool, a worker or the coordinator is killed in between.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct StatementTests {
  private func cluster() throws -> RunningCluster {
    let cluster = try RunningCluster(workers: 2)
    try cluster.execute("CREATE TABLE e (tenant bigint, ts timestamp, id bigint, name varchar(8))")
    try cluster.execute("SELECT create_distributed_table('e', 'tenant', shard_count => 4)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW r WITH (rollup, levels = '5 minutes, 1 day') AS
      SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(id) AS total FROM e GROUP BY tenant, bucket
      """
    )
    return cluster
  }
  private func file(_ cluster: RunningCluster, _ name: String, rows: Int, tail: String = "") throws -> String {
    let path = cluster.directory + "-" + name
    let text = (0..<rows).map { "\($0 % 97),2026-02-0\(1 + $0 % 5) 00:00:00,\($0),n \($0 % 10)\n" }.joined()
    try ("tenant,ts,id,name\n" + text + tail).write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
  private let count = "SELECT count(*), sum(id) FROM e"
  private let rolled = "SELECT sum(n), sum(total) FROM r"

  @Test func insertsAndDeletesOverShardsTakeEffectWhole() throws {
    let cluster = try cluster()
    let values = (1...40).map { "(\($0), '2026-01-0\(1 + $0 % 9)', \($0), 'n \($0)')" }.joined(separator: ", ")
    #expect(try cluster.run(["--url", cluster.url, "sql", "-c", "INSERT INTO e VALUES \(values)"]).contains("INSERT 0 40"))
    #expect(try cluster.rows(count) == [["40", "820"]])
    try cluster.execute("INSERT INTO e (tenant, ts, id) SELECT tenant + 1000, ts, id FROM e WHERE id <= 20")
    #expect(try cluster.rows(count) == [["60", "1030"]] && cluster.rows(rolled) == [["60", "1030"]])
    // One wrong row, and none of them is there.
    let wrong = try CommandLineTool.run(
      "tally",
      ["--url", cluster.url, "sql", "-c", "INSERT INTO e (tenant, name) SELECT tenant, 'too long a name' FROM e"]
    )
    #expect(wrong.status == 1 && wrong.error.contains("22001"))
    #expect(try cluster.rows(count) == [["60", "1030"]])
    #expect(try cluster.run(["--url", cluster.url, "sql", "-c", "DELETE FROM e WHERE id > 10 AND tenant < 1000"]).contains("DELETE 30"))
    #expect(try cluster.rows(count) == [["30", "265"]] && cluster.rows(rolled) == [["60", "1030"]])
    #expect(try cluster.run(["--url", cluster.url, "sql", "-c", "DELETE FROM e WHERE tenant = 1"]).contains("DELETE 1"))
    // What was deleted stays so, over a restart too.
    try cluster.processes.kill("worker-1")
    try cluster.processes.kill("worker-2")
    try cluster.processes.start("worker-1")
    try cluster.processes.start("worker-2")
    #expect(try eventually(seconds: 30) { try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", count]).status == 0 })
    #expect(try cluster.rows(count) == [["29", "264"]] && cluster.rows(rolled) == [["60", "1030"]])
    try cluster.execute("TRUNCATE e")
    #expect(try cluster.rows("SELECT count(*) FROM e") == [["0"]] && cluster.rows(rolled) == [["60", "1030"]])
    try cluster.execute("INSERT INTO e VALUES (1, '2026-01-01', 7, NULL), (2, '2026-01-01', 8, NULL)")
    #expect(try cluster.rows(count) == [["2", "15"]])
    #expect(try cluster.rows("EXPLAIN INSERT INTO e SELECT * FROM e")[0][0].contains("all or nothing"))
  }

  @Test func aLoadIsStoredWholeOrNotAtAll() throws {
    let cluster = try cluster()
    let good = try file(cluster, "good.csv", rows: 60_000)
    let bad = try file(cluster, "bad.csv", rows: 300_000, tail: "oops,2026-01-01,1,x\n")
    let failed = try CommandLineTool.run("tally", ["--url", cluster.url, "ingest", bad, "--table", "e", "--atomic"])
    #expect(failed.status == 1 && failed.error.contains("line 300002") && failed.error.contains("no row of the file is stored"))
    #expect(try cluster.rows("SELECT count(*) FROM e") == [["0"]])
    #expect(try cluster.ingest(good, "e", ["--atomic"])["rows_durable"] == 60_000)
    #expect(try cluster.rows("SELECT count(*) FROM e") == [["60000"]])
    let again = try cluster.ingest(good, "e", ["--atomic"])
    #expect(again["rows_durable"] == 0 && again["rows_duplicate"] == 60_000)
    // The tool is killed while it stages: what it staged is gone within seconds.
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLineTool.directory + "/tally")
    process.arguments = ["--url", cluster.url, "ingest", bad, "--table", "e", "--atomic", "--source", "killed"]
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    #expect(
      try eventually(seconds: 30) { try cluster.run(["--url", cluster.url, "statement", "list"]).contains(" open ") || !process.isRunning }
    )
    if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    process.waitUntilExit()
    #expect(try eventually(seconds: 30) { try cluster.run(["--url", cluster.url, "statement", "list"]).contains("(0 rows)") })
    #expect(try cluster.rows("SELECT count(*) FROM e") == [["60000"]] && cluster.rows("SELECT sum(n) FROM r") == [["60000"]])
    for path in [good, bad] { try FileManager.default.removeItem(atPath: path) }
  }
}
