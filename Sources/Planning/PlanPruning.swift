// PlanPruning.swift — drops columns that nothing above needs. Of a shared plan those stay that any of its readers needs.
import Model

final class PlanPruning {
  /// Shared plans, not pruned yet.
  private let shared: [Int: PlanNode]
  /// Columns of them that were asked for.
  private var needs: [Int: Set<Int>] = [:]
  /// Pruned ones; until there are any, readers only say what they need.
  private var pruned: [Int: (PlanNode, [Int: Int])] = [:]

  private init(shared: [Int: PlanNode]) { self.shared = shared }

  /// The plan with its own columns only, and shared plans put in.
  static func exact(_ plan: PlanNode, shared: [Int: PlanNode]) -> PlanNode {
    let pruning = PlanPruning(shared: shared)
    let width = plan.columns.count
    let all = Set(0..<width)
    if !shared.isEmpty {
      // A shared plan reads only ones with lower numbers: from the highest down every need is known.
      _ = pruning.pruned(plan, needed: all)
      for id in shared.keys.sorted(by: >) {
        if let input = shared[id] { _ = pruning.pruned(input, needed: pruning.needs[id] ?? []) }
      }
      for id in shared.keys.sorted() {
        guard let input = shared[id] else { continue }
        let needed = pruning.needs[id] ?? []
        let (result, places) = pruning.pruned(input, needed: needed)
        let kept = needed.sorted()
        let exact = selecting(result, kept.map { places[$0] ?? $0 })
        pruning.pruned[id] = (exact, Self.places(kept))
      }
    }
    let (result, places) = pruning.pruned(plan, needed: all)
    return selecting(result, (0..<width).map { places[$0] ?? $0 })
  }

  /// The plan with at least the needed columns, and where each of them is now.
  private func pruned(_ plan: PlanNode, needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    switch plan {
    case .values, .fragmentInput, .workingRows:
      return (plan, Self.identity(plan.columns.count))
    case .shared(var node):
      needs[node.id, default: []].formUnion(needed)
      guard let (input, places) = self.pruned[node.id] else { return (plan, Self.identity(plan.columns.count)) }
      node.input = input
      return (.shared(node), places)
    case .recursive(var node):
      // A round's rows are compared and read whole.
      node.base = whole(node.base)
      node.step = whole(node.step)
      return (.recursive(node), Self.identity(node.base.columns.count))
    case .systemScan(var node):
      let kept = needed.sorted()
      node.storedColumns = kept.map { node.storedColumns[$0] }
      node.output = kept.map { node.output[$0] }
      return (.systemScan(node), Self.places(kept))
    case .scan(var node):
      let kept = needed.union(node.filter?.columnsRead ?? []).sorted()
      let places = Self.places(kept)
      node.storedColumns = kept.map { node.storedColumns[$0] }
      node.output = kept.map { node.output[$0] }
      node.filter = node.filter?.renumbered { places[$0] ?? $0 }
      return (.scan(node), places)
    case .filter(var node):
      let (input, places) = pruned(node.input, needed: needed.union(node.condition.columnsRead))
      node.condition = node.condition.renumbered { places[$0] ?? $0 }
      node.input = input
      return (.filter(node), places)
    case .project(let node):
      let kept = needed.sorted()
      let expressions = kept.map { node.expressions[$0] }
      let (input, inner) = pruned(node.input, needed: Self.read(expressions))
      return (
        .project(
          ProjectNode(
            input: input,
            expressions: expressions.map { $0.renumbered { inner[$0] ?? $0 } },
            names: kept.map { node.names[$0] }
          )
        ), Self.places(kept)
      )
    case .aggregate(let node): return aggregate(node, needed)
    case .sort(var node):
      let (input, places) = pruned(node.input, needed: needed.union(node.keys.map(\.column)))
      for i in node.keys.indices { node.keys[i].column = places[node.keys[i].column] ?? 0 }
      node.input = input
      return (.sort(node), places)
    case .limit(var node):
      let (input, places) = pruned(node.input, needed: needed)
      node.input = input
      return (.limit(node), places)
    case .unionAll(let inputs):
      let kept = needed.sorted()
      let branches = inputs.map { branch -> PlanNode in
        let (input, inner) = pruned(branch, needed: needed)
        return Self.selecting(input, kept.map { inner[$0] ?? $0 })
      }
      return (.unionAll(branches), Self.places(kept))
    case .setOperation(var node):
      // Rows are compared whole.
      node.left = whole(node.left)
      node.right = whole(node.right)
      return (.setOperation(node), Self.identity(node.left.columns.count))
    case .distinctOn(var node):
      let (input, places) = pruned(node.input, needed: needed.union(node.columns))
      node.columns = node.columns.map { places[$0] ?? $0 }
      node.input = input
      return (.distinctOn(node), places)
    case .expandTopN(var node):
      let width = node.input.columns.count
      var inputNeeds = needed.filter { $0 < width }
      inputNeeds.insert(node.column)
      let (input, inner) = pruned(node.input, needed: inputNeeds)
      let fields = node.fields.indices.filter { needed.contains(width + $0) }
      var places = inner
      for (at, field) in fields.enumerated() { places[width + field] = input.columns.count + at }
      node.input = input
      node.column = inner[node.column] ?? 0
      node.names = fields.map { node.names[$0] }
      node.fields = fields.map { node.fields[$0] }
      return (.expandTopN(node), places)
    case .tableFunction(var node):
      let width = node.input.columns.count
      let inputNeeds = needed.filter { $0 < width }.union(Self.read(node.calls.flatMap(\.arguments)))
      let (input, inner) = pruned(node.input, needed: inputNeeds)
      let all = node.output.count
      node.input = input
      for i in node.calls.indices {
        node.calls[i].arguments = node.calls[i].arguments.map { $0.renumbered { inner[$0] ?? $0 } }
      }
      var places = inner
      let base = input.columns.count
      for column in width..<all { places[column] = base + column - width }
      return (.tableFunction(node), places)
    case .window(let node): return window(node, needed)
    case .join(let node): return join(node, needed)
    }
  }
  /// An input with all its columns, in their order.
  private func whole(_ plan: PlanNode) -> PlanNode {
    let width = plan.columns.count
    let (result, places) = pruned(plan, needed: Set(0..<width))
    return Self.selecting(result, (0..<width).map { places[$0] ?? $0 })
  }

