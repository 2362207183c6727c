// ShardStore+Layout.swift — merges sections into fewer, installs files, and keeps the manifest in step.
//
// Merging is size-tiered: within a relation's day slice, four or more sections of about the same size become one. Raw sections merge
// only with those on the same side of every live mark, or keep their positions: all of them must have them then.
import Bytes
public import Capabilities
import Model

/// Sections of one relation that one section shall replace.
public struct MergePlan: Sendable {
  let identity: SegmentIdentity
  let layout: RelationLayout
  let references: [SectionReference]
  let sections: [SegmentSection]
  let deleted: [ObjectIdentifier: RowSet]
  let dropPositions: Bool
  let floor: Int64?
  let settledBefore: Int64

  /// Makes the file; a pure function.
  public func build() throws -> SegmentImage {
    SegmentWriter.write(
      identity,
      sections: [
        try Compaction.merge(
          sections,
          layout: layout,
          deleted: deleted,
          dropPositions: dropPositions,
          pruning: layout.pruning(settledBefore: settledBefore),
          floor: floor
        )
      ].compactMap { $0 }
    )
  }
}

extension ShardStore {
  static let mergeFanIn = 4
  /// Stored bytes that one merge reads at most: its rows are in memory meanwhile.
  static let mergeBytesMax = 64 << 20

