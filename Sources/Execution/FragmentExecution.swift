// FragmentExecution.swift — runs a fragment's plan over the shards of a worker. Synchronous: the worker runs it through Compute.
import Bytes
public import Columns
public import Model
public import Planning

/// Rows and counts of a run.
public struct FragmentResult: Sendable {
  /// Rows, each batch of 1 … `Limits.batchRowsMax`.
  public var batches: [Batch]
  /// What was read.
  public var counts: ExecutionCounts
  /// Makes a result.
  public init(batches: [Batch], counts: ExecutionCounts = ExecutionCounts()) {
    self.batches = batches
    self.counts = counts
  }
  /// Number of rows.
  public var rowCount: Int { batches.reduce(0) { $0 + $1.count } }
}

/// Runs fragments.
public enum FragmentExecution {
  /// Runs a plan over one shard.
  public static func execute(
    _ plan: PlanNode,
    _ view: ShardReadView,
    limits: ExecutionLimits = ExecutionLimits()
  ) throws(TallyError) -> FragmentResult {
    try execute(plan, [view], limits: limits)
  }
  /// Runs a plan once over several shards, one after the other.
  public static func execute(
    _ plan: PlanNode,
    _ views: [ShardReadView],
    limits: ExecutionLimits = ExecutionLimits()
  ) throws(TallyError) -> FragmentResult {
    try typed { try run(plan, ShardSource(views: views), limits, isPartial: true) }
  }
  static func run(
    _ plan: PlanNode,
    _ source: any RelationSource,
    _ limits: ExecutionLimits,
    isPartial: Bool = false
  ) throws -> FragmentResult {
    let context = ExecutionContext(limits)
    var batches: [Batch] = []
    try limits.cancel.check()
    try PlanExecution(source: source, context: context).run(plan, isPartial: isPartial) { batch in
      try context.hold(batch.memoryBytes)
      batches.append(batch)
    }
    context.counts.rowsReturned = batches.reduce(0) { $0 + $1.count }
    context.counts.memoryPeak = context.memoryPeak
    return FragmentResult(batches: batches, counts: context.counts)
  }
}

/// Gives errors of the one travelling type; bytes that do not decode are damaged data.
func typed<R>(_ body: () throws -> R) throws(TallyError) -> R {
  do {
    return try body()
  } catch let error as TallyError {
    throw error
  } catch let failure as DecodingFailure {
    throw TallyError(.dataDamaged, "stored data cannot be read", detail: failure.description)
  } catch {
    throw TallyError(.internalError, "unexpected error: \(error)")
  }
}
