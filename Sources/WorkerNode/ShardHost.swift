// ShardHost.swift — one copy of a shard on its worker: its store, its role, and what the roller needs to know of recent batches.
//
// Confined to the worker's actor. An append advances the log's head and hands the entry to the journal in one step, so the order
// of positions is the order in the journal. On the primary an entry is committed when every in-sync copy has it on disk (PrimaryCore says
// so); on another copy when the primary says so. Committed entries are applied in order; whoever waits for one is told then, or that the
// role ended: then the outcome is unknown to this worker and the client repeats its key.
import Bytes
import Capabilities
import Columns
import Model
import Planning
import Replication
import Storage

/// A shard and its service.
final class ShardHost: ShardLog {
  let id: ShardID
  let store: ShardStore
  let journal: Journal
  private let compute: any Compute
  /// The epoch in which this worker serves the shard as its primary: its first entry is committed, its schema the catalog's. Nil else.
  var servingEpoch: Epoch? {
    didSet { if let epoch = servingEpoch, epoch != oldValue { tell(.serves(epoch)) } }
  }
  /// What this worker knows as the shard's primary; nil while it is not.
  private(set) var primary: PrimaryCore?
  /// What it owes to primaries elsewhere.
  private(set) var copy: CopyCore
  /// The ways to the other copies; empty unless it is the primary.
  private(set) var links: [ReplicaID: ReplicaLink] = [:]
  /// The same, by their number: what is done to all of them is done in this order.
  private(set) var orderedLinks: [ReplicaLink] = []
  /// A flow brings it to service.
  var isSettling = false
  /// A flow applies what is committed.
  var isAdvancing = false
  /// A change of the in-sync set is being asked for.
  var isProposing = false
  /// A moment such that everything acknowledged anywhere before it is applied here, as a primary told (CopyReads).
  var toldFreshAsOf: Instant?
  /// Who waits for an entry to be applied, by rising position.
  private var waiting: [(position: LogPosition, promise: Promise<Void>)] = []
  /// Hashes of the tenants it holds.
  var shardRange: ClosedRange<UInt64> = 0...UInt64.max
  /// What was found broken in its files; nil while nothing was.
  private(set) var damage: String?
  /// Up to where the rows must be in files for the damage to be over, when it lies in the journal alone.
  private(set) var journalDamage: LogPosition?
  /// Its state at the last probe.
  var digest: StateDigest?
  /// When the next probe is due; nil while it leads nothing.
  var probeDue: Instant?
  /// It was told that log time may not follow the clock.
  var isLagTold = false
  /// One flow at a time rolls up.
  var isRolling = false
  /// It is not flushed before, because its last flush failed; nil when it did not.
  var flushWaitsUntil: Instant?
  /// When rows came into memory that no file holds.
  var unflushedSince: Instant?
  /// When its checkpoint was last moved on without a row in memory.
  var settledAt: Instant?
  /// When the oldest rows that some rollup has not taken in were applied, by table.
  private var unrolledSince: [TableID: Instant] = [:]
  /// When something was last heard of an open statement's runner.
  var statementWords: [StatementID: Instant] = [:]
  /// Who waits for tables, and which are being changed (ShardHost+Locks).
  var tableWaits = TableWaits()
  /// Answers to changes of rows in the epoch it serves.
  var modifyAnswers = ModifyAnswers()
  /// Tenants that are being deleted: until then nothing of them is taken in.
  var deletingTenants: [Tenant: Instant] = [:]
  /// How the rows of unfinished backfills lie in time, by rollup.
  var backfillSlices: [TableID: BackfillSlices] = [:]
  /// Bound once a table.
  private var checks: [TableID: (table: TableSchema, checks: [ModifyProgram.Check])] = [:]
  /// Decoded once a rollup.
  private var programs: [TableID: (version: CatalogVersion, program: RollupProgram)] = [:]
  /// Batches that some rollup has not taken in, in order: what a delta may reach to. Those applied before this process began
  /// are not in it.
  private var recent: [(position: LogPosition, rows: Int)] = []
  private static let recentMax = 1 << 17
  /// What this process handed to the journal last.
  private var lastAppended: Appended?
  /// The flow that makes files which committed entries wait for.
  private var makingFiles: Promise<Void>?
  /// Gets a file from another copy, when it cannot be made here.
  var fetchFile: ((FileRecord, _ path: String) async throws -> Void)?
  /// Who hears what it does; nil outside of simulations.
  var witnessed: WitnessedCopy?

  init(_ store: ShardStore, _ journal: Journal, _ compute: any Compute, witness: (any ShardWitness)? = nil) {
    self.store = store
    self.journal = journal
    self.compute = compute
    id = store.shard
    copy = CopyCore(promised: store.head.epoch)
    witnessed = witness.map { WitnessedCopy($0) }
    tellLog()
  }

  // MARK: Roles

