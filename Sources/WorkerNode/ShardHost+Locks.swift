// ShardHost+Locks.swift — taking a table of the shard for a change: waiting until nobody else holds it (Storage/ShardStore+Locks).
//
// What holds a table is a function of the log; in memory is only that somebody is evaluating a change of it now, between the look at the
// log and the append. Whoever waits is woken by what may have ended the hold: an applied entry, an evaluation's end, the end of the role.
import Bytes
import Capabilities
import Model
import Replication
import Storage

/// Those who wait for tables of one shard.
struct TableWaits {
  /// Tables a change of which is being evaluated.
  fileprivate var evaluated: Set<TableID> = []
  /// A flush waits for its turn: no change begins before it has had it.
  fileprivate var isResting = false
  /// In the order in which they came.
  fileprivate var waiting: [(number: UInt64, turn: Promise<Void>)] = []
  fileprivate var next: UInt64 = 0
}

extension ShardHost {
  /// Takes a table for a use; `release` must follow. Waits for others until `limit`, then throws 40001 (PostgreSQL's words), or for rows
  /// that are only appended a retryable error: nothing of them was done, and nobody's snapshot is too old.
  func hold(_ table: TableSchema, for use: TableUse, by statement: StatementID?, until limit: Instant, _ clock: any Clock) async throws {
    while true {
      try requirePrimary()
      let related = isPlanted(.referencesNotHeld) ? [table.id] : store.head.schema.related(to: table.id)
      let isEvaluated = tableWaits.isResting || !tableWaits.evaluated.isDisjoint(with: related)
      guard let hold = isEvaluated ? TableHold.entries : store.hold(on: table.id, for: use, by: statement) else { break }
      if isPlanted(.locksForgottenAtFailover), case .statement(let id) = hold, let since = primary?.start,
        store.head.statements.open[id]?.pieces.first.map({ $0.position < since }) == true
      {
        break
      }
      // An evaluation ends by itself, however long it takes.
      guard isEvaluated || clock.now < limit else { throw Self.held(table, hold, use, self.id) }
      let number = tableWaits.next
      tableWaits.next += 1
      let turn = Promise<Void>()
      tableWaits.waiting.append((number, turn))
      let alarm: (any Alarm)? = isEvaluated ? nil : clock.alarm(at: limit) { turn.fulfil(()) }
      defer {
        alarm?.cancel()
        tableWaits.waiting.removeAll { $0.number == number }
      }
      try await turn.value
      try Task.checkCancellation()
    }
    tableWaits.evaluated.insert(table.id)
  }
  /// Ends an evaluation: what was appended holds the table from here on.
  func release(_ table: TableSchema) {
    tableWaits.evaluated.remove(table.id)
    wakeTableWaits()
  }
  /// Has new changes wait until `endRest`, and waits for those under way, at most until `limit`: files do not change while one is, and
  /// where one follows the other a flush would never have its turn.
  func rest(until limit: Instant, _ clock: any Clock) async throws {
    tableWaits.isResting = true
    while primary != nil, clock.now < limit, isChanging {
      let turn = Promise<Void>()
      tableWaits.waiting.append((tableWaits.next, turn))
      tableWaits.next += 1
      let alarm = clock.alarm(at: limit) { turn.fulfil(()) }
      defer { alarm.cancel() }
      try await turn.value
    }
  }
  /// Whether a change is being evaluated, or was appended and is not applied.
  var isChanging: Bool { !tableWaits.evaluated.isEmpty || store.isDeleting }
  /// Lets changes go on.
  func endRest() {
    tableWaits.isResting = false
    wakeTableWaits()
  }
  /// Has those who wait look again.
  func wakeTableWaits() {
    let waiting = tableWaits.waiting
    tableWaits.waiting = []
    for waiter in waiting { waiter.turn.fulfil(()) }
  }
  private static func held(_ table: TableSchema, _ hold: TableHold, _ use: TableUse, _ shard: ShardID) -> TallyError {
    let who = if case .statement(let id) = hold { "Statement \(id) holds" } else { "Other changes hold" }
    let detail = "\(who) table \"\(table.name)\" on shard \(shard)."
    if use == .append {
      return TallyError(.unavailable, "table \"\(table.name)\" is being changed", detail: detail, hint: "Repeat the batch.")
    }
    return TallyError(
      .invalid,
      "could not serialize access due to concurrent update",
      sqlState: "40001",
      detail: detail,
      hint: "Repeat the transaction."
    )
  }
}
