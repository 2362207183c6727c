// TableBinder.swift — CREATE and DROP TABLE, DROP MATERIALIZED VIEW. Where tables lie: TableBinder+Distribution.swift.
public import Model
import SQL

struct TableBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  // MARK: CREATE TABLE

  func createTable(_ syntax: CreateTableSyntax) throws(TallyError) -> CreateTablePlan {
    let schema = try catalog.schema(for: syntax.table, isTemporary: syntax.temporary != nil)
    if !syntax.ifNotExists { try Self.checkFree(syntax.table.name, catalog, in: schema) }
    guard !syntax.columns.isEmpty || !syntax.likes.isEmpty else {
      throw .sql("0A000", "a table without columns is not supported", position: syntax.table.position)
    }
    guard syntax.columns.count <= Limits.columnsMax else {
      throw .sql("54011", "tables can have at most \(Limits.columnsMax) columns", position: syntax.table.position)
    }
    var columns: [Column] = []
    var serials: [(column: Int, options: [SequenceOption])] = []
    var checks: [TableCheck] = []
    var constraints = syntax.constraints
    for (place, column) in syntax.columns.enumerated() {
      for like in syntax.likes where like.place == place { try take(like, &columns, &checks, &constraints) }
      guard !columns.contains(where: { $0.name == column.name.name }) else {
        throw .sql("42701", "column \"\(column.name.name)\" specified more than once")
      }
      let serial = SequenceBinder.serialType(column.type.name)
      if serial != nil, column.type.isArray {
        throw .sql("0A000", "array of serial is not implemented", position: column.type.position)
      }
      let type = if let serial { serial } else { try TypeBinding.type(column.type) }
      if type == .hllHashval {
        throw .sql("0A000", "a column of type hll_hashval is not supported", hint: "Use bigint.", position: column.type.position)
      }
      if let value = column.defaultValue {
        _ = try DefaultValue.bind(value, name: column.name.name, type: type, context: context)
      }
      if serial != nil || column.identity != nil {
        try checkGenerated(column, type, isSerial: serial != nil, syntax)
        serials.append((columns.count, column.identity?.options ?? []))
      }
      columns.append(
        Column(
          name: column.name.name,
          type: type,
          isNotNull: column.isNotNull || serial != nil || column.identity != nil,
          defaultSQL: try DefaultValue.kept(column.defaultText, name: column.name.name, type: type, context: context),
          identity: column.identity?.kind ?? .none
        )
      )
    }
    for like in syntax.likes where like.place >= syntax.columns.count { try take(like, &columns, &checks, &constraints) }
    guard columns.count <= Limits.columnsMax else {
      throw .sql("54011", "tables can have at most \(Limits.columnsMax) columns", position: syntax.table.position)
    }
    var table = TableSchema(id: TableID(0), schemaName: schema, name: syntax.table.name, columns: columns)
    table.checks = checks
    var sequences: [SequenceRecord] = []
    let sequenceBinder = SequenceBinder(catalog: catalog, context: context)
    for serial in serials {
      let made = try sequenceBinder.owned(by: columns[serial.column], number: serial.column, of: table, options: serial.options) { name in
        name == table.name || sequences.contains { $0.name == name } || catalog.isRelation(name, in: table.schemaName)
      }
      sequences.append(made.sequence)
      table.columns[serial.column].defaultSQL = made.defaultSQL
    }
    try ConstraintBinder(catalog: catalog, context: context).add(constraints, to: &table)
    try apply(syntax.options, to: &table, at: syntax.table.position)
    var notices: [String] = []
    if let column = syntax.partitioned {
      try slice(&table, by: column)
      notices.append("table \"\(table.name)\" has no partitions: it is sliced by the day of \"\(column.name)\" by itself")
    }
    if table.timeColumn == nil { table.timeColumn = columns.firstIndex { $0.type.isTime } }
    if table.keep != nil, table.timeColumn == nil { throw Self.keepsNothing(syntax.table.position) }
    return CreateTablePlan(
      table: table,
      ifNotExists: syntax.ifNotExists,
      sequences: sequences,
      onCommit: syntax.temporary ?? .preserveRows,
      notices: notices
    )
  }
  /// PARTITION BY RANGE of a time: what that is for is done for every table by its time column.
  private func slice(_ table: inout TableSchema, by column: NameSyntax) throws(TallyError) {
    guard let index = table.columnIndex(column.name) else {
      throw .sql("42703", "column \"\(column.name)\" named in partition key does not exist", position: column.position)
    }
    guard table.columns[index].type.isTime, table.timeColumn == nil || table.timeColumn == index else {
      throw .sql(
        "0A000",
        "PARTITION BY RANGE of a column that is not the table's time is not supported",
        hint: "Partition by a date, timestamp or timestamptz.",
        position: column.position
      )
    }
    table.timeColumn = index
  }
  /// Takes over what LIKE names of another table: names, types and NOT NULL, and what it says to include.
  private func take(
    _ like: CreateTableSyntax.Like,
    _ columns: inout [Column],
    _ checks: inout [TableCheck],
    _ constraints: inout [ConstraintSyntax]
  ) throws(TallyError) {
    guard let other = catalog.table(like.table) else {
      throw .sql("42P01", "relation \"\(like.table.name)\" does not exist", position: like.table.position)
    }
    for column in other.liveColumns.map({ other.columns[$0] }) {
      guard !columns.contains(where: { $0.name == column.name }) else {
        throw .sql("42701", "column \"\(column.name)\" specified more than once")
      }
      // An identity's numbers are the other table's own.
      let hasDefault = like.hasDefaults && column.identity == .none
      columns.append(
        Column(name: column.name, type: column.type, isNotNull: column.isNotNull, defaultSQL: hasDefault ? column.defaultSQL : nil)
      )
    }
    if like.hasChecks { checks += other.checks }
    guard like.hasKeys else { return }
    for key in other.keys {
      let names = key.columns.map { NameSyntax(name: other.columns[$0].name, position: like.table.position) }
      constraints.append(
        ConstraintSyntax(name: nil, kind: key.isPrimary ? .primaryKey(names) : .unique(names), column: nil, position: like.table.position)
      )
    }
  }
  private static func keepsNothing(_ position: Int) -> TallyError {
    .sql("22023", "option \"keep\" needs a column of type date, timestamp or timestamptz", position: position)
  }
  /// Sets the options of WITH (…) or ALTER TABLE … SET (…).
  func apply(_ options: [OptionSyntax], to table: inout TableSchema, at position: Int = 1) throws(TallyError) {
    for option in options {
      switch option.name.name {
      case "time":
        guard let name = option.value, let index = table.columnIndex(name) else {
          throw .sql(
            "42703",
            "column \"\(option.value ?? "")\" named in option \"time\" does not exist",
            position: option.name.position
          )
        }
        guard table.columns[index].type.isTime else {
          throw .sql(
            "42804",
            "time column \"\(name)\" must be of type date, timestamp or timestamptz",
            position: option.name.position
          )
        }
        table.timeColumn = index
      case "keep": table.keep = try KeepText.parse(option.value ?? "", position: option.name.position)
      case "fillfactor":
        // How full PostgreSQL packs its pages (pgbench says 100): segments have none that are written again.
        guard let percent = option.value.flatMap({ Int($0) }), (10...100).contains(percent) else {
          throw .sql(
            "22023",
            "value \(option.value ?? "") out of bounds for option \"fillfactor\"",
            detail: "Valid values are between \"10\" and \"100\".",
            position: option.name.position
          )
        }
      default:
        throw .sql("22023", "unrecognized parameter \"\(option.name.name)\"", position: option.name.position)
      }
    }
    if table.keep != nil, table.timeColumn == nil, !table.columns.contains(where: { $0.type.isTime && !$0.isDropped }) {
      throw Self.keepsNothing(position)
    }
  }
  private func checkGenerated(
    _ column: CreateTableSyntax.Column,
    _ type: DataType,
    isSerial: Bool,
    _ syntax: CreateTableSyntax
  ) throws(TallyError) {
    let (name, table) = (column.name.name, syntax.table.name)
    if column.defaultValue != nil {
      let what = isSerial ? "multiple default values" : "both default and identity"
      throw .sql("42601", "\(what) specified for column \"\(name)\" of table \"\(table)\"", position: column.identity?.position)
    }
    if isSerial, column.identity != nil {
      throw .sql("42601", "both default and identity specified for column \"\(name)\" of table \"\(table)\"")
    }
    guard type.isInteger else {
      throw .sql("22023", "identity column type must be smallint, integer, or bigint")
    }
  }

  /// Refuses a name that a table, a rollup or a rollup's level has.
  static func checkFree(_ name: String, _ catalog: CatalogSnapshot, in schema: String = "public") throws(TallyError) {
    if catalog.isRelation(name, in: schema) { throw .sql("42P07", "relation \"\(name)\" already exists") }
  }

  // MARK: DROP

  func dropTable(_ syntax: DropSyntax) throws(TallyError) -> BoundStatement {
    var ids: [TableID] = []
    var notices: [String] = []
    for name in syntax.names {
      guard let table = catalog.table(name) else {
        if catalog.rollup(name) != nil {
          throw .sql("42809", "\"\(name.name)\" is not a table", hint: "Use DROP MATERIALIZED VIEW to remove a rollup.")
        }
        if catalog.view(name) != nil {
          throw .sql("42809", "\"\(name.name)\" is not a table", hint: "Use DROP VIEW to remove a view.")
        }
        guard syntax.ifExists else {
          throw .sql("42P01", "table \"\(name.name)\" does not exist", hint: partitionHint(name))
        }
        notices.append("table \"\(name.name)\" does not exist, skipping")
        continue
      }
      guard !table.isMaterialized else { throw ObjectBinder.notTable(name) }
      if let dependent = catalog.rollups.first(where: { $0.source == table.id }) {
        throw .sql(
          "2BP01",
          "cannot drop table \(name.name) because other objects depend on it",
          detail: "materialized view \(dependent.name) depends on table \(name.name)",
          hint: "DROP MATERIALIZED VIEW \(dependent.name) first."
        )
      }
      ids.append(table.id)
    }
    try refuseBroken("table", syntax) { $0.tables.removeAll { ids.contains($0.id) } }
    let dropped = catalog.tables.filter { ids.contains($0.id) }
    for other in catalog.tables where !ids.contains(other.id) {
      guard let reference = other.references.first(where: { ids.contains($0.table) }),
        let table = dropped.first(where: { $0.id == reference.table })
      else { continue }
      throw .sql(
        "2BP01",
        dropped.count == 1
          ? "cannot drop table \(table.name) because other objects depend on it"
          : "cannot drop desired object(s) because other objects depend on them",
        detail: "constraint \(reference.name) on table \(other.name) depends on table \(table.name)",
        hint: "Use DROP ... CASCADE to drop the dependent objects too."
      )
    }
    let bound = dropped.filter { table in table.references.contains { $0.table != table.id && ids.contains($0.table) } }
    if bound.isEmpty { return .dropTable(ids, notices: notices) }
    // They refer to one another: without that they go in any order.
    var plan = DefinitionPlan(tag: "DROP TABLE")
    plan.notices = notices.map { ("00000", $0) }
    for table in bound {
      var free = table
      free.references = []
      plan.steps.append(.alterTable(from: table, to: free, views: []))
    }
    plan.steps += ids.map { .dropTable($0) }
    return .define(plan)
  }
  /// What to do instead of dropping the partition of a time that a name means (`events_p2026_01_05`): deleting rows on the word of a name
  /// that is no relation's would be a guess.
  private func partitionHint(_ name: NameSyntax) -> String? {
    let text = name.name
    let place = text.indices.last { text[$0...].hasPrefix("_p") && text[$0...].dropFirst(2).first?.isNumber ?? false }
    guard let place else { return nil }
    var parent = name
    parent.name = String(text[..<place])
    guard let table = catalog.table(parent), let time = table.timeColumn else { return nil }
    let column = table.columns[time].name
    let delete = "DELETE FROM \(table.name) WHERE \(column) >= … AND \(column) < …"
    return "Table \"\(table.name)\" has no partitions: \(delete) removes the rows of a time."
  }
  func dropRollup(_ syntax: DropSyntax) throws(TallyError) -> BoundStatement {
    var ids: [TableID] = []
    // Materialized views that are none.
    var tables: [TableID] = []
    var notices: [String] = []
    for name in syntax.names {
      if let table = catalog.table(name), table.isMaterialized {
        tables.append(table.id)
        continue
      }
      guard let rollup = catalog.rollup(name) else {
        if catalog.table(name) != nil {
          throw .sql("42809", "\"\(name.name)\" is not a materialized view", hint: "Use DROP TABLE to remove a table.")
        }
        guard syntax.ifExists else { throw .sql("42P01", "materialized view \"\(name.name)\" does not exist") }
        notices.append("materialized view \"\(name.name)\" does not exist, skipping")
        continue
      }
      ids.append(rollup.id)
    }
    try refuseBroken("materialized view", syntax) { next in
      next.rollups.removeAll { ids.contains($0.id) }
      next.tables.removeAll { tables.contains($0.id) }
    }
    if tables.isEmpty { return .dropRollup(ids, notices: notices) }
    var plan = DefinitionPlan(tag: "DROP MATERIALIZED VIEW")
    plan.notices = notices.map { ("00000", $0) }
    plan.steps = ids.map { .dropRollup($0) } + tables.map { .dropTable($0) }
    return .define(plan)
  }
  /// Refuses to drop what views need.
  private func refuseBroken(_ kind: String, _ syntax: DropSyntax, _ drop: (inout CatalogSnapshot) -> Void) throws(TallyError) {
    guard !catalog.views.isEmpty || catalog.tables.contains(where: \.isMaterialized) else { return }
    var next = catalog
    drop(&next)
    let what = "\(kind) \(syntax.names.map(\.name).joined(separator: ", "))"
    try ObjectBinder.refuseBroken(what, "drop", catalog, under: next, context)
  }
}

/// Which types can be a tenant key, and which of them share shards.
public enum TenantKey {
  /// `.bigint` for integers, `.text` for texts: `ColocationGroup.keyType`; nil for other types.
  public static func family(_ type: DataType) -> DataType? {
    type.isInteger ? .bigint : type.isText ? .text : nil
  }
}

enum KeepText {
  /// A retention: an interval, or `forever` (nil).
  static func parse(_ text: String, position: Int) throws(TallyError) -> Interval? {
    let trimmed = text.trimmingBlanks
    if trimmed.lowercased() == "forever" { return nil }
    let interval: Interval
    do throws(TallyError) { interval = try IntervalText.parse(trimmed) } catch { throw error.at(position) }
    guard interval.span > 0 else {
      throw .sql("22023", "a retention must be greater than zero", hint: "Write '30 days' or 'forever'.", position: position)
    }
    return interval
  }
}

extension String {
  /// Without blanks at both ends.
  var trimmingBlanks: String {
    let isBlank = { (character: Character) in character == " " || character == "\t" || character == "\n" || character == "\r" }
    guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) }) else { return "" }
    return String(self[first...last])
  }
}
