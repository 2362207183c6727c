// NaivePlan.swift — plans evaluated a row at a time over values: the oracle of the operators.
import Aggregates
import Columns
import Model
import Planning
import Testing

@testable import Execution

/// Rows of a plan.
///
/// Scans read `rows`.
struct NaivePlan {
  var rows: [[Value]]
  /// Rows of fragments; without them every fragment has `rows`.
  var fragments: [[[Value]]] = []
  /// Rows of the last round of recursions.
  var working: [Int: [[Value]]] = [:]

  func run(_ plan: PlanNode) throws -> [[Value]] {
    switch plan {
    case .scan(let node):
      let output = rows.map { row in node.storedColumns.map { row[$0] } }
      guard let filter = node.filter else { return output }
      return try output.filter { try holds(filter, $0) }
    case .values(let node): return node.rows
    case .filter(let node): return try run(node.input).filter { try holds(node.condition, $0) }
    case .project(let node):
      return try run(node.input).map { row in try node.expressions.map { try value($0, row) } }
    case .aggregate(let node): return try aggregate(node)
    case .join(let node): return try join(node)
    case .window(let node): return try window(node)
    case .setOperation(let node): return try setOperation(node)
    case .distinctOn(let node): return try distinctOn(node)
    case .tableFunction(let node): return try tableFunction(node)
    case .shared(let node): return try run(node.input)
    case .recursive(let node): return try recursive(node)
    case .workingRows(let node): return working[node.id] ?? []
    case .systemScan: return []
    case .sort(let node):
      let input = try run(node.input)
      let order = input.indices.sorted { a, b in
        for key in node.keys {
          let (x, y) = (input[a][key.column], input[b][key.column])
          if x.isNull != y.isNull { return x.isNull == key.nullsFirst }
          if x.isNull { continue }
          let order = ScalarEvaluator.compare(x, y) ?? 0
          if order != 0 { return key.isAscending ? order < 0 : order > 0 }
        }
        return a < b
      }
      return order.prefix(node.first.map { Int($0) } ?? input.count).map { input[$0] }
    case .limit(let node):
      let input = try run(node.input).dropFirst(Int(node.offset))
      return Array(input.prefix(node.count.map { Int($0) } ?? input.count))
    case .unionAll(let inputs): return try inputs.flatMap { try run($0) }
    case .expandTopN(let node): return try expand(node)
    case .fragmentInput(let node): return fragments.isEmpty ? rows : fragments[node.fragment]
    }
  }
  private func expand(_ node: ExpandTopNNode) throws -> [[Value]] {
    try run(node.input).flatMap { row -> [[Value]] in
      guard case .topn(let packed) = row[node.column] else { return [] }
      return try TopNFormat.decode(packed).ranked().prefix(Int(node.count)).map { item in
        row
          + node.fields.map { field in
            switch field {
            case .item: .text(String(decoding: item.key, as: UTF8.self))
            case .frequency: .fixed(item.lower)
            case .upper: .fixed(item.upper)
            case .isExact: .fixed(item.error == 0 ? 1 : 0)
            }
          }
      }
    }
  }
  func value(_ expression: Expression, _ row: [Value]) throws -> Value {
    // Sketch functions are not in the one-row evaluator: hashes of texts are enough here.
    if case .call(.hllHash, let arguments) = expression.node {
      guard case .text(let text) = try value(arguments[0], row) else { return .null }
      return .fixed(Array(text.utf8).withUnsafeBytes { HLLHash.text($0) })
    }
    return try #require(try ScalarEvaluator.evaluate(expression, row: row))
  }
  func holds(_ condition: Expression, _ row: [Value]) throws -> Bool {
    if case .fixed(1) = try value(condition, row) { true } else { false }
  }
  private func aggregate(_ node: AggregateNode) throws -> [[Value]] {
    var order: [String] = []
    var groups: [String: (key: [Value], rows: [[Value]])] = [:]
    if node.groups.isEmpty {
      order = [""]
      groups[""] = ([], [])
    }
    for row in try run(node.input) {
      let key = try node.groups.map { group -> Value in
        let key = try value(group, row)
        // Both zeros are one group, printed without a sign.
        if case .double(0) = key { return .double(0) }
        return key
      }
      // Equal values have one text here: zeros are made alike, numerics normalised, intervals by span.
      let name = zip(key, node.groups).map { Self.name($0, $1.type) }.joined(separator: "\u{1}")
      if groups[name] == nil { order.append(name) }
      groups[name, default: (key, [])].rows.append(row)
      for (at, value) in key.enumerated() {
        switch (value, groups[name]?.key[at]) {
        case (.numeric(let new), .numeric(let old)?):
          if new.scale > old.scale { groups[name]?.key[at] = value }
        case (.interval(let new), .interval(let old)?):
          if (new.months, new.days) > (old.months, old.days) { groups[name]?.key[at] = value }
        default: break
        }
      }
    }
    return try order.map { name in
      let group = groups[name] ?? ([], [])
      return try group.key + node.calls.map { try result($0, group.rows) }
    }
  }
  static func name(_ value: Value, _ type: DataType) -> String {
    switch value {
    case .double(let v): v == 0 ? "0" : v.isNaN ? "nan" : "\(v)"
    case .numeric(let v): "\(v.normalized)"
    case .interval(let v): "\(v.span)"
    default: TestRows.text(value, type)
    }
  }
  func result(_ call: AggregateCall, _ all: [[Value]]) throws -> Value {
    let rows = try all.filter { row in try call.filter.map { try holds($0, row) } ?? true }
    if GatheredAggregation.suits(call) { return try gathered(call, rows) }
    let values = try rows.compactMap { row -> Value? in
      guard let first = call.arguments.first else { return .fixed(1) }
      let value = try value(first, row)
      return value.isNull ? nil : value
    }
    switch call.function {
    case .stringAgg, .arrayAgg, .jsonbAgg, .jsonbObjectAgg, .percentileCont, .percentileDisc, .mode: return .null
    case .bitAnd, .bitOr:
      let bits = values.compactMap { if case .fixed(let v) = $0 { v } else { nil } }
      guard let first = bits.first else { return .null }
      return .fixed(bits.dropFirst().reduce(first) { call.function == .bitAnd ? $0 & $1 : $0 | $1 })
    case .countStar, .count: return .fixed(Int64(values.count))
    case .countMerge:
      return .fixed(values.reduce(0) { if case .fixed(let v) = $1 { $0 + v } else { $0 } })
    case .sum:
      if values.isEmpty { return .null }
      if call.type == .bigint {
        return .fixed(values.reduce(0) { if case .fixed(let v) = $1 { $0 + v } else { $0 } })
      }
      if case .numeric = call.type {
        return .numeric(
          try values.reduce(Numeric(0)) { sum, value in
            switch value {
            case .fixed(let v): try Numeric.add(sum, Numeric(v))
            case .numeric(let v): try Numeric.add(sum, v)
            default: sum
            }
          }
        )
      }
      if call.type == .interval {
        return .interval(
          try values.reduce(Interval()) {
            if case .interval(let v) = $1 { try Interval.add($0, v) } else { $0 }
          }
        )
      }
      return .double(values.reduce(0) { if case .double(let v) = $1 { $0 + v } else { $0 } })
    case .min, .boolAnd:
      return values.dropFirst().reduce(values.first ?? .null) {
        (ScalarEvaluator.compare($1, $0) ?? 0) < 0 ? $1 : $0
      }
    case .max, .boolOr:
      return values.dropFirst().reduce(values.first ?? .null) {
        (ScalarEvaluator.compare($1, $0) ?? 0) > 0 ? $1 : $0
      }
    case .hllAdd, .hllUnion:
      guard case .hll(let parameters) = call.type else { return .null }
      if call.function == .hllAdd ? rows.isEmpty : values.isEmpty { return .null }
      var state = HyperLogLog(parameters)
      for value in values {
        if case .fixed(let hash) = value { state.add(hash) }
        if case .hll(let packed) = value { try state.union(try HLLFormat.decode(packed)) }
      }
      return .hll(HLLFormat.encode(state))
    case .topnAdd, .topnUnion:
      guard case .topn(let parameters) = call.type else { return .null }
      var state = TopN(parameters)
      for row in rows {
        switch try value(call.arguments[0], row) {
        case .text(let text):
          guard call.arguments.count > 1 else {
            state.add(text)
            continue
          }
          if case .fixed(let weight) = try value(call.arguments[1], row), weight >= 0 {
            state.add(text, weight: weight)
          }
        case .topn(let packed): try state.union(try TopNFormat.decode(packed))
        default: break
        }
      }
      return .topn(TopNFormat.encode(state))
    }
  }
}
