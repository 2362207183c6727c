// SessionFlow.swift — statements one by one, whoever asks: a request of the RPC (QueryFlow) or a client's session (PostgresWire).
//
// Any coordinator reads and writes rows, in a session of its own (StatementFlow); definitions are the leader's and are passed on to it as
// text. What a statement inside of a transaction does otherwise: TransactionFlow.
// Every statement is planned under one version of the catalog; `planned` is the one place where a planning context is made.
import Bytes
public import Capabilities
public import Columns
import Consensus
public import Model
import Planning
import RPC
public import SQL
public import Wire

/// A statement to carry out.
public struct StatementRequest: Sendable {
  /// The statement.
  public var statement: ParsedStatement
  /// Values of its parameters; nil where it may have none.
  public var arguments: [TypedValue]?
  /// What `now()` is.
  public var now: Int64
  /// How new what its reads show must be.
  public var read: ReadLevel
  /// What they must show at least.
  public var seen = SessionToken()
  /// Key of an INSERT that must count once however often it is sent, and the bytes that tell it from another with the same key.
  public var batchKey: (key: String, content: [UInt8])?
  /// Whether a coarser level may answer for a finer one.
  public var choosesLevels = true
  /// What system relations and functions tell of its session.
  public var facts = SessionFacts()
  /// The transaction it is part of; nil when it is one of its own.
  public var transaction: OpenTransaction?
  /// Characters before its text in the text that positions count from.
  public var offset = 0
  /// When its client gives up.
  public var deadline = Instant.distantFuture
  /// How long it waits for what other transactions hold; nil: as long as nobody says otherwise.
  public var lockPatience: Duration?
  /// The transaction of procedures' statements; nil: each is one of its own.
  var runner: (any StatementRunner)?
  /// Takes messages of procedures as they are raised; nil: they are told at the end.
  public var notify: (@Sendable (RaisedNotice) async -> Void)?
  /// Counts the bytes of rows of RETURNING, which wait in memory until their client has read them; what is given is kept so long. Throws
  /// 53200 when there is no room, unless the change took effect already (true).
  public var hold: (@Sendable (Int, Bool) throws -> (any Sendable)?)?
  /// Whether the transaction around it is its client's, so that procedures may not end it.
  var isAtomic = true
  /// Names that stand for values: variables of the procedure that it stands in.
  var variables = NamedValues()
  /// Results of the routines that it calls.
  var calls = StatementCalls()
  /// It fills a materialized view.
  var isFilling = false
  /// Its calls were carried out.
  var isResolved = false
  /// Routines around it.
  var callDepth = 0
  var turn = 0
  /// Its place among the writers in flight, when it is no query.
  var ticket: UInt64?
  /// How often numbers of sequences had been forgotten when it was begun: those it has from before are not kept for others.
  var voidsBefore: UInt64 = 0
  /// Makes a request.
  public init(_ statement: ParsedStatement, now: Int64, read: ReadLevel = .latest) {
    self.statement = statement
    self.now = now
    self.read = read
  }
}

/// What carrying out a statement gave.
public struct StatementReply: Sendable {
  /// Columns of its rows; nil when it gives none.
  public var columns: [ResultColumn]?
  /// What the columns show, as many as there are, or none where that is not known.
  public var sources: [ColumnSource?] = []
  /// Its rows.
  public var batches: [Batch] = []
  /// PostgreSQL's tag: `SELECT 3`, `CREATE TABLE`.
  public var tag: String
  /// Rows returned or stored.
  public var rows: UInt64 = 0
  /// Messages beside the result.
  public var notices: [Notice] = []
  /// What it cost.
  public var statistics = QueryStatistics()
  /// Places of the shards that it read or wrote.
  public var seen = SessionToken()
  /// What its request's `hold` gave for its rows.
  public var held: (any Sendable)?
  /// The procedure that a CALL chose.
  var called: FunctionRecord?
}

