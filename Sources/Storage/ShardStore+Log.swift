// ShardStore+Log.swift — the head of the log: entries get their numbers here, or come from another replica, and are applied in order
// once they are committed.
//
// The order of use on a primary:  reserve room in the journal → append (never suspends) → journal.enqueue, in the same step
// → durable on every in-sync copy → commit(through:). Tasks may resume in any order: commit applies all that the position
// covers. What was appended and not committed may be cut again.
public import Bytes
import Capabilities
public import Columns
public import Model

/// What became of a batch offered to a shard.
public enum BatchAdmission: Sendable {
  /// It is the head of the log now: hand it to the journal.
  case appended(LogEntry)
  /// It took effect before: answer when that position is committed (0: not known any more, and surely committed).
  case duplicate(KnownBatch)
}

/// Rows of an entry, decoded ahead of its application.
public enum PreparedRows: Sendable {
  /// Not decoded yet.
  case none
  /// Rows of a Batch entry.
  case rows(Batch)
  /// Runs of a RollupCommit or BackfillCommit, by level.
  case states([[Batch]])
  /// What a Commit brings: the rows of each of its statement's Stages, by ordinal; nil for those without rows or table.
  case staged([Batch?])
}

extension ShardStore {
  /// Microseconds that log time may gain for each microsecond that really passed.
  static let logTimeRate: Int64 = 60
  static let logTimeSlack: Int64 = 60_000_000

  /// The log time of the next entry: max(last, wall clock), growing at most an hour a minute.
  func stamp() -> Int64 {
    let (time, lag) = logTime
    isLogTimeHeldBack = lag > 0
    if lag == 0 || time > head.logTime { stampedAt = clock.now }
    return time
  }
  /// The log time that an entry would get now, and how far that is behind the wall clock when it may not follow it.
  public var logTime: (now: Int64, lag: Int64) {
    let wall = clock.wallMicroseconds
    if head.position.rawValue == 0 || wall <= head.logTime { return (max(head.logTime, wall), 0) }
    let (seconds, attoseconds) = (clock.now - stampedAt).components
    let passed = Int64(clamping: seconds).multipliedReportingOverflow(by: 1_000_000)
    let micros = passed.overflow ? Int64.max : passed.partialValue &+ attoseconds / 1_000_000_000_000
    let gain = micros.multipliedReportingOverflow(by: Self.logTimeRate)
    let limit = head.logTime.addingReportingOverflow(gain.overflow ? .max : gain.partialValue)
    let most = limit.overflow ? Int64.max : limit.partialValue
    let isHeldBack = wall > most && wall - most > Self.logTimeSlack
    return isHeldBack ? (most, wall - most) : (wall, 0)
  }

