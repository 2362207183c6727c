// ReadLevelTests.swift — reads from copies on whole simulated clusters: what each level does when coordinators, workers or links are gone
// (protocol.md §2.8, §2.16).
import Capabilities
import ClientCore
import Model
import Testing
import Wire

@testable import Simulation

/// A cluster of real nodes, and a client of it.
private struct ReadBench: Sendable {
  let world: SimulatedWorld
  let cluster: SimulatedCluster
  let client: ClusterClient

  func hold(_ processes: some Sequence<SimulatedProcess>) {
    for process in processes {
      process.isHeldDown = true
      process.fail(.kill, pause: .milliseconds(1), operations: 0)
    }
  }
  func release() { for process in cluster.servers { process.isHeldDown = false } }
  /// Reads the numbers of all rows.
  func ids(_ level: ReadLevel, timeout: Duration = .seconds(10)) async throws -> Set<Int64> {
    Set(try await client.read("SELECT id FROM events", level, timeout: timeout).rows.compactMap { $0[0].integer })
  }
  /// Likewise, again while that fails in a way that time heals.
  func idsOnceServed(_ level: ReadLevel) async throws -> Set<Int64> {
    while true {
      do { return try await ids(level) } catch let error as TallyError where error.isRetryable {}
      try await world.clock.sleep(for: .milliseconds(100))
    }
  }
  func insert(_ ids: ClosedRange<Int64>) async throws {
    let rows = ids.map { "(\($0 % 7), NULL, 1, 'x', \($0), 1)" }.joined(separator: ", ")
    _ = try await client.query("INSERT INTO events VALUES \(rows)")
  }
  /// The catalog of whoever answers, once it fulfils a condition.
  func catalog(_ holds: (CatalogSnapshot) -> Bool) async throws -> CatalogSnapshot {
    while true {
      do {
        let catalog = try await client.map.refresh(after: client.map.known, deadline: world.clock.now + .seconds(5)).catalog
        if holds(catalog) { return catalog }
      } catch let error as TallyError where error.isRetryable {}
      try await world.clock.sleep(for: .milliseconds(50))
    }
  }
}

/// Runs `body` on a cluster of `coordinators` and two workers with a table of two copies, all in sync, that holds rows 1 to 40.
private func withReadBench(
  coordinators: Int,
  seed: UInt64 = 5,
  _ body: @escaping @Sendable (ReadBench) async throws -> Void
) throws {
  let fits = (1...500).lazy.map { Workload(SeededGenerator(seed: $0)) }.first { $0.copies == 2 && $0.workers == 2 && $0.shards > 2 }
  let workload = try #require(fits)
  let (world, ledger) = (SimulatedWorld(seed: seed), Ledger([]))
  let cluster = SimulatedCluster(world, workload, ledger, coordinators: coordinators)
  try world.run { world in
    try await withThrowingTaskGroup(of: Void.self) { group in
      for server in cluster.servers { group.addTask { try await server.live() } }
      defer { for server in cluster.servers { server.finish() } }
      try await cluster.formed()
      try await world.node("client", host: "10.0.9.1").run { near in
        try await ClusterClient.run(near, "client", cluster.coordinators) { client in
          let bench = ReadBench(world: world, cluster: cluster, client: client)
          try await client.persist("CREATE TABLE", accepting: ["42P07"]) { _ = try await client.query(Workload.createTable) }
          try await client.persist("distribute", accepting: ["55000"]) { _ = try await client.query(workload.distribute) }
          _ = try await bench.catalog { $0.shards.allSatisfy { $0.inSync.count == 2 } }
          if coordinators > 1 { try await bench.untilAllVote() }
          try await bench.insert(1...40)
          try await body(bench)
        }
      }
    }
  }
  #expect(ledger.violations == [])
}

extension ReadBench {
  /// Waits until all coordinators vote: only then the loss of most of them is one.
  fileprivate func untilAllVote() async throws {
    while !world.log.events.contains(where: { $0.event == "group-standing" && $0["voters"]?.split(separator: ",").count == 3 }) {
      try await world.clock.sleep(for: .milliseconds(50))
    }
    try await world.clock.sleep(for: .seconds(1))
  }
}

