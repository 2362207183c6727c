// VoteFormat.swift — the bytes of a coordinator's vote file: which member this directory is, its term, and whom it voted for in it.
//
//   u32 magic "TVOT" · u16 version 1 · u16 zero · 16 bytes cluster id · u64 member · u64 term · u64 vote (0: none)
//   · u32 crc32c of all before
// It is replaced by rename (rule D6) before anything that depends on it is said: a coordinator that forgot a vote could give it twice.
public import Bytes
public import Model

/// What a member must never forget (Raft §5.2).
public struct HardState: Equatable, Sendable {
  /// The latest term it has seen.
  public var term: UInt64
  /// Whom it voted for in it.
  public var vote: MemberID?
  /// Makes a state.
  public init(term: UInt64 = 0, vote: MemberID? = nil) {
    self.term = term
    self.vote = vote
  }
}

/// Reads and writes vote files.
public enum VoteFormat {
  static let magic: UInt32 = 0x544f_5654
  static let version: UInt16 = 1
  /// Bytes of the file.
  public static let byteCount = 52

  /// The bytes of a file.
  public static func encode(_ cluster: ClusterID, member: MemberID, _ state: HardState) -> [UInt8] {
    var out = ByteWriter(capacity: byteCount)
    out.u32(magic)
    out.u16(version)
    out.u16(0)
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.u64(member.rawValue)
    out.u64(state.term)
    out.u64(state.vote?.rawValue ?? 0)
    out.u32(out.withBytes { CRC32C.checksum($0) })
    return out.finish()
  }
  /// Reads a file; it is whole or it was never there, so anything else is damage.
  public static func decode(
    _ bytes: [UInt8]
  ) throws(DecodingFailure) -> (cluster: ClusterID, member: MemberID, state: HardState) {
    try bytes.withReader { reader throws(DecodingFailure) in
      guard try reader.u32() == magic else { throw DecodingFailure(.malformed, at: 0, "not a vote file") }
      let version = try reader.u16()
      guard version == Self.version, try reader.u16() == 0 else {
        throw DecodingFailure(.unknown, at: 4, "vote file version \(version)")
      }
      let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
      let (member, term, vote) = (MemberID(try reader.u64()), try reader.u64(), try reader.u64())
      let checksum = CRC32C.checksum(UnsafeRawBufferPointer(rebasing: reader.base[0..<reader.position]))
      guard try reader.u32() == checksum else { throw DecodingFailure(.checksum, at: byteCount - 4, "vote file") }
      try reader.expectEnd()
      guard member.rawValue > 0 else { throw DecodingFailure(.malformed, at: 24, "member 0") }
      return (cluster, member, HardState(term: term, vote: vote == 0 ? nil : MemberID(vote)))
    }
  }
}
