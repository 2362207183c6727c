// PlayedLog.swift — the log of a primary that a test plays: its entries, and other ends of it in later epochs.
import Bytes
import Capabilities
import Columns
import Model
import Replication
import Simulation

@testable import Storage

/// A primary's log, in memory.
final class PlayedLog {
  private let store: ShardStore
  private var all: [LogEntry] = []

  init(_ clock: any Clock) async throws {
    store = try await ShardStore.create(
      disk: SimulatedDisk(seed: 1),
      clock: clock,
      cluster: WorkerStage.cluster,
      shard: WorkerStage.shard
    )
  }
  static func rows(_ count: Int) -> Batch {
    let numbers = (0..<Int64(count)).map { $0 }
    return Batch(count: count, columns: [ColumnVector(.bigint, .fixed(numbers)), ColumnVector(.bigint, .fixed(numbers))])
  }
  /// Begins an epoch behind a position; what lay above is not in the log any more.
  func begin(_ epoch: UInt64, after position: UInt64 = 0) throws {
    try store.cut(above: LogPosition(position))
    all.removeAll { $0.position > LogPosition(position) }
    all.append(try store.beginEpoch(Epoch(epoch), node: WorkerStage.played.node))
  }
  func addSchema() throws {
    all.append(try store.append(.schemaBarrier(ShardSchema(version: CatalogVersion(1), tables: [WorkerStage.table]))))
  }
  func add(rows count: Int) throws {
    let (rows, bytes) = (Self.rows(count), BatchFormat.encode(Self.rows(count)))
    let record = BatchRecord(table: WorkerStage.table.id, rows: count, contentHash: Murmur3.hash(bytes), key: nil)
    if case .appended(let entry) = try store.appendBatch(record, encoded: bytes, rows: rows) { all.append(entry) }
  }
  /// The entries above a position.
  func entries(after position: UInt64) -> [LogEntry] { all.filter { $0.position > LogPosition(position) } }
  /// The place of an entry; 0: before the first.
  func place(_ position: UInt64) -> LogPlace {
    guard let entry = all.first(where: { $0.position == LogPosition(position) }) else { return .applied(LogPosition(0)) }
    return LogPlace(position: entry.position, epoch: entry.epoch, chain: entry.chain)
  }
}
