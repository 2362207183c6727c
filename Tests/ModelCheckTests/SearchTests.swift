import ReplicationModel
import Testing

@Suite("Model of shard replication") struct SearchTests {
  @Test("the protocol is clean within small bounds, with the reference's addition rule state for state as the reference counts them")
  func wholeProtocol() {
    let runs: [(Bounds, states: Int, ofReference: Int)] = [
      (Bounds(copies: 2, minimum: 1, elections: 2, values: 1, wipes: 0, crashes: 1, proposals: 1), 5678, 5404),
      (Bounds(copies: 2, minimum: 1, elections: 2), 189_507, 169_254),
      (Bounds(copies: 2, minimum: 2, elections: 2), 175_778, 153_587),
      (Bounds(copies: 2, minimum: 1, elections: 3), 795_986, 705_517),
      (Bounds(copies: 3, minimum: 2, elections: 1), 763_036, 613_924),
      (Bounds(copies: 3, minimum: 1, elections: 1), 755_021, 644_520),
      (Bounds(copies: 3, minimum: 2, elections: 2, values: 1, wipes: 1, crashes: 1, proposals: 1), 216_498, 171_282),
    ]
    for (bounds, states, ofReference) in runs {
      for asReference in [false, true] {
        let found = Search.run(Rules(bounds, asReference: asReference))
        #expect(found.isExhaustive && found.violation == nil, "\(bounds): \(found)")
        #expect(found.states == (asReference ? ofReference : states), "\(bounds)")
      }
    }
  }

  @Test("each dropped rule breaks an invariant", arguments: Rule.allCases)
  func mutants(_ rule: Rule) throws {
    let rules = Rules(Bounds(copies: 3, minimum: 2, elections: 2), dropping: rule)
    let violation = try #require(Search.run(rules, limit: 3_000_000).violation, "without \(rule.rawValue)")
    #expect(!violation.trace.isEmpty)
    // The trace leads there, and the same steps are not all possible, or harmless, under the whole protocol.
    #expect(outcome(of: violation.trace, under: rules) == violation.invariant)
    #expect(outcome(of: violation.trace, under: Rules(rules.bounds)) == nil)
  }

  /// The invariant the last step breaks; nil when it breaks none or a step is not possible.
  private func outcome(of trace: [Step], under rules: Rules) -> BrokenInvariant? {
    var state = ShardState(copies: rules.bounds.copies)
    for step in trace {
      var successors: [Successor] = []
      rules.successors(of: state, into: &successors)
      guard let next = successors.first(where: { $0.step == step }) else { return nil }
      state = next.state
    }
    return rules.brokenInvariant(in: state)
  }

  @Test("renaming the copies gives the same canonical state")
  func renaming() {
    let rules = Rules(Bounds(copies: 3, minimum: 2, elections: 1))
    var walkers = [ShardState(copies: 3)]
    // Each round every walker takes each election there is; the candidates are alike, so their canonical states are too.
    var successors: [Successor] = []
    rules.successors(of: walkers.removeFirst(), into: &successors)
    let elected = successors.filter { if case .elect(let r, let set) = $0.step { r != 0 && set.count == 3 } else { false } }
    #expect(elected.count == 2)
    #expect(elected.allSatisfy { rules.canonical($0.state) == rules.canonical(elected[0].state) })
  }
}
