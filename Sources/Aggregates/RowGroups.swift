// RowGroups.swift — rows of equal keys as groups numbered in key order, and rows listed by group.
//
// Groups are found once for all measures: by comparing neighbours when codes already rise, by a direct table when codes are
// few, else by open addressing over the codes; then the distinct codes alone are sorted.
import Columns

/// Groups of rows.
struct RowGroups {
  /// Group of each row; groups are numbered in order of their codes.
  private(set) var groupOf: [UInt32]
  /// Number of groups.
  private(set) var count: Int
  /// First row of each group.
  private(set) var firstRows: [UInt32]

  /// Groups rows by equal keys.
  init(keys: [ColumnVector], rows: Int) { self.init(KeyCodes(keys: keys, rows: rows)) }
  /// Groups rows by equal codes.
  init(_ keys: KeyCodes) {
    let rows = keys.codes.count
    groupOf = []
    count = 0
    firstRows = []
    if rows == 0 { return }
    if keys.highest == 0 {
      (groupOf, count, firstRows) = ([UInt32](repeating: 0, count: rows), 1, [0])
    } else {
      keys.codes.withUnsafeBufferPointer { codes in
        if Self.rises(codes) {
          fromRising(codes)
        } else if keys.highest < UInt64(max(1024, rows)) {
          fromTable(codes, Int(keys.highest) + 1)
        } else {
          fromHashing(codes)
        }
      }
    }
  }
  private static func rises(_ codes: UnsafeBufferPointer<UInt64>) -> Bool {
    for i in 1..<max(1, codes.count) where codes[i - 1] > codes[i] { return false }
    return true
  }
  private mutating func fromRising(_ codes: UnsafeBufferPointer<UInt64>) {
    var firsts = RawArray<UInt32>(capacity: 1024)
    firsts.append(0)
    groupOf = [UInt32](unsafeUninitializedCapacity: codes.count) { out, written in
      written = codes.count
      out[0] = 0
      for i in 1..<max(1, codes.count) {
        if codes[i] != codes[i - 1] { firsts.append(UInt32(i)) }
        out[i] = UInt32(firsts.count - 1)
      }
    }
    count = firsts.count
    firstRows = firsts.array()
  }
  private mutating func fromTable(_ codes: UnsafeBufferPointer<UInt64>, _ size: Int) {
    let table = RawArray<UInt32>(repeating: .max, count: size)
    for i in 0..<codes.count {
      let at = Int(codes[i])
      if table[at] == .max { table[at] = UInt32(i) }
    }
    var firsts = RawArray<UInt32>(capacity: 1024)
    for at in 0..<size where table[at] != .max {
      firsts.append(table[at])
      table[at] = UInt32(firsts.count - 1)
    }
    groupOf = [UInt32](unsafeUninitializedCapacity: codes.count) { out, written in
      written = codes.count
      for i in 0..<codes.count { out[i] = table[Int(codes[i])] }
    }
    count = firsts.count
    firstRows = firsts.array()
  }
  private mutating func fromHashing(_ codes: UnsafeBufferPointer<UInt64>) {
    var table = CodeTable(expected: max(256, codes.count / 8))
    var firsts = RawArray<UInt32>(capacity: 1024)
    groupOf = [UInt32](unsafeUninitializedCapacity: codes.count) { out, written in
      written = codes.count
      var lastCode = ~codes[0]
      var lastGroup: UInt32 = 0
      for i in 0..<codes.count {
        let code = codes[i]
        if code != lastCode {
          lastCode = code
          lastGroup = table.place(code)
          if Int(lastGroup) == firsts.count { firsts.append(UInt32(i)) }
        }
        out[i] = lastGroup
      }
    }
    count = firsts.count
    let order = table.sortedPlaces()
    let rank = RawArray<UInt32>(repeating: 0, count: count)
    firstRows = [UInt32](unsafeUninitializedCapacity: count) { out, written in
      written = order.count
      for i in 0..<order.count {
        rank[Int(order[i])] = UInt32(i)
        out[i] = firsts[Int(order[i])]
      }
    }
    groupOf.withUnsafeMutableBufferPointer { groups in
      for i in 0..<groups.count { groups[i] = rank[Int(groups[i])] }
    }
  }

