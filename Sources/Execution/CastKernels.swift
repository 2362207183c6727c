// CastKernels.swift — casts between types over blocks, with PostgreSQL's rounding and errors.
//
// Text to and from other types goes through Model.ValueText. A cast that PostgreSQL does not have never reaches a plan.
import Bytes
public import Columns
public import Model
import Planning

enum CastKernels {
  /// The operand under a type that needs no new values, or nil.
  static func relabelled(_ operand: Operand, as type: DataType) -> Operand? {
    switch (operand.type, type) {
    case (.smallint, .integer), (.smallint, .bigint), (.integer, .bigint),
      (.timestamp, .timestamptz),
      (.timestamptz, .timestamp), (.numeric, .numeric(precision: nil, scale: nil)),
      (.varchar, .text),
      (.unknown, .text), (.text, .varchar(0)), (.varchar, .varchar(0)), (.smallint, .hllHashval),
      (.integer, .hllHashval), (.bigint, .hllHashval), (.hllHashval, .bigint), (.real, .double), (.name, .text), (.name, .varchar(0)),
      (.char, .text), (.varchar, .bpchar(0)), (.text, .bpchar(0)), (.bpchar, .bpchar(0)), (.jsonb, .json):
      operand.relabelled(type)
    default: operand.type.isObjectNumber && type.isObjectNumber ? operand.relabelled(type) : nil
    }
  }
  /// Whether a cast has a kernel over blocks here; others are lifted from `ScalarEvaluator.cast`.
  static func hasKernel(_ from: DataType, _ to: DataType) -> Bool {
    func isOld(_ type: DataType) -> Bool {
      switch type {
      case .boolean, .smallint, .integer, .bigint, .double, .numeric, .text, .varchar, .date, .timestamp, .timestamptz, .interval, .hll,
        .topn, .hllHashval, .unknown:
        true
      default: false
      }
    }
    switch (from, to) {
    case (.jsonb, .topn), (.topn, .jsonb): return true
    default: return isOld(from) && isOld(to)
    }
  }

