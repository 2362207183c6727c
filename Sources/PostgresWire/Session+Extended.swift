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
      let named = try oids.map { oid throws(TallyError) in try ParameterType(oid: oid) }
      guard let statement = parsed.first else {
        return PreparedStatement(parameters: Self.parameters(named, found: []))
      }
      try session.checkNotFailed(statement)
      return try await session.prepare(statement, named: named, context)
    }
    out.message("1")
  }
  /// Finds a statement's parameters and columns; `named` are the types that the client named.
  func prepare(
    _ statement: EngineStatement,
    named: [ParameterType?],
    _ context: StatementContext
  ) async throws -> PreparedStatement {
    var inner = statement
    if case .declare(_, _, let query) = statement.kind { inner = query }
    guard case .engine = inner.kind else {
      return PreparedStatement(statement: statement, parameters: Self.parameters(named, found: []))
    }
    settings.noteQuery()
    let parameters: [ParameterType]
    let shape: StatementShape
    do {
      let known: [ParameterType?]
      (shape, known) = try await describe(inner, named, context)
      parameters = Self.parameters(known, found: shape.parameters)
    } catch { throw Self.located(error, inner) }
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
  /// Types that the client named stand, also of more parameters than the text has, as in PostgreSQL.
  private static func parameters(_ named: [ParameterType?], found: [DataType]) -> [ParameterType] {
    (0..<max(named.count, found.count)).map { at in
      if at < named.count, let type = named[at] { return type }
      return ParameterType(at < found.count ? found[at] : .text)
    }
  }
  /// A statement's shape, and the types that the client named, with the sketches among them found: where a statement does not take a bytea
  /// or jsonb, it may take what the client knows as such.
  private func describe(
    _ statement: EngineStatement,
    _ named: [ParameterType?],
    _ context: StatementContext
  ) async throws -> (StatementShape, [ParameterType?]) {
    var named = named
    do { return (try await engine.describe(statement, parameters: named.map { $0?.type }, context), named) } catch let refusal {
      guard named.contains(where: { $0?.mayBeSketch ?? false }) else { throw refusal }
      var found = false
      do {
        let open = try await engine.describe(statement, parameters: named.map { $0?.mayBeSketch == true ? nil : $0?.type }, context)
        for (at, type) in open.parameters.enumerated() where at < named.count && type.isSketch && named[at]?.oid == PostgresType(type).oid {
          named[at] = ParameterType(type)
          found = true
        }
      } catch { throw refusal }
      guard found else { throw refusal }
      return (try await engine.describe(statement, parameters: named.map { $0?.type }, context), named)
    }
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

extension DataType {
  fileprivate var isSketch: Bool {
    switch self {
    case .hll, .topn: true
    default: false
    }
  }
}
