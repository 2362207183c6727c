// SelectBinder+Plain.swift — one SELECT: WHERE, groups, windows, select list, DISTINCT, in the order in which they are computed.
import Model
import SQL

extension SelectBinder {
  /// What a column of FROM, or an aggregate, is where subqueries are joined.
  typealias OuterColumn = (Expression) throws(TallyError) -> Expression

  struct Target {
    var name: String
    var expression: Expression
    var position: Int
  }

  func plain(
    _ syntax: PlainSelectSyntax,
    _ select: SelectSyntax,
    _ keepsUntyped: Bool
  ) throws(TallyError) -> PlanNode {
    var (node, scope) = try from(syntax.from)
    let binder = expressionBinder(scope)
    for window in syntax.windows {
      guard let name = window.name else { continue }
      guard binder.namedWindows[name] == nil else {
        throw .sql("42P20", "window \"\(name)\" is already defined", position: window.position)
      }
      binder.namedWindows[name] = window
    }
    if let condition = syntax.condition {
      var bound = [try binder.condition(condition, .where)]
      node = try attach(node, binder, &bound)
      node = .filter(FilterNode(input: node, condition: bound[0]))
      binder.positions = [:]
    }
    var targets = try self.targets(syntax, binder, keepsUntyped)
    let (written, sets) = try self.groups(syntax, targets, binder)
    var groups = written
    var having: Expression?
    if let written = syntax.having { having = try binder.condition(written, .having) }
    let visible = targets.count
    let isOn = !syntax.distinctOn.isEmpty
    var onTargets: [Int] = []
    if isOn {
      binder.clause = .distinctOn
      for item in syntax.distinctOn {
        let index = try sortTarget(item, &targets, visible, binder, isDistinct: false, clause: "DISTINCT ON")
        try checkEquality(targets[index].expression.type, item.position)
        if !onTargets.contains(index) { onTargets.append(index) }
      }
    }
    var keys: [SortKey] = []
    binder.clause = .orderBy
    for item in select.orderBy {
      let index = try sortTarget(
        item.expression,
        &targets,
        visible,
        binder,
        isDistinct: syntax.isDistinct && !isOn,
        clause: "ORDER BY"
      )
      keys.append(try sortKey(index, targets[index].expression.type, item))
    }
    let bounds = try limits(select)
    if isOn { try checkOrder(onTargets, &keys, targets, select, syntax) }

    var expressions = targets.map(\.expression)
    if groups.contains(where: { $0.columnIndex.map(Placeholder.isSet) ?? false }) {
      node = try withGroupedSets(node, binder, &groups, &expressions, syntax)
    }
    let isGrouped =
      !groups.isEmpty || sets != nil || !binder.aggregates.isEmpty || !binder.distincts.isEmpty || having != nil
    var column: OuterColumn?
    if isGrouped {
      if let once = binder.onces.first { throw ExpressionBinder.notOnce(once.position) }
      // Above the aggregates a column of FROM is the group that it is, if it is one.
      let grouping = Grouping(groups: groups, binder: binder)
      column = { (column: Expression) throws(TallyError) -> Expression in try grouping.overGroups(column) }
      node = try grouped(node, &groups, sets, binder, &expressions, &having, column, syntax)
      if let having { node = .filter(FilterNode(input: node, condition: having)) }
    } else {
      if let written = binder.groupings.first { throw Self.notGrouped(written.position) }
      node = try withOnces(node, binder, &expressions)
      node = try attach(node, binder, &expressions)
      node = try attachWindowed(node, binder)
    }
    node = windowed(node, binder, &expressions)
    node = try attach(node, binder, &expressions, withWindows: true, column: column)
    if let expansion = binder.expansions.first {
      node = expanded(node, expansion, &expressions)
    }
    if !binder.sets.isEmpty { node = try withSets(node, binder, &expressions, syntax) }
    node = .project(ProjectNode(input: node, expressions: expressions, names: targets.map(\.name)))
    if isOn {
      node = .distinctOn(DistinctOnNode(input: .sort(SortNode(input: node, keys: keys)), columns: onTargets))
      node = limited(node, bounds)
    } else {
      if syntax.isDistinct { node = try distinct(node, targets.map(\.position)) }
      node = limited(sorted(node, keys, bounds), bounds)
    }
    if targets.count > visible { node = node.prefix(visible) }
    return node
  }
  private func distinct(_ node: PlanNode, _ positions: [Int]) throws(TallyError) -> PlanNode {
    for (column, position) in zip(node.columns, positions) { try checkEquality(column.type, position) }
    return try distinct(node, position: nil)
  }
  /// DISTINCT ON keeps the first row of the sort: its expressions must lead it.
  private func checkOrder(
    _ columns: [Int],
    _ keys: inout [SortKey],
    _ targets: [Target],
    _ select: SelectSyntax,
    _ syntax: PlainSelectSyntax
  ) throws(TallyError) {
    var remaining = Set(columns)
    for (key, item) in zip(keys, select.orderBy) {
      if remaining.isEmpty { break }
      guard remaining.remove(key.column) != nil || columns.contains(key.column) else {
        throw .sql(
          "42P10",
          "SELECT DISTINCT ON expressions must match initial ORDER BY expressions",
          position: syntax.distinctOn.first { _ in true }?.position ?? item.expression.position
        )
      }
    }
    for column in columns where remaining.contains(column) {
      guard ExpressionCheck.family(targets[column].expression.type) != .hash else {
        throw .sql(
          "42883",
          "could not identify an ordering operator for type \(targets[column].expression.type.name)",
          position: targets[column].position
        )
      }
      keys.append(SortKey(column: column))
    }
  }

