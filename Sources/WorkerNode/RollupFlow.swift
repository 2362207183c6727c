// RollupFlow.swift — each shard's roller: committed raw rows above the watermark become one RollupCommit; older rows are backfilled.
//
// The delta is built on Compute from a frozen view, then appended; the log's head refuses it when the watermark has moved meanwhile, and it
// is built again. Shards roll concurrently, at most as many as there are compute threads. No coordinator takes part.
import Bytes
import Capabilities
import Columns
import Execution
import Model
import Planning
import Storage
import Wire

extension Worker {
  /// Bytes that a delta has at most, unless one entry of the log gives more: it travels to other copies in one frame.
  static let deltaBytesMax = 4 << 20

  /// Rolls up until cancelled.
  func keepRolling() async throws {
    while true {
      try await surroundings.clock.sleep(for: settings.rollInterval)
      while try await rollRound() {}
    }
  }

  /// One delta for every shard that has something to roll up; true when there is more.
  private func rollRound() async throws -> Bool {
    // A delta waits as rows; without a next file the journal is for what makes room.
    if space == .full { return false }
    let ready = orderedHosts.filter { $0.servingEpoch != nil && !$0.isRolling && $0.damage == nil && hasWork($0) }
    guard !ready.isEmpty else { return false }
    let width = max(1, surroundings.compute.width)
    return try await withThrowingTaskGroup(of: Bool.self) { group in
      var isMore = false
      var next = 0
      var running = 0
      while next < ready.count || running > 0 {
        while running < width && next < ready.count {
          let id = ready[next].id
          group.addTask { try await self.roll(id) }
          next += 1
          running += 1
        }
        if let more = try await group.next() {
          running -= 1
          isMore = isMore || more
        }
      }
      return isMore
    }
  }

  private func hasWork(_ host: ShardHost) -> Bool {
    host.store.applied.schema.rollups.contains { rollup in
      host.isBehind(rollup) || host.store.applied.rollups[rollup.id]?.isBackfilled == false
    }
  }

  /// Rolls up one chunk of each rollup of a shard; true when that took something in and more is left. Failures that time heals are noted,
  /// and what waits for a deletion waits: both are left to the next round.
  func roll(_ id: ShardID) async throws -> Bool {
    guard let host = hosts[id], let epoch = host.servingEpoch, !host.isRolling, host.damage == nil else { return false }
    // What is read now would hold rows of a tenant whose deletion is on its way.
    if host.store.lastTenantDelete > host.store.applied.position { return false }
    host.isRolling = true
    defer { host.isRolling = false }
    var moved = false
    do {
      for rollup in host.store.applied.schema.rollups {
        if try await advance(host, rollup, epoch) { moved = true }
        if try await backfill(host, rollup, epoch) { moved = true }
      }
    } catch let error as TallyError where error.status == .dataDamaged {
      noteDamage(host, error)
      return false
    } catch let failure as DecodingFailure {
      noteDamage(host, failure)
      return false
    } catch let error as TallyError where error.status != .internalError {
      surroundings.log.warning("rollup-waits", ("shard", id.description), ("reason", error.message))
      return false
    }
    return moved && host.servingEpoch == epoch && hasWork(host)
  }

  /// What rows add to a rollup.
  private struct Delta: Sendable {
    var runs: [[UInt8]]
    var rows: PreparedRows
    var consumed: Int
    var failed: Int
    var bytes: Int { runs.reduce(0) { $0 + $1.count } }
  }
  private func delta(
    of view: RollupView,
    _ rollup: RollupDefinition,
    _ which: RollupDelta.Rows,
    _ limits: ExecutionLimits
  ) async throws -> Delta {
    try await surroundings.compute.attempt {
      let built = try RollupDelta.build(view, which, limits: limits)
      return Delta(
        runs: Self.encode(built.states),
        rows: try PreparedRows.states(of: Self.pieces(built.states), rollup: rollup),
        consumed: built.rowsConsumed,
        failed: built.poisonedRows
      )
    }
  }

