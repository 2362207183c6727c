// SegmentImage.swift — what goes into a segment file and what comes out: section inputs, the file's pieces and summaries.
public import Bytes
public import Columns
public import Model

/// Whose file it is; stands in the header and is checked when the file is opened (rule D1).
public struct SegmentIdentity: Equatable, Sendable {
  /// Cluster.
  public var cluster: ClusterID
  /// Shard.
  public var shard: ShardID
  /// Number of the file within the shard; every replica uses the same.
  public var file: UInt64
  /// Makes an identity.
  public init(cluster: ClusterID, shard: ShardID, file: UInt64) {
    self.cluster = cluster
    self.shard = shard
    self.file = file
  }
}

/// Rows of one relation on their way into a file.
public struct SectionInput: Sendable {
  /// In what order `rows` stand.
  public enum Order: Sendable {
    /// As they were logged: the writer sorts them and cuts them by day slices, one section each.
    case log
    /// As they shall stand in one section.
    case sorted(DaySlice)
  }
  /// The relation.
  public var layout: RelationLayout
  /// All rows; columns as in `layout.columns`, of any number of rows.
  public var rows: Batch
  /// Position of each row; empty when they are not known. In log order they decide among rows of equal sort keys.
  public var positions: [UInt64]
  /// Whether the positions are stored as a column.
  public var keepsPositions: Bool
  /// Lowest position of any row, also when positions are not kept.
  public var low: LogPosition
  /// Highest position of any row.
  public var high: LogPosition
  /// Order of `rows`.
  public var order: Order
  /// Makes an input.
  public init(
    layout: RelationLayout,
    rows: Batch,
    positions: [UInt64] = [],
    keepsPositions: Bool = false,
    low: LogPosition,
    high: LogPosition,
    order: Order
  ) {
    invariant(positions.isEmpty || positions.count == rows.count, "\(positions.count) positions for \(rows.count) rows")
    invariant(!keepsPositions || !positions.isEmpty || rows.count == 0, "positions to keep are not given")
    self.keepsPositions = keepsPositions
    self.layout = layout
    self.rows = rows
    self.positions = positions
    self.low = low
    self.high = high
    self.order = order
  }
}

/// What a manifest or a plan must know of a section without reading it.
public struct SectionSummary: Equatable, Sendable {
  /// The relation.
  public var relation: TableID
  /// Day slice, or `unsliced`.
  public var slice: DaySlice
  /// Rows.
  public var rows: Int
  /// Lowest position of any row.
  public var low: LogPosition
  /// Highest position of any row.
  public var high: LogPosition
  /// True when each row's position is stored.
  public var hasPositions: Bool
  /// Smallest finite time, nil when there is none.
  public var minTime: Int64?
  /// Greatest finite time, nil when there is none.
  public var maxTime: Int64?
  /// Bytes of its blocks.
  public var bytes: Int
  /// Makes a summary.
  public init(
    relation: TableID,
    slice: DaySlice,
    rows: Int,
    low: LogPosition,
    high: LogPosition,
    hasPositions: Bool,
    minTime: Int64?,
    maxTime: Int64?,
    bytes: Int
  ) {
    self.relation = relation
    self.slice = slice
    self.rows = rows
    self.low = low
    self.high = high
    self.hasPositions = hasPositions
    self.minTime = minTime
    self.maxTime = maxTime
    self.bytes = bytes
  }
}

/// A finished segment file in memory.
public struct SegmentImage: Sendable {
  /// The file's bytes, in order.
  public var pieces: [[UInt8]]
  /// Content hash: over header, footer and trailer; the footer holds the hash of every block.
  public var hash: Hash128
  /// Sections in file order.
  public var sections: [SectionSummary]
  /// Size of the file.
  public var byteCount: Int { pieces.reduce(0) { $0 + $1.count } }
  /// All bytes in one array.
  public func joined() -> [UInt8] { Array(pieces.joined()) }
}
