// ModifyFlow.swift — a change of rows by what is there: UPDATE, upserts, DELETE by a plan, INSERT … SELECT on the shard (DESIGN §6).
//
// The primary takes the table, evaluates the program by what is applied (Execution/RowModification) while no file changes, and stages
// what comes of it; a change of one shard alone is decided and committed in the same step. A request that comes again is answered as
// before: by the part that is open, by the statement's end, or by ModifyAnswers. Rows that come as they are (ingest, stageRows) take a
// table with keys in the same way.
import Bytes
import Capabilities
import Columns
import Execution
import Model
import Planning
import RPC
import Storage
import Wire

extension Worker {
  /// How long a change waits for others that hold its table.
  static let changePatience = Duration.seconds(1)
  /// How long rows for a table with keys do.
  static let appendPatience = Duration.seconds(5)

  /// Carries a change out; durable when this returns.
  func modify(_ request: ModifyRows, deadline: Instant) async throws -> Modified {
    _ = try writable(request.shard, request.epoch)
    if catalog.version < request.version { try await require(request.version) }
    try await waitForMemory(deadline)
    try await journal.reserve(request.rows.count)
    // Everything may have changed while this waited.
    let host = try writable(request.shard, request.epoch)
    host.hear(request.statement, at: surroundings.clock.now)
    let schema = host.store.head.schema
    let table = try subject(request, host)
    let program = try ModifyFormat.decode(request.program) { schema.table($0) }
    if case .delete = program.action { if space == .full { try requireRoom() } } else { try requireRoom() }
    if let known = try await known(request, program, host) { return known }
    try refuseRolledUp(program, table, schema)
    if case .delete = program.action, !schema.rollups(of: table.id).isEmpty { try await rollUp(table.id, host, request.epoch) }

    let now = surroundings.clock.now
    try await host.hold(
      table,
      for: .change,
      by: request.statement,
      until: request.waits ? min(deadline, now + Self.changePatience) : now,
      surroundings.clock
    )
    let staged: (appended: ShardHost.Appended?, outcome: ModifiedRows)
    do {
      defer { host.release(table) }
      // A copy of the request may have come first.
      if let known = try await known(request, program, host) { return known }
      staged = try await evaluate(request, program, table, host)
    } catch let error as TallyError where request.isAlone && !error.isRetryable && error.sqlState != "40001" && error.status != .cancelled {
      // (A cancelled request was given up, not judged: it may come again.)
      host.modifyAnswers.keep(.failure(error), to: request)
      throw error
    }
    let returned = staged.outcome.returned
    if let appended = staged.appended {
      lastIngest = surroundings.clock.now
      if !returned.isEmpty {
        let answer = Modified(rows: UInt64(staged.outcome.change.affected), point: host.appliedPoint, returned: returned)
        host.modifyAnswers.keep(.success(answer), to: request)
      }
      try await host.settle(appended)
      if request.isAlone, staged.outcome.rows != nil {
        host.noteBatch(of: table.id, at: appended.position, now: surroundings.clock.now)
        host.forgetEndedStatements()
      }
    }
    let answer = Modified(rows: UInt64(staged.outcome.change.affected), point: host.appliedPoint, returned: returned)
    if staged.appended == nil { host.modifyAnswers.keep(.success(answer), to: request) }
    return answer
  }

