import Aggregates
import Bytes
import Columns
import Foundation
import Model
import Testing

/// Random raw rows and what the naive way makes of them.
struct RawRows {
  struct Row {
    var tenant: Int64
    var bucket: Int64?
    var country: String?
    var number: Int64?
    var ratio: Double?
    var price: Numeric?
    var flag: Int64?
    var user: Int64?
    var item: String?
    var weight: Int64?
  }
  var rows: [Row]
  init(_ count: Int, tenants: Int64, buckets: Int64, seed: UInt64, items: Int = 30) {
    var random = TestRandom(seed)
    func maybe<T>(_ value: T) -> T? { Int.random(in: 0..<12, using: &random) == 0 ? nil : value }
    rows = (0..<count).map { _ in
      Row(
        tenant: Int64.random(in: 0..<tenants, using: &random),
        bucket: maybe(Int64.random(in: 0..<buckets, using: &random) * 300_000_000),
        country: maybe(["de", "fr", "", "österreich"].randomElement(using: &random)!),
        number: maybe(Int64.random(in: -1000...1000, using: &random)),
        ratio: maybe(Double(Int64.random(in: -8...8, using: &random)) / 4),
        price: maybe(
          Numeric(
            coefficient: Int128(Int64.random(in: -500...500, using: &random)),
            scale: UInt8(Int.random(in: 0...3, using: &random))
          )
        ),
        flag: maybe(Int64.random(in: 0...1, using: &random)),
        user: maybe(Int64.random(in: 0..<400, using: &random)),
        item: maybe(
          "item \(Int.random(in: 0..<items, using: &random) * Int.random(in: 0..<3, using: &random))"
        ),
        weight: maybe(Int64.random(in: -1...5, using: &random))
      )
    }
  }
  static func fixed(_ type: DataType, _ values: [Int64?]) -> ColumnVector {
    ColumnVector(type, .fixed(values.map { $0 ?? 0 }), validity: bits(values.map { $0 != nil }))
  }
  static func bits(_ flags: [Bool]) -> Bitmap {
    var out = Bitmap(words: [], count: 0)
    for flag in flags { out.append(flag) }
    return out
  }
  static func texts(_ values: [String?], plain: Bool = false) -> ColumnVector {
    let validity = bits(values.map { $0 != nil })
    var texts = TextColumn()
    var interner = TextInterner()
    var codes: [UInt32] = []
    // A text that no row uses, as slices of bigger batches have.
    _ = Array("unused".utf8).withUnsafeBytes { interner.intern($0) }
    for value in values {
      Array((value ?? "").utf8).withUnsafeBytes {
        texts.append($0)
        codes.append(value == nil ? 0 : interner.intern($0))
      }
    }
    return ColumnVector(
      .text,
      plain ? .text(texts) : .codes(codes, interner.dictionary()),
      validity: validity
    )
  }
  var keys: [ColumnVector] {
    [
      Self.fixed(.bigint, rows.map(\.tenant)), Self.fixed(.timestamptz, rows.map(\.bucket)),
      Self.texts(rows.map(\.country)),
    ]
  }
  static let hll = HLLParameters(log2m: 6, regwidth: 5)
  static let topn = TopNParameters(counters: 4, keyBytesMax: 255)
  static let measures: [RollupMeasure] = [
    RollupMeasure(name: "rows", kind: .count, type: .bigint),
    RollupMeasure(name: "numbers", kind: .count, type: .bigint),
    RollupMeasure(name: "narrow", kind: .sum, type: .bigint),
    RollupMeasure(name: "wide", kind: .sum, type: .plainNumeric),
    RollupMeasure(name: "ratio", kind: .sum, type: .double),
    RollupMeasure(name: "price", kind: .sum, type: .plainNumeric),
    RollupMeasure(name: "least", kind: .min, type: .integer),
    RollupMeasure(name: "last", kind: .max, type: .text),
    RollupMeasure(name: "all", kind: .boolAnd, type: .boolean),
    RollupMeasure(name: "any", kind: .boolOr, type: .boolean),
    RollupMeasure(name: "users", kind: .hll, type: .hll(hll)),
    RollupMeasure(name: "top", kind: .topn, type: .topn(topn)),
    RollupMeasure(name: "heavy", kind: .topn, type: .topn(topn)),
  ]
  func inputs(plain: Bool = false) throws -> [MeasureInput] {
    let number = Self.fixed(.integer, rows.map(\.number))
    let ratio = ColumnVector(
      .double,
      .double(rows.map { $0.ratio ?? 0 }),
      validity: Self.bits(rows.map { $0.ratio != nil })
    )
    let price = ColumnVector(
      .plainNumeric,
      .numeric(rows.map { $0.price ?? Numeric(0) }),
      validity: Self.bits(rows.map { $0.price != nil })
    )
    let flag = Self.fixed(.boolean, rows.map(\.flag))
    let users = try HLLHash.hash(Self.fixed(.bigint, rows.map(\.user)))
    let items = Self.texts(rows.map(\.item), plain: plain)
    let filter = Self.bits(rows.map { ($0.number ?? 0) % 3 == 0 })
    let m = Self.measures
    return [
      MeasureInput(measure: m[0]), MeasureInput(measure: m[1], argument: number),
      MeasureInput(measure: m[2], argument: number),
      MeasureInput(measure: m[3], argument: number), MeasureInput(measure: m[4], argument: ratio),
      MeasureInput(measure: m[5], argument: price),
      MeasureInput(measure: m[6], argument: number, filter: filter),
      MeasureInput(measure: m[7], argument: items), MeasureInput(measure: m[8], argument: flag),
      MeasureInput(measure: m[9], argument: flag),
      MeasureInput(measure: m[10], argument: users, filter: filter),
      MeasureInput(measure: m[11], argument: items),
      MeasureInput(
        measure: m[12],
        argument: items,
        weight: Self.fixed(.bigint, rows.map(\.weight)),
        filter: filter
      ),
    ]
  }
  /// State rows as text, one a group, sorted by keys, by dictionaries and scalar states.
  func naive(truncating width: BucketWidth? = nil, pruneTo limit: Int = .max) -> [String] {
    struct Key: Hashable { var tenant: Int64, bucket: Int64?, country: String? }
    var groups: [Key: [Row]] = [:]
    for row in rows {
      let bucket = row.bucket.map { width == nil ? $0 : Calendar.truncateToBucket($0, width!) }
      groups[Key(tenant: row.tenant, bucket: bucket, country: row.country), default: []].append(row)
    }
    func before<T: Comparable>(_ a: T?, _ b: T?) -> Bool? {
      if a == b { return nil }
      guard let a else { return false }
      guard let b else { return true }
      return a < b
    }
    let keys = groups.keys.sorted {
      before($0.tenant, $1.tenant) ?? before($0.bucket, $1.bucket)
        ?? before(
          $0.country.map { $0.utf8.map { Int($0) } }.map(Bytes.init),
          $1.country.map { $0.utf8.map { Int($0) } }.map(Bytes.init)
        ) ?? false
    }
    return keys.map { key in
      let rows = groups[key]!
      let numbers = rows.compactMap(\.number)
      let chosen = rows.filter { ($0.number ?? 0) % 3 == 0 }
      var users = HyperLogLog(Self.hll)
      for user in chosen.compactMap(\.user) { users.add(HLLHash.integers([user], width: 8)[0]) }
      var (top, heavy) = (TopN(Self.topn), TopN(Self.topn))
      for item in rows.compactMap(\.item) { top.add(item) }
      for row in chosen {
        if let item = row.item, let weight = row.weight { heavy.add(item, weight: weight) }
      }
      top.prune(to: limit)
      heavy.prune(to: limit)
      func show<T>(_ value: T?) -> String { value.map { "\($0)" } ?? "NULL" }
      let prices = rows.compactMap(\.price).reduce(nil as Numeric?) { sum, x in
        let scale = max(sum?.scale ?? 0, x.scale)
        func at(_ n: Numeric) -> Int128 {
          (0..<(scale - n.scale)).reduce(n.coefficient) { c, _ in c * 10 }
        }
        return Numeric(coefficient: (sum.map(at) ?? 0) + at(x), scale: scale)
      }
      let flags = rows.compactMap(\.flag)
      return [
        "\(key.tenant)", show(key.bucket), show(key.country), "\(rows.count)", "\(numbers.count)",
        show(numbers.isEmpty ? nil : numbers.reduce(0, +)),
        show(numbers.isEmpty ? nil : Numeric(numbers.reduce(0, +))).description,
        show(rows.contains { $0.ratio != nil } ? rows.compactMap(\.ratio).reduce(0, +) : nil),
        show(prices),
        show(chosen.compactMap(\.number).min()),
        show(
          rows.compactMap(\.item).max {
            Bytes($0.utf8.map { Int($0) }) < Bytes($1.utf8.map { Int($0) })
          }
        ),
        show(flags.min()), show(flags.max()), chosen.isEmpty ? "NULL" : HLLFunctions.text(users),
        hex(TopNFormat.encode(top)), hex(TopNFormat.encode(heavy)),
      ].joined(separator: "|")
    }
  }
  struct Bytes: Comparable {
    var bytes: [Int]
    init(_ bytes: [Int]) { self.bytes = bytes }
    static func < (a: Bytes, b: Bytes) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
  }
  /// Rows of a batch as text.
  static func show(_ batch: Batch) -> [String] {
    (0..<batch.count).map { row in
      batch.columns.map { column in
        if column.isNull(row) { return "NULL" }
        switch column.values {
        case .fixed(let v): return "\(v[row])"
        case .double(let v): return "\(v[row])"
        case .numeric(let v): return "\(v[row])"
        case .interval(let v): return "\(v[row])"
        case .text(let v):
          return String(
            decoding: v.bytes[Int(v.offsets[row])..<Int(v.offsets[row + 1])],
            as: UTF8.self
          )
        case .codes(let v, let d): return d.string(v[row])
        case .hll(let v): return HLLFunctions.text(v.state(row))
        case .topn(let v): return hex(TopNFormat.encode(v.state(row)))
        }
      }.joined(separator: "|")
    }
  }
  func part(_ range: Range<Int>) -> RawRows {
    var copy = self
    copy.rows = Array(rows[range])
    return copy
  }
}

