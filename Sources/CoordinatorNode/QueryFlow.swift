// QueryFlow.swift — SQL text to results: parse, plan, send fragments to the shards' primaries, merge, stream.
//
// A query is planned under one catalog version; when a shard moved or a worker restarted meanwhile, nothing was sent to the client
// yet and the whole query is planned and run again (untilServed).
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
}

extension Coordinator {
  /// Answers a query request: its statements in order; the first that fails ends it.
  func answer(_ request: QueryRequest, _ call: ServerCall) async throws {
    let statements = try parse(request.sql)
    for (at, statement) in statements.enumerated() {
      let end = try await run(statement, request, call)
      try await call.send(.resultEnd(end), isLast: at + 1 == statements.count)
    }
    if statements.isEmpty { try await call.send(.resultEnd(ResultEnd(tag: "", rows: 0)), isLast: true) }
  }

  /// Whether a text asks only, as far as this coordinator's catalog tells; what it cannot plan is the leader's to refuse.
  func onlyReads(_ request: QueryRequest, until deadline: Instant) async throws -> Bool {
    let statements = try parse(request.sql)
    try await freshen(until: min(deadline, surroundings.clock.now + Self.leaderPatience))
    let snapshot = await log.catalog.snapshot
    let context = PlanningContext(now: request.statementTime ?? surroundings.clock.wallMicroseconds)
    for statement in statements {
      do {
        switch try plan(statement, catalog: snapshot, context: context) {
        case .select, .explain: continue
        default: return false
        }
      } catch { return false }
    }
    return true
  }

  private func run(_ statement: ParsedStatement, _ request: QueryRequest, _ call: ServerCall) async throws -> ResultEnd {
    let started = surroundings.clock.now
    let context = PlanningContext(now: request.statementTime ?? surroundings.clock.wallMicroseconds)
    // Whatever was answered anywhere before this statement came is in the catalog it is planned under (R13).
    try await freshen(until: min(call.deadline, started + Self.leaderPatience))
    let bound = try plan(statement, catalog: await log.catalog.snapshot, context: context)
    if let (tag, notices) = try await change(bound) { return ResultEnd(tag: tag, rows: 0, notices: notices) }
    if case .insert(let insert) = bound {
      let rows = try await self.insert(insert, deadline: call.deadline)
      return ResultEnd(tag: "INSERT 0 \(rows)", rows: UInt64(rows))
    }
    if case .delete(let delete) = bound {
      let rows = try await self.delete(delete, deadline: call.deadline)
      return ResultEnd(tag: delete.isTruncate ? "TRUNCATE TABLE" : "DELETE \(rows)", rows: UInt64(rows))
    }
    if case .insertSelect = bound {
      let rows = try await insertSelected(statement, context, deadline: call.deadline)
      return ResultEnd(tag: "INSERT 0 \(rows)", rows: UInt64(rows))
    }
    let deadline = call.deadline
    let answer = try await untilServed(deadline) { snapshot in
      try await self.evaluate(try plan(statement, catalog: snapshot, context: context), snapshot, deadline: deadline)
    }
    try await call.send(.resultHeader(ResultHeader(columns: answer.columns)))
    try await send(answer.batches, call)
    let rows = UInt64(answer.batches.reduce(0) { $0 + $1.count })
    var statistics = answer.statistics
    statistics.totalMicroseconds = (surroundings.clock.now - started).wholeMicroseconds
    return ResultEnd(tag: "SELECT \(rows)", rows: rows, notices: answer.notices, statistics: statistics)
  }

  /// Carries out INSERT … SELECT: reads all of it, then writes.
  private func insertSelected(_ statement: ParsedStatement, _ context: PlanningContext, deadline: Instant) async throws -> Int {
    let (insert, rows) = try await untilServed(deadline) { snapshot in
      guard case .insertSelect(let insert) = try plan(statement, catalog: snapshot, context: context) else {
        throw TallyError(.internalError, "a statement changed its kind while it was planned again")
      }
      return (insert, try await self.select(insert.select, snapshot, deadline: deadline).batches)
    }
    return try await self.insert(insert, rows, deadline: deadline)
  }

  /// Evaluates SELECT or EXPLAIN under one catalog version.
  private func evaluate(
    _ bound: BoundStatement,
    _ snapshot: CatalogSnapshot,
    deadline: Instant
  ) async throws -> QueryAnswer {
    switch bound {
    case .select(let plan): return try await select(plan, snapshot, deadline: deadline)
    case .explain(let plan, let analyze):
      let started = surroundings.clock.now
      let answer = analyze ? try await select(plan, snapshot, deadline: deadline) : nil
      var lines = Explain.lines(plan, catalog: snapshot)
      if let answer { lines += runtimeLines(answer, surroundings.clock.now - started) }
      return explanation(lines, answer?.statistics ?? QueryStatistics())
    case .explainInsert(let plan): return explanation(Explain.lines(plan, catalog: snapshot), QueryStatistics())
    default: throw TallyError(.internalError, "a statement changed its kind while it was planned again")
    }
  }

