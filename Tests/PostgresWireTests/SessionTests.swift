// The simple protocol, transactions and settings, COPY, cancelling, limits, login and shutdown, over real sockets.

import Capabilities
import Model
import Synchronization
import Testing

@testable import PostgresWire

private func expect(_ client: RawClient, _ expected: [String], _ line: Int = #line) async throws {
  let seen = try await client.read(expected.count)
  #expect(seen == expected, "line \(line)")
}

@Test func severalStatementsRunUntilTheFirstError() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("SELECT 1; INSERT INTO t; SELECT 'x'"), query(";"), query(""))
    try await expect(
      client,
      ["T ?column?:23", "D 1", "C SELECT 1", "C INSERT 0 1", "T ?column?:25", "D x", "C SELECT 1", "Z I", "I", "Z I", "I", "Z I"]
    )
    try await client.send(query("SELECT 1;  SELECT fail(); SELECT 2"))
    // The position counts in the whole text.
    try await expect(client, ["T ?column?:23", "D 1", "C SELECT 1", "E 22012 division by zero H=Do not. P=19", "Z I"])
    try await client.send(query("SELECT 1; nonsense"), query("SELECT i FROM failing(2)"), query("SELECT where"))
    try await expect(client, ["E 42601 syntax error at or near \"nonsense\" P=11", "Z I"])
    try await expect(client, ["T i:20", "D 1", "D 2", "E 22012 division by zero", "Z I"])
    try await expect(client, ["E 23505 duplicate key W=COPY t, line 2", "Z I"])
    try await client.send(query("CREATE TABLE IF NOT EXISTS t"))
    try await expect(client, ["N NOTICE 42P07 relation \"t\" already exists, skipping", "C CREATE TABLE", "Z I"])
    // SET and SELECT in one message, as psqlodbc and Grafana do; an error takes the settings back.
    try await client.send(query("SET statement_timeout = '1min'; SELECT fail()"), query("SHOW statement_timeout"))
    _ = try await client.until()
    try await expect(client, ["T statement_timeout:25", "D 0", "C SHOW", "Z I"])
  }
}

@Test func statementsOfOneMessageAreOneTransaction() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    func changes(_ expected: [String], _ line: Int = #line) {
      let seen = bench.engine.changes.withLock { changes in
        defer { changes = [] }
        return changes
      }
      #expect(seen == expected, "line \(line)")
    }
    let (insert, idle) = ("C INSERT 0 1", "Z I")
    let warning = "N WARNING 25P01 there is no transaction in progress"
    try await client.send(query("INSERT INTO t; INSERT INTO t"))
    try await expect(client, [insert, insert, idle])
    changes(["beginImplicit", "commit"])
    // One alone is none.
    try await client.send(query("INSERT INTO t"), query("SET jit = on; INSERT INTO t"))
    try await expect(client, [insert, idle, "C SET", insert, idle])
    changes([])
    try await client.send(query("INSERT INTO t; SELECT fail()"))
    try await expect(client, [insert, "E 22012 division by zero H=Do not. P=23", idle])
    changes(["beginImplicit", "rollback"])
    // BEGIN takes over what came before; COMMIT and ROLLBACK end it.
    try await client.send(query("INSERT INTO t; INSERT INTO t; BEGIN; INSERT INTO t"), query("COMMIT"))
    try await expect(client, [insert, insert, "C BEGIN", insert, "Z T", "C COMMIT", idle])
    changes(["beginImplicit", "begin", "commit"])
    try await client.send(query("INSERT INTO t; COMMIT; INSERT INTO t; ROLLBACK; INSERT INTO t"))
    try await expect(client, [insert, warning, "C COMMIT", insert, warning, "C ROLLBACK", insert, idle])
    changes(["beginImplicit", "commit", "beginImplicit", "rollback", "beginImplicit", "commit"])
    // Of the extended protocol it is what stands before a Sync.
    let run = bind("", "i") + execute("")
    try await client.send(parse("i", "INSERT INTO t"), sync, run, sync)
    try await expect(client, ["1", idle, "2", insert, idle])
    changes([])
    try await client.send(run, run, sync)
    try await expect(client, ["2", insert, "2", insert, idle])
    changes(["beginImplicit", "commit"])
    try await client.send(run, bind("", "nowhere"), run, sync, run, flush)
    try await expect(client, ["2", insert, "E 26000 prepared statement \"nowhere\" does not exist", idle, "2", insert])
    changes(["beginImplicit", "rollback", "beginImplicit"])
    try await client.send(sync)
    try await expect(client, [idle])
    changes(["commit"])
    // What comes behind a statement undoes it or takes it over, whatever it is.
    try await client.send(query("INSERT INTO t; ROLLBACK"), query("INSERT INTO t; BEGIN"), query("ROLLBACK"))
    try await expect(client, [insert, warning, "C ROLLBACK", idle, insert, "C BEGIN", "Z T", "C ROLLBACK", idle])
    changes(["beginImplicit", "rollback", "beginImplicit", "begin", "rollback"])
    try await client.send(query("INSERT INTO t; SHOW nosuch"))
    try await expect(client, [insert, "E 42704 unrecognized configuration parameter \"nosuch\"", idle])
    changes(["beginImplicit", "rollback"])
    // Nobody says that it is to last.
    try await client.send(run, run)
    client.close()
    try await bench.until { bench.engine.sessions.withLock { $0 } == 0 }
    changes(["beginImplicit"])
  }
}

