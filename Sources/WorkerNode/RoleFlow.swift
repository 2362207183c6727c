// RoleFlow.swift — taking in a new catalog: which shards have a copy here, which of them this worker leads, and in which epoch.
//
// A new epoch reaches a shard as an EpochStart in its log, new tables and rollups as a SchemaBarrier; its primary appends both. A primary
// serves once the first is committed on all in-sync copies (R3) and the second is in. Nothing here waits for other nodes while a catalog is
// taken in: the next catalog may be what helps.
import Bytes
import Capabilities
import Model
import Replication
import Storage
import Wire

extension Worker {
  /// How long a start waits for the shards it leads.
  static let establishTimeout = Duration.seconds(3)

  /// How long it waits for others to lead its shards before it ends.
  static let leaveTimeout = Duration.seconds(3)

  /// Takes in a newer catalog. One at a time; older ones are ignored.
  func adopt(_ next: CatalogSnapshot) async throws {
    try await adoptionTurn()
    guard next.version > catalog.version else { return }
    try await bring(next)
  }
  /// Takes roles that no newer record asks for: those of an epoch that began while the one before was being settled or the copy was
  /// catching up, and those whose settling was cut off.
  func takeRolesThatAreDue() {
    let me = identity.value.node
    let isUnsettled = orderedHosts.contains { $0.primary != nil && !isSettled($0) && !$0.isSettling }
    let isUnled = catalog.shards.contains { record in
      guard record.primary == me, !catchingUp.contains(record.id), refused[record.id] == nil, !waitsForComparison(record),
        let host = hosts[record.id], let mine = record.replica(on: me)
      else { return false }
      return record.inSync.contains(mine) && host.primary?.epoch != record.epoch && record.epoch > host.copy.promised
    }
    guard isUnsettled || isUnled, !isAdopting else { return }
    perform { try await $0.takeRolesAgain() }
  }
  /// Takes the present catalog in once more: what stood against leading may be gone.
  func takeRolesAgain() async throws {
    try await adoptionTurn()
    try await bring(catalog)
  }
  private func adoptionTurn() async throws {
    while isAdopting {
      let turn = Promise<Void>()
      adoptionWaiters.append(turn)
      try await turn.value
    }
  }
  /// Takes in the first catalog, and waits a while for the shards it says this worker leads.
  func establish() async throws {
    try await bring(catalog)
    try await untilServing(surroundings.clock.now + Self.establishTimeout)
  }
  /// Waits until every shard led here serves under the present catalog.
  func untilServing(_ deadline: Instant) async throws {
    while surroundings.clock.now < deadline, !orderedHosts.allSatisfy({ $0.primary == nil || isSettled($0) }) {
      try await surroundings.clock.sleep(for: .milliseconds(2))
    }
  }

  /// Asks the coordinators to let others lead what is led here, and waits until they do. Shards without another copy that counts stay.
  func leave() async throws {
    isLeaving = true
    let limit = surroundings.clock.now + Self.leaveTimeout
    var round = 0
    while surroundings.clock.now < limit, orderedHosts.contains(where: { ($0.primary?.copyCount ?? 0) > 1 }) {
      if round % 10 == 0 {
        do { try await beat() } catch let error as TallyError where error.isRetryable {
          surroundings.log.warning("leaving-unheard", ("reason", error.message))
        }
      }
      round += 1
      try await surroundings.clock.sleep(for: .milliseconds(10))
    }
  }

