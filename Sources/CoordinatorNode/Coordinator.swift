// Coordinator.swift — a coordinator's life: open the data directory and the catalog, listen, answer requests, drain.
//
// The actor only dispatches; each flow has a file: DDLFlow (catalog changes), QueryFlow (SELECT), InsertFlow, StatementFlow, Registration (workers),
// Listings. It holds no table data.
import Bytes
public import Capabilities
import ClientCore
import Columns
import Model
public import RPC
import Storage
public import Wire

/// What a coordinator is told at its start.
public struct CoordinatorSettings: Sendable {
  /// `coordinator-1`, …
  public var name: String
  /// Where it listens.
  public var listen: NetworkAddress
  /// Makes the data directory's identity when there is none.
  public var initializes: Bool
  /// Copies of a new table's shards when its statement does not say; 0 = by the number of workers.
  public var copies = 1
  /// Accepts a data directory on a volume that forgets or lies elsewhere.
  public var allowsVolatile = false
  /// Bytes one query may hold on this coordinator and on each worker.
  public var queryMemory = 256 << 20
  /// Makes settings.
  public init(name: String, listen: NetworkAddress, initializes: Bool) {
    self.name = name
    self.listen = listen
    self.initializes = initializes
  }
}

/// A coordinator.
public actor Coordinator: RPCResponder {
  let surroundings: Surroundings
  let settings: CoordinatorSettings
  let cluster: ClusterID
  let log: CatalogLog
  let pool: ConnectionPool
  var fleet = Fleet()
  /// Encoded once a version.
  var encodedCatalog: (version: CatalogVersion, bytes: [UInt8])?
  /// Session under which this coordinator's own statements write.
  var statementSession = SessionID(0)
  var nextStatement: UInt64 = 0
  var openStatements: Set<UInt64> = []
  /// Statements over several shards that failed and have not ended everywhere.
  let failedStatements = BoundedQueue<StatementRun>(capacity: 1024)

  init(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    cluster: ClusterID,
    log: CatalogLog,
    pool: ConnectionPool
  ) {
    self.surroundings = surroundings
    self.settings = settings
    self.cluster = cluster
    self.log = log
    self.pool = pool
  }

  /// Runs a coordinator until `stop` is settled.
  public static func run(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    stop: Promise<Int32>
  ) async throws {
    let started = surroundings.clock.now
    let (lock, found) = try await DataDirectory.lock(disk: surroundings.disk)
    defer { lock.release() }
    try await DataDirectory.checkVolume(disk: surroundings.disk, allowVolatile: settings.allowsVolatile)
    let marks = try await DataDirectory.syncFailures(disk: surroundings.disk)
    guard found != nil || settings.initializes else {
      throw TallyError(
        .invalid,
        "the data directory is empty",
        sqlState: "55000",
        hint: "--init makes a new cluster in it; a lost disk is restored from a backup"
      )
    }
    let cluster = found?.cluster ?? ClusterID(high: surroundings.random.next(), low: surroundings.random.next())
    try await DataDirectory.adopt(
      disk: surroundings.disk,
      found: found,
      identity: DataDirectory.Identity(cluster: cluster, node: NodeID(1), name: settings.name, role: .coordinator)
    )
    if marks.needsVerification { try await DataDirectory.dropCached(disk: surroundings.disk) }
    let log = try await CatalogLog.open(surroundings, cluster: cluster)
    if marks.needsVerification {
      // Opening the log has checked every record.
      try await DataDirectory.noteVerified(disk: surroundings.disk, at: surroundings.clock.wallMicroseconds)
    }
    let identity = PeerIdentity(
      cluster: cluster,
      role: .coordinator,
      name: settings.name,
      node: NodeID(0),
      incarnation: Incarnation(0)
    )
    let pool = ConnectionPool(
      identity: { identity },
      network: surroundings.network,
      clock: surroundings.clock,
      random: surroundings.random
    )
    let coordinator = Coordinator(surroundings, settings, cluster: cluster, log: log, pool: pool)
    let server = RPCServer(
      identity: { identity },
      responder: coordinator,
      clock: surroundings.clock,
      log: surroundings.log
    )
    let listener = try await surroundings.network.listen(on: settings.listen)
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Waiting for a promise is not ended by cancellation: a coordinator that fails settles it, or it would never end.
      defer {
        stop.fail(CancellationError())
        pool.close()
        group.cancelAll()
      }
      group.addTask { try await log.run() }
      group.addTask { await pool.run() }
      try await coordinator.announce(listener.address)
      group.addTask { await server.serve(listener) }
      group.addTask { try await coordinator.keepEnding() }
      surroundings.log.info(
        "ready",
        ("role", "coordinator"),
        ("rpc", listener.address.description),
        ("cluster", cluster.description),
        ("after", "\(surroundings.clock.now - started)")
      )
      group.addTask {
        _ = try await stop.value
        surroundings.log.info("stopping")
        await server.drain(listener, until: surroundings.clock.now + .seconds(10))
        throw CancellationError()
      }
      do { while try await group.next() != nil {} } catch is CancellationError {}
      await log.finish()
    }
  }

  /// Registers this coordinator and opens the session of its own statements.
  private func announce(_ address: NetworkAddress) async throws {
    let known = await log.catalog.snapshot.nodes.first { $0.name == settings.name }
    _ = try await log.propose(
      .registerNode(
        name: settings.name,
        role: .coordinator,
        address: address.description,
        previous: known?.incarnation ?? Incarnation(0)
      )
    )
    let outcome = try await log.propose(
      .openProducer(
        ProducerRequest(
          name: "statements of \(settings.name)",
          chunkBytes: 0,
          fingerprint: .zero,
          time: surroundings.clock.wallMicroseconds,
          isAnew: true
        )
      )
    )
    if case .producer(let record, _) = outcome { statementSession = record.session }
  }

  /// Answers one request.
  public func respond(to request: Message, call: ServerCall) async throws {
    switch request {
    case .register(let register): try await call.reply(.registered(try await self.register(register)))
    case .heartbeat(let beat): try await call.reply(.heartbeatReply(try await hear(beat)))
    case .fetchCatalog(let fetch): try await call.reply(.catalogReply(await catalogReply(fetch)))
    case .openProducer(let open): try await call.reply(.producerSession(try await openProducer(open)))
    case .refreshRollup(let refresh):
      try await refreshRollup(refresh.name, deadline: call.deadline)
      try await call.reply(.done(Done(version: await log.catalog.snapshot.version)))
    case .list(let list):
      let listing = Listing.make(list.kind, await log.catalog.snapshot, fleet, now: surroundings.clock.now)
      try await call.send(.resultHeader(ResultHeader(columns: listing.columns)))
      try await send([listing.batch()], call)
      try await call.send(
        .resultEnd(ResultEnd(tag: "SELECT \(listing.count)", rows: UInt64(listing.count))),
        isLast: true
      )
    case .query(let query): try await answer(query, call)
    default:
      throw TallyError(.protocolViolation, "a coordinator does not answer \(request.name) requests")
    }
  }

  /// Sends batches of any length in lawful pieces.
  func send(_ batches: [Batch], _ call: ServerCall) async throws {
    for batch in batches {
      for start in stride(from: 0, to: batch.count, by: Self.resultRows) {
        let piece = batch.slice(start..<min(batch.count, start + Self.resultRows))
        try await call.send(.resultBatch(ResultBatch(batch: BatchFormat.encode(piece))))
      }
    }
  }
  /// Rows of one result message.
  static let resultRows = 4096

  /// The catalog's bytes, encoded once a version.
  func catalogBytes() async -> (version: CatalogVersion, bytes: [UInt8]) {
    let snapshot = await log.catalog.snapshot
    if let encoded = encodedCatalog, encoded.version == snapshot.version { return encoded }
    var out = ByteWriter(capacity: 4096)
    CatalogFormat.encode(snapshot, into: &out)
    let encoded = (snapshot.version, out.finish())
    encodedCatalog = encoded
    return encoded
  }
}
