// Catalog.swift — the coordinators' state machine: nodes, shard map, tables, rollups, producers.
//
// A value: `apply` depends on nothing but the state and the command, so every coordinator that applies the same log holds
// the same catalog. It checks every command itself (two proposals may race) and refuses without changing anything.
import Bytes
import Model

/// The catalog's state.
struct Catalog: Sendable {
  /// What fronts and workers see.
  var snapshot = CatalogSnapshot(cluster: .none)
  /// Next number of tables and rollups.
  var nextTable: UInt64 = 1
  /// Next number of nodes, groups, shards and sessions.
  private(set) var nextNode: UInt64 = 1
  var nextGroup: UInt64 = 1
  var nextShard: UInt64 = 1
  private(set) var nextSession: UInt64 = 1
  private(set) var nextIncarnation: UInt64 = 1
  var nextReplica: UInt64 = 1
  /// Groups made for one table alone; `.standard` never joins them.
  var separateGroups: [GroupID] = []
  /// Nodes that were given an incarnation and did not confirm that they stored it, with the one before: they may come back with either.
  private(set) var unconfirmed: [NodeID: Incarnation] = [:]
  /// Named producers by name.
  private(set) var producers: [String: ProducerRecord] = [:]
  /// What operators gave up, oldest first.
  var losses: [LossRecord] = []
  /// How often the catalog was recovered from what workers keep, from 1 (MetadataRecovery).
  var generation: UInt64 = 1
  /// When the newest producer was opened.
  var latestProducerTime: Int64? { producers.values.compactMap { Self.begun($0.request.time) }.max() }
  /// Deletions of tenants, by rising number: those under way, and the last that are done.
  var tenantRecords: [TenantRecord] = []
  /// Number of the next.
  var nextDeletion: UInt64 = 1
  /// How far each sequence has been handed out (Catalog+Objects).
  var given: [TableID: Given] = [:]
  /// The groups of one shard, once they are made: for local tables, and for reference tables.
  var localGroup: GroupID?
  var referenceGroup: GroupID?
  var nextJob: Int64 = 1
  /// Definitions of open transactions (Catalog+Drafts).
  var drafts: [DraftID: Draft] = [:]
  /// Tables whose rows are being moved, by the number that they will have (Catalog+Moves).
  var moves: [TableID: TableMove] = [:]

  /// Shards of a new group when the statement does not say.
  static let shardCountDefault = 32
  /// Producers opened between two looks for those to be forgotten.
  private static let producersBetweenLooks = 64

  init() {}
  /// Restores a state (CatalogStateFormat).
  init(
    snapshot: CatalogSnapshot,
    nextTable: UInt64,
    nextNode: UInt64,
    nextGroup: UInt64,
    nextShard: UInt64,
    nextSession: UInt64,
    nextIncarnation: UInt64,
    nextReplica: UInt64,
    separateGroups: [GroupID],
    unconfirmed: [NodeID: Incarnation],
    producers: [String: ProducerRecord],
    tenantRecords: [TenantRecord],
    nextDeletion: UInt64,
    losses: [LossRecord] = [],
    objects: Objects = Objects(),
    drafts: [DraftID: Draft] = [:],
    moves: [TableID: TableMove] = [:],
    generation: UInt64 = 1
  ) {
    self.generation = generation
    self.snapshot = snapshot
    self.nextTable = nextTable
    self.nextNode = nextNode
    self.nextGroup = nextGroup
    self.nextShard = nextShard
    self.nextSession = nextSession
    self.nextIncarnation = nextIncarnation
    self.nextReplica = nextReplica
    self.separateGroups = separateGroups
    self.unconfirmed = unconfirmed
    self.producers = producers
    self.tenantRecords = tenantRecords
    self.nextDeletion = nextDeletion
    self.losses = losses
    self.drafts = drafts
    self.moves = moves
    (given, localGroup, referenceGroup, nextJob) = (objects.given, objects.localGroup, objects.referenceGroup, objects.nextJob)
  }