  /// The most useful merge; nil when none is due. `fully` merges whatever has two sections.
  public func planMerge(fully: Bool = false) -> MergePlan? {
    if isDeleting { return nil }
    var best: MergePlan?
    var bestCount = fully ? 1 : Self.mergeFanIn - 1
    for relation in relations.values.sorted(by: { $0.layout.id < $1.layout.id }) {
      var classes: [MergeClass: [(reference: SectionReference, section: SegmentSection)]] = [:]
      for candidate in relation.sections {
        guard let side = side(of: candidate.section.summary, relation.layout) else { continue }
        let key = MergeClass(
          slice: candidate.section.summary.slice,
          side: side,
          tier: fully ? 0 : Self.tier(of: candidate.section.summary.bytes)
        )
        classes[key, default: []].append(candidate)
      }
      for (key, members) in classes.sorted(by: { $0.key < $1.key }) {
        var bytes = 0
        var taken = members.sorted { $0.section.summary.bytes < $1.section.summary.bytes }.prefix {
          bytes += $0.section.summary.bytes
          return bytes <= Self.mergeBytesMax
        }.sorted { $0.reference < $1.reference }
        // One that lost much of its rows, or holds rows of a deleted tenant, is written anew even alone, however large.
        let hollow = best == nil ? members.first { isHollow($0.reference, $0.section.summary) } : nil
        if let hollow, !taken.contains(where: { $0.reference == hollow.reference }) { taken = [hollow] }
        guard taken.count > bestCount || hollow != nil else { continue }
        bestCount = max(bestCount, taken.count)
        best = MergePlan(
          identity: SegmentIdentity(cluster: cluster, shard: shard, file: head.nextFile),
          layout: relation.layout,
          references: taken.map(\.reference),
          sections: taken.map(\.section),
          deleted: isPlanted(.mergeRevivesDeleted) ? [:] : deletedRows(taken, of: relation.layout.id),
          dropPositions: key.side != Self.undecided,
          floor: floor(of: relation.layout),
          settledBefore: applied.logTime - RelationLayout.settlingTime
        )
      }
    }
    return best
  }
  /// Whether a third of a section's rows are deleted, or some are a deleted tenant's.
  private func isHollow(_ reference: SectionReference, _ summary: SectionSummary) -> Bool {
    if applied.tenants.names(reference) { return true }
    return applied.deleted[summary.relation]?[reference].map { $0.count * 3 >= summary.rows } ?? false
  }
  /// Deleted rows of a table's sections, as readers and merges need them.
  func deletedRows(
    _ sections: [(reference: SectionReference, section: SegmentSection)],
    of table: TableID
  ) -> [ObjectIdentifier: RowSet] {
    guard let known = applied.deleted[table] else { return [:] }
    var deleted: [ObjectIdentifier: RowSet] = [:]
    for (reference, section) in sections { deleted[ObjectIdentifier(section)] = known[reference] }
    return deleted
  }
  private struct MergeClass: Hashable, Comparable {
    var slice: DaySlice
    var side: Int
    var tier: Int
    static func < (a: MergeClass, b: MergeClass) -> Bool { (a.slice, a.side, a.tier) < (b.slice, b.side, b.tier) }
  }
  private static func tier(of bytes: Int) -> Int { (Int.bitWidth - max(1, bytes / 4096).leadingZeroBitCount) / 2 }
  private static let undecided = -1
  /// Which sections may be merged with each other: those with equal answers. Nil: none.
  private func side(of section: SectionSummary, _ layout: RelationLayout) -> Int? {
    if layout.isState { return 0 }
    var side = 0
    for (at, rollup) in applied.schema.rollups(of: layout.id).enumerated() {
      guard let state = applied.rollups[rollup.id] else { continue }
      let isSplit =
        state.watermark < section.high
        || (!state.isBackfilled && section.low <= state.cut && state.cut < section.high)
      if isSplit { return section.hasPositions ? Self.undecided : nil }
      if !state.isBackfilled, section.high <= state.cut { side |= 1 << (at % 62) }
    }
    return side
  }
  private func floor(of layout: RelationLayout) -> Int64? {
    guard let (rollup, level) = applied.schema.level(layout.id), let floor = applied.rollups[rollup.id]?.floors[level],
      floor > .min
    else { return nil }
    return floor
  }
  /// Carries out one merge. False when none is due or another flow is changing the files.
  public func merge(_ log: any ShardLog, compute: any Compute, fully: Bool = false) async throws -> Bool {
    guard beginLayoutChange() else { return false }
    defer { endLayoutChange() }
    if !fully, unmergedAt == applied.position { return false }
    guard let plan = planMerge(fully: fully) else {
      if !fully { unmergedAt = applied.position }
      return false
    }
    let (schema, epoch) = (applied.schema, head.epoch)
    let image = try await compute.attempt { try plan.build() }
    // Everything may have been below the floor: then there is nothing to put in the place of the inputs.
    let files = image.sections.isEmpty ? [] : [try await install(image, number: plan.identity.file)]
    if isOutdated(schema, epoch) { return false }
    _ = try await log.write(
      .layout(
        LayoutChange(
          source: .sections(floor: plan.floor),
          settledBefore: plan.settledBefore,
          files: files,
          drops: plan.references
        )
      )
    )
    try await persist(log.journal)
    return true
  }
  /// Whether a plan must not be logged any more. In another epoch others may have changed the files: a flush planned before would bring its
  /// rows in twice. Or tables or rollups came or went: copies make the file where its entry stands in the log, after that
  /// change: what was dropped is not there to make it of. The file that was made is named by nothing and made anew, or removed at a start.
  func isOutdated(_ schema: ShardSchema, _ epoch: Epoch) -> Bool {
    head.epoch != epoch || head.schema.tables != schema.tables || head.schema.rollups != schema.rollups
  }
  /// Waits for the right to change the files and has it while `body` runs.
  func withLayoutRight<R>(_ body: () async throws -> R) async throws -> R {
    while !beginLayoutChange() {
      let turn = Promise<Void>()
      layoutWaiters.append(turn)
      try await turn.value
    }
    defer { endLayoutChange() }
    return try await body()
  }
  /// Waits until no flow changes the files; nothing awaits between its return and what follows.
  public func untilFilesAreQuiet() async throws { while isChangingLayout { try await withLayoutRight {} } }
  /// The right to change the files; false while another flow does.
  func beginLayoutChange() -> Bool {
    if isChangingLayout { return false }
    isChangingLayout = true
    return true
  }
  func endLayoutChange() {
    isChangingLayout = false
    let waiters = layoutWaiters
    layoutWaiters = []
    for waiter in waiters { waiter.fulfil(()) }
  }

