// SyntaxBuilder+Definitions.swift — CREATE TABLE, CREATE MATERIALIZED VIEW, INSERT, DELETE and TRUNCATE.
import Model

extension SyntaxBuilder {
  func createTable(_ body: Int) throws(TallyError) -> CreateTableSyntax {
    try refuse(
      body,
      [
        ("inhRelations", "inheritance is"), ("partspec", "PARTITION BY is"), ("partbound", "PARTITION OF is"),
        ("ofTypename", "CREATE TABLE OF is"), ("accessMethod", "USING is"), ("tablespacename", "TABLESPACE is"),
        ("constraints", "table constraints are"),
      ]
    )
    guard let relation = child(body, "relation") else { throw damaged(body) }
    var columns: [CreateTableSyntax.Column] = []
    for element in tape.elements(child(body, "tableElts")) {
      guard let (tag, definition) = tape.tagged(element) else { throw damaged(element) }
      switch tape.string(tag) {
      case "ColumnDef": columns.append(try column(definition))
      case "Constraint": throw constraintRefusal(definition)
      case "TableLikeClause": throw unsupported("CREATE TABLE … (LIKE …) is", definition)
      default: throw damaged(element)
      }
    }
    return CreateTableSyntax(
      table: try relationName(relation),
      ifNotExists: flag(body, "if_not_exists"),
      columns: columns,
      options: try options(child(body, "options"))
    )
  }

  private func column(_ definition: Int) throws(TallyError) -> CreateTableSyntax.Column {
    try refuse(definition, [("collClause", "COLLATE is"), ("fdwoptions", "column OPTIONS are")])
    if let method = text(definition, "compression") {
      throw unsupported("COMPRESSION \(method) is", definition)
    }
    guard let name = text(definition, "colname"), let type = child(definition, "typeName") else {
      throw damaged(definition)
    }
    var result = CreateTableSyntax.Column(
      name: NameSyntax(name: name, position: position(definition)),
      type: try self.type(type),
      isNotNull: false
    )
    for item in tape.elements(child(definition, "constraints")) {
      guard let (_, constraint) = tape.tagged(item) else { throw damaged(item) }
      switch text(constraint, "contype") ?? "" {
      case "CONSTR_NOTNULL": result.isNotNull = true
      case "CONSTR_NULL": break
      case "CONSTR_DEFAULT":
        guard let raw = child(constraint, "raw_expr") else { throw damaged(constraint) }
        result.defaultValue = try expression(raw, depth: 0)
        result.defaultText = sourceText(raw)
      default: throw constraintRefusal(constraint)
      }
    }
    return result
  }
  private func constraintRefusal(_ constraint: Int) -> TallyError {
    switch text(constraint, "contype") ?? "" {
    case "CONSTR_PRIMARY":
      unsupported("PRIMARY KEY is", constraint, hint: "Tables are append-only; a retried batch is recognised by its key.")
    case "CONSTR_UNIQUE": unsupported("UNIQUE is", constraint)
    case "CONSTR_CHECK": unsupported("CHECK is", constraint)
    case "CONSTR_FOREIGN": unsupported("FOREIGN KEY is", constraint)
    case "CONSTR_GENERATED": unsupported("GENERATED is", constraint)
    case "CONSTR_IDENTITY": unsupported("IDENTITY is", constraint)
    case "CONSTR_EXCLUSION": unsupported("EXCLUDE is", constraint)
    default: unsupported("this constraint is", constraint)
    }
  }

  /// Source text of a DEFAULT expression: from its first token to the comma, parenthesis or next clause that ends it.
  private func sourceText(_ node: Int) -> String {
    var first = Int.max
    var inner = node
    while inner < Int(tape.nodes[node].next) {
      if tape.nodes[inner].kind == .object, let offset = location(inner) { first = min(first, offset) }
      inner += 1
    }
    guard first < bytes.count else { return "" }
    var at = first
    var depth = 0
    while at < bytes.count {
      let byte = bytes[at]
      if byte == UInt8(ascii: "'") {
        at += 1
        while at < bytes.count, bytes[at] != UInt8(ascii: "'") { at += 1 }
      } else if byte == UInt8(ascii: "(") {
        depth += 1
      } else if byte == UInt8(ascii: ")") {
        if depth == 0 { break }
        depth -= 1
      } else if depth == 0 {
        if byte == UInt8(ascii: ",") { break }
        if isWord("not", at) || isWord("null", at) && at > first || isWord("constraint", at) { break }
      }
      at += 1
    }
    return trimmed(first, min(at, bytes.count))
  }
  /// Whether a whole keyword stands at a byte offset, in any case.
  func isWord(_ word: StaticString, _ at: Int) -> Bool {
    let count = word.utf8CodeUnitCount
    guard at + count <= bytes.count, at == 0 || !Self.isNamePart(bytes[at - 1]) else { return false }
    for i in 0..<count where bytes[at + i] | 0x20 != word.utf8Start[i] { return false }
    return at + count == bytes.count || !Self.isNamePart(bytes[at + count])
  }
  static func isNamePart(_ byte: UInt8) -> Bool {
    switch byte {
    case 0x30...0x39, 0x41...0x5a, 0x61...0x7a, 0x5f, 0x24, 0x22, 0x80...: true
    default: false
    }
  }

