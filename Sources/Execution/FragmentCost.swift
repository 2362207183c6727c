// FragmentCost.swift — whether a fragment is so brief that it runs where it is asked for (DESIGN §9: below 50 µs on the loop thread).
//
// Handing work to a compute thread and back costs two wake-ups of threads, more than a few hundred rows take. An estimate, by zones alone:
// what it lets through reads at most `rowsMax` rows and `bytesMax` stored bytes, once, and looks at each row with functions whose time is
// bounded by their operands. Everything else is for Compute.
public import Planning
import Storage

extension FragmentExecution {
  /// Rows that a brief fragment decodes at most, over all its shards: about 10 ns a row and column.
  static let briefRowsMax = 1024
  /// Stored bytes that a brief fragment decodes at most: HLL unions take about 1 ns a stored byte.
  static let briefBytesMax = 32 << 10

  /// Whether running a plan over these shards takes some tens of microseconds at most.
  public static func isBrief(_ plan: PlanNode, _ views: [ShardReadView]) -> Bool {
    var whole = ScanEstimate()
    return isBrief(plan, views, &whole)
  }
  private static func isBrief(_ plan: PlanNode, _ views: [ShardReadView], _ whole: inout ScanEstimate) -> Bool {
    let expressions: [Expression]
    switch plan {
    case .scan(let node):
      guard node.filter?.isBounded ?? true else { return false }
      for view in views {
        whole += estimate(node, view)
        guard whole.rows <= briefRowsMax, whole.bytes <= briefBytesMax else { return false }
      }
      return true
    case .filter(let node): expressions = [node.condition]
    case .project(let node): expressions = node.expressions
    case .aggregate(let node):
      expressions = node.groups + node.calls.flatMap { $0.arguments + ($0.filter.map { [$0] } ?? []) + $0.order.map(\.expression) }
    case .sort, .limit, .unionAll, .expandTopN, .distinctOn: expressions = []
    default: return false
    }
    return expressions.allSatisfy(\.isBounded) && plan.inputs.allSatisfy { isBrief($0, views, &whole) }
  }
  private static func estimate(_ node: ScanNode, _ view: ShardReadView) -> ScanEstimate {
    switch node.source {
    case .table(let id):
      // What is not there is an error, told at once.
      guard let table = view.tables[id] else { return ScanEstimate() }
      return table.estimate(columns: node.storedColumns, where: node.zoneConditions.compactMap(\.predicate), rowsMax: briefRowsMax)
    case .rollup(let id, let use):
      guard let rollup = view.rollups[id] else { return ScanEstimate() }
      return RollupScan(rollup, node, use, ExecutionContext(ExecutionLimits())).estimate(rowsMax: briefRowsMax)
    }
  }
}

extension Expression {
  /// Whether evaluating it takes time in proportion to its operands' bytes: no pattern languages, nothing that makes long values of short.
  fileprivate var isBounded: Bool {
    switch node {
    case .call(let function, _): !function.isTabled && operands.allSatisfy(\.isBounded)
    case .hosted: false
    default: operands.allSatisfy(\.isBounded)
    }
  }
}
