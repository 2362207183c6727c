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
    _ = try? asOwner(["pg_ctl", "-D", directory + "/data", "-w", "-m", "immediate", "stop"])
    try? FileManager.default.removeItem(atPath: directory)
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
    if out.isEmpty || out == "\n" { return [] }
    return out.split(separator: "\u{3}", omittingEmptySubsequences: false).map { line in
      line.drop { $0 == "\n" && line.count == 1 }.split(separator: "\u{2}", omittingEmptySubsequences: false).map { field in
        let text = field.hasSuffix("\n") && !field.contains("\u{3}") ? String(field.dropLast()) : String(field)
        return text == "\u{1}" ? nil : text
      }
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
  @discardableResult private func asOwner(_ command: [String]) throws -> String {
    let program = Self.programs + "/" + command[0]
    guard geteuid() == 0 else { return try run(program, Array(command.dropFirst())) }
    return try run("/usr/sbin/runuser", ["-u", "postgres", "--", program] + command.dropFirst())
  }
  private func run(_ program: String, _ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: "/")
    // Files, not pipes: a server that is started keeps what it inherits.
    let base = directory + "/out-\(UInt32.random(in: 0...UInt32.max))"
    for path in [base, base + "-errors"] { _ = FileManager.default.createFile(atPath: path, contents: nil) }
    process.standardOutput = FileHandle(forWritingAtPath: base)
    process.standardError = FileHandle(forWritingAtPath: base + "-errors")
    try process.run()
    process.waitUntilExit()
    let out = try String(contentsOfFile: base, encoding: .utf8)
    let errors = try String(contentsOfFile: base + "-errors", encoding: .utf8)
    for path in [base, base + "-errors"] { try? FileManager.default.removeItem(atPath: path) }
    guard process.terminationStatus == 0 else { throw Failure(text: errors.isEmpty ? out : errors) }
    return out
  }
}
