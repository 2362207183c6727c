// RowEncoder.swift — DataRow messages straight from column vectors, in the text and the binary format.
//
//   D DataRow   u16 n, n × (i32 length or -1 for NULL, bytes)
//
// A block of rows is written column by column into one scratch buffer (each value with its length before it) and then put
// together row by row: the switch over types runs once a block and nothing is allocated per row. Texts equal ZonedText's.
//
// Binary: integers and doubles by their bytes; dates and times count from 2000-01-01 (i32 days, i64 microseconds); interval is
// i64 microseconds, i32 days, i32 months; numeric: NumericBinary.swift; jsonb is a version byte 1 and the text.

internal import Bytes
internal import Columns
internal import Model

/// Bytes of one sketch: an `hll` packed, a `topn` as JSON text.
typealias SketchBytes = (ColumnVector, Int) throws(TallyError) -> [UInt8]

/// PostgreSQL's epoch, as ours counts.
enum PostgresEpoch {
  /// 2000-01-01 in days since 1970-01-01.
  static let day: Int64 = 10_957
  /// The same in microseconds.
  static let microsecond: Int64 = 946_684_800_000_000
}

/// Encodes the rows of one connection; owns the scratch memory.
struct RowEncoder: ~Copyable {
  private var scratch = ByteWriter(capacity: 16 << 10)
  /// End of each value in `scratch`, column by column.
  private var ends: [Int] = []

  /// Appends rows of a batch as DataRow messages; `isBinary` holds one flag a column.
  mutating func write(
    _ batch: Batch,
    _ rows: Range<Int>,
    isBinary: [Bool],
    style: TextStyle = TextStyle(),
    sketches: SketchBytes,
    into out: inout ByteWriter
  ) throws(TallyError) {
    guard batch.columns.count == isBinary.count else {
      throw TallyError(.internalError, "a batch of \(batch.columns.count) columns where \(isBinary.count) were described")
    }
    scratch.removeAll()
    ends.removeAll(keepingCapacity: true)
    ends.reserveCapacity(rows.count * batch.columns.count)
    for (at, column) in batch.columns.enumerated() {
      try ColumnEncoding.write(column, rows, isBinary: isBinary[at], style, sketches, &scratch, &ends)
    }
    assemble(rows.count, batch.columns.count, into: &out)
    scratch.clear(capacity: 16 << 10)
  }
  private func assemble(_ rows: Int, _ columns: Int, into out: inout ByteWriter) {
    out.reserve(scratch.count + rows * 7)
    scratch.withBytes { bytes in
      ends.withUnsafeBufferPointer { ends in
        for row in 0..<rows {
          let start = out.begin(UInt8(ascii: "D"))
          out.big(UInt16(columns))
          var at = row
          for _ in 0..<columns {
            out.bytes(UnsafeRawBufferPointer(rebasing: bytes[(at == 0 ? 0 : ends[at - 1])..<ends[at]]))
            at += rows
          }
          out.end(start)
        }
      }
    }
  }
}

