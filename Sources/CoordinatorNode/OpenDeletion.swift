// OpenDeletion.swift — a DELETE inside of a client's transaction block: staged at once, so that its number of rows is known, and decided
// when the block ends.
//
// Nothing of it is visible before. It runs as a task of the coordinator, not of the client's statement: it gives word to its deciding shard
// until the block ends, and a coordinator that dies leaves it to the shards, which abort it. Its shards keep it open meanwhile, so it has a
// time limit.
import Capabilities
public import Model
import Planning
internal import Synchronization

/// A DELETE that waits for the end of its transaction block.
public final class OpenDeletion: Sendable {
  let plan: DeletePlan
  fileprivate let staged = Promise<Int>()
  fileprivate let decision = Promise<Bool>()
  fileprivate let outcome = Promise<SessionToken>()
  init(_ plan: DeletePlan) { self.plan = plan }
  deinit { rollBack() }

  /// The table.
  public var table: TableID { plan.table.id }
  /// How many rows it names, once it is staged on all shards. A cancelled caller gives it up.
  public var rows: Int {
    get async throws {
      try await withTaskCancellationHandler {
        try await staged.value
      } onCancel: {
        rollBack()
        staged.fail(CancellationError())
      }
    }
  }
  /// Carries it out; returns where the shards' logs hold it.
  public func commit() async throws -> SessionToken {
    decision.fulfil(true)
    return try await outcome.value
  }
  /// Drops it, unless it was committed.
  public func rollBack() { decision.fulfil(false) }
}

extension Coordinator {
  /// Longest that a DELETE waits for the end of its block.
  static let deletionPatience = Duration.seconds(60)
  private struct RolledBack: Error {}

  /// Stages a DELETE of a transaction block; nil when the statement is none.
  public func openDeletion(_ request: StatementRequest) async throws -> OpenDeletion? {
    guard case .delete(let plan) = try await bind(request).plan else { return nil }
    let deletion = OpenDeletion(plan)
    guard openDeletions.trySend(StagedDeletion(plan: plan, deletion.staged, deletion.decision, deletion.outcome)) else {
      throw TallyError(.overloaded, "too many statements of transaction blocks are open", hint: "Run DELETE by itself (autocommit).")
    }
    return deletion
  }
  /// What the coordinator's task needs of a deletion; it does not keep the client's object alive, whose end is a ROLLBACK.
  struct StagedDeletion: Sendable {
    let plan: DeletePlan
    let staged: Promise<Int>
    let decision: Promise<Bool>
    let outcome: Promise<SessionToken>
    init(plan: DeletePlan, _ staged: Promise<Int>, _ decision: Promise<Bool>, _ outcome: Promise<SessionToken>) {
      self.plan = plan
      self.staged = staged
      self.decision = decision
      self.outcome = outcome
    }
  }
  /// Runs the DELETEs of transaction blocks, until cancelled.
  func keepOpenDeletions() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      while let started = try await openDeletions.receive() { group.addTask { await self.run(started) } }
    }
  }
  private func run(_ started: StagedDeletion) async {
    let limit = surroundings.clock.now + Self.deletionPatience
    // Waiting for a promise is not ended by time or by the coordinator's end.
    let alarm = surroundings.clock.alarm(at: limit) { started.decision.fail(Self.tooLate) }
    defer { alarm.cancel() }
    do {
      let written = try await withTaskCancellationHandler {
        try await delete(started.plan, deadline: .distantFuture) { rows in
          started.staged.fulfil(rows)
          guard try await started.decision.value else { throw RolledBack() }
        }
      } onCancel: {
        started.decision.fail(CancellationError())
      }
      started.outcome.fulfil(written.seen)
    } catch {
      started.staged.fail(error)
      started.outcome.fail(error)
    }
  }
  private static let tooLate = TallyError(
    .timedOut,
    "a DELETE waited too long for the end of its transaction block",
    sqlState: "25P03",
    hint: "COMMIT within \(deletionPatience.components.seconds) seconds, or run DELETE by itself (autocommit)."
  )
}
