// OpenTransaction.swift — a client's transaction on its coordinator: BEGIN … COMMIT, the statements of one message, a function's call.
//
// Its writes are parts of one statement over the shards (ClientCore/StatementRun), staged as they come: durable, invisible to others, read
// by its own queries (`Execute.statement`). The first write opens the statement, on the shard that will decide; before that a transaction
// costs nothing and its end does nothing. Savepoints are marks in the statement's ordinals.
//
// Isolation is READ COMMITTED: every statement reads what was committed when it began, and what the transaction wrote itself. Rows of
// tables with keys that it changes stay locked until its end, a table of a shard at a time; a conflict is 40001, nothing is done twice or
// lost.
//
// Definitions of a block are a draft in the catalog's log (Catalog+Drafts), seen by its own statements; COMMIT publishes it before the
// rows are committed. Some cannot be drafted: such a one waits here until COMMIT, alone (TransactionFlow).
// Who holds the shards' statement open meanwhile, and ends it when the client does not: TransactionFlow.
import Bytes
import Capabilities
import ClientCore
import Columns
public import Model
internal import Synchronization
import Wire

/// A place in a transaction that it can return to.
public struct TransactionMark: Sendable {
  fileprivate var statement: StatementID?
  fileprivate var point: StatementSavepoint?
  fileprivate var changed: Set<TableID>
  fileprivate var hasDeferred: Bool
  /// How many changes of temporary objects came before it, and how many drafted definitions.
  fileprivate var temporary: Int
  fileprivate var drafted: Int
}

/// A statement that is held open for a transaction, as the coordinator's task and the transaction share it. The task does not keep the
/// transaction alive, whose end is a ROLLBACK.
struct HeldStatement: Sendable {
  let run: StatementRun
  /// Among the writers in flight.
  let ticket: UInt64
  /// How it shall end: true commits.
  let ending = Promise<Bool>()
  /// Where the shards' logs hold it, or why it has no effect.
  let outcome = Promise<SessionToken>()
  /// It has ended on its shards, or that takes too long to be waited for.
  let released = Promise<Void>()
}

/// A client's transaction. One statement at a time uses it; parts of that may be staged at the same time.
public final class OpenTransaction: Sendable {
  private struct State {
    var held: HeldStatement?
    /// Set while the first write opens the statement.
    var opening: Promise<HeldStatement>?
    var changed: Set<TableID> = []
    /// Those it ever did, also where that was taken back.
    var touched: Set<TableID> = []
    /// Whether it may hold what others wait for.
    var holds = false
    var lockPatience = OpenTransaction.defaultPatience
    var isPatienceChosen = false
    var deferred: StatementRequest?
    var draft: DraftID?
    /// Definitions in it.
    var drafted = 0
    var savepoints: [(name: String, mark: TransactionMark)] = []
    /// What it did to temporary objects.
    var temporary: [TemporaryChange] = []
    var isImplicit: Bool
    var isOver = false
  }
  /// What `now()` is in all its statements.
  public let now: Int64
  let coordinator: Coordinator
  /// The temporary objects of its session.
  let temporary: TemporaryObjects?
  private let state: Mutex<State>

  init(_ coordinator: Coordinator, now: Int64, isImplicit: Bool, temporary: TemporaryObjects?) {
    self.coordinator = coordinator
    self.temporary = temporary
    self.now = now
    state = Mutex(State(isImplicit: isImplicit))
  }
  deinit { abandon() }

  /// Whether no BEGIN opened it: the statements of one message, or up to one Sync.
  public var isImplicit: Bool { state.withLock { $0.isImplicit } }
  /// BEGIN came: what was done before belongs to it.
  public func becomeExplicit() { state.withLock { $0.isImplicit = false } }
  /// The statement that its reads see as well. Throws why it was ended, when its client did not end it.
  func readStatement() throws -> StatementID? {
    guard let held = state.withLock({ $0.held }) else { return nil }
    if case .failure(let error)? = held.outcome.settled { throw error }
    return isPlanted(.ownWritesNotSeen) ? nil : held.run.id
  }
  /// Tables whose rows it changed.
  var changed: Set<TableID> { state.withLock { $0.changed } }
  /// Whether it holds what its end must carry out.
  var hasWrites: Bool { state.withLock { $0.held != nil || $0.opening != nil || $0.deferred != nil || $0.drafted > 0 } }

  /// Whether a definition waits in it for COMMIT.
  var hasDeferred: Bool { state.withLock { $0.deferred != nil } }

  // MARK: Writing

