// StatementFlow.swift — statements that write several shards: numbers, splitting rows by shard, staging, and ending what failed.
//
// A number of this coordinator's session is done once its statement has ended on every shard; until then it bounds what shards may forget.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Planning
import RPC
import Wire

/// Rows of one shard, cut into batches that fit a frame.
struct ShardRows: Sendable {
  var shard: ShardID
  var batches: [(rows: Int, bytes: [UInt8])]
}

/// Rows of one table, by shard.
struct TableRows: Sendable {
  var table: TableID
  var parts: [ShardRows]
}

/// A coordinator's way to shards' primaries.
struct CoordinatorCalls: PrimaryCalls {
  let coordinator: Coordinator
  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    try await coordinator.callPrimary(shard, giveUp: giveUp, request)
  }
}

extension Coordinator {
  /// Longest that one try of a request to a primary may take.
  static let primaryTimeout = Duration.seconds(30)

  /// Makes a request to a shard's primary, again while time or a newer shard map can help.
  func callPrimary(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    let deadline = min(giveUp, surroundings.clock.now + Self.primaryTimeout)
    let pool = pool
    return try await untilServed(deadline) { snapshot in
      guard let record = snapshot.shard(shard), let node = snapshot.node(record.primary), let address = NetworkAddress(node.address)
      else { throw TallyError(.unavailable, "shard \(shard) has no primary") }
      return try await pool.call(request(record.epoch, snapshot.version), to: address, deadline: deadline)
    }
  }
  /// The number of the next statement of this coordinator's session.
  func beginStatement() -> UInt64 {
    defer { nextStatement += 1 }
    openStatements.insert(nextStatement)
    return nextStatement
  }
  /// All lower numbers have ended.
  var statementsDoneBelow: UInt64 { openStatements.min() ?? nextStatement }

