// InformationSchema.swift — rows of information_schema, as the standard has them and PostgreSQL fills them.
//
// One difference from PostgreSQL: rollups and their levels, which are materialized views, are shown as views. PostgreSQL leaves
// materialized views out of information_schema altogether; tools that list tables from here (Grafana, Metabase) would not offer the
// relations that dashboards are for. Constraints and sequences: ConstraintRows.swift.
import Model

extension SystemRelations {
  func informationSchema(_ name: String) -> SystemRows? {
    switch name {
    case "information_schema_catalog_name": return SystemRows([facts.database]) { _ in { .text($0) } }
    case "schemata": return SystemRows(schemas, schemaCells)
    case "tables": return SystemRows(shown, tableCells)
    case "views": return SystemRows(shown.filter { $0.kind != "r" }, viewCells)
    case "columns": return SystemRows(placed { _ in true }, columnCells)
    case "element_types":
      return SystemRows(placed { PostgresTypes.all[oid: $0.type].map(Self.isArray) ?? false }, elementCells)
    case "table_privileges", "role_table_grants": return SystemRows(grants, grantCells)
    case "column_privileges", "role_column_grants":
      let granted = grants.filter { ["SELECT", "INSERT"].contains($0.privilege) }
        .flatMap { grant in grant.entry.columns.filter { !$0.isDropped }.map { ColumnGrant(grant: grant, column: $0.name) } }
      return SystemRows(granted) { name in
        if name == "column_name" { return { .text($0.column) } }
        let cell = self.grantCells(name)
        return { cell($0.grant) }
      }
    case "routines": return SystemRows(PostgresFunctions.all.records, routineCells)
    case "parameters":
      let parameters = PostgresFunctions.all.records.flatMap { function in
        function.arguments.enumerated().map { Parameter(function: function, number: Int64($0 + 1), type: $1) }
      }
      return SystemRows(parameters, parameterCells)
    case "domains": return SystemRows(PostgresTypes.all.records.filter { $0.kind == "d" }, domainCells)
    case "character_sets":
      return SystemRows([facts.database]) { name in
        switch name {
        case "character_set_name", "form_of_use": return { _ in .text("UTF8") }
        case "character_repertoire": return { _ in .text("UCS") }
        case "default_collate_catalog": return { .text($0) }
        case "default_collate_schema": return { _ in .text("pg_catalog") }
        case "default_collate_name": return { _ in .text("C") }
        default: return { _ in .null }
        }
      }
    case "enabled_roles":
      let own = roles.filter { $0.fact.name == facts.user || $0.fact.name == facts.owner }
      return SystemRows(own) { _ in { .text($0.fact.name) } }
    case "triggers", "applicable_roles", "user_defined_types", "foreign_tables":
      return SystemRows.none
    default: return nil
    }
  }

  /// Relations with rows of their own: neither sequences nor indexes, nor what is another session's.
  private var shown: [RelationRecord] { index.entries.filter { $0.kind != "S" && $0.kind != "i" && !isOthers($0.schema) } }
  private func placed(_ isWanted: (ColumnEntry) -> Bool) -> [PlacedColumn] {
    shown.flatMap { entry in
      entry.columns.enumerated().filter { !$1.isDropped && isWanted($1) }.map { PlacedColumn(entry: entry, number: $0 + 1, column: $1) }
    }
  }
  static func isArray(_ type: PostgresTypeRecord) -> Bool { type.element != 0 && type.length == -1 }

  // MARK: Types, as half of the standard's columns tell of them

