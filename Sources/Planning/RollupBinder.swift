// RollupBinder.swift — CREATE MATERIALIZED VIEW … WITH (rollup): checks the definition (DESIGN §8) and binds its program.
//
// Everything refused here is refused with what to write instead: a rollup that is accepted can be computed inside each shard, from
// deltas, in any order of rows.
import Bytes
import Model
import SQL

struct RollupBinder {
  let catalog: CatalogSnapshot
  let context: PlanningContext

  func bind(_ syntax: CreateRollupSyntax) throws(TallyError) -> CreateRollupPlan {
    if !syntax.ifNotExists { try TableBinder.checkFree(syntax.name.name, catalog) }
    let options = try RollupOptions(syntax.options, name: syntax.name)
    let plain = try plainSelect(syntax)
    let table = try source(plain)
    guard case .distributed(let tenant, _) = table.distribution else {
      throw Relations.notDistributed(table, syntax.name.position)
    }
    let binder = ExpressionBinder(
      scope: Scope(
        qualifier: qualifier(plain, table),
        columns: table.columns.map { OutputColumn($0.name, $0.type) },
        defaultBucket: options.levels.first.map { BucketWidths.interval(of: $0.width) }
      ),
      context: context
    )
    var condition: Expression?
    if let written = plain.condition { condition = try binder.condition(written, .where) }
    let targets = try self.targets(plain, binder)
    let groups = try self.groups(plain, targets, binder)
    guard binder.windows.isEmpty, plain.windows.isEmpty else {
      throw refused("a window function", "Use it when reading.", syntax.name.position)
    }
    guard binder.sets.isEmpty else { throw refused("a set-returning function", nil, syntax.name.position) }
    if let call = binder.aggregates.first(where: { $0.isDistinct || !$0.isMergeable }) {
      throw refused(
        "\(call.function)",
        "Use count, sum, min, max, bool_and, bool_or, hll_add_agg or topn_add_agg.",
        syntax.name.position
      )
    }
    guard !binder.usesStatementTime else {
      throw .sql(
        "42P17",
        "functions in a rollup must be immutable",
        hint: "now() and current_date change with every statement.",
        position: syntax.name.position
      )
    }
    let time = try self.time(groups, table, plain, syntax)
    let levels = try options.levels(finest: time.width, timeType: table.columns[time.column].type)
    let parts = try arranged(targets, groups, binder, tenant: tenant, bucket: time.key, table, syntax)

    let program = RollupProgram(
      keys: [.column(tenant, table.columns[tenant].type), .column(time.column, table.columns[time.column].type)]
        + parts.dimensions,
      measures: parts.measures.map(\.program),
      condition: condition
    )
    let definition = RollupDefinition(
      id: TableID(0),
      name: syntax.name.name,
      source: table.id,
      keys: parts.keys,
      measures: parts.measures.map { RollupMeasure(name: $0.name, kind: $0.program.kind, type: $0.program.type) },
      levels: levels,
      sql: syntax.selectText,
      program: RollupProgramFormat.encode(program),
      outputOrder: parts.order
    )
    for level in levels {
      let name = "\(definition.name)_\(level.suffix)"
      if !syntax.ifNotExists { try TableBinder.checkFree(name, catalog) }
      guard name.utf8.count <= Limits.nameBytesMax else {
        throw .sql("42622", "name \"\(name)\" of a level is too long", position: syntax.name.position)
      }
    }
    return CreateRollupPlan(definition: definition, timeColumn: time.column, ifNotExists: syntax.ifNotExists)
  }

  // MARK: Shape

  private func refused(_ what: String, _ hint: String?, _ position: Int) -> TallyError {
    .sql("0A000", "\(what) in a rollup is not supported", hint: hint, position: position)
  }

  private func plainSelect(_ syntax: CreateRollupSyntax) throws(TallyError) -> PlainSelectSyntax {
    let position = syntax.name.position
    guard case .plain(let plain) = syntax.select.body else {
      throw refused("a set operation", "Create one rollup for each table.", position)
    }
    if syntax.select.with != nil { throw refused("WITH", "Name one table.", position) }
    if !plain.groupingSets.isEmpty { throw refused("GROUPING SETS, ROLLUP or CUBE", "Create one rollup for each set.", position) }
    if let key = syntax.select.orderBy.first {
      throw refused("ORDER BY", "Sort when reading.", key.expression.position)
    }
    if let limit = syntax.select.limit ?? syntax.select.offset {
      throw refused("LIMIT", "Limit when reading.", limit.position)
    }
    if plain.isDistinct { throw refused("DISTINCT", "GROUP BY makes groups distinct.", position) }
    if let having = plain.having { throw refused("HAVING", "Filter when reading.", having.position) }
    if plain.groupBy.isEmpty {
      throw .sql(
        "0A000",
        "a rollup without GROUP BY is not supported",
        hint: "GROUP BY the tenant key and time_bucket(time).",
        position: position
      )
    }
    return plain
  }
  private func source(_ plain: PlainSelectSyntax) throws(TallyError) -> TableSchema {
    switch plain.from {
    case .relation(let name, _, let columns)?:
      if !columns.isEmpty { throw refused("a column alias list", nil, name.position) }
      if let schema = name.schema {
        throw .sql("42P01", "relation \"\(schema).\(name.name)\" does not exist", position: name.position)
      }
      if let table = catalog.table(name) { return table }
      if Relations.isRollup(name.name, catalog: catalog) {
        throw refused("another rollup", "Name the raw table; levels make coarser buckets.", name.position)
      }
      throw .sql("42P01", "relation \"\(name.name)\" does not exist", position: name.position)
    case .subquery(_, _, _, let position, _)?:
      throw refused("a subquery", "Name one table.", position)
    case .join(let join)?: throw refused("a join", "Name one table.", join.position)
    case .functions(let functions)?: throw refused("a function in FROM", "Name one table.", functions.position)
    case nil:
      throw .sql("0A000", "a rollup without FROM is not supported", position: plain.items.first?.expression.position)
    }
  }
  private func qualifier(_ plain: PlainSelectSyntax, _ table: TableSchema) -> String {
    if case .relation(let name, let alias, _)? = plain.from { return alias ?? name.name }
    return table.name
  }

