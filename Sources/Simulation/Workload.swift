// Workload.swift — what a seed does to a cluster: its shape and tuning, the rows its producers send, when the rollup comes.
//
// Everything is drawn from the seed's own stream before the run begins, so that the same rows are sent whatever happens.
// Rows: times over five days across a month's border, growing with the row's number, some of them late by days; a few NULLs.
import Bytes
import Capabilities
import ClientCore
import Columns
import Model
import Storage
import WorkerNode

/// One row of the workload's table.
struct EventRow: Sendable, Equatable {
  var id: Int64
  var tenant: Int64
  /// Microseconds since 1970.
  var time: Int64?
  var user: Int64?
  var item: String?
  var value: Int64
}

/// What one seed does.
struct Workload: Sendable {
  /// When the rollup is created.
  enum RollupMoment: Sendable, CaseIterable {
    case before, midway, after
  }
  static let second: Int64 = 1_000_000
  static let day: Int64 = 86_400 * second
  /// 2026-05-29 00:00.
  static let firstDay: Int64 = 20_602 * day
  /// 2026-05-01 and 2026-06-01 00:00, for the level of months.
  static let may: Int64 = 20_574 * day
  static let june: Int64 = 20_605 * day

  let workers: Int
  /// Copies asked for; 0 = as many as the number of workers suggests.
  let copies: Int
  let shards: Int
  let tenants: Int
  let moment: RollupMoment
  /// Rows of each producer's chunks.
  let sources: [[[EventRow]]]
  /// Rows of statements over several tenants.
  let statements: [[EventRow]]
  /// Rows of batches under ids of their own.
  let keyed: [[EventRow]]
  /// Chunks that a producer has under way at once.
  let width: Int
  /// Longest pause of a producer between two chunks.
  let pause: Duration
  let faults: Int
  /// Longest time between two faults.
  let faultGap: Duration
  let faultClasses: FaultClasses
  /// A storm is over in seconds; other runs take about so long, with work in bursts and faults at a lower rate.
  let length: Duration?
  /// A second table is made, filled, truncated and dropped meanwhile.
  let hasSecondTable: Bool
  /// A table whose rows expire is filled meanwhile.
  let hasExpiringTable: Bool
  /// A table with a key is changed by several writers meanwhile.
  let hasCounters: Bool
  /// Blocks over several tenants' rows run meanwhile, in tables that refer to one another.
  let hasBlocks: Bool
  /// Every copy is read at the end.
  let readsEveryCopy: Bool
  let wallOffsets: [Int64]
  private let tuning: [UInt64]