  /// Takes in raw rows above the watermark; false when there were none or they have to wait.
  private func advance(_ host: ShardHost, _ rollup: RollupDefinition, _ epoch: Epoch) async throws -> Bool {
    guard host.isBehind(rollup), let state = host.store.applied.rollups[rollup.id],
      let rollupView = try view(of: host).rollups[rollup.id]
    else { return false }
    let from = state.watermark
    var to = host.rollTarget(after: from, rows: settings.rollRows)
    let limits = ExecutionLimits(memoryBytes: settings.memory / 4, cancel: CancelFlag())
    var built: Delta?
    while built == nil {
      let isOneEntry = to.rawValue <= from.rawValue + 1
      do {
        let delta = try await delta(of: rollupView, rollup, .positions(after: from, through: to), limits)
        if isOneEntry || delta.bytes <= Self.deltaBytesMax { built = delta }
      } catch let error as TallyError where error.status == .overloaded && !isOneEntry {}
      // Too much for one entry, or for memory: half as many entries of the log.
      if built == nil { to = LogPosition(from.rawValue + (to.rawValue - from.rawValue) / 2) }
    }
    guard let delta = built else { return false }
    guard host.servingEpoch == epoch, host.store.head.rollups[rollup.id]?.watermark == from || isPlanted(.watermarkNotAtHead),
      host.store.lastTenantDelete <= rollupView.raw.position
    else { return false }
    let appended = try host.append(
      .rollupCommit(
        RollupCommit(
          rollup: rollup.id,
          from: from,
          to: isPlanted(.watermarkWithoutDelta) ? host.store.applied.position : to,
          rowsConsumed: UInt64(delta.consumed),
          rowsFailed: UInt64(delta.failed),
          runs: delta.runs
        )
      ),
      rows: delta.rows
    )
    try await host.settle(appended)
    host.noteRolled(rollup, now: surroundings.clock.now)
    if delta.failed > 0 {
      surroundings.log.warning(
        "rollup-rows-failed",
        ("rollup", rollup.name),
        ("shard", host.id.description),
        ("rows", String(delta.failed))
      )
    }
    return true
  }

  /// Takes in one slice of the rows that were there before the rollup, newest first; false when there were none or they have to wait.
  private func backfill(_ host: ShardHost, _ rollup: RollupDefinition, _ epoch: Epoch) async throws -> Bool {
    // Rows that are being deleted are counted wholly or not at all.
    guard !host.store.hasStagedDeletions, let state = host.store.applied.rollups[rollup.id], !state.isBackfilled,
      let rollupView = try view(of: host).rollups[rollup.id]
    else { return false }
    let (cut, to, rows) = (state.cut, state.coveredFrom, settings.rollRows)
    let limits = ExecutionLimits(memoryBytes: settings.memory / 4, cancel: CancelFlag())
    let known = host.backfillSlices[rollup.id]
    let delta = try await surroundings.compute.attempt {
      let slices = try known ?? BackfillSlices(of: rollupView)
      let from = slices.start(below: to, rows: rows)
      let built = try RollupDelta.build(rollupView, .slice(through: cut, from: from, to: to), limits: limits)
      return (
        slices: slices, from: from, runs: Self.encode(built.states),
        rows: try PreparedRows.states(of: Self.pieces(built.states), rollup: rollup), consumed: built.rowsConsumed,
        failed: built.poisonedRows
      )
    }
    guard host.servingEpoch == epoch, host.store.head.rollups[rollup.id]?.coveredFrom == to,
      host.store.lastTenantDelete <= rollupView.raw.position
    else { return false }
    host.backfillSlices[rollup.id] = delta.from == .min ? nil : delta.slices
    let appended = try host.append(
      .backfillCommit(
        BackfillCommit(
          rollup: rollup.id,
          from: delta.from,
          to: to,
          rowsConsumed: UInt64(delta.consumed),
          rowsFailed: UInt64(delta.failed),
          runs: delta.runs
        )
      ),
      rows: delta.rows
    )
    try await host.settle(appended)
    return true
  }

