// ExpressionBinder+Table.swift — calls and operators of FunctionTable, and what is written with words of its own: arrays, IS DISTINCT FROM,
// GREATEST, ANY (array), intervals of fields, names of catalog objects.
import Bytes
import Model
import SQL

extension ExpressionBinder {
  /// The function of that name that these arguments mean; nil where there is none, 42725 where there are several.
  func resolved(
    _ name: String,
    _ arguments: [Expression],
    _ places: [Int],
    _ position: Int,
    isOperator: Bool = false
  ) throws(TallyError) -> Expression? {
    let candidates = (FunctionTable.byName[name] ?? []).map { FunctionCandidate(signature: $0, target: .function($0.function)) }
    switch FunctionChoice.choose(candidates, arguments.map(\.type)) {
    case .none: return nil
    case .ambiguous:
      let shown = arguments.map(\.type.name)
      if isOperator {
        throw .sql(
          "42725",
          "operator is not unique: \(shown.count == 1 ? "\(name) \(shown[0])" : "\(shown[0]) \(name) \(shown[1])")",
          hint: "Could not choose a best candidate operator. You might need to add explicit type casts.",
          position: position
        )
      }
      throw .sql(
        "42725",
        "function \(name)(\(shown.joined(separator: ", "))) is not unique",
        hint: "Could not choose a best candidate function. You might need to add explicit type casts.",
        position: position
      )
    case .one(let chosen):
      var bound: [Expression] = []
      for (at, argument) in arguments.enumerated() {
        guard let wanted = chosen.arguments[at], argument.type.withoutModifiers != wanted else {
          bound.append(argument)
          continue
        }
        bound.append(try coerce(argument, to: wanted, at: places[at], .implicit))
      }
      switch chosen.target {
      case .function(let function):
        if let zoned = try zonedCall(function, bound, chosen.result, position) { return zoned }
        return try fold(Expression(chosen.result, .call(function, bound)), position)
      case .hosted(let function): return try fold(Expression(chosen.result, .hosted(function, bound)), position)
      }
    }
  }
  /// `text(x)`, `int4(x)`: a call of a type's name casts.
  func castByName(_ call: CallSyntax, _ arguments: [Expression], _ position: Int) throws(TallyError) -> Expression? {
    guard arguments.count == 1, let target = Self.castNames[call.name] else { return nil }
    let from = arguments[0].type
    guard from == .unknown || from.withoutModifiers == target || Casts.exists(from: from, to: target) else { return nil }
    return try coerce(arguments[0], to: target, at: call.arguments[0].position, .explicit)
  }
  private static let castNames: [String: DataType] = [
    "bool": .boolean, "int2": .smallint, "int4": .integer, "int8": .bigint, "float4": .real, "float8": .double, "numeric": .plainNumeric,
    "text": .text, "varchar": .varchar(0), "bpchar": .bpchar(0), "name": .name, "date": .date, "time": .time, "timestamp": .timestamp,
    "timestamptz": .timestamptz, "interval": .interval, "oid": .oid, "uuid": .uuid, "inet": .inet, "jsonb": .jsonb, "bytea": .bytea,
    "regclass": .regclass,
    "regtype": .regtype,
  ]

  // MARK: Words

