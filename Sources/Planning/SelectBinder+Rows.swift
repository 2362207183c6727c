// SelectBinder+Rows.swift — functions of a select list that give rows: below the aggregates where they are groups, else above all.
import Model
import SQL

extension SelectBinder {
  /// Functions that give rows and are groups: their rows are there before the aggregates.
  func withGroupedSets(
    _ input: PlanNode,
    _ binder: ExpressionBinder,
    _ groups: inout [Expression],
    _ expressions: inout [Expression],
    _ syntax: PlainSelectSyntax
  ) throws(TallyError) -> PlanNode {
    let grouped = Set(groups.compactMap(\.columnIndex))
    guard binder.expansions.isEmpty, binder.sets.indices.allSatisfy({ grouped.contains(Placeholder.sets + $0) }) else {
      throw .sql(
        "0A000",
        "a set-returning function beside one in GROUP BY is not supported",
        hint: "Call it in FROM.",
        position: syntax.items.first?.expression.position
      )
    }
    var node = input
    for i in binder.sets.indices { node = try attach(node, binder, &binder.sets[i].call.arguments) }
    let width = node.columns.count
    let calls = binder.sets.map(\.call)
    let place = { (index: Int) -> Expression? in
      index >= Placeholder.sets && index - Placeholder.sets < calls.count
        ? .column(width + index - Placeholder.sets, calls[index - Placeholder.sets].output[0].type) : nil
    }
    groups = groups.map { $0.replacing(place) }
    expressions = expressions.map { $0.replacing(place) }
    binder.sets = []
    return .tableFunction(TableFunctionNode(input: node, calls: calls))
  }
  func withSets(
    _ node: PlanNode,
    _ binder: ExpressionBinder,
    _ expressions: inout [Expression],
    _ syntax: PlainSelectSyntax
  ) throws(TallyError) -> PlanNode {
    guard binder.expansions.isEmpty else {
      throw .sql(
        "0A000",
        "topn() beside another set-returning function is not supported",
        position: syntax.items.first?.expression.position
      )
    }
    let width = node.columns.count
    expressions = expressions.map { expression in
      expression.replacing { index in
        guard Placeholder.isSet(index), index >= Placeholder.sets else { return nil }
        let call = binder.sets[index - Placeholder.sets].call
        return .column(width + index - Placeholder.sets, call.output[0].type)
      }
    }
    return .tableFunction(TableFunctionNode(input: node, calls: binder.sets.map(\.call)))
  }

  /// Puts the state beside the stage's columns, expands it, and points placeholders at the new columns.
  func expanded(
    _ node: PlanNode,
    _ expansion: ExpressionBinder.Expansion,
    _ expressions: inout [Expression]
  ) -> PlanNode {
    let width = node.columns.count
    let withState = node.appending([expansion.state], names: ["topn"])
    let kinds: [ExpandTopNNode.Field] = expansion.isExtended ? [.item, .frequency, .upper, .isExact] : [.item, .frequency]
    let fieldNames = kinds.map { "\($0)" }
    for i in expressions.indices {
      expressions[i] = expressions[i].renumbered { index in
        guard index >= Placeholder.expansions, index < Placeholder.sets else { return index }
        let kind = ExpressionBinder.fieldKind(expansion.isExtended, (index - Placeholder.expansions) % 8)
        return width + 1 + (kinds.firstIndex(of: kind) ?? 0)
      }
    }
    return .expandTopN(
      ExpandTopNNode(input: withState, column: width, count: expansion.count, fields: kinds, names: fieldNames)
    )
  }
}
