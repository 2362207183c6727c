// SyntaxBuilder+Expressions.swift — expressions and calls.
import Model

extension SyntaxBuilder {
  func expression(_ node: Int, depth: Int) throws(TallyError) -> ExpressionSyntax {
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    let kind = try expressionKind(tag, body, depth)
    return ExpressionSyntax(kind: kind, position: position(body))
  }
  private func operand(_ body: Int, _ name: StaticString, _ depth: Int) throws(TallyError) -> ExpressionSyntax {
    guard let node = child(body, name) else { throw damaged(body) }
    return try expression(node, depth: depth + 1)
  }
  private func list(_ array: Int?, _ depth: Int) throws(TallyError) -> [ExpressionSyntax] {
    var result: [ExpressionSyntax] = []
    for node in tape.elements(array) { result.append(try expression(node, depth: depth + 1)) }
    return result
  }

  private func expressionKind(_ tag: Int, _ body: Int, _ depth: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    switch tape.string(tag) {
    case "ColumnRef": return try columnReference(body)
    case "A_Const":
      switch try constant(body) {
      case .integer(let value): return .integer(value)
      case .decimal(let digits): return .decimal(digits)
      case .string(let text): return .string(text)
      case .boolean(let flag): return .boolean(flag)
      case .null: return .null
      }
    case "A_Expr": return try operatorExpression(body, depth)
    case "BoolExpr":
      let arguments = try list(child(body, "args"), depth)
      switch text(body, "boolop") ?? "" {
      case "AND_EXPR": return .and(arguments)
      case "OR_EXPR": return .or(arguments)
      default:
        guard let only = arguments.first else { throw damaged(body) }
        return .not(only)
      }
    case "NullTest":
      return .isNull(try operand(body, "arg", depth), negated: text(body, "nulltesttype") == "IS_NOT_NULL")
    case "BooleanTest":
      let argument = try operand(body, "arg", depth)
      switch text(body, "booltesttype") ?? "" {
      case "IS_TRUE": return .isBoolean(argument, true, negated: false)
      case "IS_NOT_TRUE": return .isBoolean(argument, true, negated: true)
      case "IS_FALSE": return .isBoolean(argument, false, negated: false)
      case "IS_NOT_FALSE": return .isBoolean(argument, false, negated: true)
      case "IS_UNKNOWN": return .isBoolean(argument, nil, negated: false)
      default: return .isBoolean(argument, nil, negated: true)
      }
    case "CaseExpr": return try caseExpression(body, depth)
    case "CoalesceExpr": return .coalesce(try list(child(body, "args"), depth))
    case "TypeCast":
      guard let type = child(body, "typeName") else { throw damaged(body) }
      return .cast(try operand(body, "arg", depth), try self.type(type))
    case "FuncCall": return .call(try call(body, depth))
    case "SQLValueFunction":
      switch text(body, "op") ?? "" {
      case "SVFOP_CURRENT_DATE": return .currentTime(.date)
      case "SVFOP_CURRENT_TIMESTAMP": return .currentTime(.timestamp)
      case "SVFOP_LOCALTIMESTAMP": return .currentTime(.localTimestamp)
      case "SVFOP_LOCALTIME": return .currentTime(.localTime)
      case "SVFOP_CURRENT_ROLE", "SVFOP_CURRENT_USER", "SVFOP_USER", "SVFOP_SESSION_USER", "SVFOP_CURRENT_CATALOG", "SVFOP_CURRENT_SCHEMA":
        let name = String((text(body, "op") ?? "").dropFirst("SVFOP_".count)).lowercased()
        return .call(CallSyntax(name: name, arguments: [], namedArguments: [], isStar: false, isDistinct: false))
      case let other: throw unsupported("\(other.replacingPrefix("SVFOP_", with: "")) is", body)
      }
    case "A_Indirection": return try indirection(body, depth)
    case "SubLink": return try subquery(body, depth)
    case "A_ArrayExpr": return .array(try list(child(body, "elements"), depth))
    case "RowExpr": return .row(try list(child(body, "args"), depth))
    case "MinMaxExpr": return .extreme(try list(child(body, "args"), depth), isGreatest: text(body, "op") != "IS_LEAST")
    case "ParamRef": return .parameter(child(body, "number").flatMap { tape.integer($0) } ?? 0)
    case "CollateClause":
      let names = strings(child(body, "collname")) ?? []
      let isOurs = names.count == 1 || names[0] == "pg_catalog"
      guard let name = names.last, isOurs, ["C", "POSIX", "default", "ucs_basic"].contains(name) else {
        throw unsupported("COLLATE is", body, hint: "Text compares by bytes.")
      }
      return try operand(body, "arg", depth).kind
    case "GroupingFunc": return .grouping(try list(child(body, "args"), depth))
    case "SetToDefault": throw .sql("42601", "DEFAULT is not allowed in this context", position: position(body))
    case "XmlExpr", "XmlSerialize": throw unsupported("XML is", body)
    case let other: throw unsupported("\(other) is", body)
    }
  }

