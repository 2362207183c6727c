// GenericPlan.swift — a statement bound once for all values of its parameters and all times: what a prepared statement saves.
//
// Binding sees types and never values: parameters and now() stand in the bound plan as `Expression.Node.parameter`. Each time the statement
// runs its values take their places and constants are folded; only then are levels chosen and shards pruned, so those decisions are the
// ones that planning the text with the values would make. Where values decide whether a condition is TRUE, the plan is rewritten after that
// too, else once and for all. What cannot be bound without values (lists, patterns, LIMIT $1 inside), what asks the coordinator's own
// relations and functions, and statements that rarely come twice have no generic plan, nor has anything that fails on the way: it is
// planned with its values, whose errors are the client's.
//
// It holds for one catalog and one context; who keeps it keeps those with it (PlanCache).
internal import Columns
public import Model
public import SQL
internal import Synchronization

/// What a statement runs with.
public struct StatementValues: Sendable {
  /// Its time: what `now()` is.
  public var now: Int64
  /// Its parameters' values, of the types it was bound with.
  public var arguments: [Value]
  /// Makes values.
  public init(now: Int64, arguments: [Value]) {
    self.now = now
    self.arguments = arguments
  }
}

/// A bound statement without values.
public struct GenericPlan: Sendable {
  private enum Content: Sendable {
    /// `isShaped`: rewritten but for what values decide.
    case query(PlanNode, isShaped: Bool, output: [OutputColumn], OpenLimit?)
    /// One that needs no values: spread already.
    case fixed(DistributedPlan, rewritten: PlanNode)
    case insert(BoundInsert)
    case change(BoundChange)
  }
  private let content: Content

  /// Binds a statement whose parameters have these types; nil where that takes values, or what belongs to one session or statement.
  ///
  /// Of the context it takes what may be kept: zone, routines, level choice; the coordinator's relations are watched.
  public init?(_ statement: ParsedStatement, catalog: CatalogSnapshot, types: [DataType], context: PlanningContext) {
    var open = PlanningContext(now: nil, choosesLevels: context.choosesLevels, defaultShardCount: context.defaultShardCount)
    open.parameters = StatementParameters(open: types)
    open.routines = context.routines
    open.zone = context.zone
    let watched = context.system.map { WatchedSystem($0) }
    open.system = watched
    do throws(TallyError) {
      guard let content = try Self.bound(statement, catalog, open), !Self.isHosted(content), watched?.wasAsked != true else { return nil }
      self.content = content
    } catch {
      // The plan with values tells what is wrong, if anything is.
      return nil
    }
  }
  private static func bound(
    _ statement: ParsedStatement,
    _ catalog: CatalogSnapshot,
    _ context: PlanningContext
  ) throws(TallyError) -> Content? {
    switch statement.statement {
    case .select(var select):
      if select.locking != nil { return nil }
      if try CatalogCall.find(select) != nil { return nil }
      let limit = try OpenLimit(takenFrom: &select, context)
      let bound = try withNames(try SelectBinder(catalog: catalog, context: context).query(select), context)
      if bound.holdsOpenCondition { return .query(bound, isShaped: false, output: bound.describedColumns(catalog), limit) }
      let (shaped, output) = (PlanRewriting.shaped(bound, catalog: catalog), bound.describedColumns(catalog))
      if bound.holdsParameter || limit != nil { return .query(shaped, isShaped: true, output: output, limit) }
      let rewritten = PlanRewriting.leveled(shaped, catalog: catalog, context: context)
      return .fixed(try Distribution.distributed(rewritten, output: output, catalog: catalog), rewritten: rewritten)
    case .insert(let syntax):
      return try InsertBinder(catalog: catalog, context: context).values(syntax).map { .insert($0) }
    case .update(let syntax): return .change(try UpdateBinder(catalog: catalog, context: context).update(syntax).shaped(catalog))
    case .delete(let syntax): return try DeleteBinder(catalog: catalog, context: context).change(syntax).map { .change($0.shaped(catalog)) }
    default: return nil
    }
  }
  /// Whether a function or relation of the coordinator's, as one statement has it, is left in it.
  private static func isHosted(_ content: Content) -> Bool {
    switch content {
    case .query(let plan, _, _, _), .fixed(_, rewritten: let plan): plan.isHosted
    case .insert(let bound): bound.values.late.contains(where: \.expression.isHosted) || bound.returning?.plan.isHosted == true
    case .change(let bound): bound.plan.isHosted || bound.returning?.plan.isHosted == true
    }
  }
  /// Where a value decides what the plan is. Never told to a client: the statement is planned with its values then.
  static var needsValues: TallyError { TallyError(.internalError, "the plan depends on the values of parameters") }

