// CopyFlowTests.swift — what a copy answers to its primary, and what it makes of its log (protocol.md §2.5: R1, R7, R11, R14).
import Bytes
import Capabilities
import Model
import Replication
import Testing
import Wire

@testable import Simulation

@Suite struct CopyFlowTests {
  private static let both = WorkerStage.record(epoch: 1, led: WorkerStage.played, inSync: [WorkerStage.played, WorkerStage.own])

  /// Entries 1 to 5 of epoch 1, all on the copy's disk; up to 3 they are committed.
  private static func begin(_ stage: WorkerStage) async throws -> PlayedLog {
    let log = try await PlayedLog(stage.clock)
    try log.begin(1)
    try log.addSchema()
    for rows in 1...3 { try log.add(rows: rows) }
    let answer = try await stage.append(log.entries(after: 0), after: log.place(0), epoch: 1, commit: 3)
    #expect(answer.outcome == .matches && answer.durable == LogPosition(5))
    return log
  }

  @Test func onlyWhatIsOnDiskIsAcknowledged() throws {
    try WorkerStage.play(Self.both) { stage in
      let log = try await Self.begin(stage)
      try log.add(rows: 4)
      stage.node.disk.slow(for: .seconds(1), by: 30_000_000_000...30_000_000_000)
      await #expect(throws: TallyError.self) {
        _ = try await stage.append(log.entries(after: 5), after: log.place(5), epoch: 1, commit: 5, within: .seconds(10))
      }
      // The disk goes on; it was never given up.
      let answer = try await stage.append(log.entries(after: 5), after: log.place(5), epoch: 1, commit: 5, within: .seconds(40))
      #expect(answer.outcome == .matches && answer.durable == LogPosition(6))
      try await stage.restartAfterPowerCut()
      let again = try await stage.append([], after: log.place(6), epoch: 1, commit: 5)
      #expect(again.outcome == .matches && again.durable == LogPosition(6))
    }
  }
  @Test func anotherEndOfTheLogTakesThePlaceOfItsOwn() throws {
    try WorkerStage.play(Self.both) { stage in
      let log = try await Self.begin(stage)
      try log.begin(2, after: 3)
      try log.add(rows: 7)
      let taken = try await stage.append(log.entries(after: 3), after: log.place(3), epoch: 2, commit: 3)
      #expect(taken.outcome == .matches && taken.durable == LogPosition(5))
      // Equal positions are not equal entries: the chain tells.
      #expect(try await stage.append([], after: log.place(5), epoch: 2, commit: 5).outcome == .matches)
      let report = try await stage.report()
      #expect(report.committed == LogPosition(5) && report.rows == 1 + 7 && report.damage.isEmpty)
      try await stage.restartAfterPowerCut()
      #expect(try await stage.append([], after: log.place(5), epoch: 2, commit: 5).outcome == .matches)
      #expect(try await stage.append([], after: log.place(0), epoch: 1, commit: 0).outcome == .rejected)
    }
  }
  @Test func whatIsCommittedElsewhereIsAppliedOnlyWhereTheLogsAreEqual() throws {
    try WorkerStage.play(Self.both) { stage in
      let log = try await Self.begin(stage)
      try log.begin(2, after: 3)
      try log.add(rows: 7)
      // Its own entries 4 and 5 are not those that are committed.
      let asked = try await stage.append([], after: log.place(3), epoch: 2, commit: 5)
      #expect(asked.outcome == .matches && asked.durable == LogPosition(3))
      let before = try await stage.report()
      #expect(before.committed == LogPosition(3) && before.rows == 1)
      #expect(try await stage.append(log.entries(after: 3), after: log.place(3), epoch: 2, commit: 5).outcome == .matches)
      let after = try await stage.report()
      #expect(after.committed == LogPosition(5) && after.rows == 1 + 7 && after.damage.isEmpty)
    }
  }
  @Test func aCheckIsAnsweredWhereThatIsAllThereIsToDo() throws {
    try WorkerStage.play(Self.both) { stage in
      let log = try await Self.begin(stage)
      for place: UInt64 in [3, 5] {
        let answer = try await stage.check(log.place(place), epoch: 1, commit: 3)
        #expect(answer?.outcome == .matches && answer?.durable == LogPosition(place) && answer?.applied == LogPosition(3))
      }
      // Each of these is to be asked by itself: something is to be applied, it is not there, another entry, a later epoch, an earlier one.
      #expect(try await stage.check(log.place(5), epoch: 1, commit: 5) == nil)
      #expect(try await stage.check(LogPlace(position: LogPosition(6), epoch: Epoch(1), chain: .zero), epoch: 1, commit: 3) == nil)
      #expect(try await stage.check(LogPlace(position: LogPosition(5), epoch: Epoch(1), chain: .zero), epoch: 1, commit: 3) == nil)
      #expect(try await stage.check(log.place(5), epoch: 2, commit: 3) == nil)
      #expect(try await stage.check(log.place(5), epoch: 0, commit: 3) == nil)
      #expect(try await stage.check(log.place(5), epoch: 1, commit: 3, shard: ShardID(77)) == nil)
      // A check promises nothing: the later epoch was not heard of.
      #expect(try await stage.append([], after: log.place(5), epoch: 1, commit: 3).outcome == .matches)
    }
  }
}
