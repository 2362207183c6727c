// SelectBinder+From.swift — FROM: relations, subqueries, functions and joins to one plan and the names it gives.
//
// LATERAL items are bound with the items to their left as their outer query, and joined to them by `Unnesting`.
import Model
import SQL

extension SelectBinder {
  /// FROM items of one query, joins counted: keeps plans within Limits.depthMax.
  static let fromItemsMax = 128

  func from(_ item: FromSyntax?) throws(TallyError) -> (PlanNode, Scope) {
    guard let item else { return (.values(ValuesNode(output: [], rows: [[]])), .empty) }
    return try from(item, beside: nil, hidden: [])
  }

  /// `beside`: a binder of the items to the left, for LATERAL; `hidden`: their names, for messages.
  private func from(
    _ item: FromSyntax,
    beside: ExpressionBinder?,
    hidden: [Scope]
  ) throws(TallyError) -> (PlanNode, Scope) {
    switch item {
    case .relation(let name, let alias, let columns): return try relation(name, alias, columns)
    case .subquery(let select, let alias, let columns, let position, let isLateral):
      let binder = isLateral && beside != nil ? beside : messageBinder(hidden)
      let node = try inside(binder).query(ExpandedArray.spread(select), depth: depth + 1)
      return (node, Scope(qualifier: alias, columns: try renamed(node.columns, columns, alias, position)))
    case .functions(let functions): return try self.functions(functions, beside)
    case .join(let join): return try self.join(join, beside: beside, hidden: hidden)
    }
  }
  /// An outer for a subquery that is not LATERAL: it knows the items beside it only to say that they cannot be named.
  private func messageBinder(_ hidden: [Scope]) -> ExpressionBinder? {
    guard !hidden.isEmpty else { return outer }
    let binder = ExpressionBinder(scope: .empty, context: context, statement: statement, outer: outer, queries: self)
    binder.hiddenScopes = hidden
    return binder
  }
  func renamed(
    _ columns: [OutputColumn],
    _ aliases: [String],
    _ qualifier: String,
    _ position: Int?
  ) throws(TallyError) -> [OutputColumn] {
    guard aliases.count <= columns.count else {
      throw .sql(
        "42P10",
        "table \"\(qualifier)\" has \(columns.count) columns available but \(aliases.count) columns specified",
        position: position
      )
    }
    var result = columns
    for (index, alias) in aliases.enumerated() { result[index].name = alias }
    return result
  }

  // MARK: Relations

  private func relation(
    _ name: NameSyntax,
    _ alias: String?,
    _ aliases: [String]
  ) throws(TallyError) -> (PlanNode, Scope) {
    let qualifier = alias ?? name.name
    let hidden = alias != nil && alias != name.name ? name.name : nil
    if name.schema == nil, let table = withTables.first(where: { $0.name == name.name }) {
      let node: PlanNode
      switch table.rows {
      case .plan(let plan): node = plan
      case .working(let reference):
        reference.count += 1
        reference.position = name.position
        node = .workingRows(WorkingRowsNode(id: reference.id, output: table.columns))
      case .forbidden(let error): throw error.at(name.position)
      }
      let columns = try renamed(table.columns, aliases, qualifier, name.position)
      return (node, Scope(qualifier: qualifier, columns: columns, hidden: hidden))
    }
    if let system = context.system?.relation(schema: name.schema, name: name.name) {
      let node = SystemScanNode(relation: system.name, storedColumns: Array(system.columns.indices), output: system.columns)
      let columns = try renamed(system.columns, aliases, qualifier, name.position)
      return (.systemScan(node), Scope(qualifier: qualifier, columns: columns, hidden: hidden))
    }
    try statement.relations.add(at: name.position)
    func note(_ id: TableID) {
      context.notes?.add(.relation(id, isQualified: name.schema != nil, hasAlias: alias != nil), at: name.position)
    }
    if let view = catalog.view(name) {
      let node = try rows(of: view)
      let columns = try renamed(node.columns, aliases, qualifier, name.position)
      note(view.id)
      return (node, Scope(qualifier: qualifier, columns: columns, hidden: hidden, origin: (view.id, Array(columns.indices))))
    }
    let (scan, bucket) = try Relations.scan(name, catalog: catalog)
    let columns = try renamed(scan.output, aliases, qualifier, name.position)
    var origin: (relation: TableID, columns: [Int])?
    if case .table(let id) = scan.source {
      note(id)
      origin = (id, scan.storedColumns)
    }
    return (.scan(scan), Scope(qualifier: qualifier, columns: columns, defaultBucket: bucket, hidden: hidden, origin: origin))
  }