@Suite struct StateTests {
  static func expectWellFormed(_ batch: Batch) {
    for column in batch.columns {
      if case .hll(let states) = column.values { #expect(states.firstInvalidRow() == nil) }
      if case .topn(let states) = column.values { #expect(states.isWellFormed()) }
    }
  }
  @Test(arguments: [(1, 1, 1), (500, 3, 4), (3000, 2, 2), (20000, 50, 40), (5000, 1, 1)])
  func buildingEqualsTheNaiveWay(rows: Int, tenants: Int, buckets: Int) throws {
    let raw = RawRows(rows, tenants: Int64(tenants), buckets: Int64(buckets), seed: UInt64(rows))
    for plain in [false, true] {
      let built = try StateBuild.build(
        keys: raw.keys,
        measures: raw.inputs(plain: plain),
        topNPruneMultiple: 3
      )
      #expect(RawRows.show(built) == raw.naive(pruneTo: 12))
      Self.expectWellFormed(built)
    }
  }
  @Test func skippedWeightsAreCounted() throws {
    let raw = RawRows(400, tenants: 2, buckets: 2, seed: 77)
    var skipped = 0
    _ = try StateBuild.build(rows: 400, keys: raw.keys, measures: raw.inputs(), skipped: &skipped)
    #expect(
      skipped
        == raw.rows.filter { ($0.number ?? 0) % 3 == 0 && $0.item != nil && ($0.weight ?? 0) < 0 }
        .count
    )
  }
  @Test(arguments: [1, 2, 7, 40])
  func mergingRunsEqualsBuildingAtOnce(runs: Int) throws {
    let raw = RawRows(6000, tenants: 6, buckets: 5, seed: UInt64(runs))
    var parts: [Batch] = []
    for run in 0..<runs {
      let part = raw.part(run * 6000 / runs..<(run + 1) * 6000 / runs)
      parts.append(
        try StateBuild.build(keys: part.keys, measures: part.inputs(), topNPruneMultiple: 1000)
      )
    }
    let merged = try StateMerge.merge(
      parts,
      keyCount: 3,
      measures: RawRows.measures,
      pruning: .none
    )
    #expect(RawRows.show(merged) == raw.naive())
    Self.expectWellFormed(merged)
    // Coarser buckets, in one step and in two.
    let hour = BucketWidth.microseconds(3_600_000_000)
    let coarse = try StateMerge.merge(
      parts,
      keyCount: 3,
      measures: RawRows.measures,
      truncating: (1, hour)
    )
    #expect(RawRows.show(coarse) == raw.naive(truncating: hour))
    let again = try StateMerge.merge(
      [merged],
      keyCount: 3,
      measures: RawRows.measures,
      truncating: (1, hour)
    )
    for (a, b) in zip(again.columns, coarse.columns) {
      #expect(
        BatchFormat.encode(Batch(count: a.count, columns: [a]))
          == BatchFormat.encode(Batch(count: b.count, columns: [b])),
        "\(a) \(b)"
      )
    }
    // One group of all rows.
    let measureOnly = parts.map { $0.select(Array(3..<$0.columns.count)) }
    let one = try StateMerge.merge(measureOnly, keyCount: 0, measures: RawRows.measures)
    var everything = raw
    for i in everything.rows.indices {
      everything.rows[i].tenant = 0
      everything.rows[i].bucket = nil
      everything.rows[i].country = nil
    }
    #expect(
      RawRows.show(one) == everything.naive().map { String($0.dropFirst("0|NULL|NULL|".count)) }
    )
  }
  @Test func monthsOfDates() throws {
    let days = [
      Calendar.days(year: 2024, month: 2, day: 29), Calendar.days(year: 2024, month: 2, day: 1),
      TimeLimits.infinity, 0,
    ]
    let batch = Batch(
      count: 4,
      columns: [
        ColumnVector(.date, .fixed(days), validity: Bitmap(words: [0b0111], count: 4)),
        ColumnVector(.bigint, .fixed([1, 2, 3, 4])),
      ]
    )
    let merged = try StateMerge.merge(
      [batch],
      keyCount: 1,
      measures: [RawRows.measures[0]],
      truncating: (0, .months(1))
    )
    #expect(RawRows.show(merged) == ["\(days[1])|3", "\(Int64.max)|3", "NULL|4"])
  }
  @Test func pruningGoesByTheAgeOfTheBucket() throws {
    let p = TopNParameters(counters: 2)
    var state = TopN(p)
    for n in 1...9 { state.add("k\(n)", weight: Int64(n)) }
    let hour: Int64 = 3_600_000_000
    let batch = Batch(
      count: 3,
      columns: [
        ColumnVector(
          .timestamptz,
          .fixed([0, hour, 0]),
          validity: Bitmap(words: [0b011], count: 3)
        ),
        ColumnVector(topn: [state, state, state], p),
      ]
    )
    let measure = RollupMeasure(name: "top", kind: .topn, type: .topn(p))
    let merged = try StateMerge.merge(
      [batch],
      keyCount: 1,
      measures: [measure],
      pruning: .byAge(settledBefore: hour, bucketKey: 0, width: .microseconds(hour))
    )
    guard case .topn(let column) = merged.columns[1].values else { return }
    #expect((0..<3).map { column.state($0).items.count } == [2, 6, 6])
    var pruned = state
    pruned.prune(to: 2)
    #expect(column.state(0) == pruned && column.absent == [7, 3, 3])
    let all = try StateMerge.merge(
      [batch],
      keyCount: 1,
      measures: [measure],
      pruning: .to(multiple: 1)
    )
    guard case .topn(let short) = all.columns[1].values else { return }
    #expect(short.state(2) == pruned)
  }
  @Test func boundsOfPrunedMergesHold() throws {
    for seed in 1...8 as ClosedRange<UInt64> {
      let raw = RawRows(4000, tenants: 2, buckets: 3, seed: seed, items: 200)
      var runs: [Batch] = []
      for at in stride(from: 0, to: 4000, by: 250) {
        let part = raw.part(at..<at + 250)
        runs.append(
          try StateBuild.build(
            keys: [part.keys[0]],
            measures: [part.inputs()[11]],
            topNPruneMultiple: 2
          )
        )
      }
      var random = TestRandom(seed)
      while runs.count > 1 {
        let take = min(runs.count, Int.random(in: 2...4, using: &random))
        let merged = try StateMerge.merge(
          Array(runs.suffix(take)),
          keyCount: 1,
          measures: [RawRows.measures[11]],
          pruning: .to(multiple: 1)
        )
        runs.removeLast(take)
        runs.insert(merged, at: 0)
      }
      guard case .topn(let column) = runs[0].columns[1].values else { return }
      for row in 0..<runs[0].count {
        let state = column.state(row)
        #expect(state.absent <= state.total / 4 && state.items.count <= 4)
        var exact: [String: Int64] = [:]
        for one in raw.rows where one.tenant == Int64(row) {
          if let item = one.item { exact[item, default: 0] += 1 }
        }
        #expect(state.total == exact.values.reduce(0, +))
        for (key, weight) in exact {
          if let item = state.items.first(where: { $0.key == Array(key.utf8) }) {
            #expect(item.lower <= weight && weight <= item.upper)
          } else {
            #expect(weight <= state.absent)
          }
        }
      }
    }
  }
  @Test func overflowsAreErrors() throws {
    let key = ColumnVector(.bigint, .fixed([1, 1]))
    let sum = RollupMeasure(name: "s", kind: .sum, type: .bigint)
    let values = ColumnVector(.integer, .fixed([.max, 1]))
    #expect(throws: TallyError.sql("22003", "bigint out of range")) {
      try StateBuild.build(keys: [key], measures: [MeasureInput(measure: sum, argument: values)])
    }
    let state = Batch(count: 2, columns: [key, ColumnVector(.bigint, .fixed([.max, 1]))])
    for kind in [MeasureKind.count, .sum] {
      #expect(throws: TallyError.sql("22003", "bigint out of range")) {
        try StateMerge.merge(
          [state],
          keyCount: 1,
          measures: [RollupMeasure(name: "s", kind: kind, type: .bigint)]
        )
      }
    }
    let big = Numeric(
      coefficient: Int128(10_000_000_000_000_000_000) * 9_000_000_000_000_000_000,
      scale: 0
    )
    let numbers = Batch(
      count: 2,
      columns: [key, ColumnVector(.plainNumeric, .numeric([big, big]))]
    )
    #expect(throws: TallyError.self) {
      try StateMerge.merge(
        [numbers],
        keyCount: 1,
        measures: [RollupMeasure(name: "s", kind: .sum, type: .plainNumeric)]
      )
    }
    let doubles = Batch(count: 2, columns: [key, ColumnVector(.double, .double([1e308, 1e308]))])
    #expect(throws: TallyError.sql("22003", "value out of range: overflow")) {
      try StateMerge.merge(
        [doubles],
        keyCount: 1,
        measures: [RollupMeasure(name: "s", kind: .sum, type: .double)]
      )
    }
  }
  @Test func keysOfEveryLayoutSortWithNullsLast() throws {
    func order(_ column: ColumnVector) throws -> [String] {
      let counted = MeasureInput(measure: RawRows.measures[0])
      return RawRows.show(
        try StateBuild.build(keys: [column], measures: [counted])
      )
    }
    let noThird = Bitmap(words: [0b11011], count: 5)
    #expect(
      try order(ColumnVector(.double, .double([.nan, -0.0, 0, 0, -1]), validity: noThird)) == [
        "-1.0|1", "-0.0|2", "nan|1", "NULL|1",
      ]
    )
    #expect(
      try order(ColumnVector(.bigint, .fixed([.max, .min, 0, -1, .max]), validity: noThird))
        == ["\(Int64.min)|1", "-1|1", "\(Int64.max)|2", "NULL|1"]
    )
    let numbers = [
      Numeric(coefficient: 10, scale: 1), Numeric(1), Numeric(0),
      Numeric(coefficient: -5, scale: 3), Numeric(2),
    ]
    #expect(
      try order(ColumnVector(.plainNumeric, .numeric(numbers), validity: noThird)).map {
        $0.suffix(2)
      } == ["|1", "|2", "|1", "|1"]
    )
    let spans = [
      Interval(months: 1), Interval(days: 30), Interval(), Interval(days: 31),
      Interval(microseconds: -1),
    ]
    #expect(
      try order(ColumnVector(.interval, .interval(spans), validity: noThird)).map { $0.suffix(2) }
        == ["|1", "|2", "|1", "|1"]
    )
    #expect(
      try order(RawRows.texts(["b", "a", nil, "ab", "b"], plain: true)) == [
        "a|1", "ab|1", "b|2", "NULL|1",
      ]
    )
    #expect(try order(RawRows.texts([nil, nil])) == ["NULL|2"])
  }
  @Test func wideKeysNeedMoreThan64Bits() throws {
    var random = TestRandom(5)
    let distinct = (0..<300).map { _ in
      (0..<4).map { _ in Int64(truncatingIfNeeded: random.next()) }
    }
    let rows = (0..<2000).map { _ in distinct[Int.random(in: 0..<300, using: &random)] }
    let keys = (0..<4).map { at in ColumnVector(.bigint, .fixed(rows.map { $0[at] })) }
    let built = try StateBuild.build(
      keys: keys,
      measures: [MeasureInput(measure: RawRows.measures[0])]
    )
    var counts: [[Int64]: Int] = [:]
    for row in rows { counts[row, default: 0] += 1 }
    let expected = counts.keys.sorted { $0.lexicographicallyPrecedes($1) }.map { key in
      (key + [Int64(counts[key]!)]).map { "\($0)" }.joined(separator: "|")
    }
    #expect(RawRows.show(built) == expected)
  }
  @Test func noRowsGiveNoRows() throws {
    let raw = RawRows(0, tenants: 1, buckets: 1, seed: 1)
    let built = try StateBuild.build(keys: raw.keys, measures: raw.inputs())
    #expect(built.count == 0)
    #expect(
      try StateMerge.merge([built, built], keyCount: 3, measures: RawRows.measures).count == 0
    )
  }
}
