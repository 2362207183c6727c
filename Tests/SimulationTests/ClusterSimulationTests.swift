// ClusterSimulationTests.swift — the real coordinator, worker and client flows in simulated time under crashes: laws hold, seeds repeat.
import Foundation
import Simulation
import Testing

/// Seeds that once found a defect stay here, with what they found. What a seed does changes with the workload and the
/// order of events, so they are samples, not proofs; each defect has a test of its own where one could be written.
enum RegressionSeeds {
  static let all: [(seed: UInt64, found: String)] = [
    (15, "a worker ended when the coordinator shut down between accepting its connection and its hello"),
    (44, "a start removed a segment file that the next start had to replay"),
    (61, "a worker whose first heartbeat failed neither served nor ended"),
    (263, "a request whose deadline came while the coordinator drained was never answered"),
    (360, "the same, with the coordinator waiting for a worker without power"),
    (544, "a repeated create_distributed_table"),
  ]
}

@Suite struct ClusterSimulationTests {
  /// Seeds of the ordinary test run; TALLY_SEEDS asks for more.
  static let seeds: ClosedRange<UInt64> = {
    let text = ProcessInfo.processInfo.environment["TALLY_SEEDS"] ?? ""
    return 1...max(1, UInt64(text) ?? 12)
  }()

  @Test(arguments: seeds) func everySeedKeepsTheLawsAndRepeats(seed: UInt64) {
    let first = ClusterSimulation.run(seed: seed)
    #expect(first.violations == [])
    #expect(first.answers > 0 && first.rows > 0)
    let second = ClusterSimulation.run(seed: seed)
    #expect(second.eventHash == first.eventHash, "two runs of seed \(seed) differ")
  }

  @Test(arguments: RegressionSeeds.all.map(\.seed)) func seedsThatFoundDefectsStayClean(seed: UInt64) {
    let report = ClusterSimulation.run(seed: seed)
    #expect(report.violations == [])
  }

  @Test func differentSeedsDoDifferentThings() {
    let hashes = Set((1...3).map { ClusterSimulation.run(seed: $0).eventHash })
    #expect(hashes.count == 3)
  }
}
