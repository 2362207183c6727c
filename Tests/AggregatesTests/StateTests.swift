// StateTests.swift — building and merging rollup states equals the naive way (RawRows), in every layout of keys and at every limit.
import Aggregates
import Bytes
import Columns
import Foundation
import Model
import Testing

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
  /// Two rows whose sum is beyond its type: a flush merges them, and must not fail by them.
  @Test func storedSumsSaturate() throws {
    let key = ColumnVector(.bigint, .fixed([1, 1, 1]))
    func text(_ out: Batch) -> String? {
      switch out.columns[1].values {
      case .fixed(let v): ValueText.print(.fixed(v[0]), as: .bigint)
      case .double(let v): ValueText.print(.double(v[0]), as: .double)
      case .numeric(let v): ValueText.print(.numeric(v[0]), as: .plainNumeric)
      default: nil
      }
    }
    func merged(_ states: ColumnVector, _ type: DataType) throws -> String? {
      let run = Batch(count: 3, columns: [key, states])
      return text(try StateMerge.merge([run], keyCount: 1, measures: [RollupMeasure(name: "s", kind: .sum, type: type)]))
    }
    let sum = RollupMeasure(name: "s", kind: .sum, type: .bigint)
    let values = ColumnVector(.bigint, .fixed([.max, 1, 0]))
    #expect(text(try StateBuild.build(keys: [key], measures: [MeasureInput(measure: sum, argument: values)])) == "\(Int64.max)")
    #expect(try merged(ColumnVector(.bigint, .fixed([.max, 1, 0])), .bigint) == "\(Int64.max)")
    #expect(try merged(ColumnVector(.bigint, .fixed([.min, -1, 5])), .bigint) == "\(Int64.min + 5)")
    let most = Numeric(coefficient: (0..<38).reduce(Int128(1)) { power, _ in power * 10 } - 1, scale: 0)
    let nines = String(repeating: "9", count: 38)
    for others in [[most, Numeric(1)], [Numeric(coefficient: 5, scale: 1), most]] {
      #expect(try merged(ColumnVector(.plainNumeric, .numeric([most] + others)), .plainNumeric) == nines)
    }
    // Beside a large whole number a fraction is rounded away.
    let large = ColumnVector(.plainNumeric, .numeric([most, Numeric(-1), Numeric(coefficient: -25, scale: 1)]))
    #expect(try merged(large, .plainNumeric) == nines.dropLast() + "5")
    #expect(try merged(ColumnVector(.double, .double([1e308, 1e308, 1])), .double) == "Infinity")
    // So many rows no table has.
    #expect(throws: TallyError.sql("22003", "bigint out of range")) {
      try StateMerge.merge(
        [Batch(count: 3, columns: [key, ColumnVector(.bigint, .fixed([.max, 1, 1]))])],
        keyCount: 1,
        measures: [RollupMeasure(name: "s", kind: .count, type: .bigint)]
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
