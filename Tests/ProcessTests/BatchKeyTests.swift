// BatchKeyTests.swift — tally sql --batch-key on real processes: an INSERT counts once however often it is sent, over a kill too, and what
// cannot be told is an error.
import Foundation
import Launcher
import Testing

@Suite(.serialized) struct BatchKeyTests {
  private let begun = Int(Date().timeIntervalSince1970 * 1000)
  /// A UUIDv7 of some milliseconds before the test began; the same at each call.
  private func key(_ number: Int, ago milliseconds: Int = 0) -> String {
    let time = String(begun - milliseconds, radix: 16)
    let digits = String(repeating: "0", count: 12 - time.count) + time
    let tail = String(number, radix: 16)
    return "\(digits.prefix(8))-\(digits.suffix(4))-7abc-8123-" + String(repeating: "0", count: 12 - tail.count) + tail
  }

  @Test func anInsertUnderAKeyCountsOnce() throws {
    let cluster = try RunningCluster(workers: 2)
    try cluster.execute("CREATE TABLE e (tenant bigint, ts timestamp, id bigint)")
    try cluster.execute("SELECT create_distributed_table('e', 'tenant', shard_count => 4)")
    let many = "INSERT INTO e VALUES " + (1...40).map { "(\($0), '2026-01-01', \($0))" }.joined(separator: ", ")
    let one = "INSERT INTO e VALUES (7, '2026-01-01', 100)"
    func send(_ sql: String, _ key: String) throws -> CommandLineTool.Outcome {
      try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "--batch-key", key, "-c", sql])
    }
    func expectStored(_ notice: Bool) throws {
      for number in 1...8 {
        let outcome = try send(one, key(number))
        #expect(outcome.status == 0 && outcome.output.contains("INSERT 0 1") && outcome.error.contains("took effect before") == notice)
      }
      let outcome = try send(many, key(20))
      #expect(outcome.status == 0 && outcome.output.contains("INSERT 0 40") && outcome.error.contains("took effect before") == notice)
      // A statement without rows takes effect as well: what it would insert later it does not.
      let empty = try send("INSERT INTO e SELECT * FROM e WHERE tenant = 7 AND id = 999", key(30))
      #expect(empty.status == 0 && empty.output.contains("INSERT 0 0") && empty.error.contains("took effect before") == notice)
      #expect(try cluster.rows("SELECT count(*), sum(id) FROM e") == [["48", "1620"]])
    }
    try expectStored(false)
    try expectStored(true)
    try cluster.processes.kill("worker-1")
    try cluster.processes.kill("worker-2")
    try cluster.processes.start("worker-1")
    try cluster.processes.start("worker-2")
    #expect(
      try eventually(seconds: 30) {
        try CommandLineTool.run("tally", ["--url", cluster.url, "sql", "-c", "SELECT count(*) FROM e"]).status == 0
      }
    )
    try expectStored(true)
    let conflict = try send("INSERT INTO e VALUES (7, '2026-01-01', 101)", key(1))
    #expect(conflict.status == 1 && conflict.error.contains("sent before with other content"))
    let old = try send(one, key(40, ago: 86_400_000 + 60_000))
    #expect(old.status == 1 && old.error.contains("more than 24 hours ago"))
    let early = try send(one, key(41, ago: -3_600_000))
    #expect(early.status == 1 && early.error.contains("22023") && early.error.contains("in the future"))
    #expect(try send(one, "no key").error.contains("is not a UUID"))
    #expect(try send(one + "; " + one, key(42)).error.contains("42601"))
    #expect(try send("SELECT 1", key(43)).error.contains("0A000"))
    #expect(try cluster.rows("SELECT count(*) FROM e") == [["48"]])
  }
}
