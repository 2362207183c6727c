// ShardHost.swift — one shard on its worker: its store, the epoch it serves in, and what the roller needs to know of recent batches.
//
// Confined to the worker's actor. An append advances the log's head and hands the entry to the journal in one step, so the order
// of positions is the order in the journal. With one copy an entry is committed when it is durable; entries are applied in order, and
// those that an earlier start left unapplied once the shard's next epoch has begun.
import Capabilities
import Columns
import Model
import Planning
import Storage

/// A shard and its service.
final class ShardHost: ShardLog {
  let id: ShardID
  let store: ShardStore
  let journal: Journal
  private let compute: any Compute
  /// The epoch in which this worker serves the shard as its primary; nil while it does not.
  var servingEpoch: Epoch?
  /// Hashes of the tenants it holds.
  var shardRange: ClosedRange<UInt64> = 0...UInt64.max
  /// What was found broken in its files; nil while nothing was.
  private(set) var damage: String?
  /// One flow at a time rolls up.
  var isRolling = false
  /// When rows came into memory that no file holds.
  var unflushedSince: Instant?
  /// When the oldest rows that some rollup has not taken in were applied, by table.
  private var unrolledSince: [TableID: Instant] = [:]
  /// When something was last heard of an open statement's runner.
  var statementWords: [StatementID: Instant] = [:]
  /// How the rows of unfinished backfills lie in time, by rollup.
  var backfillSlices: [TableID: BackfillSlices] = [:]
  /// Decoded once a rollup.
  private var programs: [TableID: (version: CatalogVersion, program: RollupProgram)] = [:]
  /// Batches that some rollup has not taken in, in order: what a delta may reach to. Those applied before this process began
  /// are not in it.
  private var recent: [(position: LogPosition, rows: Int)] = []
  /// What this process handed to the journal last.
  private var lastAppended: Appended?
  /// The flow that makes files which committed entries wait for.
  private var makingFiles: Promise<Void>?

  init(_ store: ShardStore, _ journal: Journal, _ compute: any Compute) {
    self.store = store
    self.journal = journal
    self.compute = compute
    id = store.shard
  }

  /// An entry that was handed to the journal.
  struct Appended {
    let position: LogPosition
    let durable: Promise<JournalPlace>
  }

