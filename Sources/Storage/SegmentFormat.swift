// SegmentFormat.swift — the layout of a segment file, version 1. All integers little-endian.
//
//   file     = header (64 bytes) · extents of all sections · footer · trailer (40 bytes)
//   header   = u32 magic "TSG1" · u16 version 1 · u16 0 · u64 cluster high · u64 cluster low · u64 shard · u64 file · 20 zeros
//              · u32 CRC32C of the 60 bytes before it
//   footer   = varint sections · SECTION each
//   SECTION  = varint relation · i32 day slice (2^31-1 = unsliced) · varint rows · u64 low · u64 high position
//              · u8 flags (1 = a position column follows the columns, 2 = states, 4 = time bounds)
//              · [i64 least, i64 greatest finite time] · u8 n, n × varint sort key · varint columns · varint blocks
//              · varint rows of each block · COLUMN each · [COLUMN of positions]
//   COLUMN   = TYPE (SegmentTypeFormat) · u8 dictionary (0 none, 1 yes) · [varint texts · varint pages · EXTENT each]
//              · per block: EXTENT · ZONE
//   EXTENT   = varint bytes · u64 high, u64 low of the bytes' MurmurHash3
//   ZONE     = u8 kind + 8 if there are NULLs · fixed: zigzag least, varint greatest - least · double: 2 × u64 bits
//              · numeric: 2 × (u8 scale, i128) · text: 2 × (u8 length ≤ 16, bytes)
//              kinds: 0 unknown, 1 only NULLs, 2 fixed, 3 double, 4 numeric, 5 text
//   trailer  = u64 footer bytes · u64 high, u64 low of the footer's hash · u64 file bytes · u32 magic "TSGE" · u32 CRC32C of the 36 before
// Extents lie in the file in the order the footer lists them, without gaps: column by column (dictionary pages, then blocks).
// A block is one column of up to 8 Ki rows, at most about 64 KiB (ColumnEncoding); a page is DictionaryEncoding's.
// Content hash of a file = MurmurHash3 of header, footer and trailer: the footer holds the hash of everything else.
import Bytes
import Columns
import Model

enum SegmentFormat {
  static let magic: UInt32 = 0x3147_5354
  static let endMagic: UInt32 = 0x4547_5354
  static let version: UInt16 = 1
  static let headerBytes = 64
  static let trailerBytes = 40
  static let sectionsMax = 1 << 16
  static let rowsMax = 1 << 30

  // MARK: Header and trailer

