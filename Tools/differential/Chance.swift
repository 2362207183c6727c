// Chance.swift — the seeded numbers that everything is drawn from (splitmix64): the same seed makes the same statements anywhere.

struct Chance {
  private var state: UInt64
  init(_ seed: UInt64) { state = seed &* 0x2545_f491_4f6c_dd1d &+ 0x9e37_79b9 }
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var z = state
    z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
    z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
    return z ^ (z >> 31)
  }
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  mutating func between(_ low: Int, _ high: Int) -> Int { low + below(high - low + 1) }
  mutating func percent(_ chance: Int) -> Bool { below(100) < chance }
  mutating func pick<T>(_ list: [T]) -> T { list[below(list.count)] }
  /// Picks by weight.
  mutating func weighted<T>(_ list: [(Int, T)]) -> T {
    var left = below(list.reduce(0) { $0 + $1.0 })
    for (weight, item) in list {
      if left < weight { return item }
      left -= weight
    }
    return list[list.count - 1].1
  }
}
