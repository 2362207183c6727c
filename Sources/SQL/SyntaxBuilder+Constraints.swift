// SyntaxBuilder+Constraints.swift — constraints, identity columns and sequences, and the source text of clauses that the catalog keeps.
import Model

extension SyntaxBuilder {
  /// A constraint of a table, or of the column it stands behind.
  func constraint(_ node: Int, column: NameSyntax?) throws(TallyError) -> ConstraintSyntax {
    let name = text(node, "conname")
    let place = position(node)
    if flag(node, "deferrable") || flag(node, "initdeferred") { throw unsupported("a deferrable constraint is", node) }
    func result(_ kind: ConstraintSyntax.Kind) -> ConstraintSyntax {
      ConstraintSyntax(name: name, kind: kind, column: column?.name, position: place)
    }
    switch text(node, "contype") ?? "" {
    case "CONSTR_PRIMARY": return result(.primaryKey(try keys(node, column)))
    case "CONSTR_UNIQUE":
      if flag(node, "nulls_not_distinct") { throw unsupported("NULLS NOT DISTINCT is", node) }
      return result(.unique(try keys(node, column)))
    case "CONSTR_CHECK":
      guard let raw = child(node, "raw_expr") else { throw damaged(node) }
      if flag(node, "is_no_inherit") { throw unsupported("NO INHERIT is", node) }
      if flag(node, "skip_validation") { throw unsupported("NOT VALID is", node) }
      return result(.check(try expression(raw, depth: 0), text: clauseText(after: node, word: "check")))
    case "CONSTR_FOREIGN":
      return result(try foreignKey(node, column))
    case "CONSTR_GENERATED": throw unsupported("GENERATED ALWAYS AS … STORED is", node, hint: "Compute it in queries or in a rollup.")
    case "CONSTR_EXCLUSION": throw unsupported("EXCLUDE is", node)
    case "CONSTR_ATTR_DEFERRABLE", "CONSTR_ATTR_DEFERRED": throw unsupported("a deferrable constraint is", node)
    default: throw unsupported("this constraint is", node)
    }
  }
  private func keys(_ node: Int, _ column: NameSyntax?) throws(TallyError) -> [NameSyntax] {
    try refuse(node, [("including", "INCLUDE is"), ("options", "WITH of a constraint is"), ("indexspace", "USING INDEX TABLESPACE is")])
    if text(node, "indexname") != nil { throw unsupported("USING INDEX is", node) }
    if let column { return [column] }
    let place = position(node)
    return (strings(child(node, "keys")) ?? []).map { NameSyntax(name: $0, position: place) }
  }
  private func foreignKey(_ node: Int, _ column: NameSyntax?) throws(TallyError) -> ConstraintSyntax.Kind {
    if flag(node, "skip_validation") { throw unsupported("NOT VALID is", node) }
    if text(node, "fk_matchtype") == "f" { throw unsupported("MATCH FULL is", node) }
    func restricts(_ key: StaticString, _ event: String) throws(TallyError) -> Bool {
      switch text(node, key) ?? "a" {
      case "a": return false
      case "r": return true
      case let action:
        let words = ["c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"]
        throw unsupported(
          "ON \(event) \(words[action] ?? action) is",
          node,
          hint: "NO ACTION and RESTRICT are: change the rows that refer to others first, in the same transaction."
        )
      }
    }
    guard let relation = child(node, "pktable") else { throw damaged(node) }
    let place = position(node)
    func names(_ key: StaticString) -> [NameSyntax] { (strings(child(node, key)) ?? []).map { NameSyntax(name: $0, position: place) } }
    let restriction = ForeignKeyRestriction(
      update: try restricts("fk_upd_action", "UPDATE"),
      delete: try restricts("fk_del_action", "DELETE")
    )
    return .foreignKey(
      columns: column.map { [$0] } ?? names("fk_attrs"),
      table: try relationName(relation),
      referenced: names("pk_attrs"),
      restricts: restriction
    )
  }

  // MARK: Sequences

