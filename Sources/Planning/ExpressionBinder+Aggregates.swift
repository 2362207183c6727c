// ExpressionBinder+Aggregates.swift — aggregate calls, and topn() in the select list.
//
// The binder puts a placeholder column for each distinct aggregate and remembers the aggregate. avg(x) is sum(x) / count(x), so a
// query that asks for all three computes two.
import Model
import SQL

extension ExpressionBinder {
  private static let names: Set<String> = [
    "count", "sum", "avg", "min", "max", "bool_and", "every", "bool_or", "hll_add_agg", "hll_union_agg", "topn_add_agg",
    "topn_union_agg", "approx_count_distinct",
  ]

  /// Binds an aggregate call; nil when the name is none. `sized` is the type a cast around it asks for.
  func aggregate(_ call: CallSyntax, _ position: Int, sized: DataType?) throws(TallyError) -> Expression? {
    guard Self.names.contains(call.name) else { return nil }
    guard !isInsideAggregate else {
      throw .sql("42803", "aggregate function calls cannot be nested", position: position)
    }
    switch clause {
    case .select, .having, .orderBy: break
    case .filter: throw .sql("42803", "aggregate functions are not allowed in FILTER", position: position)
    default: throw .sql("42803", "aggregate functions are not allowed in \(clause.rawValue)", position: position)
    }
    isInsideAggregate = true
    defer { isInsideAggregate = false }
    let depth = conditionalDepth
    conditionalDepth = 0
    defer { conditionalDepth = depth }
    var filter: Expression?
    if let written = call.filter { filter = try condition(written, .filter) }
    guard call.namedArguments.isEmpty else {
      throw .sql("0A000", "named arguments of \(call.name) are not supported", position: position)
    }
    if call.isStar {
      guard call.name == "count" else { throw noFunction(call, [], position) }
      return register(AggregateCall(.countStar, [], filter: filter, type: .bigint))
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try typed(argument)) }
    for argument in arguments where argument.columnsRead.contains(where: { $0 >= Placeholder.expansions }) {
      throw .sql("0A000", "aggregate function calls cannot contain set-returning function calls", position: position)
    }
    if call.isDistinct {
      if let distinct = try distinctAggregate(call, arguments, filter, position) { return distinct }
    }
    if arguments.isEmpty, call.name == "count" {
      throw .sql("42809", "count(*) must be used to call a parameterless aggregate function", position: position)
    }
    guard let result = try plainAggregate(call, arguments, filter, sized, position) else {
      throw noFunction(call, arguments, position)
    }
    return result
  }

  func register(_ call: AggregateCall) -> Expression {
    var parts = call.arguments
    if let filter = call.filter { parts.append(filter) }
    let key =
      [UInt8(call.function.rawValue), UInt8(call.arguments.count), call.filter == nil ? 0 : 1]
      + ExpressionFormat.key(Expression(call.type, .coalesce(parts)))
    if let known = aggregateKeys.firstIndex(of: key) { return .column(Placeholder.aggregates + known, call.type) }
    aggregateKeys.append(key)
    aggregates.append(call)
    return .column(Placeholder.aggregates + aggregates.count - 1, call.type)
  }

  /// DISTINCT: nil where it changes nothing.
  private func distinctAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ filter: Expression?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    switch call.name {
    case "min", "max", "bool_and", "bool_or", "every", "hll_add_agg", "hll_union_agg", "approx_count_distinct": return nil
    case "count": break
    default:
      throw .sql(
        "0A000",
        "\(call.name)(DISTINCT …) is not supported",
        hint: "Aggregate over SELECT DISTINCT in a subquery.",
        position: position
      )
    }
    guard arguments.count == 1 else { throw noFunction(call, arguments, position) }
    var subject = arguments[0]
    guard ExpressionCheck.isComparable(ExpressionCheck.family(subject.type)) else {
      throw .sql(
        "42883",
        "could not identify an equality operator for type \(subject.type.name)",
        position: position
      )
    }
    if let filter {
      subject = Expression(
        subject.type,
        .caseWhen([CaseBranch(condition: filter, result: subject)], otherwise: nil)
      )
    }
    let key = ExpressionFormat.key(subject)
    if let known = distincts.firstIndex(where: { ExpressionFormat.key($0) == key }) {
      return .column(Placeholder.distincts + known, .bigint)
    }
    distincts.append(subject)
    return .column(Placeholder.distincts + distincts.count - 1, .bigint)
  }

  private func plainAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ filter: Expression?,
    _ sized: DataType?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard let first = arguments.first else { return nil }
    func one(_ function: AggregateFunction, _ type: DataType) -> Expression {
      register(AggregateCall(function, arguments, filter: filter, type: type))
    }
    if call.name == "hll_add_agg" { return try hllAddAggregate(call, arguments, filter, position) }
    if call.name == "topn_add_agg" { return try topnAddAggregate(call, arguments, filter, sized, position) }
    guard arguments.count == 1 else { return nil }
    switch call.name {
    case "count": return one(.count, .bigint)
    case "sum":
      if case .hll = first.type { return one(.hllUnion, first.type) }
      if first.type == .hllHashval { return one(.hllAdd, .hll(HLLParameters())) }
      return Self.sumType(first.type).map { one(.sum, $0) }
    case "avg":
      if case .hll = first.type { throw sketchHint("avg", "hll", "#hll_union_agg(x)", position) }
      guard let type = Self.sumType(first.type) else { return nil }
      let sum = one(.sum, type)
      let count = one(.count, .bigint)
      if type == .interval {
        return Expression(.interval, .call(.intervalDivide, [sum, Expression(.double, .cast(count))]))
      }
      let quotient: DataType = type == .double ? .double : .plainNumeric
      let whole = type == .bigint ? Expression(.plainNumeric, .cast(sum)) : sum
      return Expression(quotient, .call(.divide, [whole, Expression(quotient, .cast(count))]))
    case "min", "max":
      if case .hll = first.type { throw sketchHint(call.name, "hll", "hll_union_agg(x)", position) }
      if case .topn = first.type { throw sketchHint(call.name, "topn", "topn_union_agg(x)", position) }
      guard first.type != .hllHashval, first.type != .boolean else { return nil }
      guard first.type.isText else { return one(call.name == "min" ? .min : .max, first.type) }
      let text = first.type == .text ? first : Expression(.text, .cast(first))
      return register(AggregateCall(call.name == "min" ? .min : .max, [text], filter: filter, type: .text))
    case "bool_and", "every": return first.type == .boolean ? one(.boolAnd, .boolean) : nil
    case "bool_or": return first.type == .boolean ? one(.boolOr, .boolean) : nil
    case "hll_union_agg":
      if case .hll = first.type { return one(.hllUnion, first.type) }
      return nil
    case "topn_union_agg":
      if case .topn = first.type { return one(.topnUnion, first.type) }
      return nil
    case "approx_count_distinct":
      let subject = first.type.isText && first.type != .text ? Expression(.text, .cast(first)) : first
      let hash = Expression(.hllHashval, .call(.hllHash, [subject, .constant(.integer, .fixed(0))]))
      guard ExpressionCheck.isWellTyped(hash, input: []) || first.columnIndex != nil && first.type.layout != .numeric
      else { return nil }
      let state = register(AggregateCall(.hllAdd, [hash], filter: filter, type: .hll(HLLParameters())))
      let rounded = Expression(.bigint, .cast(Expression(.double, .call(.hllCardinality, [state]))))
      return Expression(.bigint, .coalesce([rounded, .constant(.bigint, .fixed(0))]))
    default: return nil
    }
  }
  private func sketchHint(_ name: String, _ type: String, _ instead: String, _ position: Int) -> TallyError {
    .sql("42883", "function \(name)(\(type)) does not exist", hint: "Use \(instead).", position: position)
  }
  /// PostgreSQL's result type of sum.
  static func sumType(_ type: DataType) -> DataType? {
    switch type {
    case .smallint, .integer: .bigint
    case .bigint, .numeric: .plainNumeric
    case .double: .double
    case .interval: .interval
    default: nil
    }
  }

  private func hllAddAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ filter: Expression?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard (1...5).contains(arguments.count) else { return nil }
    guard arguments[0].type == .hllHashval else {
      throw .sql(
        "42883",
        "function hll_add_agg(\(arguments.map(\.type.name).joined(separator: ", "))) does not exist",
        hint: "Hash the value first: hll_add_agg(hll_hash_bigint(x)) or hll_hash_text(x).",
        position: position
      )
    }
    var modifiers: [Int] = []
    for (argument, syntax) in zip(arguments, call.arguments).dropFirst() {
      modifiers.append(try constantInteger(argument, syntax.position, "parameters of hll_add_agg"))
    }
    let type = DataType.hll(try TypeBinding.hll(modifiers, position: position))
    return register(AggregateCall(.hllAdd, [arguments[0]], filter: filter, type: type))
  }
  private func topnAddAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ filter: Expression?,
    _ sized: DataType?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard (1...2).contains(arguments.count), arguments[0].type.isText else { return nil }
    var bound = [arguments[0]]
    if arguments.count == 2 {
      guard arguments[1].type.isInteger else { return nil }
      bound.append(arguments[1].type == .bigint ? arguments[1] : Expression(.bigint, .cast(arguments[1])))
    }
    return register(AggregateCall(.topnAdd, bound, filter: filter, type: sized ?? .topn(TopNParameters())))
  }

  // MARK: topn()

  static let topnFields: [String] = ["item", "frequency"]
  static let extendedFields: [String] = ["item", "estimate", "lower", "upper", "exact"]

  /// `(topn(state, n)).field`.
  func topnField(_ inner: ExpressionSyntax, _ name: String, _ position: Int) throws(TallyError) -> Expression {
    guard case .call(let call) = inner.kind, call.name == "topn" || call.name == "topn_ex" else {
      let bound = try bind(inner)
      throw .sql(
        "42809",
        "column notation .\(name) applied to type \(bound.type.name), which is not a composite type",
        position: position
      )
    }
    let expansion = try topnExpansion(call, inner.position)
    let fields = expansions[expansion].isExtended ? Self.extendedFields : Self.topnFields
    guard let field = fields.firstIndex(of: name) else {
      throw .sql("42703", "column \"\(name)\" not found in data type topn_record", position: position)
    }
    return .column(Placeholder.expansion(expansion, field), Self.fieldKind(expansions[expansion].isExtended, field).type)
  }
  /// What a field's column holds.
  static func fieldKind(_ isExtended: Bool, _ field: Int) -> ExpandTopNNode.Field {
    isExtended ? [.item, .frequency, .frequency, .upper, .isExact][field] : [.item, .frequency][field]
  }
  /// Registers `topn(state, n)`; the same call twice is one expansion.
  func topnExpansion(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Int {
    guard clause == .select || clause == .orderBy else {
      throw .sql("0A000", "set-returning functions are not allowed in \(clause.rawValue)", position: position)
    }
    guard !isInsideAggregate else {
      throw .sql("0A000", "aggregate function calls cannot contain set-returning function calls", position: position)
    }
    guard conditionalDepth == 0 else {
      throw .sql("0A000", "set-returning functions are not allowed in CASE or COALESCE", position: position)
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    guard arguments.count == 2, case .topn(let parameters) = arguments[0].type else {
      throw noFunction(call, arguments, position)
    }
    let count = try constantInteger(arguments[1], call.arguments[1].position, "item counts of topn")
    guard count >= 0 else {
      throw .sql("22023", "number of items must not be negative", position: call.arguments[1].position)
    }
    guard count <= Int(parameters.counters) else {
      throw .sql(
        "22023",
        "desired number of items (\(count)) is greater than the number of counters (\(parameters.counters))",
        position: call.arguments[1].position
      )
    }
    let key = ExpressionFormat.key(arguments[0]) + [call.name == "topn_ex" ? 1 : 0] + Array(String(count).utf8)
    if let known = expansions.firstIndex(where: { $0.key == key }) { return known }
    guard expansions.isEmpty else {
      throw .sql("0A000", "several different topn() calls in one select list are not supported", position: position)
    }
    expansions.append(
      Expansion(state: arguments[0], count: Int64(count), isExtended: call.name == "topn_ex", key: key)
    )
    return expansions.count - 1
  }
}
