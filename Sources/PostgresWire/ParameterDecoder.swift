// ParameterDecoder.swift — the values of a Bind message, text or binary, as values of the parameters' types.
//
// Errors are PostgreSQL's: 22P02 and its kin for text (ValueText), 08P01 when a binary value is too short, 22P03 when it is
// too long or its parts are wrong, 22021 for text that is not UTF-8, 22003 and 22008 out of range.

internal import Bytes
public import Model

/// Reads parameter values.
public enum ParameterDecoder {
  static let insufficient = TallyError(.protocolViolation, "insufficient data left in message")

  /// The values of a Bind message for a statement's parameters.
  package static func values(
    _ bound: BoundValues,
    formats: [Int16],
    types: [ParameterType],
    statement: String,
    zone: ClockZone = .utc
  ) throws(TallyError) -> [TypedValue] {
    guard formats.count <= 1 || formats.count == bound.ranges.count else {
      throw TallyError(
        .protocolViolation,
        "bind message has \(formats.count) parameter formats but \(bound.ranges.count) parameters"
      )
    }
    guard bound.ranges.count == types.count else {
      throw TallyError(
        .protocolViolation,
        "bind message supplies \(bound.ranges.count) parameters, but prepared statement \"\(statement)\" requires \(types.count)"
      )
    }
    var values: [TypedValue] = []
    values.reserveCapacity(types.count)
    for (at, type) in types.enumerated() {
      guard let range = bound.ranges[at] else {
        values.append(TypedValue(type.type, .null))
        continue
      }
      let format = formats.isEmpty ? 0 : formats.count == 1 ? formats[0] : formats[at]
      guard format == 0 || format == 1 else { throw unsupportedFormat(format) }
      let value = try bound.bytes.withBytes(range) { bytes throws(TallyError) in
        guard format == 0 else { return try binary(bytes, as: type, number: at + 1) }
        if let name = try objectName(bytes, as: type.type) { return name }
        return try text(bytes, as: type.type, zone: zone)
      }
      values.append(TypedValue(type.type, value))
    }
    return values
  }
  static func unsupportedFormat(_ format: Int16) -> TallyError {
    .sql("22023", "unsupported format code: \(format)")
  }

  /// The name of an object (`"public"."t"` as a regclass), which the catalog turns into its number; nil for numbers and other types.
  private static func objectName(_ bytes: UnsafeRawBufferPointer, as type: DataType) throws(TallyError) -> Value? {
    guard type.isObjectNumber, type != .oid, let first = bytes.first, !(first &- 0x30 < 10), first != 0x2d else { return nil }
    return try text(bytes, as: .text)
  }
  /// Reads a value's text, times by the clocks of the zone.
  public static func text(_ bytes: UnsafeRawBufferPointer, as type: DataType, zone: ClockZone = .utc) throws(TallyError) -> Value {
    let valid = TextScan.utf8Prefix(bytes)
    guard valid == bytes.count else { throw FrontendMessage.notUTF8(Array(bytes), valid) }
    return try ZonedText.parse(bytes, as: type, zone: zone)
  }

