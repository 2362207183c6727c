// Registration.swift — a worker and its coordinators: registration, heartbeats, fetching a newer catalog, what it reports.
import Bytes
import Capabilities
import Model
import RPC
import Storage
import Wire

extension Worker {
  static let heartbeatInterval = Duration.milliseconds(300)

  static func decodeCatalog(_ bytes: [UInt8]) throws -> CatalogSnapshot {
    try bytes.withReader { reader throws(DecodingFailure) in
      let snapshot = try CatalogFormat.decodeSnapshot(from: &reader)
      try reader.expectEnd()
      return snapshot
    }
  }

  /// Registers with the first coordinator that answers, however long that takes; refusals are thrown.
  static func register(
    _ surroundings: Surroundings,
    _ settings: WorkerSettings,
    _ pool: ConnectionPool,
    _ cell: IdentityCell,
    previous: Incarnation,
    _ address: NetworkAddress,
    _ shards: [ShardPosition],
    losses: [SalvageRecord] = []
  ) async throws -> Registered {
    let losses = losses.filter(\.isDone).map {
      ReplicaLoss(
        shard: $0.shard,
        replica: $0.replica,
        kept: $0.kept,
        known: $0.known,
        time: $0.time,
        reason: $0.reason,
        what: $0.what
      )
    }
    var attempt = 0
    while true {
      let coordinator = settings.coordinators[attempt % settings.coordinators.count]
      attempt += 1
      do {
        let request = Register(
          nodeName: settings.name,
          address: address.description,
          cluster: cell.value.cluster,
          node: cell.value.node,
          previous: previous,
          shards: shards,
          losses: losses
        )
        let reply = try await pool.call(
          .register(request),
          to: coordinator,
          deadline: surroundings.clock.now + .seconds(10)
        )
        guard case .registered(let registered) = reply else {
          throw TallyError(.protocolViolation, "a coordinator answered a register request with \(reply.name)")
        }
        return registered
      } catch let error as TallyError where error.isRetryable {
        if attempt % 50 == 1 {
          surroundings.log.warning("registration-waits", ("coordinator", coordinator.description), ("reason", error.message))
        }
        try await surroundings.clock.sleep(for: .milliseconds(50))
      }
    }
  }

  /// Asks a coordinator, trying the others when one cannot be reached; first the preferred one, then the one that answered last.
  func askCoordinator(
    _ request: Message,
    timeout: Duration = .seconds(5),
    preferring preferred: NetworkAddress? = nil
  ) async throws -> Message {
    var failure = TallyError(.unavailable, "no coordinator is known")
    let (all, first) = (settings.coordinators, answeringCoordinator)
    if let preferred {
      do { return try await pool.call(request, to: preferred, deadline: surroundings.clock.now + timeout) } catch let error as TallyError
        where error.isRetryable
      { failure = error }
    }
    for at in all.indices {
      let turn = (first + at) % all.count
      if all[turn] == preferred { continue }
      do {
        let reply = try await pool.call(request, to: all[turn], deadline: surroundings.clock.now + timeout)
        answeringCoordinator = turn
        return reply
      } catch let error as TallyError where error.isRetryable { failure = error }
    }
    throw failure
  }

  /// Sends one heartbeat; fetches the catalog when the coordinators have a newer one.
  func beat() async throws {
    let identity = identity.value
    let reply = try await askCoordinator(
      .heartbeat(
        Heartbeat(
          node: identity.node,
          incarnation: identity.incarnation,
          version: catalog.version,
          // A worker that cannot write leads nothing that others can lead.
          isLeaving: isLeaving || space == .full,
          awaitsComparison: !epochsToCompare.isEmpty,
          isYoung: surroundings.clock.now < youngUntil,
          load: await load(),
          shards: shardReports()
        )
      ),
      // A coordinator that hangs must not make this worker seem dead to the others.
      timeout: .seconds(1),
      preferring: leadingCoordinator
    )
    guard case .heartbeatReply(let answer) = reply else {
      throw TallyError(.protocolViolation, "a coordinator answered a heartbeat with \(reply.name)")
    }
    // Only as the operator told where coordinators are reached from here.
    leadingCoordinator = NetworkAddress(answer.leader).flatMap { settings.coordinators.contains($0) ? $0 : nil }
    if answer.version > catalog.version { try await fetchCatalog() }
    takeRolesThatAreDue()
  }

