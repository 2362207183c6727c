// Hunt.swift — the hunters: suites of unit tests and seeds of the simulated cluster, run with one bug planted until one of them fails.
import Bytes
import Foundation

/// What noticed a bug.
struct Catch {
  /// The suite, or the simulation with its seed.
  var hunter: String
  /// The first thing it said.
  var what: String
  /// From the bug's first hunter on.
  var seconds: Int
}

/// Runs the hunters.
struct Hunt {
  let scratch: String
  let seeds: Int
  let limit: Int
  let patience: Int

  /// Test targets, cheapest first, those of a line in one process. Those that talk over sockets or to other processes are left out: a bug
  /// that only they see is not caught. Seeds of whole clusters are hunters of their own.
  static let suites: [(name: String, targets: String)] = [
    (
      "unit tests",
      "WireTests|ModelTests|BytesTests|ReplicationTests|ConsensusTests|CoordinatorNodeTests|ClientCoreTests|WorkerNodeTests|ExecutionTests"
    ),
    ("tests of storage", "StorageTests"), ("the model", "ModelCheckTests"), ("scenarios", "SimulationTests"),
  ]
  private static let left = "Speed|Benchmark|Rate|ClusterSimulationTests"

  /// The first hunter that fails; nil when none does.
  func hunt(_ bug: PlantedBug?) throws -> Catch? {
    let clock = ContinuousClock()
    let started = clock.now
    func caught(_ hunter: String, _ what: String) -> Catch {
      Catch(hunter: hunter, what: what, seconds: Int((clock.now - started) / .seconds(1)))
    }
    for suite in Self.suites {
      let command = [
        "\(scratch)/release/tallyPackageTests.xctest", "--testing-library", "swift-testing", "--filter", "^(\(suite.targets))\\.", "--skip",
        Self.left,
      ]
      if let what = try run(bug, command, isComplaint: { $0.contains("recorded an issue") || $0.contains("Fatal error:") }) {
        return caught(suite.name, what)
      }
    }
    for seed in 1...max(1, seeds) {
      let command = ["\(scratch)/release/simulate", "--seeds", "1", "--from", "\(seed)", "--limit", "\(limit)"]
      // Violations are indented.
      if let what = try run(bug, command, isComplaint: { $0.hasPrefix("  ") || $0.contains("Fatal error:") }) {
        return caught("simulate, seed \(seed)", what)
      }
    }
    return nil
  }
  /// Runs a hunter up to its end or its first complaint.
  private func run(_ bug: PlantedBug?, _ command: [String], isComplaint: (String) -> Bool) throws -> String? {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["timeout", "-k", "5", "\(patience)"] + command
    var environment = ProcessInfo.processInfo.environment
    environment["TALLY_PLANTED_BUG"] = bug?.rawValue ?? ""
    environment["SWIFT_BACKTRACE"] = "enable=no"
    environment["NO_COLOR"] = "1"
    process.environment = environment
    let pipe = Pipe()
    (process.standardOutput, process.standardError) = (pipe, pipe)
    try process.run()
    var rest: [UInt8] = []
    while true {
      let more = pipe.fileHandleForReading.availableData
      if more.isEmpty { break }
      rest += more
      while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
        let line = String(decoding: rest[..<end], as: UTF8.self)
        rest.removeFirst(end + 1)
        if isComplaint(line) {
          // `timeout` passes it on to what it runs; what that started ends when nobody reads its output any more.
          process.terminate()
          process.waitUntilExit()
          return String(line.trimmingCharacters(in: .whitespaces).prefix(160))
        }
      }
    }
    process.waitUntilExit()
    switch process.terminationStatus {
    case 0: return nil
    case 124, 137: return "did not end within \(patience) s"
    case let status: return "ended with status \(status)"
    }
  }
}
