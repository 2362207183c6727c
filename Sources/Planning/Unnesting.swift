// Unnesting.swift — correlated subqueries and LATERAL as joins: afterwards no plan reads a column of an outer query of its own.
//
// After Neumann and Kemper, "Unnesting Arbitrary Queries" (BTW 2015). Two ways. Where the outer columns stand in conditions that can be
// lifted above what the subquery computes, they become the join's conditions (`lifted`): the subquery is computed once, grouped by what
// it is compared with. Else the subquery is computed for each of the distinct values that it reads (`withDomain`), and joined by them.
// An aggregate without groups gives a row for every outer row: in the first way its values over nothing are put in where no row
// matches, in the second it is joined to the domain before it is computed.
import Model

struct Unnesting {
  let statement: StatementBinding

  /// How the subquery's rows meet those of the outer query.
  enum Kind {
    case inner
    case left
    /// At most one row: the subquery's columns, NULL where there is none.
    case single
    /// A boolean: whether a row matches the keys.
    case mark
  }

  /// The outer plan joined with a subquery whose outer references are columns of it. The output is the left columns, then those of the
  /// subquery or the mark. Keys and condition read the subquery's columns as `right`'s.
  func joined(
    _ kind: Kind,
    left: PlanNode,
    right: PlanNode,
    references: [Int: Int],
    keys: [JoinNode.Key] = [],
    condition: Expression? = nil
  ) throws(TallyError) -> PlanNode {
    guard !references.isEmpty else {
      return .join(JoinNode(Self.plain(kind), left: left, right: right, keys: keys, condition: condition))
    }
    if condition == nil, keys.isEmpty, let direct = besideRows(kind, left, right, references) { return direct }
    if let lifted = try lifted(kind, left, right, references, keys, condition) { return lifted }
    return try overDomain(kind, left, right, references, keys, condition)
  }
  private static func plain(_ kind: Kind) -> JoinNode.Kind {
    switch kind {
    case .inner: .inner
    case .left: .left
    case .single: .single
    case .mark: .mark
    }
  }

  /// Functions of the left row itself: `FROM t, unnest(t.a)`.
  private func besideRows(_ kind: Kind, _ left: PlanNode, _ right: PlanNode, _ references: [Int: Int]) -> PlanNode? {
    func own(_ expression: Expression) -> Expression {
      expression.replacing { index in references[index].map { .column($0, left.columns[$0].type) } }
    }
    switch right {
    case .project(let node) where node.expressions.allSatisfy { $0.columnIndex != nil }:
      // The input's own columns come to stand behind the left ones.
      guard let inner = besideRows(kind, left, node.input, references) else { return nil }
      let width = left.columns.count
      return inner.selecting(Array(0..<width) + node.expressions.compactMap(\.columnIndex).map { width + $0 })
    case .tableFunction(var node):
      guard case .values(let values) = node.input, values.output.isEmpty, values.rows.count == 1, kind == .inner || kind == .left
      else { return nil }
      node.input = left
      for i in node.calls.indices { node.calls[i].arguments = node.calls[i].arguments.map(own) }
      node.keepsLonely = kind == .left
      return .tableFunction(node)
    case .expandTopN(var node):
      guard case .project(let project) = node.input, case .values(let values) = project.input, values.output.isEmpty,
        values.rows.count == 1, kind == .inner
      else { return nil }
      let width = left.columns.count
      node.input = left.appending(project.expressions.map(own), names: project.names)
      node.column += width
      return .expandTopN(node)
    default: return nil
    }
  }

  // MARK: Lifting conditions

  /// A subplan without its outer references.
  private struct Lifted {
    var plan: PlanNode
    /// What a row must meet, over the plan's columns and outer references.
    var conditions: [Expression] = []
    /// The subplan's columns, over the plan's columns and outer references.
    var output: [Expression]
    /// Of an aggregate without groups: the plan's columns where no row meets the conditions; there is one row then too.
    var empties: [Value]?
  }

  private func reads(_ plan: PlanNode, _ references: [Int: Int]) -> Bool {
    var set: Set<Int> = []
    plan.collectOuter(into: &set)
    return set.contains { references[$0] != nil }
  }
  private func reads(_ expression: Expression, _ references: [Int: Int]) -> Bool {
    expression.columnsRead.contains { references[$0] != nil }
  }

