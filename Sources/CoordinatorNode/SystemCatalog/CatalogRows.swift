// CatalogRows.swift — rows of pg_catalog about schemas, relations, columns, types and functions.
//
// Row types of relations (reltype) do not exist here: 0. A table's own columns are all it has: no ctid, xmin and the like. Texts have
// the collation `default`, which is C.
import Model

extension SystemRelations {
  func catalogRows(_ name: String) -> SystemRows? {
    switch name {
    case "pg_namespace": return SystemRows(schemas, Self.namespace)
    case "pg_class": return SystemRows(index.entries, relationCells)
    case "pg_attribute":
      return SystemRows(
        index.entries.flatMap { entry in entry.columns.enumerated().map { PlacedColumn(entry: entry, number: $0 + 1, column: $1) } },
        Self.attribute
      )
    case "pg_attrdef":
      return SystemRows(defaults) { name in
        switch name {
        case "oid": return { .number($0.oid) }
        case "adrelid": return { .number($0.entry.oid) }
        case "adnum": return { .number(Int64($0.number)) }
        case "adbin": return { .optional($0.column.defaultSQL) }
        default: return { _ in .null }
        }
      }
    case "pg_type": return SystemRows(PostgresTypes.all.records, Self.type)
    case "pg_proc": return SystemRows(PostgresFunctions.all.records + catalog.functions.map { PostgresFunctionRecord($0) }, Self.function)
    case "pg_operator": return SystemRows(PostgresOperatorRecord.all, Self.operatorCells)
    case "pg_cast":
      return SystemRows(PostgresCastRecord.all) { name in
        switch name {
        case "oid": return { .number($0.oid) }
        case "castsource": return { .number($0.source) }
        case "casttarget": return { .number($0.target) }
        case "castfunc": return { .number($0.function) }
        case "castcontext": return { .text($0.context) }
        default: return { .text($0.method) }
        }
      }
    case "pg_aggregate": return SystemRows(PostgresFunctions.all.records.filter { $0.kind == "a" }, Self.aggregate)
    case "pg_tables", "pg_views", "pg_matviews": return listed(name)
    case "pg_description":
      return SystemRows(descriptions) { name in
        switch name {
        case "objoid": return { .number($0.object) }
        case "classoid": return { .number($0.catalog) }
        case "objsubid": return { .number($0.part) }
        default: return { .text($0.text) }
        }
      }
    default: return nil
    }
  }

  /// A column at its place.
  struct PlacedColumn {
    var entry: RelationRecord
    /// From 1.
    var number: Int
    var column: ColumnEntry
    /// The number of its default.
    var oid: Int64 { entry.objectID.map { ObjectNumbers.columnDefault($0, column: number) } ?? 0 }
  }
  private var defaults: [PlacedColumn] {
    index.entries.flatMap { entry in
      entry.columns.enumerated().compactMap { at, column in
        column.defaultSQL == nil ? nil : PlacedColumn(entry: entry, number: at + 1, column: column)
      }
    }
  }

  private static func namespace(_ name: String) -> (SchemaEntry) -> Cell {
    switch name {
    case "oid": return { .number($0.oid) }
    case "nspname": return { .text($0.name) }
    case "nspowner": return { _ in .number(ObjectNumbers.owner) }
    default: return { _ in .null }
    }
  }

