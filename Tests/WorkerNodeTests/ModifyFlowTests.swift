// ModifyFlowTests.swift — changes of rows at a real worker's primary: keys, conflicts, repeats, locks, parts of open statements, restarts
// (DESIGN §6).
import Bytes
import Capabilities
import Columns
import Model
import Planning
import Storage
import Testing
import Wire

private let alone = WorkerStage.record(epoch: 1, led: WorkerStage.own, inSync: [WorkerStage.own])
private func play(_ body: @escaping @Sendable (KeyedTable) async throws -> Void) throws {
  try WorkerStage.play(alone, tables: [KeyedTable.schema]) { stage in
    try await stage.wait { try await stage.report().epoch == Epoch(1) }
    try await body(KeyedTable(stage: stage))
  }
}

@Suite struct ModifyFlowTests {
  @Test func upsertsFindTheirRowsAndCountOnce() throws {
    try play { table in
      #expect(try await table.modify(1, KeyedTable.adding(), [[1, 1, 5], [1, 2, 6]]).rows == 2)
      let second = try await table.modify(2, KeyedTable.adding(returns: true), [[1, 3, 7], [1, 1, 10]])
      #expect(try second.rows == 2 && KeyedTable.values(second.returned) == [[1, 3, 7], [1, 1, 15]])
      // The same request once more, as after a broken connection: nothing is added twice.
      #expect(try await table.modify(1, KeyedTable.adding(), [[1, 1, 5], [1, 2, 6]]).rows == 2)
      #expect(try await table.modify(2, KeyedTable.adding(returns: true), [[1, 3, 7], [1, 1, 10]]) == second)
      #expect(try await table.read() == [[1, 1, 15], [1, 2, 6], [1, 3, 7]])
      await expectFailure("21000") { _ = try await table.modify(3, KeyedTable.adding(), [[1, 9, 1], [1, 9, 1]]) }
      await expectFailure("21000") { _ = try await table.modify(4, KeyedTable.adding(), [[1, 1, 1], [1, 1, 1]]) }
      #expect(try await table.modify(5, KeyedTable.inserting(.nothing(key: nil)), [[1, 1, 0], [1, 4, 8], [1, 4, 9]]).rows == 1)
      #expect(try await table.read() == [[1, 1, 15], [1, 2, 6], [1, 3, 7], [1, 4, 8]])
    }
  }
  @Test func aProgramForAnotherDefinitionOfItsTableIsRefused() throws {
    try play { table in
      // Of a table that has got a key since: its number 0 might be another.
      var program = KeyedTable.inserting()
      var before = KeyedTable.schema
      before.keys = []
      program.fingerprint = ModifyProgram.fingerprint(of: before)
      let stale = program
      func refusal(_ number: UInt64) async throws -> StatusCode? {
        do { _ = try await table.modify(number, stale, [[1, 1, 5]]) } catch let error as TallyError { return error.status }
        return nil
      }
      let first = try await refusal(1)
      #expect(first == .stalePlan)
      #expect(try await table.read() == [])
      // One that took effect already is not said to have done nothing.
      #expect(try await table.modify(2, KeyedTable.inserting(), [[1, 1, 5]]).rows == 1)
      #expect(try await refusal(2) == .unknownOutcome)
    }
  }
  @Test func whatAKeyOrACheckForbidsIsRefusedWithPostgresWords() throws {
    try play { table in
      #expect(try await table.modify(1, KeyedTable.inserting(), [[1, 1, 5]]).rows == 1)
      await expectFailure("23505", "duplicate key value violates unique constraint \"accounts_pkey\"") {
        _ = try await table.modify(2, KeyedTable.inserting(), [[1, 2, 5], [1, 1, 6]])
      }
      await expectFailure("23505", "Key (tenant, id)=(1, 7) already exists.") {
        _ = try await table.modify(3, KeyedTable.inserting(), [[1, 7, 5], [1, 7, 6]])
      }
      await expectFailure("23514", "Failing row contains (1, 2, 1000).") {
        _ = try await table.modify(4, KeyedTable.inserting(), [[1, 2, 1000]])
      }
      await expectFailure("23514", "new row for relation \"accounts\" violates check constraint \"accounts_n_check\"") {
        _ = try await table.modify(5, KeyedTable.setting(KeyedTable.constant(2000), id: 1))
      }
      // Refused once, refused again, whatever is there by now.
      #expect(try await table.modify(6, KeyedTable.deleting(id: 1)).rows == 1)
      await expectFailure("23505") { _ = try await table.modify(2, KeyedTable.inserting(), [[1, 2, 5], [1, 1, 6]]) }
      #expect(try await table.read() == [])
      // Rows that come as they are, are checked as well.
      let rows = try BatchFormat.decode(KeyedTable.rows([[1, 1, 1]]), types: [.bigint, .bigint, .bigint])
      func ingest() async throws {
        let bytes = BatchFormat.encode(rows)
        _ = try await table.stage.ask(
          .ingest(
            Ingest(
              shard: WorkerStage.shard,
              epoch: Epoch(1),
              version: table.stage.version,
              table: KeyedTable.schema.id,
              key: nil,
              contentHash: .zero,
              batch: bytes
            )
          )
        )
      }
      try await ingest()
      await expectFailure("23505") { try await ingest() }
      #expect(try await table.read() == [[1, 1, 1]])
    }
  }
  @Test func updatesAndDeletesNameTheirRows() throws {
    try play { table in
      _ = try await table.modify(1, KeyedTable.inserting(), [[1, 1, 5], [1, 2, 6], [2, 1, 7]])
      let more = KeyedTable.call(.add, [KeyedTable.column(3), KeyedTable.constant(100)])
      #expect(try await table.modify(2, KeyedTable.setting(more, id: 1)).rows == 2)
      #expect(try await table.modify(2, KeyedTable.setting(more, id: 1)).rows == 2)
      #expect(try await table.read() == [[1, 1, 105], [2, 1, 107], [1, 2, 6]])
      #expect(try await table.modify(3, KeyedTable.setting(more, id: 9)).rows == 0)
      // Nothing was there when it was asked: what came since is not changed by a request that is late.
      _ = try await table.modify(4, KeyedTable.inserting(), [[1, 9, 1]])
      #expect(try await table.modify(3, KeyedTable.setting(more, id: 9)).rows == 0)
      let gone = try await table.modify(5, KeyedTable.deleting(id: 1, returns: true))
      let old = try KeyedTable.values(gone.returned).sorted { $0[0] < $1[0] }
      #expect(gone.rows == 2 && old == [[1, 1, 105], [2, 1, 107]])
      #expect(try await table.read() == [[1, 2, 6], [1, 9, 1]])
    }
  }
  @Test func aChangeAloneOfWhichTheLogHasTheBeginningIsCompleted() throws {
    try play { table in
      _ = try await table.modify(1, KeyedTable.inserting(), [[1, 1, 5], [1, 2, 6]])
      // What a primary leaves that dies between sending the Stage and the rest.
      #expect(try await table.modify(2, KeyedTable.deleting(id: 1), isAlone: false).rows == 1)
      #expect(try await table.modify(2, KeyedTable.deleting(id: 1)).rows == 1)
      #expect(try await table.read() == [[1, 2, 6]])
      #expect(try await table.modify(2, KeyedTable.deleting(id: 1)).rows == 1)
      #expect(try await table.modify(3, KeyedTable.inserting(), [[1, 9, 1]], isAlone: false).rows == 1)
      #expect(try await table.modify(3, KeyedTable.inserting(), [[1, 9, 1]]).rows == 1)
      #expect(try await table.read() == [[1, 2, 6], [1, 9, 1]])
    }
  }
  @Test func anOpenStatementSeesItsOwnPartsAndNobodyElseDoes() throws {
    try play { table in
      _ = try await table.modify(1, KeyedTable.inserting(), [[1, 1, 5], [1, 2, 6]])
      #expect(try await table.modify(2, ordinal: 1, KeyedTable.adding(), [[1, 1, 10], [1, 3, 1]], isAlone: false).rows == 2)
      #expect(try await table.modify(2, ordinal: 2, KeyedTable.adding(), [[1, 1, 100], [1, 3, 2]], isAlone: false).rows == 2)
      #expect(try await table.read(by: 2) == [[1, 1, 115], [1, 2, 6], [1, 3, 3]])
      #expect(try await table.read() == [[1, 1, 5], [1, 2, 6]])
      // It meets keys of its own rows.
      await expectFailure("23505") { _ = try await table.modify(2, ordinal: 3, KeyedTable.inserting(), [[1, 3, 0]], isAlone: false) }
      #expect(try await table.modify(2, ordinal: 4, KeyedTable.deleting(id: 2), isAlone: false).rows == 1)
      #expect(try await table.modify(2, ordinal: 5, KeyedTable.deleting(id: 3), isAlone: false).rows == 1)
      #expect(try await table.read(by: 2) == [[1, 1, 115]])
      // Back to before the deletions; a part of then that comes late is refused.
      _ = try await table.stageRows(2, ordinal: 6, .undo(from: 4))
      #expect(try await table.read(by: 2) == [[1, 1, 115], [1, 2, 6], [1, 3, 3]])
      await expectFailure("40001") { _ = try await table.modify(2, ordinal: 5, KeyedTable.deleting(id: 3), isAlone: false) }
      try await table.end(2, rows: 4)
      #expect(try await table.read() == [[1, 1, 115], [1, 2, 6], [1, 3, 3]])
      // An aborted one leaves nothing.
      _ = try await table.modify(3, ordinal: 1, KeyedTable.deleting(id: 1), isAlone: false)
      try await table.end(3, rows: nil)
      #expect(try await table.read() == [[1, 1, 115], [1, 2, 6], [1, 3, 3]])
    }
  }
  @Test func aTableIsHeldUntilTheStatementEnds() throws {
    try play { table in
      _ = try await table.modify(1, KeyedTable.inserting(), [[1, 1, 5]])
      _ = try await table.modify(2, ordinal: 1, KeyedTable.adding(), [[1, 1, 10]], isAlone: false)
      await expectFailure("40001") { _ = try await table.modify(3, KeyedTable.adding(), [[1, 1, 100]]) }
      let before = table.stage.clock.now
      await expectFailure("40001", "could not serialize access due to concurrent update") {
        _ = try await table.modify(3, KeyedTable.adding(), [[1, 1, 100]], waits: true)
      }
      #expect(table.stage.clock.now - before >= .seconds(1))
      // Whoever waits goes on when it ends, on what it left.
      try await withThrowingTaskGroup(of: UInt64.self) { group in
        group.addTask { try await table.modify(3, KeyedTable.adding(), [[1, 1, 100]], waits: true).rows }
        try await table.stage.clock.sleep(for: .milliseconds(200))
        try await table.end(2, rows: 1)
        let rows = try await group.next()
        #expect(rows == 1)
      }
      #expect(try await table.read() == [[1, 1, 115]])
      // A part that is taken back holds nothing; an empty one holds the table.
      _ = try await table.modify(4, ordinal: 1, KeyedTable.inserting(), [], isAlone: false)
      await expectFailure("40001") { _ = try await table.modify(5, KeyedTable.adding(), [[1, 1, 1]]) }
      _ = try await table.stageRows(4, ordinal: 2, .undo(from: 1))
      #expect(try await table.modify(5, KeyedTable.adding(), [[1, 1, 1]]).rows == 1)
      try await table.end(4, rows: nil)
      #expect(try await table.read() == [[1, 1, 116]])
    }
  }
  @Test func manyWritersLoseNoUpdate() throws {
    try play { table in
      try await withThrowingTaskGroup(of: Void.self) { group in
        for writer in 0..<8 as Range<UInt64> {
          group.addTask {
            for round in 0..<20 as Range<UInt64> {
              _ = try await table.modify(100 + writer * 100 + round, KeyedTable.adding(), [[1, Int64(round % 3), 1]], waits: true)
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try await table.read() == [[1, 0, 56], [1, 1, 56], [1, 2, 48]])
    }
  }
  @Test func aRestartKnowsWhatWasDoneAndWhatIsHeld() throws {
    try play { table in
      _ = try await table.modify(1, KeyedTable.adding(), [[1, 1, 5], [1, 2, 6]])
      _ = try await table.modify(2, ordinal: 1, KeyedTable.adding(), [[1, 1, 10]], isAlone: false)
      try await table.stage.restartAfterPowerCut()
      let led = WorkerStage.record(epoch: 2, led: WorkerStage.own, inSync: [WorkerStage.own], isBegun: true)
      try await table.stage.adopt(WorkerStage.catalog(2, led, tables: [KeyedTable.schema]))
      try await table.stage.wait { try await table.stage.report().epoch == Epoch(2) }
      var table = table
      table.epoch = 2
      // Committed: the answer is the same, from the log.
      #expect(try await table.modify(1, KeyedTable.adding(), [[1, 1, 5], [1, 2, 6]]).rows == 2)
      #expect(try await table.read() == [[1, 1, 5], [1, 2, 6]])
      // Open: it holds the table, sees its part, and goes on.
      await expectFailure("40001") { _ = try await table.modify(3, KeyedTable.adding(), [[1, 1, 100]]) }
      #expect(try await table.modify(2, ordinal: 1, KeyedTable.adding(), [[1, 1, 10]], isAlone: false).rows == 1)
      #expect(try await table.read(by: 2) == [[1, 1, 15], [1, 2, 6]])
      try await table.end(2, rows: 1)
      #expect(try await table.read() == [[1, 1, 15], [1, 2, 6]])
    }
  }
}
