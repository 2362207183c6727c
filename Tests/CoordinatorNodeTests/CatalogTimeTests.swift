// CatalogTimeTests.swift — a wall clock that jumps neither makes the catalog forget loads nor turns its time back.
import Capabilities
import Testing

@testable import CoordinatorNode

@Suite struct CatalogTimeTests {
  private let day: Int64 = 86_400_000_000
  private func after(_ seconds: UInt64) -> Instant { Instant(nanoseconds: seconds * 1_000_000_000) }

  @Test func itFollowsAClockThatRunsRight() {
    var time = CatalogTime(now: after(0))
    #expect(time.stamp(wall: 5 * day, now: after(10), latest: nil) == 5 * day)
    #expect(time.stamp(wall: 5 * day + 3_000_000, now: after(13), latest: 5 * day) == 5 * day + 3_000_000)
  }
  @Test func aClockTenYearsAheadAgesNoLoad() {
    var time = CatalogTime(now: after(0))
    let stamp = time.stamp(wall: 3650 * day, now: after(60), latest: 5 * day)
    #expect(stamp == 5 * day + 3_600_000_000)
    #expect(time.stamp(wall: 3650 * day, now: after(60), latest: stamp) == stamp)
  }
  @Test func itNeverFalls() {
    var time = CatalogTime(now: after(0))
    #expect(time.stamp(wall: 2 * day, now: after(60), latest: 5 * day) == 5 * day)
  }
}
