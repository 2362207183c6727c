// Calendar.swift — the proleptic Gregorian calendar over days and microseconds since 1970-01-01 UTC.
//
// Pure arithmetic: no time zones but UTC, no clock. Years are astronomical (0 is 1 BC). Every function here takes finite
// times; `infinity` and `-infinity` pass through truncation unchanged. Results near the ends of Int64 wrap only for values
// that `TimeRange` refuses, which no parser and no arithmetic of Tally lets in.

/// Year, month and day.
@frozen public struct CivilDate: Hashable, Sendable {
  /// Astronomical year.
  public var year: Int64
  /// 1 … 12.
  public var month: Int
  /// 1 … 31.
  public var day: Int
  /// Makes a date without checking it.
  @inlinable public init(year: Int64, month: Int, day: Int) {
    self.year = year
    self.month = month
    self.day = day
  }
}

/// A timestamp taken apart.
@frozen public struct TimeFields: Hashable, Sendable {
  /// Year, month, day.
  public var date: CivilDate
  /// 0 … 23.
  public var hour: Int
  /// 0 … 59.
  public var minute: Int
  /// 0 … 59.
  public var second: Int
  /// 0 … 999999.
  public var microsecond: Int
}

/// The finite times that exist; the same lower end as PostgreSQL, the upper end is what Int64 microseconds hold.
public enum TimeRange {
  /// 4714-11-24 BC, Julian day 0, as a day.
  @inlinable public static var firstDay: Int64 { -2_440_588 }
  /// 5874897-12-31.
  @inlinable public static var lastDay: Int64 { 2_145_042_905 }
  /// The first timestamp.
  @inlinable public static var firstMicrosecond: Int64 { firstDay * Calendar.microsecondsPerDay }
  /// The last timestamp: the end of the year 294246.
  @inlinable public static var lastMicrosecond: Int64 {
    106_751_982 * Calendar.microsecondsPerDay - 1
  }
  /// Whether a timestamp is finite and in range.
  @inlinable public static func contains(microsecond: Int64) -> Bool {
    microsecond >= firstMicrosecond && microsecond <= lastMicrosecond
  }
}

/// Calendar arithmetic.
public enum Calendar {
  /// 86 400 000 000.
  @inlinable public static var microsecondsPerDay: Int64 { 86_400_000_000 }
  /// 3 600 000 000.
  @inlinable public static var microsecondsPerHour: Int64 { 3_600_000_000 }
  /// 60 000 000.
  @inlinable public static var microsecondsPerMinute: Int64 { 60_000_000 }
  /// 1 000 000.
  @inlinable public static var microsecondsPerSecond: Int64 { 1_000_000 }

  /// Quotient rounded down; `divisor` is positive.
  @inlinable @inline(__always) public static func floorDivide(
    _ value: Int64,
    _ divisor: Int64
  ) -> Int64 {
    let quotient = value / divisor
    return value % divisor < 0 ? quotient - 1 : quotient
  }
  /// Remainder that goes with `floorDivide`: 0 ..< divisor.
  @inlinable @inline(__always) public static func floorRemainder(
    _ value: Int64,
    _ divisor: Int64
  ) -> Int64 {
    let rest = value % divisor
    return rest < 0 ? rest + divisor : rest
  }
  /// Days since 1970-01-01 of a civil date (the era arithmetic of Hinnant's "chrono-compatible low-level date algorithms").
  @inlinable public static func days(year: Int64, month: Int, day: Int) -> Int64 {
    let shifted = month <= 2 ? year - 1 : year
    let era = floorDivide(shifted, 400)
    let yearOfEra = shifted - era * 400
    let monthFromMarch = Int64(month > 2 ? month - 3 : month + 9)
    let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
    let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
    return era * 146_097 + dayOfEra - 719_468
  }
  /// Days since 1970-01-01 of a civil date.
  @inlinable public static func days(_ date: CivilDate) -> Int64 {
    days(year: date.year, month: date.month, day: date.day)
  }
  /// Civil date of a day.
  @inlinable public static func civil(days: Int64) -> CivilDate {
    let z = days + 719_468
    let era = floorDivide(z, 146_097)
    let dayOfEra = z - era * 146_097
    let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
    let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
    let monthFromMarch = (5 * dayOfYear + 2) / 153
    let day = Int(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1)
    let month = Int(monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9)
    return CivilDate(year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month: month, day: day)
  }
  /// Whether a year has a 29th of February.
  @inlinable public static func isLeap(_ year: Int64) -> Bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
  }
  /// 28 … 31.
  @inlinable public static func daysInMonth(year: Int64, month: Int) -> Int {
    switch month {
    case 2: isLeap(year) ? 29 : 28
    case 4, 6, 9, 11: 30
    default: 31
    }
  }
  /// The day on which a timestamp falls.
  @inlinable public static func day(ofMicroseconds micros: Int64) -> Int64 {
    floorDivide(micros, microsecondsPerDay)
  }
  /// Takes a finite timestamp apart.
  public static func fields(ofMicroseconds micros: Int64) -> TimeFields {
    let day = day(ofMicroseconds: micros)
    let rest = Int(floorRemainder(micros, microsecondsPerDay))
    return TimeFields(
      date: civil(days: day),
      hour: rest / 3_600_000_000,
      minute: rest / 60_000_000 % 60,
      second: rest / 1_000_000 % 60,
      microsecond: rest % 1_000_000
    )
  }
  /// Adds months; a day past the end of the month becomes its last, as in PostgreSQL.
  public static func addMonths(_ months: Int64, toDay day: Int64) -> Int64 {
    let date = civil(days: day)
    let total = date.year * 12 + Int64(date.month - 1) + months
    let year = floorDivide(total, 12)
    let month = Int(floorRemainder(total, 12)) + 1
    return days(year: year, month: month, day: min(date.day, daysInMonth(year: year, month: month)))
  }
  /// 0 = Sunday … 6 = Saturday.
  public static func dayOfWeek(_ day: Int64) -> Int { Int(floorRemainder(day + 4, 7)) }
  /// 1 = Monday … 7 = Sunday.
  public static func isoDayOfWeek(_ day: Int64) -> Int { Int(floorRemainder(day + 3, 7)) + 1 }
  /// 1 … 366.
  public static func dayOfYear(_ day: Int64) -> Int {
    Int(day - days(year: civil(days: day).year, month: 1, day: 1)) + 1
  }
  /// The ISO 8601 week and the year it belongs to.
  public static func isoWeek(_ day: Int64) -> (year: Int64, week: Int) {
    // The week belongs to the year of its Thursday.
    let thursday = day - Int64(isoDayOfWeek(day)) + 4
    let year = civil(days: thursday).year
    return (year, Int((thursday - days(year: year, month: 1, day: 1)) / 7) + 1)
  }
}
