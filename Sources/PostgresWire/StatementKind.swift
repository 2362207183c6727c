// StatementKind.swift — what a statement is to the session: which ones it carries out itself, and which the engine does.
//
// The engine parses and classifies; the session keeps transactions' status, settings, prepared statements and portals. Names are
// as PostgreSQL folds them (lower case unless quoted).

public import Model

/// What BEGIN and SET TRANSACTION may say; nil was not said.
public struct TransactionModes: Equatable, Sendable {
  /// `read committed`, `repeatable read`, …, in lower case.
  public var isolation: String?
  /// READ ONLY or READ WRITE.
  public var isReadOnly: Bool?
  /// DEFERRABLE or NOT DEFERRABLE.
  public var isDeferrable: Bool?
  /// Makes modes.
  public init(isolation: String? = nil, isReadOnly: Bool? = nil, isDeferrable: Bool? = nil) {
    self.isolation = isolation
    self.isReadOnly = isReadOnly
    self.isDeferrable = isDeferrable
  }
}

/// What DISCARD throws away.
public enum DiscardTarget: Sendable {
  case all
  case plans
  case sequences
  case temporary
}

/// Where FETCH and MOVE go.
public enum FetchDirection: Equatable, Sendable {
  /// NEXT is 1; nil is ALL.
  case forward(Int?)
  /// The row that many rows on.
  case relative(Int)
  /// The row with that number from 1.
  case absolute(Int)
  /// BACKWARD, PRIOR, FIRST after the first row, LAST: a cursor moves forward only.
  case backward
}

/// Options of DECLARE.
public struct CursorOptions: Equatable, Sendable {
  /// SCROLL was asked for; refused.
  public var isScroll: Bool
  /// WITH HOLD: lives on after COMMIT.
  public var isHeld: Bool
  /// BINARY: rows are sent in the binary format.
  public var isBinary: Bool
  /// Makes options.
  public init(isScroll: Bool = false, isHeld: Bool = false, isBinary: Bool = false) {
    self.isScroll = isScroll
    self.isHeld = isHeld
    self.isBinary = isBinary
  }
}

/// What a statement is.
public indirect enum StatementKind: Sendable {
  /// The engine runs it. `readsOnly`: it may be given up when its client has gone.
  case engine(readsOnly: Bool)

  /// BEGIN (false) and START TRANSACTION (true), which differ in their tag.
  case begin(TransactionModes, isStart: Bool)
  /// COMMIT and END; `chain` is AND CHAIN.
  case commit(chain: Bool)
  /// ROLLBACK and ABORT.
  case rollback(chain: Bool)
  case savepoint(String)
  case release(String)
  case rollBackTo(String)
  /// SET TRANSACTION.
  case setTransaction(TransactionModes)
  /// SET SESSION CHARACTERISTICS AS TRANSACTION.
  case setCharacteristics(TransactionModes)

  /// SET; the values as written, without quotes; nil is TO DEFAULT.
  case set(String, [String]?, isLocal: Bool)
  case reset(String)
  case resetAll
  case show(String)
  case showAll
  case discard(DiscardTarget)

  /// PREPARE; nil types are left to the engine.
  case prepare(String, types: [DataType?], EngineStatement)
  /// EXECUTE; the engine evaluates its arguments (`SQLSession.arguments`).
  case execute(String, argumentCount: Int)
  /// DEALLOCATE; nil is ALL.
  case deallocate(String?)

  case declare(String, CursorOptions, EngineStatement)
  case fetch(String, FetchDirection)
  case move(String, FetchDirection)
  /// CLOSE; nil is ALL.
  case closeCursor(String?)

  case listen(String)
  case notify(String)
  /// UNLISTEN; nil is *.
  case unlisten(String?)
}

/// One statement as the engine parsed it.
public struct EngineStatement: Sendable {
  /// What it is.
  public var kind: StatementKind
  /// Its own text, without the semicolon.
  public var text: String
  /// Characters of the parsed text before `text`; positions in errors of the engine are within `text`.
  public var offset: Int
  /// What the engine wants to have again: its tree, its plan.
  public var content: any Sendable
  /// Makes a statement.
  public init(_ kind: StatementKind, text: String, offset: Int = 0, content: any Sendable = ()) {
    self.kind = kind
    self.text = text
    self.offset = offset
    self.content = content
  }
}
