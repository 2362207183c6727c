// TableSnapshot.swift — one relation of a shard at one position: what queries, rollups and exports read.
public import Columns
public import Model

/// What a scan did.
public struct ScanCounts: Equatable, Sendable {
  /// Rows delivered.
  public var rowsRead = 0
  /// Segment blocks read.
  public var blocksRead = 0
  /// Segment blocks excluded by zones.
  public var blocksSkipped = 0
  /// Stored bytes of the blocks and memory bytes of the rows read.
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
  /// Makes a snapshot.
  public init(layout: RelationLayout, position: LogPosition, chunks: [MemChunk], sections: [SegmentSection]) {
    self.layout = layout
    self.position = position
    self.chunks = chunks
    self.sections = sections
  }
  /// Delivers the wanted columns of the rows with after < position ≤ through (nil: the snapshot's) that zones do not exclude,
  /// in batches of at most `morselRows`. Zone predicates are advice: `body` sees rows that do not match.
  public func scan(
    columns: [Int], after: LogPosition = LogPosition(0), through: LogPosition? = nil, where predicates: [ZonePredicate] = [],
    morselRows: Int = 4096, _ body: (Batch) throws -> Void
  ) throws -> ScanCounts { fatalError("not yet") }
}