  /// Appends an entry to the head of the log; `rows` saves decoding it again. Throws, changing nothing, when it does not fit the head.
  public func append(_ body: EntryBody, rows: PreparedRows = .none) throws(TallyError) -> LogEntry {
    try append(body, epoch: head.epoch, rows: rows)
  }
  /// Begins an epoch: the first entry of a new primary or of one that restarted.
  public func beginEpoch(_ epoch: Epoch, node: NodeID) throws(TallyError) -> LogEntry {
    guard epoch > head.epoch else {
      throw TallyError(.notPrimary, "shard \(shard) is at epoch \(head.epoch), not before \(epoch)")
    }
    return try append(.epochStart(node), epoch: epoch, rows: .none)
  }
  /// Checks a batch's key against the head of the log and appends the batch, in one step. Throws KeyConflict and KeyExpired.
  public func appendBatch(
    _ record: BatchRecord,
    encoded: [UInt8],
    rows: Batch? = nil
  ) throws(TallyError) -> BatchAdmission {
    if let key = record.key, let known = try known(key, record.contentHash, rows: record.rows) { return .duplicate(known) }
    return .appended(
      try append(.batch(record, encoded: encoded), epoch: head.epoch, rows: rows.map { .rows($0) } ?? .none)
    )
  }
  private func append(_ body: EntryBody, epoch: Epoch, rows: PreparedRows) throws(TallyError) -> LogEntry {
    guard epoch.rawValue > 0 else {
      throw TallyError(.unavailable, "shard \(shard) has no primary yet", detail: "no epoch was begun")
    }
    try head.check(body)
    let version = if case .schemaBarrier(let schema) = body { schema.version } else { head.schema.version }
    let entry = LogEntry(
      position: head.position.next,
      epoch: epoch,
      kind: body.kind,
      logTime: stamp(),
      catalogVersion: version,
      body: LogEntryFormat.encode(body),
      after: head.chain
    )
    try take(entry, body, rows)
    return entry
  }
  /// Appends an entry that another replica made, or that the journal kept; `rows` saves decoding it. Throws, changing nothing, when it
  /// does not continue the log or does not decode.
  public func accept(_ entry: LogEntry, rows: PreparedRows = .none) throws(TallyError) {
    let body: EntryBody
    do {
      if entry.kind == .batch {
        var record = try LogEntryFormat.batchRecord(of: entry)
        if isPlanted(.keyDroppedAtFailover) { record.key = nil }
        body = .batch(record, encoded: [])
      } else {
        body = try LogEntryFormat.decode(entry)
      }
    } catch {
      throw TallyError(.dataDamaged, "entry \(entry.position) of shard \(shard): \(error)")
    }
    try take(entry, body, rows)
  }
  private func take(_ entry: LogEntry, _ body: EntryBody, _ rows: PreparedRows) throws(TallyError) {
    let kept: EntryBody = if case .batch(let record, _) = body { .batch(record, encoded: []) } else { body }
    let before = head.logTime
    try head.advance(entry, kept)
    // Also what another primary stamped: however long this copy followed, log time may gain only from here on when it leads.
    if head.logTime > before { stampedAt = clock.now }
    pending.append(Pending(entry: entry, body: kept, rows: rows))
    if case .tenantDelete = kept { lastTenantDelete = entry.position }
    unappliedBytes += entry.body.count
  }
  /// Takes back appended entries above `position`. Throws, changing nothing, when one of them is committed, applied or not: then this
  /// replica or who wants it cut is damaged (rule R7).
  public func cut(above position: LogPosition) throws(TallyError) {
    let kept = max(applied.position, committed)
    guard position >= kept || isPlanted(.cutsAppliedEntries) else {
      let place = place(at: kept) ?? (applied.epoch, applied.chain)
      throw TallyError(
        .dataDamaged,
        "shard \(shard) has committed entry \(kept), but its log shall end at \(position)",
        detail: "entry \(kept) of epoch \(place.epoch), chain \(place.chain); applied up to \(applied.position), head \(head.position)"
      )
    }
    while let last = pending.last, last.entry.position > position {
      unappliedBytes -= last.entry.body.count
      pending.removeLast()
    }
    head = applied
    for entry in pending { head.step(EntryMark(entry.entry), entry.body) }
    committed = min(committed, head.position)
    lastTenantDelete = min(lastTenantDelete, position)
  }
  /// Epoch and chain hash of the entry at a position that this replica still knows: the applied position or one above it.
  public func place(at position: LogPosition) -> (epoch: Epoch, chain: Hash128)? {
    if position == applied.position { return (applied.epoch, applied.chain) }
    guard position > applied.position, position <= head.position else { return nil }
    let entry = pending[Int(position.rawValue - applied.position.rawValue) - 1].entry
    return (entry.epoch, entry.chain)
  }
  /// Entries that are appended and not applied, above `position`, in order: about `limit` bytes of them, one at least when there is one.
  /// `position` is not below the applied one.
  public func unapplied(above position: LogPosition, bytes limit: Int = .max) -> [LogEntry] {
    guard position >= applied.position else { return [] }
    var (taken, bytes): ([LogEntry], Int) = ([], 0)
    for next in pending.dropFirst(Int(position.rawValue - applied.position.rawValue)) {
      bytes += next.entry.body.count
      if bytes > limit, !taken.isEmpty { break }
      taken.append(next.entry)
    }
    return taken
  }
  /// Notes that entries up to `position` are committed and applies them, in order, up to the first that waits for files
  /// (`needsFiles`). An error means that the log holds something that does not decode: the shard must stop.
  public func commit(through position: LogPosition) throws {
    invariant(position <= head.position, "commit of \(position) beyond the head \(head.position) of shard \(shard)")
    committed = max(committed, position)
    var done = 0
    defer { if done > 0 { pending.removeFirst(done) } }
    while done < pending.count, pending[done].entry.position <= committed {
      let next = pending[done]
      if !missingFiles(of: next).isEmpty { return }
      try apply(next.entry, next.body, next.rows)
      unappliedBytes -= next.entry.body.count
      done += 1
    }
    if applied.ids.count > 0 { applied.ids.share(head.ids) }
  }
}
