// RowChangeTests.swift — changes of rows in the log, the state and the rows: alone and staged, taken back; a crash after every disk
// operation.
import Bytes
import Capabilities
import Columns
import Model
import Simulation
import Testing

@testable import Storage

private let table = TableID(10)
private let keyed: ShardSchema = {
  var table = Events.table
  table.keep = nil
  table.keys = [TableKey(name: "events_pkey", columns: [0, 2], isPrimary: true)]
  return ShardSchema(version: CatalogVersion(1), tables: [table])
}()
private func id(_ session: UInt64, _ number: UInt64) -> StatementID { StatementID(session: SessionID(session), number: number) }
private func stage(_ id: StatementID, _ ordinal: Int, _ content: StagedContent) -> Stage {
  Stage(statement: id, doneBelow: 0, decider: ShardID(1), ordinal: ordinal, content: content)
}

extension ShardStore {
  /// The change that puts rows in the place of those with their tenant and id, as a statement sees them.
  fileprivate func replacing(_ rows: [EventRow], by statement: StatementID? = nil) async throws -> RowChange {
    let change = try await naming(table, by: statement) { named in
      try named.seen().change(columns: [0, 2], through: applied.position, where: []) { batch in
        let (tenants, ids) = (fixed(batch.columns[0]), fixed(batch.columns[1]))
        return (0..<UInt32(batch.count)).filter { at in rows.contains { $0.tenant == tenants[Int(at)] && $0.id == ids[Int(at)] } }
      }
    }
    var made = try #require(change)
    made.rows = RowChange.Rows.batches(of: eventBatch(rows))
    made.affected = rows.count
    return made
  }
  fileprivate func writeAlone(_ id: StatementID, _ rows: [EventRow], _ journal: Journal) async throws {
    let change = try await replacing(rows)
    let entries = try appendAlone(stage(id, 1, .change(change)), rows: eventBatch(rows))
    _ = try await journal.append(entries.map { JournalRecord(shard: shard, entry: $0) })
    try commit(through: head.position)
  }
}

/// What was acknowledged, and what may have been done, across crashes: `time` of the row of each id.
private struct Known: Sendable {
  var done: [Int64: Int64] = [:]
  var tried: [Int64: Set<Int64>] = [:]
}
private func row(_ id: Int64, _ version: Int64) -> EventRow {
  EventRow(tenant: id % 3, time: newYear - dayMicroseconds * (1 + id % 2) + version, id: id)
}

