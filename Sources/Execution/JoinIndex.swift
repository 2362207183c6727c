// JoinIndex.swift — the rows of a join's right side by their keys.
//
// Keys are numbered by a GroupTable, so they are equal as grouping has it: texts across dictionaries, numerics across scales, both
// zeros, NaN and NaN, intervals of one length. The rows of a number lie together, in the order in which they came.
import Columns
import Model
import Planning

/// Row numbers by key.
final class JoinIndex {
  /// No such key.
  static let none = UInt32.max
  private let table: GroupTable?
  private let matchesNulls: [Bool]
  // While it is filled: the key number of every row.
  private var groups: [UInt32] = []
  private var starts: [UInt32] = []
  private var rows: [UInt32] = []

  /// Without keys all rows have one number.
  init(_ types: [DataType], matchesNulls: [Bool]) {
    table = types.isEmpty ? nil : GroupTable(types)
    self.matchesNulls = matchesNulls
  }
  /// Bytes held.
  var bytes: Int { (table?.bytes ?? 0) + (groups.count + starts.count + rows.count) * 4 }

  /// Takes the next rows' keys; `excluded` rows are never found.
  func add(_ keys: [ColumnVector], count: Int, excluding excluded: Bitmap? = nil) {
    var own = table?.groups(of: keys, count: count) ?? [UInt32](repeating: 0, count: count)
    leaveOutNulls(keys, &own)
    if let excluded { for row in 0..<count where excluded[row] { own[row] = Self.none } }
    groups.append(contentsOf: own)
  }
  /// A NULL matches nothing where the key does not say otherwise.
  private func leaveOutNulls(_ keys: [ColumnVector], _ groups: inout [UInt32]) {
    for (key, matches) in zip(keys, matchesNulls) where !matches {
      guard let validity = key.validity else { continue }
      for row in groups.indices where !validity[row] { groups[row] = Self.none }
    }
  }
  /// Puts the rows of each key together: a counting sort by number.
  func finish() {
    let count = table?.count ?? 1
    var next = [UInt32](repeating: 0, count: count + 1)
    for group in groups where group != Self.none { next[Int(group) + 1] += 1 }
    for group in 0..<count { next[group + 1] += next[group] }
    starts = next
    rows = [UInt32](repeating: 0, count: Int(next[count]))
    rows.withUnsafeMutableBufferPointer { rows in
      next.withUnsafeMutableBufferPointer { next in
        groups.withUnsafeBufferPointer { groups in
          for row in 0..<groups.count where groups[row] != Self.none {
            let group = Int(groups[row])
            rows[Int(next[group])] = UInt32(row)
            next[group] += 1
          }
        }
      }
    }
    groups = []
  }
  /// Whether no row can be found.
  var isEmpty: Bool { rows.isEmpty }

  /// The key number of each probing row; `none` where nothing matches.
  func find(_ keys: [ColumnVector], count: Int) -> [UInt32] {
    if rows.isEmpty { return [UInt32](repeating: Self.none, count: count) }
    var groups = table?.find(keys, count: count) ?? [UInt32](repeating: 0, count: count)
    leaveOutNulls(keys, &groups)
    return groups
  }
  /// Places in `row(at:)` of a number's rows; none for `none`.
  @inline(__always) func places(_ group: UInt32) -> Range<Int> {
    group == Self.none ? 0..<0 : Int(starts[Int(group)])..<Int(starts[Int(group) + 1])
  }
  /// Lends the row numbers, by place.
  func withRows<R>(_ body: (UnsafeBufferPointer<UInt32>) throws -> R) rethrows -> R {
    try rows.withUnsafeBufferPointer(body)
  }
}
