// Fleet.swift — what the coordinator hears from workers: who is up, with what load, how far shards and rollups are.
//
// A value in memory only: it is rebuilt from heartbeats within a second of a restart and decides nothing durable.
import Capabilities
import Model
import Wire

/// The workers' last words.
struct Fleet: Sendable {
  /// What is known of a worker.
  struct Worker: Sendable {
    var heardAt: Instant
    var incarnation: Incarnation
    var version: CatalogVersion
    var load: NodeLoad
    var shards: [ShardReport]
  }
  /// A worker is down when nothing was heard of it for this long.
  static let silence = Duration.seconds(3)
  private(set) var workers: [NodeID: Worker] = [:]

  /// Takes in a heartbeat.
  mutating func hear(_ beat: Heartbeat, at now: Instant) {
    workers[beat.node] = Worker(
      heardAt: now,
      incarnation: beat.incarnation,
      version: beat.version,
      load: beat.load,
      shards: beat.shards
    )
  }
  /// Takes in a registration: the worker is up although it has not beaten yet.
  mutating func hear(registered node: NodeID, _ incarnation: Incarnation, version: CatalogVersion, at now: Instant) {
    workers[node] = Worker(heardAt: now, incarnation: incarnation, version: version, load: NodeLoad(), shards: [])
  }
  /// Forgets a worker whose connection broke.
  mutating func lost(_ node: NodeID) { workers[node] = nil }
  /// Whether a worker may be asked.
  func isUp(_ node: NodeID, at now: Instant) -> Bool {
    guard let worker = workers[node] else { return false }
    return now - worker.heardAt < Self.silence
  }
  /// The last report of a shard by its primary.
  func report(_ shard: ShardRecord) -> ShardReport? {
    workers[shard.primary]?.shards.first { $0.shard == shard.id }
  }
}

/// Chooses primaries for new shards.
enum Placement {
  /// Spreads `count` shards over the workers that are up, fewest shards first; by id among equals.
  static func spread(_ count: Int, _ catalog: CatalogSnapshot, isUp: (NodeID) -> Bool) throws(TallyError) -> [NodeID] {
    var load: [(node: NodeID, shards: Int)] = []
    for node in catalog.nodes where node.role == .worker && isUp(node.id) {
      load.append((node.id, catalog.shards.reduce(0) { $0 + ($1.primary == node.id ? 1 : 0) }))
    }
    guard !load.isEmpty else {
      throw TallyError(.unavailable, "no worker is up", hint: "start a worker; `tally node list` shows which are known")
    }
    var out: [NodeID] = []
    for _ in 0..<count {
      guard let at = load.indices.min(by: { (load[$0].shards, load[$0].node) < (load[$1].shards, load[$1].node) }) else { break }
      out.append(load[at].node)
      load[at].shards += 1
    }
    return out
  }
}
