// Cursors in blocks with savepoints and beyond their transaction; rows by their size; numbers of statements and connections.

import Capabilities
import Columns
import Model
import NodeRuntime
import Synchronization
import Testing

@testable import PostgresWire

private func expect(_ client: RawClient, _ expected: [String], _ line: Int = #line) async throws {
  let seen = try await client.read(expected.count)
  #expect(seen == expected, "line \(line)")
}
private let failed = "E 22012 division by zero H=Do not. P=8"

@Test func cursorsLastAsLongAsTheirSavepoint() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(
      query("BEGIN; DECLARE c CURSOR FOR SELECT i FROM numbers(3)"),
      query("SAVEPOINT s"),
      query("SELECT fail()"),
      query("FETCH 1 FROM c"),
      query("ROLLBACK TO s"),
      query("FETCH 1 FROM c")
    )
    try await expect(client, ["C BEGIN", "C DECLARE CURSOR", "Z T", "C SAVEPOINT", "Z T", failed, "Z E"])
    try await expect(client, ["E 25P02 current transaction is aborted, commands ignored until end of transaction block", "Z E"])
    try await expect(client, ["C ROLLBACK", "Z T", "T i:20", "D 1", "C FETCH 1", "Z T"])
    // One that was made behind the savepoint goes, and its name is free again.
    let declare = query("DECLARE d CURSOR FOR SELECT 1")
    try await client.send(declare, query("ROLLBACK TO s"), declare, query("RELEASE s"))
    try await expect(client, ["C DECLARE CURSOR", "Z T", "C ROLLBACK", "Z T", "C DECLARE CURSOR", "Z T", "C RELEASE", "Z T"])
    // With its savepoint released it is one of the block.
    try await client.send(query("SAVEPOINT s"), query("SELECT fail()"), query("ROLLBACK TO s"), query("FETCH 1 FROM d"), query("COMMIT"))
    try await expect(client, ["C SAVEPOINT", "Z T", failed, "Z E", "C ROLLBACK", "Z T"])
    try await expect(client, ["T ?column?:23", "D 1", "C FETCH 1", "Z T", "C COMMIT", "Z I"])
    try await client.send(query("FETCH 1 FROM d"))
    try await expect(client, ["E 34000 cursor \"d\" does not exist", "Z I"])
    // One that failed itself does not seem to be at its end.
    try await client.send(
      query("BEGIN; DECLARE c CURSOR FOR SELECT i FROM failing(2)"),
      query("SAVEPOINT s"),
      query("FETCH ALL FROM c"),
      query("ROLLBACK TO s"),
      query("FETCH ALL FROM c")
    )
    try await expect(client, ["C BEGIN", "C DECLARE CURSOR", "Z T", "C SAVEPOINT", "Z T"])
    try await expect(client, ["T i:20", "D 1", "D 2", "E 22012 division by zero", "Z E", "C ROLLBACK", "Z T"])
    try await expect(client, ["E 55000 portal \"c\" cannot be run", "Z E"])
    #expect(bench.engine.openStreams.withLock { $0 } == 0)
  }
}

