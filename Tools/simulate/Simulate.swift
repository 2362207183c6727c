// Simulate.swift — the program `simulate`: runs seeds of the simulated cluster on all cores, each twice if asked, or replays one and
// prints its trace.
import ArgumentParser
import Foundation
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
  @Flag(help: "Runs every seed twice, in two processes, and compares the hashes of all events.") var twice = false
  @Option(help: "Virtual seconds after which a run has hung.") var limit = 7200
  @Option(help: "Processes that run seeds; as many as there are cores when not given.") var jobs: Int?
  @Option(help: "Also prints the line for SeedLedger.md, with this name of the build (its commit).") var ledger: String?
  @Flag(help: "Prints a line for every seed.") var verbose = false
  @Flag(help: .hidden) var reports = false
  @Option(help: .hidden) var step: UInt64 = 1

  func validate() throws {
    guard seeds > 0, step > 0, from.addingReportingOverflow(seeds).overflow == false else {
      throw ValidationError("--seeds and --from must name at least one seed, and none above 2^64")
    }
    if let jobs, jobs < 1 { throw ValidationError("--jobs must be at least 1") }
  }
  func run() throws {
    if let seed { return try replay(seed) }
    if reports { return report() }
    let campaign = Campaign(
      first: from,
      count: seeds,
      jobs: jobs ?? ProcessInfo.processInfo.activeProcessorCount,
      arguments: ["--limit", "\(limit)"] + (coordinators.map { ["--coordinators", "\($0)"] } ?? []),
      isVerbose: verbose
    )
    var totals = try campaign.run()
    if twice { totals.compare(with: try campaign.run()) }
    print(totals.summary(seeds: seeds, from: from))
    if let ledger {
      print(totals.ledgerLine(build: ledger, seeds: from...(from + (seeds - 1)), coordinators: coordinators.map { "\($0)" } ?? "drawn"))
    }
    if !totals.failed.isEmpty {
      print("failed: \(totals.failed.keys.sorted().map { "\($0)" }.joined(separator: " "))")
      throw ExitCode(1)
    }
  }
  /// What a campaign's process does: it runs its share of the seeds and writes a line before and after each.
  private func report() {
    for seed in stride(from: from, to: from + seeds, by: Int(step)) {
      SeedReport.begin(seed)
      SeedReport(ClusterSimulation.run(seed: seed, coordinators: coordinators, limit: .seconds(limit))).write()
    }
  }
  private func replay(_ seed: UInt64) throws {
    let report = ClusterSimulation.run(seed: seed, coordinators: coordinators, limit: .seconds(limit))
    for event in report.events {
      let fields = event.fields.map { "\($0.0)=\($0.1)" }.joined(separator: " ")
      print("\(milliseconds(event.time)) \(event.node) \(event.level) \(event.event) \(fields)")
    }
    let line = SeedReport(report)
    print(line.text)
    if !line.violations.isEmpty { throw ExitCode(1) }
  }
  private func milliseconds(_ nanoseconds: UInt64) -> String {
    let thousandths = String(nanoseconds / 1000 % 1000)
    return "\(nanoseconds / 1_000_000)." + String(repeating: "0", count: 3 - thousandths.count) + thousandths
  }
}
