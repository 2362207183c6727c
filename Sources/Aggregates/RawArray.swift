// RawArray.swift — growing memory of trivial elements for tables and states that are written in hot loops.
//
// A Swift array inside a class checks uniqueness and bounds at every write; this one does neither. Not for sharing.

/// A growing array of elements that need no destruction, in memory it owns.
struct RawArray<Element: BitwiseCopyable>: ~Copyable {
  private(set) var base: UnsafeMutablePointer<Element>
  private(set) var capacity: Int
  private(set) var count = 0

  init(capacity: Int = 16) {
    self.capacity = max(1, capacity)
    base = .allocate(capacity: self.capacity)
  }
  init(repeating value: Element, count: Int) {
    self.init(capacity: count)
    base.initialize(repeating: value, count: count)
    self.count = count
  }
  deinit { base.deallocate() }

  @inline(__always) subscript(index: Int) -> Element {
    get { base[index] }
    nonmutating set { base[index] = newValue }
  }
  /// Makes room for `extra` more elements without adding them.
  @inline(__always) mutating func reserve(_ extra: Int) {
    if count + extra > capacity { widen(count + extra) }
  }
  @inline(never) private mutating func widen(_ needed: Int) {
    let wider = max(capacity * 2, needed)
    let fresh = UnsafeMutablePointer<Element>.allocate(capacity: wider)
    fresh.update(from: base, count: count)
    base.deallocate()
    (base, capacity) = (fresh, wider)
  }
  @inline(__always) mutating func append(_ value: Element) {
    reserve(1)
    base[count] = value
    count += 1
  }
  mutating func append(_ values: UnsafePointer<Element>, count extra: Int) {
    reserve(extra)
    (base + count).update(from: values, count: extra)
    count += extra
  }
  /// Counts in elements that were written behind `count` after `reserve`.
  @inline(__always) mutating func advance(_ extra: Int) { count += extra }
  /// Lengthens to `length` with copies of `value`; never shortens.
  mutating func grow(to length: Int, with value: Element) {
    guard length > count else { return }
    reserve(length - count)
    (base + count).initialize(repeating: value, count: length - count)
    count = length
  }
  mutating func removeAll() { count = 0 }
  var bytes: Int { capacity * MemoryLayout<Element>.stride }
  borrowing func array() -> [Element] { Array(UnsafeBufferPointer(start: base, count: count)) }
  borrowing func array(_ length: Int) -> [Element] {
    Array(UnsafeBufferPointer(start: base, count: length))
  }
}
