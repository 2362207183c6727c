// RaftMessages.swift — what coordinators tell each other: votes, log entries, snapshots (Raft), joining the group, reading the newest.
//
// Raft's messages are letters, not questions: an envelope carries some in order from one member to another and is answered `done` once
// they were taken in; what the other has to say comes in an envelope of its own. Letters may be lost, doubled or overtaken.
//   envelope  varint from · varint to · string address of the sender · list of letters
//   letter    u8 number · fields as varints unless said otherwise
//     1 preVote       term asked for · last index · last term            2 preVoteReply  term · u8 granted
//     3 vote          term · last index · last term · u8 handed over     4 voteReply     term · u8 granted
//     5 append        term · previous index · previous term · u64, u64 previous chain · commit index · round · list of entries
//     6 appendReply   term · u8 accepted · index · hint index · hint term · round
//     7 snapshot      term · index · its term · u64, u64 chain · u64, u64 hash of the whole · bytes of the whole · offset · byte string
//     8 snapshotReply term · index · bytes received                      9 takeOver      term
//   entry     term · u8 kind · byte string
// An entry's index follows from its place; its chain is computed by who receives it. Bounds: RaftLimits.
public import Bytes
public import Model

/// Bounds on what coordinators send each other.
public enum RaftLimits {
  /// Letters of one envelope.
  public static let lettersMax = 256
  /// Entries of one append.
  public static let entriesMax = 1024
  /// Bytes of one entry's body; a catalog command is far smaller.
  public static let entryBytesMax = 4 << 20
  /// Bytes of entries in one append, unless a single one is larger.
  public static let appendBytes = 1 << 20
  /// Bytes of one piece of a snapshot.
  public static let pieceBytesMax = 1 << 20
  /// Bytes of a whole snapshot.
  public static let snapshotBytesMax = 64 << 20
  /// Bytes of one envelope's letters, unless a single one is larger.
  public static let envelopeBytes = 4 << 20
  /// Members of a group, learners and those on their way in or out included.
  public static let membersMax = 16
}

/// An entry of the coordinators' log on its way.
public struct RaftEntry: Sendable, Equatable {
  /// Term of the leader that made it.
  public var term: UInt64
  /// What the body is (Consensus.CommandRecord.Kind).
  public var kind: UInt8
  /// Opaque here.
  public var body: [UInt8]
  /// Makes an entry.
  public init(term: UInt64, kind: UInt8, body: [UInt8]) {
    self.term = term
    self.kind = kind
    self.body = body
  }
}

/// Entries behind a place of the log.
public struct RaftAppend: Sendable, Equatable {
  /// The leader's term.
  public var term: UInt64
  /// Index of the entry before the first one sent.
  public var previousIndex: UInt64
  /// Its term.
  public var previousTerm: UInt64
  /// The log's chain up to it.
  public var previousChain: Hash128
  /// Up to where the leader knows entries to be committed.
  public var commit: UInt64
  /// The leader's round of being heard, which the answer repeats.
  public var round: UInt64
  /// The entries.
  public var entries: [RaftEntry]
  /// Makes the letter.
  public init(
    term: UInt64,
    previousIndex: UInt64,
    previousTerm: UInt64,
    previousChain: Hash128,
    commit: UInt64,
    round: UInt64,
    entries: [RaftEntry]
  ) {
    self.term = term
    self.previousIndex = previousIndex
    self.previousTerm = previousTerm
    self.previousChain = previousChain
    self.commit = commit
    self.round = round
    self.entries = entries
  }
}

/// What a member has of an append.
public struct RaftAppendReply: Sendable, Equatable {
  /// The member's term.
  public var term: UInt64
  /// Whether the logs are equal up to `index`, on the member's disk; else the entry at `index` is not here or is another one.
  public var isAccepted: Bool
  /// Of the last entry that is equal, or of the previous entry that is not.
  public var index: UInt64
  /// When not accepted: up to here the logs may be equal.
  public var hintIndex: UInt64
  /// When not accepted: term of the member's entry there.
  public var hintTerm: UInt64
  /// The append's round.
  public var round: UInt64
  /// Makes the letter.
  public init(term: UInt64, isAccepted: Bool, index: UInt64, hintIndex: UInt64 = 0, hintTerm: UInt64 = 0, round: UInt64) {
    self.term = term
    self.isAccepted = isAccepted
    self.index = index
    self.hintIndex = hintIndex
    self.hintTerm = hintTerm
    self.round = round
  }
}

/// A piece of a snapshot.
public struct RaftPiece: Sendable, Equatable {
  /// The leader's term.
  public var term: UInt64
  /// Index of the last entry in the snapshot.
  public var index: UInt64
  /// Its term.
  public var snapshotTerm: UInt64
  /// The log's chain up to it.
  public var chain: Hash128
  /// MurmurHash3-128 of the whole snapshot.
  public var hash: Hash128
  /// Bytes of the whole snapshot.
  public var size: Int
  /// Where the piece begins.
  public var offset: Int
  /// The piece.
  public var bytes: [UInt8]
  /// Makes the letter.
  public init(
    term: UInt64,
    index: UInt64,
    snapshotTerm: UInt64,
    chain: Hash128,
    hash: Hash128,
    size: Int,
    offset: Int,
    bytes: [UInt8]
  ) {
    self.term = term
    self.index = index
    self.snapshotTerm = snapshotTerm
    self.chain = chain
    self.hash = hash
    self.size = size
    self.offset = offset
    self.bytes = bytes
  }
}

