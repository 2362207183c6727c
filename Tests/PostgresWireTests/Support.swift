// A server with a fake engine on a loop of its own, clients that speak the protocol by hand, and psql.

import Bytes
import Capabilities
import Foundation
import Glibc
import Model
import NodeRuntime
import PostgresWire
import Synchronization
import Testing

final class CountingLog: EventLog {
  private let events = Mutex<[String]>([])
  func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) { events.withLock { $0.append(event) } }
  func count(_ event: String) -> Int { events.withLock { $0.count { $0 == event } } }
}

struct Bench: Sendable {
  var network: any Network
  var clock: any Clock
  var engine: FakeEngine
  var log: CountingLog
  var listener: any Listener
  var server: PostgresServer

  /// Waits until a condition holds; tests never wait a guessed time.
  func until(_ condition: @escaping @Sendable () -> Bool) async throws {
    let limit = clock.now + .seconds(20)
    while !condition() {
      guard clock.now < limit else { throw TallyError(.timedOut, "the condition did not come to hold") }
      try await clock.sleep(for: .milliseconds(1))
    }
  }
  func connect() async throws -> RawClient {
    RawClient(try await network.connect(to: listener.address, deadline: clock.now + .seconds(5)), clock)
  }
  /// A client that has logged in as `dev` without a password.
  func login(_ parameters: [String: String] = [:], minor: UInt16 = 0) async throws -> RawClient {
    let client = try await connect()
    try await client.send(startup(["user": "dev", "database": "tally"].merging(parameters) { $1 }, minor: minor))
    _ = try await client.until("Z")
    return client
  }
}

let secret = [UInt8](repeating: 7, count: 32)
let password = ScramVerifier(password: "pencil", salt: Array("0123456789abcdef".utf8))

func withBench(
  _ change: @escaping @Sendable (inout PostgresOptions) -> Void = { _ in },
  _ body: @escaping @Sendable (Bench) async throws -> Void
) async throws {
  let loop = UVLoop()
  defer { loop.stop() }
  try await loop.run {
    let engine = FakeEngine(rules: ["dev": .trust, "app": .scram(password)])
    let log = CountingLog()
    let (network, clock) = (TCPNetwork(loop), SystemClock(loop))
    let listener = try await network.listen(on: NetworkAddress(host: "127.0.0.1", port: 0))
    var options = PostgresOptions(loginSecret: secret)
    change(&options)
    let server = PostgresServer(engine: engine, clock: clock, random: SystemRandom(), log: log, options: options)
    let bench = Bench(network: network, clock: clock, engine: engine, log: log, listener: listener, server: server)
    try await withThrowingTaskGroup(of: Void.self) { group in
      group.addTask { await server.serve(listener) }
      defer {
        listener.close()
        group.cancelAll()
      }
      try await body(bench)
    }
  }
}

// MARK: Messages by hand

func big<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.bigEndian) { Array($0) } }
func text(_ value: String) -> [UInt8] { Array(value.utf8) + [0] }
func packet(_ body: [UInt8]) -> [UInt8] { big(UInt32(body.count + 4)) + body }
func message(_ type: Character, _ body: [UInt8] = []) -> [UInt8] { [type.asciiValue!] + packet(body) }
func startup(_ parameters: [String: String], minor: UInt16 = 0) -> [UInt8] {
  packet(big(UInt32(3) << 16 | UInt32(minor)) + parameters.sorted { $0.key < $1.key }.flatMap { text($0.key) + text($0.value) } + [0])
}
func query(_ sql: String) -> [UInt8] { message("Q", text(sql)) }
func parse(_ name: String, _ sql: String, _ types: [UInt32] = []) -> [UInt8] {
  message("P", text(name) + text(sql) + big(UInt16(types.count)) + types.flatMap { big($0) })
}
func bind(
  _ portal: String,
  _ statement: String,
  formats: [Int16] = [],
  _ values: [[UInt8]?] = [],
  results: [Int16] = []
) -> [UInt8] {
  let fields = values.flatMap { value in value.map { big(UInt32($0.count)) + $0 } ?? big(Int32(-1)) }
  return message(
    "B",
    text(portal) + text(statement) + big(UInt16(formats.count)) + formats.flatMap { big($0) } + big(UInt16(values.count)) + fields
      + big(UInt16(results.count)) + results.flatMap { big($0) }
  )
}
func describe(_ target: Character, _ name: String) -> [UInt8] { message("D", [target.asciiValue!] + text(name)) }
func close(_ target: Character, _ name: String) -> [UInt8] { message("C", [target.asciiValue!] + text(name)) }
func execute(_ portal: String, _ limit: Int32 = 0) -> [UInt8] { message("E", text(portal) + big(limit)) }
let sync = message("S")
let flush = message("H")

