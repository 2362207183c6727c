// LoginDelays.swift — makes guessing passwords slow: after a failure, the next attempt for that user from that host waits.
//
// 100 ms after the first failure, doubled by each further one up to 1.6 s; forgotten by a success or after ten minutes. Bounded:
// when the table is full the oldest entry goes. A login never waits beyond its own time limit.

internal import Capabilities
internal import Synchronization

final class LoginDelays: Sendable {
  private struct Entry {
    var failures: Int
    var last: Instant
  }
  private static let entriesMax = 4096
  private static let first = Duration.milliseconds(100)
  private static let doublingsMax = 4
  private static let memory = Duration.seconds(600)
  private let entries = Mutex<[String: Entry]>([:])

  private static func key(_ user: String, _ peer: String) -> String { "\(NetworkAddress(peer)?.host ?? peer) \(user)" }

  /// When the next attempt may be answered.
  func ready(_ user: String, _ peer: String, now: Instant) -> Instant {
    entries.withLock { entries in
      let key = Self.key(user, peer)
      guard let entry = entries[key] else { return now }
      if now - entry.last > Self.memory {
        entries[key] = nil
        return now
      }
      return entry.last + Self.first * (1 << min(entry.failures - 1, Self.doublingsMax))
    }
  }
  func failed(_ user: String, _ peer: String, now: Instant) {
    entries.withLock { entries in
      let key = Self.key(user, peer)
      if entries[key] == nil, entries.count >= Self.entriesMax,
        let oldest = entries.min(by: { ($0.value.last, $0.key) < ($1.value.last, $1.key) })
      {
        entries[oldest.key] = nil
      }
      entries[key] = Entry(failures: (entries[key]?.failures ?? 0) + 1, last: now)
    }
  }
  func succeeded(_ user: String, _ peer: String) { entries.withLock { $0[Self.key(user, peer)] = nil } }
}
