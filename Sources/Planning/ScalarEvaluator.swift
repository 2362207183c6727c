// ScalarEvaluator.swift — evaluates a bound expression for one row of `Value`s.
//
// The planner folds constants with it, INSERT computes its rows, and tests use it as the oracle of the vectorised evaluator: the
// semantics themselves are Model's. Sketch functions are not evaluated here (nil): they need Aggregates' columns.
public import Model

/// One-row evaluation.
public enum ScalarEvaluator {
  /// The value, or nil when the expression holds a sketch function or a sketch cast.
  public static func evaluate(_ expression: Expression, row: [Value] = []) throws(TallyError) -> Value? {
    switch expression.node {
    case .column(let index): return row[index]
    case .constant(let value): return value
    case .parameter: return nil
    case .call(let function, let arguments):
      var values: [Value] = []
      for argument in arguments {
        guard let value = try evaluate(argument, row: row) else { return nil }
        values.append(value)
      }
      if function.isStrict, values.contains(where: \.isNull) { return .null }
      if function.isTabled {
        var memory = FunctionMemory()
        return try ScalarFunctions.evaluate(function, values, arguments.map(\.type), expression.type, &memory)
      }
      return try call(function, arguments, values, expression.type)
    case .and(let parts): return try junction(parts, row, stopsAt: false)
    case .or(let parts): return try junction(parts, row, stopsAt: true)
    case .not(let inner):
      guard let value = try evaluate(inner, row: row) else { return nil }
      guard case .fixed(let flag) = value else { return .null }
      return .fixed(1 - flag)
    case .isNull(let inner):
      guard let value = try evaluate(inner, row: row) else { return nil }
      return .fixed(value.isNull ? 1 : 0)
    case .caseWhen(let branches, let otherwise):
      for branch in branches {
        guard let condition = try evaluate(branch.condition, row: row) else { return nil }
        if case .fixed(1) = condition { return try evaluate(branch.result, row: row) }
      }
      guard let otherwise else { return .null }
      return try evaluate(otherwise, row: row)
    case .coalesce(let parts):
      for part in parts {
        guard let value = try evaluate(part, row: row) else { return nil }
        if !value.isNull { return value }
      }
      return .null
    case .inList(let inner, let list, let hasNull):
      guard let value = try evaluate(inner, row: row) else { return nil }
      if value.isNull { return .null }
      for item in list {
        guard let order = compare(value, item, inner.type) else { return nil }
        if order == 0 { return .fixed(1) }
      }
      return hasNull ? .null : .fixed(0)
    case .like(let inner, let pattern):
      guard let value = try evaluate(inner, row: row) else { return nil }
      guard case .text(let text) = value else { return .null }
      return .fixed(try LikePattern(pattern).matches(Array(text.utf8)) ? 1 : 0)
    case .hosted(let function, let arguments):
      guard function.isStable else { return nil }
      var values: [Value] = []
      for argument in arguments {
        guard let value = try evaluate(argument, row: row) else { return nil }
        values.append(value)
      }
      return function.isStrict && values.contains { $0.isNull } ? .null : try function.evaluate(values)
    case .cast(let inner):
      guard let value = try evaluate(inner, row: row) else { return nil }
      return value.isNull ? .null : try cast(value, from: inner.type, to: expression.type)
    }
  }

  /// The value now, functions that differ from call to call among it: each is called once.
  public static func evaluateNow(_ expression: Expression) throws(TallyError) -> Value? { try evaluate(try settled(expression)) }
  private static func settled(_ expression: Expression) throws(TallyError) -> Expression {
    let inner = try expression.mapOperands { (operand) throws(TallyError) in try settled(operand) }
    guard case .hosted(let function, let arguments) = inner.node else { return inner }
    var values: [Value] = []
    for argument in arguments {
      guard let value = try evaluate(argument) else { return inner }
      values.append(value)
    }
    return .constant(inner.type, function.isStrict && values.contains { $0.isNull } ? .null : try function.evaluate(values))
  }

  private static func junction(_ parts: [Expression], _ row: [Value], stopsAt: Bool) throws(TallyError) -> Value? {
    var hasNull = false
    for part in parts {
      guard let value = try evaluate(part, row: row) else { return nil }
      switch value {
      case .fixed(let flag) where (flag != 0) == stopsAt: return .fixed(stopsAt ? 1 : 0)
      case .null: hasNull = true
      default: break
      }
    }
    return hasNull ? .null : .fixed(stopsAt ? 0 : 1)
  }

