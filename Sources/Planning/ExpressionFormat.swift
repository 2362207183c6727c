// ExpressionFormat.swift — bytes of expressions and aggregate calls, inside FragmentFormat and RollupProgramFormat.
//
// Expression: type (ValueFormat), u8 kind, then
//   1 column: varint index            2 constant: value                 3 call: u16 function, count, arguments
//   4 and, 5 or, 10 coalesce: count, parts                              6 not, 7 is null, 12 cast: operand
//   8 in list: operand, count, values, bool hasNull                     9 like: operand, string pattern
//   11 case: count, (condition, result)…, bool, otherwise
// Aggregate call (fragments only): u16 function, type, count, arguments, bool, filter, bool distinct, count, order:
//   (expression, u8 flags: 1 ascending, 2 nulls first).
// A decoded expression is well-typed (ExpressionCheck): columns exist with that type in the input, constants fit their types,
// functions have arguments they take; so evaluating it cannot trap. Nesting is bounded by `depthMax`.
import Bytes
import Model

enum ExpressionFormat {
  /// Bound expressions nest deeper than written ones: casts and rewrites add levels.
  static let depthMax = Limits.depthMax * 4

  static func encode(_ expression: Expression, into out: inout ByteWriter) {
    out.type(expression.type)
    switch expression.node {
    case .column(let index):
      out.u8(1)
      out.count(index)
    case .constant(let value):
      out.u8(2)
      out.value(value)
    case .parameter(let number):
      // Keys only, as below.
      out.u8(254)
      out.count(number)
    case .call(let function, let arguments):
      out.u8(3)
      out.u16(function.rawValue)
      encode(arguments, into: &out)
    case .and(let parts):
      out.u8(4)
      encode(parts, into: &out)
    case .or(let parts):
      out.u8(5)
      encode(parts, into: &out)
    case .not(let inner):
      out.u8(6)
      encode(inner, into: &out)
    case .isNull(let inner):
      out.u8(7)
      encode(inner, into: &out)
    case .inList(let inner, let values, let hasNull):
      out.u8(8)
      encode(inner, into: &out)
      out.count(values.count)
      for value in values { out.value(value) }
      out.bool(hasNull)
    case .like(let inner, let pattern):
      out.u8(9)
      encode(inner, into: &out)
      out.string(pattern)
    case .coalesce(let parts):
      out.u8(10)
      encode(parts, into: &out)
    case .caseWhen(let branches, let otherwise):
      out.u8(11)
      out.count(branches.count)
      for branch in branches {
        encode(branch.condition, into: &out)
        encode(branch.result, into: &out)
      }
      encode(otherwise, into: &out)
    case .hosted(let function, let arguments):
      // Keys only: Distribution keeps these on the coordinator, and no decoder knows 254 and 255.
      out.u8(255)
      out.string(function.name)
      encode(arguments, into: &out)
    case .cast(let inner):
      out.u8(12)
      encode(inner, into: &out)
    }
  }
  static func encode(_ list: [Expression], into out: inout ByteWriter) {
    out.count(list.count)
    for expression in list { encode(expression, into: &out) }
  }
  static func encode(_ optional: Expression?, into out: inout ByteWriter) {
    out.bool(optional != nil)
    if let optional { encode(optional, into: &out) }
  }
  static func encode(_ call: AggregateCall, into out: inout ByteWriter) {
    out.u16(call.function.rawValue)
    out.type(call.type)
    encode(call.arguments, into: &out)
    encode(call.filter, into: &out)
    out.bool(call.isDistinct)
    out.count(call.order.count)
    for key in call.order {
      encode(key.expression, into: &out)
      out.u8((key.isAscending ? 1 : 0) | (key.nullsFirst ? 2 : 0))
    }
  }

