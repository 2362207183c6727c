// ForceFlow.swift — `tally shard force-primary`: a copy that does not count leads, by order of an operator, when those that count are gone.
//
// It is refused while one that counts is up: then nothing has to be lost. What may be lost is said before, and kept in a LossRecord.
import Bytes
import Capabilities
import Model
import Wire

extension Coordinator {
  /// Carries out the order, or says why not.
  func forcePrimary(_ order: ForcePrimary) async throws -> Done {
    let snapshot = await log.catalog.snapshot
    let now = surroundings.clock.now
    guard let shard = snapshot.shard(order.shard) else {
      throw TallyError.sql("42704", "shard \(order.shard) does not exist", hint: "tally shard list shows them")
    }
    func names(_ replicas: [ReplicaRecord]) -> String {
      replicas.isEmpty ? "no node" : replicas.map { snapshot.node($0.node)?.name ?? $0.node.description }.joined(separator: ", ")
    }
    guard let node = snapshot.nodes.first(where: { $0.name == order.node && $0.role == .worker }), let chosen = shard.replica(on: node.id)
    else {
      throw TallyError.sql(
        "42704",
        "worker \"\(order.node)\" has no copy of shard \(shard.id)",
        hint: "copies are on \(names(shard.replicas))"
      )
    }
    let counting = shard.inSync + shard.eligible
    if let sound = counting.first(where: { fleet.isUp($0.node, at: now) && fleet.report(shard, by: $0.node)?.damage.isEmpty != false }) {
      throw TallyError.sql(
        "55000",
        "shard \(shard.id) has a copy that counts, on \(names([sound]))",
        hint: "it leads, or will within seconds: nothing has to be lost"
      )
    }
    guard fleet.isUp(node.id, at: now), let report = fleet.report(shard, by: node.id) else {
      throw TallyError.sql("55000", "worker \"\(node.name)\" is not up", hint: "start it first: what its copy has must be known")
    }
    guard report.damage.isEmpty else {
      throw TallyError.sql("55000", "the copy of shard \(shard.id) on \(node.name) is damaged", detail: report.damage)
    }
    let known = counting.compactMap { fleet.report(shard, by: $0.node)?.committed }.max() ?? LogPosition(0)
    let reason = order.reason.trimmingSpaces
    let loss = LossRecord(
      shard: shard.id,
      replica: chosen.id,
      node: node.id,
      kept: report.last,
      known: max(known, report.committed),
      time: await stamp(),
      reason: reason
    )
    guard order.isCertain else {
      throw TallyError.sql(
        "55000",
        "making the copy on \(node.name) the primary of shard \(shard.id) loses \(loss.extent)",
        detail: "the copies that count are on \(names(counting)), which are down or damaged",
        hint: "bring one of them back; or say --yes to give up what only they have"
      )
    }
    guard !reason.isEmpty, reason.count <= ForcePrimary.reasonMax else {
      throw TallyError.sql("22023", "a reason of 1 to \(ForcePrimary.reasonMax) characters is needed", hint: "--reason TEXT")
    }
    _ = try await log.propose(.forcePrimary(loss, version: shard.version))
    _ = publishBell.trySend(())
    surroundings.log.error(
      "primary-forced",
      ("shard", shard.id.description),
      ("primary", node.name),
      ("lost", loss.extent),
      ("reason", reason)
    )
    return Done(version: await log.catalog.snapshot.version)
  }
}

extension String {
  /// Without spaces, tabs and line breaks at both ends.
  fileprivate var trimmingSpaces: String {
    let isSpace: (Character) -> Bool = { $0.isWhitespace }
    return String(drop(while: isSpace).reversed().drop(while: isSpace).reversed())
  }
}
