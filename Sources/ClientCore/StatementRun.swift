// StatementRun.swift — runs one statement over several shards: opens it where it will be decided, stages, decides, commits (DESIGN §7).
//
// A coordinator runs INSERT this way, a client a load that is to be stored whole or not at all. Who stops in between leaves nothing: the
// deciding shard aborts what it has not decided, and its decision is carried out without the runner. Requests are repeated while failures
// can pass; each may be.
//
// A transaction block keeps a run open over several of its client's statements: `open`, parts (StatementRun+Parts), then `commit` or
// `abandon`;
// meanwhile somebody runs `keepWord`.
//
// Order, on which all or nothing rests: every Stage is durable before Decide is sent; a Commit goes out only after the decision was
// answered, to the deciding shard last; an Abort goes to the deciding shard first, whose answer says whether it came too late.

import Bytes
public import Capabilities
public import Model
internal import Synchronization
public import Wire

/// Makes requests to shards' primaries, again while failures can pass.
public protocol PrimaryCalls: Sendable {
  /// Sends a request to a shard's primary; `request` is given the primary's epoch and the catalog's version.
  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message
}

/// One statement over several shards.
public final class StatementRun: Sendable {
  /// What the shards are known to hold of it.
  struct State {
    /// Rows by ordinal, by shard; shards and parts that hold none are there as well.
    var parts: [ShardID: [Int: UInt64]] = [:]
    /// The highest ordinal that a shard was sent, answered or not.
    var lastOrdinals: [ShardID: Int] = [:]
    var written = SessionToken()
    var mayBeDecided = false
    /// The part that is its key: it takes effect though it has no rows, so that a repeated one is known.
    var key: (shard: ShardID, ordinal: Int)?
    /// Rows by shard.
    var rows: [ShardID: UInt64] { parts.mapValues { $0.values.reduce(0, +) } }
    /// Shards that may hold parts, answered or not.
    var touched: Set<ShardID> { Set(parts.keys).union(lastOrdinals.keys) }
  }
  /// The statement.
  public let id: StatementID
  /// The shard that decides.
  public let decider: ShardID
  let doneBelow: @Sendable () -> UInt64
  let calls: any PrimaryCalls
  private let clock: any Clock
  private let deadline: Instant
  private let patience: Duration
  let state = Mutex(State())
  /// Pause between two words to the deciding shard.
  private static let wordInterval = Duration.seconds(1)

  /// Makes a run; `decider` is the shard that decides, by custom the lowest, `doneBelow` the lowest number of the session that has not
  /// ended; every request is given up after `patience` or at the deadline.
  public init(
    _ id: StatementID,
    decider: ShardID,
    doneBelow: @escaping @Sendable () -> UInt64,
    calls: any PrimaryCalls,
    clock: any Clock,
    deadline: Instant = .distantFuture,
    patience: Duration = .seconds(3600)
  ) {
    self.id = id
    self.decider = decider
    self.doneBelow = doneBelow
    self.calls = calls
    self.clock = clock
    self.deadline = deadline
    self.patience = patience
  }
  var giveUp: Instant { min(deadline, clock.now + patience) }
  /// Whether Decide was sent: then an error leaves open what becomes of the statement.
  public var mayBeDecided: Bool { state.withLock { $0.mayBeDecided } }

  /// Where the shards' logs hold what took effect, for the session of who runs it.
  public var written: SessionToken { state.withLock { $0.written } }