  func identity(_ node: Int) throws(TallyError) -> IdentitySyntax {
    IdentitySyntax(
      kind: text(node, "generated_when") == "a" ? .always : .byDefault,
      options: try sequenceOptions(child(node, "options")),
      position: position(node)
    )
  }
  func createSequence(_ body: Int) throws(TallyError) -> SequenceSyntax {
    guard let relation = child(body, "sequence") else { throw damaged(body) }
    return SequenceSyntax(
      name: try relationName(relation),
      options: try sequenceOptions(child(body, "options")),
      isLenient: flag(body, "if_not_exists")
    )
  }
  func alterSequence(_ body: Int) throws(TallyError) -> SequenceSyntax {
    guard let relation = child(body, "sequence") else { throw damaged(body) }
    return SequenceSyntax(
      name: try relationName(relation),
      options: try sequenceOptions(child(body, "options")),
      isLenient: flag(body, "missing_ok")
    )
  }
  func sequenceOptions(_ list: Int?) throws(TallyError) -> [SequenceOption] {
    var result: [SequenceOption] = []
    for item in tape.elements(list) {
      guard let (_, option) = tape.tagged(item), let name = text(option, "defname") else { throw damaged(item) }
      let place = position(option)
      guard !result.contains(where: { $0.word == name }) else {
        throw .sql("42601", "conflicting or redundant options", position: place)
      }
      result.append(SequenceOption(kind: try sequenceOption(name, option), position: place))
    }
    return result
  }
  private func sequenceOption(_ name: String, _ option: Int) throws(TallyError) -> SequenceOption.Kind {
    switch name {
    case "as":
      guard let argument = child(option, "arg"), let (_, node) = tape.tagged(argument) else { throw damaged(option) }
      return .type(try type(node))
    case "start": return .start(try number(option))
    case "increment": return .increment(try number(option))
    case "minvalue": return .least(child(option, "arg") == nil ? nil : try number(option))
    case "maxvalue": return .greatest(child(option, "arg") == nil ? nil : try number(option))
    case "cache": return .cache(try number(option))
    case "restart": return .restart(child(option, "arg") == nil ? nil : try number(option))
    case "cycle":
      guard let argument = child(option, "arg") else { return .cycle(true) }
      return .cycle(try optionText(argument) == "true")
    case "owned_by":
      guard let argument = child(option, "arg"), let (_, list) = tape.tagged(argument), let parts = strings(child(list, "items"))
      else { throw damaged(option) }
      if parts.count == 1, parts[0] == "none" { return .ownedByNone }
      guard parts.count >= 2 else {
        throw .sql("42601", "invalid OWNED BY option", hint: "Specify OWNED BY table.column or OWNED BY NONE.")
      }
      let schema = parts.count > 2 ? parts[parts.count - 3] : nil
      let table = NameSyntax(name: parts[parts.count - 2], schema: schema == "public" ? nil : schema, position: position(option))
      return .ownedBy(table: table, column: parts[parts.count - 1])
    default: throw unsupported("option \(name) of a sequence is", option)
    }
  }
  /// The number of an option. The JSON leaves negative integers out: the text has them.
  private func number(_ option: Int) throws(TallyError) -> Int64 {
    guard let argument = child(option, "arg"), let (tag, body) = tape.tagged(argument) else { throw damaged(option) }
    if tape.matches(tag, "Float") {
      let digits = text(body, "fval") ?? ""
      guard let value = Int64(digits) else {
        throw .sql("22003", "value \"\(digits)\" is out of range for type bigint", position: position(option))
      }
      return value
    }
    if let value = child(body, "ival").flatMap({ tape.integer($0) }), value != 0 { return Int64(value) }
    guard var at = location(option) else { return 0 }
    func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
    while at < bytes.count, bytes[at] != UInt8(ascii: "-"), !isDigit(bytes[at]) { at += 1 }
    guard at < bytes.count, bytes[at] == UInt8(ascii: "-") else { return 0 }
    let rest = bytes[(at + 1)...].drop { $0 <= 0x20 }
    return Int64("-" + String(decoding: rest.prefix(while: isDigit), as: UTF8.self)) ?? 0
  }

  // MARK: Source text

