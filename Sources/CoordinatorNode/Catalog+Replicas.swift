// Catalog+Replicas.swift — which copies of a shard count, and who is its primary: the changes of shard records (protocol.md §2.5b).
//
// Every change names what it was decided upon (epoch, record version, incarnations); when that is not the present any more it is
// refused and its author looks again (R9). A copy enters the in-sync set only at its primary's word, a primary comes only from the
// in-sync or eligible copies (R2).
import Bytes
import Model

extension Catalog {
  private func place(of id: ShardID, _ version: UInt64) throws(TallyError) -> Int {
    guard let at = snapshot.shards.firstIndex(where: { $0.id == id }) else {
      throw TallyError(.staleCatalog, "shard \(id) does not exist")
    }
    guard snapshot.shards[at].version == version || isPlanted(.recordVersionNotCompared) else {
      throw TallyError(.staleCatalog, "shard \(id) is at version \(snapshot.shards[at].version), not \(version)")
    }
    return at
  }
  private func leastInSync(_ shard: ShardRecord) -> Int { snapshot.group(shard.group)?.leastInSync ?? 1 }
  /// Throws when a record would forget a copy without which nothing may have been committed: with fewer than the least number in sync
  /// every copy that counted goes on counting, and one always does (I4). Such a change is refused, on every coordinator alike.
  static func requireCounting(_ before: ShardRecord, _ after: ShardRecord, leastInSync: Int) throws(TallyError) {
    let counting = after.inSync + after.eligible
    let isKept = after.inSync.count >= leastInSync || (before.inSync + before.eligible).allSatisfy(counting.contains)
    if counting.isEmpty || !isKept {
      throw TallyError(.internalError, "shard \(after.id) would forget copies that may hold what was committed (I4)")
    }
  }
  /// Sets the in-sync set; who leaves it stays eligible while too few are left, and catches up again otherwise.
  private mutating func set(_ at: Int, inSync: [ReplicaRecord]) throws(TallyError) {
    var shard = snapshot.shards[at]
    let pool = shard.inSync + shard.eligible
    let left = pool.filter { !inSync.contains($0) }
    shard.inSync = inSync.sorted { $0.id < $1.id }
    shard.learners.removeAll { inSync.contains($0) }
    if inSync.count < leastInSync(shard), !isPlanted(.eligibleForgotten) {
      shard.eligible = left.sorted { $0.id < $1.id }
    } else {
      shard.eligible = []
      shard.learners = (shard.learners + left).sorted { $0.id < $1.id }
    }
    shard.version += 1
    if !isPlanted(.eligibleForgotten) { try Self.requireCounting(snapshot.shards[at], shard, leastInSync: leastInSync(shard)) }
    snapshot.shards[at] = shard
  }

