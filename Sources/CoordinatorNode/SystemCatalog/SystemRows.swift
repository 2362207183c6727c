// SystemRows.swift — rows of a system relation, made a column at a time: only columns that are asked for are computed.
import Columns
import Model

/// The content of one field, before it is told in the column's type.
enum Cell: Sendable {
  case null
  case flag(Bool)
  /// Integers, numbers of objects, times.
  case number(Int64)
  case real(Double)
  case text(String)
  case numbers([Int64])
  case texts([String?])
  case span(Interval)

  /// NULL for nil.
  static func optional(_ text: String?) -> Cell { text.map { .text($0) } ?? .null }
  /// NULL for nil.
  static func optional(_ number: Int64?) -> Cell { number.map { .number($0) } ?? .null }
  /// YES or NO, as information_schema says it.
  static func yes(_ truth: Bool) -> Cell { .text(truth ? "YES" : "NO") }

  /// As a value of the type.
  func value(_ type: DataType) throws(TallyError) -> Value {
    switch (self, type.layout) {
    case (.null, _): return .null
    case (.flag(let truth), .fixed): return .fixed(truth ? 1 : 0)
    case (.number(let number), .fixed): return .fixed(number)
    case (.real(let number), .double): return .double(number)
    case (.text(let text), .text) where !type.isBinary: return .text(text)
    case (.span(let span), .interval): return .interval(span)
    case (.numbers(let numbers), .text):
      if let element = type.element { return try ArrayValue(element, numbers.map { .fixed($0) }).value() }
    case (.texts(let texts), .text):
      if let element = type.element { return try ArrayValue(element, texts.map { $0.map { .text($0) } ?? .null }).value() }
    default: break
    }
    throw TallyError(.internalError, "a system relation has \(self) in a column of type \(type.name)")
  }
}

/// Rows that are made when they are asked for.
struct SystemRows {
  /// Number of rows.
  let count: Int
  /// The fields of a column, by row.
  private let column: (String) -> (Int) -> Cell

  /// Rows made of objects: for a column's name, how its field follows from an object.
  init<Row>(_ rows: [Row], _ cells: @escaping (String) -> (Row) -> Cell) {
    count = rows.count
    column = { name in
      let cell = cells(name)
      return { cell(rows[$0]) }
    }
  }
  /// No rows.
  static var none: SystemRows { SystemRows([Int]()) { _ in { _ in .null } } }

  /// The columns asked for, by their numbers in the definition.
  func batch(_ definition: RelationDefinition, _ columns: [Int]) throws(TallyError) -> Batch {
    var out: [ColumnVector] = []
    for at in columns {
      guard definition.columns.indices.contains(at) else {
        throw TallyError(.internalError, "relation \(definition.fullName) has no column \(at)")
      }
      let (name, type) = (definition.columns[at].name, definition.columns[at].type)
      let cell = column(name)
      var values: [Value] = []
      values.reserveCapacity(count)
      for row in 0..<count { values.append(try cell(row).value(type)) }
      out.append(ColumnVector(type, values: values))
    }
    return Batch(count: count, columns: out)
  }
}
