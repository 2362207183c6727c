// StatementRunner.swift — what procedures ask of the transaction that they run in: statements, places to undo to, its end.
//
// Who begins a procedure says which transaction it is: `AutocommitRunner`, where each statement is one of its own, or a session's block.
public import Model
public import Wire

/// The transaction that a procedure's statements belong to.
public protocol StatementRunner: Sendable {
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

/// Statements of a procedure that take effect one by one.
actor AutocommitRunner: StatementRunner {
  private let coordinator: Coordinator
  private var writes = 0
  private var marks: [Int] = []

  init(_ coordinator: Coordinator) { self.coordinator = coordinator }

  func carryOut(_ request: StatementRequest) async throws -> StatementReply {
    let reply = try await coordinator.carryOut(request)
    if reply.columns == nil { writes += 1 }
    return reply
  }
  func mark() -> Int {
    marks.append(writes)
    return marks.count - 1
  }
  func undo(to mark: Int) throws {
    let before = marks[mark]
    marks.removeSubrange(mark...)
    guard before == writes else {
      throw TallyError.sql(
        "0A000",
        "undoing what an EXCEPTION block has written is not supported outside of a transaction",
        hint: "Check before you write, instead of handling the error afterwards."
      )
    }
  }
  func forget(_ mark: Int) { marks.removeSubrange(mark...) }
  func commit() {}
  func rollback() {
    // Nothing waits here for a COMMIT.
    writes = 0
  }
}
