// EntryBody.swift — what log entries say, by kind, as values. Their bytes: LogEntryFormat.swift.
//
// What a kind with a concept of its own holds stands with that concept: Stage, Decide, Commit, Abort (StatementEntryFormat), LayoutChange,
// Deletion, TenantDeletion.
public import Bytes
public import Model

/// Rows of one table; the encoded batch is the last part of the entry's body.
public struct BatchRecord: Equatable, Sendable {
  /// The table.
  public var table: TableID
  /// Rows in the batch.
  public var rows: Int
  /// Hash of the whole batch as the client sent it.
  public var contentHash: Hash128
  /// Nil: at least once.
  public var key: BatchKey?
  /// Makes a record.
  public init(table: TableID, rows: Int, contentHash: Hash128, key: BatchKey?) {
    self.table = table
    self.rows = rows
    self.contentHash = contentHash
    self.key = key
  }
}

/// A rollup's new rows of states, and how far they bring it.
public struct RollupCommit: Equatable, Sendable {
  /// The rollup.
  public var rollup: TableID
  /// Watermark before: raw rows above it were read …
  public var from: LogPosition
  /// … up to and including this position, the watermark after.
  public var to: LogPosition
  /// Raw rows read.
  public var rowsConsumed: UInt64
  /// Rows for which an expression failed and gave NULL.
  public var rowsFailed: UInt64
  /// Encoded batches of the finest level, each sorted by its keys, which are unique over all of them.
  public var runs: [[UInt8]]
  /// Makes a delta.
  public init(
    rollup: TableID,
    from: LogPosition,
    to: LogPosition,
    rowsConsumed: UInt64,
    rowsFailed: UInt64,
    runs: [[UInt8]]
  ) {
    self.rollup = rollup
    self.from = from
    self.to = to
    self.rowsConsumed = rowsConsumed
    self.rowsFailed = rowsFailed
    self.runs = runs
  }
}

/// States of raw rows that were there before the rollup was, of one slice of event time.
public struct BackfillCommit: Equatable, Sendable {
  /// The rollup.
  public var rollup: TableID
  /// Start of the slice, in units of the time column, and where the rollup is covered from afterwards. `Int64.min` ends the backfill.
  public var from: Int64
  /// End of the slice: where the rollup was covered from before.
  public var to: Int64
  /// Raw rows read.
  public var rowsConsumed: UInt64
  /// Rows for which an expression failed and gave NULL.
  public var rowsFailed: UInt64
  /// As in `RollupCommit`.
  public var runs: [[UInt8]]
  /// Makes a delta.
  public init(rollup: TableID, from: Int64, to: Int64, rowsConsumed: UInt64, rowsFailed: UInt64, runs: [[UInt8]]) {
    self.rollup = rollup
    self.from = from
    self.to = to
    self.rowsConsumed = rowsConsumed
    self.rowsFailed = rowsFailed
    self.runs = runs
  }
}

/// An entry's content by kind.
public enum EntryBody: Sendable {
  /// The node that begins the epoch.
  case epochStart(NodeID)
  /// Rows, with the batch as it was sent.
  case batch(BatchRecord, encoded: [UInt8])
  case rollupCommit(RollupCommit)
  case backfillCommit(BackfillCommit)
  case layout(LayoutChange)
  case retentionDrop(RetentionDrop)
  /// All tables and rollups of the group.
  case schemaBarrier(ShardSchema)
  /// Sessions whose last batch has this or an earlier log time are forgotten, and ids of hours before a time.
  case keyExpiry(through: Int64, idsBefore: Int64 = .min)
  /// A part of a statement, invisible until its Commit.
  case stage(Stage)
  /// The statement takes effect; only in the log of its deciding shard.
  case decide(Decide)
  /// What the statement staged here is there from this position on.
  case commit(StatementID)
  /// What the statement staged here is gone.
  case abort(Abort)
  /// Rows that are gone from here on.
  case delete(Deletion)
  /// Everything of one tenant is gone from here on.
  case tenantDelete(TenantDeletion)
  /// Every copy digests its state as it is here (StateProbe). Changes nothing.
  case digestProbe

  /// The entry's kind.
  public var kind: EntryKind {
    switch self {
    case .epochStart: .epochStart
    case .batch: .batch
    case .rollupCommit: .rollupCommit
    case .backfillCommit: .backfillCommit
    case .layout: .layout
    case .retentionDrop: .retentionDrop
    case .schemaBarrier: .schemaBarrier
    case .keyExpiry: .keyExpiry
    case .stage: .stage
    case .decide: .decide
    case .commit: .commit
    case .abort: .abort
    case .delete: .delete
    case .tenantDelete: .tenantDelete
    case .digestProbe: .digestProbe
    }
  }
}
