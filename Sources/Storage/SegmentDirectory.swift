// SegmentDirectory.swift — the footer of a segment file in memory: what each section holds and where. Bytes: SegmentFormat.swift.
import Bytes
import Columns
import Model

/// A piece of a file with its hash, kept in the parent (rule D2).
struct Extent: Equatable, Sendable {
  var offset: Int
  var count: Int
  var hash: Hash128
}

/// One column of a section.
struct ColumnDirectory: Sendable {
  var type: DataType
  var hasDictionary = false
  var dictionaryTexts = 0
  var pages: [Extent] = []
  var blocks: [Extent] = []
  var zones: [Zone] = []
}

/// One section.
struct SectionDirectory: Sendable {
  var summary: SectionSummary
  var isState: Bool
  var sortKey: [Int]
  /// First row of each block, and the number of rows at the end.
  var rowStarts: [Int]
  /// The columns, and the positions last when they are kept.
  var columns: [ColumnDirectory]
}

extension SegmentFormat {
  static func encode(_ sections: [SectionDirectory], into out: inout ByteWriter) {
    out.count(sections.count)
    for section in sections { encode(section, into: &out) }
  }
  private static func encode(_ section: SectionDirectory, into out: inout ByteWriter) {
    let summary = section.summary
    out.varint(summary.relation.rawValue)
    out.integer(summary.slice.day)
    out.count(summary.rows)
    out.u64(summary.low.rawValue)
    out.u64(summary.high.rawValue)
    out.u8((summary.hasPositions ? 1 : 0) | (section.isState ? 2 : 0) | (summary.minTime == nil ? 0 : 4))
    if let low = summary.minTime, let high = summary.maxTime {
      out.i64(low)
      out.i64(high)
    }
    out.u8(UInt8(section.sortKey.count))
    for key in section.sortKey { out.count(key) }
    out.count(section.columns.count - (summary.hasPositions ? 1 : 0))
    out.count(section.rowStarts.count - 1)
    for block in 1..<section.rowStarts.count { out.count(section.rowStarts[block] - section.rowStarts[block - 1]) }
    for column in section.columns {
      SegmentTypeFormat.encode(column.type, into: &out)
      out.bool(column.hasDictionary)
      if column.hasDictionary {
        out.count(column.dictionaryTexts)
        out.count(column.pages.count)
        for page in column.pages { encode(page, into: &out) }
      }
      for (block, zone) in zip(column.blocks, column.zones) {
        encode(block, into: &out)
        encode(zone, into: &out)
      }
    }
  }
  private static func encode(_ extent: Extent, into out: inout ByteWriter) {
    out.count(extent.count)
    out.u64(extent.hash.high)
    out.u64(extent.hash.low)
  }

  /// Reads a footer whose extents fill the bytes from the header to `end` exactly.
  static func decodeFooter(_ reader: inout ByteReader, end: Int) throws(DecodingFailure) -> [SectionDirectory] {
    let count = try reader.count(max: sectionsMax, "sections")
    var next = headerBytes
    var sections: [SectionDirectory] = []
    for _ in 0..<count { sections.append(try decodeSection(&reader, &next, end)) }
    try reader.expectEnd()
    guard next == end else {
      throw DecodingFailure(.malformed, at: reader.position, "extents end at \(next), the footer begins at \(end)")
    }
    return sections
  }
  private static func decodeSection(
    _ reader: inout ByteReader,
    _ next: inout Int,
    _ end: Int
  ) throws(DecodingFailure) -> SectionDirectory {
    let relation = TableID(try reader.varint())
    let slice = DaySlice(day: try reader.integer(Int32.self))
    let rows = try reader.count(max: rowsMax, "rows of a section")
    let low = LogPosition(try reader.u64())
    let high = LogPosition(try reader.u64())
    let flags = try reader.u8()
    guard flags < 8 else { throw DecodingFailure(.unknown, at: reader.position - 1, "section flags \(flags)") }
    var (minTime, maxTime): (Int64?, Int64?) = (nil, nil)
    if flags & 4 != 0 { (minTime, maxTime) = (try reader.i64(), try reader.i64()) }
    var sortKey: [Int] = []
    for _ in 0..<(try reader.u8()) { sortKey.append(try reader.count(max: Limits.columnsMax, "sort key")) }
    let columnCount = try reader.count(max: Limits.columnsMax, "columns of a section")
    guard sortKey.allSatisfy({ $0 < columnCount }) else {
      throw DecodingFailure(.malformed, at: reader.position, "sort key outside the columns")
    }
    let blockCount = try reader.count(max: reader.remaining, "blocks of a section")
    var rowStarts = [0]
    for _ in 0..<blockCount {
      rowStarts.append((rowStarts.last ?? 0) + (try reader.count(max: ColumnEncoding.blockRowsMax, "rows of a block")))
    }
    guard rowStarts.last == rows else {
      throw DecodingFailure(.malformed, at: reader.position, "blocks of \(rowStarts.last ?? 0) rows in a section of \(rows)")
    }
    let first = next
    var columns: [ColumnDirectory] = []
    for _ in 0..<columnCount + Int(flags & 1) { columns.append(try decodeColumn(&reader, blockCount, &next, end)) }
    return SectionDirectory(
      summary: SectionSummary(
        relation: relation,
        slice: slice,
        rows: rows,
        low: low,
        high: high,
        hasPositions: flags & 1 != 0,
        minTime: minTime,
        maxTime: maxTime,
        bytes: next - first
      ),
      isState: flags & 2 != 0,
      sortKey: sortKey,
      rowStarts: rowStarts,
      columns: columns
    )
  }
  private static func decodeColumn(
    _ reader: inout ByteReader,
    _ blockCount: Int,
    _ next: inout Int,
    _ end: Int
  ) throws(DecodingFailure) -> ColumnDirectory {
    var column = ColumnDirectory(type: try SegmentTypeFormat.decode(&reader))
    column.hasDictionary = try reader.bool()
    if column.hasDictionary {
      guard column.type.layout == .text || column.type.layout == .topn else {
        throw DecodingFailure(.malformed, at: reader.position, "a dictionary of \(column.type.name)")
      }
      column.dictionaryTexts = try reader.count(max: rowsMax, "texts of a dictionary")
      let pages = try reader.count(max: reader.remaining, "pages of a dictionary")
      for _ in 0..<pages { column.pages.append(try decodeExtent(&reader, &next, end)) }
    }
    column.blocks.reserveCapacity(blockCount)
    column.zones.reserveCapacity(blockCount)
    for _ in 0..<blockCount {
      column.blocks.append(try decodeExtent(&reader, &next, end))
      column.zones.append(try decodeZone(&reader))
    }
    return column
  }
  private static func decodeExtent(
    _ reader: inout ByteReader,
    _ next: inout Int,
    _ end: Int
  ) throws(DecodingFailure) -> Extent {
    let count = try reader.count(max: end - next, "bytes of an extent")
    let extent = Extent(offset: next, count: count, hash: Hash128(high: try reader.u64(), low: try reader.u64()))
    next += count
    return extent
  }
}