  private func relationCells(_ name: String) -> (RelationRecord) -> Cell {
    switch name {
    case "oid": return { .number($0.oid) }
    case "relname": return { .text($0.name) }
    case "relnamespace": return { .number($0.namespace) }
    case "relowner": return { _ in .number(ObjectNumbers.owner) }
    case "relam":
      return { entry in
        if case .index(let index) = entry.origin { return .number(index.accessMethod) }
        return .number(["v": 0, "S": 0][entry.kind] ?? ObjectNumbers.heap)
      }
    case "relfilenode": return { .number($0.kind == "v" || $0.isSystem ? 0 : $0.oid) }
    // PostgreSQL keeps references by triggers; clients look for constraints where there are some.
    case "relhastriggers":
      let referred = Set(self.catalog.tables.flatMap(\.references).map(\.table))
      return { .flag(Self.table($0).map { !$0.references.isEmpty || referred.contains($0.id) } ?? false) }
    case "relhasindex": return { .flag(Self.table($0).map { !$0.keys.isEmpty || !$0.indexes.isEmpty } ?? false) }
    case "relchecks": return { .number(Int64(Self.table($0)?.checks.count ?? 0)) }
    case "reltuples":
      // -1 is PostgreSQL's "never counted".
      return { .real(self.rowCount(of: $0).map(Double.init) ?? -1) }
    case "relpages": return { .number(self.bytes(of: $0).map { min($0 / 8192, Int64(Int32.max)) } ?? 0) }
    case "relpersistence": return { .text(TemporarySchema.isOne($0.schema) ? "t" : "p") }
    case "relkind": return { .text($0.kind) }
    case "relnatts": return { .number(Int64($0.columns.count)) }
    case "relispopulated": return { _ in .flag(true) }
    case "relreplident": return { .text($0.isSystem || ["v", "i", "S"].contains($0.kind) ? "n" : "d") }
    case "reloptions": return { Self.options($0).map { .texts($0) } ?? .null }
    case "relacl", "relpartbound": return { _ in .null }
    case "relisshared", "relhasrules", "relhassubclass", "relrowsecurity", "relforcerowsecurity",
      "relispartition":
      return { _ in .flag(false) }
    // reltype, reloftype, reltablespace, relallvisible, reltoastrelid, relrewrite, relfrozenxid, relminmxid
    default: return { _ in .number(0) }
    }
  }
  /// What WITH (…) said.
  private static func options(_ entry: RelationRecord) -> [String]? {
    func text(_ span: Interval) -> String { ValueText.print(.interval(span), as: .interval) ?? "" }
    switch entry.origin {
    case .table(let table):
      var out: [String] = []
      if let time = table.timeColumn { out.append("time=" + table.columns[time].name) }
      if let keep = table.keep { out.append("keep=" + text(keep)) }
      return out.isEmpty ? nil : out
    case .rollup(let rollup, let level):
      if let level { return rollup.levels[level].keep.map { ["keep=" + text($0)] } }
      let keeps = rollup.levels.map { $0.keep.map(text) ?? "forever" }
      return ["rollup=true", "levels=" + rollup.levels.map(\.suffix).joined(separator: ", "), "keep=" + keeps.joined(separator: ", ")]
    case .sequence, .index, .view, .system: return nil
    }
  }
  private static func table(_ entry: RelationRecord) -> TableSchema? {
    guard case .table(let table) = entry.origin else { return nil }
    return table
  }

  private static func attribute(_ name: String) -> (PlacedColumn) -> Cell {
    func type(_ value: @escaping (PostgresTypeRecord) -> Cell) -> (PlacedColumn) -> Cell {
      { PostgresTypes.all[oid: $0.column.type].map(value) ?? .null }
    }
    switch name {
    case "attrelid": return { .number($0.entry.oid) }
    case "attname": return { .text($0.column.name) }
    case "atttypid": return { .number($0.column.type) }
    case "attstattarget", "attcacheoff": return { _ in .number(-1) }
    case "attlen": return type { .number($0.length) }
    case "attnum": return { .number(Int64($0.number)) }
    case "attndims": return type { .number($0.category == "A" && $0.name.hasPrefix("_") ? 1 : 0) }
    case "atttypmod": return { .number($0.column.modifier) }
    case "attbyval": return type { .flag($0.isByValue) }
    case "attalign": return type { .text($0.alignment) }
    case "attstorage": return type { .text($0.storage) }
    case "attidentity": return { .text($0.column.identity ?? "") }
    case "attcompression", "attgenerated": return { _ in .text("") }
    case "attnotnull": return { .flag($0.column.isNotNull) }
    case "atthasdef": return { .flag($0.column.defaultSQL != nil) }
    case "atthasmissing": return { _ in .flag(false) }
    case "attisdropped": return { .flag($0.column.isDropped) }
    case "attislocal": return { _ in .flag(true) }
    case "attinhcount": return { _ in .number(0) }
    case "attcollation": return type { .number($0.collation) }
    default: return { _ in .null }
    }
  }

  private static func type(_ name: String) -> (PostgresTypeRecord) -> Cell {
    func function(_ name: @escaping (PostgresTypeRecord) -> String) -> (PostgresTypeRecord) -> Cell {
      { .number(PostgresFunctions.all.number(of: name($0))) }
    }
    switch name {
    case "oid": return { .number($0.oid) }
    case "typname": return { .text($0.name) }
    case "typnamespace": return { .number($0.namespace) }
    case "typowner": return { _ in .number(ObjectNumbers.owner) }
    case "typlen": return { .number($0.length) }
    case "typbyval": return { .flag($0.isByValue) }
    case "typtype": return { .text($0.kind) }
    case "typcategory": return { .text($0.category) }
    case "typispreferred": return { .flag($0.isPreferred) }
    case "typisdefined": return { _ in .flag(true) }
    case "typdelim": return { _ in .text(",") }
    case "typsubscript": return function { $0.subscriptHandler }
    case "typelem": return { .number($0.element) }
    case "typarray": return { .number($0.array) }
    case "typinput": return function { $0.functions[0] }
    case "typoutput": return function { $0.functions[1] }
    case "typreceive": return function { $0.functions[2] }
    case "typsend": return function { $0.functions[3] }
    case "typmodin": return function { $0.modifierFunctions[0] }
    case "typmodout": return function { $0.modifierFunctions[1] }
    case "typanalyze": return function { $0.analyze }
    case "typalign": return { .text($0.alignment) }
    case "typstorage": return { .text($0.storage) }
    case "typnotnull": return { _ in .flag(false) }
    case "typbasetype": return { .number($0.base) }
    case "typtypmod": return { .number($0.baseModifier) }
    case "typrelid", "typndims": return { _ in .number(0) }
    case "typcollation": return { .number($0.collation) }
    // typdefaultbin, typdefault, typacl
    default: return { _ in .null }
    }
  }

