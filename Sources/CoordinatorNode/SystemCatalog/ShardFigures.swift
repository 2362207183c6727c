// ShardFigures.swift — rows and bytes of relations, as far as the workers' reports tell.
//
// Workers report each table and each level of a rollup by itself: bytes of its sections in the shard's files, which hold all relations of
// a group, without the files' directories, and without rows that are in memory and journal only.
import Model
import Wire

extension SystemRelations {
  /// The shards of a table's group; none when it has no place yet.
  func shards(of table: TableSchema) -> [ShardRecord] {
    guard let group = table.distribution.group else { return [] }
    return catalog.shards.filter { $0.group == group }
  }
  /// What a table's shards report of it, or of its rollups' levels; nil when one did not report.
  private func sum(_ relations: Set<TableID>, of table: TableSchema, _ figure: (RelationReport) -> UInt64) -> Int64? {
    var total: UInt64 = 0
    for shard in shards(of: table) {
      guard let report = fleet.report(shard) else { return nil }
      for relation in report.relations where relations.contains(relation.relation) { total += figure(relation) }
    }
    return Int64(clamping: total)
  }
  private static func levels(_ rollup: RollupDefinition) -> [TableID] { rollup.levels.indices.map { rollup.levelTable($0) } }

  /// Rows of a table, as many as were ever written.
  func rowCount(of entry: RelationRecord) -> Int64? {
    guard case .table(let table) = entry.origin, table.distribution.group != nil else { return nil }
    return sum([table.id], of: table, \.rows)
  }
  /// Bytes of a relation on disk, of one copy.
  func bytes(of entry: RelationRecord) -> Int64? {
    switch entry.origin {
    case .table(let table): return sum([table.id], of: table, \.bytes)
    case .rollup(let rollup, let level):
      guard let table = catalog.table(rollup.source) else { return nil }
      return sum(Set(level.map { [rollup.levelTable($0)] } ?? Self.levels(rollup)), of: table, \.bytes)
    case .index, .sequence, .view, .system: return 0
    }
  }
  /// Bytes of a table with its rollups.
  func totalBytes(of entry: RelationRecord) -> Int64? {
    guard case .table(let table) = entry.origin else { return bytes(of: entry) }
    let rollups = catalog.rollups.filter { $0.source == table.id }
    return sum(Set([table.id] + rollups.flatMap(Self.levels)), of: table, \.bytes)
  }
  /// Bytes of a table on one of its shards; nil when that did not report.
  func bytes(of table: TableSchema, on shard: ShardRecord) -> Int64? {
    fleet.report(shard).map { report in
      Int64(clamping: report.relations.first { $0.relation == table.id }?.bytes ?? 0)
    }
  }
  /// Bytes of everything, of one copy; nil when a shard did not report.
  var databaseBytes: Int64? {
    var total: UInt64 = 0
    for shard in catalog.shards {
      guard let report = fleet.report(shard) else { return nil }
      total += report.segmentBytes
    }
    return Int64(clamping: total)
  }
}
