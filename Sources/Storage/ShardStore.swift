// ShardStore.swift — one replica of a shard on one node: its log's head, its applied state, memtables, files and manifest.
//
// Confined to one actor (the worker's). Aspects: +Log (append, accept, cut, commit), +Apply (what entries do), +Statements, +Flush, +Layout
// (merging sections, installing files, manifest edits), +Files (files of other replicas' entries), +Retention, Recovery.swift.
// Reads go through snapshots, which are Sendable and live as long as somebody holds them: files may be unlinked meanwhile.
//
// Invariants
//   applied ≤ committed ≤ head; `pending` holds exactly the entries between applied and head, in order. Applied stays behind
//   committed only while a Layout entry waits for its files (+Files).
//   A row of position p is in files when p ≤ applied.flushedThrough, else in a memtable; never in both as a snapshot sees them.
//   The manifest's checkpoint is the state at the position up to which rows are in files the manifest names; `steps` lead from it,
//   or from `checkpoint`, to the applied state.
public import Capabilities
public import Model

/// A replica of a shard.
public final class ShardStore {
  /// One relation's rows: in memory, and in sections of files.
  struct Relation {
    var layout: RelationLayout
    var memtable: MemTable
    /// By file and section.
    var sections: [(reference: SectionReference, section: SegmentSection)] = []
  }
  struct Pending {
    var entry: LogEntry
    var body: EntryBody
    var rows: PreparedRows
  }
  /// The shard.
  public let shard: ShardID
  /// Which of the shard's copies this is; 0 where an older version made it.
  public internal(set) var replica: ReplicaID
  /// State after the last entry that was committed.
  public internal(set) var applied: ShardState
  /// State after the last entry that was appended.
  public internal(set) var head: ShardState
  /// Entries up to here are committed.
  public internal(set) var committed: LogPosition
  /// Position of the last applied batch of each table; where it was before this start, the checkpoint's.
  public internal(set) var lastBatch: [TableID: LogPosition] = [:]
  /// No entry above it deletes a tenant: what was read at or above it may become a rollup's delta.
  public internal(set) var lastTenantDelete = LogPosition(0)
  /// True when the wall clock ran ahead of what log time may follow.
  public internal(set) var isLogTimeHeldBack = false
  let disk: any Disk
  let clock: any Clock
  let cluster: ClusterID
  let manifest: Manifest
  var pending: [Pending] = []
  /// Bytes of the bodies in `pending`: asked for with every batch.
  public internal(set) var unappliedBytes = 0
  var stampedAt: Instant
  var relations: [TableID: Relation] = [:]
  /// Files with a live section.
  var files: [UInt64: FileRecord] = [:]
  /// Sections of `files` that are not live any more.
  var dropped: Set<SectionReference> = []
  /// Files opened for a Layout entry that is not applied yet.
  var staged: [UInt64: (file: FileRecord, sections: [SegmentSection])] = [:]
  /// Files that came and went without a manifest edit between.
  var orphans: [FileRecord] = []
  /// The last entry that changed the files.
  var layoutPosition: LogPosition
  /// State at the position of the last flush, until a manifest edit holds it.
  var checkpoint: ShardState?
  /// Entries applied since, without rows and runs: they give the state at any position a Layout entry names.
  var steps: [(mark: EntryMark, body: EntryBody)] = []
  /// What the Stages among them keep in memory.
  var stepBytes = 0
  /// The state at the last probe that nobody took yet.
  var probe: StateProbe?
  /// One flow at a time changes the files.
  var isChangingLayout = false
  var layoutWaiters: [Promise<Void>] = []
  /// Hears what each entry is about to do; nil outside of simulations.
  public var judge: ((LogPosition, [AppliedWork]) -> Void)?
  /// The position at which no merge was due: none is before another entry is applied.
  var unmergedAt: LogPosition?

