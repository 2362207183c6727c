// UpdateBinder.swift — UPDATE and DELETE as plans that name rows of the table by their place, and what becomes of them.
//
// The table's scan gives the place beside all columns; other relations are joined to it, and the shards run the whole: rows of other
// relations are sent along (Distribution.onShards). A row that matches several rows of them is changed once, by the first.
import Model
import SQL

struct UpdateBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext
  private var common: ModifyBinder { ModifyBinder(catalog: catalog, context: context) }

  init(catalog: CatalogSnapshot, context: PlanningContext) {
    self.catalog = catalog
    self.context = context
  }

  func update(_ syntax: UpdateSyntax) throws(TallyError) -> ModifyPlan {
    let table = try common.table(syntax.table, "update")
    try common.refuseRollups(table, "UPDATE", syntax.table.position)
    var target = try Target(table, syntax.table, alias: syntax.alias, from: syntax.from, with: syntax.with, self)
    // PostgreSQL's order, in which parameters get their types.
    let condition = try target.condition(syntax.condition)
    let returning = try common.returning(syntax.returning, table, alias: syntax.alias, syntax.table, others: target.others)
    let set = try common.assignments(syntax.assignments, table, target.binder)
    var row = table.columns.indices.map { at in
      set[at] ?? (table.columns[at].isDropped ? .constant(table.columns[at].type, .null) : target.column(at))
    }
    try target.filter(condition)
    row = try target.attach(row)
    try common.refuseHosted(row + (condition.map { [$0] } ?? []), "UPDATE", syntax.table.position)
    let plan = target.plan([target.place] + row, names: ["place"] + table.columns.map(\.name))
    return ModifyPlan(
      command: .update,
      table: table,
      source: try onShards(plan, table, isJoined: syntax.from != nil, syntax.table.position),
      action: .update,
      checks: try TableChecks.bound(table),
      returning: returning,
      system: context.system
    )
  }

  func delete(_ syntax: DeleteSyntax, _ table: TableSchema) throws(TallyError) -> ModifyPlan {
    var target = try Target(table, syntax.table, alias: syntax.alias, from: syntax.from, with: syntax.with, self)
    let condition = try target.condition(syntax.condition)
    let returning = try common.returning(syntax.returning, table, alias: syntax.alias, syntax.table, others: target.others)
    try target.filter(condition)
    try common.refuseHosted(condition.map { [$0] } ?? [], "DELETE", syntax.table.position)
    let plan = target.plan([target.place], names: ["place"])
    return ModifyPlan(
      command: .delete,
      table: table,
      source: try onShards(plan, table, isJoined: syntax.from != nil, syntax.table.position),
      action: .delete,
      checks: [],
      returning: returning,
      system: context.system
    )
  }

  /// The plan as the shards run it.
  private func onShards(_ plan: PlanNode, _ table: TableSchema, isJoined: Bool, _ position: Int) throws(TallyError) -> ModifyPlan.Source {
    // Without a place it has no rows.
    if case .local = table.distribution { return .none }
    let rewritten = PlanRewriting.rewritten(plan, catalog: catalog, context: context)
    guard let (inputs, placed) = try Distribution.onShards(rewritten, catalog: catalog) else {
      // A condition that is never true leaves nothing to run.
      if !rewritten.contains(Self.isScan) { return .none }
      throw .sql(
        "0A000",
        "this change of table \"\(table.name)\" cannot be computed on its shards",
        hint: "Join the other relations by the distribution column, or select what shall change first.",
        position: position
      )
    }
    var fragment = placed
    if isJoined {
      let sorted = PlanNode.sort(SortNode(input: fragment.plan, keys: [SortKey(column: 0)]))
      fragment.plan = .distinctOn(DistinctOnNode(input: sorted, columns: [0]))
    }
    return .shards(inputs: inputs, fragment: fragment)
  }
  private static func isScan(_ plan: PlanNode) -> Bool { if case .scan = plan { true } else { false } }

  /// The table joined with what else the statement names.
  private struct Target {
    let table: TableSchema
    let queries: SelectBinder
    let binder: ExpressionBinder
    /// Names of the relations beside the table, under their numbers in a scope behind the table's own columns.
    let others: Scope
    private var node: PlanNode

    init(
      _ table: TableSchema,
      _ name: NameSyntax,
      alias: String?,
      from: FromSyntax?,
      with: WithSyntax?,
      _ update: UpdateBinder
    ) throws(TallyError) {
      self.table = table
      var queries = SelectBinder(catalog: update.catalog, context: update.context)
      if let with { try queries.add(with) }
      let hidden = alias != nil && alias != table.name ? table.name : nil
      var scope = Scope(table: table, qualifier: alias ?? table.name, hidden: hidden, first: 1)
      var output = table.columns.map { OutputColumn($0.name, $0.type) }
      output.insert(OutputColumn("place", .bigint), at: 0)
      node = .scan(
        ScanNode(source: .table(table.id), storedColumns: [ScanNode.placeColumn] + Array(table.columns.indices), output: output)
      )
      scope.columns = output
      if let from {
        let (joined, names) = try queries.from(from)
        for relation in names.relations {
          guard let other = relation.name, other == alias ?? table.name else { continue }
          throw .sql("42712", "table name \"\(other)\" specified more than once")
        }
        scope = Scope(scope, names)
        node = .join(JoinNode(.inner, left: node, right: joined, keys: []))
        others = names
      } else {
        others = .empty
      }
      self.queries = queries
      binder = queries.expressionBinder(scope)
    }
    var place: Expression { .column(0, .bigint) }
    func column(_ index: Int) -> Expression { .column(index + 1, table.columns[index].type) }
    func condition(_ written: ExpressionSyntax?) throws(TallyError) -> Expression? {
      guard let written else { return nil }
      return try binder.condition(written, .where)
    }
    mutating func filter(_ condition: Expression?) throws(TallyError) {
      guard let condition else { return }
      let bound = try attach([condition])
      node = .filter(FilterNode(input: node, condition: bound[0]))
    }
    mutating func attach(_ expressions: [Expression]) throws(TallyError) -> [Expression] {
      var expressions = expressions
      node = try queries.attach(node, binder, &expressions)
      return expressions
    }
    func plan(_ expressions: [Expression], names: [String]) -> PlanNode {
      .project(ProjectNode(input: node, expressions: expressions, names: names))
    }
  }
}
