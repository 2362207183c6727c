// WindowFrames.swift — which rows are in the frame of each row.
//
// Both borders of a frame never move back within a partition, so they are found by two fingers that run through it once. Offsets of RANGE
// compare as PostgreSQL's in_range functions: a sum that leaves its type lies beyond every value, a NULL key sees its peers only.
import Columns
import Model
import Planning

/// The frame of every row: rows from `starts[row]` up to, not with, `ends[row]`, but for what is excluded.
struct WindowBounds {
  var starts: [UInt32]
  var ends: [UInt32]
  let exclusion: WindowFrame.Exclusion

  /// Calls `body` with the frame's rows, as one to three ranges in order.
  @inline(__always) func forEachRange(_ row: Int, _ layout: WindowLayout, _ body: (Range<Int>) throws -> Void) rethrows {
    let (start, end) = (Int(starts[row]), Int(ends[row]))
    if start >= end { return }
    let first: Int
    let last: Int
    switch exclusion {
    case .none: return try body(start..<end)
    case .currentRow: (first, last) = (row, row + 1)
    case .group, .ties: (first, last) = (layout.firstPeer(row), layout.endOfPeers(row))
    }
    if start < min(end, first) { try body(start..<min(end, first)) }
    if exclusion == .ties && start <= row && row < end { try body(row..<row + 1) }
    if max(start, last) < end { try body(max(start, last)..<end) }
  }
  /// Whether every frame begins with its partition and only grows.
  func onlyGrow(_ layout: WindowLayout) -> Bool {
    if exclusion != .none { return false }
    var only = true
    layout.forEachPartition { partition in
      for row in partition where Int(starts[row]) != partition.lowerBound && starts[row] < ends[row] { only = false }
    }
    return only
  }
}

struct WindowFrames {
  private let frame: WindowFrame
  private let layout: WindowLayout
  /// In the order of the window.
  private let key: RowOrderKey?
  private let context: ExecutionContext

  init(_ frame: WindowFrame, _ layout: WindowLayout, key: RowOrderKey?, _ context: ExecutionContext) {
    self.frame = frame
    self.layout = layout
    self.key = key
    self.context = context
  }

  func bounds() throws -> WindowBounds {
    var bounds = WindowBounds(
      starts: [UInt32](repeating: 0, count: layout.count),
      ends: [UInt32](repeating: 0, count: layout.count),
      exclusion: frame.exclusion
    )
    let start = try border(frame.start, "starting")
    let end = try border(frame.end, "ending")
    try layout.forEachPartition { partition in
      try context.cancel.check()
      try fill(&bounds.starts, start, partition, isEnd: false)
      try fill(&bounds.ends, end, partition, isEnd: true)
    }
    return bounds
  }

  /// A border with its offset checked.
  private enum Border {
    case partitionStart
    case partitionEnd
    case currentRow
    /// Negative: preceding.
    case offset(Int)
    case moved(RangeOffset, isPreceding: Bool)
  }
  private func border(_ bound: WindowFrame.Bound, _ side: StaticString) throws -> Border {
    switch bound {
    case .unboundedPreceding: return .partitionStart
    case .unboundedFollowing: return .partitionEnd
    case .currentRow: return .currentRow
    case .preceding(let value): return try border(value, isPreceding: true, side)
    case .following(let value): return try border(value, isPreceding: false, side)
    }
  }
  private func border(_ value: TypedValue, isPreceding: Bool, _ side: StaticString) throws -> Border {
    if frame.unit == .range {
      guard let key else { throw TallyError(.protocolViolation, "a range frame with an offset and not one sort key") }
      return .moved(try RangeOffset(value, key.column), isPreceding: isPreceding)
    }
    guard case .fixed(let offset) = value.value else { throw TallyError(.protocolViolation, "a frame's offset is no bigint") }
    guard offset >= 0 else { throw TallyError.sql("22013", "frame \(side) offset must not be negative") }
    // No partition has so many rows: nothing overflows.
    let rows = Int(min(offset, Int64(UInt32.max)))
    return .offset(isPreceding ? -rows : rows)
  }

