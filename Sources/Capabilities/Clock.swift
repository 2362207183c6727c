// Clock.swift — time as flows see it: monotonic instants for waiting, wall time only to stamp rows and logs.
//
// No decision about safety depends on wall time. The monotonic clock counts suspended time too (CLOCK_BOOTTIME).

/// A point on a node's monotonic clock.
@frozen public struct Instant: Comparable, Hashable, Sendable {
  /// Nanoseconds since an arbitrary start, the same for all instants of one process.
  public var nanoseconds: UInt64
  /// Makes an instant from nanoseconds.
  @inlinable public init(nanoseconds: UInt64) { self.nanoseconds = nanoseconds }
  /// The instant that never comes.
  public static let distantFuture = Instant(nanoseconds: .max)
  /// Earlier is less.
  @inlinable public static func < (a: Instant, b: Instant) -> Bool { a.nanoseconds < b.nanoseconds }
  /// The instant `duration` later; saturates.
  public static func + (a: Instant, duration: Duration) -> Instant {
    let (seconds, attoseconds) = duration.components
    let delta = UInt64(max(0, seconds)).multipliedReportingOverflow(by: 1_000_000_000)
    if delta.overflow { return .distantFuture }
    let sum = a.nanoseconds.addingReportingOverflow(
      delta.partialValue &+ UInt64(max(0, attoseconds) / 1_000_000_000)
    )
    return sum.overflow ? .distantFuture : Instant(nanoseconds: sum.partialValue)
  }
  /// The time from `b` to `a`; zero when `b` is later.
  public static func - (a: Instant, b: Instant) -> Duration {
    .nanoseconds(Int64(clamping: a.nanoseconds < b.nanoseconds ? 0 : a.nanoseconds - b.nanoseconds))
  }
}

/// Tells the time and waits for it.
public protocol Clock: Sendable {
  /// The monotonic time.
  var now: Instant { get }
  /// Wall-clock time in microseconds since 1970-01-01 00:00 UTC; may jump.
  var wallMicroseconds: Int64 { get }
  /// Suspends until `deadline`; throws `CancellationError` at once when the task is cancelled.
  func sleep(until deadline: Instant) async throws
  /// Calls `fire` when `deadline` comes, on any thread, unless it is taken back before, or the node ends. It must not block.
  func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm
}

/// A call that a clock will make.
public protocol Alarm: Sendable {
  /// Takes it back; if it is being made, or was made, nothing happens.
  func cancel()
}

extension Clock {
  /// Suspends for `duration`.
  public func sleep(for duration: Duration) async throws { try await sleep(until: now + duration) }
}

/// Thrown when a deadline passes before the work is done.
public struct DeadlineExceeded: Error, Sendable {
  /// Makes the error.
  public init() {}
}

/// Runs `body`, cancelling it and throwing `DeadlineExceeded` when `deadline` passes first.
public func withDeadline<R: Sendable>(
  _ deadline: Instant,
  _ clock: any Clock,
  _ body: @escaping @Sendable () async throws -> R
) async throws -> R {
  if deadline == .distantFuture { return try await body() }
  return try await withThrowingTaskGroup(of: R?.self) { group in
    group.addTask { try await body() }
    group.addTask {
      try await clock.sleep(until: deadline)
      return nil
    }
    defer { group.cancelAll() }
    guard let first = try await group.next(), let value = first else { throw DeadlineExceeded() }
    return value
  }
}
