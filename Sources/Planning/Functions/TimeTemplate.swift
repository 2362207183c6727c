// TimeTemplate.swift — the templates of to_char, to_date and to_timestamp for times, in English.
//
// FM, TH/th and quoted text are known; FX, TM and SP change nothing here. Years BC do not exist in Tally.
import Model

/// A template taken apart.
struct TimeTemplate {
  private enum Part {
    case field(String, isPlain: Bool, ordinal: Ordinal?)
    case literal(Unicode.Scalar)
  }
  private enum Ordinal {
    case upper
    case lower
  }
  private var parts: [Part] = []
  var isEmpty: Bool { parts.isEmpty }

  /// PostgreSQL's keywords, longer before shorter ones that begin alike.
  private static let keywords: [[Unicode.Scalar]] = [
    "A.D.", "A.M.", "AD", "AM", "B.C.", "BC", "CC", "DAY", "DDD", "DD", "DY", "Day", "Dy", "D", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
    "FX", "HH24", "HH12", "HH", "IDDD", "ID", "IW", "IYYY", "IYY", "IY", "I", "J", "MI", "MM", "MONTH", "MON", "MS", "Month", "Mon", "OF",
    "P.M.", "PM", "Q", "RM", "SSSSS", "SSSS", "SS", "TZH", "TZM", "TZ", "US", "WW", "W", "Y,YYY", "YYYY", "YYY", "YY", "Y", "a.d.", "a.m.",
    "ad", "am", "b.c.", "bc", "cc", "day", "ddd", "dd", "dy", "d", "ff1", "ff2", "ff3", "ff4", "ff5", "ff6", "fx", "hh24", "hh12", "hh",
    "iddd", "id", "iw", "iyyy", "iyy", "iy", "i", "j", "mi", "mm", "month", "mon", "ms", "of", "p.m.", "pm", "q", "rm", "sssss", "ssss",
    "ss", "tzh", "tzm", "tz", "us", "ww", "w", "y,yyy", "yyyy", "yyy", "yy", "y",
  ].map { Array($0.unicodeScalars) }

  init(_ template: String) throws(TallyError) {
    let all = Array(template.unicodeScalars)
    var at = 0
    func begins(_ word: [Unicode.Scalar]) -> Bool { all.count - at >= word.count && all[at..<at + word.count].elementsEqual(word) }
    while at < all.count {
      var isPlain = false
      var hasPrefix = true
      while hasPrefix {
        hasPrefix = false
        for prefix in ["FM", "fm", "TM", "tm"] where begins(Array(prefix.unicodeScalars)) {
          if prefix.lowercased() == "fm" { isPlain = true }
          at += 2
          hasPrefix = true
        }
      }
      if let word = Self.keywords.first(where: begins) {
        at += word.count
        var ordinal: Ordinal?
        if begins(["T", "H"]) { ordinal = .upper } else if begins(["t", "h"]) { ordinal = .lower }
        if ordinal != nil { at += 2 }
        if begins(["S", "P"]) { at += 2 }
        var name = String.UnicodeScalarView()
        name.append(contentsOf: word)
        parts.append(.field(String(name), isPlain: isPlain, ordinal: ordinal))
        continue
      }
      guard at < all.count else { break }
      if all[at] == "\"" {
        at += 1
        while at < all.count, all[at] != "\"" {
          if all[at] == "\\", at + 1 < all.count { at += 1 }
          parts.append(.literal(all[at]))
          at += 1
        }
        at += 1
      } else {
        if all[at] == "\\", at + 1 < all.count, all[at + 1] == "\"" { at += 1 }
        parts.append(.literal(all[at]))
        at += 1
      }
    }
  }

  static let months = [
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
  ]
  static let days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"]
  private static let romans = ["I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII"]

  // MARK: Formatting

