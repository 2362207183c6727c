// Search.swift — the exhaustive search: breadth first over canonical states, each judged once, with a shortest trace to a violation.
//
// Of a state seen the search keeps its fingerprint, the number of the state before it and which of that state's successors it was: the
// trace is walked again from the first state. Full states live only in the level being expanded and the next one.

/// What a search found.
public struct SearchResult: Sendable {
  /// Canonical states seen.
  public var states: Int
  /// Steps taken between them.
  public var steps: Int
  /// Most steps from the first state.
  public var depth: Int
  /// True when every state within the bounds was seen.
  public var isExhaustive: Bool
  /// The first violation, reached by as few steps as any.
  public var violation: Violation?
}

/// A broken invariant and how to get there.
public struct Violation: Sendable {
  /// What does not hold.
  public var invariant: BrokenInvariant
  /// The steps from the first state to one that breaks it.
  public var trace: [Step]
}

/// Searches everything the rules allow within their bounds.
public struct Search: ~Copyable {
  private let rules: Rules
  private var seen = FingerprintSet()
  /// By number of the state: the number of the one before it, and which of its successors it is.
  private var origins: [UInt32] = []
  private var ordinals: [UInt8] = []
  private var level: [ShardState] = []
  private var nextLevel: [ShardState] = []
  /// Number of the first state of `level`.
  private var levelStart = 0
  private var steps = 0
  private var waiting: [Candidate] = []
  private var touched: UInt64 = 0

  /// A successor that has not been looked up yet.
  private struct Candidate {
    var state: ShardState
    var fingerprint: Fingerprint
    var origin: UInt32
    var ordinal: UInt8
  }
  /// Look-ups done together, so that their cache misses overlap.
  private static let lookupsTogether = 256

  /// A search from the first state on.
  public init(_ rules: Rules) { self.rules = rules }

  /// Searches until nothing is left, an invariant breaks or `limit` states were seen.
  public static func run(_ rules: Rules, limit: Int = 200_000_000) -> SearchResult {
    var search = Search(rules)
    return search.run(limit: limit)
  }

  private mutating func run(limit: Int) -> SearchResult {
    let first = rules.canonical(ShardState(copies: rules.bounds.copies))
    _ = seen.insert(first.fingerprint)
    origins = [0]
    ordinals = [0]
    level = [first]
    var depth = 0
    var successors: [Successor] = []
    waiting.reserveCapacity(2 * Self.lookupsTogether)
    func result(_ violation: Violation?, exhaustive: Bool) -> SearchResult {
      SearchResult(states: origins.count, steps: steps, depth: depth, isExhaustive: exhaustive, violation: violation)
    }
    while !level.isEmpty {
      depth += 1
      for i in level.indices {
        successors.removeAll(keepingCapacity: true)
        rules.successors(of: level[i], into: &successors)
        precondition(successors.count <= 256)
        steps += successors.count
        for (ordinal, successor) in successors.enumerated() {
          let state = rules.canonical(successor.state)
          waiting.append(
            Candidate(
              state: state,
              fingerprint: state.fingerprint,
              origin: UInt32(levelStart + i),
              ordinal: UInt8(ordinal)
            )
          )
        }
        if waiting.count >= Self.lookupsTogether, let broken = takeUp() { return result(broken, exhaustive: false) }
      }
      if let broken = takeUp() { return result(broken, exhaustive: false) }
      if origins.count > limit { return result(nil, exhaustive: false) }
      levelStart += level.count
      swap(&level, &nextLevel)
      nextLevel.removeAll(keepingCapacity: true)
    }
    return result(nil, exhaustive: true)
  }

  /// Takes up the waiting candidates that are new; gives the violation of the first that breaks an invariant.
  private mutating func takeUp() -> Violation? {
    for candidate in waiting { touched ^= seen.touch(candidate.fingerprint) }
    for candidate in waiting where seen.insert(candidate.fingerprint) {
      origins.append(candidate.origin)
      ordinals.append(candidate.ordinal)
      nextLevel.append(candidate.state)
      if let broken = rules.brokenInvariant(in: candidate.state) {
        return Violation(invariant: broken, trace: trace(to: origins.count - 1))
      }
    }
    waiting.removeAll(keepingCapacity: true)
    return nil
  }

  /// Walks again to a state: first along canonical states, then beside them with the replicas' names left as they were.
  private func trace(to number: Int) -> [Step] {
    var path: [Int] = []
    var at = number
    while at != 0 {
      path.append(Int(ordinals[at]))
      at = Int(origins[at])
    }
    var named = ShardState(copies: rules.bounds.copies)
    var canonical = rules.canonical(named)
    var trace: [Step] = []
    for ordinal in path.reversed() {
      var successors: [Successor] = []
      rules.successors(of: canonical, into: &successors)
      canonical = rules.canonical(successors[ordinal].state)
      successors.removeAll()
      rules.successors(of: named, into: &successors)
      guard let same = successors.first(where: { rules.canonical($0.state) == canonical }) else {
        fatalError("a state's namesake has no such successor after \(trace)")
      }
      trace.append(same.step)
      named = same.state
    }
    return trace
  }
}