  init(disk: any Disk, clock: any Clock, cluster: ClusterID, shard: ShardID, replica: ReplicaID, manifest: Manifest) {
    self.replica = replica
    self.disk = disk
    self.clock = clock
    self.cluster = cluster
    self.shard = shard
    self.manifest = manifest
    applied = manifest.contents.checkpoint
    head = applied
    committed = applied.position
    for (table, rows) in applied.rowsLogged where rows > 0 { lastBatch[table] = applied.position }
    files = manifest.contents.files
    dropped = manifest.contents.dropped
    layoutPosition = manifest.contents.layoutPosition
    stampedAt = clock.now
    for layout in applied.schema.layouts {
      relations[layout.id] = Relation(layout: layout, memtable: MemTable(layout: layout))
    }
  }
  /// Creates an empty replica: its directory, name and manifest are durable when this returns.
  public static func create(
    disk: any Disk,
    clock: any Clock,
    cluster: ClusterID,
    shard: ShardID,
    replica: ReplicaID = ReplicaID(0)
  ) async throws -> ShardStore {
    let manifest = try await Manifest.create(disk: disk, cluster: cluster, shard: shard)
    if replica.rawValue > 0 { try await ReplicaFile.write(replica, of: shard, disk) }
    return ShardStore(disk: disk, clock: clock, cluster: cluster, shard: shard, replica: replica, manifest: manifest)
  }
  /// Gives this replica another name: a copy that was replaced in the shard's record goes on under a new one.
  public func rename(_ replica: ReplicaID) async throws {
    try await ReplicaFile.write(replica, of: shard, disk)
    self.replica = replica
  }
  var directory: String { ManifestFormat.directory(shard) }
  func path(_ file: FileRecord) -> String { directory + "/" + ManifestFormat.segmentName(file) }

  // MARK: Reading

  /// All rows of a relation (a table, or a rollup's level) at the applied position; nil when the shard does not have it.
  /// Rows of a level below its floor may still be there: readers leave them out.
  public func snapshot(of relation: TableID) -> TableSnapshot? {
    guard let relation = relations[relation] else { return nil }
    return TableSnapshot(
      layout: relation.layout,
      position: applied.position,
      chunks: relation.memtable.snapshot(),
      sections: relation.sections.map(\.section),
      deleted: deletedRows(relation.sections, of: relation.layout.id),
      references: relation.sections.map(\.reference)
    )
  }
  /// How far a rollup has come, as readers see it.
  public func rollupState(_ rollup: TableID) -> RollupState? { applied.rollups[rollup] }
  /// Bytes of rows in memory, and of what the next checkpoint is made from.
  public var memtableBytes: Int {
    // Open statements' rows are mostly those of the steps: the same memory.
    relations.values.reduce(0) { $0 + $1.memtable.bytes } + steps.count * Self.stepBytes + max(stepBytes, applied.statements.openBytes)
  }
  /// About what an entry costs until a flush.
  static let stepBytes = 224
  /// Rows in memory.
  public var memtableRows: Int { relations.values.reduce(0) { $0 + $1.memtable.rows } }
  /// Bytes of each relation's live sections in its files.
  public var relationBytes: [TableID: UInt64] {
    relations.mapValues { relation in UInt64(relation.sections.reduce(0) { $0 + $1.section.storedBytes }) }
  }
  /// Bytes of the segment files.
  public var fileBytes: UInt64 { files.values.reduce(0) { $0 + $1.bytes } }
  /// Number of segment files.
  public var fileCount: Int { files.count }
  /// Summaries of a relation's live sections.
  public func sections(of relation: TableID) -> [SectionSummary] {
    relations[relation]?.sections.map(\.section.summary) ?? []
  }
  /// Whether the files are newer than the state, as after a start, until the log is applied up to the entry that changed them last. Rows
  /// may lie in them in a way that the state knows nothing of: a merge leaves out positions behind a watermark that the state has not
  /// reached, and what was dropped is gone. Nothing is read then.
  public var areFilesAhead: Bool { applied.position < layoutPosition }
  /// Rows at or below this need not be replayed: the journal may forget them.
  public var releasable: LogPosition { manifest.contents.checkpoint.position }
}
