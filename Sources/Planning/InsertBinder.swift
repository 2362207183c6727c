// InsertBinder.swift — INSERT: whole rows of values, or a query's rows cast and filled up with defaults; ON CONFLICT and RETURNING.
//
// What the primaries have to look at (keys, checks, conflicts), give back (RETURNING), or the coordinator to compute row by row (nextval)
// becomes a ModifyPlan; the rest are rows and no more.
public import Model
import SQL

/// An INSERT of values that is bound.
struct BoundInsert: Sendable {
  var table: TableSchema
  var values: InsertedValues
  /// Its rows are rows and no more.
  var isPlain: Bool
  var conflict: ModifyProgram.Conflict
  var checks: [ModifyProgram.Check]
  var returning: ReturningPlan?

  func statement(_ system: (any SystemCatalog)?) -> BoundStatement {
    if isPlain, values.late.isEmpty { return .insert(InsertPlan(table: table, rows: values.rows)) }
    return .modify(
      ModifyPlan(
        command: .insert,
        table: table,
        source: .values(values),
        action: .insert(conflict),
        checks: checks,
        returning: returning,
        system: system
      )
    )
  }
}

struct InsertBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext
  private var common: ModifyBinder { ModifyBinder(catalog: catalog, context: context) }

  init(catalog: CatalogSnapshot, context: PlanningContext) {
    self.catalog = catalog
    self.context = context
  }

  func bind(_ syntax: InsertSyntax) throws(TallyError) -> BoundStatement {
    let table = try common.table(syntax.table, "insert into")
    guard let query = query(of: syntax, table) else { return try values(syntax, table).statement(context.system) }
    let targets = try self.targets(syntax, table)
    let isPlain = Self.isPlain(syntax, table)
    let source = try rows(of: query, syntax, table, targets)
    let conflict = try conflict(syntax, table)
    let returning = try common.returning(syntax.returning, table, alias: syntax.alias, syntax.table)
    if case .query(let select) = source, isPlain { return .insertSelect(InsertSelectPlan(table: table, select: select)) }
    let plan = ModifyPlan(
      command: .insert,
      table: table,
      source: source,
      action: .insert(conflict),
      checks: try TableChecks.bound(table),
      returning: returning,
      system: context.system
    )
    if isPlain, case .shards = source {
      // With a client's key the rows have to come here: it counts all of them.
      let pulled = try distribute(try projected(query, syntax, table, targets), catalog: catalog, context: context)
      return .insertSelect(InsertSelectPlan(table: table, select: pulled, pushed: plan))
    }
    return .modify(plan)
  }
  /// An INSERT of values; nil when a query gives its rows.
  func values(_ syntax: InsertSyntax) throws(TallyError) -> BoundInsert? {
    let table = try common.table(syntax.table, "insert into")
    return query(of: syntax, table) == nil ? try values(syntax, table) : nil
  }
  private func values(_ syntax: InsertSyntax, _ table: TableSchema) throws(TallyError) -> BoundInsert {
    let targets = try self.targets(syntax, table)
    let isPlain = Self.isPlain(syntax, table)
    let values = try values(syntax, table, targets, isChecked: isPlain)
    let conflict = try conflict(syntax, table)
    let returning = try common.returning(syntax.returning, table, alias: syntax.alias, syntax.table)
    return BoundInsert(
      table: table,
      values: values,
      isPlain: isPlain,
      conflict: conflict,
      checks: try TableChecks.bound(table),
      returning: returning
    )
  }
  /// Whether its rows are rows and no more. Rows with sketches are made as changes are: they have no batch of a client's.
  private static func isPlain(_ syntax: InsertSyntax, _ table: TableSchema) -> Bool {
    !table.isGuarded && table.checks.isEmpty && syntax.conflict == nil && syntax.returning == nil
      && !table.columns.contains(where: \.type.isSketch)
  }
  /// The query that gives the rows; of VALUES only where they hold subqueries or sketches, or stand behind WITH.
  private func query(of syntax: InsertSyntax, _ table: TableSchema) -> SelectSyntax? {
    var query = syntax.query
    if query == nil, syntax.rows.allSatisfy({ $0.allSatisfy { $0 != nil } }), syntax.rows.first?.isEmpty == false,
      syntax.with != nil || table.columns.contains(where: \.type.isSketch)
        || syntax.rows.contains(where: { $0.contains { $0?.holdsSubquery ?? false } })
    {
      let rows = syntax.rows.map { $0.compactMap { $0 } }
      query = SelectSyntax(body: .values(rows, position: rows.first?.first?.position ?? syntax.table.position), orderBy: [])
    }
    guard let with = syntax.with else { return query }
    if query?.with != nil { query?.with?.items.insert(contentsOf: with.items, at: 0) } else { query?.with = with }
    return query
  }

  // MARK: Rows

  /// `isChecked`: NULLs are looked for now; else when all values are known.
  private func values(
    _ syntax: InsertSyntax,
    _ table: TableSchema,
    _ targets: [Int],
    isChecked: Bool
  ) throws(TallyError) -> InsertedValues {
    let defaults = try defaults(table)
    var result = InsertedValues(rows: [])
    for written in syntax.rows {
      guard written.count == syntax.rows[0].count else {
        throw .sql("42601", "VALUES lists must all be the same length", position: written.first??.position)
      }
      let isDefaults = written.isEmpty && syntax.columns == nil
      if !isDefaults {
        try checkCount(written.count, targets, syntax, position: written.count > targets.count ? written[targets.count]?.position : nil)
      }
      var row = defaults
      for (target, expression) in zip(targets, written) {
        guard let expression else { continue }
        let column = table.columns[target]
        switch (column.identity, syntax.overriding) {
        case (.always, nil): throw Self.alwaysGenerated(column)
        case (.always, .user), (.byDefault, .user): continue
        default: break
        }
        let binder = ExpressionBinder(scope: .empty, context: context)
        binder.clause = .values
        row[target] = try Assignment.expression(
          try binder.bind(expression, towards: column.type),
          binder,
          name: column.name,
          type: column.type,
          position: expression.position
        )
        guard row[target].constantValue != nil || row[target].isHosted || row[target].holdsParameter else {
          throw .sql("0A000", "a value that is no constant is not supported", position: expression.position)
        }
      }
      var values: [Value] = []
      for (column, expression) in row.enumerated() {
        if let value = expression.constantValue {
          values.append(value)
        } else {
          result.late.append(InsertedValues.Late(row: result.rows.count, column: column, expression: expression))
          values.append(.null)
        }
      }
      if isChecked, context.now != nil, context.parameters?.hasValues ?? true {
        try InsertedRow.check(values, table, late: Set(row.indices.filter { row[$0].constantValue == nil }))
      }
      result.rows.append(values)
    }
    return result
  }
  /// The rows of INSERT … SELECT; on the shards where they stay on theirs.
  private func rows(
    of query: SelectSyntax,
    _ syntax: InsertSyntax,
    _ table: TableSchema,
    _ targets: [Int]
  ) throws(TallyError) -> ModifyPlan.Source {
    let projected = try projected(query, syntax, table, targets)
    if let shards = try onShards(projected, table) { return shards }
    return .query(try distribute(projected, catalog: catalog, context: context))
  }
  /// The query under a projection that gives every column of the table.
  private func projected(
    _ query: SelectSyntax,
    _ syntax: InsertSyntax,
    _ table: TableSchema,
    _ targets: [Int]
  ) throws(TallyError) -> PlanNode {
    let stored = targets.map { table.columns[$0] }
    let bound = try SelectBinder(catalog: catalog, context: context).query(query, isBranch: true, stored: stored)
    try checkCount(bound.columns.count, targets, syntax, position: syntax.table.position)
    var expressions = try defaults(table)
    for (source, target) in targets.prefix(bound.columns.count).enumerated() {
      let column = table.columns[target]
      switch (column.identity, syntax.overriding) {
      case (.always, nil): throw Self.alwaysGenerated(column)
      case (.always, .user), (.byDefault, .user): continue
      default: break
      }
      expressions[target] = try assigned(source, of: bound, to: column, syntax.table.position)
    }
    return .project(ProjectNode(input: bound, expressions: expressions, names: table.columns.map(\.name)))
  }
  /// The plan as the shards run it, each storing its own rows; nil where rows would have to move.
  private func onShards(_ plan: PlanNode, _ table: TableSchema) throws(TallyError) -> ModifyPlan.Source? {
    let rewritten = PlanRewriting.rewritten(plan, catalog: catalog, context: context)
    guard let (inputs, fragment) = try Distribution.storing(rewritten, in: table, catalog: catalog) else { return nil }
    return .shards(inputs: inputs, fragment: fragment)
  }
  private static func alwaysGenerated(_ column: Column) -> TallyError {
    .sql(
      "428C9",
      "cannot insert a non-DEFAULT value into column \"\(column.name)\"",
      detail: "Column \"\(column.name)\" is an identity column defined as GENERATED ALWAYS.",
      hint: "Use OVERRIDING SYSTEM VALUE to override."
    )
  }
  private func assigned(_ source: Int, of query: PlanNode, to column: Column, _ position: Int) throws(TallyError) -> Expression {
    let binder = ExpressionBinder(scope: .empty, context: context)
    let found = query.columns[source].type
    guard found == .unknown else {
      return try Assignment.expression(.column(source, found), binder, name: column.name, type: column.type, position: position)
    }
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
    return try Assignment.expression(node.expressions[source], binder, name: column.name, type: column.type, position: position)
  }
  private func defaults(_ table: TableSchema) throws(TallyError) -> [Expression] {
    var defaults: [Expression] = []
    for column in table.columns { defaults.append(try DefaultValue.expression(of: column, context: context)) }
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

  // MARK: ON CONFLICT

  private func conflict(_ syntax: InsertSyntax, _ table: TableSchema) throws(TallyError) -> ModifyProgram.Conflict {
    guard let written = syntax.conflict else { return .fail }
    let alias = syntax.alias
    let own = Scope(table: table, qualifier: alias ?? table.name, hidden: alias != nil && alias != table.name ? table.name : nil)
    let key = try key(of: written, table, own, syntax)
    guard case .update(let assignments, let condition) = written.action else { return .nothing(key: key) }
    try common.refuseRollups(table, "ON CONFLICT DO UPDATE", syntax.table.position)
    guard let key else {
      throw .sql(
        "42601",
        "ON CONFLICT DO UPDATE requires inference specification or constraint name",
        hint: "For example, ON CONFLICT (column_name).",
        position: written.position
      )
    }
    let scope = Scope(own, Scope(table: table, qualifier: "excluded"))
    let binder = SelectBinder(catalog: catalog, context: context).expressionBinder(scope)
    let set = try common.assignments(assignments, table, binder)
    let bound = try condition.map { written throws(TallyError) in try binder.condition(written, .where) }
    guard binder.subqueries.isEmpty else {
      throw .sql("0A000", "a subquery in ON CONFLICT DO UPDATE is not supported", position: written.position)
    }
    let row = table.columns.enumerated().map { set[$0] ?? .column($0, $1.type) }
    try common.refuseHosted(row + (bound.map { [$0] } ?? []), "ON CONFLICT DO UPDATE", written.position)
    return .update(key: key, row: row, condition: bound)
  }
  /// The key that ON CONFLICT is about; nil for all of them.
  private func key(
    of conflict: ConflictSyntax,
    _ table: TableSchema,
    _ scope: Scope,
    _ syntax: InsertSyntax
  ) throws(TallyError) -> Int? {
    switch conflict.target {
    case nil: return nil
    case .constraint(let name):
      guard let key = table.keys.firstIndex(where: { $0.name == name.name && !$0.isIndex }) else {
        throw .sql("42704", "constraint \"\(name.name)\" for table \"\(table.name)\" does not exist")
      }
      return key
    case .columns(let names, let condition):
      var columns: Set<Int> = []
      for name in names {
        guard let column = table.columnIndex(name.name) else {
          throw .sql("42703", "column \"\(name.name)\" does not exist", position: name.position)
        }
        columns.insert(column)
      }
      // Of a partial index; there are none, and a whole one serves as well.
      if let condition {
        let binder = SelectBinder(catalog: catalog, context: context).expressionBinder(scope)
        _ = try binder.condition(condition, .where)
      }
      guard let key = table.keys.firstIndex(where: { Set($0.columns) == columns }) else {
        throw .sql("42P10", "there is no unique or exclusion constraint matching the ON CONFLICT specification")
      }
      return key
    }
  }
}

