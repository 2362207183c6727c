// ExpressionBinder+Repeated.swift — operands that are needed several times: of CASE, NULLIF and IN, arguments of routines that are
// expressions.
//
// The tree has such an operand once for each use. So its size is bounded, as nested ones would double it again and again; and one that
// gives another value each time (random, nextval) is computed below the select list, once a row, and read from there.
import Model

extension ExpressionBinder {
  /// Most nodes that the uses of one operand make.
  private static let repeatedNodesMax = 100_000

  /// The operand as it stands where it is used `times` times.
  func repeated(_ operand: Expression, times: Int, _ position: Int, isConditional: Bool? = nil) throws(TallyError) -> Expression {
    guard times > 1 else { return operand }
    let isConditional = isConditional ?? (conditionalDepth > 0)
    // The body of a routine has its caller's columns.
    if let caller { return try caller.repeated(operand, times: times, position, isConditional: isConditional) }
    guard operand.hasAtMost(Self.repeatedNodesMax / times) else {
      throw .sql(
        "54001",
        "expression is too complex",
        detail: "An operand of it would be evaluated \(times) times, and has such operands itself.",
        hint: "Compute it in a subquery in FROM, and name its column.",
        position: position
      )
    }
    // Without queries around it nothing but its being constant matters.
    guard operand.isVolatile, queries != nil || clause != .select else { return operand }
    guard clause == .select, !isConditional, !isInsideAggregate, !isInsideWindow,
      operand.columnsRead.allSatisfy({ $0 < Placeholder.aggregates || $0 >= Placeholder.onces })
    else { throw Self.notOnce(position) }
    onces.append((operand, position))
    return .column(Placeholder.onces + onces.count - 1, operand.type)
  }
  static func notOnce(_ position: Int) -> TallyError {
    .sql(
      "0A000",
      "an operand that gives another value each time is not supported here",
      hint: "Compute it in a subquery in FROM, and name its column.",
      position: position
    )
  }
}

extension SelectBinder {
  /// The rows with the values that are computed once for each of them.
  func withOnces(_ node: PlanNode, _ binder: ExpressionBinder, _ expressions: inout [Expression]) throws(TallyError) -> PlanNode {
    guard let first = binder.onces.first else { return node }
    guard binder.subqueries.isEmpty, binder.sets.isEmpty, binder.expansions.isEmpty, binder.windows.isEmpty else {
      throw ExpressionBinder.notOnce(first.position)
    }
    var node = node
    let width = node.columns.count
    let replace = { (column: Int) -> Expression? in
      guard column >= Placeholder.onces else { return nil }
      let at = column - Placeholder.onces
      return .column(width + at, binder.onces[at].expression.type)
    }
    // One may read those before it.
    for once in binder.onces { node = node.appending([once.expression.replacing(replace)], names: ["once"]) }
    expressions = expressions.map { $0.replacing(replace) }
    return node
  }
}

extension Expression {
  /// Whether it has no more nodes than that; looks at no more.
  func hasAtMost(_ count: Int) -> Bool {
    var left = count
    return fits(&left)
  }
  private func fits(_ left: inout Int) -> Bool {
    left -= 1
    if left < 0 { return false }
    for operand in operands where !operand.fits(&left) { return false }
    return true
  }
}
