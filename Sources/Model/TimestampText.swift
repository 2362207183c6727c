// TimestampText.swift — dates and timestamps as PostgreSQL 15 prints them under DateStyle ISO, and the ISO forms it reads:
// YYYY-MM-DD, YYYYMMDD or MM-DD-YYYY, then blank or T, HH:MM[:SS[.f…]], then ±hh[:mm[:ss]] or a zone's name or abbreviation; `infinity`,
// `-infinity`, `epoch`. Without a zone a timestamptz is told in UTC, unless the caller names another (ZonedText). A zone on a
// timestamp without time zone is ignored, as PostgreSQL does. Years BC are refused on reading. Everything relative to the clock
// (`now`, `today`) is not text of a value and is refused too.
public import Bytes

/// Text of `date`, `timestamp` and `timestamptz`.
public enum TimestampText {
  /// Appends a date.
  public static func write(date day: Int64, into writer: inout ByteWriter) {
    if writeInfinity(day, into: &writer) { return }
    let date = Calendar.civil(days: day)
    write(date, into: &writer)
    if date.year <= 0 { writer.ascii(" BC") }
  }
  /// Appends a timestamp; one with time zone ends in `+00`.
  public static func write(
    timestamp micros: Int64,
    withTimeZone: Bool,
    into writer: inout ByteWriter
  ) {
    if writeInfinity(micros, into: &writer) { return }
    write(fields: Calendar.fields(ofMicroseconds: micros), east: withTimeZone ? 0 : nil, into: &writer)
  }
  /// Appends a timestamp as the zone's clocks show it, with their offset.
  static func write(timestamp micros: Int64, zone: ClockZone, into writer: inout ByteWriter) {
    if writeInfinity(micros, into: &writer) { return }
    let east = zone.offset(at: micros).east
    write(fields: Calendar.fields(ofMicroseconds: micros + east * Calendar.microsecondsPerSecond), east: east, into: &writer)
  }
  private static func write(fields: TimeFields, east: Int64?, into writer: inout ByteWriter) {
    write(fields.date, into: &writer)
    writer.u8(0x20)
    writer.decimal(Int64(fields.hour), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(fields.minute), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(fields.second), width: 2)
    writer.fractionOfSecond(Int64(fields.microsecond))
    if let east { write(east: east, into: &writer) }
    if fields.date.year <= 0 { writer.ascii(" BC") }
  }
  /// Appends an offset: `+02`, `+05:30`.
  private static func write(east: Int64, into writer: inout ByteWriter) {
    writer.u8(east < 0 ? 0x2d : 0x2b)
    let size = Int64(east.magnitude)
    writer.decimal(size / 3600, width: 2)
    if size % 3600 == 0 { return }
    writer.u8(0x3a)
    writer.decimal(size / 60 % 60, width: 2)
    if size % 60 == 0 { return }
    writer.u8(0x3a)
    writer.decimal(size % 60, width: 2)
  }
  private static func writeInfinity(_ time: Int64, into writer: inout ByteWriter) -> Bool {
    if time == TimeLimits.infinity { writer.ascii("infinity") }
    if time == TimeLimits.minusInfinity { writer.ascii("-infinity") }
    return TimeArithmetic.isInfinite(time)
  }
  private static func write(_ date: CivilDate, into writer: inout ByteWriter) {
    writer.decimal(date.year > 0 ? date.year : 1 - date.year, width: 4)
    writer.u8(0x2d)
    writer.decimal(Int64(date.month), width: 2)
    writer.u8(0x2d)
    writer.decimal(Int64(date.day), width: 2)
  }

