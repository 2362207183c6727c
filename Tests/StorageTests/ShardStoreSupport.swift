// ShardStoreSupport.swift — a small table with a rollup, a roller, and what a shard must hold: for the shard store's tests.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

let hourMicroseconds: Int64 = 3_600_000_000
let dayMicroseconds: Int64 = 86_400_000_000
/// 2026-01-01, where simulated wall clocks begin.
let newYear: Int64 = 1_767_225_600_000_000

/// events(tenant bigint, ts timestamptz, id bigint) with keep 1 day, and a rollup of it: count and sum(id) by hour and day.
enum Events {
  static let table = TableSchema(
    id: TableID(10),
    name: "events",
    columns: [
      Column(name: "tenant", type: .bigint), Column(name: "ts", type: .timestamptz), Column(name: "id", type: .bigint),
    ],
    distribution: .distributed(key: 0, group: GroupID(1)),
    timeColumn: 1,
    keep: Interval(days: 1)
  )
  static func rollup(_ id: UInt64 = 20, keep: Interval? = nil) -> RollupDefinition {
    RollupDefinition(
      id: TableID(id),
      name: "r\(id)",
      source: TableID(10),
      keys: [Column(name: "tenant", type: .bigint), Column(name: "bucket", type: .timestamptz)],
      measures: [
        RollupMeasure(name: "n", kind: .count, type: .bigint), RollupMeasure(name: "total", kind: .count, type: .bigint),
      ],
      levels: [
        RollupLevel(width: .microseconds(hourMicroseconds), suffix: "1hour", keep: keep),
        RollupLevel(width: .microseconds(dayMicroseconds), suffix: "1day"),
      ],
      sql: "SELECT",
      program: [],
      outputOrder: [0, 1, 2, 3]
    )
  }
  static func schema(_ version: UInt64, rollups: [RollupDefinition] = []) -> ShardSchema {
    ShardSchema(version: CatalogVersion(version), tables: [table], rollups: rollups)
  }
}

struct EventRow: Hashable, Comparable {
  var tenant: Int64
  var time: Int64
  var id: Int64
  static func < (a: EventRow, b: EventRow) -> Bool { a.id < b.id }
}
struct BucketRow: Hashable {
  var tenant: Int64
  var bucket: Int64
}

func eventBatch(_ rows: [EventRow]) -> Batch {
  Batch(
    count: rows.count,
    columns: [
      ColumnVector(.bigint, .fixed(rows.map(\.tenant))), ColumnVector(.timestamptz, .fixed(rows.map(\.time))),
      ColumnVector(.bigint, .fixed(rows.map(\.id))),
    ]
  )
}
func fixed(_ column: ColumnVector) -> [Int64] {
  if case .fixed(let values) = column.values { return values }
  return []
}
func eventRows(_ batch: Batch) -> [EventRow] {
  let (tenants, times, ids) = (fixed(batch.columns[0]), fixed(batch.columns[1]), fixed(batch.columns[2]))
  return (0..<batch.count).map { EventRow(tenant: tenants[$0], time: times[$0], id: ids[$0]) }
}
/// The rollup's states of rows, as one run.
func stateRun(_ rows: [EventRow]) -> Batch {
  var groups: [BucketRow: (Int64, Int64)] = [:]
  for row in rows {
    let bucket = Calendar.truncateToBucket(row.time, .microseconds(hourMicroseconds))
    groups[BucketRow(tenant: row.tenant, bucket: bucket), default: (0, 0)].0 += 1
    groups[BucketRow(tenant: row.tenant, bucket: bucket), default: (0, 0)].1 += row.id
  }
  let sorted = groups.sorted { ($0.key.tenant, $0.key.bucket) < ($1.key.tenant, $1.key.bucket) }
  return Batch(
    count: sorted.count,
    columns: [
      ColumnVector(.bigint, .fixed(sorted.map(\.key.tenant))),
      ColumnVector(.timestamptz, .fixed(sorted.map(\.key.bucket))),
      ColumnVector(.bigint, .fixed(sorted.map(\.value.0))), ColumnVector(.bigint, .fixed(sorted.map(\.value.1))),
    ]
  )
}

/// The log of a shard that has one copy: committed is what is durable.
final class SoleCopy: ShardLog {
  let store: ShardStore
  let journal: Journal
  init(_ store: ShardStore, _ journal: Journal) {
    self.store = store
    self.journal = journal
  }
  func write(_ body: EntryBody) async throws -> LogEntry { try await store.write(body, journal: journal) }
}

