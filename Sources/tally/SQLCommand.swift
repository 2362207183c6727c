// SQLCommand.swift — `tally sql`: runs statements and prints their results; without any given it asks for them (Shell).
import ArgumentParser
import Foundation
import Model
import TallyClient

struct SQLCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "sql",
    abstract: "Runs SQL statements in order; stops at the first that fails. Without -c and -f it asks for them, or reads standard input.",
    discussion: """
      At a terminal: statements end with a semicolon, \\? tells the shell's own commands, Ctrl-C cancels a running statement; the history is
      in $XDG_STATE_HOME/tally/history (~/.local/state). Exit codes: 0 done, 1 a statement failed, 2 no connection, 4 timed out.
      """
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
  @Option(name: .customLong("param"), parsing: .singleValue, help: "The value of $1, then of $2, …, as text.")
  var parameters: [String] = []
  @Option(help: "The time zone that times are told in, for example Europe/Berlin. Default: UTC.") var timeZone: String?
  @Flag(help: "Prints how long each statement took.") var timing = false
  @Flag(name: .customLong("continue"), help: "Goes on after a statement that failed.") var goesOn = false

  @Option(
    name: .customLong("batch-key"),
    help: "A UUIDv7: the text is one INSERT that counts once, however often it is run with this key within 24 hours."
  )
  var batchKey: String?

  func validate() throws {
    if batchKey != nil, commands.count + files.count != 1 { throw ValidationError("--batch-key needs exactly one -c or -f") }
    if let timeZone, ClockZone.named(timeZone) == nil { throw ValidationError("time zone \"\(timeZone)\" is not known") }
    if parameters.count > 64 { throw ValidationError("--param may be given 64 times at most") }
  }
  func run() async throws {
    var settings = ShellSettings()
    (settings.format, settings.timeout, settings.timing, settings.goesOn) = (format, timeout, timing, goesOn)
    settings.zone = timeZone.flatMap { ClockZone.named($0) } ?? .utc
    settings.parameters = parameters
    try await reporting {
      settings.read = try ReadLevel(read)
      let asked = settings
      var status: Int32 = 0
      try await TallyClient.with(try connection.resolved()) { client in
        if let batchKey { return try await runKeyed(client, asked, batchKey) }
        for text in commands { try await run(text, client, asked, &status) }
        if commands.isEmpty || !files.isEmpty { status = max(status, await runShell(client, asked)) }
      }
      if status != 0 { throw ExitCode(status) }
    }
  }
  /// Files, or else what is typed or comes on standard input.
  private func runShell(_ client: TallyClient, _ settings: ShellSettings) async -> Int32 {
    let isTerminal = isatty(0) == 1 && files.isEmpty
    let shell = Shell(client, settings, interrupts: isTerminal ? Interrupts() : nil)
    if isTerminal {
      await shell.talk()
      return 0
    }
    for file in files {
      if await !shell.run(file: file) { break }
    }
    if files.isEmpty { _ = await shell.run(script: AnyIterator { readLine() }) }
    return shell.status
  }
  /// Runs the statements of one text as one request.
  private func run(_ text: String, _ client: TallyClient, _ settings: ShellSettings, _ status: inout Int32) async throws {
    do {
      try await show(text, client, settings, batchKey: nil)
    } catch let error as TallyError where goesOn {
      complain(error)
      status = ExitStatus.of(error)
    }
  }
  private func runKeyed(_ client: TallyClient, _ settings: ShellSettings, _ batchKey: String) async throws {
    var text = commands.first ?? ""
    if let file = files.first {
      guard let data = FileManager.default.contents(atPath: file) else { throw ValidationError("cannot read \(file)") }
      text = String(decoding: data, as: UTF8.self)
    }
    try await show(text, client, settings, batchKey: batchKey)
  }
  private func show(_ text: String, _ client: TallyClient, _ settings: ShellSettings, batchKey: String?) async throws {
    let started = Date()
    let results = try await client.run(
      text,
      read: settings.read,
      batchKey: batchKey,
      parameters: parameters,
      timeZone: settings.zone.isUTC ? nil : settings.zone.name,
      deadline: .seconds(timeout)
    )
    for result in results {
      for notice in result.notices { complain("NOTICE:  \(notice.message)") }
      if case .stale = settings.read, let age = result.statistics.age {
        complain(String(format: "Age: at most %.3f ms", Double(age) / 1000))
      }
      if result.columns.isEmpty {
        if format == .table { print(result.tag) }
      } else {
        tally.show(result, as: format, zone: settings.zone)
      }
    }
    if timing { complain(String(format: "Time: %.3f ms", Date().timeIntervalSince(started) * 1000)) }
  }
}
