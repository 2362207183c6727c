// ArithmeticKernels.swift — + - * / % and the rounding functions over integers, doubles and numerics.
//
// Integers compute in 64 bits and are checked against the result's type (22003); a failing row counts only if it is not NULL.
// Doubles follow PostgreSQL: an infinite result of finite operands is 22003, division by zero is 22012.
import Bytes
import Columns
import Model
import Planning

enum ArithmeticKernels {
  static func divisionByZero() -> TallyError { .sql("22012", "division by zero") }

  /// (T, T) → T.
  static func binary(
    _ function: Function,
    _ a: Operand,
    _ b: Operand,
    _ type: DataType,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    switch a.type.layout {
    case .double:
      let results = try doubles(function, a, b, count, validity)
      guard type == .real else { return .double(results) }
      let (x, y) = (a.double, b.double)
      return .double(
        try mapRows(count, validity, empty: 0) { row in
          let isExact = results[row] == 0 || !(x[row & a.mask].isFinite && y[row & b.mask].isFinite)
          return try RealRange.rounded(results[row], isExact: isExact)
        }
      )
    case .numeric: return .numeric(try numerics(function, a, b, count, validity))
    default: return .fixed(try integers(function, a, b, type, count, validity))
    }
  }
  private static func integers(
    _ function: Function,
    _ a: Operand,
    _ b: Operand,
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> [Int64] {
    let (x, y, am, bm) = (a.fixed, b.fixed, a.mask, b.mask)
    let range = IntegerRange.of(type)
    switch function {
    case .add:
      return try checked(x, am, y, bm, count, range, type, validity) {
        $0.addingReportingOverflow($1)
      }
    case .subtract:
      return try checked(x, am, y, bm, count, range, type, validity) {
        $0.subtractingReportingOverflow($1)
      }
    case .multiply:
      return try checked(x, am, y, bm, count, range, type, validity) {
        $0.multipliedReportingOverflow(by: $1)
      }
    case .divide:
      return try mapRows(count, validity, empty: 0) { row in
        let divisor = y[row & bm]
        guard divisor != 0 else { throw divisionByZero() }
        let quotient = x[row & am].dividedReportingOverflow(by: divisor)
        guard !quotient.overflow, range.contains(quotient.partialValue) else {
          throw IntegerRange.failure(type)
        }
        return quotient.partialValue
      }
    case .modulo:
      return try mapRows(count, validity, empty: 0) { row in
        let divisor = y[row & bm]
        guard divisor != 0 else { throw divisionByZero() }
        return x[row & am].remainderReportingOverflow(dividingBy: divisor).partialValue
      }
    default: fatalError("\(function) is no arithmetic")
    }
  }
  @inline(__always) private static func checked(
    _ x: [Int64],
    _ am: Int,
    _ y: [Int64],
    _ bm: Int,
    _ count: Int,
    _ range: ClosedRange<Int64>,
    _ type: DataType,
    _ validity: Bitmap?,
    _ compute: (Int64, Int64) -> (partialValue: Int64, overflow: Bool)
  ) throws -> [Int64] {
    var failed = false
    let (low, high) = (range.lowerBound, range.upperBound)
    var result = x.withUnsafeBufferPointer { x in
      y.withUnsafeBufferPointer { y in
        [Int64](unsafeUninitializedCapacity: count) { out, written in
          for row in 0..<count {
            let (value, overflow) = compute(x[row & am], y[row & bm])
            out[row] = value
            failed = failed || overflow || value < low || value > high
          }
          written = count
        }
      }
    }
    guard failed || validity != nil else { return result }
    for row in 0..<count {
      if validity?[row] == false {
        result[row] = 0
        continue
      }
      let (value, overflow) = compute(x[row & am], y[row & bm])
      if overflow || !range.contains(value) { throw IntegerRange.failure(type) }
    }
    return result
  }
  private static func doubles(
    _ function: Function,
    _ a: Operand,
    _ b: Operand,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> [Double] {
    let (x, y, am, bm) = (a.double, b.double, a.mask, b.mask)
    return try mapRows(count, validity, empty: 0) { row in
      let (p, q) = (x[row & am], y[row & bm])
      let result: Double
      switch function {
      case .add: result = p + q
      case .subtract: result = p - q
      case .multiply:
        result = p * q
        if result == 0 && p != 0 && q != 0 {
          throw TallyError.sql("22003", "value out of range: underflow")
        }
      case .divide:
        if q == 0 && !p.isNaN { throw divisionByZero() }
        result = p / q
        if result == 0 && p != 0 && !q.isInfinite {
          throw TallyError.sql("22003", "value out of range: underflow")
        }
      case .modulo:
        if q == 0 { throw divisionByZero() }
        result = p.truncatingRemainder(dividingBy: q)
      default: fatalError("\(function) is no arithmetic")
      }
      if result.isInfinite && !p.isInfinite && !q.isInfinite {
        throw TallyError.sql("22003", "value out of range: overflow")
      }
      return result
    }
  }
  private static func numerics(
    _ function: Function,
    _ a: Operand,
    _ b: Operand,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> [Numeric] {
    let (x, y, am, bm) = (a.numeric, b.numeric, a.mask, b.mask)
    switch function {
    case .add:
      return try mapRows(count, validity, empty: Numeric(0)) {
        try Numeric.add(x[$0 & am], y[$0 & bm])
      }
    case .subtract:
      return try mapRows(count, validity, empty: Numeric(0)) {
        try Numeric.subtract(x[$0 & am], y[$0 & bm])
      }
    case .multiply:
      return try mapRows(count, validity, empty: Numeric(0)) {
        try Numeric.multiply(x[$0 & am], y[$0 & bm])
      }
    case .divide:
      return try mapRows(count, validity, empty: Numeric(0)) {
        try Numeric.divide(x[$0 & am], y[$0 & bm])
      }
    case .modulo:
      return try mapRows(count, validity, empty: Numeric(0)) {
        try Numeric.modulo(x[$0 & am], y[$0 & bm])
      }
    default: fatalError("\(function) is no arithmetic")
    }
  }

  /// (T) → T: negate, absolute, floor, ceiling, round, truncate.
  static func unary(
    _ function: Function,
    _ a: Operand,
    _ type: DataType,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    switch a.type.layout {
    case .fixed:
      let (x, range) = (a.fixed, IntegerRange.of(type))
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          let value = x[row & a.mask]
          if function == .absolute && value >= 0 { return value }
          let negated = Int64(0).subtractingReportingOverflow(value)
          guard !negated.overflow, range.contains(negated.partialValue) else {
            throw IntegerRange.failure(type)
          }
          return negated.partialValue
        }
      )
    case .double:
      let x = a.double
      return .double(
        mapRows(count, validity, empty: 0) { row in
          let value = x[row & a.mask]
          return switch function {
          case .negate: -value
          case .absolute: abs(value)
          case .floor: value.rounded(.down)
          case .ceiling: value.rounded(.up)
          case .round: value.rounded(.toNearestOrEven)
          case .truncate: value.rounded(.towardZero)
          default: fatalError("\(function) of a double")
          }
        }
      )
    case .interval:
      let x = a.interval
      return .interval(
        try mapRows(count, validity, empty: Interval()) { try Interval.negate(x[$0 & a.mask]) }
      )
    case .numeric:
      let x = a.numeric
      return .numeric(
        try mapRows(count, validity, empty: Numeric(0)) { row in
          let value = x[row & a.mask]
          switch function {
          case .negate: return Numeric.negate(value)
          case .absolute: return Numeric.absolute(value)
          case .floor: return try value.rounded(toScale: 0, .down)
          case .ceiling: return try value.rounded(toScale: 0, .up)
          case .round: return try value.rounded(toScale: 0)
          case .truncate: return try value.rounded(toScale: 0, .towardZero)
          default: fatalError("\(function) of a numeric")
          }
        }
      )
    default: fatalError("\(function) of \(a.type.name)")
    }
  }
  /// round(numeric, integer) and trunc(numeric, integer).
  static func rounding(
    _ function: Function,
    _ a: Operand,
    _ places: Operand,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    let (x, digits) = (a.numeric, places.fixed)
    return .numeric(
      try mapRows(count, validity, empty: Numeric(0)) { row in
        let scale = Int(max(-40, min(38, digits[row & places.mask])))
        return try x[row & a.mask].rounded(
          toScale: scale,
          function == .round ? .nearest : .towardZero
        )
      }
    )
  }
}
