// ReferenceCheck.swift — FOREIGN KEY as the primary checks it: new rows refer to rows that are there, and rows that others refer to stay.
//
// Both are asked of the shard as it will be when the change is done, so the order of rows within one does not matter. The tables are held
// together meanwhile (Storage/ShardStore+Locks): nobody else changes one of them between this look and the append.
public import Columns
public import Model
public import Storage

/// Checks what the rows of one change refer to, and what refers to them.
public struct ReferenceCheck {
  /// The table that changes.
  public var table: TableSchema
  /// The tables of the shard.
  public var schema: ShardSchema
  /// Their rows as the statement sees them, the table's own among them, before the change.
  public var stored: [TableID: TableSnapshot]
  /// Ends it early.
  public var cancel: CancelFlag

  /// Makes a check.
  public init(table: TableSchema, schema: ShardSchema, stored: [TableID: TableSnapshot], cancel: CancelFlag = CancelFlag()) {
    self.table = table
    self.schema = schema
    self.stored = stored
    self.cancel = cancel
  }
  /// Whether a change of the table needs one.
  public static func isNeeded(_ table: TableSchema, _ schema: ShardSchema) -> Bool {
    schema.related(to: table.id).count > 1 || refersToItself(table)
  }
  private static func refersToItself(_ table: TableSchema) -> Bool { table.references.contains { $0.table == table.id } }

  /// Throws 23503 for the first of the new rows that refers to none.
  public func checkNew(_ rows: Batch, removed: Set<Int64> = []) throws(TallyError) {
    try typed {
      for reference in table.references.sorted(by: { $0.name < $1.name }) where rows.count > 0 {
        guard let row = try missing(reference, rows, removed) else { continue }
        let (names, values) = try KeyCheck.text(of: reference.columns, table, rows, row)
        throw TallyError(
          .invalid,
          "insert or update on table \"\(table.name)\" violates foreign key constraint \"\(reference.name)\"",
          sqlState: "23503",
          detail: "Key (\(names))=(\(values)) is not present in table \"\(schema.table(reference.table)?.name ?? "?")\".",
          subject: ErrorSubject(table, constraint: reference.name)
        )
      }
    }
  }
  /// The first row that refers to none.
  private func missing(_ reference: TableReference, _ rows: Batch, _ removed: Set<Int64>) throws -> Int? {
    let columns = reference.columns.map { rows.columns[$0] }
    func isNull(_ row: Int) -> Bool { columns.contains { $0.isNull(row) } }
    var wanted = (0..<rows.count).filter { !isNull($0) }
    if wanted.isEmpty { return nil }
    let isOwn = reference.table == table.id
    if let other = stored[reference.table] {
      let matches = try KeyMatches(
        columns,
        count: rows.count,
        in: other,
        columns: reference.keyColumns,
        besides: isOwn ? removed : [],
        cancel
      )
      wanted = wanted.filter { matches.place($0) == nil }
    }
    if isOwn, !wanted.isEmpty {
      // Rows that come with them.
      let known = GroupTable(columns.map(\.type))
      _ = known.groups(of: reference.keyColumns.map { rows.columns[$0] }, count: rows.count)
      let found = known.find(columns, count: rows.count)
      wanted = wanted.filter { found[$0] == .max }
    }
    return wanted.first
  }

  /// Throws 23503 when rows that stay refer to one of the rows that go, `old`; `new` come instead of them.
  public func checkOld(_ old: Batch, removed: Set<Int64>, new: Batch?) throws(TallyError) {
    try typed {
      guard old.count > 0 else { return }
      for child in schema.tables {
        for reference in child.references.sorted(by: { $0.name < $1.name }) where reference.table == table.id {
          guard let row = try referred(reference, child, old, removed, new) else { continue }
          let (names, values) = try KeyCheck.text(of: reference.keyColumns, table, old, row)
          throw TallyError(
            .invalid,
            "update or delete on table \"\(table.name)\" violates foreign key constraint \"\(reference.name)\" on table \"\(child.name)\"",
            sqlState: "23503",
            detail: "Key (\(names))=(\(values)) is still referenced from table \"\(child.name)\".",
            subject: ErrorSubject(child, constraint: reference.name)
          )
        }
      }
    }
  }
  /// The first of the rows that go that a row which stays refers to.
  private func referred(
    _ reference: TableReference,
    _ child: TableSchema,
    _ old: Batch,
    _ removed: Set<Int64>,
    _ new: Batch?
  ) throws -> Int? {
    let keys = reference.keyColumns.map { old.columns[$0] }
    var gone = (0..<old.count).filter { row in !keys.contains { $0.isNull(row) } }
    if let new, new.count > 0 {
      // Keys that are there again.
      let kept = GroupTable(keys.map(\.type))
      _ = kept.groups(of: reference.keyColumns.map { new.columns[$0] }, count: new.count)
      let found = kept.find(keys, count: old.count)
      gone = gone.filter { found[$0] == .max }
    }
    if gone.isEmpty { return nil }
    let isOwn = child.id == table.id
    var hits: Set<Int> = []
    if let other = stored[child.id] {
      let matches = try KeyMatches(
        keys,
        count: old.count,
        in: other,
        columns: reference.columns,
        besides: isOwn ? removed : [],
        cancel
      )
      hits = Set(gone.filter { matches.place($0) != nil })
    }
    if isOwn, let new, new.count > 0 {
      let known = GroupTable(keys.map(\.type))
      let columns = reference.columns.map { new.columns[$0] }
      _ = known.groups(of: columns, count: new.count)
      let found = known.find(keys, count: old.count)
      for row in gone where found[row] != .max { hits.insert(row) }
    }
    return hits.min()
  }
}
