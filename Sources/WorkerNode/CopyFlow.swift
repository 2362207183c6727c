// CopyFlow.swift — a copy that is not the primary: takes entries over, acknowledges them when they are on disk, applies what is committed.
//
// Judging, cutting and taking over are one step: nothing awaits between them. Rows are decoded ahead, on Compute. A copy that is damaged or
// has no data acknowledges nothing and begins again from the primary's checkpoint (CatchUpFlow).
import Bytes
import Capabilities
import Model
import RPC
import Replication
import Storage
import Wire

extension Worker {
  /// Answers an append, then applies what it says is committed.
  func append(_ request: Append, _ call: ServerCall) async throws {
    // Refused whole, so that its primary sees it as silent and takes it out of the in-sync set.
    if space == .full { try requireRoom() }
    func named() -> ReplicaID? { catalog.shard(request.shard)?.replica(on: identity.value.node)?.id }
    if hosts[request.shard]?.store.replica != request.replica, named() != request.replica { try await refreshCatalog() }
    guard let host = hosts[request.shard], host.store.replica == request.replica, !isVoid(host), host.damage == nil,
      !request.needsCheckpoint
    else {
      // A void copy promises all the same (R1): an earlier primary, who may not know yet, counts it no more.
      if named() == request.replica { hosts[request.shard]?.hear(request.epoch) }
      try await call.reply(.appended(answer(.empty, request, hosts[request.shard])))
      beginCatchUp(request.shard)
      return
    }
    let entries = try await decode(request.entries, host.store.head.schema)
    try await journal.reserve(request.entries.count)
    guard hosts[request.shard] === host else { throw TallyError(.unavailable, "the copy of shard \(request.shard) was replaced") }
    let previous = LogPlace(position: request.previous, epoch: request.previousEpoch, chain: request.previousChain)
    let verdict = host.copy.judge(
      epoch: request.epoch,
      previous: previous,
      applied: host.store.applied.position,
      known: host.place(at: previous.position)
    )
    switch verdict {
    case .reject: return try await call.reply(.appended(answer(.rejected, request, host)))
    case .mismatch:
      host.hear(request.epoch)
      return try await call.reply(.appended(answer(.mismatch, request, host, durable: host.store.head.position)))
    case .accept: break
    }
    if host.primary?.epoch == request.epoch {
      throw TallyError(.internalError, "shard \(request.shard) has two primaries in epoch \(request.epoch)", node: settings.name)
    }
    host.hear(request.epoch)
    do { try host.take(entries, of: request.epoch) } catch {
      noteDamage(host, error)
      return try await call.reply(.appended(answer(.empty, request, host)))
    }
    // Where nothing is sent, the copy says how far it is known to be equal.
    let last = entries.last?.entry.position ?? previous.position
    if let taken = host.taken, !isPlanted(.copyAcknowledgesEarly) { _ = try await taken.value }
    try await call.reply(.appended(answer(.matches, request, host, durable: last)))
    guard hosts[request.shard] === host, host.copy.promised == request.epoch, host.primary == nil else { return }
    do {
      let equal = isPlanted(.copyAppliesUnverified) ? host.store.head.position : last
      try await host.apply(through: min(request.commit, equal, host.store.head.position))
      if let freshness = request.freshness, freshness.incarnation == identity.value.incarnation {
        host.noteFresh(as: freshness, of: request.commit)
      }
    } catch let error as TallyError where error.status == .dataDamaged {
      noteDamage(host, error)
      beginCatchUp(request.shard)
    }
  }
  func answer(
    _ outcome: Appended.Outcome,
    _ request: Append,
    _ host: ShardHost?,
    durable: LogPosition = LogPosition(0)
  ) -> Appended {
    Appended(
      outcome: outcome,
      promised: host?.copy.promised ?? Epoch(0),
      replica: request.replica,
      incarnation: identity.value.incarnation,
      applied: host?.store.applied.position ?? LogPosition(0),
      durable: durable,
      stamp: surroundings.clock.now.nanoseconds
    )
  }
  private func decode(_ bytes: [UInt8], _ schema: ShardSchema) async throws -> [(entry: LogEntry, rows: PreparedRows)] {
    if bytes.isEmpty { return [] }
    do {
      return try await surroundings.compute.attempt {
        try EntryStream.decode(bytes).map { ($0, try PreparedRows.decoded($0, schema: schema)) }
      }
    } catch let failure as DecodingFailure {
      throw TallyError(.protocolViolation, "entries of an append: \(failure)", node: settings.name)
    }
  }
  /// Asks for a newer catalog, at most one request at a time for all who ask.
  func refreshCatalog() async throws {
    while let running = catalogRequest {
      // Who asked may have been cancelled; that is not this one's answer.
      do { return try await running.value } catch is CancellationError { try Task.checkCancellation() }
    }
    let promise = Promise<Void>()
    catalogRequest = promise
    defer { catalogRequest = nil }
    do {
      try await fetchCatalog()
      promise.fulfil(())
    } catch {
      promise.fail(error)
      throw error
    }
  }
}
