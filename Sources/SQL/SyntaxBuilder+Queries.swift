// SyntaxBuilder+Queries.swift — SELECT, VALUES, set operations, WITH, FROM items, grouping sets and windows.
import Model

extension SyntaxBuilder {
  /// FROM items of one SELECT: bounds the depth of plans.
  private static let fromItemsMax = 100

  func select(_ body: Int, depth: Int, mayLock: Bool = false) throws(TallyError) -> SelectSyntax {
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    try refuse(body, [("intoClause", "SELECT INTO is")])
    if !mayLock { try refuse(body, [("lockingClause", "FOR UPDATE and FOR SHARE inside of a statement are")]) }
    if text(body, "limitOption") == "LIMIT_OPTION_WITH_TIES" { throw unsupported("FETCH FIRST … WITH TIES is", body) }
    var limit: ExpressionSyntax?
    var offset: ExpressionSyntax?
    if let node = child(body, "limitCount") { limit = try expression(node, depth: depth + 1) }
    if let node = child(body, "limitOffset") { offset = try expression(node, depth: depth + 1) }
    var with: WithSyntax?
    if let clause = child(body, "withClause") { with = try self.with(clause, depth) }
    return SelectSyntax(
      body: try selectBody(body, depth),
      orderBy: try sortKeys(child(body, "sortClause"), depth),
      limit: limit,
      offset: offset,
      with: with
    )
  }

  func sortKeys(_ list: Int?, _ depth: Int) throws(TallyError) -> [SelectSyntax.SortKey] {
    var result: [SelectSyntax.SortKey] = []
    for item in tape.elements(list) {
      guard let (_, key) = tape.tagged(item), let node = child(key, "node") else { throw damaged(item) }
      let direction = text(key, "sortby_dir") ?? ""
      if direction == "SORTBY_USING" { throw unsupported("ORDER BY … USING is", node) }
      let nulls = text(key, "sortby_nulls") ?? ""
      result.append(
        SelectSyntax.SortKey(
          expression: try expression(node, depth: depth + 1),
          isAscending: direction != "SORTBY_DESC",
          nullsFirst: nulls == "SORTBY_NULLS_FIRST" ? true : nulls == "SORTBY_NULLS_LAST" ? false : nil
        )
      )
    }
    return result
  }

  func with(_ clause: Int, _ depth: Int) throws(TallyError) -> WithSyntax {
    var items: [WithSyntax.Item] = []
    for element in tape.elements(child(clause, "ctes")) {
      guard let (_, item) = tape.tagged(element), let name = text(item, "ctename"), let holder = child(item, "ctequery"),
        let (tag, query) = tape.tagged(holder)
      else { throw damaged(element) }
      guard tape.matches(tag, "SelectStmt") else { throw unsupported("a statement that changes rows in WITH is", item) }
      try refuse(item, [("search_clause", "SEARCH is"), ("cycle_clause", "CYCLE is")])
      let position = position(item)
      guard !items.contains(where: { $0.name.name == name }) else {
        throw .sql("42712", "WITH query name \"\(name)\" specified more than once", position: position)
      }
      let materialized = text(item, "ctematerialized") ?? ""
      items.append(
        WithSyntax.Item(
          name: NameSyntax(name: name, position: position),
          columns: strings(child(item, "aliascolnames")) ?? [],
          isMaterialized: materialized == "CTEMaterializeAlways" ? true : materialized == "CTEMaterializeNever" ? false : nil,
          query: try select(query, depth: depth + 1)
        )
      )
    }
    return WithSyntax(items: items, isRecursive: flag(clause, "recursive"))
  }

