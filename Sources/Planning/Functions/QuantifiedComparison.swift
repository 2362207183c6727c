// QuantifiedComparison.swift — `x operator ANY (array)` and ALL: the call `quantified(constant function, constant isAll, x, array)`.
//
// ANY is an OR over the elements, ALL an AND, with SQL's three values: NULL when nothing decides and an element or x is NULL. A negated
// operator (<> is a function of its own; !~, NOT LIKE) is written as the number plus `negation`.
import Model

enum QuantifiedComparison {
  static let negation: Int64 = 1 << 16

  /// Functions that may stand between x and an element.
  static func isOperator(_ function: Function) -> Bool {
    switch function {
    case .likePattern, .likeInsensitive, .matchesRegex, .matchesRegexInsensitive, .startsWith: true
    default: function.isComparison
    }
  }
  static func takes(_ arguments: [Expression], _ type: DataType) -> Bool {
    guard arguments.count == 4, type == .boolean, case .constant(.fixed(let code)) = arguments[0].node, arguments[0].type == .bigint,
      arguments[1].type == .boolean, arguments[1].constantValue != nil, let element = arguments[3].type.element,
      code >= 0, code < negation * 2, let function = Function(rawValue: UInt16(code & (negation - 1))), isOperator(function)
    else { return false }
    let own = arguments[2].type
    let families = (ExpressionCheck.family(own), ExpressionCheck.family(element))
    guard families.0 == families.1 else { return false }
    return function.isComparison ? ExpressionCheck.isComparable(families.0) && families.0 != .array : families.0 == .text
  }
  static func evaluate(_ values: [Value], _ types: [DataType], _ memory: inout FunctionMemory) throws(TallyError) -> Value {
    guard case .fixed(let code) = values[0], case .fixed(let isAll) = values[1], case .bytes(let bytes) = values[3],
      let element = types[3].element, let function = Function(rawValue: UInt16(code & (negation - 1)))
    else { return .null }
    let array = try ArrayValue.reading(bytes, element)
    var hasNull = false
    for item in array.elements {
      guard !item.isNull, !values[2].isNull else {
        hasNull = true
        continue
      }
      var holds: Bool
      if function.isComparison {
        holds = function.holds(order: Value.compare(values[2], item, element))
      } else {
        guard case .fixed(let flag) = try ScalarFunctions.evaluate(function, [values[2], item], [.text, .text], .boolean, &memory)
        else { continue }
        holds = flag != 0
      }
      if code & negation != 0 { holds.toggle() }
      if holds != (isAll != 0) { return .fixed(isAll != 0 ? 0 : 1) }
    }
    return hasNull ? .null : .fixed(isAll)
  }
}

extension Function {
  /// Whether a comparison holds for that order of its operands.
  func holds(order: Int) -> Bool {
    switch self {
    case .equal: order == 0
    case .notEqual: order != 0
    case .less: order < 0
    case .lessOrEqual: order <= 0
    case .greater: order > 0
    default: order >= 0
    }
  }
}
