// RetryPolicy.swift — how long to wait before the same request is made again: doubling pauses with jitter until a time to give up.

import Capabilities

/// Pauses between tries of one request.
public struct RetryPolicy: Sendable {
  /// First pause.
  public var shortest: Duration = .milliseconds(50)
  /// Longest pause.
  public var longest: Duration = .seconds(2)
  /// Tries after which a request without a time to give up is given up.
  public var triesMax = 5
  /// The defaults.
  public init() {}
}

/// The tries of one request.
struct RetryState: Sendable {
  private let policy: RetryPolicy
  private let giveUp: Instant
  private(set) var tries = 0

  /// With a time to give up only that ends the tries; else their number does.
  init(_ policy: RetryPolicy, giveUp: Instant) {
    self.policy = policy
    self.giveUp = giveUp
  }
  /// Begins with the shortest pause again: what failed was another's, and has been replaced.
  mutating func restart() { tries = 0 }
  /// Notes a failure; the pause before the next try, or nil when this was the last.
  mutating func pause(now: Instant, random: any Random) -> Duration? {
    tries += 1
    if giveUp == .distantFuture && tries >= policy.triesMax { return nil }
    let whole = min(policy.shortest * (1 << min(tries - 1, 16)), policy.longest)
    let micros = UInt64(max(2, whole / .microseconds(1)))
    let pause = Duration.microseconds(Int64(micros / 2 + random.next(below: micros / 2 + 1)))
    return now + pause < giveUp ? pause : nil
  }
}
