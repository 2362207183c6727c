// ExtremeAccumulators.swift — min, max, bool_and and bool_or over groups, for every layout that has an order.
//
// bool_and is the least and bool_or the greatest of booleans. Of equal values that print differently (1.0, 1.00) the first stays.
import Columns
import Model

/// How values of a layout are taken from and put into vectors, and ordered.
protocol ValueOrder {
  associatedtype Element: BitwiseCopyable
  static var zero: Element { get }
  static func values(of column: ColumnVector) -> [Element]?
  static func column(_ values: [Element]) -> ColumnVector.Values
  static func precedes(_ a: Element, _ b: Element) -> Bool
}

enum FixedOrder: ValueOrder {
  static let zero: Int64 = 0
  static func values(of column: ColumnVector) -> [Int64]? {
    if case .fixed(let v) = column.values { v } else { nil }
  }
  static func column(_ values: [Int64]) -> ColumnVector.Values { .fixed(values) }
  @inline(__always) static func precedes(_ a: Int64, _ b: Int64) -> Bool { a < b }
}

/// NaN is greater than every number.
enum DoubleOrder: ValueOrder {
  static let zero = 0.0
  static func values(of column: ColumnVector) -> [Double]? {
    if case .double(let v) = column.values { v } else { nil }
  }
  static func column(_ values: [Double]) -> ColumnVector.Values { .double(values) }
  @inline(__always) static func precedes(_ a: Double, _ b: Double) -> Bool {
    a < b || (b.isNaN && !a.isNaN)
  }
}

enum NumericOrder: ValueOrder {
  static let zero = Numeric(0)
  static func values(of column: ColumnVector) -> [Numeric]? {
    if case .numeric(let v) = column.values { v } else { nil }
  }
  static func column(_ values: [Numeric]) -> ColumnVector.Values { .numeric(values) }
  @inline(__always) static func precedes(_ a: Numeric, _ b: Numeric) -> Bool {
    Numeric.compare(a, b) < 0
  }
}

enum IntervalOrder: ValueOrder {
  static let zero = Interval()
  static func values(of column: ColumnVector) -> [Interval]? {
    if case .interval(let v) = column.values { v } else { nil }
  }
  static func column(_ values: [Interval]) -> ColumnVector.Values { .interval(values) }
  @inline(__always) static func precedes(_ a: Interval, _ b: Interval) -> Bool { a.span < b.span }
}

/// Least or greatest value of fixed-size layouts.
final class ExtremeAccumulator<Order: ValueOrder>: Accumulator {
  private let isMax: Bool
  private var best = RawArray<Order.Element>()
  private var isSeen = RawArray<Bool>()
  let resultType: DataType
  var partialTypes: [DataType] { [resultType] }
  var memoryBytes: Int { best.bytes + isSeen.bytes }

  init(isMax: Bool, _ type: DataType) {
    self.isMax = isMax
    resultType = type
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    guard let values = Order.values(of: arguments[0]) else {
      fatalError("extreme of a \(arguments[0].type.name)")
    }
    grow(groupCount)
    let (best, isSeen, isMax) = (self.best.base, self.isSeen.base, self.isMax)
    values.withUnsafeBufferPointer { values in
      forEachRow(groupIDs.count, rowMask(arguments[0].validity, filter)) { row in
        let group = Int(groupIDs[row])
        let value = values[row]
        if !isSeen[group]
          || (isMax ? Order.precedes(best[group], value) : Order.precedes(value, best[group]))
        {
          best[group] = value
          isSeen[group] = true
        }
      }
    }
  }
  func merge(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    partials: [ColumnVector]
  ) throws(TallyError) {
    try update(groupIDs, groupCount: groupCount, arguments: partials, filter: nil)
  }
  private func grow(_ groupCount: Int) {
    best.grow(to: groupCount, with: Order.zero)
    isSeen.grow(to: groupCount, with: false)
  }
  func finishPartial(groupCount: Int) -> [ColumnVector] { [finish(groupCount: groupCount)] }
  func finish(groupCount: Int) -> ColumnVector {
    grow(groupCount)
    return ColumnVector(
      resultType,
      Order.column(best.array(groupCount)),
      validity: validity(isSeen, count: groupCount)
    )
  }
}

