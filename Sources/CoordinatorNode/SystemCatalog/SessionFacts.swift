// SessionFacts.swift — what the system relations and functions tell of a session and its server that the catalog does not know.
//
// Made by who serves the session. Lists that cost something to make are closures: they are asked only by statements that read them.
public import Model

/// A setting as pg_settings shows it.
public struct SettingFact: Sendable {
  /// PostgreSQL's spelling.
  public var name: String
  /// The value as SHOW prints it.
  public var value: String
  /// What it is for.
  public var description: String
  /// bool, enum, integer, real or string.
  public var kind: String
  /// Its value when nobody set it; nil when there is none.
  public var initial: String?
  /// Whether SET may change it.
  public var isSettable: Bool
  /// Makes a fact.
  public init(name: String, value: String, description: String, kind: String = "string", initial: String? = nil, isSettable: Bool = true) {
    self.name = name
    self.value = value
    self.description = description
    self.kind = kind
    self.initial = initial
    self.isSettable = isSettable
  }
}

/// A session as pg_stat_activity shows it. Times are microseconds since 1970-01-01 UTC.
public struct SessionFact: Sendable {
  /// The number that cancels it.
  public var processID: Int32
  /// Who logged in.
  public var user: String
  /// `application_name`.
  public var application: String
  /// The client's address; nil where there is none.
  public var clientAddress: String?
  /// Its port.
  public var clientPort: Int32?
  /// When it began.
  public var startedAt: Int64
  /// When its transaction began; nil outside of one.
  public var transactionStartedAt: Int64?
  /// When its last statement began.
  public var statementStartedAt: Int64?
  /// When its state changed last.
  public var stateChangedAt: Int64?
  /// active, idle, idle in transaction, idle in transaction (aborted).
  public var state: String
  /// The statement that runs or ran last.
  public var query: String
  /// Makes a fact.
  public init(
    processID: Int32,
    user: String,
    application: String,
    clientAddress: String?,
    clientPort: Int32?,
    startedAt: Int64,
    transactionStartedAt: Int64?,
    statementStartedAt: Int64?,
    stateChangedAt: Int64?,
    state: String,
    query: String
  ) {
    self.processID = processID
    self.user = user
    self.application = application
    self.clientAddress = clientAddress
    self.clientPort = clientPort
    self.startedAt = startedAt
    self.transactionStartedAt = transactionStartedAt
    self.statementStartedAt = statementStartedAt
    self.stateChangedAt = stateChangedAt
    self.state = state
    self.query = query
  }
}

/// A role as pg_roles shows it.
public struct RoleFact: Sendable {
  /// Its name.
  public var name: String
  /// Whether it may do everything.
  public var isSuperuser: Bool
  /// Whether it may log in.
  public var canLogIn: Bool
  /// Makes a fact.
  public init(name: String, isSuperuser: Bool = true, canLogIn: Bool = true) {
    self.name = name
    self.isSuperuser = isSuperuser
    self.canLogIn = canLogIn
  }
}

/// Facts of one session, under which its statements see the system relations.
public struct SessionFacts: Sendable {
  /// The cluster's one database.
  public var database = "tally"
  /// Who owns everything: the role with OID 10.
  public var owner = "tally"
  /// Who the session acts as.
  public var user = "tally"
  /// Who logged in.
  public var sessionUser = "tally"
  /// Roles beside the owner and the session's user.
  public var roles: [RoleFact] = []
  /// Schemas that names without one are looked up in, after pg_catalog; `$user` resolved or left out.
  public var searchPath = ["public"]
  /// The schema of the session's temporary objects, which need not exist yet; nil where it can have none.
  public var temporarySchema: String?
  /// Its temporary objects, when this coordinator serves it.
  public var temporary: TemporaryObjects? { didSet { temporarySchema = temporary?.schema } }
  /// `server_version`.
  public var serverVersion = "15.0 (tally)"
  /// The number that cancels the session.
  public var processID: Int32 = 0
  /// When the coordinator started.
  public var serverStartedAt: Int64 = 0
  /// Where the client connected; nil where there is no network.
  public var serverAddress: String?
  /// Its port.
  public var serverPort: Int32?
  /// Where the client is; nil where there is no network.
  public var clientAddress: String?
  /// Its port.
  public var clientPort: Int32?
  /// Whether its transaction only reads.
  public var isReadOnly = false
  /// The zone that the session's times are told in.
  public var zone = ClockZone.utc
  /// A setting's value as SHOW prints it; nil when there is no such setting.
  public var setting: @Sendable (String) -> String? = { _ in nil }
  /// All settings.
  public var settings: @Sendable () -> [SettingFact] = { [] }
  /// Sets one (name, value or nil for the default, for the transaction only) and gives its new value.
  public var set: @Sendable (String, String?, Bool) throws(TallyError) -> String = { (name, _, _) throws(TallyError) in
    throw .sql("0A000", "parameter \"\(name)\" cannot be set here", hint: "Settings belong to sessions of the PostgreSQL protocol.")
  }
  /// What currval and lastval tell.
  public var sessionNumbers = SessionNumbers()
  /// Numbers of sequences that the statement may use.
  var numbers = StatementNumbers()
  /// Ends a session by its number (true), or the statement that it runs; false when there is none.
  public var end: @Sendable (Int32, Bool) throws(TallyError) -> Bool = { (_, _) throws(TallyError) in
    throw .sql("0A000", "sessions cannot be ended here", hint: "Connect with psql or a driver.")
  }
  /// The sessions of this coordinator.
  public var sessions: @Sendable () -> [SessionFact] = { [] }
  /// Facts of a server without sessions.
  public init() {}
  /// The schemas that a setting of search_path names.
  public static func searchPath(_ setting: String) -> [String] {
    setting.split(separator: ",").map { $0.filter { $0 != " " && $0 != "\"" } }.filter { $0 != "$user" }
  }
}
