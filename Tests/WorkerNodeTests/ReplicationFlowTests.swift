// ReplicationFlowTests.swift — when a primary acknowledges, while its copies come and go (protocol.md §2.5: R4, R5).
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
}
