// MoveFlow.swift — a table's rows go to other shards, all or none: create_distributed_table and create_reference_table of a table that has
// rows, undistribute_table.
//
// fence (catalog) → its shards have the fence in their logs, and no open statement changes the table any more → read its rows, which stay
// as they are → stage them for the new table on its shards, decide, commit (StatementFlow) → exchange the tables (catalog). Until the last
// step everybody reads the old rows, and nobody the new ones. Whatever fails before it, the fence is lifted and the new table forgotten:
// by this coordinator, apart from the request, or by the next leader (GroupFlow). What was fenced is told by the logs, so who leads a
// shard, and which catalog a writer has seen, does not matter (Catalog+Moves, WorkerNode/FenceFlow).
//
// Writers that come meanwhile are refused by the shards with 40001 and a statement of its own is planned anew (SessionFlow) until its
// lock_timeout, 10 s by default. Keys of batches stay where they were: `tally.batch_key`s given before the move are not known after it, and
// loads by name that were begun before are refused (Catalog.open).
import Bytes
import Capabilities
import Columns
import Model
import Planning
import RPC
import SQL
import Wire

/// A move that failed; whoever asked for it waits until the table is let go.
struct FailedMove: Sendable {
  var id: TableID
  let released = Promise<Void>()
}

extension Coordinator {
  /// Longest that a failed move's client waits for its table to be let go.
  private static let releasePatience = Duration.seconds(5)

  /// Carries out what spreads a table that has rows, or brings it back; nil for other definitions.
  func moveRows(_ bound: BoundStatement, _ request: StatementRequest) async throws -> StatementReply? {
    let id: TableID
    switch bound {
    case .distributeTable(let plan): id = plan.table
    case .referenceTable(let table), .localTable(let table): id = table
    default: return nil
    }
    guard let table = await log.catalog.snapshot.tables.first(where: { $0.id == id }) else {
      // One that a block has made: its rows are staged with the block, for the shards that the table has now.
      guard try await seen(await log.catalog.snapshot, request).table(id)?.distribution.group == nil else {
        throw TallyError.sql(
          "0A000",
          "distributing a table that the same transaction block has made and filled is not supported",
          hint: "Distribute it before its first rows, or COMMIT first."
        )
      }
      return nil
    }
    // Without a place it has no rows.
    guard table.distribution.group != nil else { return nil }
    let target: MoveTarget
    switch bound {
    case .distributeTable(let plan): target = try await self.target(plan)
    default:
      let isReference = if case .referenceTable = bound { true } else { false }
      let (nodes, copies) = try await singlePlacement(isReference: isReference)
      target = .single(isReference: isReference, placement: nodes, copies: copies)
    }
    let written = try await move(table, to: target, request)
    var reply = StatementReply(tag: "SELECT 1")
    // What the session reads next shows the rows.
    reply.seen = written.seen
    if case .localTable = bound { return reply }
    if written.rows > 0 {
      reply.notices = [Notice(message: "Copying data from local table..."), Notice(message: "copying the data has completed")]
    }
    return reply
  }

