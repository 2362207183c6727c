// StatementMaker.swift — random statements over a seed's tables: which kind of statement comes next, and what one is.

/// A statement, and how its answers are to be compared.
struct Statement: Codable {
  var sql: String
  /// The order of rows is total.
  var isOrdered = false
  /// Which of several equal values is shown is left open: numerics compare by value.
  var isLoose = false
  /// Kinds of the columns, where known: only floats and what may hold some are compared with tolerance.
  var kinds: [String] = []
}

/// A query and its columns.
struct Query {
  var sql: String
  var columns: [ColumnName]
}

struct StatementMaker {
  var chance: Chance
  let tables: RandomTables
  let hasHLL: Bool
  private var aliases = 0
  /// Rows stored by INSERT … SELECT so far: every one gets its own id.
  private var made = 0

  init(_ chance: Chance, _ tables: RandomTables, hasHLL: Bool) {
    (self.chance, self.tables, self.hasHLL) = (chance, tables, hasHLL)
  }

  mutating func alias(_ letter: String) -> String {
    aliases += 1
    return "\(letter)\(aliases)"
  }
  /// The next statement, or a few that belong together.
  mutating func next() -> [Statement] {
    aliases = 0
    typealias Maker = (inout StatementMaker) -> [Statement]
    let makers: [(Int, Maker)] = [
      (24, { [$0.plain()] }), (18, { [$0.grouped()] }), (8, { [$0.groupingSets()] }), (14, { [$0.windows()] }), (8, { [$0.distinct()] }),
      (10, { [$0.setOperation()] }), (10, { [$0.with()] }), (10, { [$0.risky()] }), (5, { [$0.lateral()] }), (5, { $0.writes() }),
    ]
    return chance.weighted(makers)(&self)
  }

  // MARK: Kinds of statements

