// Tally.swift — the command `tally`: the root of its subcommands, the options they share, and its exit codes.
import ArgumentParser
import Foundation
import Launcher
import Model
import SQLShell
import TallyClient

@main struct Tally: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "tally",
    abstract: "Runs local Tally clusters, and asks and loads any.",
    version: "tally 0.1.0",
    subcommands: [
      ClusterCommand.self, SQLCommand.self, IngestCommand.self, StatusCommand.self,
      NodeCommand.self, ShardCommand.self,
      TableCommand.self, RollupCommand.self, StatementCommand.self, DoctorCommand.self, SalvageCommand.self,
      TenantCommand.self, PasswordCommand.self,
    ]
  )
  @OptionGroup var connection: ConnectionOptions
}

/// Where the cluster is.
struct ConnectionOptions: ParsableArguments {
  @Option(help: "Cluster to talk to: tally://host:port[,host:port]/tally. Default: TALLY_URL.")
  var url: String?

  func resolved() throws -> String {
    if let url { return url }
    if let url = ProcessInfo.processInfo.environment["TALLY_URL"], !url.isEmpty { return url }
    throw ValidationError("no cluster given: use --url tally://host:port/tally or set TALLY_URL")
  }
}

/// Exit codes, as the README lists them.
enum ExitStatus {
  static let failed: Int32 = 1
  static let noConnection: Int32 = 2
  static let degraded: Int32 = 3
  static let timedOut: Int32 = 4

  /// The exit code that tells of an error.
  static func of(_ error: TallyError) -> Int32 {
    switch error.status {
    case .timedOut: timedOut
    case _ where error.sqlState == "08001": noConnection
    default: failed
    }
  }
}

/// Runs a command's body; prints its error in psql's manner and turns it into an exit code.
func reporting(_ body: () async throws -> Void) async throws {
  do { try await body() } catch let error as TallyError {
    complain(error)
    throw ExitCode(ExitStatus.of(error))
  } catch let error as LaunchFailure {
    complain("ERROR:  \(error.description)")
    throw ExitCode(ExitStatus.failed)
  }
}

/// Prints an error with its SQLSTATE, position, detail and hint to standard error; in a text that is known with a caret below its place.
func complain(_ error: TallyError, in sql: String? = nil) {
  var text = "ERROR:  \(error.sqlState): \(error.message)"
  if let position = error.position {
    text += "\n" + (sql.flatMap { ErrorPlace.shown(position, in: $0) } ?? "POSITION:  \(position)")
  }
  if let detail = error.detail { text += "\nDETAIL:  \(detail)" }
  if let hint = error.hint { text += "\nHINT:  \(hint)" }
  if let node = error.node { text += "\nNODE:  \(node)" }
  complain(text)
}
/// Prints a line to standard error.
func complain(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }
