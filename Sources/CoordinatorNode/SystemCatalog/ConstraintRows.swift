// ConstraintRows.swift — rows of pg_catalog about constraints, indexes, sequences and what depends on what; functions that show them as
// SQL.
import Model
import Planning

extension SystemRelations {
  var constraints: [ConstraintRecord] { catalog.tables.flatMap { ConstraintRecord.all(of: $0, in: catalog) } }
  var indexes: [IndexRecord] { catalog.tables.flatMap { IndexRecord.all(of: $0) } }
  private func constraintRecord(oid: Int64) -> ConstraintRecord? {
    for table in catalog.tables where ObjectNumbers.isPart(oid, of: table.objectID) {
      if let found = ConstraintRecord.all(of: table, in: catalog).first(where: { $0.oid == oid }) { return found }
    }
    return nil
  }
  private func indexRecord(oid: Int64) -> IndexRecord? {
    for table in catalog.tables where ObjectNumbers.isPart(oid, of: table.objectID) {
      if let found = IndexRecord.all(of: table).first(where: { $0.oid == oid }) { return found }
    }
    return nil
  }

  func constraintRows(_ name: String) -> SystemRows? {
    switch name {
    case "pg_constraint": return SystemRows(constraints, Self.constraint)
    case "pg_index": return SystemRows(indexes, Self.index)
    case "pg_indexes":
      return SystemRows(indexes) { name in
        switch name {
        case "schemaname": return { .text($0.table.schemaName) }
        case "tablename": return { .text($0.table.name) }
        case "indexname": return { .text($0.name) }
        case "indexdef": return { .text($0.definition(isShort: false)) }
        default: return { _ in .null }
        }
      }
    case "pg_sequence": return SystemRows(catalog.sequences, Self.sequence)
    case "pg_sequences":
      return SystemRows(catalog.sequences) { name in
        switch name {
        case "schemaname": return { .text($0.schemaName) }
        case "sequencename": return { .text($0.name) }
        case "sequenceowner": return { _ in .text(self.facts.owner) }
        case "data_type": return { .number(TypeNumbers.number(of: $0.type).0) }
        case "start_value": return { .number($0.start) }
        case "min_value": return { .number($0.least) }
        case "max_value": return { .number($0.greatest) }
        case "increment_by": return { .number($0.increment) }
        case "cycle": return { .flag($0.isCycling) }
        case "cache_size": return { _ in .number(Int64(NumberBlocks.firstSize)) }
        case "last_value": return { .optional(self.lastNumber(of: $0)) }
        default: return { _ in .null }
        }
      }
    case "pg_depend": return SystemRows(dependencies, Self.dependency)
    default: return nil
    }
  }

  private static func constraint(_ name: String) -> (ConstraintRecord) -> Cell {
    switch name {
    case "oid": return { .number($0.oid) }
    case "conname": return { .text($0.name) }
    case "connamespace": return { record in .number(ObjectNumbers.schema(record.table.schemaName)) }
    case "contype": return { .text($0.kind) }
    case "convalidated", "conislocal": return { _ in .flag(true) }
    case "connoinherit": return { .flag($0.kind != "c") }
    case "condeferrable", "condeferred": return { _ in .flag(false) }
    case "conrelid": return { .number($0.tableOID) }
    case "conindid": return { .number($0.index) }
    case "confupdtype": return { record in .text(record.reference.map { $0.what.restrictsUpdate ? "r" : "a" } ?? " ") }
    case "confdeltype": return { record in .text(record.reference.map { $0.what.restrictsDelete ? "r" : "a" } ?? " ") }
    case "confmatchtype": return { .text($0.kind == "f" ? "s" : " ") }
    case "confrelid": return { record in .number(record.reference.map { ObjectNumbers.relation($0.to.objectID) } ?? 0) }
    case "confkey": return { record in record.reference.map { .numbers($0.what.keyColumns.map { Int64($0 + 1) }) } ?? .null }
    case "conkey": return { .numbers($0.columns.map { Int64($0 + 1) }) }
    case "conbin": return { $0.kind == "c" ? .text($0.clause(isPretty: false)) : .null }
    case "contypid", "conparentid", "coninhcount": return { _ in .number(0) }
    // conpfeqop, conppeqop, conffeqop, confdelsetcols, conexclop
    default: return { _ in .null }
    }
  }
  private static func index(_ name: String) -> (IndexRecord) -> Cell {
    switch name {
    case "indexrelid": return { .number($0.oid) }
    case "indrelid": return { .number($0.tableOID) }
    case "indnatts", "indnkeyatts": return { .number(Int64($0.elements.count)) }
    case "indisunique": return { .flag($0.isUnique) }
    case "indisprimary": return { .flag($0.isPrimary) }
    case "indimmediate", "indisvalid", "indisready", "indislive": return { _ in .flag(true) }
    case "indkey": return { .numbers($0.elements.map { $0.column.map { Int64($0 + 1) } ?? 0 }) }
    case "indoption": return { .numbers($0.elements.map(\.options)) }
    case "indcollation", "indclass": return { .numbers([Int64](repeating: 0, count: $0.elements.count)) }
    case "indexprs":
      return { record in
        let expressions = record.elements.filter { $0.column == nil }.map(\.text)
        return expressions.isEmpty ? .null : .text(expressions.joined(separator: ", "))
      }
    case "indpred": return { _ in .null }
    // indnullsnotdistinct, indisexclusion, indisclustered, indcheckxmin, indisreplident
    default: return { _ in .flag(false) }
    }
  }
  private static func sequence(_ name: String) -> (SequenceRecord) -> Cell {
    switch name {
    case "seqrelid": return { .number(ObjectNumbers.relation($0.id)) }
    case "seqtypid": return { .number(TypeNumbers.number(of: $0.type).0) }
    case "seqstart": return { .number($0.start) }
    case "seqincrement": return { .number($0.increment) }
    case "seqmax": return { .number($0.greatest) }
    case "seqmin": return { .number($0.least) }
    case "seqcache": return { _ in .number(Int64(NumberBlocks.firstSize)) }
    default: return { .flag($0.isCycling) }
    }
  }

