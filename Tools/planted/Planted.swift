// Planted.swift — the program `planted`: plants one bug after the other and finds out which test notices it.
//
// It runs what was built with `-Xswiftc -DPLANTED_BUGS`; --report writes the table of Tests/PlantedBugs.md. For each bug the hunters go
// out in the order of their cost until one fails: suites of unit tests, then seeds of the simulated cluster. First of all they go out
// with no bug planted, and none may fail.
import ArgumentParser
import Bytes
import Foundation

@main struct Planted: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "planted",
    abstract: "Plants bugs one after the other and finds out which test notices each.",
    discussion:
      "Build first: swift build -c release -Xswiftc -DPLANTED_BUGS -Xswiftc -enable-testing --scratch-path .build-planted --build-tests"
  )
  @Option(help: "Where the build with planted bugs is.") var scratch = ".build-planted"
  @Option(help: "Seeds of the simulation at most.") var seeds = 120
  @Option(help: "Virtual seconds after which a seed has hung; days of thirty minutes are drawn too.") var limit = 7200
  @Option(help: "Seconds that a suite or a seed may take.") var patience = 180
  @Option(parsing: .upToNextOption, help: "Bugs to plant; all when not given.") var bugs: [String] = []
  @Option(help: "Writes the table to this file.") var report: String?
  @Option(help: "What was tested, for the table's head.") var commit = ""
  @Flag(help: "Leaves out the run without a bug.") var noControl = false

  func run() throws {
    let chosen = try bugs.map { name in
      guard let bug = PlantedBug(rawValue: name) else { throw ValidationError("there is no bug \"\(name)\"") }
      return bug
    }
    let hunt = Hunt(scratch: scratch, seeds: seeds, limit: limit, patience: patience)
    if !noControl, let found = try hunt.hunt(nil) {
      print("without a bug \(found.hunter) failed: \(found.what)")
      throw ExitCode(2)
    }
    var catches: [(bug: PlantedBug, found: Catch?)] = []
    for bug in chosen.isEmpty ? PlantedBug.allCases : chosen {
      let found = try hunt.hunt(bug)
      print("\(bug.rawValue): \(found.map { "\($0.hunter), \($0.seconds) s: \($0.what)" } ?? "not caught")")
      // A long hunt is read while it runs.
      fflush(nil)
      catches.append((bug, found))
    }
    let caught = catches.count { $0.found != nil }
    print("\(caught) of \(catches.count) caught")
    if let report {
      let table = Table(catches: catches, commit: commit, seeds: seeds, source: try String(contentsOfFile: Table.source, encoding: .utf8))
      try table.text.write(toFile: report, atomically: true, encoding: .utf8)
    }
    if caught * 100 < catches.count * 95 { throw ExitCode(1) }
  }
}
