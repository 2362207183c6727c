// SyntaxBuilder+Procedures.swift — CREATE and DROP FUNCTION or PROCEDURE, DO, CALL.
import Model

extension SyntaxBuilder {
  // MARK: CREATE

  func createFunction(_ body: Int, start: Int) throws(TallyError) -> CreateFunctionSyntax {
    let isProcedure = flag(body, "is_procedure")
    let what = isProcedure ? "a procedure" : "a function"
    var options = FunctionOptions()
    for item in tape.elements(child(body, "options")) { try read(item, into: &options, what) }
    if let standard = child(body, "sql_body") {
      if options.body != nil { throw .sql("42P13", "duplicate function body specified", position: position(body)) }
      options.body = try standardBody(standard, start: start)
      options.language = options.language ?? "sql"
      guard options.language == "sql" else {
        throw .sql("42P13", "inline SQL function body only valid for language SQL")
      }
    }
    guard let language = options.language else { throw .sql("42P13", "no language specified") }
    guard language == "sql" || language == "plpgsql" else {
      let known = ["c", "internal"].contains(language)
      guard known else {
        throw .sql(
          "42704",
          "language \"\(language)\" does not exist",
          hint: ["plpython3u", "plperl", "pltcl"].contains(language) ? "Functions are written in sql or plpgsql." : nil
        )
      }
      throw .sql("0A000", "language \(language) is not supported", hint: "Functions are written in sql or plpgsql.")
    }
    guard let text = options.body else { throw .sql("42P13", "no function body specified") }
    var arguments: [CreateFunctionSyntax.Argument] = []
    for item in tape.elements(child(body, "parameters")) { arguments.append(try argument(item)) }
    var result: ReferringTypeSyntax?
    var returnsSet = arguments.contains { $0.mode == .table }
    if let type = child(body, "returnType"), !returnsSet {
      result = try referringType(type)
      returnsSet = flag(type, "setof")
    }
    return CreateFunctionSyntax(
      name: try functionName(child(body, "funcname"), body),
      replaces: flag(body, "replace"),
      isProcedure: isProcedure,
      arguments: arguments,
      result: result,
      returnsSet: returnsSet,
      language: language,
      body: text,
      volatility: options.volatility,
      isStrict: options.isStrict
    )
  }
  private struct FunctionOptions {
    var language: String?
    var body: String?
    var volatility = CreateFunctionSyntax.Volatility.volatile
    var isStrict = false
  }
  private func read(_ item: Int, into options: inout FunctionOptions, _ what: String) throws(TallyError) {
    guard let (_, option) = tape.tagged(item), let name = text(option, "defname") else { throw damaged(item) }
    switch name {
    case "language": options.language = try optionText(child(option, "arg") ?? option).lowercased()
    case "as":
      guard let argument = child(option, "arg"), let (_, list) = tape.tagged(argument) else { throw damaged(option) }
      let parts = strings(child(list, "items")) ?? []
      guard parts.count == 1 else { throw unsupported("an object file is", option) }
      options.body = parts[0]
    case "volatility":
      switch try optionText(child(option, "arg") ?? option) {
      case "immutable": options.volatility = .immutable
      case "stable": options.volatility = .stable
      default: options.volatility = .volatile
      }
    case "strict": options.isStrict = child(option, "arg").flatMap { tape.tagged($0) }.map { flag($0.body, "boolval") } ?? false
    // They tell PostgreSQL's planner and nothing of what the function does.
    case "parallel", "cost", "rows", "leakproof": break
    case "security":
      let isDefiner = child(option, "arg").flatMap { tape.tagged($0) }.map { flag($0.body, "boolval") } ?? false
      if isDefiner { throw unsupported("SECURITY DEFINER is", option, hint: "Functions run as who calls them.") }
    case "set": throw unsupported("SET of a setting for \(what) is", option)
    case "window": throw unsupported("WINDOW of \(what) is", option)
    case "transform", "support": throw unsupported("\(name.uppercased()) of \(what) is", option)
    default: throw unsupported("\(name.uppercased()) of \(what) is", option)
    }
  }
  private func argument(_ item: Int) throws(TallyError) -> CreateFunctionSyntax.Argument {
    guard let (_, parameter) = tape.tagged(item), let type = child(parameter, "argType") else { throw damaged(item) }
    let mode: CreateFunctionSyntax.Mode
    switch text(parameter, "mode") ?? "" {
    case "FUNC_PARAM_OUT": mode = .out
    case "FUNC_PARAM_INOUT": mode = .inout
    case "FUNC_PARAM_TABLE": mode = .table
    case "FUNC_PARAM_VARIADIC": throw unsupported("VARIADIC is", type, hint: "Take an array.")
    default: mode = .in
    }
    if flag(type, "setof") { throw .sql("42P13", "functions cannot accept set arguments", position: position(type)) }
    return CreateFunctionSyntax.Argument(
      name: text(parameter, "name") ?? "",
      type: try referringType(type),
      mode: mode,
      defaultText: child(parameter, "defexpr").map { _ in initialText(behind: location(type) ?? 0) },
      position: position(type)
    )
  }
  /// What stands behind DEFAULT or = of the argument whose type begins at a byte, up to the comma or parenthesis that ends it.
  private func initialText(behind type: Int) -> String {
    var at = type
    var start: Int?
    var depth = 0
    while at < bytes.count {
      let byte = bytes[at]
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\""):
        at += 1
        while at < bytes.count, bytes[at] != byte { at += 1 }
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"), UInt8(ascii: ","):
        if depth == 0, byte != UInt8(ascii: "]") { return trimmed(start ?? at, at) }
        if byte != UInt8(ascii: ",") { depth -= 1 }
      case UInt8(ascii: "=") where depth == 0 && start == nil: start = at + 1
      default:
        if depth == 0, start == nil, isWord("default", at) {
          start = at + 7
          at += 6
        }
      }
      at += 1
    }
    return trimmed(start ?? at, at)
  }
  private func referringType(_ node: Int) throws(TallyError) -> ReferringTypeSyntax {
    guard let names = strings(child(node, "names")), let name = names.last else { throw damaged(node) }
    if flag(node, "pct_type") {
      return ReferringTypeSyntax(
        type: TypeSyntax(name: name, modifiers: [], position: position(node)),
        reference: names.first == "public" && names.count == 3 ? Array(names.dropFirst()) : names
      )
    }
    return ReferringTypeSyntax(type: try written(node))
  }
  /// Name of a function; only those of schema public are users'.
  private func functionName(_ list: Int?, _ node: Int) throws(TallyError) -> NameSyntax {
    guard let names = strings(list), let name = names.last, names.count <= 2 else { throw damaged(node) }
    let schema = names.count == 2 && names[0] != "public" ? names[0] : nil
    return NameSyntax(name: name, schema: schema, position: position(node))
  }
  /// The text of `RETURN expression` as a SELECT, or of what stands between BEGIN ATOMIC and END.
  private func standardBody(_ node: Int, start: Int) throws(TallyError) -> String {
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    let isReturn = tape.matches(tag, "ReturnStmt")
    var first = bytes.count
    var inner = body
    while inner < Int(tape.nodes[node].next) {
      if tape.nodes[inner].kind == .object, let offset = location(inner) { first = min(first, offset) }
      inner += 1
    }
    var at = min(first, bytes.count - 1)
    while at > start, !isWord(isReturn ? "return" : "atomic", at) { at -= 1 }
    at += 6
    // The statement's end: bodies stand last.
    var end = bytes.count
    for raw in tape.elements(tape.field(0, "stmts")) {
      guard let own = tape.field(raw, "stmt_location").flatMap({ tape.integer($0) }) ?? .some(0), own == start else { continue }
      if let length = tape.field(raw, "stmt_len").flatMap({ tape.integer($0) }) { end = start + length }
    }
    guard at <= end else { throw damaged(node) }
    let text = trimmed(at, end)
    if isReturn { return "SELECT " + text }
    guard text.lowercased().hasSuffix("end") else { throw damaged(node) }
    return String(text.dropLast(3))
  }

  // MARK: DROP, DO, CALL

  func dropFunction(_ body: Int, _ kind: DropFunctionSyntax.Kind) throws(TallyError) -> DropFunctionSyntax {
    var items: [DropFunctionSyntax.Item] = []
    for object in tape.elements(child(body, "objects")) {
      guard let (_, item) = tape.tagged(object) else { throw damaged(object) }
      var arguments: [ReferringTypeSyntax]?
      if !flag(item, "args_unspecified") {
        var types: [ReferringTypeSyntax] = []
        // OUT arguments are no part of a function's name.
        for parameter in tape.elements(child(item, "objfuncargs")) {
          guard let (_, inner) = tape.tagged(parameter), let type = child(inner, "argType") else { throw damaged(parameter) }
          if text(inner, "mode") != "FUNC_PARAM_OUT" { types.append(try referringType(type)) }
        }
        arguments = types
      }
      items.append(DropFunctionSyntax.Item(name: try functionName(child(item, "objname"), item), arguments: arguments))
    }
    // CASCADE drops nothing more: nothing depends on a function.
    return DropFunctionSyntax(kind: kind, items: items, ifExists: flag(body, "missing_ok"))
  }

  func doBlock(_ body: Int) throws(TallyError) -> DoSyntax {
    var result = DoSyntax(language: "plpgsql", body: "")
    var hasBody = false
    for item in tape.elements(child(body, "args")) {
      guard let (_, option) = tape.tagged(item), let argument = child(option, "arg") else { throw damaged(item) }
      switch text(option, "defname") ?? "" {
      case "language": result.language = try optionText(argument).lowercased()
      case "as": (result.body, hasBody) = (try optionText(argument), true)
      default: throw damaged(option)
      }
    }
    guard hasBody else { throw .sql("42601", "no inline code specified") }
    guard result.language == "plpgsql" else {
      if result.language == "sql" { throw .sql("0A000", "language \"sql\" does not support inline code execution") }
      throw .sql("42704", "language \"\(result.language)\" does not exist")
    }
    return result
  }

  func callStatement(_ body: Int) throws(TallyError) -> (CallSyntax, Int) {
    guard let call = child(body, "funccall") else { throw damaged(body) }
    return (try self.call(call, 0), position(call))
  }
}
