// SyntaxBuilder+Session.swift — statements as a client's session takes them: its own among them, each understood or refused by itself.
public import Model

/// Parses the statements of a session's text; an empty text has none. Throws for a text that is not PostgreSQL's grammar: then none runs.
public func parseSession(_ text: String) throws(TallyError) -> [SessionStatement] {
  try withParsedText(text) { builder throws(TallyError) in try builder.sessionStatements() }
}

extension SyntaxBuilder {
  func sessionStatements() throws(TallyError) -> [SessionStatement] {
    try eachStatement { tag, body, start, text throws(TallyError) -> SessionStatement in
      let content: SessionStatement.Content
      do throws(TallyError) {
        if let own = try sessionSyntax(tag, body, start: start) {
          content = .session(own)
        } else {
          content = .planned(ParsedStatement(statement: try statement(tag, body, start: start), text: text))
        }
      } catch {
        // Damage is of the whole text; anything else is told when the statement would run.
        guard error.status != .internalError else { throw error }
        content = .refused(error)
      }
      return SessionStatement(content: content, text: text, offset: position(atByte: firstToken(start)) - 1)
    }
  }

  private func sessionSyntax(_ tag: Int, _ body: Int, start: Int) throws(TallyError) -> SessionSyntax? {
    func refused(_ what: String, hint: String? = nil) -> TallyError {
      .sql("0A000", "\(what) is not supported", hint: hint, position: position(atByte: firstToken(start)))
    }
    switch tape.string(tag) {
    case "TransactionStmt": return try transaction(body, refused)
    case "VariableSetStmt": return try variable(body, refused)
    case "VariableShowStmt":
      guard let name = text(body, "name") else { throw damaged(body) }
      return name == "all" ? .showAll : .show(name)
    case "DiscardStmt":
      switch text(body, "target") ?? "" {
      case "DISCARD_ALL": return .discard(.all)
      case "DISCARD_PLANS": return .discard(.plans)
      case "DISCARD_SEQUENCES": return .discard(.sequences)
      case "DISCARD_TEMP": return .discard(.temporary)
      default: throw damaged(body)
      }
    case "PrepareStmt":
      guard let name = text(body, "name"), let query = child(body, "query") else { throw damaged(body) }
      var types: [TypeSyntax] = []
      for item in tape.elements(child(body, "argtypes")) {
        guard let (_, node) = tape.tagged(item) else { throw damaged(item) }
        types.append(try type(node))
      }
      return .prepare(name, types: types, try inner(query, start: start))
    case "ExecuteStmt":
      guard let name = text(body, "name") else { throw damaged(body) }
      var arguments: [ExpressionSyntax] = []
      for item in tape.elements(child(body, "params")) { arguments.append(try expression(item, depth: 0)) }
      return .execute(name, arguments)
    case "DeallocateStmt": return .deallocate(text(body, "name"))
    case "DeclareCursorStmt":
      guard let name = text(body, "portalname"), let query = child(body, "query") else { throw damaged(body) }
      // PostgreSQL's CURSOR_OPT_ bits; INSENSITIVE is what every cursor is.
      let options = child(body, "options").flatMap { tape.integer($0) } ?? 0
      return .declare(
        name,
        isScroll: options & 0x2 != 0,
        isHeld: options & 0x20 != 0,
        isBinary: options & 0x1 != 0,
        try inner(query, start: start)
      )
    case "FetchStmt": return try fetch(body)
    case "ClosePortalStmt": return .closeCursor(text(body, "portalname"))
    case "ListenStmt": return .listen(text(body, "conditionname") ?? "")
    case "NotifyStmt": return .notify(text(body, "conditionname") ?? "")
    case "UnlistenStmt": return .unlisten(text(body, "conditionname"))
    case "VacuumStmt": return .maintain(isVacuum: flag(body, "is_vacuumcmd"))
    case "CheckPointStmt": throw refused("CHECKPOINT", hint: "What is acknowledged is durable already.")
    case "ConstraintsSetStmt": throw refused("SET CONSTRAINTS", hint: "There are no deferrable constraints.")
    case "ReindexStmt": throw refused("REINDEX", hint: "There are no indexes; storage is compacted by itself.")
    case "ClusterStmt": throw refused("CLUSTER", hint: "Rows are kept sorted by tenant and time by themselves.")
    case "LoadStmt": throw refused("LOAD", hint: "The hll and topn functions are built in.")
    default: return nil
    }
  }

  /// The statement inside of PREPARE or DECLARE.
  private func inner(_ query: Int, start: Int) throws(TallyError) -> ParsedStatement {
    guard let (tag, body) = tape.tagged(query) else { throw damaged(query) }
    let own = tape.matches(tag, "SelectStmt") ? selectText(body) : ""
    return ParsedStatement(statement: try statement(tag, body, start: start), text: own)
  }

  // MARK: Transactions