/// Versions of forty rows, some at a time: alone, staged, staged twice in one statement, taken back and aborted.
private func life(_ near: Surroundings, _ known: Shared<Known>, epoch: UInt64) async throws {
  try await withShard(of: near, epoch: epoch, schema: keyed) { store, journal in
    try check(store, known)
    for step in 0..<10 as Range<Int64> {
      let version = Int64(epoch) * 1000 + step
      let rows = (0..<8 as Range<Int64>).map { row((step * 7 + $0 * 5) % 40, version) }
      // What is aborted may never be seen.
      if step % 3 != 2 { known.update { for row in rows { $0.tried[row.id, default: []].insert(version) } } }
      let statement = id(epoch, UInt64(step) + 1)
      if step % 3 == 0 {
        try await store.writeAlone(statement, rows, journal)
      } else {
        let first = rows.map { row($0.id, version + 500_000) }
        func write(_ ordinal: Int, _ content: StagedContent) async throws {
          _ = try await store.write(.stage(stage(statement, ordinal, content)), journal: journal)
        }
        // The first versions never appear: the statement itself replaces them.
        let replaced = try await store.replacing(first, by: statement)
        try await write(1, .change(replaced))
        // While rows are named, no file changes.
        if !replaced.deletion.isEmpty { #expect(try await !store.flush(store.sole(journal), compute: near.compute)) }
        try await write(2, .change(try await store.replacing(Array(rows.prefix(3)).map { row($0.id, version + 700_000) }, by: statement)))
        try await write(3, .undo(from: 2))
        try await write(4, .change(try await store.replacing(rows, by: statement)))
        let own = try #require(store.applied.statements.open[statement])
        #expect(own.added == 16 && own.rows == 16)
        let seen = try #require(try store.snapshot(of: table)?.seen(by: own, store.applied.schema))
        var times: [Int64] = []
        _ = try seen.scan(columns: [1, 2]) { batch in
          for (time, id) in zip(fixed(batch.columns[0]), fixed(batch.columns[1])) where rows.contains(where: { $0.id == id }) {
            times.append(time)
          }
        }
        #expect(times.sorted() == rows.map(\.time).sorted())
        if step % 3 == 2 {
          _ = try await store.write(.abort(Abort(statement: statement, doneBelow: 0)), journal: journal)
          continue
        }
        let participants = [Participant(shard: store.shard, rows: 16)]
        _ = try await store.write(.decide(Decide(statement: statement, participants: participants)), journal: journal)
        _ = try await store.write(.commit(statement), journal: journal)
      }
      known.update { for row in rows { $0.done[row.id] = version } }
      if step % 4 == 1 { _ = try await store.flush(store.sole(journal), compute: near.compute) }
      if step % 5 == 4 { while try await store.merge(store.sole(journal), compute: near.compute, fully: true) {} }
      try check(store, known)
    }
  }
}
/// Every row is there once, in its newest acknowledged version or one that was tried since.
private func check(_ store: ShardStore, _ known: Shared<Known>, _ at: SourceLocation = #_sourceLocation) throws {
  guard store.snapshot(of: table) != nil else { return }
  let found = try store.eventRows()
  #expect(Set(found.map(\.id)).count == found.count, "a key twice", sourceLocation: at)
  let versions = Dictionary(found.map { ($0.id, $0.time - row($0.id, 0).time) }) { first, _ in first }
  for (id, done) in known.value.done {
    let version = versions[id] ?? -1
    let isLater = version > done && known.value.tried[id]?.contains(version) == true
    #expect(version == done || isLater, "row \(id) has version \(version), not \(done)", sourceLocation: at)
  }
}

struct RowChangeTests {
  @Test(arguments: 0..<4) func aCrashAfterAnyOperationLosesNoChange(_ part: UInt64) throws {
    let (operations, crashes) = try CrashPoints(part: part, stride: 16, second: 29).sweep(lives: 2) {
      let known = Shared(Known())
      return { near, epoch in try await life(near, known, epoch: epoch) }
    }
    #expect(crashes > 5, "only \(operations) operations")
  }
  @Test func bytesComeBackAndStayAsTheyAre() throws {
    var change = RowChange(table: table, through: LogPosition(8))
    change.deletion.sections = [(SectionReference(file: 3, section: 1), RowSet([0, 1, 900]))]
    change.deletion.memory = RowSet([5])
    change.own = [RowChange.OwnRows(2, RowSet([1])), RowChange.OwnRows(4, RowSet([0, 3]))]
    change.rows = RowChange.Rows.batches(of: eventBatch([EventRow(tenant: 1, time: 2, id: 3)]))
    change.affected = 7
    var hashes: [String] = []
    for content in [StagedContent.change(change), .undo(from: 3), .change(RowChange(table: table, through: LogPosition(1)))] {
      let bytes = LogEntryFormat.encode(stage(id(5, 9), 6, content))
      let read = try bytes.withReader { reader throws(DecodingFailure) in try LogEntryFormat.decodeStage(&reader) }
      #expect(read == stage(id(5, 9), 6, content))
      hashes.append(Murmur3.hash(bytes).description)
      for count in 0..<bytes.count {
        #expect(throws: DecodingFailure.self) {
          try Array(bytes.prefix(count)).withReader { reader throws(DecodingFailure) in
            _ = try LogEntryFormat.decodeStage(&reader)
            try reader.expectEnd()
          }
        }
      }
    }
    #expect(hashes == goldenStages)
    #expect(change.removed == 7 && change.added == 1)
  }
  @Test func theEndOfAStatementAloneIsKeptWithItsRows() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      try await stores[0].writeAlone(
        id(7, 1),
        [EventRow(tenant: 1, time: newYear, id: 9000), EventRow(tenant: 1, time: newYear, id: 9001)],
        journal
      )
      _ = try await stores[0].flush(stores[0].sole(journal), compute: fixture.compute)
    }
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let statements = stores[0].applied.statements
      #expect(statements.standing(id(7, 1)) == .committed && statements.committedRows(id(7, 1)) == 2)
      #expect(statements.committedRows(id(7, 2)) == nil)
      #expect(try stores[0].eventRows().count == 402)
    }
  }
  @Test func theLogSaysWhoHoldsATable() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      // Without keys rows that are only added meet nothing, and two deletions not each other.
      let rows = [EventRow(tenant: 1, time: newYear, id: 1)]
      let change = try await store.replacing(rows)
      _ = try await store.write(.stage(stage(id(1, 1), 1, .change(change))), journal: journal)
      #expect(store.hold(on: table, for: .append) == nil)
      #expect(store.hold(on: table, for: .delete) == .statement(id(1, 1)) && store.hold(on: table, for: .change) == .statement(id(1, 1)))
      #expect(store.hold(on: table, for: .change, by: id(1, 1)) == nil)
      _ = try await store.write(.abort(Abort(statement: id(1, 1), doneBelow: 0)), journal: journal)
      _ = try await store.write(.stage(stage(id(1, 2), 1, .deletion(change.deletion))), journal: journal)
      #expect(store.hold(on: table, for: .delete) == nil && store.hold(on: table, for: .change) == .statement(id(1, 2)))
      _ = try await store.write(.stage(stage(id(1, 2), 2, .undo(from: 1))), journal: journal)
      #expect(store.hold(on: table, for: .change) == nil)
      // With keys every part holds it, and entries on their way make everybody wait.
      _ = try await store.write(.schemaBarrier(keyed.with(version: 2)), journal: journal)
      let bytes = BatchFormat.encode(eventBatch(rows))
      let record = BatchRecord(table: table, rows: 1, contentHash: Murmur3.hash(bytes), key: nil)
      let entry = try store.append(.stage(stage(id(1, 3), 1, .rows(record, encoded: bytes))))
      #expect(store.hold(on: table, for: .append) == .statement(id(1, 3)) && store.hold(on: table, for: .append, by: id(1, 3)) == .entries)
      _ = try await journal.append([JournalRecord(shard: store.shard, entry: entry)])
      try store.commit(through: entry.position)
      #expect(store.hold(on: table, for: .append, by: id(1, 3)) == nil)
    }
  }
  @Test func aColumnThatCameLaterHasItsMissingValue() async throws {
    let fixture = Fixture()
    try await fixture.fill(days: 1)
    try await fixture.start { (stores: [ShardStore], journal: Journal) async throws -> Void in
      let store = stores[0]
      _ = try await store.flush(store.sole(journal), compute: fixture.compute)
      _ = try await store.add([EventRow(tenant: 1, time: newYear - dayMicroseconds + 500, id: 7)], sequence: 9, journal)
      var schema = Events.schema(2)
      schema.tables[0].columns.append(Column(name: "kind", type: .text, missing: "old"))
      schema.tables[0].columns.append(Column(name: "other", type: .integer))
      _ = try await store.write(.schemaBarrier(schema), journal: journal)
      func count() throws -> Int {
        var count = 0
        _ = try store.snapshot(of: table)?.scan(columns: [3, 4], where: [.equal(3, text: Array("old".utf8))]) { batch in
          for row in 0..<batch.count where batch.columns[1].isNull(row) {
            if case .codes(let codes, let texts) = batch.columns[0].values, texts.withText(codes[row], { Array($0) }) == Array("old".utf8) {
              count += 1
            } else if case .text(let texts) = batch.columns[0].values,
              Array(texts.bytes[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]) == Array("old".utf8)
            {
              count += 1
            }
          }
        }
        return count
      }
      #expect(try count() == 401)
      _ = try await store.flush(store.sole(journal), compute: fixture.compute)
      #expect(try count() == 401)
      while try await store.merge(store.sole(journal), compute: fixture.compute, fully: true) {}
      #expect(try count() == 401)
    }
  }
}
extension ShardSchema {
  fileprivate func with(version: UInt64) -> ShardSchema {
    var other = self
    other.version = CatalogVersion(version)
    return other
  }
}

private let goldenStages = [
  "0a52dc28ed71536eaaa11ffee650ac98", "a828022df5220b9e2da4f21b87c8dc7e", "a49f41cbf1df24a017d5acd5f1ba35af",
]
