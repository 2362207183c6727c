// ShardHost+Statements.swift — a shard's part in statements over several shards: staging, the last word of who runs one, committing.
import Capabilities
import Columns
import Model
import Storage

extension ShardHost {
  /// What offering a Stage gave.
  enum StageOutcome {
    case appended(Appended)
    case repeated(LogPosition)
    case duplicate(KnownBatch)
  }
  /// Checks a Stage and appends it, in one step.
  func append(_ stage: Stage) throws(TallyError) -> StageOutcome {
    switch try store.appendStage(stage) {
    case .appended(let entry): .appended(hand(over: entry))
    case .repeated(let position): .repeated(position)
    case .duplicate(let known): .duplicate(known)
    }
  }
  /// Appends a change that is a whole statement.
  func append(alone stage: Stage, rows: Batch?) throws(TallyError) -> Appended {
    try requirePrimary()
    let entries = try store.appendAlone(stage, rows: rows)
    guard let last = entries.last else { throw TallyError(.internalError, "a statement without entries") }
    let appended = hand(over: entries, last: last)
    if let rows, rows.count > 0 { noteRecent(appended.position, rows: rows.count) }
    return appended
  }
  /// Appends the Commit of an open statement, whose rows were decoded.
  func append(commit statement: StatementID, rows: PreparedRows, count: Int) throws(TallyError) -> Appended {
    let appended = try append(.commit(statement), rows: rows)
    if count > 0 { noteRecent(appended.position, rows: count) }
    return appended
  }
  /// Who runs the statement was heard of.
  func hear(_ statement: StatementID, at now: Instant) { statementWords[statement] = now }
  /// Whether nothing was heard for so long; the first look counts as a word.
  func isInDoubt(_ statement: StatementID, after silence: Duration, now: Instant) -> Bool {
    guard let heard = statementWords[statement] else {
      statementWords[statement] = now
      return false
    }
    return now - heard >= silence
  }
  /// Forgets the words about statements that have ended.
  func forgetEndedStatements() {
    if statementWords.isEmpty { return }
    statementWords = statementWords.filter { store.head.statements.open[$0.key] != nil }
  }
}
