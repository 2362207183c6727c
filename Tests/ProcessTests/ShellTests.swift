// ShellTests.swift — `tally sql` on a real cluster without -c: scripts on standard input and from files, and a terminal that is typed at.
import Foundation
import Launcher
import Testing

private let hasScript = FileManager.default.isExecutableFile(atPath: "/usr/bin/script")

@Suite(.serialized) struct ShellTests {
  private func cluster() throws -> RunningCluster {
    let cluster = try RunningCluster(workers: 1)
    try cluster.execute("CREATE TABLE t (k bigint NOT NULL, at timestamptz, price numeric(8,2) DEFAULT 7, props jsonb)")
    try cluster.execute("SELECT create_distributed_table('t', 'k', shard_count => 2)")
    return cluster
  }
  private func feed(_ cluster: RunningCluster, _ text: String, _ options: [String] = []) throws -> CommandLineTool.Outcome {
    let path = cluster.directory + "-script.sql"
    try text.write(toFile: path, atomically: true, encoding: .utf8)
    defer { do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path) is left behind") } }
    let command = (["tally", "--url", cluster.url, "sql"] + options).map { "'\($0)'" }.joined(separator: " ")
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", "PATH='\(CommandLineTool.directory)':$PATH; \(command) < '\(path)'"]
    let (output, error) = (Pipe(), Pipe())
    (process.standardOutput, process.standardError) = (output, error)
    try process.run()
    let out = output.fileHandleForReading.readDataToEndOfFile()
    let err = error.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return CommandLineTool.Outcome(
      status: process.terminationStatus,
      output: String(decoding: out, as: UTF8.self),
      error: String(decoding: err, as: UTF8.self)
    )
  }

