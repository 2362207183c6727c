// RowSetAggregates.swift — aggregates over sets of rows that are given by number, in order: what ORDER BY in a call, DISTINCT,
// percentiles and general window frames come down to.
import Aggregates
import Bytes
import Columns
import Model
import Planning

/// Sets of rows: set i is `rows[starts[i] ..< starts[i + 1]]`.
struct RowSets {
  var rows: [UInt32] = []
  var starts: [Int] = [0]
  var count: Int { starts.count - 1 }
}

enum RowSetAggregates {
  /// Refuses what cannot be evaluated.
  static func check(_ call: AggregateCall) throws {
    switch call.function {
    case .percentileCont, .percentileDisc, .mode:
      guard call.order.count == 1 else { throw TallyError(.protocolViolation, "\(call.function) without its one key") }
      try EqualityTypes.check(call.order[0].expression.type)
    default: break
    }
    for key in call.order { try EqualityTypes.check(key.expression.type) }
    if call.isDistinct { for argument in call.arguments { try EqualityTypes.check(argument.type) } }
  }

  /// One result a set; `key` is the first of the call's order.
  static func evaluate(
    _ call: AggregateCall,
    arguments: [ColumnVector],
    key: ColumnVector?,
    _ sets: RowSets,
    _ context: ExecutionContext
  ) throws -> ColumnVector {
    switch call.function {
    case .stringAgg: return try joined(arguments[0], arguments[1], sets, context).retyped(call.type)
    case .arrayAgg: return try CollectingAggregates.arrays(arguments[0], sets, context).retyped(call.type)
    case .jsonbAgg: return try CollectingAggregates.jsonArrays(arguments[0], sets, context).retyped(call.type)
    case .jsonbObjectAgg: return try CollectingAggregates.jsonObjects(arguments[0], arguments[1], sets, context).retyped(call.type)
    case .percentileCont:
      guard let key else { fatalError("a percentile without its key") }
      return try interpolated(key, try fraction(call), sets).retyped(call.type)
    case .percentileDisc:
      guard let key else { fatalError("a percentile without its key") }
      return picked(key, try places(try fraction(call), sets)).retyped(call.type)
    case .mode:
      guard let key else { fatalError("a mode without its key") }
      return picked(key, modes(key, sets)).retyped(call.type)
    default: return try accumulated(call, arguments, sets, context)
    }
  }

  /// By an accumulator, a block of rows at a time.
  private static func accumulated(
    _ call: AggregateCall,
    _ arguments: [ColumnVector],
    _ sets: RowSets,
    _ context: ExecutionContext
  ) throws -> ColumnVector {
    let accumulator = try HashAggregation.accumulator(call)
    var set = 0
    for start in stride(from: 0, to: sets.rows.count, by: Limits.batchRowsMax) {
      try context.cancel.check()
      let end = min(sets.rows.count, start + Limits.batchRowsMax)
      let rows = Array(sets.rows[start..<end])
      let groups = (start..<end).map { place -> UInt32 in
        while place >= sets.starts[set + 1] { set += 1 }
        return UInt32(set)
      }
      let own = arguments.map { $0.gather(rows) }
      try groups.withUnsafeBufferPointer {
        try accumulator.update($0, groupCount: sets.count, arguments: own, filter: nil)
      }
    }
    var result = try accumulator.finish(groupCount: sets.count)
    if call.function == .countMerge { result = ColumnVector(.bigint, result.values) }
    return result.retyped(call.type)
  }

  // MARK: - string_agg

