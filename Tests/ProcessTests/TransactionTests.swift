// Transactions over real processes: sessions that conflict (Postgres/transactions.py), workers and coordinators that are killed in the
// middle of a block.
import Foundation
import Launcher
import Testing

private let hasPsql = FileManager.default.isExecutableFile(atPath: "/usr/bin/psql")
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Postgres/"

/// A psql whose statements are given one after the other.
final class OpenPsql {
  private let process: Process
  private let input: Pipe
  private let output: Pipe
  private var text = ""
  private var marks = 0

  init(_ cluster: RunningCluster, coordinator: Int = 1) throws {
    (process, input, output) = cluster.psqlProcess(["psql", "-X", "-A", "-t"], coordinator: coordinator)
    try process.run()
  }
  /// Runs statements; what psql said to them.
  func run(_ sql: String) throws -> String {
    marks += 1
    let mark = "-- done \(marks)"
    input.fileHandleForWriting.write(Data("\(sql)\n\\echo \(mark)\n".utf8))
    while !text.contains(mark) {
      let data = output.fileHandleForReading.availableData
      if data.isEmpty { throw LaunchFailure("psql ended: \(text)") }
      text += String(decoding: data, as: UTF8.self)
    }
    defer { text = "" }
    return text.replacingOccurrences(of: mark + "\n", with: "")
  }
  func end() throws {
    try input.fileHandleForWriting.close()
    process.waitUntilExit()
  }
}

