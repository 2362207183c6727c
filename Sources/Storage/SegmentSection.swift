// SegmentSection.swift — one relation's rows in one open segment file: block by block, verified before first use.
//
// Blocks and dictionary pages are checked against the footer's hashes once per open file; nothing unverified is decoded or kept.
// Dictionaries stay in memory once read.
public import Bytes
import Capabilities
public import Columns
public import Model
import Synchronization

/// One relation's rows in one segment file, sorted; opened by `SegmentReader`.
public final class SegmentSection: Sendable {
  private struct State {
    /// One bit per block of each column, column by column.
    var verified: [UInt64]
    var dictionaries: [TextDictionary?]
  }
  /// The next section's number.
  private static let nextNumber = Atomic<UInt64>(0)
  /// Tells it from every other section that this process opened, for keys of `BlockCache`; says nothing else.
  let number = nextNumber.add(1, ordering: .relaxed).newValue
  private let image: FileImage
  let directory: SectionDirectory
  /// Types of the stored columns; a relation may have gained more since.
  public let types: [DataType]
  /// Bytes of its blocks and dictionaries in the file.
  public let storedBytes: Int
  private let state: Mutex<State>

  init(image: FileImage, directory: SectionDirectory) {
    self.image = image
    self.directory = directory
    types = directory.columns.dropLast(directory.summary.hasPositions ? 1 : 0).map(\.type)
    storedBytes = directory.columns.reduce(0) { all, column in
      all + column.pages.reduce(0) { $0 + $1.count } + column.blocks.reduce(0) { $0 + $1.count }
    }
    let flags = directory.columns.count * (directory.rowStarts.count - 1)
    state = Mutex(
      State(
        verified: [UInt64](repeating: 0, count: (flags + 63) / 64),
        dictionaries: [TextDictionary?](repeating: nil, count: directory.columns.count)
      )
    )
  }
  /// What the footer says of the section.
  public var summary: SectionSummary { directory.summary }
  /// Number of row blocks (at most 8 Ki rows each).
  public var blockCount: Int { directory.rowStarts.count - 1 }
  /// Rows of a block, as places within the section.
  public func rows(ofBlock block: Int) -> Range<Int> { directory.rowStarts[block]..<directory.rowStarts[block + 1] }
  /// Bounds of a column within a block; unknown for columns the relation gained later.
  public func zone(block: Int, column: Int) -> Zone {
    column < types.count ? directory.columns[column].zones[block] : Zone(hasNulls: true, bounds: .none)
  }
  /// Stored bytes of a block's column.
  public func byteCount(block: Int, column: Int) -> Int {
    column < types.count ? directory.columns[column].blocks[block].count : 0
  }
  /// Where a block's column lies in the file.
  package func place(ofBlock block: Int, column: Int) -> Range<Int> {
    let extent = directory.columns[column].blocks[block]
    return extent.offset..<extent.offset + extent.count
  }
  /// Bytes of dictionaries kept in memory so far, for the memory budget.
  public var cachedBytes: Int {
    state.withLock { $0.dictionaries.reduce(0) { $0 + ($1.map { $0.bytes.count + $0.offsets.count * 4 } ?? 0) } }
  }
  /// The wanted columns of a block.
  public func readBlock(_ block: Int, columns: [Int]) throws(DecodingFailure) -> [ColumnVector] {
    var vectors: [ColumnVector] = []
    vectors.reserveCapacity(columns.count)
    for column in columns {
      invariant(column < types.count, "column \(column) of a section of \(types.count)")
      vectors.append(try readColumn(column, block))
    }
    return vectors
  }
  /// Positions of a block's rows; nil when they are not stored.
  public func positions(ofBlock block: Int) throws(DecodingFailure) -> [UInt64]? {
    guard directory.summary.hasPositions else { return nil }
    guard case .fixed(let values) = try readColumn(types.count, block).values else { return nil }
    return values.map { UInt64(bitPattern: $0) }
  }
  /// Checks every block and page against its hash.
  public func verifyAll() throws(DecodingFailure) {
    for (at, column) in directory.columns.enumerated() {
      for (number, page) in column.pages.enumerated() { try check(page, "dictionary page \(number) of column \(at)") }
      for block in 0..<blockCount { _ = try verified(at, block) }
    }
  }