  /// Moves a table's rows; returns how many, and where they are.
  private func move(_ table: TableSchema, to target: MoveTarget, _ request: StatementRequest) async throws -> Written {
    guard case .table(let next) = try await log.propose(.beginMove(table.id, to: target)) else {
      throw TallyError(.internalError, "the move of table \(table.name) gave no number")
    }
    do {
      try await broadcast()
      try await awaitRest(of: table, request)
      let written: Written
      do { written = try await copyRows(of: table, to: next, request) } catch var error as TallyError
        where error.sqlState == "53200" && error.status != .overloaded
      {
        error.hint =
          "A move gathers all rows. Distribute an empty table, INSERT INTO it SELECT … from the old one in parts, and RENAME it in its place."
        throw error
      }
      _ = try await log.propose(.finishMove(next))
      surroundings.log.info("rows-moved", ("table", table.name), ("rows", "\(written.rows)"), ("to", next.description))
      try await broadcast()
      return written
    } catch {
      let failed = FailedMove(id: next)
      // There is room: so many moves there are at most, unless the cancels of an earlier lead still wait.
      if failedMoves.trySend(failed) {
        let alarm = surroundings.clock.alarm(at: surroundings.clock.now + Self.releasePatience) { failed.released.fulfil(()) }
        defer { alarm.cancel() }
        // Waiting for a promise is not ended by the coordinator's end.
        await withTaskCancellationHandler {
          do { try await failed.released.value } catch {}  // It is only ever fulfilled.
        } onCancel: {
          failed.released.fulfil(())
        }
      } else {
        surroundings.log.warning("move-cancelled-at-once", ("table", table.name), ("reason", "other failed moves still wait"))
        await letGo(next)
      }
      throw error
    }
  }
  /// Waits until the shards that have a table's rows take no further changes of it and none is under way.
  private func awaitRest(of table: TableSchema, _ request: StatementRequest) async throws {
    guard let group = table.distribution.group, let shards = await log.catalog.snapshot.group(group)?.shards else { return }
    let patience = request.lockPatience ?? OpenTransaction.defaultPatience
    let limit = min(request.deadline, surroundings.clock.now + patience)
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        for shard in shards {
          group.addTask {
            let answer = try await self.callPrimary(shard, giveUp: limit) { epoch, _ in
              .awaitRest(AwaitRest(shard: shard, epoch: epoch, table: table.id))
            }
            guard case .done = answer else {
              throw TallyError(.protocolViolation, "a worker answered an awaitRest request with \(answer.name)")
            }
          }
        }
        try await group.waitForAll()
      }
    } catch let error where Self.isLate(error) {
      throw TallyError.sql(
        "55P03",
        "transactions that change table \"\(table.name)\" did not end in time",
        hint: "Repeat the statement, or SET lock_timeout."
      )
    }
  }
  private static func isLate(_ error: any Error) -> Bool {
    error is DeadlineExceeded || (error as? TallyError)?.status == .timedOut
  }
  /// Writes the rows of a table that is at rest into the one that will be in its place.
  private func copyRows(of table: TableSchema, to id: TableID, _ request: StatementRequest) async throws -> Written {
    let columns = table.liveColumns
    let names = columns.map { SystemName.quoted(table.columns[$0].name) }.joined(separator: ", ")
    let source = "\(SystemName.quoted(table.schemaName)).\(SystemName.quoted(table.name))"
    guard !columns.isEmpty, let select = try parse("SELECT \(names) FROM \(source)").first else {
      throw TallyError.sql("0A000", "moving a table without columns is not supported")
    }
    var own = request
    own.statement = select
    (own.arguments, own.transaction, own.read, own.seen) = (nil, nil, .latest, SessionToken())
    // It is nobody's query: a variable of a block that calls for the move must not stand for a column.
    (own.variables, own.calls, own.runner) = (NamedValues(), StatementCalls(), nil)
    let asked = own
    let answer = try await untilServed(request.deadline) { snapshot in
      guard case .select(let plan) = try await self.planned(asked, snapshot) else {
        throw TallyError(.internalError, "the rows of table \(table.name) cannot be read")
      }
      return try await self.select(plan, snapshot, asked)
    }
    let snapshot = await log.catalog.snapshot
    guard let next = snapshot.table(id) else {
      throw TallyError.sql("40001", "the move of table \"\(table.name)\" was given up meanwhile", hint: "Repeat the statement.")
    }
    let batches = answer.batches
    let whole = try await surroundings.compute.attempt { try batches.map { try Self.whole($0, of: columns, next) } }
    let parts = try await parts(of: whole, next, snapshot)
    if parts.isEmpty { return Written() }
    return try await write([TableRows(table: id, parts: parts)], nil, deadline: request.deadline)
  }
  /// Rows as a table keeps them, of those columns of it that are not dropped.
  private static func whole(_ rows: Batch, of columns: [Int], _ table: TableSchema) throws -> Batch {
    var given = Array(rows.columns.reversed())
    let all = try table.columns.indices.map { at -> ColumnVector in
      let type = table.columns[at].type
      guard columns.contains(at), let column = given.popLast() else {
        return ColumnVector(type, values: [Value](repeating: .null, count: rows.count))
      }
      guard column.type == type else {
        throw TallyError(.internalError, "column \(table.columns[at].name) was read as \(column.type.name), not \(type.name)")
      }
      return column
    }
    return try InsertedRows.checked(Batch(count: rows.count, columns: all), table)
  }

  /// Lets the tables of failed moves go, until cancelled.
  func keepCancellingMoves() async throws {
    while let failed = try await failedMoves.receive() {
      await letGo(failed.id)
      failed.released.fulfil(())
    }
  }
  /// Lets the table of a failed move go.
  private func letGo(_ move: TableID) async {
    do {
      _ = try await log.propose(.cancelMove(move))
      try await broadcast()
    } catch {
      // Whoever leads now cancels it (GroupFlow).
      surroundings.log.warning("move-not-cancelled", ("table", move.description), ("reason", "\(error)"))
    }
  }

  /// Binds a COPY; one into a table whose rows are being moved once they are where they go: its data come once.
  func boundAtRest(_ request: StatementRequest) async throws -> BoundStatement {
    let limit = min(request.deadline, surroundings.clock.now + (request.lockPatience ?? OpenTransaction.defaultPatience))
    while true {
      let (bound, version) = try await bind(request)
      guard case .copyIn(let plan) = bound, plan.table.isFenced else { return bound }
      guard request.transaction == nil, surroundings.clock.now < limit else {
        throw TallyError(
          .stalePlan,
          "the rows of table \"\(plan.table.name)\" are being moved to other shards",
          hint: "Repeat the statement."
        )
      }
      try await log.awaitChange(after: version, until: limit)
    }
  }
}
