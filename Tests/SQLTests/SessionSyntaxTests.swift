// SessionSyntaxTests.swift — statements that are a session's own: each form, and refusals that wait for their turn.
import Model
import SQL
import Testing

private func own(_ text: String) throws -> [SessionSyntax] {
  try parseSession(text).compactMap { if case .session(let syntax) = $0.content { syntax } else { nil } }
}
private func shown(_ text: String) throws -> String {
  guard let first = try own(text).first else { return "none" }
  return "\(first)"
}

@Test func transactionsInAllForms() throws {
  guard case .begin(let modes, isStart: true)? = try own("START TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY, NOT DEFERRABLE").first
  else { throw TallyError(.internalError, "no START TRANSACTION") }
  #expect(modes.isolation == "serializable" && modes.isReadOnly == true && modes.isDeferrable == false)
  guard case .begin(let none, isStart: false)? = try own("BEGIN WORK").first else { throw TallyError(.internalError, "no BEGIN") }
  #expect(none.isolation == nil && none.isReadOnly == nil && none.isDeferrable == nil)
  #expect(try shown("END AND CHAIN") == "commit(chain: true)" && shown("COMMIT") == "commit(chain: false)")
  #expect(try shown("ABORT") == "rollback(chain: false)" && shown("SAVEPOINT \"A\"") == "savepoint(\"A\")")
  #expect(try shown("RELEASE SAVEPOINT a") == "release(\"a\")" && shown("ROLLBACK WORK TO a") == "rollBackTo(\"a\")")
  guard case .setCharacteristics(let lasting)? = try own("SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE").first,
    case .setTransaction(let now)? = try own("SET TRANSACTION ISOLATION LEVEL READ COMMITTED").first
  else { throw TallyError(.internalError, "no SET TRANSACTION") }
  #expect(lasting.isReadOnly == false && now.isolation == "read committed")
}

@Test func settingsInAllForms() throws {
  func set(_ text: String) throws -> (String, [String]?, Bool) {
    guard case .set(let name, let values, let isLocal)? = try own(text).first else { throw TallyError(.internalError, "no SET: \(text)") }
    return (name, values, isLocal)
  }
  #expect(try set("SET LOCAL a.b TO 1, 'x', on, -2.5, - 7, 0") == ("a.b", ["1", "x", "on", "-2.5", "-7", "0"], true))
  #expect(try set("SET SESSION TIME ZONE -3") == ("timezone", ["-3"], false))
  #expect(try set("SET TIME ZONE DEFAULT").1 == nil)
  #expect(try set("SET NAMES 'utf8'") == ("client_encoding", ["utf8"], false))
  #expect(try set("SET SCHEMA 'x'") == ("search_path", ["x"], false))
  #expect(try set("SET search_path = \"A\", b") == ("search_path", ["A", "b"], false))
  #expect(try shown("RESET ALL") == "resetAll" && shown("RESET TIME ZONE") == "reset(\"timezone\")")
  #expect(try shown("SHOW ALL") == "showAll" && shown("SHOW SESSION AUTHORIZATION") == "show(\"session_authorization\")")
  guard case .refused(let error)? = try parseSession("SET TIME ZONE INTERVAL '2' HOUR TO MINUTE").first?.content
  else { throw TallyError(.internalError, "an interval was taken") }
  #expect(error.sqlState == "0A000")
}

@Test func preparedStatementsAndCursors() throws {
  guard case .prepare("p", let types, let inner)? = try own("PREPARE p (int, unknown) AS SELECT $1, $2").first,
    case .execute("p", let arguments)? = try own("EXECUTE p(1, 'a')").first,
    case .declare("c", isScroll: false, isHeld: true, isBinary: true, let query)? = try own(
      "DECLARE c BINARY NO SCROLL CURSOR WITH HOLD FOR SELECT a FROM t"
    ).first,
    case .declare(_, isScroll: true, isHeld: false, isBinary: false, _)? = try own("DECLARE c SCROLL CURSOR FOR SELECT 1").first
  else { throw TallyError(.internalError, "a statement was read as another") }
  #expect(types.map(\.name) == ["int4", "unknown"] && inner.text == "SELECT $1, $2" && arguments.count == 2)
  #expect(query.text == "SELECT a FROM t")
  let directions: [(String, FetchSyntax, Bool)] = [
    ("FETCH c", .forward(1), false), ("FETCH ALL FROM c", .forward(nil), false), ("MOVE 3 c", .forward(3), true),
    ("FETCH -1 c", .forward(-1), false), ("FETCH BACKWARD ALL IN c", .backward(nil), false), ("FETCH PRIOR c", .backward(1), false),
    ("FETCH FIRST c", .absolute(1), false), ("FETCH LAST c", .absolute(-1), false), ("FETCH RELATIVE 2 c", .relative(2), false),
    ("FETCH 0 c", .forward(0), false),
  ]
  for (text, direction, isMove) in directions {
    guard case .fetch("c", let found, let moves)? = try own(text).first else { throw TallyError(.internalError, "no FETCH: \(text)") }
    #expect(found == direction && moves == isMove, "\(text)")
  }
  #expect(try shown("CLOSE ALL") == "closeCursor(nil)" && shown("DEALLOCATE PREPARE ALL") == "deallocate(nil)")
  #expect(try shown("DISCARD TEMPORARY").contains("temporary") && shown("UNLISTEN *") == "unlisten(nil)")
  #expect(try shown("VACUUM (ANALYZE) t") == "maintain(isVacuum: true)" && shown("ANALYZE") == "maintain(isVacuum: false)")
}

@Test func whatIsRefusedWaitsForItsTurn() throws {
  let statements = try parseSession("SELECT 'ä'; CREATE ROLE the_user_a;\n  COMMENT ON ROLE t IS 'x'; BEGIN")
  #expect(statements.map(\.text) == ["SELECT 'ä'", "CREATE ROLE the_user_a", "COMMENT ON ROLE t IS 'x'", "BEGIN"])
  #expect(statements.map(\.offset) == [0, 12, 38, 64])
  guard case .planned = statements[0].content, case .refused(let index) = statements[1].content,
    case .refused(let comment) = statements[2].content, case .session = statements[3].content
  else { throw TallyError(.internalError, "statements of other kinds") }
  #expect(index.message == "CREATE ROLE is not supported" && index.position == 13)
  #expect(comment.message == "COMMENT ON ROLE is not supported" && comment.position == 39)
  // The grammar's own refusal is of the whole text.
  #expect(throws: TallyError.self) { try parseSession("SELECT 1; SELEC 2") }
  // What is a session's own is refused where there is none.
  #expect(throws: TallyError.self) { try parse("BEGIN") }
}