  @Test func scriptsComeOnStandardInput() throws {
    let cluster = try cluster()
    let script = """
      -- a comment; with a semicolon
      INSERT INTO t VALUES (1, '2024-07-01 12:00:00+00', 1.5, '{"a": ";"}'),
        (2, NULL, NULL, NULL);
      SELECT k, price FROM t ORDER BY k; SELECT 'a;b' AS text;
      \\x
      SELECT k, at FROM t WHERE k = 1;
      """
    let good = try feed(cluster, script)
    #expect(good.status == 0, "\(good)")
    #expect(
      good.output == """
        INSERT 0 2
         k | price
        ---+-------
         1 |  1.50
         2 |
        (2 rows)
         text
        ------
         a;b
        (1 row)
        Expanded display is on.
        -[ RECORD 1 ]--------------
        k  | 1
        at | 2024-07-01 12:00:00+00

        """
    )
    let zoned = try feed(cluster, "SELECT at, at::date AS day FROM t WHERE k = 1;", ["--time-zone", "Asia/Kathmandu", "--format", "csv"])
    #expect(zoned.output == "at,day\n2024-07-01 17:45:00+05:45,2024-07-01\n")
    // The first error ends it, unless told otherwise; its place is shown.
    let wrong = "SELECT 1 AS one;\nSELECT k,\n  nope FROM t;\nSELECT 2 AS two;\n"
    let stopped = try feed(cluster, wrong, ["--format", "csv"])
    #expect(stopped.status == 1 && stopped.output == "one\n1\n", "\(stopped)")
    #expect(
      stopped.error.contains("ERROR:  42703: column \"nope\" does not exist\nLINE 2:   nope FROM t;\n          ^\n"),
      "\(stopped.error)"
    )
    let went = try feed(cluster, wrong, ["--format", "csv", "--continue"])
    #expect(went.status == 1 && went.output == "one\n1\ntwo\n2\n")
    // Parameters, and what describes.
    let parameters = ["--param", "1", "--param", "2024-07-01", "--format", "csv"]
    let found = try feed(cluster, "SELECT count(*) FROM t WHERE k = $1 AND at > $2;", parameters)
    #expect(found.output == "count\n1\n", "\(found)")
    let described = try feed(cluster, "\\d t\n\\dt\n\\l\n\\d nothing\n")
    #expect(described.output.contains("\"public.t\"") && described.output.contains(" price  | numeric(8,2)"), "\(described)")
    #expect(described.output.contains("Distributed by \"k\" over 2 shards") && described.output.contains("List of relations"))
    #expect(described.status == 1 && described.error.contains("42P01"), "\(described)")
  }

  @Test func linesOfJSONAreLoadedOnce() throws {
    let cluster = try cluster()
    let path = cluster.directory + "-rows.ndjson"
    let lines = (0..<1000).map { "{\"props\": {\"n\": \($0)}, \"k\": \($0), \"at\": \"2026-01-01 00:00:\($0 % 60)Z\", \"x\": 1}" }
    try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
    defer { do { try FileManager.default.removeItem(atPath: path) } catch { print("\(path) is left behind") } }
    let arguments = ["--url", cluster.url, "ingest", path, "--table", "t"]
    let refused = try CommandLineTool.run("tally", arguments)
    #expect(refused.status == 1 && refused.error.contains("42703") && refused.error.contains("line 1"), "\(refused)")
    #expect(try CommandLineTool.run("tally", arguments + ["--ignore-unknown", "--again"]).status == 0)
    let again = try CommandLineTool.run("tally", arguments + ["--ignore-unknown"])
    #expect(again.output.contains("0 rows stored, 1000 were stored before"), "\(again)")
    #expect(
      try cluster.rows("SELECT count(*), sum((props->>'n')::int), sum(price), count(at) FROM t") == [["1000", "499500", "7000.00", "1000"]]
    )
  }

  @Test func volatileFunctionsGiveAnotherValueForEachRow() throws {
    let cluster = try cluster()
    func rows(_ sql: String) throws -> [[String]] { try cluster.rows(sql) }
    let uniform =
      "SELECT count(DISTINCT r), min(r) >= 0 AND max(r) < 1 AND avg(r) BETWEEN 0.3 AND 0.7 FROM (SELECT random() AS r FROM generate_series(1, 1000)) s"
    #expect(try rows(uniform) == [["1000", "t"]])
    // One value is one value wherever it is used.
    let same = "SELECT count(*) FROM (SELECT r AS a, r AS b FROM (SELECT random() AS r FROM generate_series(1, 100)) x) y WHERE a = b"
    #expect(try rows(same) == [["100"]])
    try cluster.execute("INSERT INTO t (k, props) VALUES (1, to_jsonb(gen_random_uuid()::text)), (2, to_jsonb(gen_random_uuid()::text))")
    #expect(try rows("SELECT count(DISTINCT props), min(length(props #>> '{}')) FROM t") == [["2", "36"]])
    #expect(
      try rows("SELECT count(*) FROM t WHERE random() < 2") == [["2"]] && rows("SELECT count(*) FROM t WHERE random() > 2") == [["0"]]
    )
    #expect(try rows("SELECT clock_timestamp() >= now()") == [["t"]])
    try cluster.execute("CREATE TABLE u (k bigint, r float8 DEFAULT random())")
    try cluster.execute("INSERT INTO u (k) SELECT i FROM generate_series(1, 100) i")
    #expect(try rows("SELECT count(DISTINCT r) FROM u") == [["100"]])
    for wrong in ["DELETE FROM t WHERE random() > 2", "SELECT setseed(0.5)"] {
      let outcome = try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", wrong])
      #expect(outcome.status == 1 && outcome.error.contains("0A000"), "\(wrong): \(outcome)")
    }
    #expect(try rows("SELECT count(*) FROM t") == [["2"]])
  }

  @Test(.enabled(if: hasScript)) func aTerminalIsTypedAt() throws {
    let cluster = try cluster()
    let terminal = try TypedTerminal("tally", ["--url", cluster.url, "sql"], home: cluster.directory + "-home")
    defer { terminal.end() }
    try terminal.expect("tally=> ")
    try terminal.type("SELECT 40 +\r")
    try terminal.expect("tally-> ")
    // Typed wrong and put right: Ctrl-A, Delete, then the end.
    try terminal.type("92 AS answer\u{1}\u{1b}[3~\u{5};\r")
    try terminal.expect("     42\r\n(1 row)")
    try terminal.expect("tally=> ")
    // The line before comes back.
    try terminal.type("SELECT 'first';\r")
    try terminal.expect("(1 row)")
    try terminal.expect("tally=> ")
    try terminal.type("\u{1b}[A\u{2}\u{2}\u{17}'second\u{5}\r")
    try terminal.expect(" second")
    try terminal.expect("(1 row)")
    try terminal.expect("tally=> ")
    // A line that is given up, and a statement that is.
    try terminal.type("SELECT nonsense\u{3}")
    try terminal.expect("^C")
    try terminal.expect("tally=> ")
    try terminal.type("\\timing\r")
    try terminal.expect("Timing is on.")
    try terminal.expect("tally=> ")
    try terminal.type("SELECT count(*) FROM generate_series(1, 2000000000) n WHERE n % 7 = 3;\r")
    terminal.interrupt(after: 0.5)
    try terminal.expect("57014")
    try terminal.expect("tally=> ")
    try terminal.type("SELECT 'still here' AS state;\r")
    try terminal.expect("(1 row)")
    try terminal.expect("tally=> ")
    try terminal.type("\\q\r")
    try terminal.awaitEnd()
    let history = cluster.directory + "-home/.local/state/tally/history"
    #expect(try String(contentsOfFile: history, encoding: .utf8).contains("SELECT 'second';"))
    try FileManager.default.removeItem(atPath: cluster.directory + "-home")
  }
}

