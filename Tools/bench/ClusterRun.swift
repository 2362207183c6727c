// ClusterRun.swift — a cluster of real processes to measure, below the run's directory.
import Foundation
import Launcher
import TallyClient

/// A running cluster.
final class ClusterRun {
  let cluster: LocalCluster
  let memory: String
  var url: String { cluster.layout.url }

  /// Starts one coordinator and the workers in a new directory.
  init(directory: String, workers: Int, copies: Int, portBase: UInt16, memory: String) throws {
    self.memory = memory
    cluster = LocalCluster(
      ClusterLayout(
        directory: directory,
        workers: workers,
        portBase: portBase,
        settings: ["memory": memory, "copies": String(copies)]
      )
    )
    try cluster.up()
  }
  /// Kills what runs and removes the data.
  func destroy() throws { try cluster.destroy() }
  /// Stops all processes; the data stay.
  func stop() throws { try cluster.down() }

  /// Meters the processes that run now.
  var meter: Meter {
    let processes = cluster.layout.nodes.compactMap { cluster.processID($0) }
    return Meter(servers: { processes.reduce(0) { $0 + ProcessorTime.of(process: $1) } })
  }
  /// Greatest resident memory of a worker so far, in bytes.
  var workerPeakBytes: Int {
    cluster.layout.nodes.filter { !$0.isCoordinator }.compactMap { cluster.processID($0) }.map { process in
      let status = String(decoding: FileManager.default.contents(atPath: "/proc/\(process)/status") ?? Data(), as: UTF8.self)
      let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") } ?? ""
      return (line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0) * 1024
    }.max() ?? 0
  }
  /// Bytes of every node's data directory.
  func disk() -> [(node: String, usage: DiskUsage)] {
    cluster.layout.nodes.map { ($0.name, DiskUsage.of(dataDirectory: cluster.layout.directory + "/" + $0.name)) }
  }
  var diskTotal: DiskUsage { disk().reduce(DiskUsage()) { $0 + $1.usage } }

  /// Runs a program that stands beside this one; gives its standard output.
  static func run(_ name: String, _ arguments: [String]) throws -> String {
    let directory =
      ProcessInfo.processInfo.environment["TALLY_BIN"]
      ?? URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent().path
    return try ExternalProgram.run(directory + "/" + name, arguments)
  }
  /// Loads a file with `tally ingest`.
  func ingest(_ file: String, rows: Int) throws {
    let text = try Self.run("tally", ["--url", url, "ingest", file, "--table", "events", "--json"])
    guard let line = text.split(separator: "\n").last,
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any],
      object["rows_durable"] as? Int == rows
    else { throw BenchFailure("tally ingest did not store \(rows) rows: \(text)") }
  }

  /// Writes rows that are still in memory into segments and waits for the merges, so that the journal and the files are at rest.
  ///
  /// There is no command for it: the workers are started with a small budget for a while, under which they write nearly everything out.
  /// Gives the bytes of rows left in memory, and whether the files came to rest within the time.
  func settle(atMost limit: Double) async throws -> (memtableBytes: Int, isAtRest: Bool, recovery: Double) {
    var modest = cluster.layout
    modest.settings["memory"] = "64MiB"
    try cluster.down()
    let small = LocalCluster(modest)
    let started = ContinuousClock.now
    for node in modest.nodes { try small.start(node.name) }
    let recovery = ProcessorTime.seconds(since: started)
    let result = try await atRest(limit)
    try small.down()
    for node in cluster.layout.nodes { try cluster.start(node.name) }
    return (result.memtableBytes, result.isAtRest, recovery)
  }
  private func atRest(_ limit: Double) async throws -> (memtableBytes: Int, isAtRest: Bool) {
    try await TallyClient.with(url) { client in
      let start = ContinuousClock.now
      var (last, since, held) = (DiskUsage(), ContinuousClock.now, 0)
      while ProcessorTime.seconds(since: start) < limit {
        let rows = try await client.list(.shards)
        held = try rows.reduce(0) { $0 + (try $1.get(Int?.self, "memtable_bytes") ?? 0) }
        let usage = diskTotal
        if usage != last { (last, since) = (usage, ContinuousClock.now) }
        if ProcessorTime.seconds(since: since) > 4 { return (held, true) }
        try await Task.sleep(for: .milliseconds(200))
      }
      return (held, false)
    }
  }
}

extension TallyClient {
  /// Runs a statement and gives its rows as text.
  func text(_ sql: String) async throws -> [[String?]] { try await run(sql).last?.textRows() ?? [] }
}
