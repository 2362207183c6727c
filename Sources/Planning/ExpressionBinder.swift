// ExpressionBinder.swift — expressions as written to typed expressions: names, literals, conditions, casts.
//
// One binder serves one SELECT (or INSERT). Aggregates, window calls, subqueries, functions that give rows and topn() calls met on the
// way are collected; in the expression stands a placeholder column (`Placeholder`) that SelectBinder replaces once it knows where the
// value will be. A name that the SELECT does not have is looked for in the queries around it. Constants are folded.
import Bytes
import Model
import SQL

final class ExpressionBinder {
  /// Which clause is being bound; what an aggregate there means.
  enum Clause: String {
    case select = "SELECT"
    case `where` = "WHERE"
    case groupBy = "GROUP BY"
    case having = "HAVING"
    case orderBy = "ORDER BY"
    case filter = "FILTER"
    case limit = "LIMIT"
    case values = "VALUES"
    case `default` = "DEFAULT expressions"
    case joinOn = "JOIN conditions"
    case tableFunction = "functions in FROM"
    /// Of a binder that only lends its columns to LATERAL items.
    case lateral = "FROM clause of their own query level"
    case distinctOn = "DISTINCT ON"
    case windowDefinition = "window definitions"
    case execute = "EXECUTE parameters"
    case check = "check constraints"
    /// SET of UPDATE and of ON CONFLICT.
    case update = "UPDATE"
    case returning = "RETURNING"
  }
  struct Expansion {
    var state: Expression
    var count: Int64
    /// Of topn(): item, frequency; of topn_ex(): five.
    var isExtended: Bool
    var key: [UInt8]
  }

  let context: PlanningContext
  let scope: Scope
  var clause = Clause.select
  /// Around this one: where names are looked for next.
  let outer: ExpressionBinder?
  /// What binds subqueries; nil where there can be none.
  let queries: SelectBinder?
  let statement: StatementBinding
  /// Of this binder, within the statement.
  let number: Int
  /// FROM items beside the one being bound: only for messages.
  var hiddenScopes: [Scope] = []
  var aggregates: [AggregateCall] = []
  var aggregateKeys: [[UInt8]] = []
  var distincts: [Expression] = []
  var expansions: [Expansion] = []
  /// Where each column was first named.
  var positions: [Int: Int] = [:]
  var isInsideAggregate = false
  var subqueries: [SubqueryUse] = []
  var sets: [SetCall] = []
  var windows: [BoundWindowCall] = []
  /// The window whose call is being bound.
  var window: BoundWindow?
  var namedWindows: [String: WindowSyntax] = [:]
  var isInsideWindow = false
  /// DISTINCT and ORDER BY of the aggregate call that is being bound.
  var isDistinctCall = false
  var callOrder: [AggregateCall.Order] = []
  /// Arguments of GROUPING calls.
  var groupings: [(arguments: [Expression], position: Int)] = []
  /// Whether now() or its kin was folded, or a function of the coordinator is called: the result depends on the statement.
  var usesStatementTime = false
  /// Of the routine whose body is bound.
  var routineArguments: RoutineArguments?
  /// Routines around this expression.
  var routineDepth = 0
  /// Whose expression the body of a routine becomes a part of.
  var caller: ExpressionBinder?
  /// Values that are computed once a row and used several times.
  var onces: [(expression: Expression, position: Int)] = []
  /// Inside CASE or COALESCE: an error of a constant part may never be reached.
  var conditionalDepth = 0

  init(
    scope: Scope,
    context: PlanningContext,
    statement: StatementBinding = StatementBinding(),
    outer: ExpressionBinder? = nil,
    queries: SelectBinder? = nil
  ) {
    self.scope = scope
    self.context = context
    self.statement = statement
    self.outer = outer
    self.queries = queries
    number = statement.nextBinder()
  }

  // MARK: Entry points

