// RetentionTests.swift — raw rows and fine buckets expire on real processes while the rollup's answers stay exact, through a restart.
import Foundation
import Testing

@Suite(.serialized) struct RetentionTests {
  private static let day = 86_400
  /// Every row: tenant, seconds since 1970, value. Twelve days up to now, out of order.
  private let events: [(tenant: Int, time: Int, value: Int)]
  private let now = Int(Date().timeIntervalSince1970)

  init() {
    var random = SplitMix(seed: 5)
    let end = now
    events = (0..<12_000).map { _ in
      (Int(random.next() % 9), end - Int(random.next() % UInt64(12 * Self.day)), Int(random.next() % 1000))
    }
  }
  private func text(_ time: Int) -> String {
    var seconds = time_t(time)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func two(_ value: Int32) -> String { (value < 10 ? "0" : "") + "\(value)" }
    return "\(parts.tm_year + 1900)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday)) "
      + "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
  }
  /// Asks until the answer is the wanted one: flush, roller and expiry run in the background.
  private func wait(_ cluster: RunningCluster, _ sql: String, _ wanted: [[String]]) throws {
    var found: [[String]] = []
    let isSo = try eventually(seconds: 60) {
      found = try cluster.rows(sql)
      return found == wanted
    }
    #expect(isSo, "\(sql): \(found) and not \(wanted)")
  }
  private func check(_ cluster: RunningCluster) throws {
    let total = events.reduce(0) { $0 + $1.value }
    // A day's raw rows go when the whole day is older than two days.
    let border = (now - 2 * Self.day) / Self.day * Self.day
    let kept = events.filter { $0.time >= border }
    try wait(cluster, "SELECT count(*), sum(value) FROM events", [["\(kept.count)", "\(kept.reduce(0) { $0 + $1.value })"]])
    // The five-minute level goes at the border of a day of the next level.
    let floor = (now - 4 * Self.day) / Self.day * Self.day
    let fine = events.filter { $0.time >= floor }
    try wait(cluster, "SELECT sum(n), sum(total) FROM activity_5min", [["\(fine.count)", "\(fine.reduce(0) { $0 + $1.value })"]])
    // The rollup and its coarser levels hold every row ever sent.
    for relation in ["activity", "activity_1day", "activity_1month"] {
      #expect(try cluster.rows("SELECT sum(n), sum(total) FROM \(relation)") == [["\(events.count)", "\(total)"]], "\(relation)")
    }
    var byTenant: [Int: (Int, Int)] = [:]
    for event in events { byTenant[event.tenant] = ((byTenant[event.tenant]?.0 ?? 0) + 1, (byTenant[event.tenant]?.1 ?? 0) + event.value) }
    #expect(
      try cluster.rows("SELECT tenant, sum(n), sum(total) FROM activity GROUP BY tenant ORDER BY tenant")
        == byTenant.sorted { $0.key < $1.key }.map { ["\($0.key)", "\($0.value.0)", "\($0.value.1)"] }
    )
  }

  @Test(.timeLimit(.minutes(3))) func expiryLeavesTheRollupExact() throws {
    // Near midnight the borders would move while the test looks.
    if Self.day - now % Self.day < 120 { return }
    let cluster = try RunningCluster(workers: 2, settings: ["TALLY_FLUSH_AFTER": "1"])
    try cluster.execute("CREATE TABLE events (tenant bigint, ts timestamp, value bigint) WITH (keep = '2 days')")
    try cluster.execute("SELECT create_distributed_table('events', 'tenant', shard_count => 4)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW activity WITH (rollup, levels = '5 minutes, 1 day, 1 month', keep = '4 days, forever, forever') AS
      SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(value) AS total FROM events GROUP BY tenant, bucket
      """
    )
    let path = cluster.directory + "-events.csv"
    defer { do { try FileManager.default.removeItem(atPath: path) } catch { print("leaving \(path): \(error)") } }
    let lines = events.map { "\($0.tenant),\(text($0.time)),\($0.value)\n" }
    try ("tenant,ts,value\n" + lines.joined()).write(toFile: path, atomically: true, encoding: .utf8)
    #expect(try cluster.ingest(path, "events")["rows_durable"] == events.count)
    try cluster.refresh("activity")
    try check(cluster)
    // The same after a restart of everything, and after the load is run again: its rows are known although they expired.
    for node in ["worker-1", "worker-2", "coordinator-1"] { try cluster.run(["cluster", "restart", node, "--dir", cluster.directory]) }
    try check(cluster)
    #expect(try cluster.ingest(path, "events")["rows_duplicate"] == events.count)
    try check(cluster)
  }
}
