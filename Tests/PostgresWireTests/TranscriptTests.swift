// The extended protocol byte for byte: what each client of ecosystem §1.4 sends, and what must come back.

import Capabilities
import Model
import PostgresWire
import Synchronization
import Testing

private func expect(_ client: RawClient, _ expected: [String], _ line: Int = #line) async throws {
  let seen = try await client.read(expected.count)
  #expect(seen == expected, "line \(line)")
}
private func int8(_ value: Int64) -> [UInt8] { big(value) }

@Test func greetingTellsWhatPostgreSQLTells() async throws {
  try await withBench { bench in
    let client = try await bench.connect()
    try await client.send(
      startup([
        "user": "dev", "database": "tally", "application_name": "x", "client_encoding": "'utf-8'", "options": "-c statement_timeout=5s",
      ])
    )
    #expect(try await client.until() == ["R 0", "Z I"])
    let parameters = client.parameters.withLock { $0 }
    #expect(
      parameters.keys.sorted() == [
        "DateStyle", "IntervalStyle", "TimeZone", "application_name", "client_encoding", "default_transaction_read_only", "in_hot_standby",
        "integer_datetimes", "is_superuser", "server_encoding", "server_version", "session_authorization", "standard_conforming_strings",
      ]
    )
    #expect(parameters["server_version"]?.hasPrefix("15.0") == true && parameters["TimeZone"] == "Etc/UTC")
    #expect(parameters["client_encoding"] == "UTF8" && parameters["session_authorization"] == "dev")
    try await client.send(query("SHOW statement_timeout"))
    try await expect(client, ["T statement_timeout:25", "D 5s", "C SHOW", "Z I"])
    // Only what changed is told again, before ReadyForQuery.
    client.parameters.withLock { $0 = [:] }
    try await client.send(query("SET application_name = 'y'"))
    try await expect(client, ["C SET", "Z I"])
    #expect(client.parameters.withLock { $0 } == ["application_name": "y"])
  }
}

@Test func newerProtocolsAreNegotiated() async throws {
  try await withBench { bench in
    let newest = try await bench.connect()
    try await newest.send(startup(["user": "dev"], minor: 2))
    #expect(try await newest.until() == ["R 0", "Z I"])
    #expect(newest.key.withLock { $0?.1.count } == 32)
    let future = try await bench.connect()
    try await future.send(startup(["user": "dev", "_pq_.magic": "on"], minor: 9))
    #expect(try await future.until() == ["v 196610 _pq_.magic", "R 0", "Z I"])
    let old = try await bench.connect()
    try await old.send(startup(["user": "dev", "_pq_.magic": "on"]))
    #expect(try await old.until() == ["v 196608 _pq_.magic", "R 0", "Z I"])
    #expect(old.key.withLock { $0?.1.count } == 4)
  }
}

@Test func psycopgNamesAndPipelines() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // Smallest integer type, binary; Describe portal; then named, without waiting.
    try await client.send(
      parse("", "SELECT $1::bigint", [21]),
      bind("", "", formats: [1], [[0, 7]], results: [1]),
      describe("P", ""),
      execute(""),
      sync
    )
    try await expect(client, ["1", "2", "T ?column?:21b", "D 0x0007", "C SELECT 1", "Z I"])
    try await client.send(
      parse("_pg3_0", "SELECT $1::bigint", [20]),
      sync,
      bind("", "_pg3_0", formats: [1], [int8(300)], results: [0]),
      describe("P", ""),
      execute(""),
      sync
    )
    try await expect(client, ["1", "Z I", "2", "T ?column?:20", "D 300", "C SELECT 1", "Z I"])
    // executemany: n times Bind, Describe, Execute and one Sync, with Flush.
    let one = bind("", "_pg3_0", [Array("1".utf8)]) + describe("P", "") + execute("")
    try await client.send(one, one, flush, one, sync)
    let answer = ["2", "T ?column?:20", "D 1", "C SELECT 1"]
    try await expect(client, answer + answer + answer + ["Z I"])
    try await client.send(query("DEALLOCATE ALL"))
    try await expect(client, ["C DEALLOCATE ALL", "Z I"])
    try await client.send(bind("", "_pg3_0", [[0x31]]), sync)
    try await expect(client, ["E 26000 prepared statement \"_pg3_0\" does not exist", "Z I"])
  }
}

