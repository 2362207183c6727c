// BucketWidths.swift — bucket widths as people write them: intervals, level lists, suffixes.
import Model

enum BucketWidths {
  static let day: Int64 = 86_400_000_000

  /// The width an interval stands for: months only, or days and time only, and positive.
  static func width(of interval: Interval) -> BucketWidth? {
    if interval.months != 0 {
      guard interval.months > 0, interval.days == 0, interval.microseconds == 0 else { return nil }
      return .months(interval.months)
    }
    let (days, overflow) = Int64(interval.days).multipliedReportingOverflow(by: day)
    let (total, carry) = days.addingReportingOverflow(interval.microseconds)
    guard !overflow, !carry, total > 0 else { return nil }
    return .microseconds(total)
  }
  static func interval(of width: BucketWidth) -> Interval {
    switch width {
    case .microseconds(let micros) where micros % day == 0:
      Interval(days: Int32(truncatingIfNeeded: micros / day))
    case .microseconds(let micros): Interval(microseconds: micros)
    case .months(let months): Interval(months: months)
    }
  }
  /// Whether every bucket of `fine` lies inside one bucket of `coarse`.
  static func nests(_ fine: BucketWidth, in coarse: BucketWidth) -> Bool {
    switch (fine, coarse) {
    // Weeks and multiples of days start at different days than other widths unless one divides the other; both are aligned to
    // the same origin only when both are, or are not, multiples of seven days.
    case (.microseconds(let a), .microseconds(let b)):
      return b % a == 0 && (a <= day && day % a == 0 || isWeeks(a) == isWeeks(b))
    case (.microseconds(let a), .months): return day % a == 0
    case (.months(let a), .months(let b)): return b % a == 0
    case (.months, .microseconds): return false
    }
  }
  static func isWeeks(_ micros: Int64) -> Bool { micros % (7 * day) == 0 }
  /// A rough length for ordering and for `keep`.
  static func approximateMicroseconds(_ width: BucketWidth) -> Int64 {
    switch width {
    case .microseconds(let micros): micros
    case .months(let months): Int64(months) * 30 * day
    }
  }
  /// `5min`, `1hour`, `1day`, `1week`, `1month`, `1year`.
  static func suffix(_ width: BucketWidth) -> String {
    switch width {
    case .months(let months): return months % 12 == 0 ? "\(months / 12)year" : "\(months)month"
    case .microseconds(let micros):
      let units: [(Int64, String)] = [
        (7 * day, "week"), (day, "day"), (3_600_000_000, "hour"), (60_000_000, "min"), (1_000_000, "s"), (1000, "ms"),
      ]
      for (unit, name) in units where micros % unit == 0 { return "\(micros / unit)\(name)" }
      return "\(micros)us"
    }
  }
}
