// TimeArithmetic.swift — arithmetic of dates and timestamps; infinite times stay infinite.

/// Arithmetic of dates (days since 1970-01-01) and timestamps (microseconds since 1970-01-01 UTC).
public enum TimeArithmetic {
  static func timestampOutOfRange() -> TallyError { .sql("22008", "timestamp out of range") }
  static func dateOutOfRange() -> TallyError { .sql("22008", "date out of range") }
  /// `infinity` or `-infinity`.
  @inlinable public static func isInfinite(_ time: Int64) -> Bool {
    time == TimeLimits.infinity || time == TimeLimits.minusInfinity
  }

  /// timestamp + interval: months first (clamped to the end of the month), then days, then time.
  public static func add(
    _ interval: Interval,
    toTimestamp micros: Int64
  ) throws(TallyError) -> Int64 {
    if isInfinite(micros) { return micros }
    var day = Calendar.day(ofMicroseconds: micros)
    let time = micros &- day &* Calendar.microsecondsPerDay
    if interval.months != 0 { day = Calendar.addMonths(Int64(interval.months), toDay: day) }
    day += Int64(interval.days)
    let start = day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    let shifted = start.partialValue.addingReportingOverflow(time)
    let result = shifted.partialValue.addingReportingOverflow(interval.microseconds)
    guard !start.overflow, !shifted.overflow, !result.overflow,
      TimeRange.contains(microsecond: result.partialValue)
    else { throw timestampOutOfRange() }
    return result.partialValue
  }
  /// timestamp - interval.
  public static func subtract(
    _ interval: Interval,
    fromTimestamp micros: Int64
  ) throws(TallyError) -> Int64 {
    try add(try Interval.negate(interval), toTimestamp: micros)
  }
  /// timestamp - timestamp as days and time of the same sign.
  public static func subtract(_ b: Int64, from a: Int64) throws(TallyError) -> Interval {
    guard !isInfinite(a), !isInfinite(b) else {
      throw .sql("22008", "cannot subtract infinite timestamps")
    }
    let span = a.subtractingReportingOverflow(b)
    guard !span.overflow else { throw Interval.outOfRange() }
    let (days, time) = span.partialValue.quotientAndRemainder(
      dividingBy: Calendar.microsecondsPerDay
    )
    return Interval(days: Int32(days), microseconds: time)
  }
  /// date + whole days.
  public static func add(days: Int64, toDate day: Int64) throws(TallyError) -> Int64 {
    if isInfinite(day) { return day }
    let sum = day.addingReportingOverflow(days)
    guard !sum.overflow, sum.partialValue >= TimeRange.firstDay,
      sum.partialValue <= TimeRange.lastDay
    else {
      throw dateOutOfRange()
    }
    return sum.partialValue
  }
  /// date - whole days.
  public static func subtract(days: Int64, fromDate day: Int64) throws(TallyError) -> Int64 {
    guard days != .min else { throw dateOutOfRange() }
    return try add(days: -days, toDate: day)
  }
  /// date - date, in days.
  public static func subtract(date b: Int64, from a: Int64) throws(TallyError) -> Int64 {
    guard !isInfinite(a), !isInfinite(b) else {
      throw .sql("22008", "cannot subtract infinite dates")
    }
    return a - b
  }
  /// The timestamp at the start of a date.
  public static func timestamp(ofDate day: Int64) throws(TallyError) -> Int64 {
    if isInfinite(day) { return day }
    let micros = day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    guard !micros.overflow, TimeRange.contains(microsecond: micros.partialValue) else {
      throw .sql("22008", "date out of range for timestamp")
    }
    return micros.partialValue
  }
  /// The date of a timestamp.
  @inlinable public static func date(ofTimestamp micros: Int64) -> Int64 {
    isInfinite(micros) ? micros : Calendar.day(ofMicroseconds: micros)
  }
}
