// ReplicaTests.swift — a second copy that accepts a shard's entries makes the same state and the same files, through restarts and cuts.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

/// One copy on a disk of its own, opened and closed as often as a test likes.
private struct Copy {
  let disk: SimulatedDisk
  let world = InlineSurroundings()

  init(seed: UInt64) { disk = SimulatedDisk(seed: seed) }
  static var settings: JournalSettings {
    var settings = smallJournal(1 << 20)
    settings.groupBytes = 64 << 10
    return settings
  }
  func open<R>(_ body: (ShardStore, Journal) async throws -> R) async throws -> R {
    let opened = try await openJournal(disk, Self.settings)
    let found = try await Recovery.openShards(disk: disk, clock: world.clock, cluster: testCluster, journal: opened)
    let store: ShardStore
    if let shard = found.first {
      store = try shard.outcome.get()
    } else {
      store = try await ShardStore.create(disk: disk, clock: world.clock, cluster: testCluster, shard: ShardID(1))
    }
    return try await withRunning(opened.journal) { try await body(store, opened.journal) }
  }
}
/// Something happens while a piece of work is on its way.
private struct MeddlingCompute: Compute {
  let width = 1
  let meddle: @Sendable () async -> Void
  init(_ meddle: @escaping @Sendable () async -> Void) { self.meddle = meddle }
  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R {
    await meddle()
    return work()
  }
}
private struct InlineSurroundings {
  let clock = HandClock()
  let compute = InlineCompute()
}

/// What a primary's life left.
private struct PrimaryLife {
  var entries: [LogEntry]
  var state: ShardState
  var files: [UInt64: FileRecord]
  var digests: [LogPosition: StateDigest]
}
/// A primary's log with batches, two rollups, flushes, merges, expiry and probes.
private func primaryLog(_ copy: Copy) async throws -> PrimaryLife {
  let rollup = Events.rollup(20, keep: Interval(days: 2))
  let last = try await copy.open { store, journal in
    var digests: [LogPosition: StateDigest] = [:]
    let entry = try store.beginEpoch(Epoch(1), node: testNode)
    _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
    try store.commit(through: entry.position)
    _ = try await store.write(.schemaBarrier(Events.schema(1)), journal: journal)
    for step in 0..<24 {
      let rows = (0..<300).map {
        EventRow(
          tenant: Int64($0 % 7),
          time: newYear - Int64(6 - step / 4) * dayMicroseconds + Int64($0 * step),
          id: Int64(step * 1000 + $0)
        )
      }
      _ = try await store.add(rows, sequence: UInt64(step), journal)
      if step == 9 { _ = try await store.write(.schemaBarrier(Events.schema(2, rollups: [rollup])), journal: journal) }
      if step == 12 { try await store.backfill(rollup, from: .min, journal) }
      if step > 9, step % 3 == 0 { try await store.roll(rollup, journal) }
      if step % 4 == 3 { _ = try await store.flush(store.sole(journal), compute: copy.world.compute) }
      if step == 17 { while try await store.merge(store.sole(journal), compute: copy.world.compute, fully: true) {} }
      if step == 20 { _ = try await store.expire(store.sole(journal)) }
      if step % 2 == 0 {
        let probe = try await store.write(.digestProbe, journal: journal)
        digests[probe.position] = try #require(store.takeProbe()).digest()
      }
    }
    try await store.roll(rollup, journal)
    _ = try await store.flush(store.sole(journal), compute: copy.world.compute)
    return (store.applied, store.files, digests)
  }
  let entries = try await allRecords(try await openJournal(copy.disk, Copy.settings)).map(\.entry)
  return PrimaryLife(entries: entries, state: last.0, files: last.1, digests: last.2)
}

