// RegexProgram.swift — a Thompson automaton and its simulation: time linear in the text for each search, whatever the expression.
//
// A thread carries where its match began; of threads in one state the one that began first stays, so that one pass over the text
// finds the leftmost match, the longest or the shortest of those.

final class RegexProgram {
  enum Instruction {
    case set(Int)
    case split(Int, Int)
    case jump(Int)
    case assertion(RegexTree.Assertion)
    case look(Int, isAhead: Bool, isNegative: Bool)
    case accept
  }
  /// Instructions of one program at most; counted repetitions unroll.
  static let instructionsMax = 20_000

  private var code: [Instruction] = []
  private var sets: [RegexSet] = []
  private var looks: [RegexTree] = []
  private let isNewlineSensitive: Bool
  private let prefersShortest: Bool

  init(_ tree: RegexTree, isNewlineSensitive: Bool) {
    self.isNewlineSensitive = isNewlineSensitive
    prefersShortest = tree.preference == .shortest
    emit(tree)
    code.append(.accept)
  }
  /// Instructions that a tree will need; the parser refuses too many.
  static func size(_ tree: RegexTree) -> Int {
    switch tree.kind {
    case .empty: 0
    case .set, .assertion, .look: 1
    case .sequence(let items): min(instructionsMax * 2, items.reduce(0) { min(instructionsMax * 2, $0 + size($1)) })
    case .alternation(let branches): min(instructionsMax * 2, branches.reduce(0) { $0 + size($1) + 2 })
    case .group(_, let inner): size(inner)
    case .repetition(let inner, let min, let max): Swift.min(instructionsMax * 2, (size(inner) + 1) * Swift.max(1, max ?? min + 1))
    }
  }
  private func emit(_ tree: RegexTree) {
    switch tree.kind {
    case .empty: break
    case .set(let set):
      code.append(.set(sets.count))
      sets.append(set)
    case .sequence(let items): for item in items { emit(item) }
    case .group(_, let inner): emit(inner)
    case .assertion(let assertion): code.append(.assertion(assertion))
    case .look(let inner, let isAhead, let isNegative):
      code.append(.look(looks.count, isAhead: isAhead, isNegative: isNegative))
      looks.append(inner)
    case .alternation(let branches):
      var ends: [Int] = []
      for (index, branch) in branches.enumerated() {
        if index == branches.count - 1 {
          emit(branch)
          break
        }
        let fork = code.count
        code.append(.accept)
        emit(branch)
        ends.append(code.count)
        code.append(.accept)
        code[fork] = .split(fork + 1, code.count)
      }
      for end in ends { code[end] = .jump(code.count) }
    case .repetition(let inner, let min, let max):
      for _ in 0..<min { emit(inner) }
      guard let max else {
        let fork = code.count
        code.append(.accept)
        emit(inner)
        code.append(.jump(fork))
        code[fork] = .split(fork + 1, code.count)
        return
      }
      var forks: [Int] = []
      for _ in 0..<Swift.max(0, max - min) {
        forks.append(code.count)
        code.append(.accept)
        emit(inner)
      }
      for fork in forks { code[fork] = .split(fork + 1, code.count) }
    }
  }

  // MARK: Simulation

  /// Threads of one step: states in order of insertion.
  private struct Threads {
    var states: [Int] = []
    var starts: [Int] = []
    /// The step at which a state was last put in.
    var stamps: [Int]
    init(_ count: Int) { stamps = [Int](repeating: -1, count: count) }
  }

