// ExpressionCheck.swift — whether an expression's operands have the types its node takes.
//
// The binder makes only such expressions; the decoder refuses all others, so that evaluation needs no checks of types.
import Model

enum ExpressionCheck {
  /// The kind of type as functions see it: integers are one, text and varchar are one, parameters do not matter.
  enum Family: Equatable {
    case boolean
    case integer
    case double
    case numeric
    case text
    case date
    case timestamp
    case timestamptz
    case interval
    case hll
    case topn
    case hash
    /// `character(n)`: its comparisons ignore trailing blanks, so it is text only by a cast.
    case bpchar
    case bytea
    case uuid
    case inet
    case json
    case jsonb
    /// oid and the types that show one by name.
    case oid
    case time
    /// Arrays of every element type; functions compare the types.
    case array
    case other
  }
  static func family(_ type: DataType) -> Family {
    switch type {
    case .boolean: .boolean
    case .smallint, .integer, .bigint: .integer
    case .double, .real: .double
    case .numeric: .numeric
    case .text, .varchar, .name, .char: .text
    case .bpchar: .bpchar
    case .bytea: .bytea
    case .uuid: .uuid
    case .inet: .inet
    case .json: .json
    case .jsonb: .jsonb
    case .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole: .oid
    case .time: .time
    case .array: .array
    case .date: .date
    case .timestamp: .timestamp
    case .timestamptz: .timestamptz
    case .interval: .interval
    case .hll: .hll
    case .topn: .topn
    case .hllHashval: .hash
    case .unknown, .topnRecord, .void: .other
    }
  }

  static func fits(_ value: Value, _ type: DataType) -> Bool {
    value.fits(type)
  }

  /// Checks one node; its operands were checked before.
  static func isWellTyped(_ expression: Expression, input: [DataType]) -> Bool {
    let type = expression.type
    let result = family(type)
    switch expression.node {
    case .column(let index): return index < input.count && input[index] == type
    case .constant(let value): return fits(value, type)
    case .parameter: return true
    case .call(let function, let arguments): return takes(function, arguments, type)
    case .and(let parts), .or(let parts):
      return parts.count >= 2 && type == .boolean && parts.allSatisfy { $0.type == .boolean }
    case .not(let inner): return type == .boolean && inner.type == .boolean
    case .isNull: return type == .boolean
    case .caseWhen(let branches, let otherwise):
      return !branches.isEmpty
        && branches.allSatisfy { $0.condition.type == .boolean && family($0.result.type) == result }
        && otherwise.map { family($0.type) == result } != false
    case .coalesce(let parts): return !parts.isEmpty && parts.allSatisfy { family($0.type) == result }
    case .inList(let inner, let values, _):
      return type == .boolean && isComparable(family(inner.type))
        && values.allSatisfy { !$0.isNull && fits($0, inner.type) }
    case .like(let inner, _): return type == .boolean && family(inner.type) == .text
    case .hosted(let function, let arguments): return type == function.result && arguments.count == function.arguments.count
    case .cast(let inner): return Casts.exists(from: inner.type, to: type)
    }
  }
  /// Whether PostgreSQL's functions of text take the type by themselves.
  static func isTextLike(_ type: DataType) -> Bool {
    let family = family(type)
    return family == .text || family == .bpchar
  }
  static func isComparable(_ family: Family) -> Bool {
    family != .hll && family != .topn && family != .json && family != .other
  }

  private static func constantFixed(_ expression: Expression) -> Int64? {
    if case .constant(.fixed(let value)) = expression.node { return value }
    return nil
  }

