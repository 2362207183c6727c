// ExpressionBinder+Windows.swift — calls with OVER: their windows, frames and functions.
//
// A call becomes a placeholder; SelectBinder makes one window node for each distinct partitioning and order. Expressions of a window are
// over the SELECT's rows after grouping, so they may hold aggregates.
import Model
import SQL

/// A window as bound: what its calls share.
struct BoundWindow {
  struct Key {
    var expression: Expression
    var isAscending: Bool
    var nullsFirst: Bool
  }
  var partitions: [Expression]
  var keys: [Key]
  var frame: WindowFrame

  /// Equal for windows that one node can compute.
  var signature: [UInt8] {
    var bytes = ExpressionFormat.key(Expression(.boolean, .coalesce(partitions)))
    bytes += ExpressionFormat.key(Expression(.boolean, .coalesce(keys.map(\.expression))))
    for key in keys { bytes.append((key.isAscending ? 1 : 0) | (key.nullsFirst ? 2 : 0)) }
    return bytes
  }
}

/// A call with its window.
struct BoundWindowCall {
  var function: WindowFunction
  var arguments: [Expression]
  var filter: Expression?
  var type: DataType
  var window: BoundWindow
}

extension ExpressionBinder {
  static let windowFunctions: Set<String> = [
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value", "nth_value",
  ]

  /// Binds a call with OVER, and pure window functions without one, which is an error; nil when the call is neither.
  func windowCall(_ call: CallSyntax, _ position: Int) throws(TallyError) -> Expression? {
    guard let over = call.over else {
      if Self.windowFunctions.contains(call.name), !call.isWithinGroup {
        throw .sql("42809", "window function \(call.name) requires an OVER clause", position: position)
      }
      return nil
    }
    try checkPlace(position)
    let bound = try bound(over)
    isInsideWindow = true
    window = bound
    defer {
      isInsideWindow = false
      window = nil
    }
    if call.isDistinct { throw .sql("0A000", "DISTINCT is not implemented for window functions", position: position) }
    if call.isWithinGroup, Self.aggregateNames.contains(call.name) {
      throw .sql("0A000", "OVER is not supported for ordered-set aggregate \(call.name)", position: position)
    }
    if !call.orderBy.isEmpty {
      throw .sql("0A000", "aggregate ORDER BY is not implemented for window functions", position: position)
    }
    if let pure = try pureWindowFunction(call, bound, position) { return pure }
    guard let result = try aggregate(call, position, sized: nil) else {
      if Self.windowFunctions.contains(call.name) {
        var arguments: [Expression] = []
        for argument in call.arguments { arguments.append(try bind(argument)) }
        throw noFunction(call, arguments, position)
      }
      throw .sql(
        "42809",
        "OVER specified, but \(call.name) is not a window function nor an aggregate function",
        position: position
      )
    }
    return result
  }
  private func checkPlace(_ position: Int) throws(TallyError) {
    if isInsideAggregate, clause != .filter {
      throw .sql("42803", "aggregate function calls cannot contain window function calls", position: position)
    }
    switch clause {
    case .select, .orderBy, .distinctOn: break
    default: throw .sql("42P20", "window functions are not allowed in \(clause.rawValue)", position: position)
    }
    if isInsideWindow { throw .sql("42P20", "window function calls cannot be nested", position: position) }
  }

  /// Remembers a call; the same call twice is one.
  func register(_ call: BoundWindowCall) -> Expression {
    func key(_ call: BoundWindowCall) -> [UInt8] {
      call.window.signature + Array("\(call.function) \(call.window.frame)".utf8)
        + ExpressionFormat.key(Expression(call.type, .coalesce(call.arguments + (call.filter.map { [$0] } ?? []))))
        + [call.filter == nil ? 0 : 1]
    }
    let own = key(call)
    if let known = windows.firstIndex(where: { key($0) == own }) { return .column(Placeholder.windows + known, call.type) }
    windows.append(call)
    return .column(Placeholder.windows + windows.count - 1, call.type)
  }

  // MARK: Functions

