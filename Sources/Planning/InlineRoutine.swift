// InlineRoutine.swift — functions of users that are one expression over their arguments: calls of them become that expression.
//
// So they run wherever expressions do, on shards too, once a row. Arguments are bound and cast first, by PostgreSQL's rules for choosing
// among functions of one name; the body is bound with its arguments' names standing for them. What is more than an expression is no
// inline routine: the coordinator carries it out before the statement is planned (CoordinatorNode/Procedures).
import Bytes
public import Model
public import SQL

/// A function that is one expression.
public struct InlineRoutine: Sendable {
  /// An argument.
  public struct Argument: Sendable {
    /// Empty when it has none.
    public var name: String
    /// Its type.
    public var type: DataType
    /// Its default.
    public var initial: ExpressionSyntax?
    /// Makes an argument.
    public init(name: String, type: DataType, initial: ExpressionSyntax?) {
      self.name = name
      self.type = type
      self.initial = initial
    }
  }
  /// Its name.
  public var name: String
  /// What calls give.
  public var arguments: [Argument]
  /// Type of its value.
  public var result: DataType
  /// NULL for a NULL argument.
  public var isStrict: Bool
  /// The expression.
  public var body: ExpressionSyntax
  /// Makes a routine.
  public init(name: String, arguments: [Argument], result: DataType, isStrict: Bool, body: ExpressionSyntax) {
    self.name = name
    self.arguments = arguments
    self.result = result
    self.isStrict = isStrict
    self.body = body
  }
}

extension SelectSyntax {
  /// The expression that it is, if it is no more: SELECT expression, without subqueries, aggregates or windows.
  public var soleExpression: ExpressionSyntax? {
    guard case .plain(let plain) = body, with == nil, orderBy.isEmpty, limit == nil, offset == nil, plain.items.count == 1,
      plain.from == nil,
      plain.condition == nil, plain.groupBy.isEmpty, plain.groupingSets.isEmpty, plain.having == nil, !plain.isDistinct
    else { return nil }
    return plain.items[0].expression
  }
  /// The expression, if a routine's calls may become it.
  public var inlineExpression: ExpressionSyntax? {
    guard let sole = soleExpression else { return nil }
    let test = InlineTest()
    do throws(TallyError) { _ = try test.expression(sole, guards: []) } catch { return nil }
    return test.isPlain ? sole : nil
  }
}

extension ExpressionSyntax {
  /// Whether a query stands in it.
  public var hasQuery: Bool {
    let test = InlineTest()
    do throws(TallyError) { _ = try test.expression(self, guards: []) } catch { return true }
    return test.hasQuery
  }
}

