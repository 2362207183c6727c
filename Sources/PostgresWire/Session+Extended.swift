// Session+Extended.swift — the extended protocol: Parse, Bind, Describe, Execute, Close on named and unnamed objects.
//
// The unnamed statement lives until the next Parse or Query, also across Sync. Portals end with their transaction: outside of a
// block that is the Sync. A portal with a limit sends exactly that many rows and keeps its stream open.

internal import Bytes
internal import Model

extension Session {
  func parse(_ name: String, _ text: String, _ oids: [UInt32]) async throws {
    if name.isEmpty { statements[""] = nil }
    guard name.isEmpty || statements[name] == nil else {
      throw TallyError.sql("42P05", "prepared statement \"\(name)\" already exists")
    }
    guard statements.count < server.options.statementsMax else {
      throw TallyError(.overloaded, "too many prepared statements", sqlState: "53400", hint: "Close or DEALLOCATE some.")
    }
    let engine = self.engine
    statements[name] = try await asStatement(readsOnly: true) { session, context in
      let parsed = try await engine.parse(text)
      guard parsed.count <= 1 else {
        throw TallyError.sql("42601", "cannot insert multiple commands into a prepared statement")
      }
      guard let statement = parsed.first else { return PreparedStatement() }
      try session.checkNotFailed(statement)
      return try await session.prepare(statement, oids, context)
    }
    out.message("1")
  }
  /// Finds a statement's parameters and columns; `oids` are the types that the client named.
  func prepare(
    _ statement: EngineStatement,
    _ oids: [UInt32],
    _ context: StatementContext
  ) async throws -> PreparedStatement {
    let named = try oids.map { oid throws(TallyError) in try ParameterType(oid: oid) }
    return try await prepare(statement, named: named, context)
  }
  func prepare(
    _ statement: EngineStatement,
    named: [ParameterType?],
    _ context: StatementContext
  ) async throws -> PreparedStatement {
    var inner = statement
    if case .declare(_, _, let query) = statement.kind { inner = query }
    guard case .engine = inner.kind else { return PreparedStatement(statement: statement) }
    let shape: StatementShape
    do {
      shape = try await engine.describe(inner, parameters: named.map { $0?.type }, context)
    } catch { throw Self.located(error, inner) }
    var parameters = shape.parameters.map(ParameterType.init)
    for (at, type) in named.enumerated() {
      if at >= parameters.count {
        // More types than the text has parameters: they count, as in PostgreSQL.
        parameters.append(type ?? ParameterType(.text))
      } else if let type {
        parameters[at] = type
      }
    }
    guard parameters.count <= Int(UInt16.max) else {
      throw TallyError.sql("54023", "a statement has at most \(UInt16.max) parameters")
    }
    let isDeclaration = if case .declare = statement.kind { true } else { false }
    return PreparedStatement(
      statement: statement,
      parameters: parameters,
      columns: isDeclaration ? nil : shape.columns
    )
  }
  private func prepared(_ name: String) throws(TallyError) -> PreparedStatement {
    guard let statement = statements[name] else { throw Self.noStatement(name) }
    return statement
  }
  static func noStatement(_ name: String) -> TallyError {
    .sql("26000", name.isEmpty ? "unnamed prepared statement does not exist" : "prepared statement \"\(name)\" does not exist")
  }

  func bind(
    _ portal: String,
    _ name: String,
    _ formats: [Int16],
    _ values: BoundValues,
    _ resultFormats: [Int16]
  ) async throws {
    let statement = try prepared(name)
    if let parsed = statement.statement { try checkNotFailed(parsed) }
    if portal.isEmpty {
      portals.removeValue(forKey: "")?.close()
    } else if portals[portal] != nil {
      throw TallyError.sql("42P03", "cursor \"\(portal)\" already exists")
    }
    guard portals.count < server.options.portalsMax else {
      throw TallyError(.overloaded, "too many portals are open", sqlState: "53400", hint: "Close some, or end the transaction.")
    }
    let arguments = try ParameterDecoder.values(
      values,
      formats: formats,
      types: statement.parameters,
      statement: name,
      zone: settings.zone
    )
    let columns = try columns(of: statement)
    portals[portal] = Portal(
      statement: statement,
      arguments: arguments,
      columns: columns,
      isBinary: try Self.flags(resultFormats, columns: columns?.count ?? 0),
      depth: settings.savepoints
    )
    out.message("2")
  }

  func describe(_ target: MessageTarget, _ name: String) async throws {
    let columns: [ColumnDescription]?
    let isBinary: [Bool]
    switch target {
    case .statement:
      let statement = try prepared(name)
      columns = try self.columns(of: statement)
      isBinary = [Bool](repeating: false, count: columns?.count ?? 0)
      if columns != nil { try checkNotFailed(statement.statement) }
      out.parameterDescription(statement.parameters.map(\.oid))
    case .portal:
      guard let portal = portals[name] else { throw Self.noPortal(name) }
      columns = portal.columns
      isBinary = portal.isBinary
      if columns != nil { try checkNotFailed(portal.statement.statement) }
    }
    if let columns { out.rowDescription(columns, isBinary: isBinary) } else { out.message("n") }
  }
  static func notRunnable(_ name: String) -> TallyError { .sql("55000", "portal \"\(name)\" cannot be run") }
  static func noPortal(_ name: String) -> TallyError { .sql("34000", "portal \"\(name)\" does not exist") }

  func execute(_ name: String, _ limit: Int32) async throws {
    guard let portal = portals[name] else { throw Self.noPortal(name) }
    guard let statement = portal.statement.statement else { return out.message("I") }
    try checkNotFailed(statement)
    let rows = limit > 0 ? Int(limit) : .max
    // A write that other statements of its cycle come after is not over before these are.
    if block == .idle, !isImplicit, Self.isTransactional(statement), !Self.readsOnly(statement), await !isSyncNext() {
      try await beginImplicit()
    }
    try await asStatement(readsOnly: Self.readsOnly(statement)) { session, context in
      try await session.run(name, statement, limit: rows, context)
    }
  }
  private func run(
    _ name: String,
    _ statement: EngineStatement,
    limit: Int,
    _ context: StatementContext
  ) async throws {
    guard var portal = portals[name] else { throw Self.noPortal(name) }
    switch portal.state {
    case .done: throw Self.notRunnable(name)
    case .rows(let cursor, _): if cursor.hasFailed { throw Self.notRunnable(name) }
    case .ready:
      switch try await perform(statement, portal.arguments, context) {
      case .done(let tag):
        // A transaction's end has closed the portal; else it stays, used up.
        portals[name]?.state = .done
        return tag.isEmpty ? out.message("I") : out.commandComplete(tag)
      case .rows(let columns, let cursor, let tag):
        guard portal.columns?.map(\.type) == columns.map(\.type) else {
          cursor.close()
          throw TallyError.sql("0A000", "cached plan must not change result type", hint: "Prepare the statement again.")
        }
        portal.state = .rows(cursor, tag)
        portals[name] = portal
      }
    }
    guard case .rows(let cursor, let tag) = portal.state else { return }
    let sent = try await send(cursor, limit: limit, isBinary: portal.isBinary)
    // Like PostgreSQL: a limit that was reached suspends, also when nothing is left.
    if sent == limit { out.message("s") } else { out.commandComplete(Self.tag(tag, sent)) }
  }

  func close(_ target: MessageTarget, _ name: String) {
    switch target {
    case .statement: statements[name] = nil
    case .portal: portals.removeValue(forKey: name)?.close()
    }
    out.message("3")
  }
}
