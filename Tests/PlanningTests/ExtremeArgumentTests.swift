// ExtremeArgumentTests.swift — arguments that would make far more than a text may hold: refused before it is made, not after.
import Model
import SQL
import Testing

@testable import Planning

private func folded(_ expression: String) throws -> String {
  guard case .select(let select) = try parse("select (\(expression))::text")[0].statement, case .plain(let plain) = select.body else {
    throw TallyError.sql("XX000", "no SELECT")
  }
  let binder = ExpressionBinder(scope: .empty, context: SampleCatalog.context)
  // Where a value is needed at once.
  binder.clause = .values
  guard case .constant(.text(let text)) = try binder.typed(plain.items[0].expression).node else { return "?" }
  return text
}

@Test(
  .timeLimit(.minutes(1)),
  arguments: [
    "array_fill(repeat('x', 1000000), array[1000000])",
    "array_replace(array_fill('a'::text, array[300000]), 'a', repeat('x', 1000000))",
    "array_to_string(array_fill(1, array[500000]), repeat('x', 1000000))",
    "concat_ws(repeat('x', 1000000), 1, 2, 3)",
    "format(repeat('%1$1000000s', 90000), 'x')",
    "regexp_replace(repeat('a', 1000000), 'a+', repeat('\\&', 500000))",
    "jsonb_pretty((repeat('[', 250) || repeat('1,', 400000) || '1' || repeat(']', 250))::jsonb)",
  ]
) func whatIsTooLongIsNotMade(expression: String) throws {
  let failure = #expect(throws: TallyError.self) { try folded(expression) }
  #expect(failure?.sqlState == "54000", "\(String(describing: failure))")
}

@Test func whatPostgreSQLAnswersOtherwise() throws {
  // Its own slip gives -2147483648.
  #expect(try folded("width_bucket(1e308::float8, -1.7e308::float8, 1.7e308::float8, 10)") == "8")
  // There is no digit left for its 16 places.
  #expect(try folded("power(12345678901234567890123456789012345678::numeric, 1)") == "12345678901234567890123456789012345678")
}
