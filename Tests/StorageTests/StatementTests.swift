// StatementTests.swift — statements over several shards in the log, the state and the rows; a crash after every disk operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

private let session = SessionID(77)
private func statement(_ number: UInt64) -> StatementID { StatementID(session: session, number: number) }
private func rows(_ shard: UInt64, _ number: UInt64, _ part: Int) -> [EventRow] {
  (0..<(3 + part * 4)).map {
    EventRow(
      tenant: Int64($0 % 3),
      time: newYear - Int64(1 + number % 3) * dayMicroseconds + Int64($0) * hourMicroseconds,
      id: Int64(shard) * 1_000_000 + Int64(number) * 1000 + Int64(part) * 100 + Int64($0)
    )
  }
}
private func content(_ rows: [EventRow], key: BatchKey? = nil) -> StagedContent {
  let bytes = BatchFormat.encode(eventBatch(rows))
  return .rows(BatchRecord(table: TableID(10), rows: rows.count, contentHash: Murmur3.hash(bytes), key: key), encoded: bytes)
}
private func stage(_ number: UInt64, _ ordinal: Int, _ content: StagedContent, doneBelow: UInt64 = 0) -> Stage {
  Stage(statement: statement(number), doneBelow: doneBelow, decider: ShardID(1), ordinal: ordinal, content: content)
}

/// What is known of each statement across crashes.
private struct Known: Sendable {
  var isBegun: Set<UInt64> = []
  var isDecided: Set<UInt64> = []
  var isAborted: Set<UInt64> = []
}

/// Statements over shards 1 and 2, flushes and deltas between their steps. After a crash: what was in doubt is resolved by shard 1's log.
private func life(_ near: Surroundings, _ known: Shared<Known>, epoch: UInt64) async throws {
  let rollup = Events.rollup(20)
  let opened = try await openJournal(near.disk, smallJournal(32 << 10))
  let journal = opened.journal
  var stores: [ShardStore] = []
  for shard in try await Recovery.openShards(disk: near.disk, clock: near.clock, cluster: testCluster, journal: opened) {
    let store = try shard.outcome.get()
    try await store.applyAll(journal, near.compute)
    stores.append(store)
  }
  for shard in 1...2 as ClosedRange<UInt64> where !stores.contains(where: { $0.shard == ShardID(shard) }) {
    stores.append(try await ShardStore.create(disk: near.disk, clock: near.clock, cluster: testCluster, shard: ShardID(shard)))
  }
  try await withRunning(journal) {
    for store in stores {
      let entry = try store.beginEpoch(Epoch(epoch), node: testNode)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      if store.applied.schema.version < CatalogVersion(1) {
        _ = try await store.write(.schemaBarrier(Events.schema(1, rollups: [rollup])), journal: journal)
      }
    }
    func end(_ id: StatementID) async throws {
      let isDecided = stores[0].applied.statements.open[id]?.decision != nil
      // Shard 1 decides and ends last.
      for store in stores.reversed() where store.applied.statements.open[id] != nil {
        let body: EntryBody = isDecided ? .commit(id) : .abort(Abort(statement: id, doneBelow: 0))
        _ = try await store.write(body, journal: journal)
      }
      if isDecided { known.update { _ = $0.isDecided.insert(id.number) } } else { known.update { _ = $0.isAborted.insert(id.number) } }
    }
    // What ended before the crash, and nobody was told.
    for number in known.value.isBegun.sorted() where !known.value.isDecided.contains(number) && !known.value.isAborted.contains(number) {
      switch stores[0].applied.statements.standing(statement(number)) {
      case .committed: known.update { _ = $0.isDecided.insert(number) }
      case .aborted: known.update { _ = $0.isAborted.insert(number) }
      case .open, .unknown, .ended: continue
      }
    }
    let doubtful = Set(stores.flatMap { $0.applied.statements.open.keys }).sorted()
    for id in doubtful {
      // What the crash left undecided on shard 1, or never brought there, is aborted there first.
      if stores[0].applied.statements.standing(id) == .unknown {
        _ = try await stores[0].write(.abort(Abort(statement: id, doneBelow: 0)), journal: journal)
      }
      try await end(id)
    }
    try check(stores, known.value, rollup)
    for number in 1...8 as ClosedRange<UInt64> where !known.value.isBegun.contains(number) {
      known.update { _ = $0.isBegun.insert(number) }
      for part in 0..<2 {
        for store in stores {
          let key = BatchKey(session: SessionID(5), sequence: number * 2 + UInt64(part))
          let staged = stage(number, part, content(rows(store.shard.rawValue, number, part), key: key))
          guard case .appended(let entry) = try store.appendStage(staged) else {
            Issue.record("stage \(part) of \(number)")
            return
          }
          _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
          try store.commit(through: entry.position)
        }
        if number % 3 == UInt64(part) {
          for store in stores { _ = try await store.flush(store.sole(journal), compute: near.compute) }
        }
      }
      try check(stores, known.value, rollup)
      if number % 4 != 3 {
        let participants = stores.map { Participant(shard: $0.shard, rows: 10) }
        _ = try await stores[0].write(.decide(Decide(statement: statement(number), participants: participants)), journal: journal)
      }
      if number % 2 == 0 { for store in stores { _ = try await store.flush(store.sole(journal), compute: near.compute) } }
      try await end(statement(number))
      try check(stores, known.value, rollup)
      if number % 2 == 1 { for store in stores { try await store.roll(rollup, journal) } }
      if number % 3 == 0 { for store in stores { _ = try await store.flush(store.sole(journal), compute: near.compute) } }
      try check(stores, known.value, rollup)
    }
  }
}

