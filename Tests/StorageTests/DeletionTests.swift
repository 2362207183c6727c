// DeletionTests.swift — rows named by deletions: sets of rows, readers, flushes and merges; a crash after every disk operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

struct DeletionTests {
  @Test func setsOfRowsAreRanges() throws {
    var set = RowSet([1, 2, 3, 7, 9])
    #expect(set.ranges == [1..<4, 7..<8, 9..<10] && set.count == 5)
    set.formUnion(RowSet([0, 3, 4, 8, 20]))
    #expect(set.ranges == [0..<5, 7..<10, 20..<21])
    #expect(set.part(4..<9)?.ranges == [0..<1, 3..<5] && set.part(10..<20) == nil)
    #expect(set.rest(of: 3..<11) == [5, 6, 10] && set.rest(of: 0..<5).isEmpty)
    let random = SeededGenerator(seed: 3)
    for _ in 0..<200 {
      let (a, b) = (some(random), some(random))
      var union = RowSet(a.sorted())
      union.formUnion(RowSet(b.sorted()))
      #expect(union == RowSet(a.union(b).sorted()))
      var out = ByteWriter(capacity: 64)
      union.encode(into: &out)
      let bytes = out.finish()
      #expect(try bytes.withReader { reader throws(DecodingFailure) in try RowSet.decode(&reader) } == union)
      #expect(union.rest(of: 0..<64).map { Int($0) } == (0..<64).filter { !a.union(b).contains($0) })
    }
  }
  @Test func whatSomeRollupHasNotTakenInIsNotDeleted() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 2, rollups: [rollup])
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      #expect(try await store.flush(store.sole(journal), compute: fixture.compute))
      _ = try await store.add([EventRow(tenant: 1, time: newYear, id: 7)], sequence: 9, journal)
      let watermark = try #require(store.rollupState(rollup.id)).watermark
      #expect(store.deletable(TableID(10)) == watermark && watermark < store.applied.position)
      func everything(through: LogPosition) async throws -> Deletion {
        let named = try await store.naming(TableID(10)) {
          try $0.name(columns: [0], through: through, where: []) { Array(0..<UInt32($0.count)) }
        }
        return try #require(named)
      }
      #expect(try await everything(through: watermark).count == 0)
      let all = try await everything(through: store.applied.position)
      #expect(all.count == 801)
      let id = StatementID(session: SessionID(3), number: 1)
      let stage = Stage(statement: id, doneBelow: 0, decider: store.shard, ordinal: 1, content: .deletion(all))
      // The log's head refuses it, whoever named the rows: alone or as a part of a statement.
      for body in [EntryBody.delete(all), .stage(stage)] { #expect(throws: TallyError.self) { try store.append(body) } }
      try await store.roll(rollup, journal)
      _ = try await store.write(.delete(try await everything(through: try #require(store.deletable(TableID(10))))), journal: journal)
      #expect(try store.eventRows().isEmpty)
      for level in rollup.levels.indices {
        #expect(try store.buckets(rollup, level).values.reduce(0) { $0 + $1[0] } == 801)
      }
    }
  }
  private func some(_ random: SeededGenerator) -> Set<Int> {
    Set((0..<random.next(below: 40)).map { _ in Int(random.next(below: 60)) })
  }

  /// Deletions by tenant over files and memory, alone and staged; the rows left are told by a model.
  @Test(arguments: 0..<4) func aCrashAfterAnyOperationLosesNoDeletion(_ part: UInt64) throws {
    let (operations, crashes) = try CrashPoints(part: part, stride: 12, second: 23).sweep(lives: 2) {
      { near, epoch in try await life(near, epoch: epoch) }
    }
    #expect(crashes > 5, "only \(operations) operations")
  }
}

private let rollup = Events.rollup(20)
private func rows(_ batch: Int) -> [EventRow] {
  (0..<60).map {
    EventRow(
      tenant: Int64(($0 * 7 + batch) % 10),
      time: newYear - Int64(1 + batch % 2) * dayMicroseconds + Int64($0) * hourMicroseconds / 4,
      id: Int64(batch * 1000 + $0)
    )
  }
}
/// Step `batch` of the life deletes this tenant's rows of all batches so far; 9 and 10 delete nothing and everything.
private func isDeleted(_ row: EventRow, by step: Int) -> Bool { step == 8 ? row.id < 4000 : row.tenant == Int64(step) }

/// Batches and deletions in turn. What was done is read back from the log's state, so that a life goes on where a crash ended the one
/// before.
private func life(_ near: Surroundings, epoch: UInt64) async throws {
  try await withShard(of: near, epoch: epoch, schema: Events.schema(1, rollups: [rollup])) { store, journal in
    for step in 0..<9 {
      _ = try await store.add(rows(step), sequence: UInt64(step), journal)
      if step % 3 == 1 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      try check(store, since: step)
      try await store.roll(rollup, journal)
      try await delete(store, step, epoch, near, journal)
      try check(store, since: step + 1)
      if step % 3 == 2 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      if step % 4 == 3 { while try await store.merge(store.sole(journal), compute: near.compute, fully: true) {} }
      try check(store, since: step + 1)
    }
  }
}
private func delete(_ store: ShardStore, _ step: Int, _ epoch: UInt64, _ near: Surroundings, _ journal: Journal) async throws {
  let deletion = try await store.naming(TableID(10)) { named in
    try named.name(columns: [0, 2], through: try #require(store.deletable(TableID(10))), where: []) { batch in
      let (tenants, ids) = (fixed(batch.columns[0]), fixed(batch.columns[1]))
      return (0..<UInt32(batch.count)).filter {
        isDeleted(EventRow(tenant: tenants[Int($0)], time: 0, id: ids[Int($0)]), by: step)
      }
    }
  }
  guard let deletion, deletion.count > 0 else { return }
  if step % 2 == 0 {
    _ = try await store.write(.delete(deletion), journal: journal)
    return
  }
  let id = StatementID(session: SessionID(epoch), number: UInt64(step))
  let stage = Stage(statement: id, doneBelow: 0, decider: store.shard, ordinal: 1, content: .deletion(deletion))
  _ = try await store.write(.stage(stage), journal: journal)
  // Until it is applied, no file changes.
  #expect(try await !store.flush(store.sole(journal), compute: near.compute))
  #expect(try await !store.merge(store.sole(journal), compute: near.compute, fully: true))
  #expect(throws: TallyError.self) {
    try store.head.check(.layout(LayoutChange(source: .sections(floor: nil), settledBefore: 0, files: [], drops: [])))
  }
  let participants = [Participant(shard: store.shard, rows: UInt64(deletion.count))]
  _ = try await store.write(.decide(Decide(statement: id, participants: participants)), journal: journal)
  _ = try await store.write(.commit(id), journal: journal)
}
/// The table has the rows of the batches logged but those deleted by steps before; the rollup has all up to its watermark.
private func check(_ store: ShardStore, since step: Int, _ at: SourceLocation = #_sourceLocation) throws {
  let logged = Int(store.applied.rowsLogged[TableID(10)] ?? 0) / 60
  var left: [EventRow] = []
  for batch in 0..<logged {
    // A batch of a life before this one may have met later deletions already.
    left += rows(batch)
  }
  let found = try store.eventRows().sorted()
  #expect(Set(found).count == found.count, "rows twice", sourceLocation: at)
  let gone = Set(left).subtracting(found)
  #expect(Set(found).isSubset(of: left), sourceLocation: at)
  for row in left where !gone.contains(row) {
    // Every step below this one has deleted what was there then.
    for done in 0..<step where Int(row.id / 1000) <= done { #expect(!isDeleted(row, by: done), "row \(row) is there", sourceLocation: at) }
  }
  for row in gone.sorted() {
    // In a second life every step meets all batches.
    #expect((0..<9).contains { isDeleted(row, by: $0) }, "row \(row) is gone", sourceLocation: at)
  }
  let state = try #require(store.rollupState(rollup.id), sourceLocation: at)
  var rolled: Int64 = 0
  for level in rollup.levels.indices {
    rolled = try store.buckets(rollup, level).values.reduce(Int64(0)) { $0 + $1[0] }
    #expect(rolled % 60 == 0 && rolled <= Int64(logged * 60), sourceLocation: at)
  }
  if state.watermark >= store.lastBatch[TableID(10)] ?? LogPosition(0) {
    #expect(rolled == Int64(logged * 60), "a rollup counts every row ever committed", sourceLocation: at)
  }
}
