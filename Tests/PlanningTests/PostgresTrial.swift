// PostgresTrial.swift — a PostgreSQL 15 of the test's own, to ask what expressions give; nil where it is not installed.
import Foundation
import Glibc

/// A server in a temporary directory, reached by its socket only.
final class PostgresTrial {
  private static let programs = "/usr/lib/postgresql/15/bin"
  /// Whether it can be started here.
  static let isInstalled = FileManager.default.isExecutableFile(atPath: programs + "/initdb")

  /// What PostgreSQL makes of an expression.
  enum Answer: Equatable {
    case value(type: String, text: String?)
    case failure(state: String, message: String)
  }

  private let directory: String

  init() throws {
    directory = NSTemporaryDirectory() + "tally-expressions-\(getpid())"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    if geteuid() == 0, let user = getpwnam("postgres") { chown(directory, user.pointee.pw_uid, user.pointee.pw_gid) }
    try asOwner("initdb", ["-D", directory + "/data", "-U", "trial", "-A", "trust", "-E", "UTF8", "--locale", "C"])
    let settings = "-c listen_addresses= -c unix_socket_directories=\(directory) -c fsync=off -c timezone=UTC"
    try asOwner("pg_ctl", ["-D", directory + "/data", "-w", "-l", directory + "/log", "-o", settings, "start"])
    _ = try psql(
      """
      create function try(e text) returns text language plpgsql as $f$
      declare r text; begin
        execute 'select pg_typeof(x)::text || chr(2) || coalesce(x::text, chr(1)) || chr(3) from (select ' || e || ' as x) s' into r;
        return r;
      exception when others then return chr(4) || sqlstate || chr(2) || sqlerrm || chr(3); end $f$;
      """
    )
  }
  deinit {
    do {
      try asOwner("pg_ctl", ["-D", directory + "/data", "-w", "-m", "immediate", "stop"])
      try FileManager.default.removeItem(atPath: directory)
    } catch { print("\(directory) is left behind: \(error)") }
  }

  /// What it makes of each expression.
  func answers(_ expressions: [String]) throws -> [Answer] {
    let script = expressions.map { "select try($tally$\($0)$tally$);" }.joined(separator: "\n")
    let out = try psql(script)
    return out.components(separatedBy: "\u{3}\n").dropLast().map { record in
      let isFailure = record.first == "\u{4}"
      let fields = record.drop { $0 == "\u{4}" }.split(separator: "\u{2}", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      if isFailure { return .failure(state: fields[0], message: fields[1]) }
      return .value(type: fields[0], text: fields.count < 2 || fields[1] == "\u{1}" ? nil : fields[1])
    }
  }
  private func psql(_ script: String) throws -> String {
    let file = directory + "/script.sql"
    try script.write(toFile: file, atomically: true, encoding: .utf8)
    return try run(
      Self.programs + "/psql",
      ["-h", directory, "-U", "trial", "-d", "postgres", "-X", "-A", "-t", "-q", "-f", file]
    )
  }
  @discardableResult private func asOwner(_ name: String, _ arguments: [String]) throws -> String {
    let program = Self.programs + "/" + name
    guard geteuid() == 0 else { return try run(program, arguments) }
    return try run("/usr/sbin/runuser", ["-u", "postgres", "--", program] + arguments)
  }
  private struct Failure: Error { var text: String }
  private func run(_ program: String, _ arguments: [String]) throws -> String {
    // Not Foundation's Process: it waits for a socket that a started server inherits and keeps open.
    let base = directory + "/out"
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, base, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    let words = [program] + arguments
    var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
    defer { for pointer in pointers { free(pointer) } }
    var child: pid_t = 0
    guard posix_spawn(&child, program, &actions, nil, &pointers, environ) == 0 else { throw Failure(text: "\(program) cannot be started") }
    var status: Int32 = 0
    while waitpid(child, &status, 0) == -1, errno == EINTR {}
    guard status == 0 else { throw Failure(text: "\(program) ended with status \(status)") }
    return try String(contentsOfFile: base, encoding: .utf8)
  }
}
