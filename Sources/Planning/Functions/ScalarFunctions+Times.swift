// ScalarFunctions+Times.swift — dates, times of day, timestamps and intervals: making, aging, justifying, binning, zones.
//
// What depends on the session's zone stands in ZonedFunctions; here it is UTC.
import Bytes
import Model

extension ScalarFunctions {
  static func time(_ function: Function, _ a: FunctionArguments, _ memory: inout FunctionMemory) throws(TallyError) -> Value {
    switch function {
    case .age: return .interval(try age(a.integer(0), a.integer(1)))
    case .makeDate: return .fixed(try date(a.integer(0), a.integer(1), a.integer(2)))
    case .makeTime: return .fixed(try timeOfDay(a.integer(0), a.integer(1), a.double(2)))
    case .makeTimestamp, .makeTimestamptz:
      let day = try date(a.integer(0), a.integer(1), a.integer(2))
      let local = try TimeArithmetic.add(
        Interval(microseconds: try timeOfDay(a.integer(3), a.integer(4), a.double(5))),
        toTimestamp: try TimeArithmetic.timestamp(ofDate: day)
      )
      guard a.count > 6 else { return .fixed(local) }
      return .fixed(try Self.zone(ofMaking: a.text(6), &memory).instant(ofLocal: local))
    case .makeInterval: return .interval(try makeInterval(a))
    case .formatTime:
      let template = try timeTemplate(a.text(1), &memory)
      if TimeArithmetic.isInfinite(a.integer(0)) || template.isEmpty { return .null }
      let zone = a.types[0] == .timestamptz ? ClockZone.utc.offset(at: a.integer(0)) : nil
      return .text(template.format(a.integer(0), zone: zone))
    case .formatInterval:
      let template = try timeTemplate(a.text(1), &memory)
      return template.isEmpty ? .null : .text(try template.format(a.interval(0)))
    case .formatNumber: return .text(try numberTemplate(a.text(1), &memory).format(try a.decimal(0)))
    case .parseNumber: return .numeric(try numberTemplate(a.text(1), &memory).parse(a.text(0)))
    case .parseDate: return .fixed(Calendar.day(ofMicroseconds: try timeTemplate(a.text(1), &memory).parse(a.text(0)).time))
    case .parseTimestamp: return .fixed(try timeTemplate(a.text(1), &memory).parse(a.text(0)).time)
    case .timestampOfEpoch: return .fixed(try timestamp(ofEpoch: a.double(0)))
    case .atZone:
      let time = a.integer(1)
      if TimeArithmetic.isInfinite(time) { return .fixed(time) }
      if a.types[0] == .interval {
        let span = a.interval(0)
        guard span.months == 0, span.days == 0 else {
          let shown = ValueText.print(.interval(span), as: .interval) ?? ""
          throw .sql("22023", "interval time zone \"\(shown)\" must not include months or days")
        }
        let east = span.microseconds / 1_000_000
        return .fixed(try shifted(time, by: a.types[1] == .timestamptz ? east : -east))
      }
      let zone = try memory.zone(a.text(0))
      return .fixed(a.types[1] == .timestamptz ? try zone.local(time) : try zone.instant(ofLocal: time))
    case .isFinite: return .fixed(a.types[0] == .interval || !TimeArithmetic.isInfinite(a.integer(0)) ? 1 : 0)
    case .justifyDays: return .interval(try justifiedDays(a.interval(0)))
    case .justifyHours: return .interval(try justifiedHours(a.interval(0)))
    case .justifyInterval: return .interval(try justified(a.interval(0)))
    case .addToTime, .subtractFromTime:
      let span = function == .addToTime ? a.interval(1) : try Interval.negate(a.interval(1))
      return .fixed(Calendar.floorRemainder(a.integer(0) + span.microseconds % TimeText.dayEnd, TimeText.dayEnd))
    case .timeOfDayDifference: return .interval(Interval(microseconds: a.integer(0) - a.integer(1)))
    case .dateAndTime:
      let start = try TimeArithmetic.timestamp(ofDate: a.integer(0))
      return .fixed(try TimeArithmetic.add(Interval(microseconds: a.integer(1)), toTimestamp: start))
    case .overlaps: return try overlaps(a)
    case .dateBin: return .fixed(try bin(a.interval(0), a.integer(1), a.integer(2)))
    default: return .null
    }
  }
  private static func two(_ value: Int64) -> String { value >= 0 && value < 10 ? "0\(value)" : String(value) }
  /// The zone of make_timestamptz: a bare `+02` counts east, as in a timestamp's text.
  private static func zone(ofMaking text: String, _ memory: inout FunctionMemory) throws(TallyError) -> ClockZone {
    guard let first = text.utf8.first, first == 0x2b || first == 0x2d || first &- 0x30 < 10 else { return try memory.zone(text) }
    guard first == 0x2b || first == 0x2d else {
      throw .sql(
        "22023",
        "invalid input syntax for type numeric time zone: \"\(text)\"",
        hint: "Numeric time zones must have \"-\" or \"+\" as first character."
      )
    }
    return try memory.zone(":" + (first == 0x2b ? "-" : "+") + text.dropFirst())
  }
  static func timeTemplate(_ text: String, _ memory: inout FunctionMemory) throws(TallyError) -> TimeTemplate {
    if let known = memory.timeTemplate, known.text == text { return known.template }
    let template = try TimeTemplate(text)
    memory.timeTemplate = (text, template)
    return template
  }
  private static func numberTemplate(_ text: String, _ memory: inout FunctionMemory) throws(TallyError) -> NumberTemplate {
    if let known = memory.numberTemplate, known.text == text { return known.template }
    let template = try NumberTemplate(text)
    memory.numberTemplate = (text, template)
    return template
  }

