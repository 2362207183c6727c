// Session+Rows.swift — running one statement, whoever's it is, and sending its rows as fast as the client reads them.

internal import Bytes
internal import Columns
internal import Model

extension Session {
  /// What a statement gave.
  enum Outcome: Sendable {
    /// The tag.
    case done(String)
    case rows([ColumnDescription], RowCursor, RowTag)
  }

  /// Runs a statement up to its first row.
  func perform(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext
  ) async throws -> Outcome {
    if Self.looksAtData(statement) { settings.noteQuery() }
    switch statement.kind {
    case .engine: return try await performByEngine(statement, arguments, context)
    case .execute(let name, _):
      let (prepared, values) = try await resolve(statement, name, context)
      guard let inner = prepared.statement else { return .done("") }
      return try await perform(inner, values, context)
    case .declare(let name, let options, let query):
      try await declare(name, options, query, arguments, context)
      return .done("DECLARE CURSOR")
    case .fetch(let name, let direction):
      let (columns, cursor) = try await position(name, direction, context)
      return .rows(columns, cursor, .counted("FETCH"))
    case .move(let name, let direction):
      let (_, cursor) = try await position(name, direction, context)
      return .done("MOVE \(try await cursor.skip(.max))")
    default: return try await control(statement, context)
    }
  }
  /// Whether PostgreSQL takes a snapshot for a statement: behind one the modes of its transaction stand. (It takes none for LOCK.)
  private static func looksAtData(_ statement: EngineStatement) -> Bool {
    switch statement.kind {
    case .engine, .execute, .prepare, .deallocate, .declare, .closeCursor, .discard: true
    default: false
    }
  }
  private func performByEngine(
    _ statement: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext
  ) async throws -> Outcome {
    let exchange = StatementExchange(self)
    do {
      switch try await engine.execute(statement, arguments, context, exchange) {
      case .done(let tag):
        try await exchange.finish()
        return .done(tag)
      case .rows(let columns, let stream, let tag): return .rows(columns, RowCursor(stream), tag)
      }
    } catch {
      exchange.fail()
      throw Self.located(error, statement)
    }
  }

  /// Sends at most `limit` rows and returns how many there were.
  func send(_ cursor: RowCursor, limit: Int, isBinary: [Bool]) async throws -> Int {
    do { return try await sendRows(cursor, limit: limit, isBinary: isBinary) } catch {
      cursor.fail()
      throw error
    }
  }
  private func sendRows(_ cursor: RowCursor, limit: Int, isBinary: [Bool]) async throws -> Int {
    var sent = 0
    let engine = self.engine
    let style = settings.textStyle
    while sent < limit, let (batch, rows) = try await cursor.next(upTo: min(limit - sent, blockRows)) {
      let before = out.count
      try encoder.write(
        batch,
        rows,
        isBinary: isBinary,
        style: style,
        sketches: { column, row throws(TallyError) in try engine.sketchBytes(column, row: row) },
        into: &out
      )
      sent += rows.count
      // About 32 KiB a block: wide rows go out a few at a time.
      let written = out.count - before
      if rows.count == blockRows, written < 16 << 10 { blockRows = min(blockRows * 2, 2048) }
      if written > 64 << 10 { blockRows = max(blockRows / 2, 1) }
      if out.count >= Self.flushBytes { try await flush() }
    }
    return sent
  }
  static func tag(_ tag: RowTag, _ rows: Int) -> String {
    switch tag {
    case .select: "SELECT \(rows)"
    case .insert: "INSERT 0 \(rows)"
    case .counted(let word): "\(word) \(rows)"
    case .plain(let word): word
    }
  }
  /// Format flags of columns by the codes of a Bind message.
  static func flags(_ formats: [Int16], columns: Int) throws(TallyError) -> [Bool] {
    for format in formats where format != 0 && format != 1 { throw ParameterDecoder.unsupportedFormat(format) }
    if formats.count <= 1 { return [Bool](repeating: formats.first == 1, count: columns) }
    guard formats.count == columns else {
      throw TallyError(
        .protocolViolation,
        "bind message has \(formats.count) result formats but query has \(columns) columns"
      )
    }
    return formats.map { $0 == 1 }
  }
}
