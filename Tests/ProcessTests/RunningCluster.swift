// RunningCluster.swift — a cluster of real processes for one test, in a directory of its own, gone at the end.
import Foundation
import Launcher
import Synchronization
import Testing

/// Ports are handed out in steps, below the range that the system gives to outgoing connections, from a place that depends on the process
/// so that two test runs rarely meet.
private let nextPort = Mutex(UInt16(11000 + Int(getpid()) % 70 * 300))

/// A running cluster, and the command line tool against it.
final class RunningCluster: Sendable {
  let directory: String
  let portBase: UInt16
  let workers: Int
  let coordinators: Int
  var url: String { "tally://" + (0..<coordinators).map { "127.0.0.1:\(Int(portBase) + 10 * $0)" }.joined(separator: ",") + "/tally" }

  /// `settings` are TALLY_… variables of the nodes it starts.
  init(workers: Int = 3, coordinators: Int = 1, memory: String = "1GiB", settings: [String: String] = [:]) throws {
    self.workers = workers
    self.coordinators = coordinators
    var tries = 0
    while true {
      let base = nextPort.withLock { port in
        defer { port = port > 31_000 ? 11_000 : port + 200 }
        return port
      }
      let place = NSTemporaryDirectory() + "tally-test-\(getpid())-\(base)"
      let outcome = try CommandLineTool.run(
        "tally",
        [
          "cluster", "up", "--workers", "\(workers)", "--coordinators", "\(coordinators)", "--dir", place, "--port-base", "\(base)",
          "--memory", memory, "--json",
        ],
        environment: settings
      )
      if outcome.status == 0 {
        (portBase, directory) = (base, place)
        return
      }
      // Somebody else has one of the ports: others will be free.
      tries += 1
      guard tries < 10, outcome.error.contains("address already in use") else {
        throw LaunchFailure("tally cluster up: exit \(outcome.status)\n\(outcome.error)")
      }
      try LocalCluster(directory: place).destroy()
    }
  }
  deinit {
    do { try LocalCluster(directory: directory).destroy() } catch { print("leaving \(directory): \(error)") }
  }
  var processes: LocalCluster { get throws { try LocalCluster(directory: directory) } }

  /// Runs the CLI; throws with its standard error when it fails.
  @discardableResult func run(_ arguments: [String], expect status: Int32 = 0) throws -> String {
    let outcome = try CommandLineTool.run("tally", arguments)
    guard outcome.status == status else {
      throw LaunchFailure("tally \(arguments.joined(separator: " ")): exit \(outcome.status)\n\(outcome.error)\(outcome.output)")
    }
    return outcome.output
  }
  /// Runs statements; gives CSV without its header, split into fields.
  func rows(_ sql: String) throws -> [[String]] {
    let text = try run(["--url", url, "sql", "--format", "csv", "-c", sql])
    return parseCSV(text).dropFirst().map { $0 }
  }
  func execute(_ sql: String) throws { try run(["--url", url, "sql", "-c", sql]) }
  /// Loads a file; gives the last line of the JSON report.
  @discardableResult func ingest(_ file: String, _ table: String, _ more: [String] = []) throws -> [String: Int] {
    let text = try run(["--url", url, "ingest", file, "--table", table, "--json"] + more)
    guard let line = text.split(separator: "\n").last,
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
    else { throw LaunchFailure("no report in: \(text)") }
    return object.compactMapValues { $0 as? Int }
  }
  func refresh(_ rollup: String) throws { try run(["--url", url, "rollup", "refresh", rollup]) }
}

/// Runs one of the built programs to its end.
enum CommandLineTool {
  struct Outcome {
    var status: Int32
    var output: String
    var error: String
  }
  static var directory: String {
    if let given = ProcessInfo.processInfo.environment["TALLY_BIN"], !given.isEmpty { return given }
    // The test bundle lies beside the programs.
    let path = CommandLine.arguments[0]
    let beside = path.lastIndex(of: "/").map { String(path[..<$0]) } ?? "."
    return FileManager.default.isExecutableFile(atPath: beside + "/tally") ? beside : ".build/debug"
  }
  static func start(
    _ program: String,
    _ arguments: [String],
    environment: [String: String] = [:]
  ) throws -> (Process, Pipe, Pipe) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: directory + "/" + program)
    process.arguments = arguments
    process.environment = ProcessInfo.processInfo.environment.merging([
      "TALLY_BIN": directory, "TALLY_ALLOW_VOLATILE": "1",
    ]) { $1 }.merging(environment) { $1 }
    let (output, error) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = error
    try process.run()
    return (process, output, error)
  }
  static func run(_ program: String, _ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
    let (process, output, error) = try start(program, arguments, environment: environment)
    // Errors are short; output may be long and is read to its end first.
    let out = output.fileHandleForReading.readDataToEndOfFile()
    let err = error.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return Outcome(
      status: process.terminationReason == .uncaughtSignal ? 128 + process.terminationStatus : process.terminationStatus,
      output: String(decoding: out, as: UTF8.self),
      error: String(decoding: err, as: UTF8.self)
    )
  }
}

/// Looks at a condition of other processes until it holds or the time is up; whether it held.
func eventually(seconds: Double, _ holds: () throws -> Bool) rethrows -> Bool {
  let end = Date().addingTimeInterval(seconds)
  while Date() < end {
    if try holds() { return true }
    var time = timespec(tv_sec: 0, tv_nsec: 50_000_000)
    nanosleep(&time, nil)
  }
  return try holds()
}

/// RFC 4180, for tests.
func parseCSV(_ text: String) -> [[String]] {
  var rows: [[String]] = []
  var row: [String] = []
  var field: [UInt8] = []
  var isQuoted = false
  var bytes = Array(text.utf8)
  if bytes.last != 10 { bytes.append(10) }
  var i = 0
  while i < bytes.count {
    let byte = bytes[i]
    if isQuoted {
      if byte == 34 {
        if i + 1 < bytes.count && bytes[i + 1] == 34 {
          field.append(34)
          i += 1
        } else {
          isQuoted = false
        }
      } else {
        field.append(byte)
      }
    } else if byte == 34 {
      isQuoted = true
    } else if byte == 44 || byte == 10 {
      row.append(String(decoding: field, as: UTF8.self))
      field.removeAll(keepingCapacity: true)
      if byte == 10 {
        rows.append(row)
        row = []
      }
    } else {
      field.append(byte)
    }
    i += 1
  }
  return rows
}
