// SectionRows.swift — the rows of a section input made ready for writing: dictionaries sorted, rows in order, cut by day slices.
import Bytes
import Columns
import Model

/// One column with what a section of any subset of its rows needs.
struct PreparedColumn {
  /// Text: codes of a dictionary that rises by bytes and holds only texts in use. Else as it came.
  var vector: ColumnVector

  init(_ column: ColumnVector) {
    vector = column.type.layout == .text ? Self.ranked(column) : column
  }
  /// A text column as codes of a sorted dictionary.
  static func ranked(_ column: ColumnVector) -> ColumnVector {
    let codes: [UInt32]
    let dictionary: TextDictionary
    switch column.values {
    case .codes(let v, let d): (codes, dictionary) = (v, d)
    case .text(let v): (codes, dictionary) = interned(v, column.validity)
    default: fatalError("a text column of another layout")
    }
    let used = usedCodes(codes, column.validity, dictionary.count)
    let order = dictionary.sorted(used)
    var remap = [UInt32](repeating: 0, count: max(1, dictionary.count))
    for (rank, code) in order.enumerated() { remap[Int(code)] = UInt32(rank) }
    return ColumnVector(
      column.type,
      .codes(mapped(codes, remap, column.validity), dictionary.subset(order)),
      validity: column.validity
    )
  }
  private static func interned(_ texts: TextColumn, _ validity: Bitmap?) -> ([UInt32], TextDictionary) {
    var interner = TextInterner(expected: texts.count / 4)
    var codes = [UInt32](repeating: 0, count: texts.count)
    texts.bytes.withUnsafeBytes { raw in
      for row in 0..<texts.count where validity.map({ $0[row] }) ?? true {
        codes[row] = interner.intern(
          UnsafeRawBufferPointer(rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])])
        )
      }
    }
    return (codes, interner.dictionary())
  }
  /// Codes that occur in rows that are not NULL, rising.
  static func usedCodes(_ codes: [UInt32], _ validity: Bitmap?, _ count: Int) -> [UInt32] {
    var marks = [Bool](repeating: false, count: count)
    marks.withUnsafeMutableBufferPointer { marks in
      codes.withUnsafeBufferPointer { codes in
        if let validity {
          for i in 0..<codes.count where validity[i] { marks[Int(codes[i])] = true }
        } else {
          for i in 0..<codes.count { marks[Int(codes[i])] = true }
        }
      }
    }
    var used: [UInt32] = []
    for code in 0..<count where marks[code] { used.append(UInt32(code)) }
    return used
  }
  /// Codes under another dictionary. NULL rows have code 0: what lies under them depends on the chunks that rows came in, and every
  /// replica writes the same bytes.
  static func mapped(_ codes: [UInt32], _ remap: [UInt32], _ validity: Bitmap? = nil) -> [UInt32] {
    var mapped = translated(codes, remap)
    if let validity { for row in mapped.indices where !validity[row] { mapped[row] = 0 } }
    return mapped
  }
  private static func translated(_ codes: [UInt32], _ remap: [UInt32]) -> [UInt32] {
    codes.withUnsafeBufferPointer { codes in
      remap.withUnsafeBufferPointer { remap in
        [UInt32](unsafeUninitializedCapacity: codes.count) { out, written in
          for i in 0..<codes.count { out[i] = remap[Int(codes[i])] }
          written = codes.count
        }
      }
    }
  }
}

/// The rows of one section, in order.
struct SectionRows {
  var layout: RelationLayout
  var slice: DaySlice
  var columns: [ColumnVector]
  var positions: [UInt64]
  var low: LogPosition
  var high: LogPosition
  /// Numbers of the rows in `columns`; nil = all of them as they stand.
  var order: [UInt32]?
  var count: Int