/// A program at a terminal that `script` makes for it.
private final class TypedTerminal {
  private let process = Process()
  private let keyboard = Pipe()
  private let screen = Pipe()
  private var seen = Data()

  init(_ program: String, _ arguments: [String], home: String) throws {
    let command = ([CommandLineTool.directory + "/" + program] + arguments).map { "'\($0)'" }.joined(separator: " ")
    process.executableURL = URL(fileURLWithPath: "/usr/bin/script")
    process.arguments = ["-qefc", command, "/dev/null"]
    process.environment = ["HOME": home, "PATH": "/usr/bin:/bin", "TERM": "xterm", "SHELL": "/bin/sh"]
    (process.standardInput, process.standardOutput, process.standardError) = (keyboard, screen, screen)
    try process.run()
  }
  func type(_ text: String) throws { try keyboard.fileHandleForWriting.write(contentsOf: Data(text.utf8)) }
  /// Presses Ctrl-C once the statement that was typed is under way.
  func interrupt(after seconds: Double) {
    let end = Date().addingTimeInterval(seconds)
    while Date() < end { _ = read(milliseconds: 50) }
    do { try type("\u{3}") } catch { print("the terminal is gone: \(error)") }
  }
  /// Reads until a text has come; what came up to it is forgotten.
  func expect(_ text: String) throws {
    let end = Date().addingTimeInterval(60)
    while true {
      if let range = seen.range(of: Data(text.utf8)) {
        seen.removeSubrange(seen.startIndex..<range.upperBound)
        return
      }
      guard Date() < end else { throw LaunchFailure("no \"\(text)\" in: \(String(decoding: seen, as: UTF8.self))") }
      _ = read(milliseconds: 100)
    }
  }
  private func read(milliseconds: Int32) -> Bool {
    var poller = pollfd(fd: screen.fileHandleForReading.fileDescriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&poller, 1, milliseconds) > 0 else { return false }
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = Glibc.read(screen.fileHandleForReading.fileDescriptor, &bytes, bytes.count)
    if count > 0 { seen.append(contentsOf: bytes[..<count]) }
    return count > 0
  }
  /// Returns when the program has ended.
  func awaitEnd() throws {
    let end = Date().addingTimeInterval(20)
    while process.isRunning, Date() < end { _ = read(milliseconds: 50) }
    guard !process.isRunning else { throw LaunchFailure("the program does not end") }
  }
  func end() { if process.isRunning { process.terminate() } }
}
