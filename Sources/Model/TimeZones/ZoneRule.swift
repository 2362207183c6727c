// ZoneRule.swift — POSIX's TZ: `CET-1CEST,M3.5.0,M10.5.0/3`. Offsets count west of Greenwich; a name may stand in angle brackets.
//
// As PostgreSQL has it the standard name may be empty, and daylight time without dates is that of the United States.

struct ZoneRule: Sendable {
  struct Change {
    /// Second since 1970.
    var time: Int64
    /// What clocks show from then on.
    var offset: ZoneOffset
  }
  private enum Day: Sendable {
    /// Weekday (0 is Sunday) of the week of a month; week 5 is the last.
    case month(Int, week: Int, weekday: Int)
    /// 1 … 365; 29 February is never counted.
    case julian(Int)
    /// 0 … 365.
    case ofYear(Int)
  }
  private struct Moment: Sendable {
    var day: Day
    /// Seconds after midnight, by the clocks of before.
    var time: Int64
  }
  let standard: ZoneOffset
  let daylight: ZoneOffset?
  private var start = Moment(day: .month(3, week: 2, weekday: 0), time: 7200)
  private var end = Moment(day: .month(11, week: 1, weekday: 0), time: 7200)

  /// Reads a text; nil when it is no such rule.
  init?(_ text: String) {
    var scan = Scan(rest: Array(text.utf8)[...])
    guard let name = scan.name(), !scan.rest.isEmpty, let west = scan.offset() else { return nil }
    standard = ZoneOffset(east: -west, isDaylight: false, abbreviation: name)
    if scan.rest.isEmpty {
      daylight = nil
      return
    }
    guard let name = scan.name(), !name.isEmpty else { return nil }
    var east = standard.east + 3600
    if let next = scan.rest.first, next != UInt8(ascii: ","), next != UInt8(ascii: ";") {
      guard let west = scan.offset() else { return nil }
      east = -west
    }
    daylight = ZoneOffset(east: east, isDaylight: true, abbreviation: name)
    if scan.rest.isEmpty { return }
    guard scan.take(",") || scan.take(";"), let start = scan.moment(), scan.take(","), let end = scan.moment(), scan.rest.isEmpty
    else { return nil }
    (self.start, self.end) = (start, end)
  }

  /// The changes of a year, by rising time; none without daylight time.
  func changes(in year: Int64) -> [Change] {
    guard let daylight else { return [] }
    let begins = Change(time: second(start, year) - standard.east, offset: daylight)
    let ends = Change(time: second(end, year) - daylight.east, offset: standard)
    return begins.time <= ends.time ? [begins, ends] : [ends, begins]
  }
  private func second(_ moment: Moment, _ year: Int64) -> Int64 {
    let newYear = Calendar.days(year: year, month: 1, day: 1)
    let day: Int64
    switch moment.day {
    case .month(let month, let week, let weekday):
      let first = Calendar.days(year: year, month: month, day: 1)
      let offset = (weekday - Calendar.dayOfWeek(first) + 7) % 7
      var ofMonth = offset + 7 * (week - 1)
      while ofMonth >= Calendar.daysInMonth(year: year, month: month) { ofMonth -= 7 }
      day = first + Int64(ofMonth)
    case .julian(let number): day = newYear + Int64(number - 1) + (Calendar.isLeap(year) && number >= 60 ? 1 : 0)
    case .ofYear(let number): day = newYear + Int64(number)
    }
    return day * 86_400 + moment.time
  }

  private struct Scan {
    var rest: ArraySlice<UInt8>
    mutating func take(_ scalar: Unicode.Scalar) -> Bool {
      guard rest.first == UInt8(ascii: scalar) else { return false }
      rest.removeFirst()
      return true
    }
    /// A name, which may be empty.
    mutating func name() -> String? {
      let isQuoted = take("<")
      let name = rest.prefix { byte in
        isQuoted ? byte != UInt8(ascii: ">") : !(byte &- 0x30 < 10 || byte == UInt8(ascii: ",") || byte == 0x2b || byte == 0x2d)
      }
      rest = rest[name.endIndex...]
      guard !isQuoted || take(">") else { return nil }
      return String(decoding: name, as: UTF8.self)
    }
    mutating func number(_ range: ClosedRange<Int>) -> Int? {
      let digits = rest.prefix { $0 &- 0x30 < 10 }
      guard (1...3).contains(digits.count), let value = Int(String(decoding: digits, as: UTF8.self)), range.contains(value) else {
        return nil
      }
      rest = rest[digits.endIndex...]
      return value
    }
    /// `hh[:mm[:ss]]`, up to a week.
    mutating func seconds() -> Int64? {
      guard let hours = number(0...167) else { return nil }
      var total = hours * 3600
      if take(":") {
        guard let minutes = number(0...59) else { return nil }
        total += minutes * 60
        if take(":") {
          guard let seconds = number(0...60) else { return nil }
          total += seconds
        }
      }
      return Int64(total)
    }
    mutating func offset() -> Int64? {
      if take("-") { return seconds().map { -$0 } }
      _ = take("+")
      return seconds()
    }
    mutating func moment() -> Moment? {
      let day: Day
      if take("M") {
        guard let month = number(1...12), take("."), let week = number(1...5), take("."), let weekday = number(0...6) else { return nil }
        day = .month(month, week: week, weekday: weekday)
      } else if take("J") {
        guard let number = number(1...365) else { return nil }
        day = .julian(number)
      } else {
        guard let number = number(0...365) else { return nil }
        day = .ofYear(number)
      }
      if take("/") {
        guard let time = offset() else { return nil }
        return Moment(day: day, time: time)
      }
      return Moment(day: day, time: 7200)
    }
  }
}