  // MARK: Subqueries

  /// Joins the subqueries that expressions hold to the rows that they are computed for; columns are only appended. `column` tells what
  /// a column of the binder's FROM is here.
  func attach(
    _ node: PlanNode,
    _ binder: ExpressionBinder,
    _ expressions: inout [Expression],
    withWindows: Bool = false,
    column: OuterColumn? = nil
  ) throws(TallyError) -> PlanNode {
    var node = node
    var places: [Int: Expression] = [:]
    for expression in expressions {
      try attach(expression, &node, binder, &places, withWindows, column)
    }
    guard !places.isEmpty else { return node }
    expressions = expressions.map { $0.replacing { places[$0] } }
    return node
  }
  private func attach(
    _ expression: Expression,
    _ node: inout PlanNode,
    _ binder: ExpressionBinder,
    _ places: inout [Int: Expression],
    _ withWindows: Bool,
    _ column: OuterColumn?
  ) throws(TallyError) {
    for placeholder in expression.columnsRead.sorted() where Placeholder.isSubquery(placeholder) && places[placeholder] == nil {
      let index = (placeholder - Placeholder.subqueries) / 8
      let use = binder.subqueries[index]
      var keys: [JoinNode.Key] = []
      if case .mark(let written) = use.kind { keys = written }
      for key in keys { try attach(key.left, &node, binder, &places, withWindows, column) }
      keys = keys.map { key in key.mapSides({ $0.replacing { places[$0] } }, { $0 }) }
      // One that compares a window function's value waits until that is there.
      if keys.contains(where: { $0.left.columnsRead.contains { Placeholder.isWindow($0) || Placeholder.isSet($0) } }) {
        guard !withWindows else {
          throw .sql("0A000", "a set-returning function compared with a subquery is not supported")
        }
        continue
      }
      let outers = statement.references(in: use.plan, of: binder.number)
      var references: [Int: Int] = [:]
      var extra: [Expression] = []
      let width = node.columns.count
      for (reference, outer) in outers.sorted(by: { $0.key < $1.key }) {
        let value: Expression
        if let column {
          do throws(TallyError) { value = try column(.column(outer.column, outer.type)) } catch {
            guard error.sqlState == "42803" else { throw error }
            throw .sql(
              "42803",
              "subquery uses ungrouped column \"\(binder.scope.shown(outer.column))\" from outer query",
              position: outer.position
            )
          }
        } else {
          value = .column(outer.column, outer.type)
        }
        if let place = value.columnIndex {
          references[reference] = place
        } else {
          references[reference] = width + extra.count
          extra.append(value)
        }
      }
      if !extra.isEmpty { node = node.appending(extra, names: extra.map { _ in "outer" }) }
      let base = node.columns.count
      let isMark = if case .mark = use.kind { true } else { false }
      node = try Unnesting(statement: statement).joined(
        isMark ? .mark : .single,
        left: node,
        right: use.plan,
        references: references,
        keys: keys
      )
      let added = isMark ? 1 : use.plan.columns.count
      let columns = node.columns
      for field in 0..<added {
        places[Placeholder.subquery(index, field)] = .column(base + field, columns[base + field].type)
      }
    }
  }

  // MARK: Groups

