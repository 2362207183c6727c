// SyntaxBuilder+Objects.swift — ALTER TABLE and RENAME, views, indexes, schemas, extensions, CREATE TABLE AS and DROP.
import Model

extension SyntaxBuilder {
  /// A statement of this file; nil for others.
  func definition(_ tag: Int, _ body: Int, start: Int) throws(TallyError) -> DefinitionSyntax? {
    let here = position(atByte: firstToken(start))
    switch tape.string(tag) {
    case "AlterTableStmt": return .alterTable(try alterTable(body, here))
    case "RenameStmt": return .rename(try rename(body, here))
    case "AlterObjectSchemaStmt":
      guard let relation = child(body, "relation"), let schema = text(body, "newschema"),
        let kind = Self.kind(text(body, "objectType") ?? "")
      else { throw unsupportedHere("SET SCHEMA of this object", here) }
      return .setSchema(
        kind: kind,
        name: try relationName(relation),
        schema: NameSyntax(name: schema, position: here),
        ifExists: flag(body, "missing_ok")
      )
    case "ViewStmt": return .createView(try view(body, here))
    case "IndexStmt": return .createIndex(try index(body, here))
    case "CreateSchemaStmt":
      if let elements = child(body, "schemaElts"), !tape.elements(elements).isEmpty {
        throw unsupportedHere("a definition inside of CREATE SCHEMA", here)
      }
      guard let name = text(body, "schemaname"), child(body, "authrole") == nil else {
        throw unsupportedHere("CREATE SCHEMA AUTHORIZATION", here, hint: "Every user owns what any user makes.")
      }
      return .createSchema(name: name, ifNotExists: flag(body, "if_not_exists"))
    case "CreateExtensionStmt":
      return .createExtension(name: text(body, "extname") ?? "", ifNotExists: flag(body, "if_not_exists"), position: here)
    case "DefineStmt":
      // Old tutorials define the aggregate that is built in.
      guard text(body, "kind") == "OBJECT_AGGREGATE", let names = strings(child(body, "defnames")), names.last == "sum" else { return nil }
      return .accepted(tag: "CREATE AGGREGATE", notice: "sum(hll) is built in: nothing was created")
    case "CreateTableAsStmt":
      var syntax = try tableAs(body, here)
      if text(body, "objtype") != "OBJECT_TABLE" {
        if syntax.options.contains(where: { $0.name.name == "rollup" }) { return nil }
        if syntax.isEmpty { throw unsupportedHere("CREATE MATERIALIZED VIEW … WITH NO DATA", here) }
        syntax.isMaterialized = true
      }
      return .createTableAs(syntax)
    case "RefreshMatViewStmt":
      guard let relation = child(body, "relation") else { throw damaged(body) }
      if flag(body, "skipData") { throw unsupportedHere("REFRESH MATERIALIZED VIEW … WITH NO DATA", here) }
      return .refresh(try relationName(relation))
    case "TruncateStmt":
      let relations = tape.elements(child(body, "relations"))
      guard relations.count > 1 || text(body, "behavior") == "DROP_CASCADE" else { return nil }
      if flag(body, "restart_seqs") { throw unsupportedHere("TRUNCATE … RESTART IDENTITY", here) }
      var names: [NameSyntax] = []
      for item in relations {
        guard let (_, relation) = tape.tagged(item) else { throw damaged(item) }
        names.append(try relationName(relation))
      }
      return .truncate(names)
    case "CommentStmt": return .comment(try comment(body, here))
    case "DropStmt":
      if let absent = try dropOfNothing(body) { return absent }
      return try dropObjects(body, here).map { .drop($0) }
    default: return nil
    }
  }
  private func unsupportedHere(_ what: String, _ position: Int, hint: String? = nil) -> TallyError {
    .sql("0A000", "\(what) is not supported", hint: hint, position: position)
  }
  private static func kind(_ word: String) -> ObjectKind? {
    switch word {
    case "OBJECT_TABLE": .table
    case "OBJECT_VIEW": .view
    case "OBJECT_MATVIEW": .rollup
    case "OBJECT_INDEX": .index
    case "OBJECT_SCHEMA": .schema
    case "OBJECT_SEQUENCE": .sequence
    default: nil
    }
  }

  // MARK: COMMENT ON

