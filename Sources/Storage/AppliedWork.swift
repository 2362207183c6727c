// AppliedWork.swift — what an entry does to the rows that rollups count, as facts for a judge (WorkerNode/ShardWitness).
//
// They are told just before the entry is applied; nobody is told outside of simulations, and then an entry costs a comparison with nil.
// They say what I7 and I8 of protocol.md §2.5 are about: which rows a log holds, which of them each delta took in, and which go.
public import Model

/// One thing that an entry does.
public enum AppliedWork: Equatable, Sendable {
  /// So many rows of a raw table come.
  case brings(TableID, rows: Int)
  /// These are the rollups from here on, each with its table.
  case defines([TableID: TableID])
  /// A rollup takes in the rows above `from` up to `to`, which were so many.
  case rolls(TableID, from: LogPosition, to: LogPosition, rows: Int)
  /// A rollup is covered from there on; `Int64.min` ends its backfill.
  case backfills(TableID, from: Int64)
  /// Rows of a raw table are deleted, none of them above a position.
  case removes(TableID, through: LogPosition)
  /// Rows of a raw table expire, none of them above a position.
  case expires(TableID, through: LogPosition)
  /// All rows of a tenant go, taken in or not.
  case erases
}

extension ShardStore {
  /// What applying the entry that is next would do.
  func work(of body: EntryBody) -> [AppliedWork] {
    switch body {
    case .batch(let record, _): return [.brings(record.table, rows: record.rows)]
    case .commit(let id):
      guard let statement = applied.statements.open[id] else { return [] }
      let gone = statement.ownDeleted
      var work: [AppliedWork] = []
      for piece in statement.pieces {
        let (ordinal, content) = (piece.stage.ordinal, piece.stage.content)
        if let deletion = content.deletion { work.append(.removes(deletion.table, through: deletion.through)) }
        guard content.added > 0, let table = content.table, applied.schema.table(table) != nil else { continue }
        work.append(.brings(table, rows: content.added - (gone[ordinal]?.count ?? 0)))
      }
      return work
    case .rollupCommit(let delta): return [.rolls(delta.rollup, from: delta.from, to: delta.to, rows: Int(delta.rowsConsumed))]
    case .backfillCommit(let delta): return [.backfills(delta.rollup, from: delta.from)]
    case .schemaBarrier(let schema): return [.defines(Dictionary(schema.rollups.map { ($0.id, $0.source) }) { $1 })]
    case .delete(let deletion): return [.removes(deletion.table, through: deletion.through)]
    case .retentionDrop(let drop):
      guard applied.schema.table(drop.relation) != nil, let last = highest(of: drop) else { return [] }
      return [.expires(drop.relation, through: last)]
    case .tenantDelete: return [.erases]
    case .epochStart, .layout, .keyExpiry, .stage, .decide, .abort, .digestProbe: return []
    }
  }
  /// The highest position of a row in the sections that expire; nil when none of them is here.
  func highest(of drop: RetentionDrop) -> LogPosition? {
    relations[drop.relation]?.sections.filter { drop.drops.contains($0.reference) }.map(\.section.summary.high).max()
  }
}