  /// Whether a function takes arguments of these types and returns that type.
  static func takes(_ function: Function, _ arguments: [Expression], _ type: DataType) -> Bool {
    let families = arguments.map { family($0.type) }
    let result = family(type)
    func are(_ wanted: Family...) -> Bool { families == wanted }
    func isAny(_ at: Int, _ wanted: Family...) -> Bool { at < families.count && wanted.contains(families[at]) }
    if function.isTabled { return FunctionTable.takes(function, arguments, type) }
    switch function {
    case .equal, .notEqual, .less, .lessOrEqual, .greater, .greaterOrEqual:
      return families.count == 2 && families[0] == families[1] && isComparable(families[0]) && type == .boolean
        && (families[0] != .array || arguments[0].type == arguments[1].type)
    case .add, .subtract, .multiply, .divide, .modulo:
      return families.count == 2 && families[0] == families[1] && families[0] == result
        && isAny(0, .integer, .double, .numeric) && !(function == .modulo && result == .double)
    case .negate: return families.count == 1 && families[0] == result && isAny(0, .integer, .double, .numeric, .interval)
    case .absolute: return families.count == 1 && families[0] == result && isAny(0, .integer, .double, .numeric)
    case .floor, .ceiling: return families.count == 1 && families[0] == result && isAny(0, .double, .numeric)
    case .round, .truncate:
      if families.count == 2 { return are(.numeric, .integer) && result == .numeric }
      return families.count == 1 && families[0] == result && isAny(0, .double, .numeric)
    case .addDays, .subtractDays: return are(.date, .integer) && type == .date
    case .dateDifference: return are(.date, .date) && type == .integer
    case .addInterval, .subtractInterval:
      return families.count == 2 && isAny(0, .timestamp, .timestamptz) && families[1] == .interval
        && arguments[0].type == type
    case .timeDifference: return (are(.timestamp, .timestamp) || are(.timestamptz, .timestamptz)) && type == .interval
    case .intervalAdd, .intervalSubtract: return are(.interval, .interval) && type == .interval
    case .intervalMultiply, .intervalDivide: return are(.interval, .double) && type == .interval
    case .dateTrunc, .extract:
      guard families.count == 2, let number = constantFixed(arguments[0]).flatMap({ UInt8(exactly: $0) }) else { return false }
      if function == .extract {
        return isAny(1, .date, .timestamp, .timestamptz, .interval) && type == .plainNumeric
          && TimeField(rawValue: number)?.exists(for: arguments[1].type) == true
      }
      return TimeUnit(rawValue: number) != nil && isAny(1, .timestamp, .timestamptz, .interval) && arguments[1].type == type
    case .timeBucket:
      guard families.count == 2, case .constant(.interval(let width)) = arguments[0].node,
        isAny(1, .date, .timestamp, .timestamptz)
      else { return false }
      return arguments[1].type == type && BucketWidths.width(of: width) != nil
    case .concatenate: return are(.text, .text) && type == .text
    case .lower, .upper: return are(.text) && type == .text
    case .length: return are(.text) && type == .integer
    case .hllHash:
      guard families.count == 2, let seed = constantFixed(arguments[1]), Int32(exactly: seed) != nil else { return false }
      return isAny(0, .boolean, .integer, .date, .timestamp, .timestamptz, .double, .text, .bytea, .uuid, .inet) && type == .hllHashval
    case .hllCardinality: return are(.hll) && type == .double
    case .hllUnion: return are(.hll, .hll) && arguments[0].type == type && arguments[1].type == type
    case .hllAdd: return are(.hll, .hash) && arguments[0].type == type
    case .hllEqual: return are(.hll, .hll) && type == .boolean
    case .hllForm: return are(.hll) && type == .integer
    case .hllPrint: return are(.hll) && type == .text
    case .topnUnion: return are(.topn, .topn) && arguments[0].type == type && arguments[1].type == type
    case .topnAdd: return are(.topn, .text, .integer) && arguments[0].type == type
    default: return false
    }
  }

  /// Whether an aggregate takes these arguments and returns its type.
  static func isWellTyped(_ call: AggregateCall) -> Bool {
    let families = call.arguments.map { family($0.type) }
    let result = family(call.type)
    if let filter = call.filter, filter.type != .boolean { return false }
    if !call.order.allSatisfy({ isComparable(family($0.expression.type)) }) { return false }
    if call.isDistinct, !families.allSatisfy(isComparable) { return false }
    switch call.function {
    case .stringAgg: return families == [.text, .text] && result == .text
    case .arrayAgg:
      guard call.arguments.count == 1, let element = call.type.element else { return false }
      return families[0] == family(element) && call.arguments[0].type.layout == element.layout
    case .jsonbAgg: return families == [.jsonb] && call.type == .jsonb
    case .jsonbObjectAgg: return families == [.text, .jsonb] && call.type == .jsonb
    case .percentileCont, .percentileDisc:
      guard call.order.count == 1, families == [.double], call.arguments[0].constantValue != nil else { return false }
      let key = call.order[0].expression.type
      return call.type == key && (call.function == .percentileDisc || key == .double || key == .interval)
    case .mode: return call.order.count == 1 && families.isEmpty && call.type == call.order[0].expression.type
    default: break
    }
    guard let first = families.first else { return call.function == .countStar && call.type == .bigint }
    if call.function == .topnAdd, families.count == 2 {
      return first == .text && families[1] == .integer && result == .topn
    }
    guard families.count == 1 else { return false }
    let argument = call.arguments[0].type
    switch call.function {
    case .countStar: return false
    case .count: return call.type == .bigint
    case .countMerge: return argument == .bigint && call.type == .bigint
    case .sum:
      switch first {
      case .integer: return call.type == .bigint || (argument == .bigint && result == .numeric)
      case .numeric, .double, .interval: return result == first
      default: return false
      }
    case .min, .max: return call.type == argument && isComparable(first)
    case .boolAnd, .boolOr: return first == .boolean && call.type == .boolean
    case .hllAdd: return first == .hash && result == .hll
    case .hllUnion: return first == .hll && call.type == argument
    case .topnAdd: return first == .text && result == .topn
    case .topnUnion: return first == .topn && call.type == argument
    case .bitAnd, .bitOr: return first == .integer && call.type == argument
    case .stringAgg, .arrayAgg, .jsonbAgg, .jsonbObjectAgg, .percentileCont, .percentileDisc, .mode: return false
    }
  }

