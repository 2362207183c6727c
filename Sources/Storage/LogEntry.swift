// LogEntry.swift — one entry of a shard's log: its number, epoch, kind, time, body and place in the hash chain.
//
// Kind numbers are on disk and on the wire: never reuse one. Bodies: LogEntryFormat.swift. Where entries lie: JournalFormat.swift.
//
// chain = Murmur3-128 of 80 bytes, little-endian:
//   previous chain (high, low) · u64 lsn · u64 epoch · i64 log time · u64 catalog version · u32 kind · u32 body bytes
//   · body hash (high, low)          body hash = Murmur3-128 of the body
// so a body is hashed once and a chain names every byte before it.
public import Bytes
public import Model

/// What an entry does. An unknown number stops decoding with `.unknown` (rule D18).
public enum EntryKind: UInt32, Sendable, CaseIterable {
  /// A primary begins its epoch.
  case epochStart = 1
  /// Rows of one table, as the client sent them.
  case batch = 2
  /// A part of a statement over several shards, invisible until its Commit.
  case stage = 3
  /// A statement takes effect; only in its deciding shard.
  case decide = 4
  /// What a statement staged here is there from this entry on.
  case commit = 5
  /// What a statement staged here is gone.
  case abort = 6
  /// A delta of a rollup and its new watermark.
  case rollupCommit = 7
  /// A delta of a rollup's backfill and the new start of what it covers.
  case backfillCommit = 8
  /// Which files take the place of log rows or of sections of other files.
  case layout = 9
  /// Expiry of raw slices, or of buckets below a level's floor.
  case retentionDrop = 10
  /// Rows that are gone from here on.
  case delete = 11
  /// Everything of one tenant is gone from here on.
  case tenantDelete = 12
  /// The tables and rollups of the shard's group from here on.
  case schemaBarrier = 13
  /// Producer sessions that are forgotten.
  case keyExpiry = 14
  /// Asks every copy for the digest of its state here.
  case digestProbe = 15
  /// Only in a journal: voids a shard's records from a position on. Never an entry of a log.
  case cut = 255
}

/// An entry of a shard's log. Immutable once made: bodies are shared, not copied.
public struct LogEntry: Sendable, Equatable {
  /// Dense from 1.
  public let position: LogPosition
  /// Epoch of the primary that made it.
  public let epoch: Epoch
  /// What it does.
  public let kind: EntryKind
  /// Microseconds since 1970-01-01 UTC, stamped by the primary; never falls.
  public let logTime: Int64
  /// Catalog version the body was made under; 0 where none matters.
  public let catalogVersion: CatalogVersion
  /// See LogEntryFormat.swift.
  public let body: [UInt8]
  /// Murmur3-128 of the body.
  public let bodyHash: Hash128
  /// Hash of everything up to and including this entry.
  public let chain: Hash128

  /// Makes the entry that follows `previousChain`; hashes the body.
  public init(
    position: LogPosition,
    epoch: Epoch,
    kind: EntryKind,
    logTime: Int64,
    catalogVersion: CatalogVersion,
    body: [UInt8],
    after previousChain: Hash128
  ) {
    let bodyHash = Murmur3.hash(body)
    self.init(
      position: position,
      epoch: epoch,
      kind: kind,
      logTime: logTime,
      catalogVersion: catalogVersion,
      body: body,
      bodyHash: bodyHash,
      chain: Self.chain(
        after: previousChain,
        position: position,
        epoch: epoch,
        logTime: logTime,
        catalogVersion: catalogVersion,
        kind: kind,
        bodyBytes: body.count,
        bodyHash: bodyHash
      )
    )
  }
  /// Takes over the parts of an entry read back; whoever read them verified the hashes.
  init(
    position: LogPosition,
    epoch: Epoch,
    kind: EntryKind,
    logTime: Int64,
    catalogVersion: CatalogVersion,
    body: [UInt8],
    bodyHash: Hash128,
    chain: Hash128
  ) {
    self.position = position
    self.epoch = epoch
    self.kind = kind
    self.logTime = logTime
    self.catalogVersion = catalogVersion
    self.body = body
    self.bodyHash = bodyHash
    self.chain = chain
  }
  /// Whether this entry continues a log that ended in `previousChain`.
  public func follows(_ previousChain: Hash128) -> Bool {
    chain
      == Self.chain(
        after: previousChain,
        position: position,
        epoch: epoch,
        logTime: logTime,
        catalogVersion: catalogVersion,
        kind: kind,
        bodyBytes: body.count,
        bodyHash: bodyHash
      )
  }
  static func chain(
    after previous: Hash128,
    position: LogPosition,
    epoch: Epoch,
    logTime: Int64,
    catalogVersion: CatalogVersion,
    kind: EntryKind,
    bodyBytes: Int,
    bodyHash: Hash128
  ) -> Hash128 {
    var bytes = ByteWriter(capacity: 80)
    bytes.hash(previous)
    bytes.u64(position.rawValue)
    bytes.u64(epoch.rawValue)
    bytes.i64(logTime)
    bytes.u64(catalogVersion.rawValue)
    bytes.u32(kind.rawValue)
    bytes.u32(UInt32(bodyBytes))
    bytes.hash(bodyHash)
    return bytes.withBytes { Murmur3.hash($0) }
  }
}

extension ByteWriter {
  /// Appends a 128-bit hash, high half first.
  mutating func hash(_ value: Hash128) {
    u64(value.high)
    u64(value.low)
  }
}

extension ByteReader {
  /// Reads a 128-bit hash.
  mutating func hash() throws(DecodingFailure) -> Hash128 { Hash128(high: try u64(), low: try u64()) }
}
