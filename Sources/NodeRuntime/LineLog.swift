// LineLog.swift — events as logfmt lines on stderr, or handed to a swift-log Logger.
//
// A line: `ts=2026-01-31T12:00:00.123456Z level=info node=worker-1 event=started port=7001`. Values with anything but
// visible ASCII (or with `"`, `=`) are quoted and escaped. One write(2) per line: lines of several threads never mix.

internal import CUV
public import Capabilities
internal import Glibc
public import Logging

/// Writes each event as one line to standard error.
public struct LineLog: EventLog {
  private let node: String
  private let minimum: EventLevel
  private let descriptor: Int32
  /// Makes a log that names its node in every line and drops events below `minimum`.
  public init(node: String, minimum: EventLevel = .info, descriptor: Int32 = 2) {
    self.node = node
    self.minimum = minimum
    self.descriptor = descriptor
  }
  /// Writes the line.
  public func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {
    if level < minimum { return }
    writeLine(Self.line(wallMicroseconds: wallTime(), level, node, event, fields), to: descriptor)
  }
  /// The line, without its newline.
  static func line(
    wallMicroseconds: Int64,
    _ level: EventLevel,
    _ node: String,
    _ event: String,
    _ fields: [(String, String)]
  ) -> String {
    var line =
      "ts=\(timestamp(wallMicroseconds)) level=\(level) node=\(quoted(node)) event=\(quoted(event))"
    for (key, value) in fields { line += " \(key)=\(quoted(value))" }
    return line
  }
  private static func quoted(_ value: String) -> String {
    let isPlain = value.utf8.allSatisfy {
      $0 > 0x20 && $0 < 0x7F && $0 != 0x22 && $0 != 0x3D && $0 != 0x5C
    }
    if isPlain && !value.isEmpty { return value }
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      default:
        if scalar.value < 0x20 || scalar.value == 0x7F {
          text += "\\u{" + String(scalar.value, radix: 16) + "}"
        } else {
          text.unicodeScalars.append(scalar)
        }
      }
    }
    return text + "\""
  }
  /// ISO 8601 in UTC with microseconds.
  static func timestamp(_ wallMicroseconds: Int64) -> String {
    var seconds = time_t(wallMicroseconds / 1_000_000)
    var parts = tm()
    gmtime_r(&seconds, &parts)
    func padded(_ number: Int64, _ width: Int) -> String {
      let digits = String(number)
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let date = [Int64(parts.tm_year) + 1900, Int64(parts.tm_mon) + 1, Int64(parts.tm_mday)].map {
      padded($0, 2)
    }
    let time = [Int64(parts.tm_hour), Int64(parts.tm_min), Int64(parts.tm_sec)].map {
      padded($0, 2)
    }
    return date.joined(separator: "-") + "T" + time.joined(separator: ":") + "."
      + padded(wallMicroseconds % 1_000_000, 6) + "Z"
  }
}

/// Hands events to a swift-log `Logger`, so that a program using the client library keeps its own log back end.
public struct LoggerLog: EventLog {
  private let logger: Logger
  /// Makes a log in front of `logger`.
  public init(_ logger: Logger) { self.logger = logger }
  /// Logs the event's name with its fields as metadata.
  public func record(_ level: EventLevel, _ event: String, _ fields: [(String, String)]) {
    let levels: [EventLevel: Logger.Level] = [
      .debug: .debug, .info: .info, .warning: .warning, .error: .error,
    ]
    var metadata: Logger.Metadata = [:]
    for (key, value) in fields { metadata[key] = .string(value) }
    logger.log(level: levels[level] ?? .error, "\(event)", metadata: metadata)
  }
}

/// Writes text and a newline by one system call where the kernel allows; a log that cannot be written is lost.
func writeLine(_ line: String, to descriptor: Int32) {
  var bytes = Array((line + "\n").utf8)[...]
  while !bytes.isEmpty {
    let count = bytes.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
    if count < 0 && errno == EINTR { continue }
    if count <= 0 { return }
    bytes = bytes.dropFirst(count)
  }
}
