// QueryMaker.swift — what statements are put together from: FROM with joins and subqueries, conditions, orders, subqueries in expressions.

/// A FROM clause.
struct FromClause {
  var text: String
  var scope: Scope
  /// Columns that name a row, for relations that have one.
  var keys: [String]
  /// Whether the keys name every row of the whole.
  var isKeyed: Bool
}

extension StatementMaker {
  mutating func from(_ outer: Scope, maximum: Int) -> FromClause {
    var clause = FromClause(text: "", scope: Scope(), keys: [], isKeyed: true)
    clause.scope.outer = outer.relations + outer.outer
    let count = chance.weighted((1...maximum).map { (maximum + 1 - $0, $0) })
    for number in 0..<count {
      let name = alias("r")
      let item: String
      let columns: [ColumnName]
      if chance.percent(15) {
        let inner = derived(Scope())
        (item, columns) = ("(\(inner.sql)) AS \(name)", inner.columns)
        clause.isKeyed = false
      } else {
        let table = chance.pick(tables.tables)
        (item, columns) = ("\(table.name) AS \(name)", table.columns)
        clause.keys.append("\(name).id")
      }
      if number == 0 {
        clause.text = item
        clause.scope.relations.append((name, columns))
        continue
      }
      let left = clause.scope
      clause.scope.relations.append((name, columns))
      let equality = equality(left, name, columns)
      switch chance.below(10) {
      case 0 where number == count - 1: clause.text += ", \(item)"
      case 1: clause.text += " CROSS JOIN \(item)"
      case 2...4:
        let more = chance.percent(35) ? " AND \(predicate(clause.scope, depth: 1))" : ""
        clause.text += " LEFT JOIN \(item) ON \(equality ?? "false")\(more)"
      case 5:
        let more = chance.percent(25) ? " AND \(predicate(clause.scope, depth: 1))" : ""
        clause.text += " RIGHT JOIN \(item) ON \(equality ?? "false")\(more)"
      case 6 where equality != nil: clause.text += " FULL JOIN \(item) ON \(equality ?? "")"
      default:
        let more = chance.percent(35) ? " AND \(predicate(clause.scope, depth: 1))" : ""
        clause.text += " JOIN \(item) ON \(equality ?? "true")\(more)"
      }
    }
    return clause
  }
  /// An equality of columns of two sides, of tenant keys where they are alike, mostly.
  private mutating func equality(_ left: Scope, _ name: String, _ columns: [ColumnName]) -> String? {
    var pairs: [String] = []
    var keys: [String] = []
    for relation in left.relations {
      for a in relation.columns {
        for b in columns where a.kind == b.kind || a.kind.isInteger && b.kind.isInteger {
          let pair = "\(relation.alias).\(a.name) = \(name).\(b.name)"
          if a.name == "k" && b.name == "k" { keys.append(pair) } else if a.kind != .jsonb { pairs.append(pair) }
        }
      }
    }
    if !keys.isEmpty, chance.percent(60) {
      let key = chance.pick(keys)
      return chance.percent(25) && !pairs.isEmpty ? "\(key) AND \(chance.pick(pairs))" : key
    }
    return pairs.isEmpty ? nil : chance.pick(pairs)
  }
  /// A query for FROM or WITH, whose columns are x0, x1, …
  mutating func derived(_ outer: Scope) -> Query {
    let from = from(outer, maximum: 2)
    let isGrouped = chance.percent(40)
    var columns: [ColumnName] = []
    var items: [String] = []
    let groups = (0..<chance.between(1, 2)).map { _ in groupItem(from.scope) }
    if isGrouped {
      for group in groups { add(group) }
      for _ in 0..<chance.between(1, 2) { add(aggregate(from.scope, exactOnly: true)) }
    } else {
      for _ in 0..<chance.between(2, 4) {
        let kind = anyKind(from.scope)
        add((expression(kind, from.scope, depth: 1), kind))
      }
    }
    func add(_ item: (String, Kind)) {
      items.append("\(item.0) AS x\(columns.count)")
      columns.append(ColumnName(name: "x\(columns.count)", kind: item.1))
    }
    var sql = "SELECT \(items.joined(separator: ", ")) FROM \(from.text)"
    if chance.percent(40) { sql += " WHERE \(condition(from.scope))" }
    if isGrouped { sql += " GROUP BY \(groups.indices.map { "\($0 + 1)" }.joined(separator: ", "))" }
    return Query(sql: sql, columns: columns)
  }

  // MARK: Conditions

