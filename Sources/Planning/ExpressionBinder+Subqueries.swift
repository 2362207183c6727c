// ExpressionBinder+Subqueries.swift — subqueries in expressions, and comparisons of rows.
//
// A subquery's plan is bound at once, with this binder as its outer; where its value stands in the expression is a placeholder column.
// SelectBinder joins it to the rows that the expression is evaluated for (`Unnesting`).
import Model
import SQL

/// A subquery met in an expression.
struct SubqueryUse {
  enum Kind {
    /// Its columns, of its one row.
    case values
    /// Whether a row matches: keys over the outer expression's input and the subquery's columns.
    case mark([JoinNode.Key])
  }
  var plan: PlanNode
  var kind: Kind
}

extension ExpressionBinder {
  /// Plans a subquery whose outer is this binder.
  private func subplan(_ select: SelectSyntax, _ position: Int) throws(TallyError) -> PlanNode {
    guard let queries else {
      if clause == .default { throw .sql("0A000", "cannot use subquery in DEFAULT expression", position: position) }
      if clause == .check { throw .sql("0A000", "cannot use subquery in check constraint", position: position) }
      throw .sql("0A000", "a subquery here is not supported", position: position)
    }
    let suffix = clause == .limit ? "LIMIT" : nil
    if let suffix { throw .sql("0A000", "a subquery in \(suffix) is not supported", position: position) }
    return try queries.inside(self).query(select, depth: queries.depth + 1)
  }
  private func use(_ plan: PlanNode, _ kind: SubqueryUse.Kind) -> Int {
    subqueries.append(SubqueryUse(plan: plan, kind: kind))
    return subqueries.count - 1
  }

  func scalarSubquery(_ select: SelectSyntax, _ position: Int) throws(TallyError) -> Expression {
    let plan = try subplan(select, position)
    guard plan.columns.count == 1 else { throw .sql("42601", "subquery must return only one column", position: position) }
    return .column(Placeholder.subquery(use(plan, .values)), plan.columns[0].type)
  }
  /// `(a, b) = (SELECT …)`: the values of the one row.
  func rowSubquery(_ select: SelectSyntax, _ count: Int, _ position: Int) throws(TallyError) -> [Expression] {
    let plan = try subplan(select, position)
    guard plan.columns.count == count else {
      throw .sql("42601", "number of columns does not match number of values", position: position)
    }
    guard count <= 8 else { throw .sql("0A000", "more than 8 columns set by one subquery are not supported", position: position) }
    let number = use(plan, .values)
    return plan.columns.enumerated().map { .column(Placeholder.subquery(number, $0), $1.type) }
  }
  func existence(_ select: SelectSyntax, _ position: Int) throws(TallyError) -> Expression {
    .column(Placeholder.subquery(use(try subplan(select, position), .mark([]))), .boolean)
  }
  /// ARRAY(SELECT …): the rows in their order, an empty array for none.
  func arraySubquery(_ select: SelectSyntax, _ position: Int) throws(TallyError) -> Expression {
    let plan = try subplan(select, position)
    guard plan.columns.count == 1 else { throw .sql("42601", "subquery must return only one column", position: position) }
    return try arrayOfRows(plan, position)
  }

  func quantified(
    _ left: ExpressionSyntax,
    _ name: String,
    _ select: SelectSyntax,
    isAll: Bool,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let parts: [ExpressionSyntax] = if case .row(let items) = left.kind { items } else { [left] }
    var bound: [Expression] = []
    for part in parts { bound.append(try bind(part)) }
    let plan = try subplan(select, position)
    let columns = plan.columns
    guard columns.count >= bound.count else { throw .sql("42601", "subquery has too few columns", position: position) }
    guard columns.count <= bound.count else { throw .sql("42601", "subquery has too many columns", position: position) }
    if name == "=", !isAll { return try membership(bound, parts, plan, position) }
    if name == "<>", isAll {
      return Expression(.boolean, .not(try membership(bound, parts, plan, position)))
    }
    guard bound.count == 1 else {
      throw .sql("0A000", "a comparison of rows by \(name) \(isAll ? "ALL" : "ANY") is not supported", position: position)
    }
    guard ["<", "<=", ">", ">=", "<>", "="].contains(name) else {
      throw .sql("0A000", "operator \(name) with \(isAll ? "ALL" : "ANY") of a subquery is not supported", position: position)
    }
    return try extremes(bound[0], name, plan, isAll: isAll, position, parts[0].position)
  }

