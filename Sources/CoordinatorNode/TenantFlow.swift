// TenantFlow.swift — deleting tenants: the mark in the catalog, the errand to the shard's primary, and the receipt.
//
// A deletion is a command of the catalog's log first, so that whichever coordinator leads carries it on until the shard has it (the shard
// applies a number once, whoever sends it and however often). Meanwhile the primary refuses rows of the tenant. A shard is told of its
// deletions one after the other, by rising number. The receipt asks every copy each time it is shown.
import Bytes
import Capabilities
import Columns
import Model
import RPC
import Wire

/// A tenant deletion as the catalog keeps it.
struct TenantRecord: Equatable, Sendable {
  /// What a shard's log said of it.
  struct Outcome: Equatable, Sendable {
    var position: LogPosition
    var logTime: Int64
    var parts: [TenantErased.Part]
  }
  /// Rising.
  var number: UInt64
  var group: GroupID
  var tenant: Tenant
  var shard: ShardID
  /// Wall time of the request, microseconds.
  var time: Int64
  /// Nil while the tenant is being deleted.
  var outcome: Outcome?
}

extension Catalog {
  /// Finished deletions that are kept for receipts.
  static let tenantRecordsMax = 1000

  /// Marks a tenant as being deleted; one that is already keeps its number.
  mutating func delete(_ group: GroupID, _ tenant: Tenant, _ shard: ShardID, time: Int64) throws(TallyError) -> UInt64 {
    if let known = tenantRecords.first(where: { $0.group == group && $0.tenant == tenant && $0.outcome == nil }) { return known.number }
    let moving = moves.values.first { move in snapshot.table(move.source)?.distribution.group == group }
    if let moving {
      throw TallyError(
        .unavailable,
        "the rows of table \"\(moving.target.name)\" are being moved to other shards",
        sqlState: "55006",
        hint: "Repeat it when that has ended."
      )
    }
    guard snapshot.group(group)?.shards.contains(shard) == true else {
      throw TallyError(.staleCatalog, "shard \(shard) is not of group \(group)")
    }
    let number = nextDeletion
    nextDeletion += 1
    tenantRecords.append(TenantRecord(number: number, group: group, tenant: tenant, shard: shard, time: time))
    if tenantRecords.count > Self.tenantRecordsMax, let oldest = tenantRecords.firstIndex(where: { $0.outcome != nil }) {
      tenantRecords.remove(at: oldest)
    }
    return number
  }
  /// Notes that a tenant is deleted.
  mutating func finishDeletion(_ number: UInt64, _ outcome: TenantRecord.Outcome) {
    guard let at = tenantRecords.firstIndex(where: { $0.number == number && $0.outcome == nil }) else { return }
    tenantRecords[at].outcome = outcome
  }
}

extension Coordinator {
  /// Longest pause between two looks for deletions to carry out.
  static let erasingInterval = Duration.seconds(1)
  /// Pause after a shard could not carry one out.
  static let erasingPause = Duration.milliseconds(500)
  /// How long a copy may take to say how far it is.
  static let erasureTimeout = Duration.seconds(2)

