// ReplicationFlowTests.swift — when a primary acknowledges, and how it watches its copies, which come and go (protocol.md §2.5: R4, R5).
import Capabilities
import Model
import Testing
import Wire

@Suite struct ReplicationFlowTests {
  private static let both = WorkerStage.record(epoch: 1, led: WorkerStage.own, inSync: [WorkerStage.played, WorkerStage.own])

  @Test func aSilentCopyCountsUntilTheCoordinatorsSayThatItLeft() throws {
    try WorkerStage.play(Self.both) { stage in
      stage.setPlayedCopy(isUp: true)
      try await stage.wait { try await stage.report().epoch == Epoch(1) }
      #expect(try await stage.ingest(PlayedLog.rows(1), epoch: 1).copies == 2)
      stage.setPlayedCopy(isUp: false)
      // It may have been appointed primary elsewhere meanwhile: what it lacks must not be acknowledged here.
      await #expect(throws: TallyError.self) { _ = try await stage.ingest(PlayedLog.rows(2), epoch: 1, within: .seconds(10)) }
      #expect(try await stage.report().rows == 1)
      stage.confirmChanges()
      try await stage.wait { try await stage.report().rows == 1 + 2 }
      #expect(try await stage.ingest(PlayedLog.rows(4), epoch: 1).copies == 1)
    }
  }
  @Test func aCopyThatLacksNothingIsCheckedWithTheOthersOfItsNode() throws {
    try WorkerStage.play(Self.both) { stage in
      stage.setPlayedCopy(isUp: true)
      try await stage.wait { try await stage.report().epoch == Epoch(1) }
      #expect(try await stage.ingest(PlayedLog.rows(1), epoch: 1).copies == 2)
      let before = stage.requests
      try await stage.wait { stage.requests.checks >= before.checks + 10 }
      // The commit position of that row may have gone by itself; nothing else does.
      #expect(stage.requests.appends <= before.appends + 1)
      // It is still found out when it is gone.
      stage.setPlayedCopy(isUp: false)
      stage.confirmChanges()
      try await stage.wait { try await stage.ingest(PlayedLog.rows(2), epoch: 1, within: .seconds(10)).copies == 1 }
    }
  }
}
