// PlanRewriting.swift — makes a bound plan good without changing its answer: plans that are read once lose their name, filters go down to
// the scans and through joins (`+Joins`), joins get keys and an order (`JoinOrder`), projections melt into their consumers, unused
// columns disappear, scans learn their zone conditions.
import Model

struct PlanRewriting {
  let catalog: CatalogSnapshot

  static func rewritten(_ plan: PlanNode, catalog: CatalogSnapshot, context: PlanningContext) -> PlanNode {
    leveled(shaped(plan, catalog: catalog), catalog: catalog, context: context)
  }
  /// The plan in its shape: what is read where. Constants do not matter here, but that a column is compared with one does, and conditions
  /// that are TRUE or FALSE.
  static func shaped(_ plan: PlanNode, catalog: CatalogSnapshot) -> PlanNode {
    let rewriting = PlanRewriting(catalog: catalog)
    let plan = SharedPlans.inlined(plan)
    var shared: [Int: PlanNode] = [:]
    for (id, input) in SharedPlans.inputs(of: plan) { shared[id] = rewriting.melted(rewriting.pushed(input, [])) }
    let melted = rewriting.melted(rewriting.pushed(plan, []))
    return rewriting.melted(PlanPruning.exact(melted, shared: shared))
  }
  /// A shaped plan with its levels and zone conditions, which the constants decide.
  static func leveled(_ plan: PlanNode, catalog: CatalogSnapshot, context: PlanningContext) -> PlanNode {
    let choice = RollupLevelChoice(catalog: catalog, choosesLevels: context.choosesLevels)
    return ZoneConditions.applied(choice.applied(plan))
  }

  // MARK: Filters

  /// The plan with conditions applied as low as they mean the same. Shared plans are rewritten on their own: here they are leaves.
  func pushed(_ plan: PlanNode, _ conditions: [Expression]) -> PlanNode {
    // What gives another value each time is evaluated where it was written, once a row.
    if conditions.contains(where: \.isVolatile) {
      return filtered(pushed(plan, conditions.filter { !$0.isVolatile }), conditions.filter(\.isVolatile))
    }
    switch plan {
    case .scan(var node):
      // Functions of the coordinator stay there.
      let low = conditions.filter { !$0.isHosted }
      node.filter = Expression.conjunction((node.filter?.conjuncts ?? []) + low)
      return filtered(.scan(node), conditions.filter(\.isHosted))
    case .filter(let node):
      let own = node.condition.conjuncts.map(\.asChoice)
      guard own.contains(where: \.isVolatile) else { return pushed(node.input, own + conditions) }
      return filtered(pushed(node.input, own.filter { !$0.isVolatile } + conditions), own.filter(\.isVolatile))
    case .project(var node):
      let expressions = node.expressions
      let sizes = expressions.map { size([$0]) }
      let isSmall = { (condition: Expression) in
        substitutedSize(condition, sizes) <= Self.meltedNodesMax && !condition.columnsRead.contains { expressions[$0].isVolatile }
      }
      node.input = pushed(node.input, conditions.filter(isSmall).map { $0.substituting(expressions) })
      return filtered(.project(node), conditions.filter { !isSmall($0) })
    case .aggregate(var node):
      // A condition on group values alone chooses groups before as after; without groups there is always one row.
      let groups = node.groups
      let sizes = groups.map { size([$0]) }
      let isLow = { (condition: Expression) in
        let read = condition.columnsRead
        return !groups.isEmpty && !read.isEmpty && read.allSatisfy { $0 < groups.count && !groups[$0].isVolatile }
          && substitutedSize(condition, sizes) <= Self.meltedNodesMax
      }
      node.input = pushed(node.input, conditions.filter(isLow).map { $0.substituting(groups) })
      return filtered(.aggregate(node), conditions.filter { !isLow($0) })
    case .sort(var node):
      guard node.first == nil else {
        node.input = pushed(node.input, [])
        return filtered(.sort(node), conditions)
      }
      node.input = pushed(node.input, conditions)
      return .sort(node)
    case .limit(var node):
      node.input = pushed(node.input, [])
      return filtered(.limit(node), conditions)
    case .unionAll(let inputs): return .unionAll(inputs.map { pushed($0, conditions) })
    case .expandTopN(var node):
      let width = node.input.columns.count
      let isLow = { (condition: Expression) in condition.columnsRead.allSatisfy { $0 < width } }
      node.input = pushed(node.input, conditions.filter(isLow))
      return filtered(.expandTopN(node), conditions.filter { !isLow($0) })
    case .join(let node): return join(node, conditions)
    case .window(var node):
      // A condition on what makes a partition chooses partitions whole.
      let isLow = { (condition: Expression) in
        let read = condition.columnsRead
        return !read.isEmpty && read.allSatisfy { node.partitions.contains($0) }
      }
      let low = conditions.filter(isLow)
      node.input = pushed(node.input, low)
      return filtered(.window(node), conditions.filter { !isLow($0) })
    case .setOperation(var node):
      node.left = pushed(node.left, conditions)
      node.right = pushed(node.right, conditions)
      return .setOperation(node)
    case .distinctOn(var node):
      let isLow = { (condition: Expression) in
        let read = condition.columnsRead
        return !read.isEmpty && read.allSatisfy { node.columns.contains($0) }
      }
      let low = conditions.filter(isLow)
      node.input = pushed(node.input, low)
      return filtered(.distinctOn(node), conditions.filter { !isLow($0) })
    case .tableFunction(var node):
      let width = node.input.columns.count
      let isLow = { (condition: Expression) in condition.columnsRead.allSatisfy { $0 < width } }
      node.input = pushed(node.input, conditions.filter(isLow))
      return filtered(.tableFunction(node), conditions.filter { !isLow($0) })
    case .recursive(var node):
      node.base = pushed(node.base, [])
      node.step = pushed(node.step, [])
      return filtered(.recursive(node), conditions)
    case .values, .fragmentInput, .shared, .workingRows, .systemScan: return filtered(plan, conditions)
    }
  }
  func filtered(_ plan: PlanNode, _ conditions: [Expression]) -> PlanNode {
    guard let condition = Expression.conjunction(conditions) else { return plan }
    return .filter(FilterNode(input: plan, condition: condition))
  }

