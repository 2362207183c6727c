// InsertBinder.swift — INSERT: whole rows of values, or a query's rows cast and filled up with defaults. Also DEFAULT expressions.
public import Model
import SQL

/// A column's DEFAULT.
public enum DefaultValue {
  /// Binds and evaluates a DEFAULT expression for one statement.
  static func bind(
    _ syntax: ExpressionSyntax,
    name: String,
    type: DataType,
    context: PlanningContext
  ) throws(TallyError) -> Value {
    let binder = ExpressionBinder(scope: .empty, context: context)
    binder.clause = .default
    let bound = try binder.bind(syntax)
    return try Assignment.value(bound, binder, name: name, type: type, position: syntax.position)
  }
  /// The value of a column's default at a statement's time; NULL when it has none. Ingest fills omitted columns with it.
  public static func value(of column: Column, context: PlanningContext) throws(TallyError) -> Value {
    guard let text = column.defaultSQL else { return .null }
    guard case .select(let select)? = try parse("SELECT \(text)").first?.statement, case .plain(let plain) = select.body,
      let item = plain.items.first
    else { throw TallyError(.internalError, "the default of column \"\(column.name)\" is not an expression") }
    return try bind(item.expression, name: column.name, type: column.type, context: context)
  }
}

enum Assignment {
  /// The value as the column keeps it; 42804 when its type does not assign, 0A000 when it is no constant.
  static func value(
    _ bound: Expression,
    _ binder: ExpressionBinder,
    name: String,
    type: DataType,
    position: Int
  ) throws(TallyError) -> Value {
    // An untyped parameter is of the column's type without its limits.
    let bound = bound.untypedParameter == nil ? bound : try binder.coerce(bound, to: type.withoutModifiers, at: position)
    if bound.type != type, bound.type != .unknown {
      let context = Casts.context(from: bound.type, to: type)
      guard let context, context <= .assignment else {
        throw .sql(
          "42804",
          "column \"\(name)\" is of type \(type.name) but expression is of type \(bound.type.name)",
          hint: "You will need to rewrite or cast the expression.",
          position: position
        )
      }
    }
    // An assignment to varchar(n) may cut blanks only, where an explicit cast cuts anything.
    let hasLimit: Bool
    switch type {
    case .varchar, .bpchar: hasLimit = true
    default: hasLimit = false
    }
    if hasLimit {
      let text = try binder.coerce(bound, to: .text, at: position, .assignment)
      switch text.constantValue {
      case .text(let long)?:
        return try binder.located(position) { () throws(TallyError) in try ValueText.parse(long, as: type) }
      case .null?: return .null
      default: break
      }
    }
    guard let value = try binder.coerce(bound, to: type, at: position, .assignment).constantValue else {
      throw .sql("0A000", "a value that is no constant is not supported", position: position)
    }
    return value
  }
}