  static func decode(
    _ reader: inout ByteReader,
    input: [DataType],
    depth: Int = 0
  ) throws(DecodingFailure) -> Expression {
    let start = reader.position
    guard depth < depthMax else { throw DecodingFailure(.tooLarge, at: start, "expression nests too deep") }
    let type = try reader.type()
    let expression = Expression(type, try decodeNode(&reader, input, depth + 1))
    guard ExpressionCheck.isWellTyped(expression, input: input) else {
      throw DecodingFailure(.malformed, at: start, "expression does not fit its operands")
    }
    return expression
  }
  private static func decodeNode(
    _ reader: inout ByteReader,
    _ input: [DataType],
    _ depth: Int
  ) throws(DecodingFailure) -> Expression.Node {
    switch try reader.u8() {
    case 1: return .column(try reader.count(max: Limits.columnsMax * 8, "column number"))
    case 2: return .constant(try reader.value())
    case 3:
      guard let function = Function(rawValue: try reader.u16()) else { throw reader.unknown("function") }
      return .call(function, try decodeList(&reader, input, depth))
    case 4: return .and(try decodeList(&reader, input, depth))
    case 5: return .or(try decodeList(&reader, input, depth))
    case 6: return .not(try decode(&reader, input: input, depth: depth))
    case 7: return .isNull(try decode(&reader, input: input, depth: depth))
    case 8:
      let inner = try decode(&reader, input: input, depth: depth)
      var values: [Value] = []
      for _ in 0..<(try reader.countOfRest("list values")) { values.append(try reader.value()) }
      return .inList(inner, values, hasNull: try reader.bool())
    case 9:
      let inner = try decode(&reader, input: input, depth: depth)
      return .like(inner, pattern: try reader.string(max: Limits.textBytesMax))
    case 10: return .coalesce(try decodeList(&reader, input, depth))
    case 11:
      var branches: [CaseBranch] = []
      for _ in 0..<(try reader.countOfRest("CASE branches")) {
        let condition = try decode(&reader, input: input, depth: depth)
        branches.append(CaseBranch(condition: condition, result: try decode(&reader, input: input, depth: depth)))
      }
      return .caseWhen(branches, otherwise: try decodeOptional(&reader, input, depth))
    case 12: return .cast(try decode(&reader, input: input, depth: depth))
    case let kind: throw reader.unknown("expression kind \(kind)")
    }
  }
  static func decodeList(
    _ reader: inout ByteReader,
    _ input: [DataType],
    _ depth: Int = 0
  ) throws(DecodingFailure) -> [Expression] {
    var result: [Expression] = []
    for _ in 0..<(try reader.countOfRest("expressions")) {
      result.append(try decode(&reader, input: input, depth: depth))
    }
    return result
  }
  static func decodeOptional(
    _ reader: inout ByteReader,
    _ input: [DataType],
    _ depth: Int = 0
  ) throws(DecodingFailure) -> Expression? {
    try reader.bool() ? try decode(&reader, input: input, depth: depth) : nil
  }
  static func decodeCondition(
    _ reader: inout ByteReader,
    _ input: [DataType]
  ) throws(DecodingFailure) -> Expression {
    let start = reader.position
    let condition = try decode(&reader, input: input)
    guard condition.type == .boolean else {
      throw DecodingFailure(.malformed, at: start, "a condition must be boolean")
    }
    return condition
  }
  static func decodeCall(
    _ reader: inout ByteReader,
    _ input: [DataType]
  ) throws(DecodingFailure) -> AggregateCall {
    let start = reader.position
    guard let function = AggregateFunction(rawValue: try reader.u16()) else { throw reader.unknown("aggregate") }
    let type = try reader.type()
    let arguments = try decodeList(&reader, input)
    let filter = try reader.bool() ? try decodeCondition(&reader, input) : nil
    let isDistinct = try reader.bool()
    var order: [AggregateCall.Order] = []
    for _ in 0..<(try reader.countOfRest("keys of an aggregate")) {
      let key = try decode(&reader, input: input)
      let flags = try reader.u8()
      guard flags < 4 else { throw DecodingFailure(.malformed, at: start, "key of an aggregate") }
      order.append(AggregateCall.Order(key, isAscending: flags & 1 != 0, nullsFirst: flags & 2 != 0))
    }
    let call = AggregateCall(function, arguments, filter: filter, isDistinct: isDistinct, order: order, type: type)
    guard ExpressionCheck.isWellTyped(call) else {
      throw DecodingFailure(.malformed, at: start, "aggregate does not fit its arguments")
    }
    return call
  }

  /// Bytes that are equal exactly for the same expressions: what GROUP BY matching compares.
  static func key(_ expression: Expression) -> [UInt8] {
    var out = ByteWriter()
    encode(expression, into: &out)
    return out.finish()
  }
}
