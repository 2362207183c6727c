// AggregateMaker.swift — statements with groups, grouping sets and windows.

extension StatementMaker {
  /// An aggregate call that has one answer whatever the order of rows. `exactOnly`: none whose last digits depend on that order.
  mutating func aggregate(_ scope: Scope, exactOnly: Bool = false) -> (String, Kind) {
    let filter = chance.percent(18) ? " FILTER (WHERE \(predicate(scope, depth: 1)))" : ""
    let distinct = chance.percent(20) ? "DISTINCT " : ""
    let number = chance.pick([Kind.int2, .int4, .int8, .numeric])
    let comparable = chance.pick([
      Kind.int2, .int4, .int8, .float8, .text, .date, .timestamp, .timestamptz, .time, .numeric, .float4, .interval, .bpchar, .ints,
    ])
    func sumKind(_ kind: Kind) -> Kind { kind == .int8 || kind == .numeric ? .numeric : .int8 }
    let choices: [(Int, Int)] = [
      (10, 0), (8, 1), (12, 2), (8, 3), (14, 4), (4, 5), (4, 6), (5, 7), (5, 8), (3, 9), (exactOnly ? 0 : 6, 10), (exactOnly ? 0 : 5, 11),
      (4, 12), (4, 13), (hasHLL ? 4 : 0, 14), (3, 15),
    ]
    switch chance.weighted(choices) {
    case 0: return ("count(*)\(filter)", .int8)
    case 1: return ("count(\(distinct)\(expression(anyKind(scope), scope, depth: 1)))\(filter)", .int8)
    case 2: return ("sum(\(distinct)\(expression(number, scope, depth: 1)))\(filter)", sumKind(number))
    case 3: return ("avg(\(distinct)\(expression(number, scope, depth: 1)))\(filter)", .numeric)
    case 4:
      let call = chance.pick(["min", "max"])
      return ("\(call)(\(distinct)\(leaf(comparable, scope)))\(filter)", comparable)
    case 5: return ("\(chance.pick(["bool_and", "bool_or", "every"]))(\(expression(.bool, scope, depth: 1)))\(filter)", .bool)
    case 6: return ("\(chance.pick(["bit_and", "bit_or"]))(\(expression(.int4, scope, depth: 1)))\(filter)", .int4)
    case 7:
      let item = leaf(.text, scope)
      return ("string_agg(\(distinct)\(item), ',' ORDER BY \(item)\(direction()))\(filter)", .text)
    case 8:
      let item = leaf(.int4, scope)
      return ("array_agg(\(distinct)\(item) ORDER BY \(item)\(direction()))\(filter)", .ints)
    case 9:
      let item = leaf(.text, scope)
      return ("jsonb_agg(\(item) ORDER BY \(item))\(filter)", .jsonb)
    case 10: return ("\(chance.pick(["sum", "avg"]))(\(expression(.float8, scope, depth: 1)))\(filter)", .float8)
    case 11:
      let call = chance.pick(["stddev_samp", "stddev_pop", "var_samp", "var_pop", "variance", "stddev"])
      let kind = chance.pick([Kind.int4, .numeric])
      return ("\(call)(\(leaf(kind, scope)))\(filter)", .float8)
    case 12:
      let call = chance.pick(["percentile_disc(0.5)", "percentile_disc(0.25)", "mode()"])
      return ("\(call) WITHIN GROUP (ORDER BY \(leaf(.int4, scope))\(chance.pick(["", " DESC"])))\(filter)", .int4)
    case 13: return ("percentile_cont(\(chance.pick(["0.5", "0.1", "1"]))) WITHIN GROUP (ORDER BY \(leaf(.int4, scope)))\(filter)", .float8)
    case 14: return ("hll_cardinality(hll_add_agg(hll_hash_\(hashed(scope))))\(filter.isEmpty ? "" : "")", .float8)
    default: return ("sum(\(leaf(.interval, scope)))\(filter)", .interval)
    }
  }
  private mutating func hashed(_ scope: Scope) -> String {
    switch chance.below(3) {
    case 0: "text(\(leaf(.text, scope)))"
    case 1: "integer(\(leaf(.int4, scope)))"
    default: "bigint(\(leaf(.int8, scope)))"
    }
  }
  /// GROUP BY, or one group of everything.
  mutating func grouped() -> Statement {
    let from = from(Scope(), maximum: 3)
    let groups = (0..<chance.between(0, 3)).map { _ in groupItem(from.scope) }
    let calls = (0..<chance.between(1, 3)).map { _ in aggregate(from.scope) }
    var items = groups + calls
    if chance.percent(25) { items.append(("coalesce(count(*), 0) * 2 + \(chance.below(3))", .int8)) }
    var sql = "SELECT \(items.map(\.0).joined(separator: ", ")) FROM \(from.text)"
    if chance.percent(45) { sql += " WHERE \(condition(from.scope))" }
    if !groups.isEmpty { sql += " GROUP BY \(groups.indices.map { "\($0 + 1)" }.joined(separator: ", "))" }
    if chance.percent(25) {
      let (number, flag) = (leaf(.int4, from.scope), leaf(.bool, from.scope))
      sql += " HAVING \(chance.pick(["count(*) > 1", "count(*) % 2 = 0", "min(\(number)) < 10", "bool_or(\(flag))"]))"
    }
    return Statement(sql: sql, isLoose: true, kinds: items.map(\.1.rawValue))
  }
  mutating func groupingSets() -> Statement {
    let from = from(Scope(), maximum: 2)
    let columns = from.scope.all
    var names: [(name: String, kind: Kind)] = []
    for _ in 0..<chance.between(2, 3) {
      let column = chance.pick(columns)
      if !names.contains(where: { $0.name == column.name }) { names.append(column) }
    }
    let list = names.map(\.name).joined(separator: ", ")
    let clause: String
    switch chance.below(5) {
    case 0: clause = "ROLLUP (\(list))"
    case 1: clause = "CUBE (\(list))"
    case 2: clause = "GROUPING SETS ((\(list)), (\(names[0].name)), ())"
    case 3: clause = "GROUPING SETS (\(names.reversed().map { "(\($0.name))" }.joined(separator: ", ")))"
    default: clause = "\(names[0].name), ROLLUP (\(list))"
    }
    let calls = (0..<chance.between(1, 2)).map { _ in aggregate(from.scope) }
    let grouping = "grouping(\(list))"
    let items = names.map { ($0.name, $0.kind) } + [(grouping, Kind.int4)] + calls
    var sql = "SELECT \(items.map(\.0).joined(separator: ", ")) FROM \(from.text)"
    if chance.percent(35) { sql += " WHERE \(condition(from.scope))" }
    sql += " GROUP BY \(clause)"
    if chance.percent(20) { sql += " HAVING \(chance.pick(["count(*) > 1", "\(grouping) < 2"]))" }
    return Statement(sql: sql, isLoose: true, kinds: items.map(\.1.rawValue))
  }

