// IngestCommand.swift — `tally ingest`: loads files of CSV or JSON lines, each as a named producer, so that repeating it completes and
// never doubles.
//
// Progress goes to standard error: one line that is redrawn on a terminal, else a line every five seconds. The report goes to standard
// output; with --json as one object a file and, last, one of their sum.
import ArgumentParser
import Foundation
import TallyClient

struct IngestCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ingest",
    abstract:
      "Loads files of CSV or JSON lines (plain or .gz). Running it again completes the load; it never doubles rows."
  )
  @OptionGroup var connection: ConnectionOptions
  @Argument(help: "Files, loaded one after the other.") var files: [String]
  @Option(help: "Table to load into.") var table: String
  @Option(
    help: "csv or ndjson (a JSON object a line). Default: ndjson for .ndjson and .jsonl (also with .gz), else csv.",
    transform: { word in
      guard let format = FileLoad.Format(rawValue: word) else { throw ValidationError("a format is csv or ndjson") }
      return format
    }
  )
  var format: FileLoad.Format?
  @Flag(help: "Of ndjson: leaves out fields that the table has no column for; else the first one ends the load.") var ignoreUnknown = false
  @Option(
    help: "Of csv: columns in the order of the fields, separated by commas. Default: the header's names."
  ) var columns: String?
  @Flag(help: "Of csv: the first line is a row, not a header.") var noHeader = false
  @Option(help: "Of csv: unquoted text that means NULL. Default: nothing between the delimiters.")
  var null = ""
  @Option(help: "Of csv: character between fields; \"tab\" for a tabulator.") var delimiter = ","
  @Option(
    help:
      "File for rows that cannot be read, each with its line and reason; the load goes on without them."
  )
  var reject: String?
  @Option(help: "Name by which this load is known again. Default: the file's path.") var source: String?
  @Flag(help: "Loads the rows anew although they were loaded before.") var again = false
  @Flag(help: "Stores each file whole or not at all; bounded by the workers' memory.") var atomic = false
  @Option(help: "Seconds an outage may last before the load fails.") var patience = 120.0
  @Flag(help: "Prints one JSON object a file, and one of their sum as the last line.") var json =
    false

  func validate() throws {
    if source != nil && files.count > 1 {
      throw ValidationError("--source names one load: give one file")
    }
    if reject != nil && files.count > 1 {
      throw ValidationError("--reject takes the rows of one load: give one file")
    }
    if delimiterByte == nil {
      throw ValidationError("--delimiter is one ASCII character, or \"tab\"")
    }
    let formats = Set(files.map { format ?? FileLoad.Format(ofFile: $0) })
    if formats.contains(.ndjson), columns != nil || noHeader || !null.isEmpty || delimiter != "," {
      throw ValidationError("--columns, --no-header, --null and --delimiter are for csv; fields of JSON objects have names")
    }
    if ignoreUnknown, formats != [.ndjson] { throw ValidationError("--ignore-unknown is for ndjson") }
    if patience < 1 { throw ValidationError("--patience is at least 1") }
  }
  private var delimiterByte: UInt8? {
    if delimiter == "tab" || delimiter == "\\t" { return 9 }
    return delimiter.utf8.count == 1 ? delimiter.utf8.first : nil
  }

  func run() async throws {
    try await reporting {
      let requests = files.map(request)
      try await TallyClient.with(try connection.resolved()) { client in
        var sum = Sum()
        for request in requests {
          let started = Date()
          let meter = ProgressMeter(name: request.file)
          let report = try await client.load(request) { meter.show($0) }
          meter.finish()
          sum.add(report, seconds: Date().timeIntervalSince(started))
          if json {
            print(object(report, request, Date().timeIntervalSince(started)))
          } else {
            tell(report, request, started)
          }
          if let failure = report.failure {
            if json { print(sum.object) }
            tell(failure, request)
            throw ExitCode(ExitStatus.of(failure.error))
          }
        }
        if json { print(sum.object) } else if requests.count > 1 { print(sum.text) }
      }
    }
  }

  private func request(_ file: String) -> FileLoad {
    var load = FileLoad(file: absolute(file), table: table)
    if let format { load.format = format }
    load.ignoresUnknownFields = ignoreUnknown
    load.columns = columns?.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) }
    load.hasHeader = !noHeader
    load.nullText = null
    load.delimiter = delimiterByte ?? 0x2c
    load.rejectFile = reject.map(absolute)
    load.source = source
    load.again = again
    load.isAtomic = atomic
    load.patience = .seconds(patience)
    return load
  }
  private func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }

  private func tell(_ report: LoadReport, _ load: FileLoad, _ started: Date) {
    if !report.firstLoad.isEmpty {
      tally.complain("NOTICE:  this source was loaded before: \(report.firstLoad)")
    }
    let seconds = Date().timeIntervalSince(started)
    var text = "\(load.file): \(report.rowsDurable) rows stored"
    if report.rowsDuplicate > 0 { text += ", \(report.rowsDuplicate) were stored before" }
    if report.rowsRejected > 0 { text += ", \(report.rowsRejected) rejected" }
    print(text + String(format: " (%.1f MB in %.2f s)", Double(report.bytesRead) / 1e6, seconds))
  }
  private func object(_ report: LoadReport, _ load: FileLoad, _ seconds: Double) -> String {
    "{\"file\":\(jsonText(load.file)),\"table\":\(jsonText(load.table)),\"rows_durable\":\(report.rowsDurable),"
      + "\"rows_duplicate\":\(report.rowsDuplicate),\"rows_rejected\":\(report.rowsRejected),\"chunks\":\(report.chunks),"
      + "\"retries\":\(report.retries),\"bytes\":\(report.bytesRead),\"seconds\":\(String(format: "%.3f", seconds)),"
      + "\"complete\":\(report.failure == nil)}"
  }
  private func tell(_ failure: LoadFailure, _ load: FileLoad) {
    var place = load.file
    if let line = failure.line { place += ", line \(line)" }
    if let column = failure.column { place += ", column \(column)" }
    var error = failure.error
    // Line and column stand in the place already.
    if failure.line != nil { error.detail = nil }
    tally.complain(error)
    tally.complain("WHERE:  \(place)\nSTORED:  \(failure.acknowledged)")
  }
}