  /// Binds a condition of WHERE, HAVING or FILTER.
  func condition(_ syntax: ExpressionSyntax, _ clause: Clause) throws(TallyError) -> Expression {
    let outer = self.clause
    self.clause = clause
    defer { self.clause = outer }
    return try boolean(syntax, clause == .joinOn ? "JOIN/ON" : clause.rawValue)
  }
  func boolean(_ syntax: ExpressionSyntax, _ what: String) throws(TallyError) -> Expression {
    let bound = try bind(syntax)
    if bound.type == .boolean { return bound }
    guard bound.type == .unknown else {
      throw .sql(
        "42804",
        "argument of \(what) must be type boolean, not type \(bound.type.name)",
        position: syntax.position
      )
    }
    return try coerce(bound, to: .boolean, at: syntax.position)
  }
  /// Binds and gives untyped literals a type: text.
  func typed(_ syntax: ExpressionSyntax) throws(TallyError) -> Expression {
    let bound = try bind(syntax)
    return bound.type == .unknown ? try coerce(bound, to: .text, at: syntax.position) : bound
  }

  func bind(_ syntax: ExpressionSyntax) throws(TallyError) -> Expression {
    let position = syntax.position
    switch syntax.kind {
    case .column(let names): return try column(names, position)
    case .star: throw .sql("42601", "* is not allowed here", position: position)
    case .integer(let value): return .constant(.integer, .fixed(Int64(value)))
    case .decimal(let digits): return try decimal(digits, position)
    case .string(let text): return .constant(.unknown, .text(text))
    case .boolean(let value): return .boolean(value)
    case .null: return .constant(.unknown, .null)
    case .parameter(let number):
      if let argument = routineArguments?.parameter(number) { return argument }
      guard let parameters = context.parameters else { throw StatementParameters.missing(number, position) }
      return try parameters.use(number, position)
    case .prefix(let name, let operand): return try prefix(name, operand, position)
    case .infix(let name, let left, let right):
      if let rows = try rowComparison(name, left, right, position) { return rows }
      if let test = try rangeTest(name, left, right, position) { return test }
      let (a, b) = try sides(left, right)
      return try infix(name, a, b, position, left.position, right.position)
    case .and(let parts): return try junction(parts, isAnd: true)
    case .or(let parts): return try junction(parts, isAnd: false)
    case .not(let inner):
      return try fold(Expression(.boolean, .not(try boolean(inner, "NOT"))), position)
    case .isNull(let inner, let negated):
      let test = try fold(Expression(.boolean, .isNull(try typed(inner))), position)
      return negated ? try fold(Expression(.boolean, .not(test)), position) : test
    case .isBoolean(let inner, let wanted, let negated):
      return try booleanTest(inner, wanted, negated, position)
    case .between(let subject, let low, let high, let negated):
      let bound = try bind(subject)
      // As in PostgreSQL, one that gives another value each time gives two.
      if !bound.isVolatile { _ = try repeated(bound, times: 2, position) }
      let parts = [
        try infix(">=", bound, try bind(low, beside: bound.type), position, subject.position, low.position),
        try infix("<=", bound, try bind(high, beside: bound.type), position, subject.position, high.position),
      ]
      let both = try fold(Expression(.boolean, .and(parts)), position)
      return negated ? try fold(Expression(.boolean, .not(both)), position) : both
    case .inList(let subject, let items, let negated):
      let test: Expression
      if let rows = try rowInList(subject, items, position) { test = rows } else { test = try inList(subject, items, position) }
      return negated ? try fold(Expression(.boolean, .not(test)), position) : test
    case .like(let subject, let pattern, let negated):
      let test = try like(subject, pattern, position)
      return negated ? try fold(Expression(.boolean, .not(test)), position) : test
    case .caseWhen(let operand, let branches, let otherwise):
      return try caseWhen(operand, branches, otherwise, position)
    case .coalesce(let parts):
      conditionalDepth += 1
      defer { conditionalDepth -= 1 }
      let items = try unified(parts, "COALESCE")
      return try fold(Expression(items[0].type, .coalesce(items)), position)
    case .nullIf(let left, let right):
      let (a, b) = (try repeated(try bind(left), times: 2, left.position), try bind(right))
      let test = try infix("=", a, b, position, left.position, right.position)
      let result = a.type == .unknown ? try coerce(a, to: .text, at: left.position) : a
      let branch = CaseBranch(condition: test, result: .constant(result.type, .null))
      return try fold(Expression(result.type, .caseWhen([branch], otherwise: result)), position)
    case .isDistinct(let left, let right, let negated): return try isDistinct(left, right, negated, position)
    case .extreme(let parts, let isGreatest): return try extreme(parts, isGreatest, position)
    case .array(let items): return try array(items, nil, position)
    case .arrayComparison(let left, let name, let right, let isAll): return try arrayComparison(left, name, right, isAll, position)
    case .element(let array, let index): return try element(array, index, position)
    case .slice(let array, let lower, let upper): return try slice(array, lower, upper, position)
    case .cast(let inner, let type): return try cast(inner, try TypeBinding.cast(type), position, syntax: type)
    case .call(let call): return try self.call(call, position)
    case .currentTime(let kind): return try currentTime(kind)
    case .field(let inner, let name):
      if let field = try expandedField(inner, name, position) { return field }
      return try topnField(inner, name, position)
    case .allFields: throw .sql("0A000", "row expansion via \"*\" is not supported here", position: position)
    case .scalarSubquery(let select): return try scalarSubquery(select, position)
    case .exists(let select): return try existence(select, position)
    case .quantified(let left, let name, let select, let isAll): return try quantified(left, name, select, isAll: isAll, position)
    case .arraySubquery(let select): return try arraySubquery(select, position)
    case .row: throw .sql("0A000", "a row as a value is not supported", position: position)
    case .grouping(let arguments): return try grouping(arguments, position)
    }
  }

