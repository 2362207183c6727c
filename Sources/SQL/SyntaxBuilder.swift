// SyntaxBuilder.swift — turns libpg_query's JSON into statements, refusing by name what Tally does not support.
//
// Fields that change a statement's meaning are either understood or refused: an unknown field of a node we read must never
// be skipped silently, so each reader names the fields it refuses.
import Model

struct SyntaxBuilder {
  let tape: JSONTape
  let bytes: [UInt8]
  /// Character position (from 1) of each byte; empty when the text is ASCII.
  private let positions: [Int32]

  init(tape: JSONTape, text: String) {
    self.tape = tape
    self.bytes = Array(text.utf8)
    var table: [Int32] = []
    if bytes.contains(where: { $0 >= 0x80 }) {
      table.reserveCapacity(bytes.count + 1)
      var characters: Int32 = 0
      for byte in bytes {
        if byte & 0xc0 != 0x80 { characters += 1 }
        table.append(characters)
      }
      table.append(characters + 1)
    }
    self.positions = table
  }

  // MARK: Places

  /// Position in characters of a byte offset.
  func position(atByte offset: Int) -> Int {
    guard offset >= 0 else { return 1 }
    return positions.isEmpty ? offset + 1 : Int(positions[min(offset, positions.count - 1)])
  }
  /// The byte offset in a node's `location`, if it has one.
  func location(_ node: Int) -> Int? {
    guard let field = tape.field(node, "location"), let offset = tape.integer(field), offset >= 0 else { return nil }
    return offset
  }
  /// Position of a node; of the first located node inside it otherwise.
  func position(_ node: Int) -> Int { position(atByte: firstLocation(node) ?? 0) }
  private func firstLocation(_ node: Int) -> Int? {
    if let own = location(node) { return own }
    var inner = node + 1
    while inner < Int(tape.nodes[node].next) {
      if tape.nodes[inner].kind == .object, let offset = location(inner) { return offset }
      inner += 1
    }
    return nil
  }

  // MARK: Errors

  func unsupported(_ what: String, _ node: Int, hint: String? = nil) -> TallyError {
    .sql("0A000", "\(what) not supported", hint: hint, position: position(node))
  }
  func damaged(_ node: Int) -> TallyError { JSONTape.damaged(Int(tape.nodes[node].start)) }

  // MARK: Small fields

  func text(_ object: Int, _ name: StaticString) -> String? { tape.field(object, name).map { tape.string($0) } }
  func flag(_ object: Int, _ name: StaticString) -> Bool { tape.isTrue(tape.field(object, name)) }
  /// Strings of an array such as `[{"String":{"sval":"a"}}]`; a node of another kind gives nil.
  func strings(_ array: Int?) -> [String]? {
    var result: [String] = []
    for element in tape.elements(array) {
      guard let (tag, body) = tape.tagged(element), tape.matches(tag, "String") else { return nil }
      result.append(text(body, "sval") ?? "")
    }
    return result
  }
  /// A tagged child: `{"RangeVar": {…}}` in a field.
  func child(_ object: Int, _ name: StaticString) -> Int? { tape.field(object, name) }

  /// Refuses each field that is present, with its wording.
  func refuse(_ object: Int, _ fields: [(StaticString, String)], hint: String? = nil) throws(TallyError) {
    for (name, what) in fields {
      if let field = tape.field(object, name) {
        throw .sql(
          "0A000",
          "\(what) not supported",
          hint: hint,
          position: position(atByte: firstLocation(field) ?? firstLocation(object) ?? 0)
        )
      }
    }
  }

  // MARK: Statements

  func statements() throws(TallyError) -> [ParsedStatement] {
    try eachStatement { tag, body, start, text throws(TallyError) -> ParsedStatement in
      ParsedStatement(statement: try statement(tag, body, start: start), text: text)
    }
  }
  /// Each statement of the text: its tag, body, first byte and own text.
  func eachStatement<R>(_ read: (Int, Int, Int, String) throws(TallyError) -> R) throws(TallyError) -> [R] {
    guard let list = tape.field(0, "stmts") else { throw damaged(0) }
    var result: [R] = []
    for raw in tape.elements(list) {
      guard let holder = tape.field(raw, "stmt"), let (tag, body) = tape.tagged(holder) else { throw damaged(raw) }
      let start = tape.field(raw, "stmt_location").flatMap { tape.integer($0) } ?? 0
      let length = tape.field(raw, "stmt_len").flatMap { tape.integer($0) } ?? bytes.count - start
      guard start >= 0, length >= 0, start + length <= bytes.count else { throw damaged(raw) }
      result.append(try read(tag, body, start, trimmed(start, start + length)))
    }
    return result
  }

  /// Text of a byte range without blanks around it.
  func trimmed(_ start: Int, _ end: Int) -> String {
    var (low, high) = (start, end)
    while low < high, bytes[low] <= 0x20 { low += 1 }
    while low < high, bytes[high - 1] <= 0x20 { high -= 1 }
    return String(decoding: bytes[low..<high], as: UTF8.self)
  }
  func firstToken(_ start: Int) -> Int {
    var at = start
    while at < bytes.count, bytes[at] <= 0x20 { at += 1 }
    return at
  }

