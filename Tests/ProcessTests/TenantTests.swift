// Deleting a tenant on real processes: receipt, refusal, erasure of files, and that it does not come back over a restart.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct TenantTests {
  @Test func aDeletedTenantIsGoneForGoodAndItsReceiptSaysSo() throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.execute("CREATE TABLE e (tenant bigint, ts timestamp, id bigint)")
    try cluster.execute("SELECT create_distributed_table('e', 'tenant', shard_count => 4)")
    try cluster.execute(
      """
      CREATE MATERIALIZED VIEW r WITH (rollup, levels = '5 minutes, 1 day') AS
      SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(id) AS total FROM e GROUP BY tenant, bucket
      """
    )
    let values = (1...60).map { "(\($0 % 3), '2026-01-0\(1 + $0 % 9)', \($0))" }.joined(separator: ", ")
    try cluster.execute("INSERT INTO e VALUES \(values)")
    try cluster.run(["--url", cluster.url, "rollup", "refresh", "r"])
    let receipt = try cluster.run(["tenant", "delete", "1", "--url", cluster.url, "--table", "e", "--yes", "--format", "csv"])
    #expect(receipt.contains("tenant,1,deleted") && receipt.contains("table,e,deleted,20 rows"), "\(receipt)")
    #expect(receipt.contains("level,r_1day,deleted"), "\(receipt)")
    // Files are rewritten at once; a journal may have to wait for other shards' flushes.
    #expect(
      try eventually(seconds: 30) {
        let later = try cluster.run(["tenant", "receipt", "1", "--url", cluster.url, "--format", "csv"])
        let copies = later.split(separator: "\n").filter { $0.hasPrefix("copy,") }
        return copies.count == 2
          && copies.allSatisfy { copy in
            let counts = copy.split { !$0.isNumber }.suffix(2)
            return counts.count == 2 && counts.first == counts.last && !copy.contains(",pending,")
          }
      }
    )
    #expect(receipt.contains("no backups known to this cluster"))
    func check(_ rows: String) throws {
      #expect(try cluster.rows("SELECT count(*) FROM e WHERE tenant = 1") == [[rows]])
      #expect(try cluster.rows("SELECT coalesce(sum(n), 0) FROM r WHERE tenant = 1") == [[rows]])
      #expect(try cluster.rows("SELECT count(*) FROM e WHERE tenant <> 1") == [["40"]])
      #expect(try cluster.rows("SELECT sum(n) FROM r WHERE tenant <> 1") == [["40"]])
    }
    try check("0")
    try cluster.execute("INSERT INTO e VALUES (1, '2026-01-01', 7), (1, '2026-01-02', 8)")
    try check("2")
    for worker in ["worker-1", "worker-2"] { try cluster.processes.kill(worker) }
    for worker in ["worker-1", "worker-2"] { try cluster.processes.start(worker) }
    #expect(
      try eventually(seconds: 30) {
        try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", "SELECT count(*) FROM e"]).status == 0
      }
    )
    try check("2")
    // One that never was has a receipt too.
    let none = try cluster.run(["tenant", "delete", "999", "--url", cluster.url, "--yes", "--format", "csv"])
    #expect(none.contains("tenant,999,deleted") && none.contains("table,e,deleted,0 rows"), "\(none)")
    #expect(try cluster.run(["tenant", "receipt", "1", "--url", cluster.url, "--format", "csv"]).contains("tenant,1,deleted"))
    let unknown = try CommandLineTool.run("tally", ["tenant", "receipt", "5", "--url", cluster.url])
    #expect(unknown.status == 1 && unknown.error.contains("42704"))
  }
}
