// RecoveryTests.swift — what a start does with rot, missing files and leftovers; expiry and its guards; log time.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Synchronization
import Testing

@testable import Storage

struct RecoveryTests {
  @Test func aShardWithARottenEntryIsRefusedAndTheOthersStart() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 4)
    let path = "wal/0000000000000001.journal"
    let groups = try await fixture.disk.readAll(path).withUnsafeBytes {
      GroupScan.scan($0, file: 1, expecting: .init(number: nil, previous: nil), grows: false).groups
    }
    let victim = try #require(groups.flatMap(\.records).first { $0.shard == ShardID(1) && $0.position == LogPosition(4) })
    try fixture.disk.corrupt(path, at: victim.body.lowerBound + 500, xor: 4)
    let recovered = try await fixture.recover(try await openJournal(fixture.disk))
    #expect(recovered.map(\.shard) == [ShardID(1), ShardID(2)])
    #expect(throws: TallyError.self) { try recovered[0].outcome.get() }
    let other = try recovered[1].outcome.get()
    #expect(other.applied.position == LogPosition(0) && other.head.position == LogPosition(6))
    try other.commit(through: other.head.position)
    #expect(try other.eventRows().count == 1600)
  }
  @Test func aShardWithoutAFileItNeedsIsRefused() async throws {
    for isMissing in [true, false] {
      let fixture = Fixture()
      try await fixture.fill(days: 2)
      try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
        for store in stores { #expect(try await store.flush(store.sole(journal), compute: fixture.compute)) }
      }
      let path = "shards/1/" + (try await fixture.segment(1))
      if isMissing { try await fixture.disk.remove(path) } else { try fixture.disk.corrupt(path, at: 20, xor: 1) }
      let recovered = try await fixture.recover(try await openJournal(fixture.disk))
      #expect(throws: TallyError.self) { try recovered[0].outcome.get() }
      #expect(try recovered[1].outcome.get().eventRows().count == 800)
    }
  }
  /// Seed 1166: the write of a new CURRENT went elsewhere, and what the old one names was removed.
  @Test func aShardWhoseManifestIsGoneIsRefusedAndTheOthersStart() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.disk.remove("shards/1/" + ManifestFormat.name(1))
    let recovered = try await fixture.recover(try await openJournal(fixture.disk))
    let refusal = #expect(throws: TallyError.self) { try recovered[0].outcome.get() }
    #expect(refusal?.status == .dataDamaged)
    #expect(try recovered[1].outcome.get().head.position == LogPosition(4))
  }
  @Test func leftoversAreRemovedAndForeignFilesAreNot() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      for store in stores { #expect(try await store.flush(store.sole(journal), compute: fixture.compute)) }
    }
    let leftover = "shards/1/0000000000000099-00000000000000000000000000000001.seg"
    try await fixture.disk.writeDurably(leftover, [[1]])
    try await fixture.disk.writeDurably("shards/1/notes.seg", [[1]])
    // The number is that of a file in use, which has other bytes: made for an entry that was not written.
    let double = try await fixture.segment(1).prefix(16) + "-00000000000000000000000000000001.seg"
    try await fixture.disk.writeDurably("shards/1/" + double, [[1]])
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in #expect(try stores[0].eventRows().count == 800) }
    let names = try await fixture.disk.list("shards/1").map(\.name)
    #expect(!names.contains("0000000000000099-00000000000000000000000000000001.seg") && names.contains("notes.seg"))
    #expect(!names.contains(String(double)))
  }
  @Test func aFlushedShardPinsNoJournal() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 20)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      #expect(journal.shardsPinningOldestFile == [ShardID(1)])
      for store in stores {
        #expect(store.memtableRows == 8000 && store.memtableBytes > 8000 * 24)
        #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
        // The entry of the flush itself: nothing is in memory, so the checkpoint alone moves.
        #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
        #expect(try await !store.flush(store.sole(journal), compute: fixture.compute))
        #expect(store.memtableRows == 0 && store.releasable == store.applied.position)
      }
      #expect(journal.shardsPinningOldestFile == [])
    }
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      for store in stores { #expect(try store.eventRows().count == 8000) }
    }
  }
  /// A checkpoint gives back what lies in files, not what came in since: that is in the journal alone.
  @Test func whatIsInMemoryAloneStaysInTheJournal() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 3)
    func rows(_ step: Int) -> [EventRow] {
      (0..<400).map { EventRow(tenant: Int64($0 % 7), time: newYear + Int64($0), id: Int64(9000 + step * 1000 + $0)) }
    }
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      #expect(try await stores[0].flush(stores[0].sole(journal), compute: fixture.compute))
      _ = try await stores[0].add(rows(0), sequence: 50, journal)
      // Expiry of old days writes a checkpoint.
      #expect(try await !stores[0].expire(stores[0].sole(journal)).isEmpty)
      #expect(stores[0].memtableRows == 400 && stores[0].releasable < stores[0].applied.position)
      // Many files of the journal later, of which the other shard needs none.
      for step in 1...30 {
        _ = try await stores[1].add(rows(step), sequence: UInt64(50 + step), journal)
        #expect(try await stores[1].flush(stores[1].sole(journal), compute: fixture.compute))
      }
      #expect(journal.shardsPinningOldestFile == [ShardID(1)])
    }
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      #expect(try stores[0].eventRows().count { $0.id >= 9000 } == 400)
    }
  }
  /// A rollup may have come since expiry was decided, its barrier in the log and not applied: rows it is to be backfilled from stay (I8).
  @Test func rowsThatARollupOnItsWayNeedsDoNotExpire() async throws {
    let fixture = Fixture()
    let rollup = Events.rollup(20)
    try await fixture.fill(days: 5)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
      #expect(store.retentionDue().map(\.relation) == [TableID(10)])
      let barrier = try store.append(.schemaBarrier(Events.schema(7, rollups: [rollup])))
      #expect(try await store.expire(store.sole(journal)).isEmpty)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: barrier)])
      try store.commit(through: barrier.position)
      try await store.backfill(rollup, from: .min, journal)
      #expect(try store.buckets(rollup, 1).values.reduce(0) { $0 + $1[0] } == 2000)
      try await store.roll(rollup, journal)
      #expect(try await store.expire(store.sole(journal)).map(\.relation) == [TableID(10)])
    }
  }
  @Test func rawRowsExpireByDayBehindEveryWatermark() async throws {
    let fixture = Fixture()
    let rollup = Events.rollup(20, keep: Interval(days: 2))
    try await fixture.fill(days: 5, rollups: [rollup])
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
      // The watermark is behind the rows: nothing goes but what the level's own floor says.
      #expect(store.retentionDue().allSatisfy { $0.relation != TableID(10) })
      try await store.roll(rollup, journal)
      let dropped = try await store.expire(store.sole(journal))
      #expect(dropped.map(\.relation) == [TableID(10), rollup.levelTable(0)])
      #expect(dropped[0].before == newYear - dayMicroseconds)
      #expect(try store.eventRows().count == 400)
      // The floor of the hours is at a border of days; what is below it is in the days alone.
      let floor = try #require(store.rollupState(rollup.id)).floors[0]
      #expect(floor == newYear - 2 * dayMicroseconds)
      #expect(try store.buckets(rollup, 1).values.reduce(0) { $0 + $1[0] } == 2000)
      // A late row below the floor goes to the days only.
      _ = try await store.add([EventRow(tenant: 1, time: newYear - 5 * dayMicroseconds, id: 1)], sequence: 90, journal)
      let before = try store.buckets(rollup, 0).values.reduce(0) { $0 + $1[0] }
      try await store.roll(rollup, journal)
      #expect(try store.buckets(rollup, 0).values.reduce(0) { $0 + $1[0] } == before)
      #expect(try store.buckets(rollup, 1).values.reduce(0) { $0 + $1[0] } == 2001)
      #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
    }
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      #expect(try stores[0].buckets(rollup, 1).values.reduce(0) { $0 + $1[0] } == 2001)
    }
  }
  /// At any hour of the day: hours from the floor on and days below it count every row once.
  @Test func theFloorOfALevelLiesAtABorderOfTheNext() async throws {
    let fixture = Fixture()
    let rollup = Events.rollup(20, keep: Interval(days: 2))
    try await fixture.fill(days: 5, rollups: [rollup])
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      fixture.clock.pass(wall: 13 * hourMicroseconds + hourMicroseconds / 2, real: hourMicroseconds)
      // In the morning and in the evening of the day in which the two days that are kept end.
      for hour in [1, 20] as [Int64] {
        let time = newYear - 2 * dayMicroseconds + hour * hourMicroseconds
        _ = try await store.add([EventRow(tenant: 1, time: time, id: hour)], sequence: UInt64(90 + hour), journal)
      }
      try await store.roll(rollup, journal)
      #expect(try await store.expire(store.sole(journal)).map(\.relation) == [rollup.levelTable(0)])
      let floor = try #require(store.rollupState(rollup.id)).floors[0]
      #expect(floor == newYear - 2 * dayMicroseconds)
      let hours = try store.buckets(rollup, 0).filter { $0.key.bucket >= floor }
      let days = try store.buckets(rollup, 1).filter { $0.key.bucket < floor }
      #expect(hours.values.reduce(0) { $0 + $1[0] } + days.values.reduce(0) { $0 + $1[0] } == 2002)
      // What came late and below the floor is in the days alone, and still counted once.
      _ = try await store.add([EventRow(tenant: 1, time: floor - 1, id: 5)], sequence: 99, journal)
      try await store.roll(rollup, journal)
      let later = try store.buckets(rollup, 0).filter { $0.key.bucket >= floor }
      #expect(later == hours)
      #expect(try store.buckets(rollup, 1).values.reduce(0) { $0 + $1[0] } == 2003)
    }
  }
  @Test func logTimeNeverFallsAndFollowsAJumpingClockSlowly() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let start = store.applied.logTime
      fixture.clock.pass(wall: -hourMicroseconds, real: 1_000_000)
      #expect(try await store.write(.keyExpiry(through: 0), journal: journal).logTime == start)
      // Ten years ahead within a second: a minute of log time at most.
      fixture.clock.pass(wall: 3650 * dayMicroseconds, real: 1_000_000)
      let entry = try await store.write(.keyExpiry(through: 0), journal: journal)
      #expect(entry.logTime <= start + 60_000_000 && store.isLogTimeHeldBack)
    }
  }
  @Test func duplicatesAreToldAtTheHeadAndAfterARestart() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let rows = (0..<400).map {
        EventRow(tenant: Int64($0 % 7), time: newYear - dayMicroseconds + Int64($0), id: Int64(1000 + $0))
      }
      guard case .duplicate(let known) = try await stores[0].add(rows, sequence: 1, journal) else {
        Issue.record("not a duplicate")
        return
      }
      #expect(known.position == LogPosition(4))
      await #expect { _ = try await stores[0].add(Array(rows.dropLast()), sequence: 1, journal) } throws: {
        ($0 as? TallyError)?.status == .keyConflict
      }
      #expect(try stores[0].eventRows().count == 800)
    }
  }
}
