// CopyTrials.swift — what a run does to the copies of shards: disks lost for good, and every copy read in its turn.
//
// A disk is wiped only once the catalog says that nothing counts on it (its worker is down by then, so that cannot change): what is
// promised after that is that nothing is lost (P2). Copies are read by taking the workers down one after another: whoever leads then
// answers from what was a copy.
import Capabilities
import ClientCore
import Model

extension ClusterRun {
  /// Takes a worker down, wipes its disk when no shard counts on its copies, and lets it start again.
  func wipe(_ worker: SimulatedProcess) async throws {
    note("taken-down", worker.node.name)
    worker.isHeldDown = true
    defer { worker.isHeldDown = false }
    worker.fail(.kill, pause: .milliseconds(1), operations: 0)
    guard try await untilFree(worker) else { return }
    note("wiped", worker.node.name)
    count("disk lost")
    worker.node.wipe()
  }
  /// Takes a worker down and puts its disk back to an older state, when no shard counts on its copies: it joins again, and they learn.
  func rollBack(_ worker: SimulatedProcess, to image: SimulatedDiskImage) async throws {
    note("taken-down", worker.node.name)
    worker.isHeldDown = true
    defer { worker.isHeldDown = false }
    worker.fail(.kill, pause: .milliseconds(1), operations: 0)
    guard try await untilFree(worker) else { return }
    note("rolled-back", worker.node.name)
    count("disk rolled back")
    worker.node.restore(image)
    let before = world.log.events.count
    worker.isHeldDown = false
    let limit = world.clock.now + .seconds(60)
    while world.clock.now < limit {
      try await world.clock.sleep(for: .milliseconds(100))
      if world.log.events[before...].contains(where: { $0.event == "ready" && $0.node == worker.node.name }) { return }
    }
    ledger.violated("\(worker.node.name), whose disk was put back, was not ready within a minute")
  }
  /// Replaces a coordinator of three by an empty one of the same name, when all of them are voters: the two others hold what is committed.
  /// The founder is left out: with an empty disk, and nobody else within reach, it cannot know that it founded a cluster before.
  func replace(coordinator: SimulatedProcess) async throws {
    let promotions = world.log.events.count { $0.event == "coordinator-promoted" }
    guard cluster.coordinators.count == 3, coordinator !== cluster.servers[0], promotions == 2 + replacedCoordinators else { return }
    replacedCoordinators += 1
    note("coordinator-replaced", coordinator.node.name)
    count("coordinator replaced")
    coordinator.isHeldDown = true
    defer { coordinator.isHeldDown = false }
    coordinator.fail(.kill, pause: .milliseconds(1), operations: 0)
    coordinator.node.wipe()
  }
  /// Waits until no shard counts on the worker, which is down; false when that does not come in time.
  private func untilFree(_ worker: SimulatedProcess) async throws -> Bool {
    let limit = world.clock.now + .seconds(20)
    while world.clock.now < limit, isReading {
      if let catalog = try await catalog(), Self.isFree(worker.node.name, catalog) { return true }
      try await world.clock.sleep(for: .milliseconds(200))
    }
    return false
  }
  /// Whether no shard's in-sync or eligible copies are on the worker.
  private static func isFree(_ name: String, _ catalog: CatalogSnapshot) -> Bool {
    guard let node = catalog.nodes.first(where: { $0.name == name }), !catalog.shards.isEmpty else { return false }
    return catalog.shards.allSatisfy { shard in !(shard.inSync + shard.eligible).contains { $0.node == node.id } }
  }
  /// The catalog as the coordinators have it; nil while none answers.
  func catalog() async throws -> CatalogSnapshot? {
    try await auditor.run { near in
      try await ClusterClient.run(near, "auditor", self.cluster.coordinators) { client in
        do { return try await client.map.current(deadline: near.clock.now + .seconds(2)).catalog } catch let error as TallyError
          where error.isRetryable
        { return nil }
      }
    }
  }
  /// Waits until every shard has its copies in sync; too long breaks a law.
  func untilInSync(_ what: String) async throws {
    let limit = world.clock.now + .seconds(120)
    var left = 0
    while world.clock.now < limit {
      if let catalog = try await catalog() {
        left = catalog.shards.count { $0.inSync.count < workload.copiesInSync }
        if left == 0 { return }
      }
      try await world.clock.sleep(for: .milliseconds(100))
    }
    ledger.violated("\(what): \(left) shards did not get their copies in sync within two minutes")
  }
  /// Judges with each worker down in its turn.
  func judgeEveryCopy() async throws {
    try await untilInSync("after the faults")
    guard workload.copiesInSync > 1, workload.readsEveryCopy else { return }
    for worker in cluster.workers {
      worker.isHeldDown = true
      worker.fail(.kill, pause: .milliseconds(1), operations: 0)
      try await judge("without \(worker.node.name)")
      worker.isHeldDown = false
      try await untilInSync("after \(worker.node.name) came back")
    }
  }
}