  /// Rows listed by group, within a group in row order: rows of group g are `rows[starts[g] ..< starts[g + 1]]`.
  func listed() -> (starts: [UInt32], rows: [UInt32]) {
    var starts = [UInt32](repeating: 0, count: count + 1)
    let rows = groupOf.withUnsafeBufferPointer { groups in
      starts.withUnsafeMutableBufferPointer { starts in
        for group in groups { starts[Int(group) + 1] += 1 }
        for g in 0..<count { starts[g + 1] += starts[g] }
        let next = RawArray<UInt32>(repeating: 0, count: max(1, count))
        next.base.update(from: starts.baseAddress!, count: count)
        return [UInt32](unsafeUninitializedCapacity: groups.count) { out, written in
          written = groups.count
          for i in 0..<groups.count {
            let g = Int(groups[i])
            out[Int(next[g])] = UInt32(truncatingIfNeeded: i)
            next[g] &+= 1
          }
        }
      }
    }
    return (starts, rows)
  }
}

/// Gives each distinct 64-bit code a place, in order of first appearance.
struct CodeTable: ~Copyable {
  // Linear probing, at most half full; a free slot has place UInt32.max. Not private: compiler 6.3.1 then emits a broken module.
  struct Slot: BitwiseCopyable {
    var code: UInt64
    var place: UInt32
  }
  private var slots: RawArray<Slot>
  private var mask: Int
  private var shift: UInt64
  private(set) var codes: RawArray<UInt64>

  init(expected: Int) {
    var bits = 8
    while 1 << bits < expected * 2 { bits += 1 }
    mask = 1 << bits - 1
    shift = UInt64(64 - bits)
    slots = RawArray(repeating: Slot(code: 0, place: .max), count: 1 << bits)
    codes = RawArray(capacity: 256)
  }
  var count: Int { codes.count }
  var bytes: Int { slots.bytes + codes.bytes }

  /// The place of a code; a new one, equal to the count before, when it was not seen.
  @inline(__always) mutating func place(_ code: UInt64) -> UInt32 {
    var at = home(of: code)
    while slots[at].place != .max {
      if slots[at].code == code { return slots[at].place }
      at = (at &+ 1) & mask
    }
    return insert(code, at)
  }
  @inline(__always) private func home(of code: UInt64) -> Int {
    let mixed = (code ^ code >> 32) &* 0x9e37_79b9_7f4a_7c15
    return Int(truncatingIfNeeded: mixed >> shift)
  }
  @inline(never) private mutating func insert(_ code: UInt64, _ at: Int) -> UInt32 {
    let place = UInt32(codes.count)
    slots[at] = Slot(code: code, place: place)
    codes.append(code)
    if codes.count * 2 > mask { widen() }
    return place
  }
  private mutating func widen() {
    let size = (mask + 1) * 4
    mask = size - 1
    shift -= 2
    slots = RawArray(repeating: Slot(code: 0, place: .max), count: size)
    for place in 0..<codes.count {
      var at = home(of: codes[place])
      while slots[at].place != .max { at = (at + 1) & mask }
      slots[at] = Slot(code: codes[place], place: UInt32(place))
    }
  }
  /// Places in order of their codes.
  borrowing func sortedPlaces() -> [UInt32] {
    let count = codes.count
    if count < 256 {
      return (0..<UInt32(count)).sorted { codes[Int($0)] < codes[Int($1)] }
    }
    var order = RawArray<UInt32>(capacity: count)
    for i in 0..<count { order.append(UInt32(i)) }
    radixSort(&order, by: codes.base)
    return order.array()
  }
}

/// Sorts indices by the unsigned numbers they point at, stably, eight bits at a time; bits that do not differ cost nothing.
func radixSort(_ order: inout RawArray<UInt32>, by keys: UnsafePointer<UInt64>) {
  let count = order.count
  var differing: UInt64 = 0
  for i in 0..<count { differing |= keys[Int(order[i])] ^ keys[Int(order[0])] }
  var spare = RawArray<UInt32>(repeating: 0, count: max(1, count))
  let starts = RawArray<UInt32>(repeating: 0, count: 257)
  for shift in stride(from: UInt64(0), to: 64, by: 8) where differing >> shift & 0xff != 0 {
    starts.base.update(repeating: 0, count: 257)
    for i in 0..<count { starts[Int(keys[Int(order[i])] >> shift & 0xff) + 1] &+= 1 }
    for b in 0..<256 { starts[b + 1] &+= starts[b] }
    for i in 0..<count {
      let byte = Int(keys[Int(order[i])] >> shift & 0xff)
      spare[Int(starts[byte])] = order[i]
      starts[byte] &+= 1
    }
    swap(&order, &spare)
  }
}
