// DeleteBinder.swift — DELETE and TRUNCATE: the scan that names the rows, and the shards that may have some.
public import Model
import SQL

/// DELETE or TRUNCATE.
public struct DeletePlan: Sendable {
  /// The table.
  public var table: TableSchema
  /// What delivers the rows; nil when none can match.
  public var scan: ScanNode?
  /// Shards that may have some.
  public var shards: FragmentShards
  /// TRUNCATE.
  public var isTruncate: Bool
}

struct DeleteBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: DeleteSyntax) throws(TallyError) -> DeletePlan {
    let name = syntax.table
    guard let table = catalog.table(named: name.name) else {
      if Relations.isRollup(name.name, catalog: catalog) {
        throw .sql(
          "42809",
          "cannot delete from rollup \"\(name.name)\"",
          hint: "A rollup counts every row ever committed; its levels expire by their keep.",
          position: name.position
        )
      }
      throw .sql("42P01", "relation \"\(name.name)\" does not exist", position: name.position)
    }
    guard case .distributed = table.distribution else { throw Relations.notDistributed(table, name.position) }
    if let condition = syntax.condition { try refuseSubqueries(condition, table, syntax) }
    let one = ExpressionSyntax(kind: .integer(1), position: name.position)
    let select = SelectSyntax(
      body: .plain(
        PlainSelectSyntax(
          isDistinct: false,
          items: [PlainSelectSyntax.Item(alias: nil, expression: one)],
          from: .relation(name, alias: syntax.alias, columnAliases: []),
          condition: syntax.condition,
          groupBy: [],
          having: nil
        )
      ),
      orderBy: []
    )
    let plan = try planSelect(select, catalog: catalog, context: context)
    guard let fragment = plan.fragments.first else {
      return DeletePlan(table: table, scan: nil, shards: .all, isTruncate: syntax.isTruncate)
    }
    return DeletePlan(table: table, scan: try scan(fragment.plan), shards: fragment.shards, isTruncate: syntax.isTruncate)
  }
  /// Rows of one scan are named in one step; what else a condition reads could change meanwhile.
  private func refuseSubqueries(_ condition: ExpressionSyntax, _ table: TableSchema, _ syntax: DeleteSyntax) throws(TallyError) {
    let binder = SelectBinder(catalog: catalog, context: context).expressionBinder(
      Scope(qualifier: syntax.alias ?? table.name, columns: table.columns.map { OutputColumn($0.name, $0.type) })
    )
    // Shards name the rows; what only the coordinator can evaluate they cannot ask.
    guard !(try binder.condition(condition, .where)).isHosted else {
      throw .sql(
        "0A000",
        "a function of the coordinator in the condition of DELETE is not supported",
        hint: "Name its value, or the rows' keys.",
        position: condition.position
      )
    }
    guard !binder.subqueries.isEmpty else { return }
    throw .sql(
      "0A000",
      "a subquery in DELETE is not supported",
      hint: "Run the subquery first and name its values.",
      position: condition.position
    )
  }
  /// The scan below the projection, with the whole condition in it.
  private func scan(_ plan: PlanNode) throws(TallyError) -> ScanNode {
    switch plan {
    case .scan(let node): return node
    case .project(let node): return try scan(node.input)
    default: throw TallyError(.internalError, "the rows of a DELETE are not those of one scan")
    }
  }
}
