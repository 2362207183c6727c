// TableAlteration.swift — ALTER TABLE: actions one after the other on a copy of the table, then what its rows must meet.
//
// A column keeps its place for good: one that is dropped stays as a hole (`Column.isDropped`), one that is added has `Column.missing` in
// rows that were stored before. So no row is rewritten by any of this. What would need rewriting is refused.
import Model
import SQL

struct TableAlteration {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: AlterTableSyntax) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: "ALTER TABLE")
    guard let table = catalog.table(syntax.table) else {
      if Relations.isRollup(syntax.table.name, catalog: catalog) || catalog.view(syntax.table) != nil {
        throw .sql("42809", "\"\(syntax.table.name)\" is not a table")
      }
      guard syntax.ifExists else {
        throw .sql("42P01", "relation \"\(syntax.table.text)\" does not exist")
      }
      plan.notices.append(("00000", "relation \"\(syntax.table.name)\" does not exist, skipping"))
      return plan
    }
    guard !table.isMaterialized else { throw .sql("42809", "\"\(table.name)\" is not a table") }
    var next = table
    for action in syntax.actions {
      do throws(TallyError) { try apply(action, to: &next, from: table, &plan) } catch {
        // PostgreSQL binds an action when it carries it out, away from the text: only the type of a new column has its place there.
        var failure = error
        if case .addColumn = action, error.sqlState == "42704" {} else { failure.position = nil }
        throw failure
      }
    }
    if next == table { return plan }
    var after = catalog
    if let at = after.tables.firstIndex(where: { $0.id == table.id }) { after.tables[at] = next }
    try dropViews(cascading: syntax.actions, table, under: &after, &plan)
    let newKeys = next.keys.filter { key in !table.keys.contains { $0.columns == key.columns } }
    try change(table, to: next, newKeys: newKeys, &plan)
    return plan
  }
  /// Views that need a column that goes: CASCADE drops them.
  private func dropViews(
    cascading actions: [AlterTableSyntax.Action],
    _ table: TableSchema,
    under next: inout CatalogSnapshot,
    _ plan: inout DefinitionPlan
  ) throws(TallyError) {
    let cascades = actions.contains { if case .dropColumn(_, _, true) = $0 { true } else { false } }
    while let view = ObjectBinder.broken(catalog, under: next, context).first {
      guard cascades else {
        throw .sql(
          "2BP01",
          "cannot alter table \(table.name) because other objects depend on it",
          detail: "view \(view.name) depends on a column of table \(table.name)",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      plan.notices.append(("00000", "drop cascades to \(ObjectBinder.drop(view, from: &next, &plan))"))
    }
  }

  private func apply(
    _ action: AlterTableSyntax.Action,
    to next: inout TableSchema,
    from table: TableSchema,
    _ plan: inout DefinitionPlan
  ) throws(TallyError) {
    switch action {
    case .addColumn(let column, let constraints, let ifNotExists):
      try add(column, constraints, ifNotExists, to: &next, &plan)
    case .dropColumn(let name, let ifExists, _): try drop(name, ifExists, from: &next, &plan)
    case .setDefault(let name, let value, let text):
      let at = try column(name, next)
      guard next.columns[at].identity == .none else {
        throw .sql("42601", "column \"\(name.name)\" of relation \"\(next.name)\" is an identity column")
      }
      if let value { _ = try DefaultValue.bind(value, name: name.name, type: next.columns[at].type, context: context) }
      next.columns[at].defaultSQL = try DefaultValue.kept(text, name: name.name, type: next.columns[at].type, context: context)
    case .setNotNull(let name, let isNotNull):
      let at = try column(name, next)
      if !isNotNull {
        if next.primaryKey?.columns.contains(at) == true {
          throw .sql("42P16", "column \"\(name.name)\" is in a primary key")
        }
        if next.distribution.tenantKey == at {
          throw .sql("0A000", "the tenant key \"\(name.name)\" cannot be NULL")
        }
        if next.columns[at].identity != .none {
          throw .sql("42601", "column \"\(name.name)\" of relation \"\(next.name)\" is an identity column")
        }
      }
      next.columns[at].isNotNull = isNotNull
    case .setType(let name, let type, let hasUsing):
      let at = try column(name, next)
      let wanted = try TypeBinding.type(type)
      if wanted == next.columns[at].type, !hasUsing { return }
      throw .sql(
        "0A000",
        "changing the type of column \"\(name.name)\" from \(next.columns[at].type.name) to \(wanted.name) is not supported",
        hint: "ADD a column of the new type, UPDATE it, DROP the old one, RENAME the new one."
      )
    case .addConstraint(let constraint):
      try ConstraintBinder(catalog: catalog, context: context).add([constraint], to: &next)
      if let tenant = next.distribution.tenantKey { try ConstraintBinder.checkTenantKey(next, tenant) }
    case .dropConstraint(let name, let ifExists):
      if let at = next.keys.firstIndex(where: { $0.name == name.name && !$0.isIndex }) {
        try refuseReferred(next.keys[at], of: next, "constraint")
        next.keys.remove(at: at)
      } else if let at = next.references.firstIndex(where: { $0.name == name.name }) {
        next.references.remove(at: at)
      } else if let at = next.checks.firstIndex(where: { $0.name == name.name }) {
        next.checks.remove(at: at)
      } else {
        guard ifExists else {
          throw .sql("42704", "constraint \"\(name.name)\" of relation \"\(next.name)\" does not exist")
        }
        plan.notices.append(("00000", "constraint \"\(name.name)\" of relation \"\(next.name)\" does not exist, skipping"))
      }
    case .setOptions(let options, let isReset):
      guard !isReset else {
        for option in options {
          guard option.name.name == "keep" else {
            throw .sql("22023", "unrecognized parameter \"\(option.name.name)\"")
          }
          next.keep = nil
        }
        return
      }
      if let time = options.first(where: { $0.name.name == "time" }), time.value != next.timeColumn.map({ next.columns[$0].name }) {
        throw .sql(
          "0A000",
          "changing the time column of a table is not supported",
          hint: "Stored rows are sliced by it."
        )
      }
      try TableBinder(catalog: catalog, context: context).apply(options, to: &next)
      if next.keep != nil, let (other, reference) = binder.dependent(on: next, { _ in true }) {
        throw .sql(
          "0A000",
          "rows of table \"\(next.name)\" cannot expire: constraint \"\(reference.name)\" of table \"\(other.name)\" refers to them",
          hint: "ALTER TABLE \"\(other.name)\" DROP CONSTRAINT \"\(reference.name)\" first."
        )
      }
    case .owner(let role):
      // Throws 42704 for a role that is not there.
      if !role.isEmpty { _ = try context.system?.lookUp(role, as: .regrole) }
    }
  }
  private var binder: ConstraintBinder { ConstraintBinder(catalog: catalog, context: context) }
  /// 2BP01 when other rows refer to a key that goes.
  func refuseReferred(_ key: TableKey, of table: TableSchema, _ what: String) throws(TallyError) {
    let isNeeded = { (reference: TableReference) in
      Set(reference.keyColumns) == Set(key.columns)
        && !table.keys.contains { $0.name != key.name && Set($0.columns) == Set(key.columns) }
    }
    guard let (other, reference) = binder.dependent(on: table, isNeeded) else { return }
    throw .sql(
      "2BP01",
      "cannot drop \(what) \(key.name)\(what == "index" ? "" : " on table \(table.name)") because other objects depend on it",
      detail: "constraint \(reference.name) on table \(other.name) depends on index \(key.name)",
      hint: "Use DROP ... CASCADE to drop the dependent objects too."
    )
  }
  private func column(_ name: NameSyntax, _ table: TableSchema) throws(TallyError) -> Int {
    guard let at = table.columnIndex(name.name) else {
      throw .sql("42703", "column \"\(name.name)\" of relation \"\(table.name)\" does not exist")
    }
    return at
  }

  // MARK: Columns

  private func add(
    _ syntax: CreateTableSyntax.Column,
    _ constraints: [ConstraintSyntax],
    _ ifNotExists: Bool,
    to table: inout TableSchema,
    _ plan: inout DefinitionPlan
  ) throws(TallyError) {
    let name = syntax.name.name
    if table.columnIndex(name) != nil {
      let message = "column \"\(name)\" of relation \"\(table.name)\" already exists"
      guard ifNotExists else { throw .sql("42701", message) }
      plan.notices.append(("42701", message + ", skipping"))
      return
    }
    guard table.columns.count < Limits.columnsMax else {
      throw .sql("54011", "tables can have at most \(Limits.columnsMax) columns")
    }
    guard SequenceBinder.serialType(syntax.type.name) == nil, syntax.identity == nil else {
      throw .sql(
        "0A000",
        "adding a column that gives numbers by itself is not supported",
        hint: "CREATE SEQUENCE, then ADD COLUMN, then ALTER COLUMN … SET DEFAULT nextval('…')."
      )
    }
    let type = try TypeBinding.type(syntax.type)
    if type == .hllHashval {
      throw .sql("0A000", "a column of type hll_hashval is not supported", hint: "Use bigint.")
    }
    var column = Column(name: name, type: type, isNotNull: syntax.isNotNull)
    column.defaultSQL = try DefaultValue.kept(syntax.defaultText, name: name, type: type, context: context)
    if let value = syntax.defaultValue {
      // As PostgreSQL does, a default that is the same for all rows is theirs from now on; one that is not would be each row's own.
      let bound = try DefaultValue.bind(value, name: name, type: type, context: context)
      if let constant = bound.constantValue {
        if !constant.isNull { column.missing = ValueText.print(constant, as: type) }
      } else {
        plan.steps.append(
          .require(
            RowCheck(
              select: try query("SELECT 1 FROM \(Self.quoted(table)) LIMIT 1"),
              error: .sql(
                "0A000",
                "a default that differs from row to row is not supported for a column that is added to rows",
                hint: "ADD the column, then ALTER COLUMN … SET DEFAULT, then UPDATE."
              )
            )
          )
        )
      }
    }
    table.columns.append(column)
    try ConstraintBinder(catalog: catalog, context: context).add(constraints, to: &table)
    if let tenant = table.distribution.tenantKey { try ConstraintBinder.checkTenantKey(table, tenant) }
  }
  private func drop(
    _ name: NameSyntax,
    _ ifExists: Bool,
    from table: inout TableSchema,
    _ plan: inout DefinitionPlan
  ) throws(TallyError) {
    guard let at = table.columnIndex(name.name) else {
      let message = "column \"\(name.name)\" of relation \"\(table.name)\" does not exist"
      guard ifExists else { throw .sql("42703", message) }
      plan.notices.append(("00000", message + ", skipping"))
      return
    }
    if table.distribution.tenantKey == at {
      throw .sql("0A000", "cannot drop the tenant key \"\(name.name)\" of a distributed table")
    }
    if table.timeColumn == at, table.distribution.group != nil {
      throw .sql(
        "0A000",
        "cannot drop the time column \"\(name.name)\": stored rows are sliced by it"
      )
    }
    guard table.liveColumns.count > 1 else {
      throw .sql("0A000", "a table without columns is not supported")
    }
    try refuseMentions(name.name, of: table, "drop column \(name.name) of table \(table.name)", isDrop: true)
    if let (other, reference) = binder.dependent(on: table, { $0.keyColumns.contains(at) }), other.id != table.id {
      throw .sql(
        "2BP01",
        "cannot drop column \(name.name) of table \(table.name) because other objects depend on it",
        detail: "constraint \(reference.name) on table \(other.name) depends on column \(name.name) of table \(table.name)",
        hint: "Use DROP ... CASCADE to drop the dependent objects too."
      )
    }
    let checks = try TableChecks.bound(table)
    // As in PostgreSQL, constraints and indexes of the column go with it.
    table.checks = zip(table.checks, checks).filter { !$1.condition.columnsRead.contains(at) }.map { $0.0 }
    table.keys.removeAll { $0.columns.contains(at) }
    table.references.removeAll { $0.columns.contains(at) || $0.table == table.id && $0.keyColumns.contains(at) }
    table.indexes.removeAll { $0.columns.contains(at) || Self.mentions(name.name, $0.sql) }
    if table.timeColumn == at { table.timeColumn = nil }
    table.columns[at].isDropped = true
    table.columns[at].isNotNull = false
    table.columns[at].defaultSQL = nil
    table.columns[at].identity = .none
    table.columns[at].missing = nil
    table.columns[at].name = "........pg.dropped.\(at + 1)........"
  }
  func rename(_ name: NameSyntax, to newName: String, _ table: inout TableSchema) throws(TallyError) {
    let at = try column(name, table)
    if table.columnIndex(newName) != nil {
      throw .sql("42701", "column \"\(newName)\" of relation \"\(table.name)\" already exists")
    }
    try refuseMentions(name.name, of: table, "rename column \(name.name) of table \(table.name)")
    let checks = try TableChecks.bound(table)
    if let check = zip(table.checks, checks).first(where: { $1.condition.columnsRead.contains(at) }) {
      throw .sql(
        "0A000",
        "renaming column \"\(name.name)\", which constraint \"\(check.0.name)\" names, is not supported",
        hint: "DROP CONSTRAINT first, and add it again afterwards."
      )
    }
    for index in table.indexes where Self.mentions(name.name, index.sql) {
      throw .sql(
        "0A000",
        "renaming column \"\(name.name)\", which index \"\(index.name)\" names, is not supported",
        hint: "DROP INDEX first, and create it again afterwards."
      )
    }
    table.columns[at].name = newName
  }
  /// Refuses what a rollup of the table names: its text is what it is read by.
  func refuseMentions(_ name: String, of table: TableSchema, _ what: String, isDrop: Bool = false) throws(TallyError) {
    guard let rollup = catalog.rollups.first(where: { $0.source == table.id && Self.mentions(name, $0.sql) }) else { return }
    throw .sql(
      isDrop ? "2BP01" : "0A000",
      "cannot \(what) because other objects depend on it",
      detail: "materialized view \(rollup.name) names it",
      hint: "DROP MATERIALIZED VIEW \(rollup.name) first."
    )
  }
  /// Whether a text has a word, in any case.
  static func mentions(_ word: String, _ text: String) -> Bool {
    var current = ""
    func isPart(_ character: Character) -> Bool { character.isLetter || character.isNumber || character == "_" || character == "$" }
    for character in text + " " {
      if isPart(character) {
        current.append(character)
      } else {
        if current.lowercased() == word.lowercased() { return true }
        current = ""
      }
    }
    // A quoted name may hold anything.
    return !word.allSatisfy(isPart) && text.lowercased().split(separator: "\"").contains { $0 == word.lowercased() }
  }

  // MARK: Rows

  /// The change of a table, with what its rows must meet for it.
  func change(_ table: TableSchema, to next: TableSchema, newKeys: [TableKey], _ plan: inout DefinitionPlan) throws(TallyError) {
    if let tenant = next.distribution.tenantKey { try ConstraintBinder.checkTenantKey(next, tenant) }
    let name = Self.quoted(table)
    func named(_ column: Int) -> String { Self.quoted(table.columns[column].name) }
    for (at, column) in next.columns.enumerated() where column.isNotNull && !column.isDropped {
      let error = TallyError.sql(
        "23502",
        "column \"\(column.name)\" of relation \"\(next.name)\" contains null values",
        subject: ErrorSubject(next, column: column.name)
      )
      if at >= table.columns.count {
        if column.missing == nil {
          plan.steps.append(.require(RowCheck(select: try query("SELECT 1 FROM \(name) LIMIT 1"), error: error)))
        }
      } else if !table.columns[at].isNotNull {
        plan.steps.append(
          .require(RowCheck(select: try query("SELECT 1 FROM \(name) WHERE \(named(at)) IS NULL LIMIT 1"), error: error))
        )
      }
    }
    for key in newKeys {
      guard let text = duplicates(of: key, table, next) else { continue }
      plan.steps.append(
        .require(
          RowCheck(
            select: try query(text),
            error: .sql(
              "23505",
              "could not create unique index \"\(key.name)\"",
              subject: ErrorSubject(next, constraint: key.name)
            ),
            keyColumns: key.columns.map { next.columns[$0].name }
          )
        )
      )
    }
    for check in next.checks where !table.checks.contains(where: { $0.sql == check.sql }) {
      // One that names a column that is new is met or not by all rows alike: asked with the value that they will have.
      let isOld = try TableChecks.bound(next).first { $0.name == check.name }?.condition.columnsRead.allSatisfy { $0 < table.columns.count }
      guard isOld ?? false else {
        plan.steps.append(
          .require(
            RowCheck(
              select: try query("SELECT 1 FROM \(name) LIMIT 1"),
              error: .sql(
                "0A000",
                "a CHECK of a column that is added to rows is not supported",
                hint: "ADD the column first, then the constraint."
              )
            )
          )
        )
        continue
      }
      plan.steps.append(
        .require(
          RowCheck(
            // The text may end in a comment.
            select: try query("SELECT 1 FROM \(name) WHERE NOT (\(check.sql)\n) LIMIT 1"),
            error: .sql(
              "23514",
              "check constraint \"\(check.name)\" of relation \"\(next.name)\" is violated by some row",
              subject: ErrorSubject(next, constraint: check.name)
            )
          )
        )
      )
    }
    for reference in next.references where !table.references.contains(where: { $0.name == reference.name }) {
      try requireReferred(reference, table, next, &plan)
    }
    plan.steps.append(.alterTable(from: table, to: next, views: []))
  }
  /// The query for a key that stored rows have twice; nil where none can. A column that is added has one value in all of them.
  private func duplicates(of key: TableKey, _ table: TableSchema, _ next: TableSchema) -> String? {
    var (items, stored): ([String], [String]) = ([], [])
    for at in key.columns {
      if at < table.columns.count {
        stored.append(Self.quoted(table.columns[at].name))
        items.append(Self.quoted(table.columns[at].name))
      } else {
        // NULLs are never equal.
        guard let value = next.columns[at].missing else { return nil }
        items.append(SQLQuoting.literal(value))
      }
    }
    let from = "SELECT \(items.joined(separator: ", ")) FROM \(Self.quoted(table))"
    guard !stored.isEmpty else { return from + " LIMIT 1 OFFSET 1" }
    let present = stored.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
    return from + " WHERE \(present) GROUP BY \(stored.joined(separator: ", ")) HAVING count(*) > 1 LIMIT 1"
  }
  /// Rows that are there must refer to rows that are there.
  private func requireReferred(
    _ reference: TableReference,
    _ table: TableSchema,
    _ next: TableSchema,
    _ plan: inout DefinitionPlan
  ) throws(TallyError) {
    // A column that is new is NULL in them, or has one value that nobody has checked.
    let added = reference.columns.filter { $0 >= table.columns.count }
    if added.contains(where: { next.columns[$0].missing == nil }) { return }
    guard added.isEmpty else {
      throw .sql(
        "0A000",
        "a foreign key of a column that is added with a default is not supported",
        hint: "ADD the column first, then the constraint."
      )
    }
    guard let other = reference.table == table.id ? table : catalog.table(reference.table) else { return }
    let own = reference.columns.map { "c." + Self.quoted(table.columns[$0].name) }
    let keys = reference.keyColumns.map { "p." + Self.quoted(other.columns[$0].name) }
    let present = own.map { "\($0) IS NOT NULL" }.joined(separator: " AND ")
    let matching = zip(keys, own).map { "\($0) = \($1)" }.joined(separator: " AND ")
    let text =
      "SELECT \(own.joined(separator: ", ")) FROM \(Self.quoted(table)) AS c WHERE \(present)"
      + " AND NOT EXISTS (SELECT 1 FROM \(Self.quoted(other)) AS p WHERE \(matching)) LIMIT 1"
    plan.steps.append(
      .require(
        RowCheck(
          select: try query(text),
          error: .sql(
            "23503",
            "insert or update on table \"\(table.name)\" violates foreign key constraint \"\(reference.name)\"",
            subject: ErrorSubject(next, constraint: reference.name)
          ),
          keyColumns: reference.columns.map { table.columns[$0].name },
          verdict: "is not present in table \"\(other.name)\""
        )
      )
    )
  }
  private func query(_ text: String) throws(TallyError) -> DistributedPlan {
    guard case .select(let select)? = try parse(text).first?.statement else {
      throw TallyError(.internalError, "the text of a check of rows is no query")
    }
    return try planSelect(select, catalog: catalog, context: context)
  }
  private static func quoted(_ table: TableSchema) -> String { quoted(table.schemaName) + "." + quoted(table.name) }
  static func quoted(_ name: String) -> String { "\"" + name.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\"" }
}
