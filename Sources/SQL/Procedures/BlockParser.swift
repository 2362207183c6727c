// BlockParser.swift — the body of a PL/pgSQL function, procedure or DO to its tree: blocks, declarations, handlers, names that are known.
//
// libpg_query parses PL/pgSQL too, but its JSON has the variables of all blocks in one list without the blocks, knows no fields of records
// and no cursors; so the block structure is read here and every expression and statement inside is given to PostgreSQL's grammar.
// Statements: BlockParser+Statements. What is not supported is refused here by name, so when the function is created.
public import Model

/// A body that was parsed.
public struct ProcedureBody: Sendable {
  /// The outermost block.
  public var block: BlockSyntax
  /// #variable_conflict.
  public var conflict = NameConflict.error
}

/// Parses a PL/pgSQL body; `parameters` are the names of the function's arguments, and `name` its own.
public func parseBlock(_ text: String, name: String, parameters: [String]) throws(TallyError) -> ProcedureBody {
  guard text.utf8.count <= Limits.sqlBytesMax else {
    throw .sql("54000", "a body of \(text.utf8.count) bytes is longer than the limit of \(Limits.sqlBytesMax)")
  }
  var parser = BlockParser(text: text, tokens: try BlockTokens.cut(text), name: name)
  parser.scopes = [BlockParser.Scope(label: name, names: Set(parameters + ["found"]))]
  do throws(TallyError) { return try parser.body() } catch {
    var failure = error
    // Places count in the text that was given to the grammar.
    failure.position = nil
    throw failure
  }
}

struct BlockParser {
  struct Scope {
    var label: String?
    var names: Set<String>
    var constants: Set<String> = []
    var isLoop = false
  }
  let bytes: [UInt8]
  let tokens: [BlockToken]
  var at = 0
  var scopes: [Scope] = []
  var depth = 0
  /// Line of the last token that was looked at.
  var line: Int { tokens[min(at, tokens.count - 1)].line }

  /// The function's; empty for DO.
  let name: String

  init(text: String, tokens: [BlockToken], name: String) {
    bytes = Array(text.utf8)
    self.tokens = tokens
    self.name = name
  }
  /// An error that says where it was met.
  func near(_ error: TallyError) -> TallyError {
    var failure = error
    failure.context = "compilation of PL/pgSQL function \"\(name.isEmpty ? "inline_code_block" : name)\" near line \(line)"
    return failure
  }

  // MARK: Tokens

  var token: BlockToken { tokens[at] }
  func token(after count: Int) -> BlockToken { tokens[min(at + count, tokens.count - 1)] }
  mutating func take() -> BlockToken {
    defer { if at < tokens.count - 1 { at += 1 } }
    return tokens[at]
  }
  mutating func takes(_ word: String) -> Bool {
    guard token.isWord(word) else { return false }
    _ = take()
    return true
  }
  mutating func takesSymbol(_ symbol: String) -> Bool {
    guard token.isSymbol(symbol) else { return false }
    _ = take()
    return true
  }
  mutating func need(_ word: String) throws(TallyError) {
    guard takes(word) else { throw wrong() }
  }
  mutating func needSymbol(_ symbol: String) throws(TallyError) {
    guard takesSymbol(symbol) else { throw wrong() }
  }
  mutating func needName() throws(TallyError) -> String {
    guard token.isName else { throw wrong() }
    return take().text
  }
  func wrong(_ place: BlockToken? = nil) -> TallyError {
    let token = place ?? token
    if token.kind == .end { return .sql("42601", "syntax error at end of input") }
    return .sql("42601", "syntax error at or near \"\(source(token.start, token.end))\"")
  }
  func unsupported(_ what: String, hint: String? = nil) -> TallyError {
    .sql("0A000", "\(what) in PL/pgSQL is not supported", hint: hint)
  }
  func source(_ start: Int, _ end: Int) -> String {
    guard start < end else { return "" }
    var (low, high) = (start, end)
    while low < high, bytes[low] <= 0x20 { low += 1 }
    while low < high, bytes[high - 1] <= 0x20 { high -= 1 }
    return String(decoding: bytes[low..<high], as: UTF8.self)
  }

  // MARK: Names

  func isKnown(_ name: String) -> Bool { scopes.contains { $0.names.contains(name) || $0.label == name } }
  func isConstant(_ name: String) -> Bool {
    scopes.last { $0.names.contains(name) }?.constants.contains(name) ?? false
  }

