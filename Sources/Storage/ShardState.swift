// ShardState.swift — all a shard knows apart from rows, as a value and a function of its log. Bytes: ShardStateFormat.swift.
//
// A shard keeps two: the state at the head of its log (appended, perhaps not durable yet), against which keys and watermarks are
// checked, and the applied state, which readers see. Both advance by the same function, one entry at a time.
public import Bytes
public import Model

/// How far a rollup has come.
public struct RollupState: Equatable, Sendable {
  /// Raw rows up to here (and above the cut) are in the rollup.
  public var watermark: LogPosition
  /// Position of the barrier that brought the rollup: rows at or below it are backfilled.
  public var cut: LogPosition
  /// Rows at or below the cut are in the rollup when their time is not below this, in units of the time column. `Int64.max`: none
  /// are; `Int64.min`: all are. NULL times go with the newest slice, -infinity with the oldest.
  public var coveredFrom: Int64
  /// For each level the start of what it holds; `Int64.min` = everything. NULL and infinite buckets are held always.
  public var floors: [Int64]
  /// Raw rows rolled up.
  public var rowsConsumed: UInt64 = 0
  /// Rows for which an expression failed and gave NULL.
  public var rowsFailed: UInt64 = 0
  /// True when nothing is left to backfill.
  public var isBackfilled: Bool { coveredFrom == .min }
  /// Whether a row at or below the cut is in the rollup.
  public func covers(time: Int64?) -> Bool {
    if coveredFrom == .max { return false }
    guard let time else { return true }
    return time >= coveredFrom
  }
}

/// How far a relation's expiry has come.
struct RetentionState: Equatable, Sendable {
  var before: Int64
  var logTime: Int64
}

/// What of an entry moves a state, besides its body.
struct EntryMark: Sendable {
  var position: LogPosition
  var epoch: Epoch
  var chain: Hash128
  var logTime: Int64
  init(_ entry: LogEntry) {
    (position, epoch, chain, logTime) = (entry.position, entry.epoch, entry.chain, entry.logTime)
  }
}

/// The state of a shard apart from its rows.
public struct ShardState: Equatable, Sendable {
  /// Position of the last entry.
  public internal(set) var position = LogPosition(0)
  /// Its epoch.
  public internal(set) var epoch = Epoch(0)
  /// Its chain hash.
  public internal(set) var chain = Hash128.zero
  /// Its log time.
  public internal(set) var logTime: Int64 = 0
  /// Tables and rollups.
  public internal(set) var schema = ShardSchema()
  /// Keys of sessions that took effect.
  public internal(set) var dedup = DedupTable()
  /// Ids that took effect.
  public internal(set) var ids = BatchIDTable()
  /// Statements over several shards.
  public internal(set) var statements = StatementTable()
  /// By rollup.
  public internal(set) var rollups: [TableID: RollupState] = [:]
  /// Rows ever logged, by raw table.
  public internal(set) var rowsLogged: [TableID: UInt64] = [:]
  /// Deleted rows of live sections, by table; of levels those of deleted tenants.
  var deleted: [TableID: [SectionReference: RowSet]] = [:]
  /// Deleted tenants.
  public internal(set) var tenants = TenantMarks()
  /// By raw table or level.
  var retention: [TableID: RetentionState] = [:]
  /// Number of the next segment file.
  var nextFile: UInt64 = 1
  /// Rows up to here were moved into files by Layout entries.
  public internal(set) var flushedThrough = LogPosition(0)

  /// The state before the first entry.
  public init() {}