  mutating func alterInSync(
    _ id: ShardID,
    _ epoch: Epoch,
    _ version: UInt64,
    _ primary: Incarnation,
    _ inSync: [ReplicaID],
    _ added: [NodeID: Incarnation]
  ) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: id, version)
    let shard = snapshot.shards[at]
    guard shard.epoch == epoch, snapshot.node(shard.primary)?.incarnation == primary else {
      throw TallyError(.notPrimary, "shard \(id) has another primary than the one that asks")
    }
    let members = shard.replicas.filter { inSync.contains($0.id) }
    guard members.count == inSync.count, members.contains(where: { $0.node == shard.primary }) else {
      throw TallyError(.invalid, "shard \(id) has no such copies")
    }
    for member in members where !shard.inSync.contains(member) {
      guard let incarnation = added[member.node],
        snapshot.node(member.node)?.incarnation == incarnation || isPlanted(.addedIncarnationNotCompared)
      else {
        throw TallyError(.invalid, "node \(member.node) restarted since its copy of shard \(id) caught up")
      }
    }
    try set(at, inSync: members)
    return .done
  }

  mutating func elect(_ id: ShardID, _ version: UInt64, _ replica: ReplicaID, _ alive: [NodeID]) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: id, version)
    let shard = snapshot.shards[at]
    let candidates = isPlanted(.electsAnyCopy) ? shard.replicas : shard.inSync + shard.eligible
    guard let chosen = candidates.first(where: { $0.id == replica }) else {
      throw TallyError(.invalid, "copy \(replica) of shard \(id) may have missed entries: it cannot become primary")
    }
    try set(at, inSync: shard.inSync.filter { $0 == chosen || alive.contains($0.node) } + (shard.inSync.contains(chosen) ? [] : [chosen]))
    snapshot.shards[at].epoch = shard.epoch.next
    snapshot.shards[at].primary = chosen.node
    return .done
  }

  /// The one way past R2: any copy leads when an operator says so. All others begin again under new numbers, so that nothing of theirs that
  /// it does not have can come back.
  mutating func forcePrimary(_ loss: LossRecord, _ version: UInt64) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: loss.shard, version)
    let shard = snapshot.shards[at]
    guard let chosen = shard.replicas.first(where: { $0.id == loss.replica }) else {
      throw TallyError(.staleCatalog, "shard \(loss.shard) has no copy \(loss.replica) any more")
    }
    let others = shard.replicas.filter { $0 != chosen }
    snapshot.shards[at].inSync = [chosen]
    snapshot.shards[at].eligible = []
    snapshot.shards[at].learners = []
    for other in others {
      let learner = newReplica(on: other.node)
      snapshot.shards[at].learners.append(learner)
    }
    snapshot.shards[at].epoch = shard.epoch.next
    snapshot.shards[at].primary = chosen.node
    snapshot.shards[at].version += 1
    var kept = loss
    kept.epoch = shard.epoch.next
    losses.append(kept)
    return .done
  }

  /// A copy of which an operator gave up what could not be read. Where another one counts, this one does not any more and learns
  /// anew; the only one that counts stays, and all others begin again under new numbers: they may have what it has not. Told again it
  /// changes nothing.
  mutating func noteSalvage(_ loss: LossRecord) -> CatalogOutcome {
    if losses.contains(where: { $0.shard == loss.shard && $0.node == loss.node && $0.time == loss.time }) { return .done }
    var kept = loss
    if let at = snapshot.shards.firstIndex(where: { $0.id == loss.shard }), let mine = snapshot.shards[at].replica(on: loss.node) {
      let shard = snapshot.shards[at]
      if (shard.inSync + shard.eligible).contains(where: { $0 != mine }) {
        lose(at, loss.node) { $0 == mine }
      } else {
        let others = shard.learners.filter { $0 != mine }
        snapshot.shards[at].learners.removeAll { $0 != mine }
        for other in others {
          let learner = newReplica(on: other.node)
          snapshot.shards[at].learners.append(learner)
        }
        snapshot.shards[at].version += 1
      }
      kept.epoch = shard.epoch
      kept.replica = mine.id
    }
    losses.append(kept)
    return .done
  }

  mutating func addLearner(_ id: ShardID, _ version: UInt64, _ node: NodeID) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: id, version)
    guard snapshot.shards[at].replica(on: node) == nil, snapshot.node(node)?.role == .worker,
      snapshot.shards[at].replicas.count < ColocationGroup.copiesMax * 2
    else { throw TallyError(.invalid, "node \(node) cannot take a copy of shard \(id)") }
    let learner = newReplica(on: node)
    snapshot.shards[at].learners.append(learner)
    snapshot.shards[at].version += 1
    return .done
  }

  mutating func dropReplica(_ id: ShardID, _ version: UInt64, _ replica: ReplicaID) throws(TallyError) -> CatalogOutcome {
    let at = try place(of: id, version)
    let shard = snapshot.shards[at]
    guard let member = shard.replicas.first(where: { $0.id == replica }), member.node != shard.primary else {
      throw TallyError(.invalid, "copy \(replica) of shard \(id) cannot be dropped")
    }
    guard shard.learners.contains(member) else {
      throw TallyError(.invalid, "copy \(replica) of shard \(id) counts: only its primary takes it out of the in-sync set")
    }
    snapshot.shards[at].learners.removeAll { $0 == member }
    snapshot.shards[at].version += 1
    return .done
  }

  /// What a node whose disk went back in time once said of its copies is void: none of them counts, each is another copy, which learns.
  mutating func distrustCopies(on node: NodeID) { for at in snapshot.shards.indices { lose(at, node) { _ in true } } }

  mutating func loseReplicas(
    _ node: NodeID,
    _ incarnation: Incarnation,
    _ replicas: [ReplicaID]
  ) throws(TallyError) -> CatalogOutcome {
    guard snapshot.node(node)?.incarnation == incarnation else {
      throw TallyError(.staleCatalog, "node \(node) is not at incarnation \(incarnation)")
    }
    for at in snapshot.shards.indices { lose(at, node) { replicas.contains($0.id) } }
    return .done
  }
  private mutating func lose(_ at: Int, _ node: NodeID, _ isLost: (ReplicaRecord) -> Bool) {
    let gone = snapshot.shards[at].replicas.filter { $0.node == node && isLost($0) }
    guard !gone.isEmpty else { return }
    // The last one stays in the record: it says that the shard's data were lost, which no other copy may replace silently.
    let counting = snapshot.shards[at].inSync + snapshot.shards[at].eligible
    if counting.allSatisfy({ gone.contains($0) }) { return }
    snapshot.shards[at].inSync.removeAll { gone.contains($0) }
    snapshot.shards[at].eligible.removeAll { gone.contains($0) }
    snapshot.shards[at].learners.removeAll { gone.contains($0) }
    // A fresh copy takes its place.
    let learner = newReplica(on: node)
    snapshot.shards[at].learners.append(learner)
    snapshot.shards[at].version += 1
  }
}