@Suite struct ReadLevelTests {
  @Test func withoutAMajorityOfCoordinatorsCopiesAnswerAndLatestSaysWhy() throws {
    try withReadBench(coordinators: 3) { bench in
      #expect(try await bench.ids(.latest) == Set(1...40))
      bench.hold(bench.cluster.servers.prefix(3).suffix(2))
      try await bench.world.clock.sleep(for: .seconds(3))
      // Session and stale reads go on, by the catalog that the last coordinator has.
      let began = bench.world.clock.now
      #expect(try await bench.ids(.session) == Set(1...40))
      #expect(bench.world.clock.now - began < .seconds(2), "a session read waits for no leader")
      let (rows, age) = try await bench.client.read("SELECT id FROM events", .stale(max: .seconds(5)))
      #expect(rows.count == 40)
      #expect(age.map { $0 <= 5_000_000 } == true)
      // The latest is not known to anybody.
      let error = await #expect(throws: TallyError.self) { try await bench.ids(.latest) }
      #expect(error?.status == .unavailable && error?.hint?.contains("--read session") == true, "\(error.map { "\($0)" } ?? "")")
      // Without one of the workers nobody is appointed for its shards, but the other has their copies.
      bench.hold(bench.cluster.workers.prefix(1))
      #expect(try await bench.ids(.session) == Set(1...40))
      bench.release()
      _ = try await bench.catalog { $0.shards.allSatisfy { $0.inSync.count == 2 } }
      try await bench.client.persist("insert") { try await bench.insert(41...50) }
      #expect(try await bench.ids(.session) == Set(1...50))
      #expect(try await bench.idsOnceServed(.latest) == Set(1...50))
    }
  }

  @Test func aSessionSeesItsOwnRowsFromEveryCopyWhileWorkersTakeTurns() throws {
    try withReadBench(coordinators: 1) { bench in
      for round in Int64(0)..<30 {
        let next = 41 + round * 5
        try await bench.insert(next...next + 4)
        #expect(try await bench.ids(.session) == Set(1...next + 4))
      }
      // Each request asked one worker for all shards, and they took turns: each leads some shards, so each answered as a copy.
      let plan = try await bench.client.read("EXPLAIN ANALYZE SELECT count(*) FROM events", .session).rows.map { "\($0[0])" }
      #expect(plan.contains { $0.contains("Read Level: session") } && plan.contains { $0.contains("Workers Asked: 1") }, "\(plan)")
      let latest = try await bench.client.read("EXPLAIN ANALYZE SELECT count(*) FROM events", .latest).rows.map { "\($0[0])" }
      #expect(latest.contains { $0.contains("Workers Asked: 2") } && latest.contains { $0.contains("Age: none") }, "\(latest)")
    }
  }

  @Test func aCopyThatIsBehindWaitsAndAnotherIsAsked() throws {
    try withReadBench(coordinators: 1) { bench in
      // No worker hears the other: what is written now commits once the silent copies have left the in-sync sets.
      let hosts = bench.cluster.workers.map(\.node.host)
      bench.world.fabric.partition([[hosts[0]], [hosts[1]]])
      try await bench.insert(41...60)
      // Each worker leads some shards and is behind with the others: both are asked, for what they have.
      for _ in 0..<4 { #expect(try await bench.ids(.session) == Set(1...60)) }
      bench.world.fabric.heal()
      #expect(try await bench.ids(.session) == Set(1...60))
    }
  }

  @Test func staleReadsAreRefusedWhenNothingIsNewEnough() throws {
    try withReadBench(coordinators: 3) { bench in
      let all: Set<Int64> = Set(1...40)
      // Copies hear of a commit a moment later.
      while try await bench.ids(.stale(max: .seconds(60))) != all { try await bench.world.clock.sleep(for: .milliseconds(100)) }
      try await bench.world.clock.sleep(for: .seconds(1))
      bench.hold(bench.cluster.servers.prefix(3).suffix(2))
      let hosts = bench.cluster.workers.map(\.node.host)
      bench.world.fabric.partition([[hosts[0]], [hosts[1]]])
      try await bench.world.clock.sleep(for: .seconds(4))
      // Primaries cannot know either whether they were replaced: nobody's age is small.
      let error = await #expect(throws: TallyError.self) { try await bench.ids(.stale(max: .seconds(1))) }
      #expect(error?.status == .unavailable && error?.message.contains("ms old") == true, "\(error.map { "\($0)" } ?? "")")
      let (rows, age) = try await bench.client.read("SELECT id FROM events", .stale(max: .seconds(60)))
      #expect(Set(rows.compactMap { $0[0].integer }) == all)
      #expect(age.map { $0 > 3_000_000 } == true)
      #expect(try await bench.ids(.session) == all)
      bench.world.fabric.heal()
      bench.release()
      #expect(try await bench.idsOnceServed(.stale(max: .seconds(1))) == all)
    }
  }

  @Test func levelsThatCannotBeAreRefused() throws {
    try withReadBench(coordinators: 1) { bench in
      // Past the client's own check.
      let request = QueryRequest(sql: "SELECT 1", read: .stale(max: .zero))
      let reply = await #expect(throws: TallyError.self) { try await bench.client.map.call(.query(request), deadline: .distantFuture) }
      #expect(reply?.sqlState == "22023" && reply?.hint == ReadLevel.hint)
    }
  }
}
