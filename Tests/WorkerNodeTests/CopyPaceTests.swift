// Files that are copied come at a steady rate, whatever the number of copies, and none is saved up while nothing is copied.
import Capabilities
import Testing

@testable import WorkerNode

@Test func copiesShareOneRate() {
  var pace = CopyPace(bytesPerSecond: 50_000_000)
  let begin = Instant(nanoseconds: 7_000_000_000)
  var last = begin
  // Two copies take turns, each asking as soon as it may: 500 pieces of 1 MB.
  for _ in 0..<500 { last = pace.take(1_000_000, now: last) }
  #expect(last - begin == .milliseconds(499 * 20))
  // Two that ask at the same moment wait for each other.
  let now = last + .seconds(1)
  #expect(pace.take(1_000_000, now: now) == now && pace.take(1_000_000, now: now) == now + .milliseconds(20))
  // An idle minute gives no burst.
  let later = now + .seconds(60)
  #expect(pace.take(1_000_000, now: later) == later && pace.take(1, now: later) == later + .milliseconds(20))
}