  /// The statement's run; opens it, with `shard` as the one that decides.
  func run(decider shard: ShardID) async throws -> StatementRun {
    enum Turn {
      case has(HeldStatement)
      case waits(Promise<HeldStatement>)
      case opens(Promise<HeldStatement>)
    }
    let turn = try state.withLock { state throws(TallyError) -> Turn in
      if state.isOver { throw TallyError(.internalError, "a transaction that has ended was written in") }
      if let deferred = state.deferred { throw Self.mixed(deferred) }
      if let held = state.held { return .has(held) }
      if let opening = state.opening { return .waits(opening) }
      let opening = Promise<HeldStatement>()
      state.opening = opening
      return .opens(opening)
    }
    switch turn {
    case .has(let held):
      // Its time may be over.
      if case .failure(let error)? = held.outcome.settled { throw error }
      return held.run
    case .waits(let opening): return try await opening.value.run
    case .opens(let opening):
      do {
        let held = try await coordinator.hold(decider: shard)
        let touched = state.withLock { state in
          (state.held, state.opening) = (held, nil)
          return state.touched
        }
        coordinator.writers.know(held.ticket, touched)
        opening.fulfil(held)
        return held.run
      } catch {
        state.withLock { $0.opening = nil }
        opening.fail(error)
        throw error
      }
    }
  }
  /// Its ticket among the writers in flight.
  var ticket: UInt64? { state.withLock { $0.held?.ticket } }
  /// Notes that a table's rows change.
  private func touch(_ table: TableID) {
    let (held, touched) = state.withLock { state in
      state.changed.insert(table)
      state.touched.insert(table)
      return (state.held, state.touched)
    }
    if let held { coordinator.writers.know(held.ticket, touched) }
  }
  /// Stages rows, split by shard already; gives their number.
  func stage(_ tables: [TableRows]) async throws -> Int {
    var pieces: [ShardID: [(table: TableID, rows: Int, bytes: [UInt8])]] = [:]
    for table in tables {
      for part in table.parts { pieces[part.shard, default: []] += part.batches.map { (table.table, $0.rows, $0.bytes) } }
    }
    guard let decider = pieces.keys.min() else { return 0 }
    let run = try await run(decider: decider)
    for table in tables { touch(table.table) }
    return try await withThrowingTaskGroup(of: Int.self) { group in
      for (shard, own) in pieces.sorted(by: { $0.key < $1.key }) {
        group.addTask {
          var rows = 0
          for piece in own {
            let content = StageRows.Rows(table: piece.table, key: nil, contentHash: Murmur3.hash(piece.bytes), batch: piece.bytes)
            try await self.patiently(waits: true) { try await run.stage(shard, ordinal: Self.ordinal(run, shard), .rows(content)) }
            rows += piece.rows
          }
          return rows
        }
      }
      return try await group.reduce(0, +)
    }
  }
  /// Has a shard's primary evaluate a change of a table's rows and stage it.
  ///
  /// What another transaction holds is waited for: by one that holds nothing itself as long as `lockPatience` says, as nobody can be
  /// waiting for it in turn; by others a moment. Then it is 40001, or 55P03 when the client set the limit.
  func modify(
    _ shard: ShardID,
    table: TableID,
    program: [UInt8],
    rows: [UInt8]
  ) async throws -> Modified {
    let run = try await run(decider: shard)
    touch(table)
    return try await evaluated(run, shard, program, rows, waits: true)
  }
  /// Holds a table on a shard by a change of it that changes nothing.
  func hold(_ shard: ShardID, program: [UInt8], waits: Bool) async throws {
    _ = try await evaluated(try await run(decider: shard), shard, program, [], waits: waits)
  }
  private func evaluated(
    _ run: StatementRun,
    _ shard: ShardID,
    _ program: [UInt8],
    _ rows: [UInt8],
    waits: Bool
  ) async throws -> Modified {
    try await patiently(waits: waits) {
      try await run.modify(shard, ordinal: Self.ordinal(run, shard), program: program, rows: rows, waits: waits)
    }
  }
  /// Does what may meet rows that others hold, again while waiting for them is safe.
  @discardableResult private func patiently<R: Sendable>(waits: Bool, _ body: () async throws -> R) async throws -> R {
    let clock = coordinator.surroundings.clock
    let (patience, isChosen) = self.patience
    let limit = clock.now + patience
    while true {
      do {
        let result = try await body()
        state.withLock { $0.holds = true }
        return result
      } catch let error as TallyError where error.sqlState == "40001" && error.status != .stalePlan && waits {
        guard !state.withLock({ $0.holds }), clock.now < limit else {
          guard isChosen, clock.now >= limit else { throw error }
          throw Self.lockTimeout
        }
        try await clock.sleep(for: Self.lockPause)
      }
    }
  }
  static let lockTimeout = TallyError(.invalid, "canceling statement due to lock timeout", sqlState: "55P03")
  /// How long its statements wait for what others hold, and whether the client said so.
  var patience: (Duration, isChosen: Bool) { state.withLock { ($0.lockPatience, $0.isPatienceChosen) } }
  /// What the client set.
  var chosenPatience: Duration? { state.withLock { $0.isPatienceChosen ? $0.lockPatience : nil } }
  /// How long its statements wait for what others hold; nil is the default.
  public func setLockPatience(_ patience: Duration?) {
    state.withLock { ($0.lockPatience, $0.isPatienceChosen) = (patience ?? Self.defaultPatience, patience != nil) }
  }
  static let defaultPatience = Duration.seconds(10)
  private static let lockPause = Duration.milliseconds(5)
  /// Has the primaries of some shards name the rows that a scan delivers and stage their deletion; gives their number.
  func delete(_ shards: [ShardID], table: TableID, fragment: [UInt8]) async throws -> Int {
    guard let decider = shards.min() else { return 0 }
    let run = try await run(decider: decider)
    touch(table)
    return try await withThrowingTaskGroup(of: UInt64.self) { group in
      for shard in shards.sorted() {
        group.addTask {
          try await self.patiently(waits: true) {
            try await run.delete(shard, ordinal: Self.ordinal(run, shard), table: table, fragment: fragment)
          }
        }
      }
      return Int(try await group.reduce(0, +))
    }
  }
  private static func ordinal(_ run: StatementRun, _ shard: ShardID) throws(TallyError) -> Int {
    let ordinal = run.nextOrdinal(on: shard)
    // One is left for the parts to be taken back by.
    guard ordinal < Limits.stageOrdinalMax else {
      throw .sql(
        "54000",
        "a transaction of more than \(Limits.stageOrdinalMax) writes on one shard is not supported",
        hint: "COMMIT more often."
      )
    }
    return ordinal
  }