  private func lift(_ plan: PlanNode, _ references: [Int: Int], isExistence: Bool) -> Lifted? {
    func free(_ expression: Expression) -> Bool { !reads(expression, references) }
    guard reads(plan, references) else { return Lifted(plan: plan, output: plan.identity) }
    switch plan {
    case .filter(let node):
      guard var inner = lift(node.input, references, isExistence: isExistence), inner.empties == nil else { return nil }
      var here: [Expression] = []
      for part in node.condition.conjuncts {
        let moved = part.substituting(inner.output, keepingOuter: true)
        if free(moved) { here.append(moved) } else { inner.conditions.append(moved) }
      }
      if let condition = Expression.conjunction(here) {
        inner.plan = .filter(FilterNode(input: inner.plan, condition: condition))
      }
      return inner
    case .project(let node):
      guard var inner = lift(node.input, references, isExistence: isExistence) else { return nil }
      inner.output = node.expressions.map { $0.substituting(inner.output, keepingOuter: true) }
      return inner
    case .aggregate(let node): return aggregate(node, references)
    case .sort(let node):
      guard node.first == nil || isExistence else { return nil }
      return lift(node.input, references, isExistence: isExistence)
    case .limit(let node): return limit(node, references, isExistence: isExistence)
    case .window(var node):
      guard let inner = lift(node.input, references, isExistence: false), inner.empties == nil, inner.output.allSatisfy(free),
        let equalities = equalities(inner.conditions, references)
      else { return nil }
      let width = inner.output.count
      node.input = .project(
        ProjectNode(
          input: inner.plan,
          expressions: inner.output + equalities.map(\.inner),
          names: node.input.columns.map(\.name) + equalities.map { _ in "key" }
        )
      )
      guard node.calls.allSatisfy({ ($0.arguments + ($0.filter.map { [$0] } ?? [])).allSatisfy(free) }) else { return nil }
      node.partitions += equalities.indices.map { width + $0 }
      let columns = node.output
      let shift = equalities.count
      let output = (0..<width).map { Expression.column($0, columns[$0].type) }
      return Lifted(
        plan: .window(node),
        conditions: equalities.enumerated().map { matching(width + $0, $1) },
        output: output + node.calls.indices.map { .column(width + shift + $0, node.calls[$0].type) }
      )
    case .join(let node): return join(node, references)
    default: return nil
    }
  }

  /// An equality that ties something of the subquery to outer columns.
  private struct Equality {
    var inner: Expression
    var outer: Expression
    var function: Function
  }
  private func equality(_ condition: Expression, _ references: [Int: Int]) -> Equality? {
    guard case .call(.equal, let sides) = condition.node, sides.count == 2 else { return nil }
    func isOuter(_ side: Expression) -> Bool { side.columnsRead.allSatisfy { Placeholder.isOuter($0) } }
    func isInner(_ side: Expression) -> Bool {
      let read = side.columnsRead
      return !read.isEmpty && read.allSatisfy { references[$0] == nil }
    }
    if isInner(sides[0]), isOuter(sides[1]) { return Equality(inner: sides[0], outer: sides[1], function: .equal) }
    if isInner(sides[1]), isOuter(sides[0]) { return Equality(inner: sides[1], outer: sides[0], function: .equal) }
    return nil
  }
  /// All conditions as equalities; nil where one is something else.
  private func equalities(_ conditions: [Expression], _ references: [Int: Int]) -> [Equality]? {
    var result: [Equality] = []
    for condition in conditions {
      guard let equality = equality(condition, references),
        ExpressionCheck.isComparable(ExpressionCheck.family(equality.inner.type))
      else { return nil }
      result.append(equality)
    }
    return result
  }
  private func matching(_ column: Int, _ equality: Equality) -> Expression {
    Expression(.boolean, .call(equality.function, [.column(column, equality.inner.type), equality.outer]))
  }