/// Each statement is on both shards whole or not at all, and the rollup holds what lies below its watermark.
private func check(_ stores: [ShardStore], _ known: Known, _ rollup: RollupDefinition, _ at: SourceLocation = #_sourceLocation) throws {
  for store in stores where store.snapshot(of: TableID(10)) != nil {
    let found = try store.eventRows().sorted()
    var expected: [EventRow] = []
    for number in known.isDecided.sorted() { for part in 0..<2 { expected += rows(store.shard.rawValue, number, part) } }
    // A statement whose end a crash cut off counts from when it is resolved: by then it is known.
    let undecided = Set(store.applied.statements.open.keys.map(\.number))
    #expect(found == expected.filter { !undecided.contains(UInt64($0.id / 1000 % 1000)) }.sorted(), sourceLocation: at)
    let state = try #require(store.rollupState(rollup.id), sourceLocation: at)
    let rolled = try store.eventRows(through: state.watermark)
    for level in rollup.levels.indices {
      let held = try store.buckets(rollup, level).values.reduce(into: [Int64(0), 0]) {
        $0[0] += $1[0]
        $0[1] += $1[1]
      }
      let sum = rolled.reduce(Int64(0)) { $0 + $1.id }
      #expect(held == [Int64(rolled.count), sum], "level \(level)", sourceLocation: at)
    }
  }
}

