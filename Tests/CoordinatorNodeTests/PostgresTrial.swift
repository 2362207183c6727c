// PostgresTrial.swift — a PostgreSQL 15 of the test's own, to ask what it does; nil where it is not installed.
import Foundation
import Glibc

/// A server in a temporary directory, reached by its socket only.
final class PostgresTrial {
  private static let programs = "/usr/lib/postgresql/15/bin"
  /// Whether it can be started here.
  static let isInstalled = FileManager.default.isExecutableFile(atPath: programs + "/initdb")

  private let directory: String

  init() throws {
    directory = NSTemporaryDirectory() + "tally-catalogs-\(getpid())-\(UInt32.random(in: 0...999_999))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if geteuid() == 0, let user = getpwnam("postgres") { chown(directory, user.pointee.pw_uid, user.pointee.pw_gid) }
    try asOwner(["initdb", "-D", directory + "/data", "-U", "trial", "-A", "trust", "-E", "UTF8", "--locale", "C"])
    let settings = "-c listen_addresses= -c unix_socket_directories=\(directory) -c port=5432 -c fsync=off -c timezone=UTC"
    try asOwner(["pg_ctl", "-D", directory + "/data", "-w", "-l", directory + "/log", "-o", settings, "start"])
  }
  deinit {
    do {
      try asOwner(["pg_ctl", "-D", directory + "/data", "-w", "-m", "immediate", "stop"])
      try FileManager.default.removeItem(atPath: directory)
    } catch { print("PostgreSQL in \(directory) may still run: \(error)") }
  }

  /// Rows of a query; NULL is nil.
  func rows(_ sql: String) throws -> [[String?]] {
    let out = try run(
      Self.programs + "/psql",
      [
        "-h", directory, "-U", "trial", "-d", "postgres", "-X", "-A", "-t", "-q", "-v", "ON_ERROR_STOP=1", "-P", "null=\u{1}", "-F",
        "\u{2}", "-R", "\u{3}", "-c", sql,
      ]
    )
    if out.isEmpty { return [] }
    let body = out.hasSuffix("\n") ? out.dropLast() : out[...]
    return body.split(separator: "\u{3}", omittingEmptySubsequences: false).map { line in
      line.split(separator: "\u{2}", omittingEmptySubsequences: false).map { $0 == "\u{1}" ? nil : String($0) }
    }
  }
  /// The message of a statement that fails.
  func failure(_ sql: String) -> String? {
    do {
      _ = try rows(sql)
      return nil
    } catch let error as Failure {
      return error.text.split(separator: "\n").first { $0.hasPrefix("ERROR:") }.map { String($0.dropFirst(8)) }
    } catch { return nil }
  }

  struct Failure: Error, CustomStringConvertible {
    var text: String
    var description: String { text }
  }
  private func asOwner(_ command: [String]) throws {
    let program = Self.programs + "/" + command[0]
    guard geteuid() == 0 else {
      _ = try run(program, Array(command.dropFirst()))
      return
    }
    _ = try run("/usr/sbin/runuser", ["-u", "postgres", "--", program] + command.dropFirst())
  }
  /// What psql prints of a script: rows, `|` between columns, and messages without their places.
  func session(_ script: String) throws -> (rows: [String], messages: [String]) {
    let path = NSTemporaryDirectory() + "tally-script-\(getpid())-\(UInt32.random(in: 0...UInt32.max)).sql"
    try script.write(toFile: path, atomically: true, encoding: .utf8)
    defer { unlink(path) }
    let (output, errors) = try runBoth(
      Self.programs + "/psql",
      ["-h", directory, "-U", "trial", "-d", "postgres", "-X", "-A", "-t", "-q", "-P", "null=NULL", "-f", path]
    )
    var messages: [String] = []
    for var line in errors.split(separator: "\n") {
      if line.hasPrefix("psql:"), let place = line.firstRange(of: ".sql:") {
        line = line[place.upperBound...].drop { $0 != " " }.dropFirst()
      } else if line.hasPrefix("LINE ") || line.hasPrefix("QUERY:") || line.allSatisfy({ $0 == " " || $0 == "^" }) {
        continue
      }
      messages.append(String(line))
    }
    return (output.split(separator: "\n", omittingEmptySubsequences: false).dropLast().map { String($0) }, messages)
  }
  private func run(_ program: String, _ arguments: [String]) throws -> String { try runBoth(program, arguments).output }
  private func runBoth(_ program: String, _ arguments: [String]) throws -> (output: String, errors: String) {
    // Files, and no Process: a server that is started keeps what it inherits, and whoever waits for the end of that waits for long.
    let base = NSTemporaryDirectory() + "tally-catalogs-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let (output, errors) = (base + ".out", base + ".err")
    defer { for path in [output, errors] { unlink(path) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    // Locks of whoever runs the tests would stay with the server.
    for descriptor in Int32(3)..<256 where fcntl(descriptor, F_GETFD) >= 0 {
      posix_spawn_file_actions_addclose(&actions, descriptor)
    }
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of Swift's pool block signals, which a child would inherit.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, 0x08)  // POSIX_SPAWN_SETSIGMASK, hidden by Glibc's module
    var vector = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, program, &actions, &attributes, &vector, environ)
    guard code == 0 else { throw Failure(text: "cannot run \(program): \(String(cString: strerror(code)))") }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    guard status == 0 else { throw Failure(text: Self.text(errors)) }
    return (Self.text(output), Self.text(errors))
  }
  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}