  private func aggregate(_ node: AggregateNode, _ references: [Int: Int]) -> Lifted? {
    func free(_ expression: Expression) -> Bool { !reads(expression, references) }
    guard let inner = lift(node.input, references, isExistence: false), inner.empties == nil,
      let equalities = equalities(inner.conditions, references)
    else { return nil }
    let groups = node.groups.map { $0.substituting(inner.output, keepingOuter: true) }
    let calls = node.calls.map { $0.mapExpressions { $0.substituting(inner.output, keepingOuter: true) } }
    guard groups.allSatisfy(free), calls.allSatisfy({ $0.expressions.allSatisfy(free) }) else { return nil }
    var empties: [Value]?
    if node.groups.isEmpty {
      // Without an equality there is one group for all outer rows, and what they read has gone elsewhere.
      guard !equalities.isEmpty else { return nil }
      var values = equalities.map { _ in Value.null }
      for call in calls {
        switch call.function {
        case .count, .countStar, .countMerge: values.append(.fixed(0))
        case .topnAdd, .topnUnion: return nil
        default: values.append(.null)
        }
      }
      empties = values
    }
    let plan = AggregateNode(
      input: inner.plan,
      groups: groups + equalities.map(\.inner),
      calls: calls,
      names: Array(node.names.prefix(groups.count)) + equalities.indices.map { "key\($0)" } + node.names.dropFirst(groups.count)
    )
    let shift = groups.count + equalities.count
    return Lifted(
      plan: .aggregate(plan),
      conditions: equalities.enumerated().map { matching(groups.count + $0, $1) },
      output: groups.indices.map { .column($0, groups[$0].type) } + calls.indices.map { .column(shift + $0, calls[$0].type) },
      empties: empties
    )
  }

  /// LIMIT for each outer row: numbers the rows of each value of the equalities.
  private func limit(_ node: LimitNode, _ references: [Int: Int], isExistence: Bool) -> Lifted? {
    var keys: [SortKey] = []
    var source = node.input
    if case .sort(let sort) = node.input {
      keys = sort.keys
      source = sort.input
    }
    guard let inner = lift(source, references, isExistence: false) else { return nil }
    let keepsFirst = node.offset == 0 && (node.count ?? 1) >= 1
    if inner.empties != nil || isExistence { return keepsFirst ? inner : nil }
    guard inner.output.allSatisfy({ !reads($0, references) }), let equalities = equalities(inner.conditions, references) else {
      return nil
    }
    let width = inner.output.count
    let names = source.columns.map(\.name)
    let input = PlanNode.project(
      ProjectNode(
        input: inner.plan,
        expressions: inner.output + equalities.map(\.inner),
        names: names + equalities.indices.map { "key\($0)" }
      )
    )
    return Lifted(
      plan: numbered(input, by: equalities.indices.map { width + $0 }, keys, node),
      conditions: equalities.enumerated().map { matching(width + $0, $1) },
      output: (0..<width).map { .column($0, inner.output[$0].type) }
    )
  }
  /// The rows of a limit within each partition; the input's columns.
  private func numbered(_ input: PlanNode, by partitions: [Int], _ keys: [SortKey], _ node: LimitNode) -> PlanNode {
    let width = input.columns.count
    let window = WindowNode(
      input: input,
      partitions: partitions,
      keys: keys,
      calls: [WindowCall(.rowNumber, [], filter: nil, frame: .standard, type: .bigint)],
      names: ["row_number"]
    )
    let number = Expression.column(width, .bigint)
    func bound(_ function: Function, _ value: Int64) -> Expression {
      Expression(.boolean, .call(function, [number, .constant(.bigint, .fixed(value))]))
    }
    var conditions: [Expression] = []
    if node.offset > 0 { conditions.append(bound(.greater, node.offset)) }
    if let count = node.count {
      let (last, overflow) = count.addingReportingOverflow(node.offset)
      if !overflow { conditions.append(bound(.lessOrEqual, last)) }
    }
    var result = PlanNode.window(window)
    if let condition = Expression.conjunction(conditions) { result = .filter(FilterNode(input: result, condition: condition)) }
    return result.prefix(width)
  }

