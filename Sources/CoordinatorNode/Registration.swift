// Registration.swift — what workers and clients ask a coordinator about the cluster itself.
import Bytes
import Capabilities
import Model
import Wire

extension Coordinator {
  /// A worker (re)started: incarnation, new epochs for its shards, the catalog.
  func register(_ request: Register) async throws -> Registered {
    guard request.cluster == .none || request.cluster == cluster else {
      throw TallyError(
        .wrongCluster,
        "worker \"\(request.nodeName)\" belongs to cluster \(request.cluster), this coordinator to \(cluster)",
        hint: "its data directory was made by another cluster: start it with another --data, or with that cluster's --coordinators"
      )
    }
    try await requireFree(request)
    let outcome = try await log.propose(
      .registerNode(
        name: request.nodeName,
        role: .worker,
        address: request.address,
        previous: request.previous
      )
    )
    guard case .node(let node, let incarnation) = outcome else {
      throw TallyError(.internalError, "registering \"\(request.nodeName)\" gave no number")
    }
    try await noteLost(request, node, incarnation)
    try await noteSalvaged(request, node)
    let catalog = await catalogBytes()
    fleet.hear(registered: node, incarnation, version: catalog.version, at: surroundings.clock.now)
    surroundings.log.info(
      "worker-registered",
      ("worker", request.nodeName),
      ("node_id", node.description),
      ("incarnation", incarnation.description),
      ("address", request.address)
    )
    return Registered(
      cluster: cluster,
      node: node,
      incarnation: incarnation,
      version: catalog.version,
      catalog: catalog.bytes
    )
  }

  /// A data directory that is not what the node of that name had last is an old state of its disk; or it is a second one, elsewhere, while
  /// the first node lives: that must not be thrown out by mistake.
  private func requireFree(_ request: Register) async throws {
    let catalog = await log.catalog
    guard request.previous.rawValue > 0, let node = catalog.snapshot.nodes.first(where: { $0.name == request.nodeName }),
      request.previous != node.incarnation, catalog.unconfirmed[node.id] != request.previous, request.address != node.address,
      fleet.isUp(node.id, at: surroundings.clock.now)
    else { return }
    throw TallyError(
      .unavailable,
      "node \"\(request.nodeName)\" is up, at \(node.address)",
      detail: "a worker at \(request.address) registers after incarnation \(request.previous), that one after \(node.incarnation)",
      hint: "it joins once the other is gone; a second worker needs another --name"
    )
  }
  /// Copies that the worker had and does not have any more do not count; fresh ones take their place (rule R8).
  private func noteLost(_ request: Register, _ node: NodeID, _ incarnation: Incarnation) async throws {
    let found = Dictionary(request.shards.map { ($0.shard, $0.replica) }) { first, _ in first }
    let lost = await log.catalog.snapshot.shards.compactMap { shard -> ReplicaID? in
      guard shard.isBegun, let mine = shard.replica(on: node) else { return nil }
      guard let replica = found[shard.id] else { return mine.id }
      return replica.rawValue == 0 || replica == mine.id ? nil : mine.id
    }
    if lost.isEmpty || isPlanted(.lostCopyCounts) { return }
    surroundings.log.warning("copies-lost", ("worker", request.nodeName), ("copies", String(lost.count)))
    _ = try await log.propose(.loseReplicas(node, incarnation, lost))
  }

  /// What operators gave up of copies there, and the cluster does not know yet.
  private func noteSalvaged(_ request: Register, _ node: NodeID) async throws {
    for loss in request.losses {
      let known = await log.catalog.losses
      if known.contains(where: { $0.shard == loss.shard && $0.node == node && $0.time == loss.time }) { continue }
      surroundings.log.error(
        "loss-told",
        ("worker", request.nodeName),
        ("shard", loss.shard.description),
        ("lost", loss.what),
        ("reason", loss.reason)
      )
      var record = LossRecord(
        shard: loss.shard,
        replica: loss.replica,
        node: node,
        kept: loss.kept,
        known: loss.known,
        time: loss.time,
        reason: loss.reason
      )
      record.what = loss.what
      _ = try await log.propose(.noteSalvage(record))
    }
  }

  /// A worker lives.
  func hear(_ beat: Heartbeat) async throws -> HeartbeatReply {
    var snapshot = await log.catalog.snapshot
    if let known = snapshot.node(beat.node), known.incarnation < beat.incarnation {
      // It registered with a coordinator that has more of the log; unless this one leads still: then the registration is lost, and the
      // worker registers again.
      let index = try await log.readIndex()
      guard await log.applied >= index else {
        throw TallyError(.unavailable, "this coordinator has not heard of incarnation \(beat.incarnation) of node \(beat.node) yet")
      }
      snapshot = await log.catalog.snapshot
    }
    guard let node = snapshot.node(beat.node), node.incarnation == beat.incarnation else {
      throw TallyError(
        .wrongCluster,
        "node \(beat.node) is not at incarnation \(beat.incarnation)",
        hint: "another process registered under its name; this one must end"
      )
    }
    if await log.catalog.unconfirmed[beat.node] != nil { _ = try await log.propose(.confirmNode(beat.node, beat.incarnation)) }
    fleet.hear(beat, at: surroundings.clock.now)
    if beat.shards.contains(where: { !$0.damage.isEmpty }) { try await retireDamaged(beat) }
    if beat.shards.contains(where: { $0.digest != nil }) { try await compareDigests(beat) }
    if beat.isLeaving { await order() }
    return HeartbeatReply(version: snapshot.version, leader: address.description)
  }

  /// The catalog, unless the asker has it and there is none newer within the time it waits.
  func catalogReply(_ request: FetchCatalog) async throws -> CatalogReply {
    if request.waitMilliseconds > 0 {
      let limit = surroundings.clock.now + .milliseconds(Int64(request.waitMilliseconds))
      try await log.awaitChange(after: request.known, until: limit)
    }
    // A coordinator that has just started may have applied nothing of its log yet: it has no catalog, not an empty one.
    guard await log.catalog.snapshot.cluster != .none else {
      throw TallyError(.unavailable, "this coordinator has no catalog yet")
    }
    let catalog = await catalogBytes()
    return CatalogReply(version: catalog.version, catalog: request.known == catalog.version ? [] : catalog.bytes)
  }

  /// Opens or finds a named producer.
  func openProducer(_ request: OpenProducer) async throws -> ProducerSession {
    let snapshot = await log.catalog.snapshot
    guard let table = snapshot.table(named: request.table) else {
      throw .sql("42P01", "relation \"\(request.table)\" does not exist") as TallyError
    }
    // A client that loads rows finds the table's place in the catalog afterwards.
    _ = try await placed(table)
    let outcome = try await log.propose(
      .openProducer(
        ProducerRequest(
          name: "\(table.id)/\(request.name)",
          chunkBytes: request.chunkBytes,
          fingerprint: request.fingerprint,
          time: await stamp(),
          isAnew: request.again
        )
      )
    )
    guard case .producer(let record, let isNew) = outcome else {
      throw TallyError(.internalError, "opening producer \"\(request.name)\" gave no session")
    }
    return ProducerSession(
      session: record.session,
      issuedAt: record.request.time,
      chunkBytes: record.request.chunkBytes,
      isNew: isNew,
      firstLoad: ValueText.print(.fixed(record.request.time), as: .timestamptz) ?? ""
    )
  }
}
