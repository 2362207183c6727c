// TimestampText.swift — dates and timestamps as PostgreSQL 15 prints them under DateStyle ISO and TimeZone UTC, and the ISO
// forms it reads: YYYY-MM-DD or YYYYMMDD, then blank or T, HH:MM[:SS[.f…]], then Z, UTC or ±hh[:mm[:ss]]; `infinity`,
// `-infinity`, `epoch`. A zone on a timestamp without time zone is ignored, as PostgreSQL does. Years BC are refused on
// reading. Everything relative to the clock (`now`, `today`) is not text of a value and is refused too.
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
    let fields = Calendar.fields(ofMicroseconds: micros)
    write(fields.date, into: &writer)
    writer.u8(0x20)
    writer.decimal(Int64(fields.hour), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(fields.minute), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(fields.second), width: 2)
    writer.fractionOfSecond(Int64(fields.microsecond))
    if withTimeZone { writer.ascii("+00") }
    if fields.date.year <= 0 { writer.ascii(" BC") }
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
    if let special = parts.special { return special }
    let start = parts.day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    let offset =
      parts.time - (withTimeZone ? parts.zoneSeconds * Calendar.microsecondsPerSecond : 0)
    let micros = start.partialValue.addingReportingOverflow(offset)
    guard !start.overflow, !micros.overflow, TimeRange.contains(microsecond: micros.partialValue)
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
  /// Seconds east of Greenwich.
  var zoneSeconds: Int64 = 0

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
      switch scan.word() {
      case "z", "utc", "gmt", "zulu": return
      default: scan.at = start
      }
      return
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
    zoneSeconds = Int64(sign) * ((hours * 60 + minutes) * 60 + seconds)
  }
}
