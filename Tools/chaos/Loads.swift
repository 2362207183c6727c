// Loads.swift — what clients send: loads of batches whose rows depend on the seed alone, so that a load can be sent again.
//
// Every row names its load, its batch and its place, and carries a value of 30 random bits. Of a batch and a tenant the count, the sum of
// values and the sum of places are known beforehand: a row that is lost, doubled or torn off changes one of them.
import TallyClient

/// One row of the table `events`.
struct EventRow: Sendable {
  var tenant: Int64
  var time: TallyTimestamp
  var user: Int64
  var item: String
  var place: Int64
  var value: Int64
}

/// What a batch holds of one tenant.
struct BatchPart: Sendable, Equatable {
  var tenant: Int64
  var rows: Int64 = 0
  var values: Int64 = 0
  var places: Int64 = 0
}

/// A named producer's rows.
struct Load: Sendable {
  /// Distinguishes it from every other load of the run.
  let id: Int64
  /// The client that sends it.
  let producer: Int64
  /// Batches it has.
  let batches: Int
  /// Rows of each.
  let batchRows: Int
  /// Tenants its rows belong to.
  let tenants: [Int64]
  private let chance: Chance

  init(id: Int64, producer: Int64, batches: Int, batchRows: Int, tenants: [Int64], chance: Chance) {
    self.id = id
    self.producer = producer
    self.batches = batches
    self.batchRows = batchRows
    self.tenants = tenants
    self.chance = chance.fork("load", Int(id))
  }
  /// The name under which its batches are stored once.
  var name: String { "chaos load \(id)" }

  /// Its rows of a batch; the same every time.
  func rows(of batch: Int) -> [EventRow] {
    var chance = chance.fork("batch", batch)
    // A batch has a few of the tenants: each of its parts lies in one shard.
    let few = (0...chance.below(3)).compactMap { _ in chance.pick(tenants) }
    return (0..<batchRows).map { place in
      let late = chance.percent(20) ? chance.below(172_800) : chance.below(600)
      return EventRow(
        tenant: few[chance.below(few.count)],
        time: TallyTimestamp(seconds: Self.start + Int64(batch % 3_000) * 60 - Int64(late)),
        user: Int64(chance.below(5000)),
        item: "item \(chance.below(300))",
        place: Int64(place),
        value: Int64(chance.next() >> 34)
      )
    }
  }
  /// 2026-06-01 00:00, so that late rows cross days and a month.
  private static let start: Int64 = 1_780_272_000

  /// What a batch holds, by tenant.
  static func parts(of rows: [EventRow]) -> [BatchPart] {
    var parts: [Int64: BatchPart] = [:]
    for row in rows {
      parts[row.tenant, default: BatchPart(tenant: row.tenant)].rows += 1
      parts[row.tenant]?.values += row.value
      parts[row.tenant]?.places += row.place
    }
    return parts.values.sorted { $0.tenant < $1.tenant }
  }
}

/// The table and rollup of a run.
enum EventTable {
  static let name = "events"
  static let rollup = "activity"
  static let levels = ["activity", "activity_5min", "activity_1day", "activity_1month"]
  static let columns = ["tenant", "ts", "user_id", "item", "producer", "load", "batch", "place", "value"]

  static func definition(shards: Int) -> [String] {
    [
      """
      CREATE TABLE IF NOT EXISTS events (tenant bigint NOT NULL, ts timestamp, user_id bigint, item text, producer bigint, load bigint,
        batch bigint, place bigint, value bigint)
      """,
      "SELECT create_distributed_table('events', 'tenant', shard_count => \(shards))",
      """
      CREATE MATERIALIZED VIEW IF NOT EXISTS activity WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
      SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(value) AS total,
        hll_add_agg(hll_hash_bigint(user_id)) AS users, topn_add_agg(item) AS items
      FROM events GROUP BY tenant, bucket
      """,
    ]
  }
}

extension IngestSink {
  /// Appends a load's row.
  func append(_ row: EventRow, of load: Load, batch: Int) async throws {
    try await append(
      row.tenant,
      row.time,
      row.user,
      row.item,
      load.producer,
      load.id,
      Int64(batch),
      row.place,
      row.value
    )
  }
}