  /// The plan for values, under the catalog and context that it was bound for.
  public func plan(_ values: StatementValues, catalog: CatalogSnapshot, context: PlanningContext) throws(TallyError) -> BoundStatement {
    switch content {
    case .query(let bound, let isShaped, let output, let limit):
      let given = try bound.given(values)
      var shaped = isShaped ? given : PlanRewriting.shaped(given, catalog: catalog)
      if let limit { shaped = try limit.applied(to: shaped, values) }
      return .select(try distributeShaped(shaped, output: output, catalog: catalog, context: context))
    case .fixed(var plan, let rewritten):
      plan.notices = RollupNotices.notices(rewritten, catalog: catalog, now: values.now)
      return .select(plan)
    case .insert(let bound): return try bound.given(values).statement(nil)
    case .change(var bound):
      bound.plan = try bound.plan.given(values)
      bound.returning = try bound.returning?.given(values)
      return .modify(try bound.distributed(catalog, context))
    }
  }
}

/// LIMIT and OFFSET of a whole query with parameters in them: they are put on when the values are there.
private struct OpenLimit: Sendable {
  private var count: Expression?
  private var offset: Expression?

  /// Takes both off a query; nil where they hold no parameter.
  init?(takenFrom select: inout SelectSyntax, _ context: PlanningContext) throws(TallyError) {
    func bound(_ syntax: ExpressionSyntax?) throws(TallyError) -> Expression? {
      guard let syntax else { return nil }
      let binder = ExpressionBinder(scope: .empty, context: context)
      binder.clause = .limit
      return try binder.coerce(try binder.bind(syntax), to: .bigint, at: syntax.position)
    }
    count = try bound(select.limit)
    offset = try bound(select.offset)
    guard count?.holdsParameter ?? false || offset?.holdsParameter ?? false else { return nil }
    (select.limit, select.offset) = (nil, nil)
  }

  /// The first rows of a plan.
  func applied(to plan: PlanNode, _ values: StatementValues) throws(TallyError) -> PlanNode {
    func number(_ open: Expression?) throws(TallyError) -> Int64? {
      guard let open else { return nil }
      switch try open.given(values).constantValue {
      case .null?: return nil
      case .fixed(let number)? where number >= 0: return number
      default: throw GenericPlan.needsValues
      }
    }
    let (count, offset) = (try number(count), try number(offset) ?? 0)
    if count == nil, offset == 0 { return plan }
    return Self.limited(plan, count, offset)
  }
  /// Below a projection of sorted rows, as the binder puts it.
  private static func limited(_ plan: PlanNode, _ count: Int64?, _ offset: Int64) -> PlanNode {
    switch plan {
    case .sort(var node):
      if let count, case (let first, false) = count.addingReportingOverflow(offset) { node.first = node.first ?? first }
      return .limit(LimitNode(input: .sort(node), count: count, offset: offset))
    case .project(var node):
      guard case .sort = node.input else { break }
      node.input = limited(node.input, count, offset)
      return .project(node)
    default: break
    }
    return .limit(LimitNode(input: plan, count: count, offset: offset))
  }
}

extension BoundChange {
  /// The change rewritten but for what values decide, if it can be.
  fileprivate func shaped(_ catalog: CatalogSnapshot) -> BoundChange {
    if plan.holdsOpenCondition { return self }
    var result = self
    (result.plan, result.isShaped) = (PlanRewriting.shaped(plan, catalog: catalog), true)
    return result
  }
}

extension BoundInsert {
  /// The INSERT with values in their places.
  fileprivate func given(_ values: StatementValues) throws(TallyError) -> BoundInsert {
    var result = self
    result.values.late = []
    for late in self.values.late {
      guard let value = try late.expression.given(values).constantValue else { throw GenericPlan.needsValues }
      result.values.rows[late.row][late.column] = value
    }
    if isPlain { for row in result.values.rows { try InsertedRow.check(row, table) } }
    if case .update(let key, let row, let condition) = conflict {
      result.conflict = .update(
        key: key,
        row: try row.map { (part) throws(TallyError) in try part.given(values) },
        condition: try condition?.given(values)
      )
    }
    result.returning = try returning?.given(values)
    return result
  }
}

extension ReturningPlan {
  fileprivate func given(_ values: StatementValues) throws(TallyError) -> ReturningPlan { ReturningPlan(plan: try plan.given(values)) }
}

