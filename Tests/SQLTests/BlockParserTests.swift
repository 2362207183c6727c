// BlockParserTests.swift — PL/pgSQL bodies to trees: tokens, lines, what is refused and how.
import Model
import Testing

@testable import SQL

@Suite struct BlockParserTests {
  private func parsed(_ text: String, parameters: [String] = []) throws -> BlockSyntax {
    try parseBlock(text, name: "f", parameters: parameters).block
  }
  private func failure(_ text: String) -> TallyError? {
    do throws(TallyError) {
      _ = try parseBlock(text, name: "f", parameters: ["a"])
      return nil
    } catch { return error }
  }

  @Test func tokensAreCutAndNumbered() throws {
    let text = "a := 'it''s' -- note\n/* x /* y */ */ \"B c\" 1..3 $tag$ body; $tag$ E'\\n' $1 <> 2.5e-3"
    let tokens = try BlockTokens.cut(text)
    #expect(tokens.map(\.text) == ["a", ":=", "it's", "B c", "1", "..", "3", " body; ", "\n", "$1", "<>", "2.5e-3", ""])
    #expect(tokens[3].kind == .quotedName && tokens[3].line == 2 && tokens[7].kind == .string)
  }
  @Test func linesCountFromTheBodysFirst() throws {
    let block = try parsed("\nDECLARE\n  v int := 1;\nBEGIN\n  v := 2;\n\n  IF v > 1 THEN\n    RETURN;\n  END IF;\nEND")
    #expect(block.declarations[0].line == 3 && block.line == 4)
    #expect(block.statements.map(\.line) == [5, 7])
    guard case .ifThen(let branches, nil) = block.statements[1].kind else { throw TallyError(.internalError, "no IF") }
    #expect(branches[0].condition.text == "v > 1" && branches[0].statements[0].line == 8)
  }
  @Test func intoIsTakenOutOfItsStatement() throws {
    let block = try parsed("DECLARE x int; y int; BEGIN SELECT a, b INTO STRICT x, y FROM t WHERE c = 1; INSERT INTO t VALUES (1); END")
    guard case .sql(let statement, let into?) = block.statements[0].kind, case .sql(_, nil) = block.statements[1].kind else {
      throw TallyError(.internalError, "no statement")
    }
    #expect(statement.text == "SELECT a, b FROM t WHERE c = 1" && into.isStrict && into.targets.map(\.path) == [["x"], ["y"]])
  }
  @Test func anInitialiserMayHaveAFrom() throws {
    let block = try parsed("DECLARE s timestamptz := minute from latest; BEGIN END")
    guard case .plain(let plain)? = block.declarations[0].initial?.select.body else { throw TallyError(.internalError, "no SELECT") }
    #expect(plain.from != nil)
  }
  @Test func loopsAreToldApart() throws {
    let block = try parsed(
      "DECLARE r record; BEGIN FOR i IN REVERSE 5..1 BY 2 LOOP NULL; END LOOP; FOR r IN SELECT 1 LOOP NULL; END LOOP;"
        + " FOR r IN EXECUTE 'x' USING 1, 2 LOOP NULL; END LOOP; <<l>> LOOP EXIT l WHEN true; END LOOP l; END"
    )
    guard case .forInteger(_, "i", _, _, _?, isReverse: true, _) = block.statements[0].kind, case .forQuery = block.statements[1].kind,
      case .forDynamic(_, _, let dynamic, _) = block.statements[2].kind, case .loop(label: "l", let body) = block.statements[3].kind
    else { throw TallyError(.internalError, "not the loops") }
    #expect(dynamic.arguments.count == 2 && body.count == 1)
  }
  @Test func caseExpressionsDoNotEndStatements() throws {
    let block = try parsed(
      "DECLARE v int; BEGIN v := CASE WHEN 1 = 1 THEN 2 ELSE 3 END; IF CASE WHEN true THEN true END THEN NULL; END IF; END"
    )
    #expect(block.statements.count == 2)
  }
  @Test(arguments: [
    ("BEGIN RETURN 1 END", "42601", "syntax error at end of input"),
    ("BEGIN IF a > 1; END IF; END", "42601", "missing \"THEN\" at end of SQL expression"),
    ("BEGIN x := 1; END", "42601", "\"x\" is not a known variable"),
    ("BEGIN a := (1; END", "42601", "mismatched parentheses"),
    ("BEGIN a := 1 +; END", "42601", "syntax error at end of input"),
    ("BEGIN SELECT 1 1 1; END", "42601", "syntax error at or near \"1\""),
    ("BEGIN EXIT; END", "42601", "EXIT cannot be used outside a loop, unless it has a label"),
    (
      "BEGIN LOOP EXIT nowhere; END LOOP; END", "42601",
      "there is no label \"nowhere\" attached to any block or loop enclosing this statement"
    ),
    ("BEGIN RAISE NOTICE '%'; END", "42601", "too few parameters specified for RAISE"),
    ("BEGIN RAISE no_such_thing; END", "42704", "unrecognized exception condition \"no_such_thing\""),
    ("BEGIN NULL; EXCEPTION WHEN nonsense THEN NULL; END", "42704", "unrecognized exception condition \"nonsense\""),
    ("DECLARE v int; v text; BEGIN END", "42601", "duplicate declaration at or near \"v\""),
    ("DECLARE v int NOT NULL; BEGIN END", "22004", "variable \"v\" must have a default value, since it's declared NOT NULL"),
    ("DECLARE c CURSOR FOR SELECT 1; BEGIN END", "0A000", "a cursor in PL/pgSQL is not supported"),
    ("BEGIN OPEN c; END", "0A000", "a cursor in PL/pgSQL is not supported"),
    ("BEGIN NULL;", "42601", "syntax error at end of input"),
    ("BEGIN IF true THEN NULL; END; END", "42601", "syntax error at or near \";\""),
    ("SELECT 1", "42601", "syntax error at or near \"SELECT\""),
  ]) func wrongBodiesAreRefused(_ body: String, _ state: String, _ message: String) {
    let error = failure(body)
    #expect(error?.sqlState == state && error?.message == message, "\(body): \(error.map { "\($0)" } ?? "taken")")
  }
  @Test func anyTextEndsAndNoneCrashes() {
    // Every prefix and every text with one token left out.
    let text = """
      <<b>> DECLARE v int := 1; r record; BEGIN FOR r IN SELECT 1 LOOP v := v + 1; CONTINUE WHEN v > 2; END LOOP;
      IF v = 1 THEN RAISE NOTICE 'x %', v; ELSIF v = 2 THEN NULL; ELSE RETURN; END IF; CASE v WHEN 1 THEN NULL; END CASE;
      BEGIN EXECUTE 'x' INTO v USING 1; EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS v = MESSAGE_TEXT; END; END b
      """
    for end in text.indices { _ = failure(String(text[..<end])) }
    let words = text.split(separator: " ")
    for at in words.indices { _ = failure((words[..<at] + words[(at + 1)...]).joined(separator: " ")) }
    _ = failure(String(repeating: "BEGIN ", count: 5000))
    _ = failure("BEGIN " + String(repeating: "IF true THEN ", count: 5000))
    #expect(failure(text) == nil)
  }
}