  /// The table of a change, as the shard has it and the program was made for it.
  private func subject(_ request: ModifyRows, _ host: ShardHost) throws -> TableSchema {
    let (id, fingerprint) = try ModifyFormat.subject(request.program)
    let table = host.store.head.schema.table(id)
    if let table, ModifyProgram.fingerprint(of: table) == fingerprint { return table }
    let statements = host.store.head.statements
    let isNew =
      switch statements.standing(request.statement) {
      case .unknown: host.modifyAnswers.answer(request) == nil
      case .open: statements.open[request.statement]?.piece(request.ordinal) == nil
      case .committed, .aborted, .ended: false
      }
    guard isNew else {
      throw TallyError(
        .unknownOutcome,
        "statement \(request.statement) came again after table \(table?.name ?? id.description) was changed; what it did is not told any more",
        node: settings.name
      )
    }
    guard let table else { throw missing(id, in: request.shard, for: request.version) }
    throw stalePlan(table)
  }
  private func stalePlan(_ table: TableSchema) -> TallyError {
    TallyError(
      .stalePlan,
      "table \"\(table.name)\" was changed while the statement was carried out",
      hint: "Repeat the statement.",
      node: settings.name
    )
  }
  /// Evaluates a change and appends what comes of it, in one step against the files and the table.
  private func evaluate(
    _ request: ModifyRows,
    _ program: ModifyProgram,
    _ table: TableSchema,
    _ host: ShardHost
  ) async throws -> (appended: ShardHost.Appended?, outcome: ModifiedRows) {
    let cancel = CancelFlag()
    let limits = ExecutionLimits(memoryBytes: max(16 << 20, settings.memory / 8), cancel: cancel)
    let done = try await host.store.naming(table.id, by: request.statement) {
      rows -> (appended: ShardHost.Appended?, outcome: ModifiedRows) in
      var through = host.store.applied.position
      if case .delete = program.action {
        guard let rolled = host.store.deletable(table.id) else {
          throw TallyError(.unavailable, "a rollup of table \(table.name) is being backfilled", node: settings.name)
        }
        through = rolled
      }
      let view: ShardReadView? = if case .plan = program.source { try self.view(of: host) } else { nil }
      let modification = RowModification(
        program: program,
        table: table,
        given: request.rows,
        named: rows,
        view: view,
        related: related(to: table, host),
        statement: host.store.applied.statements.open[request.statement],
        schema: host.store.applied.schema,
        through: through,
        range: host.shardRange,
        limits: limits
      )
      let outcome = try await withTaskCancellationHandler {
        try await surroundings.compute.attempt { try modification.evaluate() }
      } onCancel: {
        cancel.raise(.cancelled)
      }
      let host = try writable(request.shard, request.epoch)
      try check(outcome, request, table, host)
      // What is told of nothing needs no entry; what is staged must be known should the request come again.
      if request.isAlone, outcome.change.affected == 0 { return (nil, outcome) }
      let stage = Stage(
        statement: request.statement,
        doneBelow: request.doneBelow,
        decider: request.decider,
        ordinal: request.ordinal,
        content: .change(outcome.change)
      )
      if request.isAlone { return (try host.append(alone: stage, rows: outcome.rows), outcome) }
      guard case .appended(let appended) = try host.append(stage) else {
        throw TallyError(.unavailable, "statement \(request.statement) is being staged already", node: settings.name)
      }
      return (appended, outcome)
    }
    guard let done else {
      throw TallyError(.staleCatalog, "table \(table.id) is not in shard \(request.shard)", node: settings.name)
    }
    return done
  }
  /// The rows of the tables that a table has references to or from.
  private func related(to table: TableSchema, _ host: ShardHost) -> [TableID: TableSnapshot] {
    let schema = host.store.applied.schema
    guard ReferenceCheck.isNeeded(table, schema) else { return [:] }
    var found: [TableID: TableSnapshot] = [:]
    for id in schema.related(to: table.id) { found[id] = host.store.snapshot(of: id) }
    return found
  }
  /// What must hold when a change is appended.
  private func check(_ outcome: ModifiedRows, _ request: ModifyRows, _ table: TableSchema, _ host: ShardHost) throws {
    if host.store.head.schema.table(table.id) != table {
      throw stalePlan(table)
    }
    if request.isAlone, request.decider != host.id {
      throw TallyError(
        .protocolViolation,
        "a statement of shard \(host.id) alone that shard \(request.decider) decides",
        node: settings.name
      )
    }
    if let rows = outcome.rows, let key = table.distribution.tenantKey { try refuseDeleted(rows.columns[key], host) }
    let staged = orderedHosts.reduce(0) { $0 + $1.store.head.statements.openBytes }
    let change = outcome.change
    guard change.deletion.bytes <= ShardStore.deletionBytesMax, change.bytes - change.deletion.bytes <= ShardStore.changeBytesMax,
      staged + change.bytes <= settings.memory / 8
    else {
      throw TallyError.sql(
        "53200",
        "the \(change.affected) rows that are changed on shard \(host.id) take too much memory for one statement",
        detail: "\(change.bytes) bytes, beside \(staged) bytes of all open statements on \(settings.name).",
        hint: "Change them in parts."
      )
    }
  }
  /// Rollups count every row ever committed: their tables' rows are not changed.
  private func refuseRolledUp(_ program: ModifyProgram, _ table: TableSchema, _ schema: ShardSchema) throws {
    guard let rollup = schema.rollups(of: table.id).first else { return }
    switch program.action {
    case .delete, .insert(.fail), .insert(.nothing): return
    case .update, .insert(.update):
      throw TallyError.sql(
        "0A000",
        "rows of table \"\(table.name)\" cannot be updated: rollup \"\(rollup.name)\" counts them",
        hint: "Insert rows that correct others, or drop the rollup."
      )
    }
  }

