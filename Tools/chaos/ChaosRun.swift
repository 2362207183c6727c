// ChaosRun.swift — a run from its beginning to its end: start, load under faults, heal, complete, judge, start anew, judge again.
import Foundation
import Glibc
import Launcher
import TallyClient

/// One run.
struct ChaosRun {
  let run: RunState
  let cluster: ChaosCluster
  /// Seconds the cluster may take to be whole after the last fault.
  private static let healing = 90.0
  /// Seconds a scrub may take: 8 MiB a second, and load goes first.
  private static let scrubbing = 240.0

  /// Runs; what went wrong is in the ledger.
  func carryOut() async throws -> Report {
    let copies = run.settings.copies
    try await blocking { [cluster] in try cluster.up() }
    if let missing = try await cluster.waitWhole(run.url, copies: 0, seconds: 30) {
      throw LaunchFailure("the cluster does not serve: \(missing)")
    }
    run.say("cluster of \(cluster.coordinators.count) coordinators and \(cluster.workers.count) workers at \(run.url)")
    try await define()
    if let missing = try await cluster.waitWhole(run.url, copies: copies, seconds: 30) {
      throw LaunchFailure("the table's shards are not whole: \(missing)")
    }
    let shards = try await TallyClient.with(run.url) { try await ShardState.list($0) }
    run.gaps.adopt(shards)
    let began = run.elapsed
    let unfinished = UnfinishedLoads()
    try await withThrowingTaskGroup(of: Void.self) { group in
      for number in 1...max(1, run.settings.clients) {
        let tenants = (0..<24).map { Int64(number % 2 * 12 + $0) }
        group.addTask { try await IngestClient(number: number, run: run, unfinished: unfinished, tenants: tenants).send() }
      }
      for shard in shards {
        guard let tenant = (10_000..<20_000).lazy.map(Int64.init).first(where: shard.holds) else { continue }
        group.addTask { try await ShardWriter(shard: shard.id, tenant: tenant, run: run).write() }
      }
      for number in 1...2 { group.addTask { try await Reader(number: number, run: run).read() } }
      group.addTask { try await SchemaLoop(run: run).change() }
      group.addTask { try await watchProcesses() }
      group.addTask { try await watchShards() }
      group.addTask {
        defer { run.stop() }
        let nemesis = Nemesis(run, cluster)
        run.say("faults: \(nemesis.kinds.map { "\($0.kind.rawValue)" }.joined(separator: " "))")
        try await nemesis.strike(until: began + run.settings.seconds)
        run.figures.took("loaded", .seconds(run.elapsed - began))
        try await heal()
        // The healed cluster goes on for a while under load.
        try await Task.sleep(for: .seconds(2))
      }
      try await group.waitForAll()
    }
    run.say("load ends: \(run.ledger.acknowledgedRows) rows acknowledged in \(run.ledger.acknowledgedBatches) batches")
    try await complete(unfinished)
    let checks = FinalChecks(run: run)
    try await checks.all("after healing")
    if copies >= 2 { try await findRot() }
    try await coldStart(checks)
    if copies >= 2 { try await eachCopy(checks) }
    return Report(run, seconds: run.settings.seconds)
  }

  private func define() async throws {
    try await TallyClient.with(run.url) { client in
      for sql in EventTable.definition(shards: run.settings.shards) { try await client.execute(sql, deadline: .seconds(30)) }
    }
  }
  /// Keeps an eye on processes.
  private func watchProcesses() async throws {
    while !run.isStopping {
      try await cluster.lookForEnded(run)
      try await Task.sleep(for: .milliseconds(100))
    }
  }
  /// Keeps an eye on who leads which shard.
  private func watchShards() async throws {
    while !run.isStopping {
      _ = try await run.withClient("chaos-watch") { client in
        while !run.isStopping {
          do { run.gaps.adopt(try await ShardState.list(client, deadline: .seconds(2))) } catch let error as TallyError
            where error.isRetryable
          { run.figures.count("lists refused") }
          try await Task.sleep(for: .milliseconds(200))
        }
      }
    }
  }
  private func start(_ nodes: [String]) async throws {
    try await cluster.start(nodes)
    for node in nodes where try await !cluster.waitReady(node, seconds: 60) {
      run.ledger.violated("\(node) is not ready 60 s after its start")
    }
  }
  /// Undoes every fault and waits until the cluster is whole.
  private func heal() async throws {
    run.say("healing")
    cluster.forwarders?.mendAll()
    cluster.volume?.free()
    for node in cluster.names { cluster.signal(node, SIGCONT) }
    try await start(cluster.names)
    let begin = run.elapsed
    if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: Self.healing) {
      run.ledger.violated("not whole \(Int(Self.healing)) s after the last fault: \(missing)")
    } else {
      run.figures.took("healed", .seconds(run.elapsed - begin))
      run.say("whole again")
    }
  }
  /// Sends every load again that was cut off and is not given up for good.
  private func complete(_ unfinished: UnfinishedLoads) async throws {
    let client = IngestClient(number: 0, run: run, unfinished: unfinished, tenants: [])
    var tries = 0
    try await TallyClient.with(run.url) { connection in
      while let load = unfinished.take() {
        if try await client.deliver(load, connection) { continue }
        tries += 1
        if tries > 5 {
          run.ledger.violated("loads cannot be completed although the cluster is healed")
          return
        }
      }
    }
  }
  /// Rot that nobody has read yet is found by the scrubs that are due, and mended from other copies: as long as it lies there, a copy is
  /// less than it seems.
  private func findRot() async throws {
    let rotten = try cluster.unscrubbed()
    guard !rotten.isEmpty else { return }
    run.say("waiting for the scrubs of \(rotten.joined(separator: " "))")
    let begin = run.elapsed
    while true {
      let left = try cluster.unscrubbed()
      if left.isEmpty { break }
      if run.elapsed - begin > Self.scrubbing {
        run.ledger.violated("no scrub of \(left.joined(separator: " ")) ended within \(Int(Self.scrubbing)) s")
        return
      }
      try await Task.sleep(for: .milliseconds(200))
    }
    run.figures.took("scrubbed", .seconds(run.elapsed - begin))
    // What was found is told at once; a look before that would still see a copy in sync.
    let found = run.elapsed
    while run.elapsed - found < 3 {
      if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: Self.healing) {
        run.ledger.violated("not whole \(Int(Self.healing)) s after scrubs: \(missing)")
        return
      }
      try await Task.sleep(for: .milliseconds(200))
    }
  }
  /// Everything is killed at once and started: what was acknowledged is on disks.
  private func coldStart(_ checks: FinalChecks) async throws {
    run.say("all nodes are killed and started")
    let begin = run.elapsed
    try await cluster.kill(cluster.names)
    try await start(cluster.names)
    if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: Self.healing) {
      run.ledger.violated("not whole \(Int(Self.healing)) s after all nodes were killed: \(missing)")
    }
    run.figures.took("cold start", .seconds(run.elapsed - begin))
    try await checks.all("after a cold start")
  }
  /// Each worker is taken away in turn: what the others hold must be the same.
  private func eachCopy(_ checks: FinalChecks) async throws {
    for worker in cluster.workers {
      run.say("without \(worker)")
      try await cluster.kill([worker])
      try await checks.all("without \(worker)")
      try await start([worker])
      if let missing = try await cluster.waitWhole(run.url, copies: run.settings.copies, seconds: Self.healing) {
        run.ledger.violated("not whole \(Int(Self.healing)) s after \(worker) came back: \(missing)")
      }
    }
  }
}
