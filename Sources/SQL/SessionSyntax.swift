// SessionSyntax.swift — what only a client's session can carry out: transactions, settings, prepared statements, cursors.
//
// The catalog and its data have no part in these; a request of the RPC is no session and is refused them (`parse`).
public import Model

/// One statement of a session's text. One that is not supported is refused when its turn comes, as in PostgreSQL: those before it run.
public struct SessionStatement: Sendable {
  /// What it is.
  public enum Content: Sendable {
    /// Needs the catalog.
    case planned(ParsedStatement)
    /// Is the session's own.
    case session(SessionSyntax)
    case refused(TallyError)
  }
  /// What it is.
  public var content: Content
  /// Its text, without the semicolon.
  public var text: String
  /// Characters of the whole text before `text`; positions in the content count from the whole text's start.
  public var offset: Int
}

/// What BEGIN and SET TRANSACTION say; nil was not said.
public struct TransactionModesSyntax: Sendable, Equatable {
  /// `read committed`, …, in lower case.
  public var isolation: String?
  /// READ ONLY or READ WRITE.
  public var isReadOnly: Bool?
  /// DEFERRABLE or NOT DEFERRABLE.
  public var isDeferrable: Bool?
}

/// Where FETCH and MOVE go.
public enum FetchSyntax: Sendable, Equatable {
  /// A number of rows; nil is ALL. Negative is backward.
  case forward(Int?)
  case backward(Int?)
  case absolute(Int)
  case relative(Int)
}

/// What DISCARD throws away.
public enum DiscardSyntax: Sendable, Equatable {
  case all
  case plans
  case sequences
  case temporary
}

/// A statement that is the session's own.
public enum SessionSyntax: Sendable {
  /// BEGIN, or START TRANSACTION.
  case begin(TransactionModesSyntax, isStart: Bool)
  case commit(chain: Bool)
  case rollback(chain: Bool)
  case savepoint(String)
  case release(String)
  case rollBackTo(String)
  case setTransaction(TransactionModesSyntax)
  case setCharacteristics(TransactionModesSyntax)
  /// SET; nil values are DEFAULT.
  case set(String, [String]?, isLocal: Bool)
  case reset(String)
  case resetAll
  case show(String)
  case showAll
  case discard(DiscardSyntax)
  /// PREPARE; its types as written, `unknown` among them.
  case prepare(String, types: [TypeSyntax], ParsedStatement)
  case execute(String, [ExpressionSyntax])
  /// DEALLOCATE; nil is ALL.
  case deallocate(String?)
  case declare(String, isScroll: Bool, isHeld: Bool, isBinary: Bool, ParsedStatement)
  case fetch(String, FetchSyntax, isMove: Bool)
  /// CLOSE; nil is ALL.
  case closeCursor(String?)
  case listen(String)
  case notify(String)
  /// UNLISTEN; nil is *.
  case unlisten(String?)
  /// VACUUM or ANALYZE.
  case maintain(isVacuum: Bool)
}