  // MARK: Projections

  /// Beyond this many nodes a projection stays on its own, so that nested subqueries cannot double without end.
  static let meltedNodesMax = 500

  func melted(_ plan: PlanNode) -> PlanNode {
    switch plan {
    case .scan, .values, .fragmentInput, .shared, .workingRows, .systemScan: return plan
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .recursive, .sort, .limit, .expandTopN, .unionAll:
      return plan.mapInputs { melted($0) }
    case .filter(var node):
      node.input = melted(node.input)
      return .filter(node)
    case .project(var node):
      node.input = melted(node.input)
      if case .project(let inner) = node.input, !inner.expressions.contains(where: \.isVolatile) {
        let merged = node.expressions.map { $0.substituting(inner.expressions) }
        if size(merged) <= max(Self.meltedNodesMax, size(node.expressions)) {
          node = ProjectNode(input: inner.input, expressions: merged, names: node.names)
        }
      }
      if isIdentity(node) { return node.input }
      return .project(node)
    case .aggregate(var node):
      node.input = melted(node.input)
      if case .project(let inner) = node.input, !inner.expressions.contains(where: \.isVolatile) {
        let groups = node.groups.map { $0.substituting(inner.expressions) }
        let calls = node.calls.map { $0.mapExpressions { $0.substituting(inner.expressions) } }
        if size(groups) + calls.reduce(0, { $0 + size($1.expressions) }) <= Self.meltedNodesMax {
          node = AggregateNode(input: inner.input, groups: groups, calls: calls, names: node.names)
        }
      }
      return .aggregate(node)
    }
  }
  private func isIdentity(_ node: ProjectNode) -> Bool {
    let width = node.input.columns.count
    return node.expressions.count == width && node.expressions.enumerated().allSatisfy { $1.columnIndex == $0 }
  }
  private func size(_ expressions: [Expression]) -> Int {
    expressions.reduce(0) { $0 + 1 + size($1.operands) }
  }
  /// Size that a condition would have over the input of a projection whose expressions have these sizes.
  private func substitutedSize(_ expression: Expression, _ sizes: [Int]) -> Int {
    if let column = expression.columnIndex { return sizes[column] }
    return expression.operands.reduce(1) { $0 + substitutedSize($1, sizes) }
  }
}

extension Expression {
  /// A condition that is TRUE for the same rows: CASE WHEN a THEN TRUE … END whose other results are never TRUE is a.
  fileprivate var asChoice: Expression {
    guard case .caseWhen(let branches, let otherwise) = node, let first = branches.first, case .fixed(1)? = first.result.constantValue
    else { return self }
    let others = branches.dropFirst().map(\.result) + (otherwise.map { [$0] } ?? [])
    let isNever = others.allSatisfy { other in
      switch other.constantValue {
      case .null?, .fixed(0)?: true
      default: false
      }
    }
    return isNever ? first.condition : self
  }
}