  /// What fields show.
  private struct Moment {
    var year: Int64 = 0
    var month = 0
    var day = 0
    var hour: Int64 = 0
    var minute: Int64 = 0
    var second: Int64 = 0
    var microsecond: Int64 = 0
    /// Day since 1970; nil for an interval.
    var date: Int64?
    var zone: ZoneOffset?
  }
  /// The text of a local time; `zone` is what its clocks show, for a time with time zone.
  func format(_ micros: Int64, zone: ZoneOffset?) -> String {
    let fields = Calendar.fields(ofMicroseconds: micros)
    return format(
      Moment(
        year: fields.date.year,
        month: fields.date.month,
        day: fields.date.day,
        hour: Int64(fields.hour),
        minute: Int64(fields.minute),
        second: Int64(fields.second),
        microsecond: Int64(fields.microsecond),
        date: Calendar.day(ofMicroseconds: micros),
        zone: zone
      )
    )
  }
  func format(_ span: Interval) throws(TallyError) -> String {
    for part in parts {
      if case .field(let name, _, _) = part,
        [
          "tz", "tzh", "tzm", "of", "day", "dy", "d", "id", "iyyy", "iyy", "iy", "i", "iw", "iddd", "month", "mon", "ad", "bc", "a.d.",
          "b.c.",
        ].contains(name.lowercased())
      {
        throw .sql(
          "22007",
          "invalid format specification for an interval value",
          hint: "Intervals are not tied to specific calendar dates."
        )
      }
    }
    let seconds = span.microseconds / 1_000_000
    return format(
      Moment(
        year: Int64(span.months / 12),
        month: Int(span.months % 12),
        day: Int(span.days),
        hour: seconds / 3600,
        minute: seconds / 60 % 60,
        second: seconds % 60,
        microsecond: span.microseconds % 1_000_000
      )
    )
  }
  private func format(_ moment: Moment) -> String {
    var out = String.UnicodeScalarView()
    for part in parts {
      switch part {
      case .literal(let scalar): out.append(scalar)
      case .field(let name, let isPlain, let ordinal):
        var text = Self.text(name, isPlain, moment)
        if let ordinal, let last = text.unicodeScalars.last, last.value &- 0x30 < 10 {
          let suffix = Self.suffix(text)
          text += ordinal == .upper ? suffix.uppercased() : suffix
        }
        out.append(contentsOf: text.unicodeScalars)
      }
    }
    return String(out)
  }
  static func suffix(_ number: String) -> String {
    let digits = number.utf8.suffix(2).map { Int($0) - 0x30 }
    guard let last = digits.last else { return "" }
    if digits.count == 2, digits[0] == 1 { return "th" }
    return last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th"
  }
  private static func number(_ value: Int64, _ width: Int, _ isPlain: Bool) -> String {
    let digits = String(value.magnitude)
    let zeros = isPlain ? 0 : max(0, width - digits.count - (value < 0 ? 1 : 0))
    return (value < 0 ? "-" : "") + String(repeating: "0", count: zeros) + digits
  }
  private static func word(_ text: String, _ name: String, _ width: Int, _ isPlain: Bool) -> String {
    let first = Array(name.utf8)
    let cased = first[1] & 0x20 == 0 ? text.uppercased() : first[0] & 0x20 == 0 ? text : text.lowercased()
    return isPlain ? cased : cased + String(repeating: " ", count: max(0, width - cased.count))
  }
  private static func text(_ name: String, _ isPlain: Bool, _ m: Moment) -> String {
    let lower = name.lowercased()
    let date = m.date ?? 0
    func days(_ text: String) -> Int64 { Int64(text) ?? 0 }
    switch lower {
    case "hh", "hh12":
      let hour = m.hour % 12 == 0 ? 12 : m.hour % 12
      return number(hour, m.hour >= 0 ? 2 : 3, isPlain)
    case "hh24": return number(m.hour, m.hour >= 0 ? 2 : 3, isPlain)
    case "mi": return number(m.minute, 2, isPlain)
    case "ss": return number(m.second, 2, isPlain)
    case "ms", "ff3": return number(m.microsecond / 1000, 3, false)
    case "us", "ff6": return number(m.microsecond, 6, false)
    case "ff1": return number(m.microsecond / 100_000, 1, false)
    case "ff2": return number(m.microsecond / 10_000, 2, false)
    case "ff4": return number(m.microsecond / 100, 4, false)
    case "ff5": return number(m.microsecond / 10, 5, false)
    case "ssss", "sssss": return String((m.hour * 60 + m.minute) * 60 + m.second)
    case "am", "pm", "a.m.", "p.m.":
      let isAfternoon = m.hour % 24 >= 12
      let shown = lower.contains(".") ? (isAfternoon ? "p.m." : "a.m.") : (isAfternoon ? "pm" : "am")
      return name == lower ? shown : shown.uppercased()
    case "ad", "bc": return name == lower ? "ad" : "AD"
    case "a.d.", "b.c.": return name == lower ? "a.d." : "A.D."
    case "tz": return m.zone.map { name == lower ? $0.abbreviation.lowercased() : $0.abbreviation } ?? ""
    case "tzh", "of", "tzm":
      let east = m.zone?.east ?? 0
      let minutes = number(Int64(east.magnitude) / 60 % 60, 2, false)
      if lower == "tzm" { return minutes }
      let hours = (east < 0 ? "-" : "+") + number(Int64(east.magnitude) / 3600, 2, false)
      return lower == "of" && Int64(east.magnitude) / 60 % 60 != 0 ? hours + ":" + minutes : hours
    case "month": return (1...12).contains(m.month) ? word(months[m.month - 1], name, 9, isPlain) : ""
    case "mon": return (1...12).contains(m.month) ? word(String(months[m.month - 1].prefix(3)), name, 0, true) : ""
    case "mm": return number(Int64(m.month), m.month >= 0 ? 2 : 3, isPlain)
    case "day": return word(self.days[Calendar.dayOfWeek(date)], name, 9, isPlain)
    case "dy": return word(String(self.days[Calendar.dayOfWeek(date)].prefix(3)), name, 0, true)
    case "ddd":
      return number(m.date == nil ? (m.year * 12 + Int64(m.month)) * 30 + Int64(m.day) : Int64(Calendar.dayOfYear(date)), 3, isPlain)
    case "dd": return number(Int64(m.day), 2, isPlain)
    case "d": return String(Calendar.dayOfWeek(date) + 1)
    case "id": return String(Calendar.isoDayOfWeek(date))
    case "iddd":
      let week = Calendar.isoWeek(date)
      return number(Int64((week.week - 1) * 7 + Calendar.isoDayOfWeek(date)), 3, isPlain)
    case "ww":
      let day = m.date == nil ? (m.year * 12 + Int64(m.month)) * 30 + Int64(m.day) : Int64(Calendar.dayOfYear(date))
      return number((day - 1) / 7 + 1, 2, isPlain)
    case "iw": return number(Int64(Calendar.isoWeek(date).week), 2, isPlain)
    case "w": return String((m.day - 1) / 7 + 1)
    case "q": return m.month == 0 ? "" : String((m.month - 1) / 3 + 1)
    case "cc":
      let century = m.date == nil ? m.year / 100 : (m.year + 99) / 100
      return number(century, century <= 99 && century >= -99 ? 2 : 0, isPlain)
    case "y,yyy": return "\(m.year / 1000),\(number(m.year % 1000, 3, false))"
    case "yyyy": return number(m.year, 4, isPlain)
    case "yyy": return number(m.year % 1000, 3, isPlain)
    case "yy": return number(m.year % 100, 2, isPlain)
    case "y": return number(m.year % 10, 1, isPlain)
    case "iyyy": return number(Calendar.isoWeek(date).year, 4, isPlain)
    case "iyy": return number(Calendar.isoWeek(date).year % 1000, 3, isPlain)
    case "iy": return number(Calendar.isoWeek(date).year % 100, 2, isPlain)
    case "i": return number(Calendar.isoWeek(date).year % 10, 1, isPlain)
    case "rm":
      let roman = (1...12).contains(m.month) ? romans[m.month - 1] : ""
      let shown = name == lower ? roman.lowercased() : roman
      return isPlain || roman.isEmpty ? shown : shown + String(repeating: " ", count: max(0, 4 - shown.count))
    case "j": return String(date + 2_440_588)
    default: return ""
    }
  }

