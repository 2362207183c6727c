// ObjectBinder+Drop.swift — DROP with and without CASCADE, RENAME, SET SCHEMA.
import Model
import SQL

extension ObjectBinder {
  // MARK: DROP

  func drop(_ syntax: DropObjectsSyntax) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: "DROP \(syntax.kind.word.uppercased())")
    var next = catalog
    var cascaded: [String] = []
    for name in syntax.names {
      if try !drop(syntax.kind, name, syntax, &next, &plan, &cascaded) {
        guard syntax.ifExists else { throw missing(syntax.kind, name) }
        plan.notices.append(("00000", "\(syntax.kind.word) \"\(name.name)\" does not exist, skipping"))
      }
    }
    // Views that cannot be bound without what goes, and those that need them in turn.
    while let view = Self.broken(catalog, under: next, context).first {
      guard syntax.cascades else {
        let what = "\(syntax.kind.word) \(syntax.names.map(\.name).joined(separator: ", "))"
        throw .sql(
          "2BP01",
          "cannot drop \(what) because other objects depend on it",
          detail: "\(catalog.view(of: view.id) ? "view" : "materialized view") \(view.name) depends on \(what)",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      cascaded.append(Self.drop(view, from: &next, &plan))
    }
    if cascaded.count == 1 { plan.notices.append(("00000", "drop cascades to \(cascaded[0])")) }
    if cascaded.count > 1 {
      plan.notices.append(("00000", "drop cascades to \(cascaded.count) other objects: \(cascaded.joined(separator: ", "))"))
    }
    return plan
  }
  private func missing(_ kind: ObjectKind, _ name: NameSyntax) -> TallyError {
    switch kind {
    case .schema: .sql("3F000", "schema \"\(name.name)\" does not exist")
    case .index: .sql("42704", "index \"\(name.name)\" does not exist")
    default: .sql("42P01", "\(kind.word) \"\(name.text)\" does not exist")
    }
  }
  /// Drops one object; false when there is none.
  private func drop(
    _ kind: ObjectKind,
    _ name: NameSyntax,
    _ syntax: DropObjectsSyntax,
    _ next: inout CatalogSnapshot,
    _ plan: inout DefinitionPlan,
    _ cascaded: inout [String]
  ) throws(TallyError) -> Bool {
    switch kind {
    case .table:
      guard let named = catalog.table(name), let table = next.tables.first(where: { $0.id == named.id }) else { return false }
      guard !table.isMaterialized else { throw Self.notTable(name) }
      let going = Set(syntax.names.compactMap { catalog.table($0)?.id })
      try drop(table, cascades: syntax.cascades, besides: going, &next, &plan, &cascaded)
    case .view:
      guard let view = catalog.view(name) else {
        if let table = catalog.table(name) {
          let hint = table.isMaterialized ? "DROP MATERIALIZED VIEW to remove a materialized view." : "DROP TABLE to remove a table."
          throw .sql("42809", "\"\(name.name)\" is not a view", hint: "Use \(hint)")
        }
        return false
      }
      next.views.removeAll { $0.id == view.id }
      plan.steps.append(.dropView(view.id))
    case .rollup:
      if let table = catalog.table(name), table.isMaterialized {
        next.tables.removeAll { $0.id == table.id }
        plan.steps.append(.dropTable(table.id))
        return true
      }
      guard let rollup = catalog.rollup(name) else { return false }
      next.rollups.removeAll { $0.id == rollup.id }
      plan.steps.append(.dropRollup(rollup.id))
    case .index: return try dropIndex(name, &plan)
    case .schema:
      guard catalog.schemas.contains(name.name) else {
        if name.name == "public" { throw .sql("0A000", "schema public cannot be dropped") }
        return false
      }
      let tables = catalog.tables.filter { $0.schemaName == name.name }
      let views = catalog.views.filter { $0.schemaName == name.name }
      let others =
        catalog.sequences.contains { $0.schemaName == name.name && $0.owner == nil }
        || catalog.functions.contains { $0.schemaName == name.name }
      let first = tables.first.map { "table \($0.qualifiedName)" } ?? views.first.map { "view \($0.schemaName).\($0.name)" }
      if !syntax.cascades, first != nil || others {
        throw .sql(
          "2BP01",
          "cannot drop schema \(name.name) because other objects depend on it",
          detail: first.map { "\($0) depends on schema \(name.name)" },
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      guard !others else {
        throw .sql("0A000", "DROP SCHEMA … CASCADE with sequences or functions is not supported", hint: "Drop them first.")
      }
      for view in views {
        next.views.removeAll { $0.id == view.id }
        plan.steps.append(.dropView(view.id))
        cascaded.append("view \(view.schemaName).\(view.name)")
      }
      for table in tables {
        guard let current = next.tables.first(where: { $0.id == table.id }) else { continue }
        try drop(current, cascades: true, &next, &plan, &cascaded)
        cascaded.append("table \(table.qualifiedName)")
      }
      plan.steps.append(.dropSchema(name.name))
    case .sequence: return false
    }
    return true
  }
  static func notTable(_ name: NameSyntax) -> TallyError {
    .sql("42809", "\"\(name.name)\" is not a table", hint: "Use DROP MATERIALIZED VIEW to remove a materialized view.")
  }
  /// `others`: tables that go as well.
  private func drop(
    _ table: TableSchema,
    cascades: Bool,
    besides others: Set<TableID> = [],
    _ next: inout CatalogSnapshot,
    _ plan: inout DefinitionPlan,
    _ cascaded: inout [String]
  ) throws(TallyError) {
    for rollup in catalog.rollups where rollup.source == table.id {
      guard cascades else {
        throw .sql(
          "2BP01",
          "cannot drop table \(table.name) because other objects depend on it",
          detail: "materialized view \(rollup.name) depends on table \(table.name)",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      next.rollups.removeAll { $0.id == rollup.id }
      plan.steps.append(.dropRollup(rollup.id))
      cascaded.append("materialized view \(rollup.name)")
    }
    for other in next.tables where other.id != table.id {
      guard let reference = other.references.first(where: { $0.table == table.id }) else { continue }
      guard cascades || others.contains(other.id) else {
        throw .sql(
          "2BP01",
          "cannot drop table \(table.name) because other objects depend on it",
          detail: "constraint \(reference.name) on table \(other.name) depends on table \(table.name)",
          hint: "Use DROP ... CASCADE to drop the dependent objects too."
        )
      }
      var free = other
      free.references.removeAll { $0.table == table.id }
      plan.steps.append(.alterTable(from: other, to: free, views: []))
      if let at = next.tables.firstIndex(where: { $0.id == other.id }) { next.tables[at] = free }
      for gone in other.references where gone.table == table.id && !others.contains(other.id) {
        cascaded.append("constraint \(gone.name) on table \(other.name)")
      }
    }
    next.tables.removeAll { $0.id == table.id }
    plan.steps.append(.dropTable(table.id))
  }
  private func dropIndex(_ name: NameSyntax, _ plan: inout DefinitionPlan) throws(TallyError) -> Bool {
    for schema in catalog.places(name.schema) {
      for table in catalog.tables where table.schemaName == schema {
        var next = table
        if let at = table.indexes.firstIndex(where: { $0.name == name.name }) {
          next.indexes.remove(at: at)
        } else if let at = table.keys.firstIndex(where: { $0.name == name.name }) {
          guard table.keys[at].isIndex else {
            throw .sql(
              "2BP01",
              "cannot drop index \(name.name) because constraint \(name.name) on table \(table.name) requires it",
              hint: "You can drop constraint \(name.name) on table \(table.name) instead."
            )
          }
          try TableAlteration(catalog: catalog, context: context).refuseReferred(table.keys[at], of: table, "index")
          next.keys.remove(at: at)
        } else {
          continue
        }
        plan.steps.append(.alterTable(from: table, to: next, views: []))
        return true
      }
    }
    return false
  }

  // MARK: RENAME, SET SCHEMA

  func rename(_ syntax: RenameSyntax) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: syntax.kind == .view ? "ALTER VIEW" : syntax.kind == .index ? "ALTER INDEX" : "ALTER TABLE")
    if syntax.kind == .index { return try renameIndex(syntax, plan) }
    guard syntax.newName.utf8.count <= Limits.nameBytesMax else { throw .sql("42622", "name \"\(syntax.newName)\" is too long") }
    if let at = catalog.views.firstIndex(where: { $0.id == catalog.view(syntax.name)?.id }) {
      var next = catalog
      next.views[at] = try renamed(catalog.views[at], syntax)
      let followers = try LastingText.followers(catalog, next, context).filter { $0.id != next.views[at].id }
      plan.steps.append(.alterViews([next.views[at]] + followers))
      return plan
    }
    guard let table = catalog.table(syntax.name) else {
      if Relations.isRollup(syntax.name.name, catalog: catalog) {
        throw .sql("0A000", "renaming a rollup or its columns is not supported")
      }
      guard syntax.ifExists else {
        throw .sql("42P01", "relation \"\(syntax.name.text)\" does not exist")
      }
      plan.notices.append(("00000", "relation \"\(syntax.name.name)\" does not exist, skipping"))
      return plan
    }
    var next = table
    switch syntax.part {
    case .whole:
      try TableBinder.checkFree(syntax.newName, catalog, in: table.schemaName)
      next.name = syntax.newName
      try TableAlteration(catalog: catalog, context: context).refuseMentions(table.name, of: table, "rename table \(table.name)")
    case .column(let name):
      try TableAlteration(catalog: catalog, context: context).rename(name, to: syntax.newName, &next)
    case .constraint(let name):
      if let at = next.keys.firstIndex(where: { $0.name == name.name && !$0.isIndex }) {
        if catalog.isRelation(syntax.newName, in: table.schemaName) { throw .sql("42P07", "relation \"\(syntax.newName)\" already exists") }
        next.keys[at].name = syntax.newName
      } else if let at = next.checks.firstIndex(where: { $0.name == name.name }) {
        next.checks[at].name = syntax.newName
      } else if let at = next.references.firstIndex(where: { $0.name == name.name }) {
        next.references[at].name = syntax.newName
      } else {
        throw .sql("42704", "constraint \"\(name.name)\" for table \"\(table.name)\" does not exist")
      }
      next.renameComments(name.name, to: syntax.newName)
    }
    plan.steps.append(.alterTable(from: table, to: next, views: try followers(table, next, "rename")))
    return plan
  }
  /// The views that name the table or its columns, under the next names. Refuses where one could not be bound any more.
  private func followers(_ table: TableSchema, _ next: TableSchema, _ verb: String) throws(TallyError) -> [ViewRecord] {
    var after = catalog
    if let at = after.tables.firstIndex(where: { $0.id == table.id }) { after.tables[at] = next }
    let views = try LastingText.followers(catalog, after, context)
    after.views = after.views.map { view in views.first { $0.id == view.id } ?? view }
    try Self.refuseBroken("table \(table.name)", verb, catalog, under: after, context)
    return views
  }
  private func renamed(_ view: ViewRecord, _ syntax: RenameSyntax) throws(TallyError) -> ViewRecord {
    var next = view
    switch syntax.part {
    case .whole:
      try TableBinder.checkFree(syntax.newName, catalog, in: view.schemaName)
      next.name = syntax.newName
    case .column(let name):
      guard let at = view.columns.firstIndex(where: { $0.name == name.name }) else {
        throw .sql("42703", "column \"\(name.name)\" does not exist")
      }
      guard !view.columns.contains(where: { $0.name == syntax.newName }) else {
        throw .sql("42701", "column \"\(syntax.newName)\" of relation \"\(view.name)\" already exists")
      }
      next.columns[at].name = syntax.newName
    case .constraint(let name):
      throw .sql("42704", "constraint \"\(name.name)\" for table \"\(view.name)\" does not exist")
    }
    return next
  }
  private func renameIndex(_ syntax: RenameSyntax, _ empty: DefinitionPlan) throws(TallyError) -> DefinitionPlan {
    var plan = empty
    for schema in catalog.places(syntax.name.schema) {
      for table in catalog.tables where table.schemaName == schema {
        var next = table
        if let at = table.indexes.firstIndex(where: { $0.name == syntax.name.name }) {
          next.indexes[at].name = syntax.newName
        } else if let at = table.keys.firstIndex(where: { $0.name == syntax.name.name }) {
          next.keys[at].name = syntax.newName
        } else {
          continue
        }
        if catalog.isRelation(syntax.newName, in: schema) { throw .sql("42P07", "relation \"\(syntax.newName)\" already exists") }
        next.renameComments(syntax.name.name, to: syntax.newName)
        plan.steps.append(.alterTable(from: table, to: next, views: []))
        return plan
      }
    }
    guard syntax.ifExists else { throw .sql("42P01", "relation \"\(syntax.name.text)\" does not exist") }
    plan.notices.append(("00000", "relation \"\(syntax.name.name)\" does not exist, skipping"))
    return plan
  }
  func move(_ kind: ObjectKind, _ name: NameSyntax, to schema: NameSyntax, _ ifExists: Bool) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: "ALTER TABLE")
    guard kind == .table else { throw .sql("0A000", "SET SCHEMA of a \(kind.word) is not supported") }
    guard let table = catalog.table(name) else {
      guard ifExists else { throw .sql("42P01", "relation \"\(name.text)\" does not exist") }
      plan.notices.append(("00000", "relation \"\(name.name)\" does not exist, skipping"))
      return plan
    }
    guard schema.name == TemporarySchema.alias || catalog.hasSchema(schema.name) else {
      throw .sql("3F000", "schema \"\(schema.name)\" does not exist")
    }
    if table.schemaName == schema.name { return plan }
    guard !table.isTemporary, schema.name != TemporarySchema.alias, !TemporarySchema.isOne(schema.name) else {
      throw .sql("0A000", "cannot move objects into or out of temporary schemas")
    }
    guard !catalog.rollups.contains(where: { $0.source == table.id }) else {
      throw .sql("0A000", "SET SCHEMA of a table with rollups is not supported")
    }
    guard !catalog.sequences.contains(where: { $0.owner?.table == table.id }) else {
      throw .sql("0A000", "SET SCHEMA of a table with serial or identity columns is not supported")
    }
    try TableBinder.checkFree(table.name, catalog, in: schema.name)
    var next = table
    next.schemaName = schema.name
    plan.steps.append(.alterTable(from: table, to: next, views: try followers(table, next, "move")))
    return plan
  }
}

extension TableSchema {
  /// What is said of a constraint or index follows its name.
  fileprivate mutating func renameComments(_ name: String, to newName: String) {
    for at in comments.indices {
      switch comments[at].subject {
      case .constraint(name): comments[at].subject = .constraint(newName)
      case .index(name): comments[at].subject = .index(newName)
      default: break
      }
    }
  }
}