  /// Order of two values of one type: -1, 0, 1; nil for sketches.
  public static func compare(_ a: Value, _ b: Value, _ type: DataType = .text) -> Int? {
    switch (a, b) {
    case (.fixed, .fixed), (.double, .double), (.numeric, .numeric), (.interval, .interval), (.text, .text), (.bytes, .bytes):
      return Value.compare(a, b, type)
    default: return nil
    }
  }

  private static func call(
    _ function: Function,
    _ arguments: [Expression],
    _ values: [Value],
    _ type: DataType
  ) throws(TallyError) -> Value? {
    if function.isComparison {
      guard let order = compare(values[0], values[1], arguments[0].type) else { return nil }
      return .fixed(function.holds(order: order) ? 1 : 0)
    }
    switch (function, values[0], values.count > 1 ? values[1] : .null) {
    case (.add, .fixed(let a), .fixed(let b)): return try checked(a.addingReportingOverflow(b), type)
    case (.subtract, .fixed(let a), .fixed(let b)): return try checked(a.subtractingReportingOverflow(b), type)
    case (.multiply, .fixed(let a), .fixed(let b)): return try checked(a.multipliedReportingOverflow(by: b), type)
    case (.divide, .double(let a), .double(0)) where a.isNaN: return .double(.nan)
    case (.divide, .fixed(_), .fixed(0)), (.modulo, .fixed(_), .fixed(0)), (.divide, .double(_), .double(0)):
      throw divisionByZero
    case (.divide, .fixed(let a), .fixed(let b)): return try checked(a.dividedReportingOverflow(by: b), type)
    case (.modulo, .fixed(let a), .fixed(let b)): return .fixed(b == -1 ? 0 : a % b)
    case (.negate, .fixed(let a), _): return try checked(Int64(0).subtractingReportingOverflow(a), type)
    case (.absolute, .fixed(let a), _):
      return a < 0 ? try checked(Int64(0).subtractingReportingOverflow(a), type) : .fixed(a)

    case (_, .double, _) where type == .real: return try real(function, values)
    case (.add, .double(let a), .double(let b)): return .double(try finite(a + b, a, b))
    case (.subtract, .double(let a), .double(let b)): return .double(try finite(a - b, a, b))
    case (.multiply, .double(let a), .double(let b)): return .double(try finite(a * b, a, b, a != 0 && b != 0))
    case (.divide, .double(let a), .double(let b)): return .double(try finite(a / b, a, b, a != 0 && b.isFinite))
    case (.negate, .double(let a), _): return .double(-a)
    case (.absolute, .double(let a), _): return .double(a.magnitude)
    case (.floor, .double(let a), _): return .double(a.rounded(.down))
    case (.ceiling, .double(let a), _): return .double(a.rounded(.up))
    case (.round, .double(let a), _): return .double(a.rounded(.toNearestOrEven))
    case (.truncate, .double(let a), _): return .double(a.rounded(.towardZero))

    case (.add, .numeric(let a), .numeric(let b)): return .numeric(try Numeric.add(a, b))
    case (.subtract, .numeric(let a), .numeric(let b)): return .numeric(try Numeric.subtract(a, b))
    case (.multiply, .numeric(let a), .numeric(let b)): return .numeric(try Numeric.multiply(a, b))
    case (.divide, .numeric(let a), .numeric(let b)): return .numeric(try Numeric.divide(a, b))
    case (.modulo, .numeric(let a), .numeric(let b)): return .numeric(try Numeric.modulo(a, b))
    case (.negate, .numeric(let a), _): return .numeric(Numeric.negate(a))
    case (.absolute, .numeric(let a), _): return .numeric(Numeric.absolute(a))
    case (.floor, .numeric(let a), _): return .numeric(try a.rounded(toScale: 0, .down))
    case (.ceiling, .numeric(let a), _): return .numeric(try a.rounded(toScale: 0, .up))
    case (.round, .numeric(let a), .fixed(let places)): return .numeric(try a.rounded(toScale: scale(places)))
    case (.round, .numeric(let a), _): return .numeric(try a.rounded(toScale: 0))
    case (.truncate, .numeric(let a), .fixed(let places)):
      return .numeric(try a.rounded(toScale: scale(places), .towardZero))
    case (.truncate, .numeric(let a), _): return .numeric(try a.rounded(toScale: 0, .towardZero))

    case (.addDays, .fixed(let day), .fixed(let days)): return .fixed(try TimeArithmetic.add(days: days, toDate: day))
    case (.subtractDays, .fixed(let day), .fixed(let days)):
      return .fixed(try TimeArithmetic.subtract(days: days, fromDate: day))
    case (.dateDifference, .fixed(let a), .fixed(let b)): return .fixed(try TimeArithmetic.subtract(date: b, from: a))
    case (.addInterval, .fixed(let time), .interval(let span)):
      return .fixed(try TimeArithmetic.add(span, toTimestamp: time))
    case (.subtractInterval, .fixed(let time), .interval(let span)):
      return .fixed(try TimeArithmetic.subtract(span, fromTimestamp: time))
    case (.timeDifference, .fixed(let a), .fixed(let b)): return .interval(try TimeArithmetic.subtract(b, from: a))
    case (.intervalAdd, .interval(let a), .interval(let b)): return .interval(try Interval.add(a, b))
    case (.intervalSubtract, .interval(let a), .interval(let b)): return .interval(try Interval.subtract(a, b))
    case (.negate, .interval(let a), _): return .interval(try Interval.negate(a))
    case (.intervalMultiply, .interval(let a), .double(let b)): return .interval(try Interval.multiply(a, b))
    case (.intervalDivide, .interval(let a), .double(let b)): return .interval(try Interval.divide(a, b))

    case (.dateTrunc, .fixed(let unit), let time):
      guard let unit = UInt8(exactly: unit).flatMap({ TimeUnit(rawValue: $0) }) else { return nil }
      switch time {
      case .fixed(let micros): return .fixed(Calendar.truncate(micros, to: unit))
      case .interval(let span): return .interval(try span.truncated(to: unit))
      default: return nil
      }
    case (.extract, .fixed(let field), let time):
      guard let field = UInt8(exactly: field).flatMap({ TimeField(rawValue: $0) }) else { return nil }
      switch time {
      case .fixed(let raw):
        let micros = arguments[1].type == .date ? try TimeArithmetic.timestamp(ofDate: raw) : raw
        let value = try arguments[1].type == .date ? field.extract(fromDay: micros) : field.extract(fromMicroseconds: micros)
        return value.map { .numeric($0) } ?? .null
      case .interval(let span): return .numeric(field.extract(from: span))
      default: return nil
      }
    case (.timeBucket, .interval(let span), .fixed(let raw)):
      guard let width = BucketWidths.width(of: span) else { return nil }
      if arguments[1].type == .date {
        let micros = try TimeArithmetic.timestamp(ofDate: raw)
        return .fixed(TimeArithmetic.date(ofTimestamp: Calendar.truncateToBucket(micros, width)))
      }
      return .fixed(Calendar.truncateToBucket(raw, width))

    case (.concatenate, .text(let a), .text(let b)): return .text(a + b)
    case (.lower, .text(let a), _):
      return .text(String(decoding: a.utf8.map { (0x41...0x5a).contains($0) ? $0 | 0x20 : $0 }, as: UTF8.self))
    case (.upper, .text(let a), _):
      return .text(String(decoding: a.utf8.map { (0x61...0x7a).contains($0) ? $0 & 0xdf : $0 }, as: UTF8.self))
    case (.length, .text(let a), _): return .fixed(Int64(a.unicodeScalars.count))
    default: return nil
    }
  }