  // MARK: Parsing

  /// Reads a text by the template: microseconds since 1970, in UTC where the text names a zone, else by any clocks.
  func parse(_ text: String) throws(TallyError) -> (time: Int64, namesZone: Bool) {
    var reader = TimeTextReader(text)
    for (index, part) in parts.enumerated() {
      if reader.isAtEnd { break }
      switch part {
      case .literal(let scalar): reader.skip(scalar)
      case .field(let name, _, let ordinal):
        let isTight: Bool
        if index + 1 < parts.count, case .field(let next, _, _) = parts[index + 1] {
          isTight = !["month", "mon", "day", "dy", "am", "pm", "a.m.", "p.m.", "tz", "rm", "of"].contains(next.lowercased())
        } else {
          isTight =
            index + 1 < parts.count && { if case .literal(let scalar) = parts[index + 1] { scalar.value &- 0x30 < 10 } else { false } }()
        }
        try reader.read(name, isTight: isTight)
        if ordinal != nil { reader.skipTwo() }
      }
    }
    return (try reader.result(), reader.namesZone)
  }
}

/// Reads the fields of a time by a template.
private struct TimeTextReader {
  private let text: String
  private let all: [Unicode.Scalar]
  private var at = 0
  private var fields: [String: Int64] = [:]
  private var isAfternoon: Bool?

