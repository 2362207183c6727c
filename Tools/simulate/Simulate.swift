// Simulate.swift — the program `simulate`: runs seeds of the simulated cluster, each twice if asked, or replays one with its trace.
import ArgumentParser
import Capabilities
import Simulation

@main struct Simulate: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Runs the real coordinator, worker and client flows in simulated time under faults, seed by seed.",
    discussion: "Exits with 1 when a law was broken, naming the seeds; --seed replays one and prints what happened."
  )
  @Option(help: "Number of seeds to run.") var seeds: UInt64 = 20
  @Option(help: "First seed.") var from: UInt64 = 1
  @Option(help: "Replays this seed and prints its trace.") var seed: UInt64?
  @Option(help: "Coordinators of every cluster; 1 or 3 as the seed says when not given.") var coordinators: Int?
  @Flag(help: "Runs every seed twice and compares the hashes of all events.") var twice = false
  @Option(help: "Virtual seconds after which a run has hung.") var limit = 1800
  @Flag(help: "Prints a line for every seed.") var verbose = false

  func run() throws {
    if let seed { return try replay(seed) }
    let clock = ContinuousClock()
    let started = clock.now
    var failed: [UInt64] = []
    var (virtual, faults, rows, answers) = (0.0, 0, 0, 0)
    for seed in from..<(from + seeds) {
      var report = ClusterSimulation.run(seed: seed, coordinators: coordinators, limit: .seconds(limit))
      if twice {
        let second = ClusterSimulation.run(seed: seed, coordinators: coordinators, limit: .seconds(limit))
        if second.eventHash != report.eventHash {
          report.violations.append("two runs differ: event hash \(hexadecimal(report.eventHash)), then \(hexadecimal(second.eventHash))")
        }
      }
      virtual += report.virtualSeconds
      faults += report.faults
      rows += report.rows
      answers += report.answers
      if verbose || !report.violations.isEmpty { print(line(report)) }
      if !report.violations.isEmpty {
        failed.append(seed)
        for violation in report.violations { print("  \(violation)") }
      }
    }
    let seconds = max(0.001, (clock.now - started) / .seconds(1))
    print(
      "\(seeds) seeds from \(from): \(failed.count) failed; \(faults) faults, \(rows) rows, \(answers) answers judged; "
        + "\(Int(virtual)) simulated seconds in \(Int(seconds)) s (\(Int(virtual / seconds)) a second)"
    )
    if !failed.isEmpty {
      print("failed: \(failed.map { "\($0)" }.joined(separator: " "))")
      throw ExitCode(1)
    }
  }
  private func replay(_ seed: UInt64) throws {
    let report = ClusterSimulation.run(seed: seed, coordinators: coordinators, limit: .seconds(limit))
    for event in report.events {
      let fields = event.fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
      print("\(milliseconds(event.time)) \(event.node) \(event.level) \(event.event) \(fields)")
    }
    print(line(report))
    for violation in report.violations { print("  \(violation)") }
    if !report.violations.isEmpty { throw ExitCode(1) }
  }
  private func line(_ report: ClusterReport) -> String {
    "seed \(report.seed): \(hexadecimal(report.eventHash)), \(Int(report.virtualSeconds)) s, \(report.faults) faults, "
      + "\(report.leaderships) terms of \(report.coordinators) coordinators, "
      + "\(report.rows) rows, \(report.answers) answers, \(report.refusals) refused, \(report.violations.count) violations"
  }
  private func milliseconds(_ nanoseconds: UInt64) -> String {
    let thousandths = String(nanoseconds / 1000 % 1000)
    return "\(nanoseconds / 1_000_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths
  }
  private func hexadecimal(_ value: UInt64) -> String { String(value, radix: 16) }
}
