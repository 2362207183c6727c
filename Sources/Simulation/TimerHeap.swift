// TimerHeap.swift — the timers of a run, earliest first; those of one moment in the order they were set.
//
// The heap moves plain keys; the calls lie beside it in slots. A timer that was taken back stays until it reaches the top.

struct TimerHeap {
  private struct Key {
    var at: UInt64
    var sequence: UInt64
    var slot: Int
    static func < (a: Key, b: Key) -> Bool { a.at != b.at ? a.at < b.at : a.sequence < b.sequence }
  }
  private var heap: [Key] = []
  private var slots: [SimulatedTimer?] = []
  private var free: [Int] = []
  private var sequence: UInt64 = 0

  mutating func add(_ entry: SimulatedTimer, at: UInt64) {
    sequence += 1
    let slot = free.popLast() ?? slots.count
    if slot == slots.count { slots.append(entry) } else { slots[slot] = entry }
    heap.append(Key(at: at, sequence: sequence, slot: slot))
    var child = heap.count - 1
    while child > 0, heap[child] < heap[(child - 1) / 2] {
      heap.swapAt(child, (child - 1) / 2)
      child = (child - 1) / 2
    }
  }
  /// Takes the earliest timer that was not cancelled.
  mutating func pop() -> (at: UInt64, sequence: UInt64, entry: SimulatedTimer)? {
    while let first = heap.first {
      let last = heap.removeLast()
      if !heap.isEmpty { sink(last) }
      free.append(first.slot)
      guard let entry = slots[first.slot].take(), !entry.isCancelled else { continue }
      return (first.at, first.sequence, entry)
    }
    return nil
  }
  /// Puts a key at the top, and down to where it belongs.
  private mutating func sink(_ key: Key) {
    let count = heap.count
    heap.withUnsafeMutableBufferPointer { heap in
      var parent = 0
      while true {
        var child = 2 * parent + 1
        guard child < count else { break }
        if child + 1 < count, heap[child + 1] < heap[child] { child += 1 }
        guard heap[child] < key else { break }
        heap[parent] = heap[child]
        parent = child
      }
      heap[parent] = key
    }
  }
}
