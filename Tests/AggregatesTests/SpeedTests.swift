// SpeedTests.swift — measures the hot paths when TALLY_BENCH is set; prints, and expects only correctness.
import Aggregates
import Columns
import Foundation
import Model
import Testing

@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["TALLY_BENCH"] != nil))
struct SpeedTests {
  /// Zipf-like searches: rows by time, 1000 tenants, items from a dictionary.
  static func events(
    _ rows: Int,
    perGroup: Int,
    items: Int,
    seed: UInt64
  ) throws -> (keys: [ColumnVector], inputs: [MeasureInput]) {
    var random = TestRandom(seed)
    func zipf(_ n: Int) -> Int {
      let u = Double(random.next() >> 11) / 9_007_199_254_740_992
      return min(n - 1, Int(exp(u * log(Double(n)))) - 1)
    }
    var interner = TextInterner(expected: items)
    for i in 0..<items {
      _ = Array("query number \(i)".utf8).withUnsafeBytes { interner.intern($0) }
    }
    let dictionary = interner.dictionary()
    // Groups of `perGroup` rows on average, tenants interleaved within a bucket.
    let rowsPerBucket = 1000 * perGroup
    var tenants: [Int64] = []
    var buckets: [Int64] = []
    var users: [Int64] = []
    var codes: [UInt32] = []
    var latency: [Int64] = []
    for row in 0..<rows {
      tenants.append(Int64.random(in: 0..<1000, using: &random))
      buckets.append(1_700_000_000_000_000 + Int64(row / rowsPerBucket) * 300_000_000)
      users.append(Int64.random(in: 0..<1_000_000, using: &random))
      codes.append(UInt32(zipf(items)))
      latency.append(Int64.random(in: 0..<1000, using: &random))
    }
    let hashes = try HLLHash.hash(ColumnVector(.bigint, .fixed(users)))
    let keys = [
      ColumnVector(.bigint, .fixed(tenants)), ColumnVector(.timestamptz, .fixed(buckets)),
    ]
    return (
      keys,
      [
        MeasureInput(measure: measures[0]),
        MeasureInput(measure: measures[1], argument: ColumnVector(.integer, .fixed(latency))),
        MeasureInput(measure: measures[2], argument: hashes),
        MeasureInput(
          measure: measures[3],
          argument: ColumnVector(.text, .codes(codes, dictionary))
        ),
      ]
    )
  }
  static let measures = [
    RollupMeasure(name: "searches", kind: .count, type: .bigint),
    RollupMeasure(name: "latency", kind: .sum, type: .bigint),
    RollupMeasure(name: "users", kind: .hll, type: .hll(HLLParameters())),
    RollupMeasure(name: "top", kind: .topn, type: .topn(TopNParameters())),
  ]
  /// CPU time of this thread, so that a busy machine does not spoil the figures.
  static func threadTime() -> Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }
  @discardableResult static func time<R>(
    _ what: String,
    _ rows: Int,
    repeats: Int = 5,
    _ body: () throws -> R
  ) rethrows -> R {
    var best = Double.infinity
    var result: R?
    for _ in 0..<repeats {
      let start = threadTime()
      result = try body()
      best = min(best, threadTime() - start)
    }
    print(
      "BENCH \(what): \((best * 1e5).rounded() / 100) ms, \((Double(rows) / best / 1e4).rounded() / 100) M/s"
    )
    return result!
  }
  @Test func building() throws {
    for rows in [65_536, 1_000_000] {
      let (keys, inputs) = try Self.events(rows, perGroup: 7, items: 100_000, seed: 1)
      try Self.time("build \(rows) rows, 4 measures", rows) {
        try StateBuild.build(keys: keys, measures: inputs)
      }
      for (at, name) in ["count", "sum", "hll", "topn"].enumerated() {
        try Self.time("  \(name) only", rows) {
          try StateBuild.build(keys: keys, measures: [inputs[at]])
        }
      }
    }
  }
  @Test func merging() throws {
    let rows = 4_000_000
    var runs: [Batch] = []
    for part in 0..<4 {
      let (keys, inputs) = try Self.events(
        rows / 4,
        perGroup: 7,
        items: 100_000,
        seed: UInt64(part)
      )
      runs.append(try StateBuild.build(keys: keys, measures: inputs))
    }
    let states = runs.reduce(0) { $0 + $1.count }
    let day = (key: 1, width: BucketWidth.microseconds(86_400_000_000))
    print("BENCH \(states) states")
    let days = try Self.time("day level from \(states) states of 4 runs", states, repeats: 3) {
      try StateMerge.merge(
        runs,
        keyCount: 2,
        measures: Self.measures,
        truncating: day,
        pruning: .to(multiple: 3)
      )
    }
    for at in 0..<4 {
      let some = runs.map { $0.select([0, 1, 2 + at]) }
      try Self.time("  \(Self.measures[at].name) only", states, repeats: 3) {
        try StateMerge.merge(
          some,
          keyCount: 2,
          measures: [Self.measures[at]],
          truncating: day,
          pruning: .to(multiple: 3)
        )
      }
    }
    try Self.time("merge 4 runs, no truncation", states, repeats: 3) {
      try StateMerge.merge(runs, keyCount: 2, measures: Self.measures, pruning: .to(multiple: 3))
    }
    let one = try Self.time("  into one run first", states, repeats: 1) {
      try StateMerge.merge(runs, keyCount: 2, measures: Self.measures)
    }
    try Self.time("day level from one run", states, repeats: 3) {
      try StateMerge.merge(
        [one],
        keyCount: 2,
        measures: Self.measures,
        truncating: day,
        pruning: .to(multiple: 3)
      )
    }
    for at in 0..<4 {
      try Self.time("all rows to one: \(Self.measures[at].name)", states, repeats: 3) {
        try StateMerge.merge(
          runs.map { $0.select([2 + at]) },
          keyCount: 0,
          measures: [Self.measures[at]]
        )
      }
    }
    let week = Batch.concatenate(Array(repeating: days, count: 7), types: days.types)
    guard case .topn(let column) = week.columns[5].values else { return }
    let count = week.count
    print(
      "BENCH \(count) daily states of \(column.codes.count / count) items, dictionary \(column.dictionary.count)"
    )
    try Self.time("all-tenant top: StateMerge", column.codes.count) {
      try StateMerge.merge([week.select([5])], keyCount: 0, measures: [Self.measures[3]])
    }
    let ids = [UInt32](repeating: 0, count: count)
    try Self.time("all-tenant top: accumulator", column.codes.count) {
      let accumulator = try Accumulators.make(.topnUnion, argumentTypes: [.topn(TopNParameters())])
      try ids.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 1, arguments: [week.columns[5]], filter: nil)
      }
      return try accumulator.finish(groupCount: 1)
    }
    try Self.time("all-tenant distinct: accumulator", count) {
      let accumulator = try Accumulators.make(.hllUnion, argumentTypes: [.hll(HLLParameters())])
      try ids.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 1, arguments: [week.columns[4]], filter: nil)
      }
      return try accumulator.finish(groupCount: 1)
    }
  }
  @Test func accumulating() throws {
    let rows = 1_000_000
    let (keys, inputs) = try Self.events(rows, perGroup: 7, items: 100_000, seed: 1)
    guard case .fixed(let tenants) = keys[0].values, let sums = inputs[1].argument,
      let hashes = inputs[2].argument
    else { return }
    let countries = tenants.map { UInt32($0 % 50) }
    try Self.time("accumulate count by 50", rows) {
      let accumulator = try Accumulators.make(.count, argumentTypes: [])
      try countries.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 50, arguments: [], filter: nil)
      }
    }
    try Self.time("accumulate sum by 50", rows) {
      let accumulator = try Accumulators.make(.sum, argumentTypes: [.integer])
      try countries.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 50, arguments: [sums], filter: nil)
      }
    }
    try Self.time("accumulate hll by 50", rows) {
      let accumulator = try Accumulators.make(
        .hllAdd(HLLParameters()),
        argumentTypes: [.hllHashval]
      )
      try countries.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 50, arguments: [hashes], filter: nil)
      }
    }
    try Self.time("hash 1 M bigints", rows) { try HLLHash.hash(sums) }
    try Self.time("accumulate topn by 50", rows) {
      let accumulator = try Accumulators.make(.topnAdd(TopNParameters()), argumentTypes: [.text])
      try countries.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: 50, arguments: [inputs[3].argument!], filter: nil)
      }
    }
  }
}
