// ZoneTable.swift — all time zones with rules and all abbreviations of zones, read from texts in the sources: no file is asked, and every
// node of a version has the same.
//
// Tools/zones/generate.py makes the texts. One record a zone, newlines mean nothing:
//   name{=name} > abbreviation:seconds-east[!]{,…} > transitions > rule ;
// `!` marks daylight time. The first offset holds before the first transition. A transition is the offset's letter (A, B, …) and the time
// since the transition before it (the first since 1970), in base 36: half hours, or seconds behind `'`. The rule is POSIX's TZ and holds
// after the last transition. An abbreviation is `name:seconds-east[!]`, or `name@zone` where it meant different things in that zone.
internal import Synchronization

enum ZoneTable {
  /// What an abbreviation is.
  enum Abbreviation: Sendable {
    case offset(ZoneOffset)
    /// Whatever it meant in the zone at the time.
    case zone(String)
  }
  private struct Entry {
    var name: String
    /// Where its content stands in `text`.
    var content: Range<Int>
  }

  private static let text: [UInt8] = Array((zones1 + zones2).utf8.filter { $0 != 0x0a })
  /// By lower-case name.
  private static let entries: [String: Entry] = {
    var result: [String: Entry] = [:]
    var start = 0
    while start < text.count, let names = text[start...].firstIndex(of: UInt8(ascii: ">")),
      let end = text[names...].firstIndex(of: UInt8(ascii: ";"))
    {
      for name in text[start..<names].split(separator: UInt8(ascii: "=")) {
        let name = String(decoding: name, as: UTF8.self)
        result[name.lowercased()] = Entry(name: name, content: names + 1..<end)
      }
      start = end + 1
    }
    return result
  }()
  /// Zones that were asked for, by where their content begins.
  private static let known = Mutex<[Int: ZoneRules]>([:])

  /// All names.
  static var names: [String] { entries.values.map(\.name).sorted() }

  /// The zone of a name in any case, with the name as IANA writes it.
  static func find(_ name: String) -> (name: String, rules: ZoneRules)? {
    guard let entry = entries[name.lowercased()] else { return nil }
    let rules = known.withLock { known in
      if let found = known[entry.content.lowerBound] { return found }
      let made = Self.rules(entry.content)
      known[entry.content.lowerBound] = made
      return made
    }
    return (entry.name, rules)
  }
  private static func rules(_ content: Range<Int>) -> ZoneRules {
    let fields = text[content].split(separator: UInt8(ascii: ">"), maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3 else { fatalError("zone at \(content.lowerBound)") }
    let offsets = fields[0].split(separator: UInt8(ascii: ",")).map(offset)
    var times: [Int64] = []
    var kinds: [UInt8] = []
    var rest = fields[1]
    var last: Int64 = 0
    while let letter = rest.popFirst() {
      kinds.append(letter - UInt8(ascii: "A"))
      var (sign, unit): (Int64, Int64) = (1, 1800)
      if rest.first == UInt8(ascii: "-") {
        sign = -1
        rest.removeFirst()
      }
      if rest.first == UInt8(ascii: "'") {
        unit = 1
        rest.removeFirst()
      }
      var step: Int64 = 0
      while let digit = rest.first, !(0x41...0x5a).contains(digit) {
        step = step * 36 + Int64(digit < 0x3a ? digit - 0x30 : digit - 0x61 + 10)
        rest.removeFirst()
      }
      last += sign * step * unit
      times.append(last)
    }
    return ZoneRules(
      offsets: offsets,
      times: times,
      kinds: kinds,
      rule: fields[2].isEmpty ? nil : ZoneRule(String(decoding: fields[2], as: UTF8.self))
    )
  }
  /// `abbreviation:seconds[!]`.
  private static func offset(_ text: ArraySlice<UInt8>) -> ZoneOffset {
    var text = text
    let isDaylight = text.last == UInt8(ascii: "!")
    if isDaylight { text.removeLast() }
    guard let colon = text.lastIndex(of: UInt8(ascii: ":")),
      let east = Int64(String(decoding: text[(colon + 1)...], as: UTF8.self))
    else { fatalError("zone offset \(String(decoding: text, as: UTF8.self))") }
    return ZoneOffset(east: east, isDaylight: isDaylight, abbreviation: String(decoding: text[..<colon], as: UTF8.self))
  }

  /// Abbreviations by lower-case name.
  static let byAbbreviation: [String: Abbreviation] = {
    var result: [String: Abbreviation] = [:]
    for item in abbreviations.utf8.filter({ $0 != 0x0a }).split(separator: UInt8(ascii: ";")) {
      if let at = item.firstIndex(of: UInt8(ascii: "@")) {
        let name = String(decoding: item[..<at], as: UTF8.self).lowercased()
        result[name] = .zone(String(decoding: item[(at + 1)...], as: UTF8.self))
      } else {
        let offset = offset(item[...])
        result[offset.abbreviation.lowercased()] = .offset(offset)
      }
    }
    return result
  }()
}