  private func comment(_ body: Int, _ here: Int) throws(TallyError) -> CommentSyntax {
    let kind = text(body, "objtype") ?? ""
    guard let object = child(body, "object"), let (tag, inner) = tape.tagged(object) else { throw damaged(body) }
    func unsupportedComment() -> TallyError {
      unsupportedHere(
        kind.replacingPrefix("OBJECT_", with: "COMMENT ON "),
        here,
        hint: "Tables, columns, constraints and indexes have comments."
      )
    }
    guard tape.matches(tag, "List"), let parts = strings(child(inner, "items")), !parts.isEmpty else { throw unsupportedComment() }
    func name(_ parts: ArraySlice<String>) throws(TallyError) -> NameSyntax {
      guard let last = parts.last, parts.count <= 2 else {
        throw .sql("42601", "improper qualified name (too many dotted names): \(parts.joined(separator: "."))", position: here)
      }
      return NameSyntax(name: last, schema: parts.count == 2 ? parts.first : nil, position: here)
    }
    let subject: CommentSyntax.Subject
    switch kind {
    case "OBJECT_TABLE", "OBJECT_MATVIEW": subject = .table(try name(parts[...]))
    case "OBJECT_INDEX": subject = .index(try name(parts[...]))
    case "OBJECT_COLUMN":
      guard parts.count > 1 else { throw .sql("42601", "column name must be qualified", position: here) }
      subject = .column(parts[parts.count - 1], of: try name(parts.dropLast()))
    case "OBJECT_TABCONSTRAINT": subject = .constraint(parts[parts.count - 1], on: try name(parts.dropLast()))
    default: throw unsupportedComment()
    }
    return CommentSyntax(subject: subject, text: text(body, "comment"))
  }

  // MARK: ALTER TABLE

