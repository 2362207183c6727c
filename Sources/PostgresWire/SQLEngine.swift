// SQLEngine.swift — what this module asks of the node: who may log in, and what statements mean and give.
//
// One `SQLEngine` a node, one `SQLSession` a connection. All calls of one session come one after the other, from its connection's
// tasks; a call's task is cancelled when its statement is (cancel request, statement_timeout, client gone, shutdown): then it
// throws `CancellationError` or any `TallyError` with status `cancelled` or `timedOut`, and the session words it. Errors are
// `TallyError` or `ServerReport`; anything else is told as XX000. Positions in errors count within the statement's own text.

public import Capabilities
public import Columns
public import Model

/// How a user may log in.
public enum LoginRule: Sendable {
  /// Without a password; held only for peers on this machine.
  case trust
  /// By SCRAM-SHA-256.
  case scram(ScramVerifier)
  /// By nothing, which is told only after an exchange: no such role, or one without a password.
  case unknown
  /// Told at once: the role may not log in, the node is starting (57P03).
  case refuse(TallyError)
}

/// Who is connected.
public struct ClientIdentity: Sendable {
  /// The role.
  public var user: String
  /// The database that was asked for; the user's name when none was.
  public var database: String
  /// The other end, as `Connection.peer` tells it.
  public var peer: String
  /// pg_backend_pid().
  public var process: UInt32
  /// Whether the connection is encrypted.
  public var isEncrypted: Bool
  /// Ends what it runs, or its connection, as an administrator does.
  public var end: @Sendable (SessionPart) -> Void = { _ in }
  /// Makes an identity.
  public init(user: String, database: String, peer: String, process: UInt32, isEncrypted: Bool) {
    self.user = user
    self.database = database
    self.peer = peer
    self.process = process
    self.isEncrypted = isEncrypted
  }
}

/// A node's SQL.
public protocol SQLEngine: Sendable {
  /// How a user may log in; asked before anything is believed, also for names that do not exist.
  func loginRule(user: String, database: String, peer: String) async -> LoginRule
  /// Begins a session of an authenticated user. Throws 3D000 `database "x" does not exist`, 28000, 42501, 57P03.
  func openSession(_ client: ClientIdentity) async throws -> any SQLSession
}

/// A column of a result.
public struct ColumnDescription: Equatable, Sendable {
  /// Its name.
  public var name: String
  /// Its type.
  public var type: DataType
  /// The table it comes from, as pg_class numbers it; 0 is none.
  public var tableOID: UInt32
  /// Its number in that table; 0 is none.
  public var number: Int16
  /// Makes a column.
  public init(_ name: String, _ type: DataType, tableOID: UInt32 = 0, number: Int16 = 0) {
    self.name = name
    self.type = type
    self.tableOID = tableOID
    self.number = number
  }
}

/// What is known of a statement before it runs.
public struct StatementShape: Sendable {
  /// Types of its parameters, as many as the text has; types that the client named are kept.
  public var parameters: [DataType]
  /// Columns of its rows; nil when it gives none.
  public var columns: [ColumnDescription]?
  /// Makes a shape.
  public init(parameters: [DataType] = [], columns: [ColumnDescription]? = nil) {
    self.parameters = parameters
    self.columns = columns
  }
}

/// The transaction a statement runs in.
public enum TransactionBlock: Sendable {
  /// Its own.
  case none
  /// That of the statements that came with it, up to the end of the message or the Sync.
  case implicit
  /// BEGIN opened it.
  case explicit
}

/// What a statement runs under.
public struct StatementContext: Sendable {
  /// The session's settings at its start.
  public var settings: SessionSettings
  /// The transaction.
  public var block: TransactionBlock
  /// When statement_timeout ends it; the session sees to it.
  public var deadline: Instant
  /// Makes a context; the defaults are those of a fresh session.
  public init(
    settings: SessionSettings = SessionSettings(),
    block: TransactionBlock = .none,
    deadline: Instant = .distantFuture
  ) {
    self.settings = settings
    self.block = block
    self.deadline = deadline
  }
}

/// Rows of one statement, fetched as its client reads them. One task at a time calls it, not always the same.
public protocol RowStream: AnyObject, Sendable {
  /// The next rows, of the described types; nil behind the last. An empty batch is no end.
  func next() async throws -> Batch?
  /// Gives up what is left; called once, unless `next` gave nil or threw.
  func close()
}

