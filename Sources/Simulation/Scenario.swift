// Scenario.swift — a scripted run of a simulated cluster that writes down what was done and what was observed: its transcript.
//
// A script is a list of steps: start load, end a node, expect that writes go on within three seconds. Each step takes a fixed virtual
// time, whatever happens in it, and says what it allows, not what it measured; so a transcript depends neither on the seed nor on
// small changes of timing, and can be compared with a text that people wrote off. What the step does not find as it must be is a failure;
// so is every broken law of the ledger. One shard, so that "the primary" is one node.
// What it does not do: draw faults (ClusterSimulation), say what is right (the scripts do).
import Bytes
import Capabilities
import ClientCore
import Model
import Storage
import WorkerNode

/// One scenario under way.
final class Scenario: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.

  /// The shape of the cluster.
  struct Shape: Sendable {
    var copies = 1
    var workers = 1
    var coordinators = 1
    /// Nil: as long as a coordinator waits by default.
    var deadAfter: Duration?
    var seed: UInt64 = 1
    /// Changes every worker's settings.
    var tune: @Sendable (inout WorkerSettings) -> Void = { _ in }
  }
  /// What came of a run.
  struct Outcome: Sendable {
    var transcript: String
    var failures: [String]
    var events: [SimulatedEventLog.Event]
  }
  /// A script's steps.
  typealias Script = @Sendable (Scenario) async throws -> Void

  private static let clientHosts = ["10.0.2.1", "10.0.2.2"]
  let world: SimulatedWorld
  let cluster: SimulatedCluster
  let ledger: Ledger
  let shape: Shape
  /// A client that has seen the cluster before anything went wrong, and another one elsewhere.
  private(set) var clients: [ScenarioClient] = []
  private let auditor: SimulatedNode
  private var lines: [String] = []
  private var failures: [String] = []
  /// When the present step began.
  private var step = Instant(nanoseconds: 0)

  private init(_ shape: Shape) {
    self.shape = shape
    world = SimulatedWorld(seed: shape.seed, limit: .seconds(3600))
    ledger = Ledger(ScenarioClient.rows)
    cluster = SimulatedCluster(
      world,
      ledger,
      coordinators: shape.coordinators,
      workers: shape.workers,
      deadAfter: shape.deadAfter
    ) { settings in
      // Small files: a simulated disk holds every byte of them in memory.
      settings.memory = 64 << 20
      settings.journal.fileBytes = 1 << 18
      settings.journal.groupBytes = 1 << 16
      settings.journal.pinnedBytesMax = 1 << 20
      shape.tune(&settings)
    }
    auditor = world.node("auditor", host: "10.0.2.3")
  }

  /// Runs a script to its end.
  static func play(_ shape: Shape, _ script: @escaping Script) -> Outcome {
    let scene = Scenario(shape)
    let near = scene.world.node("client", host: clientHosts[0])
    let far = scene.world.node("other client", host: clientHosts[1])
    do {
      try scene.world.run { _ in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for server in scene.cluster.servers { group.addTask { try await server.live() } }
          // Also when something throws: the lives of servers end by this only.
          defer { for server in scene.cluster.servers { server.finish() } }
          try await scene.cluster.formed()
          try await scene.meet(near, 0) { try await scene.meet(far, 1) { try await scene.perform(script) } }
        }
      }
    } catch { scene.failures.append("\(error)") }
    return Outcome(
      transcript: scene.lines.joined(separator: "\n") + "\n",
      failures: scene.ledger.violations + scene.failures,
      events: scene.world.log.events
    )
  }
  /// Runs `body` while a client on the node has its connections.
  private func meet(_ node: SimulatedNode, _ number: Int, _ body: @escaping @Sendable () async throws -> Void) async throws {
    try await node.run { near in
      try await ClusterClient.run(near, node.name, self.cluster.coordinators) { client in
        self.clients.append(ScenarioClient(client, name: node.name, number: number, self.ledger))
        try await body()
      }
    }
  }
  private func perform(_ script: Script) async throws {
    let (client, copies) = (clients[0].client, shape.copies)
    try await client.persist("CREATE TABLE") { _ = try await client.query(Workload.createTable) }
    try await client.persist("create_distributed_table") {
      _ = try await client.query("SELECT create_distributed_table('events', 'tenant', shard_count => 1, copies => \(copies))")
    }
    try await client.persist("CREATE MATERIALIZED VIEW") { _ = try await client.query(Workload.createRollup) }
    for client in clients { try await client.begin() }
    step = Instant(nanoseconds: 0)
    try await past(.seconds(10))
    let coordinators = shape.coordinators == 1 ? "a coordinator" : "\(shape.coordinators) coordinators"
    let workers = shape.workers == 1 ? "a worker" : "\(shape.workers) workers"
    say("\(coordinators), \(workers), a shard of \(copies == 1 ? "one copy" : "\(copies) copies") and a rollup of its table")
    try await script(self)
  }

  // MARK: The transcript

  /// Adds a line, at the time the present step began.
  func say(_ what: String) {
    let seconds = Int(step.nanoseconds / 1_000_000_000)
    let (minutes, rest) = (seconds / 60, seconds % 60)
    lines.append("\(minutes < 10 ? "0" : "")\(minutes):\(rest < 10 ? "0" : "")\(rest)  \(what)")
    world.log.append(SimulatedEventLog.Event(time: world.executor.now, node: "scenario", level: .info, event: what, fields: []))
  }
  /// Notes that something is not as it must be.
  func fail(_ what: String) { failures.append("\(lines.last ?? "at the start"): \(what)") }
  /// What the table promises and the code does not do yet, kept in sight: the lines that follow tell what it does.
  func deviates(_ what: String) { lines.append("       DEVIATION: \(what)") }
  /// Ends a step that takes `length`, and begins the next.
  func past(_ length: Duration) async throws {
    let end = step + length
    if world.clock.now > end { fail("the step took \(world.clock.now - step), more than \(length)") }
    try await world.clock.sleep(until: end)
    step = max(end, world.clock.now)
  }
  static func text(_ length: Duration) -> String {
    let milliseconds = length / .milliseconds(1)
    return milliseconds < 1000 ? "\(Int(milliseconds)) ms" : "\(Int(milliseconds / 1000)) s"
  }

  // MARK: Nodes

  /// The coordinators' record of the shard, from any of them that answers; nil while none does.
  func record() async throws -> (shard: ShardRecord, catalog: CatalogSnapshot)? {
    let catalog = try await auditor.run { near in
      try await ClusterClient.run(near, "auditor", self.cluster.coordinators) { client -> CatalogSnapshot? in
        do { return try await client.map.current(deadline: near.clock.now + .seconds(2)).catalog } catch let error as TallyError
          where error.isRetryable
        { return nil }
      }
    }
    guard let catalog, let shard = catalog.shards.first else { return nil }
    return (shard, catalog)
  }
  /// The worker that leads the shard, and those with its other copies that count, by number.
  func roles() async throws -> (primary: SimulatedProcess, followers: [SimulatedProcess]) {
    guard let (shard, catalog) = try await record() else { throw TallyError(.unavailable, "no coordinator tells who leads") }
    func process(_ node: NodeID) throws -> SimulatedProcess {
      guard let name = catalog.node(node)?.name, let process = cluster.workers.first(where: { $0.node.name == name }) else {
        throw TallyError(.internalError, "node \(node) is none of the workers")
      }
      return process
    }
    let others = (shard.inSync + shard.eligible).map(\.node).filter { $0 != shard.primary }
    return (try process(shard.primary), try others.map(process))
  }
  func primary() async throws -> SimulatedProcess { try await roles().primary }
  /// Ends processes at once, for good until `start`. They are named by what they are, as who leads depends on the seed.
  func end(_ processes: [(SimulatedProcess, as: String)], _ fault: NodeFault) {
    for (process, role) in processes {
      process.isHeldDown = true
      process.fail(fault, pause: .milliseconds(1), operations: 0)
      say("\(role) \(fault == .kill ? "is killed (SIGKILL)" : fault == .power ? "loses its power" : "ends (\(fault))")")
    }
  }
  /// Empties the disk of a process that is down.
  func destroyDisk(_ process: SimulatedProcess, as role: String) {
    process.node.wipe()
    say("the disk of \(role) is lost for good: it gets an empty one")
  }
  /// Puts the disk of a process that is down back to an older state.
  func putBack(_ process: SimulatedProcess, to image: SimulatedDiskImage, as role: String) {
    process.node.restore(image)
    say("the disk of \(role) is put back to its snapshot")
  }
  /// Starts a process that is refused and ends by itself.
  func isRefused(_ process: SimulatedProcess, as role: String, because reason: String) async throws {
    say("\(role) starts again and ends by itself: \(reason)")
    process.mayEnd = true
    process.isHeldDown = false
    let (before, limit) = (process.ends, world.clock.now + .seconds(2))
    while process.ends == before, world.clock.now < limit { try await world.clock.sleep(for: .milliseconds(50)) }
    if process.ends == before { fail("it goes on") }
    try await past(.seconds(3))
  }
  func start(_ processes: [(SimulatedProcess, as: String)]) {
    for (process, role) in processes {
      process.isHeldDown = false
      say("\(role) starts again")
    }
  }

  /// Stops a process that is up: it keeps its sockets and all it believes until `resume`.
  func pause(_ process: SimulatedProcess, as role: String) {
    process.node.stop()
    say("\(role) is stopped (SIGSTOP)")
  }
  func resume(_ process: SimulatedProcess, as role: String) {
    process.node.resume()
    say("\(role) goes on (SIGCONT)")
  }

  // MARK: The network and the clocks

  /// Cuts some machines off from all others; among themselves they reach each other.
  func cutOff(_ processes: [SimulatedProcess], clients cut: [Int], as what: String) {
    let own = processes.map(\.node.host) + cut.map { Self.clientHosts[$0] }
    let all = cluster.hosts + Self.clientHosts + [auditor.host]
    world.fabric.partition([own, all.filter { !own.contains($0) }])
    say("\(what) are cut off from all others")
  }
  func heal() {
    world.fabric.heal()
    say("the network is whole again")
  }
  /// Sets the wall clock of a machine that is down.
  func setClock(of process: SimulatedProcess, as role: String, byDays days: Int64) {
    process.node.wallOffsetMicroseconds = days * Workload.day
    say("the wall clock of \(role) is \(days == 0 ? "right again" : "\(abs(days)) days \(days > 0 ? "ahead" : "behind")")")
  }

  // MARK: Expectations

  /// A client writes batches one after the other for `length`; the longest time without an acknowledgement must stay within `limit`,
  /// and the last one must tell so many copies.
  func writesGoOn(by client: Int = 0, for length: Duration, gap limit: Duration, copies: Int) async throws {
    say("\(named(client))writes go on after at most \(Self.text(limit)), then acknowledged with copies=\(copies)")
    let seen = try await clients[client].write(for: length)
    if seen.longestGap > limit { fail("no acknowledgement for \(seen.longestGap): \(seen)") }
    if seen.copies != copies { fail("the last acknowledgement says \(seen.copies.map { "copies=\($0)" } ?? "nothing"): \(seen)") }
    try await past(length + .seconds(2))
  }
  /// A client tries to write for `length`: nothing is acknowledged, and each try is answered with one of the statuses.
  func writesAreRefused(by client: Int = 0, for length: Duration, with statuses: [StatusCode]) async throws {
    say("\(named(client))no write is acknowledged: \(Self.list(statuses))")
    let seen = try await clients[client].write(for: length)
    if seen.acknowledged > 0 { fail("\(seen.acknowledged) writes were acknowledged, the last with copies=\(seen.copies ?? 0)") }
    for status in seen.refusals where !statuses.contains(status) { fail("a write was answered with \(status): \(seen)") }
    if seen.refusals.isEmpty { fail("no write was answered at all") }
    try await past(length + .seconds(2))
  }
  /// A client that heard of no failover tries to write once, at the primary it knows, which is not the primary any more.
  func oldRouteAcknowledgesNothing(by client: Int) async throws {
    say("\(named(client))a write by the catalog of before is not acknowledged")
    // Too short for a second try, by a newer catalog.
    let seen = try await clients[client].write(for: .milliseconds(1))
    if seen.acknowledged > 0 { fail("it was acknowledged with copies=\(seen.copies ?? 0)") }
    // It is refused, not merely left without an answer.
    if seen.lastRefusal.map({ $0.status == .timedOut }) ?? true { fail("it was not refused: \(seen)") }
    try await past(.seconds(2))
  }
  /// A query of all rows and one of the rollup: both give every acknowledged row exactly once.
  func queriesAnswer(by client: Int = 0, at level: ReadLevel = .latest, within limit: Duration = .seconds(2)) async throws {
    let how = level == .latest ? "" : " (\(level))"
    say("\(named(client))table and rollup are read\(how): every acknowledged row exactly once, in each of them")
    do { try await clients[client].read(level, within: limit) } catch let error as TallyError { fail("\(error)") }
    try await past(limit + .seconds(1))
  }
  /// A query of all rows fails with one of the statuses.
  func queriesFail(by client: Int = 0, with statuses: [StatusCode]) async throws {
    say("\(named(client))a query fails: \(Self.list(statuses))")
    do {
      try await clients[client].read(within: .seconds(6))
      fail("it was answered")
    } catch let error as TallyError { if !statuses.contains(error.status) { fail("it fails with \(error.status): \(error)") } }
    try await past(.seconds(8))
  }
  /// A statement that changes the catalog fails with one of the statuses.
  func definitionsFail(with statuses: [StatusCode]) async throws {
    say("CREATE TABLE fails: \(Self.list(statuses))")
    do {
      _ = try await clients[0].client.query("CREATE TABLE other (tenant bigint)", timeout: .seconds(6))
      fail("it was done")
    } catch let error as TallyError { if !statuses.contains(error.status) { fail("it fails with \(error.status): \(error)") } }
    try await past(.seconds(8))
  }
  /// The coordinators say that so many copies are in sync.
  func copiesInSync(_ count: Int, within limit: Duration) async throws {
    say("\(count == 1 ? "one copy is" : "\(count) copies are") in sync within \(Self.text(limit))")
    let last = try await untilRecord(within: limit) { $0.inSync.count == count }
    if let last, last.inSync.count != count { fail("\(last.inSync.count) are: \(last)") }
    if last == nil { fail("no coordinator tells") }
    try await past(limit)
  }
  /// The shard's epoch is higher than before.
  func epochRises(above epoch: Epoch, within limit: Duration) async throws {
    say("the shard is led in a new epoch within \(Self.text(limit))")
    let last = try await untilRecord(within: limit) { $0.epoch > epoch }
    if (last?.epoch ?? Epoch(0)) <= epoch { fail("it is in epoch \(last?.epoch.description ?? "?"), as before") }
    try await past(limit)
  }
  private func untilRecord(within limit: Duration, _ isGood: (ShardRecord) -> Bool) async throws -> ShardRecord? {
    var last: ShardRecord?
    let end = step + limit + .milliseconds(-200)
    while world.clock.now < end {
      last = try await record()?.shard ?? last
      if let last, isGood(last) { break }
      try await world.clock.sleep(for: .milliseconds(100))
    }
    return last
  }
  /// Each worker with a copy is taken down in its turn: what was a copy answers like the primary.
  func everyCopyAnswers() async throws {
    for worker in cluster.workers {
      end([(worker, as: "\(worker.node.name)")], .kill)
      try await past(.seconds(3))
      try await queriesAnswer(within: .seconds(5))
      start([(worker, as: "\(worker.node.name)")])
      try await copiesInSync(shape.copies, within: .seconds(10))
    }
  }
  private func named(_ client: Int) -> String { client == 0 ? "" : "\(clients[client].name): " }
  static func list(_ statuses: [StatusCode]) -> String {
    statuses.map { "\($0)" }.joined(separator: " or ")
  }
}
