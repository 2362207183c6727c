// Relations.swift — what a name in FROM reads: a table, a rollup, or one of a rollup's levels.
import Model
import SQL

enum Relations {
  /// The scan of a named relation, all its columns, with what its SELECT may name.
  static func scan(
    _ name: NameSyntax,
    catalog: CatalogSnapshot
  ) throws(TallyError) -> (node: ScanNode, defaultBucket: Interval?) {
    if let table = catalog.table(name) {
      let live = table.liveColumns
      let output = live.map { OutputColumn(table.columns[$0].name, table.columns[$0].type) }
      return (ScanNode(source: .table(table.id), storedColumns: live, output: output), nil)
    }
    for rollup in catalog.rollups where name.schema == nil || name.schema == rollup.schemaName {
      if rollup.name == name.name { return scan(rollup, .chain(first: 0)) }
      for (index, level) in rollup.levels.enumerated() where "\(rollup.name)_\(level.suffix)" == name.name {
        return scan(rollup, .only(index))
      }
    }
    throw .sql("42P01", "relation \"\(name.text)\" does not exist", position: name.position)
  }
  /// Whether a rollup or a level has that name.
  static func isRollup(_ name: String, catalog: CatalogSnapshot) -> Bool {
    catalog.rollups.contains { rollup in
      rollup.name == name || rollup.levels.contains { "\(rollup.name)_\($0.suffix)" == name }
    }
  }
  static func notDistributed(_ table: TableSchema, _ position: Int?) -> TallyError {
    .sql(
      "55000",
      "table \"\(table.name)\" is not distributed",
      hint: "SELECT create_distributed_table('\(table.name)', 'tenant_column')",
      position: position
    )
  }
  private static func scan(_ rollup: RollupDefinition, _ use: LevelUse) -> (node: ScanNode, defaultBucket: Interval?) {
    let stored = rollup.storedColumns
    let output = rollup.outputOrder.map { OutputColumn(stored[$0].name, stored[$0].type) }
    let level = if case .only(let index) = use { index } else { 0 }
    return (
      ScanNode(
        source: .rollup(rollup.id, use),
        storedColumns: rollup.outputOrder,
        output: output,
        needsMergedGroups: true
      ),
      BucketWidths.interval(of: rollup.levels[level].width)
    )
  }

  /// The colocation group that holds a scan's rows.
  static func group(of source: ScanSource, catalog: CatalogSnapshot) -> GroupID? {
    let table: TableID? =
      switch source {
      case .table(let id): id
      case .rollup(let id, _): catalog.rollups.first { $0.id == id }?.source
      }
    return table.flatMap { catalog.table($0)?.distribution.group }
  }
  /// The stored column that holds the tenant key.
  static func tenantColumn(of source: ScanSource, catalog: CatalogSnapshot) -> Int? {
    switch source {
    case .table(let id):
      return catalog.table(id)?.distribution.tenantKey
    case .rollup: return 0
    }
  }
  static func rollup(of source: ScanSource, catalog: CatalogSnapshot) -> RollupDefinition? {
    guard case .rollup(let id, _) = source else { return nil }
    return catalog.rollups.first { $0.id == id }
  }
}

extension CatalogSnapshot {
  /// The table that a name means: the first of its places, unless a view stands before it.
  func table(_ name: NameSyntax) -> TableSchema? {
    for schema in places(name.schema) {
      if let found = table(named: name.name, in: schema) { return found }
      if view(named: name.name, in: schema) != nil { return nil }
    }
    return nil
  }
  /// The rollup that a name means.
  func rollup(_ name: NameSyntax) -> RollupDefinition? {
    guard name.schema == nil || name.schema == "public" else { return nil }
    return rollup(named: name.name)
  }
  /// The view that a name means.
  func view(_ name: NameSyntax) -> ViewRecord? {
    for schema in places(name.schema) {
      if let found = view(named: name.name, in: schema) { return found }
      if table(named: name.name, in: schema) != nil { return nil }
    }
    return nil
  }
  /// The schema in which an object of that name is made. Throws 3F000, 42P16, 0A000.
  func schema(for name: NameSyntax, isTemporary: Bool = false) throws(TallyError) -> String {
    let isAlias = name.schema == TemporarySchema.alias || name.schema.map { $0 == temporarySchema } ?? false
    if isTemporary, name.schema != nil, !isAlias {
      throw .sql("42P16", "cannot create temporary relation in non-temporary schema", position: name.position)
    }
    if isTemporary || isAlias || (name.schema == nil && searchPath.first == TemporarySchema.alias) {
      guard let temporarySchema else {
        throw .sql(
          "0A000",
          "temporary tables are not supported here",
          hint: "They belong to a session of PostgreSQL's protocol: connect with psql or a driver.",
          position: name.position
        )
      }
      return temporarySchema
    }
    if let schema = name.schema {
      if TemporarySchema.isOne(schema) {
        throw .sql("42P16", "cannot create relations in temporary schemas of other sessions", position: name.position)
      }
      if schema == "pg_catalog" || schema == "information_schema" {
        throw .sql("42501", "permission denied to create \"\(name.text)\"", detail: "System catalog modifications are disallowed.")
      }
      guard hasSchema(schema) else { throw .sql("3F000", "schema \"\(schema)\" does not exist", position: name.position) }
      return schema
    }
    guard let found = searchPath.first(where: hasSchema) else {
      throw .sql("3F000", "no schema has been selected to create in", position: name.position)
    }
    return found
  }
}
