// Workload.swift — the statements of the measurement and the check of each answer, the same for every system.
//
// Answers are compared as text rows. Counts and sums are exact. Distinct counts by HLL (2^11 registers) lie within 4.5 σ of the exact
// count, σ = 1.04/√2048. A top list is exact when its tenant has at most 1000 phrases; else an item's count c of the exact e obeys
// e − n/1000 ≤ c ≤ e, n being the tenant's rows, which is TopN(1000)'s bound; its recall against the exact list is reported.

/// A query of a dashboard, over seven days of one tenant or of all.
enum DashboardQuery: String, CaseIterable, Sendable {
  case count
  case distinct
  case topTen = "top 10"
  case hourlyCounts = "hourly counts"
  case hourlyDistinct = "hourly distinct"

  /// In Tally, over the rollup.
  func tally(tenant: Int64?, days: Int) -> String {
    let range = "bucket >= '\(Workload.day(0))' AND bucket < '\(Workload.day(days))'"
    let filter = (tenant.map { "app_id = \($0) AND " } ?? "") + range
    switch self {
    case .count: return "SELECT sum(searches) FROM activity WHERE \(filter)"
    case .distinct: return "SELECT hll_cardinality(hll_union_agg(users)) FROM activity WHERE \(filter)"
    case .topTen: return "SELECT (topn(topn_union_agg(top_queries), 10)).* FROM activity WHERE \(filter)"
    case .hourlyCounts:
      return "SELECT date_trunc('hour', bucket) AS hour, sum(searches) FROM activity WHERE \(filter) GROUP BY 1 ORDER BY 1"
    case .hourlyDistinct:
      return "SELECT date_trunc('hour', bucket) AS hour, hll_cardinality(hll_union_agg(users)) FROM activity "
        + "WHERE \(filter) GROUP BY 1 ORDER BY 1"
    }
  }
  /// In PostgreSQL, over the level tables made by hand; nil for what it cannot answer.
  func postgres(tenant: Int64?) -> String? {
    let filter = tenant.map { " WHERE app_id = \($0)" } ?? ""
    switch self {
    case .count: return "SELECT sum(searches) FROM activity_1day\(filter)"
    case .distinct: return "SELECT hll_cardinality(hll_union_agg(users)) FROM activity_1day\(filter)"
    case .topTen: return nil
    case .hourlyCounts:
      return "SELECT date_trunc('hour', bucket) AS hour, sum(searches) FROM activity_5min\(filter) GROUP BY 1 ORDER BY 1"
    case .hourlyDistinct:
      return "SELECT date_trunc('hour', bucket) AS hour, hll_cardinality(hll_union_agg(users)) FROM activity_5min\(filter) "
        + "GROUP BY 1 ORDER BY 1"
    }
  }
  /// Throws when an answer is wrong; gives the greatest relative error of an estimate, or the recall of a top list.
  @discardableResult
  func check(_ rows: [[String?]], _ exact: ExactFigures, _ answers: ExactAnswers) throws -> Double {
    switch self {
    case .count:
      try Check.equal(Check.integer(rows, 0, 0), exact.rows, "count")
      return 0
    case .distinct: return try Check.estimate(Check.number(rows, 0, 0), exact.distinctUsers, "distinct users")
    case .topTen: return try Check.top(rows, exact, answers)
    case .hourlyCounts:
      try Check.hours(rows, exact.hourlyRows) { row, count in
        try Check.equal(Check.integer(rows, row, 1), count, "count of \(rows[row][0] ?? "?")")
      }
      return 0
    case .hourlyDistinct:
      var worst = 0.0
      try Check.hours(rows, exact.hourlyUsers) { row, count in
        worst = max(worst, try Check.estimate(Check.number(rows, row, 1), count, "distinct users of \(rows[row][0] ?? "?")"))
      }
      return worst
    }
  }
}

/// The table, the rollup and the raw scans.
enum Workload {
  static let createTable =
    "CREATE TABLE events (app_id bigint, ts timestamp, user_id bigint, query text, hits integer, country text, "
    + "device text, latency_ms integer)"
  static let distribute = "SELECT create_distributed_table('events', 'app_id')"
  static let createRollup =
    """
    CREATE MATERIALIZED VIEW activity WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
    SELECT app_id, time_bucket(ts) AS bucket, count(*) AS searches, sum(latency_ms) AS latency_sum,
      hll_add_agg(hll_hash_bigint(user_id)) AS users, topn_add_agg(query) AS top_queries
    FROM events GROUP BY app_id, bucket
    """
  static let perTenant = "SELECT app_id, count(*), sum(latency_ms), sum(hits), sum(user_id) FROM events GROUP BY app_id"
  static let byDevice = "SELECT device, count(*) FROM events GROUP BY device"
  static let byCountry = "SELECT country, hll_cardinality(hll_add_agg(hll_hash_bigint(user_id))) FROM events GROUP BY country"

  /// Name of the step that counts queries a second.
  static func concurrentStep(_ clients: Int) -> String { "\(clients) client\(clients == 1 ? "" : "s"): count of a tenant" }
  /// Midnight of a day of the data, as text.
  static func day(_ number: Int) -> String {
    // March has 31 days, so that at most 28 days of data and their end fit.
    let date = 4 + number
    return date <= 31 ? "2024-03-\(date < 10 ? "0" : "")\(date)" : "2024-04-0\(date - 31)"
  }
  static func hour(_ number: Int) -> String {
    let clock = number % 24
    return "\(day(number / 24)) \(clock < 10 ? "0" : "")\(clock):00:00"
  }

