// PostgreSQL's clients against real coordinators: psql sessions with golden answers (Postgres/session.sql, .out), drivers from PyPI
// (Postgres/drivers.py), cancel requests, a coordinator that is killed or told to end, followers that write and define.
//
// Drivers come from the Python named by TALLY_PYTHON, python3 by default; one that is not installed is left out, and said so.
// TALLY_WRITE_GOLDEN=1 writes the golden answers anew.
import Foundation
import Launcher
import Testing

private let hasPsql = FileManager.default.isExecutableFile(atPath: "/usr/bin/psql")
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Postgres/"

extension RunningCluster {
  /// Port of a coordinator's SQL, from 1.
  func sqlPort(_ coordinator: Int) -> UInt16 { portBase + 31 + UInt16(coordinator) }
  func psqlProcess(_ arguments: [String], coordinator: Int) -> (Process, input: Pipe, output: Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments =
      [
        "PGHOST=127.0.0.1", "PGPORT=\(sqlPort(coordinator))", "PGUSER=app", "PGDATABASE=tally", "PGCONNECT_TIMEOUT=10", "LC_ALL=C.UTF-8",
      ] + arguments
    let (input, output) = (Pipe(), Pipe())
    process.standardInput = input
    process.standardOutput = output
    process.standardError = output
    return (process, input, output)
  }
  /// Runs psql; output and errors together, as they came.
  func psql(_ arguments: [String], coordinator: Int = 1, input: String = "") throws -> (output: String, status: Int32) {
    let (process, stdin, output) = psqlProcess(["psql", "-X"] + arguments, coordinator: coordinator)
    try process.run()
    stdin.fileHandleForWriting.write(Data(input.utf8))
    try stdin.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (text, process.terminationStatus)
  }
  /// The rows of a query, `|` between columns.
  func ask(_ sql: String, coordinator: Int = 1) throws -> String {
    try psql(["-q", "-A", "-t", "-c", sql], coordinator: coordinator).output
  }
  func table(_ name: String, _ columns: String) throws {
    try execute("CREATE TABLE \(name) (\(columns))")
    try execute("SELECT create_distributed_table('\(name)', 'app', shard_count => 4)")
  }
}

