// SQLCommand.swift — `tally sql`: runs statements and prints their results.
import ArgumentParser
import Foundation
import TallyClient

struct SQLCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sql",
    abstract: "Runs SQL statements in order; stops at the first that fails."
  )
  @OptionGroup var connection: ConnectionOptions
  @Option(
    name: .customShort("c"),
    parsing: .singleValue,
    help: "A statement (or several, separated by semicolons)."
  )
  var commands: [String] = []
  @Option(
    name: .customShort("f"),
    parsing: .singleValue,
    help: "A file of statements, run after those of -c."
  )
  var files: [String] = []
  @Option(help: "table, csv or json (one object a line).") var format = OutputFormat.table
  @Option(help: "Seconds a statement may take.") var timeout = 60.0
  @Option(help: "How new what queries show must be: latest, session or 'stale 5s'. The last two need no majority of coordinators.")
  var read = "latest"
  @Flag(help: "Prints how long each statement took, to standard error.") var timing = false

  @Option(
    name: .customLong("batch-key"),
    help: "A UUIDv7: the text is one INSERT that counts once, however often it is run with this key within 24 hours."
  )
  var batchKey: String?

  func validate() throws {
    if batchKey != nil, commands.count + files.count != 1 { throw ValidationError("--batch-key needs exactly one -c or -f") }
    if commands.isEmpty && files.isEmpty { throw ValidationError("give statements with -c or -f") }
  }
  func run() async throws {
    try await reporting {
      var texts = commands
      for file in files {
        guard let data = FileManager.default.contents(atPath: file) else {
          throw ValidationError("cannot read \(file)")
        }
        texts.append(String(decoding: data, as: UTF8.self))
      }
      let statements = texts
      let level = try ReadLevel(read)
      try await TallyClient.with(try connection.resolved()) { client in
        for text in statements {
          let started = Date()
          for result in try await client.run(text, read: level, batchKey: batchKey, deadline: .seconds(timeout)) {
            for notice in result.notices { complain("NOTICE:  \(notice.message)") }
            if case .stale = level, let age = result.statistics.age {
              complain(String(format: "Age: at most %.3f ms", Double(age) / 1000))
            }
            if result.columns.isEmpty {
              if format == .table { print(result.tag) }
            } else {
              show(result, as: format)
            }
          }
          if timing {
            complain(String(format: "Time: %.3f ms", Date().timeIntervalSince(started) * 1000))
          }
        }
      }
    }
  }
}