/// What is known of a statement before it runs.
public struct StatementDescription: Sendable {
  /// Types of its parameters.
  public var parameters: [DataType] = []
  /// Columns of its rows; nil when it gives none.
  public var columns: [ResultColumn]?
  /// What the columns show, as many as there are, or none where that is not known.
  public var sources: [ColumnSource?] = []
}

extension Coordinator {
  /// The time that a statement begun now is told.
  public nonisolated var wallMicroseconds: Int64 { surroundings.clock.wallMicroseconds }

  /// This coordinator's number among the others, from 1 on; two may have the same, seldom.
  public var memberNumber: UInt32 { get async { Self.number(of: await log.standing.member) } }
  /// Process numbers of clients have room for 11 bits.
  private static func number(of member: MemberID) -> UInt32 { UInt32(member.rawValue % 2047) + 1 }
  /// Passes a client's cancel request on to the coordinators with that number.
  public func passOnCancel(process: UInt32, secret: [UInt8], to number: UInt32) async {
    let standing = await log.standing
    for member in standing.members.all where member.id != standing.member && Self.number(of: member.id) == number {
      guard let address = NetworkAddress(member.address) else { continue }
      do {
        let deadline = surroundings.clock.now + .seconds(3)
        _ = try await pool.call(.cancelStatement(CancelStatement(process: process, secret: secret)), to: address, deadline: deadline)
      } catch { surroundings.log.warning("cancel-not-passed-on", ("coordinator", member.name), ("reason", "\(error)")) }
    }
  }
  /// Bytes that are the cluster's own, the same on all coordinators.
  public var clusterBytes: [UInt8] { Array(cluster.description.utf8) }

  /// Takes a text apart: at once, or on a compute thread when it is long.
  public nonisolated func takeApart(_ text: String) async throws -> [SessionStatement] {
    if text.utf8.count <= Self.textAtOnceMax { return try parseSession(text) }
    return try await surroundings.compute.attempt { try parseSession(text) }
  }
  private static let textAtOnceMax = 2048