  /// Appends an entry at the head. Throws, without a change, when it does not fit the head's state.
  func append(_ body: EntryBody, rows: PreparedRows = .none) throws(TallyError) -> Appended {
    hand(over: try store.append(body, rows: rows))
  }
  /// Begins an epoch.
  func beginEpoch(_ epoch: Epoch, _ node: NodeID) throws(TallyError) -> Appended {
    hand(over: try store.beginEpoch(epoch, node: node))
  }
  /// What offering a batch gave.
  enum BatchOutcome {
    case appended(Appended)
    case duplicate(LogPosition?)
  }
  /// Checks a batch's key and appends it, in one step.
  func append(_ record: BatchRecord, encoded: [UInt8], rows: Batch) throws(TallyError) -> BatchOutcome {
    switch try store.appendBatch(record, encoded: encoded, rows: rows) {
    case .duplicate(let position): return .duplicate(position)
    case .appended(let entry):
      noteRecent(entry.position, rows: record.rows)
      return .appended(hand(over: entry))
    }
  }
  func hand(over entry: LogEntry) -> Appended {
    let appended = Appended(position: entry.position, durable: journal.enqueue([JournalRecord(shard: id, entry: entry)]))
    lastAppended = appended
    return appended
  }
  /// Waits until an entry that somebody else appended is durable and applied; fails with the journal, which a waiting position would not.
  func settle(_ position: LogPosition) async throws {
    guard position > store.applied.position, let last = lastAppended else { return }
    // What was handed over last is durable after everything before it.
    _ = try await last.durable.value
    try await commit(through: position)
  }
  /// Waits until an entry is durable and applied.
  func settle(_ appended: Appended) async throws {
    _ = try await appended.durable.value
    try await commit(through: appended.position)
  }
  /// Appends an entry and waits until it is durable and applied.
  func write(_ body: EntryBody) async throws -> LogEntry {
    let entry = try store.append(body)
    try await settle(hand(over: entry))
    return entry
  }
  /// Applies entries up to a position that is committed, making the files they name where these are not there.
  private func commit(through position: LogPosition) async throws {
    try store.commit(through: position)
    while store.applied.position < position {
      if let running = makingFiles {
        try await running.value
        continue
      }
      let promise = Promise<Void>()
      makingFiles = promise
      defer { makingFiles = nil }
      do {
        try await store.makeFiles(journal: journal, compute: compute)
        promise.fulfil(())
      } catch {
        promise.fail(error)
        throw error
      }
    }
  }
  /// Notes rows that rollups will have to take in.
  func noteRecent(_ position: LogPosition, rows: Int) {
    if !store.head.schema.rollups.isEmpty { recent.append((position, rows)) }
  }
  /// Notes that its files are damaged.
  func noteDamage(_ what: String) { damage = damage ?? what }
  /// Notes a batch that was applied.
  func noteBatch(of table: TableID, at position: LogPosition, now: Instant) {
    if unrolledSince[table] == nil { unrolledSince[table] = now }
    if unflushedSince == nil { unflushedSince = now }
  }
  /// Notes that a rollup of the table moved on.
  func noteRolled(_ rollup: RollupDefinition, now: Instant) {
    let lowest = store.applied.rollups.values.map(\.watermark).min() ?? LogPosition(0)
    if let keep = recent.firstIndex(where: { $0.position > lowest }) { recent.removeFirst(keep) } else { recent = [] }
    let isAnyBehind = store.applied.schema.rollups(of: rollup.source).contains { isBehind($0) }
    unrolledSince[rollup.source] = isAnyBehind ? now : nil
  }

  /// Whether committed rows of the rollup's table lie above its watermark.
  func isBehind(_ rollup: RollupDefinition) -> Bool {
    guard let state = store.applied.rollups[rollup.id], let last = store.lastBatch[rollup.source] else { return false }
    return last > state.watermark
  }
  /// Up to where a delta that begins after `from` reaches so that it takes in about `rows` rows.
  func rollTarget(after from: LogPosition, rows: Int) -> LogPosition {
    let applied = store.applied.position
    let first = recent.firstIndex { $0.position > from } ?? recent.count
    // Rows from before this process began: their number is not known, so few entries at once.
    let known = recent.first?.position ?? applied
    if first == 0, known.rawValue > from.rawValue + 32 { return min(LogPosition(from.rawValue + 32), applied) }
    var total = 0
    for batch in recent[first...] where batch.position <= applied {
      total += batch.rows
      if total >= rows { return batch.position }
    }
    return applied
  }
  /// Age of the oldest row that is not rolled up, microseconds; 0 when there is none.
  func lag(_ rollup: RollupDefinition, now: Instant) -> UInt64 {
    guard isBehind(rollup) else { return 0 }
    guard let since = unrolledSince[rollup.source] else { return 1 }
    let (seconds, attoseconds) = (now - since).components
    return max(1, UInt64(seconds) * 1_000_000 + UInt64(attoseconds / 1_000_000_000_000))
  }
  /// The rollup's expressions.
  func program(_ rollup: RollupDefinition) throws -> RollupProgram {
    let version = store.applied.schema.version
    if let known = programs[rollup.id], known.version == version { return known.program }
    guard let source = store.applied.schema.table(rollup.source) else {
      throw TallyError(.staleCatalog, "the table of rollup \(rollup.name) is not in shard \(id)")
    }
    let program = try RollupProgramFormat.decode(rollup.program, source: source.columns)
    programs[rollup.id] = (version, program)
    return program
  }
}
