// DroppedFileTests.swift — files that are dropped: while the edit that adds them is being written, or by an entry of another primary.
import Bytes
import Capabilities
import Model
import Simulation
import Testing

@testable import Storage

/// A disk that calls once, when the manifest is opened for its next edit.
private final class InterruptedDisk: WrappedDisk, @unchecked Sendable {
  // Safe: one task uses it.
  let disk: SimulatedDisk
  var interrupt: (() throws -> Void)?
  init(_ disk: SimulatedDisk) { self.disk = disk }
  func open(_ path: String, _ mode: OpenMode, lane: DiskLane) async throws -> any DiskFile {
    if mode == .readWrite, path.contains("/manifest-"), let interrupt {
      self.interrupt = nil
      try interrupt()
    }
    return try await disk.open(path, mode, lane: lane)
  }
}

struct DroppedFileTests {
  @Test func aFileThatIsDroppedWhileItIsBeingAddedIsRemovedOnce() async throws {
    let disk = InterruptedDisk(SimulatedDisk(seed: 1))
    try await withShard(disk) { store, journal in
      // The table is dropped while the edit that names the flushed file is being written.
      disk.interrupt = {
        let entry = try store.append(.schemaBarrier(ShardSchema(version: CatalogVersion(2), tables: [], rollups: [])), rows: .none)
        _ = journal.enqueue([JournalRecord(shard: store.shard, entry: entry)])
        try store.commit(through: entry.position)
      }
      #expect(try await store.flush(store.sole(journal), compute: InlineCompute()))
      #expect(disk.interrupt == nil && store.files.isEmpty)
      #expect(try await segments(disk) == 1)
      // The next edit takes it away: once.
      _ = try await store.flush(store.sole(journal), compute: InlineCompute())
      #expect(try await segments(disk) == 0)
    }
  }
  @Test func aCopyRemovesWhatAnEntryDropped() async throws {
    let disk = SimulatedDisk(seed: 1)
    try await withShard(disk) { store, journal in
      #expect(try await store.flush(store.sole(journal), compute: InlineCompute()))
      _ = try await store.write(.schemaBarrier(ShardSchema(version: CatalogVersion(2), tables: [], rollups: [])), journal: journal)
      #expect(try await segments(disk) == 1)
      try await store.removeDeadFiles(journal)
      #expect(try await segments(disk) == 0)
      // Nothing more to do: the manifest is left alone.
      let manifest = try await disk.list("shards/1")
      try await store.removeDeadFiles(journal)
      #expect(try await disk.list("shards/1") == manifest)
    }
  }

  @Test func afterAStartFilesMayBeAheadOfTheState() async throws {
    let disk = SimulatedDisk(seed: 1)
    try await withShard(disk) { store, journal in
      #expect(try await store.flush(store.sole(journal), compute: InlineCompute()))
      _ = try await store.write(.schemaBarrier(ShardSchema(version: CatalogVersion(2), tables: [], rollups: [])), journal: journal)
      try await store.removeDeadFiles(journal)
      #expect(!store.areFilesAhead)
    }
    let opened = try await openJournal(disk)
    let found = try await Recovery.openShards(disk: disk, clock: HandClock(), cluster: testCluster, journal: opened)
    let store = try #require(found.first).outcome.get()
    // The checkpoint has the table, of which no file is left.
    #expect(store.areFilesAhead && store.applied.schema.tables.count == 1)
    try store.commit(through: store.head.position)
    #expect(!store.areFilesAhead && store.applied.schema.tables.isEmpty)
  }

  /// Runs `body` with a shard of one table that has one row, in memory.
  private func withShard(_ disk: any Disk, _ body: (ShardStore, Journal) async throws -> Void) async throws {
    let journal = try await openJournal(disk).journal
    try await withRunning(journal) {
      let store = try await ShardStore.create(disk: disk, clock: HandClock(), cluster: testCluster, shard: ShardID(1))
      let begin = try store.beginEpoch(Epoch(1), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: begin)])
      try store.commit(through: begin.position)
      _ = try await store.write(.schemaBarrier(Events.schema(1)), journal: journal)
      _ = try await store.add([EventRow(tenant: 1, time: newYear, id: 1)], sequence: 0, journal)
      try await body(store, journal)
    }
  }
  private func segments(_ disk: any Disk) async throws -> Int {
    try await disk.list("shards/1").count { $0.name.hasSuffix(".seg") }
  }
}
