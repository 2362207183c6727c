// ClusterSimulation.swift — one seed: the real coordinator, worker and client flows through ingest, rollup and query under faults.
//
// Flows: an administrator makes table and rollup; producers deliver keyed chunks, some twice; a writer inserts into several shards at once
// (StatementWriter), others change tables with keys, by statements (CounterTrials) and in transaction blocks (BlockTrials); readers of each
// read level ask all the time and judge (SessionReader, StaleReader) each answer; faults end single nodes and disturb links. Then all is
// healed, everything is delivered to the end, and table and rollup are compared with the rows: once warm, once after every machine lost
// its power. The same seed gives the same event hash.
import Bytes
import Capabilities
import ClientCore
import CoordinatorNode
import Model
import Wire
import WorkerNode

/// What came of a seed.
public struct ClusterReport: Sendable {
  /// The seed.
  public var seed: UInt64
  /// Equal for equal seeds.
  public var eventHash: UInt64 = 0
  /// Virtual time that passed.
  public var virtualSeconds = 0.0
  /// Jobs that the run took: what its time is spent on.
  public var jobs: UInt64 = 0
  /// Faults that happened, by kind.
  public var faults: [String: Int] = [:]
  /// Coordinators of the cluster.
  public var coordinators = 1
  /// Terms in which one of them led.
  public var leaderships = 0
  /// Rows sent.
  public var rows = 0
  /// Probes at which all in-sync copies of a shard had the same digest.
  public var digests = 0
  /// Answers that were judged.
  public var answers = 0
  /// Requests of the reader that were refused for a while.
  public var refusals = 0
  /// Laws that were broken.
  public var violations: [String] = []
  /// Everything the nodes recorded.
  public var events: [SimulatedEventLog.Event] = []
  /// The report of a seed of which nothing is known yet.
  public init(seed: UInt64) { self.seed = seed }
}

/// Runs seeds.
public enum ClusterSimulation {
  /// Runs one seed to its end, with so many coordinators or as many as the seed says: one or three. Half of the seeds have disks that
  /// fail, rot, dawdle or fill up (DiskFaults); `moves`: tables' rows move (MoveTrials), or as the seed says.
  public static func run(
    seed: UInt64,
    coordinators: Int? = nil,
    moves: Bool? = nil,
    limit: Duration = .seconds(1800)
  ) -> ClusterReport {
    let world = SimulatedWorld(seed: seed, limit: limit)
    let workload = Workload(world.random.fork("workload"))
    let rows = workload.sources.flatMap { $0.flatMap { $0 } } + workload.statements.flatMap { $0 } + workload.keyed.flatMap { $0 }
    let ledger = Ledger(rows.sorted { $0.id < $1.id })
    let drawn = world.random.fork("coordinators").chance(percent: 50) ? 3 : 1
    let run = ClusterRun(world, workload, ledger, coordinators: coordinators ?? drawn)
    if let moves { run.hasMoves = moves }
    var report = ClusterReport(seed: seed)
    report.coordinators = coordinators ?? drawn
    do { try world.run { _ in try await run.toTheEnd() } } catch { report.violations.append("\(error)") }
    report.violations = ledger.violations + report.violations
    if !world.unreleased.isEmpty { report.violations.append("flows never ended on \(world.unreleased.joined(separator: ", "))") }
    report.violations += leaders(world.log.events, &report.leaderships)
    // Disks keep what they were given, but for rotten ones: every copy makes each file from the rows it has (DESIGN §6).
    for event in world.log.events where event.event == "file-fetched" && !run.rotted.contains(event.node) {
      report.violations.append("\(event.node) made another file of the same rows: \(event["file"] ?? "?")")
    }
    for event in world.log.events where event.event == "digests-differ" {
      report.violations.append("copies of shard \(event["shard"] ?? "?") differ in \(event["in"] ?? "?")")
    }
    report.digests = world.log.events.count { $0.event == "digests-agree" }
    report.eventHash = world.eventHash
    report.jobs = world.executor.jobs
    report.virtualSeconds = Double(world.executor.now) / 1e9
    report.faults = run.faults
    report.rows = ledger.known.sent
    report.answers = ledger.answers
    report.refusals = ledger.refusals
    report.events = world.log.events
    return report
  }
  /// At most one coordinator leads in a term.
  private static func leaders(_ events: [SimulatedEventLog.Event], _ count: inout Int) -> [String] {
    var known: [String: String] = [:]
    var violations: [String] = []
    for event in events where event.event == "leading" {
      guard let term = event["term"] else { continue }
      if let other = known[term], other != event.node { violations.append("\(other) and \(event.node) lead in term \(term)") }
      if known.updateValue(event.node, forKey: term) == nil { count += 1 }
    }
    return violations
  }
}

