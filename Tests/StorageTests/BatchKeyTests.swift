// BatchKeyTests.swift — ids of batches: window, expiry, conflicts, room, bytes; keys forgotten by KeyExpiry; a crash after every operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

private let minute: Int64 = 60_000_000
private func id(_ time: Int64, _ number: UInt64 = 1) -> BatchID { BatchID(microseconds: time, random: (number >> 8, number << 8)) }
private func record(_ key: BatchKey, _ rows: [EventRow]) -> (BatchRecord, [UInt8]) {
  let bytes = BatchFormat.encode(eventBatch(rows))
  return (BatchRecord(table: TableID(10), rows: rows.count, contentHash: Murmur3.hash(bytes), key: key), bytes)
}
private func row(_ number: Int64) -> EventRow { EventRow(tenant: number % 3, time: newYear - dayMicroseconds, id: 100_000 + number) }

extension ShardStore {
  /// Offers a batch of one row; nil: it is new and applied now.
  fileprivate func offer(_ key: BatchKey, _ number: Int64, _ journal: Journal) async throws -> KnownBatch? {
    let (record, bytes) = record(key, [row(number)])
    switch try appendBatch(record, encoded: bytes) {
    case .duplicate(let known): return known
    case .appended(let entry):
      _ = try await journal.append([JournalRecord(shard: shard, entry: entry)])
      try commit(through: entry.position)
      return nil
    }
  }
}