@Test func transactionsShowTheirStatus() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("COMMIT"), query("ROLLBACK"), query("SAVEPOINT a"), query("SET LOCAL jit = on"))
    try await expect(client, ["N WARNING 25P01 there is no transaction in progress", "C COMMIT", "Z I"])
    try await expect(client, ["N WARNING 25P01 there is no transaction in progress", "C ROLLBACK", "Z I"])
    try await expect(client, ["E 25P01 SAVEPOINT can only be used in transaction blocks", "Z I"])
    try await expect(client, ["N WARNING 25P01 SET LOCAL can only be used in transaction blocks", "C SET", "Z I"])
    try await client.send(query("START TRANSACTION ISOLATION LEVEL REPEATABLE READ"), query("BEGIN"), query("SHOW transaction_isolation"))
    try await expect(
      client,
      ["C START TRANSACTION", "Z T", "N WARNING 25001 there is already a transaction in progress", "C BEGIN", "Z T"]
    )
    try await expect(client, ["T transaction_isolation:25", "D repeatable read", "C SHOW", "Z T"])
    try await client.send(
      query("SAVEPOINT a"),
      query("SET application_name = 'in'"),
      query("SELECT fail()"),
      query("SAVEPOINT b"),
      query("ROLLBACK TO SAVEPOINT a")
    )
    try await expect(client, ["C SAVEPOINT", "Z T", "C SET", "Z T", "E 22012 division by zero H=Do not. P=8", "Z E"])
    try await expect(
      client,
      ["E 25P02 current transaction is aborted, commands ignored until end of transaction block", "Z E", "C ROLLBACK", "Z T"]
    )
    try await client.send(query("SHOW application_name"), query("RELEASE SAVEPOINT a"), query("ROLLBACK TO nowhere"), query("COMMIT"))
    try await expect(client, ["T application_name:25", "D ", "C SHOW", "Z T", "C RELEASE", "Z T"])
    try await expect(client, ["E 3B001 savepoint \"nowhere\" does not exist", "Z E", "C ROLLBACK", "Z I"])
    try await client.send(
      query("BEGIN; SET LOCAL statement_timeout = '3s'; COMMIT AND CHAIN"),
      query("SHOW statement_timeout"),
      query("ROLLBACK")
    )
    try await expect(
      client,
      ["C BEGIN", "C SET", "C COMMIT", "Z T", "T statement_timeout:25", "D 0", "C SHOW", "Z T", "C ROLLBACK", "Z I"]
    )
    #expect(
      bench.engine.changes.withLock { $0 } == [
        "begin", "savepoint", "rollBackTo", "release", "rollback", "begin", "commit", "begin", "rollback",
      ]
    )
    try await client.send(query("DECLARE c CURSOR FOR SELECT 1"), query("BEGIN; DECLARE c SCROLL CURSOR FOR SELECT 1"), query("ROLLBACK"))
    try await expect(client, ["E 25P01 DECLARE CURSOR can only be used in transaction blocks", "Z I", "C BEGIN"])
    try await expect(client, ["E 0A000 SCROLL cursors are not supported H=Declare the cursor without SCROLL.", "Z E", "C ROLLBACK", "Z I"])
    // WITH HOLD lives on.
    try await client.send(
      query("DECLARE h CURSOR WITH HOLD FOR SELECT i FROM numbers(3)"),
      query("FETCH 1 FROM h"),
      query("FETCH ALL FROM h"),
      query("CLOSE h")
    )
    try await expect(client, ["C DECLARE CURSOR", "Z I", "T i:20", "D 1", "C FETCH 1", "Z I", "T i:20", "D 2", "D 3", "C FETCH 2", "Z I"])
    try await expect(client, ["C CLOSE CURSOR", "Z I"])
    try await client.send(
      query("LISTEN x"),
      query("UNLISTEN *"),
      query("DISCARD ALL"),
      query("CLOSE x"),
      query("SHOW nothing"),
      query("SET nothing = 1")
    )
    try await expect(client, ["E 0A000 LISTEN is not supported H=Poll with a query.", "Z I", "C UNLISTEN", "Z I", "C DISCARD ALL", "Z I"])
    try await expect(client, ["E 34000 cursor \"x\" does not exist", "Z I"])
    for _ in 0..<2 { try await expect(client, ["E 42704 unrecognized configuration parameter \"nothing\"", "Z I"]) }
  }
}