extension ShardStore {
  func sole(_ journal: Journal) -> SoleCopy { SoleCopy(self, journal) }
  /// Appends an entry, makes it durable and applies it.
  func write(_ body: EntryBody, rows: PreparedRows = .none, journal: Journal) async throws -> LogEntry {
    let entry = try append(body, rows: rows)
    _ = try await journal.append([JournalRecord(shard: shard, entry: entry)])
    try commit(through: entry.position)
    return entry
  }
  /// Applies all that a start found in the journal.
  func applyAll(_ journal: Journal, _ compute: any Compute) async throws {
    try commit(through: head.position)
    if needsFiles { try await makeFiles(journal: journal, compute: compute) }
    #expect(applied.position == head.position)
  }
  func eventRows(after: LogPosition = LogPosition(0), through: LogPosition? = nil) throws -> [EventRow] {
    var rows: [EventRow] = []
    let table = try #require(self.snapshot(of: TableID(10)))
    _ = try table.scan(columns: [0, 1, 2], after: after, through: through) { rows += StorageTests.eventRows($0) }
    return rows
  }
  /// Counts and sums of a level by bucket.
  func buckets(_ rollup: RollupDefinition, _ level: Int) throws -> [BucketRow: [Int64]] {
    var found: [BucketRow: [Int64]] = [:]
    let states = try #require(self.snapshot(of: rollup.levelTable(level)))
    _ = try states.scan(columns: [0, 1, 2, 3]) { batch in
      let columns = batch.columns.map(fixed)
      for row in 0..<batch.count {
        let key = BucketRow(tenant: columns[0][row], bucket: columns[1][row])
        let old = found[key] ?? [0, 0]
        found[key] = [old[0] + columns[2][row], old[1] + columns[3][row]]
      }
    }
    return found
  }
  func add(_ rows: [EventRow], sequence: UInt64, _ journal: Journal) async throws -> BatchAdmission {
    let batch = eventBatch(rows)
    let bytes = BatchFormat.encode(batch)
    let admission = try appendBatch(
      BatchRecord(
        table: TableID(10),
        rows: rows.count,
        contentHash: Murmur3.hash(bytes),
        key: BatchKey(session: SessionID(5), sequence: sequence)
      ),
      encoded: bytes,
      rows: sequence % 2 == 0 ? batch : nil
    )
    if case .appended(let entry) = admission {
      _ = try await journal.append([JournalRecord(shard: shard, entry: entry)])
      try commit(through: entry.position)
    }
    return admission
  }
  func roll(_ rollup: RollupDefinition, _ journal: Journal) async throws {
    let from = try #require(rollupState(rollup.id)).watermark
    let to = applied.position
    let rows = try eventRows(after: from, through: to)
    let run = stateRun(rows)
    _ = try await write(
      .rollupCommit(
        RollupCommit(
          rollup: rollup.id,
          from: from,
          to: to,
          rowsConsumed: UInt64(rows.count),
          rowsFailed: 0,
          runs: run.count == 0 ? [] : [BatchFormat.encode(run)]
        )
      ),
      journal: journal
    )
  }
  func backfill(_ rollup: RollupDefinition, from: Int64, _ journal: Journal) async throws {
    let state = try #require(rollupState(rollup.id))
    if state.coveredFrom <= from { return }
    let rows = try eventRows(through: state.cut).filter { $0.time >= from && !state.covers(time: $0.time) }
    _ = try await write(
      .backfillCommit(
        BackfillCommit(
          rollup: rollup.id,
          from: from,
          to: state.coveredFrom,
          rowsConsumed: UInt64(rows.count),
          rowsFailed: 0,
          runs: [BatchFormat.encode(stateRun(rows))]
        )
      ),
      rows: try PreparedRows.states(of: [stateRun(rows)], rollup: rollup),
      journal: journal
    )
  }
}

/// What a test sent to one shard.
struct SentBatch {
  var rows: [EventRow]
  var sequence: UInt64
  var position: LogPosition?
  var isAcknowledged = false
}

/// Two shards on a simulated disk, opened and closed as often as a test likes.
struct Fixture {
  let disk = SimulatedDisk(seed: 1)
  let clock = HandClock()
  let compute = InlineCompute()

  /// Makes shards 1 and 2 with a table and one batch of rows a day, for `days` days up to now.
  func fill(days: Int, rollups: [RollupDefinition] = []) async throws {
    try await start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      for shard in 1...2 as ClosedRange<UInt64> {
        let store = try await ShardStore.create(disk: disk, clock: clock, cluster: testCluster, shard: ShardID(shard))
        let entry = try store.beginEpoch(Epoch(1), node: testNode)
        _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
        try store.commit(through: entry.position)
        _ = try await store.write(.schemaBarrier(Events.schema(1, rollups: rollups)), journal: journal)
        for day in 0..<days {
          let rows = (0..<400).map {
            EventRow(
              tenant: Int64($0 % 7),
              time: newYear - Int64(days - day) * dayMicroseconds + Int64($0),
              id: Int64(day * 1000 + $0)
            )
          }
          _ = try await store.add(rows, sequence: UInt64(day), journal)
        }
      }
    }
  }
  func recover(_ opened: OpenedJournal) async throws -> [RecoveredShard] {
    try await Recovery.openShards(disk: disk, clock: clock, cluster: testCluster, journal: opened)
  }
  /// Opens everything, runs `body`, closes.
  func start(_ body: ([ShardStore], Journal) async throws -> Void) async throws {
    let opened = try await openJournal(disk)
    let stores = try await recover(opened).map { try $0.outcome.get() }
    for store in stores { try await store.applyAll(opened.journal, compute) }
    try await withRunning(opened.journal) { try await body(stores, opened.journal) }
  }
  func segment(_ shard: Int) async throws -> String {
    let names = try await disk.list("shards/\(shard)").map(\.name)
    return try #require(names.first { $0.hasSuffix(".seg") })
  }
}
