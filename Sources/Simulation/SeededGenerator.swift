// SeededGenerator.swift — all chance of a simulated run: SplitMix64 streams that fork from one seed.
//
// A stream is forked per purpose (a node's randomness, a link's delays, a disk's crashes), so that drawing once more in
// one place does not shift what the others draw.
public import Capabilities
internal import Synchronization

/// A repeatable source of randomness.
public final class SeededGenerator: Random, Sendable {
  private let state: Mutex<UInt64>
  private let origin: UInt64
  /// Starts a stream at `seed`.
  public init(seed: UInt64) {
    origin = seed
    state = Mutex(seed)
  }
  /// 64 random bits.
  public func next() -> UInt64 {
    state.withLock { state in
      state &+= 0x9E37_79B9_7F4A_7C15
      return Self.mix(state)
    }
  }
  /// True with a probability of `percent` in a hundred.
  public func chance(percent: UInt64) -> Bool { next(below: 100) < percent }
  /// A number in a closed range.
  public func next(in range: ClosedRange<UInt64>) -> UInt64 {
    let count = range.upperBound - range.lowerBound
    return count == .max ? next() : range.lowerBound + next(below: count + 1)
  }
  /// A stream of its own for a named purpose; the same name gives the same stream, whatever was drawn before.
  public func fork(_ purpose: String) -> SeededGenerator {
    var seed = Self.mix(origin ^ 0xD1B5_4A32_D192_ED03)
    for byte in purpose.utf8 { seed = Self.mix(seed ^ UInt64(byte)) }
    return SeededGenerator(seed: seed)
  }
  /// SplitMix64's finisher: every input bit reaches every output bit.
  static func mix(_ input: UInt64) -> UInt64 {
    var bits = input
    bits = (bits ^ (bits >> 30)) &* 0xBF58_476D_1CE4_E5B9
    bits = (bits ^ (bits >> 27)) &* 0x94D0_49BB_1331_11EB
    return bits ^ (bits >> 31)
  }
}
