// TenantFlow.swift — deleting a tenant at its shard's primary, and what every copy does until no file of it holds the tenant any more.
//
// The primary refuses rows of the tenant, waits for statements that have staged some, flushes, names the rows in files and appends one
// TenantDelete (Storage/TenantDeletion). A request that is repeated finds its number in the log. Rewriting files is the layout flow's, by
// the marks in the shard's state; the journal's file with the rows is ended on every copy, so that it can go once its shards are flushed.
import Bytes
import Capabilities
import Columns
import Model
import Storage
import Wire

extension Worker {
  /// For how long rows of a tenant are refused after the last request to delete it.
  static let refusalTime = Duration.seconds(30)
  /// How long a request waits for statements that hold rows of the tenant.
  static let holdersTimeout = Duration.seconds(5)

  /// Deletes a tenant; on every copy in sync when this returns.
  func erase(_ request: EraseTenant) async throws -> TenantErased {
    if catalog.version < request.version { try await require(request.version) }
    let host = try writable(request.shard, request.epoch)
    guard host.shardRange.contains(request.tenant.hash) else {
      throw TallyError(.notPrimary, "tenant \(request.tenant) is not of shard \(host.id)", node: settings.name)
    }
    if host.store.head.tenants.lastNumber >= request.number { return try await answer(request, host) }
    let now = surroundings.clock.now
    host.deletingTenants = host.deletingTenants.filter { $0.value > now }
    host.deletingTenants[request.tenant] = now + Self.refusalTime
    try await waitForHolders(request, host)
    // Few rows are left in memory then.
    do { _ = try await host.store.flush(host, compute: surroundings.compute) } catch let error as TallyError where error.status == .diskFull
    {
      // The reserve is given up for this: what is deleted makes room.
      lacksRoom = true
      throw error
    }
    let appended = try await host.store.namingTenant { rows -> ShardHost.Appended? in
      let (tenant, number) = (request.tenant, request.number)
      let deletion = try await surroundings.compute.attempt { try rows.name(tenant, number: number) }
      _ = try writable(request.shard, request.epoch)
      // Two requests for it may have come this far.
      return host.store.head.tenants.lastNumber >= number ? nil : try host.append(.tenantDelete(deletion))
    }
    if let appended { try await host.settle(appended) }
    let answer = try await answer(request, host)
    host.deletingTenants[request.tenant] = nil
    surroundings.log.info("tenant-deleted", ("shard", host.id.description), ("position", answer.position.description))
    return answer
  }
  private func answer(_ request: EraseTenant, _ host: ShardHost) async throws -> TenantErased {
    guard let mark = host.store.head.tenants.mark(request.number) else {
      return TenantErased(position: LogPosition(0), logTime: 0, parts: [])
    }
    try await host.settle(mark.position)
    return TenantErased(
      position: mark.position,
      logTime: mark.logTime,
      parts: mark.parts.map { TenantErased.Part(relation: $0.relation, rows: $0.rows) }
    )
  }
  /// Returns when no open statement has staged rows of the tenant; none stages more meanwhile.
  private func waitForHolders(_ request: EraseTenant, _ host: ShardHost) async throws {
    let (open, schema, tenant) = (host.store.head.statements.open, host.store.head.schema, request.tenant)
    if open.isEmpty { return }
    let holders = try await surroundings.compute.attempt { try ShardStore.holders(of: tenant, open, schema) }
    let deadline = surroundings.clock.now + Self.holdersTimeout
    while let holder = holders.sorted().first(where: { host.store.head.statements.open[$0] != nil }) {
      guard surroundings.clock.now < deadline else {
        throw TallyError(
          .unavailable,
          "statement \(holder) holds rows of tenant \(tenant) and has not ended",
          hint: "the deletion goes on once it has",
          node: settings.name
        )
      }
      try await surroundings.clock.sleep(for: .milliseconds(20))
      _ = try writable(request.shard, request.epoch)
    }
  }

  /// Throws when a batch holds rows of a tenant that is being deleted.
  func refuseDeleted(_ key: ColumnVector, _ host: ShardHost) throws {
    if host.deletingTenants.isEmpty { return }
    let now = surroundings.clock.now
    for (tenant, until) in host.deletingTenants.sorted(by: { $0.key < $1.key }) where until > now && !tenant.rows(of: key).isEmpty {
      throw TallyError(
        .unavailable,
        "tenant \(tenant) is being deleted",
        hint: "its rows are taken in again once it is",
        node: settings.name
      )
    }
  }

  /// How far the copy here is with erasing a tenant.
  func describeErasure(_ request: DescribeErasure) throws -> ErasureReport {
    guard let host = hosts[request.shard] else {
      throw TallyError(.unavailable, "shard \(request.shard) is not here", node: settings.name)
    }
    let applied = host.store.applied
    let mark = applied.tenants.mark(request.number)
    let isHidden = applied.position >= request.position
    return ErasureReport(
      applied: applied.position,
      named: UInt64(mark?.sectionsNamed ?? 0),
      left: UInt64(mark?.sectionsLeft.count ?? 0),
      // One that is not remembered any more was erased.
      isErased: mark?.isErased ?? isHidden,
      isJournalReleased: isHidden && !journal.holds(request.shard, through: request.position)
    )
  }

  /// Copies whose files are free of a deleted tenant while the journal is not.
  private var keepers: [(shard: ShardID, position: LogPosition)] {
    orderedHosts.flatMap { host in
      host.store.applied.tenants.all.filter { $0.isErased && journal.holds(host.id, through: $0.position) }.map {
        (shard: host.id, position: $0.position)
      }
    }
  }
  /// Whether the journal holds rows of a deleted tenant that no file does.
  var keepsDeletedTenants: Bool { !keepers.isEmpty }
  /// Ends the journal's file when it holds rows of a deleted tenant, and lets go what copies without rows in memory pin of the oldest.
  func shortenJournal() async throws {
    try await letGo(always: journal.isOverCap)
    let keepers = keepers
    if keepers.isEmpty { return }
    // Where nothing is written the next file never begins: an entry that forgets no session begins it, on every copy.
    if journal.isFileEnded, let host = keepers.lazy.compactMap({ self.hosts[$0.shard] }).first(where: { $0.servingEpoch != nil }) {
      do { _ = try await host.write(.keyExpiry(through: .min)) } catch let error as TallyError where error.isRetryable {
        surroundings.log.warning("journal-waits", ("shard", host.id.description), ("reason", error.message))
      }
    }
    for keeper in keepers { journal.endFile(holding: keeper.shard, through: keeper.position) }
    try await letGo(always: true)
  }
  /// Moves the checkpoints of copies on that have no rows in memory: nothing else has them let go of the oldest file, which then stays for
  /// ever. Each is a write, so not more often than rows are flushed by age, unless the journal is long.
  private func letGo(always: Bool) async throws {
    let now = surroundings.clock.now
    for shard in journal.shardsPinningOldestFile {
      guard let host = hosts[shard], host.servingEpoch == nil, host.damage == nil, !catchingUp.contains(shard) else { continue }
      if !always {
        guard let settledAt = host.settledAt else {
          host.settledAt = now
          continue
        }
        if now - settledAt <= settings.memoryAgeMax { continue }
      }
      host.settledAt = now
      do { try await host.store.settleEmpty(journal) } catch let error as TallyError where error.status == .diskFull {
        lacksRoom = true
        surroundings.log.warning("journal-waits", ("shard", shard.description), ("reason", error.message))
      }
    }
  }
}
