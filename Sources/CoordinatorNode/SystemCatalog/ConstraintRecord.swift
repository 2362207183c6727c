// ConstraintRecord.swift — constraints and indexes of tables as the catalogs show them, and the SQL that would make them.
//
// A key is an index, and a constraint too unless CREATE UNIQUE INDEX made it. Nothing is built for an index: rows are found by sorted
// segments and their zones.
import Model
import Planning
import SQL

/// An index as pg_index shows it.
struct IndexRecord: Sendable {
  /// A column or expression of it, with pg_index's bits of its order: 1 DESC, 2 NULLS FIRST.
  struct Element: Sendable {
    var column: Int?
    var text: String
    var options: Int64 = 0
  }
  var oid: Int64
  var table: TableSchema
  var name: String
  /// Numbers of the table's columns, from 0.
  var columns: [Int]
  var isUnique: Bool
  var isPrimary: Bool
  /// Text behind `ON table` of one that is only listed; nil for a key.
  var sql: String?
  var tableOID: Int64 { ObjectNumbers.relation(table.objectID) }

  /// What stands behind `ON table`.
  var method: String {
    sql ?? "USING btree (\(columns.map { SystemName.quoted(table.columns[$0].name) }.joined(separator: ", ")))"
  }
  /// What it is made of, in order.
  var elements: [Element] {
    guard let syntax else { return columns.map { Element(column: $0, text: SystemName.quoted(table.columns[$0].name)) } }
    return syntax.elements.map { element in
      let column = element.column.flatMap { table.columnIndex($0.name) }
      return Element(
        column: column,
        text: column.map { SystemName.quoted(table.columns[$0].name) } ?? element.text,
        options: (element.isDescending ? 1 : 0) + (element.nullsFirst ? 2 : 0)
      )
    }
  }
  /// Its method's number in pg_am.
  var accessMethod: Int64 { AccessMethod.all.first { $0.name == syntax?.method }?.oid ?? ObjectNumbers.btree }
  /// One that is only listed, as it was written; nil where its text is none any more.
  private var syntax: IndexSyntax? {
    guard let sql else { return nil }
    do throws(TallyError) {
      guard case .define(.createIndex(let syntax))? = try parse("CREATE INDEX i ON t \(sql)").first?.statement else { return nil }
      return syntax
    } catch {
      return nil
    }
  }
  /// CREATE INDEX; `isShort`: without the schema.
  func definition(isShort: Bool) -> String {
    let name = SystemName.quoted(name)
    let on = (isShort ? "" : SystemName.quoted(table.schemaName) + ".") + SystemName.quoted(table.name)
    return "CREATE \(isUnique ? "UNIQUE " : "")INDEX \(name) ON \(on) \(method)"
  }

  /// Those of a table: keys, then indexes that are only listed.
  static func all(of table: TableSchema) -> [IndexRecord] {
    var out: [IndexRecord] = []
    for (at, key) in table.keys.enumerated() {
      out.append(
        IndexRecord(
          oid: ObjectNumbers.part(table.objectID, .index, at),
          table: table,
          name: key.name,
          columns: key.columns,
          isUnique: true,
          isPrimary: key.isPrimary
        )
      )
    }
    for (at, index) in table.indexes.enumerated() {
      out.append(
        IndexRecord(
          oid: ObjectNumbers.part(table.objectID, .listedIndex, at),
          table: table,
          name: index.name,
          columns: index.columns,
          isUnique: false,
          isPrimary: false,
          sql: index.sql
        )
      )
    }
    return out
  }
}

/// A constraint as pg_constraint shows it.
struct ConstraintRecord: Sendable {
  var oid: Int64
  var table: TableSchema
  var name: String
  /// p, u, c or f.
  var kind: String
  /// Numbers of the table's columns, from 0; of a CHECK those that it reads.
  var columns: [Int]
  /// The index of a key; of a reference that of the key that it refers to.
  var index: Int64
  /// Of a CHECK.
  var condition: ModifyProgram.Check?
  /// Of a reference, with the table that it refers to.
  var reference: (to: TableSchema, what: TableReference)?
  var tableOID: Int64 { ObjectNumbers.relation(table.objectID) }

  /// What stands behind CONSTRAINT name; `otherName` is that of the table that a reference refers to.
  func definition(isPretty: Bool, otherName: (TableSchema) -> String) -> String {
    let names = columns.map { SystemName.quoted(table.columns[$0].name) }.joined(separator: ", ")
    switch kind {
    case "p": return "PRIMARY KEY (\(names))"
    case "u": return "UNIQUE (\(names))"
    case "f":
      guard let (other, reference) = reference else { return "" }
      let keys = reference.keyColumns.map { SystemName.quoted(other.columns[$0].name) }.joined(separator: ", ")
      return "FOREIGN KEY (\(names)) REFERENCES \(otherName(other))(\(keys))"
        + (reference.restrictsUpdate ? " ON UPDATE RESTRICT" : "") + (reference.restrictsDelete ? " ON DELETE RESTRICT" : "")
    default: return "CHECK (\(clause(isPretty: isPretty)))"
    }
  }
  /// The condition of a CHECK.
  func clause(isPretty: Bool) -> String {
    guard let condition else { return "" }
    return ConditionText.text(condition.condition, table.columns, isPretty: isPretty)
  }

  /// Those of a table.
  static func all(of table: TableSchema, in catalog: CatalogSnapshot) -> [ConstraintRecord] {
    var out: [ConstraintRecord] = []
    for (at, reference) in table.references.enumerated() {
      guard let other = catalog.table(reference.table) else { continue }
      let key = other.keys.firstIndex { Set($0.columns) == Set(reference.keyColumns) }
      out.append(
        ConstraintRecord(
          oid: ObjectNumbers.part(table.objectID, .key, ObjectNumbers.firstReference + at),
          table: table,
          name: reference.name,
          kind: "f",
          columns: reference.columns,
          index: key.map { ObjectNumbers.part(other.objectID, .index, $0) } ?? 0,
          reference: (other, reference)
        )
      )
    }
    for (at, key) in table.keys.enumerated() where !key.isIndex {
      out.append(
        ConstraintRecord(
          oid: ObjectNumbers.part(table.objectID, .key, at),
          table: table,
          name: key.name,
          kind: key.isPrimary ? "p" : "u",
          columns: key.columns,
          index: ObjectNumbers.part(table.objectID, .index, at)
        )
      )
    }
    let checks: [ModifyProgram.Check]
    do { checks = try TableChecks.bound(table) } catch {
      // One that does not bind any more refuses every row by that; listings go on without it.
      checks = []
    }
    for (at, check) in checks.enumerated() {
      out.append(
        ConstraintRecord(
          oid: ObjectNumbers.part(table.objectID, .check, at),
          table: table,
          name: check.name,
          kind: "c",
          columns: check.condition.columnsRead.sorted(),
          index: 0,
          condition: check
        )
      )
    }
    return out
  }
}
