// WindowAggregates.swift — aggregates over frames.
//
// count and exact sums are differences of running sums, min, max and the like are asked of a tree over the rows: O(1) and O(log n) a row
// for any frame. Sums of doubles would not be exact by differences: they run on while the frame only grows, and are added up anew for
// every other frame, as PostgreSQL does. Other aggregates (sketches, string_agg) run on by their accumulator, or are evaluated over the
// frame's rows, once for neighbours with one frame.
import Aggregates
import Bytes
import Columns
import Model
import Planning

struct WindowAggregates {
  private let function: AggregateFunction
  private let call: AggregateCall
  private let layout: WindowLayout
  private let bounds: WindowBounds
  private let context: ExecutionContext
  private let arguments: [ColumnVector]
  /// Rows that the filter lets pass; nil for all.
  private let filter: Bitmap?

  /// Arguments are evaluated over the rows that the filter lets pass, or they might fail.
  init(
    _ function: AggregateFunction,
    _ window: WindowCall,
    _ block: RowBlock,
    _ layout: WindowLayout,
    _ bounds: WindowBounds,
    _ context: ExecutionContext
  ) throws {
    self.function = function
    self.layout = layout
    self.bounds = bounds
    self.context = context
    call = AggregateCall(function, window.arguments, type: window.type)
    try RowSetAggregates.check(call)
    guard let condition = window.filter,
      let rows = Truth(try ExpressionEvaluation.evaluate(condition, block), count: layout.count).rows({ $0 == Truth.yes })
    else {
      filter = nil
      arguments = try window.arguments.map { try ExpressionEvaluation.evaluate($0, block).expanded(layout.count) }
      return
    }
    var passed = Bitmap(repeating: false, count: layout.count)
    for row in rows { passed[Int(row)] = true }
    filter = passed
    let chosen = block.narrowed(to: rows)
    arguments = try window.arguments.map { argument in
      var scatter = ScatteredColumn(argument.type, count: layout.count)
      scatter.place(try ExpressionEvaluation.evaluate(argument, chosen).expanded(rows.count), at: rows)
      return try scatter.finish()
    }
  }

  /// The call's column.
  func column() throws -> ColumnVector {
    // Running sums, trees and places: a few words a row.
    let bytes = layout.count * 48
    try context.hold(bytes)
    defer { context.release(bytes) }
    switch (function, arguments.first?.values) {
    case (.countStar, _), (.count, _): return ColumnVector(.bigint, .fixed(counts()))
    case (.countMerge, .fixed(let values)?): return try integerSum(values, .bigint, emptyIsZero: true)
    case (.sum, .fixed(let values)?): return try integerSum(values, call.type, emptyIsZero: false)
    case (.sum, .numeric(let values)?):
      if let exact = try numericSum(values) { return exact }
    case (.sum, .double(let values)?): return try doubleSum(values)
    case (.sum, .interval(let values)?): return try intervalSum(values)
    case (.min, _?), (.boolAnd, _?): return try extreme(isMax: false)
    case (.max, _?), (.boolOr, _?): return try extreme(isMax: true)
    case (.bitAnd, .fixed(let values)?): return bits(values, isOr: false)
    case (.bitOr, .fixed(let values)?): return bits(values, isOr: true)
    default: break
    }
    if GatheredAggregation.suits(call) || !bounds.onlyGrow(layout) { return try evaluated() }
    return try running()
  }

  /// Whether a row counts: it passed and its argument is not NULL.
  private func counted() -> [Bool] {
    let validity = arguments.first?.validity
    return (0..<layout.count).map { (filter?[$0] ?? true) && (validity?[$0] ?? true) }
  }
  /// `result[row]`: of how many rows before `row` the flag is set.
  private func runningCounts(_ flags: [Bool]) -> [Int64] {
    var sums: [Int64] = [0]
    sums.reserveCapacity(flags.count + 1)
    var sum: Int64 = 0
    for flag in flags {
      sum &+= flag ? 1 : 0
      sums.append(sum)
    }
    return sums
  }
  private func counts() -> [Int64] { counts(runningCounts(counted())) }
  private func counts(_ sums: [Int64]) -> [Int64] {
    (0..<layout.count).map { row in
      var count: Int64 = 0
      bounds.forEachRange(row, layout) { count &+= sums[$0.upperBound] &- sums[$0.lowerBound] }
      return count
    }
  }
  private func validity(_ counts: [Int64]) -> Bitmap {
    var bits = Bitmap(repeating: true, count: counts.count)
    for row in counts.indices where counts[row] == 0 { bits[row] = false }
    return bits
  }
  /// Sums of frames by differences: 128 bits hold the sum of any number of rows of 64.
  private func differences(_ values: (Int) -> Int128, _ flags: [Bool]) -> [Int128] {
    var sums: [Int128] = [0]
    sums.reserveCapacity(layout.count + 1)
    var sum: Int128 = 0
    for row in 0..<layout.count {
      // Differences are right modulo 2^128.
      if flags[row] { sum = sum &+ values(row) }
      sums.append(sum)
    }
    return (0..<layout.count).map { row in
      var total: Int128 = 0
      bounds.forEachRange(row, layout) { total = total &+ (sums[$0.upperBound] &- sums[$0.lowerBound]) }
      return total
    }
  }

