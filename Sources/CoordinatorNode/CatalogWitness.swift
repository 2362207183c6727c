// CatalogWitness.swift — who hears how a coordinator's catalog changes the records of shards, in the step that changes them: the
// simulation's judge (Simulation/InvariantWitness). What it hears are facts; it changes nothing. Without one a command costs a comparison
// with nil.
public import Model

/// Hears of each change of a shard's record that a coordinator applies.
public protocol CatalogWitness: Sendable {
  /// A command changed a record; `leastInSync` copies must be in sync for anything to commit. `isForced`: an operator gave the others up.
  func saw(_ before: ShardRecord, became after: ShardRecord, leastInSync: Int, isForced: Bool)
}

extension Catalog {
  /// Tells which records are others than they were in an earlier state.
  func tell(_ witness: any CatalogWitness, since before: Catalog) {
    let known = Dictionary(before.snapshot.shards.map { ($0.id, $0) }) { $1 }
    for shard in snapshot.shards {
      guard let old = known[shard.id], old != shard else { continue }
      let least = snapshot.group(shard.group)?.leastInSync ?? 1
      witness.saw(old, became: shard, leastInSync: least, isForced: losses.count > before.losses.count && losses.last?.shard == shard.id)
    }
  }
}