  private static func function(_ name: String) -> (PostgresFunctionRecord) -> Cell {
    switch name {
    case "oid": return { .number($0.oid) }
    case "proname": return { .text($0.name) }
    case "prosrc": return { .text($0.user?.body ?? $0.name) }
    case "proargnames":
      return { record in
        let names = record.user?.arguments.map(\.name) ?? []
        return names.contains { !$0.isEmpty } ? .texts(names) : .null
      }
    case "pronamespace": return { .number($0.namespace) }
    case "proowner": return { _ in .number(ObjectNumbers.owner) }
    case "prolang": return { .number($0.user.map { $0.language == "sql" ? 14 : ObjectNumbers.blockLanguage } ?? 12) }
    case "procost": return { _ in .real(1) }
    case "prorows": return { .real($0.isSet ? 1000 : 0) }
    case "provariadic":
      return {
        .number($0.isVariadic ? $0.arguments.last.map { PostgresTypes.all[oid: $0]?.element ?? 0 }.map { $0 == 0 ? 2276 : $0 } ?? 0 : 0)
      }
    case "prokind": return { .text($0.kind) }
    case "prosecdef", "proleakproof": return { _ in .flag(false) }
    case "proisstrict": return { .flag($0.isStrict) }
    case "proretset": return { .flag($0.isSet) }
    case "provolatile": return { .text($0.volatility) }
    case "proparallel": return { .text($0.user == nil ? "s" : "u") }
    case "pronargs": return { .number(Int64($0.arguments.count)) }
    case "prorettype": return { .number($0.result) }
    case "proargtypes": return { .numbers($0.arguments) }
    case "pronargdefaults": return { .number(Int64($0.user?.inputs.count { $0.defaultSQL != nil } ?? 0)) }
    case "prosupport": return { _ in .number(0) }
    default: return { _ in .null }
    }
  }

  private static func operatorCells(_ name: String) -> (PostgresOperatorRecord) -> Cell {
    switch name {
    case "oid": return { .number($0.oid) }
    case "oprname": return { .text($0.name) }
    case "oprnamespace": return { _ in .number(ObjectNumbers.catalogSchema) }
    case "oprowner": return { _ in .number(ObjectNumbers.owner) }
    case "oprkind": return { .text($0.left == 0 ? "l" : "b") }
    case "oprcanmerge": return { .flag($0.canMerge) }
    case "oprcanhash": return { .flag($0.canHash) }
    case "oprleft": return { .number($0.left) }
    case "oprright": return { .number($0.right) }
    case "oprresult": return { .number($0.result) }
    case "oprcom": return { .number($0.commutator) }
    case "oprnegate": return { .number($0.negator) }
    case "oprcode": return { .number($0.function) }
    // Estimates of selectivity: oprrest, oprjoin.
    default: return { _ in .number(0) }
    }
  }
  /// An aggregate's steps are no functions here: their numbers are 0.
  private static func aggregate(_ name: String) -> (PostgresFunctionRecord) -> Cell {
    let ordered: Set<String> = ["mode", "percentile_cont", "percentile_disc"]
    switch name {
    case "aggfnoid": return { .number($0.oid) }
    case "aggkind": return { .text(ordered.contains($0.name) ? "o" : "n") }
    case "aggnumdirectargs": return { .number(ordered.contains($0.name) && $0.name != "mode" ? 1 : 0) }
    case "aggfinalextra", "aggmfinalextra": return { _ in .flag(false) }
    case "aggfinalmodify", "aggmfinalmodify": return { _ in .text("r") }
    case "agginitval", "aggminitval": return { _ in .null }
    default: return { _ in .number(0) }
    }
  }

  /// pg_tables, pg_views, pg_matviews.
  private func listed(_ name: String) -> SystemRows {
    let kind = name == "pg_tables" ? "r" : name == "pg_views" ? "v" : "m"
    return SystemRows(index.entries.filter { $0.kind == kind }) { [facts] name in
      switch name {
      case "schemaname": return { .text($0.schema) }
      case "tablename", "viewname", "matviewname": return { .text($0.name) }
      case "tableowner", "viewowner", "matviewowner": return { _ in .text(facts.owner) }
      case "hasindexes": return { .flag(Self.table($0).map { !$0.keys.isEmpty || !$0.indexes.isEmpty } ?? false) }
      case "hasrules", "hastriggers", "rowsecurity": return { _ in .flag(false) }
      case "ispopulated": return { _ in .flag(true) }
      case "definition": return { .optional($0.definition) }
      default: return { _ in .null }
      }
    }
  }
}
