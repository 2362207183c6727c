// DeadlineQueue.swift — the deadlines of a connection's requests, earliest first; one task per connection waits for them.
//
// A binary heap with late removal: what was answered in time stays until it reaches the top, where whoever looks for the earliest
// throws it out (nobody wakes for a request that is done), or until the stale ones outnumber the living, when the heap is built anew.

import Capabilities

struct DeadlineQueue: Sendable {
  private struct Entry: Sendable {
    var deadline: Instant
    var stream: UInt64
    static func < (a: Entry, b: Entry) -> Bool { (a.deadline, a.stream) < (b.deadline, b.stream) }
  }
  private var heap: [Entry] = []

  /// The earliest deadline of a living request.
  mutating func first(living: (UInt64) -> Bool) -> Instant {
    while let top = heap.first {
      if living(top.stream) { return top.deadline }
      removeTop()
    }
    return .distantFuture
  }

  mutating func add(
    _ stream: UInt64,
    _ deadline: Instant,
    living: (UInt64) -> Bool,
    livingCount: Int
  ) {
    guard deadline != .distantFuture else { return }
    if heap.count > 2 * livingCount + 64 {
      heap = heap.filter { living($0.stream) }.sorted { $0 < $1 }
    }
    heap.append(Entry(deadline: deadline, stream: stream))
    var at = heap.count - 1
    while at > 0 && heap[at] < heap[(at - 1) / 2] {
      heap.swapAt(at, (at - 1) / 2)
      at = (at - 1) / 2
    }
  }
  /// Takes out the next stream whose deadline has come.
  mutating func popExpired(_ now: Instant) -> UInt64? {
    guard let top = heap.first, top.deadline <= now else { return nil }
    removeTop()
    return top.stream
  }
  private mutating func removeTop() {
    let last = heap.removeLast()
    if heap.isEmpty { return }
    heap[0] = last
    var at = 0
    while true {
      var least = at
      for child in [2 * at + 1, 2 * at + 2] where child < heap.count && heap[child] < heap[least] { least = child }
      if least == at { break }
      heap.swapAt(at, least)
      at = least
    }
  }
}
