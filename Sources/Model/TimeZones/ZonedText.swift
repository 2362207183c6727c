// ZonedText.swift — timestamptz values, and arrays of them, as texts under a session's time zone. Other types have one text (ValueText).
public import Bytes

/// Texts under a time zone.
public enum ZonedText {
  /// Whether a type's texts depend on the zone.
  public static func depends(_ type: DataType) -> Bool { type == .timestamptz || type.element == .timestamptz }

  /// Reads a value of any type.
  public static func parse(_ text: String, as type: DataType, zone: ClockZone) throws(TallyError) -> Value {
    guard depends(type), !zone.isUTC else { return try ValueText.parse(text, as: type) }
    return try withBytes(of: text) { bytes throws(TallyError) in try parse(bytes, as: type, zone: zone) }
  }
  /// Reads a value of any type from UTF-8 bytes, which the caller has validated.
  public static func parse(_ bytes: UnsafeRawBufferPointer, as type: DataType, zone: ClockZone) throws(TallyError) -> Value {
    guard depends(type), !zone.isUTC else { return try ValueText.parse(bytes, as: type) }
    if type == .timestamptz { return .fixed(try TimestampText.parseTimestamp(bytes, zone: zone)) }
    var array = try ArrayValue.parse(bytes, .text)
    array.element = .timestamptz
    for at in array.elements.indices {
      guard case .text(let text) = array.elements[at] else { continue }
      array.elements[at] = try parse(text, as: .timestamptz, zone: zone)
    }
    return try array.value()
  }
  /// The text of a value of any type, nil for NULL.
  public static func print(_ value: Value, as type: DataType, zone: ClockZone) -> String? {
    guard depends(type), !zone.isUTC else { return ValueText.print(value, as: type) }
    switch value {
    case .fixed(let instant):
      var writer = ByteWriter()
      write(instant, zone: zone, into: &writer)
      return String(decoding: writer.finish(), as: UTF8.self)
    case .bytes(let bytes):
      var writer = ByteWriter()
      bytes.withUnsafeBytes { write(array: $0, zone: zone, into: &writer) }
      return String(decoding: writer.finish(), as: UTF8.self)
    default: return nil
    }
  }
  /// Appends a timestamptz.
  public static func write(_ instant: Int64, zone: ClockZone, into writer: inout ByteWriter) {
    TimestampText.write(timestamp: instant, zone: zone, into: &writer)
  }
  /// Appends an array of timestamptz.
  public static func write(array bytes: UnsafeRawBufferPointer, zone: ClockZone, into writer: inout ByteWriter) {
    var array: ArrayValue
    do throws(DecodingFailure) { array = try ArrayValue(bytes, .timestamptz) } catch { array = ArrayValue(.timestamptz, []) }
    array.element = .text
    array.elements = array.elements.map { print($0, as: .timestamptz, zone: zone).map { .text($0) } ?? .null }
    array.write(into: &writer)
  }
}
