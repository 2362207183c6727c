// ProcedureTests.swift — functions, procedures and DO on a coordinator in virtual time: what PostgreSQL 15 prints, and what is refused.
//
// Fixtures/procedures.sql holds sessions; each runs here and, where PostgreSQL is installed, there: rows, notices, errors with their
// details, hints and contexts must be the same.
import Capabilities
import Columns
import Foundation
import Model
import SQL
import Synchronization
import Testing
import Wire

@testable import CoordinatorNode
@testable import Execution
@testable import Simulation

/// Lends the coordinator that it is opened with.
final class LentCoordinator: CoordinatorFront {
  let opened = Promise<Coordinator>()
  func listen(_ surroundings: Surroundings) async throws {}
  func open(_ coordinator: Coordinator) { opened.fulfil(coordinator) }
  func cancel(process: UInt32, secret: [UInt8]) -> Bool { false }
  func serve() async {}
  func drain(until deadline: Instant) async {}
}

/// A session of statements on a coordinator.
struct ProcedureSession: Sendable {
  let coordinator: Coordinator
  let world: SimulatedWorld

  /// Rows and messages of a text's statements, as psql prints them.
  func run(_ script: String) async throws -> (rows: [String], messages: [String]) {
    let told = Mutex<(rows: [String], messages: [String])>(([], []))
    for statement in try parseSession(script) {
      do {
        guard case .planned(let parsed) = statement.content else {
          if case .refused(let error) = statement.content { throw error }
          continue
        }
        var request = StatementRequest(parsed, now: coordinator.wallMicroseconds)
        request.notify = { notice in
          guard notice.severity >= .notice else { return }
          told.withLock { $0.messages += Self.lines("\(notice.severity)".uppercased(), notice.report) }
        }
        let reply = try await coordinator.carryOut(request)
        for notice in reply.notices { told.withLock { $0.messages.append("NOTICE:  \(notice.message)") } }
        for batch in reply.batches {
          for row in 0..<batch.count {
            let fields = try batch.columns.map { ValueText.print(try $0.value(row), as: $0.type) ?? "NULL" }
            told.withLock { $0.rows.append(fields.joined(separator: "|")) }
          }
        }
      } catch let error as TallyError { told.withLock { $0.messages += Self.lines("ERROR", error) } }
    }
    return told.withLock { $0 }
  }
  private static func lines(_ word: String, _ error: TallyError) -> [String] {
    var lines = ["\(word):  \(error.message)"]
    if let detail = error.detail { lines.append("DETAIL:  \(detail)") }
    if let hint = error.hint { lines.append("HINT:  \(hint)") }
    if word == "ERROR", let context = error.context {
      let parts = context.split(separator: "\n")
      lines.append("CONTEXT:  \(parts[0])")
      lines += parts.dropFirst().map { String($0) }
    }
    return lines
  }
}

/// Runs `body` against a coordinator that leads.
func withProcedures(_ body: @escaping @Sendable (ProcedureSession) async throws -> Void) throws {
  let (world, ledger, front) = (SimulatedWorld(seed: 11), Ledger([]), LentCoordinator())
  let node = world.node("coordinator-1", host: "10.0.0.1")
  let server = SimulatedProcess(world, node, ledger) { near, stop in
    let settings = CoordinatorSettings(name: "coordinator-1", listen: NetworkAddress(host: "10.0.0.1", port: 7400), initializes: true)
    try await Coordinator.run(near, settings, stop: stop, fronts: [front])
  }
  try world.run { world in
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await server.live() }
      defer { server.finish() }
      let coordinator = try await front.opened.value
      while await !coordinator.decides { try await world.clock.sleep(for: .milliseconds(10)) }
      try await body(ProcedureSession(coordinator: coordinator, world: world))
    }
  }
  #expect(ledger.violations == [])
}

@Suite struct ProcedureTests {
  static func sessions() throws -> [(name: String, script: String)] {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/procedures.sql")
    return ("\n" + (try String(contentsOf: path, encoding: .utf8))).components(separatedBy: "\n--- ").dropFirst().map { part in
      let lines = part.split(separator: "\n", omittingEmptySubsequences: false)
      return (String(lines[0]), lines.dropFirst().joined(separator: "\n"))
    }
  }

