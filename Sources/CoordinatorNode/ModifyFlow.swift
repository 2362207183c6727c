// ModifyFlow.swift — UPDATE, and INSERTs and DELETEs that the primaries evaluate: rows and programs to shards, what they gave back to the
// client.
//
// A change of one shard is one request: its primary evaluates, decides and commits it in one step. Changes of several shards are staged
// as one statement (StatementFlow). Rows that another statement holds are waited for by the primaries, a second at a time; here the
// statement is repeated (40001) until its time is up: nothing of it has been done then. Inside of a transaction block it is the client
// that hears of it.
import Capabilities
import ClientCore
import Columns
import Execution
import Model
import Planning
import RPC
import Wire

/// What a change did.
struct Changed: Sendable {
  /// Rows inserted, updated or deleted.
  var rows: UInt64 = 0
  /// Those rows, when RETURNING asks for them.
  var returned: [Batch] = []
  /// What RETURNING says of them, when that was evaluated before the change was decided.
  var answer: ReturnedRows?
  var seen = SessionToken()
}

/// What RETURNING gives, and what was taken of the memory for results that wait.
struct ReturnedRows: Sendable {
  var batches: [Batch]
  var held: (any Sendable)?
}

/// How long a statement that meets what others hold pauses, and until when it tries.
private struct LockPause {
  static let longest = Duration.milliseconds(200)
  var length = Duration.milliseconds(2)
  var limit: Instant
  /// Whether the client set the limit.
  var isChosen: Bool

  init(_ request: StatementRequest, _ now: Instant) {
    limit = min(request.deadline, now + (request.lockPatience ?? OpenTransaction.defaultPatience))
    isChosen = request.lockPatience.map { now + $0 <= request.deadline } ?? false
  }
}

/// One shard's part of a change.
private struct ChangePart: Sendable {
  var shard: ShardID
  var program: [UInt8]
  /// Pieces of rows, in order; one empty piece for a program that needs none.
  var pieces: [[UInt8]]
}

extension Coordinator {
  /// Carries a change out; `open` is the transaction that it is part of.
  func modify(
    _ plan: ModifyPlan,
    planned version: CatalogVersion,
    _ request: StatementRequest,
    in open: OpenTransaction? = nil
  ) async throws -> StatementReply {
    guard request.batchKey == nil else {
      throw TallyError.sql(
        "0A000",
        "a batch key of this statement is not supported",
        hint: "A key of the table (PRIMARY KEY) with ON CONFLICT DO NOTHING makes a repeated INSERT count once."
      )
    }
    var attempts = 0
    let limit = min(request.deadline, surroundings.clock.now + Self.changedTablePatience)
    while true {
      do { return try await modifyOnce(plan, planned: version, request, in: open) } catch let error as TallyError
        where error.status == .stalePlan && open == nil && surroundings.clock.now < limit
      {
        attempts += 1
        try await freshenToRead(until: request.deadline)
        try await surroundings.clock.sleep(until: surroundings.clock.now + .milliseconds(min(5 * attempts, 100)))
      }
    }
  }
  /// How long a statement is planned anew because its table changes: a shard gets the definition a moment after the catalog.
  private static let changedTablePatience = Duration.seconds(5)
  private func modifyOnce(
    _ plan: ModifyPlan,
    planned version: CatalogVersion,
    _ request: StatementRequest,
    in open: OpenTransaction?
  ) async throws -> StatementReply {
    let (parts, seen, last) = try await replanned(plan, version, request)
    // What RETURNING computes may fail, and its rows find no room: then nothing may have taken effect. In a transaction that is its
    // client's to undo.
    var judge: Judge?
    if open == nil, let returning = last.returning {
      judge = Judge(isNeeded: !returning.isPlain) { try await self.answer(returning, $0, last.system, request, tookEffect: false) }
    }
    var changed = try await carryOut(parts, last.table, request, in: open, judge)
    changed.seen.merge(seen)
    return try await reply(last, changed, request, tookEffect: open == nil)
  }
  /// Evaluates RETURNING before a change is decided.
  private struct Judge: Sendable {
    /// Its expressions may fail; else a change that one request carries out is not held up for it: its rows fit a frame.
    var isNeeded: Bool
    var answer: @Sendable ([Batch]) async throws -> ReturnedRows
  }

  /// The parts of a change under the present catalog, which may be newer than the plan: nothing is written yet.
  private func replanned(
    _ plan: ModifyPlan,
    _ version: CatalogVersion,
    _ request: StatementRequest
  ) async throws -> (parts: [ChangePart], seen: SessionToken, plan: ModifyPlan) {
    var request = request
    request.read = .latest
    request.seen = SessionToken()
    let asked = request
    return try await untilServed(request.deadline) { snapshot in
      var current = plan
      if snapshot.version != version {
        switch try await self.planned(asked, snapshot) {
        case .modify(let fresh): current = fresh
        case .insertSelect(let fresh) where fresh.pushed != nil: current = fresh.pushed ?? current
        default: throw TallyError.sql("40001", "the table was changed while the statement was planned", hint: "Repeat the statement.")
        }
      }
      let (parts, seen) = try await self.parts(current, snapshot, asked)
      return (parts, seen, current)
    }
  }

