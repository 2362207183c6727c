// QueryFlow.swift — SQL text to results: parse, plan, have fragments run (FragmentFlow), merge, stream.
//
// The read level of a request is for its queries; what writes reads the latest. Queries of other levels than `latest` are planned by the
// catalog at hand, so they go on without a majority of coordinators. A query is planned under one catalog version; when a shard moved or
// a worker restarted meanwhile, nothing was sent to the client yet and the whole query is planned and run again (untilServed).
import Capabilities
import Columns
import Execution
import Model
import Planning
import RPC
import SQL
import Wire

/// What running a plan gave.
struct QueryAnswer: Sendable {
  var columns: [ResultColumn]
  var batches: [Batch]
  var notices: [Notice]
  var statistics: QueryStatistics
  var shards: [ShardOutcome]
  /// Workers that were asked.
  var workers = 0
}

extension Coordinator {
  /// Answers a query request: its statements in order; the first that fails ends it.
  func answer(_ request: QueryRequest, _ call: ServerCall) async throws {
    try request.read.check()
    let statements = try parse(request.sql)
    guard request.batchKey == nil || statements.count == 1 else {
      throw TallyError.sql("42601", "a batch key is one INSERT's: the text holds \(statements.count) statements")
    }
    nextRead += 1
    var read = ReadContext(level: request.read, seen: request.seen, turn: nextRead)
    for (at, statement) in statements.enumerated() {
      let end = try await run(statement, request, read, call)
      // Statements of one text see those before them.
      read.seen.merge(end.seen)
      try await call.send(.resultEnd(end), isLast: at + 1 == statements.count)
    }
    if statements.isEmpty { try await call.send(.resultEnd(ResultEnd(tag: "", rows: 0)), isLast: true) }
  }

  /// Whether a text asks only, as far as this coordinator's catalog tells; what it cannot plan is the leader's to refuse.
  func onlyReads(_ request: QueryRequest, until deadline: Instant) async throws -> Bool {
    let statements = try parse(request.sql)
    if request.read == .latest { try await freshenToRead(until: deadline) }
    let snapshot = await log.catalog.snapshot
    let context = PlanningContext(now: request.statementTime ?? surroundings.clock.wallMicroseconds)
    for statement in statements {
      do { guard try plan(statement, catalog: snapshot, context: context).isQuery else { return false } } catch { return false }
    }
    return true
  }
  /// The plan of a statement: of a query that need not see the latest by the catalog at hand, if that will do.
  private func bind(
    _ statement: ParsedStatement,
    _ context: PlanningContext,
    _ level: ReadLevel,
    until deadline: Instant
  ) async throws -> BoundStatement {
    if level != .latest {
      let snapshot = await log.catalog.snapshot
      // One that fails may name what is newer than the catalog at hand.
      do {
        let bound = try plan(statement, catalog: snapshot, context: context)
        if bound.isQuery { return bound }
      } catch {}
    }
    // Whatever was answered anywhere before this statement came is in the catalog it is planned under (R13).
    try await freshenToRead(until: deadline)
    return try plan(statement, catalog: await log.catalog.snapshot, context: context)
  }
  private func freshenToRead(until deadline: Instant) async throws {
    do { try await freshen(until: min(deadline, surroundings.clock.now + Self.leaderPatience)) } catch var error as TallyError
      where error.isRetryable
    {
      error.detail = error.detail ?? "What is the latest is known only with most of the coordinators."
      error.hint = "Start the coordinators that are down; queries with --read session or --read 'stale 5s' are answered meanwhile."
      throw error
    }
  }