struct InsertBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: InsertSyntax) throws(TallyError) -> InsertPlan {
    let (table, key) = try table(syntax)
    let targets = try self.targets(syntax, table)
    let defaults = try defaults(table)
    var plan = InsertPlan(table: table, rows: [])
    for written in syntax.rows {
      guard written.count == syntax.rows[0].count else {
        throw .sql("42601", "VALUES lists must all be the same length", position: written.first??.position)
      }
      try checkCount(written.count, targets, syntax, position: written.count > targets.count ? written[targets.count]?.position : nil)
      var row = defaults
      for (target, expression) in zip(targets, written) {
        guard let expression else { continue }
        let binder = ExpressionBinder(scope: .empty, context: context)
        binder.clause = .values
        let column = table.columns[target]
        row[target] = try Assignment.value(
          try binder.bind(expression),
          binder,
          name: column.name,
          type: column.type,
          position: expression.position
        )
      }
      if context.parameters?.hasValues ?? true { try check(row, table, key) }
      plan.rows.append(row)
    }
    return plan
  }
  /// INSERT … SELECT: the query under a projection that gives every column of the table.
  func bind(_ syntax: InsertSyntax, _ query: SelectSyntax) throws(TallyError) -> InsertSelectPlan {
    let (table, _) = try table(syntax)
    let targets = try self.targets(syntax, table)
    let bound = try SelectBinder(catalog: catalog, context: context).query(query, isBranch: true)
    try checkCount(bound.columns.count, targets, syntax, position: syntax.table.position)
    let defaults = try defaults(table)
    var expressions = zip(table.columns, defaults).map { Expression.constant($0.type, $1) }
    for (source, target) in targets.prefix(bound.columns.count).enumerated() {
      expressions[target] = try assigned(source, of: bound, to: table.columns[target], syntax.table.position)
    }
    let projected = PlanNode.project(ProjectNode(input: bound, expressions: expressions, names: table.columns.map(\.name)))
    return InsertSelectPlan(table: table, select: try distribute(projected, catalog: catalog, context: context))
  }
  private func assigned(_ source: Int, of query: PlanNode, to column: Column, _ position: Int) throws(TallyError) -> Expression {
    let binder = ExpressionBinder(scope: .empty, context: context)
    let found = query.columns[source].type
    if found == .unknown {
      // A literal takes the column's type, as it would in VALUES.
      guard case .project(let node) = query,
        node.expressions[source].constantValue != nil || node.expressions[source].untypedParameter != nil
      else {
        throw .sql(
          "42804",
          "column \"\(column.name)\" is of type \(column.type.name) but expression is of type unknown",
          position: position
        )
      }
      let value = try Assignment.value(node.expressions[source], binder, name: column.name, type: column.type, position: position)
      return .constant(column.type, value)
    }
    let expression = Expression.column(source, found)
    // An assignment to varchar(n) cuts blanks only: left to whoever has the rows.
    let isCut: Bool
    switch column.type {
    case .varchar(let limit), .bpchar(let limit): isCut = limit > 0 && found != column.type
    default: isCut = false
    }
    let type = isCut ? DataType.text : column.type
    if found == type { return expression }
    guard let needed = Casts.context(from: found, to: type), needed <= .assignment else {
      throw .sql(
        "42804",
        "column \"\(column.name)\" is of type \(column.type.name) but expression is of type \(found.name)",
        hint: "You will need to rewrite or cast the expression.",
        position: position
      )
    }
    return try binder.coerce(expression, to: type, at: position, .assignment)
  }

  private func table(_ syntax: InsertSyntax) throws(TallyError) -> (TableSchema, key: Int?) {
    guard let table = catalog.table(named: syntax.table.name) else {
      if catalog.rollup(named: syntax.table.name) != nil {
        throw .sql("42809", "cannot insert into rollup \"\(syntax.table.name)\"", position: syntax.table.position)
      }
      throw .sql("42P01", "relation \"\(syntax.table.name)\" does not exist", position: syntax.table.position)
    }
    return (table, table.distribution.tenantKey)
  }
  private func defaults(_ table: TableSchema) throws(TallyError) -> [Value] {
    var defaults: [Value] = []
    for column in table.columns { defaults.append(try DefaultValue.value(of: column, context: context)) }
    return defaults
  }
  private func checkCount(_ count: Int, _ targets: [Int], _ syntax: InsertSyntax, position: Int?) throws(TallyError) {
    if count > targets.count { throw .sql("42601", "INSERT has more expressions than target columns", position: position) }
    if count < targets.count, let columns = syntax.columns {
      throw .sql("42601", "INSERT has more target columns than expressions", position: columns[count].position)
    }
  }

  private func targets(_ syntax: InsertSyntax, _ table: TableSchema) throws(TallyError) -> [Int] {
    guard let columns = syntax.columns else { return table.liveColumns }
    var result: [Int] = []
    for column in columns {
      guard let index = table.columnIndex(column.name) else {
        throw .sql(
          "42703",
          "column \"\(column.name)\" of relation \"\(table.name)\" does not exist",
          position: column.position
        )
      }
      guard !result.contains(index) else {
        throw .sql("42701", "column \"\(column.name)\" specified more than once", position: column.position)
      }
      result.append(index)
    }
    return result
  }
  private func check(_ row: [Value], _ table: TableSchema, _ key: Int?) throws(TallyError) {
    for (index, column) in table.columns.enumerated() where row[index].isNull && (column.isNotNull || index == key) {
      throw .sql(
        "23502",
        "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
        detail: index == key && !column.isNotNull ? "It is the tenant key." : nil
      )
    }
  }
}
