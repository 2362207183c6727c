// ShardStoreTests.swift — shards through flush, merge, rollup, backfill and expiry, with a crash after every disk operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

/// The ledger of one run: what was sent to each shard and acknowledged.
private final class Ledger: Sendable {
  let sent = Shared<[ShardID: [SentBatch]]>([:])
  func rows(_ shard: ShardID) -> [EventRow] { (sent.value[shard] ?? []).flatMap(\.rows) }
}

private func makeRows(_ shard: UInt64, _ batch: Int) -> [EventRow] {
  let random = SeededGenerator(seed: shard * 1000 + UInt64(batch))
  return (0..<(5 + batch % 4 * 20)).map { row in
    EventRow(
      tenant: Int64(random.next(below: 5)),
      time: newYear - 3 * dayMicroseconds + Int64(random.next(below: 72)) * hourMicroseconds + Int64(row),
      id: Int64(shard) * 1_000_000 + Int64(batch) * 1000 + Int64(row)
    )
  }
}

/// Sends the next batches to a shard; batches sent before the crash are sent again with their keys.
private func send(_ store: ShardStore, _ batches: Range<Int>, _ ledger: Ledger, _ journal: Journal) async throws {
  for batch in batches {
    let rows = makeRows(store.shard.rawValue, batch)
    let (shard, sequence) = (store.shard, UInt64(batch))
    // A batch that is not in the log yet gets the next position; one that a crash cut off after it was logged has it from then.
    let key = SequenceKey(session: SessionID(5), sequence: sequence, doneBelow: 0)
    let isNew = store.head.dedup.check(key, contentHash: Murmur3.hash(BatchFormat.encode(eventBatch(rows)))) == .new
    let next = store.head.position.next
    ledger.sent.update { sent in
      if !(sent[shard] ?? []).contains(where: { $0.sequence == sequence }) {
        sent[shard, default: []].append(SentBatch(rows: rows, sequence: sequence))
      }
      guard isNew, let at = sent[shard]?.firstIndex(where: { $0.sequence == sequence }) else { return }
      sent[shard]?[at].position = next
    }
    let admission = try await store.add(rows, sequence: sequence, journal)
    ledger.sent.update { sent in
      guard let at = sent[shard]?.firstIndex(where: { $0.sequence == sequence }) else { return }
      if case .duplicate(let known) = admission { #expect(sent[shard]?[at].position == known.position) }
      sent[shard]?[at].isAcknowledged = true
    }
  }
}

/// The whole life of three shards. Everything is repeatable: after a crash it runs again from its beginning.
private func life(_ near: Surroundings, _ ledger: Ledger, epoch: UInt64) async throws {
  var settings = smallJournal(32 << 10)
  settings.groupBytes = 8 << 10
  let opened = try await openJournal(near.disk, settings)
  let journal = opened.journal
  let recovered = try await Recovery.openShards(
    disk: near.disk,
    clock: near.clock,
    cluster: testCluster,
    journal: opened
  )
  var stores: [ShardStore] = []
  for shard in recovered {
    let store = try shard.outcome.get()
    try await store.applyAll(journal, near.compute)
    stores.append(store)
  }
  for shard in 1...3 as ClosedRange<UInt64> where !stores.contains(where: { $0.shard == ShardID(shard) }) {
    stores.append(
      try await ShardStore.create(disk: near.disk, clock: near.clock, cluster: testCluster, shard: ShardID(shard))
    )
  }
  for store in stores { try check(store, ledger) }
  try await withRunning(journal) {
    for store in stores {
      let entry = try store.beginEpoch(Epoch(epoch), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      if store.applied.schema.version < CatalogVersion(1) {
        _ = try await store.write(.schemaBarrier(Events.schema(1)), journal: journal)
      }
      if epoch > 1 {
        // Before any flush: the files may be ahead of what the manifest can tell.
        while try await store.merge(store.sole(journal), compute: near.compute, fully: true) {}
        // What expires before the rollup is there cannot be backfilled: here it waits for the rollup.
        if !store.applied.schema.rollups.isEmpty { _ = try await store.expire(store.sole(journal)) }
        try check(store, ledger)
      }
      try await send(store, 0..<4, ledger, journal)
    }
    let rollup = Events.rollup(20, keep: Interval(days: 1))
    for store in stores {
      _ = try await store.flush(store.sole(journal), compute: near.compute)
      try await send(store, 4..<6, ledger, journal)
      if store.applied.schema.version < CatalogVersion(2) {
        _ = try await store.write(.schemaBarrier(Events.schema(2, rollups: [rollup])), journal: journal)
      }
      try await send(store, 6..<8, ledger, journal)
      _ = try await store.flush(store.sole(journal), compute: near.compute)
      try await store.roll(rollup, journal)
      try check(store, ledger)
      try await store.backfill(rollup, from: newYear - dayMicroseconds, journal)
      try check(store, ledger)
      try await store.backfill(rollup, from: .min, journal)
      try await send(store, 8..<10, ledger, journal)
      try await store.roll(rollup, journal)
      _ = try await store.flush(store.sole(journal), compute: near.compute)
      try check(store, ledger)
      while try await store.merge(store.sole(journal), compute: near.compute, fully: true) {}
      try check(store, ledger)
      _ = try await store.expire(store.sole(journal))
      try check(store, ledger)
      try await send(store, 10..<12, ledger, journal)
      try await store.roll(rollup, journal)
      _ = try await store.flush(store.sole(journal), compute: near.compute)
      _ = try await store.flush(store.sole(journal), compute: near.compute)
      try check(store, ledger)
    }
  }
}

/// Every acknowledged row once, nothing else, and the rollup equal to its recomputation.
private func check(_ store: ShardStore, _ ledger: Ledger, _ at: SourceLocation = #_sourceLocation) throws {
  let sent = ledger.sent.value[store.shard] ?? []
  let logged = Int(store.applied.rowsLogged[TableID(10)] ?? 0)
  var count = 0
  var prefix: [(row: EventRow, position: LogPosition)] = []
  for batch in sent where count < logged {
    count += batch.rows.count
    // A batch whose acknowledgement the crash took away has its position from the first try.
    prefix += batch.rows.map { ($0, batch.position ?? LogPosition(.max)) }
  }
  #expect(count == logged, sourceLocation: at)
  let acknowledged = sent.prefix { $0.isAcknowledged }.flatMap(\.rows).count
  #expect(logged >= acknowledged, "\(logged) rows of \(acknowledged) acknowledged", sourceLocation: at)
  guard store.snapshot(of: TableID(10)) != nil else {
    #expect(logged == 0, sourceLocation: at)
    return
  }
  let found = try store.eventRows().sorted()
  let expiredBefore = store.applied.retention[TableID(10)]?.before ?? .min
  #expect(Set(found).count == found.count, "rows twice", sourceLocation: at)
  let expected = prefix.map(\.row).sorted()
  #expect(Set(found).isSubset(of: expected), sourceLocation: at)
  #expect(Set(expected).subtracting(found).allSatisfy { $0.time < expiredBefore }, "rows missing", sourceLocation: at)
  for rollup in store.applied.schema.rollups {
    let state = try #require(store.rollupState(rollup.id), sourceLocation: at)
    let rolled = prefix.filter { row, position in
      position <= state.cut ? state.covers(time: row.time) : position <= state.watermark
    }
    for level in rollup.levels.indices {
      var expected: [BucketRow: [Int64]] = [:]
      for (row, _) in rolled {
        let key = BucketRow(tenant: row.tenant, bucket: Calendar.truncateToBucket(row.time, rollup.levels[level].width))
        if key.bucket < state.floors[level] { continue }
        let old = expected[key] ?? [0, 0]
        expected[key] = [old[0] + 1, old[1] + row.id]
      }
      let found = try store.buckets(rollup, level).filter { $0.key.bucket >= state.floors[level] }
      // Compared one by one so that a failure says which.
      let wrong = Set(found.keys).union(expected.keys).filter { found[$0] != expected[$0] }
        .map { "\($0): \(found[$0] ?? []) for \(expected[$0] ?? [])" }.sorted()
      #expect(wrong == [], "level \(level) at \(store.applied.position): \(state)", sourceLocation: at)
    }
  }
}

struct ShardStoreTests {
  @Test func aLifeWithoutACrashKeepsEverything() throws {
    let world = SimulatedWorld(seed: 1)
    let ledger = Ledger()
    let operations = try world.run { world -> UInt64 in
      let node = world.node("worker", host: "10.0.0.1")
      try await node.run { near in try await life(near, ledger, epoch: 1) }
      for shard in 1...3 as ClosedRange<UInt64> {
        #expect(ledger.sent.value[ShardID(shard)]?.count == 12)
      }
      // And again, from what the disk holds: all batches are duplicates.
      try await node.run { near in
        let before = ledger.sent.value
        try await life(near, ledger, epoch: 2)
        #expect(ledger.sent.value.mapValues { $0.map(\.position) } == before.mapValues { $0.map(\.position) })
        let names = try await near.disk.list("shards/1").map(\.name)
        #expect(names.filter { $0.hasSuffix(".tmp") }.isEmpty)
        #expect(try await near.disk.list("wal").count <= 4)
      }
      return node.disk.operations
    }
    #expect(operations > 100)
  }
  @Test func aDeltaThatDoesNotBeginAtTheWatermarkOfTheHeadIsRefused() async throws {
    let (fixture, rollup) = (Fixture(), Events.rollup(20))
    try await fixture.fill(days: 1, rollups: [rollup])
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let from = try #require(store.rollupState(rollup.id)).watermark
      func delta(from: LogPosition) throws -> RollupCommit {
        let (to, rows) = (store.applied.position, try store.eventRows())
        return RollupCommit(
          rollup: rollup.id,
          from: from,
          to: to,
          rowsConsumed: UInt64(rows.count),
          rowsFailed: 0,
          runs: [BatchFormat.encode(stateRun(rows))]
        )
      }
      // Two flows built a delta of the same rows: the first is at the head and not applied yet when the second comes.
      let second = try delta(from: from)
      let entry = try store.append(.rollupCommit(try delta(from: from)))
      #expect(store.rollupState(rollup.id)?.watermark == from)
      #expect(throws: TallyError.self) { try store.append(.rollupCommit(second)) }
      // One that would leave rows out, and one that would take some in twice.
      for stray in [LogPosition(0), entry.position] {
        #expect(throws: TallyError.self) { try store.append(.rollupCommit(try delta(from: stray))) }
      }
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: store.head.position)
      for level in rollup.levels.indices {
        #expect(try store.buckets(rollup, level).values.reduce(0) { $0 + $1[0] } == 400)
      }
    }
  }
  /// Crashes after an operation, then once more while recovering or soon after, then lives to the end. Every operation takes four
  /// minutes in a debug build, so that only a part of them is tried unless TALLY_EXHAUSTIVE is set.
  @Test(arguments: 0..<4) func aCrashAfterAnyOperationLosesNothing(_ part: UInt64) throws {
    let (operations, _) = try CrashPoints(part: part, stride: 37, second: 61).sweep {
      let ledger = Ledger()
      return { near, epoch in try await life(near, ledger, epoch: epoch) }
    }
    #expect(operations > 100, "only \(operations) operations")
  }
}