  // MARK: Making

  static func date(_ year: Int64, _ month: Int64, _ day: Int64) throws(TallyError) -> Int64 {
    let failure = TallyError.sql(
      "22008",
      "date field value out of range: \(year)-\(two(month))-\(two(day))"
    )
    guard year >= 0 else { throw .sql("0A000", "years BC are not supported") }
    guard year > 0, (1...12).contains(month), day >= 1, day <= Calendar.daysInMonth(year: year, month: Int(month)) else { throw failure }
    let result = Calendar.days(year: year, month: Int(month), day: Int(day))
    guard result <= TimeRange.lastDay else {
      throw .sql("22008", "date out of range: \(year)-\(two(month))-\(two(day))")
    }
    return result
  }
  private static func timeOfDay(_ hour: Int64, _ minute: Int64, _ second: Double) throws(TallyError) -> Int64 {
    guard (0...24).contains(hour), (0...59).contains(minute), second >= 0, second <= 60,
      hour < 24 || minute == 0 && second == 0
    else {
      var writer = ByteWriter()
      DoubleText.write(second, into: &writer)
      var shown = String(decoding: writer.finish(), as: UTF8.self)
      if second >= 0, second < 10 { shown = "0" + shown }
      throw .sql("22008", "time field value out of range: \(hour):\(two(minute)):\(shown)")
    }
    return (hour * 60 + minute) * 60_000_000 + Int64((second * 1_000_000).rounded(.toNearestOrEven))
  }
  private static func makeInterval(_ a: FunctionArguments) throws(TallyError) -> Interval {
    let failure = TallyError.sql("22008", "interval out of range")
    let months = a.integer(0) * 12 + a.integer(1)
    let days = a.integer(2) * 7 + a.integer(3)
    guard let narrowMonths = Int32(exactly: months), let narrowDays = Int32(exactly: days), a.double(6).isFinite,
      let seconds = Int64(exactly: (a.double(6) * 1_000_000).rounded(.toNearestOrEven))
    else { throw failure }
    let whole = (a.integer(4) * 60 + a.integer(5)) * 60_000_000
    let total = whole.addingReportingOverflow(seconds)
    guard !total.overflow else { throw failure }
    return Interval(months: narrowMonths, days: narrowDays, microseconds: total.partialValue)
  }
  private static func timestamp(ofEpoch seconds: Double) throws(TallyError) -> Int64 {
    if seconds.isNaN { throw .sql("22008", "timestamp cannot be NaN") }
    if seconds.isInfinite { return seconds > 0 ? TimeLimits.infinity : TimeLimits.minusInfinity }
    // As PostgreSQL: whole days first would round otherwise.
    guard let micros = Int64(exactly: ((seconds - 946_684_800) * 1_000_000).rounded(.toNearestOrEven)) else {
      throw .sql("22008", "timestamp out of range: \"\(ValueText.print(.double(seconds), as: .double) ?? "")\"")
    }
    let sum = micros.addingReportingOverflow(946_684_800_000_000)
    guard !sum.overflow, TimeRange.contains(microsecond: sum.partialValue) else {
      throw .sql("22008", "timestamp out of range: \"\(ValueText.print(.double(seconds), as: .double) ?? "")\"")
    }
    return sum.partialValue
  }
  static func shifted(_ time: Int64, by seconds: Int64) throws(TallyError) -> Int64 {
    try TimeArithmetic.add(Interval(microseconds: seconds * 1_000_000), toTimestamp: time)
  }