  // MARK: Constants

  enum Constant {
    case integer(Int32)
    case decimal(String)
    case string(String)
    case boolean(Bool)
    case null
  }
  func constant(_ body: Int) throws(TallyError) -> Constant {
    if let field = child(body, "ival") {
      if let value = child(field, "ival").flatMap({ tape.integer($0) }) {
        guard let narrow = Int32(exactly: value) else { throw damaged(body) }
        return .integer(narrow)
      }
      // libpg_query leaves out zero and negative integers: the text itself says which it was.
      return .integer(try signedLiteral(body))
    }
    if let field = child(body, "fval") { return .decimal(text(field, "fval") ?? "0") }
    if let field = child(body, "sval") { return .string(text(field, "sval") ?? "") }
    if let field = child(body, "boolval") { return .boolean(flag(field, "boolval")) }
    if child(body, "bsval") != nil { throw unsupported("a bit string is", body) }
    if flag(body, "isnull") { return .null }
    throw damaged(body)
  }

  /// Reads `- 3`, `-(3)`, `- -0` … at a constant's location: signs, blanks, parentheses and comments, then digits.
  private func signedLiteral(_ body: Int) throws(TallyError) -> Int32 {
    guard var at = location(body) else { return 0 }
    var isNegative = false
    while at < bytes.count {
      switch bytes[at] {
      case UInt8(ascii: "-") where at + 1 < bytes.count && bytes[at + 1] == UInt8(ascii: "-"):
        while at < bytes.count, bytes[at] != 0x0a, bytes[at] != 0x0d { at += 1 }
      case UInt8(ascii: "-"):
        isNegative.toggle()
        at += 1
      case UInt8(ascii: "/"):
        at = afterComment(at)
      case UInt8(ascii: "("), 0x20, 0x09...0x0d:
        at += 1
      case 0x30...0x39:
        var value: Int64 = 0
        while at < bytes.count, case 0x30...0x39 = bytes[at] {
          value = value * 10 + Int64(bytes[at] - 0x30)
          guard value <= Int64(Int32.max) else { throw damaged(body) }
          at += 1
        }
        return Int32(isNegative ? -value : value)
      default: throw damaged(body)
      }
    }
    throw damaged(body)
  }
  private func afterComment(_ start: Int) -> Int {
    var at = start
    var depth = 0
    repeat {
      guard at + 1 < bytes.count else { return bytes.count }
      if bytes[at] == UInt8(ascii: "/"), bytes[at + 1] == UInt8(ascii: "*") {
        depth += 1
        at += 2
      } else if bytes[at] == UInt8(ascii: "*"), bytes[at + 1] == UInt8(ascii: "/") {
        depth -= 1
        at += 2
      } else {
        at += 1
      }
    } while depth > 0
    return at
  }

  // MARK: Names, operators, calls

