// GroupFormat.swift — the framing that journal files and manifest files share: a file header and self-evident groups.
//
// A file is one header block of 4 KiB and then groups, each beginning on a 4 KiB border (rules D1, D2, D4). Little-endian.
//
// File header (first 48 bytes of the block, the rest zero)
//    0 u32 magic ("TJF1" journal, "TMF1" manifest)   4 u32 format version (1)      8 u64 cluster high   16 u64 cluster low
//   24 u64 owner (node of a journal, shard of a manifest)   32 u64 file number     40 u32 zero   44 u32 CRC32C of bytes 0 ..< 44
//
// Group = header, directory, bodies, without gaps; bytes up to the next border are not part of it.
//    0 u32 magic "TGR1"         4 u32 CRC32C of bytes 8 ..< header bytes      8 u32 header bytes     12 u32 records
//   16 u64 file number         24 u64 group number (dense over all files)    32 u64 bytes of the group
//   40 u64 highest group known durable when this was written                 48 hash of the header before (high, low)
//   64 hash of the directory (high, low)                                      80 u64 zero
//   88 one bit for each 512-byte sector of the group, lowest first: set = the sector is all zeros; padded to 8 bytes
// Directory = one record header of 80 bytes for each record:
//    0 u64 shard   8 u64 lsn   16 u64 epoch   24 i64 log time   32 u64 catalog version   40 u32 kind   44 u32 body bytes
//   48 chain (high, low)   64 body hash (high, low)
// The bit map is what tells a torn write (a sector of zeros that should not be) from rot (rule D9).
import Bytes
import Model

enum GroupFormat {
  static let block = 4096
  static let sector = 512
  static let version: UInt32 = 1
  static let journalMagic: UInt32 = 0x3146_4a54
  static let manifestMagic: UInt32 = 0x3146_4d54
  static let groupMagic: UInt32 = 0x3152_4754
  static let fixedHeaderBytes = 88
  static let recordHeaderBytes = 80
  /// Records of one group.
  static let recordsMax = 1 << 20
  /// Bytes of one group.
  static let groupBytesMax: UInt64 = 1 << 31

  struct FileHeader: Equatable {
    var magic: UInt32
    var cluster: ClusterID
    var owner: UInt64
    var number: UInt64
  }
  struct Header: Equatable {
    var headerBytes: Int
    var records: Int
    var file: UInt64
    var number: UInt64
    var bytes: Int
    var knownDurable: UInt64
    var previous: Hash128
    var directoryHash: Hash128
    /// Hash of the header's own bytes: what the next one names as `previous`.
    var hash: Hash128
  }
  /// A group ready to be written.
  struct Encoded {
    var pieces: [[UInt8]]
    var bytes: Int
    var hash: Hash128
  }