/// Whether an expression has a value of its own in every row.
private final class InlineTest: SyntaxRewriter {
  var isPlain = true
  var hasQuery = false
  func expression(_ syntax: ExpressionSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> ExpressionSyntax {
    switch syntax.kind {
    case .star, .allFields, .row, .grouping: isPlain = false
    case .call(let call):
      let isSpecial =
        ExpressionBinder.aggregateNames.contains(call.name) || ExpressionBinder.windowFunctions.contains(call.name)
        || ExpressionBinder.isSetFunction(call.name) || ExpressionBinder.utilities.contains(call.name)
      if isSpecial || call.over != nil || call.isStar || call.name == "topn" || call.name == "topn_ex" { isPlain = false }
    default: break
    }
    return try syntax.mappingOperands(self, guards: guards)
  }
  func query(_ syntax: SelectSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> SelectSyntax {
    isPlain = false
    hasQuery = true
    return syntax
  }
  func source(_ syntax: SelectSyntax, isLateral: Bool) throws(TallyError) -> SelectSyntax { try query(syntax, guards: []) }
  func functions(_ syntax: TableFunctionsSyntax) throws(TallyError) -> FromSyntax {
    isPlain = false
    return .functions(syntax)
  }
}

extension ExpressionBinder {
  /// Deepest nest of routines in routines; a deeper one calls itself.
  private static let routinesDepth = 24

  /// A call of an inline routine as its expression; nil when there is none for such arguments.
  func inlineCall(_ call: CallSyntax, _ arguments: [Expression], _ position: Int) throws(TallyError) -> Expression? {
    guard let candidates = context.routines[call.name], call.schema == nil else { return nil }
    var named: [(name: String, value: Expression, position: Int)] = []
    for argument in call.namedArguments { named.append((argument.name.name, try bind(argument.value), argument.value.position)) }
    var best: (routine: InlineRoutine, places: [Int?], distance: Int)?
    for routine in candidates {
      guard let places = Self.places(routine, arguments.count, named.map(\.name)) else { continue }
      var distance = 0
      var fits = true
      for (at, place) in places.enumerated() {
        guard let place else { continue }
        let type = place < arguments.count ? arguments[place].type : named[place - arguments.count].value.type
        if let own = castDistance(from: type, to: routine.arguments[at].type) { distance += own } else { fits = false }
      }
      if fits, distance < best?.distance ?? Int.max { best = (routine, places, distance) }
    }
    guard let (routine, places, _) = best else { return nil }
    guard routineDepth < Self.routinesDepth else { throw .sql("54001", "stack depth limit exceeded", position: position) }
    var values: [Expression] = []
    for (at, place) in places.enumerated() {
      let type = routine.arguments[at].type
      switch place {
      case .some(let place) where place < arguments.count:
        values.append(try coerce(arguments[place], to: type, at: call.arguments[place].position, .implicit))
      case .some(let place):
        let own = named[place - arguments.count]
        values.append(try coerce(own.value, to: type, at: own.position, .implicit))
      case nil:
        guard let initial = routine.arguments[at].initial else { return nil }
        var own = context
        own.notes = nil
        let binder = ExpressionBinder(scope: .empty, context: own, statement: statement)
        values.append(try coerce(try binder.bind(initial), to: type, at: position, .assignment))
      }
    }
    return try body(of: routine, values, position)
  }
  private func body(of routine: InlineRoutine, _ values: [Expression], _ position: Int) throws(TallyError) -> Expression {
    var own = context
    own.variables = NamedValues()
    own.parameters = nil
    own.notes = nil
    let binder = ExpressionBinder(scope: .empty, context: own, statement: statement)
    binder.routineDepth = routineDepth + 1
    binder.conditionalDepth = conditionalDepth + (routine.isStrict ? 1 : 0)
    binder.caller = self
    let arguments = RoutineArguments(name: routine.name, names: routine.arguments.map(\.name), values: values)
    binder.routineArguments = arguments
    let result: Expression
    do throws(TallyError) {
      result = try binder.coerce(try binder.bind(routine.body), to: routine.result, at: routine.body.position, .assignment)
    } catch {
      var failure = error
      failure.position = position
      failure.context = failure.context ?? "SQL function \"\(routine.name)\" during inlining"
      throw failure
    }
    if binder.usesStatementTime { usesStatementTime = true }
    // Used more than once they are computed before.
    var settled = values
    for (at, value) in values.enumerated() {
      settled[at] = try repeated(value, times: arguments.uses[at] + (routine.isStrict ? 1 : 0), position)
    }
    if zip(settled, values).contains(where: { $0.columnIndex != $1.columnIndex }) { return try body(of: routine, settled, position) }
    guard routine.isStrict, !values.isEmpty else { return result }
    var tests: [Expression] = []
    for value in values { tests.append(try fold(Expression(.boolean, .isNull(value)), position)) }
    let isAnyNull = tests.count == 1 ? tests[0] : try fold(Expression(.boolean, .or(tests)), position)
    let branch = CaseBranch(condition: isAnyNull, result: .constant(routine.result, .null))
    return try fold(Expression(routine.result, .caseWhen([branch], otherwise: result)), position)
  }
  /// For each argument of a routine the place of what a call gives: positional ones first, then named ones; nil in it is the default.
  private static func places(_ routine: InlineRoutine, _ positional: Int, _ names: [String]) -> [Int?]? {
    guard positional <= routine.arguments.count else { return nil }
    var places = [Int?](repeating: nil, count: routine.arguments.count)
    for at in 0..<positional { places[at] = at }
    for (number, name) in names.enumerated() {
      guard let at = routine.arguments.firstIndex(where: { $0.name == name }), places[at] == nil else { return nil }
      places[at] = positional + number
    }
    for (at, place) in places.enumerated() where place == nil && routine.arguments[at].initial == nil { return nil }
    return places
  }
}

/// Names that stand for the arguments of the routine whose body is bound.
final class RoutineArguments {
  private let name: String
  private let names: [String]
  private let values: [Expression]
  /// How often each argument was named.
  private(set) var uses: [Int]

  init(name: String, names: [String], values: [Expression]) {
    self.name = name
    self.names = names
    self.values = values
    uses = [Int](repeating: 0, count: values.count)
  }
  func find(_ path: [String]) -> Expression? {
    guard path.count == 1 || path.count == 2 && path[0] == name, let last = path.last, !last.isEmpty else { return nil }
    return names.firstIndex(of: last).map(use)
  }
  func parameter(_ number: Int) -> Expression? { values.indices.contains(number - 1) ? use(number - 1) : nil }
  private func use(_ at: Int) -> Expression {
    uses[at] += 1
    return values[at]
  }
}
