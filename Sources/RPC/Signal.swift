// Signal.swift — wakes one waiting task; the waiter looks again at what it waits for.
//
// A notification that comes first is kept (one, however many come); so waiting in a loop misses nothing. Cancellation
// wakes too. Unsafe continuations: each is taken out of the state under the lock before it is resumed, so it is
// resumed exactly once.

internal import Synchronization

final class Signal: Sendable {
  private struct State {
    var isSet = false
    var waiter: UnsafeContinuation<Void, Never>?
  }
  private let state = Mutex(State())

  func notify() {
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
  func wait() async {
    let wasSet = state.withLock { state in
      defer { state.isSet = false }
      return state.isSet
    }
    if wasSet { return }
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
}
