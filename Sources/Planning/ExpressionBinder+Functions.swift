// ExpressionBinder+Functions.swift — calls of scalar functions, resolved by name and argument types.
import Bytes
import Model
import SQL

extension ExpressionBinder {
  func call(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression {
    if let result = try windowCall(call, position) { return result }
    if let result = try aggregate(call, position, sized: nil) { return result }
    if let rows = try setFunction(call, position) { return rows }
    if Self.utilities.contains(call.name) {
      throw .sql(
        "0A000",
        "\(call.name) inside a query is not supported",
        hint: "Call it alone: SELECT \(call.name)(…).",
        position: position
      )
    }
    if call.isStar { throw noFunction(call, [], position) }
    guard !call.isDistinct, call.filter == nil else {
      let what = call.isDistinct ? "DISTINCT" : "FILTER"
      throw .sql(
        "42809",
        "\(what) specified, but \(call.name) is not an aggregate function",
        position: position
      )
    }
    if call.name == "make_interval" { return try makeInterval(call, position) }
    if !call.namedArguments.isEmpty, context.routines[call.name] != nil {
      var arguments: [Expression] = []
      for argument in call.arguments { arguments.append(try bind(argument)) }
      if let result = try inlineCall(call, arguments, position) { return result }
      throw noFunction(call, arguments, position)
    }
    guard call.namedArguments.isEmpty else {
      throw .sql("0A000", "named arguments of \(call.name) are not supported", position: call.namedArguments[0].name.position)
    }
    switch call.name {
    case "topn", "topn_ex":
      throw .sql(
        "0A000",
        "a row of \(call.name) as one value is not supported",
        hint: "Write (\(call.name)(state, 10)).* or (\(call.name)(state, 10)).item.",
        position: position
      )
    case "extract", "date_part": return try extract(call, position)
    case "date_trunc": return try dateTrunc(call, position)
    case "time_bucket": return try timeBucket(call, position)
    default: break
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    if let result = try scalar(call, arguments, position) { return try fold(result, position) }
    if let result = try hostedCall(call, arguments, position) { return try fold(result, position) }
    if let result = try inlineCall(call, arguments, position) { return result }
    throw noFunction(call, arguments, position)
  }
  /// A function over arguments that are bound already; nil where there is none for them.
  func namedFunction(_ name: String, _ arguments: [Expression], _ position: Int) throws(TallyError) -> Expression? {
    let places = arguments.map { _ in ExpressionSyntax(kind: .null, position: position) }
    return try scalar(CallSyntax(name: name, arguments: places), arguments, position)
  }
  static let utilities: Set<String> = [
    "create_distributed_table", "create_reference_table", "undistribute_table", "citus_add_local_table_to_metadata",
    "truncate_local_data_after_distributing_table",
  ]

  func noFunction(_ call: CallSyntax, _ arguments: [Expression], _ position: Int) -> TallyError {
    let isOther = Self.aggregateNames.contains(call.name) || Self.windowFunctions.contains(call.name) || Self.isSetFunction(call.name)
    let known = Self.postgresFunctions.contains(call.name) && !isOther
    if known { return .sql("0A000", "function \(call.name) is not supported", position: position) }
    if let hint = Self.citusFunctions[call.name] {
      return .sql("0A000", "function \(call.name) is not supported", hint: hint, position: position)
    }
    let shown = arguments.map(\.type.name).joined(separator: ", ")
    return .sql(
      "42883",
      "function \(call.name)(\(shown)) does not exist",
      hint: "No function matches the given name and argument types. You might need to add explicit type casts.",
      position: position
    )
  }
  /// Functions of Citus that exist there and not here, and what does the same.
  private static let citusFunctions: [String: String] = {
    let nodes = "Workers register by themselves: start one with the coordinators' addresses (tally node list shows them)."
    let shards = "Shards' tables have no names of their own: a statement on the table runs on all of its shards."
    let copies = "Copies are made and replaced by themselves as workers come and go; citus_shards and tally_shards show where they are."
    return [
      "citus_add_node": nodes, "citus_add_inactive_node": nodes, "citus_activate_node": nodes, "citus_set_coordinator_host": nodes,
      "master_add_node": nodes, "citus_update_node": nodes, "citus_disable_node": "Stop the worker: other copies lead within a second.",
      "citus_remove_node": "Stop the worker: its copies are made on others after --dead-after.",
      "master_remove_node": "Stop the worker: its copies are made on others after --dead-after.",
      "run_command_on_workers": "Workers run no SQL: a statement runs on all of them from here.",
      "run_command_on_all_nodes": "Workers run no SQL: a statement runs on all of them from here.",
      "run_command_on_coordinator": "Run the statement itself.", "run_command_on_shards": shards, "run_command_on_placements": shards,
      "run_command_on_colocated_placements": shards, "citus_rebalance_start": copies, "citus_rebalance_wait": copies,
      "citus_rebalance_stop": copies, "citus_rebalance_status": copies, "rebalance_table_shards": copies,
      "get_rebalance_table_shards_plan": copies, "get_rebalance_progress": copies, "citus_move_shard_placement": copies,
      "citus_copy_shard_placement": copies, "citus_drain_node": copies, "replicate_table_shards": copies,
      "alter_distributed_table": "SELECT undistribute_table(…), then create_distributed_table with other arguments; both move the rows.",
      "alter_table_set_access_method": "All tables are stored by columns.",
      "create_distributed_table_concurrently": "create_distributed_table lets readers go on, and writers wait for its end.",
      "isolate_tenant_to_new_shard": "Shards are not split.", "citus_split_shard_by_split_points": "Shards are not split.",
    ]
  }()
  /// Functions of PostgreSQL and its extensions that exist there and not here.
  private static let postgresFunctions: Set<String> = [
    "array_agg", "string_agg", "json_agg", "jsonb_agg", "stddev", "stddev_samp", "stddev_pop", "variance", "var_samp", "var_pop",
    "percentile_cont", "percentile_disc", "mode", "corr", "bit_and", "bit_or", "regr_slope", "json_object_agg", "jsonb_object_agg",
    "random", "setseed", "gen_random_uuid", "clock_timestamp", "timeofday", "row_to_json", "to_tsvector", "to_tsquery", "regexp_matches",
    "generate_series", "unnest", "row_number", "rank", "dense_rank", "lag", "lead", "first_value", "last_value", "ntile", "hll_fold",
    "hll_is_exact", "hll_cardinality2", "pg_typeof", "jsonb_path_query", "jsonb_path_exists", "jsonb_populate_record", "normalize",
    "sind", "cosd", "tand", "asinh", "acosh", "atanh", "sha256", "sha512", "crc32", "xmlparse", "nextval", "currval", "setval",
  ]

  private func scalar(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ position: Int
  ) throws(TallyError) -> Expression? {
    let types = arguments.map(\.type)
    func place(_ at: Int) -> Int { call.arguments[at].position }
    func argument(_ at: Int, _ type: DataType) throws(TallyError) -> Expression {
      try coerce(arguments[at], to: type, at: place(at), .implicit)
    }
    switch (call.name, arguments.count) {
    case ("now", 0), ("transaction_timestamp", 0), ("statement_timestamp", 0):
      usesStatementTime = true
      return statementTime
    case ("pi", 0): return .constant(.double, .double(.pi))
    case ("age", 1):
      // From the midnight that the statement runs on.
      usesStatementTime = true
      let isZoned = types[0] == .timestamptz || types[0] == .unknown
      guard let now = context.now else { throw GenericPlan.needsValues }
      let today = TimeArithmetic.date(ofTimestamp: try zone.local(now)) * Calendar.microsecondsPerDay
      let midnight =
        isZoned ? Expression.constant(.timestamptz, .fixed(try zone.instant(ofLocal: today))) : .constant(.timestamp, .fixed(today))
      return try resolved("age", [midnight, arguments[0]], [position, place(0)], position)
    case ("date_bin", 3), ("timezone", 2):
      // A date is a timestamptz to them, and so is a literal.
      var own = arguments
      for at in own.indices.dropFirst() where own[at].type == .date { own[at] = try argument(at, .timestamptz) }
      return try resolved(call.name, own, own.indices.map(place), position)
    default:
      if let sketch = try sketchFunction(call, arguments, position) { return sketch }
      if let result = try resolved(call.name, arguments, arguments.indices.map(place), position) { return result }
      return try castByName(call, arguments, position)
    }
  }

  // MARK: Sketches

  private func sketchFunction(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ position: Int
  ) throws(TallyError) -> Expression? {
    let types = arguments.map(\.type)
    func isHLL(_ at: Int) -> Bool { if case .hll = types[at] { true } else { false } }
    func place(_ at: Int) -> Int { call.arguments[at].position }
    if call.name.hasPrefix("hll_hash_") { return try hllHash(call, arguments, position) }
    switch (call.name, arguments.count) {
    case ("hll_empty", 0...4):
      var modifiers: [Int] = []
      for (argument, syntax) in zip(arguments, call.arguments) {
        modifiers.append(try constantInteger(argument, syntax.position, "parameters of hll_empty"))
      }
      let parameters = try TypeBinding.hll(modifiers, position: position)
      return .constant(.hll(parameters), .hll(Self.emptyHLL(parameters)))
    case ("hll_cardinality", 1) where types[0] == .unknown: return .constant(.double, .null)
    case ("hll_cardinality", 1) where isHLL(0): return Expression(.double, .call(.hllCardinality, arguments))
    case ("hll_union", 2) where isHLL(0) && isHLL(1): return try hllUnion(arguments[0], arguments[1], position)
    case ("hll_add", 2) where isHLL(0) && types[1] == .hllHashval:
      return Expression(types[0], .call(.hllAdd, arguments))
    case ("hll_add_rev", 2) where isHLL(1) && types[0] == .hllHashval:
      return Expression(types[1], .call(.hllAdd, [arguments[1], arguments[0]]))
    case ("hll_eq", 2) where isHLL(0) && isHLL(1): return Expression(.boolean, .call(.hllEqual, arguments))
    case ("hll_ne", 2) where isHLL(0) && isHLL(1):
      return Expression(.boolean, .not(Expression(.boolean, .call(.hllEqual, arguments))))
    case ("hll_log2m", 1), ("hll_regwidth", 1), ("hll_sparseon", 1):
      guard case .hll(let parameters) = types[0] else { return nil }
      let value =
        call.name == "hll_log2m"
        ? Int64(parameters.log2m)
        : call.name == "hll_regwidth" ? Int64(parameters.regwidth) : parameters.sparseon ? 1 : 0
      return constant(value, unlessNull: arguments[0])
    case ("hll_schema_version", 1):
      guard case .hll = types[0] else { return nil }
      return constant(1, unlessNull: arguments[0])
    case ("hll_type", 1):
      guard case .hll = types[0] else { return nil }
      return Expression(.integer, .call(.hllForm, arguments))
    case ("hll_print", 1):
      guard case .hll = types[0] else { return nil }
      return Expression(.text, .call(.hllPrint, arguments))
    case ("hll_expthresh", 1):
      guard case .hll(let parameters) = types[0] else { return nil }
      // postgresql-hll's record of two numbers, as its text.
      let text = Expression.constant(.text, .text("(\(parameters.expthresh),\(parameters.explicitLimit))"))
      return Expression(
        .text,
        .caseWhen(
          [CaseBranch(condition: Expression(.boolean, .isNull(arguments[0])), result: .constant(.text, .null))],
          otherwise: text
        )
      )
    case ("topn_union", 2):
      guard let left = try topnState(arguments[0], place(0)), let right = try topnState(arguments[1], place(1)) else { return nil }
      guard left.type == right.type else { throw .sql("22023", "topn parameters do not match", position: position) }
      return Expression(left.type, .call(.topnUnion, [left, right]))
    case ("topn_add", 2...3):
      guard let state = try topnState(arguments[0], place(0)) else { return nil }
      let item = try coerce(arguments[1], to: .text, at: call.arguments[1].position, .implicit)
      let weight =
        arguments.count == 3
        ? try coerce(arguments[2], to: .bigint, at: call.arguments[2].position, .implicit)
        : .constant(.bigint, .fixed(1))
      return Expression(state.type, .call(.topnAdd, [state, item, weight]))
    default: return nil
    }
  }
  /// A state of a topn, of the JSON object that postgresql-topn has for one, or of such a literal; nil for other types.
  func topnState(_ expression: Expression, _ position: Int) throws(TallyError) -> Expression? {
    if case .topn = expression.type { return expression }
    guard expression.type == .jsonb || expression.type == .unknown else { return nil }
    let type = DataType.topn(context.topn)
    let object = try coerce(expression, to: .jsonb, at: position)
    return object.constantValue?.isNull == true ? .constant(type, .null) : Expression(type, .cast(object))
  }
  private func constant(_ value: Int64, unlessNull argument: Expression) -> Expression {
    let isNull = Expression(.boolean, .isNull(argument))
    return Expression(
      .integer,
      .caseWhen(
        [CaseBranch(condition: isNull, result: .constant(.integer, .null))],
        otherwise: .constant(.integer, .fixed(value))
      )
    )
  }
  static func emptyHLL(_ parameters: HLLParameters) -> [UInt8] {
    let code: UInt8 =
      parameters.expthresh < 0 ? 63 : parameters.expthresh == 0 ? 0 : UInt8(parameters.expthresh.trailingZeroBitCount + 1)
    return [0x11, (parameters.regwidth - 1) << 5 | parameters.log2m, (parameters.sparseon ? 0x40 : 0) | code]
  }
  func constantInteger(_ expression: Expression, _ position: Int, _ what: String) throws(TallyError) -> Int {
    guard expression.type.isInteger, case .constant(.fixed(let value)) = expression.node else {
      throw .sql("0A000", "\(what) that are no integer constants are not supported", position: position)
    }
    return Int(value)
  }

  private func hllHash(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard (1...2).contains(arguments.count) else { return nil }
    var seed = 0
    if arguments.count == 2 { seed = try constantInteger(arguments[1], call.arguments[1].position, "hash seeds") }
    guard Int32(exactly: seed) != nil else { throw .sql("22003", "integer out of range", position: position) }
    let type = arguments[0].type
    let wanted: DataType
    switch call.name {
    case "hll_hash_boolean": wanted = .boolean
    case "hll_hash_smallint": wanted = .smallint
    case "hll_hash_integer": wanted = .integer
    case "hll_hash_bigint": wanted = .bigint
    case "hll_hash_text": wanted = .text
    case "hll_hash_bytea": wanted = .bytea
    case "hll_hash_any":
      guard type != .unknown else {
        throw .sql("42804", "could not determine polymorphic type because input has type unknown", position: position)
      }
      wanted = type.isText ? .text : type
    default: return nil
    }
    // Widening is implicit, narrowing is not: hll_hash_integer(bigint) does not exist.
    guard type == .unknown || type == wanted || Casts.context(from: type, to: wanted) == .implicit else { return nil }
    let subject = try coerce(arguments[0], to: wanted, at: call.arguments[0].position, .implicit)
    let hash = Expression(
      .hllHashval,
      .call(.hllHash, [subject, .constant(.integer, .fixed(Int64(seed)))])
    )
    guard ExpressionCheck.isWellTyped(hash, input: []) else {
      throw .sql("0A000", "hashing \(wanted.name) for an hll is not supported", position: position)
    }
    return hash
  }

  // MARK: Time

  private func constantText(_ syntax: ExpressionSyntax, _ what: String) throws(TallyError) -> String {
    let bound = try bind(syntax)
    guard case .constant(.text(let text)) = bound.node else {
      throw .sql("0A000", "\(what) that is no constant is not supported", position: syntax.position)
    }
    return text
  }
  private func extract(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression {
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    // date_part('hour', '…') takes the literal as an interval's or a time's; PostgreSQL prefers timestamptz nowhere here.
    if arguments.count == 2, arguments[1].type == .time { arguments[1] = try coerce(arguments[1], to: .interval, at: position, .implicit) }
    guard arguments.count == 2, arguments[1].type.isTime || arguments[1].type == .interval else {
      throw noFunction(call, arguments, position)
    }
    let name = try constantText(call.arguments[0], "a field of extract")
    let type = arguments[1].type
    if type == .timestamptz, let value = try zoneField(name.lowercased(), arguments[1], position) {
      return call.name == "extract" ? value : try coerce(value, to: .double, at: position)
    }
    if name.lowercased() == "julian", type != .interval {
      return try julian(try local(arguments[1], position), isPart: call.name != "extract", position)
    }
    // Units that only a timestamptz has.
    if ["timezone", "timezone_h", "timezone_hour", "timezone_m", "timezone_minute"].contains(name.lowercased()) {
      throw .sql("0A000", "unit \"\(name.lowercased())\" not supported for type \(type.name)", position: position)
    }
    guard let field = TimeField(name: name) else {
      throw .sql("22023", "unit \"\(name.lowercased())\" not recognized for type \(type.name)", position: position)
    }
    guard field.exists(for: type) else {
      throw .sql("0A000", "unit \"\(name.lowercased())\" not supported for type \(type.name)", position: position)
    }
    let unit = Expression.constant(.bigint, .fixed(Int64(field.rawValue)))
    // The epoch is the instant's; all else is what clocks show.
    let subject = field == .epoch ? arguments[1] : try local(arguments[1], position)
    let value = try fold(Expression(.plainNumeric, .call(.extract, [unit, subject])), position)
    return call.name == "extract" ? value : try coerce(value, to: .double, at: position)
  }
  /// Days since 4714 BC, with the time as a fraction.
  private func julian(_ time: Expression, isPart: Bool, _ position: Int) throws(TallyError) -> Expression {
    let epoch = Expression.constant(.bigint, .fixed(Int64(TimeField.epoch.rawValue)))
    let seconds = try fold(Expression(.plainNumeric, .call(.extract, [epoch, time])), position)
    func number(_ value: Int64) -> Expression { .constant(.plainNumeric, .numeric(Numeric(value))) }
    let days = try fold(Expression(.plainNumeric, .call(.divide, [seconds, number(86_400)])), position)
    var result = try fold(Expression(.plainNumeric, .call(.add, [days, number(2_440_588)])), position)
    if time.type == .date { result = Expression(.plainNumeric, .call(.round, [result])) }
    let folded = try fold(result, position)
    return isPart ? try coerce(folded, to: .double, at: position) : folded
  }
  private func dateTrunc(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression {
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    if arguments.count == 3 { return try dateTruncInZone(call, arguments, position) }
    guard arguments.count == 2 else { throw noFunction(call, arguments, position) }
    var time = arguments[1]
    if time.type == .date || time.type == .unknown {
      time = try coerce(time, to: .timestamptz, at: call.arguments[1].position)
    }
    guard time.type.isTime || time.type == .interval else { throw noFunction(call, arguments, position) }
    let name = try constantText(call.arguments[0], "a unit of date_trunc")
    let type = time.type
    let unit = try located(position) { () throws(TallyError) in try TimeUnit.parse(name, for: type) }
    let constant = Expression.constant(.bigint, .fixed(Int64(unit.rawValue)))
    // Seconds and what is finer are cut alike in every zone, minutes in those that are whole minutes from UTC for ever.
    let isAlike = unit.rawValue < TimeUnit.minute.rawValue || unit == .minute && zone.isWholeMinutes
    if type == .timestamptz, !zone.isUTC, !isAlike {
      return try fold(Expression(type, .call(.dateTruncInZone, [constant, time, .zone(zone)])), position)
    }
    return try fold(Expression(type, .call(.dateTrunc, [constant, time])), position)
  }
  /// date_trunc(unit, timestamptz, zone): truncated as that zone's clocks show it.
  private func dateTruncInZone(
    _ call: CallSyntax,
    _ arguments: [Expression],
    _ position: Int
  ) throws(TallyError) -> Expression {
    let time = try coerce(arguments[1], to: .timestamptz, at: call.arguments[1].position)
    let zone = try coerce(arguments[2], to: .text, at: call.arguments[2].position, .implicit)
    let name = try constantText(call.arguments[0], "a unit of date_trunc")
    let unit = try located(position) { () throws(TallyError) in try TimeUnit.parse(name, for: .timestamptz) }
    let constant = Expression.constant(.bigint, .fixed(Int64(unit.rawValue)))
    return try fold(Expression(.timestamptz, .call(.dateTruncInZone, [constant, time, zone])), position)
  }
  private func timeBucket(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression {
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    if arguments.count == 1, arguments[0].type.isTime {
      guard let width = scope.defaultBucket else {
        throw .sql(
          "42883",
          "function time_bucket(\(arguments[0].type.name)) does not exist",
          hint: "Outside a rollup time_bucket needs a width: time_bucket('5 minutes', …).",
          position: position
        )
      }
      arguments.insert(.constant(.interval, .interval(width)), at: 0)
    }
    guard arguments.count == 2, arguments[1].type.isTime else { throw noFunction(call, arguments, position) }
    let widthPosition = call.arguments[0].position
    let width = try coerce(arguments[0], to: .interval, at: widthPosition)
    guard case .constant(.interval(let span)) = width.node else {
      throw .sql("0A000", "a bucket width that is no constant is not supported", position: widthPosition)
    }
    guard let bucket = BucketWidths.width(of: span) else {
      throw .sql(
        "22023",
        "invalid bucket width \(IntervalText.text(span))",
        hint: "A width is whole months, or days and time, and greater than zero.",
        position: widthPosition
      )
    }
    if arguments[1].type == .date, case .microseconds(let micros) = bucket, micros % BucketWidths.day != 0 {
      throw .sql("22023", "buckets of dates must be whole days", position: widthPosition)
    }
    return try fold(Expression(arguments[1].type, .call(.timeBucket, [width, arguments[1]])), position)
  }
}