  init(_ text: String) {
    self.text = text
    all = Array(text.unicodeScalars)
    skipBlanks()
  }
  var isAtEnd: Bool { at >= all.count }
  private mutating func skipBlanks() { while at < all.count, all[at].properties.isWhitespace { at += 1 } }
  private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool {
    scalar.isASCII && scalar.value > 0x20 && scalar.value < 0x7f && !(scalar.value &- 0x30 < 10) && !((scalar.value | 0x20) &- 0x61 < 26)
  }
  /// A separator or blank of the template stands for any run of blanks and one separator; other characters for one of any kind.
  mutating func skip(_ scalar: Unicode.Scalar) {
    if scalar.properties.isWhitespace || Self.isSeparator(scalar) {
      skipBlanks()
      if at < all.count, Self.isSeparator(all[at]), !((all[at] == "-" || all[at] == "+") && scalar.properties.isWhitespace) {
        at += 1
        skipBlanks()
      }
    } else if at < all.count {
      at += 1
    }
  }
  mutating func skipTwo() { at = min(all.count, at + 2) }

  private mutating func number(_ name: String, _ width: Int, isTight: Bool) throws(TallyError) -> Int64 {
    skipBlanks()
    let start = at
    var isNegative = false
    if at < all.count, all[at] == "-" || all[at] == "+" {
      isNegative = all[at] == "-"
      at += 1
    }
    var value: Int64 = 0
    var count = 0
    // A sign is one of the field's characters.
    while at < all.count, all[at].value &- 0x30 < 10, !isTight || at - start < width {
      value = min(value * 10 + Int64(all[at].value - 0x30), 1 << 40)
      count += 1
      at += 1
    }
    guard count > 0 else {
      let rest = String(String.UnicodeScalarView(all[start...].prefix(width)))
      throw .sql("22007", "invalid value \"\(rest)\" for \"\(name)\"", detail: "Value must be an integer.")
    }
    return isNegative ? -value : value
  }
  private mutating func word(_ name: String, _ words: [String], isShort: Bool) throws(TallyError) -> Int {
    skipBlanks()
    var best: (index: Int, count: Int)?
    for (index, word) in words.enumerated() {
      let wanted = Array((isShort ? String(word.prefix(3)) : word).lowercased().unicodeScalars)
      guard all.count - at >= wanted.count else { continue }
      let own = String(String.UnicodeScalarView(all[at..<at + wanted.count])).lowercased()
      if own.unicodeScalars.elementsEqual(wanted), wanted.count > (best?.count ?? 0) { best = (index, wanted.count) }
    }
    guard let best else {
      let rest = String(String.UnicodeScalarView(all[at...].prefix { !$0.properties.isWhitespace }))
      throw .sql(
        "22007",
        "invalid value \"\(rest)\" for \"\(name)\"",
        detail: "The given value did not match any of the allowed values for this field."
      )
    }
    at += best.count
    return best.index
  }
  private mutating func fraction(_ name: String, _ width: Int, isTight: Bool) throws(TallyError) -> Int64 {
    skipBlanks()
    let start = at
    let value = try number(name, width, isTight: isTight)
    var scaled = value
    for _ in 0..<max(0, 6 - (at - start)) { scaled *= 10 }
    return scaled
  }

