// SortOrder.swift — the order of rows by integer keys: a stable radix sort of row numbers.
//
// Keys are packed side by side into as few 64-bit words as hold them (each costs only the bits of its own range), so that tenant,
// day and time of a usual section are one word and a handful of passes.
import Bytes
import Columns
import Model

/// One key of every row, order-preserving as unsigned; the most significant key stands first in a list of keys.
struct OrderKey {
  var values: [UInt64]
  /// Bits of the greatest value.
  var bits: Int

  /// Takes over values, shifting them so that the least is zero.
  init(_ raw: [UInt64]) {
    var (low, high) = (UInt64.max, UInt64.min)
    for x in raw {
      low = min(low, x)
      high = max(high, x)
    }
    if raw.isEmpty { (low, high) = (0, 0) }
    let least = low
    values = least == 0 ? raw : raw.map { $0 &- least }
    bits = 64 - (high &- low).leadingZeroBitCount
  }
  /// Keys of a column: NULLs last.
  static func keys(of column: ColumnVector) -> [OrderKey] {
    var raw: [UInt64]
    switch column.values {
    case .fixed(let v): raw = v.map { UInt64(bitPattern: $0) ^ (1 << 63) }
    case .codes(let v, _): raw = v.map { UInt64($0) }
    case .double(let v):
      raw = v.map { value in
        let bits = value.isNaN ? Double.nan.bitPattern : (value == 0 ? 0 : value.bitPattern)
        return bits >> 63 == 1 ? ~bits : bits | (1 << 63)
      }
    default: fatalError("a \(column.type.name) column cannot be a sort key of raw rows")
    }
    guard let validity = column.validity else { return [OrderKey(raw)] }
    var nulls = [UInt64](repeating: 0, count: raw.count)
    let filler = raw.min() ?? 0
    for i in 0..<raw.count where !validity[i] {
      nulls[i] = 1
      raw[i] = filler
    }
    return [OrderKey(nulls), OrderKey(raw)]
  }
}

enum SortOrder {
  /// Row numbers by rising keys; rows with equal keys stay in their order. Nil when the rows stand in order already.
  static func permutation(_ keys: [OrderKey], count: Int) -> [UInt32]? {
    invariant(count <= Int(UInt32.max), "sorting \(count) rows")
    let words = packed(keys, count)
    if words.isEmpty || words.count == 1 && isRising(words[0].values) { return nil }
    var order = [UInt32](unsafeUninitializedCapacity: count) { out, written in
      for i in 0..<count { out[i] = UInt32(truncatingIfNeeded: i) }
      written = count
    }
    for word in words.reversed() { radixSort(&order, word.values, bits: word.bits) }
    return order
  }
  private static func isRising(_ values: [UInt64]) -> Bool {
    values.withUnsafeBufferPointer { v in
      for i in 1..<max(1, v.count) where v[i] < v[i &- 1] { return false }
      return true
    }
  }
  /// Neighbouring keys in common words, most significant first; constant keys fall out.
  private static func packed(_ keys: [OrderKey], _ count: Int) -> [OrderKey] {
    var words: [OrderKey] = []
    for key in keys.reversed() where key.bits > 0 {
      if let last = words.last, last.bits + key.bits <= 64 {
        let shift = UInt64(last.bits)
        let at = words.count - 1
        words[at].values.withUnsafeMutableBufferPointer { out in
          key.values.withUnsafeBufferPointer { add in
            for i in 0..<count { out[i] |= add[i] << shift }
          }
        }
        words[at].bits += key.bits
      } else {
        words.append(key)
      }
    }
    return words.reversed()
  }
  private static func radixSort(_ order: inout [UInt32], _ key: [UInt64], bits: Int) {
    let digit = 11
    let count = order.count
    typealias Entry = (key: UInt64, row: UInt32)
    withUnsafeTemporaryAllocation(of: Int.self, capacity: 1 << digit) { places in
      let memory = UnsafeMutablePointer<Entry>.allocate(capacity: count * 2)
      defer { memory.deallocate() }
      var (from, to) = (memory, memory + count)
      order.withUnsafeBufferPointer { order in
        key.withUnsafeBufferPointer { key in
          for i in 0..<count { (from + i).initialize(to: (key[Int(order[i])], order[i])) }
        }
      }
      let mask = UInt64(1 << digit) - 1
      var shift: UInt64 = 0
      while shift < UInt64(bits) {
        places.initialize(repeating: 0)
        for i in 0..<count { places[Int(truncatingIfNeeded: (from[i].key &>> shift) & mask)] &+= 1 }
        var total = 0
        for p in 0..<places.count {
          let own = places[p]
          places[p] = total
          total &+= own
        }
        for i in 0..<count {
          let slot = Int(truncatingIfNeeded: (from[i].key &>> shift) & mask)
          (to + places[slot]).initialize(to: from[i])
          places[slot] &+= 1
        }
        (from, to) = (to, from)
        shift += UInt64(digit)
      }
      order.withUnsafeMutableBufferPointer { order in
        for i in 0..<count { order[i] = from[i].row }
      }
    }
  }
}
