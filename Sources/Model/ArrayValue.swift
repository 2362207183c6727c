// ArrayValue.swift — a one-dimensional array: its elements, and the one byte string that stands for it in columns.
//
//   varint count · u8 hasNulls · [count+7 / 8 bytes, bit set = NULL, bits past the last zero] · each element that is not NULL:
//   layout fixed: zigzag varint · double: f64 bits (NaN as one pattern, no -0) · numeric: u8 scale, i128 · interval: i32, i32, i64
//   text: varint length, bytes
// Canonical: equal elements give equal bytes, except that numerics keep their scale (1.0, 1) and intervals their fields; `compare`
// goes by the elements. The lower bound of every array is 1.
public import Bytes

/// A one-dimensional array.
public struct ArrayValue: Sendable {
  /// Type of the elements: a scalar type.
  public var element: DataType
  /// The elements; NULL among them.
  public var elements: [Value]
  /// Most elements of one array.
  public static let countMax = Limits.textBytesMax

  /// Makes an array of elements of the type.
  public init(_ element: DataType, _ elements: [Value]) {
    self.element = element
    self.elements = elements
  }
  /// Reads an array's bytes; whatever does not fit the type is malformed.
  public init(_ bytes: UnsafeRawBufferPointer, _ element: DataType) throws(DecodingFailure) {
    self.element = element
    elements = []
    var reader = ByteReader(bytes)
    let count = try reader.count(max: Self.countMax, "elements of an array")
    let hasNulls = try reader.bool()
    let nulls = hasNulls ? try reader.bytes((count + 7) / 8) : []
    guard hasNulls || count <= reader.remaining else { throw DecodingFailure(.truncated, at: reader.position, "\(count) elements") }
    if hasNulls {
      guard nulls.contains(where: { $0 != 0 }), count % 8 == 0 || nulls[count / 8] >> UInt8(count % 8) == 0 else {
        throw DecodingFailure(.malformed, at: reader.position, "NULL bits of an array")
      }
    }
    elements.reserveCapacity(count)
    for index in 0..<count {
      if hasNulls, nulls[index / 8] >> UInt8(index % 8) & 1 == 1 {
        elements.append(.null)
      } else {
        elements.append(try Self.decode(&reader, element))
      }
    }
    try reader.expectEnd()
  }
  /// Reads an array's bytes; XX000 when they are malformed.
  public static func reading(_ bytes: [UInt8], _ element: DataType) throws(TallyError) -> ArrayValue {
    let result = bytes.withUnsafeBytes { raw -> Result<ArrayValue, DecodingFailure> in
      do throws(DecodingFailure) { return .success(try ArrayValue(raw, element)) } catch { return .failure(error) }
    }
    switch result {
    case .success(let array): return array
    case .failure(let error): throw TallyError(.internalError, "malformed array of \(element.name): \(error)")
    }
  }
  private static func decode(_ reader: inout ByteReader, _ type: DataType) throws(DecodingFailure) -> Value {
    let start = reader.position
    switch type.layout {
    case .fixed:
      let value = Value.fixed(try reader.signedVarint())
      guard value.fits(type) else { throw DecodingFailure(.malformed, at: start, "an element of \(type.name)") }
      return value
    case .double: return .double(try reader.f64())
    case .numeric: return .numeric(try ValueFormat.decodeNumeric(from: &reader))
    case .interval: return .interval(try ValueFormat.decodeInterval(from: &reader))
    case .text:
      if !type.isBinary { return .text(try reader.string(max: Limits.textBytesMax)) }
      let value = Value.bytes(try reader.prefixedBytes(max: Limits.textBytesMax))
      guard value.fits(type) else { throw DecodingFailure(.malformed, at: start, "an element of \(type.name)") }
      return value
    case .hll, .topn: throw DecodingFailure(.malformed, at: start, "an array of \(type.name)")
    }
  }

  /// The array's bytes; 54000 when there are too many.
  public func encoded() throws(TallyError) -> [UInt8] {
    guard elements.count <= Self.countMax else {
      throw .sql("54000", "array size exceeds the maximum allowed (\(Self.countMax))")
    }
    var writer = ByteWriter(capacity: 16 + elements.count * 4)
    encode(into: &writer)
    guard writer.count <= Limits.textBytesMax else {
      throw .sql("54000", "array of \(writer.count) bytes exceeds the maximum allowed (\(Limits.textBytesMax))")
    }
    return writer.finish()
  }
  /// The array as a value.
  public func value() throws(TallyError) -> Value { .bytes(try encoded()) }
  /// Ends early once there are too many bytes.
  private func encode(into writer: inout ByteWriter) {
    writer.count(elements.count)
    let hasNulls = elements.contains(where: \.isNull)
    writer.bool(hasNulls)
    if hasNulls {
      var bits = [UInt8](repeating: 0, count: (elements.count + 7) / 8)
      for (index, value) in elements.enumerated() where value.isNull { bits[index / 8] |= 1 << UInt8(index % 8) }
      writer.bytes(bits)
    }
    for value in elements {
      if writer.count > Limits.textBytesMax { return }
      switch value {
      case .null: break
      case .fixed(let number): writer.signedVarint(number)
      case .double(let number): writer.f64(number.isNaN ? .nan : number == 0 ? 0 : number)
      case .numeric(let number): ValueFormat.encode(number, into: &writer)
      case .interval(let span): ValueFormat.encode(span, into: &writer)
      case .text(let text): writer.string(text)
      case .bytes(let bytes), .hll(let bytes), .topn(let bytes): writer.prefixedBytes(bytes)
      }
    }
  }

