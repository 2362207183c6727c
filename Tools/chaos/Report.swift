// Report.swift — what a run found and measured, for people and as JSON.
import Foundation

/// The figures of a run.
struct Report {
  private let run: RunState
  private let seconds: Double

  init(_ run: RunState, seconds: Double) {
    self.run = run
    self.seconds = seconds
  }
  private var loadedSeconds: Double { max(1, run.figures.times(of: "loaded").max / 1000) }
  private var rowsPerSecond: Double { Double(run.ledger.acknowledgedRows) / loadedSeconds }
  private static let latencies = ["acknowledged", "small batch acknowledged", "answered", "schema statement", "healed", "cold start"]

  /// Prints it.
  func show() {
    let (figures, ledger) = (run.figures, run.ledger)
    func line(_ name: String, _ text: String) { tell("  \(name.padding(toLength: 28, withPad: " ", startingAt: 0))\(text)") }
    func list(_ pairs: [(String, Int)]) -> String { pairs.map { "\($0.0) \($0.1)" }.joined(separator: ", ") }
    tell(
      "\nseed \(run.settings.seed), \(Int(loadedSeconds)) s of faults, \(run.settings.workers) workers, copies \(run.settings.copies == 0 ? "auto" : "\(run.settings.copies)")"
    )
    line("faults", list(figures.counts(after: "fault ")))
    line("rows acknowledged", "\(ledger.acknowledgedRows), \(Int(rowsPerSecond)) a second")
    line("batches", "\(ledger.sentBatches) sent, \(ledger.acknowledgedBatches) acknowledged, \(ledger.unknownBatches) of unknown outcome")
    line("loads", list(figures.counts(after: "loads ")))
    line("rows recognised again", "\(figures.count(of: "rows recognised")), \(figures.count(of: "retries")) retries")
    line("answers judged", list(figures.counts(after: "answers: ")))
    line("refused", list(figures.counts(after: "refusals: ")))
    line(
      "small tables",
      "\(figures.count(of: "small tables made")) made, \(figures.count(of: "small tables dropped")) dropped, \(figures.count(of: "inserts")) inserts"
    )
    for name in Self.latencies where figures.times(of: name).count > 0 { line(name, figures.times(of: name).text) }
    for (kind, gaps) in run.gaps.all { line("write gap, \(kind)", gaps.text) }
    if !run.gaps.open.isEmpty { line("shards still without writes", run.gaps.open.map { "\($0)" }.joined(separator: " ")) }
    line("violations", "\(ledger.violationCount)")
    for violation in ledger.violations { tell("    \(violation)") }
  }

  /// Writes it to a file.
  func write(to path: String) throws {
    let (figures, ledger) = (run.figures, run.ledger)
    func object(_ times: Distribution) -> [String: Any] {
      ["count": times.count, "p50_ms": times.p50, "p99_ms": times.p99, "max_ms": times.max]
    }
    func object(_ pairs: [(String, Int)]) -> [String: Int] { Dictionary(pairs, uniquingKeysWith: +) }
    let settings = run.settings
    let report: [String: Any] = [
      "seed": settings.seed, "seconds": loadedSeconds, "workers": settings.workers, "coordinators": settings.coordinators,
      "copies": settings.copies, "shards": settings.shards, "faults": object(figures.counts(after: "fault ")),
      "rows_acknowledged": ledger.acknowledgedRows, "rows_per_second": rowsPerSecond, "batches_sent": ledger.sentBatches,
      "batches_acknowledged": ledger.acknowledgedBatches, "batches_unknown": ledger.unknownBatches,
      "rows_recognised": figures.count(of: "rows recognised"), "retries": figures.count(of: "retries"),
      "answers": object(figures.counts(after: "answers: ")), "refusals": object(figures.counts(after: "refusals: ")),
      "times": Dictionary(Self.latencies.map { ($0, object(figures.times(of: $0))) }, uniquingKeysWith: { $1 }),
      "write_gaps": Dictionary(run.gaps.all.map { ($0.kind, object($0.gaps)) }, uniquingKeysWith: { $1 }),
      "violations": ledger.violations, "violation_count": ledger.violationCount,
    ]
    try JSONSerialization.data(withJSONObject: report, options: [.prettyPrinted, .sortedKeys]).write(to: URL(fileURLWithPath: path))
  }
}
