// WorkerStage.swift — one real worker in a simulated world; the coordinators and the other copy of its shard are played by the test.
//
// So a test decides what the worker is told, entry by entry and record by record, and sees its answers as they come over the wire. What it
// does not do: elect, or change a record by itself.
import Bytes
import Capabilities
import Columns
import Model
import RPC
import Replication
import Storage
import Synchronization
import Testing
import Wire

@testable import Simulation
@testable import WorkerNode

/// The worker, and everybody it talks to.
final class WorkerStage: RPCResponder {
  static let cluster = ClusterID(high: 3, low: 4)
  static let shard = ShardID(1)
  /// The copy that the test plays, and the worker's.
  static let played = ReplicaRecord(id: ReplicaID(1), node: NodeID(1))
  static let own = ReplicaRecord(id: ReplicaID(2), node: NodeID(2))
  static let table = TableSchema(
    id: TableID(10),
    name: "events",
    columns: [Column(name: "tenant", type: .bigint, isNotNull: true), Column(name: "n", type: .bigint)],
    distribution: .distributed(key: 0, group: GroupID(1))
  )
  private static let coordinators = [NetworkAddress(host: "c1", port: 7000), NetworkAddress(host: "c2", port: 7000)]
  private static let playedAddress = NetworkAddress(host: "w1", port: 7100)
  private static let workerAddress = NetworkAddress(host: "w2", port: 7100)

  private struct State {
    var catalog: CatalogSnapshot
    var incarnation = Incarnation(0)
    var isPlayedCopyUp = false
    var areChangesConfirmed = false
    var appends = 0
    var checks = 0
    /// What heartbeats are told of who leads, and to whom they came.
    var leader = ""
    var heartbeats: [String] = []
  }
  /// A node that the test plays.
  private final class Played: RPCResponder {
    private let host: String
    private let stage: WorkerStage
    init(_ host: String, _ stage: WorkerStage) { (self.host, self.stage) = (host, stage) }
    func respond(to request: Message, call: ServerCall) async throws {
      if case .heartbeat = request { stage.state.withLock { $0.heartbeats.append(host) } }
      try await stage.respond(to: request, call: call)
    }
  }
  private let state: Mutex<State>
  private let world: SimulatedWorld
  let node: SimulatedNode
  private let pool: ConnectionPool
  let clock: any Clock

  private init(_ world: SimulatedWorld, _ near: Surroundings, _ catalog: CatalogSnapshot) {
    state = Mutex(State(catalog: catalog))
    self.world = world
    node = world.node("worker-2", host: Self.workerAddress.host)
    clock = near.clock
    pool = ConnectionPool(
      identity: { PeerIdentity(cluster: Self.cluster, role: .worker, name: "worker-1", node: Self.played.node) },
      network: near.network,
      clock: near.clock,
      random: near.random
    )
  }

  /// A record of the shard, led in an epoch by one of the two copies.
  static func record(
    epoch: UInt64,
    led by: ReplicaRecord,
    inSync: [ReplicaRecord],
    learners: [ReplicaRecord] = [],
    isBegun: Bool = false
  ) -> ShardRecord {
    ShardRecord(
      id: shard,
      group: GroupID(1),
      lower: 0,
      upper: .max,
      epoch: Epoch(epoch),
      version: epoch,
      primary: by.node,
      inSync: inSync,
      learners: learners,
      isBegun: isBegun
    )
  }
  /// A catalog of the version with that record.
  static func catalog(_ version: UInt64, _ record: ShardRecord, tables: [TableSchema] = [table]) -> CatalogSnapshot {
    CatalogSnapshot(
      cluster: cluster,
      version: CatalogVersion(version),
      nodes: [
        NodeRecord(id: played.node, name: "worker-1", role: .worker, address: "w1:7100", incarnation: Incarnation(1)),
        NodeRecord(id: own.node, name: "worker-2", role: .worker, address: "w2:7100", incarnation: Incarnation(1)),
      ],
      groups: [ColocationGroup(id: GroupID(1), keyType: .bigint, shards: [shard], copies: 2)],
      shards: [record],
      tables: tables
    )
  }
  private static func bytes(_ catalog: CatalogSnapshot) -> [UInt8] {
    var out = ByteWriter()
    CatalogFormat.encode(catalog, into: &out)
    return out.finish()
  }

