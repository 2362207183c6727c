// PostgresPeer.swift — PostgreSQL 15 with the extension hll, as a cluster of its own below the run's directory.
//
// It does not run as root: then everything that owns files runs as user postgres through runuser. Clients reach it by a UNIX socket. Loads
// go through psql's \\copy; latencies are psql's \\timing, one session; eight clients are pgbench with prepared statements.
// There is no TopN in Debian: the rollup has count, sum and HLL, in a table for 5 minutes and one for a day.
import Foundation
import Glibc

/// Measures PostgreSQL.
final class PostgresPeer {
  private let programs = "/usr/lib/postgresql/15/bin"
  private let directory: String
  private let data: String
  private let socket: String
  private let port = "54329"
  private var isRunning = false

  init(directory: String) throws {
    self.directory = directory
    data = directory + "/postgres"
    // The path of a socket is at most 107 bytes long, so it does not lie below the run's directory.
    socket = NSTemporaryDirectory() + "tally-pg-\(getpid())"
    guard FileManager.default.isExecutableFile(atPath: programs + "/initdb"),
      FileManager.default.fileExists(atPath: "/usr/share/postgresql/15/extension/hll.control")
    else { throw BenchFailure("PostgreSQL 15 with hll is not here. Install it: apt-get install postgresql-15 postgresql-15-hll") }
    for path in [data, socket] {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      if geteuid() == 0, let user = getpwnam("postgres") { chown(path, user.pointee.pw_uid, user.pointee.pw_gid) }
      chmod(path, 0o700)
    }
    try asOwner("initdb", ["-D", data, "-U", "bench", "-A", "trust", "-k", "-E", "UTF8", "--locale", "C.UTF-8"])
    let settings = [
      "listen_addresses=", "unix_socket_directories=\(socket)", "port=\(port)", "shared_buffers=2GB", "work_mem=64MB",
      "maintenance_work_mem=256MB", "max_wal_size=8GB", "checkpoint_timeout=15min", "wal_compression=lz4", "jit=off", "timezone=UTC",
    ]
    try asOwner("pg_ctl", ["-D", data, "-w", "-l", data + "/log", "-o", settings.map { "-c \($0)" }.joined(separator: " "), "start"])
    isRunning = true
  }
  /// Stops the server.
  func stop() {
    guard isRunning else { return }
    isRunning = false
    do {
      try asOwner("pg_ctl", ["-D", data, "-w", "-m", "immediate", "stop"])
      try FileManager.default.removeItem(atPath: socket)
    } catch { tell("bench: PostgreSQL in \(data) may still run: \(error)") }
  }

  func measure(_ csv: (path: String, bytes: Int), _ answers: ExactAnswers, _ drawn: [Int]) async throws -> [Measurement] {
    let rows = answers.events.rows
    var out: [Measurement] = []
    let meter = try meter()
    try sql("CREATE EXTENSION hll")
    try sql(Workload.createTable)
    let (_, load) = try await meter.measure {
      try sql("\\copy events FROM '\(csv.path)' CSV HEADER")
    }
    try Workload.checkPerTenant(try sql(Workload.perTenant), answers)
    out.append(.throughput("ingest", "postgres", rows: rows, bytes: csv.bytes, load, note: "COPY, one session, no index"))
    try sql("VACUUM ANALYZE events")
    out.append(.bytes("raw rows: segments", "postgres", try size("events"), rows: rows, note: "its heap, no index"))
    out += try await scans(meter, answers)
    out += try await rollup(meter, answers)
    for query in DashboardQuery.allCases {
      if let line = try await latencies(query, drawn, "one tenant", meter, answers) { out.append(line) }
    }
    for query in DashboardQuery.allCases {
      if let line = try await latencies(query, [nil], "all tenants", meter, answers) { out.append(line) }
    }
    for clients in [1, 8] { out.append(try await concurrent(clients, meter, answers)) }
    return out
  }

