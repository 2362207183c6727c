// StatementFlow.swift — statements over several shards at their primaries: stage, decide, end, and what becomes of those in doubt.
//
// The deciding shard's log says what a statement comes to: the first Decide or Abort there wins. It commits last, so that while the
// statement is open there some shard may still have to be told. Every answer waits until what it says is durable.
//
// In doubt is a statement of which nothing was heard for a while: who runs it sends word to the deciding shard while it stages. Another
// shard in doubt asks the deciding one, whose primary aborts the statement if it is in doubt about it too and has not decided, or has
// never heard of it. The deciding shard in doubt aborts, or, after the decision, commits the others and then itself.
import Bytes
import Capabilities
import Columns
import Model
import RPC
import Storage
import Wire

extension Worker {
  /// Silence after which a statement is in doubt.
  static let doubtAfter = Duration.seconds(4)
  /// Pause between two looks for statements in doubt.
  static let doubtInterval = Duration.milliseconds(500)
  /// How long another shard's primary may take to answer about one.
  static let doubtTimeout = Duration.seconds(3)
  /// Statements that are resolved at once.
  static let doubtWidth = 16

  // MARK: Requests

  /// Stages rows, or opens the statement; durable when this returns.
  func stage(_ request: StageRows, deadline: Instant) async throws -> Staged {
    _ = try writable(request.shard, request.epoch)
    // What only opens a statement may open a DELETE, which makes room; what takes parts back makes some too.
    switch request.content {
    case .nothing where space != .full, .undo: break
    case .nothing, .rows, .key: try requireRoom()
    }
    if catalog.version < request.version { try await require(request.version) }
    try await waitForMemory(deadline)
    try await journal.reserve(request.body.count)
    // Everything may have changed while this waited.
    let host = try writable(request.shard, request.epoch)
    let (content, keyed) = try content(request, host)
    let staged = orderedHosts.reduce(0) { $0 + $1.store.head.statements.openBytes }
    guard staged + content.bytes <= settings.memory / 8 else {
      throw ShardStore.tooLarge(request.statement, "\(staged) bytes of all open statements on \(settings.name)")
    }
    host.hear(request.statement, at: surroundings.clock.now)
    let stage = Stage(
      statement: request.statement,
      doneBelow: request.doneBelow,
      decider: request.decider,
      ordinal: request.ordinal,
      content: content
    )
    let outcome: ShardHost.StageOutcome
    if let (rows, table) = keyed, host.store.head.statements.open[request.statement]?.piece(request.ordinal) == nil {
      outcome = try await whileKeysAreFree(rows, table, host, by: request.statement, deadline: deadline) {
        // A copy of the request may have come first.
        if host.store.head.statements.open[request.statement]?.piece(request.ordinal) != nil { return true }
        guard case .rows(let record, _) = content else { return false }
        return try host.store.isKnown(record, in: request.statement)
      } append: {
        _ = try writable(request.shard, request.epoch)
        if let key = table.distribution.tenantKey { try refuseDeleted(rows.columns[key], host) }
        return try host.append(stage)
      }
    } else {
      outcome = try host.append(stage)
    }
    switch outcome {
    case .appended(let appended): try await host.settle(appended)
    case .repeated(let position): try await host.settle(position)
    case .duplicate(let known):
      try await host.settle(known.position)
      return Staged(rows: UInt64(known.rows), isDuplicate: true, point: host.appliedPoint)
    }
    return Staged(rows: UInt64(content.rows), isDuplicate: false, point: host.appliedPoint)
  }
  /// What is to be staged, and of a table with keys the rows.
  private func content(_ request: StageRows, _ host: ShardHost) throws -> (StagedContent, keyed: (Batch, TableSchema)?) {
    let rows: StageRows.Rows
    switch request.content {
    case .nothing: return (.nothing, nil)
    case .key(let id, let hash, let count):
      return (.statementKey(StatementKey(id: id, contentHash: hash, rows: Int(clamping: count))), nil)
    case .undo(let first): return (.undo(from: first), nil)
    case .rows(let content): rows = content
    }
    guard let table = host.store.head.schema.table(rows.table) else {
      throw missing(rows.table, in: request.shard, for: request.version)
    }
    let batch = try checked(rows.batch, table, host)
    let record = BatchRecord(table: table.id, rows: batch.count, contentHash: rows.contentHash, key: rows.key)
    return (.rows(record, encoded: rows.batch), table.isGuarded ? (batch, table) : nil)
  }

