// ColumnEncoding.swift — the bytes of one column's values within one block of a segment.
//
//   block     = u8 flags (1 = NULLs) · [⌈rows/8⌉ bytes validity, bits past the rows zero] · values
// Values by layout (INTS: ColumnEncodingIntegers; states: ColumnEncodingSketches):
//   fixed     INTS(rows)
//   double    u8 form: 0 = BYTES(8 rows) bit patterns; 1 = u8 k, INTS(rows): value = integer / 10^k exactly
//   numeric   u8 form: 0 = u8 scale, INTS(rows) coefficients; 1 = BYTES(17 rows): u8 scale and i128 a row
//   interval  INTS(rows) months · INTS(rows) days · INTS(rows) microseconds
//   text      with a dictionary (the directory says so): INTS(rows) codes; without: INTS(rows) lengths · BYTES(sum)
//   BYTES(n)  u8 form: 0 = n bytes; 1 = varint stored size, one LZ4 block (saves more than 10 %);
//             2 = varint stored size, HuffmanCode (saves more than 10 % of the better of the other two)
// Decoders check every length and code, never trap, and take no memory for a count that was not checked against a limit.
import Bytes
import Columns
import Model

enum ColumnEncoding {
  /// Rows of a block.
  static let blockRowsMax = 8192
  /// Flat elements (text bytes, words, items) of a block that a reader takes memory for.
  static let blockElementsMax = 1 << 30

  // MARK: Encoding

  /// Appends a block; codes refer to the section's dictionary.
  static func encode(_ column: ColumnVector, into out: inout ByteWriter) {
    out.u8(column.validity == nil ? 0 : 1)
    if let validity = column.validity {
      validity.words.withUnsafeBytes { out.bytes(UnsafeRawBufferPointer(rebasing: $0[0..<(validity.count + 7) / 8])) }
    }
    switch column.values {
    case .fixed(let v): encode(v, into: &out)
    case .double(let v): encode(v, into: &out)
    case .numeric(let v): encode(v, into: &out)
    case .interval(let v):
      encode(v.map { Int64($0.months) }, into: &out)
      encode(v.map { Int64($0.days) }, into: &out)
      encode(v.map(\.microseconds), into: &out)
    case .codes(let v, _): v.withUnsafeBufferPointer { IntegerEncoding.encode($0, into: &out) }
    case .text(let v):
      encodeLengths(v.offsets, into: &out)
      v.bytes.withUnsafeBytes { encodeBytes($0, into: &out) }
    case .hll(let v): encode(v, into: &out)
    case .topn(let v): encode(v, into: &out)
    }
  }
  static func encode(_ values: [Int64], into out: inout ByteWriter) {
    values.withUnsafeBufferPointer { IntegerEncoding.encode($0, into: &out) }
  }
  static func encodeLengths(_ offsets: [UInt32], into out: inout ByteWriter) {
    offsets.withUnsafeBufferPointer { o in
      withUnsafeTemporaryAllocation(of: Int64.self, capacity: max(1, o.count - 1)) { lengths in
        for i in 1..<max(1, o.count) { lengths[i &- 1] = Int64(o[i] &- o[i &- 1]) }
        IntegerEncoding.encode(UnsafeBufferPointer(rebasing: lengths[0..<o.count - 1]), into: &out)
      }
    }
  }
  static func encodeBytes(_ bytes: UnsafeRawBufferPointer, into out: inout ByteWriter) {
    let packed = LZ4Block.compress(bytes)
    let counts = HuffmanCode.counts(bytes)
    let lengths = HuffmanCode.lengths(counts)
    let coded = HuffmanCode.byteCount(counts, lengths)
    if coded * 10 < (packed?.count ?? bytes.count) * 9 {
      out.u8(2)
      out.count(coded)
      return HuffmanCode.encode(bytes, lengths, into: &out)
    }
    guard let packed else {
      out.u8(0)
      return out.bytes(bytes)
    }
    out.u8(1)
    out.count(packed.count)
    out.bytes(packed)
  }
  private static let powersOfTen: [Double] = [1, 10, 100, 1000, 10000, 100_000, 1_000_000]
  private static func encode(_ values: [Double], into out: inout ByteWriter) {
    for k in powersOfTen.indices {
      guard let integers = integers(values, k) else { continue }
      out.u8(1)
      out.u8(UInt8(k))
      return encode(integers, into: &out)
    }
    out.u8(0)
    values.withUnsafeBytes { encodeBytes($0, into: &out) }
  }
  /// The values times 10^k when each comes back from its integer bit for bit.
  private static func integers(_ values: [Double], _ k: Int) -> [Int64]? {
    let scale = powersOfTen[k]
    var out: [Int64] = []
    out.reserveCapacity(values.count)
    for value in values {
      let scaled = (value * scale).rounded()
      guard scaled.magnitude < 1e15 else { return nil }
      let integer = Int64(scaled)
      guard (Double(integer) / scale).bitPattern == value.bitPattern else { return nil }
      out.append(integer)
    }
    return out
  }
  private static func encode(_ values: [Numeric], into out: inout ByteWriter) {
    let scale = values.first?.scale ?? 0
    if values.allSatisfy({ $0.scale == scale && Int128(Int64(truncatingIfNeeded: $0.coefficient)) == $0.coefficient }) {
      out.u8(0)
      out.u8(scale)
      return encode(values.map { Int64(truncatingIfNeeded: $0.coefficient) }, into: &out)
    }
    out.u8(1)
    var raw = ByteWriter(capacity: values.count * 17)
    for value in values {
      raw.u8(value.scale)
      raw.integer(value.coefficient)
    }
    raw.withBytes { encodeBytes($0, into: &out) }
  }

