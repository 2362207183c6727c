// ValueCast.swift — casts of one value, as PostgreSQL's explicit casts: what is too long for varchar(n) and character(n) is cut.
public import Model

/// Limits of `real`.
public enum RealRange {
  /// A double as a 32-bit float; 22003 when it is too large or vanishes, unless the result is `isExact` (infinite or zero by right).
  public static func rounded(_ value: Double, isExact: Bool = false) throws(TallyError) -> Double {
    let narrow = Float(value)
    if narrow.isInfinite, value.isFinite || !isExact && value.isInfinite { throw .sql("22003", "value out of range: overflow") }
    if narrow == 0, value != 0 { throw .sql("22003", "value out of range: underflow") }
    return Double(narrow)
  }
}

enum ValueCast {
  /// Casts a value that is not NULL; nil for sketches and for pairs without a cast.
  static func cast(_ value: Value, from: DataType, to: DataType) throws(TallyError) -> Value? {
    if to.layout == .hll || to.layout == .topn || from.layout == .hll || from.layout == .topn { return nil }
    switch to {
    case .text, .varchar, .bpchar, .name, .char:
      // The blanks of a character(n) are of the value until it becomes another type.
      if to == .bpchar(0), case .bpchar = from { return value }
      if to == .char, from == .integer, case .fixed(let code) = value { return try character(code) }
      // boolean has a cast function to text, and to the others its output.
      if to == .name, from == .boolean, case .fixed(let flag) = value { return .text(flag != 0 ? "t" : "f") }
      // And so has inet.
      if to == .name, from == .inet { return .text(CharacterText.name(ValueText.print(value, as: from) ?? "")) }
      return .text(shortened(text(value, from), to))
    default: break
    }
    if case .text(let text) = value {
      switch from {
      case .jsonb: return try document(text, to)
      case .json: return to == .json ? value : try ValueText.parse(text, as: to)
      case .char where to == .integer: return .fixed(Int64(text.utf8.first ?? 0))
      case .bpchar where to != .bytea: return try ValueText.parse(text.droppingTrailingBlanks, as: to)
      default: return try ValueText.parse(text, as: to)
      }
    }
    if case .bytes(let bytes) = value {
      guard let own = from.element, let wanted = to.element else { return from == to ? value : nil }
      var array = try ArrayValue.reading(bytes, own)
      array.element = wanted
      for at in array.elements.indices where !array.elements[at].isNull {
        guard let element = try cast(array.elements[at], from: own, to: wanted) else { return nil }
        array.elements[at] = element
      }
      return try array.value()
    }
    return try plain(value, from, to)
  }
  /// What a cast to text gives: booleans as words, character(n) without the blanks.
  private static func text(_ value: Value, _ from: DataType) -> String {
    if from == .boolean, case .fixed(let flag) = value { return flag != 0 ? "true" : "false" }
    if case .text(let text) = value {
      if case .bpchar = from { return text.droppingTrailingBlanks }
      return text
    }
    // An inet's cast always tells the length of its network.
    if from == .inet, let address = InetValue(value) { return address.full }
    return ValueText.print(value, as: from) ?? ""
  }
  private static func shortened(_ text: String, _ to: DataType) -> String {
    switch to {
    case .varchar(let limit), .bpchar(let limit):
      if limit == 0 { return text }
      let count = text.utf8.count <= Int(limit) ? text.unicodeScalars.count : min(text.unicodeScalars.count, Int(limit) + 1)
      var result = text
      if count > Int(limit) { result = String(text.unicodeScalars.prefix(Int(limit))) }
      if case .bpchar = to, count < Int(limit) { result += String(repeating: " ", count: Int(limit) - count) }
      return result
    case .name: return CharacterText.name(text)
    case .char: return CharacterText.char(text)
    default: return text
    }
  }
  private static func character(_ code: Int64) throws(TallyError) -> Value {
    guard (-128...127).contains(code) else { throw .sql("22003", "\"char\" out of range") }
    guard code >= 0 else { throw .sql("0A000", "a \"char\" that is not ASCII is not supported") }
    guard code > 0, let scalar = Unicode.Scalar(UInt32(code)) else { return .text("") }
    return .text(String(scalar))
  }
  private static func document(_ text: String, _ to: DataType) throws(TallyError) -> Value? {
    if to == .jsonb || to == .json { return .text(text) }
    let json = try JSONValue(parsing: text)
    func failure(_ what: String) -> TallyError { .sql("22023", "cannot cast jsonb \(what) to type \(to.withoutModifiers.name)") }
    switch (json, ExpressionCheck.family(to)) {
    case (.boolean(let flag), .boolean): return .fixed(flag ? 1 : 0)
    case (.number(let number), .integer), (.number(let number), .double), (.number(let number), .numeric):
      return try cast(.numeric(number), from: .plainNumeric, to: to)
    case (.boolean, _): throw failure("boolean")
    case (.null, _): throw failure("null")
    case (.number, _): throw failure("numeric")
    case (.string, _): throw failure("string")
    case (.array, _): throw failure("array")
    case (.object, _): throw failure("object")
    }
  }
  private static func plain(_ value: Value, _ from: DataType, _ to: DataType) throws(TallyError) -> Value? {
    switch (value, to) {
    case (.fixed(let number), .oid), (.fixed(let number), .regclass), (.fixed(let number), .regtype), (.fixed(let number), .regproc),
      (.fixed(let number), .regnamespace), (.fixed(let number), .regrole):
      if from.isObjectNumber { return value }
      if from == .bigint {
        guard (0...Int64(UInt32.max)).contains(number) else { throw .sql("22003", "OID out of range") }
        return value
      }
      return .fixed(Int64(UInt32(truncatingIfNeeded: number)))
    case (.fixed(let number), .integer) where from.isObjectNumber: return .fixed(Int64(Int32(truncatingIfNeeded: number)))
    case (.fixed(let number), .smallint), (.fixed(let number), .integer), (.fixed(let number), .bigint):
      guard IntegerRange.of(to).contains(number) else { throw IntegerRange.failure(to) }
      return value
    case (.fixed(let number), .boolean): return from == .boolean ? value : .fixed(number != 0 ? 1 : 0)
    case (.fixed(let number), .double): return .double(Double(number))
    case (.fixed(let number), .real): return .double(Double(Float(number)))
    case (.fixed(let number), .numeric): return .numeric(try Numeric(number).fitted(to: to))
    case (.double(let number), .numeric):
      return .numeric(try (from == .real ? decimal(ofReal: number) : Numeric(double: number)).fitted(to: to))
    case (.double(let number), .smallint), (.double(let number), .integer), (.double(let number), .bigint):
      return .fixed(try IntegerRange.integer(number, as: to))
    case (.double, .double): return value
    case (.double(let number), .real): return from == .real ? value : .double(try RealRange.rounded(number, isExact: !number.isFinite))
    case (.numeric(let number), .double): return .double(number.double)
    case (.numeric(let number), .real): return try ValueText.parse(NumericText.text(number), as: .real)
    case (.numeric(let number), .numeric): return .numeric(try number.fitted(to: to))
    case (.numeric(let number), .smallint), (.numeric(let number), .integer), (.numeric(let number), .bigint):
      return .fixed(try number.integer(as: to))
    case (.fixed(let day), .timestamp), (.fixed(let day), .timestamptz):
      return from == .date ? .fixed(try TimeArithmetic.timestamp(ofDate: day)) : value
    case (.fixed(let micros), .date): return from == .date ? value : .fixed(TimeArithmetic.date(ofTimestamp: micros))
    case (.fixed(let micros), .time):
      if from == .time { return value }
      return TimeArithmetic.isInfinite(micros) ? .null : .fixed(Calendar.floorRemainder(micros, TimeText.dayEnd))
    case (.fixed(let time), .interval): return .interval(Interval(microseconds: time))
    case (.interval(let span), .time): return .fixed(Calendar.floorRemainder(span.microseconds, TimeText.dayEnd))
    case (.fixed, .hllHashval), (.interval, .interval): return value
    default: return nil
    }
  }
  /// PostgreSQL gives a numeric six digits of a real.
  private static func decimal(ofReal value: Double) throws(TallyError) -> Numeric {
    let exact = try Numeric(double: value)
    var digits = 0
    var rest = exact.coefficient.magnitude
    while rest > 0 {
      rest /= 10
      digits += 1
    }
    if digits <= 6 { return exact }
    var result = try exact.rounded(toScale: Int(exact.scale) - (digits - 6))
    while result.scale > 0, result.coefficient % 10 == 0 {
      result.coefficient /= 10
      result.scale -= 1
    }
    return result
  }
}

extension String {
  /// As character(n) compares: without the blanks at its end.
  var droppingTrailingBlanks: String {
    var view = Substring(self).utf8
    while view.last == 0x20 { view.removeLast() }
    return String(decoding: view, as: UTF8.self)
  }
}