  mutating func windows() -> Statement {
    let from = keyed(2)
    let items = (0..<chance.between(1, 3)).map { _ in window(from) }
    let all = from.keys.map { ($0, Kind.int4) } + items
    let condition = chance.percent(40) ? " WHERE \(condition(from.scope))" : ""
    return Statement(sql: "SELECT \(all.map(\.0).joined(separator: ", ")) FROM \(from.text)\(condition)", kinds: all.map(\.1.rawValue))
  }
  private mutating func window(_ from: FromClause) -> (String, Kind) {
    let scope = from.scope
    let partition = chance.percent(65) ? "PARTITION BY \(groupItem(scope).0) " : ""
    let key = leaf(chance.pick([.int4, .int8, .text, .date, .timestamp, .numeric]), scope)
    let peers = "ORDER BY \(key)\(direction())"
    // The keys make the order total.
    let total = "\(peers), \(from.keys.joined(separator: ", "))"
    let kind = anyKind(scope)
    switch chance.below(8) {
    case 0: return ("row_number() OVER (\(partition)\(total))", .int8)
    case 1: return ("\(chance.pick(["rank", "dense_rank"]))() OVER (\(partition)\(peers))", .int8)
    case 2: return ("\(chance.pick(["percent_rank", "cume_dist"]))() OVER (\(partition)\(peers))", .float8)
    case 3: return ("ntile(\(chance.between(1, 4))) OVER (\(partition)\(total))", .int4)
    case 4:
      let more = chance.pick(["", ", 1", ", 2", ", 0"])
      return ("\(chance.pick(["lag", "lead"]))(\(leaf(kind, scope))\(more)) OVER (\(partition)\(total))", kind)
    case 5:
      let call = chance.pick(["first_value(§)", "last_value(§)", "nth_value(§, 2)"]).replacing("§", with: leaf(kind, scope))
      return ("\(call) OVER (\(partition)\(total) \(frame()))", kind)
    default:
      let number = chance.pick([Kind.int4, .int8, .numeric])
      let filter = chance.percent(15) ? " FILTER (WHERE \(predicate(scope, depth: 1)))" : ""
      let (call, kind): (String, Kind) =
        chance.pick([
          ("count(*)", .int8), ("sum(\(leaf(number, scope)))", .numeric), ("avg(\(leaf(number, scope)))", .numeric),
          ("min(\(leaf(.text, scope)))", .text), ("max(\(leaf(.date, scope)))", .date), ("count(\(leaf(.text, scope)))", .int8),
          ("bool_or(\(leaf(.bool, scope)))", .bool),
        ])
      let order = chance.percent(25) ? "" : "\(total) \(chance.percent(60) ? frame() : "")"
      return ("\(call)\(filter) OVER (\(partition)\(order))", kind)
    }
  }
  private mutating func frame() -> String {
    let unit = chance.pick(["ROWS", "ROWS", "GROUPS", "RANGE"])
    let bounds: [String] =
      unit == "RANGE"
      ? ["BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW", "BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING", "UNBOUNDED PRECEDING"]
      : [
        "BETWEEN 1 PRECEDING AND 1 FOLLOWING", "2 PRECEDING", "BETWEEN CURRENT ROW AND 2 FOLLOWING", "BETWEEN 3 PRECEDING AND 1 PRECEDING",
        "BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING", "BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING",
      ]
    return "\(unit) \(chance.pick(bounds))\(chance.pick(["", "", " EXCLUDE CURRENT ROW", " EXCLUDE TIES", " EXCLUDE GROUP"]))"
  }
}