  private struct Target {
    var name: String
    var expression: Expression
    var syntax: ExpressionSyntax
  }
  private func targets(_ plain: PlainSelectSyntax, _ binder: ExpressionBinder) throws(TallyError) -> [Target] {
    var result: [Target] = []
    for item in plain.items {
      let position = item.expression.position
      switch item.expression.kind {
      case .star, .allFields: throw refused("*", "Name the columns.", position)
      case .call(let call) where call.isDistinct:
        throw refused(
          "\(call.name)(DISTINCT …)",
          "Use hll_add_agg(hll_hash_text(x)) or hll_hash_bigint(x).",
          position
        )
      case .call(let call) where call.name == "avg":
        throw refused("avg", "Keep sum(x) and count(x), divide when reading.", position)
      case .call(let call) where call.name == "approx_count_distinct":
        throw refused("approx_count_distinct", "Keep hll_add_agg(…), count when reading.", position)
      default: break
      }
      let name = item.alias ?? OutputNames.name(item.expression)
      guard !result.contains(where: { $0.name == name }) else {
        throw .sql("42701", "column \"\(name)\" specified more than once", position: position)
      }
      guard name != "?column?" else {
        throw .sql("42601", "a column of a rollup needs a name", hint: "Write expression AS name.", position: position)
      }
      result.append(Target(name: name, expression: try binder.typed(item.expression), syntax: item.expression))
    }
    return result
  }
  /// GROUP BY as expressions, by the rules of SELECT.
  private func groups(
    _ plain: PlainSelectSyntax,
    _ targets: [Target],
    _ binder: ExpressionBinder
  ) throws(TallyError) -> [(expression: Expression, position: Int)] {
    binder.clause = .groupBy
    defer { binder.clause = .select }
    var result: [(expression: Expression, position: Int)] = []
    for item in plain.groupBy {
      switch item.kind {
      case .integer(let number):
        guard number >= 1, Int(number) <= targets.count else {
          throw .sql("42P10", "GROUP BY position \(number) is not in select list", position: item.position)
        }
        result.append((targets[Int(number) - 1].expression, item.position))
      case .column(let names) where names.count == 1 && !binder.scope.columns.contains { $0.name == names[0] }:
        if let target = targets.first(where: { $0.name == names[0] }) {
          result.append((target.expression, item.position))
        } else {
          result.append((try binder.typed(item), item.position))
        }
      default: result.append((try binder.typed(item), item.position))
      }
    }
    for group in result where group.expression.columnsRead.contains(where: { $0 >= Placeholder.aggregates }) {
      throw .sql("42803", "aggregate functions are not allowed in GROUP BY", position: group.position)
    }
    return result
  }

  // MARK: The bucket

  private struct Time {
    var key: [UInt8]
    var column: Int
    var width: BucketWidth
  }
  private func time(
    _ groups: [(expression: Expression, position: Int)],
    _ table: TableSchema,
    _ plain: PlainSelectSyntax,
    _ syntax: CreateRollupSyntax
  ) throws(TallyError) -> Time {
    var found: Time?
    for group in groups {
      guard case .call(.timeBucket, let arguments) = group.expression.node else { continue }
      guard found == nil else {
        throw .sql("0A000", "a rollup with several time_bucket groups is not supported", position: group.position)
      }
      guard let column = arguments[1].columnIndex else {
        throw .sql(
          "0A000",
          "time_bucket of an expression in a rollup is not supported",
          hint: "Bucket a column of the table.",
          position: group.position
        )
      }
      guard case .constant(.interval(let span)) = arguments[0].node, let width = BucketWidths.width(of: span) else {
        throw TallyError(.internalError, "a bucket width is not constant")
      }
      found = Time(key: ExpressionFormat.key(group.expression), column: column, width: width)
    }
    guard let found else {
      throw .sql(
        "0A000",
        "a rollup without time_bucket in GROUP BY is not supported",
        hint: "Add time_bucket(\(table.timeColumn.map { table.columns[$0].name } ?? "time")) AS bucket to SELECT and GROUP BY.",
        position: syntax.name.position
      )
    }
    return found
  }

