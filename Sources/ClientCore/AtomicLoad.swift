// AtomicLoad.swift — a load that is stored whole or not at all: every chunk is a part of one statement (StatementRun), run by the client.
//
// A chunk's batches have the keys they would have in any load of the source, and these take effect with the statement: so a load that was
// stored is known again, and what an earlier load stored in part is not stored twice.

import Bytes
import Capabilities
import Model
import RPC
import Wire

/// A client's way to shards' primaries.
struct MapCalls: PrimaryCalls {
  let map: ClusterMap
  let tryTimeout: Duration

  func call(
    _ shard: ShardID,
    giveUp: Instant,
    _ request: @escaping @Sendable (Epoch, CatalogVersion) -> Message
  ) async throws -> Message {
    var retry = RetryState(RetryPolicy(), giveUp: giveUp)
    while true {
      do {
        let routing = if let known = map.known { known } else { try await map.current(deadline: giveUp) }
        do {
          let (address, epoch) = try routing.primary(of: shard)
          return try await map.pool.call(
            request(epoch, routing.catalog.version),
            to: address,
            deadline: min(giveUp, map.clock.now + tryTimeout)
          )
        } catch let error as TallyError where error.isRetryable {
          guard let pause = retry.pause(now: map.clock.now, random: map.random) else { throw error }
          try await map.awaitNewer(than: routing, atMost: pause)
          if map.known?.shard(shard)?.epoch != routing.shard(shard)?.epoch { retry.restart() }
        }
      } catch let error as TallyError where error.isRetryable {
        // No coordinator, or no patience any more.
        guard let pause = retry.pause(now: map.clock.now, random: map.random) else { throw error }
        try await map.clock.sleep(for: pause)
      }
    }
  }
}

/// The statement of one load.
struct AtomicLoad: Sendable {
  let run: StatementRun
  private let table: TableID
  private let session: SessionID
  private let stride: Int

  /// Begins a statement in a session of its own; `session` and `stride` are the source's.
  static func begin(
    _ table: TableSchema,
    _ shards: [ShardRecord],
    session: SessionID,
    stride: Int,
    map: ClusterMap,
    options: ProducerOptions
  ) async throws -> AtomicLoad {
    guard let decider = shards.map(\.id).min() else { throw TallyError(.staleCatalog, "table \(table.name) has no shards") }
    let own = try await Producer.open(
      OpenProducer(table: table.name, name: "", chunkBytes: 0, fingerprint: .zero, again: true),
      map: map,
      deadline: map.clock.now + options.patience
    )
    let run = StatementRun(
      StatementID(session: own.session, number: 0),
      decider: decider,
      doneBelow: { 0 },
      calls: MapCalls(map: map, tryTimeout: options.tryTimeout),
      clock: map.clock,
      patience: options.patience
    )
    return AtomicLoad(run: run, table: table.id, session: session, stride: stride)
  }
  /// Stages a chunk; what it says is durable becomes so with the statement.
  func stage(chunk: Int, contentHash: Hash128, batches: [ShardBatch]) async throws -> Delivered {
    try await withThrowingTaskGroup(of: Delivered.self) { group in
      for batch in batches {
        let sequence = chunk * stride + batch.part
        // With the statement all lower chunks are in effect too.
        let key = BatchKey(session: session, sequence: UInt64(sequence), doneBelow: UInt64(chunk * stride))
        group.addTask {
          let staged = try await run.stage(
            batch.shard,
            ordinal: sequence + 1,
            .rows(StageRows.Rows(table: table, key: key, contentHash: contentHash, batch: batch.bytes))
          )
          // (Filled field by field it was returned without its zeros: the optimizer of Swift 6.3.1.)
          let rows = UInt64(batch.rows)
          return Delivered(rowsDurable: staged.isDuplicate ? 0 : rows, rowsDuplicate: staged.isDuplicate ? rows : 0)
        }
      }
      var sum = Delivered()
      for try await one in group { sum += one }
      return sum
    }
  }
}