  /// Whether a window call takes its arguments and frame; `keys`: types of the window's sort keys.
  static func isWellTyped(_ call: WindowCall, keys: [DataType]) -> Bool {
    let types = call.arguments.map(\.type)
    func areValue(_ rest: Family...) -> Bool {
      types.count == rest.count + 1 && family(types[0]) == family(call.type) && types[0].layout == call.type.layout
        && types.dropFirst().map(family) == rest
    }
    if case .aggregate = call.function {} else if call.filter != nil { return false }
    guard isOffset(call.frame.start, call.frame.unit, keys), isOffset(call.frame.end, call.frame.unit, keys) else { return false }
    switch call.function {
    case .rowNumber, .rank, .denseRank: return types.isEmpty && call.type == .bigint
    case .percentRank, .cumeDist: return types.isEmpty && call.type == .double
    case .ntile: return types.map(family) == [.integer] && call.type == .integer
    case .lag, .lead: return types.count == 3 && areValue(.integer, family(call.type)) && types[1] != .bigint
    case .firstValue, .lastValue: return areValue()
    case .nthValue: return areValue(.integer)
    case .aggregate(let function):
      switch function {
      case .percentileCont, .percentileDisc, .mode: return false
      default: return isWellTyped(AggregateCall(function, call.arguments, filter: call.filter, type: call.type))
      }
    }
  }
  private static func isOffset(_ bound: WindowFrame.Bound, _ unit: WindowFrame.Unit, _ keys: [DataType]) -> Bool {
    let offset: TypedValue
    switch bound {
    case .preceding(let value), .following(let value): offset = value
    case .unboundedPreceding, .currentRow, .unboundedFollowing: return true
    }
    guard unit == .range else { return offset.type == .bigint }
    guard keys.count == 1 else { return false }
    switch family(keys[0]) {
    case .integer, .double, .numeric: return family(offset.type) == family(keys[0])
    case .date, .timestamp, .timestamptz, .interval: return offset.type == .interval
    default: return false
    }
  }

  /// Whether a table function takes its arguments and gives its columns.
  static func isWellTyped(_ call: TableFunctionNode.Call) -> Bool {
    let families = call.arguments.map { family($0.type) }
    guard let type = call.output.first?.type else { return false }
    let columns = call.output.map(\.type)
    switch call.function {
    case .jsonbEach: return families == [.jsonb] && columns == [.text, .jsonb]
    case .jsonbEachText: return families == [.jsonb] && columns == [.text, .text]
    default: if columns.count != 1 { return false }
    }
    switch call.function {
    case .generateIntegers: return families == [.integer, .integer, .integer] && (type == .integer || type == .bigint)
    case .generateNumerics: return families == [.numeric, .numeric, .numeric] && family(type) == .numeric
    case .generateTimes:
      return (families == [.timestamp, .timestamp, .interval] && type == .timestamp)
        || (families == [.timestamptz, .timestamptz, .interval] && type == .timestamptz)
        || (families == [.timestamptz, .timestamptz, .interval, .text] && type == .timestamptz)
    case .stringToTable: return families == [.text, .text] && type == .text
    case .unnest: return families == [.array] && call.arguments[0].type.element == type
    case .generateSubscripts: return families == [.array, .integer] && type == .integer
    case .regexpSplit: return families == [.text, .text, .text] && type == .text
    case .regexpMatches: return families == [.text, .text, .text] && type == .array(.text)
    case .jsonbArrayElements: return families == [.jsonb] && type == .jsonb
    case .jsonbArrayElementsText, .jsonbObjectKeys: return families == [.jsonb] && type == .text
    case .jsonbEach, .jsonbEachText: return false
    }
  }
}
