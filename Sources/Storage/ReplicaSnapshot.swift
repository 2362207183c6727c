// ReplicaSnapshot.swift — a shard's checkpoint on its way to another copy: what its manifest says and the files that it names.
//
// The receiver fetches the files by their records, verifies each, and makes the manifest its own in one rename; entries above the
// checkpoint follow from the sender's journal. A crash in between leaves what the receiver had before.
public import Bytes
public import Capabilities
public import Model

/// A checkpoint that can be copied. Files stay readable while this lives, also when the sender unlinks them.
public struct ReplicaSnapshot: Sendable {
  /// Rows and state up to here are in it: the copy needs the entries above.
  public let position: LogPosition
  /// The manifest as one edit (ManifestFormat).
  public let manifest: [UInt8]
  /// Files by number.
  public let files: [(record: FileRecord, image: FileImage)]
  /// Bytes of the files.
  public var bytes: UInt64 { files.reduce(0) { $0 + $1.record.bytes } }
}

extension ShardStore {
  /// The shard's checkpoint, its files mapped.
  public func replicaSnapshot() async throws -> ReplicaSnapshot {
    while true {
      let contents = manifest.contents
      var files: [(record: FileRecord, image: FileImage)] = []
      do {
        for (_, file) in contents.files.sorted(by: { $0.key < $1.key }) { files.append((file, try await disk.map(path(file)))) }
      } catch let failure as DiskFailure where failure.kind == .notFound && contents != manifest.contents {
        // A merge replaced it meanwhile.
        continue
      }
      return ReplicaSnapshot(position: contents.checkpoint.position, manifest: ManifestFormat.encode(contents.whole), files: files)
    }
  }
  /// The bytes of one of the shard's files, when it is the one with that hash.
  public func image(of number: UInt64, hash: Hash128) async throws -> FileImage? {
    guard let file = files[number], file.hash == hash else { return nil }
    do { return try await disk.map(path(file)) } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
  }
  /// Makes a copy from a snapshot's manifest: `fetch` writes each file durably under the path it is given. Replaces what the directory held
  /// of the shard; its entries in the journal must have been voided (`LogEntry.cut`) before. Every byte is verified, also of files that
  /// lay there: those that fail go to quarantine/ and are fetched anew. Throws XX001 when fetched bytes do not verify.
  public static func install(
    disk: any Disk,
    clock: any Clock,
    compute: any Compute,
    cluster: ClusterID,
    shard: ShardID,
    replica: ReplicaID = ReplicaID(0),
    manifest bytes: [UInt8],
    fetch: (FileRecord, _ path: String) async throws -> Void
  ) async throws -> ShardStore {
    var contents = ManifestContents()
    do {
      let edit = try ManifestFormat.decode(bytes)
      guard edit.isWhole, edit.checkpoint != nil else {
        throw TallyError(.dataDamaged, "a snapshot of shard \(shard) without a checkpoint")
      }
      contents.apply(edit)
    } catch let failure as DecodingFailure { throw TallyError(.dataDamaged, "a snapshot of shard \(shard): \(failure)") }
    let directory = ManifestFormat.directory(shard)
    try await disk.createDirectory(directory)
    try await disk.syncDirectory("shards")
    let present = Set(try await disk.list(directory).map(\.name))
    for (_, file) in contents.files.sorted(by: { $0.key < $1.key }) where !present.contains(ManifestFormat.segmentName(file)) {
      try await fetch(file, directory + "/" + ManifestFormat.segmentName(file))
    }
    // Opened under the new contents before these count: what does not verify replaces nothing.
    let manifest = try await Manifest.prepared(disk: disk, cluster: cluster, shard: shard, contents: contents)
    let store = ShardStore(disk: disk, clock: clock, cluster: cluster, shard: shard, replica: replica, manifest: manifest)
    for (_, file) in contents.files.sorted(by: { $0.key < $1.key }) {
      do { store.add(file, try await store.openVerified(file, compute)) } catch let error as TallyError where error.status == .dataDamaged {
        guard present.contains(ManifestFormat.segmentName(file)) else { throw error }
        // What lay under the name was another file, or rotten.
        try await Quarantine.put(disk: disk, clock: clock, shard: shard, path: store.path(file))
        try await fetch(file, store.path(file))
        store.add(file, try await store.openVerified(file, compute))
      }
    }
    // In this order: what lay here before must never be there under the new number.
    try await manifest.replace()
    if replica.rawValue > 0 { try await ReplicaFile.write(replica, of: shard, disk) }
    try await store.finishRecovery()
    return store
  }
}

extension LogEntry {
  /// The record that voids a shard's entries in a journal from `position` on. Never an entry of a log.
  public static func cut(from position: LogPosition, epoch: Epoch) -> LogEntry {
    LogEntry(position: position, epoch: epoch, kind: .cut, logTime: 0, catalogVersion: CatalogVersion(0), body: [], after: .zero)
  }
}
