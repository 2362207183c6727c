// CatalogCommandFormat.swift — the bytes of catalog commands and of the whole catalog, as bodies of command records.
//
//   command  u8 version 1 · u8 kind · fields in the order of CatalogCommand's cases
//   kinds    1 bootstrap · 2 registerNode · 3 createTable · 4 dropTable · 5 distributeTable · 6 createRollup · 7 dropRollup
//            · 8 openProducer · 9 confirmNode · 10 distributeTable with copies · 11 alterInSync · 12 elect · 13 addLearner
//            · 14 dropReplica · 15 loseReplicas · 16 beginShards · 17 deleteTenant · 18 tenantDeleted
//            · 19 forcePrimary · 20 placeTable · 21 alterTable · 22 createView · 23 dropView · 24 createFunction · 25 dropFunction
//            · 26 createSequence · 27 alterSequence · 28 dropSequence · 29 takeNumbers · 30 setSequence · 31 scheduleJob
//            · 32 unscheduleJob · 33 createSchema · 34 dropSchema · 36 createTableWithSequences · 37 draft, its command as varint bytes
//            · 38 cutDraft · 39 publishDraft · 40 discardDraft · 44 alterTableAndViews · 45 alterViews · 50 beginMove
//            · 51 finishMove · 52 cancelMove (from 20: CatalogObjectsCommandFormat.swift) · 60 noteSalvage: LossRecord, string what
//            · 61 removeCoordinator.
//            Never reuse one. (5 is distributeTable as version 0.1 wrote it.)
//   state    u8 version 6 · CatalogSnapshot (Model.CatalogFormat) · 7 × u64 next numbers (table, node, group, shard,
//            session, incarnation, replica; version 1 lacks the last) · varint count + u64 separate groups
//            · varint count + (u64 node, u64 incarnation) unconfirmed · varint count + producers by rising name
//            · u64 next deletion, varint count + deletions (version 2 ends before)
//            · varint count + LossRecord (the same)
//            · varint count + (u64 sequence, i64 last number given, bool exhausted, i64 next) by rising sequence, u64 single group,
//            u64 reference group (0: none), i64 next job (version 3 ends before)
//            · varint count + Draft by rising id (version 4 ends before)
//            · varint count + (u64 source, Table target) of tables that are moved, by the target's rising id
//            · string what of each LossRecord, u64 generation (version 5 ends before)
//   Draft    u64 id, varint count + (u64 first number, bool placement, varint bytes command), varint count + tables,
//            varint count + sequences
//   deletion u64 number, u64 group, Value tenant, u64 shard, i64 time, u8 done (0, 1), [Outcome]
//   Outcome  u64 position, i64 log time, varint count + (u64 relation, u64 rows)
import Bytes
import Model
import Wire

/// Encodes and decodes catalog commands.
enum CatalogCommandFormat {
  static let version: UInt8 = 1
  static let stateVersion: UInt8 = 6
  static let producersMax = 1 << 20