  private func selectBody(_ body: Int, _ depth: Int) throws(TallyError) -> SelectSyntax.Body {
    let operation: SelectSyntax.SetOperator
    switch text(body, "op") ?? "SETOP_NONE" {
    case "SETOP_NONE":
      guard let lists = child(body, "valuesLists") else { return .plain(try plainSelect(body, depth)) }
      var rows: [[ExpressionSyntax]] = []
      for list in tape.elements(lists) {
        guard let (_, row) = tape.tagged(list) else { throw damaged(list) }
        var items: [ExpressionSyntax] = []
        for item in tape.elements(child(row, "items")) { items.append(try expression(item, depth: depth + 1)) }
        guard items.count == rows.first?.count ?? items.count else {
          throw .sql("42601", "VALUES lists must all be the same length", position: items.first?.position)
        }
        rows.append(items)
      }
      return .values(rows, position: position(lists))
    case "SETOP_UNION": operation = .union
    case "SETOP_INTERSECT": operation = .intersect
    default: operation = .except
    }
    guard let left = child(body, "larg"), let right = child(body, "rarg") else { throw damaged(body) }
    return .setOperation(
      operation,
      isAll: flag(body, "all"),
      try select(left, depth: depth + 1),
      try select(right, depth: depth + 1)
    )
  }

  private func plainSelect(_ body: Int, _ depth: Int) throws(TallyError) -> PlainSelectSyntax {
    var isDistinct = false
    var distinctOn: [ExpressionSyntax] = []
    if let distinct = child(body, "distinctClause") {
      isDistinct = true
      for element in tape.elements(distinct) {
        // DISTINCT alone is a list with an empty element.
        if tape.tagged(element) != nil { distinctOn.append(try expression(element, depth: depth + 1)) }
      }
    }
    if flag(body, "groupDistinct") { throw unsupported("GROUP BY DISTINCT is", body) }
    let items = try self.items(child(body, "targetList"), depth)
    let from = try fromList(child(body, "fromClause"), depth)
    var condition: ExpressionSyntax?
    if let node = child(body, "whereClause") { condition = try expression(node, depth: depth + 1) }
    var having: ExpressionSyntax?
    if let node = child(body, "havingClause") { having = try expression(node, depth: depth + 1) }
    let groups = tape.elements(child(body, "groupClause"))
    var groupBy: [ExpressionSyntax] = []
    var groupingSets: [GroupingSyntax] = []
    if groups.contains(where: { tape.tagged($0).map { tape.matches($0.tag, "GroupingSet") } ?? false }) {
      for node in groups { groupingSets.append(try grouping(node, depth + 1)) }
    } else {
      for node in groups { groupBy.append(try expression(node, depth: depth + 1)) }
    }
    var windows: [WindowSyntax] = []
    for node in tape.elements(child(body, "windowClause")) {
      guard let (_, definition) = tape.tagged(node) else { throw damaged(node) }
      windows.append(try window(definition, depth))
    }
    return PlainSelectSyntax(
      isDistinct: isDistinct,
      items: items,
      from: from,
      condition: condition,
      groupBy: groupBy,
      having: having,
      distinctOn: distinctOn,
      groupingSets: groupingSets,
      windows: windows
    )
  }

  /// Items of a select list or of RETURNING.
  func items(_ list: Int?, _ depth: Int) throws(TallyError) -> [PlainSelectSyntax.Item] {
    var items: [PlainSelectSyntax.Item] = []
    for item in tape.elements(list) {
      guard let (_, target) = tape.tagged(item), let value = child(target, "val") else { throw damaged(item) }
      items.append(
        PlainSelectSyntax.Item(alias: text(target, "name"), expression: try expression(value, depth: depth + 1))
      )
    }
    return items
  }
  /// FROM or USING; nil for none.
  func fromList(_ list: Int?, _ depth: Int) throws(TallyError) -> FromSyntax? {
    var from: FromSyntax?
    let sources = tape.elements(list)
    guard sources.count <= Self.fromItemsMax else { throw SyntaxFailure.tooDeep }
    for source in sources {
      let item = try fromItem(source, depth + 1)
      guard let left = from else {
        from = item
        continue
      }
      from = .join(
        JoinSyntax(
          kind: .inner,
          left: left,
          right: item,
          isNatural: false,
          using: [],
          columnAliases: [],
          position: position(source)
        )
      )
    }
    return from
  }

