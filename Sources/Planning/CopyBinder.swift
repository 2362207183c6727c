// CopyBinder.swift — COPY: FROM STDIN into a table's columns, TO STDOUT of a table or a query, with its options checked.
//
// Columns that the data lacks get their defaults, evaluated once for the statement, as INSERT has them. The order of the checks is
// PostgreSQL's: the relation, then the options, then the columns.
public import Model
public import SQL

/// COPY … FROM STDIN.
public struct CopyInPlan: Sendable {
  /// The table.
  public var table: TableSchema
  /// Number of the tenant key's column; nil of a table that has none.
  public var key: Int?
  /// The table's columns that the data's fields are, in the order of the fields.
  public var columns: [Int]
  /// For every column of the table the value where the data has none.
  public var defaults: [Value]
  /// What the data looks like.
  public var options: CopyOptions
  /// A column that is computed for every row.
  public struct Late: Sendable {
    /// Number of the column.
    public var column: Int
    /// Of the column's type.
    public var expression: Expression
  }
  /// Columns that the data lacks and whose default differs from row to row; `defaults` has something for them that is not NULL.
  public var late: [Late] = []
  /// The zone of times that name none.
  public var zone: ClockZone
  /// Whether a field's text depends on the zone.
  public var needsZone: Bool { !zone.isUTC && columns.contains { ZonedText.depends(table.columns[$0].type) } }
}

/// COPY … TO STDOUT.
public struct CopyOutPlan: Sendable {
  /// What gives the rows.
  public var select: DistributedPlan
  /// What the data looks like.
  public var options: CopyOptions
}

extension DataType {
  /// A value that is not NULL, for a place that is filled later.
  fileprivate var emptyValue: Value {
    switch layout {
    case .fixed: .fixed(0)
    case .double: .double(0)
    case .numeric: .numeric(Numeric(0))
    case .interval: .interval(Interval())
    case .text: isBinary ? .bytes([UInt8](repeating: 0, count: 16)) : .text("")
    case .hll, .topn: .null
    }
  }
}

/// The options of a COPY … TO STDOUT of rows whose columns have these names.
public func copyOutOptions(_ options: [CopySyntax.Option], columns names: [String]) throws(TallyError) -> CopyOptions {
  try CopyBinder.options(try GivenCopyOptions(options, isFrom: false), names)
}

struct CopyBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: CopySyntax) throws(TallyError) -> BoundStatement {
    // COPY takes no parameters, whatever the protocol by which it comes.
    var context = context
    context.parameters = nil
    switch syntax.source {
    case .query(let query):
      if syntax.isFrom { throw TallyError(.internalError, "COPY from a query") }
      let given = try GivenCopyOptions(syntax.options, isFrom: false)
      let plan = try planSelect(query, catalog: catalog, context: context)
      return .copyOut(CopyOutPlan(select: plan, options: try Self.options(given, plan.output.map(\.name))))
    case .change: throw TallyError(.internalError, "a change that is copied is planned by itself")
    case .table(let name, let columns):
      if catalog.table(name) == nil, Relations.isRollup(name.name, catalog: catalog) {
        throw .sql(
          "42809",
          "cannot copy \(syntax.isFrom ? "to" : "from") materialized view \"\(name.name)\"",
          hint: syntax.isFrom ? nil : "Try the COPY (SELECT ...) TO variant."
        )
      }
      guard let table = catalog.table(name) else {
        throw .sql("42P01", "relation \"\(name.name)\" does not exist")
      }
      let given = try GivenCopyOptions(syntax.options, isFrom: syntax.isFrom)
      let numbers = try Self.columns(columns, table)
      let names = numbers.map { table.columns[$0].name }
      let options = try given.resolved(names) { wanted throws(TallyError) in
        try Self.checkNames(wanted, among: table.liveColumns.map { table.columns[$0].name }) {
          "column \"\($0)\" of relation \"\(table.name)\" does not exist"
        }
      }
      if syntax.isFrom, table.isMaterialized {
        throw .sql("42809", "cannot copy to materialized view \"\(table.name)\"")
      }
      if syntax.isFrom { return .copyIn(try into(table, numbers, options, context)) }
      return .copyOut(CopyOutPlan(select: try select(names, table, context), options: options))
    }
  }
  static func options(_ given: GivenCopyOptions, _ names: [String]) throws(TallyError) -> CopyOptions {
    try given.resolved(names) { wanted throws(TallyError) in
      try checkNames(wanted, among: names) { "column \"\($0)\" does not exist" }
    }
  }
  private func into(
    _ table: TableSchema,
    _ columns: [Int],
    _ options: CopyOptions,
    _ context: PlanningContext
  ) throws(TallyError) -> CopyInPlan {
    var defaults: [Value] = []
    var late: [CopyInPlan.Late] = []
    for (at, column) in table.columns.enumerated() {
      let expression = columns.contains(at) ? .constant(column.type, .null) : try DefaultValue.expression(of: column, context: context)
      if let value = expression.constantValue {
        defaults.append(value)
      } else {
        guard at != table.distribution.tenantKey else {
          throw .sql("0A000", "COPY without column \"\(column.name)\", the distribution column, is not supported")
        }
        late.append(CopyInPlan.Late(column: at, expression: expression))
        defaults.append(column.type.emptyValue)
      }
    }
    return CopyInPlan(
      table: table,
      key: table.distribution.tenantKey,
      columns: columns,
      defaults: defaults,
      options: options,
      late: late,
      zone: context.zone
    )
  }
  /// `SELECT a, b FROM t`, through the parser, so that it is planned as any query is.
  private func select(_ names: [String], _ table: TableSchema, _ context: PlanningContext) throws(TallyError) -> DistributedPlan {
    func quoted(_ name: String) -> String {
      "\"" + name.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
    }
    let text = "SELECT \(names.map(quoted).joined(separator: ", ")) FROM \(quoted(table.schemaName)).\(quoted(table.name))"
    guard case .select(let query)? = try parse(text).first?.statement else {
      throw TallyError(.internalError, "the query of a COPY is none: \(text)")
    }
    return try planSelect(query, catalog: catalog, context: context)
  }
  private static func columns(_ names: [String]?, _ table: TableSchema) throws(TallyError) -> [Int] {
    guard let names else { return table.liveColumns }
    var result: [Int] = []
    for name in names {
      guard let index = table.columnIndex(name) else {
        throw .sql("42703", "column \"\(name)\" of relation \"\(table.name)\" does not exist")
      }
      guard !result.contains(index) else { throw .sql("42701", "column \"\(name)\" specified more than once") }
      result.append(index)
    }
    return result
  }
  private static func checkNames(
    _ wanted: [String],
    among names: [String],
    _ missing: (String) -> String
  ) throws(TallyError) {
    for (at, name) in wanted.enumerated() {
      guard names.contains(name) else { throw .sql("42703", missing(name)) }
      guard !wanted[..<at].contains(name) else { throw .sql("42701", "column \"\(name)\" specified more than once") }
    }
  }
}
