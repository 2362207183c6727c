// SyntaxBuilder+Modify.swift — INSERT, UPDATE, DELETE and TRUNCATE.
import Model

extension SyntaxBuilder {
  func delete(_ body: Int) throws(TallyError) -> DeleteSyntax {
    guard let relation = child(body, "relation") else { throw damaged(body) }
    return DeleteSyntax(
      table: try target(relation),
      alias: alias(relation),
      from: try fromList(child(body, "usingClause"), 0),
      condition: try optional(body, "whereClause"),
      with: try with(of: body),
      returning: try returning(body),
      isTruncate: false
    )
  }
  func truncate(_ body: Int) throws(TallyError) -> DeleteSyntax {
    let relations = tape.elements(child(body, "relations"))
    guard let first = relations.first, let (_, relation) = tape.tagged(first) else { throw damaged(body) }
    if relations.count > 1 { throw unsupported("TRUNCATE of several tables is", relation) }
    if flag(body, "restart_seqs") { throw unsupported("RESTART IDENTITY is", relation) }
    if text(body, "behavior") == "DROP_CASCADE" { throw unsupported("CASCADE is", relation) }
    return DeleteSyntax(table: try relationName(relation), alias: nil, condition: nil, isTruncate: true)
  }

  func update(_ body: Int) throws(TallyError) -> UpdateSyntax {
    guard let relation = child(body, "relation") else { throw damaged(body) }
    return UpdateSyntax(
      table: try target(relation),
      alias: alias(relation),
      assignments: try assignments(child(body, "targetList")),
      from: try fromList(child(body, "fromClause"), 0),
      condition: try optional(body, "whereClause"),
      with: try with(of: body),
      returning: try returning(body)
    )
  }

  func insert(_ body: Int) throws(TallyError) -> InsertSyntax {
    guard let relation = child(body, "relation") else { throw damaged(body) }
    var result = InsertSyntax(table: try relationName(relation), alias: alias(relation), columns: nil, rows: [])
    switch text(body, "override") ?? "OVERRIDING_NOT_SET" {
    case "OVERRIDING_SYSTEM_VALUE": result.overriding = .system
    case "OVERRIDING_USER_VALUE": result.overriding = .user
    default: break
    }
    if let list = child(body, "cols") {
      var names: [NameSyntax] = []
      for item in tape.elements(list) {
        guard let (_, target) = tape.tagged(item), let name = text(target, "name") else { throw damaged(item) }
        if child(target, "indirection") != nil { throw unsupported("a subfield in the column list is", target) }
        names.append(NameSyntax(name: name, position: position(target)))
      }
      result.columns = names
    }
    result.with = try with(of: body)
    result.returning = try returning(body)
    if let clause = child(body, "onConflictClause") { result.conflict = try conflict(clause) }
    guard let source = child(body, "selectStmt") else {
      result.rows = [[]]
      return result
    }
    guard let (tag, query) = tape.tagged(source), tape.matches(tag, "SelectStmt") else { throw damaged(body) }
    let isPlainValues =
      child(query, "valuesLists") != nil && child(query, "sortClause") == nil && child(query, "limitCount") == nil
      && child(query, "limitOffset") == nil && child(query, "withClause") == nil
    guard isPlainValues else {
      result.query = try select(query, depth: 0)
      return result
    }
    for list in tape.elements(child(query, "valuesLists")) {
      guard let (_, body) = tape.tagged(list) else { throw damaged(list) }
      var row: [ExpressionSyntax?] = []
      for item in tape.elements(child(body, "items")) { row.append(try valueOrDefault(item)) }
      result.rows.append(row)
    }
    return result
  }

