// SumAccumulators.swift — count, sum and avg over groups, with PostgreSQL's result types and overflow errors.
//
// Integers add without rounding in Int64 or Int128; doubles add in row order, so the same rows in the same order give the same
// bits. An overflow is noted in the loop and thrown at the block's end. Sums that rollups store saturate instead (doubles become infinite):
// what is in the log must stay mergeable, for no flush can answer with an error, and one row must not stop a rollup.
import Columns
import Model

/// count(*) and count(x).
final class CountAccumulator: Accumulator {
  private var counts = RawArray<Int64>()
  let partialTypes: [DataType] = [.bigint]
  let resultType = DataType.bigint
  var memoryBytes: Int { counts.bytes }

  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    counts.grow(to: groupCount, with: 0)
    let counts = self.counts.base
    forEachRow(groupIDs.count, rowMask(arguments.first?.validity, filter)) {
      counts[Int(groupIDs[$0])] &+= 1
    }
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    guard case .fixed(let values) = partials[0].values else { fatalError("a count is not bigint") }
    counts.grow(to: groupCount, with: 0)
    let counts = self.counts.base
    var overflowed = false
    values.withUnsafeBufferPointer { values in
      for row in 0..<groupIDs.count {
        let sum = counts[Int(groupIDs[row])].addingReportingOverflow(values[row])
        counts[Int(groupIDs[row])] = sum.partialValue
        overflowed = overflowed || sum.overflow
      }
    }
    if overflowed { throw .sql("22003", "bigint out of range") }
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] { [finish(groupCount: groupCount)] }
  func finish(groupCount: Int) -> ColumnVector {
    counts.grow(to: groupCount, with: 0)
    return ColumnVector(.bigint, .fixed(counts.array(groupCount)))
  }
}

/// sum(smallint), sum(integer): bigint.
final class IntegerSumAccumulator: Accumulator {
  private let saturates: Bool
  private var sums = RawArray<Int64>()
  private var isSeen = RawArray<Bool>()
  init(saturates: Bool = false) { self.saturates = saturates }
  let partialTypes: [DataType] = [.bigint]
  let resultType = DataType.bigint
  var memoryBytes: Int { sums.bytes + isSeen.bytes }

  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    guard case .fixed(let values) = arguments[0].values else {
      fatalError("integer sum of a \(arguments[0].type.name)")
    }
    sums.grow(to: groupCount, with: 0)
    isSeen.grow(to: groupCount, with: false)
    let (sums, isSeen) = (self.sums.base, self.isSeen.base)
    var overflowed = false
    values.withUnsafeBufferPointer { values in
      forEachRow(groupIDs.count, rowMask(arguments[0].validity, filter)) { row in
        let group = Int(groupIDs[row])
        let sum = sums[group].addingReportingOverflow(values[row])
        sums[group] = sum.overflow ? (values[row] < 0 ? .min : .max) : sum.partialValue
        isSeen[group] = true
        overflowed = overflowed || sum.overflow
      }
    }
    if overflowed, !saturates { throw .sql("22003", "bigint out of range") }
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    try update(groupIDs, groupCount: groupCount, arguments: partials, filter: nil)
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] { [finish(groupCount: groupCount)] }
  func finish(groupCount: Int) -> ColumnVector {
    sums.grow(to: groupCount, with: 0)
    isSeen.grow(to: groupCount, with: false)
    return ColumnVector(
      .bigint,
      .fixed(sums.array(groupCount)),
      validity: validity(isSeen, count: groupCount)
    )
  }
}

/// sum and avg of bigint and numeric, avg of every integer: numeric.
final class NumericAccumulator: Accumulator {
  private let isAverage: Bool
  private let saturates: Bool
  private var sums = RawArray<Int128>()
  private var scales = RawArray<UInt8>()
  private var counts = RawArray<Int64>()
  init(isAverage: Bool, saturates: Bool = false) { (self.isAverage, self.saturates) = (isAverage, saturates) }
  var partialTypes: [DataType] { isAverage ? [.plainNumeric, .bigint] : [.plainNumeric] }
  let resultType = DataType.plainNumeric
  var memoryBytes: Int { sums.bytes + scales.bytes + counts.bytes }
  private static let bound = (0..<38).reduce(UInt128(1)) { power, _ in power * 10 }

