// CatalogFormat.swift — bytes of the catalog and of each of its pieces.
//
//   Snapshot   := u8 version (2), u64 cluster high, u64 cluster low, u64 catalog version, then each as varint count and items:
//                 nodes, groups, shards, tables, rollups, all by rising id
//   Node       := u64 id, string name, u8 role, string address, u64 incarnation
//   Group      := u64 id, DataType key type, varint count, u64 shard…, u8 copies
//   Shard      := u64 id, u64 group, u64 lower, u64 upper, u64 epoch, u64 version, u64 primary, u8 begun (0, 1),
//                 Replicas in sync, Replicas eligible, Replicas learners; Replicas := varint count, each u64 id, u64 node
//   (version 1 had neither copies nor what follows the primary: its one copy has the shard's number)
//   Column     := string name, DataType, u8 flags (1 not null, 2 default), [string default]
//   Table      := u64 id, string schema, string name, varint count, Column…, u8 distribution (0 local, 1 distributed:
//                 varint key, u64 group), u8 flags (1 time column, 2 keep), [varint time column], [Interval keep]
//   Width      := u8 1, i64 microseconds | u8 2, i32 months
//   Level      := Width, string suffix, u8 (0, 1), [Interval keep]
//   Measure    := string name, u8 kind, DataType
//   Rollup     := u64 id, string schema, string name, u64 source, varint count, Column keys…, varint count, Measure…,
//                 varint count, Level…, string zone, string sql, byte string program, varint count, varint output order…
//
// Only the snapshot carries the version; pieces are used inside formats that carry their own. Strings are UTF-8 behind a
// varint byte count. A decoder checks every count before it allocates and every cross reference inside a piece (key and
// time column in range); references between pieces are the catalog's to check.
public import Bytes

/// Bytes of the catalog.
public enum CatalogFormat {
  /// Version of the snapshot's bytes.
  public static let version: UInt8 = 2
  /// Nodes, groups, tables or rollups of a cluster.
  static let entriesMax = 65536
  /// Bytes of a host and port.
  static let addressBytesMax = 512
  static let programBytesMax = 1 << 20

