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
    (114, "a flush that its process slept through was logged by a copy, and its rows were there twice"),
    (215, "a statement was called refused after a try that had taken effect"),
    (
      3592,
      "a write that went elsewhere put a sound header of another file upon that of a journal file, and the worker ended at every start"
    ),
    (3202, "a session read of a copy that had just started, whose files were ahead of what it had applied again"),
    (145, "the backfill of a new rollup waited for an open deletion by trying again and again, without a pause"),
    (243, "a flush planned before a table was dropped named a file that no copy could make"),
    (6183, "rows that the log brought back at a start stayed in memory until others came, and did not expire"),
    (
      9624,
      "a copy that counted and whose disk had lost what no journal had any more was told to begin again, and did not as it counted"
    ),
    (8014, "the run took a TRUNCATE that waited for rows a full disk held for refused for good, and not for one to be repeated"),
  ]
  /// The same, of clusters with three coordinators.
  static let ofThree: [(seed: UInt64, found: String)] = [
    (215, "a vote that a killed process had written was read, but not durable"),
    (617, "a coordinator that had not got further than its identity founded a second group"),
    (2607, "a joining coordinator was taken for the process it had been a moment before"),
  ]
}

// A debug build takes seconds for a seed; `simulate` in a release build runs ten a second: it is what searches.
@Suite(.serialized) struct ClusterSimulationTests {
  /// What TALLY_SEEDS asks for.
  static let wanted = UInt64(ProcessInfo.processInfo.environment["TALLY_SEEDS"] ?? "")
  /// Seeds of the test run.
  static let seeds: ClosedRange<UInt64> = 1...max(1, wanted ?? 8)
  static let regressions: [UInt64] = RegressionSeeds.all.map(\.seed).filter { wanted != nil || $0 < 100 }

  @Test(arguments: seeds) func everySeedKeepsTheLawsAndRepeats(seed: UInt64) {
    let first = ClusterSimulation.run(seed: seed)
    #expect(first.violations == [])
    #expect(first.answers > 0 && first.rows > 0)
    let second = ClusterSimulation.run(seed: seed)
    #expect(second.eventHash == first.eventHash, "two runs of seed \(seed) differ")
  }

  @Test(arguments: regressions) func seedsThatFoundDefectsStayClean(seed: UInt64) {
    let report = ClusterSimulation.run(seed: seed)
    #expect(report.violations == [])
  }

  @Test(arguments: RegressionSeeds.ofThree.map(\.seed)) func seedsOfThreeCoordinatorsStayClean(seed: UInt64) {
    let report = ClusterSimulation.run(seed: seed, coordinators: 3)
    #expect(report.violations == [])
    #expect(report.leaderships > 0)
  }

  /// Tables' rows move while nodes are killed, stopped and cut off: coordinators and workers at every step of a move.
  @Test(arguments: [UInt64](21...24)) func rowsThatMoveAreThereOnce(seed: UInt64) {
    let report = ClusterSimulation.run(seed: seed, coordinators: seed % 2 == 0 ? 3 : 1, moves: true)
    #expect(report.violations == [])
    let moved = report.events.count { $0.event == "rows-moved" }
    #expect(moved > 0)
  }

  @Test func differentSeedsDoDifferentThings() {
    let hashes = Set((5...6).map { ClusterSimulation.run(seed: $0).eventHash })
    #expect(hashes.count == 2)
  }
}
