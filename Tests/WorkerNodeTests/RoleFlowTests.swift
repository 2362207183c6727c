// RoleFlowTests.swift — when a worker leads a shard, and from when on it serves it (protocol.md §2.5: R2, R3).
import Capabilities
import Model
import Testing
import Wire

@Suite struct RoleFlowTests {
  @Test func aPrimaryServesOnceItsEpochIsOnEveryCopyInSync() throws {
    let both = [WorkerStage.played, WorkerStage.own]
    try WorkerStage.play(WorkerStage.record(epoch: 1, led: WorkerStage.played, inSync: both)) { stage in
      let log = try await PlayedLog(stage.clock)
      try log.begin(1)
      try log.addSchema()
      for rows in 1...2 { try log.add(rows: rows) }
      // The last entry is acknowledged to its client, but this copy has not heard so: it must not be read without it.
      #expect(try await stage.append(log.entries(after: 0), after: log.place(0), epoch: 1, commit: 3).outcome == .matches)
      let record = WorkerStage.record(epoch: 2, led: WorkerStage.own, inSync: both, isBegun: true)
      try await stage.adopt(WorkerStage.catalog(2, record))
      try await stage.clock.sleep(for: .seconds(3))
      let waiting = try await stage.report()
      #expect(waiting.epoch == Epoch(0) && waiting.rows == 1 && waiting.last == LogPosition(5))
      await #expect {
        _ = try await stage.ingest(PlayedLog.rows(3), epoch: 2)
      } throws: { ($0 as? TallyError)?.status == .notPrimary }
      stage.setPlayedCopy(isUp: true)
      try await stage.wait { try await stage.report().epoch == Epoch(2) }
      #expect(try await stage.report().rows == 1 + 2)
      #expect(try await stage.ingest(PlayedLog.rows(3), epoch: 2).copies == 2)
      #expect(try await stage.report().rows == 1 + 2 + 3)
    }
  }
  /// The record names the node, whose disk was lost: its copy is an empty learner, and the next election takes the lead from it.
  @Test func aLearnerDoesNotLead() throws {
    let record = WorkerStage.record(
      epoch: 5,
      led: WorkerStage.own,
      inSync: [WorkerStage.played],
      learners: [WorkerStage.own],
      isBegun: true
    )
    try WorkerStage.play(record) { stage in
      let report = try await stage.report()
      #expect(report.last == LogPosition(0) && report.epoch == Epoch(0))
      let log = try await PlayedLog(stage.clock)
      try log.begin(6)
      try log.addSchema()
      let next = WorkerStage.record(epoch: 6, led: WorkerStage.played, inSync: [WorkerStage.played], learners: [WorkerStage.own])
      try await stage.adopt(WorkerStage.catalog(2, next))
      let answer = try await stage.append(log.entries(after: 0), after: log.place(0), epoch: 6, commit: 2)
      #expect(answer.outcome == .matches && answer.durable == LogPosition(2))
    }
  }
}
