// JournalRecovery.swift — opens a journal: finds what it holds, mends a torn tail, tells damage, and replays.
//
// First pass: every file is verified and every record indexed by shard; a Cut, or a record at a position already seen with a
// higher epoch, voids the shard's records from there on (rule D4). Second pass (`replay`): the records left are delivered in
// journal order. A torn tail is zeroed (D9a). Damage elsewhere is kept as it is and reported with the shards it may
// concern (D9b, D10, D12): the shards decide with it whether they can start.

import Bytes
public import Capabilities
public import Model

/// A record of a journal whose header can be read and whose body cannot.
public struct LostEntry: Sendable, Equatable {
  /// Whose.
  public var shard: ShardID
  /// Where it stood in the log.
  public var position: LogPosition
  /// When it was logged, microseconds since 1970.
  public var logTime: Int64
  /// `batch`, `rollupCommit`, …
  public var kind: String
}

/// A place of a journal that was written once and cannot be read now.
public struct JournalDamage: Sendable, Equatable {
  /// Number of the file.
  public var file: UInt64
  /// Byte in the file.
  public var offset: Int
  /// Shards whose entries are lost there; nil = cannot be told.
  public var shards: [ShardID]?
  /// What failed.
  public var message: String
  /// What lay there, when that can be told.
  public var lost: [LostEntry] = []
}

/// A journal that was opened, and what it holds.
public struct OpenedJournal: Sendable {
  /// Ready for `run`.
  public let journal: Journal
  /// Damaged places.
  public let damages: [JournalDamage]
  /// True when an unfinished write was found and removed at the end (rule D11).
  public let hadTornTail: Bool
  /// Files whose header was broken and was written again: every group names its file too, so nothing is lost by that.
  public let mendedHeaders: [UInt64]
  let index: JournalIndex
  /// For each shard, whether it has a record in or after the file and byte of a damage.
  let lastPlace: [ShardID: (file: UInt64, offset: Int)]
  /// For each shard whose log was cut away whole, where that was done last.
  let begun: [ShardID: (file: UInt64, offset: Int)]
  let files: [UInt64]

  /// Shards with records, by number.
  public var shards: [ShardID] { index.places.keys.sorted() }
  /// First and last position of a shard's records; nil without any.
  public func positions(of shard: ShardID) -> ClosedRange<LogPosition>? {
    guard let records = index.places[shard], let first = records.first, let last = records.last else { return nil }
    return first.position...last.position
  }
  /// The first damage that may have held entries of the shard that nothing else accounts for.
  public func damage(concerning shard: ShardID) -> JournalDamage? {
    damages.first { damage in
      // What lay there belonged to a log that does not count any more: the copy began again since.
      if let begun = begun[shard], (damage.file, damage.offset) < (begun.file, begun.offset) { return false }
      if let shards = damage.shards { return shards.contains(shard) }
      // Entries behind the damage prove by their positions whether any is missing.
      guard let last = lastPlace[shard] else { return true }
      return last.file < damage.file || (last.file == damage.file && last.offset < damage.offset)
    }
  }
  /// Numbers of the files with records of a shard at or above a position.
  func files(holding shard: ShardID, from position: LogPosition) -> Set<UInt64> {
    Set((index.places[shard] ?? []).filter { $0.position >= position }.map(\.file))
  }
  /// Delivers the entries of `wanted` shards above the given positions, in journal order.
  public func replay(
    above wanted: [ShardID: LogPosition],
    _ deliver: (JournalRecord) async throws -> Void
  ) async throws {
    for number in files {
      let bytes = try await journal.disk.readAll(JournalFormat.path(number))
      for record in try records(in: bytes, number, wanted) { try await deliver(record) }
    }
  }
  private func records(
    in bytes: [UInt8],
    _ number: UInt64,
    _ wanted: [ShardID: LogPosition]
  ) throws -> [JournalRecord] {
    let scan = bytes.withUnsafeBytes {
      GroupScan.scan($0, file: number, expecting: .init(number: nil, previous: nil), grows: false)
    }
    return try bytes.withUnsafeBytes { raw in
      var found: [JournalRecord] = []
      for record in scan.groups.flatMap(\.records) {
        guard let above = wanted[record.shard], record.position > above, isAlive(record, number) else { continue }
        do { found.append(JournalRecord(shard: record.shard, entry: try record.entry(in: raw))) } catch {
          throw TallyError(.dataDamaged, "journal file \(JournalFormat.path(number)): \(error)")
        }
      }
      return found
    }
  }
  private func isAlive(_ record: GroupScan.Record, _ file: UInt64) -> Bool {
    // A cut has no body, so it begins where the body of the record behind it does.
    guard record.isIntact, record.kind != EntryKind.cut.rawValue,
      let at = index.firstIndex(of: record.shard, record.position), let place = index.places[record.shard]?[at]
    else { return false }
    return place.file == file && place.body == record.body.lowerBound
  }
}