  private func run(
    _ statement: ParsedStatement,
    _ request: QueryRequest,
    _ read: ReadContext,
    _ call: ServerCall
  ) async throws -> ResultEnd {
    let started = surroundings.clock.now
    let context = PlanningContext(now: request.statementTime ?? surroundings.clock.wallMicroseconds)
    let bound = try await bind(statement, context, read.level, until: call.deadline)
    let key = try clientKey(request, bound, await log.catalog.snapshot)
    switch bound {
    case .copyIn, .copyOut:
      throw TallyError.sql(
        "0A000",
        "COPY is not supported by this protocol",
        hint: "Use psql or a driver of PostgreSQL, or load files with: tally ingest FILE --table NAME"
      )
    default: break
    }
    if let (tag, notices) = try await change(bound) { return ResultEnd(tag: tag, rows: 0, notices: notices) }
    if case .insert(let insert) = bound {
      return Self.end(try await self.insert(insert, key, deadline: call.deadline), key)
    }
    if case .delete(let delete) = bound {
      let deleted = try await self.delete(delete, deadline: call.deadline)
      let tag = delete.isTruncate ? "TRUNCATE TABLE" : "DELETE \(deleted.rows)"
      return ResultEnd(tag: tag, rows: UInt64(deleted.rows), seen: deleted.seen)
    }
    if case .insertSelect = bound {
      return Self.end(try await insertSelected(statement, context, key, deadline: call.deadline), key)
    }
    let deadline = call.deadline
    let answer = try await untilServed(deadline) { snapshot in
      try await self.evaluate(try plan(statement, catalog: snapshot, context: context), snapshot, read, deadline: deadline)
    }
    try await call.send(.resultHeader(ResultHeader(columns: answer.columns)))
    try await send(answer.batches, call)
    let rows = UInt64(answer.batches.reduce(0) { $0 + $1.count })
    var statistics = answer.statistics
    statistics.totalMicroseconds = (surroundings.clock.now - started).wholeMicroseconds
    let seen = SessionToken(answer.shards.map { ShardPoint(shard: $0.shard, point: $0.point) })
    return ResultEnd(tag: "SELECT \(rows)", rows: rows, notices: answer.notices, statistics: statistics, seen: seen)
  }

  /// Carries out INSERT … SELECT: reads all of it, then writes.
  private func insertSelected(
    _ statement: ParsedStatement,
    _ context: PlanningContext,
    _ key: ClientKey?,
    deadline: Instant
  ) async throws -> Written {
    let (insert, rows) = try await untilServed(deadline) { snapshot in
      guard case .insertSelect(let insert) = try plan(statement, catalog: snapshot, context: context) else {
        throw TallyError(.internalError, "a statement changed its kind while it was planned again")
      }
      return (insert, try await self.select(insert.select, snapshot, .latest, deadline: deadline).batches)
    }
    return try await self.insert(insert, rows, key, deadline: deadline)
  }
  /// The key that the client gave to its INSERT.
  private func clientKey(_ request: QueryRequest, _ bound: BoundStatement, _ snapshot: CatalogSnapshot) throws(TallyError) -> ClientKey? {
    guard let text = request.batchKey else { return nil }
    switch bound {
    case .insert(let plan): return try ClientKey.given(text, request.sql, plan.table, snapshot)
    case .insertSelect(let plan): return try ClientKey.given(text, request.sql, plan.table, snapshot)
    default: throw .sql("0A000", "a batch key is for INSERT only", hint: "Send the other statements without one.")
    }
  }
  private static func end(_ written: Written, _ key: ClientKey?) -> ResultEnd {
    var notices: [Notice] = []
    if written.isDuplicate, let key {
      notices.append(Notice(message: "batch key \(key.id) took effect before: its \(written.rows) rows were not inserted again"))
    }
    return ResultEnd(tag: "INSERT 0 \(written.rows)", rows: UInt64(written.rows), notices: notices, seen: written.seen)
  }

  /// Evaluates SELECT or EXPLAIN under one catalog version.
  private func evaluate(
    _ bound: BoundStatement,
    _ snapshot: CatalogSnapshot,
    _ read: ReadContext,
    deadline: Instant
  ) async throws -> QueryAnswer {
    switch bound {
    case .select(let plan): return try await select(plan, snapshot, read, deadline: deadline)
    case .explain(let plan, let analyze):
      let started = surroundings.clock.now
      let answer = analyze ? try await select(plan, snapshot, read, deadline: deadline) : nil
      var lines = Explain.lines(plan, catalog: snapshot)
      if let answer { lines += runtimeLines(answer, read.level, surroundings.clock.now - started) }
      return explanation(lines, answer)
    case .explainInsert(let plan): return explanation(Explain.lines(plan, catalog: snapshot), nil)
    default: throw TallyError(.internalError, "a statement changed its kind while it was planned again")
    }
  }

