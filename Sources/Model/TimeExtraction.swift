// TimeExtraction.swift — extract(field from time): PostgreSQL's fields as exact decimals.

/// A field of `extract`.
public enum TimeField: UInt8, Sendable, CaseIterable {
  case microseconds = 0
  case milliseconds = 1
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
  case dayOfWeek = 13
  case isoDayOfWeek = 14
  case dayOfYear = 15
  case isoYear = 16
  case epoch = 17

  /// The field PostgreSQL knows by that name, in any case; the units of `date_trunc` by all their names.
  public init?(name: String) {
    switch name.lowercased() {
    case "dow": self = .dayOfWeek
    case "isodow": self = .isoDayOfWeek
    case "doy": self = .dayOfYear
    case "isoyear": self = .isoYear
    case "epoch": self = .epoch
    default:
      guard let unit = TimeUnit(name: name), let field = TimeField(rawValue: unit.rawValue) else { return nil }
      self = field
    }
  }
  /// Whether PostgreSQL has it for intervals and dates.
  public func exists(for type: DataType) -> Bool {
    switch type {
    case .interval:
      switch self {
      case .week, .dayOfWeek, .isoDayOfWeek, .dayOfYear, .isoYear: return false
      default: return true
      }
    case .date: return rawValue > TimeField.hour.rawValue
    default: return true
    }
  }
  /// The width inside which the field never changes; nil for fields that change at any instant.
  public var unit: TimeUnit? {
    switch self {
    case .microseconds, .milliseconds, .second, .epoch: nil
    case .dayOfWeek, .isoDayOfWeek, .dayOfYear: .day
    case .isoYear: .week
    default: TimeUnit(rawValue: rawValue)
    }
  }

  /// Of a date, by its first microsecond: as that of a timestamp, but its epoch has no fraction.
  public func extract(fromDay micros: Int64) throws(TallyError) -> Numeric? {
    if self == .epoch, !TimeArithmetic.isInfinite(micros) { return Numeric(micros / 1_000_000) }
    return try extract(fromMicroseconds: micros)
  }
  /// Of a timestamp in microseconds (a date: its first microsecond). Infinite times: NULL for the fields that repeat, 22003 for the others.
  public func extract(fromMicroseconds micros: Int64) throws(TallyError) -> Numeric? {
    if TimeArithmetic.isInfinite(micros) {
      switch self {
      case .year, .decade, .century, .millennium, .isoYear, .epoch:
        throw .sql("22003", "infinity cannot be represented as numeric")
      default: return nil
      }
    }
    let day = Calendar.day(ofMicroseconds: micros)
    let time = Calendar.floorRemainder(micros, Calendar.microsecondsPerDay)
    let inMinute = time % Calendar.microsecondsPerMinute
    switch self {
    case .microseconds: return Numeric(inMinute)
    case .milliseconds: return Numeric(coefficient: Int128(inMinute), scale: 3)
    case .second: return Numeric(coefficient: Int128(inMinute), scale: 6)
    case .minute: return Numeric(time / Calendar.microsecondsPerMinute % 60)
    case .hour: return Numeric(time / Calendar.microsecondsPerHour)
    case .epoch: return Numeric(coefficient: Int128(micros), scale: 6)
    case .dayOfWeek: return Numeric(Int64(Calendar.dayOfWeek(day)))
    case .isoDayOfWeek: return Numeric(Int64(Calendar.isoDayOfWeek(day)))
    case .dayOfYear: return Numeric(Int64(Calendar.dayOfYear(day)))
    case .week: return Numeric(Int64(Calendar.isoWeek(day).week))
    case .isoYear: return Numeric(Self.withoutYearZero(Calendar.isoWeek(day).year))
    default:
      let date = Calendar.civil(days: day)
      switch self {
      case .day: return Numeric(Int64(date.day))
      case .month: return Numeric(Int64(date.month))
      case .quarter: return Numeric(Int64((date.month - 1) / 3 + 1))
      case .year: return Numeric(Self.withoutYearZero(date.year))
      case .decade: return Numeric(Calendar.floorDivide(date.year, 10))
      case .century: return Numeric(date.year > 0 ? (date.year + 99) / 100 : -((100 - date.year) / 100))
      default: return Numeric(date.year > 0 ? (date.year + 999) / 1000 : -((1000 - date.year) / 1000))
      }
    }
  }
  /// Astronomical year 0 is 1 BC, which PostgreSQL calls -1.
  private static func withoutYearZero(_ year: Int64) -> Int64 { year > 0 ? year : year - 1 }

  /// Of an interval.
  public func extract(from interval: Interval) -> Numeric {
    let years = Int64(interval.months / 12)
    let inMinute = interval.microseconds % Calendar.microsecondsPerMinute
    switch self {
    case .microseconds: return Numeric(inMinute)
    case .milliseconds: return Numeric(coefficient: Int128(inMinute), scale: 3)
    case .second: return Numeric(coefficient: Int128(inMinute), scale: 6)
    case .minute: return Numeric(interval.microseconds / Calendar.microsecondsPerMinute % 60)
    case .hour: return Numeric(interval.microseconds / Calendar.microsecondsPerHour)
    case .day: return Numeric(Int64(interval.days))
    case .month: return Numeric(Int64(interval.months % 12))
    case .quarter: return Numeric(Int64(interval.months % 12 / 3 + 1))
    case .year: return Numeric(years)
    case .decade: return Numeric(years / 10)
    case .century: return Numeric(years / 100)
    case .millennium: return Numeric(years / 1000)
    default:
      // As PostgreSQL: years of 365.25 days, months of 30 days.
      let days = Int128(years) * 36525 * 864 + Int128(interval.months % 12) * 30 * 86400 + Int128(interval.days) * 86400
      return Numeric(coefficient: days * 1_000_000 + Int128(interval.microseconds), scale: 6)
    }
  }
}

extension Interval {
  /// date_trunc(unit, interval).
  public func truncated(to unit: TimeUnit) throws(TallyError) -> Interval {
    switch unit {
    case .week:
      throw .sql(
        "0A000",
        "unit \"week\" not supported for type interval",
        detail: "Months usually have fractional weeks."
      )
    case .microsecond: return self
    case .millisecond: return Interval(months: months, days: days, microseconds: microseconds - microseconds % 1000)
    case .second: return Interval(months: months, days: days, microseconds: microseconds - microseconds % 1_000_000)
    case .minute:
      return Interval(months: months, days: days, microseconds: microseconds - microseconds % Calendar.microsecondsPerMinute)
    case .hour:
      return Interval(months: months, days: days, microseconds: microseconds - microseconds % Calendar.microsecondsPerHour)
    case .day: return Interval(months: months, days: days)
    case .month: return Interval(months: months)
    case .quarter: return Interval(months: months - months % 3)
    case .year: return Interval(months: months - months % 12)
    case .decade: return Interval(months: months - months % 120)
    case .century: return Interval(months: months - months % 1200)
    case .millennium: return Interval(months: months - months % 12000)
    }
  }
}
