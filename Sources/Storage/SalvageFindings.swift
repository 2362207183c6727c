// SalvageFindings.swift — what would be lost of a damaged shard if an operator gave up what cannot be read. Changes nothing.
//
// Of the log a prefix is kept: up to the last entry before the first that cannot be read. What lies behind it may be readable, but it was
// decided upon what is missing (keys, watermarks, files), so it goes too; it is counted by kind and relation, with its rows, times and
// tenants. Of a segment file the blocks are kept that verify in all of their columns; of those that do not, the footer tells rows, times
// and tenants.
import Bytes
import Capabilities
import Columns
public import Model

/// What a salvage of one shard would cost.
public struct SalvageFindings: Sendable {
  /// Entries that can be read and go all the same, of one kind and relation.
  public struct Stranded: Sendable, Equatable {
    /// `batch`, `rollupCommit`, …
    public var kind: String
    /// Name of the table or rollup; empty without one.
    public var relation: String
    /// How many.
    public var entries = 0
    /// Their rows.
    public var rows = 0
    /// The first and last.
    public var positions: ClosedRange<LogPosition>
    /// Least and greatest time of the rows, as text.
    public var times: (low: String, high: String)? { low.flatMap { low in high.map { (low.text, $0.text) } } }
    /// Tenants of the rows, the first few that were met.
    public var tenants: [String] = []
    /// There are others.
    public var hasMoreTenants = false
    fileprivate var low: Stamp?
    fileprivate var high: Stamp?
  }
  fileprivate struct Stamp: Sendable, Equatable {
    var value: Int64
    var text: String
  }
  /// A section of a damaged segment file.
  public struct Section: Sendable {
    /// Name of the table, or of the rollup and level.
    public var relation: String
    /// Rows that are in it.
    public var rows: Int
    /// Rows among them that are lost.
    public var lost: Int
    /// Positions of its rows.
    public var positions: ClosedRange<LogPosition>
    /// Least and greatest time of the lost rows, as text, where it is known.
    public var times: (low: String, high: String)?
    /// The first and last tenant of the lost rows, where they are known.
    public var tenants: (low: String, high: String)?
  }
  /// A damaged segment file.
  public struct File: Sendable {
    let number: UInt64
    /// Below the data directory.
    public var path: String
    /// What failed first.
    public var message: String
    /// Its live sections.
    public var sections: [Section] = []
  }
  /// The shard.
  public var shard: ShardID
  /// Which copy.
  public var replica: ReplicaID
  /// The last entry that is kept.
  public var kept = LogPosition(0)
  /// When it was logged, microseconds since 1970.
  public var keptTime: Int64 = 0
  /// Why the log ends there, for people; empty when all of it is kept.
  public var stops: [String] = []
  /// Records that cannot be read but whose headers can, by position.
  public var unreadable: [LostEntry] = []
  /// What can be read and goes.
  public var stranded: [Stranded] = []
  /// Damaged segment files.
  public var files: [File] = []
  /// A salvage was begun and not finished.
  public var isUnfinished = false
  /// An open statement will delete rows of files: they cannot change before it ends.
  public var hasOpenDeletion = false
  /// Journal files with entries that go.
  var journalFiles: Set<UInt64> = []
  fileprivate var lastStranded = LogPosition(0)

  /// Nothing has to be given up.
  public var isSound: Bool { stops.isEmpty && files.isEmpty && !isUnfinished }
  /// The highest entry that is known to be lost; 0 when none is.
  public var known: LogPosition { max(lastStranded, unreadable.map(\.position).max() ?? LogPosition(0)) }
  /// Entries that are known to be lost.
  public var lostEntries: UInt64 { known > kept ? known.rawValue - kept.rawValue : 0 }
  /// Rows of segment files that are lost.
  public var lostRows: Int { files.reduce(0) { $0 + $1.sections.reduce(0) { $0 + $1.lost } } }
  /// In a few words.
  public var what: String {
    var parts: [String] = []
    if !stops.isEmpty {
      parts.append(known > kept ? "log entries \(kept.next) to at least \(known)" : "log entries above \(kept), if there were any")
      for group in stranded where group.rows > 0 { parts.append("\(group.rows) rows of \(group.relation) in \(group.kind) entries") }
    }
    for file in files {
      let lost = file.sections.filter { $0.lost > 0 }.map { "\($0.lost) of \($0.rows) rows of \($0.relation)" }
      parts.append("\(lost.isEmpty ? "no row" : lost.joined(separator: ", ")) in \(file.path)")
    }
    return String(decoding: parts.joined(separator: "; ").utf8.prefix(SalvageRecord.whatMax), as: UTF8.self)
  }