  static func encode(_ header: FileHeader) -> [UInt8] {
    var out = ByteWriter(capacity: block)
    out.u32(header.magic)
    out.u32(version)
    out.u64(header.cluster.high)
    out.u64(header.cluster.low)
    out.u64(header.owner)
    out.u64(header.number)
    out.u32(0)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    out.reserveZeros(block - out.count)
    return out.finish()
  }
  static func decodeFileHeader(_ bytes: UnsafeRawBufferPointer) throws(DecodingFailure) -> FileHeader {
    var reader = ByteReader(bytes)
    let magic = try reader.u32()
    let found = try reader.u32()
    let header = FileHeader(
      magic: magic,
      cluster: ClusterID(high: try reader.u64(), low: try reader.u64()),
      owner: try reader.u64(),
      number: try reader.u64()
    )
    _ = try reader.u32()
    let covered = reader.position
    guard try reader.u32() == CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[0..<covered])) else {
      throw DecodingFailure(.checksum, at: covered, "checksum of the file header")
    }
    guard magic == journalMagic || magic == manifestMagic else {
      throw DecodingFailure(.malformed, at: 0, "neither a journal nor a manifest")
    }
    guard found == version else { throw DecodingFailure(.unknown, at: 4, "file format version \(found)") }
    return header
  }

  static func aligned(_ count: Int) -> Int { (count + block - 1) / block * block }
  /// Bytes of the header and directory of a group.
  static func frontBytes(records: Int, bodyBytes: Int) -> (header: Int, total: Int) {
    // The bit map covers the header that holds it: widen until it fits.
    let rest = records * recordHeaderBytes + bodyBytes
    var header = fixedHeaderBytes
    while true {
      let sectors = (header + rest + sector - 1) / sector
      let needed = fixedHeaderBytes + (sectors + 63) / 64 * 8
      if needed <= header { return (header, header + rest) }
      header = needed
    }
  }

  static func encode(
    file: UInt64,
    number: UInt64,
    knownDurable: UInt64,
    previous: Hash128,
    records: [JournalRecord]
  ) -> Encoded {
    let bodyBytes = records.reduce(0) { $0 + $1.entry.body.count }
    let (headerBytes, total) = frontBytes(records: records.count, bodyBytes: bodyBytes)
    var out = ByteWriter(capacity: headerBytes + records.count * recordHeaderBytes)
    out.u32(groupMagic)
    out.u32(0)
    out.u32(UInt32(headerBytes))
    out.u32(UInt32(records.count))
    out.u64(file)
    out.u64(number)
    out.u64(UInt64(total))
    out.u64(knownDurable)
    out.hash(previous)
    out.reserveZeros(headerBytes - out.count)
    for record in records { encode(record, into: &out) }
    let directory = out.withBytes { Murmur3.hash(UnsafeRawBufferPointer(rebasing: $0[headerBytes...])) }
    out.patch(directory.high, at: 64)
    out.patch(directory.low, at: 72)
    var pieces = [[]] + records.map(\.entry.body)
    var map = ZeroSectors(bytes: total)
    out.withBytes { map.scan(UnsafeRawBufferPointer(rebasing: $0[headerBytes...]), at: headerBytes) }
    var at = headerBytes + records.count * recordHeaderBytes
    for body in pieces.dropFirst() {
      body.withUnsafeBytes { map.scan($0, at: at) }
      at += body.count
    }
    // Sectors of the header itself: the first is never zero; later ones hold nothing but the map.
    map.mark(filled: 0)
    for word in map.words.indices { out.patch(~map.words[word], at: fixedHeaderBytes + word * 8) }
    out.withBytes { map.scan(UnsafeRawBufferPointer(rebasing: $0[0..<headerBytes]), at: 0) }
    for word in map.words.indices { out.patch(map.declared(word), at: fixedHeaderBytes + word * 8) }
    let checksum = out.withBytes { CRC32C.checksum(UnsafeRawBufferPointer(rebasing: $0[8..<headerBytes])) }
    out.patch(checksum, at: 4)
    let hash = out.withBytes { Murmur3.hash(UnsafeRawBufferPointer(rebasing: $0[0..<headerBytes])) }
    pieces[0] = out.finish()
    return Encoded(pieces: pieces, bytes: total, hash: hash)
  }
  static func encode(_ record: JournalRecord, into out: inout ByteWriter) {
    let entry = record.entry
    out.u64(record.shard.rawValue)
    out.u64(entry.position.rawValue)
    out.u64(entry.epoch.rawValue)
    out.i64(entry.logTime)
    out.u64(entry.catalogVersion.rawValue)
    out.u32(entry.kind.rawValue)
    out.u32(UInt32(entry.body.count))
    out.hash(entry.chain)
    out.hash(entry.bodyHash)
  }

  /// Reads a group header at the start of `bytes` (which reach to the end of the file); its CRC must hold.
  static func decodeHeader(_ bytes: UnsafeRawBufferPointer) throws(DecodingFailure) -> Header {
    var reader = ByteReader(bytes)
    guard try reader.u32() == groupMagic else { throw DecodingFailure(.malformed, at: 0, "not a group") }
    let checksum = try reader.u32()
    let headerBytes = Int(try reader.u32())
    guard headerBytes >= fixedHeaderBytes, headerBytes <= bytes.count, headerBytes % 8 == 0 else {
      throw DecodingFailure(.malformed, at: 8, "group header of \(headerBytes) bytes")
    }
    guard CRC32C.checksum(UnsafeRawBufferPointer(rebasing: bytes[8..<headerBytes])) == checksum else {
      throw DecodingFailure(.checksum, at: 4, "checksum of a group header")
    }
    let records = Int(try reader.u32())
    let (file, number) = (try reader.u64(), try reader.u64())
    let total = try reader.u64()
    let knownDurable = try reader.u64()
    let previous = try reader.hash()
    let directoryHash = try reader.hash()
    guard records <= recordsMax, total <= groupBytesMax,
      headerBytes + records * recordHeaderBytes <= Int(total),
      frontBytes(records: records, bodyBytes: Int(total) - headerBytes - records * recordHeaderBytes).header == headerBytes
    else { throw DecodingFailure(.malformed, at: 12, "group of \(records) records in \(total) bytes") }
    return Header(
      headerBytes: headerBytes,
      records: records,
      file: file,
      number: number,
      bytes: Int(total),
      knownDurable: knownDurable,
      previous: previous,
      directoryHash: directoryHash,
      hash: Murmur3.hash(UnsafeRawBufferPointer(rebasing: bytes[0..<headerBytes]))
    )
  }
}

/// Which sectors of a group are all zeros.
struct ZeroSectors {
  /// A set bit = the sector holds something.
  private(set) var words: [UInt64]
  private let bytes: Int
  init(bytes: Int) {
    self.bytes = bytes
    words = [UInt64](repeating: 0, count: ((bytes + GroupFormat.sector - 1) / GroupFormat.sector + 63) / 64)
  }
  mutating func mark(filled sector: Int) { words[sector >> 6] |= 1 << UInt64(sector & 63) }
  /// Notes which sectors `piece`, lying at `start`, fills.
  mutating func scan(_ piece: UnsafeRawBufferPointer, at start: Int) {
    var at = 0
    while at < piece.count {
      let sector = (start + at) / GroupFormat.sector
      let end = min(piece.count, (sector + 1) * GroupFormat.sector - start)
      if words[sector >> 6] >> UInt64(sector & 63) & 1 == 0, !Self.isZero(piece, at..<end) { mark(filled: sector) }
      at = end
    }
  }
  /// The word of the bit map as stored: set = zero, bits past the group clear.
  func declared(_ word: Int) -> UInt64 {
    let sectors = (bytes + GroupFormat.sector - 1) / GroupFormat.sector
    let left = sectors - word * 64
    return ~words[word] & (left >= 64 ? .max : (1 << UInt64(max(0, left))) - 1)
  }
  static func isZero(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) -> Bool {
    var at = range.lowerBound
    while at + 8 <= range.upperBound {
      if bytes.loadUnaligned(fromByteOffset: at, as: UInt64.self) != 0 { return false }
      at += 8
    }
    while at < range.upperBound {
      if bytes[at] != 0 { return false }
      at += 1
    }
    return true
  }
}
