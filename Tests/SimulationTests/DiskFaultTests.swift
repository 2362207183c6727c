// DiskFaultTests.swift — what a worker does when its disk fails or its clock is set back: found by seeds with failing disks.
import Capabilities
import Model
import Testing
import WorkerNode

@testable import Simulation

@Suite(.serialized) struct DiskFaultTests {
  /// The write may be on the disk, and on those of copies: a client hears that nobody knows, not of an internal error; and the worker ends
  /// by what the disk said, not quietly as if it had been told to.
  @Test func aFailedWriteOfTheJournalEndsTheWorkerAndLeavesTheOutcomeOpen() async throws {
    let outcome = Scenario.play(Scenario.Shape()) { scene in
      let worker = try await scene.primary()
      worker.isHeldDown = true
      worker.node.disk.fail(operation: worker.node.disk.operations + 3, .io)
      let seen = try await scene.clients[0].write(for: .seconds(3))
      // Its connection may break before it is told.
      if seen.refusals.isEmpty || !Set(seen.refusals).isSubset(of: [.unknownOutcome, .unavailable]) { scene.fail("\(seen)") }
      try await scene.past(.seconds(20))
    }
    #expect(outcome.failures.count == 1, "\(outcome.failures)")
    #expect(outcome.failures.first?.hasPrefix("worker-1 ended on its own: ") == true)
    #expect(outcome.failures.first?.hasSuffix("injected failure") == true)
  }
  /// Scrubs go on although the last one seems to lie in the future (R15).
  @Test func scrubsGoOnWhenTheWallClockIsSetBack() async throws {
    var shape = Scenario.Shape()
    shape.tune = { settings in
      settings.scrubPeriod = 3_000_000
      settings.scrubLook = .seconds(1)
    }
    let jump = Shared<Int>(0)
    let outcome = Scenario.play(shape) { scene in
      let worker = try await scene.primary()
      worker.node.jumpWallClock(byMicroseconds: -86_400 * Workload.second)
      jump.update { $0 = scene.world.log.events.count }
      try await scene.past(.seconds(30))
    }
    #expect(outcome.failures == [])
    #expect(outcome.events[jump.value...].count { $0.event == "scrubbed" } >= 5)
  }
}
