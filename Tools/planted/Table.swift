// Table.swift — the results of a hunt as a Markdown table: each bug, what it does wrong, and what noticed it.
import Bytes
import Foundation

/// The results of a hunt.
struct Table {
  /// Where the bugs are described.
  static let source = "Sources/Bytes/PlantedBug.swift"
  let catches: [(bug: PlantedBug, found: Catch?)]
  let commit: String
  let seeds: Int
  /// The text of `source`.
  let source: String

  var text: String {
    let caught = catches.count { $0.found != nil }
    var lines = [
      "# Planted bugs",
      "",
      "Plausible mistakes that stand in the code behind the flag `PLANTED_BUGS` (`\(Self.source)`), and what notices each of them: the first",
      "of the unit-test suites (cheapest first) or of \(seeds) seeds of the simulated cluster that fails. A build without the flag has none of it.",
      "",
      "    swift build -c release -Xswiftc -DPLANTED_BUGS -Xswiftc -enable-testing --scratch-path .build-planted --build-tests",
      "    swift run planted --report Tests/PlantedBugs.md",
      "",
      "\(caught) of \(catches.count) caught; without a bug every hunter is silent. \(Self.date)\(commit.isEmpty ? "" : ", " + commit).",
      "",
      "| bug | what it does wrong | caught by | what was seen | s |",
      "|---|---|---|---|---:|",
    ]
    for (bug, found) in catches {
      let cells = [
        "`\(bug.rawValue)`", description(of: bug), found?.hunter ?? "**nothing**", found.map { Self.plain($0.what) } ?? "",
        found.map { "\($0.seconds)" } ?? "",
      ]
      lines.append("| " + cells.joined(separator: " | ") + " |")
    }
    return lines.joined(separator: "\n") + "\n"
  }
  /// The line above a case.
  private func description(of bug: PlantedBug) -> String {
    let lines = source.split(separator: "\n", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
    guard let at = lines.firstIndex(of: "case \(bug.rawValue)"), at > 0 else { return "" }
    return Self.plain(lines[at - 1].replacingOccurrences(of: "/// ", with: ""))
  }
  private static func plain(_ text: String) -> String { text.replacingOccurrences(of: "|", with: "\\|") }
  private static var date: String {
    let parts = Calendar(identifier: .gregorian).dateComponents([.year, .month, .day], from: Date())
    func two(_ number: Int?) -> String { number.map { $0 < 10 ? "0\($0)" : "\($0)" } ?? "" }
    return "\(parts.year ?? 0)-\(two(parts.month))-\(two(parts.day))"
  }
}
