// StatementFlowTests.swift — what a shard does with a statement whose runner and deciding shard are silent (DESIGN §7).
import Capabilities
import Model
import Testing
import Wire

@Suite struct StatementFlowTests {
  @Test func aShardInDoubtDecidesNothing() throws {
    let alone = WorkerStage.record(epoch: 1, led: WorkerStage.own, inSync: [WorkerStage.own])
    try WorkerStage.play(alone) { stage in
      try await stage.wait { try await stage.report().epoch == Epoch(1) }
      #expect(try await stage.stage(PlayedLog.rows(3), epoch: 1, decider: ShardID(2)) == 3)
      // Longer than any runner takes; who decides cannot be asked.
      try await stage.clock.sleep(for: .seconds(30))
      let report = try await stage.report()
      #expect(report.rows == 0 && report.statements.count == 1)
    }
  }
}
