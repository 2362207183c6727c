// ZoneRules.swift — what the clocks of one zone show, second by second: its recorded transitions, and the rule that goes on for ever.
//
// Transitions of the rule are put into the table up to 2037, where nearly all times are; those of later years are made when they are asked
// for.

/// What clocks show for a while.
public struct ZoneOffset: Sendable, Equatable {
  /// Seconds east of Greenwich.
  public var east: Int64
  /// Daylight time.
  public var isDaylight: Bool
  /// What it is called there: CET, CEST, or +03 where there is no name.
  public var abbreviation: String
  /// Makes an offset.
  public init(east: Int64, isDaylight: Bool, abbreviation: String) {
    (self.east, self.isDaylight, self.abbreviation) = (east, isDaylight, abbreviation)
  }
}

final class ZoneRules: Sendable {
  /// The first one holds before the first transition.
  let offsets: [ZoneOffset]
  private let times: [Int64]
  private let kinds: [UInt8]
  private let rule: ZoneRule?
  private static let lastTabled: Int64 = 2037

  init(offsets: [ZoneOffset], times: [Int64], kinds: [UInt8], rule: ZoneRule?) {
    var (offsets, times, kinds) = (offsets, times, kinds)
    if let rule {
      if offsets.isEmpty { offsets = [rule.standard] }
      func number(_ offset: ZoneOffset) -> UInt8 {
        if let at = offsets.firstIndex(of: offset) { return UInt8(at) }
        offsets.append(offset)
        return UInt8(offsets.count - 1)
      }
      let last = times.last ?? .min
      let first = times.last.map { Calendar.civil(days: Calendar.floorDivide($0, 86_400)).year } ?? 1901
      if rule.daylight != nil, first <= Self.lastTabled {
        for year in first...Self.lastTabled {
          for change in rule.changes(in: year) where change.time > last {
            times.append(change.time)
            kinds.append(number(change.offset))
          }
        }
      }
    }
    (self.offsets, self.times, self.kinds, self.rule) = (offsets, times, kinds, rule)
  }

  /// What clocks show at all times, where that is one thing.
  var only: ZoneOffset? { times.isEmpty && rule?.daylight == nil ? offsets[0] : nil }
  /// Number of transitions at or before a second.
  private func count(upTo second: Int64) -> Int {
    var (low, high) = (0, times.count)
    while low < high {
      let middle = (low + high) / 2
      if times[middle] <= second { low = middle + 1 } else { high = middle }
    }
    return low
  }
  private func offset(_ count: Int) -> ZoneOffset { count == 0 ? offsets[0] : offsets[Int(kinds[count - 1])] }
  /// Changes by the rule around a second that lies behind the table, by rising time.
  private func laterChanges(_ second: Int64) -> [ZoneRule.Change] {
    guard let rule, rule.daylight != nil else { return [] }
    let year = Calendar.civil(days: Calendar.floorDivide(second, 86_400)).year
    let last = times.last ?? .min
    return (year - 1...year + 1).flatMap { rule.changes(in: $0) }.filter { $0.time > last }
  }

  /// What clocks show at a second since 1970.
  func offset(at second: Int64) -> ZoneOffset {
    let count = count(upTo: second)
    if count == times.count, let change = laterChanges(second).last(where: { $0.time <= second }) { return change.offset }
    return offset(count)
  }
  /// The first transition after a second, and what holds before and after it.
  func transition(after second: Int64) -> (time: Int64, before: ZoneOffset, after: ZoneOffset)? {
    let count = count(upTo: second)
    if count < times.count { return (times[count], offset(count), offset(count + 1)) }
    guard let change = laterChanges(second).first(where: { $0.time > second }) else { return nil }
    return (change.time, offset(at: second), change.offset)
  }
  /// The seconds east that local time is read with: in a gap what held before it, in an overlap what holds after it.
  func east(ofLocal second: Int64) -> Int64 {
    guard let next = transition(after: second - 86_400) else { return offset(at: second - 86_400).east }
    let (before, after) = (second - next.before.east, second - next.after.east)
    if before < next.time, after < next.time { return next.before.east }
    if before > next.time, after >= next.time { return next.after.east }
    return before > after ? next.before.east : next.after.east
  }
  /// What an abbreviation of the zone meant at a second: at its last use before, else at its first one after.
  func meaning(of abbreviation: String, at second: Int64) -> ZoneOffset? {
    func isIt(_ offset: ZoneOffset) -> Bool { offset.abbreviation == abbreviation }
    let count = count(upTo: second)
    if count == times.count, let change = laterChanges(second).last(where: { $0.time <= second && isIt($0.offset) }) {
      return change.offset
    }
    for at in stride(from: count, through: 0, by: -1) where isIt(offset(at)) { return offset(at) }
    for at in count..<max(count, times.count) where isIt(offset(at + 1)) { return offset(at + 1) }
    return nil
  }
}
