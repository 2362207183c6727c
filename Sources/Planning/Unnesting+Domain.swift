// Unnesting+Domain.swift — subqueries that are computed for each of the distinct values that they read of their outer query.
//
// The domain is those values; it is joined to the subquery where nothing below reads them, and travels up through every operator from
// there: as a group, a partition, a column of both sides of a set operation. The outer rows find their subquery's rows by it.
import Model

extension Unnesting {
  func overDomain(
    _ kind: Kind,
    _ left: PlanNode,
    _ right: PlanNode,
    _ references: [Int: Int],
    _ keys: [JoinNode.Key],
    _ condition: Expression?
  ) throws(TallyError) -> PlanNode {
    // Both uses of the outer rows must be of the same rows. A plan that itself reads an outer query cannot be shared: it will be
    // taken apart by that query's own joins.
    let source = left.readsOuter || left.contains(Self.isWorking) ? left : .shared(SharedNode(id: statement.nextShared(), input: left))
    let columns = left.columns
    let read = Array(Set(references.values)).sorted()
    for column in read where !ExpressionCheck.isComparable(ExpressionCheck.family(columns[column].type)) {
      throw .sql(
        "0A000",
        "a subquery that reads a column of type \(columns[column].type.name) of an outer query in this way is not supported",
        hint: "Compare the outer query's columns by = in the subquery's WHERE."
      )
    }
    let domain = Domain(
      plan: .aggregate(
        AggregateNode(
          input: source,
          groups: read.map { .column($0, columns[$0].type) },
          calls: [],
          names: read.map { columns[$0].name }
        )
      ),
      columns: read.map { columns[$0] },
      places: references.mapValues { read.firstIndex(of: $0) ?? 0 }
    )
    let inner = try withDomain(right, domain)
    let width = columns.count
    let own = right.columns.count
    let all =
      keys
      + read.enumerated().map { place, column in
        JoinNode.Key(
          left: .column(column, columns[column].type),
          right: .column(own + place, columns[column].type),
          matchesNulls: true
        )
      }
    let joined = PlanNode.join(JoinNode(Self.plain(kind), left: source, right: inner, keys: all, condition: condition))
    return kind == .mark ? joined : joined.prefix(width + own)
  }
  private static func isWorking(_ plan: PlanNode) -> Bool {
    if case .workingRows = plan { return true }
    return false
  }

  /// The distinct values that a subquery reads of its outer query.
  private struct Domain {
    var plan: PlanNode
    var columns: [OutputColumn]
    /// Which of its columns an outer reference is.
    var places: [Int: Int]
    /// Recursions whose working rows carry its columns.
    var carriers: Set<Int> = []
    var count: Int { columns.count }

    /// An expression with outer references as columns from `base` on.
    func placed(_ expression: Expression, _ base: Int) -> Expression {
      expression.replacing { index in places[index].map { .column(base + $0, columns[$0].type) } }
    }
    func reads(_ plan: PlanNode) -> Bool {
      var set: Set<Int> = []
      plan.collectOuter(into: &set)
      return set.contains { places[$0] != nil } || !carriers.isEmpty && plan.contains(isCarried)
    }
    private func isCarried(_ plan: PlanNode) -> Bool {
      if case .workingRows(let node) = plan { return carriers.contains(node.id) }
      return false
    }
    func reads(_ expression: Expression?) -> Bool { expression?.columnsRead.contains { places[$0] != nil } ?? false }
    /// The domain's columns from `base` on.
    func identity(_ base: Int) -> [Expression] { columns.enumerated().map { .column(base + $0, $1.type) } }
    /// Keys that tie two copies of it.
    func keys(_ left: Int, _ right: Int) -> [JoinNode.Key] {
      columns.enumerated().map { place, column in
        JoinNode.Key(left: .column(left + place, column.type), right: .column(right + place, column.type), matchesNulls: true)
      }
    }
  }

