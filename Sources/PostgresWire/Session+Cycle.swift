// Session+Cycle.swift — transactions without BEGIN: the statements of one Query message, or of the extended protocol up to a Sync.
//
// As in PostgreSQL all of them take effect or none. A statement that is alone needs no transaction, and a statement of its own is what the
// engine does fastest: so a cycle becomes a transaction only when something comes behind a statement. Of the extended protocol that is told
// by the message behind an Execute: anything but a Sync. Waiting for it costs nothing, as no answer is due before a Sync or a Flush.

internal import Capabilities
internal import Model

extension Session {
  /// Makes what follows in this cycle one transaction, unless it is one.
  func beginImplicit() async throws {
    guard block == .idle, !isImplicit else { return }
    try await engine.change(.beginImplicit)
    isImplicit = true
  }
  /// Has an implicit transaction take effect, if there is one.
  func endImplicit() async throws {
    guard isImplicit else { return }
    isImplicit = false
    try await engine.change(.commit)
  }
  /// Drops an implicit transaction, if there is one.
  func dropImplicit() async {
    guard isImplicit else { return }
    isImplicit = false
    do { try await engine.change(.rollback) } catch {
      server.log.warning("postgres-rollback-failed", ("peer", client.peer), ("reason", "\(error)"))
    }
  }
  /// Ends a cycle of the extended protocol.
  func sync() async throws {
    do {
      try await endImplicit()
      try await ready()
    } catch { try await answer(error, false) }
  }
  /// Whether a statement belongs to a transaction that others of its message belong to.
  static func isTransactional(_ statement: EngineStatement) -> Bool {
    switch statement.kind {
    case .engine, .execute, .declare, .fetch, .move: true
    default: false
    }
  }
  /// Whether the client has sent a Sync next; waits for its next message.
  func isSyncNext() async -> Bool {
    while true {
      if let type = nextType { return type == UInt8(ascii: "S") }
      switch client.inbox.take(withinStatement: false) {
      case .bytes(let chunks): push(chunks)
      // Nobody will say that it is to last.
      case .ended, .stopped: return false
      case .nothing: await client.inbox.wait(until: .distantFuture, server.clock)
      }
      if Task.isCancelled { return false }
    }
  }
}
