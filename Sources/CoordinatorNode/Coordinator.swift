// Coordinator.swift — a coordinator's life: open the data directory and the catalog, listen, answer requests, drain.
//
// The actor only dispatches; each flow has a file: GroupFlow (the other coordinators), DDLFlow (catalog changes), QueryFlow (SELECT),
// FragmentFlow (its parts, on workers), InsertFlow, StatementFlow, TenantFlow, Registration (workers), FailoverFlow (who leads, who
// copies), DigestComparison (are the copies equal), ForceFlow (an operator's word), Listings. It holds no table data.
import Bytes
public import Capabilities
import ClientCore
import Columns
import Model
public import RPC
import Storage
internal import Synchronization
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
  public var copies = 0
  /// A worker that is down for so long is dead: its copies are made elsewhere.
  public var deadAfter: Duration = .seconds(600)
  /// Accepts a data directory on a volume that forgets or lies elsewhere.
  public var allowsVolatile = false
  /// All coordinators, this one included, in the same order everywhere: the first founds the group. Empty for one that is alone.
  public var peers: [CoordinatorPeer] = []
  /// Bytes one query may hold on this coordinator and on each worker.
  public var queryMemory = 256 << 20
  /// Hears of changes of shard records; nil outside of simulations.
  public var witness: (any CatalogWitness)?
  /// Makes settings.
  public init(name: String, listen: NetworkAddress, initializes: Bool) {
    self.name = name
    self.listen = listen
    self.initializes = initializes
  }
}

/// Who a coordinator says it is: it learns its cluster when it founds or joins one.
private final class CoordinatorIdentity: Sendable {
  private let state: Mutex<PeerIdentity>
  init(_ cluster: ClusterID, _ name: String) {
    state = Mutex(PeerIdentity(cluster: cluster, role: .coordinator, name: name, node: NodeID(0), incarnation: Incarnation(0)))
  }
  var value: PeerIdentity { state.withLock { $0 } }
  var cluster: ClusterID {
    get { state.withLock { $0.cluster } }
    set { state.withLock { $0.cluster = newValue } }
  }
  /// The generation of the catalog that it has, or is given by those that let it in.
  func raise(generation: UInt64) { state.withLock { $0.generation = max($0.generation, generation) } }
}

