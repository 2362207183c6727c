// NaiveWindows.swift — window functions a row at a time: every frame is found by asking each row whether it belongs.
import Model
import Planning
import Testing

@testable import Execution

extension NaivePlan {
  func window(_ node: WindowNode) throws -> [[Value]] {
    let sorted = try run(
      .sort(SortNode(input: node.input, keys: node.partitions.map { SortKey(column: $0) } + node.keys))
    )
    func isSame(_ a: [Value], _ b: [Value], _ columns: [Int]) -> Bool {
      columns.allSatisfy { a[$0].isNull || b[$0].isNull ? a[$0].isNull == b[$0].isNull : ScalarEvaluator.compare(a[$0], b[$0]) == 0 }
    }
    var partitions: [[[Value]]] = []
    for row in sorted {
      if let last = partitions.last?.last, isSame(last, row, node.partitions) {
        partitions[partitions.count - 1].append(row)
      } else {
        partitions.append([row])
      }
    }
    return try partitions.flatMap { rows -> [[Value]] in
      var groups: [Int] = []
      for row in rows.indices {
        let isPeer = row > 0 && isSame(rows[row - 1], rows[row], node.keys.map(\.column))
        groups.append(row == 0 ? 0 : groups[row - 1] + (isPeer ? 0 : 1))
      }
      return try rows.indices.map { row in
        try rows[row] + node.calls.map { try call($0, rows, groups, row, node.keys) }
      }
    }
  }
  private func call(_ call: WindowCall, _ rows: [[Value]], _ groups: [Int], _ row: Int, _ keys: [SortKey]) throws -> Value {
    func argument(_ at: Int, _ row: Int) throws -> Value { try value(call.arguments[at], rows[row]) }
    let frame = try rows.indices.filter { try isIn(call.frame, $0, row, rows, groups, keys) }
    let firstPeer = groups.firstIndex(of: groups[row]) ?? 0
    switch call.function {
    case .rowNumber: return .fixed(Int64(row + 1))
    case .rank: return .fixed(Int64(firstPeer + 1))
    case .denseRank: return .fixed(Int64(groups[row] + 1))
    case .percentRank: return .double(rows.count == 1 ? 0 : Double(firstPeer) / Double(rows.count - 1))
    case .cumeDist: return .double(Double((groups.lastIndex(of: groups[row]) ?? 0) + 1) / Double(rows.count))
    case .ntile:
      guard case .fixed(let tiles) = try argument(0, 0) else { return .null }
      // The first tiles have one row more.
      let (size, rest) = rows.count.quotientAndRemainder(dividingBy: Int(tiles))
      let wide = rest * (size + 1)
      return .fixed(Int64(row < wide ? row / (size + 1) + 1 : rest + (row - wide) / max(1, size) + 1))
    case .lag, .lead:
      guard case .fixed(let distance) = try argument(1, row) else { return .null }
      let target = call.function == .lag ? row - Int(distance) : row + Int(distance)
      return rows.indices.contains(target) ? try argument(0, target) : try argument(2, row)
    case .firstValue: return try frame.first.map { try argument(0, $0) } ?? .null
    case .lastValue: return try frame.last.map { try argument(0, $0) } ?? .null
    case .nthValue:
      guard case .fixed(let number) = try argument(1, row) else { return .null }
      return Int(number) <= frame.count ? try argument(0, frame[Int(number) - 1]) : .null
    case .aggregate(let function):
      return try result(AggregateCall(function, call.arguments, filter: call.filter, type: call.type), frame.map { rows[$0] })
    }
  }
  private func isIn(
    _ frame: WindowFrame,
    _ at: Int,
    _ row: Int,
    _ rows: [[Value]],
    _ groups: [Int],
    _ keys: [SortKey]
  ) throws -> Bool {
    switch frame.exclusion {
    case .none: break
    case .currentRow: if at == row { return false }
    case .group: if groups[at] == groups[row] { return false }
    case .ties: if groups[at] == groups[row] && at != row { return false }
    }
    return try isInside(frame, frame.start, at, row, rows, groups, keys, isStart: true)
      && isInside(frame, frame.end, at, row, rows, groups, keys, isStart: false)
  }
  private func isInside(
    _ frame: WindowFrame,
    _ bound: WindowFrame.Bound,
    _ at: Int,
    _ row: Int,
    _ rows: [[Value]],
    _ groups: [Int],
    _ keys: [SortKey],
    isStart: Bool
  ) throws -> Bool {
    let offset: (TypedValue, Int)
    switch bound {
    case .unboundedPreceding: return isStart
    case .unboundedFollowing: return !isStart
    case .currentRow:
      if frame.unit == .rows { return isStart ? at >= row : at <= row }
      return isStart ? groups[at] >= groups[row] : groups[at] <= groups[row]
    case .preceding(let value): offset = (value, -1)
    case .following(let value): offset = (value, 1)
    }
    if frame.unit != .range {
      guard case .fixed(let count) = offset.0.value else { return false }
      let (own, other) = frame.unit == .rows ? (row, at) : (groups[row], groups[at])
      let border = own + offset.1 * Int(min(count, 1 << 40))
      return isStart ? other >= border : other <= border
    }
    let key = keys[0]
    let (own, other) = (rows[row][key.column], rows[at][key.column])
    // A NULL reaches NULLs only, and what the other border reaches lies on the way.
    if own.isNull || other.isNull {
      let (x, y) = (own.isNull == key.nullsFirst ? -1 : 1, other.isNull == key.nullsFirst ? -1 : 1)
      return isStart ? y >= x : y <= x
    }
    let adds = (offset.1 == 1) == key.isAscending
    let border: Value
    switch (own, offset.0.value) {
    case (.fixed(let v), .fixed(let by)): border = .fixed(adds ? v + by : v - by)
    case (.double(let v), .double(let by)): border = .double(adds ? v + by : v - by)
    case (.numeric(let v), .numeric(let by)): border = .numeric(try adds ? Numeric.add(v, by) : Numeric.subtract(v, by))
    case (.fixed(let v), .interval(let by)):
      border = .fixed(try adds ? TimeArithmetic.add(by, toTimestamp: v) : TimeArithmetic.subtract(by, fromTimestamp: v))
    case (.interval(let v), .interval(let by)): border = .interval(try adds ? Interval.add(v, by) : Interval.subtract(v, by))
    default: return false
    }
    let order = (ScalarEvaluator.compare(other, border) ?? 0) * (key.isAscending ? 1 : -1)
    return isStart ? order >= 0 : order <= 0
  }
}
