// DuckDBPeer.swift — DuckDB in process, through a small Python program that is written into the run's directory.
//
// The program prints one JSON object a step; its answers are checked here. DuckDB has no HLL of Tally's size and no top list with counts,
// so distinct counts are its own approx_count_distinct, whose error is reported (and refused beyond 25 %). CPU is the process's.
import Foundation

/// Measures DuckDB.
struct DuckDBPeer {
  let python: String
  let directory: String
  private static let tolerance = 0.25

  func measure(_ csv: (path: String, bytes: Int), _ answers: ExactAnswers, _ drawn: [Int]) async throws -> [Measurement] {
    let events = answers.events
    let program = directory + "/duckdb_peer.py"
    try Self.program.write(toFile: program, atomically: true, encoding: .utf8)
    let tenants = directory + "/duckdb_tenants.json"
    try "[\(drawn.map { "\(events.appIDs[$0])" }.joined(separator: ","))]".write(toFile: tenants, atomically: true, encoding: .utf8)
    let interpreter = python.contains("/") ? python : "/usr/bin/env"
    let prefix = python.contains("/") ? [] : [python]
    do { _ = try ExternalProgram.run(interpreter, prefix + ["-c", "import duckdb"]) } catch {
      throw BenchFailure(
        "\(python) has no package duckdb. Install it: python3 -m venv ENV && ENV/bin/pip install duckdb, then give --python ENV/bin/python"
      )
    }
    let text = try ExternalProgram.run(interpreter, prefix + [program, directory + "/duckdb.db", csv.path, tenants])
    var out: [Measurement] = []
    for line in text.split(separator: "\n") {
      guard let step = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] else { continue }
      out += try measurements(step, csv, answers, drawn)
    }
    return out
  }

  private func measurements(
    _ step: [String: Any],
    _ csv: (path: String, bytes: Int),
    _ answers: ExactAnswers,
    _ drawn: [Int]
  ) throws -> [Measurement] {
    let rows = answers.events.rows
    let name = step["step"] as? String ?? ""
    let texts = (step["rows"] as? [[Any]] ?? []).map { $0.map { $0 is NSNull ? nil : "\($0)" } }
    let span = Span(seconds: step["seconds"] as? Double ?? 0, serverCPU: step["cpu"] as? Double ?? 0)
    let times = step["times"] as? [Double] ?? []
    let version = step["version"] as? String ?? ""
    func latency(_ name: String, note: String = "") -> Measurement {
      var latencies = Latencies()
      for time in times { latencies.add(time * 1000) }
      return .latency(name, "duckdb", latencies, span, note: note)
    }
    switch name {
    case "ingest":
      try Workload.checkPerTenant(texts, answers)
      return [
        .throughput(
          "ingest",
          "duckdb",
          rows: rows,
          bytes: csv.bytes,
          span,
          note: "\(version), INSERT FROM read_csv + CHECKPOINT, in process"
        ),
        .bytes("raw rows: segments", "duckdb", step["bytes"] as? Int ?? 0, rows: rows, note: "its file"),
      ]
    case "rollup":
      try Workload.checkPerTenant(texts, answers)
      return [.throughput("rollup", "duckdb", rows: rows, span, note: "count and sum only, in process")]
    case "device":
      try Workload.checkByDevice(texts, answers)
      return [.throughput("scan: count by device", "duckdb", rows: rows, span, note: "best of 7, in process")]
    case "country":
      let error = try Workload.checkByCountry(texts, answers.usersByCountry(), tolerance: Self.tolerance)
      return [
        .throughput(
          "scan: HLL by country",
          "duckdb",
          rows: rows,
          span,
          note: "best of 7, approx_count_distinct, error ≤ \(decimal(error * 100, 2)) %, in process"
        )
      ]
    case "tenant count", "tenant hourly":
      let query = name == "tenant count" ? DashboardQuery.count : .hourlyCounts
      guard let all = step["answers"] as? [[[Any]]], all.count == times.count else { throw BenchFailure("duckdb gave no answers") }
      for (at, answer) in all.enumerated() {
        try query.check(answer.map { $0.map { "\($0)" } }, answers.figures(tenant: drawn[at % drawn.count]), answers)
      }
      return [latency("one tenant: \(query.rawValue)", note: "in process")]
    case "all count":
      try DashboardQuery.count.check(texts, answers.figures(tenant: nil), answers)
      return [latency("all tenants: count", note: "in process")]
    default: throw BenchFailure("duckdb's program says \"\(name)\"")
    }
  }

  private static let program = """
    # Written and run by bench: measures DuckDB on the file it generated. Arguments: database, CSV, JSON list of tenants.
    import json, os, sys, time
    import duckdb

    database, csv, tenants = sys.argv[1], sys.argv[2], json.load(open(sys.argv[3]))
    con = duckdb.connect(database)

    def clocks():
        return time.perf_counter(), time.process_time()

    def say(step, begin=None, end=None, **more):
        if begin:
            more["seconds"], more["cpu"] = end[0] - begin[0], end[1] - begin[1]
        print(json.dumps({"step": step, **more}, default=str), flush=True)

    def integers(rows):
        return [[str(cell) for cell in row] for row in rows]

    con.execute("CREATE TABLE events (app_id BIGINT, ts TIMESTAMP, user_id BIGINT, query VARCHAR, hits INTEGER, "
                "country VARCHAR, device VARCHAR, latency_ms INTEGER)")
    begin = clocks()
    con.execute("INSERT INTO events SELECT * FROM read_csv(?, header = true, columns = {'app_id': 'BIGINT', 'ts': 'TIMESTAMP', "
                "'user_id': 'BIGINT', 'query': 'VARCHAR', 'hits': 'INTEGER', 'country': 'VARCHAR', 'device': 'VARCHAR', "
                "'latency_ms': 'INTEGER'})", [csv])
    con.execute("CHECKPOINT")
    end = clocks()
    rows = con.execute("SELECT app_id, count(*), sum(latency_ms), sum(hits), sum(user_id) FROM events GROUP BY app_id").fetchall()
    say("ingest", begin, end, rows=integers(rows), bytes=os.path.getsize(database), version="DuckDB " + duckdb.__version__)

    begin = clocks()
    con.execute("CREATE TABLE activity AS SELECT app_id, time_bucket(INTERVAL '5 minutes', ts) AS bucket, count(*) AS searches, "
                "sum(latency_ms) AS latency_sum FROM events GROUP BY app_id, bucket ORDER BY app_id, bucket")
    con.execute("CHECKPOINT")
    end = clocks()
    rows = con.execute("SELECT app_id, sum(searches), sum(latency_sum) FROM activity GROUP BY app_id").fetchall()
    say("rollup", begin, end, rows=integers(rows))

    def scan(step, sql):
        best = None
        for turn in range(8):
            begin = clocks()
            rows = con.execute(sql).fetchall()
            end = clocks()
            if turn > 0 and (best is None or end[0] - begin[0] < best[1][0] - best[0][0]):
                best = (begin, end)
        say(step, best[0], best[1], rows=integers(rows))

    scan("device", "SELECT device, count(*) FROM events GROUP BY device")
    scan("country", "SELECT country, approx_count_distinct(user_id) FROM events GROUP BY country")

    def queries(step, sql, parameters, many):
        for p in parameters[:5]:
            con.execute(sql, p).fetchall()
        times, answers = [], []
        begin = clocks()
        for p in parameters:
            sent = time.perf_counter()
            rows = con.execute(sql, p).fetchall()
            times.append(time.perf_counter() - sent)
            answers.append(integers(rows))
            if time.perf_counter() - begin[0] > 10:
                break
        end = clocks()
        more = {"answers": answers} if many else {"rows": answers[-1]}
        say(step, begin, end, times=times, **more)

    each = [[t] for t in tenants]
    queries("tenant count", "SELECT sum(searches) FROM activity WHERE app_id = ?", each, True)
    queries("tenant hourly", "SELECT date_trunc('hour', bucket) AS hour, sum(searches) FROM activity WHERE app_id = ? "
            "GROUP BY 1 ORDER BY 1", each, True)
    queries("all count", "SELECT sum(searches) FROM activity", [[]] * 20, False)
    """
}