  private func subquery(_ body: Int, _ depth: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    guard let inner = child(body, "subselect"), let (tag, query) = tape.tagged(inner), tape.matches(tag, "SelectStmt") else {
      throw damaged(body)
    }
    let kind = text(body, "subLinkType") ?? ""
    switch kind {
    case "EXISTS_SUBLINK": return .exists(try select(query, depth: depth + 1))
    case "EXPR_SUBLINK": return .scalarSubquery(try select(query, depth: depth + 1))
    case "ARRAY_SUBLINK": return .arraySubquery(try select(query, depth: depth + 1))
    case "ANY_SUBLINK", "ALL_SUBLINK":
      let left = try operand(body, "testexpr", depth)
      let name = strings(child(body, "operName"))?.last ?? "="
      return .quantified(left, name, try select(query, depth: depth + 1), isAll: kind == "ALL_SUBLINK")
    default: throw unsupported("this subquery is", body)
    }
  }
  private func columnReference(_ body: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    var names: [String] = []
    var isStar = false
    for field in tape.elements(child(body, "fields")) {
      guard let (tag, inner) = tape.tagged(field) else { throw damaged(field) }
      if tape.matches(tag, "A_Star") { isStar = true } else { names.append(text(inner, "sval") ?? "") }
    }
    // A schema before a relation's name says nothing that the name does not: schemas of a query's relations are looked at in FROM.
    if names.count == (isStar ? 2 : 3) { names.removeFirst() }
    if isStar {
      guard names.count <= 1 else { throw unsupported("a name of several parts before * is", body) }
      return .star(qualifier: names.first)
    }
    guard names.count <= 2 else { throw unsupported("a column name of several parts is", body) }
    return .column(names)
  }

  private func operatorExpression(_ body: Int, _ depth: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    guard let names = strings(child(body, "name")), let name = names.last else { throw damaged(body) }
    if names.count > 1, names[0] != "pg_catalog" { throw unsupported("OPERATOR(schema.name) is", body) }
    switch text(body, "kind") ?? "" {
    case "AEXPR_OP":
      guard child(body, "lexpr") != nil else { return .prefix(name, try operand(body, "rexpr", depth)) }
      return .infix(name, try operand(body, "lexpr", depth), try operand(body, "rexpr", depth))
    case "AEXPR_IN":
      let left = try operand(body, "lexpr", depth)
      guard let right = child(body, "rexpr"), let (_, items) = tape.tagged(right) else { throw damaged(body) }
      return .inList(left, try list(child(items, "items"), depth), negated: name == "<>")
    case "AEXPR_LIKE":
      let pattern = try operand(body, "rexpr", depth)
      return .like(try operand(body, "lexpr", depth), pattern, negated: name == "!~~")
    case "AEXPR_BETWEEN", "AEXPR_NOT_BETWEEN":
      let left = try operand(body, "lexpr", depth)
      guard let right = child(body, "rexpr"), let (_, items) = tape.tagged(right) else { throw damaged(body) }
      let bounds = try list(child(items, "items"), depth)
      guard bounds.count == 2 else { throw damaged(body) }
      return .between(left, bounds[0], bounds[1], negated: name == "NOT BETWEEN")
    case "AEXPR_NULLIF":
      return .nullIf(try operand(body, "lexpr", depth), try operand(body, "rexpr", depth))
    // ILIKE is ~~* or !~~*; SIMILAR TO is ~ or !~ with the pattern made a regular expression.
    case "AEXPR_ILIKE", "AEXPR_SIMILAR": return .infix(name, try operand(body, "lexpr", depth), try operand(body, "rexpr", depth))
    case "AEXPR_DISTINCT", "AEXPR_NOT_DISTINCT":
      return .isDistinct(
        try operand(body, "lexpr", depth),
        try operand(body, "rexpr", depth),
        negated: text(body, "kind") == "AEXPR_NOT_DISTINCT"
      )
    case "AEXPR_BETWEEN_SYM", "AEXPR_NOT_BETWEEN_SYM":
      let left = try operand(body, "lexpr", depth)
      guard let right = child(body, "rexpr"), let (_, items) = tape.tagged(right) else { throw damaged(body) }
      let bounds = try list(child(items, "items"), depth)
      guard bounds.count == 2 else { throw damaged(body) }
      let place = position(body)
      let either = ExpressionSyntax.Kind.or([
        ExpressionSyntax(kind: .between(left, bounds[0], bounds[1], negated: false), position: place),
        ExpressionSyntax(kind: .between(left, bounds[1], bounds[0], negated: false), position: place),
      ])
      return text(body, "kind") == "AEXPR_BETWEEN_SYM" ? either : .not(ExpressionSyntax(kind: either, position: place))
    case "AEXPR_OP_ANY", "AEXPR_OP_ALL":
      return .arrayComparison(
        try operand(body, "lexpr", depth),
        name,
        try operand(body, "rexpr", depth),
        isAll: text(body, "kind") == "AEXPR_OP_ALL"
      )
    case let other: throw unsupported("\(other) is", body)
    }
  }

