// SegmentSection.swift — one relation's rows in one open segment file.
public import Bytes
public import Columns
public import Model

/// One relation's rows in one segment file, sorted; opened by `SegmentReader`.
public final class SegmentSection: Sendable {
  /// What the footer says of the section.
  public let summary: SectionSummary
  /// Types of the stored columns; a relation may have gained more since.
  public let types: [DataType]

  init(summary: SectionSummary, types: [DataType]) {
    self.summary = summary
    self.types = types
  }
  /// Number of row blocks (at most 8 Ki rows each).
  public var blockCount: Int { fatalError("not yet") }
  /// Rows of a block.
  public func rowCount(ofBlock block: Int) -> Int { fatalError("not yet") }
  /// Bounds of a column within a block.
  public func zone(block: Int, column: Int) -> Zone { fatalError("not yet") }
  /// The wanted columns of a block.
  public func readBlock(_ block: Int, columns: [Int]) throws(DecodingFailure) -> [ColumnVector] { fatalError("not yet") }
  /// Positions of a block's rows; nil when they are not stored.
  public func positions(ofBlock block: Int) throws(DecodingFailure) -> [UInt64]? { fatalError("not yet") }
}
