// WorkerMain.swift — the program `tally-worker`: flags over TALLY_… over defaults, then Worker.run on the real machine.
import ArgumentParser
import Capabilities
import Glibc
import NodeRuntime
import WorkerNode

@main struct WorkerMain: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tally-worker",
    abstract: "A Tally worker: stores shards, rolls them up, answers fragments of queries.",
    discussion:
      "Every option can also be set by an environment variable: TALLY_NAME, TALLY_DATA, TALLY_LISTEN, TALLY_ADVERTISE, TALLY_COORDINATORS, TALLY_MEMORY, TALLY_FLUSH_AFTER, TALLY_DISK_RESERVE.",
    version: "tally-worker 0.1.0"
  )
  @Option(help: "Name of this node, for example worker-1.") var name: String = setting("TALLY_NAME") ?? "worker-1"
  @Option(help: "Data directory.") var data: String?
  @Option(help: "Address to listen on, host:port; loopback only in this version.") var listen: String =
    setting("TALLY_LISTEN") ?? "127.0.0.1:7500"
  @Option(help: "Address under which others reach this node, when it is not the one it listens on (a forwarder's).") var advertise: String?
  @Option(help: "Coordinators, host:port separated by commas.") var coordinators: String = setting("TALLY_COORDINATORS") ?? "127.0.0.1:7400"
  @Option(help: "Memory budget, for example 512MiB or 2GiB.") var memory: String = setting("TALLY_MEMORY") ?? "1GiB"
  @Option(help: "Seconds after which rows in memory are written to files at the latest.") var flushAfter: String =
    setting("TALLY_FLUSH_AFTER") ?? "300"
  @Option(help: "Free space on the volume below which no rows are taken, for example 2GiB; a twentieth of it when not given.")
  var diskReserve: String?
  @Option(
    help: """
      Bytes a second of files copied from other workers at most, for example 20MiB, 64KiB at the least; 50 MB when not given. Also \
      TALLY_COPY_RATE.
      """
  )
  var copyRate: String?
  @Flag(name: .customLong("init"), help: "Joins the coordinators' cluster with an empty data directory.") var initializes = false
  @Flag(help: "Accepts a data directory on tmpfs or a network file system: for tests. Also TALLY_ALLOW_VOLATILE=1.")
  var allowVolatile = false

  func run() throws {
    guard let data = data ?? setting("TALLY_DATA") else { throw ValidationError("--data (or TALLY_DATA) is missing") }
    let addresses = try coordinators.split(separator: ",").map { text in
      guard let address = NetworkAddress(String(text)) else { throw ValidationError("\"\(text)\" is not of the form host:port") }
      return address
    }
    guard !addresses.isEmpty else { throw ValidationError("--coordinators is empty") }
    var settings = WorkerSettings(
      name: name,
      listen: try loopback(listen),
      coordinators: addresses,
      initializes: initializes,
      memory: try bytes(memory)
    )
    if let advertise = advertise ?? setting("TALLY_ADVERTISE") { settings.advertised = try loopback(advertise) }
    guard let seconds = Int(flushAfter), (1...86_400).contains(seconds) else {
      throw ValidationError("--flush-after \"\(flushAfter)\" is not a number of seconds from 1 to 86400")
    }
    settings.memoryAgeMax = .seconds(seconds)
    if let rate = copyRate ?? setting("TALLY_COPY_RATE") { settings.copyBytesPerSecond = try bytes(rate, least: (64 << 10, "64KiB")) }
    if let floor = diskReserve ?? setting("TALLY_DISK_RESERVE") { settings.diskFloor = UInt64(try bytes(floor)) }
    settings.allowsVolatile = allowVolatile || setting("TALLY_ALLOW_VOLATILE") == "1"
    let status = ProcessMain.run(node: name, directory: data, memory: settings.memory) { [settings] surroundings, stop in
      try await Worker.run(surroundings, settings, stop: stop)
    }
    if status != 0 { throw ExitCode(status) }
  }
}

/// An environment variable's text, unless it is empty.
func setting(_ name: String) -> String? { getenv(name).map { String(cString: $0) }.flatMap { $0.isEmpty ? nil : $0 } }

/// Parses an address and refuses those that others could reach: there is no authentication yet.
func loopback(_ text: String) throws -> NetworkAddress {
  guard let address = NetworkAddress(text) else { throw ValidationError("\"\(text)\" is not of the form host:port") }
  guard address.isLoopback else {
    throw ValidationError("refusing to listen on \(text): this version has no authentication and binds loopback addresses only")
  }
  return address
}

/// Parses a size with a unit: B, KiB, MiB, GiB (KB, MB, GB as powers of ten).
func bytes(_ text: String, least: (Int, String) = (64 << 20, "64MiB")) throws -> Int {
  let units: [(String, Int)] = [
    ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("KB", 1_000), ("MB", 1_000_000), ("GB", 1_000_000_000), ("B", 1),
  ]
  for (unit, factor) in units where text.hasSuffix(unit) {
    if let value = Int(text.dropLast(unit.count)), value > 0 {
      let (size, overflows) = value.multipliedReportingOverflow(by: factor)
      if !overflows && size >= least.0 { return size }
    }
  }
  throw ValidationError("\"\(text)\" is not a size of at least \(least.1), such as 512MiB or 2GiB")
}
