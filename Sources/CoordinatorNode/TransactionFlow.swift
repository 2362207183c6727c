// TransactionFlow.swift — statements inside of a transaction (OpenTransaction), and the statements over shards that are held open for them.
//
// A held statement is a task of the coordinator, not of its client's statement: it gives word to the deciding shard until the client ends
// the transaction or goes, for an hour at most, and then decides it or aborts it. So a cancelled COMMIT is still one or the other, and
// told as what it is. A coordinator that dies leaves the statement to its shards, which abort it within seconds.
//
// Definitions of a block are drafted (DraftFlow); those of temporary objects are made at once (TemporaryFlow). One that cannot be drafted
// takes effect at COMMIT, by the way of one that is sent alone; in a message of several statements without BEGIN they all do so at once.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Planning
import SQL
import Wire

extension Coordinator {
  /// Longest that a transaction may hold its shards' statement open.
  static let transactionPatience = Duration.seconds(3600)
  /// Statements that may be held open at once.
  static let heldMax = 1024

  /// Begins a transaction; nothing is sent before its first write.
  public nonisolated func beginTransaction(
    now: Int64,
    isImplicit: Bool = false,
    temporary: TemporaryObjects? = nil
  ) -> OpenTransaction {
    OpenTransaction(self, now: now, isImplicit: isImplicit, temporary: temporary)
  }

  // MARK: Statements

  /// Carries a statement out inside of a transaction; nil for what is done there as anywhere: queries.
  func carryOut(
    _ bound: BoundStatement,
    _ request: StatementRequest,
    in transaction: OpenTransaction
  ) async throws -> StatementReply? {
    guard request.batchKey == nil else {
      throw TallyError.sql(
        "0A000",
        "tally.batch_key in a transaction block is not supported",
        hint: "Run the INSERT by itself (autocommit): a key is one INSERT's."
      )
    }
    switch bound {
    case .insert(let plan):
      if plan.rows.isEmpty { return StatementReply(tag: "INSERT 0 0") }
      return try await insert(try Self.rows(of: plan), plan.table, SessionToken(), in: transaction)
    case .insertSelect:
      let (plan, answer) = try await selectToInsert(request)
      let seen = SessionToken(answer.shards.map { ShardPoint(shard: $0.shard, point: $0.point) })
      return try await insert(try await checked(plan, answer.batches), plan.table, seen, in: transaction)
    case .delete(let plan):
      let rows = try await delete(plan, in: transaction)
      return StatementReply(tag: plan.isTruncate ? "TRUNCATE TABLE" : "DELETE \(rows)", rows: UInt64(rows))
    case .lock(let locks):
      try await lock(locks, request.ticket, in: transaction)
      return StatementReply(tag: "LOCK TABLE")
    case .select(let plan):
      // What is read then is what was held before.
      if let lock = plan.lock { try await hold(lock, in: transaction) }
      return nil
    case .define(let plan) where !plan.truncations.isEmpty:
      for truncation in plan.truncations { _ = try await delete(truncation, in: transaction) }
      return StatementReply(tag: plan.tag)
    case _ where bound.isDefinition:
      switch try await defineTemporary(bound, request, in: transaction) {
      case .atOnce: return nil
      case .done(let reply): return reply
      case .other: break
      }
      if transaction.isImplicit {
        try transaction.checkAlone()
        return nil
      }
      if try await beginDraft(for: bound, in: transaction) { return nil }
      try transaction.keep(request)
      // What it is called is its client's to know; its own tag comes at COMMIT.
      return StatementReply(tag: "")
    default: return nil
    }
  }
  private func insert(
    _ batches: [Batch],
    _ table: TableSchema,
    _ seen: SessionToken,
    in transaction: OpenTransaction
  ) async throws -> StatementReply {
    let table = try await placed(table)
    let snapshot = await log.catalog.snapshot
    let parts = try await self.parts(of: batches, table, snapshot)
    let rows = try await transaction.stage([TableRows(table: table.id, parts: parts)])
    return StatementReply(tag: "INSERT 0 \(rows)", rows: UInt64(rows), seen: seen)
  }
  func delete(_ plan: DeletePlan, in transaction: OpenTransaction) async throws -> Int {
    // Its primaries name rows that are committed: neither the transaction's own rows, nor do they know what it has deleted already.
    guard !transaction.changed.contains(plan.table.id) else {
      throw TallyError.sql(
        "0A000",
        "\(plan.isTruncate ? "TRUNCATE" : "DELETE") of rows of table \"\(plan.table.name)\" after writing it in the same transaction"
          + " is not supported",
        hint: plan.isTruncate ? "DELETE without a condition does the same." : "Repeat the transaction."
      )
    }
    let (shards, fragment) = await named(by: plan)
    return try await transaction.delete(shards, table: plan.table.id, fragment: fragment)
  }
  /// Takes rows that a client copies into a table as part of a transaction.
  func copyIn(
    _ plan: CopyInPlan,
    _ intake: CopyIntake,
    in transaction: OpenTransaction
  ) async throws -> CopyOutcome {
    guard let first = try await intake.first() else { return CopyOutcome(rows: 0, seen: SessionToken()) }
    let table = plan.table.id
    let rows = try await intake.run(from: first.parsed) { parsed in
      _ = try await transaction.stage([TableRows(table: table, parts: parsed.parts)])
    }
    return CopyOutcome(rows: rows, seen: SessionToken())
  }

  // MARK: Held statements

  /// Opens a statement for a transaction and holds it.
  func hold(decider: ShardID) async throws -> HeldStatement {
    guard heldCount + heldStatements.count < Self.heldMax else { throw Self.tooMany }
    let run = try await newRun(decider: decider, deadline: .distantFuture)
    let held = HeldStatement(run: run, ticket: writers.begin())
    do {
      try await run.open()
      guard heldStatements.trySend(held) else { throw Self.tooMany }
    } catch {
      writers.end(held.ticket)
      endApart(run)
      throw error
    }
    return held
  }
  /// Keeps the statements of transactions until these end, until cancelled.
  func keepTransactions() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      while let held = try await heldStatements.receive() {
        heldCount += 1
        group.addTask { await self.keep(held) }
      }
    }
  }
  private struct RolledBack: Error {}
  private func keep(_ held: HeldStatement) async {
    defer {
      heldCount -= 1
      writers.end(held.ticket)
    }
    let run = held.run
    // Waiting for a promise is not ended by time or by the coordinator's end.
    let alarm = surroundings.clock.alarm(at: surroundings.clock.now + Self.transactionPatience) { held.ending.fail(Self.tooLate) }
    defer { alarm.cancel() }
    do {
      let commits = try await withTaskCancellationHandler {
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { try await run.keepWord() }
          defer { group.cancelAll() }
          return try await held.ending.value
        }
      } onCancel: {
        held.ending.fail(CancellationError())
      }
      guard commits else { throw RolledBack() }
      _ = try await run.commit()
      openStatements.remove(run.id.number)
      held.outcome.fulfil(run.written)
    } catch {
      held.outcome.fail(error)
      do {
        try await run.abandon()
        openStatements.remove(run.id.number)
      } catch { endApart(run) }
    }
    held.released.fulfil(())
  }
  private static let tooMany = TallyError(
    .overloaded,
    "too many transactions are open",
    sqlState: "53300",
    hint: "COMMIT or ROLLBACK some."
  )
  private static let tooLate = TallyError(
    .timedOut,
    "a transaction was open for too long and was rolled back",
    sqlState: "25P03",
    hint: "COMMIT within \(transactionPatience.components.seconds / 60) minutes of the first write: shards keep what it holds meanwhile."
  )
}
