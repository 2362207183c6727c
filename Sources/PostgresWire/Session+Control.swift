// Session+Control.swift — statements that the session carries out itself: settings, prepared statements, cursors, notifications.

internal import Columns
internal import Model

extension Session {
  /// Carries out a statement that is not the engine's and gives no rows of it.
  func control(_ statement: EngineStatement, _ context: StatementContext) async throws -> Outcome {
    switch statement.kind {
    case .begin, .commit, .rollback, .savepoint, .release, .rollBackTo, .setTransaction, .setCharacteristics:
      return .done(try await transact(statement.kind))
    case .set(let name, let words, let isLocal):
      if isLocal && block == .idle && !hasCompany { warnOutside("SET LOCAL") }
      try settings.set(name, words, isLocal: isLocal)
      if SettingDefinition.isUnknownOfCitus(name) {
        notice(.warning("42704", "unrecognized configuration parameter \"\(name)\" has no effect"))
      }
      return .done("SET")
    case .reset(let name):
      try settings.set(name, nil, isLocal: false)
      return .done("RESET")
    case .resetAll:
      settings.resetAll()
      return .done("RESET")
    case .show(let name):
      let rows = FixedRows(texts: [[try settings.show(name)]], columns: 1)
      return .rows(Self.showColumns(name), RowCursor(rows), .plain("SHOW"))
    case .showAll:
      let rows = FixedRows(texts: settings.all.map { [$0.name, $0.value, $0.description] }, columns: 3)
      return .rows(Self.showAllColumns, RowCursor(rows), .plain("SHOW"))
    case .discard(let target): return .done(try await discard(target))
    case .prepare(let name, let types, let inner):
      guard statements[name] == nil else { throw TallyError.sql("42P05", "prepared statement \"\(name)\" already exists") }
      guard statements.count < server.options.statementsMax else {
        throw TallyError(.overloaded, "too many prepared statements", sqlState: "53400", hint: "DEALLOCATE some.")
      }
      statements[name] = try await prepare(inner, named: types.map { $0.map(ParameterType.init) }, context)
      return .done("PREPARE")
    case .deallocate(let name?):
      guard statements.removeValue(forKey: name) != nil else { throw Self.noStatement(name) }
      return .done("DEALLOCATE")
    case .deallocate(nil):
      statements = statements.filter { $0.key.isEmpty }
      return .done("DEALLOCATE ALL")
    case .closeCursor(let name?):
      guard let portal = portals.removeValue(forKey: name) else { throw Self.noCursor(name) }
      portal.close()
      return .done("CLOSE CURSOR")
    case .closeCursor(nil):
      for (name, portal) in portals where !name.isEmpty {
        portal.close()
        portals[name] = nil
      }
      return .done("CLOSE CURSOR ALL")
    case .listen: throw TallyError.sql("0A000", "LISTEN is not supported", hint: "Poll with a query.")
    case .notify: throw TallyError.sql("0A000", "NOTIFY is not supported", hint: "Write a row and poll for it.")
    case .unlisten: return .done("UNLISTEN")
    case .engine, .execute, .declare, .fetch, .move:
      throw TallyError(.internalError, "a statement took the wrong way: \(statement.text.prefix(60))")
    }
  }
  private static func showColumns(_ name: String) -> [ColumnDescription] {
    [ColumnDescription(SessionSettings.spelling(name), .text)]
  }
  private static let showAllColumns = ["name", "setting", "description"].map { ColumnDescription($0, .text) }

