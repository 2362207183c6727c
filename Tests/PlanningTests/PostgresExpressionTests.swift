// PostgresExpressionTests.swift — expressions against a real PostgreSQL 15: types of results, values, SQLSTATEs. Skipped without it.
//
// What Tally refuses by name (0A000) is counted, not compared; where it knowingly differs stands in `differences`, with the reason.
import Foundation
import Model
import SQL
import Testing

@testable import Planning

private enum Own: Equatable {
  case value(type: String, text: String?)
  case failure(state: String, message: String)
}

private func own(_ expression: String) -> Own {
  func bound(_ text: String) throws -> Planning.Expression {
    guard case .select(let select) = try parse("select \(text)")[0].statement, case .plain(let plain) = select.body else {
      throw TallyError.sql("XX000", "no SELECT")
    }
    let binder = ExpressionBinder(scope: .empty, context: SampleCatalog.context)
    // Where a value is needed at once.
    binder.clause = .values
    return try binder.typed(plain.items[0].expression)
  }
  do {
    let value = try bound(expression)
    let text = try bound("(\(expression))::text")
    guard case .constant(let constant) = text.node else { return .failure(state: "XX000", message: "not folded") }
    guard case .text(let shown) = constant else { return .value(type: name(value.type), text: nil) }
    return .value(type: name(value.type), text: shown)
  } catch let error as TallyError {
    return .failure(state: error.sqlState, message: error.message)
  } catch { return .failure(state: "XX000", message: "\(error)") }
}
private func name(_ type: DataType) -> String {
  let plain = type.withoutModifiers
  if case .bpchar = plain { return "character" }
  if let element = plain.element, case .bpchar = element { return "character[]" }
  return plain.name
}

@Test(.enabled(if: PostgresTrial.isInstalled)) func expressionsAreWhatPostgreSQLMakesOfThem() throws {
  let expressions = ExpressionSamples.all
  let answers = try PostgresTrial().answers(expressions)
  try #require(answers.count == expressions.count)
  var refused: [String: Int] = [:]
  var limits = 0
  var wrong: [String] = []
  for (expression, answer) in zip(expressions, answers) {
    let mine = own(expression)
    switch (answer, mine) {
    case (.value(let type, let text), .value(let ownType, let ownText)) where type == ownType && text == ownText: continue
    case (_, .failure("0A000", let message)): refused[message, default: 0] += 1
    case (.failure(let state, _), .failure(let ownState, _)) where state == ownState || ExpressionSamples.areAlike(state, ownState):
      continue
    case (_, .failure("22003", let message)) where ExpressionSamples.isLimit(message): limits += 1
    default:
      if ExpressionSamples.isKnownDifference(expression) { continue }
      wrong.append("\(expression)\n    PostgreSQL: \(answer)\n    Tally:      \(mine)")
    }
  }
  if let path = ProcessInfo.processInfo.environment["TALLY_EXPRESSION_REPORT"] {
    let lines = wrong + refused.sorted { $0.value > $1.value }.map { "refused \($0.value): \($0.key)" }
    try lines.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
  }
  print(
    "\(expressions.count) expressions, \(refused.values.reduce(0, +)) refused, \(limits) beyond numeric's digits, \(wrong.count) different"
  )
  #expect(wrong.isEmpty, "\(wrong.prefix(20).joined(separator: "\n"))")
}
