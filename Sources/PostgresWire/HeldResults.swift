// HeldResults.swift — a bound on the rows that wait in memory for their clients to read them, over all sessions of a coordinator.
//
// A query's result is whole before its first row is sent, within the memory of a query; who reads slowly, or one row at a time, holds it.
// So are the rows of RETURNING, which are counted before the change takes effect.
// Results above the bound together are refused (53200) and nothing of them is sent; small ones never are, so a client that reads nothing
// stops no dashboard.

internal import Model
internal import Synchronization

/// What waits for clients.
final class HeldResults: Sendable {
  /// A result's part; given back once, at the latest with the last reference.
  final class Part: Sendable {
    private let all: HeldResults
    private let bytes: Mutex<Int>
    fileprivate init(_ all: HeldResults, _ bytes: Int) {
      self.all = all
      self.bytes = Mutex(bytes)
    }
    deinit { release() }
    func release() {
      let bytes = bytes.withLock { bytes in
        defer { bytes = 0 }
        return bytes
      }
      all.total.withLock { $0 -= bytes }
    }
  }
  /// Results of fewer bytes are not counted.
  static let smallBytes = 256 << 10
  private let limit: Int
  private let total = Mutex(0)

  init(limit: Int) { self.limit = limit }

  /// Takes a result's part; nil for a small one. Throws 53200 when there is no room, unless nothing else waits or what gave the rows cannot
  /// be undone.
  func hold(_ bytes: Int, tookEffect: Bool = false) throws(TallyError) -> Part? {
    guard bytes >= Self.smallBytes else { return nil }
    let held = total.withLock { total -> Int? in
      if !tookEffect, total > 0, total + bytes > limit { return total }
      total += bytes
      return nil
    }
    guard let held else { return Part(self, bytes) }
    throw TallyError(
      .overloaded,
      "results of \(held >> 20) MiB wait for their clients to read them: there is no room for \(bytes >> 20) MiB more",
      sqlState: "53200",
      hint: "Try again, read results to their end or close them; --sql-results of the coordinator is the bound."
    )
  }
}
