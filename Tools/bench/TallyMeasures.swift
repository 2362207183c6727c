// TallyMeasures.swift — the measured steps of Tally: loads, the rollup, dashboard queries, raw scans, bytes.
//
// Loads go through the program `tally ingest`; everything else through TallyClient over RPC. An answer is checked before its time counts.
import Launcher
import TallyClient

/// Measures one cluster.
struct TallyMeasures {
  let run: ClusterRun
  let answers: ExactAnswers
  let csv: (path: String, bytes: Int)
  let drawn: [Int]
  let secondsPerQuery: Double
  private var events: SearchEvents { answers.events }

  init(run: ClusterRun, answers: ExactAnswers, csv: (path: String, bytes: Int), drawn: [Int], secondsPerQuery: Double) {
    (self.run, self.answers, self.csv, self.drawn) = (run, answers, csv, drawn)
    self.secondsPerQuery = secondsPerQuery
  }

  /// Makes the table (and the rollup) and loads the file; with a rollup, the second figure is until it has taken in every row.
  func load(withRollup: Bool) async throws -> [Measurement] {
    try await TallyClient.with(run.url) { client in
      try await client.execute(Workload.createTable)
      try await client.execute(Workload.distribute)
      if withRollup { try await client.execute(Workload.createRollup) }
      let meter = run.meter
      let all = try await meter.measure {
        let load = try await meter.measure { try run.ingest(csv.path, rows: events.rows) }
        if withRollup { try await client.refreshRollup("activity") }
        return load.span
      }
      let peak = "worker's peak memory \(run.workerPeakBytes >> 20) MiB"
      try Workload.checkPerTenant(try await client.text(Workload.perTenant), answers)
      func figure(_ step: String, _ span: Span) -> Measurement {
        .throughput(step, "tally", rows: events.rows, bytes: csv.bytes, span, note: peak)
      }
      guard withRollup else { return [figure("ingest", all.result)] }
      try await checkRollup(client)
      return [figure("ingest, rollup present", all.result), figure("ingest until rolled up", all.span)]
    }
  }

  /// Makes the rollup on the filled table and waits until it holds every row.
  func rollUp() async throws -> [Measurement] {
    try await TallyClient.with(run.url) { client in
      let (_, span) = try await run.meter.measure {
        try await client.execute(Workload.createRollup)
        try await client.refreshRollup("activity")
      }
      let groups = try await checkRollup(client)
      return [
        .throughput(
          "rollup",
          "tally",
          rows: events.rows,
          span,
          note: "count, sum, HLL, TopN; \(groups) groups; worker's peak memory \(run.workerPeakBytes >> 20) MiB"
        )
      ]
    }
  }
  /// Every tenant at every level; gives the number of groups of the finest.
  @discardableResult
  private func checkRollup(_ client: TallyClient) async throws -> Int {
    for level in ["activity", "activity_5min", "activity_1day", "activity_1month"] {
      let rows = try await client.text("SELECT app_id, sum(searches), sum(latency_sum) FROM \(level) GROUP BY app_id")
      do { try Workload.checkPerTenant(rows, answers) } catch { throw BenchFailure("\(level): \(error)") }
    }
    let groups = try Check.integer(try await client.text("SELECT count(*) FROM activity_5min"), 0, 0)
    try Check.equal(groups, events.fiveMinuteGroups(), "number of 5-minute groups")
    return groups
  }

  /// Dashboard queries by one client over one connection: of tenants drawn by weight, then of all tenants.
  func queries() async throws -> [Measurement] {
    try await TallyClient.with(run.url) { client in
      var out: [Measurement] = []
      for query in DashboardQuery.allCases { out.append(try await latencies(query, drawn, "one tenant", client)) }
      for query in DashboardQuery.allCases { out.append(try await latencies(query, [nil], "all tenants", client)) }
      return out
    }
  }
  private func latencies(_ query: DashboardQuery, _ tenants: [Int?], _ whose: String, _ client: TallyClient) async throws -> Measurement {
    func statement(_ tenant: Int?) -> String { query.tally(tenant: tenant.map { events.appIDs[$0] }, days: events.days) }
    var quality: [Double] = []
    for tenant in tenants.prefix(5) {
      let rows = try await client.text(statement(tenant))
      try query.check(rows, answers.figures(tenant: tenant), answers)
    }
    var latencies = Latencies()
    var taken: [(tenant: Int?, rows: Rows)] = []
    let start = ContinuousClock.now
    let (_, span) = try await run.meter.measure {
      for at in 0..<max(20, tenants.count) where at < 5 || ProcessorTime.seconds(since: start) < secondsPerQuery {
        let tenant = tenants[at % tenants.count]
        let sql = statement(tenant)
        let sent = ContinuousClock.now
        let results = try await client.run(sql)
        latencies.add(ProcessorTime.seconds(since: sent) * 1000)
        guard let rows = results.last else { throw BenchFailure("no answer of \(sql)") }
        taken.append((tenant, rows))
      }
    }
    for (tenant, rows) in taken {
      do { quality.append(try query.check(rows.textRows(), answers.figures(tenant: tenant), answers)) } catch {
        throw BenchFailure("\(error)\n\(statement(tenant))")
      }
    }
    return .latency("\(whose): \(query.rawValue)", "tally", latencies, span, note: Self.note(query, quality, taken.last?.rows))
  }
  static func note(_ query: DashboardQuery, _ quality: [Double], _ rows: Rows?) -> String {
    let read = rows.map { "\($0.statistics.rowsRead) rows read, \($0.statistics.shards) shards" } ?? ""
    switch query {
    case .count, .hourlyCounts: return read
    case .topTen: return read + ", recall \(decimal(quality.reduce(0, +) / Double(max(1, quality.count)), 3))"
    case .distinct, .hourlyDistinct: return read + ", error ≤ \(decimal((quality.max() ?? 0) * 100, 2)) %"
    }
  }

