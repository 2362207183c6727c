// ZonedFunctions.swift — functions of timestamptz that depend on a time zone: their last argument but for casts is its text.
//
// The session's zone reaches workers in no other way: the binder writes it into the expression (ExpressionBinder+Zones), so that every node
// computes the same. A text that begins with `:` names a zone (IANA, POSIX); any other may also be an abbreviation.
import Bytes
public import Model

extension FunctionMemory {
  /// The zone that a text means. Throws 22023.
  public mutating func zone(_ text: String) throws(TallyError) -> ClockZone {
    if let known = zone, known.text == text { return known.zone }
    let found: ClockZone
    if text.hasPrefix(":") {
      guard let named = ClockZone.named(String(text.dropFirst())) else {
        throw .sql("22023", "time zone \"\(text.dropFirst())\" not recognized")
      }
      found = named
    } else {
      found = try ClockZone.meant(by: text)
    }
    zone = (text, found)
    return found
  }
}

/// Casts between timestamptz and types whose values are told in a zone.
enum ZonedCast {
  /// Whether a cast depends on the zone.
  static func depends(from: DataType, to: DataType) -> Bool {
    if from == to { return false }
    if to == .timestamptz || from == .timestamptz {
      let other = to == .timestamptz ? from : to
      return isTold(other)
    }
    guard from.element == .timestamptz || to.element == .timestamptz else { return false }
    if let a = from.element, let b = to.element { return depends(from: a, to: b) }
    return from.element == nil ? ExpressionCheck.isTextLike(from) : ExpressionCheck.isTextLike(to)
  }
  private static func isTold(_ type: DataType) -> Bool {
    switch type {
    case .timestamp, .date, .time: true
    default: ExpressionCheck.isTextLike(type)
    }
  }

  /// `castInZone(zone, value)`.
  static func takes(_ arguments: [Expression], _ type: DataType) -> Bool {
    arguments.count == 2 && arguments[0].type == .text && depends(from: arguments[1].type, to: type)
      && Casts.exists(from: arguments[1].type, to: type)
  }
  static func cast(_ value: Value, from: DataType, to: DataType, _ zone: ClockZone) throws(TallyError) -> Value {
    switch (value, from, to) {
    case (.fixed(let instant), .timestamptz, .timestamp): return .fixed(try zone.local(instant))
    case (.fixed(let instant), .timestamptz, .date): return .fixed(TimeArithmetic.date(ofTimestamp: try zone.local(instant)))
    case (.fixed(let instant), .timestamptz, .time):
      if TimeArithmetic.isInfinite(instant) { return .null }
      return .fixed(Calendar.floorRemainder(try zone.local(instant), TimeText.dayEnd))
    case (.fixed(let local), .timestamp, .timestamptz): return .fixed(try zone.instant(ofLocal: local))
    case (.fixed(let day), .date, .timestamptz): return .fixed(try zone.instant(ofLocal: try TimeArithmetic.timestamp(ofDate: day)))
    case (.text(let text), _, _): return try ZonedText.parse(text, as: to, zone: zone)
    case (.bytes(let bytes), _, _) where to.element != nil:
      guard let own = from.element, let wanted = to.element else { return .null }
      var array = try ArrayValue.reading(bytes, own)
      array.element = wanted
      for at in array.elements.indices where !array.elements[at].isNull {
        array.elements[at] = try cast(array.elements[at], from: own, to: wanted, zone)
      }
      return try array.value()
    default:
      guard let text = ZonedText.print(value, as: from, zone: zone) else { return .null }
      return try ValueCast.cast(.text(text), from: .text, to: to) ?? .null
    }
  }
}

extension ScalarFunctions {
  static func zoned(
    _ function: Function,
    _ a: FunctionArguments,
    _ result: DataType,
    _ memory: inout FunctionMemory
  ) throws(TallyError) -> Value {
    if function == .castInZone {
      return try ZonedCast.cast(a.values[1], from: a.types[1], to: result, try memory.zone(a.text(0)))
    }
    let zone = try memory.zone(a.text(a.count - 1))
    switch function {
    case .dateTruncInZone:
      guard let unit = UInt8(exactly: a.integer(0)).flatMap({ TimeUnit(rawValue: $0) }) else { return .null }
      return .fixed(try zone.truncate(a.integer(1), to: unit))
    case .addInZone: return .fixed(try zone.add(a.interval(1), toInstant: a.integer(0)))
    case .formatInZone:
      let template = try timeTemplate(a.text(1), &memory)
      if TimeArithmetic.isInfinite(a.integer(0)) || template.isEmpty { return .null }
      return .text(template.format(try zone.local(a.integer(0)), zone: zone.offset(at: a.integer(0))))
    case .parseInZone:
      let parsed = try timeTemplate(a.text(1), &memory).parse(a.text(0))
      return .fixed(parsed.namesZone ? parsed.time : try zone.instant(ofLocal: parsed.time))
    case .zoneOffset: return TimeArithmetic.isInfinite(a.integer(0)) ? .null : .fixed(zone.offset(at: a.integer(0)).east)
    case .isoInZone:
      if TimeArithmetic.isInfinite(a.integer(0)) { return .text(ValueText.print(.fixed(a.integer(0)), as: .timestamptz) ?? "") }
      return .text(isoText(a.integer(0), zone))
    default: return .null
    }
  }
  /// As JSON shows a time: `2024-01-31T12:00:00+01:00`.
  private static func isoText(_ instant: Int64, _ zone: ClockZone) -> String {
    var text = Array((ZonedText.print(.fixed(instant), as: .timestamptz, zone: zone) ?? "").utf8)
    if let blank = text.firstIndex(of: 0x20) { text[blank] = UInt8(ascii: "T") }
    if zone.offset(at: instant).east % 3600 == 0 { text += Array(":00".utf8) }
    return String(decoding: text, as: UTF8.self)
  }
}