/// A letter between members of a group.
public enum RaftMessage: Sendable, Equatable {
  /// Would you vote for me in that term?
  case preVote(term: UInt64, lastIndex: UInt64, lastTerm: UInt64)
  /// Granted in the term asked for, or refused with the member's own.
  case preVoteReply(term: UInt64, isGranted: Bool)
  /// Vote for me. Handed over: the leader itself asked for it, so that nobody holds to it.
  case vote(term: UInt64, lastIndex: UInt64, lastTerm: UInt64, isHandedOver: Bool)
  case voteReply(term: UInt64, isGranted: Bool)
  case append(RaftAppend)
  case appendReply(RaftAppendReply)
  case snapshot(RaftPiece)
  /// Up to `offset` the snapshot at `index` is here.
  case snapshotReply(term: UInt64, index: UInt64, offset: Int)
  /// The leader is going: stand for election at once.
  case takeOver(term: UInt64)

  /// Term of its sender (or asked for, in a pre-vote).
  public var term: UInt64 {
    switch self {
    case .preVote(let term, _, _), .preVoteReply(let term, _), .vote(let term, _, _, _), .voteReply(let term, _): term
    case .append(let append): append.term
    case .appendReply(let reply): reply.term
    case .snapshot(let piece): piece.term
    case .snapshotReply(let term, _, _), .takeOver(let term): term
    }
  }
  /// About how many bytes it takes.
  public var weight: Int {
    switch self {
    case .append(let append): append.entries.reduce(64) { $0 + $1.body.count + 16 }
    case .snapshot(let piece): piece.bytes.count + 96
    default: 48
    }
  }
}

/// Encodes and decodes letters.
enum RaftMessageFormat {
  static func encode(_ message: RaftMessage, into out: inout ByteWriter) {
    switch message {
    case .preVote(let term, let lastIndex, let lastTerm):
      out.u8(1)
      for field in [term, lastIndex, lastTerm] { out.varint(field) }
    case .preVoteReply(let term, let isGranted):
      out.u8(2)
      out.varint(term)
      out.bool(isGranted)
    case .vote(let term, let lastIndex, let lastTerm, let isHandedOver):
      out.u8(3)
      for field in [term, lastIndex, lastTerm] { out.varint(field) }
      out.bool(isHandedOver)
    case .voteReply(let term, let isGranted):
      out.u8(4)
      out.varint(term)
      out.bool(isGranted)
    case .append(let append):
      out.u8(5)
      for field in [append.term, append.previousIndex, append.previousTerm] { out.varint(field) }
      out.hash(append.previousChain)
      out.varint(append.commit)
      out.varint(append.round)
      out.count(append.entries.count)
      for entry in append.entries {
        out.varint(entry.term)
        out.u8(entry.kind)
        out.prefixedBytes(entry.body)
      }
    case .appendReply(let reply):
      out.u8(6)
      out.varint(reply.term)
      out.bool(reply.isAccepted)
      for field in [reply.index, reply.hintIndex, reply.hintTerm, reply.round] { out.varint(field) }
    case .snapshot(let piece):
      out.u8(7)
      for field in [piece.term, piece.index, piece.snapshotTerm] { out.varint(field) }
      out.hash(piece.chain)
      out.hash(piece.hash)
      out.count(piece.size)
      out.count(piece.offset)
      out.prefixedBytes(piece.bytes)
    case .snapshotReply(let term, let index, let offset):
      out.u8(8)
      out.varint(term)
      out.varint(index)
      out.count(offset)
    case .takeOver(let term):
      out.u8(9)
      out.varint(term)
    }
  }
  static func decode(_ reader: inout ByteReader) throws(DecodingFailure) -> RaftMessage {
    let number = try reader.u8()
    switch number {
    case 1: return .preVote(term: try reader.varint(), lastIndex: try reader.varint(), lastTerm: try reader.varint())
    case 2: return .preVoteReply(term: try reader.varint(), isGranted: try reader.bool())
    case 3:
      return .vote(
        term: try reader.varint(),
        lastIndex: try reader.varint(),
        lastTerm: try reader.varint(),
        isHandedOver: try reader.bool()
      )
    case 4: return .voteReply(term: try reader.varint(), isGranted: try reader.bool())
    case 5:
      return .append(
        RaftAppend(
          term: try reader.varint(),
          previousIndex: try reader.varint(),
          previousTerm: try reader.varint(),
          previousChain: try reader.hash(),
          commit: try reader.varint(),
          round: try reader.varint(),
          entries: try reader.list(max: RaftLimits.entriesMax, "entries") { reader throws(DecodingFailure) in
            RaftEntry(
              term: try reader.varint(),
              kind: try reader.u8(),
              body: try reader.prefixedBytes(max: RaftLimits.entryBytesMax)
            )
          }
        )
      )
    case 6:
      return .appendReply(
        RaftAppendReply(
          term: try reader.varint(),
          isAccepted: try reader.bool(),
          index: try reader.varint(),
          hintIndex: try reader.varint(),
          hintTerm: try reader.varint(),
          round: try reader.varint()
        )
      )
    case 7:
      let piece = RaftPiece(
        term: try reader.varint(),
        index: try reader.varint(),
        snapshotTerm: try reader.varint(),
        chain: try reader.hash(),
        hash: try reader.hash(),
        size: try reader.count(max: RaftLimits.snapshotBytesMax, "bytes of a snapshot"),
        offset: try reader.count(max: RaftLimits.snapshotBytesMax, "offset in a snapshot"),
        bytes: try reader.prefixedBytes(max: RaftLimits.pieceBytesMax)
      )
      guard piece.offset + piece.bytes.count <= piece.size else {
        throw DecodingFailure(.malformed, at: reader.position, "a piece beyond the end of its snapshot")
      }
      return .snapshot(piece)
    case 8:
      return .snapshotReply(
        term: try reader.varint(),
        index: try reader.varint(),
        offset: try reader.count(max: RaftLimits.snapshotBytesMax, "offset in a snapshot")
      )
    case 9: return .takeOver(term: try reader.varint())
    default: throw DecodingFailure(.unknown, at: reader.position - 1, "letter number \(number)")
    }
  }
}

