// SyntaxBuilder+Definitions.swift — CREATE TABLE and CREATE MATERIALIZED VIEW.
import Model

extension SyntaxBuilder {
  func createTable(_ body: Int) throws(TallyError) -> CreateTableSyntax {
    try refuse(
      body,
      [
        ("partbound", "PARTITION OF is"), ("inhRelations", "inheritance is"),
        ("ofTypename", "CREATE TABLE OF is"), ("tablespacename", "TABLESPACE is"),
        ("constraints", "table constraints are"),
      ]
    )
    guard let relation = child(body, "relation") else { throw damaged(body) }
    // Storage is columnar, whichever of PostgreSQL's and Citus's methods a schema names.
    if let method = text(body, "accessMethod"), method != "columnar", method != "heap" {
      throw .sql("42704", "access method \"\(method)\" does not exist", position: position(relation))
    }
    let partitioned = try child(body, "partspec").map { spec throws(TallyError) in try partitionColumn(spec, relation) }
    var columns: [CreateTableSyntax.Column] = []
    var constraints: [ConstraintSyntax] = []
    var likes: [CreateTableSyntax.Like] = []
    for element in tape.elements(child(body, "tableElts")) {
      guard let (tag, definition) = tape.tagged(element) else { throw damaged(element) }
      switch tape.string(tag) {
      case "ColumnDef": columns.append(try column(definition, &constraints))
      case "Constraint": constraints.append(try constraint(definition, column: nil))
      case "TableLikeClause": likes.append(try like(definition, before: columns.count))
      default: throw damaged(element)
      }
    }
    return CreateTableSyntax(
      table: try relationName(relation, mayBeTemporary: true),
      ifNotExists: flag(body, "if_not_exists"),
      columns: columns,
      constraints: constraints,
      options: try options(child(body, "options")),
      temporary: try temporary(relation, text(body, "oncommit")),
      likes: likes,
      partitioned: partitioned
    )
  }
  /// The one column of PARTITION BY RANGE.
  private func partitionColumn(_ spec: Int, _ relation: Int) throws(TallyError) -> NameSyntax {
    let strategy = text(spec, "strategy")?.lowercased() ?? ""
    let elements = tape.elements(child(spec, "partParams"))
    guard strategy.hasSuffix("range"), elements.count == 1, let (_, element) = tape.tagged(elements[0]), let name = text(element, "name")
    else {
      throw unsupported(
        "PARTITION BY of anything but the range of one column is",
        relation,
        hint: "Tables are sliced by day by themselves: WITH (time = column, keep = '30 days') drops old rows."
      )
    }
    return NameSyntax(name: name, position: position(element))
  }
  private func like(_ clause: Int, before place: Int) throws(TallyError) -> CreateTableSyntax.Like {
    guard let relation = child(clause, "relation") else { throw damaged(clause) }
    // PostgreSQL's CREATE_TABLE_LIKE_ bits; what the others name is not here.
    let options = child(clause, "options").flatMap { tape.integer($0) } ?? 0
    return CreateTableSyntax.Like(
      place: place,
      table: try relationName(relation),
      hasDefaults: options & 0x8 != 0,
      hasChecks: options & 0x4 != 0,
      hasKeys: options & 0x40 != 0
    )
  }

  /// A column; its constraints are appended to the table's.
  func column(_ definition: Int, _ constraints: inout [ConstraintSyntax]) throws(TallyError) -> CreateTableSyntax.Column {
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
        result.defaultText = clauseText(after: constraint, word: "default")
      case "CONSTR_IDENTITY": result.identity = try identity(constraint)
      case "CONSTR_ATTR_NOT_DEFERRABLE", "CONSTR_ATTR_IMMEDIATE": break
      default: constraints.append(try self.constraint(constraint, column: result.name))
      }
    }
    return result
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
}