extension Journal {
  /// Opens the journal below a data directory, creating it when there is none. Without `mending` nothing on the disk changes: what is
  /// opened is to be looked at, not written to.
  public static func open(
    disk: any Disk,
    cluster: ClusterID,
    node: NodeID,
    settings: JournalSettings = JournalSettings(),
    mending: Bool = true
  ) async throws -> OpenedJournal {
    if mending {
      try await disk.createDirectory(JournalFormat.directory)
      try await disk.syncDirectory("")
    }
    var reading = JournalReading(disk: disk, cluster: cluster, node: node, mends: mending)
    var numbers: [UInt64] = []
    for entry in try await disk.list(JournalFormat.directory) where !entry.isDirectory {
      if mending, entry.name.hasSuffix(".journal.tmp") { try await disk.remove(JournalFormat.directory + "/" + entry.name) }
      if let number = JournalFormat.number(of: entry.name) { numbers.append(number) }
    }
    numbers.sort()
    for (number, next) in zip(numbers, numbers.dropFirst()) where next != number + 1 {
      throw TallyError(
        .dataDamaged,
        "the journal lacks file \(JournalFormat.path(number + 1))",
        hint: "Restore the file from a copy."
      )
    }
    for number in numbers { try await reading.read(number) }
    try await reading.mendTail()
    let cursor = reading.cursor
    let journal = Journal(
      disk: disk,
      cluster: cluster,
      node: node,
      settings: settings,
      used: reading.used,
      index: reading.index,
      cursor: cursor,
      nextNumber: (numbers.last ?? 0) + 1,
      prepared: reading.empty
    )
    return OpenedJournal(
      journal: journal,
      damages: reading.damages,
      hadTornTail: reading.hadTornTail,
      mendedHeaders: reading.mendedHeaders,
      index: reading.index,
      lastPlace: reading.lastPlace,
      begun: reading.begun,
      files: reading.used.map(\.number)
    )
  }
}

/// The first pass over a journal's files.
struct JournalReading {
  let disk: any Disk
  let cluster: ClusterID
  let node: NodeID
  /// Whether torn tails and broken headers are written again.
  let mends: Bool
  var used: [Journal.UsedFile] = []
  var empty: [Journal.PreparedFile] = []
  var index = JournalIndex()
  var lastPlace: [ShardID: (file: UInt64, offset: Int)] = [:]
  var begun: [ShardID: (file: UInt64, offset: Int)] = [:]
  var damages: [JournalDamage] = []
  var hadTornTail = false
  var mendedHeaders: [UInt64] = []
  var cursor = Journal.Cursor(file: nil, number: 0, bytes: 0, offset: 0, group: 1, previous: .zero)
  private var next = GroupScan.Expectation(number: nil, previous: nil)
  private var hasGroups = false
  /// Files that end in something that is not a group: it is a torn tail only when no group follows.
  private var pending: [(file: UInt64, offset: Int, count: Int, tail: GroupScan.Tail)] = []

  init(disk: any Disk, cluster: ClusterID, node: NodeID, mends: Bool) {
    self.disk = disk
    self.cluster = cluster
    self.node = node
    self.mends = mends
  }

