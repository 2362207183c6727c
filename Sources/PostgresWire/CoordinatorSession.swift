// CoordinatorSession.swift — one client's SQL on a coordinator: statements described and run, rows as a stream, transaction blocks.
//
// A transaction (CoordinatorNode/OpenTransaction) is a block's, or that of several statements in one message: its writes are staged on
// their shards as they come and read by its own queries, a definition in a block is carried out at COMMIT. Every statement sees what was
// committed when it began (READ COMMITTED); stricter levels are refused.
//
// set_config takes effect when its statement has been carried out.
//
// Settings that the engine reads: tally.read (latest, session, stale 5s), tally.batch_key, tally.level_choice.

internal import Aggregates
internal import Capabilities
internal import Columns
internal import CoordinatorNode
internal import Model
internal import Planning
internal import SQL
internal import Synchronization
internal import Wire

final class CoordinatorSession: SQLSession {
  private struct State {
    /// What the session wrote and saw.
    var seen = SessionToken()
    var transaction: OpenTransaction?
    /// What is made of a state of the settings: most statements find it made.
    var made: (changes: Int, MadeOfSettings)?
  }
  /// What the engine reads of the settings for every statement.
  private struct MadeOfSettings {
    var facts: SessionFacts
    var read: ReadLevel?
    var choosesLevels: Bool
    var lockPatience: Duration?
  }
  private let engine: CoordinatorEngine
  private let identity: ClientIdentity
  private let state = Mutex(State())
  /// For currval and lastval.
  private let numbers = SessionNumbers()
  private let temporary: TemporaryObjects
  private var coordinator: Coordinator { engine.coordinator }

  init(_ engine: CoordinatorEngine, _ client: ClientIdentity, _ temporary: TemporaryObjects) {
    self.engine = engine
    self.temporary = temporary
    identity = client
    let address = NetworkAddress(client.peer)
    let fact = SessionFact(
      processID: Int32(bitPattern: client.process),
      user: client.user,
      application: "",
      clientAddress: address?.host,
      clientPort: address.map { Int32($0.port) },
      startedAt: engine.coordinator.wallMicroseconds,
      transactionStartedAt: nil,
      statementStartedAt: nil,
      stateChangedAt: nil,
      state: "idle",
      query: ""
    )
    engine.sessions.open(client, fact)
  }

  func parse(_ text: String) async throws -> [EngineStatement] {
    if let known = engine.texts.find(text) { return known }
    let statements = try await coordinator.takeApart(text).map { EngineStatement($0) }
    engine.texts.keep(text, statements)
    return statements
  }

  func describe(
    _ statement: EngineStatement,
    parameters: [DataType?],
    _ context: StatementContext
  ) async throws -> StatementShape {
    switch statement.content as? EngineContent {
    case .refused(let error): throw error
    case .maintenance: return StatementShape()
    case .planned(let parsed, _):
      let described = try await coordinator.describe(try request(parsed, nil, context), declared: parameters)
      return StatementShape(
        parameters: described.parameters,
        columns: described.columns.map { Self.described($0, described.sources) }
      )
    case .arguments, nil, EngineContent.none?: throw Self.misplaced(statement)
    }
  }
  private static func misplaced(_ statement: EngineStatement) -> TallyError {
    TallyError(.internalError, "not a statement of the engine: \(statement.text.prefix(60))")
  }
  private func request(
    _ statement: ParsedStatement,
    _ arguments: [TypedValue]?,
    _ context: StatementContext
  ) throws(TallyError) -> StatementRequest {
    let made = try made(of: context.settings)
    let (seen, transaction) = state.withLock { ($0.seen, $0.transaction) }
    var request = StatementRequest(statement, now: transaction?.now ?? coordinator.wallMicroseconds)
    request.arguments = arguments
    if let level = made.read { request.read = level }
    if request.read == .session { request.seen = seen }
    request.choosesLevels = made.choosesLevels
    request.lockPatience = made.lockPatience
    transaction?.setLockPatience(request.lockPatience)
    request.transaction = transaction
    request.facts = made.facts
    request.deadline = context.deadline
    return request
  }

