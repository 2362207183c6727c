// Salvage.swift — the operator's last resort for a damaged shard of a stopped worker: what cannot be read is given up, the rest serves.
//
// `examine` tells what that costs and changes nothing; `carryOut` does it. What was damaged is kept below `salvaged/` before, in whole
// files, and nothing there is ever removed. Then the kept part of the log is applied, damaged segment files are written anew without
// their bad blocks, all of it becomes the shard's checkpoint, and a cut of its whole log in the journal makes the damaged place concern
// it no longer, as when a copy begins again from another (CatchUpFlow). Keys of what is kept stay known: nothing of it is taken twice.
// Two records bracket this (SalvageRecord): after a crash in between the shard does not start, and the same order completes it.
//
// It does not ask whether another copy is sound: the caller does. It is for one shard; others in the same journal stay as they are.
import Bytes
public import Capabilities
public import Model

/// Gives up what cannot be read of a shard.
public enum Salvage {
  /// Where damaged files are kept.
  public static let directory = "salvaged"

  // MARK: Looking

  /// The shards of a data directory, by number.
  public static func shards(disk: any Disk) async throws -> [ShardID] {
    do {
      return try await disk.list("shards").filter(\.isDirectory).compactMap { UInt64($0.name).map { ShardID($0) } }.sorted()
    } catch let failure as DiskFailure where failure.kind == .notFound { return [] }
  }
  /// What a salvage of the shard would cost. The journal may have been opened without mending. Throws 42704 when nothing of the shard is
  /// here, and XX001 when nothing can be told of it.
  public static func examine(
    _ shard: ShardID,
    disk: any Disk,
    clock: any Clock,
    compute: any Compute,
    cluster: ClusterID,
    journal opened: OpenedJournal
  ) async throws -> SalvageFindings {
    let contents = try await contents(of: shard, disk, cluster, hasEntries: opened.positions(of: shard) != nil)
    let manifest = try await Manifest.prepared(disk: disk, cluster: cluster, shard: shard, contents: contents)
    let replica = try await replica(of: shard, disk)
    let store = ShardStore(disk: disk, clock: clock, cluster: cluster, shard: shard, replica: replica, manifest: manifest)
    var found = SalvageFindings(shard: shard, replica: replica)
    found.isUnfinished = try await SalvageFile.read(of: shard, cluster: cluster, disk: disk).contains { !$0.isDone }
    let damage = opened.damage(concerning: shard)
    var stop: TallyError?
    try await opened.replay(above: [shard: store.applied.position]) { record in
      if stop == nil {
        do throws(TallyError) { return try store.accept(record.entry) } catch { stop = error }
      }
      found.strand(record.entry, store.head.schema)
    }
    found.journalFiles = opened.files(holding: shard, from: store.head.position.next)
    (found.kept, found.keptTime) = (store.head.position, store.head.logTime)
    for damage in opened.damages where damage.lost.contains(where: { $0.shard == shard && $0.position > store.head.position }) {
      found.unreadable += damage.lost.filter { $0.shard == shard && $0.position > store.head.position }
      found.journalFiles.insert(damage.file)
    }
    found.unreadable.sort { $0.position < $1.position }
    found.hasOpenDeletion = store.head.statements.hasDeletions
    if let damage {
      found.stops.append("\(JournalFormat.path(damage.file)), byte \(damage.offset): \(damage.message)")
      found.journalFiles.insert(damage.file)
    }
    if let stop { found.stops.append(([stop.message] + [stop.detail].compactMap { $0 }).joined(separator: ": ")) }
    for (_, file) in contents.files.sorted(by: { $0.key < $1.key }) {
      var (image, failure): (FileImage?, String) = (nil, "")
      do { image = try await disk.map(ManifestFormat.directory(shard) + "/" + ManifestFormat.segmentName(file)) } catch let error
        as DiskFailure
      {
        failure = error.kind == .notFound ? "it is missing" : error.message
      }
      let (before, mapped, message, schema) = (found, image, failure, store.head.schema)
      found = await compute.run {
        var after = before
        after.look(at: file, mapped, message, dropped: contents.dropped, schema)
        return after
      }
    }
    return found
  }
  private static func contents(
    of shard: ShardID,
    _ disk: any Disk,
    _ cluster: ClusterID,
    hasEntries: Bool
  ) async throws -> ManifestContents {
    func unknown(_ why: String) -> TallyError {
      TallyError(
        .dataDamaged,
        "nothing can be told of shard \(shard)",
        detail: why,
        hint: "Restore \(ManifestFormat.directory(shard)) from a backup: there is nothing to begin a salvage from."
      )
    }
    do {
      guard try await Manifest.exists(disk: disk, shard: shard) else {
        // A shard of which nothing was ever logged: its making was cut off.
        guard hasEntries else { throw missing(shard) }
        throw unknown("its directory has no \(ManifestFormat.current)")
      }
      return try await Manifest.look(disk: disk, cluster: cluster, shard: shard).contents
    } catch let failure as DiskFailure where failure.kind == .notFound {
      guard hasEntries else { throw missing(shard) }
      throw unknown(failure.message)
    } catch let failure as DecodingFailure { throw unknown("its manifest cannot be read: \(failure)") }
  }
  private static func missing(_ shard: ShardID) -> TallyError {
    .sql("42704", "shard \(shard) is not in this data directory", hint: "tally doctor lists its shards.")
  }
  /// The copy's name; 0, which the next start settles, where it cannot be read.
  private static func replica(of shard: ShardID, _ disk: any Disk) async throws -> ReplicaID {
    do { return try await ReplicaFile.read(of: shard, disk) } catch let error as TallyError where error.status == .dataDamaged {
      return ReplicaID(0)
    }
  }
  /// The sections of a file when it is the one that the manifest names; blocks are not looked at.
  static func sections(of image: FileImage, _ file: FileRecord) -> [SegmentSection]? {
    do {
      guard image.bytes.count == Int(file.bytes), try SegmentReader.contentHash(of: image) == file.hash else { return nil }
      let sections = try SegmentReader.open(image: image)
      return sections.map(\.summary) == file.sections ? sections : nil
    } catch { return nil }
  }

