// PlanPruning.swift — drops columns that nothing above needs.
import Model

enum PlanPruning {
  /// The plan with at least the needed columns, and where each of them is now.
  static func pruned(_ plan: PlanNode, needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    switch plan {
    case .join, .window, .setOperation, .distinctOn, .tableFunction, .shared, .recursive, .workingRows, .systemScan:
      fatalError("SKELETON")
    case .values, .fragmentInput:
      return (plan, identity(plan.columns.count))
    case .scan(var node):
      let kept = needed.union(node.filter?.columnsRead ?? []).sorted()
      let places = places(kept)
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
      let (input, inner) = pruned(node.input, needed: read(expressions))
      return (
        .project(
          ProjectNode(
            input: input,
            expressions: expressions.map { $0.renumbered { inner[$0] ?? $0 } },
            names: kept.map { node.names[$0] }
          )
        ), places(kept)
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
        return selecting(input, kept.map { inner[$0] ?? $0 })
      }
      return (.unionAll(branches), places(kept))
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
    }
  }

  private static func aggregate(_ node: AggregateNode, _ needed: Set<Int>) -> (PlanNode, [Int: Int]) {
    let groupCount = node.groups.count
    let calls = node.calls.indices.filter { needed.contains(groupCount + $0) }
    var reads = read(node.groups)
    for call in calls {
      reads.formUnion(read(node.calls[call].arguments))
      if let filter = node.calls[call].filter { reads.formUnion(filter.columnsRead) }
    }
    let (input, inner) = pruned(node.input, needed: reads)
    func moved(_ expression: Expression) -> Expression { expression.renumbered { inner[$0] ?? $0 } }
    let result = AggregateNode(
      input: input,
      groups: node.groups.map(moved),
      calls: calls.map { index in
        let call = node.calls[index]
        return AggregateCall(
          call.function,
          call.arguments.map(moved),
          filter: call.filter.map(moved),
          type: call.type
        )
      },
      names: Array(node.names.prefix(groupCount)) + calls.map { node.names[groupCount + $0] }
    )
    var places = identity(groupCount)
    for (at, call) in calls.enumerated() { places[groupCount + call] = groupCount + at }
    return (.aggregate(result), places)
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
