// BatchFormat.swift — the bytes of a batch: the same from client to wire to log to memtable to result.
//
// All integers little-endian. Types do not travel: reader and writer agree on them (table schema, plan, result header).
//   u32 magic "TBA1" · u8 version 1 · varint rows (≤ Limits.batchRowsMax) · varint columns · columns
// A column:
//   u8 layout (VectorLayout) · u8 hasNulls · [rows+7 / 8 bytes validity, bits past rows zero] · values
// Values by layout (INTS(n) = packed integers, below):
//   fixed     INTS(rows)
//   double    rows × u64 bit pattern
//   numeric   u8 form: 0 = u8 scale + INTS(rows) of coefficients; 1 = rows × (u8 scale, 16 bytes)
//   interval  INTS(rows) months · INTS(rows) days · INTS(rows) microseconds
//   text      u8 form: 0 = INTS(rows) lengths + bytes; 1 = dictionary + INTS(rows) codes (also bytea, uuid, arrays: not UTF-8)
//   hll       u8 log2m, u8 regwidth, i32 expthresh, u8 sparseon · rows × u8 form · INTS(rows) word counts · words (u32)
//   topn      u32 counters, u32 keyBytesMax · dictionary · INTS(rows) item counts · INTS(items) codes, uppers, errors
//             · INTS(rows) absent, totals
//   dictionary  varint count · INTS(count) lengths · bytes (UTF-8)
// INTS(n): u8 width w in {0,1,2,4,8} · i64 minimum · n × w bytes, each value = minimum + unsigned (wrapping)
//
// No checksum of its own: frames, log entries and segment blocks that carry batches have theirs.
public import Bytes
public import Model

/// Encodes and decodes batches.
public enum BatchFormat {
  static let magic: UInt32 = 0x3141_4254
  static let version: UInt8 = 1

  /// Encodes a batch of at most `Limits.batchRowsMax` rows.
  public static func encode(_ batch: Batch) -> [UInt8] {
    var out = ByteWriter(capacity: 64 + batch.count * batch.columns.count * 4)
    encode(batch, into: &out)
    return out.finish()
  }
  /// Appends an encoded batch.
  public static func encode(_ batch: Batch, into out: inout ByteWriter) {
    invariant(batch.count <= Limits.batchRowsMax, "batch of \(batch.count) rows")
    out.u32(magic)
    out.u8(version)
    out.count(batch.count)
    out.count(batch.columns.count)
    for column in batch.columns { encode(column, into: &out) }
  }
  static func encode(_ column: ColumnVector, into out: inout ByteWriter) {
    out.u8(column.type.layout.rawValue)
    if let validity = column.validity {
      out.bool(true)
      validity.words.withUnsafeBytes {
        out.bytes(UnsafeRawBufferPointer(rebasing: $0[0..<(validity.count + 7) / 8]))
      }
    } else {
      out.bool(false)
    }
    switch column.values {
    case .fixed(let v): PackedIntegers.encode(v, into: &out)
    case .double(let v): v.withUnsafeBytes { out.bytes($0) }
    case .numeric(let v): encode(v, into: &out)
    case .interval(let v):
      PackedIntegers.encode(v.map { Int64($0.months) }, into: &out)
      PackedIntegers.encode(v.map { Int64($0.days) }, into: &out)
      PackedIntegers.encode(v.map(\.microseconds), into: &out)
    case .text(let v):
      out.u8(0)
      PackedIntegers.encodeLengths(v.offsets, into: &out)
      out.bytes(v.bytes)
    case .codes(let codes, let dictionary):
      out.u8(1)
      encode(dictionary, into: &out)
      PackedIntegers.encode(codes, into: &out)
    case .hll(let v):
      encode(v.parameters, into: &out)
      out.bytes(v.forms)
      PackedIntegers.encodeLengths(v.offsets, into: &out)
      out.array(v.words)
    case .topn(let v):
      out.u32(v.parameters.counters)
      out.u32(v.parameters.keyBytesMax)
      encode(v.dictionary, into: &out)
      PackedIntegers.encodeLengths(v.offsets, into: &out)
      PackedIntegers.encode(v.codes, into: &out)
      for list in [v.uppers, v.errors, v.absent, v.totals] { PackedIntegers.encode(list, into: &out) }
    }
  }
  static func encode(_ p: HLLParameters, into out: inout ByteWriter) {
    out.u8(p.log2m)
    out.u8(p.regwidth)
    out.integer(p.expthresh)
    out.bool(p.sparseon)
  }
  static func encode(_ dictionary: TextDictionary, into out: inout ByteWriter) {
    out.count(dictionary.count)
    PackedIntegers.encodeLengths(dictionary.offsets, into: &out)
    out.bytes(dictionary.bytes)
  }
  static func encode(_ values: [Numeric], into out: inout ByteWriter) {
    let scale = values.first?.scale ?? 0
    if values.allSatisfy({ $0.scale == scale && Int128(Int64(truncatingIfNeeded: $0.coefficient)) == $0.coefficient }) {
      out.u8(0)
      out.u8(scale)
      return PackedIntegers.encode(values.map { Int64(truncatingIfNeeded: $0.coefficient) }, into: &out)
    }
    out.u8(1)
    for value in values {
      out.u8(value.scale)
      out.integer(value.coefficient)
    }
  }