  /// Columns of a prepared statement's rows; those of SHOW, FETCH and EXECUTE are what they name at the time.
  func columns(of prepared: PreparedStatement) throws(TallyError) -> [ColumnDescription]? {
    switch prepared.statement?.kind {
    case .engine: return prepared.columns
    case .show(let name): return Self.showColumns(name)
    case .showAll: return Self.showAllColumns
    case .fetch(let name, _):
      guard let portal = portals[name] else { throw Self.noCursor(name) }
      return portal.columns
    case .execute(let name, _):
      guard let inner = statements[name] else { throw Self.noStatement(name) }
      // An EXECUTE of itself has no columns and fails when it runs.
      if case .execute = inner.statement?.kind { return nil }
      return try columns(of: inner)
    default: return nil
    }
  }
  /// The statement and values that an EXECUTE means.
  func resolve(
    _ execute: EngineStatement,
    _ name: String,
    _ context: StatementContext
  ) async throws -> (PreparedStatement, [TypedValue]) {
    guard let prepared = statements[name] else { throw Self.noStatement(name) }
    guard case .execute(_, let count) = execute.kind else { throw TallyError(.internalError, "not an EXECUTE") }
    guard count == prepared.parameters.count else {
      throw TallyError.sql(
        "42601",
        "wrong number of parameters for prepared statement \"\(name)\"",
        detail: "Expected \(prepared.parameters.count) parameters but got \(count)."
      )
    }
    if case .execute = prepared.statement?.kind {
      throw TallyError.sql("0A000", "EXECUTE of a prepared EXECUTE is not supported", hint: "Prepare the statement itself.")
    }
    let types = prepared.parameters.map(\.type)
    var values: [Value] = []
    if count > 0 {
      do { values = try await engine.arguments(of: execute, types: types, context) } catch {
        throw Self.located(error, execute)
      }
    }
    guard values.count == types.count else {
      throw TallyError(.internalError, "\(values.count) values for \(types.count) arguments of EXECUTE")
    }
    return (prepared, zip(types, values).map { TypedValue($0, $1) })
  }
  private func discard(_ target: DiscardTarget) async throws -> String {
    switch target {
    case .plans, .sequences, .temporary:
      try await engine.discard(target)
      return target == .plans ? "DISCARD PLANS" : target == .sequences ? "DISCARD SEQUENCES" : "DISCARD TEMP"
    case .all:
      guard block == .idle, !hasCompany else {
        throw TallyError.sql("25001", "DISCARD ALL cannot run inside a transaction block")
      }
      for portal in portals.values { portal.close() }
      portals = [:]
      statements = statements.filter { $0.key.isEmpty }
      settings.resetAll()
      try await engine.discard(.all)
      return "DISCARD ALL"
    }
  }

  // MARK: Cursors

  static func noCursor(_ name: String) -> TallyError { .sql("34000", "cursor \"\(name)\" does not exist") }

  func declare(
    _ name: String,
    _ options: CursorOptions,
    _ query: EngineStatement,
    _ arguments: [TypedValue],
    _ context: StatementContext
  ) async throws {
    guard block == .open || hasCompany || options.isHeld else {
      throw TallyError.sql("25P01", "DECLARE CURSOR can only be used in transaction blocks")
    }
    if options.isScroll {
      throw TallyError.sql("0A000", "SCROLL cursors are not supported", hint: "Declare the cursor without SCROLL.")
    }
    guard portals[name] == nil else { throw TallyError.sql("42P03", "cursor \"\(name)\" already exists") }
    guard portals.count < server.options.portalsMax else {
      throw TallyError(.overloaded, "too many cursors are open", sqlState: "53400", hint: "CLOSE some.")
    }
    guard case .rows(let columns, let cursor, _) = try await perform(query, arguments, context) else {
      throw TallyError.sql("42P11", "DECLARE CURSOR must specify a query that returns rows")
    }
    portals[name] = Portal(
      statement: PreparedStatement(statement: query, columns: columns),
      columns: columns,
      isBinary: [Bool](repeating: options.isBinary, count: columns.count),
      state: .rows(cursor, .select),
      isHeld: options.isHeld,
      depth: settings.savepoints
    )
  }
  /// A cursor over the rows that FETCH or MOVE names, the portal moved up to them.
  func position(
    _ name: String,
    _ direction: FetchDirection,
    _ context: StatementContext
  ) async throws -> ([ColumnDescription], RowCursor) {
    guard var portal = portals[name] else { throw Self.noCursor(name) }
    if case .ready = portal.state, let statement = portal.statement.statement,
      case .rows(_, let cursor, let tag) = try await perform(statement, portal.arguments, context)
    {
      portal.state = .rows(cursor, tag)
      portals[name] = portal
    }
    guard case .rows(let cursor, _) = portal.state, !cursor.hasFailed, let columns = portal.columns else {
      throw Self.notRunnable(name)
    }
    let backward = TallyError.sql(
      "55000",
      "cursor can only scan forward",
      hint: "Declare it again to read from the start."
    )
    switch direction {
    case .forward(nil): return (columns, RowCursor(of: cursor, count: .max))
    case .forward(let count?):
      guard count > 0 else { throw backward }
      return (columns, RowCursor(of: cursor, count: count))
    case .relative(let count):
      guard count > 0 else { throw backward }
      _ = try await cursor.skip(count - 1)
    case .absolute(let row):
      guard row > cursor.position else { throw backward }
      _ = try await cursor.skip(row - 1 - cursor.position)
    case .backward: throw backward
    }
    return (columns, RowCursor(of: cursor, count: 1))
  }
  /// Whether FETCH gives rows in the binary format because the cursor was declared so.
  func isBinaryCursor(_ statement: EngineStatement) -> Bool {
    guard case .fetch(let name, _) = statement.kind else { return false }
    return portals[name]?.isBinary.first ?? false
  }
}