  private static func joined(
    _ texts: ColumnVector,
    _ separators: ColumnVector,
    _ sets: RowSets,
    _ context: ExecutionContext
  ) throws -> ColumnVector {
    var out = TextColumn()
    var validity = Bitmap(repeating: true, count: sets.count)
    var held = 0
    defer { context.release(held) }
    try Operand(texts).withTexts { text in
      try Operand(separators).withTexts { separator in
        for set in 0..<sets.count {
          let start = out.bytes.count
          var isFirst = true
          for place in sets.starts[set]..<sets.starts[set + 1] {
            let row = Int(sets.rows[place])
            if texts.isNull(row) { continue }
            // The separator is that of the later row.
            if !isFirst && !separators.isNull(row) { out.bytes.append(contentsOf: separator[row]) }
            out.bytes.append(contentsOf: text[row])
            isFirst = false
            guard out.bytes.count - start <= Limits.textBytesMax else {
              throw TallyError.sql("54000", "text would be longer than \(Limits.textBytesMax) bytes")
            }
          }
          if isFirst { validity[set] = false }
          if out.bytes.count - held > 1 << 16 {
            try context.hold(out.bytes.count - held)
            held = out.bytes.count
            try context.cancel.check()
          }
          guard let end = UInt32(exactly: out.bytes.count) else { throw TallyError(.overloaded, "texts of a block over 4 GiB") }
          out.offsets.append(end)
        }
      }
    }
    return ColumnVector(.text, .text(out), validity: validity)
  }

  // MARK: - Ordered sets

  /// The rows at the given places; `none` gives NULL.
  private static func picked(_ column: ColumnVector, _ places: [UInt32?]) -> ColumnVector {
    let null = UInt32(column.count)
    let wider = ColumnVector.concatenate([column, .nulls(column.type, count: 1)], type: column.type)
    return wider.gather(places.map { $0 ?? null })
  }
  /// The call's fraction; nil for NULL.
  private static func fraction(_ call: AggregateCall) throws -> Double? {
    let column = try ExpressionEvaluation.constant(call.arguments[0])
    guard case .double(let values) = column.values, !column.isNull(0) else { return nil }
    guard values[0] >= 0, values[0] <= 1 else {
      let text = ValueText.print(.double(values[0]), as: .double) ?? ""
      throw TallyError.sql("22003", "percentile value \(text) is not between 0 and 1")
    }
    return values[0]
  }
  private static func places(_ fraction: Double?, _ sets: RowSets) throws -> [UInt32?] {
    (0..<sets.count).map { set in
      let count = sets.starts[set + 1] - sets.starts[set]
      guard let fraction, count > 0 else { return nil }
      let place = max(1, Int((fraction * Double(count)).rounded(.up)))
      return sets.rows[sets.starts[set] + min(place, count) - 1]
    }
  }
  private static func interpolated(_ column: ColumnVector, _ fraction: Double?, _ sets: RowSets) throws -> ColumnVector {
    var doubles: [Double] = []
    var intervals: [Interval] = []
    var validity = Bitmap(repeating: true, count: sets.count)
    for set in 0..<sets.count {
      let start = sets.starts[set]
      let count = sets.starts[set + 1] - start
      guard let fraction, count > 0 else {
        validity[set] = false
        doubles.append(0)
        intervals.append(Interval())
        continue
      }
      let place = fraction * Double(count - 1)
      let (low, high) = (Int(place.rounded(.down)), Int(place.rounded(.up)))
      let (first, second) = (Int(sets.rows[start + low]), Int(sets.rows[start + high]))
      switch column.values {
      case .double(let values):
        doubles.append(low == high ? values[first] : values[first] + (place - Double(low)) * (values[second] - values[first]))
      case .interval(let values):
        if low == high {
          intervals.append(values[first])
        } else {
          let difference = try Interval.subtract(values[second], values[first])
          intervals.append(try Interval.add(try Interval.multiply(difference, place - Double(low)), values[first]))
        }
      default: fatalError("percentile_cont of a \(column.type.name)")
      }
    }
    if case .interval = column.values { return ColumnVector(.interval, .interval(intervals), validity: validity) }
    return ColumnVector(.double, .double(doubles), validity: validity)
  }
  /// The first of the longest runs of equal keys.
  private static func modes(_ column: ColumnVector, _ sets: RowSets) -> [UInt32?] {
    let ranks = RowOrder.ranks(column)
    return (0..<sets.count).map { set in
      var best: (row: UInt32, count: Int)?
      var at = sets.starts[set]
      let end = sets.starts[set + 1]
      while at < end {
        var next = at + 1
        while next < end && ranks[Int(sets.rows[next])] == ranks[Int(sets.rows[at])] { next += 1 }
        if next - at > best?.count ?? 0 { best = (sets.rows[at], next - at) }
        at = next
      }
      return best?.row
    }
  }
}
