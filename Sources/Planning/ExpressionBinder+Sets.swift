// ExpressionBinder+Sets.swift — functions that give rows, in FROM and in a select list, and aggregates that give arrays and JSON.
import Bytes
import Model
import SQL

/// A function that gives rows, met in a select list.
struct SetCall {
  var call: TableFunctionNode.Call
  var key: [UInt8]
}

extension ExpressionBinder {
  private static let setFunctions: Set<String> = [
    "generate_series", "unnest", "regexp_split_to_table", "string_to_table", "jsonb_array_elements", "jsonb_array_elements_text",
    "json_array_elements", "json_array_elements_text", "jsonb_each", "jsonb_each_text", "json_each", "json_each_text",
    "jsonb_object_keys", "json_object_keys", "regexp_matches", "generate_subscripts", "pg_partition_ancestors",
  ]
  private static let moveHint = "You might be able to move the set-returning function into a LATERAL FROM item."
  static func isSetFunction(_ name: String) -> Bool { setFunctions.contains(name) }

  /// A call in a select list that gives rows: its column is a placeholder. Nil for other functions.
  func setFunction(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression? {
    if call.name == ExpandedArray.function {
      throw .sql(
        "0A000",
        "a row of _pg_expandarray as a value is not supported here",
        hint: "Use its fields, or unnest(…) WITH ORDINALITY in FROM.",
        position: position
      )
    }
    guard Self.isSetFunction(call.name), !call.isStar, call.over == nil else { return nil }
    switch clause {
    case .select, .orderBy, .distinctOn, .groupBy: break
    default: throw .sql("0A000", "set-returning functions are not allowed in \(clause.rawValue)", position: position)
    }
    if isInsideAggregate {
      throw .sql("0A000", "aggregate function calls cannot contain set-returning function calls", hint: Self.moveHint, position: position)
    }
    if isInsideWindow {
      throw .sql("0A000", "window function calls cannot contain set-returning function calls", hint: Self.moveHint, position: position)
    }
    guard conditionalDepth == 0 else {
      throw .sql("0A000", "set-returning functions are not allowed in CASE or COALESCE", hint: Self.moveHint, position: position)
    }
    let bound = try tableFunction(call, position)
    guard bound.output.count == 1 else {
      throw .sql(
        "0A000",
        "a row of \(call.name) as one value is not supported",
        hint: "Call it in FROM.",
        position: position
      )
    }
    if bound.arguments.contains(where: { $0.columnsRead.contains(where: Placeholder.isSet) }) {
      throw .sql("0A000", "a set-returning function of another one is not supported", hint: "Call it in FROM.", position: position)
    }
    let key = [UInt8(bound.function.rawValue)] + ExpressionFormat.key(Expression(bound.output[0].type, .coalesce(bound.arguments)))
    let index: Int
    if let known = sets.firstIndex(where: { $0.key == key }) {
      index = known
    } else {
      sets.append(SetCall(call: bound, key: key))
      index = sets.count - 1
    }
    return .column(Placeholder.sets + index, bound.output[0].type)
  }

  /// Binds a call of a function that gives rows. Throws 42883 where there is none for the arguments.
  func tableFunction(_ call: CallSyntax, _ position: Int) throws(TallyError) -> TableFunctionNode.Call {
    guard !call.isDistinct, call.filter == nil, call.orderBy.isEmpty, call.namedArguments.isEmpty else {
      throw .sql("0A000", "this form of a call of \(call.name) is not supported", position: position)
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    func place(_ at: Int) -> Int { call.arguments[at].position }
    func cast(_ at: Int, _ type: DataType) throws(TallyError) -> Expression {
      try coerce(arguments[at], to: type, at: place(at), .implicit)
    }
    func isText(_ at: Int) -> Bool { arguments[at].type.isText || arguments[at].type == .unknown || arguments[at].type == .name }
    func isJSON(_ at: Int) -> Bool {
      arguments[at].type == (call.name.hasPrefix("jsonb") ? .jsonb : .json) || arguments[at].type == .unknown
    }
    func made(_ function: TableFunction, _ arguments: [Expression], _ columns: [(String, DataType)]) -> TableFunctionNode.Call {
      TableFunctionNode.Call(function, arguments, output: columns.map { OutputColumn($0.0, $0.1) })
    }
    func json() throws(TallyError) -> Expression {
      let value = try cast(0, call.name.hasPrefix("jsonb") ? .jsonb : .json)
      return value.type == .jsonb ? value : try coerce(value, to: .jsonb, at: place(0), .explicit)
    }
    let name = call.name
    switch (name, arguments.count) {
    case ("generate_series", 2...3):
      if let series = try series(arguments, call) { return made(series.0, series.1, [(name, series.1[0].type)]) }
    case ("unnest", 1):
      if arguments[0].type == .unknown {
        throw .sql("42725", "function unnest(unknown) is not unique", position: position)
      }
      if let element = arguments[0].type.element { return made(.unnest, arguments, [(name, element)]) }
    case ("pg_partition_ancestors", 1):
      // No table is a partition, and so none has any. (psql asks for the constraints of all of them.)
      _ = try cast(0, .regclass)
      if let array = DataType.regclass.arrayType { return made(.unnest, [.constant(array, .null)], [("relid", .regclass)]) }
    case ("generate_subscripts", 2):
      if arguments[0].type.element != nil {
        return made(.generateSubscripts, [arguments[0], try cast(1, .integer)], [(name, .integer)])
      }
    case ("regexp_split_to_table", 2...3) where (0..<arguments.count).allSatisfy(isText):
      let flags = arguments.count == 3 ? try cast(2, .text) : .constant(.text, .text(""))
      return made(.regexpSplit, [try cast(0, .text), try cast(1, .text), flags], [(name, .text)])
    case ("regexp_matches", 2...3) where (0..<arguments.count).allSatisfy(isText):
      guard let array = DataType.text.arrayType else { break }
      let flags = arguments.count == 3 ? try cast(2, .text) : .constant(.text, .text(""))
      return made(.regexpMatches, [try cast(0, .text), try cast(1, .text), flags], [(name, array)])
    case ("string_to_table", 2) where isText(0) && isText(1):
      return made(.stringToTable, [try cast(0, .text), try cast(1, .text)], [(name, .text)])
    case ("jsonb_array_elements", 1) where isJSON(0), ("json_array_elements", 1) where isJSON(0):
      return made(.jsonbArrayElements, [try json()], [("value", .jsonb)])
    case ("jsonb_array_elements_text", 1) where isJSON(0), ("json_array_elements_text", 1) where isJSON(0):
      return made(.jsonbArrayElementsText, [try json()], [("value", .text)])
    case ("jsonb_each", 1) where isJSON(0), ("json_each", 1) where isJSON(0):
      return made(.jsonbEach, [try json()], [("key", .text), ("value", .jsonb)])
    case ("jsonb_each_text", 1) where isJSON(0), ("json_each_text", 1) where isJSON(0):
      return made(.jsonbEachText, [try json()], [("key", .text), ("value", .text)])
    case ("jsonb_object_keys", 1) where isJSON(0), ("json_object_keys", 1) where isJSON(0):
      return made(.jsonbObjectKeys, [try json()], [(name, .text)])
    default: break
    }
    throw noFunction(call, arguments, position)
  }
  private func series(_ arguments: [Expression], _ call: CallSyntax) throws(TallyError) -> (TableFunction, [Expression])? {
    func cast(_ at: Int, _ type: DataType) throws(TallyError) -> Expression {
      try coerce(arguments[at], to: type, at: call.arguments[at].position, .implicit)
    }
    let bounds = [arguments[0].type, arguments[1].type]
    if bounds.contains(where: \.isTime) {
      guard arguments.count == 3, let type = UnifiedType.of(bounds), type.isTime,
        arguments[2].type == .interval || arguments[2].type == .unknown
      else { return nil }
      let wide: DataType = type == .date ? .timestamptz : type
      var bound = [try cast(0, wide), try cast(1, wide), try cast(2, .interval)]
      if wide == .timestamptz, !zone.isUTC { bound.append(.zone(zone)) }
      return (.generateTimes, bound)
    }
    let types = arguments.map(\.type)
    guard types.contains(where: { $0 != .unknown }), let common = UnifiedType.of(types) else { return nil }
    let isNumeric = if case .numeric = common { true } else { false }
    guard common.isInteger || isNumeric else { return nil }
    let type: DataType = isNumeric ? .plainNumeric : common == .smallint ? .integer : common
    var bound: [Expression] = []
    for at in arguments.indices { bound.append(try cast(at, type)) }
    if bound.count == 2 {
      bound.append(.constant(type, isNumeric ? .numeric(Numeric(coefficient: 1, scale: 0)) : .fixed(1)))
    }
    return (isNumeric ? .generateNumerics : .generateIntegers, bound)
  }

  // MARK: Arrays and JSON from rows

  /// array_agg and its kin; nil for other names.
  func collectingAggregate(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ filter: Expression?,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    switch (call.name, arguments.count) {
    case ("array_agg", 1):
      let type = arguments[0].type.withoutModifiers
      guard let array = type.arrayType else {
        throw .sql(
          "0A000",
          "array_agg of type \(arguments[0].type.name) is not supported",
          position: position
        )
      }
      let value = try coerce(arguments[0], to: type, at: position)
      return register(AggregateCall(.arrayAgg, [value], filter: filter, type: array))
    case ("json_agg", 1): return try jsonAggregate(arguments[0], filter, position)
    case ("jsonb_agg", 1):
      return register(AggregateCall(.jsonbAgg, [try asJSON(arguments[0], position)], filter: filter, type: .jsonb))
    case ("jsonb_object_agg", 2), ("json_object_agg", 2):
      let key = try coerce(arguments[0], to: .text, at: call.arguments[0].position, .explicit)
      return register(AggregateCall(.jsonbObjectAgg, [key, try asJSON(arguments[1], position)], filter: filter, type: .jsonb))
    default: return nil
    }
  }
  /// json_agg: the values as to_json writes them, between brackets; a json, whose text is kept as it is made.
  private func jsonAggregate(_ value: Expression, _ filter: Expression?, _ position: Int) throws(TallyError) -> Expression {
    func text(_ text: String) -> Expression { .constant(.text, .text(text)) }
    var json = value
    if value.type != .json, value.type != .jsonb {
      guard let made = try namedFunction("to_json", [value], position) else {
        throw .sql("0A000", "JSON of type \(value.type.name) is not supported", position: position)
      }
      json = made
    }
    let shown = Expression(.text, .coalesce([try coerce(json, to: .text, at: position, .explicit), text("null")]))
    let separator = text(value.type.element == nil ? ", " : ", \n ")
    let items = register(AggregateCall(.stringAgg, [shown, separator], filter: filter, type: .text))
    let list = Expression(.text, .call(.concatenate, [Expression(.text, .call(.concatenate, [text("["), items])), text("]")]))
    return Expression(.json, .cast(list))
  }
  /// The value as to_jsonb makes it.
  private func asJSON(_ value: Expression, _ position: Int) throws(TallyError) -> Expression {
    if value.type == .jsonb { return value }
    guard let made = try namedFunction("to_jsonb", [value], position) else {
      throw .sql("0A000", "JSON of type \(value.type.name) is not supported", position: position)
    }
    return made
  }
  /// √x, as numeric or double precision.
  func squareRoot(_ value: Expression) -> Expression? {
    do throws(TallyError) { return try namedFunction("sqrt", [value], 1) } catch { return nil }
  }

  /// ARRAY(SELECT …) of a bound plan.
  func arrayOfRows(_ plan: PlanNode, _ position: Int) throws(TallyError) -> Expression {
    let type = plan.columns[0].type
    guard let array = type.arrayType, let element = array.element else {
      throw .sql("0A000", "an array of type \(type.name) is not supported", position: position)
    }
    // The subquery's order is the aggregate's: joins keep none.
    var source = plan
    var value = Expression.column(0, type)
    if case .project(let node) = plan, node.expressions.allSatisfy({ $0.columnIndex != nil }) {
      source = node.input
      value = node.expressions[0]
    }
    var inner = source
    if case .limit(let node) = inner { inner = node.input }
    var order: [AggregateCall.Order] = []
    if case .sort(let sort) = inner {
      let columns = sort.input.columns
      order = sort.keys.map { key in
        AggregateCall.Order(.column(key.column, columns[key.column].type), isAscending: key.isAscending, nullsFirst: key.nullsFirst)
      }
    } else {
      source = plan
      value = .column(0, type)
    }
    let summary = PlanNode.aggregate(
      AggregateNode(
        input: source,
        groups: [],
        calls: [AggregateCall(.arrayAgg, [value], order: order, type: array)],
        names: ["array"]
      )
    )
    subqueries.append(SubqueryUse(plan: summary, kind: .values))
    let column = Expression.column(Placeholder.subquery(subqueries.count - 1), array)
    return Expression(array, .coalesce([column, .constant(array, try ArrayValue(element, []).value())]))
  }
}