  /// Begins an epoch as the record appoints this copy; the entry that begins it is the first that it commits.
  func lead(_ record: ShardRecord, _ me: NodeID, leastInSync: Int) throws(TallyError) -> Appended {
    stepDown()
    let entry = try store.beginEpoch(record.epoch, node: me)
    _ = copy.hear(record.epoch)
    primary = PrimaryCore(record, me: store.replica, start: entry.position, committed: store.committed, leastInSync: leastInSync)
    link()
    return hand(over: entry)
  }
  /// Takes in another record of the epoch it leads.
  func learn(_ record: ShardRecord, leastInSync: Int) {
    primary?.learn(record, leastInSync: leastInSync)
    link()
  }
  /// Makes the ways to the present copies, and ends those to others.
  private func link() {
    let others = primary?.others ?? []
    for link in orderedLinks where !others.contains(link.record) {
      link.bell.finish()
      journal.unpin(id, for: link.record.id.rawValue)
      links[link.record.id] = nil
    }
    for other in others where links[other.id] == nil { links[other.id] = ReplicaLink(other) }
    orderedLinks = links.sorted { $0.key < $1.key }.map(\.value)
  }
  /// Ends its role as primary, if it has it. What was not committed is for the next primary to keep or cut.
  func stepDown() {
    servingEpoch = nil
    probeDue = nil
    guard primary != nil else { return }
    primary = nil
    link()
    recent = []
    // What was heard in this lead is no silence in a later one.
    statementWords = [:]
    modifyAnswers = ModifyAnswers()
    wakeTableWaits()
    let waiting = waiting
    self.waiting = []
    for waiter in waiting { waiter.promise.fail(roleEnded) }
  }
  private var roleEnded: TallyError {
    TallyError(.unknownOutcome, "shard \(id) has another primary now", hint: "repeat the batch with the same key")
  }
  /// Copies that have what is committed here.
  var copies: UInt8 { UInt8(clamping: primary?.copyCount ?? 0) }
  /// Hears of an epoch from its primary elsewhere.
  func hear(_ epoch: Epoch) { if copy.hear(epoch) { stepDown() } }
  /// A copy's log equals this one's up to a position.
  func noteMatch(_ replica: ReplicaID, _ incarnation: Incarnation, _ position: LogPosition, askedAt: Instant) {
    primary?.noteMatch(replica, incarnation, position, askedAt: askedAt.nanoseconds)
  }
  /// The proposal that takes a copy in, see PrimaryCore.
  func addition(of replica: ReplicaID) -> InSyncProposal? { primary?.addition(of: replica) }
  /// An addition was refused for good.
  func forgetAddition() { primary?.forgetAddition() }
  /// This log's place at a position that is not below what is applied.
  func place(at position: LogPosition) -> LogPlace? {
    store.place(at: position).map { LogPlace(position: position, epoch: $0.epoch, chain: $0.chain) }
  }

  /// An entry that was handed to the journal.
  struct Appended {
    let position: LogPosition
    let epoch: Epoch
    let durable: Promise<JournalPlace>
  }

