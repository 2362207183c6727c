// ConstraintBinder.swift — PRIMARY KEY, UNIQUE, CHECK and FOREIGN KEY: what they name is found, and names are made up, as PostgreSQL does.
//
// The catalog keeps a CHECK's text; `TableChecks` binds it again where rows are checked. It must depend on the row alone.
public import Model
import SQL

/// Adds constraints to a table's definition.
struct ConstraintBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  /// Names while one statement's constraints are added.
  private struct Names {
    /// Written ones, and those made up so far: a name that is made up avoids them.
    var taken: Set<String>
    var madeUp: Set<String> = []
    /// Of keys that the table had before.
    let old: Set<String>
  }
  /// Adds constraints in written order, the primary key before all others. `table` has all its columns.
  func add(_ constraints: [ConstraintSyntax], to table: inout TableSchema) throws(TallyError) {
    var names = Names(taken: Set(constraints.compactMap(\.name)), old: Set(table.keys.map(\.name)))
    for constraint in constraints {
      guard case .primaryKey(let columns) = constraint.kind else { continue }
      try addKey(constraint, columns, isPrimary: true, to: &table, &names)
    }
    for constraint in constraints {
      switch constraint.kind {
      case .primaryKey, .foreignKey: break
      case .unique(let columns): try addKey(constraint, columns, isPrimary: false, to: &table, &names)
      case .check(let condition, let text): try addCheck(constraint, condition, text, to: &table, &names)
      }
    }
    // These may refer to keys of the same table.
    for constraint in constraints {
      guard case .foreignKey(let columns, let other, let referenced, let restricts) = constraint.kind else { continue }
      try addReference(constraint, columns, other, referenced, restricts, to: &table, &names)
    }
  }

  // MARK: References

  private func addReference(
    _ constraint: ConstraintSyntax,
    _ names: [NameSyntax],
    _ otherName: NameSyntax,
    _ referencedNames: [NameSyntax],
    _ restricts: ForeignKeyRestriction,
    to table: inout TableSchema,
    _ known: inout Names
  ) throws(TallyError) {
    let other = try referred(by: otherName, from: table)
    guard table.isTemporary == other.isTemporary else {
      let kind = table.isTemporary ? "temporary" : "permanent"
      throw .sql("42P16", "constraints on \(kind) tables may reference only \(kind) tables")
    }
    // The referencing ones may repeat.
    let columns = try numbers(names, of: table, mayRepeat: true)
    let keyColumns: [Int]
    if referencedNames.isEmpty {
      guard let primary = other.primaryKey else {
        throw .sql("42704", "there is no primary key for referenced table \"\(other.name)\"")
      }
      keyColumns = primary.columns
    } else {
      keyColumns = try numbers(referencedNames, of: other)
    }
    guard other.keys.contains(where: { Set($0.columns) == Set(keyColumns) && $0.columns.count == keyColumns.count }) else {
      throw .sql("42830", "there is no unique constraint matching given keys for referenced table \"\(other.name)\"")
    }
    guard columns.count == keyColumns.count else {
      throw .sql("42830", "number of referencing and referenced columns for foreign key disagree")
    }
    let name = constraint.name ?? free(table, columns.map { table.columns[$0].name }, "fkey", known.taken)
    for (own, key) in zip(columns, keyColumns) where !Self.areComparable(table.columns[own].type, other.columns[key].type) {
      throw .sql(
        "42804",
        "foreign key constraint \"\(name)\" cannot be implemented",
        detail: "Key columns \"\(table.columns[own].name)\" and \"\(other.columns[key].name)\" are of incompatible types: "
          + "\(table.columns[own].type.name) and \(other.columns[key].type.name)."
      )
    }
    if constraint.name != nil, constraintNames(table).contains(name) { throw Self.taken(name, table) }
    known.taken.insert(name)
    let reference = TableReference(
      name: name,
      columns: columns,
      table: other.id,
      keyColumns: keyColumns,
      restrictsUpdate: restricts.update,
      restrictsDelete: restricts.delete
    )
    try Self.checkTogether(table, other, reference, constraint.position)
    table.references.append(reference)
  }
  /// The table that a constraint refers to: perhaps the one that is being made.
  private func referred(by name: NameSyntax, from table: TableSchema) throws(TallyError) -> TableSchema {
    let isThere = table.isTemporary || catalog.searchPath.contains(table.schemaName)
    let isOwn = name.name == table.name && (name.schema.map { $0 == table.schemaName } ?? isThere)
    if isOwn, catalog.table(name).map({ $0.id == table.id }) ?? true { return table }
    guard let other = catalog.table(name), !other.isMaterialized else {
      if catalog.table(name) != nil || catalog.view(name) != nil || Relations.isRollup(name.name, catalog: catalog) {
        throw .sql("42809", "referenced relation \"\(name.name)\" is not a table")
      }
      throw .sql("42P01", "relation \"\(name.text)\" does not exist")
    }
    return other
  }
  private func numbers(_ names: [NameSyntax], of table: TableSchema, mayRepeat: Bool = false) throws(TallyError) -> [Int] {
    var numbers: [Int] = []
    for name in names {
      guard let column = table.columnIndex(name.name) else {
        throw .sql("42703", "column \"\(name.name)\" referenced in foreign key constraint does not exist")
      }
      guard mayRepeat || !numbers.contains(column) else {
        throw .sql("42830", "foreign key referenced-columns list must not contain duplicates")
      }
      numbers.append(column)
    }
    return numbers
  }
  /// Whether values of two types are equal when their columns' values are.
  private static func areComparable(_ a: DataType, _ b: DataType) -> Bool {
    a == b || a.isInteger && b.isInteger || a.isText && b.isText
  }
  /// Refuses references between rows that do not lie on the same shard: nobody could check them in one step.
  static func checkTogether(
    _ table: TableSchema,
    _ other: TableSchema,
    _ reference: TableReference,
    _ position: Int? = nil
  ) throws(TallyError) {
    let areTogether =
      switch (table.distribution, other.distribution) {
      case (.local, .local), (.local, .single(_, isReference: false)), (.single(_, isReference: false), .local): true
      case (.single(let own, _), .single(let group, _)): own == group
      case (.distributed(let tenant, let own), .distributed(let otherTenant, let group)):
        own == group && zip(reference.columns, reference.keyColumns).contains { $0 == tenant && $1 == otherTenant }
      default: false
      }
    guard areTogether else {
      throw .sql(
        "0A000",
        "cannot create foreign key constraint \"\(reference.name)\": rows of \"\(table.name)\" and \"\(other.name)\" do not lie on the same shard",
        detail: "\"\(table.name)\" is a \(table.distribution.kind) table, \"\(other.name)\" a \(other.distribution.kind) one.",
        hint:
          "Both must be local tables, or reference tables, or distributed in one colocation group with the distribution columns among those"
          + " that refer to each other.",
        position: position
      )
    }
    guard other.keep == nil else {
      throw .sql(
        "0A000",
        "a foreign key to table \"\(other.name)\", whose rows expire, is not supported",
        hint: "ALTER TABLE \"\(other.name)\" RESET (keep), or leave the constraint out.",
        position: position
      )
    }
  }
  /// Refuses to take a table to other shards when references bind it to those of other tables.
  func checkUnbound(_ table: TableSchema, _ what: String, _ position: Int) throws(TallyError) {
    let bound = table.references.first ?? catalog.tables.flatMap(\.references).first { $0.table == table.id }
    guard let bound else { return }
    throw .sql(
      "0A000",
      "\(what) of table \"\(table.name)\", which foreign key constraint \"\(bound.name)\" binds to another, is not supported",
      hint: "Create the tables and distribute them first, and ALTER TABLE … ADD CONSTRAINT afterwards.",
      position: position
    )
  }
  /// What refers to a key of a table, or to its column with that number; nil when nothing does.
  func dependent(on table: TableSchema, _ isMeant: (TableReference) -> Bool) -> (table: TableSchema, reference: TableReference)? {
    for other in catalog.tables {
      if let found = other.references.first(where: { $0.table == table.id && isMeant($0) }) { return (other, found) }
    }
    return nil
  }

  // MARK: Keys

  private func addKey(
    _ constraint: ConstraintSyntax,
    _ names: [NameSyntax],
    isPrimary: Bool,
    to table: inout TableSchema,
    _ known: inout Names
  ) throws(TallyError) {
    let position = constraint.position
    if isPrimary, table.primaryKey != nil {
      throw .sql("42P16", "multiple primary keys for table \"\(table.name)\" are not allowed", position: position)
    }
    var columns: [Int] = []
    for name in names {
      guard let column = table.columnIndex(name.name) else {
        throw .sql("42703", "column \"\(name.name)\" named in key does not exist", position: position)
      }
      guard !columns.contains(column) else {
        let what = isPrimary ? "primary key" : "unique"
        throw .sql("42701", "column \"\(name.name)\" appears twice in \(what) constraint", position: position)
      }
      try checkKeyType(table.columns[column].type)
      columns.append(column)
    }
    // The same columns twice in one statement are one key, under the first name that is written. Keys that the table had stay.
    if let at = table.keys.firstIndex(where: { $0.columns == columns && !known.old.contains($0.name) }) {
      if let name = constraint.name, known.madeUp.contains(table.keys[at].name) { table.keys[at].name = name }
      return
    }
    let shown = isPrimary ? nil : columns.map { table.columns[$0].name }
    let name = constraint.name ?? free(table, shown, isPrimary ? "pkey" : "key", known.taken)
    if constraint.name != nil {
      if constraintNames(table).contains(name) { throw Self.taken(name, table) }
      if isRelation(name, table) { throw .sql("42P07", "relation \"\(name)\" already exists") }
    }
    known.taken.insert(name)
    if constraint.name == nil { known.madeUp.insert(name) }
    let key = TableKey(name: name, columns: columns, isPrimary: isPrimary)
    table.keys.insert(key, at: isPrimary ? 0 : table.keys.count)
    if isPrimary { for column in columns { table.columns[column].isNotNull = true } }
  }
  private func checkKeyType(_ type: DataType) throws(TallyError) {
    guard ExpressionCheck.isComparable(ExpressionCheck.family(type)), ExpressionCheck.family(type) != .hash else {
      throw .sql(
        "42704",
        "data type \(type.name) has no default operator class for access method \"btree\"",
        hint: "You must specify an operator class for the index or define a default operator class for the data type."
      )
    }
  }
  /// Refuses keys that one shard alone cannot keep: they must contain the tenant key.
  static func checkTenantKey(_ table: TableSchema, _ tenant: Int, position: Int? = nil) throws(TallyError) {
    guard let key = table.keys.first(where: { !$0.columns.contains(tenant) }) else { return }
    let columns = key.columns.map { table.columns[$0].name }.joined(separator: ", ")
    throw .sql(
      "0A000",
      "cannot create constraint on \"\(table.name)\"",
      detail: "\(key.isPrimary ? "Primary key" : "Unique key") \"\(key.name)\" (\(columns)) lacks the distribution column "
        + "\"\(table.columns[tenant].name)\": rows of several shards would have to be compared.",
      hint: "Add the distribution column to the key, or make the table a reference or local table.",
      position: position
    )
  }

  // MARK: Checks

  private func addCheck(
    _ constraint: ConstraintSyntax,
    _ condition: ExpressionSyntax,
    _ text: String,
    to table: inout TableSchema,
    _ known: inout Names
  ) throws(TallyError) {
    let bound = try TableChecks.bind(condition, table, context)
    let columns = bound.columnsRead.sorted()
    let shown = columns.count == 1 ? [table.columns[columns[0]].name] : nil
    let name = constraint.name ?? free(table, shown, "check", known.taken)
    if constraint.name != nil, constraintNames(table).contains(name) {
      throw .sql("42710", "check constraint \"\(name)\" already exists")
    }
    known.taken.insert(name)
    table.checks.append(TableCheck(name: name, sql: try TableChecks.kept(text, table, context)))
  }

  // MARK: Names

  private static func taken(_ name: String, _ table: TableSchema) -> TallyError {
    .sql("42710", "constraint \"\(name)\" for relation \"\(table.name)\" already exists")
  }
  private func constraintNames(_ table: TableSchema) -> Set<String> {
    Set(table.keys.map(\.name) + table.checks.map(\.name) + table.references.map(\.name))
  }
  /// Whether a relation, an index among them, has that name in the table's schema.
  private func isRelation(_ name: String, _ table: TableSchema) -> Bool {
    let schema = table.schemaName
    return name == table.name || table.keys.contains { $0.name == name } || table.indexes.contains { $0.name == name }
      || catalog.isRelation(name, in: schema)
  }
  /// `table_columns_label`, with a number behind it when it is taken.
  private func free(_ table: TableSchema, _ columns: [String]?, _ label: String, _ named: Set<String>) -> String {
    ObjectNames.free(table.name, columns.map { $0.joined(separator: "_") }, label) { name in
      named.contains(name) || constraintNames(table).contains(name) || isRelation(name, table)
        || catalog.tables.contains { other in
          other.schemaName == table.schemaName
            && (other.checks.contains { $0.name == name } || other.references.contains { $0.name == name })
        }
    }
  }
}

