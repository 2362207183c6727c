// CopyRows.swift — rows of a table put together value by value, checked as COPY checks them, into a batch.
//
// Rows come here from binary data and from text that is not regular or is wrong; the rest is read column by column (CSVBatchBuilder).
import Bytes
import Columns
import Model
import Planning

/// Collects rows.
struct CopyRows {
  private let plan: CopyInPlan
  private var columns: [CopyColumn]
  /// The row that is being put together.
  private var row: [Value]
  private(set) var count = 0

  init(_ plan: CopyInPlan) {
    self.plan = plan
    columns = plan.table.columns.map { CopyColumn($0.type) }
    row = plan.defaults
  }
  /// Sets the value of a field of the row.
  mutating func set(_ field: Int, _ value: Value) throws(TallyError) {
    let length =
      switch value {
      case .text(let text): text.utf8.count
      case .bytes(let bytes): bytes.count
      default: 0
      }
    if length > Limits.textBytesMax { throw .sql("54000", "text of \(length) bytes is longer than \(Limits.textBytesMax)") }
    row[plan.columns[field]] = value
  }
  /// The row is complete: checks and takes it. Returns what is wrong with it.
  mutating func endRow() -> TallyError? {
    for (at, column) in plan.table.columns.enumerated() where row[at].isNull && (column.isNotNull || at == plan.key) {
      return .sql(
        "23502",
        "null value in column \"\(column.name)\" of relation \"\(plan.table.name)\" violates not-null constraint",
        detail: "Failing row contains (\(rowText())).",
        subject: ErrorSubject(plan.table, column: column.name)
      )
    }
    for at in columns.indices { columns[at].append(row[at]) }
    count += 1
    return nil
  }
  /// The row's values as PostgreSQL shows a failing one.
  private func rowText() -> String {
    zip(plan.table.columns, row).map { column, value in
      guard let text = ValueText.print(value, as: column.type) else { return "null" }
      return CopyFault.shown(Array(text.utf8), 64)
    }.joined(separator: ", ")
  }
  /// All rows.
  consuming func batch() -> Batch { Batch(count: count, columns: columns.map { $0.vector() }) }
}

/// One column of rows that come one by one.
private struct CopyColumn {
  private let type: DataType
  private var fixed: [Int64] = []
  private var texts = TextColumn()
  /// Of the other layouts.
  private var values: [Value] = []
  private var validity = Bitmap(words: [], count: 0)

  init(_ type: DataType) { self.type = type }
  mutating func append(_ value: Value) {
    switch (type.layout, value) {
    case (.fixed, .fixed(let number)): fixed.append(number)
    case (.fixed, _): fixed.append(0)
    case (.text, .text(var text)): text.withUTF8 { texts.append(UnsafeRawBufferPointer($0)) }
    case (.text, .bytes(let bytes)): bytes.withUnsafeBytes { texts.append($0) }
    case (.text, _): texts.append(UnsafeRawBufferPointer(start: nil, count: 0))
    default: values.append(value)
    }
    validity.append(!value.isNull)
  }
  func vector() -> ColumnVector {
    switch type.layout {
    case .fixed: ColumnVector(type, .fixed(fixed), validity: validity)
    case .text: ColumnVector(type, .text(texts), validity: validity)
    default: ColumnVector(type, values: values)
    }
  }
}