  mutating func read(_ name: String, isTight: Bool) throws(TallyError) {
    let lower = name.lowercased()
    switch lower {
    case "fx", "tz": return
    case "yyyy", "iyyy": fields[lower] = try number(name, 4, isTight: isTight)
    case "y,yyy":
      let thousands = try number(name, 2, isTight: false)
      skip(",")
      fields["yyyy"] = thousands * 1000 + (try number(name, 3, isTight: true))
    case "yyy", "yy", "y", "iyy", "iy", "i":
      let start = at
      let width = lower.filter { $0 == "y" || $0 == "i" }.count - (lower.hasPrefix("iy") ? 1 : 0)
      let value = try number(name, max(1, lower.hasPrefix("i") ? lower.count : width), isTight: isTight)
      let full = at - start < 4 && value >= 0 ? Self.wholeYear(value, lower.count) : value
      fields[lower.hasPrefix("i") ? "iyyy" : "yyyy"] = full
    case "month": fields["mm"] = Int64(try word(name, TimeTemplate.months, isShort: false) + 1)
    case "mon": fields["mm"] = Int64(try word(name, TimeTemplate.months, isShort: true) + 1)
    case "day": _ = try word(name, TimeTemplate.days, isShort: false)
    case "dy": _ = try word(name, TimeTemplate.days, isShort: true)
    case "am", "pm": isAfternoon = try word(name, ["am", "pm"], isShort: false) == 1
    case "a.m.", "p.m.": isAfternoon = try word(name, ["a.m.", "p.m."], isShort: false) == 1
    case "ad", "bc", "a.d.", "b.c.":
      guard try word(name, ["ad", "bc", "a.d.", "b.c."], isShort: false) % 2 == 0 else {
        throw .sql("0A000", "years BC are not supported")
      }
    case "ms", "ff3": fields["us"] = try fraction(name, 3, isTight: isTight) / (lower == "ms" ? 1 : 1)
    case "us", "ff6": fields["us"] = try fraction(name, 6, isTight: isTight)
    case "ff1", "ff2", "ff4", "ff5": fields["us"] = try fraction(name, Int(lower.dropFirst(2)) ?? 1, isTight: isTight)
    case "tzh": fields["tzh"] = try number(name, 2, isTight: isTight)
    case "tzm": fields["tzm"] = try number(name, 2, isTight: isTight)
    case "of", "rm": throw .sql("0A000", "formatting field \"\(name)\" is only supported in to_char")
    case "hh", "hh12": fields["hh12"] = try number(name, 2, isTight: isTight)
    case "ddd": fields["ddd"] = try number(name, 3, isTight: isTight)
    case "ssss", "sssss": fields["ssss"] = try number(name, 5, isTight: isTight)
    case "j": fields["j"] = try number(name, 7, isTight: false)
    case "d", "id", "q", "w": fields[lower] = try number(name, 1, isTight: isTight)
    case "iddd": fields[lower] = try number(name, 3, isTight: isTight)
    default: fields[lower] = try number(name, 2, isTight: isTight)
    }
  }
  /// Years of fewer than four digits are those nearest to 2020.
  private static func wholeYear(_ year: Int64, _ digits: Int) -> Int64 {
    if year < 70 { return year + 2000 }
    if year < 100 { return year + 1900 }
    if year < 520 { return year + 2000 }
    if year < 1000 { return year + 1000 }
    return year
  }