  /// Plans a statement: by its generic plan, if it has one.
  func planned(_ request: StatementRequest, _ snapshot: CatalogSnapshot) async throws -> BoundStatement {
    let request = try await withObjectNumbers(request, snapshot)
    let types = (request.arguments ?? []).map(\.type)
    guard let key = PlanCache.Key(request, under: snapshot, types: types) else { return try await plannedWithValues(request, snapshot) }
    var kept = plans.find(key, snapshot.version)
    if case .nothing? = kept {
      let context = await context(request, snapshot, nil)
      let plan = GenericPlan(request.statement, catalog: try await seen(snapshot, request), types: types, context: context)
      kept = plan.map { .generic($0) } ?? .custom
      plans.keep(kept ?? .custom, key, snapshot.version)
    }
    if case .generic(let plan)? = kept {
      let values = StatementValues(now: request.now, arguments: (request.arguments ?? []).map(\.value))
      let context = PlanningContext(now: request.now, choosesLevels: request.choosesLevels, zone: request.facts.zone)
      do {
        let planned = try plan.plan(values, catalog: try await seen(snapshot, request), context: context)
        plans.count(key, isGeneric: true)
        return planned
      } catch {
        // What these values make impossible the other way tells, or does.
      }
    }
    let planned = try await plannedWithValues(request, snapshot)
    if kept == nil { plans.keep(.nothing, key, snapshot.version) }
    plans.count(key, isGeneric: false)
    return planned
  }
  private func plannedWithValues(_ request: StatementRequest, _ snapshot: CatalogSnapshot) async throws -> BoundStatement {
    let parameters = request.arguments.map { StatementParameters(declared: $0.map(\.type), values: $0.map(\.value)) }
    let seen = try await seen(snapshot, request)
    return try plan(request.statement, catalog: seen, context: await context(request, seen, parameters))
  }
  /// The catalog as the session's names see it, with the definitions of its transaction.
  func seen(_ snapshot: CatalogSnapshot, _ request: StatementRequest) async throws -> CatalogSnapshot {
    var snapshot = snapshot
    if let draft = request.transaction?.draft { snapshot = try await log.drafted(draft) }
    (snapshot.searchPath, snapshot.temporarySchema) = (request.facts.searchPath, request.facts.temporarySchema)
    return snapshot
  }
  func context(
    _ request: StatementRequest,
    _ snapshot: CatalogSnapshot,
    _ parameters: StatementParameters?
  ) async -> PlanningContext {
    var system: any SystemCatalog = await systemRelations(request.facts, under: snapshot)
    if !request.calls.results.isEmpty { system = CalledFunctions(system: system, results: request.calls.results) }
    var context = PlanningContext(
      now: request.now,
      choosesLevels: request.choosesLevels,
      parameters: parameters,
      system: system,
      zone: request.facts.zone
    )
    context.variables = request.variables
    if let count = request.facts.setting("citus.shard_count").flatMap({ Int($0) }), (1...Limits.shardsMax).contains(count) {
      context.defaultShardCount = count
    }
    if let counters = request.facts.setting("topn.number_of_counters").flatMap({ UInt32($0) }) { context.topn.counters = counters }
    context.isFilling = request.isFilling
    context.changed = request.transaction?.changed ?? []
    if !snapshot.functions.isEmpty { context.routines = routines.known(snapshot).inline }
    return context
  }
  /// The plan of a statement, and the catalog it is made under: of a query that need not see the latest the one at hand, if that will do.
  func bind(_ request: StatementRequest) async throws -> (plan: BoundStatement, catalog: CatalogVersion) {
    if request.read != .latest, request.transaction?.hasWrites != true {
      // One that fails may name what is newer than the catalog at hand.
      do {
        let snapshot = await log.catalog.snapshot
        let bound = try await planned(request, snapshot)
        if bound.isQuery { return (bound, snapshot.version) }
      } catch {}
    }
    // Whatever was answered anywhere before this statement came is in the catalog it is planned under (R13).
    try await freshenToRead(until: request.deadline)
    let snapshot = await log.catalog.snapshot
    return (try await planned(request, snapshot), snapshot.version)
  }

  /// Finds the types of a statement's parameters and its columns; `declared` are the types that its client named.
  public func describe(_ request: StatementRequest, declared: [DataType?]) async throws -> StatementDescription {
    let statement = request.statement.statement
    if statement.isDefinition { return StatementDescription() }
    if case .doBlock = statement { return StatementDescription() }
    if case .call(let call, let position) = statement {
      return try await describeCall(call, position, request, StatementParameters(declared: declared))
    }
    if case .copy(let copy) = statement, copy.change != nil {
      _ = try await copiedColumns(copy, request)
      return StatementDescription()
    }
    if let name = statement.commandName { return StatementDescription(columns: [ResultColumn(name: name, type: .text)]) }
    func attempt(_ snapshot: CatalogSnapshot) async throws -> StatementDescription {
      let key = PlanCache.Key(request, under: snapshot, types: declared)
      if let key, let known = plans.description(key, snapshot.version) { return known }
      let parameters = StatementParameters(declared: declared)
      let called = try await resolvingCalls(request, describing: parameters)
      let seen = try await seen(snapshot, request)
      let bound = try plan(called.statement, catalog: seen, context: await context(called, seen, parameters))
      let description = StatementDescription(parameters: try parameters.found(), columns: bound.columns, sources: bound.sources)
      // What a routine gives is not told by the text and the catalog's version alone: its calls were resolved for this.
      if let key, !called.isResolved { plans.keep(description, key, snapshot.version) }
      return description
    }
    // What the catalog at hand has is enough to tell columns: running the statement looks again.
    do { return try await attempt(await log.catalog.snapshot) } catch {
      if await log.decidesAlone { throw error }
    }
    try await freshenToRead(until: request.deadline)
    return try await attempt(await log.catalog.snapshot)
  }
  /// The values of an EXECUTE's arguments.
  public func evaluate(_ arguments: [ExpressionSyntax], as types: [DataType], now: Int64, _ facts: SessionFacts) async throws -> [Value] {
    let snapshot = await log.catalog.snapshot
    var context = PlanningContext(now: now, system: await systemRelations(facts, under: snapshot), zone: facts.zone)
    context.routines = routines.known(snapshot).inline
    return try Planning.evaluate(arguments, as: types, context: context)
  }

