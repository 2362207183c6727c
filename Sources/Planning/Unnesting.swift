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
  static func plain(_ kind: Kind) -> JoinNode.Kind {
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
  func numbered(_ input: PlanNode, by partitions: [Int], _ keys: [SortKey], _ node: LimitNode) -> PlanNode {
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
