// SyntaxMapping.swift — a copy of a tree with some expressions exchanged: the one place that knows the operands of every kind of node.
//
// Who changes is a `SyntaxRewriter`: it is asked about every operand in order of evaluation, with the conditions under which PostgreSQL
// evaluates it (branches of CASE, later parts of AND, OR, COALESCE), and about every query inside.
public import Model

/// Exchanges parts of a tree.
public protocol SyntaxRewriter: AnyObject {
  /// An operand, evaluated only where all of `guards` are true.
  func expression(_ syntax: ExpressionSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> ExpressionSyntax
  /// A query inside of an expression or FROM item.
  func query(_ syntax: SelectSyntax, guards: [ExpressionSyntax]) throws(TallyError) -> SelectSyntax
  /// A query in FROM.
  func source(_ syntax: SelectSyntax, isLateral: Bool) throws(TallyError) -> SelectSyntax
  /// A function in FROM.
  func functions(_ syntax: TableFunctionsSyntax) throws(TallyError) -> FromSyntax
}

extension ExpressionSyntax {
  /// The expression with its operands exchanged.
  public func mappingOperands(_ rewriter: some SyntaxRewriter, guards: [ExpressionSyntax]) throws(TallyError) -> ExpressionSyntax {
    var result = self
    result.kind = try mappedKind(rewriter, guards)
    return result
  }
  private func mappedKind(_ rewriter: some SyntaxRewriter, _ guards: [ExpressionSyntax]) throws(TallyError) -> Kind {
    func map(_ syntax: ExpressionSyntax) throws(TallyError) -> ExpressionSyntax { try rewriter.expression(syntax, guards: guards) }
    func mapMaybe(_ syntax: ExpressionSyntax?) throws(TallyError) -> ExpressionSyntax? {
      guard let syntax else { return nil }
      return try map(syntax)
    }
    func mapAll(_ list: [ExpressionSyntax]) throws(TallyError) -> [ExpressionSyntax] {
      var result: [ExpressionSyntax] = []
      for item in list { result.append(try map(item)) }
      return result
    }
    /// Each part is evaluated where those before it did not decide.
    func chain(_ list: [ExpressionSyntax], _ goesOn: (ExpressionSyntax) -> Kind) throws(TallyError) -> [ExpressionSyntax] {
      var result: [ExpressionSyntax] = []
      var own = guards
      for item in list {
        let part = try rewriter.expression(item, guards: own)
        result.append(part)
        own.append(ExpressionSyntax(kind: goesOn(part), position: part.position))
      }
      return result
    }
    switch kind {
    case .column, .star, .integer, .decimal, .string, .boolean, .null, .parameter, .currentTime: return kind
    case .prefix(let name, let operand): return .prefix(name, try map(operand))
    case .infix(let name, let left, let right): return .infix(name, try map(left), try map(right))
    case .and(let parts): return .and(try chain(parts) { .isBoolean($0, false, negated: true) })
    case .or(let parts): return .or(try chain(parts) { .isBoolean($0, true, negated: true) })
    case .not(let inner): return .not(try map(inner))
    case .isNull(let inner, let negated): return .isNull(try map(inner), negated: negated)
    case .isBoolean(let inner, let wanted, let negated): return .isBoolean(try map(inner), wanted, negated: negated)
    case .between(let subject, let low, let high, let negated):
      return .between(try map(subject), try map(low), try map(high), negated: negated)
    case .inList(let subject, let items, let negated): return .inList(try map(subject), try mapAll(items), negated: negated)
    case .like(let subject, let pattern, let negated): return .like(try map(subject), try map(pattern), negated: negated)
    case .caseWhen(let operand, let branches, let otherwise):
      let subject = try mapMaybe(operand)
      var own = guards
      var mapped: [(condition: ExpressionSyntax, result: ExpressionSyntax)] = []
      for branch in branches {
        let condition = try rewriter.expression(branch.condition, guards: own)
        let test = subject.map { ExpressionSyntax(kind: .infix("=", $0, condition), position: condition.position) } ?? condition
        mapped.append((condition, try rewriter.expression(branch.result, guards: own + [test])))
        own.append(ExpressionSyntax(kind: .isBoolean(test, true, negated: true), position: condition.position))
      }
      var last: ExpressionSyntax?
      if let otherwise { last = try rewriter.expression(otherwise, guards: own) }
      return .caseWhen(operand: subject, branches: mapped, otherwise: last)
    case .coalesce(let parts): return .coalesce(try chain(parts) { .isNull($0, negated: false) })
    case .nullIf(let left, let right): return .nullIf(try map(left), try map(right))
    case .isDistinct(let left, let right, let negated): return .isDistinct(try map(left), try map(right), negated: negated)
    case .extreme(let parts, let isGreatest): return .extreme(try mapAll(parts), isGreatest: isGreatest)
    case .array(let items): return .array(try mapAll(items))
    case .arrayComparison(let left, let name, let right, let isAll):
      return .arrayComparison(try map(left), name, try map(right), isAll: isAll)
    case .element(let array, let index): return .element(try map(array), try map(index))
    case .slice(let array, let lower, let upper): return .slice(try map(array), try mapMaybe(lower), try mapMaybe(upper))
    case .cast(let inner, let type): return .cast(try map(inner), type)
    case .call(let call): return .call(try call.mappingArguments(rewriter, guards: guards))
    case .field(let inner, let name): return .field(try map(inner), name)
    case .allFields(let inner): return .allFields(try map(inner))
    case .scalarSubquery(let select): return .scalarSubquery(try rewriter.query(select, guards: guards))
    case .exists(let select): return .exists(try rewriter.query(select, guards: guards))
    case .quantified(let left, let name, let select, let isAll):
      return .quantified(try map(left), name, try rewriter.query(select, guards: guards), isAll: isAll)
    case .arraySubquery(let select): return .arraySubquery(try rewriter.query(select, guards: guards))
    case .row(let items): return .row(try mapAll(items))
    case .grouping(let arguments): return .grouping(try mapAll(arguments))
    }
  }
}

extension CallSyntax {
  /// The call with its arguments exchanged.
  public func mappingArguments(_ rewriter: some SyntaxRewriter, guards: [ExpressionSyntax]) throws(TallyError) -> CallSyntax {
    var result = self
    for at in arguments.indices { result.arguments[at] = try rewriter.expression(arguments[at], guards: guards) }
    for at in namedArguments.indices {
      result.namedArguments[at].value = try rewriter.expression(namedArguments[at].value, guards: guards)
    }
    if let filter { result.filter = try rewriter.expression(filter, guards: guards) }
    result.orderBy = try orderBy.mapping(rewriter, guards)
    if var window = over {
      for at in window.partitionBy.indices {
        window.partitionBy[at] = try rewriter.expression(window.partitionBy[at], guards: guards)
      }
      window.orderBy = try window.orderBy.mapping(rewriter, guards)
      result.over = window
    }
    return result
  }
}

extension [SelectSyntax.SortKey] {
  fileprivate func mapping(_ rewriter: some SyntaxRewriter, _ guards: [ExpressionSyntax]) throws(TallyError) -> Self {
    var result = self
    for at in indices { result[at].expression = try rewriter.expression(self[at].expression, guards: guards) }
    return result
  }
}

extension SelectSyntax {
  /// The query with its expressions, its FROM items and the queries inside exchanged.
  public func mapping(_ rewriter: some SyntaxRewriter, guards: [ExpressionSyntax]) throws(TallyError) -> SelectSyntax {
    func map(_ syntax: ExpressionSyntax?) throws(TallyError) -> ExpressionSyntax? {
      guard let syntax else { return nil }
      return try rewriter.expression(syntax, guards: guards)
    }
    var result = self
    if var with {
      for at in with.items.indices { with.items[at].query = try rewriter.query(with.items[at].query, guards: guards) }
      result.with = with
    }
    switch body {
    case .plain(let plain): result.body = .plain(try plain.mapping(rewriter, guards))
    case .setOperation(let operation, let isAll, let left, let right):
      result.body = .setOperation(
        operation,
        isAll: isAll,
        try rewriter.query(left, guards: guards),
        try rewriter.query(right, guards: guards)
      )
    case .values(let rows, let position):
      var mapped = rows
      for row in rows.indices {
        for at in rows[row].indices { mapped[row][at] = try rewriter.expression(rows[row][at], guards: guards) }
      }
      result.body = .values(mapped, position: position)
    }
    result.orderBy = try orderBy.mapping(rewriter, guards)
    result.limit = try map(limit)
    result.offset = try map(offset)
    return result
  }
}

extension PlainSelectSyntax {
  fileprivate func mapping(_ rewriter: some SyntaxRewriter, _ guards: [ExpressionSyntax]) throws(TallyError) -> PlainSelectSyntax {
    func map(_ list: [ExpressionSyntax]) throws(TallyError) -> [ExpressionSyntax] {
      var result: [ExpressionSyntax] = []
      for item in list { result.append(try rewriter.expression(item, guards: guards)) }
      return result
    }
    var result = self
    if let from { result.from = try from.mapping(rewriter) }
    // Without FROM there is one row, if the condition holds.
    var own = guards
    if let condition {
      let mapped = try rewriter.expression(condition, guards: guards)
      result.condition = mapped
      if from == nil { own.append(mapped) }
    }
    for at in items.indices { result.items[at].expression = try rewriter.expression(items[at].expression, guards: own) }
    result.distinctOn = try map(distinctOn)
    result.groupBy = try map(groupBy)
    if let having { result.having = try rewriter.expression(having, guards: guards) }
    return result
  }
}

extension FromSyntax {
  fileprivate func mapping(_ rewriter: some SyntaxRewriter) throws(TallyError) -> FromSyntax {
    switch self {
    case .relation: return self
    case .subquery(let select, let alias, let columns, let position, let isLateral):
      return .subquery(
        try rewriter.source(select, isLateral: isLateral),
        alias: alias,
        columnAliases: columns,
        position: position,
        isLateral: isLateral
      )
    case .functions(let functions): return try rewriter.functions(functions)
    case .join(var join):
      join.left = try join.left.mapping(rewriter)
      join.right = try join.right.mapping(rewriter)
      if let condition = join.condition { join.condition = try rewriter.expression(condition, guards: []) }
      return .join(join)
    }
  }
}
