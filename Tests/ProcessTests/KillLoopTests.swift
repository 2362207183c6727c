// Ingest with rollups running while workers, the coordinator and the loading tool itself are killed at random moments; at the
// end raw rows = rollup = what was sent, exactly.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct KillLoopTests {
  /// Rows of one file: tenant, ts, user, item, value. Times go over three days, a third of them late.
  private func file(_ number: Int, rows: Int) -> (text: String, sum: Int) {
    var random = SplitMix(seed: UInt64(number) &* 1_000_003 &+ 17)
    var text = "tenant,ts,user_id,item,value\n"
    var sum = 0
    for i in 0..<rows {
      let tenant = Int(random.next() % 97)
      let late = random.next() % 3 == 0 ? Int(random.next() % 172_800) : 0
      let second = max(0, 259_199 - late - (rows - i) % 3600)
      let (day, clock) = (second / 86400, second % 86400)
      let value = Int(random.next() % 1000)
      sum += value
      text += "\(tenant),2024-05-0\(day + 1) "
      for (at, part) in [clock / 3600, clock / 60 % 60, clock % 60].enumerated() {
        text += (at > 0 ? ":" : "") + (part < 10 ? "0" : "") + "\(part)"
      }
      text += ",\(random.next() % 5000),item \(random.next() % 300),\(value)\n"
    }
    return (text, sum)
  }

  @Test(.timeLimit(.minutes(10))) func nothingIsLostOrDoubledWhenNodesAreKilled() throws {
    let kills = Int(ProcessInfo.processInfo.environment["TALLY_KILLS"] ?? "") ?? 50
    let coordinators = Int(ProcessInfo.processInfo.environment["TALLY_COORDINATORS"] ?? "") ?? 1
    let cluster = try RunningCluster(workers: 2, coordinators: coordinators)
    try cluster.execute("CREATE TABLE events (tenant bigint, ts timestamp, user_id bigint, item text, value bigint)")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 6)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW activity WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
      SELECT tenant, time_bucket(ts) AS bucket, count(*) AS rows, sum(value) AS total,
        hll_add_agg(hll_hash_bigint(user_id)) AS users, topn_add_agg(item) AS items
      FROM events GROUP BY tenant, bucket
      """
    )
    let folder = cluster.directory + "-files"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { do { try FileManager.default.removeItem(atPath: folder) } catch { print("leaving \(folder): \(error)") } }

    var random = SplitMix(seed: 20_261_121)
    let processes = try cluster.processes
    let names = processes.layout.nodes.map(\.name)
    var (sent, sum, number, done) = (0, 0, 0, 0)
    var paths: [String] = []
    while done < kills {
      // One file at a time is loaded in the background while nodes die.
      let (text, total) = file(number, rows: 20_000)
      let path = folder + "/part-\(number).csv"
      try text.write(toFile: path, atomically: true, encoding: .utf8)
      paths.append(path)
      (sent, sum, number) = (sent + 20_000, sum + total, number + 1)
      let (tool, output, error) = try CommandLineTool.start(
        "tally",
        ["--url", cluster.url, "ingest", path, "--table", "events", "--json"]
      )
      for _ in 0..<2 where done < kills {
        let victim = names[Int(random.next() % UInt64(names.count))]
        pause(milliseconds: Int(random.next() % 120))
        try processes.kill(victim)
        pause(milliseconds: Int(random.next() % 60))
        try processes.start(victim)
        done += 1
      }
      let killsTool = random.next() % 5 == 0
      if killsTool { kill(tool.processIdentifier, SIGKILL) }
      let said = output.fileHandleForReading.readDataToEndOfFile() + error.fileHandleForReading.readDataToEndOfFile()
      tool.waitUntilExit()
      // A load that gives up must say what is stored; it is completed below. (2: it began while the coordinator was down.)
      if !killsTool {
        let text = String(decoding: said, as: UTF8.self)
        #expect([0, 2].contains(tool.terminationStatus) || text.contains("STORED:"), "load of \(path): \(text)")
      }
    }
    // Loading everything again completes what was cut off and doubles nothing.
    var accepted = 0
    for path in paths {
      let report = try cluster.ingest(path, "events")
      accepted += (report["rows_durable"] ?? 0) + (report["rows_duplicate"] ?? 0)
    }
    #expect(accepted == sent)
    try cluster.refresh("activity")
    #expect(try cluster.rows("SELECT count(*), sum(value) FROM events") == [["\(sent)", "\(sum)"]])
    for relation in ["activity", "activity_5min", "activity_1day", "activity_1month"] {
      #expect(try cluster.rows("SELECT sum(rows), sum(total) FROM \(relation)") == [["\(sent)", "\(sum)"]], "\(relation)")
    }
    let perTenant = "GROUP BY tenant ORDER BY tenant"
    #expect(
      try cluster.rows("SELECT tenant, count(*), sum(value) FROM events \(perTenant)")
        == cluster.rows("SELECT tenant, sum(rows), sum(total) FROM activity \(perTenant)")
    )
    #expect(
      try cluster.rows("SELECT tenant, hll_add_agg(hll_hash_bigint(user_id)) FROM events \(perTenant)")
        == cluster.rows("SELECT tenant, hll_union_agg(users) FROM activity_1day \(perTenant)")
    )
    print("kill loop: \(done) kills, \(sent) rows, seed 20261121")
  }
}

/// Lets the other processes go on for a while: here time passing is the point, not a condition to wait for.
private func pause(milliseconds: Int) {
  var time = timespec(tv_sec: milliseconds / 1000, tv_nsec: milliseconds % 1000 * 1_000_000)
  nanosleep(&time, nil)
}