struct BatchKeyTests {
  @Test func anIDIsAUUIDOfVersionSeven() throws {
    let known = try BatchID("019B76da-a800-7abc-8123-456789abcdef")
    #expect(known.description == "019b76da-a800-7abc-8123-456789abcdef" && known.microseconds == newYear)
    #expect(try BatchID(id(newYear).description) == id(newYear))
    for text in ["", "019b76daa8007abc8123456789abcdef", "019b76da-a800-4abc-8123-456789abcdef", "019b76da-a800-7abc-c123-456789abcdef"] {
      #expect { _ = try BatchID(text) } throws: { ($0 as? TallyError)?.sqlState == "22023" }
    }
  }
  @Test func theTableFindsWhatItWasGivenInAnyOrderAndDropsWholeHours() throws {
    var table = BatchIDTable()
    let random = SeededGenerator(seed: 7)
    var given: [BatchID] = []
    for number in 0..<5000 {
      let id = BatchID(microseconds: newYear + Int64(random.next(below: 3 * 3_600_000)) * 1000, random: (random.next(), random.next()))
      given.append(id)
      table.record(id, hash: UInt64(number), at: LogPosition(UInt64(number) + 1), rows: number)
      table.record(id, hash: 9, at: LogPosition(9), rows: 9)
    }
    #expect(table.count == 5000 && table.hours.count == 3 && table.hours.allSatisfy { $0.runs.count < 8 })
    for (number, id) in given.enumerated() {
      let found = try #require(table.find(id))
      #expect(found.known == KnownBatch(position: LogPosition(UInt64(number) + 1), rows: number) && found.hash == UInt64(number))
    }
    #expect(table.find(id(newYear, 77)) == nil)
    // Bytes: there and back, the same shape; golden; broken ones are errors.
    var out = ByteWriter()
    table.encode(into: &out)
    let bytes = out.finish()
    #expect(bytes.count < 5000 * BatchIDTable.idBytes + 1000)
    #expect(try bytes.withReader { reader throws(DecodingFailure) in try BatchIDTable.decode(&reader) } == table)
    #expect(Murmur3.hash(bytes).description == goldenIDs)
    for count in stride(from: 0, to: bytes.count, by: 997) {
      #expect(throws: DecodingFailure.self) {
        try Array(bytes.prefix(count)).withReader { reader throws(DecodingFailure) in try BatchIDTable.decode(&reader) }
      }
    }
    // A copy made by replay shares runs.
    var other = table
    other.share(table)
    #expect(other == table)
    let due = newYear + KeyLifetimes.idPast + hourMicroseconds
    #expect(table.expiryDue(at: due - 1) == nil && table.expiryDue(at: due) == newYear + hourMicroseconds)
    table.expire(before: newYear + hourMicroseconds)
    #expect(table.hours.count == 2 && table.count == given.count { $0.microseconds >= newYear + hourMicroseconds })
    table.expire(before: newYear)
    #expect(table.droppedBefore == newYear + hourMicroseconds)
  }
  @Test func anIDCountsOnceWithinItsWindowAndIsAnErrorOutside() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let now = store.logTime.now
      for time in [now - KeyLifetimes.idPast, now, now + KeyLifetimes.idFuture] {
        let key = BatchKey.id(id(time))
        #expect(try await store.offer(key, time, journal) == nil)
        #expect(try await store.offer(key, time, journal) == KnownBatch(position: store.applied.position, rows: 1))
        await #expect { _ = try await store.offer(key, time + 1, journal) } throws: { ($0 as? TallyError)?.status == .keyConflict }
      }
      await #expect { _ = try await store.offer(.id(id(now - KeyLifetimes.idPast - 1000)), 1, journal) } throws: {
        ($0 as? TallyError)?.status == .keyExpired
      }
      await #expect { _ = try await store.offer(.id(id(now + KeyLifetimes.idFuture + 1000)), 1, journal) } throws: {
        ($0 as? TallyError)?.sqlState == "22023"
      }
      _ = try await store.flush(store.sole(journal), compute: fixture.compute)
    }
    // After a restart from the checkpoint too.
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      #expect(stores[0].applied.ids.count == 3 && stores[0].head.ids == stores[0].applied.ids)
      let now = stores[0].head.logTime
      #expect(try await stores[0].offer(.id(id(now / 1000 * 1000)), now, journal) != nil)
    }
  }
  @Test func aClockThatJumpsDaysMakesErrorsAndNeverASecondBatch() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let (byID, bySession) = (BatchKey.id(id(newYear)), BatchKey(session: SessionID(8), sequence: 0))
      #expect(try await store.offer(byID, 1, journal) == nil)
      #expect(try await store.offer(bySession, 2, journal) == nil)
      let count = try store.eventRows().count
      var expired = (id: false, session: false)
      // Thirty days ahead at once: log time follows an hour a minute, and what is due is forgotten on the way.
      fixture.clock.pass(wall: 30 * dayMicroseconds, real: 0)
      var last = store.head.logTime
      for _ in 0..<(30 * 24) {
        fixture.clock.pass(wall: minute, real: minute)
        if let due = store.keyExpiryDue() { _ = try await store.write(due, journal: journal) }
        for (key, number) in [(byID, Int64(1)), (bySession, 2)] {
          do {
            #expect(try await store.offer(key, number, journal) != nil, "a second batch")
          } catch let error as TallyError {
            #expect(error.status == .keyExpired)
            if number == 1 { expired.id = true } else { expired.session = true }
          }
        }
        let entry = try await store.write(.keyExpiry(through: 0), journal: journal)
        #expect(entry.logTime >= last && entry.logTime - last <= hourMicroseconds + minute)
        last = entry.logTime
        // A new id of the wall clock's time has to wait, until log time has come up.
        let (lag, wall) = (store.logTime.lag, fixture.clock.wallMicroseconds)
        if lag > KeyLifetimes.idFuture {
          await #expect { _ = try await store.offer(.id(id(wall, 5)), 9, journal) } throws: { ($0 as? TallyError)?.isRetryable ?? false }
        }
      }
      #expect(expired.id && expired.session && store.applied.ids.count == 0)
      #expect(store.applied.dedup.expiredThrough >= SessionID(8))
      #expect(try store.eventRows().count == count)
    }
  }
  @Test func sessionsAreKnownLongerThanClientsMayUseThem() async throws {
    // The last moment at which a name gives its session, and the last at which a batch of it begins.
    let lastUse = KeyLifetimes.namedProducer + KeyLifetimes.use
    #expect(KeyLifetimes.sessionRetention > lastUse + KeyLifetimes.idFuture && KeyLifetimes.renewal < KeyLifetimes.use)
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      // Session 8 is issued now and used on another shard; 9, issued later, has its one batch here and now.
      #expect(try await store.offer(BatchKey(session: SessionID(9), sequence: 0), 1, journal) == nil)
      func pass(_ micros: Int64) async throws {
        fixture.clock.pass(wall: micros, real: micros)
        if let due = store.keyExpiryDue() { _ = try await store.write(due, journal: journal) }
      }
      try await pass(lastUse)
      #expect(try await store.offer(BatchKey(session: SessionID(8), sequence: 0), 2, journal) == nil)
      #expect(try await store.offer(BatchKey(session: SessionID(9), sequence: 0), 1, journal) != nil)
      try await pass(KeyLifetimes.sessionRetention - lastUse + hourMicroseconds)
      await #expect { _ = try await store.offer(BatchKey(session: SessionID(9), sequence: 0), 1, journal) } throws: {
        ($0 as? TallyError)?.status == .keyExpired
      }
      await #expect { _ = try await store.offer(BatchKey(session: SessionID(7), sequence: 0), 1, journal) } throws: {
        ($0 as? TallyError)?.status == .keyExpired
      }
      #expect(try await store.offer(BatchKey(session: SessionID(8), sequence: 0), 2, journal) != nil)
    }
  }
  @Test func aFullShardRefusesIDsAndForgetsNone() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let now = store.logTime.now / 1000 * 1000
      #expect(try await store.offer(.id(id(now)), 1, journal) == nil)
      var number: UInt64 = 2
      while !store.head.ids.isFull {
        store.head.ids.record(id(now, number << 20), hash: 1, at: LogPosition(1), rows: 1)
        number += 1
      }
      await #expect { _ = try await store.offer(.id(id(now, 5)), 2, journal) } throws: { ($0 as? TallyError)?.status == .overloaded }
      #expect(try await store.offer(.id(id(now)), 1, journal) != nil)
    }
  }
  @Test func aStatementsKeyTakesEffectAtItsCommit() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      let key = id(store.logTime.now)
      func stage(_ number: UInt64, _ content: Hash128 = .zero) -> Stage {
        Stage(
          statement: StatementID(session: SessionID(77), number: number),
          doneBelow: 0,
          decider: ShardID(1),
          ordinal: 1,
          content: .statementKey(StatementKey(id: key, contentHash: content, rows: 300))
        )
      }
      func offer(_ stage: Stage) async throws -> StageAdmission {
        let admission = try store.appendStage(stage)
        if case .appended(let entry) = admission {
          _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
          try store.commit(through: entry.position)
        }
        return admission
      }
      // Aborted: as if it had never been. Open: others wait.
      _ = try await offer(stage(1))
      await #expect { _ = try await offer(stage(2)) } throws: { ($0 as? TallyError)?.status == .unavailable }
      await #expect { _ = try await store.offer(.id(key), 1, journal) } throws: { ($0 as? TallyError)?.status == .unavailable }
      _ = try await store.write(.abort(Abort(statement: stage(1).statement, doneBelow: 0)), journal: journal)
      guard case .appended = try await offer(stage(2)) else { return #expect(Bool(false)) }
      _ = try await store.flush(store.sole(journal), compute: fixture.compute)
      let commit = try await store.write(.commit(stage(2).statement), journal: journal)
      guard case .duplicate(let known) = try await offer(stage(3)) else { return #expect(Bool(false)) }
      #expect(known == KnownBatch(position: commit.position, rows: 300))
      await #expect { _ = try await offer(stage(3, Hash128(high: 1, low: 1))) } throws: { ($0 as? TallyError)?.status == .keyConflict }
    }
  }
  @Test(arguments: 0..<4) func aCrashAfterAnyOperationLeavesEachBatchOnce(_ part: UInt64) throws {
    let (operations, crashes) = try CrashPoints(part: part, stride: 16, second: 31).sweep { { near, epoch in try await life(near, epoch) } }
    #expect(crashes > 3, "only \(operations) operations")
  }
  private func life(_ near: Surroundings, _ epoch: UInt64) async throws {
    try await withShard(of: near, epoch: epoch, schema: Events.schema(1)) { store, journal in
      for number in 1...40 as ClosedRange<Int64> {
        // Every batch again and again, in every life.
        for _ in 0..<2 { _ = try await store.offer(.id(id(newYear - number * minute, UInt64(number))), number, journal) }
        if number % 7 == 0 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      }
      #expect(try store.eventRows().map(\.id).sorted() == (1...40).map { 100_000 + $0 })
      #expect(store.applied.ids.count == 40 && store.head.ids.count == 40)
    }
  }
}

private let goldenIDs = "ee2d30e32f0c586bce77570a532e02d0"