  var namesZone: Bool { fields["tzh"] != nil }
  private func given(_ field: String) -> Int64? { fields[field].flatMap { $0 == 0 ? nil : $0 } }
  func result() throws(TallyError) -> Int64 {
    let range = TallyError.sql("22008", "date/time field value out of range: \"\(text)\"")
    var year = fields["yyyy"] ?? 0
    if let century = fields["cc"], fields["yyyy"] == nil { year = (century - 1) * 100 + 1 }
    var day: Int64
    if let julian = fields["j"] {
      day = julian - 2_440_588
    } else if let isoYear = fields["iyyy"] {
      let fourth = Calendar.days(year: isoYear, month: 1, day: 4)
      let monday = fourth - Int64(Calendar.isoDayOfWeek(fourth)) + 1
      if let dayOfYear = fields["iddd"] {
        day = monday + dayOfYear - 1
      } else {
        day = monday + ((fields["iw"] ?? 1) - 1) * 7 + (fields["id"] ?? 1) - 1
      }
    } else {
      let wanted = year == 0 ? 1 : year
      if year == 0, !fields.keys.contains(where: { ["yyyy", "mm", "dd", "ddd", "ww", "cc"].contains($0) }) {
        // No date at all is the year before the first.
        day = Calendar.days(year: 0, month: 1, day: 1)
      } else if let dayOfYear = fields["ddd"] {
        guard dayOfYear >= 1, dayOfYear <= (Calendar.isLeap(wanted) ? 366 : 365) else { throw range }
        day = Calendar.days(year: wanted, month: 1, day: 1) + dayOfYear - 1
      } else if let week = fields["ww"], fields["mm"] == nil {
        day = Calendar.days(year: wanted, month: 1, day: 1) + (week - 1) * 7
      } else {
        // 0 is no month and no day.
        let month = given("mm") ?? fields["q"].map { ($0 - 1) * 3 + 1 } ?? 1
        let ofMonth = given("dd") ?? fields["w"].map { ($0 - 1) * 7 + 1 } ?? 1
        guard (1...12).contains(month), wanted > 0, wanted < 294_277, ofMonth >= 1,
          ofMonth <= Int64(Calendar.daysInMonth(year: wanted, month: Int(month)))
        else { throw range }
        day = Calendar.days(year: year == 0 ? 0 : wanted, month: Int(month), day: Int(ofMonth))
      }
    }
    var hour = fields["hh24"] ?? 0
    if let half = fields["hh12"] {
      guard (1...12).contains(half) || isAfternoon == nil else {
        throw .sql(
          "22007",
          "hour \"\(half)\" is invalid for the 12-hour clock",
          hint: "Use the 24-hour clock, or give an hour between 1 and 12."
        )
      }
      guard (1...12).contains(half) else {
        throw .sql(
          "22007",
          "hour \"\(half)\" is invalid for the 12-hour clock",
          hint: "Use the 24-hour clock, or give an hour between 1 and 12."
        )
      }
      hour = half
      if isAfternoon == true, half < 12 { hour += 12 }
      if isAfternoon == false, half == 12 { hour = 0 }
    }
    var seconds = (hour * 60 + (fields["mi"] ?? 0)) * 60 + (fields["ss"] ?? 0)
    if let whole = fields["ssss"] { seconds = whole }
    guard (0...24).contains(hour), (0...59).contains(fields["mi"] ?? 0), (0...60).contains(fields["ss"] ?? 0),
      (0...86_400).contains(seconds)
    else { throw range }
    if let east = fields["tzh"] {
      // PostgreSQL's MAX_TZDISP_HOUR.
      guard east.magnitude <= 15, (0...59).contains(fields["tzm"] ?? 0) else {
        throw .sql("22009", "time zone displacement out of range: \"\(text)\"")
      }
      seconds -= east * 3600 + (east < 0 ? -1 : 1) * (fields["tzm"] ?? 0) * 60
    }
    let micros = day.multipliedReportingOverflow(by: Calendar.microsecondsPerDay)
    let total = micros.partialValue.addingReportingOverflow(seconds * 1_000_000 + (fields["us"] ?? 0))
    guard !micros.overflow, !total.overflow, TimeRange.contains(microsecond: total.partialValue) else {
      throw .sql("22008", "timestamp out of range: \"\(text)\"")
    }
    return total.partialValue
  }
}
