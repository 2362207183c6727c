// ParserTests.swift — what the front end takes, refuses and reports, statement by statement.
import Model
import SQL
import Testing

private func failure(_ text: String) -> TallyError? {
  do throws(TallyError) {
    _ = try parse(text)
    return nil
  } catch { return error }
}
private func onlySelect(_ text: String) throws -> PlainSelectSyntax {
  guard case .select(let select) = try #require(try parse(text).first).statement, case .plain(let plain) = select.body
  else { throw TallyError(.internalError, "not a plain select: \(text)") }
  return plain
}

@Test func severalStatementsAreSplitAtSemicolons() throws {
  let statements = try parse("select 1 ; ; select 'a;b' ;")
  #expect(statements.map(\.text) == ["select 1", "select 'a;b'"])
  #expect(try parse("").isEmpty)
  #expect(try parse(" -- nothing\n").isEmpty)
}

@Test func integersThatThePrinterLeavesOutAreReadFromTheText() throws {
  let plain = try onlySelect("select 0, -3, - 3, -(7), - -5, - /* a /* b */ -- */ 9, -2147483647, 2147483647, -2147483648")
  var shown: [String] = []
  for item in plain.items {
    switch item.expression.kind {
    case .integer(let value): shown.append(String(value))
    case .decimal(let digits): shown.append(digits)
    default: shown.append("?")
    }
  }
  #expect(shown == ["0", "-3", "-3", "-7", "5", "-9", "-2147483647", "2147483647", "-2147483648"])
}

@Test func positionsCountCharacters() {
  #expect(failure("select 'ä', from")?.position == 17 - 4)
  #expect(failure("select 'äöü', a over b from t")?.sqlState == "42601")
  #expect(failure("select 'äöü', a from t tablesample system (1)")?.position == 36)
}

@Test(arguments: [
  ("create temp sequence s", "a temporary relation of this kind is not supported", 22),
  ("select a collate \"de\" from t", "COLLATE is not supported", 10),
  ("select * from t tablesample system (1)", "TABLESAMPLE is not supported", 29),
  ("select 1 from t group by distinct rollup (a)", "GROUP BY DISTINCT is not supported", 8),
  ("select 1 from t order by a using <", "ORDER BY … USING is not supported", 26),
  ("select 1 from t order by 1 fetch first 2 rows with ties", "FETCH FIRST … WITH TIES is not supported", 8),
  ("create table t (a int references u on delete cascade)", "ON DELETE CASCADE is not supported", 23),
  ("create table t (a int references u match full)", "MATCH FULL is not supported", 23),
  ("create table t (a int, unique (a) deferrable)", "a deferrable constraint is not supported", 24),
  ("update t set a[1] = 2", "an assignment to a part of a column is not supported", 14),
  ("insert into t values (1) on conflict (lower(a)) do nothing", "an expression in the target of ON CONFLICT is not supported", 39),
  ("with a as (delete from t returning 1) select 1 from a", "a statement that changes rows in WITH is not supported", 6),
  ("select * from f(1) as (a int)", "a column definition list is not supported", 24),
  ("begin", "a transaction block is not supported", 1),
  ("set a = 1", "SET is not supported", 1),
])
func unsupportedConstructsAreNamed(_ text: String, _ message: String, _ position: Int) throws {
  let error = try #require(failure(text))
  #expect(error.sqlState == "0A000")
  #expect(error.message == message)
  #expect(error.position == position)
}

@Test(arguments: [
  ("select from where", "syntax error at or near \"where\"", 13),
  ("select 'a", "unterminated quoted string at or near \"'a\"", 8),
  ("select * from (select 1)", "subquery in FROM must have an alias", 15),
])
func syntaxErrorsHavePostgresWording(_ text: String, _ message: String, _ position: Int) throws {
  let error = try #require(failure(text))
  #expect(error.sqlState == "42601")
  #expect(error.message == message)
  #expect(error.position == position)
}

