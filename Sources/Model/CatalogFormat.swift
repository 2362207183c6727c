// CatalogFormat.swift — bytes of the catalog and of each of its pieces.
//
//   Snapshot   := u8 version (4), u64 cluster high, u64 cluster low, u64 catalog version, then each as varint count and items:
//                 nodes, groups, shards, tables, rollups, all by rising id; then schemas beside `public` (strings, rising), views,
//                 functions,
//                 sequences, jobs, by rising id (CatalogObjectsFormat.swift; version 2 ends before); then drafted tables (version 3 ends
//                 before)
//   Node       := u64 id, string name, u8 role, string address, u64 incarnation
//   Group      := u64 id, DataType key type, varint count, u64 shard…, u8 copies
//   Shard      := u64 id, u64 group, u64 lower, u64 upper, u64 epoch, u64 version, u64 primary, u8 begun (0, 1),
//                 Replicas in sync, Replicas eligible, Replicas learners; Replicas := varint count, each u64 id, u64 node
//   (version 1 had neither copies nor what follows the primary: its one copy has the shard's number)
//   Column     := string name, DataType, u8 flags (1 not null, 2 default, 4 dropped, 8 missing value, 16 identity), [string default],
//                 [string missing], [u8 identity]
//   Table      := u64 id, string schema, string name, varint count, Column…, u8 distribution (0 local, 1 distributed:
//                 varint key, u64 group, 2 local and 3 reference on one shard: u64 group), u8 flags (1 time column, 2 keep, 4 constraints,
//                 8 references, 16 comments, 32 materialized view, 64 fenced, 128 moved), [varint time column], [Interval keep],
//                 [varint count, Key…, varint count, Check…, varint count, Index…], [varint count, Reference…], [varint count, Comment…],
//                 [string query of a materialized view], [u64 first id of a moved table]
//   Comment    := u8 subject (0 table, 1 column: varint number, 2 constraint: string name, 3 index: string name), string text
//   Reference  := string name, Numbers, u64 table, varint count, varint key column…, u8 flags (1 ON UPDATE RESTRICT, 2 ON DELETE RESTRICT)
//   Key        := string name, Numbers, u8 flags (1 primary, 2 index) · Check := string name, string sql · Index := string name, Numbers,
//                 string sql · Numbers := varint count, varint column…
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
  public static let version: UInt8 = 4
  /// Nodes, groups, tables or rollups of a cluster.
  public static let entriesMax = 65536
  /// Bytes of a host and port.
  static let addressBytesMax = 512
  static let programBytesMax = 1 << 20

  /// Appends a snapshot.
  public static func encode(_ snapshot: CatalogSnapshot, into writer: inout ByteWriter) {
    writer.u8(version)
    writer.u64(snapshot.cluster.high)
    writer.u64(snapshot.cluster.low)
    writer.u64(snapshot.version.rawValue)
    put(snapshot.nodes, into: &writer) { encode($0, into: &$1) }
    put(snapshot.groups, into: &writer) { encode($0, into: &$1) }
    put(snapshot.shards, into: &writer) { encode($0, into: &$1) }
    put(snapshot.tables, into: &writer) { encode($0, into: &$1) }
    put(snapshot.rollups, into: &writer) { encode($0, into: &$1) }
    put(snapshot.schemas, into: &writer) { $1.string($0) }
    put(snapshot.views, into: &writer) { encode($0, into: &$1) }
    put(snapshot.functions, into: &writer) { encode($0, into: &$1) }
    put(snapshot.sequences, into: &writer) { encode($0, into: &$1) }
    put(snapshot.jobs, into: &writer) { encode($0, into: &$1) }
    put(snapshot.drafted, into: &writer) { encode($0, into: &$1) }
  }
  /// A count and as many items.
  private static func put<Item>(_ items: [Item], into writer: inout ByteWriter, _ item: (Item, inout ByteWriter) -> Void) {
    writer.count(items.count)
    for each in items { item(each, &writer) }
  }
  /// Reads a snapshot.
  public static func decodeSnapshot(
    from reader: inout ByteReader
  ) throws(DecodingFailure) -> CatalogSnapshot {
    let found = try reader.u8()
    guard (1...version).contains(found) else {
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
    if found < 3 { return snapshot }
    snapshot.schemas = try list(&reader, entriesMax, "schemas") { r throws(DecodingFailure) in try r.string(max: Limits.nameBytesMax) }
    snapshot.views = try list(&reader, entriesMax, "views", decodeView)
    snapshot.functions = try list(&reader, entriesMax, "functions", decodeFunction)
    snapshot.sequences = try list(&reader, entriesMax, "sequences", decodeSequence)
    snapshot.jobs = try list(&reader, entriesMax, "jobs", decodeJob)
    try checkOrder(snapshot.views.map(\.id.rawValue), reader, "views")
    try checkOrder(snapshot.functions.map(\.id.rawValue), reader, "functions")
    try checkOrder(snapshot.sequences.map(\.id.rawValue), reader, "sequences")
    try checkOrder(snapshot.jobs.map { UInt64(bitPattern: $0.id) }, reader, "jobs")
    if found >= 4 {
      snapshot.drafted = try list(&reader, entriesMax, "drafted tables", decodeTable)
      try checkOrder(snapshot.drafted.map(\.id.rawValue), reader, "drafted tables")
    }
    for at in snapshot.schemas.indices.dropFirst() where snapshot.schemas[at] <= snapshot.schemas[at - 1] {
      throw DecodingFailure(.malformed, at: reader.position, "schemas are not in order")
    }
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
    var flags: UInt8 = column.isNotNull ? 1 : 0
    if column.defaultSQL != nil { flags |= 2 }
    if column.isDropped { flags |= 4 }
    if column.missing != nil { flags |= 8 }
    if column.identity != .none { flags |= 16 }
    writer.u8(flags)
    if let sql = column.defaultSQL { writer.string(sql) }
    if let text = column.missing { writer.string(text) }
    if column.identity != .none { writer.u8(column.identity.rawValue) }
  }
  /// Reads a column.
  public static func decodeColumn(from reader: inout ByteReader) throws(DecodingFailure) -> Column {
    let name = try reader.string(max: Limits.nameBytesMax)
    let type = try ValueFormat.decodeType(from: &reader)
    let flags = try decodeFlags(&reader, below: 32)
    var column = Column(
      name: name,
      type: type,
      isNotNull: flags & 1 != 0,
      defaultSQL: flags & 2 != 0 ? try reader.string(max: Limits.sqlBytesMax) : nil,
      isDropped: flags & 4 != 0
    )
    if flags & 8 != 0 {
      column.missing = try reader.string(max: Limits.textBytesMax)
    }
    if flags & 16 != 0 {
      guard let identity = ColumnIdentity(rawValue: try reader.u8()), identity != .none else {
        throw DecodingFailure(.unknown, at: reader.position - 1, "identity of column \(name)")
      }
      column.identity = identity
    }
    return column
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
    case .single(let group, let isReference):
      writer.u8(isReference ? 3 : 2)
      writer.u64(group.rawValue)
    }
    let isConstrained = !(table.keys.isEmpty && table.checks.isEmpty && table.indexes.isEmpty)
    writer.u8(
      (table.timeColumn == nil ? 0 : 1) | (table.keep == nil ? 0 : 2) | (isConstrained ? 4 : 0) | (table.references.isEmpty ? 0 : 8)
        | (table.comments.isEmpty ? 0 : 16) | (table.isMaterialized ? 32 : 0) | (table.isFenced ? 64 : 0) | (table.firstID == nil ? 0 : 128)
    )
    if let column = table.timeColumn { writer.count(column) }
    if let keep = table.keep { ValueFormat.encode(keep, into: &writer) }
    if isConstrained { encodeConstraints(of: table, into: &writer) }
    if !table.references.isEmpty { put(table.references, into: &writer) { encode($0, into: &$1) } }
    if !table.comments.isEmpty { put(table.comments, into: &writer) { encode($0, into: &$1) } }
    if let sql = table.materializedSQL { writer.string(sql) }
    if let id = table.firstID { writer.u64(id.rawValue) }
  }
  private static func encode(_ comment: TableComment, into writer: inout ByteWriter) {
    switch comment.subject {
    case .table: writer.u8(0)
    case .column(let number):
      writer.u8(1)
      writer.count(number)
    case .constraint(let name):
      writer.u8(2)
      writer.string(name)
    case .index(let name):
      writer.u8(3)
      writer.string(name)
    }
    writer.string(comment.text)
  }
  private static func decodeComment(_ reader: inout ByteReader, of columns: Int) throws(DecodingFailure) -> TableComment {
    let subject: TableComment.Subject
    switch try decodeFlags(&reader, below: 4) {
    case 0: subject = .table
    case 1: subject = .column(try decodeIndex(&reader, of: columns))
    case 2: subject = .constraint(try reader.string(max: Limits.nameBytesMax))
    default: subject = .index(try reader.string(max: Limits.nameBytesMax))
    }
    return TableComment(subject: subject, text: try reader.string(max: Limits.sqlBytesMax))
  }
  private static func encode(_ reference: TableReference, into writer: inout ByteWriter) {
    writer.string(reference.name)
    encode(numbers: reference.columns, into: &writer)
    writer.u64(reference.table.rawValue)
    encode(numbers: reference.keyColumns, into: &writer)
    writer.u8((reference.restrictsUpdate ? 1 : 0) | (reference.restrictsDelete ? 2 : 0))
  }
  private static func decodeReference(_ reader: inout ByteReader, of columns: Int) throws(DecodingFailure) -> TableReference {
    let name = try reader.string(max: Limits.nameBytesMax)
    let numbers = try decodeNumbers(&reader, of: columns)
    let table = TableID(try reader.u64())
    // The other table's: the catalog has checked them.
    let keyColumns = try decodeNumbers(&reader, of: Limits.columnsMax)
    guard !numbers.isEmpty, numbers.count == keyColumns.count else {
      throw DecodingFailure(.malformed, at: reader.position, "reference \(name) of \(numbers.count) columns to \(keyColumns.count)")
    }
    let flags = try decodeFlags(&reader, below: 4)
    return TableReference(
      name: name,
      columns: numbers,
      table: table,
      keyColumns: keyColumns,
      restrictsUpdate: flags & 1 != 0,
      restrictsDelete: flags & 2 != 0
    )
  }
  private static func encodeConstraints(of table: TableSchema, into writer: inout ByteWriter) {
    writer.count(table.keys.count)
    for key in table.keys {
      writer.string(key.name)
      encode(numbers: key.columns, into: &writer)
      writer.u8((key.isPrimary ? 1 : 0) | (key.isIndex ? 2 : 0))
    }
    writer.count(table.checks.count)
    for check in table.checks {
      writer.string(check.name)
      writer.string(check.sql)
    }
    writer.count(table.indexes.count)
    for index in table.indexes {
      writer.string(index.name)
      encode(numbers: index.columns, into: &writer)
      writer.string(index.sql)
    }
  }
  private static func encode(numbers: [Int], into writer: inout ByteWriter) {
    writer.count(numbers.count)
    for number in numbers { writer.count(number) }
  }
  private static func decodeConstraints(of table: inout TableSchema, from reader: inout ByteReader) throws(DecodingFailure) {
    let columns = table.columns.count
    table.keys = try list(&reader, constraintsMax, "keys") { reader throws(DecodingFailure) in
      let name = try reader.string(max: Limits.nameBytesMax)
      let numbers = try decodeNumbers(&reader, of: columns)
      guard !numbers.isEmpty else { throw DecodingFailure(.malformed, at: reader.position, "key \(name) has no column") }
      let flags = try decodeFlags(&reader, below: 4)
      return TableKey(name: name, columns: numbers, isPrimary: flags & 1 != 0, isIndex: flags & 2 != 0)
    }
    table.checks = try list(&reader, constraintsMax, "checks") { reader throws(DecodingFailure) in
      TableCheck(name: try reader.string(max: Limits.nameBytesMax), sql: try reader.string(max: Limits.sqlBytesMax))
    }
    table.indexes = try list(&reader, constraintsMax, "indexes") { reader throws(DecodingFailure) in
      TableIndex(
        name: try reader.string(max: Limits.nameBytesMax),
        columns: try decodeNumbers(&reader, of: columns),
        sql: try reader.string(max: Limits.sqlBytesMax)
      )
    }
  }
  private static func decodeNumbers(_ reader: inout ByteReader, of count: Int) throws(DecodingFailure) -> [Int] {
    try list(&reader, Limits.columnsMax, "columns") { reader throws(DecodingFailure) in try decodeIndex(&reader, of: count) }
  }
  /// Keys, checks or indexes of one table.
  static let constraintsMax = 1024
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
    switch try decodeFlags(&reader, below: 4) {
    case 0: table.distribution = .local
    case 2: table.distribution = .single(group: GroupID(try reader.u64()), isReference: false)
    case 3: table.distribution = .single(group: GroupID(try reader.u64()), isReference: true)
    default:
      let key = try decodeIndex(&reader, of: table.columns.count)
      table.distribution = .distributed(key: key, group: GroupID(try reader.u64()))
    }
    let flags = try reader.u8()
    if flags & 1 != 0 { table.timeColumn = try decodeIndex(&reader, of: table.columns.count) }
    if flags & 2 != 0 { table.keep = try ValueFormat.decodeInterval(from: &reader) }
    if flags & 4 != 0 { try decodeConstraints(of: &table, from: &reader) }
    if flags & 8 != 0 {
      let columns = table.columns.count
      table.references = try list(&reader, constraintsMax, "references") { r throws(DecodingFailure) in try decodeReference(&r, of: columns)
      }
    }
    if flags & 16 != 0 {
      let columns = table.columns.count
      let most = columns + constraintsMax * 4 + 1
      table.comments = try list(&reader, most, "comments") { r throws(DecodingFailure) in try decodeComment(&r, of: columns) }
    }
    if flags & 32 != 0 { table.materializedSQL = try reader.string(max: Limits.sqlBytesMax) }
    table.isFenced = flags & 64 != 0
    if flags & 128 != 0 { table.firstID = TableID(try reader.u64()) }
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
