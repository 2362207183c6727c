// Members.swift — who belongs to the coordinators' group, and the bytes of that list and of a snapshot, in log and letters.
//
// Version 1 of both:
//   members   varint count · per member, by rising id: u64 id · string name · string address · u8 votes
//   snapshot  u8 version 1 · members as of the snapshot's last entry · the state machine's bytes to the end
public import Bytes
public import Model
import Wire

/// A coordinator as a member of its group.
public struct Member: Equatable, Sendable {
  /// Its data directory.
  public var id: MemberID
  /// `coordinator-1`.
  public var name: String
  /// `host:port` where it listens.
  public var address: String
  /// Learners take entries in, but never vote nor count.
  public var isVoter: Bool
  /// Makes a member.
  public init(id: MemberID, name: String, address: String, isVoter: Bool) {
    self.id = id
    self.name = name
    self.address = address
    self.isVoter = isVoter
  }
}

/// The members of a group, by rising id.
public struct Members: Equatable, Sendable {
  /// By rising id.
  public private(set) var all: [Member]
  /// Makes a list.
  public init(_ members: [Member] = []) { all = members.sorted { $0.id < $1.id } }
  /// Those that vote.
  public var voters: [Member] { all.filter(\.isVoter) }
  /// A member, if it is one.
  public func member(_ id: MemberID) -> Member? { all.first { $0.id == id } }
  /// Whether it votes.
  public func isVoter(_ id: MemberID) -> Bool { member(id)?.isVoter ?? false }
  /// Whether these are more than half of the voters.
  public func isQuorum(_ ids: Set<MemberID>) -> Bool { 2 * voters.count { ids.contains($0.id) } > voters.count }
  mutating func set(_ member: Member) {
    all.removeAll { $0.id == member.id }
    all = (all + [member]).sorted { $0.id < $1.id }
  }
  mutating func remove(_ id: MemberID) { all.removeAll { $0.id == id } }

  /// Appends the list.
  public func encode(into out: inout ByteWriter) {
    out.count(all.count)
    for member in all {
      out.u64(member.id.rawValue)
      out.string(member.name)
      out.string(member.address)
      out.bool(member.isVoter)
    }
  }
  /// The bytes of the list alone.
  public func encoded() -> [UInt8] {
    var out = ByteWriter()
    encode(into: &out)
    return out.finish()
  }
  /// Reads a list.
  public static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> Members {
    var members: [Member] = []
    for _ in 0..<(try reader.count(max: RaftLimits.membersMax, "members")) {
      let start = reader.position
      let id = MemberID(try reader.u64())
      guard id > members.last?.id ?? MemberID(0) else { throw DecodingFailure(.malformed, at: start, "members out of order") }
      members.append(
        Member(
          id: id,
          name: try reader.string(max: Limits.nameBytesMax),
          address: try reader.string(max: 300),
          isVoter: try reader.bool()
        )
      )
    }
    return Members(members)
  }
  /// Reads a list that is all there is.
  public static func decode(_ bytes: [UInt8]) throws(DecodingFailure) -> Members {
    try bytes.withReader { reader throws(DecodingFailure) in
      let members = try decode(&reader)
      try reader.expectEnd()
      return members
    }
  }
}

/// The state machine as of an entry of the log, in place of all entries up to it.
public struct RaftSnapshot: Equatable, Sendable {
  /// Index of the last entry in it.
  public var index: UInt64
  /// Its term.
  public var term: UInt64
  /// The log's chain up to it.
  public var chain: Hash128
  /// The members as of it.
  public var members: Members
  /// The state machine's bytes.
  public var state: [UInt8]
  /// Makes a snapshot.
  public init(index: UInt64, term: UInt64, chain: Hash128, members: Members, state: [UInt8]) {
    self.index = index
    self.term = term
    self.chain = chain
    self.members = members
    self.state = state
  }
  /// What stands before the first entry of a group that has none yet.
  public static func empty(_ members: Members) -> RaftSnapshot {
    RaftSnapshot(index: 0, term: 0, chain: .zero, members: members, state: [])
  }
}

/// Reads and writes the body of a snapshot.
public enum SnapshotFormat {
  static let version: UInt8 = 1

  /// The body of a snapshot.
  public static func encode(_ snapshot: RaftSnapshot) -> [UInt8] {
    var out = ByteWriter(capacity: snapshot.state.count + 256)
    out.u8(version)
    snapshot.members.encode(into: &out)
    out.bytes(snapshot.state)
    return out.finish()
  }
  /// Reads the body of the snapshot at an index.
  public static func decode(
    _ body: [UInt8],
    index: UInt64,
    term: UInt64,
    chain: Hash128
  ) throws(DecodingFailure) -> RaftSnapshot {
    try body.withReader { reader throws(DecodingFailure) in
      let version = try reader.u8()
      guard version == Self.version else { throw DecodingFailure(.unknown, at: 0, "snapshot version \(version)") }
      let members = try Members.decode(&reader)
      return RaftSnapshot(index: index, term: term, chain: chain, members: members, state: try reader.bytes(reader.remaining))
    }
  }
}
