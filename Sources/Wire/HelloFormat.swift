// HelloFormat.swift — how two ends introduce themselves; the heads of hello and helloReply frames.
//
//   hello       8 bytes "TALLYRPC" · u16 lowest version · u16 highest version · identity
//   helloReply  u16 version chosen: the highest both speak · identity
//   identity    u64 cluster high, u64 cluster low (both 0: none yet, or any) · u8 role · string name (≤ 63 bytes)
//               · u64 node (0: not registered) · u64 incarnation [· u64 generation, when it is known]
// Instead of a helloReply a server may answer an error frame on stream 0 with the reason, and closes.

public import Bytes
public import Model

/// What an end of a connection is.
public enum PeerRole: UInt8, Sendable {
  case client = 0
  case coordinator = 1
  case worker = 2
}

/// Who an end of a connection says it is.
public struct PeerIdentity: Sendable, Equatable {
  /// Its cluster; `.none` for a client that takes any, or a node that was not registered yet.
  public var cluster: ClusterID
  /// What it is.
  public var role: PeerRole
  /// `worker-1`; a client's program name.
  public var name: String
  /// Its number in the catalog; 0 for clients and unregistered nodes.
  public var node: NodeID
  /// Of a worker's last registration.
  public var incarnation: Incarnation
  /// The latest generation of the cluster that it knows: how often its catalog was recovered, from 1; 0 when it knows none.
  public var generation: UInt64
  /// Makes an identity.
  public init(
    cluster: ClusterID = .none,
    role: PeerRole = .client,
    name: String,
    node: NodeID = NodeID(0),
    incarnation: Incarnation = Incarnation(0),
    generation: UInt64 = 0
  ) {
    self.generation = generation
    self.cluster = cluster
    self.role = role
    self.name = name
    self.node = node
    self.incarnation = incarnation
  }
  /// Why an end that says so of itself is not dealt with by one that knows generation `known`; nil when it is. A coordinator of an earlier
  /// generation than the cluster's is fenced for good: what it knows was recovered without it. Others learn.
  public func fence(knowing known: UInt64) -> TallyError? {
    guard role == .coordinator, generation > 0, generation < known else { return nil }
    return TallyError(
      .unavailable,
      "coordinator \"\(name)\" is of generation \(generation) of the cluster, which was recovered since: this is generation \(known)",
      hint: "its catalog is void: stop it, empty its data directory, and start it with --init and --peers to join the others"
    )
  }
}

/// Encodes and decodes introductions.
public enum HelloFormat {
  static let magic: [UInt8] = Array("TALLYRPC".utf8)

  /// The head of a hello frame.
  public static func encodeHello(
    _ identity: PeerIdentity,
    versions: ClosedRange<UInt16> = FrameFormat.versions
  ) -> [UInt8] {
    var out = ByteWriter(capacity: 128)
    out.bytes(magic)
    out.u16(versions.lowerBound)
    out.u16(versions.upperBound)
    encode(identity, into: &out)
    return out.finish()
  }
  /// Reads a hello: the versions the client speaks and who it is.
  public static func decodeHello(
    _ head: [UInt8]
  ) throws(DecodingFailure) -> (versions: ClosedRange<UInt16>, identity: PeerIdentity) {
    try head.withReader { reader throws(DecodingFailure) in
      guard try reader.bytes(magic.count) == magic else {
        throw DecodingFailure(.malformed, at: 0, "not a hello")
      }
      let (low, high) = (try reader.u16(), try reader.u16())
      guard low <= high else {
        throw DecodingFailure(.malformed, at: reader.position, "versions \(low) to \(high)")
      }
      // A later version may add fields: what follows the identity is not ours to judge.
      return (low...high, try decodeIdentity(&reader))
    }
  }
  /// The head of a helloReply frame.
  public static func encodeReply(version: UInt16, _ identity: PeerIdentity) -> [UInt8] {
    var out = ByteWriter(capacity: 128)
    out.u16(version)
    encode(identity, into: &out)
    return out.finish()
  }
  /// Reads a helloReply.
  public static func decodeReply(
    _ head: [UInt8]
  ) throws(DecodingFailure) -> (version: UInt16, identity: PeerIdentity) {
    try head.withReader { reader throws(DecodingFailure) in
      (try reader.u16(), try decodeIdentity(&reader))
    }
  }
  /// The version two ends use: the highest both speak; nil when there is none.
  public static func negotiate(
    _ client: ClosedRange<UInt16>,
    _ server: ClosedRange<UInt16>
  ) -> UInt16? {
    let version = min(client.upperBound, server.upperBound)
    return client.contains(version) && server.contains(version) ? version : nil
  }

  private static func encode(_ identity: PeerIdentity, into out: inout ByteWriter) {
    out.u64(identity.cluster.high)
    out.u64(identity.cluster.low)
    out.u8(identity.role.rawValue)
    out.string(identity.name)
    out.u64(identity.node.rawValue)
    out.u64(identity.incarnation.rawValue)
    if identity.generation > 0 { out.u64(identity.generation) }
  }
  private static func decodeIdentity(
    _ reader: inout ByteReader
  ) throws(DecodingFailure) -> PeerIdentity {
    let cluster = ClusterID(high: try reader.u64(), low: try reader.u64())
    guard let role = PeerRole(rawValue: try reader.u8()) else {
      throw DecodingFailure(.unknown, at: reader.position - 1, "role of a peer")
    }
    return PeerIdentity(
      cluster: cluster,
      role: role,
      name: try reader.string(max: Limits.nameBytesMax),
      node: NodeID(try reader.u64()),
      incarnation: Incarnation(try reader.u64()),
      generation: reader.remaining == 0 ? 0 : try reader.u64()
    )
  }
}

/// The head of a credit frame: one varint of bytes.
public enum CreditFormat {
  /// The head that grants `bytes` more.
  public static func encode(_ bytes: Int) -> [UInt8] {
    var out = ByteWriter(capacity: 16)
    out.count(bytes)
    return out.finish()
  }
  /// Reads a grant; nobody has reason to grant more than 1 GiB at once.
  public static func decode(_ head: [UInt8]) throws(DecodingFailure) -> Int {
    try head.withReader { reader throws(DecodingFailure) in
      let bytes = try reader.count(max: 1 << 30, "credit")
      try reader.expectEnd()
      return bytes
    }
  }
}