  private func rollup(_ meter: Meter, _ answers: ExactAnswers) async throws -> [Measurement] {
    // Sorting and grouping: hash aggregation of HLL states takes several times as long.
    let make =
      "SET enable_hashagg = off; CREATE TABLE activity_5min AS SELECT app_id, "
      + "date_bin('5 minutes', ts, '2000-01-01') AS bucket, count(*) AS searches, sum(latency_ms) AS latency_sum, "
      + "hll_add_agg(hll_hash_bigint(user_id)) AS users FROM events GROUP BY 1, 2"
    let (_, span) = try await meter.measure { try sql(make) }
    let (_, daily) = try await meter.measure {
      try sql(
        "SET enable_hashagg = off; CREATE TABLE activity_1day AS SELECT app_id, date_trunc('day', bucket) AS bucket, "
          + "sum(searches) AS searches, sum(latency_sum) AS latency_sum, hll_union_agg(users) AS users FROM activity_5min GROUP BY 1, 2"
      )
    }
    for level in ["activity_5min", "activity_1day"] {
      try sql("CREATE INDEX ON \(level) (app_id, bucket)")
      try sql("VACUUM ANALYZE \(level)")
      try Workload.checkPerTenant(try sql("SELECT app_id, sum(searches), sum(latency_sum) FROM \(level) GROUP BY app_id"), answers)
    }
    return [
      .throughput(
        "rollup",
        "postgres",
        rows: answers.events.rows,
        span,
        note: "count, sum, HLL (no TopN); day level \(decimal(daily.seconds, 2)) s more"
      ),
      .bytes(
        "rollup tables",
        "postgres",
        try size("activity_5min") + size("activity_1day"),
        rows: nil,
        note: "with indexes"
      ),
    ]
  }
  private func scans(_ meter: Meter, _ answers: ExactAnswers) async throws -> [Measurement] {
    let exact = answers.usersByCountry()
    var out: [Measurement] = []
    for (step, statement) in [("scan: count by device", Workload.byDevice), ("scan: HLL by country", Workload.byCountry)] {
      var best: Span?
      for turn in 0..<3 {
        let (rows, span) = try await meter.measure { try sql(statement) }
        if statement == Workload.byDevice { try Workload.checkByDevice(rows, answers) } else { try Workload.checkByCountry(rows, exact) }
        if turn > 0 && span.seconds < best?.seconds ?? .infinity { best = span }
      }
      if let best { out.append(.throughput(step, "postgres", rows: answers.events.rows, best, note: "best of 2")) }
    }
    return out
  }
  private func latencies(
    _ query: DashboardQuery,
    _ tenants: [Int?],
    _ whose: String,
    _ meter: Meter,
    _ answers: ExactAnswers
  ) async throws -> Measurement? {
    let statements = tenants.compactMap { rank in query.postgres(tenant: rank.map { answers.events.appIDs[$0] }) }
    guard statements.count == tenants.count else { return nil }
    let turns = tenants.count == 1 ? 5 : 1
    var script = statements.prefix(5).map { $0 + ";\n" }.joined() + "\\echo begin\n\\timing on\n"
    for _ in 0..<turns { script += statements.map { $0 + ";\n" }.joined() }
    let file = directory + "/postgres.sql"
    try script.write(toFile: file, atomically: true, encoding: .utf8)
    let (text, span) = try await meter.measure { try psql(["-f", file]) }
    // Each answer's lines end with its time.
    var (latencies, rows, at, isBegun) = (Latencies(), [[String?]](), 0, false)
    for line in text.split(separator: "\n") {
      if line == "begin" {
        (isBegun, rows) = (true, [])
      } else if isBegun, line.hasPrefix("Time: "), let time = line.split(separator: " ").dropFirst().first.flatMap({ Double($0) }) {
        latencies.add(time)
        try query.check(rows, answers.figures(tenant: tenants[at % tenants.count]), answers)
        (rows, at) = ([], at + 1)
      } else {
        rows.append(Self.cells(line))
      }
    }
    try Check.equal(at, statements.count * turns, "number of answers")
    return .latency("\(whose): \(query.rawValue)", "postgres", latencies, span, note: "psql \\timing; CPU with 5 queries to warm up")
  }
  /// Queries a second, by pgbench: a script for each of the hundred greatest tenants, weighted as they are drawn.
  private func concurrent(_ clients: Int, _ meter: Meter, _ answers: ExactAnswers) async throws -> Measurement {
    var scripts: [String] = []
    for rank in 0..<min(100, answers.events.tenants) {
      let file = directory + "/postgres-\(rank).sql"
      let statement = DashboardQuery.count.postgres(tenant: answers.events.appIDs[rank]) ?? ""
      try (statement + ";\n").write(toFile: file, atomically: true, encoding: .utf8)
      scripts += ["-f", "\(file)@\(max(1, 10_000 / (rank + 1)))"]
    }
    let (text, span) = try await meter.measure {
      try ExternalProgram.run(
        programs + "/pgbench",
        ["-h", socket, "-p", port, "-U", "bench", "-n", "-M", "prepared", "-c", "\(clients)", "-j", "2", "-T", "5"]
          + scripts + ["postgres"]
      )
    }
    guard let line = text.split(separator: "\n").first(where: { $0.hasPrefix("number of transactions actually processed:") }),
      let done = line.split(separator: " ").last.flatMap({ Int($0) })
    else { throw BenchFailure("cannot read what pgbench says: \(text)") }
    return .throughput(
      Workload.concurrentStep(clients),
      "postgres",
      rows: done,
      span,
      note: "queries, pgbench -M prepared (answers not looked at)"
    )
  }

  private func size(_ table: String) throws -> Int {
    try Check.integer(try sql("SELECT pg_total_relation_size('\(table)')"), 0, 0)
  }
  private func meter() throws -> Meter {
    let text = String(decoding: FileManager.default.contents(atPath: data + "/postmaster.pid") ?? Data(), as: UTF8.self)
    guard let process = text.split(separator: "\n").first.flatMap({ Int32($0) }) else { throw BenchFailure("PostgreSQL does not run") }
    return Meter(servers: { ProcessorTime.ofFamily(process) })
  }
  @discardableResult
  private func sql(_ statement: String) throws -> [[String?]] {
    try psql(["-c", statement].flatMap { $0 == "-c" ? [$0] : Self.parts(statement) }).split(separator: "\n").map(Self.cells)
  }
  /// psql runs several statements of one -c in one transaction; settings come as a -c of their own.
  private static func parts(_ statement: String) -> [String] {
    guard let range = statement.range(of: "; ") else { return [statement] }
    return [String(statement[..<range.lowerBound]), "-c", String(statement[range.upperBound...])]
  }
  private static func cells(_ line: Substring) -> [String?] {
    line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
  }
  private func psql(_ arguments: [String]) throws -> String {
    try ExternalProgram.run(
      programs + "/psql",
      ["-h", socket, "-p", port, "-U", "bench", "-d", "postgres", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1"] + arguments
    )
  }
  private func asOwner(_ program: String, _ arguments: [String]) throws {
    let path = programs + "/" + program
    if geteuid() == 0 {
      _ = try ExternalProgram.run("/usr/sbin/runuser", ["-u", "postgres", "--", path] + arguments)
    } else {
      _ = try ExternalProgram.run(path, arguments)
    }
  }
}