  /// Runs `body` beside a worker that found that record when it started on an empty disk.
  static func play(
    _ record: ShardRecord,
    tables: [TableSchema] = [table],
    _ body: @escaping @Sendable (WorkerStage) async throws -> Void
  ) throws {
    let world = SimulatedWorld(seed: 1, limit: .seconds(300))
    try world.run { world in
      try await world.node("test", host: "t").run { near in
        let stage = WorkerStage(world, near, catalog(1, record, tables: tables))
        for address in coordinators + [playedAddress] {
          world.node(address.host, host: address.host).start { near in
            let server = RPCServer(
              identity: { PeerIdentity(cluster: cluster, role: .coordinator, name: address.host) },
              responder: Played(address.host, stage),
              clock: near.clock,
              log: near.log
            )
            await server.serve(try await near.network.listen(on: address))
          }
        }
        try await withThrowingTaskGroup(of: Void.self) { group in
          group.addTask { await stage.pool.run() }
          defer { group.cancelAll() }
          try await stage.startWorker()
          try await body(stage)
        }
      }
    }
  }
  private func startWorker() async throws {
    let lives = world.log.events.count { $0.event == "ready" }
    node.start { near in
      var settings = WorkerSettings(
        name: "worker-2",
        listen: Self.workerAddress,
        coordinators: Self.coordinators,
        initializes: true
      )
      settings.memory = 64 << 20
      settings.journal.fileBytes = 1 << 18
      settings.journal.groupBytes = 1 << 16
      settings.reserveBytes = 64 << 10
      try await Worker.run(near, settings, stop: Promise<Int32>())
    }
    try await wait { self.world.log.events.count { $0.event == "ready" } > lives }
    // A connection to its life before breaks when it is used.
    try await wait {
      do {
        _ = try await report()
        return true
      } catch let error as TallyError where error.isRetryable { return false }
    }
  }
  /// Cuts the worker's power and starts it again.
  func restartAfterPowerCut() async throws {
    node.crash()
    node.restart()
    try await startWorker()
  }
  /// Waits for something that must come soon.
  func wait(_ isThere: () async throws -> Bool) async throws {
    let limit = clock.now + .seconds(20)
    while try await !isThere() {
      guard clock.now < limit else { throw TallyError(.timedOut, "the worker does not come to it") }
      try await clock.sleep(for: .milliseconds(5))
    }
  }

  // MARK: What the others say

  /// From now on coordinators say that the one at an address leads.
  func lead(_ address: String) { state.withLock { ($0.leader, $0.heartbeats) = (address, []) } }
  /// Hosts of the coordinators to which heartbeats came since then.
  var heartbeats: [String] { state.withLock { $0.heartbeats } }

  /// The played copy takes entries and acknowledges them, or cannot be reached.
  func setPlayedCopy(isUp: Bool) { state.withLock { $0.isPlayedCopyUp = isUp } }

  /// The coordinators confirm changes of the in-sync set, or cannot be reached by who asks for one.
  func confirmChanges() { state.withLock { $0.areChangesConfirmed = true } }

  /// Requests that came to the played copy: by itself, and together with others of its node.
  var requests: (appends: Int, checks: Int) { state.withLock { ($0.appends, $0.checks) } }
  private func answer(_ append: Append, _ deadline: Instant) throws -> Appended {
    guard state.withLock({ $0.isPlayedCopyUp }) else { throw TallyError(.unavailable, "worker-1 is down") }
    return Appended(
      outcome: .matches,
      promised: append.epoch,
      replica: append.replica,
      incarnation: Incarnation(1),
      applied: LogPosition(0),
      durable: try EntryStream.decode(append.entries).last?.position ?? append.previous,
      stamp: deadline.nanoseconds
    )
  }

  func respond(to request: Message, call: ServerCall) async throws {
    switch request {
    case .register:
      let (catalog, incarnation) = state.withLock { state in
        state.incarnation = Incarnation(state.incarnation.rawValue + 1)
        return (state.catalog, state.incarnation)
      }
      let answer = Registered(
        cluster: Self.cluster,
        node: Self.own.node,
        incarnation: incarnation,
        version: catalog.version,
        catalog: Self.bytes(catalog)
      )
      try await call.reply(.registered(answer))
    case .heartbeat:
      try await call.reply(.heartbeatReply(state.withLock { HeartbeatReply(version: $0.catalog.version, leader: $0.leader) }))
    case .fetchCatalog:
      let catalog = state.withLock { $0.catalog }
      try await call.reply(.catalogReply(CatalogReply(version: catalog.version, catalog: Self.bytes(catalog))))
    case .append(let append):
      state.withLock { $0.appends += 1 }
      try await call.reply(.appended(try answer(append, call.deadline)))
    case .checkCopies(let check):
      state.withLock { $0.checks += 1 }
      try await call.reply(.copiesChecked(CopiesChecked(answers: try check.asked.map { try answer($0, call.deadline) })))
    case .alterInSync(let alter):
      let version = try state.withLock { state throws(TallyError) -> CatalogVersion in
        guard state.areChangesConfirmed else { throw TallyError(.unavailable, "no quorum of coordinators") }
        let replicas = state.catalog.shards[0].replicas
        state.catalog.version = state.catalog.version.next
        state.catalog.shards[0].version += 1
        state.catalog.shards[0].inSync = replicas.filter { alter.inSync.contains($0.id) }
        state.catalog.shards[0].learners = replicas.filter { !alter.inSync.contains($0.id) }
        return state.catalog.version
      }
      try await call.reply(.done(Done(version: version)))
    default: throw TallyError(.unavailable, "nobody answers \(request.name)")
    }
  }