struct ReplicaTests {
  @Test(arguments: 1...6 as ClosedRange<UInt64>) func aCopyHasTheSameStateAndFiles(_ seed: UInt64) async throws {
    let primary = try await primaryLog(Copy(seed: 1))
    #expect(primary.entries.first?.position == LogPosition(1) && primary.entries.last?.position == primary.state.position)
    let random = SeededGenerator(seed: seed)
    let copy = Copy(seed: seed)
    var (next, committed, compared) = (0, LogPosition(0), 0)
    while next < primary.entries.count {
      let end = min(primary.entries.count, next + 1 + Int(random.next(below: 20)))
      try await copy.open { store, journal in
        // A start keeps all that was durable as the head, and knows nothing of what was committed.
        #expect(store.head.position == LogPosition(UInt64(next)) && store.applied.position <= committed)
        for entry in primary.entries[next..<end] {
          try store.accept(entry)
          _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
          if random.next(below: 3) > 0 {
            committed = max(committed, LogPosition(entry.position.rawValue - min(entry.position.rawValue, random.next(below: 4))))
            try store.commit(through: max(committed, store.committed))
            if store.needsFiles, random.next(below: 2) == 0 { try await store.makeFiles(journal: journal, compute: copy.world.compute) }
          }
          if let probe = store.takeProbe() {
            let digest = try probe.digest()
            #expect(digest == primary.digests[digest.position])
            compared += 1
          }
        }
      }
      next = end
    }
    try await copy.open { store, journal in
      try await store.applyAll(journal, copy.world.compute)
      #expect(store.applied == primary.state)
      #expect(store.files == primary.files)
    }
    #expect(compared > 0)
  }
  @Test func aDigestTellsStateFilesAndRowsApart() async throws {
    try await Copy(seed: 9).open { store, journal in
      let entry = try store.beginEpoch(Epoch(1), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      _ = try await store.write(.schemaBarrier(Events.schema(1)), journal: journal)
      _ = try await store.add([EventRow(tenant: 1, time: newYear, id: 1)], sequence: 1, journal)
      _ = try await store.flush(store.sole(journal), compute: InlineCompute())
      _ = try await store.add([EventRow(tenant: 2, time: newYear, id: 2)], sequence: 2, journal)
      func digest() throws -> StateDigest {
        store.pinProbe(at: store.applied.position)
        return try #require(store.takeProbe()).digest()
      }
      let first = try digest()
      #expect(try digest() == first && store.takeProbe() == nil)
      let rows = store.relations
      store.relations[Events.table.id]?.memtable.append(eventBatch([EventRow(tenant: 2, time: newYear, id: 3)]), at: store.applied.position)
      #expect(try first.difference(from: digest()) == "rows in memory")
      store.relations = rows
      store.applied.rowsLogged[Events.table.id, default: 0] += 1
      #expect(try first.difference(from: digest()).hasPrefix("state"))
      store.applied.rowsLogged[Events.table.id, default: 0] -= 1
      store.relations[Events.table.id]?.sections = []
      #expect(try first.difference(from: digest()).hasPrefix("files"))
    }
  }
  @Test func aFileThatWasPlannedBeforeATableWasDroppedIsNotLogged() async throws {
    try await Copy(seed: 3).open { store, journal in
      let entry = try store.beginEpoch(Epoch(1), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      _ = try await store.write(.schemaBarrier(Events.schema(1)), journal: journal)
      _ = try await store.add([EventRow(tenant: 1, time: newYear, id: 1)], sequence: 1, journal)
      nonisolated(unsafe) let held = store
      let meddling = MeddlingCompute {
        do { _ = try await held.write(.schemaBarrier(ShardSchema(version: CatalogVersion(2))), journal: journal) } catch {
          Issue.record("the barrier was refused: \(error)")
        }
      }
      // A copy applies the barrier first, and could not make the file that a Layout entry behind it names.
      #expect(try await store.flush(store.sole(journal), compute: meddling) == false)
      #expect(store.files.isEmpty && store.head.schema.tables.isEmpty)
    }
  }
  @Test func whatWasNotCommittedIsCutAndAnotherEndAccepted() async throws {
    let primary = try await primaryLog(Copy(seed: 1))
    let copy = Copy(seed: 2)
    try await copy.open { store, _ in
      for entry in primary.entries.prefix(30) { try store.accept(entry) }
      try store.commit(through: LogPosition(5))
      let known = try #require(store.place(at: LogPosition(20)))
      #expect(known.chain == primary.entries[19].chain && store.place(at: LogPosition(4)) == nil)
      try store.cut(above: LogPosition(20))
      #expect(store.head.position == LogPosition(20) && store.head.chain == known.chain)
      // A new primary goes on from there in its own epoch.
      let other = try store.beginEpoch(Epoch(2), node: NodeID(9))
      #expect(other.position == LogPosition(21))
      #expect(throws: TallyError.self) { try store.accept(primary.entries[20]) }
      #expect(throws: TallyError.self) { try store.cut(above: LogPosition(4)) }
      try store.cut(above: LogPosition(20))
      try store.accept(primary.entries[20])
      #expect(store.head.position == LogPosition(21))
    }
  }
  /// A committed entry may wait for files and so not be applied yet: it is not cut either.
  @Test func whatIsCommittedIsNeverCut() async throws {
    let primary = try await primaryLog(Copy(seed: 1))
    let at = try #require(primary.entries.firstIndex { $0.kind == .layout })
    try await Copy(seed: 2).open { store, _ in
      for entry in primary.entries[...(at + 3)] { try store.accept(entry) }
      let committed = primary.entries[at + 2].position
      try store.commit(through: committed)
      #expect(store.needsFiles && store.applied.position < primary.entries[at].position && store.committed == committed)
      let head = store.head
      for position in [store.applied.position, primary.entries[at].position, LogPosition(committed.rawValue - 1)] {
        #expect {
          try store.cut(above: position)
        } throws: { error in
          let error = error as? TallyError
          return error?.status == .dataDamaged && error?.detail?.contains("\(committed)") == true
        }
        #expect(store.head == head && store.committed == committed)
      }
      try store.cut(above: committed)
      #expect(store.head.position == committed && store.committed == committed)
    }
  }
  @Test func aFileThatCannotBeBuiltIsFetched() async throws {
    let source = Copy(seed: 1)
    let primary = try await primaryLog(source)
    let copy = Copy(seed: 3)
    try await copy.open { store, journal in
      var fetched = 0
      for entry in primary.entries {
        var entry = entry
        // Another writer made the files: same rows, other bytes.
        if entry.kind == .layout, case .layout(var change) = try LogEntryFormat.decode(entry) {
          for at in change.files.indices { change.files[at].hash.low ^= 1 }
          entry = LogEntry(
            position: entry.position,
            epoch: entry.epoch,
            kind: .layout,
            logTime: entry.logTime,
            catalogVersion: entry.catalogVersion,
            body: LogEntryFormat.encode(.layout(change)),
            after: store.head.chain
          )
        } else {
          entry = LogEntry(
            position: entry.position,
            epoch: entry.epoch,
            kind: entry.kind,
            logTime: entry.logTime,
            catalogVersion: entry.catalogVersion,
            body: entry.body,
            after: store.head.chain
          )
        }
        try store.accept(entry)
        try store.commit(through: entry.position)
        if store.needsFiles, fetched == 0 {
          await #expect(throws: TallyError.self) { try await store.makeFiles(journal: journal, compute: copy.world.compute) }
          await #expect(throws: TallyError.self) {
            try await store.makeFiles(journal: journal, compute: copy.world.compute) { file, path in
              fetched += 1
              try await copy.disk.writeDurably(path, [[UInt8](repeating: 7, count: Int(file.bytes))])
            }
          }
          // What was fetched is not what the log names: it is not taken.
          #expect(store.applied.position < entry.position && store.needsFiles)
          break
        }
      }
      #expect(fetched == 1)
    }
  }
  @Test func aFetchedFileThatIsSoundButAnotherIsNotTaken() async throws {
    let primary = try await primaryLog(Copy(seed: 1))
    let at = try #require(primary.entries.firstIndex { $0.kind == .layout })
    guard case .layout(var change) = try LogEntryFormat.decode(primary.entries[at]) else { return }
    let (maker, file) = (Copy(seed: 5), change.files[0])
    let sound = try await maker.open { store, journal in
      for entry in primary.entries[...at] { try store.accept(entry) }
      try await store.applyAll(journal, maker.world.compute)
      return try await maker.disk.readAll(store.path(file))
    }
    // The log names a file of the same size and sections, with other rows in it.
    change.files[0].hash.low ^= 1
    let copy = Copy(seed: 3)
    try await copy.open { store, journal in
      for entry in primary.entries[..<at] { try store.accept(entry) }
      let entry = try store.append(.layout(change))
      try store.commit(through: entry.position)
      await #expect(throws: TallyError.self) {
        try await store.makeFiles(journal: journal, compute: copy.world.compute) { _, path in
          try await copy.disk.writeDurably(path, [sound])
        }
      }
      #expect(store.needsFiles && store.applied.position < entry.position && store.files.isEmpty)
    }
  }
  @Test(arguments: [3, 12, 24]) func aNewCopyStartsFromFilesAndGoesOnFromTheJournal(_ cut: Int) async throws {
    let source = Copy(seed: 1)
    let primary = try await primaryLog(source)
    let copy = Copy(seed: 4)
    // It had another end of the log once; that is void.
    try await copy.open { store, journal in
      for entry in primary.entries.prefix(cut) {
        try store.accept(entry)
        _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      }
    }
    try await source.open { source, journal in
      try await source.applyAll(journal, copy.world.compute)
      let snapshot = try await source.replicaSnapshot()
      #expect(snapshot.position == source.releasable && !snapshot.files.isEmpty)
      try await copy.open { old, own in
        let void = LogEntry.cut(from: LogPosition(1), epoch: Epoch(9))
        _ = try await own.append([JournalRecord(shard: old.shard, entry: void)])
        // A file that arrives broken replaces nothing.
        await #expect(throws: TallyError.self) {
          _ = try await ShardStore.install(
            disk: copy.disk,
            clock: copy.world.clock,
            compute: copy.world.compute,
            cluster: testCluster,
            shard: old.shard,
            manifest: snapshot.manifest
          ) { file, path in try await copy.disk.writeDurably(path, [[UInt8](repeating: 1, count: Int(file.bytes))]) }
        }
        // One lies there already, with a byte wrong in a block that opening does not read; the others do not.
        let rotten = try #require(snapshot.files.first).record
        try await copy.disk.writeDurably(old.path(rotten), [[UInt8](try #require(snapshot.files.first).image.bytes)])
        try copy.disk.corrupt(old.path(rotten), at: 100, xor: 1)
        for file in snapshot.files.dropFirst() { try await copy.disk.remove(old.path(file.record)) }
        let store = try await ShardStore.install(
          disk: copy.disk,
          clock: copy.world.clock,
          compute: copy.world.compute,
          cluster: testCluster,
          shard: old.shard,
          manifest: snapshot.manifest
        ) { file, path in
          let image = try #require(snapshot.files.first { $0.record == file }).image
          try await copy.disk.writeDurably(path, [[UInt8](image.bytes)])
        }
        #expect(store.applied.position == snapshot.position && store.files == source.manifest.contents.files)
        for unit in store.scrubUnits {
          #expect(try await Scrub.check(unit, disk: copy.disk, compute: copy.world.compute).isEmpty)
        }
        let suffix = try #require(old.path(rotten).split(separator: "/").last)
        #expect(try await copy.disk.list("quarantine").contains { $0.name.hasSuffix(suffix) })
        while store.head.position < source.head.position {
          let tail = try await journal.entries(of: source.shard, from: store.head.position.next, bytes: 40_000)
          #expect(!tail.isEmpty)
          for entry in tail {
            try store.accept(entry)
            _ = try await own.append([JournalRecord(shard: store.shard, entry: entry)])
          }
        }
        try await store.applyAll(own, copy.world.compute)
        #expect(store.applied == source.applied && store.files == source.files)
      }
    }
    try await copy.open { store, own in
      try await store.applyAll(own, copy.world.compute)
      #expect(store.applied == primary.state && store.files == primary.files)
    }
  }
}
