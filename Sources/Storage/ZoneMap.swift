// ZoneMap.swift — the bounds of a column within a block, and the questions a scan asks them.
//
// Zones are advice: a block they do not exclude may still hold no matching row, and callers filter exactly.
public import Columns
public import Model

/// Bounds of the values of one column in one block; NULLs apart.
public struct Zone: Sendable {
  /// Bounds of the values that are not NULL.
  public enum Bounds: Sendable {
    /// No bounds are kept for the type.
    case unknown
    /// Every row is NULL.
    case none
    /// Layout fixed: both reached.
    case fixed(Int64, Int64)
    /// Layout double in PostgreSQL's order (NaN greatest): both reached.
    case double(Double, Double)
    /// Layout numeric: both reached.
    case numeric(Numeric, Numeric)
    /// Layout text: the first 16 bytes of the least and the greatest text.
    case text([UInt8], [UInt8])
  }
  /// True when a row is NULL.
  public var hasNulls: Bool
  /// Bounds.
  public var bounds: Bounds
  /// Makes a zone.
  public init(hasNulls: Bool, bounds: Bounds) {
    self.hasNulls = hasNulls
    self.bounds = bounds
  }
}

/// A condition on one column that lets a scan skip blocks.
public struct ZonePredicate: Sendable {
  /// Conditions; none of the ranges matches NULL. A nil bound is open.
  public enum Test: Sendable {
    /// low ≤ value ≤ high, layout fixed.
    case fixed(low: Int64?, high: Int64?)
    /// value is one of these, rising; layout fixed.
    case fixedAny([Int64])
    /// low ≤ value ≤ high, layout double.
    case double(low: Double?, high: Double?)
    /// low ≤ value ≤ high, layout numeric.
    case numeric(low: Numeric?, high: Numeric?)
    /// low ≤ value ≤ high by bytes, layout text.
    case text(low: [UInt8]?, high: [UInt8]?)
    /// value is one of these, rising by bytes; layout text.
    case textAny([[UInt8]])
    /// value IS NULL.
    case isNull
    /// value IS NOT NULL.
    case isNotNull
  }
  /// Column number in the relation.
  public var column: Int
  /// The condition.
  public var test: Test
  /// Makes a predicate.
  public init(column: Int, _ test: Test) {
    self.column = column
    self.test = test
  }
  /// value = `value`, layout fixed.
  public static func equal(_ column: Int, _ value: Int64) -> ZonePredicate {
    ZonePredicate(column: column, .fixed(low: value, high: value))
  }
  /// value is one that a column has, or lies between two; nil where zones of the type are not asked, or there is none.
  public static func covering(_ column: Int, _ values: ColumnVector) -> ZonePredicate? {
    // Equal values of such a type may lie apart.
    guard values.type.layout != .text || values.type.ordersByBytes else { return nil }
    switch values.values {
    case .fixed(let all):
      let present = (0..<all.count).filter { !values.isNull($0) }.map { all[$0] }
      guard let low = present.min(), let high = present.max() else { return nil }
      if low == high { return .equal(column, low) }
      let distinct = present.count <= fixedAnyMax ? Set(present).sorted() : []
      return ZonePredicate(column: column, distinct.isEmpty ? .fixed(low: low, high: high) : .fixedAny(distinct))
    case .text(let texts):
      let present = (0..<texts.count).filter { !values.isNull($0) }.map {
        Array(texts.bytes[Int(texts.offsets[$0])..<Int(texts.offsets[$0 + 1])])
      }
      return covering(column, texts: present)
    case .codes(let codes, let dictionary):
      let used = Set((0..<codes.count).filter { !values.isNull($0) }.map { codes[$0] })
      return covering(column, texts: used.sorted().map { dictionary.withText($0) { Array($0) } })
    case .double, .numeric, .interval, .hll, .topn: return nil
    }
  }
  private static func covering(_ column: Int, texts: [[UInt8]]) -> ZonePredicate? {
    func precedes(_ a: [UInt8], _ b: [UInt8]) -> Bool { a.lexicographicallyPrecedes(b) }
    guard let low = texts.min(by: precedes), let high = texts.max(by: precedes) else { return nil }
    return ZonePredicate(column: column, .text(low: low, high: high))
  }
  /// Values that a block's zone is compared with one by one.
  private static let fixedAnyMax = 256
  /// value = `text` by bytes.
  public static func equal(_ column: Int, text: [UInt8]) -> ZonePredicate {
    ZonePredicate(column: column, .text(low: text, high: text))
  }
}

