// FailoverFlow.swift — keeps every shard led and copied: elections when a primary is gone, new copies where some are missing.
//
// Any choice among the copies that may lead is safe (protocol.md §2.5, R2): suspicion may be wrong, the catalog's commands compare and set,
// epochs fence the old primary. What is chosen well here is speed and balance: a node whose connection broke and which refuses another is
// down at once, one that is silent after `Fleet.silence`; the copy with the longest sound log leads. Only the coordinator that leads does
// this, and not before it has heard the workers for a while.
import Bytes
import Capabilities
import Model
import RPC
import Wire

extension Coordinator {
  /// Pause between two looks at the shards.
  static let orderInterval = Duration.milliseconds(50)
  /// Pause between two looks at the copies.
  static let copiesInterval = Duration.seconds(1)
  /// After an election primaries stay where they are for so long.
  static let spreadPause = Duration.seconds(10)
  /// A node that was told nothing else is given so long to be reached.
  static let probeTimeout = Duration.milliseconds(100)
  /// Logs are compared without those that do not come in this time (a worker waits longer: WorkerNode's ComparisonFlow).
  static let comparisonPatience = Duration.seconds(3)
  /// How long a worker may take to take in a catalog that is pushed to it.
  static let publishTimeout = Duration.seconds(2)

  // MARK: Suspicion

  /// Looks at workers whose connection ended, until cancelled: are they gone?
  func keepWatch() async throws {
    while let address = try await pool.lost.receive() {
      guard await log.isLeader, let node = await log.catalog.snapshot.nodes.first(where: { $0.address == address.description }),
        let heard = fleet.workers[node.id]?.incarnation, let reason = await refusal(of: address),
        fleet.workers[node.id]?.incarnation == heard
      else { continue }
      fleet.lost(node.id)
      surroundings.log.warning("worker-gone", ("worker", node.name), ("reason", reason))
      await order()
    }
  }
  /// Keeps a connection to every worker, so that its end is noticed.
  private func holdConnections(_ snapshot: CatalogSnapshot, _ now: Instant) async {
    for node in snapshot.nodes where node.role == .worker && fleet.isUp(node.id, at: now) {
      guard let address = NetworkAddress(node.address) else { continue }
      // One that is not reached now is tried again in a second; silence tells if it is down.
      do { _ = try await pool.connection(to: address, deadline: now + Self.probeTimeout) } catch { continue }
    }
  }
  /// Why nothing answers at an address; nil when something does, or may be slow: then silence will tell. The first try may only find out
  /// that a connection from before is broken.
  private func refusal(of address: NetworkAddress) async -> String? {
    var reason: String?
    for _ in 0..<3 {
      do {
        let deadline = surroundings.clock.now + Self.probeTimeout
        _ = try await pool.call(.describeShards(DescribeShards(shards: [ShardID(0)])), to: address, deadline: deadline)
        return nil
      } catch let error as TallyError where error.status == .unavailable {
        reason = error.message
        do { try await surroundings.clock.sleep(for: .milliseconds(20)) } catch { return nil }
      } catch { return nil }
    }
    return reason
  }

  // MARK: Order

  /// Looks after shards and copies until cancelled.
  func keepOrder() async throws {
    var copiesSeen = surroundings.clock.now
    while true {
      try await surroundings.clock.sleep(for: Self.orderInterval)
      guard let snapshot = await log.catalogToDecide else {
        orderSince = nil
        try await log.untilLeading()
        continue
      }
      let now = surroundings.clock.now
      // Workers are heard of within a heartbeat; before that everybody would seem gone.
      let since = orderSince ?? now + Fleet.silence
      orderSince = since
      guard now > since else { continue }
      await order(snapshot)
      if now - copiesSeen > Self.copiesInterval {
        copiesSeen = now
        await holdConnections(snapshot, now)
        await tendCopies()
        tendTemporary(snapshot)
        await spreadPrimaries()
      }
    }
  }

