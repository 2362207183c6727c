// TimeTruncation.swift — date_trunc and time_bucket: the start of the unit or bucket that holds a timestamp.
//
// Buckets of whole weeks start on Mondays (counted from 1969-12-29, so that one week is date_trunc('week')); all other fixed
// widths count from 1970-01-01; months from January 1970. Infinite times are their own bucket.
import Bytes

/// A unit of `date_trunc`.
public enum TimeUnit: UInt8, Sendable, CaseIterable {
  case microsecond = 0
  case millisecond = 1
  case second = 2
  case minute = 3
  case hour = 4
  case day = 5
  case week = 6
  case month = 7
  case quarter = 8
  case year = 9
  case decade = 10
  case century = 11
  case millennium = 12

  /// The unit PostgreSQL knows by that name or abbreviation, in any case.
  public init?(name: String) {
    switch name.lowercased() {
    case "us", "usec", "usecs", "useconds", "usecond", "microsecond", "microseconds", "microsecon":
      self = .microsecond
    case "ms", "msec", "msecs", "mseconds", "msecond", "millisecond", "milliseconds", "millisecon":
      self = .millisecond
    case "s", "sec", "secs", "second", "seconds": self = .second
    case "m", "min", "mins", "minute", "minutes": self = .minute
    case "h", "hr", "hrs", "hour", "hours": self = .hour
    case "d", "day", "days": self = .day
    case "w", "week", "weeks": self = .week
    case "mon", "mons", "month", "months": self = .month
    case "qtr", "quarter": self = .quarter
    case "y", "yr", "yrs", "year", "years": self = .year
    case "dec", "decs", "decade", "decades": self = .decade
    case "c", "cent", "century", "centuries": self = .century
    case "mil", "mils", "millennium", "millennia": self = .millennium
    default: return nil
    }
  }
  /// Whether its units begin at midnight.
  public var isWholeDays: Bool { rawValue >= TimeUnit.day.rawValue }
  /// As `init(name:)`, or PostgreSQL's error for a name that `type` has no unit for.
  public static func parse(_ name: String, for type: DataType) throws(TallyError) -> TimeUnit {
    guard let unit = TimeUnit(name: name) else {
      throw .sql("22023", "unit \"\(name.lowercased())\" not recognized for type \(type.name)")
    }
    return unit
  }
}

extension Calendar {
  /// Microseconds from a bucket origin of 1970-01-01 to the Monday before it.
  static var mondayOrigin: Int64 { -3 * microsecondsPerDay }

  /// `date_trunc(unit, timestamp)`.
  public static func truncate(_ micros: Int64, to unit: TimeUnit) -> Int64 {
    if micros == TimeLimits.infinity || micros == TimeLimits.minusInfinity { return micros }
    switch unit {
    case .microsecond: return micros
    case .millisecond: return micros &- floorRemainder(micros, 1000)
    case .second: return micros &- floorRemainder(micros, microsecondsPerSecond)
    case .minute: return micros &- floorRemainder(micros, microsecondsPerMinute)
    case .hour: return micros &- floorRemainder(micros, microsecondsPerHour)
    case .day: return micros &- floorRemainder(micros, microsecondsPerDay)
    case .week: return truncateFixed(micros, width: 7 * microsecondsPerDay, origin: mondayOrigin)
    case .month: return startOfMonths(micros, 1)
    case .quarter: return startOfMonths(micros, 3)
    case .year: return startOfMonths(micros, 12)
    case .decade: return startOfYear(floorDivide(year(of: micros), 10) * 10)
    case .century: return startOfYear(floorDivide(year(of: micros) - 1, 100) * 100 + 1)
    case .millennium: return startOfYear(floorDivide(year(of: micros) - 1, 1000) * 1000 + 1)
    }
  }
  /// `time_bucket(width, timestamp)`.
  public static func truncateToBucket(_ micros: Int64, _ width: BucketWidth) -> Int64 {
    if micros == TimeLimits.infinity || micros == TimeLimits.minusInfinity { return micros }
    switch width {
    case .microseconds(let fixed):
      return truncateFixed(micros, width: fixed, origin: origin(ofWidth: fixed))
    case .months(let months): return startOfMonths(isPlanted(.monthBorderOffByOne) ? micros - 1 : micros, Int64(months))
    }
  }
  /// The first microsecond after the bucket that starts at `start`, which is finite.
  public static func endOfBucket(_ start: Int64, _ width: BucketWidth) -> Int64 {
    switch width {
    case .microseconds(let fixed): start &+ fixed
    case .months(let months):
      addMonths(Int64(months), toDay: day(ofMicroseconds: start)) &* microsecondsPerDay
    }
  }
  /// Buckets of a whole block; `output` has room for `input.count` values and may be the same memory.
  ///
  /// Times mostly rise, so the bucket of the row before is tried first: two compares instead of a division.
  public static func truncateToBuckets(
    _ input: UnsafeBufferPointer<Int64>,
    _ width: BucketWidth,
    into output: UnsafeMutablePointer<Int64>
  ) {
    // An empty range at first, so that the first row always takes the slow path.
    var start: Int64 = 0
    var end: Int64 = 0
    for row in 0..<input.count {
      let micros = input[row]
      if micros >= start && micros < end {
        output[row] = start
      } else {
        let bucket = truncateToBucket(micros, width)
        output[row] = bucket
        if TimeRange.contains(microsecond: micros) {
          start = bucket
          end = endOfBucket(bucket, width)
        }
      }
    }
  }

  static func origin(ofWidth width: Int64) -> Int64 {
    width % (7 * microsecondsPerDay) == 0 ? mondayOrigin : 0
  }
  static func truncateFixed(_ micros: Int64, width: Int64, origin: Int64) -> Int64 {
    micros &- floorRemainder(micros &- origin, width)
  }
  static func startOfMonths(_ micros: Int64, _ months: Int64) -> Int64 {
    let date = civil(days: day(ofMicroseconds: micros))
    let sinceEpoch = (date.year - 1970) * 12 + Int64(date.month - 1)
    let first = sinceEpoch - floorRemainder(sinceEpoch, months)
    let year = 1970 + floorDivide(first, 12)
    return days(year: year, month: Int(floorRemainder(first, 12)) + 1, day: 1) &* microsecondsPerDay
  }
  private static func year(of micros: Int64) -> Int64 {
    civil(days: day(ofMicroseconds: micros)).year
  }
  private static func startOfYear(_ year: Int64) -> Int64 {
    days(year: year, month: 1, day: 1) &* microsecondsPerDay
  }
}