  private func explanation(_ lines: [String], _ explained: QueryAnswer?) -> QueryAnswer {
    var listing = Listing([("QUERY PLAN", .text)])
    for line in lines { listing.add(.text(line)) }
    return QueryAnswer(
      columns: listing.columns,
      batches: [listing.batch()],
      notices: [],
      statistics: explained?.statistics ?? QueryStatistics(),
      shards: explained?.shards ?? []
    )
  }
  private func runtimeLines(_ answer: QueryAnswer, _ level: ReadLevel, _ total: Duration) -> [String] {
    let s = answer.statistics
    let slowest = answer.shards.map(\.microseconds).max() ?? 0
    let age = s.age.map { $0 == 0 ? "none" : "at most \(milliseconds($0)) ms" } ?? "not known"
    return [
      "Read Level: \(level)", "Age: \(age)", "Workers Asked: \(answer.workers)",
      "Shards Touched: \(s.shards)", "Rows Read: \(s.rowsRead)", "Fresh Rows: \(s.freshRows)", "Blocks Read: \(s.blocks)",
      "Slowest Shard: \(milliseconds(slowest)) ms", "Merge Time: \(milliseconds(s.mergeMicroseconds)) ms",
      "Rows Returned: \(answer.batches.reduce(0) { $0 + $1.count })",
      "Execution Time: \(milliseconds(total.wholeMicroseconds)) ms",
    ]
  }
  private func milliseconds(_ micros: UInt64) -> String {
    let thousandths = String(micros % 1000)
    return "\(micros / 1000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths
  }

  func select(
    _ plan: DistributedPlan,
    _ snapshot: CatalogSnapshot,
    _ read: ReadContext,
    deadline: Instant
  ) async throws -> QueryAnswer {
    var read = read
    var inputs: [FragmentResult] = []
    var outcomes: [ShardOutcome] = []
    var workers: Set<NodeID> = []
    for fragment in plan.fragments {
      let answer = try await run(fragment, snapshot, read, deadline: deadline)
      inputs.append(FragmentResult(batches: answer.batches))
      outcomes += answer.shards
      workers.formUnion(answer.nodes)
      // A later fragment shows no less than an earlier one.
      for outcome in answer.shards { read.seen.note(ShardPoint(shard: outcome.shard, point: outcome.point)) }
    }
    let started = surroundings.clock.now
    let (merged, memory) = (inputs, settings.queryMemory)
    let result = try await compute { cancel in
      try MergeExecution.executeCoordinator(
        plan.coordinatorPlan,
        fragments: merged,
        limits: ExecutionLimits(memoryBytes: memory, cancel: cancel)
      )
    }
    var statistics = QueryStatistics()
    statistics.mergeMicroseconds = (surroundings.clock.now - started).wholeMicroseconds
    statistics.shards = UInt64(outcomes.count)
    for outcome in outcomes {
      statistics.rowsRead += outcome.rowsRead
      statistics.blocks += outcome.blocks
      statistics.freshRows += outcome.freshRows
    }
    let ages = outcomes.compactMap(\.age)
    statistics.age = ages.count == outcomes.count ? ages.max() : nil
    return QueryAnswer(
      columns: plan.output.map { ResultColumn(name: $0.name, type: $0.type) },
      batches: result.batches,
      notices: plan.notices.map { Notice(message: $0) },
      statistics: statistics,
      shards: outcomes,
      workers: workers.count
    )
  }

  /// Runs synchronous work on a compute thread, stopping it when the request is cancelled, as its deadline does.
  private func compute<R: Sendable>(
    _ work: @escaping @Sendable (CancelFlag) throws -> R
  ) async throws -> R {
    let cancel = CancelFlag()
    return try await withTaskCancellationHandler {
      try await surroundings.compute.attempt { try work(cancel) }
    } onCancel: {
      cancel.raise(.cancelled)
    }
  }
}

extension BoundStatement {
  /// Whether it reads only.
  var isQuery: Bool {
    switch self {
    case .select, .explain: true
    default: false
    }
  }
}

extension Duration {
  /// Whole microseconds; 0 when negative.
  var wholeMicroseconds: UInt64 {
    let (seconds, attoseconds) = components
    return UInt64(max(0, seconds)) * 1_000_000 + UInt64(max(0, attoseconds) / 1_000_000_000_000)
  }
}
