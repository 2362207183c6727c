// ScenarioTests.swift — runs the scenarios: what the behaviour table says about an event is what a client sees.
//
// Each transcript is compared with Scenarios/NAME.txt. With TALLY_WRITE_TRANSCRIPTS set the files are written anew: read the difference
// before it is committed, a transcript is what users are promised. TALLY_SCENARIO_SEEDS=n plays each with seeds 1…n; the transcript must
// be the same for all of them.
import Foundation
import Testing

@testable import Simulation

/// A row of the behaviour table for one number of copies.
struct NamedScenario: Sendable, CustomTestStringConvertible {
  var name: String
  var shape: Scenario.Shape
  var script: Scenario.Script
  var testDescription: String { name }

  init(_ name: String, _ shape: Scenario.Shape, _ script: @escaping Scenario.Script) {
    self.name = "\(name)-rf\(shape.copies)"
    self.shape = shape
    self.script = script
  }
}

@Suite(.serialized) struct ScenarioTests {
  static let all =
    WorkerLossScenarios.all + CoordinatorLossScenarios.all + DiskScenarios.all + PauseScenarios.all
    + DiskSpaceScenarios.all + RotScenarios.all
  static let seeds = UInt64(ProcessInfo.processInfo.environment["TALLY_SCENARIO_SEEDS"] ?? "") ?? 1

  @Test(arguments: all) func behavesAsTheTableSays(_ scenario: NamedScenario) throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Scenarios/\(scenario.name).txt")
    for seed in 1...max(1, Self.seeds) {
      var shape = scenario.shape
      shape.seed = seed
      let outcome = Scenario.play(shape, scenario.script)
      #expect(outcome.failures == [], "seed \(seed)")
      if let folder = ProcessInfo.processInfo.environment["TALLY_SCENARIO_EVENTS"] {
        let events = outcome.events.map { "\($0)\n" }.joined()
        try events.write(toFile: "\(folder)/\(scenario.name)-\(seed).log", atomically: true, encoding: .utf8)
      }
      if seed == 1, ProcessInfo.processInfo.environment["TALLY_WRITE_TRANSCRIPTS"] != nil {
        try outcome.transcript.write(to: path, atomically: true, encoding: .utf8)
      }
      #expect(outcome.transcript == (try String(contentsOf: path, encoding: .utf8)), "seed \(seed)")
    }
  }
}
