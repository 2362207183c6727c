// ShardFigures.swift — rows and bytes of relations, as far as the workers' reports tell.
//
// A shard's figures are of all its tables together. A table that is alone in its group has the group's rows, and with no rollup the
// group's bytes. Of others nothing is said.
import Model
import Wire

extension SystemRelations {
  /// The shards of a table's group; none when it has no place yet.
  func shards(of table: TableSchema) -> [ShardRecord] {
    guard let group = table.distribution.group else { return [] }
    return catalog.shards.filter { $0.group == group }
  }
  private func isAlone(_ table: TableSchema) -> Bool {
    guard let group = table.distribution.group else { return false }
    return catalog.tables.count { $0.distribution.group == group } == 1
  }
  private func sum(_ table: TableSchema, _ figure: (ShardReport) -> UInt64) -> Int64? {
    var total: UInt64 = 0
    for shard in shards(of: table) {
      guard let report = fleet.report(shard) else { return nil }
      total += figure(report)
    }
    return Int64(clamping: total)
  }
  /// Rows of a table.
  func rowCount(of entry: RelationRecord) -> Int64? {
    guard case .table(let table) = entry.origin, isAlone(table) else { return nil }
    return sum(table, \.rows)
  }
  /// Bytes of a relation on disk, of one copy.
  func bytes(of entry: RelationRecord) -> Int64? {
    guard case .table(let table) = entry.origin else { return entry.isSystem ? 0 : nil }
    if case .local = table.distribution { return 0 }
    guard isAlone(table), !catalog.rollups.contains(where: { $0.source == table.id }) else { return nil }
    return sum(table, \.segmentBytes)
  }
  /// Bytes of a table with its rollups.
  func totalBytes(of entry: RelationRecord) -> Int64? {
    guard case .table(let table) = entry.origin, isAlone(table) else { return bytes(of: entry) }
    return sum(table, \.segmentBytes)
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
