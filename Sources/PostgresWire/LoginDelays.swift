// LoginDelays.swift — makes guessing passwords slow: after a failure, the next attempt for that user from that host waits.
//
// 100 ms after the first failure, doubled by each further one up to 1.6 s; forgotten by a success or after ten minutes. Bounded:
// when the table is full the oldest entry goes. A login never waits beyond its own time limit. Attempts side by side stand in a line,
// each as far behind the one before it as it would be behind a failure.

internal import Capabilities
internal import Synchronization

final class LoginDelays: Sendable {
  private struct Entry {
    var failures: Int
    var last: Instant
    /// When the last attempt that waits will be answered.
    var reserved: Instant
  }
  private static let entriesMax = 4096
  private static let first = Duration.milliseconds(100)
  private static let doublingsMax = 4
  private static let memory = Duration.seconds(600)
  private let entries = Mutex<[String: Entry]>([:])

  private static func key(_ user: String, _ peer: String) -> String { "\(NetworkAddress(peer)?.host ?? peer) \(user)" }

  /// When an attempt may be answered that waits no longer than `patience`: the time is its own, others come behind it.
  ///
  /// Who would have to wait longer gets a time beyond its limit and takes no place: the line is never longer than that.
  func reserve(_ user: String, _ peer: String, now: Instant, patience: Duration) -> Instant {
    entries.withLock { entries in
      let key = Self.key(user, peer)
      guard let entry = entries[key] else { return now }
      if now - entry.last > Self.memory {
        entries[key] = nil
        return now
      }
      let wait = Self.first * (1 << min(entry.failures - 1, Self.doublingsMax))
      let time = max(now, max(entry.last, entry.reserved) + wait)
      if time <= now + patience { entries[key]?.reserved = time }
      return time
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
      let known = entries[key]
      entries[key] = Entry(failures: (known?.failures ?? 0) + 1, last: now, reserved: max(known?.reserved ?? now, now))
    }
  }
  func succeeded(_ user: String, _ peer: String) { entries.withLock { $0[Self.key(user, peer)] = nil } }
}
