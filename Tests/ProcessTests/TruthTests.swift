// Every line of the truth files, from a cluster of real processes: loaded in the file's order, in reverse, and in random
// chunks with every chunk sent twice.
import Aggregates
import Foundation
import Launcher
import Model
import Testing

@Suite(.serialized, .enabled(if: DataSet.isAvailable, "the shared data sets are not here (set TALLY_SHARED)"))
struct TruthTests {
  enum Order: String, CaseIterable { case forward, reverse, randomTwice }

  @Test(arguments: ["wikiticker", "online_retail", "nycflights13"], Order.allCases)
  func rollupsEqualTheTruth(name: String, order: Order) throws {
    let data = try DataSet(name)
    let cluster = try RunningCluster(workers: 3)
    try create(data, cluster)
    try load(data, cluster, order)
    try cluster.refresh("activity")
    #expect(try cluster.rows("SELECT count(*) FROM events") == [["\(data.rows.count)"]])
    let levels = [("5min", "5min"), ("hour", "1hour"), ("day", "1day"), ("month", "1month")]
    for (file, suffix) in levels { try compare(data, cluster, truth: file, level: suffix) }
    try compareTops(data, cluster)
  }

  private func create(_ data: DataSet, _ cluster: RunningCluster) throws {
    let columns = data.header.map { "\($0) \(data.type($0))" }.joined(separator: ", ")
    let sums = data.measures.map { "sum(\($0)) AS sum_\($0)" }.joined(separator: ", ")
    try cluster.execute("CREATE TABLE events (\(columns))")
    try cluster.execute("SELECT create_distributed_table('events', '\(data.tenant)', shard_count => 8)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW activity WITH (rollup, levels = '5 minutes, 1 hour, 1 day, 1 month') AS
      SELECT \(data.tenant), time_bucket(ts) AS bucket, count(*) AS rows, \(sums),
        hll_add_agg(hll_hash_text(\(data.user))) AS users, hll_add_agg(hll_hash_text(\(data.item))) AS items,
        topn_add_agg(\(data.item)) AS top
      FROM events GROUP BY \(data.tenant), bucket
      """
    )
  }

  private func load(_ data: DataSet, _ cluster: RunningCluster, _ order: Order) throws {
    let scratch = cluster.directory + "-files"
    try FileManager.default.createDirectory(atPath: scratch, withIntermediateDirectories: true)
    defer { do { try FileManager.default.removeItem(atPath: scratch) } catch { print("leaving \(scratch): \(error)") } }
    switch order {
    case .forward:
      let report = try cluster.ingest(data.folder + "/events.csv.gz", "events")
      #expect(report["rows_durable"] == data.rows.count)
    case .reverse:
      try data.csv(data.rows.reversed()).write(toFile: scratch + "/reverse.csv", atomically: true, encoding: .utf8)
      let report = try cluster.ingest(scratch + "/reverse.csv", "events")
      #expect(report["rows_durable"] == data.rows.count)
    case .randomTwice:
      var random = SplitMix(seed: 7)
      let shuffled = data.rows.shuffled(using: &random)
      let size = shuffled.count / 12 + 1
      let files = try stride(from: 0, to: shuffled.count, by: size).map { start in
        let path = scratch + "/chunk-\(start).csv"
        try data.csv(shuffled[start..<min(start + size, shuffled.count)]).write(toFile: path, atomically: true, encoding: .utf8)
        return path
      }
      var (durable, duplicate) = (0, 0)
      for file in (files + files).shuffled(using: &random) {
        let report = try cluster.ingest(file, "events")
        durable += report["rows_durable"] ?? 0
        duplicate += report["rows_duplicate"] ?? 0
      }
      #expect(durable == data.rows.count && duplicate == data.rows.count)
    }
  }

  /// Sketches of every line, computed from the events directly.
  private func sketches(_ data: DataSet, _ level: String) throws -> [String: (users: HyperLogLog, items: HyperLogLog)] {
    let (tenant, ts) = (try data.column(data.tenant), try data.column("ts"))
    let (user, item) = (try data.column(data.user), try data.column(data.item))
    var out: [String: (users: HyperLogLog, items: HyperLogLog)] = [:]
    for row in data.rows {
      let bucket = bucketText(row[ts], level)
      let users = row[user].isEmpty ? nil : hash(row[user])
      let items = row[item].isEmpty ? nil : hash(row[item])
      for key in [row[tenant] + "|" + bucket, "*|" + bucket] {
        if let users { out[key, default: (HyperLogLog(), HyperLogLog())].users.add(users) }
        if let items { out[key, default: (HyperLogLog(), HyperLogLog())].items.add(items) }
      }
    }
    return out
  }
  private func hash(_ text: String) -> Int64 { Array(text.utf8).withUnsafeBytes { HLLHash.text($0) } }
  private func bucketText(_ ts: String, _ level: String) -> String {
    switch level {
    case "5min":
      let minute = (Int(ts.dropFirst(14).prefix(2)) ?? 0) / 5 * 5
      return ts.prefix(14) + (minute < 10 ? "0" : "") + "\(minute):00"
    case "hour": return ts.prefix(13) + ":00:00"
    case "day": return ts.prefix(10) + " 00:00:00"
    default: return ts.prefix(7) + "-01 00:00:00"
    }
  }

  private func compare(_ data: DataSet, _ cluster: RunningCluster, truth file: String, level: String) throws {
    let sums = data.measures.map { "sum(sum_\($0))" }.joined(separator: ", ")
    let states = "hll_union_agg(users), hll_union_agg(items), hll_cardinality(hll_union_agg(users)), hll_cardinality(hll_union_agg(items))"
    let perTenant = try cluster.rows(
      "SELECT \(data.tenant), bucket, sum(rows), \(sums), \(states) FROM activity_\(level) GROUP BY \(data.tenant), bucket"
    )
    let all = try cluster.rows("SELECT '*', bucket, sum(rows), \(sums), \(states) FROM activity_\(level) GROUP BY bucket")
    var answers: [String: [String]] = [:]
    for row in perTenant + all { answers[row[0] + "|" + row[1]] = row }
    let expected = try sketches(data, file)
    let lines = try data.truth(file)
    let header = lines[0]
    let sigma = 1.04 / 2048.0.squareRoot()
    var (within3, compared, wrong) = (0, 0, 0)
    for line in lines.dropFirst() {
      let key = line[0] + "|" + line[1]
      guard let answer = answers[key] else {
        Issue.record("\(data.name) \(level): no bucket \(key)")
        return
      }
      var isRight = answer[2] == line[2]
      for at in data.measures.indices { isRight = isRight && answer[3 + at] == line[5 + at] }
      let base = 3 + data.measures.count
      let sketch = expected[key] ?? (HyperLogLog(), HyperLogLog())
      for (offset, state, exact) in [(0, sketch.users, line[3]), (1, sketch.items, line[4])] {
        isRight = isRight && answer[base + offset] == "\\x" + hexadecimal(HLLFormat.encode(state))
        let estimate = Double(answer[base + 2 + offset]) ?? .nan
        let formula = try HLLEstimate.cardinality(state)
        isRight = isRight && estimate == formula
        let truth = Double(exact) ?? .nan
        let error = truth == 0 ? abs(estimate) : abs(estimate - truth) / truth
        compared += 1
        if error <= 3 * sigma { within3 += 1 }
        if error > 4.5 * sigma { isRight = false }
      }
      if !isRight {
        wrong += 1
        if wrong <= 5 { Issue.record("\(data.name) \(level) \(key): \(answer.map { $0.prefix(40) }) is not \(line)") }
      }
    }
    #expect(header.count == 5 + data.measures.count && lines.count > 1)
    #expect(wrong == 0, "\(wrong) of \(lines.count - 1) lines of \(data.name) \(level) differ")
    #expect(Double(within3) >= 0.999 * Double(compared), "\(within3) of \(compared) within 3 sigma")
    if file == "day" || file == "month" {
      #expect(answers.count == lines.count - 1, "\(data.name) \(level): buckets that the truth does not have")
    }
  }

  /// Top lists of the tenants that truth.json lists: exact where the items fit the counters, else within the bound told.
  private func compareTops(_ data: DataSet, _ cluster: RunningCluster) throws {
    let object = try JSONSerialization.jsonObject(with: try Data(contentsOf: URL(fileURLWithPath: data.folder + "/truth.json")))
    guard let truth = object as? [String: Any], let tops = truth["top_items"] as? [String: [String: Any]],
      let perTenant = truth["per_tenant"] as? [String: [String: Any]], let allItems = truth["items"] as? Int
    else { throw LaunchFailure("cannot read truth.json") }
    for (tenant, entry) in tops.sorted(by: { $0.key < $1.key }) {
      guard let list = entry["top"] as? [[Any]] else { continue }
      let expected = list.map { [$0[0] as? String ?? "", "\($0[1] as? Int ?? -1)"] }
      let filter = tenant == "*" ? "" : "WHERE \(data.tenant) = '\(tenant.replacingOccurrences(of: "'", with: "''"))'"
      let items = tenant == "*" ? allItems : perTenant[tenant]?["items"] as? Int ?? 0
      for level in ["5min", "1hour", "1day", "1month"] {
        let got = try cluster.rows("SELECT (topn(topn_union_agg(top), 10)).* FROM activity_\(level) \(filter)")
        if items <= 1000 {
          #expect(got == expected, "\(data.name) \(tenant) \(level)")
        } else {
          for row in got {
            let exact =
              Int(
                try cluster.rows(
                  "SELECT count(*) FROM events \(filter.isEmpty ? "WHERE" : filter + " AND") \(data.item) = '\(row[0].replacingOccurrences(of: "'", with: "''"))'"
                )[0][0]
              ) ?? -1
            let lower = Int(row[1]) ?? -1
            let bound = (Int(perTenant[tenant]?["rows"] as? Int ?? data.rows.count)) / 1000
            #expect(lower <= exact && exact - lower <= bound, "\(data.name) \(tenant) \(level) \(row[0]): \(lower) of \(exact)")
          }
        }
      }
    }
  }
}

/// splitmix64, so that orders repeat.
struct SplitMix: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
}
func hexadecimal(_ bytes: [UInt8]) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