  /// Rows, latencies, hits and users of every tenant.
  static func checkPerTenant(_ rows: [[String?]], _ answers: ExactAnswers) throws {
    let exact = answers.perTenant()
    try Check.equal(rows.count, exact.count, "number of tenants")
    for at in rows.indices {
      let tenant = Int64(try Check.integer(rows, at, 0))
      guard let sums = exact[tenant] else { throw BenchFailure("wrong answer: there is no tenant \(tenant)") }
      for (column, value) in [(1, sums.rows), (2, sums.latency), (3, sums.hits), (4, sums.users)] where column < rows[at].count {
        try Check.equal(Check.integer(rows, at, column), value, "column \(column + 1) of tenant \(tenant)")
      }
    }
  }
  static func checkByDevice(_ rows: [[String?]], _ answers: ExactAnswers) throws {
    let exact = answers.events.countByDevice().filter { $0.1 > 0 }
    try Check.equal(rows.count, exact.count, "number of devices")
    for at in rows.indices {
      guard let entry = exact.first(where: { $0.0 == rows[at][0] }) else {
        throw BenchFailure("wrong answer: there is no device \(rows[at][0] ?? "NULL")")
      }
      try Check.equal(Check.integer(rows, at, 1), entry.1, "count of device \(entry.0)")
    }
  }
  /// Gives the greatest relative error; `tolerance` is a relative error, nil for ours.
  @discardableResult
  static func checkByCountry(_ rows: [[String?]], _ exact: [String: Int], tolerance: Double? = nil) throws -> Double {
    try Check.equal(rows.count, exact.count, "number of countries")
    return try rows.indices.reduce(0.0) { worst, at in
      guard let country = rows[at][0], let count = exact[country] else {
        throw BenchFailure("wrong answer: there is no country \(rows[at][0] ?? "NULL")")
      }
      return max(worst, try Check.estimate(Check.number(rows, at, 1), count, "distinct users of \(country)", tolerance: tolerance))
    }
  }
}

/// Comparisons that throw.
enum Check {
  static let tolerance = 4.5 * 1.04 / 2048.0.squareRoot()

  static func text(_ rows: [[String?]], _ row: Int, _ column: Int) throws -> String {
    guard row < rows.count, column < rows[row].count, let text = rows[row][column] else {
      throw BenchFailure("wrong answer: nothing in row \(row + 1), column \(column + 1) of \(rows.count) rows")
    }
    return text
  }
  static func integer(_ rows: [[String?]], _ row: Int, _ column: Int) throws -> Int {
    let text = try text(rows, row, column)
    guard let value = Int(text) else { throw BenchFailure("wrong answer: \"\(text)\" is not an integer") }
    return value
  }
  static func number(_ rows: [[String?]], _ row: Int, _ column: Int) throws -> Double {
    let text = try text(rows, row, column)
    guard let value = Double(text) else { throw BenchFailure("wrong answer: \"\(text)\" is not a number") }
    return value
  }
  static func equal(_ got: Int, _ exact: Int, _ what: String) throws {
    guard got == exact else { throw BenchFailure("wrong answer: \(what) is \(got), exactly \(exact)") }
  }
  @discardableResult
  static func estimate(_ got: Double, _ exact: Int, _ what: String, tolerance: Double? = nil) throws -> Double {
    let error = exact == 0 ? abs(got) : abs(got - Double(exact)) / Double(exact)
    guard error <= tolerance ?? Self.tolerance else {
      throw BenchFailure("wrong answer: \(what) is \(got), exactly \(exact): \(error * 100) % off")
    }
    return error
  }
  /// One row for each hour that has rows, in order.
  static func hours(_ rows: [[String?]], _ exact: [Int], _ value: (Int, Int) throws -> Void) throws {
    let expected = exact.indices.filter { exact[$0] > 0 }
    try equal(rows.count, expected.count, "number of hours")
    for (at, hour) in expected.enumerated() {
      guard rows[at][0] == Workload.hour(hour) else {
        throw BenchFailure("wrong answer: hour \(rows[at][0] ?? "NULL") stands where \(Workload.hour(hour)) belongs")
      }
      try value(at, exact[hour])
    }
  }
  /// Gives the recall: items as frequent as the exact list's last count as right.
  static func top(_ rows: [[String?]], _ exact: ExactFigures, _ answers: ExactAnswers) throws -> Double {
    let expected = Array(exact.frequencies.prefix(10))
    try equal(rows.count, expected.count, "length of the top list")
    let isExact = exact.queries.count <= 1000
    var right = 0
    for at in rows.indices {
      let phrase = try text(rows, at, 0)
      guard let count = answers.number(of: phrase).flatMap({ exact.queries[$0] }) else {
        throw BenchFailure("wrong answer: the top list has \"\(phrase)\", which never occurs")
      }
      let got = try integer(rows, at, 1)
      if isExact {
        try equal(got, expected[at], "count of place \(at + 1) of the top list")
        try equal(got, count, "count of \"\(phrase)\"")
      }
      guard got <= count, count - got <= exact.rows / 1000 else {
        throw BenchFailure("wrong answer: \"\(phrase)\" is counted \(got), exactly \(count): beyond the bound \(exact.rows / 1000)")
      }
      if count >= expected[expected.count - 1] { right += 1 }
    }
    return expected.isEmpty ? 1 : Double(right) / Double(expected.count)
  }
}