  // MARK: Parts

  private func parts(
    _ plan: ModifyPlan,
    _ snapshot: CatalogSnapshot,
    _ request: StatementRequest
  ) async throws -> ([ChangePart], SessionToken) {
    switch plan.source {
    case .none: return ([], SessionToken())
    case .values(let values):
      try Self.checkInsertable(plan.table)
      let rows = try await withNumbers(request, hint: values.late.count) { try Self.rows(values, plan.table) }
      return (try await parts(plan, [rows]), SessionToken())
    case .query(let select):
      let answer = try await withNumbers(request) { try await self.select(select, snapshot, request) }
      let table = plan.table
      let rows = try await surroundings.compute.attempt {
        let whole = Batch.concatenate(answer.batches, types: table.columns.map(\.type))
        return whole.count == 0 ? [] : [try InsertedRows.checked(whole, table)]
      }
      return (try await parts(plan, rows), SessionToken(answer.shards.map { ShardPoint(shard: $0.shard, point: $0.point) }))
    case .shards(let inputs, let fragment):
      let sent = try await gatherInputs(inputs, plan.system, snapshot, request)
      guard let supplied = fragment.supplied(sent) else { throw Self.tooManySent }
      let program = ModifyFormat.encode(plan.program(supplied))
      let parts = try Self.shards(of: fragment, snapshot).map { ChangePart(shard: $0.id, program: program, pieces: [[]]) }
      return (parts, SessionToken())
    }
  }
  /// The rows of fragments that are sent along with a later one.
  private func gatherInputs(
    _ inputs: [Fragment],
    _ system: (any SystemCatalog)?,
    _ snapshot: CatalogSnapshot,
    _ request: StatementRequest
  ) async throws -> [[Batch]] {
    let limits = ExecutionLimits(memoryBytes: settings.queryMemory)
    var read = ReadContext(level: .latest, seen: SessionToken())
    read.statement = try request.transaction?.readStatement()
    let context = read
    var rows: [[Batch]] = []
    for input in inputs {
      if input.shards == .coordinator {
        let known = rows.map { FragmentResult(batches: $0) }
        let made = try await surroundings.compute.attempt {
          try MergeExecution.executeCoordinator(input.plan, fragments: known, system: system, limits: limits)
        }
        rows.append(made.batches)
      } else if let fragment = input.supplied(rows) {
        rows.append(try await run(fragment, snapshot, context, deadline: request.deadline).batches)
      } else {
        throw Self.tooManySent
      }
    }
    return rows
  }
  private static var tooManySent: TallyError {
    .sql(
      "54000",
      "more than \(SentRows.bytesMax >> 20) MiB of rows would have to be sent to the shards",
      hint: "Add conditions that leave fewer rows of the joined relations."
    )
  }
  /// Parts of rows: each shard gets its own.
  private func parts(_ plan: ModifyPlan, _ rows: [Batch]) async throws -> [ChangePart] {
    let table = try await placed(plan.table)
    // Placing the table makes a newer catalog.
    let snapshot = await log.catalog.snapshot
    let program = ModifyFormat.encode(plan.program(nil))
    let split = try await self.parts(of: rows, table, snapshot)
    return split.map { ChangePart(shard: $0.shard, program: program, pieces: $0.batches.map(\.bytes)) }
  }
  /// The rows of INSERT … VALUES, with what is computed now.
  private static func rows(_ values: InsertedValues, _ table: TableSchema) throws(TallyError) -> Batch {
    var rows = values.rows
    for late in values.late {
      guard let value = try ScalarEvaluator.evaluateNow(late.expression) else {
        throw .sql("0A000", "a value of column \"\(table.columns[late.column].name)\" that is no constant is not supported")
      }
      rows[late.row][late.column] = value
    }
    for row in rows { try InsertedRow.check(row, table) }
    let columns = table.columns.indices.map { at in ColumnVector(table.columns[at].type, values: rows.map { $0[at] }) }
    return Batch(count: rows.count, columns: columns)
  }

  // MARK: Carrying out