/// What PostgreSQL 15 answers to the same messages.
@Test func cancelRequestsBetweenExecutesEndNothing() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    func cancel() async throws {
      let (process, secret) = try #require(client.key.withLock { $0 })
      let request = try await bench.connect()
      try await request.send(packet(big(UInt32(80_877_102)) + big(process) + secret))
      // The server closes when it has seen to it.
      #expect(try await request.byte() == nil)
    }
    let open = parse("", "SELECT i FROM numbers(5)") + bind("c", "") + execute("c", 2)
    let cancelled = "E 57014 canceling statement due to user request"
    let aborted = "E 25P02 current transaction is aborted, commands ignored until end of transaction block"
    // Between two Executes nothing runs: there is nothing to cancel, within a cycle as between two.
    try await client.send(open, flush)
    try await expect(client, ["1", "2", "D 1", "D 2", "s"])
    try await cancel()
    try await client.send(execute("c", 2), sync)
    try await expect(client, ["D 3", "D 4", "s", "Z I"])
    try await client.send(query("BEGIN"), open, sync)
    try await expect(client, ["C BEGIN", "Z T", "1", "2", "D 1", "D 2", "s", "Z T"])
    try await cancel()
    try await client.send(execute("c", 2), execute("c", 2), sync)
    try await expect(client, ["D 3", "D 4", "s", "D 5", "C SELECT 1", "Z T"])
    // The next one is cancelled as ever. What is open then is known until the block ends, and gives nothing.
    try await client.send(query("ROLLBACK"), query("BEGIN"), open, sync)
    try await expect(client, ["C ROLLBACK", "Z I", "C BEGIN", "Z T", "1", "2", "D 1", "D 2", "s", "Z T"])
    try await cancel()
    let before = bench.engine.sleeping.withLock { $0 }
    try await client.send(parse("", "SELECT sleep()"), bind("", ""), execute(""), sync)
    try await bench.until { bench.engine.sleeping.withLock { $0 } > before }
    try await cancel()
    try await expect(client, ["1", "2", cancelled, "Z E"])
    try await client.send(execute("c", 2), sync, query("ROLLBACK"), execute("c", 2), sync)
    try await expect(client, [aborted, "Z E", "C ROLLBACK", "Z I", "E 34000 portal \"c\" does not exist", "Z I"])
    // Behind a savepoint it stays open; one that is cancelled in the middle of its rows goes with its block.
    try await client.send(query("BEGIN"), open, sync, query("SAVEPOINT s"), query("SELECT fail()"), query("ROLLBACK TO s"))
    try await expect(
      client,
      ["C BEGIN", "Z T", "1", "2", "D 1", "D 2", "s", "Z T", "C SAVEPOINT", "Z T", failed, "Z E", "C ROLLBACK", "Z T"]
    )
    try await client.send(execute("c", 2), sync, query("ROLLBACK"))
    try await expect(client, ["D 3", "D 4", "s", "Z T", "C ROLLBACK", "Z I"])
    try await client.send(query("BEGIN"), parse("", "SELECT i FROM endless()"), bind("e", ""), execute("e", 2), sync)
    try await expect(client, ["C BEGIN", "Z T", "1", "2", "D 1", "D 2", "s", "Z T"])
    try await client.send(execute("e"), sync)
    // Rows come: it runs.
    #expect(try await client.next() == "D 3")
    try await cancel()
    let rest = try await client.until()
    #expect(rest.suffix(2) == [cancelled, "Z E"], "\(rest.suffix(2))")
    try await client.send(execute("e", 1), sync, query("ROLLBACK"), query("SELECT 1"))
    try await expect(client, [aborted, "Z E", "C ROLLBACK", "Z I", "T ?column?:23", "D 1", "C SELECT 1", "Z I"])
    #expect(bench.engine.openStreams.withLock { $0 } == 0)
  }
}

@Test func heldCursorsGoWithATransactionThatIsUndone() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    let declare = "DECLARE h CURSOR WITH HOLD FOR SELECT 1"
    let (fetch, missing) = (query("FETCH 1 FROM h"), "E 34000 cursor \"h\" does not exist")
    try await client.send(query("BEGIN; \(declare)"), query("ROLLBACK"), fetch)
    try await expect(client, ["C BEGIN", "C DECLARE CURSOR", "Z T", "C ROLLBACK", "Z I", missing, "Z I"])
    try await client.send(query("\(declare); SHOW nosuch"), fetch)
    _ = try await client.until()
    try await expect(client, [missing, "Z I"])
    // One whose transaction has committed outlives others.
    try await client.send(query("BEGIN; \(declare); COMMIT"), query("BEGIN"), query("SELECT fail()"), query("ROLLBACK"), fetch)
    try await expect(client, ["C BEGIN", "C DECLARE CURSOR", "C COMMIT", "Z I", "C BEGIN", "Z T", failed, "Z E", "C ROLLBACK", "Z I"])
    try await expect(client, ["T ?column?:23", "D 1", "C FETCH 1", "Z I"])
  }
}

@Test func rowsOfLongTextsAreEncodedAFewAtATime() async throws {
  let text = [UInt8](repeating: 0x61, count: 100 << 10)
  let dictionary = TextDictionary(offsets: [0, UInt32(text.count)], bytes: text)
  let long = ColumnVector(.text, .codes([UInt32](repeating: 0, count: 1000), dictionary))
  let cursor = RowCursor(FixedRows(Batch(count: 1000, columns: [long])))
  let (first, second) = (try await cursor.next(upTo: 2048), try await cursor.next(upTo: 1))
  #expect(first?.1 == 0..<2 && second?.1 == 2..<3)
  let narrow = RowCursor(FixedRows(numbers(1...1000)))
  let all = try await narrow.next(upTo: 2048)
  #expect(all?.1 == 0..<1000)
}

@Test func aLateAlarmDoesNotStopTheNextStatement() {
  let statement = RunningStatement()
  let first = statement.begin(readsOnly: true)
  #expect(statement.end() == nil)
  let second = statement.begin(readsOnly: true)
  statement.stop(.timeout, only: first)
  #expect(statement.end() == nil)
  let third = statement.begin(readsOnly: true)
  statement.stop(.timeout, only: third)
  #expect(statement.end() == .timeout && second != third)
}

@Test func numbersOfConnectionsBeginAgain() {
  let registry = CancelRegistry(coordinator: 1, last: 0xf_fffe)
  let statement = RunningStatement()
  let numbers = (0..<2).map { _ in registry.register(statement, secretBytes: 4, SystemRandom()).process }
  #expect(numbers == [0x1f_ffff, 0x10_0001])
}
