// ExternalProgram.swift — runs other programs to their end.
//
// Output goes through files: a program may leave a daemon behind, which would hold a pipe (or whatever else tells of the end) open.
import Foundation
import Glibc

/// Other programs.
enum ExternalProgram {
  /// Runs a program and gives its standard output; throws with its standard error when it fails.
  static func run(_ path: String, _ arguments: [String]) throws -> String {
    let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("bench-\(UUID().uuidString)").path
    let (output, errors) = (scratch + ".out", scratch + ".err")
    defer {
      unlink(output)
      unlink(errors)
    }
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var attributes = posix_spawnattr_t()
    posix_spawnattr_init(&attributes)
    defer { posix_spawnattr_destroy(&attributes) }
    // Threads of Swift's pool block signals, which a child would inherit.
    var none = sigset_t()
    sigemptyset(&none)
    posix_spawnattr_setsigmask(&attributes, &none)
    posix_spawnattr_setflags(&attributes, 0x08)  // POSIX_SPAWN_SETSIGMASK, hidden by Glibc's module
    var vector = ([path] + arguments).map { strdup($0) } + [nil]
    defer { for pointer in vector { free(pointer) } }
    var process: pid_t = 0
    let code = posix_spawn(&process, path, &actions, &attributes, &vector, environ)
    guard code == 0 else { throw BenchFailure("cannot run \(path): \(String(cString: strerror(code)))") }
    var status: Int32 = 0
    while waitpid(process, &status, 0) < 0 && errno == EINTR {}
    guard status == 0 else {
      // Of the status: the exit code in the second byte, a signal in the first.
      throw BenchFailure(
        "\(path) \(arguments.prefix(4).joined(separator: " ")): exit \(status >> 8), signal \(status & 0x7f)\n\(text(errors))"
      )
    }
    return text(output)
  }
  private static func text(_ path: String) -> String {
    String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
  }
}