  // MARK: Leaves

  private func column(_ names: [String], _ position: Int) throws(TallyError) -> Expression {
    let name = names[names.count - 1]
    let qualifier = names.count == 2 ? names[0] : nil
    if clause == .default {
      throw .sql("0A000", "cannot use column reference in DEFAULT expression", position: position)
    }
    if let argument = routineArguments?.find(names) { return argument }
    let variable = context.variables.isEmpty ? nil : try context.variables.find(names, position)
    if let variable, context.variables.conflict == .useVariable { return variable }
    var level: ExpressionBinder? = self
    while let binder = level {
      if let found = try binder.scope.find(qualifier, name, position) {
        if variable != nil, context.variables.conflict == .error {
          throw .sql(
            "42702",
            "column reference \"\(names.joined(separator: "."))\" is ambiguous",
            detail: "It could refer to either a PL/pgSQL variable or a table column.",
            position: position
          )
        }
        if let notes = context.notes, let index = found.columnIndex, let origin = binder.scope.origin(qualifier, name, index) {
          notes.add(.column(origin.relation, origin.column), at: position)
        }
        if binder === self {
          if !isInsideAggregate {
            for column in found.columnsRead where positions[column] == nil { positions[column] = position }
          }
          return found
        }
        return found.replacing { column in
          statement.reference(owner: binder.number, column, binder.scope.columns[column].type, position)
        }
      }
      level = binder.outer
    }
    if let variable { return variable }
    throw unknownColumn(qualifier, name, position)
  }
  /// All scopes from the innermost out.
  private var scopes: [Scope] {
    var result: [Scope] = []
    var level: ExpressionBinder? = self
    while let binder = level {
      result.append(binder.scope)
      level = binder.outer
    }
    return result
  }
  /// FROM items that can be seen but not named, from the innermost out.
  private var hidden: [Scope] {
    var result: [Scope] = []
    var level: ExpressionBinder? = self
    while let binder = level {
      result += binder.hiddenScopes
      level = binder.outer
    }
    return result
  }
  private func unknownColumn(_ qualifier: String?, _ name: String, _ position: Int) -> TallyError {
    if let qualifier { return missingRelation(qualifier, position) }
    if scopes.contains(where: { $0.relations.contains { $0.name == name } }) {
      return .sql("0A000", "a reference to the whole row of \"\(name)\" is not supported", hint: "Name its columns.", position: position)
    }
    for scope in hidden {
      for relation in scope.relations where relation.columns.contains(where: { $0.name == name }) {
        guard let shown = relation.name else { continue }
        return .sql(
          "42703",
          "column \"\(name)\" does not exist",
          hint: "There is a column named \"\(name)\" in table \"\(shown)\", but it cannot be referenced from this part of the query.",
          position: position
        )
      }
    }
    let hint = scopes.lazy.compactMap { $0.nearMiss(nil, name) }.first
    return .sql("42703", "column \"\(name)\" does not exist", hint: hint, position: position)
  }
  /// A qualifier that names nothing here.
  func missingRelation(_ name: String, _ position: Int) -> TallyError {
    if hidden.contains(where: { $0.isUnjoinable && $0.relations.contains { $0.name == name } }) {
      return .sql(
        "42P10",
        "invalid reference to FROM-clause entry for table \"\(name)\"",
        detail: "The combining JOIN type must be INNER or LEFT for a LATERAL reference.",
        position: position
      )
    }
    for relation in scopes.flatMap(\.relations) where relation.hidden == name {
      return .sql(
        "42P01",
        "invalid reference to FROM-clause entry for table \"\(name)\"",
        hint: relation.name.map { "Perhaps you meant to reference the table alias \"\($0)\"." },
        position: position
      )
    }
    let masked = scopes.flatMap(\.masked)
    if masked.contains(name) || hidden.contains(where: { $0.relations.contains { $0.name == name } }) {
      return .sql(
        "42P01",
        "invalid reference to FROM-clause entry for table \"\(name)\"",
        hint: "There is an entry for table \"\(name)\", but it cannot be referenced from this part of the query.",
        position: position
      )
    }
    return .sql("42P01", "missing FROM-clause entry for table \"\(name)\"", position: position)
  }
  private func currentTime(_ kind: ExpressionSyntax.CurrentTime) throws(TallyError) -> Expression {
    usesStatementTime = true
    guard let now = context.now else {
      switch kind {
      case .date: return .casting(statementTime, to: .date, zone: zone)
      case .timestamp: return statementTime
      case .localTimestamp: return .casting(statementTime, to: .timestamp, zone: zone)
      case .localTime: throw GenericPlan.needsValues
      }
    }
    let local = try zone.local(now)
    return switch kind {
    case .date: .constant(.date, .fixed(TimeArithmetic.date(ofTimestamp: local)))
    case .timestamp: statementTime
    case .localTimestamp: .constant(.timestamp, .fixed(local))
    case .localTime: .constant(.time, .fixed(Calendar.floorRemainder(local, Calendar.microsecondsPerDay)))
    }
  }
  /// The statement's time, a timestamptz.
  var statementTime: Expression { Expression(.timestamptz, context.now.map { .constant(.fixed($0)) } ?? .parameter(0)) }