  /// Brings every number that is given out beyond what may have been given out after this state, and beyond all that was seen.
  mutating func leap(by step: UInt64, _ seen: [CatalogSnapshot]) {
    let all = seen + [snapshot]
    func beyond(_ next: UInt64, _ numbers: [UInt64]) -> UInt64 { max(next, (numbers.max() ?? 0) + 1) + step }
    nextNode = beyond(nextNode, all.flatMap { $0.nodes.map(\.id.rawValue) })
    nextIncarnation = beyond(nextIncarnation, all.flatMap { $0.nodes.map(\.incarnation.rawValue) })
    nextGroup = beyond(nextGroup, all.flatMap { $0.groups.map(\.id.rawValue) })
    nextShard = beyond(nextShard, all.flatMap { $0.shards.map(\.id.rawValue) })
    nextReplica = beyond(nextReplica, all.flatMap { $0.shards.flatMap { $0.replicas.map(\.id.rawValue) } })
    var relations: [UInt64] = []
    for known in all {
      relations += known.tables.map(\.id.rawValue)
      for rollup in known.rollups { relations.append(rollup.id.rawValue + UInt64(rollup.levels.count)) }
      relations += known.views.map(\.id.rawValue)
      relations += known.sequences.map(\.id.rawValue)
      relations += known.functions.map(\.id.rawValue)
    }
    nextTable = beyond(nextTable, relations)
    nextDeletion += step
    nextJob += Int64(step)
    // Each load opens one: a batch under a session that another had would count as a duplicate.
    nextSession += step * 1000
    for sequence in snapshot.sequences { leap(sequence, least: step * 10) }
  }
  /// A node is known to have heard of its newest registration.
  mutating func confirm(_ node: NodeID) { unconfirmed[node] = nil }
  /// Of the coordinators only this one is left.
  mutating func keepOnlyCoordinator(_ name: String, address: String) {
    snapshot.nodes.removeAll { $0.role == .coordinator && $0.name != name }
    if let at = snapshot.nodes.firstIndex(where: { $0.name == name }) { snapshot.nodes[at].address = address }
  }

  /// Applies the command at `index`.
  mutating func apply(_ command: CatalogCommand, at index: UInt64) -> CatalogOutcome {
    var next = self
    let outcome: CatalogOutcome
    do throws(TallyError) {
      outcome = try next.change(command)
      try next.checkCounts()
    } catch { return .refused(error) }
    // Producers, confirmations and deletions are not part of what others see; everything else moves the version.
    switch command {
    case .openProducer, .confirmNode, .beginShards, .deleteTenant, .tenantDeleted, .takeNumbers, .setSequence: break
    default: next.snapshot.version = CatalogVersion(index)
    }
    self = next
    return outcome
  }

  mutating func change(_ command: CatalogCommand) throws(TallyError) -> CatalogOutcome {
    switch command {
    case .bootstrap(let cluster):
      guard snapshot.cluster == .none else { throw TallyError(.internalError, "the cluster exists already") }
      snapshot.cluster = cluster
      return .done
    case .registerNode(let name, let role, let address, let previous):
      return try register(name, role, address, previous)
    case .createTable(let schema): return .table(try create(schema))
    case .dropTable(let id): return try drop(id)
    case .distributeTable(let id, let key, let group, let placement, let copies):
      return try distribute(id, key, group, placement, copies)
    case .createRollup(let definition, let timeColumn):
      return .table(try create(definition, timeColumn: timeColumn))
    case .dropRollup(let id):
      guard let at = snapshot.rollups.firstIndex(where: { $0.id == id }) else { throw Self.gone("the rollup") }
      snapshot.rollups.remove(at: at)
      return .done
    case .openProducer(let request): return try open(request)
    case .alterInSync(let id, let epoch, let version, let primary, let inSync, let added):
      return try alterInSync(id, epoch, version, primary, inSync, added)
    case .elect(let id, let version, let replica, let alive): return try elect(id, version, replica, alive)
    case .addLearner(let id, let version, let node): return try addLearner(id, version, node)
    case .dropReplica(let id, let version, let replica): return try dropReplica(id, version, replica)
    case .loseReplicas(let node, let incarnation, let replicas): return try loseReplicas(node, incarnation, replicas)
    case .forcePrimary(let loss, let version): return try forcePrimary(loss, version)
    case .noteSalvage(let loss): return noteSalvage(loss)
    case .removeCoordinator(let name):
      snapshot.nodes.removeAll { $0.name == name && $0.role == .coordinator }
      return .done
    case .beginShards(let shards):
      for at in snapshot.shards.indices where shards.contains(snapshot.shards[at].id) { snapshot.shards[at].isBegun = true }
      return .done
    case .confirmNode(let node, let incarnation):
      if snapshot.node(node)?.incarnation == incarnation { unconfirmed[node] = nil }
      return .done
    case .deleteTenant(let group, let tenant, let shard, let time): return .deletion(try delete(group, tenant, shard, time: time))
    case .tenantDeleted(let number, let outcome):
      finishDeletion(number, outcome)
      return .done
    case .draft(let id, let command): return try draft(command, in: id)
    case .cutDraft(let id, let count):
      cutDraft(id, keeping: count)
      return .done
    case .publishDraft(let id):
      try publishDraft(id)
      return .done
    case .discardDraft(let id):
      cutDraft(id, keeping: 0)
      return .done
    case .beginMove(let id, let target): return .table(try beginMove(id, to: target))
    case .finishMove(let id):
      try finishMove(id)
      return .table(id)
    case .cancelMove(let id):
      cancelMove(id)
      return .done
    default: return try changeObjects(command)
    }
  }