extension PlanNode {
  /// Whether the coordinator's own functions or relations stand in it.
  var isHosted: Bool {
    if case .systemScan = self { return true }
    return ownExpressions.contains(where: \.isHosted) || inputs.contains(where: \.isHosted)
  }
  /// Whether a value is still to come.
  var holdsParameter: Bool { ownExpressions.contains(where: \.holdsParameter) || inputs.contains(where: \.holdsParameter) }
  /// Whether a value that is still to come makes a condition TRUE or FALSE for all rows.
  var holdsOpenCondition: Bool {
    ownExpressions.contains(where: \.holdsOpenCondition) || inputs.contains(where: \.holdsOpenCondition)
  }
  /// The plan with values in their places.
  func given(_ values: StatementValues) throws(TallyError) -> PlanNode {
    try mapOwnExpressions { (expression) throws(TallyError) in try expression.given(values) }
      .mapInputs { (input) throws(TallyError) in try input.given(values) }
  }
}

extension Expression {
  /// Whether a value is still to come.
  var holdsParameter: Bool {
    if case .parameter = node { return true }
    return operands.contains(where: \.holdsParameter)
  }
  fileprivate var holdsOpenCondition: Bool {
    if type == .boolean, holdsParameter, columnsRead.isEmpty { return true }
    return operands.contains(where: \.holdsOpenCondition)
  }
  /// Whether it is a constant, now or once the values are there.
  var isFixed: Bool {
    switch node {
    case .constant, .parameter: true
    default: false
    }
  }
  /// The expression with values in their places, folded as the binder folds.
  ///
  /// `isConditional`: it may never be reached, so what fails is left to be evaluated.
  func given(_ values: StatementValues, isConditional: Bool = false) throws(TallyError) -> Expression {
    if case .parameter(let number) = node {
      if number == 0 { return .constant(type, .fixed(values.now)) }
      guard number <= values.arguments.count else { throw GenericPlan.needsValues }
      return .constant(type, values.arguments[number - 1])
    }
    guard holdsParameter else { return self }
    var isConditional = isConditional
    switch node {
    case .caseWhen, .coalesce: isConditional = true
    default: break
    }
    let inside = isConditional
    let given = try mapOperands { (operand) throws(TallyError) in try operand.given(values, isConditional: inside) }
    switch given.node {
    case .and(let parts): return try Self.junction(parts, isAnd: true, isConditional)
    case .or(let parts): return try Self.junction(parts, isAnd: false, isConditional)
    default: return try given.folded(isConditional)
    }
  }
  private func folded(_ isConditional: Bool) throws(TallyError) -> Expression {
    guard operands.allSatisfy({ $0.constantValue != nil }) else { return self }
    do throws(TallyError) {
      return try ScalarEvaluator.evaluate(self).map { .constant(type, $0) } ?? self
    } catch {
      if isConditional { return self }
      throw error
    }
  }
  /// AND without what is TRUE, OR without what is FALSE.
  private static func junction(_ parts: [Expression], isAnd: Bool, _ isConditional: Bool) throws(TallyError) -> Expression {
    let rest = parts.filter { part in
      if case .constant(.fixed(let flag)) = part.node { (flag != 0) != isAnd } else { true }
    }
    switch rest.count {
    case 0: return .boolean(isAnd)
    case 1: return rest[0]
    default: return try Expression(.boolean, isAnd ? .and(rest) : .or(rest)).folded(isConditional)
    }
  }
}

/// The coordinator's relations and functions, and whether any of them was found: what was made of them belongs to one statement.
private final class WatchedSystem: SystemCatalog {
  private let system: any SystemCatalog
  private let asked = Mutex(false)
  var wasAsked: Bool { asked.withLock { $0 } }
  init(_ system: any SystemCatalog) { self.system = system }
  private func note<R>(_ answer: R) -> R {
    asked.withLock { $0 = true }
    return answer
  }
  // A name that is nobody's here is so for every statement under the same catalog and search path.
  func relation(schema: String?, name: String) -> SystemRelation? { system.relation(schema: schema, name: name).map(note) }
  func tableFunction(schema: String?, name: String) -> SystemRelation? { system.tableFunction(schema: schema, name: name).map(note) }
  func functions(schema: String?, name: String) -> [HostedFunction] {
    let found = system.functions(schema: schema, name: name)
    return found.isEmpty ? found : note(found)
  }
  func rows(of relation: String, columns: [Int]) throws(TallyError) -> Batch { note(try system.rows(of: relation, columns: columns)) }
  func lookUp(_ name: String, as type: DataType) throws(TallyError) -> Int64 { note(try system.lookUp(name, as: type)) }
  func text(of object: Int64, as type: DataType) -> String { note(system.text(of: object, as: type)) }
  func sequence(of object: Int64) -> TableID? { note(system.sequence(of: object)) }
}
