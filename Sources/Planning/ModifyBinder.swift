// ModifyBinder.swift — what INSERT, UPDATE and DELETE have in common: the table whose rows change, assignments, RETURNING.
import Model
import SQL

struct ModifyBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  // MARK: The table

  /// The table of a statement that changes rows; `verb` as in "cannot insert into".
  func table(_ name: NameSyntax, _ verb: String) throws(TallyError) -> TableSchema {
    guard let table = catalog.table(name) else {
      if Relations.isRollup(name.name, catalog: catalog) {
        throw .sql(
          "42809",
          "cannot \(verb) rollup \"\(name.name)\"",
          hint: verb == "insert into" ? nil : "A rollup counts every row ever committed; its levels expire by their keep.",
          position: name.position
        )
      }
      if catalog.view(name) != nil {
        throw .sql("55000", "cannot \(verb) view \"\(name.name)\"", hint: "Change the rows of its tables.")
      }
      if catalog.sequence(name) != nil {
        throw .sql("42809", "cannot \(verb) sequence \"\(name.name)\"", position: name.position)
      }
      throw .sql("42P01", "relation \"\(name.name)\" does not exist", position: name.position)
    }
    guard !table.isMaterialized || context.isFilling else {
      throw .sql("42809", "cannot change materialized view \"\(table.name)\"")
    }
    return table
  }
  /// UPDATE and DO UPDATE never change what a rollup has counted: refused, where the table has some.
  func refuseRollups(_ table: TableSchema, _ what: String, _ position: Int) throws(TallyError) {
    guard let rollup = catalog.rollups.first(where: { $0.source == table.id }) else { return }
    throw .sql(
      "0A000",
      "\(what) of table \"\(table.name)\", which rollup \"\(rollup.name)\" counts, is not supported",
      hint: "A rollup counts every row ever committed. Insert rows that correct, or keep what changes in a table of its own.",
      position: position
    )
  }
  func column(_ name: NameSyntax, of table: TableSchema) throws(TallyError) -> Int {
    guard let index = table.columnIndex(name.name) else {
      throw .sql("42703", "column \"\(name.name)\" of relation \"\(table.name)\" does not exist", position: name.position)
    }
    return index
  }

  // MARK: SET

  /// The items of SET, as expressions over the binder's columns, by column of the table.
  func assignments(
    _ written: [AssignmentSyntax],
    _ table: TableSchema,
    _ binder: ExpressionBinder
  ) throws(TallyError) -> [Int: Expression] {
    var result: [Int: Expression] = [:]
    func set(_ name: NameSyntax, _ value: (Int, Column) throws(TallyError) -> Expression) throws(TallyError) {
      let index = try column(name, of: table)
      guard result[index] == nil else {
        throw .sql("42601", "multiple assignments to same column \"\(name.name)\"")
      }
      result[index] = try value(index, table.columns[index])
    }
    func checkIdentity(_ column: Column) throws(TallyError) {
      guard column.identity == .always else { return }
      throw .sql(
        "428C9",
        "column \"\(column.name)\" can only be updated to DEFAULT",
        detail: "Column \"\(column.name)\" is an identity column defined as GENERATED ALWAYS."
      )
    }
    binder.clause = .update
    for item in written {
      switch item.source {
      case .value(nil):
        try set(item.columns[0]) { (_, column) throws(TallyError) in
          let value = try DefaultValue.expression(of: column, context: context)
          guard value.constantValue != nil else {
            throw .sql(
              "0A000",
              "DEFAULT of column \"\(column.name)\" in SET, which differs from row to row, is not supported",
              hint: "Its default is \(column.defaultSQL ?? "NULL").",
              position: item.columns[0].position
            )
          }
          return value
        }
      case .value(let syntax?):
        try set(item.columns[0]) { (_, column) throws(TallyError) in
          try checkIdentity(column)
          let bound = try binder.bind(syntax, towards: column.type)
          return try Assignment.expression(bound, binder, name: column.name, type: column.type, position: syntax.start)
        }
      case .query(let select, let position):
        let values = try binder.rowSubquery(select, item.columns.count, position)
        for (name, value) in zip(item.columns, values) {
          try set(name) { (_, column) throws(TallyError) in
            try checkIdentity(column)
            return try Assignment.expression(value, binder, name: column.name, type: column.type, position: position)
          }
        }
      }
    }
    return result
  }
  /// Refuses functions that only the coordinator can compute where the shards compute.
  func refuseHosted(_ expressions: [Expression], _ what: String, _ position: Int) throws(TallyError) {
    guard let hosted = expressions.lazy.compactMap({ $0.hostedName }).first else { return }
    throw .sql(
      "0A000",
      "function \(hosted) in \(what) is not supported",
      hint: "It is computed by the coordinator, and the rows are on the shards: select its value first.",
      position: position
    )
  }

  // MARK: RETURNING

  /// `others`: names of relations beside the table, which RETURNING may not read.
  func returning(
    _ items: [PlainSelectSyntax.Item]?,
    _ table: TableSchema,
    alias: String?,
    _ name: NameSyntax,
    others: Scope = .empty
  ) throws(TallyError) -> ReturningPlan? {
    guard let items else { return nil }
    let own = Scope(table: table, qualifier: alias ?? table.name, hidden: alias != nil && alias != table.name ? table.name : nil)
    let scope = others.columns.isEmpty ? own : Scope(own, others)
    let queries = SelectBinder(catalog: catalog, context: context)
    let binder = queries.expressionBinder(scope)
    binder.clause = .returning
    let select = PlainSelectSyntax(
      isDistinct: false,
      items: items,
      from: .relation(name, alias: alias, columnAliases: []),
      condition: nil,
      groupBy: [],
      having: nil
    )
    let targets = try queries.targets(select, binder, false)
    guard binder.subqueries.isEmpty else {
      throw .sql("0A000", "a subquery in RETURNING is not supported", position: targets.first?.position)
    }
    guard binder.expansions.isEmpty else {
      throw .sql("0A000", "set-returning functions are not allowed in RETURNING", position: targets.first?.position)
    }
    for target in targets where target.expression.columnsRead.contains(where: { $0 >= table.columns.count }) {
      throw .sql(
        "0A000",
        "RETURNING of columns of other relations than \"\(table.name)\" is not supported",
        hint: "Name the table's own columns: RETURNING \(alias ?? table.name).*.",
        position: target.position
      )
    }
    let rows = PlanNode.fragmentInput(
      FragmentInputNode(fragment: 0, output: table.columns.map { OutputColumn($0.name, $0.type) })
    )
    return ReturningPlan(
      plan: .project(ProjectNode(input: rows, expressions: targets.map(\.expression), names: targets.map(\.name)))
    )
  }
}

extension Expression {
  /// A function of the coordinator that it calls.
  var hostedName: String? {
    if case .hosted(let function, _) = node { return function.name }
    return operands.lazy.compactMap(\.hostedName).first
  }
}