  private mutating func register(
    _ name: String,
    _ role: NodeRecord.Role,
    _ address: String,
    _ previous: Incarnation
  ) throws(TallyError) -> CatalogOutcome {
    let incarnation = Incarnation(nextIncarnation)
    if let at = snapshot.nodes.firstIndex(where: { $0.name == name }) {
      guard snapshot.nodes[at].role == role else {
        throw TallyError(.wrongCluster, "node \"\(name)\" is registered with another role")
      }
      let node = snapshot.nodes[at].id
      let isExpected = previous == snapshot.nodes[at].incarnation || unconfirmed[node] == previous
      // A disk that is empty, or went back in time, may join under a known name when nothing is lost by it.
      let isReplaceable = snapshot.shards.allSatisfy { shard in
        !shard.isBegun || shard.replica(on: node) == nil || (shard.inSync + shard.eligible).contains { $0.node != node }
      }
      guard isExpected || isReplaceable else {
        throw TallyError(
          .wrongCluster,
          "node \"\(name)\" registers after incarnation \(previous), but its last was \(snapshot.nodes[at].incarnation)",
          hint: "its data directory is older than the cluster's memory of it, and a shard has no other copy that counts"
        )
      }
      if !isExpected, previous.rawValue > 0 { distrustCopies(on: node) }
      unconfirmed[node] = previous
      snapshot.nodes[at].incarnation = incarnation
      snapshot.nodes[at].address = address
    } else {
      guard previous.rawValue == 0 else {
        throw TallyError(.wrongCluster, "node \"\(name)\" belongs to a cluster that this coordinator does not know")
      }
      snapshot.nodes.append(
        NodeRecord(id: NodeID(nextNode), name: name, role: role, address: address, incarnation: incarnation)
      )
      unconfirmed[NodeID(nextNode)] = previous
      nextNode += 1
    }
    nextIncarnation += 1
    guard let node = snapshot.nodes.first(where: { $0.name == name }) else { return .done }
    for at in snapshot.shards.indices where snapshot.shards[at].primary == node.id {
      if isPlanted(.epochNotRaisedAtRestart) { continue }
      snapshot.shards[at].epoch = snapshot.shards[at].epoch.next
      snapshot.shards[at].version += 1
    }
    return .node(node.id, incarnation)
  }

  /// The next number of tables, views, sequences and functions.
  mutating func takeNumber() -> TableID {
    defer { nextTable += 1 }
    return TableID(nextTable)
  }
  func requireFree(_ name: String, in schema: String = "public") throws(TallyError) {
    let isTaken =
      snapshot.tables.contains { table in
        table.schemaName == schema
          && (table.name == name || table.keys.contains { $0.name == name } || table.indexes.contains { $0.name == name })
      } || snapshot.rollups.contains { $0.name == name && $0.schemaName == schema }
      || snapshot.views.contains { $0.name == name && $0.schemaName == schema }
      || snapshot.sequences.contains { $0.name == name && $0.schemaName == schema }
    if isTaken || levelOwner(name)?.schemaName == schema {
      throw .sql("42P07", "relation \"\(name)\" already exists")
    }
  }
  private func levelOwner(_ name: String) -> RollupDefinition? {
    snapshot.rollups.first { rollup in rollup.levels.contains { "\(rollup.name)_\($0.suffix)" == name } }
  }

  mutating func create(_ schema: TableSchema) throws(TallyError) -> TableID {
    try requireFree(schema.name, in: schema.schemaName)
    for key in schema.keys { try requireFree(key.name, in: schema.schemaName) }
    var schema = schema
    schema.id = TableID(nextTable)
    nextTable += 1
    // One that refers to itself had no number before.
    for at in schema.references.indices where schema.references[at].table == TableID(0) { schema.references[at].table = schema.id }
    try requireReferred(by: schema, schema)
    snapshot.tables.append(schema)
    return schema.id
  }

