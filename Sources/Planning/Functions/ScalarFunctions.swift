// ScalarFunctions.swift — evaluates the functions of FunctionTable for one row.
//
// The one implementation of each: constants are folded by it, and Execution lifts it over columns, once for each text of a dictionary.
// Pure: a result depends on the arguments alone. What is costly to prepare (a regular expression, a template) stays in a `FunctionMemory`
// from row to row.
public import Model

/// What functions keep from one row to the next.
public struct FunctionMemory {
  struct RegexKey: Hashable {
    var pattern: String
    var flags: RegexFlags
  }
  private var regexes: [RegexKey: Regex] = [:]
  var timeTemplate: (text: String, template: TimeTemplate)?
  var numberTemplate: (text: String, template: NumberTemplate)?
  var zone: (text: String, zone: ClockZone)?

  /// Nothing kept yet.
  public init() {}
  mutating func regex(_ pattern: String, _ flags: RegexFlags) throws(TallyError) -> Regex {
    var flags = flags
    flags.isGlobal = false
    let key = RegexKey(pattern: pattern, flags: flags)
    if let known = regexes[key] { return known }
    let made = try Regex(pattern, flags)
    // Patterns are nearly always constants; where they are not, memory stays bounded.
    if regexes.count >= 64 { regexes.removeAll() }
    regexes[key] = made
    return made
  }
}

/// One call's arguments; their types were checked, so that a wrong accessor gives an empty value.
struct FunctionArguments {
  var values: [Value]
  var types: [DataType]
  var count: Int { values.count }
  func isNull(_ at: Int) -> Bool { values[at].isNull }
  func text(_ at: Int) -> String { if case .text(let text) = values[at] { text } else { "" } }
  func scalars(_ at: Int) -> [UInt32] { text(at).unicodeScalars.map(\.value) }
  /// An integer or time; integers are kept in their type's range, whatever bytes said, so that sums of them do not trap.
  func integer(_ at: Int) -> Int64 {
    guard case .fixed(let number) = values[at] else { return 0 }
    switch types[at] {
    case .smallint, .integer: return Int64(Int32(clamping: number))
    case .time: return max(0, min(TimeText.dayEnd, number))
    default: return number
    }
  }
  func flag(_ at: Int) -> Bool { integer(at) != 0 }
  func double(_ at: Int) -> Double { if case .double(let number) = values[at] { number } else { 0 } }
  func numeric(_ at: Int) -> Numeric { if case .numeric(let number) = values[at] { number } else { Numeric(0) } }
  func interval(_ at: Int) -> Interval { if case .interval(let span) = values[at] { span } else { Interval() } }
  func bytes(_ at: Int) -> [UInt8] { if case .bytes(let bytes) = values[at] { bytes } else { [] } }
  func array(_ at: Int) throws(TallyError) -> ArrayValue {
    let element = types[at].element ?? .text
    return isNull(at) ? ArrayValue(element, []) : try ArrayValue.reading(bytes(at), element)
  }
  func json(_ at: Int) throws(TallyError) -> JSONValue { try JSONValue(parsing: text(at)) }
}

/// Functions of `FunctionTable`.
public enum ScalarFunctions {
  /// The function's value; for a strict function no argument is NULL.
  public static func evaluate(
    _ function: Function,
    _ values: [Value],
    _ types: [DataType],
    _ result: DataType,
    _ memory: inout FunctionMemory
  ) throws(TallyError) -> Value {
    let arguments = FunctionArguments(values: values, types: types)
    let value: Value
    switch function.rawValue {
    case ..<192: value = try number(function, arguments, result)
    case ..<288: value = try text(function, arguments, &memory)
    case ..<304: value = try binary(function, arguments)
    case Function.dateTruncInZone.rawValue...Function.isoInZone.rawValue: value = try zoned(function, arguments, result, &memory)
    case ..<400: value = try time(function, arguments, &memory)
    case ..<464: value = try document(function, arguments, result)
    case ..<512:
      value = try function == .quantified ? QuantifiedComparison.evaluate(values, types, &memory) : array(function, arguments, result)
    case ..<544: value = other(function, arguments)
    default: value = try address(function, arguments)
    }
    switch value {
    case .text(let text) where text.utf8.count > Limits.textBytesMax:
      throw .sql("54000", "text of \(text.utf8.count) bytes is longer than \(Limits.textBytesMax)")
    case .bytes(let bytes) where bytes.count > Limits.textBytesMax:
      throw .sql("54000", "value of \(bytes.count) bytes is longer than \(Limits.textBytesMax)")
    default: return value
    }
  }
  static func text(ofScalars scalars: some Sequence<UInt32>) -> String {
    var view = String.UnicodeScalarView()
    for value in scalars {
      if let scalar = Unicode.Scalar(value) { view.append(scalar) }
    }
    return String(view)
  }
  private static func other(_ function: Function, _ a: FunctionArguments) -> Value {
    switch function {
    case .greatest, .least:
      var best = Value.null
      for value in a.values where !value.isNull {
        let order = best.isNull ? 0 : Value.compare(value, best, a.types[0])
        if best.isNull || (function == .greatest ? order > 0 : order < 0) { best = value }
      }
      return best
    case .nullCount: return .fixed(Int64(a.values.count(where: \.isNull)))
    case .notNullCount: return .fixed(Int64(a.values.count { !$0.isNull }))
    default:
      if a.isNull(0) || a.isNull(1) { return .fixed(a.isNull(0) && a.isNull(1) ? 0 : 1) }
      return .fixed(Value.compare(a.values[0], a.values[1], a.types[0]) == 0 ? 0 : 1)
    }
  }
}