  private func integerSum(_ values: [Int64], _ type: DataType, emptyIsZero: Bool) throws -> ColumnVector {
    let flags = counted()
    let counts = counts(runningCounts(flags))
    let sums = differences({ Int128(values[$0]) }, flags)
    if case .numeric = type {
      return ColumnVector(type, .numeric(sums.map { Numeric(coefficient: $0, scale: 0) }), validity: validity(counts))
    }
    var totals: [Int64] = []
    totals.reserveCapacity(sums.count)
    for sum in sums {
      guard let total = Int64(exactly: sum) else { throw TallyError.sql("22003", "bigint out of range") }
      totals.append(total)
    }
    return ColumnVector(type, .fixed(totals), validity: emptyIsZero ? nil : validity(counts))
  }

  /// nil where the numbers cannot be brought to one scale within 128 bits.
  private func numericSum(_ values: [Numeric]) throws -> ColumnVector? {
    let flags = counted()
    var (least, most) = (UInt8.max, UInt8.min)
    for row in flags.indices where flags[row] {
      least = min(least, values[row].scale)
      most = max(most, values[row].scale)
    }
    var powers: [Int128] = [1]
    while powers.count <= Int(most) { powers.append(powers[powers.count - 1] * 10) }
    var aligned = [Int128](repeating: 0, count: values.count)
    // Half of the range for all of them together: no sum of a frame leaves it.
    var magnitude: UInt128 = 0
    for row in flags.indices where flags[row] {
      let wide = values[row].coefficient.multipliedReportingOverflow(by: powers[Int(most - values[row].scale)])
      let sum = magnitude.addingReportingOverflow(wide.partialValue.magnitude)
      if wide.overflow || sum.overflow || sum.partialValue > UInt128(Int128.max) { return nil }
      aligned[row] = wide.partialValue
      magnitude = sum.partialValue
    }
    let counts = counts(runningCounts(flags))
    let sums = differences({ aligned[$0] }, flags)
    // A sum shows as many digits as the row of its frame that shows most.
    var scales: RowTree?
    if least < most {
      scales = RowTree(flags.enumerated().map { $1 ? Int64(values[$0].scale) : nil }) { $0 > $1 }
    }
    var result: [Numeric] = []
    result.reserveCapacity(sums.count)
    for row in sums.indices {
      var scale = counts[row] > 0 ? most : 0
      if let scales, counts[row] > 0 {
        var best: Int?
        bounds.forEachRange(row, layout) { best = scales.better(best, scales.best($0)) }
        if let best { scale = values[best].scale }
      }
      let sum = counts[row] > 0 ? sums[row] / powers[Int(most - scale)] : 0
      guard sum.magnitude < Self.numericBound else { throw TallyError.sql("22003", "value overflows numeric format") }
      result.append(Numeric(coefficient: sum, scale: scale))
    }
    return ColumnVector(call.type, .numeric(result), validity: validity(counts))
  }
  private static let numericBound = (0..<38).reduce(UInt128(1)) { power, _ in power * 10 }