  /// Throws when the entry does not continue the log.
  func checkFollows(_ entry: LogEntry) throws(TallyError) {
    guard entry.position == position.next, entry.epoch >= epoch, entry.follows(chain) else {
      throw TallyError(
        .dataDamaged,
        "log entry \(entry.position) does not follow entry \(position)",
        detail: "epoch \(entry.epoch) after \(epoch), chain \(entry.chain) after \(chain)"
      )
    }
  }
  /// Throws when a body would not fit the state: what a primary asks before it appends.
  public func check(_ body: EntryBody) throws(TallyError) {
    switch body {
    case .rollupCommit(let delta):
      guard let rollup = rollups[delta.rollup] else { throw Self.gone(delta.rollup) }
      guard delta.from == rollup.watermark || isPlanted(.watermarkNotAtHead), delta.to >= delta.from, delta.to <= position else {
        throw TallyError(
          .unavailable,
          "rollup \(delta.rollup) is at \(rollup.watermark), not at \(delta.from)",
          detail: "a delta up to \(delta.to) at log position \(position)"
        )
      }
    case .backfillCommit(let delta):
      guard let rollup = rollups[delta.rollup] else { throw Self.gone(delta.rollup) }
      guard delta.to == rollup.coveredFrom, delta.from < delta.to else {
        throw TallyError(
          .unavailable,
          "rollup \(delta.rollup) is covered from \(rollup.coveredFrom), not from \(delta.to)"
        )
      }
    case .batch(let record, _):
      try requireTable(record.table)
    case .layout: try requireFilesToChange()
    case .retentionDrop(let drop):
      try requireFilesToChange()
      if let known = retention[drop.relation], drop.before < known.before {
        throw TallyError(.internalError, "expiry of relation \(drop.relation) moves backwards")
      }
    case .schemaBarrier(let schema):
      guard schema.version >= self.schema.version else {
        throw TallyError(.staleCatalog, "the shard has schema version \(self.schema.version), not \(schema.version)")
      }
    case .stage(let stage):
      try statements.check(body)
      switch stage.content {
      case .nothing: break
      case .rows(let record, _): try requireTable(record.table)
      case .deletion(let deletion): try check(deletion)
      case .change(let change): if let deletion = stage.content.deletion { try check(deletion) } else { try requireTable(change.table) }
      case .statementKey, .undo: break
      }
    case .delete(let deletion): try check(deletion)
    case .tenantDelete(let deletion): try tenants.check(deletion)
    case .decide, .commit, .abort: try statements.check(body)
    case .epochStart, .keyExpiry, .digestProbe: break
    }
  }
  private func check(_ deletion: Deletion) throws(TallyError) {
    try requireTable(deletion.table)
    for rollup in schema.rollups(of: deletion.table) {
      guard let state = rollups[rollup.id], state.isBackfilled && state.watermark >= deletion.through || isPlanted(.deletesBeforeRollup)
      else {
        throw TallyError(.unavailable, "rollup \(rollup.name) has not taken in the rows that shall be deleted")
      }
    }
  }
  /// What a deletion names are places in files, which stay as they are until it is applied.
  private func requireFilesToChange() throws(TallyError) {
    if statements.hasDeletions, !isPlanted(.filesChangeUnderDeletion) {
      throw TallyError(.unavailable, "rows of the shard's files are being deleted")
    }
  }
  private func requireTable(_ table: TableID) throws(TallyError) {
    guard let known = schema.table(table) else {
      throw TallyError(.staleCatalog, "table \(table) is not in this shard's schema (version \(schema.version))")
    }
    if known.isFenced {
      throw TallyError(
        .stalePlan,
        "the rows of table \"\(known.name)\" are being moved to other shards",
        hint: "Repeat the statement."
      )
    }
  }
  private static func gone(_ rollup: TableID) -> TallyError {
    TallyError(.staleCatalog, "rollup \(rollup) is not in this shard's schema")
  }

