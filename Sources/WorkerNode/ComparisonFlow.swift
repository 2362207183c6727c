// ComparisonFlow.swift — a worker that starts leads no shard that others can lead before the coordinators have compared the logs.
//
// A disk may lose what it had confirmed. Where a group of several sectors lost one, that looks like the work of a power cut (D9, D11 of
// protocol.md §3); where all of it is gone the log just ends earlier. Were such a copy to lead first, the others would cut away what only
// they still have. So a worker tells with its heartbeats that it is young and that it waits, and leads what it led before its start only in
// an epoch that was given to it since, to the longest log; or when the others have not come for a while. Shards that nobody else can lead
// go on at once. (The coordinators give a young worker no other shards either before its logs are compared: Fleet.isCompared.)
import Bytes
import Capabilities
import Model
import Wire

extension Worker {
  /// How long others may take to come, and a worker is young.
  static let comparisonPatience = Duration.seconds(5)

  /// Notes the shards that the node leads by its registration and others can lead; to be called before the first heartbeat.
  func awaitComparison() {
    youngUntil = surroundings.clock.now + Self.comparisonPatience
    let me = identity.value.node
    let led = catalog.shards.filter { shard in shard.primary == me && (shard.inSync + shard.eligible).contains { $0.node != me } }
    if led.isEmpty || isPlanted(.leadsUncompared) { return }
    surroundings.log.info("logs-to-compare", ("shards", String(led.count)))
    epochsToCompare = Dictionary(uniqueKeysWithValues: led.map { ($0.id, $0.epoch) })
    perform { try await $0.endComparison() }
  }
  /// Whether this copy may only lead in a later epoch than the record's.
  func waitsForComparison(_ record: ShardRecord) -> Bool {
    guard let epoch = epochsToCompare[record.id], record.epoch <= epoch else { return false }
    return (record.inSync + record.eligible).contains { $0.node != identity.value.node }
  }
  private func endComparison() async throws {
    try await surroundings.clock.sleep(until: youngUntil)
    let waiting = catalog.shards.filter { $0.primary == identity.value.node && waitsForComparison($0) }
    epochsToCompare = [:]
    if waiting.isEmpty { return }
    surroundings.log.warning("leading-without-comparison", ("shards", String(waiting.count)), ("reason", "no other copy came"))
    try await takeRolesAgain()
  }
}