/// Least or greatest value of a layout of bytes: texts by their bytes, arrays and the like as their type orders them.
final class TextExtremeAccumulator: Accumulator {
  private let isMax: Bool
  // Texts that were best once; those of the end stay with the result, others are dropped.
  private var interner = TextInterner()
  private var best = RawArray<UInt32>()
  let resultType: DataType
  var partialTypes: [DataType] { [resultType] }
  var memoryBytes: Int { best.bytes + interner.count * 48 }

  init(isMax: Bool, _ type: DataType) {
    self.isMax = isMax
    resultType = type
  }
  func update(
    _ groupIDs: UnsafeBufferPointer<UInt32>,
    groupCount: Int,
    arguments: [ColumnVector],
    filter: Bitmap?
  ) throws(TallyError) {
    best.grow(to: groupCount, with: .max)
    let mask = rowMask(arguments[0].validity, filter)
    // Best row of each group within this block, then one comparison with what was best before.
    let rows = RawArray<UInt32>(repeating: .max, count: max(1, groupCount))
    withTexts(arguments[0]) { text, code in
      forEachRow(groupIDs.count, mask) { row in
        let group = Int(groupIDs[row])
        if rows[group] == .max {
          rows[group] = UInt32(row)
        } else if code?[row] == nil || code?[row] != code?[Int(rows[group])] {
          let order = compare(text(row), text(Int(rows[group])))
          if isMax ? order > 0 : order < 0 { rows[group] = UInt32(row) }
        }
      }
      let known = interner.dictionary()
      for group in 0..<groupCount where rows[group] != .max {
        let candidate = text(Int(rows[group]))
        if best[group] != .max {
          let order = known.withText(best[group]) { compare(candidate, $0) }
          if isMax ? order <= 0 : order >= 0 { continue }
        }
        best[group] = interner.intern(candidate)
      }
    }
  }
  private func compare(_ a: UnsafeRawBufferPointer, _ b: UnsafeRawBufferPointer) -> Int {
    if resultType.ordersByBytes { return compareBytes(a, b) }
    return Value.compare(BinaryForm.value(a, resultType), BinaryForm.value(b, resultType), resultType)
  }
  private func withTexts(
    _ column: ColumnVector,
    _ body: ((Int) -> UnsafeRawBufferPointer, [UInt32]?) -> Void
  ) {
    switch column.values {
    case .codes(let codes, let dictionary):
      dictionary.bytes.withUnsafeBytes { raw in
        body(
          { row in
            let code = Int(codes[row])
            return UnsafeRawBufferPointer(
              rebasing: raw[Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])]
            )
          },
          codes
        )
      }
    case .text(let texts):
      texts.bytes.withUnsafeBytes { raw in
        body(
          {
            UnsafeRawBufferPointer(
              rebasing: raw[Int(texts.offsets[$0])..<Int(texts.offsets[$0 + 1])]
            )
          },
          nil
        )
      }
    default: fatalError("text extreme of a \(column.type.name)")
    }
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
    best.grow(to: groupCount, with: .max)
    var isValid = Bitmap(repeating: true, count: groupCount)
    var codes = best.array(groupCount)
    for group in 0..<groupCount where codes[group] == .max {
      codes[group] = 0
      isValid[group] = false
    }
    return ColumnVector(resultType, .codes(codes, interner.dictionary()), validity: isValid)
      .compacted()
  }
}

extension ColumnVector {
  /// A text column by codes whose dictionary holds just the texts its rows use, in order of first use; others as they are.
  func compacted() -> ColumnVector {
    guard case .codes(let codes, let dictionary) = values, dictionary.count > 0 else { return self }
    var fresh = [UInt32](repeating: .max, count: dictionary.count)
    var used: [UInt32] = []
    var out = codes
    for row in codes.indices {
      if isNull(row) {
        out[row] = 0
        continue
      }
      let code = Int(codes[row])
      if fresh[code] == .max {
        fresh[code] = UInt32(used.count)
        used.append(UInt32(code))
      }
      out[row] = fresh[code]
    }
    if out == codes && used.count == dictionary.count { return self }
    var texts = TextColumn()
    for code in used { dictionary.withText(code) { texts.append($0) } }
    return ColumnVector(
      type,
      .codes(out, TextDictionary(offsets: texts.offsets, bytes: texts.bytes)),
      validity: validity
    )
  }
}