extension Zone {
  /// Bytes kept of a text bound.
  static let textPrefix = 16

  /// The zone of a block; `column.values` are plain values, or codes of a dictionary that rises by bytes.
  init(_ column: ColumnVector) {
    let valid = column.validity
    let bounds: Bounds
    switch column.values {
    case .fixed(let v):
      bounds = Self.extremes(v, valid) { $0 < $1 }.map { .fixed($0, $1) } ?? .none
    case .double(let v):
      bounds = Self.extremes(v, valid) { Self.precedes($0, $1) }.map { .double($0, $1) } ?? .none
    case .numeric(let v):
      bounds = Self.extremes(v, valid) { Self.compare($0, $1) < 0 }.map { .numeric($0, $1) } ?? .none
    case .codes(let v, let dictionary):
      bounds =
        Self.extremes(v, valid) { $0 < $1 }.map { low, high in
          .text(
            dictionary.withText(low) { Array($0.prefix(Self.textPrefix)) },
            dictionary.withText(high) { Array($0.prefix(Self.textPrefix)) }
          )
        } ?? .none
    case .text(let v):
      let rows = (0..<UInt32(v.count)).map { $0 }
      bounds = v.bytes.withUnsafeBytes { raw in
        func text(_ row: UInt32) -> UnsafeRawBufferPointer {
          UnsafeRawBufferPointer(rebasing: raw[Int(v.offsets[Int(row)])..<Int(v.offsets[Int(row) + 1])])
        }
        return Self.extremes(rows, valid) { compareBytes(text($0), text($1)) < 0 }.map {
          .text(Array(text($0).prefix(Self.textPrefix)), Array(text($1).prefix(Self.textPrefix)))
        } ?? .none
      }
    case .interval, .hll, .topn: bounds = valid.map { $0.setCount == 0 } ?? false ? .none : .unknown
    }
    self.init(hasNulls: valid != nil, bounds: bounds)
  }
  @inline(__always)
  private static func extremes<T>(_ values: [T], _ valid: Bitmap?, _ less: (T, T) -> Bool) -> (T, T)? {
    guard let valid else {
      guard var low = values.first else { return nil }
      var high = low
      for x in values {
        if less(x, low) { low = x }
        if less(high, x) { high = x }
      }
      return (low, high)
    }
    var found: (T, T)?
    for i in values.indices where valid[i] {
      let x = values[i]
      guard let (low, high) = found else {
        found = (x, x)
        continue
      }
      found = (less(x, low) ? x : low, less(high, x) ? x : high)
    }
    return found
  }
  /// PostgreSQL's order of doubles: NaN is the greatest.
  static func precedes(_ a: Double, _ b: Double) -> Bool { a < b || (!a.isNaN && b.isNaN) }
  /// Numeric order by value.
  static func compare(_ a: Numeric, _ b: Numeric) -> Int {
    let (x, y) = (a.coefficient, b.coefficient)
    if a.scale == b.scale { return x < y ? -1 : x == y ? 0 : 1 }
    if a.scale > b.scale { return -compare(b, a) }
    var scaled = x
    for _ in a.scale..<b.scale {
      let (product, overflow) = scaled.multipliedReportingOverflow(by: 10)
      // Over 127 bits: greater in magnitude than any coefficient of 38 digits.
      if overflow { return x < 0 ? -1 : 1 }
      scaled = product
    }
    return scaled < y ? -1 : scaled == y ? 0 : 1
  }
}

