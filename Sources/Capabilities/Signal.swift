// Signal.swift — wakes one waiting task; the waiter looks again at what it waits for.
//
// A notification that comes first is kept (one, however many come); so waiting in a loop misses nothing. Cancellation
// wakes too. Unsafe continuations: each is taken out of the state under the lock before it is resumed, so it is
// resumed exactly once.

internal import Synchronization

/// Wakes one waiting task.
public final class Signal: Sendable {
  private struct State {
    var isSet = false
    var waiter: UnsafeContinuation<Void, Never>?
  }
  private let state = Mutex(State())
  /// Makes one that nobody has notified.
  public init() {}

  /// Wakes the task that waits, or the next one that does.
  public func notify() {
    let waiter = state.withLock { state -> UnsafeContinuation<Void, Never>? in
      if let waiter = state.waiter {
        state.waiter = nil
        return waiter
      }
      state.isSet = true
      return nil
    }
    waiter?.resume()
  }
  /// Returns after the next notification, at once if one is kept or the task is cancelled.
  ///
  /// One task at a time.
  public func wait() async {
    if take() { return }
    await withTaskCancellationHandler {
      await withUnsafeContinuation { (continuation: UnsafeContinuation<Void, Never>) in
        let isReady = state.withLock { state in
          if state.isSet || Task.isCancelled {
            state.isSet = false
            return true
          }
          state.waiter = continuation
          return false
        }
        if isReady { continuation.resume() }
      }
    } onCancel: {
      notify()
    }
  }
  /// The same, but returns at `deadline` at the latest.
  public func wait(until deadline: Instant, _ clock: any Clock) async {
    if take() || Task.isCancelled || deadline <= clock.now { return }
    if deadline == .distantFuture { return await wait() }
    let alarm = clock.alarm(at: deadline) { self.notify() }
    await wait()
    alarm.cancel()
  }
  private func take() -> Bool {
    state.withLock { state in
      defer { state.isSet = false }
      return state.isSet
    }
  }
}