/// One column's values, each behind its length.
enum ColumnEncoding {
  static func write(
    _ column: ColumnVector,
    _ rows: Range<Int>,
    isBinary: Bool,
    _ style: TextStyle,
    _ sketches: SketchBytes,
    _ out: inout ByteWriter,
    _ ends: inout [Int]
  ) throws(TallyError) {
    let type = column.type
    let validity = column.validity
    switch column.values {
    case .fixed(let values) where type == .timestamptz && !isBinary && !style.zone.isUTC:
      each(rows, validity, &out, &ends) { row, out in ZonedText.write(values[row], zone: style.zone, into: &out) }
    case .fixed(let values):
      values.withUnsafeBufferPointer { values in
        isBinary
          ? binary(values, type, rows, validity, &out, &ends)
          : each(rows, validity, &out, &ends) { row, out in ValueText.write(fixed: values[row], as: type, into: &out) }
      }
    case .double(let values) where !isBinary && style.roundsFloats:
      let digits = style.significantDigits(of: type)
      each(rows, validity, &out, &ends) { row, out in DoubleText.write(values[row], significantDigits: digits, into: &out) }
    case .double(let values):
      each(rows, validity, &out, &ends) { row, out in
        if type == .real {
          if isBinary { out.big(Float(values[row]).bitPattern) } else { DoubleText.write(real: values[row], into: &out) }
          return
        }
        if isBinary { out.big(values[row].bitPattern) } else { DoubleText.write(values[row], into: &out) }
      }
    case .numeric(let values):
      each(rows, validity, &out, &ends) { row, out in
        if isBinary { NumericBinary.write(values[row], into: &out) } else { NumericText.write(values[row], into: &out) }
      }
    case .interval(let values):
      each(rows, validity, &out, &ends) { row, out in
        if isBinary { binary(values[row], &out) } else { IntervalText.write(values[row], into: &out) }
      }
    case .text(let texts) where type.isBinary || type == .jsonb:
      texts.bytes.withUnsafeBytes { bytes in
        each(rows, validity, &out, &ends) { row, out in
          let range = Int(texts.offsets[row])..<Int(texts.offsets[row + 1])
          typed(UnsafeRawBufferPointer(rebasing: bytes[range]), type, isBinary: isBinary, style, &out)
        }
      }
    case .codes(let codes, let dictionary) where type.isBinary || type == .jsonb:
      each(rows, validity, &out, &ends) { row, out in
        dictionary.withText(codes[row]) { typed($0, type, isBinary: isBinary, style, &out) }
      }
    case .text(let texts):
      texts.bytes.withUnsafeBytes { bytes in
        each(rows, validity, &out, &ends) { row, out in
          out.bytes(UnsafeRawBufferPointer(rebasing: bytes[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]))
        }
      }
    case .codes(let codes, let dictionary):
      each(rows, validity, &out, &ends) { row, out in
        dictionary.withText(codes[row]) { out.bytes($0) }
      }
    case .hll, .topn: try sketch(column, rows, isBinary: isBinary, sketches, &out, &ends)
    }
  }

  @inline(__always) private static func each(
    _ rows: Range<Int>,
    _ validity: Bitmap?,
    _ out: inout ByteWriter,
    _ ends: inout [Int],
    _ write: (Int, inout ByteWriter) -> Void
  ) {
    for row in rows {
      if let validity, !validity[row] {
        out.big(Int32(-1))
      } else {
        let start = out.reserveZeros(4)
        write(row, &out)
        out.patchBig(UInt32(truncatingIfNeeded: out.count - start - 4), at: start)
      }
      ends.append(out.count)
    }
  }

  private static func binary(
    _ values: UnsafeBufferPointer<Int64>,
    _ type: DataType,
    _ rows: Range<Int>,
    _ validity: Bitmap?,
    _ out: inout ByteWriter,
    _ ends: inout [Int]
  ) {
    switch type {
    case .boolean: each(rows, validity, &out, &ends) { row, out in out.u8(values[row] != 0 ? 1 : 0) }
    case .smallint: each(rows, validity, &out, &ends) { row, out in out.big(Int16(truncatingIfNeeded: values[row])) }
    case .integer: each(rows, validity, &out, &ends) { row, out in out.big(Int32(truncatingIfNeeded: values[row])) }
    case .date: each(rows, validity, &out, &ends) { row, out in out.big(day(values[row])) }
    case .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole:
      each(rows, validity, &out, &ends) { row, out in out.big(UInt32(truncatingIfNeeded: values[row])) }
    case .timestamp, .timestamptz:
      each(rows, validity, &out, &ends) { row, out in out.big(microsecond(values[row])) }
    default: each(rows, validity, &out, &ends) { row, out in out.big(values[row]) }
    }
  }
  private static func day(_ day: Int64) -> Int32 {
    if day == TimeLimits.infinity { return .max }
    if day == TimeLimits.minusInfinity { return .min }
    return Int32(truncatingIfNeeded: day &- PostgresEpoch.day)
  }
  private static func microsecond(_ time: Int64) -> Int64 {
    TimeArithmetic.isInfinite(time) ? time : time &- PostgresEpoch.microsecond
  }
  private static func binary(_ value: Interval, _ out: inout ByteWriter) {
    out.big(value.microseconds)
    out.big(value.days)
    out.big(value.months)
  }