  // MARK: Keys and measures

  private struct Parts {
    var keys: [Column] = []
    var dimensions: [Expression] = []
    var measures: [(name: String, program: MeasureProgram)] = []
    var order: [Int] = []
  }
  private func arranged(
    _ targets: [Target],
    _ groups: [(expression: Expression, position: Int)],
    _ binder: ExpressionBinder,
    tenant: Int,
    bucket: [UInt8],
    _ table: TableSchema,
    _ syntax: CreateRollupSyntax
  ) throws(TallyError) -> Parts {
    let tenantName = table.columns[tenant].name
    let groupKeys = groups.map { ExpressionFormat.key($0.expression) }
    guard groups.contains(where: { $0.expression.columnIndex == tenant }) else {
      throw .sql(
        "0A000",
        "a rollup without the tenant key in GROUP BY is not supported",
        hint: "Add \(tenantName) to SELECT and GROUP BY.",
        position: syntax.name.position
      )
    }
    // 0 tenant, 1 bucket, 2… dimensions, then measures from -1 downwards until the number of keys is known.
    var parts = Parts()
    var tenantColumn: Column?
    var bucketColumn: Column?
    var dimensionColumns: [Column] = []
    var used: [[UInt8]] = []
    for target in targets {
      let key = ExpressionFormat.key(target.expression)
      let position = target.syntax.position
      if groupKeys.contains(key) {
        guard !used.contains(key) else {
          throw .sql("0A000", "a rollup with one group in two columns is not supported", position: position)
        }
        used.append(key)
        let column = Column(name: target.name, type: target.expression.type)
        if target.expression.columnIndex == tenant {
          tenantColumn = column
          parts.order.append(0)
        } else if key == bucket {
          bucketColumn = column
          parts.order.append(1)
        } else {
          guard column.type != .hllHashval else { throw refused("a dimension of type hll_hashval", nil, position) }
          dimensionColumns.append(column)
          parts.dimensions.append(target.expression)
          parts.order.append(1 + dimensionColumns.count)
        }
        continue
      }
      parts.measures.append((target.name, try measure(target, binder)))
      parts.order.append(-parts.measures.count)
    }
    guard let tenantColumn, let bucketColumn, used.count == Set(groupKeys).count else {
      let missing = groups.first { group in !used.contains(ExpressionFormat.key(group.expression)) }
      throw .sql(
        "0A000",
        "a rollup must have every GROUP BY expression in its SELECT list",
        position: missing?.position
      )
    }
    guard !parts.measures.isEmpty else {
      throw .sql(
        "0A000",
        "a rollup without measures is not supported",
        hint: "Add count(*) AS count.",
        position: syntax.name.position
      )
    }
    parts.keys = [tenantColumn, bucketColumn] + dimensionColumns
    parts.order = parts.order.map { $0 >= 0 ? $0 : parts.keys.count - 1 - $0 }
    return parts
  }
  private func measure(_ target: Target, _ binder: ExpressionBinder) throws(TallyError) -> MeasureProgram {
    let position = target.syntax.position
    guard let index = target.expression.columnIndex, index >= Placeholder.aggregates, index < Placeholder.distincts else {
      let reads = target.expression.columnsRead
      if reads.contains(where: { $0 >= Placeholder.aggregates }) {
        throw refused("an expression over aggregates", "Keep the aggregates, compute when reading.", position)
      }
      let name = reads.sorted().first.map { binder.scope.columns[$0].name } ?? target.name
      throw .sql(
        "42803",
        "column \"\(name)\" must appear in the GROUP BY clause or be used in an aggregate function",
        position: position
      )
    }
    let call = binder.aggregates[index - Placeholder.aggregates]
    let kind: MeasureKind
    switch call.function {
    case .countStar, .count: kind = .count
    case .sum: kind = .sum
    case .min: kind = .min
    case .max: kind = .max
    case .boolAnd: kind = .boolAnd
    case .boolOr: kind = .boolOr
    case .hllAdd: kind = .hll
    case .topnAdd: kind = .topn
    case .hllUnion: throw refused("hll_union_agg", "Use hll_add_agg of the hashed values.", position)
    case .topnUnion: throw refused("topn_union_agg", "Use topn_add_agg of the items.", position)
    case .bitAnd, .bitOr, .stringAgg, .arrayAgg, .jsonbAgg, .jsonbObjectAgg, .percentileCont, .percentileDisc, .mode:
      throw refused("this aggregate", "Use count, sum, min, max, bool_and, bool_or, hll_add_agg or topn_add_agg.", position)
    case .countMerge: throw TallyError(.internalError, "countMerge is no written aggregate")
    }
    if kind == .sum, call.type == .interval {
      throw refused("sum of intervals", "Sum extract(epoch FROM x).", position)
    }
    return MeasureProgram(kind: kind, arguments: call.arguments, filter: call.filter, type: call.type)
  }
}