  /// A view's query, bound by the names that its own schema and public have.
  private func rows(of view: ViewRecord) throws(TallyError) -> PlanNode {
    guard case .select(let select)? = try parse(view.sql).first?.statement else {
      throw TallyError(.internalError, "the text of view \"\(view.name)\" is no query")
    }
    var seen = catalog
    view.look(in: &seen)
    var own = context
    own.parameters = nil
    own.notes = nil
    var node: PlanNode
    do throws(TallyError) {
      node = try SelectBinder(catalog: seen, context: own, counting: statement.relations).query(select, depth: depth + 1)
    } catch {
      var failure = error
      // A position in the view's text is none in the statement's.
      failure.position = nil
      failure.detail = failure.detail ?? "It stands in view \"\(view.name)\"."
      throw failure
    }
    let columns = node.columns
    let isSame = columns.count == view.columns.count && zip(columns, view.columns).allSatisfy { $0.type == $1.type && $0.name == $1.name }
    if !isSame {
      guard columns.count >= view.columns.count, zip(columns, view.columns).allSatisfy({ $0.type == $1.type }) else {
        throw .sql("0A000", "view \"\(view.name)\" does not fit its relations any more", hint: "Create it again.")
      }
      let expressions = view.columns.enumerated().map { Expression.column($0, $1.type) }
      node = .project(ProjectNode(input: node, expressions: expressions, names: view.columns.map(\.name)))
    }
    return node
  }

  // MARK: Functions

  private func functions(
    _ syntax: TableFunctionsSyntax,
    _ beside: ExpressionBinder?
  ) throws(TallyError) -> (PlanNode, Scope) {
    let binder = ExpressionBinder(
      scope: .empty,
      context: context,
      statement: statement,
      outer: beside ?? outer,
      queries: inside(beside ?? outer)
    )
    binder.clause = .tableFunction
    let one = PlanNode.values(ValuesNode(output: [], rows: [[]]))
    let firstName = name(syntax.calls[0])
    let alias = syntax.alias ?? firstName
    var node: PlanNode
    if syntax.calls.count == 1, case .call(let call) = syntax.calls[0].kind, call.name == "topn" || call.name == "topn_ex" {
      node = try topn(call, binder, syntax)
    } else if syntax.calls.count == 1, case .call(let call) = syntax.calls[0].kind, call.arguments.isEmpty, call.namedArguments.isEmpty,
      let relation = context.system?.tableFunction(schema: call.schema, name: call.name)
    {
      // A function of the coordinator that gives rows is one of its relations.
      node = .systemScan(
        SystemScanNode(relation: relation.name, storedColumns: Array(relation.columns.indices), output: relation.columns)
      )
      if syntax.hasOrdinality {
        throw .sql("0A000", "WITH ORDINALITY of \(call.name) is not supported", position: syntax.calls[0].position)
      }
    } else if syntax.calls.count == 1, !isSet(syntax.calls[0]) {
      // A function of one value is a relation of one row.
      var expressions = [try binder.typed(syntax.calls[0])]
      let input = try attach(one, binder, &expressions)
      node = .project(ProjectNode(input: input, expressions: expressions, names: [syntax.alias ?? firstName]))
      if syntax.hasOrdinality { node = node.appending([.constant(.bigint, .fixed(1))], names: ["ordinality"]) }
    } else {
      var calls: [TableFunctionNode.Call] = []
      var expressions: [Expression] = []
      for item in syntax.calls {
        guard case .call(let call) = item.kind, isSet(item) else {
          throw .sql(
            "0A000",
            "a function that gives one value in ROWS FROM is not supported",
            position: item.position
          )
        }
        let bound = try binder.tableFunction(call, item.position)
        calls.append(bound)
        expressions += bound.arguments
      }
      let input = try attach(one, binder, &expressions)
      var next = 0
      for i in calls.indices {
        let count = calls[i].arguments.count
        calls[i].arguments = Array(expressions[next..<(next + count)])
        next += count
        // A function with one column gives it its own name, or the alias.
        if calls[i].output.count == 1, syntax.calls.count == 1, calls[i].output[0].name == firstName, let alias = syntax.alias {
          calls[i].output[0].name = alias
        }
      }
      let width = input.columns.count
      node = .tableFunction(
        TableFunctionNode(input: input, calls: calls, ordinality: syntax.hasOrdinality ? "ordinality" : nil)
      )
      if width > 0 { node = node.selecting(Array(width..<node.columns.count)) }
    }
    let columns = try renamed(node.columns, syntax.columnAliases, alias, nil)
    return (node, Scope(qualifier: alias, columns: columns))
  }
  private func isSet(_ item: ExpressionSyntax) -> Bool {
    guard case .call(let call) = item.kind else { return false }
    return ExpressionBinder.isSetFunction(call.name)
  }
  private func name(_ item: ExpressionSyntax) -> String { OutputNames.name(item) }
  private func topn(
    _ call: CallSyntax,
    _ binder: ExpressionBinder,
    _ syntax: TableFunctionsSyntax
  ) throws(TallyError) -> PlanNode {
    if syntax.hasOrdinality { throw .sql("0A000", "WITH ORDINALITY of topn is not supported", position: syntax.position) }
    _ = try binder.topnExpansion(call, syntax.position)
    let expansion = binder.expansions[0]
    let names = expansion.isExtended ? ExpressionBinder.extendedFields : ExpressionBinder.topnFields
    let fields = names.indices.map { ExpressionBinder.fieldKind(expansion.isExtended, $0) }
    var expressions = [expansion.state]
    let input = try attach(.values(ValuesNode(output: [], rows: [[]])), binder, &expressions)
    let state = PlanNode.project(ProjectNode(input: input, expressions: expressions, names: ["topn"]))
    let node = PlanNode.expandTopN(
      ExpandTopNNode(input: state, column: 0, count: expansion.count, fields: fields, names: names)
    )
    return node.selecting(Array(1..<node.columns.count))
  }

