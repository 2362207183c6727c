// RowOrder.swift — the order of a batch's rows by several keys.
//
// Each key column becomes 64-bit ranks that compare as its values do (texts by bytes, doubles with NaN last, numerics and intervals
// by dense rank), inverted when descending; so the comparison of two rows touches integers only. Ties keep their order.
import Columns
import Model

/// How one key sorts.
struct RowOrderKey {
  var column: ColumnVector
  var isDescending: Bool
  var nullsFirst: Bool
}

enum RowOrder {
  /// Row numbers in order; the first `limit` only when given.
  static func order(_ keys: [RowOrderKey], count: Int, limit: Int? = nil) -> [UInt32] {
    var ranks: [[Int64]] = []
    for key in keys {
      if let validity = key.column.validity {
        let null: Int64 = key.nullsFirst ? 0 : 1
        ranks.append((0..<count).map { validity[$0] ? 1 - null : null })
      }
      var own = Self.ranks(key.column)
      if key.isDescending { for row in 0..<count { own[row] = ~own[row] } }
      if let validity = key.column.validity {
        for row in 0..<count where !validity[row] { own[row] = 0 }
      }
      ranks.append(own)
    }
    var order = (0..<UInt32(count)).map { $0 }
    guard let first = ranks.first else { return Array(order.prefix(limit ?? count)) }
    let others = Array(ranks.dropFirst())
    first.withUnsafeBufferPointer { first in
      func precedes(_ a: UInt32, _ b: UInt32) -> Bool {
        let (x, y) = (first[Int(a)], first[Int(b)])
        if x != y { return x < y }
        for other in others where other[Int(a)] != other[Int(b)] {
          return other[Int(a)] < other[Int(b)]
        }
        return a < b
      }
      if let limit, limit < count / 4 {
        order = smallest(limit, order, precedes)
      } else {
        order.sort(by: precedes)
      }
    }
    return Array(order.prefix(limit ?? count))
  }
  /// The `limit` first elements in order, by a heap whose root is the last of those kept.
  private static func smallest(
    _ limit: Int,
    _ rows: [UInt32],
    _ precedes: (UInt32, UInt32) -> Bool
  ) -> [UInt32] {
    if limit == 0 { return [] }
    var heap: [UInt32] = []
    heap.reserveCapacity(limit)
    func sink(_ start: Int) {
      var at = start
      while true {
        var child = 2 * at + 1
        if child >= heap.count { return }
        if child + 1 < heap.count && precedes(heap[child], heap[child + 1]) { child += 1 }
        if !precedes(heap[at], heap[child]) { return }
        heap.swapAt(at, child)
        at = child
      }
    }
    for row in rows {
      if heap.count < limit {
        heap.append(row)
        if heap.count == limit {
          for at in stride(from: limit / 2, through: 0, by: -1) { sink(at) }
        }
      } else if precedes(row, heap[0]) {
        heap[0] = row
        sink(0)
      }
    }
    heap.sort(by: precedes)
    return heap
  }

  /// Integers that compare as the column's values do; NULL rows get any.
  static func ranks(_ column: ColumnVector) -> [Int64] {
    // Made once, as every comparison would otherwise read the value again.
    if let values = orderedValues(column) {
      // NULL compares with nothing: among values it would make an order that is none.
      let rows = values.indices.filter { !values[$0].isNull }
      let own = dense(rows.count) { Value.compare(values[rows[$0]], values[rows[$1]], column.type) }
      var ranks = [Int64](repeating: 0, count: values.count)
      for (at, row) in rows.enumerated() { ranks[row] = own[at] }
      return ranks
    }
    switch column.values {
    case .fixed(let v): return v
    case .double(let v): return v.map(rank)
    case .numeric(let v): return dense(v.count) { Numeric.compare(v[$0], v[$1]) }
    case .interval(let v):
      let spans = v.map(\.span)
      return dense(v.count) { spans[$0] < spans[$1] ? -1 : spans[$0] == spans[$1] ? 0 : 1 }
    case .codes(let codes, let dictionary):
      if dictionary.count == 0 { return [Int64](repeating: 0, count: codes.count) }
      // Only the codes in use are ranked: a batch may carry the dictionary of a whole chunk.
      var isUsed = [Bool](repeating: false, count: dictionary.count)
      for code in codes { isUsed[Int(code)] = true }
      let used = (0..<UInt32(dictionary.count)).filter { isUsed[Int($0)] }
      let own = dense(used.count) { a, b in
        dictionary.withText(used[a]) { x in dictionary.withText(used[b]) { y in compareBytes(x, y) }
        }
      }
      var byCode = [Int64](repeating: 0, count: dictionary.count)
      for (at, code) in used.enumerated() { byCode[Int(code)] = own[at] }
      return codes.map { byCode[Int($0)] }
    case .text(let texts):
      return texts.bytes.withUnsafeBytes { raw in
        func text(_ row: Int) -> UnsafeRawBufferPointer {
          UnsafeRawBufferPointer(
            rebasing: raw[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])]
          )
        }
        return dense(texts.count) { compareBytes(text($0), text($1)) }
      }
    case .hll, .topn: fatalError("a \(column.type.name) has no order")
    }
  }
  /// The values of a column whose order is not that of its bytes; nil for others.
  private static func orderedValues(_ column: ColumnVector) -> [Value]? {
    switch column.type {
    case .jsonb, .array, .bpchar: (0..<column.count).map { column.isNull($0) ? .null : column.textValue($0) }
    default: nil
    }
  }
  /// The bits of a double as an integer that compares as PostgreSQL compares doubles (one zero, NaN above all).
  @inline(__always) static func rank(_ value: Double) -> Int64 {
    if value.isNaN { return .max }
    let bits = Int64(bitPattern: value == 0 ? 0 : value.bitPattern)
    return bits < 0 ? bits ^ .max : bits
  }
  private static func dense(_ count: Int, _ compare: (Int, Int) -> Int) -> [Int64] {
    let order = (0..<count).sorted { compare($0, $1) < 0 }
    var ranks = [Int64](repeating: 0, count: count)
    var rank: Int64 = 0
    for at in order.indices {
      if at > 0 && compare(order[at - 1], order[at]) != 0 { rank += 1 }
      ranks[order[at]] = rank
    }
    return ranks
  }
}