  /// Moves on by one entry whose body was decoded from it. Throws without a change when the entry does not continue the log or
  /// fit the state.
  mutating func advance(_ entry: LogEntry, _ body: EntryBody) throws(TallyError) {
    try checkFollows(entry)
    try check(body)
    step(EntryMark(entry), body)
  }
  /// Moves on by an entry that was checked before. Neither the rows of a batch nor the runs of a delta are looked at.
  mutating func step(_ entry: EntryMark, _ body: EntryBody) {
    position = entry.position
    epoch = entry.epoch
    chain = entry.chain
    logTime = max(logTime, entry.logTime)
    switch body {
    case .epochStart, .digestProbe: break
    case .batch(let record, _):
      rowsLogged[record.table, default: 0] += UInt64(record.rows)
      if let key = record.key { note(key, record.contentHash, rows: record.rows, entry) }
    case .rollupCommit(let delta):
      rollups[delta.rollup]?.watermark = delta.to
      rollups[delta.rollup]?.rowsConsumed += delta.rowsConsumed
      rollups[delta.rollup]?.rowsFailed += delta.rowsFailed
    case .backfillCommit(let delta):
      rollups[delta.rollup]?.coveredFrom = delta.from
      rollups[delta.rollup]?.rowsConsumed += delta.rowsConsumed
      rollups[delta.rollup]?.rowsFailed += delta.rowsFailed
    case .layout(let change):
      for file in change.files { nextFile = max(nextFile, file.number + 1) }
      if case .log(_, let through) = change.source { flushedThrough = max(flushedThrough, through) }
      forget(change.drops)
    case .retentionDrop(let drop):
      forget(drop.drops)
      retention[drop.relation] = RetentionState(before: drop.before, logTime: entry.logTime)
      if let (rollup, level) = schema.level(drop.relation) { rollups[rollup.id]?.floors[level] = drop.before }
    case .schemaBarrier(let schema): adopt(schema)
    case .keyExpiry(let through, let idsBefore):
      dedup.expire(through: through)
      ids.expire(before: idsBefore)
      statements.expire(through: through)
    case .stage(let stage): statements.stage(stage, entry)
    case .delete(let deletion): hide(deletion)
    case .tenantDelete(var deletion):
      // What was dropped since it was named has no rows to hide.
      let relations = Set(schema.layouts.map(\.id))
      deletion.parts.removeAll { !relations.contains($0.relation) }
      for part in deletion.parts { hide(part.sections, of: part.relation) }
      tenants.add(deletion, entry)
    case .decide(let decide): statements.decide(decide, entry)
    case .commit(let statement): takeEffect(statements.end(statement, isCommitted: true, entry), entry)
    case .abort(let abort): statements.end(abort.statement, isCommitted: false, doneBelow: abort.doneBelow, entry)
    }
  }
  /// A statement's rows are there from its Commit entry on, and so are their keys.
  private mutating func takeEffect(_ statement: OpenStatement?, _ commit: EntryMark) {
    for piece in statement?.pieces ?? [] {
      let content = piece.stage.content
      if let deletion = content.deletion { hide(deletion) }
      if case .statementKey(let key) = content, !isPlanted(.statementKeyForgotten) {
        note(.id(key.id), key.contentHash, rows: key.rows, commit)
      }
      // Without its table, which was dropped meanwhile, there is nothing to add to.
      guard content.added > 0, let table = content.table, schema.table(table) != nil else { continue }
      rowsLogged[table, default: 0] += UInt64(content.added)
      if case .rows(let record, _) = content, let key = record.key, !isPlanted(.stagedKeyForgotten) {
        note(key, record.contentHash, rows: record.rows, commit)
      }
    }
  }
  private mutating func note(_ key: BatchKey, _ content: Hash128, rows: Int, _ entry: EntryMark) {
    switch key {
    case .sequence(let key): dedup.record(key, contentHash: content, at: entry.position, logTime: entry.logTime)
    case .id(let id): ids.record(id, hash: content.high, at: entry.position, rows: rows)
    }
  }
  private mutating func hide(_ deletion: Deletion) {
    if schema.table(deletion.table) != nil { hide(deletion.sections, of: deletion.table) }
  }
  private mutating func hide(_ sections: [(reference: SectionReference, rows: RowSet)], of relation: TableID) {
    for (reference, rows) in sections { deleted[relation, default: [:]][reference, default: RowSet()].formUnion(rows) }
  }
  /// Notes that sections are not live any more.
  private mutating func forget(_ drops: [SectionReference]) {
    for table in deleted.keys { for drop in drops { deleted[table]?[drop] = nil } }
    deleted = deleted.filter { !$0.value.isEmpty }
    tenants.note(dropped: drops, flushedThrough: flushedThrough, logTime: logTime)
  }
  private mutating func adopt(_ schema: ShardSchema) {
    self.schema = schema
    var rollups: [TableID: RollupState] = [:]
    for rollup in schema.rollups {
      rollups[rollup.id] =
        self.rollups[rollup.id]
        ?? RollupState(
          watermark: position,
          cut: position,
          coveredFrom: rowsLogged[rollup.source, default: 0] == 0 ? .min : .max,
          floors: [Int64](repeating: .min, count: rollup.levels.count)
        )
    }
    self.rollups = rollups
    let tables = Set(schema.tables.map(\.id))
    let relations = Set(schema.layouts.map(\.id))
    rowsLogged = rowsLogged.filter { tables.contains($0.key) }
    retention = retention.filter { relations.contains($0.key) }
    // The sections of a relation that was dropped go with it.
    let gone = deleted.filter { !relations.contains($0.key) }.flatMap(\.value.keys)
    deleted = deleted.filter { relations.contains($0.key) }
    tenants.note(dropped: gone, flushedThrough: flushedThrough, logTime: logTime)
  }
}