  func isDistinct(
    _ left: ExpressionSyntax,
    _ right: ExpressionSyntax,
    _ negated: Bool,
    _ position: Int
  ) throws(TallyError) -> Expression {
    var (a, b) = (try bind(left), try bind(right))
    guard let type = UnifiedType.operands(a.type, b.type), ExpressionCheck.isComparable(ExpressionCheck.family(type)) else {
      throw noOperator("=", a.type, b.type, position)
    }
    let wide = type.withoutModifiers
    if a.type.withoutModifiers != wide { a = try coerce(a, to: wide, at: left.position, .implicit) }
    if b.type.withoutModifiers != wide { b = try coerce(b, to: wide, at: right.position, .implicit) }
    let test = try fold(Expression(.boolean, .call(.isDistinct, [a, b])), position)
    return negated ? try fold(Expression(.boolean, .not(test)), position) : test
  }
  func extreme(_ parts: [ExpressionSyntax], _ isGreatest: Bool, _ position: Int) throws(TallyError) -> Expression {
    let what = isGreatest ? "GREATEST" : "LEAST"
    let items = try common(parts, what)
    guard ExpressionCheck.isComparable(ExpressionCheck.family(items[0].type)) else {
      throw .sql("42883", "could not identify a comparison function for type \(items[0].type.name)", position: position)
    }
    return try fold(Expression(items[0].type.withoutModifiers, .call(isGreatest ? .greatest : .least, items)), position)
  }
  /// Binds expressions that must have one type, without its limits.
  private func common(_ parts: [ExpressionSyntax], _ what: String) throws(TallyError) -> [Expression] {
    var bound: [Expression] = []
    for part in parts { bound.append(try bind(part)) }
    guard let type = UnifiedType.of(bound.map(\.type))?.withoutModifiers else {
      let (a, b) = UnifiedType.clash(bound.map(\.type))
      throw .sql(
        "42804",
        "\(what) types \(bound[a].type.name) and \(bound[b].type.name) cannot be matched",
        position: parts[b].position
      )
    }
    var result: [Expression] = []
    for (item, part) in zip(bound, parts) {
      result.append(item.type.withoutModifiers == type ? item : try coerce(item, to: type, at: part.position, .implicit))
    }
    return result
  }
  /// ARRAY[…]; `element` is the type a cast around it asks for.
  func array(_ items: [ExpressionSyntax], _ element: DataType?, _ position: Int) throws(TallyError) -> Expression {
    if items.isEmpty {
      guard let type = element?.arrayType else {
        throw .sql(
          "42P18",
          "cannot determine type of empty array",
          hint: "Explicitly cast to the desired type, for example ARRAY[]::integer[].",
          position: position
        )
      }
      return .constant(type, try ArrayValue(element ?? .text, []).value())
    }
    for item in items {
      if case .array = item.kind {
        throw .sql("0A000", "arrays of more than one dimension are not supported", position: item.position)
      }
    }
    var parts: [Expression]
    if let element {
      parts = []
      for item in items {
        let bound = try bind(item)
        parts.append(bound.type == element ? bound : try coerce(bound, to: element, at: item.position, .explicit))
      }
    } else {
      parts = try common(items, "ARRAY")
    }
    let type = parts[0].type
    guard type.element == nil else {
      throw .sql("0A000", "arrays of more than one dimension are not supported", position: position)
    }
    guard let result = type.arrayType else {
      throw .sql("42704", "could not find array type for data type \(type.name)", position: position)
    }
    return try fold(Expression(result, .call(.makeArray, parts)), position)
  }
  /// `x operator ANY (array)` and ALL.
  func arrayComparison(
    _ left: ExpressionSyntax,
    _ name: String,
    _ right: ExpressionSyntax,
    _ isAll: Bool,
    _ position: Int
  ) throws(TallyError) -> Expression {
    var subject = try bind(left)
    var array = try bind(right)
    if array.type == .unknown {
      let element = subject.type == .unknown ? DataType.text : subject.type.withoutModifiers
      guard let type = element.arrayType else { throw noOperator(name, subject.type, array.type, position) }
      array = try coerce(array, to: type, at: right.position)
    }
    guard let own = array.type.element else {
      throw .sql("42809", "op ANY/ALL (array) requires array on right side", position: position)
    }
    guard let (function, isNegated) = Self.quantifiable[name] else {
      throw .sql("0A000", "operator \(name) with ANY or ALL over an array is not supported", position: position)
    }
    if subject.type == .unknown { subject = try coerce(subject, to: own.withoutModifiers, at: left.position) }
    let type = function.isComparison ? UnifiedType.operands(subject.type, own) : DataType.text
    guard let wide = type?.withoutModifiers, function.isComparison ? ExpressionCheck.isComparable(ExpressionCheck.family(wide)) : true,
      let wideArray = wide.arrayType
    else { throw noOperator(name, subject.type, own, position) }
    // Integers and texts of different widths compare as they are, so that a bare column stays bare.
    let families = (ExpressionCheck.family(subject.type), ExpressionCheck.family(own), ExpressionCheck.family(wide))
    if families.0 != families.2 || subject.type.isFloat && subject.type != wide {
      subject = try coerce(subject, to: wide, at: left.position, .implicit)
    }
    if families.1 != families.2 { array = try coerce(array, to: wideArray, at: right.position, .implicit) }
    // A constant list is an IN list, which zone maps know.
    if function == .equal, !isNegated, !isAll, case .constant(.bytes(let bytes)) = array.node, let element = array.type.element {
      let items = try ArrayValue.reading(bytes, element).elements
      let values = items.filter { !$0.isNull }
      if values.isEmpty, items.isEmpty { return .boolean(false) }
      return try fold(Expression(.boolean, .inList(subject, values, hasNull: values.count < items.count)), position)
    }
    if array.holdsParameter { throw GenericPlan.needsValues }
    let code = Int64(function.rawValue) + (isNegated ? QuantifiedComparison.negation : 0)
    let arguments = [.constant(.bigint, .fixed(code)), .boolean(isAll), subject, array]
    return try fold(Expression(.boolean, .call(.quantified, arguments)), position)
  }
  private static let quantifiable: [String: (Function, isNegated: Bool)] = [
    "=": (.equal, false), "<>": (.notEqual, false), "<": (.less, false), "<=": (.lessOrEqual, false), ">": (.greater, false),
    ">=": (.greaterOrEqual, false), "~~": (.likePattern, false), "!~~": (.likePattern, true), "~~*": (.likeInsensitive, false),
    "!~~*": (.likeInsensitive, true), "~": (.matchesRegex, false), "!~": (.matchesRegex, true), "~*": (.matchesRegexInsensitive, false),
    "!~*": (.matchesRegexInsensitive, true), "^@": (.startsWith, false),
  ]
  func element(_ array: ExpressionSyntax, _ index: ExpressionSyntax, _ position: Int) throws(TallyError) -> Expression {
    let (subject, place) = (try bind(array), try bind(index))
    if subject.type == .jsonb {
      // jsonb's subscripts are keys or numbers.
      let step = place.type == .unknown || place.type.isText ? try coerce(place, to: .text, at: index.position) : place
      return try infix("->", subject, step, position, array.position, index.position)
    }
    guard let type = subject.type.element else {
      throw .sql(
        "42804",
        "cannot subscript type \(subject.type.name) because it does not support subscripting",
        position: position
      )
    }
    var number = try subscriptNumber(place, index.position)
    if case .array(let element) = subject.type, element.isVector {
      // The catalogs' vectors count from 0.
      number = try fold(Expression(.integer, .call(.add, [number, .constant(.integer, .fixed(1))])), position)
    }
    return try fold(Expression(type.withoutModifiers, .call(.arrayElement, [subject, number])), position)
  }
  func slice(
    _ array: ExpressionSyntax,
    _ lower: ExpressionSyntax?,
    _ upper: ExpressionSyntax?,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let subject = try bind(array)
    guard subject.type.element != nil else {
      throw .sql(
        "42804",
        "cannot subscript type \(subject.type.name) because it does not support subscripting",
        position: position
      )
    }
    func bound(_ syntax: ExpressionSyntax?, _ otherwise: Int64) throws(TallyError) -> Expression {
      guard let syntax else { return .constant(.integer, .fixed(otherwise)) }
      return try subscriptNumber(try bind(syntax), syntax.position)
    }
    let arguments = [subject, try bound(lower, 1), try bound(upper, Int64(Int32.max))]
    return try fold(Expression(subject.type, .call(.arraySlice, arguments)), position)
  }
  private func subscriptNumber(_ expression: Expression, _ position: Int) throws(TallyError) -> Expression {
    if expression.type == .integer { return expression }
    guard expression.type == .unknown || Casts.context(from: expression.type, to: .integer).map({ $0 <= .assignment }) == true,
      expression.type == .unknown || expression.type.isNumber
    else { throw .sql("42804", "array subscript must have type integer", position: position) }
    return try coerce(expression, to: .integer, at: position)
  }