@Test func portalsOfDeclaredCursorsAreDescribed() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("BEGIN; DECLARE \"named\" CURSOR FOR SELECT i FROM numbers(5)"))
    try await expect(client, ["C BEGIN", "C DECLARE CURSOR", "Z T"])
    try await client.send(describe("P", "named"), sync)
    try await expect(client, ["T i:20", "Z T"])
    try await client.send(
      query("FETCH FORWARD 3 FROM named"),
      query("MOVE 1 FROM named"),
      query("FETCH 5 FROM named"),
      query("CLOSE named; COMMIT")
    )
    try await expect(client, ["T i:20", "D 1", "D 2", "D 3", "C FETCH 3", "Z T", "C MOVE 1", "Z T"])
    try await expect(client, ["T i:20", "D 5", "C FETCH 1", "Z T", "C CLOSE CURSOR", "C COMMIT", "Z I"])
    // FETCH through the extended protocol, binary.
    try await client.send(query("BEGIN; DECLARE c CURSOR FOR SELECT i FROM numbers(5)"))
    _ = try await client.until()
    try await client.send(parse("", "FETCH 2 FROM c"), bind("", "", results: [1]), describe("P", ""), execute("", 1), execute("", 1), sync)
    try await expect(client, ["1", "2", "T i:20b", "D 0x0000000000000001", "s", "D 0x0000000000000002", "s", "Z T"])
    try await client.send(query("FETCH BACKWARD 1 FROM c"))
    try await expect(client, ["E 55000 cursor can only scan forward H=Declare it again to read from the start.", "Z E"])
    try await client.send(query("ROLLBACK"))
    try await expect(client, ["C ROLLBACK", "Z I"])
    try await bench.until { bench.engine.openStreams.withLock { $0 } == 0 }
  }
}

@Test func asyncpgFlushesWithoutSyncAndStopsAfterOneRow() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(parse("__asyncpg_1__", "SELECT * FROM wide($1::bigint, 3)"), describe("S", "__asyncpg_1__"), flush)
    try await expect(client, ["1", "t 20", "T id:20 name:1043"])
    try await client.send(bind("", "__asyncpg_1__", formats: [1], [int8(3)], results: [1]), execute("", 1), sync)
    try await expect(client, ["2", "D 0x0000000000000001 | name 1", "s", "Z I"])
    try await bench.until { bench.engine.openStreams.withLock { $0 } == 0 }
    // A cursor: a named portal with a limit, in a transaction, beside another one.
    try await client.send(query("BEGIN"))
    try await expect(client, ["C BEGIN", "Z T"])
    try await client.send(bind("cur", "__asyncpg_1__", formats: [1], [int8(1)]), execute("cur", 2), sync)
    try await expect(client, ["2", "D 1 | name 1", "D 2 | name 2", "s", "Z T"])
    try await client.send(parse("", "SELECT i FROM numbers(3)"), bind("two", ""), execute("two", 1), sync)
    try await expect(client, ["1", "2", "D 1", "s", "Z T"])
    try await client.send(execute("cur", 5), execute("two", 2), execute("two", 2), close("P", "cur"), sync)
    try await expect(client, ["D 3 | NULL", "D 4 | name 4"])
    try await expect(client, ["D 5 | name 5", "D 6 | NULL", "D 7 | name 7", "s", "D 2", "D 3", "s", "C SELECT 0", "3", "Z T"])
    try await client.send(query("COMMIT"))
    try await expect(client, ["C COMMIT", "Z I"])
    try await client.send(execute("two", 2), sync)
    try await expect(client, ["E 34000 portal \"two\" does not exist", "Z I"])
    try await bench.until { bench.engine.openStreams.withLock { $0 } == 0 }
  }
}

