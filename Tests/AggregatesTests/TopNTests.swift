import Aggregates
import Bytes
import Columns
import Model
import Testing

@Suite struct TopNTests {
  static func state(_ weights: [String: Int64], counters: UInt32 = 1000) -> TopN {
    var state = TopN(TopNParameters(counters: counters))
    for (key, weight) in weights.sorted(by: { $0.key < $1.key }) { state.add(key, weight: weight) }
    return state
  }
  @Test func nullsOfAddAndUnionAreThoseOfTheReference() throws {
    #expect(TopNText.print(TopN.add(nil, nil)) == "{}")
    #expect(TopNText.print(TopN.add(nil, "x")) == #"{"x": 1}"#)
    let state = Self.state(["AS": 1])
    #expect(TopN.add(state, nil) == state)
    #expect(try TopN.union(state, nil) == nil)
    #expect(try TopN.union(nil, state) == nil)
  }
  @Test func tenOfEachInsertUnite() throws {
    var all = TopN()
    for _ in 0..<10 {
      try all.union(TopN.add(nil, "AS"))
      try all.union(TopN.add(Self.state(["AS": 1, "SA": 1]), nil))
      try all.union(TopN.add(Self.state(["AS": 1, "SA": 1]), "TEST"))
    }
    #expect(TopNText.print(all) == #"{"AS": 30, "SA": 20, "TEST": 10}"#)
  }
  @Test func moreThanTheCountersIsAnError() throws {
    let state = Self.state(["a": 3, "b": 2], counters: 10)
    #expect(try state.top(10).map(\.upper) == [3, 2])
    #expect(try state.top(1).count == 1)
    #expect(
      throws: TallyError.sql(
        "22023",
        "desired number of counters is higher than the topn.number_of_counters variable"
      )
    ) {
      try state.top(11)
    }
  }
  @Test func jsonTextSurvivesStrangeKeys() throws {
    var state = TopN()
    for (at, key) in ["", "''\"\"\\", "ключ", "a\nb\tc\u{1}", "🙂"].enumerated() {
      state.add(key, weight: Int64(at + 1))
    }
    let text = TopNText.print(state)
    #expect(text == #"{"🙂": 5, "a\nb\tc\u0001": 4, "ключ": 3, "''\"\"\\": 2, "": 1}"#)
    #expect(try TopNText.parse(text) == state)
    #expect(
      try TopNText.parse(#" { "\ud83d\ude42\u0041" : 2.9 , "x": null, "y": "z" } "#)
        == Self.state(["🙂A": 2])
    )
    for bad in [
      "", "{", "{}x", "[1]", #"{"a"}"#, #"{"a":}"#, #"{"a":x}"#, #"{"a":-1}"#, #"{"a":1,}"#,
      #"{"\ud800":1}"#, "{\"a",
    ] {
      #expect(throws: TallyError.self) { try TopNText.parse(bad) }
    }
    #expect(throws: TallyError.self) {
      try TopNText.parse("{\"\(String(repeating: "k", count: 256))\": 1}")
    }
  }
  @Test func keysAreCutAtCharacters() {
    var state = TopN(TopNParameters(counters: 10, keyBytesMax: 5))
    state.add("ab")
    state.add("ééé")
    state.add("éé")
    state.add("ééz")
    #expect(TopNText.print(state) == #"{"éé": 2, "ab": 1, "ééz": 1}"#)
  }
  @Test func countsSaturate() throws {
    var a = Self.state(["x": .max])
    try a.union(Self.state(["x": 5, "y": 1]))
    a.add("x", weight: 7)
    #expect(a.ranked().first?.lower == .max && a.total == .max)
    a.add("x", weight: -3)
    #expect(a.total == .max)
  }
  @Test func pruneKeepsTheLargestAndRaisesTheBound() {
    var state = Self.state(["a": 5, "b": 3, "c": 3, "d": 1], counters: 2)
    state.prune(to: 2)
    #expect(TopNText.print(state) == #"{"a": 5, "b": 3}"#)
    #expect(state.absent == 3 && state.total == 12)
    state.add("c")
    #expect(
      state.items.first { $0.key == Array("c".utf8) }.map { [$0.upper, $0.error] } == [4, 3]
    )
  }
  @Test func goldenBytes() throws {
    var state = TopN(TopNParameters(counters: 300, keyBytesMax: 255))
    state.add("A", weight: 300)
    let bytes = TopNFormat.encode(state)
    #expect(hex(bytes) == "01ac02ff0100ac0201" + "0141ac0200")
    #expect(try TopNFormat.decode(bytes) == state)
  }
  @Test func everyDamageIsRefusedOrStillWellFormed() throws {
    var state = Self.state(["a": 5, "bb": 300, "ccc": 1, "é": 9])
    state.prune(to: 3)
    let bytes = TopNFormat.encode(state)
    #expect(try TopNFormat.decode(bytes) == state)
    for n in 0..<bytes.count {
      #expect(throws: DecodingFailure.self) { try TopNFormat.decode(Array(bytes[..<n])) }
    }
    #expect(throws: DecodingFailure.self) { try TopNFormat.decode(bytes + [0]) }
    for at in bytes.indices {
      for flip in 1...255 {
        var copy = bytes
        copy[at] ^= UInt8(flip)
        do {
          let back = try TopNFormat.decode(copy)
          #expect(back.items.allSatisfy { $0.lower >= 0 && $0.upper <= back.total })
        } catch {}
      }
    }
  }
  /// Bounds hold, U ≤ n / N, and unions commute and associate, for random streams pruned at random.
  @Test func boundsHoldInEveryOrderOfUnions() throws {
    for seed in 0..<20 as Range<UInt64> {
      var random = TestRandom(seed)
      let counters: UInt32 = 8
      var exact: [String: Int64] = [:]
      var states: [TopN] = []
      for _ in 0..<12 {
        var state = TopN(TopNParameters(counters: counters))
        for _ in 0..<Int.random(in: 0...60, using: &random) {
          let item =
            "k\(Int(40 * Double.random(in: 0...1, using: &random) * Double.random(in: 0...1, using: &random)))"
          let weight = Int64.random(in: 0...4, using: &random)
          state.add(item, weight: weight)
          exact[item, default: 0] += weight
          if Int.random(in: 0..<10, using: &random) == 0 { state.prune(to: Int(counters)) }
        }
        states.append(state)
      }
      var (a, b, c) = (states[0], states[1], states[2])
      try b.union(c)
      try a.union(b)
      (b, c) = (states[2], states[1])
      try b.union(c)
      try b.union(states[0])
      #expect(a == b)
      while states.count > 1 {
        let x = states.remove(at: Int.random(in: 0..<states.count, using: &random))
        let at = Int.random(in: 0..<states.count, using: &random)
        try states[at].union(x)
        if Bool.random(using: &random) { states[at].prune(to: Int(counters)) }
      }
      let end = states[0]
      #expect(end.total == exact.values.reduce(0, +))
      #expect(end.absent <= end.total / Int64(counters))
      for (key, weight) in exact {
        if let item = end.items.first(where: { $0.key == Array(key.utf8) }) {
          #expect(item.lower <= weight && weight <= item.upper)
        } else {
          #expect(weight <= end.absent)
        }
      }
    }
  }
}