  private func join(_ node: JoinNode, _ references: [Int: Int]) -> Lifted? {
    func free(_ expression: Expression) -> Bool { !reads(expression, references) }
    guard let left = lift(node.left, references, isExistence: false), left.empties == nil else { return nil }
    let width = left.plan.columns.count
    let own = node.left.columns.count
    switch node.kind {
    case .inner:
      guard let right = lift(node.right, references, isExistence: false), right.empties == nil else { return nil }
      let shifted = right.output.map { $0.shifted(by: width) }
      let output = left.output + shifted
      var keys: [JoinNode.Key] = []
      var conditions = left.conditions + right.conditions.map { $0.shifted(by: width) }
      var rest: [Expression] = []
      for key in node.keys {
        let moved = key.mapSides(
          { $0.substituting(left.output, keepingOuter: true) },
          { $0.substituting(right.output, keepingOuter: true) }
        )
        if free(moved.left), free(moved.right) {
          keys.append(moved)
        } else {
          guard !moved.matchesNulls else { return nil }
          conditions.append(Expression(.boolean, .call(.equal, [moved.left, moved.right.shifted(by: width)])))
        }
      }
      for part in node.condition?.conjuncts ?? [] {
        let moved = part.substituting(output, keepingOuter: true)
        if free(moved) { rest.append(moved) } else { conditions.append(moved) }
      }
      return Lifted(
        plan: .join(
          JoinNode(.inner, left: left.plan, right: right.plan, keys: keys, condition: Expression.conjunction(rest))
        ),
        conditions: conditions,
        output: output
      )
    case .left, .single, .semi, .anti, .mark:
      guard !reads(node.right, references) else { return nil }
      let keys = node.keys.map { $0.mapSides({ $0.substituting(left.output, keepingOuter: true) }, { $0 }) }
      let rightColumns = node.right.columns
      let both = left.output + rightColumns.indices.map { .column(width + $0, rightColumns[$0].type) }
      let condition = node.condition?.substituting(both, keepingOuter: true)
      guard keys.allSatisfy({ free($0.left) && free($0.right) }), condition.map(free) ?? true else { return nil }
      var moved = node
      moved.left = left.plan
      moved.keys = keys
      moved.condition = condition
      let extra = node.output.dropFirst(own)
      return Lifted(
        plan: .join(moved),
        conditions: left.conditions,
        output: left.output + extra.enumerated().map { .column(width + $0, $1.type) }
      )
    case .right, .full: return nil
    }
  }

  private func lifted(
    _ kind: Kind,
    _ left: PlanNode,
    _ right: PlanNode,
    _ references: [Int: Int],
    _ keys: [JoinNode.Key],
    _ condition: Expression?
  ) throws(TallyError) -> PlanNode? {
    let isExistence = kind == .mark && keys.isEmpty && condition == nil
    guard let inner = lift(right, references, isExistence: isExistence) else { return nil }
    let leftColumns = left.columns
    let width = leftColumns.count
    /// Outer references become left columns, the subplan's columns come after those.
    func placed(_ expression: Expression) -> Expression {
      expression.replacing { index in
        if let column = references[index] { return .column(column, leftColumns[column].type) }
        return Placeholder.isOuter(index) ? nil : .column(width + index, inner.plan.columns[index].type)
      }
    }
    let identity = left.identity
    let names = leftColumns.map(\.name) + right.columns.map(\.name)
    if let empties = inner.empties {
      guard condition == nil else { return nil }
      let (equal, rest) = split(inner.conditions, references, leftColumns)
      guard rest.isEmpty else { return nil }
      let joined = PlanNode.join(JoinNode(.left, left: left, right: inner.plan, keys: equal))
      let columns = inner.plan.columns
      func value(_ expression: Expression) -> Expression {
        expression.replacing { index in
          if let column = references[index] { return .column(column, leftColumns[column].type) }
          guard !Placeholder.isOuter(index) else { return nil }
          let column = Expression.column(width + index, columns[index].type)
          return empties[index].isNull
            ? column : Expression(column.type, .coalesce([column, .constant(column.type, empties[index])]))
        }
      }
      if kind == .mark {
        let tests = keys.map { key in
          Expression(.boolean, .call(.equal, [key.left, value(key.right.substituting(inner.output, keepingOuter: true))]))
        }
        let mark = Expression.conjunction(tests) ?? .boolean(true)
        return .project(ProjectNode(input: joined, expressions: identity + [mark], names: leftColumns.map(\.name) + ["mark"]))
      }
      return .project(ProjectNode(input: joined, expressions: identity + inner.output.map(value), names: names))
    }
    let isFree = inner.output.allSatisfy { !reads($0, references) }
    switch kind {
    case .inner:
      let (equal, rest) = split(inner.conditions, references, leftColumns)
      var conditions = rest.map(placed)
      if let condition {
        let both = identity + inner.output.map(placed)
        conditions.append(condition.substituting(both, keepingOuter: true))
      }
      let joined = PlanNode.join(
        JoinNode(.inner, left: left, right: inner.plan, keys: equal, condition: Expression.conjunction(conditions))
      )
      return .project(ProjectNode(input: joined, expressions: identity + inner.output.map(placed), names: names))
    case .left, .single:
      // Values of the subquery are NULL where no row matches: they must be made below the join.
      guard isFree else { return nil }
      let count = inner.output.count
      let kept = Array(Set(inner.conditions.flatMap { $0.columnsRead.filter { !Placeholder.isOuter($0) } })).sorted()
      let columns = inner.plan.columns
      let source = PlanNode.project(
        ProjectNode(
          input: inner.plan,
          expressions: inner.output + kept.map { .column($0, columns[$0].type) },
          names: right.columns.map(\.name) + kept.map { columns[$0].name }
        )
      )
      let conditions = inner.conditions.map { part in
        part.replacing { index in
          kept.firstIndex(of: index).map { .column(count + $0, columns[index].type) }
        }
      }
      let (equal, rest) = split(conditions, references, leftColumns)
      let parts = rest.map { part in
        part.replacing { index in
          if let column = references[index] { return .column(column, leftColumns[column].type) }
          return Placeholder.isOuter(index) ? nil : .column(width + index, source.columns[index].type)
        }
      }
      let joined = PlanNode.join(
        JoinNode(
          Self.plain(kind),
          left: left,
          right: source,
          keys: equal,
          condition: Expression.conjunction(parts + (condition.map { [$0] } ?? []))
        )
      )
      return joined.prefix(width + count)
    case .mark:
      let (equal, rest) = split(inner.conditions, references, leftColumns)
      var all = equal
      for key in keys {
        let moved = key.right.substituting(inner.output, keepingOuter: true)
        guard !reads(moved, references) else { return nil }
        var key = key
        key.right = moved
        all.append(key)
      }
      guard condition == nil else { return nil }
      return .join(
        JoinNode(.mark, left: left, right: inner.plan, keys: all, condition: Expression.conjunction(rest.map(placed)))
      )
    }
  }
  /// Conditions as keys of a join with the outer plan on the left, and what is none.
  private func split(
    _ conditions: [Expression],
    _ references: [Int: Int],
    _ leftColumns: [OutputColumn]
  ) -> ([JoinNode.Key], [Expression]) {
    var keys: [JoinNode.Key] = []
    var rest: [Expression] = []
    for condition in conditions {
      guard let equality = equality(condition, references), equality.outer.columnsRead.allSatisfy({ references[$0] != nil }),
        !equality.outer.columnsRead.isEmpty, !equality.inner.columnsRead.contains(where: { Placeholder.isOuter($0) })
      else {
        rest.append(condition)
        continue
      }
      let outer = equality.outer.replacing { index in references[index].map { .column($0, leftColumns[$0].type) } }
      if let key = JoinKeys.key(outer, equality.inner) { keys.append(key) } else { rest.append(condition) }
    }
    return (keys, rest)
  }