  /// Opens the statement, lets `body` stage, then decides and commits; returns the rows that took effect.
  ///
  /// After an error `abandon` ends the statement; without it the shards do so within seconds. Throws 08007 when the outcome is open.
  public func carryOut(_ body: (StatementRun) async throws -> Void) async throws -> UInt64 {
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { try await self.keepWord() }
      defer { group.cancelAll() }
      try await open()
      try await body(self)
    }
    return try await commit()
  }
  /// Opens the statement on its deciding shard. From then on somebody must run `keepWord`, else its shards abort it within seconds.
  public func open() async throws { try await stage(decider, ordinal: 0, .nothing) }
  /// Decides and commits what was staged; returns the rows that took effect. A statement without any is aborted.
  ///
  /// After an error `abandon` ends it, as `carryOut` says.
  public func commit() async throws -> UInt64 {
    let (staged, hasKey) = state.withLock { ($0.rows, $0.key != nil) }
    if !hasKey, staged.values.allSatisfy({ $0 == 0 }) {
      try await abandon()
      return 0
    }
    try Task.checkCancellation()
    return try await decide(staged)
  }

  private func decide(_ staged: [ShardID: UInt64]) async throws -> UInt64 {
    let (id, decider) = (id, decider)
    let participants = staged.sorted { $0.key < $1.key }.map { DecideStatement.Participant(shard: $0.key, rows: $0.value) }
    if isPlanted(.commitBeforeDecision) {
      for (shard, rows) in staged where shard != decider { try await end(shard, commits: true, rows: rows) }
    }
    state.withLock { $0.mayBeDecided = true }
    do {
      let outcome = try answer(
        try await calls.call(decider, giveUp: giveUp) { epoch, _ in
          .decideStatement(DecideStatement(shard: decider, epoch: epoch, statement: id, participants: participants))
        },
        "decideStatement"
      ).outcome
      guard outcome == .committed else {
        state.withLock { $0.mayBeDecided = false }
        throw TallyError(
          .invalid,
          "statement \(id) was aborted",
          sqlState: "40001",
          detail: "Its deciding shard had not heard of it for too long.",
          hint: "Repeat the statement."
        )
      }
      try await commit(staged)
    } catch let error as TallyError where error.isRetryable {
      if isPlanted(.unknownOutcomeIsFailure) { throw TallyError(.invalid, "statement \(id) was aborted", sqlState: "40001") }
      throw TallyError(
        .unknownOutcome,
        "statement \(id) may or may not have taken effect: \(error.message)",
        hint: "Its shards settle it within seconds of being reachable: whole or not at all. tally statement list shows open ones.",
        node: error.node
      )
    }
    return staged.values.reduce(0, +)
  }
  /// Commits on all shards, the deciding one last.
  private func commit(_ staged: [ShardID: UInt64]) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for (shard, rows) in staged.sorted(by: { $0.key < $1.key }) where shard != decider {
        group.addTask { try await self.end(shard, commits: true, rows: rows) }
      }
      try await group.waitForAll()
    }
    try await end(decider, commits: true, rows: staged[decider] ?? 0)
  }
  @discardableResult private func end(_ shard: ShardID, commits: Bool, rows: UInt64) async throws -> StatementOutcome {
    let (id, below) = (id, doneBelow())
    let ended = try answer(
      try await calls.call(shard, giveUp: commits ? giveUp : .distantFuture) { epoch, _ in
        .endStatement(
          EndStatement(shard: shard, epoch: epoch, statement: id, doneBelow: below, commits: commits, rows: rows)
        )
      },
      "endStatement"
    )
    guard !commits || ended.outcome == .committed else {
      throw TallyError(.internalError, "statement \(id) was decided, but shard \(shard) aborted it")
    }
    state.withLock { $0.written.note(ShardPoint(shard: shard, point: ended.point)) }
    return ended.outcome
  }

  /// Ends the statement everywhere after an error: aborts it, or, when it had been decided, completes it. May be called again.
  public func abandon() async throws {
    let (staged, touched) = state.withLock { ($0.rows, $0.touched) }
    if try await end(decider, commits: false, rows: 0) == .committed {
      return try await commit(staged)
    }
    try await withThrowingTaskGroup(of: Void.self) { group in
      // One that did not answer may hold a part all the same, and lock its table by it.
      for shard in touched.sorted() where shard != decider {
        group.addTask { try await self.end(shard, commits: false, rows: 0) }
      }
      try await group.waitForAll()
    }
  }

  /// Tells the deciding shard again and again that the statement is being run, until cancelled.
  public func keepWord() async throws {
    let (id, decider) = (id, decider)
    while true {
      try await clock.sleep(for: Self.wordInterval)
      do {
        _ = try await calls.call(decider, giveUp: clock.now + Self.wordInterval) { epoch, _ in
          .askStatement(AskStatement(shard: decider, epoch: epoch, statement: id, isWord: true))
        }
      } catch let error as TallyError where error.isRetryable {
        // The next word may come through; if none does, staging or Decide will be refused.
        continue
      }
    }
  }
  private func answer(_ reply: Message, _ request: String) throws -> StatementAnswer {
    guard case .statementAnswer(let answer) = reply else { throw Self.unexpected(reply, request) }
    return answer
  }
  static func unexpected(_ reply: Message, _ request: String) -> TallyError {
    TallyError(.protocolViolation, "a \(request) request was answered by \(reply.name)")
  }
}
