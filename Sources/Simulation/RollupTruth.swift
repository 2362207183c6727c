// RollupTruth.swift — what the rollup must hold, computed from the rows alone, and the comparison with what the cluster says.
import Aggregates
import Columns
import Model

/// The measures of some rows.
struct RollupTruth {
  private struct Key: Hashable, Comparable {
    var tenant: Int64
    var bucket: Int64?
    static func < (a: Key, b: Key) -> Bool {
      (a.tenant, a.bucket ?? .max) < (b.tenant, b.bucket ?? .max)
    }
  }
  private struct Measures {
    var n: Int64 = 0
    var total: Int64 = 0
    var lowest = Int64.max
    var highest = Int64.min
    var users = HyperLogLog()
    var items: [String: Int64] = [:]

    mutating func add(_ row: EventRow) {
      n += 1
      total += row.value
      lowest = min(lowest, row.value)
      highest = max(highest, row.value)
      if let user = row.user { users.add(HLLHash.integers([user], width: 8)[0]) }
      if let item = row.item { items[item, default: 0] += 1 }
    }
    /// What differs, nil when nothing does. Cells: n, total, lowest, highest, users, items.
    func difference(_ cells: ArraySlice<Cell>) -> String? {
      let cells = Array(cells)
      for (name, cell, expected) in [
        ("n", cells[0], n), ("total", cells[1], total), ("lowest", cells[2], lowest), ("highest", cells[3], highest),
      ] where cell.integer != expected { return "\(name) is \(cell), not \(expected)" }
      switch cells[4] {
      case .hll(let state) where HLLFormat.encode(state) == HLLFormat.encode(users): break
      case .null where users == HyperLogLog(): break
      default: return "the registers of users differ"
      }
      var found: [String: Int64] = [:]
      if case .topn(let state) = cells[5] {
        for item in state.items {
          if item.error != 0 { return "item \(item) is not exact" }
          found[String(decoding: item.key, as: UTF8.self)] = item.upper
        }
        if state.total != items.values.reduce(0, +) { return "items have a total of \(state.total)" }
      } else if cells[5] != .null {
        return "items are \(cells[5])"
      }
      return found == items ? nil : "items differ"
    }
  }
  static let measures =
    "sum(n), sum(total), min(lowest), max(highest), hll_union_agg(users), topn_union_agg(items)"

  /// By number.
  private let known: [EventRow]
  private let rows: [EventRow]
  /// `known` are all rows ever made, by number from 1; `rows` those that must be there.
  init(_ rows: [EventRow], known: [EventRow]) {
    self.rows = rows
    self.known = known
  }

  /// Compares the table, every level, and the rollup as a whole. Every row must be there, once.
  func check(_ client: ClusterClient, _ ledger: Ledger, _ what: String) async throws {
    try await checkRows(client, ledger, what)
    let finest = groups(Workload.levels[0].start)
    for (at, level) in Workload.levels.enumerated() {
      let expected = at == 0 ? finest : groups(level.start)
      try await checkGroups(client, ledger, "activity_\(level.suffix)", expected, "\(what), \(level.suffix)")
    }
    try await checkGroups(client, ledger, "activity", finest, "\(what), finest")
    var all = Measures()
    for row in rows { all.add(row) }
    for relation in ["activity"] + Workload.levels.map({ "activity_\($0.suffix)" }) {
      let answer = try await client.query("SELECT \(Self.measures) FROM \(relation)", timeout: .seconds(60))
      if let found = answer.first.map({ all.difference($0[...]) }) ?? "no row" {
        ledger.violated("\(what): all of \(relation): \(found)")
      }
    }
  }
  private func checkRows(_ client: ClusterClient, _ ledger: Ledger, _ what: String) async throws {
    let before = ledger.known
    let answer = try await client.query(
      "SELECT id, tenant, ts, user_id, item, value FROM events",
      timeout: .seconds(60)
    )
    ledger.check(ids: answer.compactMap { $0[0].integer }, tenant: nil, since: before, what)
    let deleted = ledger.deleted
    let count = rows.count { !deleted.contains($0.id) }
    if answer.count != count { ledger.violated("\(what): \(answer.count) rows are there, not \(count)") }
    for cells in answer {
      guard let id = cells[0].integer, id >= 1, id <= known.count else { continue }
      let row = known[Int(id) - 1]
      let expected: [Cell] = [
        .integer(id), .integer(row.tenant), row.time.map { .integer($0) } ?? .null, row.user.map { .integer($0) } ?? .null,
        row.item.map { .text($0) } ?? .null, .integer(row.value),
      ]
      if cells != expected { return ledger.violated("\(what): row \(id) is \(cells), not \(expected)") }
    }
  }
  /// What a level holds whose buckets begin so.
  private func groups(_ start: (Int64) -> Int64) -> [Key: Measures] {
    var groups: [Key: Measures] = [:]
    for row in rows { groups[Key(tenant: row.tenant, bucket: row.time.map(start)), default: Measures()].add(row) }
    return groups
  }
  private func checkGroups(
    _ client: ClusterClient,
    _ ledger: Ledger,
    _ relation: String,
    _ groups: [Key: Measures],
    _ what: String
  ) async throws {
    var expected = groups
    let answer = try await client.query(
      "SELECT tenant, bucket, \(Self.measures) FROM \(relation) GROUP BY tenant, bucket",
      timeout: .seconds(60)
    )
    for cells in answer {
      let key = Key(tenant: cells[0].integer ?? -1, bucket: cells[1].integer)
      guard let measures = expected.removeValue(forKey: key) else {
        return ledger.violated("\(what): bucket \(key) is there twice, or never had a row")
      }
      if let found = measures.difference(cells[2...]) { return ledger.violated("\(what): bucket \(key): \(found)") }
    }
    if let missing = expected.keys.sorted().first {
      ledger.violated("\(what): bucket \(missing) is missing, and \(expected.count - 1) others")
    }
  }
}
