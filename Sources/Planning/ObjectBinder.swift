// ObjectBinder.swift — views, indexes, schemas, extensions, DROP and RENAME: what they name is found, what depends on it is respected.
//
// A view's text is bound when it is used. So what a view depends on is what it cannot be bound without: the catalog as it would be is
// tried.
public import Model
import SQL

struct ObjectBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: DefinitionSyntax) throws(TallyError) -> DefinitionPlan {
    switch syntax {
    case .alterTable(let alter): return try TableAlteration(catalog: catalog, context: context).bind(alter)
    case .rename(let rename): return try self.rename(rename)
    case .setSchema(let kind, let name, let schema, let ifExists): return try move(kind, name, to: schema, ifExists)
    case .createView(let view): return try createView(view)
    case .createIndex(let index): return try createIndex(index)
    case .createSchema(let name, let ifNotExists): return try createSchema(name, ifNotExists)
    case .createExtension(let name, _, let position):
      guard Self.extensions.contains(name) else {
        throw .sql(
          "0A000",
          "extension \"\(name)\" is not supported",
          hint: "Built in are: \(Self.extensions.sorted().joined(separator: ", ")).",
          position: position
        )
      }
      var plan = DefinitionPlan(tag: "CREATE EXTENSION")
      plan.notices.append(("42710", "extension \"\(name)\" already exists, skipping"))
      return plan
    case .dropExtension(let names, let ifExists):
      var plan = DefinitionPlan(tag: "DROP EXTENSION")
      for name in names {
        if Self.extensions.contains(name) {
          throw .sql(
            "2BP01",
            "cannot drop extension \(name) because it is built in",
            hint: "Its types and functions take no room: leave them."
          )
        }
        guard ifExists else { throw .sql("42704", "extension \"\(name)\" does not exist") }
        plan.notices.append(("00000", "extension \"\(name)\" does not exist, skipping"))
      }
      return plan
    case .createTableAs(let syntax): return try createTable(syntax)
    case .drop(let drop): return try self.drop(drop)
    case .truncate(let names):
      var plan = DefinitionPlan(tag: "TRUNCATE TABLE")
      for name in names {
        if let table = catalog.table(name) {
          try DeleteBinder.refuseReferred(table, besides: Set(names.compactMap { catalog.table($0)?.id }), catalog)
        }
        let syntax = DeleteSyntax(truncating: name)
        let binder = DeleteBinder(catalog: catalog, context: context)
        guard case .delete(let delete) = try binder.bind(syntax, isTogether: true) else { continue }
        plan.steps.append(.truncate(delete))
      }
      return plan
    case .comment(let syntax): return try comment(syntax)
    case .refresh(let name): return try refresh(name)
    case .accepted(let tag, let notice):
      var plan = DefinitionPlan(tag: tag)
      plan.notices.append(("00000", notice))
      return plan
    }
  }
  private static let extensions: Set<String> = ["hll", "topn", "citus", "pg_cron", "tablefunc", "plpgsql", "citus_columnar"]

  // MARK: Dependencies

  /// What cannot be bound any more without some functions, as messages name it: views, and defaults of columns. `after` is the context
  /// without them.
  static func needing(_ functions: String, _ catalog: CatalogSnapshot, _ context: PlanningContext, _ after: PlanningContext) -> [String] {
    func isDefault(_ column: Column, _ context: PlanningContext) -> Bool {
      do throws(TallyError) { _ = try DefaultValue.expression(of: column, context: context) } catch { return false }
      return true
    }
    let views = catalog.views.filter { isSound($0, catalog, context) && !isSound($0, catalog, after) }
    let defaults = catalog.tables.flatMap { table in
      table.columns.filter { $0.defaultSQL != nil && !$0.isDropped && isDefault($0, context) && !isDefault($0, after) }
        .map { "default value for column \($0.name) of table \(table.name)" }
    }
    return (views.map { "view \($0.name)" } + defaults).map { "\($0) depends on \(functions)" }
  }
  /// Drops what `broken` gave.
  static func drop(_ view: ViewRecord, from next: inout CatalogSnapshot, _ plan: inout DefinitionPlan) -> String {
    if next.views.contains(where: { $0.id == view.id }) {
      next.views.removeAll { $0.id == view.id }
      plan.steps.insert(.dropView(view.id), at: 0)
      return "view \(view.name)"
    }
    next.tables.removeAll { $0.id == view.id }
    plan.steps.insert(.dropTable(view.id), at: 0)
    return "materialized view \(view.name)"
  }
  /// Views that can be bound now and could not be under another catalog, or would have other columns.
  static func broken(_ catalog: CatalogSnapshot, under next: CatalogSnapshot, _ context: PlanningContext) -> [ViewRecord] {
    let materialized = catalog.tables.filter(\.isMaterialized).map { ViewRecord(materialized: $0) }
    return (catalog.views + materialized).filter { view in
      guard next.views.contains(where: { $0.id == view.id }) || next.tables.contains(where: { $0.id == view.id }) else { return false }
      return isSound(view, catalog, context) && !isSound(view, next, context)
    }
  }
  private static func isSound(_ view: ViewRecord, _ catalog: CatalogSnapshot, _ context: PlanningContext) -> Bool {
    if catalog.tables.contains(where: { $0.id == view.id }) {
      // A table has its rows whatever its query names; the query is what REFRESH needs.
      var seen = catalog
      seen.searchPath = view.searchPath
      do throws(TallyError) {
        guard case .select(let select)? = try parse(view.sql).first?.statement else { return false }
        return try SelectBinder(catalog: seen, context: context).query(select).columns.count == view.columns.count
      } catch {
        return false
      }
    }
    let name = NameSyntax(name: view.name, schema: view.schemaName, position: 1)
    let star = ExpressionSyntax(kind: .star(qualifier: nil), position: 1)
    let select = SelectSyntax(
      body: .plain(
        PlainSelectSyntax(
          isDistinct: false,
          items: [PlainSelectSyntax.Item(alias: nil, expression: star)],
          from: .relation(name, alias: nil, columnAliases: []),
          condition: nil,
          groupBy: [],
          having: nil
        )
      ),
      orderBy: []
    )
    do throws(TallyError) {
      return try SelectBinder(catalog: catalog, context: context).query(select).columns.count == view.columns.count
    } catch {
      return false
    }
  }
  /// 2BP01 when views need what a change takes away.
  static func refuseBroken(
    _ what: String,
    _ verb: String,
    _ catalog: CatalogSnapshot,
    under next: CatalogSnapshot,
    _ context: PlanningContext
  ) throws(TallyError) {
    guard let view = broken(catalog, under: next, context).first else { return }
    throw .sql(
      "2BP01",
      "cannot \(verb) \(what) because other objects depend on it",
      detail: "\(catalog.view(of: view.id) ? "view" : "materialized view") \(view.name) depends on \(what)",
      hint: verb == "drop"
        ? "Use DROP ... CASCADE to drop the dependent objects too." : "Drop the view first, and create it again afterwards."
    )
  }

  // MARK: Views

  private func createView(_ syntax: ViewSyntax) throws(TallyError) -> DefinitionPlan {
    var schema = try catalog.schema(for: syntax.name, isTemporary: syntax.isTemporary)
    var plan = DefinitionPlan(tag: "CREATE VIEW")
    if let own = catalog.temporarySchema, own != schema, readsTemporary(syntax, in: schema) {
      guard syntax.name.schema == nil else {
        throw .sql("42P16", "cannot create temporary relation in non-temporary schema", position: syntax.name.position)
      }
      schema = own
      plan.notices.append(("00000", "view \"\(syntax.name.name)\" will be a temporary view"))
    }
    let known = catalog.views.first { $0.name == syntax.name.name && $0.schemaName == schema }
    if known == nil || !syntax.replaces {
      if syntax.replaces, catalog.isRelation(syntax.name.name, in: schema) {
        throw .sql("42809", "\"\(syntax.name.name)\" is not a view")
      }
      try TableBinder.checkFree(syntax.name.name, catalog, in: schema)
    }
    var view = ViewRecord(id: known?.id ?? TableID(0), schemaName: schema, name: syntax.name.name, columns: [], sql: syntax.text)
    // A view that is not temporary sees no temporary relations.
    var seen = catalog
    if !TemporarySchema.isOne(schema) { seen.temporarySchema = nil }
    let output = try SelectBinder(catalog: seen, context: context).query(syntax.select).columns
    view.sql = try LastingText.view(syntax.text, seen, context, path: view.searchPath)
    guard syntax.columns.count <= output.count else {
      throw .sql("42601", "CREATE VIEW specifies more column names than columns")
    }
    for (at, column) in output.enumerated() {
      let name = at < syntax.columns.count ? syntax.columns[at] : column.name
      guard !view.columns.contains(where: { $0.name == name }) else {
        throw .sql("42701", "column \"\(name)\" specified more than once")
      }
      view.columns.append(Column(name: name, type: column.type))
    }
    if let known {
      guard view.columns.count >= known.columns.count else { throw .sql("42P16", "cannot drop columns from view") }
      for (old, new) in zip(known.columns, view.columns) {
        if old.name != new.name {
          throw .sql(
            "42P16",
            "cannot change name of view column \"\(old.name)\" to \"\(new.name)\"",
            hint: "Use ALTER VIEW ... RENAME COLUMN ... to change name of view column instead."
          )
        }
        if old.type != new.type {
          throw .sql("42P16", "cannot change data type of view column \"\(old.name)\" from \(old.type.name) to \(new.type.name)")
        }
      }
      // A view that would read itself cannot be bound any more.
      var next = catalog
      if let at = next.views.firstIndex(where: { $0.id == known.id }) { next.views[at] = view }
      guard Self.isSound(view, next, context) else {
        throw .sql("42P17", "infinite recursion detected in rules for relation \"\(view.name)\"")
      }
    }
    plan.steps.append(.createView(view, replaces: syntax.replaces))
    return plan
  }
  /// Whether a view's query can be bound with the session's temporary relations only.
  private func readsTemporary(_ syntax: ViewSyntax, in schema: String) -> Bool {
    func isSound(in schema: String) -> Bool {
      var seen = catalog
      ViewRecord(id: TableID(0), schemaName: schema, name: syntax.name.name, columns: [], sql: "").look(in: &seen)
      do throws(TallyError) { return try !SelectBinder(catalog: seen, context: context).query(syntax.select).columns.isEmpty } catch {
        return false
      }
    }
    guard let own = catalog.temporarySchema, catalog.schemas.contains(own) else { return false }
    return !isSound(in: schema) && isSound(in: own)
  }

  // MARK: CREATE TABLE AS

  private func createTable(_ syntax: TableAsSyntax) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: syntax.isEmpty ? "CREATE TABLE AS" : "SELECT")
    let schema = try catalog.schema(for: syntax.name, isTemporary: syntax.temporary != nil)
    if catalog.isRelation(syntax.name.name, in: schema) {
      guard syntax.ifNotExists else {
        throw .sql("42P07", "relation \"\(syntax.name.name)\" already exists")
      }
      plan.tag = "CREATE TABLE AS"
      plan.notices.append(("42P07", "relation \"\(syntax.name.name)\" already exists, skipping"))
      return plan
    }
    let output = try SelectBinder(catalog: catalog, context: context).query(syntax.select).columns
    guard syntax.columns.count <= output.count else {
      throw .sql("42601", "too many column names were specified")
    }
    var table = TableSchema(id: TableID(0), schemaName: schema, name: syntax.name.name, columns: [])
    for (at, column) in output.enumerated() {
      let name = at < syntax.columns.count ? syntax.columns[at] : column.name
      guard table.columnIndex(name) == nil else {
        throw .sql("42701", "column \"\(name)\" specified more than once")
      }
      switch column.type {
      case .unknown: table.columns.append(Column(name: name, type: .text))
      case .void, .topnRecord, .hllHashval:
        throw .sql("42P16", "column \"\(name)\" has pseudo-type \(column.type.name)")
      default: table.columns.append(Column(name: name, type: column.type))
      }
    }
    guard !table.columns.isEmpty else { throw .sql("0A000", "a table without columns is not supported") }
    try TableBinder(catalog: catalog, context: context).apply(syntax.options, to: &table)
    if table.timeColumn == nil { table.timeColumn = table.columns.firstIndex { $0.type.isTime } }
    if syntax.isMaterialized { table.materializedSQL = syntax.text }
    plan.steps.append(.createTable(table))
    plan.onCommit = syntax.temporary ?? .preserveRows
    if !syntax.isEmpty { plan.steps.append(.fill(table: table.name, schema: schema, select: syntax.text)) }
    return plan
  }

  private func refresh(_ name: NameSyntax) throws(TallyError) -> DefinitionPlan {
    guard let table = catalog.table(name), let sql = table.materializedSQL else {
      if Relations.isRollup(name.name, catalog: catalog) {
        throw .sql(
          "0A000",
          "REFRESH MATERIALIZED VIEW of a rollup is not supported",
          hint: "Rollups are always fresh; tally rollup refresh NAME waits for one."
        )
      }
      if catalog.isRelation(name) { throw .sql("42809", "\"\(name.name)\" is not a materialized view") }
      throw .sql("42P01", "relation \"\(name.text)\" does not exist")
    }
    var context = context
    context.isFilling = true
    var plan = DefinitionPlan(tag: "REFRESH MATERIALIZED VIEW")
    let all = DeleteSyntax(truncating: name)
    guard case .delete(let delete) = try DeleteBinder(catalog: catalog, context: context).bind(all) else { return plan }
    plan.steps.append(.refresh(table, select: sql, delete))
    return plan
  }

  // MARK: Indexes

  private func createIndex(_ syntax: IndexSyntax) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: "CREATE INDEX")
    guard let table = catalog.table(syntax.table) else {
      if catalog.view(syntax.table) != nil || Relations.isRollup(syntax.table.name, catalog: catalog) {
        throw .sql("42809", "cannot create index on relation \"\(syntax.table.name)\"")
      }
      throw .sql("42P01", "relation \"\(syntax.table.text)\" does not exist")
    }
    var columns: [Int] = []
    for case let name? in syntax.columns {
      guard let column = table.columnIndex(name.name) else {
        throw .sql("42703", "column \"\(name.name)\" does not exist")
      }
      columns.append(column)
    }
    guard ["btree", "brin", "gin", "hash", "gist", "spgist"].contains(syntax.method) else {
      throw .sql("42704", "access method \"\(syntax.method)\" does not exist")
    }
    let shown = syntax.columns.map { $0?.name ?? "expr" }.joined(separator: "_")
    let name = syntax.name?.name ?? ObjectNames.free(table.name, shown, "idx") { catalog.isRelation($0, in: table.schemaName) }
    if catalog.isRelation(name, in: table.schemaName) {
      guard syntax.ifNotExists else { throw .sql("42P07", "relation \"\(name)\" already exists") }
      plan.notices.append(("42P07", "relation \"\(name)\" already exists, skipping"))
      return plan
    }
    var next = table
    guard syntax.isUnique else {
      next.indexes.append(TableIndex(name: name, columns: columns, sql: syntax.text))
      plan.steps.append(.alterTable(from: table, to: next, views: []))
      plan.notices.append(("00000", "index \"\(name)\" is only listed: rows are sorted by tenant and time, with zone maps on every column"))
      return plan
    }
    guard columns.count == syntax.columns.count, !syntax.isPartial else {
      throw .sql(
        "0A000",
        "a unique index with \(syntax.isPartial ? "WHERE" : "expressions") is not supported",
        hint: "Unique are plain columns of all rows."
      )
    }
    guard syntax.method == "btree" else {
      throw .sql("0A000", "access method \"\(syntax.method)\" does not support unique indexes")
    }
    next.keys.append(TableKey(name: name, columns: columns, isPrimary: false, isIndex: true))
    try TableAlteration(catalog: catalog, context: context).change(table, to: next, newKeys: [next.keys[next.keys.count - 1]], &plan)
    return plan
  }

  // MARK: Comments

  private func comment(_ syntax: CommentSyntax) throws(TallyError) -> DefinitionPlan {
    let (table, subject) = try subject(of: syntax)
    var next = table
    next.comments.removeAll { $0.subject == subject }
    if let text = syntax.text, !text.isEmpty { next.comments.append(TableComment(subject: subject, text: text)) }
    var plan = DefinitionPlan(tag: "COMMENT")
    if next != table { plan.steps.append(.alterTable(from: table, to: next, views: [])) }
    return plan
  }
  private func subject(of syntax: CommentSyntax) throws(TallyError) -> (TableSchema, TableComment.Subject) {
    func table(_ name: NameSyntax) throws(TallyError) -> TableSchema {
      if let found = catalog.table(name) { return found }
      if catalog.view(name) != nil || Relations.isRollup(name.name, catalog: catalog) {
        throw .sql("0A000", "a comment on a view or rollup is not supported")
      }
      throw .sql("42P01", "relation \"\(name.text)\" does not exist")
    }
    switch syntax.subject {
    case .table(let name): return (try table(name), .table)
    case .column(let column, let name):
      let table = try table(name)
      guard let at = table.columnIndex(column) else {
        throw .sql("42703", "column \"\(column)\" of relation \"\(table.name)\" does not exist")
      }
      return (table, .column(at))
    case .constraint(let constraint, let name):
      let table = try table(name)
      guard table.has(.constraint(constraint)) else {
        throw .sql("42704", "constraint \"\(constraint)\" for table \"\(table.name)\" does not exist")
      }
      return (table, .constraint(constraint))
    case .index(let name):
      for schema in name.schema.map({ [$0] }) ?? catalog.searchPath {
        for table in catalog.tables where table.schemaName == schema && table.has(.index(name.name)) { return (table, .index(name.name)) }
      }
      throw .sql("42P01", "relation \"\(name.text)\" does not exist")
    }
  }

  // MARK: Schemas

  private func createSchema(_ name: String, _ ifNotExists: Bool) throws(TallyError) -> DefinitionPlan {
    var plan = DefinitionPlan(tag: "CREATE SCHEMA")
    if name.hasPrefix("pg_") {
      throw .sql(
        "42939",
        "unacceptable schema name \"\(name)\"",
        detail: "The prefix \"pg_\" is reserved for system schemas."
      )
    }
    if catalog.hasSchema(name) || name == "information_schema" {
      guard ifNotExists else { throw .sql("42P06", "schema \"\(name)\" already exists") }
      plan.notices.append(("42P06", "schema \"\(name)\" already exists, skipping"))
      return plan
    }
    plan.steps.append(.createSchema(name))
    return plan
  }
}

extension ViewRecord {
  /// Where its names are looked up.
  public var searchPath: [String] { schemaName == "public" ? ["public"] : [schemaName, "public"] }
  /// Has a catalog look names up as the view does: temporary relations are seen by temporary views alone.
  func look(in catalog: inout CatalogSnapshot) {
    catalog.searchPath = searchPath
    if !TemporarySchema.isOne(schemaName) { catalog.temporarySchema = nil }
  }
}

extension CatalogSnapshot {
  /// Whether that is a view, not a materialized one.
  func view(of id: TableID) -> Bool { views.contains { $0.id == id } }
}

extension ViewRecord {
  /// A materialized view as one whose query can be tried.
  public init(materialized table: TableSchema) {
    self.init(
      id: table.id,
      schemaName: table.schemaName,
      name: table.name,
      columns: table.liveColumns.map { table.columns[$0] },
      sql: table.materializedSQL ?? ""
    )
  }
}
