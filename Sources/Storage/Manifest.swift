// Manifest.swift — a shard's manifest on disk: edits are appended and synced; a long file is replaced (rules D6, D7).
//
// Two manifests before the one in use are kept. Every file an edit adds is durable before the edit is written; files it removes
// are unlinked afterwards, by the caller. Confined to its shard's owner; one edit at a time.
import Bytes
import Capabilities
import Model

final class Manifest {
  /// A manifest longer than this is replaced by one with a whole edit.
  static let rolloverBytes = 4 << 20
  private let disk: any Disk
  private let cluster: ClusterID
  private let shard: ShardID
  private let rollover: Int
  private var number: UInt64
  private var offset: Int
  private var nextGroup: UInt64
  private var previous: Hash128
  private var edits: UInt64
  private var chain: Hash128
  private(set) var contents: ManifestContents

  private init(
    disk: any Disk,
    cluster: ClusterID,
    shard: ShardID,
    rollover: Int,
    number: UInt64,
    contents: ManifestContents
  ) {
    self.disk = disk
    self.cluster = cluster
    self.shard = shard
    self.rollover = rollover
    self.number = number
    self.contents = contents
    offset = GroupFormat.block
    nextGroup = 1
    previous = .zero
    edits = 0
    chain = .zero
  }
  private var directory: String { ManifestFormat.directory(shard) }
  private func path(_ name: String) -> String { directory + "/" + name }

  /// Creates a shard's directory with an empty manifest; one whose creation was not finished is begun again.
  static func create(
    disk: any Disk,
    cluster: ClusterID,
    shard: ShardID,
    rollover: Int = rolloverBytes
  ) async throws -> Manifest {
    let directory = ManifestFormat.directory(shard)
    try await disk.createDirectory(directory)
    try await disk.syncDirectory("shards")
    try await disk.syncDirectory("")
    let manifest = Manifest(
      disk: disk,
      cluster: cluster,
      shard: shard,
      rollover: rollover,
      number: 0,
      contents: ManifestContents()
    )
    try await manifest.replace()
    return manifest
  }
  /// A manifest of the given contents that `replace` will make the one in use; the directory is there.
  static func prepared(
    disk: any Disk,
    cluster: ClusterID,
    shard: ShardID,
    contents: ManifestContents
  ) async throws -> Manifest {
    let names = try await disk.list(ManifestFormat.directory(shard)).map(\.name)
    return Manifest(
      disk: disk,
      cluster: cluster,
      shard: shard,
      rollover: rolloverBytes,
      number: names.compactMap { ManifestFormat.number(of: $0) }.max() ?? 0,
      contents: contents
    )
  }
  /// Whether a shard's directory has a manifest.
  static func exists(disk: any Disk, shard: ShardID) async throws -> Bool {
    try await disk.list(ManifestFormat.directory(shard)).contains { $0.name == ManifestFormat.current }
  }
  /// Opens the manifest in use.
  static func open(
    disk: any Disk,
    cluster: ClusterID,
    shard: ShardID,
    rollover: Int = rolloverBytes
  ) async throws -> Manifest {
    let directory = ManifestFormat.directory(shard)
    let current = try await disk.readAll(directory + "/" + ManifestFormat.current)
    do {
      let number = try ManifestFormat.decodeCurrent(current)
      let bytes = try await disk.readAll(directory + "/" + ManifestFormat.name(number))
      let manifest = Manifest(
        disk: disk,
        cluster: cluster,
        shard: shard,
        rollover: rollover,
        number: number,
        contents: ManifestContents()
      )
      if try manifest.read(bytes) {
        // What an unfinished write left is zeroed, so that no sector of it is taken for a part of the next edit.
        let file = try await disk.open(directory + "/" + ManifestFormat.name(number), .readWrite)
        try await file.write(Journal.zeros(bytes.count - manifest.offset), at: UInt64(manifest.offset), sync: true)
        await file.close()
      }
      return manifest
    } catch let failure as DecodingFailure {
      throw TallyError(.dataDamaged, "manifest of shard \(shard): \(failure)", hint: "Restore the shard from a copy.")
    }
  }
  /// Takes the edits of a file over; true when an unfinished one follows them.
  private func read(_ bytes: [UInt8]) throws(DecodingFailure) -> Bool {
    let (header, scan) = try bytes.withReader { reader throws(DecodingFailure) in
      (
        try GroupFormat.decodeFileHeader(reader.base),
        GroupScan.scan(reader.base, file: number, expecting: .init(number: 1, previous: .zero), grows: true)
      )
    }
    guard header.magic == GroupFormat.manifestMagic, header.number == number, header.cluster == cluster,
      header.owner == shard.rawValue
    else { throw DecodingFailure(.malformed, at: 0, "\(ManifestFormat.name(number)) belongs elsewhere") }
    if let damage = scan.damages.first { throw DecodingFailure(.checksum, at: damage.offset, damage.message) }
    if case .damaged(let damage) = scan.tail { throw DecodingFailure(.checksum, at: damage.offset, damage.message) }
    for record in scan.groups.flatMap(\.records) {
      let entry = try bytes.withReader { reader throws(DecodingFailure) in try record.entry(in: reader.base) }
      let edit = try ManifestFormat.decode(entry.body)
      guard edit.isWhole == (contents == ManifestContents() && edits == 0), entry.follows(chain) else {
        throw DecodingFailure(.malformed, at: record.body.lowerBound, "manifest edit out of order")
      }
      contents.apply(edit)
      (edits, chain) = (entry.position.rawValue, entry.chain)
    }
    guard edits > 0 else { throw DecodingFailure(.malformed, at: GroupFormat.block, "a manifest without edits") }
    offset = scan.end
    nextGroup = scan.next.number ?? 1
    previous = scan.next.previous ?? .zero
    if case .torn = scan.tail { return true }
    return false
  }