  private func aggregate(_ node: AggregateNode, _ needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    let groupCount = node.groups.count
    let calls = node.calls.indices.filter { needed.contains(groupCount + $0) }
    let reads = Self.read(node.groups + calls.flatMap { node.calls[$0].expressions })
    let (input, inner) = pruned(node.input, needed: reads)
    func moved(_ expression: Expression) -> Expression { expression.renumbered { inner[$0] ?? $0 } }
    let result = AggregateNode(
      input: input,
      groups: node.groups.map(moved),
      calls: calls.map { node.calls[$0].mapExpressions(moved) },
      names: Array(node.names.prefix(groupCount)) + calls.map { node.names[groupCount + $0] }
    )
    var places = Self.identity(groupCount)
    for (at, call) in calls.enumerated() { places[groupCount + call] = groupCount + at }
    return (.aggregate(result), places)
  }
  private func window(_ node: WindowNode, _ needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    let width = node.input.columns.count
    let calls = node.calls.indices.filter { needed.contains(width + $0) }
    guard !calls.isEmpty else { return pruned(node.input, needed: needed) }
    var reads = needed.filter { $0 < width }.union(node.partitions).union(node.keys.map(\.column))
    for call in calls {
      reads.formUnion(Self.read(node.calls[call].arguments + (node.calls[call].filter.map { [$0] } ?? [])))
    }
    let (input, inner) = pruned(node.input, needed: reads)
    func moved(_ expression: Expression) -> Expression { expression.renumbered { inner[$0] ?? $0 } }
    var result = node
    result.input = input
    result.partitions = node.partitions.map { inner[$0] ?? $0 }
    for i in result.keys.indices { result.keys[i].column = inner[node.keys[i].column] ?? 0 }
    result.calls = calls.map { index in
      var call = node.calls[index]
      call.arguments = call.arguments.map(moved)
      call.filter = call.filter.map(moved)
      return call
    }
    result.names = calls.map { node.names[$0] }
    var places = inner
    let base = input.columns.count
    for (at, call) in calls.enumerated() { places[width + call] = base + at }
    return (.window(result), places)
  }
  private func join(_ node: JoinNode, _ needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    let left = node.left.columns.count
    // A mark that nobody asks for: its join neither adds nor drops rows.
    if node.kind == .mark, !needed.contains(left) { return pruned(node.left, needed: needed) }
    let condition = node.condition?.columnsRead ?? []
    let returnsRight = node.returnsRight
    let lefts = Self.read(node.keys.map(\.left)).union(condition.filter { $0 < left }).union(needed.filter { $0 < left })
    var rights = Self.read(node.keys.map(\.right)).union(condition.filter { $0 >= left }.map { $0 - left })
    if returnsRight { rights.formUnion(needed.filter { $0 >= left }.map { $0 - left }) }
    let (leftPlan, leftPlaces) = pruned(node.left, needed: lefts)
    let (rightPlan, rightPlaces) = pruned(node.right, needed: rights)
    let base = leftPlan.columns.count
    var places = leftPlaces
    if returnsRight {
      for (old, new) in rightPlaces { places[left + old] = base + new }
    } else if node.kind == .mark {
      places[left] = base
    }
    var result = node
    result.left = leftPlan
    result.right = rightPlan
    result.keys = node.keys.map {
      $0.mapSides({ $0.renumbered { leftPlaces[$0] ?? $0 } }, { $0.renumbered { rightPlaces[$0] ?? $0 } })
    }
    result.condition = node.condition?.renumbered { index in
      index < left ? leftPlaces[index] ?? index : base + (rightPlaces[index - left] ?? index - left)
    }
    return (.join(result), places)
  }

  /// The plan with exactly these columns in this order.
  static func selecting(_ plan: PlanNode, _ wanted: [Int]) -> PlanNode {
    let columns = plan.columns
    if wanted == Array(columns.indices) { return plan }
    return .project(
      ProjectNode(
        input: plan,
        expressions: wanted.map { .column($0, columns[$0].type) },
        names: wanted.map { columns[$0].name }
      )
    )
  }
  private static func read(_ expressions: [Expression]) -> Set<Int> {
    var set: Set<Int> = []
    for expression in expressions { expression.collectColumns(into: &set) }
    return set
  }
  private static func identity(_ count: Int) -> [Int: Int] { places(Array(0..<count)) }
  private static func places(_ kept: [Int]) -> [Int: Int] {
    Dictionary(uniqueKeysWithValues: kept.enumerated().map { ($1, $0) })
  }
}