@Test func pg8000SyncsEachStep() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(parse("s", "SELECT 1"), flush, sync)
    try await expect(client, ["1", "Z I"])
    try await client.send(describe("S", "s"), flush, sync)
    try await expect(client, ["t", "T ?column?:23", "Z I"])
    try await client.send(bind("", "s"), execute(""), flush, sync)
    try await expect(client, ["2", "D 1", "C SELECT 1", "Z I"])
    // COPY through the extended protocol; the Sync that came with it, and one after CopyDone.
    try await client.send(parse("", "COPY t FROM STDIN"), bind("", ""), execute(""), sync)
    try await expect(client, ["1", "2", "G 0 2"])
    try await client.send(message("d", Array("1\ta\n2".utf8)), message("d", Array("\tb\n".utf8)), message("c"), sync)
    try await expect(client, ["C COPY 2", "Z I"])
    #expect(bench.engine.copied.withLock { $0 } == ["1\ta", "2\tb"])
  }
}

@Test func pgjdbcBeginsAndAsksInOneBatch() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(
      parse("", "BEGIN"),
      bind("", ""),
      execute("", 0),
      parse("S_1", "SELECT i FROM numbers(5)"),
      bind("C_1", "S_1"),
      describe("P", "C_1"),
      execute("C_1", 2),
      sync
    )
    try await expect(client, ["1", "2", "C BEGIN", "1", "2", "T i:20", "D 1", "D 2", "s", "Z T"])
    try await client.send(execute("C_1", 2), sync, execute("C_1", 2), sync)
    try await expect(client, ["D 3", "D 4", "s", "Z T", "D 5", "C SELECT 1", "Z T"])
    // Execute max=1 on what gives no rows; RETURNING; an empty Parse, as isValid does.
    try await client.send(parse("", "SET extra_float_digits = 3"), bind("", ""), execute("", 1), sync)
    try await expect(client, ["1", "2", "C SET", "Z T"])
    try await client.send(parse("", "INSERT INTO t RETURNING *"), bind("", ""), describe("P", ""), execute("", 0), sync)
    try await expect(client, ["1", "2", "T id:20", "D 1", "C INSERT 0 1", "Z T"])
    try await client.send(parse("", ""), bind("", ""), describe("P", ""), execute("", 1), describe("S", ""), sync)
    try await expect(client, ["1", "2", "n", "I", "t", "n", "Z T"])
  }
}

@Test func unnamedStatementLivesAcrossSyncAndUnnamedPortalDoesNot() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // lib/pq.
    try await client.send(parse("", "SELECT $1::text"), describe("S", ""), sync)
    try await expect(client, ["1", "t 25", "T ?column?:25", "Z I"])
    try await client.send(bind("", "", [[0x78]]), execute(""), sync)
    try await expect(client, ["2", "D x", "C SELECT 1", "Z I"])
    try await client.send(execute(""), sync)
    try await expect(client, ["E 34000 portal \"\" does not exist", "Z I"])
    // Executed twice within one Sync; a statement without rows cannot be.
    try await client.send(bind("", "", [[0x79]]), execute(""), execute(""), sync)
    try await expect(client, ["2", "D y", "C SELECT 1", "C SELECT 0", "Z I"])
    try await client.send(parse("", "INSERT INTO t"), bind("", ""), execute(""), execute(""), sync)
    try await expect(client, ["1", "2", "C INSERT 0 1", "E 55000 portal \"\" cannot be run", "Z I"])
  }
}