  /// The text of a column's DEFAULT or of a CHECK, without the parentheses that CHECK demands: what the catalog keeps.
  func clauseText(after constraint: Int, word: StaticString) -> String {
    guard var start = location(constraint) else { return "" }
    // A named one begins with CONSTRAINT name.
    while start < bytes.count, !isWord(word, start) { start = max(start + 1, ClauseText.skip(bytes, start)) }
    start += word.utf8CodeUnitCount
    var at = start
    var depth = 0
    let isCheck = word.utf8CodeUnitCount == 5
    while at < bytes.count {
      let byte = bytes[at]
      let next = ClauseText.skip(bytes, at)
      if next > at {
        at = next
        continue
      }
      if byte == UInt8(ascii: "(") || byte == UInt8(ascii: "[") {
        depth += 1
        if isCheck, depth == 1 { start = at + 1 }
      } else if byte == UInt8(ascii: ")") || byte == UInt8(ascii: "]") {
        depth -= 1
        if depth < (isCheck ? 1 : 0) { break }
      } else if depth == 0, !isCheck {
        if byte == UInt8(ascii: ",") || byte == UInt8(ascii: ";") { break }
        if ClauseText.enders.contains(where: { isWord($0, at) }), at > start + 1, !trimmed(start, at).isEmpty { break }
      }
      at += 1
    }
    return trimmed(start, min(at, bytes.count))
  }
}

extension SequenceOption {
  /// The grammar's word for it, of which a statement may have one.
  fileprivate var word: String {
    switch kind {
    case .type: "as"
    case .start: "start"
    case .increment: "increment"
    case .least: "minvalue"
    case .greatest: "maxvalue"
    case .cycle: "cycle"
    case .cache: "cache"
    case .ownedBy, .ownedByNone: "owned_by"
    case .restart: "restart"
    }
  }
}

/// Where literals and comments of a text end.
enum ClauseText {
  /// Words that end a column's DEFAULT.
  static let enders: [StaticString] = ["not", "null", "constraint", "check", "primary", "unique", "references", "generated", "collate"]

  /// The first byte behind a literal, quoted name or comment that begins at a byte; the byte itself when none does.
  static func skip(_ bytes: [UInt8], _ at: Int) -> Int {
    func next(_ offset: Int) -> UInt8 { at + offset < bytes.count ? bytes[at + offset] : 0 }
    switch bytes[at] {
    case UInt8(ascii: "'"):
      let isEscaped = at > 0 && bytes[at - 1] | 0x20 == UInt8(ascii: "e") && (at < 2 || !SyntaxBuilder.isNamePart(bytes[at - 2]))
      return quoted(bytes, at, UInt8(ascii: "'"), isEscaped)
    case UInt8(ascii: "\""): return quoted(bytes, at, UInt8(ascii: "\""), false)
    case UInt8(ascii: "-") where next(1) == UInt8(ascii: "-"):
      return bytes[at...].firstIndex(of: 0x0a) ?? bytes.count
    case UInt8(ascii: "/") where next(1) == UInt8(ascii: "*"):
      var (end, depth) = (at + 2, 1)
      while end + 1 < bytes.count, depth > 0 {
        if bytes[end] == UInt8(ascii: "*"), bytes[end + 1] == UInt8(ascii: "/") {
          (depth, end) = (depth - 1, end + 2)
        } else if bytes[end] == UInt8(ascii: "/"), bytes[end + 1] == UInt8(ascii: "*") {
          (depth, end) = (depth + 1, end + 2)
        } else {
          end += 1
        }
      }
      return end
    case UInt8(ascii: "$") where at == 0 || !SyntaxBuilder.isNamePart(bytes[at - 1]): return dollarQuoted(bytes, at)
    default: return at
    }
  }
  private static func quoted(_ bytes: [UInt8], _ start: Int, _ quote: UInt8, _ isEscaped: Bool) -> Int {
    var at = start + 1
    while at < bytes.count {
      if isEscaped, bytes[at] == UInt8(ascii: "\\") {
        at += 2
      } else if bytes[at] == quote {
        guard at + 1 < bytes.count, bytes[at + 1] == quote else { return at + 1 }
        at += 2
      } else {
        at += 1
      }
    }
    return bytes.count
  }
  private static func dollarQuoted(_ bytes: [UInt8], _ start: Int) -> Int {
    guard let close = bytes[(start + 1)...].firstIndex(of: UInt8(ascii: "$")) else { return start }
    let tag = bytes[start...close]
    guard tag.dropFirst().dropLast().allSatisfy({ SyntaxBuilder.isNamePart($0) && $0 != 0x24 && $0 != 0x22 }),
      !(bytes[start + 1] >= 0x30 && bytes[start + 1] <= 0x39)
    else { return start }
    var at = close + 1
    while at + tag.count <= bytes.count {
      if bytes[at] == 0x24, bytes[at..<(at + tag.count)].elementsEqual(tag) { return at + tag.count }
      at += 1
    }
    return bytes.count
  }
}
