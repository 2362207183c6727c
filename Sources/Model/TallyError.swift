// TallyError.swift — the one error that travels: between nodes, to clients, to people.
//
// `status` is the closed table that programs react to; `sqlState` is what SQL clients see; message, detail and hint are for
// people and never matched. Numbers are on the wire: never reuse one.

/// What a program may react to.
public enum StatusCode: UInt16, Sendable, CaseIterable {
  /// The statement is wrong or its data is; `sqlState` says how. Repeating it cannot help.
  case invalid = 1
  /// PostgreSQL knows it, Tally does not (yet).
  case unsupported = 2
  /// This node is not (or no longer) the shard's primary in that epoch; ask for the shard map.
  case notPrimary = 3
  /// The node or shard cannot serve now; try again.
  case unavailable = 4
  /// A bound on memory, queue or requests was reached; try again later.
  case overloaded = 5
  /// No space for new data; try again when space was made.
  case diskFull = 6
  /// The batch key is too old to tell whether it took effect.
  case keyExpired = 7
  /// The batch key took effect with other content.
  case keyConflict = 8
  /// The request may or may not have taken effect; repeat it with the same key.
  case unknownOutcome = 9
  /// The deadline passed.
  case timedOut = 10
  /// The caller cancelled.
  case cancelled = 11
  /// The request was made under an older or newer catalog than the node has; refresh and repeat.
  case staleCatalog = 12
  /// Another cluster, or a node that was replaced.
  case wrongCluster = 13
  /// Bytes that this version does not understand.
  case protocolViolation = 14
  /// Stored data failed a check.
  case dataDamaged = 15
  /// A defect of Tally.
  case internalError = 16
  /// The request was planned for another definition of its table, and nothing of it was done: plan it anew.
  case stalePlan = 17

  /// Whether the same request may succeed later.
  public var isRetryable: Bool {
    switch self {
    case .notPrimary, .unavailable, .overloaded, .diskFull, .unknownOutcome, .timedOut, .staleCatalog: true
    default: false
    }
  }
  /// The SQLSTATE used when none is given.
  public var defaultSQLState: String {
    switch self {
    case .invalid: "22023"
    case .unsupported: "0A000"
    case .notPrimary, .staleCatalog: "57P04"
    case .unavailable: "57P03"
    case .overloaded: "53200"
    case .diskFull: "53100"
    case .keyExpired, .keyConflict: "55000"
    case .unknownOutcome: "08007"
    case .timedOut, .cancelled: "57014"
    case .wrongCluster, .protocolViolation: "08P01"
    case .dataDamaged: "XX001"
    case .internalError: "XX000"
    case .stalePlan: "40001"
    }
  }
}

/// An error with everything a client or operator needs.
public struct TallyError: Error, Equatable, Sendable, CustomStringConvertible {
  /// What programs react to.
  public var status: StatusCode
  /// Five characters of PostgreSQL's appendix A.
  public var sqlState: String
  /// One sentence without a full stop, in PostgreSQL's wording where it has one.
  public var message: String
  /// More about this instance.
  public var detail: String?
  /// What to do.
  public var hint: String?
  /// Place in the SQL text, in characters from 1.
  public var position: Int?
  /// The node that failed, if not the one that answers.
  public var node: String?
  /// Where it happened, a line a level, the innermost first: `PL/pgSQL function f(integer) line 3 at RAISE`. Not on the wire.
  public var context: String?
  /// The table, column or constraint that it is about.
  public var subject: ErrorSubject?

  /// Makes an error; without a SQLSTATE the status code's own is used.
  public init(
    _ status: StatusCode,
    _ message: String,
    sqlState: String? = nil,
    detail: String? = nil,
    hint: String? = nil,
    position: Int? = nil,
    node: String? = nil,
    context: String? = nil,
    subject: ErrorSubject? = nil
  ) {
    self.status = status
    self.sqlState = sqlState ?? status.defaultSQLState
    self.message = message
    self.detail = detail
    self.hint = hint
    self.position = position
    self.node = node
    self.context = context
    self.subject = subject
  }
  /// A SQL error with its SQLSTATE.
  public static func sql(
    _ sqlState: String,
    _ message: String,
    detail: String? = nil,
    hint: String? = nil,
    position: Int? = nil,
    subject: ErrorSubject? = nil
  ) -> TallyError {
    TallyError(
      sqlState == "0A000" ? .unsupported : .invalid,
      message,
      sqlState: sqlState,
      detail: detail,
      hint: hint,
      position: position,
      subject: subject
    )
  }
  /// Whether the same request may succeed later.
  public var isRetryable: Bool { status.isRetryable }
  /// `SQLSTATE: message` with position, detail and hint.
  public var description: String {
    var text = "\(sqlState): \(message)"
    if let position { text += " at character \(position)" }
    if let detail { text += "; \(detail)" }
    if let hint { text += "; hint: \(hint)" }
    if let node { text += " [\(node)]" }
    return text
  }
}
