// ShardStore+Statements.swift — statements over several shards: staging on a primary, and what Commit does to the rows.
//
// What open statements keep in memory is bounded here, on the primary that stages; replicas and replay take what its log holds. A Commit
// brings at most `rowsMax` rows, so that one delta of a rollup can take all of them in: a watermark never lies within a Commit.
public import Bytes
import Columns
public import Model

/// What became of a Stage offered to a shard.
public enum StageAdmission: Sendable {
  /// It is the head of the log now: hand it to the journal.
  case appended(LogEntry)
  /// The same Stage is in the log since that position.
  case repeated(LogPosition)
  /// Its batch took effect before, by its key: nothing is staged. Answer when that position is committed (0: it surely is).
  case duplicate(KnownBatch)
}

extension ShardStore {
  /// Rows that one statement may stage on one shard.
  public static let stagedRowsMax = 1 << 19
  /// Bytes that all open statements may keep in memory on one shard.
  public static let stagedBytesMax = 64 << 20

  /// Bytes of the rows that one change brings: its entry travels to other copies in one frame.
  public static let changeBytesMax = 12 << 20

  /// Checks a Stage against the head of the log and appends it, in one step. Throws 40001 when the statement has ended, 53200 when it is
  /// too large to be held, KeyConflict and KeyExpired.
  public func appendStage(_ stage: Stage) throws(TallyError) -> StageAdmission {
    let known = head.statements.open[stage.statement]
    if let piece = known?.piece(stage.ordinal) {
      guard piece.stage.content == stage.content else {
        throw TallyError(.protocolViolation, "stage \(stage.ordinal) of statement \(stage.statement) came with other content before")
      }
      return .repeated(piece.position)
    }
    switch stage.content {
    case .rows(let record, _):
      if let key = record.key, let known = try self.known(key, record.contentHash, rows: record.rows, in: stage.statement) {
        return .duplicate(known)
      }
    case .statementKey(let key):
      if let known = try self.known(.id(key.id), key.contentHash, rows: key.rows, in: stage.statement) { return .duplicate(known) }
    case .nothing, .deletion, .change, .undo: break
    }
    let rows = (known?.added ?? 0) + stage.content.added
    let bytes = head.statements.openBytes + stage.content.bytes
    guard rows <= Self.stagedRowsMax, bytes <= Self.stagedBytesMax else {
      throw Self.tooLarge(stage.statement, "\(rows) rows of it, \(bytes) bytes of all open statements on shard \(shard)")
    }
    return .appended(try append(.stage(stage)))
  }
  /// What a statement that staging has no room for is told.
  public static func tooLarge(_ statement: StatementID, _ detail: String) -> TallyError {
    TallyError(
      .invalid,
      "statement \(statement) is too large to be staged",
      sqlState: "53200",
      detail: "\(detail); at most \(stagedRowsMax) rows of a statement and \(stagedBytesMax) bytes are held on a shard.",
      hint: "Write fewer rows a statement, or load them with tally ingest without --atomic."
    )
  }
  /// The rows of an open statement's Stages, decoded, without those that it deletes itself. A pure function, for Compute.
  public static func prepare(_ statement: OpenStatement, _ schema: ShardSchema) throws(DecodingFailure) -> PreparedRows {
    let gone = statement.ownDeleted
    var batches: [Batch?] = []
    for piece in statement.pieces {
      let rows = try OpenStatement.rows(of: piece.stage.content, schema)
      guard let rows, let deleted = gone[piece.stage.ordinal] else {
        batches.append(rows)
        continue
      }
      guard deleted.ranges.last.map({ $0.upperBound <= rows.count }) ?? true else {
        throw DecodingFailure(.malformed, at: 0, "a deletion of row \(deleted.ranges.last?.upperBound ?? 0) of a part of \(rows.count)")
      }
      batches.append(rows.gather(deleted.rest(of: 0..<rows.count)))
    }
    return .staged(batches)
  }
  /// Brings a statement's rows in, at the position of its Commit.
  func apply(_ entry: LogEntry, commit id: StatementID, _ rows: PreparedRows) throws {
    guard let statement = applied.statements.open[id] else {
      throw TallyError(.dataDamaged, "entry \(entry.position) of shard \(shard): statement \(id) is not open")
    }
    let prepared = if case .staged = rows { rows } else { try Self.prepare(statement, applied.schema) }
    guard case .staged(let batches) = prepared, batches.count == statement.pieces.count else {
      fatalError("rows of another statement at a Commit of \(id)")
    }
    for case let deletion? in statement.pieces.map(\.stage.content.deletion) { try checkNamed(deletion, entry) }
    try applied.advance(entry, .commit(id))
    let isCopied = if case .staged = rows { false } else { true }
    for (number, (piece, batch)) in zip(statement.pieces, batches).enumerated() {
      if let deletion = piece.stage.content.deletion, !(isCopied && isPlanted(.copyKeepsOldVersions)) { hide(deletion) }
      if number > 0, isPlanted(.commitTakesFirstPart) { continue }
      guard let table = piece.stage.content.table, let batch, batch.count > 0, relations[table] != nil else { continue }
      relations[table]?.memtable.append(batch, at: entry.position)
      lastBatch[table] = entry.position
    }
  }
}
