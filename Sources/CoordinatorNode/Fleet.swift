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
    /// When its present life was heard of first.
    var upSince: Instant
    /// It is about to end.
    var isLeaving = false
    /// It came back to shards that it led, and waits for the logs to be compared.
    var awaitsComparison = false
    /// It started a few seconds ago.
    var isYoung = false
    var incarnation: Incarnation
    var version: CatalogVersion
    var load: NodeLoad
    var shards: [ShardReport]
  }
  /// A worker is down when nothing was heard of it for this long; its shards get other primaries then.
  static let silence = Duration.seconds(2)
  private(set) var workers: [NodeID: Worker] = [:]
  /// When each was heard last, also of those that are lost.
  private var heard: [NodeID: Instant] = [:]

  /// Takes in a heartbeat.
  mutating func hear(_ beat: Heartbeat, at now: Instant) {
    let known = workers[beat.node]
    heard[beat.node] = now
    workers[beat.node] = Worker(
      heardAt: now,
      upSince: known?.incarnation == beat.incarnation ? known?.upSince ?? now : now,
      isLeaving: beat.isLeaving,
      awaitsComparison: beat.awaitsComparison,
      isYoung: beat.isYoung,
      incarnation: beat.incarnation,
      version: beat.version,
      load: beat.load,
      shards: beat.shards
    )
  }
  /// Takes in a registration: the worker is up although it has not beaten yet.
  mutating func hear(registered node: NodeID, _ incarnation: Incarnation, version: CatalogVersion, at now: Instant) {
    workers[node] = Worker(
      heardAt: now,
      upSince: now,
      isYoung: true,
      incarnation: incarnation,
      version: version,
      load: NodeLoad(),
      shards: []
    )
  }
  /// A worker cannot be reached: nothing listens at its address.
  mutating func lost(_ node: NodeID) { workers[node] = nil }
  /// Whether a copy's log is known to be no shorter than what its worker acknowledged: it has been up for a while, or those that count as
  /// well have told how far they are since it came up, all of them or, after `patience`, some. What tells more is ahead in an election.
  func isCompared(_ shard: ShardRecord, on node: NodeID, patience: Duration, at now: Instant) -> Bool {
    guard let worker = workers[node], worker.isYoung else { return true }
    let others = shard.inSync.filter { $0.node != node }
    let told = others.count { heard[$0.node].map { $0 >= worker.upSince } ?? false }
    return told == others.count || told > 0 && now - worker.upSince > patience
  }
  /// Whether a worker may be asked.
  func isUp(_ node: NodeID, at now: Instant) -> Bool {
    guard let worker = workers[node] else { return false }
    return now - worker.heardAt < Self.silence
  }
  /// Whether a worker was heard of before, but is not any more. Of one that was never heard of nothing is known.
  func isSilent(_ node: NodeID, at now: Instant) -> Bool { workers[node].map { now - $0.heardAt >= Self.silence } ?? false }
  /// Whether a worker may be given something: it is up and stays.
  func isStaying(_ node: NodeID, at now: Instant) -> Bool { isUp(node, at: now) && workers[node]?.isLeaving == false }
  /// The workers that may be given something.
  func staying(_ catalog: CatalogSnapshot, at now: Instant) -> [NodeID] {
    catalog.nodes.filter { $0.role == .worker && isStaying($0.id, at: now) }.map(\.id)
  }
  /// The last report of a shard by its primary.
  func report(_ shard: ShardRecord) -> ShardReport? { report(shard, by: shard.primary) }
  /// The last report of a shard by a worker.
  func report(_ shard: ShardRecord, by node: NodeID) -> ShardReport? { workers[node]?.shards.first { $0.shard == shard.id } }
}

/// Chooses nodes for copies of shards.
enum Placement {
  /// Copies a shard shall have: those asked for, or by the number of workers when none are (0).
  static func copies(_ wanted: Int, workers: Int) -> Int { wanted > 0 ? wanted : min(2, max(1, workers)) }

  /// Spreads `count` shards of `copies` copies over the workers that are up: for each shard its nodes, primary first; fewest primaries,
  /// then fewest copies first, by id among equals. With fewer workers than copies shards begin with fewer copies.
  static func spread(
    _ count: Int,
    copies wanted: Int,
    _ catalog: CatalogSnapshot,
    isUp: (NodeID) -> Bool
  ) throws(TallyError) -> [[NodeID]] {
    var load: [(node: NodeID, primaries: Int, copies: Int)] = []
    for node in catalog.nodes where node.role == .worker && isUp(node.id) {
      load.append(
        (
          node.id, catalog.shards.count { $0.primary == node.id },
          catalog.shards.count { $0.replica(on: node.id) != nil }
        )
      )
    }
    guard !load.isEmpty else {
      throw TallyError(.unavailable, "no worker is up", hint: "start a worker; `tally node list` shows which are known")
    }
    let copies = min(load.count, copies(wanted, workers: load.count))
    var out: [[NodeID]] = []
    for _ in 0..<count {
      guard
        let first = load.indices.min(by: {
          (load[$0].primaries, load[$0].copies, load[$0].node) < (load[$1].primaries, load[$1].copies, load[$1].node)
        })
      else { break }
      load[first].primaries += 1
      load[first].copies += 1
      var nodes = [load[first].node]
      while nodes.count < copies {
        guard
          let next = load.indices.filter({ !nodes.contains(load[$0].node) })
            .min(by: { (load[$0].copies, load[$0].node) < (load[$1].copies, load[$1].node) })
        else { break }
        load[next].copies += 1
        nodes.append(load[next].node)
      }
      out.append(nodes)
    }
    return out
  }
}
