// SegmentSamples.swift — rows, layouts and files that the tests of segments, memtables and snapshots share.
import Bytes
import Capabilities
import Columns
import Model

@testable import Storage

/// A small deterministic generator (xorshift64*), so that failures repeat.
struct SampleRandom {
  var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x9e37_79b9_7f4a_7c15 | 1 }
  mutating func next() -> UInt64 {
    state ^= state >> 12
    state ^= state << 25
    state ^= state >> 27
    return state &* 0x2545_f491_4f6c_dd1d
  }
  mutating func below(_ bound: Int) -> Int { Int(next() >> 33) % bound }
}

enum Samples {
  static let identity = SegmentIdentity(cluster: ClusterID(high: 7, low: 9), shard: ShardID(3), file: 41)
  static let day: Int64 = 86_400_000_000

  /// app_id, ts, user_id, query, hits, country, device, latency: the search events of the benchmark.
  static let events = RelationLayout(
    id: TableID(12),
    columns: [
      Column(name: "app_id", type: .bigint, isNotNull: true), Column(name: "ts", type: .timestamp),
      Column(name: "user_id", type: .bigint), Column(name: "query", type: .text), Column(name: "hits", type: .integer),
      Column(name: "country", type: .text), Column(name: "device", type: .text),
      Column(name: "latency_ms", type: .integer),
    ],
    sortKey: [0, 1],
    timeColumn: 1
  )

  static func texts(_ values: [String], _ type: DataType = .text) -> ColumnVector {
    var interner = TextInterner()
    let codes = values.map { text in Array(text.utf8).withUnsafeBytes { interner.intern($0) } }
    return ColumnVector(type, .codes(codes, interner.dictionary()))
  }
  /// Rows numbered from `first`; about 60 rows a tenant, a NULL now and then.
  static func eventBatch(_ count: Int, seed: UInt64 = 1, first: Int = 0, days: Int = 1) -> Batch {
    var random = SampleRandom(seed)
    var validity = Bitmap(repeating: true, count: count)
    for row in 0..<count where random.below(50) == 0 { validity[row] = false }
    let latency = (0..<count).map { validity[$0] ? Int64(random.below(300)) : 0 }
    let times = (0..<count).map { row -> Int64 in
      let second = (first + row) * 86400 * days / max(1, first + count) + random.below(4)
      return 1_709_510_400_000_000 + Int64(min(second, 86400 * days - 1)) * 1_000_000
    }
    let tenants = (0..<count).map { _ in Int64(1000 + random.below(max(1, count / 60))) }
    return Batch(
      count: count,
      columns: [
        ColumnVector(.bigint, .fixed(tenants)), ColumnVector(.timestamp, .fixed(times)),
        ColumnVector(.bigint, .fixed((0..<count).map { _ in Int64(random.below(1_000_000)) })),
        texts((0..<count).map { _ in "query number \(random.below(count))" }),
        ColumnVector(.integer, .fixed((0..<count).map { _ in Int64(random.below(random.below(2000) + 1)) })),
        texts((0..<count).map { _ in ["US", "FR", "DE", "GB", "IN"][random.below(5)] }),
        texts((0..<count).map { _ in ["mobile", "desktop", "tv"][random.below(3)] }),
        ColumnVector(.integer, .fixed(latency), validity: validity),
      ]
    )
  }
  /// One column of every layout, with and without NULLs.
  static let everyType = RelationLayout(
    id: TableID(5),
    columns: [
      Column(name: "tenant", type: .text), Column(name: "d", type: .date), Column(name: "x", type: .double),
      Column(name: "n", type: .plainNumeric), Column(name: "span", type: .interval),
      Column(name: "users", type: .hll(HLLParameters())), Column(name: "top", type: .topn(TopNParameters())),
      Column(name: "note", type: .varchar(20)), Column(name: "price", type: .numeric(precision: 10, scale: 2)),
      Column(name: "flag", type: .boolean),
    ],
    sortKey: [0, 1],
    timeColumn: 1
  )