  private func grow(to groupCount: Int) {
    sums.grow(to: groupCount, with: 0)
    scales.grow(to: groupCount, with: 0)
    counts.grow(to: groupCount, with: 0)
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    grow(to: groupCount)
    try add(groupIDs, arguments[0], rowMask(arguments[0].validity, filter), nil)
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    grow(to: groupCount)
    var rows: [Int64]?
    if isAverage, case .fixed(let counts) = partials[1].values { rows = counts }
    try add(groupIDs, partials[0], partials[0].validity, rows)
  }
  private func add(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ column: ColumnVector,
    _ mask: Bitmap?,
    _ rows: [Int64]?
  ) throws(TallyError) {
    let (sums, scales, counts) = (self.sums.base, self.scales.base, self.counts.base)
    var failed = false
    switch column.values {
    case .fixed(let values):
      values.withUnsafeBufferPointer { values in
        forEachRow(groupIDs.count, mask) { row in
          let group = Int(groupIDs[row])
          let sum = sums[group].addingReportingOverflow(Int128(values[row]))
          sums[group] = sum.overflow ? Self.most(values[row] < 0) : sum.partialValue
          failed = failed || sum.overflow
          counts[group] &+= 1
        }
      }
    case .numeric(let values):
      values.withUnsafeBufferPointer { values in
        forEachRow(groupIDs.count, mask) { row in
          let group = Int(groupIDs[row])
          counts[group] &+= rows?[row] ?? 1
          if values[row].scale == scales[group] {
            let sum = sums[group].addingReportingOverflow(values[row].coefficient)
            sums[group] = sum.overflow ? Self.most(values[row].coefficient < 0) : sum.partialValue
            failed = failed || sum.overflow
          } else if !addScaled(values[row], to: group) {
            failed = true
            if saturates { addRounded(values[row], to: group) }
          }
        }
      }
    default: fatalError("numeric sum of a \(column.type.name)")
    }
    if failed, !saturates { throw .sql("22003", "value overflows numeric format") }
  }
  /// The greatest number, or the least.
  private static func most(_ isNegative: Bool) -> Int128 { isNegative ? -Int128(bound - 1) : Int128(bound - 1) }
  /// Adds a number of which not every digit fits beside the sum's: whole numbers, or the greatest there is.
  private func addRounded(_ value: Numeric, to group: Int) {
    do throws(TallyError) {
      let sum = try Numeric(coefficient: sums[group], scale: scales[group]).rounded(toScale: 0)
      let total = try Numeric.add(sum, try value.rounded(toScale: 0))
      (sums[group], scales[group]) = (total.coefficient, total.scale)
    } catch {
      (sums[group], scales[group]) = (Self.most(value.coefficient < 0), 0)
    }
  }
  /// Adds a number of another scale; false when the sum does not fit.
  private func addScaled(_ value: Numeric, to group: Int) -> Bool {
    do throws(TallyError) {
      let sum = try Numeric.add(Numeric(coefficient: sums[group], scale: scales[group]), value)
      sums[group] = sum.coefficient
      scales[group] = sum.scale
      return true
    } catch {
      return false
    }
  }
  private func sumColumn(_ groupCount: Int) throws(TallyError) -> ColumnVector {
    grow(to: groupCount)
    var values: [Numeric] = []
    values.reserveCapacity(groupCount)
    var isValid = Bitmap(repeating: true, count: groupCount)
    for group in 0..<groupCount {
      if sums[group].magnitude >= Self.bound {
        guard saturates else { throw .sql("22003", "value overflows numeric format") }
        sums[group] = Self.most(sums[group] < 0)
      }
      values.append(Numeric(coefficient: sums[group], scale: scales[group]))
      if counts[group] == 0 { isValid[group] = false }
    }
    return ColumnVector(.plainNumeric, .numeric(values), validity: isValid)
  }
  func finishPartial(groupCount: Int) throws(TallyError) -> [ColumnVector] {
    let sum = try sumColumn(groupCount)
    return isAverage ? [sum, ColumnVector(.bigint, .fixed(counts.array(groupCount)))] : [sum]
  }
  func finish(groupCount: Int) throws(TallyError) -> ColumnVector {
    var sum = try sumColumn(groupCount)
    guard isAverage, case .numeric(var values) = sum.values else { return sum }
    for group in 0..<groupCount where counts[group] > 0 {
      values[group] = try Numeric.divide(values[group], Numeric(counts[group]))
    }
    sum.values = .numeric(values)
    return sum
  }
}