  private func doubleSum(_ values: [Double]) throws -> ColumnVector {
    let flags = counted()
    let counts = counts(runningCounts(flags))
    var sums = [Double](repeating: 0, count: layout.count)
    let runs = bounds.onlyGrow(layout)
    var overflowed = false
    func add(_ range: Range<Int>, _ sum: inout Double) {
      for row in range where flags[row] {
        let next = sum + values[row]
        if next.isInfinite && !values[row].isInfinite && !sum.isInfinite { overflowed = true }
        sum = next
      }
    }
    var added = 0
    try layout.forEachPartition { partition in
      var (sum, end) = (0.0, partition.lowerBound)
      for row in partition {
        if runs {
          let next = max(end, Int(bounds.ends[row]))
          added += next - end
          add(end..<next, &sum)
          end = next
        } else if row > partition.lowerBound && isSameFrame(row) {
          // The sum of the row before.
        } else {
          sum = 0
          bounds.forEachRange(row, layout) {
            added += $0.count
            add($0, &sum)
          }
        }
        sums[row] = counts[row] == 0 ? 0 : sum
        if added > 1 << 16 {
          added = 0
          try context.cancel.check()
        }
      }
    }
    if overflowed { throw TallyError.sql("22003", "value out of range: overflow") }
    return ColumnVector(.double, .double(sums), validity: validity(counts))
  }
  private func isSameFrame(_ row: Int) -> Bool {
    bounds.exclusion == .none && bounds.starts[row] == bounds.starts[row - 1] && bounds.ends[row] == bounds.ends[row - 1]
  }

  private func intervalSum(_ values: [Interval]) throws -> ColumnVector {
    let flags = counted()
    let counts = counts(runningCounts(flags))
    let months = differences({ Int128(values[$0].months) }, flags)
    let days = differences({ Int128(values[$0].days) }, flags)
    let times = differences({ Int128(values[$0].microseconds) }, flags)
    var sums: [Interval] = []
    sums.reserveCapacity(values.count)
    for row in values.indices {
      guard let month = Int32(exactly: months[row]), let day = Int32(exactly: days[row]), let time = Int64(exactly: times[row]) else {
        throw TallyError.sql("22008", "interval out of range")
      }
      sums.append(Interval(months: month, days: day, microseconds: time))
    }
    return ColumnVector(.interval, .interval(sums), validity: validity(counts))
  }

  private func extreme(isMax: Bool) throws -> ColumnVector {
    let column = arguments[0]
    let ranks = RowOrder.ranks(column)
    let flags = counted()
    let null = UInt32(layout.count)
    var places = [UInt32](repeating: null, count: layout.count)
    if bounds.onlyGrow(layout) {
      layout.forEachPartition { partition in
        var best: Int?
        var end = partition.lowerBound
        for row in partition {
          while end < Int(bounds.ends[row]) {
            if flags[end] {
              if let known = best {
                if isMax ? ranks[end] > ranks[known] : ranks[end] < ranks[known] { best = end }
              } else {
                best = end
              }
            }
            end += 1
          }
          if bounds.starts[row] < bounds.ends[row] { places[row] = best.map { UInt32($0) } ?? null }
        }
      }
    } else {
      let tree = RowTree(flags.enumerated().map { $1 ? ranks[$0] : nil }) { isMax ? $0 > $1 : $0 < $1 }
      for row in 0..<layout.count {
        var best: Int?
        bounds.forEachRange(row, layout) { best = tree.better(best, tree.best($0)) }
        places[row] = best.map { UInt32($0) } ?? null
      }
    }
    return ColumnVector.concatenate([column, .nulls(column.type, count: 1)], type: column.type).gather(places)
  }

  private func bits(_ values: [Int64], isOr: Bool) -> ColumnVector {
    let flags = counted()
    let counts = counts(runningCounts(flags))
    let neutral: Int64 = isOr ? 0 : -1
    let size = layout.count
    var tree = [Int64](repeating: neutral, count: 2 * size)
    for row in 0..<size where flags[row] { tree[size + row] = values[row] }
    func join(_ a: Int64, _ b: Int64) -> Int64 { isOr ? a | b : a & b }
    for node in stride(from: size - 1, to: 0, by: -1) { tree[node] = join(tree[2 * node], tree[2 * node + 1]) }
    let results = (0..<size).map { row -> Int64 in
      if counts[row] == 0 { return 0 }
      var total = neutral
      bounds.forEachRange(row, layout) { range in
        var (low, high) = (range.lowerBound + size, range.upperBound + size)
        while low < high {
          if low & 1 == 1 {
            total = join(total, tree[low])
            low += 1
          }
          if high & 1 == 1 {
            high -= 1
            total = join(total, tree[high])
          }
          (low, high) = (low / 2, high / 2)
        }
      }
      return total
    }
    return ColumnVector(call.type, .fixed(results), validity: validity(counts))
  }