  private func fill(_ out: inout [UInt32], _ border: Border, _ partition: Range<Int>, isEnd: Bool) throws {
    let behind = isEnd ? 1 : 0
    switch border {
    case .partitionStart: for row in partition { out[row] = UInt32(partition.lowerBound) }
    case .partitionEnd: for row in partition { out[row] = UInt32(partition.upperBound) }
    case .currentRow:
      for row in partition {
        if frame.unit == .rows {
          out[row] = UInt32(row + behind)
        } else {
          out[row] = UInt32(isEnd ? layout.endOfPeers(row) : layout.firstPeer(row))
        }
      }
    case .offset(let offset):
      if frame.unit == .rows {
        for row in partition {
          out[row] = UInt32(max(partition.lowerBound, min(partition.upperBound, row + offset + behind)))
        }
      } else {
        let (first, last) = (Int(layout.groupOf[partition.lowerBound]), Int(layout.groupOf[partition.upperBound - 1]))
        for row in partition {
          let group = Int(layout.groupOf[row]) + offset + behind
          out[row] = layout.groups[max(first, min(last + 1, group))]
        }
      }
    case .moved(let offset, let isPreceding): try move(&out, offset, isPreceding, partition, isEnd: isEnd)
    }
  }
  private func move(
    _ out: inout [UInt32],
    _ offset: RangeOffset,
    _ isPreceding: Bool,
    _ partition: Range<Int>,
    isEnd: Bool
  ) throws {
    guard let key else { return }
    // Downwards the order runs from great to small: preceding is greater.
    let subtracts = isPreceding != key.isDescending
    let isLess = isEnd != key.isDescending
    let validity = key.column.validity
    var finger = partition.lowerBound
    for row in partition {
      if row > partition.lowerBound && layout.groupOf[row] == layout.groupOf[row - 1] {
        out[row] = out[row - 1]
        continue
      }
      let isNull = validity.map { !$0[row] } ?? false
      while finger < partition.upperBound {
        let isFingerNull = validity.map { !$0[finger] } ?? false
        if isNull || isFingerNull {
          // Where they stand is a matter of NULLS FIRST alone.
          if isEnd {
            if key.nullsFirst ? !isFingerNull : !isNull { break }
          } else {
            if key.nullsFirst ? !isFingerNull || isNull : isFingerNull || !isNull { break }
          }
        } else {
          let isIn = try offset.contains(finger, base: row, subtracts: subtracts, isLess: isLess)
          if isIn != isEnd { break }
        }
        finger += 1
      }
      out[row] = UInt32(finger)
    }
  }
}

/// A column and the offset of a RANGE frame along it.
struct RangeOffset {
  static var invalid: TallyError { .sql("22013", "invalid preceding or following size in window function") }

  private enum Values {
    case integers([Int64], Int64)
    case doubles([Double], Double)
    case numerics([Numeric], Numeric)
    /// Microseconds.
    case times([Int64], Interval)
    case intervals([Interval], Interval)
  }
  private let values: Values

  init(_ offset: TypedValue, _ column: ColumnVector) throws {
    switch (column.values, offset.value) {
    case (.fixed(let own), .fixed(let by)):
      guard by >= 0 else { throw Self.invalid }
      values = .integers(own, by)
    case (.double(let own), .double(let by)):
      guard by >= 0 else { throw Self.invalid }
      values = .doubles(own, by)
    case (.numeric(let own), .numeric(let by)):
      guard by.sign >= 0 else { throw Self.invalid }
      values = .numerics(own, by)
    case (.fixed(let own), .interval(let by)):
      guard Interval.compare(by, Interval()) >= 0 else { throw Self.invalid }
      guard column.type == .date else {
        values = .times(own, by)
        return
      }
      var times: [Int64] = []
      times.reserveCapacity(own.count)
      for (row, day) in own.enumerated() { times.append(column.isNull(row) ? 0 : try TimeArithmetic.timestamp(ofDate: day)) }
      values = .times(times, by)
    case (.interval(let own), .interval(let by)):
      guard Interval.compare(by, Interval()) >= 0 else { throw Self.invalid }
      values = .intervals(own, by)
    default:
      throw TallyError.sql(
        "0A000",
        "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(column.type.name) and offset type \(offset.type.name)"
      )
    }
  }

  /// Whether the value at `row` is at most (`isLess`), else at least, the value at `base` less or plus the offset.
  func contains(_ row: Int, base: Int, subtracts: Bool, isLess: Bool) throws -> Bool {
    switch values {
    case .integers(let values, let offset):
      let sum = subtracts ? values[base].subtractingReportingOverflow(offset) : values[base].addingReportingOverflow(offset)
      if sum.overflow { return subtracts != isLess }
      return isLess ? values[row] <= sum.partialValue : values[row] >= sum.partialValue
    case .doubles(let values, let offset):
      let (value, from) = (values[row], values[base])
      if value.isNaN { return from.isNaN || !isLess }
      if from.isNaN { return isLess }
      // Infinity less infinity: every value is near enough.
      if offset.isInfinite && from.isInfinite && (subtracts ? from > 0 : from < 0) { return true }
      let sum = subtracts ? from - offset : from + offset
      return isLess ? value <= sum : value >= sum
    case .numerics(let values, let offset):
      let order = Numeric.compare(
        values[row],
        try subtracts ? Numeric.subtract(values[base], offset) : Numeric.add(values[base], offset)
      )
      return isLess ? order <= 0 : order >= 0
    case .times(let values, let offset):
      let sum =
        try subtracts
        ? TimeArithmetic.subtract(offset, fromTimestamp: values[base]) : TimeArithmetic.add(offset, toTimestamp: values[base])
      return isLess ? values[row] <= sum : values[row] >= sum
    case .intervals(let values, let offset):
      let sum = try subtracts ? Interval.subtract(values[base], offset) : Interval.add(values[base], offset)
      let order = Interval.compare(values[row], sum)
      return isLess ? order <= 0 : order >= 0
    }
  }
}
