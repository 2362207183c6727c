// IntervalText.swift — intervals as PostgreSQL 15 prints them under IntervalStyle postgres, and the forms it reads:
// `1 year 2 mons -3 days 04:05:06.7`, `5 minutes ago`, `1.5h`, `1-2`, `3 4:05`, a bare number of seconds, and ISO 8601's
// `P1Y2M3W4DT5H6M7S` with designators.
public import Bytes

/// Text of `interval`.
public enum IntervalText {
  /// Appends the interval.
  public static func write(_ value: Interval, into writer: inout ByteWriter) {
    var isFirst = true
    var wasNegative = false
    func part(_ amount: Int32, _ unit: StaticString, _ writer: inout ByteWriter) {
      guard amount != 0 else { return }
      if !isFirst { writer.u8(0x20) }
      if wasNegative && amount > 0 { writer.u8(0x2b) }
      writer.decimal(Int64(amount))
      writer.u8(0x20)
      writer.ascii(unit)
      if amount != 1 { writer.u8(0x73) }
      wasNegative = amount < 0
      isFirst = false
    }
    part(value.months / 12, "year", &writer)
    part(value.months % 12, "mon", &writer)
    part(value.days, "day", &writer)
    guard isFirst || value.microseconds != 0 else { return }
    if !isFirst { writer.u8(0x20) }
    if value.microseconds < 0 {
      writer.u8(0x2d)
    } else if wasNegative {
      writer.u8(0x2b)
    }
    let time = value.microseconds.magnitude
    writer.decimal(Int64(time / 3_600_000_000), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(time / 60_000_000 % 60), width: 2)
    writer.u8(0x3a)
    writer.decimal(Int64(time / 1_000_000 % 60), width: 2)
    writer.fractionOfSecond(Int64(time % 1_000_000))
  }
  /// The interval in words.
  public static func text(_ value: Interval) -> String {
    var writer = ByteWriter(capacity: 64)
    write(value, into: &writer)
    return writer.withBytes { String(decoding: $0, as: UTF8.self) }
  }
  /// Reads an interval; 22007 for bad syntax, 22015 for fields out of range.
  public static func parse(_ bytes: UnsafeRawBufferPointer) throws(TallyError) -> Interval {
    var reader = IntervalReader(bytes)
    if reader.scan.peek == 0x50 { return try reader.readISO() }
    return try reader.readWords()
  }
  /// Reads an interval.
  public static func parse(_ text: String) throws(TallyError) -> Interval {
    try withBytes(of: text) { bytes throws(TallyError) in try parse(bytes) }
  }
}

/// The units an interval text counts in.
private enum IntervalUnit: Int {
  case microsecond, millisecond, second, minute, hour, day, week, month, year, decade, century,
    millennium

  init?(_ word: String) {
    switch word {
    case "us", "usec", "usecs", "usecond", "useconds", "microsecon", "microsecond", "microseconds":
      self = .microsecond
    case "ms", "msec", "msecs", "msecond", "mseconds", "millisecon", "millisecond", "milliseconds":
      self = .millisecond
    case "s", "sec", "secs", "second", "seconds": self = .second
    case "m", "min", "mins", "minute", "minutes": self = .minute
    case "h", "hr", "hrs", "hour", "hours": self = .hour
    case "d", "day", "days": self = .day
    case "w", "week", "weeks": self = .week
    case "mon", "mons", "month", "months": self = .month
    case "y", "yr", "yrs", "year", "years": self = .year
    case "dec", "decs", "decade", "decades": self = .decade
    case "c", "cent", "century", "centuries": self = .century
    case "mil", "mils", "millennium", "millennia": self = .millennium
    default: return nil
    }
  }
  var bit: Int { 1 << rawValue }
}

