// CatalogTime.swift — the time by which the catalog tells how old a named producer is: a wall clock that is not believed at once.
//
// It never falls, and grows at most by an hour in a minute that really passed, as log time of shards does (protocol.md §2.16, wall clock
// jumps): else one look at a clock that is years ahead would make the catalog forget every load, and repeating one would count its rows
// again. After a long stop of the whole cluster it lags behind for a while; then a producer is taken to be younger than it is, which the
// shards' own memory of keys corrects.
import Capabilities

struct CatalogTime: Sendable {
  /// Microseconds it may gain for each that really passed.
  static let rate: Int64 = 60
  private var stampedAt: Instant

  /// Begins when this coordinator does.
  init(now: Instant) { stampedAt = now }

  /// The time of a command, `latest` being that of the one before.
  mutating func stamp(wall: Int64, now: Instant, latest: Int64?) -> Int64 {
    defer { stampedAt = now }
    guard let latest else { return wall }
    let (seconds, attoseconds) = (now - stampedAt).components
    let passed = min(seconds, 1 << 32) * 1_000_000 + attoseconds / 1_000_000_000_000
    return max(latest, min(wall, latest + passed * Self.rate))
  }
}
