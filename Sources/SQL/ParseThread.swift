// ParseThread.swift — runs PostgreSQL's parser (libpg_query) where its recursion has enough stack.
//
// The grammar itself keeps its stack on the heap, but printing a tree as JSON recurses once per nesting level. Measured on
// a 256 KiB stack: no shape of text with fewer than 400 tokens in a nest overflows it. A text of at most
// `tokensOnCallerStackMax` tokens is therefore parsed where the caller stands (12 µs for a dashboard query); any other on a
// thread with a 64 MiB stack that is created, joined and gone before `withParseTree` returns. That thread is the one
// exception to "no threads outside NodeRuntime": it is invisible to the caller and its outcome depends on the text alone.
// 64 KiB of text cannot overflow 64 MiB: the grammar gives up ("memory exhausted") at 10,000 open symbols, and the
// longest left-deep chain, 32 Ki operators, needs less than 8 MiB.
import CPgQuery
import Glibc
import Model

/// What libpg_query says is wrong with a text.
struct ParserComplaint: Error {
  var message: String
  /// In characters from 1; 0 when unknown.
  var position: Int
}

enum ParseThread {
  static let tokensOnCallerStackMax = 192
  static let stackBytes = 64 << 20

  /// An upper bound of the number of tokens, hence of the nesting depth.
  static func tokenBound(_ text: String.UTF8View) -> Int {
    var tokens = 0
    var inWord = false
    for byte in text {
      switch byte {
      case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x80...:
        if !inWord { tokens += 1 }
        inWord = true
      case 0x20, 0x09...0x0d:
        inWord = false
      default:
        tokens += 1
        inWord = false
      }
    }
    return tokens
  }

  /// Parses and lends the JSON text of the tree.
  static func withParseTree<R>(
    of text: String,
    _ body: (UnsafeBufferPointer<UInt8>) throws(TallyError) -> R
  ) throws(TallyError) -> R {
    let result: PgQueryParseResult
    if tokenBound(text.utf8) <= tokensOnCallerStackMax {
      result = text.withCString { pg_query_parse($0) }
    } else {
      result = try parseOnThread(text)
    }
    defer { pg_query_free_parse_result(result) }
    if let error = result.error {
      throw translate(
        ParserComplaint(
          message: error.pointee.message.map { String(cString: $0) } ?? "syntax error",
          position: Int(error.pointee.cursorpos)
        )
      )
    }
    guard let tree = result.parse_tree else {
      throw TallyError(.internalError, "the SQL parser returned neither a tree nor an error")
    }
    let count = strlen(tree)
    return try tree.withMemoryRebound(to: UInt8.self, capacity: count) { bytes throws(TallyError) -> R in
      try body(UnsafeBufferPointer(start: bytes, count: count))
    }
  }

  /// PostgreSQL's wording; the SQLSTATE is not in libpg_query's answer, so it is told from the few messages that differ.
  static func translate(_ complaint: ParserComplaint) -> TallyError {
    let position = complaint.position > 0 ? complaint.position : nil
    if complaint.message.hasPrefix("memory exhausted") {
      return .sql("54001", "stack depth limit exceeded", hint: "Simplify the statement.", position: position)
    }
    let state = complaint.message.hasPrefix("invalid Unicode") ? "22025" : "42601"
    return .sql(state, complaint.message, position: position)
  }

  private final class Job {
    let text: String
    var result = PgQueryParseResult()
    init(_ text: String) { self.text = text }
  }

  private static func parseOnThread(_ text: String) throws(TallyError) -> PgQueryParseResult {
    let job = Job(text)
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    pthread_attr_setstacksize(&attributes, stackBytes)
    defer { pthread_attr_destroy(&attributes) }
    var thread = pthread_t()
    let status = pthread_create(
      &thread,
      &attributes,
      { argument in
        let job = Unmanaged<Job>.fromOpaque(argument!).takeUnretainedValue()
        job.result = job.text.withCString { pg_query_parse($0) }
        return nil
      },
      Unmanaged.passUnretained(job).toOpaque()
    )
    guard status == 0 else {
      throw TallyError(.overloaded, "no thread for parsing SQL (error \(status))")
    }
    pthread_join(thread, nil)
    return withExtendedLifetime(job) { job.result }
  }
}
