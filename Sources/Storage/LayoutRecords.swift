// LayoutRecords.swift — what log entries and manifests say of segment files: their sections, which come, which go.
//
// Bytes: LogEntryFormat.swift.
public import Bytes
public import Model

/// One section of one segment file of the shard.
public struct SectionReference: Hashable, Comparable, Sendable {
  /// Number of the file.
  public var file: UInt64
  /// Place of the section in it.
  public var section: Int
  /// Names a section.
  public init(file: UInt64, section: Int) {
    self.file = file
    self.section = section
  }
  /// By file, then section.
  public static func < (a: SectionReference, b: SectionReference) -> Bool { (a.file, a.section) < (b.file, b.section) }
}

/// A segment file as log and manifest name it.
public struct FileRecord: Equatable, Sendable {
  /// Number within the shard; never reused.
  public var number: UInt64
  /// Size.
  public var bytes: UInt64
  /// Content hash.
  public var hash: Hash128
  /// What is in it.
  public var sections: [SectionSummary]
  /// Makes a record.
  public init(number: UInt64, bytes: UInt64, hash: Hash128, sections: [SectionSummary]) {
    self.number = number
    self.bytes = bytes
    self.hash = hash
    self.sections = sections
  }
}

/// Files that take the place of log rows or of sections.
public struct LayoutChange: Equatable, Sendable {
  /// Where the files' rows come from.
  public enum Source: Equatable, Sendable {
    /// All rows above one position up to and including another.
    case log(after: LogPosition, through: LogPosition)
    /// The dropped sections; states below the floor were left out.
    case sections(floor: Int64?)
  }
  /// Source.
  public var source: Source
  /// TopN states of buckets that ended at or before this time (microseconds) were cut to their counters, others to three times as many.
  public var settledBefore: Int64
  /// New files.
  public var files: [FileRecord]
  /// Sections that they replace.
  public var drops: [SectionReference]
  /// Makes a change.
  public init(source: Source, settledBefore: Int64, files: [FileRecord], drops: [SectionReference]) {
    self.source = source
    self.settledBefore = settledBefore
    self.files = files
    self.drops = drops
  }
}

/// Expiry: of raw sections, or of a level below a new floor.
public struct RetentionDrop: Equatable, Sendable {
  /// Raw table, or a rollup's level.
  public var relation: TableID
  /// In units of the time column. Raw: everything dropped is older. Level: its new floor.
  public var before: Int64
  /// Sections that go; all their rows are older than `before`.
  public var drops: [SectionReference]
  /// Makes a drop.
  public init(relation: TableID, before: Int64, drops: [SectionReference]) {
    self.relation = relation
    self.before = before
    self.drops = drops
  }
}
