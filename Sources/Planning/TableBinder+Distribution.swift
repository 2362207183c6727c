// TableBinder+Distribution.swift — create_distributed_table, create_reference_table and other functions that change where a table lies.
import Model
import SQL

extension TableBinder {
  /// A function that changes what the catalog says of a table.
  func bind(_ utility: CatalogCall) throws(TallyError) -> BoundStatement {
    switch utility.call.name {
    case "create_distributed_table": return .distributeTable(try distribute(utility))
    default: break
    }
    let arguments = utility.call.arguments + utility.call.namedArguments.filter { $0.name.name == "table_name" }.map(\.value)
    guard let argument = arguments.first, let name = try text(argument) else {
      throw .sql("42883", "\(utility.call.name) needs a table", position: utility.position)
    }
    guard let table = catalog.table(named: name) else {
      throw .sql("42P01", "relation \"\(name)\" does not exist", position: argument.position)
    }
    let isSpread = table.distribution.kind != "local"
    // Every local table is known to all coordinators.
    if utility.call.name == "citus_add_local_table_to_metadata" { return .accepted }
    // The rows that a table had before it was distributed have gone with it.
    if utility.call.name == "truncate_local_data_after_distributing_table" {
      guard isSpread else { throw .sql("42809", "supplied parameter is not a distributed relation", position: utility.position) }
      return .accepted
    }
    if utility.call.name == "undistribute_table" {
      try requireOwnRows(table, utility.call.name, utility.position)
      guard isSpread else {
        throw .sql("55000", "cannot undistribute table because the table is not distributed", position: utility.position)
      }
      return .localTable(table.id)
    }
    try requireLocal(table, "create_reference_table", utility.position)
    return .referenceTable(table.id)
  }
  /// Refuses to spread a table that is spread already, or whose rows cannot go elsewhere.
  private func requireLocal(_ table: TableSchema, _ what: String, _ position: Int) throws(TallyError) {
    switch table.distribution {
    case .local, .single(_, isReference: false): try requireOwnRows(table, what, position)
    case .distributed, .single: throw .sql("42P16", "table \"\(table.name)\" is already distributed", position: position)
    }
  }
  /// Refuses to take rows to other shards that others depend on being where they are.
  private func requireOwnRows(_ table: TableSchema, _ what: String, _ position: Int) throws(TallyError) {
    if table.isTemporary { throw .sql("0A000", "\(what) of a temporary table is not supported", position: position) }
    if table.isMaterialized {
      throw .sql("42809", "\"\(table.name)\" is not a regular, foreign or partitioned table", position: position)
    }
    if let rollup = catalog.rollups.first(where: { $0.source == table.id }) {
      throw .sql(
        "0A000",
        "\(what) of table \"\(table.name)\", whose rows rollup \"\(rollup.name)\" counts, is not supported",
        hint: "Drop the rollup first.",
        position: position
      )
    }
    try ConstraintBinder(catalog: catalog, context: context).checkUnbound(table, what, position)
  }
  func distribute(_ utility: CatalogCall) throws(TallyError) -> DistributeTablePlan {
    let call = utility.call
    let parameters = ["table_name", "distribution_column", "distribution_type", "colocate_with", "shard_count", "copies"]
    var given: [String: ExpressionSyntax] = [:]
    guard call.arguments.count <= parameters.count else {
      throw .sql("42883", "function create_distributed_table has at most \(parameters.count) arguments", position: utility.position)
    }
    for (name, argument) in zip(parameters, call.arguments) { given[name] = argument }
    for (name, value) in call.namedArguments {
      guard parameters.contains(name.name), given[name.name] == nil else {
        throw .sql(
          "42883",
          "create_distributed_table has no further argument \"\(name.name)\"",
          hint: "Arguments: \(parameters.joined(separator: ", ")).",
          position: name.position
        )
      }
      given[name.name] = value
    }
    guard let tableName = try text(given["table_name"]), let columnName = try text(given["distribution_column"]) else {
      throw .sql(
        "42883",
        "create_distributed_table needs a table and a column",
        hint: "SELECT create_distributed_table('table', 'column')",
        position: utility.position
      )
    }
    guard let table = catalog.table(named: tableName) else {
      throw .sql("42P01", "relation \"\(tableName)\" does not exist", position: given["table_name"]?.position)
    }
    try requireLocal(table, "create_distributed_table", utility.position)
    guard let key = table.columnIndex(columnName) else {
      throw .sql(
        "42703",
        "column \"\(columnName)\" of relation \"\(tableName)\" does not exist",
        position: given["distribution_column"]?.position
      )
    }
    guard let family = TenantKey.family(table.columns[key].type) else {
      throw .sql(
        "0A000",
        "a tenant key of type \(table.columns[key].type.name) is not supported",
        hint: "Use an integer or text column.",
        position: given["distribution_column"]?.position
      )
    }
    try ConstraintBinder.checkTenantKey(table, key, position: given["distribution_column"]?.position)
    if let kind = try text(given["distribution_type"]), kind != "hash" {
      throw .sql("0A000", "distribution type \"\(kind)\" is not supported", position: given["distribution_type"]?.position)
    }
    var result = DistributeTablePlan(
      table: table.id,
      key: key,
      colocation: .automatic,
      shardCount: context.defaultShardCount
    )
    if let count = given["shard_count"], let number = try integer(count) {
      guard (1...Limits.shardsMax).contains(number) else {
        throw .sql("22023", "shard_count must be between 1 and \(Limits.shardsMax)", position: count.position)
      }
      result.shardCount = number
    }
    if let count = given["copies"], let number = try integer(count) {
      guard (0...ColocationGroup.copiesMax).contains(number) else {
        throw .sql(
          "22023",
          "copies must be between 1 and \(ColocationGroup.copiesMax), or 0 for automatic",
          position: count.position
        )
      }
      result.copies = number
    }
    if let other = try text(given["colocate_with"]), other != "default" {
      let counted = given["shard_count"] != nil || given["copies"] != nil
      result.colocation = try colocation(other, family, given["colocate_with"]?.position, hasCount: counted)
    }
    return result
  }
  private func colocation(
    _ other: String,
    _ family: DataType,
    _ position: Int?,
    hasCount: Bool
  ) throws(TallyError) -> DistributeTablePlan.Colocation {
    if other == "none" { return .none }
    guard let table = catalog.table(named: other) else {
      throw .sql("42P01", "relation \"\(other)\" does not exist", position: position)
    }
    guard case .distributed(let key, _) = table.distribution else { throw Relations.notDistributed(table, position) }
    guard TenantKey.family(table.columns[key].type) == family else {
      throw .sql(
        "22023",
        "cannot colocate with table \"\(other)\"",
        detail: "Their tenant keys differ in type.",
        position: position
      )
    }
    guard !hasCount else {
      throw .sql("22023", "shard_count and copies cannot be given together with colocate_with a table", position: position)
    }
    return .table(table.id)
  }
  private func constant(_ syntax: ExpressionSyntax, _ type: DataType) throws(TallyError) -> Value {
    let binder = ExpressionBinder(scope: .empty, context: context)
    binder.clause = .values
    let bound = try binder.coerce(try binder.bind(syntax), to: type, at: syntax.position)
    guard let value = bound.constantValue else {
      throw .sql("0A000", "arguments that are no constants are not supported", position: syntax.position)
    }
    return value
  }
  private func text(_ syntax: ExpressionSyntax?) throws(TallyError) -> String? {
    guard let syntax, case .text(let text) = try constant(syntax, .text) else { return nil }
    return text
  }
  private func integer(_ syntax: ExpressionSyntax) throws(TallyError) -> Int? {
    guard case .fixed(let number) = try constant(syntax, .integer) else { return nil }
    return Int(number)
  }
}
