// ComparisonKernels.swift — = <> < <= > >= over blocks, and IN lists.
//
// Fixed values and doubles compare as integers in one loop; other types give a sign a row first, which then compares with zero.
import Bytes
import Columns
import Model
import Planning

enum ComparisonKernels {
  /// 1 where the comparison holds, 0 elsewhere; NULL rows get any.
  static func compare(_ function: Function, _ a: Operand, _ b: Operand, count: Int) -> [Int64] {
    switch a.type.layout {
    case .fixed: return compare(function, a.fixed, a.mask, b.fixed, b.mask, count)
    case .double:
      return compare(
        function,
        a.double.map(RowOrder.rank),
        a.mask,
        b.double.map(RowOrder.rank),
        b.mask,
        count
      )
    default: return compare(function, signs(a, b, count: count), -1, [0], 0, count)
    }
  }
  /// Negative, zero or positive a row.
  private static func signs(_ a: Operand, _ b: Operand, count: Int) -> [Int64] {
    switch a.type.layout {
    case .numeric:
      let (x, y) = (a.numeric, b.numeric)
      return (0..<count).map { Int64(Numeric.compare(x[$0 & a.mask], y[$0 & b.mask])) }
    case .interval:
      let (x, y) = (a.interval, b.interval)
      return (0..<count).map { Int64(Interval.compare(x[$0 & a.mask], y[$0 & b.mask])) }
    case .text where !a.type.ordersByBytes || !b.type.ordersByBytes:
      // Values of such types are read once a row; rows that are NULL have none.
      let type = a.type.ordersByBytes ? b.type : a.type
      return (0..<count).map { row in
        let (x, y) = (row & a.mask, row & b.mask)
        if a.column.isNull(x) || b.column.isNull(y) { return 0 }
        return Int64(Value.compare(a.column.textValue(x), b.column.textValue(y), type))
      }
    case .text:
      return a.withTexts { x in
        b.withTexts { y in (0..<count).map { Int64(compareBytes(x[$0 & a.mask], y[$0 & b.mask])) } }
      }
    default: fatalError("\(a.type.name) does not compare")
    }
  }
  private static func compare(
    _ function: Function,
    _ a: [Int64],
    _ aMask: Int,
    _ b: [Int64],
    _ bMask: Int,
    _ count: Int
  ) -> [Int64] {
    switch function {
    case .equal: loop(a, aMask, b, bMask, count) { $0 == $1 }
    case .notEqual: loop(a, aMask, b, bMask, count) { $0 != $1 }
    case .less: loop(a, aMask, b, bMask, count) { $0 < $1 }
    case .lessOrEqual: loop(a, aMask, b, bMask, count) { $0 <= $1 }
    case .greater: loop(a, aMask, b, bMask, count) { $0 > $1 }
    case .greaterOrEqual: loop(a, aMask, b, bMask, count) { $0 >= $1 }
    default: fatalError("\(function) is no comparison")
    }
  }
  @inline(__always) private static func loop(
    _ a: [Int64],
    _ aMask: Int,
    _ b: [Int64],
    _ bMask: Int,
    _ count: Int,
    _ holds: (Int64, Int64) -> Bool
  ) -> [Int64] {
    a.withUnsafeBufferPointer { a in
      b.withUnsafeBufferPointer { b in
        [Int64](unsafeUninitializedCapacity: count) { out, written in
          written = count
          if count == 0 { return }
          if aMask == 0 {
            let x = a[0]
            if bMask == 0 {
              out.initialize(repeating: holds(x, b[0]) ? 1 : 0)
            } else {
              for row in 0..<count { out[row] = holds(x, b[row]) ? 1 : 0 }
            }
          } else if bMask == 0 {
            let y = b[0]
            for row in 0..<count { out[row] = holds(a[row], y) ? 1 : 0 }
          } else {
            for row in 0..<count { out[row] = holds(a[row], b[row]) ? 1 : 0 }
          }
        }
      }
    }
  }

  /// 1 where the value is in the list.
  static func isIn(_ a: Operand, _ values: [Value], count: Int) -> [Int64] {
    switch a.type.layout {
    case .fixed:
      let list = values.compactMap { if case .fixed(let v) = $0 { v } else { nil } }
      return isIn(a.fixed, a.mask, list, count)
    case .double:
      let list = values.compactMap { if case .double(let v) = $0 { RowOrder.rank(v) } else { nil } }
      return isIn(a.double.map(RowOrder.rank), a.mask, list, count)
    case .numeric:
      let own = a.numeric
      let list = values.compactMap { if case .numeric(let v) = $0 { v } else { nil } }
      return (0..<count).map { row in
        list.contains { Numeric.compare($0, own[row & a.mask]) == 0 } ? 1 : 0
      }
    case .interval:
      let own = a.interval
      let list = values.compactMap { if case .interval(let v) = $0 { v } else { nil } }
      return (0..<count).map { row in
        list.contains { Interval.compare($0, own[row & a.mask]) == 0 } ? 1 : 0
      }
    case .text where !a.type.ordersByBytes:
      return (0..<count).map { row in
        let at = row & a.mask
        if a.column.isNull(at) { return 0 }
        let own = a.column.textValue(at)
        return values.contains { Value.compare($0, own, a.type) == 0 } ? 1 : 0
      }
    case .text:
      let list = values.compactMap { if case .bytes(let v) = $0 { v } else if case .text(let v) = $0 { Array(v.utf8) } else { nil } }
      let sorted = list.sorted { x, y in x.lexicographicallyPrecedes(y) }
      return a.withTexts { texts in
        (0..<count).map { row in
          let text = texts[row & a.mask]
          var (low, high) = (0, sorted.count)
          while low < high {
            let middle = (low + high) / 2
            let order = sorted[middle].withUnsafeBytes { compareBytes($0, text) }
            if order == 0 { return 1 }
            if order < 0 { low = middle + 1 } else { high = middle }
          }
          return 0
        }
      }
    case .hll, .topn: fatalError("\(a.type.name) does not compare")
    }
  }
  private static func isIn(_ a: [Int64], _ mask: Int, _ list: [Int64], _ count: Int) -> [Int64] {
    let sorted = list.sorted()
    return (0..<count).map { row in
      let value = a[row & mask]
      if sorted.count <= 8 { return sorted.contains(value) ? 1 : 0 }
      var (low, high) = (0, sorted.count)
      while low < high {
        let middle = (low + high) / 2
        if sorted[middle] < value { low = middle + 1 } else { high = middle }
      }
      return low < sorted.count && sorted[low] == value ? 1 : 0
    }
  }
}