  /// PostgreSQL's order of arrays: element by element, NULL greatest, then the shorter first.
  public static func compare(_ a: ArrayValue, _ b: ArrayValue) -> Int {
    for (x, y) in zip(a.elements, b.elements) {
      if x.isNull || y.isNull {
        if x.isNull && y.isNull { continue }
        return x.isNull ? 1 : -1
      }
      let order = Value.compare(x, y, a.element)
      if order != 0 { return order }
    }
    return a.elements.count == b.elements.count ? 0 : a.elements.count < b.elements.count ? -1 : 1
  }

  // MARK: Text

  /// Appends `{1,NULL,"a b"}`.
  public func write(into writer: inout ByteWriter, isVector: Bool = false) {
    if isVector { return writer.text(elements.map { ValueText.print($0, as: element) ?? "0" }.joined(separator: " ")) }
    writer.u8(0x7b)
    for (index, value) in elements.enumerated() {
      if index > 0 { writer.u8(0x2c) }
      guard let text = ValueText.print(value, as: element) else {
        writer.ascii("NULL")
        continue
      }
      Self.needsQuotes(text) ? Self.writeQuoted(text, into: &writer) : writer.text(text)
    }
    writer.u8(0x7d)
  }
  private static func needsQuotes(_ text: String) -> Bool {
    if text.isEmpty || text.lowercased() == "null" { return true }
    return text.utf8.contains { byte in
      switch byte {
      case 0x7b, 0x7d, 0x2c, 0x22, 0x5c: true
      default: TextScanner.isBlank(byte)
      }
    }
  }
  private static func writeQuoted(_ text: String, into writer: inout ByteWriter) {
    writer.u8(0x22)
    for byte in text.utf8 {
      if byte == 0x22 || byte == 0x5c { writer.u8(0x5c) }
      writer.u8(byte)
    }
    writer.u8(0x22)
  }

  /// Reads `{…}`; arrays of several dimensions and other lower bounds are 0A000.
  public static func parse(_ bytes: UnsafeRawBufferPointer, _ element: DataType) throws(TallyError) -> ArrayValue {
    func malformed(_ detail: String) -> TallyError {
      .sql("22P02", "malformed array literal: \"\(String(decoding: bytes, as: UTF8.self))\"", detail: detail)
    }
    var scan = TextScanner(trimming: bytes)
    if scan.peek == 0x5b {
      throw .sql("0A000", "bounds in an array literal are not supported", hint: "Arrays begin at 1.")
    }
    guard scan.take(0x7b) else {
      throw malformed("Array value must start with \"{\" or dimension information.")
    }
    var result = ArrayValue(element, [])
    scan.skipBlanks()
    if scan.take(0x7d) {
      guard scan.isAtEnd else { throw malformed("Junk after closing right brace.") }
      return result
    }
    while true {
      scan.skipBlanks()
      guard !scan.isAtEnd else { throw malformed("Unexpected end of input.") }
      if scan.peek == 0x7b { throw .sql("0A000", "arrays of more than one dimension are not supported") }
      var field: [UInt8] = []
      var isQuoted = false
      if scan.take(0x22) {
        isQuoted = true
        while !scan.isAtEnd, scan.peek != 0x22 {
          if scan.take(0x5c), scan.isAtEnd { throw malformed("Unexpected end of input.") }
          field.append(scan.peek)
          scan.at += 1
        }
        guard scan.take(0x22) else { throw malformed("Unexpected end of input.") }
        scan.skipBlanks()
        if scan.peek != 0x2c && scan.peek != 0x7d && !scan.isAtEnd { throw malformed("Unexpected array element.") }
      } else {
        var kept = 0
        while !scan.isAtEnd, scan.peek != 0x2c, scan.peek != 0x7d {
          if scan.peek == 0x22 { throw malformed("Unexpected array element.") }
          if scan.peek == 0x7b { throw malformed("Unexpected \"{\" character.") }
          let isEscaped = scan.take(0x5c)
          if isEscaped {
            isQuoted = true
            if scan.isAtEnd { throw malformed("Unexpected end of input.") }
          }
          field.append(scan.peek)
          if isEscaped || !TextScanner.isBlank(scan.peek) { kept = field.count }
          scan.at += 1
        }
        field.removeLast(field.count - kept)
        if field.isEmpty {
          throw malformed(scan.isAtEnd ? "Unexpected end of input." : "Unexpected \"\(scan.peek == 0x2c ? "," : "}")\" character.")
        }
      }
      if !isQuoted, field.count == 4, String(decoding: field, as: UTF8.self).lowercased() == "null" {
        result.elements.append(.null)
      } else {
        let text = String(decoding: field, as: UTF8.self)
        result.elements.append(try ValueText.parse(text, as: element))
      }
      guard result.elements.count <= countMax else {
        throw .sql("54000", "array size exceeds the maximum allowed (\(countMax))")
      }
      if scan.take(0x2c) { continue }
      guard scan.take(0x7d) else { throw malformed("Unexpected end of input.") }
      guard scan.isAtEnd else { throw malformed("Junk after closing right brace.") }
      return result
    }
  }
}