  @Test(.enabled(if: PostgresTrial.isInstalled)) func sessionsPrintWhatPostgreSQLPrints() throws {
    let postgres = try PostgresTrial()
    let sessions = try Self.sessions()
    #expect(sessions.count > 15)
    var wanted: [(rows: [String], messages: [String])] = []
    for session in sessions { wanted.append(try postgres.session(session.script)) }
    let expected = wanted
    try withProcedures { here in
      for (session, wanted) in zip(sessions, expected) {
        let got = try await here.run(session.script)
        for (at, line) in zip(got.rows.indices, got.rows) where at >= wanted.rows.count || line != wanted.rows[at] {
          Issue.record("\(session.name): row \(at + 1) is \"\(line)\", not \"\(at < wanted.rows.count ? wanted.rows[at] : "none")\"")
          break
        }
        #expect(got.rows.count == wanted.rows.count, "\(session.name)")
        for at in 0..<max(got.messages.count, wanted.messages.count) {
          let (line, other) = (
            at < got.messages.count ? got.messages[at] : "none", at < wanted.messages.count ? wanted.messages[at] : "none"
          )
          if line == other { continue }
          Issue.record("\(session.name): message \(at + 1) is \"\(line)\", not \"\(other)\"")
          break
        }
      }
    }
  }

  @Test func whatIsNotSupportedIsRefusedByName() throws {
    try withProcedures { here in
      func refused(_ sql: String, _ message: String) async throws {
        let told = try await here.run(sql).messages
        #expect(told.first == "ERROR:  \(message)", "\(sql): \(told)")
      }
      try await refused("CREATE FUNCTION f() RETURNS int LANGUAGE plpython3u AS 'x'", "language \"plpython3u\" does not exist")
      try await refused("CREATE FUNCTION f(VARIADIC a int[]) RETURNS int LANGUAGE sql AS 'SELECT 1'", "VARIADIC is not supported")
      try await refused(
        "CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ DECLARE c CURSOR FOR SELECT 1; BEGIN END $$",
        "a cursor in PL/pgSQL is not supported"
      )
      try await refused(
        "CREATE FUNCTION lower(text) RETURNS text LANGUAGE sql AS 'SELECT 1'",
        "a function of the name of a built-in one, lower, is not supported"
      )
      _ = try await here.run("CREATE FUNCTION g(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN x; END $$")
      try await refused("SELECT g(x) FROM generate_series(1, 3) x", "calling function g for every row of a query is not supported")
      try await refused("SELECT g(1) FROM generate_series(1, 3) x", "calling function g for every row of a query is not supported")
      _ = try await here.run("CREATE FUNCTION plain(x int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT x'")
      try await refused("CREATE TABLE c (a int CHECK (plain(a) > 0))", "a function of users in a CHECK is not supported")
      _ = try await here.run("CREATE FUNCTION set() RETURNS SETOF int LANGUAGE plpgsql AS $$ BEGIN RETURN NEXT 1; END $$")
      try await refused("SELECT (set()).x + 1", "set, which gives a set, is not supported here")
      _ = try await here.run("CREATE FUNCTION h(x int) RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN x; END $$")
      #expect(try await here.run("SELECT h(1) + x FROM generate_series(1, 3) x").rows == ["2", "3", "4"])
    }
  }

  @Test func aLoopEndsWhenItsStatementIsCancelled() throws {
    try withProcedures { here in
      await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { _ = try await here.run("DO $$ BEGIN LOOP NULL; END LOOP; END $$") }
        // Virtual time stands still while the loop runs.
        for _ in 0..<100 { await Task.yield() }
        group.cancelAll()
        await #expect(throws: CancellationError.self) { try await group.waitForAll() }
      }
      let began = here.world.clock.now
      _ = try await here.run("SELECT pg_sleep(1.5)")
      #expect(here.world.clock.now - began >= .milliseconds(1500))
      _ = try await here.run("DO $$ BEGIN PERFORM pg_sleep_for('2 seconds'); END $$")
      #expect(here.world.clock.now - began >= .milliseconds(3500))
    }
  }
}
