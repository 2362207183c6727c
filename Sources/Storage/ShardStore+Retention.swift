// ShardStore+Retention.swift — what has expired: raw day slices, and buckets of levels below a floor.
//
// Ages are told by log time, never by a wall clock. Raw sections go when their whole day is older than `keep` and every
// rollup of the table holds their rows: watermark at or above them, backfill finished. A level's floor moves to a border of the next
// coarser level, which holds what is below it. Neither moves back, nor faster than log time and one day together.
import Bytes
import Capabilities
import Model

extension ShardStore {
  /// Expiry that is due now, by rising relation. Nothing is changed.
  public func retentionDue() -> [RetentionDrop] {
    var due: [RetentionDrop] = []
    for table in applied.schema.tables { if let drop = rawDrop(table) { due.append(drop) } }
    for rollup in applied.schema.rollups {
      for level in rollup.levels.indices { if let drop = levelDrop(rollup, level) { due.append(drop) } }
    }
    return due.sorted { $0.relation < $1.relation }
  }
  /// Drops what has expired; the files' space is given back when this returns. Returns the entries written.
  public func expire(_ log: any ShardLog) async throws -> [RetentionDrop] {
    guard beginLayoutChange() else { return [] }
    defer { endLayoutChange() }
    if isDeleting { return [] }
    var done: [RetentionDrop] = []
    // What was due may not be any more at the head, in the step that appends it: a rollup may have come meanwhile (I8).
    for drop in retentionDue() where isTakenIn(drop) {
      _ = try await log.write(.retentionDrop(drop))
      done.append(drop)
    }
    if !done.isEmpty { try await persist(log.journal) }
    return done
  }
  /// Whether every rollup at the head of the log, applied or not, holds the rows of a raw table that shall expire. A level's buckets are
  /// held by the next level.
  func isTakenIn(_ drop: RetentionDrop) -> Bool {
    let through = highest(of: drop) ?? LogPosition(0)
    return head.schema.rollups(of: drop.relation).allSatisfy { rollup in
      guard let state = head.rollups[rollup.id] else { return false }
      return state.isBackfilled && state.watermark >= through || isPlanted(.dropsAboveWatermark) || isPlanted(.expiryNotAtHead)
    }
  }
  /// Log time minus `keep`, in units of the column's type; nil when that is before all time.
  private func limit(_ keep: Interval, _ type: DataType) -> Int64? {
    let micros: Int64
    do { micros = try TimeArithmetic.subtract(keep, fromTimestamp: applied.logTime) } catch { return nil }
    return type == .date ? Calendar.day(ofMicroseconds: micros) : micros
  }
  /// Not further than log time went since the last time, and a day; the first time is exempt.
  private func guarded(_ relation: TableID, _ before: Int64, _ type: DataType) -> Int64 {
    guard let known = applied.retention[relation] else { return before }
    let day = DaySlice.dayMicroseconds
    let gain = applied.logTime - known.logTime + day
    let most = known.before.addingReportingOverflow(type == .date ? (gain + day - 1) / day : gain)
    return min(before, most.overflow ? .max : most.partialValue)
  }
  private func rawDrop(_ table: TableSchema) -> RetentionDrop? {
    guard let keep = table.keep, let column = table.timeColumn, let relation = relations[table.id] else { return nil }
    let type = table.columns[column].type
    guard var before = limit(keep, type) else { return nil }
    before = guarded(table.id, before, type)
    if type != .date { before = Calendar.floorDivide(before, DaySlice.dayMicroseconds) * DaySlice.dayMicroseconds }
    before = max(before, applied.retention[table.id]?.before ?? .min)
    var safe = applied.position
    for rollup in applied.schema.rollups(of: table.id) {
      guard let state = applied.rollups[rollup.id], state.isBackfilled else { return nil }
      if !isPlanted(.dropsAboveWatermark) { safe = min(safe, state.watermark) }
    }
    let drops = relation.sections.filter { candidate in
      let summary = candidate.section.summary
      guard summary.slice != .unsliced, summary.high <= safe, let last = summary.maxTime else { return false }
      return last < before
    }
    if drops.isEmpty { return nil }
    return RetentionDrop(relation: table.id, before: before, drops: drops.map(\.reference).sorted())
  }
  private func levelDrop(_ rollup: RollupDefinition, _ level: Int) -> RetentionDrop? {
    guard let keep = rollup.levels[level].keep, let state = applied.rollups[rollup.id], rollup.keys.count > 1 else {
      return nil
    }
    let type = rollup.keys[1].type
    let id = rollup.levelTable(level)
    guard let limit = limit(keep, type) else { return nil }
    let border = rollup.levels[isPlanted(.floorNotAtCoarserBorder) ? level : min(level + 1, rollup.levels.count - 1)].width
    let unit = type == .date ? DaySlice.dayMicroseconds : 1
    let (micros, isTooLate) = guarded(id, limit, type).multipliedReportingOverflow(by: unit)
    if isTooLate { return nil }
    let floor = Calendar.truncateToBucket(micros, border) / unit
    guard floor > state.floors[level] else { return nil }
    let drops = (relations[id]?.sections ?? []).filter { candidate in
      // A section with NULL or infinite buckets stays: those never expire. Its other rows go when it is merged.
      guard let last = candidate.section.summary.maxTime, last < floor else { return false }
      return !candidate.section.hasUnboundedTimes(1)
    }
    return RetentionDrop(relation: id, before: floor, drops: drops.map(\.reference).sorted())
  }
}

extension SegmentSection {
  /// Whether a row's value in a time column is NULL or infinite, or may be.
  func hasUnboundedTimes(_ column: Int) -> Bool {
    (0..<blockCount).contains { block in
      let zone = zone(block: block, column: column)
      guard !zone.hasNulls, case .fixed(let low, let high) = zone.bounds else { return true }
      return low == TimeLimits.minusInfinity || high == TimeLimits.infinity
    }
  }
}
