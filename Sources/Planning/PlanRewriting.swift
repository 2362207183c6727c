// PlanRewriting.swift — makes a bound plan good without changing its answer: filters go down to the scans, projections melt into
// their consumers, unused columns disappear, scans learn their zone conditions.
import Model

enum PlanRewriting {
  static func rewritten(_ plan: PlanNode, catalog: CatalogSnapshot, context: PlanningContext) -> PlanNode {
    let filtered = pushed(plan, [])
    let melted = melted(filtered)
    let width = melted.columns.count
    let (pruned, places) = PlanPruning.pruned(melted, needed: Set(0..<width))
    let exact = PlanPruning.selecting(pruned, (0..<width).map { places[$0] ?? $0 })
    let choice = RollupLevelChoice(catalog: catalog, choosesLevels: context.choosesLevels)
    return withZoneConditions(choice.applied(exact))
  }

  // MARK: Filters

  /// The plan with conditions applied as low as they mean the same.
  static func pushed(_ plan: PlanNode, _ conditions: [Expression]) -> PlanNode {
    switch plan {
    case .scan(var node):
      node.filter = Expression.conjunction((node.filter?.conjuncts ?? []) + conditions)
      return .scan(node)
    case .filter(let node): return pushed(node.input, node.condition.conjuncts + conditions)
    case .project(var node):
      let expressions = node.expressions
      let sizes = expressions.map { size([$0]) }
      let isSmall = { (condition: Expression) in substitutedSize(condition, sizes) <= meltedNodesMax }
      node.input = pushed(node.input, conditions.filter(isSmall).map { $0.substituting(expressions) })
      return filtered(.project(node), conditions.filter { !isSmall($0) })
    case .aggregate(var node):
      // A condition on group values alone chooses groups before as after; without groups there is always one row.
      let groups = node.groups
      let sizes = groups.map { size([$0]) }
      let isLow = { (condition: Expression) in
        let read = condition.columnsRead
        return !groups.isEmpty && !read.isEmpty && read.allSatisfy { $0 < groups.count }
          && substitutedSize(condition, sizes) <= meltedNodesMax
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
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .values, .fragmentInput: return filtered(plan, conditions)
    }
  }
  private static func filtered(_ plan: PlanNode, _ conditions: [Expression]) -> PlanNode {
    guard let condition = Expression.conjunction(conditions) else { return plan }
    return .filter(FilterNode(input: plan, condition: condition))
  }

  // MARK: Projections

  /// Beyond this many nodes a projection stays on its own, so that nested subqueries cannot double without end.
  private static let meltedNodesMax = 500

  private static func melted(_ plan: PlanNode) -> PlanNode {
    switch plan {
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .scan, .values, .fragmentInput: return plan
    case .filter(var node):
      node.input = melted(node.input)
      return .filter(node)
    case .project(var node):
      node.input = melted(node.input)
      if case .project(let inner) = node.input {
        let merged = node.expressions.map { $0.substituting(inner.expressions) }
        if size(merged) <= max(meltedNodesMax, size(node.expressions)) {
          node = ProjectNode(input: inner.input, expressions: merged, names: node.names)
        }
      }
      if isIdentity(node) { return node.input }
      return .project(node)
    case .aggregate(var node):
      node.input = melted(node.input)
      if case .project(let inner) = node.input {
        let groups = node.groups.map { $0.substituting(inner.expressions) }
        let calls = node.calls.map { call in
          AggregateCall(
            call.function,
            call.arguments.map { $0.substituting(inner.expressions) },
            filter: call.filter?.substituting(inner.expressions),
            type: call.type
          )
        }
        if size(groups) + calls.reduce(0, { $0 + size($1.arguments) + size($1.filter.map { [$0] } ?? []) }) <= meltedNodesMax {
          node = AggregateNode(input: inner.input, groups: groups, calls: calls, names: node.names)
        }
      }
      return .aggregate(node)
    case .sort(var node):
      node.input = melted(node.input)
      return .sort(node)
    case .limit(var node):
      node.input = melted(node.input)
      return .limit(node)
    case .unionAll(let inputs): return .unionAll(inputs.map { melted($0) })
    case .expandTopN(var node):
      node.input = melted(node.input)
      return .expandTopN(node)
    }
  }
  private static func isIdentity(_ node: ProjectNode) -> Bool {
    let width = node.input.columns.count
    return node.expressions.count == width && node.expressions.enumerated().allSatisfy { $1.columnIndex == $0 }
  }
  private static func size(_ expressions: [Expression]) -> Int {
    expressions.reduce(0) { $0 + 1 + size($1.operands) }
  }
  /// Size that a condition would have over the input of a projection whose expressions have these sizes.
  private static func substitutedSize(_ expression: Expression, _ sizes: [Int]) -> Int {
    if let column = expression.columnIndex { return sizes[column] }
    return expression.operands.reduce(1) { $0 + substitutedSize($1, sizes) }
  }

  // MARK: Zone conditions

  private static func withZoneConditions(_ plan: PlanNode) -> PlanNode {
    plan.mapScans { scan in
      var scan = scan
      scan.zoneConditions = (scan.filter?.conjuncts ?? []).flatMap { zoneConditions($0, scan) }
      return scan
    }
  }
  private static func zoneConditions(_ condition: Expression, _ scan: ScanNode) -> [ZoneCondition] {
    switch condition.node {
    case .call(let function, let sides) where function.isComparison && function != .notEqual && sides.count == 2:
      let (a, b) = (sides[0], sides[1])
      if let column = a.columnIndex, let value = b.constantValue { return zone(column, function, value, scan) }
      if let column = b.columnIndex, let value = a.constantValue { return zone(column, mirrored(function), value, scan) }
      return []
    case .inList(let inner, let values, _):
      guard let column = inner.columnIndex, let first = values.first else { return [] }
      if values.count == 1 { return zone(column, .equal, first, scan) }
      var (low, high) = (first, first)
      for value in values.dropFirst() {
        if ScalarEvaluator.compare(value, low, inner.type) == -1 { low = value }
        if ScalarEvaluator.compare(value, high, inner.type) == 1 { high = value }
      }
      return zone(column, .greaterOrEqual, low, scan) + zone(column, .lessOrEqual, high, scan)
    default: return []
    }
  }
  private static func mirrored(_ function: Function) -> Function {
    switch function {
    case .less: .greater
    case .lessOrEqual: .greaterOrEqual
    case .greater: .less
    case .greaterOrEqual: .lessOrEqual
    default: function
    }
  }
  private static func zone(_ column: Int, _ function: Function, _ value: Value, _ scan: ScanNode) -> [ZoneCondition] {
    // Zone maps know texts by their bytes.
    let type = scan.output[column].type
    guard !value.isNull, ExpressionCheck.fits(value, type), type.layout != .text || type.ordersByBytes else { return [] }
    let comparison: ZoneCondition.Comparison
    switch function {
    case .equal: comparison = .equal
    case .less: comparison = .less
    case .lessOrEqual: comparison = .lessOrEqual
    case .greater: comparison = .greater
    case .greaterOrEqual: comparison = .greaterOrEqual
    default: return []
    }
    return [ZoneCondition(storedColumn: scan.storedColumns[column], comparison, value)]
  }
}

extension PlanNode {
  /// The plan with each direct input replaced.
  func mapInputs(_ change: (PlanNode) -> PlanNode) -> PlanNode {
    switch self {
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .scan, .values, .fragmentInput: return self
    case .filter(var node):
      node.input = change(node.input)
      return .filter(node)
    case .project(var node):
      node.input = change(node.input)
      return .project(node)
    case .aggregate(var node):
      node.input = change(node.input)
      return .aggregate(node)
    case .sort(var node):
      node.input = change(node.input)
      return .sort(node)
    case .limit(var node):
      node.input = change(node.input)
      return .limit(node)
    case .unionAll(let inputs): return .unionAll(inputs.map(change))
    case .expandTopN(var node):
      node.input = change(node.input)
      return .expandTopN(node)
    }
  }
  /// The plan with each scan replaced.
  func mapScans(_ change: (ScanNode) -> ScanNode) -> PlanNode {
    if case .scan(let scan) = self { return .scan(change(scan)) }
    return mapInputs { $0.mapScans(change) }
  }
  /// Whether the plan has no more than so many nodes; stops counting there.
  func hasAtMost(_ limit: Int) -> Bool {
    var pending = [self]
    var count = 0
    while let next = pending.popLast() {
      count += 1
      if count > limit { return false }
      pending.append(contentsOf: next.inputs)
    }
    return true
  }
}