  static var divisionByZero: TallyError { .sql("22012", "division by zero") }
  private static func scale(_ places: Int64) -> Int { Int(max(-40, min(38, places))) }
  private static func checked(
    _ result: (partialValue: Int64, overflow: Bool),
    _ type: DataType
  ) throws(TallyError) -> Value {
    guard !result.overflow, IntegerRange.of(type).contains(result.partialValue) else { throw IntegerRange.failure(type) }
    return .fixed(result.partialValue)
  }
  /// PostgreSQL's float checks: an infinite result of finite operands overflows, a zero of non-zero operands underflows.
  private static func finite(
    _ result: Double,
    _ a: Double,
    _ b: Double,
    _ isNonZero: Bool = false
  ) throws(TallyError) -> Double {
    if result.isInfinite, a.isFinite, b.isFinite { throw .sql("22003", "value out of range: overflow") }
    if result == 0, isNonZero, a.isFinite { throw .sql("22003", "value out of range: underflow") }
    return result
  }

  /// Arithmetic of `real`: in double precision, rounded once.
  private static func real(_ function: Function, _ values: [Value]) throws(TallyError) -> Value? {
    guard case .double(let result)? = try call(function, [], values, .double), case .double(let a) = values[0] else { return nil }
    var b = 1.0
    if values.count > 1, case .double(let other) = values[1] { b = other }
    return .double(try RealRange.rounded(result, isExact: !(a.isFinite && b.isFinite) || result == 0))
  }
  /// Casts a value that is not NULL; nil for sketches.
  public static func cast(_ value: Value, from: DataType, to: DataType) throws(TallyError) -> Value? {
    try ValueCast.cast(value, from: from, to: to)
  }
}
