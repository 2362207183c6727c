// Interval+Arithmetic.swift — arithmetic of intervals, with PostgreSQL's cascade of fractions from months to days to time.

extension Interval {
  static func outOfRange() -> TallyError { .sql("22008", "interval out of range") }
  /// No time at all.
  public static let zero = Interval()

  /// Negative, zero or positive as a is shorter than, as long as or longer than b; a month is 30 days, a day 24 hours.
  public static func compare(_ a: Interval, _ b: Interval) -> Int {
    let (left, right) = (a.span, b.span)
    return left < right ? -1 : left > right ? 1 : 0
  }
  /// Microseconds at 30 days a month and 24 hours a day: intervals compare, group and hash by it.
  public var span: Int128 {
    (Int128(months) * 30 + Int128(days)) * Int128(Calendar.microsecondsPerDay)
      + Int128(microseconds)
  }
  /// a + b, field by field.
  public static func add(_ a: Interval, _ b: Interval) throws(TallyError) -> Interval {
    let months = a.months.addingReportingOverflow(b.months)
    let days = a.days.addingReportingOverflow(b.days)
    let time = a.microseconds.addingReportingOverflow(b.microseconds)
    guard !months.overflow, !days.overflow, !time.overflow else { throw outOfRange() }
    return Interval(
      months: months.partialValue,
      days: days.partialValue,
      microseconds: time.partialValue
    )
  }
  /// a - b, field by field.
  public static func subtract(_ a: Interval, _ b: Interval) throws(TallyError) -> Interval {
    let months = a.months.subtractingReportingOverflow(b.months)
    let days = a.days.subtractingReportingOverflow(b.days)
    let time = a.microseconds.subtractingReportingOverflow(b.microseconds)
    guard !months.overflow, !days.overflow, !time.overflow else { throw outOfRange() }
    return Interval(
      months: months.partialValue,
      days: days.partialValue,
      microseconds: time.partialValue
    )
  }
  /// -a.
  public static func negate(_ a: Interval) throws(TallyError) -> Interval { try subtract(zero, a) }

  /// a · factor.
  public static func multiply(_ a: Interval, _ factor: Double) throws(TallyError) -> Interval {
    try cascade(
      a,
      Double(a.months) * factor,
      Double(a.days) * factor,
      Double(a.microseconds) * factor
    )
  }
  /// a / divisor; 22012 when it is zero.
  public static func divide(_ a: Interval, _ divisor: Double) throws(TallyError) -> Interval {
    guard divisor != 0 else { throw .sql("22012", "division by zero") }
    return try cascade(
      a,
      Double(a.months) / divisor,
      Double(a.days) / divisor,
      Double(a.microseconds) / divisor
    )
  }
  /// Whole months and days stay; the fraction of the months becomes days, that of the days becomes time.
  private static func cascade(
    _ a: Interval,
    _ months: Double,
    _ days: Double,
    _ micros: Double
  ) throws(TallyError) -> Interval {
    guard var result = Interval(wholeMonths: months, wholeDays: days) else { throw outOfRange() }
    let secondsPerDay = 86_400.0
    // Rounded to microseconds at each step, or 1 month / 3 would leave 9.9999 days.
    let extraDays = toMicro((months - Double(result.months)) * 30)
    var seconds = toMicro(
      (days - Double(result.days) + extraDays - extraDays.rounded(.towardZero)) * secondsPerDay
    )
    if abs(seconds) >= secondsPerDay {
      let whole = (seconds / secondsPerDay).rounded(.towardZero)
      result.days = try sum(result.days, whole)
      seconds -= whole * secondsPerDay
    }
    result.days = try sum(result.days, extraDays.rounded(.towardZero))
    guard let time = Int64(exactly: (micros + seconds * 1_000_000).rounded(.toNearestOrEven)) else {
      throw outOfRange()
    }
    result.microseconds = time
    return result
  }
  private init?(wholeMonths: Double, wholeDays: Double) {
    guard let months = Int32(exactly: wholeMonths.rounded(.towardZero)),
      let days = Int32(exactly: wholeDays.rounded(.towardZero))
    else { return nil }
    self.init(months: months, days: days)
  }
  private static func sum(_ days: Int32, _ extra: Double) throws(TallyError) -> Int32 {
    guard let whole = Int32(exactly: extra) else { throw outOfRange() }
    let total = days.addingReportingOverflow(whole)
    guard !total.overflow else { throw outOfRange() }
    return total.partialValue
  }
  private static func toMicro(_ seconds: Double) -> Double {
    (seconds * 1_000_000).rounded(.toNearestOrEven) / 1_000_000
  }
}