/// First words of the tag of a statement that gives rows; the session counts them.
public enum RowTag: Sendable {
  /// `SELECT n`.
  case select
  /// `INSERT 0 n`, of INSERT … RETURNING.
  case insert
  /// `UPDATE n`, `DELETE n`, `FETCH n` …
  case counted(String)
  /// `EXPLAIN`, `SHOW`: without a number.
  case plain(String)
}

/// What running a statement gave.
public enum StatementResult: Sendable {
  /// Rows of these columns, which are those that `describe` told.
  case rows([ColumnDescription], any RowStream, RowTag)
  /// It is done; the whole tag: `INSERT 0 3`, `CREATE TABLE`, `COPY 12`.
  case done(tag: String)
}

/// What BEGIN, COMMIT and their kin tell the engine. After `commit` and `rollback` none is open, also when `commit` throws.
public enum TransactionChange: Sendable {
  case begin(TransactionModes)
  /// Statements that came in one message without BEGIN; a `begin` may follow, which takes over what was done in it.
  case beginImplicit
  /// SET TRANSACTION in one that is open.
  case modes(TransactionModes)
  case commit
  case rollback
  case savepoint(String)
  case release(String)
  case rollBackTo(String)
}

/// One client's SQL.
public protocol SQLSession: AnyObject, Sendable {
  /// Takes a text apart, quickly and without waiting for others; no statements when it is empty.
  ///
  /// Errors: 42601 with a position in the whole text.
  func parse(_ text: String) async throws -> [EngineStatement]
  /// Parameters and columns of a statement of kind `.engine`; `parameters` holds the types that the client named, from the first on.
  func describe(
    _ statement: EngineStatement,
    parameters: [DataType?],
    _ context: StatementContext
  ) async throws -> StatementShape
  /// Runs a statement of kind `.engine`; `arguments` are as many as its shape has parameters.
  ///
  /// The simple protocol does not describe before and gives no arguments: a `$1` is 42P02 then. Portals run what was described,
  /// perhaps long ago: other columns than then are refused.
  /// For COPY it asks `client` for the data or gives it rows, and returns `.done`.
  func execute(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult
  /// The values of an EXECUTE's arguments, as the types of the statement's parameters.
  func arguments(
    of execute: EngineStatement,
    types: [DataType],
    _ context: StatementContext
  ) async throws -> [Value]
  /// A transaction begins or ends, with all that may be refused there.
  func change(_ change: TransactionChange) async throws
  /// Bytes of one sketch that is not NULL: an `hll` packed, a `topn` as JSON text.
  func sketchBytes(_ column: ColumnVector, row: Int) throws(TallyError) -> [UInt8]
  /// DISCARD, and what goes with it besides statements, portals and settings.
  func discard(_ target: DiscardTarget) async throws
  /// The connection has ended; an open transaction is rolled back.
  func close() async
}

/// Data that a client sends for COPY … FROM STDIN.
public protocol CopyInput: AnyObject, Sendable {
  /// The next bytes, cut anywhere; nil after CopyDone. Throws 57014 after CopyFail, and when the client goes.
  func next() async throws -> [UInt8]?
}

/// What a running statement may do with its client besides giving rows. Calls come from the statement's task only.
public protocol StatementClient: Sendable {
  /// Sends a notice or warning.
  func notice(_ report: ServerReport) async
  /// Asks for data; `columns` is their number. Once a statement, and before its end.
  func copyIn(columns: Int, isBinary: Bool) async throws -> any CopyInput
  /// Announces data; then `sendCopyData`, and the statement's end ends it.
  func copyOut(columns: Int, isBinary: Bool) async throws
  /// Sends bytes, at best whole rows; suspends while the client does not read.
  func sendCopyData(_ bytes: [UInt8]) async throws
  /// Sends messages of data, one a row as clients expect them; `ends` are their ends within `bytes`.
  func sendCopyData(_ bytes: [UInt8], ends: [Int]) async throws
  /// The value of a setting, as SHOW gives it; nil when there is none (current_setting).
  func setting(_ name: String) async -> String?
  /// Changes a setting and gives its new value (set_config). Throws as SET does.
  func changeSetting(_ name: String, to value: String, isLocal: Bool) async throws -> String
}
