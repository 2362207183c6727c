// TenantDeletionTests.swift — deleted tenants: readers, flushes, merges and rollups; bytes; a crash after every disk operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

struct TenantDeletionTests {
  @Test func aTenantsRowsAreFoundInAnyLayout() {
    let fixed = ColumnVector(.bigint, values: [.fixed(3), .null, .fixed(4), .fixed(3), .fixed(0)])
    #expect(Tenant.fixed(3).rows(of: fixed) == RowSet([0, 3]))
    // What lies under a NULL is no tenant.
    #expect(Tenant.fixed(0).rows(of: fixed) == RowSet([4]))
    let texts = ColumnVector(.text, values: [.text("é"), .text("e\u{301}"), .null, .text(""), .text("é")])
    #expect(Tenant.text(Array("é".utf8)).rows(of: texts) == RowSet([0, 4]))
    #expect(Tenant.text([]).rows(of: texts) == RowSet([3]))
    #expect(Tenant.fixed(3).rows(of: texts).isEmpty)
  }

  /// The state of version 2 ended before the ids and the marks.
  @Test func theStateOfVersionTwoIsStillRead() throws {
    var state = ShardState()
    var out = ByteWriter(capacity: 256)
    ShardStateFormat.encode(state, into: &out)
    var old = Array(out.finish().dropLast(18))
    old[0] = 2
    #expect(try old.withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) } == state)
    state.tenants.add(sample, EntryMark(mark))
    out = ByteWriter(capacity: 256)
    ShardStateFormat.encode(state, into: &out)
    let bytes = out.finish()
    #expect(try bytes.withReader { reader throws(DecodingFailure) in try ShardStateFormat.decode(&reader) } == state)
    #expect(Murmur3.hash(bytes).description == goldenMarks)
  }
  private var sample: TenantDeletion {
    TenantDeletion(
      number: 4,
      tenant: .text(Array("acme".utf8)),
      parts: [
        TenantDeletion.Part(relation: TableID(10), rows: 3, sections: [(SectionReference(file: 3, section: 1), RowSet([0, 1, 9]))]),
        TenantDeletion.Part(relation: TableID(21), rows: 0, sections: []),
      ]
    )
  }
  private var mark: LogEntry {
    LogEntry(
      position: LogPosition(9),
      epoch: Epoch(1),
      kind: .tenantDelete,
      logTime: 5,
      catalogVersion: CatalogVersion(1),
      body: LogEntryFormat.encode(.tenantDelete(sample)),
      after: .zero
    )
  }
  @Test func marksAreForgottenADayAfterTheirFilesAreGone() {
    var marks = TenantMarks()
    marks.add(sample, EntryMark(mark))
    #expect(throws: TallyError.self) { try marks.check(sample) }
    marks.note(dropped: [], flushedThrough: LogPosition(9), logTime: 6)
    #expect(marks.mark(4)?.isErased == false && marks.names(SectionReference(file: 3, section: 1)))
    marks.note(dropped: [SectionReference(file: 3, section: 1)], flushedThrough: LogPosition(8), logTime: 6)
    #expect(marks.mark(4)?.isErased == false && marks.needsFlush(LogPosition(8)))
    marks.note(dropped: [], flushedThrough: LogPosition(9), logTime: 7)
    #expect(marks.mark(4)?.isErased == true && !marks.needsFlush(LogPosition(9)))
    marks.note(dropped: [], flushedThrough: LogPosition(9), logTime: 6 + TenantMarks.remembered)
    #expect(marks.all.isEmpty && marks.lastNumber == 4)
  }

  @Test(arguments: 0..<4) func aCrashAfterAnyOperationBringsNoTenantBack(_ part: UInt64) throws {
    let (operations, crashes) = try CrashPoints(part: part, stride: 12, second: 23).sweep(lives: 2) {
      { near, epoch in try await life(near, epoch: epoch) }
    }
    #expect(crashes > 5, "only \(operations) operations")
  }
}