  /// A delta as the log carries it: encoded batches of lawful length.
  private static func encode(_ states: Batch) -> [[UInt8]] {
    pieces(states).map { BatchFormat.encode($0) }
  }
  private static func pieces(_ states: Batch) -> [Batch] {
    stride(from: 0, to: states.count, by: Limits.batchRowsMax).map { start in
      states.slice(start..<min(states.count, start + Limits.batchRowsMax))
    }
  }

  /// Returns when the rollup holds every row applied before the call, on the shards asked.
  func refresh(_ request: RefreshShards) async throws {
    if catalog.rollups.contains(where: { $0.id == request.rollup }) == false { try await fetchCatalog() }
    for id in request.shards {
      guard let host = hosts[id], host.servingEpoch != nil else {
        throw TallyError(.notPrimary, "shard \(id) is not served here", node: settings.name)
      }
      guard let rollup = host.store.applied.schema.rollup(request.rollup) else {
        throw TallyError(.staleCatalog, "rollup \(request.rollup) is not in shard \(id)", node: settings.name)
      }
      let target = host.store.lastBatch[rollup.source] ?? LogPosition(0)
      var isBehind: Bool {
        host.store.applied.rollups[rollup.id].map { $0.watermark < target || !$0.isBackfilled } ?? false
      }
      while isBehind {
        if let damage = host.damage { throw refusal(of: host, for: damage) }
        guard host.servingEpoch != nil else {
          throw TallyError(.notPrimary, "shard \(id) is not served here any more", node: settings.name)
        }
        // Another flow rolls it, or what is left waits for a deletion to end.
        if try await !roll(id), isBehind { try await surroundings.clock.sleep(for: .milliseconds(2)) }
        try Task.checkCancellation()
      }
    }
  }
}

/// How the rows below a rollup's cut lie in time, so that a backfill is cut into slices of whole days.
///
/// Counted once a backfill: expiry and deletion only take rows away, which makes slices smaller than wished, never wrong.
struct BackfillSlices: Sendable {
  /// Rows of each day that has some, latest day first.
  private var days: [(start: Int64, rows: Int)] = []

  /// Counts the rows at or below the cut. Nothing is counted where the bucket is not a plain column: one slice takes all.
  init(of rollup: RollupView) throws {
    guard rollup.program.keys.count > 1, let column = rollup.program.keys[1].columnIndex else { return }
    let perDay: Int64 = rollup.definition.keys[1].type == .date ? 1 : 86_400_000_000
    var counts: [Int64: Int] = [:]
    _ = try rollup.raw.scan(columns: [column], through: rollup.cut) { batch in
      guard case .fixed(let times) = batch.columns[0].values else { return }
      let bits = batch.columns[0].validity
      times.withUnsafeBufferPointer { times in
        // Rows of a day lie together: one look-up a run of them, not one a row.
        var (start, end, run) = (Int64.max, Int64.min, 0)
        for row in 0..<times.count {
          let time = times[row]
          if time < start || time >= end {
            if run > 0 { counts[start, default: 0] += run }
            run = 0
            guard time > TimeLimits.minusInfinity, time < TimeLimits.infinity else {
              (start, end) = (.max, .min)
              continue
            }
            start = Calendar.floorDivide(time, perDay) * perDay
            end = start + perDay
          }
          if bits.map({ $0[row] }) ?? true { run += 1 }
        }
        if run > 0 { counts[start, default: 0] += run }
      }
    }
    days = counts.sorted { $0.key > $1.key }.map { ($0.key, $0.value) }
  }
  /// The start of the newest slice below `end` that holds about `rows` rows, at a day's border; `Int64.min` when that takes the last.
  func start(below end: Int64, rows: Int) -> Int64 {
    var total = 0
    for (at, day) in days.enumerated() where day.start < end {
      total += day.rows
      if total >= rows && at + 1 < days.count { return day.start }
    }
    return .min
  }
}
