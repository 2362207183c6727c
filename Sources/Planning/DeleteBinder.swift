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

  /// `isTogether`: TRUNCATE of several tables, whose references have been looked at.
  func bind(_ syntax: DeleteSyntax, isTogether: Bool = false) throws(TallyError) -> BoundStatement {
    let name = syntax.table
    if syntax.isTruncate, let table = catalog.table(name), table.isMaterialized, !context.isFilling {
      throw .sql("42809", "\"\(table.name)\" is not a table")
    }
    let table = try table(syntax)
    if !syntax.isTruncate, try !isSimple(syntax, table) {
      return .modify(try UpdateBinder(catalog: catalog, context: context).delete(syntax, table).distributed(catalog, context))
    }
    if syntax.isTruncate, !isTogether { try Self.refuseReferred(table, besides: [table.id], catalog) }
    return .delete(try simple(syntax, table))
  }
  /// The change that it is when the primaries evaluate it; nil when its rows are named in one step.
  func change(_ syntax: DeleteSyntax) throws(TallyError) -> BoundChange? {
    let table = try table(syntax)
    if syntax.isTruncate { return nil }
    if try isSimple(syntax, table) { return nil }
    return try UpdateBinder(catalog: catalog, context: context).delete(syntax, table)
  }
  private func table(_ syntax: DeleteSyntax) throws(TallyError) -> TableSchema {
    do throws(TallyError) { return try ModifyBinder(catalog: catalog, context: context).table(syntax.table, "delete from") } catch {
      // TRUNCATE is no query: as in PostgreSQL what it names has no place in the text.
      var failure = error
      if syntax.isTruncate { failure.position = nil }
      throw failure
    }
  }
  /// TRUNCATE does not look at rows one by one: rows of other tables must not refer to them.
  static func refuseReferred(_ table: TableSchema, besides truncated: Set<TableID>, _ catalog: CatalogSnapshot) throws(TallyError) {
    let other = catalog.tables.first { other in
      !truncated.contains(other.id) && other.references.contains { $0.table == table.id }
    }
    guard let other else { return }
    throw .sql(
      "0A000",
      "cannot truncate a table referenced in a foreign key constraint",
      detail: "Table \"\(other.name)\" references \"\(table.name)\".",
      hint: "Truncate table \"\(other.name)\" at the same time."
    )
  }
  /// Whether the rows are those of one scan of an append-only table, and nothing else is asked for: they are named in one step, without
  /// locks.
  /// Rows that the same transaction wrote are not committed and cannot be named so.
  private func isSimple(_ syntax: DeleteSyntax, _ table: TableSchema) throws(TallyError) -> Bool {
    guard case .distributed = table.distribution, table.keys.isEmpty, syntax.from == nil, syntax.with == nil, syntax.returning == nil,
      !context.changed.contains(table.id)
    else { return false }
    return !(syntax.condition?.holdsSubquery ?? false)
  }
  /// Shards name the rows; what only the coordinator can evaluate they cannot ask.
  private func refuseHosted(_ condition: ExpressionSyntax, _ table: TableSchema, _ syntax: DeleteSyntax) throws(TallyError) {
    let binder = SelectBinder(catalog: catalog, context: context).expressionBinder(
      Scope(qualifier: syntax.alias ?? table.name, columns: table.columns.map { OutputColumn($0.name, $0.type) })
    )
    guard !(try binder.condition(condition, .where)).isHosted else {
      throw .sql(
        "0A000",
        "a function of the coordinator in the condition of DELETE is not supported",
        hint: "Name its value, or the rows' keys.",
        position: condition.position
      )
    }
  }
  private func simple(_ syntax: DeleteSyntax, _ table: TableSchema) throws(TallyError) -> DeletePlan {
    let name = syntax.table
    if let condition = syntax.condition { try refuseHosted(condition, table, syntax) }
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
  /// The scan below the projection, with the whole condition in it.
  private func scan(_ plan: PlanNode) throws(TallyError) -> ScanNode {
    switch plan {
    case .scan(let node): return node
    case .project(let node): return try scan(node.input)
    default: throw TallyError(.internalError, "the rows of a DELETE are not those of one scan")
    }
  }
}