  init(shard: ShardID, replica: ReplicaID) {
    self.shard = shard
    self.replica = replica
  }
  static let tenantsShown = 16

  // MARK: The log

  /// Notes an entry that can be read and goes.
  mutating func strand(_ entry: LogEntry, _ schema: ShardSchema) {
    lastStranded = max(lastStranded, entry.position)
    var (relation, rows, batch): (String, Int, (Batch, TableSchema)?) = ("", 0, nil)
    do {
      switch entry.kind {
      case .batch:
        let record = try LogEntryFormat.batchRecord(of: entry)
        (relation, rows) = (schema.name(of: record.table), record.rows)
        if let table = schema.table(record.table), entry.catalogVersion == schema.version {
          batch = (try LogEntryFormat.batch(of: entry, types: table.columns.map(\.type)), table)
        }
      case .rollupCommit, .backfillCommit:
        switch try LogEntryFormat.decode(entry) {
        case .rollupCommit(let delta): relation = schema.name(of: delta.rollup)
        case .backfillCommit(let delta): relation = schema.name(of: delta.rollup)
        default: break
        }
      default: break
      }
    } catch {
      // Its hash holds, so it is of a form that this version does not know: it is counted by its kind.
      relation = ""
    }
    let kind = "\(entry.kind)"
    var group =
      stranded.first { $0.kind == kind && $0.relation == relation }
      ?? Stranded(kind: kind, relation: relation, positions: entry.position...entry.position)
    stranded.removeAll { $0.kind == kind && $0.relation == relation }
    group.entries += 1
    group.rows += rows
    group.positions = min(group.positions.lowerBound, entry.position)...max(group.positions.upperBound, entry.position)
    if let (batch, table) = batch { group.note(batch, table) }
    stranded.append(group)
    stranded.sort { ($0.positions.lowerBound, $0.kind, $0.relation) < ($1.positions.lowerBound, $1.kind, $1.relation) }
  }

  // MARK: Segment files

  /// Looks at one file of the manifest; notes it when it is damaged.
  mutating func look(at file: FileRecord, _ image: FileImage?, _ failure: String, dropped: Set<SectionReference>, _ schema: ShardSchema) {
    let path = ManifestFormat.directory(shard) + "/" + ManifestFormat.segmentName(file)
    let live = file.sections.indices.filter { !dropped.contains(SectionReference(file: file.number, section: $0)) }
    var found = File(number: file.number, path: path, message: failure)
    let sections = image.flatMap { Salvage.sections(of: $0, file) }
    if image != nil, sections == nil { found.message = "its header or footer fails its checksum" }
    for at in live {
      let summary = file.sections[at]
      var section = Section(
        relation: schema.name(of: summary.relation),
        rows: summary.rows,
        lost: summary.rows,
        positions: summary.low...max(summary.low, summary.high)
      )
      let layout = schema.layouts.first { $0.id == summary.relation }
      let time = layout.flatMap { layout in layout.timeColumn.map { layout.columns[$0].type } }
      if let opened = sections?[at] {
        let bad = opened.damagedBlocks()
        section.lost = bad.reduce(0) { $0 + opened.rows(ofBlock: $1.block).count }
        if let first = bad.first, found.message.isEmpty { found.message = first.message }
        if let layout { section.bound(opened, bad.map(\.block), layout) }
      } else if let low = summary.minTime, let high = summary.maxTime, let time {
        section.times = (Self.text(low, time), Self.text(high, time))
      }
      found.sections.append(section)
    }
    if !found.message.isEmpty { files.append(found) }
  }
  fileprivate static func text(_ value: Int64, _ type: DataType) -> String { ValueText.print(.fixed(value), as: type) ?? "\(value)" }
}