/// Speaks by hand and tells what came as short lines: `T i:20`, `D 1 | x`, `C SELECT 2`, `Z I`, `E 42601 message`.
final class RawClient: Sendable {
  let connection: any Connection
  private let clock: any Clock
  private let buffer = Mutex<[UInt8]>([])
  let key = Mutex<(UInt32, [UInt8])?>(nil)
  let parameters = Mutex<[String: String]>([:])
  init(_ connection: any Connection, _ clock: any Clock) {
    self.connection = connection
    self.clock = clock
  }
  func send(_ parts: [UInt8]...) async throws { try await connection.send(parts.flatMap { $0 }) }
  func raw() async throws -> (Character, [UInt8])? {
    while true {
      let next: (Character, [UInt8])? = buffer.withLock { bytes in
        guard bytes.count >= 5 else { return nil }
        let length = bytes[1..<5].reduce(0) { $0 << 8 | Int($1) }
        guard bytes.count > length else { return nil }
        defer { bytes.removeFirst(length + 1) }
        return (Character(Unicode.Scalar(bytes[0])), Array(bytes[5..<(length + 1)]))
      }
      if let next { return next }
      let connection = self.connection
      let chunk = try await withDeadline(clock.now + .seconds(20), clock) { try await connection.receive() }
      if chunk.isEmpty { return nil }
      buffer.withLock { $0 += chunk }
    }
  }
  func byte() async throws -> UInt8? { try await connection.receive().first }
  /// The next message that is no ParameterStatus.
  func next() async throws -> String? {
    while let (type, body) = try await raw() {
      switch type {
      case "S":
        let parts = body.split(separator: 0, omittingEmptySubsequences: false).map { String(decoding: $0, as: UTF8.self) }
        parameters.withLock { $0[parts[0]] = parts[1] }
      case "K": key.withLock { $0 = (body[..<4].reduce(0) { $0 << 8 | UInt32($1) }, Array(body[4...])) }
      default: return show(type, body)
      }
    }
    return nil
  }
  func read(_ count: Int) async throws -> [String] {
    var lines: [String] = []
    while lines.count < count, let line = try await next() { lines.append(line) }
    return lines
  }
  /// Messages up to one that begins with `mark`, or the end.
  func until(_ mark: String = "Z") async throws -> [String] {
    var lines: [String] = []
    while let line = try await next() {
      lines.append(line)
      if line.hasPrefix(mark) { return lines }
    }
    return lines + ["(closed)"]
  }
  func close() { connection.close() }
}