  /// Decides that a statement takes effect, unless it was aborted before.
  func decide(_ request: DecideStatement) async throws -> StatementAnswer {
    let host = try serving(request.shard, request.epoch)
    host.hear(request.statement, at: surroundings.clock.now)
    switch host.store.head.statements.standing(request.statement) {
    case .open:
      guard let open = host.store.head.statements.open[request.statement], open.decider == host.id,
        request.participants.first(where: { $0.shard == host.id })?.rows == UInt64(open.rows)
      else {
        throw TallyError(.protocolViolation, "statement \(request.statement) is not shard \(host.id)'s to decide", node: settings.name)
      }
      if open.decision == nil {
        let participants = request.participants.map { Participant(shard: $0.shard, rows: $0.rows) }
        _ = try await host.write(.decide(Decide(statement: request.statement, participants: participants)))
      } else {
        try await host.settle(host.store.head.position)
      }
      return StatementAnswer(.committed, point: host.appliedPoint)
    case .unknown: return try await abort(request.statement, doneBelow: 0, host)
    case .committed: return try await settled(.committed, host)
    case .aborted, .ended: return try await settled(.aborted, host)
    }
  }

  /// Ends a statement on a shard.
  func end(_ request: EndStatement) async throws -> StatementAnswer {
    let host = try serving(request.shard, request.epoch)
    let open = host.store.head.statements.open[request.statement]
    switch (host.store.head.statements.standing(request.statement), request.commits) {
    case (.open, true):
      guard let open, UInt64(open.rows) == request.rows, open.decider != host.id || open.decision != nil else {
        throw TallyError(
          .protocolViolation,
          "statement \(request.statement) has \(open?.rows ?? 0) rows on shard \(host.id), not \(request.rows), or is not decided",
          node: settings.name
        )
      }
      try await commit(request.statement, host)
      return StatementAnswer(.committed, point: host.appliedPoint)
    case (.open, false):
      if open?.decision != nil { return try await settled(.committed, host) }
      return try await abort(request.statement, doneBelow: request.doneBelow, host)
    case (.unknown, false): return try await abort(request.statement, doneBelow: request.doneBelow, host)
    case (.committed, _), (.ended, true): return try await settled(.committed, host)
    case (.aborted, false), (.ended, false): return try await settled(.aborted, host)
    case (.unknown, true), (.aborted, true):
      throw TallyError(
        .internalError,
        "statement \(request.statement) was decided, but shard \(host.id) does not have its rows",
        node: settings.name
      )
    }
  }

  /// Says what became of a statement; a shard that asks in doubt has it aborted if this one is in doubt too.
  func answer(_ request: AskStatement) async throws -> StatementAnswer {
    let host = try serving(request.shard, request.epoch)
    let now = surroundings.clock.now
    switch host.store.head.statements.standing(request.statement) {
    case .open:
      if host.store.head.statements.open[request.statement]?.decision != nil { return try await settled(.committed, host) }
      if request.isWord { host.hear(request.statement, at: now) }
      if !host.isInDoubt(request.statement, after: Self.doubtAfter, now: now) { return StatementAnswer(.open, point: host.appliedPoint) }
      return try await abort(request.statement, doneBelow: 0, host)
    case .unknown:
      if request.isWord { return StatementAnswer(.open, point: host.appliedPoint) }
      return try await abort(request.statement, doneBelow: 0, host)
    case .committed: return try await settled(.committed, host)
    case .aborted, .ended: return try await settled(.aborted, host)
    }
  }

  // MARK: Steps

  private func settled(_ outcome: StatementOutcome, _ host: ShardHost) async throws -> StatementAnswer {
    try await host.settle(host.store.head.position)
    return StatementAnswer(outcome, point: host.appliedPoint)
  }
  private func abort(_ statement: StatementID, doneBelow: UInt64, _ host: ShardHost) async throws -> StatementAnswer {
    _ = try await host.write(.abort(Abort(statement: statement, doneBelow: doneBelow)))
    host.forgetEndedStatements()
    return StatementAnswer(.aborted, point: host.appliedPoint)
  }
  /// Brings a decided statement's rows in; others may do the same meanwhile.
  func commit(_ statement: StatementID, _ host: ShardHost) async throws {
    let epoch = host.servingEpoch
    guard let open = host.store.head.statements.open[statement] else { return try await host.settle(host.store.head.position) }
    let schema = host.store.head.schema
    let rows = try await surroundings.compute.attempt { try ShardStore.prepare(open, schema) }
    guard host.servingEpoch == epoch else {
      throw TallyError(.notPrimary, "shard \(host.id) is not served here any more", node: settings.name)
    }
    guard host.store.head.statements.open[statement] != nil else { return try await host.settle(host.store.head.position) }
    let appended = try host.append(commit: statement, rows: rows, count: open.added)
    try await host.settle(appended)
    lastIngest = surroundings.clock.now
    for content in open.pieces.map(\.stage.content) where content.added > 0 {
      if let table = content.table { host.noteBatch(of: table, at: appended.position, now: surroundings.clock.now) }
    }
    host.forgetEndedStatements()
  }

  // MARK: Doubt

