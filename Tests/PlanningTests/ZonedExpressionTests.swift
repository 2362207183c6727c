// ZonedExpressionTests.swift — expressions under a session's time zone against what PostgreSQL 15 answered (Fixtures/zoned15.tsv, made by
// Tools/zones/record.py), and how such expressions travel.
import Bytes
import Foundation
import Model
import SQL
import Testing

@testable import Planning

private let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/zoned15.tsv")

private func answer(_ expression: String, _ zone: ClockZone) throws -> String {
  do {
    let text = try bound("(\(expression))::text", zone)
    guard case .constant(let value) = text.node else { return "not folded" }
    if case .text(let text) = value { return text }
    return "\\N"
  } catch let error as TallyError { return "!\(error.sqlState) \(error.message)" }
}
private func bound(_ text: String, _ zone: ClockZone) throws -> Planning.Expression {
  guard case .select(let select) = try parse("select \(text)")[0].statement, case .plain(let plain) = select.body else {
    throw TallyError.sql("XX000", "no SELECT")
  }
  var context = SampleCatalog.context
  context.zone = zone
  return try ExpressionBinder(scope: .empty, context: context).typed(plain.items[0].expression)
}

@Test func zonedExpressionsAreWhatPostgreSQLMakesOfThem() throws {
  let lines = try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n")
  #expect(lines.count > 1700)
  var (wrong, refused): ([String], Int) = ([], 0)
  for line in lines {
    let fields = line.split(separator: "\t", omittingEmptySubsequences: false).map(String.init)
    let own = try answer(fields[1], try #require(ClockZone.named(fields[0])))
    if own == fields[2] { continue }
    if own.hasPrefix("!0A000") {
      refused += 1
    } else {
      wrong.append("\(fields[0]): \(fields[1])\n    PostgreSQL: \(fields[2])\n    Tally:      \(own)")
    }
  }
  print("\(lines.count) expressions, \(refused) refused, \(wrong.count) different")
  if let path = ProcessInfo.processInfo.environment["TALLY_EXPRESSION_REPORT"] {
    try wrong.joined(separator: "\n").write(toFile: path, atomically: true, encoding: .utf8)
  }
  #expect(refused == 0 && wrong.isEmpty, "\(wrong.prefix(20).joined(separator: "\n"))")
}

@Test func sessionsZoneStandsInThePlan() throws {
  let berlin = try #require(ClockZone.named("Europe/Berlin"))
  func explained(_ sql: String) throws -> String { try SampleCatalog.explain(sql, zone: berlin) }
  let days = try explained("select date_trunc('day', ts), ts::date, count(*) from queries group by 1, 2")
  #expect(days.contains("dateTruncInZone(5, ts, ':Europe/Berlin')") && days.contains("castInZone(':Europe/Berlin', ts)"), "\(days)")
  // What does not depend on the zone is as under UTC.
  let hours = try explained("select count(*) from queries where ts > timestamptz '2024-07-01 00:00' and ts < now() - interval '5 hours'")
  #expect(hours.contains("2024-06-30 22:00:00+00") && !hours.contains("InZone"), "\(hours)")
}
