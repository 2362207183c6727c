// Deletion.swift — the rows that a DELETE or TRUNCATE names: in sections by their place there, in memory by their number.
//
//   Deletion := u64 table, u64 through, varint count, sections by file and section: u64 file, varint section, RowSet; RowSet of the
//   memtable
//
// The primary evaluates the condition once (NamedRows); replay evaluates nothing. Rows in memory are numbered in log order from the first
// above `flushedThrough`, which every replica has at the same applied position. So that both numbers mean the same rows when the entry is
// applied as when they were named, no file of the shard changes in between: the flow that names rows has the right to change the files
// until its entry is appended, and flushes, merges and expiry wait while a deletion is appended or staged and not applied.
//
// No named row has a position above `through`, and every rollup of the table has taken in all rows up to there: what rollups hold never
// changes by a deletion.
import Bytes
public import Model

/// Rows of one table that are deleted.
public struct Deletion: Equatable, Sendable {
  /// The table.
  public var table: TableID
  /// No row above this position is named.
  public var through: LogPosition
  /// Rows in files, by rising section.
  public internal(set) var sections: [(reference: SectionReference, rows: RowSet)] = []
  /// Rows in memory.
  public internal(set) var memory = RowSet()
  /// True when no row is named.
  public var isEmpty: Bool { sections.isEmpty && memory.isEmpty }
  /// Number of rows.
  public var count: Int { sections.reduce(memory.count) { $0 + $1.rows.count } }
  /// About what it keeps in memory.
  public var bytes: Int { sections.reduce(memory.ranges.count) { $0 + $1.rows.ranges.count + 4 } * 16 }

  init(table: TableID, through: LogPosition) {
    self.table = table
    self.through = through
  }
  /// Field by field.
  public static func == (a: Deletion, b: Deletion) -> Bool {
    a.table == b.table && a.through == b.through && a.memory == b.memory
      && a.sections.elementsEqual(b.sections) { $0.reference == $1.reference && $0.rows == $1.rows }
  }

  func encode(into out: inout ByteWriter) {
    out.u64(table.rawValue)
    out.u64(through.rawValue)
    Self.encode(sections, into: &out)
    memory.encode(into: &out)
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> Deletion {
    var deletion = Deletion(table: TableID(try reader.u64()), through: LogPosition(try reader.u64()))
    deletion.sections = try decodeSections(&reader)
    deletion.memory = try RowSet.decode(&reader)
    return deletion
  }
  static func encode(_ sections: [(reference: SectionReference, rows: RowSet)], into out: inout ByteWriter) {
    out.count(sections.count)
    for (reference, rows) in sections {
      out.u64(reference.file)
      out.count(reference.section)
      rows.encode(into: &out)
    }
  }
  static func decodeSections(_ reader: inout ByteReader) throws(DecodingFailure) -> [(reference: SectionReference, rows: RowSet)] {
    var sections: [(reference: SectionReference, rows: RowSet)] = []
    for _ in 0..<(try reader.count(max: LogEntryFormat.sectionsMax, "sections with deleted rows")) {
      let reference = SectionReference(
        file: try reader.u64(),
        section: try reader.count(max: LogEntryFormat.sectionsMax, "number of a section")
      )
      guard sections.last.map({ $0.reference < reference }) ?? true else {
        throw DecodingFailure(.malformed, at: reader.position, "sections with deleted rows out of order")
      }
      sections.append((reference, try RowSet.decode(&reader)))
    }
    return sections
  }
}

extension ShardStore {
  /// Bytes of one deletion.
  public static let deletionBytesMax = 32 << 20

  /// Whether a deletion was appended or staged and is not applied: until then no file of the shard changes.
  public var isDeleting: Bool {
    if isPlanted(.filesChangeUnderDeletion) { return false }
    return applied.statements.hasDeletions || head.statements.hasDeletions
      || pending.contains {
        switch $0.body {
        case .delete, .tenantDelete: true
        // One that its log's head has committed already.
        case .stage(let stage): stage.content.deletion != nil
        default: false
        }
      }
  }
  /// Whether an open statement will delete rows.
  public var hasStagedDeletions: Bool { head.statements.hasDeletions || applied.statements.hasDeletions }
  /// Runs `body` with the table's rows, while no flow changes the files: it names rows and appends them. Nil without the table. The rows
  /// are those that a statement sees (`NamedRows.seen`).
  public func naming<R>(_ table: TableID, by statement: StatementID? = nil, _ body: (NamedRows) async throws -> R) async throws -> R? {
    try await withLayoutRight {
      guard let snapshot = snapshot(of: table) else { return nil }
      let own = statement.flatMap { applied.statements.open[$0] }
      return try await body(NamedRows(table: table, snapshot: snapshot, statement: own, schema: applied.schema))
    }
  }
  /// Up to where a table's rows may be deleted: where all its rollups have come. Nil while one is backfilled.
  public func deletable(_ table: TableID) -> LogPosition? {
    var through = applied.position
    if isPlanted(.deletesBeforeRollup) { return through }
    for rollup in applied.schema.rollups(of: table) {
      guard let state = applied.rollups[rollup.id], state.isBackfilled else { return nil }
      through = min(through, state.watermark)
    }
    return through
  }
  /// Throws when a deletion names rows in memory that are not there.
  func checkNamed(_ deletion: Deletion, _ entry: LogEntry) throws(TallyError) {
    guard let relation = relations[deletion.table], let last = deletion.memory.ranges.last else { return }
    guard last.upperBound <= relation.memtable.rows else {
      throw TallyError(
        .dataDamaged,
        "entry \(entry.position) of shard \(shard) deletes row \(last.upperBound) of \(relation.memtable.rows) in memory"
      )
    }
  }
  /// Hides the rows in memory; those in files follow from the applied state.
  func hide(_ deletion: Deletion) { relations[deletion.table]?.memtable.delete(deletion.memory) }
}