  static func encode(_ command: CatalogCommand) -> [UInt8] {
    var out = ByteWriter()
    out.u8(version)
    switch command {
    case .bootstrap(let cluster):
      out.u8(1)
      out.u64(cluster.high)
      out.u64(cluster.low)
    case .registerNode(let name, let role, let address, let previous):
      out.u8(2)
      out.string(name)
      out.u8(role.rawValue)
      out.string(address)
      out.u64(previous.rawValue)
    case .createTable(let schema):
      out.u8(3)
      CatalogFormat.encode(schema, into: &out)
    case .dropTable(let id):
      out.u8(4)
      out.u64(id.rawValue)
    case .distributeTable(let id, let key, let group, let placement, let copies):
      out.u8(10)
      out.u64(id.rawValue)
      encodeSpread(key, group, placement, copies, into: &out)
    case .createRollup(let definition, let timeColumn):
      out.u8(6)
      CatalogFormat.encode(definition, into: &out)
      out.count(timeColumn)
    case .dropRollup(let id):
      out.u8(7)
      out.u64(id.rawValue)
    case .openProducer(let request):
      out.u8(8)
      encode(request, into: &out)
    case .confirmNode(let node, let incarnation):
      out.u8(9)
      out.u64(node.rawValue)
      out.u64(incarnation.rawValue)
    case .alterInSync(let shard, let epoch, let version, let primary, let inSync, let added):
      out.u8(11)
      out.u64(shard.rawValue)
      out.u64(epoch.rawValue)
      out.u64(version)
      out.u64(primary.rawValue)
      out.count(inSync.count)
      for replica in inSync { out.u64(replica.rawValue) }
      out.count(added.count)
      for (node, incarnation) in added.sorted(by: { $0.key < $1.key }) {
        out.u64(node.rawValue)
        out.u64(incarnation.rawValue)
      }
    case .elect(let shard, let version, let replica, let alive):
      out.u8(12)
      out.u64(shard.rawValue)
      out.u64(version)
      out.u64(replica.rawValue)
      out.count(alive.count)
      for node in alive { out.u64(node.rawValue) }
    case .addLearner(let shard, let version, let node):
      out.u8(13)
      out.u64(shard.rawValue)
      out.u64(version)
      out.u64(node.rawValue)
    case .dropReplica(let shard, let version, let replica):
      out.u8(14)
      out.u64(shard.rawValue)
      out.u64(version)
      out.u64(replica.rawValue)
    case .loseReplicas(let node, let incarnation, let replicas):
      out.u8(15)
      out.u64(node.rawValue)
      out.u64(incarnation.rawValue)
      out.count(replicas.count)
      for replica in replicas { out.u64(replica.rawValue) }
    case .forcePrimary(let loss, let version):
      out.u8(19)
      out.u64(version)
      loss.encode(into: &out)
    case .noteSalvage(let loss):
      out.u8(60)
      loss.encode(into: &out)
      out.string(loss.what)
    case .removeCoordinator(let name):
      out.u8(61)
      out.string(name)
    case .beginShards(let shards):
      out.u8(16)
      out.count(shards.count)
      for shard in shards { out.u64(shard.rawValue) }
    case .deleteTenant(let group, let tenant, let shard, let time):
      out.u8(17)
      out.u64(group.rawValue)
      tenant.encode(into: &out)
      out.u64(shard.rawValue)
      out.i64(time)
    case .tenantDeleted(let number, let outcome):
      out.u8(18)
      out.u64(number)
      encode(outcome, into: &out)
    default: encodeObjects(command, into: &out)
    }
    return out.finish()
  }
  static func encodeSpread(
    _ key: Int,
    _ group: CatalogCommand.GroupChoice,
    _ placement: [[NodeID]],
    _ copies: Int,
    into out: inout ByteWriter
  ) {
    out.count(key)
    switch group {
    case .existing(let group):
      out.u8(0)
      out.u64(group.rawValue)
    case .standard: out.u8(1)
    case .separate: out.u8(2)
    }
    out.count(placement.count)
    for nodes in placement {
      out.count(nodes.count)
      for node in nodes { out.u64(node.rawValue) }
    }
    out.u8(UInt8(copies))
  }
  /// `isOld`: of the version that knew one copy.
  static func decodeSpread(
    _ reader: inout ByteReader,
    isOld: Bool = false
  ) throws(DecodingFailure) -> (key: Int, group: CatalogCommand.GroupChoice, placement: [[NodeID]], copies: Int) {
    let key = try reader.count(max: Limits.columnsMax, "column number")
    let group: CatalogCommand.GroupChoice
    switch try reader.u8() {
    case 0: group = .existing(GroupID(try reader.u64()))
    case 1: group = .standard
    case 2: group = .separate
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "group choice")
    }
    var placement: [[NodeID]] = []
    for _ in 0..<(try reader.count(max: Limits.shardsMax, "placement")) {
      placement.append(isOld ? [NodeID(try reader.u64())] : try ids(&reader, ColocationGroup.copiesMax, "copies"))
    }
    return (key, group, placement, isOld ? 1 : try decodeCopies(&reader))
  }
  static func decodeCopies(_ reader: inout ByteReader) throws(DecodingFailure) -> Int {
    let copies = Int(try reader.u8())
    guard copies <= ColocationGroup.copiesMax else { throw DecodingFailure(.malformed, at: reader.position - 1, "\(copies) copies") }
    return copies
  }
  private static func encode(_ outcome: TenantRecord.Outcome, into out: inout ByteWriter) {
    out.u64(outcome.position.rawValue)
    out.i64(outcome.logTime)
    out.count(outcome.parts.count)
    for part in outcome.parts {
      out.u64(part.relation.rawValue)
      out.u64(part.rows)
    }
  }
  private static func decodeOutcome(_ reader: inout ByteReader) throws(DecodingFailure) -> TenantRecord.Outcome {
    var outcome = TenantRecord.Outcome(position: LogPosition(try reader.u64()), logTime: try reader.i64(), parts: [])
    for _ in 0..<(try reader.count(max: producersMax, "relations of a tenant")) {
      outcome.parts.append(TenantErased.Part(relation: TableID(try reader.u64()), rows: try reader.u64()))
    }
    return outcome
  }
  private static func encode(_ request: ProducerRequest, into out: inout ByteWriter) {
    out.string(request.name)
    out.u64(request.chunkBytes)
    out.u64(request.fingerprint.high)
    out.u64(request.fingerprint.low)
    out.i64(request.time)
    out.bool(request.isAnew)
  }
  private static func decodeRequest(_ reader: inout ByteReader) throws(DecodingFailure) -> ProducerRequest {
    ProducerRequest(
      name: try reader.string(),
      chunkBytes: try reader.u64(),
      fingerprint: Hash128(high: try reader.u64(), low: try reader.u64()),
      time: try reader.i64(),
      isAnew: try reader.bool()
    )
  }

  static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> CatalogCommand {
    try bytes.withReader { reader throws(DecodingFailure) in
      try expectVersion(&reader)
      let command = try decode(&reader)
      try reader.expectEnd()
      return command
    }
  }
  private static func expectVersion(_ reader: inout ByteReader) throws(DecodingFailure) {
    let found = try reader.u8()
    guard found == version else { throw DecodingFailure(.unknown, at: 0, "catalog format version \(found)") }
  }
  private static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> CatalogCommand {
    let kind = try reader.u8()
    switch kind {
    case 1: return .bootstrap(cluster: ClusterID(high: try reader.u64(), low: try reader.u64()))
    case 2:
      let name = try reader.string()
      guard let role = NodeRecord.Role(rawValue: try reader.u8()) else {
        throw DecodingFailure(.unknown, at: reader.position - 1, "node role")
      }
      return .registerNode(
        name: name,
        role: role,
        address: try reader.string(),
        previous: Incarnation(try reader.u64())
      )
    case 3: return .createTable(try CatalogFormat.decodeTable(from: &reader))
    case 4: return .dropTable(TableID(try reader.u64()))
    case 5, 10:
      let id = TableID(try reader.u64())
      let (key, group, placement, copies) = try decodeSpread(&reader, isOld: kind == 5)
      return .distributeTable(id, key: key, group: group, placement: placement, copies: copies)
    case 6:
      return .createRollup(
        try CatalogFormat.decodeRollup(from: &reader),
        timeColumn: try reader.count(max: Limits.columnsMax, "column number")
      )
    case 7: return .dropRollup(TableID(try reader.u64()))
    case 8: return .openProducer(try decodeRequest(&reader))
    case 9: return .confirmNode(NodeID(try reader.u64()), Incarnation(try reader.u64()))
    case 11:
      let shard = ShardID(try reader.u64())
      let epoch = Epoch(try reader.u64())
      let version = try reader.u64()
      let primary = Incarnation(try reader.u64())
      let inSync: [ReplicaID] = try ids(&reader, ColocationGroup.copiesMax * 2, "copies in sync")
      var added: [NodeID: Incarnation] = [:]
      for _ in 0..<(try reader.count(max: ColocationGroup.copiesMax * 2, "added copies")) {
        let node = NodeID(try reader.u64())
        added[node] = Incarnation(try reader.u64())
      }
      return .alterInSync(shard, epoch, version: version, primary: primary, inSync: inSync, added: added)
    case 12:
      let (shard, version, replica) = (ShardID(try reader.u64()), try reader.u64(), ReplicaID(try reader.u64()))
      return .elect(shard, version: version, replica, alive: try ids(&reader, producersMax, "nodes"))
    case 13: return .addLearner(ShardID(try reader.u64()), version: try reader.u64(), NodeID(try reader.u64()))
    case 14: return .dropReplica(ShardID(try reader.u64()), version: try reader.u64(), ReplicaID(try reader.u64()))
    case 15:
      let (node, incarnation) = (NodeID(try reader.u64()), Incarnation(try reader.u64()))
      return .loseReplicas(node, incarnation, try ids(&reader, producersMax, "copies"))
    case 16: return .beginShards(try ids(&reader, Limits.shardsMax, "shards"))
    case 17:
      return .deleteTenant(
        GroupID(try reader.u64()),
        try Tenant.decode(from: &reader),
        ShardID(try reader.u64()),
        time: try reader.i64()
      )
    case 18: return .tenantDeleted(try reader.u64(), try decodeOutcome(&reader))
    case 19:
      let version = try reader.u64()
      return .forcePrimary(try LossRecord.decode(&reader), version: version)
    case 60:
      var loss = try LossRecord.decode(&reader)
      loss.what = try reader.string()
      return .noteSalvage(loss)
    case 61: return .removeCoordinator(try reader.string())
    default: return try decodeObjects(kind, &reader)
    }
  }
  static func ids<Tag>(
    _ reader: inout ByteReader,
    _ limit: Int,
    _ what: StaticString
  ) throws(DecodingFailure) -> [ID<Tag>] {
    var found: [ID<Tag>] = []
    for _ in 0..<(try reader.count(max: limit, what)) { found.append(ID(try reader.u64())) }
    return found
  }

  static func encode(_ catalog: Catalog) -> [UInt8] {
    var out = ByteWriter(capacity: 4096)
    out.u8(stateVersion)
    CatalogFormat.encode(catalog.snapshot, into: &out)
    for number in [
      catalog.nextTable, catalog.nextNode, catalog.nextGroup, catalog.nextShard, catalog.nextSession,
      catalog.nextIncarnation, catalog.nextReplica,
    ] { out.u64(number) }
    out.count(catalog.separateGroups.count)
    for group in catalog.separateGroups { out.u64(group.rawValue) }
    out.count(catalog.unconfirmed.count)
    for (node, incarnation) in catalog.unconfirmed.sorted(by: { $0.key < $1.key }) {
      out.u64(node.rawValue)
      out.u64(incarnation.rawValue)
    }
    out.count(catalog.producers.count)
    for (_, record) in catalog.producers.sorted(by: { $0.key < $1.key }) {
      out.u64(record.session.rawValue)
      encode(record.request, into: &out)
    }
    out.u64(catalog.nextDeletion)
    out.count(catalog.tenantRecords.count)
    for record in catalog.tenantRecords {
      out.u64(record.number)
      out.u64(record.group.rawValue)
      record.tenant.encode(into: &out)
      out.u64(record.shard.rawValue)
      out.i64(record.time)
      out.bool(record.outcome != nil)
      if let outcome = record.outcome { encode(outcome, into: &out) }
    }
    out.count(catalog.losses.count)
    for loss in catalog.losses { loss.encode(into: &out) }
    encode(catalog.given, into: &out)
    out.u64(catalog.localGroup?.rawValue ?? 0)
    out.u64(catalog.referenceGroup?.rawValue ?? 0)
    out.i64(catalog.nextJob)
    encode(catalog.drafts, into: &out)
    encode(catalog.moves, into: &out)
    for loss in catalog.losses { out.string(loss.what) }
    out.u64(catalog.generation)
    return out.finish()
  }
  static func decodeState(_ bytes: [UInt8]) throws(DecodingFailure) -> Catalog {
    try bytes.withReader { reader throws(DecodingFailure) in
      let version = try reader.u8()
      guard (1...stateVersion).contains(version) else {
        throw DecodingFailure(.unknown, at: 0, "catalog state version \(version)")
      }
      let snapshot = try CatalogFormat.decodeSnapshot(from: &reader)
      let table = try reader.u64()
      let node = try reader.u64()
      let group = try reader.u64()
      let shard = try reader.u64()
      let session = try reader.u64()
      let incarnation = try reader.u64()
      // Copies of version 1 have their shards' numbers.
      let replica = version == 1 ? shard : try reader.u64()
      var separate: [GroupID] = []
      for _ in 0..<(try reader.count(max: producersMax, "separate groups")) { separate.append(GroupID(try reader.u64())) }
      var unconfirmed: [NodeID: Incarnation] = [:]
      for _ in 0..<(try reader.count(max: producersMax, "unconfirmed nodes")) {
        let node = NodeID(try reader.u64())
        unconfirmed[node] = Incarnation(try reader.u64())
      }
      var producers: [String: ProducerRecord] = [:]
      for _ in 0..<(try reader.count(max: producersMax, "producers")) {
        let session = SessionID(try reader.u64())
        let request = try decodeRequest(&reader)
        producers[request.name] = ProducerRecord(session: session, request: request)
      }
      let nextDeletion = version < 3 ? 1 : try reader.u64()
      var tenants: [TenantRecord] = []
      for _ in 0..<(version < 3 ? 0 : try reader.count(max: producersMax, "deletions of tenants")) {
        tenants.append(
          TenantRecord(
            number: try reader.u64(),
            group: GroupID(try reader.u64()),
            tenant: try Tenant.decode(from: &reader),
            shard: ShardID(try reader.u64()),
            time: try reader.i64(),
            outcome: try reader.bool() ? try decodeOutcome(&reader) : nil
          )
        )
      }
      var losses: [LossRecord] = []
      if version >= 3 { for _ in 0..<(try reader.count(max: producersMax, "losses")) { losses.append(try LossRecord.decode(&reader)) } }
      var objects = Catalog.Objects()
      if version >= 4 {
        objects.given = try decodeGiven(&reader)
        (objects.localGroup, objects.referenceGroup) = (try decodeGroup(&reader), try decodeGroup(&reader))
        objects.nextJob = try reader.i64()
      }
      let drafts = version >= 5 ? try decodeDrafts(&reader) : [:]
      let moves = version >= 6 ? try decodeMoves(&reader) : [:]
      if version >= 6 { for at in losses.indices { losses[at].what = try reader.string() } }
      let generation = version >= 6 ? try reader.u64() : 1
      try reader.expectEnd()
      return Catalog(
        snapshot: snapshot,
        nextTable: table,
        nextNode: node,
        nextGroup: group,
        nextShard: shard,
        nextSession: session,
        nextIncarnation: incarnation,
        nextReplica: replica,
        separateGroups: separate,
        unconfirmed: unconfirmed,
        producers: producers,
        tenantRecords: tenants,
        nextDeletion: nextDeletion,
        losses: losses,
        objects: objects,
        drafts: drafts,
        moves: moves,
        generation: generation
      )
    }
  }
  private static func decodeGroup(_ reader: inout ByteReader) throws(DecodingFailure) -> GroupID? {
    let number = try reader.u64()
    return number == 0 ? nil : GroupID(number)
  }
}