  func type(_ node: Int) throws(TallyError) -> TypeSyntax {
    guard let names = strings(child(node, "names")) else { throw damaged(node) }
    if names.count > 1, names[0] != "pg_catalog", names[0] != "public" {
      throw .sql("3F000", "schema \"\(names[0])\" does not exist", position: position(node))
    }
    if flag(node, "setof") { throw unsupported("SETOF is", node) }
    if flag(node, "pct_type") { throw unsupported("%TYPE is", node) }
    return try written(node)
  }
  /// A type without a look at SETOF and %TYPE.
  func written(_ node: Int) throws(TallyError) -> TypeSyntax {
    guard let names = strings(child(node, "names")), let name = names.last else { throw damaged(node) }
    var modifiers: [Int] = []
    for modifier in tape.elements(child(node, "typmods")) {
      guard let (tag, body) = tape.tagged(modifier), tape.matches(tag, "A_Const"),
        case .integer(let value) = try constant(body)
      else { throw .sql("42601", "type modifiers must be simple constants or identifiers", position: position(node)) }
      modifiers.append(Int(value))
    }
    // `int[]`, `int[3]` and `int[][]` are one type; sizes are documentation.
    let isArray = !tape.elements(child(node, "arrayBounds")).isEmpty
    return TypeSyntax(name: name, modifiers: modifiers, isArray: isArray, position: position(node))
  }

  func createRollup(_ body: Int) throws(TallyError) -> CreateRollupSyntax {
    guard let into = child(body, "into"), let relation = child(into, "rel") else { throw damaged(body) }
    let name = try relationName(relation)
    guard text(body, "objtype") == "OBJECT_MATVIEW" else {
      throw unsupported("CREATE TABLE AS is", relation, hint: "Create the table, then load it.")
    }
    try refuse(into, [("colNames", "a column list after the name is"), ("accessMethod", "USING is")])
    if text(into, "tableSpaceName") != nil { throw unsupported("TABLESPACE is", relation) }
    if flag(into, "skipData") { throw unsupported("WITH NO DATA is", relation) }
    guard let query = child(body, "query"), let (tag, inner) = tape.tagged(query), tape.matches(tag, "SelectStmt")
    else { throw damaged(body) }
    return CreateRollupSyntax(
      name: name,
      ifNotExists: flag(body, "if_not_exists"),
      options: try options(child(into, "options")),
      select: try select(inner, depth: 0),
      selectText: selectText(inner)
    )
  }

  /// Text of a query from its SELECT to its statement's end.
  func selectText(_ query: Int) -> String {
    var start = tape.elements(child(query, "targetList")).first.flatMap { tape.tagged($0) }.flatMap { location($0.body) } ?? 0
    while start > 0, !isWord("select", start) { start -= 1 }
    var end = start
    var quote: UInt8 = 0
    while end < bytes.count, quote != 0 || bytes[end] != UInt8(ascii: ";") {
      if quote != 0 {
        if bytes[end] == quote { quote = 0 }
      } else if bytes[end] == UInt8(ascii: "'") || bytes[end] == UInt8(ascii: "\"") {
        quote = bytes[end]
      }
      end += 1
    }
    return trimmed(start, end)
  }

  func delete(_ body: Int) throws(TallyError) -> DeleteSyntax {
    try refuse(body, [("usingClause", "DELETE … USING is"), ("returningList", "RETURNING is"), ("withClause", "WITH is")])
    guard let relation = child(body, "relation") else { throw damaged(body) }
    var condition: ExpressionSyntax?
    if let node = child(body, "whereClause") { condition = try expression(node, depth: 0) }
    return DeleteSyntax(
      table: try relationName(relation),
      alias: child(relation, "alias").flatMap { text($0, "aliasname") },
      condition: condition,
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
  func insert(_ body: Int) throws(TallyError) -> InsertSyntax {
    try refuse(
      body,
      [
        ("onConflictClause", "ON CONFLICT is"), ("returningList", "RETURNING is"),
        ("withClause", "WITH is"),
      ]
    )
    guard let relation = child(body, "relation") else { throw damaged(body) }
    if child(relation, "alias") != nil { throw unsupported("an alias of the inserted table is", relation) }
    if let override = text(body, "override"), override != "OVERRIDING_NOT_SET" {
      throw unsupported("OVERRIDING is", relation)
    }
    let table = try relationName(relation)
    var columns: [NameSyntax]?
    if let list = child(body, "cols") {
      var names: [NameSyntax] = []
      for item in tape.elements(list) {
        guard let (_, target) = tape.tagged(item), let name = text(target, "name") else { throw damaged(item) }
        if child(target, "indirection") != nil { throw unsupported("a subfield in the column list is", target) }
        names.append(NameSyntax(name: name, position: position(target)))
      }
      columns = names
    }
    guard let source = child(body, "selectStmt"), let (tag, query) = tape.tagged(source),
      tape.matches(tag, "SelectStmt")
    else { throw unsupported("INSERT … DEFAULT VALUES is", relation) }
    guard let lists = child(query, "valuesLists") else {
      return InsertSyntax(table: table, columns: columns, rows: [], query: try select(query, depth: 0))
    }
    try refuse(
      query,
      [
        ("sortClause", "ORDER BY after VALUES is"), ("limitCount", "LIMIT after VALUES is"),
        ("limitOffset", "OFFSET after VALUES is"), ("withClause", "WITH is"),
      ]
    )
    var rows: [[ExpressionSyntax?]] = []
    for list in tape.elements(lists) {
      guard let (_, body) = tape.tagged(list) else { throw damaged(list) }
      var row: [ExpressionSyntax?] = []
      for item in tape.elements(child(body, "items")) {
        if let (tag, _) = tape.tagged(item), tape.matches(tag, "SetToDefault") {
          row.append(nil)
        } else {
          row.append(try expression(item, depth: 0))
        }
      }
      rows.append(row)
    }
    return InsertSyntax(table: table, columns: columns, rows: rows)
  }
}
