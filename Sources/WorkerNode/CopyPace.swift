// CopyPace.swift — how fast a worker fetches files of shards that it copies: all of them together at a steady rate, so that rows and
// queries keep disk and network (protocol.md §2.13: 50 MB/s a node). A value; who fetches waits until the moment that it gives.
import Capabilities

/// A rate shared by all copies.
struct CopyPace: Sendable {
  private let bytesPerSecond: Int
  private var freeAt = Instant(nanoseconds: 0)

  /// A rate of at least one byte a second.
  init(bytesPerSecond: Int) { self.bytesPerSecond = max(1, bytesPerSecond) }
  /// When the next so many bytes may be asked for. Time in which nothing was copied is not made up for.
  mutating func take(_ bytes: Int, now: Instant) -> Instant {
    let start = max(now, freeAt)
    freeAt = start + .microseconds(Int64(bytes) * 1_000_000 / Int64(bytesPerSecond))
    return start
  }
}
