// BlockParser+Statements.swift — the statements of a PL/pgSQL block.
import Model

extension BlockParser {
  private typealias Kind = BlockStatementSyntax.Kind

  /// Statements up to one of the words, which is left.
  mutating func statements(until words: [String]) throws(TallyError) -> [BlockStatementSyntax] {
    var result: [BlockStatementSyntax] = []
    while !(token.kind == .word && words.contains(token.text)) {
      guard token.kind != .end else { throw wrong() }
      result.append(try statement())
    }
    return result
  }

  private mutating func statement() throws(TallyError) -> BlockStatementSyntax {
    depth += 1
    defer { depth -= 1 }
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    let label = try self.label()
    let line = line
    let isLoop = ["loop", "while", "for", "foreach"].contains(token.text)
    if label != nil, token.kind != .word || !(isLoop || token.text == "declare" || token.text == "begin") { throw wrong() }
    let kind: BlockStatementSyntax.Kind
    if token.kind == .word, !isAssignment() {
      kind = try keyword(label)
    } else {
      kind = try assignment()
    }
    return BlockStatementSyntax(kind: kind, line: line)
  }
  /// Whether a target and := stand here.
  private func isAssignment() -> Bool {
    var ahead = 1
    while true {
      let here = token(after: ahead)
      if here.isSymbol(".") {
        ahead += 2
      } else if here.isSymbol("[") {
        var nest = 0
        repeat {
          if token(after: ahead).isSymbol("[") { nest += 1 }
          if token(after: ahead).isSymbol("]") { nest -= 1 }
          if token(after: ahead).kind == .end { return false }
          ahead += 1
        } while nest > 0
      } else {
        return here.isSymbol(":=") || here.isSymbol("=")
      }
    }
  }

  private mutating func keyword(_ label: String?) throws(TallyError) -> BlockStatementSyntax.Kind {
    switch token.text {
    case "declare", "begin":
      let block = try self.block(label)
      try needSymbol(";")
      return .block(block)
    case "if": return try ifThen()
    case "case": return try select()
    case "loop":
      _ = take()
      return .loop(label: label, try loopBody(label))
    case "while":
      _ = take()
      let condition = try expression(until: ["loop"])
      _ = take()
      return .whileLoop(label: label, condition, try loopBody(label))
    case "for": return try forLoop(label)
    case "foreach": return try forEach(label)
    case "exit", "continue": return try leave()
    case "return": return try giveBack()
    case "raise": return try raise()
    case "assert":
      _ = take()
      let condition = try expression(until: [], symbols: [";", ","])
      let message = takesSymbol(",") ? try expression(until: []) : nil
      try needSymbol(";")
      return .assert(condition, message: message)
    case "execute": return try execute()
    case "perform":
      _ = take()
      let expression = try expression(until: [])
      try needSymbol(";")
      return .perform(expression)
    case "call":
      let text = try text(until: [])
      try needSymbol(";")
      return .call(try Self.statement(text))
    case "get": return try diagnostics()
    case "open", "fetch", "move", "close": throw cursors()
    case "null":
      _ = take()
      try needSymbol(";")
      return .null
    case "commit", "rollback":
      let isCommit = take().text == "commit"
      var chain = false
      if takes("and") {
        chain = !takes("no")
        try need("chain")
      }
      try needSymbol(";")
      return isCommit ? .commit(chain: chain) : .rollback(chain: chain)
    case "do": throw unsupported("DO")
    case "elsif", "elseif", "else", "end", "exception", "then", "when": throw wrong()
    default: return try sql()
    }
  }

  // MARK: Values

