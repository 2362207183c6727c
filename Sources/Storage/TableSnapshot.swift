// TableSnapshot.swift — one relation of a shard at one position: what queries, rollups and exports read.
//
// A scan goes over its units (block ranges of sections, then chunks of memory), which may run apart from each other on several
// threads. Sections are sorted, so conditions on the leading sort keys find their blocks, and the rows inside, by binary search.
import Bytes
public import Columns
public import Model

/// What a scan did.
public struct ScanCounts: Equatable, Sendable {
  /// Rows delivered.
  public var rowsRead = 0
  /// Segment blocks read.
  public var blocksRead = 0
  /// Segment blocks excluded by zones or positions.
  public var blocksSkipped = 0
  /// Stored bytes of the blocks read, and eight bytes a value for rows in memory.
  public var bytes = 0
  /// Nothing done.
  public init() {}
  /// Adds another scan's counts.
  public static func += (a: inout ScanCounts, b: ScanCounts) {
    a.rowsRead += b.rowsRead
    a.blocksRead += b.blocksRead
    a.blocksSkipped += b.blocksSkipped
    a.bytes += b.bytes
  }
}

/// A part of a snapshot that one thread scans.
public enum ScanUnit: Sendable {
  /// Blocks of a section.
  case blocks(SegmentSection, Range<Int>)
  /// Rows in memory.
  case chunk(MemChunk)
}

/// All rows of a relation up to one position.
public struct TableSnapshot: Sendable {
  /// The relation.
  public var layout: RelationLayout
  /// No row is above it.
  public var position: LogPosition
  /// Rows in memory, in log order.
  public var chunks: [MemChunk]
  /// Rows in files.
  public var sections: [SegmentSection]
  /// Deleted rows of sections; those in memory are noted in their chunks.
  var deleted: [ObjectIdentifier: RowSet] = [:]
  /// Names of the sections, where a shard's store made the snapshot.
  var references: [SectionReference] = []
  /// Where scans of few blocks find them decoded, and leave them; nil: nowhere.
  public var cache: BlockCache?
  /// What an open statement staged, behind all other rows (StatementView).
  var own: [OwnChunk] = []
  /// Makes a snapshot.
  public init(layout: RelationLayout, position: LogPosition, chunks: [MemChunk], sections: [SegmentSection]) {
    self.layout = layout
    self.position = position
    self.chunks = chunks
    self.sections = sections
  }
  init(
    layout: RelationLayout,
    position: LogPosition,
    chunks: [MemChunk],
    sections: [SegmentSection],
    deleted: [ObjectIdentifier: RowSet],
    references: [SectionReference]
  ) {
    self.init(layout: layout, position: position, chunks: chunks, sections: sections)
    self.deleted = deleted
    self.references = references
  }
  /// Number of rows at or below the position, without reading any; an upper bound while files reach above it or rows are deleted.
  public var rowCount: Int {
    sections.reduce(0) { $0 + $1.summary.rows } + chunks.reduce(0) { $0 + $1.rows(through: position) }
      + own.reduce(0) { $0 + $1.chunk.count }
  }
  /// The parts to scan, sections cut after about `blocks` blocks.
  public func units(blocks: Int = 16) -> [ScanUnit] {
    var units: [ScanUnit] = []
    for section in sections {
      for start in stride(from: 0, to: section.blockCount, by: max(1, blocks)) {
        units.append(.blocks(section, start..<min(start + max(1, blocks), section.blockCount)))
      }
    }
    return units + chunks.map { .chunk($0) } + own.map { .chunk($0.chunk) }
  }

  /// Delivers the wanted columns of the rows with after < position ≤ through (nil: the snapshot's) that zones do not exclude, in batches
  /// of at most `morselRows`; `placeColumn` among the columns gives their places. Zone predicates are advice: `body` sees rows that do
  /// not match. Throws `DecodingFailure` on damaged bytes, `TallyError` when a file that must be cut at a position does not store
  /// positions.
  @discardableResult public func scan(
    columns: [Int],
    after: LogPosition = LogPosition(0),
    through: LogPosition? = nil,
    where predicates: [ZonePredicate] = [],
    morselRows: Int = 4096,
    _ body: (Batch) throws -> Void
  ) throws -> ScanCounts {
    var counts = ScanCounts()
    func scan(_ unit: ScanUnit, at place: Int64) throws {
      counts += try self.scan(
        unit,
        at: place,
        columns: columns,
        after: after,
        through: through,
        where: predicates,
        morselRows: morselRows,
        body
      )
    }
    for (at, section) in sections.enumerated() {
      try scan(.blocks(section, 0..<section.blockCount), at: Self.place(ofPart: at))
    }
    var place = memoryPlace
    for chunk in chunks {
      try scan(.chunk(chunk), at: place)
      place += Int64(chunk.count)
    }
    for (at, part) in own.enumerated() { try scan(.chunk(part.chunk), at: self.place(ofOwn: at)) }
    return counts
  }
  /// Scans one unit, as `scan` does all; `place` is that of its first row.
  @discardableResult public func scan(
    _ unit: ScanUnit,
    at place: Int64 = 0,
    columns: [Int],
    after: LogPosition = LogPosition(0),
    through: LogPosition? = nil,
    where predicates: [ZonePredicate] = [],
    morselRows: Int = 4096,
    _ body: (Batch) throws -> Void
  ) throws -> ScanCounts {
    var scan = UnitScan(
      layout: layout,
      columns: columns,
      after: after,
      through: min(through ?? position, position),
      predicates: predicates,
      morselRows: max(1, morselRows),
      place: place,
      cache: cache
    )
    switch unit {
    case .blocks(let section, let range): try scan.read(section, range, deleted: deleted[ObjectIdentifier(section)], body)
    case .chunk(let chunk): try scan.read(chunk, body)
    }
    return scan.counts
  }
}
