// The command line tool and the client library against a cluster of real processes: what they print, how they exit, what an error says,
// and the documented example.
import Foundation
import Launcher
import TallyClient
import Testing

@Suite(.serialized) struct ClientTests {
  /// A cluster with a table of 100 rows.
  private func cluster() throws -> RunningCluster {
    let cluster = try RunningCluster(workers: 2)
    try cluster.execute(
      "CREATE TABLE t (k bigint NOT NULL, name text, at timestamp, price numeric(8,2))"
    )
    try cluster.execute("SELECT create_distributed_table('t', 'k', shard_count => 4)")
    return cluster
  }
  private func outcome(
    _ cluster: RunningCluster,
    _ arguments: [String]
  ) throws -> CommandLineTool.Outcome {
    try CommandLineTool.run("tally", ["--url", cluster.url] + arguments)
  }
  private func write(_ text: String, _ name: String, _ cluster: RunningCluster) throws -> String {
    let path = cluster.directory + "-" + name
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    return path
  }
  private let file =
    "k,name,at,price\n"
    + (0..<100).map { "\($0),name \($0),2026-01-01 00:00:\($0 % 60),\($0).50\n" }.joined()

  @Test func theExampleRuns() async throws {
    let cluster = try RunningCluster(workers: 2)
    let process = Process()
    process.executableURL = URL(fileURLWithPath: CommandLineTool.directory + "/client-example")
    process.environment = ProcessInfo.processInfo.environment.merging(["TALLY_URL": cluster.url]) {
      $1
    }
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 0, "\(text)")
    for line in [
      "CREATE TABLE", "round 1: 3000 rows stored, 0 were there, 6 batches",
      "round 2: 0 rows stored, 3000 were there, 6 batches",
      "3000 rows, the last at 2026-01-07 23:26:39",
      "expected error 42703 at character 8: column \"nothing\" does not exist",
    ] { #expect(text.contains(line + "\n"), "\(line) is not in: \(text)") }
  }

  @Test func loadsAreExactlyOnceAndSayWhatIsStored() throws {
    let cluster = try cluster()
    let good = try write(file, "good.csv", cluster)
    defer { remove(good) }
    let first = try cluster.ingest(good, "t")
    #expect(
      first["rows_durable"] == 100 && first["rows_duplicate"] == 0 && first["rows_rejected"] == 0
    )
    #expect(first["files"] == 1 && first["bytes"] == file.utf8.count)
    let second = try cluster.ingest(good, "t")
    #expect(second["rows_durable"] == 0 && second["rows_duplicate"] == 100)
    let again = try cluster.ingest(good, "t", ["--again"])
    #expect(again["rows_durable"] == 100)
    let named = try cluster.ingest(good, "t", ["--source", "another name"])
    #expect(named["rows_durable"] == 100)
    #expect(try cluster.rows("SELECT count(*) FROM t") == [["300"]])
  }
  private func remove(_ path: String) {
    do { try FileManager.default.removeItem(atPath: path) } catch {
      print("leaving \(path): \(error)")
    }
  }

  @Test func aWrongRowStopsTheLoadOrIsRejected() throws {
    let cluster = try cluster()
    let bad = try write(file + "oops,x,2026-01-01,1\n7,y,2026-01-01,2\n", "bad.csv", cluster)
    let rejects = bad + ".rejects"
    defer { remove(bad) }
    let failed = try outcome(cluster, ["ingest", bad, "--table", "t", "--json"])
    #expect(failed.status == 1)
    for part in ["22P02", "line 102", "column k", "no row of the file was acknowledged"] {
      #expect(failed.error.contains(part), "\(part) is not in: \(failed.error)")
    }
    let object = try #require(
      try JSONSerialization.jsonObject(
        with: Data(failed.output.split(separator: "\n").last.map(String.init)?.utf8 ?? "".utf8)
      ) as? [String: Any]
    )
    #expect(object["rows_durable"] as? Int == 0 && object["complete"] as? Bool == false)
    let rest = try cluster.ingest(bad, "t", ["--reject", rejects])
    #expect(rest["rows_durable"] == 101 && rest["rows_rejected"] == 1)
    let rejected = parseCSV(try String(contentsOfFile: rejects, encoding: .utf8))
    remove(rejects)
    #expect(
      rejected == [
        ["line", "column", "sqlstate", "reason", "record"],
        [
          "102", "k", "22P02", "invalid input syntax for type bigint: \"oops\"",
          "oops,x,2026-01-01,1",
        ],
      ]
    )
  }

  @Test func resultsComeAsTableCSVOrJSON() throws {
    let cluster = try cluster()
    try cluster.execute(
      "INSERT INTO t VALUES (1, 'a,\"b\"', '2026-01-01', 1.5), (1, NULL, NULL, NULL)"
    )
    let query = ["-c", "SELECT name, k, price, at FROM t ORDER BY price"]
    let csv = try outcome(cluster, ["sql", "--format", "csv"] + query)
    #expect(csv.output == "name,k,price,at\n\"a,\"\"b\"\"\",1,1.50,2026-01-01 00:00:00\n,1,,\n")
    let json = try outcome(cluster, ["sql", "--format", "json"] + query)
    #expect(
      json.output
        == "{\"name\":\"a,\\\"b\\\"\",\"k\":1,\"price\":1.50,\"at\":\"2026-01-01 00:00:00\"}\n"
        + "{\"name\":null,\"k\":1,\"price\":null,\"at\":null}\n"
    )
    let table = try outcome(cluster, ["sql"] + query)
    #expect(
      table.output.contains("(2 rows)")
        && table.output.contains(" a,\"b\" | 1 |  1.50 | 2026-01-01 00:00:00")
    )
  }

  @Test func exitCodesTellWhatHappened() throws {
    let cluster = try cluster()
    let wrong = try outcome(cluster, ["sql", "-c", "SELECT nope FROM t"])
    #expect(
      wrong.status == 1 && wrong.error.contains("42703") && wrong.error.contains("POSITION:  8")
    )
    #expect(
      try CommandLineTool.run(
        "tally",
        ["--url", "tally://127.0.0.1:1/tally", "sql", "-c", "SELECT 1"]
      ).status == 2
    )
    #expect(
      try CommandLineTool.run("tally", ["--url", "nonsense", "sql", "-c", "SELECT 1"]).status == 2
    )
    #expect(try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "--no-such-option"]).status == 64)
    #expect(try outcome(cluster, ["status"]).status == 0)
    for list in ["node", "shard", "table", "rollup", "statement"] {
      #expect(try outcome(cluster, [list, "list"]).status == 0)
    }
    let missing = try outcome(cluster, ["ingest", "/nonexistent/file.csv", "--table", "t"])
    #expect(missing.status == 1 && missing.error.contains("58P01"))
    let noTable = try outcome(cluster, ["rollup", "refresh", "nope"])
    #expect(noTable.status == 1 && noTable.error.contains("42P01"))
  }
}
