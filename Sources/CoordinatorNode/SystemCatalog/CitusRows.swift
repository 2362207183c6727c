// CitusRows.swift — Citus's relations, for tools and queries that come from there; columns as Citus's documentation names them.
//
// A shard here belongs to a colocation group, not to a table, so tables of one group show the same shard numbers; a placement is a copy.
// Hashes are 64 bits without sign where Citus has 32 with one. Sizes are those of ShardFigures: NULL where nobody can tell.
import Capabilities
import Model
import Wire

extension SystemRelations {
  /// A distributed table on one of its shards.
  struct TableShard {
    var table: TableSchema
    var shard: ShardRecord
  }
  private struct Placement {
    var shard: ShardRecord
    var copy: ReplicaRecord
  }
  /// Those that Citus knows: a local table is PostgreSQL's own there, until a reference table makes it a managed one.
  private var distributed: [TableSchema] {
    catalog.tables.filter { table in
      switch table.distribution {
      case .distributed, .single: true
      case .local: false
      }
    }
  }
  private var tableShards: [TableShard] { distributed.flatMap { table in shards(of: table).map { TableShard(table: table, shard: $0) } } }
  private var placements: [Placement] { catalog.shards.flatMap { shard in shard.replicas.map { Placement(shard: shard, copy: $0) } } }
  var workers: [NodeRecord] { catalog.nodes.filter { $0.role == .worker } }
  /// Those that can be asked; without word of them, all.
  var activeWorkers: [NodeRecord] { hearsWorkers ? workers.filter { fleet.isUp($0.id, at: now) } : workers }
  private func host(_ node: NodeID) -> NetworkAddress? { catalog.node(node).flatMap { NetworkAddress($0.address) } }
  private static func key(_ table: TableSchema) -> Column? {
    table.distribution.tenantKey.map { table.columns[$0] }
  }
  private static func group(_ table: TableSchema) -> Int64 {
    table.distribution.group.map { Int64($0.rawValue) } ?? 0
  }

  func citusRows(_ name: String) -> SystemRows? {
    switch name {
    case "citus_tables": return SystemRows(distributed, table)
    case "citus_shards": return SystemRows(tableShards, shard)
    case "citus_stat_activity":
      return SystemRows(facts.sessions()) { name in
        switch name {
        case "global_pid": return { .number(Int64($0.processID)) }
        case "nodeid": return { _ in .number(0) }
        case "is_worker_query": return { _ in .flag(false) }
        default: return self.activity(name)
        }
      }
    case "pg_dist_node": return SystemRows(catalog.nodes, node)
    case "pg_dist_partition":
      return SystemRows(distributed) { name in
        switch name {
        case "logicalrelid": return { .number(ObjectNumbers.relation($0.objectID)) }
        case "partmethod": return { .text($0.distribution.tenantKey == nil ? "n" : "h") }
        case "partkey": return { .optional(Self.key($0)?.name) }
        case "colocationid": return { .number(Self.group($0)) }
        case "repmodel": return { _ in .text("s") }
        default: return { _ in .flag(false) }
        }
      }
    case "pg_dist_shard":
      return SystemRows(tableShards) { name in
        switch name {
        case "logicalrelid": return { .number(ObjectNumbers.relation($0.table.objectID)) }
        case "shardid": return { .number(Int64($0.shard.id.rawValue)) }
        case "shardstorage": return { _ in .text("t") }
        case "shardminvalue": return { .text(String($0.shard.lower)) }
        default: return { .text(String($0.shard.upper)) }
        }
      }
    case "pg_dist_placement", "pg_dist_shard_placement": return SystemRows(placements, placement)
    case "pg_dist_colocation":
      return SystemRows(catalog.groups) { name in
        switch name {
        case "colocationid": return { .number(Int64($0.id.rawValue)) }
        case "shardcount": return { .number(Int64($0.shards.count)) }
        case "replicationfactor": return { .number(Int64($0.copies == 0 ? min(2, max(1, self.workers.count)) : $0.copies)) }
        case "distributioncolumntype": return { .number(TypeNumbers.number(of: $0.keyType).oid) }
        default: return { .number(PostgresTypes.all[oid: TypeNumbers.number(of: $0.keyType).oid]?.collation ?? 0) }
        }
      }
    default: return nil
    }
  }