  /// Carries a statement out.
  public func carryOut(_ asked: StatementRequest) async throws -> StatementReply {
    guard let objects = asked.facts.temporary, asked.runner == nil else { return try await carryOutPart(asked) }
    try await settleTemporary(objects)
    let reply = try await carryOutPart(asked)
    if asked.transaction == nil, !asked.statement.statement.isQuery { await endTemporary(objects, [], changed: nil) }
    return reply
  }
  private func carryOutPart(_ asked: StatementRequest) async throws -> StatementReply {
    try asked.checkReadOnly()
    if let reply = try await carryOutProcedure(asked) { return reply }
    guard let calls = try await extractingCalls(asked) else { return try await carryOutResolved(asked) }
    let gathered = NoticeList()
    var hearing = asked
    if hearing.notify == nil { hearing.notify = { await gathered.add($0.notice) } }
    guard calls.hasStatements else { return try await carryOutResolved(try await resolving(calls, hearing)) }
    var reply = try await inTransaction(hearing) { inner in
      try await self.carryOutResolved(try await self.resolving(calls, inner))
    }
    reply.notices = await gathered.notices + reply.notices
    return reply
  }
  private func carryOutResolved(_ asked: StatementRequest) async throws -> StatementReply {
    let limit = min(asked.deadline, surroundings.clock.now + (asked.lockPatience ?? OpenTransaction.defaultPatience))
    var attempts = 0
    while true {
      var request = asked
      request.facts.numbers = StatementNumbers()
      request.voidsBefore = numberBlocks.voids
      do {
        let reply = try await perform(request)
        try await settleNumbers(request)
        return reply
      } catch {
        giveBackNumbers(request)
        // Nothing of it was done: the rows of its table are being moved. It is planned anew until they are where they go.
        guard let refusal = error as? TallyError, refusal.status == .stalePlan, asked.transaction == nil,
          !asked.statement.statement.isDefinition, surroundings.clock.now < limit
        else { throw error }
      }
      attempts += 1
      try await surroundings.clock.sleep(for: .milliseconds(min(5 * attempts, 100)))
    }
  }
  private func perform(_ asked: StatementRequest) async throws -> StatementReply {
    var request = asked
    nextRead += 1
    request.turn = nextRead
    if !request.statement.statement.isQuery { request.ticket = writers.begin() }
    defer { if let ticket = request.ticket { writers.end(ticket, into: request.transaction?.ticket) } }
    let (bound, version): (BoundStatement, CatalogVersion)
    do { (bound, version) = try await bind(request) } catch var error as TallyError
      where error.hint == nil && request.transaction?.hasDeferred == true && error.sqlState.hasPrefix("42")
    {
      error.hint = "The definition that this block has waits for COMMIT: run it by itself, before the block."
      throw error
    }
    try request.checkReadOnly(bound)
    if let ticket = request.ticket { writers.know(ticket, bound.rowsAdded) }
    if let transaction = request.transaction {
      switch bound {
      case .modify(let plan): return try await modify(plan, planned: version, request, in: transaction).showing(bound.sources)
      case .insertSelect(let plan):
        if let pushed = plan.pushed { return try await modify(pushed, planned: version, request, in: transaction) }
      default: break
      }
      if let reply = try await carryOut(bound, request, in: transaction) { return reply }
    }
    let key = try await clientKey(request, bound)
    if let reply = try await define(bound, request) {
      try await noteTemporary(bound, request)
      return reply
    }
    switch bound {
    case .insert(let insert): return Self.reply(try await self.insert(insert, key, deadline: request.deadline), key)
    case .delete(let delete):
      let deleted = try await self.delete(delete, deadline: request.deadline)
      let tag = delete.isTruncate ? "TRUNCATE TABLE" : "DELETE \(deleted.rows)"
      return StatementReply(tag: tag, rows: UInt64(deleted.rows), seen: deleted.seen)
    case .modify(let plan): return try await modify(plan, planned: version, request).showing(bound.sources)
    case .insertSelect(let plan):
      if key == nil, let pushed = plan.pushed { return try await modify(pushed, planned: version, request) }
      let (insert, answer) = try await selectToInsert(request)
      return Self.reply(try await self.insert(insert, answer.batches, key, deadline: request.deadline), key)
    case .lock: throw TallyError.sql("25P01", "LOCK TABLE can only be used in transaction blocks")
    case .copyIn, .copyOut:
      throw TallyError.sql(
        "0A000",
        "COPY is not supported by this protocol",
        hint: "Use psql or a driver of PostgreSQL, or load files with: tally ingest FILE --table NAME"
      )
    default: break
    }
    let current = request
    let answer = try await withNumbers(request) {
      try await self.untilServed(current.deadline) { snapshot in
        let plan = snapshot.version == version ? bound : try await self.planned(current, snapshot)
        return try await self.evaluate(plan, snapshot, current)
      }
    }
    let rows = answer.batches.reduce(0) { $0 + $1.count }
    return StatementReply(
      columns: answer.columns,
      sources: bound.sources,
      batches: answer.batches,
      tag: "SELECT \(rows)",
      rows: UInt64(rows),
      notices: answer.notices,
      statistics: answer.statistics,
      seen: SessionToken(answer.shards.map { ShardPoint(shard: $0.shard, point: $0.point) })
    )
  }
  /// Carries a definition out, or has the leader do so; nil for other statements.
  private func define(_ bound: BoundStatement, _ request: StatementRequest) async throws -> StatementReply? {
    guard bound.isDefinition else { return nil }
    if await !decides {
      if case .define(let plan) = bound, let reply = try await makeAndFill(plan, request) { return reply }
      let reply = try await passOn(request, makesTemporary: bound.temporaryMade != nil)
      // What comes next may be planned by the catalog at hand, which shall have it.
      do { try await freshenToRead(until: request.deadline) } catch let error as TallyError where error.isRetryable {
        surroundings.log.warning("definition-not-seen-yet", ("reason", error.message))
      }
      // The leader has forgotten its own numbers; those at hand here are as old.
      if case .alterSequence(let plan) = bound, let sequence = plan.sequence { voidNumbers(of: [sequence.id]) }
      return reply
    }
    if case .define(let plan) = bound { return try await define(plan, request) }
    if let reply = try await moveRows(bound, request) { return reply }
    return try await change(bound, in: request.transaction).map { StatementReply(tag: $0.tag, notices: $0.notices) }
  }
  private static func reply(_ written: Written, _ key: ClientKey?) -> StatementReply {
    var reply = StatementReply(tag: "INSERT 0 \(written.rows)", rows: UInt64(written.rows), seen: written.seen)
    if written.isDuplicate, let key {
      reply.notices.append(
        Notice(message: "batch key \(key.id) took effect before: its \(written.rows) rows were not inserted again")
      )
    }
    return reply
  }
  /// The key that the client gave to its INSERT.
  private func clientKey(
    _ request: StatementRequest,
    _ bound: BoundStatement
  ) async throws -> ClientKey? {
    guard let (text, content) = request.batchKey else { return nil }
    let table: TableSchema
    switch bound {
    case .insert(let plan): table = plan.table
    case .insertSelect(let plan): table = plan.table
    default: throw TallyError.sql("0A000", "a batch key is for INSERT only", hint: "Send the other statements without one.")
    }
    return try ClientKey.given(text, content, try await placed(table), await log.catalog.snapshot)
  }
  /// Reads all rows of an INSERT … SELECT.
  func selectToInsert(_ request: StatementRequest) async throws -> (InsertSelectPlan, QueryAnswer) {
    var request = request
    request.read = .latest
    request.seen = SessionToken()
    let asked = request
    return try await untilServed(request.deadline) { snapshot in
      guard case .insertSelect(let insert) = try await self.planned(asked, snapshot) else {
        throw TallyError(.internalError, "a statement changed its kind while it was planned again")
      }
      return (insert, try await self.withNumbers(asked) { try await self.select(insert.select, snapshot, asked) })
    }
  }