  private func explanation(_ lines: [String], _ statistics: QueryStatistics) -> QueryAnswer {
    var listing = Listing([("QUERY PLAN", .text)])
    for line in lines { listing.add(.text(line)) }
    return QueryAnswer(columns: listing.columns, batches: [listing.batch()], notices: [], statistics: statistics, shards: [])
  }
  private func runtimeLines(_ answer: QueryAnswer, _ total: Duration) -> [String] {
    let s = answer.statistics
    let slowest = answer.shards.map(\.microseconds).max() ?? 0
    return [
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

  private func select(
    _ plan: DistributedPlan,
    _ snapshot: CatalogSnapshot,
    deadline: Instant
  ) async throws -> QueryAnswer {
    var inputs: [FragmentResult] = []
    var outcomes: [ShardOutcome] = []
    for fragment in plan.fragments {
      let (batches, shards) = try await run(fragment, snapshot, deadline: deadline)
      inputs.append(FragmentResult(batches: batches))
      outcomes += shards
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
    return QueryAnswer(
      columns: plan.output.map { ResultColumn(name: $0.name, type: $0.type) },
      batches: result.batches,
      notices: plan.notices.map { Notice(message: $0) },
      statistics: statistics,
      shards: outcomes
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

  /// Sends a fragment to the primaries of its shards, one request a worker, and gathers their rows.
  private func run(
    _ fragment: Fragment,
    _ snapshot: CatalogSnapshot,
    deadline: Instant
  ) async throws -> ([Batch], [ShardOutcome]) {
    guard let group = snapshot.group(fragment.group) else {
      throw TallyError(.staleCatalog, "colocation group \(fragment.group) is gone")
    }
    var wanted: [ShardRecord] = []
    for id in group.shards {
      guard let shard = snapshot.shard(id) else { continue }
      switch fragment.shards {
      case .all: wanted.append(shard)
      case .one(let hash): if hash >= shard.lower && hash <= shard.upper { wanted.append(shard) }
      }
    }
    var byNode: [(node: NodeRecord, shards: [ShardEpoch])] = []
    for shard in wanted {
      guard let node = snapshot.node(shard.primary) else {
        throw TallyError(.unavailable, "shard \(shard.id) has no primary")
      }
      let pair = ShardEpoch(shard: shard.id, epoch: shard.epoch)
      if let at = byNode.firstIndex(where: { $0.node.id == node.id }) {
        byNode[at].shards.append(pair)
      } else {
        byNode.append((node, [pair]))
      }
    }
    let bytes = FragmentFormat.encode(fragment.plan)
    let types = fragment.plan.columns.map(\.type)
    let (version, memory, pool) = (snapshot.version, UInt64(settings.queryMemory), pool)
    if byNode.count == 1 {
      return try await Self.ask(
        byNode[0].node,
        Execute(shards: byNode[0].shards, version: version, memoryLimit: memory, fragment: bytes),
        types,
        pool,
        deadline
      )
    }
    return try await withThrowingTaskGroup(of: (Int, [Batch], [ShardOutcome]).self) { tasks in
      for (at, part) in byNode.enumerated() {
        tasks.addTask {
          let (batches, shards) = try await Self.ask(
            part.node,
            Execute(shards: part.shards, version: version, memoryLimit: memory, fragment: bytes),
            types,
            pool,
            deadline
          )
          return (at, batches, shards)
        }
      }
      // In the order of nodes, so that results do not depend on who answers first.
      var parts = [([Batch], [ShardOutcome])](repeating: ([], []), count: byNode.count)
      for try await (at, batches, shards) in tasks { parts[at] = (batches, shards) }
      return (parts.flatMap(\.0), parts.flatMap(\.1))
    }
  }

  private static func ask(
    _ node: NodeRecord,
    _ request: Execute,
    _ types: [DataType],
    _ pool: ConnectionPool,
    _ deadline: Instant
  ) async throws -> ([Batch], [ShardOutcome]) {
    guard let address = NetworkAddress(node.address) else {
      throw TallyError(.unavailable, "node \(node.name) has no address")
    }
    do {
      let stream = try await pool.openStream(.execute(request), to: address, deadline: deadline)
      var batches: [Batch] = []
      while let message = try await stream.next() {
        switch message {
        case .resultBatch(let result): batches.append(try BatchFormat.decode(result.batch, types: types))
        case .executeEnd(let end): return (batches, end.shards)
        default: throw TallyError(.protocolViolation, "\(node.name) sent a \(message.name) message as a fragment's answer")
        }
      }
      throw TallyError(.unavailable, "\(node.name) ended a fragment's answer early")
    } catch var error as TallyError {
      if error.node == nil { error.node = node.name }
      throw error
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
