// MoveTests.swift — tables whose rows move to other shards while clients write and read them, and while coordinators die: every row that
// was answered is there once, and every count that is asked for is one that there was.
import Foundation
import Launcher
import Testing

private let hasPsql = FileManager.default.isExecutableFile(atPath: "/usr/bin/psql")

@Suite(.serialized, .enabled(if: hasPsql)) struct MoveTests {
  /// Starts psql with statements; its output is read to the end.
  private func start(_ cluster: RunningCluster, _ script: String, coordinator: Int = 1) throws -> (Process, Pipe) {
    let (process, input, output) = cluster.psqlProcess(["psql", "-X", "-A", "-t"], coordinator: coordinator)
    try process.run()
    input.fileHandleForWriting.write(Data(script.utf8))
    try input.fileHandleForWriting.close()
    return (process, output)
  }
  private func leader(_ cluster: RunningCluster) throws -> String {
    var name = ""
    let isFound = try eventually(seconds: 30) {
      let outcome = try CommandLineTool.run("tally", ["--url", cluster.url, "node", "list", "--format", "csv"])
      let rows = parseCSV(outcome.output).filter { $0.count > 11 && $0[1] == "coordinator" }
      name = rows.first { $0[11] == "leader" }?[0] ?? ""
      return rows.count { $0[2] == "up" && $0[11] != "learner" } == 3 && !name.isEmpty
    }
    #expect(isFound)
    return name
  }
  private func succeeds(_ body: () throws -> Void) -> Bool {
    do {
      try body()
      return true
    } catch { return false }
  }
  private func end(_ run: (process: Process, output: Pipe)) -> [String] {
    let text = String(decoding: run.output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    run.process.waitUntilExit()
    return text.split(separator: "\n").map(String.init)
  }

  @Test func writersLoseNothingAndReadersSeeAllOfIt() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    for (table, columns) in [("ev", "app text, n bigint"), ("acc", "app text PRIMARY KEY, n bigint")] {
      try cluster.execute("CREATE TABLE \(table) (\(columns))")
      try cluster.execute("INSERT INTO \(table) SELECT 'k' || i, i FROM generate_series(1, 3000) i")
    }
    // Four that insert a row at a time into both tables, on all coordinators; two that count.
    let writers = try (0..<4).map { writer in
      let script = (0..<60).map { n in
        "INSERT INTO ev VALUES ('w\(writer)-\(n)', 1);\nINSERT INTO acc VALUES ('w\(writer)-\(n)', 1);\n"
          + "UPDATE acc SET n = n + 1 WHERE app = 'k\(writer * 60 + n + 1)';\n"
      }
      return try start(cluster, script.joined(), coordinator: writer % 3 + 1)
    }
    let readers = try (2...3).map { coordinator in
      try start(cluster, (0..<60).map { _ in "SELECT count(*) FROM ev;\nSELECT count(*) FROM acc;\n" }.joined(), coordinator: coordinator)
    }
    for table in ["ev", "acc"] {
      try cluster.execute("SELECT create_distributed_table('\(table)', 'app')")
      #expect(try cluster.rows("SELECT citus_table_type FROM citus_tables WHERE table_name = '\(table)'::regclass") == [["distributed"]])
    }
    try cluster.execute("SELECT undistribute_table('ev')")
    let written = writers.map { end($0) }
    // What is refused is refused with 40001's words; everything else took effect once.
    let told = written.joined()
    let done = told.count { $0 == "INSERT 0 1" }
    let updated = told.count { $0 == "UPDATE 1" }
    #expect(told.filter { $0.hasPrefix("ERROR") } == [])
    #expect(done == 480 && updated == 240)
    for reader in readers {
      let counts = end(reader).compactMap { Int($0) }
      #expect(counts.count == 120 && counts.allSatisfy { $0 >= 3000 })
      for table in [0, 1] {
        let own = counts.enumerated().filter { $0.offset % 2 == table }.map(\.element)
        #expect(own == own.sorted())
      }
    }
    #expect(try cluster.ask("SELECT count(*), count(DISTINCT app) FROM ev") == "3240|3240\n")
    #expect(try cluster.ask("SELECT count(*), count(DISTINCT app), sum(n) FROM acc") == "3240|3240|\(3000 * 3001 / 2 + 240 + 240)\n")
  }

  @Test func aCoordinatorThatDiesLeavesTheOldTableOrTheNew() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    for round in 0..<4 {
      let table = "t\(round)"
      try cluster.execute("CREATE TABLE \(table) (app text, n bigint)")
      for part in 0..<4 { try cluster.execute("INSERT INTO \(table) SELECT 'k' || i, \(part) FROM generate_series(1, 5000) i") }
      let leader = try leader(cluster)
      let other = leader == "coordinator-1" ? 2 : 1
      let move = try start(cluster, "SELECT create_distributed_table('\(table)', 'app');\n", coordinator: other)
      var pause = timespec(tv_sec: 0, tv_nsec: 25_000_000 * (round + 1))
      nanosleep(&pause, nil)
      try cluster.processes.kill(leader)
      _ = end(move)
      // Whatever became of it: all rows, once, and writing goes on.
      #expect(eventually(seconds: 30) { succeeds { try cluster.execute("INSERT INTO \(table) VALUES ('later', 1)") } })
      #expect(try cluster.ask("SELECT count(*) FROM \(table) WHERE app <> 'later'", coordinator: other) == "20000\n")
      try cluster.processes.start(leader)
      let kind = "SELECT citus_table_type FROM citus_tables WHERE table_name = '\(table)'::regclass"
      if try cluster.rows(kind).first != ["distributed"] {
        #expect(eventually(seconds: 30) { succeeds { try cluster.execute("SELECT create_distributed_table('\(table)', 'app')") } })
      }
      #expect(try cluster.rows(kind) == [["distributed"]])
      let counts = "SELECT count(*) FILTER (WHERE app <> 'later'), count(DISTINCT app) FROM \(table)"
      #expect(try cluster.ask(counts, coordinator: other) == "20000|5001\n")
    }
  }

  @Test func theMoveWaitsForTransactionsAndBatchesOfOldLoadsAreRefused() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.execute("CREATE TABLE ev (app text, n bigint)")
    let file = cluster.directory + "/ev.csv"
    try (["app,n\n"] + (1...500).map { "a\($0),\($0)\n" }).joined().write(toFile: file, atomically: true, encoding: .utf8)
    #expect(try cluster.ingest(file, "ev")["rows_durable"] == 500)
    let block = try OpenPsql(cluster)
    #expect(try block.run("BEGIN; INSERT INTO ev VALUES ('b', 1);").hasSuffix("INSERT 0 1\n"))
    #expect(try block.run("SELECT count(*) FROM ev;") == "501\n")
    let mover = try OpenPsql(cluster)
    let late = try mover.run("\\set VERBOSITY sqlstate\nSET lock_timeout = '300ms'; SELECT create_distributed_table('ev', 'app');")
    #expect(late.contains("SET"))
    // The table is let go again.
    #expect(try mover.run("INSERT INTO ev VALUES ('c', 1);") == "INSERT 0 1\n")
    let waiting = try start(cluster, "SELECT create_distributed_table('ev', 'app');\nSELECT count(*) FROM ev;\n")
    let fenced = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%create_distributed_table(''ev%'"
    #expect(try eventually(seconds: 8) { try mover.run(fenced + " AND pid <> pg_backend_pid();") == "1\n" })
    #expect(try block.run("COMMIT;") == "COMMIT\n")
    #expect(end(waiting).last == "502")
    // Loads that were begun before are not loaded again by mistake.
    let again = try CommandLineTool.run("tally", ["--url", cluster.url, "ingest", file, "--table", "ev"])
    #expect(again.status == 1 && again.error.contains("was begun before its table's rows were moved"), "\(again)")
    #expect(try cluster.ingest(file, "ev", ["--again"])["rows_durable"] == 500)
    #expect(try cluster.ask("SELECT count(*) FROM ev") == "1002\n")
  }
}