  private func pureWindowFunction(
    _ call: CallSyntax,
    _ window: BoundWindow,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard Self.windowFunctions.contains(call.name) else { return nil }
    if call.filter != nil {
      throw .sql("0A000", "FILTER is not implemented for non-aggregate window functions", position: position)
    }
    var arguments: [Expression] = []
    for argument in call.arguments { arguments.append(try bind(argument)) }
    func made(_ function: WindowFunction, _ arguments: [Expression], _ type: DataType) -> Expression {
      register(BoundWindowCall(function: function, arguments: arguments, filter: nil, type: type, window: window))
    }
    func place(_ at: Int) -> Int { call.arguments[at].position }
    // Results have no limits, whatever the column has.
    func value(_ at: Int) throws(TallyError) -> Expression {
      let type = arguments[at].type == .unknown ? DataType.text : arguments[at].type.withoutModifiers
      return try coerce(arguments[at], to: type, at: place(at))
    }
    switch (call.name, arguments.count) {
    case ("row_number", 0): return made(.rowNumber, [], .bigint)
    case ("rank", 0): return made(.rank, [], .bigint)
    case ("dense_rank", 0): return made(.denseRank, [], .bigint)
    case ("percent_rank", 0): return made(.percentRank, [], .double)
    case ("cume_dist", 0): return made(.cumeDist, [], .double)
    case ("ntile", 1): return made(.ntile, [try coerce(arguments[0], to: .integer, at: place(0), .implicit)], .integer)
    case ("lag", 1...3), ("lead", 1...3):
      if arguments.count > 1, arguments[1].type != .unknown, Casts.context(from: arguments[1].type, to: .integer) != .implicit,
        arguments[1].type != .integer
      {
        throw noFunction(call, arguments, position)
      }
      var subject = try value(0)
      let offset =
        arguments.count > 1 ? try coerce(arguments[1], to: .integer, at: place(1), .implicit) : .constant(.integer, .fixed(1))
      var otherwise = Expression.constant(subject.type, .null)
      if arguments.count == 3 {
        guard let type = UnifiedType.of([subject.type, arguments[2].type]) else { throw noFunction(call, arguments, position) }
        subject = try coerce(subject, to: type, at: place(0), .implicit)
        otherwise = try coerce(arguments[2], to: type, at: place(2), .implicit)
      }
      return made(call.name == "lag" ? .lag : .lead, [subject, offset, otherwise], subject.type)
    case ("first_value", 1):
      let subject = try value(0)
      return made(.firstValue, [subject], subject.type)
    case ("last_value", 1):
      let subject = try value(0)
      return made(.lastValue, [subject], subject.type)
    case ("nth_value", 2):
      let subject = try value(0)
      return made(.nthValue, [subject, try coerce(arguments[1], to: .integer, at: place(1), .implicit)], subject.type)
    default: throw noFunction(call, arguments, position)
    }
  }

  // MARK: Windows

  private func noWindow(_ name: String, _ position: Int) -> TallyError {
    .sql("42704", "window \"\(name)\" does not exist", position: position)
  }
  private func bound(_ over: WindowSyntax) throws(TallyError) -> BoundWindow {
    let syntax = try resolved(over)
    let outer = clause
    clause = .windowDefinition
    defer { clause = outer }
    var partitions: [Expression] = []
    for item in syntax.partitionBy {
      let expression = try typed(item)
      guard ExpressionCheck.isComparable(ExpressionCheck.family(expression.type)) else {
        throw .sql(
          "42883",
          "could not identify an equality operator for type \(expression.type.name)",
          position: item.position
        )
      }
      partitions.append(expression)
    }
    var keys: [BoundWindow.Key] = []
    for item in syntax.orderBy {
      let expression = try typed(item.expression)
      try checkOrdering(expression.type, item.expression.position)
      keys.append(
        BoundWindow.Key(expression: expression, isAscending: item.isAscending, nullsFirst: item.nullsFirst ?? !item.isAscending)
      )
    }
    let frame = try self.frame(syntax, keys)
    return BoundWindow(partitions: partitions, keys: keys, frame: frame)
  }
  func checkOrdering(_ type: DataType, _ position: Int) throws(TallyError) {
    let family = ExpressionCheck.family(type)
    guard ExpressionCheck.isComparable(family), family != .hash else {
      throw .sql(
        "42883",
        "could not identify an ordering operator for type \(type.name)",
        hint: "Use an explicit ordering operator or modify the query.",
        position: position
      )
    }
  }
  /// The window with what it takes over from named ones.
  private func resolved(_ over: WindowSyntax) throws(TallyError) -> WindowSyntax {
    if let name = over.name {
      guard let named = namedWindows[name] else { throw noWindow(name, over.position) }
      return try extended(named)
    }
    return try extended(over)
  }
  private func extended(_ window: WindowSyntax, depth: Int = 0) throws(TallyError) -> WindowSyntax {
    guard let base = window.base else { return window }
    guard let named = namedWindows[base], depth < namedWindows.count + 1 else { throw noWindow(base, window.position) }
    let inner = try extended(named, depth: depth + 1)
    if !window.partitionBy.isEmpty {
      throw .sql("42P20", "cannot override PARTITION BY clause of window \"\(base)\"", position: window.position)
    }
    if !window.orderBy.isEmpty, !inner.orderBy.isEmpty {
      throw .sql("42P20", "cannot override ORDER BY clause of window \"\(base)\"", position: window.position)
    }
    if inner.frame != nil {
      let hint =
        window.orderBy.isEmpty && window.frame == nil ? "Omit the parentheses in this OVER clause." : nil
      throw .sql("42P20", "cannot copy window \"\(base)\" because it has a frame clause", hint: hint, position: window.position)
    }
    var result = window
    result.partitionBy = inner.partitionBy
    if window.orderBy.isEmpty { result.orderBy = inner.orderBy }
    return result
  }