  /// Writes rows of several shards and tables, all or none; with a client's key the statement takes effect once.
  func write(_ tables: [TableRows], _ key: ClientKey?, deadline: Instant) async throws -> Written {
    var pieces: [ShardID: [(table: TableID, rows: Int, bytes: [UInt8])]] = [:]
    for table in tables {
      for part in table.parts { pieces[part.shard, default: []] += part.batches.map { (table.table, $0.rows, $0.bytes) } }
    }
    let total = pieces.values.reduce(0) { $0 + $1.reduce(0) { $0 + $1.rows } }
    let shards = Set(pieces.keys).union(key.map { [$0.home] } ?? [])
    let parts = pieces.sorted { $0.key < $1.key }
    do {
      // The shard that keeps the key decides: it commits last, so that whoever finds the key there finds the rows everywhere.
      return try await carryOut(on: shards.sorted(), decider: key?.home, deadline: deadline) { run in
        if let key {
          // Before any rows: a statement that took effect is told by its key, whatever rows it would have now.
          let content = StageRows.Content.key(key.id, contentHash: key.contentHash, rows: UInt64(total))
          let known = try await run.stage(key.home, ordinal: 1, content)
          if known.isDuplicate { throw TookEffect(rows: Int(known.rows), seen: run.written) }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
          for part in parts {
            group.addTask {
              for (at, piece) in part.value.enumerated() {
                let rows = StageRows.Rows(table: piece.table, key: nil, contentHash: Murmur3.hash(piece.bytes), batch: piece.bytes)
                try await run.stage(part.key, ordinal: at + 2, .rows(rows))
              }
            }
          }
          try await group.waitForAll()
        }
      }
    } catch let known as TookEffect {
      return Written(rows: known.rows, seen: known.seen, isDuplicate: true)
    }
  }
  /// The statement's key took effect before.
  private struct TookEffect: Error {
    let rows: Int
    let seen: SessionToken
  }
  /// The shards that may have rows of a DELETE, and the scan that names them there.
  func named(by plan: DeletePlan) async -> (shards: [ShardID], fragment: [UInt8]) {
    guard let scan = plan.scan, let group = plan.table.distribution.group else { return ([], []) }
    let snapshot = await log.catalog.snapshot
    let all = (snapshot.group(group)?.shards ?? []).compactMap { snapshot.shard($0) }
    let shards = all.filter { shard in
      if case .one(let hash) = plan.shards { shard.lower <= hash && hash <= shard.upper } else { true }
    }
    return (shards.map(\.id), FragmentFormat.encode(.scan(scan)))
  }
  /// Deletes rows, on all shards or on none.
  func delete(_ plan: DeletePlan, deadline: Instant) async throws -> Written {
    let (shards, fragment) = await named(by: plan)
    if shards.isEmpty { return Written() }
    let table = plan.table.id
    return try await carryOut(on: shards, deadline: deadline) { run in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for shard in shards { group.addTask { _ = try await run.delete(shard, table: table, fragment: fragment) } }
        try await group.waitForAll()
      }
    }
  }
  /// The run of a new statement; whoever carries it out takes its number from the open ones, or ends it apart.
  func newRun(decider: ShardID, deadline: Instant) async throws -> StatementRun {
    try await needSession(until: deadline)
    let number = beginStatement()
    let below = statementsDoneBelow
    return StatementRun(
      StatementID(session: statementSession, number: number),
      decider: decider,
      doneBelow: { below },
      calls: CoordinatorCalls(coordinator: self),
      clock: surroundings.clock,
      deadline: deadline
    )
  }
  /// Runs a statement over some shards; one that fails is ended apart from the request. `decider` decides, else the lowest shard.
  func carryOut(
    on shards: [ShardID],
    decider: ShardID? = nil,
    deadline: Instant,
    _ body: @escaping @Sendable (StatementRun) async throws -> Void
  ) async throws -> Written {
    guard let decider = decider ?? shards.min() else { return Written() }
    let run = try await newRun(decider: decider, deadline: deadline)
    do {
      let rows = try await run.carryOut(body)
      openStatements.remove(run.id.number)
      return Written(rows: Int(rows), seen: run.written)
    } catch {
      endApart(run)
      throw error
    }
  }
  /// Ends a statement that failed apart from its request, which may be cancelled. Should the queue be full, the shards do it by themselves.
  func endApart(_ run: StatementRun) {
    if !failedStatements.trySend(run) {
      surroundings.log.warning("statement-left-to-its-shards", ("statement", run.id.description))
    }
  }
  /// Ends the statements that failed, until cancelled.
  func keepEnding() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      while let run = try await failedStatements.receive() {
        group.addTask { try await self.end(run) }
      }
    }
  }
  private func end(_ run: StatementRun) async throws {
    var pause = Duration.milliseconds(100)
    while true {
      do {
        try await run.abandon()
        openStatements.remove(run.id.number)
        return
      } catch let error as TallyError {
        surroundings.log.warning("statement-not-ended", ("statement", run.id.description), ("reason", error.message))
        // What cannot be healed by time is left to the shards, where it is listed.
        guard error.isRetryable else { return }
      }
      try await surroundings.clock.sleep(for: pause)
      pause = min(pause * 2, .seconds(5))
    }
  }

  /// Rows by the shards that hold them. A few are cut at once: handing them to another thread takes longer.
  func parts(of batches: [Batch], _ table: TableSchema, _ snapshot: CatalogSnapshot) async throws -> [ShardRows] {
    if batches.reduce(0, { $0 + $1.count }) <= Self.rowsAtOnceMax { return try Self.split(batches, table, snapshot) }
    return try await surroundings.compute.attempt { try Self.split(batches, table, snapshot) }
  }
  private static let rowsAtOnceMax = 64
  /// Cuts rows by the shards that hold their tenants; a table without tenants has one. Throws 23502 for a NULL tenant key.
  static func split(_ batches: [Batch], _ table: TableSchema, _ snapshot: CatalogSnapshot) throws -> [ShardRows] {
    guard let group = table.distribution.group, let ids = snapshot.group(group)?.shards else {
      throw TallyError(.staleCatalog, "table \(table.name) has no place")
    }
    guard let key = table.distribution.tenantKey else {
      guard let only = ids.first else { throw TallyError(.staleCatalog, "group \(group) has no shard") }
      var part = ShardRows(shard: only, batches: [])
      for batch in batches where batch.count > 0 { cut(batch, into: &part.batches) }
      return part.batches.isEmpty ? [] : [part]
    }
    let shards = ids.compactMap { snapshot.shard($0) }.sorted { $0.lower < $1.lower }
    var parts = shards.map { ShardRows(shard: $0.id, batches: []) }
    for batch in batches {
      var rows = [[UInt32]](repeating: [], count: shards.count)
      for (row, hash) in TenantHashes.of(batch.columns[key]).enumerated() {
        guard let hash else {
          throw TallyError.sql(
            "23502",
            "null value in column \"\(table.columns[key].name)\" of relation \"\(table.name)\" violates not-null constraint",
            subject: ErrorSubject(table, column: table.columns[key].name)
          )
        }
        let at = shards.firstIndex { $0.lower <= hash && hash <= $0.upper }
        guard let at else { throw TallyError(.staleCatalog, "no shard holds hash \(hash)") }
        rows[at].append(UInt32(row))
      }
      for (at, own) in rows.enumerated() where !own.isEmpty {
        cut(own.count == batch.count ? batch : batch.gather(own), into: &parts[at].batches)
      }
    }
    return parts.filter { !$0.batches.isEmpty }
  }
  /// Encodes rows in pieces that a frame can carry.
  static func cut(_ batch: Batch, into pieces: inout [(rows: Int, bytes: [UInt8])]) {
    if batch.count <= Limits.batchRowsMax {
      let bytes = BatchFormat.encode(batch)
      if bytes.count <= Limits.frameBytesMax / 2 || batch.count == 1 {
        pieces.append((batch.count, bytes))
        return
      }
    }
    let middle = batch.count / 2
    cut(batch.slice(0..<middle), into: &pieces)
    cut(batch.slice(middle..<batch.count), into: &pieces)
  }
}