/// One row on its way into a table.
public enum InsertedRow {
  /// Throws 23502 for a NULL where none may be; columns in `late` are not known yet.
  public static func check(_ row: [Value], _ table: TableSchema, late: Set<Int> = []) throws(TallyError) {
    let key = table.distribution.tenantKey
    for (index, column) in table.columns.enumerated()
    where row[index].isNull && (column.isNotNull || index == key) && !late.contains(index) && !column.isDropped {
      throw .sql(
        "23502",
        "null value in column \"\(column.name)\" of relation \"\(table.name)\" violates not-null constraint",
        detail: index == key && !column.isNotNull ? "It is the tenant key." : late.isEmpty ? failing(row, table) : nil,
        subject: ErrorSubject(table, column: column.name)
      )
    }
  }
  /// PostgreSQL's detail of a row that violates a constraint: each value cut at 64 bytes.
  public static func failing(_ row: [Value], _ table: TableSchema) -> String {
    let shown = table.liveColumns.map { at in
      ValueText.print(row[at], as: table.columns[at].type).map(cut) ?? "null"
    }
    return "Failing row contains (\(shown.joined(separator: ", ")))."
  }
  /// A value's text as such a detail shows it: 64 bytes of whole characters, and dots for the rest.
  public static func cut(_ text: String) -> String {
    guard text.utf8.count > 64 else { return text }
    var cut = ""
    for scalar in text.unicodeScalars {
      guard cut.utf8.count + UTF8.width(scalar) <= 64 else { break }
      cut.unicodeScalars.append(scalar)
    }
    return cut + "..."
  }
}

