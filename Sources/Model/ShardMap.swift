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

/// A copy of a shard.
public struct ReplicaRecord: Hashable, Sendable {
  /// Never reused.
  public var id: ReplicaID
  /// Where it is.
  public var node: NodeID
  /// Names a copy.
  public init(id: ReplicaID, node: NodeID) {
    self.id = id
    self.node = node
  }
}

/// A shard: hashes lower … upper, both included; who is its primary, and which copies count (protocol.md §2.2).
public struct ShardRecord: Equatable, Sendable {
  /// Never reused.
  public var id: ShardID
  /// Its colocation group.
  public var group: GroupID
  /// Lowest hash.
  public var lower: UInt64
  /// Highest hash.
  public var upper: UInt64
  /// Epoch of the present primary: one more with every appointment.
  public var epoch: Epoch
  /// Changes with any change of this record.
  public var version: UInt64
  /// The appointed primary.
  public var primary: NodeID
  /// Copies that hold every committed entry: an entry commits when all of them have it. By id.
  public var inSync: [ReplicaRecord]
  /// Copies that left the in-sync set when fewer than the least number stayed: nothing could commit without them since. By id.
  public var eligible: [ReplicaRecord]
  /// Copies that catch up. By id.
  public var learners: [ReplicaRecord]
  /// Something was written to it: a copy that is missing on its node was lost, not just never made.
  public var isBegun: Bool
  /// Makes a record.
  public init(
    id: ShardID,
    group: GroupID,
    lower: UInt64,
    upper: UInt64,
    epoch: Epoch,
    version: UInt64,
    primary: NodeID,
    inSync: [ReplicaRecord] = [],
    eligible: [ReplicaRecord] = [],
    learners: [ReplicaRecord] = [],
    isBegun: Bool = false
  ) {
    self.id = id
    self.group = group
    self.lower = lower
    self.upper = upper
    self.epoch = epoch
    self.version = version
    self.primary = primary
    self.inSync = inSync
    self.eligible = eligible
    self.learners = learners
    self.isBegun = isBegun
  }
  /// All copies, whatever they count for.
  public var replicas: [ReplicaRecord] { inSync + eligible + learners }
  /// The copy on a node.
  public func replica(on node: NodeID) -> ReplicaRecord? { replicas.first { $0.node == node } }
}

/// Tables that share key type, hash and shards.
public struct ColocationGroup: Equatable, Sendable {
  /// Never reused.
  public var id: GroupID
  /// Type family of the tenant key: `.bigint` for all integers, `.text` for all texts.
  public var keyType: DataType
  /// Shards by rising hash range; together they cover all hashes.
  public var shards: [ShardID]
  /// Copies of each shard; 0 = as many as the number of workers suggests: one, or two where there are two workers or more.
  public var copies: Int
  /// Makes a group.
  public init(id: GroupID, keyType: DataType, shards: [ShardID], copies: Int = 1) {
    self.id = id
    self.keyType = keyType
    self.shards = shards
    self.copies = copies
  }
  /// Copies that must be in sync for anything to commit.
  public var leastInSync: Int { copies >= 3 ? 2 : 1 }
  /// Most copies of a shard.
  public static let copiesMax = 5
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
  /// Schemas beside `public`, rising.
  public var schemas: [String] = []
  /// Views by id.
  public var views: [ViewRecord] = []
  /// Functions and procedures by id.
  public var functions: [FunctionRecord] = []
  /// Sequences by id.
  public var sequences: [SequenceRecord] = []
  /// Jobs by id.
  public var jobs: [JobRecord] = []
  /// Tables that transactions have made and not committed, by id (CoordinatorNode/Catalog+Drafts): workers keep their rows, no name
  /// finds them.
  public var drafted: [TableSchema] = []
  /// Where a statement's names without a schema are looked up, in this order. Its session's, not the catalog's: no bytes have it.
  public var searchPath = ["public"]
  /// The schema of the session's temporary objects, which need not exist yet; nil where a session can have none. No bytes have it either.
  public var temporarySchema: String?
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
  /// The table with that name: the first along the search path, or that of a schema written before it (`schema.name`).
  public func table(named name: String) -> TableSchema? {
    if let found = table(named: name, in: nil) { return found }
    guard let point = name.firstIndex(of: ".") else { return nil }
    return table(named: String(name[name.index(after: point)...]), in: String(name[..<point]))
  }
  /// The table with that name in a schema; nil: along the search path.
  public func table(named name: String, in schema: String?) -> TableSchema? {
    for schema in schema.map({ [$0] }) ?? places(nil) {
      if let found = tables.first(where: { $0.name == name && $0.schemaName == schema }) { return found }
    }
    return nil
  }
  /// The view with that name in a schema; nil: along the search path.
  public func view(named name: String, in schema: String?) -> ViewRecord? {
    for schema in schema.map({ [$0] }) ?? places(nil) {
      if let found = views.first(where: { $0.name == name && $0.schemaName == schema }) { return found }
    }
    return nil
  }
  /// Whether a schema exists in which objects can be made.
  public func hasSchema(_ name: String) -> Bool { name == "public" || schemas.contains(name) }
  /// The table with that number.
  public func table(_ id: TableID) -> TableSchema? { tables.first { $0.id == id } ?? drafted.first { $0.id == id } }
  /// The rollup with that name.
  public func rollup(named name: String) -> RollupDefinition? { rollups.first { $0.name == name } }
  /// The shard with that number.
  public func shard(_ id: ShardID) -> ShardRecord? { shards.first { $0.id == id } }
  /// The group with that number.
  public func group(_ id: GroupID) -> ColocationGroup? { groups.first { $0.id == id } }
  /// The node with that number.
  public func node(_ id: NodeID) -> NodeRecord? { nodes.first { $0.id == id } }
}
