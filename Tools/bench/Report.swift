// Report.swift — the measurements as aligned tables, and as JSON lines.
//
// Where a peer did the same step in the same run, a column tells how many times better Tally was: rows/s by rows/s, peer's p50 by p50,
// peer's bytes by bytes. "others" is how many processors other programs took meanwhile: a figure with much of it is too slow.
import Foundation

/// A number with so many decimals.
func decimal(_ value: Double, _ places: Int) -> String { String(format: "%.\(places)f", value) }

/// Prints measurements.
struct Report {
  var header: [(String, String)]
  var measurements: [Measurement] = []

  /// The tables.
  func text() -> String {
    var out = header.map { "\($0.0): \($0.1)" }.joined(separator: "\n") + "\n"
    let peers = Set(measurements.map(\.system)).subtracting(["tally"]).sorted()
    for kind in Measurement.Kind.allCases {
      let rows = measurements.filter { $0.kind == kind }
      if rows.isEmpty { continue }
      out += "\n" + table(kind, rows, peers)
    }
    return out
  }
  private func table(_ kind: Measurement.Kind, _ rows: [Measurement], _ peers: [String]) -> String {
    var lines: [[String]]
    switch kind {
    case .throughput:
      lines = [["step", "system", "s", "rows/s", "MB/s", "server CPU s", "client CPU s", "rows/CPU s", "others"]]
    case .latency: lines = [["query", "system", "samples", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "others"]]
    case .bytes: lines = [["bytes", "system", "MB", "B/row"]]
    }
    lines[0] += peers.map { "× \($0)" } + ["note"]
    // Steps in the order they came first, systems of a step together.
    var steps: [String] = []
    for row in rows where !steps.contains(row.step) { steps.append(row.step) }
    for step in steps {
      for row in rows where row.step == step {
        let ratios = peers.map { peer in
          guard row.system == "tally", let other = rows.first(where: { $0.step == step && $0.system == peer }),
            let ratio = row.advantage(over: other)
          else { return "" }
          return decimal(ratio, 2)
        }
        lines.append([row.step, row.system] + cells(row) + ratios + [row.note])
      }
    }
    return Self.aligned(lines)
  }
  private func cells(_ row: Measurement) -> [String] {
    func text(_ value: Double?, _ places: Int) -> String { value.map { decimal($0, places) } ?? "" }
    switch row.kind {
    case .throughput:
      let megabytes = row.bytes.flatMap { bytes in row.seconds.map { Double(bytes) / 1e6 / $0 } }
      return [
        text(row.seconds, 2), Self.large(row.rowsPerSecond), text(megabytes, 1), text(row.serverCPU, 2), text(row.clientCPU, 2),
        Self.large(row.rowsPerCPUSecond), text(row.others, 2),
      ]
    case .latency:
      let p = [0.5, 0.95, 0.99].map { text(row.latencies?.percentile($0), 3) }
      return ["\(row.latencies?.count ?? 0)"] + p + [text(row.cpuPerQuery.map { $0 * 1000 }, 3), text(row.others, 2)]
    case .bytes:
      let each = row.bytes.flatMap { bytes in row.rows.map { Double(bytes) / Double($0) } }
      return [text(row.bytes.map { Double($0) / 1e6 }, 2), text(each, 2)]
    }
  }
  /// 1.23 M, 456 k.
  private static func large(_ value: Double?) -> String {
    guard let value else { return "" }
    if value >= 1e6 { return decimal(value / 1e6, 2) + " M" }
    return value >= 1e4 ? decimal(value / 1e3, 0) + " k" : decimal(value, 0)
  }
  private static func aligned(_ lines: [[String]]) -> String {
    let widths = lines[0].indices.map { column in lines.map { $0[column].count }.max() ?? 0 }
    return lines.map { line in
      line.enumerated().map { column, text in
        let blanks = String(repeating: " ", count: widths[column] - text.count)
        // Names to the left, figures to the right.
        return column < 2 || column == line.count - 1 ? text + blanks : blanks + text
      }.joined(separator: "  ").trimmingCharacters(in: .whitespaces)
    }.joined(separator: "\n") + "\n"
  }

  /// One JSON object a line: the header, then each measurement.
  func json() throws -> String {
    var objects: [[String: Any]] = [Dictionary(uniqueKeysWithValues: header)]
    for row in measurements {
      var object: [String: Any] = ["kind": row.kind.rawValue, "step": row.step, "system": row.system]
      let figures: [(String, Double?)] = [
        ("seconds", row.seconds), ("rows_per_second", row.rowsPerSecond), ("server_cpu_seconds", row.serverCPU),
        ("client_cpu_seconds", row.clientCPU), ("rows_per_cpu_second", row.rowsPerCPUSecond), ("others_cores", row.others),
        ("p50_ms", row.latencies?.percentile(0.5)), ("p95_ms", row.latencies?.percentile(0.95)),
        ("p99_ms", row.latencies?.percentile(0.99)), ("cpu_ms_per_query", row.cpuPerQuery.map { $0 * 1000 }),
      ]
      for (name, value) in figures { if let value, value.isFinite { object[name] = value } }
      if let rows = row.rows { object["rows"] = rows }
      if let bytes = row.bytes { object["bytes"] = bytes }
      if let latencies = row.latencies { object["samples"] = latencies.count }
      if !row.note.isEmpty { object["note"] = row.note }
      objects.append(object)
    }
    return try objects.map { object in
      String(decoding: try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes]), as: UTF8.self)
    }.joined(separator: "\n")
  }
}