extension DataType {
  /// hll or topn: kept exploded, and made by operators over columns only.
  var isSketch: Bool { layout == .hll || layout == .topn }
}

extension ExpressionSyntax {
  /// Whether a subquery stands anywhere in it.
  var holdsSubquery: Bool {
    switch kind {
    case .scalarSubquery, .exists, .quantified, .arraySubquery: true
    case .prefix(_, let a), .not(let a), .isNull(let a, _), .isBoolean(let a, _, _), .cast(let a, _), .field(let a, _), .allFields(let a):
      a.holdsSubquery
    case .infix(_, let a, let b), .like(let a, let b, _), .nullIf(let a, let b), .isDistinct(let a, let b, _), .element(let a, let b),
      .arrayComparison(let a, _, let b, _):
      a.holdsSubquery || b.holdsSubquery
    case .and(let parts), .or(let parts), .coalesce(let parts), .extreme(let parts, _), .array(let parts), .row(let parts),
      .grouping(let parts):
      parts.contains(where: \.holdsSubquery)
    case .between(let a, let b, let c, _): [a, b, c].contains(where: \.holdsSubquery)
    case .inList(let a, let list, _): ([a] + list).contains(where: \.holdsSubquery)
    case .slice(let a, let b, let c): [a, b, c].contains { $0?.holdsSubquery ?? false }
    case .caseWhen(let operand, let branches, let otherwise):
      [operand, otherwise].contains { $0?.holdsSubquery ?? false }
        || branches.contains { $0.condition.holdsSubquery || $0.result.holdsSubquery }
    case .call(let call): (call.arguments + call.namedArguments.map(\.value)).contains(where: \.holdsSubquery)
    case .column, .star, .integer, .decimal, .string, .boolean, .null, .parameter, .currentTime: false
    }
  }
}
