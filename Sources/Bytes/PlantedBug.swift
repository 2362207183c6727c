// PlantedBug.swift — plausible mistakes that stand in the code behind a flag, to find out whether the tests would notice them.
//
// Nothing of it is in a default build: there `isPlanted` is the constant false and every site vanishes. With `-D PLANTED_BUGS` the one bug
// that the environment variable TALLY_PLANTED_BUG names is active in the whole process; none without the variable. The hunt is
// `Tools/planted`, its results are in Tests/PlantedBugs.md. A case says what is done wrong, and which rule that breaks: D… and R… are those
// of the design's protocol (disk rules, replication), P… its promises.

#if PLANTED_BUGS
internal import Glibc
#endif

/// A mistake that can be planted.
public enum PlantedBug: String, CaseIterable, Sendable {
  // The journal.
  /// A group is acknowledged when it is written, not when it is synced (R11, D5).
  case acknowledgeBeforeSync
  /// A file is renamed to its name before its contents are synced (D6).
  case renameBeforeSync
  /// The directory is not synced after a rename (D6).
  case directoryNotSynced
  /// The next journal file is not filled with zeros beforehand (D3).
  case journalNotZeroed
  /// What an unfinished write left at the end stays there (D9a).
  case tornTailNotMended
  /// Whatever is broken at the end of the journal counts as a torn tail, rot of acknowledged entries too (D9b).
  case rotTakenForTornTail
  /// A Cut in the journal voids nothing when it is read again (D4).
  case cutIgnoredAtRestart
  /// The journal gives back what is applied, though it is in memory only (D16).
  case journalGivenBackEarly

  // Manifest and files.
  /// CURRENT names the next manifest before that is there (D7).
  case currentBeforeManifest
  /// Files are unlinked before the edit that drops them is durable (D6).
  case filesUnlinkedBeforeEdit
  /// Sections that were merged away are not noted in the manifest: they are back after a restart (D7).
  case droppedSectionsForgotten
  /// A file is taken by its name and size; its hash is not compared (D2).
  case fileHashNotCompared
  /// A merge loses the last row.
  case mergeLosesLastRow
  /// Rows go into files without their positions although a watermark lies among them (I8).
  case positionsDroppedEarly

  // Recovery.
  /// Replay begins one entry too late (R14).
  case replaySkipsAnEntry
  /// The rows of the last entry of a flush stay in memory as well: they are there twice.
  case flushKeepsLastEntry
  /// The checkpoint is the applied state, which is ahead of the rows in the files (R14).
  case checkpointAhead

  // Replication.
  /// A copy takes entries of an epoch below the one it promised (R1).
  case promiseForgotten
  /// An entry is committed when the primary has it (R4).
  case commitsAlone
  /// An entry is committed when most in-sync copies have it, not all (R4).
  case commitsByMajority
  /// Old entries are committed before the epoch's first is on every in-sync copy (R3).
  case epochStartNotCounted
  /// A primary serves before its EpochStart is committed (R3, P5).
  case servesBeforeEstablished
  /// A copy that shall leave the in-sync set does not count from then on, before the coordinators said so (R5).
  case removalNotConfirmed
  /// A learner is proposed for the in-sync set before it has what is committed (R6).
  case learnerAdmittedEarly
  /// What a copy said in an earlier life of its node still counts (R8).
  case oldIncarnationCounts
  /// A copy acknowledges entries before they are synced (R11).
  case copyAcknowledgesEarly
  /// A copy takes an entry at the same position for the same entry (R7).
  case chainNotCompared
  /// A copy applies its own log up to what is committed elsewhere, not only what it knows to be equal (R14).
  case copyAppliesUnverified
  /// A copy cuts entries that it has applied instead of being damaged (R7).
  case cutsAppliedEntries

  // Failover and the catalog.
  /// Any copy of the shard may be elected (R2).
  case electsAnyCopy
  /// A worker that just started leads before the logs of its shards were compared (D11).
  case leadsUncompared
  /// A worker that restarted leads its shards on in the same epoch (R10).
  case epochNotRaisedAtRestart
  /// A change of a record is made upon whatever it is now (R9).
  case recordVersionNotCompared
  /// A copy comes in although its node restarted since it caught up (R8, R9).
  case addedIncarnationNotCompared
  /// Who left the in-sync set is not kept as eligible when too few are left (R12).
  case eligibleForgotten
  /// A copy whose data are gone goes on counting (R8).
  case lostCopyCounts

