// CatalogCopyFile.swift — the coordinators' state as a worker keeps it, in `meta/catalog-copy`: what a catalog is made of anew when every
// coordinator is lost for good, and the generation below which no coordinator is listened to any more (protocol.md §2.15).
//
//   u32 magic "TCPY" · u16 version 1 · u16 zero · 16 bytes cluster id · u64 generation · u64 index · u64 term · u64 bytes of the state · state
//   · u32 crc32c of all before
// It is replaced by rename, and only by one of a later (generation, index). The state's bytes: CoordinatorNode/CatalogCommandFormat; a
// byte of version, then the CatalogSnapshot.
public import Bytes
public import Capabilities
public import Model

/// Reads and writes the file.
public enum CatalogCopyFile {
  static let magic: UInt32 = 0x5950_4354
  static let version: UInt16 = 1
  static let path = "meta/catalog-copy"

  /// Bytes of the file, with its checksum.
  public static func encode(_ cluster: ClusterID, _ record: CatalogCopyRecord) -> [UInt8] {
    var out = ByteWriter(capacity: 64 + record.state.count)
    out.u32(magic)
    out.u16(version)
    out.u16(0)
    for number in [cluster.high, cluster.low, record.generation, record.index, record.term, UInt64(record.state.count)] { out.u64(number) }
    out.bytes(record.state)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Reads the file's bytes. Throws `DecodingFailure` when they are not whole, not ours, or of a version that is not known.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> (cluster: ClusterID, record: CatalogCopyRecord) {
    try bytes.withReader { reader throws(DecodingFailure) in
      guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: 0, "not a copy of the catalog") }
      let version = try reader.u16()
      guard version == Self.version, try reader.u16() == 0 else {
        throw DecodingFailure(.unknown, at: 4, "copy of the catalog, version \(version)")
      }
      let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
      let (generation, index, term, count) = (try reader.u64(), try reader.u64(), try reader.u64(), try reader.u64())
      guard count <= UInt64(reader.remaining) else { throw DecodingFailure(.truncated, at: reader.position, "a state of \(count) bytes") }
      let state = try reader.bytes(Int(count))
      let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[0..<reader.position]))
      guard try reader.u32() == checksum else { throw DecodingFailure(.checksum, at: reader.position - 4, "copy of the catalog") }
      try reader.expectEnd()
      return (cluster, CatalogCopyRecord(generation: generation, index: index, term: term, state: state))
    }
  }
  /// What is kept; nil when nothing is. Throws XX001 when it is not ours.
  public static func read(cluster: ClusterID, disk: any Disk) async throws -> CatalogCopyRecord? {
    let bytes: [UInt8]
    do { bytes = try await disk.readAll(path) } catch let failure as DiskFailure where failure.kind == .notFound { return nil }
    do {
      let found = try decode(bytes)
      guard found.cluster == cluster else { throw TallyError(.wrongCluster, "\(path) is of cluster \(found.cluster), not \(cluster)") }
      return found.record
    } catch let failure as DecodingFailure { throw TallyError(.dataDamaged, "\(path) cannot be read: \(failure)") }
  }
  /// Keeps a state. Durable when it returns.
  public static func write(_ record: CatalogCopyRecord, cluster: ClusterID, disk: any Disk) async throws {
    try await disk.writeDurably(path, [encode(cluster, record)])
  }
}