  // MARK: Decoding

  /// Reads a block of at most `blockRowsMax` rows that fills the reader.
  static func decode(
    _ reader: inout ByteReader,
    type: DataType,
    rows: Int,
    dictionary: TextDictionary?
  ) throws(DecodingFailure) -> ColumnVector {
    let start = reader.position
    let flags = try reader.u8()
    guard flags <= 1 else { throw DecodingFailure(.unknown, at: start, "block flags \(flags)") }
    var validity: Bitmap?
    if flags == 1 {
      let raw = try reader.slice((rows + 7) / 8)
      var words = [UInt64](repeating: 0, count: (rows + 63) / 64)
      words.withUnsafeMutableBytes { $0.copyBytes(from: raw) }
      validity = Bitmap(words: words, count: rows)
    }
    let values = try decodeValues(&reader, type, rows, dictionary)
    if case .codes(_, let dictionary) = values, dictionary.count == 0, rows > 0, validity?.setCount != 0 {
      throw DecodingFailure(.malformed, at: start, "codes of an empty dictionary")
    }
    try reader.expectEnd()
    return ColumnVector(type, values, validity: validity)
  }
  private static func decodeValues(
    _ reader: inout ByteReader,
    _ type: DataType,
    _ rows: Int,
    _ dictionary: TextDictionary?
  ) throws(DecodingFailure) -> ColumnVector.Values {
    switch type.layout {
    case .fixed: return .fixed(try IntegerEncoding.decode(&reader, count: rows))
    case .double: return .double(try decodeDoubles(&reader, rows))
    case .numeric: return .numeric(try decodeNumerics(&reader, rows))
    case .interval:
      let months = try IntegerEncoding.decode(&reader, count: rows)
      let days = try IntegerEncoding.decode(&reader, count: rows)
      let micros = try IntegerEncoding.decode(&reader, count: rows)
      return .interval(
        (0..<rows).map {
          Interval(
            months: Int32(truncatingIfNeeded: months[$0]),
            days: Int32(truncatingIfNeeded: days[$0]),
            microseconds: micros[$0]
          )
        }
      )
    case .text:
      if let dictionary {
        return .codes(try IntegerEncoding.decodeCodes(&reader, count: rows, below: max(1, dictionary.count)), dictionary)
      }
      let offsets = try IntegerEncoding.decodeOffsets(&reader, count: rows, max: blockElementsMax)
      return .text(TextColumn(offsets: offsets, bytes: try decodeBytes(&reader, count: Int(offsets[rows]))))
    case .hll: return .hll(try decodeHLL(&reader, type, rows))
    case .topn: return .topn(try decodeTopN(&reader, type, rows, dictionary ?? .empty))
    }
  }
  static func decodeBytes(_ reader: inout ByteReader, count: Int) throws(DecodingFailure) -> [UInt8] {
    switch try reader.u8() {
    case 0: return try reader.bytes(count)
    case 1:
      let start = reader.position
      let packed = try reader.slice(try reader.count(max: reader.remaining, "compressed bytes"))
      do throws(DecodingFailure) {
        return try LZ4Block.decompress(packed, size: count)
      } catch { throw DecodingFailure(error.kind, at: start, error.message) }
    case 2:
      let start = reader.position
      return try HuffmanCode.decode(
        try reader.slice(try reader.count(max: reader.remaining, "coded bytes")),
        count: count,
        at: start
      )
    case let form: throw DecodingFailure(.unknown, at: reader.position - 1, "bytes of form \(form)")
    }
  }
  private static func decodeDoubles(_ reader: inout ByteReader, _ rows: Int) throws(DecodingFailure) -> [Double] {
    switch try reader.u8() {
    case 0:
      let raw = try decodeBytes(&reader, count: rows * 8)
      return raw.withUnsafeBytes { raw in
        (0..<rows).map { Double(bitPattern: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0 * 8, as: UInt64.self))) }
      }
    case 1:
      let k = Int(try reader.u8())
      guard k < powersOfTen.count else { throw DecodingFailure(.malformed, at: reader.position - 1, "power of ten \(k)") }
      let scale = powersOfTen[k]
      return try IntegerEncoding.decode(&reader, count: rows).map { Double($0) / scale }
    case let form: throw DecodingFailure(.unknown, at: reader.position - 1, "double form \(form)")
    }
  }
  private static func decodeNumerics(_ reader: inout ByteReader, _ rows: Int) throws(DecodingFailure) -> [Numeric] {
    let start = reader.position
    switch try reader.u8() {
    case 0:
      let scale = try reader.u8()
      guard scale <= 38 else { throw DecodingFailure(.malformed, at: start + 1, "numeric scale \(scale)") }
      return try IntegerEncoding.decode(&reader, count: rows).map { Numeric(coefficient: Int128($0), scale: scale) }
    case 1:
      let raw = try decodeBytes(&reader, count: rows * 17)
      var out: [Numeric] = []
      out.reserveCapacity(rows)
      for row in 0..<rows {
        guard raw[row * 17] <= 38 else { throw DecodingFailure(.malformed, at: start, "numeric scale \(raw[row * 17])") }
        let coefficient = raw.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: row * 17 + 1, as: Int128.self) }
        out.append(Numeric(coefficient: Int128(littleEndian: coefficient), scale: raw[row * 17]))
      }
      return out
    case let form: throw DecodingFailure(.unknown, at: start, "numeric form \(form)")
    }
  }
}