@Suite(.serialized, .enabled(if: hasPsql)) struct PostgresTests {
  @Test func sessionsOfPsqlPrintWhatTheyShould() throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.table("ev", "app text, ts timestamptz, n bigint")
    let script = try String(contentsOfFile: fixtures + "session.sql", encoding: .utf8)
    let (output, _) = try cluster.psql(["-e"], input: script)
    if ProcessInfo.processInfo.environment["TALLY_WRITE_GOLDEN"] == "1" {
      try output.write(toFile: fixtures + "session.out", atomically: true, encoding: .utf8)
    }
    let golden = try String(contentsOfFile: fixtures + "session.out", encoding: .utf8)
    for (at, (got, wanted)) in zip(output.split(separator: "\n"), golden.split(separator: "\n")).enumerated() where got != wanted {
      Issue.record("line \(at + 1): got \"\(got)\", expected \"\(wanted)\"")
      break
    }
    #expect(output.count == golden.count)
    let stopped = try cluster.psql(["-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-f", fixtures + "stop.sql"])
    #expect(stopped.status == 3 && stopped.output.hasPrefix("1\n") && !stopped.output.hasSuffix("2\n"))
    let missing = try cluster.psql(["-d", "other", "-c", "SELECT 1"])
    #expect(missing.status == 2 && missing.output.contains("FATAL:  database \"other\" does not exist"))
    // A key counts once, also from another session.
    let now = UInt64(Date().timeIntervalSince1970 * 1000)
    let key = String(format: "%08x-%04x-7abc-8000-000000000001", UInt32(now >> 16), UInt32(now & 0xffff))
    for _ in 0..<2 { _ = try cluster.psql(["-c", "SET tally.batch_key = '\(key)'", "-c", "INSERT INTO ev VALUES ('k', NULL, 1)"]) }
    #expect(try cluster.ask("SELECT count(*) FROM ev WHERE app = 'k'") == "1\n")
  }

  /// The .out files are PostgreSQL's own answers: keys and changes of rows; definitions; references, comments and definitions in
  /// transactions; plans that are kept while others change what they depend on; read-only transactions; places of errors, digits of floats,
  /// COPY of changes.
  @Test(arguments: ["keyed", "definitions", "related", "plans", "modes", "corners"]) func scriptsAnswerAsPostgresDoes(_ name: String) throws
  {
    let cluster = try RunningCluster(workers: 2)
    let script = try String(contentsOfFile: fixtures + "\(name).sql", encoding: .utf8)
    let (output, _) = try cluster.psql([], input: script)
    let golden = try String(contentsOfFile: fixtures + "\(name).out", encoding: .utf8)
    let (got, wanted) = (output.split(separator: "\n"), golden.split(separator: "\n"))
    for (at, (line, expected)) in zip(got, wanted).enumerated() where line != expected {
      Issue.record("line \(at + 1): got \"\(line)\", expected \"\(expected)\", after \"\(at > 0 ? got[at - 1] : "")\"")
      break
    }
    #expect(got.count == wanted.count)
    guard name == "plans" else { return }
    // They were kept, and told so: what has no values to choose by, what has, and what is a session's own.
    let kept = try cluster.ask(
      "SELECT plan, generic_plans > 0 FROM tally_plans WHERE statement LIKE 'SELECT note FROM ev WHERE app = $1 AND%' ORDER BY 2"
    )
    #expect(kept.contains("generic|t"), "\(kept)")
    #expect(
      try cluster.ask("SELECT DISTINCT plan, generic_plans FROM tally_plans WHERE statement = 'SELECT nextval(''s'')'") == "custom|0\n"
    )
  }

  @Test(arguments: ["psycopg2", "psycopg", "asyncpg", "pg8000"]) func driversWork(driver: String) throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.table("drv", "app text NOT NULL, ts timestamptz, n bigint")
    try cluster.table("drv2", "app text, n bigint")
    let python = ProcessInfo.processInfo.environment["TALLY_PYTHON"] ?? "python3"
    let (process, input, output) = cluster.psqlProcess(
      [python, fixtures + "drivers.py", driver, "127.0.0.1", "\(cluster.sqlPort(1))"],
      coordinator: 1
    )
    try process.run()
    try input.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationStatus == 77 { return print("\(driver) is left out: \(text)") }
    #expect(process.terminationStatus == 0, "\(text)")
  }

  @Test func anyCoordinatorReadsWritesAndDefines() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    for coordinator in 1...3 {
      let name = "made\(coordinator)"
      // DDL and a function that changes the catalog, through whoever leads.
      let made = try cluster.psql(
        [
          "-q", "-A", "-t", "-c", "CREATE TABLE \(name) (app text, n bigint)", "-c",
          "SELECT create_distributed_table('\(name)', 'app', shard_count => 4)",
        ],
        coordinator: coordinator
      )
      #expect(made.status == 0 && made.output == "\n", "\(made.output)")
      // What one acknowledged all others show.
      for other in 1...3 {
        let rows = (0..<20).map { "('\($0)', \($0))" }.joined(separator: ", ")
        #expect(try cluster.psql(["-c", "INSERT INTO \(name) VALUES \(rows)"], coordinator: other).output == "INSERT 0 20\n")
        #expect(try cluster.psql(["-c", "INSERT INTO \(name) VALUES ('x', 1)"], coordinator: other).output == "INSERT 0 1\n")
        for reader in 1...3 { #expect(try cluster.ask("SELECT count(*) FROM \(name)", coordinator: reader) == "\(other * 21)\n") }
      }
      let block = "BEGIN; INSERT INTO \(name) VALUES ('y', 5); INSERT INTO made1 VALUES ('y', 5), ('z', 6); COMMIT"
      #expect(try cluster.psql(["-q"], coordinator: coordinator, input: block + ";\n").output.isEmpty)
      #expect(try cluster.psql(["-c", "DELETE FROM \(name) WHERE app = 'x'"], coordinator: coordinator).output == "DELETE 3\n")
      // What the session set holds for what the leader does.
      let counted = try cluster.psql(
        [
          "-q", "-A", "-t", "-c", "SET citus.shard_count = 3", "-c", "CREATE TABLE few\(coordinator) (app text)", "-c",
          "SELECT create_distributed_table('few\(coordinator)', 'app', colocate_with => 'none')", "-c",
          "SELECT shard_count FROM citus_tables WHERE table_name = 'few\(coordinator)'::regclass",
        ],
        coordinator: coordinator
      )
      #expect(counted.output == "\n3\n", "\(counted.output)")
      // An error of the leader keeps its place in the text.
      let refused = try cluster.psql(["-c", "SELECT create_distributed_table('\(name)', 'app')"], coordinator: coordinator)
      #expect(refused.status == 1 && refused.output.contains("ERROR:"))
    }
    #expect(try cluster.ask("SELECT count(*) FROM made1 WHERE app IN ('y', 'z') AND n > 4", coordinator: 2) == "7\n")
    // The others go on when one is killed, whichever leads.
    try cluster.processes.kill("coordinator-1")
    for coordinator in 2...3 {
      #expect(
        try eventually(seconds: 20) {
          try cluster.psql(["-c", "INSERT INTO made2 VALUES ('after', \(coordinator))"], coordinator: coordinator).output == "INSERT 0 1\n"
        }
      )
      #expect(try cluster.psql(["-c", "CREATE TABLE late\(coordinator) (a text)"], coordinator: coordinator).output == "CREATE TABLE\n")
    }
    #expect(try cluster.ask("SELECT count(*) FROM made2 WHERE app = 'after'", coordinator: 3) == "2\n")
  }

  @Test func aCancelledStatementEndsWithinASecondAndAnEndedCoordinatorSaysSo() throws {
    // One worker: no other copy answers for it.
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("ev", "app text, n bigint")
    try cluster.execute("INSERT INTO ev VALUES ('a', 1), ('b', 2), ('c', 3), ('d', 4)")
    // Threads of Swift's pool block signals, and children inherit that: SIGINT would not reach psql.
    let unblock = "POSIX::sigprocmask(POSIX::SIG_UNBLOCK(), POSIX::SigSet->new(POSIX::SIGINT())); exec @ARGV"
    var (psql, stdin, told) = cluster.psqlProcess(["perl", "-MPOSIX", "-e", unblock, "psql", "-X", "-A", "-t"], coordinator: 1)
    var seen = ""
    func say(_ text: String, until mark: String) {
      stdin.fileHandleForWriting.write(Data((text + "\n").utf8))
      while !seen.contains(mark) {
        let more = told.fileHandleForReading.availableData
        guard !more.isEmpty else { return }
        seen += String(decoding: more, as: UTF8.self)
      }
    }
    func pause(milliseconds: Int) {
      var time = timespec(tv_sec: 0, tv_nsec: milliseconds * 1_000_000)
      nanosleep(&time, nil)
    }
    try psql.run()
    say("SELECT 'here'; SET statement_timeout = 300;", until: "SET")
    // A stopped worker answers nothing: what waits for it is ended by its time limit, and by a cancel request (SIGINT makes psql send one).
    try cluster.processes.signal("worker-1", SIGSTOP)
    say("SELECT count(*) FROM ev;", until: "ERROR")
    #expect(seen.contains("ERROR:  canceling statement due to statement timeout"), "\(seen)")
    try cluster.processes.signal("worker-1", SIGCONT)
    seen = ""
    say("RESET statement_timeout; SELECT 'again ' || count(*) FROM ev;", until: "again 4")
    try cluster.processes.signal("worker-1", SIGSTOP)
    stdin.fileHandleForWriting.write(Data("SELECT count(*) FROM ev;\n".utf8))
    pause(milliseconds: 200)
    let started = Date()
    kill(psql.processIdentifier, SIGINT)
    // It ends by it, as scripts do.
    seen += String(decoding: told.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(seen.contains("ERROR:  canceling statement due to user request"), "\(seen)")
    #expect(Date().timeIntervalSince(started) < 1)
    try cluster.processes.signal("worker-1", SIGCONT)

    (psql, stdin, told) = cluster.psqlProcess(["psql", "-X", "-A", "-t"], coordinator: 1)
    try psql.run()
    say("SELECT 'idle';", until: "idle")
    try cluster.processes.stop("coordinator-1")
    stdin.fileHandleForWriting.write(Data("SELECT 'gone';\n".utf8))
    try stdin.fileHandleForWriting.close()
    seen += String(decoding: told.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    psql.waitUntilExit()
    #expect(seen.contains("FATAL:  terminating connection due to administrator command"), "\(seen)")
    // Its rows are there when it is.
    try cluster.processes.start("coordinator-1")
    #expect(try eventually(seconds: 20) { try cluster.ask("SELECT count(*) FROM ev") == "4\n" })
  }

  @Test func passwordsAreAskedForWhereThereIsAFileOfThem() throws {
    let file = NSTemporaryDirectory() + "tally-passwords-\(getpid())"
    defer { unlink(file) }
    func put(_ user: String, _ password: String) throws {
      let process = Process()
      process.executableURL = URL(fileURLWithPath: CommandLineTool.directory + "/tally")
      process.arguments = ["password", user, "--file", file]
      let input = Pipe()
      process.standardInput = input
      try process.run()
      input.fileHandleForWriting.write(Data((password + "\n").utf8))
      try input.fileHandleForWriting.close()
      process.waitUntilExit()
      #expect(process.terminationStatus == 0)
    }
    try put("app", "first")
    let cluster = try RunningCluster(workers: 1, settings: ["TALLY_PASSWORDS": file])
    func login(_ user: String, _ password: String) throws -> String {
      try cluster.psql(["-w", "-A", "-t", "-c", "SELECT 1", "user=\(user) password=\(password) dbname=tally"]).output
    }
    #expect(try login("app", "first") == "1\n")
    #expect(try login("app", "second").contains("password authentication failed for user \"app\""))
    #expect(try login("other", "first").contains("password authentication failed for user \"other\""))
    try put("app", "second")
    try put("other", "third")
    #expect(try login("app", "second") == "1\n")
    #expect(try login("other", "third") == "1\n")
    #expect(try login("app", "first").contains("password authentication failed"))
  }
}
