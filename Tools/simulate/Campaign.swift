// Campaign.swift — many seeds: processes of this program share them, so that all cores work and a seed that traps ends only itself.
//
// Process k of n runs every n-th seed. A seed in which a process died has failed; its process is started again behind it. A second run of
// the same seeds is made by other processes, whose hash tables have other orders: what depends on such an order is found by `compare`.
import Foundation
import Glibc
import Synchronization

struct Campaign: Sendable {
  let first: UInt64
  let count: UInt64
  let jobs: Int
  let arguments: [String]
  let isVerbose: Bool

  /// Runs all seeds and returns what came of them.
  func run() throws -> CampaignTotals {
    let processes = Int(min(UInt64(jobs), count))
    let totals = Mutex(CampaignTotals())
    let failure = Mutex<(any Error)?>(nil)
    let (started, cpu) = (ContinuousClock().now, Self.childrenSeconds)
    DispatchQueue.concurrentPerform(iterations: processes) { at in
      do {
        var next = first + UInt64(at)
        while next < first + count { next = try runShare(from: next, step: UInt64(processes), totals) }
      } catch { failure.withLock { $0 = error } }
    }
    if let error = failure.withLock({ $0 }) { throw error }
    return totals.withLock { totals in
      totals.hostSeconds = (ContinuousClock().now - started) / .seconds(1)
      totals.cpuSeconds = Self.childrenSeconds - cpu
      return totals
    }
  }
  /// Runs every `step`-th seed from `next` on in one process; returns the seed to go on with when that died, or the end.
  private func runShare(from next: UInt64, step: UInt64, _ totals: borrowing Mutex<CampaignTotals>) throws -> UInt64 {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
    process.arguments =
      ["--reports", "--from", "\(next)", "--seeds", "\(first + count - next)", "--step", "\(step)"] + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    try process.run()
    var running: UInt64?
    var rest = Data()
    while true {
      let data = pipe.fileHandleForReading.availableData
      if data.isEmpty { break }
      rest += data
      while let end = rest.firstIndex(of: 10) {
        let line = try SeedReport.read(Data(rest[rest.startIndex..<end]))
        rest = Data(rest[rest.index(after: end)...])
        switch line {
        case .begin(let seed): running = seed
        case .end(let report):
          running = nil
          take(report, totals)
        }
      }
    }
    process.waitUntilExit()
    let isKilled = process.terminationReason == .uncaughtSignal
    let status = process.terminationStatus
    guard let seed = running else {
      if isKilled || status != 0 { throw CampaignFailure("a process ended with \(status) between two seeds") }
      return first + count
    }
    take(SeedReport(seed: seed, died: isKilled ? "died of signal \(status)" : "ended with status \(status)"), totals)
    return seed + step
  }
  private func take(_ report: SeedReport, _ totals: borrowing Mutex<CampaignTotals>) {
    totals.withLock { $0.add(report) }
    if isVerbose || !report.violations.isEmpty { FileHandle.standardOutput.write(Data((report.text + "\n").utf8)) }
  }
  /// Processor time of processes that have ended.
  private static var childrenSeconds: Double {
    var usage = rusage()
    guard getrusage(RUSAGE_CHILDREN.rawValue, &usage) == 0 else { return 0 }
    func seconds(_ time: timeval) -> Double { Double(time.tv_sec) + Double(time.tv_usec) / 1e6 }
    return seconds(usage.ru_utime) + seconds(usage.ru_stime)
  }
}

/// Why a campaign could not be run.
struct CampaignFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// What came of many seeds.
struct CampaignTotals: Sendable {
  private(set) var hashes: [UInt64: UInt64] = [:]
  private(set) var failed: [UInt64: [String]] = [:]
  private(set) var faults: [String: Int] = [:]
  private(set) var virtualSeconds = 0.0
  private(set) var rows = 0
  private(set) var answers = 0
  var hostSeconds = 0.0
  var cpuSeconds = 0.0

  mutating func add(_ report: SeedReport) {
    hashes[report.seed] = report.eventHash
    if !report.violations.isEmpty { failed[report.seed] = report.violations }
    faults.merge(report.faults, uniquingKeysWith: +)
    virtualSeconds += report.virtualSeconds
    rows += report.rows
    answers += report.answers
  }
  /// Compares with a second run of the same seeds.
  mutating func compare(with second: CampaignTotals) {
    for (seed, hash) in hashes.sorted(by: { $0.key < $1.key }) {
      guard let other = second.hashes[seed], other != hash else { continue }
      let difference = "two runs differ: event hash \(String(hash, radix: 16)), then \(String(other, radix: 16))"
      print("seed \(seed): \(difference)")
      failed[seed, default: []].append(difference)
    }
    virtualSeconds += second.virtualSeconds
    hostSeconds += second.hostSeconds
    cpuSeconds += second.cpuSeconds
  }
  func summary(seeds: UInt64, from: UInt64) -> String {
    "\(seeds) seeds from \(from): \(failed.count) failed; \(faults.values.reduce(0, +)) faults (\(faultList)), \(rows) rows, "
      + "\(answers) answers judged; \(Int(virtualSeconds)) simulated seconds in \(Int(hostSeconds)) s of \(Int(cpuSeconds)) CPU seconds "
      + "(\(Int(virtualSeconds / max(0.001, cpuSeconds))) a CPU second)"
  }
  /// The line for SeedLedger.md.
  func ledgerLine(build: String, seeds: ClosedRange<UInt64>, coordinators: String) -> String {
    let day = Date().formatted(.iso8601.year().month().day())
    let failures = failed.keys.sorted().map { "\($0)" }.joined(separator: " ")
    let hours = (virtualSeconds / 360).rounded() / 10
    return "| \(day) | \(build) | \(seeds.lowerBound)–\(seeds.upperBound) | \(coordinators) | \(hours) | \(faultList) | "
      + "\(failures.isEmpty ? "none" : failures) |"
  }
  private var faultList: String {
    faults.isEmpty ? "none" : faults.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }
}