  /// Decodes a batch of the given types; every length is checked before memory is taken for it.
  public static func decode(_ reader: inout ByteReader, types: [DataType]) throws(DecodingFailure) -> Batch {
    guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: reader.position - 4, "not a batch") }
    let version = try reader.u8()
    guard version == Self.version else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "batch version \(version)")
    }
    let rows = try reader.count(max: Limits.batchRowsMax, "rows of a batch")
    let columns = try reader.count(max: Limits.columnsMax, "columns of a batch")
    guard columns == types.count else {
      throw DecodingFailure(.malformed, at: reader.position, "\(columns) columns where \(types.count) were expected")
    }
    var decoded: [ColumnVector] = []
    decoded.reserveCapacity(columns)
    for type in types { decoded.append(try decodeColumn(&reader, type, rows)) }
    return Batch(count: rows, columns: decoded)
  }
  /// Columns of an encoded batch, without decoding it.
  public static func columnCount(_ bytes: [UInt8]) throws(DecodingFailure) -> Int {
    try bytes.withReader { reader throws(DecodingFailure) in
      _ = try reader.slice(5)
      _ = try reader.count(max: Limits.batchRowsMax, "rows of a batch")
      return try reader.count(max: Limits.columnsMax, "columns of a batch")
    }
  }
  /// Decodes a batch that fills the bytes exactly.
  public static func decode(_ bytes: [UInt8], types: [DataType]) throws(DecodingFailure) -> Batch {
    try bytes.withReader { reader throws(DecodingFailure) in
      let batch = try decode(&reader, types: types)
      try reader.expectEnd()
      return batch
    }
  }

  static func decodeColumn(
    _ reader: inout ByteReader,
    _ type: DataType,
    _ rows: Int
  ) throws(DecodingFailure) -> ColumnVector {
    let start = reader.position
    let layout = try reader.u8()
    guard layout == type.layout.rawValue else {
      throw DecodingFailure(.malformed, at: start, "layout \(layout) where \(type.name) was expected")
    }
    var validity: Bitmap?
    if try reader.bool() {
      let raw = try reader.slice((rows + 7) / 8)
      var words = [UInt64](repeating: 0, count: (rows + 63) / 64)
      words.withUnsafeMutableBytes { $0.copyBytes(from: raw) }
      let bits = Bitmap(words: words, count: rows)
      guard words.last == bits.words.last else {
        throw DecodingFailure(.malformed, at: start, "validity bits past the last row")
      }
      validity = bits
    }
    let values = try decodeValues(&reader, type, rows, hasNulls: validity != nil)
    if type.isBinary { try expectForms(values, validity, type, at: start) }
    return ColumnVector(type, values, validity: validity)
  }
  static func decodeValues(
    _ reader: inout ByteReader,
    _ type: DataType,
    _ rows: Int,
    hasNulls: Bool
  ) throws(DecodingFailure) -> ColumnVector.Values {
    switch type.layout {
    case .fixed: return .fixed(try PackedIntegers.decode(&reader, count: rows))
    case .double:
      return .double(try reader.array(of: UInt64.self, count: rows).map { Double(bitPattern: $0) })
    case .numeric: return .numeric(try decodeNumerics(&reader, rows))
    case .interval:
      let months = try PackedIntegers.decode(&reader, count: rows)
      let days = try PackedIntegers.decode(&reader, count: rows)
      let micros = try PackedIntegers.decode(&reader, count: rows)
      return .interval(
        (0..<rows).map {
          Interval(
            months: Int32(truncatingIfNeeded: months[$0]),
            days: Int32(truncatingIfNeeded: days[$0]),
            microseconds: micros[$0]
          )
        }
      )
    case .text: return try decodeTexts(&reader, rows, hasNulls: hasNulls, isUTF8: !type.isBinary)
    case .hll: return .hll(try decodeHLL(&reader, type, rows))
    case .topn: return .topn(try decodeTopN(&reader, type, rows))
    }
  }
  static func decodeNumerics(_ reader: inout ByteReader, _ rows: Int) throws(DecodingFailure) -> [Numeric] {
    let form = try reader.u8()
    var out: [Numeric] = []
    if form == 0 {
      let scale = try reader.u8()
      guard scale <= 38 else { throw DecodingFailure(.malformed, at: reader.position - 1, "numeric scale \(scale)") }
      for value in try PackedIntegers.decode(&reader, count: rows) {
        out.append(Numeric(coefficient: Int128(value), scale: scale))
      }
      return out
    }
    guard form == 1 else { throw DecodingFailure(.unknown, at: reader.position - 1, "numeric form \(form)") }
    guard rows <= reader.remaining / 17 else {
      throw DecodingFailure(.truncated, at: reader.position, "\(rows) numerics")
    }
    for _ in 0..<rows {
      let scale = try reader.u8()
      let coefficient = try reader.integer(Int128.self)
      guard scale <= 38 else { throw DecodingFailure(.malformed, at: reader.position - 17, "numeric scale \(scale)") }
      out.append(Numeric(coefficient: coefficient, scale: scale))
    }
    return out
  }
  static func decodeTexts(
    _ reader: inout ByteReader,
    _ rows: Int,
    hasNulls: Bool,
    isUTF8: Bool
  ) throws(DecodingFailure) -> ColumnVector.Values {
    let form = try reader.u8()
    switch form {
    case 0:
      let offsets = try PackedIntegers.decodeLengths(&reader, count: rows, max: Limits.batchBytesMax)
      let start = reader.position
      let bytes = try reader.bytes(Int(offsets[rows]))
      if isUTF8 { try expectUTF8(bytes, offsets, at: start) }
      return .text(TextColumn(offsets: offsets, bytes: bytes))
    case 1:
      let dictionary = try decodeDictionary(&reader, isUTF8: isUTF8)
      let start = reader.position
      let codes = try PackedIntegers.decodeUnsigned(&reader, count: rows, below: max(1, dictionary.count))
      if dictionary.count == 0 && rows > 0 && !hasNulls {
        throw DecodingFailure(.malformed, at: start, "codes of an empty dictionary")
      }
      return .codes(codes, dictionary)
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "text form \(form)")
    }
  }
  static func decodeDictionary(_ reader: inout ByteReader, isUTF8: Bool = true) throws(DecodingFailure) -> TextDictionary {
    let count = try reader.count(max: Limits.topNItemsMax * 4, "dictionary")
    let offsets = try PackedIntegers.decodeLengths(&reader, count: count, max: Limits.batchBytesMax)
    let start = reader.position
    let bytes = try reader.bytes(Int(offsets[count]))
    if isUTF8 { try expectUTF8(bytes, offsets, at: start) }
    return TextDictionary(offsets: offsets, bytes: bytes)
  }
  /// Values of binary types must be well formed; NULL rows have no bytes.
  private static func expectForms(
    _ values: ColumnVector.Values,
    _ validity: Bitmap?,
    _ type: DataType,
    at start: Int
  ) throws(DecodingFailure) {
    var isGood = true
    switch values {
    case .text(let texts):
      texts.bytes.withUnsafeBytes { bytes in
        for row in 0..<texts.count where validity?[row] ?? true {
          let range = Int(texts.offsets[row])..<Int(texts.offsets[row + 1])
          isGood = isGood && BinaryForm.isValid(UnsafeRawBufferPointer(rebasing: bytes[range]), type)
        }
      }
    case .codes(let codes, let dictionary):
      var isUsed = [Bool](repeating: false, count: dictionary.count)
      for (row, code) in codes.enumerated() where validity?[row] ?? true { isUsed[Int(code)] = true }
      for (code, isUsed) in isUsed.enumerated() where isUsed {
        dictionary.withText(UInt32(code)) { isGood = isGood && BinaryForm.isValid($0, type) }
      }
    default: break
    }
    guard isGood else { throw DecodingFailure(.malformed, at: start, "bytes that are no \(type.name)") }
  }
  private static func expectUTF8(_ bytes: [UInt8], _ offsets: [UInt32], at start: Int) throws(DecodingFailure) {
    let failure = bytes.withUnsafeBytes { raw -> DecodingFailure? in
      if isASCII(raw) { return nil }
      guard String(validating: raw, as: UTF8.self) != nil else {
        return DecodingFailure(.malformed, at: start, "text is not UTF-8")
      }
      // The whole is well formed; a border inside a character would make two parts ill formed.
      for offset in offsets where Int(offset) < raw.count && raw[Int(offset)] & 0xc0 == 0x80 {
        return DecodingFailure(.malformed, at: start + Int(offset), "text border inside a character")
      }
      return nil
    }
    if let failure { throw failure }
  }
  private static func isASCII(_ raw: UnsafeRawBufferPointer) -> Bool {
    var seen: UInt64 = 0
    var i = 0
    while i + 8 <= raw.count {
      seen |= raw.loadUnaligned(fromByteOffset: i, as: UInt64.self)
      i += 8
    }
    while i < raw.count {
      seen |= UInt64(raw[i])
      i += 1
    }
    return seen & 0x8080_8080_8080_8080 == 0
  }
  static func decodeHLL(_ reader: inout ByteReader, _ type: DataType, _ rows: Int) throws(DecodingFailure) -> HLLColumn {
    let start = reader.position
    let parameters = HLLParameters(
      log2m: try reader.u8(),
      regwidth: try reader.u8(),
      expthresh: try reader.integer(),
      sparseon: try reader.bool()
    )
    guard type == .hll(parameters) else {
      throw DecodingFailure(.malformed, at: start, "hll parameters differ from the column's")
    }
    let forms = try reader.bytes(rows)
    let offsets = try PackedIntegers.decodeLengths(&reader, count: rows, max: Limits.batchBytesMax / 4)
    let words = try reader.array(of: UInt32.self, count: Int(offsets[rows]))
    let column = HLLColumn(parameters: parameters, forms: forms, offsets: offsets, words: words)
    if let row = column.firstInvalidRow() {
      throw DecodingFailure(.malformed, at: start, "hll state of row \(row) is not well formed")
    }
    return column
  }
  static func decodeTopN(
    _ reader: inout ByteReader,
    _ type: DataType,
    _ rows: Int
  ) throws(DecodingFailure) -> TopNColumn {
    let start = reader.position
    let parameters = TopNParameters(counters: try reader.u32(), keyBytesMax: try reader.u32())
    guard type == .topn(parameters) || type == .topnRecord else {
      throw DecodingFailure(.malformed, at: start, "topn parameters differ from the column's")
    }
    let dictionary = try decodeDictionary(&reader)
    let offsets = try PackedIntegers.decodeLengths(&reader, count: rows, max: Limits.batchBytesMax / 16)
    let items = Int(offsets[rows])
    let column = TopNColumn(
      parameters: parameters,
      offsets: offsets,
      codes: try PackedIntegers.decodeUnsigned(&reader, count: items, below: max(1, dictionary.count)),
      uppers: try PackedIntegers.decode(&reader, count: items),
      errors: try PackedIntegers.decode(&reader, count: items),
      absent: try PackedIntegers.decode(&reader, count: rows),
      totals: try PackedIntegers.decode(&reader, count: rows),
      dictionary: dictionary
    )
    if items > 0 && dictionary.count == 0 || !column.isWellFormed() {
      throw DecodingFailure(.malformed, at: start, "topn states are not well formed")
    }
    return column
  }
}
