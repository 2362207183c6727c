// RetirementTests.swift — a worker that was dead for long comes back: copies that others replaced are removed, and may be made anew.
import Capabilities
import Model
import Storage
import Testing
import WorkerNode

@testable import Simulation

@Suite struct RetirementTests {
  /// Names in the shard's directory on a worker's disk.
  private static func files(_ worker: SimulatedProcess, _ shard: ShardID) async throws -> [String] {
    try await worker.node.disk.list("shards/\(shard)").map(\.name)
  }

  @Test(arguments: 1...3 as ClosedRange<UInt64>) func aReplacedCopyIsRemovedAndMadeAnew(_ seed: UInt64) throws {
    var shape = Scenario.Shape(copies: 2, workers: 3, deadAfter: .seconds(10), seed: seed)
    shape.tune = { $0.retiredAfter = .seconds(20) }
    let outcome = Scenario.play(shape) { scene in
      try await scene.writesGoOn(for: .seconds(2), gap: .milliseconds(200), copies: 2)
      let gone = try await scene.primary()
      scene.end([(gone, as: "the primary")], .kill)
      try await scene.writesGoOn(for: .seconds(2), gap: .seconds(3), copies: 1)
      try await scene.copiesInSync(2, within: .seconds(40))
      let (shard, catalog) = try #require(try await scene.record())
      #expect(shard.replicas.allSatisfy { catalog.node($0.node)?.name != gone.node.name })
      scene.start([(gone, as: "the worker")])
      try await scene.past(.seconds(10))
      // Not earlier than it may.
      #expect(try await Self.files(gone, shard.id).contains("CURRENT"))
      try await scene.past(.seconds(30))
      #expect(try await Self.files(gone, shard.id).isEmpty)
      // It starts without the copy, and with the journal that knew it.
      scene.end([(gone, as: "the worker")], .power)
      try await scene.past(.seconds(1))
      scene.start([(gone, as: "the worker")])
      try await scene.past(.seconds(3))
      // The place of another that dies: a copy is made here again, and it lasts.
      let other = try await scene.primary()
      scene.end([(other, as: "the primary")], .kill)
      try await scene.copiesInSync(2, within: .seconds(40))
      try await scene.writesGoOn(for: .seconds(5), gap: .milliseconds(400), copies: 2)
      scene.end([(gone, as: "the worker")], .power)
      try await scene.past(.seconds(1))
      scene.start([(gone, as: "the worker")])
      try await scene.copiesInSync(2, within: .seconds(20))
      try await scene.queriesAnswer()
    }
    #expect(outcome.failures == [])
    #expect(outcome.events.count { $0.event == "copy-retired" } == 1)
    #expect(!outcome.events.contains { $0.event == "shard-refused" })
  }
}
