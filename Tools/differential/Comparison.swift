// Comparison.swift — whether two answers are the same: rows as a multiset unless the statement orders them, errors by SQLSTATE.
//
// Floats compare within 1e-9 (reals 1e-5) of the larger, because sums take rows in any order; so do numbers in texts, arrays and JSON that
// may have been floats. Everything else compares as it is printed; of equal numerics any may be shown where a statement makes one of
// several.
import Foundation
import Model
import Simulation

/// What came of a statement on one number of shards.
enum Verdict {
  case same
  /// Refused by name where PostgreSQL answers: the reason.
  case refused(String)
  case different(String)
}

enum Comparison {
  static func judge(_ statement: Statement, _ ours: SQLAnswer, _ theirs: PostgresAnswer) -> Verdict {
    if let error = ours.error {
      // What is refused by name is refused before a value can be wrong.
      if error.sqlState == "0A000", theirs.state != "0A000" { return .refused(error.message) }
      if let state = theirs.state {
        return state == error.sqlState
          ? .same : .different("error \(error.sqlState) \(error.message), PostgreSQL \(state) \(theirs.message ?? "")")
      }
      return .different("error \(error.sqlState) \(error.message); PostgreSQL gives \(theirs.rows.count) rows")
    }
    if let state = theirs.state {
      return .different("\(ours.rows.count) rows, PostgreSQL \(state) \(theirs.message ?? "")")
    }
    guard ours.rows.count == theirs.rows.count else {
      return .different("\(ours.rows.count) rows, PostgreSQL \(theirs.rows.count)\(sample(ours.rows, theirs.rows))")
    }
    if statement.isOrdered {
      for (at, (a, b)) in zip(ours.rows, theirs.rows).enumerated() where !isSame(a, b, statement) {
        return .different("row \(at + 1) is \(text(a)), PostgreSQL's \(text(b))")
      }
      return .same
    }
    var counts: [[String?]: Int] = [:]
    for row in theirs.rows { counts[row, default: 0] += 1 }
    var left: [[String?]] = []
    for row in ours.rows {
      if let count = counts[row], count > 0 { counts[row] = count - 1 } else { left.append(row) }
    }
    var open = counts.filter { $0.value > 0 }.flatMap { Array(repeating: $0.key, count: $0.value) }
    for row in left {
      guard let match = open.firstIndex(where: { isSame(row, $0, statement) }) else {
        return .different("row \(text(row)) is none of PostgreSQL's; left there: \(open.prefix(2).map(text).joined(separator: "; "))")
      }
      open.remove(at: match)
    }
    return .same
  }
  private static func sample(_ ours: [[String?]], _ theirs: [[String?]]) -> String {
    let (a, b) = (Set(ours), Set(theirs))
    let more = a.subtracting(b).first.map { "; only here \(text($0))" } ?? ""
    return more + (b.subtracting(a).first.map { "; only there \(text($0))" } ?? "")
  }
  private static func text(_ row: [String?]) -> String { "(" + row.map { $0 ?? "NULL" }.joined(separator: " | ") + ")" }

  private static func isSame(_ a: [String?], _ b: [String?], _ statement: Statement) -> Bool {
    guard a.count == b.count else { return false }
    for (at, (x, y)) in zip(a, b).enumerated() where x != y {
      guard let x, let y else { return false }
      let kind = at < statement.kinds.count ? Kind(rawValue: statement.kinds[at]) : nil
      switch kind {
      case .float4: if !areClose(x, y, 1e-5) { return false }
      case .float8: if !areClose(x, y, 1e-9) { return false }
      case .text, .varchar, .jsonb, .texts, nil: if !areAlike(x, y) { return false }
      case .numeric:
        guard statement.isLoose, let x = Decimal(string: x), let y = Decimal(string: y), x == y else { return false }
      default: return false
      }
    }
    return true
  }
  private static func areClose(_ x: String, _ y: String, _ bound: Double) -> Bool {
    guard let x = Double(x), let y = Double(y) else { return false }
    return x == y || abs(x - y) <= bound * max(1, abs(x), abs(y))
  }
  /// Equal but for the last digits of numbers with fractions.
  private static func areAlike(_ x: String, _ y: String) -> Bool {
    let (a, b) = (pieces(x), pieces(y))
    guard a.count == b.count else { return false }
    return zip(a, b).allSatisfy { $0 == $1 || $0.contains(".") && $1.contains(".") && areClose($0, $1, 1e-9) }
  }
  private static func pieces(_ text: String) -> [String] {
    var result: [String] = []
    var isNumber = false
    for character in text {
      let continues = character.isASCII && (character.isNumber || isNumber && ".e+-".contains(character))
      if continues == isNumber, !result.isEmpty { result[result.count - 1].append(character) } else { result.append(String(character)) }
      isNumber = continues
    }
    return result
  }
}
