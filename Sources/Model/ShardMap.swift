// ShardMap.swift — which shards exist and who serves them: the part of the catalog that clients and workers cache.

/// A node as the catalog knows it.
public struct NodeRecord: Equatable, Sendable {
  /// Role of a node.
  public enum Role: UInt8, Sendable {
    case coordinator = 1
    case worker = 2
  }
  /// Never reused.
  public var id: NodeID
  /// `worker-1`, …
  public var name: String
  /// Role.
  public var role: Role
  /// `host:port` of its RPC listener.
  public var address: String
  /// Of its last registration; 0 before the first.
  public var incarnation: Incarnation
  /// Makes a record.
  public init(id: NodeID, name: String, role: Role, address: String, incarnation: Incarnation) {
    self.id = id
    self.name = name
    self.role = role
    self.address = address
    self.incarnation = incarnation
  }
}

/// A shard: hashes lower … upper, both included.
public struct ShardRecord: Equatable, Sendable {
  /// Never reused.
  public var id: ShardID
  /// Its colocation group.
  public var group: GroupID
  /// Lowest hash.
  public var lower: UInt64
  /// Highest hash.
  public var upper: UInt64
  /// Epoch of the present primary.
  public var epoch: Epoch
  /// Changes with any change of this record.
  public var version: UInt64
  /// The appointed primary.
  public var primary: NodeID
  /// Makes a record.
  public init(
    id: ShardID,
    group: GroupID,
    lower: UInt64,
    upper: UInt64,
    epoch: Epoch,
    version: UInt64,
    primary: NodeID
  ) {
    self.id = id
    self.group = group
    self.lower = lower
    self.upper = upper
    self.epoch = epoch
    self.version = version
    self.primary = primary
  }
}

/// Tables that share key type, hash and shards.
public struct ColocationGroup: Equatable, Sendable {
  /// Never reused.
  public var id: GroupID
  /// Type family of the tenant key: `.bigint` for all integers, `.text` for all texts.
  public var keyType: DataType
  /// Shards by rising hash range; together they cover all hashes.
  public var shards: [ShardID]
  /// Makes a group.
  public init(id: GroupID, keyType: DataType, shards: [ShardID]) {
    self.id = id
    self.keyType = keyType
    self.shards = shards
  }
}

/// Everything a front needs to route and a worker needs to serve: one consistent version of the catalog.
public struct CatalogSnapshot: Equatable, Sendable {
  /// Cluster.
  public var cluster: ClusterID
  /// Version.
  public var version: CatalogVersion
  /// Nodes by id.
  public var nodes: [NodeRecord]
  /// Groups by id.
  public var groups: [ColocationGroup]
  /// Shards by id.
  public var shards: [ShardRecord]
  /// Tables by id.
  public var tables: [TableSchema]
  /// Rollups by id.
  public var rollups: [RollupDefinition]
  /// Makes a snapshot; arrays are sorted by id.
  public init(
    cluster: ClusterID,
    version: CatalogVersion = CatalogVersion(0),
    nodes: [NodeRecord] = [],
    groups: [ColocationGroup] = [],
    shards: [ShardRecord] = [],
    tables: [TableSchema] = [],
    rollups: [RollupDefinition] = []
  ) {
    self.cluster = cluster
    self.version = version
    self.nodes = nodes
    self.groups = groups
    self.shards = shards
    self.tables = tables
    self.rollups = rollups
  }
  /// The table with that name.
  public func table(named name: String) -> TableSchema? { tables.first { $0.name == name } }
  /// The table with that number.
  public func table(_ id: TableID) -> TableSchema? { tables.first { $0.id == id } }
  /// The rollup with that name.
  public func rollup(named name: String) -> RollupDefinition? { rollups.first { $0.name == name } }
  /// The shard with that number.
  public func shard(_ id: ShardID) -> ShardRecord? { shards.first { $0.id == id } }
  /// The group with that number.
  public func group(_ id: GroupID) -> ColocationGroup? { groups.first { $0.id == id } }
  /// The node with that number.
  public func node(_ id: NodeID) -> NodeRecord? { nodes.first { $0.id == id } }
}
