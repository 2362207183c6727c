// RowSet.swift — numbers of rows as rising ranges: which rows of a section or of a memtable are deleted.
//
// Bytes: varint count, ranges: varint gap since the end of the one before (the first: since 0; later ones at least 1), varint length (≥ 1)
import Bytes

/// A set of row numbers.
public struct RowSet: Equatable, Sendable {
  /// Rising, apart from each other, none empty.
  public private(set) var ranges: [Range<Int>] = []

  /// No row has a number from here on.
  static let rowsMax = 1 << 40

  /// An empty set.
  public init() {}
  /// Some rows, rising.
  public init(_ rows: some Sequence<Int>) {
    for row in rows { append(row..<row + 1) }
  }
  /// True without rows.
  public var isEmpty: Bool { ranges.isEmpty }
  /// Number of rows.
  public var count: Int { ranges.reduce(0) { $0 + $1.count } }

  /// Adds rows behind all others; they may touch the last.
  public mutating func append(_ rows: Range<Int>) {
    if rows.isEmpty { return }
    if let last = ranges.last {
      invariant(rows.lowerBound >= last.upperBound, "rows \(rows) after \(last)")
      if last.upperBound == rows.lowerBound {
        ranges[ranges.count - 1] = last.lowerBound..<rows.upperBound
        return
      }
    }
    ranges.append(rows)
  }
  /// Adds another set's rows.
  mutating func formUnion(_ other: RowSet) {
    if other.isEmpty { return }
    if let last = ranges.last, let first = other.ranges.first, last.upperBound > first.lowerBound {
      let all = (ranges + other.ranges).sorted { ($0.lowerBound, $0.upperBound) < ($1.lowerBound, $1.upperBound) }
      var joined: [Range<Int>] = []
      for range in all {
        if let last = joined.last, range.lowerBound <= last.upperBound {
          joined[joined.count - 1] = last.lowerBound..<max(last.upperBound, range.upperBound)
        } else {
          joined.append(range)
        }
      }
      ranges = joined
    } else {
      for range in other.ranges { append(range) }
    }
  }
  /// The part of the set within `rows`, counted from the first of these; nil when it is empty.
  func part(_ rows: Range<Int>) -> RowSet? {
    var part = RowSet()
    var at = partition(0..<ranges.count) { ranges[$0].upperBound > rows.lowerBound }
    while at < ranges.count, ranges[at].lowerBound < rows.upperBound {
      let own = ranges[at].clamped(to: rows)
      part.append(own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound)
      at += 1
    }
    return part.isEmpty ? nil : part
  }
  /// The rows of a range that are not in the set.
  func rest(of rows: Range<Int>) -> [UInt32] {
    var rest: [UInt32] = []
    var next = rows.lowerBound
    for gone in part(rows)?.ranges ?? [] {
      let (low, high) = (gone.lowerBound + rows.lowerBound, gone.upperBound + rows.lowerBound)
      while next < low {
        rest.append(UInt32(next))
        next += 1
      }
      next = high
    }
    while next < rows.upperBound {
      rest.append(UInt32(next))
      next += 1
    }
    return rest
  }

  func encode(into out: inout ByteWriter) {
    out.count(ranges.count)
    var end = 0
    for range in ranges {
      out.count(range.lowerBound - end)
      out.count(range.count)
      end = range.upperBound
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> RowSet {
    var set = RowSet()
    var end = 0
    let count = try reader.count(max: 1 << 30, "ranges of rows")
    guard count <= reader.remaining / 2 else { throw DecodingFailure(.truncated, at: reader.position, "\(count) ranges of rows") }
    for at in 0..<count {
      let gap = try reader.count(max: rowsMax, "rows between ranges")
      let length = try reader.count(max: rowsMax, "rows of a range")
      guard length > 0, gap > 0 || at == 0, end + gap + length <= rowsMax else {
        throw DecodingFailure(.malformed, at: reader.position, "ranges of rows that touch, or go too far")
      }
      set.ranges.append(end + gap..<end + gap + length)
      end += gap + length
    }
    return set
  }
}