  /// The leftmost match that begins at or after `from`, of the preferred length.
  func search(_ text: [UInt32], from: Int) -> Range<Int>? {
    var best: Range<Int>?
    run(text, from: from, isAnchored: false) { start, end in
      guard let own = best else {
        best = start..<end
        return
      }
      if start < own.lowerBound || start == own.lowerBound && !prefersShortest { best = start..<end }
    } isWanted: { start in
      guard let own = best else { return true }
      return start < own.lowerBound || start == own.lowerBound && !prefersShortest
    }
    return best
  }
  /// Whether it matches anywhere.
  func matches(_ text: [UInt32]) -> Bool {
    var isFound = false
    run(text, from: 0, isAnchored: false) { _, _ in
      isFound = true
    } isWanted: { _ in
      !isFound
    }
    return isFound
  }
  /// All ends of matches that begin at `start` and end at or before `limit`, rising.
  func ends(_ text: [UInt32], at start: Int, limit: Int) -> [Int] {
    var result: [Int] = []
    run(text, from: start, isAnchored: true, limit: limit) { _, end in
      if result.last != end { result.append(end) }
    } isWanted: { _ in
      true
    }
    return result
  }
  /// Whether it matches exactly this range.
  func matches(_ text: [UInt32], exactly range: Range<Int>) -> Bool {
    ends(text, at: range.lowerBound, limit: range.upperBound).last == range.upperBound
  }

  private func run(
    _ text: [UInt32],
    from: Int,
    isAnchored: Bool,
    limit: Int? = nil,
    accept: (Int, Int) -> Void,
    isWanted: (Int) -> Bool
  ) {
    let end = limit ?? text.count
    var current = Threads(code.count)
    var next = Threads(code.count)
    var stack: [Int] = []
    func add(_ threads: inout Threads, _ state: Int, _ start: Int, _ at: Int) {
      stack.append(state)
      while let state = stack.popLast() {
        if threads.stamps[state] == at { continue }
        threads.stamps[state] = at
        switch code[state] {
        case .jump(let to): stack.append(to)
        case .split(let a, let b):
          stack.append(b)
          stack.append(a)
        case .assertion(let assertion): if holds(assertion, text, at) { stack.append(state + 1) }
        case .look(let index, let isAhead, let isNegative):
          if look(looks[index], isAhead, text, at) != isNegative { stack.append(state + 1) }
        case .accept: accept(start, at)
        case .set:
          threads.states.append(state)
          threads.starts.append(start)
        }
      }
    }
    var at = from
    while true {
      if at == from || !isAnchored, isWanted(at) { add(&current, 0, at, at) }
      if at >= end || current.states.isEmpty && (isAnchored || !isWanted(at + 1)) { return }
      let character = text[at]
      for (index, state) in current.states.enumerated() where isWanted(current.starts[index]) {
        if case .set(let set) = code[state], sets[set].contains(character) { add(&next, state + 1, current.starts[index], at + 1) }
      }
      swap(&current, &next)
      next.states.removeAll(keepingCapacity: true)
      next.starts.removeAll(keepingCapacity: true)
      at += 1
    }
  }
  private func look(_ tree: RegexTree, _ isAhead: Bool, _ text: [UInt32], _ at: Int) -> Bool {
    let program = tree.program(isNewlineSensitive)
    if isAhead { return !program.ends(text, at: at, limit: text.count).isEmpty }
    return (0...at).contains { program.matches(text, exactly: $0..<at) }
  }
  private func holds(_ assertion: RegexTree.Assertion, _ text: [UInt32], _ at: Int) -> Bool {
    func isWord(_ index: Int) -> Bool { text.indices.contains(index) && RegexSet.word.contains(text[index]) }
    switch assertion {
    case .textStart: return at == 0
    case .textEnd: return at == text.count
    case .lineStart: return at == 0 || isNewlineSensitive && text[at - 1] == 0x0a
    case .lineEnd: return at == text.count || isNewlineSensitive && text[at] == 0x0a
    case .wordStart: return !isWord(at - 1) && isWord(at)
    case .wordEnd: return isWord(at - 1) && !isWord(at)
    case .wordBorder: return isWord(at - 1) != isWord(at)
    case .noWordBorder: return isWord(at - 1) == isWord(at)
    }
  }
}