  /// By one accumulator that is fed as the frame grows and asked once for each of its ends.
  private func running() throws -> ColumnVector {
    var results: [ColumnVector] = []
    var places = [UInt32](repeating: 0, count: layout.count)
    var held = 0
    defer { context.release(held) }
    try layout.forEachPartition { partition in
      let accumulator = try HashAggregation.accumulator(call)
      var end = partition.lowerBound
      for row in partition {
        let next = bounds.starts[row] < bounds.ends[row] ? Int(bounds.ends[row]) : partition.lowerBound
        if row > partition.lowerBound && next <= end {
          places[row] = UInt32(results.count - 1)
          continue
        }
        for start in stride(from: end, to: next, by: Limits.batchRowsMax) {
          try context.cancel.check()
          let range = start..<min(next, start + Limits.batchRowsMax)
          try [UInt32](repeating: 0, count: range.count).withUnsafeBufferPointer {
            try accumulator.update(
              $0,
              groupCount: 1,
              arguments: arguments.map { $0.slice(range) },
              filter: filter?.slice(range)
            )
          }
        }
        end = max(end, next)
        let result = try accumulator.finish(groupCount: 1).retyped(call.type)
        try context.hold(result.memoryBytes)
        held += result.memoryBytes
        places[row] = UInt32(results.count)
        results.append(result)
      }
    }
    return ColumnVector.concatenate(results, type: call.type).gather(places)
  }

  /// By the rows of each frame, many frames at a time.
  private func evaluated() throws -> ColumnVector {
    var results: [ColumnVector] = []
    var resultCount = 0
    var places = [UInt32](repeating: 0, count: layout.count)
    var sets = RowSets()
    var held = 0
    defer { context.release(held) }
    func flush() throws {
      if sets.count == 0 { return }
      let pending = sets.rows.count * 4
      try context.hold(pending)
      let part = try RowSetAggregates.evaluate(call, arguments: arguments, key: nil, sets, context).retyped(call.type)
      context.release(pending)
      try context.hold(part.memoryBytes)
      held += part.memoryBytes
      resultCount += sets.count
      results.append(part)
      sets = RowSets()
    }
    try layout.forEachPartition { partition in
      for row in partition {
        if row > partition.lowerBound && isSameFrame(row) {
          places[row] = places[row - 1]
          continue
        }
        bounds.forEachRange(row, layout) { range in
          for place in range where filter?[place] ?? true { sets.rows.append(UInt32(place)) }
        }
        places[row] = UInt32(resultCount + sets.count)
        sets.starts.append(sets.rows.count)
        if sets.rows.count >= Limits.batchRowsMax || sets.count >= 4096 {
          try context.cancel.check()
          try flush()
        }
      }
    }
    try flush()
    return ColumnVector.concatenate(results, type: call.type).gather(places)
  }
}

/// The best row of any range of rows, in O(log n): a tree of the best of each pair, each four, and so on. Of equals the first.
struct RowTree {
  private static let none = UInt32.max
  private var nodes: [UInt32]
  private let size: Int
  private let ranks: [Int64]
  private let isBetter: (Int64, Int64) -> Bool

  /// `ranks`: nil for rows that do not count.
  init(_ ranks: [Int64?], _ isBetter: @escaping (Int64, Int64) -> Bool) {
    self.isBetter = isBetter
    self.ranks = ranks.map { $0 ?? 0 }
    size = ranks.count
    nodes = [UInt32](repeating: Self.none, count: 2 * ranks.count)
    for row in ranks.indices where ranks[row] != nil { nodes[size + row] = UInt32(row) }
    for node in stride(from: size - 1, to: 0, by: -1) { nodes[node] = joined(nodes[2 * node], nodes[2 * node + 1]) }
  }
  private func joined(_ a: UInt32, _ b: UInt32) -> UInt32 {
    if a == Self.none { return b }
    if b == Self.none { return a }
    let (x, y) = (ranks[Int(a)], ranks[Int(b)])
    if isBetter(x, y) { return a }
    if isBetter(y, x) { return b }
    return min(a, b)
  }
  /// The better of two rows.
  func better(_ a: Int?, _ b: Int?) -> Int? {
    let best = joined(a.map { UInt32($0) } ?? Self.none, b.map { UInt32($0) } ?? Self.none)
    return best == Self.none ? nil : Int(best)
  }
  func best(_ range: Range<Int>) -> Int? {
    var best = Self.none
    var (low, high) = (range.lowerBound + size, range.upperBound + size)
    while low < high {
      if low & 1 == 1 {
        best = joined(best, nodes[low])
        low += 1
      }
      if high & 1 == 1 {
        high -= 1
        best = joined(best, nodes[high])
      }
      (low, high) = (low / 2, high / 2)
    }
    return best == Self.none ? nil : Int(best)
  }
}
