// FixedZone.swift — time zones that are one offset from UTC: names for UTC, abbreviations, and POSIX's `+05`, `<+0530>-5:30`, `UTC+3`.
//
// Zones with rules (`Europe/Berlin`) would need a table of rules that every node has alike; they are refused by name.
import Model

enum FixedZone {
  /// Seconds east of UTC.
  /// `isOffsetEast`: a bare `+02` counts east, as in a timestamp's text, not west as in POSIX.
  static func secondsEast(_ name: String, isOffsetEast: Bool = false) throws(TallyError) -> Int64 {
    let key = ScalarFunctions.lowered(name)
    if let known = abbreviations[key] { return known * 60 }
    if let posix = posix(key) {
      let isBare = key.utf8.first.map { $0 == 0x2b || $0 == 0x2d || $0 &- 0x30 < 10 } ?? false
      return isOffsetEast && isBare ? -posix : posix
    }
    if name.contains("/") || rules.contains(key) {
      throw .sql(
        "0A000",
        "time zone \"\(name)\" is not supported",
        hint: "Use UTC or a fixed offset, such as INTERVAL '2 hours'."
      )
    }
    throw .sql("22023", "time zone \"\(name)\" not recognized")
  }
  /// Zone names without a slash that have rules.
  private static let rules: Set<String> = [
    "cet", "cst6cdt", "cuba", "eet", "egypt", "eire", "est5edt", "gb", "iran", "israel", "jamaica", "japan", "kwajalein", "libya", "met",
    "mst7mdt", "navajo", "nz", "poland", "portugal", "prc", "pst8pdt", "rok", "singapore", "turkey", "wet", "w-su", "hongkong", "iceland",
  ]
  /// Minutes east, as PostgreSQL's default abbreviations have them.
  private static let abbreviations: [String: Int64] = [
    "utc": 0, "gmt": 0, "z": 0, "zulu": 0, "ut": 0, "uct": 0, "greenwich": 0, "universal": 0, "gmt0": 0, "gmt+0": 0, "gmt-0": 0,
    "etc/utc": 0, "etc/gmt": 0, "etc/uct": 0, "etc/universal": 0, "etc/zulu": 0, "etc/greenwich": 0, "wet": 0,
    "est": -300, "edt": -240, "cst": -360, "cdt": -300, "mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "hst": -600, "akst": -540,
    "akdt": -480, "ast": -240, "adt": -180, "nst": -210, "ndt": -150, "brt": -180, "bst": 60, "west": 60, "cet": 60, "cest": 120,
    "met": 60, "mest": 120, "eet": 120, "eest": 180, "msk": 180, "msd": 240, "ist": 120, "jst": 540, "kst": 540, "hkt": 480, "sgt": 480,
    "aest": 600, "aedt": 660, "acst": 570, "acdt": 630, "awst": 480, "nzst": 720, "nzdt": 780,
  ]
  /// `[name]±hh[:mm[:ss]]`, whose sign counts west of UTC.
  private static func posix(_ key: String) -> Int64? {
    var rest = Array(key.utf8)[...]
    if rest.first == UInt8(ascii: "<") {
      guard let close = rest.firstIndex(of: UInt8(ascii: ">")) else { return nil }
      rest = rest[(close + 1)...]
    } else {
      rest = rest.drop { $0 &- 0x61 < 26 }
    }
    guard let first = rest.first else { return nil }
    let isWest = first != UInt8(ascii: "-")
    if first == UInt8(ascii: "-") || first == UInt8(ascii: "+") { rest.removeFirst() }
    let parts = rest.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
    guard (1...3).contains(parts.count) else { return nil }
    var seconds: Int64 = 0
    for (index, part) in parts.enumerated() {
      guard (1...2).contains(part.count), let value = Int64(String(decoding: part, as: UTF8.self)), value < (index == 0 ? 25 : 60)
      else { return nil }
      seconds += value * [3600, 60, 1][index]
    }
    return isWest ? -seconds : seconds
  }
}
