// SelectBinder.swift — queries as written to a logical plan: FROM, WHERE, groups, select list, DISTINCT, ORDER BY, LIMIT.
//
// The plan is correct but naive (every column scanned, filters where they were written); PlanRewriting and Distribution improve it.
import Model
import SQL

struct SelectBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext
  /// Subqueries nest at most so deep; keeps plans within Limits.depthMax.
  static let nestingMax = 24
  /// Plan nodes under several distinct counts, all copies together.
  static let repeatedNodesMax = 400

  /// `isBranch`: of a UNION ALL; its untyped literals take the type of the other branches.
  func query(_ select: SelectSyntax, depth: Int = 0, isBranch: Bool = false) throws(TallyError) -> PlanNode {
    guard depth < Self.nestingMax else {
      throw .sql("54001", "subqueries nest more than \(Self.nestingMax) deep")
    }
    switch select.body {
    case .plain(let plain):
      let keepsUntyped =
        isBranch && !plain.isDistinct && plain.groupBy.isEmpty && select.orderBy.isEmpty && select.limit == nil
        && select.offset == nil
      return try self.plain(plain, select, depth, keepsUntyped)
    case .unionAll:
      var branches: [PlanNode] = []
      try collect(select, into: &branches, depth, isTop: true)
      return try ordered(try union(branches), select)
    }
  }

  // MARK: UNION ALL

  /// A chain of UNION ALL is one node, so that a long chain is no deep plan.
  private func collect(
    _ select: SelectSyntax,
    into branches: inout [PlanNode],
    _ depth: Int,
    isTop: Bool
  ) throws(TallyError) {
    var pending = [(select, isTop)]
    while let (next, isTop) = pending.popLast() {
      if case .unionAll(let left, let right) = next.body,
        isTop || next.orderBy.isEmpty && next.limit == nil && next.offset == nil
      {
        pending.append((right, false))
        pending.append((left, false))
      } else {
        branches.append(try query(next, depth: depth + 1, isBranch: true))
      }
    }
  }
  private func union(_ branches: [PlanNode]) throws(TallyError) -> PlanNode {
    let width = branches[0].columns.count
    guard branches.allSatisfy({ $0.columns.count == width }) else {
      throw .sql("42601", "each UNION query must have the same number of columns")
    }
    var types: [DataType] = []
    for column in 0..<width {
      let all = branches.map { $0.columns[column].type }
      guard let type = UnifiedType.of(all) else {
        let (a, b) = UnifiedType.clash(all)
        throw .sql("42804", "UNION types \(all[a].name) and \(all[b].name) cannot be matched")
      }
      types.append(type)
    }
    var inputs: [PlanNode] = []
    for branch in branches { inputs.append(try typed(branch, types)) }
    return .unionAll(inputs)
  }
  /// A branch with its columns cast to the union's types.
  private func typed(_ branch: PlanNode, _ types: [DataType]) throws(TallyError) -> PlanNode {
    let columns = branch.columns
    if columns.map(\.type) == types { return branch }
    if columns.contains(where: { $0.type == .unknown }), case .project(var node) = branch {
      let binder = ExpressionBinder(scope: .empty, context: context)
      for (index, type) in types.enumerated() where node.expressions[index].type == .unknown {
        do throws(TallyError) { node.expressions[index] = try binder.coerce(node.expressions[index], to: type, at: 1) } catch {
          var unplaced = error
          unplaced.position = nil
          throw unplaced
        }
      }
      return try typed(.project(node), types)
    }
    let expressions = columns.indices.map { index in
      let column = Expression.column(index, columns[index].type)
      return columns[index].type == types[index] ? column : Expression(types[index], .cast(column))
    }
    return .project(ProjectNode(input: branch, expressions: expressions, names: columns.map(\.name)))
  }
  /// ORDER BY and LIMIT of a UNION: by output name or ordinal only.
  private func ordered(_ input: PlanNode, _ select: SelectSyntax) throws(TallyError) -> PlanNode {
    let columns = input.columns
    var keys: [SortKey] = []
    for item in select.orderBy {
      let index: Int
      switch item.expression.kind {
      case .integer(let ordinal): index = try self.ordinal(ordinal, columns.count, "ORDER BY", item.expression.position)
      case .column(let names) where names.count == 1:
        guard let found = columns.firstIndex(where: { $0.name == names[0] }) else {
          throw .sql("42703", "column \"\(names[0])\" does not exist", position: item.expression.position)
        }
        index = found
      default:
        throw .sql(
          "0A000",
          "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
          detail: "Only result column names can be used, not expressions or functions.",
          hint: "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
          position: item.expression.position
        )
      }
      keys.append(try sortKey(index, columns[index].type, item))
    }
    let bounds = try limits(select)
    return limited(sorted(input, keys, bounds), bounds)
  }

  // MARK: One SELECT

  private struct Target {
    var name: String
    var expression: Expression
    var position: Int
  }

  private func plain(
    _ syntax: PlainSelectSyntax,
    _ select: SelectSyntax,
    _ depth: Int,
    _ keepsUntyped: Bool
  ) throws(TallyError) -> PlanNode {
    var (node, scope) = try from(syntax.from, depth)
    let binder = ExpressionBinder(scope: scope, context: context)
    if let condition = syntax.condition {
      node = .filter(FilterNode(input: node, condition: try binder.condition(condition, .where)))
      binder.positions = [:]
    }
    var targets = try self.targets(syntax, binder, keepsUntyped)
    let groups = try self.groups(syntax, targets, binder)
    var having: Expression?
    if let written = syntax.having { having = try binder.condition(written, .having) }
    let visible = targets.count
    var keys: [SortKey] = []
    binder.clause = .orderBy
    for item in select.orderBy {
      let index = try sortTarget(item.expression, &targets, visible, binder, isDistinct: syntax.isDistinct)
      keys.append(try sortKey(index, targets[index].expression.type, item))
    }
    let bounds = try limits(select)

    var expressions = targets.map(\.expression)
    if !groups.isEmpty || !binder.aggregates.isEmpty || !binder.distincts.isEmpty || having != nil {
      let grouping = Grouping(groups: groups, binder: binder)
      for i in expressions.indices { expressions[i] = try grouping.overGroups(expressions[i]) }
      for i in binder.expansions.indices {
        binder.expansions[i].state = try grouping.overGroups(binder.expansions[i].state)
      }
      if let written = having { having = try grouping.overGroups(written) }
      // Several distinct counts read their input once each: nested, that would multiply without end.
      if binder.distincts.count > 1, !node.hasAtMost(Self.repeatedNodesMax / (binder.distincts.count + 1)) {
        throw .sql(
          "54001",
          "several count(DISTINCT …) over so complex a subquery are not supported",
          hint: "Count distinct values in separate queries, or use hll_add_agg.",
          position: syntax.items.first?.expression.position
        )
      }
      node = AggregatePlanning.node(
        input: node,
        groups: groups,
        calls: binder.aggregates,
        distincts: binder.distincts
      )
      if let having { node = .filter(FilterNode(input: node, condition: having)) }
    }
    if let expansion = binder.expansions.first {
      node = expanded(node, expansion, &expressions)
    }
    node = .project(ProjectNode(input: node, expressions: expressions, names: targets.map(\.name)))
    if syntax.isDistinct { node = try distinct(node, targets.map(\.position)) }
    node = limited(sorted(node, keys, bounds), bounds)
    if targets.count > visible {
      let columns = node.columns
      node = .project(
        ProjectNode(
          input: node,
          expressions: (0..<visible).map { .column($0, columns[$0].type) },
          names: columns.prefix(visible).map(\.name)
        )
      )
    }
    return node
  }

  private func from(_ item: FromSyntax?, _ depth: Int) throws(TallyError) -> (PlanNode, Scope) {
    switch item {
    case nil: return (.values(ValuesNode(output: [], rows: [[]])), .empty)
    case .relation(let name, let alias, let columns)?:
      let (scan, bucket) = try Relations.scan(name, catalog: catalog)
      let qualifier = alias ?? name.name
      let scope = Scope(
        qualifier: qualifier,
        columns: try renamed(scan.output, columns, qualifier, name.position),
        defaultBucket: bucket
      )
      return (.scan(scan), scope)
    case .subquery(let select, let alias, let columns, let position)?:
      let node = try query(select, depth: depth + 1)
      return (node, Scope(qualifier: alias, columns: try renamed(node.columns, columns, alias, position)))
    }
  }
  private func renamed(
    _ columns: [OutputColumn],
    _ aliases: [String],
    _ qualifier: String,
    _ position: Int
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

  private func targets(
    _ syntax: PlainSelectSyntax,
    _ binder: ExpressionBinder,
    _ keepsUntyped: Bool
  ) throws(TallyError) -> [Target] {
    var result: [Target] = []
    for item in syntax.items {
      let position = item.expression.position
      switch item.expression.kind {
      case .star(let qualifier):
        guard syntax.from != nil else {
          throw .sql("42601", "SELECT * with no tables specified is not valid", position: position)
        }
        if let qualifier, qualifier != binder.scope.qualifier {
          throw .sql("42P01", "missing FROM-clause entry for table \"\(qualifier)\"", position: position)
        }
        for (index, column) in binder.scope.columns.enumerated() {
          if binder.positions[index] == nil { binder.positions[index] = position }
          result.append(Target(name: column.name, expression: .column(index, column.type), position: position))
        }
      case .allFields(let inner):
        guard case .call(let call) = inner.kind, call.name == "topn" || call.name == "topn_ex" else {
          throw .sql("0A000", "row expansion via \"*\" is only supported for topn()", position: position)
        }
        let expansion = try binder.topnExpansion(call, inner.position)
        let isExtended = binder.expansions[expansion].isExtended
        let fields = isExtended ? ExpressionBinder.extendedFields : ExpressionBinder.topnFields
        for (field, name) in fields.enumerated() {
          let type = ExpressionBinder.fieldKind(isExtended, field).type
          result.append(
            Target(
              name: name,
              expression: .column(Placeholder.expansion(expansion, field), type),
              position: position
            )
          )
        }
      default:
        let expression = keepsUntyped ? try binder.bind(item.expression) : try binder.typed(item.expression)
        let name = item.alias ?? OutputNames.name(item.expression)
        result.append(Target(name: name, expression: expression, position: position))
      }
    }
    return result
  }

  private func ordinal(_ number: Int32, _ count: Int, _ clause: String, _ position: Int) throws(TallyError) -> Int {
    guard number >= 1, Int(number) <= count else {
      throw .sql("42P10", "\(clause) position \(number) is not in select list", position: position)
    }
    return Int(number) - 1
  }

  /// GROUP BY items: ordinals, input columns, aliases, expressions; each once.
  private func groups(
    _ syntax: PlainSelectSyntax,
    _ targets: [Target],
    _ binder: ExpressionBinder
  ) throws(TallyError) -> [Expression] {
    binder.clause = .groupBy
    defer { binder.clause = .select }
    var result: [Expression] = []
    var keys: [[UInt8]] = []
    for item in syntax.groupBy {
      var expression: Expression?
      switch item.kind {
      case .integer(let number):
        expression = targets[try ordinal(number, targets.count, "GROUP BY", item.position)].expression
      case .column(let names) where names.count == 1 && !binder.scope.columns.contains { $0.name == names[0] }:
        let matches = targets.filter { $0.name == names[0] }
        if matches.count > 1, !matches.dropFirst().allSatisfy({ same($0.expression, matches[0].expression) }) {
          throw .sql("42702", "GROUP BY \"\(names[0])\" is ambiguous", position: item.position)
        }
        expression = matches.first?.expression
      default: break
      }
      let bound: Expression
      if let expression { bound = expression } else { bound = try binder.typed(item) }
      if bound.columnsRead.contains(where: { $0 >= Placeholder.expansions }) {
        throw .sql("0A000", "set-returning functions are not allowed in GROUP BY", position: item.position)
      }
      if bound.columnsRead.contains(where: { $0 >= Placeholder.aggregates }) {
        throw .sql("42803", "aggregate functions are not allowed in GROUP BY", position: item.position)
      }
      try checkEquality(bound.type, item.position)
      let key = ExpressionFormat.key(bound)
      if !keys.contains(key) {
        keys.append(key)
        result.append(bound)
      }
    }
    return result
  }
  private func same(_ a: Expression, _ b: Expression) -> Bool { ExpressionFormat.key(a) == ExpressionFormat.key(b) }
  private func checkEquality(_ type: DataType, _ position: Int) throws(TallyError) {
    guard ExpressionCheck.isComparable(ExpressionCheck.family(type)) else {
      throw .sql("42883", "could not identify an equality operator for type \(type.name)", position: position)
    }
  }

  /// The target an ORDER BY item means; appended when it is none of them.
  private func sortTarget(
    _ item: ExpressionSyntax,
    _ targets: inout [Target],
    _ visible: Int,
    _ binder: ExpressionBinder,
    isDistinct: Bool
  ) throws(TallyError) -> Int {
    switch item.kind {
    case .integer(let number): return try ordinal(number, visible, "ORDER BY", item.position)
    case .column(let names) where names.count == 1:
      let matches = (0..<visible).filter { targets[$0].name == names[0] }
      if let first = matches.first {
        guard matches.allSatisfy({ same(targets[$0].expression, targets[first].expression) }) else {
          throw .sql("42702", "ORDER BY \"\(names[0])\" is ambiguous", position: item.position)
        }
        return first
      }
    case .string, .null, .boolean, .decimal:
      throw .sql("42601", "non-integer constant in ORDER BY", position: item.position)
    default: break
    }
    let bound = try binder.typed(item)
    if let known = targets.firstIndex(where: { same($0.expression, bound) }) { return known }
    guard !isDistinct else {
      throw .sql(
        "42P10",
        "for SELECT DISTINCT, ORDER BY expressions must appear in select list",
        position: item.position
      )
    }
    targets.append(Target(name: "?column?", expression: bound, position: item.position))
    return targets.count - 1
  }
  private func sortKey(_ column: Int, _ type: DataType, _ item: SelectSyntax.SortKey) throws(TallyError) -> SortKey {
    let family = ExpressionCheck.family(type)
    guard ExpressionCheck.isComparable(family), family != .hash else {
      throw .sql(
        "42883",
        "could not identify an ordering operator for type \(type.name)",
        hint: "Use an explicit ordering operator or modify the query.",
        position: item.expression.position
      )
    }
    return SortKey(column: column, isAscending: item.isAscending, nullsFirst: item.nullsFirst ?? !item.isAscending)
  }

  private func distinct(_ node: PlanNode, _ positions: [Int]) throws(TallyError) -> PlanNode {
    let columns = node.columns
    for (column, position) in zip(columns, positions) { try checkEquality(column.type, position) }
    return .aggregate(
      AggregateNode(
        input: node,
        groups: columns.indices.map { .column($0, columns[$0].type) },
        calls: [],
        names: columns.map(\.name)
      )
    )
  }

  /// Puts the state beside the stage's columns, expands it, and points placeholders at the new columns.
  private func expanded(
    _ node: PlanNode,
    _ expansion: ExpressionBinder.Expansion,
    _ expressions: inout [Expression]
  ) -> PlanNode {
    let columns = node.columns
    let width = columns.count
    let identity = columns.indices.map { Expression.column($0, columns[$0].type) }
    let names = columns.map(\.name)
    let withState = PlanNode.project(
      ProjectNode(input: node, expressions: identity + [expansion.state], names: names + ["topn"])
    )
    let kinds: [ExpandTopNNode.Field] = expansion.isExtended ? [.item, .frequency, .upper, .isExact] : [.item, .frequency]
    let fieldNames = kinds.map { "\($0)" }
    for i in expressions.indices {
      expressions[i] = expressions[i].renumbered { index in
        guard index >= Placeholder.expansions else { return index }
        let kind = ExpressionBinder.fieldKind(expansion.isExtended, (index - Placeholder.expansions) % 8)
        return width + 1 + (kinds.firstIndex(of: kind) ?? 0)
      }
    }
    return .expandTopN(
      ExpandTopNNode(input: withState, column: width, count: expansion.count, fields: kinds, names: fieldNames)
    )
  }

  // MARK: LIMIT

  private struct Bounds {
    var count: Int64?
    var offset: Int64 = 0
  }
  private func limits(_ select: SelectSyntax) throws(TallyError) -> Bounds {
    var bounds = Bounds()
    if let limit = select.limit { bounds.count = try rowCount(limit, "LIMIT", "2201W") }
    if let offset = select.offset { bounds.offset = try rowCount(offset, "OFFSET", "2201X") ?? 0 }
    return bounds
  }
  private func rowCount(_ syntax: ExpressionSyntax, _ what: String, _ state: String) throws(TallyError) -> Int64? {
    let binder = ExpressionBinder(scope: .empty, context: context)
    binder.clause = .limit
    let bound = try binder.coerce(try binder.bind(syntax), to: .bigint, at: syntax.position)
    switch bound.constantValue {
    case .null?: return nil
    case .fixed(let number)?:
      guard number >= 0 else { throw .sql(state, "\(what) must not be negative", position: syntax.position) }
      return number
    default: throw .sql("0A000", "\(what) that is no constant is not supported", position: syntax.position)
    }
  }
  private func sorted(_ node: PlanNode, _ keys: [SortKey], _ bounds: Bounds) -> PlanNode {
    guard !keys.isEmpty else { return node }
    let first = bounds.count.flatMap { count -> Int64? in
      let (sum, overflow) = count.addingReportingOverflow(bounds.offset)
      return overflow ? nil : sum
    }
    return .sort(SortNode(input: node, keys: keys, first: first))
  }
  private func limited(_ node: PlanNode, _ bounds: Bounds) -> PlanNode {
    guard bounds.count != nil || bounds.offset > 0 else { return node }
    return .limit(LimitNode(input: node, count: bounds.count, offset: bounds.offset))
  }
}
