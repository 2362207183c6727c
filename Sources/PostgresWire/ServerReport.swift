// ServerReport.swift — errors and notices as PostgreSQL's clients read them, field by field.
//
//   E ErrorResponse, N NoticeResponse: fields (u8 code, text\0) …, \0
//   S severity, V severity (not translated), C SQLSTATE, M message, D detail, H hint, P place in the text, W context,
//   s schema, t table, c column, d data type, n constraint. F, L and R (place in a source) are left out.

internal import Bytes
public import Model

/// How bad a report is.
public enum ReportSeverity: String, Sendable {
  /// The statement failed.
  case error = "ERROR"
  /// The connection ends with it.
  case fatal = "FATAL"
  case warning = "WARNING"
  case notice = "NOTICE"
  case info = "INFO"
  case log = "LOG"
  case debug = "DEBUG"
}

/// An error or notice with what only PostgreSQL's protocol has a field for. An engine may throw it instead of a `TallyError`.
public struct ServerReport: Error, Sendable {
  /// How bad it is.
  public var severity: ReportSeverity
  /// Message, SQLSTATE, detail, hint, position, node, subject.
  public var error: TallyError
  /// Where it happened: `COPY t, line 3: "…"`.
  public var context: String?

  /// Makes a report of an error.
  public init(_ error: TallyError, _ severity: ReportSeverity = .error, context: String? = nil) {
    self.severity = severity
    self.error = error
    self.context = context ?? error.context
  }
  /// A notice.
  public static func notice(_ message: String, sqlState: String = "00000", hint: String? = nil) -> ServerReport {
    ServerReport(TallyError(.invalid, message, sqlState: sqlState, hint: hint), .notice)
  }
  /// A warning.
  public static func warning(_ sqlState: String, _ message: String) -> ServerReport {
    ServerReport(TallyError(.invalid, message, sqlState: sqlState), .warning)
  }

  /// Detail and the node that failed.
  private var detail: String? {
    guard let node = error.node else { return error.detail }
    return error.detail.map { $0 + "\nNode: \(node)." } ?? "Node: \(node)."
  }
  func write(into out: inout ByteWriter) {
    let isNotice = severity != .error && severity != .fatal
    let start = out.begin(isNotice ? UInt8(ascii: "N") : UInt8(ascii: "E"))
    func field(_ code: Unicode.Scalar, _ text: String?, _ out: inout ByteWriter) {
      guard let text else { return }
      out.u8(UInt8(ascii: code))
      out.zeroTerminated(text)
    }
    field("S", severity.rawValue, &out)
    field("V", severity.rawValue, &out)
    field("C", error.sqlState.utf8.count == 5 ? error.sqlState : "XX000", &out)
    field("M", error.message, &out)
    field("D", detail, &out)
    field("H", error.hint, &out)
    field("P", error.position.map(String.init), &out)
    field("W", context, &out)
    field("s", error.subject?[.schema], &out)
    field("t", error.subject?[.table], &out)
    field("c", error.subject?[.column], &out)
    field("d", error.subject?[.dataType], &out)
    field("n", error.subject?[.constraint], &out)
    out.u8(0)
    out.end(start)
  }
}
