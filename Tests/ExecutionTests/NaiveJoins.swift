// NaiveJoins.swift — joins, set operations, DISTINCT ON, table functions and recursions a row at a time.
import Model
import Planning
import Testing

@testable import Execution

extension NaivePlan {
  /// TRUE, FALSE or NULL (nil).
  private func truth(_ expression: Expression?, _ row: [Value]) throws -> Bool? {
    guard let expression else { return true }
    guard case .fixed(let flag) = try value(expression, row) else { return nil }
    return flag == 1
  }
  func join(_ node: JoinNode) throws -> [[Value]] {
    let (left, right) = (try run(node.left), try run(node.right))
    let nullsLeft = [Value](repeating: .null, count: node.left.columns.count)
    let nullsRight = [Value](repeating: .null, count: node.right.columns.count)
    var isMatched = [Bool](repeating: false, count: right.count)
    var output: [[Value]] = []
    for own in left {
      var matches: [Int] = []
      var isUnsure = false
      for (at, other) in right.enumerated() {
        var marking: Bool? = true
        var isCandidate = true
        for key in node.keys {
          let (a, b) = (try value(key.left, own), try value(key.right, other))
          let isEqual: Bool? = a.isNull || b.isNull ? (key.matchesNulls ? a.isNull && b.isNull : nil) : ScalarEvaluator.compare(a, b) == 0
          if key.marksNulls { marking = isEqual } else if isEqual != true { isCandidate = false }
        }
        guard isCandidate, marking != false, try truth(node.condition, own + other) == true else { continue }
        if marking == nil { isUnsure = true } else { matches.append(at) }
      }
      for at in matches { isMatched[at] = true }
      switch node.kind {
      case .semi: if !matches.isEmpty { output.append(own) }
      case .anti: if matches.isEmpty { output.append(own) }
      case .mark: output.append(own + [matches.isEmpty ? (isUnsure ? .null : .fixed(0)) : .fixed(1)])
      case .single where matches.count > 1:
        throw TallyError.sql("21000", "more than one row returned by a subquery used as an expression")
      default:
        for at in matches { output.append(own + right[at]) }
        let showsLonely = node.kind == .left || node.kind == .full || node.kind == .single
        if matches.isEmpty && showsLonely { output.append(own + nullsRight) }
      }
    }
    if node.kind == .right || node.kind == .full {
      for at in right.indices where !isMatched[at] { output.append(nullsLeft + right[at]) }
    }
    return output
  }
  static func name(_ row: [Value], _ types: [DataType]) -> String {
    zip(row, types).map { $0.isNull ? "\u{2}" : name($0, $1) }.joined(separator: "\u{1}")
  }
  func setOperation(_ node: SetOperationNode) throws -> [[Value]] {
    let types = node.left.columns.map(\.type)
    var counts: [String: Int] = [:]
    for row in try run(node.right) { counts[Self.name(row, types), default: 0] += 1 }
    var shown: Set<String> = []
    return try run(node.left).filter { row in
      let name = Self.name(row, types)
      let isIn = counts[name, default: 0] > 0
      if node.isAll {
        if isIn { counts[name, default: 0] -= 1 }
        return isIn == (node.kind == .intersect)
      }
      return isIn == (node.kind == .intersect) && shown.insert(name).inserted
    }
  }
  func distinctOn(_ node: DistinctOnNode) throws -> [[Value]] {
    let types = node.columns.map { node.input.columns[$0].type }
    var last: String?
    return try run(node.input).filter { row in
      let name = Self.name(node.columns.map { row[$0] }, types)
      defer { last = name }
      return name != last
    }
  }
  func recursive(_ node: RecursiveNode) throws -> [[Value]] {
    let types = node.base.columns.map(\.type)
    var seen: Set<String> = []
    func fresh(_ rows: [[Value]]) -> [[Value]] {
      node.isDistinct ? rows.filter { seen.insert(Self.name($0, types)).inserted } : rows
    }
    var round = fresh(try run(node.base))
    var output: [[Value]] = []
    while !round.isEmpty {
      output += round
      var inner = self
      inner.working[node.id] = round
      round = fresh(try inner.run(node.step))
    }
    return output
  }
  func tableFunction(_ node: TableFunctionNode) throws -> [[Value]] {
    try run(node.input).flatMap { row -> [[Value]] in
      let series = try node.calls.map { try rows($0, row) }
      let most = series.map(\.count).max() ?? 0
      var output: [[Value]] = (0..<most).map { at in
        let values = zip(series, node.calls).flatMap { own, call in
          at < own.count ? own[at] : [Value](repeating: .null, count: call.output.count)
        }
        return row + values + (node.ordinality == nil ? [] : [.fixed(Int64(at + 1))])
      }
      if output.isEmpty && node.keepsLonely {
        output = [row + [Value](repeating: .null, count: node.output.count - row.count)]
      }
      return output
    }
  }
  private func rows(_ call: TableFunctionNode.Call, _ row: [Value]) throws -> [[Value]] {
    let values = try call.arguments.map { try value($0, row) }
    switch (call.function, values[0], values[1]) {
    case (.generateIntegers, .fixed(let start), .fixed(let stop)):
      guard case .fixed(let step) = values[2] else { return [] }
      return stride(from: start, through: stop, by: Int(step)).map { [.fixed($0)] }
    case (.stringToTable, .text(let text), .text(let separator)):
      if text.isEmpty { return [] }
      if separator.isEmpty { return [[.text(text)]] }
      return text.split(separator: separator, omittingEmptySubsequences: false).map { [.text(String($0))] }
    case (.stringToTable, .text(let text), .null): return text.unicodeScalars.map { [.text(String($0))] }
    default: return []
    }
  }
  /// Aggregates that look at the rows of a group in an order, or at distinct ones.
  func gathered(_ call: AggregateCall, _ all: [[Value]]) throws -> Value {
    var rows = all
    func order(_ keys: [(Expression, Bool, Bool)]) throws {
      let own = try rows.map { row in try keys.map { try value($0.0, row) } }
      let order = own.indices.sorted { a, b in
        for (at, key) in keys.enumerated() {
          let (x, y) = (own[a][at], own[b][at])
          if x.isNull != y.isNull { return x.isNull == key.2 }
          let order = ScalarEvaluator.compare(x, y) ?? 0
          if order != 0 { return key.1 ? order < 0 : order > 0 }
        }
        return a < b
      }
      rows = order.map { rows[$0] }
    }
    if call.isDistinct {
      var seen: Set<String> = []
      let types = call.arguments.map(\.type)
      rows = try rows.filter { row in seen.insert(Self.name(try call.arguments.map { try value($0, row) }, types)).inserted }
    }
    try order(
      call.order.map { ($0.expression, $0.isAscending, $0.nullsFirst) } + (call.isDistinct ? call.arguments.map { ($0, true, false) } : [])
    )
    switch call.function {
    case .stringAgg:
      var text: String?
      for row in rows {
        guard case .text(let own) = try value(call.arguments[0], row) else { continue }
        if let before = text, case .text(let separator) = try value(call.arguments[1], row) {
          text = before + separator + own
        } else {
          text = (text ?? "") + own
        }
      }
      return text.map { .text($0) } ?? .null
    case .percentileCont, .percentileDisc, .mode:
      let keys = try rows.map { try value(call.order[0].expression, $0) }.filter { !$0.isNull }
      if keys.isEmpty { return .null }
      if call.function == .mode {
        var best: (Value, Int) = (.null, 0)
        for key in keys {
          let count = keys.count { ScalarEvaluator.compare($0, key) == 0 }
          if count > best.1 { best = (key, count) }
        }
        return best.0
      }
      guard case .constant(.double(let fraction)) = call.arguments[0].node else { return .null }
      if call.function == .percentileDisc { return keys[max(1, Int((fraction * Double(keys.count)).rounded(.up))) - 1] }
      let place = fraction * Double(keys.count - 1)
      let (low, high) = (keys[Int(place.rounded(.down))], keys[Int(place.rounded(.up))])
      guard case .double(let a) = low, case .double(let b) = high else { return .null }
      return .double(place == place.rounded() ? a : a + (place - place.rounded(.down)) * (b - a))
    default:
      return try result(AggregateCall(call.function, call.arguments, type: call.type), rows)
    }
  }
}
