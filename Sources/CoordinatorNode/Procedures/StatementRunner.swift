// StatementRunner.swift — what procedures ask of the transaction that they run in: statements, places to undo to, its end.
//
// A procedure called in a block is part of it; else it is a transaction of its own (OpenTransaction), which it may end and begin anew.
public import Model
public import Wire

/// The transaction that a procedure's statements belong to.
protocol StatementRunner: Sendable {
  /// Carries a statement out.
  func carryOut(_ request: StatementRequest) async throws -> StatementReply
  /// A place to undo to; marks are nested.
  func mark() async throws -> Int
  /// Undoes what was done since, as ROLLBACK TO does; the mark is gone then.
  func undo(to mark: Int) async throws
  /// Keeps what was done since, as RELEASE does.
  func forget(_ mark: Int) async throws
  /// COMMIT, and begins the next transaction.
  func commit() async throws
  /// ROLLBACK, and begins the next transaction.
  func rollback() async throws
}

/// A message of a procedure.
public struct RaisedNotice: Sendable {
  /// How important it is, the least first.
  public enum Severity: Int, Sendable, Comparable {
    case debug
    case log
    case notice
    case warning
    case info
    /// By importance.
    public static func < (a: Severity, b: Severity) -> Bool { a.rawValue < b.rawValue }
  }
  /// How important it is.
  public var severity: Severity
  /// Message, SQLSTATE, detail, hint, context.
  public var report: TallyError
  /// As a reply carries it.
  public var notice: Notice { Notice(sqlState: report.sqlState, message: report.message, hint: report.hint) }
}

/// The transaction of a statement that calls procedures: its client's, or one of its own, which ends with it.
actor ProcedureTransaction: StatementRunner {
  private let coordinator: Coordinator
  private let isOwn: Bool
  private var current: OpenTransaction
  private var marks: [TransactionMark] = []
  private var seen = SessionToken()

  init(_ coordinator: Coordinator, _ transaction: OpenTransaction, isOwn: Bool) {
    self.coordinator = coordinator
    self.isOwn = isOwn
    current = transaction
  }
  func carryOut(_ request: StatementRequest) async throws -> StatementReply {
    var inner = request
    inner.transaction = current
    let reply = try await coordinator.carryOut(inner)
    seen.merge(reply.seen)
    return reply
  }
  func mark() -> Int {
    marks.append(current.mark())
    return marks.count - 1
  }
  func undo(to mark: Int) async throws {
    let place = marks[mark]
    marks.removeSubrange(mark...)
    try await current.rollBack(to: place)
  }
  func forget(_ mark: Int) { marks.removeSubrange(mark...) }
  func commit() async throws {
    guard marks.isEmpty else { throw TallyError.sql("2D000", "cannot commit while a subtransaction is active") }
    seen.merge(try await current.commit())
    begin()
  }
  func rollback() async throws {
    guard marks.isEmpty else { throw TallyError.sql("2D000", "cannot roll back while a subtransaction is active") }
    await current.rollBack()
    begin()
  }
  private func begin() {
    let patience = current.chosenPatience
    current = coordinator.beginTransaction(now: coordinator.wallMicroseconds, isImplicit: true, temporary: current.temporary)
    current.setLockPatience(patience)
  }

  /// The statement is done: what is its own takes effect. Gives where the shards' logs hold what it did and saw.
  func finish() async throws -> SessionToken {
    if isOwn { seen.merge(try await current.commit()) }
    return seen
  }
  /// The statement failed.
  func abandon() async { if isOwn { await current.rollBack() } }
}

extension Coordinator {
  /// Runs what calls procedures in the transaction around it, or in one of its own.
  func inTransaction(
    _ request: StatementRequest,
    _ body: (StatementRequest) async throws -> StatementReply
  ) async throws -> StatementReply {
    if request.runner != nil { return try await body(request) }
    let open = request.transaction
    let transaction = open ?? beginTransaction(now: request.now, isImplicit: true, temporary: request.facts.temporary)
    if open == nil { transaction.setLockPatience(request.lockPatience) }
    let runner = ProcedureTransaction(self, transaction, isOwn: open == nil)
    var inner = request
    (inner.runner, inner.transaction) = (runner, transaction)
    // Only one that began it may end it.
    inner.isAtomic = open != nil
    do {
      var reply = try await body(inner)
      reply.seen.merge(try await runner.finish())
      return reply
    } catch {
      await runner.abandon()
      throw error
    }
  }
}