  // MARK: Joins

  private func join(
    _ join: JoinSyntax,
    beside: ExpressionBinder?,
    hidden: [Scope]
  ) throws(TallyError) -> (PlanNode, Scope) {
    let (left, leftScope) = try from(join.left, beside: beside, hidden: hidden)
    let isVisible = join.kind == .inner || join.kind == .left
    var nearby = beside
    if isVisible {
      nearby = ExpressionBinder(
        scope: leftScope,
        context: context,
        statement: statement,
        outer: beside ?? outer,
        queries: self
      )
      nearby?.clause = .lateral
    }
    var leftNames = leftScope
    leftNames.isUnjoinable = !isVisible && isLateral(join.right)
    let (right, rightScope) = try from(join.right, beside: nearby, hidden: hidden + [leftNames])
    for relation in rightScope.relations {
      guard let name = relation.name, leftScope.relations.contains(where: { $0.name == name }) else { continue }
      throw .sql("42712", "table name \"\(name)\" specified more than once")
    }
    var scope = Scope(leftScope, rightScope)
    let references = nearby.map { binder in
      isVisible ? statement.references(in: right, of: binder.number).mapValues(\.column) : [:]
    }
    let kind: JoinNode.Kind =
      switch join.kind {
      case .inner: .inner
      case .left: .left
      case .right: .right
      case .full: .full
      }
    var condition: Expression?
    var using = join.using
    if join.isNatural {
      using = leftScope.visible.map(\.name).filter { name in rightScope.visible.contains { $0.name == name } }
    }
    var laterMarks: ExpressionBinder?
    if !using.isEmpty {
      condition = try merge(using, &scope, leftScope, rightScope, join)
    } else if let written = join.condition {
      let binder = expressionBinder(scope)
      binder.hiddenScopes = hidden
      condition = try binder.condition(written, .joinOn)
      if !binder.subqueries.isEmpty {
        guard kind == .inner else {
          throw .sql(
            "0A000",
            "a subquery in the condition of an outer join is not supported",
            hint: "Join a subquery in FROM that computes it.",
            position: written.position
          )
        }
        laterMarks = binder
      }
    }
    let unnesting = Unnesting(statement: statement)
    let now = laterMarks == nil ? condition : nil
    var node: PlanNode
    if let references, !references.isEmpty {
      node = try unnesting.joined(
        kind == .left ? .left : .inner,
        left: left,
        right: right,
        references: references,
        condition: kind == .left ? now : nil
      )
      if kind == .inner, let now { node = .filter(FilterNode(input: node, condition: now)) }
    } else {
      node = .join(JoinNode(kind, left: left, right: right, keys: [], condition: now))
    }
    if let laterMarks, let condition {
      var expressions = [condition]
      let width = node.columns.count
      node = try attach(node, laterMarks, &expressions)
      node = PlanNode.filter(FilterNode(input: node, condition: expressions[0])).prefix(width)
    }
    guard node.hasAtMost(Self.fromItemsMax * 8) else {
      throw .sql("54001", "more than \(Self.fromItemsMax) FROM items are not supported", position: join.position)
    }
    if let alias = join.alias { scope = try hiding(scope, alias, join) }
    return (node, scope)
  }
  private func isLateral(_ item: FromSyntax) -> Bool {
    switch item {
    case .subquery(_, _, _, _, let isLateral): isLateral
    case .functions: true
    case .relation, .join: false
    }
  }

