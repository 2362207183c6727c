// SeedReport.swift — what came of one seed, as a campaign's processes tell each other: one line of JSON on standard output.
//
// A line `begin SEED` goes before it: when a process dies in a seed, its parent knows in which.
import Foundation
import Glibc
import Simulation

struct SeedReport: Codable, Sendable {
  var seed: UInt64
  var eventHash: UInt64
  var virtualSeconds: Double
  var jobs: UInt64
  var faults: [String: Int]
  var coordinators: Int
  var leaderships: Int
  var rows: Int
  var answers: Int
  var refusals: Int
  var violations: [String]

  init(_ report: ClusterReport) {
    seed = report.seed
    eventHash = report.eventHash
    virtualSeconds = report.virtualSeconds
    jobs = report.jobs
    faults = report.faults
    coordinators = report.coordinators
    leaderships = report.leaderships
    rows = report.rows
    answers = report.answers
    refusals = report.refusals
    violations = report.violations
  }
  /// What is known of a seed whose process died.
  init(seed: UInt64, died reason: String) {
    self.init(ClusterReport(seed: seed))
    violations = ["the process \(reason)"]
  }

  /// For people.
  var text: String {
    var lines = [
      "seed \(seed): \(String(eventHash, radix: 16)), \(Int(virtualSeconds)) s, \(jobs) jobs, \(faults.values.reduce(0, +)) faults, "
        + "\(leaderships) terms of \(coordinators) coordinators, "
        + "\(rows) rows, \(answers) answers, \(refusals) refused, \(violations.count) violations"
    ]
    lines += violations.map { "  " + $0 }
    return lines.joined(separator: "\n")
  }

  // MARK: Between processes

  /// A line of a process.
  enum Line {
    case begin(UInt64)
    case end(SeedReport)
  }
  static func begin(_ seed: UInt64) { put(Data("begin \(seed)".utf8)) }
  func write() {
    do { Self.put(try JSONEncoder().encode(self)) } catch { fatalError("a report cannot be written: \(error)") }
  }
  private static func put(_ line: Data) { FileHandle.standardOutput.write(line + [10]) }
  static func read(_ line: Data) throws -> Line {
    if line.starts(with: Data("begin ".utf8)), let seed = UInt64(String(decoding: line.dropFirst(6), as: UTF8.self)) { return .begin(seed) }
    return .end(try JSONDecoder().decode(SeedReport.self, from: line))
  }
}