  /// Appoints primaries where one is gone and a copy may lead.
  func order() async {
    guard let snapshot = await log.catalogToDecide, let from = orderSince, surroundings.clock.now > from else { return }
    await order(snapshot)
  }
  private func order(_ snapshot: CatalogSnapshot) async {
    let now = surroundings.clock.now
    var primaries: [NodeID: Int] = [:]
    for shard in snapshot.shards { primaries[shard.primary, default: 0] += 1 }
    let alive = fleet.staying(snapshot, at: now)
    for shard in snapshot.shards where needsPrimary(shard, now) {
      guard let chosen = candidate(for: shard, alive, primaries) else { continue }
      do {
        _ = try await log.propose(.elect(shard.id, version: shard.version, chosen.id, alive: alive))
        _ = publishBell.trySend(())
        compared[shard.id] = shard.inSync.compactMap { fleet.workers[$0.node]?.incarnation }.max()
        primaries[shard.primary, default: 0] -= 1
        primaries[chosen.node, default: 0] += 1
        lastElection = surroundings.clock.now
        surroundings.log.warning(
          "primary-elected",
          ("shard", shard.id.description),
          ("primary", snapshot.node(chosen.node)?.name ?? chosen.node.description),
          ("before", snapshot.node(shard.primary)?.name ?? shard.primary.description),
          ("epoch", shard.epoch.next.description),
          ("logs", logs(of: shard, snapshot))
        )
      } catch let error as TallyError {
        // The record moved on, or this coordinator leads no more: the next look sees it.
        surroundings.log.info("election-void", ("shard", shard.id.description), ("reason", error.message))
        if error.status != .staleCatalog { return }
      } catch { return }
    }
  }
  /// How far each copy's log is, as far as that was told.
  private func logs(of shard: ShardRecord, _ snapshot: CatalogSnapshot) -> String {
    shard.replicas.map { replica in
      let last = fleet.report(shard, by: replica.node).map { $0.last.description } ?? "unknown"
      return "\(snapshot.node(replica.node)?.name ?? replica.node.description) \(last)"
    }.joined(separator: ", ")
  }
  /// Its primary is down or about to end, has lost its copy, or says that it is damaged, while another copy counts.
  private func needsPrimary(_ shard: ShardRecord, _ now: Instant) -> Bool {
    guard (shard.inSync + shard.eligible).contains(where: { $0.node != shard.primary }) || isPlanted(.electsAnyCopy) else { return false }
    if !fleet.isStaying(shard.primary, at: now) || !shard.inSync.contains(where: { $0.node == shard.primary }) { return true }
    guard let report = fleet.report(shard) else { return false }
    return !report.damage.isEmpty && report.epoch == Epoch(0) || awaitsComparison(shard, now)
  }
  /// Its primary came back and waits for the logs to be compared (WorkerNode's ComparisonFlow), which can be done now: the longest shall
  /// lead, even if that is the primary's.
  private func awaitsComparison(_ shard: ShardRecord, _ now: Instant) -> Bool {
    guard let primary = fleet.workers[shard.primary], primary.awaitsComparison, fleet.report(shard) != nil else { return false }
    return (compared[shard.id].map { $0 < primary.incarnation } ?? true) && isCompared(shard, on: shard.primary, now)
  }
  private func isCompared(_ shard: ShardRecord, on node: NodeID, _ now: Instant) -> Bool {
    isPlanted(.leadsUncompared) || fleet.isCompared(shard, on: node, patience: Self.comparisonPatience, at: now)
  }
  /// The copy that shall lead: in sync before eligible, sound, the longest log, the one that led, on the node with the fewest primaries.
  private func candidate(for shard: ShardRecord, _ alive: [NodeID], _ primaries: [NodeID: Int]) -> ReplicaRecord? {
    func rank(_ replica: ReplicaRecord) -> (Int, UInt64, Int, Int, UInt64) {
      let last = fleet.report(shard, by: replica.node)?.last.rawValue ?? 0
      let isMoved = replica.node != shard.primary ? 1 : 0
      return (shard.inSync.contains(replica) ? 0 : 1, UInt64.max - last, isMoved, primaries[replica.node] ?? 0, replica.id.rawValue)
    }
    let candidates = isPlanted(.electsAnyCopy) ? shard.replicas : shard.inSync + shard.eligible
    let now = surroundings.clock.now
    let mayStay = awaitsComparison(shard, now)
    let best = candidates.filter { replica in
      (replica.node != shard.primary || mayStay) && alive.contains(replica.node)
        && fleet.report(shard, by: replica.node)?.damage.isEmpty != false
    }.min { rank($0) < rank($1) }
    // While the best is not compared yet, nobody: a shorter log would win.
    return best.flatMap { isCompared(shard, on: $0.node, now) ? $0 : nil }
  }