  /// Queries a second of several clients, each with its own connection: the count of one of the hundred greatest tenants.
  func concurrentQueries(clients: Int, seconds: Double) async throws -> Measurement {
    let tenants = events.drawTenants(997, among: 100, seed: events.seed &+ 2)
    let statements = tenants.map { DashboardQuery.count.tally(tenant: events.appIDs[$0], days: events.days) }
    let expected = tenants.map { "\(answers.figures(tenant: $0).rows)" }
    let url = run.url
    let (done, span) = try await run.meter.measure {
      try await withThrowingTaskGroup(of: Int.self) { group in
        for number in 0..<clients {
          group.addTask {
            try await TallyClient.with(url) { client in
              let start = ContinuousClock.now
              var (done, at) = (0, number * 113)
              while ProcessorTime.seconds(since: start) < seconds {
                at = (at + 1) % statements.count
                let answer = try await client.text(statements[at])
                guard answer == [[expected[at]]] else { throw BenchFailure("wrong answer: \(answer) of \(statements[at])") }
                done += 1
              }
              return done
            }
          }
        }
        return try await group.reduce(0, +)
      }
    }
    return .throughput(Workload.concurrentStep(clients), "tally", rows: done, span, note: "queries")
  }

  /// Scans of all raw rows.
  func scans() async throws -> [Measurement] {
    let exact = answers.usersByCountry()
    return try await TallyClient.with(run.url) { client in
      var out: [Measurement] = []
      for (step, sql) in [("scan: count by device", Workload.byDevice), ("scan: HLL by country", Workload.byCountry)] {
        var best: Span?
        var error = 0.0
        for turn in 0..<8 {
          let (rows, span) = try await run.meter.measure { try await client.run(sql) }
          let text = rows.last?.textRows() ?? []
          if sql == Workload.byDevice {
            try Workload.checkByDevice(text, answers)
          } else {
            error = try Workload.checkByCountry(text, exact)
          }
          // The first warms up; the quickest of the others is what others' load disturbed least.
          if turn > 0 && span.seconds < best?.seconds ?? .infinity { best = span }
        }
        guard let best else { continue }
        out.append(
          .throughput(
            step,
            "tally",
            rows: events.rows,
            best,
            note: "best of 7" + (error > 0 ? ", error ≤ \(decimal(error * 100, 2)) %" : "")
          )
        )
      }
      return out
    }
  }

  /// Bytes on disk as they are, then when every row is written out and the merges are done.
  func disk(_ what: String, settleAtMost limit: Double) async throws -> [Measurement] {
    var out = bytes(what + ", as loaded", "")
    let (held, isAtRest, recovery) = try await run.settle(atMost: limit)
    // Under a small load nearly everything may still be in memory: not comparable with what others wrote.
    let isWritten = held * 10 <= run.diskTotal.segments
    out += bytes(
      isWritten ? what : what + " (many still in memory)",
      "\(held >> 10) KiB still in memory, \(isAtRest ? "at rest" : "not at rest yet"), restart \(decimal(recovery, 2)) s"
    )
    return out
  }
  private func bytes(_ what: String, _ note: String) -> [Measurement] {
    let total = run.diskTotal
    var out: [Measurement] = [
      .bytes("\(what): segments", "tally", total.segments, rows: events.rows, note: note),
      .bytes("\(what): journal", "tally", total.journal, rows: nil),
    ]
    for (node, usage) in run.disk() { out.append(.bytes("\(what): total of \(node)", "tally", usage.total, rows: nil)) }
    return out
  }
}
