// Recovery.swift — opens all shards of a node after a start: manifests, files, then what the journal has beyond them.
//
// What the journal has is the head of the log again, not applied: whether it was committed is told by the shard's next epoch.
// A shard is refused, and the others start, when an entry that may have been acknowledged cannot be read: its own entries have a
// gap, or a damaged place of the journal may have held more of them (rules D9, D10, D12); or when a file it needs is missing or
// broken. Nothing of a refused shard is changed, and its journal files stay.
//
// What is removed (rule D15): `*.tmp` in shard directories, and segment files whose names are ours and which neither the manifest
// nor any Layout entry of the intact log names: leftovers of a flush or merge that was not logged, or of an unlink that was cut off.
import Bytes
public import Capabilities
public import Model

/// What came of a shard at a start.
public struct RecoveredShard {
  /// The shard.
  public let shard: ShardID
  /// The replica, or why it cannot start.
  public let outcome: Result<ShardStore, TallyError>
}

/// Opens a node's shards.
public enum Recovery {
  /// Opens every shard below `shards/`, by number. The journal's `run` need not be running. With `verifying`, every byte of the files is
  /// checked too (rule D8).
  public static func openShards(
    disk: any Disk,
    clock: any Clock,
    cluster: ClusterID,
    journal opened: OpenedJournal,
    verifying: (any Compute)? = nil
  ) async throws -> [RecoveredShard] {
    try await disk.createDirectory("shards")
    try await disk.syncDirectory("")
    var stores: [ShardID: ShardStore] = [:]
    var failures: [ShardID: TallyError] = [:]
    for entry in try await disk.list("shards") where entry.isDirectory {
      guard let number = UInt64(entry.name) else { continue }
      let shard = ShardID(number)
      do {
        // Without CURRENT the shard's creation was not finished: nothing was logged for it.
        guard try await Manifest.exists(disk: disk, shard: shard) else { continue }
        if try await SalvageFile.read(of: shard, cluster: cluster, disk: disk).contains(where: { !$0.isDone }) {
          throw TallyError(
            .dataDamaged,
            "a salvage of shard \(shard) was begun and not finished",
            hint: "Give the order again: tally salvage, with the same flags."
          )
        }
        if let damage = opened.damage(concerning: shard) { throw refusal(shard, damage) }
        let store = try await open(disk, clock, cluster, shard)
        if let verifying { try await check(store, disk, verifying) }
        stores[shard] = store
      } catch let error as TallyError {
        failures[shard] = error
      } catch let failure as DiskFailure where failure.kind == .io {
        failures[shard] = TallyError(.dataDamaged, "shard \(shard) cannot be read", detail: failure.message, hint: "Replace the disk.")
      } catch let failure as DiskFailure where failure.kind == .notFound {
        // The disk kept an older CURRENT than it had confirmed, and what that names is gone.
        failures[shard] = TallyError(
          .dataDamaged,
          "shard \(shard) lacks a file that it needs",
          detail: failure.message,
          hint: "Restore \(ManifestFormat.directory(shard)) from a copy."
        )
      }
    }
    for shard in opened.shards where stores[shard] == nil && failures[shard] == nil {
      failures[shard] = TallyError(
        .dataDamaged,
        "shard \(shard) has log entries but no directory",
        hint: "Restore \(ManifestFormat.directory(shard)) from a copy."
      )
    }
    var above: [ShardID: LogPosition] = [:]
    for (shard, store) in stores { above[shard] = isPlanted(.replaySkipsAnEntry) ? store.applied.position.next : store.applied.position }
    try await opened.replay(above: above) { record in
      guard failures[record.shard] == nil, let store = stores[record.shard] else { return }
      do throws(TallyError) { try store.accept(record.entry) } catch { failures[record.shard] = error }
    }
    var recovered: [RecoveredShard] = []
    for (shard, store) in stores.sorted(by: { $0.key < $1.key }) where failures[shard] == nil {
      do {
        try store.checkReplayed(opened.positions(of: shard))
        try await store.finishRecovery()
        opened.journal.release(shard, through: store.releasable)
        recovered.append(RecoveredShard(shard: shard, outcome: .success(store)))
      } catch let error as TallyError { failures[shard] = error }
    }
    recovered += failures.map { RecoveredShard(shard: $0.key, outcome: .failure($0.value)) }
    return recovered.sorted { $0.shard < $1.shard }
  }
  private static func check(_ store: ShardStore, _ disk: any Disk, _ compute: any Compute) async throws {
    for unit in store.scrubUnits {
      guard let finding = try await Scrub.check(unit, disk: disk, compute: compute).first else { continue }
      throw TallyError(.dataDamaged, "segment file \(finding.path): \(finding.message)", hint: "Restore the file from a copy.")
    }
  }
  private static func refusal(_ shard: ShardID, _ damage: JournalDamage) -> TallyError {
    TallyError(
      .dataDamaged,
      "shard \(shard) may have lost acknowledged entries",
      detail: "journal file \(JournalFormat.path(damage.file)), byte \(damage.offset): \(damage.message)",
      hint: "Restore the data directory from a copy."
    )
  }
  private static func open(
    _ disk: any Disk,
    _ clock: any Clock,
    _ cluster: ClusterID,
    _ shard: ShardID
  ) async throws -> ShardStore {
    let manifest = try await Manifest.open(disk: disk, cluster: cluster, shard: shard)
    let replica = try await ReplicaFile.mend(of: shard, disk)
    let store = ShardStore(disk: disk, clock: clock, cluster: cluster, shard: shard, replica: replica, manifest: manifest)
    for (_, file) in manifest.contents.files.sorted(by: { $0.key < $1.key }) {
      store.add(file, try await store.open(file))
    }
    return store
  }
}

extension ShardStore {
  /// Throws unless the replay came to the end of what the journal has.
  func checkReplayed(_ positions: ClosedRange<LogPosition>?) throws(TallyError) {
    guard let last = positions?.upperBound, last > head.position else { return }
    throw TallyError(
      .dataDamaged,
      "shard \(shard) stopped at entry \(head.position) of \(last)",
      hint: "Restore the data directory from a copy."
    )
  }
  /// Removes what a crash left in the directory.
  func finishRecovery() async throws {
    // By their whole names: a number that nothing named is given again, to a file with other bytes.
    var known = Set(files.values.map(path)).union(manifest.contents.files.values.map(path))
    for next in pending where next.entry.position > layoutPosition {
      if case .layout(let change) = next.body { known.formUnion(change.files.map(path)) }
    }
    for entry in try await disk.list(directory) where !entry.isDirectory {
      let isLeftover = ManifestFormat.segmentNumber(of: entry.name) != nil && !known.contains(directory + "/" + entry.name)
      if isLeftover || entry.name.hasSuffix(".tmp") { try await disk.remove(directory + "/" + entry.name) }
    }
    stampedAt = clock.now
  }
}