@Test func anErrorIsToldBeforeItsSync() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // asyncpg asks for a Flush, which an error makes the server skip, and sends its Sync only when it has read the error.
    try await client.send(parse("", "SELEKT 1"), describe("S", ""), message("H"))
    try await expect(client, ["E 42601 syntax error at or near \"SELEKT\" P=1"])
    try await client.send(message("S"))
    try await expect(client, ["Z I"])
  }
}

@Test func copyFlowsBothWays() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // Data before it is asked for, as asyncpg does.
    try await client.send(query("COPY t FROM STDIN"), message("d", Array("1\ta\n".utf8)), message("c"))
    try await expect(client, ["G 0 2", "C COPY 1", "Z I"])
    try await client.send(query("COPY t FROM STDIN"), message("d", Array("1\ta\n".utf8)), message("f", text("changed my mind")))
    try await expect(client, ["G 0 2", "E 57014 COPY from stdin failed: changed my mind", "Z I"])
    // After an error the rest of the data means nothing.
    try await client.send(
      query("COPY t FROM STDIN"),
      message("d", Array("!\n".utf8)),
      message("d", Array("more\n".utf8)),
      message("c"),
      query("SELECT 1")
    )
    try await expect(
      client,
      ["G 0 2", "E 22P04 missing data for column \"b\" W=COPY t, line 1", "Z I", "T ?column?:23", "D 1", "C SELECT 1", "Z I"]
    )
    try await client.send(query("COPY t TO STDOUT"))
    try await expect(client, ["H 0 2", "d 1\tx\n", "d 2\tx\n", "d 3\tx\n", "c", "C COPY 3", "Z I"])
    try await client.send(query("COPY t FROM STDIN"), query("SELECT 1"))
    try await expect(client, ["G 0 2", "E 08P01 unexpected message during COPY from stdin", "Z I"])
    // Many megabytes in odd pieces, with back-pressure.
    let line = Array("12345\tabcdefghijklmnopqrstuvwxyz\n".utf8)
    let piece = [UInt8]((0..<1000).map { _ in line }.joined())
    try await client.send(query("COPY t FROM STDIN"))
    for _ in 0..<100 {
      try await client.send(message("d", Array(piece.prefix(12_345))), message("d", Array(piece.dropFirst(12_345))))
    }
    try await client.send(message("c"))
    try await expect(client, ["G 0 2", "C COPY 100000", "Z I"])
  }
}

