// SegmentWriter.swift — turns section inputs into a segment file. Layout: SegmentFormat.swift.
//
// A pure function of its inputs, the same bytes on every replica: no clock, no hash order, no machine width.
import Bytes
import Columns
import Model

/// Writes segment files.
public enum SegmentWriter {
  /// Rows of a block of states: one tenant's states must not cost reading many others'.
  static let stateBlockRows = 2048
  /// Flat elements (words, items) after which a block of states ends.
  static let stateBlockElements = 32768
  /// Text bytes after which a block ends, for columns without a dictionary.
  static let blockTextBytes = 262_144
  /// Bytes of a piece.
  static let pieceBytes = 1 << 20

  /// Writes all inputs into one file, in order; inputs in log order become one section per day slice.
  public static func write(_ identity: SegmentIdentity, sections inputs: [SectionInput]) -> SegmentImage {
    var file = FileBuilder(identity)
    for input in inputs {
      for rows in SectionRows.sections(of: input) { file.add(rows) }
    }
    return file.finish()
  }

  private struct FileBuilder {
    var pieces: [[UInt8]]
    var offset = SegmentFormat.headerBytes
    var directories: [SectionDirectory] = []

    init(_ identity: SegmentIdentity) { pieces = [SegmentFormat.header(identity)] }

    mutating func add(_ rows: SectionRows) {
      let layout = rows.layout
      let start = offset
      var minTime: Int64?
      var maxTime: Int64?
      let (starts, whole) = SegmentWriter.rowStarts(rows)
      var columns: [ColumnDirectory] = []
      for at in layout.columns.indices {
        let column = whole[at] ?? SegmentWriter.stored(rows.column(at))
        if at == layout.timeColumn { (minTime, maxTime) = SegmentWriter.timeBounds(column) }
        columns.append(write(column, starts))
      }
      if !rows.positions.isEmpty {
        let all = rows.positions.map { Int64(bitPattern: $0) }
        let vector = ColumnVector(.bigint, .fixed(all))
        columns.append(write(rows.order.map { vector.gather($0) } ?? vector, starts))
      }
      directories.append(
        SectionDirectory(
          summary: SectionSummary(
            relation: layout.id,
            slice: rows.slice,
            rows: rows.count,
            low: rows.low,
            high: rows.high,
            hasPositions: !rows.positions.isEmpty,
            minTime: minTime,
            maxTime: maxTime,
            bytes: offset - start
          ),
          isState: layout.isState,
          sortKey: layout.sortKey,
          rowStarts: starts,
          columns: columns
        )
      )
    }
    private mutating func write(_ column: ColumnVector, _ starts: [Int]) -> ColumnDirectory {
      var directory = ColumnDirectory(type: column.type)
      let dictionary: TextDictionary? =
        switch column.values {
        case .codes(_, let own): own
        case .topn(let states): states.dictionary
        default: nil
        }
      if let dictionary {
        directory.hasDictionary = true
        directory.dictionaryTexts = dictionary.count
        for page in DictionaryEncoding.encode(dictionary) { directory.pages.append(append(page)) }
      }
      var out = ByteWriter(capacity: 65536)
      for block in 1..<starts.count {
        let part = column.slice(starts[block - 1]..<starts[block])
        out.removeAll()
        ColumnEncoding.encode(part, into: &out)
        directory.blocks.append(append(out.snapshot()))
        directory.zones.append(Zone(part))
      }
      return directory
    }
    private mutating func append(_ bytes: [UInt8]) -> Extent {
      let extent = Extent(offset: offset, count: bytes.count, hash: Murmur3.hash(bytes))
      let last = pieces.count - 1
      if last > 0 && pieces[last].count + bytes.count <= SegmentWriter.pieceBytes {
        pieces[last].append(contentsOf: bytes)
      } else {
        pieces.append(bytes)
      }
      offset += bytes.count
      return extent
    }
    consuming func finish() -> SegmentImage {
      var footer = ByteWriter(capacity: 4096)
      SegmentFormat.encode(directories, into: &footer)
      let hash = footer.withBytes { Murmur3.hash($0) }
      let trailer = SegmentFormat.trailer(
        footerBytes: footer.count,
        footerHash: hash,
        fileBytes: offset + footer.count + SegmentFormat.trailerBytes
      )
      footer.bytes(trailer)
      let content = pieces[0].withUnsafeBytes { header in
        footer.withBytes { SegmentFormat.contentHash(header: header, footerAndTrailer: $0) }
      }
      pieces.append(footer.finish())
      return SegmentImage(pieces: pieces, hash: content, sections: directories.map(\.summary))
    }
  }