  /// The subplan computed for every value of the domain: its columns, then the domain's.
  private func withDomain(_ plan: PlanNode, _ domain: Domain) throws(TallyError) -> PlanNode {
    guard domain.reads(plan) else {
      return .join(JoinNode(.inner, left: plan, right: domain.plan, keys: []))
    }
    let count = domain.count
    let width = plan.columns.count
    switch plan {
    case .filter(var node):
      node.condition = domain.placed(node.condition, width)
      node.input = try withDomain(node.input, domain)
      return .filter(node)
    case .project(let node):
      let base = node.input.columns.count
      return .project(
        ProjectNode(
          input: try withDomain(node.input, domain),
          expressions: node.expressions.map { domain.placed($0, base) } + domain.identity(base),
          names: node.names + domain.columns.map(\.name)
        )
      )
    case .aggregate(let node): return try aggregate(node, domain)
    case .sort(var node):
      if let first = node.first {
        node.first = nil
        return try withDomain(.limit(LimitNode(input: .sort(node), count: first)), domain)
      }
      return try withDomain(node.input, domain)
    case .limit(let node):
      var keys: [SortKey] = []
      var source = node.input
      if case .sort(let sort) = source {
        keys = sort.keys
        source = sort.input
      }
      return numbered(try withDomain(source, domain), by: (0..<count).map { width + $0 }, keys, node)
    case .unionAll(let inputs):
      var branches: [PlanNode] = []
      for input in inputs { branches.append(try withDomain(input, domain)) }
      return .unionAll(branches)
    case .setOperation(var node):
      node.left = try withDomain(node.left, domain)
      node.right = try withDomain(node.right, domain)
      return .setOperation(node)
    case .distinctOn(var node):
      var keys = (0..<count).map { SortKey(column: width + $0) }
      var source = node.input
      if case .sort(let sort) = source {
        keys += sort.keys
        source = sort.input
      }
      node.input = .sort(SortNode(input: try withDomain(source, domain), keys: keys))
      node.columns += (0..<count).map { width + $0 }
      return .distinctOn(node)
    case .window(var node):
      let base = node.input.columns.count
      node.input = try withDomain(node.input, domain)
      node.partitions += (0..<count).map { base + $0 }
      for i in node.calls.indices {
        node.calls[i].arguments = node.calls[i].arguments.map { domain.placed($0, base) }
        node.calls[i].filter = node.calls[i].filter.map { domain.placed($0, base) }
      }
      return domainLast(.window(node), base, count)
    case .tableFunction(var node):
      let base = node.input.columns.count
      node.input = try withDomain(node.input, domain)
      for i in node.calls.indices { node.calls[i].arguments = node.calls[i].arguments.map { domain.placed($0, base) } }
      return domainLast(.tableFunction(node), base, count)
    case .expandTopN(var node):
      let base = node.input.columns.count
      node.input = try withDomain(node.input, domain)
      return domainLast(.expandTopN(node), base, count)
    case .join(let node): return try join(node, domain)
    // One round of all values' recursions is a round: working rows carry the value they are of.
    case .recursive(var node):
      node.base = try withDomain(node.base, domain)
      var carried = domain
      carried.carriers.insert(node.id)
      node.step = try withDomain(node.step, carried)
      return .recursive(node)
    case .workingRows(var node) where domain.carriers.contains(node.id):
      node.output += domain.columns
      return .workingRows(node)
    // Each place that reads it computes it: the plan is no longer the one that is shared.
    case .shared(let node): return try withDomain(node.input, domain)
    case .scan, .values, .fragmentInput, .workingRows, .systemScan:
      throw .sql(
        "0A000",
        "a WITH query that reads columns of an outer query in this way is not supported",
        hint: "Write it as a subquery in FROM."
      )
    }
  }
  /// Moves the domain's columns from behind a node's input to the end.
  private func domainLast(_ plan: PlanNode, _ base: Int, _ count: Int) -> PlanNode {
    let all = plan.columns.count
    return plan.selecting(Array(0..<base) + Array((base + count)..<all) + Array(base..<(base + count)))
  }

  private func aggregate(_ node: AggregateNode, _ domain: Domain) throws(TallyError) -> PlanNode {
    let base = node.input.columns.count
    let count = domain.count
    let input = try withDomain(node.input, domain)
    if !node.groups.isEmpty {
      let plan = AggregateNode(
        input: input,
        groups: node.groups.map { domain.placed($0, base) } + domain.identity(base),
        calls: node.calls.map { $0.mapExpressions { domain.placed($0, base) } },
        names: Array(node.names.prefix(node.groups.count)) + domain.columns.map(\.name) + node.names.dropFirst(node.groups.count)
      )
      return domainLast(.aggregate(plan), node.groups.count, count)
    }
    // A value without rows still gives one: each call counts only rows that are there.
    let marked = input.appending([.boolean(true)], names: ["there"])
    let joined = PlanNode.join(JoinNode(.left, left: domain.plan, right: marked, keys: domain.keys(0, base)))
    let isThere = Expression.column(count + base + count, .boolean)
    let calls = node.calls.map { call -> AggregateCall in
      var moved = call.mapExpressions { expression in
        expression.replacing { index in
          if let place = domain.places[index] { return .column(place, domain.columns[place].type) }
          return Placeholder.isOuter(index) ? nil : .column(count + index, node.input.columns[index].type)
        }
      }
      moved.filter = Expression.conjunction([isThere] + (moved.filter.map { [$0] } ?? []))
      return moved
    }
    let plan = AggregateNode(
      input: joined,
      groups: domain.identity(0),
      calls: calls,
      names: domain.columns.map(\.name) + node.names
    )
    return domainLast(.aggregate(plan), 0, count)
  }