  // MARK: Doing

  /// Gives up what `examine` found. The journal was opened for writing, and is running. Throws without a change of the shard when it cannot
  /// be done.
  public static func carryOut(
    _ found: SalvageFindings,
    reason: String,
    disk: any Disk,
    clock: any Clock,
    compute: any Compute,
    cluster: ClusterID,
    journal opened: OpenedJournal
  ) async throws -> SalvageRecord {
    let shard = found.shard
    var records = try await SalvageFile.read(of: shard, cluster: cluster, disk: disk)
    let time = clock.wallMicroseconds
    if found.hasOpenDeletion {
      throw TallyError(
        .invalid,
        "shard \(shard) has a deletion that is not decided: its files cannot change until then",
        sqlState: "55000",
        hint: "start the worker and its cluster, so that the statement ends, and stop it again; a shard that does not start needs a backup"
      )
    }
    // One that was begun stays: what it gave up may be gone already, and its cut of the log has yet to be made.
    let begun = records.last { !$0.isDone }
    if found.isUnfinished ? !found.files.isEmpty && begun?.what != found.what : !found.isSound {
      records.append(
        SalvageRecord(
          shard: shard,
          replica: found.replica,
          isDone: false,
          kept: found.kept,
          known: found.known,
          entries: found.lostEntries,
          rows: UInt64(found.lostRows),
          time: time,
          reason: reason,
          what: found.what
        )
      )
    }
    try await keep(found, disk, time: time)
    try await SalvageFile.write(records, of: shard, cluster: cluster, disk: disk)
    let store = try await open(found, disk, clock, cluster)
    try await opened.replay(above: [shard: store.applied.position]) { record in
      guard store.head.position < found.kept else { return }
      try store.accept(record.entry)
    }
    guard store.head.position >= found.kept else {
      throw TallyError(.dataDamaged, "shard \(shard) ends at entry \(store.head.position) now, not at \(found.kept)")
    }
    try store.commit(through: store.head.position)
    while store.needsFiles { try await store.makeFiles(journal: opened.journal, compute: compute) }
    let log = SalvageLog(store, opened.journal)
    for file in found.files { try await store.writeAnew(file.number, log, compute) }
    _ = try await store.flush(log, compute: compute)
    try await store.settleEmpty(opened.journal)
    guard store.releasable == store.head.position else {
      throw TallyError(.internalError, "shard \(shard) kept entries above \(store.releasable) out of its files")
    }
    try await store.rename(found.replica)
    let cut = LogEntry.cut(from: LogPosition(1), epoch: store.head.epoch)
    _ = try await opened.journal.append([JournalRecord(shard: shard, entry: cut)])
    for at in records.indices { records[at].isDone = true }
    try await SalvageFile.write(records, of: shard, cluster: cluster, disk: disk)
    guard let record = records.last else { throw TallyError(.internalError, "a salvage of shard \(shard) without a record") }
    return record
  }
  /// Copies what is damaged, and what goes with it, aside.
  private static func keep(_ found: SalvageFindings, _ disk: any Disk, time: Int64) async throws {
    let target = directory + "/" + hexadecimal16(UInt64(max(0, time))) + "-\(found.shard)"
    let paths = found.journalFiles.sorted().map(JournalFormat.path) + found.files.map(\.path)
    if paths.isEmpty { return }
    try await disk.createDirectory(target)
    try await disk.syncDirectory("")
    try await disk.syncDirectory(directory)
    for path in paths {
      let bytes: [UInt8]
      // What is missing, or cannot be read at all, cannot be kept.
      do { bytes = try await disk.readAll(path) } catch let failure as DiskFailure where failure.kind == .notFound || failure.kind == .io {
        continue
      }
      try await disk.writeDurably(target + "/" + (path.split(separator: "/").last.map(String.init) ?? path), [bytes])
    }
  }
  /// The shard with those files open that can be opened.
  private static func open(_ found: SalvageFindings, _ disk: any Disk, _ clock: any Clock, _ cluster: ClusterID) async throws -> ShardStore
  {
    let manifest = try await Manifest.open(disk: disk, cluster: cluster, shard: found.shard)
    let store = ShardStore(disk: disk, clock: clock, cluster: cluster, shard: found.shard, replica: found.replica, manifest: manifest)
    for (_, file) in manifest.contents.files.sorted(by: { $0.key < $1.key }) {
      do { store.add(file, try await store.open(file)) } catch let error as TallyError where error.status == .dataDamaged {
        guard found.files.contains(where: { $0.number == file.number }) else { throw error }
      }
    }
    return store
  }
}