  // MARK: Copies

  /// Copies that a worker says are damaged do not count any more where another that counts is sound: each begins again under another
  /// number, so that nothing it said before is taken for its word, and a sound one leads.
  func retireDamaged(_ beat: Heartbeat) async throws {
    guard await log.isLeader else { return }
    let (snapshot, now) = (await log.catalog.snapshot, surroundings.clock.now)
    let damaged = snapshot.shards.compactMap { shard -> ReplicaRecord? in
      let counting = shard.inSync + shard.eligible
      guard let mine = counting.first(where: { $0.node == beat.node }), fleet.report(shard, by: beat.node)?.damage.isEmpty == false else {
        return nil
      }
      // One that has just registered has not said yet how it is.
      let isOtherSound = counting.contains { other in
        other.node != beat.node && fleet.isUp(other.node, at: now) && fleet.report(shard, by: other.node)?.damage.isEmpty == true
      }
      return isOtherSound ? mine : nil
    }
    if damaged.isEmpty { return }
    surroundings.log.warning(
      "copies-damaged",
      ("worker", snapshot.node(beat.node)?.name ?? beat.node.description),
      ("copies", String(damaged.count))
    )
    do { _ = try await log.propose(.loseReplicas(beat.node, beat.incarnation, damaged.map(\.id))) } catch let error as TallyError
      where error.status == .staleCatalog
    { return }
    _ = publishBell.trySend(())
    await order()
  }

  /// Gives shards the copies they lack; takes away those on nodes that are dead for good once others have their place.
  private func tendCopies() async {
    let snapshot = await log.catalog.snapshot
    let now = surroundings.clock.now
    let workers = snapshot.nodes.filter { $0.role == .worker }
    for worker in workers {
      if fleet.isUp(worker.id, at: now) { deadSince[worker.id] = nil } else if deadSince[worker.id] == nil { deadSince[worker.id] = now }
    }
    func isDead(_ node: NodeID) -> Bool { deadSince[node].map { now - $0 > settings.deadAfter } ?? false }
    var load: [NodeID: Int] = [:]
    for shard in snapshot.shards { for replica in shard.replicas { load[replica.node, default: 0] += 1 } }
    do {
      try await noteBegun(snapshot)
      for shard in snapshot.shards {
        let wanted = Placement.copies(snapshot.group(shard.group)?.copies ?? 1, workers: workers.count)
        let living = shard.replicas.filter { !isDead($0.node) }
        if living.count < wanted {
          let free = workers.map(\.id).filter { node in fleet.isStaying(node, at: now) && shard.replica(on: node) == nil }
          guard fleet.isUp(shard.primary, at: now), let node = free.min(by: { (load[$0] ?? 0, $0) < (load[$1] ?? 0, $1) }) else { continue }
          _ = try await log.propose(.addLearner(shard.id, version: shard.version, node))
          _ = publishBell.trySend(())
          load[node, default: 0] += 1
          surroundings.log.info("copy-added", ("shard", shard.id.description), ("node", snapshot.node(node)?.name ?? node.description))
        } else if shard.inSync.count >= wanted,
          let dead = shard.learners.first(where: { isDead($0.node) })
        {
          _ = try await log.propose(.dropReplica(shard.id, version: shard.version, dead.id))
          surroundings.log.info("copy-dropped", ("shard", shard.id.description), ("node", snapshot.node(dead.node)?.name ?? "?"))
        }
      }
    } catch {
      surroundings.log.info("copies-wait", ("reason", "\(error)"))
    }
  }
  /// From a primary's first report on, a shard's data that are missing were lost, not just never made.
  func noteBegun(_ snapshot: CatalogSnapshot) async throws {
    let begun = snapshot.shards.filter { !$0.isBegun && (fleet.report($0)?.last.rawValue ?? 0) > 0 }.map(\.id)
    if !begun.isEmpty { _ = try await log.propose(.beginShards(begun)) }
  }

