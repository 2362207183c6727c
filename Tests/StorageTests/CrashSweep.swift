// CrashSweep.swift — a life on a simulated disk that loses its power after any of its operations, and once more while it recovers.
import Capabilities
import Glibc
import Model
import Simulation
import Testing

@testable import Storage

/// A life of shard 1 on whatever earlier ones left: recovered or made, with a new epoch and the schema, its open statements
/// ended as they were decided, then `body`.
func withShard(
  of near: Surroundings,
  epoch: UInt64,
  schema: ShardSchema,
  _ body: (ShardStore, Journal) async throws -> Void
) async throws {
  let opened = try await openJournal(near.disk, smallJournal(32 << 10))
  let journal = opened.journal
  let recovered = try await Recovery.openShards(disk: near.disk, clock: near.clock, cluster: testCluster, journal: opened)
  let store: ShardStore
  if let first = recovered.first {
    store = try first.outcome.get()
    try await store.applyAll(journal, near.compute)
  } else {
    store = try await ShardStore.create(disk: near.disk, clock: near.clock, cluster: testCluster, shard: ShardID(1))
  }
  try await withRunning(journal) {
    let entry = try store.beginEpoch(Epoch(epoch), node: testNode)
    _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
    try store.commit(through: entry.position)
    if store.applied.schema.version < CatalogVersion(1) { _ = try await store.write(.schemaBarrier(schema), journal: journal) }
    for open in store.applied.statements.open.keys.sorted() {
      let isDecided = store.applied.statements.open[open]?.decision != nil
      _ = try await store.write(isDecided ? .commit(open) : .abort(Abort(statement: open, doneBelow: 0)), journal: journal)
    }
    try await body(store, journal)
  }
}

/// Which operations of the disk are tried: every `stride`th, as four parts that run side by side.
struct CrashPoints {
  /// 0 to 3.
  var part: UInt64
  /// Operations between two crash points, unless TALLY_EXHAUSTIVE is set: then four.
  var stride: UInt64
  /// The second crash comes at most so many operations after the first.
  var second: UInt64

  /// Runs a life of its own for every crash point, until it has come to its end `lives` times; it is given its epoch. Returns the first
  /// point that lies behind its end, and how many crashes there were.
  func sweep(
    lives: Int = 1,
    _ begin: () -> @Sendable (Surroundings, _ epoch: UInt64) async throws -> Void
  ) throws -> (operations: UInt64, crashes: Int) {
    let stride = getenv("TALLY_EXHAUSTIVE") == nil ? stride : 4
    var point = part * stride / 4 + 1
    var total = 0
    while true {
      let (life, at, second) = (begin(), point, second)
      let crashes = try SimulatedWorld(seed: point).run { world -> Int in
        let node = world.node("worker", host: "10.0.0.1")
        node.disk.crashAfter(operation: at)
        var (epoch, crashes, ends): (UInt64, Int, Int) = (1, 0, 0)
        while ends < lives {
          do {
            let current = epoch
            try await node.run { near in try await life(near, current) }
            ends += 1
          } catch {
            // Nothing but the crash may end a life.
            #expect(!node.isUp, "crash point \(at), epoch \(epoch): \(error)")
            if node.isUp { throw error }
            crashes += 1
            node.restart()
            if crashes == 1 { node.disk.crashAfter(operation: node.disk.operations + 1 + at % second) }
          }
          epoch += 1
        }
        return crashes
      }
      if crashes == 0 { return (point, total) }
      total += crashes
      point += stride
    }
  }
}