@Test func cancelRequestsEndTheStatementOnly() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("SELECT sleep()"))
    try await bench.until { bench.engine.sleeping.withLock { $0 } == 1 }
    let (process, key) = client.key.withLock { $0! }
    #expect(process >> 20 == 1)
    // A wrong secret does nothing; the right one, after an SSLRequest, is answered by nothing.
    let wrong = try await bench.connect()
    try await wrong.send(packet(big(UInt32(80_877_102)) + big(process) + key.map { ~$0 }))
    #expect(try await wrong.raw() == nil)
    let right = try await bench.connect()
    try await right.send(packet(big(UInt32(80_877_103))))
    #expect(try await right.byte() == UInt8(ascii: "N"))
    try await right.send(packet(big(UInt32(80_877_102)) + big(process) + key))
    #expect(try await right.raw() == nil)
    try await expect(client, ["E 57014 canceling statement due to user request", "Z I"])
    // Between statements it does nothing.
    let late = try await bench.connect()
    try await late.send(packet(big(UInt32(80_877_102)) + big(process) + key))
    #expect(try await late.raw() == nil)
    try await client.send(query("SET statement_timeout = 30"), query("SELECT sleep()"), query("SELECT 1"))
    try await expect(
      client,
      ["C SET", "Z I", "E 57014 canceling statement due to statement timeout", "Z I", "T ?column?:23", "D 1", "C SELECT 1", "Z I"]
    )
    try await client.send(parse("", "SELECT sleep()"), bind("", ""), execute(""), sync)
    try await expect(client, ["1", "2", "E 57014 canceling statement due to statement timeout", "Z I"])
  }
}

@Test func cancelReachesAStatementWhoseClientDoesNotRead() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    // Endless rows: the session stands still when the socket is full, which is the back-pressure; the messages stay whole.
    try await client.send(query("SELECT i FROM endless()"))
    #expect(try await client.read(1) == ["T i:20"])
    let (process, key) = client.key.withLock { $0! }
    let other = try await bench.connect()
    try await other.send(packet(big(UInt32(80_877_102)) + big(process) + key))
    #expect(try await other.raw() == nil)
    var last = ""
    while let line = try await client.next(), !line.hasPrefix("Z") { last = line }
    #expect(last == "E 57014 canceling statement due to user request")
    try await client.send(query("SELECT 1"))
    try await expect(client, ["T ?column?:23", "D 1", "C SELECT 1", "Z I"])
    #expect(bench.engine.openStreams.withLock { $0 } == 0)
  }
}

@Test func cancelRequestsOfOthersAreForwarded() async throws {
  let forwarded = Promise<(CancelKey, UInt32)>()
  let options: @Sendable (inout PostgresOptions) -> Void = {
    $0.forwardCancel = { key, coordinator in forwarded.fulfil((key, coordinator)) }
  }
  try await withBench(options) { bench in
    let client = try await bench.connect()
    try await client.send(packet(big(UInt32(80_877_102)) + big(UInt32(3) << 20 | 5) + [1, 2, 3, 4]))
    #expect(try await client.raw() == nil)
    let (key, coordinator) = try await forwarded.value
    #expect(key == CancelKey(process: 3 << 20 | 5, secret: [1, 2, 3, 4]) && coordinator == 3)
  }
}

@Test func queriesEndWhenTheirClientGoes() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("SELECT sleep()"))
    try await bench.until { bench.engine.sleeping.withLock { $0 } == 1 }
    client.close()
    try await bench.until { bench.server.connectionCount == 0 && bench.engine.sessions.withLock { $0 } == 0 }
    // Also one that the client did not wait for, and those behind it; what writes is still done.
    let hasty = try await bench.login()
    try await hasty.send(query("INSERT INTO t"), query("SELECT sleep()"), query("SELECT sleep()"))
    hasty.close()
    try await bench.until { bench.server.connectionCount == 0 && bench.engine.sessions.withLock { $0 } == 0 }
  }
}