  /// What the columns about a type say, when they say anything; nil for other columns.
  private func typeCell(_ name: String, _ oid: Int64, _ modifier: Int64) -> Cell? {
    guard let type = PostgresTypes.all[oid: oid] else { return nil }
    let base = type.kind == "d" ? PostgresTypes.all[oid: type.base] ?? type : type
    let size = type.kind == "d" ? type.baseModifier : modifier
    switch name {
    case "data_type":
      if Self.isArray(base) { return .text("ARRAY") }
      if base.namespace != ObjectNumbers.catalogSchema { return .text("USER-DEFINED") }
      return .text(TypeNumbers.text(of: base.oid, modifier: nil, isVisible: { _ in true }))
    case "udt_catalog": return .text(facts.database)
    case "udt_schema": return .text(SchemaEntry.all.first { $0.oid == base.namespace }?.name ?? "")
    case "udt_name": return .text(base.name)
    case "domain_catalog": return type.kind == "d" ? .text(facts.database) : .null
    case "domain_schema": return type.kind == "d" ? .text("information_schema") : .null
    case "domain_name": return type.kind == "d" ? .text(type.name) : .null
    case "character_maximum_length": return [1042, 1043].contains(base.oid) && size > 0 ? .number(size - 4) : .null
    case "character_octet_length":
      guard [25, 1042, 1043].contains(base.oid) else { return .null }
      return .number(size > 0 && base.oid != 25 ? (size - 4) * 4 : 1 << 30)
    case "numeric_precision":
      switch base.oid {
      case 21: return .number(16)
      case 23: return .number(32)
      case 20: return .number(64)
      case 700: return .number(24)
      case 701: return .number(53)
      case 1700: return size > 0 ? .number((size - 4) >> 16 & 0xffff) : .null
      default: return .null
      }
    case "numeric_precision_radix":
      return [20, 21, 23, 700, 701].contains(base.oid) ? .number(2) : base.oid == 1700 ? .number(10) : .null
    case "numeric_scale":
      if [20, 21, 23].contains(base.oid) { return .number(0) }
      return base.oid == 1700 && size > 0 ? .number((size - 4) & 0x7ff) : .null
    case "datetime_precision":
      if base.oid == 1082 { return .number(0) }
      return [1083, 1114, 1184, 1186, 1266].contains(base.oid) ? .number(size >= 0 ? size : 6) : .null
    case "collation_catalog": return base.collation == ObjectNumbers.plainCollation ? .text(facts.database) : .null
    case "collation_schema": return base.collation == ObjectNumbers.plainCollation ? .text("pg_catalog") : .null
    case "collation_name": return base.collation == ObjectNumbers.plainCollation ? .text("C") : .null
    default: return nil
    }
  }

  // MARK: Relations

  private func schemaCells(_ name: String) -> (SchemaEntry) -> Cell {
    switch name {
    case "catalog_name": return { _ in .text(self.facts.database) }
    case "schema_name": return { .text($0.name) }
    case "schema_owner": return { _ in .text(self.facts.owner) }
    default: return { _ in .null }
    }
  }
  private func tableCells(_ name: String) -> (RelationRecord) -> Cell {
    switch name {
    case "table_catalog": return { _ in .text(self.facts.database) }
    case "table_schema": return { .text($0.schema) }
    case "table_name": return { .text($0.name) }
    case "table_type":
      return { .text($0.kind != "r" ? "VIEW" : TemporarySchema.isOne($0.schema) ? "LOCAL TEMPORARY" : "BASE TABLE") }
    case "is_insertable_into": return { .yes($0.kind == "r" && !$0.isSystem) }
    case "is_typed": return { _ in .text("NO") }
    default: return { _ in .null }
    }
  }
  private func viewCells(_ name: String) -> (RelationRecord) -> Cell {
    switch name {
    case "table_catalog": return { _ in .text(self.facts.database) }
    case "table_schema": return { .text($0.schema) }
    case "table_name": return { .text($0.name) }
    case "view_definition": return { .optional($0.definition) }
    case "check_option": return { _ in .text("NONE") }
    default: return { _ in .text("NO") }
    }
  }
  private func columnCells(_ name: String) -> (PlacedColumn) -> Cell {
    switch name {
    case "table_catalog": return { _ in .text(self.facts.database) }
    case "table_schema": return { .text($0.entry.schema) }
    case "table_name": return { .text($0.entry.name) }
    case "column_name": return { .text($0.column.name) }
    case "ordinal_position": return { .number(Int64($0.number)) }
    case "column_default": return { .optional($0.column.defaultSQL) }
    case "is_nullable": return { .yes(!$0.column.isNotNull) }
    case "dtd_identifier": return { .text(String($0.number)) }
    case "is_self_referencing": return { _ in .text("NO") }
    case "is_updatable": return { .yes($0.entry.kind == "r" && !$0.entry.isSystem) }
    case "is_identity", "identity_generation", "identity_start", "identity_increment", "identity_maximum", "identity_minimum",
      "identity_cycle":
      return { self.identityCell(name, $0) }
    case "is_generated": return { _ in .text("NEVER") }
    default: return { self.typeCell(name, $0.column.type, $0.column.modifier) ?? .null }
    }
  }
  private func elementCells(_ name: String) -> (PlacedColumn) -> Cell {
    switch name {
    case "object_catalog": return { _ in .text(self.facts.database) }
    case "object_schema": return { .text($0.entry.schema) }
    case "object_name": return { .text($0.entry.name) }
    case "object_type": return { .text($0.entry.kind == "r" ? "TABLE" : "VIEW") }
    case "collection_type_identifier": return { .text(String($0.number)) }
    case "dtd_identifier": return { .text("a\($0.number)") }
    // Sizes of elements are not told: PostgreSQL leaves them out too.
    case "data_type", "udt_catalog", "udt_schema", "udt_name":
      return { self.typeCell(name, PostgresTypes.all[oid: $0.column.type]?.element ?? 0, -1) ?? .null }
    default: return { _ in .null }
    }
  }
  private func domainCells(_ name: String) -> (PostgresTypeRecord) -> Cell {
    switch name {
    case "domain_catalog": return { _ in .text(self.facts.database) }
    case "domain_schema": return { _ in .text("information_schema") }
    case "domain_name": return { .text($0.name) }
    case "dtd_identifier": return { _ in .text("1") }
    default: return { self.typeCell(name, $0.oid, -1) ?? .null }
    }
  }