  // MARK: Spans

  /// The difference in years, months, days and time, as a person counts it.
  private static func age(_ a: Int64, _ b: Int64) throws(TallyError) -> Interval {
    guard !TimeArithmetic.isInfinite(a), !TimeArithmetic.isInfinite(b) else { throw .sql("22008", "timestamp out of range") }
    let isNegative = a < b
    let (x, y) = (Calendar.fields(ofMicroseconds: a), Calendar.fields(ofMicroseconds: b))
    let sign: Int64 = isNegative ? -1 : 1
    var years = sign * (x.date.year - y.date.year)
    var months = sign * Int64(x.date.month - y.date.month)
    var days = sign * Int64(x.date.day - y.date.day)
    func micros(_ f: TimeFields) -> Int64 {
      ((Int64(f.hour) * 60 + Int64(f.minute)) * 60 + Int64(f.second)) * 1_000_000 + Int64(f.microsecond)
    }
    var time = sign * (micros(x) - micros(y))
    if time < 0 {
      time += Calendar.microsecondsPerDay
      days -= 1
    }
    while days < 0 {
      let earlier = isNegative ? x.date : y.date
      days += Int64(Calendar.daysInMonth(year: earlier.year, month: earlier.month))
      months -= 1
    }
    while months < 0 {
      months += 12
      years -= 1
    }
    guard let total = Int32(exactly: sign * (years * 12 + months)), let narrow = Int32(exactly: sign * days) else {
      throw .sql("22008", "interval out of range")
    }
    return Interval(months: total, days: narrow, microseconds: sign * time)
  }
  private static func sum(_ a: Int32, _ b: Int64) throws(TallyError) -> Int32 {
    guard let total = Int32(exactly: Int64(a) + b) else { throw .sql("22008", "interval out of range") }
    return total
  }
  private static func justifiedHours(_ span: Interval) throws(TallyError) -> Interval {
    var result = span
    result.days = try sum(span.days, span.microseconds / TimeText.dayEnd)
    result.microseconds = span.microseconds % TimeText.dayEnd
    level(&result)
    return result
  }
  private static func justifiedDays(_ span: Interval) throws(TallyError) -> Interval {
    var result = span
    result.months = try sum(span.months, Int64(span.days / 30))
    result.days = span.days % 30
    if result.months > 0, result.days < 0 {
      result.days += 30
      result.months -= 1
    } else if result.months < 0, result.days > 0 {
      result.days -= 30
      result.months += 1
    }
    return result
  }
  private static func level(_ span: inout Interval) {
    if span.days > 0, span.microseconds < 0 {
      span.microseconds += TimeText.dayEnd
      span.days -= 1
    } else if span.days < 0, span.microseconds > 0 {
      span.microseconds -= TimeText.dayEnd
      span.days += 1
    }
  }
  private static func justified(_ span: Interval) throws(TallyError) -> Interval {
    var result = span
    let days = Int64(span.days) + span.microseconds / TimeText.dayEnd
    result.microseconds = span.microseconds % TimeText.dayEnd
    result.months = try sum(span.months, days / 30)
    result.days = Int32(days % 30)
    if result.months > 0, result.days < 0 || result.days == 0 && result.microseconds < 0 {
      result.days += 30
      result.months -= 1
    } else if result.months < 0, result.days > 0 || result.days == 0 && result.microseconds > 0 {
      result.days -= 30
      result.months += 1
    }
    level(&result)
    return result
  }
  private static func bin(_ stride: Interval, _ time: Int64, _ origin: Int64) throws(TallyError) -> Int64 {
    if TimeArithmetic.isInfinite(time) { return time }
    guard !TimeArithmetic.isInfinite(origin) else { throw .sql("22008", "origin out of range") }
    guard stride.months == 0 else {
      throw .sql("0A000", "timestamps cannot be binned into intervals containing months or years")
    }
    let days = Int64(stride.days).multipliedReportingOverflow(by: TimeText.dayEnd)
    let width = days.partialValue.addingReportingOverflow(stride.microseconds)
    guard !days.overflow, !width.overflow else { throw .sql("22008", "interval out of range") }
    guard width.partialValue > 0 else { throw .sql("22008", "stride must be greater than zero") }
    let distance = time.subtractingReportingOverflow(origin)
    guard !distance.overflow else { throw .sql("22008", "interval out of range") }
    let result = time.subtractingReportingOverflow(Calendar.floorRemainder(distance.partialValue, width.partialValue))
    guard !result.overflow, TimeRange.contains(microsecond: result.partialValue) else { throw .sql("22008", "timestamp out of range") }
    return result.partialValue
  }
  /// (start, end) OVERLAPS (start, end), NULLs as the standard has them.
  private static func overlaps(_ a: FunctionArguments) throws(TallyError) -> Value {
    func end(_ at: Int) throws(TallyError) -> Int64? {
      if a.isNull(at) { return nil }
      guard a.types[at] == .interval else { return a.integer(at) }
      return a.isNull(at - 1) ? nil : try TimeArithmetic.add(a.interval(at), toTimestamp: a.integer(at - 1))
    }
    var first = (a.isNull(0) ? nil : a.integer(0), try end(1))
    var second = (a.isNull(2) ? nil : a.integer(2), try end(3))
    func ordered(_ pair: (Int64?, Int64?)) -> (Int64?, Int64?) {
      guard let x = pair.0 else { return (pair.1, nil) }
      guard let y = pair.1 else { return (x, nil) }
      return x > y ? (y, x) : (x, y)
    }
    first = ordered(first)
    second = ordered(second)
    guard let ts1 = first.0, let ts2 = second.0 else { return .null }
    func after(_ later: Int64, _ earlier: (Int64?, Int64?)) -> Value {
      guard let end = earlier.1 else { return .null }
      return .fixed(later < end ? 1 : -1)
    }
    if ts1 == ts2 {
      // Both begin together: they overlap, as far as is known.
      return first.1 == nil || second.1 == nil ? .null : .fixed(1)
    }
    let (later, other, own) = ts1 > ts2 ? (ts1, second, first) : (ts2, first, second)
    guard let otherEnd = other.1 else { return .null }
    if later < otherEnd { return .fixed(1) }
    return own.1 == nil ? .null : .fixed(0)
  }
}

extension FunctionArguments {
  /// A number of any type, exactly as its text says; NaN and infinities are nil.
  func decimal(_ at: Int) throws(TallyError) -> NumberTemplate.Subject {
    switch values[at] {
    case .fixed(let number): return .number(Numeric(number))
    case .numeric(let number): return .number(number)
    case .double(let number):
      guard number.isFinite else { return .special(number) }
      return .float(number, isReal: types[at] == .real)
    default: return .number(Numeric(0))
    }
  }
}