/// The flows of one run.
final class ClusterRun: @unchecked Sendable {
  // Safe: touched by the simulation's thread only.
  let world: SimulatedWorld
  let workload: Workload
  let ledger: Ledger
  let cluster: SimulatedCluster
  let producers: [SimulatedProcess]
  let diskFaults: DiskFaults
  /// Workers that were given bytes back which they had not written.
  var rotted: Set<String> = []
  /// Faults that go on while others come.
  var lasting = 0
  let witness: InvariantWitness
  private let writer: StatementWriter
  private let tenants: TenantDeletions
  private let readings: RetentionTrials
  private let counters: CounterTrials
  private let blocks: BlockTrials
  private let office: SimulatedNode
  private let desk: SimulatedNode
  private let archive: SimulatedNode
  let clerk: SimulatedNode
  let auditor: SimulatedNode
  /// Whether there are tables whose rows move.
  var hasMoves: Bool
  /// States of disks that may come back.
  var images: [String: SimulatedDiskImage] = [:]
  /// Links whose delay is not their usual one.
  var slowLinks: Set<String> = []
  /// Coordinators that got an empty disk.
  var replacedCoordinators = 0
  /// Faults that happened, by kind.
  private(set) var faults: [String: Int] = [:]
  private(set) var isReading = true

  init(_ world: SimulatedWorld, _ workload: Workload, _ ledger: Ledger, coordinators: Int) {
    self.world = world
    self.workload = workload
    self.ledger = ledger
    hasMoves = world.random.fork("moves drawn").chance(percent: 40)
    let diskFaults = DiskFaults(world.random.fork("disk kinds"), copies: workload.copiesInSync)
    self.diskFaults = diskFaults
    let keepsDisks = !workload.faultClasses.contains(.disks) && !diskFaults.kinds.contains(where: \.spoilsData)
    let witness = InvariantWitness(ledger, keepsDisks: keepsDisks)
    self.witness = witness
    let blocks = BlockTrials(workload, ledger)
    self.blocks = blocks
    let fronts = { @Sendable (name: String, near: Surroundings) -> [any CoordinatorFront] in
      guard workload.hasBlocks else { return [] }
      return [BlockFront(blocks, world.random.fork("blocks of \(name) from \(near.clock.now.nanoseconds)"))]
    }
    cluster = SimulatedCluster(
      world,
      ledger,
      coordinators: coordinators,
      workers: workload.workers,
      wallOffsets: workload.wallOffsets,
      copies: workload.copies,
      witness: witness,
      fronts: fronts
    ) { settings in
      workload.tune(&settings)
      diskFaults.tune(&settings)
      settings.witness = witness
    }
    office = world.node("administrator", host: "10.0.2.1")
    desk = world.node("reader", host: "10.0.2.2")
    archive = world.node("stale", host: "10.0.2.5")
    clerk = world.node("clerk", host: "10.0.2.4")
    auditor = world.node("auditor", host: "10.0.2.3")
    let coordinators = cluster.coordinators
    let writer = StatementWriter(workload: workload, ledger: ledger, statements: StatementLedger(workload.statements))
    self.writer = writer
    tenants = TenantDeletions(workload, ledger)
    readings = RetentionTrials(workload, ledger)
    counters = CounterTrials(workload, ledger)
    let pace = world.random.fork("writer")
    let writing = SimulatedProcess(world, world.node("writer", host: "10.0.4.1"), ledger, isTask: true) { near, _ in
      try await ClusterClient.run(near, "writer", coordinators) { client in try await writer.write(client, pace) }
    }
    let keyed = KeyedWriter(writer: writer, ledger: ledger, batches: workload.keyed)
    let keyedPace = world.random.fork("keyed")
    let keying = SimulatedProcess(world, world.node("keyed", host: "10.0.4.2"), ledger, isTask: true) { near, _ in
      try await ClusterClient.run(near, "keyed", coordinators) { client in try await keyed.write(client, keyedPace) }
    }
    producers =
      workload.sources.indices.map { at in
        let name = "producer-\(at + 1)"
        let random = world.random.fork(name)
        return SimulatedProcess(world, world.node(name, host: "10.0.3.\(at + 1)"), ledger, isTask: true) { near, _ in
          try await ClusterClient.run(near, name, coordinators) { client in
            try await SessionReader.beside(client, workload, ledger, random.fork("session")) { session in
              try await ClusterRun.produce(at, client, workload, ledger, random, session)
            }
          }
        }
      } + [writing, keying]
  }

