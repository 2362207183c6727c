// SyntaxBuilder+Queries.swift — SELECT, UNION ALL and the FROM item.
import Model

extension SyntaxBuilder {
  func select(_ body: Int, depth: Int) throws(TallyError) -> SelectSyntax {
    guard depth < Limits.depthMax else { throw SyntaxFailure.tooDeep }
    try refuse(
      body,
      [
        ("withClause", "WITH queries are"), ("intoClause", "SELECT INTO is"), ("windowClause", "window functions are"),
        ("lockingClause", "FOR UPDATE and FOR SHARE are"),
      ],
      hint: child(body, "withClause") != nil ? "Use a subquery in FROM." : nil
    )
    if child(body, "valuesLists") != nil { throw unsupported("VALUES outside INSERT is", body) }
    if text(body, "limitOption") == "LIMIT_OPTION_WITH_TIES" { throw unsupported("FETCH FIRST … WITH TIES is", body) }
    var orderBy: [SelectSyntax.SortKey] = []
    for item in tape.elements(child(body, "sortClause")) {
      guard let (_, key) = tape.tagged(item), let node = child(key, "node") else { throw damaged(item) }
      let direction = text(key, "sortby_dir") ?? ""
      if direction == "SORTBY_USING" { throw unsupported("ORDER BY … USING is", node) }
      let nulls = text(key, "sortby_nulls") ?? ""
      orderBy.append(
        SelectSyntax.SortKey(
          expression: try expression(node, depth: depth + 1),
          isAscending: direction != "SORTBY_DESC",
          nullsFirst: nulls == "SORTBY_NULLS_FIRST" ? true : nulls == "SORTBY_NULLS_LAST" ? false : nil
        )
      )
    }
    var limit: ExpressionSyntax?
    var offset: ExpressionSyntax?
    if let node = child(body, "limitCount") { limit = try expression(node, depth: depth + 1) }
    if let node = child(body, "limitOffset") { offset = try expression(node, depth: depth + 1) }
    return SelectSyntax(body: try selectBody(body, depth), orderBy: orderBy, limit: limit, offset: offset)
  }

  private func selectBody(_ body: Int, _ depth: Int) throws(TallyError) -> SelectSyntax.Body {
    switch text(body, "op") ?? "SETOP_NONE" {
    case "SETOP_NONE": return .plain(try plainSelect(body, depth))
    case "SETOP_UNION":
      guard let left = child(body, "larg"), let right = child(body, "rarg") else { throw damaged(body) }
      guard flag(body, "all") else {
        throw unsupported("UNION is", body, hint: "Use SELECT DISTINCT * FROM (… UNION ALL …) AS u.")
      }
      return .unionAll(try select(left, depth: depth + 1), try select(right, depth: depth + 1))
    case "SETOP_INTERSECT": throw unsupported("INTERSECT is", body)
    default: throw unsupported("EXCEPT is", body)
    }
  }

  private func plainSelect(_ body: Int, _ depth: Int) throws(TallyError) -> PlainSelectSyntax {
    var isDistinct = false
    if let distinct = child(body, "distinctClause") {
      for element in tape.elements(distinct) {
        if let (tag, inner) = tape.tagged(element), tape.string(tag) != "A_Const" || child(inner, "isnull") == nil {
          throw unsupported("DISTINCT ON is", element)
        }
      }
      isDistinct = true
    }
    if flag(body, "groupDistinct") { throw unsupported("GROUP BY DISTINCT is", body) }
    var items: [PlainSelectSyntax.Item] = []
    for item in tape.elements(child(body, "targetList")) {
      guard let (_, target) = tape.tagged(item), let value = child(target, "val") else { throw damaged(item) }
      items.append(
        PlainSelectSyntax.Item(alias: text(target, "name"), expression: try expression(value, depth: depth + 1))
      )
    }
    let sources = tape.elements(child(body, "fromClause"))
    if sources.count > 1 {
      throw unsupported("joins are", sources[1], hint: "Query one table, rollup or subquery.")
    }
    var from: FromSyntax?
    if let source = sources.first { from = try fromItem(source, depth + 1) }
    var condition: ExpressionSyntax?
    if let node = child(body, "whereClause") { condition = try expression(node, depth: depth + 1) }
    var having: ExpressionSyntax?
    if let node = child(body, "havingClause") { having = try expression(node, depth: depth + 1) }
    var groupBy: [ExpressionSyntax] = []
    for node in tape.elements(child(body, "groupClause")) {
      if let (tag, inner) = tape.tagged(node), tape.matches(tag, "GroupingSet") {
        throw unsupported("GROUPING SETS, ROLLUP and CUBE are", inner)
      }
      groupBy.append(try expression(node, depth: depth + 1))
    }
    return PlainSelectSyntax(
      isDistinct: isDistinct,
      items: items,
      from: from,
      condition: condition,
      groupBy: groupBy,
      having: having
    )
  }

  private func fromItem(_ node: Int, _ depth: Int) throws(TallyError) -> FromSyntax {
    guard let (tag, body) = tape.tagged(node) else { throw damaged(node) }
    switch tape.string(tag) {
    case "RangeVar":
      if !flag(body, "inh") { throw unsupported("ONLY is", body) }
      let (alias, columns) = try aliases(body)
      return .relation(try relationName(body), alias: alias, columnAliases: columns)
    case "RangeSubselect":
      if flag(body, "lateral") { throw unsupported("LATERAL is", body) }
      let (alias, columns) = try aliases(body)
      guard let query = child(body, "subquery"), let (_, inner) = tape.tagged(query) else { throw damaged(body) }
      if child(inner, "valuesLists") != nil { throw unsupported("VALUES in FROM is", inner) }
      guard let alias else {
        throw .sql(
          "42601",
          "subquery in FROM must have an alias",
          hint: "For example, FROM (SELECT ...) [AS] foo.",
          position: position(inner)
        )
      }
      return .subquery(
        try select(inner, depth: depth),
        alias: alias,
        columnAliases: columns,
        position: position(inner)
      )
    case "JoinExpr":
      throw unsupported("joins are", body, hint: "Query one table, rollup or subquery.")
    case "RangeFunction":
      throw unsupported(
        "a function in FROM is",
        body,
        hint: "Use (topn(state, 10)).* in the select list."
      )
    case "RangeTableSample": throw unsupported("TABLESAMPLE is", body)
    default: throw unsupported("this FROM item is", body)
    }
  }
  private func aliases(_ body: Int) throws(TallyError) -> (String?, [String]) {
    guard let alias = child(body, "alias") else { return (nil, []) }
    return (text(alias, "aliasname"), strings(child(alias, "colnames")) ?? [])
  }
}
