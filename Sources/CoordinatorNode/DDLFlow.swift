// DDLFlow.swift — statements that change the catalog: propose, then bring the change to the workers that are up.
//
// A worker that is down learns of it when it registers again; a shard counts a rollup's rows from the barrier its worker logs.
import Capabilities
import Model
import Planning
import RPC
import Wire

extension Coordinator {
  /// How long a statement waits for a worker to take a change in.
  static let broadcastTimeout = Duration.seconds(10)

  /// Carries out a statement that changes the catalog; gives its command tag.
  func change(_ statement: BoundStatement, in transaction: OpenTransaction?) async throws -> (tag: String, notices: [Notice])? {
    switch statement {
    case .createTable(let plan):
      try await needTemporary(plan.table.schemaName)
      let command: CatalogCommand =
        plan.sequences.isEmpty ? .createTable(plan.table) : .createTableWithSequences(plan.table, plan.sequences)
      do { _ = try await propose(command, in: transaction) } catch let error as TallyError
        where error.sqlState == "42P07" && plan.ifNotExists
      {
        return ("CREATE TABLE", [Notice(sqlState: "42P07", message: "\(error.message), skipping")])
      }
      return ("CREATE TABLE", plan.notices.map { Notice(message: $0) })
    case .dropTable(let tables, let notices):
      for table in tables { _ = try await propose(.dropTable(table), in: transaction) }
      try await broadcast()
      return ("DROP TABLE", notices.map { Notice(message: $0) })
    case .distributeTable(let plan):
      let target = try await target(plan)
      guard case .distributed(let key, let group, let placement, let copies) = target else { return nil }
      let command = CatalogCommand.distributeTable(plan.table, key: key, group: group, placement: placement, copies: copies)
      _ = try await propose(command, in: transaction)
      try await broadcast()
      return ("SELECT 1", [])
    case .createRollup(let plan):
      do { _ = try await propose(.createRollup(plan.definition, timeColumn: plan.timeColumn), in: transaction) } catch let error
        as TallyError
        where error.sqlState == "42P07" && plan.ifNotExists
      {
        return ("CREATE MATERIALIZED VIEW", [Notice(sqlState: "42P07", message: "\(error.message), skipping")])
      }
      try await broadcast()
      return ("CREATE MATERIALIZED VIEW", [])
    case .dropRollup(let rollups, let notices):
      for rollup in rollups { _ = try await propose(.dropRollup(rollup), in: transaction) }
      try await broadcast()
      return ("DROP MATERIALIZED VIEW", notices.map { Notice(message: $0) })
    case .createSequence(let plan):
      do { _ = try await propose(.createSequence(plan.sequence), in: transaction) } catch let error as TallyError
        where error.sqlState == "42P07" && plan.ifNotExists
      {
        return ("CREATE SEQUENCE", [Notice(sqlState: "42P07", message: "\(error.message), skipping")])
      }
      return ("CREATE SEQUENCE", [])
    case .alterSequence(let plan):
      if let sequence = plan.sequence {
        _ = try await propose(.alterSequence(sequence), in: transaction)
        if let next = plan.restart { _ = try await propose(.setSequence(sequence.id, value: next, isTaken: false), in: transaction) }
        voidNumbers(of: [sequence.id])
      }
      return ("ALTER SEQUENCE", plan.notices.map { Notice(message: $0) })
    case .dropSequence(let sequences, let notices):
      for sequence in sequences { _ = try await propose(.dropSequence(sequence), in: transaction) }
      voidNumbers(of: sequences)
      return ("DROP SEQUENCE", notices.map { Notice(message: $0) })
    case .referenceTable(let table):
      try await place(table, isReference: true, in: transaction)
      return ("SELECT 1", [])
    case .accepted: return ("SELECT 1", [])
    case .localTable, .define, .insert, .insertSelect, .modify, .delete, .select, .explain, .explainChange, .copyIn, .copyOut, .lock:
      return nil
    }
  }