  private func alterTable(_ body: Int, _ here: Int) throws(TallyError) -> AlterTableSyntax {
    guard let relation = child(body, "relation") else { throw damaged(body) }
    let kind = text(body, "objtype") ?? text(body, "relkind") ?? "OBJECT_TABLE"
    guard kind == "OBJECT_TABLE" else {
      throw unsupportedHere(kind.replacingPrefix("OBJECT_", with: "ALTER "), here)
    }
    var actions: [AlterTableSyntax.Action] = []
    for item in tape.elements(child(body, "cmds")) {
      guard let (_, command) = tape.tagged(item) else { throw damaged(item) }
      actions.append(try action(command, here))
    }
    return AlterTableSyntax(table: try relationName(relation), ifExists: flag(body, "missing_ok"), actions: actions)
  }
  private func action(_ command: Int, _ here: Int) throws(TallyError) -> AlterTableSyntax.Action {
    let place = firstPosition(command) ?? here
    func name() throws(TallyError) -> NameSyntax {
      guard let name = text(command, "name") else { throw damaged(command) }
      return NameSyntax(name: name, position: place)
    }
    func definition() throws(TallyError) -> Int {
      guard let node = child(command, "def"), let (_, inner) = tape.tagged(node) else { throw damaged(command) }
      return inner
    }
    let isLenient = flag(command, "missing_ok")
    let cascades = text(command, "behavior") == "DROP_CASCADE"
    switch text(command, "subtype") ?? "" {
    case "AT_AddColumn":
      var constraints: [ConstraintSyntax] = []
      let column = try column(try definition(), &constraints)
      return .addColumn(column, constraints, ifNotExists: isLenient)
    case "AT_DropColumn": return .dropColumn(try name(), ifExists: isLenient, cascades: cascades)
    case "AT_ColumnDefault":
      guard let node = child(command, "def") else { return .setDefault(try name(), nil, text: nil) }
      return .setDefault(try name(), try expression(node, depth: 0), text: expressionText(node))
    case "AT_SetNotNull": return .setNotNull(try name(), true)
    case "AT_DropNotNull": return .setNotNull(try name(), false)
    case "AT_AlterColumnType":
      let column = try definition()
      guard let type = child(column, "typeName") else { throw damaged(column) }
      return .setType(try name(), try self.type(type), hasUsing: child(column, "raw_default") != nil)
    case "AT_AddConstraint": return .addConstraint(try constraint(try definition(), column: nil))
    case "AT_DropConstraint": return .dropConstraint(try name(), ifExists: isLenient)
    case "AT_SetRelOptions", "AT_ResetRelOptions":
      guard let node = child(command, "def"), let (_, list) = tape.tagged(node) else { throw damaged(command) }
      return .setOptions(try options(child(list, "items")), isReset: text(command, "subtype") == "AT_ResetRelOptions")
    case "AT_ChangeOwner":
      let role = child(command, "newowner")
      let kind = role.flatMap { text($0, "roletype") } ?? "ROLESPEC_CSTRING"
      return .owner(kind == "ROLESPEC_CSTRING" ? role.flatMap { text($0, "rolename") } ?? "" : "")
    case let other:
      // AT_EnableRowSecurity → ENABLE ROW SECURITY
      var words = ""
      for character in other.dropFirst(3) {
        if character.isUppercase, !words.isEmpty { words += " " }
        words += character.uppercased()
      }
      throw .sql("0A000", "ALTER TABLE … \(words) is not supported", position: place)
    }
  }
  private func firstPosition(_ node: Int) -> Int? {
    var inner = node + 1
    while inner < Int(tape.nodes[node].next) {
      if tape.nodes[inner].kind == .object, let offset = location(inner) { return position(atByte: offset) }
      inner += 1
    }
    return nil
  }
  /// Source text of an expression that ends an action: up to a comma, a semicolon or the end.
  private func expressionText(_ node: Int) -> String {
    var first = Int.max
    var inner = node
    while inner < Int(tape.nodes[node].next) {
      if tape.nodes[inner].kind == .object, let offset = location(inner) { first = min(first, offset) }
      inner += 1
    }
    guard first < bytes.count else { return "" }
    return trimmed(first, end(from: first) { $0 == UInt8(ascii: ",") || $0 == UInt8(ascii: ";") })
  }
  /// The first byte outside of literals, comments and parentheses that ends a text.
  private func end(from start: Int, _ isEnd: (UInt8) -> Bool) -> Int {
    var (at, depth) = (start, 0)
    while at < bytes.count {
      let next = ClauseText.skip(bytes, at)
      if next > at {
        at = next
        continue
      }
      switch bytes[at] {
      case UInt8(ascii: "("), UInt8(ascii: "["): depth += 1
      case UInt8(ascii: ")"), UInt8(ascii: "]"):
        if depth == 0 { return at }
        depth -= 1
      case let byte where depth == 0 && isEnd(byte): return at
      default: break
      }
      at += 1
    }
    return bytes.count
  }
  /// The first byte behind a keyword that stands outside of literals, comments and parentheses.
  private func behind(_ word: StaticString, from start: Int) -> Int? {
    var (at, depth) = (start, 0)
    while at < bytes.count {
      let next = ClauseText.skip(bytes, at)
      if next > at {
        at = next
        continue
      }
      if bytes[at] == UInt8(ascii: "(") { depth += 1 }
      if bytes[at] == UInt8(ascii: ")") { depth -= 1 }
      if depth == 0, isWord(word, at) { return at + word.utf8CodeUnitCount }
      at += 1
    }
    return nil
  }
  /// Text of the query behind AS, up to the statement's end.
  private func queryText(behind relation: Int) -> String {
    guard let name = location(relation), let start = behind("as", from: name) else { return "" }
    return trimmed(start, end(from: start) { $0 == UInt8(ascii: ";") })
  }

  // MARK: RENAME

  private func rename(_ body: Int, _ here: Int) throws(TallyError) -> RenameSyntax {
    let word = text(body, "renameType") ?? ""
    guard let newName = text(body, "newname") else { throw damaged(body) }
    let isLenient = flag(body, "missing_ok")
    if word == "OBJECT_SCHEMA" { throw unsupportedHere("ALTER SCHEMA … RENAME", here) }
    guard let relation = child(body, "relation") else {
      throw unsupportedHere(word.replacingPrefix("OBJECT_", with: "ALTER ") + " … RENAME", here)
    }
    let name = try relationName(relation)
    let part: RenameSyntax.Part
    let kind: ObjectKind
    switch word {
    case "OBJECT_COLUMN":
      part = .column(NameSyntax(name: text(body, "subname") ?? "", position: here))
      kind = Self.kind(text(body, "relationType") ?? "") ?? .table
    case "OBJECT_TABCONSTRAINT":
      part = .constraint(NameSyntax(name: text(body, "subname") ?? "", position: here))
      kind = .table
    default:
      guard let found = Self.kind(word), found != .sequence else {
        throw unsupportedHere(word.replacingPrefix("OBJECT_", with: "ALTER ") + " … RENAME", here)
      }
      part = .whole
      kind = found
    }
    return RenameSyntax(kind: kind, name: name, part: part, newName: newName, ifExists: isLenient)
  }