  /// A WHERE condition, with subqueries now and then.
  mutating func condition(_ scope: Scope) -> String {
    let count = chance.between(1, 3)
    var parts: [String] = []
    for _ in 0..<count { parts.append(chance.percent(22) ? subqueryCondition(scope) : predicate(scope, depth: 2)) }
    return parts.joined(separator: chance.percent(75) ? " AND " : " OR ")
  }
  /// A condition without subqueries.
  mutating func predicate(_ scope: Scope, depth: Int) -> String {
    if chance.percent(12), let relation = scope.relations.first(where: { $0.columns.contains { $0.name == "k" } }),
      let key = relation.columns.first(where: { $0.name == "k" })
    {
      // One tenant: a statement of one shard.
      return "\(relation.alias).k = \(key.kind.literal(chance.pick(key.kind.usual)))"
    }
    return expression(.bool, scope, depth: depth)
  }
  private mutating func subqueryCondition(_ scope: Scope) -> String {
    let inner = from(scope, maximum: 1)
    let filter = chance.percent(60) ? " WHERE \(correlation(inner.scope, scope))" : ""
    switch chance.below(6) {
    case 0, 1: return "\(chance.pick(["", "NOT "]))EXISTS (SELECT 1 FROM \(inner.text)\(filter))"
    case 2, 3:
      let kind = anyKind(scope)
      let item = leaf(kind, inner.scope)
      return "\(leaf(kind, scope)) \(chance.pick(["", "NOT "]))IN (SELECT \(item) FROM \(inner.text)\(filter))"
    case 4:
      let kind = chance.pick([Kind.int4, .text, .date])
      let comparison = chance.pick(["=", "<", ">=", "<>"])
      return
        "\(leaf(kind, scope)) \(comparison) \(chance.pick(["ANY", "ALL"])) (SELECT \(leaf(kind, inner.scope)) FROM \(inner.text)\(filter))"
    default:
      let kind = chance.pick([Kind.int4, .text, .date, .int8])
      let comparison = chance.pick(["=", "<", ">="])
      return
        "\(leaf(kind, scope)) \(comparison) (SELECT \(chance.pick(["min", "max"]))(\(own(kind, inner.scope))) FROM \(inner.text)\(filter))"
    }
  }
  /// An equality with a column around, if there is one of the kind, or any condition.
  private mutating func correlation(_ inner: Scope, _ outer: Scope) -> String {
    let kind = anyKind(inner)
    let (own, around) = (inner.columns(kind, outerToo: false), outer.columns(kind, outerToo: false))
    if !own.isEmpty, !around.isEmpty, chance.percent(75) {
      let more = chance.percent(30) ? " AND \(expression(.bool, inner, depth: 1))" : ""
      return "\(chance.pick(own)) \(chance.pick(["=", "=", "=", "<", "<>"])) \(chance.pick(around))\(more)"
    }
    return expression(.bool, inner, depth: 1)
  }
  /// A column of the query itself, or a literal: an aggregate of an outer column alone would be the outer query's.
  private mutating func own(_ kind: Kind, _ scope: Scope) -> String {
    var scope = scope
    scope.outer = []
    return leaf(kind, scope)
  }
  /// A subquery that gives one value.
  mutating func subquery(_ kind: Kind, _ scope: Scope) -> String? {
    guard !scope.relations.isEmpty else { return nil }
    let inner = from(scope, maximum: 1)
    let filter = chance.percent(70) ? " WHERE \(correlation(inner.scope, scope))" : ""
    switch kind {
    case .bool: return "(EXISTS (SELECT 1 FROM \(inner.text)\(filter)))"
    case .int8: return "(SELECT count(*) FROM \(inner.text)\(filter))"
    default: return "(SELECT \(chance.pick(["min", "max"]))(\(own(kind, inner.scope))) FROM \(inner.text)\(filter))"
    }
  }

  // MARK: Orders and groups

  mutating func direction() -> String { chance.pick(["", " DESC", " ASC", " NULLS FIRST", " DESC NULLS LAST"]) }
  mutating func orderBy(_ scope: Scope, keys: [String]) -> String {
    var terms = (0..<chance.between(0, 2)).map { _ in "\(leaf(anyKind(scope), scope))\(direction())" }
    // A constant is no place in the select list only if it has a cast.
    terms.removeAll { !$0.hasPrefix("r") }
    return " ORDER BY " + (terms + keys.map { "\($0)\(direction())" }).joined(separator: ", ")
  }
  /// What rows are grouped by: a column, or an expression whose equal values print alike.
  mutating func groupItem(_ scope: Scope) -> (String, Kind) {
    let columns = scope.all
    if !columns.isEmpty, chance.percent(65) {
      let column = chance.pick(columns)
      return (column.name, column.kind)
    }
    let kind = chance.pick([Kind.int4, .text, .bool, .date, .int8, .timestamp])
    return (expression(kind, scope, depth: 1), kind)
  }
}