  func statement(_ tag: Int, _ body: Int, start: Int) throws(TallyError) -> Statement {
    if let definition = try definition(tag, body, start: start) { return .define(definition) }
    switch tape.string(tag) {
    case "SelectStmt": return .select(try statementSelect(body))
    case "CreateStmt": return .createTable(try createTable(body))
    case "CreateTableAsStmt": return .createRollup(try createRollup(body))
    case "DropStmt": return try drop(body, start: start)
    case "InsertStmt": return .insert(try insert(body))
    case "UpdateStmt": return .update(try update(body))
    case "CreateSeqStmt": return .createSequence(try createSequence(body))
    case "AlterSeqStmt": return .alterSequence(try alterSequence(body))
    case "DeleteStmt": return .delete(try delete(body))
    case "TruncateStmt": return .delete(try truncate(body))
    case "ExplainStmt": return try explain(body, start: start)
    case "LockStmt": return .lock(try lock(body))
    case "CopyStmt": return .copy(try copy(body, start: start))
    case "CreateFunctionStmt": return .createFunction(try createFunction(body, start: start))
    case "DoStmt": return .doBlock(try doBlock(body))
    case "CallStmt":
      let (call, position) = try callStatement(body)
      return .call(call, position: position)
    case let other:
      let (name, hint) = Self.statementName(other)
      throw .sql("0A000", "\(name) is not supported", hint: hint, position: position(atByte: firstToken(start)))
    }
  }

  /// What people call a statement of PostgreSQL's grammar.
  private static func statementName(_ tag: String) -> (String, String?) {
    switch tag {
    case "TransactionStmt": return ("a transaction block", "Each statement is a transaction of its own.")
    case "VariableSetStmt": return ("SET", nil)
    case "VariableShowStmt": return ("SHOW", nil)
    case "RefreshMatViewStmt":
      return ("REFRESH MATERIALIZED VIEW of this kind", nil)
    case "PrepareStmt": return ("PREPARE", nil)
    case "ExecuteStmt": return ("EXECUTE", nil)
    case "MergeStmt": return ("MERGE", nil)
    case "VacuumStmt": return ("VACUUM or ANALYZE", "Storage is compacted by itself.")
    case "GrantStmt", "GrantRoleStmt": return ("GRANT or REVOKE", nil)
    case "CreateRoleStmt": return ("CREATE ROLE", nil)
    case "AlterDefaultPrivilegesStmt": return ("ALTER DEFAULT PRIVILEGES", nil)
    case "AlterOwnerStmt": return ("ALTER … OWNER TO", nil)
    case "CreateTrigStmt": return ("CREATE TRIGGER", nil)
    default:
      let name = tag.hasSuffix("Stmt") ? String(tag.dropLast(4)) : tag
      return ("this statement (\(name))", nil)
    }
  }

  /// `schema.name` of a relation that is read; any schema may be asked for.
  func readName(_ range: Int) throws(TallyError) -> NameSyntax {
    if text(range, "catalogname") != nil { throw unsupported("a database name before a table is", range) }
    guard let name = text(range, "relname") else { throw damaged(range) }
    return NameSyntax(name: name, schema: text(range, "schemaname"), position: position(range))
  }
  /// `schema.name` of a relation that is made or changed.
  func relationName(_ range: Int, mayBeTemporary: Bool = false) throws(TallyError) -> NameSyntax {
    if text(range, "catalogname") != nil { throw unsupported("a database name before a table is", range) }
    if let kind = text(range, "relpersistence"), kind != "p", kind != "t" || !mayBeTemporary {
      throw unsupported(kind == "t" ? "a temporary relation of this kind is" : "unlogged tables are", range)
    }
    return try readName(range)
  }
  /// Whether a relation is to be made for the session alone.
  func isTemporary(_ range: Int) -> Bool { text(range, "relpersistence") == "t" }
  /// ON COMMIT of a table that is to be made; nil when it lasts.
  func temporary(_ range: Int, _ onCommit: String?) throws(TallyError) -> OnCommit? {
    let action: OnCommit? =
      switch onCommit ?? "ONCOMMIT_NOOP" {
      case "ONCOMMIT_NOOP": nil
      case "ONCOMMIT_PRESERVE_ROWS": .preserveRows
      case "ONCOMMIT_DELETE_ROWS": .deleteRows
      case "ONCOMMIT_DROP": .drop
      default: throw damaged(range)
      }
    // A table that is made in pg_temp is temporary without the word.
    let isTemporary = isTemporary(range) || text(range, "schemaname") == TemporarySchema.alias
    guard action == nil || isTemporary else { throw .sql("42P16", "ON COMMIT can only be used on temporary tables") }
    return isTemporary ? action ?? .preserveRows : nil
  }

