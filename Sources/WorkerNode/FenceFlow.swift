// FenceFlow.swift — when a fenced table has come to rest on a shard: its rows are going to be moved (CoordinatorNode/MoveFlow).
//
// The fence is a schema barrier in the shard's log: behind it no part of a statement touches the table (Storage/ShardState). Parts that
// were staged before it may still commit, so whoever wants to read the table's last rows waits here until no open statement has one, and
// until what the log has then is committed. A primary that was replaced commits nothing, and whoever leads after this one has the barrier.
import Capabilities
import Model
import Storage
import Wire

extension Worker {
  /// Pause between two looks at a shard's open statements.
  private static let restInterval = Duration.milliseconds(5)

  /// Waits until nothing changes a fenced table of a shard any more.
  func awaitRest(_ request: AwaitRest, deadline: Instant) async throws {
    let host = try serving(request.shard, request.epoch)
    guard host.store.head.schema.table(request.table)?.isFenced == true else {
      throw TallyError(.staleCatalog, "table \(request.table) is not fenced on shard \(host.id) yet", node: settings.name)
    }
    while host.store.head.statements.open.values.contains(where: { $0.pieces.contains { $0.stage.content.table == request.table } }) {
      guard surroundings.clock.now < deadline else {
        throw TallyError(.timedOut, "open statements that change table \(request.table) did not end in time", node: settings.name)
      }
      try await surroundings.clock.sleep(for: Self.restInterval)
      _ = try serving(request.shard, request.epoch)
    }
    try await host.settle(host.store.head.position)
    guard try serving(request.shard, request.epoch).store.head.schema.table(request.table)?.isFenced == true else {
      throw TallyError(.staleCatalog, "table \(request.table) is not fenced on shard \(host.id) any more", node: settings.name)
    }
  }

  // MARK: What has gone elsewhere

  /// A request for a table that is not in the shard's log now: its catalog comes later, or it has gone, dropped or with its rows to other
  /// shards; then nothing was done, and the statement is to be planned anew.
  func missing(_ table: TableID, in shard: ShardID, for version: CatalogVersion) -> TallyError {
    guard catalog.version >= version, catalog.table(table) == nil else {
      return TallyError(.staleCatalog, "table \(table) is not in shard \(shard)", node: settings.name)
    }
    return TallyError(.stalePlan, "table \(table) is not in shard \(shard) any more", hint: "Repeat the statement.", node: settings.name)
  }
}