  /// A value, or nil for DEFAULT.
  private func valueOrDefault(_ item: Int) throws(TallyError) -> ExpressionSyntax? {
    if let (tag, _) = tape.tagged(item), tape.matches(tag, "SetToDefault") { return nil }
    return try expression(item, depth: 0)
  }
  private func optional(_ body: Int, _ name: StaticString) throws(TallyError) -> ExpressionSyntax? {
    guard let node = child(body, name) else { return nil }
    return try expression(node, depth: 0)
  }
  private func alias(_ relation: Int) -> String? { child(relation, "alias").flatMap { text($0, "aliasname") } }
  /// The table whose rows change.
  private func target(_ relation: Int) throws(TallyError) -> NameSyntax {
    if !flag(relation, "inh") { throw unsupported("ONLY is", relation) }
    return try relationName(relation)
  }
  private func with(of body: Int) throws(TallyError) -> WithSyntax? {
    guard let clause = child(body, "withClause") else { return nil }
    return try with(clause, 0)
  }
  private func returning(_ body: Int) throws(TallyError) -> [PlainSelectSyntax.Item]? {
    guard let list = child(body, "returningList") else { return nil }
    return try items(list, 0)
  }

  // MARK: SET

  private func assignments(_ list: Int?) throws(TallyError) -> [AssignmentSyntax] {
    var result: [AssignmentSyntax] = []
    for item in tape.elements(list) {
      guard let (_, target) = tape.tagged(item), let name = text(target, "name"), let value = child(target, "val"),
        let (tag, source) = tape.tagged(value)
      else { throw damaged(item) }
      if child(target, "indirection") != nil { throw unsupported("an assignment to a part of a column is", target) }
      let column = NameSyntax(name: name, position: position(target))
      guard tape.matches(tag, "MultiAssignRef") else {
        result.append(AssignmentSyntax(columns: [column], source: .value(try valueOrDefault(value))))
        continue
      }
      try assign(column, source, &result)
    }
    return result
  }
  /// One column of `(a, b) = …`: every column carries the whole right side with it.
  private func assign(_ column: NameSyntax, _ reference: Int, _ result: inout [AssignmentSyntax]) throws(TallyError) {
    let number = child(reference, "colno").flatMap { tape.integer($0) } ?? 0
    let count = child(reference, "ncolumns").flatMap { tape.integer($0) } ?? 0
    guard let holder = child(reference, "source"), let (tag, source) = tape.tagged(holder) else { throw damaged(reference) }
    switch tape.string(tag) {
    case "RowExpr":
      let items = tape.elements(child(source, "args"))
      guard items.count == count, number >= 1, number <= count else {
        throw .sql("42601", "number of columns does not match number of values", position: position(source))
      }
      result.append(AssignmentSyntax(columns: [column], source: .value(try valueOrDefault(items[number - 1]))))
    case "SubLink":
      if number > 1, var last = result.popLast() {
        last.columns.append(column)
        result.append(last)
        return
      }
      guard case .scalarSubquery(let select) = try expression(holder, depth: 0).kind else { throw damaged(source) }
      result.append(AssignmentSyntax(columns: [column], source: .query(select, position: position(source))))
    default:
      throw .sql(
        "0A000",
        "source for a multiple-column UPDATE item must be a sub-SELECT or ROW() expression",
        position: position(source)
      )
    }
  }

  // MARK: ON CONFLICT

  private func conflict(_ clause: Int) throws(TallyError) -> ConflictSyntax {
    var target: ConflictSyntax.Target?
    if let infer = child(clause, "infer") {
      if let name = text(infer, "conname") {
        target = .constraint(NameSyntax(name: name, position: position(infer)))
      } else {
        var names: [NameSyntax] = []
        for element in tape.elements(child(infer, "indexElems")) {
          guard let (_, item) = tape.tagged(element) else { throw damaged(element) }
          try refuse(item, [("collation", "COLLATE in ON CONFLICT is"), ("opclass", "an operator class in ON CONFLICT is")])
          guard let name = text(item, "name") else {
            throw unsupported("an expression in the target of ON CONFLICT is", item, hint: "Name the columns of a key.")
          }
          // The grammar gives elements no place: the list's own is the nearest.
          names.append(NameSyntax(name: name, position: position(infer)))
        }
        target = .columns(names, condition: try optional(infer, "whereClause"))
      }
    }
    let action: ConflictSyntax.Action
    switch text(clause, "action") ?? "" {
    case "ONCONFLICT_NOTHING": action = .nothing
    case "ONCONFLICT_UPDATE":
      action = .update(try assignments(child(clause, "targetList")), condition: try optional(clause, "whereClause"))
    default: throw damaged(clause)
    }
    return ConflictSyntax(target: target, action: action, position: position(clause))
  }
}
