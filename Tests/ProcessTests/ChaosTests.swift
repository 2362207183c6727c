// A short run of `chaos` on real processes: three coordinators, two copies, every kind of fault that the machine allows.
import Foundation
import Testing

@Suite(.serialized) struct ChaosTests {
  /// TALLY_CHAOS_MINUTES makes it longer, TALLY_CHAOS_SEED another.
  @Test(.timeLimit(.minutes(30))) func nothingIsLostOrDoubledUnderFaults() throws {
    let environment = ProcessInfo.processInfo.environment
    let report = NSTemporaryDirectory() + "tally-chaos-report-\(ProcessInfo.processInfo.processIdentifier).json"
    let outcome = try CommandLineTool.run(
      "chaos",
      [
        "--seed", environment["TALLY_CHAOS_SEED"] ?? "20261128", "--minutes", environment["TALLY_CHAOS_MINUTES"] ?? "0.5",
        "--workers", "3", "--coordinators", "3", "--copies", "2", "--shards", "4", "--report", report,
      ]
    )
    #expect(outcome.status == 0, "\(outcome.output)\(outcome.error)")
    let object = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: report))) as? [String: Any]
    try FileManager.default.removeItem(atPath: report)
    #expect(object?["violation_count"] as? Int == 0)
    // A run that found nothing because it did nothing does not count.
    #expect((object?["rows_acknowledged"] as? Int ?? 0) > 10_000)
    #expect((object?["faults"] as? [String: Int] ?? [:]).values.reduce(0, +) >= 3)
    #expect((object?["answers"] as? [String: Int] ?? [:]).values.reduce(0, +) >= 10)
    print(outcome.output.split(separator: "\n").suffix(30).joined(separator: "\n"))
  }
}