  // Raft.
  /// The vote is not written with the term (Raft §5.2).
  case voteNotPersisted
  /// A leader commits an entry of an older term by counting copies (Raft §5.4.2).
  case olderTermCommitted
  /// A learner counts for the quorum of an entry (thesis §4.2.1).
  case learnerCounts
  /// A follower says that it has entries before they are synced (Raft §5.3).
  case raftAcknowledgesEarly
  /// A snapshot is said to reach one entry less far than its state does (Raft §7).
  case snapshotIndexOffByOne
  /// A leader answers for the newest index without asking a quorum whether it still leads (R13).
  case readIndexWithoutQuorum

  // Keys of batches.
  /// A copy forgets the keys of what it takes over: after a failover they are new (P3).
  case keyDroppedAtFailover
  /// The checkpoint does not hold the keys (P3).
  case keysNotInCheckpoint
  /// A session remembers its last batch only (P3).
  case dedupWindowTooShort
  /// One number too many counts as acknowledged by all shards (P3).
  case doneBelowTooFar
  /// The same key with other content is taken for a repetition (P3).
  case contentHashNotCompared
  /// Keys of a statement's batches are not noted at its Commit (P3).
  case stagedKeyForgotten

  // Rollups.
  /// A delta is added to the coarser levels twice.
  case deltaAppliedTwice
  /// The watermark moves to the end of the log, the delta reaches less far (I7).
  case watermarkWithoutDelta
  /// A delta is built above the applied watermark and not compared with the one at the head (I7).
  case watermarkNotAtHead
  /// Rows a day older than the newest of their delta are left out.
  case lateRowsDropped
  /// Rows without a time are left out.
  case nullBucketDropped
  /// The first moment of a bucket of months counts to the one before.
  case monthBorderOffByOne
  /// The bucket at a floor is read from both levels.
  case floorReadTwice
  /// The fresh tail begins with the entry at the watermark (P6).
  case tailBeginsEarly
  /// A query takes rows at the applied position and watermarks at the head (P6).
  case twoPositionsInQuery

  // Statements over several shards.
  /// The other shards commit before the deciding one decided.
  case commitBeforeDecision
  /// A shard in doubt commits on its own.
  case doubtCommits
  /// Aborts are not in the checkpoint.
  case abortForgottenAtRestart
  /// What is staged is not in the checkpoint.
  case stageNotInCheckpoint
  /// Rows are deleted before the rollups took them in.
  case deletesBeforeRollup
  /// Files change while rows in them are named by a deletion that is not applied.
  case filesChangeUnderDeletion
  /// A merge brings deleted rows back.
  case mergeRevivesDeleted

  // Tables with keys and transactions.
  /// A new primary forgets which statements that are open since before its epoch hold tables.
  case locksForgottenAtFailover
  /// A change is evaluated by what is applied although entries that touch the table are on their way.
  case changeIgnoresEntries
  /// A Commit brings in the rows of its first part only.
  case commitTakesFirstPart
  /// A copy that takes a Commit over keeps the versions of rows that it replaces.
  case copyKeepsOldVersions
  /// Tables that refer to one another are not held together: a reference is checked while what it refers to goes.
  case referencesNotHeld
  /// The key of a whole statement is not noted at its Commit (P3).
  case statementKeyForgotten
  /// Queries of a transaction do not see what it wrote.
  case ownWritesNotSeen
  /// What ROLLBACK TO takes back stays.
  case undoForgotten

  // Expiry.
  /// What expires is decided by the applied state alone: a rollup on its way loses the rows it is backfilled from (I8).
  case expiryNotAtHead
  /// Raw rows are dropped that a rollup has not taken in (P7).
  case dropsAboveWatermark
  /// A level's floor moves to a border of its own, not of the next coarser level.
  case floorNotAtCoarserBorder

  // Clients and the wire.
  /// A batch is sent again under another key.
  case retryWithNewKey
  /// A statement whose outcome is unknown is reported as aborted.
  case unknownOutcomeIsFailure
  /// Chunks below the one that is sent count as acknowledged.
  case doneBelowAtSending
  /// The checksum of a frame is not compared.
  case frameChecksumIgnored
}

#if PLANTED_BUGS
private let active: PlantedBug? = {
  guard let name = getenv("TALLY_PLANTED_BUG").map({ String(cString: $0) }), !name.isEmpty else { return nil }
  guard let bug = PlantedBug(rawValue: name) else { fatalError("TALLY_PLANTED_BUG names no planted bug: \(name)") }
  return bug
}()
/// Whether a bug is planted in this process.
public func isPlanted(_ bug: PlantedBug) -> Bool { bug == active }
#else
/// Whether a bug is planted: never in this build.
@inlinable @inline(__always) public func isPlanted(_ bug: PlantedBug) -> Bool { false }
#endif
