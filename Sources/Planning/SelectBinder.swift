// SelectBinder.swift — queries as written to a logical plan: WITH, set operations, VALUES, ORDER BY, LIMIT.
//
// `+Plain` binds one SELECT, `+From` its FROM. The plan is correct but naive (every column scanned, filters where they were written);
// PlanRewriting and Distribution improve it.
import Model
import SQL

struct SelectBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext
  let statement: StatementBinding
  /// The query around this one; nil at the top.
  var outer: ExpressionBinder?
  /// WITH queries that can be named here, the innermost first.
  var withTables: [WithTable] = []
  var depth = 0
  /// Subqueries nest at most so deep; keeps plans within Limits.depthMax.
  static let nestingMax = 24
  /// Plan nodes under several distinct counts, all copies together.
  static let repeatedNodesMax = 400

  /// `relations`: what counts those of the statement that this is a part of.
  init(
    catalog: CatalogSnapshot,
    context: PlanningContext,
    counting relations: StatementBinding.RelationCount = StatementBinding.RelationCount()
  ) {
    self.catalog = catalog
    self.context = context
    statement = StatementBinding(counting: relations)
  }

  /// The binder of a subquery in expressions of `binder`.
  func inside(_ binder: ExpressionBinder?) -> SelectBinder {
    var inner = self
    inner.outer = binder
    return inner
  }
  func expressionBinder(_ scope: Scope) -> ExpressionBinder {
    ExpressionBinder(scope: scope, context: context, statement: statement, outer: outer, queries: self)
  }

  /// `isBranch`: of a UNION; its untyped literals take the type of the other branches. `stored`: the columns that rows of VALUES are
  /// assigned to.
  func query(_ select: SelectSyntax, depth: Int = 0, isBranch: Bool = false, stored: [Column] = []) throws(TallyError) -> PlanNode {
    guard depth < Self.nestingMax else {
      throw .sql("54001", "subqueries nest more than \(Self.nestingMax) deep")
    }
    var binder = self
    binder.depth = depth
    if let with = select.with { try binder.add(with) }
    switch select.body {
    case .plain(let plain):
      let keepsUntyped =
        isBranch && !plain.isDistinct && plain.groupBy.isEmpty && select.orderBy.isEmpty && select.limit == nil
        && select.offset == nil
      return try binder.plain(plain, select, keepsUntyped)
    case .values(let rows, let position):
      return try binder.ordered(try binder.values(rows, position, stored), select, isSet: false)
    case .setOperation(let operation, let isAll, let left, let right):
      let node: PlanNode
      if operation == .union, isAll {
        var branches: [PlanNode] = []
        var written: [SelectSyntax] = []
        try binder.collect(select, into: &branches, &written)
        node = .unionAll(try binder.matched(branches, operation, written))
      } else {
        node = try binder.combined(operation, isAll: isAll, left, right)
      }
      return try binder.ordered(node, select, isSet: true)
    }
  }

  // MARK: Set operations

  /// A chain of UNION ALL is one node, so that a long chain is no deep plan.
  private func collect(
    _ select: SelectSyntax,
    into branches: inout [PlanNode],
    _ written: inout [SelectSyntax]
  ) throws(TallyError) {
    var pending = [(select, true)]
    while let (next, isTop) = pending.popLast() {
      if case .setOperation(.union, isAll: true, let left, let right) = next.body,
        isTop || next.orderBy.isEmpty && next.limit == nil && next.offset == nil && next.with == nil
      {
        pending.append((right, false))
        pending.append((left, false))
      } else {
        branches.append(try query(next, depth: depth + 1, isBranch: true))
        written.append(next)
      }
    }
  }
  private func combined(
    _ operation: SelectSyntax.SetOperator,
    isAll: Bool,
    _ left: SelectSyntax,
    _ right: SelectSyntax
  ) throws(TallyError) -> PlanNode {
    // A chain to the left is bound in a loop: its depth is the text's, not the stack's.
    var chain: [(SelectSyntax.SetOperator, Bool, SelectSyntax)] = [(operation, isAll, right)]
    var first = left
    while case .setOperation(let operation, let isAll, let left, let right) = first.body, !(operation == .union && isAll),
      first.orderBy.isEmpty, first.limit == nil, first.offset == nil, first.with == nil, chain.count < Limits.depthMax / 8
    {
      chain.append((operation, isAll, right))
      first = left
    }
    var node = try query(first, depth: depth + 1, isBranch: true)
    for (operation, isAll, right) in chain.reversed() {
      node = try combined(operation, isAll: isAll, node, try query(right, depth: depth + 1, isBranch: true), [first, right])
    }
    return node
  }
  private func combined(
    _ operation: SelectSyntax.SetOperator,
    isAll: Bool,
    _ left: PlanNode,
    _ right: PlanNode,
    _ written: [SelectSyntax]
  ) throws(TallyError) -> PlanNode {
    let sides = try matched([left, right], operation, written)
    if operation == .union {
      let all = PlanNode.unionAll(sides)
      return isAll ? all : try distinct(all, position: nil)
    }
    for column in sides[0].columns { try checkEquality(column.type, nil) }
    return .setOperation(
      SetOperationNode(operation == .intersect ? .intersect : .except, isAll: isAll, left: sides[0], right: sides[1])
    )
  }
  /// Branches with one list of types.
  private func matched(
    _ branches: [PlanNode],
    _ operation: SelectSyntax.SetOperator,
    _ written: [SelectSyntax]
  ) throws(TallyError) -> [PlanNode] {
    let width = branches[0].columns.count
    if let other = branches.firstIndex(where: { $0.columns.count != width }) {
      throw .sql(
        "42601",
        "each \(operation.rawValue) query must have the same number of columns",
        position: Self.place(of: 0, in: written[other])
      )
    }
    var types: [DataType] = []
    for column in 0..<width {
      let all = branches.map { $0.columns[column].type }
      guard var type = UnifiedType.of(all) else {
        let (a, b) = UnifiedType.clash(all)
        throw .sql(
          "42804",
          "\(operation.rawValue) types \(all[a].name) and \(all[b].name) cannot be matched",
          position: Self.place(of: column, in: written[b])
        )
      }
      if all.contains(.unknown) { type = type.withoutModifiers }
      types.append(type)
    }
    var inputs: [PlanNode] = []
    for (branch, select) in zip(branches, written) { inputs.append(try typed(branch, types, select)) }
    return inputs
  }
  /// Where a column of a query is written, if one can tell.
  static func place(of column: Int, in select: SelectSyntax) -> Int? {
    switch select.body {
    case .plain(let plain):
      let isPlain = plain.items.prefix(column + 1).allSatisfy { item in
        switch item.expression.kind {
        case .star, .allFields: false
        default: true
        }
      }
      return isPlain && column < plain.items.count ? plain.items[column].expression.position : nil
    case .values(let rows, _): return rows.first.flatMap { column < $0.count ? $0[column].position : nil }
    case .setOperation(_, _, let left, _): return place(of: column, in: left)
    }
  }
  /// A branch with its columns cast to the given types.
  func typed(_ branch: PlanNode, _ types: [DataType], _ written: SelectSyntax) throws(TallyError) -> PlanNode {
    let columns = branch.columns
    if columns.map(\.type) == types { return branch }
    if columns.contains(where: { $0.type == .unknown }), case .project(var node) = branch {
      let binder = ExpressionBinder(scope: .empty, context: context, statement: statement)
      for (index, type) in types.enumerated() where node.expressions[index].type == .unknown {
        do throws(TallyError) { node.expressions[index] = try binder.coerce(node.expressions[index], to: type, at: 1) } catch {
          var placed = error
          placed.position = Self.place(of: index, in: written)
          throw placed
        }
      }
      return try typed(.project(node), types, written)
    }
    let expressions = columns.indices.map { index in
      let column = Expression.column(index, columns[index].type)
      return columns[index].type == types[index] ? column : .casting(column, to: types[index], zone: context.zone)
    }
    return .project(ProjectNode(input: branch, expressions: expressions, names: columns.map(\.name)))
  }
  func distinct(_ node: PlanNode, position: Int?) throws(TallyError) -> PlanNode {
    let columns = node.columns
    for column in columns { try checkEquality(column.type, position) }
    return .aggregate(AggregateNode(input: node, groups: node.identity, calls: [], names: columns.map(\.name)))
  }
  func checkEquality(_ type: DataType, _ position: Int?) throws(TallyError) {
    guard ExpressionCheck.isComparable(ExpressionCheck.family(type)) else {
      throw .sql("42883", "could not identify an equality operator for type \(type.name)", position: position)
    }
  }

  // MARK: VALUES

  private func values(_ rows: [[ExpressionSyntax]], _ position: Int, _ stored: [Column]) throws(TallyError) -> PlanNode {
    let binder = expressionBinder(.empty)
    binder.clause = .values
    let width = rows.first?.count ?? 0
    var bound: [[Expression]] = []
    for row in rows {
      var items: [Expression] = []
      for item in row {
        var value = try binder.bind(item)
        if items.count < stored.count {
          let column = stored[items.count]
          value = try Assignment.expression(value, binder, name: column.name, type: column.type, position: item.position)
        }
        items.append(value)
      }
      bound.append(items)
    }
    for column in min(stored.count, width)..<width {
      let all = bound.map { $0[column].type }
      guard let common = UnifiedType.of(all) else {
        let (a, b) = UnifiedType.clash(all)
        throw .sql(
          "42804",
          "VALUES types \(all[a].name) and \(all[b].name) cannot be matched",
          position: rows[b][column].position
        )
      }
      let type = Set(all).count == 1 ? common : common.withoutModifiers
      for row in bound.indices {
        bound[row][column] = try binder.coerce(bound[row][column], to: type, at: rows[row][column].position, .implicit)
      }
    }
    let names = (0..<width).map { "column\($0 + 1)" }
    let constants = bound.map { $0.compactMap(\.constantValue) }
    if constants.allSatisfy({ $0.count == width }) {
      return .values(ValuesNode(output: zip(names, bound[0]).map { OutputColumn($0, $1.type) }, rows: constants))
    }
    guard bound.count <= Self.repeatedNodesMax else {
      throw .sql("54001", "VALUES of more than \(Self.repeatedNodesMax) rows must be constants", position: position)
    }
    var branches: [PlanNode] = []
    for row in bound {
      var (node, expressions) = (PlanNode.values(ValuesNode(output: [], rows: [[]])), row)
      node = try attach(node, binder, &expressions)
      branches.append(.project(ProjectNode(input: node, expressions: expressions, names: names)))
    }
    return branches.count == 1 ? branches[0] : .unionAll(branches)
  }

  // MARK: ORDER BY and LIMIT

  /// ORDER BY and LIMIT of a set operation or VALUES: by output name or ordinal only.
  private func ordered(_ input: PlanNode, _ select: SelectSyntax, isSet: Bool) throws(TallyError) -> PlanNode {
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
        guard isSet else {
          throw .sql("0A000", "ORDER BY of VALUES by an expression is not supported", position: item.expression.position)
        }
        throw .sql(
          "0A000",
          "invalid UNION/INTERSECT/EXCEPT ORDER BY clause",
          detail: "Only result column names can be used, not expressions or functions.",
          hint: "Add the expression/function to every SELECT, or move the UNION into a FROM clause.",
          position: item.expression.start
        )
      }
      keys.append(try sortKey(index, columns[index].type, item))
    }
    let bounds = try limits(select)
    return limited(sorted(input, keys, bounds), bounds)
  }
  func ordinal(_ number: Int32, _ count: Int, _ clause: String, _ position: Int) throws(TallyError) -> Int {
    guard number >= 1, Int(number) <= count else {
      throw .sql("42P10", "\(clause) position \(number) is not in select list", position: position)
    }
    return Int(number) - 1
  }
  func sortKey(_ column: Int, _ type: DataType, _ item: SelectSyntax.SortKey) throws(TallyError) -> SortKey {
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

  struct Bounds {
    var count: Int64?
    var offset: Int64 = 0
  }
  func limits(_ select: SelectSyntax) throws(TallyError) -> Bounds {
    var bounds = Bounds()
    if let limit = select.limit { bounds.count = try rowCount(limit, "LIMIT", "2201W") }
    if let offset = select.offset { bounds.offset = try rowCount(offset, "OFFSET", "2201X") ?? 0 }
    return bounds
  }
  private func rowCount(_ syntax: ExpressionSyntax, _ what: String, _ state: String) throws(TallyError) -> Int64? {
    let binder = ExpressionBinder(scope: .empty, context: context, statement: statement, queries: self)
    binder.clause = .limit
    if case .column = syntax.kind {
      throw .sql("42P10", "argument of \(what) must not contain variables", position: syntax.position)
    }
    let bound = try binder.coerce(try binder.bind(syntax), to: .bigint, at: syntax.position)
    switch bound.constantValue {
    case .null?: return nil
    case .fixed(let number)?:
      guard number >= 0 else { throw .sql(state, "\(what) must not be negative", position: syntax.position) }
      return number
    default: throw .sql("0A000", "\(what) that is no constant is not supported", position: syntax.position)
    }
  }
  func sorted(_ node: PlanNode, _ keys: [SortKey], _ bounds: Bounds) -> PlanNode {
    guard !keys.isEmpty else { return node }
    let first = bounds.count.flatMap { count -> Int64? in
      let (sum, overflow) = count.addingReportingOverflow(bounds.offset)
      return overflow ? nil : sum
    }
    return .sort(SortNode(input: node, keys: keys, first: first))
  }
  func limited(_ node: PlanNode, _ bounds: Bounds) -> PlanNode {
    guard bounds.count != nil || bounds.offset > 0 else { return node }
    return .limit(LimitNode(input: node, count: bounds.count, offset: bounds.offset))
  }
}

extension ExpressionSyntax {
  /// Where it begins: an operator's position is its own.
  var start: Int {
    switch kind {
    case .infix(_, let left, _): min(left.start, position)
    default: position
    }
  }
}