  /// The sections of an input: one, or one per day slice.
  static func sections(of input: SectionInput) -> [SectionRows] {
    let layout = input.layout
    invariant(input.rows.columns.count == layout.columns.count, "a section of other columns than its relation")
    guard input.rows.count > 0 else { return [] }
    let columns = input.rows.columns.map { PreparedColumn($0).vector }
    func section(_ slice: DaySlice, _ order: [UInt32]?) -> SectionRows {
      SectionRows(
        layout: layout,
        slice: slice,
        columns: columns,
        positions: input.keepsPositions ? input.positions : [],
        low: input.low,
        high: input.high,
        order: order,
        count: order?.count ?? input.rows.count
      )
    }
    if case .sorted(let slice) = input.order { return [section(slice, nil)] }

    var keys: [OrderKey] = []
    var days: [Int32] = []
    if layout.isSliced, let time = layout.timeColumn {
      days = Self.days(columns[time])
      keys.append(OrderKey(days.map { UInt64(Int64($0) - Int64(Int32.min)) }))
    }
    for key in layout.sortKey { keys.append(contentsOf: OrderKey.keys(of: columns[key])) }
    // Sections merged from overlapping ranges are not in log order: positions then decide among equals.
    if !isRising(input.positions) { keys.append(OrderKey(input.positions)) }
    let order = SortOrder.permutation(keys, count: input.rows.count)
    guard let firstDay = days.first, days.contains(where: { $0 != firstDay }) else {
      return [section(DaySlice(day: days.first ?? DaySlice.unsliced.day), order)]
    }
    let rows = order ?? (0..<UInt32(input.rows.count)).map { $0 }
    var sections: [SectionRows] = []
    var start = 0
    while start < rows.count {
      let day = days[Int(rows[start])]
      var end = start + 1
      while end < rows.count && days[Int(rows[end])] == day { end += 1 }
      var part = section(DaySlice(day: day), Array(rows[start..<end]))
      part.narrow(input)
      sections.append(part)
      start = end
    }
    return sections
  }
  /// Bounds the positions of a part of the input by those of its own rows.
  private mutating func narrow(_ input: SectionInput) {
    guard !input.positions.isEmpty, let order else { return }
    var (least, greatest) = (UInt64.max, UInt64.min)
    for row in order {
      least = min(least, input.positions[Int(row)])
      greatest = max(greatest, input.positions[Int(row)])
    }
    (low, high) = (LogPosition(least), LogPosition(greatest))
  }
  private static func days(_ column: ColumnVector) -> [Int32] {
    guard case .fixed(let times) = column.values else { fatalError("a time column of another layout") }
    var days = [Int32](repeating: DaySlice.unsliced.day, count: times.count)
    for row in 0..<times.count where !column.isNull(row) { days[row] = DaySlice(time: times[row], type: column.type).day }
    return days
  }
  private static func isRising(_ values: [UInt64]) -> Bool {
    for i in values.indices.dropFirst() where values[i] < values[i - 1] { return false }
    return true
  }

  /// Column `at` of the section's rows in order, with a dictionary of its own texts only.
  func column(_ at: Int) -> ColumnVector {
    let column = order.map { columns[at].gather($0) } ?? columns[at]
    switch column.values {
    case .codes(let codes, let dictionary):
      if order == nil || order?.count == columns[at].count { return column }
      let used = PreparedColumn.usedCodes(codes, column.validity, dictionary.count)
      var remap = [UInt32](repeating: 0, count: max(1, dictionary.count))
      for (rank, code) in used.enumerated() { remap[Int(code)] = UInt32(rank) }
      return ColumnVector(
        column.type,
        .codes(PreparedColumn.mapped(codes, remap, column.validity), dictionary.subset(used)),
        validity: column.validity
      )
    case .topn(var states):
      let used = PreparedColumn.usedCodes(states.codes, nil, states.dictionary.count)
      if used.count == states.dictionary.count { return column }
      var remap = [UInt32](repeating: 0, count: max(1, states.dictionary.count))
      for (rank, code) in used.enumerated() { remap[Int(code)] = UInt32(rank) }
      states.codes = PreparedColumn.mapped(states.codes, remap)
      states.dictionary = states.dictionary.subset(used)
      return ColumnVector(column.type, .topn(states), validity: column.validity)
    default: return column
    }
  }
}
