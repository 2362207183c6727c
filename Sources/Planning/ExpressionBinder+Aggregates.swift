// ExpressionBinder+Aggregates.swift — aggregate calls, and topn() in the select list.
//
// The binder puts a placeholder column for each distinct aggregate and remembers the aggregate. avg(x) is sum(x) / count(x), so a
// query that asks for all three computes two; variances and their kin are expressions over sums (`+Statistics`). With OVER the same
// calls become window calls.
import Model
import SQL

extension ExpressionBinder {
  static let aggregateNames: Set<String> = [
    "count", "sum", "avg", "min", "max", "bool_and", "every", "bool_or", "hll_add_agg", "hll_union_agg", "topn_add_agg",
    "topn_union_agg", "approx_count_distinct", "string_agg", "array_agg", "jsonb_agg", "json_agg", "jsonb_object_agg",
    "json_object_agg", "bit_and", "bit_or", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop", "corr",
    "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope", "regr_sxx",
    "regr_sxy", "regr_syy", "percentile_cont", "percentile_disc", "mode",
  ]
  private static let orderedSets: Set<String> = ["percentile_cont", "percentile_disc", "mode"]
  private static let hypotheticalSets: Set<String> = ["rank", "dense_rank", "percent_rank", "cume_dist"]

  /// Binds an aggregate call; nil when the name is none. `sized` is the type a cast around it asks for.
  func aggregate(_ call: CallSyntax, _ position: Int, sized: DataType?) throws(TallyError) -> Expression? {
    if call.isWithinGroup, Self.hypotheticalSets.contains(call.name) {
      throw .sql("0A000", "hypothetical-set aggregate \(call.name) is not supported", position: position)
    }
    guard Self.aggregateNames.contains(call.name) else {
      guard call.isWithinGroup else { return nil }
      throw .sql("42809", "\(call.name) is not an ordered-set aggregate, so it cannot have WITHIN GROUP", position: position)
    }
    // sized comes from a cast around the call, which is met first: it may be a window call.
    if call.over != nil, window == nil { return try windowCall(call, position) }
    let window = self.window
    let wasInside = isInsideAggregate
    if window == nil {
      guard !wasInside || clause == .filter else {
        throw .sql("42803", "aggregate function calls cannot be nested", position: position)
      }
      isInsideAggregate = true
    }
    let depth = conditionalDepth
    conditionalDepth = 0
    self.window = nil
    defer {
      isInsideAggregate = wasInside
      conditionalDepth = depth
      self.window = window
    }
    var filter: Expression?
    if let written = call.filter { filter = try condition(written, .filter) }
    guard call.namedArguments.isEmpty else {
      throw .sql("0A000", "named arguments of \(call.name) are not supported", position: position)
    }
    if call.isStar {
      guard call.name == "count" else { throw noFunction(call, [], position) }
      if window == nil { try checkAggregatePlace(position) }
      self.window = window
      return register(AggregateCall(.countStar, [], filter: filter, type: .bigint))
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try typed(argument)) }
    for argument in arguments where argument.columnsRead.contains(where: Placeholder.isSet) {
      throw .sql("0A000", "aggregate function calls cannot contain set-returning function calls", position: position)
    }
    var order: [AggregateCall.Order] = []
    for key in call.orderBy {
      let bound = try typed(key.expression)
      try checkOrdering(bound.type, key.expression.position)
      order.append(AggregateCall.Order(bound, isAscending: key.isAscending, nullsFirst: key.nullsFirst ?? !key.isAscending))
    }
    let parts = AggregateParts(arguments: arguments, order: order, filter: filter)
    if window == nil {
      if let outer = try outerAggregate(call, parts, sized, position) { return outer }
      try checkAggregatePlace(position)
    }
    self.window = window
    return try aggregate(call, parts, sized, position)
  }
  /// An aggregate of bound arguments.
  private func aggregate(
    _ call: CallSyntax,
    _ parts: AggregateParts,
    _ sized: DataType?,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let (arguments, order, filter) = (parts.arguments, parts.order, parts.filter)
    defer {
      isDistinctCall = false
      callOrder = []
    }
    if call.isWithinGroup { return try orderedSet(call, arguments, order, filter, position) }
    if Self.orderedSets.contains(call.name) {
      throw .sql("42809", "WITHIN GROUP is required for ordered-set aggregate \(call.name)", position: position)
    }
    if call.isDistinct {
      if let distinct = try distinctAggregate(call, arguments, order, filter, position) { return distinct }
    }
    if arguments.isEmpty, call.name == "count" {
      throw .sql("42809", "count(*) must be used to call a parameterless aggregate function", position: position)
    }
    callOrder = order
    guard let result = try plainAggregate(call, arguments, filter, sized, position) else {
      throw noFunction(call, arguments, position)
    }
    return result
  }
  private func checkAggregatePlace(_ position: Int) throws(TallyError) {
    switch clause {
    case .select, .having, .orderBy, .distinctOn, .windowDefinition: break
    case .filter: throw .sql("42803", "aggregate functions are not allowed in FILTER", position: position)
    default: throw .sql("42803", "aggregate functions are not allowed in \(clause.rawValue)", position: position)
    }
  }
  /// An aggregate of an outer query's columns alone belongs to that query: it is computed there, and its value is an outer reference
  /// here. Nil for one of this query.
  private func outerAggregate(
    _ call: CallSyntax,
    _ parts: AggregateParts,
    _ sized: DataType?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    let read = parts.expressions.reduce(into: Set<Int>()) { $1.collectColumns(into: &$0) }
    guard !read.isEmpty, read.allSatisfy(Placeholder.isOuter)
    else { return nil }
    let owners = Set(read.map { statement.outers[$0 - Placeholder.outer].owner })
    var level = outer
    while let binder = level, !owners.contains(binder.number) { level = binder.outer }
    guard let owner = level, owners.count == 1 else {
      throw .sql(
        "0A000",
        "\(call.name) of columns of several outer queries is not supported",
        hint: "Compute the aggregate in the outer query.",
        position: position
      )
    }
    guard !owner.isInsideAggregate else {
      throw .sql("42803", "aggregate function calls cannot be nested", position: position)
    }
    try owner.checkAggregatePlace(position)
    let own = parts.mapping { expression in
      expression.replacing { index in
        let outer = statement.outers[index - Placeholder.outer]
        return .column(outer.column, outer.type)
      }
    }
    let value = try owner.aggregate(call, own, sized, position)
    return value.referring { index, type in statement.reference(owner: owner.number, index, type, position) }
  }

  func register(_ call: AggregateCall) -> Expression {
    var call = call
    if let window {
      return register(
        BoundWindowCall(
          function: .aggregate(call.function),
          arguments: call.arguments,
          filter: call.filter,
          type: call.type,
          window: window
        )
      )
    }
    switch call.function {
    // Neither order nor repetition changes them.
    case .min, .max, .boolAnd, .boolOr, .bitAnd, .bitOr, .hllAdd, .hllUnion: break
    case .stringAgg, .arrayAgg, .jsonbAgg, .jsonbObjectAgg:
      call.isDistinct = isDistinctCall
      call.order = callOrder
    case .percentileCont, .percentileDisc, .mode: break
    default: call.isDistinct = isDistinctCall
    }
    let key =
      [UInt8(call.function.rawValue), UInt8(call.arguments.count), call.filter == nil ? 0 : 1, call.isDistinct ? 1 : 0]
      + call.order.map { ($0.isAscending ? 1 : 0) | ($0.nullsFirst ? 2 : 0) }
      + ExpressionFormat.key(Expression(call.type, .coalesce(call.expressions)))
    if let known = aggregateKeys.firstIndex(of: key) { return .column(Placeholder.aggregates + known, call.type) }
    aggregateKeys.append(key)
    aggregates.append(call)
    return .column(Placeholder.aggregates + aggregates.count - 1, call.type)
  }

  /// DISTINCT: nil where the call is bound as any other.
  private func distinctAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ order: [AggregateCall.Order],
    _ filter: Expression?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    for argument in arguments where !ExpressionCheck.isComparable(ExpressionCheck.family(argument.type)) {
      guard !["hll_union_agg", "topn_union_agg"].contains(call.name) else { continue }
      throw .sql(
        "42883",
        "could not identify an equality operator for type \(argument.type.name)",
        position: position
      )
    }
    let keys = arguments.map { ExpressionFormat.key($0) }
    for (key, written) in zip(order, call.orderBy) where !keys.contains(ExpressionFormat.key(key.expression)) {
      throw .sql(
        "42P10",
        "in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list",
        position: written.expression.position
      )
    }
    guard call.name == "count" else {
      isDistinctCall = true
      return nil
    }
    guard arguments.count == 1 else { throw noFunction(call, arguments, position) }
    var subject = arguments[0]
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

  /// percentile_cont(fraction) WITHIN GROUP (ORDER BY x) and its kin.
  private func orderedSet(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ order: [AggregateCall.Order],
    _ filter: Expression?,
    _ position: Int
  ) throws(TallyError) -> Expression {
    guard Self.orderedSets.contains(call.name) else {
      throw .sql("42809", "\(call.name) is not an ordered-set aggregate, so it cannot have WITHIN GROUP", position: position)
    }
    if call.isDistinct { throw .sql("0A000", "cannot use DISTINCT with WITHIN GROUP", position: position) }
    guard order.count == 1, arguments.count == (call.name == "mode" ? 0 : 1) else {
      throw noFunction(call, arguments + order.map(\.expression), position)
    }
    var key = order[0]
    key.expression = try coerce(key.expression, to: key.expression.type.withoutModifiers, at: call.orderBy[0].expression.position)
    if call.name == "mode" {
      return registered(AggregateCall(.mode, [], filter: filter, order: [key], type: key.expression.type))
    }
    if arguments[0].type.element != nil {
      throw .sql("0A000", "\(call.name) of an array of fractions is not supported", position: call.arguments[0].position)
    }
    let fraction = try coerce(arguments[0], to: .double, at: call.arguments[0].position, .implicit)
    guard case .constant(let value) = fraction.node else {
      throw .sql("0A000", "a percentile that is no constant is not supported", position: call.arguments[0].position)
    }
    if case .double(let number) = value, !(0...1).contains(number) {
      throw .sql("22003", "percentile value \(number) is not between 0 and 1", position: call.arguments[0].position)
    }
    guard call.name == "percentile_cont" else {
      return registered(AggregateCall(.percentileDisc, [fraction], filter: filter, order: [key], type: key.expression.type))
    }
    if key.expression.type != .interval {
      guard key.expression.type.isNumber else { throw noFunction(call, arguments + [key.expression], position) }
      key.expression = try coerce(key.expression, to: .double, at: call.orderBy[0].expression.position, .implicit)
    }
    return registered(AggregateCall(.percentileCont, [fraction], filter: filter, order: [key], type: key.expression.type))
  }
  private func registered(_ call: AggregateCall) -> Expression { register(call) }

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
    if let pair = statisticOfPairs(call.name, arguments, filter) { return pair }
    if call.name == "string_agg" {
      guard arguments.count == 2, arguments.allSatisfy({ ExpressionCheck.isTextLike($0.type) }) else { return nil }
      var texts: [Expression] = []
      for argument in arguments { texts.append(try coerce(argument, to: .text, at: position, .implicit)) }
      return register(AggregateCall(.stringAgg, texts, filter: filter, type: .text))
    }
    if let collected = try collectingAggregate(call, arguments, filter, position) { return collected }
    guard arguments.count == 1 else { return nil }
    if let statistic = statistic(call.name, first, filter) { return statistic }
    switch call.name {
    case "bit_and", "bit_or":
      return first.type.isInteger ? one(call.name == "bit_and" ? .bitAnd : .bitOr, first.type) : nil
    case "count": return one(.count, .bigint)
    case "sum":
      if case .hll = first.type { return one(.hllUnion, first.type) }
      if first.type == .hllHashval { return one(.hllAdd, .hll(HLLParameters())) }
      if first.type == .real {
        let sum = register(AggregateCall(.sum, [Expression(.double, .cast(first))], filter: filter, type: .double))
        return Expression(.real, .cast(sum))
      }
      return Self.sumType(first.type).map { one(.sum, $0) }
    case "avg":
      if case .hll = first.type { throw sketchHint("avg", "hll", "#hll_union_agg(x)", position) }
      guard let type = first.type == .real ? .double : Self.sumType(first.type) else { return nil }
      let summed = first.type == .real ? Expression(.double, .cast(first)) : first
      let sum = register(AggregateCall(.sum, [summed], filter: filter, type: type))
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
      guard first.type != .hllHashval, first.type != .boolean, ExpressionCheck.isComparable(ExpressionCheck.family(first.type))
      else { return nil }
      guard first.type.isText else { return one(call.name == "min" ? .min : .max, first.type) }
      let text = first.type == .text ? first : Expression(.text, .cast(first))
      return register(AggregateCall(call.name == "min" ? .min : .max, [text], filter: filter, type: .text))
    case "bool_and", "every": return first.type == .boolean ? one(.boolAnd, .boolean) : nil
    case "bool_or": return first.type == .boolean ? one(.boolOr, .boolean) : nil
    case "hll_union_agg":
      if case .hll = first.type { return one(.hllUnion, first.type) }
      return nil
    case "topn_union_agg":
      guard let state = try topnState(first, position) else { return nil }
      return register(AggregateCall(.topnUnion, [state], filter: filter, type: state.type))
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
    return register(AggregateCall(.topnAdd, bound, filter: filter, type: sized ?? .topn(context.topn)))
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
    guard clause == .select || clause == .orderBy || clause == .tableFunction else {
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
    guard arguments.count == 2, let state = try topnState(arguments[0], call.arguments[0].position),
      case .topn(let parameters) = state.type
    else { throw noFunction(call, arguments, position) }
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
    let key = ExpressionFormat.key(state) + [call.name == "topn_ex" ? 1 : 0] + Array(String(count).utf8)
    if let known = expansions.firstIndex(where: { $0.key == key }) { return known }
    guard expansions.isEmpty else {
      throw .sql("0A000", "several different topn() calls in one select list are not supported", position: position)
    }
    expansions.append(
      Expansion(state: state, count: Int64(count), isExtended: call.name == "topn_ex", key: key)
    )
    return expansions.count - 1
  }
}

/// Arguments of an aggregate call, bound.
private struct AggregateParts {
  var arguments: [Expression]
  var order: [AggregateCall.Order]
  var filter: Expression?

  var expressions: [Expression] { arguments + order.map(\.expression) + (filter.map { [$0] } ?? []) }
  func mapping(_ change: (Expression) -> Expression) -> AggregateParts {
    var copy = self
    copy.arguments = arguments.map(change)
    for i in copy.order.indices { copy.order[i].expression = change(order[i].expression) }
    copy.filter = filter.map(change)
    return copy
  }
}

extension Expression {
  /// The same expression with each column replaced, by its number and type.
  fileprivate func referring(_ change: (Int, DataType) -> Expression) -> Expression {
    if case .column(let index) = node { return change(index, type) }
    return mapOperands { $0.referring(change) }
  }
}
