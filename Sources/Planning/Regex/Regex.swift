// Regex.swift — a compiled regular expression: whether and where it matches, and what its groups matched.
//
// The range of a match comes from one pass of the automaton; groups are found afterwards by taking the range apart, part by part, each
// taking the longest or shortest piece that lets the rest match, as PostgreSQL's documentation tells it (9.7.3.5).
import Model

final class Regex {
  private let tree: RegexTree
  private let isLineAnchored: Bool
  /// Groups in parentheses.
  let groupCount: Int

  init(_ pattern: String, _ flags: RegexFlags) throws(TallyError) {
    var parser = RegexParser(pattern, flags)
    tree = try parser.parse()
    groupCount = parser.groupCount
    isLineAnchored = parser.flags.isLineAnchored
  }
  /// Whether it matches anywhere.
  func matches(_ text: [UInt32]) -> Bool { tree.program(isLineAnchored).matches(text) }
  /// The leftmost match at or after `from`.
  func search(_ text: [UInt32], from: Int) -> Range<Int>? { tree.program(isLineAnchored).search(text, from: from) }
  /// What the groups matched in a match, from group 1; nil for those that took no part.
  func groups(_ text: [UInt32], _ match: Range<Int>) -> [Range<Int>?] {
    var result = [Range<Int>?](repeating: nil, count: groupCount)
    if groupCount > 0 { _ = dissect(tree, text, match, &result) }
    return result
  }

  private func dissect(_ tree: RegexTree, _ text: [UInt32], _ range: Range<Int>, _ groups: inout [Range<Int>?]) -> Bool {
    guard tree.hasGroups else { return true }
    switch tree.kind {
    case .empty, .set, .assertion, .look: return true
    case .group(let number, let inner):
      groups[number - 1] = range
      return dissect(inner, text, range, &groups)
    case .alternation(let branches):
      for branch in branches where branch.program(isLineAnchored).matches(text, exactly: range) {
        return dissect(branch, text, range, &groups)
      }
      return false
    case .sequence(let items):
      var start = range.lowerBound
      for (index, item) in items.enumerated() {
        if !items[index...].contains(where: \.hasGroups) { return true }
        if index == items.count - 1 { return dissect(item, text, start..<range.upperBound, &groups) }
        var borders = item.program(isLineAnchored).ends(text, at: start, limit: range.upperBound)
        if item.preference != .shortest { borders.reverse() }
        let rest = tree.suffix(index + 1, isLineAnchored)
        guard let border = borders.first(where: { rest.matches(text, exactly: $0..<range.upperBound) }) else { return false }
        guard dissect(item, text, start..<border, &groups) else { return false }
        start = border
      }
      return true
    case .repetition(let inner, let min, let max):
      if range.isEmpty, min == 0 { return true }
      var dead: Set<Int> = []
      guard let last = lastPiece(inner, min, max, text, range.lowerBound, range.upperBound, 0, &dead) else { return false }
      return dissect(inner, text, last, &groups)
    }
  }
  /// The last of the pieces that a repetition takes a range apart into.
  private func lastPiece(
    _ inner: RegexTree,
    _ min: Int,
    _ max: Int?,
    _ text: [UInt32],
    _ from: Int,
    _ end: Int,
    _ count: Int,
    _ dead: inout Set<Int>
  ) -> Range<Int>? {
    // Paths by position and by how many pieces are still owed; deeper counts are all alike.
    struct Step {
      var from: Int
      var borders: [Int]
    }
    func borders(_ from: Int, _ count: Int) -> [Int] {
      if let max, count >= max { return [] }
      var list = inner.program(isLineAnchored).ends(text, at: from, limit: end)
      if count >= min { list.removeAll { $0 == from } }
      if inner.preference != .shortest { return list }
      return list.reversed()
    }
    var steps = [Step(from: from, borders: borders(from, 0))]
    while let step = steps.last {
      let key = step.from * 512 + Swift.min(steps.count, 511)
      guard let border = step.borders.last else {
        dead.insert(key)
        steps.removeLast()
        continue
      }
      steps[steps.count - 1].borders.removeLast()
      if border == end, steps.count >= min { return step.from..<border }
      if dead.contains(border * 512 + Swift.min(steps.count + 1, 511)) { continue }
      steps.append(Step(from: border, borders: borders(border, steps.count)))
    }
    return nil
  }
}
