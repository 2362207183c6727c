// MemChunk.swift — an immutable view of rows in memory, in log order, with the position of each.
//
// Columns lie in row buffers that the memtable goes on filling behind the rows a chunk shows; a chunk never sees those. A
// border (end, position) says that the rows from the border before it up to `end` came with the entry at `position`.
import Bytes
public import Columns
public import Model

/// Rows up to (not including) `end` have `position`.
@frozen public struct RowBorder: Equatable, Sendable {
  /// End of the rows, counted within the chunk.
  public var end: UInt32
  /// Log position of the rows.
  public var position: LogPosition
  /// Makes a border.
  public init(end: UInt32, position: LogPosition) {
    self.end = end
    self.position = position
  }
}

/// Memory for up to `capacity` values. The memtable writes at places no chunk shows yet; nobody else writes.
final class RowBuffer<Element: BitwiseCopyable>: @unchecked Sendable {
  // Unchecked: a chunk reads places below its own row count only, and those were written before the chunk was made.
  let start: UnsafeMutablePointer<Element>
  let capacity: Int
  init(capacity: Int) {
    self.capacity = capacity
    start = .allocate(capacity: max(1, capacity))
  }
  deinit { start.deallocate() }
  /// A buffer of `wider` places with the first `count` copied.
  func grown(to wider: Int, keeping count: Int) -> RowBuffer {
    let fresh = RowBuffer(capacity: wider)
    fresh.start.initialize(from: start, count: count)
    return fresh
  }
  func array(_ range: Range<Int>) -> [Element] {
    Array(UnsafeBufferPointer(start: start + range.lowerBound, count: range.count))
  }
}

/// Rows of one relation in memory. Of states: one run, sorted by its keys, all of one position.
public struct MemChunk: Sendable {
  enum Values: Sendable {
    case fixed(RowBuffer<Int64>)
    case double(RowBuffer<Double>)
    case numeric(RowBuffer<Numeric>)
    case interval(RowBuffer<Interval>)
    case codes(RowBuffer<UInt32>, TextDictionary)
    /// A column that came as it is (states, and sketches in raw tables).
    case whole(ColumnVector)
  }
  struct Stored: Sendable {
    var type: DataType
    var values: Values
    /// One byte a row, 1 = not NULL; nil = no NULLs.
    var validity: RowBuffer<UInt8>?
  }
  /// Rows `offset ..< offset + count` of the buffers.
  let offset: Int
  let stored: [Stored]
  let borderBuffer: RowBuffer<RowBorder>
  let borderRange: Range<Int>
  /// Deleted rows, counted from the chunk's first.
  var deleted: RowSet?
  /// Number of rows.
  public let count: Int
  /// Position of the first row.
  public let low: LogPosition
  /// Position of the last row.
  public let high: LogPosition

  init(
    offset: Int,
    count: Int,
    stored: [Stored],
    borderBuffer: RowBuffer<RowBorder>,
    borderRange: Range<Int>
  ) {
    invariant(!borderRange.isEmpty && count > 0, "a chunk without rows")
    self.offset = offset
    self.count = count
    self.stored = stored
    self.borderBuffer = borderBuffer
    self.borderRange = borderRange
    low = borderBuffer.start[borderRange.lowerBound].position
    high = borderBuffer.start[borderRange.upperBound - 1].position
  }
  /// Borders of the rows, ends counted from the chunk's first row.
  public var borders: [RowBorder] {
    borderRange.map {
      let border = borderBuffer.start[$0]
      return RowBorder(end: border.end - UInt32(offset), position: border.position)
    }
  }
  /// Number of columns; relations that gained columns later show what is missing for the rest.
  public var columnCount: Int { stored.count }

  /// How many rows, from the first, have positions at or below `position`.
  public func rows(through position: LogPosition) -> Int {
    var (low, high) = (borderRange.lowerBound, borderRange.upperBound)
    while low < high {
      let middle = (low + high) / 2
      if borderBuffer.start[middle].position <= position { low = middle + 1 } else { high = middle }
    }
    return low == borderRange.lowerBound ? 0 : Int(borderBuffer.start[low - 1].end) - offset
  }
  /// The wanted columns of a range of rows; `layout` is the relation's.
  public func batch(columns: [Int], rows: Range<Int>, layout: RelationLayout) -> Batch {
    invariant(rows.lowerBound >= 0 && rows.upperBound <= count, "rows \(rows) of a chunk of \(count)")
    return Batch(
      count: rows.count,
      columns: columns.map { at in
        at < stored.count ? layout.typed(vector(stored[at], rows), at) : layout.absent(at, count: rows.count)
      }
    )
  }
  private func vector(_ column: Stored, _ rows: Range<Int>) -> ColumnVector {
    let range = rows.lowerBound + offset..<rows.upperBound + offset
    let values: ColumnVector.Values
    switch column.values {
    case .fixed(let buffer): values = .fixed(buffer.array(range))
    case .double(let buffer): values = .double(buffer.array(range))
    case .numeric(let buffer): values = .numeric(buffer.array(range))
    case .interval(let buffer): values = .interval(buffer.array(range))
    case .codes(let buffer, let dictionary): values = .codes(buffer.array(range), dictionary)
    case .whole(let vector): return vector.slice(range)
    }
    guard let bytes = column.validity else { return ColumnVector(column.type, values) }
    var words = [UInt64](repeating: 0, count: (range.count + 63) / 64)
    words.withUnsafeMutableBufferPointer { words in
      for i in 0..<range.count { words[i >> 6] |= UInt64(bytes.start[range.lowerBound + i]) << UInt64(i & 63) }
    }
    return ColumnVector(column.type, values, validity: Bitmap(words: words, count: range.count))
  }
  /// A key column of a run as it came, for searching; nil for columns in row buffers and texts (whose codes have no order).
  func wholeColumn(_ at: Int) -> ColumnVector? {
    guard offset == 0, at < stored.count, case .whole(let vector) = stored[at].values, vector.type.layout == .fixed
    else { return nil }
    return vector
  }
  /// The rows from `first` on as a chunk of their own, sharing memory; nil when none are left.
  func dropping(_ first: Int) -> MemChunk? {
    guard first > 0 else { return self }
    guard first < count else { return nil }
    var border = borderRange.lowerBound
    while Int(borderBuffer.start[border].end) - offset <= first { border += 1 }
    return MemChunk(
      offset: offset + first,
      count: count - first,
      stored: stored,
      borderBuffer: borderBuffer,
      borderRange: border..<borderRange.upperBound
    )
  }
}
