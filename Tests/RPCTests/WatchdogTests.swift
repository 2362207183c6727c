// WatchdogTests.swift — when a watchdog looks: at the time it asked for, earlier when somebody expects so, and never after its end.
import Capabilities
import NodeRuntime
import Simulation
import Synchronization
import Testing

@testable import RPC

struct WatchdogTests {
  /// Virtual milliseconds at which a watchdog looked that wants to look every 100 ms; `body` gets it at 0 ms.
  private func looks(_ body: @escaping @Sendable (Watchdog, any Clock) async throws -> Void) throws -> [UInt64] {
    let seen = Mutex<[UInt64]>([])
    let world = SimulatedWorld(seed: 1)
    try world.run { world in
      try await world.node("node", host: "a").run { near in
        let watchdog = Watchdog(near.clock)
        let start = near.clock.now
        watchdog.start { now in
          seen.withLock { $0.append((now.nanoseconds - start.nanoseconds) / 1_000_000) }
          return now + .milliseconds(100)
        }
        try await body(watchdog, near.clock)
        watchdog.end()
        try await near.clock.sleep(for: .seconds(1))
      }
    }
    return seen.withLock { $0 }
  }

  @Test func looksWhenItSaidAndNotAfterItsEnd() throws {
    #expect(try looks { _, clock in try await clock.sleep(for: .milliseconds(250)) } == [0, 100, 200])
  }
  @Test func looksEarlierWhenThatIsExpected() throws {
    let seen = try looks { watchdog, clock in
      watchdog.expect(by: clock.now + .milliseconds(500))
      watchdog.expect(by: clock.now + .milliseconds(30))
      watchdog.expect(by: clock.now + .milliseconds(60))
      try await clock.sleep(for: .milliseconds(150))
    }
    #expect(seen == [0, 30, 130])
  }
  @Test func endsByItself() throws {
    let world = SimulatedWorld(seed: 1)
    let seen = Mutex(0)
    try world.run { world in
      try await world.node("node", host: "a").run { near in
        let watchdog = Watchdog(near.clock)
        watchdog.start { _ in
          seen.withLock { $0 += 1 }
          return nil
        }
        watchdog.expect(by: near.clock.now)
        try await near.clock.sleep(for: .seconds(1))
      }
    }
    #expect(seen.withLock { $0 } == 1)
  }
  @Test func threadsThatExpectALookGetOne() async throws {
    let loop = UVLoop()
    defer { loop.stop() }
    let clock = SystemClock(loop)
    let seen = Mutex(0)
    let looking = Mutex(false)
    let watchdog = Watchdog(clock)
    watchdog.start { now in
      #expect(
        looking.withLock { looking in
          defer { looking = true }
          return !looking
        }
      )
      seen.withLock { $0 += 1 }
      looking.withLock { $0 = false }
      return now + .seconds(1000)
    }
    for _ in 0..<100 {
      let before = seen.withLock { $0 }
      await withTaskGroup(of: Void.self) { group in
        for _ in 0..<8 { group.addTask { watchdog.expect(by: clock.now) } }
      }
      let limit = clock.now + .seconds(20)
      while seen.withLock({ $0 }) == before, clock.now < limit { try await clock.sleep(for: .milliseconds(1)) }
      #expect(seen.withLock { $0 } > before)
    }
    watchdog.end()
  }
}
