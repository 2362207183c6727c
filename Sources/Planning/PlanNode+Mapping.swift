// PlanNode+Mapping.swift — plans with their inputs or expressions replaced, and what their expressions read.
import Model

extension AggregateCall {
  /// The same call with each of its expressions replaced.
  func mapExpressions<E: Error>(_ change: (Expression) throws(E) -> Expression) throws(E) -> AggregateCall {
    var copy = self
    copy.arguments = try arguments.map(change)
    copy.filter = try filter.map(change)
    for i in copy.order.indices { copy.order[i].expression = try change(order[i].expression) }
    return copy
  }
  /// Its expressions.
  var expressions: [Expression] { arguments + (filter.map { [$0] } ?? []) + order.map(\.expression) }
}

extension JoinNode.Key {
  /// The same key with its sides replaced.
  func mapSides<E: Error>(
    _ left: (Expression) throws(E) -> Expression,
    _ right: (Expression) throws(E) -> Expression
  ) throws(E) -> JoinNode.Key {
    var copy = self
    copy.left = try left(self.left)
    copy.right = try right(self.right)
    return copy
  }
}

extension JoinNode {
  /// Whether the right columns come out.
  var returnsRight: Bool {
    switch kind {
    case .inner, .left, .right, .full, .single: true
    case .semi, .anti, .mark: false
    }
  }
}