  /// Resolves statements in doubt until cancelled.
  func keepResolving() async throws {
    while true {
      try await surroundings.clock.sleep(for: Self.doubtInterval)
      let now = surroundings.clock.now
      var doubtful: [(shard: ShardID, statement: StatementID)] = []
      for host in orderedHosts where host.servingEpoch != nil {
        host.forgetEndedStatements()
        for statement in host.store.applied.statements.open.keys.sorted()
        where host.isInDoubt(statement, after: Self.doubtAfter, now: now) {
          doubtful.append((host.id, statement))
        }
      }
      for start in stride(from: 0, to: doubtful.count, by: Self.doubtWidth) {
        try await withThrowingTaskGroup(of: Void.self) { group in
          for (shard, statement) in doubtful[start..<min(start + Self.doubtWidth, doubtful.count)] {
            group.addTask { try await self.resolve(statement, shard) }
          }
          try await group.waitForAll()
        }
      }
    }
  }
  /// Resolves one statement, or leaves it to the next look.
  private func resolve(_ statement: StatementID, _ shard: ShardID) async throws {
    guard let host = hosts[shard], let epoch = host.servingEpoch, let open = host.store.head.statements.open[statement] else { return }
    do {
      let outcome: StatementOutcome
      if open.decider == shard {
        outcome = open.decision == nil ? .aborted : .committed
        try await tellOthers(open.decision ?? [], of: statement, but: shard)
      } else {
        outcome = isPlanted(.doubtCommits) ? .committed : try await learn(statement, from: open.decider)
      }
      guard host.servingEpoch == epoch else { return }
      switch outcome {
      case .open: return
      case .committed: try await commit(statement, host)
      case .aborted where host.store.head.statements.open[statement] != nil: _ = try await abort(statement, doneBelow: 0, host)
      case .aborted: return
      }
      surroundings.log.info(
        "statement-resolved",
        ("statement", statement.description),
        ("shard", shard.description),
        ("outcome", outcome == .committed ? "committed" : "aborted")
      )
    } catch let error as TallyError {
      // Listed until it can be resolved.
      surroundings.log.warning(
        "statement-in-doubt",
        ("statement", statement.description),
        ("shard", shard.description),
        ("reason", error.message)
      )
      if error.status == .staleCatalog || error.status == .notPrimary { try await lookForCatalog() }
    } catch let failure as DecodingFailure { noteDamage(host, failure) }
  }
  /// Has the other shards of a decided statement commit it.
  private func tellOthers(_ participants: [Participant], of statement: StatementID, but own: ShardID) async throws {
    for participant in participants where participant.shard != own {
      let answer = try await ask(participant.shard) { epoch in
        .endStatement(
          EndStatement(
            shard: participant.shard,
            epoch: epoch,
            statement: statement,
            doneBelow: 0,
            commits: true,
            rows: participant.rows
          )
        )
      }
      guard answer == .committed else {
        throw TallyError(.internalError, "statement \(statement) was decided, but shard \(participant.shard) aborted it")
      }
    }
  }
  private func learn(_ statement: StatementID, from decider: ShardID) async throws -> StatementOutcome {
    try await ask(decider) { epoch in
      .askStatement(AskStatement(shard: decider, epoch: epoch, statement: statement, isWord: false))
    }
  }
  /// Asks a shard's primary about a statement, this worker's own shards without a message.
  private func ask(_ shard: ShardID, _ request: (Epoch) -> Message) async throws -> StatementOutcome {
    guard let record = catalog.shard(shard), let node = catalog.node(record.primary), let address = NetworkAddress(node.address) else {
      throw TallyError(.staleCatalog, "shard \(shard) is not in catalog version \(catalog.version)", node: settings.name)
    }
    let message = request(record.epoch)
    if hosts[shard]?.servingEpoch == record.epoch {
      switch message {
      case .askStatement(let question): return try await answer(question).outcome
      case .endStatement(let order): return try await end(order).outcome
      default: break
      }
    }
    let reply = try await pool.call(message, to: address, deadline: surroundings.clock.now + Self.doubtTimeout)
    guard case .statementAnswer(let answer) = reply else {
      throw TallyError(.protocolViolation, "a worker answered a \(message.name) request with \(reply.name)")
    }
    return answer.outcome
  }
  /// A newer catalog, if a coordinator can be asked.
  private func lookForCatalog() async throws {
    do { try await refreshCatalog() } catch let error as TallyError where error.isRetryable {
      surroundings.log.info("catalog-not-fetched", ("reason", error.message))
    }
  }

  /// The open statements of a shard, for its report.
  func statementReports(_ host: ShardHost) -> [StatementReport] {
    let table = host.store.applied.statements
    return table.open.sorted { $0.key < $1.key }.prefix(1000).map { id, open in
      StatementReport(
        statement: id,
        decider: open.decider,
        rows: UInt64(open.rows),
        bytes: UInt64(open.bytes),
        ageMicroseconds: UInt64(max(0, surroundings.clock.wallMicroseconds - open.begun)),
        isDecided: open.decision != nil
      )
    }
  }
}