@Test func errorsSkipToSyncOnce() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(
      parse("", "SELECT fail()"),
      bind("", ""),
      execute(""),
      parse("", "SELECT 1"),
      bind("", ""),
      execute(""),
      query("SELECT 2"),
      sync,
      sync
    )
    try await expect(client, ["1", "2", "E 22012 division by zero H=Do not. P=8", "Z I", "Z I"])
    try await client.send(parse("", "SELECT 1; SELECT 2"), sync, parse("", "nonsense"), sync, bind("", "missing"), flush, sync)
    try await expect(client, ["E 42601 cannot insert multiple commands into a prepared statement", "Z I"])
    try await expect(client, ["E 42601 syntax error at or near \"nonsense\" P=1", "Z I"])
    try await expect(client, ["E 26000 prepared statement \"missing\" does not exist", "Z I"])
    try await client.send(message("B", [0]), sync, describe("P", "none"), sync)
    try await expect(client, ["E 08P01 invalid string in message", "Z I"])
    try await expect(client, ["E 34000 portal \"none\" does not exist", "Z I"])
    // A failed transaction takes nothing but its end.
    try await client.send(query("BEGIN"), query("SELECT fail()"), parse("", "SELECT 1"), sync, query("COMMIT"))
    try await expect(client, ["C BEGIN", "Z T", "E 22012 division by zero H=Do not. P=8", "Z E"])
    let aborted = "E 25P02 current transaction is aborted, commands ignored until end of transaction block"
    try await expect(client, [aborted, "Z E", "C ROLLBACK", "Z I"])
    try await client.send(bind("", "", [[0x31]], results: [0, 0]), sync)
    _ = try await client.until()
    try await client.send(
      parse("a", "SELECT 1"),
      parse("a", "SELECT 1"),
      sync,
      bind("", "a", results: [0, 0]),
      sync,
      bind("p", "a"),
      bind("p", "a"),
      sync
    )
    try await expect(client, ["1", "E 42P05 prepared statement \"a\" already exists", "Z I"])
    try await expect(client, ["E 08P01 bind message has 2 result formats but query has 1 columns", "Z I"])
    try await expect(client, ["2", "E 42P03 cursor \"p\" already exists", "Z I"])
    try await client.send(message("F", [0, 0, 0, 1]))
    let refused = try await client.until()
    #expect(refused.first?.hasPrefix("E 0A000") == true && refused.count == 2)
  }
}

@Test func protocolAndSQLShareStatements() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(parse("pdo_1", "SELECT $1::bigint"), sync, query("EXECUTE pdo_1(5)"), query("DEALLOCATE \"pdo_1\""))
    try await expect(client, ["1", "Z I", "T ?column?:20", "D 5", "C SELECT 1", "Z I", "C DEALLOCATE", "Z I"])
    try await client.send(
      query("PREPARE q (bigint, text) AS SELECT $1::bigint, $2::text"),
      bind("", "q", [[0x31], nil]),
      execute(""),
      sync
    )
    try await expect(client, ["C PREPARE", "Z I", "2", "D 1 | NULL", "C SELECT 1", "Z I"])
    try await client.send(parse("", "EXECUTE q(7, 'x')"), bind("", ""), describe("P", ""), execute(""), sync)
    try await expect(client, ["1", "2", "T ?column?:20 ?column?:25", "D 7 | x", "C SELECT 1", "Z I"])
    try await client.send(query("EXECUTE q(1)"), query("EXECUTE nothing"))
    try await expect(
      client,
      ["E 42601 wrong number of parameters for prepared statement \"q\" D=Expected 2 parameters but got 1.", "Z I"]
    )
    try await expect(client, ["E 26000 prepared statement \"nothing\" does not exist", "Z I"])
  }
}

@Test func allTypesGoOutInBothFormats() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(
      parse("", "SELECT types()"),
      bind("", "", results: [1]),
      execute(""),
      bind("", "", results: []),
      execute(""),
      sync
    )
    let lines = try await client.until()
    #expect(lines.count == 10)
    #expect(lines[2].hasPrefix("D 0x01 | 0xfff9 | 0x00011170 | 0xfffffffde78ee"), "\(lines[2])")
    #expect(lines[2].hasSuffix("| 0x118b7f | 0x017b2261223a20317d | 0x000000000000002a"), "\(lines[2])")
    #expect(
      lines[6]
        == "D t | -7 | 70000 | -9000000000 | 1.5 | 12345.67 | häß | v | 2024-02-29 | 2024-02-29 12:34:56.789 | 2024-02-29 12:34:56.789+00 | 1 year 2 mons 3 days 00:00:04.000001 | \\x118b7f | {\"a\": 1} | 42"
    )
    #expect(lines[7] == "D " + [String](repeating: "NULL", count: 15).joined(separator: " | "))
  }
}
