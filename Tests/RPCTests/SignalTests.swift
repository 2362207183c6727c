// SignalTests.swift — waiting for a signal with a deadline, on a real clock and from other threads: what ends it, and what is kept.
import Capabilities
import NodeRuntime
import Testing

struct SignalTests {
  private func withClock(_ body: (SystemClock) async throws -> Void) async throws {
    let loop = UVLoop()
    defer { loop.stop() }
    try await body(SystemClock(loop))
  }

  @Test func theDeadlineEndsIt() async throws {
    try await withClock { clock in
      let deadline = clock.now + .milliseconds(20)
      await Signal().wait(until: deadline, clock)
      #expect(clock.now >= deadline && clock.now < deadline + .seconds(20))
      // One that has passed is not waited for.
      await Signal().wait(until: deadline, clock)
    }
  }
  @Test func aNotificationEndsItAtOnceAndIsUsedUp() async throws {
    try await withClock { clock in
      for round in 0..<200 {
        let signal = Signal()
        let far = clock.now + .seconds(1000)
        let waiting = Task { await signal.wait(until: far, clock) }
        if round % 2 == 0 { await Task.yield() }
        signal.notify()
        await waiting.value
        let start = clock.now
        await signal.wait(until: start + .milliseconds(1), clock)
        #expect(clock.now >= start + .milliseconds(1))
      }
    }
  }
  @Test func oneThatCameFirstIsKept() async throws {
    try await withClock { clock in
      let signal = Signal()
      signal.notify()
      signal.notify()
      await signal.wait(until: .distantFuture, clock)
      let deadline = clock.now + .milliseconds(5)
      await signal.wait(until: deadline, clock)
      #expect(clock.now >= deadline)
    }
  }
  @Test func cancellationEndsIt() async throws {
    try await withClock { clock in
      for deadline in [clock.now + .seconds(1000), .distantFuture] {
        let waiting = Task { await Signal().wait(until: deadline, clock) }
        waiting.cancel()
        await waiting.value
      }
    }
  }
}