  /// Appends an entry at the head. Throws, without a change, when it does not fit the head's state.
  func append(_ body: EntryBody, rows: PreparedRows = .none) throws(TallyError) -> Appended {
    try requirePrimary()
    return hand(over: try store.append(body, rows: rows))
  }
  /// Nobody but the primary appends in an epoch (I5): who waited for something may have lost its role meanwhile.
  func requirePrimary() throws(TallyError) {
    if primary == nil { throw TallyError(.notPrimary, "shard \(id) is not led here any more") }
  }
  /// What offering a batch gave.
  enum BatchOutcome {
    case appended(Appended)
    case duplicate(KnownBatch)
  }
  /// Checks a batch's key and appends it, in one step.
  func append(_ record: BatchRecord, encoded: [UInt8], rows: Batch) throws(TallyError) -> BatchOutcome {
    try requirePrimary()
    switch try store.appendBatch(record, encoded: encoded, rows: rows) {
    case .duplicate(let known): return .duplicate(known)
    case .appended(let entry):
      noteRecent(entry.position, rows: record.rows)
      return .appended(hand(over: entry))
    }
  }
  func hand(over entry: LogEntry) -> Appended { hand(over: [entry], last: entry) }
  /// Hands several entries over that were appended together; they become durable together.
  func hand(over entries: [LogEntry], last: LogEntry) -> Appended {
    let appended = Appended(
      position: last.position,
      epoch: last.epoch,
      durable: journal.enqueue(entries.map { JournalRecord(shard: id, entry: $0) })
    )
    lastAppended = appended
    for entry in entries {
      tell(.made(entry.mark))
      witnessed?.noteHanded(entry.position, appended.durable)
    }
    for link in orderedLinks { link.ring() }
    return appended
  }
  /// Takes entries of the primary over, in one step: what differs is cut away first. Wait for
  /// `taken` before they are acknowledged.
  func take(_ entries: [(entry: LogEntry, rows: PreparedRows)], of epoch: Epoch) throws(TallyError) {
    var records: [JournalRecord] = []
    // Also when an entry is refused: the journal follows the head in every case.
    defer {
      if let last = records.last {
        let appended = Appended(position: last.entry.position, epoch: epoch, durable: journal.enqueue(records))
        lastAppended = appended
        for record in records { witnessed?.noteHanded(record.entry.position, appended.durable) }
      }
    }
    for (entry, rows) in entries where entry.position > store.applied.position {
      if let known = place(at: entry.position) {
        if known.epoch == entry.epoch && known.chain == entry.chain || isPlanted(.chainNotCompared) { continue }
        try store.cut(above: LogPosition(entry.position.rawValue - 1))
        records.append(JournalRecord(shard: id, entry: .cut(from: entry.position, epoch: epoch)))
        tell(.cut(from: entry.position))
      }
      try store.accept(entry, rows: rows)
      tell(.took(entry.mark))
      records.append(JournalRecord(shard: id, entry: entry))
    }
  }
  /// Settled once everything that was handed to the journal is on disk; nil when nothing was.
  var taken: Promise<JournalPlace>? { lastAppended?.durable }
  /// Waits until an entry that somebody else appended is applied; fails with the journal, or when the role ends.
  func settle(_ position: LogPosition) async throws {
    guard position > store.applied.position else { return }
    guard let last = lastAppended, let epoch = primary?.epoch else { throw roleEnded }
    // What was handed over last is durable after everything before it.
    _ = try await last.durable.value
    try await settle(position, epoch)
  }
  /// Waits until an entry is committed and applied.
  func settle(_ appended: Appended) async throws {
    _ = try await appended.durable.value
    try await settle(appended.position, appended.epoch)
  }
  private func settle(_ position: LogPosition, _ epoch: Epoch) async throws {
    guard primary?.epoch == epoch else { throw roleEnded }
    primary?.noteDurable(position)
    try await advance()
    // Applied in this epoch: nothing of it was cut meanwhile.
    guard primary?.epoch == epoch else { throw roleEnded }
    if store.applied.position >= position { return }
    let promise = Promise<Void>()
    let at = waiting.lastIndex { $0.position <= position }.map { $0 + 1 } ?? 0
    waiting.insert((position, promise), at: at)
    try await promise.value
  }
  /// Appends an entry and waits until it is committed and applied.
  func write(_ body: EntryBody) async throws -> LogEntry {
    try requirePrimary()
    let entry = try store.append(body)
    try await settle(hand(over: entry))
    return entry
  }
  /// Applies what the primary's core says is committed.
  func advance() async throws {
    guard let committed = primary?.committed else { return }
    try await apply(through: committed)
  }
  /// Applies entries up to a position that is committed, making the files they name where these are not there, and tells who waits.
  func apply(through position: LogPosition) async throws {
    defer { tell() }
    tellCommits(through: position)
    try store.commit(through: position)
    while store.applied.position < position {
      if let running = makingFiles {
        try await running.value
        if store.needsFiles, makingFiles == nil { return }
        continue
      }
      let promise = Promise<Void>()
      makingFiles = promise
      defer { makingFiles = nil }
      do {
        try await store.makeFiles(journal: journal, compute: compute, fetch: fetchFile)
        promise.fulfil(())
      } catch let error as TallyError where error.status == .diskFull {
        // They stay committed and wait; the replication beat has them applied once there is room.
        promise.fulfil(())
        return
      } catch {
        promise.fail(error)
        throw error
      }
    }
  }
  /// Notes rows that rollups will have to take in.
  func noteRecent(_ position: LogPosition, rows: Int) {
    if !store.head.schema.rollups.isEmpty { recent.append((position, rows)) }
    // A shard that is not rolled up for long: what is left out counts as not known.
    if recent.count > Self.recentMax { recent.removeFirst(Self.recentMax / 2) }
  }
  private func tell() {
    wakeTableWaits()
    let count = waiting.firstIndex { $0.position > store.applied.position } ?? waiting.count
    if count == 0 { return }
    let told = waiting[..<count]
    waiting.removeFirst(count)
    for waiter in told { waiter.promise.fulfil(()) }
  }
  /// Notes that its files are damaged, or the journal up to a position.
  func noteDamage(_ what: String, inJournalThrough through: LogPosition? = nil) {
    if damage == nil || (journalDamage != nil && through == nil) { (damage, journalDamage) = (what, through) }
    if let known = journalDamage, let through { journalDamage = max(known, through) }
  }
  /// Ends damage of the journal once files hold what lay there; true when it ended.
  func healJournal() -> Bool {
    guard let through = journalDamage, store.releasable >= through else { return false }
    (damage, journalDamage) = (nil, nil)
    return true
  }
  /// Notes a batch that was applied.
  func noteBatch(of table: TableID, at position: LogPosition, now: Instant) {
    if unrolledSince[table] == nil { unrolledSince[table] = now }
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
  /// The table's CHECKs.
  func checks(of table: TableSchema) throws -> [ModifyProgram.Check] {
    if table.checks.isEmpty { return [] }
    if let known = checks[table.id], known.table == table { return known.checks }
    let bound = try TableChecks.bound(table)
    checks[table.id] = (table, bound)
    return bound
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