  // MARK: What the worker is asked

  func ask(_ request: Message, within limit: Duration = .seconds(5)) async throws -> Message {
    try await pool.call(request, to: Self.workerAddress, deadline: clock.now + limit)
  }
  private static func append(_ entries: [LogEntry], after place: LogPlace, epoch: UInt64, commit: UInt64, shard: ShardID = shard) -> Append
  {
    Append(
      shard: shard,
      epoch: Epoch(epoch),
      replica: own.id,
      previous: place.position,
      previousEpoch: place.epoch,
      previousChain: place.chain,
      commit: LogPosition(commit),
      entries: entries.isEmpty ? [] : EntryStream.encode(entries)
    )
  }
  /// A check by the played primary.
  func check(_ place: LogPlace, epoch: UInt64, commit: UInt64, shard: ShardID = WorkerStage.shard) async throws -> Appended? {
    let check = CheckCopies(asked: [Self.append([], after: place, epoch: epoch, commit: commit, shard: shard)])
    guard case .copiesChecked(let checked) = try await ask(.checkCopies(check)), checked.answers.count == 1 else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return checked.answers[0]
  }
  /// Entries of the played primary, behind a place of its log.
  func append(
    _ entries: [LogEntry],
    after place: LogPlace,
    epoch: UInt64,
    commit: UInt64,
    within limit: Duration = .seconds(5)
  ) async throws -> Appended {
    let append = Self.append(entries, after: place, epoch: epoch, commit: commit)
    guard case .appended(let answer) = try await ask(.append(append), within: limit) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return answer
  }
  /// The coordinators have another record.
  func adopt(_ catalog: CatalogSnapshot) async throws {
    state.withLock { $0.catalog = catalog }
    _ = try await ask(.catalogChanged(CatalogChanged(version: catalog.version, waits: false, catalog: Self.bytes(catalog))))
  }
  /// How the worker says that its copy is.
  func report() async throws -> ShardReport {
    guard case .shardReports(let reports) = try await ask(.describeShards(DescribeShards())) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return try #require(reports.shards.first)
  }
  /// Offers rows to it as the primary in an epoch.
  func ingest(_ rows: Batch, epoch: UInt64, within limit: Duration = .seconds(5)) async throws -> Ingested {
    let bytes = BatchFormat.encode(rows)
    let request = Ingest(
      shard: Self.shard,
      epoch: Epoch(epoch),
      version: state.withLock { $0.catalog.version },
      table: Self.table.id,
      key: nil,
      contentHash: Murmur3.hash(bytes),
      batch: bytes
    )
    guard case .ingested(let answer) = try await ask(.ingest(request), within: limit) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return answer
  }
  /// The version of the catalog that the coordinators have.
  var version: CatalogVersion { state.withLock { $0.catalog.version } }
  /// The batches that a fragment gives.
  func rows(of request: Execute) async throws -> [[UInt8]] {
    let stream = try await pool.openStream(.execute(request), to: Self.workerAddress, deadline: clock.now + .seconds(5))
    var batches: [[UInt8]] = []
    while let message = try await stream.next() {
      switch message {
      case .resultBatch(let result): batches.append(result.batch)
      case .executeEnd: return batches
      default: throw TallyError(.protocolViolation, "another answer")
      }
    }
    throw TallyError(.unavailable, "ended early")
  }
  /// Stages rows of a statement that another shard decides; returns how many are.
  func stage(_ rows: Batch, epoch: UInt64, decider: ShardID) async throws -> UInt64 {
    let bytes = BatchFormat.encode(rows)
    let request = StageRows(
      part: StatementPart(
        shard: Self.shard,
        epoch: Epoch(epoch),
        version: state.withLock { $0.catalog.version },
        statement: StatementID(session: SessionID(1), number: 1),
        doneBelow: 0,
        decider: decider,
        ordinal: 1
      ),
      content: .rows(StageRows.Rows(table: Self.table.id, key: nil, contentHash: Murmur3.hash(bytes), batch: bytes))
    )
    guard case .staged(let answer) = try await ask(.stageRows(request)) else {
      throw TallyError(.protocolViolation, "another answer")
    }
    return answer.rows
  }
}
