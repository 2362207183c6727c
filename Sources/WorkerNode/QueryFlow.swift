// QueryFlow.swift — a fragment over some of this worker's shards: freeze each at one position, run on Compute, merge, stream.
//
// `latest` is answered as primary, other levels from whichever copy is here (CopyReads).
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
    let plan = try FragmentFormat.decode(request.fragment)
    var views: [ShardReadView] = []
    var seen: [(point: LogPoint, age: Duration?)] = []
    var refused: [ShardRefusal] = []
    var own: [ShardID: (statement: OpenStatement, schema: ShardSchema)] = [:]
    guard request.statement == nil || request.read == .latest else {
      throw TallyError(.protocolViolation, "a read inside of a statement that is not for primaries", node: settings.name)
    }
    if request.read == .latest {
      if catalog.version < request.version { try await require(request.version) }
      for wanted in request.shards {
        let host = try serving(wanted.shard, wanted.point.epoch)
        views.append(try view(of: host))
        if let id = request.statement {
          let statements = host.store.applied.statements
          if let open = statements.open[id] {
            own[host.id] = (open, host.store.applied.schema)
          } else if statements.standing(id) != .unknown {
            // Its own rows are gone, or others see them already: neither is what its transaction wrote.
            throw TallyError(
              .invalid,
              "statement \(id) has ended",
              sqlState: "40001",
              detail: "Shard \(host.id) had not heard of it for too long.",
              hint: "Repeat the transaction.",
              node: settings.name
            )
          }
        }
        // The coordinators said who leads after the query began: nothing acknowledged before is missing (R13).
        seen.append((host.appliedPoint, .zero))
      }
    } else {
      // A copy's own log says which tables it has; the coordinators need not be asked.
      let limit = min(call.deadline, surroundings.clock.now + Self.seenTimeout)
      for wanted in request.shards {
        do {
          let (host, age) = try await readable(wanted, request.read, until: limit)
          views.append(try view(of: host))
          seen.append((host.appliedPoint, age))
        } catch let error as TallyError {
          refused.append(ShardRefusal(shard: wanted.shard, error: error))
        }
      }
      if views.isEmpty { return try await call.send(.executeEnd(ExecuteEnd(shards: [], refused: refused)), isLast: true) }
    }
    let started = surroundings.clock.now
    let cancel = CancelFlag()
    for at in views.indices {
      guard let (statement, schema) = own[views[at].shard] else { continue }
      let view = views[at]
      views[at] = try await surroundings.compute.attempt { try view.seen(by: statement, schema) }
    }
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
    let outcomes = zip(zip(views, seen), results.counts).map { read, counts in
      let (view, (point, age)) = read
      return ShardOutcome(
        shard: view.shard,
        point: point,
        rowsRead: UInt64(counts.rowsRead),
        blocks: UInt64(counts.blocksRead),
        watermark: view.rollups.values.map(\.watermark).min() ?? LogPosition(0),
        freshRows: UInt64(counts.tailRows),
        microseconds: UInt64(max(0, micros)),
        // Rounded up: what is told is a bound.
        age: age.map { UInt64(clamping: Int64($0 / .microseconds(1)) + ($0 == .zero ? 0 : 1)) }
      )
    }
    try await call.send(.executeEnd(ExecuteEnd(shards: outcomes, refused: refused)), isLast: true)
  }

  /// Runs the plan over each shard, as many at once as there are compute threads, and merges what can be merged. What is brief runs here.
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
    let whole = ExecutionLimits(memoryBytes: memory, cancel: cancel)
    if FragmentExecution.isBrief(plan, views) {
      var parts: [FragmentResult] = []
      for view in views { parts.append(try noting(view) { try FragmentExecution.execute(plan, view, limits: limits) }) }
      let merged = parts.count == 1 ? parts[0] : try MergeExecution.mergeShards(plan, parts, limits: whole)
      return (merged, parts.map(\.counts))
    }
    if views.count == 1 {
      let view = views[0]
      let result = try await run(plan, view, limits)
      return (result, [result.counts])
    }
    var results = [FragmentResult?](repeating: nil, count: views.count)
    try await withThrowingTaskGroup(of: (Int, FragmentResult).self) { group in
      for (at, view) in views.enumerated() {
        group.addTask { (at, try await self.run(plan, view, limits)) }
      }
      for try await (at, result) in group { results[at] = result }
    }
    let parts = results.compactMap { $0 }
    let merged = try await compute.attempt { try MergeExecution.mergeShards(plan, parts, limits: whole) }
    return (merged, parts.map(\.counts))
  }

  private func run(_ plan: PlanNode, _ view: ShardReadView, _ limits: ExecutionLimits) async throws -> FragmentResult {
    let result = await surroundings.compute.run { Result { try FragmentExecution.execute(plan, view, limits: limits) } }
    return try noting(view) { try result.get() }
  }
  /// Gives what `body` gives. Damage that it met is noted, and the query told to come again where another copy will serve it.
  private func noting<R>(_ view: ShardReadView, _ body: () throws -> R) throws -> R {
    do { return try body() } catch let error as TallyError where error.status == .dataDamaged { throw damaged(view.shard, error) }
  }

  /// A shard frozen at its applied position.
  func view(of host: ShardHost) throws -> ShardReadView {
    let store = host.store
    let schema = store.applied.schema
    var tables: [TableID: TableSnapshot] = [:]
    for table in schema.tables { tables[table.id] = snapshot(of: table.id, store) }
    var rollups: [TableID: RollupView] = [:]
    for rollup in schema.rollups {
      let known = isPlanted(.twoPositionsInQuery) ? store.head.rollups : store.applied.rollups
      guard let state = known[rollup.id], let raw = tables[rollup.source] else { continue }
      rollups[rollup.id] = RollupView(
        definition: rollup,
        program: try host.program(rollup),
        levels: rollup.levels.indices.compactMap { snapshot(of: rollup.levelTable($0), store) },
        raw: raw,
        watermark: state.watermark,
        cut: state.cut,
        coveredFrom: state.coveredFrom,
        floors: state.floors
      )
    }
    return ShardReadView(shard: host.id, position: store.applied.position, tables: tables, rollups: rollups)
  }
  private func snapshot(of relation: TableID, _ store: ShardStore) -> TableSnapshot? {
    var snapshot = store.snapshot(of: relation)
    snapshot?.cache = blockCache
    return snapshot
  }
}
