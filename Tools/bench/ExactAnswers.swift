// ExactAnswers.swift — what the right answers are, counted from the generated events themselves.
//
// Tenants are ranks here (nil: all of them). Answers of a tenant are counted once and kept.

/// Exact figures of one tenant, or of all.
struct ExactFigures {
  var rows = 0
  var latencySum = 0
  var distinctUsers = 0
  /// By hour from the first day's midnight.
  var hourlyRows: [Int]
  var hourlyUsers: [Int]
  /// Rows by phrase, without those that have none.
  var queries: [Int32: Int] = [:]
  /// Row counts of the phrases, greatest first.
  var frequencies: [Int] = []
}

/// Counts answers from the events.
final class ExactAnswers {
  let events: SearchEvents
  /// Rows by tenant: `order[starts[t]..<starts[t + 1]]`.
  private var starts: [Int]
  private var order: [Int32]
  private var kept: [Int: ExactFigures] = [:]
  private var keptAll: ExactFigures?
  private let phraseNumbers: [String: Int32]
  private let users: Int

  init(_ events: SearchEvents) {
    self.events = events
    var starts = [Int](repeating: 0, count: events.tenants + 1)
    for t in events.tenant { starts[Int(t) + 1] += 1 }
    for t in 0..<events.tenants { starts[t + 1] += starts[t] }
    var order = [Int32](repeating: 0, count: events.rows)
    var next = starts
    for (row, t) in events.tenant.enumerated() {
      order[next[Int(t)]] = Int32(row)
      next[Int(t)] += 1
    }
    (self.starts, self.order) = (starts, order)
    users = Int(events.user.max() ?? 0) + 1
    phraseNumbers = Dictionary(uniqueKeysWithValues: events.phrases.enumerated().map { ($1, Int32($0)) })
  }

  var hours: Int { events.days * 24 }

  /// Rows, sum of latency, sum of hits and sum of user numbers of every tenant, by its key.
  func perTenant() -> [Int64: (rows: Int, latency: Int, hits: Int, users: Int)] {
    var out: [Int64: (rows: Int, latency: Int, hits: Int, users: Int)] = [:]
    for t in 0..<events.tenants where starts[t + 1] > starts[t] {
      var sums = (rows: 0, latency: 0, hits: 0, users: 0)
      for row in order[starts[t]..<starts[t + 1]] {
        sums.rows += 1
        sums.latency += Int(events.latency[Int(row)])
        sums.hits += Int(events.hits[Int(row)])
        sums.users += Int(events.user[Int(row)])
      }
      out[events.appIDs[t]] = sums
    }
    return out
  }
  /// Figures of a tenant, or of all.
  func figures(tenant: Int?) -> ExactFigures {
    guard let tenant else {
      if let keptAll { return keptAll }
      let figures = count(0..<events.rows)
      keptAll = figures
      return figures
    }
    if let figures = kept[tenant] { return figures }
    let figures = count(starts[tenant]..<starts[tenant + 1])
    kept[tenant] = figures
    return figures
  }
  /// The number of a phrase.
  func number(of phrase: String) -> Int32? { phraseNumbers[phrase] }
  /// Distinct users by country.
  func usersByCountry() -> [String: Int] {
    var seen = BitTable(rows: events.countries.count, width: users)
    var counts = [Int](repeating: 0, count: events.countries.count)
    for row in 0..<events.rows where seen.insert(Int(events.country[row]), Int(events.user[row])) {
      counts[Int(events.country[row])] += 1
    }
    return Dictionary(uniqueKeysWithValues: zip(events.countries, counts).filter { $0.1 > 0 })
  }

  private func count(_ range: Range<Int>) -> ExactFigures {
    var out = ExactFigures(
      hourlyRows: [Int](repeating: 0, count: hours),
      hourlyUsers: [Int](repeating: 0, count: hours)
    )
    var seen = BitTable(rows: 1, width: users)
    var seenByHour = BitTable(rows: hours, width: users)
    var queries = [Int](repeating: 0, count: events.phrases.count)
    for at in range {
      let row = Int(order[at])
      let (hour, user) = (Int(events.second[row]) / 3600, Int(events.user[row]))
      out.rows += 1
      out.latencySum += Int(events.latency[row])
      out.hourlyRows[hour] += 1
      if seen.insert(0, user) { out.distinctUsers += 1 }
      if seenByHour.insert(hour, user) { out.hourlyUsers[hour] += 1 }
      queries[Int(events.query[row])] += 1
    }
    for (phrase, count) in queries.enumerated() where count > 0 { out.queries[Int32(phrase)] = count }
    out.frequencies = out.queries.values.sorted(by: >)
    return out
  }
}

/// A set of (row, column) pairs as bits.
struct BitTable {
  private var words: [UInt64]
  private let width: Int
  init(rows: Int, width: Int) {
    self.width = width
    words = [UInt64](repeating: 0, count: (rows * width + 63) / 64)
  }
  /// True when the pair was not in it.
  mutating func insert(_ row: Int, _ column: Int) -> Bool {
    let at = row * width + column
    let bit: UInt64 = 1 << UInt64(at & 63)
    if words[at >> 6] & bit != 0 { return false }
    words[at >> 6] |= bit
    return true
  }
}