  /// The beat that confirms the incarnation, however long the coordinators take to come back; refusals are thrown.
  func firstBeat() async throws {
    while true {
      do { return try await beat() } catch let error as TallyError where error.isRetryable {
        surroundings.log.warning("confirmation-waits", ("reason", error.message))
      }
      try await surroundings.clock.sleep(for: Self.heartbeatInterval)
    }
  }

  /// Beats until cancelled. A coordinator that cannot be reached is only noted; one that has replaced this worker ends it.
  func keepBeating() async throws {
    var isSilent = false
    while true {
      try await surroundings.clock.sleep(for: Self.heartbeatInterval)
      do {
        try await beat()
        if isSilent { surroundings.log.info("coordinator-back") }
        isSilent = false
      } catch let error as TallyError where error.isRetryable {
        if !isSilent { surroundings.log.warning("coordinator-silent", ("reason", error.message)) }
        isSilent = true
      }
    }
  }

  /// Fetches the coordinators' catalog and takes it in.
  func fetchCatalog() async throws {
    let reply = try await askCoordinator(.fetchCatalog(FetchCatalog(known: catalog.version)))
    guard case .catalogReply(let answer) = reply else {
      throw TallyError(.protocolViolation, "a coordinator answered a catalog request with \(reply.name)")
    }
    if !answer.catalog.isEmpty { try await adopt(try Self.decodeCatalog(answer.catalog)) }
  }
  /// Makes sure that this worker has at least that version.
  func require(_ version: CatalogVersion) async throws {
    if catalog.version < version { try await fetchCatalog() }
    if catalog.version < version {
      throw TallyError(.staleCatalog, "the catalog is at version \(catalog.version) here, not \(version)", node: settings.name)
    }
  }

  /// What this worker has and uses.
  func load() async -> NodeLoad {
    var free: UInt64 = 0
    do { free = if let freeBytes { freeBytes } else { try await surroundings.disk.volume().freeBytes } } catch {
      surroundings.log.warning("free-space-unknown", ("reason", "\(error)"))
    }
    let segments = hosts.values.reduce(0) { $0 + Int($1.store.fileBytes) }
    return NodeLoad(
      diskUsed: UInt64(segments + journal.pinnedBytes),
      diskFree: free,
      journalBytes: UInt64(journal.pinnedBytes),
      memoryUsed: UInt64(memtableBytes),
      memoryLimit: UInt64(settings.memory),
      space: space.rawValue
    )
  }
  /// Bytes of all memtables.
  var memtableBytes: Int { hosts.values.reduce(0) { $0 + $1.store.memtableBytes } }
  /// Bytes of all memtables and of entries that are not committed yet.
  var memoryTaken: Int { hosts.values.reduce(0) { $0 + $1.store.memtableBytes + $1.store.unappliedBytes } }

  /// How each shard is.
  func shardReports() -> [ShardReport] {
    let now = surroundings.clock.now
    let broken = refused.sorted { $0.key < $1.key }.map { shard, reason in
      ShardReport(shard: shard, epoch: Epoch(0), damage: reason)
    }
    return broken
      + orderedHosts.map { host in
        let state = host.store.applied
        var report = ShardReport(
          shard: host.id,
          epoch: host.servingEpoch ?? Epoch(0),
          last: host.store.head.position,
          committed: max(state.position, host.store.committed),
          rows: state.schema.tables.reduce(0) { $0 + (state.rowsLogged[$1.id] ?? 0) },
          segmentBytes: host.store.fileBytes,
          memtableBytes: UInt64(host.store.memtableBytes),
          rollups: state.schema.rollups.compactMap { rollup in
            state.rollups[rollup.id].map {
              RollupProgress(rollup: rollup.id, watermark: $0.watermark, lagMicroseconds: host.lag(rollup, now: now))
            }
          },
          damage: host.damage ?? ""
        )
        report.statements = statementReports(host)
        report.digest = host.digest
        report.relations = host.store.relationBytes.sorted { $0.key < $1.key }.map { id, bytes in
          RelationReport(relation: id, rows: state.rowsLogged[id] ?? 0, bytes: bytes)
        }
        return report
      }
  }
}