  /// Deletes a tenant if that is asked, and answers with its receipt.
  func answer(_ request: TenantRequest, _ call: ServerCall) async throws {
    let (group, tenant, shard) = try await place(of: request)
    if request.deletes {
      let time = surroundings.clock.wallMicroseconds
      guard case .deletion(let number) = try await log.propose(.deleteTenant(group, tenant, shard, time: time)) else {
        throw TallyError(.internalError, "a deletion without a number")
      }
      erasingBell.notify()
      try await untilDeleted(number, call.deadline)
    }
    guard let record = await log.catalog.tenantRecords.last(where: { $0.group == group && $0.tenant == tenant }) else {
      throw TallyError.sql("42704", "tenant \"\(request.tenant)\" was not deleted", hint: "tally tenant delete deletes it")
    }
    let receipt = try await receipt(record)
    try await call.send(.resultHeader(ResultHeader(columns: receipt.columns)))
    try await send([receipt.batch()], call)
    try await call.send(.resultEnd(ResultEnd(tag: "SELECT \(receipt.count)", rows: UInt64(receipt.count))), isLast: true)
  }
  /// The group that a request means, and the tenant's shard in it.
  private func place(of request: TenantRequest) async throws -> (GroupID, Tenant, ShardID) {
    let snapshot = await log.catalog.snapshot
    let tables = snapshot.tables.filter { if case .distributed = $0.distribution { true } else { false } }
    let table: TableSchema
    if let name = request.relation {
      guard let found = snapshot.table(named: name) else { throw TallyError.sql("42P01", "relation \"\(name)\" does not exist") }
      table = found
    } else {
      let groups = Set(tables.compactMap { table in if case .distributed(_, let group) = table.distribution { group } else { nil } })
      guard let only = tables.first, groups.count == 1 else {
        throw TallyError.sql(
          "42P09",
          groups.isEmpty ? "there is no distributed table" : "there are \(groups.count) groups of tables with tenants of their own",
          hint: "--table names a table of the tenant's group; `tally table list` shows them"
        )
      }
      table = only
    }
    guard case .distributed(let key, let group) = table.distribution else {
      throw TallyError.sql("42809", "table \"\(table.name)\" is not distributed: it has no tenants")
    }
    let tenant = try Tenant.parse(request.tenant, table.columns[key].type)
    let hash = tenant.hash
    let shard = (snapshot.group(group)?.shards ?? []).compactMap { snapshot.shard($0) }.first { $0.lower <= hash && hash <= $0.upper }
    guard let shard else { throw TallyError(.staleCatalog, "no shard holds tenant \(tenant)") }
    return (group, tenant, shard.id)
  }
  /// Waits until a deletion is done, for a while: then the receipt says that it goes on.
  private func untilDeleted(_ number: UInt64, _ deadline: Instant) async throws {
    let limit = min(deadline, surroundings.clock.now + .seconds(30))
    while await log.catalog.tenantRecords.contains(where: { $0.number == number && $0.outcome == nil }) {
      guard await decides else {
        throw TallyError(
          .unavailable,
          "another coordinator leads now and goes on with the deletion",
          hint: "tally tenant receipt shows how far it is"
        )
      }
      if surroundings.clock.now >= limit { return }
      try await surroundings.clock.sleep(for: .milliseconds(10))
    }
  }