  // MARK: Views, indexes, CREATE TABLE AS

  private func view(_ body: Int, _ here: Int) throws(TallyError) -> ViewSyntax {
    guard let relation = child(body, "view"), let query = child(body, "query"), let (tag, inner) = tape.tagged(query),
      tape.matches(tag, "SelectStmt")
    else { throw damaged(body) }
    if let check = text(body, "withCheckOption"), check != "NO_CHECK_OPTION" { throw unsupportedHere("WITH CHECK OPTION", here) }
    for option in try options(child(body, "options")) {
      throw .sql("0A000", "view option \"\(option.name.name)\" is not supported", position: option.name.position)
    }
    return ViewSyntax(
      name: try relationName(relation, mayBeTemporary: true),
      replaces: flag(body, "replace"),
      isTemporary: isTemporary(relation),
      columns: strings(child(body, "aliases")) ?? [],
      select: try select(inner, depth: 0),
      text: queryText(behind: relation)
    )
  }
  private func index(_ body: Int, _ here: Int) throws(TallyError) -> IndexSyntax {
    guard let relation = child(body, "relation") else { throw damaged(body) }
    try refuse(body, [("indexIncludingParams", "INCLUDE is"), ("tableSpace", "TABLESPACE is")])
    if flag(body, "nulls_not_distinct") { throw unsupportedHere("NULLS NOT DISTINCT", here) }
    let table = try relationName(relation)
    let method = text(body, "accessMethod") ?? "btree"
    var written = ""
    if let start = location(relation) {
      let last = end(from: start) { $0 == UInt8(ascii: ";") }
      if let using = behind("using", from: start) {
        written = "USING " + trimmed(using, last)
      } else if let open = bytes[start..<last].firstIndex(of: UInt8(ascii: "(")) {
        written = "USING btree " + trimmed(open, last)
      }
    }
    var elements: [IndexSyntax.Element] = []
    let texts = elementTexts(behind: relation)
    for (at, item) in tape.elements(child(body, "indexParams")).enumerated() {
      guard let (_, element) = tape.tagged(item) else { throw damaged(item) }
      let isDescending = text(element, "ordering") == "SORTBY_DESC"
      let nulls = text(element, "nulls_ordering") ?? "SORTBY_NULLS_DEFAULT"
      elements.append(
        IndexSyntax.Element(
          column: text(element, "name").map { NameSyntax(name: $0, position: here) },
          text: at < texts.count ? Self.withoutOrder(texts[at]) : "",
          isDescending: isDescending,
          nullsFirst: nulls == "SORTBY_NULLS_DEFAULT" ? isDescending : nulls == "SORTBY_NULLS_FIRST"
        )
      )
    }
    return IndexSyntax(
      name: text(body, "idxname").map { NameSyntax(name: $0, position: here) },
      table: table,
      isUnique: flag(body, "unique"),
      ifNotExists: flag(body, "if_not_exists"),
      elements: elements,
      isPartial: child(body, "whereClause") != nil,
      method: method,
      text: written,
      position: here
    )
  }
  /// The texts between the parentheses behind an index's table.
  private func elementTexts(behind relation: Int) -> [String] {
    guard let name = location(relation) else { return [] }
    let from = behind("using", from: name) ?? name
    guard let open = bytes[from...].firstIndex(of: UInt8(ascii: "(")) else { return [] }
    var texts: [String] = []
    var start = open + 1
    while start < bytes.count {
      let stop = end(from: start) { $0 == UInt8(ascii: ",") }
      texts.append(trimmed(start, stop))
      guard stop < bytes.count, bytes[stop] == UInt8(ascii: ",") else { break }
      start = stop + 1
    }
    return texts
  }
  /// Without ASC, DESC and NULLS FIRST or LAST at its end.
  private static func withoutOrder(_ text: String) -> String {
    var words = text.split(separator: " ", omittingEmptySubsequences: false)[...]
    while let last = words.last, ["asc", "desc", "nulls", "first", "last", ""].contains(last.lowercased()), words.count > 1 {
      words.removeLast()
    }
    return words.joined(separator: " ")
  }
  private func tableAs(_ body: Int, _ here: Int) throws(TallyError) -> TableAsSyntax {
    guard let into = child(body, "into"), let relation = child(into, "rel") else { throw damaged(body) }
    guard let query = child(body, "query"), let (tag, inner) = tape.tagged(query) else { throw damaged(body) }
    guard tape.matches(tag, "SelectStmt") else { throw unsupportedHere("CREATE TABLE AS EXECUTE", here) }
    if let method = text(into, "accessMethod"), method != "columnar", method != "heap" { throw unsupportedHere("USING \(method)", here) }
    if text(into, "tableSpaceName") != nil { throw unsupportedHere("TABLESPACE", here) }
    let written = Self.withoutData(queryText(behind: relation))
    return TableAsSyntax(
      name: try relationName(relation, mayBeTemporary: true),
      ifNotExists: flag(body, "if_not_exists"),
      columns: strings(child(into, "colNames")) ?? [],
      options: try options(child(into, "options")),
      select: try select(inner, depth: 0),
      text: written,
      isEmpty: flag(into, "skipData"),
      temporary: try temporary(relation, text(into, "onCommit"))
    )
  }

