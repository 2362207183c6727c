// Session+Simple.swift — the simple protocol: a text of statements, each with its description, rows and tag; the first error ends it.

internal import Bytes
internal import Model

extension Session {
  func query(_ text: String) async throws {
    // A Query message closes the unnamed portal; the unnamed statement goes when a text is parsed.
    portals.removeValue(forKey: "")?.close()
    statements[""] = nil
    // Taking a text apart is quick and needs nothing of the cluster: it is not a statement that could be cancelled.
    let parsed = try await engine.parse(text)
    if parsed.isEmpty { return out.message("I") }
    hasCompany = parsed.count > 1
    defer { hasCompany = false }
    // Whatever comes behind a statement may undo it, or have BEGIN take it over.
    let isTransaction = parsed.dropLast().contains { Self.isTransactional($0) }
    for (at, statement) in parsed.enumerated() {
      try checkNotFailed(statement)
      if isTransaction, Self.isTransactional(statement) { try await beginImplicit() }
      let isLast = at + 1 == parsed.count
      try await asStatement(readsOnly: Self.readsOnly(statement)) { session, context in
        try await session.runSimply(statement, isLast: isLast, context)
      }
    }
  }
  private func runSimply(_ statement: EngineStatement, isLast: Bool, _ context: StatementContext) async throws {
    let isBinary = isBinaryCursor(statement)
    switch try await perform(statement, [], context) {
    case .done(let tag):
      // The last one is done when all of them are.
      if isLast { try await endImplicit() }
      if tag.isEmpty { out.message("I") } else { out.commandComplete(tag) }
    case .rows(let columns, let cursor, let tag):
      defer { cursor.close() }
      let flags = [Bool](repeating: isBinary, count: columns.count)
      out.rowDescription(columns, isBinary: flags)
      let count = try await send(cursor, limit: .max, isBinary: flags)
      if isLast { try await endImplicit() }
      out.commandComplete(Self.tag(tag, count))
    }
  }
  /// Whether a statement may be given up when its client has gone.
  static func readsOnly(_ statement: EngineStatement) -> Bool {
    switch statement.kind {
    case .engine(let readsOnly): readsOnly
    case .declare(_, _, let query): readsOnly(query)
    case .execute, .commit: false
    default: true
    }
  }
}