  mutating func target() throws(TallyError) -> TargetSyntax {
    let first = token
    guard first.isName || first.kind == .parameter else { throw wrong() }
    _ = take()
    var target = TargetSyntax(path: [first.text])
    while takesSymbol(".") { target.path.append(try needName()) }
    guard first.kind == .parameter || isKnown(first.text) else {
      throw .sql("42601", "\"\(target.path.joined(separator: "."))\" is not a known variable")
    }
    guard target.path.count > 1 || !isConstant(first.text) else { throw .sql("22005", "variable \"\(first.text)\" is declared CONSTANT") }
    return target
  }
  private mutating func assignment() throws(TallyError) -> BlockStatementSyntax.Kind {
    guard isAssignment() else { throw wrong() }
    var target = try target()
    while takesSymbol("[") {
      target.subscripts.append(try expression(until: [], symbols: [";", "]", ":"]))
      if token.isSymbol(":") { throw unsupported("assignment to a slice of an array") }
      try needSymbol("]")
    }
    if token.isSymbol(".") { throw unsupported("assignment to a field of an array's element") }
    guard takesSymbol(":=") || takesSymbol("=") else { throw wrong() }
    let value = try expression(until: [])
    try needSymbol(";")
    return .assign(target, value)
  }
  /// Behind INTO.
  private mutating func into() throws(TallyError) -> IntoSyntax {
    let isStrict = takes("strict")
    var targets: [TargetSyntax] = []
    repeat { targets.append(try target()) } while takesSymbol(",")
    return IntoSyntax(targets: targets, isStrict: isStrict)
  }
  private mutating func sql() throws(TallyError) -> BlockStatementSyntax.Kind {
    let start = token.start
    let first = token.text
    var into: IntoSyntax?
    var pieces: [String] = []
    var from = start
    var previous = ""
    while !token.isSymbol(";") {
      guard token.kind != .end else { throw wrong() }
      if token.isWord("into"), previous != "insert", previous != "merge" {
        guard ["select", "insert", "update", "delete", "with", "values", "merge"].contains(first) else { throw wrong() }
        guard into == nil else { throw .sql("42601", "INTO specified more than once") }
        pieces.append(source(from, token.start))
        _ = take()
        into = try self.into()
        from = token.start
        continue
      }
      previous = token.text
      _ = take()
    }
    pieces.append(source(from, token.start))
    _ = take()
    let text = pieces.filter { !$0.isEmpty }.joined(separator: " ")
    return .sql(try Self.statement(text), into: into)
  }
  private mutating func dynamic(until words: [String], symbols: [String] = [";"]) throws(TallyError) -> DynamicSyntax {
    let text = try expression(until: ["using"] + words, symbols: symbols)
    let arguments = takes("using") ? try expressions(until: words, symbols: symbols) : []
    return DynamicSyntax(text: text, arguments: arguments)
  }
  private mutating func execute() throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    var result = DynamicSyntax(text: try expression(until: ["into", "using"]), arguments: [])
    var into: IntoSyntax?
    while !token.isSymbol(";") {
      if takes("into") {
        guard into == nil else { throw wrong() }
        into = try self.into()
      } else {
        try need("using")
        guard result.arguments.isEmpty else { throw wrong() }
        result.arguments = try expressions(until: ["into"], symbols: [";"])
      }
    }
    _ = take()
    return .dynamic(result, into: into)
  }
  private mutating func diagnostics() throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    let isStacked = takes("stacked")
    if !isStacked { _ = takes("current") }
    try need("diagnostics")
    var items: [(TargetSyntax, BlockStatementSyntax.Diagnostic)] = []
    repeat {
      let target = try target()
      guard takesSymbol(":=") || takesSymbol("=") else { throw wrong() }
      let word = try needName()
      guard let item = BlockStatementSyntax.Diagnostic(rawValue: word) else {
        if word == "pg_context" || word == "pg_routine_oid" { throw unsupported("GET DIAGNOSTICS of \(word.uppercased())") }
        throw .sql("42601", "unrecognized GET DIAGNOSTICS item at or near \"\(word)\"")
      }
      guard isStacked != (item == .rowCount) else {
        let which = isStacked ? "GET STACKED DIAGNOSTICS" : "GET CURRENT DIAGNOSTICS"
        throw .sql("42601", "diagnostics item \(word.uppercased()) is not allowed in \(which)")
      }
      items.append((target, item))
    } while takesSymbol(",")
    try needSymbol(";")
    return .diagnostics(isStacked: isStacked, items)
  }

  // MARK: Control

  private mutating func ifThen() throws(TallyError) -> BlockStatementSyntax.Kind {
    var branches: [(condition: BlockExpression, statements: [BlockStatementSyntax])] = []
    var otherwise: [BlockStatementSyntax]?
    repeat {
      _ = take()
      let condition = try expression(until: ["then"], symbols: [])
      _ = take()
      branches.append((condition, try statements(until: ["elsif", "elseif", "else", "end"])))
    } while token.isWord("elsif") || token.isWord("elseif")
    if takes("else") { otherwise = try statements(until: ["end"]) }
    try need("end")
    try need("if")
    try needSymbol(";")
    return .ifThen(branches, otherwise: otherwise)
  }
  private mutating func select() throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    let subject = token.isWord("when") ? nil : try expression(until: ["when"])
    var branches: [(values: [BlockExpression], statements: [BlockStatementSyntax])] = []
    while takes("when") {
      let values = subject == nil ? [try expression(until: ["then"])] : try expressions(until: ["then"], symbols: [";"])
      try need("then")
      branches.append((values, try statements(until: ["when", "else", "end"])))
    }
    guard !branches.isEmpty else { throw wrong() }
    let otherwise = takes("else") ? try statements(until: ["end"]) : nil
    try need("end")
    try need("case")
    try needSymbol(";")
    return .select(subject, branches: branches, otherwise: otherwise)
  }
  /// Behind LOOP.
  private mutating func loopBody(_ label: String?, names: Set<String> = []) throws(TallyError) -> [BlockStatementSyntax] {
    scopes.append(Scope(label: label, names: names, isLoop: true))
    defer { scopes.removeLast() }
    let body = try statements(until: ["end"])
    try need("end")
    try need("loop")
    try endLabel(label)
    try needSymbol(";")
    return body
  }
  private mutating func forLoop(_ label: String?) throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    let first = token
    guard first.isName else { throw wrong() }
    var paths: [[String]] = []
    repeat {
      var path = [try needName()]
      while takesSymbol(".") { path.append(try needName()) }
      paths.append(path)
    } while takesSymbol(",")
    try need("in")
    func targets() throws(TallyError) -> [TargetSyntax] {
      for path in paths where !isKnown(path[0]) {
        throw .sql("42601", "loop variable of loop over rows must be a record variable or list of scalar variables")
      }
      return paths.map { TargetSyntax(path: $0) }
    }
    if takes("execute") {
      let targets = try targets()
      let dynamic = try dynamic(until: ["loop"])
      try need("loop")
      return .forDynamic(label: label, targets, dynamic, try loopBody(label))
    }
    let start = at
    let isReverse = takes("reverse")
    let low = try text(until: ["loop"], symbols: [";", ".."])
    if takesSymbol("..") {
      guard paths.count == 1, paths[0].count == 1 else { throw .sql("42601", "integer FOR loop must have only one target variable") }
      let from = try Self.parsed(low)
      let to = try expression(until: ["by", "loop"])
      let by = takes("by") ? try expression(until: ["loop"]) : nil
      try need("loop")
      let name = paths[0][0]
      let body = try loopBody(label, names: [name])
      return .forInteger(label: label, name, from: from, to: to, by: by, isReverse: isReverse, body)
    }
    if isReverse { throw .sql("42601", "cannot specify REVERSE in query FOR loop") }
    at = start
    let query = try Self.statement(try text(until: ["loop"]))
    let targets = try targets()
    try need("loop")
    return .forQuery(label: label, targets, query, try loopBody(label))
  }
  private mutating func forEach(_ label: String?) throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    let target = try target()
    if takes("slice") {
      guard take().text == "0" else { throw unsupported("FOREACH … SLICE") }
    }
    try need("in")
    try need("array")
    let array = try expression(until: ["loop"])
    _ = take()
    return .forEach(label: label, target, array, try loopBody(label))
  }
  private mutating func leave() throws(TallyError) -> BlockStatementSyntax.Kind {
    let isExit = take().text == "exit"
    var label: String?
    if token.isName, !token.isWord("when") { label = take().text }
    let condition = takes("when") ? try expression(until: []) : nil
    try needSymbol(";")
    if let label {
      guard let scope = scopes.last(where: { $0.label == label }) else {
        throw .sql("42601", "there is no label \"\(label)\" attached to any block or loop enclosing this statement")
      }
      guard isExit || scope.isLoop else { throw .sql("42601", "block label \"\(label)\" cannot be used in CONTINUE") }
    } else if !scopes.contains(where: { $0.isLoop }) {
      throw .sql(
        "42601",
        isExit ? "EXIT cannot be used outside a loop, unless it has a label" : "CONTINUE cannot be used outside a loop"
      )
    }
    return isExit ? .exit(label: label, condition: condition) : .continueLoop(label: label, condition: condition)
  }
  private mutating func giveBack() throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    if takes("next") {
      if takesSymbol(";") { return .giveNext(nil) }
      let value = try expression(until: [])
      try needSymbol(";")
      return .giveNext(value)
    }
    if takes("query") {
      if takes("execute") {
        let dynamic = try dynamic(until: [])
        try needSymbol(";")
        return .giveDynamic(dynamic)
      }
      let query = try Self.statement(try text(until: []))
      try needSymbol(";")
      return .giveQuery(query)
    }
    if takesSymbol(";") { return .giveBack(nil) }
    let value = try expression(until: [])
    try needSymbol(";")
    return .giveBack(value)
  }

  // MARK: RAISE

  private mutating func raise() throws(TallyError) -> BlockStatementSyntax.Kind {
    _ = take()
    var raise = RaiseSyntax(level: .exception)
    if token.kind == .word, let level = RaiseSyntax.Level(rawValue: token.text.uppercased()) {
      raise.level = level
      _ = take()
    }
    if token.kind == .string {
      let format = take().text
      raise.format = format
      while takesSymbol(",") { raise.arguments.append(try expression(until: ["using"], symbols: [";", ","])) }
      let places = Self.places(format)
      guard raise.arguments.count <= places else { throw near(.sql("42601", "too many parameters specified for RAISE")) }
      guard raise.arguments.count >= places else { throw near(.sql("42601", "too few parameters specified for RAISE")) }
    } else if token.isName, !token.isWord("using") {
      let name = take().text
      if name == "sqlstate" {
        guard token.kind == .string, ConditionNames.isState(token.text) else { throw .sql("42601", "invalid SQLSTATE code") }
        let state = take().text
        raise.condition = (state, state)
      } else {
        guard let state = ConditionNames.states(of: name).first else {
          throw near(.sql("42704", "unrecognized exception condition \"\(name)\""))
        }
        raise.condition = (name, state)
      }
    }
    if takes("using") {
      repeat {
        let word = try needName()
        guard let option = RaiseSyntax.Option(rawValue: word) else {
          throw .sql("42601", "unrecognized RAISE statement option at or near \"\(word)\"")
        }
        guard takesSymbol("=") || takesSymbol(":=") else { throw wrong() }
        raise.options.append((option, try expression(until: [], symbols: [";", ","])))
      } while takesSymbol(",")
    }
    try needSymbol(";")
    return .raise(raise)
  }
  /// Number of `%`; `%%` is one of the text.
  private static func places(_ format: String) -> Int {
    var count = 0
    var isPending = false
    for byte in format.utf8 {
      if byte == UInt8(ascii: "%") {
        isPending.toggle()
      } else if isPending {
        count += 1
        isPending = false
      }
    }
    return count + (isPending ? 1 : 0)
  }
}
