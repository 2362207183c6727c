// NDJSONPlan.swift — which columns of a table the fields of JSON objects become, and what an object without one gets.
//
// A line is read into COPY's text form (NDJSONLines) and that by the machinery of CSV (CSVBatchBuilder), so that every type is read, every
// default filled in and every error found as CSV's are.
import Columns
public import Model

/// Everything about a load of JSON lines that is the same for all of its chunks.
public struct NDJSONPlan: Sendable {
  /// How a column takes JSON values.
  enum Form: Sendable {
    /// A string is its content, anything else its text.
    case content
    /// `json` and `jsonb`: the value as it is written.
    case document
    /// An array of values becomes an array.
    case array
  }
  /// Fields that are in no column are left out; else the first one is an error.
  public let ignoresUnknownFields: Bool
  /// The plan of the text form: all columns that can be loaded, in the table's order.
  let inner: CSVPlan
  /// Names of those columns, as UTF-8.
  let names: [[UInt8]]
  let forms: [Form]
  /// What stands in the text form where an object has no such field: the default, or NULL.
  let missing: [[UInt8]]
  /// Columns of the table that cannot be loaded from text.
  let unloadable: [String]
  /// COPY's NULL.
  static let null: [UInt8] = [0x5c, 0x4e]
  static let delimiter: UInt8 = 0x09

  /// Plans a load into a table; `shards` are those of its colocation group by rising range, `defaults` the evaluated defaults
  /// by column number.
  public init(
    table: TableSchema,
    shards: [ShardRecord],
    defaults: [Int: Value] = [:],
    ignoresUnknownFields: Bool = false
  ) throws(TallyError) {
    func isLoadable(_ type: DataType) -> Bool {
      switch type {
      case .hll, .topn, .topnRecord, .unknown, .void: false
      default: true
      }
    }
    var format = CSVFormat(delimiter: Self.delimiter, nullText: Self.null)
    format.hasEscapes = true
    let loaded = table.liveColumns.filter { isLoadable(table.columns[$0].type) }
    self.ignoresUnknownFields = ignoresUnknownFields
    inner = try CSVPlan(
      table: table,
      shards: shards,
      columns: loaded.map { table.columns[$0].name },
      format: format,
      rejectsRows: true
    )
    names = loaded.map { Array(table.columns[$0].name.utf8) }
    unloadable = table.liveColumns.map { table.columns[$0] }.filter { !isLoadable($0.type) }.map(\.name)
    forms = loaded.map {
      switch table.columns[$0].type {
      case .json, .jsonb: .document
      case .array: .array
      default: .content
      }
    }
    missing = loaded.map { at in
      guard let value = defaults[at], let text = ValueText.print(value, as: table.columns[at].type) else { return Self.null }
      var out: [UInt8] = []
      NDJSONLines.escape(Array(text.utf8), into: &out)
      return out
    }
  }
}