  /// x IN (SELECT …): a mark; where a comparison is NULL and none is true the mark is NULL.
  private func membership(
    _ left: [Expression],
    _ syntax: [ExpressionSyntax],
    _ plan: PlanNode,
    _ position: Int
  ) throws(TallyError) -> Expression {
    var plan = plan
    let columns = plan.columns
    var keys: [JoinNode.Key] = []
    for (index, item) in left.enumerated() {
      let right = Expression.column(index, columns[index].type)
      let test = try infix("=", item, right, position, syntax[index].position, position)
      guard case .call(.equal, let sides) = test.node, sides.count == 2, let key = JoinKeys.key(sides[0], sides[1]) else {
        throw .sql("0A000", "IN of a subquery is not supported for type \(columns[index].type.name)", position: position)
      }
      keys.append(key)
    }
    if keys.count == 1 {
      keys[0].marksNulls = true
    } else {
      return try rowMembership(keys, &plan, position)
    }
    return .column(Placeholder.subquery(use(plan, .mark(keys))), .boolean)
  }
  /// (a, b) IN (SELECT …): true where a row is equal; else NULL where one may be, with its NULLs; else false.
  private func rowMembership(
    _ keys: [JoinNode.Key],
    _ plan: inout PlanNode,
    _ position: Int
  ) throws(TallyError) -> Expression {
    let isEqual = Expression.column(Placeholder.subquery(use(plan, .mark(keys))), .boolean)
    // A row may be equal where no pair of values is known to differ.
    let outers = keys.map { key in
      key.left.replacing { index in
        index < Placeholder.aggregates
          ? statement.reference(owner: number, index, scope.columns[index].type, position) : nil
      }
    }
    guard outers.allSatisfy({ $0.columnsRead.allSatisfy { Placeholder.isOuter($0) } }) else {
      throw .sql("0A000", "a row of aggregates, window functions or subqueries IN a subquery is not supported", position: position)
    }
    let parts = zip(keys, outers).map { key, outer in
      Expression(
        .boolean,
        .coalesce([Expression(.boolean, .call(.equal, [key.right, outer])), .boolean(true)])
      )
    }
    let candidates = PlanNode.filter(FilterNode(input: plan, condition: Expression.conjunction(parts) ?? .boolean(true)))
    let mayBeEqual = Expression.column(Placeholder.subquery(use(candidates, .mark([]))), .boolean)
    return Expression(
      .boolean,
      .caseWhen(
        [
          CaseBranch(condition: isEqual, result: .boolean(true)),
          CaseBranch(condition: mayBeEqual, result: .constant(.boolean, .null)),
        ],
        otherwise: .boolean(false)
      )
    )
  }

  /// Comparisons with all rows by the least and the greatest of them.
  private func extremes(
    _ left: Expression,
    _ name: String,
    _ plan: PlanNode,
    isAll: Bool,
    _ position: Int,
    _ leftPosition: Int
  ) throws(TallyError) -> Expression {
    let written = try infix(name, left, .column(0, plan.columns[0].type), position, leftPosition, position)
    if isAll {
      // x op ALL is what x (not op) ANY is not; errors name the operator that was written.
      let opposite = ["<": ">=", "<=": ">", ">": "<=", ">=": "<", "=": "<>", "<>": "="]
      let any = try extremes(left, opposite[name] ?? name, plan, isAll: false, position, leftPosition)
      return Expression(.boolean, .not(any))
    }
    guard case .call(_, let sides) = written.node, sides.count == 2 else {
      throw .sql("0A000", "operator \(name) with \(isAll ? "ALL" : "ANY") of a subquery is not supported", position: position)
    }
    let value = sides[1]
    let source = PlanNode.project(ProjectNode(input: plan, expressions: [value], names: ["value"]))
    let column = Expression.column(0, value.type)
    let summary = PlanNode.aggregate(
      AggregateNode(
        input: source,
        groups: [],
        calls: [
          AggregateCall(.countStar, [], type: .bigint), AggregateCall(.count, [column], type: .bigint),
          AggregateCall(.min, [column], type: value.type), AggregateCall(.max, [column], type: value.type),
        ],
        names: ["rows", "values", "least", "greatest"]
      )
    )
    let index = use(summary, .values)
    func field(_ at: Int, _ type: DataType) -> Expression { .column(Placeholder.subquery(index, at), type) }
    func compare(_ at: Int) throws(TallyError) -> Expression {
      try infix(name, sides[0], field(at, value.type), position, leftPosition, position)
    }
    let holds: Expression
    switch name {
    case "<", "<=": holds = try compare(3)
    case ">", ">=": holds = try compare(2)
    // <>; = ANY is a membership.
    default: holds = Expression(.boolean, .or([try compare(2), try compare(3)]))
    }
    let isEmpty = Expression(.boolean, .call(.equal, [field(0, .bigint), .constant(.bigint, .fixed(0))]))
    let hasNull = Expression(.boolean, .call(.less, [field(1, .bigint), field(0, .bigint)]))
    return Expression(
      .boolean,
      .caseWhen(
        [
          CaseBranch(condition: isEmpty, result: .boolean(false)), CaseBranch(condition: holds, result: .boolean(true)),
          CaseBranch(condition: hasNull, result: .constant(.boolean, .null)),
        ],
        otherwise: holds
      )
    )
  }