  // MARK: Definitions

  /// Keeps a definition until COMMIT. Throws 0A000 when there is something else to carry out then.
  func keep(_ definition: StatementRequest) throws(TallyError) {
    try state.withLock { state throws(TallyError) in
      guard state.held == nil, state.deferred == nil, state.drafted == 0 else { throw Self.mixed(definition) }
      state.deferred = definition
      state.deferred?.transaction = nil
      // The procedure that it stands in has ended by then. Values of its variables stay: they may be the definition's arguments.
      state.deferred?.runner = nil
      // What bounds it is COMMIT's time, not that of its own statement.
      state.deferred?.deadline = .distantFuture
      state.deferred?.notify = nil
    }
  }
  private static func mixed(_ definition: StatementRequest) -> TallyError {
    .sql(
      "0A000",
      "this definition beside another writing statement in a transaction block is not supported",
      hint: "Run it by itself (autocommit), or in a block of its own."
    )
  }
  /// The draft that its definitions go to, when it has begun one.
  var draft: DraftID? { state.withLock { $0.draft } }
  /// Has definitions that follow go to a draft, numbered `id` if it is the first.
  func beginDraft(_ id: DraftID) throws(TallyError) {
    try state.withLock { state throws(TallyError) in
      if state.isOver { throw TallyError(.internalError, "a transaction that has ended was defined in") }
      if let deferred = state.deferred { throw Self.mixed(deferred) }
      if state.draft == nil { state.draft = id }
    }
  }
  /// The draft has one definition more.
  func noteDrafted() { state.withLock { $0.drafted += 1 } }
  /// Refuses a definition of an implicit transaction that rows were written in: it takes effect by itself, at once.
  func checkAlone() throws(TallyError) {
    guard !hasWrites else {
      throw .sql(
        "0A000",
        "a definition after statements that write rows in the same message is not supported",
        hint: "Send it by itself, or before them."
      )
    }
  }

  // MARK: Temporary objects

  /// Notes what it does to a temporary object, so that it can be undone.
  func note(_ change: TemporaryChange) { state.withLock { $0.temporary.append(change) } }
  /// Whether a temporary table was made in it.
  func made(_ table: String) -> Bool {
    state.withLock { $0.temporary.contains { if case .made(table, false) = $0 { true } else { false } } }
  }
  /// Whether it can be rolled back in part.
  var hasSavepoints: Bool { state.withLock { !$0.savepoints.isEmpty } }

  // MARK: Marks and savepoints

