// KnownDifferences.swift — where Tally answers otherwise on purpose: what a statement holds, and why that is right.

struct KnownDifference {
  /// What the statement's text holds.
  var sql: String
  /// What the difference's text holds.
  var difference: String
  var reason: String

  func covers(_ statement: Statement, _ found: String) -> Bool { statement.sql.contains(sql) && found.contains(difference) }

  static let all: [KnownDifference] = []
}
