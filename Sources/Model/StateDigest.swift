// StateDigest.swift — what a copy's state is at a position of its log, in three hashes that are equal on all copies.
//
// A DigestProbe entry asks for it (protocol.md §2.11). How the hashes are made: Storage/StateProbe.swift. Three, so that whoever looks for
// the cause of a difference knows where to begin.
public import Bytes

/// The digest of a shard's state.
public struct StateDigest: Sendable, Equatable {
  /// Position of the probe: everything up to it is in the digest.
  public var position: LogPosition
  /// What the shard knows apart from rows: keys, watermarks, floors, open statements, deleted rows.
  public var state: Hash128
  /// Its live sections, by the content hashes of their files.
  public var files: Hash128
  /// Its rows in memory.
  public var rows: Hash128
  /// Makes a digest.
  public init(position: LogPosition, state: Hash128, files: Hash128, rows: Hash128) {
    self.position = position
    self.state = state
    self.files = files
    self.rows = rows
  }
  /// In what it differs from another of the same position.
  public func difference(from other: StateDigest) -> String {
    [(state == other.state, "state"), (files == other.files, "files"), (rows == other.rows, "rows in memory")]
      .filter { !$0.0 }.map(\.1).joined(separator: ", ")
  }
}