  /// Where the rows of a table that is to be distributed go.
  func target(_ plan: DistributeTablePlan) async throws -> MoveTarget {
    let snapshot = await log.catalog.snapshot
    let choice: CatalogCommand.GroupChoice
    var placement: [[NodeID]] = []
    let copies = plan.copies ?? settings.copies
    switch plan.colocation {
    case .table(let other):
      guard case .distributed(_, let group)? = snapshot.table(other)?.distribution else {
        throw TallyError.sql("55000", "the table to colocate with is not distributed")
      }
      choice = .existing(group)
    case .automatic, .none:
      choice = plan.colocation == .none ? .separate : .standard
      try await untilFleetKnown()
      let now = surroundings.clock.now
      placement = try Placement.spread(plan.shardCount, copies: copies, snapshot) { fleet.isStaying($0, at: now) }
    }
    return .distributed(key: plan.key, group: choice, placement: placement, copies: copies)
  }

  /// Brings the present catalog to every worker that is up and waits until they have it.
  func broadcast() async throws {
    let catalog = await catalogBytes()
    let snapshot = await log.catalog.snapshot
    let now = surroundings.clock.now
    let deadline = now + Self.broadcastTimeout
    let workers = snapshot.nodes.filter { $0.role == .worker && fleet.isUp($0.id, at: now) }
    let (pool, events) = (pool, surroundings.log)
    await withTaskGroup(of: Void.self) { group in
      for worker in workers {
        group.addTask {
          do {
            guard let address = NetworkAddress(worker.address) else { return }
            _ = try await pool.call(
              .catalogChanged(CatalogChanged(version: catalog.version, waits: true, catalog: catalog.bytes)),
              to: address,
              deadline: deadline
            )
          } catch {
            // It fetches the catalog with its next heartbeat or registration.
            events.warning("catalog-not-delivered", ("worker", worker.name), ("reason", "\(error)"))
          }
        }
      }
    }
  }

  /// Waits until a rollup holds every row acknowledged before the call, on every shard.
  func refreshRollup(_ name: String, deadline: Instant) async throws {
    let snapshot = await log.catalog.snapshot
    guard let rollup = snapshot.rollup(named: name) else {
      throw TallyError.sql("42P01", "rollup \"\(name)\" does not exist")
    }
    guard case .distributed(_, let group)? = snapshot.table(rollup.source)?.distribution,
      let shards = snapshot.group(group)?.shards
    else { return }
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for shard in shards {
        tasks.addTask {
          try await self.untilServed(deadline) { current in
            guard let record = current.shard(shard), let node = current.node(record.primary), let address = NetworkAddress(node.address)
            else { return }
            _ = try await self.pool.call(.refreshShards(RefreshShards(rollup: rollup.id, shards: [shard])), to: address, deadline: deadline)
          }
        }
      }
      try await tasks.waitForAll()
    }
  }

  /// Repeats `body` with the present catalog while it fails in a way that time or a newer shard map can heal, for at most five seconds.
  /// Once a try may have taken effect no later refusal says that nothing did: then the outcome is unknown.
  func untilServed<R: Sendable>(
    _ deadline: Instant,
    _ body: @escaping @Sendable (CatalogSnapshot) async throws -> R
  ) async throws -> R {
    let limit = min(deadline, surroundings.clock.now + .seconds(5))
    var doubt: TallyError?
    while true {
      do { return try await body(await log.catalog.snapshot) } catch let error as TallyError {
        switch error.status {
        case .unknownOutcome: doubt = error
        case .notPrimary, .unavailable, .staleCatalog: break
        case .stalePlan: throw doubt ?? error
        default: throw error
        }
        guard surroundings.clock.now < limit else { throw doubt ?? error }
        try await surroundings.clock.sleep(for: .milliseconds(20))
      }
    }
  }
}