private let goldenMarks = "86800e058bf70dcc5f08609f07de6339"
private let rollup = Events.rollup(20)
private let steps = 6
private func rows(_ batch: Int) -> [EventRow] {
  (0..<60).map {
    EventRow(
      tenant: Int64(($0 * 7 + batch) % 8),
      time: newYear - Int64(1 + batch % 2) * dayMicroseconds + Int64($0) * hourMicroseconds / 4,
      id: Int64(batch * 1000 + $0)
    )
  }
}

/// Batches and deletions in turn: step n adds a batch, then deletes tenant n. The log's state says what was done, so that a life goes on
/// where a crash ended the one before.
private func life(_ near: Surroundings, epoch: UInt64) async throws {
  try await withShard(of: near, epoch: epoch, schema: Events.schema(1, rollups: [rollup])) { store, journal in
    try check(store)
    for step in 0..<steps {
      _ = try await store.add(rows(step), sequence: UInt64(step), journal)
      if step % 3 == 1 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      if step % 2 == 0 { try await store.roll(rollup, journal) }
      if step % 3 == 2 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      try await delete(store, step, journal)
      try check(store)
      if step % 2 == 1 { try await store.roll(rollup, journal) }
      if step % 4 == 3 { while try await store.merge(store.sole(journal), compute: near.compute) {} }
      try check(store)
    }
    try await store.roll(rollup, journal)
    try check(store)
    while try await store.flush(store.sole(journal), compute: near.compute) {}
    while try await store.merge(store.sole(journal), compute: near.compute) {}
    try check(store)
    #expect(store.applied.tenants.all.allSatisfy(\.isErased) && !store.needsErasingFlush)
    // No file holds a row of a tenant that was not made anew, hidden or not.
    let left = try await store.namingTenant { named in try named.name(.fixed(Int64(steps - 1)), number: 99) }
    #expect(left.parts.count == 3 && left.parts.allSatisfy { $0.sections.isEmpty && $0.rows == 0 })
  }
}
private func delete(_ store: ShardStore, _ step: Int, _ journal: Journal) async throws {
  let number = UInt64(step + 1)
  guard store.head.tenants.lastNumber < number else { return }
  let before = try store.eventRows().count { $0.tenant == Int64(step) }
  let deletion = try await store.namingTenant { named in try named.name(.fixed(Int64(step)), number: number) }
  #expect(deletion.parts.first?.rows == UInt64(before))
  let entry = try await store.write(.tenantDelete(deletion), journal: journal)
  #expect(store.lastTenantDelete == entry.position)
}
/// The table has the rows of the batches logged but those of tenants deleted after them; a rollup that came so far has the same.
private func check(_ store: ShardStore, _ at: SourceLocation = #_sourceLocation) throws {
  let logged = Int(store.applied.rowsLogged[TableID(10)] ?? 0) / 60
  let deleted = Int64(store.applied.tenants.lastNumber)
  let expected = (0..<logged).flatMap { batch in rows(batch).filter { $0.tenant >= deleted || Int64(batch) > $0.tenant } }
  #expect(try store.eventRows().sorted() == expected.sorted(), sourceLocation: at)
  let state = try #require(store.rollupState(rollup.id), sourceLocation: at)
  guard state.watermark >= store.lastBatch[TableID(10)] ?? LogPosition(0) else { return }
  for level in rollup.levels.indices {
    var counts: [Int64: [Int64]] = [:]
    for (bucket, values) in try store.buckets(rollup, level) {
      let known = counts[bucket.tenant] ?? [0, 0]
      counts[bucket.tenant] = [known[0] + values[0], known[1] + values[1]]
    }
    var wanted: [Int64: [Int64]] = [:]
    for row in expected { wanted[row.tenant] = [(wanted[row.tenant]?[0] ?? 0) + 1, (wanted[row.tenant]?[1] ?? 0) + row.id] }
    #expect(counts == wanted, sourceLocation: at)
  }
}