  private mutating func drop(_ id: TableID) throws(TallyError) -> CatalogOutcome {
    guard let at = snapshot.tables.firstIndex(where: { $0.id == id }) else { throw Self.gone("the table") }
    if let rollup = snapshot.rollups.first(where: { $0.source == id }) {
      throw .sql(
        "2BP01",
        "cannot drop table \(snapshot.tables[at].name) because other objects depend on it",
        detail: "materialized view \(rollup.name) depends on table \(snapshot.tables[at].name)",
        hint: "Drop the rollup first: DROP MATERIALIZED VIEW \(rollup.name)"
      )
    }
    for other in snapshot.tables where other.id != id {
      guard let reference = other.references.first(where: { $0.table == id }) else { continue }
      throw .sql(
        "2BP01",
        "cannot drop table \(snapshot.tables[at].name) because other objects depend on it",
        detail: "constraint \(reference.name) on table \(other.name) depends on table \(snapshot.tables[at].name)",
        hint: "Use DROP ... CASCADE to drop the dependent objects too."
      )
    }
    snapshot.tables.remove(at: at)
    dropSequences(of: id)
    return .done
  }

  private mutating func distribute(
    _ id: TableID,
    _ key: Int,
    _ choice: CatalogCommand.GroupChoice,
    _ placement: [[NodeID]],
    _ copies: Int
  ) throws(TallyError) -> CatalogOutcome {
    guard let at = snapshot.tables.firstIndex(where: { $0.id == id }) else { throw Self.gone("the table") }
    guard case .local = snapshot.tables[at].distribution else {
      throw .sql("55000", "table \"\(snapshot.tables[at].name)\" is already distributed")
    }
    try Self.requireKey(key, of: snapshot.tables[at])
    let group = try group(ofKey: snapshot.tables[at].columns[key].type, choice, placement, copies)
    snapshot.tables[at].columns[key].isNotNull = true
    snapshot.tables[at].distribution = .distributed(key: key, group: group)
    return .done
  }
  /// The group that a table with a tenant key of that type joins; made when there is none.
  mutating func group(
    ofKey type: DataType,
    _ choice: CatalogCommand.GroupChoice,
    _ placement: [[NodeID]],
    _ copies: Int
  ) throws(TallyError) -> GroupID {
    let keyType: DataType = type.isText ? .text : .bigint
    switch choice {
    case .existing(let id):
      guard let existing = snapshot.group(id) else { throw .sql("42704", "colocation group \(id) does not exist") }
      guard existing.keyType == keyType else {
        throw .sql(
          "42804",
          "cannot colocate tables whose distribution columns differ in type",
          detail: "The group's tenant key is \(existing.keyType.name), this one's \(keyType.name)."
        )
      }
      return id
    case .standard:
      let found = snapshot.groups.first {
        $0.keyType == keyType && $0.shards.count == placement.count && $0.copies == copies && !separateGroups.contains($0.id)
      }
      if let found { return found.id }
      return try makeGroup(keyType, placement, copies)
    case .separate:
      let group = try makeGroup(keyType, placement, copies)
      separateGroups.append(group)
      return group
    }
  }

  mutating func makeGroup(
    _ keyType: DataType,
    _ placement: [[NodeID]],
    _ copies: Int
  ) throws(TallyError) -> GroupID {
    guard !placement.isEmpty, placement.count <= Limits.shardsMax else {
      throw .sql("22023", "shard_count must be between 1 and \(Limits.shardsMax)")
    }
    for nodes in placement {
      guard !nodes.isEmpty, Set(nodes).count == nodes.count else { throw TallyError(.internalError, "copies of a shard on one node") }
      for node in nodes where snapshot.node(node)?.role != .worker {
        throw TallyError(.unavailable, "node \(node) is not a worker")
      }
    }
    let group = GroupID(nextGroup)
    nextGroup += 1
    let count = UInt64(placement.count)
    var ids: [ShardID] = []
    for (i, nodes) in placement.enumerated() {
      let lower = Self.border(UInt64(i), count)
      let upper = i + 1 == placement.count ? UInt64.max : Self.border(UInt64(i) + 1, count) - 1
      snapshot.shards.append(
        ShardRecord(
          id: ShardID(nextShard),
          group: group,
          lower: lower,
          upper: upper,
          epoch: Epoch(1),
          version: 1,
          primary: nodes[0],
          // Empty logs are equal.
          inSync: nodes.map { newReplica(on: $0) }
        )
      )
      ids.append(ShardID(nextShard))
      nextShard += 1
    }
    snapshot.groups.append(ColocationGroup(id: group, keyType: keyType, shards: ids, copies: copies))
    return group
  }
  mutating func newReplica(on node: NodeID) -> ReplicaRecord {
    defer { nextReplica += 1 }
    return ReplicaRecord(id: ReplicaID(nextReplica), node: node)
  }
  /// ⌊2^64 · i / n⌋.
  private static func border(_ i: UInt64, _ n: UInt64) -> UInt64 {
    i == 0 ? 0 : n.dividingFullWidth((i, 0)).quotient
  }

