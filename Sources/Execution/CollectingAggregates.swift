// CollectingAggregates.swift — array_agg, jsonb_agg and jsonb_object_agg over sets of rows in order.
//
// The bytes of results are written straight from the columns: an array's as `ArrayValue` has them, a jsonb's canonical text from the
// canonical texts of its parts. A set without rows gives NULL; what is over a text's limit is 54000.
import Bytes
import Columns
import Model

enum CollectingAggregates {
  /// Arrays of a column's values; NULLs are elements.
  static func arrays(_ column: ColumnVector, _ sets: RowSets, _ context: ExecutionContext) throws -> ColumnVector {
    try Elements.lend(column) { elements in
      try collect(sets, context, .text, "array") { rows, out in
        out.count(rows.count)
        let hasNulls = column.validity != nil && rows.contains { column.isNull(Int($0)) }
        out.bool(hasNulls)
        if hasNulls {
          var bits = [UInt8](repeating: 0, count: (rows.count + 7) / 8)
          for (place, row) in rows.enumerated() where column.isNull(Int(row)) { bits[place / 8] |= 1 << UInt8(place % 8) }
          out.bytes(bits)
        }
        elements.write(rows, column, &out)
      }
    }
  }

  /// JSON arrays of jsonb texts; NULL is JSON's null.
  static func jsonArrays(_ texts: ColumnVector, _ sets: RowSets, _ context: ExecutionContext) throws -> ColumnVector {
    try Operand(texts).withTexts { text in
      try collect(sets, context, .jsonb, "jsonb") { rows, out in
        let start = out.count
        out.u8(0x5b)
        for (place, row) in rows.enumerated() {
          if out.count - start > Limits.textBytesMax { return }
          if place > 0 { out.mark(", ") }
          if texts.isNull(Int(row)) { out.mark("null") } else { out.bytes(text[Int(row)]) }
        }
        out.u8(0x5d)
      }
    }
  }

  /// JSON objects; of equal keys the last stays.
  static func jsonObjects(
    _ keys: ColumnVector,
    _ values: ColumnVector,
    _ sets: RowSets,
    _ context: ExecutionContext
  ) throws -> ColumnVector {
    try Operand(keys).withTexts { key in
      try Operand(values).withTexts { value in
        try collect(sets, context, .jsonb, "jsonb") { rows, out in
          if rows.contains(where: { keys.isNull(Int($0)) }) { throw TallyError.sql("22023", "field name must not be null") }
          let order = rows.enumerated().sorted { a, b in
            let (x, y) = (key[Int(a.element)], key[Int(b.element)])
            if x.count != y.count { return x.count < y.count }
            return x.elementsEqual(y) ? a.offset < b.offset : x.lexicographicallyPrecedes(y)
          }
          let start = out.count
          out.u8(0x7b)
          var isFirst = true
          for (place, member) in order.enumerated() {
            if out.count - start > Limits.textBytesMax { return }
            let name = key[Int(member.element)]
            if place + 1 < order.count, name.elementsEqual(key[Int(order[place + 1].element)]) { continue }
            if !isFirst { out.mark(", ") }
            isFirst = false
            JSONValue.write(string: String(decoding: name, as: UTF8.self), into: &out)
            out.mark(": ")
            if values.isNull(Int(member.element)) { out.mark("null") } else { out.bytes(value[Int(member.element)]) }
          }
          out.u8(0x7d)
        }
      }
    }
  }

  /// One text or byte string a set, by `write`, which may end early once it has made more than there may be.
  private static func collect(
    _ sets: RowSets,
    _ context: ExecutionContext,
    _ type: DataType,
    _ noun: String,
    _ write: (ArraySlice<UInt32>, inout ByteWriter) throws -> Void
  ) throws -> ColumnVector {
    var out = ByteWriter(capacity: sets.rows.count * 4)
    var offsets: [UInt32] = [0]
    offsets.reserveCapacity(sets.count + 1)
    var validity = Bitmap(repeating: true, count: sets.count)
    var held = 0
    defer { context.release(held) }
    for set in 0..<sets.count {
      let rows = sets.rows[sets.starts[set]..<sets.starts[set + 1]]
      let start = out.count
      if rows.isEmpty { validity[set] = false } else { try write(rows, &out) }
      guard out.count - start <= Limits.textBytesMax else {
        throw TallyError.sql("54000", "\(noun) of \(out.count - start) bytes exceeds the maximum allowed (\(Limits.textBytesMax))")
      }
      if out.count - held > 1 << 16 {
        try context.hold(out.count - held)
        held = out.count
        try context.cancel.check()
      }
      guard let end = UInt32(exactly: out.count) else { throw TallyError(.overloaded, "texts of a block over 4 GiB") }
      offsets.append(end)
    }
    return ColumnVector(type, .text(TextColumn(offsets: offsets, bytes: out.finish())), validity: validity)
  }
}

/// A column's values as an array's elements.
private enum Elements {
  case fixed([Int64])
  case double([Double])
  case numeric([Numeric])
  case interval([Interval])
  case texts(TextRows)

  static func lend<R>(_ column: ColumnVector, _ body: (Elements) throws -> R) throws -> R {
    switch column.values {
    case .fixed(let values): return try body(.fixed(values))
    case .double(let values): return try body(.double(values))
    case .numeric(let values): return try body(.numeric(values))
    case .interval(let values): return try body(.interval(values))
    case .text, .codes: return try Operand(column).withTexts { try body(.texts($0)) }
    case .hll, .topn: throw TallyError.sql("0A000", "an array of type \(column.type.name) is not supported")
    }
  }
  /// Appends the values that are not NULL; ends early once texts are too many bytes.
  func write(_ rows: ArraySlice<UInt32>, _ column: ColumnVector, _ out: inout ByteWriter) {
    switch self {
    case .fixed(let values): for row in rows where !column.isNull(Int(row)) { out.signedVarint(values[Int(row)]) }
    case .double(let values):
      for row in rows where !column.isNull(Int(row)) {
        let value = values[Int(row)]
        out.f64(value.isNaN ? .nan : value == 0 ? 0 : value)
      }
    case .numeric(let values): for row in rows where !column.isNull(Int(row)) { ValueFormat.encode(values[Int(row)], into: &out) }
    case .interval(let values): for row in rows where !column.isNull(Int(row)) { ValueFormat.encode(values[Int(row)], into: &out) }
    case .texts(let texts):
      let start = out.count
      for row in rows where !column.isNull(Int(row)) {
        if out.count - start > Limits.textBytesMax { return }
        out.count(texts[Int(row)].count)
        out.bytes(texts[Int(row)])
      }
    }
  }
}

extension ByteWriter {
  /// Appends a text of the grammar.
  fileprivate mutating func mark(_ text: StaticString) {
    bytes(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
  }
}
