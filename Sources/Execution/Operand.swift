// Operand.swift — the value of an expression over the rows of a block: a column, or one value for all rows.
//
// Kernels index rows with `row & mask`: mask is all ones for a column and zero for a constant, whose column has one row. NULL rows
// of every column hold the canonical empty value, and kernels that can fail skip them.
import Aggregates
import Bytes
import Columns
import Model

/// A column or a constant.
struct Operand {
  let column: ColumnVector
  let isConstant: Bool

  /// A value a row.
  init(_ column: ColumnVector) {
    self.column = column
    isConstant = false
  }
  /// The one row of `constant` for all rows.
  init(constant: ColumnVector) {
    column = constant
    isConstant = true
  }
  /// A constant.
  init(_ type: DataType, _ value: Value) throws {
    self.init(constant: try ColumnVector.repeating(type, value, count: 1))
  }
  static func null(_ type: DataType) -> Operand { Operand(constant: .nulls(type, count: 1)) }

  var type: DataType { column.type }
  var mask: Int { isConstant ? 0 : -1 }
  var isNullConstant: Bool { isConstant && column.isNull(0) }
  /// A column of `count` rows.
  func expanded(_ count: Int) -> ColumnVector {
    if !isConstant { return column }
    if count == 1 { return column }
    if column.isNull(0) { return .nulls(column.type, count: count) }
    return column.withDictionary().gather([UInt32](repeating: 0, count: count))
  }
  /// The value of row `row`, for small lists only.
  func validity(at row: Int) -> Bool { !column.isNull(row & mask) }

  var fixed: [Int64] {
    guard case .fixed(let v) = column.values else { fatalError("not of layout fixed: \(type)") }
    return v
  }
  var double: [Double] {
    guard case .double(let v) = column.values else { fatalError("not of layout double: \(type)") }
    return v
  }
  var numeric: [Numeric] {
    guard case .numeric(let v) = column.values else { fatalError("not of layout numeric: \(type)") }
    return v
  }
  var interval: [Interval] {
    guard case .interval(let v) = column.values else {
      fatalError("not of layout interval: \(type)")
    }
    return v
  }
}

extension ColumnVector {
  /// `count` times one value.
  static func repeating(_ type: DataType, _ value: Value, count: Int) throws -> ColumnVector {
    switch value {
    case .null: return .nulls(type, count: count)
    case .fixed(let v): return ColumnVector(type, .fixed(.init(repeating: v, count: count)))
    case .double(let v): return ColumnVector(type, .double(.init(repeating: v, count: count)))
    case .numeric(let v): return ColumnVector(type, .numeric(.init(repeating: v, count: count)))
    case .interval(let v): return ColumnVector(type, .interval(.init(repeating: v, count: count)))
    case .text(let text):
      let bytes = Array(text.utf8)
      return ColumnVector(
        type,
        .codes(
          .init(repeating: 0, count: count),
          TextDictionary(offsets: [0, UInt32(bytes.count)], bytes: bytes)
        )
      )
    case .bytes(let bytes):
      return ColumnVector(
        type,
        .codes(
          .init(repeating: 0, count: count),
          TextDictionary(offsets: [0, UInt32(bytes.count)], bytes: bytes)
        )
      )
    case .hll(let packed): return try SketchKernels.unpackHLL(packed, type, count: count)
    case .topn(let packed): return try SketchKernels.unpackTopN(packed, type, count: count)
    }
  }
  /// The same texts by dictionary codes; other columns as they are.
  func withDictionary() -> ColumnVector {
    guard case .text(let texts) = values else { return self }
    var interner = TextInterner(expected: min(texts.count, 1024))
    let codes = texts.bytes.withUnsafeBytes { raw in
      (0..<texts.count).map { row in
        interner.intern(
          UnsafeRawBufferPointer(
            rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]
          )
        )
      }
    }
    return ColumnVector(type, .codes(codes, interner.dictionary()), validity: validity)
  }
  /// The same values under another type of the same layout.
  func retyped(_ type: DataType) -> ColumnVector {
    var copy = self
    copy.type = type
    return copy
  }
}

/// The texts of a column by row, whichever way they lie.
///
/// Valid inside `withTexts` only.
struct TextRows {
  let raw: UnsafeRawBufferPointer
  let offsets: UnsafeBufferPointer<UInt32>
  let codes: UnsafeBufferPointer<UInt32>?

  @inline(__always) subscript(row: Int) -> UnsafeRawBufferPointer {
    let entry = codes.map { Int($0[row]) } ?? row
    // With an empty dictionary every row is NULL.
    if entry + 1 >= offsets.count { return UnsafeRawBufferPointer(start: nil, count: 0) }
    return UnsafeRawBufferPointer(rebasing: raw[Int(offsets[entry])..<Int(offsets[entry + 1])])
  }
}

extension Operand {
  /// Lends the texts; index rows with `row & mask`.
  func withTexts<R>(_ body: (TextRows) throws -> R) rethrows -> R {
    switch column.values {
    case .text(let texts):
      return try texts.bytes.withUnsafeBytes { raw in
        try texts.offsets.withUnsafeBufferPointer {
          try body(TextRows(raw: raw, offsets: $0, codes: nil))
        }
      }
    case .codes(let codes, let dictionary):
      return try dictionary.bytes.withUnsafeBytes { raw in
        try dictionary.offsets.withUnsafeBufferPointer { offsets in
          try codes.withUnsafeBufferPointer {
            try body(TextRows(raw: raw, offsets: offsets, codes: $0))
          }
        }
      }
    default: fatalError("not of layout text: \(type)")
    }
  }
}

/// Rows where every operand has a value.
func commonValidity(_ operands: [Operand], count: Int) -> Bitmap? {
  var words: [UInt64]?
  for operand in operands where !operand.isConstant {
    guard let own = operand.column.validity else { continue }
    if var both = words {
      for at in both.indices { both[at] &= own.words[at] }
      words = both
    } else {
      words = own.words
    }
  }
  return words.map { Bitmap(words: $0, count: count) }
}

/// One result a row; rows that are NULL get `empty` without being computed.
@inline(__always) func mapRows<R>(
  _ count: Int,
  _ validity: Bitmap?,
  empty: R,
  _ compute: (Int) throws -> R
) rethrows -> [R] {
  try [R](unsafeUninitializedCapacity: count) { out, written in
    guard let out = out.baseAddress else { return }
    if let validity {
      for row in 0..<count { (out + row).initialize(to: validity[row] ? try compute(row) : empty) }
    } else {
      for row in 0..<count { (out + row).initialize(to: try compute(row)) }
    }
    written = count
  }
}