  /// Reads a date; a time of day behind it is ignored.
  public static func parseDate(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Int64 {
    if let day = FieldParser.parseDate(bytes) { return day }
    let parts = try Parts(bytes, "date")
    if let special = parts.special { return special }
    guard parts.day >= TimeRange.firstDay, parts.day <= TimeRange.lastDay else {
      throw .sql("22008", "date out of range: \"\(String(decoding: bytes, as: UTF8.self))\"")
    }
    return parts.day
  }
  /// Reads a timestamp; its zone counts only when the type has one.
  public static func parseTimestamp(
    _ bytes: UnsafeRawBufferPointer,
    withTimeZone: Bool
  ) throws(TallyError) -> Int64 {
    if let micros = FieldParser.parseTimestamp(bytes) { return micros }
    let parts = try Parts(bytes, withTimeZone ? "timestamp with time zone" : "timestamp")
    return try instant(parts, withTimeZone ? parts.zone : nil, bytes)
  }
  /// Reads a timestamptz; without a zone of its own it is told by the clocks of `zone`.
  static func parseTimestamp(_ bytes: UnsafeRawBufferPointer, zone: ClockZone) throws(TallyError) -> Int64 {
    if let micros = FieldParser.parseTimestamp(bytes) {
      return bytes[bytes.count - 1] == UInt8(ascii: "Z") ? micros : try zone.instant(ofLocal: micros)
    }
    let parts = try Parts(bytes, "timestamp with time zone")
    return try instant(parts, parts.zone ?? .named(zone), bytes)
  }
  private static func instant(_ parts: Parts, _ zone: Parts.Zone?, _ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Int64 {
    if let special = parts.special { return special }
    let start = parts.day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    let local = start.partialValue.addingReportingOverflow(parts.time)
    let east =
      switch zone {
      case nil: Int64(0)
      case .east(let seconds): seconds
      case .named(let zone): zone.east(ofLocal: local.partialValue)
      }
    let micros = local.partialValue.subtractingReportingOverflow(east * Calendar.microsecondsPerSecond)
    guard !start.overflow, !local.overflow, !micros.overflow, TimeRange.contains(microsecond: micros.partialValue)
    else {
      throw .sql("22008", "timestamp out of range: \"\(String(decoding: bytes, as: UTF8.self))\"")
    }
    return micros.partialValue
  }
}

/// A date or timestamp text taken apart.
private struct Parts {
  var special: Int64?
  var day: Int64 = 0
  /// Microseconds since midnight; up to and including 24:00.
  var time: Int64 = 0
  enum Zone {
    /// Seconds east of Greenwich.
    case east(Int64)
    case named(ClockZone)
  }
  /// The zone that the text names.
  var zone: Zone?

  init(_ bytes: UnsafeRawBufferPointer, _ type: String) throws(TallyError) {
    var scan = TextScanner(trimming: bytes)
    let syntax = TallyError.syntax(type, bytes, "22007")
    let range = TallyError.sql(
      "22008",
      "date/time field value out of range: \"\(String(decoding: bytes, as: UTF8.self))\""
    )
    if scan.takeRest("infinity") || scan.takeRest("+infinity") {
      special = TimeLimits.infinity
      return
    }
    if scan.takeRest("-infinity") {
      special = TimeLimits.minusInfinity
      return
    }
    if scan.takeRest("epoch") {
      special = 0
      return
    }
    try readDate(&scan, syntax, range)
    if scan.take(0x54) || scan.take(0x74) {
      try readTime(&scan, syntax, range)
    } else {
      scan.skipBlanks()
      if TextScanner.isDigit(scan.peek) { try readTime(&scan, syntax, range) }
    }
    try readZone(&scan, bytes, syntax)
    scan.skipBlanks()
    if scan.takeRest("bc") {
      throw .sql(
        "0A000",
        "years BC are not supported: \"\(String(decoding: bytes, as: UTF8.self))\""
      )
    }
    if !scan.isAtEnd && !scan.takeRest("ad") { throw syntax }
  }

  private mutating func readDate(
    _ scan: inout TextScanner,
    _ syntax: TallyError,
    _ range: TallyError
  ) throws(TallyError) {
    var (year, width) = scan.digits()
    var month: Int64 = 0
    var dayOfMonth: Int64 = 0
    let separator = scan.peek
    if width == 8 && separator != 0x2d && separator != 0x2f {
      (year, month, dayOfMonth) = (year / 10_000, year / 100 % 100, year % 100)
    } else if width == 1 || width == 2, separator == 0x2d || separator == 0x2f {
      // DateStyle's MDY: 10-25-1901, 1/8/99.
      month = year
      scan.at += 1
      let second = scan.digits()
      guard second.count >= 1, second.count <= 2, scan.take(separator) else { throw syntax }
      let third = scan.digits()
      guard third.count >= 1, third.count <= 7 else { throw syntax }
      dayOfMonth = second.value
      year = third.count > 2 ? third.value : third.value + (third.value < 70 ? 2000 : 1900)
    } else {
      guard width >= 3, width <= 7, separator == 0x2d || separator == 0x2f, scan.take(separator)
      else { throw syntax }
      let second = scan.digits()
      guard second.count >= 1, second.count <= 2, scan.take(separator) else { throw syntax }
      let third = scan.digits()
      guard third.count >= 1, third.count <= 2 else { throw syntax }
      (month, dayOfMonth) = (second.value, third.value)
    }
    guard month >= 1, month <= 12, dayOfMonth >= 1, dayOfMonth <= 31 else {
      var failure = range
      failure.hint = "Perhaps you need a different \"datestyle\" setting."
      throw failure
    }
    guard year > 0, dayOfMonth <= Int64(Calendar.daysInMonth(year: year, month: Int(month))) else {
      throw range
    }
    day = Calendar.days(year: year, month: Int(month), day: Int(dayOfMonth))
  }

  private mutating func readTime(
    _ scan: inout TextScanner,
    _ syntax: TallyError,
    _ range: TallyError
  ) throws(TallyError) {
    var hour = scan.digits()
    var minute: (value: Int64, count: Int)
    var second: Int64 = 0
    var micros: Int64 = 0
    if hour.count == 4 || hour.count == 6 {
      // ISO 8601's basic form: HHMM, HHMMSS.
      if hour.count == 6 {
        second = hour.value % 100
        hour.value /= 100
      }
      minute = (hour.value % 100, 2)
      hour.value /= 100
    } else {
      guard hour.count >= 1, hour.count <= 2, scan.take(0x3a) else { throw syntax }
      minute = scan.digits()
      guard minute.count >= 1, minute.count <= 2 else { throw syntax }
    }
    if hour.count <= 2, scan.take(0x3a) {
      let given = scan.digits()
      guard given.count >= 1, given.count <= 2 else { throw syntax }
      second = given.value
      if scan.take(0x2e) {
        micros = Int64((scan.fraction().value * 1_000_000).rounded(.toNearestOrEven))
      }
    }
    time = ((hour.value * 60 + minute.value) * 60 + second) * 1_000_000 + micros
    guard minute.value < 60, second <= 60, time <= Calendar.microsecondsPerDay else { throw range }
  }

  private mutating func readZone(
    _ scan: inout TextScanner,
    _ bytes: UnsafeRawBufferPointer,
    _ syntax: TallyError
  ) throws(TallyError) {
    scan.skipBlanks()
    let start = scan.at
    if TextScanner.isLetter(scan.peek) {
      let word = scan.word()
      if ["z", "utc", "gmt", "zulu"].contains(word), !"/_+-".utf8.contains(scan.peek), !TextScanner.isDigit(scan.peek) {
        zone = .east(0)
        return
      }
      // Eras are no zones.
      if word == "bc" || word == "ad" {
        scan.at = start
        return
      }
      while !scan.isAtEnd, !TextScanner.isBlank(scan.peek) { scan.at += 1 }
      let name = String(decoding: bytes[start..<scan.at], as: UTF8.self)
      if let found = ClockZone.abbreviated(name) ?? ClockZone.named(name) {
        zone = .named(found)
        return
      }
      if name.contains("/") { throw .sql("22023", "time zone \"\(name.lowercased())\" not recognized") }
      throw syntax
    }
    guard let sign = scan.sign() else { return }
    let first = scan.digits()
    var (hours, minutes, seconds) = (first.value, Int64(0), Int64(0))
    switch first.count {
    case 1, 2:
      if scan.take(0x3a) {
        let given = scan.digits()
        guard given.count == 2 else { throw syntax }
        minutes = given.value
        if scan.take(0x3a) {
          let given = scan.digits()
          guard given.count == 2 else { throw syntax }
          seconds = given.value
        }
      }
    case 3, 4: (hours, minutes) = (hours / 100, hours % 100)
    default: throw syntax
    }
    guard hours <= 15, minutes < 60, seconds < 60 else {
      throw .sql(
        "22009",
        "time zone displacement out of range: \"\(String(decoding: bytes, as: UTF8.self))\""
      )
    }
    zone = .east(Int64(sign) * ((hours * 60 + minutes) * 60 + seconds))
  }
}