  // MARK: Rows

  /// `(a, b) = (c, d)`; nil when no side is a row.
  func rowComparison(
    _ name: String,
    _ left: ExpressionSyntax,
    _ right: ExpressionSyntax,
    _ position: Int
  ) throws(TallyError) -> Expression? {
    guard case .row(let lefts) = left.kind else { return nil }
    if case .scalarSubquery(let select) = right.kind {
      return try rowComparison(name, lefts, select, position)
    }
    guard case .row(let rights) = right.kind else {
      throw .sql("0A000", "a comparison of a row with a value is not supported", position: position)
    }
    guard lefts.count == rights.count else { throw .sql("42601", "unequal number of entries in row expressions", position: position) }
    var pairs: [(Expression, Expression)] = []
    for (a, b) in zip(lefts, rights) { pairs.append((try bind(a), try bind(b))) }
    return try rowComparison(name, pairs, position)
  }
  private func rowComparison(
    _ name: String,
    _ lefts: [ExpressionSyntax],
    _ select: SelectSyntax,
    _ position: Int
  ) throws(TallyError) -> Expression {
    var bound: [Expression] = []
    for item in lefts { bound.append(try bind(item)) }
    let plan = try subplan(select, position)
    guard plan.columns.count == bound.count, bound.count <= 8 else {
      throw .sql(
        "42601",
        plan.columns.count < bound.count ? "subquery has too few columns" : "subquery has too many columns",
        position: position
      )
    }
    let index = use(plan, .values)
    var pairs: [(Expression, Expression)] = []
    for (at, item) in bound.enumerated() {
      pairs.append((item, .column(Placeholder.subquery(index, at), plan.columns[at].type)))
    }
    return try rowComparison(name, pairs, position)
  }
  private func rowComparison(
    _ name: String,
    _ pairs: [(Expression, Expression)],
    _ position: Int
  ) throws(TallyError) -> Expression {
    guard let last = pairs.last else { throw .sql("0A000", "cannot compare rows of zero length", position: position) }
    func test(_ name: String, _ pair: (Expression, Expression)) throws(TallyError) -> Expression {
      try infix(name, pair.0, pair.1, position, position, position)
    }
    func joined(_ parts: [Expression], isAnd: Bool) throws(TallyError) -> Expression {
      parts.count == 1 ? parts[0] : try fold(Expression(.boolean, isAnd ? .and(parts) : .or(parts)), position)
    }
    switch name {
    case "=", "<>":
      var parts: [Expression] = []
      for pair in pairs { parts.append(try test(name, pair)) }
      return try joined(parts, isAnd: name == "=")
    case "<", "<=", ">", ">=":
      // The first pair that differs decides.
      let strict = String(name.prefix(1))
      var result = try test(name, last)
      for pair in pairs.dropLast().reversed() {
        let both = try joined([try test("=", pair), result], isAnd: true)
        result = try joined([try test(strict, pair), both], isAnd: false)
      }
      return result
    default: throw .sql("0A000", "operator \(name) of rows is not supported", position: position)
    }
  }
  /// `(a, b) IN ((1, 2), (3, 4))`; nil when the subject is no row.
  func rowInList(_ subject: ExpressionSyntax, _ items: [ExpressionSyntax], _ position: Int) throws(TallyError) -> Expression? {
    guard case .row = subject.kind else { return nil }
    var tests: [Expression] = []
    for item in items {
      guard let test = try rowComparison("=", subject, item, position) else { return nil }
      tests.append(test)
    }
    return tests.count == 1 ? tests[0] : try fold(Expression(.boolean, .or(tests)), position)
  }

  /// GROUPING(a, b).
  func grouping(_ arguments: [ExpressionSyntax], _ position: Int) throws(TallyError) -> Expression {
    switch clause {
    case .select, .having, .orderBy: break
    default: throw .sql("42803", "grouping operations are not allowed in \(clause.rawValue)", position: position)
    }
    guard arguments.count < 32 else {
      throw .sql("54023", "GROUPING must have fewer than 32 arguments", position: position)
    }
    var bound: [Expression] = []
    for argument in arguments { bound.append(try typed(argument)) }
    groupings.append((bound, arguments.first?.position ?? position))
    return .column(Placeholder.groupings + groupings.count - 1, .integer)
  }
}
