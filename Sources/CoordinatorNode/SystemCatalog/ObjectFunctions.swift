// ObjectFunctions.swift — functions that tell of an object by its number: types, columns, functions, relations, and comments on them.
//
// Of kinds of objects that cannot exist here (triggers, rules, statistics) every number is unknown: NULL.
import Model
import Planning

extension SystemRelations {
  func objectFunctions(_ name: String) -> [HostedFunction] {
    /// Every number is unknown, whatever else is asked about it.
    func unknown(_ type: DataType, _ shapes: [[DataType]]) -> [HostedFunction] {
      shapes.map { HostedFunction(name, $0, type) { _ in .null } }
    }
    switch name {
    case "format_type":
      return [
        HostedFunction(name, [.oid, .integer], .text, isStrict: false) { arguments in
          if arguments[0].isNull { return .null }
          let modifier = arguments[1].isNull ? nil : arguments.number(1)
          return .text(TypeNumbers.text(of: arguments.number(0), modifier: modifier, isVisible: self.isSearched))
        }
      ]
    // A default is kept as the SQL it was written as: that is what pg_attrdef.adbin holds.
    case "pg_get_expr":
      return [
        HostedFunction(name, [.text, .oid], .text) { $0[0] }, HostedFunction(name, [.text, .oid, .boolean], .text) { $0[0] },
      ]
    case "pg_get_triggerdef", "pg_get_ruledef": return unknown(.text, [[.oid], [.oid, .boolean]])
    case "pg_get_statisticsobjdef_columns", "pg_get_statisticsobjdef", "pg_get_partkeydef": return unknown(.text, [[.oid]])
    case "pg_get_viewdef":
      return [
        HostedFunction(name, [.oid], .text) { .optional(self.index[oid: $0.number(0)]?.definition) },
        HostedFunction(name, [.oid, .boolean], .text) { .optional(self.index[oid: $0.number(0)]?.definition) },
        HostedFunction(name, [.oid, .integer], .text) { .optional(self.index[oid: $0.number(0)]?.definition) },
        HostedFunction(name, [.text], .text) { (arguments) throws(TallyError) in
          .optional(try self.existing(arguments.text(0)).definition)
        },
        HostedFunction(name, [.text, .boolean], .text) { (arguments) throws(TallyError) in
          .optional(try self.existing(arguments.text(0)).definition)
        },
      ]
    case "pg_get_userbyid":
      return [HostedFunction(name, [.oid], .name) { .text(self.roleName($0.number(0)) ?? "unknown (OID=\($0.number(0)))") }]
    case "pg_get_function_result":
      return [
        HostedFunction(name, [.oid], .text) { arguments in
          if let user = self.userFunction(arguments.number(0)) { return .optional(user.shownResult) }
          guard let function = PostgresFunctions.all[oid: arguments.number(0)] else { return .null }
          return .text((function.isSet ? "SETOF " : "") + self.typeText(function.result))
        }
      ]
    case "pg_get_function_arguments", "pg_get_function_identity_arguments":
      return [
        HostedFunction(name, [.oid], .text) { arguments in
          if let user = self.userFunction(arguments.number(0)) {
            return .text(user.shownArguments(isIdentity: name == "pg_get_function_identity_arguments"))
          }
          guard let function = PostgresFunctions.all[oid: arguments.number(0)] else { return .null }
          var shown = function.arguments.map { self.typeText($0) }
          if function.isVariadic, let last = shown.popLast() { shown.append("VARIADIC " + last) }
          return .text(shown.joined(separator: ", "))
        }
      ]
    case "pg_get_functiondef":
      return [
        HostedFunction(name, [.oid], .text) { (arguments) throws(TallyError) in
          if let user = self.userFunction(arguments.number(0)) { return .text(user.definition) }
          guard let function = PostgresFunctions.all[oid: arguments.number(0)] else {
            throw .sql("XX000", "cache lookup failed for function \(arguments.number(0))")
          }
          throw .sql("0A000", "function \(function.name) is built in and has no definition in SQL")
        }
      ]
    case "obj_description":
      return [
        HostedFunction(name, [.oid], .text) { .optional(self.description($0.number(0), nil)) },
        HostedFunction(name, [.oid, .name], .text) { arguments in
          guard let catalog = self.index["pg_catalog", arguments.text(1)]?.oid else { return .null }
          return .optional(self.description(arguments.number(0), catalog))
        },
      ]
    // Nothing that is shared has a comment.
    case "shobj_description": return unknown(.text, [[.oid, .name]])
    case "col_description":
      return [
        HostedFunction(name, [.oid, .integer], .text) { .optional(self.description($0.number(0), 1259, part: $0.number(1))) }
      ]
    case "pg_relation_is_publishable":
      // Rows leave by backups and queries, not by publications.
      return [HostedFunction(name, [.regclass], .boolean) { .truth(self.index[oid: $0.number(0)] == nil ? nil : false) }]
    case "pg_relation_filenode":
      return [
        HostedFunction(name, [.regclass], .oid) { arguments in
          guard let entry = self.index[oid: arguments.number(0)], entry.kind != "v", !entry.isSystem else { return .null }
          return .fixed(entry.oid)
        }
      ]
    case "pg_tablespace_location": return [HostedFunction(name, [.oid], .text) { _ in .text("") }]
    case "row_security_active":
      return [
        HostedFunction(name, [.oid], .boolean) { _ in .truth(false) }, HostedFunction(name, [.text], .boolean) { _ in .truth(false) },
      ]
    case "parse_ident":
      return [
        HostedFunction(name, [.text], .array(.text)) { (arguments) throws(TallyError) in
          try SystemName.identifiers(arguments.text(0), isStrict: true).value()
        },
        HostedFunction(name, [.text, .boolean], .array(.text)) { (arguments) throws(TallyError) in
          try SystemName.identifiers(arguments.text(0), isStrict: arguments.isTrue(1)).value()
        },
      ]
    case "to_regclass": return [lookUpFunction(name, .regclass)]
    case "to_regtype": return [lookUpFunction(name, .regtype)]
    case "to_regproc": return [lookUpFunction(name, .regproc)]
    case "to_regnamespace": return [lookUpFunction(name, .regnamespace)]
    case "to_regrole": return [lookUpFunction(name, .regrole)]
    default: return []
    }
  }
  private func userFunction(_ oid: Int64) -> FunctionRecord? {
    catalog.functions.first { ObjectNumbers.relation($0.id) == oid }
  }
  private func typeText(_ oid: Int64) -> String { TypeNumbers.text(of: oid, modifier: nil, isVisible: isSearched) }
  /// NULL for a name of nothing; a name that is none fails.
  private func lookUpFunction(_ name: String, _ type: DataType) -> HostedFunction {
    HostedFunction(name, [.text], type) { (arguments) throws(TallyError) in
      let text = arguments.text(0)
      // Numbers are no names here, unlike in a cast.
      if Self.isNumber(text) || text == "-" { return .null }
      do throws(TallyError) { return .fixed(try self.lookUp(text, as: type)) } catch {
        guard ["42P01", "42704", "42883", "42725", "3F000"].contains(error.sqlState) else { throw error }
        return .null
      }
    }
  }
  private func description(_ object: Int64, _ catalog: Int64?, part: Int64 = 0) -> String? {
    descriptions.first { $0.object == object && $0.part == part && (catalog == nil || $0.catalog == catalog) }?.text
  }
  static func requireColumn(_ name: String, _ entry: RelationRecord) throws(TallyError) {
    guard entry.columns.contains(where: { $0.name == name }) else {
      throw .sql("42703", "column \"\(name)\" of relation \"\(entry.name)\" does not exist")
    }
  }
}
