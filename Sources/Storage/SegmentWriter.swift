// SegmentWriter.swift — turns section inputs into a segment file.
import Model

/// Writes segment files: a pure function of its inputs, the same bytes on every replica.
public enum SegmentWriter {
  /// Writes all inputs into one file, in order; inputs in log order become one section per day slice.
  public static func write(_ identity: SegmentIdentity, sections: [SectionInput]) -> SegmentImage { fatalError("not yet") }
}