  // MARK: Intervals

  /// make_interval(years => 1, …): positions and names, zero where nothing is given.
  func makeInterval(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression {
    let names = ["years", "months", "weeks", "days", "hours", "mins", "secs"]
    var parts = names.map { Expression.constant($0 == "secs" ? .double : .integer, $0 == "secs" ? .double(0) : .fixed(0)) }
    var bound: [Expression] = []
    func place(_ syntax: ExpressionSyntax, at index: Int) throws(TallyError) {
      let value = try bind(syntax)
      bound.append(value)
      let wanted = parts[index].type
      guard value.type == .unknown || value.type == wanted || Casts.context(from: value.type, to: wanted) == .implicit else {
        throw noFunction(call, bound, position)
      }
      parts[index] = try coerce(value, to: wanted, at: syntax.position, .implicit)
    }
    guard call.arguments.count <= names.count else { throw noFunction(call, [], position) }
    for (index, argument) in call.arguments.enumerated() { try place(argument, at: index) }
    for (name, value) in call.namedArguments {
      guard let index = names.firstIndex(of: name.name), index >= call.arguments.count else { throw noFunction(call, bound, position) }
      try place(value, at: index)
    }
    return try fold(Expression(.interval, .call(.makeInterval, parts)), position)
  }
  /// `interval '5' hour`: a bare number counts the field, and what is smaller than the field is dropped.
  func intervalOfFields(_ inner: ExpressionSyntax, _ syntax: TypeSyntax, _ position: Int) throws(TallyError) -> Expression {
    let fields: [Int: (unit: String, truncation: TimeUnit)] = [
      1 << 2: ("year", .year), 1 << 1: ("month", .month), 1 << 3: ("day", .day), 1 << 10: ("hour", .hour), 1 << 11: ("minute", .minute),
      1 << 12: ("second", .microsecond),
    ]
    guard syntax.modifiers.count == 1, let field = fields[syntax.modifiers[0]] else {
      throw .sql(
        "0A000",
        "ranges of interval fields and precisions are not supported",
        hint: "Write interval '1 day 2 hours'.",
        position: syntax.position
      )
    }
    var bound = try bind(inner)
    if case .constant(.text(let text)) = bound.node, bound.type == .unknown,
      text.utf8.allSatisfy({ $0 &- 0x30 < 10 || [0x2d, 0x2b, 0x2e, 0x20].contains($0) })
    {
      bound = .constant(.unknown, .text("\(text) \(field.unit)"))
    }
    let span = try coerce(bound, to: .interval, at: inner.position, .explicit)
    let unit = Expression.constant(.bigint, .fixed(Int64(field.truncation.rawValue)))
    return try fold(Expression(.interval, .call(.dateTrunc, [unit, span])), position)
  }

  // MARK: Names of objects

  /// What a literal of a `reg…` type means; nil for other types, and for numbers.
  func objectNumber(_ text: String, _ type: DataType, _ position: Int) throws(TallyError) -> Value? {
    guard type.isObjectNumber, type != .oid, let first = text.utf8.first, !(first &- 0x30 < 10) else { return nil }
    if text == "-" { return .fixed(0) }
    guard let system = context.system else {
      throw .sql("0A000", "a name as \(type.name) is not supported here", position: position)
    }
    return .fixed(try located(position) { () throws(TallyError) in try system.lookUp(text, as: type) })
  }
  /// The cast between a `reg…` type and text, which needs the coordinator's catalog; nil for other casts.
  func objectName(_ expression: Expression, to type: DataType, _ position: Int) throws(TallyError) -> Expression? {
    let from = expression.type
    if from.isObjectNumber, from != .oid, ExpressionCheck.isTextLike(type), let system = context.system {
      let function = HostedFunction("\(from.name)out", [from], .text) { (values) throws(TallyError) in
        guard case .fixed(let number) = values[0] else { return .null }
        return .text(system.text(of: number, as: from))
      }
      let text = try fold(Expression(.text, .hosted(function, [expression])), position)
      return type == .text ? text : try coerce(text, to: type, at: position, .explicit)
    }
    if let element = from.element, element.isObjectNumber, element != .oid, let target = type.element, ExpressionCheck.isTextLike(target),
      let system = context.system
    {
      let function = HostedFunction("\(from.name)out", [from], .array(.text)) { (values) throws(TallyError) in
        guard case .bytes(let bytes) = values[0] else { return .null }
        var array = ArrayValue(.text, [])
        for value in try ArrayValue.reading(bytes, element).elements {
          if case .fixed(let number) = value {
            array.elements.append(.text(system.text(of: number, as: element)))
          } else {
            array.elements.append(.null)
          }
        }
        return try array.value()
      }
      let texts = try fold(Expression(.array(.text), .hosted(function, [expression])), position)
      return type == .array(.text) ? texts : try coerce(texts, to: type, at: position, .explicit)
    }
    if type.isObjectNumber, type != .oid, ExpressionCheck.isTextLike(from), let system = context.system {
      let text = from.isText ? expression : try coerce(expression, to: .text, at: position, .implicit)
      let function = HostedFunction("\(type.name)in", [.text], type) { (values) throws(TallyError) in
        guard case .text(let name) = values[0] else { return .null }
        if let first = name.utf8.first, first &- 0x30 < 10 { return try ValueText.parse(name, as: .oid) }
        return .fixed(try system.lookUp(name, as: type))
      }
      return try fold(Expression(type, .hosted(function, [text])), position)
    }
    return nil
  }
}