private func show(_ type: Character, _ body: [UInt8]) -> String {
  var at = 0
  func number(_ bytes: Int) -> Int {
    defer { at += bytes }
    return body[at..<(at + bytes)].reduce(0) { $0 << 8 | Int($1) }
  }
  func string() -> String {
    let end = body[at...].firstIndex(of: 0) ?? body.count
    defer { at = end + 1 }
    return String(decoding: body[at..<end], as: UTF8.self)
  }
  switch type {
  case "T":
    let columns = (0..<number(2)).map { _ in
      let name = string()
      _ = number(6)
      let oid = number(4)
      _ = number(6)
      return "\(name):\(oid)" + (number(2) == 1 ? "b" : "")
    }
    return (["T"] + columns).joined(separator: " ")
  case "t": return (["t"] + (0..<number(2)).map { _ in "\(number(4))" }).joined(separator: " ")
  case "D":
    let values = (0..<number(2)).map { _ -> String in
      let length = number(4)
      if length == 0xffff_ffff { return "NULL" }
      defer { at += length }
      let bytes = body[at..<(at + length)]
      return bytes.allSatisfy { $0 >= 0x20 } && String(validating: bytes, as: UTF8.self) != nil
        ? String(decoding: bytes, as: UTF8.self) : "0x" + bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
    return "D " + values.joined(separator: " | ")
  case "C": return "C " + string()
  case "Z": return "Z " + String(decoding: body, as: UTF8.self)
  case "E", "N":
    var fields: [Character: String] = [:]
    while at < body.count, body[at] != 0 {
      let code = Character(Unicode.Scalar(body[at]))
      at += 1
      fields[code] = string()
    }
    let more = "DHPW".compactMap { code in fields[code].map { "\(code)=\($0)" } }
    return ([String(type), fields["S"] == "ERROR" ? "" : fields["S"] ?? "", fields["C"] ?? "", fields["M"] ?? ""] + more)
      .filter { !$0.isEmpty }.joined(separator: " ")
  case "R": return "R \(number(4))"
  case "d": return "d " + String(decoding: body, as: UTF8.self)
  case "G", "H": return "\(type) \(number(1)) \(number(2))"
  case "v": return "v \(number(4)) " + (0..<number(4)).map { _ in string() }.joined(separator: ",")
  default: return String(type)
  }
}

// MARK: psql

/// Runs a program and gives what it printed on both streams, in order, and its status.
func run(_ program: String, _ arguments: [String], environment: [String: String] = [:], input: String = "") async throws -> (String, Int32)
{
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  process.environment = ["PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"].merging(environment) { $1 }
  let directory = FileManager.default.temporaryDirectory.appendingPathComponent("tally-pgwire-\(UUID().uuidString)")
  try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
  defer { do { try FileManager.default.removeItem(at: directory) } catch { Issue.record("\(error)") } }
  let (inputFile, outputFile) = (directory.appendingPathComponent("in"), directory.appendingPathComponent("out"))
  try Data(input.utf8).write(to: inputFile)
  try Data().write(to: outputFile)
  let (reading, writing) = (try FileHandle(forReadingFrom: inputFile), try FileHandle(forWritingTo: outputFile))
  process.standardInput = reading
  process.standardOutput = writing
  process.standardError = writing
  let status = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Int32, any Error>) in
    process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
    // The loop's thread blocks all signals, and children inherit that; these must hear SIGINT and SIGALRM.
    var (all, before) = (sigset_t(), sigset_t())
    sigfillset(&all)
    pthread_sigmask(SIG_UNBLOCK, &all, &before)
    defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
    do { try process.run() } catch { continuation.resume(throwing: error) }
  }
  return (String(decoding: try Data(contentsOf: outputFile), as: UTF8.self), status)
}

let psqlPath = "/usr/bin/psql"
let hasPsql = FileManager.default.isExecutableFile(atPath: psqlPath)

extension Bench {
  func psql(
    _ input: String,
    user: String = "dev",
    password: String? = nil,
    _ more: [String] = [],
    options: String = "",
    environment: [String: String] = [:]
  ) async throws -> String {
    let port = String(listener.address.port)
    var own = ["PGHOST": "127.0.0.1", "PGPORT": port, "PGUSER": user, "PGDATABASE": "tally", "PGOPTIONS": options]
    if let password { own["PGPASSWORD"] = password }
    return try await run(
      psqlPath,
      ["-X", "-q", "-A", "-t", "-w"] + more,
      environment: own.merging(environment) { $1 },
      input: input
    ).0
  }
}