  private mutating func create(_ definition: RollupDefinition, timeColumn: Int) throws(TallyError) -> TableID {
    try requireFree(definition.name)
    for level in definition.levels { try requireFree("\(definition.name)_\(level.suffix)") }
    guard let at = snapshot.tables.firstIndex(where: { $0.id == definition.source }) else { throw Self.gone("the rollup's table") }
    let source = snapshot.tables[at]
    guard timeColumn < source.columns.count else { throw TallyError(.internalError, "time column \(timeColumn)") }
    guard case .distributed = source.distribution else {
      throw .sql("55000", "table \"\(source.name)\" is not distributed", hint: "SELECT create_distributed_table('\(source.name)', …) first")
    }
    var definition = definition
    definition.id = TableID(nextTable)
    nextTable += 1 + UInt64(definition.levels.count)
    if source.timeColumn == nil { snapshot.tables[at].timeColumn = timeColumn }
    snapshot.rollups.append(definition)
    return definition.id
  }

  /// Notes that the keys of batches of a table's named producers are not known where its rows are from now on.
  mutating func forgetKeys(ofProducersOf source: TableID, now id: TableID) {
    for (name, record) in producers where name.hasPrefix("\(source)/") {
      var record = record
      record.request.name = "\(id)/" + name.dropFirst("\(source)/".count)
      if !Self.isBeforeMove(record.request.time) { record.request.time -= Self.moveOffset }
      producers[name] = nil
      producers[record.request.name] = record
    }
  }

  private mutating func open(_ request: ProducerRequest) throws(TallyError) -> CatalogOutcome {
    if let known = producers[request.name], !request.isAnew {
      guard !Self.isBeforeMove(known.request.time) else {
        throw TallyError(
          .keyExpired,
          "the load \"\(request.name)\" was begun before its table's rows were moved to other shards: its batches are not known there",
          hint: "Look whether its rows are there. --again loads the file anew, all of it."
        )
      }
      guard request.time - known.request.time < KeyLifetimes.namedProducer else {
        let first = ValueText.print(.fixed(known.request.time), as: .timestamptz) ?? "more than 7 days ago"
        throw TallyError(
          .keyExpired,
          "the load \"\(request.name)\" was begun first on \(first): after 7 days its batches are not known any more",
          hint: "Look whether its rows are there. --again loads the file anew, all of it."
        )
      }
      guard known.request.fingerprint == request.fingerprint else {
        throw TallyError(
          .keyConflict,
          "the load \"\(request.name)\" began with other options (columns, header, delimiter or NULL text)",
          hint: "use the same options to complete it, another --source name for another load, or --again to load anew"
        )
      }
      return .producer(known, isNew: false)
    }
    let record = ProducerRecord(session: SessionID(nextSession), request: request)
    nextSession += 1
    producers[request.name] = record
    if producers.count % Self.producersBetweenLooks == 0 {
      // Those that the first version marked have no time of their own: they count from now on.
      for (name, old) in producers where Self.begun(old.request.time) == nil {
        producers[name]?.request.time = request.time - Self.moveOffset
      }
      producers = producers.filter { name, old in
        // Names that were made up (Producer.open, GroupFlow) are not asked for again.
        let own = name.drop { $0 != "/" }.dropFirst()
        let isMadeUp = own.hasPrefix("unnamed ") && own.utf8.count == 40 || name.hasPrefix("statements of ")
        let age = request.time - (Self.begun(old.request.time) ?? request.time)
        return age <= (isMadeUp ? KeyLifetimes.sessionRetention : KeyLifetimes.nameMemory)
      }
    }
    return .producer(record, isNew: true)
  }
}
