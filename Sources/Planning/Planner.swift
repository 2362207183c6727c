// Planner.swift — the module's entry: a parsed statement, a catalog and a context make a bound statement.
public import Model
public import SQL

/// Plans one statement against one version of the catalog.
public func plan(
  _ statement: ParsedStatement,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> BoundStatement {
  // Definitions outlive the statement: they cannot have parameters.
  var lasting = context
  lasting.parameters = nil
  lasting.variables = NamedValues()
  let tables = TableBinder(catalog: catalog, context: lasting)
  switch statement.statement {
  case .createTable(let syntax): return .createTable(try tables.createTable(syntax))
  case .dropTable(let syntax): return try tables.dropTable(syntax)
  case .createRollup(let syntax):
    // Buckets are cut in UTC, whatever the session's zone.
    lasting.zone = .utc
    return .createRollup(try RollupBinder(catalog: catalog, context: lasting).bind(syntax))
  case .dropRollup(let syntax): return try tables.dropRollup(syntax)
  case .insert(let syntax): return try InsertBinder(catalog: catalog, context: context).bind(syntax)
  case .update(let syntax):
    return .modify(try UpdateBinder(catalog: catalog, context: context).update(syntax).distributed(catalog, context))
  case .delete(let syntax): return try DeleteBinder(catalog: catalog, context: context).bind(syntax)
  case .createSequence(let syntax):
    return .createSequence(try SequenceBinder(catalog: catalog, context: lasting).create(syntax))
  case .alterSequence(let syntax): return .alterSequence(try SequenceBinder(catalog: catalog, context: lasting).alter(syntax))
  case .dropSequence(let syntax): return try SequenceBinder(catalog: catalog, context: lasting).drop(syntax)
  case .select(let select):
    if let call = try CatalogCall.find(select) { return try tables.bind(call) }
    let bound = try SelectBinder(catalog: catalog, context: context).query(select)
    var query = try distributedQuery(bound, catalog: catalog, context: context)
    if let clause = select.locking { query.lock = try LockBinder(catalog: catalog).bind(clause, select, query) }
    return .select(query)
  case .explain(let select, let analyze):
    return .explain(try planSelect(select, catalog: catalog, context: context), analyze: analyze)
  case .explainChange(let change):
    let inner = ParsedStatement(statement: change, text: statement.text)
    return .explainChange(try plan(inner, catalog: catalog, context: context))
  case .lock(let syntax): return .lock(try LockBinder(catalog: catalog).bind(syntax))
  case .define(let syntax): return .define(try ObjectBinder(catalog: catalog, context: lasting).bind(syntax))
  case .copy(let syntax): return try CopyBinder(catalog: catalog, context: context).bind(syntax)
  case .createFunction, .dropFunction, .doBlock, .call:
    throw TallyError(.internalError, "procedures are not planned: the coordinator carries them out")
  }
}

/// Spreads a client's query.
func distributedQuery(
  _ bound: PlanNode,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  try distribute(try withNames(bound, context), catalog: catalog, context: context)
}

func planSelect(
  _ select: SelectSyntax,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  try distribute(try SelectBinder(catalog: catalog, context: context).query(select), catalog: catalog, context: context)
}

/// A client's query with names in place of the numbers of objects (`reg…` types): only here is known what they are called.
func withNames(_ bound: PlanNode, _ context: PlanningContext) throws(TallyError) -> PlanNode {
  func isNamed(_ type: DataType) -> Bool {
    switch type {
    case .regclass, .regtype, .regproc, .regnamespace, .regrole: true
    default: false
    }
  }
  let columns = bound.columns
  guard context.system != nil, columns.contains(where: { isNamed($0.type) }) else { return bound }
  let binder = ExpressionBinder(scope: .empty, context: context)
  var expressions: [Expression] = []
  for (at, column) in columns.enumerated() {
    let own = Expression.column(at, column.type)
    expressions.append(isNamed(column.type) ? try binder.coerce(own, to: .text, at: 1, .explicit) : own)
  }
  return .project(ProjectNode(input: bound, expressions: expressions, names: columns.map(\.name)))
}

/// Spreads a bound query.
func distribute(
  _ bound: PlanNode,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  let shaped = PlanRewriting.shaped(bound, catalog: catalog)
  return try distributeShaped(shaped, output: bound.describedColumns(catalog), catalog: catalog, context: context)
}
/// Spreads a query that is rewritten but for what constants decide; `output` names what the client sees.
func distributeShaped(
  _ shaped: PlanNode,
  output: [OutputColumn],
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  let rewritten = PlanRewriting.leveled(shaped, catalog: catalog, context: context)
  var plan = try Distribution.distributed(rewritten, output: output, catalog: catalog)
  plan.system = context.system
  guard let now = context.now else { throw GenericPlan.needsValues }
  plan.notices = RollupNotices.notices(rewritten, catalog: catalog, now: now)
  return plan
}

/// `SELECT function(…)` where the function changes the catalog.
struct CatalogCall {
  var call: CallSyntax
  var position: Int

  /// The utility call that a SELECT is; nil for a query. It must be the only item.
  static func find(_ select: SelectSyntax) throws(TallyError) -> CatalogCall? {
    guard case .plain(let plain) = select.body else { return nil }
    guard plain.items.count == 1, case .call(let call) = plain.items[0].expression.kind,
      ExpressionBinder.utilities.contains(call.name), plain.from == nil, plain.condition == nil
    else { return nil }
    return CatalogCall(call: call, position: plain.items[0].expression.position)
  }
}
