// CopyTests.swift — COPY's grammar and options: both spellings, and PostgreSQL's errors in its order.
import Model
import SQL
import Testing

@testable import Planning

@Suite struct CopyStatements {
  private func options(_ sql: String) throws -> CopyOptions {
    switch try SampleCatalog.statement(sql, try SampleCatalog.make()) {
    case .copyIn(let plan): return plan.options
    case .copyOut(let plan): return plan.options
    default: throw TallyError(.internalError, "no COPY")
    }
  }
  @Test func bothSpellingsMeanTheSame() throws {
    let pairs = [
      ("copy queries from stdin", "copy queries from stdin (format text, delimiter E'\\t', null '\\N')"),
      ("copy queries from stdin csv header", "copy queries from stdin with (format csv, header true)"),
      (
        "copy queries from stdin with csv header quote '''' escape '\\' force not null query, device delimiter as ';' null as 'x'",
        "copy queries from stdin (format csv, header, quote '''', escape '\\', force_not_null (query, device), delimiter ';', null 'x')"
      ),
      ("copy binary queries from stdin", "copy queries from stdin (format 'binary', freeze)"),
      ("copy queries to stdout csv force quote *", "copy queries to stdout (format csv, force_quote *)"),
      ("copy queries from stdin using delimiters ','", "copy queries from stdin (delimiter ',', encoding 'utf-8')"),
    ]
    for (old, new) in pairs {
      let (first, second) = (try options(old), try options(new))
      #expect(first == second, "\(old)")
    }
  }
  @Test func columnsThatAreNotGivenGetTheirDefaults() throws {
    let catalog = try SampleCatalog.make()
    guard case .copyIn(let plan) = try SampleCatalog.statement("copy queries (hits, app_id) from stdin", catalog) else {
      Issue.record("no COPY FROM")
      return
    }
    #expect(plan.columns == [5, 0])
    #expect(plan.key == 0)
    #expect(!plan.defaults.contains { !$0.isNull })
    guard
      case .copyOut(let out) = try SampleCatalog.statement("copy (select app_id, count(*) from queries group by 1) to stdout", catalog)
    else {
      Issue.record("no COPY TO")
      return
    }
    #expect(out.select.output.map(\.name) == ["app_id", "count"])
    guard case .copyOut(let table) = try SampleCatalog.statement("copy queries (hits, query) to stdout csv", catalog) else {
      Issue.record("no COPY TO")
      return
    }
    #expect(table.select.output.map(\.name) == ["hits", "query"])
  }
  /// State, message and, where PostgreSQL 15 has one, position.
  private static let failures: [(String, String, String, Int?)] = [
    ("copy flights from stdin (format foo)", "22023", "COPY format \"foo\" not recognized", 26),
    ("copy flights from stdin (format csv, format csv)", "42601", "conflicting or redundant options", 38),
    ("copy flights from stdin (freeze 3)", "42601", "freeze requires a Boolean value", nil),
    ("copy flights from stdin (header foo)", "42601", "header requires a Boolean value or \"match\"", nil),
    ("copy flights to stdout (header match)", "0A000", "cannot use \"match\" with HEADER in COPY TO", nil),
    ("copy flights from stdin (quote)", "42601", "quote requires a parameter", nil),
    ("copy flights to stdout (force_quote 3)", "22023", "argument to option \"force_quote\" must be a list of column names", 25),
    ("copy flights from stdin (force_null *)", "22023", "argument to option \"force_null\" must be a list of column names", 26),
    ("copy flights from stdin (encoding 'foo')", "22023", "argument to option \"encoding\" must be a valid encoding name", 26),
    ("copy flights from stdin (encoding 'latin1')", "0A000", "COPY with an encoding other than UTF8 is not supported", 26),
    ("copy flights from stdin (bar)", "42601", "option \"bar\" not recognized", 26),
    ("copy flights from stdin (on_error ignore)", "0A000", "COPY option \"on_error\" with a value other than stop is not supported", 26),
    ("copy flights from stdin (format binary, delimiter ',')", "42601", "cannot specify DELIMITER in BINARY mode", nil),
    ("copy flights from stdin (format binary, null ',')", "42601", "cannot specify NULL in BINARY mode", nil),
    ("copy flights from stdin (delimiter ',,')", "0A000", "COPY delimiter must be a single one-byte character", nil),
    ("copy flights from stdin (delimiter 'é')", "0A000", "COPY delimiter must be a single one-byte character", nil),
    ("copy flights from stdin (delimiter E'\\n')", "22023", "COPY delimiter cannot be newline or carriage return", nil),
    ("copy flights from stdin (null E'\\n')", "22023", "COPY null representation cannot use newline or carriage return", nil),
    ("copy flights from stdin (delimiter 'a')", "22023", "COPY delimiter cannot be \"a\"", nil),
    ("copy flights from stdin (format binary, header)", "0A000", "cannot specify HEADER in BINARY mode", nil),
    ("copy flights from stdin (quote ',')", "0A000", "COPY quote available only in CSV mode", nil),
    ("copy flights from stdin (format csv, quote 'xx')", "0A000", "COPY quote must be a single one-byte character", nil),
    ("copy flights from stdin (format csv, quote ',')", "22023", "COPY delimiter and quote must be different", nil),
    ("copy flights from stdin (escape ',')", "0A000", "COPY escape available only in CSV mode", nil),
    ("copy flights from stdin (format csv, escape 'xx')", "0A000", "COPY escape must be a single one-byte character", nil),
    ("copy flights from stdin (force_quote *)", "0A000", "COPY force quote available only in CSV mode", nil),
    ("copy flights from stdin (format csv, force_quote *)", "0A000", "COPY force quote only available using COPY TO", nil),
    ("copy flights from stdin (force_null (dest))", "0A000", "COPY force null available only in CSV mode", nil),
    ("copy flights to stdout (format csv, force_null (dest))", "0A000", "COPY force null only available using COPY FROM", nil),
    ("copy flights from stdin (force_not_null (dest))", "0A000", "COPY force not null available only in CSV mode", nil),
    ("copy flights to stdout (format csv, force_not_null (dest))", "0A000", "COPY force not null only available using COPY FROM", nil),
    ("copy flights from stdin (format csv, null ',')", "0A000", "COPY delimiter must not appear in the NULL specification", nil),
    ("copy flights from stdin (format csv, null '\"')", "0A000", "CSV quote character must not appear in the NULL specification", nil),
    ("copy flights from stdin (format csv, force_null (x))", "42703", "column \"x\" of relation \"flights\" does not exist", nil),
    ("copy flights(carrier) from stdin (format csv, force_null (dest))", "42P10", "FORCE_NULL column \"dest\" not referenced by COPY", nil),
    (
      "copy flights(carrier) to stdout (format csv, force_quote (dest))", "42P10", "FORCE_QUOTE column \"dest\" not referenced by COPY", nil
    ),
    ("copy flights(dest,dest) from stdin", "42701", "column \"dest\" specified more than once", nil),
    ("copy flights(x) from stdin", "42703", "column \"x\" of relation \"flights\" does not exist", nil),
    ("copy searches from stdin", "42809", "cannot copy to materialized view \"searches\"", nil),
    ("copy searches to stdout", "42809", "cannot copy from materialized view \"searches\"", nil),
    ("copy nope from stdin", "42P01", "relation \"nope\" does not exist", nil),
    ("copy (select carrier from flights) to stdout (format csv, force_quote (y))", "42703", "column \"y\" does not exist", nil),
    ("copy flights from stdin where carrier > 1", "0A000", "COPY … WHERE is not supported", 39),
    ("copy flights from '/etc/passwd'", "0A000", "COPY from a file of the server is not supported", 1),
    ("copy flights to program 'sh'", "0A000", "COPY to a program of the server is not supported", 1),
    ("copy (delete from flights) to stdout", "0A000", "COPY query must have a RETURNING clause", nil),
  ]
  @Test func whatIsWrongIsToldAsPostgreSQLTellsIt() throws {
    for (sql, state, message, position) in Self.failures {
      let failure = try SampleCatalog.failure(sql)
      #expect(failure?.sqlState == state && failure?.message == message, "\(sql): \(String(describing: failure))")
      #expect(failure?.position == position, "\(sql)")
    }
  }
}
