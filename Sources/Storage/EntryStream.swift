// EntryStream.swift — log entries of one shard on their way to another copy.
//
//   u8 version (1) · varint count, then each: u64 lsn · u64 epoch · i64 log time · u64 catalog version · u32 kind · varint body bytes
//   · chain · body hash · body
// Body hashes are checked here, the chain where the entry is accepted.
public import Bytes
import Model

/// Bytes of entries in transit.
public enum EntryStream {
  static let version: UInt8 = 1
  /// Entries of one message.
  public static let entriesMax = 65536

  /// Encodes entries.
  public static func encode(_ entries: [LogEntry]) -> [UInt8] {
    var out = ByteWriter(capacity: entries.reduce(16) { $0 + $1.body.count + 96 })
    out.u8(version)
    out.count(entries.count)
    for entry in entries {
      out.u64(entry.position.rawValue)
      out.u64(entry.epoch.rawValue)
      out.i64(entry.logTime)
      out.u64(entry.catalogVersion.rawValue)
      out.u32(entry.kind.rawValue)
      out.count(entry.body.count)
      out.hash(entry.chain)
      out.hash(entry.bodyHash)
      out.bytes(entry.body)
    }
    return out.finish()
  }
  /// Decodes entries. Throws on damage, unknown kinds and false hashes.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> [LogEntry] {
    if bytes.isEmpty { return [] }
    return try bytes.withReader { reader throws(DecodingFailure) in
      let found = try reader.u8()
      guard found == version else { throw DecodingFailure(.unknown, at: 0, "entry stream version \(found)") }
      var entries: [LogEntry] = []
      for _ in 0..<(try reader.count(max: entriesMax, "entries")) { entries.append(try entry(&reader)) }
      try reader.expectEnd()
      return entries
    }
  }
  private static func entry(_ reader: inout ByteReader) throws(DecodingFailure) -> LogEntry {
    let start = reader.position
    let (position, epoch) = (LogPosition(try reader.u64()), Epoch(try reader.u64()))
    let (logTime, version) = (try reader.i64(), CatalogVersion(try reader.u64()))
    guard let kind = EntryKind(rawValue: try reader.u32()), kind != .cut else {
      throw DecodingFailure(.unknown, at: start, "kind of log entry \(position)")
    }
    let count = try reader.count(max: reader.remaining, "bytes of an entry")
    let (chain, hash) = (try reader.hash(), try reader.hash())
    let body = [UInt8](try reader.bytes(count))
    guard Murmur3.hash(body) == hash else { throw DecodingFailure(.checksum, at: start, "body of log entry \(position)") }
    return LogEntry(
      position: position,
      epoch: epoch,
      kind: kind,
      logTime: logTime,
      catalogVersion: version,
      body: body,
      bodyHash: hash,
      chain: chain
    )
  }
}