  static func header(_ identity: SegmentIdentity) -> [UInt8] {
    var out = ByteWriter(capacity: headerBytes)
    out.u32(magic)
    out.integer(version)
    out.integer(UInt16(0))
    out.u64(identity.cluster.high)
    out.u64(identity.cluster.low)
    out.u64(identity.shard.rawValue)
    out.u64(identity.file)
    out.reserveZeros(20)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  static func decodeHeader(_ raw: UnsafeRawBufferPointer) throws(DecodingFailure) -> SegmentIdentity {
    guard raw.count >= headerBytes + trailerBytes else {
      throw DecodingFailure(.truncated, at: raw.count, "a segment file of \(raw.count) bytes")
    }
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: raw[0..<headerBytes]))
    let magic = try reader.u32()
    let version = try reader.u16()
    try expectCRC(raw, 0..<headerBytes, "segment header")
    guard magic == Self.magic else { throw DecodingFailure(.malformed, at: 0, "not a segment file") }
    guard version == Self.version else { throw DecodingFailure(.unknown, at: 4, "segment version \(version)") }
    _ = try reader.u16()
    let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
    return SegmentIdentity(cluster: cluster, shard: ShardID(try reader.u64()), file: try reader.u64())
  }
  static func trailer(footerBytes: Int, footerHash: Hash128, fileBytes: Int) -> [UInt8] {
    var out = ByteWriter(capacity: trailerBytes)
    out.u64(UInt64(footerBytes))
    out.u64(footerHash.high)
    out.u64(footerHash.low)
    out.u64(UInt64(fileBytes))
    out.u32(endMagic)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Where the footer lies, after its hash was checked.
  static func footerRange(_ raw: UnsafeRawBufferPointer) throws(DecodingFailure) -> Range<Int> {
    let start = raw.count - trailerBytes
    try expectCRC(raw, start..<raw.count, "segment trailer")
    var reader = ByteReader(UnsafeRawBufferPointer(rebasing: raw[start...]))
    let bytes = try reader.u64()
    let hash = Hash128(high: try reader.u64(), low: try reader.u64())
    let fileBytes = try reader.u64()
    guard try reader.u32() == endMagic else { throw DecodingFailure(.malformed, at: start + 32, "not a segment trailer") }
    guard fileBytes == UInt64(raw.count), bytes <= UInt64(start - headerBytes) else {
      throw DecodingFailure(.malformed, at: start, "a footer of \(bytes) bytes in a file of \(raw.count), not \(fileBytes)")
    }
    let range = start - Int(bytes)..<start
    guard Murmur3.hash(UnsafeRawBufferPointer(rebasing: raw[range])) == hash else {
      throw DecodingFailure(.checksum, at: range.lowerBound, "segment footer does not match its hash")
    }
    return range
  }
  private static func expectCRC(
    _ raw: UnsafeRawBufferPointer,
    _ range: Range<Int>,
    _ what: StaticString
  ) throws(DecodingFailure) {
    let body = UnsafeRawBufferPointer(rebasing: raw[range.lowerBound..<range.upperBound - 4])
    let stored = raw.loadUnaligned(fromByteOffset: range.upperBound - 4, as: UInt32.self)
    guard CRC32C.checksum(body) == UInt32(littleEndian: stored) else {
      throw DecodingFailure(.checksum, at: range.lowerBound, "\(what) does not match its checksum")
    }
  }
  static func contentHash(header: UnsafeRawBufferPointer, footerAndTrailer: UnsafeRawBufferPointer) -> Hash128 {
    var all = ByteWriter(capacity: header.count + footerAndTrailer.count)
    all.bytes(header)
    all.bytes(footerAndTrailer)
    return all.withBytes { Murmur3.hash($0) }
  }

  // MARK: Zones

  static func encode(_ zone: Zone, into out: inout ByteWriter) {
    let nulls: UInt8 = zone.hasNulls ? 8 : 0
    switch zone.bounds {
    case .unknown: out.u8(nulls)
    case .none: out.u8(1 + nulls)
    case .fixed(let low, let high):
      out.u8(2 + nulls)
      out.signedVarint(low)
      out.varint(UInt64(bitPattern: high &- low))
    case .double(let low, let high):
      out.u8(3 + nulls)
      out.f64(low)
      out.f64(high)
    case .numeric(let low, let high):
      out.u8(4 + nulls)
      for bound in [low, high] {
        out.u8(bound.scale)
        out.integer(bound.coefficient)
      }
    case .text(let low, let high):
      out.u8(5 + nulls)
      for bound in [low, high] {
        out.u8(UInt8(bound.count))
        out.bytes(bound)
      }
    }
  }
  static func decodeZone(_ reader: inout ByteReader) throws(DecodingFailure) -> Zone {
    let tag = try reader.u8()
    guard tag < 16 else { throw DecodingFailure(.unknown, at: reader.position - 1, "zone kind \(tag)") }
    let bounds: Zone.Bounds
    switch tag & 7 {
    case 0: bounds = .unknown
    case 1: bounds = .none
    case 2:
      let low = try reader.signedVarint()
      bounds = .fixed(low, low &+ Int64(bitPattern: try reader.varint()))
    case 3: bounds = .double(try reader.f64(), try reader.f64())
    case 4: bounds = .numeric(try decodeNumeric(&reader), try decodeNumeric(&reader))
    case 5: bounds = .text(try reader.bytes(Int(try reader.u8() & 31)), try reader.bytes(Int(try reader.u8() & 31)))
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "zone kind \(tag)")
    }
    return Zone(hasNulls: tag & 8 != 0, bounds: bounds)
  }
  private static func decodeNumeric(_ reader: inout ByteReader) throws(DecodingFailure) -> Numeric {
    let scale = try reader.u8()
    guard scale <= 38 else { throw DecodingFailure(.malformed, at: reader.position - 1, "numeric scale \(scale)") }
    return Numeric(coefficient: try reader.integer(Int128.self), scale: scale)
  }
}