  /// The answer to a request that came before; nil to a new one.
  private func known(_ request: ModifyRows, _ program: ModifyProgram, _ host: ShardHost) async throws -> Modified? {
    let statements = host.store.head.statements
    let standing = statements.standing(request.statement)
    if let answer = host.modifyAnswers.answer(request) {
      switch standing {
      case .aborted, .ended: break
      case .open where statements.open[request.statement]?.piece(request.ordinal) == nil: break
      case .open, .committed, .unknown:
        try await host.settle(host.store.head.position)
        var known = try answer.get()
        known.point = host.appliedPoint
        return known
      }
    }
    switch standing {
    case .unknown: return nil
    case .open:
      guard let open = statements.open[request.statement], let piece = open.piece(request.ordinal) else { return nil }
      guard case .change(let change) = piece.stage.content else {
        throw TallyError(.protocolViolation, "part \(request.ordinal) of statement \(request.statement) is no change", node: settings.name)
      }
      // Of a change alone this log may hold the beginning only: whoever made it ceased to lead before the rest was here.
      if request.isAlone { try await complete(request.statement, open, host) } else { try await host.settle(piece.position) }
      let returned = try program.returnsRows ? Self.returned(change, program) : []
      return Modified(rows: UInt64(change.affected), point: host.appliedPoint, returned: returned)
    case .committed where request.isAlone:
      try await host.settle(host.store.head.position)
      guard let rows = statements.committedRows(request.statement), !program.returnsRows else {
        throw TallyError(
          .unknownOutcome,
          "statement \(request.statement) took effect, but the rows that it returns are not known any more",
          node: settings.name
        )
      }
      return Modified(rows: UInt64(rows), point: host.appliedPoint, returned: [])
    case .committed, .aborted, .ended:
      throw StatementTable.ended(request.statement)
    }
  }
  /// Decides and commits a change of this shard alone that is staged.
  private func complete(_ statement: StatementID, _ open: OpenStatement, _ host: ShardHost) async throws {
    guard open.decider == host.id, open.pieces.count == 1 else {
      throw TallyError(.protocolViolation, "statement \(statement) is not one change of shard \(host.id)", node: settings.name)
    }
    if open.decision == nil {
      let participants = [Participant(shard: host.id, rows: UInt64(open.rows))]
      _ = try await host.write(.decide(Decide(statement: statement, participants: participants)))
    }
    try await commit(statement, host)
  }
  /// The rows that a staged change returns, when it holds them.
  private static func returned(_ change: RowChange, _ program: ModifyProgram) throws -> [UInt8] {
    if change.affected == 0 { return [] }
    guard change.rows.count == 1, change.added == change.affected else {
      throw TallyError(.unknownOutcome, "the rows that a part of the statement returned are not known any more")
    }
    return change.rows[0].encoded
  }

  // MARK: Rows as they are

  /// Takes a table with keys for rows that are to be appended, and checks that they make no key twice and refer to rows
  /// that are there; `append` follows in the same step.
  func whileKeysAreFree<R>(
    _ rows: Batch,
    _ table: TableSchema,
    _ host: ShardHost,
    by statement: StatementID?,
    deadline: Instant,
    isKnown: () throws -> Bool,
    append: () throws -> R
  ) async throws -> R {
    try await host.hold(
      table,
      for: .append,
      by: statement,
      until: min(deadline, surroundings.clock.now + Self.appendPatience),
      surroundings.clock
    )
    defer { host.release(table) }
    if try !isKnown(), let snapshot = host.store.snapshot(of: table.id) {
      let open = statement.flatMap { host.store.applied.statements.open[$0] }
      let schema = host.store.applied.schema
      let related = related(to: table, host)
      try await surroundings.compute.attempt {
        try KeyCheck.check(rows, table, in: try open.map { try snapshot.seen(by: $0, schema) } ?? snapshot)
        if table.references.isEmpty { return }
        let stored = try related.mapValues { other in try open.map { try other.seen(by: $0, schema) } ?? other }
        try ReferenceCheck(table: table, schema: schema, stored: stored).checkNew(rows)
      }
    }
    guard host.store.head.schema.table(table.id) == table else {
      throw TallyError(.staleCatalog, "table \(table.name) was changed meanwhile", node: settings.name)
    }
    return try append()
  }
}