  static func cast(
    _ a: Operand,
    to type: DataType,
    count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    if a.type.layout == .text { return try parse(a, as: type, count, validity) }
    switch (a.type, type) {
    case (_, .text), (_, .varchar): return try print(a, type, count, validity)
    case (.boolean, _) where type.isInteger: return .fixed(a.fixed.isEmpty ? [] : rows(a, count))
    case (_, .boolean) where a.type.isInteger:
      let x = a.fixed
      return .fixed((0..<count).map { x[$0 & a.mask] == 0 ? 0 : 1 })
    case (.date, .timestamp), (.date, .timestamptz):
      let x = a.fixed
      return .fixed(
        try mapRows(count, validity, empty: 0) {
          try TimeArithmetic.timestamp(ofDate: x[$0 & a.mask])
        }
      )
    case (.timestamp, .date), (.timestamptz, .date):
      let x = a.fixed
      return .fixed(
        mapRows(count, validity, empty: 0) { TimeArithmetic.date(ofTimestamp: x[$0 & a.mask]) }
      )
    case (.hll(let own), .hll(let wanted)):
      guard own == wanted else {
        throw TallyError.sql("22023", "hll has other parameters than \(type.name)")
      }
      return a.expanded(count).values
    case (.topn, .topn): return a.expanded(count).values
    case (.topn, .jsonb): return try SketchKernels.printTopN(a, count, validity)
    default: return try numbers(a, type, count, validity)
    }
  }
  private static func rows(_ a: Operand, _ count: Int) -> [Int64] {
    let x = a.fixed
    return (0..<count).map { x[$0 & a.mask] }
  }
  private static func unknown(_ a: Operand, _ type: DataType) -> TallyError {
    .sql("42846", "cannot cast type \(a.type.name) to \(type.name)")
  }
  private static func numbers(
    _ a: Operand,
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    guard a.type.isNumber || a.type == .hllHashval, type.isNumber || type == .hllHashval else {
      throw unknown(a, type)
    }
    switch (a.type.layout, type.layout) {
    case (.fixed, .fixed):
      let (x, range) = (a.fixed, IntegerRange.of(type))
      return .fixed(
        try mapRows(count, validity, empty: 0) { row in
          let value = x[row & a.mask]
          guard range.contains(value) else { throw IntegerRange.failure(type) }
          return value
        }
      )
    case (.fixed, .double):
      let x = a.fixed
      return .double(mapRows(count, validity, empty: 0) { Double(x[$0 & a.mask]) })
    case (.fixed, .numeric):
      let x = a.fixed
      return .numeric(
        try mapRows(count, validity, empty: Numeric(0)) {
          try Numeric(x[$0 & a.mask]).fitted(to: type)
        }
      )
    case (.double, .fixed):
      let x = a.double
      return .fixed(
        try mapRows(count, validity, empty: 0) {
          try IntegerRange.integer(x[$0 & a.mask], as: type)
        }
      )
    case (.double, .double):
      return .double(mapRows(count, validity, empty: 0) { a.double[$0 & a.mask] })
    case (.double, .numeric):
      let x = a.double
      return .numeric(
        try mapRows(count, validity, empty: Numeric(0)) {
          try Numeric(double: x[$0 & a.mask]).fitted(to: type)
        }
      )
    case (.numeric, .fixed):
      let x = a.numeric
      return .fixed(try mapRows(count, validity, empty: 0) { try x[$0 & a.mask].integer(as: type) })
    case (.numeric, .double):
      let x = a.numeric
      return .double(mapRows(count, validity, empty: 0) { x[$0 & a.mask].double })
    case (.numeric, .numeric):
      let x = a.numeric
      return .numeric(
        try mapRows(count, validity, empty: Numeric(0)) { try x[$0 & a.mask].fitted(to: type) }
      )
    default: throw unknown(a, type)
    }
  }
  private static func parse(
    _ a: Operand,
    as type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    try a.withTexts { texts in
      func value(_ row: Int) throws -> Value { try ValueText.parse(texts[row & a.mask], as: type) }
      switch type.layout {
      case .fixed:
        return .fixed(
          try mapRows(count, validity, empty: 0) {
            try ValueText.parseFixed(texts[$0 & a.mask], as: type)
          }
        )
      case .double:
        return .double(
          try mapRows(count, validity, empty: 0) {
            if case .double(let v) = try value($0) { v } else { 0 }
          }
        )
      case .numeric:
        return .numeric(
          try mapRows(count, validity, empty: Numeric(0)) { row in
            if case .numeric(let v) = try value(row) { v } else { Numeric(0) }
          }
        )
      case .interval:
        return .interval(
          try mapRows(count, validity, empty: Interval()) { row in
            if case .interval(let v) = try value(row) { v } else { Interval() }
          }
        )
      case .text:
        guard case .varchar(let limit) = type else { throw unknown(a, type) }
        // An explicit cast cuts silently; only assignment refuses (22001).
        var out = TextColumn()
        for row in 0..<count {
          if validity?[row] ?? true {
            out.append(prefix(texts[row & a.mask], characters: Int(limit)))
          } else {
            out.append(UnsafeRawBufferPointer(start: nil, count: 0))
          }
        }
        return .text(out)
      case .hll: return try SketchKernels.parseHLL(type, count, validity, value)
      case .topn: return try SketchKernels.parseTopN(texts, a, type, count, validity)
      }
    }
  }
  private static func prefix(
    _ text: UnsafeRawBufferPointer,
    characters limit: Int
  ) -> UnsafeRawBufferPointer {
    if limit == 0 || text.count <= limit { return text }
    var characters = 0
    for at in 0..<text.count where text[at] & 0xc0 != 0x80 {
      if characters == limit { return UnsafeRawBufferPointer(rebasing: text[..<at]) }
      characters += 1
    }
    return text
  }
  private static func print(
    _ a: Operand,
    _ type: DataType,
    _ count: Int,
    _ validity: Bitmap?
  ) throws -> ColumnVector.Values {
    var out = TextColumn()
    var limit = 0
    if case .varchar(let n) = type { limit = Int(n) }
    for row in 0..<count {
      if validity?[row] ?? true {
        // Booleans cast to whole words, though they print as t and f.
        let text =
          a.type == .boolean
          ? (a.fixed[row & a.mask] != 0 ? "true" : "false")
          : ValueText.print(try a.column.value(row & a.mask), as: a.type) ?? ""
        let bytes = Array(text.utf8)
        bytes.withUnsafeBytes { out.append(prefix($0, characters: limit)) }
      } else {
        out.append(UnsafeRawBufferPointer(start: nil, count: 0))
      }
    }
    return .text(out)
  }
}

extension ColumnVector {
  /// One row as a value; for the edges, not for loops over rows.
  public func value(_ row: Int) throws -> Value {
    if isNull(row) { return .null }
    switch values {
    case .fixed(let v): return .fixed(v[row])
    case .double(let v): return .double(v[row])
    case .numeric(let v): return .numeric(v[row])
    case .interval(let v): return .interval(v[row])
    case .text, .codes: return textValue(row)
    case .hll(let v): return .hll(SketchKernels.pack(v, row))
    case .topn(let v): return .topn(SketchKernels.pack(v, row))
    }
  }
  /// One row of a column of layout `.text` that is not NULL.
  func textValue(_ row: Int) -> Value {
    switch values {
    case .text(let v):
      let range = Int(v.offsets[row])..<Int(v.offsets[row + 1])
      return v.bytes.withUnsafeBytes { BinaryForm.value(UnsafeRawBufferPointer(rebasing: $0[range]), type) }
    case .codes(let v, let dictionary): return dictionary.withText(v[row]) { BinaryForm.value($0, type) }
    default: return .null
    }
  }
}
