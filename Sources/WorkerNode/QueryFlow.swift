// QueryFlow.swift — a fragment over some of this worker's shards: freeze each at one position, run on Compute, merge, stream.
import Bytes
import Capabilities
import Columns
import Execution
import Model
import Planning
import RPC
import Storage
import Wire

extension Worker {
  func execute(_ request: Execute, _ call: ServerCall) async throws {
    if catalog.version < request.version { try await require(request.version) }
    let plan = try FragmentFormat.decode(request.fragment)
    var views: [ShardReadView] = []
    for wanted in request.shards { views.append(try view(of: try serving(wanted.shard, wanted.epoch))) }
    let started = surroundings.clock.now
    let cancel = CancelFlag()
    let (frozen, memory) = (views, Int(clamping: request.memoryLimit))
    let results = try await withTaskCancellationHandler {
      try await run(plan, frozen, memory: memory, cancel)
    } onCancel: {
      cancel.raise(.cancelled)
    }
    let micros = (surroundings.clock.now - started).components.attoseconds / 1_000_000_000_000
    for batch in results.merged.batches {
      for start in stride(from: 0, to: batch.count, by: Limits.batchRowsMax) {
        let piece = batch.slice(start..<min(batch.count, start + Limits.batchRowsMax))
        try await call.send(.resultBatch(ResultBatch(batch: BatchFormat.encode(piece))))
      }
    }
    let outcomes = zip(views, results.counts).map { view, counts in
      ShardOutcome(
        shard: view.shard,
        position: view.position,
        rowsRead: UInt64(counts.rowsRead),
        blocks: UInt64(counts.blocksRead),
        watermark: view.rollups.values.map(\.watermark).min() ?? LogPosition(0),
        freshRows: UInt64(counts.tailRows),
        microseconds: UInt64(max(0, micros))
      )
    }
    try await call.send(.executeEnd(ExecuteEnd(shards: outcomes)), isLast: true)
  }

  /// Runs the plan over each shard, as many at once as there are compute threads, and merges what can be merged.
  private func run(
    _ plan: PlanNode,
    _ views: [ShardReadView],
    memory: Int,
    _ cancel: CancelFlag
  ) async throws -> (merged: FragmentResult, counts: [ExecutionCounts]) {
    let compute = surroundings.compute
    let limits = ExecutionLimits(
      memoryBytes: views.count == 1 ? memory : max(16 << 20, memory / max(1, min(views.count, compute.width))),
      cancel: cancel
    )
    if views.count == 1 {
      let view = views[0]
      let result = try await compute.attempt { try FragmentExecution.execute(plan, view, limits: limits) }
      return (result, [result.counts])
    }
    var results = [FragmentResult?](repeating: nil, count: views.count)
    try await withThrowingTaskGroup(of: (Int, FragmentResult).self) { group in
      for (at, view) in views.enumerated() {
        group.addTask { (at, try await compute.attempt { try FragmentExecution.execute(plan, view, limits: limits) }) }
      }
      for try await (at, result) in group { results[at] = result }
    }
    let parts = results.compactMap { $0 }
    let whole = ExecutionLimits(memoryBytes: memory, cancel: cancel)
    let merged = try await compute.attempt { try MergeExecution.mergeShards(plan, parts, limits: whole) }
    return (merged, parts.map(\.counts))
  }

  /// A shard frozen at its applied position.
  func view(of host: ShardHost) throws -> ShardReadView {
    let store = host.store
    let schema = store.applied.schema
    var tables: [TableID: TableSnapshot] = [:]
    for table in schema.tables { tables[table.id] = store.snapshot(of: table.id) }
    var rollups: [TableID: RollupView] = [:]
    for rollup in schema.rollups {
      let known = isPlanted(.twoPositionsInQuery) ? store.head.rollups : store.applied.rollups
      guard let state = known[rollup.id], let raw = tables[rollup.source] else { continue }
      rollups[rollup.id] = RollupView(
        definition: rollup,
        program: try host.program(rollup),
        levels: rollup.levels.indices.compactMap { store.snapshot(of: rollup.levelTable($0)) },
        raw: raw,
        watermark: state.watermark,
        cut: state.cut,
        coveredFrom: state.coveredFrom,
        floors: state.floors
      )
    }
    return ShardReadView(shard: host.id, position: store.applied.position, tables: tables, rollups: rollups)
  }
}