/// CHECK constraints as expressions.
public enum TableChecks {
  /// The table's checks over its columns; bound of their texts, without a coordinator's functions.
  public static func bound(_ table: TableSchema) throws(TallyError) -> [ModifyProgram.Check] {
    var result: [ModifyProgram.Check] = []
    for check in table.checks {
      let syntax = try expression(check.sql, what: "check constraint \"\(check.name)\" of table \"\(table.name)\"")
      result.append(ModifyProgram.Check(name: check.name, condition: try bind(syntax, table, PlanningContext(now: 0))))
    }
    return result
  }
  /// Parses the text of an expression that the catalog keeps.
  static func expression(_ text: String, what: String) throws(TallyError) -> ExpressionSyntax {
    guard case .select(let select)? = try parse("SELECT \(text)").first?.statement, case .plain(let plain) = select.body,
      let item = plain.items.first
    else { throw TallyError(.internalError, "the text of \(what) is no expression") }
    return item.expression
  }
  /// The text of a CHECK as the catalog keeps it: rows are checked under UTC, so a time without an offset gets that of the session, and
  /// what a time zone decides is refused: what differs between UTC and a zone an hour from it. A cut to minutes does not.
  static func kept(_ text: String, _ table: TableSchema, _ context: PlanningContext) throws(TallyError) -> String {
    var context = context
    context.routines = [:]
    let settled: String
    do throws(TallyError) {
      settled = try LastingText.expression(text, context) { syntax, own throws(TallyError) in _ = try bind(syntax, table, own) }
    } catch {
      guard error.sqlState == "42883" else { throw error }
      throw .sql("0A000", "a function of users in a CHECK is not supported", hint: "Write the expression that it is.")
    }
    let syntax = try expression(settled, what: "a check constraint")
    var keys: [[UInt8]] = []
    for zone in [ClockZone.utc, ClockZone.fixed(east: 3600)] {
      var own = context
      own.zone = zone
      keys.append(ExpressionFormat.key(try bind(syntax, table, own)))
    }
    guard keys[0] == keys[1] else { throw dependent(nil) }
    return context.zone.isUTC ? text : settled
  }
  private static func dependent(_ position: Int?) -> TallyError {
    .sql(
      "0A000",
      "a CHECK that depends on more than its row is not supported",
      hint: "Functions in a CHECK must be immutable: rows are checked when they are written, and never again.",
      position: position
    )
  }
  static func bind(_ syntax: ExpressionSyntax, _ table: TableSchema, _ context: PlanningContext) throws(TallyError) -> Expression {
    let binder = ExpressionBinder(scope: Scope(table: table, qualifier: table.name), context: context)
    binder.clause = .check
    let bound = try binder.boolean(syntax, "CHECK")
    guard !binder.usesStatementTime, !bound.isHosted else { throw dependent(syntax.position) }
    return bound
  }
}