  // MARK: Conditions

  private func junction(_ parts: [ExpressionSyntax], isAnd: Bool) throws(TallyError) -> Expression {
    var bound: [Expression] = []
    for part in parts {
      let item = try boolean(part, isAnd ? "AND" : "OR")
      if case .constant(.fixed(let flag)) = item.node, (flag != 0) == isAnd { continue }
      bound.append(item)
    }
    if bound.isEmpty { return .boolean(isAnd) }
    if bound.count == 1 { return bound[0] }
    return try fold(Expression(.boolean, isAnd ? .and(bound) : .or(bound)), parts[0].position)
  }
  private func booleanTest(
    _ inner: ExpressionSyntax,
    _ wanted: Bool?,
    _ negated: Bool,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let bound = try boolean(inner, "IS")
    var test = Expression(.boolean, .isNull(bound))
    if let wanted {
      let holds = wanted ? bound : Expression(.boolean, .not(bound))
      test = Expression(.boolean, .coalesce([holds, .boolean(false)]))
    }
    test = try fold(test, position)
    return negated ? try fold(Expression(.boolean, .not(test)), position) : test
  }
  private func inList(
    _ subject: ExpressionSyntax,
    _ items: [ExpressionSyntax],
    _ position: Int
  ) throws(TallyError) -> Expression {
    let bound = try bind(subject)
    var candidates: [Expression] = []
    for item in items { candidates.append(try bind(item, beside: bound.type)) }
    // A list of constants is more than its comparisons: zone maps know it.
    if candidates.count > 1, candidates.contains(where: \.holdsParameter) { throw GenericPlan.needsValues }
    // One type for all, as PostgreSQL; where none fits or an item is no constant it is an OR of equalities.
    if let type = UnifiedType.of([bound.type] + candidates.map(\.type)), candidates.allSatisfy({ $0.constantValue != nil }),
      ExpressionCheck.isComparable(ExpressionCheck.family(type))
    {
      let operand = try coerce(bound, to: type, at: subject.position, .implicit)
      var values: [Value] = []
      var hasNull = false
      for (candidate, item) in zip(candidates, items) {
        let value = try self.operand(candidate, of: type, at: item.position)
        guard let constant = value.constantValue else { continue }
        if constant.isNull { hasNull = true } else { values.append(constant) }
      }
      return try fold(Expression(.boolean, .inList(operand, values, hasNull: hasNull)), position)
    }
    var tests: [Expression] = []
    let operand = try repeated(bound, times: items.count, subject.position)
    for (candidate, item) in zip(candidates, items) {
      tests.append(try infix("=", operand, candidate, position, subject.position, item.position))
    }
    return tests.count == 1 ? tests[0] : try fold(Expression(.boolean, .or(tests)), position)
  }
  private func caseWhen(
    _ operand: ExpressionSyntax?,
    _ branches: [(condition: ExpressionSyntax, result: ExpressionSyntax)],
    _ otherwise: ExpressionSyntax?,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let subject: Expression?
    if let operand { subject = try repeated(try bind(operand), times: branches.count, operand.position) } else { subject = nil }
    conditionalDepth += 1
    defer { conditionalDepth -= 1 }
    var conditions: [Expression] = []
    for branch in branches {
      if let subject, let operand {
        conditions.append(
          try infix(
            "=",
            subject,
            try bind(branch.condition),
            branch.condition.position,
            operand.position,
            branch.condition.position
          )
        )
      } else {
        conditions.append(try boolean(branch.condition, "CASE/WHEN"))
      }
    }
    // ELSE comes first when PostgreSQL looks for the common type.
    var results = try unified((otherwise.map { [$0] } ?? []) + branches.map(\.result), "CASE")
    let last = otherwise == nil ? nil : results.removeFirst()
    var bound: [CaseBranch] = []
    for (condition, result) in zip(conditions, results) { bound.append(CaseBranch(condition: condition, result: result)) }
    return try fold(Expression(results[0].type, .caseWhen(bound, otherwise: last)), position)
  }
  /// Binds expressions that must have one type.
  private func unified(_ parts: [ExpressionSyntax], _ what: String) throws(TallyError) -> [Expression] {
    var bound: [Expression] = []
    for part in parts { bound.append(try bind(part)) }
    guard var type = UnifiedType.of(bound.map(\.type)) else {
      let (a, b) = UnifiedType.clash(bound.map(\.type))
      throw .sql(
        "42804",
        "\(what) types \(bound[a].type.name) and \(bound[b].type.name) cannot be matched",
        position: parts[b].position
      )
    }
    if bound.contains(where: { $0.type == .unknown }) { type = type.withoutModifiers }
    var result: [Expression] = []
    for (item, part) in zip(bound, parts) { result.append(try coerce(item, to: type, at: part.position, .implicit)) }
    return result
  }

