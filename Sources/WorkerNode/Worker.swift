// Worker.swift — a worker's life: lock and recover the data directory, register, establish its shards, serve, drain.
//
// The actor dispatches and owns all mutable state; each flow has a file: Registration (coordinators), RoleFlow (catalog, who leads),
// ReplicationFlow (the primary's side), CopyFlow and CatchUpFlow (the copies' side), IngestFlow, StatementFlow, TenantFlow, QueryFlow,
// RollupFlow, LayoutFlow (flush, compaction, expiry), KeyExpiryFlow, ScrubFlow, DigestFlow, RetireFlow. One shard's role,
// appends and applied state: ShardHost.

import Bytes
public import Capabilities
import Model
public import RPC
import Replication
import Storage
internal import Synchronization
public import Wire

/// A worker.
public actor Worker: RPCResponder {
  let surroundings: Surroundings
  let settings: WorkerSettings
  /// Decoded blocks that queries come back to.
  let blockCache: BlockCache
  let journal: Journal
  let pool: ConnectionPool
  let identity: IdentityCell
  /// What it keeps of the coordinators' state.
  let keeper: CatalogKeeper
  /// The newest catalog this worker has.
  var catalog: CatalogSnapshot
  /// Shards by number.
  var hosts: [ShardID: ShardHost] = [:] { didSet { orderedHosts = hosts.sorted { $0.key < $1.key }.map(\.value) } }
  /// The same by rising number, so that every round is the same in simulation.
  private(set) var orderedHosts: [ShardHost] = []
  /// Shards whose data are damaged, and how: not served, not touched.
  var refused: [ShardID: String]
  /// When a batch was last appended.
  var lastIngest: Instant
  /// Work that flows begin and nobody waits for; each is carried by `keepDuties` and ends by itself.
  private let duties = BoundedQueue<Duty>(capacity: 1 << 20)
  /// Notified when the copies are to be looked at before the next beat: shards to lead, other copies, something sent to one.
  let copiesNeedCare = Signal()
  /// At the last look every copy had everything.
  var areCopiesIdle = false
  /// A request for a newer catalog that is under way.
  var catalogRequest: Promise<Void>?
  /// Free bytes of the volume at the last look; nil before the first.
  var freeBytes: UInt64?
  /// Nodes whose copies a check asks now.
  var nodesChecked: Set<NodeID> = []
  /// The rate at which files are copied here.
  var copyPace: CopyPace
  /// Shards whose copy here begins again.
  var catchingUp: Set<ShardID> = []
  /// Shards whose first, empty copy is being made here.
  var beingMade: Set<ShardID> = []
  /// Checkpoints that other copies fetch from here.
  var offers: [ShardID: [ReplicaID: OfferedCheckpoint]] = [:]
  /// Which coordinator of the list answered last.
  var answeringCoordinator = 0
  /// The coordinator of the list that led when the last heartbeat was answered.
  var leadingCoordinator: NetworkAddress?
  /// The room on its volume.
  var space = DiskSpace.ample
  /// A write found no room although the journal has its next file.
  var lacksRoom = false
  /// It was told to end.
  var isLeaving = false
  /// Until when its logs may be shorter than what it acknowledged (ComparisonFlow).
  var youngUntil = Instant.distantFuture
  /// Shards that it led before its start and others can lead, and the epochs that its registration gave them; none once that is settled.
  var epochsToCompare: [ShardID: Epoch] = [:]
  /// One round of catalog changes at a time.
  var isAdopting = false
  var adoptionWaiters: [Promise<Void>] = []

  init(
    _ surroundings: Surroundings,
    _ settings: WorkerSettings,
    journal: Journal,
    pool: ConnectionPool,
    identity: IdentityCell,
    keeper: CatalogKeeper,
    catalog: CatalogSnapshot,
    refused: [ShardID: String]
  ) {
    self.keeper = keeper
    copyPace = CopyPace(bytesPerSecond: settings.copyBytesPerSecond)
    self.surroundings = surroundings
    self.settings = settings
    blockCache = BlockCache(bytesMax: settings.blockCacheBytes)
    self.journal = journal
    self.pool = pool
    self.identity = identity
    self.catalog = catalog
    self.refused = refused
    lastIngest = surroundings.clock.now
  }
  /// Takes over the copies that were found on this node's disk.
  func open(_ stores: [ShardStore]) { for store in stores { hosts[store.shard] = makeHost(store) } }
  /// A host whose files come from the primary when they cannot be made here.
  func makeHost(_ store: ShardStore) -> ShardHost {
    let host = ShardHost(store, journal, surroundings.compute, witness: settings.witness)
    let shard = store.shard
    host.fetchFile = { [weak self] file, path in
      guard let self else { throw CancellationError() }
      try await self.fetchFromPrimary(file, of: shard, to: path)
    }
    return host
  }
  private func fetchFromPrimary(_ file: FileRecord, of shard: ShardID, to path: String) async throws {
    guard let record = catalog.shard(shard), record.primary != identity.value.node,
      let address = catalog.node(record.primary).flatMap({ NetworkAddress($0.address) })
    else {
      throw TallyError(.dataDamaged, "file \(path) cannot be made from the shard's rows", hint: "Restore the shard from a copy.")
    }
    surroundings.log.warning(
      "file-fetched",
      ("shard", shard.description),
      ("file", path),
      ("reason", "it could not be made from the same rows")
    )
    try await fetch(file, of: shard, from: address, to: path)
  }

  // MARK: Duties

  /// Work that nobody waits for.
  struct Duty: Sendable { let run: @Sendable (Worker) async throws -> Void }
  /// Has work done beside the flows; an error of it ends the node.
  func perform(_ work: @escaping @Sendable (Worker) async throws -> Void) {
    invariant(duties.trySend(Duty(run: work)), "more duties than shards and copies can have")
  }
  /// Carries duties until cancelled or one fails; then every role ends, so that nobody waits for a commit any more.
  func keepDuties() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      defer { for host in orderedHosts { host.stepDown() } }
      while let duty = try await duties.receive() {
        group.addTask {
          do { try await duty.run(self) } catch {
            // Nothing else wakes the flow that receives them.
            self.duties.finish()
            throw error
          }
        }
      }
    }
  }

  /// Runs a worker until `stop` is settled, or until another process registers under its name.
  public static func run(
    _ surroundings: Surroundings,
    _ settings: WorkerSettings,
    stop: Promise<Int32>
  ) async throws {
    let started = surroundings.clock.now
    let (lock, found) = try await DataDirectory.lock(disk: surroundings.disk)
    defer { lock.release() }
    // A node that has data starts on a full disk too: it serves what it has and makes room by expiry.
    try await DataDirectory.checkVolume(disk: surroundings.disk, allowVolatile: settings.allowsVolatile, needsRoom: found == nil)
    let marks = try await DataDirectory.syncFailures(disk: surroundings.disk)
    guard found != nil || settings.initializes else {
      throw TallyError(
        .invalid,
        "the data directory is empty",
        sqlState: "55000",
        hint: "--init joins the cluster with it; a lost disk is restored from a backup"
      )
    }
    let cell = IdentityCell(
      PeerIdentity(
        cluster: found?.cluster ?? .none,
        role: .worker,
        name: settings.name,
        node: found?.node ?? NodeID(0),
        incarnation: Incarnation(0)
      )
    )
    let pool = ConnectionPool(
      identity: { cell.value },
      network: surroundings.network,
      clock: surroundings.clock,
      random: surroundings.random
    )
    let listener = try await surroundings.network.listen(on: settings.listen)
    let serving = Promise<Void>()
    let keeper = CatalogKeeper(surroundings, cell)
    let door = WorkerDoor(keeper, name: settings.name)
    let server = RPCServer(identity: { cell.value }, responder: door, clock: surroundings.clock, log: surroundings.log)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await pool.run() }
      group.addTask { await server.serve(listener) }
      group.addTask {
        // A promise that is failed tells nothing: `start` ends by an error of its own then, which must be heard of first.
        do { _ = try await stop.value } catch { return }
        // Once it serves, `start` drains before it ends.
        if !serving.isSettled { throw CancellationError() }
      }
      group.addTask {
        let entrance = Entrance(listener: listener, server: server, door: door, keeper: keeper)
        try await start(surroundings, settings, found, marks, cell, pool, entrance, started: started, serving: serving, stop: stop)
      }
      // Waiting for a promise is not ended by cancellation: a worker that fails settles it, or it would never end.
      defer {
        stop.fail(CancellationError())
        listener.close()
        pool.close()
        group.cancelAll()
      }
      do { while try await group.next() != nil {} } catch is CancellationError {}
    }
  }

  /// Where others reach a worker.
  private struct Entrance: Sendable {
    let listener: any Listener
    let server: RPCServer
    let door: WorkerDoor
    let keeper: CatalogKeeper
  }
  private static func start(
    _ surroundings: Surroundings,
    _ settings: WorkerSettings,
    _ found: DataDirectory.Identity?,
    _ marks: SyncFailures,
    _ cell: IdentityCell,
    _ pool: ConnectionPool,
    _ entrance: Entrance,
    started: Instant,
    serving: Promise<Void>,
    stop: Promise<Int32>
  ) async throws {
    let (listener, server, keeper) = (entrance.listener, entrance.server, entrance.keeper)
    let reachedAt = settings.advertised ?? listener.address
    let previous = try await IncarnationFile.read(surroundings.disk)
    var identity = found
    var registered: Registered?
    if identity == nil {
      // Without an identity there is nothing to recover; the cluster gives one.
      let reply = try await register(surroundings, settings, pool, cell, previous: previous, reachedAt, [])
      identity = DataDirectory.Identity(cluster: reply.cluster, node: reply.node, name: settings.name, role: .worker)
      registered = reply
    }
    guard let identity else { return }
    try await DataDirectory.adopt(
      disk: surroundings.disk,
      found: found,
      identity: identity
    )
    try await keeper.open(identity.cluster)
    if marks.needsVerification {
      surroundings.log.warning("verifying", ("reason", "a sync failed before this start"), ("failures", String(marks.failures.count)))
      try await DataDirectory.dropCached(disk: surroundings.disk)
    }
    let opened = try await Journal.open(
      disk: surroundings.disk,
      cluster: identity.cluster,
      node: identity.node,
      settings: settings.journal
    )
    for number in opened.mendedHeaders { surroundings.log.warning("journal-header-mended", ("file", String(number))) }
    let journal = opened.journal
    var stores: [ShardStore] = []
    var refused: [ShardID: String] = [:]
    for shard in try await Recovery.openShards(
      disk: surroundings.disk,
      clock: surroundings.clock,
      cluster: identity.cluster,
      journal: opened,
      verifying: marks.needsVerification ? surroundings.compute : nil
    ) {
      switch shard.outcome {
      case .success(let store): stores.append(store)
      case .failure(let error):
        // The others serve; this one stays as it is until somebody repairs it.
        refused[shard.shard] = "\(error)"
        surroundings.log.error("shard-refused", ("shard", shard.shard.description), ("reason", "\(error)"))
      }
    }
    if marks.needsVerification, refused.isEmpty {
      do {
        try await DataDirectory.noteVerified(disk: surroundings.disk, at: surroundings.clock.wallMicroseconds)
        surroundings.log.info("verified")
      } catch let failure as DiskFailure where failure.kind == .full {
        // The next start verifies again.
        surroundings.log.warning("verification-not-noted", ("reason", failure.message))
      }
    }
    let positions = stores.map {
      ShardPosition(shard: $0.shard, replica: $0.replica, epoch: $0.head.epoch, last: $0.head.position)
    }
    entrance.door.show(positions, incarnation: previous)
    if registered == nil {
      let losses = try await SalvageFile.readAll(cluster: identity.cluster, disk: surroundings.disk)
      registered = try await register(surroundings, settings, pool, cell, previous: previous, reachedAt, positions, losses: losses)
    }
    guard let registered else { return }
    try await keepIncarnation(registered.incarnation, surroundings)
    cell.set(
      PeerIdentity(
        cluster: registered.cluster,
        role: .worker,
        name: settings.name,
        node: registered.node,
        incarnation: registered.incarnation,
        generation: cell.value.generation
      )
    )
    let worker = Worker(
      surroundings,
      settings,
      journal: journal,
      pool: pool,
      identity: cell,
      keeper: keeper,
      catalog: try decodeCatalog(registered.catalog),
      refused: refused
    )
    await worker.open(stores)
    do {
      try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await journal.run() }
        await worker.awaitComparison()
        // The first heartbeat confirms the incarnation; nothing is appended before it.
        try await worker.firstBeat()
        group.addTask { try await worker.keepDuties() }
        group.addTask { try await worker.keepReplicating() }
        // Other copies are asked here before this one leads: they may be waiting for it.
        entrance.door.open(worker)
        try await worker.establish()
        serving.fulfil(())
        surroundings.log.info(
          "ready",
          ("role", "worker"),
          ("rpc", listener.address.description),
          ("cluster", registered.cluster.description),
          ("shards", String(await worker.servedShards)),
          ("incarnation", registered.incarnation.description),
          ("after", "\(surroundings.clock.now - started)")
        )
        group.addTask { try await worker.keepBeating() }
        group.addTask { try await worker.keepRolling() }
        group.addTask { try await worker.keepLayout() }
        group.addTask { try await worker.keepSpace() }
        group.addTask { try await worker.keepScrubbing() }
        group.addTask { try await worker.keepDigests() }
        group.addTask { try await worker.keepRetired() }
        group.addTask { try await worker.keepResolving() }
        group.addTask { try await worker.keepExpiringKeys() }
        group.addTask {
          _ = try await stop.value
          surroundings.log.info("stopping")
          try await worker.leave()
          await server.drain(listener, until: surroundings.clock.now + .seconds(10))
          journal.close()
          throw CancellationError()
        }
        defer {
          stop.fail(CancellationError())
          group.cancelAll()
        }
        while try await group.next() != nil {}
      }
    } catch {
      // What a failed disk brings about elsewhere may be heard of before it.
      throw journal.diskFailure ?? error
    }
  }

  /// Stores the incarnation, however long there is no room for it.
  private static func keepIncarnation(_ incarnation: Incarnation, _ surroundings: Surroundings) async throws {
    while true {
      do { return try await IncarnationFile.write(incarnation, surroundings.disk) } catch let failure as DiskFailure
        where failure.kind == .full
      {
        surroundings.log.error("disk-full", ("state", "not even the incarnation can be stored"), ("reason", failure.message))
        if try await !DiskReserve.release(disk: surroundings.disk) { try await surroundings.clock.sleep(for: .seconds(1)) }
      }
    }
  }

  /// Answers one request.
  public func respond(to request: Message, call: ServerCall) async throws {
    switch request {
    case .ingest(let ingest): try await call.reply(.ingested(try await self.ingest(ingest, deadline: call.deadline)))
    case .stageRows(let stage): try await call.reply(.staged(try await self.stage(stage, deadline: call.deadline)))
    case .deleteRows(let delete): try await call.reply(.staged(try await self.delete(delete)))
    case .modifyRows(let modify): try await call.reply(.modified(try await self.modify(modify, deadline: call.deadline)))
    case .eraseTenant(let erase): try await call.reply(.tenantErased(try await self.erase(erase)))
    case .describeErasure(let describe): try await call.reply(.erasureReport(try describeErasure(describe)))
    case .decideStatement(let decide): try await call.reply(.statementAnswer(try await self.decide(decide)))
    case .endStatement(let end): try await call.reply(.statementAnswer(try await self.end(end)))
    case .askStatement(let ask): try await call.reply(.statementAnswer(try await answer(ask)))
    case .execute(let execute): try await self.execute(execute, call)
    case .awaitRest(let question):
      try await awaitRest(question, deadline: call.deadline)
      try await call.reply(.done(Done(version: catalog.version)))
    case .catalogChanged(let change):
      try await adopt(try Self.decodeCatalog(change.catalog))
      if change.waits { try await untilServing(call.deadline) }
      try await call.reply(.done(Done(version: catalog.version)))
    case .append(let append): try await self.append(append, call)
    case .checkCopies(let check): try await call.reply(.copiesChecked(answer(check)))
    case .fetchReplica(let fetch): try await call.reply(.replicaManifest(try await offer(fetch)))
    case .fetchFile(let fetch): try await call.reply(.filePiece(try await piece(fetch)))
    case .refreshShards(let refresh):
      try await self.refresh(refresh)
      try await call.reply(.done(Done(version: catalog.version)))
    case .describeShards(let describe):
      let wanted = Set(describe.shards)
      let reports = shardReports().filter { wanted.isEmpty || wanted.contains($0.shard) }
      try await call.reply(.shardReports(ShardReports(load: await load(), shards: reports)))
    case .storeCatalogCopy(let copy):
      try await keeper.keep(copy)
      try await call.reply(.done(Done(version: catalog.version)))
    case .fetchCatalogCopy: try await call.reply(.catalogCopy(await catalogCopy()))
    default: throw TallyError(.protocolViolation, "a worker does not answer \(request.name) requests")
    }
  }

  /// The shard's host, when this worker is its primary in that epoch.
  func serving(_ shard: ShardID, _ epoch: Epoch) throws(TallyError) -> ShardHost {
    guard let host = hosts[shard] else {
      if let reason = refused[shard], let record = catalog.shard(shard), record.replicas.count == 1 {
        // Nobody else has it: to try again helps nothing.
        throw Self.refusal(of: shard, record, for: reason, node: settings.name)
      }
      throw TallyError(.notPrimary, "shard \(shard) is not here", node: settings.name)
    }
    guard host.servingEpoch == epoch else {
      throw TallyError(
        .notPrimary,
        "shard \(shard) is at epoch \(host.servingEpoch?.description ?? "none") here, not \(epoch)",
        node: settings.name
      )
    }
    return host
  }
  /// Number of shards served.
  var servedShards: Int { hosts.values.count { $0.servingEpoch != nil } }
}

/// Who this node says it is: known in full only after it registered.
final class IdentityCell: Sendable {
  private let cell: Mutex<PeerIdentity>
  init(_ identity: PeerIdentity) { cell = Mutex(identity) }
  var value: PeerIdentity { cell.withLock { $0 } }
  func set(_ identity: PeerIdentity) { cell.withLock { $0 = identity } }
  /// A later generation of the cluster is known.
  func raise(generation: UInt64) { cell.withLock { $0.generation = max($0.generation, generation) } }
}

/// The incarnation a worker was last given, in `meta/incarnation`: decimal text and a newline.
enum IncarnationFile {
  static let path = "meta/incarnation"
  static func read(_ disk: any Disk) async throws -> Incarnation {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(path) } catch let failure as DiskFailure where failure.kind == .notFound {
      return Incarnation(0)
    }
    let text = String(decoding: bytes, as: UTF8.self)
    guard text.last == "\n", let number = UInt64(text.dropLast()) else {
      throw TallyError(.dataDamaged, "\(path) is damaged")
    }
    return Incarnation(number)
  }
  static func write(_ incarnation: Incarnation, _ disk: any Disk) async throws {
    try await disk.writeDurably(path, [Array("\(incarnation)\n".utf8)])
  }
}