@Test func loginsAreRefusedAsPostgreSQLRefusesThem() async throws {
  try await withBench { bench in
    func attempt(_ parameters: [String: String]) async throws -> [String] {
      let client = try await bench.connect()
      try await client.send(startup(parameters))
      return try await client.until("E")
    }
    #expect(try await attempt(["user": "dev", "database": "missing"]).last == "E FATAL 3D000 database \"missing\" does not exist")
    #expect(try await attempt(["database": "x"]).last == "E FATAL 28000 no PostgreSQL user name specified in startup packet")
    #expect(try await attempt(["user": "dev", "replication": "true"]).last?.hasPrefix("E FATAL 0A000") == true)
    #expect(try await attempt(["user": "dev", "statement_timeout": "x"]).last?.hasPrefix("E FATAL 22023") == true)
    // Known settings that cannot be, and unknown ones, do not keep anybody out.
    let berlin = try await bench.connect()
    try await berlin.send(startup(["user": "dev", "TimeZone": "Europe/Berlin", "whatever": "1", "search_path": "a"]))
    #expect(try await berlin.until() == ["R 0", "Z I"])
    #expect(berlin.parameters.withLock { $0["TimeZone"] } == "Europe/Berlin")
    #expect(bench.log.count("postgres-setting-ignored") == 1)
    let orderly = try await bench.login(["DateStyle": "ISO, DMY"])
    #expect(orderly.parameters.withLock { $0["DateStyle"] } == "ISO, MDY")
    try await orderly.send(query("SELECT 1"))
    #expect(try await orderly.until().last == "Z I")
    orderly.close()
    try await bench.until { bench.engine.sessions.withLock { $0 } == 1 }
    // Known and unknown users are asked alike, and the unknown one the same each time.
    func challenge(_ user: String) async throws -> String {
      let client = try await bench.connect()
      try await client.send(startup(["user": user]))
      let first = try await client.read(1)
      #expect(first == ["R 10"])
      let response = Array("n,,n=,r=abc".utf8)
      try await client.send(message("p", text("SCRAM-SHA-256") + big(UInt32(response.count)) + response))
      let (_, body) = try #require(try await client.raw())
      let parts = String(decoding: body.dropFirst(4), as: UTF8.self).split(separator: ",")
      try await client.send(message("p", Array("c=biws,\(parts[0]),p=\(String(repeating: "A", count: 43))=".utf8)))
      #expect(try await client.read(1) == ["E FATAL 28P01 password authentication failed for user \"\(user)\""])
      return parts[1...].joined(separator: ",")
    }
    #expect(try await challenge("app").hasSuffix(",i=4096"))
    let ghost = try await challenge("ghost")
    #expect(try await challenge("ghost") == ghost)
    let known = try await challenge("app")
    #expect(ghost.hasSuffix(",i=4096") && ghost.count == known.count)
    #expect(bench.engine.sessions.withLock { $0 } == 1)
    // Bytes behind an SSLRequest were sent in the clear: refused.
    let injected = try await bench.connect()
    try await injected.send(packet(big(UInt32(80_877_103))), startup(["user": "dev"]))
    #expect(try await injected.read(1).first?.hasPrefix("E FATAL 08P01 received unencrypted data after SSL request") == true)
    let gss = try await bench.connect()
    try await gss.send(packet(big(UInt32(80_877_104))))
    #expect(try await gss.byte() == UInt8(ascii: "N"))
    try await gss.send(startup(["user": "dev"]))
    #expect(try await gss.until() == ["R 0", "Z I"])
  }
}

@Test func guessingIsSlow() {
  let delays = LoginDelays()
  var now = Instant(nanoseconds: 1_000_000_000)
  func ready(_ user: String, _ peer: String) -> Instant { delays.reserve(user, peer, now: now, patience: .seconds(5)) }
  #expect(ready("a", "10.0.0.1:5") == now)
  for wait in [100, 200, 400, 800, 1600, 1600] {
    delays.failed("a", "10.0.0.1:5", now: now)
    #expect(ready("a", "10.0.0.1:6") == now + .milliseconds(wait))
    #expect(ready("a", "10.0.0.2:6") == now && ready("b", "10.0.0.1:6") == now)
    now = now + .milliseconds(wait)
  }
  // Attempts side by side come one after the other; none takes a place that it cannot wait for.
  let line = (0..<5).map { _ in ready("a", "10.0.0.1:6") }
  let waits = [1600, 3200, 4800, 6400, 6400]
  #expect(line == waits.map { now + .milliseconds($0) })
  delays.succeeded("a", "10.0.0.1:7")
  #expect(ready("a", "10.0.0.1:6") == now)
  for number in 0..<5000 { delays.failed("u\(number)", "10.0.0.1:5", now: now + .milliseconds(number)) }
  #expect(ready("u0", "10.0.0.1:5") == now)
}