  init(_ random: SeededGenerator) {
    copies = [0, 0, 0, 1, 2, 3, 3][Int(random.next(below: 7))]
    workers = max(copies, 1) + Int(random.next(below: copies == 3 ? 2 : 3))
    shards = 1 + Int(random.next(below: 6))
    tenants = 2 + Int(random.next(below: 10))
    moment = RollupMoment.allCases[Int(random.next(below: 3))]
    width = 1 + Int(random.next(below: 4))
    pause = .milliseconds(Int64(random.next(in: 10...400)))
    switch random.next(below: 10) {
    case 0...2: length = nil
    case 3...7: length = .seconds(Int64(random.next(in: 60...600)))
    default: length = .seconds(Int64(random.next(in: 600...1800)))
    }
    faults = length == nil ? 4 + Int(random.next(below: 12)) : .max
    faultGap = .milliseconds(Int64(length == nil ? random.next(in: 200...2000) : random.next(in: 5000...60_000)))
    faultClasses = FaultClasses(random)
    hasSecondTable = random.chance(percent: 50)
    hasExpiringTable = random.fork("expiring table").chance(percent: 40)
    hasCounters = random.fork("counters").chance(percent: 40)
    hasBlocks = random.fork("blocks").chance(percent: 40)
    readsEveryCopy = random.chance(percent: 50)
    let skews = random.chance(percent: 30)
    wallOffsets = (0..<6).map { _ in
      skews ? Int64(random.next(below: 7200)) * Self.second - 3600 * Self.second : 0
    }
    tuning = (0..<8).map { _ in random.next() }
    let producers = 1 + Int(random.next(below: 3))
    let chunks = 10 + Int(random.next(below: 60))
    let rowsMax = 1 + random.next(below: 80)
    let users: UInt64 = [20, 1000, 100_000][Int(random.next(below: 3))]
    let span = UInt64(5 * Self.day)
    var id: Int64 = 0
    let total = Double(producers * chunks)
    let tenantCount = UInt64(tenants)
    var sources: [[[EventRow]]] = []
    for producer in 0..<producers {
      var list: [[EventRow]] = []
      for chunk in 0..<chunks {
        let progress = Double(producer + chunk * producers) / total
        list.append(
          (0...Int(random.next(below: rowsMax))).map { _ in
            id += 1
            var offset = UInt64(progress * Double(span)) + random.next(below: UInt64(3600 * Self.second))
            if random.chance(percent: 15) { offset = random.next(below: offset + 1) }
            let tenant = min(random.next(below: tenantCount), random.next(below: tenantCount))
            return EventRow(
              id: id,
              tenant: Int64(tenant),
              time: random.chance(percent: 1) ? nil : Self.firstDay + Int64(offset),
              user: random.chance(percent: 2) ? nil : Int64(random.next(below: users)),
              item: random.chance(percent: 2) ? nil : "item \(random.next(below: 20))",
              value: Int64(random.next(below: 1000)) - 50
            )
          }
        )
      }
      sources.append(list)
    }
    self.sources = sources
    var statements: [[EventRow]] = []
    for _ in 0..<(20 + random.next(below: 100)) {
      statements.append(
        (0...Int(random.next(below: 12))).map { _ in
          id += 1
          let offset = Int64(random.next(below: span))
          return EventRow(
            id: id,
            tenant: Int64(random.next(below: tenantCount)),
            time: random.chance(percent: 5) ? nil : Self.firstDay + offset,
            user: Int64(random.next(below: users)),
            item: random.chance(percent: 5) ? nil : "item \(random.next(below: 20))",
            value: Int64(random.next(below: 1000)) - 50
          )
        }
      )
    }
    self.statements = statements
    var keyed: [[EventRow]] = []
    for _ in 0..<(10 + random.next(below: 40)) {
      keyed.append(
        (0...Int(random.next(below: 8))).map { _ in
          id += 1
          return EventRow(
            id: id,
            tenant: Int64(random.next(below: tenantCount)),
            time: Self.firstDay + Int64(random.next(below: span)),
            user: Int64(random.next(below: users)),
            item: "item \(random.next(below: 20))",
            value: Int64(random.next(below: 1000)) - 50
          )
        }
      )
    }
    self.keyed = keyed
  }

  /// A pause before one of `steps` pieces of work: a short one within a burst, a long one between two bursts of a long run.
  func pause(_ random: SeededGenerator, _ short: ClosedRange<UInt64>, steps: Int) -> Duration {
    guard let length, random.chance(percent: 10) else { return .milliseconds(Int64(random.next(in: short))) }
    let mean = UInt64(10 * (length / .milliseconds(1)) / Double(max(1, steps)))
    return .milliseconds(Int64(random.next(in: 0...2 * mean)))
  }
  /// Rows of all producers.
  var sourceRows: Int { sources.reduce(0) { $0 + $1.reduce(0) { $0 + $1.count } } }