  private static func notGrouped(_ position: Int) -> TallyError {
    .sql("42803", "arguments to GROUPING must be grouping expressions of the associated query level", position: position)
  }
  /// Aggregates, with what the expressions above them become.
  private func grouped(
    _ input: PlanNode,
    _ groups: inout [Expression],
    _ sets: [[Int]]?,
    _ binder: ExpressionBinder,
    _ expressions: inout [Expression],
    _ having: inout Expression?,
    _ column: OuterColumn?,
    _ syntax: PlainSelectSyntax
  ) throws(TallyError) -> PlanNode {
    var node = input
    let grouping = Grouping(groups: groups, binder: binder)
    // Subqueries of groups and arguments are computed below the aggregates.
    node = try attach(node, binder, &groups)
    if binder.aggregates.contains(where: { $0.expressions.contains { $0.columnsRead.contains(where: Placeholder.isSubquery) } }) {
      for i in binder.aggregates.indices {
        var parts = binder.aggregates[i].expressions
        node = try attach(node, binder, &parts)
        binder.aggregates[i] = binder.aggregates[i].withExpressions(parts)
      }
    }
    node = try attach(node, binder, &binder.distincts)
    for i in expressions.indices { expressions[i] = try grouping.overGroups(expressions[i]) }
    for i in binder.expansions.indices {
      binder.expansions[i].state = try grouping.overGroups(binder.expansions[i].state)
    }
    if let written = having { having = try grouping.overGroups(written) }
    for i in binder.windows.indices { binder.windows[i] = try binder.windows[i].mapping(grouping.overGroups) }
    for i in binder.sets.indices {
      for k in binder.sets[i].call.arguments.indices {
        binder.sets[i].call.arguments[k] = try grouping.overGroups(binder.sets[i].call.arguments[k])
      }
    }
    try mapMarks(binder, expressions + (having.map { [$0] } ?? []) + binder.windows.flatMap(\.expressions), grouping)
    // Several distinct counts read their input once each: nested, that would multiply without end.
    if binder.distincts.count > 1, !node.hasAtMost(Self.repeatedNodesMax / (binder.distincts.count + 1)) {
      throw .sql(
        "54001",
        "several count(DISTINCT …) over so complex a subquery are not supported",
        hint: "Count distinct values in separate queries, or use hll_add_agg.",
        position: syntax.items.first?.expression.position
      )
    }
    var masks: [[Int]] = []
    for written in binder.groupings {
      var places: [Int] = []
      for argument in written.arguments {
        guard let place = grouping.place(argument) else { throw Self.notGrouped(written.position) }
        places.append(place)
      }
      masks.append(places)
    }
    if let sets {
      node = AggregatePlanning.groupingSets(
        input: node,
        groups: groups,
        sets: sets,
        calls: binder.aggregates,
        distincts: binder.distincts,
        masks: masks,
        shared: statement.nextShared()
      )
    } else {
      node = AggregatePlanning.node(input: node, groups: groups, calls: binder.aggregates, distincts: binder.distincts)
      if !masks.isEmpty {
        node = node.appending(masks.map { _ in .constant(.integer, .fixed(0)) }, names: masks.map { _ in "grouping" })
      }
    }
    let base = groups.count + binder.aggregates.count + binder.distincts.count
    let place = { (index: Int) -> Expression? in
      index >= Placeholder.groupings ? .column(base + index - Placeholder.groupings, .integer) : nil
    }
    expressions = expressions.map { $0.replacing(place) }
    having = having.map { $0.replacing(place) }
    for i in binder.windows.indices { binder.windows[i] = binder.windows[i].mapping { $0.replacing(place) } }
    var all = having.map { [$0] } ?? []
    node = try attach(node, binder, &all, column: column)
    if having != nil { having = all[0] }
    node = try attach(node, binder, &expressions, column: column)
    return try attachWindowed(node, binder, column: column)
  }
  /// What expressions above the aggregates compare with subqueries is over groups too.
  private func mapMarks(_ binder: ExpressionBinder, _ expressions: [Expression], _ grouping: Grouping) throws(TallyError) {
    var pending = expressions
    var done: Set<Int> = []
    while let expression = pending.popLast() {
      for placeholder in expression.columnsRead where Placeholder.isSubquery(placeholder) {
        let index = (placeholder - Placeholder.subqueries) / 8
        guard done.insert(index).inserted, case .mark(var keys) = binder.subqueries[index].kind else { continue }
        for k in keys.indices {
          keys[k].left = try grouping.overGroups(keys[k].left)
          pending.append(keys[k].left)
        }
        binder.subqueries[index].kind = .mark(keys)
      }
    }
  }
  /// Subqueries in arguments of windows, functions that give rows, and topn().
  private func attachWindowed(
    _ node: PlanNode,
    _ binder: ExpressionBinder,
    column: OuterColumn? = nil
  ) throws(TallyError) -> PlanNode {
    var node = node
    for i in binder.windows.indices {
      var parts = binder.windows[i].expressions
      guard parts.contains(where: { $0.columnsRead.contains(where: Placeholder.isSubquery) }) else { continue }
      node = try attach(node, binder, &parts, column: column)
      binder.windows[i] = binder.windows[i].withExpressions(parts)
    }
    for i in binder.sets.indices {
      node = try attach(node, binder, &binder.sets[i].call.arguments, column: column)
    }
    for i in binder.expansions.indices {
      var parts = [binder.expansions[i].state]
      node = try attach(node, binder, &parts, column: column)
      binder.expansions[i].state = parts[0]
    }
    return node
  }

