// CommandRecord.swift — the bytes of the coordinators' command log: what Raft carries, and each coordinator keeps.
//
// A file is a header and records. All integers little-endian.
//   header  u32 magic "TCMD" · u16 version 2 · u16 zero · 16 bytes cluster id · u32 crc32c of the 24 bytes before
//   record  u32 crc32c of the rest of the record · u32 body bytes · u64 index · u64 term · u8 kind · 16 bytes chain
//           · u64 bytes of this file that were durable before the record was written · body
// Version 1 (read, never written) lacks the last field before the body and has the kinds 1 and 2 only; its snapshot's body is the state
// alone, and the chain begins at it.
// `chain` is MurmurHash3-128 of (previous chain, index, term, kind, body), so a record of another history is noticed; a snapshot (kind 1,
// only as the first record) bears index, term and chain of the last entry in it, and its body is a SnapshotFormat.
// Indexes are dense, but a record may bear an index that is there already: then it voids that one and all behind it (a conflicting tail
// that a new leader replaced; never a committed entry).
// A record is valid iff checksum, index and chain hold. The first invalid record ends the file (a torn tail: it was never acknowledged;
// the caller cuts there), unless a whole record lies behind it that was written when the invalid place was durable: that is rot.
public import Bytes
public import Model

/// One record of the command log.
public struct CommandRecord: Equatable, Sendable {
  /// What the body is.
  public enum Kind: UInt8, Sendable {
    /// The whole state machine.
    case snapshot = 1
    /// One command.
    case command = 2
    /// Nothing: the first entry of a leader's term (Raft §8).
    case nothing = 3
    /// The members of the group, from this entry on.
    case members = 4
  }
  /// Dense from 1.
  public var index: UInt64
  /// Raft term; 1 with one coordinator.
  public var term: UInt64
  /// What the body is.
  public var kind: Kind
  /// Opaque here.
  public var body: [UInt8]
  /// Makes a record.
  public init(index: UInt64, term: UInt64, kind: Kind, body: [UInt8]) {
    self.index = index
    self.term = term
    self.kind = kind
    self.body = body
  }
}

/// Reads and writes the command log's bytes.
public enum CommandRecordFormat {
  static let magic: UInt32 = 0x444d_4354
  /// The version written.
  public static let version: UInt16 = 2
  /// Bytes of the file header.
  public static let headerBytes = 28
  /// Bytes of a record before its body.
  public static let recordHeaderBytes = 49
  static let firstRecordHeaderBytes = 41
  /// Largest body.
  public static let bodyBytesMax = 64 << 20

