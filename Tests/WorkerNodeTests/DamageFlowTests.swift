// DamageFlowTests.swift — what a request is told that met damage: whether another copy may take the place of the one that is damaged.
import Model
import Testing

@testable import WorkerNode

struct DamageFlowTests {
  private func refusal(_ record: ShardRecord?) -> TallyError {
    Worker.refusal(of: WorkerStage.shard, record, for: "block 36 does not match its hash", node: "worker-2")
  }
  private static func record(
    _ inSync: [ReplicaRecord],
    learners: [ReplicaRecord] = [],
    led by: ReplicaRecord = WorkerStage.own
  ) -> ShardRecord {
    WorkerStage.record(epoch: 1, led: by, inSync: inSync, learners: learners)
  }

  @Test func whileThereIsAnotherCopyItIsToBeTriedAgain() {
    let (own, played) = (WorkerStage.own, WorkerStage.played)
    // It is in sync; it was away a moment ago and catches up; it leads already, and this one was asked before that.
    for record in [
      Self.record([own, played]), Self.record([own], learners: [played]), Self.record([played], learners: [own], led: played),
    ] {
      let error = refusal(record)
      #expect(error.isRetryable && error.sqlState == "57P03" && error.detail == "block 36 does not match its hash", "\(record)")
    }
  }
  @Test func theOnlyCopyIsToBeRestored() {
    for record in [Self.record([WorkerStage.own]), nil] {
      let error = refusal(record)
      #expect(!error.isRetryable && error.sqlState == "XX001" && error.message.contains("has no other copy"))
    }
  }
}
