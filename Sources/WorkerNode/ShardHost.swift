// ShardHost.swift — one shard on its worker: appends in order, applies what is durable, and what flows ask of it.
//
// Confined to the worker's actor. An append advances the head state and hands the entry to the journal in the same step, so the order
// of positions is the order in the journal. When an entry is durable it is committed (one copy); entries are applied in order, and
// only then do those who wait for them hear of it.
import Capabilities
import Model
import Planning
import Replication
import Storage

/// A shard and what waits on it.
final class ShardHost {
  let id: ShardID
  let store: ShardStore
  private let journal: Journal
  /// The epoch in which this worker serves the shard as its primary; nil while it does not.
  var servingEpoch: Epoch?
  /// Hashes of the tenants it holds.
  var shardRange: ClosedRange<UInt64> = 0...UInt64.max
  /// One flow at a time rolls up, or changes the layout.
  var isRolling = false
  var isChangingLayout = false
  /// Position of the last batch of each table, so that the roller knows whether there is anything new.
  private(set) var lastBatch: [TableID: LogPosition] = [:]
  /// When the oldest rows that are in no rollup yet were applied, by table.
  private(set) var unrolledSince: [TableID: Instant] = [:]
  /// Decoded once a rollup.
  private var programs: [TableID: RollupProgram] = [:]

  private struct Pending {
    var entry: LogEntry
    var body: EntryBody
    var applied: Promise<LogPosition>
  }
  private var pending: [Pending] = []
  private var pendingStart = 0

  init(_ store: ShardStore, _ journal: Journal) {
    self.store = store
    self.journal = journal
    id = store.shard
    for table in store.applied.schema.tables { lastBatch[table.id] = store.applied.position }
  }

  /// An entry that was handed to the journal.
  struct Appended {
    let position: LogPosition
    let durable: Promise<JournalPlace>
    let applied: Promise<LogPosition>
  }

  /// Appends an entry at the head. Throws, without a change, when it does not fit the head's state.
  func append(_ body: EntryBody, epoch: Epoch, time: Int64) throws(TallyError) -> Appended {
    let entry = try store.propose(body, epoch: epoch, time: time)
    let applied = Promise<LogPosition>()
    pending.append(Pending(entry: entry, body: body, applied: applied))
    return Appended(position: entry.position, durable: journal.enqueue([JournalRecord(shard: id, entry: entry)]), applied: applied)
  }

  /// Waits until an entry is durable and applied.
  func settle(_ appended: Appended, now: Instant) async throws {
    _ = try await appended.durable.value
    try apply(through: appended.position, now: now)
    _ = try await appended.applied.value
  }

  /// Applies everything up to a position that is durable; what lies before it in the log is durable too.
  private func apply(through position: LogPosition, now: Instant) throws {
    while pendingStart < pending.count, pending[pendingStart].entry.position <= position {
      let next = pending[pendingStart]
      pendingStart += 1
      if pendingStart > 64, pendingStart * 2 > pending.count {
        pending.removeFirst(pendingStart)
        pendingStart = 0
      }
      do { try store.apply(next.entry, next.body) } catch {
        next.applied.fail(error)
        throw error
      }
      note(next.entry, next.body, now)
      next.applied.fulfil(next.entry.position)
    }
  }
  private func note(_ entry: LogEntry, _ body: EntryBody, _ now: Instant) {
    switch body {
    case .batch(let record, _):
      lastBatch[record.table] = entry.position
      if unrolledSince[record.table] == nil { unrolledSince[record.table] = now }
    case .rollupCommit(let delta):
      guard let rollup = store.applied.schema.rollup(delta.rollup) else { return }
      let behind = store.applied.schema.rollups(of: rollup.source).contains { isBehind($0) }
      unrolledSince[rollup.source] = behind ? now : nil
    case .schemaBarrier:
      programs = [:]
    default: break
    }
  }

  /// Whether committed rows of the rollup's table lie above its watermark.
  func isBehind(_ rollup: RollupDefinition) -> Bool {
    guard let state = store.applied.rollups[rollup.id], let last = lastBatch[rollup.source] else { return false }
    return last > state.watermark
  }
  /// Age of the oldest row that is not rolled up, microseconds; 0 when there is none.
  func lag(_ rollup: RollupDefinition, _ state: RollupState, now: Instant) -> UInt64 {
    guard isBehind(rollup), let since = unrolledSince[rollup.source] else { return isBehind(rollup) ? 1 : 0 }
    let (seconds, attoseconds) = (now - since).components
    return max(1, UInt64(seconds) * 1_000_000 + UInt64(attoseconds / 1_000_000_000_000))
  }
  /// The rollup's expressions.
  func program(_ rollup: RollupDefinition) throws -> RollupProgram {
    if let known = programs[rollup.id] { return known }
    let program = try RollupProgramFormat.decode(rollup.program)
    programs[rollup.id] = program
    return program
  }
}
