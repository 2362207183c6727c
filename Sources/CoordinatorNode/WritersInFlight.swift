// WritersInFlight.swift — statements and transactions of this coordinator that may be bringing rows of a table with numbers of its
// sequences.
//
// Numbers are given to rows here, before the rows are anywhere else. So whoever wants to know that no row with a lower number is still to
// come (LOCK TABLE, the window of a user's rollup) has the numbers at hand forgotten on every coordinator, and then waits for those who
// had some before. A statement is counted from before it is planned; until its plan tells its table it may be any.
import Capabilities
import Model
internal import Synchronization

final class WritersInFlight: Sendable {
  /// Somebody who waits for writers to end.
  private struct Waiter {
    var left: Set<UInt64>
    var tables: Set<TableID>
    var gone: Promise<Void>
  }
  private struct State {
    var last: UInt64 = 0
    /// Tables by ticket; nil is not known yet.
    var writers: [UInt64: Set<TableID>?] = [:]
    var waiters: [UInt64: Waiter] = [:]

    /// A writer is none of the tables but those (nil: of any); gives who waits for nobody any more.
    mutating func release(_ ticket: UInt64, _ tables: Set<TableID>? = nil) -> [Promise<Void>] {
      var gone: [Promise<Void>] = []
      for (id, waiter) in waiters.sorted(by: { $0.key < $1.key }) {
        var waiter = waiter
        if let tables, !waiter.tables.isDisjoint(with: tables) { continue }
        guard waiter.left.remove(ticket) != nil else { continue }
        waiters[id] = waiter.left.isEmpty ? nil : waiter
        if waiter.left.isEmpty { gone.append(waiter.gone) }
      }
      return gone
    }
  }
  private let state = Mutex(State())

  /// Counts a writer whose tables are not known.
  func begin() -> UInt64 {
    state.withLock { state in
      state.last += 1
      state.writers[state.last] = .some(nil)
      return state.last
    }
  }
  /// Tells what a writer brings rows of.
  func know(_ ticket: UInt64, _ tables: Set<TableID>) {
    let gone = state.withLock { state -> [Promise<Void>] in
      guard state.writers[ticket] != nil else { return [] }
      state.writers[ticket] = .some(tables)
      return state.release(ticket, tables)
    }
    for promise in gone { promise.fulfil(()) }
  }
  /// A writer has ended; inside of a transaction, whoever waits for it waits for that from now on, which may have its rows.
  func end(_ ticket: UInt64, into transaction: UInt64? = nil) {
    let gone = state.withLock { state -> [Promise<Void>] in
      if let transaction, let known = state.writers[transaction] {
        for (id, waiter) in state.waiters where waiter.left.contains(ticket) {
          if known.map({ !$0.isDisjoint(with: waiter.tables) }) ?? true { state.waiters[id]?.left.insert(transaction) }
        }
      }
      state.writers[ticket] = nil
      return state.release(ticket)
    }
    for promise in gone { promise.fulfil(()) }
  }
  /// Waits until those who are there now and may bring rows of the tables have ended, but for `own`. Throws what `late` says at the
  /// deadline.
  func untilGone(
    of tables: Set<TableID>,
    but own: Set<UInt64>,
    until deadline: Instant,
    _ clock: any Clock,
    late: @escaping @Sendable () -> TallyError
  ) async throws {
    let gone = Promise<Void>()
    let id = state.withLock { state -> UInt64? in
      let left = state.writers.filter { ticket, known in !own.contains(ticket) && (known.map { !$0.isDisjoint(with: tables) } ?? true) }
      guard !left.isEmpty else { return nil }
      state.last += 1
      state.waiters[state.last] = Waiter(left: Set(left.keys), tables: tables, gone: gone)
      return state.last
    }
    guard let id else { return }
    // Waiting for a promise is not ended by time or cancellation.
    let alarm = clock.alarm(at: deadline) { gone.fail(late()) }
    defer {
      alarm.cancel()
      state.withLock { $0.waiters[id] = nil }
    }
    try await withTaskCancellationHandler {
      try await gone.value
    } onCancel: {
      gone.fail(CancellationError())
    }
  }
}
