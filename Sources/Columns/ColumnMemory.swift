// ColumnMemory.swift — how much memory a column takes, for budgets.
import Model

extension ColumnVector {
  /// About how many bytes the column holds in memory, without its dictionary, which others share.
  public var memoryBytes: Int {
    let own: Int
    switch values {
    case .fixed(let v): own = v.count * 8
    case .double(let v): own = v.count * 8
    case .numeric(let v): own = v.count * MemoryLayout<Numeric>.stride
    case .interval(let v): own = v.count * MemoryLayout<Interval>.stride
    case .text(let v): own = v.bytes.count + v.offsets.count * 4
    case .codes(let v, _): own = v.count * 4
    case .hll(let v): own = v.words.count * 4 + v.count * 5
    case .topn(let v): own = v.codes.count * 20 + v.count * 20
    }
    return own + (validity == nil ? 0 : count / 8)
  }
}
