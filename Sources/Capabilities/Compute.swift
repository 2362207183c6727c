// Compute.swift — where CPU-heavy synchronous work runs, and where randomness comes from.

/// Runs synchronous functions off the flow's thread.
public protocol Compute: Sendable {
  /// How many functions can run at once.
  var width: Int { get }
  /// Runs `work` on a compute thread and returns its result; waits in line when all are busy.
  func run<R: Sendable>(_ work: @escaping @Sendable () -> R) async -> R
}

extension Compute {
  /// Runs throwing work.
  public func attempt<R: Sendable>(_ work: @escaping @Sendable () throws -> R) async throws -> R {
    try await run { Result { try work() } }.get()
  }
}

/// A source of randomness; seeded in simulation.
public protocol Random: Sendable {
  /// 64 uniformly random bits.
  func next() -> UInt64
}

extension Random {
  /// A uniform number below `bound` (bound > 0).
  public func next(below bound: UInt64) -> UInt64 { next().multipliedFullWidth(by: bound).high }
}
