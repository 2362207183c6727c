// All coordinators are lost for good: a catalog is made anew of what the workers keep, and nothing that was acknowledged is missing or
// counted twice. Of three coordinators two are lost: the third begins alone, and those two are not listened to when they come back.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct RecoverMetadataTests {
  private static let environment = ["TALLY_ALLOW_VOLATILE": "1"]

  private func recover(_ cluster: RunningCluster, workers: [Int], _ more: [String] = []) throws -> CommandLineTool.Outcome {
    let addresses = workers.map { "127.0.0.1:\(Int(cluster.portBase) + 99 + $0)" }.joined(separator: ",")
    return try CommandLineTool.run(
      "tally-coordinator",
      [
        "recover-metadata", "--name", "coordinator-1", "--data", cluster.directory + "/coordinator-1", "--listen",
        "127.0.0.1:\(cluster.portBase)", "--workers", addresses,
      ] + more,
      environment: Self.environment
    )
  }
  private func fill(_ cluster: RunningCluster) throws {
    try cluster.execute("CREATE TABLE searches (app_id bigint, ts timestamp, user_id bigint, query text)")
    try cluster.execute("SELECT create_distributed_table('searches', 'app_id', shard_count => 4)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW activity WITH (rollup, levels = '5 minutes, 1 day') AS
      SELECT app_id, time_bucket(ts) AS bucket, count(*) AS n FROM searches GROUP BY app_id, bucket
      """
    )
  }
  private func csv(_ rows: Range<Int>) -> String {
    "app_id,ts,user_id,query\n" + rows.map { "\($0 % 50),2026-01-0\($0 % 7 + 1) 10:00:00,\($0),q\($0 % 9)\n" }.joined()
  }
  private static let question = "SELECT (SELECT count(*) FROM searches), (SELECT sum(n) FROM activity)"
  private func counts(_ cluster: RunningCluster) throws -> [[String]] { try cluster.rows(Self.question) }
  /// Whether both come to that number within half a minute.
  private func soonCounts(_ cluster: RunningCluster, _ number: Int) throws -> Bool {
    try eventually(seconds: 30) {
      let asked = try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "--format", "csv", "-c", Self.question])
      return asked.status == 0 && parseCSV(asked.output).dropFirst() == [["\(number)", "\(number)"]]
    }
  }

  @Test(.timeLimit(.minutes(4))) func aCatalogIsMadeOfWhatTheWorkersKeep() throws {
    let cluster = try RunningCluster(workers: 2)
    let processes = try cluster.processes
    try fill(cluster)
    let file = cluster.directory + "/first.csv"
    try csv(0..<4000).write(toFile: file, atomically: true, encoding: .utf8)
    try cluster.ingest(file, "searches")
    try cluster.refresh("activity")
    #expect(try counts(cluster) == [["4000", "4000"]])
    // Copies are at most a quarter of a second behind.
    #expect(eventually(seconds: 10) { FileManager.default.fileExists(atPath: cluster.directory + "/worker-2/meta/catalog-copy") })
    let settled = Date().addingTimeInterval(1)
    #expect(eventually(seconds: 2) { Date() > settled })
    try processes.kill("coordinator-1")
    // One of them starts while there is none.
    try processes.kill("worker-2")
    _ = try processes.launch("worker-2")
    try processes.wipe("coordinator-1")
    let alone = try recover(cluster, workers: [1])
    #expect(alone.status == 1 && alone.output.contains("no answer from worker-2") && alone.output.contains("--accept-loss"), "\(alone)")
    // A third worker is named that is not there: the others answer all the same.
    let done = try recover(cluster, workers: [3, 1, 2])
    #expect(done.status == 0 && done.output.contains("generation 2 begins"), "\(done)")
    try processes.start("coordinator-1")
    #expect(try soonCounts(cluster, 4000))
    // The same load again completes itself; another one is taken.
    try cluster.ingest(file, "searches")
    let second = cluster.directory + "/second.csv"
    try csv(4000..<6000).write(toFile: second, atomically: true, encoding: .utf8)
    try cluster.ingest(second, "searches")
    try cluster.refresh("activity")
    #expect(try counts(cluster) == [["6000", "6000"]])
    try cluster.execute("CREATE TABLE later (id bigint)")
    try cluster.execute("INSERT INTO later VALUES (1)")
    try processes.restart("worker-1")
    try processes.restart("coordinator-1")
    #expect(try soonCounts(cluster, 6000))
    #expect(try cluster.rows("SELECT count(*) FROM later") == [["1"]])
  }

  @Test(.timeLimit(.minutes(4))) func theLostMajorityIsFenced() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    let processes = try cluster.processes
    try fill(cluster)
    let file = cluster.directory + "/first.csv"
    try csv(0..<1000).write(toFile: file, atomically: true, encoding: .utf8)
    try cluster.ingest(file, "searches")
    try cluster.refresh("activity")
    let settled = Date().addingTimeInterval(1)
    #expect(eventually(seconds: 2) { Date() > settled })
    try processes.kill(["coordinator-1", "coordinator-2", "coordinator-3"])
    let empty = try recover(cluster, workers: [1, 2])
    #expect(empty.status == 1 && empty.error.contains("belongs to coordinator"))
    let done = try recover(cluster, workers: [1, 2], ["--from-survivor"])
    #expect(done.status == 0 && done.output.contains("generation 2 begins"), "\(done)")
    try processes.start("coordinator-1")
    #expect(try soonCounts(cluster, 1000))
    // The other two come back, and could lead each other: no worker listens to them, and the cluster goes on.
    for name in ["coordinator-2", "coordinator-3"] { _ = try processes.launch(name) }
    let third = "tally://127.0.0.1:\(Int(cluster.portBase) + 20)/tally"
    #expect(
      try eventually(seconds: 30) {
        try CommandLineTool.run("tally", ["--url", third, "sql", "-c", "SELECT count(*) FROM searches"]).error.contains("generation")
      }
    )
    try csv(1000..<1500).write(toFile: file, atomically: true, encoding: .utf8)
    let first = "tally://127.0.0.1:\(cluster.portBase)/tally"
    try cluster.run(["--url", first, "ingest", file, "--table", "searches", "--source", "second"])
    #expect(try CommandLineTool.run("tally", ["--url", first, "sql", "-c", "SELECT count(*) FROM searches"]).output.contains("1500"))
    // Emptied, one of them joins what the cluster is now.
    try processes.kill("coordinator-2")
    try processes.wipe("coordinator-2")
    try processes.start("coordinator-2")
    let second = "tally://127.0.0.1:\(Int(cluster.portBase) + 10)/tally"
    #expect(
      try eventually(seconds: 30) {
        try CommandLineTool.run("tally", ["--url", second, "sql", "-c", "SELECT count(*) FROM searches"]).output.contains("1500")
      }
    )
  }
}