  // MARK: Groups and windows

  private func grouping(_ node: Int, _ depth: Int) throws(TallyError) -> GroupingSyntax {
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    guard tape.matches(tag, "GroupingSet") else { return .set(try groupList(node, depth)) }
    let content = tape.elements(child(body, "content"))
    switch text(body, "kind") ?? "" {
    case "GROUPING_SET_EMPTY": return .set([])
    case "GROUPING_SET_ROLLUP", "GROUPING_SET_CUBE":
      var lists: [[ExpressionSyntax]] = []
      for item in content { lists.append(try groupList(item, depth)) }
      return text(body, "kind") == "GROUPING_SET_CUBE" ? .cube(lists) : .rollup(lists)
    case "GROUPING_SET_SETS":
      var sets: [GroupingSyntax] = []
      for item in content { sets.append(try grouping(item, depth + 1)) }
      return .sets(sets)
    default: throw damaged(body)
    }
  }
  /// `a` or `(a, b)`.
  private func groupList(_ node: Int, _ depth: Int) throws(TallyError) -> [ExpressionSyntax] {
    let item = try expression(node, depth: depth)
    if case .row(let parts) = item.kind { return parts }
    return [item]
  }

  /// PostgreSQL's FRAMEOPTION bits.
  private enum FrameOption {
    static let nonDefault = 0x1
    static let rows = 0x4
    static let groups = 0x8
    static let startUnboundedPreceding = 0x20
    static let endUnboundedPreceding = 0x40
    static let startUnboundedFollowing = 0x80
    static let endUnboundedFollowing = 0x100
    static let startCurrentRow = 0x200
    static let endCurrentRow = 0x400
    static let startPreceding = 0x800
    static let endPreceding = 0x1000
    static let excludeCurrentRow = 0x8000
    static let excludeGroup = 0x10000
    static let excludeTies = 0x20000
  }
  func window(_ body: Int, _ depth: Int) throws(TallyError) -> WindowSyntax {
    var partitionBy: [ExpressionSyntax] = []
    for node in tape.elements(child(body, "partitionClause")) { partitionBy.append(try expression(node, depth: depth + 1)) }
    return WindowSyntax(
      name: text(body, "name"),
      base: text(body, "refname"),
      partitionBy: partitionBy,
      orderBy: try sortKeys(child(body, "orderClause"), depth),
      frame: try frame(body, depth),
      position: position(body)
    )
  }
  private func frame(_ body: Int, _ depth: Int) throws(TallyError) -> FrameSyntax? {
    let bits = child(body, "frameOptions").flatMap { tape.integer($0) } ?? 0
    guard bits & FrameOption.nonDefault != 0 else { return nil }
    func offset(_ name: StaticString) throws(TallyError) -> ExpressionSyntax {
      guard let node = child(body, name) else { throw damaged(body) }
      return try expression(node, depth: depth + 1)
    }
    let start: FrameSyntax.Bound
    if bits & FrameOption.startUnboundedPreceding != 0 {
      start = .unboundedPreceding
    } else if bits & FrameOption.startUnboundedFollowing != 0 {
      start = .unboundedFollowing
    } else if bits & FrameOption.startCurrentRow != 0 {
      start = .currentRow
    } else {
      let value = try offset("startOffset")
      start = bits & FrameOption.startPreceding != 0 ? .preceding(value) : .following(value)
    }
    let end: FrameSyntax.Bound
    if bits & FrameOption.endUnboundedPreceding != 0 {
      end = .unboundedPreceding
    } else if bits & FrameOption.endUnboundedFollowing != 0 {
      end = .unboundedFollowing
    } else if bits & FrameOption.endCurrentRow != 0 {
      end = .currentRow
    } else {
      let value = try offset("endOffset")
      end = bits & FrameOption.endPreceding != 0 ? .preceding(value) : .following(value)
    }
    return FrameSyntax(
      unit: bits & FrameOption.rows != 0 ? .rows : bits & FrameOption.groups != 0 ? .groups : .range,
      start: start,
      end: end,
      exclusion: bits & FrameOption.excludeCurrentRow != 0
        ? .currentRow : bits & FrameOption.excludeGroup != 0 ? .group : bits & FrameOption.excludeTies != 0 ? .ties : .none
    )
  }