  private func frame(_ syntax: WindowSyntax, _ keys: [BoundWindow.Key]) throws(TallyError) -> WindowFrame {
    guard let frame = syntax.frame else { return .standard }
    let unit: WindowFrame.Unit =
      switch frame.unit {
      case .rows: .rows
      case .range: .range
      case .groups: .groups
      }
    if unit == .groups, keys.isEmpty {
      throw .sql("42P20", "GROUPS mode requires an ORDER BY clause", position: syntax.position)
    }
    let exclusion: WindowFrame.Exclusion =
      switch frame.exclusion {
      case .none: .none
      case .currentRow: .currentRow
      case .group: .group
      case .ties: .ties
      }
    return WindowFrame(
      unit: unit,
      start: try bound(frame.start, frame.unit, keys, isStart: true, syntax.position),
      end: try bound(frame.end, frame.unit, keys, isStart: false, syntax.position),
      exclusion: exclusion
    )
  }
  private func bound(
    _ bound: FrameSyntax.Bound,
    _ unit: FrameSyntax.Unit,
    _ keys: [BoundWindow.Key],
    isStart: Bool,
    _ position: Int
  ) throws(TallyError) -> WindowFrame.Bound {
    switch bound {
    case .unboundedPreceding: return .unboundedPreceding
    case .currentRow: return .currentRow
    case .unboundedFollowing: return .unboundedFollowing
    case .preceding(let offset): return .preceding(try self.offset(offset, unit, keys, isStart: isStart, position))
    case .following(let offset): return .following(try self.offset(offset, unit, keys, isStart: isStart, position))
    }
  }
  private func offset(
    _ syntax: ExpressionSyntax,
    _ unit: FrameSyntax.Unit,
    _ keys: [BoundWindow.Key],
    isStart: Bool,
    _ position: Int
  ) throws(TallyError) -> TypedValue {
    let bound = try bind(syntax)
    if bound.untypedParameter == nil, !bound.columnsRead.isEmpty {
      throw .sql("42P10", "argument of \(unit.rawValue) must not contain variables", position: syntax.position)
    }
    let type: DataType
    if unit == .range {
      guard keys.count == 1 else {
        throw .sql(
          "42P20",
          "RANGE with offset PRECEDING/FOLLOWING requires exactly one ORDER BY column",
          position: position
        )
      }
      let key = keys[0].expression.type
      switch key {
      case .smallint, .integer: type = .integer
      case .bigint: type = .bigint
      case .double: type = .double
      case .numeric: type = .plainNumeric
      case .date, .timestamp, .timestamptz, .interval: type = .interval
      default:
        throw .sql(
          "0A000",
          "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(key.name)",
          position: syntax.position
        )
      }
      let isFitting = bound.type == .unknown || Casts.context(from: bound.type, to: type) == .implicit || bound.type == type
      guard isFitting || bound.type == .bigint && type == .integer else {
        throw .sql(
          "0A000",
          "RANGE with offset PRECEDING/FOLLOWING is not supported for column type \(key.name) and offset type \(bound.type.name)",
          hint: "Cast the offset value to an appropriate type.",
          position: syntax.position
        )
      }
    } else {
      type = .bigint
      if bound.type != .unknown, !bound.type.isNumber {
        throw .sql(
          "42804",
          "argument of \(unit.rawValue) must be type bigint, not type \(bound.type.name)",
          position: syntax.position
        )
      }
    }
    guard let value = try coerce(bound, to: type, at: syntax.position).constantValue else {
      throw .sql("0A000", "a frame offset that is no constant is not supported", position: syntax.position)
    }
    if unit == .range, keys[0].expression.type == .timestamptz, !zone.isUTC, case .interval(let span) = value,
      span.months != 0 || span.days != 0
    {
      throw .sql(
        "0A000",
        "RANGE with an offset of days or months under time zone \"\(zone.name)\" is not supported",
        hint: "Give the offset in hours, or SET TIME ZONE 'UTC'.",
        position: syntax.position
      )
    }
    let which = isStart ? "starting" : "ending"
    let isKnown = context.parameters?.hasValues ?? true
    if value.isNull {
      guard !isKnown else { throw .sql("22004", "frame \(which) offset must not be null", position: syntax.position) }
      return TypedValue(type, try zero(type))
    }
    if try isNegative(value, type) {
      throw .sql(
        "22013",
        unit == .range ? "invalid preceding or following size in window function" : "frame \(which) offset must not be negative",
        position: syntax.position
      )
    }
    return TypedValue(type, value)
  }
  private func zero(_ type: DataType) throws(TallyError) -> Value {
    type == .interval ? .interval(Interval(months: 0, days: 0, microseconds: 0)) : try ValueText.parse("0", as: type)
  }
  private func isNegative(_ value: Value, _ type: DataType) throws(TallyError) -> Bool {
    ScalarEvaluator.compare(value, try zero(type)) == -1
  }
}
