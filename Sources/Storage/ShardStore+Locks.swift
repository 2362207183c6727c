// ShardStore+Locks.swift — which statement holds a table of the shard against others: a function of the log (DESIGN §6).
//
// A statement holds a table from its first part that changes it until it ends or the part is taken back; of a table with keys every part
// holds it, so that no two statements can make the same key. Tables that refer to one another (FOREIGN KEY) are held together: who changes
// one looks at the rows of the others. Who takes over as primary derives the same from its log. Changes are
// evaluated by what is applied: entries that touch the table and are not applied yet make everybody wait, the statement's own too.
import Bytes
public import Columns
public import Model

/// What somebody is about to do to a table.
public enum TableUse: Sendable {
  /// Add rows without looking at others.
  case append
  /// Delete rows by a condition.
  case delete
  /// Change rows by what is there.
  case change
}

/// What stands against the use of a table.
public enum TableHold: Equatable, Sendable {
  /// An open statement holds it.
  case statement(StatementID)
  /// Entries that touch it are on their way.
  case entries
}

extension StagedContent {
  /// Whether a part holds its table against a use by another statement.
  fileprivate func holds(against use: TableUse, isKeyed: Bool) -> Bool {
    switch self {
    case .nothing, .statementKey, .undo: false
    case .rows: isKeyed
    // Two may name the same row, unless one of them puts another in its place.
    case .deletion: isKeyed || use == .change
    case .change: isKeyed || use != .append
    }
  }
}

extension ShardStore {
  /// What stands against a use of a table by a statement (nil: by an entry alone); nil when nothing does. Rows appended to a table without
  /// keys meet nothing.
  public func hold(on table: TableID, for use: TableUse, by own: StatementID? = nil) -> TableHold? {
    let isKeyed = head.schema.table(table)?.isGuarded == true
    if use == .append, !isKeyed { return nil }
    let tables = isPlanted(.referencesNotHeld) ? [table] : head.schema.related(to: table)
    func isHolding(_ content: StagedContent) -> Bool {
      content.table.map { tables.contains($0) } == true && content.holds(against: use, isKeyed: isKeyed)
    }
    let holders = head.statements.open.filter { id, statement in
      id != own && statement.pieces.contains { isHolding($0.stage.content) }
    }
    // The same one whatever the order of a dictionary is.
    if let first = holders.keys.min() { return .statement(first) }
    if isPlanted(.changeIgnoresEntries) { return nil }
    return pending.contains { touches($0.body, tables, use, isKeyed) } ? .entries : nil
  }
  private func touches(_ body: EntryBody, _ tables: Set<TableID>, _ use: TableUse, _ isKeyed: Bool) -> Bool {
    switch body {
    case .batch(let record, _): return tables.contains(record.table) && isKeyed
    case .delete(let deletion): return tables.contains(deletion.table)
    case .stage(let stage):
      return stage.content.table.map { tables.contains($0) } == true && stage.content.holds(against: use, isKeyed: isKeyed)
    case .commit(let id):
      return applied.statements.open[id]?.pieces.contains {
        $0.stage.content.table.map { tables.contains($0) } == true && $0.stage.content.holds(against: use, isKeyed: isKeyed)
      } ?? false
    case .schemaBarrier, .tenantDelete: return true
    case .epochStart, .rollupCommit, .backfillCommit, .layout, .retentionDrop, .keyExpiry, .decide, .abort, .digestProbe: return false
    }
  }
  /// Whether a batch with that key took effect, or would: then its rows are not looked at. Throws as `appendBatch` does.
  public func isKnown(_ record: BatchRecord, in statement: StatementID? = nil) throws(TallyError) -> Bool {
    guard let key = record.key else { return false }
    return try known(key, record.contentHash, rows: record.rows, in: statement) != nil
  }

  /// Appends a change that is a whole statement: stages, decides and commits it in one step. `rows` are those that it adds.
  public func appendAlone(_ stage: Stage, rows: Batch?) throws(TallyError) -> [LogEntry] {
    guard case .appended(let staged) = try appendStage(stage) else {
      throw TallyError(.internalError, "statement \(stage.statement) is open already")
    }
    let participants = [Participant(shard: shard, rows: UInt64(stage.content.rows))]
    let decided = try append(.decide(Decide(statement: stage.statement, participants: participants)))
    return [staged, decided, try append(.commit(stage.statement), rows: .staged([rows]))]
  }
}
