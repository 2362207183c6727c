// ShardStore+Files.swift — files that committed Layout entries of another primary (or of this one before a restart) name.
//
// Every replica makes the same files from the same rows (DESIGN §6), so a file is, in this order: what lies under its name, built
// here from the rows or sections that the entry names, or fetched from a copy. It counts only with the content hash the entry has.
import Bytes
public import Capabilities
import Model

extension ShardStore {
  /// Files of an entry that are not open yet.
  func missingFiles(of next: Pending) -> [FileRecord] {
    guard case .layout(let change) = next.body, next.entry.position > layoutPosition else { return [] }
    return change.files.filter { staged[$0.number]?.file != $0 }
  }
  /// Whether committed entries wait for files.
  public var needsFiles: Bool {
    guard let next = pending.first, next.entry.position <= committed else { return false }
    return !missingFiles(of: next).isEmpty
  }
  /// Makes the files that the first committed entry waits for, applies what is committed, and brings the manifest up to it. `fetch` writes
  /// a file's bytes durably under the given path and is asked last. Throws XX001 when a file cannot be had.
  public func makeFiles(
    journal: Journal,
    compute: any Compute,
    fetch: ((FileRecord, _ path: String) async throws -> Void)? = nil
  ) async throws {
    try await withLayoutRight { try await makeMissing(journal, compute, fetch) }
  }
  private func makeMissing(
    _ journal: Journal,
    _ compute: any Compute,
    _ fetch: ((FileRecord, _ path: String) async throws -> Void)?
  ) async throws {
    while let next = pending.first, next.entry.position <= committed, case .layout(let change) = next.body {
      for file in missingFiles(of: next) { try await make(file, change, compute, fetch) }
      try commit(through: committed)
      // A commit that got no further was not held up by files.
      if pending.first?.entry.position == next.entry.position { break }
    }
    try await persist(journal)
  }
  private func make(
    _ file: FileRecord,
    _ change: LayoutChange,
    _ compute: any Compute,
    _ fetch: ((FileRecord, String) async throws -> Void)?
  ) async throws {
    if try await exists(file) {
      do {
        staged[file.number] = (file, try await openVerified(file, compute))
        return
      } catch let error as TallyError where error.status == .dataDamaged {
        // A rotten file under the right name is made again.
        try await Quarantine.put(disk: disk, clock: clock, shard: shard, path: path(file))
      }
    }
    if let build = plan(file, change) {
      do {
        let image = try await compute.attempt { try build() }
        if image.hash == file.hash {
          _ = try await install(image, number: file.number)
          return
        }
      } catch is DecodingFailure {
        // What it would be built from is damaged here; the entry drops that, and the new file is had from elsewhere.
      }
    }
    guard let fetch else {
      throw TallyError(
        .dataDamaged,
        "file \(path(file)) cannot be made from the shard's rows",
        hint: "Restore the shard from a copy."
      )
    }
    try await fetch(file, path(file))
    staged[file.number] = (file, try await openVerified(file, compute))
  }
  private func exists(_ file: FileRecord) async throws -> Bool {
    let name = ManifestFormat.segmentName(file)
    return try await disk.list(directory).contains { $0.name == name }
  }
  /// How the file is built: from rows in memory, or from the sections it replaces; nil when those are not here.
  private func plan(_ file: FileRecord, _ change: LayoutChange) -> (@Sendable () throws -> SegmentImage)? {
    let identity = SegmentIdentity(cluster: cluster, shard: shard, file: file.number)
    switch change.source {
    case .log(let after, let through):
      let kept = Set(file.sections.filter(\.hasPositions).map(\.relation))
      let sources = relations.values.filter { !$0.memtable.isEmpty }.sorted { $0.layout.id < $1.layout.id }.map {
        FlushPlan.Source(layout: $0.layout, chunks: $0.memtable.snapshot(), keepPositions: kept.contains($0.layout.id))
      }
      let plan = FlushPlan(
        identity: identity,
        sources: sources,
        after: after,
        through: through,
        settledBefore: change.settledBefore
      )
      return { try plan.build() }
    case .sections(let floor):
      guard let first = file.sections.first, let relation = relations[first.relation] else { return nil }
      let inputs = relation.sections.filter { change.drops.contains($0.reference) }
      guard inputs.count == change.drops.count else { return nil }
      let plan = MergePlan(
        identity: identity,
        layout: relation.layout,
        references: inputs.map(\.reference),
        sections: inputs.map(\.section),
        deleted: deletedRows(inputs, of: relation.layout.id),
        dropPositions: !first.hasPositions,
        floor: floor,
        settledBefore: change.settledBefore
      )
      return { try plan.build() }
    }
  }
}