/// What several files came to.
private struct Sum {
  var files = 0
  var durable: UInt64 = 0
  var duplicate: UInt64 = 0
  var rejected: UInt64 = 0
  var bytes: UInt64 = 0
  var seconds = 0.0
  var isComplete = true
  mutating func add(_ report: LoadReport, seconds more: Double) {
    files += 1
    durable += report.rowsDurable
    duplicate += report.rowsDuplicate
    rejected += report.rowsRejected
    bytes += report.bytesRead
    seconds += more
    isComplete = isComplete && report.failure == nil
  }
  var object: String {
    "{\"rows_durable\":\(durable),\"rows_duplicate\":\(duplicate),\"rows_rejected\":\(rejected),\"files\":\(files),"
      + "\"bytes\":\(bytes),\"seconds\":\(String(format: "%.3f", seconds)),\"complete\":\(isComplete)}"
  }
  var text: String {
    "\(files) files: \(durable) rows stored, \(duplicate) were stored before, \(rejected) rejected "
      + String(format: "(%.1f MB in %.2f s)", Double(bytes) / 1e6, seconds)
  }
}

/// Shows how far a load is.
private final class ProgressMeter: @unchecked Sendable {
  // Safe: the lock guards the fields.
  private let lock = NSLock()
  private let name: String
  private let started = Date()
  private var shown = Date()
  private var isDrawn = false
  private let isTerminal = isatty(2) == 1

  init(name: String) { self.name = name }
  func show(_ progress: LoadProgress) {
    lock.lock()
    defer { lock.unlock() }
    let now = Date()
    if now.timeIntervalSince(shown) < (isTerminal ? 0.2 : 5) { return }
    shown = now
    let seconds = max(0.001, now.timeIntervalSince(started))
    let share =
      progress.bytesTotal == 0 ? 1 : Double(progress.bytesRead) / Double(progress.bytesTotal)
    let text = String(
      format: "%@: %.0f %%, %llu rows, %.0f rows/s",
      (name as NSString).lastPathComponent,
      share * 100,
      progress.rowsAcknowledged,
      Double(progress.rowsAcknowledged) / seconds
    )
    if isTerminal {
      isDrawn = true
      FileHandle.standardError.write(Data(("\r\u{1b}[K" + text).utf8))
    } else {
      complain(text)
    }
  }
  func finish() {
    lock.lock()
    defer { lock.unlock() }
    if isDrawn { FileHandle.standardError.write(Data("\r\u{1b}[K".utf8)) }
  }
}
