// ExpressionBinder+Operators.swift — which function an operator is for these operand types, as PostgreSQL resolves it.
import Model
import SQL

extension ExpressionBinder {
  func noOperator(_ name: String, _ left: DataType?, _ right: DataType, _ position: Int) -> TallyError {
    let shown = left.map { "\($0.name) \(name) \(right.name)" } ?? "\(name) \(right.name)"
    return .sql(
      "42883",
      "operator does not exist: \(shown)",
      hint:
        "No operator matches the given name and argument type\(left == nil ? "" : "s"). You might need to add \(left == nil ? "an explicit type cast." : "explicit type casts.")",
      position: position
    )
  }

  func prefix(_ name: String, _ operand: ExpressionSyntax, _ position: Int) throws(TallyError) -> Expression {
    let bound = try bind(operand)
    switch name {
    case "-", "+":
      let argument = bound.type == .unknown ? try coerce(bound, to: .double, at: operand.position) : bound
      guard argument.type.isNumber || argument.type == .interval && name == "-" else {
        throw noOperator(name, nil, argument.type, position)
      }
      return name == "+" ? argument : try fold(Expression(unlimited(argument.type), .call(.negate, [argument])), position)
    case "#":
      guard case .hll = bound.type else { throw noOperator("#", nil, bound.type, position) }
      return Expression(.double, .call(.hllCardinality, [bound]))
    default:
      guard let result = try resolved(name, [bound], [operand.position], position, isOperator: true) else {
        throw noOperator(name, nil, bound.type, position)
      }
      return result
    }
  }