  /// Columns of USING: one visible column each, first; and the condition.
  private func merge(
    _ names: [String],
    _ scope: inout Scope,
    _ left: Scope,
    _ right: Scope,
    _ join: JoinSyntax
  ) throws(TallyError) -> Expression? {
    let shift = left.columns.count
    let binder = expressionBinder(scope)
    var parts: [Expression] = []
    var merged: [Scope.Visible] = []
    for (index, name) in names.enumerated() {
      guard !names[..<index].contains(name) else {
        throw .sql("42701", "column name \"\(name)\" appears more than once in USING clause")
      }
      func side(_ scope: Scope, _ word: String) throws(TallyError) -> Expression {
        let matches = scope.visible.filter { $0.name == name }
        guard let match = matches.first else {
          throw .sql("42703", "column \"\(name)\" specified in USING clause does not exist in \(word) table")
        }
        guard matches.count == 1 else {
          throw .sql("42702", "common column name \"\(name)\" appears more than once in \(word) table")
        }
        return match.expression
      }
      let a = try side(left, "left")
      let b = try side(right, "right").renumbered { $0 + shift }
      guard let type = UnifiedType.of([a.type, b.type]) else {
        throw .sql("42804", "JOIN/USING types \(a.type.name) and \(b.type.name) cannot be matched")
      }
      parts.append(try binder.infix("=", a, b, join.position, join.position, join.position))
      let value: Expression
      switch join.kind {
      case .inner, .left: value = try binder.coerce(a, to: type, at: join.position, .implicit)
      case .right: value = try binder.coerce(b, to: type, at: join.position, .implicit)
      case .full:
        value = Expression(
          type,
          .coalesce([
            try binder.coerce(a, to: type, at: join.position, .implicit), try binder.coerce(b, to: type, at: join.position, .implicit),
          ])
        )
      }
      merged.append(Scope.Visible(name: name, expression: value))
    }
    scope.visible = merged + scope.visible.filter { !names.contains($0.name) }
    return Expression.conjunction(parts)
  }
  /// The alias of a join in parentheses hides what it is made of.
  private func hiding(_ scope: Scope, _ alias: String, _ join: JoinSyntax) throws(TallyError) -> Scope {
    var names = scope.visible.map(\.name)
    guard join.columnAliases.count <= names.count else {
      throw .sql(
        "42P10",
        "join expression \"\(alias)\" has \(names.count) columns available but \(join.columnAliases.count) columns specified",
        position: join.position
      )
    }
    for (index, name) in join.columnAliases.enumerated() { names[index] = name }
    var result = Scope()
    result.columns = scope.columns
    result.masked = scope.relations.compactMap(\.name)
    result.visible = zip(names, scope.visible).map { Scope.Visible(name: $0, expression: $1.expression) }
    let isPlain = result.visible.allSatisfy { $0.expression.columnIndex != nil }
    guard isPlain else {
      throw .sql("0A000", "an alias of a full join with USING is not supported", hint: "Use a subquery in FROM.", position: join.position)
    }
    result.relations = [
      Scope.Relation(
        name: alias,
        columns: result.visible.map { ($0.name, $0.expression.columnIndex ?? 0) },
        defaultBucket: scope.defaultBucket
      )
    ]
    return result
  }
}