private struct IntervalReader {
  let bytes: UnsafeRawBufferPointer
  var scan: TextScanner
  var months: Int64 = 0
  var days: Int64 = 0
  var micros: Int64 = 0
  /// Units given so far; naming one twice is an error.
  var seen = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
    scan = TextScanner(trimming: bytes)
  }
  var syntax: TallyError { .syntax("interval", bytes, "22007") }
  var range: TallyError {
    .sql(
      "22015",
      "interval field value out of range: \"\(String(decoding: bytes, as: UTF8.self))\""
    )
  }

  /// value + fraction of a unit; whole parts stay in their field, fractions cascade down.
  mutating func add(_ value: Int64, _ fraction: Double, _ unit: IntervalUnit) throws(TallyError) {
    switch unit {
    case .microsecond: try addMicros(value, 1, fraction)
    case .millisecond: try addMicros(value, 1000, fraction)
    case .second: try addMicros(value, Calendar.microsecondsPerSecond, fraction)
    case .minute: try addMicros(value, Calendar.microsecondsPerMinute, fraction)
    case .hour: try addMicros(value, Calendar.microsecondsPerHour, fraction)
    case .day: try addDays(value, 1, fraction)
    case .week: try addDays(value, 7, fraction)
    case .month:
      try addMonths(value, 1)
      try addDays(0, 30, fraction)
    case .year: try addYears(value, 1, fraction)
    case .decade: try addYears(value, 10, fraction)
    case .century: try addYears(value, 100, fraction)
    case .millennium: try addYears(value, 1000, fraction)
    }
  }
  private mutating func addMicros(
    _ value: Int64,
    _ unit: Int64,
    _ fraction: Double
  ) throws(TallyError) {
    let whole = value.multipliedReportingOverflow(by: unit)
    // Half a microsecond is dropped, more than half counts: PostgreSQL's rounding here, and only here.
    let part = fraction * Double(unit)
    var extra = part.rounded(.towardZero)
    if part - extra > 0.5 { extra += 1 } else if part - extra < -0.5 { extra -= 1 }
    let sum = micros.addingReportingOverflow(whole.partialValue)
    let total = sum.partialValue.addingReportingOverflow(Int64(extra))
    guard !whole.overflow, !sum.overflow, !total.overflow else { throw range }
    micros = total.partialValue
  }
  private mutating func addDays(
    _ value: Int64,
    _ unit: Int64,
    _ fraction: Double
  ) throws(TallyError) {
    let whole = value.multipliedReportingOverflow(by: unit)
    let part = fraction * Double(unit)
    let extra = part.rounded(.towardZero)
    let sum = days.addingReportingOverflow(whole.partialValue)
    guard !whole.overflow, !sum.overflow, let narrow = Int32(exactly: sum.partialValue) else {
      throw range
    }
    days = Int64(narrow) + Int64(extra)
    try addMicros(0, Calendar.microsecondsPerDay, part - extra)
  }
  private mutating func addMonths(_ value: Int64, _ unit: Int64) throws(TallyError) {
    let whole = value.multipliedReportingOverflow(by: unit)
    let sum = months.addingReportingOverflow(whole.partialValue)
    guard !whole.overflow, !sum.overflow else { throw range }
    months = sum.partialValue
  }
  private mutating func addYears(
    _ value: Int64,
    _ unit: Int64,
    _ fraction: Double
  ) throws(TallyError) {
    try addMonths(value, 12 * unit)
    try addMonths(Int64((fraction * 12 * Double(unit)).rounded(.toNearestOrEven)), 1)
  }
  func finished(negated: Bool = false) throws(TallyError) -> Interval {
    guard let months = Int32(exactly: months), let days = Int32(exactly: days) else { throw range }
    let value = Interval(months: months, days: days, microseconds: micros)
    if !negated { return value }
    do throws(TallyError) { return try Interval.negate(value) } catch { throw range }
  }
  /// Marks a unit as given.
  mutating func mark(_ bits: Int) throws(TallyError) {
    guard seen & bits == 0 else { throw syntax }
    seen |= bits
  }

  mutating func readWords() throws(TallyError) -> Interval {
    _ = scan.take(0x40)
    scan.skipBlanks()
    guard !scan.isAtEnd else { throw syntax }
    var isAgo = false
    var isAny = false
    while !scan.isAtEnd {
      if TextScanner.isLetter(scan.peek) {
        guard isAny, scan.word() == "ago" else { throw syntax }
        scan.skipBlanks()
        guard scan.isAtEnd else { throw syntax }
        isAgo = true
      } else {
        try readField()
        isAny = true
      }
      scan.skipBlanks()
    }
    guard isAny else { throw syntax }
    return try finished(negated: isAgo)
  }
  /// One number with its unit, a time of day, `years-months`, or a number that the next or no field gives a unit.
  private mutating func readField() throws(TallyError) {
    let sign = Int64(scan.sign() ?? 1)
    scan.skipBlanks()
    let whole = scan.digits()
    guard whole.value != .max || whole.count == 0 else { throw range }
    var fraction = 0.0
    var places = 0
    if scan.peek == 0x3a && whole.count > 0 { return try readTime(sign, whole.value) }
    if scan.peek == 0x2d && whole.count > 0 && TextScanner.isDigit(scan.peek(1)) {
      _ = scan.take(0x2d)
      let given = scan.digits()
      guard given.value < 12 else { throw range }
      try mark(IntervalUnit.month.bit)
      let years = whole.value.multipliedReportingOverflow(by: 12)
      let total = years.partialValue.addingReportingOverflow(given.value)
      guard !years.overflow, !total.overflow else { throw range }
      return try addMonths(sign * total.partialValue, 1)
    }
    if scan.take(0x2e) { (fraction, places) = scan.fraction() }
    guard whole.count + places > 0 else { throw syntax }
    scan.skipBlanks()
    let unit: IntervalUnit
    if TextScanner.isLetter(scan.peek) {
      let start = scan.at
      let word = scan.word()
      if let named = IntervalUnit(word) {
        unit = named
      } else {
        guard word == "ago" else { throw syntax }
        scan.at = start
        unit = .second
      }
    } else if scan.isAtEnd {
      unit = .second
    } else {
      // A number before a time of day counts days: `3 4:05:06`.
      guard isTimeNext else { throw syntax }
      unit = .day
    }
    try mark(unit.bit)
    try add(sign * whole.value, Double(sign) * fraction, unit)
  }
  private var isTimeNext: Bool {
    var ahead = scan
    _ = ahead.sign()
    return ahead.digits().count > 0 && ahead.peek == 0x3a
  }
  private mutating func readTime(_ sign: Int64, _ first: Int64) throws(TallyError) {
    _ = scan.take(0x3a)
    let second = scan.digits()
    guard second.count > 0 else { throw syntax }
    var (hours, minutes, seconds) = (first, second.value, Int64(0))
    var fraction = 0.0
    if scan.take(0x3a) {
      let third = scan.digits()
      guard third.count > 0 else { throw syntax }
      seconds = third.value
      if scan.take(0x2e) { fraction = scan.fraction().value }
    } else if scan.take(0x2e) {
      // `1:30.5` is minutes and seconds.
      (hours, minutes, seconds) = (0, first, second.value)
      fraction = scan.fraction().value
    }
    guard minutes < 60, seconds <= 60, hours <= 2_562_047_788 else { throw range }
    try mark(IntervalUnit.hour.bit | IntervalUnit.minute.bit | IntervalUnit.second.bit)
    let part = Int64((fraction * 1_000_000).rounded(.toNearestOrEven))
    let time = ((hours * 60 + minutes) * 60 + seconds).multipliedReportingOverflow(by: 1_000_000)
    let total = time.partialValue.addingReportingOverflow(part)
    guard !time.overflow, !total.overflow else { throw range }
    try addMicros(sign * total.partialValue, 1, 0)
  }

  mutating func readISO() throws(TallyError) -> Interval {
    _ = scan.take(0x50)
    var isTime = false
    var isAny = false
    while !scan.isAtEnd {
      if scan.take(0x54) {
        guard !isTime else { throw syntax }
        isTime = true
        isAny = false
        continue
      }
      let sign = Int64(scan.sign() ?? 1)
      let whole = scan.digits()
      guard whole.value != .max || whole.count == 0 else { throw range }
      var (fraction, places) = (0.0, 0)
      if scan.take(0x2e) { (fraction, places) = scan.fraction() }
      guard whole.count + places > 0 else { throw syntax }
      let unit: IntervalUnit
      switch (scan.peek, isTime) {
      case (0x59, false): unit = .year
      case (0x4d, false): unit = .month
      case (0x57, false): unit = .week
      case (0x44, false): unit = .day
      case (0x48, true): unit = .hour
      case (0x4d, true): unit = .minute
      case (0x53, true): unit = .second
      default: throw syntax
      }
      scan.at += 1
      try add(sign * whole.value, Double(sign) * fraction, unit)
      isAny = true
    }
    guard isAny else { throw syntax }
    return try finished()
  }
}