  /// The place it has come to.
  public func mark() -> TransactionMark { state.withLock { Self.mark($0) } }
  private static func mark(_ state: State) -> TransactionMark {
    TransactionMark(
      statement: state.held?.run.id,
      point: state.held?.run.savepoint(),
      changed: state.changed,
      hasDeferred: state.deferred != nil,
      temporary: state.temporary.count,
      drafted: state.drafted
    )
  }
  /// Takes back what was done since a mark.
  public func rollBack(to mark: TransactionMark) async throws {
    let held = state.withLock { $0.held }
    if let held, mark.statement == held.run.id, let point = mark.point {
      if case .failure(let error)? = held.outcome.settled { throw error }
      try await held.run.rollBack(to: point)
    } else if let held {
      // All of it is younger than the mark.
      held.ending.fulfil(false)
      state.withLock { ($0.held, $0.holds) = (nil, false) }
      await released(held)
    }
    let (undone, draft) = state.withLock { state -> (ArraySlice<TemporaryChange>, DraftID?) in
      state.changed = mark.changed
      if !mark.hasDeferred { state.deferred = nil }
      defer { state.temporary.removeLast(max(0, state.temporary.count - mark.temporary)) }
      let undone = state.temporary.dropFirst(mark.temporary)
      guard state.drafted > mark.drafted, let draft = state.draft else { return (undone, nil) }
      state.drafted = mark.drafted
      if mark.drafted == 0 { state.draft = nil }
      return (undone, draft)
    }
    await coordinator.undoTemporary(temporary, undone)
    if let draft { try await coordinator.cut(draft, keeping: mark.drafted) }
  }
  /// SAVEPOINT; names may repeat, the latest counts.
  public func savepoint(_ name: String) throws(TallyError) {
    try state.withLock { state throws(TallyError) in
      guard state.savepoints.count < Self.savepointsMax else {
        throw .sql("54000", "a transaction has at most \(Self.savepointsMax) savepoints", hint: "RELEASE those that are not needed.")
      }
      state.savepoints.append((name, Self.mark(state)))
    }
  }
  private static let savepointsMax = 10_000
  /// RELEASE: the savepoint and those behind it are forgotten.
  public func release(_ name: String) {
    state.withLock { state in
      guard let at = state.savepoints.lastIndex(where: { $0.name == name }) else { return }
      state.savepoints.removeSubrange(at...)
    }
  }
  /// ROLLBACK TO; the savepoint stays.
  public func rollBack(to name: String) async throws {
    let mark = state.withLock { state -> TransactionMark? in
      guard let at = state.savepoints.lastIndex(where: { $0.name == name }) else { return nil }
      state.savepoints.removeSubrange((at + 1)...)
      return state.savepoints[at].mark
    }
    if let mark { try await rollBack(to: mark) }
  }

  // MARK: The end

  /// COMMIT: all its writes take effect, or none. It is over then, whatever comes of it; gives where the shards' logs hold it.
  ///
  /// A cancelled caller waits as others do: what has been decided cannot be taken back.
  public func commit() async throws -> SessionToken {
    let (held, deferred, draft, changes, changed) = state.withLock { state in
      defer { (state.isOver, state.held, state.deferred, state.draft, state.temporary) = (true, nil, nil, nil, []) }
      return (state.held, state.deferred, state.drafted > 0 ? state.draft : nil, state.temporary, state.changed)
    }
    let seen: SessionToken
    do { seen = try await decide(held, deferred, draft) } catch {
      await coordinator.undoTemporary(temporary, changes[...])
      throw error
    }
    await coordinator.endTemporary(temporary, changes, changed: changed)
    return seen
  }
  private func decide(_ held: HeldStatement?, _ deferred: StatementRequest?, _ draft: DraftID?) async throws -> SessionToken {
    if let deferred { return try await coordinator.carryOut(deferred).seen }
    if let draft {
      do { try await coordinator.publish(draft) } catch {
        held?.ending.fulfil(false)
        if let held { await released(held) }
        await coordinator.discard(draft)
        throw error
      }
    }
    guard let held else { return SessionToken() }
    held.ending.fulfil(true)
    return try await held.outcome.value
  }
  /// ROLLBACK: waits a moment for its shards, so that what it held is free when the client goes on.
  public func rollBack() async {
    let changes = state.withLock { state in
      defer { state.temporary = [] }
      return state.temporary
    }
    let (held, draft) = drop()
    if let held { await released(held) }
    if let draft { await coordinator.discard(draft) }
    await coordinator.undoTemporary(temporary, changes[...])
  }
  /// ROLLBACK of a client that has gone.
  public func abandon() {
    // There is room: so many drafts there are at most.
    if let draft = drop().1 { _ = coordinator.forsakenDrafts.trySend(draft) }
  }
  private func drop() -> (HeldStatement?, DraftID?) {
    let (held, draft) = state.withLock { state in
      defer { (state.isOver, state.held, state.deferred, state.draft) = (true, nil, nil, nil) }
      return (state.held, state.drafted > 0 ? state.draft : nil)
    }
    held?.ending.fulfil(false)
    return (held, draft)
  }
  private func released(_ held: HeldStatement) async {
    let clock = coordinator.surroundings.clock
    let alarm = clock.alarm(at: clock.now + Self.releasePatience) { held.released.fulfil(()) }
    defer { alarm.cancel() }
    do { try await held.released.value } catch {}  // It is only ever fulfilled.
  }
  private static let releasePatience = Duration.seconds(2)
}
