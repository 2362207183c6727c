// Shell.swift — `tally sql` without -c: statements typed at a prompt, or read from standard input or a file, one after the other.
//
// A statement is sent when its semicolon has come (StatementSplitter), over the same RPC as -c. Lines that begin with a backslash where no
// statement is under way are the shell's own (MetaCommand).
import Foundation
import Model
import SQLShell
import TallyClient

/// How statements are run and shown.
struct ShellSettings: Sendable {
  var format = OutputFormat.table
  var read = ReadLevel.latest
  var timeout = 60.0
  var timing = false
  var isExpanded = false
  var goesOn = false
  var zone = ClockZone.utc
  var parameters: [String] = []
}

/// Runs statements for somebody.
final class Shell {
  private let client: TallyClient
  private var settings: ShellSettings
  private let interrupts: Interrupts?
  private var splitter = StatementSplitter()
  private var includes = 0
  /// The worst that happened.
  private(set) var status: Int32 = 0
  private var isEnded = false

  init(_ client: TallyClient, _ settings: ShellSettings, interrupts: Interrupts?) {
    (self.client, self.settings, self.interrupts) = (client, settings, interrupts)
  }

  /// Talks with somebody at a terminal until they go.
  func talk() async {
    let terminal = Terminal()
    print("tally 0.1.0 — \\? for help, \\q to quit")
    while !isEnded {
      switch terminal.line(prompt: "tally\(splitter.prompt)> ") {
      case .line(let line): _ = await take(line)
      case .interrupted: splitter.clear()
      case .ended:
        if splitter.isEmpty { return }
        // As psql: what was begun is forgotten first.
        splitter.clear()
      }
    }
  }
  /// Runs a script; false when it stopped at an error.
  func run(script: some Sequence<String>) async -> Bool {
    for line in script {
      if isEnded { return true }
      if await !take(line), !settings.goesOn { return false }
    }
    guard let rest = splitter.take() else { return true }
    return await run(rest)
  }
  /// Runs a file's statements.
  func run(file: String) async -> Bool {
    guard let data = FileManager.default.contents(atPath: file) else {
      complain("ERROR:  cannot read \(file)")
      status = ExitStatus.failed
      return false
    }
    guard includes < 16 else {
      complain("ERROR:  \(file): files include each other")
      status = ExitStatus.failed
      return false
    }
    includes += 1
    defer { includes -= 1 }
    let lines = String(decoding: data, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
    return await run(script: lines.lazy.map { $0.hasSuffix("\r") ? String($0.dropLast()) : String($0) })
  }

  /// Takes a line: a command of the shell, or a piece of statements; false when something failed.
  private func take(_ line: String) async -> Bool {
    if splitter.inside == .nothing, splitter.isEmpty, line.drop(while: \.isWhitespace).hasPrefix("\\") {
      return await obey(MetaCommand(String(line.drop(while: \.isWhitespace))))
    }
    var text = line
    var goes = false
    var trimmed = Substring(line)
    while trimmed.last?.isWhitespace ?? false { trimmed.removeLast() }
    for command in ["\\g", "\\r", "\\p"] where trimmed.hasSuffix(command) {
      var probe = splitter
      _ = probe.append(String(trimmed.dropLast(2)))
      guard probe.inside == .nothing else { continue }
      if command == "\\r" {
        splitter.clear()
        return true
      }
      text = String(trimmed.dropLast(2))
      goes = command == "\\g"
      if command == "\\p" { print(probe.pending) }
    }
    var isGood = true
    for statement in splitter.append(text) {
      isGood = await run(statement) && isGood
      if !isGood, !settings.goesOn { break }
    }
    if goes, let rest = splitter.take() { isGood = await run(rest) && isGood }
    return isGood
  }

  private func obey(_ command: MetaCommand) async -> Bool {
    switch command {
    case .quit: isEnded = true
    case .help: print(MetaCommand.helpText, terminator: "")
    case .list(let title, let query): return await attempt(query) { show($0.last, title: title) }
    case .describe(let name): return await describe(name)
    case .expanded(let flag):
      settings.isExpanded = flag ?? !settings.isExpanded
      print("Expanded display is \(settings.isExpanded ? "on" : "off").")
    case .timing(let flag):
      settings.timing = flag ?? !settings.timing
      print("Timing is \(settings.timing ? "on" : "off").")
    case .include(let file): return await run(file: file)
    case .go: if let rest = splitter.take() { return await run(rest) }
    case .reset: splitter.clear()
    case .show: print(splitter.pending)
    case .zone(nil): print("Times are told in \(settings.zone.name).")
    case .zone(let name?):
      guard let zone = ClockZone.named(name) else { return fail("time zone \"\(name)\" not recognized") }
      settings.zone = zone
      print("Times are told in \(zone.name).")
    case .echo(let text): print(text)
    case .unknown(let name): return fail("invalid command \(name)", hint: "Try \\? for help.")
    }
    return true
  }
  private func fail(_ message: String, hint: String? = nil) -> Bool {
    complain("ERROR:  \(message)" + (hint.map { "\nHINT:  \($0)" } ?? ""))
    status = ExitStatus.failed
    return false
  }
  private func describe(_ name: String) async -> Bool {
    await attempt(MetaCommand.relation(name)) { found in
      guard let row = found.last?.textRows().first, let kind = row[0], let full = row[1] else {
        throw TallyError.sql("42P01", "Did not find any relation named \"\(name)\".")
      }
      let isRollup = kind == "m"
      show(try await query(MetaCommand.columns(name)).last, title: "\(isRollup ? "Rollup" : "Table") \"\(full)\"", hasFooter: false)
      if isRollup, let text = try await query(MetaCommand.definition(name)).last?.textRows().first?[0] {
        print("Definition:\n\(text)")
      } else if let place = try await query(MetaCommand.distribution(name)).last?.textRows().first, let column = place[0] {
        print("Distributed by \"\(column)\" over \(place[1] ?? "?") shards")
      }
    }
  }

  // MARK: Statements

  private func query(_ sql: String, parameters: [String] = []) async throws -> [Rows] {
    let (client, settings) = (client, settings)
    let body = { @Sendable in
      try await client.run(
        sql,
        read: settings.read,
        parameters: parameters,
        timeZone: settings.zone.isUTC ? nil : settings.zone.name,
        deadline: .seconds(settings.timeout)
      )
    }
    guard let interrupts else { return try await body() }
    return try await interrupts.cancelling(body)
  }
  private func attempt(_ sql: String, _ body: ([Rows]) async throws -> Void) async -> Bool {
    do {
      try await body(try await query(sql))
      return true
    } catch { return tell(error, sql) }
  }
  /// Runs one statement and shows what it gave; false when it failed.
  private func run(_ sql: String) async -> Bool {
    let started = Date()
    let isGood: Bool
    do {
      for result in try await query(sql, parameters: settings.parameters) {
        for notice in result.notices {
          complain("NOTICE:  \(notice.message)" + (notice.hint.map { "\nHINT:  \($0)" } ?? ""))
        }
        if result.columns.isEmpty {
          if settings.format == .table, !result.tag.isEmpty { print(result.tag) }
        } else {
          show(result, title: nil)
        }
      }
      isGood = true
    } catch { isGood = tell(error, sql) }
    if settings.timing { print(String(format: "Time: %.3f ms", Date().timeIntervalSince(started) * 1000)) }
    fflush(nil)
    return isGood
  }
  private func tell(_ error: any Error, _ sql: String) -> Bool {
    fflush(nil)
    switch error {
    case let error as TallyError:
      complain(error, in: sql)
      status = ExitStatus.of(error)
    default:
      complain("ERROR:  \(error)")
      status = ExitStatus.failed
    }
    return false
  }
  private func show(_ rows: Rows?, title: String?, hasFooter: Bool = true) {
    guard let rows else { return }
    guard settings.format == .table else { return tally.show(rows, as: settings.format, zone: settings.zone) }
    let table = AlignedTable(rows, zone: settings.zone)
    if settings.isExpanded { return print(table.expanded(), terminator: "") }
    var text = table.aligned(title: title)
    if !hasFooter, let end = text.dropLast().lastIndex(of: "\n") { text = String(text[...end]) }
    print(text, terminator: "")
  }
}

extension AlignedTable {
  init(_ rows: Rows, zone: ClockZone) {
    self.init(rows.columns.map { Column($0.name, isRight: $0.type.isNumber) }, rows.textRows(zone: zone))
  }
}