  /// A sequence that goes with a column: by itself (serial), or as part of it (identity).
  private struct Dependency {
    var sequence: SequenceRecord
    var table: TableID
    var column: Int
    var isPart: Bool
  }
  private var dependencies: [Dependency] {
    catalog.sequences.compactMap { sequence in
      guard let owner = sequence.owner, let table = catalog.table(owner.table), table.columns.indices.contains(owner.column) else {
        return nil
      }
      let isPart = table.columns[owner.column].identity != .none
      return Dependency(sequence: sequence, table: table.objectID, column: owner.column, isPart: isPart)
    }
  }
  private static func dependency(_ name: String) -> (Dependency) -> Cell {
    switch name {
    // Both are relations: rows of pg_class.
    case "classid", "refclassid": return { _ in .number(1259) }
    case "objid": return { .number(ObjectNumbers.relation($0.sequence.id)) }
    case "objsubid": return { _ in .number(0) }
    case "refobjid": return { .number(ObjectNumbers.relation($0.table)) }
    case "refobjsubid": return { .number(Int64($0.column + 1)) }
    default: return { .text($0.isPart ? "i" : "a") }
    }
  }

  // MARK: As SQL

  func constraintFunctions(_ name: String) -> [HostedFunction] {
    switch name {
    case "pg_get_constraintdef":
      let shown = { @Sendable (oid: Int64, isPretty: Bool) -> Value in
        .optional(
          self.constraintRecord(oid: oid)?.definition(isPretty: isPretty) { other in
            self.qualified(other.name, ObjectNumbers.schema(other.schemaName), other.schemaName)
          }
        )
      }
      return [
        HostedFunction(name, [.oid], .text) { shown($0.number(0), false) },
        HostedFunction(name, [.oid, .boolean], .text) { shown($0.number(0), $0.isTrue(1)) },
      ]
    case "pg_get_indexdef":
      return [
        HostedFunction(name, [.oid], .text) { arguments in
          .optional(self.indexRecord(oid: arguments.number(0))?.definition(isShort: false))
        },
        HostedFunction(name, [.oid, .integer, .boolean], .text) { arguments in
          guard let record = self.indexRecord(oid: arguments.number(0)) else { return .null }
          let column = Int(arguments.number(1))
          if column == 0 { return .text(record.definition(isShort: arguments.isTrue(2))) }
          let elements = record.elements
          return .text(elements.indices.contains(column - 1) ? elements[column - 1].text : "")
        },
      ]
    default: return []
    }
  }

  // MARK: information_schema

