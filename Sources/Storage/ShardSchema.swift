// ShardSchema.swift — the tables and rollups of a shard's group at one catalog version, as its log knows them.
public import Model

/// Tables and rollups of a colocation group.
public struct ShardSchema: Equatable, Sendable {
  /// Catalog version; 0 before the first barrier.
  public var version: CatalogVersion
  /// By rising id.
  public var tables: [TableSchema]
  /// By rising id.
  public var rollups: [RollupDefinition]
  /// Makes a schema.
  public init(
    version: CatalogVersion = CatalogVersion(0),
    tables: [TableSchema] = [],
    rollups: [RollupDefinition] = []
  ) {
    self.version = version
    self.tables = tables.sorted { $0.id < $1.id }
    self.rollups = rollups.sorted { $0.id < $1.id }
  }
  /// What a catalog holds for one group.
  public init(of group: GroupID, in catalog: CatalogSnapshot) {
    // Those that transactions have drafted are stored as any other: what becomes of them changes nothing here when they are published.
    let tables = (catalog.tables + catalog.drafted).filter { $0.distribution.group == group }
    let ids = Set(tables.map(\.id))
    self.init(version: catalog.version, tables: tables, rollups: catalog.rollups.filter { ids.contains($0.source) })
  }
  /// The table with that number.
  public func table(_ id: TableID) -> TableSchema? { tables.first { $0.id == id } }
  /// A table, those it refers to, and those that refer to it.
  public func related(to id: TableID) -> Set<TableID> {
    var found: Set = [id]
    for table in tables {
      if table.id == id { found.formUnion(table.references.map(\.table)) }
      if table.references.contains(where: { $0.table == id }) { found.insert(table.id) }
    }
    return found
  }
  /// The rollup with that number.
  public func rollup(_ id: TableID) -> RollupDefinition? { rollups.first { $0.id == id } }
  /// The rollup and level stored under that number.
  public func level(_ id: TableID) -> (rollup: RollupDefinition, level: Int)? {
    for rollup in rollups where id > rollup.id && id.rawValue <= rollup.id.rawValue + UInt64(rollup.levels.count) {
      return (rollup, Int(id.rawValue - rollup.id.rawValue) - 1)
    }
    return nil
  }
  /// Rollups of a table.
  public func rollups(of table: TableID) -> [RollupDefinition] { rollups.filter { $0.source == table } }
  /// Layouts of all relations: tables, then levels, by rising id.
  public var layouts: [RelationLayout] {
    (tables.map { RelationLayout(table: $0) }
      + rollups.flatMap { rollup in rollup.levels.indices.map { RelationLayout(rollup: rollup, level: $0) } })
      .sorted { $0.id < $1.id }
  }
}
