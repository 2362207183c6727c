// MergeExecution.swift — puts the results of shards together: on a worker before sending, and on the coordinator.
//
// A fragment's plan holds for any way its shards are put together, so joining results is always right; merging them only makes
// fewer rows to send: equal groups of an aggregate become one, a sort with a limit keeps its first rows.
import Columns
public import Model
public import Planning

/// Merges results.
public enum MergeExecution {
  /// Merges what a fragment's plan gave on several shards of a worker.
  public static func mergeShards(
    _ plan: PlanNode,
    _ parts: [FragmentResult],
    limits: ExecutionLimits = ExecutionLimits()
  ) throws(TallyError) -> FragmentResult {
    var counts = ExecutionCounts()
    for part in parts { counts.add(part.counts) }
    let batches = parts.flatMap(\.batches)
    guard parts.count > 1, let merge = merging(plan) else {
      return FragmentResult(batches: batches, counts: counts)
    }
    var result = try typed {
      try FragmentExecution.run(merge, GatheredRows(fragments: [batches]), limits, isPartial: true)
    }
    counts.rowsReturned = result.rowCount
    counts.memoryPeak = max(counts.memoryPeak, result.counts.memoryPeak)
    result.counts = counts
    return result
  }
  /// Runs a coordinator's plan over the rows its fragments returned, by fragment.
  ///
  /// `system` has the rows of the coordinator's own relations.
  ///
  /// TopN states in the answer keep their type's number of counters: shards send more.
  public static func executeCoordinator(
    _ plan: PlanNode,
    fragments: [FragmentResult],
    system: (any SystemCatalog)? = nil,
    limits: ExecutionLimits = ExecutionLimits()
  ) throws(TallyError) -> FragmentResult {
    let rows = fragments.map(\.batches)
    return try typed {
      var result = try FragmentExecution.run(plan, GatheredRows(fragments: rows, system: system), limits)
      for at in result.batches.indices {
        result.batches[at].columns = result.batches[at].columns.map(SketchKernels.pruned)
      }
      return result
    }
  }

  /// The plan that merges results of `plan`, or nil where joining them is all there is to do.
  private static func merging(_ plan: PlanNode) -> PlanNode? {
    let input = PlanNode.fragmentInput(FragmentInputNode(fragment: 0, output: plan.columns))
    switch plan {
    // What does not merge has its groups in one shard each: joining them is right.
    case .aggregate(let node) where node.calls.allSatisfy(\.isMergeable):
      let groups = node.groups.enumerated().map { Expression.column($0, $1.type) }
      let calls = node.calls.enumerated().map { $1.merging(column: node.groups.count + $0) }
      return .aggregate(
        AggregateNode(input: input, groups: groups, calls: calls, names: node.names)
      )
    case .sort(let node):
      guard node.first != nil else { return nil }
      return .sort(SortNode(input: input, keys: node.keys, first: node.first))
    case .limit(let node):
      guard let count = node.count, node.offset == 0 else { return nil }
      guard case .sort(let sort) = node.input else {
        return .limit(LimitNode(input: input, count: count))
      }
      return .limit(
        LimitNode(input: .sort(SortNode(input: input, keys: sort.keys, first: count)), count: count)
      )
    default: return nil
    }
  }
}

/// Rows in memory, by fragment.
struct GatheredRows: RelationSource {
  let fragments: [[Batch]]
  var system: (any SystemCatalog)?

  func scan(_ node: ScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    throw TallyError(.internalError, "a scan where only fragments' rows are at hand")
  }
  func fragmentRows(
    _ node: FragmentInputNode,
    _ context: ExecutionContext,
    _ body: (Batch) throws -> Void
  ) throws {
    guard fragments.indices.contains(node.fragment) else {
      throw TallyError(.internalError, "fragment \(node.fragment) of \(fragments.count)")
    }
    for batch in fragments[node.fragment] { try body(batch) }
  }
  func systemRows(_ node: SystemScanNode, _ context: ExecutionContext, _ body: (Batch) throws -> Void) throws {
    guard let system else { throw TallyError(.internalError, "relation \(node.relation) without the coordinator's catalog") }
    let batch = try system.rows(of: node.relation, columns: node.storedColumns)
    guard batch.types == node.output.map(\.type) else {
      throw TallyError(.internalError, "relation \(node.relation) gave other columns than it told")
    }
    let bytes = batch.memoryBytes
    try context.hold(bytes)
    defer { context.release(bytes) }
    try body(batch)
  }
}