@Test func slowLoginsAndTooManyAreLetGo() async throws {
  let options: @Sendable (inout PostgresOptions) -> Void = {
    $0.loginTimeout = .milliseconds(200)
    $0.connectionsMax = 1
    $0.unauthenticatedMax = 2
  }
  try await withBench(options) { bench in
    let slow = try await bench.connect()
    #expect(try await slow.until() == ["E FATAL 57014 canceling authentication due to timeout", "(closed)"])
    slow.close()
    let first = try await bench.login()
    let second = try await bench.connect()
    try await second.send(startup(["user": "dev"]))
    #expect(try await second.read(1) == ["E FATAL 53300 sorry, too many clients already"])
    second.close()
    first.close()
    try await bench.until { bench.server.connectionCount == 0 }
    let waiting = [try await bench.connect(), try await bench.connect()]
    try await bench.until { bench.server.connectionCount == 2 }
    // Who has waited longest makes room for who comes, and is told nothing.
    let third = try await bench.login()
    #expect(try await waiting[0].until() == ["(closed)"])
    for client in waiting + [third] { client.close() }
    try await bench.until { bench.server.connectionCount == 0 }
    let again = try await bench.login()
    try await again.send(query("SELECT 1"))
    #expect(try await again.until().last == "Z I")
  }
}

@Test func idleSessionsEndWhenTheySaid() async throws {
  try await withBench { bench in
    let client = try await bench.login(["idle_session_timeout": "50"])
    #expect(try await client.until() == ["E FATAL 57P05 terminating connection due to idle-session timeout", "(closed)"])
    let other = try await bench.login(["options": "-c idle_in_transaction_session_timeout=50ms"])
    try await other.send(query("BEGIN"))
    #expect(
      try await other.until("E") == ["C BEGIN", "Z T", "E FATAL 25P03 terminating connection due to idle-in-transaction timeout"]
    )
    // Within a cycle nobody is idle, however long its Sync takes: here longer than another session that stands idle lasts.
    let waiting = try await bench.login()
    try await waiting.send(query("SET idle_session_timeout = 50"), parse("", "SELECT 1"), flush)
    try await expect(waiting, ["C SET", "Z I", "1"])
    let idle = try await bench.login(["idle_session_timeout": "100"])
    #expect(try await idle.until().last == "(closed)")
    try await waiting.send(sync)
    try await expect(waiting, ["Z I", "E FATAL 57P05 terminating connection due to idle-session timeout"])
  }
}

@Test func drainingTellsTheIdleAndWaitsForTheBusy() async throws {
  try await withBench { bench in
    let (idle, quick, busy) = (try await bench.login(), try await bench.login(), try await bench.login())
    try await busy.send(query("SELECT sleep()"))
    try await quick.send(query("COPY t FROM STDIN"))
    #expect(try await quick.read(1) == ["G 0 2"])
    try await bench.until { bench.engine.sleeping.withLock { $0 } == 1 }
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await bench.server.drain(bench.listener, until: bench.clock.now + .seconds(3)) }
      #expect(try await idle.until("E") == ["E FATAL 57P01 terminating connection due to administrator command"])
      // A statement under way may end.
      try await quick.send(message("d", Array("1\ta\n".utf8)), message("c"))
      #expect(try await quick.until("E").prefix(2) == ["C COPY 1", "Z I"])
      #expect(try await busy.until() == ["E FATAL 57P01 terminating connection due to administrator command", "(closed)"])
      for client in [idle, quick, busy] { client.close() }
      try await group.next()
    }
    #expect(bench.server.connectionCount == 0)
  }
}