  private func transaction(
    _ body: Int,
    _ refused: (String, String?) -> TallyError
  ) throws(TallyError) -> SessionSyntax {
    func savepoint() throws(TallyError) -> String {
      guard let name = text(body, "savepoint_name") else { throw damaged(body) }
      return name
    }
    switch text(body, "kind") ?? "" {
    case "TRANS_STMT_BEGIN": return .begin(try modes(child(body, "options")), isStart: false)
    case "TRANS_STMT_START": return .begin(try modes(child(body, "options")), isStart: true)
    case "TRANS_STMT_COMMIT": return .commit(chain: flag(body, "chain"))
    case "TRANS_STMT_ROLLBACK": return .rollback(chain: flag(body, "chain"))
    case "TRANS_STMT_SAVEPOINT": return .savepoint(try savepoint())
    case "TRANS_STMT_RELEASE": return .release(try savepoint())
    case "TRANS_STMT_ROLLBACK_TO": return .rollBackTo(try savepoint())
    case "TRANS_STMT_PREPARE": throw refused("PREPARE TRANSACTION", nil)
    case "TRANS_STMT_COMMIT_PREPARED": throw refused("COMMIT PREPARED", nil)
    case "TRANS_STMT_ROLLBACK_PREPARED": throw refused("ROLLBACK PREPARED", nil)
    default: throw damaged(body)
    }
  }
  private func modes(_ list: Int?) throws(TallyError) -> TransactionModesSyntax {
    var modes = TransactionModesSyntax()
    for item in tape.elements(list) {
      guard let (_, option) = tape.tagged(item), let argument = child(option, "arg"), let value = try settingWord(argument) else {
        throw damaged(item)
      }
      switch text(option, "defname") ?? "" {
      case "transaction_isolation": modes.isolation = value
      case "transaction_read_only": modes.isReadOnly = value == "1"
      case "transaction_deferrable": modes.isDeferrable = value == "1"
      default: throw damaged(option)
      }
    }
    return modes
  }

  // MARK: Settings

  private func variable(
    _ body: Int,
    _ refused: (String, String?) -> TallyError
  ) throws(TallyError) -> SessionSyntax {
    let kind = text(body, "kind") ?? ""
    if kind == "VAR_RESET_ALL" { return .resetAll }
    guard let name = text(body, "name") else { throw damaged(body) }
    let isLocal = flag(body, "is_local")
    switch kind {
    case "VAR_SET_DEFAULT": return .set(name, nil, isLocal: isLocal)
    case "VAR_RESET": return .reset(name)
    case "VAR_SET_CURRENT": throw refused("SET … FROM CURRENT", nil)
    case "VAR_SET_MULTI":
      switch name {
      case "TRANSACTION": return .setTransaction(try modes(child(body, "args")))
      case "SESSION CHARACTERISTICS": return .setCharacteristics(try modes(child(body, "args")))
      default: throw refused("SET \(name)", nil)
      }
    case "VAR_SET_VALUE":
      var values: [String] = []
      for argument in tape.elements(child(body, "args")) {
        var value = try settingWord(argument)
        if value == nil { value = try intervalWord(argument) }
        guard let value else {
          throw unsupported("this form of an interval as a time zone is", argument, hint: "Write INTERVAL '+02:00'.")
        }
        values.append(value)
      }
      return .set(name, values, isLocal: isLocal)
    default: throw damaged(body)
    }
  }
  /// SET TIME ZONE INTERVAL '…', as PostgreSQL writes it into the setting; nil when what the number means depends on fields.
  private func intervalWord(_ node: Int) throws(TallyError) -> String? {
    guard let (tag, body) = tape.tagged(node), tape.matches(tag, "TypeCast"), let inner = child(body, "arg"),
      let span = try settingWord(inner), span.utf8.contains(where: { $0 == UInt8(ascii: ":") || ($0 | 0x20) &- 0x61 < 26 })
    else { return nil }
    return "INTERVAL '\(span)'"
  }
  /// A constant of SET as text, without quotes; nil when it is no constant.
  private func settingWord(_ node: Int) throws(TallyError) -> String? {
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    guard tape.matches(tag, "A_Const") else { return nil }
    if let string = child(body, "sval") { return text(string, "sval") ?? "" }
    if let number = child(body, "fval") { return text(number, "fval") ?? "" }
    if let truth = child(body, "boolval") { return flag(truth, "boolval") ? "true" : "false" }
    guard let number = child(body, "ival") else { throw damaged(node) }
    let value = child(number, "ival").flatMap { tape.integer($0) } ?? 0
    // libpg_query's JSON leaves negative numbers out: the text has them.
    if value == 0, let at = location(body), at < bytes.count, bytes[at] == UInt8(ascii: "-") {
      let rest = bytes[(at + 1)...].drop { $0 <= 0x20 }
      return "-" + String(decoding: rest.prefix { $0 >= 0x30 && $0 <= 0x39 }, as: UTF8.self)
    }
    return String(value)
  }

  // MARK: Cursors

  private func fetch(_ body: Int) throws(TallyError) -> SessionSyntax {
    guard let name = text(body, "portalname") else { throw damaged(body) }
    let number = child(body, "howMany").flatMap { tape.integer($0) } ?? 0
    // PostgreSQL's FETCH_ALL.
    let count = number == Int(Int64.max) ? nil : number
    let direction: FetchSyntax
    switch text(body, "direction") ?? "" {
    case "FETCH_FORWARD": direction = .forward(count)
    case "FETCH_BACKWARD": direction = .backward(count)
    case "FETCH_ABSOLUTE": direction = .absolute(number)
    case "FETCH_RELATIVE": direction = .relative(number)
    default: throw damaged(body)
    }
    return .fetch(name, direction, isMove: flag(body, "ismove"))
  }
}