  mutating func read(_ number: UInt64) async throws {
    let path = JournalFormat.path(number)
    let bytes = try await disk.readAll(path)
    var broken: DecodingFailure?
    do { try bytes.withUnsafeBytes { try checkIdentity($0, number) } } catch let failure as DecodingFailure { broken = failure }
    let scan = bytes.withUnsafeBytes {
      GroupScan.scan($0, file: number, expecting: .init(number: nil, previous: nil), grows: false)
    }
    if let broken {
      guard Self.isMendable(broken, scan) else { throw TallyError(.dataDamaged, "journal file \(path): \(broken)") }
      try await mendHeader(of: number)
    }
    // Whatever the files before ended in was durable if groups follow it.
    if !scan.groups.isEmpty {
      for before in pending {
        if case .clean = before.tail { continue }
        note(damage(of: before.tail), in: before.file, at: before.offset)
      }
      pending = []
      if hasGroups, let first = scan.groups.first?.header {
        if first.number != next.number || first.previous != next.previous {
          damages.append(
            JournalDamage(
              file: number,
              offset: GroupFormat.block,
              shards: nil,
              message: "group \(first.number) where \(next.number ?? 0) was expected"
            )
          )
        }
      }
    }
    for damage in scan.damages { note(damage, in: number, at: damage.offset) }
    var file = Journal.UsedFile(number: number, bytes: bytes.count, highest: [:])
    for group in scan.groups { for record in group.records { try add(record, at: group.offset, to: &file) } }
    if scan.groups.isEmpty {
      empty.append(Journal.PreparedFile(number: number, bytes: bytes.count))
    } else {
      // Files without groups before this one were skipped over: they hold nothing.
      for skipped in empty { used.append(Journal.UsedFile(number: skipped.number, bytes: skipped.bytes, highest: [:])) }
      empty = []
      used.append(file)
      hasGroups = true
      next = scan.next
      cursor = Journal.Cursor(
        file: nil,
        number: number,
        bytes: bytes.count,
        offset: scan.end,
        group: scan.next.number ?? 1,
        previous: scan.next.previous ?? .zero
      )
    }
    pending.append((number, scan.end, bytes.count, scan.tail))
  }
  private func checkIdentity(_ bytes: UnsafeRawBufferPointer, _ number: UInt64) throws {
    let header = try GroupFormat.decodeFileHeader(bytes)
    guard header.magic == GroupFormat.journalMagic, header.number == number else {
      throw DecodingFailure(.malformed, at: 0, "not journal file \(number)")
    }
    guard header.cluster == cluster, header.owner == node.rawValue else {
      throw TallyError(
        .wrongCluster,
        "journal file \(JournalFormat.path(number)) belongs to another node",
        detail: "cluster \(header.cluster), node \(header.owner); this is cluster \(cluster), node \(node)"
      )
    }
  }
  /// Whether only the header is broken. A write that went elsewhere may have put a sound header of another file there: then the groups tell
  /// whose file it is, for they name it too, or it has none and was only prepared.
  private static func isMendable(_ failure: DecodingFailure, _ scan: GroupScan) -> Bool {
    switch failure.kind {
    case .checksum: true
    case .malformed: if case .clean = scan.tail { true } else { !scan.groups.isEmpty }
    default: false
    }
  }
  /// A header tells what the directory and the groups tell as well; what else was overwritten is found by the scan.
  private mutating func mendHeader(of number: UInt64) async throws {
    mendedHeaders.append(number)
    if !mends { return }
    let header = GroupFormat.encode(
      GroupFormat.FileHeader(magic: GroupFormat.journalMagic, cluster: cluster, owner: node.rawValue, number: number)
    )
    let file = try await disk.open(JournalFormat.path(number), .readWrite, lane: .general)
    try await file.write([header], at: 0, sync: true)
    await file.close()
  }
  private func damage(of tail: GroupScan.Tail) -> GroupScan.Damage {
    if case .damaged(let damage) = tail { return damage }
    return GroupScan.Damage(offset: 0, lost: nil, message: "a group is broken that others follow")
  }
  private mutating func note(_ damage: GroupScan.Damage, in file: UInt64, at offset: Int) {
    damages.append(
      JournalDamage(
        file: file,
        offset: offset,
        shards: damage.lost.map { Set($0.map(\.shard)).sorted() },
        message: damage.message,
        lost: (damage.lost ?? []).map { record in
          let kind = EntryKind(rawValue: record.kind).map { "\($0)" } ?? "kind \(record.kind)"
          return LostEntry(shard: record.shard, position: record.position, logTime: record.logTime, kind: kind)
        }
      )
    )
  }
  private mutating func add(_ record: GroupScan.Record, at offset: Int, to file: inout Journal.UsedFile) throws {
    guard let kind = EntryKind(rawValue: record.kind) else {
      throw TallyError(
        .dataDamaged,
        "journal file \(JournalFormat.path(file.number)) has an entry of kind \(record.kind)",
        detail: "entry \(record.position) of shard \(record.shard), byte \(record.body.lowerBound)",
        hint: "It was written by a newer version: start that one."
      )
    }
    file.highest[record.shard] = max(file.highest[record.shard] ?? LogPosition(0), record.position)
    if kind == .cut, isPlanted(.cutIgnoredAtRestart) { return }
    if kind == .cut {
      if record.position == LogPosition(1) {
        begun[record.shard] = (file.number, offset)
        file.highest[record.shard] = nil
        for at in used.indices { used[at].highest[record.shard] = nil }
      } else {
        file.cut(record.shard, from: record.position)
        for at in used.indices { used[at].cut(record.shard, from: record.position) }
      }
      return index.cut(record.shard, from: record.position)
    }
    guard record.isIntact else { return }
    try index.add(
      JournalIndex.Place(
        position: record.position,
        epoch: record.epoch,
        file: file.number,
        header: record.header,
        body: record.body.lowerBound,
        bodyBytes: record.body.count
      ),
      of: record.shard
    )
    lastPlace[record.shard] = (file.number, record.body.lowerBound)
  }
  /// Leaves a damaged end as it is: the next group goes into another file.
  private mutating func keep(_ file: UInt64) {
    while let first = empty.first, first.number <= file {
      used.append(Journal.UsedFile(number: first.number, bytes: first.bytes, highest: [:]))
      empty.removeFirst()
    }
    cursor.offset = cursor.bytes
  }
  /// Judges what follows the last group: zeroes a torn write, reports anything else.
  mutating func mendTail() async throws {
    let broken = pending.filter { if case .clean = $0.tail { false } else { true } }
    guard let last = broken.last else { return }
    // One group is written at a time, so what lies before something written later was durable.
    for before in broken.dropLast() { note(damage(of: before.tail), in: before.file, at: before.offset) }
    guard case .torn = last.tail else {
      note(damage(of: last.tail), in: last.file, at: last.offset)
      keep(last.file)
      return
    }
    hadTornTail = true
    if !mends || isPlanted(.tornTailNotMended) { return }
    let file = try await disk.open(JournalFormat.path(last.file), .readWrite, lane: .general)
    try await file.write(Journal.zeros(last.count - last.offset), at: UInt64(last.offset), sync: true)
    await file.close()
  }
}