  // MARK: The domain

  private func overDomain(
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
    var count: Int { columns.count }

    /// An expression with outer references as columns from `base` on.
    func placed(_ expression: Expression, _ base: Int) -> Expression {
      expression.replacing { index in places[index].map { .column(base + $0, columns[$0].type) } }
    }
    func reads(_ plan: PlanNode) -> Bool {
      var set: Set<Int> = []
      plan.collectOuter(into: &set)
      return set.contains { places[$0] != nil }
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
    case .scan, .values, .fragmentInput, .shared, .recursive, .workingRows, .systemScan:
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

extension Expression {
  /// The same expression with columns, but not outer references, replaced by expressions.
  func substituting(_ columns: [Expression], keepingOuter: Bool) -> Expression {
    replacing { index in Placeholder.isOuter(index) ? nil : columns[index] }
  }
  /// The same expression over columns that stand further right; outer references stay.
  func shifted(by distance: Int) -> Expression {
    renumbered { Placeholder.isOuter($0) ? $0 : $0 + distance }
  }
}

/// Equalities as keys of a join.
enum JoinKeys {
  /// A key of two expressions that are compared by `=`; both get one type. Nil where no hash can tell their equality.
  static func key(_ left: Expression, _ right: Expression) -> JoinNode.Key? {
    if left.type == right.type {
      return ExpressionCheck.isComparable(ExpressionCheck.family(left.type)) ? JoinNode.Key(left: left, right: right) : nil
    }
    guard let type = UnifiedType.of([left.type, right.type]), ExpressionCheck.isComparable(ExpressionCheck.family(type)) else {
      return nil
    }
    let wide = type.isText ? DataType.text : type.withoutModifiers
    func side(_ expression: Expression) -> Expression? {
      if expression.type == wide { return expression }
      guard Casts.context(from: expression.type, to: wide) == .implicit else { return nil }
      return Expression(wide, .cast(expression))
    }
    guard let a = side(left), let b = side(right) else { return nil }
    return JoinNode.Key(left: a, right: b)
  }
}
