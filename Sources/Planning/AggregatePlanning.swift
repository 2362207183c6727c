// AggregatePlanning.swift — aggregate nodes from collected calls; count(DISTINCT x) as grouping by x too.
import Model

/// Expressions above an aggregate node: over its groups and aggregates instead of its input.
struct Grouping {
  let groups: [Expression]
  let binder: ExpressionBinder
  private let keys: [[UInt8]]

  init(groups: [Expression], binder: ExpressionBinder) {
    self.groups = groups
    self.binder = binder
    self.keys = groups.map { ExpressionFormat.key($0) }
  }

  /// Which group an expression is.
  func place(_ expression: Expression) -> Int? { keys.firstIndex(of: ExpressionFormat.key(expression)) }

  func overGroups(_ expression: Expression) throws(TallyError) -> Expression {
    switch expression.node {
    case .constant, .parameter: return expression
    default: break
    }
    if !keys.isEmpty, let group = keys.firstIndex(of: ExpressionFormat.key(expression)) {
      return .column(group, expression.type)
    }
    guard case .column(let index) = expression.node else {
      return try expression.mapOperands { (operand) throws(TallyError) in try overGroups(operand) }
    }
    if index >= Placeholder.expansions { return expression }
    if index >= Placeholder.distincts {
      return .column(groups.count + binder.aggregates.count + index - Placeholder.distincts, expression.type)
    }
    if index >= Placeholder.aggregates {
      return .column(groups.count + index - Placeholder.aggregates, expression.type)
    }
    throw .sql(
      "42803",
      "column \"\(binder.scope.shown(index))\" must appear in the GROUP BY clause or be used in an aggregate function",
      position: binder.positions[index]
    )
  }
}

enum AggregatePlanning {
  /// Output: groups, calls, then the counts of distinct values.
  static func node(
    input: PlanNode,
    groups: [Expression],
    calls: [AggregateCall],
    distincts: [Expression]
  ) -> PlanNode {
    let groupNames = groups.indices.map { "group\($0)" }
    let callNames = calls.indices.map { "aggregate\($0)" }
    let distinctNames = distincts.indices.map { "distinct\($0)" }
    // Aggregates that do not merge have all rows of a group in one place anyway.
    if !distincts.isEmpty, !calls.allSatisfy(\.isMergeable) {
      let all = calls + distincts.map { AggregateCall(.count, [$0], isDistinct: true, type: .bigint) }
      return .aggregate(AggregateNode(input: input, groups: groups, calls: all, names: groupNames + callNames + distinctNames))
    }
    guard let first = distincts.first else {
      return .aggregate(AggregateNode(input: input, groups: groups, calls: calls, names: groupNames + callNames))
    }
    if distincts.count == 1 {
      return countingDistinct(input, groups, calls, first, names: (groupNames, callNames, distinctNames[0]))
    }
    // Several: one branch for the plain aggregates, one for each distinct count, merged by group.
    let outputTypes = calls.map(\.type)
    var branches: [PlanNode] = []
    for branch in 0...distincts.count {
      let node: PlanNode =
        branch == 0
        ? .aggregate(AggregateNode(input: input, groups: groups, calls: calls, names: groupNames + callNames))
        : countingDistinct(
          input,
          groups,
          [],
          distincts[branch - 1],
          names: (groupNames, [], distinctNames[branch - 1])
        )
      var expressions = groups.indices.map { Expression.column($0, groups[$0].type) }
      for (index, type) in outputTypes.enumerated() {
        expressions.append(branch == 0 ? .column(groups.count + index, type) : .constant(type, .null))
      }
      for index in distincts.indices {
        expressions.append(
          index + 1 == branch ? .column(groups.count, .bigint) : .constant(.bigint, .fixed(0))
        )
      }
      branches.append(
        .project(ProjectNode(input: node, expressions: expressions, names: groupNames + callNames + distinctNames))
      )
    }
    var merged: [AggregateCall] = []
    for (index, call) in calls.enumerated() { merged.append(call.merging(column: groups.count + index)) }
    for index in distincts.indices {
      merged.append(
        AggregateCall(.countMerge, [.column(groups.count + calls.count + index, .bigint)], type: .bigint)
      )
    }
    return .aggregate(
      AggregateNode(
        input: .unionAll(branches),
        groups: groups.indices.map { .column($0, groups[$0].type) },
        calls: merged,
        names: groupNames + callNames + distinctNames
      )
    )
  }

  /// Groups by the groups and the subject, then counts the subjects of each group.
  private static func countingDistinct(
    _ input: PlanNode,
    _ groups: [Expression],
    _ calls: [AggregateCall],
    _ subject: Expression,
    names: (groups: [String], calls: [String], distinct: String)
  ) -> PlanNode {
    let inner = PlanNode.aggregate(
      AggregateNode(
        input: input,
        groups: groups + [subject],
        calls: calls,
        names: names.groups + [names.distinct] + names.calls
      )
    )
    var merged: [AggregateCall] = []
    for (index, call) in calls.enumerated() { merged.append(call.merging(column: groups.count + 1 + index)) }
    merged.append(AggregateCall(.count, [.column(groups.count, subject.type)], type: .bigint))
    return .aggregate(
      AggregateNode(
        input: inner,
        groups: groups.indices.map { .column($0, groups[$0].type) },
        calls: merged,
        names: names.groups + names.calls + [names.distinct]
      )
    )
  }

  /// Grouping sets: one aggregation for each set, appended; groups that a set has not are NULL. Output: groups, calls, distinct counts,
  /// then for each of `masks` the integer that tells which of its groups the set has not. Aggregates that merge are computed once for
  /// all groups and merged for each set; others read the same rows once for each set.
  static func groupingSets(
    input: PlanNode,
    groups: [Expression],
    sets: [[Int]],
    calls: [AggregateCall],
    distincts: [Expression],
    masks: [[Int]],
    shared: Int
  ) -> PlanNode {
    let groupNames = groups.indices.map { "group\($0)" }
    let all = calls + distincts.map { AggregateCall(.count, [$0], isDistinct: true, type: .bigint) }
    let names = calls.indices.map { "aggregate\($0)" } + distincts.indices.map { "distinct\($0)" }
    let merges = all.allSatisfy(\.isMergeable)
    let source: PlanNode
    if merges {
      source = .shared(
        SharedNode(
          id: shared,
          input: .aggregate(AggregateNode(input: input, groups: groups, calls: all, names: groupNames + names))
        )
      )
    } else {
      source = .shared(SharedNode(id: shared, input: input))
    }
    let branches = sets.map { set -> PlanNode in
      let node = AggregateNode(
        input: source,
        groups: set.map { merges ? .column($0, groups[$0].type) : groups[$0] },
        calls: merges ? all.enumerated().map { $1.merging(column: groups.count + $0) } : all,
        names: set.map { groupNames[$0] } + names
      )
      var expressions: [Expression] = groups.enumerated().map { index, group in
        set.firstIndex(of: index).map { .column($0, group.type) } ?? .constant(group.type, .null)
      }
      for (index, call) in all.enumerated() { expressions.append(.column(set.count + index, call.type)) }
      for mask in masks {
        let bits = mask.reduce(Int64(0)) { $0 << 1 | (set.contains($1) ? 0 : 1) }
        expressions.append(.constant(.integer, .fixed(bits)))
      }
      return .project(
        ProjectNode(input: .aggregate(node), expressions: expressions, names: groupNames + names + masks.map { _ in "grouping" })
      )
    }
    return branches.count == 1 ? branches[0] : .unionAll(branches)
  }
}
