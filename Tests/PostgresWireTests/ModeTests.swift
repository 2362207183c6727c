// A transaction's modes: what they are when it begins, and until when they may change. The engine sees them in the settings.

import Model
import Synchronization
import Testing

@testable import PostgresWire

private func expect(_ client: RawClient, _ expected: [String], _ line: Int = #line) async throws {
  let seen = try await client.read(expected.count)
  #expect(seen == expected, "line \(line)")
}
private let late = "E 25001 transaction read-write mode must be set before any query"

@Test func modesStandBehindTheFirstQuery() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("BEGIN READ ONLY"), query("SET TRANSACTION READ WRITE; SHOW transaction_read_only"), query("ROLLBACK"))
    try await expect(client, ["C BEGIN", "Z T", "C SET", "T transaction_read_only:25", "D off", "C SHOW", "Z T", "C ROLLBACK", "Z I"])
    for set in ["SET TRANSACTION READ WRITE", "SET transaction_read_only = off", "SET LOCAL transaction_read_only TO off"] {
      try await client.send(query("BEGIN READ ONLY; SELECT 1"), query(set), query("ROLLBACK"))
      try await expect(client, ["C BEGIN", "T ?column?:23", "D 1", "C SELECT 1", "Z T", late, "Z E", "C ROLLBACK", "Z I"])
    }
    // To read only is never too late; what is no query does not count.
    try await client.send(query("BEGIN; SELECT 1; SET TRANSACTION READ ONLY"), query("ROLLBACK"))
    try await expect(client, ["C BEGIN", "T ?column?:23", "D 1", "C SELECT 1", "C SET", "Z T", "C ROLLBACK", "Z I"])
    try await client.send(query("BEGIN READ ONLY; SHOW jit; SET jit = on; SET TRANSACTION READ WRITE"), query("ROLLBACK"))
    try await expect(client, ["C BEGIN", "T jit:25", "D off", "C SHOW", "C SET", "C SET", "Z T", "C ROLLBACK", "Z I"])
    // Of the extended protocol the first query counts when it is parsed.
    let set = parse("", "SET TRANSACTION READ WRITE") + bind("", "") + execute("")
    try await client.send(query("BEGIN READ ONLY"), parse("", "SELECT 1"), set, sync, query("ROLLBACK"))
    try await expect(client, ["C BEGIN", "Z T", "1", "1", "2", late, "Z E", "C ROLLBACK", "Z I"])
    // Within a savepoint, and the other modes.
    let cases = [
      (
        "BEGIN READ ONLY; SAVEPOINT s", "SET TRANSACTION READ WRITE",
        "cannot set transaction read-write mode inside a read-only transaction"
      ),
      (
        "BEGIN; DECLARE c CURSOR FOR SELECT 1", "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET TRANSACTION ISOLATION LEVEL must be called before any query"
      ),
      (
        "BEGIN; SAVEPOINT s", "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED",
        "SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction"
      ),
      (
        "BEGIN; DECLARE c CURSOR FOR SELECT 1", "SET TRANSACTION NOT DEFERRABLE",
        "SET TRANSACTION [NOT] DEFERRABLE must be called before any query"
      ),
      (
        "BEGIN; SAVEPOINT s", "SET TRANSACTION NOT DEFERRABLE",
        "SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction"
      ),
    ]
    for (before, set, text) in cases {
      try await client.send(query(before), query(set), query("ROLLBACK"))
      _ = try await client.until()
      try await expect(client, ["E 25001 \(text)", "Z E", "C ROLLBACK", "Z I"])
    }
  }
}

@Test func modesAreWhatTheirDefaultsWereAtTheBeginning() throws {
  var settings = SessionSettings()
  func isReadOnly() -> Bool { settings["transaction_read_only"] == "on" }
  settings.begin()
  try settings.set("default_transaction_read_only", to: "on", isLocal: false)
  #expect(!isReadOnly())
  let before = settings.changes
  settings.commit()
  // Who keeps what was made of the settings makes it anew.
  #expect(isReadOnly() && settings.changes > before)
  settings.begin()
  try settings.set("default_transaction_read_only", to: "off", isLocal: false)
  #expect(isReadOnly())
  settings.resetAll()
  #expect(isReadOnly())
  settings.commit()
  #expect(!isReadOnly())
  settings.begin()
  try settings.set("transaction_read_only", to: "on", isLocal: true)
  settings.resetAll()
  #expect(isReadOnly())
  settings.rollBack()
  // A subtransaction that ends gives the mode back, however it ends.
  for ends in [true, false] {
    settings.begin()
    settings.savepoint("s")
    try settings.set("transaction_read_only", to: "on", isLocal: true)
    #expect(isReadOnly())
    #expect(ends ? settings.release("s") : settings.rollBack(to: "s"))
    #expect(!isReadOnly())
    settings.commit()
  }
}

@Test func aSecondBeginSetsModes() async throws {
  try await withBench { bench in
    let client = try await bench.login()
    try await client.send(query("BEGIN"), query("BEGIN READ ONLY; SHOW transaction_read_only"), query("ROLLBACK"))
    try await expect(client, ["C BEGIN", "Z T", "N WARNING 25001 there is already a transaction in progress", "C BEGIN"])
    try await expect(client, ["T transaction_read_only:25", "D on", "C SHOW", "Z T", "C ROLLBACK", "Z I"])
    #expect(bench.engine.changes.withLock { $0 } == ["begin", "modes", "rollback"])
  }
}