  /// Columns that are stored, that of the positions included.
  var columnCount: Int { directory.columns.count }
  /// What is wrong with a column's dictionary; nil when it verifies or there is none.
  func dictionaryFailure(_ at: Int) -> String? {
    for (number, page) in directory.columns[at].pages.enumerated() {
      do { try check(page, "dictionary page \(number) of column \(at)") } catch { return "\(error)" }
    }
    return nil
  }
  /// What is wrong with a column's block; nil when it verifies.
  func blockFailure(_ at: Int, _ block: Int) -> String? {
    do { _ = try verified(at, block) } catch { return "\(error)" }
    return nil
  }

  private func readColumn(_ at: Int, _ block: Int) throws(DecodingFailure) -> ColumnVector {
    let column = directory.columns[at]
    let dictionary = column.hasDictionary ? try self.dictionary(at) : nil
    let bytes = try verified(at, block)
    var reader = ByteReader(bytes)
    do throws(DecodingFailure) {
      return try ColumnEncoding.decode(
        &reader,
        type: column.type,
        rows: rows(ofBlock: block).count,
        dictionary: dictionary
      )
    } catch {
      throw DecodingFailure(
        error.kind,
        at: column.blocks[block].offset + error.position,
        "\(error.message), in \(name(at, block))"
      )
    }
  }
  private func verified(_ at: Int, _ block: Int) throws(DecodingFailure) -> UnsafeRawBufferPointer {
    let extent = directory.columns[at].blocks[block]
    let flag = at * blockCount + block
    let known = state.withLock { $0.verified[flag >> 6] >> UInt64(flag & 63) & 1 == 1 }
    if !known {
      try check(extent, name(at, block))
      state.withLock { $0.verified[flag >> 6] |= 1 << UInt64(flag & 63) }
    }
    return UnsafeRawBufferPointer(rebasing: image.bytes[extent.offset..<extent.offset + extent.count])
  }
  private func check(_ extent: Extent, _ what: @autoclosure () -> String) throws(DecodingFailure) {
    let bytes = UnsafeRawBufferPointer(rebasing: image.bytes[extent.offset..<extent.offset + extent.count])
    guard Murmur3.hash(bytes) == extent.hash else {
      throw DecodingFailure(
        .checksum,
        at: extent.offset,
        "\(what()) (\(extent.count) bytes) does not match its hash"
      )
    }
  }
  private func name(_ at: Int, _ block: Int) -> String {
    "block \(block) of column \(at) of relation \(summary.relation)"
  }
  private func dictionary(_ at: Int) throws(DecodingFailure) -> TextDictionary {
    if let known = state.withLock({ $0.dictionaries[at] }) { return known }
    let column = directory.columns[at]
    var offsets: [UInt32] = [0]
    var bytes: [UInt8] = []
    for (number, page) in column.pages.enumerated() {
      let what = "dictionary page \(number) of column \(at) of relation \(summary.relation)"
      try check(page, what)
      var reader = ByteReader(UnsafeRawBufferPointer(rebasing: image.bytes[page.offset..<page.offset + page.count]))
      do throws(DecodingFailure) {
        try DictionaryEncoding.decodePage(&reader, offsets: &offsets, bytes: &bytes)
      } catch { throw DecodingFailure(error.kind, at: page.offset + error.position, "\(error.message), in \(what)") }
    }
    guard offsets.count - 1 == column.dictionaryTexts else {
      throw DecodingFailure(
        .malformed,
        at: column.pages.first?.offset ?? 0,
        "\(offsets.count - 1) texts in the dictionary of column \(at), not \(column.dictionaryTexts)"
      )
    }
    let dictionary = TextDictionary(offsets: offsets, bytes: bytes)
    // Two readers may have decoded it: all use the one that came first, so that codes compare by dictionary identity.
    return state.withLock { state in
      if let first = state.dictionaries[at] { return first }
      state.dictionaries[at] = dictionary
      return dictionary
    }
  }
}