extension PlanNode {
  /// The plan with each direct input replaced.
  func mapInputs<E: Error>(_ change: (PlanNode) throws(E) -> PlanNode) throws(E) -> PlanNode {
    switch self {
    case .scan, .values, .fragmentInput, .workingRows, .systemScan: return self
    case .filter(var node):
      node.input = try change(node.input)
      return .filter(node)
    case .project(var node):
      node.input = try change(node.input)
      return .project(node)
    case .aggregate(var node):
      node.input = try change(node.input)
      return .aggregate(node)
    case .sort(var node):
      node.input = try change(node.input)
      return .sort(node)
    case .limit(var node):
      node.input = try change(node.input)
      return .limit(node)
    case .unionAll(let inputs):
      var result: [PlanNode] = []
      for input in inputs { result.append(try change(input)) }
      return .unionAll(result)
    case .expandTopN(var node):
      node.input = try change(node.input)
      return .expandTopN(node)
    case .join(var node):
      node.left = try change(node.left)
      node.right = try change(node.right)
      return .join(node)
    case .window(var node):
      node.input = try change(node.input)
      return .window(node)
    case .setOperation(var node):
      node.left = try change(node.left)
      node.right = try change(node.right)
      return .setOperation(node)
    case .distinctOn(var node):
      node.input = try change(node.input)
      return .distinctOn(node)
    case .tableFunction(var node):
      node.input = try change(node.input)
      return .tableFunction(node)
    case .shared(var node):
      node.input = try change(node.input)
      return .shared(node)
    case .recursive(var node):
      node.base = try change(node.base)
      node.step = try change(node.step)
      return .recursive(node)
    }
  }
  /// The plan with each scan replaced.
  func mapScans(_ change: (ScanNode) -> ScanNode) -> PlanNode {
    if case .scan(let scan) = self { return .scan(change(scan)) }
    return mapInputs { $0.mapScans(change) }
  }
  /// The plan with each expression of this node, not of its inputs, replaced.
  func mapOwnExpressions<E: Error>(_ change: (Expression) throws(E) -> Expression) throws(E) -> PlanNode {
    switch self {
    case .values, .sort, .limit, .unionAll, .expandTopN, .fragmentInput, .workingRows, .systemScan, .shared, .recursive, .setOperation,
      .distinctOn:
      return self
    case .scan(var node):
      node.filter = try node.filter.map(change)
      return .scan(node)
    case .filter(var node):
      node.condition = try change(node.condition)
      return .filter(node)
    case .project(var node):
      node.expressions = try node.expressions.map(change)
      return .project(node)
    case .aggregate(var node):
      node.groups = try node.groups.map(change)
      for i in node.calls.indices { node.calls[i] = try node.calls[i].mapExpressions(change) }
      return .aggregate(node)
    case .join(var node):
      for i in node.keys.indices { node.keys[i] = try node.keys[i].mapSides(change, change) }
      node.condition = try node.condition.map(change)
      return .join(node)
    case .window(var node):
      for i in node.calls.indices {
        node.calls[i].arguments = try node.calls[i].arguments.map(change)
        node.calls[i].filter = try node.calls[i].filter.map(change)
      }
      return .window(node)
    case .tableFunction(var node):
      for i in node.calls.indices { node.calls[i].arguments = try node.calls[i].arguments.map(change) }
      return .tableFunction(node)
    }
  }
  /// Expressions of this node, not of its inputs.
  var ownExpressions: [Expression] {
    switch self {
    case .values, .sort, .limit, .unionAll, .expandTopN, .fragmentInput, .workingRows, .systemScan, .shared, .recursive, .setOperation,
      .distinctOn:
      []
    case .scan(let node): node.filter.map { [$0] } ?? []
    case .filter(let node): [node.condition]
    case .project(let node): node.expressions
    case .aggregate(let node): node.groups + node.calls.flatMap(\.expressions)
    case .join(let node): node.keys.flatMap { [$0.left, $0.right] } + (node.condition.map { [$0] } ?? [])
    case .window(let node): node.calls.flatMap { $0.arguments + ($0.filter.map { [$0] } ?? []) }
    case .tableFunction(let node): node.calls.flatMap(\.arguments)
    }
  }
  /// Adds the outer references of the whole plan to a set.
  func collectOuter(into set: inout Set<Int>) {
    for expression in ownExpressions {
      for column in expression.columnsRead where Placeholder.isOuter(column) { set.insert(column) }
    }
    for input in inputs { input.collectOuter(into: &set) }
  }
  /// Whether it reads columns of outer queries.
  var readsOuter: Bool {
    var set: Set<Int> = []
    collectOuter(into: &set)
    return !set.isEmpty
  }
  /// Whether a node of the plan meets a test.
  func contains(_ test: (PlanNode) -> Bool) -> Bool { test(self) || inputs.contains { $0.contains(test) } }
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
  /// Its columns as expressions over it.
  var identity: [Expression] { columns.enumerated().map { .column($0, $1.type) } }
  /// The plan with columns appended.
  func appending(_ expressions: [Expression], names: [String]) -> PlanNode {
    let columns = columns
    return .project(
      ProjectNode(
        input: self,
        expressions: columns.enumerated().map { .column($0, $1.type) } + expressions,
        names: columns.map(\.name) + names
      )
    )
  }
  /// The plan with exactly these columns in this order.
  func selecting(_ wanted: [Int]) -> PlanNode { PlanPruning.selecting(self, wanted) }
  /// The plan with its first columns only.
  func prefix(_ count: Int) -> PlanNode { selecting(Array(0..<count)) }
}

extension Expression {
  /// Whether it calls a function of the coordinator.
  var isHosted: Bool {
    if case .hosted = node { return true }
    return operands.contains(where: \.isHosted)
  }
  /// Whether it gives another value each time it is evaluated.
  var isVolatile: Bool {
    if case .hosted(let function, _) = node, !function.isStable { return true }
    return operands.contains(where: \.isVolatile)
  }
  /// The same expression with columns replaced where the change has something for them.
  func replacing(_ change: (Int) -> Expression?) -> Expression {
    if case .column(let index) = node { return change(index) ?? self }
    return mapOperands { $0.replacing(change) }
  }
  /// The subject of casts that keep equality: of integers to wider ones, of text to text.
  var withoutWidening: Expression {
    guard case .cast(let inner) = node else { return self }
    if type.isInteger, inner.type.isInteger, (UnifiedType.rank(inner.type) ?? 0) <= (UnifiedType.rank(type) ?? 0) {
      return inner.withoutWidening
    }
    if type == .text, inner.type.isText { return inner.withoutWidening }
    return self
  }
}