  /// Makes a worker small enough that a few thousand rows rotate its journal and fill, flush and merge its shards.
  func tune(_ settings: inout WorkerSettings) {
    func draw(_ at: Int, _ range: ClosedRange<UInt64>) -> Int {
      Int(range.lowerBound + tuning[at] % (range.upperBound - range.lowerBound + 1))
    }
    settings.memory = 64 << 20
    settings.flushThreshold = draw(0, 2...64) << 10
    settings.journal.fileBytes = draw(1, 1...4) << 16
    settings.journal.groupBytes = draw(2, 1...16) << 12
    settings.journal.pinnedBytesMax = draw(3, 2...12) << 16
    // A long run is idle most of the time: it looks for work about as often as workers do by default.
    settings.rollInterval = .milliseconds(Int64(draw(4, length == nil ? 20...1500 : 100...3000)))
    settings.layoutInterval = .milliseconds(Int64(draw(5, length == nil ? 20...400 : 100...800)))
    settings.rollRows = draw(6, 20...2000)
    settings.digestPeriod = .milliseconds(Int64(2000 + (tuning[7] >> 20) % 18_000))
    settings.digestLook = .milliseconds(200)
    settings.memoryAgeMax = .milliseconds(Int64(draw(7, 500...20_000)))
  }

  // MARK: SQL

  static let createTable =
    "CREATE TABLE events (tenant bigint, ts timestamp, user_id bigint, item text, id bigint, value bigint)"
  var distribute: String { "SELECT create_distributed_table('events', 'tenant', shard_count => \(shards), copies => \(copies))" }
  /// Copies that every shard has when all is well.
  var copiesInSync: Int { copies > 0 ? copies : min(2, workers) }
  static let createRollup = """
    CREATE MATERIALIZED VIEW IF NOT EXISTS activity WITH (rollup, levels = '5 minutes, 1 day, 1 month') AS
    SELECT tenant, time_bucket(ts) AS bucket, count(*) AS n, sum(value) AS total, min(value) AS lowest,
      max(value) AS highest, hll_add_agg(hll_hash_bigint(user_id)) AS users, topn_add_agg(item) AS items
    FROM events GROUP BY tenant, bucket
    """

  /// Levels' names and where a time's bucket begins.
  static let levels: [(suffix: String, start: @Sendable (Int64) -> Int64)] = [
    ("5min", { $0 - $0 % (300 * second) }), ("1day", { $0 - $0 % day }), ("1month", { $0 < june ? may : june }),
  ]

  /// A chunk's batches: each shard's rows, in up to two parts.
  static func split(
    _ rows: [EventRow],
    _ table: TableSchema,
    _ routing: RequestRouting
  ) throws -> [(batch: ShardBatch, rows: [EventRow])] {
    guard case .distributed(_, let group) = table.distribution else {
      throw TallyError(.staleCatalog, "the table is not distributed")
    }
    var out: [(batch: ShardBatch, rows: [EventRow])] = []
    for shard in routing.shards(of: group) {
      let own = rows.filter { row in
        let hash = StableHash.hash(row.tenant)
        return hash >= shard.lower && hash <= shard.upper
      }
      let half = own.count > 10 ? own.count / 2 : own.count
      for (part, piece) in [own[..<half], own[half...]].enumerated() where !piece.isEmpty {
        let bytes = BatchFormat.encode(batch(Array(piece), table))
        out.append((ShardBatch(shard: shard.id, part: part, rows: piece.count, bytes: bytes), Array(piece)))
      }
    }
    return out
  }
  static func batch(_ rows: [EventRow], _ table: TableSchema) -> Batch {
    func fixed(_ value: Int64?) -> Value { value.map { .fixed($0) } ?? .null }
    let columns: [[Value]] = [
      rows.map { fixed($0.tenant) }, rows.map { fixed($0.time) }, rows.map { fixed($0.user) },
      rows.map { row in row.item.map { .text($0) } ?? .null }, rows.map { fixed($0.id) }, rows.map { fixed($0.value) },
    ]
    return Batch(
      count: rows.count,
      columns: zip(table.columns, columns).map { ColumnVector($0.type, values: $1) }
    )
  }
  /// What stands for a chunk's content in its keys.
  static func contentHash(_ rows: [EventRow]) -> Hash128 {
    var out = ByteWriter(capacity: 64 * rows.count)
    for row in rows {
      for number in [row.id, row.tenant, row.time ?? .min, row.user ?? .min, row.value] { out.i64(number) }
      out.bool(row.item == nil)
      out.string(row.item ?? "")
    }
    return Murmur3.hash(out.finish())
  }
}