  /// Reads the manifest in use and changes nothing, not even an unfinished edit at its end.
  static func look(
    disk: any Disk,
    cluster: ClusterID,
    shard: ShardID
  ) async throws -> (number: UInt64, contents: ManifestContents, hasTornTail: Bool) {
    let directory = ManifestFormat.directory(shard)
    let number = try ManifestFormat.decodeCurrent(try await disk.readAll(directory + "/" + ManifestFormat.current))
    let bytes = try await disk.readAll(directory + "/" + ManifestFormat.name(number))
    let manifest = Manifest(
      disk: disk,
      cluster: cluster,
      shard: shard,
      rollover: rolloverBytes,
      number: number,
      contents: ManifestContents()
    )
    let isTorn = try manifest.read(bytes)
    return (number, manifest.contents, isTorn)
  }

  /// Makes an edit durable.
  func append(_ edit: ManifestEdit) async throws {
    var after = contents
    after.apply(edit)
    if offset >= rollover { return try await replace(by: after) }
    let group = encode(edit)
    do {
      let file = try await disk.open(path(ManifestFormat.name(number)), .readWrite)
      try await file.write(group.pieces, at: UInt64(offset), sync: true)
      await file.close()
    } catch {
      // What stands at the end now is not known: the next edit begins another file.
      offset = .max
      throw error
    }
    offset += GroupFormat.aligned(group.bytes)
    contents = after
  }
  private func encode(_ edit: ManifestEdit) -> GroupFormat.Encoded {
    let entry = LogEntry(
      position: LogPosition(edits + 1),
      epoch: Epoch(0),
      kind: .layout,
      logTime: 0,
      catalogVersion: CatalogVersion(0),
      body: ManifestFormat.encode(edit),
      after: chain
    )
    let group = GroupFormat.encode(
      file: number,
      number: nextGroup,
      knownDurable: nextGroup - 1,
      previous: previous,
      records: [JournalRecord(shard: shard, entry: entry)]
    )
    (edits, chain, nextGroup, previous) = (edits + 1, entry.chain, nextGroup + 1, group.hash)
    return group
  }
  /// Writes all contents into a new file and makes it the current one.
  func replace() async throws { try await replace(by: contents) }
  private func replace(by whole: ManifestContents) async throws {
    number += 1
    (edits, chain, nextGroup, previous) = (0, .zero, 1, .zero)
    let header = GroupFormat.encode(
      GroupFormat.FileHeader(
        magic: GroupFormat.manifestMagic,
        cluster: cluster,
        owner: shard.rawValue,
        number: number
      )
    )
    let group = encode(whole.whole)
    // Until it is the current one nothing may be appended to it: after a failure the next edit begins another file.
    offset = .max
    if isPlanted(.currentBeforeManifest) {
      try await disk.writeDurably(path(ManifestFormat.current), [ManifestFormat.encodeCurrent(number)])
    }
    try await disk.writeDurably(path(ManifestFormat.name(number)), [header] + group.pieces)
    try await disk.writeDurably(path(ManifestFormat.current), [ManifestFormat.encodeCurrent(number)])
    (contents, offset) = (whole, GroupFormat.block + GroupFormat.aligned(group.bytes))
    for entry in try await disk.list(directory) {
      if let old = ManifestFormat.number(of: entry.name), old + 2 < number { try await disk.remove(path(entry.name)) }
    }
  }
}
