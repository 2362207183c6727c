// SalvageRecord.swift — what an operator gave up of a shard on this node, in `meta/salvage-<shard>`: kept for good, told at every
// registration, so that the coordinators list it (protocol.md §2.17).
//
//   u32 magic "TSLV" · u16 version 1 · u16 zero · 16 bytes cluster id · u64 shard · varint count · per record, oldest first:
//     u8 state (0 begun, 1 done) · u64 replica · u64 kept · u64 known · u64 entries · u64 rows · i64 time · string reason · string what
//   · u32 crc32c of all before
// It is replaced by rename. A record is `begun` before anything of the shard changes and `done` after the last change: a shard with one
// that is begun does not start, and the same order given again completes it.
public import Bytes
public import Capabilities
public import Model

/// One salvage of one shard.
public struct SalvageRecord: Equatable, Sendable {
  /// The shard.
  public var shard: ShardID
  /// Which copy it was.
  public var replica: ReplicaID
  /// Whether everything that belongs to it is durable.
  public var isDone: Bool
  /// The last entry of the log that was kept.
  public var kept: LogPosition
  /// The highest entry that is known to be lost; 0 when none is.
  public var known: LogPosition
  /// Entries that are known to be lost.
  public var entries: UInt64
  /// Rows of segment files that are lost.
  public var rows: UInt64
  /// When, microseconds since 1970 UTC.
  public var time: Int64
  /// The operator's words.
  public var reason: String
  /// What is lost, in words.
  public var what: String

  /// Makes a record.
  public init(
    shard: ShardID,
    replica: ReplicaID,
    isDone: Bool,
    kept: LogPosition,
    known: LogPosition,
    entries: UInt64,
    rows: UInt64,
    time: Int64,
    reason: String,
    what: String
  ) {
    self.shard = shard
    self.replica = replica
    self.isDone = isDone
    self.kept = kept
    self.known = known
    self.entries = entries
    self.rows = rows
    self.time = time
    self.reason = reason
    self.what = what
  }
  /// Longest reason.
  public static let reasonMax = 500
  /// Longest description of what is lost.
  public static let whatMax = 2000
}

/// Reads and writes the records of a data directory.
public enum SalvageFile {
  static let magic: UInt32 = 0x564c_5354
  static let version: UInt16 = 1
  /// Records kept of one shard: the newest.
  static let recordsMax = 64
  private static let directory = "meta"
  private static let prefix = "salvage-"
  static func path(_ shard: ShardID) -> String { "\(directory)/\(prefix)\(shard)" }

  /// Bytes of the file, with its checksum.
  public static func encode(_ cluster: ClusterID, _ shard: ShardID, _ records: [SalvageRecord]) -> [UInt8] {
    var out = ByteWriter(capacity: 256)
    out.u32(magic)
    out.u16(version)
    out.u16(0)
    for number in [cluster.high, cluster.low, shard.rawValue] { out.u64(number) }
    out.count(records.count)
    for record in records {
      out.bool(record.isDone)
      for number in [record.replica.rawValue, record.kept.rawValue, record.known.rawValue, record.entries, record.rows] { out.u64(number) }
      out.i64(record.time)
      out.string(record.reason)
      out.string(record.what)
    }
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Reads the file's bytes. Throws `DecodingFailure` when they are not whole, not ours, or of a version that is not known.
  public static func decode(
    _ bytes: [UInt8]
  ) throws(DecodingFailure) -> (cluster: ClusterID, shard: ShardID, records: [SalvageRecord]) {
    try bytes.withReader { reader throws(DecodingFailure) in
      guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: 0, "not a salvage record") }
      let version = try reader.u16()
      guard version == Self.version, try reader.u16() == 0 else {
        throw DecodingFailure(.unknown, at: 4, "salvage record version \(version)")
      }
      let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
      let shard = ShardID(try reader.u64())
      var records: [SalvageRecord] = []
      for _ in 0..<(try reader.count(max: recordsMax, "salvage records")) {
        let isDone = try reader.bool()
        records.append(
          SalvageRecord(
            shard: shard,
            replica: ReplicaID(try reader.u64()),
            isDone: isDone,
            kept: LogPosition(try reader.u64()),
            known: LogPosition(try reader.u64()),
            entries: try reader.u64(),
            rows: try reader.u64(),
            time: try reader.i64(),
            reason: try reader.string(max: SalvageRecord.reasonMax * 4),
            what: try reader.string(max: SalvageRecord.whatMax * 4)
          )
        )
      }
      let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[0..<reader.position]))
      guard try reader.u32() == checksum else { throw DecodingFailure(.checksum, at: reader.position - 4, "salvage record") }
      try reader.expectEnd()
      return (cluster, shard, records)
    }
  }
  /// The records of one shard, oldest first. Throws XX001 when the file is not ours.
  public static func read(of shard: ShardID, cluster: ClusterID, disk: any Disk) async throws -> [SalvageRecord] {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(path(shard)) } catch let failure as DiskFailure where failure.kind == .notFound { return [] }
    do {
      let found = try decode(bytes)
      guard found.cluster == cluster, found.shard == shard else {
        throw TallyError(.wrongCluster, "\(path(shard)) is of shard \(found.shard) of cluster \(found.cluster)")
      }
      return found.records
    } catch let failure as DecodingFailure {
      throw TallyError(.dataDamaged, "\(path(shard)) cannot be read: \(failure)", hint: "Move it elsewhere: nothing else depends on it.")
    }
  }
  /// The records of all shards, by shard.
  public static func readAll(cluster: ClusterID, disk: any Disk) async throws -> [SalvageRecord] {
    let names = try await disk.list(directory).filter { !$0.isDirectory && $0.name.hasPrefix(prefix) }.map(\.name)
    var records: [SalvageRecord] = []
    for number in names.compactMap({ UInt64($0.dropFirst(prefix.count)) }).sorted() {
      records += try await read(of: ShardID(number), cluster: cluster, disk: disk)
    }
    return records
  }
  static func write(_ records: [SalvageRecord], of shard: ShardID, cluster: ClusterID, disk: any Disk) async throws {
    try await disk.createDirectory(directory)
    try await disk.syncDirectory("")
    try await disk.writeDurably(path(shard), [encode(cluster, shard, records.suffix(recordsMax))])
  }
}