  // MARK: Expressions

  /// The text up to one of the words or symbols outside of parentheses, which is left.
  mutating func text(until words: [String], symbols: [String] = [";"]) throws(TallyError) -> String {
    let start = token.start
    var end = start
    var nest = 0
    // CASE … END is an expression as well.
    var cases = 0
    while true {
      let here = token
      if here.kind == .end { throw wrong() }
      if nest == 0, cases == 0 {
        if here.kind == .word, words.contains(here.text) { break }
        if here.kind == .symbol, symbols.contains(here.text) { break }
      }
      if here.isSymbol(";") { throw nest > 0 ? .sql("42601", "mismatched parentheses") : missing(words, symbols) }
      if here.kind == .symbol {
        if here.text == "(" || here.text == "[" { nest += 1 }
        if here.text == ")" || here.text == "]" { nest -= 1 }
        if nest < 0 { throw .sql("42601", "mismatched parentheses") }
      }
      if here.isWord("case") { cases += 1 }
      if here.isWord("end"), cases > 0 { cases -= 1 }
      end = here.end
      _ = take()
    }
    return source(start, end)
  }
  private func missing(_ words: [String], _ symbols: [String]) -> TallyError {
    let wanted = words.first?.uppercased() ?? symbols.first ?? ";"
    return .sql("42601", "missing \"\(wanted)\" at end of SQL expression")
  }
  mutating func expression(until words: [String], symbols: [String] = [";"]) throws(TallyError) -> BlockExpression {
    let text = try text(until: words, symbols: symbols)
    guard !text.isEmpty else { throw token.kind == .end ? wrong() : .sql("42601", "missing expression at or near \"\(token.text)\"") }
    return try Self.parsed(text)
  }
  static func parsed(_ text: String) throws(TallyError) -> BlockExpression {
    let statements = try parse("SELECT " + text)
    guard statements.count == 1, case .select(let select) = statements[0].statement else {
      throw .sql("42601", "not an expression: \(text)")
    }
    return BlockExpression(text: text, select: select)
  }
  mutating func expressions(until words: [String], symbols: [String]) throws(TallyError) -> [BlockExpression] {
    var list: [BlockExpression] = []
    repeat { list.append(try expression(until: words, symbols: symbols + [","])) } while takesSymbol(",")
    return list
  }
  static func statement(_ text: String) throws(TallyError) -> ParsedStatement {
    let statements = try parse(text)
    guard statements.count == 1 else { throw .sql("42601", "syntax error at or near \"\(text.prefix(20))\"") }
    return statements[0]
  }

  // MARK: Blocks

  mutating func body() throws(TallyError) -> ProcedureBody {
    var conflict = NameConflict.error
    while takesSymbol("#") {
      switch try needName() {
      case "variable_conflict":
        switch try needName() {
        case "error": conflict = .error
        case "use_variable": conflict = .useVariable
        case "use_column": conflict = .useColumn
        default: throw wrong()
        }
      case "option", "print_strict_params": _ = take()
      default: throw wrong()
      }
    }
    let label = try self.label()
    guard token.isWord("declare") || token.isWord("begin") else { throw wrong() }
    let block = try self.block(label)
    _ = takesSymbol(";")
    guard token.kind == .end else { throw wrong() }
    return ProcedureBody(block: block, conflict: conflict)
  }
  /// `<<name>>`.
  mutating func label() throws(TallyError) -> String? {
    guard takesSymbol("<<") else { return nil }
    let name = try needName()
    try needSymbol(">>")
    return name
  }
  /// The name behind END.
  mutating func endLabel(_ label: String?) throws(TallyError) {
    guard token.isName else { return }
    let name = take().text
    guard let label else { throw .sql("42601", "end label \"\(name)\" specified for unlabeled block") }
    guard name == label else { throw .sql("42601", "end label \"\(name)\" differs from block's label \"\(label)\"") }
  }

