// TestRows.swift — random columns with NULLs, rows as values, and rows as text for comparison.
import Aggregates
import Columns
import Model
import Planning

@testable import Execution

/// splitmix64: the same numbers in every run.
struct Seeded {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func between(_ low: Int, _ high: Int) -> Int64 { Int64(low + below(high - low + 1)) }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
}

enum TestRows {
  static let day: Int64 = 86_400_000_000
  /// 2024-02-28 00:00 UTC.
  static let start: Int64 = 19_781 * day
  static let words = [
    "", "a", "b", "ab", "Ab", "zürich", "50%", "x_y", "12", "-7", "3.5", "t", "2024-02-29", "q w",
  ]

  /// Types of the random columns, by index.
  static let types: [DataType] = [
    .bigint, .integer, .double, .plainNumeric, .text, .varchar(0), .timestamp, .date, .interval,
    .boolean, .smallint,
  ]
  static func value(_ type: DataType, _ random: inout Seeded) -> Value {
    if random.below(8) == 0 { return .null }
    switch type {
    case .bigint: return .fixed(random.between(-5, 5))
    case .integer:
      return .fixed(random.pick([0, 1, 2, 7, -3, 1000, Int64(Int32.max), Int64(Int32.min), 65536]))
    case .smallint: return .fixed(random.pick([0, 1, -1, 12, 32767, -32768]))
    case .double: return .double(random.pick([0, -0.0, 1.5, -2.25, 1e10, 3, .infinity, .nan, 0.1]))
    case .numeric:
      return .numeric(
        random.pick([
          Numeric(0), Numeric(3), Numeric(coefficient: 150, scale: 2),
          Numeric(coefficient: 15, scale: 1),
          Numeric(coefficient: -725, scale: 2), Numeric(coefficient: 99_999, scale: 3),
        ])
      )
    case .text, .varchar: return .text(random.pick(words))
    case .timestamp:
      if random.below(20) == 0 {
        return .fixed(random.pick([TimeLimits.infinity, TimeLimits.minusInfinity]))
      }
      return .fixed(start + random.between(-40, 40) * day / 7 + random.between(0, 999_999))
    case .date: return .fixed(19_781 + random.between(-400, 400))
    case .interval:
      return .interval(
        random.pick([
          Interval(), Interval(months: 1), Interval(days: 30),
          Interval(days: -3, microseconds: 5_000_000),
          Interval(months: 14, days: 1, microseconds: 3_723_000_000),
        ])
      )
    case .boolean: return .fixed(random.between(0, 1))
    default: return .null
    }
  }
  static func column(_ type: DataType, _ values: [Value]) throws -> ColumnVector {
    // The varchar column lies as plain texts, the text column by dictionary.
    let parts = try values.map { try ColumnVector.repeating(type, $0, count: 1) }
    if parts.isEmpty { return .nulls(type, count: 0) }
    let joined = ColumnVector.concatenate(parts, type: type)
    guard case .varchar = type, case .codes(let codes, let dictionary) = joined.values else {
      return joined
    }
    var texts = TextColumn()
    for (row, code) in codes.enumerated() {
      let bytes = joined.isNull(row) ? [] : Array(dictionary.string(code).utf8)
      bytes.withUnsafeBytes { texts.append($0) }
    }
    return ColumnVector(type, .text(texts), validity: joined.validity)
  }
  static func rows(_ count: Int, _ random: inout Seeded, types: [DataType] = types) -> [[Value]] {
    (0..<count).map { _ in types.map { value($0, &random) } }
  }
  static func batch(_ rows: [[Value]], types: [DataType] = types) throws -> Batch {
    Batch(
      count: rows.count,
      columns: try types.indices.map { at in try column(types[at], rows.map { $0[at] }) }
    )
  }
  /// A value's text; states as all they hold.
  static func text(_ value: Value, _ type: DataType) -> String {
    switch value {
    case .topn(let packed):
      let state: TopN
      do { state = try TopNFormat.decode(packed) } catch { return "broken topn: \(error)" }
      let items = state.items.map {
        "\(String(decoding: $0.key, as: UTF8.self))=\($0.upper)-\($0.error)"
      }
      return "{" + items.sorted().joined(separator: ",") + "} \(state.absent) \(state.total)"
    default: return ValueText.print(value, as: type) ?? "NULL"
    }
  }
  static func texts(_ batch: Batch) throws -> [String] {
    try (0..<batch.count).map { row in
      try batch.columns.map { text(try $0.value(row), $0.type) }.joined(separator: " | ")
    }
  }
  static func texts(_ batches: [Batch]) throws -> [String] { try batches.flatMap { try texts($0) } }
}

/// Shorthands for bound expressions.
func col(_ index: Int) -> Expression { .column(index, TestRows.types[index]) }
func int(_ value: Int64, _ type: DataType = .bigint) -> Expression {
  .constant(type, .fixed(value))
}
func str(_ value: String) -> Expression { .constant(.text, .text(value)) }
func call(_ type: DataType, _ function: Function, _ arguments: Expression...) -> Expression {
  Expression(type, .call(function, arguments))
}
func cast(_ inner: Expression, _ type: DataType) -> Expression { Expression(type, .cast(inner)) }