  static func everyTypeBatch(_ count: Int) -> Batch {
    var random = SampleRandom(77)
    var validity = Bitmap(repeating: true, count: count)
    for row in 0..<count where row % 5 == 4 { validity[row] = false }
    func valid(_ row: Int) -> Bool { validity[row] }
    let rows = 0..<count
    var hll = HLLColumn(parameters: HLLParameters())
    var topn = TopNColumn(parameters: TopNParameters())
    var interner = TextInterner()
    for item in 0..<40 { _ = Array("item \(item)".utf8).withUnsafeBytes { interner.intern($0) } }
    topn.dictionary = interner.dictionary().canonical().dictionary
    for row in rows {
      let form: HLLForm = valid(row) ? [.empty, .explicit, .sparse, .full, .undefined][row % 5 == 0 ? row / 5 % 5 : row % 4] : .empty
      hll.forms.append(form.rawValue)
      switch form {
      case .explicit: for i in 0..<3 { hll.words += [UInt32(random.below(1 << 30)), UInt32(i * 100 + random.below(90))] }
      case .sparse: for i in 0..<5 { hll.words.append(UInt32(i * 300 + random.below(200)) << 8 | UInt32(1 + random.below(20))) }
      case .full: for _ in 0..<512 { hll.words.append(UInt32(random.below(16)) * 0x0101_0101) }
      case .empty, .undefined: break
      }
      hll.offsets.append(UInt32(hll.words.count))
      if valid(row) {
        for code in 0..<random.below(6) {
          topn.codes.append(UInt32(code * 6 + random.below(6)))
          topn.uppers.append(Int64(5 + random.below(1000)))
          topn.errors.append(Int64(random.below(3)))
        }
      }
      topn.offsets.append(UInt32(topn.codes.count))
      topn.absent.append(valid(row) ? Int64(random.below(2)) : 0)
      topn.totals.append(valid(row) ? Int64(random.below(5000)) : 0)
    }
    var notes = TextColumn()
    for row in rows { Array((valid(row) ? "n\(random.next())" : "").utf8.prefix(12)).withUnsafeBytes { notes.append($0) } }
    return Batch(
      count: count,
      columns: [
        texts(rows.map { _ in "tenant \(random.below(4))" }),
        ColumnVector(.date, .fixed(rows.map { valid($0) ? 19000 + Int64(random.below(3)) : 0 }), validity: validity),
        ColumnVector(
          .double,
          .double(rows.map { valid($0) ? Double(random.next()) / 3 : 0 }),
          validity: validity
        ),
        ColumnVector(
          .plainNumeric,
          .numeric(rows.map { Numeric(coefficient: valid($0) ? Int128(random.below(99)) << 70 : 0, scale: 3) }),
          validity: validity
        ),
        ColumnVector(
          .interval,
          .interval(rows.map { Interval(months: Int32($0), days: -2, microseconds: Int64(random.below(1 << 30))) })
        ),
        ColumnVector(.hll(HLLParameters()), .hll(hll), validity: validity),
        ColumnVector(.topn(TopNParameters()), .topn(topn), validity: validity),
        ColumnVector(.varchar(20), .text(notes), validity: validity),
        ColumnVector(
          .numeric(precision: 10, scale: 2),
          .numeric(rows.map { _ in Numeric(coefficient: Int128(random.below(100_000)), scale: 2) })
        ),
        ColumnVector(.boolean, .fixed(rows.map { Int64($0 % 2) })),
      ]
    )
  }

  /// A row as text, whatever its columns' form: for comparing.
  static func describe(_ batch: Batch) -> [String] {
    (0..<batch.count).map { row in
      batch.columns.map { column in column.isNull(row) ? "NULL" : value(column, row) }.joined(separator: "|")
    }
  }
  private static func value(_ column: ColumnVector, _ row: Int) -> String {
    switch column.values {
    case .fixed(let v): return "\(v[row])"
    case .double(let v): return "\(v[row].bitPattern)"
    case .numeric(let v): return "\(v[row].coefficient)e-\(v[row].scale)"
    case .interval(let v): return "\(v[row])"
    case .codes(let v, let d): return d.string(v[row])
    case .text(let v):
      return String(decoding: v.bytes[Int(v.offsets[row])..<Int(v.offsets[row + 1])], as: UTF8.self)
    case .hll(let v): return "\(v.forms[row]):\(v.words[Int(v.offsets[row])..<Int(v.offsets[row + 1])].map { $0 })"
    case .topn(let v):
      let items = (Int(v.offsets[row])..<Int(v.offsets[row + 1])).map {
        "\(v.dictionary.string(v.codes[$0]))=\(v.uppers[$0])-\(v.errors[$0])"
      }
      return "\(items) \(v.absent[row]) \(v.totals[row])"
    }
  }
  static func open(_ image: SegmentImage) throws -> [SegmentSection] {
    try SegmentReader.open(image: FileImage(copying: image.joined()), expecting: identity)
  }
  static func allRows(_ section: SegmentSection) throws -> [String] {
    var rows: [String] = []
    for block in 0..<section.blockCount {
      let columns = try section.readBlock(block, columns: Array(section.types.indices))
      rows += describe(Batch(count: section.rows(ofBlock: block).count, columns: columns))
    }
    return rows
  }
  static func input(_ batch: Batch, _ layout: RelationLayout, keeps: Bool = false) -> SectionInput {
    SectionInput(
      layout: layout,
      rows: batch,
      positions: (0..<batch.count).map { UInt64(10 + $0 / 100) },
      keepsPositions: keeps,
      low: LogPosition(10),
      high: LogPosition(UInt64(10 + max(0, batch.count - 1) / 100)),
      order: .log
    )
  }
}
