// Reader.swift — clients that ask questions the ledger can judge, while nodes come and go.
import TallyClient

/// One reader.
struct Reader: Sendable {
  let number: Int
  let run: RunState
  /// How long one question may take.
  private static let deadline = Duration.seconds(15)

  private enum Question: CaseIterable {
    /// What is there of every batch of one tenant.
    case batchesOfTenant
    /// Rows and sums of every tenant.
    case sums
    /// Table and one level of the rollup, of every tenant, in one query.
    case rollupBesideTable
    /// The rollup alone, of one tenant.
    case rollupOfTenant
    /// What is there of every batch: the largest answer.
    case everything
  }

  /// Asks until the run stops.
  func read() async throws {
    var chance = run.chance("reader", number)
    while !run.isStopping {
      var left = 20
      _ = try await run.withClient("chaos-reader-\(number)") { client in
        while left > 0 && !run.isStopping {
          left -= 1
          let draw = chance.below(100)
          let question: Question =
            switch draw {
            case 0..<45: .batchesOfTenant
            case 45..<65: .sums
            case 65..<82: .rollupBesideTable
            case 82..<96: .rollupOfTenant
            default: .everything
            }
          try await ask(question, client, &chance)
          try await Task.sleep(for: chance.milliseconds(5...150))
        }
      }
    }
  }

  private func ask(_ question: Question, _ client: TallyClient, _ chance: inout Chance) async throws {
    guard let tenant = chance.pick(run.ledger.tenants) else { return }
    let begin = ContinuousClock.now
    do {
      switch question {
      case .batchesOfTenant: try await Questions.batches(of: tenant, client, run.ledger, Self.deadline)
      case .sums: try await Questions.sums("events", client, run.ledger, Self.deadline)
      case .rollupOfTenant: try await Questions.sums("activity", of: tenant, client, run.ledger, Self.deadline)
      case .everything: try await Questions.batches(of: nil, client, run.ledger, .seconds(60))
      case .rollupBesideTable:
        let level = EventTable.levels[chance.below(EventTable.levels.count)]
        try await Questions.rollupBesideTable(level, client, run.ledger, Self.deadline)
      }
      run.figures.count("answers: \(question)")
      run.figures.took("answered", ContinuousClock.now - begin)
    } catch let error as TallyError where error.isRetryable {
      run.figures.count("refusals: \(error.status)")
      try await Task.sleep(for: .milliseconds(50))
    } catch let error as TallyError {
      run.ledger.violated("\(question) failed for good: \(error)")
      try await Task.sleep(for: .milliseconds(200))
    }
  }
}

/// Questions and their judgement.
enum Questions {
  /// What is there of every batch of a tenant, or of all.
  static func batches(of tenant: Int64?, _ client: TallyClient, _ ledger: Ledger, _ deadline: Duration) async throws {
    let begin = ledger.now
    let rows = try await answer(
      "SELECT load, batch, tenant, count(*), sum(value), sum(place) FROM events" + (tenant.map { " WHERE tenant = \($0)" } ?? "")
        + " GROUP BY load, batch, tenant",
      client,
      deadline
    )
    let found = try rows.map { row in
      FoundPart(
        name: BatchName(load: try integer(row, 0), batch: try integer(row, 1)),
        part: BatchPart(
          tenant: try integer(row, 2),
          rows: try integer(row, 3),
          values: try integer(row, 4),
          places: try integer(row, 5)
        )
      )
    }
    ledger.judge(found, tenant: tenant, since: begin, tenant.map { "batches of tenant \($0)" } ?? "all batches")
  }
  /// Rows and sums by tenant, of the table or of a level of its rollup.
  static func sums(
    _ relation: String,
    of tenant: Int64? = nil,
    _ client: TallyClient,
    _ ledger: Ledger,
    _ deadline: Duration
  ) async throws {
    let begin = ledger.now
    let found = try await sums(relation, of: tenant, client, deadline)
    for tenant in tenant.map({ [$0] }) ?? ledger.tenants {
      ledger.judge(found[tenant] ?? Sums(), tenant: tenant, since: begin, "sums of \(relation)")
    }
    let known = Set(ledger.tenants)
    for other in found.keys.sorted() where !known.contains(other) { ledger.violated("sums of \(relation): tenant \(other) was never sent") }
  }
  /// The same without judgement.
  static func sums(_ relation: String, of tenant: Int64? = nil, _ client: TallyClient, _ deadline: Duration) async throws -> [Int64: Sums] {
    try byTenant(try await answer(select(relation, of: tenant), client, deadline), columns: 0)
  }
  private static func select(_ relation: String, of tenant: Int64?, mark: String = "") -> String {
    let sums = relation == "events" ? "count(*), sum(value)" : "sum(n), sum(total)"
    return "SELECT \(mark)tenant, \(sums) FROM \(relation)" + (tenant.map { " WHERE tenant = \($0)" } ?? "") + " GROUP BY tenant"
  }
  /// The table and a level of its rollup at one query: equal, whatever arrives meanwhile.
  static func rollupBesideTable(_ level: String, _ client: TallyClient, _ ledger: Ledger, _ deadline: Duration) async throws {
    let rows = try await answer(
      select("events", of: nil, mark: "0 AS side, ") + " UNION ALL " + select(level, of: nil, mark: "1 AS side, "),
      client,
      deadline
    )
    let (raw, rollup) = (rows.filter { $0[0] == "0" }, rows.filter { $0[0] == "1" })
    let (a, b) = (try byTenant(raw, columns: 1), try byTenant(rollup, columns: 1))
    for tenant in Set(a.keys).union(b.keys).sorted() where a[tenant] != b[tenant] {
      let (rows, states) = (a[tenant] ?? Sums(), b[tenant] ?? Sums())
      ledger.violated(
        "\(level) beside its table: tenant \(tenant) has \(rows.rows) rows with sum \(rows.values), the rollup says \(states.rows) with \(states.values)"
      )
    }
  }
  private static func byTenant(_ rows: [[String?]], columns first: Int) throws -> [Int64: Sums] {
    var out: [Int64: Sums] = [:]
    for row in rows {
      let tenant = try integer(row, first)
      guard out[tenant] == nil else { throw TallyError(.internalError, "tenant \(tenant) is in the answer twice") }
      out[tenant] = Sums(rows: try integer(row, first + 1), values: try integer(row, first + 2))
    }
    return out
  }
  static func answer(_ sql: String, _ client: TallyClient, _ deadline: Duration) async throws -> [[String?]] {
    try await client.run(sql, deadline: deadline).last?.textRows() ?? []
  }
  static func integer(_ row: [String?], _ at: Int) throws -> Int64 {
    guard at < row.count, let text = row[at], let value = Int64(text) else {
      throw TallyError(.internalError, "not an integer in column \(at) of \(row)")
    }
    return value
  }
}