@Test func rollupsKeepTheirQuerysText() throws {
  let text =
    "create materialized view r with (rollup, levels = '5 minutes, 1 day', keep = '2 days, forever') as  Select a, ';' from t group by 1 ;"
  guard case .createRollup(let rollup) = try #require(try parse(text).first).statement else {
    Issue.record("not a rollup")
    return
  }
  #expect(rollup.name.name == "r")
  #expect(rollup.options.map(\.name.name) == ["rollup", "levels", "keep"])
  #expect(rollup.options.map(\.value) == [nil, "5 minutes, 1 day", "2 days, forever"])
  #expect(rollup.selectText == "Select a, ';' from t group by 1")
}

@Test func tablesKeepDefaultsAsText() throws {
  let text =
    "create table if not exists t (a int not null default -3, b varchar(20) default 'x, not null' not null, c timestamptz default now()) with (time = c, keep = '30 days')"
  guard case .createTable(let table) = try #require(try parse(text).first).statement else {
    Issue.record("not a table")
    return
  }
  #expect(table.ifNotExists)
  #expect(table.columns.map(\.type.name) == ["int4", "varchar", "timestamptz"])
  #expect(table.columns[1].type.modifiers == [20])
  #expect(table.columns.map(\.defaultText) == ["-3", "'x, not null'", "now()"])
  #expect(table.columns.map(\.isNotNull) == [true, true, false])
  #expect(table.options.map(\.value) == ["c", "30 days"])
}

@Test(arguments: ["1+", "-", "not ", "(", "f(", "+ ", "case when ", "a and (", "#", "'x'||", "(select * from (", "1 in (", "a and "])
func anyNestIsAnErrorOrAResult(_ unit: String) {
  for bytes in [300, 1000, 5000, 60_000] {
    let text = "select " + String(repeating: unit, count: bytes / unit.utf8.count) + "1"
    if let error = failure(text) {
      #expect(["42601", "54001"].contains(error.sqlState), "\(error)")
    }
  }
}
@Test func closedNestsAreRefusedByDepth() {
  for (open, close) in [("(select * from ", " as x)"), ("f(", ")"), ("-(", ")"), ("case when a then ", " end"), ("(select ", ")")] {
    for count in [50, 400, 2000] {
      let text = "select " + String(repeating: open, count: count) + "1" + String(repeating: close, count: count)
      if let error = failure(text) { #expect(["42601", "54001", "0A000"].contains(error.sqlState), "\(error)") }
    }
  }
}

@Test func overlongAndForeignTextIsRefused() {
  #expect(failure("select '" + String(repeating: "x", count: 70_000) + "'")?.sqlState == "54000")
  #expect(failure("select 1\u{0}")?.sqlState == "22021")
}

@Test func damagedTextNeverCrashes() {
  let seeds = [
    "select app, time_bucket('5 minutes', ts) as b, count(*) filter (where x = 1), #hll_union_agg(u) from r where app = 'ä' and ts >= now() - interval '7 days' group by 1, 2 having count(*) > 3 order by 2 desc nulls last limit 10 offset 3",
    "create table t (a int not null default -3, b varchar(20), n numeric(10,2)) with (time = c, keep = '30 days')",
    "insert into t (a, b) values (1, default), (-2, 'x'), (0, null)",
    "create materialized view r with (rollup, levels = '5 minutes') as select a, count(*) from t group by 1",
    "select case a when 1 then 'b' else coalesce(c, '') end, x between 1 and 2, y not in (1,-2), (topn(q, 10)).* from t as z (a, b)",
  ]
  var state: UInt64 = 42
  func next(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }
  let tokens = ["(", ")", ",", "-", "0", "'", "\"", "/*", "--", "\n", " select ", " from ", ".", "*", "::", "[", ";", "ß", "null", " as "]
  for _ in 0..<4000 {
    var scalars = Array(seeds[next(seeds.count)].unicodeScalars)
    for _ in 0..<(1 + next(4)) {
      let at = next(scalars.count)
      switch next(3) {
      case 0: scalars.remove(at: at)
      case 1: scalars.insert(contentsOf: Array(tokens[next(tokens.count)].unicodeScalars), at: at)
      default: scalars.swapAt(at, next(scalars.count))
      }
    }
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars)
    if let error = failure(text) { #expect(error.status != .internalError, "\(text): \(error)") }
  }
}
