// PreparedStatements.swift — small statements over PostgreSQL's protocol by pgbench, prepared and simple, one client and eight.
//
// Queries of one tenant over the rollup, a row by its key, one-row writes. Before its time counts a query is asked over the same protocol
// and checked by the exact figures; after the writes what they left is counted against the transactions that pgbench was told are done.
import Foundation
import Launcher

struct PreparedStatements {
  let run: ClusterRun
  let answers: ExactAnswers
  let seconds: Int
  private var events: SearchEvents { answers.events }
  private static let keys = 10_000
  private static let tenantsMax = 64

  private struct Work {
    var name: String
    /// What pgbench draws, then the statement.
    var draw: String
    var statement: String
    /// The query whose answer is the number of transactions done; nil for what only reads.
    var total: String?
  }
  private var work: [Work] {
    let range = "bucket >= '\(Workload.day(0))' AND bucket < '\(Workload.day(events.days))'"
    let tenants = events.appIDs.prefix(Self.tenantsMax)
    let cases = tenants.enumerated().map { " when :place = \($0) then \($1)" }.joined()
    let tenant = "\\set place random(0, \(tenants.count - 1))\n\\set app case\(cases) end\n"
    let key = "\\set id random(1, \(Self.keys))\n\\set tenant :id % 100\n"
    return [
      Work(name: "count of a tenant", draw: tenant, statement: "SELECT sum(searches) FROM activity WHERE app_id = :app AND \(range)"),
      Work(
        name: "count and distinct users",
        draw: tenant,
        statement: "SELECT sum(searches), hll_cardinality(hll_union_agg(users)) FROM activity WHERE app_id = :app AND \(range)"
      ),
      Work(name: "a row by its key", draw: key, statement: "SELECT n FROM counters WHERE tenant = :tenant AND id = :id"),
      Work(
        name: "upsert of a row",
        draw: key,
        statement: "INSERT INTO counters (tenant, id, n) VALUES (:tenant, :id, 1) "
          + "ON CONFLICT (tenant, id) DO UPDATE SET n = counters.n + excluded.n",
        total: "SELECT sum(n) FROM counters"
      ),
      Work(
        name: "update by key",
        draw: key,
        statement: "UPDATE counters SET m = m + 1 WHERE tenant = :tenant AND id = :id",
        total: "SELECT sum(m) FROM counters"
      ),
      Work(
        name: "insert of a row",
        draw: key,
        statement: "INSERT INTO notes (tenant, id, note) VALUES (:tenant, :id, 'x')",
        total: "SELECT count(*) FROM notes"
      ),
    ]
  }

  /// Needs the rollup `activity`; gives nothing where there is no pgbench.
  func measure() async throws -> [Measurement] {
    guard let pgbench = Self.program("pgbench"), Self.program("psql") != nil else {
      tell("statements: pgbench is not installed")
      return []
    }
    for statement in [
      "CREATE TABLE counters (tenant bigint, id bigint, n bigint, m bigint, PRIMARY KEY (tenant, id))",
      "SELECT create_distributed_table('counters', 'tenant')", "CREATE TABLE notes (tenant bigint, id bigint, note text)",
      "SELECT create_distributed_table('notes', 'tenant')",
      "INSERT INTO counters SELECT g % 100, g, 0, 0 FROM generate_series(1, \(Self.keys)) AS g",
    ] { _ = try ask(statement) }
    try checkQueries()
    var out: [Measurement] = []
    for work in work {
      var done = 0
      for (clients, mode) in [(1, "prepared"), (1, "simple"), (8, "prepared"), (8, "simple")] {
        let (latencies, span) = try await run.meter.measure { try bench(pgbench, work, clients, mode) }
        done += latencies.count
        let rate = Double(latencies.count) / Double(seconds)
        let step = "\(work.name): \(mode), \(clients) client\(clients == 1 ? "" : "s")"
        out.append(.latency(step, "tally", latencies, span, note: "\(Int(rate)) statements/s"))
      }
      guard let total = work.total else { continue }
      try Check.equal(Check.integer(try ask(total), 0, 0), done, "transactions of \"\(work.name)\" that took effect")
    }
    return out
  }
  /// Every query of a tenant, as pgbench sends it, against the exact figures; often enough that its plan is kept.
  private func checkQueries() throws {
    for (place, app) in events.appIDs.prefix(3).enumerated() {
      for work in work.prefix(2) {
        let text = "PREPARE q (bigint) AS \(work.statement.replacing(":app", with: "$1"));\n"
        for row in try ask(text + String(repeating: "EXECUTE q (\(app));\n", count: 3)) {
          try Check.equal(Check.integer([row], 0, 0), answers.figures(tenant: place).rows, work.name)
          if row.count > 1 { _ = try Check.estimate(Check.number([row], 0, 1), answers.figures(tenant: place).distinctUsers, work.name) }
        }
      }
    }
  }

  // MARK: Programs

  private static func program(_ name: String) -> String? {
    ["/usr/lib/postgresql/15/bin", "/usr/bin", "/usr/local/bin"].map { $0 + "/" + name }.first {
      FileManager.default.isExecutableFile(atPath: $0)
    }
  }
  private var connection: [String] {
    let layout = run.cluster.layout
    let port = layout.nodes.first { $0.isCoordinator }.flatMap { layout.sqlPort($0) } ?? 0
    return ["-h", "127.0.0.1", "-p", "\(port)", "-U", "tally"]
  }
  /// The rows of statements, over PostgreSQL's protocol.
  private func ask(_ text: String) throws -> [[String?]] {
    guard let psql = Self.program("psql") else { throw BenchFailure("psql is not installed") }
    let file = run.cluster.layout.directory + "/statement.sql"
    try text.write(toFile: file, atomically: true, encoding: .utf8)
    let options = ["-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1", "-f", file, "-d", "tally"]
    return try ExternalProgram.run(psql, connection + options).split(separator: "\n").map { line in
      line.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
    }
  }
  /// Latencies of a run, as pgbench logs them.
  private func bench(_ pgbench: String, _ work: Work, _ clients: Int, _ mode: String) throws -> Latencies {
    let place = run.cluster.layout.directory + "/pgbench"
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    defer { do { try FileManager.default.removeItem(atPath: place) } catch { tell("statements: \(place) stays: \(error)") } }
    try (work.draw + work.statement + ";\n").write(toFile: place + "/script.sql", atomically: true, encoding: .utf8)
    let options = ["-n", "-M", mode, "-c", "\(clients)", "-j", "1", "-T", "\(seconds)", "-f", place + "/script.sql", "-l"]
    let report = try ExternalProgram.run(pgbench, connection + options + ["--log-prefix", place + "/log", "tally"])
    if let failed = report.split(separator: "\n").first(where: { $0.hasPrefix("number of failed transactions") }), !failed.contains(": 0 ")
    {
      throw BenchFailure("\(work.name): \(failed)")
    }
    var latencies = Latencies()
    for name in try FileManager.default.contentsOfDirectory(atPath: place) where name.hasPrefix("log") {
      let text = String(decoding: FileManager.default.contents(atPath: place + "/" + name) ?? Data(), as: UTF8.self)
      // client, transaction, microseconds, …
      for line in text.split(separator: "\n") {
        guard let microseconds = Double(line.split(separator: " ")[2]) else { throw BenchFailure("pgbench logged: \(line)") }
        latencies.add(microseconds / 1000)
      }
    }
    return latencies
  }
}