  // MARK: Casts and folding

  private func cast(
    _ inner: ExpressionSyntax,
    _ type: DataType,
    _ position: Int,
    syntax: TypeSyntax
  ) throws(TallyError) -> Expression {
    // A sketch aggregate takes its size from a cast right around it: topn_add_agg(x)::topn(300).
    if case .call(let call) = inner.kind, case .topn = type, call.name == "topn_add_agg" {
      if let sized = try aggregate(call, inner.position, sized: type) { return sized }
    }
    // ARRAY[…]::type[] takes its elements' type from the cast.
    if case .array(let items) = inner.kind, let element = type.element { return try array(items, element, inner.position) }
    if type == .interval, !syntax.modifiers.isEmpty { return try intervalOfFields(inner, syntax, position) }
    let bound = try bind(inner, towards: type)
    if case .hll = type, case .constant(.text(_)) = bound.node { return try hllLiteral(bound, syntax, inner.position) }
    if case .hll = bound.type, case .hll = type, syntax.modifiers.isEmpty { return bound }
    if case .topn = bound.type, case .topn = type, syntax.modifiers.isEmpty { return bound }
    guard bound.type == .unknown, bound.untypedParameter == nil else { return try coerce(bound, to: type, at: position, .explicit) }
    // A literal fails where it stands; to varchar(n) it is cut without complaint.
    switch type {
    case .varchar, .bpchar, .name, .char:
      return try coerce(try coerce(bound, to: .text, at: inner.position), to: type, at: inner.position, .explicit)
    default: return try coerce(bound, to: type, at: inner.position, .explicit)
    }
  }
}
