// SharedPlans.swift — which shared plans a statement has, and those that are read only once: they are written out where they are read.
import Model

enum SharedPlans {
  /// The plan without shared nodes that are read once, unless they were asked for (MATERIALIZED). What a recursive term reads is read
  /// in every round.
  static func inlined(_ plan: PlanNode) -> PlanNode {
    var counts: [Int: Int] = [:]
    count(plan, &counts, isRepeated: false)
    return replaced(plan, counts)
  }
  private static func count(_ plan: PlanNode, _ counts: inout [Int: Int], isRepeated: Bool) {
    switch plan {
    case .shared(let node):
      let isFirst = counts[node.id] == nil
      counts[node.id, default: 0] += isRepeated || node.isMaterialized ? 2 : 1
      if isFirst { count(node.input, &counts, isRepeated: false) }
    case .recursive(let node):
      count(node.base, &counts, isRepeated: isRepeated)
      count(node.step, &counts, isRepeated: true)
    default: for input in plan.inputs { count(input, &counts, isRepeated: isRepeated) }
    }
  }
  private static func replaced(_ plan: PlanNode, _ counts: [Int: Int]) -> PlanNode {
    if case .shared(let node) = plan, counts[node.id] == 1 { return replaced(node.input, counts) }
    return plan.mapInputs { replaced($0, counts) }
  }

  /// The shared plans within a plan, each once, by number.
  static func inputs(of plan: PlanNode) -> [Int: PlanNode] {
    var result: [Int: PlanNode] = [:]
    func visit(_ plan: PlanNode) {
      if case .shared(let node) = plan {
        guard result[node.id] == nil else { return }
        result[node.id] = node.input
      }
      for input in plan.inputs { visit(input) }
    }
    visit(plan)
    return result
  }
}
