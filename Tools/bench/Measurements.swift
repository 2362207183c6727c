// Measurements.swift — what one measured step came to: wall time, processor time of servers and client, latencies, bytes.
import Foundation

/// Milliseconds of repeated requests.
struct Latencies: Sendable {
  private(set) var milliseconds: [Double] = []
  mutating func add(_ value: Double) { milliseconds.append(value) }
  var count: Int { milliseconds.count }
  /// The sample at a share of the sorted samples (nearest rank).
  func percentile(_ share: Double) -> Double {
    guard !milliseconds.isEmpty else { return .nan }
    let sorted = milliseconds.sorted()
    return sorted[min(sorted.count - 1, max(0, Int((share * Double(sorted.count)).rounded(.up)) - 1))]
  }
}

/// A measured step of one system.
struct Measurement: Sendable {
  /// Which table of the report it belongs to.
  enum Kind: String, Sendable, CaseIterable {
    case throughput, latency, bytes
  }
  var kind: Kind
  /// The same name for the same work of every system: ratios are made by it.
  var step: String
  /// `tally`, `duckdb`, `postgres`.
  var system: String
  var seconds: Double?
  /// Events worked on, or queries answered.
  var rows: Int?
  /// Of the CSV for throughput, on disk for bytes.
  var bytes: Int?
  var serverCPU: Double?
  var clientCPU: Double?
  var latencies: Latencies?
  /// Processor seconds of the servers for one query.
  var cpuPerQuery: Double?
  /// Processors that programs outside the measurement took meanwhile.
  var others: Double?
  var note = ""

  var rowsPerSecond: Double? { rows.flatMap { rows in seconds.map { Double(rows) / max($0, 1e-9) } } }
  /// Of servers and client together: a program that does both in one process has no other figure.
  var rowsPerCPUSecond: Double? {
    guard let rows, let serverCPU else { return nil }
    return Double(rows) / max(serverCPU + (clientCPU ?? 0), 1e-9)
  }
  /// How many times better than another system's figure of the same step.
  func advantage(over other: Measurement) -> Double? {
    switch kind {
    case .throughput: return rowsPerSecond.flatMap { mine in other.rowsPerSecond.map { mine / $0 } }
    case .latency: return latencies.flatMap { mine in other.latencies.map { $0.percentile(0.5) / mine.percentile(0.5) } }
    case .bytes: return bytes.flatMap { mine in other.bytes.map { Double($0) / Double(max(1, mine)) } }
    }
  }

  /// A throughput from a timed piece of work.
  static func throughput(_ step: String, _ system: String, rows: Int, bytes: Int? = nil, _ span: Span, note: String = "") -> Measurement {
    Measurement(
      kind: .throughput,
      step: step,
      system: system,
      seconds: span.seconds,
      rows: rows,
      bytes: bytes,
      serverCPU: span.serverCPU,
      clientCPU: span.clientCPU,
      others: span.others,
      note: note
    )
  }
  /// Latencies of repeated queries.
  static func latency(_ step: String, _ system: String, _ latencies: Latencies, _ span: Span, note: String = "") -> Measurement {
    Measurement(
      kind: .latency,
      step: step,
      system: system,
      seconds: span.seconds,
      latencies: latencies,
      cpuPerQuery: span.serverCPU / Double(max(1, latencies.count)),
      others: span.others,
      note: note
    )
  }
  /// Bytes on disk.
  static func bytes(_ step: String, _ system: String, _ bytes: Int, rows: Int?, note: String = "") -> Measurement {
    Measurement(kind: .bytes, step: step, system: system, rows: rows, bytes: bytes, note: note)
  }
}

/// Says on standard error what is being done.
func tell(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
