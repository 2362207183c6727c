// FingerprintSet.swift — the states seen so far, as 128-bit fingerprints in one table with open addressing.
//
// Two states with one fingerprint would hide a state from the search: at 10^8 states the chance is about 10^-23.

/// 128 bits of a state.
struct Fingerprint: Equatable {
  var high: UInt64
  var low: UInt64
}

/// A growing set of fingerprints.
struct FingerprintSet: ~Copyable {
  private var slots: UnsafeMutablePointer<Fingerprint>
  private var mask: Int
  private(set) var count = 0

  /// An empty set with room for about 600,000.
  init() {
    mask = 1 << 20 - 1
    slots = Self.makeSlots(mask + 1)
  }
  deinit { slots.deallocate() }

  private static func makeSlots(_ count: Int) -> UnsafeMutablePointer<Fingerprint> {
    let slots = UnsafeMutablePointer<Fingerprint>.allocate(capacity: count)
    slots.initialize(repeating: Fingerprint(high: 0, low: 0), count: count)
    return slots
  }
  /// Brings a fingerprint's slot nearer to the processor; gives its bits so that the load is not left out.
  func touch(_ fingerprint: Fingerprint) -> UInt64 { slots[Int(truncatingIfNeeded: fingerprint.low) & mask].high }
  /// Adds a fingerprint; false when it was there. Two zero words mark a free slot and are never a fingerprint's.
  mutating func insert(_ fingerprint: Fingerprint) -> Bool {
    let free = Fingerprint(high: 0, low: 0)
    var at = Int(truncatingIfNeeded: fingerprint.low) & mask
    while slots[at] != free {
      if slots[at] == fingerprint { return false }
      at = (at &+ 1) & mask
    }
    slots[at] = fingerprint
    count += 1
    if count * 8 > mask * 5 { grow() }
    return true
  }
  private mutating func grow() {
    let (old, oldCount) = (slots, mask + 1)
    mask = oldCount * 2 - 1
    slots = Self.makeSlots(mask + 1)
    for i in 0..<oldCount where old[i] != Fingerprint(high: 0, low: 0) {
      var at = Int(truncatingIfNeeded: old[i].low) & mask
      while slots[at] != Fingerprint(high: 0, low: 0) { at = (at &+ 1) & mask }
      slots[at] = old[i]
    }
    old.deallocate()
  }
}
