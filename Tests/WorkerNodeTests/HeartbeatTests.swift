// HeartbeatTests.swift — whom a worker tells that it is there.
import Capabilities
import Model
import Testing

@Suite struct HeartbeatTests {
  /// It learns from each answer who leads, so that no coordinator passes heartbeats on; it keeps to the addresses that it was given.
  @Test func heartbeatsGoToTheCoordinatorThatLeads() throws {
    let both = [WorkerStage.played, WorkerStage.own]
    try WorkerStage.play(WorkerStage.record(epoch: 1, led: WorkerStage.played, inSync: both)) { stage in
      for (leader, host) in [("c2:7000", "c2"), ("c1:7000", "c1"), ("c2:7000", "c2")] {
        stage.lead(leader)
        // The first may still go elsewhere: its answer tells.
        try await stage.wait { stage.heartbeats.count >= 5 }
        #expect(stage.heartbeats.dropFirst().allSatisfy { $0 == host }, "\(stage.heartbeats)")
      }
      stage.lead("elsewhere:7000")
      try await stage.wait { stage.heartbeats.count >= 5 }
      #expect(stage.heartbeats.allSatisfy { ["c1", "c2"].contains($0) })
    }
  }
}
