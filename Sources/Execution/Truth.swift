// Truth.swift — three-valued logic a block at a time: one byte a row, FALSE 0 < NULL 1 < TRUE 2, so that AND is the lesser, OR the greater.
import Columns
import Model
import Planning

/// Truth values of rows.
struct Truth {
  static let no: UInt8 = 0
  static let unknown: UInt8 = 1
  static let yes: UInt8 = 2
  private var values: [UInt8]

  init(_ operand: Operand, count: Int) {
    let fixed = operand.fixed
    if operand.isConstant {
      let value = operand.column.isNull(0) ? Self.unknown : fixed[0] != 0 ? Self.yes : Self.no
      values = [UInt8](repeating: value, count: count)
      return
    }
    values = [UInt8](unsafeUninitializedCapacity: count) { out, written in
      fixed.withUnsafeBufferPointer { fixed in
        for row in 0..<count { out[row] = UInt8(truncatingIfNeeded: fixed[row] &<< 1) }
      }
      written = count
    }
    if let validity = operand.column.validity {
      for row in 0..<count where !validity[row] { values[row] = Self.unknown }
    }
  }
  var count: Int { values.count }
  func operand() -> Operand {
    var validity: Bitmap?
    if values.contains(Self.unknown) {
      var bits = Bitmap(repeating: true, count: values.count)
      for row in values.indices where values[row] == Self.unknown { bits[row] = false }
      validity = bits
    }
    return Operand(
      ColumnVector(.boolean, .fixed(values.map { Int64($0 >> 1) }), validity: validity)
    )
  }
  func negated() -> Truth {
    var copy = self
    for row in values.indices { copy.values[row] = 2 &- values[row] }
    return copy
  }
  func withNullForNo() -> Truth {
    var copy = self
    for row in values.indices where values[row] == Self.no { copy.values[row] = Self.unknown }
    return copy
  }
  /// Rows that pass; nil when all do.
  @inline(__always) func rows(_ test: (UInt8) -> Bool) -> [UInt32]? {
    var passed = 0
    for value in values { passed &+= test(value) ? 1 : 0 }
    if passed == values.count { return nil }
    return [UInt32](unsafeUninitializedCapacity: values.count) { out, written in
      var at = 0
      values.withUnsafeBufferPointer { values in
        for row in 0..<values.count {
          // Written always, kept by moving on: no branch to mispredict.
          out[at] = UInt32(truncatingIfNeeded: row)
          at &+= test(values[row]) ? 1 : 0
        }
      }
      written = at
    }
  }
  mutating func combine(_ other: Truth, takesLess: Bool) {
    values.withUnsafeMutableBufferPointer { own in
      other.values.withUnsafeBufferPointer { other in
        if takesLess {
          for row in 0..<own.count { own[row] = min(own[row], other[row]) }
        } else {
          for row in 0..<own.count { own[row] = max(own[row], other[row]) }
        }
      }
    }
  }
  mutating func combine(_ other: Truth, at rows: [UInt32], takesLess: Bool) {
    for (at, row) in rows.enumerated() {
      let (a, b) = (values[Int(row)], other.values[at])
      values[Int(row)] = takesLess ? min(a, b) : max(a, b)
    }
  }
}

extension Expression {
  /// Whether evaluating it can fail for some value.
  var canFail: Bool {
    switch node {
    case .call(let function, _):
      switch function {
      case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual, .lower, .upper,
        .length, .hllHash,
        .hllCardinality, .hllEqual, .floor, .ceiling:
        break
      case .dateTrunc: if type == .interval { return true }
      default: return true
      }
    case .cast, .like, .hosted: return true
    default: break
    }
    return operands.contains(where: \.canFail)
  }
}