  /// Moves the lead of one shard to the worker that leads the fewest, when all copies are in sync and nothing happened for a while: after
  /// a failure or a restart of all nodes the work is spread again, a shard a second.
  private func spreadPrimaries() async {
    let snapshot = await log.catalog.snapshot
    let now = surroundings.clock.now
    if let last = lastElection, now - last < Self.spreadPause { return }
    let alive = fleet.staying(snapshot, at: now)
    var led = Dictionary(uniqueKeysWithValues: alive.map { ($0, 0) })
    for shard in snapshot.shards { led[shard.primary]? += 1 }
    for shard in snapshot.shards {
      guard shard.inSync.count > 1, shard.inSync.count == shard.replicas.count, shard.inSync.allSatisfy({ alive.contains($0.node) }),
        let mine = led[shard.primary],
        let chosen = shard.inSync.filter({ $0.node != shard.primary }).min(by: { (led[$0.node] ?? 0, $0.id) < (led[$1.node] ?? 0, $1.id) }),
        let theirs = led[chosen.node], mine > theirs + 1
      else { continue }
      do {
        _ = try await log.propose(.elect(shard.id, version: shard.version, chosen.id, alive: alive))
        _ = publishBell.trySend(())
        surroundings.log.info(
          "primary-moved",
          ("shard", shard.id.description),
          ("primary", snapshot.node(chosen.node)?.name ?? chosen.node.description),
          ("before", snapshot.node(shard.primary)?.name ?? shard.primary.description)
        )
      } catch { surroundings.log.info("move-void", ("shard", shard.id.description), ("reason", "\(error)")) }
      return
    }
  }

  // MARK: Publishing

  /// Pushes the catalog to the workers that are up whenever `publishBell` rings, until cancelled: they would hear of it with a heartbeat,
  /// but later.
  func keepPublishing() async throws {
    try await withThrowingDiscardingTaskGroup { group in
      while try await publishBell.receive() != nil {
        let now = surroundings.clock.now
        for worker in await log.catalog.snapshot.nodes where worker.role == .worker && fleet.isUp(worker.id, at: now) {
          guard publishing.insert(worker.id).inserted, let address = NetworkAddress(worker.address) else { continue }
          group.addTask { await self.publish(to: worker, at: address) }
        }
      }
    }
  }
  private func publish(to worker: NodeRecord, at address: NetworkAddress) async {
    defer { publishing.remove(worker.id) }
    var sent: CatalogVersion?
    while true {
      let catalog = await catalogBytes()
      if catalog.version == sent { return }
      sent = catalog.version
      do {
        _ = try await pool.call(
          .catalogChanged(CatalogChanged(version: catalog.version, waits: false, catalog: catalog.bytes)),
          to: address,
          deadline: surroundings.clock.now + Self.publishTimeout
        )
      } catch {
        // It fetches the catalog with its next heartbeat or registration.
        return
      }
    }
  }

  // MARK: In-sync sets

  /// A primary asks for another in-sync set.
  func alterInSync(_ request: AlterInSync) async throws -> Done {
    _ = try await log.propose(
      .alterInSync(
        request.shard,
        request.epoch,
        version: request.version,
        primary: request.incarnation,
        inSync: request.inSync,
        added: Dictionary(request.added.map { ($0.node, $0.incarnation) }) { first, _ in first }
      )
    )
    _ = publishBell.trySend(())
    return Done(version: await log.catalog.snapshot.version)
  }
}