  private func carryOut(
    _ parts: [ChangePart],
    _ table: TableSchema,
    _ request: StatementRequest,
    in open: OpenTransaction?,
    _ judge: Judge?
  ) async throws -> Changed {
    if parts.isEmpty { return Changed() }
    let types = table.columns.map(\.type)
    if let open {
      return try await Self.onAll(parts, types) { part, piece in
        try await open.modify(part.shard, table: table.id, program: part.program, rows: piece)
      }
    }
    if judge?.isNeeded != true, parts.count == 1, parts[0].pieces.count == 1 { return try await alone(parts[0], types, request) }
    var pause = LockPause(request, surroundings.clock.now)
    while true {
      do { return try await together(parts, types, request, judge) } catch let error as TallyError where Self.isHeld(error) {
        try await wait(&pause, error)
      }
    }
  }
  /// Runs every shard's pieces, in order; shards at the same time. Results are in the order of the parts.
  private static func onAll(
    _ parts: [ChangePart],
    _ types: [DataType],
    _ run: @escaping @Sendable (ChangePart, [UInt8]) async throws -> Modified
  ) async throws -> Changed {
    try await withThrowingTaskGroup(of: (Int, Changed).self) { group in
      for (at, part) in parts.enumerated() {
        group.addTask {
          var changed = Changed()
          for piece in part.pieces { try changed.add(try await run(part, piece), part.shard, types) }
          return (at, changed)
        }
      }
      var results = [Changed](repeating: Changed(), count: parts.count)
      for try await (at, changed) in group { results[at] = changed }
      return results.reduce(into: Changed()) { all, next in
        all.rows += next.rows
        all.returned += next.returned
        all.seen.merge(next.seen)
      }
    }
  }
  /// A change of several shards, or of several pieces: one statement.
  private func together(
    _ parts: [ChangePart],
    _ types: [DataType],
    _ request: StatementRequest,
    _ judge: Judge?
  ) async throws -> Changed {
    let result = Promise<Changed>()
    let written = try await carryOut(on: parts.map(\.shard), deadline: request.deadline) { run in
      var changed = try await Self.onAll(parts, types) { part, piece in
        try await run.modify(part.shard, ordinal: run.nextOrdinal(on: part.shard), program: part.program, rows: piece)
      }
      if let judge { changed.answer = try await judge.answer(changed.returned) }
      result.fulfil(changed)
    }
    var changed = try await result.value
    changed.seen.merge(written.seen)
    return changed
  }
  /// A change of one shard: evaluated, decided and committed in one step there.
  private func alone(_ part: ChangePart, _ types: [DataType], _ request: StatementRequest) async throws -> Changed {
    let run = try await newRun(decider: part.shard, deadline: request.deadline)
    var pause = LockPause(request, surroundings.clock.now)
    do {
      while true {
        // The same run: a request that is still under way is known by it.
        do {
          let modified = try await run.modifyAlone(program: part.program, rows: part.pieces[0])
          openStatements.remove(run.id.number)
          var changed = Changed()
          try changed.add(modified, part.shard, types)
          return changed
        } catch let error as TallyError where Self.isHeld(error) {
          try await wait(&pause, error)
        }
      }
    } catch {
      endApart(run)
      throw error
    }
  }
  /// Whether another statement holds what this one wants.
  private static func isHeld(_ error: TallyError) -> Bool { error.sqlState == "40001" && error.status != .stalePlan }
  /// Waits before a statement is repeated; throws its error when its time is up.
  private func wait(_ pause: inout LockPause, _ error: TallyError) async throws {
    try Task.checkCancellation()
    // Those that met here do not meet again.
    let jitter = Duration.microseconds(Int64(surroundings.random.next(below: pause.length.wholeMicroseconds + 1)))
    let next = surroundings.clock.now + pause.length + jitter
    guard next < pause.limit else { throw pause.isChosen ? OpenTransaction.lockTimeout : error }
    try await surroundings.clock.sleep(until: next)
    pause.length = min(pause.length * 2, LockPause.longest)
  }

  // MARK: The answer

  private func reply(
    _ plan: ModifyPlan,
    _ changed: Changed,
    _ request: StatementRequest,
    tookEffect: Bool
  ) async throws -> StatementReply {
    let tag = plan.command == .insert ? "INSERT 0 \(changed.rows)" : "\(plan.command.rawValue) \(changed.rows)"
    var reply = StatementReply(tag: tag, rows: changed.rows, seen: changed.seen)
    guard let returning = plan.returning else { return reply }
    reply.columns = returning.output.map { ResultColumn(name: $0.name, type: $0.type) }
    var answer = changed.answer
    if answer == nil { answer = try await self.answer(returning, changed.returned, plan.system, request, tookEffect: tookEffect) }
    (reply.batches, reply.held) = (answer?.batches ?? [], answer?.held)
    return reply
  }
  private func answer(
    _ returning: ReturningPlan,
    _ returned: [Batch],
    _ system: (any SystemCatalog)?,
    _ request: StatementRequest,
    tookEffect: Bool
  ) async throws -> ReturnedRows {
    let (rows, memory) = (FragmentResult(batches: returned), settings.queryMemory)
    let batches = try await withNumbers(request) {
      try MergeExecution.executeCoordinator(
        returning.plan,
        fragments: [rows],
        system: system,
        limits: ExecutionLimits(memoryBytes: memory)
      ).batches
    }
    return ReturnedRows(batches: batches, held: try request.hold?(batches.rowBytes, tookEffect))
  }
}

extension Changed {
  /// Takes up what a shard answered.
  fileprivate mutating func add(_ modified: Modified, _ shard: ShardID, _ types: [DataType]) throws {
    rows += modified.rows
    if !modified.returned.isEmpty { returned.append(try BatchFormat.decode(modified.returned, types: types)) }
    seen.note(ShardPoint(shard: shard, point: modified.point))
  }
}
