// CronSchedule.swift — when a job is due: five fields of cron, in UTC, or `n seconds`; a value.
//
// Fields: minute, hour, day of the month, month, day of the week; each `*`, numbers, names (jan, mon), ranges `a-b`, steps `/n` and lists.
// When both days are restricted either will do, as in cron since Vixie.
import Model

/// A schedule that was parsed.
enum CronSchedule: Equatable, Sendable {
  /// So many microseconds after the run before.
  case every(Int64)
  case fields(CronFields)

  /// Parses a schedule. Throws 22023 with what is right.
  init(_ text: String) throws(TallyError) {
    let words = text.lowercased().split(whereSeparator: { $0 == " " || $0 == "\t" || $0 == "\n" })
    if words.count == 2, words[1] == "second" || words[1] == "seconds", let seconds = Int64(words[0]), (1...59).contains(seconds) {
      self = .every(seconds * 1_000_000)
      return
    }
    let short = [
      "@hourly": "0 * * * *", "@daily": "0 0 * * *", "@midnight": "0 0 * * *", "@weekly": "0 0 * * 0", "@monthly": "0 0 1 * *",
      "@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *",
    ]
    if words.count == 1, let full = short[String(words[0])] {
      self = try CronSchedule(full)
      return
    }
    guard words.count == 5, let fields = CronFields(words) else {
      throw .sql(
        "22023",
        "invalid schedule: \(text)",
        hint: "Use cron format (e.g. 5 4 * * *), or interval format '[1-59] seconds'"
      )
    }
    self = .fields(fields)
  }

  /// The schedule of a job; nil of a text that was never checked.
  static func parsed(_ text: String) -> CronSchedule? {
    do throws(TallyError) { return try CronSchedule(text) } catch { return nil }
  }
  /// The first time after `micros` (since 1970, UTC) at which it is due; nil when that is never.
  func next(after micros: Int64) -> Int64? {
    switch self {
    case .every(let interval): return micros + interval
    case .fields(let fields): return fields.next(after: micros)
    }
  }
}

/// Five fields, each a set of numbers.
struct CronFields: Equatable, Sendable {
  var minutes: UInt64
  var hours: UInt64
  var days: UInt64
  var months: UInt64
  /// 0 is Sunday.
  var weekdays: UInt64
  /// A field of days that begins with `*` restricts nothing by itself.
  var anyDay: Bool
  var anyWeekday: Bool

  private static let monthNames = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
  private static let dayNames = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]

  fileprivate init?(_ words: [Substring]) {
    guard let minutes = Self.set(words[0], 0...59), let hours = Self.set(words[1], 0...23), let days = Self.set(words[2], 1...31),
      let months = Self.set(words[3], 1...12, Self.monthNames, base: 1), var weekdays = Self.set(words[4], 0...7, Self.dayNames, base: 0)
    else { return nil }
    if weekdays & 1 << 7 != 0 { weekdays |= 1 }
    weekdays &= 0x7f
    (self.minutes, self.hours, self.days, self.months, self.weekdays) = (minutes, hours, days, months, weekdays)
    anyDay = words[2].hasPrefix("*")
    anyWeekday = words[4].hasPrefix("*")
  }
  private static func set(_ word: Substring, _ range: ClosedRange<Int>, _ names: [String] = [], base: Int = 0) -> UInt64? {
    func number(_ text: Substring) -> Int? {
      if let at = names.firstIndex(of: String(text)) { return at + base }
      guard !text.isEmpty, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let value = Int(text), range.contains(value) else {
        return nil
      }
      return value
    }
    var result: UInt64 = 0
    for item in word.split(separator: ",", omittingEmptySubsequences: false) {
      let parts = item.split(separator: "/", omittingEmptySubsequences: false)
      guard parts.count <= 2 else { return nil }
      var step = 1
      if parts.count == 2 {
        guard let value = Int(parts[1]), value >= 1, value <= range.upperBound else { return nil }
        step = value
      }
      let (low, high): (Int, Int)
      if parts[0] == "*" {
        (low, high) = (range.lowerBound, names.first == "sun" ? 6 : range.upperBound)
      } else {
        let bounds = parts[0].split(separator: "-", omittingEmptySubsequences: false)
        guard bounds.count <= 2, let first = number(bounds[0]) else { return nil }
        if bounds.count == 2 {
          guard let last = number(bounds[1]), first <= last else { return nil }
          (low, high) = (first, last)
        } else {
          // `5/10` is from five on.
          (low, high) = (first, parts.count == 2 ? range.upperBound : first)
        }
      }
      for value in stride(from: low, through: high, by: step) { result |= 1 << UInt64(value) }
    }
    return result
  }

  private func isDay(_ date: CivilDate, _ day: Int64) -> Bool {
    guard months & 1 << UInt64(date.month) != 0 else { return false }
    let isInMonth = days & 1 << UInt64(date.day) != 0
    let isInWeek = weekdays & 1 << UInt64(Calendar.dayOfWeek(day)) != 0
    return anyDay || anyWeekday ? isInMonth && isInWeek : isInMonth || isInWeek
  }
  fileprivate func next(after micros: Int64) -> Int64? {
    let minute: Int64 = 60_000_000
    let first = Calendar.floorDivide(micros, minute) + 1
    let firstDay = Calendar.floorDivide(first, 1440)
    // 29 February may be eight years away.
    for day in firstDay...(firstDay + 366 * 9) {
      guard isDay(Calendar.civil(days: day), day) else { continue }
      let start = day == firstDay ? Int(Calendar.floorRemainder(first, 1440)) : 0
      for hour in (start / 60)...23 where hours & 1 << UInt64(hour) != 0 {
        let from = hour == start / 60 ? start % 60 : 0
        for at in from...59 where minutes & 1 << UInt64(at) != 0 {
          return (day * 1440 + Int64(hour) * 60 + Int64(at)) * minute
        }
      }
    }
    return nil
  }
}
