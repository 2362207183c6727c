// ReadRouting.swift — which workers a query asks for which shards, by its read level: a pure choice.
//
// `latest` goes to primaries. Other levels go to any copy that counts, `stale` to one that learns too when no other is left; a worker that
// is asked anyway is preferred, so that few are asked, and among the others requests take turns, so that copies take load off primaries.
// A worker that is known to be down is not asked.
import Model

/// How one statement reads.
struct ReadContext: Sendable {
  var level: ReadLevel
  /// What its reads must show at least.
  var seen: SessionToken
  /// Number of the request, for taking turns.
  var turn = 0
  /// The open statement whose own parts are seen as well.
  var statement: StatementID?
  static let latest = ReadContext(level: .latest, seen: SessionToken())
}

/// What one worker is asked for.
struct WorkerRead: Sendable {
  var node: NodeRecord
  var shards: [ShardPoint]
}

/// A copy that did not answer a read.
struct FailedCopy: Hashable {
  var shard: ShardID
  var node: NodeID
}

enum ReadRouting {
  /// The workers to ask for `shards`, each once, by rising number. `failed` are copies that were asked and did not answer.
  ///
  /// Throws `unavailable` when a shard has nobody left to ask.
  static func assign(
    _ shards: [ShardRecord],
    _ catalog: CatalogSnapshot,
    _ read: ReadContext,
    failed: Set<FailedCopy> = [],
    isDown: (NodeID) -> Bool
  ) throws(TallyError) -> [WorkerRead] {
    var asked: [NodeID: [ShardPoint]] = [:]
    for shard in shards {
      let node: NodeID
      let point: LogPoint
      if read.level == .latest {
        (node, point) = (shard.primary, LogPoint(epoch: shard.epoch, position: LogPosition(0)))
        if isDown(node) {
          throw TallyError(.unavailable, "the primary of shard \(shard.id), \(name(node, catalog)), is down", hint: Self.hint)
        }
      } else {
        var chosen: NodeID?
        for tier in tiers(shard, read.level) where chosen == nil {
          let able = tier.filter { !failed.contains(FailedCopy(shard: shard.id, node: $0)) && !isDown($0) }
          chosen = able.first { asked[$0] != nil } ?? (able.isEmpty ? nil : able[read.turn % able.count])
        }
        guard let chosen else { throw TallyError(.unavailable, "no copy of shard \(shard.id) can be asked") }
        (node, point) = (chosen, read.seen[shard.id])
      }
      asked[node, default: []].append(ShardPoint(shard: shard.id, point: point))
    }
    var reads: [WorkerRead] = []
    for (id, points) in asked.sorted(by: { $0.key < $1.key }) {
      guard let node = catalog.node(id) else { throw TallyError(.unavailable, "shard \(points[0].shard) has no primary") }
      reads.append(WorkerRead(node: node, shards: points))
    }
    return reads
  }
  private static let hint = "Another copy leads within seconds if one is up; read with session or stale meanwhile."

  /// Nodes whose copies may answer, those of a later list only when none of an earlier one can.
  private static func tiers(_ shard: ShardRecord, _ level: ReadLevel) -> [[NodeID]] {
    let counting = (shard.inSync + shard.eligible).map(\.node).sorted()
    if case .stale = level { return [counting, shard.learners.map(\.node).sorted()] }
    return [counting]
  }
  private static func name(_ node: NodeID, _ catalog: CatalogSnapshot) -> String { catalog.node(node)?.name ?? "node \(node)" }
}