  /// The header of a cluster's log.
  public static func header(_ cluster: ClusterID) -> [UInt8] { header(cluster, version: version) }
  static func header(_ cluster: ClusterID, version: UInt16) -> [UInt8] {
    var out = ByteWriter(capacity: headerBytes)
    out.u32(magic)
    out.u16(version)
    out.u16(0)
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Encodes a record whose chain is known; `synced` bytes of its file are durable.
  public static func encode(_ record: CommandRecord, chain: Hash128, synced: UInt64) -> [UInt8] {
    var out = ByteWriter(capacity: recordHeaderBytes + record.body.count)
    out.u32(0)
    out.u32(UInt32(record.body.count))
    out.u64(record.index)
    out.u64(record.term)
    out.u8(record.kind.rawValue)
    out.u64(chain.high)
    out.u64(chain.low)
    out.u64(synced)
    out.bytes(record.body)
    out.patch(out.withBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...])) }, at: 0)
    return out.finish()
  }
  /// The chain up to and with a record that follows `chain`.
  public static func link(_ record: CommandRecord, after chain: Hash128) -> Hash128 {
    var out = ByteWriter(capacity: 40 + record.body.count)
    out.u64(chain.high)
    out.u64(chain.low)
    out.u64(record.index)
    out.u64(record.term)
    out.u8(record.kind.rawValue)
    out.bytes(record.body)
    return out.withBytes { Murmur3.hash($0) }
  }

  /// What a log file holds.
  public struct Contents: Sendable {
    /// Version of the file.
    public var version: UInt16
    /// Its cluster.
    public var cluster: ClusterID
    /// Valid records in order of their indexes; what was voided is left out. The first may be a snapshot.
    public var records: [CommandRecord]
    /// Chain after each record.
    public var chains: [Hash128]
    /// Bytes of header and valid records; what follows is a torn tail.
    public var validBytes: Int
    /// Chain after the last record.
    public var chain: Hash128 { chains.last ?? .zero }
  }

  /// Decodes a whole file. Throws when the header is not ours, or when durable records rotted.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> Contents {
    try bytes.withReader { reader throws(DecodingFailure) in
      guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: 0, "not a command log") }
      let version = try reader.u16()
      guard version == 1 || version == Self.version, try reader.u16() == 0 else {
        throw DecodingFailure(.unknown, at: 4, "command log version \(version)")
      }
      let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
      guard try reader.u32() == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[0..<24])) else {
        throw DecodingFailure(.checksum, at: 24, "command log header")
      }
      var contents = Contents(version: version, cluster: cluster, records: [], chains: [], validBytes: headerBytes)
      while !reader.isAtEnd, take(&reader, &contents) { contents.validBytes = reader.position }
      try refuseRot(reader.base, contents)
      return contents
    }
  }
  /// Takes the next record in; false when it is not valid.
  private static func take(_ reader: inout ByteReader, _ contents: inout Contents) -> Bool {
    do throws(DecodingFailure) {
      let start = reader.position
      let headerBytes = contents.version == 1 ? firstRecordHeaderBytes : recordHeaderBytes
      let checksum = try reader.u32()
      let size = Int(try reader.u32())
      guard size <= bodyBytesMax, reader.remaining >= size + headerBytes - 8 else { return false }
      let end = start + headerBytes + size
      guard checksum == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[start + 4..<end])) else { return false }
      let (index, term) = (try reader.u64(), try reader.u64())
      guard index > 0, index < .max, let kind = CommandRecord.Kind(rawValue: try reader.u8()) else { return false }
      let chain = Hash128(high: try reader.u64(), low: try reader.u64())
      if contents.version > 1 {
        guard try reader.u64() <= UInt64(start) else { return false }
      } else if kind == .nothing || kind == .members {
        return false
      }
      let record = CommandRecord(index: index, term: term, kind: kind, body: try reader.bytes(size))
      guard let first = contents.records.first else {
        // Version 1 links its snapshot to nothing; later ones give the chain that the entries had.
        let isWhole = kind == .snapshot ? contents.version > 1 || chain == link(record, after: .zero) : chain == link(record, after: .zero)
        guard isWhole, kind == .snapshot || contents.version == 1 || index == 1 else { return false }
        contents.records = [record]
        contents.chains = [chain]
        return true
      }
      guard kind != .snapshot else { return false }
      let expected = first.index + UInt64(contents.records.count)
      guard index == expected || (contents.version > 1 && index < expected && index >= first.index) else { return false }
      // Records before this one that stay.
      let kept = Int(index - first.index)
      guard kept > 0 || first.kind != .snapshot else { return false }
      guard chain == link(record, after: kept == 0 ? .zero : contents.chains[kept - 1]) else { return false }
      contents.records.removeSubrange(kept...)
      contents.chains.removeSubrange(kept...)
      contents.records.append(record)
      contents.chains.append(chain)
      return true
    } catch {
      return false
    }
  }
  /// A whole record behind the torn place, written when that place was durable, means that acknowledged bytes rotted. (In version 1
  /// any whole record does.)
  private static func refuseRot(_ base: UnsafeRawBufferPointer, _ contents: Contents) throws(DecodingFailure) {
    var at = contents.validBytes + 1
    let lastIndex = contents.records.last?.index ?? 0
    let headerBytes = contents.version == 1 ? firstRecordHeaderBytes : recordHeaderBytes
    while at + headerBytes <= base.count {
      let size = Int(base.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
      let index = base.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)
      let synced = contents.version == 1 ? .max : base.loadUnaligned(fromByteOffset: at + 41, as: UInt64.self)
      if size <= base.count - at - headerBytes, index > 0, index < lastIndex &+ 1_000_000, synced > UInt64(contents.validBytes),
        contents.version == 1 ? index > lastIndex : synced <= UInt64(at),
        base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
          == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: base[at + 4..<at + headerBytes + size]))
      {
        throw DecodingFailure(
          .checksum,
          at: contents.validBytes,
          "record after index \(lastIndex) is damaged; record \(index) behind it is whole"
        )
      }
      at += 1
    }
  }
}