  /// Reads a value's binary form; `number` is the parameter's, from 1.
  public static func binary(
    _ bytes: UnsafeRawBufferPointer,
    as parameter: ParameterType,
    number: Int
  ) throws(TallyError) -> Value {
    var reader = ByteReader(bytes)
    let value: Value
    switch parameter.type {
    case .boolean: value = .fixed(try read(&reader, UInt8.self) != 0 ? 1 : 0)
    case .smallint: value = .fixed(Int64(try read(&reader, Int16.self)))
    case .integer: value = .fixed(Int64(try read(&reader, Int32.self)))
    case .oid, .regclass, .regtype, .regproc, .regnamespace, .regrole: value = .fixed(Int64(try read(&reader, UInt32.self)))
    case .bigint, .hllHashval: value = .fixed(try read(&reader, Int64.self))
    case .real: value = .double(Double(Float(bitPattern: try read(&reader, UInt32.self))))
    case .double: value = .double(Double(bitPattern: try read(&reader, UInt64.self)))
    case .numeric: value = .numeric(try NumericBinary.read(&reader).fitted(to: parameter.type))
    case .uuid, .bytea:
      let bytes = Array(reader.rest())
      guard parameter.type == .bytea || bytes.count == 16 else {
        throw bytes.count < 16 ? insufficient : .sql("22P03", "incorrect binary data format in bind parameter \(number)")
      }
      value = .bytes(bytes)
    case .inet: value = try InetValue(binary: reader.rest()).value
    case .array(let element): value = try array(&reader, element.type, number)
    case .jsonb:
      guard try read(&reader, UInt8.self) == 1 else { throw .sql("XX000", "unsupported jsonb version number") }
      value = try text(reader.rest(), as: .jsonb)
    case .text, .varchar, .bpchar, .char, .name, .json, .unknown, .void:
      let rest = reader.rest()
      let valid = TextScan.utf8Prefix(rest)
      guard valid == rest.count else { throw FrontendMessage.notUTF8(Array(rest), valid) }
      value = try ValueText.parse(rest, as: parameter.type)
    case .date: value = .fixed(try date(&reader))
    case .time:
      let time = try read(&reader, Int64.self)
      guard (0...TimeText.dayEnd).contains(time) else { throw .sql("22008", "time out of range") }
      value = .fixed(time)
    case .timestamp, .timestamptz: value = .fixed(try timestamp(&reader))
    case .interval:
      let microseconds = try read(&reader, Int64.self)
      let days = try read(&reader, Int32.self)
      value = .interval(Interval(months: try read(&reader, Int32.self), days: days, microseconds: microseconds))
    case .hll: value = .hll(Array(reader.rest()))
    case .topn, .topnRecord:
      throw .sql(
        "0A000",
        "a parameter of type \(parameter.type.name) cannot be read",
        hint: "Build the value with topn_add_agg."
      )
    }
    guard reader.isAtEnd else { throw .sql("22P03", "incorrect binary data format in bind parameter \(number)") }
    return value
  }
  private static func read<T: FixedWidthInteger>(_ reader: inout ByteReader, _ type: T.Type) throws(TallyError) -> T {
    do { return try reader.big(T.self) } catch { throw insufficient }
  }
  private static func date(_ reader: inout ByteReader) throws(TallyError) -> Int64 {
    let day = try read(&reader, Int32.self)
    if day == .max { return TimeLimits.infinity }
    if day == .min { return TimeLimits.minusInfinity }
    let result = Int64(day) + PostgresEpoch.day
    guard result >= TimeRange.firstDay, result <= TimeRange.lastDay else { throw .sql("22008", "date out of range") }
    return result
  }
  private static func timestamp(_ reader: inout ByteReader) throws(TallyError) -> Int64 {
    let time = try read(&reader, Int64.self)
    if TimeArithmetic.isInfinite(time) { return time }
    let (result, isOver) = time.addingReportingOverflow(PostgresEpoch.microsecond)
    guard !isOver, TimeRange.contains(microsecond: result) else { throw .sql("22008", "timestamp out of range") }
    return result
  }
  /// i32 dimensions, i32 has NULLs, u32 element type; for each dimension i32 size, i32 lower bound; elements behind their lengths.
  private static func array(_ reader: inout ByteReader, _ element: DataType, _ number: Int) throws(TallyError) -> Value {
    let bad = TallyError.sql("22P03", "incorrect binary data format in bind parameter \(number)")
    let dimensions = try read(&reader, Int32.self)
    let flags = try read(&reader, Int32.self)
    let oid = try read(&reader, UInt32.self)
    guard flags == 0 || flags == 1, dimensions >= 0 else { throw .sql("22P03", "invalid array flags") }
    guard dimensions <= 1 else { throw .sql("0A000", "arrays of more than one dimension are not supported") }
    guard oid == PostgresType(element).oid else {
      throw .sql("42804", "binary data has array element type \(oid) instead of expected \(PostgresType(element).oid)")
    }
    var result = ArrayValue(element, [])
    if dimensions == 1 {
      let count = try read(&reader, Int32.self)
      guard try read(&reader, Int32.self) == 1 || count == 0 else {
        throw .sql("0A000", "arrays with other lower bounds than 1 are not supported")
      }
      guard count >= 0, Int(count) <= ArrayValue.countMax, Int(count) * 4 <= reader.remaining else { throw bad }
      for _ in 0..<count {
        let length = try read(&reader, Int32.self)
        if length == -1 {
          result.elements.append(.null)
          continue
        }
        guard length >= 0 else { throw bad }
        let bytes: UnsafeRawBufferPointer
        do { bytes = try reader.slice(Int(length)) } catch { throw insufficient }
        result.elements.append(try binary(bytes, as: ParameterType(element), number: number))
      }
    }
    return try result.value()
  }
}

extension [UInt8] {
  /// Lends a range of the array's bytes.
  func withBytes<R>(
    _ range: Range<Int>,
    _ body: (UnsafeRawBufferPointer) throws(TallyError) -> R
  ) throws(TallyError) -> R {
    let result = withUnsafeBytes { raw -> Result<R, TallyError> in
      do throws(TallyError) { return .success(try body(UnsafeRawBufferPointer(rebasing: raw[range]))) } catch {
        return .failure(error)
      }
    }
    return try result.get()
  }
}
