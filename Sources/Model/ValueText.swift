// ValueText.swift — every scalar type as PostgreSQL 15 reads and prints it (DateStyle ISO, IntervalStyle postgres, TimeZone
// UTC, extra_float_digits 1), with its error texts and SQLSTATEs.
//
// Sketches: an `hll` prints and reads as `\x…` (postgresql-hll's text). A `topn` has a text only through its JSON, which
// Aggregates makes; here it prints as the hexadecimal of its bytes and reading it is refused.
public import Bytes

/// Text of values.
public enum ValueText {
  /// Reads a value of the type; NULL has no text.
  public static func parse(_ text: String, as type: DataType) throws(TallyError) -> Value {
    if type == .text || type == .unknown { return .text(text) }
    return try withBytes(of: text) { bytes throws(TallyError) in try parse(bytes, as: type) }
  }
  /// Reads a value of the type from UTF-8 bytes, which the caller has validated.
  public static func parse(
    _ bytes: UnsafeRawBufferPointer,
    as type: DataType
  ) throws(TallyError) -> Value {
    switch type {
    case .boolean, .smallint, .integer, .bigint, .date, .time, .timestamp, .timestamptz, .hllHashval, .oid, .regclass, .regtype,
      .regproc, .regnamespace, .regrole:
      return .fixed(try parseFixed(bytes, as: type))
    case .real: return .double(try DoubleText.parseReal(bytes))
    case .double: return .double(try DoubleText.parse(bytes))
    case .numeric: return .numeric(try NumericText.parse(bytes, as: type))
    case .text, .unknown, .void: return .text(String(decoding: bytes, as: UTF8.self))
    case .varchar(let limit): return .text(try cut(String(decoding: bytes, as: UTF8.self), limit))
    case .bpchar(let limit): return .text(try padded(String(decoding: bytes, as: UTF8.self), limit))
    case .name: return .text(CharacterText.name(String(decoding: bytes, as: UTF8.self)))
    case .char: return .text(CharacterText.char(String(decoding: bytes, as: UTF8.self)))
    case .bytea: return .bytes(try BinaryForm.parseBytea(bytes))
    case .uuid: return .bytes(try BinaryForm.parseUUID(bytes))
    case .inet: return try InetValue.parse(bytes).value
    case .json:
      _ = try JSONValue(parsing: bytes)
      return .text(String(decoding: bytes, as: UTF8.self))
    case .jsonb: return .text(try JSONValue(parsing: bytes).text)
    case .array(let element): return try ArrayValue.parse(bytes, element.type).value()
    case .interval: return .interval(try IntervalText.parse(bytes))
    case .hll: return .hll(try parseHexadecimal(bytes))
    case .topn, .topnRecord:
      throw .sql(
        "0A000",
        "text of type \(type.name) cannot be read",
        hint: "Build the value with topn_add_agg."
      )
    }
  }
  /// Reads a value of a type of layout `.fixed`.
  public static func parseFixed(
    _ bytes: UnsafeRawBufferPointer,
    as type: DataType
  ) throws(TallyError) -> Int64 {
    switch type {
    case .boolean: return try parseBoolean(bytes) ? 1 : 0
    case .date: return try TimestampText.parseDate(bytes)
    case .timestamp: return try TimestampText.parseTimestamp(bytes, withTimeZone: false)
    case .timestamptz: return try TimestampText.parseTimestamp(bytes, withTimeZone: true)
    case .time: return try TimeText.parse(bytes)
    case .oid: return try parseOID(bytes)
    case .regclass, .regtype, .regproc, .regnamespace, .regrole:
      // Names need a catalog; the binder looks them up before it comes here.
      let scan = TextScanner(trimming: bytes)
      guard TextScanner.isDigit(scan.peek) else {
        throw .sql("0A000", "text of type \(type.name) is read in literals only: \"\(String(decoding: bytes, as: UTF8.self))\"")
      }
      return try parseOID(bytes)
    default: return try parseInteger(bytes, as: type)
    }
  }
  /// Reads smallint, integer or bigint (any other type reads as bigint).
  public static func parseInteger(
    _ bytes: UnsafeRawBufferPointer,
    as type: DataType
  ) throws(TallyError) -> Int64 {
    if let value = FieldParser.parseInt64(bytes), IntegerRange.of(type).contains(value) {
      return value
    }
    let name = type.isInteger ? type.name : "bigint"
    var scan = TextScanner(trimming: bytes)
    let isNegative = scan.sign() == -1
    let start = scan.at
    var value: Int64 = 0
    var isWide = false
    while TextScanner.isDigit(scan.peek) {
      // Counted downwards, as the negative side is longer by one.
      let next = value.multipliedReportingOverflow(by: 10)
      let sum = next.partialValue.subtractingReportingOverflow(Int64(scan.peek &- 0x30))
      isWide = isWide || next.overflow || sum.overflow
      value = sum.partialValue
      scan.at += 1
    }
    guard scan.at > start, scan.isAtEnd else { throw .syntax(name, bytes) }
    if !isNegative && value == .min { isWide = true }
    guard !isWide, IntegerRange.of(type).contains(isNegative ? value : -value) else {
      throw .sql(
        "22003",
        "value \"\(String(decoding: bytes, as: UTF8.self))\" is out of range for type \(name)"
      )
    }
    return isNegative ? value : -value
  }
  /// Reads an object's number: 32 bits, unsigned or the negative of a signed one.
  static func parseOID(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Int64 {
    var scan = TextScanner(trimming: bytes)
    let isNegative = scan.sign() == -1
    let (value, count) = scan.digits()
    guard count > 0, scan.isAtEnd else { throw .syntax("oid", bytes) }
    guard value <= (isNegative ? 1 << 31 : Int64(UInt32.max)) else {
      throw .sql("22003", "value \"\(String(decoding: bytes, as: UTF8.self))\" is out of range for type oid")
    }
    return isNegative && value > 0 ? 1 << 32 - value : value
  }
  /// Reads a boolean: any beginning of true, false, yes, no, on, off that tells them apart, or 1 or 0.
  public static func parseBoolean(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Bool {
    if let value = FieldParser.parseBoolean(bytes) { return value }
    let scan = TextScanner(trimming: bytes)
    switch String(decoding: bytes[scan.at..<scan.end], as: UTF8.self).lowercased() {
    case "t", "tr", "tru", "true", "y", "ye", "yes", "on", "1": return true
    case "f", "fa", "fal", "fals", "false", "n", "no", "of", "off", "0": return false
    default: throw .syntax("boolean", bytes)
    }
  }
  /// A text as a `varchar(limit)` keeps it: only blanks may be cut off.
  ///
  /// 0 is no limit.
  public static func cut(_ text: String, _ limit: UInt32) throws(TallyError) -> String {
    if limit == 0 || text.utf8.count <= Int(limit) { return text }
    let scalars = text.unicodeScalars
    guard
      let end = scalars.index(scalars.startIndex, offsetBy: Int(limit), limitedBy: scalars.endIndex)
    else {
      return text
    }
    guard scalars[end...].allSatisfy({ $0 == " " }) else {
      throw .sql("22001", "value too long for type character varying(\(limit))")
    }
    return String(scalars[..<end])
  }
  /// A text as a `character(limit)` keeps it: padded with blanks, only blanks cut off; as it is when the limit is 0.
  public static func padded(_ text: String, _ limit: UInt32) throws(TallyError) -> String {
    if limit == 0 { return text }
    let scalars = text.unicodeScalars
    let count = scalars.count
    if count == Int(limit) { return text }
    if count < Int(limit) { return text + String(repeating: " ", count: Int(limit) - count) }
    let end = scalars.index(scalars.startIndex, offsetBy: Int(limit))
    guard scalars[end...].allSatisfy({ $0 == " " }) else {
      throw .sql("22001", "value too long for type character(\(limit))")
    }
    return String(scalars[..<end])
  }
  private static func parseHexadecimal(
    _ bytes: UnsafeRawBufferPointer
  ) throws(TallyError) -> [UInt8] {
    guard bytes.count >= 2, bytes.count % 2 == 0, bytes[0] == 0x5c, bytes[1] == 0x78 else {
      throw .syntax("hll", bytes)
    }
    var result: [UInt8] = []
    result.reserveCapacity(bytes.count / 2 - 1)
    for at in stride(from: 2, to: bytes.count, by: 2) {
      guard let high = BinaryForm.hexadecimal(bytes[at]), let low = BinaryForm.hexadecimal(bytes[at + 1]) else {
        throw .syntax("hll", bytes)
      }
      result.append(high << 4 | low)
    }
    return result
  }

  /// Appends the text of a value that is not NULL.
  public static func write(_ value: Value, as type: DataType, into writer: inout ByteWriter) {
    switch value {
    case .null: break
    case .fixed(let fixed): write(fixed: fixed, as: type, into: &writer)
    case .double(let double):
      type == .real ? DoubleText.write(real: double, into: &writer) : DoubleText.write(double, into: &writer)
    case .numeric(let numeric): NumericText.write(numeric, into: &writer)
    case .text(let text): writer.text(text)
    case .interval(let interval): IntervalText.write(interval, into: &writer)
    case .bytes(let bytes): bytes.withUnsafeBytes { BinaryForm.write($0, as: type, into: &writer) }
    case .hll(let bytes), .topn(let bytes):
      writer.ascii("\\x")
      for byte in bytes {
        for digit in [byte >> 4, byte & 15] { writer.u8(digit < 10 ? 0x30 + digit : 0x57 + digit) }
      }
    }
  }
  /// Appends the text of a value of layout `.fixed`.
  public static func write(fixed value: Int64, as type: DataType, into writer: inout ByteWriter) {
    switch type {
    case .boolean: writer.u8(value != 0 ? 0x74 : 0x66)
    case .date: TimestampText.write(date: value, into: &writer)
    case .timestamp: TimestampText.write(timestamp: value, withTimeZone: false, into: &writer)
    case .timestamptz: TimestampText.write(timestamp: value, withTimeZone: true, into: &writer)
    case .time: TimeText.write(value, into: &writer)
    case .regclass, .regtype, .regproc, .regnamespace, .regrole: value == 0 ? writer.u8(0x2d) : writer.decimal(value)
    default: writer.decimal(value)
    }
  }
  /// The text of a value, nil for NULL.
  public static func print(_ value: Value, as type: DataType) -> String? {
    if value.isNull { return nil }
    var writer = ByteWriter(capacity: 64)
    write(value, as: type, into: &writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
}
