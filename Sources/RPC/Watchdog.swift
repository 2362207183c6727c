// Watchdog.swift — looks after something without a task of its own: a function that an alarm calls, and that says when to call it again.
//
// A connection has one at each end, and most requests are answered long before it looks. Invariants: one look at a time; after `end` none
// begins, and the function is let go.
import Capabilities
internal import Synchronization

final class Watchdog: Sendable {
  private struct State {
    var look: (@Sendable (Instant) -> Instant?)?
    var alarm: (any Alarm)?
    /// When it looks next; while it looks: when others want the next look.
    var at = Instant.distantFuture
    var isLooking = false
  }
  private let clock: any Clock
  private let state = Mutex(State())

  init(_ clock: any Clock) { self.clock = clock }

  /// Looks now, and then whenever `look` says; nil ends it. `look` gets the time and must not block.
  func start(_ look: @escaping @Sendable (_ now: Instant) -> Instant?) {
    state.withLock { $0.look = look }
    fire()
  }
  /// Has it look at `time` at the latest.
  func expect(by time: Instant) {
    state.withLock { state in
      guard state.look != nil, time < state.at else { return }
      state.at = time
      if !state.isLooking { arm(&state) }
    }
  }
  /// Looks no more.
  func end() {
    state.withLock { state in
      state.look = nil
      state.alarm?.cancel()
      state.alarm = nil
    }
  }

  private func arm(_ state: inout State) {
    state.alarm?.cancel()
    state.alarm = state.at == .distantFuture ? nil : clock.alarm(at: state.at) { self.fire() }
  }
  private func fire() {
    let look = state.withLock { state -> (@Sendable (Instant) -> Instant?)? in
      // An alarm that was taken back too late comes while another look is under way: that one is followed by one more.
      if state.isLooking {
        state.at = clock.now
        return nil
      }
      guard let look = state.look else { return nil }
      (state.isLooking, state.at) = (true, .distantFuture)
      return look
    }
    guard let look else { return }
    let next = look(clock.now)
    state.withLock { state in
      state.isLooking = false
      guard let next, state.look != nil else { return state.look = nil }
      state.at = min(state.at, next)
      arm(&state)
    }
  }
}