/// The log of a shard on its way to a checkpoint that holds all of it: an entry is applied, and durable with the checkpoint.
private final class SalvageLog: ShardLog {
  private let store: ShardStore
  let journal: Journal
  init(_ store: ShardStore, _ journal: Journal) {
    self.store = store
    self.journal = journal
  }
  func write(_ body: EntryBody) async throws -> LogEntry {
    let entry = try store.append(body)
    try store.commit(through: entry.position)
    return entry
  }
}

extension ShardStore {
  /// Puts a file without the damaged blocks in a damaged file's place.
  fileprivate func writeAnew(_ number: UInt64, _ log: any ShardLog, _ compute: any Compute) async throws {
    // A merge that the log names may have taken its place already.
    guard let file = files[number] else { return }
    let drops = file.sections.indices.map { SectionReference(file: number, section: $0) }.filter { !dropped.contains($0) }
    var parts: [SalvagedSection] = []
    for relation in relations.values.sorted(by: { $0.layout.id < $1.layout.id }) {
      for (reference, section) in relation.sections where reference.file == number {
        let deleted = applied.deleted[relation.layout.id]?[reference] ?? RowSet()
        parts.append(SalvagedSection(section: section, layout: relation.layout, deleted: deleted))
      }
    }
    let (identity, inputs) = (SegmentIdentity(cluster: cluster, shard: shard, file: head.nextFile), parts)
    let image = try await compute.attempt { SegmentWriter.write(identity, sections: try inputs.compactMap { try $0.rest() }) }
    let written = image.sections.isEmpty ? [] : [try await install(image, number: identity.file)]
    let change = LayoutChange(source: .sections(floor: nil), settledBefore: .min, files: written, drops: drops)
    _ = try await log.write(.layout(change))
  }
}

/// A section of which only some blocks can be read.
private struct SalvagedSection: Sendable {
  var section: SegmentSection
  var layout: RelationLayout
  var deleted: RowSet

  /// Its sound rows; nil when there are none. A pure function.
  func rest() throws -> SectionInput? {
    var gone = deleted
    for (block, _) in section.damagedBlocks() {
      var rows = RowSet()
      rows.append(section.rows(ofBlock: block))
      gone.formUnion(rows)
    }
    if gone.count >= section.summary.rows { return nil }
    return try Compaction.merge(
      [section],
      layout: layout,
      deleted: [ObjectIdentifier(section): gone],
      dropPositions: !section.summary.hasPositions
    )
  }
}
