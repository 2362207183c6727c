// KeyCheck.swift — which rows have keys that are there already: PRIMARY KEY, UNIQUE and unique indexes, as the primary checks them.
//
// The new rows' keys are numbered by a GroupTable, so they are equal as grouping has it; then the stored rows that zones leave are looked
// up in it.
// Rows with a NULL in the key match nothing.
import Bytes
public import Columns
public import Model
import Planning
public import Storage

/// The rows of a batch that one key finds.
struct KeyMatches {
  /// No row.
  static let none = UInt32.max
  /// The number of each row's key, rising with the first row that has it; `none` for rows with a NULL in it.
  var groups: [UInt32]
  /// Place of the stored row with each key number; -1 without.
  var places: [Int64]

  /// Place of the stored row with a row's key; nil without.
  func place(_ row: Int) -> Int64? {
    let group = groups[row]
    return group == Self.none || places[Int(group)] < 0 ? nil : places[Int(group)]
  }

  /// Looks the rows' keys up among the stored rows.
  init(_ key: TableKey, _ rows: Batch, in stored: TableSnapshot, _ cancel: CancelFlag) throws {
    try self.init(key.columns.map { rows.columns[$0] }, count: rows.count, in: stored, columns: key.columns, cancel)
  }
  /// Looks values up among the stored rows, in so many columns of these. Stored rows at places of `removed` do not count.
  init(
    _ columns: [ColumnVector],
    count: Int,
    in stored: TableSnapshot,
    columns storedColumns: [Int],
    besides removed: Set<Int64> = [],
    _ cancel: CancelFlag
  ) throws {
    let table = GroupTable(columns.map(\.type))
    var groups = table.groups(of: columns, count: count)
    var hasAny = count > 0
    if columns.contains(where: { $0.validity != nil }) {
      for row in groups.indices where columns.contains(where: { $0.isNull(row) }) { groups[row] = Self.none }
      hasAny = groups.contains { $0 != Self.none }
    }
    self.groups = groups
    var places = [Int64](repeating: -1, count: table.count)
    if hasAny {
      try stored.scan(
        columns: storedColumns + [TableSnapshot.placeColumn],
        where: zip(storedColumns, columns).compactMap { ZonePredicate.covering($0, $1) },
        morselRows: 16384
      ) { batch in
        try cancel.check()
        guard case .fixed(let found)? = batch.columns.last?.values else { fatalError("places of another layout") }
        let keys = Array(batch.columns.dropLast())
        let known = table.find(keys, count: batch.count)
        for row in 0..<batch.count where known[row] != .max && !keys.contains(where: { $0.isNull(row) }) && !removed.contains(found[row]) {
          places[Int(known[row])] = found[row]
        }
      }
    }
    self.places = places
  }
}

/// Checks that new rows make no key twice.
public enum KeyCheck {
  /// Throws 23505 for the first row whose key another new row or a stored one has; `removed` ones do not count; keys
  /// with the numbers `settled` are known to be free. CPU work: run it through
  /// Compute.
  public static func check(
    _ rows: Batch,
    _ table: TableSchema,
    in stored: TableSnapshot,
    removed: Set<Int64> = [],
    besides settled: Set<Int> = [],
    cancel: CancelFlag = CancelFlag()
  ) throws(TallyError) {
    try typed {
      var first: (row: Int, key: TableKey)?
      for (at, key) in table.keys.enumerated() where !settled.contains(at) {
        let matches = try KeyMatches(key, rows, in: stored, cancel)
        var seen = [Bool](repeating: false, count: matches.places.count)
        for row in 0..<rows.count where first.map({ row < $0.row }) ?? true {
          let group = matches.groups[row]
          if group == KeyMatches.none { continue }
          let isThere = matches.place(row).map { !removed.contains($0) } ?? false
          if isThere || seen[Int(group)] {
            first = (row, key)
            break
          }
          seen[Int(group)] = true
        }
      }
      if let first { throw try violation(first.key, table, rows, first.row) }
    }
  }
  private static func violation(_ key: TableKey, _ table: TableSchema, _ rows: Batch, _ row: Int) throws -> TallyError {
    let (names, values) = try text(of: key.columns, table, rows, row)
    return TallyError(
      .invalid,
      "duplicate key value violates unique constraint \"\(key.name)\"",
      sqlState: "23505",
      detail: "Key (\(names))=(\(values)) already exists.",
      subject: ErrorSubject(table, constraint: key.name)
    )
  }
  /// Names of columns, and their values in a row.
  static func text(of columns: [Int], _ table: TableSchema, _ rows: Batch, _ row: Int) throws -> (names: String, values: String) {
    let names = columns.map { quoted(table.columns[$0].name) }.joined(separator: ", ")
    return (names, try columns.map { try RowText.value(rows.columns[$0], row) }.joined(separator: ", "))
  }
  static func quoted(_ name: String) -> String {
    let (letters, digits) = (Set("abcdefghijklmnopqrstuvwxyz_"), Set("0123456789"))
    let isPlain = (name.first.map { letters.contains($0) } ?? false) && name.allSatisfy { letters.contains($0) || digits.contains($0) }
    if isPlain { return name }
    return "\"" + name.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
  }
}

/// Rows as PostgreSQL prints them in errors.
enum RowText {
  static func value(_ column: ColumnVector, _ row: Int) throws -> String {
    column.isNull(row) ? "null" : ValueText.print(try column.value(row), as: column.type) ?? "null"
  }
  /// `(1, null, abc)`: columns that are not dropped, each cut at 64 bytes.
  static func row(_ rows: Batch, _ row: Int, _ table: TableSchema) throws -> String {
    let values = try table.liveColumns.map { InsertedRow.cut(try value(rows.columns[$0], row)) }
    return "(" + values.joined(separator: ", ") + ")"
  }
}
