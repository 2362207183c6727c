// Inspection.swift — what a node's data directory holds, told from its files while the node is stopped. Reads only: nothing is
// created, mended, locked or removed, so what a crash left can be looked at before a start changes it.

import Bytes
public import Capabilities
public import Model

/// One journal file.
public struct JournalFileReport: Sendable {
  /// Its path below the data directory.
  public var path: String
  /// Bytes of the file.
  public var bytes: UInt64
  /// Groups of records that are whole.
  public var groups = 0
  /// First and last position of each shard with records, by shard.
  public var positions: [(shard: ShardID, first: LogPosition, last: LogPosition, records: Int)] = []
  /// Unfinished or damaged places, for people.
  public var faults: [String] = []
  /// The damaged ones among them, with the shards whose entries were lost there; nil = cannot be told.
  public var damages: [(message: String, shards: Set<ShardID>?)] = []
  /// It is not this node's.
  public var isForeign = false
}

/// One shard.
public struct ShardDirectoryReport: Sendable {
  /// The shard.
  public var shard: ShardID
  /// Number of the manifest in use.
  public var manifest: UInt64 = 0
  /// The state up to which rows are in files.
  public var checkpoint = ShardState()
  /// The last entry whose changes of files the manifest holds.
  public var layoutPosition = LogPosition(0)
  /// Segment files, by number, with the places of sections that are not live any more.
  public var files: [(file: FileRecord, dropped: [Int])] = []
  /// What is missing, too much or damaged, for people.
  public var faults: [String] = []
  /// Those of them that keep the shard from starting.
  public var damages: [String] = []
}

/// A data directory.
public struct DataDirectoryReport: Sendable {
  /// Whose it is; nil when it has no IDENTITY.
  public var identity: DataDirectory.Identity?
  /// By number.
  public var journal: [JournalFileReport] = []
  /// By number.
  public var shards: [ShardDirectoryReport] = []

  /// Reads a data directory. Throws when IDENTITY cannot be read; all other damage is in the report.
  public static func read(_ disk: any Disk) async throws -> DataDirectoryReport {
    var report = DataDirectoryReport()
    let names = try await disk.list("").map(\.name)
    guard names.contains(DataDirectory.identityPath) else { return report }
    let identity = try DataDirectory.decode(try await disk.readAll(DataDirectory.identityPath))
    report.identity = identity
    if names.contains(JournalFormat.directory) {
      for entry in try await disk.list(JournalFormat.directory) where !entry.isDirectory {
        guard let number = JournalFormat.number(of: entry.name) else { continue }
        report.journal.append(try await journalFile(disk, number, identity))
      }
    }
    if names.contains("shards") {
      let numbers = try await disk.list("shards").filter(\.isDirectory).compactMap { UInt64($0.name) }.sorted()
      for number in numbers { report.shards.append(try await shard(disk, ShardID(number), identity)) }
    }
    return report
  }

  private static func journalFile(
    _ disk: any Disk,
    _ number: UInt64,
    _ identity: DataDirectory.Identity
  ) async throws -> JournalFileReport {
    let bytes = try await disk.readAll(JournalFormat.path(number))
    var report = JournalFileReport(path: JournalFormat.path(number), bytes: UInt64(bytes.count))
    do {
      let header = try bytes.withReader { reader throws(DecodingFailure) in
        try GroupFormat.decodeFileHeader(reader.base)
      }
      if header.number != number || header.cluster != identity.cluster || header.owner != identity.node.rawValue {
        report.isForeign = true
        report.faults.append("its header belongs to file \(header.number) of node \(header.owner), cluster \(header.cluster)")
      }
    } catch {
      report.faults.append("its header cannot be read: \(error)")
      report.damages.append(("its header cannot be read", nil))
    }
    let scan = bytes.withUnsafeBytes {
      GroupScan.scan($0, file: number, expecting: .init(number: nil, previous: nil), grows: false)
    }
    report.groups = scan.groups.count
    var found: [ShardID: (first: LogPosition, last: LogPosition, records: Int)] = [:]
    for record in scan.groups.flatMap(\.records) {
      let known = found[record.shard] ?? (record.position, record.position, 0)
      found[record.shard] = (
        min(known.first, record.position), max(known.last, record.position), known.records + 1
      )
    }
    report.positions = found.sorted { $0.key < $1.key }.map { ($0.key, $0.value.first, $0.value.last, $0.value.records) }
    var damages = scan.damages
    switch scan.tail {
    case .clean: break
    case .torn: report.faults.append("an unfinished write from byte \(scan.end) on")
    case .damaged(let damage): damages.append(damage)
    }
    for damage in damages {
      let message = "damaged at byte \(damage.offset): \(damage.message)"
      report.faults.append(message)
      report.damages.append((message, damage.lost.map { Set($0.map(\.shard)) }))
    }
    return report
  }

  private static func shard(
    _ disk: any Disk,
    _ shard: ShardID,
    _ identity: DataDirectory.Identity
  ) async throws -> ShardDirectoryReport {
    var report = ShardDirectoryReport(shard: shard)
    guard try await Manifest.exists(disk: disk, shard: shard) else {
      report.faults.append("no \(ManifestFormat.current): its creation was not finished")
      return report
    }
    do {
      let found = try await Manifest.look(disk: disk, cluster: identity.cluster, shard: shard)
      report.manifest = found.number
      report.checkpoint = found.contents.checkpoint
      report.layoutPosition = found.contents.layoutPosition
      report.files = found.contents.files.values.sorted { $0.number < $1.number }.map { file in
        (file, found.contents.dropped.filter { $0.file == file.number }.map(\.section).sorted())
      }
      if found.hasTornTail { report.faults.append("an unfinished edit at the end of the manifest") }
    } catch let failure as DecodingFailure {
      report.damages.append("its manifest cannot be read: \(failure)")
    } catch let failure as DiskFailure {
      report.damages.append("its manifest cannot be read: \(failure)")
    }
    let sizes = Dictionary(
      try await disk.list(ManifestFormat.directory(shard)).map { ($0.name, $0.size) },
      uniquingKeysWith: { first, _ in first }
    )
    let named = Set(report.files.map { ManifestFormat.segmentName($0.file) })
    for (file, _) in report.files {
      let name = ManifestFormat.segmentName(file)
      if sizes[name] == nil { report.damages.append("\(name) is missing") }
      if let size = sizes[name], size != file.bytes { report.damages.append("\(name) has \(size) bytes, not \(file.bytes)") }
    }
    report.faults += report.damages
    for name in sizes.keys.sorted() where ManifestFormat.segmentNumber(of: name) != nil && !named.contains(name) {
      report.faults.append("\(name) is not in the manifest: the journal names it, or it is a leftover")
    }
    return report
  }
}