  func infix(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression {
    if let comparison = Self.comparisons[name] {
      return try compare(comparison, name, left, right, position, leftPosition, rightPosition)
    }
    switch name {
    case "+", "-", "*", "/", "%":
      return try arithmetic(name, left, right, position, leftPosition, rightPosition)
    case "||": return try concatenate(left, right, position, leftPosition, rightPosition)
    case "!~", "!~*", "!~~", "!~~*":
      let test = try infix(String(name.dropFirst()), left, right, position, leftPosition, rightPosition)
      return try fold(Expression(.boolean, .not(test)), position)
    case "<@": return try infix("@>", right, left, position, rightPosition, leftPosition)
    default:
      let isMatch = ["~", "~*", "~~", "~~*"].contains(name)
      let operand = isMatch ? try padded(left, leftPosition) : left
      guard let result = try tabled(name, operand, right, position, leftPosition, rightPosition) else {
        throw noOperator(name, left.type, right.type, position)
      }
      return result
    }
  }
  /// A character(n) as patterns see it: with its blanks, which a cast to text takes away.
  private func padded(_ operand: Expression, _ position: Int) throws(TallyError) -> Expression {
    guard case .bpchar(let length) = operand.type, length > 0 else { return operand }
    let text = try coerce(operand, to: .text, at: position, .implicit)
    return try fold(Expression(.text, .call(.padRight, [text, .constant(.integer, .fixed(Int64(length)))])), position)
  }
  /// An operator of `FunctionTable`.
  private func tabled(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression? {
    let places = [leftPosition, rightPosition]
    // One untyped side is first taken to be of the other's type.
    if left.type == .unknown, right.type != .unknown, hasExact(name, right.type, right.type) {
      return try resolved(
        name,
        [try coerce(left, to: right.type.withoutModifiers, at: leftPosition), right],
        places,
        position,
        isOperator: true
      )
    }
    if right.type == .unknown, left.type != .unknown, hasExact(name, left.type, left.type) {
      return try resolved(
        name,
        [left, try coerce(right, to: left.type.withoutModifiers, at: rightPosition)],
        places,
        position,
        isOperator: true
      )
    }
    return try resolved(name, [left, right], places, position, isOperator: true)
  }
  private func hasExact(_ name: String, _ left: DataType, _ right: DataType) -> Bool {
    (FunctionTable.byName[name] ?? []).contains {
      $0.parameters == [.type(left.withoutModifiers), .type(right.withoutModifiers)]
    }
  }
  private static let comparisons: [String: Function] = [
    "=": .equal, "<>": .notEqual, "<": .less, "<=": .lessOrEqual, ">": .greater, ">=": .greaterOrEqual,
  ]

  private func compare(
    _ function: Function,
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression {
    guard let type = UnifiedType.operands(left.type, right.type) else {
      throw noOperator(name, left.type, right.type, position)
    }
    if case .hll = type, function == .equal || function == .notEqual, left.type == right.type {
      let test = Expression(.boolean, .call(.hllEqual, [left, right]))
      return function == .equal ? test : Expression(.boolean, .not(test))
    }
    let family = ExpressionCheck.family(type)
    guard ExpressionCheck.isComparable(family), family != .hash || function == .equal || function == .notEqual else {
      throw noOperator(name, left.type, right.type, position)
    }
    // Integers of different widths compare as they are, so that a bare column stays bare for zone maps.
    func side(_ expression: Expression, _ place: Int) throws(TallyError) -> Expression {
      if expression.type.isInteger, type.isInteger { return expression }
      if expression.type.isText, type.isText { return expression }
      if case .bpchar = expression.type, case .bpchar = type { return expression }
      if expression.type.isObjectNumber, type.isObjectNumber { return expression }
      if expression.type == .unknown, type.isObjectNumber { return try coerce(expression, to: .oid, at: place, .implicit) }
      if case .numeric = expression.type, case .numeric = type { return expression }
      return try operand(expression, of: type, at: place)
    }
    let arguments = [try side(left, leftPosition), try side(right, rightPosition)]
    return try fold(Expression(.boolean, .call(function, arguments)), position)
  }

  /// An operand beside one of a type; untyped ones do not take over its limits: '1.005' beside a numeric(10,2) is not rounded.
  func operand(_ expression: Expression, of type: DataType, at position: Int) throws(TallyError) -> Expression {
    let wide = type.isText ? .text : type.withoutModifiers
    return try coerce(expression, to: expression.type == .unknown ? wide : type, at: position, .implicit)
  }
  /// Arithmetic results of limited numerics have no limits.
  func unlimited(_ type: DataType) -> DataType {
    if case .numeric = type { return .plainNumeric }
    return type
  }

  private func arithmetic(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression {
    if let sum = try sketchSum(name, left, right, position) { return sum }
    if let other = try otherArithmetic(name, left, right, position, leftPosition, rightPosition) { return other }
    if left.type.isTime || right.type.isTime || left.type == .interval || right.type == .interval {
      return try timeArithmetic(name, left, right, position, leftPosition, rightPosition)
    }
    if left.type == .unknown, right.type == .unknown {
      throw .sql(
        "42725",
        "operator is not unique: unknown \(name) unknown",
        hint: "Could not choose a best candidate operator. You might need to add explicit type casts.",
        position: position
      )
    }
    guard let type = UnifiedType.operands(left.type, right.type), type.isNumber, !(name == "%" && type.isFloat) else {
      throw noOperator(name, left.type, right.type, position)
    }
    func side(_ expression: Expression, _ place: Int) throws(TallyError) -> Expression {
      if expression.type.isInteger, type.isInteger { return expression }
      if case .numeric = expression.type, case .numeric = type { return expression }
      return try operand(expression, of: type, at: place)
    }
    let function: Function =
      switch name {
      case "+": .add
      case "-": .subtract
      case "*": .multiply
      case "/": .divide
      default: .modulo
      }
    let arguments = [try side(left, leftPosition), try side(right, rightPosition)]
    return try fold(Expression(unlimited(type), .call(function, arguments)), position)
  }
  /// + and - of times of day and of jsonb.
  private func otherArithmetic(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression? {
    // A time of day is multiplied and divided as an interval.
    if name == "*" || name == "/", left.type == .time || right.type == .time {
      let a = left.type == .time ? try coerce(left, to: .interval, at: leftPosition, .implicit) : left
      let b = right.type == .time ? try coerce(right, to: .interval, at: rightPosition, .implicit) : right
      return try timeArithmetic(name, a, b, position, leftPosition, rightPosition)
    }
    guard name == "+" || name == "-" else { return nil }
    if left.type == .time, right.type == .time, name == "+" { throw noOperator(name, left.type, right.type, position) }
    if name == "+", left.type == .time, right.type == .timestamp || right.type == .timestamptz {
      return try otherArithmetic(name, right, left, position, rightPosition, leftPosition)
    }
    if name == "-", right.type == .time, left.type == .interval || left.type == .date {
      let span = try coerce(right, to: .interval, at: rightPosition, .implicit)
      return try timeArithmetic(name, left, span, position, leftPosition, rightPosition)
    }
    if name == "+", right.type == .time, left.type == .unknown {
      return try otherArithmetic(name, try coerce(left, to: .interval, at: leftPosition), right, position, leftPosition, rightPosition)
    }
    if left.type == .inet || right.type == .inet {
      let isReversed = name == "+" && left.type != .inet
      return isReversed
        ? try tabled(name, right, left, position, rightPosition, leftPosition)
        : try tabled(name, left, right, position, leftPosition, rightPosition)
    }
    if left.type == .jsonb, name == "-" { return try tabled(name, left, right, position, leftPosition, rightPosition) }
    guard left.type == .time || right.type == .time else { return nil }
    if left.type == .unknown, name == "-", right.type == .time {
      return try tabled(name, left, right, position, leftPosition, rightPosition)
    }
    // The time or date stands first: interval + time, time + date.
    if name == "+", left.type == .interval || left.type == .time && right.type == .date {
      return try tabled(name, right, left, position, rightPosition, leftPosition)
    }
    if left.type == .time, right.type == .unknown {
      let wanted: DataType = name == "-" ? .time : .interval
      return try tabled(name, left, try coerce(right, to: wanted, at: rightPosition), position, leftPosition, rightPosition)
    }
    if left.type.isTime, left.type != .date {
      let span = try coerce(right, to: .interval, at: rightPosition)
      return try timeArithmetic(name, left, span, position, leftPosition, rightPosition)
    }
    return try tabled(name, left, right, position, leftPosition, rightPosition)
  }
  private func sketchSum(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard name == "+", left.type.isTopNOrJSON, right.type.isTopNOrJSON || right.type == .unknown,
      let left = try topnState(left, position), let right = try topnState(right, position)
    else { return nil }
    guard left.type == right.type else {
      throw .sql("22023", "topn parameters do not match", position: position)
    }
    return Expression(left.type, .call(.topnUnion, [left, right]))
  }

  private func timeArithmetic(
    _ name: String,
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression {
    func made(_ type: DataType, _ function: Function, _ a: Expression, _ b: Expression) throws(TallyError) -> Expression {
      try fold(Expression(type, .call(function, [a, b])), position)
    }
    let none = noOperator(name, left.type, right.type, position)
    // Commutative forms have the time or interval on the left.
    if name == "+", right.type.isTime, !left.type.isTime {
      return try timeArithmetic(name, right, left, position, rightPosition, leftPosition)
    }
    if name == "*", right.type == .interval, left.type != .interval {
      return try timeArithmetic(name, right, left, position, rightPosition, leftPosition)
    }
    if left.type.isTime {
      guard name == "+" || name == "-" else { throw none }
      if left.type == .date, right.type.isInteger, right.type != .bigint {
        return try made(.date, name == "+" ? .addDays : .subtractDays, left, right)
      }
      if right.type == .interval || (right.type == .unknown && name == "+" && left.type != .date) {
        let time = left.type == .date ? try coerce(left, to: .timestamp, at: leftPosition) : left
        let span = try coerce(right, to: .interval, at: rightPosition)
        if let sum = try zonedSum(time, span, isMinus: name == "-", position) { return sum }
        return try made(time.type, name == "+" ? .addInterval : .subtractInterval, time, span)
      }
      if right.type == .unknown, name == "+" {
        throw .sql(
          "42725",
          "operator is not unique: \(left.type.name) \(name) unknown",
          hint: "Could not choose a best candidate operator. You might need to add explicit type casts.",
          position: position
        )
      }
      guard name == "-", right.type.isTime || right.type == .unknown, let type = UnifiedType.of([left.type, right.type])
      else { throw none }
      let a = try coerce(left, to: type, at: leftPosition, .implicit)
      let b = try coerce(right, to: type, at: rightPosition, .implicit)
      return type == .date ? try made(.integer, .dateDifference, a, b) : try made(.interval, .timeDifference, a, b)
    }
    if right.type.isTime {
      guard name == "-", left.type == .unknown else { throw none }
      let a = try coerce(left, to: right.type, at: leftPosition)
      return try made(right.type == .date ? .integer : .interval, right.type == .date ? .dateDifference : .timeDifference, a, right)
    }
    switch name {
    case "+", "-":
      guard left.type == .interval || left.type == .unknown, right.type == .interval || right.type == .unknown else {
        throw none
      }
      let a = try coerce(left, to: .interval, at: leftPosition)
      let b = try coerce(right, to: .interval, at: rightPosition)
      return try made(.interval, name == "+" ? .intervalAdd : .intervalSubtract, a, b)
    case "*", "/":
      guard left.type == .interval, right.type.isNumber || right.type == .unknown else { throw none }
      let factor = try coerce(right, to: .double, at: rightPosition)
      return try made(.interval, name == "*" ? .intervalMultiply : .intervalDivide, left, factor)
    default: throw none
    }
  }

  private func concatenate(
    _ left: Expression,
    _ right: Expression,
    _ position: Int,
    _ leftPosition: Int,
    _ rightPosition: Int
  ) throws(TallyError) -> Expression {
    if case .hll = left.type {
      if case .hll = right.type { return try hllUnion(left, right, position) }
      if right.type == .hllHashval { return Expression(left.type, .call(.hllAdd, [left, right])) }
      throw noOperator("||", left.type, right.type, position)
    }
    if case .hll = right.type {
      guard left.type == .hllHashval else { throw noOperator("||", left.type, right.type, position) }
      return Expression(right.type, .call(.hllAdd, [right, left]))
    }
    for type in [left.type, right.type] where type.element != nil || type == .jsonb || type == .bytea {
      if type == .jsonb || type == .bytea, ExpressionCheck.isTextLike(left.type) || ExpressionCheck.isTextLike(right.type) { continue }
      guard let result = try tabled("||", left, right, position, leftPosition, rightPosition) else {
        throw noOperator("||", left.type, right.type, position)
      }
      return result
    }
    let isText = { (type: DataType) in ExpressionCheck.isTextLike(type) || type == .unknown }
    guard isText(left.type) || isText(right.type), Casts.exists(from: left.type, to: .text) || isText(left.type),
      Casts.exists(from: right.type, to: .text) || isText(right.type)
    else { throw noOperator("||", left.type, right.type, position) }
    let a = try coerce(left, to: .text, at: leftPosition)
    let b = try coerce(right, to: .text, at: rightPosition)
    return try fold(Expression(.text, .call(.concatenate, [a, b])), position)
  }
  func hllUnion(_ left: Expression, _ right: Expression, _ position: Int) throws(TallyError) -> Expression {
    guard left.type == right.type else {
      throw .sql("22023", "hll parameters do not match", hint: "Sketches must have the same four parameters.", position: position)
    }
    return Expression(left.type, .call(.hllUnion, [left, right]))
  }
  func like(
    _ subject: ExpressionSyntax,
    _ pattern: ExpressionSyntax,
    _ position: Int
  ) throws(TallyError) -> Expression {
    var (bound, shape) = (try typed(subject), try typed(pattern))
    guard ExpressionCheck.isTextLike(bound.type), ExpressionCheck.isTextLike(shape.type) else {
      throw noOperator("~~", bound.type, shape.type, position)
    }
    bound = try padded(bound, subject.position)
    if !bound.type.isText { bound = try coerce(bound, to: .text, at: subject.position, .implicit) }
    if !shape.type.isText { shape = try coerce(shape, to: .text, at: pattern.position, .implicit) }
    switch shape.node {
    case .constant(.text(let text)):
      _ = try located(pattern.position) { () throws(TallyError) in try LikePattern(text) }
      return try fold(Expression(.boolean, .like(bound, pattern: text)), position)
    case .constant: return .constant(.boolean, .null)
    default:
      // A pattern that is known is taken apart once.
      if shape.holdsParameter { throw GenericPlan.needsValues }
      if bound.type != .text { bound = try coerce(bound, to: .text, at: subject.position, .implicit) }
      if shape.type != .text { shape = try coerce(shape, to: .text, at: pattern.position, .implicit) }
      return try fold(Expression(.boolean, .call(.likePattern, [bound, shape])), position)
    }
  }
}