@Suite(.serialized, .enabled(if: hasPsql)) struct TransactionTests {
  @Test func sessionsThatConflictAreToldAndLoseNothing() throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.table("ev", "app text, n bigint")
    try cluster.table("ev2", "app text, n bigint")
    try cluster.table("acc", "app text PRIMARY KEY, n bigint")
    let python = ProcessInfo.processInfo.environment["TALLY_PYTHON"] ?? "python3"
    let (process, input, output) = cluster.psqlProcess(
      [python, fixtures + "transactions.py", "127.0.0.1", "\(cluster.sqlPort(1))"],
      coordinator: 1
    )
    try process.run()
    try input.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationStatus == 77 { return print("psycopg2 is left out: \(text)") }
    #expect(process.terminationStatus == 0, "\(text)")
  }

  @Test func blocksGoOnOverTheLossOfAWorkerAndEndWithTheirCoordinator() throws {
    let cluster = try RunningCluster(workers: 3, coordinators: 3)
    try cluster.table("ev", "app text, n bigint")
    let block = try OpenPsql(cluster)
    let rows = "SELECT 'k' || i, i FROM generate_series(1, 40) i"
    #expect(try block.run("BEGIN; INSERT INTO ev \(rows);").hasSuffix("INSERT 0 40\n"))
    // Its parts are in the logs: whoever leads the shards now has them.
    try cluster.processes.kill("worker-1")
    #expect(try block.run("INSERT INTO ev \(rows);") == "INSERT 0 40\n")
    #expect(try block.run("SELECT count(*) FROM ev;") == "80\n")
    #expect(try block.run("COMMIT;") == "COMMIT\n")
    #expect(try cluster.ask("SELECT count(*) FROM ev") == "80\n")
    try cluster.processes.start("worker-1")
    // A coordinator that dies leaves nothing of a block.
    let other = try OpenPsql(cluster, coordinator: 2)
    #expect(try other.run("BEGIN; DELETE FROM ev WHERE n > 20;").hasSuffix("DELETE 40\n"))
    #expect(try other.run("SELECT count(*) FROM ev;") == "40\n")
    try cluster.processes.kill("coordinator-2")
    #expect(try eventually(seconds: 30) { try cluster.rows("SELECT count(*) FROM tally_statements") == [["0"]] })
    #expect(try cluster.ask("SELECT count(*) FROM ev") == "80\n")
    try block.end()
  }

  @Test func sessionsAreListedAndEndEachOther() throws {
    let cluster = try RunningCluster(workers: 1)
    try cluster.table("acc", "app text PRIMARY KEY, n bigint")
    try cluster.execute("INSERT INTO acc VALUES ('a', 1)")
    let (one, two) = (try OpenPsql(cluster), try OpenPsql(cluster))
    let number = try one.run("SELECT pg_backend_pid();").trimmingCharacters(in: .newlines)
    let shown = "SELECT state, application_name, usename, xact_start IS NOT NULL, query FROM pg_stat_activity WHERE pid = \(number);"
    #expect(try two.run(shown) == "idle|psql|app|f|SELECT pg_backend_pid()\n")
    #expect(try one.run("SELECT state FROM pg_stat_activity WHERE pid = pg_backend_pid();") == "active\n")
    _ = try one.run("BEGIN; UPDATE acc SET n = 2 WHERE app = 'a';")
    #expect(try two.run(shown) == "idle in transaction|psql|app|t|UPDATE acc SET n = 2 WHERE app = 'a'\n")
    // A statement that waits for the first session is ended, its session is not.
    let (waiting, input, output) = cluster.psqlProcess(
      ["psql", "-X", "-A", "-t", "-c", "UPDATE acc SET n = 3", "-c", "SELECT 'still here'"],
      coordinator: 1
    )
    try waiting.run()
    try input.fileHandleForWriting.close()
    let cancel = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE state = 'active' AND query = 'UPDATE acc SET n = 3';"
    #expect(try eventually(seconds: 8) { try two.run(cancel) == "t\n" })
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    waiting.waitUntilExit()
    #expect(text == "ERROR:  canceling statement due to user request\nstill here\n")
    // A session that is ended is told, and leaves nothing.
    _ = try one.run("CREATE TEMP TABLE t (n int);")
    #expect(try two.run("SELECT pg_terminate_backend(\(number));") == "t\n")
    #expect(throws: LaunchFailure.self) { try one.run("SELECT 1;") }
    #expect(try eventually(seconds: 8) { try two.run("SELECT count(*) FROM pg_stat_activity WHERE pid = \(number);") == "0\n" })
    #expect(try eventually(seconds: 8) { try two.run("UPDATE acc SET n = n + 10 RETURNING n;") == "11\nUPDATE 1\n" })
    #expect(try eventually(seconds: 8) { try two.run("SELECT count(*) FROM pg_class WHERE relpersistence = 't';") == "0\n" })
    #expect(try two.run("SELECT pg_terminate_backend(\(number));") == "f\n")
    // What names a table that waits for COMMIT is told so.
    let early = try two.run("BEGIN; ALTER TABLE acc ADD COLUMN later int; UPDATE acc SET later = 1; ROLLBACK;")
    #expect(early.contains("HINT:  The definition that this block has waits for COMMIT"))
    #expect(throws: LaunchFailure.self) { try two.run("SELECT pg_terminate_backend(pg_backend_pid());") }
  }

  @Test func cancelRequestsReachTheRightCoordinator() throws {
    let cluster = try RunningCluster(workers: 1, coordinators: 3)
    try cluster.table("acc", "app text PRIMARY KEY, n bigint")
    try cluster.execute("INSERT INTO acc VALUES ('a', 1)")
    let holder = try OpenPsql(cluster, coordinator: 1)
    _ = try holder.run("BEGIN; UPDATE acc SET n = 2 WHERE app = 'a';")
    // A statement that waits at coordinator 2, cancelled by a request that reaches coordinator 3: what a balancer does.
    let script = """
      import sys, socket, struct
      def packet(body): return struct.pack('!i', len(body) + 4) + body
      def connect(port): return socket.create_connection(('127.0.0.1', port))
      c = connect(int(sys.argv[1])); c.settimeout(60)
      c.sendall(packet(struct.pack('!i', 196608) + b'user\\0app\\0database\\0tally\\0\\0'))
      data, key = b'', None
      def message():
        global data
        while True:
          if len(data) >= 5:
            n = struct.unpack('!i', data[1:5])[0]
            if len(data) > n:
              kind, body = data[:1], data[5:n + 1]; data = data[n + 1:]; return kind, body
          data += c.recv(4096)
      while True:
        kind, body = message()
        if kind == b'K': key = body
        if kind == b'Z': break
      text = b"UPDATE acc SET n = 3 WHERE app = 'a'\\0"
      c.sendall(b'Q' + packet(text))
      c.settimeout(0.5)
      while True:
        # A request that comes before the statement runs is for nothing.
        d = connect(int(sys.argv[2])); d.sendall(packet(struct.pack('!i', 80877102) + key)); assert d.recv(1) == b''
        try: kind, body = message()
        except socket.timeout: continue
        if kind == b'E': print(body.split(b'\\0')[2].decode()); break
        if kind == b'C': print(body.decode()); break
      """
    let (process, input, output) = cluster.psqlProcess(
      ["python3", "-c", script, "\(cluster.sqlPort(2))", "\(cluster.sqlPort(3))"],
      coordinator: 1
    )
    try process.run()
    try input.fileHandleForWriting.close()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(text == "C57014\n")
    #expect(try holder.run("COMMIT;") == "COMMIT\n")
    #expect(try cluster.ask("SELECT n FROM acc") == "2\n")
    try holder.end()
  }
}