  // MARK: Privileges

  /// Who may do what: the owner everything that can be done, everybody read the system's relations.
  private struct Grant {
    var entry: RelationRecord
    var privilege: String
  }
  private struct ColumnGrant {
    var grant: Grant
    var column: String
  }
  private var grants: [Grant] {
    shown.flatMap { entry -> [Grant] in
      let words = entry.kind == "r" && !entry.isSystem ? ["INSERT", "SELECT", "UPDATE", "DELETE", "TRUNCATE"] : ["SELECT"]
      return words.map { Grant(entry: entry, privilege: $0) }
    }
  }
  private func grantCells(_ name: String) -> (Grant) -> Cell {
    switch name {
    case "grantor": return { _ in .text(self.facts.owner) }
    case "grantee": return { .text($0.entry.isSystem ? "PUBLIC" : self.facts.owner) }
    case "table_catalog": return { _ in .text(self.facts.database) }
    case "table_schema": return { .text($0.entry.schema) }
    case "table_name": return { .text($0.entry.name) }
    case "privilege_type": return { .text($0.privilege) }
    case "is_grantable": return { .yes(!$0.entry.isSystem) }
    case "with_hierarchy": return { .yes($0.privilege == "SELECT") }
    default: return { _ in .null }
    }
  }

  // MARK: Functions

  private struct Parameter {
    var function: PostgresFunctionRecord
    var number: Int64
    var type: Int64
  }
  private static func specificName(_ function: PostgresFunctionRecord) -> String { "\(function.name)_\(function.oid)" }
  private static func schemaName(_ oid: Int64) -> String { SchemaEntry.all.first { $0.oid == oid }?.name ?? "" }

  private func routineCells(_ name: String) -> (PostgresFunctionRecord) -> Cell {
    switch name {
    case "specific_catalog", "routine_catalog", "type_udt_catalog": return { _ in .text(self.facts.database) }
    case "specific_schema", "routine_schema": return { .text(Self.schemaName($0.namespace)) }
    case "specific_name": return { .text(Self.specificName($0)) }
    case "routine_name", "routine_definition": return { .text($0.name) }
    // Aggregates and window functions have none in the standard, and in PostgreSQL.
    case "routine_type": return { $0.kind == "f" ? .text("FUNCTION") : .null }
    case "data_type": return { self.typeCell("data_type", $0.result, -1) ?? .null }
    case "type_udt_schema": return { self.typeCell("udt_schema", $0.result, -1) ?? .null }
    case "type_udt_name": return { self.typeCell("udt_name", $0.result, -1) ?? .null }
    case "dtd_identifier", "max_dynamic_result_sets": return { _ in name == "dtd_identifier" ? .text("0") : .number(0) }
    case "routine_body": return { _ in .text("EXTERNAL") }
    case "external_language": return { _ in .text("INTERNAL") }
    case "parameter_style": return { _ in .text("GENERAL") }
    case "is_deterministic": return { .yes($0.volatility == "i") }
    case "sql_data_access": return { _ in .text("MODIFIES") }
    case "is_null_call": return { .yes($0.isStrict) }
    case "schema_level_routine": return { _ in .text("YES") }
    case "security_type": return { _ in .text("INVOKER") }
    case "as_locator", "is_udt_dependent": return { _ in .text("NO") }
    default: return { _ in .null }
    }
  }
  private func parameterCells(_ name: String) -> (Parameter) -> Cell {
    switch name {
    case "specific_catalog": return { _ in .text(self.facts.database) }
    case "specific_schema": return { .text(Self.schemaName($0.function.namespace)) }
    case "specific_name": return { .text(Self.specificName($0.function)) }
    case "ordinal_position": return { .number($0.number) }
    case "parameter_mode": return { _ in .text("IN") }
    case "is_result", "as_locator": return { _ in .text("NO") }
    case "dtd_identifier": return { .text(String($0.number)) }
    case "data_type", "udt_catalog", "udt_schema", "udt_name": return { self.typeCell(name, $0.type, -1) ?? .null }
    default: return { _ in .null }
    }
  }
}