  mutating func block(_ label: String?) throws(TallyError) -> BlockSyntax {
    depth += 1
    defer { depth -= 1 }
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    scopes.append(Scope(label: label, names: []))
    defer { scopes.removeLast() }
    var result = BlockSyntax(label: label, line: line)
    while takes("declare") {
      while !token.isWord("begin"), !token.isWord("declare") { result.declarations.append(try declaration()) }
    }
    result.line = line
    try need("begin")
    result.statements = try statements(until: ["end", "exception"])
    if takes("exception") {
      scopes.append(Scope(label: nil, names: ["sqlstate", "sqlerrm"], constants: ["sqlstate", "sqlerrm"]))
      defer { scopes.removeLast() }
      var handlers: [CatchSyntax] = []
      while token.isWord("when") {
        let line = line
        _ = take()
        var conditions: [String?] = []
        repeat { conditions += try condition() } while takes("or")
        try need("then")
        handlers.append(CatchSyntax(conditions: conditions, statements: try statements(until: ["when", "end"]), line: line))
      }
      guard !handlers.isEmpty else { throw wrong() }
      result.handlers = handlers
    }
    try need("end")
    try endLabel(label)
    return result
  }
  private mutating func condition() throws(TallyError) -> [String?] {
    let name = try needName()
    if name == "others" { return [nil] }
    if name == "sqlstate" {
      guard token.kind == .string, ConditionNames.isState(token.text) else { throw .sql("42601", "invalid SQLSTATE code") }
      return [take().text]
    }
    let states = ConditionNames.states(of: name)
    guard !states.isEmpty else { throw near(.sql("42704", "unrecognized exception condition \"\(name)\"")) }
    return states
  }

  // MARK: Declarations

  private mutating func declaration() throws(TallyError) -> DeclarationSyntax {
    let line = line
    let name = try needName()
    guard !scopes[scopes.count - 1].names.contains(name) else { throw .sql("42601", "duplicate declaration at or near \"\(name)\"") }
    if takes("alias") {
      try need("for")
      guard token.isName || token.kind == .parameter else { throw wrong() }
      let of = take()
      guard of.kind == .parameter || isKnown(of.text) else { throw .sql("42704", "variable \"\(of.text)\" does not exist") }
      try needSymbol(";")
      scopes[scopes.count - 1].names.insert(name)
      return DeclarationSyntax(name: name, kind: .alias(of.text), line: line)
    }
    let isConstant = takes("constant")
    if token.isWord("cursor") || token.isWord("scroll") || token.isWord("no") || token.isWord("refcursor") { throw cursors() }
    var result = DeclarationSyntax(name: name, kind: try variableType(), line: line)
    result.isConstant = isConstant
    if takes("collate") {
      _ = try needName()
      if takesSymbol(".") { _ = try needName() }
    }
    if takes("not") {
      try need("null")
      result.isNotNull = true
    }
    if takesSymbol(":=") || takesSymbol("=") || takes("default") {
      result.initial = try expression(until: [])
    } else if result.isNotNull {
      throw .sql("22004", "variable \"\(name)\" must have a default value, since it's declared NOT NULL")
    }
    try needSymbol(";")
    scopes[scopes.count - 1].names.insert(name)
    if isConstant { scopes[scopes.count - 1].constants.insert(name) }
    return result
  }
  func cursors() -> TallyError { unsupported("a cursor", hint: "Use FOR row IN query LOOP.") }
  private mutating func variableType() throws(TallyError) -> DeclarationSyntax.Kind {
    if takes("record") { return .record }
    var path: [String] = []
    var ahead = 0
    while token(after: ahead).isName {
      path.append(token(after: ahead).text)
      ahead += 1
      guard token(after: ahead).isSymbol(".") else { break }
      ahead += 1
    }
    if token(after: ahead).isSymbol("%") {
      let word = token(after: ahead + 1)
      for _ in 0..<(ahead + 2) { _ = take() }
      if word.isWord("type") { return .typeOf(path) }
      if word.isWord("rowtype") { return .rowOf(path) }
      throw wrong(word)
    }
    let written = try text(until: ["not", "default", "collate"], symbols: [";", ":=", "="])
    guard !written.isEmpty else { throw .sql("42601", "missing data type declaration at or near \"\(token.text)\"") }
    let statements = try parse("SELECT NULL::\(written)")
    guard statements.count == 1, case .select(let select) = statements[0].statement, case .plain(let plain) = select.body,
      plain.items.count == 1, plain.from == nil, case .cast(_, let type) = plain.items[0].expression.kind
    else { throw .sql("42601", "syntax error at or near \"\(written)\"") }
    return .variable(type)
  }
}