  private func bring(_ next: CatalogSnapshot) async throws {
    isAdopting = true
    defer {
      isAdopting = false
      let waiters = adoptionWaiters
      adoptionWaiters = []
      for waiter in waiters { waiter.fulfil(()) }
    }
    let me = identity.value.node
    for record in next.shards {
      guard let mine = record.replica(on: me), refused[record.id] == nil, !catchingUp.contains(record.id) else { continue }
      let found: ShardHost?
      do { found = try await host(of: record, mine) } catch let failure as DiskFailure where failure.kind == .full {
        // Its primary asks for it again and again: then it begins from a checkpoint.
        lacksRoom = true
        surroundings.log.warning("copy-waits", ("shard", record.id.description), ("reason", failure.message))
        continue
      }
      guard let host = found else { continue }
      let least = next.group(record.group)?.leastInSync ?? 1
      if record.primary != me {
        host.stepDown()
      } else if host.primary?.epoch == record.epoch {
        host.learn(record, leastInSync: least)
        copiesNeedCare.notify()
      } else if record.epoch > host.copy.promised, record.inSync.contains(mine), !waitsForComparison(record) {
        // Whoever waits for it settles it. A copy that does not count leads nothing (R2), though the record may name its node for a moment:
        // it came back without its disk, and the next election is under way.
        _ = try host.lead(record, me, leastInSync: least)
        copiesNeedCare.notify()
      }
      host.shardRange = record.lower...record.upper
    }
    for host in orderedHosts where next.shard(host.id)?.replica(on: me) == nil { host.stepDown() }
    catalog = next
    for host in orderedHosts where host.primary != nil && !isSettled(host) && !host.isSettling {
      host.isSettling = true
      let shard = host.id
      perform { try await $0.settleRole(shard) }
    }
  }
  /// The copy here, made when the shard is new; nil when it may not be made.
  private func host(of record: ShardRecord, _ mine: ReplicaRecord) async throws -> ShardHost? {
    if let known = hosts[record.id] {
      // A learner's number is new because what the copy here once had is void: it may hold entries that were given up, or lack some that
      // it acknowledged. It keeps its old one, acknowledges nothing under either, and begins again from its primary's checkpoint.
      if known.store.replica != mine.id, !record.learners.contains(mine) {
        let old = known.store.replica
        try await known.store.rename(mine.id)
        known.tell(.renamed(from: old))
      }
      return known
    }
    guard !record.isBegun || record.learners.contains(mine) else {
      refused[record.id] = "its data are not on this node any more"
      surroundings.log.error("shard-refused", ("shard", record.id.description), ("reason", "its data are not on this node any more"))
      return nil
    }
    beingMade.insert(record.id)
    defer { beingMade.remove(record.id) }
    let host = makeHost(
      try await ShardStore.create(
        disk: surroundings.disk,
        clock: surroundings.clock,
        cluster: identity.value.cluster,
        shard: record.id,
        replica: mine.id
      )
    )
    hosts[record.id] = host
    return host
  }
  /// Whether the catalog knows the copy here under another number: what it has is void.
  func isVoid(_ host: ShardHost) -> Bool {
    guard let mine = catalog.shard(host.id)?.replica(on: identity.value.node) else { return false }
    return mine.id != host.store.replica
  }
  private func schema(_ host: ShardHost) -> ShardSchema? {
    catalog.shard(host.id).map { ShardSchema(of: $0.group, in: catalog) }
  }
  private func isSettled(_ host: ShardHost) -> Bool {
    guard let primary = host.primary, host.servingEpoch == primary.epoch else { return false }
    return schema(host)?.describesTheSame(as: host.store.applied.schema) ?? true
  }
  /// Brings a shard to service: its epoch's first entry, then the catalog's schema, again while the catalog changes.
  private func settleRole(_ shard: ShardID) async throws {
    guard let host = hosts[shard] else { return }
    defer { host.isSettling = false }
    do {
      while let primary = host.primary, hosts[shard] === host {
        if isPlanted(.servesBeforeEstablished) { host.servingEpoch = primary.epoch }
        try await host.settle(primary.start)
        if let schema = schema(host), !schema.describesTheSame(as: host.store.head.schema) {
          _ = try await host.write(.schemaBarrier(schema))
        }
        guard host.primary?.epoch == primary.epoch else { continue }
        // Only now: until its EpochStart is committed and applied, a primary serves nothing.
        host.servingEpoch = primary.epoch
        if isSettled(host) { return }
      }
    } catch let error as TallyError where error.status == .dataDamaged {
      // What its journal holds cannot be applied: the others serve.
      surroundings.log.error("shard-refused", ("shard", shard.description), ("reason", "\(error)"))
      refused[shard] = "\(error)"
      host.stepDown()
      // Nor does it acknowledge anything to another primary meanwhile.
      host.noteDamage("\(error)")
      // A flow that changes its files ends first: it must not touch those of the copy that takes its place.
      try await host.store.untilFilesAreQuiet()
      if hosts[shard] === host { hosts[shard] = nil }
    } catch let error as TallyError where error.isRetryable {
      surroundings.log.info("role-ended", ("shard", shard.description), ("reason", error.message))
    }
  }
}

extension ShardSchema {
  /// Equal but for the catalog version, which grows with changes elsewhere too.
  func describesTheSame(as other: ShardSchema) -> Bool { tables == other.tables && rollups == other.rollups }
}