struct StatementTests {
  /// Twice to the end: the second time from what the disk holds.
  @Test(arguments: 0..<4) func aCrashAfterAnyOperationLeavesAllOrNothing(_ part: UInt64) throws {
    let (operations, crashes) = try CrashPoints(part: part, stride: 16, second: 31).sweep(lives: 2) {
      let known = Shared(Known())
      return { near, epoch in try await life(near, known, epoch: epoch) }
    }
    #expect(crashes > 5, "only \(operations) operations")
  }
  @Test func aStageIsKnownAgainAndALateOneIsRefused() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      func offer(_ stage: Stage) async throws -> StageAdmission {
        let admission = try store.appendStage(stage)
        if case .appended(let entry) = admission {
          _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
          try store.commit(through: entry.position)
        }
        return admission
      }
      let key = BatchKey(session: SessionID(9), sequence: 1)
      let first = stage(1, 0, content(rows(1, 1, 0), key: key))
      guard case .appended(let entry) = try await offer(first) else {
        Issue.record("not appended")
        return
      }
      guard case .repeated(let position) = try await offer(first) else {
        Issue.record("not repeated")
        return
      }
      #expect(position == entry.position)
      #expect(try store.eventRows().count == 400)
      #expect(store.applied.statements.openBytes > 0 && store.applied.statements.standing(statement(1)) == .open)
      await #expect { _ = try await offer(stage(1, 0, content(rows(1, 1, 1)))) } throws: {
        ($0 as? TallyError)?.status == .protocolViolation
      }
      // The key waits for the statement's end, for a batch as for another statement.
      await #expect { _ = try await offer(stage(2, 0, content(rows(1, 1, 0), key: key))) } throws: {
        ($0 as? TallyError)?.status == .unavailable
      }
      #expect { _ = try store.appendBatch(self.record(key, rows(1, 1, 0)), encoded: []) } throws: {
        ($0 as? TallyError)?.status == .unavailable
      }
      _ = try await store.write(.commit(statement(1)), journal: journal)
      #expect(try store.eventRows().count == 403 && store.applied.statements.openBytes == 0)
      // In effect: known by its key now, and the statement does not open again.
      guard case .duplicate(let known) = try await offer(stage(2, 0, content(rows(1, 1, 0), key: key))) else {
        Issue.record("not a duplicate")
        return
      }
      #expect(known.position == store.applied.position)
      await #expect { _ = try await offer(stage(1, 1, content(rows(1, 1, 1)))) } throws: { ($0 as? TallyError)?.sqlState == "40001" }
      _ = try await store.write(.abort(Abort(statement: statement(4), doneBelow: 3)), journal: journal)
      await #expect { _ = try await offer(stage(4, 0, content(rows(1, 4, 0)))) } throws: { ($0 as? TallyError)?.sqlState == "40001" }
      await #expect { _ = try await offer(stage(2, 0, content(rows(1, 2, 0)))) } throws: { ($0 as? TallyError)?.sqlState == "40001" }
      #expect(store.applied.statements.standing(statement(2)) == .ended && store.applied.statements.standing(statement(5)) == .unknown)
      _ = try await offer(stage(5, 0, .nothing))
      _ = try await store.write(
        .decide(Decide(statement: statement(5), participants: [Participant(shard: ShardID(1), rows: 0)])),
        journal: journal
      )
      await #expect { _ = try await store.write(.abort(Abort(statement: statement(5), doneBelow: 0)), journal: journal) } throws: {
        ($0 as? TallyError)?.status == .internalError
      }
    }
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let table = stores[0].applied.statements
      #expect(table.standing(statement(1)) == .ended && table.standing(statement(4)) == .aborted)
      #expect(table.open[statement(5)]?.decision?.count == 1)
    }
  }
  @Test func aStatementThatIsTooLargeIsRefusedWithAHint() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], _: Journal) async throws -> Void in
      let big = [UInt8](repeating: 7, count: 20 << 20)
      for part in 0..<3 {
        let record = BatchRecord(table: TableID(10), rows: 1, contentHash: .zero, key: nil)
        _ = try stores[0].appendStage(stage(1, part, .rows(record, encoded: big)))
      }
      #expect { _ = try stores[0].appendStage(stage(2, 0, .rows(self.record(nil, rows(1, 1, 0)), encoded: big))) } throws: {
        ($0 as? TallyError)?.sqlState == "53200"
      }
      let many = BatchRecord(table: TableID(10), rows: ShardStore.stagedRowsMax + 1, contentHash: .zero, key: nil)
      #expect { _ = try stores[1].appendStage(stage(1, 0, .rows(many, encoded: [1]))) } throws: {
        ($0 as? TallyError)?.sqlState == "53200"
      }
    }
  }
  private func record(_ key: BatchKey?, _ rows: [EventRow]) -> BatchRecord {
    BatchRecord(table: TableID(10), rows: rows.count, contentHash: Murmur3.hash(BatchFormat.encode(eventBatch(rows))), key: key)
  }
  @Test func theStateOfEarlierVersionsIsStillRead() throws {
    var state = ShardState()
    state.statements.stage(stage(1, 0, content(rows(1, 1, 0))), EntryMark(entry(1)))
    state.statements.stage(stage(1, 1, .nothing), EntryMark(entry(2)))
    state.statements.decide(Decide(statement: statement(1), participants: [Participant(shard: ShardID(1), rows: 3)]), EntryMark(entry(3)))
    state.statements.stage(stage(2, 0, .nothing, doneBelow: 1), EntryMark(entry(4)))
    _ = state.statements.end(statement(2), isCommitted: true, EntryMark(entry(5)))
    var out = ByteWriter(capacity: 256)
    ShardStateFormat.encode(state, into: &out)
    let bytes = out.finish()
    #expect(try bytes.withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) } == state)
    #expect(Murmur3.hash(bytes).description == goldenState)
    // Version 1 ended before the statements.
    var empty = ByteWriter(capacity: 256)
    ShardStateFormat.encode(ShardState(), into: &empty)
    // Version 2 ended before ids and deleted tenants, which take nine bytes each when there are none.
    var second = Array(empty.finish().dropLast(18))
    second[0] = 2
    #expect(try second.withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) } == ShardState())
    var old = Array(second.dropLast(3))
    old[0] = 1
    #expect(try old.withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) } == ShardState())
  }
  @Test func endedStatementsAreInTheCheckpoint() throws {
    var state = ShardState()
    state.statements.stage(stage(1, 0, content(rows(1, 1, 0))), EntryMark(entry(1)))
    state.statements.stage(stage(2, 0, content(rows(1, 2, 0))), EntryMark(entry(2)))
    _ = state.statements.end(statement(1), isCommitted: false, EntryMark(entry(3)))
    _ = state.statements.end(statement(2), isCommitted: true, EntryMark(entry(4)))
    var out = ByteWriter(capacity: 256)
    ShardStateFormat.encode(state, into: &out)
    let read = try out.finish().withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) }
    #expect(read.statements.standing(statement(1)) == .aborted && read.statements.standing(statement(2)) == .committed)
    #expect(throws: TallyError.self, "a Stage that was on its way") { try read.check(.stage(stage(1, 1, content(rows(1, 1, 1))))) }
  }
  private func entry(_ position: UInt64) -> LogEntry {
    LogEntry(
      position: LogPosition(position),
      epoch: Epoch(1),
      kind: .stage,
      logTime: 5,
      catalogVersion: CatalogVersion(1),
      body: [],
      after: .zero
    )
  }
}

private let goldenState = "44143b429f14642700f1da823f08a678"