  /// A value of layout `.text` whose two formats differ.
  private static func typed(
    _ bytes: UnsafeRawBufferPointer,
    _ type: DataType,
    isBinary: Bool,
    _ style: TextStyle,
    _ out: inout ByteWriter
  ) {
    if type == .jsonb {
      if isBinary { out.u8(1) }
      return out.bytes(bytes)
    }
    guard isBinary else {
      if ZonedText.depends(type), !style.zone.isUTC { return ZonedText.write(array: bytes, zone: style.zone, into: &out) }
      if style.roundsFloats, let element = type.element, element == .double || element == .real {
        return rounded(bytes, element, style.significantDigits(of: element), &out)
      }
      return BinaryForm.write(bytes, as: type, into: &out)
    }
    if type == .inet, let address = InetValue(bytes) { return out.bytes(address.binary) }
    guard let element = type.element else { return out.bytes(bytes) }
    array(bytes, element, &out)
  }
  /// The text of an array of floats that are rounded.
  private static func rounded(_ bytes: UnsafeRawBufferPointer, _ element: DataType, _ digits: Int, _ out: inout ByteWriter) {
    var array: ArrayValue
    do throws(DecodingFailure) { array = try ArrayValue(bytes, element) } catch { array = ArrayValue(element, []) }
    array.element = .text
    array.elements = array.elements.map { value in
      guard case .double(let number) = value else { return .null }
      var text = ByteWriter()
      DoubleText.write(number, significantDigits: digits, into: &text)
      return .text(String(decoding: text.finish(), as: UTF8.self))
    }
    array.write(into: &out)
  }
  /// i32 dimensions, i32 has NULLs, u32 element type; i32 size, i32 lower bound; elements behind their lengths.
  private static func array(_ bytes: UnsafeRawBufferPointer, _ element: DataType, _ out: inout ByteWriter) {
    let elements: [Value]
    do throws(DecodingFailure) { elements = try ArrayValue(bytes, element).elements } catch { elements = [] }
    out.big(Int32(elements.isEmpty ? 0 : 1))
    out.big(Int32(elements.contains(where: \.isNull) ? 1 : 0))
    out.big(PostgresType(element).oid)
    if elements.isEmpty { return }
    out.big(Int32(elements.count))
    out.big(Int32(1))
    for value in elements {
      if value.isNull {
        out.big(Int32(-1))
        continue
      }
      let start = out.reserveZeros(4)
      write(binary: value, element, &out)
      out.patchBig(UInt32(truncatingIfNeeded: out.count - start - 4), at: start)
    }
  }
  private static func write(binary value: Value, _ type: DataType, _ out: inout ByteWriter) {
    switch value {
    case .fixed(let number):
      switch type {
      case .boolean: out.u8(number != 0 ? 1 : 0)
      case .smallint: out.big(Int16(truncatingIfNeeded: number))
      case .integer: out.big(Int32(truncatingIfNeeded: number))
      case .date: out.big(day(number))
      case .timestamp, .timestamptz: out.big(microsecond(number))
      case .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole: out.big(UInt32(truncatingIfNeeded: number))
      default: out.big(number)
      }
    case .double(let number): type == .real ? out.big(Float(number).bitPattern) : out.big(number.bitPattern)
    case .numeric(let number): NumericBinary.write(number, into: &out)
    case .interval(let span): binary(span, &out)
    case .text(let text):
      if type == .jsonb { out.u8(1) }
      out.bytes(Array(text.utf8))
    case .bytes(let bytes): out.bytes(type == .inet ? InetValue(value)?.binary ?? bytes : bytes)
    case .null, .hll, .topn: break
    }
  }

  private static func hexadecimal(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x57 + digit }
  private static func sketch(
    _ column: ColumnVector,
    _ rows: Range<Int>,
    isBinary: Bool,
    _ sketches: SketchBytes,
    _ out: inout ByteWriter,
    _ ends: inout [Int]
  ) throws(TallyError) {
    let isJSON = if case .topn = column.values { true } else { false }
    for row in rows {
      if column.isNull(row) {
        out.big(Int32(-1))
      } else {
        let bytes = try sketches(column, row)
        let start = out.reserveZeros(4)
        switch (isJSON, isBinary) {
        case (true, true):
          out.u8(1)
          out.bytes(bytes)
        case (true, false), (false, true): out.bytes(bytes)
        case (false, false):
          out.u8(UInt8(ascii: "\\"))
          out.u8(UInt8(ascii: "x"))
          for byte in bytes {
            out.u8(hexadecimal(byte >> 4))
            out.u8(hexadecimal(byte & 15))
          }
        }
        out.patchBig(UInt32(truncatingIfNeeded: out.count - start - 4), at: start)
      }
      ends.append(out.count)
    }
  }
}
