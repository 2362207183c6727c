// Catalog+Moves.swift — tables whose rows are being moved to other shards (create_distributed_table of a table that has rows).
//
// A move has the table as it was, fenced: its shards take no further changes of it, which stands in their logs by the schema barrier; and
// the table as it will be, under a number of its own, whose rows workers keep and no name finds, like those of drafts. `finishMove` puts
// the new one in the old one's place in one step: before it everybody reads the old rows, after it the new ones, and what the workers hold
// of the other is nobody's and goes as a dropped table's does. `cancelMove` lifts the fence and forgets the new one; a later try has
// another number, so that nothing of the first can come back. Clients know the table by the number that it was created with
// (`TableSchema.objectID`). A new leader cancels all moves: their flow ended with the coordinator it was on (GroupFlow).
import Model

/// Where a table's rows go.
enum MoveTarget: Equatable, Sendable {
  /// Spread by a column over a group's shards; `placement` as in `distributeTable`.
  case distributed(key: Int, group: CatalogCommand.GroupChoice, placement: [[NodeID]], copies: Int)
  /// To the one shard of local or of reference tables; `placement` as in `placeTable`.
  case single(isReference: Bool, placement: [NodeID], copies: Int)
}

/// A table that is being moved.
struct TableMove: Sendable {
  var source: TableID
  /// The table as it will be.
  var target: TableSchema
}

extension Catalog {
  /// Tables that are moved at a time.
  static let movesMax = 64
  /// What is taken from a named producer's time once its table's rows were moved: none of its batches' keys is known where the rows are
  /// now. The time counts on, so that it is remembered as long as others.
  static let moveOffset = Int64(1) << 62
  /// Whether a named producer began before its table's rows were moved. (The first version wrote `Int64.min / 2` for all.)
  static func isBeforeMove(_ time: Int64) -> Bool { time < -(moveOffset / 2) }
  /// When a named producer began, moved or not; nil when only the first version knew.
  static func begun(_ time: Int64) -> Int64? {
    if time == Int64.min / 2 { return nil }
    return isBeforeMove(time) ? time + moveOffset : time
  }
  /// The refusal of what was bound to a number that is gone by now: names are looked up before, so another statement was first.
  static func gone(_ what: String) -> TallyError {
    .sql("40001", "\(what) was dropped, or moved to other shards, meanwhile", hint: "Repeat the statement.")
  }
  /// Refuses to spread a table by a column that is dropped by now, or that a key of it lacks: what was bound may have changed since.
  static func requireKey(_ key: Int, of table: TableSchema) throws(TallyError) {
    guard key < table.columns.count else { throw TallyError(.internalError, "key column \(key)") }
    guard !table.columns[key].isDropped, table.keys.allSatisfy({ $0.columns.contains(key) }) else {
      throw .sql("40001", "table \"\(table.name)\" was changed by another statement", hint: "Repeat the statement.")
    }
  }

  /// Fences a table and gives the number of the one that will be in its place.
  mutating func beginMove(_ source: TableID, to target: MoveTarget) throws(TallyError) -> TableID {
    guard let at = snapshot.tables.firstIndex(where: { $0.id == source }) else { throw Self.gone("the table") }
    let table = snapshot.tables[at]
    try requireStill(table)
    guard moves.count < Self.movesMax else {
      throw .sql("54000", "\(Self.movesMax) tables are being moved already", hint: "Wait for some.")
    }
    guard let home = table.distribution.group else { throw TallyError(.staleCatalog, "table \(table.name) has no rows to be moved") }
    // Rows that were read before a deletion would come back where that does not reach.
    if tenantRecords.contains(where: { $0.group == home && $0.outcome == nil }) {
      throw TallyError(
        .unavailable,
        "tenants of table \"\(table.name)\" are being deleted",
        sqlState: "55006",
        hint: "Repeat the statement."
      )
    }
    try requireFree(of: table, "moved")
    var next = table
    switch target {
    case .distributed(let key, let choice, let placement, let copies):
      try Self.requireKey(key, of: table)
      let group = try group(ofKey: table.columns[key].type, choice, placement, copies)
      next.columns[key].isNotNull = true
      next.distribution = .distributed(key: key, group: group)
    case .single(let isReference, let placement, let copies):
      next.distribution = .single(group: try singleGroup(isReference: isReference, placement, copies), isReference: isReference)
    }
    next.id = takeNumber()
    next.firstID = table.objectID
    for at in next.references.indices where next.references[at].table == source { next.references[at].table = next.id }
    snapshot.tables[at].isFenced = true
    moves[next.id] = TableMove(source: source, target: next)
    tellDrafted()
    return next.id
  }
  /// Puts the new table in the place of the old one. Throws when the move was cancelled, or the table dropped, meanwhile.
  mutating func finishMove(_ id: TableID) throws(TallyError) {
    guard let move = moves[id] else {
      throw .sql("40001", "the move of the table was given up as another coordinator leads", hint: "Repeat the statement.")
    }
    guard let at = snapshot.tables.firstIndex(where: { $0.id == move.source }) else {
      throw .sql("42P01", "relation \"\(move.target.name)\" was dropped meanwhile")
    }
    try requireFree(of: snapshot.tables[at], "moved")
    snapshot.tables.remove(at: at)
    moves[id] = nil
    snapshot.tables.append(move.target)
    snapshot.tables.sort { $0.id < $1.id }
    for at in snapshot.sequences.indices where snapshot.sequences[at].owner?.table == move.source {
      snapshot.sequences[at].owner?.table = id
    }
    forgetKeys(ofProducersOf: move.source, now: id)
    tellDrafted()
  }
  /// Lifts a table's fence; nothing when there is no such move any more.
  mutating func cancelMove(_ id: TableID) {
    guard let move = moves.removeValue(forKey: id) else { return }
    if let at = snapshot.tables.firstIndex(where: { $0.id == move.source }) { snapshot.tables[at].isFenced = false }
    tellDrafted()
  }
  /// Refuses a change of a table that is being moved.
  func requireStill(_ table: TableSchema) throws(TallyError) {
    guard table.isFenced else { return }
    throw .sql(
      "55006",
      "the rows of table \"\(table.name)\" are being moved to other shards",
      hint: "Repeat the statement when create_distributed_table, or what else moves them, has ended."
    )
  }
  /// Refuses to take a table to other shards when references bind it to others, or a rollup counts its rows.
  private func requireFree(of table: TableSchema, _ what: String) throws(TallyError) {
    let bound =
      table.references.first { $0.table != table.id }
      ?? snapshot.tables.lazy.filter { $0.id != table.id }.flatMap(\.references).first { $0.table == table.id }
    if let bound {
      throw .sql("0A000", "table \"\(table.name)\", which foreign key constraint \"\(bound.name)\" binds to another, cannot be \(what)")
    }
    if let rollup = snapshot.rollups.first(where: { $0.source == table.id }) {
      throw .sql("0A000", "table \"\(table.name)\", whose rows rollup \"\(rollup.name)\" counts, cannot be \(what)")
    }
  }
}