/// Names that PostgreSQL makes up for constraints, indexes and sequences.
enum ObjectNames {
  /// `first_second_label`, or that with the least number behind it that makes it free.
  static func free(_ first: String, _ second: String?, _ label: String, isTaken: (String) -> Bool) -> String {
    var suffix = 0
    while true {
      let name = made(first, second, suffix == 0 ? label : "\(label)\(suffix)")
      if !isTaken(name) { return name }
      suffix += 1
    }
  }
  /// The parts joined, the longer of the first two cut until it all fits a name.
  private static func made(_ first: String, _ second: String?, _ label: String) -> String {
    var (a, b) = (Array(first.unicodeScalars), second.map { Array($0.unicodeScalars) })
    func bytes(_ scalars: [Unicode.Scalar]) -> Int { scalars.reduce(0) { $0 + UTF8.width($1) } }
    let room = Limits.nameBytesMax - label.utf8.count - 1 - (b == nil ? 0 : 1)
    while bytes(a) + bytes(b ?? []) > room {
      if bytes(a) > bytes(b ?? []) { a.removeLast() } else { b?.removeLast() }
    }
    func text(_ scalars: [Unicode.Scalar]) -> String {
      var view = String.UnicodeScalarView()
      view.append(contentsOf: scalars)
      return String(view)
    }
    return ([text(a)] + (b.map { [text($0)] } ?? []) + [label]).joined(separator: "_")
  }
}