  /// A query's text without WITH [NO] DATA behind it.
  private static func withoutData(_ text: String) -> String {
    var rest = text[...]
    func take(_ word: String) -> Bool {
      while let last = rest.last, last.isWhitespace { rest.removeLast() }
      guard rest.lowercased().hasSuffix(word) else { return false }
      rest.removeLast(word.count)
      return rest.last?.isWhitespace ?? true
    }
    guard take("data") else { return text }
    _ = take("no")
    return take("with") ? String(rest) : text
  }

  // MARK: DROP

  /// DROP … IF EXISTS of a kind of object that there is none of; nil for other statements.
  private func dropOfNothing(_ body: Int) throws(TallyError) -> DefinitionSyntax? {
    let kinds = ["OBJECT_AGGREGATE": "aggregate", "OBJECT_TYPE": "type", "OBJECT_DOMAIN": "type", "OBJECT_TRIGGER": "trigger"]
    let word = text(body, "removeType") ?? ""
    let objects = tape.elements(child(body, "objects"))
    if word == "OBJECT_EXTENSION" {
      let names = objects.compactMap { tape.tagged($0) }.compactMap { text($0.body, "sval") }
      return .dropExtension(names: names, ifExists: flag(body, "missing_ok"))
    }
    guard let kind = kinds[word], flag(body, "missing_ok") else { return nil }
    let names = objects.compactMap { tape.tagged($0) }.map { object in
      let name = ["objname", "names", "items"].lazy.compactMap { strings(child(object.body, $0))?.last }.first
      return "\"\(name ?? "")\""
    }
    let tag = "DROP " + word.replacingPrefix("OBJECT_", with: "")
    return .accepted(tag: tag, notice: "\(kind) \(names.joined(separator: ", ")) does not exist, skipping")
  }
  private func dropObjects(_ body: Int, _ here: Int) throws(TallyError) -> DropObjectsSyntax? {
    guard let kind = Self.kind(text(body, "removeType") ?? ""), kind != .sequence else { return nil }
    var names: [NameSyntax] = []
    for object in tape.elements(child(body, "objects")) {
      guard let (tag, list) = tape.tagged(object) else { throw damaged(object) }
      if tape.matches(tag, "String") {
        names.append(NameSyntax(name: text(list, "sval") ?? "", position: here))
        continue
      }
      guard let parts = strings(child(list, "items")), let last = parts.last else { throw damaged(object) }
      names.append(NameSyntax(name: last, schema: parts.count > 1 ? parts[parts.count - 2] : nil, position: here))
    }
    let cascades = text(body, "behavior") == "DROP_CASCADE"
    // Tables and rollups by plain names and nothing else have statements of their own.
    let isPlain = !cascades && names.allSatisfy { $0.schema == nil }
    if isPlain, kind == .table || kind == .rollup { return nil }
    return DropObjectsSyntax(kind: kind, names: names, ifExists: flag(body, "missing_ok"), cascades: cascades)
  }
}