  private func join(_ node: JoinNode, _ domain: Domain) throws(TallyError) -> PlanNode {
    let count = domain.count
    let (lefts, rights) = (node.left.columns.count, node.right.columns.count)
    var plan = node
    let readsLeft = domain.reads(node.left)
    let readsRight = domain.reads(node.right)
    let readsHere = node.keys.contains { domain.reads($0.left) || domain.reads($0.right) } || domain.reads(node.condition)
    if node.kind == .inner, !readsLeft, readsRight || !readsHere {
      plan.right = try withDomain(node.right, domain)
      plan.keys = node.keys.map {
        $0.mapSides({ domain.placed($0, 0) }, { domain.placed($0, rights) })
      }
      if plan.keys.contains(where: { domain.reads($0.left) }) || node.keys.contains(where: { domain.reads($0.left) }) {
        return try join(spread(node, domain), domain)
      }
      plan.condition = node.condition.map { domain.placed($0, lefts + rights) }
      return .join(plan)
    }
    // Left columns, the domain, right columns[, the domain again].
    plan.left = try withDomain(node.left, domain)
    let isWide = readsRight || node.kind == .right || node.kind == .full
    if isWide { plan.right = try withDomain(node.right, domain) }
    plan.keys = node.keys.map { $0.mapSides({ domain.placed($0, lefts) }, { $0 }) }
    guard !node.keys.contains(where: { domain.reads($0.right) }) else { return try join(spread(node, domain), domain) }
    if isWide { plan.keys += domain.keys(lefts, rights) }
    plan.condition = node.condition.map { condition in
      condition.replacing { index in
        if let place = domain.places[index] { return .column(lefts + place, domain.columns[place].type) }
        guard !Placeholder.isOuter(index) else { return nil }
        return index < lefts ? nil : .column(index + count, node.right.columns[index - lefts].type)
      }
    }
    let all = PlanNode.join(plan)
    switch node.kind {
    case .semi, .anti: return all
    case .mark: return domainLast(all, lefts, count)
    case .inner, .left, .single:
      return all.selecting(
        Array(0..<lefts) + Array((lefts + count)..<(lefts + count + rights)) + Array(lefts..<(lefts + count))
      )
    case .right, .full:
      let columns = all.columns
      let second = lefts + count + rights
      let kept = (Array(0..<lefts) + Array((lefts + count)..<second)).map { Expression.column($0, columns[$0].type) }
      let values = domain.columns.enumerated().map { place, column in
        node.kind == .right
          ? Expression.column(second + place, column.type)
          : Expression(column.type, .coalesce([.column(lefts + place, column.type), .column(second + place, column.type)]))
      }
      let names = (Array(0..<lefts) + Array((lefts + count)..<second)).map { columns[$0].name } + domain.columns.map(\.name)
      return .project(ProjectNode(input: all, expressions: kept + values, names: names))
    }
  }
  /// A join whose keys read outer columns as one with a condition instead.
  private func spread(_ node: JoinNode, _ domain: Domain) throws(TallyError) -> JoinNode {
    var plan = node
    let lefts = node.left.columns.count
    plan.keys = []
    var parts: [Expression] = []
    for key in node.keys {
      guard domain.reads(key.left) || domain.reads(key.right) else {
        plan.keys.append(key)
        continue
      }
      guard !key.matchesNulls, !key.marksNulls else {
        throw .sql("0A000", "a subquery that compares columns of an outer query in this way is not supported")
      }
      parts.append(Expression(.boolean, .call(.equal, [key.left, key.right.shifted(by: lefts)])))
    }
    plan.condition = Expression.conjunction(parts + (node.condition.map { [$0] } ?? []))
    return plan
  }
}