/// 40: letters from one member of the coordinators' group to another. Answered `done`.
public struct RaftEnvelope: MessageContent {
  /// Who wrote.
  public var from: MemberID
  /// For whom; another member refuses them.
  public var to: MemberID
  /// `host:port` where the sender listens.
  public var address: String
  /// The letters, in order.
  public var letters: [RaftMessage]
  /// Makes the message.
  public init(from: MemberID, to: MemberID, address: String, letters: [RaftMessage]) {
    self.from = from
    self.to = to
    self.address = address
    self.letters = letters
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(from)
    out.id(to)
    out.string(address)
    out.count(letters.count)
    for letter in letters { RaftMessageFormat.encode(letter, into: &out) }
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> RaftEnvelope {
    RaftEnvelope(
      from: try reader.id(),
      to: try reader.id(),
      address: try reader.string(max: addressBytesMax),
      letters: try reader.list(max: RaftLimits.lettersMax, "letters") { reader throws(DecodingFailure) in
        try RaftMessageFormat.decode(&reader)
      }
    )
  }
}

/// 41: a coordinator that started says who and where it is: the leader takes it into the group, or notes its address.
///
/// Bytes: member · string name · string address.
public struct JoinGroup: MessageContent {
  /// Its data directory.
  public var member: MemberID
  /// `coordinator-2`.
  public var name: String
  /// `host:port` of its RPC listener.
  public var address: String
  /// Makes the message.
  public init(member: MemberID, name: String, address: String) {
    self.member = member
    self.name = name
    self.address = address
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.id(member)
    out.string(name)
    out.string(address)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> JoinGroup {
    JoinGroup(member: try reader.id(), name: try reader.name(), address: try reader.string(max: addressBytesMax))
  }
}

/// 42: it is a member.
///
/// Bytes: u64, u64 cluster · u8 votes.
public struct JoinedGroup: MessageContent {
  /// The cluster.
  public var cluster: ClusterID
  /// Whether it votes already; a learner asks again until it does.
  public var isVoter: Bool
  /// Makes the message.
  public init(cluster: ClusterID, isVoter: Bool) {
    self.cluster = cluster
    self.isVoter = isVoter
  }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {
    out.u64(cluster.high)
    out.u64(cluster.low)
    out.bool(isVoter)
  }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> JoinedGroup {
    JoinedGroup(cluster: ClusterID(high: try reader.u64(), low: try reader.u64()), isVoter: try reader.bool())
  }
}

/// 43: asks the leader how far the log was committed when the question came. Answered `readIndexReply`, after a round of being heard.
///
/// Bytes: none.
public struct ReadIndex: MessageContent {
  /// Makes the message.
  public init() {}
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) {}
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ReadIndex { ReadIndex() }
}

/// 44: whoever has applied the log up to here knows all that was answered before the question.
///
/// Bytes: index.
public struct ReadIndexReply: MessageContent {
  /// The index.
  public var index: UInt64
  /// Makes the message.
  public init(index: UInt64) { self.index = index }
  /// Appends the fields.
  public func encode(into out: inout ByteWriter) { out.varint(index) }
  /// Reads the fields.
  public static func decode(_ reader: inout ByteReader, body: [UInt8]) throws(DecodingFailure) -> ReadIndexReply {
    ReadIndexReply(index: try reader.varint())
  }
}