  /// A column of a constraint.
  private struct ConstraintColumn {
    var constraint: ConstraintRecord
    var column: Int
    /// From 1.
    var number: Int
    /// The column's.
    var table: TableSchema
  }
  /// Columns that references refer to.
  private var referred: [ConstraintColumn] {
    constraints.flatMap { constraint -> [ConstraintColumn] in
      guard let (other, reference) = constraint.reference else { return [] }
      return reference.keyColumns.enumerated().map { ConstraintColumn(constraint: constraint, column: $1, number: $0 + 1, table: other) }
    }
  }
  private func columns(_ kinds: Set<String>) -> [ConstraintColumn] {
    constraints.filter { kinds.contains($0.kind) }.flatMap { constraint in
      constraint.columns.enumerated().map { ConstraintColumn(constraint: constraint, column: $1, number: $0 + 1, table: constraint.table) }
    }
  }
  func constraintViews(_ name: String) -> SystemRows? {
    switch name {
    case "table_constraints":
      // PostgreSQL lists NOT NULL as well, under names made of numbers.
      return SystemRows(constraints) { name in
        switch name {
        case "constraint_type":
          return { .text($0.kind == "p" ? "PRIMARY KEY" : $0.kind == "u" ? "UNIQUE" : $0.kind == "f" ? "FOREIGN KEY" : "CHECK") }
        case "is_deferrable", "initially_deferred": return { _ in .text("NO") }
        case "enforced": return { _ in .text("YES") }
        case "nulls_distinct": return { $0.kind == "u" ? .text("YES") : .null }
        default: return self.constraintCells(name)
        }
      }
    case "key_column_usage", "constraint_column_usage":
      let isUsage = name == "constraint_column_usage"
      return SystemRows(isUsage ? columns(["p", "u", "c"]) + referred : columns(["p", "u", "f"])) { name in
        switch name {
        case "position_in_unique_constraint":
          return { row in
            guard let (other, reference) = row.constraint.reference else { return .null }
            let key = other.keys.first { Set($0.columns) == Set(reference.keyColumns) }
            return .optional(key?.columns.firstIndex(of: reference.keyColumns[row.number - 1]).map { Int64($0 + 1) })
          }
        case "table_schema" where isUsage: return { .text($0.table.schemaName) }
        case "table_name" where isUsage: return { .text($0.table.name) }
        case "column_name": return { .text($0.table.columns[$0.column].name) }
        case "ordinal_position": return { .number(Int64($0.number)) }
        default:
          let cell = self.constraintCells(name)
          return { cell($0.constraint) }
        }
      }
    case "referential_constraints":
      return SystemRows(constraints.filter { $0.kind == "f" }) { name in
        func key(_ record: ConstraintRecord) -> TableKey? {
          record.reference.flatMap { pair in pair.to.keys.first { Set($0.columns) == Set(pair.what.keyColumns) } }
        }
        switch name {
        case "unique_constraint_catalog": return { _ in .text(self.facts.database) }
        case "unique_constraint_schema": return { .optional($0.reference?.to.schemaName) }
        case "unique_constraint_name": return { .optional(key($0)?.name) }
        case "match_option": return { _ in .text("NONE") }
        case "update_rule": return { .text($0.reference?.what.restrictsUpdate == true ? "RESTRICT" : "NO ACTION") }
        case "delete_rule": return { .text($0.reference?.what.restrictsDelete == true ? "RESTRICT" : "NO ACTION") }
        default: return self.constraintCells(name)
        }
      }
    case "constraint_table_usage": return SystemRows(constraints.filter { $0.kind == "p" || $0.kind == "u" }, constraintCells)
    case "check_constraints":
      return SystemRows(constraints.filter { $0.kind == "c" }) { name in
        name == "check_clause" ? { .text($0.clause(isPretty: false)) } : self.constraintCells(name)
      }
    case "sequences":
      // Those of identity columns are part of their tables.
      let parts = Set(dependencies.filter(\.isPart).map(\.sequence.id))
      return SystemRows(catalog.sequences.filter { !parts.contains($0.id) }) { name in
        switch name {
        case "sequence_catalog": return { _ in .text(self.facts.database) }
        case "sequence_schema": return { .text($0.schemaName) }
        case "sequence_name": return { .text($0.name) }
        case "data_type": return { .text($0.type.name) }
        case "numeric_precision": return { .number($0.type == .smallint ? 16 : $0.type == .integer ? 32 : 64) }
        case "numeric_precision_radix": return { _ in .number(2) }
        case "numeric_scale": return { _ in .number(0) }
        case "start_value": return { .text(String($0.start)) }
        case "minimum_value": return { .text(String($0.least)) }
        case "maximum_value": return { .text(String($0.greatest)) }
        case "increment": return { .text(String($0.increment)) }
        default: return { .yes($0.isCycling) }
        }
      }
    default: return nil
    }
  }
  private func constraintCells(_ name: String) -> (ConstraintRecord) -> Cell {
    switch name {
    case "constraint_catalog", "table_catalog": return { _ in .text(self.facts.database) }
    case "constraint_schema", "table_schema": return { .text($0.table.schemaName) }
    case "constraint_name": return { .text($0.name) }
    case "table_name": return { .text($0.table.name) }
    default: return { _ in .null }
    }
  }
  /// What information_schema.columns tells of an identity column.
  func identityCell(_ name: String, _ column: PlacedColumn) -> Cell {
    guard let identity = column.column.identity else { return name == "is_identity" || name == "identity_cycle" ? .text("NO") : .null }
    let sequence = catalog.sequences.first { $0.owner?.table == column.entry.table && $0.owner?.column == column.number - 1 }
    switch name {
    case "is_identity": return .text("YES")
    case "identity_generation": return .text(identity == "a" ? "ALWAYS" : "BY DEFAULT")
    case "identity_start": return .optional(sequence.map { String($0.start) })
    case "identity_increment": return .optional(sequence.map { String($0.increment) })
    case "identity_maximum": return .optional(sequence.map { String($0.greatest) })
    case "identity_minimum": return .optional(sequence.map { String($0.least) })
    default: return .yes(sequence?.isCycling ?? false)
    }
  }
}
