// ShardStore+Flush.swift — moves the rows in memory into a file: plan, build (pure, for Compute), write, log, swap.
//
// One flush of a shard is one file with a section for each relation and day slice, one Layout entry and one manifest edit.
// Rows keep their positions as a column while a rollup still has to tell them apart (a watermark or an unfinished backfill's
// cut lies within them); a later merge drops the column.
import Aggregates
import Bytes
public import Capabilities
import Model

/// Rows that one file shall hold.
public struct FlushPlan: Sendable {
  struct Source: Sendable {
    var layout: RelationLayout
    var chunks: [MemChunk]
    var keepPositions: Bool
  }
  var identity: SegmentIdentity
  var sources: [Source]
  let after: LogPosition
  let through: LogPosition
  let settledBefore: Int64

  /// Makes the file; a pure function.
  public func build() throws -> SegmentImage {
    SegmentWriter.write(
      identity,
      sections: try sources.compactMap { source in
        try Compaction.flush(
          source.chunks,
          layout: source.layout,
          after: after,
          through: through,
          keepPositions: source.keepPositions,
          pruning: source.layout.pruning(settledBefore: settledBefore)
        )
      }
    )
  }
}

extension RelationLayout {
  /// Buckets are settled this long after their end, in microseconds of log time.
  static let settlingTime: Int64 = 3_600_000_000

  /// How TopN states are shortened when runs are merged into files. `width` is that of a level's buckets.
  func pruning(settledBefore: Int64) -> TopNPruning {
    guard isState, let bucket = timeColumn, let width = bucketWidth else { return .none }
    return .byAge(settledBefore: settledBefore, bucketKey: bucket, width: width)
  }
}

extension ShardStore {
  /// What to flush now; nil when no row is in memory. After a tenant was deleted it may hold nothing: then it says that nothing is left.
  public func planFlush() -> FlushPlan? {
    let sources = relations.values.filter { !$0.memtable.isEmpty }.sorted { $0.layout.id < $1.layout.id }
      .map { relation in
        FlushPlan.Source(
          layout: relation.layout,
          chunks: relation.memtable.snapshot(),
          keepPositions: needsPositions(
            relation.layout,
            low: relation.memtable.low ?? LogPosition(0),
            high: relation.memtable.high ?? LogPosition(0)
          )
        )
      }
    if sources.isEmpty, !needsErasingFlush { return nil }
    return FlushPlan(
      identity: SegmentIdentity(cluster: cluster, shard: shard, file: head.nextFile),
      sources: sources,
      after: applied.flushedThrough,
      through: applied.position,
      settledBefore: applied.logTime - RelationLayout.settlingTime
    )
  }
  /// Whether rows of a deleted tenant may be in memory, and in what the journal is kept for.
  public var needsErasingFlush: Bool { applied.tenants.needsFlush(applied.flushedThrough) }
  /// Whether a live mark may have to split rows of these positions.
  func needsPositions(_ layout: RelationLayout, low: LogPosition, high: LogPosition) -> Bool {
    if layout.isState || isPlanted(.positionsDroppedEarly) { return false }
    return applied.schema.rollups(of: layout.id).contains { rollup in
      guard let state = applied.rollups[rollup.id] else { return false }
      return state.watermark < high || (!state.isBackfilled && low <= state.cut && state.cut < high)
    }
  }
  /// Moves the checkpoint of a copy on that has no rows in memory. False when it has some, or another flow is changing the files.
  @discardableResult public func settleEmpty(_ journal: Journal) async throws -> Bool {
    guard beginLayoutChange() else { return false }
    defer { endLayoutChange() }
    return isDeleting || planFlush() != nil ? false : try await takeCheckpoint(journal)
  }
  /// No row is in memory, so the state as it is now is what the files hold.
  private func takeCheckpoint(_ journal: Journal) async throws -> Bool {
    if applied.position == releasable { return false }
    checkpoint = applied
    steps = []
    stepBytes = 0
    try await persist(journal)
    return true
  }
  /// Flushes the rows in memory; with none, moves the checkpoint on so that the journal can be shortened. False when another flow is
  /// changing the files or nothing was to be done.
  public func flush(_ log: any ShardLog, compute: any Compute) async throws -> Bool {
    guard beginLayoutChange() else { return false }
    defer { endLayoutChange() }
    if isDeleting { return false }
    guard let plan = planFlush() else { return try await takeCheckpoint(log.journal) }
    let (schema, epoch) = (applied.schema, head.epoch)
    let image = try await compute.attempt { try plan.build() }
    let files = image.sections.isEmpty ? [] : [try await install(image, number: plan.identity.file)]
    if isOutdated(schema, epoch) { return false }
    _ = try await log.write(
      .layout(
        LayoutChange(
          source: .log(after: plan.after, through: plan.through),
          settledBefore: plan.settledBefore,
          files: files,
          drops: []
        )
      )
    )
    try await persist(log.journal)
    return true
  }
}