extension CatalogSnapshot {
  /// Whether a table, view, sequence, rollup, level or index has that name in a schema.
  public func isRelation(_ name: String, in schema: String = "public") -> Bool {
    tables.contains { table in
      table.schemaName == schema
        && (table.name == name || table.keys.contains { $0.name == name } || table.indexes.contains { $0.name == name })
    } || views.contains { $0.schemaName == schema && $0.name == name } || sequences.contains { $0.schemaName == schema && $0.name == name }
      || rollups.contains { rollup in
        rollup.schemaName == schema && (rollup.name == name || rollup.levels.contains { "\(rollup.name)_\($0.suffix)" == name })
      }
  }
}

extension Scope {
  /// The columns of a table that can be named, under their own numbers from `first` on.
  init(table: TableSchema, qualifier: String?, hidden: String? = nil, first: Int = 0) {
    self.init()
    columns = Array(repeating: OutputColumn("", .bigint), count: first) + table.columns.map { OutputColumn($0.name, $0.type) }
    let live = table.liveColumns
    relations = [Relation(name: qualifier, hidden: hidden, columns: live.map { (table.columns[$0].name, $0 + first) })]
    visible = live.map { Visible(name: table.columns[$0].name, expression: .column($0 + first, table.columns[$0].type)) }
  }
}
