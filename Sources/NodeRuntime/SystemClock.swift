// SystemClock.swift — the machine's time, and the sleeping of flows on a loop.
//
// Waiting uses CLOCK_BOOTTIME, which counts suspended time; wall time is for stamps only.
internal import Bytes
internal import CUV
public import Capabilities
internal import Glibc

/// The system's clocks; sleeps end on the loop.
public struct SystemClock: Clock {
  private let loop: UVLoop
  /// Makes a clock whose sleeps are timed by `loop`.
  public init(_ loop: UVLoop) { self.loop = loop }
  /// CLOCK_BOOTTIME.
  public var now: Instant { bootTime() }
  /// CLOCK_REALTIME in microseconds.
  public var wallMicroseconds: Int64 { wallTime() }
  /// Suspends until `deadline`; cancellable from any thread.
  public func sleep(until deadline: Instant) async throws {
    if deadline <= now { return try Task.checkCancellation() }
    let waiter = Waiter<Void>()
    let timer = LoopTimer()
    let loop = self.loop
    try await withTaskCancellationHandler {
      try await withCheckedThrowingContinuation { continuation in
        let isRunning = loop.perform {
          guard waiter.attach(continuation) else { return }
          if loop.isStopping { return waiter.settle(.failure(CancellationError())) }
          loop.timers.start(timer, at: deadline) { isDue in
            waiter.settle(isDue ? .success(()) : .failure(CancellationError()))
          }
        }
        if !isRunning { continuation.resume(throwing: CancellationError()) }
      }
    } onCancel: {
      _ = loop.perform {
        loop.timers.cancel(timer)
        waiter.settle(.failure(CancellationError()))
      }
    }
  }
}

extension SystemClock {
  /// Calls `fire` on the loop's thread.
  public func alarm(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) -> any Alarm {
    let alarm = LoopAlarm(loop)
    alarm.start(at: deadline, fire)
    return alarm
  }
}

/// A timer of a loop that calls.
private struct LoopAlarm: Alarm {
  private let loop: UVLoop
  private let timer = LoopTimer()
  init(_ loop: UVLoop) { self.loop = loop }
  func start(at deadline: Instant, _ fire: @escaping @Sendable () -> Void) {
    let (loop, timer) = (loop, timer)
    // A loop that has ended calls nobody any more.
    _ = loop.perform {
      if !loop.isStopping { loop.timers.start(timer, at: deadline) { isDue in if isDue { fire() } } }
    }
  }
  func cancel() {
    let (loop, timer) = (loop, timer)
    _ = loop.perform { loop.timers.cancel(timer) }
  }
}

/// Reads CLOCK_REALTIME in microseconds.
func wallTime() -> Int64 {
  var time = timespec()
  invariant(clock_gettime(CLOCK_REALTIME, &time) == 0, "clock_gettime(CLOCK_REALTIME) failed")
  return Int64(time.tv_sec) &* 1_000_000 &+ Int64(time.tv_nsec) / 1000
}

/// One suspended call on a loop: settled once, by whoever comes first (result, failure or cancellation).
final class Waiter<Value: Sendable>: @unchecked Sendable {
  // Safe: touched by the loop's thread only.
  private var continuation: CheckedContinuation<Value, any Error>?
  private var early: Result<Value, any Error>?
  private(set) var isSettled = false

  /// Takes the continuation; false (and resumed) when the call was cancelled before it began.
  func attach(_ continuation: CheckedContinuation<Value, any Error>) -> Bool {
    if let early {
      continuation.resume(with: early)
      return false
    }
    self.continuation = continuation
    return true
  }
  /// Resumes the call; later results are ignored.
  func settle(_ result: Result<Value, any Error>) {
    if isSettled { return }
    isSettled = true
    guard let continuation else {
      early = result
      return
    }
    self.continuation = nil
    continuation.resume(with: result)
  }
}
