// ClockZone.swift — a time zone as statements name it, and times as its clocks show them. The rules for gaps, overlaps and abbreviations
// are PostgreSQL's.
//
// A name is IANA's, in any case, or POSIX's (`PST8PDT`, `<+0530>-5:30`); `AT TIME ZONE` and texts of times also take abbreviations (EST,
// CEST), which SET TIME ZONE does not.

/// A time zone.
public struct ClockZone: Sendable, Hashable {
  /// What SHOW says.
  public let name: String
  private let rules: ZoneRules
  /// Of an abbreviation whose meaning changed: the word to look up in the zone's rules.
  private let word: String?

  private init(_ name: String, _ rules: ZoneRules, word: String? = nil) {
    (self.name, self.rules, self.word) = (name, rules, word)
    isUTC = rules.only == ZoneOffset(east: 0, isDaylight: false, abbreviation: "UTC")
  }
  /// One offset for ever.
  private init(_ name: String, fixed offset: ZoneOffset) {
    self.init(name, ZoneRules(offsets: [offset], times: [], kinds: [], rule: nil))
  }
  /// Zones of one name are one.
  public static func == (a: ClockZone, b: ClockZone) -> Bool { a.name == b.name && a.word == b.word }
  /// As `==` compares.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(word)
  }

  /// The zone that times are told in unless a session says otherwise.
  public static let utc = ClockZone("Etc/UTC", fixed: ZoneOffset(east: 0, isDaylight: false, abbreviation: "UTC"))
  /// Whether its clocks always show UTC, by that abbreviation.
  public let isUTC: Bool
  /// Whether its clocks are always the same whole number of minutes from UTC. (Most places began with seconds.)
  public var isWholeMinutes: Bool { rules.only.map { $0.east % 60 == 0 } ?? false }
  /// IANA's names.
  public static var names: [String] { ZoneTable.names }

  /// A zone by IANA's or POSIX's name.
  public static func named(_ name: String) -> ClockZone? {
    if let (canonical, rules) = ZoneTable.find(name) { return ClockZone(canonical, rules) }
    guard name.utf8.count < 256, name.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else { return nil }
    let upper = name.uppercased()
    guard let rule = ZoneRule(upper) else { return nil }
    return ClockZone(upper, ZoneRules(offsets: [rule.standard], times: [], kinds: [], rule: rule))
  }
  /// A zone by abbreviation, or else by name: what AT TIME ZONE means. Throws 22023.
  public static func meant(by name: String) throws(TallyError) -> ClockZone {
    if let zone = abbreviated(name) ?? named(name) { return zone }
    throw .sql("22023", "time zone \"\(name)\" not recognized")
  }
  /// What an abbreviation means.
  static func abbreviated(_ name: String) -> ClockZone? {
    switch ZoneTable.byAbbreviation[name.lowercased()] {
    case .offset(let offset): ClockZone(offset.abbreviation, fixed: offset)
    case .zone(let zone): ZoneTable.find(zone).map { ClockZone($0.name, $0.rules, word: name.uppercased()) }
    case nil: nil
    }
  }
  /// So many seconds east of Greenwich, under the name that PostgreSQL gives to it: `<+05:30>-05:30`.
  public static func fixed(east: Int64) -> ClockZone {
    let size = east.magnitude
    func two(_ value: UInt64) -> String { value < 10 ? "0\(value)" : String(value) }
    var digits = two(size / 3600)
    if size % 3600 != 0 { digits += ":" + two(size / 60 % 60) }
    if size % 60 != 0 { digits += ":" + two(size % 60) }
    let (sign, posix) = east < 0 ? ("-", "+") : ("+", "-")
    return ClockZone("<\(sign)\(digits)>\(posix)\(digits)", fixed: ZoneOffset(east: east, isDaylight: false, abbreviation: sign + digits))
  }

  private static func second(_ micros: Int64) -> Int64 { Calendar.floorDivide(micros, 1_000_000) }

  /// What clocks show at an instant, microseconds since 1970 UTC.
  public func offset(at instant: Int64) -> ZoneOffset {
    let second = Self.second(instant)
    return word.flatMap { rules.meaning(of: $0, at: second) } ?? rules.offset(at: second)
  }
  /// An instant as clocks show it; infinite ones stay. Throws 22008.
  public func local(_ instant: Int64) throws(TallyError) -> Int64 {
    if TimeArithmetic.isInfinite(instant) { return instant }
    return try Self.shifted(instant, by: offset(at: instant).east)
  }
  /// The seconds east with which local time is read.
  func east(ofLocal micros: Int64) -> Int64 {
    let second = Self.second(micros)
    let east = rules.east(ofLocal: second)
    return word.flatMap { rules.meaning(of: $0, at: second - east)?.east } ?? east
  }
  /// The instant at which clocks show a time: in a gap by the clocks before it, in an overlap by those after it. Throws 22008.
  public func instant(ofLocal micros: Int64) throws(TallyError) -> Int64 {
    if TimeArithmetic.isInfinite(micros) { return micros }
    return try Self.shifted(micros, by: -east(ofLocal: micros))
  }
  static func shifted(_ time: Int64, by seconds: Int64) throws(TallyError) -> Int64 {
    let sum = time.addingReportingOverflow(seconds * 1_000_000)
    guard !sum.overflow, TimeRange.contains(microsecond: sum.partialValue) else { throw TimeArithmetic.timestampOutOfRange() }
    return sum.partialValue
  }

  // MARK: Arithmetic

  /// timestamptz + interval: months and days by the clocks, time by the instants.
  public func add(_ span: Interval, toInstant instant: Int64) throws(TallyError) -> Int64 {
    if TimeArithmetic.isInfinite(instant) { return instant }
    var time = instant
    for part in [Interval(months: span.months), Interval(days: span.days)] where part.months != 0 || part.days != 0 {
      time = try self.instant(ofLocal: try TimeArithmetic.add(part, toTimestamp: try local(time)))
    }
    return try TimeArithmetic.add(Interval(microseconds: span.microseconds), toTimestamp: time)
  }
  /// date_trunc: units of a day and more begin at midnight by the clocks; smaller ones keep the offset that holds at the instant.
  public func truncate(_ instant: Int64, to unit: TimeUnit) throws(TallyError) -> Int64 {
    if TimeArithmetic.isInfinite(instant) { return instant }
    let east = offset(at: instant).east
    // An abbreviation whose meaning changed stands for its zone here.
    if word != nil { return try ClockZone(name, rules).truncate(instant, to: unit) }
    let truncated = Calendar.truncate(try Self.shifted(instant, by: east), to: unit)
    return unit.isWholeDays ? try self.instant(ofLocal: truncated) : try Self.shifted(truncated, by: -east)
  }
}
