// Compaction.swift — gathers memtable rows for a flush and merges sections, as pure functions.
public import Model

/// Makes section inputs from what is in memory or in other sections.
public enum Compaction {
  /// Rows of chunks with after < position ≤ through; nil when there are none. States are merged into one run.
  public static func flush(
    _ chunks: [MemChunk], layout: RelationLayout, after: LogPosition = LogPosition(0), through: LogPosition,
    keepPositions: Bool
  ) throws -> SectionInput? { fatalError("not yet") }
  /// Merges sections of one relation; one input per day slice. `floor` drops states whose bucket is below it.
  public static func merge(
    _ sections: [SegmentSection], layout: RelationLayout, dropPositions: Bool, floor: Int64? = nil
  ) throws -> [SectionInput] { fatalError("not yet") }
}
