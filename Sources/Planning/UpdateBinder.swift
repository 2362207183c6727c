// UpdateBinder.swift — UPDATE and DELETE as plans that name rows of the table by their place, and what becomes of them.
//
// The table's scan gives the place beside all columns; other relations are joined to it, and the shards run the whole: rows of other
// relations are sent along (Distribution.onShards). A row that matches several rows of them is changed once, by the first.
import Model
import SQL

/// An UPDATE or DELETE that is bound and not yet spread over shards.
struct BoundChange: Sendable {
  var command: ModifyPlan.Command
  var table: TableSchema
  /// Gives the place, and of an UPDATE the row as it will be.
  var plan: PlanNode
  /// It was rewritten but for what constants decide.
  var isShaped = false
  /// Other relations are joined to the table.
  var isJoined: Bool
  var checks: [ModifyProgram.Check]
  var returning: ReturningPlan?
  /// Of the table's name.
  var position: Int

  /// The change as the shards run it.
  func distributed(_ catalog: CatalogSnapshot, _ context: PlanningContext) throws(TallyError) -> ModifyPlan {
    ModifyPlan(
      command: command,
      table: table,
      source: try onShards(catalog, context),
      action: command == .update ? .update : .delete,
      checks: checks,
      returning: returning,
      system: context.system
    )
  }
  private func onShards(_ catalog: CatalogSnapshot, _ context: PlanningContext) throws(TallyError) -> ModifyPlan.Source {
    // Without a place it has no rows.
    if case .local = table.distribution { return .none }
    let shaped = isShaped ? plan : PlanRewriting.shaped(plan, catalog: catalog)
    let rewritten = PlanRewriting.leveled(shaped, catalog: catalog, context: context)
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
}

struct UpdateBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext
  private var common: ModifyBinder { ModifyBinder(catalog: catalog, context: context) }

  init(catalog: CatalogSnapshot, context: PlanningContext) {
    self.catalog = catalog
    self.context = context
  }

  func update(_ syntax: UpdateSyntax) throws(TallyError) -> BoundChange {
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
    return BoundChange(
      command: .update,
      table: table,
      plan: target.plan([target.place] + row, names: ["place"] + table.columns.map(\.name)),
      isJoined: syntax.from != nil,
      checks: try TableChecks.bound(table),
      returning: returning,
      position: syntax.table.position
    )
  }

  func delete(_ syntax: DeleteSyntax, _ table: TableSchema) throws(TallyError) -> BoundChange {
    var target = try Target(table, syntax.table, alias: syntax.alias, from: syntax.from, with: syntax.with, self)
    let condition = try target.condition(syntax.condition)
    let returning = try common.returning(syntax.returning, table, alias: syntax.alias, syntax.table, others: target.others)
    try target.filter(condition)
    try common.refuseHosted(condition.map { [$0] } ?? [], "DELETE", syntax.table.position)
    return BoundChange(
      command: .delete,
      table: table,
      plan: target.plan([target.place], names: ["place"]),
      isJoined: syntax.from != nil,
      checks: [],
      returning: returning,
      position: syntax.table.position
    )
  }

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
