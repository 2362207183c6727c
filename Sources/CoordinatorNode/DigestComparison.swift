// DigestComparison.swift — compares what the copies of a shard say their state is at the same position (protocol.md §2.11).
//
// Copies that differ from most others lose their number, as damaged ones do, and begin again from a sound one. Where no side has the
// majority (two copies) nothing tells which is right: it is said loudly, in the log and in `tally status`, and both go on.
import Bytes
import Capabilities
import Model
import Wire

/// What the in-sync copies of a shard say of their state at one position.
enum DigestComparison: Equatable {
  /// Not all have digested the same position yet.
  case incomplete
  /// All have the same.
  case equal(LogPosition)
  /// These differ from most others.
  case minority([ReplicaRecord], LogPosition, String)
  /// They differ, and none has the majority.
  case undecided(LogPosition, String)

  /// Compares the last reports.
  init(_ shard: ShardRecord, _ fleet: Fleet) {
    let told = shard.inSync.compactMap { replica in
      fleet.report(shard, by: replica.node)?.digest.map { (replica: replica, digest: $0) }
    }
    guard let first = told.first, told.count == shard.inSync.count, told.count > 1,
      told.allSatisfy({ $0.digest.position == first.digest.position })
    else {
      self = .incomplete
      return
    }
    let position = first.digest.position
    guard let other = told.first(where: { $0.digest != first.digest }) else {
      self = .equal(position)
      return
    }
    let difference = first.digest.difference(from: other.digest)
    if let most = told.first(where: { one in told.count { $0.digest == one.digest } * 2 > told.count }) {
      self = .minority(told.filter { $0.digest != most.digest }.map(\.replica), position, difference)
    } else {
      self = .undecided(position, difference)
    }
  }
}

extension Coordinator {
  /// Compares the shards of a worker that has told its digests; each position of a shard once.
  func compareDigests(_ beat: Heartbeat) async throws {
    guard await log.isLeader else { return }
    let snapshot = await log.catalog.snapshot
    for report in beat.shards {
      guard let digest = report.digest, comparedAt[report.shard] != digest.position, let shard = snapshot.shard(report.shard) else {
        continue
      }
      switch DigestComparison(shard, fleet) {
      case .incomplete: break
      case .equal(let position):
        comparedAt[shard.id] = position
        surroundings.log.record(.debug, "digests-agree", [("shard", shard.id.description), ("position", position.description)])
      case .undecided(let position, let difference):
        comparedAt[shard.id] = position
        note(shard, position, difference, snapshot, losing: [])
      case .minority(let wrong, let position, let difference):
        comparedAt[shard.id] = position
        note(shard, position, difference, snapshot, losing: wrong)
        for replica in wrong { try await lose(replica, snapshot) }
      }
    }
  }
  private func note(
    _ shard: ShardRecord,
    _ position: LogPosition,
    _ difference: String,
    _ snapshot: CatalogSnapshot,
    losing wrong: [ReplicaRecord]
  ) {
    func names(_ replicas: [ReplicaRecord]) -> String {
      replicas.map { snapshot.node($0.node)?.name ?? $0.node.description }.joined(separator: " ")
    }
    surroundings.log.error(
      "digests-differ",
      ("shard", shard.id.description),
      ("position", position.description),
      ("in", difference),
      ("copies", names(shard.inSync)),
      ("begin_again", wrong.isEmpty ? "none: no majority" : names(wrong))
    )
  }
  private func lose(_ replica: ReplicaRecord, _ snapshot: CatalogSnapshot) async throws {
    guard let incarnation = snapshot.node(replica.node)?.incarnation else { return }
    do { _ = try await log.propose(.loseReplicas(replica.node, incarnation, [replica.id])) } catch let error as TallyError
      where error.status == .staleCatalog
    { return }
    _ = publishBell.trySend(())
    await order()
  }
}