  /// SELECT expressions FROM … WHERE …, in a total order with LIMIT where there is one.
  private mutating func plain() -> Statement {
    let from = from(Scope(), maximum: 3)
    let items = (0..<chance.between(1, 4)).map { _ -> (String, Kind) in
      let kind = anyKind(from.scope)
      return (expression(kind, from.scope, depth: 3, subqueries: true), kind)
    }
    let keys = from.keys.map { ($0, Kind.int4) }
    let condition = chance.percent(65) ? " WHERE \(condition(from.scope))" : ""
    var sql = "SELECT \((keys + items).map(\.0).joined(separator: ", ")) FROM \(from.text)\(condition)"
    var isOrdered = false
    if from.isKeyed {
      let order = orderBy(from.scope, keys: from.keys)
      if chance.percent(70) {
        sql += order
        isOrdered = true
        if chance.percent(40) { sql += " LIMIT \(chance.pick([0, 1, 3, 10]))" }
        if chance.percent(25) { sql += " OFFSET \(chance.pick([0, 1, 4]))" }
      }
    }
    return Statement(sql: sql, isOrdered: isOrdered, kinds: (keys + items).map(\.1.rawValue))
  }
  private mutating func distinct() -> Statement {
    let from = from(Scope(), maximum: 2)
    if chance.percent(40), from.isKeyed {
      let on = chance.pick(from.scope.all).name
      let item = expression(.text, from.scope, depth: 2)
      let sql = "SELECT DISTINCT ON (\(on)) \(from.keys.joined(separator: ", ")), \(item) FROM \(from.text) ORDER BY \(on), "
      return Statement(sql: sql + from.keys.joined(separator: ", "), isOrdered: false, kinds: from.keys.map { _ in "int4" } + ["text"])
    }
    let items = (0..<chance.between(1, 3)).map { _ in groupItem(from.scope) }
    let condition = chance.percent(50) ? " WHERE \(condition(from.scope))" : ""
    return Statement(
      sql: "SELECT DISTINCT \(items.map(\.0).joined(separator: ", ")) FROM \(from.text)\(condition)",
      isLoose: true,
      kinds: items.map(\.1.rawValue)
    )
  }
  /// A FROM clause whose rows have names.
  mutating func keyed(_ maximum: Int) -> FromClause {
    while true {
      let from = from(Scope(), maximum: maximum)
      if from.isKeyed { return from }
    }
  }
  private mutating func setOperation() -> Statement {
    let kinds = (0..<chance.between(1, 3)).map { _ in chance.pick(Kind.allCases.filter(\.isPlain)) }
    var text = branch(kinds)
    for _ in 0..<chance.between(1, 2) {
      let operation = chance.pick(["UNION", "UNION ALL", "INTERSECT", "EXCEPT", "EXCEPT ALL", "INTERSECT ALL"])
      text = chance.percent(30) ? "(\(text)) \(operation) \(branch(kinds))" : "\(text) \(operation) \(branch(kinds))"
    }
    if chance.percent(40) {
      return Statement(
        sql: "\(text) ORDER BY \(kinds.indices.map { "\($0 + 1)\(direction())" }.joined(separator: ", "))",
        isOrdered: true,
        kinds: kinds.map(\.rawValue)
      )
    }
    return Statement(sql: text, isLoose: true, kinds: kinds.map(\.rawValue))
  }
  private mutating func branch(_ kinds: [Kind]) -> String {
    let from = from(Scope(), maximum: 2)
    let items = kinds.map { expression($0, from.scope, depth: 1) }
    let condition = chance.percent(40) ? " WHERE \(condition(from.scope))" : ""
    return "SELECT \(items.joined(separator: ", ")) FROM \(from.text)\(condition)"
  }
  private mutating func with() -> Statement {
    if chance.percent(20) {
      let (start, step) = (chance.between(0, 3), chance.between(1, 3))
      let from = keyed(1)
      let sql = """
        WITH RECURSIVE n(x) AS (SELECT \(start) UNION ALL SELECT x + \(step) FROM n WHERE x < \(chance.between(3, 9))) \
        SELECT n.x, \(from.keys.joined(separator: ", ")) FROM n JOIN \(from.text) ON n.x = length(\(leaf(.text, from.scope)))
        """
      return Statement(sql: sql, kinds: ["int4"] + from.keys.map { _ in "int4" })
    }
    let inner = derived(Scope())
    let name = alias("w")
    var scope = Scope()
    scope.relations = [("a", inner.columns), ("b", inner.columns)]
    let items = (0..<chance.between(1, 3)).map { _ -> (String, Kind) in
      let kind = anyKind(scope)
      return (expression(kind, scope, depth: 2), kind)
    }
    let key = chance.pick(inner.columns)
    let join = chance.pick(["JOIN", "LEFT JOIN", "FULL JOIN"])
    let materialized = chance.pick(["", "MATERIALIZED ", "NOT MATERIALIZED "])
    let sql = """
      WITH \(name) AS \(materialized)(\(inner.sql)) SELECT \(items.map(\.0).joined(separator: ", ")) \
      FROM \(name) AS a \(join) \(name) AS b ON a.\(key.name) = b.\(key.name)\(chance.percent(40) ? " WHERE \(condition(scope))" : "")
      """
    return Statement(sql: sql, kinds: items.map(\.1.rawValue))
  }
  /// One expression that may fail, evaluated for every row of one table.
  private mutating func risky() -> Statement {
    let table = chance.pick(tables.tables)
    var scope = Scope()
    scope.relations = [(table.name, table.columns)]
    let template = chance.pick(Template.risky)
    let text = fill(template, scope, depth: 0)
    if chance.percent(25), template.result == .bool { return Statement(sql: "SELECT id FROM \(table.name) WHERE \(text)", kinds: ["int4"]) }
    return Statement(sql: "SELECT id, \(text) FROM \(table.name)", kinds: ["int4", template.result.rawValue])
  }
  private mutating func lateral() -> Statement {
    let from = keyed(1)
    let (item, kind): (String, Kind)
    switch chance.below(4) {
    case 0: (item, kind) = ("generate_series(1, abs(\(leaf(.int4, from.scope)) % 4))", .int4)
    case 1: (item, kind) = ("unnest(\(leaf(.ints, from.scope)))", .int4)
    case 2: (item, kind) = ("unnest(\(leaf(.texts, from.scope)))", .text)
    default: (item, kind) = ("string_to_table(\(leaf(.text, from.scope)), 'b')", .text)
    }
    let join = chance.pick([", LATERAL", " CROSS JOIN LATERAL", " LEFT JOIN LATERAL"])
    let on = join.contains("LEFT") ? " ON true" : ""
    if chance.percent(50) {
      let sql = "SELECT \(from.keys.joined(separator: ", ")), g.v FROM \(from.text)\(join) \(item) AS g(v)\(on)"
      return Statement(sql: sql, kinds: from.keys.map { _ in "int4" } + [kind.rawValue])
    }
    let sql = "SELECT count(*), min(g.v), max(g.v), count(DISTINCT g.v) FROM \(from.text)\(join) \(item) AS g(v)\(on)"
    return Statement(sql: sql, kinds: ["int8", kind.rawValue, kind.rawValue, "int8"])
  }
  /// Rows copied or deleted, and then what the table holds.
  private mutating func writes() -> [Statement] {
    let table = chance.pick(tables.tables)
    var scope = Scope()
    scope.relations = [(table.name, table.columns)]
    let names = table.columns.map(\.name)
    var statements: [Statement] = []
    if chance.percent(50) {
      made += 1
      let items = table.columns.map { column -> String in
        switch column.name {
        case "k": return "k"
        case "id": return "id + \(made * 100_000)"
        default: return chance.percent(50) ? column.name : "(\(expression(column.kind, scope, depth: 1)))::\(column.kind.definition)"
        }
      }
      let sql = """
        INSERT INTO \(table.name) (\(names.joined(separator: ", "))) SELECT \(items.joined(separator: ", ")) \
        FROM \(table.name) WHERE id < 100000 AND \(condition(scope)) 
        """
      statements.append(Statement(sql: sql))
    } else {
      // Subqueries in DELETE are refused.
      statements.append(Statement(sql: "DELETE FROM \(table.name) WHERE id % 5 = \(chance.below(5)) AND \(predicate(scope, depth: 2))"))
    }
    let read = "SELECT \(names.joined(separator: ", ")) FROM \(table.name) ORDER BY id"
    statements.append(Statement(sql: read, isOrdered: true, kinds: table.columns.map(\.kind.rawValue)))
    return statements
  }
}
