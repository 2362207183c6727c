// ZoneTests.swift — every time zone against what PostgreSQL 15 answered (Fixtures/zones15.tsv, made by Tools/zones/record.py).
import Foundation
import Model
import Testing

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/zones15.tsv")

@Test func everyZoneShowsWhatPostgreSQLShows() throws {
  let lines = try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n")
  #expect(lines.count > 590)
  var (wrong, asked): ([String], Int) = ([], 0)
  for line in lines {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false)
    let name = String(fields[0])
    let zone = try #require(ClockZone.named(name), "\(name)")
    #expect(zone.name == name)
    for item in fields[1].split(separator: " ") {
      let parts = item.split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
      let offset = zone.offset(at: try #require(Int64(parts[0])) * 1_000_000)
      asked += 1
      if offset.east != Int64(parts[1]) || offset.abbreviation != parts[2] { wrong.append("\(name) at \(item): \(offset)") }
    }
    for item in fields[2].split(separator: " ") {
      let parts = item.split(separator: ":").compactMap { Int64($0) }
      let instant = try zone.instant(ofLocal: parts[0] * 1_000_000)
      asked += 1
      if instant != parts[1] * 1_000_000 { wrong.append("\(name) reads \(item): \(instant / 1_000_000)") }
    }
  }
  print("\(asked) questions, \(wrong.count) different")
  #expect(wrong.isEmpty, "\(wrong.prefix(20).joined(separator: "\n"))")
}

@Test func zonesByOtherNames() throws {
  #expect(ClockZone.named("europe/BERLIN")?.name == "Europe/Berlin")
  #expect(ClockZone.named("utc")?.isUTC == true && ClockZone.named("GMT")?.isUTC == false)
  #expect(ClockZone.named("foo5")?.offset(at: 0) == ZoneOffset(east: -18_000, isDaylight: false, abbreviation: "FOO"))
  #expect(ClockZone.named("EDT") == nil && ClockZone.named("") == nil && ClockZone.named("Europe/Nowhere") == nil)
  #expect(ClockZone.named("A5B,M13.1.0,M11.1.0") == nil && ClockZone.named("A200") == nil)
  #expect(ClockZone.fixed(east: 19_800).name == "<+05:30>-05:30" && ClockZone.fixed(east: -3600).name == "<-01>+01")
  for east in [0, 3600, -19_800, 43_217] as [Int64] {
    let zone = ClockZone.fixed(east: east)
    #expect(ClockZone.named(zone.name)?.offset(at: 0).east == east)
  }
  // An abbreviation is what it meant at the time; a zone's name of the same letters is another thing.
  #expect(try ClockZone.meant(by: "MSK").local(0) == 10_800_000_000)
  #expect(try ClockZone.meant(by: "MSK").local(1_311_000_000_000_000) - 1_311_000_000_000_000 == 14_400_000_000)
  #expect(try ClockZone.meant(by: "cet").local(1_720_000_000_000_000) - 1_720_000_000_000_000 == 3_600_000_000)
  #expect(throws: TallyError.self) { try ClockZone.meant(by: "nowhere") }
  // Times that nobody can name, and the ends of time.
  let berlin = try #require(ClockZone.named("Europe/Berlin"))
  #expect(try berlin.local(TimeLimits.infinity) == TimeLimits.infinity)
  #expect(throws: TallyError.self) { try berlin.local(.max - 1) }
}
