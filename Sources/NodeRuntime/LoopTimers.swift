// LoopTimers.swift — all waiting on one loop: a heap of deadlines behind a single libuv timer.
//
// One libuv timer for all, because every request races a deadline and a handle per sleep would be allocated and closed
// for nothing. Cancelled entries stay in the heap until they surface or outnumber the live ones. Deadlines are instants
// of CLOCK_BOOTTIME; libuv counts CLOCK_MONOTONIC, so the timer is never armed for more than a second: after the
// machine was suspended, sleepers wake within that second. Resolution is one millisecond, rounded up, never early.
internal import Bytes
internal import CUV
internal import Capabilities
internal import Glibc

/// Reads CLOCK_BOOTTIME.
func bootTime() -> Instant {
  var time = timespec()
  invariant(clock_gettime(CLOCK_BOOTTIME, &time) == 0, "clock_gettime(CLOCK_BOOTTIME) failed")
  return Instant(nanoseconds: UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec))
}

/// A deadline on a loop and what to do then. Confined to the loop's thread.
final class LoopTimer: @unchecked Sendable {
  // Safe: touched by the loop's thread only.
  fileprivate var action: ((_ isDue: Bool) -> Void)?
  fileprivate(set) var isCancelled = false
  fileprivate var isQueued = false
}

/// The deadlines of one loop. Confined to the loop's thread.
final class LoopTimers {
  private struct Entry {
    var deadline: UInt64
    var sequence: UInt64
    var timer: LoopTimer
    static func < (a: Entry, b: Entry) -> Bool {
      (a.deadline, a.sequence) < (b.deadline, b.sequence)
    }
  }
  private let handles: LoopHandles
  private var heap: [Entry] = []
  private var sequence: UInt64 = 0
  private var cancelled = 0
  private var armed = UInt64.max

  init(_ handles: LoopHandles) { self.handles = handles }

  /// Calls `action` with true at `deadline`, or with false when the loop stops first; once, unless cancelled.
  func start(_ timer: LoopTimer, at deadline: Instant, _ action: @escaping (_ isDue: Bool) -> Void) {
    timer.action = action
    timer.isQueued = true
    sequence += 1
    heap.append(Entry(deadline: deadline.nanoseconds, sequence: sequence, timer: timer))
    siftUp(heap.count - 1)
  }

  /// Forgets a timer; its action is not called. Before `start` it only leaves the mark.
  func cancel(_ timer: LoopTimer) {
    timer.isCancelled = true
    timer.action = nil
    guard timer.isQueued else { return }
    timer.isQueued = false
    cancelled += 1
    if cancelled > 256 && cancelled > heap.count / 2 {
      heap.removeAll { $0.timer.action == nil }
      heap.sort { $0 < $1 }
      cancelled = 0
    }
  }

  /// Sees to it that the poll ends at the earliest deadline; before every poll.
  func arm() {
    dropCancelled()
    guard let first = heap.first, first.deadline < armed else { return }
    let now = bootTime().nanoseconds
    let wait = first.deadline > now ? (first.deadline - now) : 0
    let milliseconds = min(1000, wait / 1_000_000 + (wait % 1_000_000 == 0 ? 0 : 1))
    armed = min(first.deadline, now + milliseconds * 1_000_000)
    handles.startTimer(milliseconds: milliseconds)
  }

  /// Runs everything that is due; called by the libuv timer.
  func fire() {
    armed = .max
    let now = bootTime().nanoseconds
    while let first = heap.first, first.deadline <= now || first.timer.action == nil {
      settle(pop(), true)
    }
  }

  /// Runs all actions with false; the loop stops.
  func failAll() {
    while !heap.isEmpty { settle(pop(), false) }
  }

  private func settle(_ timer: LoopTimer, _ isDue: Bool) {
    guard let action = timer.action else {
      cancelled -= 1
      return
    }
    timer.action = nil
    timer.isQueued = false
    action(isDue)
  }
  private func dropCancelled() {
    while let first = heap.first, first.timer.action == nil {
      _ = pop()
      cancelled -= 1
    }
  }
  private func pop() -> LoopTimer {
    let timer = heap[0].timer
    let last = heap.removeLast()
    if !heap.isEmpty {
      heap[0] = last
      siftDown()
    }
    return timer
  }
  private func siftUp(_ start: Int) {
    var child = start
    while child > 0 {
      let parent = (child - 1) / 2
      guard heap[child] < heap[parent] else { return }
      heap.swapAt(child, parent)
      child = parent
    }
  }
  private func siftDown() {
    var parent = 0
    while true {
      var least = parent
      for child in [2 * parent + 1, 2 * parent + 2]
      where child < heap.count && heap[child] < heap[least] {
        least = child
      }
      if least == parent { return }
      heap.swapAt(parent, least)
      parent = least
    }
  }
}
