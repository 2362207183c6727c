// psql against the server: the real libpq on the other end. Skipped where psql is not installed.

import Capabilities
import Model
import PostgresWire
import Synchronization
import Testing

@Suite(.enabled(if: hasPsql)) struct PsqlTests {
  @Test func statementsErrorsAndSettings() async throws {
    try await withBench { bench in
      #expect(try await bench.psql("SELECT 1;\nSELECT 'a' \\; SELECT * FROM wide(1);\n") == "1\na\n1|name 1\n2|name 2\n3|name 3\n")
      let failed = try await bench.psql("SELECT 1;\nSELECT fail();\nSELECT 2;\n")
      #expect(failed == "1\nERROR:  division by zero\nLINE 1: SELECT fail();\n               ^\nHINT:  Do not.\n2\n")
      #expect(
        try await bench.psql("SET TimeZone = 'Europe/Nowhere';")
          == "ERROR:  invalid value for parameter \"TimeZone\": \"Europe/Nowhere\"\n"
      )
      #expect(try await bench.psql("SHOW statement_timeout", options: "-c statement_timeout=7s") == "7s\n")
      #expect(
        try await bench.psql("CREATE TABLE t", ["--set", "VERBOSITY=verbose"]).hasPrefix(
          "NOTICE:  42P07: relation \"t\" already exists, skipping"
        )
      )
    }
  }
  @Test func describing() async throws {
    try await withBench { bench in
      let described = try await bench.psql("SELECT * FROM wide(1) \\gdesc\n")
      #expect(described == "id|20\nname|1043\n")
      #expect(try await bench.psql("INSERT INTO t \\gdesc\n").contains("no result"))
    }
  }
  @Test func cursors() async throws {
    try await withBench { bench in
      let five = try await bench.psql("SELECT i FROM numbers(5);\n", ["--set", "FETCH_COUNT=2"])
      #expect(five == "1\n2\n3\n4\n5\n")
      #expect(
        try await bench.psql("\\set FETCH_COUNT 2\nSELECT i FROM failing(3);\nSELECT 9;\n").hasSuffix("ERROR:  division by zero\n9\n")
      )
      #expect(bench.engine.openStreams.withLock { $0 } == 0)
    }
  }
  @Test func copying() async throws {
    try await withBench { bench in
      let copied = try await bench.psql("COPY t FROM STDIN;\n1\ta\n2\tb\n\\.\nCOPY t TO STDOUT;\n")
      #expect(copied == "1\tx\n2\tx\n3\tx\n")
      #expect(bench.engine.copied.withLock { $0 } == ["1\ta", "2\tb"])
    }
  }
  @Test func passwords() async throws {
    try await withBench { bench in
      let good = try await bench.psql("SELECT 1", user: "app", password: "pencil")
      #expect(good == "1\n")
      #expect(
        try await bench.psql("SELECT 1", user: "app", password: "pen").contains("FATAL:  password authentication failed for user \"app\"")
      )
      #expect(
        try await bench.psql("SELECT 1", user: "nobody", password: "pencil").contains(
          "FATAL:  password authentication failed for user \"nobody\""
        )
      )
    }
  }
  @Test func interrupting() async throws {
    try await withBench { bench in
      let timed = try await bench.psql("SET statement_timeout = 50;\nSELECT sleep();\nSELECT 3;\n")
      #expect(timed == "ERROR:  canceling statement due to statement timeout\n3\n")
      // Control-C: timeout(1) sends SIGINT, psql a cancel request on a second connection.
      let port = String(bench.listener.address.port)
      let (output, _) = try await run(
        "/usr/bin/timeout",
        ["--signal=INT", "1", psqlPath, "-X", "-q", "-A", "-t", "-w", "-c", "SELECT sleep()"],
        environment: ["PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": "dev", "PGDATABASE": "tally"]
      )
      #expect(output.contains("ERROR:  canceling statement due to user request"))
    }
  }
}
