// CoordinatorSession.swift — one client's SQL on a coordinator: statements described and run, rows as a stream, transaction blocks.
//
// A block holds any number of reads. Its INSERTs are checked and gathered, and stored at COMMIT, all of them or none, as one statement.
// Instead of INSERTs it may hold one DELETE, which is staged at once and decided at COMMIT, or one TRUNCATE or definition, which is checked
// at once and carried out at COMMIT. What a block has written it cannot read: that is refused, never answered wrongly.
// Every read sees what was committed when it began (READ COMMITTED); stricter levels are refused. Statements that come in one message
// without BEGIN take effect one by one.
//
// COPY … FROM in a block is gathered as its INSERTs are. set_config takes effect when its statement has been carried out.
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
  /// What a transaction block has to do at its end.
  private struct Transaction {
    var now: Int64
    var writes: [PendingWrite] = []
    var bytes = 0
    /// A definition or TRUNCATE, instead of writes.
    var deferred: StatementRequest?
    /// A DELETE, instead of writes; its end rolls it back unless it was committed.
    var deletion: OpenDeletion?
    var isTaken: Bool { deferred != nil || deletion != nil }
    var hidden: Set<TableID> = []
    var savepoints: [(name: String, writes: Int, isTaken: Bool)] = []

    mutating func rollBack(to name: String) {
      guard let at = savepoints.lastIndex(where: { $0.name == name }) else { return }
      let mark = savepoints[at]
      savepoints.removeSubrange((at + 1)...)
      writes.removeSubrange(mark.writes...)
      if !mark.isTaken { (deferred, deletion) = (nil, nil) }
      bytes = writes.reduce(0) { $0 + $1.bytes }
      if !isTaken { hidden = Set(writes.map(\.table)) }
    }
  }
  private struct State {
    /// What the session wrote and saw.
    var seen = SessionToken()
    var transaction: Transaction?
  }
  private let engine: CoordinatorEngine
  private let identity: ClientIdentity
  private let state = Mutex(State())
  private var coordinator: Coordinator { engine.coordinator }

  init(_ engine: CoordinatorEngine, _ client: ClientIdentity) {
    self.engine = engine
    identity = client
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
        columns: described.columns?.map { ColumnDescription($0.name, $0.type) }
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
    // A default of stricter isolation is as little kept as a level that BEGIN names.
    if let level = context.settings["transaction_isolation"] { try Self.check(TransactionModes(isolation: level)) }
    let (seen, transaction) = state.withLock { ($0.seen, $0.transaction) }
    var request = StatementRequest(statement, now: transaction?.now ?? coordinator.wallMicroseconds)
    request.arguments = arguments
    if let level = context.settings["tally.read"], !level.isEmpty { request.read = try ReadLevel(level) }
    if request.read == .session { request.seen = seen }
    if let word = context.settings["tally.level_choice"] { request.choosesLevels = word != "off" }
    request.hidden = transaction?.hidden ?? []
    request.facts = facts(context.settings)
    request.deadline = context.deadline
    return request
  }

  func execute(
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
      let changes = SettingChanges()
      request.facts.set = { (name, value, isLocal) throws(TallyError) in changes.note(name, value, isLocal) }
      defer { changes.end() }
      let pauses = Mutex(Duration.zero)
      request.facts.pause = { length in pauses.withLock { $0 += length } }
      if case .copy(let syntax) = parsed.statement {
        if syntax.isFrom { try Self.checkWritable(parsed.statement, context) }
        return try await copy(request, isFrom: syntax.isFrom, context, client)
      }
      if parsed.statement.isQuery {
        let result = try await read(request, client)
        try await coordinator.wait(pauses.withLock { $0 })
        for change in changes.made { _ = try await client.changeSetting(change.name, to: change.value, isLocal: change.isLocal) }
        return result
      }
      try Self.checkWritable(parsed.statement, context)
      if case .insert = parsed.statement, let key = context.settings["tally.batch_key"], !key.isEmpty {
        request.batchKey = (key, Self.content(parsed.text, arguments))
      }
      if case .explicit = context.block { return try await write(request, client) }
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
  private static func checkWritable(_ statement: Statement, _ context: StatementContext) throws(TallyError) {
    guard context.settings["transaction_read_only"] == "on" else { return }
    throw .sql("25006", "cannot execute \(statement.verb) in a read-only transaction")
  }
  private func maintain(_ isVacuum: Bool, _ context: StatementContext, _ client: any StatementClient) async throws -> StatementResult {
    let word = isVacuum ? "VACUUM" : "ANALYZE"
    if isVacuum, case .explicit = context.block { throw TallyError.sql("25001", "VACUUM cannot run inside a transaction block") }
    await client.notice(.notice("\(word) has nothing to do: storage is compacted and described by itself"))
    return .done(tag: word)
  }

  private func facts(_ settings: SessionSettings) -> SessionFacts {
    var facts = SessionFacts()
    facts.database = identity.database
    (facts.user, facts.sessionUser) = (identity.user, identity.user)
    facts.processID = Int32(bitPattern: identity.process)
    facts.searchPath = (settings["search_path"] ?? "public").split(separator: ",").map {
      $0.filter { $0 != " " && $0 != "\"" }
    }.filter { $0 != "$user" }
    facts.serverVersion = settings["server_version"] ?? facts.serverVersion
    if let address = NetworkAddress(identity.peer) {
      facts.clientAddress = address.host
      facts.clientPort = Int32(address.port)
    }
    facts.setting = { settings[$0] }
    facts.settings = { settings.all.map { SettingFact(name: $0.name, value: $0.value, description: $0.description) } }
    return facts
  }

  private func copy(
    _ request: StatementRequest,
    isFrom: Bool,
    _ context: StatementContext,
    _ client: any StatementClient
  ) async throws -> StatementResult {
    let exchange = CopyExchange(client)
    let values = PostgresValues { [self] column, row throws(TallyError) in try sketchBytes(column, row: row) }
    do {
      if isFrom, case .explicit = context.block {
        guard state.withLock({ $0.transaction?.isTaken != true }) else { throw Self.mixed(request.statement.statement) }
        let limit = coordinator.statementMemory
        let left = limit - (state.withLock { $0.transaction?.bytes } ?? 0)
        if let write = try await coordinator.gatherCopy(request, from: exchange, values: values, limit: left) {
          try keep(write)
          return .done(tag: "COPY \(write.rows)")
        }
      }
      let outcome = try await coordinator.copy(request, with: exchange, values: values)
      state.withLock { $0.seen.merge(outcome.seen) }
      return .done(tag: "COPY \(outcome.rows)")
    } catch let failure as CopyFailure { throw ServerReport(failure) }
  }

  private func read(_ request: StatementRequest, _ client: any StatementClient) async throws -> StatementResult {
    let reply = try await coordinator.carryOut(request)
    try await take(reply, client)
    let isExplain = if case .select = request.statement.statement { false } else { true }
    return .rows(
      (reply.columns ?? []).map { ColumnDescription($0.name, $0.type) },
      BatchStream(reply.batches),
      isExplain ? .plain("EXPLAIN") : .select
    )
  }
  private func carryOut(_ request: StatementRequest, _ client: any StatementClient) async throws -> StatementResult {
    let reply = try await coordinator.carryOut(request)
    try await take(reply, client)
    return Self.result(of: request.statement.statement, tag: reply.tag)
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
    return try await coordinator.evaluate(written, as: types, now: now, facts(context.settings))
  }

  // MARK: Transaction blocks

  /// Keeps a statement that writes until COMMIT.
  private func write(_ request: StatementRequest, _ client: any StatementClient) async throws -> StatementResult {
    let statement = request.statement.statement
    guard request.batchKey == nil else {
      throw TallyError.sql(
        "0A000",
        "tally.batch_key in a transaction block is not supported",
        hint: "Run the INSERT by itself (autocommit): a key is one INSERT's."
      )
    }
    let (writes, isTaken) = state.withLock { ($0.transaction?.writes.count ?? 0, $0.transaction?.isTaken ?? false) }
    if case .insert = statement {
      guard !isTaken else { throw Self.mixed(statement) }
      guard let write = try await coordinator.gather(request) else { throw TallyError(.internalError, "an INSERT is none") }
      try keep(write)
      return .done(tag: "INSERT 0 \(write.rows)")
    }
    guard writes == 0, !isTaken else { throw Self.mixed(statement) }
    guard let tag = statement.deferredTag else {
      guard let deletion = try await coordinator.openDeletion(request) else { throw TallyError(.internalError, "a DELETE is none") }
      let rows = try await deletion.rows
      state.withLock { state in
        state.transaction?.deletion = deletion
        state.transaction?.hidden.insert(deletion.table)
      }
      return .done(tag: "DELETE \(rows)")
    }
    let table = try await coordinator.check(request)
    state.withLock { state in
      state.transaction?.deferred = request
      if let table { state.transaction?.hidden.insert(table) }
    }
    return Self.result(of: statement, tag: tag)
  }
  /// Keeps rows until COMMIT.
  private func keep(_ write: PendingWrite) throws(TallyError) {
    let limit = coordinator.statementMemory
    try state.withLock { state throws(TallyError) in
      guard var transaction = state.transaction else { throw TallyError(.internalError, "no transaction block is open") }
      guard transaction.bytes + write.bytes <= limit else {
        throw TallyError(
          .overloaded,
          "a transaction block holds at most \(limit) bytes of new rows",
          hint: "COMMIT more often, or load files with COPY or tally ingest."
        )
      }
      transaction.writes.append(write)
      transaction.bytes += write.bytes
      transaction.hidden.insert(write.table)
      state.transaction = transaction
      state.seen.merge(write.seen)
    }
  }
  private static func mixed(_ statement: Statement) -> TallyError {
    .sql(
      "0A000",
      "\(statement.verb) after another writing statement in a transaction block is not supported",
      hint: "A block holds any number of INSERTs, or one DELETE, TRUNCATE or definition; run the others by themselves (autocommit)."
    )
  }

  func change(_ change: TransactionChange) async throws {
    switch change {
    case .begin(let modes):
      try Self.check(modes)
      let now = coordinator.wallMicroseconds
      state.withLock { $0.transaction = Transaction(now: now) }
    case .modes(let modes): try Self.check(modes)
    case .commit: try await commit()
    case .rollback: state.withLock { $0.transaction = nil }
    case .savepoint(let name):
      state.withLock { state in
        guard let transaction = state.transaction else { return }
        state.transaction?.savepoints.append((name, transaction.writes.count, transaction.isTaken))
      }
    case .release(let name):
      state.withLock { state in
        guard let at = state.transaction?.savepoints.lastIndex(where: { $0.name == name }) else { return }
        state.transaction?.savepoints.removeSubrange(at...)
      }
    case .rollBackTo(let name): state.withLock { $0.transaction?.rollBack(to: name) }
    }
  }
  private static func check(_ modes: TransactionModes) throws(TallyError) {
    guard let level = modes.isolation, level == "repeatable read" || level == "serializable" else { return }
    throw .sql(
      "0A000",
      "transaction isolation level \"\(level)\" is not supported",
      hint: "Use READ COMMITTED: every statement sees what was committed before it."
    )
  }
  private func commit() async throws {
    let ended = state.withLock { state in
      defer { state.transaction = nil }
      return state.transaction
    }
    guard let ended else { return }
    if let request = ended.deferred {
      let reply = try await coordinator.carryOut(request)
      state.withLock { $0.seen.merge(reply.seen) }
    } else if let deletion = ended.deletion {
      let seen = try await deletion.commit()
      state.withLock { $0.seen.merge(seen) }
    } else if !ended.writes.isEmpty {
      let seen = try await coordinator.commit(ended.writes, deadline: .distantFuture)
      state.withLock { $0.seen.merge(seen) }
    }
  }

  // MARK: The rest

  func sketchBytes(_ column: ColumnVector, row: Int) throws(TallyError) -> [UInt8] {
    switch column.values {
    case .hll(let states): HLLFormat.encode(states.state(row))
    case .topn(let states): Array(TopNText.print(states.state(row)).utf8)
    default: throw TallyError(.internalError, "a column of another layout than a sketch's")
    }
  }
  func discard(_ target: DiscardTarget) async throws {}
  func close() async { state.withLock { $0.transaction = nil } }
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
  private let left: Mutex<ArraySlice<Batch>>
  init(_ batches: [Batch]) { left = Mutex(batches[...]) }
  func next() async throws -> Batch? {
    try Task.checkCancellation()
    return left.withLock { $0.popFirst() }
  }
  func close() { left.withLock { $0 = [] } }
}

extension Statement {
  /// What messages call it.
  fileprivate var verb: String {
    switch self {
    case .createTable: "CREATE TABLE"
    case .dropTable: "DROP TABLE"
    case .createRollup: "CREATE MATERIALIZED VIEW"
    case .dropRollup: "DROP MATERIALIZED VIEW"
    case .insert: "INSERT"
    case .delete(let syntax): syntax.isTruncate ? "TRUNCATE TABLE" : "DELETE"
    case .select: "SELECT"
    case .explain, .explainInsert: "EXPLAIN"
    case .copy(let syntax): syntax.isFrom ? "COPY FROM" : "COPY TO"
    }
  }
  /// The tag of one that may wait until COMMIT.
  fileprivate var deferredTag: String? {
    switch self {
    case .createTable, .dropTable, .createRollup, .dropRollup: verb
    case .delete(let syntax): syntax.isTruncate ? verb : nil
    case .select: commandName == nil ? nil : "SELECT 1"
    case .insert, .explain, .explainInsert, .copy: nil
    }
  }
}