/// A coordinator.
public actor Coordinator: RPCResponder {
  let surroundings: Surroundings
  let settings: CoordinatorSettings
  let cluster: ClusterID
  let log: CatalogLog
  let pool: ConnectionPool
  /// Where it listens.
  let address: NetworkAddress
  var fleet = Fleet()
  /// The time that commands are stamped with.
  private var catalogTime: CatalogTime
  /// From when on this coordinator, leading, may call a worker gone.
  var orderSince: Instant?
  /// When a primary was replaced last.
  var lastElection: Instant?
  /// Of shards whose logs were compared after a start: the latest start among the copies that were.
  var compared: [ShardID: Incarnation] = [:]
  /// Workers that are down, and since when.
  var deadSince: [NodeID: Instant] = [:]
  /// The position at which the copies of a shard were compared last.
  var comparedAt: [ShardID: LogPosition] = [:]
  /// Rung when workers should hear of a new catalog at once.
  let publishBell = BoundedQueue<Void>(capacity: 1)
  /// Workers to which a catalog is on its way.
  var publishing: Set<NodeID> = []
  /// Encoded once a version.
  var encodedCatalog: (version: CatalogVersion, bytes: [UInt8])?
  /// The term in which this coordinator decides and is ready to; nil when it does not. `decides` asks the log too.
  var decidingTerm: UInt64?
  /// Since when.
  var decidingSince = Instant(nanoseconds: 0)
  /// Who waits to be told how new the newest is.
  let indexQuestions = BoundedQueue<Promise<UInt64>>(capacity: 1024)
  /// Number of the last request that reads: copies are read in turn.
  var nextRead = 0
  /// Session under which this coordinator's own statements write.
  var statementSession = SessionID(0)
  /// When it was opened.
  var sessionOpened = Instant(nanoseconds: 0)
  /// One is being asked for.
  var isOpeningSession = false
  var nextStatement: UInt64 = 0
  var openStatements: Set<UInt64> = []
  /// Numbers of sequences at hand.
  var numberBlocks = NumberBlocks()
  /// Shards that are being told of a tenant's deletion.
  var erasingShards: Set<ShardID> = []
  /// Rung when a deletion is asked for, and when a shard may be told of its next one.
  let erasingBell = Signal()
  /// Plans of statements that came lately.
  nonisolated let plans = PlanCache()
  /// Functions and procedures of users, compiled.
  nonisolated let routines = CompiledRoutines()
  /// Rung when jobs were scheduled or changed.
  let jobBell = Signal()
  /// Names of the schemas of this coordinator's sessions.
  nonisolated let temporarySchemas: TemporarySchemas
  /// Rung when a session has ended, and when temporary schemas are to be looked at.
  nonisolated let temporaryBell = Signal()
  /// Coordinators with temporary schemas that this one, leading, does not hear, and since when.
  var temporarySilence: [MemberID: Instant] = [:]
  /// Runs of jobs, for the list of them.
  var jobRuns = JobRuns()
  /// When jobs are due, while this coordinator leads.
  var agenda = JobAgenda()
  /// Statements over several shards that failed and have not ended everywhere.
  let failedStatements = BoundedQueue<StatementRun>(capacity: 1024)
  /// Statements of transactions that are to be held open.
  let heldStatements = BoundedQueue<HeldStatement>(capacity: heldMax)
  /// Those that are.
  var heldCount = 0
  /// Drafts of clients that have gone.
  nonisolated let forsakenDrafts = BoundedQueue<DraftID>(capacity: Catalog.draftsMax)
  /// Moves of tables' rows that failed: their tables are to be let go.
  nonisolated let failedMoves = BoundedQueue<FailedMove>(capacity: Catalog.movesMax)
  /// Statements and transactions that may bring rows with numbers of sequences.
  let writers = WritersInFlight()
  /// The listeners for other clients than the RPC's.
  private var fronts: [any CoordinatorFront] = []

  init(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    cluster: ClusterID,
    log: CatalogLog,
    pool: ConnectionPool,
    address: NetworkAddress
  ) {
    self.surroundings = surroundings
    self.settings = settings
    self.cluster = cluster
    self.log = log
    self.pool = pool
    self.address = address
    catalogTime = CatalogTime(now: surroundings.clock.now)
    temporarySchemas = TemporarySchemas(start: surroundings.clock.wallMicroseconds)
  }
  private func take(_ fronts: [any CoordinatorFront]) { self.fronts = fronts }
  /// The time of a command that is proposed now.
  func stamp() async -> Int64 {
    let latest = await log.catalog.latestProducerTime
    return catalogTime.stamp(wall: surroundings.clock.wallMicroseconds, now: surroundings.clock.now, latest: latest)
  }

  /// Runs a coordinator until `stop` is settled, with other listeners in front of it.
  public static func run(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    stop: Promise<Int32>,
    fronts: [any CoordinatorFront] = []
  ) async throws {
    let started = surroundings.clock.now
    let (lock, found) = try await DataDirectory.lock(disk: surroundings.disk)
    defer { lock.release() }
    try await DataDirectory.checkVolume(disk: surroundings.disk, allowVolatile: settings.allowsVolatile)
    let marks = try await DataDirectory.syncFailures(disk: surroundings.disk)
    guard settings.peers.isEmpty || settings.peers.contains(where: { $0.name == settings.name }) else {
      throw TallyError(.invalid, "the list of coordinators does not name this one, \(settings.name)")
    }
    guard found != nil || settings.initializes else {
      throw TallyError(
        .invalid,
        "the data directory is empty",
        sqlState: "55000",
        hint: "--init makes a new cluster in it, or joins that of the others in --peers"
      )
    }
    let listener = try await surroundings.network.listen(on: settings.listen)
    for front in fronts { try await front.listen(surroundings) }
    let identity = CoordinatorIdentity(found?.cluster ?? .none, settings.name)
    let pool = ConnectionPool(
      identity: { identity.value },
      network: surroundings.network,
      clock: surroundings.clock,
      random: surroundings.random
    )
    let door = FrontDoor()
    let server = RPCServer(
      identity: { identity.value },
      responder: door,
      clock: surroundings.clock,
      log: surroundings.log
    )
    try await withThrowingTaskGroup(of: Void.self) { group in
      // Waiting for a promise is not ended by cancellation: a coordinator that fails settles it, or it would never end.
      defer {
        stop.fail(CancellationError())
        pool.close()
        group.cancelAll()
      }
      group.addTask { await pool.run() }
      group.addTask { await server.serve(listener) }
      let life = Promise<Coordinator>()
      defer { life.fail(CancellationError()) }
      group.addTask {
        let coordinator = try await open(surroundings, settings, found, marks, identity, pool, listener.address)
        await coordinator.take(fronts)
        life.fulfil(coordinator)
        door.open(coordinator)
        for front in fronts { front.open(coordinator) }
        try await coordinator.live(since: started)
      }
      for front in fronts { group.addTask { await front.serve() } }
      group.addTask {
        _ = try await stop.value
        surroundings.log.info("stopping")
        await withTaskGroup(of: Void.self) { fronting in
          // Their clients' statements may still need the leader's part.
          for front in fronts { fronting.addTask { await front.drain(until: surroundings.clock.now + .seconds(5)) } }
        }
        if case .success(let coordinator)? = life.settled { await coordinator.log.handOver() }
        await server.drain(listener, until: surroundings.clock.now + .seconds(10))
        throw CancellationError()
      }
      do { while try await group.next() != nil {} } catch is CancellationError {}
    }
  }

  /// Opens the catalog's log, after founding or joining the group when the directory is empty.
  private static func open(
    _ surroundings: Surroundings,
    _ settings: CoordinatorSettings,
    _ found: DataDirectory.Identity?,
    _ marks: SyncFailures,
    _ identity: CoordinatorIdentity,
    _ pool: ConnectionPool,
    _ address: NetworkAddress
  ) async throws -> Coordinator {
    let entry: GroupEntry
    if let found,
      let origin = try await GroupDisk.origin(surroundings, cluster: found.cluster, name: settings.name, address: address.description)
    {
      entry = GroupEntry(cluster: found.cluster, origin: origin)
    } else {
      entry = try await enter(surroundings, settings, pool, address, known: found?.cluster)
    }
    try await DataDirectory.adopt(
      disk: surroundings.disk,
      found: found,
      identity: DataDirectory.Identity(cluster: entry.cluster, node: NodeID(1), name: settings.name, role: .coordinator)
    )
    identity.cluster = entry.cluster
    if marks.needsVerification { try await DataDirectory.dropCached(disk: surroundings.disk) }
    let post = GroupPost(pool, surroundings.clock, surroundings.log, address: address.description)
    let log = try await CatalogLog(surroundings, cluster: entry.cluster, origin: entry.origin, post: post, witness: settings.witness)
    identity.raise(generation: max(await log.catalog.generation, pool.generation))
    if marks.needsVerification {
      // Opening the log has checked every record.
      try await DataDirectory.noteVerified(disk: surroundings.disk, at: surroundings.clock.wallMicroseconds)
    }
    return Coordinator(surroundings, settings, cluster: entry.cluster, log: log, pool: pool, address: address)
  }

  /// Takes part in the group until cancelled.
  private func live(since started: Instant) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      defer { group.cancelAll() }
      group.addTask { try await self.log.run() }
      group.addTask { try await self.lead() }
      group.addTask { try await self.keepGroup() }
      group.addTask { try await self.askForIndexes() }
      group.addTask { try await self.keepOrder() }
      group.addTask { try await self.keepWatch() }
      group.addTask { try await self.keepPublishing() }
      group.addTask { try await self.keepCopies() }
      group.addTask { try await self.keepEnding() }
      group.addTask { try await self.keepErasing() }
      group.addTask { try await self.keepJobs() }
      group.addTask { try await self.keepTransactions() }
      group.addTask { try await self.keepTemporary() }
      group.addTask { try await self.keepDiscarding() }
      group.addTask { try await self.keepCancellingMoves() }
      group.addTask {
        // Alone it serves once it leads; among others it serves at once, and they lead.
        while await self.log.isAlone, await !self.decides { try await self.surroundings.clock.sleep(for: .milliseconds(1)) }
        self.surroundings.log.info(
          "ready",
          ("role", "coordinator"),
          ("rpc", self.address.description),
          ("cluster", self.cluster.description),
          ("after", "\(self.surroundings.clock.now - started)")
        )
        try await self.announceToGroup()
      }
      while try await group.next() != nil {}
    }
  }

  /// Answers what only coordinators ask each other; false when it is something else.
  private func answerMember(_ request: Message, _ call: ServerCall) async throws -> Bool {
    switch request {
    case .raft, .readIndex, .joinGroup, .cancelStatement, .awaitWriters:
      guard call.peer.role == .coordinator else {
        throw TallyError(.protocolViolation, "\(request.name) requests are between coordinators")
      }
    default: return false
    }
    switch request {
    case .raft(let envelope):
      let answer = try await log.answer(envelope)
      try await call.reply(answer.map { .raft($0) } ?? .done(Done(version: CatalogVersion(0))))
    case .readIndex: try await call.reply(.readIndexReply(ReadIndexReply(index: try await log.readIndex())))
    case .cancelStatement(let cancel):
      let found = fronts.contains { $0.cancel(process: cancel.process, secret: cancel.secret) }
      if !found { surroundings.log.warning("cancel-wrong-key", ("peer", call.peer.name)) }
      try await call.reply(.done(Done(version: CatalogVersion(0))))
    case .awaitWriters(let question):
      try await answer(question, deadline: call.deadline)
      try await call.reply(.done(Done(version: CatalogVersion(0))))
    default: return false
    }
    return true
  }

  /// Answers one request.
  public func respond(to request: Message, call: ServerCall) async throws {
    if try await answerMember(request, call) { return }
    switch request {
    case .register, .heartbeat, .openProducer, .joinGroup, .alterInSync, .forcePrimary, .removeCoordinator:
      if try await passOn(request, call, isStream: false) { return }
    case .list, .tenant: if try await passOn(request, call, isStream: true) { return }
    case .query(let query):
      if await !decides, try await !onlyReads(query, until: call.deadline), try await passOn(request, call, isStream: true) { return }
    case .fetchCatalog, .refreshRollup: try await freshenBriefly()
    default: break
    }
    switch request {
    case .joinGroup(let join): try await call.reply(.joinedGroup(try await self.join(join)))
    case .register(let register): try await call.reply(.registered(try await self.register(register)))
    case .heartbeat(let beat): try await call.reply(.heartbeatReply(try await hear(beat)))
    case .fetchCatalog(let fetch): try await call.reply(.catalogReply(try await catalogReply(fetch)))
    case .openProducer(let open) where open.table.isEmpty && call.peer.role == .coordinator:
      try await call.reply(.producerSession(try await openSession(of: open.name)))
    case .openProducer(let open): try await call.reply(.producerSession(try await openProducer(open)))
    case .alterInSync(let alter): try await call.reply(.done(try await alterInSync(alter)))
    case .forcePrimary(let order): try await call.reply(.done(try await forcePrimary(order)))
    case .removeCoordinator(let order): try await call.reply(.done(try await remove(order, deadline: call.deadline)))
    case .refreshRollup(let refresh):
      try await refreshRollup(refresh.name, deadline: call.deadline)
      try await call.reply(.done(Done(version: await log.catalog.snapshot.version)))
    case .list(let list):
      let listing = Listing.make(list.kind, await log.catalog, fleet, await log.standing, now: surroundings.clock.now)
      try await call.send(.resultHeader(ResultHeader(columns: listing.columns)))
      try await send([listing.batch()], call)
      try await call.send(
        .resultEnd(ResultEnd(tag: "SELECT \(listing.count)", rows: UInt64(listing.count))),
        isLast: true
      )
    case .tenant(let request): try await answer(request, call)
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