  /// First rows of the blocks, and the columns that had to be laid out to find them.
  private static func rowStarts(_ rows: SectionRows) -> ([Int], [ColumnVector?]) {
    var laidOut = [ColumnVector?](repeating: nil, count: rows.layout.columns.count)
    var flat: [(offsets: [UInt32], limit: Int)] = []
    for (at, column) in rows.layout.columns.enumerated() {
      switch column.type.layout {
      case .hll, .topn, .text:
        let stored = stored(rows.column(at))
        laidOut[at] = stored
        switch stored.values {
        case .hll(let v): flat.append((v.offsets, stateBlockElements))
        case .topn(let v): flat.append((v.offsets, stateBlockElements))
        case .text(let v): flat.append((v.offsets, blockTextBytes))
        default: break
        }
      default: break
      }
    }
    let most = rows.layout.isState ? stateBlockRows : ColumnEncoding.blockRowsMax
    var starts = [0]
    var start = 0
    while start < rows.count {
      var end = min(start + most, rows.count)
      for (offsets, limit) in flat {
        // The first row always goes in, however large.
        let bound = offsets[start + 1] + UInt32(limit)
        while end > start + 1 && offsets[end] > bound { end = start + max(1, (end - start) / 2) }
      }
      starts.append(end)
      start = end
    }
    return (starts, laidOut)
  }
  /// Texts without a dictionary where one would not pay.
  private static func stored(_ column: ColumnVector) -> ColumnVector {
    guard case .codes(let codes, let dictionary) = column.values, dictionary.count > 0 else { return column }
    let offsets = dictionary.offsets
    var plain = 0
    codes.withUnsafeBufferPointer { codes in
      offsets.withUnsafeBufferPointer { offsets in
        for code in codes { plain &+= Int(offsets[Int(code) + 1] &- offsets[Int(code)]) }
      }
    }
    let bits = 64 - UInt64(dictionary.count - 1).leadingZeroBitCount
    let byCodes = dictionary.bytes.count + dictionary.count + codes.count * bits / 8
    // Offsets of plain texts have 32 bits; few rows are not worth a second form.
    guard byCodes >= plain + codes.count, codes.count > 64, plain < 1 << 31 else { return column }
    var texts = TextColumn()
    texts.offsets.reserveCapacity(codes.count + 1)
    texts.bytes.reserveCapacity(plain)
    for (row, code) in codes.enumerated() {
      if column.isNull(row) {
        texts.append(UnsafeRawBufferPointer(start: nil, count: 0))
      } else {
        dictionary.withText(code) { texts.append($0) }
      }
    }
    return ColumnVector(column.type, .text(texts), validity: column.validity)
  }
  private static func timeBounds(_ column: ColumnVector) -> (Int64?, Int64?) {
    guard case .fixed(let times) = column.values else { return (nil, nil) }
    var (low, high) = (Int64.max, Int64.min)
    for row in 0..<times.count where !column.isNull(row) {
      let time = times[row]
      if time == TimeLimits.infinity || time == TimeLimits.minusInfinity { continue }
      low = min(low, time)
      high = max(high, time)
    }
    return low > high ? (nil, nil) : (low, high)
  }
}