  /// Writes a file durably under its name and opens it for the Layout entry that will name it.
  func install(_ image: SegmentImage, number: UInt64) async throws -> FileRecord {
    let file = FileRecord(number: number, bytes: UInt64(image.byteCount), hash: image.hash, sections: image.sections)
    do { try await disk.writeDurably(path(file), image.pieces) } catch let failure as DiskFailure where failure.kind == .full {
      throw try await lacksRoom(for: path(file), failure)
    }
    staged[number] = (file, try await open(file))
    return file
  }
  /// Takes back what was written of a file that there is no room for.
  func lacksRoom(for path: String, _ failure: DiskFailure) async throws -> TallyError {
    do { try await disk.remove(path + ".tmp") } catch let failure as DiskFailure where failure.kind == .notFound {}
    return TallyError(.diskFull, failure.message, hint: "make room on the volume of the data directory")
  }
  /// Maps a file and checks that it is the one that log or manifest names.
  func open(_ file: FileRecord) async throws -> [SegmentSection] {
    let path = path(file)
    func damaged(_ what: String) -> TallyError {
      TallyError(.dataDamaged, "segment file \(path): \(what)", hint: "Restore the file from a copy.")
    }
    let image: FileImage
    do { image = try await disk.map(path) } catch let failure as DiskFailure where failure.kind == .notFound {
      throw damaged("missing")
    } catch let failure as DiskFailure where failure.kind == .io {
      throw damaged(failure.message)
    }
    do {
      let sections = try SegmentReader.open(
        image: image,
        expecting: SegmentIdentity(cluster: cluster, shard: shard, file: file.number)
      )
      guard image.bytes.count == Int(file.bytes),
        try isPlanted(.fileHashNotCompared) || SegmentReader.contentHash(of: image) == file.hash,
        sections.map(\.summary) == file.sections
      else { throw damaged("not the file that was written under this name") }
      return sections
    } catch let failure as DecodingFailure { throw damaged("\(failure)") }
  }
  /// Opens a file whose bytes were not made here just now, and checks all of them.
  func openVerified(_ file: FileRecord, _ compute: any Compute) async throws -> [SegmentSection] {
    let sections = try await open(file)
    if let failure = await Scrub.verify(try await disk.map(path(file)), compute) {
      throw TallyError(.dataDamaged, "segment file \(path(file)): \(failure)", hint: "Restore the file from a copy.")
    }
    return sections
  }
  /// Brings the manifest up to what was applied, then gives back what nothing needs: old files and journal.
  func persist(_ journal: Journal) async throws {
    guard let edit = nextEdit() else { return }
    let old = manifest.contents.files
    let orphans = orphans
    // One that was dropped while the edit that added it was being written is both.
    let gone = edit.removed.compactMap({ old[$0] }) + orphans.filter { old[$0.number] == nil }
    if isPlanted(.filesUnlinkedBeforeEdit) { for file in gone { try await disk.remove(path(file)) } }
    do { try await manifest.append(edit) } catch let failure as DiskFailure where failure.kind == .full {
      // The files and the state are as they are: the next edit says all that this one would have.
      throw TallyError(.diskFull, failure.message, hint: "make room on the volume of the data directory")
    }
    self.orphans.removeAll { orphans.contains($0) }
    if edit.checkpoint?.position == checkpoint?.position { checkpoint = nil }
    journal.release(shard, through: isPlanted(.journalGivenBackEarly) ? applied.position : releasable)
    for file in gone where !isPlanted(.filesUnlinkedBeforeEdit) {
      // One that was lost may have been given up (Salvage).
      do { try await disk.remove(path(file)) } catch let failure as DiskFailure where failure.kind == .notFound {}
    }
  }
  /// Gives back the room of files that nothing needs any more. A primary does so with each change that it makes; on another copy an entry
  /// may have dropped them since its manifest was written last.
  public func removeDeadFiles(_ journal: Journal) async throws {
    guard !needsFiles, !isDeleting, !orphans.isEmpty || manifest.contents.files.keys.contains(where: { files[$0] == nil }),
      beginLayoutChange()
    else { return }
    defer { endLayoutChange() }
    try await persist(journal)
  }
  /// The difference between the files as they are and as the manifest has them.
  private func nextEdit() -> ManifestEdit? {
    let known = manifest.contents
    let edit = ManifestEdit(
      layoutPosition: layoutPosition,
      added: files.values.filter { known.files[$0.number] == nil }.sorted { $0.number < $1.number },
      dropped: isPlanted(.droppedSectionsForgotten) ? [] : dropped.subtracting(known.dropped).sorted(),
      removed: known.files.keys.filter { files[$0] == nil }.sorted(),
      checkpoint: checkpoint
    )
    let isNothing = edit.added.isEmpty && edit.dropped.isEmpty && edit.removed.isEmpty && edit.checkpoint == nil
    return isNothing && edit.layoutPosition == known.layoutPosition ? nil : edit
  }
}