extension ZonePredicate {
  /// False only when no row of a block with this zone can satisfy the predicate.
  public func mayMatch(_ zone: Zone) -> Bool {
    switch (test, zone.bounds) {
    case (.isNull, _): return zone.hasNulls
    case (_, .none): return false
    case (.isNotNull, _), (_, .unknown): return true
    case (.fixed(let low, let high), .fixed(let least, let greatest)):
      return (low.map { $0 <= greatest } ?? true) && (high.map { $0 >= least } ?? true)
    case (.fixedAny(let values), .fixed(let least, let greatest)):
      let first = firstIndex(values.count) { values[$0] >= least }
      return first < values.count && values[first] <= greatest
    case (.double(let low, let high), .double(let least, let greatest)):
      return (low.map { !Zone.precedes(greatest, $0) } ?? true) && (high.map { !Zone.precedes($0, least) } ?? true)
    case (.numeric(let low, let high), .numeric(let least, let greatest)):
      return (low.map { Zone.compare($0, greatest) <= 0 } ?? true) && (high.map { Zone.compare($0, least) >= 0 } ?? true)
    case (.text(let low, let high), .text(let least, let greatest)):
      return (low.map { Self.notAbove($0, prefix: greatest) } ?? true) && (high.map { Self.order($0, least) >= 0 } ?? true)
    case (.textAny(let texts), .text(let least, let greatest)):
      let first = firstIndex(texts.count) { Self.order(texts[$0], least) >= 0 }
      return first < texts.count && Self.notAbove(texts[first], prefix: greatest)
    default: return true
    }
  }
  /// First place in 0 ..< count where a rising condition holds.
  private func firstIndex(_ count: Int, _ holds: (Int) -> Bool) -> Int {
    var (low, high) = (0, count)
    while low < high {
      let middle = (low + high) / 2
      if holds(middle) { high = middle } else { low = middle + 1 }
    }
    return low
  }
  static func order(_ a: [UInt8], _ b: [UInt8]) -> Int { a.withUnsafeBytes { x in b.withUnsafeBytes { compareBytes(x, $0) } } }
  /// Whether a text can be at or below some text that begins with `prefix` (cut at 16 bytes).
  static func notAbove(_ text: [UInt8], prefix: [UInt8]) -> Bool {
    order(prefix.count < Zone.textPrefix ? text : Array(text.prefix(Zone.textPrefix)), prefix) <= 0
  }
}

extension ZonePredicate {
  /// True when every value of a block sorts before all that satisfy the predicate.
  func isWhollyBelow(_ zone: Zone) -> Bool {
    switch (test, zone.bounds) {
    case (.fixed(let low?, _), .fixed(_, let greatest)): greatest < low
    case (.fixedAny(let values), .fixed(_, let greatest)): values.first.map { greatest < $0 } ?? false
    case (.text(let low?, _), .text(_, let greatest)): !Self.notAbove(low, prefix: greatest)
    case (.textAny(let texts), .text(_, let greatest)): texts.first.map { !Self.notAbove($0, prefix: greatest) } ?? false
    default: false
    }
  }
  /// True when every value of a block sorts after all that satisfy the predicate; NULLs sort last.
  func isWhollyAbove(_ zone: Zone) -> Bool {
    switch (test, zone.bounds) {
    case (.fixed(_, let high?), .fixed(let least, _)): least > high
    case (.fixedAny(let values), .fixed(let least, _)): values.last.map { least > $0 } ?? false
    case (.text(_, let high?), .text(let least, _)): Self.order(high, least) < 0
    case (.textAny(let texts), .text(let least, _)): texts.last.map { Self.order($0, least) < 0 } ?? false
    case (.fixed, .none), (.fixedAny, .none), (.text, .none), (.textAny, .none): true
    default: false
    }
  }
}
