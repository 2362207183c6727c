// LockFlow.swift — FOR UPDATE and LOCK TABLE: tables of shards that a transaction holds, and writers that it waits for.
//
// A table with keys, local or of reference, is held on its shards by an empty change, which is in their logs (Storage/ShardStore+Locks).
// Rows of append-only tables are added without looking at others, and nobody can hold that up: LOCK of such a table waits for the writers
// in flight on all coordinators, so that of the numbers given so far every row is there that will ever be, and later rows have greater
// ones.
import Capabilities
import ClientCore
import Consensus
import Model
import Planning
import RPC
import Wire

extension Coordinator {
  /// LOCK TABLE.
  func lock(_ locks: [TableLock], _ ticket: UInt64?, in transaction: OpenTransaction) async throws {
    guard !locks.isEmpty else { return }
    try await awaitWriters(of: locks, but: Set([ticket, transaction.ticket].compactMap { $0 }), transaction)
    for lock in locks where lock.isHeld { try await hold(lock, in: transaction) }
  }
  /// Holds a table against other transactions until the end of this one: an empty change of it is staged on each shard, in their order, so
  /// that two that hold the same ones do not wait for each other. Throws 55P03 after NOWAIT.
  func hold(_ lock: TableLock, in transaction: OpenTransaction) async throws {
    guard let group = lock.table.distribution.group else { return }
    let snapshot = await log.catalog.snapshot
    let all = (snapshot.group(group)?.shards ?? []).compactMap { snapshot.shard($0) }
    let shards = all.filter { shard in
      if case .one(let hash) = lock.shards { shard.lower <= hash && hash <= shard.upper } else { true }
    }
    let program = ModifyFormat.encode(ModifyProgram(table: lock.table, source: .rows, action: .insert(.fail)))
    for shard in shards.map(\.id).sorted() {
      do { try await transaction.hold(shard, program: program, waits: lock.waits) } catch let error as TallyError
        where error.sqlState == "40001" && !lock.waits
      { throw Self.notObtained(lock) }
    }
  }
  private static func notObtained(_ lock: TableLock) -> TallyError {
    let what = lock.isWhole ? "lock on relation" : "lock on row in relation"
    return TallyError(.invalid, "could not obtain \(what) \"\(lock.table.name)\"", sqlState: "55P03")
  }

  private func awaitWriters(of locks: [TableLock], but own: Set<UInt64>, _ transaction: OpenTransaction) async throws {
    let clock = surroundings.clock
    let tables = Set(locks.map(\.table.id))
    let waits = locks[0].waits
    let (patience, isChosen) = transaction.patience
    let limit = waits ? clock.now + patience : clock.now
    let late = { @Sendable [first = locks[0]] () -> TallyError in
      if !waits { return Self.notObtained(first) }
      if isChosen { return OpenTransaction.lockTimeout }
      return TallyError(
        .invalid,
        "writers of table \"\(first.table.name)\" did not end in time",
        sqlState: "40001",
        hint: "Repeat the transaction, or SET lock_timeout."
      )
    }
    let standing = await log.standing
    let message = Message.awaitWriters(AwaitWriters(tables: Array(tables)))
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.forgetNumbers(of: tables, but: own, until: limit, late: late) }
      for member in standing.members.all where member.id != standing.member {
        group.addTask {
          guard let address = NetworkAddress(member.address) else { return }
          do {
            // One that runs nothing answers at once, whatever the limit.
            _ = try await self.pool.call(message, to: address, deadline: max(limit, clock.now + .seconds(1)))
          } catch is DeadlineExceeded { throw late() } catch let error as TallyError where error.status == .timedOut {
            throw late()
          } catch var error
            as TallyError where error.isRetryable
          {
            error.detail = "Rows that coordinator \"\(member.name)\" is writing cannot be waited for without it."
            throw error
          }
        }
      }
      try await group.waitForAll()
    }
  }
  /// Forgets the numbers at hand of some tables, and waits for who may have some.
  func forgetNumbers(
    of tables: Set<TableID>,
    but own: Set<UInt64>,
    until limit: Instant,
    late: @escaping @Sendable () -> TallyError
  ) async throws {
    let clock = surroundings.clock
    // All of them: which sequences a table's rows are numbered by is not told by its definition alone.
    numberBlocks.voidAll()
    try await writers.untilGone(of: tables, but: own, until: limit, clock, late: late)
  }
  /// Answers another coordinator that asks for it.
  func answer(_ request: AwaitWriters, deadline: Instant) async throws {
    try await forgetNumbers(of: Set(request.tables), but: [], until: deadline) {
      TallyError(.timedOut, "writers did not end in time")
    }
  }
}
