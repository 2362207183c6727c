// pgbench, PostgreSQL's own, against a real cluster: its initialisation in both ways, its three scripts in its three modes with several
// clients at once, on local tables and on tables distributed by branch; and what must hold afterwards: no sum of balances was lost or
// counted twice.
import Foundation
import Testing

private let hasPgbench = FileManager.default.isExecutableFile(atPath: "/usr/bin/pgbench")

@Suite(.serialized, .enabled(if: hasPgbench)) struct PgbenchTests {
  private static let clients = 4
  private static let transactions = 10

  private func pgbench(_ cluster: RunningCluster, _ arguments: [String]) throws -> (output: String, status: Int32) {
    let (process, input, output) = cluster.psqlProcess(["pgbench"] + arguments, coordinator: 1)
    try process.run()
    try input.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, process.terminationStatus)
  }
  /// Runs every script in every mode; tells how many transactions were tried again after 40001.
  private func runScripts(_ cluster: RunningCluster) throws {
    var expected = 0
    for script in ["tpcb-like", "simple-update", "select-only"] {
      for mode in ["simple", "extended", "prepared"] {
        let told = try pgbench(
          cluster,
          [
            "-n", "-b", script, "-M", mode, "-c", "\(Self.clients)", "-j", "2", "-t", "\(Self.transactions)", "--max-tries", "1000",
          ]
        )
        let all = Self.clients * Self.transactions
        #expect(told.status == 0, "\(script), \(mode): \(told.output)")
        #expect(told.output.contains("number of transactions actually processed: \(all)/\(all)"), "\(script), \(mode): \(told.output)")
        #expect(told.output.contains("number of failed transactions: 0 "), "\(script), \(mode): \(told.output)")
        if script != "select-only" { expected += all }
        let retries = told.output.split(separator: "\n").first { $0.contains("total number of retries") } ?? "no word of retries"
        print("pgbench \(script), \(mode): \(retries)")
      }
    }
    // What simple-update changes is the accounts alone: branches and tellers sum up what tpcb-like did.
    let sums = try cluster.ask(
      """
      SELECT count(*), sum(delta) = (SELECT sum(abalance) FROM pgbench_accounts),
       (SELECT sum(bbalance) FROM pgbench_branches) = (SELECT sum(tbalance) FROM pgbench_tellers) FROM pgbench_history
      """
    )
    #expect(sums == "\(expected)|t|t\n", "\(sums)")
  }

  @Test func localTablesInAllModes() throws {
    let cluster = try RunningCluster(workers: 2)
    // Rows made by the client and sent by COPY, then rows made by the server.
    for steps in ["dtgvp", "dtGvpf"] {
      let told = try pgbench(cluster, ["-i", "-s", "1", "-I", steps])
      #expect(told.status == 0 && told.output.contains("done in"), "\(steps): \(told.output)")
      #expect(
        try cluster.ask("SELECT count(*), count(DISTINCT aid), sum(abalance), min(bid), max(bid) FROM pgbench_accounts")
          == "100000|100000|0|1|1\n"
      )
      #expect(try cluster.ask("SELECT (SELECT count(*) FROM pgbench_tellers), count(*) FROM pgbench_branches") == "10|1\n")
    }
    try runScripts(cluster)
  }

  @Test func tablesDistributedByBranch() throws {
    let cluster = try RunningCluster(workers: 2)
    let made = try pgbench(cluster, ["-i", "-s", "2", "-I", "dt"])
    #expect(made.status == 0, "\(made.output)")
    for table in ["branches", "tellers", "accounts", "history"] {
      #expect(try cluster.psql(["-c", "SELECT create_distributed_table('pgbench_\(table)', 'bid', shard_count => 4)"]).status == 0)
    }
    let filled = try pgbench(cluster, ["-i", "-s", "2", "-I", "gv"])
    #expect(filled.status == 0, "\(filled.output)")
    // A distributed table's key holds the branch.
    for (table, key) in [("branches", "bid"), ("tellers", "bid, tid"), ("accounts", "bid, aid")] {
      #expect(try cluster.psql(["-c", "ALTER TABLE pgbench_\(table) ADD PRIMARY KEY (\(key))"]).output == "ALTER TABLE\n")
    }
    #expect(try cluster.ask("SELECT count(*), count(DISTINCT bid) FROM pgbench_accounts") == "200000|2\n")
    try runScripts(cluster)
  }
}
