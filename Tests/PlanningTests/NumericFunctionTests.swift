// NumericFunctionTests.swift — exp, ln, log and power of numeric against what PostgreSQL 15 answered (Fixtures/numeric15.tsv), digit by
// digit.
import Foundation
import Model
import SQL
import Testing

@testable import Planning

@Test func logarithmsAndPowersHavePostgreSQLsDigits() throws {
  let fixture = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("Fixtures/numeric15.tsv")
  let lines = try String(contentsOf: fixture, encoding: .utf8).split(separator: "\n")
  #expect(lines.count > 600)
  var (wrong, limits): ([String], Int) = ([], 0)
  for line in lines {
    let fields = line.split(separator: "\t").map(String.init)
    guard case .select(let select) = try parse("select (\(fields[0]))::text")[0].statement, case .plain(let plain) = select.body else {
      continue
    }
    let own: String
    do throws(TallyError) {
      let bound = try ExpressionBinder(scope: .empty, context: SampleCatalog.context).typed(plain.items[0].expression)
      own = if case .constant(.text(let text)) = bound.node { text } else { "?" }
    } catch { own = "!\(error.sqlState)" }
    // What has more than 38 digits is refused.
    if own == "!22003", fields[1] != own { limits += 1 } else if own != fields[1] { wrong.append("\(fields[0]): \(fields[1]), not \(own)") }
  }
  #expect(wrong.isEmpty && limits < 20, "\(limits) refused\n\(wrong.prefix(10).joined(separator: "\n"))")
}
