// Bench.swift — `bench`: measures Tally, and other systems beside it, on generated search events; a wrong answer ends it with exit 1.
//
// Order: generate; load without a rollup, bytes, raw scans, rollup of the filled table, bytes, dashboard queries; a second
// cluster: load with the rollup present; then the peers one after the other. What is measured stands in TallyMeasures,
// PreparedStatements, PostgresPeer and DuckDBPeer.
import ArgumentParser
import Foundation

@main struct Bench: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures ingest, rollups, dashboard queries, raw scans and bytes on disk; checks every answer.",
    discussion: "The programs tally, tally-coordinator and tally-worker are taken from beside this one, or from TALLY_BIN."
  )
  @Option(help: "Events.") var rows = 10_000_000
  @Option(help: "Tenants.") var tenants = 1000
  @Option(help: "Days the events lie on, 1 to 28.") var days = 7
  @Option(help: "Seed of the events.") var seed: UInt64 = 42
  @Option(help: "Workers.") var workers = 2
  @Option(help: "Copies of every shard.") var copies = 1
  @Option(help: "Memory budget of a worker.") var memory = "1GiB"
  @Option(help: "Directory for the data; made anew. Default: one below the temporary directory.") var dir: String?
  @Option(help: "First port.") var portBase: UInt16 = 17400
  @Option(help: "Other systems to measure on the same data: duckdb,postgres.") var peers = ""
  @Option(help: "Python with the package duckdb, for --peers duckdb.") var python = "python3"
  @Option(help: "Parts to measure: acks,ingest,rollup,queries,statements,scan,disk. Default: all.") var only = ""
  @Option(help: "Samples of each tenant query.") var samples = 300
  @Option(help: "Seconds that the samples of one query may take.") var querySeconds = 10.0
  @Option(help: "Seconds to wait for merges to settle before bytes are counted.") var settle = 60.0
  @Flag(help: "Prints JSON lines instead of tables.") var json = false
  @Flag(help: "Keeps the directory with all data.") var keep = false

  private static let parts = ["acks", "ingest", "rollup", "queries", "statements", "scan", "disk"]
  private static let systems = ["duckdb", "postgres"]
  private func list(_ text: String) -> [String] { text.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }

  func validate() throws {
    guard rows >= 1000, rows <= 200_000_000 else { throw ValidationError("--rows is 1000 to 200000000") }
    guard (1...65_000).contains(tenants) else { throw ValidationError("--tenants is 1 to 65000") }
    guard (1...28).contains(days) else { throw ValidationError("--days is 1 to 28") }
    guard (1...64).contains(workers) else { throw ValidationError("--workers is 1 to 64") }
    guard (1...min(5, workers)).contains(copies) else { throw ValidationError("--copies is 1 to 5, and not above --workers") }
    guard samples >= 1, settle >= 0, querySeconds > 0 else { throw ValidationError("--samples, --settle, --query-seconds are positive") }
    for part in list(only) where !Self.parts.contains(part) { throw ValidationError("--only takes \(Self.parts.joined(separator: ","))") }
    for peer in list(peers) where !Self.systems.contains(peer) { throw ValidationError("--peers takes duckdb,postgres") }
  }

  func run() async throws {
    let place = URL(fileURLWithPath: dir ?? NSTemporaryDirectory() + "tally-bench-\(getpid())").standardizedFileURL.path
    if FileManager.default.fileExists(atPath: place) {
      throw ValidationError("\(place) is there already: remove it or choose another --dir")
    }
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    var report = Report(header: [
      ("events", "\(rows), \(tenants) tenants, \(days) days, seed \(seed)"), ("workers", "\(workers) with \(memory)"),
      ("copies", "\(copies)"),
      ("processors", "\(ProcessInfo.processInfo.activeProcessorCount)"), ("load average before", ProcessorTime.loadAverage()),
    ])
    do {
      try await measure(place, &report)
    } catch {
      // What was measured up to the failure helps to find it.
      if !report.measurements.isEmpty { print(try json ? report.json() : report.text()) }
      tell("bench: \(error)")
      tell("bench: the data stay in \(place)")
      throw ExitCode(1)
    }
    report.header.append(("load average after", ProcessorTime.loadAverage()))
    print(try json ? report.json() : report.text())
    if keep { tell("bench: the data stay in \(place)") } else { try FileManager.default.removeItem(atPath: place) }
  }

  private func measure(_ place: String, _ report: inout Report) async throws {
    let start = ContinuousClock.now
    let events = SearchEvents(rows: rows, tenants: tenants, days: days, seed: seed)
    let generated = ProcessorTime.seconds(since: start)
    let path = place + "/events.csv"
    let csv = (path: path, bytes: try events.writeCSV(to: path))
    let written = ProcessorTime.seconds(since: start) - generated
    tell("generated \(rows) events in \(decimal(generated, 1)) s; wrote a CSV of \(csv.bytes) bytes in \(decimal(written, 1)) s")
    report.header.append(("CSV", "\(csv.bytes) bytes"))
    let answers = ExactAnswers(events)
    let drawn = events.drawTenants(samples, among: tenants, seed: seed &+ 1)
    func wants(_ part: String) -> Bool { only.isEmpty || list(only).contains(part) }

    if Self.parts.contains(where: wants) {
      try await first(place, csv, answers, drawn, wants, &report)
      if wants("ingest") || wants("rollup") { try await second(place, csv, answers, drawn, &report) }
    }
    if list(peers).contains("duckdb") {
      tell("duckdb")
      report.measurements += try await DuckDBPeer(python: python, directory: place).measure(csv, answers, drawn)
    }
    if list(peers).contains("postgres") {
      tell("postgres")
      let peer = try PostgresPeer(directory: place)
      defer { peer.stop() }
      report.measurements += try await peer.measure(csv, answers, drawn)
    }
  }

  /// The cluster that is loaded without a rollup and gets it later.
  private func first(
    _ place: String,
    _ csv: (path: String, bytes: Int),
    _ answers: ExactAnswers,
    _ drawn: [Int],
    _ wants: (String) -> Bool,
    _ report: inout Report
  ) async throws {
    try await withCluster(place + "/plain", csv, answers, drawn) { measures in
      if wants("acks") {
        tell("acknowledgements")
        report.measurements += try await Acknowledgements(run: measures.run, events: answers.events).measure()
      }
      guard Self.parts.contains(where: { $0 != "acks" && wants($0) }) else { return }
      tell("ingest")
      let load = try await measures.load(withRollup: false)
      if wants("ingest") { report.measurements += load }
      if wants("disk") || wants("scan") {
        tell("waiting for files to settle")
        let bytes = try await measures.disk("raw rows", settleAtMost: settle)
        if wants("disk") { report.measurements += bytes }
      }
      if wants("scan") {
        tell("scans")
        report.measurements += try await measures.scans()
      }
      guard wants("rollup") || wants("queries") || wants("statements") || wants("disk") else { return }
      tell("rollup")
      let rollup = try await measures.rollUp()
      if wants("rollup") { report.measurements += rollup }
      if wants("disk") || wants("queries") {
        tell("waiting for files to settle")
        let bytes = try await measures.disk("with rollup", settleAtMost: settle)
        if wants("disk") { report.measurements += bytes }
      }
      if wants("queries") {
        tell("queries")
        report.measurements += try await measures.queries()
        for clients in [1, 8] {
          report.measurements.append(try await measures.concurrentQueries(clients: clients, seconds: min(5, querySeconds)))
        }
      }
      if wants("statements") {
        tell("statements")
        let seconds = max(1, Int(min(5, querySeconds)))
        report.measurements += try await PreparedStatements(run: measures.run, answers: answers, seconds: seconds).measure()
      }
    }
  }
  /// The cluster that has the rollup from the start.
  private func second(
    _ place: String,
    _ csv: (path: String, bytes: Int),
    _ answers: ExactAnswers,
    _ drawn: [Int],
    _ report: inout Report
  ) async throws {
    try await withCluster(place + "/rolled", csv, answers, drawn) { measures in
      tell("ingest with the rollup present")
      report.measurements += try await measures.load(withRollup: true)
    }
  }
  private func withCluster(
    _ directory: String,
    _ csv: (path: String, bytes: Int),
    _ answers: ExactAnswers,
    _ drawn: [Int],
    _ body: (TallyMeasures) async throws -> Void
  ) async throws {
    let run = try ClusterRun(directory: directory, workers: workers, copies: copies, portBase: portBase, memory: memory)
    let measures = TallyMeasures(run: run, answers: answers, csv: csv, drawn: drawn, secondsPerQuery: querySeconds)
    do { try await body(measures) } catch {
      try run.stop()
      throw error
    }
    if keep { try run.stop() } else { try run.destroy() }
  }
}
