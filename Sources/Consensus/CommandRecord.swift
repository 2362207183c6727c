// CommandRecord.swift — the bytes of the coordinators' command log: what Raft will carry, and one coordinator keeps alone.
//
// A file is a header and records. All integers little-endian.
//   header  u32 magic "TCMD" · u16 version 1 · u16 zero · 16 bytes cluster id · u32 crc32c of the 24 bytes before
//   record  u32 crc32c of the rest of the record · u32 body bytes · u64 index · u64 term · u8 kind · 16 bytes chain · body
// `index` is dense; `chain` is MurmurHash3-128 of (previous chain, index, term, kind, body), so a record of another history
// is noticed. The first record of a file may be a snapshot (kind 1), whose index is that of the last command in it.
// A record is valid iff checksum, index and chain hold. The first invalid record ends the file when nothing valid follows it
// (a torn tail: it was never acknowledged); the caller cuts there.
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
  static let version: UInt16 = 1
  /// Bytes of the file header.
  public static let headerBytes = 28
  /// Bytes of a record before its body.
  public static let recordHeaderBytes = 41
  /// Largest body.
  public static let bodyBytesMax = 64 << 20

  /// The header of a cluster's log.
  public static func header(_ cluster: ClusterID) -> [UInt8] {
    var out = ByteWriter(capacity: headerBytes)
    out.u32(magic)
    out.u16(version)
    out.u16(0)
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Encodes a record that follows `chain`, and gives the chain after it.
  public static func encode(_ record: CommandRecord, after chain: Hash128) -> (bytes: [UInt8], chain: Hash128) {
    let next = link(record, chain)
    var out = ByteWriter(capacity: recordHeaderBytes + record.body.count)
    out.u32(0)
    out.u32(UInt32(record.body.count))
    out.u64(record.index)
    out.u64(record.term)
    out.u8(record.kind.rawValue)
    out.u64(next.high)
    out.u64(next.low)
    out.bytes(record.body)
    out.patch(out.withBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[4...])) }, at: 0)
    return (out.finish(), next)
  }
  private static func link(_ record: CommandRecord, _ chain: Hash128) -> Hash128 {
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
    /// Its cluster.
    public var cluster: ClusterID
    /// Valid records in order.
    public var records: [CommandRecord]
    /// Chain after the last record.
    public var chain: Hash128
    /// Bytes of header and valid records; what follows is a torn tail.
    public var validBytes: Int
  }

  /// Decodes a whole file. Throws when the header is not ours, or when a valid record follows an invalid one.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> Contents {
    try bytes.withReader { reader throws(DecodingFailure) in
      guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: 0, "not a command log") }
      let version = try reader.u16()
      guard version == Self.version, try reader.u16() == 0 else {
        throw DecodingFailure(.unknown, at: 4, "command log version \(version)")
      }
      let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
      guard try reader.u32() == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[0..<24])) else {
        throw DecodingFailure(.checksum, at: 24, "command log header")
      }
      var contents = Contents(cluster: cluster, records: [], chain: .zero, validBytes: headerBytes)
      while !reader.isAtEnd {
        guard let (record, chain) = next(&reader, contents) else { break }
        contents.records.append(record)
        contents.chain = chain
        contents.validBytes = reader.position
      }
      try refuseRot(reader.base, contents)
      return contents
    }
  }
  private static func next(_ reader: inout ByteReader, _ contents: Contents) -> (CommandRecord, Hash128)? {
    do throws(DecodingFailure) {
      let start = reader.position
      let checksum = try reader.u32()
      let size = Int(try reader.u32())
      guard size <= bodyBytesMax, reader.remaining >= size + recordHeaderBytes - 8 else { return nil }
      let end = start + recordHeaderBytes + size
      guard checksum == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[start + 4..<end])) else { return nil }
      let (index, term) = (try reader.u64(), try reader.u64())
      guard let kind = CommandRecord.Kind(rawValue: try reader.u8()) else { return nil }
      let chain = Hash128(high: try reader.u64(), low: try reader.u64())
      let record = CommandRecord(index: index, term: term, kind: kind, body: try reader.bytes(size))
      let expected = contents.records.last.map { $0.index + 1 }
      if let expected, index != expected { return nil }
      guard chain == link(record, contents.chain) else { return nil }
      return (record, chain)
    } catch {
      return nil
    }
  }
  /// A whole record with a right checksum behind the torn place means that acknowledged bytes rotted.
  private static func refuseRot(_ base: UnsafeRawBufferPointer, _ contents: Contents) throws(DecodingFailure) {
    var at = contents.validBytes + 1
    let lastIndex = contents.records.last?.index ?? 0
    while at + recordHeaderBytes <= base.count {
      let size = Int(base.loadUnaligned(fromByteOffset: at + 4, as: UInt32.self))
      let index = base.loadUnaligned(fromByteOffset: at + 8, as: UInt64.self)
      if size <= base.count - at - recordHeaderBytes, index > lastIndex, index < lastIndex + 1_000_000,
        base.loadUnaligned(fromByteOffset: at, as: UInt32.self)
          == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: base[at + 4..<at + recordHeaderBytes + size]))
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