  func toTheEnd() async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
      for server in cluster.servers { group.addTask { try await server.live() } }
      // Also when something throws: the lives of servers and clients end by this only.
      defer { for process in cluster.servers + producers { process.finish() } }
      try await cluster.formed()
      try await withThrowingTaskGroup(of: Void.self) { work in
        defer {
          isReading = false
          for producer in producers { producer.finish() }
        }
        work.addTask { try await self.disturb() }
        try await self.administer { client in
          try await client.persist("CREATE TABLE", accepting: ["42P07"]) { _ = try await client.query(Workload.createTable) }
          try await client.persist("create_distributed_table", accepting: ["55000", "42P16"]) {
            _ = try await client.query(self.workload.distribute)
          }
        }
        for producer in self.producers { work.addTask { try await producer.live() } }
        work.addTask { try await self.createRollup() }
        if hasMoves { work.addTask { try await self.moveTables() } }
        if workload.hasSecondTable { work.addTask { try await self.workOnSecondTable() } }
        work.addTask { try await self.deleteTenants() }
        if workload.hasExpiringTable { work.addTask { try await self.expireReadings() } }
        if workload.hasCounters { work.addTask { try await self.count() } }
        if workload.hasBlocks { work.addTask { try await self.runBlocks() } }
        work.addTask {
          try await self.desk.run { near in try await ClusterClient.run(near, "reader", self.cluster.coordinators, self.read) }
        }
        work.addTask {
          try await self.archive.run { near in try await ClusterClient.run(near, "stale", self.cluster.coordinators, self.readStale) }
        }
        // Each of them ends; the first error ends the run.
        work.addTask { try await self.untilDelivered() }
        try await work.waitForAll()
      }
      world.fabric.heal()
      try await judge("warm")
      let writer = self.writer
      try await administer { client in try await writer.delete(client, count: 3) }
      try await judgeEveryCopy()
      for server in cluster.servers { server.fail(.power, pause: .milliseconds(50), operations: 0) }
      try await administer { client in try await writer.delete(client, count: 2) }
      try await judge("after a power cut")
    }
  }
  private func untilDelivered() async throws {
    while !producers.allSatisfy(\.isFinished) || !ledger.hasRollup { try await world.clock.sleep(for: .milliseconds(50)) }
    isReading = false
  }
  private func administer(_ body: @escaping @Sendable (ClusterClient) async throws -> Void) async throws {
    try await office.run { near in try await ClusterClient.run(near, "administrator", self.cluster.coordinators, body) }
  }
  private func deleteTenants() async throws { try await employ("eraser", "10.0.2.9", "tenants", tenants.run) }
  private func expireReadings() async throws { try await employ("station", "10.0.2.10", "readings", readings.run) }
  private func count() async throws { try await employ("bank", "10.0.2.11", "counters", counters.run) }
  private func runBlocks() async throws { try await employ("house", "10.0.2.12", "blocks", blocks.run) }
  /// Runs a client of its own until the rows are delivered; `stream` names its randomness.
  private func employ(
    _ name: String,
    _ host: String,
    _ stream: String,
    _ work: @escaping @Sendable (ClusterClient, SeededGenerator, @escaping @Sendable () -> Bool) async throws -> Void
  ) async throws {
    let random = world.random.fork(stream)
    try await world.node(name, host: host).run { near in
      try await ClusterClient.run(near, name, self.cluster.coordinators) { client in
        try await work(client, random) { !self.isReading }
      }
    }
  }
  private func createRollup() async throws {
    let threshold: Int
    switch workload.moment {
    case .before: threshold = 0
    case .midway: threshold = workload.sourceRows / 2
    case .after: threshold = workload.sourceRows
    }
    while ledger.known.acknowledged < threshold { try await world.clock.sleep(for: .milliseconds(20)) }
    try await administer { client in
      try await client.persist("CREATE MATERIALIZED VIEW") { _ = try await client.query(Workload.createRollup) }
    }
    ledger.hasRollup = true
  }
  /// Compares everything with the rows, once the rollup is said to be complete.
  func judge(_ what: String) async throws {
    let (ledger, writer, sources, keyed) = (self.ledger, self.writer, workload.sources, workload.keyed)
    let (tenants, readings, counters, blocks) = (self.tenants, self.readings, self.counters, self.blocks)
    note("judging", what)
    defer { note("judged", what) }
    try await blocks.end(world.clock)
    try await administer { client in
      try await client.persist("statements, \(what)") { try await writer.judge(client, what) }
      try await tenants.judge(client, what)
      try await readings.judge(client, what)
      try await counters.judge(client, what)
      try await blocks.judge(client, what)
      try await client.persist("refresh, \(what)") {
        try await client.map.refreshRollup("activity", deadline: client.near.clock.now + .seconds(60))
      }
      try await client.persist("comparison, \(what)") {
        // Batches that were given up may be there or not.
        let ids = Set(try await client.integers("SELECT id FROM events", .latest, timeout: .seconds(60)).values)
        let there = keyed.flatMap { $0 }.filter { ledger.isAcknowledged([$0]) || ids.contains($0.id) }
        let truth = RollupTruth(sources.flatMap { $0.flatMap { $0 } } + writer.statements.rowsThere + there, known: ledger.rows)
        try await truth.check(client, ledger, what)
      }
    }
  }

  // MARK: Producing

  private static func produce(
    _ source: Int,
    _ client: ClusterClient,
    _ workload: Workload,
    _ ledger: Ledger,
    _ random: SeededGenerator,
    _ reader: SessionReader
  ) async throws {
    let clock = client.near.clock
    let session = try await Producer.open(
      OpenProducer(table: "events", name: "source \(source)", chunkBytes: 4096, fingerprint: .zero, again: false),
      map: client.map,
      deadline: clock.now + .seconds(600)
    )
    let routing = try await current(client)
    guard let table = routing.catalog.table(named: "events") else {
      throw TallyError(.internalError, "the table that was created is not in the catalog")
    }
    var options = ProducerOptions()
    options.patience = .seconds(600)
    options.tryTimeout = .seconds(5)
    let producer = Producer(keys: .session(session.session, nil), table: table.id, stride: 2, map: client.map, options: options)
    let chunks = workload.sources[source]
    try await withThrowingTaskGroup(of: Void.self) { group in
      var running = 0
      for (number, rows) in chunks.enumerated() {
        while running >= workload.width {
          try await group.next()
          running -= 1
        }
        // A source that was begun before the client crashed is delivered from its beginning, quickly.
        let isKnown = ledger.isAcknowledged(rows)
        let pause = workload.pause(random, 0...UInt64(workload.pause / .milliseconds(1)), steps: chunks.count)
        let again = random.next(below: 10)
        if !isKnown { try await clock.sleep(for: pause) }
        let batches = try Workload.split(rows, table, routing)
        for (at, batch) in batches.enumerated() { ledger.sending("\(source).\(number).\(at)", batch.rows) }
        let (contentHash, sent) = (Workload.contentHash(rows), batches.map(\.batch))
        running += 1
        group.addTask {
          // Now and then the same chunk is under way twice at once, or delivered again.
          if again == 0 {
            async let first = producer.deliver(chunk: number, contentHash: contentHash, batches: sent)
            async let second = producer.deliver(chunk: number, contentHash: contentHash, batches: sent)
            _ = try await (first, second)
          } else {
            try await producer.deliver(chunk: number, contentHash: contentHash, batches: sent)
          }
          ledger.acknowledged(rows, at: clock.now)
          reader.acknowledged(rows)
          if again == 1 {
            let repeated = try await producer.deliver(chunk: number, contentHash: contentHash, batches: sent)
            if repeated.rowsDurable + repeated.rowsDuplicate != UInt64(rows.count) {
              ledger.violated("chunk \(number) of source \(source) was acknowledged with \(repeated)")
            }
          }
        }
      }
      try await group.waitForAll()
    }
  }
  /// The catalog, as soon as some coordinator gives it.
  private static func current(_ client: ClusterClient) async throws -> RequestRouting {
    while true {
      do { return try await client.map.current(deadline: client.near.clock.now + .seconds(5)) } catch let error as TallyError
        where error.isRetryable
      { try await client.near.clock.sleep(for: .milliseconds(50)) }
    }
  }

  func count(_ fault: String) { faults[fault, default: 0] += 1 }
  func note(_ event: String, _ what: String) {
    world.log.append(
      SimulatedEventLog.Event(
        time: world.executor.now,
        node: "simulation",
        level: .info,
        event: event,
        fields: [("what", what)]
      )
    )
  }

  // MARK: Reading

  private func readStale(_ client: ClusterClient) async throws {
    let reader = StaleReader(workload: workload, ledger: ledger, random: world.random.fork("stale"))
    try await reader.read(client) { isReading }
  }

  /// Reads of a long run, about.
  private static let reads = 200
  /// Asks and judges until everything was delivered.
  private func read(_ client: ClusterClient) async throws {
    let random = world.random.fork("reader")
    var seen: [Int64?: Int] = [:]
    while isReading {
      try await client.near.clock.sleep(for: workload.pause(random, 5...200, steps: Self.reads))
      let before = ledger.known
      let tenant = random.chance(percent: 40) ? nil : Int64(random.next(below: UInt64(workload.tenants)))
      let level = Workload.levels[Int(random.next(below: 3))].suffix
      let relation = random.chance(percent: 30) ? "activity" : "activity_\(level)"
      let kind = random.next(below: 3)
      do {
        if kind == 0 || !ledger.hasRollup {
          try await readRows(client, tenant, before, &seen)
        } else if kind == 1 {
          try await readBetween(client, relation, tenant, before, &seen)
        } else {
          try await readGroups(client, relation, before)
        }
        ledger.answered()
      } catch let error as TallyError {
        if error.isRetryable { ledger.refused() } else { ledger.violated("a query failed: \(error)") }
      }
      world.executor.note("read", UInt64(ledger.answers))
    }
  }
  private static func filter(_ tenant: Int64?) -> String { tenant.map { " WHERE tenant = \($0)" } ?? "" }
  private func readRows(
    _ client: ClusterClient,
    _ tenant: Int64?,
    _ before: Ledger.Known,
    _ seen: inout [Int64?: Int]
  ) async throws {
    let ids = try await client.integers("SELECT id FROM events" + Self.filter(tenant), .latest).values
    ledger.check(
      ids: ids,
      tenant: tenant,
      since: before,
      "read of \(tenant.map { "tenant \($0)" } ?? "all")"
    )
    judge(ids.count, "rows", tenant, before, &seen)
  }
  /// The table's number of rows, the rollup's, the table's again: none may be less than the one before it.
  private func readBetween(
    _ client: ClusterClient,
    _ relation: String,
    _ tenant: Int64?,
    _ before: Ledger.Known,
    _ seen: inout [Int64?: Int]
  ) async throws {
    let filter = Self.filter(tenant)
    for sql in ["SELECT count(*) FROM events", "SELECT sum(n) FROM \(relation)", "SELECT count(*) FROM events"] {
      let cell = try await client.query(sql + filter).first?.first ?? .null
      judge(cell == .null ? 0 : Int(cell.integer ?? -1), sql + filter, tenant, before, &seen)
    }
  }
  private func readGroups(_ client: ClusterClient, _ relation: String, _ before: Ledger.Known) async throws {
    let answer = try await client.query("SELECT tenant, sum(n) FROM \(relation) GROUP BY tenant")
    var counts: [Int64: Int] = [:]
    for cells in answer { counts[cells[0].integer ?? -1, default: 0] += Int(cells[1].integer ?? -1) }
    for tenant in 0..<Int64(workload.tenants) {
      let bounds = ledger.bounds(tenant, since: before)
      let count = counts.removeValue(forKey: tenant) ?? 0
      if !bounds.contains(count) {
        ledger.violated("\(relation) has \(count) rows of tenant \(tenant), not \(bounds)")
      }
    }
    if let other = counts.keys.sorted().first { ledger.violated("\(relation) has tenant \(other)") }
  }
  private func judge(
    _ count: Int,
    _ what: String,
    _ tenant: Int64?,
    _ before: Ledger.Known,
    _ seen: inout [Int64?: Int]
  ) {
    let bounds = ledger.bounds(tenant, since: before)
    if !bounds.contains(count) { ledger.violated("\(what): \(count) of \(bounds)") }
    if count < seen[tenant] ?? 0 { ledger.violated("\(what): \(count) after \(seen[tenant] ?? 0)") }
    seen[tenant] = max(seen[tenant] ?? 0, count)
  }
}
