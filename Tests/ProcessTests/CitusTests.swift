// The statements of the Citus real-time material, in our own words, as psql sessions with golden answers (Citus/NAME.sql, .out) against a
// cluster of three workers. Sketches' answers stand beside exact ones of the raw rows. Where PostgreSQL 15 with postgresql-hll has all of a
// session's functions, the golden answers are its own but for what is Tally's: places of errors, NOTICEs of indexes, plans, and
// hll_hashval, which clients see as a bigint.
//
// Which session covers what must run (the checklist's lines in the reference `sql.md`, by section):
//
// | 5.1 types, inet, char(n)[], varchar(n), decimal, bytea, uuid, hll(…)  | tables (kinds)                                     |
// | 5.1 serial, bigserial, <table>_<column>_seq                            | tutorial (clicks), windows, tables (campaigns)     |
// | 5.1 DEFAULT, NOT NULL, PRIMARY KEY, UNIQUE of columns and tables       | tables (companies, campaigns, countries)           |
// | 5.1 CHECK with calls                                                   | realtime (requests_1min, latest_minute)            |
// | 5.1 indexes: unique, DESC, btree, brin, gin (… jsonb_path_ops)         | tutorial, tables (kinds, analytics_events)         |
// | 5.1 ALTER TABLE … ADD COLUMN hll, jsonb on a filled table              | realtime                                           |
// | 5.1 DROP IF EXISTS, TRUNCATE … CASCADE                                 | tutorial, realtime, tables                         |
// | 5.1 CREATE EXTENSION; (s) LIKE, AS, CREATE AGGREGATE, USING columnar   | tables                                             |
// | 5.2 create_distributed_table with named arguments, reference tables    | tables, realtime, rollups, topn                    |
// | 5.2 cron.schedule with and without a name, cron.unschedule             | realtime, tutorial                                 |
// | 5.2 SET citus.…, topn.number_of_counters, hll_set_…                    | tables, topn, hll                                  |
// | 5.3 \COPY with and without columns, HEADER, to a file; COPY FROM STDIN | tutorial, tables, rollups, topn                    |
// | 5.3 INSERT … VALUES of several rows with JSON and sketches             | tables, realtime                                   |
// | 5.3 INSERT … SELECT … GROUP BY on the shards; through the coordinator  | realtime, search; rollups, topn                    |
// | 5.3 ON CONFLICT DO UPDATE with hll_union, topn_union; DO NOTHING       | tutorial, search, rollups, tables                  |
// | 5.3 UPDATE … WHERE key, with hll_add and ||; DELETE by time, IN (…)    | hll, metrics, tables; realtime, search             |
// | 5.4 aggregates, CASE, GROUP BY alias and ordinal, HAVING, ORDER, LIMIT | expressions, realtime, tutorial                    |
// | 5.4 joins, subqueries, UNION ALL of 5-minute and daily tables          | tables, expressions; search                        |
// | 5.4 (topn(j, n)).*, .item, in FROM, beside GROUP BY                    | topn, tutorial, search                             |
// | 5.4 EXPLAIN, (COSTS OFF), ANALYZE                                      | expressions                                        |
// | 5.5 times, the 5-minute bucket, casts, functions, JSON                 | expressions, tutorial, metrics                     |
// | 5.5 functions, operators and aggregates of hll and topn                | hll, topn                                          |
// | 5.6 functions in PL/pgSQL: windows, EXECUTE, FOR UPDATE, LOCK, DO      | tutorial, windows, realtime, rollups, search       |
// | 5.7 psql's meta commands                                               | tables (\d), expressions (\set, \gset, \x)         |
// | (s) PARTITION BY RANGE, create_ and drop_old_time_partitions           | timeseries                                         |
// | 5.8 the rollup function of seed B; seed A                              | search; tables                                     |
import Foundation
import Launcher
import Testing

private let sessions = [
  "realtime", "tutorial", "windows", "tables", "expressions", "rollups", "metrics", "topn", "hll", "search",
  "timeseries", "moves",
]
private let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Citus/"

@Suite(.serialized, .enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/psql"))) struct CitusTests {
  @Test func theStatementsOfTheTutorialsAnswerAsTheyShould() throws {
    let cluster = try RunningCluster(workers: 3)
    for name in sessions {
      let script = try String(contentsOfFile: fixtures + name + ".sql", encoding: .utf8)
      let (process, input, output) = cluster.psqlProcess(["psql", "-X", "-e"], coordinator: 1)
      // Where \copy leaves its files.
      process.currentDirectoryURL = URL(fileURLWithPath: cluster.directory)
      try process.run()
      input.fileHandleForWriting.write(Data(script.utf8))
      try input.fileHandleForWriting.close()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      if ProcessInfo.processInfo.environment["TALLY_WRITE_GOLDEN"] == "1" {
        try text.write(toFile: fixtures + name + ".out", atomically: true, encoding: .utf8)
      }
      let golden = try String(contentsOfFile: fixtures + name + ".out", encoding: .utf8)
      let (got, wanted) = (text.split(separator: "\n"), golden.split(separator: "\n"))
      for (at, (line, expected)) in zip(got, wanted).enumerated() where line != expected {
        Issue.record("\(name), line \(at + 1): got \"\(line)\", expected \"\(expected)\", after \"\(at > 0 ? got[at - 1] : "")\"")
        break
      }
      #expect(got.count == wanted.count, "\(name)")
    }
  }
}
