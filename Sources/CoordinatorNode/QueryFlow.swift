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
    var seen = request.seen
    for (at, statement) in statements.enumerated() {
      let end = try await run(statement, request, seen, call)
      // Statements of one text see those before them.
      seen.merge(end.seen)
      try await call.send(.resultEnd(end), isLast: at + 1 == statements.count)
    }
    if statements.isEmpty { try await call.send(.resultEnd(ResultEnd(tag: "", rows: 0)), isLast: true) }
  }

  /// Whether a text asks only, as far as this coordinator's catalog tells; what it cannot plan is the leader's to refuse.
  func onlyReads(_ request: QueryRequest, until deadline: Instant) async throws -> Bool {
    let statements = try parse(request.sql)
    if request.read == .latest { try await freshenToRead(until: deadline) }
    let snapshot = await log.catalog.snapshot
    for statement in statements {
      let asked = StatementRequest(statement, now: request.statementTime ?? surroundings.clock.wallMicroseconds)
      do { guard try await planned(asked, snapshot).isQuery else { return false } } catch { return false }
    }
    return true
  }
  func freshenToRead(until deadline: Instant) async throws {
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
    _ seen: SessionToken,
    _ call: ServerCall
  ) async throws -> ResultEnd {
    let started = surroundings.clock.now
    var asked = StatementRequest(statement, now: request.statementTime ?? surroundings.clock.wallMicroseconds, read: request.read)
    asked.seen = seen
    asked.batchKey = request.batchKey.map { ($0, Array(request.sql.utf8)) }
    asked.deadline = call.deadline
    try await apply(request.settings, to: &asked)
    var reply = try await carryOut(asked)
    if let columns = reply.columns {
      try await call.send(.resultHeader(ResultHeader(columns: columns)))
      try await send(reply.batches, call)
      reply.statistics.totalMicroseconds = (surroundings.clock.now - started).wholeMicroseconds
    }
    return ResultEnd(tag: reply.tag, rows: reply.rows, notices: reply.notices, statistics: reply.statistics, seen: reply.seen)
  }

  /// A request's settings: `TimeZone`, `$1`, `$2`, … with the texts of parameters, whose types the statement tells, and what a coordinator
  /// passes on of its session. Throws 42704.
  private func apply(_ settings: [QuerySetting], to request: inout StatementRequest) async throws {
    var texts: [Int: String] = [:]
    for setting in settings {
      if setting.name.lowercased() == "timezone" {
        guard let zone = ClockZone.named(setting.value) else {
          throw TallyError.sql("22023", "invalid value for parameter \"TimeZone\": \"\(setting.value)\"")
        }
        request.facts.zone = zone
      } else if setting.name == "search_path" {
        request.facts.searchPath = SessionFacts.searchPath(setting.value)
      } else if setting.name == "tally.temporary_schema", TemporarySchema(setting.value) != nil {
        request.facts.temporarySchema = setting.value
      } else if QuerySetting.ofDefinitions.contains(setting.name) {
        let (others, own) = (request.facts.setting, setting)
        request.facts.setting = { $0 == own.name ? own.value : others($0) }
      } else if setting.name == "lock_timeout", let milliseconds = Int64(setting.value), milliseconds > 0 {
        request.lockPatience = .milliseconds(milliseconds)
      } else if setting.name.hasPrefix("$"), let number = Int(setting.name.dropFirst()), (1...settings.count).contains(number) {
        texts[number] = setting.value
      } else {
        throw TallyError.sql("42704", "unrecognized configuration parameter \"\(setting.name)\"")
      }
    }
    if texts.isEmpty { return }
    let types = try await describe(request, declared: []).parameters
    guard types.count == texts.count else {
      throw TallyError.sql("08P01", "\(texts.count) parameters were given, but the statement has \(types.count)")
    }
    var values: [TypedValue] = []
    for (at, type) in types.enumerated() {
      guard let text = texts[at + 1] else { throw TallyError.sql("42P02", "there is no parameter $\(at + 1)") }
      values.append(TypedValue(type, try ZonedText.parse(text, as: type, zone: request.facts.zone)))
    }
    request.arguments = values
  }

  /// Evaluates SELECT or EXPLAIN under one catalog version.
  func evaluate(
    _ bound: BoundStatement,
    _ snapshot: CatalogSnapshot,
    _ request: StatementRequest
  ) async throws -> QueryAnswer {
    switch bound {
    case .select(let plan): return try await select(plan, snapshot, request)
    case .explain(let plan, let analyze):
      let started = surroundings.clock.now
      let answer = analyze ? try await select(plan, snapshot, request) : nil
      var lines = Explain.lines(plan, catalog: snapshot)
      if let answer { lines += runtimeLines(answer, request.read, surroundings.clock.now - started) }
      return explanation(lines, answer)
    case .explainChange(let change): return explanation(Explain.lines(change, catalog: snapshot), nil)
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

  func select(_ plan: DistributedPlan, _ snapshot: CatalogSnapshot, _ request: StatementRequest) async throws -> QueryAnswer {
    var read = ReadContext(level: request.read, seen: request.seen, turn: request.turn)
    if let statement = try request.transaction?.readStatement() {
      try refuseRollups(plan, snapshot, request.transaction?.changed ?? [])
      // Only primaries have what the transaction staged.
      (read.level, read.statement) = (.latest, statement)
    }
    var inputs: [FragmentResult] = []
    var outcomes: [ShardOutcome] = []
    var workers: Set<NodeID> = []
    for part in plan.fragments {
      if part.shards == .coordinator {
        inputs.append(try await compute { [inputs] in try self.merged(part.plan, inputs, plan.system, $0) })
        continue
      }
      guard let fragment = part.supplied(inputs.map(\.batches)) else {
        // Nothing was sent to the client: without sent rows the coordinator joins them itself.
        if let gathered = plan.gathered.first { return try await select(gathered, snapshot, request) }
        throw TallyError.sql(
          "54000",
          "more than \(SentRows.bytesMax >> 20) MiB of rows would have to be sent to the shards",
          hint: "Add conditions that leave fewer rows of the joined relations."
        )
      }
      let answer = try await run(fragment, snapshot, read, deadline: request.deadline)
      inputs.append(FragmentResult(batches: answer.batches))
      outcomes += answer.shards
      workers.formUnion(answer.nodes)
      // A later fragment shows no less than an earlier one.
      for outcome in answer.shards { read.seen.note(ShardPoint(shard: outcome.shard, point: outcome.point)) }
    }
    let started = surroundings.clock.now
    // Handing a few rows to another thread takes longer than merging them.
    let result =
      plan.isQuick(over: inputs)
      ? try merged(plan.coordinatorPlan, inputs, plan.system, CancelFlag())
      : try await compute { [inputs] in try self.merged(plan.coordinatorPlan, inputs, plan.system, $0) }
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

  /// Runs a plan of the coordinator's over the rows of fragments.
  private nonisolated func merged(
    _ plan: PlanNode,
    _ inputs: [FragmentResult],
    _ system: (any SystemCatalog)?,
    _ cancel: CancelFlag
  ) throws -> FragmentResult {
    try MergeExecution.executeCoordinator(
      plan,
      fragments: inputs,
      system: system,
      limits: ExecutionLimits(memoryBytes: settings.queryMemory, cancel: cancel)
    )
  }
  /// Refuses rollups of tables that the transaction around the statement changed: they hold what is committed.
  private func refuseRollups(_ plan: DistributedPlan, _ snapshot: CatalogSnapshot, _ changed: Set<TableID>) throws(TallyError) {
    guard !changed.isEmpty else { return }
    let read = plan.rollupsRead
    guard let rollup = snapshot.rollups.first(where: { read.contains($0.id) && changed.contains($0.source) }) else { return }
    throw .sql(
      "0A000",
      "reading rollup \"\(rollup.name)\" after its table was changed in the same transaction is not supported",
      hint: "COMMIT first, or ask the table itself."
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

extension DistributedPlan {
  /// Whether the coordinator's part is a matter of microseconds: a few rows under operators that do no more than look at each of them.
  fileprivate func isQuick(over fragments: [FragmentResult]) -> Bool {
    guard fragments.reduce(0, { $0 + $1.batches.reduce(0) { $0 + $1.count } }) <= 64 else { return false }
    var node = coordinatorPlan
    for _ in 0..<8 {
      switch node {
      case .fragmentInput: return true
      case .project(let inner): node = inner.input
      case .filter(let inner): node = inner.input
      case .limit(let inner): node = inner.input
      case .sort(let inner): node = inner.input
      default: return false
      }
    }
    return false
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

extension QuerySetting {
  /// What of a session decides how a definition is carried out, beside its zone and path.
  static let ofDefinitions = ["citus.shard_count", "topn.number_of_counters"]
}
