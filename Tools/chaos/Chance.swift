// Chance.swift — all chance of a run, from one seed: streams forked by purpose, so that one more draw here shifts nothing there.

/// A stream of random numbers (SplitMix64).
struct Chance: RandomNumberGenerator, Sendable {
  private var state: UInt64

  init(seed: UInt64) { state = seed }
  /// A stream of its own for a purpose and a number.
  func fork(_ purpose: String, _ number: Int = 0) -> Chance {
    var seed = Self.mix(state ^ 0xD1B5_4A32_D192_ED03)
    for byte in purpose.utf8 { seed = Self.mix(seed ^ UInt64(byte)) }
    return Chance(seed: Self.mix(seed ^ UInt64(number)))
  }
  /// 64 random bits.
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    return Self.mix(state)
  }
  /// A number below a bound that is not 0.
  mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }
  /// A number in a range.
  mutating func within(_ range: ClosedRange<Int>) -> Int { range.lowerBound + below(range.count) }
  /// True with a probability of `percent` in a hundred.
  mutating func percent(_ percent: Int) -> Bool { below(100) < percent }
  /// A duration in a range of milliseconds.
  mutating func milliseconds(_ range: ClosedRange<Int>) -> Duration { .milliseconds(within(range)) }
  /// One of several.
  mutating func pick<T>(_ choices: [T]) -> T? { choices.isEmpty ? nil : choices[below(choices.count)] }

  private static func mix(_ input: UInt64) -> UInt64 {
    var bits = input
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
