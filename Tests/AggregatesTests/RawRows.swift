// RawRows.swift — random rows for tests of rollup states, and the states that the naive way makes of them.
import Aggregates
import Bytes
import Columns
import Foundation
import Model
import Testing

/// Random raw rows and what the naive way makes of them.
struct RawRows {
  struct Row {
    var tenant: Int64
    var bucket: Int64?
    var country: String?
    var number: Int64?
    var ratio: Double?
    var price: Numeric?
    var flag: Int64?
    var user: Int64?
    var item: String?
    var weight: Int64?
  }
  var rows: [Row]
  init(_ count: Int, tenants: Int64, buckets: Int64, seed: UInt64, items: Int = 30) {
    var random = TestRandom(seed)
    func maybe<T>(_ value: T) -> T? { Int.random(in: 0..<12, using: &random) == 0 ? nil : value }
    rows = (0..<count).map { _ in
      Row(
        tenant: Int64.random(in: 0..<tenants, using: &random),
        bucket: maybe(Int64.random(in: 0..<buckets, using: &random) * 300_000_000),
        country: maybe(["de", "fr", "", "österreich"].randomElement(using: &random)!),
        number: maybe(Int64.random(in: -1000...1000, using: &random)),
        ratio: maybe(Double(Int64.random(in: -8...8, using: &random)) / 4),
        price: maybe(
          Numeric(
            coefficient: Int128(Int64.random(in: -500...500, using: &random)),
            scale: UInt8(Int.random(in: 0...3, using: &random))
          )
        ),
        flag: maybe(Int64.random(in: 0...1, using: &random)),
        user: maybe(Int64.random(in: 0..<400, using: &random)),
        item: maybe(
          "item \(Int.random(in: 0..<items, using: &random) * Int.random(in: 0..<3, using: &random))"
        ),
        weight: maybe(Int64.random(in: -1...5, using: &random))
      )
    }
  }
  static func fixed(_ type: DataType, _ values: [Int64?]) -> ColumnVector {
    ColumnVector(type, .fixed(values.map { $0 ?? 0 }), validity: bits(values.map { $0 != nil }))
  }
  static func bits(_ flags: [Bool]) -> Bitmap {
    var out = Bitmap(words: [], count: 0)
    for flag in flags { out.append(flag) }
    return out
  }
  static func texts(_ values: [String?], plain: Bool = false) -> ColumnVector {
    let validity = bits(values.map { $0 != nil })
    var texts = TextColumn()
    var interner = TextInterner()
    var codes: [UInt32] = []
    // A text that no row uses, as slices of bigger batches have.
    _ = Array("unused".utf8).withUnsafeBytes { interner.intern($0) }
    for value in values {
      Array((value ?? "").utf8).withUnsafeBytes {
        texts.append($0)
        codes.append(value == nil ? 0 : interner.intern($0))
      }
    }
    return ColumnVector(
      .text,
      plain ? .text(texts) : .codes(codes, interner.dictionary()),
      validity: validity
    )
  }
  var keys: [ColumnVector] {
    [
      Self.fixed(.bigint, rows.map(\.tenant)), Self.fixed(.timestamptz, rows.map(\.bucket)),
      Self.texts(rows.map(\.country)),
    ]
  }
  static let hll = HLLParameters(log2m: 6, regwidth: 5)
  static let topn = TopNParameters(counters: 4, keyBytesMax: 255)
  static let measures: [RollupMeasure] = [
    RollupMeasure(name: "rows", kind: .count, type: .bigint),
    RollupMeasure(name: "numbers", kind: .count, type: .bigint),
    RollupMeasure(name: "narrow", kind: .sum, type: .bigint),
    RollupMeasure(name: "wide", kind: .sum, type: .plainNumeric),
    RollupMeasure(name: "ratio", kind: .sum, type: .double),
    RollupMeasure(name: "price", kind: .sum, type: .plainNumeric),
    RollupMeasure(name: "least", kind: .min, type: .integer),
    RollupMeasure(name: "last", kind: .max, type: .text),
    RollupMeasure(name: "all", kind: .boolAnd, type: .boolean),
    RollupMeasure(name: "any", kind: .boolOr, type: .boolean),
    RollupMeasure(name: "users", kind: .hll, type: .hll(hll)),
    RollupMeasure(name: "top", kind: .topn, type: .topn(topn)),
    RollupMeasure(name: "heavy", kind: .topn, type: .topn(topn)),
  ]
  func inputs(plain: Bool = false) throws -> [MeasureInput] {
    let number = Self.fixed(.integer, rows.map(\.number))
    let ratio = ColumnVector(
      .double,
      .double(rows.map { $0.ratio ?? 0 }),
      validity: Self.bits(rows.map { $0.ratio != nil })
    )
    let price = ColumnVector(
      .plainNumeric,
      .numeric(rows.map { $0.price ?? Numeric(0) }),
      validity: Self.bits(rows.map { $0.price != nil })
    )
    let flag = Self.fixed(.boolean, rows.map(\.flag))
    let users = try HLLHash.hash(Self.fixed(.bigint, rows.map(\.user)))
    let items = Self.texts(rows.map(\.item), plain: plain)
    let filter = Self.bits(rows.map { ($0.number ?? 0) % 3 == 0 })
    let m = Self.measures
    return [
      MeasureInput(measure: m[0]), MeasureInput(measure: m[1], argument: number),
      MeasureInput(measure: m[2], argument: number),
      MeasureInput(measure: m[3], argument: number), MeasureInput(measure: m[4], argument: ratio),
      MeasureInput(measure: m[5], argument: price),
      MeasureInput(measure: m[6], argument: number, filter: filter),
      MeasureInput(measure: m[7], argument: items), MeasureInput(measure: m[8], argument: flag),
      MeasureInput(measure: m[9], argument: flag),
      MeasureInput(measure: m[10], argument: users, filter: filter),
      MeasureInput(measure: m[11], argument: items),
      MeasureInput(
        measure: m[12],
        argument: items,
        weight: Self.fixed(.bigint, rows.map(\.weight)),
        filter: filter
      ),
    ]
  }
  /// State rows as text, one a group, sorted by keys, by dictionaries and scalar states.
  func naive(truncating width: BucketWidth? = nil, pruneTo limit: Int = .max) -> [String] {
    struct Key: Hashable { var tenant: Int64, bucket: Int64?, country: String? }
    var groups: [Key: [Row]] = [:]
    for row in rows {
      let bucket = row.bucket.map { width == nil ? $0 : Calendar.truncateToBucket($0, width!) }
      groups[Key(tenant: row.tenant, bucket: bucket, country: row.country), default: []].append(row)
    }
    func before<T: Comparable>(_ a: T?, _ b: T?) -> Bool? {
      if a == b { return nil }
      guard let a else { return false }
      guard let b else { return true }
      return a < b
    }
    let keys = groups.keys.sorted {
      before($0.tenant, $1.tenant) ?? before($0.bucket, $1.bucket)
        ?? before(
          $0.country.map { $0.utf8.map { Int($0) } }.map(Bytes.init),
          $1.country.map { $0.utf8.map { Int($0) } }.map(Bytes.init)
        ) ?? false
    }
    return keys.map { key in
      let rows = groups[key]!
      let numbers = rows.compactMap(\.number)
      let chosen = rows.filter { ($0.number ?? 0) % 3 == 0 }
      var users = HyperLogLog(Self.hll)
      for user in chosen.compactMap(\.user) { users.add(HLLHash.integers([user], width: 8)[0]) }
      var (top, heavy) = (TopN(Self.topn), TopN(Self.topn))
      for item in rows.compactMap(\.item) { top.add(item) }
      for row in chosen {
        if let item = row.item, let weight = row.weight { heavy.add(item, weight: weight) }
      }
      top.prune(to: limit)
      heavy.prune(to: limit)
      func show<T>(_ value: T?) -> String { value.map { "\($0)" } ?? "NULL" }
      let prices = rows.compactMap(\.price).reduce(nil as Numeric?) { sum, x in
        let scale = max(sum?.scale ?? 0, x.scale)
        func at(_ n: Numeric) -> Int128 {
          (0..<(scale - n.scale)).reduce(n.coefficient) { c, _ in c * 10 }
        }
        return Numeric(coefficient: (sum.map(at) ?? 0) + at(x), scale: scale)
      }
      let flags = rows.compactMap(\.flag)
      return [
        "\(key.tenant)", show(key.bucket), show(key.country), "\(rows.count)", "\(numbers.count)",
        show(numbers.isEmpty ? nil : numbers.reduce(0, +)),
        show(numbers.isEmpty ? nil : Numeric(numbers.reduce(0, +))).description,
        show(rows.contains { $0.ratio != nil } ? rows.compactMap(\.ratio).reduce(0, +) : nil),
        show(prices),
        show(chosen.compactMap(\.number).min()),
        show(
          rows.compactMap(\.item).max {
            Bytes($0.utf8.map { Int($0) }) < Bytes($1.utf8.map { Int($0) })
          }
        ),
        show(flags.min()), show(flags.max()), chosen.isEmpty ? "NULL" : HLLFunctions.text(users),
        hex(TopNFormat.encode(top)), hex(TopNFormat.encode(heavy)),
      ].joined(separator: "|")
    }
  }
  struct Bytes: Comparable {
    var bytes: [Int]
    init(_ bytes: [Int]) { self.bytes = bytes }
    static func < (a: Bytes, b: Bytes) -> Bool { a.bytes.lexicographicallyPrecedes(b.bytes) }
  }
  /// Rows of a batch as text.
  static func show(_ batch: Batch) -> [String] {
    (0..<batch.count).map { row in
      batch.columns.map { column in
        if column.isNull(row) { return "NULL" }
        switch column.values {
        case .fixed(let v): return "\(v[row])"
        case .double(let v): return "\(v[row])"
        case .numeric(let v): return "\(v[row])"
        case .interval(let v): return "\(v[row])"
        case .text(let v):
          return String(
            decoding: v.bytes[Int(v.offsets[row])..<Int(v.offsets[row + 1])],
            as: UTF8.self
          )
        case .codes(let v, let d): return d.string(v[row])
        case .hll(let v): return HLLFunctions.text(v.state(row))
        case .topn(let v): return hex(TopNFormat.encode(v.state(row)))
        }
      }.joined(separator: "|")
    }
  }
  func part(_ range: Range<Int>) -> RawRows {
    var copy = self
    copy.rows = Array(rows[range])
    return copy
  }
}