  // MARK: Followers

  /// Has the leader carry a definition out.
  func passOn(_ request: StatementRequest, makesTemporary: Bool = false) async throws -> StatementReply {
    var settings = [QuerySetting(name: "TimeZone", value: request.facts.zone.name)]
    if request.facts.searchPath != ["public"] {
      settings.append(QuerySetting(name: "search_path", value: request.facts.searchPath.joined(separator: ",")))
    }
    let schemas = await log.catalog.snapshot.schemas
    if let schema = request.facts.temporarySchema, makesTemporary || schemas.contains(schema) {
      settings.append(QuerySetting(name: "tally.temporary_schema", value: schema))
    }
    for name in QuerySetting.ofDefinitions {
      if let value = request.facts.setting(name) { settings.append(QuerySetting(name: name, value: value)) }
    }
    if let patience = request.lockPatience {
      settings.append(QuerySetting(name: "lock_timeout", value: "\(Int64(patience / .milliseconds(1)))"))
    }
    for (at, argument) in (request.arguments ?? []).enumerated() {
      guard let text = ValueText.print(argument.value, as: argument.type), text.utf8.count <= 4096 else {
        throw TallyError.sql(
          "0A000",
          "a definition with a parameter that is NULL or long is not supported by this coordinator, which does not lead",
          hint: "Write the value into the text, or connect to the coordinator that leads."
        )
      }
      settings.append(QuerySetting(name: "$\(at + 1)", value: text))
    }
    let question = Message.query(QueryRequest(sql: request.statement.text, statementTime: request.now, settings: settings))
    var reply = StatementReply(tag: "")
    let answer: [Message]
    do { answer = try await askLeader(question, until: request.deadline) } catch var error as TallyError {
      error.position = error.position.map { $0 + request.offset }
      throw error
    }
    for message in answer {
      switch message {
      case .resultEnd(let end): (reply.tag, reply.rows, reply.notices, reply.seen) = (end.tag, end.rows, end.notices, end.seen)
      default: throw TallyError(.protocolViolation, "a definition was answered by a \(message.name) message")
      }
    }
    return reply
  }
  /// Makes sure that this coordinator has a session for its statements; a follower asks the leader for one.
  func needSession(until deadline: Instant) async throws {
    while true {
      let isFresh = statementSession != SessionID(0) && surroundings.clock.now - sessionOpened < .microseconds(KeyLifetimes.renewal)
      if isFresh { return }
      if await decides {
        // A leader opens its session before it leads and renews it by itself; an old one still serves.
        if statementSession != SessionID(0) { return }
        try await openSession()
        return
      }
      if !isOpeningSession { break }
      try await surroundings.clock.sleep(for: .milliseconds(5))
    }
    isOpeningSession = true
    defer { isOpeningSession = false }
    let request = OpenProducer(table: "", name: settings.name, chunkBytes: 0, fingerprint: .zero, again: true)
    for message in try await askLeader(.openProducer(request), until: deadline) {
      guard case .producerSession(let opened) = message else {
        throw TallyError(.protocolViolation, "the leader answered an openProducer request with \(message.name)")
      }
      (statementSession, sessionOpened) = (opened.session, surroundings.clock.now)
    }
  }
}
