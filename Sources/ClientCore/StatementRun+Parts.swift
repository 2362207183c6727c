// StatementRun+Parts.swift — the parts of a statement that its run stages: rows, deletions, changes by what is there, and taking parts
// back.
//
// A part has a number among its shard's, the ordinal: 0 opens the statement on its deciding shard, others rise and are never used again,
// so that a request which comes late is known for what it is. A savepoint is what the numbers were then.

public import Model
internal import Synchronization
public import Wire

/// How far a statement had come on each shard.
public struct StatementSavepoint: Sendable {
  /// The next ordinal of the shards that had any.
  let next: [ShardID: Int]
}

extension StatementRun {
  /// A number for another part of a shard; no other call gets it.
  public func nextOrdinal(on shard: ShardID) -> Int {
    state.withLock { state in
      let next = max(1, (state.lastOrdinals[shard] ?? 0) + 1)
      state.lastOrdinals[shard] = next
      return next
    }
  }
  /// Sends a part to a shard's primary.
  private func bring(
    _ shard: ShardID,
    _ ordinal: Int,
    _ message: @escaping @Sendable (StatementPart) -> Message
  ) async throws -> Message {
    let (id, decider, below) = (id, decider, doneBelow())
    return try await calls.call(shard, giveUp: giveUp) { epoch, version in
      message(
        StatementPart(
          shard: shard,
          epoch: epoch,
          version: version,
          statement: id,
          doneBelow: below,
          decider: decider,
          ordinal: ordinal
        )
      )
    }
  }
  /// Stages a part of one shard; `ordinal` is its place among the shard's, from 1.
  @discardableResult public func stage(_ shard: ShardID, ordinal: Int, _ content: StageRows.Content) async throws -> Staged {
    note(shard, ordinal)
    let reply = try await bring(shard, ordinal) { .stageRows(StageRows(part: $0, content: content)) }
    let staged = try note(reply, shard, ordinal, "stageRows")
    if case .key = content, !staged.isDuplicate { state.withLock { $0.key = (shard, ordinal) } }
    return staged
  }
  /// Has a shard's primary name the rows that a scan of a table delivers, and stage their deletion; returns how many.
  public func delete(_ shard: ShardID, ordinal: Int = 1, table: TableID, fragment: [UInt8]) async throws -> UInt64 {
    note(shard, ordinal)
    let reply = try await bring(shard, ordinal) { .deleteRows(DeleteRows(part: $0, table: table, fragment: fragment)) }
    return try note(reply, shard, ordinal, "deleteRows").rows
  }
  /// Has a shard's primary evaluate a change of rows (Planning's ModifyProgram) and stage what comes of it.
  ///
  /// Throws 40001 when another statement holds the table's rows there, for a second or, unless `waits`, now: then this statement should
  /// end and be begun anew.
  public func modify(
    _ shard: ShardID,
    ordinal: Int,
    program: [UInt8],
    rows: [UInt8] = [],
    waits: Bool = true
  ) async throws -> Modified {
    note(shard, ordinal)
    let modified = try await modify(shard, ordinal: ordinal, program, rows, isAlone: false, waits: waits)
    state.withLock { $0.parts[shard, default: [:]][ordinal] = modified.rows }
    return modified
  }
  /// Carries out a change of the deciding shard that is the whole statement, in one step there: neither `open` nor `commit` is called.
  ///
  /// After 40001 nothing was done, and the same run may try again. After another error `abandon` ends it, or finds that it took effect.
  /// Throws
  /// 08007 when the outcome is open.
  public func modifyAlone(program: [UInt8], rows: [UInt8] = []) async throws -> Modified {
    state.withLock { $0.mayBeDecided = true }
    do {
      let modified = try await modify(decider, ordinal: 1, program, rows, isAlone: true, waits: true)
      state.withLock { state in
        state.parts[decider, default: [:]][1] = modified.rows
        state.written.note(ShardPoint(shard: decider, point: modified.point))
      }
      return modified
    } catch let error as TallyError {
      guard error.isRetryable else {
        if error.status != .unknownOutcome { state.withLock { $0.mayBeDecided = false } }
        throw error
      }
      throw TallyError(
        .unknownOutcome,
        "statement \(id) may or may not have taken effect: \(error.message)",
        hint: "It took effect as a whole or not at all.",
        node: error.node
      )
    }
  }
  private func modify(
    _ shard: ShardID,
    ordinal: Int,
    _ program: [UInt8],
    _ rows: [UInt8],
    isAlone: Bool,
    waits: Bool
  ) async throws -> Modified {
    let reply = try await bring(shard, ordinal) {
      .modifyRows(ModifyRows(part: $0, isAlone: isAlone, waits: waits, program: program, rows: rows))
    }
    guard case .modified(let modified) = reply else { throw Self.unexpected(reply, "modifyRows") }
    return modified
  }

  /// How far the statement has come.
  public func savepoint() -> StatementSavepoint {
    state.withLock { StatementSavepoint(next: $0.lastOrdinals.mapValues { $0 + 1 }) }
  }
  /// Takes back what was sent since a savepoint, answered or not. May be called again after an error.
  public func rollBack(to savepoint: StatementSavepoint) async throws {
    let undone = state.withLock { state in
      state.lastOrdinals.filter { $0.value >= savepoint.next[$0.key] ?? 1 }.mapValues { $0 + 1 }
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (shard, ordinal) in undone.sorted(by: { $0.key < $1.key }) {
        group.addTask { try await self.undo(shard, ordinal: ordinal, from: savepoint.next[shard] ?? 1) }
      }
      try await group.waitForAll()
    }
  }
  /// Takes a shard's parts back, from an ordinal on.
  public func undo(_ shard: ShardID, ordinal: Int, from first: Int) async throws {
    try await stage(shard, ordinal: ordinal, .undo(from: first))
    state.withLock { state in
      state.parts[shard] = state.parts[shard]?.filter { $0.key < first || $0.key >= ordinal }
      if let key = state.key, key.shard == shard, key.ordinal >= first { state.key = nil }
    }
  }

  private func note(_ shard: ShardID, _ ordinal: Int) {
    state.withLock { $0.lastOrdinals[shard] = max($0.lastOrdinals[shard] ?? 0, ordinal) }
  }
  private func note(_ reply: Message, _ shard: ShardID, _ ordinal: Int, _ request: String) throws -> Staged {
    guard case .staged(let staged) = reply else { throw Self.unexpected(reply, request) }
    state.withLock { state in
      if staged.isDuplicate {
        // It took effect before.
        state.written.note(ShardPoint(shard: shard, point: staged.point))
      } else {
        state.parts[shard, default: [:]][ordinal] = staged.rows
      }
    }
    return staged
  }
}
