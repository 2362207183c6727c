// PostgresServer.swift — a PostgreSQL 15 of the program's own, in a temporary directory and reached by its socket only; psql asks it.
import Foundation
import Glibc

/// What PostgreSQL gave for a statement.
struct PostgresAnswer: Codable, Equatable {
  /// Rows; NULL is nil.
  var rows: [[String?]] = []
  /// SQLSTATE and message of an error.
  var state: String?
  var message: String?
}

struct ProgramFailure: Error, CustomStringConvertible {
  var description: String
}

final class PostgresServer {
  private static let programs = "/usr/lib/postgresql/15/bin"
  static let isInstalled = FileManager.default.isExecutableFile(atPath: programs + "/initdb")
  private let directory: String
  /// Whether the extension hll could be made.
  private(set) var hasHLL = false

  init() throws {
    directory = NSTemporaryDirectory() + "tally-differential-\(getpid())"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if geteuid() == 0, let user = getpwnam("postgres") { chown(directory, user.pointee.pw_uid, user.pointee.pw_gid) }
    try asOwner(["initdb", "-D", directory + "/data", "-U", "trial", "-A", "trust", "-E", "UTF8", "--locale", "C"])
    let settings = "-c listen_addresses= -c unix_socket_directories=\(directory) -c fsync=off -c timezone=UTC -c jit=off"
    try asOwner(["pg_ctl", "-D", directory + "/data", "-w", "-l", directory + "/log", "-o", settings, "start"])
    hasHLL = try answers(to: ["CREATE EXTENSION hll"], database: "template1").first?.state == nil
  }
  func stop() {
    do {
      try asOwner(["pg_ctl", "-D", directory + "/data", "-w", "-m", "immediate", "stop"])
      try FileManager.default.removeItem(atPath: directory)
    } catch { print("PostgreSQL in \(directory) may still run: \(error)") }
  }

  /// Runs the statements in a new database.
  func answersInNewDatabase(_ statements: [String], name: String) throws -> [PostgresAnswer] {
    _ = try answers(to: ["CREATE DATABASE \(name)"], database: "postgres")
    defer { do { _ = try answers(to: ["DROP DATABASE \(name)"], database: "postgres") } catch { print("\(name) stays: \(error)") } }
    return try answers(to: statements, database: name)
  }
  /// Runs the statements one by one, each as a transaction of its own.
  private func answers(to statements: [String], database: String) throws -> [PostgresAnswer] {
    let script = directory + "/script-\(database).sql"
    // \u{E004} before a statement's rows, \u{E005} behind them; fields, rows and NULL as below. Private characters: encode(…, 'escape')
    // gives any other.
    let text = statements.map { "\\echo -n '\u{E004}'\n\($0);\n\\echo '\u{E005}':SQLSTATE'\u{E006}':LAST_ERROR_MESSAGE\n" }.joined()
    try ("SET statement_timeout = 20000;\n" + text).write(toFile: script, atomically: false, encoding: .utf8)
    let out = try run(
      Self.programs + "/psql",
      [
        "-h", directory, "-U", "trial", "-d", database, "-X", "-A", "-t", "-q", "-P", "null=\u{E001}", "-F", "\u{E002}", "-R", "\u{E003}",
        "-f",
        script,
      ]
    )
    var answers: [PostgresAnswer] = []
    for part in out.split(separator: "\u{E004}", omittingEmptySubsequences: false).dropFirst() {
      guard let border = part.lastIndex(of: "\u{E005}") else {
        throw ProgramFailure(description: "psql ended early after \(answers.count): \(statements[answers.count])")
      }
      let facts = part[part.index(after: border)...].split(separator: "\u{E006}", maxSplits: 1)
      var answer = PostgresAnswer()
      if facts[0] != "00000" {
        answer.state = String(facts[0])
        answer.message = facts.count > 1 ? facts[1].trimmingCharacters(in: .newlines) : ""
      } else {
        var body = part[..<border]
        if !body.isEmpty {
          // By scalars: a CR that ends a value and this are one character.
          if body.unicodeScalars.last == "\n" { body = Substring(body.unicodeScalars.dropLast()) }
          answer.rows = body.split(separator: "\u{E003}", omittingEmptySubsequences: false).map { row in
            row.split(separator: "\u{E002}", omittingEmptySubsequences: false).map { $0 == "\u{E001}" ? nil : String($0) }
          }
        }
      }
      answers.append(answer)
    }
    guard answers.count == statements.count else {
      throw ProgramFailure(description: "\(answers.count) answers to \(statements.count) statements")
    }
    return answers
  }
  private func asOwner(_ command: [String]) throws {
    let program = Self.programs + "/" + command[0]
    guard geteuid() == 0 else {
      _ = try run(program, Array(command.dropFirst()))
      return
    }
    _ = try run("/usr/sbin/runuser", ["-u", "postgres", "--", program] + command.dropFirst())
  }
  private func run(_ program: String, _ arguments: [String]) throws -> String {
    // Files, and no Process: a server that is started keeps what it inherits, and whoever waits for the end of that waits for long.
    let base = NSTemporaryDirectory() + "tally-differential-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
    let (output, errors) = (base + ".out", base + ".err")
    defer { for path in [output, errors] { unlink(path) } }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    for descriptor in Int32(3)..<256 where fcntl(descriptor, F_GETFD) >= 0 { posix_spawn_file_actions_addclose(&actions, descriptor) }
    var vector = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, program, &actions, nil, &vector, environ)
    guard code == 0 else { throw ProgramFailure(description: "cannot run \(program): \(String(cString: strerror(code)))") }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    func text(_ path: String) -> String { String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self) }
    guard status == 0 else { throw ProgramFailure(description: "\(program): \(text(errors).prefix(2000))") }
    return text(output)
  }
}