  // MARK: FROM

  private func fromItem(_ node: Int, _ depth: Int) throws(TallyError) -> FromSyntax {
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    switch tape.string(tag) {
    case "RangeVar":
      if !flag(body, "inh") { throw unsupported("ONLY is", body) }
      let (alias, columns) = aliases(body)
      return .relation(try readName(body), alias: alias, columnAliases: columns)
    case "RangeSubselect":
      let (alias, columns) = aliases(body)
      guard let query = child(body, "subquery"), let (_, inner) = tape.tagged(query) else { throw damaged(body) }
      guard let alias else {
        let isValues = child(inner, "valuesLists") != nil
        throw .sql(
          "42601",
          isValues ? "VALUES in FROM must have an alias" : "subquery in FROM must have an alias",
          hint: isValues ? "For example, FROM (VALUES ...) [AS] foo." : "For example, FROM (SELECT ...) [AS] foo.",
          position: position(inner)
        )
      }
      return .subquery(
        try select(inner, depth: depth),
        alias: alias,
        columnAliases: columns,
        position: position(inner),
        isLateral: flag(body, "lateral")
      )
    case "JoinExpr": return .join(try join(body, depth))
    case "RangeFunction": return .functions(try tableFunctions(body, depth))
    case "RangeTableSample": throw unsupported("TABLESAMPLE is", body)
    default: throw unsupported("this FROM item is", body)
    }
  }
  private func join(_ body: Int, _ depth: Int) throws(TallyError) -> JoinSyntax {
    guard let left = child(body, "larg"), let right = child(body, "rarg") else { throw damaged(body) }
    if child(body, "join_using_alias") != nil { throw unsupported("an alias of USING is", body) }
    let kind: JoinSyntax.Kind
    switch text(body, "jointype") ?? "" {
    case "JOIN_INNER": kind = .inner
    case "JOIN_LEFT": kind = .left
    case "JOIN_RIGHT": kind = .right
    case "JOIN_FULL": kind = .full
    default: throw damaged(body)
    }
    let (alias, columns) = aliases(body)
    var condition: ExpressionSyntax?
    if let node = child(body, "quals") { condition = try expression(node, depth: depth + 1) }
    return JoinSyntax(
      kind: kind,
      left: try fromItem(left, depth + 1),
      right: try fromItem(right, depth + 1),
      isNatural: flag(body, "isNatural"),
      using: strings(child(body, "usingClause")) ?? [],
      condition: condition,
      alias: alias,
      columnAliases: columns,
      position: position(body)
    )
  }
  private func tableFunctions(_ body: Int, _ depth: Int) throws(TallyError) -> TableFunctionsSyntax {
    try refuse(body, [("coldeflist", "a column definition list is")])
    var calls: [ExpressionSyntax] = []
    for element in tape.elements(child(body, "functions")) {
      guard let (_, list) = tape.tagged(element) else { throw damaged(element) }
      let parts = tape.elements(child(list, "items"))
      guard let call = parts.first else { throw damaged(element) }
      if parts.count > 1, tape.tagged(parts[1]) != nil { throw unsupported("a column definition list is", body) }
      calls.append(try expression(call, depth: depth + 1))
    }
    let (alias, columns) = aliases(body)
    return TableFunctionsSyntax(
      calls: calls,
      isRowsFrom: flag(body, "is_rowsfrom"),
      hasOrdinality: flag(body, "ordinality"),
      alias: alias,
      columnAliases: columns,
      position: calls.first?.position ?? position(body)
    )
  }
  private func aliases(_ body: Int) -> (String?, [String]) {
    guard let alias = child(body, "alias") else { return (nil, []) }
    return (text(alias, "aliasname"), strings(child(alias, "colnames")) ?? [])
  }
}
