// CatalogCommand.swift — every change of the catalog, as it stands in the command log. Bytes: CatalogCommandFormat.swift.
//
// A command carries what was decided (placement, times, ids of random draws), so that applying it needs nothing else.
import Bytes
import Model

/// A change of the catalog.
enum CatalogCommand: Sendable {
  /// The first command of every log.
  case bootstrap(cluster: ClusterID)
  /// A node (re)started: it gets an incarnation, and new epochs for the shards it is primary of.
  case registerNode(name: String, role: NodeRecord.Role, address: String, previous: Incarnation)
  /// The table's id is given by the catalog.
  case createTable(TableSchema)
  /// Removes a table, which no rollup may read.
  case dropTable(TableID)
  /// Spreads a local table; `placement` names the nodes of each shard's copies, primary first, when a group has to be made.
  case distributeTable(TableID, key: Int, group: GroupChoice, placement: [[NodeID]], copies: Int)
  /// The rollup's id is given by the catalog; `timeColumn` becomes the source table's when it has none.
  case createRollup(RollupDefinition, timeColumn: Int)
  /// Removes a rollup.
  case dropRollup(TableID)
  /// Opens or finds the session of a named producer.
  case openProducer(ProducerRequest)
  /// A primary asks for another in-sync set; nothing changes unless epoch, version and incarnations are the present ones (R9, R8).
  case alterInSync(ShardID, Epoch, version: UInt64, primary: Incarnation, inSync: [ReplicaID], added: [NodeID: Incarnation])
  /// Appoints a copy as primary in a new epoch; of the in-sync set those on `alive` nodes stay (R2).
  case elect(ShardID, version: UInt64, ReplicaID, alive: [NodeID])
  /// Gives a shard another copy, on a node that has none of it.
  case addLearner(ShardID, version: UInt64, NodeID)
  /// Takes a copy away: a learner, or an in-sync one when another stays.
  case dropReplica(ShardID, version: UInt64, ReplicaID)
  /// A node came back without copies that it had: they are gone for good.
  case loseReplicas(NodeID, Incarnation, [ReplicaID])
  /// Something was written to these shards.
  case beginShards([ShardID])
  /// An operator makes a copy primary that may have missed entries; the record is kept.
  case forcePrimary(LossRecord, version: UInt64)
  /// An operator gave up what could not be read of a copy; the record is kept.
  case noteSalvage(LossRecord)
  /// A coordinator left the group for good.
  case removeCoordinator(String)
  /// A node has stored its incarnation: from now on it must know it.
  case confirmNode(NodeID, Incarnation)
  /// A tenant shall be deleted in its shard: until that has happened its rows are refused.
  case deleteTenant(GroupID, Tenant, ShardID, time: Int64)
  /// The shard's log has a deletion, by its number.
  case tenantDeleted(UInt64, TenantRecord.Outcome)

  /// Gives a local table its place: the one shard of the group of local or of reference tables; `placement` names the nodes of its
  /// copies, primary first, for a group that has to be made.
  case placeTable(TableID, isReference: Bool, placement: [NodeID], copies: Int)
  /// Changes a table; refused when it is no longer `from`.
  case alterTable(from: TableSchema, to: TableSchema)
  /// The same, with the views that name the table or its columns.
  case alterTableAndViews(from: TableSchema, to: TableSchema, [ViewRecord])
  /// Views under other names or with other texts, by their numbers.
  case alterViews([ViewRecord])
  /// The view's id is given by the catalog, unless it replaces one of its name.
  case createView(ViewRecord, replaces: Bool)
  case dropView(TableID)
  /// The function's id is given by the catalog, unless it replaces one of its name and arguments.
  case createFunction(FunctionRecord, replaces: Bool)
  case dropFunction(TableID)
  /// The sequence's id is given by the catalog.
  case createSequence(SequenceRecord)
  /// Changes a sequence's definition.
  case alterSequence(SequenceRecord)
  case dropSequence(TableID)
  /// Hands out so many numbers of a sequence, never again.
  case takeNumbers(TableID, count: Int64)
  /// The next number of a sequence (`setval`, RESTART): `value`, or the one behind it when it `isTaken`.
  case setSequence(TableID, value: Int64, isTaken: Bool)
  /// The job's id is given by the catalog; one with its name and user is changed.
  case scheduleJob(JobRecord)
  case unscheduleJob(Int64)
  case createSchema(String)
  case dropSchema(String)
  /// Creates a table and the sequences of its columns: their `owner` names the column, the catalog fills in the table.
  case createTableWithSequences(TableSchema, [SequenceRecord])
  /// A definition of an open transaction (Catalog+Drafts); its number is the transaction's to choose.
  indirect case draft(DraftID, CatalogCommand)
  /// Forgets what a draft holds behind its first `keeping` definitions.
  case cutDraft(DraftID, keeping: Int)
  /// The transaction commits: all of its definitions take effect.
  case publishDraft(DraftID)
  /// It does not.
  case discardDraft(DraftID)
  /// Fences a table whose rows are to be moved to other shards; the number of the table that will be in its place is given by the catalog.
  case beginMove(TableID, to: MoveTarget)
  /// Puts the table with that number in its place.
  case finishMove(TableID)
  /// Lifts the fence; of the table with that number nothing stays.
  case cancelMove(TableID)

  /// Which colocation group a table joins.
  enum GroupChoice: Equatable, Sendable {
    /// The group of another table.
    case existing(GroupID)
    /// A group of its own kind (key type, shard count), made when there is none.
    case standard
    /// A new group in any case.
    case separate
  }
}

/// A named producer as a client asks for it.
struct ProducerRequest: Equatable, Sendable {
  /// Table and source, as one name.
  var name: String
  /// Bytes of a chunk.
  var chunkBytes: UInt64
  /// Hash of the format options: the same name with other options is another load.
  var fingerprint: Hash128
  /// Wall time of the request, microseconds.
  var time: Int64
  /// Starts anew although the name is known.
  var isAnew: Bool
}

/// A named producer as the catalog keeps it for seven days.
struct ProducerRecord: Equatable, Sendable {
  /// Its session.
  var session: SessionID
  /// The request that opened it.
  var request: ProducerRequest
}

/// What applying a command gave.
enum CatalogOutcome: Sendable {
  /// Nothing to say.
  case done
  /// The node's id and incarnation.
  case node(NodeID, Incarnation)
  /// The new table or rollup.
  case table(TableID)
  /// The session, and whether it was opened before.
  case producer(ProducerRecord, isNew: Bool)
  /// The number of a tenant's deletion.
  case deletion(UInt64)
  /// Numbers of a sequence, in order: the first, and how many.
  case numbers(first: Int64, count: Int64)
  /// The number of a job.
  case job(Int64)
  /// Refused; nothing changed.
  case refused(TallyError)
}