  private func caseExpression(_ body: Int, _ depth: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    var subject: ExpressionSyntax?
    if child(body, "arg") != nil { subject = try operand(body, "arg", depth) }
    var branches: [(condition: ExpressionSyntax, result: ExpressionSyntax)] = []
    for item in tape.elements(child(body, "args")) {
      guard let (_, branch) = tape.tagged(item) else { throw damaged(item) }
      branches.append((try operand(branch, "expr", depth), try operand(branch, "result", depth)))
    }
    var otherwise: ExpressionSyntax?
    if child(body, "defresult") != nil { otherwise = try operand(body, "defresult", depth) }
    return .caseWhen(operand: subject, branches: branches, otherwise: otherwise)
  }

  private func indirection(_ body: Int, _ depth: Int) throws(TallyError) -> ExpressionSyntax.Kind {
    var result = try operand(body, "arg", depth)
    for node in tape.elements(child(body, "indirection")) {
      guard let (tag, step) = tape.tagged(node) else { throw damaged(node) }
      let kind: ExpressionSyntax.Kind
      switch tape.string(tag) {
      case "A_Star": kind = .allFields(result)
      case "String": kind = .field(result, text(step, "sval") ?? "")
      case "A_Indices":
        func bound(_ name: StaticString) throws(TallyError) -> ExpressionSyntax? {
          child(step, name) == nil ? nil : try operand(step, name, depth)
        }
        if flag(step, "is_slice") {
          kind = .slice(result, try bound("lidx"), try bound("uidx"))
        } else {
          kind = .element(result, try operand(step, "uidx", depth))
        }
      case let other: throw unsupported("\(other) is", body)
      }
      result = ExpressionSyntax(kind: kind, position: result.position)
    }
    return result.kind
  }

  func call(_ body: Int, _ depth: Int) throws(TallyError) -> CallSyntax {
    guard let names = strings(child(body, "funcname")), let name = names.last else { throw damaged(body) }
    if names.count > 1, !["pg_catalog", "public", "information_schema", "cron"].contains(names[0]) {
      throw .sql("3F000", "schema \"\(names[0])\" does not exist", position: position(body))
    }
    if flag(body, "func_variadic") { throw unsupported("VARIADIC is", body) }
    var result = CallSyntax(
      name: name,
      arguments: [],
      namedArguments: [],
      isStar: flag(body, "agg_star"),
      isDistinct: flag(body, "agg_distinct")
    )
    for argument in tape.elements(child(body, "args")) {
      if let (tag, named) = tape.tagged(argument), tape.matches(tag, "NamedArgExpr") {
        result.namedArguments.append(
          (NameSyntax(name: text(named, "name") ?? "", position: position(named)), try operand(named, "arg", depth))
        )
      } else {
        result.arguments.append(try expression(argument, depth: depth + 1))
      }
    }
    if names.count > 1, names[0] != "public" { result.schema = names[0] }
    if child(body, "agg_filter") != nil { result.filter = try operand(body, "agg_filter", depth) }
    result.orderBy = try sortKeys(child(body, "agg_order"), depth)
    result.isWithinGroup = flag(body, "agg_within_group")
    if let over = child(body, "over") { result.over = try window(over, depth) }
    return result
  }
}
