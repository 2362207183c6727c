// PasswordCommand.swift — `tally password`: makes the line of a user for a coordinator's --passwords file.
import ArgumentParser
import Foundation
import Model
import PostgresWire

struct PasswordCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "password",
    abstract: "Makes a user's line for the file that tally-coordinator --passwords reads.",
    discussion: """
      Asks for the password, or reads it from standard input when that is no terminal. The line holds no password, only what
      SCRAM-SHA-256 checks one by. With --file it is put into that file, in place of the user's line there; coordinators notice.
      """
  )
  @Argument(help: "The user.") var name: String
  @Option(help: "File to put the line into; made when it is not there, readable by its owner only.") var file: String?

  func validate() throws {
    if name.isEmpty || name.contains(":") || name.contains("\n") || name.hasPrefix("#") {
      throw ValidationError("a user's name has no colon, no line break and no # in front")
    }
  }
  func run() async throws {
    try await reporting {
      let password = try Self.ask()
      var generator = SystemRandomNumberGenerator()
      let salt = (0..<ScramVerifier.saltBytes).map { _ in UInt8.random(in: .min ... .max, using: &generator) }
      let line = name + ":" + ScramVerifier(password: password, salt: salt, iterations: ScramVerifier.ownIterations).text
      guard let file else { return print(line) }
      try put(line, into: file)
    }
  }

  private static func ask() throws -> String {
    guard isatty(0) == 1 else {
      guard let line = readLine(), !line.isEmpty else { throw TallyError(.invalid, "no password on standard input") }
      return line
    }
    let first = try askOnce("Password: ")
    guard try askOnce("Again: ") == first else { throw TallyError(.invalid, "the passwords differ") }
    return first
  }
  private static func askOnce(_ prompt: String) throws -> String {
    var old = termios()
    tcgetattr(0, &old)
    var quiet = old
    quiet.c_lflag &= ~tcflag_t(ECHO)
    FileHandle.standardError.write(Data(prompt.utf8))
    tcsetattr(0, TCSAFLUSH, &quiet)
    defer {
      tcsetattr(0, TCSAFLUSH, &old)
      FileHandle.standardError.write(Data("\n".utf8))
    }
    guard let line = readLine(), !line.isEmpty else { throw TallyError(.invalid, "no password was typed") }
    return line
  }
  /// Writes the file anew beside it and renames it: a coordinator never reads half of it.
  private func put(_ line: String, into file: String) throws {
    var lines: [String] = []
    if let old = FileManager.default.contents(atPath: file) {
      lines = String(decoding: old, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if lines.last == "" { lines.removeLast() }
      lines.removeAll { $0.hasPrefix(name + ":") }
    }
    lines.append(line)
    let fresh = file + ".new"
    let data = Data((lines.joined(separator: "\n") + "\n").utf8)
    guard FileManager.default.createFile(atPath: fresh, contents: data, attributes: [.posixPermissions: 0o600]),
      rename(fresh, file) == 0
    else { throw TallyError(.invalid, "\(file) cannot be written", sqlState: "58030") }
  }
}
