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
  let tables = TableBinder(catalog: catalog, context: lasting)
  switch statement.statement {
  case .createTable(let syntax): return .createTable(try tables.createTable(syntax))
  case .dropTable(let syntax): return try tables.dropTable(syntax)
  case .createRollup(let syntax):
    // Buckets are cut in UTC, whatever the session's zone.
    lasting.zone = .utc
    return .createRollup(try RollupBinder(catalog: catalog, context: lasting).bind(syntax))
  case .dropRollup(let syntax): return try tables.dropRollup(syntax)
  case .insert(let syntax):
    let binder = InsertBinder(catalog: catalog, context: context)
    if let query = syntax.query { return .insertSelect(try binder.bind(syntax, query)) }
    return .insert(try binder.bind(syntax))
  case .delete(let syntax): return .delete(try DeleteBinder(catalog: catalog, context: context).bind(syntax))
  case .select(let select):
    if let call = try CatalogCall.find(select) { return .distributeTable(try tables.distribute(call)) }
    return .select(try planSelect(select, catalog: catalog, context: context))
  case .explain(let select, let analyze):
    return .explain(try planSelect(select, catalog: catalog, context: context), analyze: analyze)
  case .explainInsert(let syntax):
    guard let query = syntax.query else { throw .sql("0A000", "EXPLAIN of INSERT … VALUES is not supported") }
    return .explainInsert(try InsertBinder(catalog: catalog, context: context).bind(syntax, query))
  case .copy(let syntax): return try CopyBinder(catalog: catalog, context: context).bind(syntax)
  }
}

func planSelect(
  _ select: SelectSyntax,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  try distribute(try SelectBinder(catalog: catalog, context: context).query(select), catalog: catalog, context: context)
}

/// Spreads a bound query.
func distribute(
  _ bound: PlanNode,
  catalog: CatalogSnapshot,
  context: PlanningContext
) throws(TallyError) -> DistributedPlan {
  let rewritten = PlanRewriting.rewritten(bound, catalog: catalog, context: context)
  var plan = try Distribution.distributed(rewritten, output: bound.columns, catalog: catalog)
  plan.system = context.system
  plan.notices = RollupNotices.notices(rewritten, catalog: catalog, now: context.now)
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
    guard call.name == "create_distributed_table" else {
      throw .sql(
        "0A000",
        "\(call.name) is not supported",
        position: plain.items[0].expression.position
      )
    }
    return CatalogCall(call: call, position: plain.items[0].expression.position)
  }
}
