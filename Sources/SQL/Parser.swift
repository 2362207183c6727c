// Parser.swift — PostgreSQL text to statements: the module's one entry.
//
// Wrong SQL throws PostgreSQL's SQLSTATE, wording and position; SQL that PostgreSQL takes and Tally does not throws 0A000
// with the construct's name, position and hint. No text makes it crash or run long: text ≤ 64 KB, tree depth bounded.
public import Model

/// Parses the statements of a text, separated by semicolons; an empty text has none.
public func parse(_ text: String) throws(TallyError) -> [ParsedStatement] {
  try withParsedText(text) { builder throws(TallyError) in try builder.statements() }
}

/// Checks a text's bounds, parses it and lends a builder of its statements.
func withParsedText<R>(_ text: String, _ body: (SyntaxBuilder) throws(TallyError) -> R) throws(TallyError) -> R {
  guard text.utf8.count <= Limits.sqlBytesMax else {
    throw .sql(
      "54000",
      "statement text of \(text.utf8.count) bytes is longer than the limit of \(Limits.sqlBytesMax)",
      hint: "Use tally ingest or the client library to load many rows."
    )
  }
  guard !text.utf8.contains(0) else {
    throw .sql("22021", "invalid byte sequence for encoding \"UTF8\": 0x00")
  }
  return try ParseThread.withParseTree(of: text) { bytes throws(TallyError) -> R in
    try body(SyntaxBuilder(tape: try JSONTape(bytes), text: text))
  }
}

enum SyntaxFailure {
  /// A nest deeper than `Limits.depthMax`.
  static var tooDeep: TallyError {
    .sql(
      "54001",
      "stack depth limit exceeded",
      hint: "Expressions and subqueries may nest at most \(Limits.depthMax) deep."
    )
  }
}
