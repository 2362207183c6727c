// IngestFlow.swift — a batch of one shard: check, append, wait until durable and applied, answer.
//
// Key check and append are one step against the log's head: nothing awaits between them. A duplicate is answered only when its first
// append is committed. What does not fit the memory budget waits, and is refused with a retryable error when it waited too long.
import Bytes
import Capabilities
import Columns
import Execution
import Model
import RPC
import Replication
import Storage
import Wire

extension Worker {
  /// How long ingest waits for memory before it is refused.
  static let memoryTimeout = Duration.seconds(20)

  func ingest(_ request: Ingest, deadline: Instant) async throws -> Ingested {
    _ = try writable(request.shard, request.epoch)
    try requireRoom()
    if catalog.version < request.version { try await require(request.version) }
    try await waitForMemory(deadline)
    try await journal.reserve(request.batch.count)
    // Everything may have changed while this waited.
    let host = try writable(request.shard, request.epoch)
    guard let table = host.store.head.schema.table(request.table) else {
      throw missing(request.table, in: request.shard, for: request.version)
    }
    let batch = try checked(request.batch, table, host)
    let record = BatchRecord(table: table.id, rows: batch.count, contentHash: request.contentHash, key: request.key)
    let outcome: ShardHost.BatchOutcome
    if !table.isGuarded {
      outcome = try host.append(record, encoded: request.batch, rows: batch)
    } else {
      outcome = try await whileKeysAreFree(batch, table, host, by: nil, deadline: deadline) {
        try host.store.isKnown(record)
      } append: {
        _ = try writable(request.shard, request.epoch)
        if let key = table.distribution.tenantKey { try refuseDeleted(batch.columns[key], host) }
        return try host.append(record, encoded: request.batch, rows: batch)
      }
    }
    switch outcome {
    case .appended(let appended):
      lastIngest = surroundings.clock.now
      try await host.settle(appended)
      host.noteBatch(of: table.id, at: appended.position, now: surroundings.clock.now)
      let point = LogPoint(epoch: appended.epoch, position: appended.position)
      return Ingested(point: point, copies: host.copies, isDuplicate: false, rows: UInt64(batch.count))
    case .duplicate(let known):
      try await host.settle(known.position)
      return Ingested(point: host.appliedPoint, copies: host.copies, isDuplicate: true, rows: UInt64(known.rows))
    }
  }

  /// The shard's host, when it may take rows: enough copies are in sync.
  func writable(_ shard: ShardID, _ epoch: Epoch) throws(TallyError) -> ShardHost {
    let host = try serving(shard, epoch)
    if let primary = host.primary, primary.copyCount < primary.leastInSync {
      throw TallyError(
        .unavailable,
        "shard \(shard) has \(primary.copyCount) of the \(primary.leastInSync) copies that must be in sync",
        hint: "start the workers that are down; the batch can be repeated",
        node: settings.name
      )
    }
    return host
  }
  /// Decodes a batch and checks what the log must be able to rely on: types, NOT NULL, and that every row belongs to the shard.
  func checked(_ bytes: [UInt8], _ table: TableSchema, _ host: ShardHost) throws -> Batch {
    guard bytes.count <= Limits.batchBytesMax else {
      throw TallyError(.invalid, "a batch of \(bytes.count) bytes", sqlState: "54000")
    }
    let batch = try BatchFormat.decode(bytes, types: table.columns.map(\.type))
    try RowConstraints.check(batch, table, try host.checks(of: table))
    // A table on one shard has no tenants: every row belongs there.
    guard let key = table.distribution.tenantKey else {
      guard table.distribution.group != nil else { throw TallyError(.staleCatalog, "table \(table.name) has no place") }
      return batch
    }
    guard TenantHashes.all(batch.columns[key], areWithin: host.shardRange) else {
      throw TallyError(
        .notPrimary,
        "a batch for shard \(host.id) holds rows of tenants that belong to other shards",
        node: settings.name
      )
    }
    try refuseDeleted(batch.columns[key], host)
    return batch
  }

  /// Waits while memtables are over their bound.
  func waitForMemory(_ deadline: Instant) async throws {
    guard memoryTaken > settings.memtableBytesMax else { return }
    let limit = min(deadline, surroundings.clock.now + Self.memoryTimeout)
    while memoryTaken > settings.memtableBytesMax {
      guard surroundings.clock.now < limit else {
        throw TallyError(
          .overloaded,
          "rows in memory hold \(memoryTaken) of \(settings.memory) bytes of memory",
          hint: "repeat the batch later",
          node: settings.name
        )
      }
      try await surroundings.clock.sleep(for: .milliseconds(10))
    }
  }
}