  // MARK: Windows and functions that give rows

  /// One node for each distinct partitioning and order.
  private func windowed(_ input: PlanNode, _ binder: ExpressionBinder, _ expressions: inout [Expression]) -> PlanNode {
    guard !binder.windows.isEmpty else { return input }
    var node = input
    let width = node.columns.count
    var extra: [Expression] = []
    var extraKeys: [[UInt8]] = []
    func place(_ expression: Expression) -> Int {
      if let column = expression.columnIndex { return column }
      let key = ExpressionFormat.key(expression)
      if let known = extraKeys.firstIndex(of: key) { return width + known }
      extra.append(expression)
      extraKeys.append(key)
      return width + extra.count - 1
    }
    var nodes: [(signature: [UInt8], partitions: [Int], keys: [SortKey], calls: [Int])] = []
    for (index, call) in binder.windows.enumerated() {
      let signature = call.window.signature
      if let known = nodes.firstIndex(where: { $0.signature == signature }) {
        nodes[known].calls.append(index)
        continue
      }
      var partitions: [Int] = []
      for expression in call.window.partitions {
        let column = place(expression)
        if !partitions.contains(column) { partitions.append(column) }
      }
      let keys = call.window.keys.map {
        SortKey(column: place($0.expression), isAscending: $0.isAscending, nullsFirst: $0.nullsFirst)
      }
      nodes.append((signature, partitions, keys, [index]))
    }
    if !extra.isEmpty { node = node.appending(extra, names: extra.indices.map { "window\($0)" }) }
    var places: [Int: Expression] = [:]
    for item in nodes {
      let base = node.columns.count
      let calls = item.calls.map { index -> WindowCall in
        let call = binder.windows[index]
        return WindowCall(call.function, call.arguments, filter: call.filter, frame: call.window.frame, type: call.type)
      }
      for (at, index) in item.calls.enumerated() {
        places[Placeholder.windows + index] = .column(base + at, binder.windows[index].type)
      }
      node = .window(
        WindowNode(
          input: node,
          partitions: item.partitions,
          keys: item.keys,
          calls: calls,
          names: item.calls.map { "window\($0)" }
        )
      )
    }
    expressions = expressions.map { $0.replacing { places[$0] } }
    for i in binder.sets.indices {
      binder.sets[i].call.arguments = binder.sets[i].call.arguments.map { $0.replacing { places[$0] } }
    }
    for i in binder.expansions.indices { binder.expansions[i].state = binder.expansions[i].state.replacing { places[$0] } }
    for i in binder.subqueries.indices {
      guard case .mark(let keys) = binder.subqueries[i].kind else { continue }
      binder.subqueries[i].kind = .mark(keys.map { $0.mapSides({ $0.replacing { places[$0] } }, { $0 }) })
    }
    return node
  }
}

extension AggregateCall {
  /// The same call over other expressions, in the order of `expressions`.
  func withExpressions(_ parts: [Expression]) -> AggregateCall {
    var next = 0
    return mapExpressions { _ in
      next += 1
      return parts[next - 1]
    }
  }
}

extension BoundWindowCall {
  /// Everything that is computed for a row: arguments, filter, partitions, keys.
  var expressions: [Expression] {
    arguments + (filter.map { [$0] } ?? []) + window.partitions + window.keys.map(\.expression)
  }
  /// The same call with each expression replaced.
  func mapping<E: Error>(_ change: (Expression) throws(E) -> Expression) throws(E) -> BoundWindowCall {
    var parts: [Expression] = []
    for expression in expressions { parts.append(try change(expression)) }
    return withExpressions(parts)
  }
  /// The same call over other expressions, in the order of `expressions`.
  func withExpressions(_ parts: [Expression]) -> BoundWindowCall {
    var copy = self
    var rest = parts[...]
    copy.arguments = Array(rest.prefix(arguments.count))
    rest = rest.dropFirst(arguments.count)
    if filter != nil { copy.filter = rest.popFirst() }
    copy.window.partitions = Array(rest.prefix(window.partitions.count))
    rest = rest.dropFirst(window.partitions.count)
    for (i, expression) in rest.enumerated() { copy.window.keys[i].expression = expression }
    return copy
  }
}