  private func drop(_ body: Int, start: Int) throws(TallyError) -> Statement {
    let here = position(atByte: firstToken(start))
    var names: [NameSyntax] = []
    let kind = text(body, "removeType") ?? ""
    if kind == "OBJECT_FUNCTION" { return .dropFunction(try dropFunction(body, .function)) }
    if kind == "OBJECT_PROCEDURE" { return .dropFunction(try dropFunction(body, .procedure)) }
    if kind == "OBJECT_ROUTINE" { return .dropFunction(try dropFunction(body, .routine)) }
    guard kind == "OBJECT_TABLE" || kind == "OBJECT_MATVIEW" || kind == "OBJECT_SEQUENCE" else {
      let what = kind.replacingPrefix("OBJECT_", with: "DROP ")
      throw .sql("0A000", "\(what) is not supported")
    }
    if text(body, "behavior") == "DROP_CASCADE" {
      throw .sql("0A000", "CASCADE is not supported", hint: "Drop the rollups of the table first.")
    }
    for object in tape.elements(child(body, "objects")) {
      guard let (_, list) = tape.tagged(object), let parts = strings(child(list, "items")), let last = parts.last
      else { throw damaged(object) }
      names.append(NameSyntax(name: last, schema: parts.count > 1 ? parts[parts.count - 2] : nil, position: here))
    }
    let syntax = DropSyntax(names: names, ifExists: flag(body, "missing_ok"))
    if kind == "OBJECT_SEQUENCE" { return .dropSequence(syntax) }
    return kind == "OBJECT_TABLE" ? .dropTable(syntax) : .dropRollup(syntax)
  }

  private func explain(_ body: Int, start: Int) throws(TallyError) -> Statement {
    var analyze = false
    for option in tape.elements(child(body, "options")) {
      guard let (_, element) = tape.tagged(option), let name = text(element, "defname") else { throw damaged(option) }
      switch name {
      case "analyze": analyze = try booleanOption(element, name)
      case "costs", "timing", "summary", "buffers", "verbose", "settings", "wal": _ = try booleanOption(element, name)
      case "format":
        let format = try child(element, "arg").map { argument throws(TallyError) in try optionText(argument) } ?? ""
        guard format.lowercased() == "text" else {
          throw .sql(
            "0A000",
            "EXPLAIN format \"\(format)\" is not supported",
            hint: "Plans are told as text.",
            position: position(element)
          )
        }
      default:
        throw .sql("0A000", "EXPLAIN option \"\(name)\" is not supported", position: position(element))
      }
    }
    guard let query = child(body, "query"), let (tag, inner) = tape.tagged(query) else { throw damaged(body) }
    if ["InsertStmt", "UpdateStmt", "DeleteStmt"].contains(tape.string(tag)) {
      guard !analyze else {
        throw .sql(
          "0A000",
          "EXPLAIN ANALYZE of a statement that changes rows is not supported",
          hint: "EXPLAIN alone tells its plan.",
          position: position(inner)
        )
      }
      return .explainChange(try statement(tag, inner, start: start))
    }
    guard tape.matches(tag, "SelectStmt") else {
      throw .sql("0A000", "EXPLAIN of anything but SELECT, INSERT, UPDATE and DELETE is not supported", position: position(inner))
    }
    return .explain(try select(inner, depth: 0), analyze: analyze)
  }
  private func booleanOption(_ element: Int, _ name: String) throws(TallyError) -> Bool {
    guard let argument = child(element, "arg") else { return true }
    switch (try optionText(argument)).lowercased() {
    case "true", "on", "1": return true
    case "false", "off", "0": return false
    default: throw .sql("42601", "\(name) requires a Boolean value", position: position(element))
    }
  }

  /// The value of a WITH or EXPLAIN option as text.
  func optionText(_ argument: Int) throws(TallyError) -> String {
    guard let (tag, body) = tape.tagged(argument) else { throw damaged(argument) }
    switch tape.string(tag) {
    case "String": return text(body, "sval") ?? ""
    case "Integer": return String(child(body, "ival").flatMap { tape.integer($0) } ?? 0)
    case "Float": return text(body, "fval") ?? ""
    case "Boolean": return flag(body, "boolval") ? "true" : "false"
    case "TypeName": return strings(child(body, "names"))?.last ?? ""
    default: throw damaged(argument)
    }
  }
  func options(_ list: Int?) throws(TallyError) -> [OptionSyntax] {
    var result: [OptionSyntax] = []
    for option in tape.elements(list) {
      guard let (_, element) = tape.tagged(option), let name = text(element, "defname") else { throw damaged(option) }
      if let space = text(element, "defnamespace") {
        throw .sql("0A000", "option namespace \"\(space)\" is not supported", position: position(element))
      }
      var value: String?
      if let argument = child(element, "arg") { value = try optionText(argument) }
      result.append(OptionSyntax(name: NameSyntax(name: name, position: position(element)), value: value))
    }
    return result
  }
}

extension String {
  /// The text with `prefix` replaced, or as it is; underscores become blanks.
  func replacingPrefix(_ prefix: String, with other: String) -> String {
    guard hasPrefix(prefix) else { return self }
    return other + dropFirst(prefix.count).map { $0 == "_" ? " " : String($0) }.joined()
  }
}
