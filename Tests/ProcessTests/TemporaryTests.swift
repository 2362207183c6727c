// Temporary tables over real processes: what sessions see (Postgres/temporary.sql, .out), and that they go with their session however it
// ends.
import Foundation
import Launcher
import Testing

private let hasPsql = FileManager.default.isExecutableFile(atPath: "/usr/bin/psql")
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Postgres/"

@Suite(.serialized, .enabled(if: hasPsql)) struct TemporaryTests {
  /// Schemas of temporary tables.
  private static let schemas = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pg\\_temp\\_%'"
  /// Tables in them.
  private static let tables = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relkind = 'r'"

  /// On the coordinator that leads and on others, one after the other: each begins and ends with an empty catalog.
  @Test func temporaryTablesAnswerAsPostgresDoes() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3)
    let script = try String(contentsOfFile: fixtures + "temporary.sql", encoding: .utf8)
    let wanted = try String(contentsOfFile: fixtures + "temporary.out", encoding: .utf8).split(separator: "\n")
    for coordinator in 1...3 {
      let got = try cluster.psql([], coordinator: coordinator, input: script).output.split(separator: "\n")
      for (at, (line, expected)) in zip(got, wanted).enumerated() where line != expected {
        let before = at > 0 ? got[at - 1] : ""
        Issue.record("coordinator \(coordinator), line \(at + 1): got \"\(line)\", expected \"\(expected)\", after \"\(before)\"")
        break
      }
      #expect(got.count == wanted.count)
    }
    #expect(try eventually(seconds: 20) { try cluster.ask(Self.schemas) == "0\n" })
  }

  @Test func sessionsDoNotSeeEachOthers() throws {
    let cluster = try RunningCluster(workers: 1)
    let (one, two) = (try OpenPsql(cluster), try OpenPsql(cluster))
    for (session, value) in [(one, 1), (two, 2)] {
      _ = try session.run("CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (\(value));")
    }
    #expect(try one.run("SELECT n FROM t;") == "1\n")
    #expect(try two.run("SELECT n FROM t;") == "2\n")
    let schema = try one.run("SELECT pg_my_temp_schema()::regnamespace;").trimmingCharacters(in: .newlines)
    #expect(try one.run("SELECT n FROM \(schema).t;") == "1\n")
    #expect(try two.run("SELECT n FROM \(schema).t;").contains("does not exist"))
    #expect(try two.run("CREATE TABLE \(schema).u (n int);").contains("temporary schemas of other sessions"))
    #expect(try two.run("SELECT count(*) FROM information_schema.tables WHERE table_type = 'LOCAL TEMPORARY';") == "1\n")
    #expect(try two.run("SELECT count(*) FROM pg_namespace WHERE pg_is_other_temp_schema(oid);") == "1\n")
    // A rolled back block of a client that is in the middle of it, and one that has gone.
    _ = try one.run("BEGIN; CREATE TEMP TABLE u (n int); INSERT INTO u VALUES (1);")
    try one.end()
    #expect(try eventually(seconds: 20) { try cluster.ask(Self.tables) == "1\n" })
    #expect(try two.run("SELECT n FROM t;") == "2\n")
    try two.end()
    #expect(try eventually(seconds: 20) { try cluster.ask(Self.schemas) == "0\n" })
    // Levels of rollups have names in the rollup's schema alone.
    try cluster.execute("CREATE TABLE ev (app text, ts timestamptz, n bigint)")
    try cluster.execute("SELECT create_distributed_table('ev', 'app', shard_count => 2)")
    try cluster.execute(
      "CREATE MATERIALIZED VIEW r WITH (rollup, levels = '1 day') AS SELECT app, time_bucket(ts) AS b, count(*) AS c FROM ev GROUP BY app, b"
    )
    let shadow = "CREATE TEMP TABLE r (n int); CREATE TEMP TABLE r_1day (n int); SELECT count(*) FROM r, r_1day"
    #expect(try cluster.psql(["-q", "-A", "-t", "-c", shadow]).output == "0\n")
    // The protocol of `tally sql` has no sessions.
    #expect(throws: LaunchFailure.self) { try cluster.execute("CREATE TEMP TABLE t (n int)") }
  }

  @Test func whatAKilledCoordinatorLeavesIsDropped() throws {
    let cluster = try RunningCluster(workers: 2, coordinators: 3, settings: ["TALLY_DEAD_AFTER": "3"])
    let sessions = try (1...3).map { try OpenPsql(cluster, coordinator: $0) }
    for session in sessions { _ = try session.run("CREATE TEMP TABLE t (n int); INSERT INTO t VALUES (1);") }
    #expect(try cluster.ask(Self.schemas) == "3\n")
    // Those of one that does not come back are the leader's to drop, whoever that is by then.
    try cluster.processes.kill("coordinator-1")
    #expect(try eventually(seconds: 60) { try cluster.ask(Self.schemas, coordinator: 3) == "2\n" })
    #expect(try sessions[1].run("SELECT count(*) FROM t;") == "1\n")
    // One that comes back knows its own, at the latest when a client comes; the sessions of the others are not touched.
    try cluster.processes.start("coordinator-1")
    #expect(try eventually(seconds: 30) { try cluster.ask(Self.schemas) == "2\n" })
    try cluster.processes.kill("coordinator-2")
    try cluster.processes.start("coordinator-2")
    #expect(try eventually(seconds: 30) { try cluster.ask(Self.schemas, coordinator: 2) == "1\n" })
    #expect(try sessions[2].run("SELECT count(*) FROM t;") == "1\n")
    try sessions[2].end()
  }
}