  /// Appends a snapshot.
  public static func encode(_ snapshot: CatalogSnapshot, into writer: inout ByteWriter) {
    writer.u8(version)
    writer.u64(snapshot.cluster.high)
    writer.u64(snapshot.cluster.low)
    writer.u64(snapshot.version.rawValue)
    writer.count(snapshot.nodes.count)
    for node in snapshot.nodes { encode(node, into: &writer) }
    writer.count(snapshot.groups.count)
    for group in snapshot.groups { encode(group, into: &writer) }
    writer.count(snapshot.shards.count)
    for shard in snapshot.shards { encode(shard, into: &writer) }
    writer.count(snapshot.tables.count)
    for table in snapshot.tables { encode(table, into: &writer) }
    writer.count(snapshot.rollups.count)
    for rollup in snapshot.rollups { encode(rollup, into: &writer) }
  }
  /// Reads a snapshot.
  public static func decodeSnapshot(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> CatalogSnapshot {
    let found = try reader.u8()
    guard found == version || found == 1 else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "catalog version \(found)")
    }
    var snapshot = CatalogSnapshot(
      cluster: ClusterID(high: try reader.u64(), low: try reader.u64())
    )
    snapshot.version = CatalogVersion(try reader.u64())
    snapshot.nodes = try list(&reader, entriesMax, "nodes", decodeNode)
    snapshot.groups = try list(&reader, entriesMax, "groups") { r throws(DecodingFailure) in try decodeGroup(from: &r, version: found) }
    snapshot.shards = try list(&reader, entriesMax, "shards") { r throws(DecodingFailure) in try decodeShard(from: &r, version: found) }
    snapshot.tables = try list(&reader, entriesMax, "tables", decodeTable)
    snapshot.rollups = try list(&reader, entriesMax, "rollups", decodeRollup)
    try checkOrder(snapshot.nodes.map(\.id.rawValue), reader, "nodes")
    try checkOrder(snapshot.groups.map(\.id.rawValue), reader, "groups")
    try checkOrder(snapshot.shards.map(\.id.rawValue), reader, "shards")
    try checkOrder(snapshot.tables.map(\.id.rawValue), reader, "tables")
    try checkOrder(snapshot.rollups.map(\.id.rawValue), reader, "rollups")
    return snapshot
  }
  private static func checkOrder(
    _ ids: [UInt64],
    _ reader: ByteReader,
    _ what: String
  ) throws(DecodingFailure) {
    for i in ids.indices.dropFirst() where ids[i] <= ids[i - 1] {
      throw DecodingFailure(.malformed, at: reader.position, "\(what) are not by rising id")
    }
  }
  /// Reads a count and as many items; nothing is reserved, so a false count costs nothing.
  static func list<Item>(
    _ reader: inout ByteReader,
    _ limit: Int,
    _ what: StaticString,
    _ item: (inout ByteReader) throws(DecodingFailure) -> Item
  ) throws(DecodingFailure) -> [Item] {
    var items: [Item] = []
    for _ in 0..<(try reader.count(max: limit, what)) { items.append(try item(&reader)) }
    return items
  }

  /// Appends a node.
  public static func encode(_ node: NodeRecord, into writer: inout ByteWriter) {
    writer.u64(node.id.rawValue)
    writer.string(node.name)
    writer.u8(node.role.rawValue)
    writer.string(node.address)
    writer.u64(node.incarnation.rawValue)
  }
  /// Reads a node.
  public static func decodeNode(from reader: inout ByteReader) throws(DecodingFailure) -> NodeRecord {
    let id = NodeID(try reader.u64())
    let name = try reader.string(max: addressBytesMax)
    let start = reader.position
    guard let role = NodeRecord.Role(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: start, "role of node \(id)")
    }
    let address = try reader.string(max: addressBytesMax)
    return NodeRecord(
      id: id,
      name: name,
      role: role,
      address: address,
      incarnation: Incarnation(try reader.u64())
    )
  }
  /// Appends a colocation group.
  public static func encode(_ group: ColocationGroup, into writer: inout ByteWriter) {
    writer.u64(group.id.rawValue)
    ValueFormat.encode(group.keyType, into: &writer)
    writer.count(group.shards.count)
    for shard in group.shards { writer.u64(shard.rawValue) }
    writer.u8(UInt8(group.copies))
  }
  /// Reads a colocation group.
  public static func decodeGroup(
    from reader: inout ByteReader,
    version: UInt8 = version
  ) throws(DecodingFailure) -> ColocationGroup {
    let id = GroupID(try reader.u64())
    let type = try ValueFormat.decodeType(from: &reader)
    let shards = try list(&reader, Limits.shardsMax, "shards of a group") {
      r throws(DecodingFailure) in
      ShardID(try r.u64())
    }
    let copies = version == 1 ? 1 : Int(try reader.u8())
    guard copies <= ColocationGroup.copiesMax else {
      throw DecodingFailure(.malformed, at: reader.position - 1, "\(copies) copies of a shard")
    }
    return ColocationGroup(id: id, keyType: type, shards: shards, copies: copies)
  }
  /// Appends a shard.
  public static func encode(_ shard: ShardRecord, into writer: inout ByteWriter) {
    writer.u64(shard.id.rawValue)
    writer.u64(shard.group.rawValue)
    writer.u64(shard.lower)
    writer.u64(shard.upper)
    writer.u64(shard.epoch.rawValue)
    writer.u64(shard.version)
    writer.u64(shard.primary.rawValue)
    writer.bool(shard.isBegun)
    for replicas in [shard.inSync, shard.eligible, shard.learners] {
      writer.count(replicas.count)
      for replica in replicas {
        writer.u64(replica.id.rawValue)
        writer.u64(replica.node.rawValue)
      }
    }
  }
  /// Reads a shard.
  public static func decodeShard(
    from reader: inout ByteReader,
    version: UInt8 = version
  ) throws(DecodingFailure) -> ShardRecord {
    let start = reader.position
    let (id, group) = (ShardID(try reader.u64()), GroupID(try reader.u64()))
    let (lower, upper) = (try reader.u64(), try reader.u64())
    guard lower <= upper else {
      throw DecodingFailure(.malformed, at: start, "shard \(id) has an empty range")
    }
    var shard = ShardRecord(
      id: id,
      group: group,
      lower: lower,
      upper: upper,
      epoch: Epoch(try reader.u64()),
      version: try reader.u64(),
      primary: NodeID(try reader.u64())
    )
    if version == 1 {
      shard.inSync = [ReplicaRecord(id: ReplicaID(id.rawValue), node: shard.primary)]
      shard.isBegun = true
      return shard
    }
    shard.isBegun = try reader.bool()
    shard.inSync = try list(&reader, replicasMax, "copies in sync", decodeReplica)
    shard.eligible = try list(&reader, replicasMax, "eligible copies", decodeReplica)
    shard.learners = try list(&reader, replicasMax, "learners", decodeReplica)
    return shard
  }
  private static func decodeReplica(from reader: inout ByteReader) throws(DecodingFailure) -> ReplicaRecord {
    ReplicaRecord(id: ReplicaID(try reader.u64()), node: NodeID(try reader.u64()))
  }
  static let replicasMax = 64
  /// Appends a column.
  public static func encode(_ column: Column, into writer: inout ByteWriter) {
    writer.string(column.name)
    ValueFormat.encode(column.type, into: &writer)
    writer.u8((column.isNotNull ? 1 : 0) | (column.defaultSQL == nil ? 0 : 2))
    if let sql = column.defaultSQL { writer.string(sql) }
  }
  /// Reads a column.
  public static func decodeColumn(from reader: inout ByteReader) throws(DecodingFailure) -> Column {
    let name = try reader.string(max: Limits.nameBytesMax)
    let type = try ValueFormat.decodeType(from: &reader)
    let flags = try decodeFlags(&reader, below: 4)
    return Column(
      name: name,
      type: type,
      isNotNull: flags & 1 != 0,
      defaultSQL: flags & 2 != 0 ? try reader.string(max: Limits.sqlBytesMax) : nil
    )
  }
  static func decodeFlags(
    _ reader: inout ByteReader,
    below limit: UInt8
  ) throws(DecodingFailure) -> UInt8 {
    let flags = try reader.u8()
    guard flags < limit else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "flags \(flags)")
    }
    return flags
  }
  /// Appends a table.
  public static func encode(_ table: TableSchema, into writer: inout ByteWriter) {
    writer.u64(table.id.rawValue)
    writer.string(table.schemaName)
    writer.string(table.name)
    writer.count(table.columns.count)
    for column in table.columns { encode(column, into: &writer) }
    switch table.distribution {
    case .local: writer.u8(0)
    case .distributed(let key, let group):
      writer.u8(1)
      writer.count(key)
      writer.u64(group.rawValue)
    }
    writer.u8((table.timeColumn == nil ? 0 : 1) | (table.keep == nil ? 0 : 2))
    if let column = table.timeColumn { writer.count(column) }
    if let keep = table.keep { ValueFormat.encode(keep, into: &writer) }
  }
  /// Reads a table.
  public static func decodeTable(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> TableSchema {
    let id = TableID(try reader.u64())
    let schema = try reader.string(max: Limits.nameBytesMax)
    let name = try reader.string(max: Limits.nameBytesMax)
    var table = TableSchema(
      id: id,
      schemaName: schema,
      name: name,
      columns: try list(&reader, Limits.columnsMax, "columns", decodeColumn)
    )
    switch try decodeFlags(&reader, below: 2) {
    case 0: table.distribution = .local
    default:
      let key = try decodeIndex(&reader, of: table.columns.count)
      table.distribution = .distributed(key: key, group: GroupID(try reader.u64()))
    }
    let flags = try decodeFlags(&reader, below: 4)
    if flags & 1 != 0 { table.timeColumn = try decodeIndex(&reader, of: table.columns.count) }
    if flags & 2 != 0 { table.keep = try ValueFormat.decodeInterval(from: &reader) }
    return table
  }
  static func decodeIndex(_ reader: inout ByteReader, of count: Int) throws(DecodingFailure) -> Int {
    let start = reader.position
    let index = try reader.count(max: Limits.columnsMax * 2, "column number")
    guard index < count else {
      throw DecodingFailure(.malformed, at: start, "column \(index) of \(count)")
    }
    return index
  }
}