  private func table(_ name: String) -> (TableSchema) -> Cell {
    switch name {
    case "table_name": return { .number(ObjectNumbers.relation($0.objectID)) }
    case "citus_table_type": return { .text($0.distribution.kind) }
    case "distribution_column": return { .text(Self.key($0)?.name ?? "<none>") }
    case "colocation_id": return { .number(Self.group($0)) }
    case "table_size": return { .optional(self.totalBytes(of: RelationRecord($0)).map { SizeText.pretty($0) }) }
    case "shard_count": return { .number(Int64(self.shards(of: $0).count)) }
    case "table_owner": return { _ in .text(self.facts.owner) }
    default: return { _ in .text("heap") }
    }
  }
  private func shard(_ name: String) -> (TableShard) -> Cell {
    switch name {
    case "table_name": return { .number(ObjectNumbers.relation($0.table.objectID)) }
    case "shardid": return { .number(Int64($0.shard.id.rawValue)) }
    case "shard_name": return { .text("\($0.table.name)_\($0.shard.id)") }
    case "citus_table_type": return { .text($0.table.distribution.kind) }
    case "colocation_id": return { .number(Self.group($0.table)) }
    case "nodename": return { .optional(self.host($0.shard.primary)?.host) }
    case "nodeport": return { .optional(self.host($0.shard.primary).map { Int64($0.port) }) }
    default: return { .optional(self.bytes(of: $0.table, on: $0.shard)) }
    }
  }
  private func node(_ name: String) -> (NodeRecord) -> Cell {
    switch name {
    case "nodeid": return { .number(Int64($0.id.rawValue)) }
    case "groupid": return { .number($0.role == .worker ? Int64($0.id.rawValue) : 0) }
    case "nodename": return { .text(NetworkAddress($0.address)?.host ?? $0.address) }
    case "nodeport": return { .number(NetworkAddress($0.address).map { Int64($0.port) } ?? 0) }
    case "noderack": return { _ in .text("default") }
    case "hasmetadata", "metadatasynced": return { .flag($0.role == .coordinator) }
    case "isactive": return { node in .flag(node.role == .coordinator || self.activeWorkers.contains { $0.id == node.id }) }
    case "noderole": return { _ in .text("primary") }
    case "nodecluster": return { _ in .text("default") }
    default: return { .flag($0.role == .worker) }
    }
  }
  private func placement(_ name: String) -> (Placement) -> Cell {
    switch name {
    case "placementid": return { .number(Int64($0.copy.id.rawValue)) }
    case "shardid": return { .number(Int64($0.shard.id.rawValue)) }
    // 1 is active; 4, to be deleted, is the nearest that Citus has for a copy that does not count (yet).
    case "shardstate": return { .number($0.shard.inSync.contains($0.copy) ? 1 : 4) }
    case "shardlength": return { .number(Int64(clamping: self.fleet.report($0.shard, by: $0.copy.node)?.segmentBytes ?? 0)) }
    case "groupid": return { .number(Int64($0.copy.node.rawValue)) }
    case "nodename": return { .optional(self.host($0.copy.node)?.host) }
    default: return { .optional(self.host($0.copy.node).map { Int64($0.port) }) }
    }
  }

  /// Rows of functions in FROM.
  func functionRows(_ name: String) -> SystemRows {
    if name == "pg_get_keywords" {
      return SystemRows(Keyword.all) { name in
        switch name {
        case "word": return { .text($0.word) }
        case "catcode": return { .text($0.category) }
        case "barelabel": return { .flag($0.isBareLabel) }
        case "catdesc": return { .text($0.categoryText) }
        default: return { .text($0.isBareLabel ? "can be bare label" : "requires AS") }
        }
      }
    }
    return SystemRows(activeWorkers) { name in
      switch name {
      case "node_name": return { .optional(self.host($0.id)?.host) }
      default: return { .optional(self.host($0.id).map { Int64($0.port) }) }
      }
    }
  }
}