extension SalvageFindings.Stranded {
  fileprivate mutating func note(_ batch: Batch, _ table: TableSchema) {
    if let time = table.timeColumn, case .fixed(let times) = batch.columns[time].values {
      let type = table.columns[time].type
      for row in 0..<times.count where !batch.columns[time].isNull(row) {
        if times[row] < low?.value ?? .max { low = .init(value: times[row], text: SalvageFindings.text(times[row], type)) }
        if times[row] > high?.value ?? .min { high = .init(value: times[row], text: SalvageFindings.text(times[row], type)) }
      }
    }
    guard case .distributed(let key, _) = table.distribution else { return }
    var last = ""
    for row in 0..<batch.count {
      guard let tenant = Self.tenant(batch.columns[key], row), tenant != last else { continue }
      last = tenant
      if tenants.contains(tenant) { continue }
      if tenants.count < SalvageFindings.tenantsShown { tenants.append(tenant) } else { hasMoreTenants = true }
    }
  }
  private static func tenant(_ column: ColumnVector, _ row: Int) -> String? {
    if column.isNull(row) { return nil }
    switch column.values {
    case .fixed(let values): return ValueText.print(.fixed(values[row]), as: column.type)
    case .text(let texts):
      return String(decoding: texts.bytes[Int(texts.offsets[row])..<Int(texts.offsets[row + 1])], as: UTF8.self)
    case .codes(let codes, let dictionary):
      let code = Int(codes[row])
      return String(decoding: dictionary.bytes[Int(dictionary.offsets[code])..<Int(dictionary.offsets[code + 1])], as: UTF8.self)
    default: return nil
    }
  }
}

extension SalvageFindings.Section {
  /// What the footer tells of the damaged blocks' times and tenants.
  fileprivate mutating func bound(_ section: SegmentSection, _ blocks: [Int], _ layout: RelationLayout) {
    func fixed(_ column: Int) -> (low: String, high: String)? {
      var (low, high): (Int64?, Int64?)
      for block in blocks {
        guard case .fixed(let least, let greatest) = layout.zone(section, block, column).bounds else { continue }
        (low, high) = (min(low ?? least, least), max(high ?? greatest, greatest))
      }
      let type = layout.columns[column].type
      return low.flatMap { low in high.map { (SalvageFindings.text(low, type), SalvageFindings.text($0, type)) } }
    }
    func texts(_ column: Int) -> (low: String, high: String)? {
      var (low, high): ([UInt8]?, [UInt8]?)
      for block in blocks {
        guard case .text(let least, let greatest) = layout.zone(section, block, column).bounds else { continue }
        if low.map({ least.lexicographicallyPrecedes($0) }) ?? true { low = least }
        if high.map({ $0.lexicographicallyPrecedes(greatest) }) ?? true { high = greatest }
      }
      return low.flatMap { low in high.map { (String(decoding: low, as: UTF8.self), String(decoding: $0, as: UTF8.self)) } }
    }
    if let time = layout.timeColumn { times = fixed(time) }
    if let key = layout.sortKey.first { tenants = fixed(key) ?? texts(key) }
  }
}

extension ShardSchema {
  /// As users know it.
  func name(of relation: TableID) -> String {
    if let table = table(relation) { return table.name }
    if let rollup = rollup(relation) { return rollup.name }
    if let (rollup, level) = level(relation) { return "\(rollup.name)_\(rollup.levels[level].suffix)" }
    return "relation \(relation)"
  }
}

extension SegmentSection {
  /// Blocks that do not verify in some column, and what failed; all of them where a dictionary fails.
  func damagedBlocks() -> [(block: Int, message: String)] {
    var messages: [Int: String] = [:]
    for column in 0..<columnCount {
      if let failure = dictionaryFailure(column) { return (0..<blockCount).map { ($0, failure) } }
      for block in 0..<blockCount where messages[block] == nil {
        if let failure = blockFailure(column, block) { messages[block] = failure }
      }
    }
    return messages.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }
}