  func execute(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult {
    let (now, begun) = (coordinator.wallMicroseconds, state.withLock { $0.transaction?.now })
    engine.sessions.update(identity) { fact in
      (fact.application, fact.query, fact.state) = (context.settings["application_name"] ?? "", statement.text, "active")
      (fact.statementStartedAt, fact.stateChangedAt, fact.transactionStartedAt) = (now, now, begun ?? now)
    }
    do {
      let result = try await run(statement, arguments, context, client)
      rest()
      return result
    } catch {
      rest(isFailed: true)
      throw error
    }
  }
  /// Notes that the session waits for its client.
  private func rest(isFailed: Bool = false) {
    let (now, open) = (coordinator.wallMicroseconds, state.withLock { $0.transaction })
    engine.sessions.update(identity) { fact in
      let block = open?.isImplicit == false ? open : nil
      fact.state = block == nil ? "idle" : isFailed ? "idle in transaction (aborted)" : "idle in transaction"
      (fact.transactionStartedAt, fact.stateChangedAt) = (block?.now, now)
    }
  }
  private func run(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult {
    switch statement.content as? EngineContent {
    case .refused(let error): throw error
    case .maintenance(let isVacuum): return try await maintain(isVacuum, context, client)
    case .planned(let parsed, let offset):
      var request = try request(parsed, arguments, context)
      request.offset = offset
      request.notify = { [level = context.settings["client_min_messages"]] notice in
        if let report = ServerReport(notice, least: level ?? "notice") { await client.notice(report) }
      }
      request.hold = { [results = engine.results] bytes, tookEffect in try results.hold(bytes, tookEffect: tookEffect) }
      let changes = SettingChanges()
      request.facts.set = { (name, value, isLocal) throws(TallyError) in changes.note(name, value, isLocal) }
      defer { changes.end() }
      if case .copy = parsed.statement { return try await copy(request, context, client) }
      if parsed.statement.isQuery {
        let result = try await read(request, client)
        for change in changes.made { _ = try await client.changeSetting(change.name, to: change.value, isLocal: change.isLocal) }
        return result
      }
      if case .insert = parsed.statement, let key = context.settings["tally.batch_key"], !key.isEmpty {
        request.batchKey = (key, Self.content(parsed.text, arguments))
      }
      return try await carryOut(request, client)
    case .arguments, nil, EngineContent.none?: throw Self.misplaced(statement)
    }
  }
  /// What tells an INSERT from another with the same key: its text and values.
  private static func content(_ text: String, _ arguments: [TypedValue]) -> [UInt8] {
    var bytes = Array(text.utf8)
    for argument in arguments { bytes += [0] + Array((ValueText.print(argument.value, as: argument.type) ?? "\u{1}").utf8) }
    return bytes
  }
  private func maintain(_ isVacuum: Bool, _ context: StatementContext, _ client: any StatementClient) async throws -> StatementResult {
    let word = isVacuum ? "VACUUM" : "ANALYZE"
    if isVacuum, case .explicit = context.block { throw TallyError.sql("25001", "VACUUM cannot run inside a transaction block") }
    await client.notice(.notice("\(word) has nothing to do: storage is compacted and described by itself"))
    return .done(tag: word)
  }

  private func made(of settings: SessionSettings) throws(TallyError) -> MadeOfSettings {
    if let known = state.withLock({ $0.made }), known.changes == settings.changes { return known.1 }
    // A default of stricter isolation is as little kept as a level that BEGIN names.
    if let level = settings["transaction_isolation"] { try Self.check(TransactionModes(isolation: level)) }
    let patience = settings.milliseconds("lock_timeout")
    var made = MadeOfSettings(
      facts: makeFacts(settings),
      choosesLevels: settings["tally.level_choice"] != "off",
      lockPatience: patience > 0 ? .milliseconds(patience) : nil
    )
    if let level = settings["tally.read"], !level.isEmpty { made.read = try ReadLevel(level) }
    let kept = made
    state.withLock { $0.made = (settings.changes, kept) }
    return made
  }
  private func makeFacts(_ settings: SessionSettings) -> SessionFacts {
    var facts = SessionFacts()
    facts.database = identity.database
    (facts.user, facts.sessionUser) = (identity.user, identity.user)
    facts.processID = Int32(bitPattern: identity.process)
    facts.searchPath = SessionFacts.searchPath(settings["search_path"] ?? "public")
    facts.temporary = temporary
    facts.serverVersion = settings["server_version"] ?? facts.serverVersion
    if let address = NetworkAddress(identity.peer) {
      facts.clientAddress = address.host
      facts.clientPort = Int32(address.port)
    }
    facts.sessionNumbers = numbers
    facts.zone = settings.zone
    facts.isReadOnly = settings["transaction_read_only"] == "on"
    facts.setting = { settings[$0] }
    let (sessions, identity) = (engine.sessions, identity)
    facts.sessions = { sessions.facts }
    facts.end = { (process, isWhole) throws(TallyError) in try sessions.end(process, isWhole ? .whole : .statement, for: identity) }
    facts.settings = { settings.all.map { SettingFact(name: $0.name, value: $0.value, description: $0.description) } }
    return facts
  }

  private func copy(
    _ request: StatementRequest,
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult {
    let exchange = CopyExchange(client, engine.results)
    let values = PostgresValues(style: context.settings.textStyle) { [self] column, row throws(TallyError) in
      try sketchBytes(column, row: row)
    }
    do {
      let outcome = try await coordinator.copy(request, with: exchange, values: values)
      state.withLock { $0.seen.merge(outcome.seen) }
      return .done(tag: "COPY \(outcome.rows)")
    } catch let failure as CopyFailure { throw ServerReport(failure) }
  }

  private func read(_ request: StatementRequest, _ client: any StatementClient) async throws -> StatementResult {
    let reply = try await coordinator.carryOut(request)
    try await take(reply, client)
    let held = try engine.results.hold(reply.batches.rowBytes)
    let isExplain = if case .select = request.statement.statement { false } else { true }
    return .rows(
      Self.described(reply.columns ?? [], reply.sources),
      BatchStream(reply.batches, held),
      isExplain ? .plain("EXPLAIN") : .select
    )
  }
  private static func described(_ columns: [ResultColumn], _ sources: [ColumnSource?]) -> [ColumnDescription] {
    columns.enumerated().map { at, column in
      let source = at < sources.count ? sources[at] : nil
      return ColumnDescription(column.name, column.type, tableOID: source?.relation ?? 0, number: source?.number ?? 0)
    }
  }
  private func carryOut(_ request: StatementRequest, _ client: any StatementClient) async throws -> StatementResult {
    let reply = try await coordinator.carryOut(request)
    try await take(reply, client)
    if let columns = reply.columns, case .call = request.statement.statement {
      return .rows(columns.map { ColumnDescription($0.name, $0.type) }, BatchStream(reply.batches), .plain("CALL"))
    }
    let statement = request.statement.statement
    if let rows = Self.returned(reply, statement) { return rows }
    // A definition that waits for COMMIT has no tag of its own yet.
    return Self.result(of: statement, tag: reply.tag.isEmpty ? statement.verb : reply.tag)
  }
  /// The rows of RETURNING.
  private static func returned(_ reply: StatementReply, _ statement: Statement) -> StatementResult? {
    guard let columns = reply.columns else { return nil }
    let tag: RowTag = if case .insert = statement { .insert } else { .counted(statement.verb) }
    return .rows(Self.described(columns, reply.sources), BatchStream(reply.batches, reply.held as? HeldResults.Part), tag)
  }
  /// A command that stands in a SELECT gives one row, with nothing in it.
  private static func result(of statement: Statement, tag: String) -> StatementResult {
    guard let name = statement.commandName else { return .done(tag: tag) }
    let row = Batch(count: 1, columns: [ColumnVector(.text, values: [.text("")])])
    return .rows([ColumnDescription(name, .text)], BatchStream([row]), .select)
  }
  private func take(_ reply: StatementReply, _ client: any StatementClient) async throws {
    state.withLock { $0.seen.merge(reply.seen) }
    for notice in reply.notices {
      await client.notice(.notice(notice.message, sqlState: notice.sqlState, hint: notice.hint))
    }
  }
  func arguments(
    of execute: EngineStatement,
    types: [DataType],
    _ context: StatementContext
  ) async throws -> [Value] {
    guard case .arguments(let written)? = execute.content as? EngineContent else { throw Self.misplaced(execute) }
    let now = state.withLock { $0.transaction?.now } ?? coordinator.wallMicroseconds
    return try await coordinator.evaluate(written, as: types, now: now, try made(of: context.settings).facts)
  }

  // MARK: Transaction blocks

  func change(_ change: TransactionChange) async throws {
    defer { rest() }
    let open = state.withLock { $0.transaction }
    switch change {
    case .begin(let modes):
      try Self.check(modes)
      if let open { open.becomeExplicit() } else { begin(isImplicit: false) }
    case .beginImplicit: if open == nil { begin(isImplicit: true) }
    case .modes(let modes): try Self.check(modes)
    case .commit:
      state.withLock { $0.transaction = nil }
      guard let seen = try await open?.commit() else { return }
      state.withLock { $0.seen.merge(seen) }
    case .rollback:
      state.withLock { $0.transaction = nil }
      await open?.rollBack()
    case .savepoint(let name): try open?.savepoint(name)
    case .release(let name): open?.release(name)
    case .rollBackTo(let name): try await open?.rollBack(to: name)
    }
  }
  private func begin(isImplicit: Bool) {
    let transaction = coordinator.beginTransaction(now: coordinator.wallMicroseconds, isImplicit: isImplicit, temporary: temporary)
    state.withLock { $0.transaction = transaction }
  }
  private static func check(_ modes: TransactionModes) throws(TallyError) {
    guard let level = modes.isolation, level == "repeatable read" || level == "serializable" else { return }
    throw .sql(
      "0A000",
      "transaction isolation level \"\(level)\" is not supported",
      hint: "Use READ COMMITTED: every statement sees what was committed before it."
    )
  }
  // MARK: The rest

  func sketchBytes(_ column: ColumnVector, row: Int) throws(TallyError) -> [UInt8] {
    switch column.values {
    case .hll(let states): HLLFormat.encode(states.state(row))
    case .topn(let states): Array(TopNText.print(states.state(row)).utf8)
    default: throw TallyError(.internalError, "a column of another layout than a sketch's")
    }
  }
  func discard(_ target: DiscardTarget) async throws {
    switch target {
    case .all:
      numbers.forget()
      try await coordinator.discardTemporary(temporary)
    case .sequences: numbers.forget()
    case .temporary:
      guard state.withLock({ $0.transaction == nil }) else {
        throw TallyError.sql("0A000", "DISCARD TEMP in a transaction block is not supported", hint: "DROP the tables.")
      }
      try await coordinator.discardTemporary(temporary)
    case .plans: break
    }
  }
  func close() async {
    let open = state.withLock { state in
      defer { state.transaction = nil }
      return state.transaction
    }
    engine.sessions.close(identity)
    open?.abandon()
    coordinator.closeTemporary(temporary)
  }
}

extension ServerReport {
  /// A procedure's message; nil when the client does not want to hear of such.
  fileprivate init?(_ notice: RaisedNotice, least: String) {
    let level: RaisedNotice.Severity =
      switch least.lowercased() {
      case "error", "fatal", "panic": .info
      case "warning": .warning
      case "log": .log
      case "notice": .notice
      default: .debug
      }
    guard notice.severity >= level else { return nil }
    let severity: ReportSeverity =
      switch notice.severity {
      case .debug: .debug
      case .log: .log
      case .info: .info
      case .notice: .notice
      case .warning: .warning
      }
    self.init(notice.report, severity)
  }
}

/// What set_config changed while a statement was carried out; a statement that is planned again changes the same.
private final class SettingChanges: Sendable {
  struct Change {
    var name: String
    var value: String
    var isLocal: Bool
  }
  private let changes = Mutex<[Change]>([])
  var made: [Change] { changes.withLock { $0 } }
  func note(_ name: String, _ value: String?, _ isLocal: Bool) -> String {
    changes.withLock { changes in
      changes.removeAll { $0.name == name }
      changes.append(Change(name: name, value: value ?? "", isLocal: isLocal))
    }
    return value ?? ""
  }
  func end() { changes.withLock { $0 = [] } }
}

/// Rows that are here already; each batch is freed as it is taken.
final class BatchStream: RowStream {
  /// Those that were not taken, the next one last.
  private let left: Mutex<[Batch]>
  /// Its part of what may wait for clients.
  private let held: HeldResults.Part?
  init(_ batches: [Batch], _ held: HeldResults.Part? = nil) {
    left = Mutex(batches.reversed())
    self.held = held
  }
  func next() async throws -> Batch? {
    try Task.checkCancellation()
    let next = left.withLock { $0.popLast() }
    if next == nil { held?.release() }
    return next
  }
  func close() {
    left.withLock { $0 = [] }
    held?.release()
  }
}