  /// Carries deletions out, until cancelled: those of one shard one after the other, shards apart, so that one that is down holds no
  /// other up.
  func keepErasing() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      while true {
        try await log.untilLeading()
        await erasingBell.wait(until: surroundings.clock.now + Self.erasingInterval, surroundings.clock)
        try Task.checkCancellation()
        guard await decides else { continue }
        var first: [ShardID: TenantRecord] = [:]
        for record in await log.catalog.tenantRecords where record.outcome == nil && first[record.shard] == nil {
          first[record.shard] = record
        }
        for record in first.values.sorted(by: { $0.number < $1.number }) where erasingShards.insert(record.shard).inserted {
          group.addTask { try await self.eraseInTurn(record) }
        }
      }
    }
  }
  private func eraseInTurn(_ record: TenantRecord) async throws {
    defer {
      erasingShards.remove(record.shard)
      erasingBell.notify()
    }
    if try await !erase(record) { try await surroundings.clock.sleep(for: Self.erasingPause) }
  }
  /// Has a shard delete a tenant; false when it could not now.
  private func erase(_ record: TenantRecord) async throws -> Bool {
    do {
      let giveUp = surroundings.clock.now + Self.primaryTimeout
      let reply = try await callPrimary(record.shard, giveUp: giveUp) { epoch, version in
        .eraseTenant(
          EraseTenant(shard: record.shard, epoch: epoch, version: version, number: record.number, tenant: record.tenant)
        )
      }
      guard case .tenantErased(let erased) = reply else {
        throw TallyError(.protocolViolation, "a worker answered an eraseTenant request with \(reply.name)")
      }
      let outcome = TenantRecord.Outcome(position: erased.position, logTime: erased.logTime, parts: erased.parts)
      _ = try await log.propose(.tenantDeleted(record.number, outcome))
      return true
    } catch let error as TallyError {
      surroundings.log.warning("tenant-not-deleted", ("shard", record.shard.description), ("reason", error.message))
      return false
    }
  }

  // MARK: Receipt

  /// What became of a deletion, as of now.
  private func receipt(_ record: TenantRecord) async throws -> Listing {
    let snapshot = await log.catalog.snapshot
    var out = Listing([("part", .text), ("name", .text), ("state", .text), ("detail", .text)])
    out.add(.text("cluster"), .text("\(snapshot.cluster)"), .none, .none)
    let asked = ValueText.print(.fixed(record.time), as: .timestamp).map { "asked for at \($0) UTC" } ?? ""
    out.add(.text("tenant"), .text("\(record.tenant)"), .text(record.outcome == nil ? "deleting" : "deleted"), .text(asked))
    guard let outcome = record.outcome else {
      out.add(.text("shard"), .text("\(record.shard)"), .text("deleting"), .text("rows of the tenant are refused until it is done"))
      return out
    }
    out.add(.text("shard"), .text("\(record.shard)"), .text("deleted"), .text("at log position \(outcome.position)"))
    for part in outcome.parts {
      let (kind, name) = Self.name(of: part.relation, snapshot)
      out.add(.text(kind), .text(name), .text("deleted"), .text("\(part.rows) \(kind == "level" ? "states" : "rows")"))
    }
    for (copy, answer) in try await reports(record, outcome, snapshot) {
      let report: ErasureReport
      switch answer {
      case .success(let found): report = found
      case .failure(let error):
        out.add(.text("copy"), .text(copy), .text("unknown"), .text(error.message))
        continue
      }
      let isHidden = report.applied >= outcome.position
      let state = !isHidden ? "pending" : report.isErased && report.isJournalReleased ? "erased" : "invisible"
      let journal = report.isJournalReleased ? "released" : "pending"
      out.add(
        .text("copy"),
        .text(copy),
        .text(state),
        .text("\(report.named - min(report.left, report.named)) of \(report.named) sections rewritten, journal \(journal)")
      )
    }
    out.add(.text("other tables"), .text("none"), .none, .text("every table of the group has the tenant key"))
    out.add(.text("backups"), .text("none"), .none, .text("no backups known to this cluster"))
    return out
  }
  private static func name(of relation: TableID, _ snapshot: CatalogSnapshot) -> (kind: String, name: String) {
    if let table = snapshot.table(relation) { return ("table", table.name) }
    for rollup in snapshot.rollups {
      for level in rollup.levels.indices where rollup.levelTable(level) == relation {
        return ("level", "\(rollup.name)_\(rollup.levels[level].suffix)")
      }
    }
    return ("dropped relation", "\(relation)")
  }
  /// How far each copy of the shard is, by the name of its node.
  private func reports(
    _ record: TenantRecord,
    _ outcome: TenantRecord.Outcome,
    _ snapshot: CatalogSnapshot
  ) async throws -> [(String, Result<ErasureReport, TallyError>)] {
    let deadline = surroundings.clock.now + Self.erasureTimeout
    let request = Message.describeErasure(DescribeErasure(shard: record.shard, number: record.number, position: outcome.position))
    let nodes = (snapshot.shard(record.shard)?.replicas ?? []).compactMap { snapshot.node($0.node) }
    let pool = pool
    return try await withThrowingTaskGroup(of: (String, Result<ErasureReport, TallyError>).self) { group in
      for node in nodes {
        group.addTask {
          do {
            guard let address = NetworkAddress(node.address) else { throw TallyError(.unavailable, "it has no address") }
            guard case .erasureReport(let report) = try await pool.call(request, to: address, deadline: deadline) else {
              throw TallyError(.protocolViolation, "another answer than a report")
            }
            return (node.name, .success(report))
          } catch let error as TallyError { return (node.name, .failure(error)) }
        }
      }
      var found: [(String, Result<ErasureReport, TallyError>)] = []
      for try await report in group { found.append(report) }
      return found.sorted { $0.0 < $1.0 }
    }
  }
}