/// sum and avg of doubles.
final class DoubleAccumulator: Accumulator {
  private let isAverage: Bool
  private let saturates: Bool
  private var sums = RawArray<Double>()
  private var counts = RawArray<Int64>()
  init(isAverage: Bool, saturates: Bool = false) { (self.isAverage, self.saturates) = (isAverage, saturates) }
  var partialTypes: [DataType] { isAverage ? [.double, .bigint] : [.double] }
  let resultType = DataType.double
  var memoryBytes: Int { sums.bytes + counts.bytes }

  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    try add(groupIDs, groupCount, arguments[0], rowMask(arguments[0].validity, filter), nil)
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    var rows: [Int64]?
    if isAverage, case .fixed(let counts) = partials[1].values { rows = counts }
    try add(groupIDs, groupCount, partials[0], partials[0].validity, rows)
  }
  private func add(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ groupCount: Int,
    _ column: ColumnVector,
    _ mask: Bitmap?,
    _ rows: [Int64]?
  ) throws(TallyError) {
    guard case .double(let values) = column.values else {
      fatalError("double sum of a \(column.type.name)")
    }
    sums.grow(to: groupCount, with: 0)
    counts.grow(to: groupCount, with: 0)
    let (sums, counts) = (self.sums.base, self.counts.base)
    var overflowed = false
    values.withUnsafeBufferPointer { values in
      forEachRow(groupIDs.count, mask) { row in
        let group = Int(groupIDs[row])
        let sum = sums[group] + values[row]
        // An infinite sum of finite numbers is an error, one of infinite numbers is not.
        if sum.isInfinite && !values[row].isInfinite && !sums[group].isInfinite {
          overflowed = true
        }
        sums[group] = sum
        counts[group] &+= rows?[row] ?? 1
      }
    }
    if overflowed, !saturates { throw .sql("22003", "value out of range: overflow") }
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] {
    sums.grow(to: groupCount, with: 0)
    counts.grow(to: groupCount, with: 0)
    let sum = ColumnVector(.double, .double(sums.array(groupCount)), validity: isSeen(groupCount))
    return isAverage ? [sum, ColumnVector(.bigint, .fixed(counts.array(groupCount)))] : [sum]
  }
  private func isSeen(_ groupCount: Int) -> Bitmap {
    var bits = Bitmap(repeating: true, count: groupCount)
    for group in 0..<groupCount where counts[group] == 0 { bits[group] = false }
    return bits
  }
  func finish(groupCount: Int) -> ColumnVector {
    var result = finishPartial(groupCount: groupCount)[0]
    guard isAverage, case .double(var values) = result.values else { return result }
    for group in 0..<groupCount where counts[group] > 0 { values[group] /= Double(counts[group]) }
    result.values = .double(values)
    return result
  }
}

/// sum and avg of intervals.
final class IntervalAccumulator: Accumulator {
  private let isAverage: Bool
  private var sums = RawArray<Interval>()
  private var counts = RawArray<Int64>()
  init(isAverage: Bool) { self.isAverage = isAverage }
  var partialTypes: [DataType] { isAverage ? [.interval, .bigint] : [.interval] }
  let resultType = DataType.interval
  var memoryBytes: Int { sums.bytes + counts.bytes }

  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    try add(groupIDs, groupCount, arguments[0], rowMask(arguments[0].validity, filter), nil)
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    var rows: [Int64]?
    if isAverage, case .fixed(let counts) = partials[1].values { rows = counts }
    try add(groupIDs, groupCount, partials[0], partials[0].validity, rows)
  }
  private func add(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    _ groupCount: Int,
    _ column: ColumnVector,
    _ mask: Bitmap?,
    _ rows: [Int64]?
  ) throws(TallyError) {
    guard case .interval(let values) = column.values else {
      fatalError("interval sum of a \(column.type.name)")
    }
    sums.grow(to: groupCount, with: Interval())
    counts.grow(to: groupCount, with: 0)
    let (sums, counts) = (self.sums.base, self.counts.base)
    var overflowed = false
    forEachRow(groupIDs.count, mask) { row in
      let group = Int(groupIDs[row])
      let months = sums[group].months.addingReportingOverflow(values[row].months)
      let days = sums[group].days.addingReportingOverflow(values[row].days)
      let time = sums[group].microseconds.addingReportingOverflow(values[row].microseconds)
      sums[group] = Interval(
        months: months.partialValue,
        days: days.partialValue,
        microseconds: time.partialValue
      )
      counts[group] &+= rows?[row] ?? 1
      overflowed = overflowed || months.overflow || days.overflow || time.overflow
    }
    if overflowed { throw .sql("22008", "interval out of range") }
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] {
    sums.grow(to: groupCount, with: Interval())
    counts.grow(to: groupCount, with: 0)
    var bits = Bitmap(repeating: true, count: groupCount)
    for group in 0..<groupCount where counts[group] == 0 { bits[group] = false }
    let sum = ColumnVector(.interval, .interval(sums.array(groupCount)), validity: bits)
    return isAverage ? [sum, ColumnVector(.bigint, .fixed(counts.array(groupCount)))] : [sum]
  }
  func finish(groupCount: Int) throws(TallyError) -> ColumnVector {
    var result = finishPartial(groupCount: groupCount)[0]
    guard isAverage, case .interval(var values) = result.values else { return result }
    for group in 0..<groupCount where counts[group] > 0 {
      values[group] = try Self.divide(values[group], by: counts[group])
    }
    result.values = .interval(values)
    return result
  }
  /// Fractions of months become days of 1/30 month, fractions of days time, as PostgreSQL divides.
  private static func divide(_ value: Interval, by count: Int64) throws(TallyError) -> Interval {
    let n = Double(count)
    let months = Int64(value.months) / count
    let restDays = Double(Int64(value.months) % count) * 30 / n
    let days = Int64(value.days) / count
    let restTime =
      (Double(Int64(value.days) % count) / n + (restDays - restDays.rounded(.towardZero)))
      * 86_400_000_000
    let time = (Double(value.microseconds) / n + restTime).rounded(.toNearestOrEven)
    guard let microseconds = Int64(exactly: time) else {
      throw .sql("22008", "interval out of range")
    }
    return Interval(
      months: Int32(truncatingIfNeeded: months),
      days: Int32(truncatingIfNeeded: days + Int64(restDays.rounded(.towardZero))),
      microseconds: microseconds
    )
  }
}
